//! The window under pointer, wheel and keyboard.

use egui::{
    Context, Event, Key, Modifiers, MouseWheelSource, MouseWheelUnit, PointerButton, Pos2, RawInput, Rect, TouchPhase,
    vec2,
};

use super::App;
use super::hands::Hands;
use super::hands::tests::Diary;
use super::look::View;
use super::model_list::ModelList;
use super::scenes::SCENES;
use super::theme::space;
use crate::model_choice::ModelSource;
use crate::recent_models::RecentModels;

/// A window of the smallest size, so that its units are pixels.
struct Bench {
    context: Context,
    app: App,
    diary: Diary,
    time_s: f64,
}

impl Bench {
    fn new() -> Self {
        let mut app = SCENES[0].app();
        let diary = Diary::default();
        app.hands = Hands::new(Box::new(diary.clone()));
        let mut bench = Self {
            context: Context::default(),
            app,
            diary,
            time_s: 0.0,
        };
        bench.frame(Vec::new(), Modifiers::NONE);
        bench
    }

    fn frame(&mut self, mut events: Vec<Event>, modifiers: Modifiers) {
        self.time_s += 0.02;
        events.insert(0, Event::ModifiersChanged(modifiers));
        let input = RawInput {
            screen_rect: Some(Rect::from_min_size(Pos2::ZERO, vec2(600.0, 400.0))),
            time: Some(self.time_s),
            events,
            ..RawInput::default()
        };
        let app = &mut self.app;
        // What is drawn does not matter here; egui wants that to be said of its textures.
        self.context.run_ui(input, |ui| app.draw(ui)).textures_delta.clear();
    }

    fn point(&mut self, place: Pos2, modifiers: Modifiers) {
        self.frame(vec![Event::PointerMoved(place)], modifiers);
    }

    fn press(&mut self, place: Pos2, pressed: bool, modifiers: Modifiers) {
        let button = Event::PointerButton {
            pos: place,
            button: PointerButton::Primary,
            pressed,
            modifiers,
        };
        self.frame(vec![button], modifiers);
    }

    fn click(&mut self, place: Pos2) {
        self.point(place, Modifiers::NONE);
        self.press(place, true, Modifiers::NONE);
        self.press(place, false, Modifiers::NONE);
    }

    /// Drags to the right by so many pixels; the last place that the host was told.
    fn drag(&mut self, from: Pos2, by: f32, modifiers: Modifiers) -> f32 {
        self.diary.take();
        self.point(from, modifiers);
        self.press(from, true, modifiers);
        for part in 1..=10 {
            self.point(from + vec2(by * part as f32 / 10.0, 0.0), modifiers);
        }
        self.press(from + vec2(by, 0.0), false, modifiers);
        let told = self.diary.take();
        assert_eq!(told.iter().filter(|entry| *entry == "begin").count(), 1, "{told:?}");
        assert_eq!((told[0].as_str(), told[told.len() - 1].as_str()), ("begin", "end"));
        told[told.len() - 2].parse().unwrap_or_else(|_| panic!("{told:?}"))
    }
}

/// On the slider of the response, in the view "Now".
const RESPONSE: Pos2 = Pos2::new(160.0, 338.0);

#[test]
fn tabs_and_colours_are_chosen_by_clicks() {
    let mut bench = Bench::new();
    for (place, view) in [
        (1.0, View::History),
        (2.0, View::Outputs),
        (3.0, View::Model),
        (0.0, View::Now),
    ] {
        bench.click(Pos2::new(84.0 + 72.0 * place + 30.0, 24.0));
        assert_eq!(bench.app.params.editor_look.get().view, view);
    }
    bench.click(Pos2::new(600.0 - space::MARGIN - 20.0, 24.0));
    assert!(bench.app.params.editor_look.get().light);
    assert!(bench.diary.take().is_empty(), "none of it is the host's business");
}

#[test]
fn a_slider_follows_the_pointer_and_shift_makes_it_fine() {
    let mut bench = Bench::new();
    let coarse = bench.drag(RESPONSE, 50.0, Modifiers::NONE);
    let fine = bench.drag(RESPONSE, 50.0, Modifiers::SHIFT);
    assert!((0.1..0.5).contains(&coarse), "{coarse}");
    // From where the host has it, which is where it was: nobody has moved it.
    assert!((fine - coarse / 10.0).abs() < 0.02, "{fine} after {coarse}");
}

#[test]
fn wheel_and_arrow_keys_step_and_a_double_click_resets() {
    let mut bench = Bench::new();
    bench.point(RESPONSE, Modifiers::NONE);
    let notch = Event::MouseWheel {
        unit: MouseWheelUnit::Line,
        delta: vec2(0.0, 1.0),
        phase: TouchPhase::Move,
        source: MouseWheelSource::Wheel,
        modifiers: Modifiers::NONE,
    };
    bench.frame(vec![notch], Modifiers::NONE);
    assert_eq!(bench.diary.take(), ["begin", "0.010", "end"]);

    bench.click(RESPONSE);
    bench.diary.take();
    let key = |pressed| Event::Key {
        key: Key::ArrowRight,
        physical_key: None,
        pressed,
        repeat: false,
        modifiers: Modifiers::NONE,
    };
    let focused = |bench: &Bench| bench.context.memory(|memory| memory.focused().is_some());
    for _ in 0..40 {
        if focused(&bench) {
            break;
        }
        let tab = Event::Key {
            key: Key::Tab,
            physical_key: None,
            pressed: true,
            repeat: false,
            modifiers: Modifiers::SHIFT,
        };
        bench.frame(vec![tab], Modifiers::SHIFT);
        bench.frame(Vec::new(), Modifiers::NONE);
    }
    assert!(focused(&bench), "Tab reaches the controls");
    bench
        .context
        .memory_mut(|memory| memory.request_focus(egui::Id::unique(("affekt", "Response"))));
    bench.frame(Vec::new(), Modifiers::NONE);
    bench.frame(Vec::new(), Modifiers::NONE);
    bench.frame(vec![key(true)], Modifiers::NONE);
    assert_eq!(bench.diary.take(), ["begin", "0.010", "end"]);

    // As if the host had moved it.
    let dial = bench.app.params.response_dial();
    // SAFETY: the parameter lives as long as the window.
    unsafe { dial.pointer()._internal_set_normalized_value(0.5) };
    bench.time_s += 5.0;
    bench.click(RESPONSE);
    bench.click(RESPONSE);
    assert_eq!(bench.diary.take(), ["begin", "0.000", "end"]);
}

#[test]
fn another_model_is_chosen_from_the_list_and_a_missing_one_is_not() {
    let home = tempfile::tempdir().unwrap();
    let (there, gone) = (home.path().join("there.onnx"), home.path().join("gone.onnx"));
    std::fs::write(&there, "").unwrap();
    let recent = RecentModels::kept_in(Some(home.path().join("recent.json")));
    recent.add(&gone).unwrap();
    recent.add(&there).unwrap();

    let mut bench = Bench::new();
    bench.app.models = ModelList::new(recent);
    let chosen = |bench: &Bench| bench.app.link.choice().source();
    bench.click(Pos2::new(84.0 + 72.0 * 3.0 + 30.0, 24.0));
    // "Other models …", at the bottom of the view's right part.
    bench.click(Pos2::new(440.0, 328.0));
    assert!(bench.app.models.is_shown());
    // The second entry inside Affekt, then the first and the second file.
    bench.click(Pos2::new(100.0, 48.0 + 26.0 + 41.0 + 19.0));
    let shipped = affekt_models::SHIPPED_MODELS[1].key.to_owned();
    assert_eq!(chosen(&bench), Some(ModelSource::Shipped { shipped }));
    bench.click(Pos2::new(450.0, 48.0 + 26.0 + 10.0));
    assert_eq!(chosen(&bench), Some(ModelSource::File(there.clone())));
    bench.click(Pos2::new(450.0, 48.0 + 26.0 + 33.0));
    assert_eq!(chosen(&bench), Some(ModelSource::File(there)), "the other one is gone");
    bench.click(Pos2::new(100.0, 48.0 + 26.0 + 19.0));
    assert_eq!(chosen(&bench), None, "the first entry is the standard model");
    // "Show its card".
    bench.click(Pos2::new(520.0, 326.0));
    assert!(!bench.app.models.is_shown());
}
