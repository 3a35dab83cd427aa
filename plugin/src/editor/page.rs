//! What is drawn on. Lengths are in units of which a window of the smallest size has one per logical pixel; a larger
//! window enlarges everything, so that a meter on the second screen can be read from afar.

use std::sync::Arc;

use egui::text::{LayoutJob, TextFormat, TextWrapping};
use egui::{
    Align2, Color32, FontId, Galley, Id, Painter, Pos2, Rect, Response, RichText, Sense, Stroke, StrokeKind, Ui, Vec2,
    pos2, vec2,
};

use super::size::SMALLEST;
use super::theme::{Theme, space, type_size, words};

/// Width of an explanation, in units.
const TIP: f32 = 300.0;

/// The whole window.
pub struct Page<'a> {
    /// For what reacts to the pointer and the keyboard.
    pub ui: &'a Ui,
    /// What it is drawn with.
    pub theme: &'a Theme,
    painter: &'a Painter,
    origin: Pos2,
    size: Vec2,
    scale: f32,
}

impl<'a> Page<'a> {
    /// The whole window, on a ground of the theme's colour.
    pub fn new(ui: &'a Ui, theme: &'a Theme) -> Self {
        let window = ui.ctx().content_rect();
        let scale = (window.width() / SMALLEST.0 as f32).min(window.height() / SMALLEST.1 as f32);
        // A window that is being made may have no size yet.
        let scale = if scale.is_finite() { scale.max(0.1) } else { 1.0 };
        Self {
            ui,
            theme,
            painter: ui.painter(),
            origin: window.min,
            size: window.size() / scale,
            scale,
        }
    }

    /// Width in units; at least the smallest window's.
    pub fn width(&self) -> f32 {
        self.size.x
    }

    /// Height in units; at least the smallest window's.
    pub fn height(&self) -> f32 {
        self.size.y
    }

    /// Egui's points per unit.
    pub fn scale(&self) -> f32 {
        self.scale
    }

    /// A place in units, as painted.
    pub fn place(&self, x: f32, y: f32) -> Pos2 {
        self.origin + vec2(x, y) * self.scale
    }

    /// A rectangle in units, as painted.
    pub fn px(&self, rect: Rect) -> Rect {
        Rect::from_min_max(self.place(rect.min.x, rect.min.y), self.place(rect.max.x, rect.max.y))
    }

    /// A place on the screen, in units.
    pub fn unit(&self, place: Pos2) -> Pos2 {
        ((place - self.origin) / self.scale).to_pos2()
    }

    /// Fills a rectangle with slightly round corners.
    pub fn fill(&self, rect: Rect, color: Color32) {
        self.painter
            .rect_filled(self.px(rect), space::CORNER * self.scale, color);
    }

    /// Fills a rectangle with sharp corners.
    pub fn block(&self, rect: Rect, color: Color32) {
        self.painter.rect_filled(self.px(rect), 0.0, color);
    }

    /// Draws a frame inside a rectangle with slightly round corners, `width` units thick.
    pub fn frame(&self, rect: Rect, width: f32, color: Color32) {
        let stroke = Stroke::new(width * self.scale, color);
        self.painter
            .rect_stroke(self.px(rect), space::CORNER * self.scale, stroke, StrokeKind::Inside);
    }

    /// Draws a line, `width` units thick.
    pub fn line(&self, from: (f32, f32), to: (f32, f32), width: f32, color: Color32) {
        let stroke = Stroke::new(width * self.scale, color);
        self.painter
            .line_segment([self.place(from.0, from.1), self.place(to.0, to.1)], stroke);
    }

    /// Draws a dot.
    pub fn dot(&self, x: f32, y: f32, radius: f32, color: Color32) {
        self.painter.circle_filled(self.place(x, y), radius * self.scale, color);
    }

    /// Draws a ring, `width` units thick.
    pub fn ring(&self, x: f32, y: f32, radius: f32, width: f32, color: Color32) {
        let stroke = Stroke::new(width * self.scale, color);
        self.painter
            .circle_stroke(self.place(x, y), radius * self.scale, stroke);
    }

    /// Draws a shape whose places are already as painted.
    pub fn shape(&self, shape: impl Into<egui::Shape>) {
        self.painter.add(shape);
    }

    /// Writes one line of text, its `anchor` at a place; where it came to lie, in units. It is never shortened.
    pub fn write(&self, text: &str, x: f32, y: f32, anchor: Align2, font: FontId, color: Color32) -> Rect {
        let galley = self.set(text, font, color, f32::INFINITY, 1);
        self.put(galley, x, y, anchor)
    }

    /// Writes one line of text, its left middle at a place; what does not fit into `width` units ends in an ellipsis.
    pub fn line_of(&self, text: &str, x: f32, y: f32, width: f32, font: FontId, color: Color32) {
        let galley = self.set(text, font, color, width, 1);
        self.put(galley, x, y, Align2::LEFT_CENTER);
    }

    /// Writes text in rows of at most `width` units, from a place downwards; where it came to lie, in units. What does
    /// not fit into `rows` ends in an ellipsis and is shown whole while the pointer is on it.
    #[expect(clippy::too_many_arguments, reason = "all of them say what the text looks like")]
    pub fn paragraph(&self, text: &str, x: f32, y: f32, width: f32, rows: usize, font: FontId, color: Color32) -> Rect {
        let galley = self.set(text, font, color, width, rows);
        let elided = galley.elided;
        let rect = self.put(galley, x, y, Align2::LEFT_TOP);
        if elided {
            self.tip(self.sense(rect, text, Sense::hover()), text);
        }
        rect
    }

    /// A sentence about how something went, of two rows at most, beside a dot in the colour of its outcome.
    pub fn notice(&self, text: &str, area: Rect, color: Color32) {
        self.dot(area.min.x + 5.0, area.min.y + 8.0, 4.0, color);
        self.paragraph(
            text,
            area.min.x + 20.0,
            area.min.y,
            area.width() - 20.0,
            2,
            words(type_size::SMALL),
            self.theme.text,
        );
    }

    fn set(&self, text: &str, font: FontId, color: Color32, width: f32, rows: usize) -> Arc<Galley> {
        let font = FontId::new(font.size * self.scale, font.family);
        let mut job = LayoutJob::single_section(text.to_owned(), TextFormat::simple(font, color));
        job.wrap = TextWrapping {
            max_width: width * self.scale,
            max_rows: rows,
            ..TextWrapping::default()
        };
        self.painter.layout_job(job)
    }

    fn put(&self, galley: Arc<Galley>, x: f32, y: f32, anchor: Align2) -> Rect {
        let rect = anchor.anchor_size(self.place(x, y), galley.size());
        self.painter.galley(rect.min, galley, self.theme.text);
        Rect::from_min_max(self.unit(rect.min), self.unit(rect.max))
    }

    /// Explains something while the pointer rests on it.
    pub fn tip(&self, response: Response, text: &str) {
        let text = RichText::new(text).size(type_size::SMALL * self.scale);
        response.on_hover_ui(|ui| {
            ui.set_max_width(TIP * self.scale);
            ui.label(text);
        });
    }

    /// Lets a rectangle react. `name`: unique in the window.
    pub fn sense(&self, rect: Rect, name: &str, sense: Sense) -> Response {
        self.ui.interact(self.px(rect), Id::unique(("affekt", name)), sense)
    }
}

/// A rectangle from its left, top, width and height.
pub fn rect(x: f32, y: f32, width: f32, height: f32) -> Rect {
    Rect::from_min_size(pos2(x, y), vec2(width, height))
}
