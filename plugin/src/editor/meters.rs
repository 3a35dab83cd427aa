//! Six horizontal meters, one per emotion.

use affekt_models::EMOTIONS;
use egui::{Align2, Color32};

use super::theme::{Page, QUIET, TEXT, TRACK, numerals, type_size, words};
use crate::analysis::Reading;
use affekt_models::automation::Output;

/// Top of the first meter.
const TOP: f32 = 104.0;
/// Distance between the bottom of the last meter's row and the page's bottom.
const BOTTOM: f32 = 66.0;
/// Width of the names.
const NAME_WIDTH: f32 = 84.0;
/// Width of the values.
const VALUE_WIDTH: f32 = 72.0;
/// Thickness of a bar.
const BAR_HEIGHT: f32 = 12.0;
/// Time in which a bar covers most of the way to a new value, in seconds. Values come every 100 ms; without it they jump.
const EASE_S: f64 = 0.04;
/// Opacity of the bars while the values hold.
const HELD_OPACITY: f32 = 0.55;

/// The bars' lengths, which follow the values with a little ease.
#[derive(Default)]
pub struct Meters {
    lengths: [f32; 6],
    /// When they were drawn last, in seconds.
    drawn_s: f64,
}

impl Meters {
    /// Draws them.
    pub fn show(&mut self, page: &Page<'_>, reading: &Reading) {
        let now_s = page.ui.input(|input| input.time);
        let passed_s = now_s - std::mem::replace(&mut self.drawn_s, now_s);
        let ease = 1.0 - (-passed_s / EASE_S).exp() as f32;
        let row = (page.size().y - TOP - BOTTOM) / EMOTIONS.len() as f32;
        let bar_width = page.size().x - NAME_WIDTH - VALUE_WIDTH;
        for (index, emotion) in EMOTIONS.into_iter().enumerate() {
            let value = reading.values.emotions[index];
            let length = &mut self.lengths[index];
            *length += (value - *length) * ease;

            let middle = TOP + (index as f32 + 0.5) * row;
            let text_color = if value > 0.0 { TEXT } else { QUIET };
            let name = page.set(
                Output::Emotion(emotion).title(),
                words(type_size::BODY),
                text_color,
                NAME_WIDTH,
                1,
            );
            page.write(&name, 0.0, middle, Align2::LEFT_CENTER);

            let top = middle - BAR_HEIGHT / 2.0;
            page.bar(NAME_WIDTH, top, bar_width, BAR_HEIGHT, TRACK);
            let [red, green, blue] = emotion.color();
            let opacity = if reading.values.voiced { 1.0 } else { HELD_OPACITY };
            let color = Color32::from_rgb(red, green, blue).gamma_multiply(opacity);
            let filled = bar_width * length.clamp(0.0, 1.0);
            if filled >= 1.0 {
                page.bar(NAME_WIDTH, top, filled, BAR_HEIGHT, color);
            }

            let percent = format!("{:.1} %", value * 100.0);
            let percent = page.set(&percent, numerals(type_size::BODY), text_color, VALUE_WIDTH, 1);
            page.write(&percent, page.size().x, middle, Align2::RIGHT_CENTER);
        }
    }
}
