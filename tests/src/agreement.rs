//! Whether the plugin says of a recording what the trainer says of it: one analysis path, two programs.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use affekt_features::recording::{Recording, RecordingError};
use affekt_models::EMOTIONS;
use affekt_models::automation::{CONTROL_TICK, OUTPUTS};

use crate::{
    host::{HostError, Instance, Mode, Setup},
    pass::{self, TAIL_S, with_tail},
};

/// Largest difference between the plugin's and the trainer's outputs (0 to 1) that counts as agreement.
pub const TOLERANCE: f64 = 1e-3;

/// Most channels that the plugin takes.
pub const MAX_CHANNELS: usize = 2;

/// Why the two cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum AgreementError {
    /// The recording cannot be used.
    #[error(transparent)]
    Recording(#[from] RecordingError),
    /// The recording has too many channels for the plugin.
    #[error("{path} has {channels} channels: Affekt takes mono and stereo")]
    Channels {
        /// The recording.
        path: PathBuf,
        /// Its channels.
        channels: usize,
    },
    /// The plugin cannot be hosted.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The trainer failed, or its output is not what it should be.
    #[error("the trainer at {trainer} fails to predict: {reason}")]
    Trainer {
        /// Its program.
        trainer: PathBuf,
        /// What went wrong.
        reason: String,
    },
    /// A temporary folder cannot be made or read.
    #[error("the trainer's output cannot be kept: {0}")]
    Io(#[from] io::Error),
}

/// The outputs at one time, as the trainer prints them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moment {
    /// Time from the start, in seconds.
    pub time_s: f64,
    /// The outputs' values in the order of [`OUTPUTS`], 0 to 1.
    pub values: [f64; 9],
}

/// What `affekt-trainer predict` says of a recording.
#[derive(Debug, Clone, PartialEq)]
pub struct Predicted {
    /// The outputs every 10 ms, from its CSV file.
    pub curve: Vec<Moment>,
    /// The emotions at the end, from its JSON; `None` without voice.
    pub last: Option<[f64; 6]>,
}

/// How far plugin and trainer are apart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Agreement {
    /// Moments compared.
    pub moments: usize,
    /// Largest difference of an output over all moments.
    pub largest: f64,
    /// Largest difference of an emotion at the end.
    pub at_end: f64,
}

impl Agreement {
    /// Whether all of it lies within [`TOLERANCE`].
    pub fn holds(&self) -> bool {
        self.largest <= TOLERANCE && self.at_end <= TOLERANCE
    }
}

/// Asks the trainer, with its built-in model.
pub fn predict(trainer: &Path, recording: &Path) -> Result<Predicted, AgreementError> {
    predict_with(trainer, None, recording)
}

/// Asks the trainer, with a model file or its built-in model.
pub fn predict_with(trainer: &Path, model: Option<&Path>, recording: &Path) -> Result<Predicted, AgreementError> {
    let failed = |reason: String| AgreementError::Trainer {
        trainer: trainer.to_owned(),
        reason,
    };
    let folder = tempfile::tempdir()?;
    let output = Command::new(trainer)
        .args(["predict", "--json", "--curve"])
        .arg(folder.path())
        .args(model.iter().flat_map(|model| ["--model".as_ref(), model.as_os_str()]))
        .arg(recording)
        .output()
        .map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        return Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    let report: serde_json::Value =
        serde_json::from_slice(&output.stdout).map_err(|error| failed(error.to_string()))?;
    let last = last_of(&report["files"][0]["last"]).ok_or_else(|| failed("its JSON has no `last`".to_owned()))?;
    let table = fs::read_dir(folder.path())?
        .next()
        .ok_or_else(|| failed("it wrote no CSV file".to_owned()))??;
    let curve =
        curve_of(&fs::read_to_string(table.path())?).ok_or_else(|| failed("its CSV file is not a curve".to_owned()))?;
    Ok(Predicted { curve, last })
}

fn last_of(last: &serde_json::Value) -> Option<Option<[f64; 6]>> {
    if last.is_null() {
        return Some(None);
    }
    let mut probabilities = [0.0; 6];
    for (probability, emotion) in probabilities.iter_mut().zip(EMOTIONS) {
        *probability = last[emotion.name()].as_f64()?;
    }
    Some(Some(probabilities))
}

/// Lines of `time_s`, nine outputs, the dominant emotion and `voiced`, below a line of names.
fn curve_of(csv: &str) -> Option<Vec<Moment>> {
    csv.lines()
        .skip(1)
        .map(|line| {
            let fields: Vec<&str> = line.split(',').collect();
            let [time_s, outputs @ .., _, _] = fields.as_slice() else {
                return None;
            };
            let mut values = [0.0; 9];
            if outputs.len() != values.len() {
                return None;
            }
            for ((value, field), output) in values.iter_mut().zip(outputs).zip(OUTPUTS) {
                *value = f64::from(output.normalised(field.parse().ok()?));
            }
            Some(Moment {
                time_s: time_s.parse().ok()?,
                values,
            })
        })
        .collect()
}

/// Plays the recording through the plugin offline, and compares the outputs' parameters with the trainer's curve, tick by
/// tick, up to a second behind the recording's end.
pub fn compare(instance: &mut dyn Instance, path: &Path, predicted: &Predicted) -> Result<Agreement, AgreementError> {
    let recording = Recording::read(path)?;
    let channels = recording.channels.len();
    if channels > MAX_CHANNELS {
        return Err(AgreementError::Channels {
            path: path.to_owned(),
            channels,
        });
    }
    let sample_rate_hz = f64::from(recording.sample_rate_hz);
    let max_block = CONTROL_TICK as usize;
    let setup = Setup {
        sample_rate_hz,
        max_block,
        channels,
        mode: Mode::Offline,
        in_place: false,
    };
    let played = with_tail(&recording.channels, sample_rate_hz);
    let pass = pass::play(instance, &setup, &played, || max_block)?;

    let frames = recording.channels.iter().map(Vec::len).min().unwrap_or(0);
    let end_s = frames as f64 / sample_rate_hz + TAIL_S;
    let mut largest: f64 = 0.0;
    let mut moments = 0;
    for moment in predicted.curve.iter().filter(|moment| moment.time_s < end_s - 0.02) {
        let tick = (moment.time_s * sample_rate_hz / CONTROL_TICK as f64).round() as u64;
        let Some(played) = pass.values_at((tick + 1) * CONTROL_TICK) else {
            continue;
        };
        moments += 1;
        largest = largest.max(difference(&played, &moment.values));
    }
    let at_end = match pass.last() {
        Some(played) => difference(&played[..6], &predicted.last.unwrap_or_default()),
        None => 0.0,
    };
    Ok(Agreement {
        moments,
        largest,
        at_end,
    })
}

fn difference(a: &[f64], b: &[f64]) -> f64 {
    // A NaN on either side must not pass for agreement.
    a.iter()
        .zip(b)
        .map(|(a, b)| (a - b).abs())
        .map(|d| if d.is_nan() { f64::INFINITY } else { d })
        .fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_is_read_back() {
        let head = "time_s,angry,disgust,fear,happy,neutral,sad,arousal,valence,confidence,dominant,voiced\n";
        let csv = format!("{head}0.0100,0.1,0.2,0.3,0.2,0.1,0.1,-1.0,0.5,0.25,,1\n0.02,0,0,0,0,0,1,0,0,0,sad,0\n");
        let curve = curve_of(&csv).unwrap();
        assert_eq!(curve.len(), 2);
        assert_eq!(curve[0].time_s, 0.01);
        assert!(difference(&curve[0].values, &[0.1, 0.2, 0.3, 0.2, 0.1, 0.1, 0.0, 0.75, 0.25]) < 1e-6);
        assert!(curve_of(&format!("{head}1,2,3\n")).is_none());
        assert!(curve_of(&format!("{head}1,a,3,4,5,6,7,8,9,0,,1\n")).is_none());
    }

    #[test]
    fn no_number_is_no_agreement() {
        assert_eq!(difference(&[f64::NAN; 6], &[0.0; 6]), f64::INFINITY);
        assert_eq!(difference(&[0.5; 2], &[0.25, 0.5]), 0.25);
    }
}
