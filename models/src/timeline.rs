//! What a model hears in a whole recording, window by window.

use std::fmt::Write;

use affekt_features::{Extractor, Session};

use crate::{EMOTIONS, Emotion, Model, ModelError, Prediction};

/// Samples per channel that are pushed at once; nothing depends on it.
const BLOCK: usize = 4_096;

/// One window's result.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// End of the window, in seconds from the start.
    pub time_s: f64,
    /// What the model said. Zero logits where only the probabilities are known, as from a host.
    pub prediction: Prediction,
    /// Whether the voice gate lets it count.
    pub voiced: bool,
}

/// Results in the order of time.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Timeline {
    /// One per window.
    pub points: Vec<Point>,
}

/// The windows that end within one second, summed up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Second {
    /// Where it begins, in whole seconds from the start.
    pub start_s: u64,
    /// Mean probabilities of its voiced windows, in the order of [`EMOTIONS`]; `None` without voice.
    pub probabilities: Option<[f32; 6]>,
}

impl Second {
    /// The likeliest emotion and its mean probability.
    pub fn dominant(&self) -> Option<(Emotion, f32)> {
        let probabilities = self.probabilities?;
        EMOTIONS
            .into_iter()
            .zip(probabilities)
            .max_by(|a, b| a.1.total_cmp(&b.1))
    }
}

impl Timeline {
    /// Streams a recording (one slice per channel, the shortest counts) through extractor, window stream and model,
    /// as the plugin does.
    pub fn of<C: AsRef<[f32]>>(model: &mut Model, channels: &[C], sample_rate_hz: f64) -> Result<Self, ModelError> {
        let contract = model.contract();
        let spec = &contract.features;
        let mut extractor = Extractor::new(spec, sample_rate_hz).map_err(ModelError::Recording)?;
        let session = Session::new(spec).map_err(ModelError::Features)?;
        let mut windows = contract.windows(session).map_err(ModelError::Features)?;
        let length = channels.iter().map(|channel| channel.as_ref().len()).min().unwrap_or(0);
        let mut points = Vec::new();
        let mut failure = None;
        for start in (0..length).step_by(BLOCK) {
            let range = start..length.min(start + BLOCK);
            let block: Vec<&[f32]> = channels
                .iter()
                .map(|channel| &channel.as_ref()[range.clone()])
                .collect();
            extractor.push(&block, |frame| {
                let (None, Some(window)) = (&failure, windows.push(frame)) else {
                    return;
                };
                match model.run(window.input) {
                    Ok(prediction) => points.push(Point {
                        time_s: window.end_sample as f64 / sample_rate_hz,
                        prediction,
                        voiced: window.voiced,
                    }),
                    Err(error) => failure = Some(error),
                }
            });
            if let Some(error) = failure {
                return Err(error);
            }
        }
        Ok(Self { points })
    }

    /// What the plugin shows at the end: the last voiced window's probabilities, `None` without voice.
    pub fn last(&self) -> Option<[f32; 6]> {
        self.points
            .iter()
            .rev()
            .find(|point| point.voiced)
            .map(|point| point.prediction.probabilities)
    }

    /// Comma-separated values, one line per window: `time_s`, the six probabilities under the emotions' names,
    /// `voiced` as 0 or 1. The first line names the columns.
    pub fn to_csv(&self) -> String {
        let mut csv = String::from("time_s");
        for emotion in EMOTIONS {
            csv.push(',');
            csv.push_str(emotion.name());
        }
        csv.push_str(",voiced\n");
        for point in &self.points {
            // Writing to a String does not fail.
            let _ = write!(csv, "{:.4}", point.time_s);
            for probability in point.prediction.probabilities {
                let _ = write!(csv, ",{probability:.6}");
            }
            let _ = writeln!(csv, ",{}", u8::from(point.voiced));
        }
        csv
    }

    /// One entry per second from the start to the last window, for a table. Second `n` takes the windows that end
    /// at `n` or later and before `n + 1`.
    pub fn seconds(&self) -> Vec<Second> {
        let Some(end) = self.points.last().map(|point| point.time_s as u64) else {
            return Vec::new();
        };
        (0..=end)
            .map(|start_s| {
                let mut sum = [0.0; EMOTIONS.len()];
                let mut count = 0_u32;
                for point in self
                    .points
                    .iter()
                    .filter(|point| point.voiced && point.time_s as u64 == start_s)
                {
                    count += 1;
                    for (sum, probability) in sum.iter_mut().zip(point.prediction.probabilities) {
                        *sum += probability;
                    }
                }
                let mean = (count > 0).then(|| sum.map(|sum| sum / count as f32));
                Second {
                    start_s,
                    probabilities: mean,
                }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{self, TINY};

    fn point(time_s: f64, likeliest: Emotion, voiced: bool) -> Point {
        let mut probabilities = [0.1; 6];
        probabilities[likeliest.index()] = 0.5;
        Point {
            time_s,
            prediction: Prediction {
                probabilities,
                logits: [0.0; 6],
            },
            voiced,
        }
    }

    fn timeline() -> Timeline {
        let points = vec![
            point(0.9, Emotion::Sad, true),
            point(1.0, Emotion::Happy, true),
            point(1.5, Emotion::Happy, true),
            point(1.9, Emotion::Angry, false),
            point(3.0, Emotion::Fear, false),
        ];
        Timeline { points }
    }

    /// A buzz at 150 Hz that comes and goes twice a second, like syllables.
    fn buzz(rate_hz: f64, seconds: f64) -> Vec<f32> {
        (0..(rate_hz * seconds) as usize)
            .map(|n| {
                let turns = n as f64 / rate_hz;
                let harmonics: f64 = (1..20)
                    .map(|k| (std::f64::consts::TAU * 150.0 * f64::from(k) * turns).sin())
                    .sum();
                (0.02 * harmonics * (0.5 - 0.5 * (std::f64::consts::TAU * 2.0 * turns).cos())) as f32
            })
            .collect()
    }

    #[test]
    fn csv_has_a_line_per_window() {
        let csv = timeline().to_csv();
        let lines: Vec<&str> = csv.lines().collect();
        assert_eq!(lines.len(), 6);
        assert_eq!(lines[0], "time_s,angry,disgust,fear,happy,neutral,sad,voiced");
        assert_eq!(
            lines[1],
            "0.9000,0.100000,0.100000,0.100000,0.100000,0.100000,0.500000,1"
        );
        assert_eq!(
            lines[5],
            "3.0000,0.100000,0.100000,0.500000,0.100000,0.100000,0.100000,0"
        );
    }

    #[test]
    fn seconds_average_what_is_voiced() {
        let seconds = timeline().seconds();
        let dominant: Vec<_> = seconds
            .iter()
            .map(|second| (second.start_s, second.dominant()))
            .collect();
        assert_eq!(
            dominant,
            [
                (0, Some((Emotion::Sad, 0.5))),
                (1, Some((Emotion::Happy, 0.5))),
                (2, None),
                (3, None)
            ]
        );
        assert_eq!(Timeline::default().seconds(), []);
    }

    #[test]
    fn the_last_voiced_window_stays() {
        let last = timeline().last().unwrap();
        assert_eq!(last[Emotion::Happy.index()], 0.5);
        assert_eq!(Timeline::default().last(), None);
    }

    #[test]
    fn a_recording_gives_a_window_every_hop() {
        let mut model = Model::from_bytes(&samples::model(TINY, 1)).unwrap();
        let sound = buzz(48_000.0, 2.5);
        let timeline = Timeline::of(&mut model, &[&sound], 48_000.0).unwrap();
        // The first window needs 50 frames, the next ones 10 more each; the last frames are still in the resampler.
        assert!((19..=20).contains(&timeline.points.len()), "{}", timeline.points.len());
        let first_s = timeline.points[0].time_s;
        assert!((0.5..0.53).contains(&first_s), "{first_s}");
        for (n, point) in timeline.points.iter().enumerate() {
            assert!(
                (point.time_s - first_s - 0.1 * n as f64).abs() < 1e-3,
                "{n}: {}",
                point.time_s
            );
        }
        assert!(timeline.points.iter().filter(|point| point.voiced).count() > timeline.points.len() / 2);
        assert_ne!(timeline.points[0].prediction, timeline.points[9].prediction);
        // Both channels of a mono recording say the same as one.
        assert_eq!(Timeline::of(&mut model, &[&sound, &sound], 48_000.0), Ok(timeline));
    }

    #[test]
    fn raw_audio_is_streamed_to_the_same_windows() {
        let sound = buzz(44_100.0, 3.5);
        let mut of_features = Model::from_bytes(&samples::model(TINY, 1)).unwrap();
        let mut of_samples = Model::from_bytes(&samples::waveform_model(1)).unwrap();
        let expected = Timeline::of(&mut of_features, &[&sound], 44_100.0).unwrap();
        let timeline = Timeline::of(&mut of_samples, &[&sound], 44_100.0).unwrap();
        let places = |timeline: &Timeline| -> Vec<(f64, bool)> {
            let points = timeline.points.iter();
            points.map(|point| (point.time_s, point.voiced)).collect()
        };
        assert_eq!(places(&timeline), places(&expected));
        assert_ne!(timeline.points[0].prediction, timeline.points[9].prediction);
    }

    #[test]
    fn odd_recordings_end_as_values() {
        let mut model = Model::from_bytes(&samples::model(TINY, 1)).unwrap();
        let none: [&[f32]; 0] = [];
        assert_eq!(Timeline::of(&mut model, &none, 48_000.0), Ok(Timeline::default()));
        assert_eq!(
            Timeline::of(&mut model, &[&[0.1; 100][..]], 48_000.0),
            Ok(Timeline::default())
        );
        for rate_hz in [0.0, -1.0, f64::NAN, 1e9] {
            let error = Timeline::of(&mut model, &[&[0.1; 100][..]], rate_hz).unwrap_err();
            assert!(matches!(error, ModelError::Recording(_)), "{error}");
        }
        let silence = Timeline::of(&mut model, &[vec![0.0; 16_000]], 16_000.0).unwrap();
        assert!(!silence.points.is_empty());
        assert_eq!(silence.last(), None);
        let broken = Timeline::of(&mut model, &[vec![f32::NAN; 16_000]], 16_000.0).unwrap();
        assert_eq!(broken.points.len(), silence.points.len());
    }
}
