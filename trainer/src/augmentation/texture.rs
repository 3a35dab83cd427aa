//! How the power of noise scatters from frame to frame and band to band. A narrow band holds few bins, so its power
//! jumps by many dB; a wide one averages over many. A network that learned from smoother noise takes real noise for
//! something else.

use affekt_features::{FeatureError, FeatureSpec, LogMel};
use rand::Rng;

use crate::waveform::noise;

/// Length of the noise that is taken, in seconds; then it begins again.
const SECONDS: u32 = 30;
/// Least power of a mixture, as a share of its parts' sum.
const LEAST_POWER: f32 = 1e-4;

/// How white noise scatters in each frame and band.
#[derive(Debug, Clone, PartialEq)]
pub struct Texture {
    /// Power relative to the band's mean, `[frames, bands]`.
    powers: Vec<f32>,
    /// How much of the geometric mean of both powers, twice, their interference adds: -1 to 1.
    interference: Vec<f32>,
    bands: usize,
}

impl Texture {
    /// Measured on noise from `random`, with the features' own filters.
    ///
    /// # Errors
    /// Those of [`FeatureSpec::validate`].
    pub fn new(spec: &FeatureSpec, random: &mut impl Rng) -> Result<Self, FeatureError> {
        let mut log_mel = LogMel::new(spec)?;
        let samples = noise::coloured(
            spec.sample_rate_hz,
            (SECONDS * spec.sample_rate_hz) as usize,
            0.0,
            random,
        );
        let bands = spec.mel_bands;
        let mut row = vec![0.0; bands];
        let mut powers = Vec::new();
        for start in (0..=samples.len() - spec.fft).step_by(spec.hop) {
            log_mel.process(&samples[start..start + spec.fft], &mut row);
            powers.extend(row.iter().map(|db| 10.0_f32.powf(db / 10.0)));
        }
        let mut means = vec![0.0_f64; bands];
        for row in powers.chunks_exact(bands) {
            for (mean, power) in means.iter_mut().zip(row) {
                *mean += f64::from(*power);
            }
        }
        let frames = powers.len() / bands;
        for row in powers.chunks_exact_mut(bands) {
            for (power, mean) in row.iter_mut().zip(&means) {
                *power *= (frames as f64 / mean) as f32;
            }
        }
        Ok(Self {
            interference: interference(&powers, bands),
            powers,
            bands,
        })
    }

    /// Number of frames before it begins again.
    pub fn frames(&self) -> usize {
        self.powers.len() / self.bands
    }

    /// Adds noise of the mean powers `noise`, from the frame `place` on, to `signal`: the powers of one frame.
    ///
    /// They do not just add up: |S + N|² = |S|² + |N|² + 2·|S|·|N|·cos φ in each bin.
    pub fn add(&self, signal: &mut [f32], noise: impl Iterator<Item = f32>, place: usize) {
        let powers = self.row(&self.powers, place);
        let interference = self.row(&self.interference, place + self.frames() / 4);
        for (((signal, noise), power), interference) in signal.iter_mut().zip(noise).zip(powers).zip(interference) {
            let noise = noise * power;
            let sum = *signal + noise;
            *signal = (sum + 2.0 * (*signal * noise).sqrt() * interference).max(LEAST_POWER * sum);
        }
    }

    fn row<'a>(&self, values: &'a [f32], frame: usize) -> &'a [f32] {
        let start = frame % self.frames() * self.bands;
        &values[start..start + self.bands]
    }
}

/// From the powers at two places far apart. In a band of a single bin both are exponentially distributed, so
/// (p - p')/(p + p') is uniform and its sine, π/2 times, distributed as cos φ. With K bins, whose phases differ, the
/// interference has the variance 1/(2K), and the power 1/K.
fn interference(powers: &[f32], bands: usize) -> Vec<f32> {
    let frames = powers.len() / bands;
    let far = powers.iter().cycle().skip(frames / 2 * bands);
    let mut all: Vec<f32> = powers
        .iter()
        .zip(far)
        .map(|(own, other)| (std::f32::consts::FRAC_PI_2 * (own - other) / (own + other)).sin())
        .collect();
    for band in 0..bands {
        let variance = |values: &[f32], mean: f32| {
            let values = values.iter().skip(band).step_by(bands);
            values.map(|value| (value - mean).powi(2)).sum::<f32>() / frames as f32
        };
        let scale = (variance(powers, 1.0) / 2.0 / variance(&all, 0.0)).sqrt().min(1.0);
        all.iter_mut()
            .skip(band)
            .step_by(bands)
            .for_each(|value| *value *= scale);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clips::Extractors;
    use crate::seed::{Purpose, stream};
    use crate::synthetic::voice;
    use crate::waveform::Waveform;

    /// Mean and deviation in dB, band by band.
    fn moments(rows: &[f32], bands: usize) -> Vec<(f32, f32)> {
        let frames = (rows.len() / bands) as f32;
        let moment = |band: usize| {
            let values = || rows.iter().skip(band).step_by(bands);
            let mean = values().sum::<f32>() / frames;
            let variance = values().map(|value| (value - mean).powi(2)).sum::<f32>() / frames;
            (mean, variance.sqrt())
        };
        (0..bands).map(moment).collect()
    }

    #[test]
    fn narrow_bands_scatter_more_than_wide_ones() {
        let spec = FeatureSpec::standard();
        let texture = Texture::new(&spec, &mut stream(1, Purpose::Texture, 0, 0)).unwrap();
        let db: Vec<f32> = texture.powers.iter().map(|power| 10.0 * power.log10()).collect();
        let moments = moments(&db, spec.mel_bands);
        // The logarithm of a single bin's power deviates by 5.6 dB (π/√6 nepers).
        assert!((4.0..5.6).contains(&moments[3].1), "{:?}", moments[3]);
        assert!(moments[63].1 < 2.0, "{:?}", moments[63]);
        let mixed = |place: usize| {
            let mut signal = vec![1.0; spec.mel_bands];
            texture.add(&mut signal, std::iter::repeat(0.5), place);
            signal
        };
        assert_eq!(mixed(7), mixed(7 + texture.frames()));
        assert_ne!(mixed(7), mixed(8));
    }

    #[test]
    fn noise_over_a_voice_looks_as_if_it_had_been_recorded() {
        let spec = FeatureSpec::standard();
        let extractors = Extractors::default();
        let clean = voice(150.0, 4.0, 20.0, 1);
        let (clean_db, ..) = extractors.frames(&spec, &clean).unwrap();
        // White noise, 25 dB below full scale.
        let mut recorded = Waveform::of(&clean);
        noise::add(&mut recorded, 3e-3, 0.0, &mut stream(2, Purpose::Texture, 0, 0));
        let (recorded_db, ..) = extractors.frames(&spec, &recorded.into_recording()).unwrap();
        let mut alone = Waveform::of(&clean);
        alone.samples.fill(0.0);
        noise::add(&mut alone, 3e-3, 0.0, &mut stream(3, Purpose::Texture, 0, 0));
        let (alone_db, ..) = extractors.frames(&spec, &alone.into_recording()).unwrap();

        let bands = spec.mel_bands;
        let mut powers = vec![0.0; bands];
        for row in alone_db.chunks_exact(bands) {
            for (power, db) in powers.iter_mut().zip(row) {
                *power += 10.0_f32.powf(db / 10.0) * bands as f32 / alone_db.len() as f32;
            }
        }
        let texture = Texture::new(&spec, &mut stream(4, Purpose::Texture, 0, 0)).unwrap();
        let mut mixed_db = clean_db.clone();
        for (frame, row) in mixed_db.chunks_exact_mut(bands).enumerate() {
            row.iter_mut().for_each(|value| *value = 10.0_f32.powf(*value / 10.0));
            texture.add(row, powers.iter().copied(), frame + 100);
            row.iter_mut().for_each(|value| *value = 10.0 * value.log10());
        }
        for (band, (ours, theirs)) in moments(&mixed_db, bands)
            .iter()
            .zip(moments(&recorded_db, bands))
            .enumerate()
        {
            assert!(
                (ours.0 - theirs.0).abs() < 1.0,
                "band {band}: means {ours:?} {theirs:?}"
            );
            assert!(
                (ours.1 - theirs.1).abs() < 1.0,
                "band {band}: deviations {ours:?} {theirs:?}"
            );
        }
    }
}
