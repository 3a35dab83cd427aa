//! The lower part of the window: how the instance is doing, as a coloured dot and one sentence.

use std::sync::Arc;

use egui::{Align2, Color32, Id, Sense, Ui};

use super::theme::{BAD, CAUTION, GOOD, Page, QUIET, TEXT, type_size, words};
use crate::analysis::Reading;
use crate::status::Status;
use crate::worker::link::{Link, ModelState};

/// Height of the part, from its rule to the page's bottom.
const HEIGHT: f32 = 54.0;
/// Radius of the dot.
const DOT: f32 = 5.0;
/// Distance from the page's left edge to the sentence.
const INDENT: f32 = 20.0;
/// Most rows of the sentence; the rest is shown while the pointer is on it.
const ROWS: usize = 3;
/// The host is taken to have stopped when no block came for this long, in seconds.
const STOPPED_AFTER_S: f64 = 0.5;

/// Finds out how the instance is doing.
pub struct StatusLine {
    link: Arc<Link>,
    /// Blocks processed at the last look.
    blocks: Option<u64>,
    /// When there was a new one, in seconds.
    last_block_s: f64,
}

impl StatusLine {
    /// Of the instance behind `link`.
    pub fn new(link: Arc<Link>) -> Self {
        Self {
            link,
            blocks: None,
            last_block_s: f64::NEG_INFINITY,
        }
    }

    /// Looks.
    pub fn look(&mut self, ui: &Ui, reading: &Reading) -> (Status, ModelState) {
        let now_s = ui.input(|input| input.time);
        if self
            .blocks
            .replace(reading.blocks)
            .is_some_and(|before| before != reading.blocks)
        {
            self.last_block_s = now_s;
        }
        let playing = now_s - self.last_block_s < STOPPED_AFTER_S;
        let model = self.link.model();
        (Status::of(self.link.complaint(), &model, playing, reading), model)
    }
}

/// Draws it.
pub fn show(page: &Page<'_>, status: &Status) {
    let top = page.size().y - HEIGHT;
    page.rule(top);
    let sentence = status.sentence();
    let width = page.size().x - INDENT;
    let set = page.set(&sentence, words(type_size::SMALL), TEXT, width, ROWS);
    let rect = page.write(&set, INDENT, top + 12.0, Align2::LEFT_TOP);
    let first_row = page.set(" ", words(type_size::SMALL), TEXT, width, 1);
    page.dot(DOT, top + 12.0 + page.height_of(&first_row) / 2.0, DOT, color(status));
    if set.elided {
        page.ui
            .interact(rect, Id::unique("status"), Sense::hover())
            .on_hover_text(sentence);
    }
}

fn color(status: &Status) -> Color32 {
    match status {
        Status::ModelError(_) => BAD,
        Status::Overloaded => CAUTION,
        Status::Listening => GOOD,
        Status::LoadingModel | Status::NoSound | Status::NoVoice => QUIET,
    }
}
