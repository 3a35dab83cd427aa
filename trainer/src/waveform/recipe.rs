//! What a recipe says about altered copies of the training clips.

use serde::{Deserialize, Serialize};

use super::pitch_shift::Formants;
use crate::recipe::{RecipeError, real, whole};

/// How altered copies of the training clips are made. Everything is off unless a recipe turns it on.
///
/// A copy is made of the samples, once before training, and kept in memory as features: about 90 MB per hour of audio
/// and copy. What costs more than an epoch has time for is done here (pitch and pace, real convolution, clipping);
/// [`AugmentationRecipe`](crate::augmentation::AugmentationRecipe) then varies the copies as it varies the originals.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WaveformRecipe {
    /// Altered copies of each training clip. An epoch stays as long as it is without them: of each clip it takes the
    /// original or one of its copies, all equally likely.
    pub copies: usize,
    /// Probability of another pace, for each clip by itself: people do not keep one.
    pub time_stretch: f64,
    /// Least and greatest factor on the pace; above 1 is faster. Its logarithm is uniform.
    pub time_stretch_pace: [f64; 2],
    /// Probability of another pitch, for all clips of a session: another singer.
    pub pitch_shift: f64,
    /// Lowest and highest shift, in semitones.
    pub pitch_shift_semitones: [f64; 2],
    /// What becomes of the formants then.
    pub formants: Formants,
    /// Probability of a room, the same for all clips of a session.
    pub room: f64,
    /// Shortest and longest reverberation time (60 dB), in seconds. Its logarithm is uniform.
    pub room_s: [f64; 2],
    /// Least and greatest energy of the reverberation relative to the direct sound's, in dB.
    pub room_wet_db: [f64; 2],
    /// Probability of background noise, equally loud in all clips of a session.
    pub noise: f64,
    /// Least and greatest distance of the noise below the mean power of the speaker's voice, in dB.
    pub noise_snr_db: [f64; 2],
    /// Probability of a microphone's frequency response, the same for all clips of a session.
    pub equaliser: f64,
    /// Greatest gain or loss of each of its shelves and bells, in dB.
    pub equaliser_db: f64,
    /// Probability of band limits (24 dB per octave), the same for all clips of a session.
    pub band_limit: f64,
    /// Lowest and highest lower limit, in Hz.
    pub low_cut_hz: [f64; 2],
    /// Lowest and highest upper limit, in Hz.
    pub high_cut_hz: [f64; 2],
    /// Probability of another level, the same for all clips of a session; full scale clips.
    pub gain: f64,
    /// Least and greatest gain, in dB.
    pub gain_db: [f64; 2],
}

impl Default for WaveformRecipe {
    fn default() -> Self {
        Self {
            copies: 0,
            time_stretch: 0.0,
            time_stretch_pace: [0.85, 1.18],
            pitch_shift: 0.0,
            pitch_shift_semitones: [-2.0, 2.0],
            formants: Formants::Kept,
            room: 0.0,
            room_s: [0.15, 1.0],
            room_wet_db: [-10.0, 3.0],
            noise: 0.0,
            noise_snr_db: [5.0, 35.0],
            equaliser: 0.0,
            equaliser_db: 6.0,
            band_limit: 0.0,
            low_cut_hz: [80.0, 400.0],
            high_cut_hz: [3_000.0, 7_500.0],
            gain: 0.0,
            gain_db: [-24.0, 6.0],
        }
    }
}

impl WaveformRecipe {
    /// Checks all values.
    pub fn check(&self) -> Result<(), RecipeError> {
        whole("waveform.copies", self.copies, 0, 100)?;
        let probabilities = [
            ("waveform.time_stretch", self.time_stretch),
            ("waveform.pitch_shift", self.pitch_shift),
            ("waveform.room", self.room),
            ("waveform.noise", self.noise),
            ("waveform.equaliser", self.equaliser),
            ("waveform.band_limit", self.band_limit),
            ("waveform.gain", self.gain),
        ];
        for (key, value) in probabilities {
            real(key, value, 0.0, 1.0)?;
        }
        if self.copies > 0 && probabilities.iter().all(|(_, value)| *value == 0.0) {
            return Err(RecipeError::Value {
                key: "waveform.copies",
                value: self.copies.to_string(),
                expected: "give at least one alteration a probability, e.g. `pitch_shift = 0.5`, or use 0".into(),
            });
        }
        for (key, [least, most], low, high) in [
            ("waveform.time_stretch_pace", self.time_stretch_pace, 0.5, 2.0),
            (
                "waveform.pitch_shift_semitones",
                self.pitch_shift_semitones,
                -12.0,
                12.0,
            ),
            ("waveform.room_s", self.room_s, 0.01, 10.0),
            ("waveform.room_wet_db", self.room_wet_db, -60.0, 20.0),
            ("waveform.noise_snr_db", self.noise_snr_db, -30.0, 100.0),
            ("waveform.low_cut_hz", self.low_cut_hz, 10.0, 2_000.0),
            ("waveform.high_cut_hz", self.high_cut_hz, 1_000.0, 20_000.0),
            ("waveform.gain_db", self.gain_db, -60.0, 40.0),
        ] {
            real(key, least, low, most)?;
            real(key, most, low, high)?;
        }
        real("waveform.equaliser_db", self.equaliser_db, 0.0, 20.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_out_of_range_and_copies_of_nothing_are_refused() {
        let read = |text: &str| toml::from_str::<WaveformRecipe>(text).unwrap();
        assert_eq!(read(""), WaveformRecipe::default());
        read("copies = 2\nnoise = 0.5\nformants = \"moved\"").check().unwrap();
        for (text, key) in [
            ("copies = 1", "waveform.copies"),
            ("copies = 1000\nroom = 1.0", "waveform.copies"),
            ("room = 1.5", "waveform.room"),
            ("time_stretch_pace = [1.2, 0.9]", "waveform.time_stretch_pace"),
            ("time_stretch_pace = [0.1, 0.9]", "waveform.time_stretch_pace"),
            ("gain_db = [nan, 0.0]", "waveform.gain_db"),
            ("equaliser_db = -1.0", "waveform.equaliser_db"),
        ] {
            let error = read(text).check().unwrap_err();
            assert!(
                matches!(&error, RecipeError::Value { key: found, .. } if *found == key),
                "{text}: {error}"
            );
        }
        assert!(toml::from_str::<WaveformRecipe>("echo = 1.0").is_err());
    }
}
