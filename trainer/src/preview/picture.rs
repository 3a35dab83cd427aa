//! Pictures of log-mel bands: time to the right, frequency upwards.

use std::path::{Path, PathBuf};

use affekt_features::FeatureSpec;
use affekt_models::plot::{BACKGROUND, GRID, PlotError, register_font, text};
use plotters::prelude::*;

use super::Preview;
use crate::augmentation::centres_hz;

/// Width and height of one panel, in pixels.
const PANEL_SIZE: (u32, u32) = (560, 300);
/// Panels beside each other in the picture of all.
const COLUMNS: usize = 4;
/// Range of the colours, in dB below the loudest band of the first panel.
const RANGE_DB: f32 = 70.0;
/// Height of a panel's title and its time axis, and width of its frequency axis, in pixels.
const TITLE: u32 = 34;
const BOTTOM: u32 = 34;
const LEFT: u32 = 64;
const RIGHT: u32 = 14;

/// Why a picture cannot be drawn.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PictureError {
    /// The file cannot be written.
    #[error("the picture cannot be written to {path} ({reason}): choose another place")]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// The built-in font is damaged.
    #[error(transparent)]
    Font(#[from] PlotError),
}

/// Draws `previews` in panels beside each other, all with the same time axis and colours: yellow is as loud as the
/// loudest band of `first`, violet 70 dB below.
pub fn write_png(previews: &[Preview], first: &Preview, spec: &FeatureSpec, path: &Path) -> Result<(), PictureError> {
    register_font()?;
    let columns = previews.len().clamp(1, COLUMNS);
    let rows = previews.len().div_ceil(columns).max(1);
    let size = (PANEL_SIZE.0 * columns as u32, PANEL_SIZE.1 * rows as u32);
    let root = BitMapBackend::new(path, size).into_drawing_area();
    let scale = Scale::new(previews, first, spec);
    let draw = || {
        root.fill(&BACKGROUND)?;
        for (area, preview) in root.split_evenly((rows, columns)).iter().zip(previews) {
            panel(area, preview, &scale)?;
        }
        root.present()
    };
    draw().map_err(|error: DrawingAreaErrorKind<_>| PictureError::Unwritable {
        path: path.into(),
        reason: error.to_string(),
    })
}

/// What all panels share.
struct Scale {
    bands: usize,
    hop_s: f64,
    longest_s: f64,
    loudest_db: f32,
    centres_hz: Vec<f64>,
}

impl Scale {
    fn new(previews: &[Preview], first: &Preview, spec: &FeatureSpec) -> Self {
        let hop_s = f64::from(spec.hop_s());
        let frames = previews.iter().map(|preview| preview.bands_db.len() / spec.mel_bands);
        Self {
            bands: spec.mel_bands,
            hop_s,
            longest_s: frames.max().unwrap_or(1).max(1) as f64 * hop_s,
            loudest_db: first.bands_db.iter().copied().fold(f32::MIN, f32::max),
            centres_hz: centres_hz(spec),
        }
    }

    fn colour(&self, level_db: f32) -> RGBColor {
        ViridisRGB.get_color((1.0 + (level_db - self.loudest_db) / RANGE_DB).clamp(0.0, 1.0))
    }
}

type Area<'a> = DrawingArea<BitMapBackend<'a>, plotters::coord::Shift>;
type Drawn<'a> = Result<(), DrawingAreaErrorKind<<BitMapBackend<'a> as DrawingBackend>::ErrorType>>;

fn panel<'a>(area: &Area<'a>, preview: &Preview, scale: &Scale) -> Drawn<'a> {
    let (head, below) = area.split_vertically(TITLE);
    head.draw(&Text::new(preview.title.clone(), (LEFT as i32, 10), text(19)))?;
    let mut chart = ChartBuilder::on(&below)
        .margin_right(RIGHT)
        .x_label_area_size(BOTTOM)
        .y_label_area_size(LEFT)
        .build_cartesian_2d(0.0..scale.longest_s, 0.0..scale.bands as f64)?;
    let plot = chart.plotting_area().strip_coord_spec();
    let (width, height) = plot.dim_in_pixel();
    let rows: Vec<&[f32]> = preview.bands_db.chunks_exact(scale.bands).collect();
    for x in 0..width {
        let time_s = (f64::from(x) + 0.5) / f64::from(width) * scale.longest_s;
        let Some(row) = rows.get((time_s / scale.hop_s) as usize) else {
            break;
        };
        for y in 0..height {
            let band = (f64::from(height - 1 - y) / f64::from(height) * scale.bands as f64) as usize;
            plot.draw_pixel((x as i32, y as i32), &scale.colour(row[band]))?;
        }
    }
    chart
        .configure_mesh()
        .disable_mesh()
        .axis_style(GRID)
        .x_labels(6)
        .x_label_formatter(&|time_s| format!("{} s", (time_s * 100.0).round() / 100.0))
        .y_labels(5)
        .y_label_formatter(&|band| {
            let place = (*band as usize).min(scale.bands - 1);
            format!("{:.0} Hz", scale.centres_hz[place])
        })
        .label_style(text(14))
        .draw()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panels_of_any_number_and_length_are_drawn() {
        let folder = tempfile::tempdir().unwrap();
        let spec = FeatureSpec::standard();
        let preview = |frames: usize| Preview {
            name: "a".into(),
            title: "a title that is longer than what the panel has room for, which is nothing to worry about".into(),
            waveform: None,
            bands_db: (0..frames * spec.mel_bands)
                .map(|place| -(place as f32 % 90.0))
                .collect(),
        };
        let all: Vec<Preview> = [1, 0, 250, 40, 90, 3_000].map(preview).into();
        for count in [1, 2, 6] {
            let path = folder.path().join("picture.png");
            write_png(&all[..count], &all[0], &spec, &path).unwrap();
            let png = std::fs::read(&path).unwrap();
            let number = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().unwrap());
            let columns = count.min(COLUMNS) as u32;
            let rows = (count as u32).div_ceil(columns);
            assert_eq!((number(16), number(20)), (PANEL_SIZE.0 * columns, PANEL_SIZE.1 * rows));
        }
        let nowhere = folder.path().join("no such folder").join("picture.png");
        let error = write_png(&all, &all[0], &spec, &nowhere).unwrap_err();
        assert!(error.to_string().contains("no such folder"), "{error}");
    }
}
