//! Clips as another room, microphone or level would have given them: how a model does beyond its own recordings.

use std::fmt;
use std::str::FromStr;

use affekt_features::FeatureSpec;
use affekt_features::recording::Recording;
use rayon::prelude::*;

use crate::clips::{ClipFrames, Extractors};
use crate::samples::session_of;
use crate::seed::{Purpose, stream, text_key};
use crate::waveform::level::{Voiced, session_powers};
use crate::waveform::{Waveform, WaveformError, band_limit, gain, noise, room};

/// Band of a telephone, in Hz (ITU-T G.712).
const TELEPHONE_HZ: (f64, f64) = (300.0, 3_400.0);
/// Energy of a room's reverberation relative to the direct sound's.
const ROOM_WET: f64 = 1.0;
/// Slope of pink noise.
const PINK: f64 = 1.0;

/// One change of the recordings, the same for all clips of a session.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Condition {
    /// Amplified by this many dB, and clipped at full scale as by a converter.
    Gain(f64),
    /// Limited to 300 to 3400 Hz by Butterworth filters of fourth order.
    Telephone,
    /// Pink noise this many dB below the mean power of the speaker's voice: over quiet clips it is as loud as over
    /// loud ones.
    Noise(f64),
    /// Pink noise this many dB below the mean power of the voice in each clip: quiet clips get quiet noise.
    Snr(f64),
    /// A room that decays by 60 dB in this many seconds, with as much energy in the reverberation as in the direct
    /// sound; each speaker has a room.
    Room(f64),
}

/// Those that a model's card holds: a level far too low and too high, a telephone, a noisy place, a hall.
pub const STANDARD_CONDITIONS: [Condition; 6] = [
    Condition::Gain(-24.0),
    Condition::Gain(6.0),
    Condition::Telephone,
    Condition::Noise(10.0),
    Condition::Snr(10.0),
    Condition::Room(0.6),
];

/// Why there is no such condition.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ConditionError {
    /// No such name, or a value where none belongs or the other way round.
    #[error("there is no condition {0}: use gain=DB, telephone, noise=DB, snr=DB or room=SECONDS, e.g. gain=-24")]
    Unknown(String),
    /// The value is out of range.
    #[error("the condition {0} is out of range: use {1}")]
    Value(String, &'static str),
}

impl FromStr for Condition {
    type Err = ConditionError;

    fn from_str(text: &str) -> Result<Self, ConditionError> {
        let unknown = || ConditionError::Unknown(text.into());
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value.parse::<f64>().map_err(|_| unknown())?)),
            None => (text, None),
        };
        let (condition, range, bounds) = match (name, value) {
            ("telephone", None) => return Ok(Self::Telephone),
            ("gain", Some(db)) => (Self::Gain(db), "-100 to 60 dB", (-100.0..=60.0).contains(&db)),
            ("noise", Some(db)) => (Self::Noise(db), "-60 to 100 dB", (-60.0..=100.0).contains(&db)),
            ("snr", Some(db)) => (Self::Snr(db), "-60 to 100 dB", (-60.0..=100.0).contains(&db)),
            ("room", Some(s)) => (Self::Room(s), "0.01 to 10 seconds", (0.01..=10.0).contains(&s)),
            _ => return Err(unknown()),
        };
        match bounds {
            true => Ok(condition),
            false => Err(ConditionError::Value(text.into(), range)),
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gain(db) => write!(f, "gain={db}"),
            Self::Telephone => write!(f, "telephone"),
            Self::Noise(db) => write!(f, "noise={db}"),
            Self::Snr(db) => write!(f, "snr={db}"),
            Self::Room(seconds) => write!(f, "room={seconds}"),
        }
    }
}

impl Condition {
    /// The clips as they would have been recorded under the condition, in the same order, with the same number of
    /// frames each. All of them are kept, also those in which no voice is found any more, so that figures stay
    /// comparable. The recordings are read again. The same for the same `seed`; `on_clip` is called after each clip.
    pub fn apply(
        self,
        clips: &[ClipFrames],
        spec: &FeatureSpec,
        seed: u64,
        on_clip: impl Fn() + Sync,
    ) -> Result<Vec<ClipFrames>, WaveformError> {
        let speakers = match self {
            Self::Noise(_) => Some(session_powers(clips, spec)?),
            _ => None,
        };
        let extractors = Extractors::default();
        let one = |clip: &ClipFrames| {
            let session = session_of(clip);
            let mut waveform = Waveform::of(&Recording::read(&clip.clip.path)?);
            match self {
                Self::Gain(db) => gain::amplify(&mut waveform.samples, db),
                Self::Telephone => band_limit::limit(&mut waveform, TELEPHONE_HZ.0, TELEPHONE_HZ.1),
                Self::Noise(snr_db) | Self::Snr(snr_db) => {
                    let name = clip.clip.path.file_name().unwrap_or_default();
                    let mut random = stream(seed, Purpose::Condition, text_key(&name.to_string_lossy()), 0);
                    let voice = match &speakers {
                        Some(powers) => powers[&session],
                        None => Voiced::of(&waveform, &clip.voiced, spec).power(),
                    };
                    noise::add(&mut waveform, voice / 10.0_f64.powf(snr_db / 10.0), PINK, &mut random);
                }
                Self::Room(t60_s) => {
                    let mut random = stream(seed, Purpose::Condition, text_key(session.0), text_key(session.1));
                    let response = room::response(waveform.rate_hz, t60_s, ROOM_WET, &mut random);
                    room::reverberate(&mut waveform.samples, &response);
                }
            }
            let (bands_db, voiced, totals) = extractors.frames(spec, &waveform.into_recording())?;
            on_clip();
            Ok(ClipFrames {
                clip: clip.clip.clone(),
                bands_db,
                voiced,
                totals,
                ..*clip
            })
        };
        clips.par_iter().map(one).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clips::load;
    use crate::corpora::Clip;
    use crate::synthetic::{voice, write_wav};
    use affekt_models::Emotion;

    /// Two speakers with two clips each, one loud and one quiet.
    fn clips(folder: &std::path::Path) -> Vec<ClipFrames> {
        let clip = |place: usize| {
            let path = folder.join(format!("{place}.wav"));
            let mut recording = voice(120.0 + 40.0 * place as f32, 3.0, 1.5, place as u64);
            let level = if place.is_multiple_of(2) { 0.5 } else { 0.05 };
            let samples = &mut recording.channels[0];
            samples.iter_mut().for_each(|sample| *sample *= level);
            write_wav(&path, &recording);
            Clip {
                path,
                emotion: Some(Emotion::Sad),
                speaker: format!("test/{}", place / 2),
                corpus: "test",
                votes: None,
            }
        };
        let all = (0..4).map(clip).collect();
        load(all, &FeatureSpec::standard(), || {}).unwrap().clips
    }

    /// Mean of the highest bands, in dB, where the synthetic voice has nothing.
    fn background_db(clip: &ClipFrames) -> f32 {
        const BANDS: usize = 8;
        let rows = clip.bands_db.chunks_exact(clip.totals.sum_db.len());
        let sum: f32 = rows.map(|row| row[row.len() - BANDS..].iter().sum::<f32>()).sum();
        sum / (BANDS * clip.frames()) as f32
    }

    #[test]
    fn names_and_values_are_read_back() {
        for text in ["gain=-24", "gain=6", "telephone", "noise=10", "snr=10", "room=0.6"] {
            assert_eq!(text.parse::<Condition>().unwrap().to_string(), text);
        }
        for text in ["", "echo=1", "gain", "gain=", "telephone=2", "noise=loud"] {
            let error = text.parse::<Condition>().unwrap_err().to_string();
            assert!(error.contains("use gain=DB"), "{error}");
        }
        for text in ["gain=nan", "room=0", "room=inf", "noise=1e9"] {
            let error = text.parse::<Condition>().unwrap_err().to_string();
            assert!(error.contains("out of range"), "{error}");
        }
    }

    #[test]
    fn every_clip_is_kept_frame_by_frame_and_repeats_with_the_seed() {
        let folder = tempfile::tempdir().unwrap();
        let (clean, spec) = (clips(folder.path()), FeatureSpec::standard());
        for text in ["gain=-24", "telephone", "noise=10", "noise=-40", "snr=10", "room=0.6"] {
            let condition: Condition = text.parse().unwrap();
            let altered = condition.apply(&clean, &spec, 1, || {}).unwrap();
            let again = condition.apply(&clean, &spec, 1, || {}).unwrap();
            for ((clean, altered), again) in clean.iter().zip(&altered).zip(&again) {
                assert_eq!(
                    (&clean.clip, clean.frames()),
                    (&altered.clip, altered.frames()),
                    "{text}"
                );
                assert_eq!(altered.bands_db, again.bands_db, "{text}");
                assert_ne!(clean.bands_db, altered.bands_db, "{text}");
                assert!(altered.bands_db.iter().all(|value| value.is_finite()));
            }
        }
        let nothing = Condition::Gain(0.0).apply(&clean, &spec, 1, || {}).unwrap();
        for (clean, same) in clean.iter().zip(&nothing) {
            assert_eq!(clean.bands_db, same.bands_db);
        }
    }

    #[test]
    fn noise_is_as_loud_over_quiet_clips_as_over_loud_ones_of_the_speaker() {
        let folder = tempfile::tempdir().unwrap();
        let (clean, spec) = (clips(folder.path()), FeatureSpec::standard());
        let noisy = Condition::Noise(10.0).apply(&clean, &spec, 1, || {}).unwrap();
        let [loud, quiet] = [&noisy[0], &noisy[1]].map(background_db);
        assert!((loud - quiet).abs() < 0.5, "{loud} {quiet}");
        assert!(loud > background_db(&clean[0]) + 20.0);
        // One clip is some 20 dB quieter; so is its own noise.
        let own = Condition::Snr(10.0).apply(&clean, &spec, 1, || {}).unwrap();
        let [loud, quiet] = [&own[0], &own[1]].map(background_db);
        let voice_db = [&clean[0], &clean[1]].map(|clip| {
            let waveform = Waveform::of(&Recording::read(&clip.clip.path).unwrap());
            10.0 * Voiced::of(&waveform, &clip.voiced, &spec).power().log10() as f32
        });
        let difference = voice_db[0] - voice_db[1];
        assert!((18.0..24.0).contains(&difference), "{difference}");
        assert!((loud - quiet - difference).abs() < 0.5, "{loud} {quiet} {difference}");
    }
}
