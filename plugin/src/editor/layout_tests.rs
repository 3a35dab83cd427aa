//! What is drawn is looked at as shapes: nothing overlaps, nothing is cut off, every text can be read.

use egui::epaint::{ClippedShape, Shape, TextShape};
use egui::{Color32, Context, Rect, Sense, Vec2, ViewportId, vec2};

use super::scenes::{SCENES, Scene};

/// Sizes in logical pixels: the smallest, a new window, a second screen.
const SIZES: [(f32, f32); 3] = [(600.0, 400.0), (900.0, 600.0), (1_920.0, 1_080.0)];
const SCALE_FACTORS: [f32; 2] = [1.0, 2.0];
/// WCAG 2.2, success criterion 1.4.3, level AA.
const CONTRAST: f32 = 4.5;

/// One drawing, and where it reacts.
struct Drawing {
    ground: Color32,
    shapes: Vec<Shape>,
    reacting: Vec<Rect>,
}

fn draw(scene: &Scene, size: Vec2, scale_factor: f32) -> Drawing {
    let context = Context::default();
    let mut app = scene.app();
    let mut shapes = Vec::new();
    let window = Rect::from_min_size(egui::Pos2::ZERO, size);
    // The history takes what was played in parts.
    for frame in 0..8 {
        let mut input = egui::RawInput {
            screen_rect: Some(window),
            time: Some(f64::from(frame) / 30.0),
            ..egui::RawInput::default()
        };
        if let Some(viewport) = input.viewports.get_mut(&ViewportId::ROOT) {
            viewport.native_pixels_per_point = Some(scale_factor);
        }
        let mut output = context.run_ui(input, |ui| app.draw(ui));
        output.textures_delta.clear();
        assert_eq!(output.pixels_per_point, scale_factor);
        shapes.clear();
        output
            .shapes
            .into_iter()
            .for_each(|ClippedShape { shape, .. }| flatten(shape, &mut shapes));
    }
    let reacting = context.viewport(|viewport| {
        let widgets = &viewport.prev_pass.widgets;
        let all = widgets.layer_ids().flat_map(|layer| widgets.get_layer(layer));
        all.filter(|widget| widget.sense.intersects(Sense::CLICK | Sense::DRAG))
            .map(|widget| widget.rect)
            .collect()
    });
    let ground = app.theme().ground;
    Drawing {
        ground,
        shapes,
        reacting,
    }
}

fn flatten(shape: Shape, into: &mut Vec<Shape>) {
    match shape {
        Shape::Vec(shapes) => shapes.into_iter().for_each(|shape| flatten(shape, into)),
        shape => into.push(shape),
    }
}

fn texts(drawing: &Drawing) -> impl Iterator<Item = (usize, &TextShape)> {
    drawing
        .shapes
        .iter()
        .enumerate()
        .filter_map(|(place, shape)| match shape {
            Shape::Text(text) => Some((place, text)),
            _ => None,
        })
}

fn bounds(text: &TextShape) -> Rect {
    Rect::from_min_size(text.pos, text.galley.size())
}

/// The colour of what lies below a text: the last thing that was filled under its middle.
fn ground(drawing: &Drawing, place: usize, text: &TextShape) -> Color32 {
    let middle = bounds(text).center();
    let below = drawing.shapes[..place].iter().rev().find_map(|shape| match shape {
        Shape::Rect(rect) if rect.fill.a() == 255 && rect.rect.contains(middle) => Some(rect.fill),
        _ => None,
    });
    below.unwrap_or(drawing.ground)
}

fn luminance(color: Color32) -> f32 {
    let linear = |byte: u8| {
        let value = f32::from(byte) / 255.0;
        if value <= 0.04045 {
            value / 12.92
        } else {
            ((value + 0.055) / 1.055).powf(2.4)
        }
    };
    0.2126 * linear(color.r()) + 0.7152 * linear(color.g()) + 0.0722 * linear(color.b())
}

fn contrast(a: Color32, b: Color32) -> f32 {
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

/// Looks at every scene at every size and scale factor.
fn everywhere(look: impl Fn(&str, Vec2, &Drawing)) {
    for scene in &SCENES {
        for (width, height) in SIZES {
            for scale_factor in SCALE_FACTORS {
                let size = vec2(width, height);
                let drawing = draw(scene, size, scale_factor);
                look(
                    &format!("{} at {width} × {height}, scale {scale_factor}", scene.name),
                    size,
                    &drawing,
                );
            }
        }
    }
}

#[test]
fn no_text_is_cut_off_overlaps_or_cannot_be_read() {
    everywhere(|scene, size, drawing| {
        let window = Rect::from_min_size(egui::Pos2::ZERO, size);
        let all: Vec<(usize, &TextShape)> = texts(drawing).collect();
        assert!(all.len() > 8, "{scene}: {} texts", all.len());
        for (place, text) in &all {
            let words = text.galley.text();
            assert!(!text.galley.elided, "{scene}: “{words}” is shortened");
            assert!(
                window.contains_rect(bounds(text).shrink(0.5)),
                "{scene}: “{words}” leaves the window"
            );
            let color = text.galley.job.sections[0].format.color;
            let (ground, color) = (ground(drawing, *place, text), color);
            let ratio = contrast(color, ground);
            assert!(
                ratio >= CONTRAST,
                "{scene}: “{words}” in {color:?} on {ground:?} has contrast {ratio:.2}"
            );
        }
        for (n, (_, a)) in all.iter().enumerate() {
            for (_, b) in &all[n + 1..] {
                let both = bounds(a).shrink(1.0).intersect(bounds(b).shrink(1.0));
                assert!(
                    !both.is_positive(),
                    "{scene}: “{}” and “{}” overlap",
                    a.galley.text(),
                    b.galley.text()
                );
            }
        }
    });
}

#[test]
fn what_reacts_lies_apart_and_inside_the_window() {
    everywhere(|scene, size, drawing| {
        let window = Rect::from_min_size(egui::Pos2::ZERO, size);
        assert!(drawing.reacting.len() >= 5, "{scene}: {:?}", drawing.reacting);
        for (n, a) in drawing.reacting.iter().enumerate() {
            assert!(window.contains_rect(*a), "{scene}: {a} leaves the window");
            for b in &drawing.reacting[n + 1..] {
                assert!(
                    !a.shrink(0.5).intersect(b.shrink(0.5)).is_positive(),
                    "{scene}: {a} and {b} overlap"
                );
            }
        }
    });
}

#[test]
fn a_still_window_wants_no_drawing() {
    for scene in SCENES.iter().filter(|scene| !scene.name.starts_with("history")) {
        let context = Context::default();
        let mut app = scene.app();
        let mut delay = std::time::Duration::ZERO;
        for frame in 0..10 {
            let input = egui::RawInput {
                screen_rect: Some(Rect::from_min_size(egui::Pos2::ZERO, vec2(900.0, 600.0))),
                time: Some(f64::from(frame) * 5.0),
                ..egui::RawInput::default()
            };
            let mut output = context.run_ui(input, |ui| app.draw(ui));
            output.textures_delta.clear();
            delay = output.viewport_output[&ViewportId::ROOT].repaint_delay;
        }
        assert!(
            delay > std::time::Duration::from_secs(3_600),
            "{}: {delay:?}",
            scene.name
        );
    }
}
