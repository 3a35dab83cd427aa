//! An evaluation as one self-contained HTML page, and its pictures as SVG.

use std::fmt::Write;

use affekt_models::EMOTIONS;

use crate::evaluation::{Evaluation, Summary};
use crate::recipe::Labels;

/// Width and height of a plot, in pixels, and the space around its panel for labels.
const SIZE: f64 = 360.0;
const MARGIN: f64 = 52.0;
/// Side of the panel.
const PANEL: f64 = SIZE - 2.0 * MARGIN;

/// The pictures of an evaluation: file name without extension, and SVG.
pub fn pictures(evaluation: &Evaluation) -> Vec<(&'static str, String)> {
    vec![
        ("confusion", confusion(evaluation)),
        ("recall", recall(evaluation)),
        ("reliability", reliability(evaluation)),
        ("risk-coverage", risk_coverage(evaluation)),
        ("speakers", speakers(evaluation)),
    ]
}

/// Validation UAR over the epochs of several trainings, one line each.
pub fn courses(trainings: &[Vec<f64>]) -> String {
    let longest = trainings.iter().map(Vec::len).max().unwrap_or(1).max(2);
    let mut plot = Plot::new("Validation UAR", &format!("epochs 1 to {longest}"), "UAR").with_scale_y();
    let best = trainings.iter().enumerate().max_by(|(_, a), (_, b)| {
        let most = |course: &[f64]| course.iter().copied().fold(0.0, f64::max);
        most(a).total_cmp(&most(b))
    });
    let best = best.map(|(place, _)| place);
    for (place, course) in trainings.iter().enumerate() {
        let points: Vec<[f64; 2]> = course
            .iter()
            .enumerate()
            .map(|(epoch, uar)| [epoch as f64 / (longest - 1) as f64, *uar])
            .collect();
        let colour = if Some(place) == best { BLUE } else { GREY };
        plot.line(&points, colour, false);
    }
    plot.finish()
}

/// One page with figures, tables and pictures; it needs no other file.
pub fn html(title: &str, evaluation: &Evaluation) -> String {
    let figures = &evaluation.metrics;
    let session = evaluation.session.name();
    let judged = match evaluation.labels {
        Labels::Voted => "what most listeners heard",
        _ => "what was acted",
    };
    let mut rows = String::new();
    for (name, key, figure) in [
        ("UAR", "uar", figures.uar),
        ("accuracy", "accuracy", figures.accuracy),
        ("macro F1", "macro_f1", figures.macro_f1),
        ("calibration error", "ece", figures.ece),
    ] {
        let interval = match evaluation.intervals.get(key) {
            Some([low, high]) => format!("{low:.3} to {high:.3}"),
            None => "–".into(),
        };
        let _ = write!(rows, "<tr><td>{name}<td>{figure:.3}<td>{interval}");
    }
    let _ = write!(rows, "<tr><td>mean risk<td>{:.3}<td>–", evaluation.mean_risk);
    if let Some(majority) = &evaluation.majority {
        let _ = write!(
            rows,
            "<tr><td>majority baseline<td>UAR {:.3}, accuracy {:.3}<td>–",
            majority.uar, majority.accuracy
        );
    }
    let _ = write!(rows, "<tr><td>mean confidence<td>{:.3}<td>–", evaluation.confidence);
    if let Some(windows) = &evaluation.windows {
        let _ = write!(
            rows,
            "<tr><td>single windows<td>UAR {:.3}, accuracy {:.3}<td>–",
            windows.uar, windows.accuracy
        );
    }
    for (kind, confidence) in &evaluation.non_voice {
        let _ = write!(rows, "<tr><td>confidence on {kind}, no voice<td>{confidence:.3}<td>–");
    }
    let pictures: String = pictures(evaluation)
        .into_iter()
        .map(|(_, picture)| format!("<figure>{picture}</figure>"))
        .collect();
    format!(
        "<!doctype html>
<html lang=\"en\"><meta charset=\"utf-8\"><title>{title}</title>
<style>
body {{ font: 15px/1.45 system-ui, sans-serif; max-width: 76rem; margin: 2rem auto; padding: 0 1rem; color: #1d2127 }}
table {{ border-collapse: collapse; margin: 1rem 2rem 1rem 0; display: inline-table; vertical-align: top }}
th, td {{ text-align: left; padding: .2rem .9rem .2rem 0; border-bottom: 1px solid #d4d9df }}
figure {{ display: inline-block; margin: .5rem }}
</style>
<h1>{title}</h1>
<p>{clips} clips of {count} speakers, {session} sessions, judged by {judged}. Intervals: 95 %, speakers drawn with
replacement.</p>
<table><tr><th>figure<th>value<th>interval{rows}</table>
{corpora}{sexes}
<div>{pictures}</div>
{speakers}
</html>
",
        title = escaped(title),
        clips = figures.clips,
        count = evaluation.speakers,
        corpora = groups("corpus", evaluation.by_corpus.iter()),
        sexes = groups("sex", evaluation.by_sex.iter()),
        speakers = groups("speaker", evaluation.by_speaker.iter()),
    )
}

fn groups<'a>(what: &str, groups: impl Iterator<Item = (&'a String, &'a Summary)>) -> String {
    let rows: String = groups
        .map(|(name, own)| {
            format!(
                "<tr><td>{}<td>{}<td>{:.3}<td>{:.3}",
                escaped(name),
                own.clips,
                own.uar,
                own.accuracy
            )
        })
        .collect();
    format!("<table><tr><th>{what}<th>clips<th>UAR<th>accuracy{rows}</table>")
}

pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// A square plot: `panel` is drawn in a unit square that is flipped so that up is more.
struct Plot {
    body: String,
}

impl Plot {
    fn new(title: &str, x: &str, y: &str) -> Self {
        let middle = SIZE / 2.0;
        let body = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {SIZE} {SIZE}\" width=\"{SIZE}\" height=\"{SIZE}\" \
             font-family=\"system-ui, sans-serif\" font-size=\"11\" fill=\"#1d2127\">\
             <rect width=\"{SIZE}\" height=\"{SIZE}\" fill=\"#ffffff\"/>\
             <text x=\"{middle}\" y=\"22\" text-anchor=\"middle\" font-size=\"14\">{title}</text>\
             <text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">{x}</text>\
             <text transform=\"translate(13 {middle}) rotate(-90)\" text-anchor=\"middle\">{y}</text>",
            SIZE - 8.0
        );
        Self { body }
    }

    /// Grid and labels in fifths, both ways from 0 to 1.
    fn with_scale(mut self) -> Self {
        for step in 0..=5 {
            let at = f64::from(step) / 5.0;
            let (x, y) = (place_x(at), place_y(at));
            let (left, right, top, bottom) = (place_x(0.0), place_x(1.0), place_y(1.0), place_y(0.0));
            let _ = write!(
                self.body,
                "<path d=\"M{left} {y}H{right}M{x} {bottom}V{top}\" stroke=\"#d4d9df\" fill=\"none\"/>\
                 <text x=\"{x}\" y=\"{}\" text-anchor=\"middle\">{at}</text>\
                 <text x=\"{}\" y=\"{}\" text-anchor=\"end\">{at}</text>",
                bottom + 15.0,
                left - 6.0,
                y + 4.0
            );
        }
        self
    }

    /// Grid and labels in fifths upwards alone.
    fn with_scale_y(mut self) -> Self {
        for step in 0..=5 {
            let at = f64::from(step) / 5.0;
            let (y, left, right) = (place_y(at), place_x(0.0), place_x(1.0));
            let _ = write!(
                self.body,
                "<path d=\"M{left} {y}H{right}\" stroke=\"#d4d9df\" fill=\"none\"/>\
                 <text x=\"{}\" y=\"{}\" text-anchor=\"end\">{at}</text>",
                left - 6.0,
                y + 4.0
            );
        }
        self
    }

    fn line(&mut self, points: &[[f64; 2]], colour: &str, dashed: bool) {
        let points: Vec<String> = points
            .iter()
            .map(|[x, y]| format!("{:.1},{:.1}", place_x(*x), place_y(*y)))
            .collect();
        let dash = if dashed { " stroke-dasharray=\"4 4\"" } else { "" };
        let _ = write!(
            self.body,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"{dash}/>",
            points.join(" ")
        );
    }

    fn dot(&mut self, [x, y]: [f64; 2], radius: f64, colour: &str) {
        let _ = write!(
            self.body,
            "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"{radius:.1}\" fill=\"{colour}\" fill-opacity=\"0.8\"/>",
            place_x(x),
            place_y(y)
        );
    }

    /// A bar from the bottom, between two places across.
    fn bar(&mut self, from: f64, to: f64, height: f64, colour: &str) {
        let (left, right, top) = (place_x(from), place_x(to), place_y(height));
        let _ = write!(
            self.body,
            "<rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"{colour}\"/>",
            right - left,
            place_y(0.0) - top
        );
    }

    fn text(&mut self, [x, y]: [f64; 2], anchor: &str, colour: &str, text: &str) {
        let _ = write!(
            self.body,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\" fill=\"{colour}\">{}</text>",
            place_x(x),
            place_y(y) + 4.0,
            escaped(text)
        );
    }

    fn finish(self) -> String {
        self.body + "</svg>"
    }
}

fn place_x(share: f64) -> f64 {
    MARGIN + PANEL * share
}

fn place_y(share: f64) -> f64 {
    SIZE - MARGIN - PANEL * share
}

pub(crate) const INK: &str = "#1d2127";
const BLUE: &str = "#0072b2";
const GREY: &str = "#a8b0b8";

/// An emotion's colour as SVG writes it.
pub(crate) fn colour(emotion: affekt_models::Emotion) -> String {
    let [red, green, blue] = emotion.color();
    format!("#{red:02x}{green:02x}{blue:02x}")
}

fn confusion(evaluation: &Evaluation) -> String {
    let mut plot = Plot::new("Confusion, share of each row", "heard", "acted");
    let cells = EMOTIONS.len() as f64;
    for (row, counts) in evaluation.metrics.confusion.iter().enumerate() {
        let all: usize = counts.iter().sum();
        let middle = 1.0 - (row as f64 + 0.5) / cells;
        plot.text([-0.02, middle], "end", INK, EMOTIONS[row].name());
        plot.text([(row as f64 + 0.5) / cells, -0.05], "middle", INK, EMOTIONS[row].name());
        for (column, count) in counts.iter().enumerate() {
            let share = if all > 0 { *count as f64 / all as f64 } else { 0.0 };
            let (x, y) = (place_x(column as f64 / cells), place_y(1.0 - row as f64 / cells));
            let side = PANEL / cells;
            let _ = write!(
                plot.body,
                "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{side:.1}\" height=\"{side:.1}\" fill=\"{BLUE}\" \
                 fill-opacity=\"{share:.3}\" stroke=\"#d4d9df\"/>"
            );
            let ink = if share > 0.55 { "#ffffff" } else { INK };
            let at = [(column as f64 + 0.5) / cells, middle];
            plot.text(at, "middle", ink, &format!("{:.0}", 100.0 * share));
        }
    }
    plot.finish()
}

fn recall(evaluation: &Evaluation) -> String {
    let mut plot = Plot::new("Recall of each emotion", "", "share that is right").with_scale_y();
    let bars = EMOTIONS.len() as f64;
    for (place, recall) in evaluation.metrics.per_class_recall.iter().enumerate() {
        let left = (place as f64 + 0.15) / bars;
        let right = (place as f64 + 0.85) / bars;
        let emotion = EMOTIONS[place];
        plot.bar(left, right, recall.unwrap_or(0.0), &colour(emotion));
        plot.text([(left + right) / 2.0, -0.05], "middle", INK, emotion.name());
        let label = recall.map_or("–".into(), |recall| format!("{:.0} %", 100.0 * recall));
        plot.text(
            [(left + right) / 2.0, recall.unwrap_or(0.0) + 0.04],
            "middle",
            INK,
            &label,
        );
    }
    let chance = 1.0 / bars;
    plot.line(&[[0.0, chance], [1.0, chance]], GREY, true);
    plot.finish()
}

fn reliability(evaluation: &Evaluation) -> String {
    let mut plot = Plot::new("Reliability", "confidence", "share that is right").with_scale();
    plot.line(&[[0.0, 0.0], [1.0, 1.0]], GREY, true);
    let points: Vec<[f64; 2]> = evaluation
        .reliability
        .iter()
        .map(|bin| [bin.confidence, bin.accuracy])
        .collect();
    plot.line(&points, BLUE, false);
    let clips = evaluation.metrics.clips.max(1) as f64;
    for (bin, point) in evaluation.reliability.iter().zip(&points) {
        // Area by number of clips.
        plot.dot(*point, 3.0 + 14.0 * (bin.clips as f64 / clips).sqrt(), BLUE);
    }
    plot.finish()
}

fn risk_coverage(evaluation: &Evaluation) -> String {
    let mut plot = Plot::new("Risk against coverage", "share that is answered", "share that is wrong").with_scale();
    plot.line(&evaluation.risk_coverage, BLUE, false);
    plot.finish()
}

fn speakers(evaluation: &Evaluation) -> String {
    let mut plot = Plot::new("UAR of each speaker", "speakers, sorted", "UAR").with_scale_y();
    let mut figures: Vec<f64> = evaluation.by_speaker.values().map(|own| own.uar).collect();
    figures.sort_by(f64::total_cmp);
    let count = figures.len().max(1) as f64;
    for (place, figure) in figures.iter().enumerate() {
        plot.dot([(place as f64 + 0.5) / count, *figure], 3.0, BLUE);
    }
    let all = evaluation.metrics.uar;
    plot.line(&[[0.0, all], [1.0, all]], GREY, true);
    plot.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluation::{Heard, SessionState};

    fn example() -> Evaluation {
        let heard: Vec<Heard> = (0..24)
            .map(|clip| {
                let mut probabilities = [0.08; 6];
                probabilities[clip % 5] = 0.6;
                Heard {
                    file: format!("{clip}.wav"),
                    speaker: format!("a<b>/{}", clip % 4),
                    corpus: "a<b>".into(),
                    emotion: EMOTIONS[clip % 6].name().into(),
                    probabilities,
                    voiced: true,
                    windows: Vec::new(),
                }
            })
            .collect();
        Evaluation::new(&heard, SessionState::Warm, Labels::Acted, 1)
    }

    #[test]
    fn the_page_holds_every_figure_and_needs_no_other_file() {
        let evaluation = example();
        let page = html("Model & corpus", &evaluation);
        let uar = format!("{:.3}", evaluation.metrics.uar);
        for part in [
            "Model &amp; corpus",
            &uar,
            "a&lt;b&gt;/3",
            "24 clips of 4 speakers",
            "majority baseline",
        ] {
            assert!(page.contains(part), "{part}");
        }
        assert_eq!(page.matches("<svg").count(), pictures(&evaluation).len());
        for outside in ["src=", "href=", "url(", "a<b>"] {
            assert!(!page.contains(outside), "{outside}");
        }
    }

    #[test]
    fn pictures_are_whole_and_hold_numbers_alone() {
        for (name, picture) in pictures(&example()) {
            assert!(picture.starts_with("<svg") && picture.ends_with("</svg>"), "{name}");
            assert!(!picture.contains("NaN") && !picture.contains("inf"), "{name}");
        }
        let two = courses(&[vec![0.2, 0.4], vec![0.3]]);
        assert_eq!((two.matches("<polyline").count(), two.contains("NaN")), (2, false));
        let nothing = Evaluation::new(&[], SessionState::Cold, Labels::Voted, 1);
        assert!(html("Nothing", &nothing).contains("0 clips"));
    }
}
