//! The upper part of the window: the plugin's name, the model and its runtime, and the emotion that dominates.

use affekt_models::EMOTIONS;
use egui::{Align2, Color32};

use super::theme::{Page, QUIET, TEXT, numerals, type_size, words};
use crate::analysis::Reading;
use crate::worker::link::ModelState;
use affekt_models::automation::Output;

/// Part of the width that the model's name and its runtime may take.
const MODEL_WIDTH: f32 = 0.7;
/// Top of the dominant emotion's word.
const DISPLAY_TOP: f32 = 40.0;
/// Height of that word.
const DISPLAY_HEIGHT: f32 = 48.0;

/// Draws it.
pub fn show(page: &Page<'_>, reading: &Reading, model: &ModelState) {
    let name = page.set("Affekt", words(type_size::TITLE), TEXT, page.size().x, 1);
    page.write(&name, 0.0, 0.0, Align2::LEFT_TOP);

    if let ModelState::Running(info) = model {
        let (right, width) = (page.size().x, page.size().x * MODEL_WIDTH);
        let name = page.set(
            &format!("Model: {} {}", info.name, info.version),
            words(type_size::SMALL),
            TEXT,
            width,
            1,
        );
        page.write(&name, right, 0.0, Align2::RIGHT_TOP);
        let runtime = page.set(&info.runtime, words(type_size::SMALL), QUIET, width, 1);
        page.write(&runtime, right, 17.0, Align2::RIGHT_TOP);
    }

    let middle = DISPLAY_TOP + DISPLAY_HEIGHT / 2.0;
    match dominant(&reading.values.emotions) {
        Some(index) => {
            let [red, green, blue] = EMOTIONS[index].color();
            let color = Color32::from_rgb(red, green, blue);
            let word = page.set(
                Output::Emotion(EMOTIONS[index]).title(),
                words(type_size::DISPLAY),
                color,
                page.size().x,
                1,
            );
            page.write(&word, 0.0, middle, Align2::LEFT_CENTER);
        }
        None => {
            let word = page.set(
                "Waiting for a voice",
                words(type_size::DISPLAY),
                QUIET,
                page.size().x,
                1,
            );
            page.write(&word, 0.0, middle, Align2::LEFT_CENTER);
        }
    }
    if reading.late + reading.dropped > 0 {
        let counts = format!("late {}  dropped {}", reading.late, reading.dropped);
        let counts = page.set(&counts, numerals(type_size::SMALL), QUIET, page.size().x, 1);
        page.write(&counts, page.size().x, middle, Align2::RIGHT_CENTER);
    }
}

/// Place of the most probable emotion; `None` at rest.
fn dominant(probabilities: &[f32; 6]) -> Option<usize> {
    let best = (0..probabilities.len()).max_by(|&a, &b| probabilities[a].total_cmp(&probabilities[b]))?;
    (probabilities[best] > 0.0).then_some(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_probable_dominates_and_nothing_does_at_rest() {
        assert_eq!(dominant(&[0.0; 6]), None);
        assert_eq!(dominant(&[0.1, 0.2, 0.05, 0.4, 0.15, 0.1]), Some(3));
        assert_eq!(dominant(&[1.0, 0.0, 0.0, 0.0, 0.0, 0.0]), Some(0));
    }
}
