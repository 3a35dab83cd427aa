use std::fmt::Write;

use crate::timeline::Timeline;

use super::control::Control;
use super::emitter::{Controller, Emission};
use super::midi_file::{self, Lane};
use super::output::OUTPUTS;
use super::readout::{Heard, Values};
use super::settings::{LANES, Settings};
use super::{CONTROL_TICK, due_tick};

/// Longest pass that is kept, in seconds. Its windows take some 9 MB.
const LONGEST_S: f64 = 6.0 * 3600.0;
/// Most changes of settings or of the tempo that are kept.
const MOST_CHANGES: usize = 4_096;
/// Distance of a curve's points, in seconds.
const STEP_S: f64 = 0.010;
/// Tempo where the host does not tell one, in beats per minute: MIDI's own default.
const DEFAULT_BPM: f64 = 120.0;
/// Seconds that are played after a recording so that its last windows take effect and the values settle.
const SETTLING_S: f64 = 2.0;

/// Why a pass cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PassError {
    /// Nothing was played.
    #[error("nothing has been heard yet: let it hear a voice first")]
    Empty,
    /// The file would be larger than the format can say.
    #[error("the pass is too long for a MIDI file: save it as CSV, or play a shorter part")]
    TooLong,
}

/// What was heard since playback started, with the settings as they were. Enough to make every value and every message
/// again, so that what is saved is what was sent. Ticks are counted from the start of the pass.
#[derive(Debug, Clone, PartialEq)]
pub struct Pass {
    rate_hz: f64,
    heard: Vec<(u64, Heard)>,
    settings: Vec<(u64, Settings)>,
    tempo: Vec<(u64, f64)>,
    ticks: u64,
    complete: bool,
}

/// Values at regular times.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// Time from the start of the pass, in seconds, and what the values were.
    pub points: Vec<(f64, Values)>,
}

/// A pass that happens again bit by bit, while it still grows.
#[derive(Debug, Clone)]
pub struct Replay {
    control: Control,
    /// The next tick.
    tick: u64,
    /// Windows and changes of settings that have been.
    heard: usize,
    settings: usize,
}

impl Replay {
    /// From the start of a pass. `None` if it has no settings.
    pub fn new(pass: &Pass) -> Option<Self> {
        Self::adapted(pass, |_| ())
    }

    fn adapted(pass: &Pass, adapt: impl Fn(&mut Settings)) -> Option<Self> {
        let (_, mut first) = *pass.settings.first()?;
        adapt(&mut first);
        Some(Self {
            control: Control::new(pass.rate_hz, first),
            tick: 0,
            heard: 0,
            settings: 0,
        })
    }

    /// The next tick to happen.
    pub fn tick(&self) -> u64 {
        self.tick
    }

    /// Lets the ticks before `end` happen; `visit` sees the number of each and the values. `pass` is the one that it was
    /// made from, or what has become of it.
    pub fn advance(&mut self, pass: &Pass, end: u64, mut visit: impl FnMut(u64, &Values)) {
        self.run(pass, end, |_| (), |tick, _, values| visit(tick, values));
    }

    fn run(
        &mut self,
        pass: &Pass,
        end: u64,
        adapt: impl Fn(&mut Settings),
        mut visit: impl FnMut(u64, &Emission, &Values),
    ) {
        while self.tick < end {
            while let Some((_, change)) = pass.settings.get(self.settings).filter(|(at, _)| *at <= self.tick) {
                let mut adapted = *change;
                adapt(&mut adapted);
                self.control.set(&adapted);
                self.settings += 1;
            }
            while let Some((_, window)) = pass.heard.get(self.heard).filter(|(at, _)| *at <= self.tick) {
                self.control.hear(*window);
                self.heard += 1;
            }
            let emission = self.control.tick();
            visit(self.tick, &emission, self.control.values());
            self.tick += 1;
        }
    }
}

impl Pass {
    /// A pass that begins. `rate_hz`: the host's sample rate.
    pub fn new(rate_hz: f64, settings: Settings) -> Self {
        Self {
            rate_hz,
            heard: Vec::new(),
            settings: vec![(0, settings)],
            tempo: Vec::new(),
            ticks: 0,
            complete: true,
        }
    }

    /// What the plugin would have made of a recording of `duration_s` seconds whose windows are `timeline`, until its
    /// values have settled.
    pub fn of_timeline(timeline: &Timeline, rate_hz: f64, duration_s: f64, settings: Settings) -> Self {
        let mut pass = Self::new(rate_hz, settings);
        for point in &timeline.points {
            let end_sample = (point.time_s * rate_hz).round() as u64;
            let probabilities = point.voiced.then_some(point.prediction.probabilities);
            pass.hear(due_tick(end_sample, rate_hz), Heard { probabilities });
        }
        pass.advance(((duration_s + SETTLING_S) * rate_hz / CONTROL_TICK as f64).ceil() as u64);
        pass
    }

    /// A window took effect at a tick.
    pub fn hear(&mut self, tick: u64, heard: Heard) {
        if tick as f64 * self.tick_s() > LONGEST_S {
            self.complete = false;
            return;
        }
        // Silence goes without saying more than once.
        if heard.probabilities.is_none() && matches!(self.heard.last(), Some((_, last)) if *last == heard) {
            return;
        }
        self.heard.push((tick, heard));
    }

    /// Other settings applied from a tick on.
    pub fn set(&mut self, tick: u64, settings: Settings) {
        if self.settings.len() < MOST_CHANGES {
            self.settings.push((tick, settings));
        } else {
            self.complete = false;
        }
    }

    /// The host's tempo from a tick on, in beats per minute.
    pub fn set_tempo(&mut self, tick: u64, bpm: f64) {
        let possible = bpm.is_finite() && (1.0..=10_000.0).contains(&bpm);
        if !possible || matches!(self.tempo.last(), Some((_, last)) if *last == bpm) {
            return;
        }
        if self.tempo.len() < MOST_CHANGES {
            self.tempo.push((tick, bpm));
        } else {
            self.complete = false;
        }
    }

    /// So many ticks have passed.
    pub fn advance(&mut self, ticks: u64) {
        let longest = (LONGEST_S / self.tick_s()) as u64;
        self.ticks = self.ticks.max(ticks.min(longest));
    }

    /// Marks that something got lost on the way here.
    pub fn note_loss(&mut self) {
        self.complete = false;
    }

    /// Whether everything was kept: `false` after hours, or if something got lost.
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// Length in seconds.
    pub fn duration_s(&self) -> f64 {
        self.ticks as f64 * self.tick_s()
    }

    /// The host's sample rate, in Hz.
    pub fn rate_hz(&self) -> f64 {
        self.rate_hz
    }

    /// Ticks that have passed.
    pub fn ticks(&self) -> u64 {
        self.ticks
    }

    /// Lets the pass happen again. `adapt` changes the settings that applied; `visit` sees every tick's number, what
    /// went out and the values.
    fn replay(&self, adapt: impl Fn(&mut Settings), visit: impl FnMut(u64, &Emission, &Values)) {
        if let Some(mut replay) = Replay::adapted(self, &adapt) {
            replay.run(self, self.ticks, adapt, visit);
        }
    }

    /// The values every 10 ms, and at the end.
    pub fn curve(&self) -> Curve {
        let step = ((STEP_S / self.tick_s()).round() as u64).max(1);
        let mut points = Vec::new();
        self.replay(
            |_| (),
            |tick, _, values| {
                if tick % step == 0 || tick + 1 == self.ticks {
                    points.push((tick as f64 * self.tick_s(), *values));
                }
            },
        );
        Curve { points }
    }

    /// The values at the end.
    pub fn last(&self) -> Values {
        let mut last = Values::default();
        self.replay(|_| (), |_, _, values| last = *values);
        last
    }

    /// The lanes as they were sent, each message with its position in host samples. Lanes that were never on are left
    /// out; if none ever was, all of them are given as their settings describe them.
    pub fn controllers(&self) -> [Vec<(u64, Controller)>; LANES] {
        let ever_on: [bool; LANES] =
            std::array::from_fn(|lane| self.settings.iter().any(|(_, settings)| settings.lanes[lane].on));
        let all = !ever_on.contains(&true);
        let mut lanes: [Vec<(u64, Controller)>; LANES] = Default::default();
        let adapt = |settings: &mut Settings| {
            for lane in &mut settings.lanes {
                lane.test = false;
                lane.on |= all;
            }
        };
        self.replay(adapt, |tick, emission, _| {
            for (lane, controller) in lanes.iter_mut().zip(emission.controllers) {
                lane.extend(controller.map(|controller| (tick * CONTROL_TICK, controller)));
            }
        });
        lanes
    }

    /// A standard MIDI file (format 1): a track with the host's tempo, then one per lane of [`Pass::controllers`].
    /// It begins where playback began.
    ///
    /// # Errors
    /// Nothing was heard, or the pass is too long for the format.
    pub fn to_midi(&self) -> Result<Vec<u8>, PassError> {
        self.not_empty()?;
        let lanes = self.controllers();
        let named: Vec<Lane<'_>> = OUTPUTS
            .into_iter()
            .zip(&lanes)
            .filter(|(_, messages)| !messages.is_empty())
            .map(|(output, messages)| Lane {
                name: output.title(),
                messages,
            })
            .collect();
        let mut tempo: Vec<(u64, f64)> = self
            .tempo
            .iter()
            .map(|(tick, bpm)| (tick * CONTROL_TICK, *bpm))
            .collect();
        match tempo.first_mut() {
            Some(first) => first.0 = 0,
            None => tempo.push((0, DEFAULT_BPM)),
        }
        let end = self.ticks * CONTROL_TICK;
        midi_file::write(&tempo, &named, end, self.rate_hz).ok_or(PassError::TooLong)
    }

    /// Comma-separated values, a line every 10 ms: `time_s`, the nine outputs, `dominant` (empty if none), `voiced` as 0
    /// or 1. The first line names the columns.
    ///
    /// # Errors
    /// Nothing was heard.
    pub fn to_csv(&self) -> Result<String, PassError> {
        self.not_empty()?;
        let mut csv = String::from("time_s");
        for output in OUTPUTS {
            csv.push(',');
            csv.push_str(output.name());
        }
        csv.push_str(",dominant,voiced\n");
        for (time_s, values) in self.curve().points {
            // Writing to a String does not fail.
            let _ = write!(csv, "{time_s:.4}");
            for output in OUTPUTS {
                let _ = write!(csv, ",{:.5}", values.output(output));
            }
            let dominant = values.dominant.map_or("", |emotion| emotion.name());
            let _ = writeln!(csv, ",{dominant},{}", u8::from(values.voiced));
        }
        Ok(csv)
    }

    /// # Errors
    /// [`PassError::Empty`] if there is nothing in it.
    fn not_empty(&self) -> Result<(), PassError> {
        if self.ticks == 0 { Err(PassError::Empty) } else { Ok(()) }
    }

    fn tick_s(&self) -> f64 {
        CONTROL_TICK as f64 / self.rate_hz
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::automation::Response;

    const RATE_HZ: f64 = 48_000.0;

    fn window(angry: f32) -> Heard {
        let rest = (1.0 - angry) / 5.0;
        let mut probabilities = [rest; 6];
        probabilities[0] = angry;
        Heard {
            probabilities: Some(probabilities),
        }
    }

    /// Ten seconds: angry rises, a setting changes, the singer pauses.
    fn pass() -> Pass {
        let mut settings = Settings::default();
        settings.lanes[0].on = true;
        let mut pass = Pass::new(RATE_HZ, settings);
        pass.set_tempo(0, 90.0);
        for n in 0..60_u64 {
            pass.hear(75 * n + 112, window(0.2 + n as f32 / 80.0));
        }
        for n in 61..100_u64 {
            pass.hear(75 * n, Heard { probabilities: None });
        }
        settings.response = Response::Seconds(2.0);
        pass.set(3_000, settings);
        pass.set_tempo(3_750, 120.0);
        pass.advance(7_500);
        pass
    }

    #[test]
    fn a_replay_is_what_happened() {
        let pass = pass();
        let mut settings = pass.settings[0].1;
        let mut live = Control::new(RATE_HZ, settings);
        let mut sent = Vec::new();
        let mut curve = Vec::new();
        for tick in 0..7_500_u64 {
            if tick == 3_000 {
                settings.response = Response::Seconds(2.0);
                live.set(&settings);
            }
            if tick >= 112 && (tick - 112) % 75 == 0 && (tick - 112) / 75 < 60 {
                live.hear(window(0.2 + ((tick - 112) / 75) as f32 / 80.0));
            } else if tick >= 4_575 && tick % 75 == 0 {
                live.hear(Heard { probabilities: None });
            }
            if let Some(controller) = live.tick().controllers[0] {
                sent.push((tick * CONTROL_TICK, controller));
            }
            curve.push(*live.values());
        }
        assert_eq!(pass.controllers()[0], sent);
        assert!(sent.len() > 50);
        for (time_s, values) in pass.curve().points {
            assert_eq!(values, curve[(time_s * 750.0).round() as usize], "{time_s}");
        }
        assert_eq!(pass.last(), curve[7_499]);
        assert!((pass.duration_s() - 10.0).abs() < 1e-9);
    }

    #[test]
    fn lanes_that_are_off_are_left_out_unless_all_are() {
        let lanes = pass().controllers();
        assert!(!lanes[0].is_empty() && lanes[1..].iter().all(Vec::is_empty));
        let mut silent = Pass::new(RATE_HZ, Settings::default());
        silent.hear(10, window(0.9));
        silent.advance(1_000);
        assert!(silent.controllers().iter().all(|lane| !lane.is_empty()));
    }

    #[test]
    fn the_csv_has_a_line_every_hundredth() {
        let csv = pass().to_csv().unwrap();
        let lines: Vec<&str> = csv.lines().collect();
        assert_eq!(
            lines[0],
            "time_s,angry,disgust,fear,happy,neutral,sad,arousal,valence,confidence,dominant,voiced"
        );
        assert!((930..1_010).contains(&lines.len()), "{}", lines.len());
        assert!(
            lines[1].starts_with("0.0000,0.00000,") && lines[1].ends_with(",,0"),
            "{}",
            lines[1]
        );
        assert!(lines.last().unwrap().ends_with(",angry,0"), "{}", lines.last().unwrap());
        assert_eq!(Pass::new(RATE_HZ, Settings::default()).to_csv(), Err(PassError::Empty));
    }

    #[test]
    fn a_pass_that_grows_is_replayed_bit_by_bit() {
        let mut pass = Pass::new(RATE_HZ, Settings::default());
        let mut replay = Replay::new(&pass).unwrap();
        let mut seen = Vec::new();
        for n in 0..20_u64 {
            pass.hear(n * 75, window(0.05 * n as f32));
            pass.advance((n + 1) * 75);
            replay.advance(&pass, pass.ticks(), |tick, values| {
                if tick % 8 == 0 {
                    seen.push(*values);
                }
            });
        }
        assert_eq!(replay.tick(), 1_500);
        let mut at_once = Vec::new();
        let mut again = Replay::new(&pass).unwrap();
        again.advance(&pass, 1_500, |tick, values| {
            if tick % 8 == 0 {
                at_once.push(*values);
            }
        });
        assert_eq!(seen, at_once);
        assert_eq!(seen.last().unwrap().dominant, pass.last().dominant);
    }

    #[test]
    fn memory_is_bounded() {
        let mut pass = Pass::new(RATE_HZ, Settings::default());
        let tick_of = |seconds: f64| (seconds * 750.0) as u64;
        for n in 0..10_000_u64 {
            pass.set(n, Settings::default());
            pass.set_tempo(n, 60.0 + n as f64 / 100.0);
            pass.hear(n, Heard { probabilities: None });
        }
        assert!(!pass.is_complete());
        assert!(pass.settings.len() <= MOST_CHANGES && pass.tempo.len() <= MOST_CHANGES);
        assert_eq!(pass.heard.len(), 1);
        pass.hear(tick_of(LONGEST_S + 1.0), window(0.5));
        assert_eq!(pass.heard.len(), 1);
        pass.advance(u64::MAX);
        assert_eq!(pass.duration_s(), LONGEST_S);
        for bpm in [f64::NAN, 0.0, -1.0, f64::INFINITY] {
            pass.set_tempo(0, bpm);
        }
    }
}
