//! Background noise.

use rand::Rng;
use rand_distr::{Distribution, StandardNormal};
use realfft::RealFftPlanner;
use realfft::num_complex::Complex;

/// Lowest frequency in the noise, in Hz.
const LOW_HZ: f64 = 20.0;
/// Highest, in Hz: the models hear nothing above it, and at every sample rate the same noise is as loud to them.
const HIGH_HZ: f64 = 8_000.0;

/// Noise with power falling as 1 / frequency to the `slope` (0: white, 1: pink, 2: brown) between 20 Hz and 8 kHz,
/// with a mean power of 1 over its `length` samples.
///
/// Made in the domain of frequencies from Gaussian amplitudes (Timmer and König, 1995).
pub fn coloured(rate_hz: u32, length: usize, slope: f64, random: &mut impl Rng) -> Vec<f32> {
    let size = length.next_power_of_two().max(2);
    let backward = RealFftPlanner::<f32>::new().plan_fft_inverse(size);
    let mut spectrum = backward.make_input_vec();
    let (last, bin_hz) = (spectrum.len() - 1, f64::from(rate_hz) / size as f64);
    for (bin, value) in spectrum.iter_mut().enumerate() {
        let hz = bin as f64 * bin_hz;
        let mut normal = || -> f32 { StandardNormal.sample(random) };
        let (re, im) = (normal(), normal());
        // Neither the mean nor the highest bin, which have no phase.
        if (LOW_HZ..=HIGH_HZ).contains(&hz) && bin < last {
            *value = Complex::new(re, im).scale((hz / LOW_HZ).powf(-slope / 2.0) as f32);
        }
    }
    let mut noise = backward.make_output_vec();
    backward
        .process(&mut spectrum, &mut noise)
        .expect("both have the sizes that the transform asked for");
    noise.truncate(length);
    let energy: f64 = noise.iter().map(|sample| f64::from(*sample).powi(2)).sum();
    if energy > 0.0 {
        let scale = (length as f64 / energy).sqrt() as f32;
        noise.iter_mut().for_each(|sample| *sample *= scale);
    }
    noise
}

/// Adds noise of mean power `power` and the given [`coloured`] slope.
pub fn add(waveform: &mut super::Waveform, power: f64, slope: f64, random: &mut impl Rng) {
    let noise = coloured(waveform.rate_hz, waveform.samples.len(), slope, random);
    let scale = power.sqrt() as f32;
    for (sample, noise) in waveform.samples.iter_mut().zip(noise) {
        *sample += scale * noise;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::{Purpose, stream};
    use crate::waveform::{Waveform, band_limit};

    fn power(samples: &[f32]) -> f64 {
        samples.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>() / samples.len() as f64
    }

    /// Power between two frequencies, in dB.
    fn band_db(noise: &[f32], low_hz: f64, high_hz: f64) -> f64 {
        let mut waveform = Waveform {
            rate_hz: 16_000,
            samples: noise.to_vec(),
        };
        band_limit::limit(&mut waveform, low_hz, high_hz);
        10.0 * power(&waveform.samples).log10()
    }

    #[test]
    fn pink_noise_has_the_power_that_was_asked_for_the_same_in_every_octave() {
        let mut random = stream(1, Purpose::Condition, 0, 0);
        let noise = coloured(16_000, 100_000, 1.0, &mut random);
        assert_eq!(noise.len(), 100_000);
        assert!((power(&noise) - 1.0).abs() < 1e-5);
        let (low, high) = (band_db(&noise, 200.0, 400.0), band_db(&noise, 2_000.0, 4_000.0));
        assert!((low - high).abs() < 1.0, "{low} {high}");
        let white = coloured(16_000, 100_000, 0.0, &mut random);
        let rise = band_db(&white, 2_000.0, 4_000.0) - band_db(&white, 200.0, 400.0);
        assert!((rise - 10.0).abs() < 1.5, "{rise}");
        // The same in the models' band at a higher rate.
        let above = coloured(48_000, 100_000, 1.0, &mut random);
        let mut waveform = Waveform {
            rate_hz: 48_000,
            samples: above,
        };
        band_limit::limit(&mut waveform, 0.0, 8_500.0);
        assert!((power(&waveform.samples) - 1.0).abs() < 0.02);
    }

    #[test]
    fn noise_is_added_at_its_power_and_short_recordings_are_no_trouble() {
        let mut random = stream(2, Purpose::Condition, 0, 0);
        for length in [0, 1, 2, 3, 5_000] {
            let mut waveform = Waveform {
                rate_hz: 16_000,
                samples: vec![0.0; length],
            };
            add(&mut waveform, 0.04, 1.0, &mut random);
            assert!(waveform.samples.iter().all(|sample| sample.is_finite()));
            if length > 100 {
                assert!((power(&waveform.samples) - 0.04).abs() < 1e-6);
            }
        }
    }
}
