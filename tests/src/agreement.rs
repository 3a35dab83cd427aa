//! Whether the plugin says of a recording what the trainer says of it: one analysis path, two programs.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use affekt_features::recording::{Recording, RecordingError};
use affekt_models::EMOTIONS;

use crate::{
    host::{HostError, Instance, Mode, Setup},
    pass::{self, CONTROL_TICK, RESULT_DELAY_S, with_tail},
};

/// Largest difference between the plugin's and the trainer's probabilities that counts as agreement.
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

/// One window, as the trainer prints it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Window {
    /// End of the window, in seconds.
    pub time_s: f64,
    /// Probabilities in the order of [`EMOTIONS`].
    pub probabilities: [f64; 6],
    /// Whether it counts.
    pub voiced: bool,
}

/// What `affekt-trainer predict` says of a recording.
#[derive(Debug, Clone, PartialEq)]
pub struct Predicted {
    /// Every window, from its CSV file.
    pub windows: Vec<Window>,
    /// Probabilities at the end, from its JSON; `None` without voice.
    pub last: Option<[f64; 6]>,
}

/// How far plugin and trainer are apart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Agreement {
    /// Windows compared.
    pub windows: usize,
    /// Largest difference of a probability over all windows.
    pub largest: f64,
    /// Largest difference of the final probabilities.
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
    let failed = |reason: String| AgreementError::Trainer {
        trainer: trainer.to_owned(),
        reason,
    };
    let folder = tempfile::tempdir()?;
    let output = Command::new(trainer)
        .args(["predict", "--json", "--csv"])
        .arg(folder.path())
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
    let windows = windows_of(&fs::read_to_string(table.path())?)
        .ok_or_else(|| failed("its CSV file is not a timeline".to_owned()))?;
    Ok(Predicted { windows, last })
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

/// Lines of `time_s`, six probabilities and `voiced`, below a line of names.
fn windows_of(csv: &str) -> Option<Vec<Window>> {
    csv.lines()
        .skip(1)
        .map(|line| {
            let numbers = line
                .split(',')
                .map(|field| field.parse().ok())
                .collect::<Option<Vec<f64>>>()?;
            let [time_s, probabilities @ .., voiced] = numbers.as_slice() else {
                return None;
            };
            Some(Window {
                time_s: *time_s,
                probabilities: probabilities.try_into().ok()?,
                voiced: *voiced != 0.0,
            })
        })
        .collect()
}

/// Plays the recording through the plugin offline, and compares each window's probabilities with the parameters at the
/// time it takes effect. A window without voice must leave them as they were.
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

    let mut expected = [0.0; 6];
    let mut largest: f64 = 0.0;
    let mut at_end = expected;
    for window in &predicted.windows {
        if window.voiced {
            expected = window.probabilities;
        }
        // The tick at or after the due time, and one more for the times' rounding in the CSV file.
        let due = ((window.time_s + RESULT_DELAY_S) * sample_rate_hz).ceil() as u64;
        at_end = pass
            .values_at(due.next_multiple_of(CONTROL_TICK) + 2 * CONTROL_TICK)
            .unwrap_or_default();
        largest = largest.max(difference(at_end, expected));
    }
    let at_end = difference(at_end, predicted.last.unwrap_or_default());
    Ok(Agreement {
        windows: predicted.windows.len(),
        largest,
        at_end,
    })
}

fn difference(a: [f64; 6], b: [f64; 6]) -> f64 {
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
    fn a_timeline_is_read_back() {
        let csv =
            "time_s,angry,disgust,fear,happy,neutral,sad,voiced\n0.5250,0.1,0.2,0.3,0.2,0.1,0.1,1\n0.6,0,0,0,0,0,1,0\n";
        let windows = windows_of(csv).unwrap();
        assert_eq!(windows.len(), 2);
        assert_eq!(
            windows[0],
            Window {
                time_s: 0.525,
                probabilities: [0.1, 0.2, 0.3, 0.2, 0.1, 0.1],
                voiced: true
            }
        );
        assert!(!windows[1].voiced);
        assert!(windows_of("time_s\n1,2,3\n").is_none());
        assert!(windows_of("time_s\n1,a,3,4,5,6,7,8\n").is_none());
    }

    #[test]
    fn no_number_is_no_agreement() {
        assert_eq!(difference([f64::NAN; 6], [0.0; 6]), f64::INFINITY);
        assert_eq!(difference([0.5; 6], [0.25, 0.5, 0.5, 0.5, 0.5, 0.5]), 0.25);
    }
}
