//! Controls of parameters, and buttons. All of them can be turned with pointer, wheel and keyboard.

use egui::{Align2, Color32, CursorIcon, Event, EventFilter, Key, Rect, Response, Sense, vec2};

use super::hands::Hands;
use super::page::{Page, rect};
use super::theme::{numerals, type_size, words};
use crate::params::Dial;

/// Distance in units over which a drag moves a field through its whole range.
const FIELD_WAY: f32 = 160.0;
/// What every tooltip of a control that can be turned ends in.
const HOW: &str = "Drag (Shift: fine), wheel or arrow keys; double-click resets.";

/// A horizontal slider with its value at the right.
pub fn slider(page: &Page<'_>, hands: &mut Hands, place: Rect, dial: Dial<'_>, tip: &str) {
    /// Width of the value.
    const VALUE: f32 = 72.0;

    let response = page.sense(place, dial.name(), Sense::click_and_drag());
    let way = place.width() - VALUE;
    turn(page, hands, &response, dial, way);
    let at = hands.place(dial);
    let track = rect(place.min.x, place.center().y - 3.0, way, 6.0);
    page.fill(track, page.theme.track);
    if at > 0.0 {
        page.fill(rect(track.min.x, track.min.y, way * at, 6.0), page.theme.accent);
    }
    page.dot(track.min.x + way * at, place.center().y, 7.0, page.theme.text);
    page.write(
        &dial.text_at(at),
        place.max.x,
        place.center().y,
        Align2::RIGHT_CENTER,
        numerals(type_size::SMALL),
        page.theme.text,
    );
    finish(page, response, place, dial, tip, true);
}

/// A small field with a value that can be turned. `paint`: draws the value, in place of its text.
pub fn field(
    page: &Page<'_>,
    hands: &mut Hands,
    place: Rect,
    dial: Dial<'_>,
    tip: &str,
    paint: impl FnOnce(&Page<'_>, Rect, f32) -> bool,
) {
    let response = page.sense(place, dial.name(), Sense::click_and_drag());
    turn(page, hands, &response, dial, FIELD_WAY);
    page.fill(place, page.theme.panel);
    let at = hands.place(dial);
    if !paint(page, place, at) {
        let center = place.center();
        page.write(
            &dial.text_at(at),
            center.x,
            center.y,
            Align2::CENTER_CENTER,
            numerals(type_size::SMALL),
            page.theme.text,
        );
    }
    finish(page, response, place, dial, tip, true);
}

/// A switch that says what it switches.
pub fn switch(page: &Page<'_>, hands: &mut Hands, place: Rect, dial: Dial<'_>, label: &str, tip: &str) {
    let response = page.sense(place, dial.name(), Sense::click());
    let on = hands.place(dial) >= 0.5;
    if response.clicked() {
        hands.set(dial, if on { 0.0 } else { 1.0 });
    }
    pill(page, place, label, on);
    finish(page, response, place, dial, tip, false);
}

/// All values of a parameter with a few of them, side by side.
pub fn choice(page: &Page<'_>, hands: &mut Hands, place: Rect, dial: Dial<'_>, tip: &str) {
    let steps = dial.steps().unwrap_or(1).max(1);
    let width = place.width() / (steps + 1) as f32;
    page.fill(place, page.theme.panel);
    for step in 0..=steps {
        let at = step as f32 / steps as f32;
        let part = rect(place.min.x + width * step as f32, place.min.y, width, place.height());
        let name = format!("{} {step}", dial.name());
        let response = page.sense(part, &name, Sense::click());
        if response.clicked() {
            hands.set(dial, at);
        }
        pill(
            page,
            part,
            &dial.text_at(at),
            (hands.place(dial) - at).abs() < 0.5 / steps as f32,
        );
        finish(page, response, part, dial, tip, false);
    }
}

/// A button; whether it was pressed. `on`: it is drawn as chosen.
pub fn button(page: &Page<'_>, place: Rect, label: &str, on: bool, tip: &str) -> bool {
    let response = page.sense(place, &format!("button {label}"), Sense::click());
    pill(page, place, label, on);
    show_focus(page, &response, place);
    let pressed = response.clicked();
    page.tip(response.on_hover_cursor(CursorIcon::PointingHand), tip);
    pressed
}

/// The ground of an entry of a list; whether it was pressed, and the colour of what is written on it. `name`: unique in
/// the window; `on`: it is drawn as chosen.
pub fn entry(page: &Page<'_>, place: Rect, name: &str, on: bool, tip: &str) -> (bool, Color32) {
    let response = page.sense(place, name, Sense::click());
    let color = ground(page, place, on);
    show_focus(page, &response, place);
    let pressed = response.clicked();
    page.tip(response.on_hover_cursor(CursorIcon::PointingHand), tip);
    (pressed, color)
}

fn pill(page: &Page<'_>, place: Rect, label: &str, on: bool) {
    let text = ground(page, place, on);
    let center = place.center();
    page.write(
        label,
        center.x,
        center.y,
        Align2::CENTER_CENTER,
        words(type_size::SMALL),
        text,
    );
}

/// Fills the ground of what can be chosen; the colour of what is written on it.
fn ground(page: &Page<'_>, place: Rect, on: bool) -> Color32 {
    let theme = page.theme;
    let (ground, text) = if on {
        (theme.chosen, theme.on_chosen)
    } else {
        (theme.panel, theme.quiet)
    };
    page.fill(place, ground);
    if on && !theme.light {
        page.frame(place, 1.0, theme.accent);
    }
    text
}

fn show_focus(page: &Page<'_>, response: &Response, place: Rect) {
    if response.has_focus() {
        page.frame(place.expand(1.5), 1.5, page.theme.accent);
    } else if response.hovered() {
        page.frame(place, 1.0, page.theme.quiet);
    }
}

fn finish(page: &Page<'_>, response: Response, place: Rect, dial: Dial<'_>, tip: &str, turns: bool) {
    show_focus(page, &response, place);
    let cursor = if turns {
        CursorIcon::ResizeHorizontal
    } else {
        CursorIcon::PointingHand
    };
    let value = dial.text();
    let how = if turns { HOW } else { "" };
    let text = format!("{}: {value}\n{tip}\n{how}", dial.name());
    page.tip(response.on_hover_cursor(cursor), text.trim_end());
}

/// Turns a parameter as the user wants. `way`: units that a drag takes through its whole range.
fn turn(page: &Page<'_>, hands: &mut Hands, response: &Response, dial: Dial<'_>, way: f32) {
    if response.double_clicked() {
        hands.set(dial, dial.standard());
        return;
    }
    if response.drag_started() {
        hands.grab(dial);
    }
    let ui = page.ui;
    let fine = ui.input(|input| input.modifiers.shift);
    if response.dragged() {
        let moved = response.drag_delta() / page.scale();
        hands.drag(dial, (moved.x - moved.y) / way, fine);
    }
    if response.drag_stopped() {
        hands.release();
    }
    if response.dragged() {
        return;
    }
    let mut steps = 0;
    if response.hovered() {
        steps += ui.input(|input| input.events.iter().map(notches).sum::<i32>());
    }
    if response.has_focus() {
        ui.memory_mut(|memory| {
            let arrows = EventFilter {
                horizontal_arrows: true,
                vertical_arrows: true,
                ..EventFilter::default()
            };
            memory.set_focus_lock_filter(response.id, arrows);
        });
        steps += ui.input(|input| {
            let presses = |key| input.num_presses(key) as i32;
            presses(Key::ArrowRight) + presses(Key::ArrowUp) - presses(Key::ArrowLeft) - presses(Key::ArrowDown)
        });
    }
    if steps != 0 {
        hands.set(dial, dial.stepped(dial.place(), steps, fine));
    }
}

/// Steps that an event of the wheel stands for.
fn notches(event: &Event) -> i32 {
    match event {
        Event::MouseWheel { delta, .. } => {
            // With Shift some systems turn the wheel's direction.
            let along = if delta.y == 0.0 { delta.x } else { delta.y };
            if along == 0.0 { 0 } else { along.signum() as i32 }
        }
        _ => 0,
    }
}

/// Draws a lane's curve, from the lower left to the upper right.
pub fn paint_curve(page: &Page<'_>, place: Rect, curve: f32) {
    /// Points of the line.
    const POINTS: usize = 16;

    let inside = place.shrink2(vec2(8.0, 4.0));
    let exponent = 4.0_f32.powf(-curve);
    let at = |n: usize| {
        let x = n as f32 / POINTS as f32;
        (
            inside.min.x + inside.width() * x,
            inside.max.y - inside.height() * x.powf(exponent),
        )
    };
    for n in 0..POINTS {
        page.line(at(n), at(n + 1), 1.5, page.theme.text);
    }
}
