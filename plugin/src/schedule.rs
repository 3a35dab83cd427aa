//! When results take effect: at fixed host samples, whatever the block size and however fast the worker is.

use std::collections::VecDeque;

use affekt_models::automation::{CONTROL_TICK, Control, Emission, Heard, Settings, Values, due_tick};

use crate::recorder::{Note, Recorder};
use crate::worker::link::{OUTCOME_CAPACITY, Outcome};

/// Holds results back until they are due, counts those that came too late, and lets the values follow them tick by tick.
/// Time is in host samples since the reset.
pub struct Schedule {
    rate_hz: f64,
    /// Every sample before this one is over.
    position: u64,
    /// The first tick that has not been.
    next_tick: u64,
    /// Results that are not due yet, in the order of their windows.
    pending: VecDeque<Outcome>,
    control: Control,
    tempo_bpm: Option<f64>,
    late: u64,
}

impl Schedule {
    /// At rest, at time 0. `rate_hz`: the host's sample rate.
    pub fn new(rate_hz: f64, settings: Settings) -> Self {
        Self {
            rate_hz,
            position: 0,
            next_tick: 0,
            pending: VecDeque::with_capacity(OUTCOME_CAPACITY),
            control: Control::new(rate_hz, settings),
            tempo_bpm: None,
            late: 0,
        }
    }

    /// Back to rest and time 0. The late results stay counted.
    pub fn reset(&mut self, recorder: &Recorder) {
        self.position = 0;
        self.next_tick = 0;
        self.pending.clear();
        self.control.reset();
        self.tempo_bpm = None;
        recorder.begin(self.rate_hz, *self.control.settings());
    }

    /// Other settings apply, from the next tick on.
    pub fn set(&mut self, settings: &Settings, recorder: &Recorder) {
        if self.control.set(settings) {
            recorder.note(Note::Settings {
                tick: self.next_tick,
                settings: *settings,
            });
        }
    }

    /// The host's tempo, in beats per minute.
    pub fn set_tempo(&mut self, bpm: f64, recorder: &Recorder) {
        if self.tempo_bpm.replace(bpm) != Some(bpm) {
            recorder.note(Note::Tempo {
                tick: self.next_tick,
                bpm,
            });
        }
    }

    /// Takes a result. One that was due at an earlier tick takes effect at the next one, and is counted as late.
    pub fn accept(&mut self, outcome: Outcome, recorder: &Recorder) {
        if self.due_tick(&outcome) < self.next_tick {
            self.late += 1;
        }
        // Room for more than ever wait, so nothing is allocated; should it be full, the oldest takes effect early.
        if self.pending.len() == self.pending.capacity()
            && let Some(oldest) = self.pending.pop_front()
        {
            self.apply(oldest, recorder);
        }
        self.pending.push_back(outcome);
    }

    /// Lets time pass: every tick within the next `samples` samples takes place. `on_tick` gets its distance from the
    /// present, in samples, and what goes out at it.
    pub fn advance(&mut self, samples: u64, recorder: &Recorder, mut on_tick: impl FnMut(u64, &Emission)) {
        let start = self.position;
        self.position += samples;
        while self.next_tick * CONTROL_TICK < self.position {
            // One per tick: of several that are late, each is heard.
            if let Some(&outcome) = self.pending.front()
                && self.due_tick(&outcome) <= self.next_tick
            {
                self.pending.pop_front();
                self.apply(outcome, recorder);
            }
            let emission = self.control.tick();
            on_tick(self.next_tick * CONTROL_TICK - start, &emission);
            self.next_tick += 1;
        }
    }

    /// Ticks that have been since the reset.
    pub fn ticks(&self) -> u64 {
        self.next_tick
    }

    /// The values at the last tick.
    pub fn values(&self) -> &Values {
        self.control.values()
    }

    /// Results that came too late, since the schedule was made.
    pub fn late(&self) -> u64 {
        self.late
    }

    fn apply(&mut self, outcome: Outcome, recorder: &Recorder) {
        let heard = Heard {
            probabilities: outcome.probabilities,
        };
        self.control.hear(heard);
        recorder.note(Note::Heard {
            tick: self.next_tick,
            heard,
        });
    }

    fn due_tick(&self, outcome: &Outcome) -> u64 {
        due_tick(outcome.end_sample, self.rate_hz)
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

    /// A schedule and where it records.
    struct Bench {
        schedule: Schedule,
        recorder: Recorder,
    }

    impl Bench {
        fn new() -> Self {
            Self {
                schedule: Schedule::new(RATE_HZ, Settings::default()),
                recorder: Recorder::default(),
            }
        }

        fn accept(&mut self, outcome: Outcome) {
            self.schedule.accept(outcome, &self.recorder);
        }

        fn advance(&mut self, samples: u64) -> Values {
            self.schedule.advance(samples, &self.recorder, |_, _| ());
            self.recorder.drain();
            *self.schedule.values()
        }
    }

    #[test]
    fn a_result_takes_effect_at_the_first_tick_from_its_delay_on() {
        let mut bench = Bench::new();
        bench.accept(outcome(1_000, Some(A)));
        // Due at 8 200, first tick from there on: 8 256.
        assert_eq!(bench.advance(8_256), Values::default());
        let values = bench.advance(1);
        assert!(values.voiced && values.emotions[0] > 0.0, "{values:?}");
        assert_eq!(bench.schedule.late(), 0);
    }

    #[test]
    fn due_on_a_tick_means_at_that_tick() {
        let mut bench = Bench::new();
        bench.advance(64 * 200);
        bench.accept(outcome(64 * 200 - DELAY, Some(A)));
        assert_eq!(bench.schedule.late(), 0, "the tick at 12 800 has not been");
        assert!(bench.advance(1).voiced);
    }

    #[test]
    fn values_and_messages_do_not_depend_on_the_block_size() {
        let outcomes = [
            outcome(700, Some(A)),
            outcome(5_500, None),
            outcome(10_300, Some(B)),
            outcome(15_100, None),
        ];
        let everything = |block: u64| {
            let mut settings = Settings {
                parameter_changes: true,
                ..Settings::default()
            };
            settings.lanes[0].on = true;
            let recorder = Recorder::default();
            let mut schedule = Schedule::new(RATE_HZ, settings);
            schedule.reset(&recorder);
            outcomes.iter().for_each(|&outcome| schedule.accept(outcome, &recorder));
            let (mut seen, mut position) = (Vec::new(), 0);
            while position < 40_000 {
                let samples = block.min(40_000 - position);
                schedule.advance(samples, &recorder, |offset, emission| {
                    assert!(offset < samples);
                    if !emission.is_empty() {
                        seen.push((position + offset, *emission));
                    }
                });
                recorder.drain();
                position += samples;
            }
            recorder.pass(schedule.ticks());
            (seen, *schedule.values(), recorder.pass_so_far())
        };
        let reference = everything(1);
        assert!(reference.0.len() > 50);
        assert!(reference.0.iter().all(|(position, _)| position % CONTROL_TICK == 0));
        for block in [10, 16, 400, 1_000, 40_000] {
            assert_eq!(everything(block), reference, "blocks of {block}");
        }
    }

    #[test]
    fn late_results_take_effect_at_once_and_are_counted() {
        let mut bench = Bench::new();
        bench.advance(20_000);
        bench.accept(outcome(1_000, Some(A)));
        bench.accept(outcome(5_800, Some(B)));
        assert_eq!(bench.schedule.late(), 2);
        assert!(bench.advance(CONTROL_TICK).voiced);
        bench.accept(outcome(15_000, Some(A)));
        assert_eq!(bench.schedule.late(), 2);
    }

    #[test]
    fn a_reset_forgets_everything_but_the_count() {
        let mut bench = Bench::new();
        bench.advance(20_000);
        bench.accept(outcome(0, Some(A)));
        bench.advance(CONTROL_TICK);
        bench.accept(outcome(18_000, Some(B)));
        bench.schedule.reset(&bench.recorder);
        assert_eq!(bench.advance(100_000), Values::default());
        assert_eq!(bench.schedule.late(), 1);
    }

    #[test]
    fn what_is_recorded_is_what_happened() {
        let mut bench = Bench::new();
        bench.schedule.reset(&bench.recorder);
        bench.schedule.set_tempo(100.0, &bench.recorder);
        for n in 0..50 {
            bench.accept(outcome(4_800 * n, Some(if n % 3 == 0 { A } else { B })));
            bench.advance(4_800);
        }
        bench.recorder.pass(bench.schedule.ticks());
        let last = *bench.schedule.values();
        let pass = bench.recorder.pass_so_far().unwrap();
        assert!(pass.is_complete());
        assert_eq!(pass.last(), last);
        assert_eq!(pass.duration_s(), 5.0);
    }

    #[test]
    fn too_many_results_neither_allocate_nor_get_lost() {
        let mut bench = Bench::new();
        let capacity = bench.schedule.pending.capacity();
        for number in 0..capacity as u64 + 1 {
            bench.accept(outcome(100_000 + number, Some(if number == 0 { A } else { B })));
        }
        assert_eq!(bench.schedule.pending.capacity(), capacity);
        assert!(bench.advance(1).emotions[0] > 0.0);
    }
}
