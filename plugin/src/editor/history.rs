//! What the voice has carried: six stacked curves over the time since playback started.

use affekt_models::EMOTIONS;
use affekt_models::automation::Output;
use egui::{Align2, Color32, Mesh, Rect, Sense, Shape};

use super::controls::button;
use super::look::{Look, SPANS};
use super::page::{Page, rect};
use super::saving::{Kind, Saved};
use super::theme::{numerals, space, type_size, words};
use super::trace::{Point, STEP_S, Trace, time_code, time_step_s};
use crate::wording::BEGIN;

/// Height of the buttons above.
const TOOLS: f32 = 32.0;
/// Width of the values at the right.
const VALUES: f32 = 124.0;
/// Height of the time axis.
const AXIS: f32 = 20.0;
/// Height of the lane of arousal and valence.
const AFFECT: f32 = 52.0;
/// Height of the sentence about saving.
const NOTE: f32 = 32.0;
/// Width of a column of the plot, in units.
const COLUMN: f32 = 2.0;
/// Opacity where there was no voice.
const UNVOICED: f32 = 0.3;

/// What the history remembers while the window is open.
#[derive(Default)]
pub struct History {
    trace: Trace,
    /// Where it stands still, in seconds.
    frozen_s: Option<f64>,
    /// Where it begins, in seconds, and in which pass.
    cleared: Option<(Option<u64>, f64)>,
}

/// What the user wants of the rest of the editor.
#[derive(Debug, Default, PartialEq)]
pub struct Wish {
    /// To see another span.
    pub look: Option<Look>,
    /// To save.
    pub save: Option<Kind>,
}

impl History {
    /// Where points are kept.
    pub fn trace(&mut self) -> &mut Trace {
        &mut self.trace
    }

    /// The time that is seen, in seconds since playback started.
    fn window(&self, look: Look) -> (f64, f64) {
        let end = self.frozen_s.unwrap_or_else(|| self.trace.duration_s());
        let begin = self
            .cleared
            .filter(|(pass, _)| *pass == self.trace.pass())
            .map_or(0.0, |(_, at)| at.min(end));
        match look.span.seconds() {
            Some(length) => (begin.max(end - length), begin.max(end - length) + length),
            None => (begin, end.max(begin + 1.0)),
        }
    }

    /// Draws it.
    pub fn show(&mut self, page: &Page<'_>, area: Rect, look: Look, saved: &Saved) -> Wish {
        let wish = self.tools(page, rect(area.min.x, area.min.y, area.width(), TOOLS), look);
        let bottom = area.max.y - NOTE;
        let plot_width = area.width() - VALUES - space::FAR;
        let affect = rect(area.min.x, bottom - AXIS - AFFECT, plot_width, AFFECT);
        let top = area.min.y + TOOLS + 4.0;
        let plot = rect(area.min.x, top, plot_width, affect.min.y - 4.0 - top);
        let (from_s, to_s) = self.window(look);

        page.block(plot, page.theme.panel);
        page.block(affect, page.theme.panel);
        let end_s = self.frozen_s.unwrap_or_else(|| self.trace.duration_s());
        let columns = (plot_width / COLUMN) as usize;
        let at = |column: usize| from_s + (to_s - from_s) * column as f64 / columns as f64;
        let points: Vec<Option<Point>> = (0..columns)
            .map(|column| {
                let (start, end) = (at(column), at(column + 1));
                (start < end_s).then(|| self.trace.mean(start, end.min(end_s)))?
            })
            .collect();
        stack(page, plot, &points);
        lines(page, affect, &points);
        axis(page, plot, affect, (from_s, to_s));

        let whole = Rect::from_min_max(plot.min, affect.max);
        let pointer = page.sense(whole, "history", Sense::hover()).hover_pos();
        let hovered = pointer.map(|place| {
            let x = page.unit(place).x;
            (x, from_s + (to_s - from_s) * f64::from((x - plot.min.x) / plot.width()))
        });
        if let Some((x, _)) = hovered {
            page.line((x, whole.min.y), (x, whole.max.y), 1.0, page.theme.text);
        }
        let time_s = hovered.map_or((end_s - STEP_S).max(0.0), |(_, time_s)| time_s);
        let shown = self.trace.at(time_s).filter(|_| time_s < end_s).copied();
        values(
            page,
            rect(plot.max.x + space::FAR, top, VALUES, affect.max.y - top),
            time_s,
            shown,
        );
        if self.trace.duration_s() == 0.0 {
            page.write(
                &format!("Nothing yet: {BEGIN}."),
                plot.center().x,
                plot.center().y,
                Align2::CENTER_CENTER,
                words(type_size::BODY),
                page.theme.text,
            );
        }
        note(page, rect(area.min.x, bottom + 2.0, area.width(), NOTE - 2.0), saved);
        wish
    }

    fn tools(&mut self, page: &Page<'_>, area: Rect, look: Look) -> Wish {
        let mut wish = Wish::default();
        let (y, height) = (area.min.y + 2.0, 24.0);
        let mut x = area.min.x;
        for span in SPANS {
            let place = rect(x, y, 46.0, height);
            if button(
                page,
                place,
                span.title(),
                span == look.span,
                "How much of the past is seen",
            ) {
                wish.look = Some(Look { span, ..look });
            }
            x += 48.0;
        }
        x += 14.0;
        let frozen = self.frozen_s.is_some();
        if button(
            page,
            rect(x, y, 58.0, height),
            "Freeze",
            frozen,
            "The curves stand still; listening goes on",
        ) {
            self.frozen_s = if frozen { None } else { Some(self.trace.duration_s()) };
        }
        let tip = "The curves begin here. What is saved still begins where playback began.";
        if button(page, rect(x + 62.0, y, 52.0, height), "Clear", false, tip) {
            self.frozen_s = None;
            self.cleared = Some((self.trace.pass(), self.trace.duration_s()));
        }
        let mut x = area.max.x - 3.0 * 46.0;
        page.write(
            "Save",
            x - space::NEAR,
            y + height / 2.0,
            Align2::RIGHT_CENTER,
            words(type_size::SMALL),
            page.theme.quiet,
        );
        for (kind, tip) in [
            (
                Kind::Midi,
                "The controllers since playback started, as a MIDI file to drag into the session",
            ),
            (Kind::Csv, "The values since playback started, a line every 10 ms"),
            (Kind::Png, "A picture of the curves since playback started"),
        ] {
            if button(page, rect(x + 2.0, y, 44.0, height), kind.title(), false, tip) {
                wish.save = Some(kind);
            }
            x += 46.0;
        }
        wish
    }
}

/// Six areas, one upon the other.
fn stack(page: &Page<'_>, area: Rect, points: &[Option<Point>]) {
    let mut mesh = Mesh::default();
    let width = area.width() / points.len().max(1) as f32;
    for (column, pair) in points.windows(2).enumerate() {
        let [Some(left), Some(right)] = pair else { continue };
        let x = [
            area.min.x + width * column as f32,
            area.min.x + width * (column + 1) as f32,
        ];
        let mut below = [area.max.y; 2];
        for emotion in EMOTIONS {
            let share = |point: &Point| point.emotions[emotion.index()].clamp(0.0, 1.0) * area.height();
            let above = [
                (below[0] - share(left)).max(area.min.y),
                (below[1] - share(right)).max(area.min.y),
            ];
            let color = page.theme.emotion(emotion);
            let color = if left.voiced {
                color
            } else {
                color.gamma_multiply(UNVOICED)
            };
            quad(page, &mut mesh, x, below, above, color);
            below = above;
        }
    }
    page.shape(Shape::mesh(mesh));
}

fn quad(page: &Page<'_>, mesh: &mut Mesh, x: [f32; 2], below: [f32; 2], above: [f32; 2], color: Color32) {
    let first = mesh.vertices.len() as u32;
    for (x, y) in [(x[0], below[0]), (x[1], below[1]), (x[1], above[1]), (x[0], above[0])] {
        mesh.colored_vertex(page.place(x, y), color);
    }
    mesh.add_triangle(first, first + 1, first + 2);
    mesh.add_triangle(first, first + 2, first + 3);
}

/// Arousal bright, valence pale: more colours would be taken for emotions.
fn lines(page: &Page<'_>, area: Rect, points: &[Option<Point>]) {
    let width = area.width() / points.len().max(1) as f32;
    let middle = area.center().y;
    page.line((area.min.x, middle), (area.max.x, middle), 1.0, page.theme.track);
    let value = |point: &Point, arousal: bool| if arousal { point.arousal } else { point.valence };
    for arousal in [false, true] {
        let color = if arousal { page.theme.text } else { page.theme.accent };
        let mut line = Vec::new();
        for (column, point) in points.iter().enumerate() {
            if let Some(point) = point {
                let y = middle - value(point, arousal).clamp(-1.0, 1.0) * (area.height() / 2.0 - 3.0);
                line.push(page.place(area.min.x + width * column as f32, y));
            }
        }
        page.shape(Shape::line(line, egui::Stroke::new(1.5 * page.scale(), color)));
    }
}

fn axis(page: &Page<'_>, plot: Rect, affect: Rect, (from_s, to_s): (f64, f64)) {
    let length = to_s - from_s;
    let step = time_step_s(length, (plot.width() / 90.0) as usize);
    let mut time_s = (from_s / step).ceil() * step;
    while time_s <= to_s {
        let x = plot.min.x + plot.width() * ((time_s - from_s) / length) as f32;
        page.line(
            (x, plot.min.y),
            (x, affect.max.y),
            1.0,
            page.theme.track.gamma_multiply(0.6),
        );
        let text = time_code(time_s, false);
        // Labels at the ends stay inside.
        let x = x.clamp(plot.min.x + 18.0, plot.max.x - 18.0);
        page.write(
            &text,
            x,
            affect.max.y + 4.0,
            Align2::CENTER_TOP,
            numerals(type_size::SMALL),
            page.theme.quiet,
        );
        time_s += step;
    }
}

fn values(page: &Page<'_>, area: Rect, time_s: f64, point: Option<Point>) {
    let theme = page.theme;
    page.write(
        &time_code(time_s, true),
        area.max.x,
        area.min.y,
        Align2::RIGHT_TOP,
        numerals(type_size::BODY),
        theme.text,
    );
    let top = area.min.y + 24.0;
    let row = ((area.height() - 24.0) / 8.5).min(26.0);
    let line = |place: f32, name: &str, swatch: Option<Color32>, value: String| {
        let y = top + row * (place + 0.5);
        if let Some(color) = swatch {
            let swatch = rect(area.min.x, y - 5.0, 10.0, 10.0);
            page.block(swatch, color);
            page.frame(swatch, 1.0, theme.outline);
        }
        page.write(
            name,
            area.min.x + 16.0,
            y,
            Align2::LEFT_CENTER,
            words(type_size::SMALL),
            theme.text,
        );
        page.write(
            &value,
            area.max.x,
            y,
            Align2::RIGHT_CENTER,
            numerals(type_size::SMALL),
            theme.text,
        );
    };
    let text = |value: Option<String>| value.unwrap_or_else(|| "–".into());
    // As in the stack, the last one on top.
    for (place, emotion) in EMOTIONS.into_iter().rev().enumerate() {
        let share = point.map(|point| format!("{:.0} %", point.emotions[emotion.index()] * 100.0));
        let name = Output::Emotion(emotion).title();
        line(place as f32, name, Some(theme.emotion(emotion)), text(share));
    }
    let arousal = point.map(|point| format!("{:+.2}", point.arousal));
    line(6.5, "Arousal", Some(theme.text), text(arousal));
    let valence = point.map(|point| format!("{:+.2}", point.valence));
    line(7.5, "Valence", Some(theme.accent), text(valence));
}

fn note(page: &Page<'_>, area: Rect, saved: &Saved) {
    let (text, color) = match saved {
        Saved::Nothing => {
            let text = "Saved files go into your documents, folder Affekt.";
            page.write(
                text,
                area.min.x,
                area.min.y,
                Align2::LEFT_TOP,
                words(type_size::SMALL),
                page.theme.quiet,
            );
            return;
        }
        Saved::Saving(kind) => (format!("Saving the pass as {} …", kind.title()), page.theme.quiet),
        Saved::Done(path) => (format!("Saved as {}", path.display()), page.theme.text),
        Saved::Failed(reason) => (reason.clone(), page.theme.bad),
    };
    page.notice(&text, area, color);
}

#[cfg(test)]
mod tests {
    use affekt_models::automation::{Heard, Settings};

    use super::*;
    use crate::editor::look::Span;
    use crate::recorder::{Note, Recorder};

    #[test]
    fn the_window_follows_stands_still_and_begins_anew() {
        let recorder = Recorder::default();
        recorder.begin(48_000.0, Settings::default());
        let heard = Heard {
            probabilities: Some([1.0 / 6.0; 6]),
        };
        recorder.note(Note::Heard { tick: 0, heard });
        recorder.pass(750 * 20);
        let mut history = History::default();
        history.trace().follow(&recorder);
        let look = |span| Look {
            span,
            ..Look::default()
        };
        assert_eq!(history.window(look(Span::Short)), (10.0, 20.0));
        assert_eq!(history.window(look(Span::Medium)), (0.0, 30.0));
        assert_eq!(history.window(look(Span::Whole)), (0.0, 20.0));
        history.frozen_s = Some(15.0);
        assert_eq!(history.window(look(Span::Short)), (5.0, 15.0));
        history.frozen_s = None;
        history.cleared = Some((history.trace.pass(), 18.0));
        assert_eq!(history.window(look(Span::Short)), (18.0, 28.0));
        history.cleared = Some((None, 18.0));
        assert_eq!(history.window(look(Span::Whole)), (0.0, 20.0), "another pass");
    }
}
