//! What was heard since playback started, as points to be drawn. Follows the recorder a little at a time.

use affekt_models::automation::{CONTROL_TICK, Pass, Replay, Values};

use crate::recorder::Recorder;

/// Distance of the points, in seconds.
pub const STEP_S: f64 = 0.05;
/// Most ticks that are caught up with at once: some milliseconds, during which the worker may have to wait.
const MOST_TICKS: u64 = 20_000;
/// Most points of which a column's mean is taken.
const MOST_PER_COLUMN: usize = 16;

/// The values at one moment, or their means over some time.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Point {
    /// Shares of the six emotions, 0 to 1.
    pub emotions: [f32; 6],
    /// -1 to 1.
    pub arousal: f32,
    /// -1 to 1.
    pub valence: f32,
    /// 0 to 1.
    pub confidence: f32,
    /// Whether there was a voice.
    pub voiced: bool,
}

impl From<&Values> for Point {
    fn from(values: &Values) -> Self {
        Self {
            emotions: values.emotions,
            arousal: values.arousal,
            valence: values.valence,
            confidence: values.confidence,
            voiced: values.voiced,
        }
    }
}

/// Points since playback started.
#[derive(Default)]
pub struct Trace {
    /// The pass that is followed.
    pass: Option<u64>,
    replay: Option<Replay>,
    tick_s: f64,
    points: Vec<Point>,
}

impl Trace {
    /// Takes over what is new. `true` if there is more than could be taken at once.
    pub fn follow(&mut self, recorder: &Recorder) -> bool {
        recorder
            .see(|number, pass, ticks| self.follow_pass(number, pass, ticks))
            .unwrap_or(false)
    }

    fn follow_pass(&mut self, number: u64, pass: &Pass, ticks: u64) -> bool {
        if self.pass != Some(number) {
            *self = Self {
                pass: Some(number),
                replay: Replay::new(pass),
                tick_s: CONTROL_TICK as f64 / pass.rate_hz(),
                points: Vec::new(),
            };
        }
        let (Some(replay), tick_s, points) = (&mut self.replay, self.tick_s, &mut self.points) else {
            return false;
        };
        let end = ticks.min(replay.tick() + MOST_TICKS);
        replay.advance(pass, end, |tick, values| {
            if tick as f64 * tick_s >= points.len() as f64 * STEP_S {
                points.push(Point::from(values));
            }
        });
        end < ticks
    }

    /// The pass that is followed.
    pub fn pass(&self) -> Option<u64> {
        self.pass
    }

    /// Length in seconds.
    pub fn duration_s(&self) -> f64 {
        self.points.len() as f64 * STEP_S
    }

    /// The values at a time, in seconds since playback started.
    pub fn at(&self, time_s: f64) -> Option<&Point> {
        (time_s >= 0.0).then(|| self.points.get((time_s / STEP_S) as usize))?
    }

    /// The means over a time, in seconds since playback started.
    pub fn mean(&self, from_s: f64, to_s: f64) -> Option<Point> {
        let first = (from_s.max(0.0) / STEP_S) as usize;
        let last = ((to_s.max(0.0) / STEP_S).ceil() as usize).clamp(first + 1, self.points.len().max(first + 1));
        let part = self.points.get(first..last)?;
        let stride = part.len().div_ceil(MOST_PER_COLUMN).max(1);
        let mut mean = Point::default();
        let mut count = 0.0_f32;
        for point in part.iter().step_by(stride) {
            for (sum, value) in mean.emotions.iter_mut().zip(point.emotions) {
                *sum += value;
            }
            mean.arousal += point.arousal;
            mean.valence += point.valence;
            mean.confidence += point.confidence;
            mean.voiced |= point.voiced;
            count += 1.0;
        }
        mean.emotions.iter_mut().for_each(|sum| *sum /= count);
        mean.arousal /= count;
        mean.valence /= count;
        mean.confidence /= count;
        Some(mean)
    }
}

/// Times to write below a plot of so many seconds: their distance in seconds, with `most` of them at most.
pub fn time_step_s(length_s: f64, most: usize) -> f64 {
    const STEPS: [f64; 14] = [
        1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1_800.0, 3_600.0, 7_200.0,
    ];
    let fits = |step: &f64| length_s / step <= most as f64;
    STEPS.into_iter().find(fits).unwrap_or(14_400.0)
}

/// "1:02.5", or "1:00:02.5" after an hour. `tenths`: with tenths of a second.
pub fn time_code(time_s: f64, tenths: bool) -> String {
    let unit = if tenths { 10.0 } else { 1.0 };
    // Rounded once, so that no part can show 60.
    let total = (time_s.max(0.0) * unit).round() as u64;
    let (seconds, tenth) = (total / unit as u64, total % unit as u64);
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    let mut text = if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes}:{seconds:02}")
    };
    if tenths {
        text.push_str(&format!(".{tenth}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use affekt_models::automation::{Heard, Settings};

    use super::*;
    use crate::recorder::Note;

    fn heard(tick: u64, place: usize) -> Note {
        let mut probabilities = [0.0; 6];
        probabilities[place] = 1.0;
        let heard = Heard {
            probabilities: Some(probabilities),
        };
        Note::Heard { tick, heard }
    }

    #[test]
    fn a_trace_follows_what_is_played_and_starts_over_with_it() {
        let recorder = Recorder::default();
        let mut trace = Trace::default();
        assert!(!trace.follow(&recorder));
        recorder.begin(48_000.0, Settings::default());
        recorder.note(heard(0, 5));
        recorder.pass(750 * 4);
        assert!(!trace.follow(&recorder));
        assert!((trace.duration_s() - 4.0).abs() < 0.06, "{}", trace.duration_s());
        assert!(trace.at(3.9).unwrap().emotions[5] > 0.95);
        assert!(trace.at(0.0).unwrap().emotions[5] < 0.1, "it rises");
        assert_eq!((trace.at(-1.0), trace.at(5.0)), (None, None));
        let mean = trace.mean(2.0, 4.0).unwrap();
        assert!(mean.voiced && mean.emotions[5] > 0.95);
        assert_eq!(trace.mean(9.0, 10.0), None);

        recorder.begin(48_000.0, Settings::default());
        recorder.note(heard(0, 1));
        recorder.pass(75);
        trace.follow(&recorder);
        assert!(trace.duration_s() < 0.2);
    }

    #[test]
    fn a_long_pass_is_caught_up_with_in_parts() {
        let recorder = Recorder::default();
        recorder.begin(48_000.0, Settings::default());
        recorder.note(heard(0, 5));
        recorder.pass(MOST_TICKS * 3 - 1);
        let mut trace = Trace::default();
        assert!(trace.follow(&recorder));
        assert!(trace.follow(&recorder));
        assert!(!trace.follow(&recorder));
        assert!((trace.duration_s() - 80.0).abs() < 0.1, "{}", trace.duration_s());
    }

    #[test]
    fn times_are_written_as_one_reads_them() {
        assert_eq!(time_code(0.0, true), "0:00.0");
        assert_eq!(time_code(62.46, true), "1:02.5");
        assert_eq!(time_code(59.96, true), "1:00.0");
        assert_eq!(time_code(3_725.0, false), "1:02:05");
        assert_eq!(time_step_s(10.0, 6), 2.0);
        assert_eq!(time_step_s(30.0, 6), 5.0);
        assert_eq!(time_step_s(3_600.0, 6), 600.0);
        assert_eq!(time_step_s(1e6, 6), 14_400.0);
    }
}
