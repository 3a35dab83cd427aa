//! The way of the user's changes to the host: as gestures, so that the host can record and undo them.

use std::panic::{AssertUnwindSafe, catch_unwind};

use nice_plug::context::gui::GuiContext;
use nice_plug::params::internals::ParamPtr;

use crate::params::Dial;

/// How much slower a fine movement is.
const FINE: f32 = 0.1;

/// Who is told of changes.
pub trait Host: Send {
    /// A gesture begins.
    fn begin(&self, parameter: ParamPtr);
    /// The parameter is moved to a place, 0 to 1.
    fn set(&self, parameter: ParamPtr, place: f32);
    /// The gesture ends.
    fn end(&self, parameter: ParamPtr);
}

impl Host for GuiContext {
    fn begin(&self, parameter: ParamPtr) {
        // SAFETY: the parameter is the plugin's own; this and the two below are called on the window's thread.
        unsafe { self.raw_begin_set_parameter(parameter) }
    }

    fn set(&self, parameter: ParamPtr, place: f32) {
        // SAFETY: as above.
        unsafe { self.raw_set_parameter_normalized(parameter, place) }
    }

    fn end(&self, parameter: ParamPtr) {
        // SAFETY: as above.
        unsafe { self.raw_end_set_parameter(parameter) }
    }
}

/// What the user holds, and who is told of it.
pub struct Hands {
    host: Box<dyn Host>,
    held: Option<Held>,
}

struct Held {
    parameter: ParamPtr,
    /// Where the pointer has it, 0 to 1, whatever the parameter's steps make of it.
    place: f32,
    /// What the host was told last.
    told: f32,
}

impl Hands {
    /// Holding nothing.
    pub fn new(host: Box<dyn Host>) -> Self {
        Self { host, held: None }
    }

    /// Takes hold of a parameter.
    pub fn grab(&mut self, dial: Dial<'_>) {
        self.release();
        self.host.begin(dial.pointer());
        self.held = Some(Held {
            parameter: dial.pointer(),
            place: dial.place(),
            told: dial.place(),
        });
    }

    /// Moves what is held by a share of its whole way, a tenth of that if `fine`.
    pub fn drag(&mut self, dial: Dial<'_>, by: f32, fine: bool) {
        let Some(held) = self.held.as_mut().filter(|held| held.parameter == dial.pointer()) else {
            return;
        };
        held.place = (held.place + if fine { by * FINE } else { by }).clamp(0.0, 1.0);
        let aim = dial.stepped_to(held.place);
        if aim != held.told {
            held.told = aim;
            self.host.set(held.parameter, aim);
        }
    }

    /// Lets go.
    pub fn release(&mut self) {
        if let Some(held) = self.held.take() {
            self.host.end(held.parameter);
        }
    }

    /// Moves a parameter to a place, as one gesture.
    pub fn set(&mut self, dial: Dial<'_>, place: f32) {
        self.release();
        if place != dial.place() {
            self.host.begin(dial.pointer());
            self.host.set(dial.pointer(), place);
            self.host.end(dial.pointer());
        }
    }

    /// Where a parameter is to be drawn: where it is held, else where it is.
    pub fn place(&self, dial: Dial<'_>) -> f32 {
        match &self.held {
            Some(held) if held.parameter == dial.pointer() => held.told,
            _ => dial.place(),
        }
    }
}

impl Drop for Hands {
    /// A window that is closed under the pointer leaves no gesture open. The host may be half gone by then.
    fn drop(&mut self) {
        let _ = catch_unwind(AssertUnwindSafe(|| self.release()));
    }
}

#[cfg(test)]
pub mod tests {
    use std::sync::{Arc, Mutex};

    use nice_plug::prelude::*;

    use super::*;

    /// Writes down what it is told, and moves nothing.
    #[derive(Clone, Default)]
    pub struct Diary {
        pub entries: Arc<Mutex<Vec<String>>>,
    }

    impl Diary {
        fn note(&self, entry: String) {
            self.entries.lock().unwrap().push(entry);
        }

        pub fn take(&self) -> Vec<String> {
            std::mem::take(&mut *self.entries.lock().unwrap())
        }
    }

    // SAFETY: tests are on one thread at a time.
    unsafe impl Send for Diary {}

    impl Host for Diary {
        fn begin(&self, _: ParamPtr) {
            self.note("begin".into());
        }

        fn set(&self, _: ParamPtr, place: f32) {
            self.note(format!("{place:.3}"));
        }

        fn end(&self, _: ParamPtr) {
            self.note("end".into());
        }
    }

    #[test]
    fn a_drag_is_one_gesture_and_steps_are_told_once() {
        let number = IntParam::new("Number", 5, IntRange::Linear { min: 0, max: 10 });
        let (diary, dial) = (Diary::default(), Dial::of(&number));
        let mut hands = Hands::new(Box::new(diary.clone()));
        hands.grab(dial);
        for _ in 0..4 {
            hands.drag(dial, 0.03, false);
        }
        assert_eq!(hands.place(dial), 0.6);
        hands.drag(dial, 0.5, true);
        hands.release();
        hands.drag(dial, 0.5, false);
        assert_eq!(diary.take(), ["begin", "0.600", "0.700", "end"]);
        assert_eq!(hands.place(dial), 0.5, "the host has not moved it");
    }

    #[test]
    fn a_click_is_one_gesture_and_nothing_is_said_of_no_change() {
        let number = IntParam::new("Number", 5, IntRange::Linear { min: 0, max: 10 });
        let (diary, dial) = (Diary::default(), Dial::of(&number));
        let mut hands = Hands::new(Box::new(diary.clone()));
        hands.set(dial, 0.5);
        assert!(diary.take().is_empty());
        hands.set(dial, 1.0);
        assert_eq!(diary.take(), ["begin", "1.000", "end"]);
    }

    #[test]
    fn a_window_that_closes_lets_go() {
        let number = IntParam::new("Number", 5, IntRange::Linear { min: 0, max: 10 });
        let diary = Diary::default();
        let mut hands = Hands::new(Box::new(diary.clone()));
        hands.grab(Dial::of(&number));
        drop(hands);
        assert_eq!(diary.take(), ["begin", "end"]);
    }
}
