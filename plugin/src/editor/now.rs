//! What the voice carries now: a word, a place between calm and excited, and six meters.

use affekt_models::automation::{Output, Values, coordinates};
use affekt_models::{EMOTIONS, Emotion};
use egui::{Align2, Color32, Rect, Shape, Stroke, pos2};

use super::controls::{choice, slider};
use super::hands::Hands;
use super::page::{Page, rect};
use super::theme::{numerals, space, type_size, words};
use super::trail::{SEEN_S, Step, Trail};
use crate::params::AffektParams;
use crate::status::Status;

/// Share of the width that the word and the pad take.
const LEFT: f32 = 0.41;
/// Height of the word.
const WORD: f32 = 54.0;
/// Height of the controls below.
const STRIP: f32 = 40.0;
/// Height of the line that explains the meters.
const KEY: f32 = 20.0;
/// Width of the meters' names and of their values.
const NAME: f32 = 84.0;
const VALUE: f32 = 54.0;
/// Share of the pad's half width that is used, so that nothing touches its frame.
const REACH: f32 = 0.88;
/// Opacity of meters whose values hold.
const HELD: f32 = 0.5;

/// Draws it.
pub fn show(
    page: &Page<'_>,
    area: Rect,
    values: &Values,
    status: &Status,
    trail: &mut Trail,
    params: &AffektParams,
    hands: &mut Hands,
) {
    let left = (area.width() * LEFT).round();
    let bottom = area.max.y - STRIP;
    word(page, rect(area.min.x, area.min.y, left, WORD), values, status);
    let pad_top = area.min.y + WORD + 4.0;
    pad(page, rect(area.min.x, pad_top, left, bottom - pad_top), values, trail);
    let x = area.min.x + left + 24.0;
    meters(page, rect(x, area.min.y, area.max.x - x, bottom - area.min.y), values);
    strip(
        page,
        rect(area.min.x, bottom + 8.0, area.width(), STRIP - 8.0),
        params,
        hands,
    );
    if trail.fades() {
        page.ui.ctx().request_repaint_after(super::pulse::FRAME_TIME);
    }
}

/// What one word says best.
pub fn headline(values: &Values, status: &Status) -> (&'static str, Option<Emotion>) {
    match status {
        Status::ModelError(_) => ("No model", None),
        Status::LoadingModel => ("Loading …", None),
        _ => match values.dominant {
            Some(emotion) => (Output::Emotion(emotion).title(), Some(emotion)),
            None if matches!(status, Status::NoSound) => ("Waiting", None),
            None if values.voiced => ("Mixed", None),
            None => ("No voice", None),
        },
    }
}

fn word(page: &Page<'_>, area: Rect, values: &Values, status: &Status) {
    let (text, emotion) = headline(values, status);
    let swatch = rect(area.min.x, area.min.y + 6.0, 7.0, area.height() - 12.0);
    let color = match emotion {
        Some(emotion) => {
            let color = page.theme.emotion(emotion);
            page.fill(swatch, color);
            page.frame(swatch, 1.0, page.theme.outline);
            // Not every emotion's colour can be read on a light ground.
            if page.theme.light { page.theme.text } else { color }
        }
        None => {
            page.fill(swatch, page.theme.track);
            page.theme.quiet
        }
    };
    page.write(
        text,
        area.min.x + 18.0,
        area.center().y,
        Align2::LEFT_CENTER,
        words(type_size::DISPLAY),
        color,
    );
}

fn pad(page: &Page<'_>, area: Rect, values: &Values, trail: &mut Trail) {
    let theme = page.theme;
    page.fill(area, theme.panel);
    let center = area.center();
    page.line(
        (area.min.x + 8.0, center.y),
        (area.max.x - 8.0, center.y),
        1.0,
        theme.track,
    );
    page.line(
        (center.x, area.min.y + 20.0),
        (center.x, area.max.y - 20.0),
        1.0,
        theme.track,
    );
    let label = |text: &str, x: f32, y: f32, anchor: Align2| {
        page.write(text, x, y, anchor, words(type_size::SMALL), theme.quiet);
    };
    label("excited", center.x, area.min.y + 4.0, Align2::CENTER_TOP);
    label("calm", center.x, area.max.y - 4.0, Align2::CENTER_BOTTOM);
    label("unpleasant", area.min.x + 8.0, center.y + 3.0, Align2::LEFT_TOP);
    label("pleasant", area.max.x - 8.0, center.y + 3.0, Align2::RIGHT_TOP);

    let half = (area.width() / 2.0 * REACH, (area.height() / 2.0 - 22.0) * REACH);
    let place = |valence: f32, arousal: f32| {
        (
            center.x + valence.clamp(-1.0, 1.0) * half.0,
            center.y - arousal.clamp(-1.0, 1.0) * half.1,
        )
    };
    for emotion in EMOTIONS {
        let (valence, arousal) = coordinates(emotion);
        let (x, y) = place(valence, arousal);
        let share = values.emotions[emotion.index()].clamp(0.0, 1.0);
        let radius = 3.5 + 5.5 * share.sqrt();
        page.dot(x, y, radius, theme.emotion(emotion).gamma_multiply(0.35 + 0.65 * share));
        page.ring(x, y, radius, 1.0, theme.outline);
    }

    let now_s = page.ui.input(|input| input.time);
    trail.go(Step {
        time_s: now_s,
        valence: values.valence,
        arousal: values.arousal,
    });
    let steps: Vec<&Step> = trail.steps().collect();
    for pair in steps.windows(2) {
        let age = ((now_s - pair[1].time_s) / SEEN_S).clamp(0.0, 1.0) as f32;
        let color = theme.text.gamma_multiply(0.75 * (1.0 - age));
        page.line(
            place(pair[0].valence, pair[0].arousal),
            place(pair[1].valence, pair[1].arousal),
            2.0,
            color,
        );
    }
    if values.emotions.iter().sum::<f32>() > 0.0 {
        let (x, y) = place(values.valence, values.arousal);
        let fill = values.dominant.map_or(theme.quiet, |emotion| theme.emotion(emotion));
        page.dot(x, y, 8.0, fill.gamma_multiply(if values.voiced { 1.0 } else { HELD }));
        page.ring(x, y, 8.0, 2.0, theme.text);
    }
}

fn meters(page: &Page<'_>, area: Rect, values: &Values) {
    let row = (area.height() - KEY) / (EMOTIONS.len() + 1) as f32;
    for (place, emotion) in EMOTIONS.into_iter().enumerate() {
        let meters = &values.meters;
        let meter = Meter {
            name: Output::Emotion(emotion).title(),
            color: page.theme.emotion(emotion),
            momentary: meters.momentary[place],
            marks: Some((meters.short_term[place], meters.integrated[place])),
        };
        let area = rect(area.min.x, area.min.y + row * place as f32, area.width(), row);
        meter.draw(page, area, values.voiced);
    }
    let confidence = Meter {
        name: Output::Confidence.title(),
        color: page.theme.quiet,
        momentary: values.confidence,
        marks: None,
    };
    let top = area.min.y + row * EMOTIONS.len() as f32;
    page.block(rect(area.min.x, top, area.width(), 1.0), page.theme.track);
    confidence.draw(page, rect(area.min.x, top, area.width(), row), values.voiced);
    key(page, area);
}

/// One meter.
struct Meter {
    name: &'static str,
    color: Color32,
    /// 0 to 1.
    momentary: f32,
    /// Short-term and integrated, 0 to 1.
    marks: Option<(f32, f32)>,
}

impl Meter {
    fn draw(&self, page: &Page<'_>, area: Rect, voiced: bool) {
        let theme = page.theme;
        let middle = area.center().y;
        let text = if self.momentary > 0.0 { theme.text } else { theme.quiet };
        page.write(
            self.name,
            area.min.x,
            middle,
            Align2::LEFT_CENTER,
            words(type_size::BODY),
            text,
        );
        let height = if self.marks.is_some() {
            (area.height() * 0.5).clamp(12.0, 30.0)
        } else {
            8.0
        };
        let bar = rect(
            area.min.x + NAME,
            middle - height / 2.0,
            area.width() - NAME - VALUE,
            height,
        );
        page.block(bar, theme.track);
        let share = self.momentary.clamp(0.0, 1.0);
        if share > 0.0 {
            let filled = rect(bar.min.x, bar.min.y, bar.width() * share, height);
            page.block(filled, self.color.gamma_multiply(if voiced { 1.0 } else { HELD }));
            if theme.light {
                page.shape(Shape::rect_stroke(
                    page.px(filled),
                    0.0,
                    Stroke::new(page.scale(), theme.outline),
                    egui::StrokeKind::Inside,
                ));
            }
        }
        if let Some((short_term, integrated)) = self.marks.filter(|_| self.momentary > 0.0) {
            short_mark(page, bar.min.x + bar.width() * short_term.clamp(0.0, 1.0), bar);
            long_mark(page, bar.min.x + bar.width() * integrated.clamp(0.0, 1.0), bar.max.y);
        }
        page.write(
            &format!("{:.0}%", share * 100.0),
            area.max.x,
            middle,
            Align2::RIGHT_CENTER,
            numerals(type_size::FIGURE),
            text,
        );
    }
}

/// The marker of the last seconds: a line across the bar.
fn short_mark(page: &Page<'_>, x: f32, bar: Rect) {
    page.block(
        rect(x - 2.5, bar.min.y - 3.0, 5.0, bar.height() + 6.0),
        page.theme.ground,
    );
    page.block(rect(x - 1.5, bar.min.y - 3.0, 3.0, bar.height() + 6.0), page.theme.text);
}

/// The tick of everything since playback started: a triangle below the bar.
fn long_mark(page: &Page<'_>, x: f32, y: f32) {
    let corner = |dx: f32, dy: f32| page.place(x + dx, y + dy);
    let points = vec![corner(0.0, -2.0), corner(5.0, 6.0), corner(-5.0, 6.0)];
    let edge = Stroke::new(page.scale(), page.theme.ground);
    page.shape(Shape::convex_polygon(points, page.theme.text, edge));
}

fn key(page: &Page<'_>, area: Rect) {
    let y = area.max.y - KEY / 2.0 + 2.0;
    let theme = page.theme;
    let mut x = area.min.x + 4.0;
    let write = |x: f32, text: &str| {
        page.write(text, x, y, Align2::LEFT_CENTER, words(type_size::SMALL), theme.quiet)
            .max
            .x
            + 14.0
    };
    page.block(rect(x, y - 4.0, 14.0, 8.0), theme.quiet);
    x = write(x + 20.0, "now, 0.4 s");
    page.block(rect(x + 2.0, y - 6.0, 3.0, 12.0), theme.text);
    x = write(x + 12.0, "last 3 s");
    let corner = |dx: f32, dy: f32| page.place(x + 5.0 + dx, y + dy);
    let points = vec![corner(0.0, -4.0), corner(5.0, 4.0), corner(-5.0, 4.0)];
    page.shape(Shape::convex_polygon(points, theme.text, Stroke::NONE));
    write(x + 16.0, "since play");
}

fn strip(page: &Page<'_>, area: Rect, params: &AffektParams, hands: &mut Hands) {
    let middle = area.center().y;
    let label = |text: &str, x: f32| {
        page.write(
            text,
            x,
            middle,
            Align2::LEFT_CENTER,
            words(type_size::SMALL),
            page.theme.quiet,
        )
    };
    let response = label("Response", area.min.x);
    let silence_width = 132.0;
    let silence = rect(area.max.x - silence_width, middle - 12.0, silence_width, 24.0);
    let in_silence = page.write(
        "In silence",
        silence.min.x - space::NEAR - 4.0,
        middle,
        Align2::RIGHT_CENTER,
        words(type_size::SMALL),
        page.theme.quiet,
    );
    let from = response.max.x + space::FAR;
    let way = Rect::from_min_max(
        pos2(from, middle - 12.0),
        pos2(in_silence.min.x - space::FAR * 1.5, middle + 12.0),
    );
    slider(
        page,
        hands,
        way,
        params.response_dial(),
        "Time in which the outputs follow the voice, 0.4 s to 20 s; at the right end the mean since playback started.",
    );
    choice(
        page,
        hands,
        silence,
        params.silence_dial(),
        "Without voice the outputs stay (Hold), or sink to rest within seconds (Fade).",
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_says_what_matters_most() {
        let rest = Values::default();
        let happy = Values {
            dominant: Some(Emotion::Happy),
            voiced: true,
            ..Values::default()
        };
        assert_eq!(headline(&happy, &Status::Listening), ("Happy", Some(Emotion::Happy)));
        assert_eq!(headline(&happy, &Status::NoSound).0, "Happy", "it holds");
        assert_eq!(headline(&happy, &Status::ModelError("".into())), ("No model", None));
        assert_eq!(headline(&rest, &Status::NoSound).0, "Waiting");
        assert_eq!(headline(&rest, &Status::NoVoice).0, "No voice");
        let mixed = Values {
            dominant: None,
            ..happy
        };
        assert_eq!(headline(&mixed, &Status::Listening).0, "Mixed");
    }
}
