//! Pitch of a voice, without its pace; its formants stay where they are or move along.

use realfft::RealFftPlanner;
use realfft::num_complex::Complex;
use serde::{Deserialize, Serialize};

use super::{Waveform, formants, time_stretch};

/// Lengths are padded to a multiple of this, whose transforms are fast.
const PADDING: usize = 1_024;

/// What becomes of the formants when the pitch is shifted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Formants {
    /// They stay: the same person sings higher.
    #[default]
    Kept,
    /// They move along: a smaller person sings.
    Moved,
}

/// Shifts the pitch by `semitones`: the recording is stretched in time and then played back faster (or slower).
pub fn shift(waveform: &mut Waveform, semitones: f64, formants: Formants) {
    let factor = (semitones / 12.0).exp2();
    let length = waveform.samples.len();
    time_stretch::stretch(waveform, 1.0 / factor);
    waveform.samples = faster(&waveform.samples, factor);
    // The stretch gives whole periods of its own; the recording shall be as long as before.
    waveform.samples.resize(length, 0.0);
    if formants == Formants::Kept {
        formants::shift(waveform, 1.0 / factor);
    }
}

/// Played back `factor` times as fast: as many samples fewer, by cutting (or padding) the spectrum.
fn faster(samples: &[f32], factor: f64) -> Vec<f32> {
    if samples.is_empty() {
        return Vec::new();
    }
    // Silence behind the end also keeps it from reaching round to the start.
    let before = (samples.len() + PADDING).next_multiple_of(PADDING);
    let after = ((before as f64 / factor).round() as usize).max(2);
    let mut planner = RealFftPlanner::<f32>::new();
    let (forward, backward) = (planner.plan_fft_forward(before), planner.plan_fft_inverse(after));
    let mut padded = forward.make_input_vec();
    padded[..samples.len()].copy_from_slice(samples);
    let mut spectrum = forward.make_output_vec();
    forward
        .process(&mut padded, &mut spectrum)
        .expect("both have the sizes that the transform asked for");
    let mut resampled = backward.make_input_vec();
    let scale = 1.0 / before as f32;
    // Not the highest bin of either, which has no phase.
    let common = (spectrum.len() - 1).min(resampled.len() - 1);
    for (to, from) in resampled.iter_mut().zip(&spectrum[..common]) {
        *to = from * scale;
    }
    resampled[0] = Complex::new(resampled[0].re, 0.0);
    let mut played = backward.make_output_vec();
    backward
        .process(&mut resampled, &mut played)
        .expect("both have the sizes that the transform asked for");
    played.truncate((samples.len() as f64 / factor).round() as usize);
    played
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::synthetic::voice;

    /// Pitch of the loudest 0.1 s, in Hz, by the highest peak of the autocorrelation.
    pub fn pitch_hz(waveform: &Waveform) -> f64 {
        let part = loudest(waveform, waveform.rate_hz as usize / 10);
        let rate = f64::from(waveform.rate_hz);
        let score = |lag: usize| {
            let products = part.iter().zip(&part[lag..]).map(|(a, b)| f64::from(a * b));
            products.sum::<f64>() / (part.len() - lag) as f64
        };
        let lags = (rate / 400.0) as usize..(rate / 80.0) as usize;
        let best = lags.max_by(|a, b| score(*a).total_cmp(&score(*b))).unwrap();
        rate / best as f64
    }

    /// Centre of the spectrum between 300 and 1000 Hz, in Hz: where the synthetic voice's first formant lies.
    pub fn formant_hz(waveform: &Waveform) -> f64 {
        let size = 4_096;
        let forward = RealFftPlanner::<f32>::new().plan_fft_forward(size);
        let mut part = loudest(waveform, size).to_vec();
        let mut spectrum = forward.make_output_vec();
        forward.process(&mut part, &mut spectrum).unwrap();
        let bin_hz = f64::from(waveform.rate_hz) / size as f64;
        let bins = spectrum
            .iter()
            .enumerate()
            .map(|(bin, value)| (bin as f64 * bin_hz, f64::from(value.norm_sqr())));
        let (mut sum, mut weight) = (0.0, 0.0);
        for (hz, power) in bins.filter(|(hz, _)| (300.0..1_000.0).contains(hz)) {
            sum += hz * power;
            weight += power;
        }
        sum / weight
    }

    fn loudest(waveform: &Waveform, length: usize) -> &[f32] {
        let power = |part: &&[f32]| part.iter().map(|sample| f64::from(sample * sample)).sum::<f64>();
        let parts = waveform.samples.windows(length).step_by(length / 4);
        parts.max_by(|a, b| power(a).total_cmp(&power(b))).unwrap()
    }

    #[test]
    fn pitch_moves_and_formants_stay_or_move_along() {
        let original = Waveform::of(&voice(150.0, 2.0, 2.0, 1));
        let (pitch, formant) = (pitch_hz(&original), formant_hz(&original));
        for semitones in [-3.0, 3.0] {
            let factor = f64::exp2(semitones / 12.0);
            let [kept, moved] = [Formants::Kept, Formants::Moved].map(|formants| {
                let mut shifted = original.clone();
                shift(&mut shifted, semitones, formants);
                assert_eq!(shifted.samples.len(), original.samples.len());
                assert!(shifted.samples.iter().all(|sample| sample.is_finite()));
                let ratio = pitch_hz(&shifted) / pitch;
                assert!((ratio / factor - 1.0).abs() < 0.03, "{semitones}: {ratio}");
                formant_hz(&shifted)
            });
            let towards = (moved - formant) * semitones.signum();
            assert!(towards > 30.0, "{semitones}: {formant} moved to {moved}");
            assert!(
                (kept - formant).abs() < 0.5 * towards,
                "{semitones}: {formant}, {kept}, {moved}"
            );
        }
    }

    #[test]
    fn resampling_is_exact_for_a_tone() {
        let tone = |length: usize, step: f64| -> Vec<f32> {
            (0..length).map(|place| (step * place as f64).sin() as f32).collect()
        };
        // 17 408 padded samples become 13 600.
        let played = faster(&tone(16_000, 0.1), 1.28);
        assert_eq!(played.len(), 12_500);
        for (own, expected) in played.iter().zip(tone(12_500, 0.128)).skip(2_000).take(8_000) {
            assert!((own - expected).abs() < 2e-3);
        }
        assert!(faster(&[], 1.2).is_empty());
    }
}
