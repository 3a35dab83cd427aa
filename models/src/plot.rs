//! Draws a timeline as a PNG: the waveform above, the six probabilities stacked below; or the curves of a pass.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::automation::Curve;
use crate::timeline::Timeline;
use crate::{EMOTIONS, Emotion};

/// Width and height of the picture, in pixels.
const SIZE: (u32, u32) = (1600, 900);
/// Height of the strip with title and legend, in pixels.
const HEAD: u32 = 76;
/// Height of the waveform's panel, in pixels.
const WAVEFORM: u32 = 270;
/// Height of the panel of arousal and valence with its time axis, in pixels.
const AFFECT: u32 = 250;
/// Space left of the panels for the labels of the y axes, and right of them, in pixels.
const LEFT: u32 = 96;
/// Part of it outside the axes' titles, whose turned letters reach a little out of their place, in pixels.
const OUTSIDE: u32 = 14;
const RIGHT: i32 = 36;
/// Space below the panels for the labels of the time axis, in pixels.
const BOTTOM: u32 = 58;
/// Distance and width of the hatching's stripes, in pixels.
const HATCH_PERIOD: i32 = 10;
const HATCH_WIDTH: i32 = 2;
/// How much of an emotion's colour is left where there is no voice.
const UNVOICED_STRENGTH: f64 = 0.22;
/// How much of it is left on the hatching's stripes.
const STRIPE_STRENGTH: f64 = 0.5;
/// Smallest amplitude that fills the waveform's panel: silence stays a line.
const SMALLEST_PEAK: f64 = 1e-3;

/// Ground of the pictures.
pub const BACKGROUND: RGBColor = RGBColor(0x14, 0x17, 0x1B);
const PANEL: RGBColor = RGBColor(0x1D, 0x21, 0x27);
/// Lines of their scales.
pub const GRID: RGBColor = RGBColor(0x33, 0x39, 0x42);
const TEXT: RGBColor = RGBColor(0xD4, 0xD9, 0xDF);
const WAVE: RGBColor = RGBColor(0xB9, 0xC4, 0xD0);

/// Name under which the font is registered.
const FONT: &str = "affekt";

/// Why a picture cannot be drawn.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PlotError {
    /// The file cannot be written.
    #[error("the plot cannot be written to {path} ({reason}): choose another place")]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// The built-in font is damaged.
    #[error("the built-in font cannot be read: build Affekt again")]
    Font,
}

/// Draws a recording (one slice per channel, full scale ±1) and what was heard in it, 1600 × 900 pixels.
/// Where the voice gate let nothing count, the probabilities are hatched and pale.
pub fn write_png<C: AsRef<[f32]>>(
    timeline: &Timeline,
    channels: &[C],
    sample_rate_hz: f64,
    title: &str,
    path: &Path,
) -> Result<(), PlotError> {
    register_font()?;
    let root = BitMapBackend::new(path, SIZE).into_drawing_area();
    draw(&root, timeline, channels, sample_rate_hz, title)
        .and_then(|()| root.present())
        .map_err(|error| PlotError::Unwritable {
            path: path.into(),
            reason: error.to_string(),
        })
}

/// Draws what was heard in a pass, 1600 × 900 pixels: the six emotions stacked above, arousal and valence below.
/// Where there was no voice, the emotions are hatched and pale.
pub fn write_curve_png(curve: &Curve, title: &str, path: &Path) -> Result<(), PlotError> {
    register_font()?;
    let root = BitMapBackend::new(path, SIZE).into_drawing_area();
    draw_curve(&root, curve, title)
        .and_then(|()| root.present())
        .map_err(|error| PlotError::Unwritable {
            path: path.into(),
            reason: error.to_string(),
        })
}

fn draw_curve<'a>(root: &Area<'a>, curve: &Curve, title: &str) -> Drawn<'a> {
    root.fill(&BACKGROUND)?;
    let (head, panels) = root.split_vertically(HEAD);
    let (upper, lower) = panels.split_vertically(SIZE.1 - HEAD - AFFECT);
    draw_head(&head, title)?;
    let duration_s = curve.points.last().map_or(1.0, |(time_s, _)| time_s.max(1e-3));
    draw_shares(&upper, curve, duration_s)?;
    draw_affect(&lower, curve, duration_s)
}

/// The six emotions, stacked.
fn draw_shares<'a>(area: &Area<'a>, curve: &Curve, duration_s: f64) -> Drawn<'a> {
    let mut chart = ChartBuilder::on(area)
        .margin_right(RIGHT)
        .margin_bottom(18)
        .margin_left(OUTSIDE)
        .y_label_area_size(LEFT - OUTSIDE)
        .build_cartesian_2d(0.0..duration_s, 0.0..1.0)?;
    let panel = chart.plotting_area().strip_coord_spec();
    panel.fill(&PANEL)?;
    let (width, _) = panel.dim_in_pixel();
    let mut points = curve.points.iter().peekable();
    for x in 0..width {
        let time_s = (column_start_s(x, width, duration_s) + column_start_s(x + 1, width, duration_s)) / 2.0;
        let mut last = None;
        while let Some(point) = points.next_if(|(at, _)| *at <= time_s) {
            last = Some(point);
        }
        let Some((_, values)) = last.or(points.peek().copied()) else {
            break;
        };
        draw_column(&panel, x as i32, values.emotions.map(f64::from), values.voiced)?;
    }
    chart
        .configure_mesh()
        .disable_x_mesh()
        .disable_x_axis()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID.mix(0.6))
        .axis_style(GRID)
        .y_labels(8)
        .y_label_formatter(&|share| format!("{:.0} %", share * 100.0))
        .y_desc("share")
        .label_style(text(18))
        .axis_desc_style(text(18))
        .draw()
}

/// Arousal and valence, as lines that are named at their ends.
fn draw_affect<'a>(area: &Area<'a>, curve: &Curve, duration_s: f64) -> Drawn<'a> {
    let mut chart = ChartBuilder::on(area)
        .margin_right(RIGHT)
        .x_label_area_size(BOTTOM)
        .margin_left(OUTSIDE)
        .y_label_area_size(LEFT - OUTSIDE)
        .build_cartesian_2d(0.0..duration_s, -1.0..1.0)?;
    chart.plotting_area().strip_coord_spec().fill(&PANEL)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID.mix(0.6))
        .axis_style(GRID)
        .x_labels(16)
        .x_label_formatter(&|time_s| format!("{}", (time_s * 100.0).round() / 100.0))
        .x_desc("time in seconds")
        .y_labels(3)
        .y_label_formatter(&|value| format!("{value:+.0}"))
        .y_desc("-1 to 1")
        .label_style(text(18))
        .axis_desc_style(text(18))
        .draw()?;
    let stride = curve.points.len().div_ceil(SIZE.0 as usize).max(1);
    let thinned = || curve.points.iter().step_by(stride);
    // Full and pale instead of two more colours, which belong to the emotions.
    chart.draw_series(LineSeries::new(
        thinned().map(|(time_s, values)| (*time_s, f64::from(values.valence))),
        TEXT.mix(0.45).stroke_width(2),
    ))?;
    chart.draw_series(LineSeries::new(
        thinned().map(|(time_s, values)| (*time_s, f64::from(values.arousal))),
        TEXT.stroke_width(3),
    ))?;
    let key = text(18).pos(Pos::new(HPos::Right, VPos::Top));
    let (width, _) = area.dim_in_pixel();
    area.draw(&Text::new(
        "arousal bright, valence pale",
        (width as i32 - RIGHT - 12, 8),
        key,
    ))
}

/// Makes the built-in font known to plotters.
pub fn register_font() -> Result<(), PlotError> {
    static REGISTERED: OnceLock<bool> = OnceLock::new();
    let registered = *REGISTERED.get_or_init(|| {
        plotters::style::register_font(FONT, FontStyle::Normal, epaint_default_fonts::UBUNTU_LIGHT).is_ok()
    });
    registered.then_some(()).ok_or(PlotError::Font)
}

type Area<'a> = DrawingArea<BitMapBackend<'a>, plotters::coord::Shift>;
type Drawn<'a> = Result<(), DrawingAreaErrorKind<<BitMapBackend<'a> as DrawingBackend>::ErrorType>>;

fn draw<'a, C: AsRef<[f32]>>(
    root: &Area<'a>,
    timeline: &Timeline,
    channels: &[C],
    sample_rate_hz: f64,
    title: &str,
) -> Drawn<'a> {
    root.fill(&BACKGROUND)?;
    let (head, panels) = root.split_vertically(HEAD);
    let (upper, lower) = panels.split_vertically(WAVEFORM);
    draw_head(&head, title)?;
    let samples = channels.iter().map(|channel| channel.as_ref().len()).max().unwrap_or(0);
    let recorded_s = samples as f64 / sample_rate_hz;
    let heard_s = timeline.points.last().map_or(0.0, |point| point.time_s);
    let duration_s = [recorded_s, heard_s]
        .into_iter()
        .filter(|s| s.is_finite())
        .fold(0.0, f64::max);
    let duration_s = if duration_s > 0.0 { duration_s } else { 1.0 };
    draw_waveform(&upper, channels, sample_rate_hz, duration_s)?;
    draw_probabilities(&lower, timeline, duration_s)
}

fn draw_head<'a>(head: &Area<'a>, title: &str) -> Drawn<'a> {
    let (width, _) = head.dim_in_pixel();
    let right = width as i32 - RIGHT;
    let middle = HEAD as i32 / 2 + 2;
    let label = text(20).pos(Pos::new(HPos::Left, VPos::Center));

    // From the right, so that the legend ends with the panels.
    let mut x = right;
    let entries = EMOTIONS
        .map(|emotion| (emotion.name(), Some(emotion)))
        .into_iter()
        .chain([("no voice", None)]);
    for (name, emotion) in entries.collect::<Vec<_>>().into_iter().rev() {
        let (text_width, _) = head.estimate_text_size(name, &label)?;
        x -= text_width as i32;
        head.draw(&Text::new(name, (x, middle), label.clone()))?;
        x -= 26;
        for dx in 0..18 {
            for dy in 0..18 {
                let (px, py) = (x + dx, middle - 9 + dy);
                let shade = emotion.map_or(unvoiced(WAVE, px, py), |emotion| color(emotion).to_rgba());
                head.draw_pixel((px, py), &shade)?;
            }
        }
        x -= 22;
    }

    let style = text(28).pos(Pos::new(HPos::Left, VPos::Center));
    let title = shortened(title, |title| {
        head.estimate_text_size(title, &style)
            .map(|(width, _)| LEFT as i32 + width as i32 <= x)
            .unwrap_or(true)
    });
    head.draw(&Text::new(title, (LEFT as i32, middle), style.clone()))
}

/// The longest beginning of a title that fits, on one line.
fn shortened(title: &str, fits: impl Fn(&str) -> bool) -> String {
    let characters: Vec<char> = title.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let whole: String = characters.iter().collect();
    if fits(&whole) {
        return whole;
    }
    // Shorter is narrower: the longest that fits is found by halving.
    let (mut low, mut high) = (0, characters.len());
    let cut = |length: usize| characters[..length].iter().collect::<String>().trim_end().to_owned() + "…";
    while low + 1 < high {
        let middle = usize::midpoint(low, high);
        if fits(&cut(middle)) {
            low = middle
        } else {
            high = middle
        }
    }
    cut(low)
}

fn draw_waveform<'a, C: AsRef<[f32]>>(
    area: &Area<'a>,
    channels: &[C],
    sample_rate_hz: f64,
    duration_s: f64,
) -> Drawn<'a> {
    let peak = channels
        .iter()
        .flat_map(|channel| channel.as_ref())
        .filter(|sample| sample.is_finite())
        .fold(SMALLEST_PEAK, |peak, sample| peak.max(f64::from(sample.abs())));
    let mut chart = ChartBuilder::on(area)
        .margin_right(RIGHT)
        .margin_bottom(18)
        .margin_left(OUTSIDE)
        .y_label_area_size(LEFT - OUTSIDE)
        .build_cartesian_2d(0.0..duration_s, -1.05 * peak..1.05 * peak)?;
    let panel = chart.plotting_area().strip_coord_spec();
    panel.fill(&PANEL)?;
    let (width, height) = panel.dim_in_pixel();
    // Row of an amplitude, from the top.
    let row = |value: f32| ((0.5 - f64::from(value) / (2.1 * peak)) * f64::from(height)) as i32;
    for x in 0..width {
        let first = (column_start_s(x, width, duration_s) * sample_rate_hz) as usize;
        let last = ((column_start_s(x + 1, width, duration_s) * sample_rate_hz) as usize).max(first + 1);
        let (low, high) = channels
            .iter()
            .map(AsRef::as_ref)
            .flat_map(|channel| &channel[first.min(channel.len())..last.min(channel.len())])
            .filter(|sample| sample.is_finite())
            .fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), &sample| {
                (low.min(sample), high.max(sample))
            });
        if low <= high {
            for y in row(high)..=row(low) {
                panel.draw_pixel((x as i32, y), &WAVE)?;
            }
        }
    }
    chart
        .configure_mesh()
        .disable_x_mesh()
        .disable_x_axis()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .axis_style(GRID)
        .y_labels(5)
        .y_label_formatter(&|amplitude| format!("{}", (amplitude * 1000.0).round() / 1000.0))
        .y_desc("amplitude")
        .label_style(text(18))
        .axis_desc_style(text(18))
        .draw()
}

fn draw_probabilities<'a>(area: &Area<'a>, timeline: &Timeline, duration_s: f64) -> Drawn<'a> {
    let mut chart = ChartBuilder::on(area)
        .margin_right(RIGHT)
        .x_label_area_size(BOTTOM)
        .margin_left(OUTSIDE)
        .y_label_area_size(LEFT - OUTSIDE)
        .build_cartesian_2d(0.0..duration_s, 0.0..1.0)?;
    let panel = chart.plotting_area().strip_coord_spec();
    panel.fill(&PANEL)?;
    let (width, _) = panel.dim_in_pixel();
    let mut points = timeline.points.windows(2).peekable();
    for x in 0..width {
        let time_s = (column_start_s(x, width, duration_s) + column_start_s(x + 1, width, duration_s)) / 2.0;
        // The pair of points around the column. A point speaks for the time since the one before.
        while points.next_if(|pair| pair[1].time_s < time_s).is_some() {}
        let Some([before, after]) = points.peek() else { break };
        if time_s < before.time_s {
            continue;
        }
        let share = ((time_s - before.time_s) / (after.time_s - before.time_s)).clamp(0.0, 1.0);
        let shares = EMOTIONS.map(|emotion| {
            let [from, to] = [before, after].map(|point| f64::from(point.prediction.probabilities[emotion.index()]));
            from + (to - from) * share
        });
        draw_column(&panel, x as i32, shares, after.voiced)?;
    }
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID.mix(0.6))
        .axis_style(GRID)
        .x_labels(16)
        .x_label_formatter(&|time_s| format!("{}", (time_s * 100.0).round() / 100.0))
        .x_desc("time in seconds")
        .y_labels(8)
        .y_label_formatter(&|share| format!("{:.0} %", share * 100.0))
        .y_desc("probability")
        .label_style(text(18))
        .axis_desc_style(text(18))
        .draw()
}

/// One column of pixels: the six emotions' shares, stacked.
fn draw_column<'a>(panel: &Area<'a>, x: i32, shares: [f64; 6], voiced: bool) -> Drawn<'a> {
    let (_, height) = panel.dim_in_pixel();
    let row = |share: f64| ((1.0 - share) * f64::from(height)) as i32;
    let mut below = 0.0;
    for (emotion, share) in EMOTIONS.into_iter().zip(shares) {
        let above = (below + share).min(1.0);
        // One row of the panel between neighbours keeps them apart for every eye.
        for y in row(above) + 1..row(below) {
            let shade = if voiced {
                color(emotion).to_rgba()
            } else {
                unvoiced(color(emotion), x, y)
            };
            panel.draw_pixel((x, y), &shade)?;
        }
        below = above;
    }
    Ok(())
}

/// Where a column of pixels begins, in seconds.
fn column_start_s(x: u32, width: u32, duration_s: f64) -> f64 {
    duration_s * f64::from(x) / f64::from(width)
}

fn color(emotion: Emotion) -> RGBColor {
    let [red, green, blue] = emotion.color();
    RGBColor(red, green, blue)
}

/// A colour where there is no voice: pale, with stripes.
fn unvoiced(color: RGBColor, x: i32, y: i32) -> RGBAColor {
    let stripe = (x + y).rem_euclid(HATCH_PERIOD) < HATCH_WIDTH;
    color.mix(if stripe { STRIPE_STRENGTH } else { UNVOICED_STRENGTH })
}

/// Their lettering, of this height in pixels; after [`register_font`].
pub fn text<'a>(size: u32) -> TextStyle<'a> {
    (FONT, size).into_font().color(&TEXT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Prediction;
    use crate::timeline::Point;

    fn timeline(points: usize) -> Timeline {
        let points = (0..points).map(|n| {
            let mut probabilities = [0.0; 6].map(|_| 0.05);
            probabilities[n / 8 % 6] = 0.75;
            let prediction = Prediction {
                probabilities,
                logits: [0.0; 6],
            };
            Point {
                time_s: 0.5 + 0.1 * n as f64,
                prediction,
                voiced: n / 5 % 3 != 0,
            }
        });
        Timeline {
            points: points.collect(),
        }
    }

    /// Pixels of a picture as rows of RGB.
    fn picture(timeline: &Timeline, channels: &[Vec<f32>], rate_hz: f64, title: &str) -> Vec<u8> {
        register_font().unwrap();
        let mut pixels = vec![0; (SIZE.0 * SIZE.1 * 3) as usize];
        {
            let root = BitMapBackend::with_buffer(&mut pixels, SIZE).into_drawing_area();
            draw(&root, timeline, channels, rate_hz, title).unwrap();
            root.present().unwrap();
        }
        pixels
    }

    fn shows(pixels: &[u8], RGBColor(red, green, blue): RGBColor) -> bool {
        pixels.chunks_exact(3).any(|pixel| pixel == [red, green, blue])
    }

    #[test]
    fn a_png_of_the_stated_size_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plot.png");
        write_png(&timeline(40), &[vec![0.1; 70_000]], 16_000.0, "A vocal", &path).unwrap();
        let png = std::fs::read(&path).unwrap();
        assert_eq!(png[..8], *b"\x89PNG\r\n\x1a\n");
        let number = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().unwrap());
        assert_eq!((number(16), number(20)), SIZE);

        let nowhere = folder.path().join("no such folder").join("plot.png");
        let error = write_png(&timeline(40), &[vec![0.1; 100]], 16_000.0, "A vocal", &nowhere).unwrap_err();
        assert!(
            matches!(error, PlotError::Unwritable { .. }) && error.to_string().contains("no such folder"),
            "{error}"
        );
    }

    #[test]
    fn a_pass_is_drawn_in_the_emotions_colours() {
        use crate::automation::{Pass, Settings};

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("curve.png");
        let pass = Pass::of_timeline(&timeline(60), 48_000.0, 6.5, Settings::default());
        write_curve_png(&pass.curve(), "A pass", &path).unwrap();
        assert!(std::fs::metadata(&path).unwrap().len() > 5_000);
        let mut pixels = vec![0; (SIZE.0 * SIZE.1 * 3) as usize];
        {
            let root = BitMapBackend::with_buffer(&mut pixels, SIZE).into_drawing_area();
            draw_curve(&root, &pass.curve(), "").unwrap();
            root.present().unwrap();
        }
        let panel = &pixels[(HEAD * SIZE.0 * 3) as usize..];
        for emotion in EMOTIONS {
            assert!(shows(panel, color(emotion)), "{}", emotion.name());
        }
        for points in [Vec::new(), vec![(0.0, crate::automation::Values::default())]] {
            write_curve_png(&Curve { points }, "odd", &path).unwrap();
        }
    }

    #[test]
    fn every_likely_emotion_is_seen_in_its_colour() {
        let heard = picture(&timeline(60), &[vec![0.5; 100_000]], 16_000.0, "");
        let panel_of = |pixels: &[u8]| pixels[((HEAD + WAVEFORM) * SIZE.0 * 3) as usize..].to_vec();
        let nothing = panel_of(&picture(&Timeline::default(), &[vec![0.5; 100_000]], 16_000.0, ""));
        for emotion in EMOTIONS {
            assert!(shows(&panel_of(&heard), color(emotion)), "{}", emotion.name());
            assert!(!shows(&nothing, color(emotion)), "{}", emotion.name());
        }
    }

    #[test]
    fn odd_recordings_are_drawn_too() {
        let (none, empty, broken) = (vec![], vec![vec![]], vec![vec![f32::NAN, f32::INFINITY, -1.0, 1e30]]);
        let unequal = vec![vec![0.2; 9_000], vec![0.1; 100]];
        for channels in [none, empty, broken, unequal] {
            for rate_hz in [48_000.0, 1.0, 0.0, f64::NAN, -1.0] {
                for points in [0, 1, 30] {
                    picture(&timeline(points), &channels, rate_hz, "odd\n\u{7}");
                }
            }
        }
        let mut standing = timeline(20);
        standing.points.iter_mut().for_each(|point| point.time_s = 1.0);
        picture(&standing, &[vec![0.1; 16_000]], 16_000.0, "");
    }

    #[test]
    fn long_titles_are_cut() {
        let width = |text: &str| text.chars().count() <= 12;
        assert_eq!(shortened("short", width), "short");
        assert_eq!(shortened("a title that is longer", width), "a title tha…");
        assert_eq!(shortened("äöü äöü äöü äöü", width), "äöü äöü äöü…");
        assert_eq!(shortened("never fits", |_| false), "…");
        picture(
            &timeline(10),
            &[vec![0.1; 16_000]],
            16_000.0,
            &"long title ".repeat(100),
        );
    }
}
