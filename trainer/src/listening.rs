//! A picture of what a model hears in some clips, window by window: for people who would rather look than read.

use std::collections::BTreeMap;
use std::fmt::Write;

use affekt_models::{EMOTIONS, Emotion};

use crate::evaluation::{Heard, HeardWindow};
use crate::metrics::most_probable;
use crate::report::{INK, colour, escaped};
use crate::seed::text_key;

/// Clips in a picture, and in a row of it.
const CLIPS: usize = 16;
const COLUMNS: usize = 4;
/// Width and height of a cell, and of the panel in it, in pixels.
const CELL: (f64, f64) = (300.0, 176.0);
const PANEL: (f64, f64) = (268.0, 96.0);
/// Place of the panel in its cell.
const CORNER: (f64, f64) = (16.0, 44.0);
/// Space above the cells for the legend.
const HEAD: f64 = 40.0;

/// Sixteen clips as SVG, the six probabilities stacked over each clip's time. Which clips: in turn from every emotion and,
/// within it, from every corpus, by a number made from their names, right or wrong. Clips without windows are passed over.
pub fn picture(heard: &[Heard]) -> String {
    let mut groups: BTreeMap<(&str, &str), Vec<&Heard>> = BTreeMap::new();
    for clip in heard.iter().filter(|clip| !clip.windows.is_empty()) {
        groups.entry((&clip.emotion, &clip.corpus)).or_default().push(clip);
    }
    for group in groups.values_mut() {
        group.sort_by_key(|clip| text_key(&clip.file));
    }
    let of_emotions = EMOTIONS.map(|emotion| {
        let own = groups.iter().filter(|((name, _), _)| *name == emotion.name());
        let mut corpora: Vec<&[&Heard]> = own.map(|(_, clips)| clips.as_slice()).collect();
        // Another corpus begins for each emotion.
        let count = corpora.len().max(1);
        corpora.rotate_left(emotion.index() % count);
        in_turn(&corpora)
    });
    let mut shown = in_turn(&of_emotions);
    shown.truncate(CLIPS);

    let (width, height) = (
        COLUMNS as f64 * CELL.0,
        HEAD + shown.len().div_ceil(COLUMNS) as f64 * CELL.1,
    );
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
         font-family=\"system-ui, sans-serif\" font-size=\"12\" fill=\"{INK}\">\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>"
    );
    for (place, emotion) in EMOTIONS.into_iter().enumerate() {
        let x = CORNER.0 + 110.0 * place as f64;
        let _ = write!(
            svg,
            "<rect x=\"{x}\" y=\"14\" width=\"14\" height=\"14\" fill=\"{}\"/><text x=\"{}\" y=\"26\">{}</text>",
            colour(emotion),
            x + 20.0,
            emotion.name()
        );
    }
    for (place, clip) in shown.into_iter().enumerate() {
        let (x, y) = (
            (place % COLUMNS) as f64 * CELL.0,
            HEAD + (place / COLUMNS) as f64 * CELL.1,
        );
        cell(&mut svg, clip, x + CORNER.0, y + CORNER.1);
    }
    svg + "</svg>"
}

/// The first of each list, then the second of each.
fn in_turn<'a, L: AsRef<[&'a Heard]>>(lists: &[L]) -> Vec<&'a Heard> {
    let longest = lists.iter().map(|list| list.as_ref().len()).max().unwrap_or(0);
    let turns = (0..longest).flat_map(|turn| lists.iter().filter_map(move |list| list.as_ref().get(turn)));
    turns.copied().collect()
}

/// Where the last window's result ends, in seconds. It is what counts for the clip, so it is seen as long as the one before.
fn end_s(windows: &[HeardWindow]) -> f32 {
    match windows {
        [.., before, last] => 2.0 * last.end_s - before.end_s,
        [only] => 1.1 * only.end_s,
        [] => 1.0,
    }
    .max(1e-3)
}

/// One clip, the upper left corner of its panel at `x`, `y`.
fn cell(svg: &mut String, clip: &Heard, x: f64, y: f64) {
    let heard = EMOTIONS[most_probable(&clip.probabilities)];
    let is_right = heard.name() == clip.emotion;
    let stem = clip.file.rsplit_once('.').map_or(clip.file.as_str(), |(stem, _)| stem);
    let (mark, weight) = if is_right { ("✓", "400") } else { ("✗", "700") };
    let acted = Emotion::from_name(&clip.emotion).map_or(INK.into(), colour);
    let _ = write!(
        svg,
        "<text x=\"{x}\" y=\"{}\">{} {}</text>\
         <circle cx=\"{}\" cy=\"{}\" r=\"5\" fill=\"{acted}\"/>\
         <text x=\"{}\" y=\"{}\" font-weight=\"{weight}\">{mark} acted {}, heard {}</text>",
        y - 26.0,
        escaped(&clip.corpus),
        escaped(stem),
        x + 5.0,
        y - 12.0,
        x + 15.0,
        y - 8.0,
        escaped(&clip.emotion),
        heard.name()
    );
    let end_s = end_s(&clip.windows);
    let across = |time_s: f32| x + PANEL.0 * f64::from(time_s / end_s);
    let _ = write!(
        svg,
        "<rect x=\"{x}\" y=\"{y}\" width=\"{}\" height=\"{}\" fill=\"#eef1f4\"/>",
        PANEL.0, PANEL.1
    );
    for (place, emotion) in EMOTIONS.into_iter().enumerate() {
        // A window's result holds until the next one's.
        let edge = |window: &HeardWindow, count: usize| {
            let below: f32 = window.probabilities[..count].iter().sum();
            y + PANEL.1 * (1.0 - f64::from(below.min(1.0)))
        };
        let mut path = String::new();
        let steps: Vec<(f64, f64, &HeardWindow)> = clip
            .windows
            .iter()
            .enumerate()
            .map(|(index, window)| {
                let until = clip.windows.get(index + 1).map_or(end_s, |next| next.end_s);
                (across(window.end_s), across(until), window)
            })
            .collect();
        for (index, (from, until, window)) in steps.iter().enumerate() {
            let top = edge(window, place + 1);
            let command = if index == 0 { 'M' } else { 'L' };
            let _ = write!(path, "{command}{from:.1} {top:.1}H{until:.1}");
        }
        for (from, until, window) in steps.iter().rev() {
            let bottom = edge(window, place);
            let _ = write!(path, "L{until:.1} {bottom:.1}H{from:.1}");
        }
        let _ = write!(svg, "<path d=\"{path}Z\" fill=\"{}\"/>", colour(emotion));
    }
    let below = y + PANEL.1 + 15.0;
    let _ = write!(
        svg,
        "<text x=\"{x}\" y=\"{below}\" font-size=\"11\">0 s</text>\
         <text x=\"{}\" y=\"{below}\" font-size=\"11\" text-anchor=\"end\">{end_s:.1} s</text>",
        x + PANEL.0
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clips_of_every_emotion_and_corpus_are_shown_right_or_wrong() {
        let heard: Vec<Heard> = (0..60)
            .map(|clip| {
                let mut probabilities = [0.1; 6];
                probabilities[clip % 5] = 0.5;
                Heard {
                    file: format!("{clip}.wav"),
                    speaker: "a/1".into(),
                    corpus: ["a", "b<"][clip % 2].into(),
                    emotion: EMOTIONS[clip % 6].name().into(),
                    probabilities,
                    voiced: true,
                    windows: (1..4)
                        .map(|window| HeardWindow {
                            end_s: 0.5 * window as f32,
                            probabilities,
                        })
                        .collect(),
                }
            })
            .collect();
        let svg = picture(&heard);
        assert_eq!(svg.matches("acted ").count(), CLIPS);
        for emotion in EMOTIONS {
            assert!(svg.contains(&format!("acted {}", emotion.name())));
        }
        assert!(svg.contains("b&lt;") && svg.contains('✓') && svg.contains('✗'));
        assert_eq!(svg, picture(&heard));
        assert!(!picture(&[]).contains("acted"));
    }

    #[test]
    fn the_last_result_can_be_seen() {
        let windows: Vec<HeardWindow> = [1.0, 1.5, 1.9]
            .map(|end_s| HeardWindow {
                end_s,
                probabilities: [0.0; 6],
            })
            .into();
        assert!((end_s(&windows) - 2.3).abs() < 1e-6);
        assert!(end_s(&windows[..1]) > 1.0 && end_s(&[]) > 0.0);
    }
}
