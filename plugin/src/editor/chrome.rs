//! What frames every view: the tabs and the voice light above, how the instance is doing below.

use egui::{Align2, Color32, Rect};

use super::controls::button;
use super::look::{Look, VIEWS};
use super::page::{Page, rect};
use super::theme::{space, type_size, words};
use crate::status::Status;

/// Height of the upper part.
const HEAD: f32 = 48.0;
/// Height of the lower part.
const FOOT: f32 = 46.0;
/// Left edge and width of the tabs.
const TABS: (f32, f32) = (84.0, 72.0);

/// Where the view goes.
pub fn content(page: &Page<'_>) -> Rect {
    let width = page.width() - 2.0 * space::MARGIN;
    rect(space::MARGIN, HEAD, width, page.height() - HEAD - FOOT)
}

/// Draws the upper part; what is chosen then. `voice`: whether one is heard.
pub fn head(page: &Page<'_>, look: Look, voice: bool) -> Look {
    let mut chosen = look;
    let middle = HEAD / 2.0;
    page.write(
        "Affekt",
        space::MARGIN,
        middle,
        Align2::LEFT_CENTER,
        words(type_size::BODY),
        page.theme.text,
    );
    for (place, view) in VIEWS.into_iter().enumerate() {
        let tab = rect(TABS.0 + TABS.1 * place as f32, middle - 13.0, TABS.1 - 4.0, 26.0);
        let tip = match place {
            0 => "What the voice carries now",
            1 => "What it has carried since playback started; saves it as a file",
            2 => "MIDI controllers, parameter changes, alignment",
            _ => "The model, how it is doing, and whom it listens to",
        };
        if button(page, tab, view.title(), view == look.view, tip) {
            chosen.view = view;
        }
    }
    let right = page.width() - space::MARGIN;
    let switch = rect(right - 52.0, middle - 11.0, 52.0, 22.0);
    let (label, tip) = if look.light {
        ("Dark", "Dark colours")
    } else {
        ("Light", "Light colours")
    };
    if button(page, switch, label, false, tip) {
        chosen.light = !look.light;
    }
    let (light, word) = if voice {
        (page.theme.good, "Voice")
    } else {
        (page.theme.track, "No voice")
    };
    let word = page.write(
        word,
        switch.min.x - space::FAR,
        middle,
        Align2::RIGHT_CENTER,
        words(type_size::SMALL),
        if voice { page.theme.text } else { page.theme.quiet },
    );
    page.dot(word.min.x - 10.0, middle, 5.0, light);
    chosen
}

/// Draws the lower part.
pub fn foot(page: &Page<'_>, status: &Status) {
    let top = page.height() - FOOT + 4.0;
    let width = page.width() - 2.0 * space::MARGIN;
    page.block(rect(space::MARGIN, top, width, 1.0), page.theme.track);
    page.dot(space::MARGIN + 5.0, top + 14.0, 5.0, color(page, status));
    page.paragraph(
        &status.sentence(),
        space::MARGIN + 20.0,
        top + 6.0,
        width - 20.0,
        2,
        words(type_size::SMALL),
        page.theme.text,
    );
}

fn color(page: &Page<'_>, status: &Status) -> Color32 {
    match status {
        Status::ModelError(_) => page.theme.bad,
        Status::Overloaded => page.theme.caution,
        Status::Listening => page.theme.good,
        Status::LoadingModel | Status::NoSound | Status::NoVoice => page.theme.quiet,
    }
}
