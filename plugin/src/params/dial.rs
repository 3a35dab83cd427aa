//! A parameter as a control sees it: a place from 0 to 1 and its words.

use std::marker::PhantomData;

use nice_plug::params::internals::ParamPtr;
use nice_plug::prelude::Param;

/// A parameter that lives as long as `'a`. Says what it is; changes go through the host.
#[derive(Debug, Clone, Copy)]
pub struct Dial<'a> {
    pointer: ParamPtr,
    lives: PhantomData<&'a ()>,
}

impl<'a> Dial<'a> {
    /// Of a parameter.
    pub fn of(parameter: &'a impl Param) -> Self {
        Self {
            pointer: parameter.as_ptr(),
            lives: PhantomData,
        }
    }

    /// For the host.
    pub fn pointer(&self) -> ParamPtr {
        self.pointer
    }

    /// Its name.
    pub fn name(&self) -> &str {
        // SAFETY: the parameter lives.
        unsafe { self.pointer.name() }
    }

    /// Where it is, 0 to 1.
    pub fn place(&self) -> f32 {
        // SAFETY: the parameter lives.
        unsafe { self.pointer.unmodulated_normalized_value() }
    }

    /// Where it is before anybody has changed it, 0 to 1.
    pub fn standard(&self) -> f32 {
        // SAFETY: the parameter lives.
        unsafe { self.pointer.default_normalized_value() }
    }

    /// The value at a place, with its unit.
    pub fn text_at(&self, place: f32) -> String {
        // SAFETY: the parameter lives.
        unsafe { self.pointer.normalized_value_to_string(place, true) }
    }

    /// Its value, with its unit.
    pub fn text(&self) -> String {
        self.text_at(self.place())
    }

    /// Number of its steps; `None` if it is continuous.
    pub fn steps(&self) -> Option<usize> {
        // SAFETY: the parameter lives.
        unsafe { self.pointer.step_count() }
    }

    /// The place so many steps above (or below) another; a continuous parameter has a hundred of them, a thousand if
    /// `fine`.
    pub fn stepped(&self, place: f32, by: i32, fine: bool) -> f32 {
        let steps = match self.steps() {
            Some(steps) => steps.max(1) as f32,
            None if fine => 1_000.0,
            None => 100.0,
        };
        ((place * steps).round() / steps + by as f32 / steps).clamp(0.0, 1.0)
    }

    /// The place of the step that is nearest to another place.
    pub fn stepped_to(&self, place: f32) -> f32 {
        match self.steps() {
            Some(_) => self.stepped(place, 0, false),
            None => place.clamp(0.0, 1.0),
        }
    }

    /// Whether it is a switch that is on.
    pub fn is_on(&self) -> bool {
        self.place() >= 0.5
    }
}

#[cfg(test)]
mod tests {
    use nice_plug::prelude::*;

    use super::*;

    #[test]
    fn steps_are_the_parameters_own_or_a_hundredth() {
        let number = IntParam::new("Number", 70, IntRange::Linear { min: 0, max: 127 });
        let dial = Dial::of(&number);
        assert_eq!(
            (dial.name(), dial.text().as_str(), dial.steps()),
            ("Number", "70", Some(127))
        );
        assert_eq!(dial.text_at(dial.stepped(dial.place(), 2, false)), "72");
        assert_eq!(dial.stepped(1.0, 1, false), 1.0);
        let gain = FloatParam::new("Gain", 0.0, FloatRange::Linear { min: -1.0, max: 1.0 });
        let dial = Dial::of(&gain);
        assert_eq!(dial.standard(), 0.5);
        assert!((dial.stepped(0.5, -1, false) - 0.49).abs() < 1e-6);
        assert!((dial.stepped(0.5, -1, true) - 0.499).abs() < 1e-6);
    }
}
