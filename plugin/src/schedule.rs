//! When results take effect: at fixed host samples, whatever the block size and however fast the worker is.

use std::collections::VecDeque;

use crate::worker::link::{OUTCOME_CAPACITY, Outcome};

/// A window's result takes effect this long after the window's end, in seconds. It covers what passes until the result
/// is there: the rest of the host's block (93 ms at 4096 samples and 44.1 kHz), the resampler's latency (a few ms, at
/// 8 kHz some more), the worker's poll (4 ms) and the inference (3–5 ms), with about 30 ms to spare.
pub const RESULT_DELAY_S: f64 = 0.150;

/// Values change only at multiples of so many host samples.
pub const CONTROL_TICK: u64 = 64;

/// What is shown and published at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Values {
    /// The six probabilities in the order of [`affekt_models::EMOTIONS`]. All 0 (rest) until a voice was heard.
    pub probabilities: [f32; 6],
    /// Whether the window that took effect last had a voice.
    pub voiced: bool,
}

/// Holds results back until they are due, and counts those that came too late. Time is in host samples since the reset.
pub struct Schedule {
    delay: u64,
    /// Every sample before this one is over.
    position: u64,
    /// The first tick that has not been.
    next_tick: u64,
    /// Results that are not due yet, in the order of their windows.
    pending: VecDeque<Outcome>,
    values: Values,
    late: u64,
}

impl Schedule {
    /// At rest, at time 0. `rate_hz`: the host's sample rate.
    pub fn new(rate_hz: f64) -> Self {
        Self {
            delay: (RESULT_DELAY_S * rate_hz).round() as u64,
            position: 0,
            next_tick: 0,
            pending: VecDeque::with_capacity(OUTCOME_CAPACITY),
            values: Values::default(),
            late: 0,
        }
    }

    /// Back to rest and time 0. The late results stay counted.
    pub fn reset(&mut self) {
        self.position = 0;
        self.next_tick = 0;
        self.pending.clear();
        self.values = Values::default();
    }

    /// Takes a result. One that was due at an earlier tick takes effect at the next one, and is counted as late.
    pub fn accept(&mut self, outcome: Outcome) {
        if self.due_tick(&outcome) < self.next_tick {
            self.late += 1;
        }
        // Room for more than ever wait, so nothing is allocated; should it be full, the oldest takes effect early.
        if self.pending.len() == self.pending.capacity()
            && let Some(oldest) = self.pending.pop_front()
        {
            self.apply(oldest);
        }
        self.pending.push_back(outcome);
    }

    /// Lets time pass: every tick within the next `samples` samples takes place.
    pub fn advance(&mut self, samples: u64) {
        self.position += samples;
        while self.next_tick < self.position {
            self.tick();
            self.next_tick += CONTROL_TICK;
        }
    }

    /// The values at the last tick.
    pub fn values(&self) -> Values {
        self.values
    }

    /// Results that came too late, since the schedule was made.
    pub fn late(&self) -> u64 {
        self.late
    }

    /// Time from a window's end to its effect, in host samples.
    pub fn delay_samples(&self) -> u64 {
        self.delay
    }

    fn tick(&mut self) {
        while let Some(&outcome) = self.pending.front()
            && self.due_tick(&outcome) <= self.next_tick
        {
            self.pending.pop_front();
            self.apply(outcome);
        }
    }

    /// A window without voice leaves the probabilities as they are: they hold.
    fn apply(&mut self, outcome: Outcome) {
        self.values.voiced = outcome.probabilities.is_some();
        if let Some(probabilities) = outcome.probabilities {
            self.values.probabilities = probabilities;
        }
    }

    fn due_tick(&self, outcome: &Outcome) -> u64 {
        (outcome.end_sample + self.delay).next_multiple_of(CONTROL_TICK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE_HZ: f64 = 48_000.0;
    const DELAY: u64 = 7_200;
    const A: [f32; 6] = [1.0, 0.0, 0.0, 0.0, 0.0, 0.0];
    const B: [f32; 6] = [0.0, 1.0, 0.0, 0.0, 0.0, 0.0];

    fn outcome(end_sample: u64, probabilities: Option<[f32; 6]>) -> Outcome {
        Outcome {
            epoch: 0,
            end_sample,
            probabilities,
        }
    }

    #[test]
    fn a_result_takes_effect_at_the_first_tick_from_its_delay_on() {
        let mut schedule = Schedule::new(RATE_HZ);
        assert_eq!(schedule.delay_samples(), DELAY);
        schedule.accept(outcome(1_000, Some(A)));
        // Due at 8 200, first tick from there on: 8 256.
        schedule.advance(8_256);
        assert_eq!(schedule.values(), Values::default());
        schedule.advance(1);
        assert_eq!(
            schedule.values(),
            Values {
                probabilities: A,
                voiced: true
            }
        );
        assert_eq!(schedule.late(), 0);
    }

    #[test]
    fn due_on_a_tick_means_at_that_tick() {
        let mut schedule = Schedule::new(RATE_HZ);
        let end = 64 * 200 - DELAY;
        schedule.advance(64 * 200);
        schedule.accept(outcome(end, Some(A)));
        assert_eq!(schedule.late(), 0, "the tick at 12 800 has not been");
        schedule.advance(1);
        assert_eq!(schedule.values().probabilities, A);
    }

    #[test]
    fn values_do_not_depend_on_the_block_size() {
        let outcomes = [
            outcome(700, Some(A)),
            outcome(5_500, None),
            outcome(10_300, Some(B)),
            outcome(15_100, None),
        ];
        let at_every_tick = |block: u64| {
            let mut schedule = Schedule::new(RATE_HZ);
            outcomes.iter().for_each(|&outcome| schedule.accept(outcome));
            let mut seen = Vec::new();
            let mut position = 0;
            while position < 40_000 {
                let samples = block.min(40_000 - position);
                schedule.advance(samples);
                position += samples;
                if position % 2_000 == 0 {
                    seen.push((position, schedule.values()));
                }
            }
            seen
        };
        let reference = at_every_tick(1);
        assert_eq!(reference.len(), 20);
        for block in [10, 16, 400, 1_000, 2_000] {
            assert_eq!(at_every_tick(block), reference, "blocks of {block}");
        }
        assert_eq!(
            reference.last().unwrap().1,
            Values {
                probabilities: B,
                voiced: false
            }
        );
    }

    #[test]
    fn without_voice_the_values_hold() {
        let mut schedule = Schedule::new(RATE_HZ);
        schedule.accept(outcome(0, None));
        schedule.advance(DELAY + CONTROL_TICK);
        assert_eq!(schedule.values(), Values::default());
        schedule.accept(outcome(4_800, Some(A)));
        schedule.accept(outcome(9_600, None));
        schedule.advance(4_800);
        assert_eq!(
            schedule.values(),
            Values {
                probabilities: A,
                voiced: true
            }
        );
        schedule.advance(4_800);
        assert_eq!(
            schedule.values(),
            Values {
                probabilities: A,
                voiced: false
            }
        );
    }

    #[test]
    fn late_results_take_effect_at_once_and_are_counted() {
        let mut schedule = Schedule::new(RATE_HZ);
        schedule.advance(20_000);
        schedule.accept(outcome(1_000, Some(A)));
        schedule.accept(outcome(5_800, Some(B)));
        assert_eq!(schedule.late(), 2);
        schedule.advance(CONTROL_TICK);
        assert_eq!(schedule.values().probabilities, B);
        schedule.accept(outcome(15_000, Some(A)));
        assert_eq!(schedule.late(), 2);
    }

    #[test]
    fn a_reset_forgets_everything_but_the_count() {
        let mut schedule = Schedule::new(RATE_HZ);
        schedule.advance(20_000);
        schedule.accept(outcome(0, Some(A)));
        schedule.advance(CONTROL_TICK);
        schedule.accept(outcome(18_000, Some(B)));
        schedule.reset();
        assert_eq!(schedule.values(), Values::default());
        schedule.advance(100_000);
        assert_eq!(schedule.values(), Values::default());
        assert_eq!(schedule.late(), 1);
    }

    #[test]
    fn too_many_results_neither_allocate_nor_get_lost() {
        let mut schedule = Schedule::new(RATE_HZ);
        let capacity = schedule.pending.capacity();
        for number in 0..capacity as u64 + 1 {
            schedule.accept(outcome(100_000 + number, Some(if number == 0 { A } else { B })));
        }
        assert_eq!(schedule.pending.capacity(), capacity);
        assert_eq!(schedule.values().probabilities, A);
    }
}
