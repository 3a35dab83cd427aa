//! The way that arousal and valence have taken in the last seconds.

use std::collections::VecDeque;

/// How long a place of the way is seen, in seconds.
pub const SEEN_S: f64 = 3.0;
/// Smallest movement that is kept.
const SMALLEST: f32 = 0.004;
/// Most places that are kept.
const MOST: usize = 120;

/// A place on the way.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// When, in seconds.
    pub time_s: f64,
    /// -1 to 1.
    pub valence: f32,
    /// -1 to 1.
    pub arousal: f32,
}

/// The way.
#[derive(Default)]
pub struct Trail {
    steps: VecDeque<Step>,
}

impl Trail {
    /// Goes on to a place, and forgets what is no longer seen.
    pub fn go(&mut self, step: Step) {
        while self
            .steps
            .front()
            .is_some_and(|first| step.time_s - first.time_s > SEEN_S || self.steps.len() >= MOST)
        {
            self.steps.pop_front();
        }
        let moved = self.steps.back().is_none_or(|last| {
            (last.valence - step.valence).abs() > SMALLEST || (last.arousal - step.arousal).abs() > SMALLEST
        });
        if moved {
            self.steps.push_back(step);
        }
    }

    /// The places, the oldest first.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter()
    }

    /// Whether there is something that still fades.
    pub fn fades(&self) -> bool {
        self.steps.len() > 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_is_forgotten_and_standing_still_adds_nothing() {
        let step = |time_s: f64, valence: f32| Step {
            time_s,
            valence,
            arousal: 0.0,
        };
        let mut trail = Trail::default();
        for n in 0..10 {
            trail.go(step(0.1 * f64::from(n), 0.1 * n as f32));
        }
        assert_eq!(trail.steps().count(), 10);
        trail.go(step(1.0, 0.9));
        assert_eq!(trail.steps().count(), 10);
        assert!(trail.fades());
        trail.go(step(10.0, 0.9));
        assert_eq!(trail.steps().count(), 1);
        assert!(!trail.fades());
        for n in 0..1_000 {
            trail.go(step(10.0 + 0.001 * f64::from(n), (n % 2) as f32));
        }
        assert!(trail.steps().count() <= MOST);
    }
}
