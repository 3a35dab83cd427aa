//! Where the values go: nine MIDI lanes, parameter changes, and the alignment.

use affekt_models::automation::{OUTPUTS, Output, Values};
use egui::{Align2, Rect};

use super::controls::{choice, field, paint_curve, switch};
use super::hands::Hands;
use super::page::{Page, rect};
use super::theme::{space, type_size, words};
use crate::params::AffektParams;

/// Height of the columns' headings.
const HEADINGS: f32 = 22.0;
/// Height of the controls below.
const STRIP: f32 = 38.0;
/// Distance of two columns.
const GAP: f32 = 5.0;

/// Columns after the name: heading and width.
const COLUMNS: [(&str, f32); 9] = [
    ("On", 34.0),
    ("CC", 38.0),
    ("Chan.", 36.0),
    ("Min", 38.0),
    ("Max", 38.0),
    ("Curve", 46.0),
    ("Smooth", 56.0),
    ("Sensitivity", 66.0),
    ("Find", 50.0),
];

/// Draws it.
pub fn show(page: &Page<'_>, area: Rect, values: &Values, params: &AffektParams, hands: &mut Hands) {
    let bottom = area.max.y - STRIP;
    let taken: f32 = COLUMNS.iter().map(|(_, width)| width + GAP).sum();
    let name = area.width() - taken;
    let mut left = [0.0; COLUMNS.len()];
    let mut x = area.min.x + name + GAP;
    for (place, (heading, width)) in COLUMNS.into_iter().enumerate() {
        left[place] = x;
        page.write(
            heading,
            x + width / 2.0,
            area.min.y + HEADINGS / 2.0,
            Align2::CENTER_CENTER,
            words(type_size::SMALL),
            page.theme.quiet,
        );
        x += width + GAP;
    }
    let row = (bottom - area.min.y - HEADINGS) / OUTPUTS.len() as f32;
    for (place, output) in OUTPUTS.into_iter().enumerate() {
        let top = area.min.y + HEADINGS + row * place as f32;
        let cell = |column: usize| rect(left[column], top + 2.0, COLUMNS[column].1, row - 4.0);
        live(page, rect(area.min.x, top, name - GAP, row), output, values);
        lane(page, cell, output, params, hands);
    }
    strip(
        page,
        rect(area.min.x, bottom + 8.0, area.width(), STRIP - 8.0),
        params,
        hands,
    );
}

/// An output's name above its value.
fn live(page: &Page<'_>, area: Rect, output: Output, values: &Values) {
    let theme = page.theme;
    let middle = area.center().y;
    page.write(
        output.title(),
        area.min.x,
        middle - 2.0,
        Align2::LEFT_CENTER,
        words(type_size::BODY),
        theme.text,
    );
    let track = rect(area.min.x, area.max.y - 5.0, area.width(), 3.0);
    page.block(track, theme.track);
    let value = values.output(output);
    let (from, to) = (output.normalised(0.0), output.normalised(value));
    let color = match output {
        Output::Emotion(emotion) => theme.emotion(emotion),
        _ => theme.accent,
    };
    let filled = rect(
        track.min.x + track.width() * from.min(to),
        track.min.y,
        track.width() * (to - from).abs(),
        3.0,
    );
    if filled.width() > 0.1 {
        page.block(filled, color);
    }
}

fn lane(page: &Page<'_>, cell: impl Fn(usize) -> Rect, output: Output, params: &AffektParams, hands: &mut Hands) {
    let lane = params.lane_dials(output.index());
    let plain = |_: &Page<'_>, _: Rect, _: f32| false;
    let on = if lane.on.is_on() { "On" } else { "Off" };
    switch(
        page,
        hands,
        cell(0),
        lane.on,
        on,
        "Sends this value as a MIDI controller",
    );
    field(page, hands, cell(1), lane.number, "Controller number, 0 to 127", plain);
    field(page, hands, cell(2), lane.channel, "MIDI channel, 1 to 16", plain);
    field(
        page,
        hands,
        cell(3),
        lane.minimum,
        "Controller value, 0 to 127, for the smallest value (arousal: calm, valence: unpleasant). Above Max the lane is \
         inverted.",
        plain,
    );
    field(
        page,
        hands,
        cell(4),
        lane.maximum,
        "Controller value, 0 to 127, for the largest value (arousal: excited, valence: pleasant)",
        plain,
    );
    let curve = |page: &Page<'_>, place: Rect, at: f32| {
        paint_curve(page, place, at * 2.0 - 1.0);
        true
    };
    field(
        page,
        hands,
        cell(5),
        lane.curve,
        "-1 to 1: 0 is a straight line; above it small values are lifted, below it they are held down",
        curve,
    );
    field(
        page,
        hands,
        cell(6),
        lane.smoothing,
        "Further smoothing, 0 to 5 s",
        plain,
    );
    if let Output::Emotion(emotion) = output {
        field(
            page,
            hands,
            cell(7),
            params.sensitivity_dial(emotion),
            "How easily this emotion shows, -12 to 12 dB; it acts on meters and outputs alike",
            plain,
        );
    }
    switch(
        page,
        hands,
        cell(8),
        lane.test,
        "Send",
        "Sends a slow sweep on this lane until it is pressed again, so that a host's MIDI learn finds it",
    );
}

fn strip(page: &Page<'_>, area: Rect, params: &AffektParams, hands: &mut Hands) {
    let middle = area.center().y;
    let events = rect(area.min.x, middle - 12.0, 168.0, 24.0);
    switch(
        page,
        hands,
        events,
        params.parameter_events_dial(),
        "Send parameter changes",
        "Pushes the nine values to the host as parameter changes, at most 100 a second. For hosts that notice only \
         what a plugin sends to them; some write each change into their undo history.",
    );
    let align = rect(area.max.x - 240.0, middle - 12.0, 240.0, 24.0);
    page.write(
        "Delay the sound (align)",
        align.min.x - space::NEAR - 4.0,
        middle,
        Align2::RIGHT_CENTER,
        words(type_size::SMALL),
        page.theme.quiet,
    );
    choice(
        page,
        hands,
        align,
        params.align_dial(),
        "Delays the sound, and tells the host, so that the values lead the sound that they belong to.",
    );
}
