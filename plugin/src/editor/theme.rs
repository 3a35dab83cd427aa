//! Colours, type sizes and the page that everything is drawn on. Lengths are in units of which a window of the default
//! size has one per logical pixel; a larger window enlarges everything.

use std::sync::Arc;

use egui::text::{LayoutJob, TextFormat, TextWrapping};
use egui::{Align2, Color32, FontFamily, FontId, Galley, Painter, Pos2, Rect, Ui, Vec2, pos2, vec2};

use super::size::DEFAULT;

/// The window's ground.
pub const GROUND: Color32 = Color32::from_rgb(0x15, 0x17, 0x1B);
/// The empty part of a meter, and rules.
pub const TRACK: Color32 = Color32::from_rgb(0x2A, 0x2E, 0x35);
/// Text that matters.
pub const TEXT: Color32 = Color32::from_rgb(0xE9, 0xEB, 0xEE);
/// Text that accompanies.
pub const QUIET: Color32 = Color32::from_rgb(0xA3, 0xAA, 0xB4);
/// Everything is well.
pub const GOOD: Color32 = Color32::from_rgb(0x4C, 0xC3, 0x8A);
/// The user may want to do something.
pub const CAUTION: Color32 = Color32::from_rgb(0xF2, 0xB0, 0x3D);
/// The user has to do something.
pub const BAD: Color32 = Color32::from_rgb(0xF0, 0x6A, 0x63);

/// Distance between the window's edge and what is drawn.
pub const MARGIN: f32 = 24.0;

/// Type sizes.
pub mod type_size {
    /// The emotion that dominates.
    pub const DISPLAY: f32 = 40.0;
    /// The plugin's name.
    pub const TITLE: f32 = 17.0;
    /// Names and values of the meters.
    pub const BODY: f32 = 15.0;
    /// Everything else.
    pub const SMALL: f32 = 12.5;
}

/// The window's area without its margin, at the scale of its size.
pub struct Page<'a> {
    /// For what reacts to the pointer.
    pub ui: &'a Ui,
    painter: &'a Painter,
    area: Rect,
    scale: f32,
}

impl<'a> Page<'a> {
    /// The whole window, painted over.
    pub fn new(ui: &'a Ui) -> Self {
        let window = ui.ctx().content_rect();
        let scale = (window.width() / DEFAULT.0 as f32).min(window.height() / DEFAULT.1 as f32);
        let painter = ui.painter();
        painter.rect_filled(window, 0.0, GROUND);
        Self {
            ui,
            painter,
            area: window.shrink(MARGIN * scale),
            scale,
        }
    }

    /// Width and height in units; at least the default size less the margins.
    pub fn size(&self) -> Vec2 {
        self.area.size() / self.scale
    }

    /// A place in units, as painted.
    pub fn place(&self, x: f32, y: f32) -> Pos2 {
        self.area.min + vec2(x, y) * self.scale
    }

    /// A rectangle in units, as painted.
    pub fn rect(&self, x: f32, y: f32, width: f32, height: f32) -> Rect {
        Rect::from_min_size(self.place(x, y), vec2(width, height) * self.scale)
    }

    /// Fills a rectangle in units, with round ends.
    pub fn bar(&self, x: f32, y: f32, width: f32, height: f32, color: Color32) {
        self.painter.rect_filled(
            self.rect(x, y, width, height),
            height.min(width) / 2.0 * self.scale,
            color,
        );
    }

    /// Draws a horizontal rule across the page.
    pub fn rule(&self, y: f32) {
        self.painter
            .rect_filled(self.rect(0.0, y, self.size().x, 1.0), 0.0, TRACK);
    }

    /// Draws a dot around a place in units.
    pub fn dot(&self, x: f32, y: f32, radius: f32, color: Color32) {
        self.painter.circle_filled(self.place(x, y), radius * self.scale, color);
    }

    /// Sets text in at most `rows` rows of at most `width` units; what does not fit ends in an ellipsis.
    pub fn set(&self, text: &str, font: Font, color: Color32, width: f32, rows: usize) -> Arc<Galley> {
        let font = FontId::new(font.size * self.scale, font.family);
        let mut job = LayoutJob::single_section(text.to_owned(), TextFormat::simple(font, color));
        job.wrap = TextWrapping {
            max_width: width.max(0.0) * self.scale,
            max_rows: rows,
            break_anywhere: rows == 1,
            ..TextWrapping::default()
        };
        self.painter.layout_job(job)
    }

    /// Draws text that was set, its `anchor` at a place in units; where it came to lie.
    pub fn write(&self, galley: &Arc<Galley>, x: f32, y: f32, anchor: Align2) -> Rect {
        let rect = anchor.anchor_size(self.place(x, y), galley.size());
        self.painter.galley(pos2(rect.min.x, rect.min.y), galley.clone(), TEXT);
        rect
    }

    /// Height of text that was set, in units.
    pub fn height_of(&self, galley: &Galley) -> f32 {
        galley.size().y / self.scale
    }
}

/// A font.
pub struct Font {
    size: f32,
    family: FontFamily,
}

/// The font for words.
pub fn words(size: f32) -> Font {
    Font {
        size,
        family: FontFamily::Proportional,
    }
}

/// The font for numerals, which all have the same width.
pub fn numerals(size: f32) -> Font {
    Font {
        size,
        family: FontFamily::Monospace,
    }
}
