use super::output::OUTPUTS;
use super::readout::Values;
use super::settings::{LANES, Lane, Settings};
use super::smoothing::{approach, coefficient};
use super::{CONTROL_TICK, MESSAGE_INTERVAL_S};

/// Time in which the test signal goes from one end of a lane's range to the other and back, in seconds.
const TEST_PERIOD_S: f64 = 1.0;

/// One MIDI control change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Controller {
    /// MIDI channel, 0 to 15.
    pub channel: u8,
    /// Controller number, 0 to 127.
    pub number: u8,
    /// 0 to 127.
    pub value: u8,
}

/// What goes out at one tick, output by output in the order of [`OUTPUTS`].
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Emission {
    /// Changed parameters: their new values, 0 to 1.
    pub parameters: [Option<f32>; LANES],
    /// Changed controllers.
    pub controllers: [Option<Controller>; LANES],
}

impl Emission {
    /// Whether nothing goes out.
    pub fn is_empty(&self) -> bool {
        self.parameters.iter().all(Option::is_none) && self.controllers.iter().all(Option::is_none)
    }
}

/// Decides what goes out: only changes, and of one output not faster than [`MESSAGE_INTERVAL_S`]. After a reset
/// everything that is on goes out once, so that every pass is the same.
#[derive(Debug, Clone)]
pub struct Emitter {
    rate_hz: f64,
    /// Ticks between two messages of one output.
    interval: u64,
    test_period: u64,
    /// Ticks since the reset.
    now: u64,
    parameters_on: bool,
    parameters: [Sent<u32>; LANES],
    lanes: [LaneState; LANES],
}

/// What went out last.
#[derive(Debug, Clone, Copy)]
struct Sent<T> {
    value: Option<T>,
    tick: u64,
}

impl<T: Copy + PartialEq> Sent<T> {
    const NOTHING: Self = Self { value: None, tick: 0 };

    /// Whether `value` goes out now; then it is noted.
    fn update(&mut self, value: T, now: u64, interval: u64) -> bool {
        let due = match self.value {
            None => true,
            Some(before) => before != value && now >= self.tick + interval,
        };
        if due {
            *self = Self {
                value: Some(value),
                tick: now,
            };
        }
        due
    }
}

#[derive(Debug, Clone, Copy)]
struct LaneState {
    lane: Lane,
    exponent: f32,
    coefficient: f32,
    smoothed: f32,
    sent: Sent<Controller>,
}

impl LaneState {
    fn new(lane: Lane, rate_hz: f64, smoothed: f32) -> Self {
        Self {
            lane,
            exponent: 4.0_f32.powf(-lane.curve.clamp(-1.0, 1.0)),
            coefficient: coefficient(lane.smoothing_s, rate_hz),
            smoothed,
            sent: Sent::NOTHING,
        }
    }

    fn controller(&self, normalised: f32) -> Controller {
        let curved = if self.exponent == 1.0 {
            normalised
        } else {
            normalised.powf(self.exponent)
        };
        let (low, high) = (f32::from(self.lane.minimum), f32::from(self.lane.maximum));
        Controller {
            channel: self.lane.channel.min(15),
            number: self.lane.number.min(127),
            value: (low + (high - low) * curved).round().clamp(0.0, 127.0) as u8,
        }
    }
}

impl Emitter {
    /// Nothing has gone out. `rate_hz`: the host's sample rate.
    pub fn new(rate_hz: f64, settings: &Settings) -> Self {
        let ticks = rate_hz / CONTROL_TICK as f64;
        let rest = |place: usize| OUTPUTS[place].normalised(0.0);
        Self {
            rate_hz,
            interval: (MESSAGE_INTERVAL_S * ticks).ceil().max(1.0) as u64,
            test_period: (TEST_PERIOD_S * ticks).round().max(2.0) as u64,
            now: 0,
            parameters_on: settings.parameter_changes,
            parameters: [Sent::NOTHING; LANES],
            lanes: std::array::from_fn(|place| LaneState::new(settings.lanes[place], rate_hz, rest(place))),
        }
    }

    /// Takes over settings. A lane that is turned on or changed says where it stands.
    pub fn set(&mut self, settings: &Settings) {
        if settings.parameter_changes != self.parameters_on {
            self.parameters_on = settings.parameter_changes;
            self.parameters = [Sent::NOTHING; LANES];
        }
        for (state, lane) in self.lanes.iter_mut().zip(&settings.lanes) {
            if state.lane != *lane {
                let tick = state.sent.tick;
                *state = LaneState::new(*lane, self.rate_hz, state.smoothed);
                state.sent.tick = tick;
            }
        }
    }

    /// Forgets what went out, and starts from rest.
    pub fn reset(&mut self) {
        self.now = 0;
        self.parameters = [Sent::NOTHING; LANES];
        for (state, output) in self.lanes.iter_mut().zip(OUTPUTS) {
            state.sent = Sent::NOTHING;
            state.smoothed = output.normalised(0.0);
        }
    }

    /// One control tick passes, at which the outputs stand at `values`.
    pub fn tick(&mut self, values: &Values) -> Emission {
        let mut emission = Emission::default();
        for (place, output) in OUTPUTS.into_iter().enumerate() {
            let normalised = output.normalised(values.output(output));
            if self.parameters_on && self.parameters[place].update(normalised.to_bits(), self.now, self.interval) {
                emission.parameters[place] = Some(normalised);
            }
            emission.controllers[place] = self.controller(place, normalised);
        }
        self.now += 1;
        emission
    }

    fn controller(&mut self, place: usize, normalised: f32) -> Option<Controller> {
        let state = &mut self.lanes[place];
        state.smoothed = approach(state.smoothed, normalised, state.coefficient);
        if !state.lane.on && !state.lane.test {
            return None;
        }
        let controller = if state.lane.test {
            let phase = (self.now % self.test_period) as f32 / self.test_period as f32;
            state.controller(1.0 - (2.0 * phase - 1.0).abs())
        } else {
            state.controller(state.smoothed)
        };
        state
            .sent
            .update(controller, self.now, self.interval)
            .then_some(controller)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE_HZ: f64 = 48_000.0;

    fn values(angry: f32) -> Values {
        let mut values = Values::default();
        values.emotions[0] = angry;
        values
    }

    fn lane(change: impl Fn(&mut Lane)) -> Settings {
        let mut settings = Settings::default();
        settings.lanes[0].on = true;
        change(&mut settings.lanes[0]);
        settings
    }

    /// Controller values of the first lane for a value that stays.
    fn settled(settings: &Settings, angry: f32) -> u8 {
        let mut emitter = Emitter::new(RATE_HZ, settings);
        (0..2_000)
            .filter_map(|_| emitter.tick(&values(angry)).controllers[0])
            .last()
            .unwrap()
            .value
    }

    #[test]
    fn nothing_goes_out_unless_asked_for() {
        let mut emitter = Emitter::new(RATE_HZ, &Settings::default());
        for tick in 0..10_000 {
            assert!(emitter.tick(&values((tick as f32 * 0.01).sin().abs())).is_empty());
        }
    }

    #[test]
    fn only_changes_go_out_and_no_faster_than_a_hundred_per_second() {
        let mut settings = lane(|_| {});
        settings.parameter_changes = true;
        for rate_hz in [8_000.0, 44_100.0, 48_000.0, 192_000.0, 768_000.0] {
            let mut emitter = Emitter::new(rate_hz, &settings);
            let first = emitter.tick(&values(0.0));
            assert!(first.parameters.iter().all(Option::is_some), "where it starts");
            assert_eq!(first.controllers.iter().flatten().count(), 1);
            for _ in 0..100 {
                assert!(emitter.tick(&values(0.0)).is_empty());
            }
            let second = (rate_hz / CONTROL_TICK as f64) as u32;
            let (mut parameters, mut controllers) = (0, 0);
            for tick in 0..second {
                let emission = emitter.tick(&values(tick as f32 / second as f32));
                parameters += emission.parameters.iter().flatten().count();
                controllers += emission.controllers.iter().flatten().count();
            }
            assert!((60..=100).contains(&parameters), "{parameters} at {rate_hz} Hz");
            assert!((60..=100).contains(&controllers), "{controllers} at {rate_hz} Hz");
        }
    }

    #[test]
    fn the_last_change_is_never_left_out() {
        let mut settings = lane(|_| {});
        settings.parameter_changes = true;
        let mut emitter = Emitter::new(RATE_HZ, &settings);
        let mut last = (None, None);
        for tick in 0..40 {
            let emission = emitter.tick(&values(if tick < 3 { 0.3 } else { 0.9 }));
            last = (emission.parameters[0].or(last.0), emission.controllers[0].or(last.1));
        }
        assert_eq!(last.0, Some(0.9));
        assert_eq!(last.1.unwrap().value, 114);
    }

    #[test]
    fn range_and_curve_shape_a_lane() {
        assert_eq!(settled(&lane(|_| {}), 0.5), 64);
        assert_eq!(settled(&lane(|lane| (lane.minimum, lane.maximum) = (20, 40)), 0.5), 30);
        assert_eq!(settled(&lane(|lane| (lane.minimum, lane.maximum) = (127, 0)), 1.0), 0);
        assert_eq!(settled(&lane(|lane| lane.curve = 1.0), 0.0625), 64);
        assert_eq!(settled(&lane(|lane| lane.curve = -1.0), 0.5), 8);
    }

    #[test]
    fn smoothing_slows_a_lane_down() {
        let mut emitter = Emitter::new(RATE_HZ, &lane(|lane| lane.smoothing_s = 1.0));
        let reached = (0..750)
            .filter_map(|_| emitter.tick(&values(1.0)).controllers[0])
            .last();
        let value = reached.unwrap().value;
        assert!((113..=115).contains(&value), "{value}");
    }

    #[test]
    fn the_test_signal_covers_the_range_of_a_lane_that_is_off() {
        let settings = lane(|lane| (lane.on, lane.test, lane.channel, lane.number) = (false, true, 4, 11));
        let mut emitter = Emitter::new(RATE_HZ, &settings);
        let sent: Vec<Controller> = (0..1_500)
            .filter_map(|_| emitter.tick(&values(0.0)).controllers[0])
            .collect();
        assert!(sent.len() > 100);
        assert!(
            sent.iter()
                .all(|controller| (controller.channel, controller.number) == (4, 11))
        );
        assert!(sent.iter().any(|controller| controller.value <= 2));
        assert!(sent.iter().any(|controller| controller.value >= 125));
    }

    #[test]
    fn a_lane_that_is_turned_on_says_where_it_stands() {
        let mut emitter = Emitter::new(RATE_HZ, &Settings::default());
        for _ in 0..100 {
            emitter.tick(&values(1.0));
        }
        emitter.set(&lane(|_| {}));
        assert_eq!(emitter.tick(&values(1.0)).controllers[0].unwrap().value, 127);
        emitter.reset();
        assert_eq!(emitter.tick(&values(1.0)).controllers[0].unwrap().value, 127);
    }
}
