use std::f64::consts::LN_10;

use super::CONTROL_TICK;

/// Differences below this are taken as none, so that a value arrives at its aim instead of coming near it for ever.
/// A thirtieth of the smallest step that a 7-bit controller has.
const ARRIVED: f32 = 2.5e-4;

/// Share of the distance that a one-pole covers in one control tick so that a step is at 90 % after `seconds`.
pub fn coefficient(seconds: f32, rate_hz: f64) -> f32 {
    if seconds <= 0.0 {
        return 1.0;
    }
    let ticks = f64::from(seconds) * rate_hz / CONTROL_TICK as f64;
    (1.0 - (-LN_10 / ticks).exp()) as f32
}

/// One step of a one-pole from `value` towards `aim`.
pub fn approach(value: f32, aim: f32, coefficient: f32) -> f32 {
    let distance = aim - value;
    if distance.abs() < ARRIVED {
        aim
    } else {
        value + coefficient * distance
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_at_nine_tenths_after_its_time() {
        for (seconds, rate_hz) in [(0.05, 44_100.0), (0.4, 48_000.0), (3.0, 96_000.0)] {
            let coefficient = coefficient(seconds, rate_hz);
            let ticks = (f64::from(seconds) * rate_hz / CONTROL_TICK as f64).round() as usize;
            let value = (0..ticks).fold(0.0, |value, _| approach(value, 1.0, coefficient));
            assert!((value - 0.9).abs() < 0.01, "{value} after {seconds} s");
        }
        assert_eq!(coefficient(0.0, 48_000.0), 1.0);
    }

    #[test]
    fn a_value_arrives() {
        let mut value = 0.0;
        let ticks = (0..10_000).take_while(|_| {
            value = approach(value, 0.7, 0.01);
            value != 0.7
        });
        assert!(ticks.count() < 1_000);
    }
}
