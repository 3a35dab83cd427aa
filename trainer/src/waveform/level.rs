//! How loud the voice in a recording is.

use std::collections::BTreeMap;

use affekt_features::FeatureSpec;
use affekt_features::recording::Recording;
use rayon::prelude::*;

use super::{Waveform, WaveformError};
use crate::clips::ClipFrames;
use crate::samples::{SessionKey, session_of};

/// Energy of voice and how many samples it lasted.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Voiced {
    /// Sum of the squared samples.
    pub energy: f64,
    /// Number of samples.
    pub samples: u64,
}

impl Voiced {
    /// What a recording holds in the frames that are `voiced`: of each frame the hop in its middle.
    pub fn of(waveform: &Waveform, voiced: &[bool], spec: &FeatureSpec) -> Self {
        let per_sample = f64::from(waveform.rate_hz) / f64::from(spec.sample_rate_hz);
        let place = |sample: usize| ((sample as f64 * per_sample) as usize).min(waveform.samples.len());
        let before = spec.fft.saturating_sub(spec.hop) / 2;
        let mut own = Self::default();
        for (frame, _) in voiced.iter().enumerate().filter(|(_, voiced)| **voiced) {
            let start = frame * spec.hop + before;
            let hop = &waveform.samples[place(start)..place(start + spec.hop)];
            own.energy += hop.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>();
            own.samples += hop.len() as u64;
        }
        own
    }

    /// Of both.
    pub fn and(self, other: Self) -> Self {
        Self {
            energy: self.energy + other.energy,
            samples: self.samples + other.samples,
        }
    }

    /// Mean power; 0 without voice.
    pub fn power(self) -> f64 {
        self.energy / self.samples.max(1) as f64
    }
}

/// Mean power of the voice in each session of `clips`, whose recordings are read again.
pub fn session_powers<'a>(
    clips: &'a [ClipFrames],
    spec: &FeatureSpec,
) -> Result<BTreeMap<SessionKey<'a>, f64>, WaveformError> {
    let own: Result<Vec<Voiced>, WaveformError> = clips
        .par_iter()
        .map(|clip| {
            let waveform = Waveform::of(&Recording::read(&clip.clip.path)?);
            Ok(Voiced::of(&waveform, &clip.voiced, spec))
        })
        .collect();
    let mut all: BTreeMap<_, Voiced> = BTreeMap::new();
    // Added in the order of the clips, so that the sums do not depend on the threads.
    for (clip, own) in clips.iter().zip(own?) {
        let sum = all.entry(session_of(clip)).or_default();
        *sum = sum.and(own);
    }
    Ok(all
        .into_iter()
        .map(|(session, voiced)| (session, voiced.power()))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_voiced_frames_count_at_any_rate() {
        let spec = FeatureSpec::standard();
        for rate_hz in [8_000, 16_000, 44_100] {
            // Half a second at 0.1, half a second at 0.3.
            let half = rate_hz as usize / 2;
            let samples = (0..2 * half).map(|place| if place < half { 0.1 } else { 0.3 });
            let waveform = Waveform {
                rate_hz,
                samples: samples.collect(),
            };
            let voiced: Vec<bool> = (0..97).map(|frame| frame >= 50).collect();
            let power = Voiced::of(&waveform, &voiced, &spec).power();
            assert!((power - 0.09).abs() < 1e-4, "{rate_hz}: {power}");
            assert_eq!(Voiced::of(&waveform, &[false; 97], &spec).power(), 0.0);
        }
    }
}
