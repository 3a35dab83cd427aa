//! Recordings as another room, microphone or level would have given them: what is done to the samples themselves.

pub mod band_limit;
pub mod equaliser;
pub mod formants;
pub mod gain;
pub mod level;
pub mod noise;
pub mod pitch_shift;
pub mod recipe;
pub mod room;
pub mod situation;
pub mod time_stretch;

use affekt_features::FeatureError;
use affekt_features::recording::{Recording, RecordingError};

/// Loudest sample that is taken in, 80 dB over full scale: what the plugin's front end limits samples to.
const LOUDEST: f32 = 1e4;

/// Why recordings cannot be heard altered.
#[derive(Debug, thiserror::Error)]
pub enum WaveformError {
    /// A recording is not there any more.
    #[error(transparent)]
    Recording(#[from] RecordingError),
    /// The features cannot be computed.
    #[error(transparent)]
    Features(#[from] FeatureError),
}

/// One channel of samples; full scale is ±1, and all are finite.
#[derive(Debug, Clone, PartialEq)]
pub struct Waveform {
    /// Samples per second.
    pub rate_hz: u32,
    /// The samples.
    pub samples: Vec<f32>,
}

impl Waveform {
    /// The mean of a recording's channels, as the front end takes it; samples that are no numbers become 0.
    pub fn of(recording: &Recording) -> Self {
        let share = 1.0 / recording.channels.len().max(1) as f32;
        let mut samples = vec![0.0; recording.channels.first().map_or(0, Vec::len)];
        for channel in &recording.channels {
            for (sum, sample) in samples.iter_mut().zip(channel) {
                let usable = if sample.is_finite() { *sample } else { 0.0 };
                *sum += share * usable.clamp(-LOUDEST, LOUDEST);
            }
        }
        Self {
            rate_hz: recording.sample_rate_hz,
            samples,
        }
    }

    /// As a recording of one channel.
    pub fn into_recording(self) -> Recording {
        Recording {
            sample_rate_hz: self.rate_hz,
            channels: vec![self.samples],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_averaged_and_made_finite() {
        let recording = Recording {
            sample_rate_hz: 8_000,
            channels: vec![vec![0.5, f32::NAN, 1e30], vec![-0.1, 0.4, 0.0]],
        };
        let waveform = Waveform::of(&recording);
        assert_eq!(waveform.samples, [0.2, 0.2, 0.5 * LOUDEST]);
        assert_eq!(waveform.into_recording().channels.len(), 1);
    }
}
