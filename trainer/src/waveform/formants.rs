//! Formants of a voice, without its pitch.

use std::f32::consts::{LN_10, TAU};

use realfft::RealFftPlanner;
use realfft::num_complex::Complex;

use super::Waveform;

/// Shortest frame, in seconds: two periods of a low voice. The next power of two above it is taken.
const FRAME_S: f64 = 0.024;
/// Frames that cover each sample.
const OVERLAP: usize = 4;
/// Longest quefrency of the envelope, in seconds: less than a period of a high voice.
const ENVELOPE_S: f64 = 0.0015;
/// Strongest change of any frequency, in nepers (20 dB): between formants there may be nothing to amplify.
const MOST_NEPERS: f32 = LN_10;
/// Least power beside the frame's greatest that the envelope follows.
const FLOOR: f32 = 1e-8;

/// Multiplies the frequencies of all formants by `factor`; the harmonics stay where they are.
///
/// Frame by frame the spectral envelope is smoothed by its cepstrum (Noll, 1964; as used for voices by Röbel and Rodet,
/// 2005), and the spectrum is filtered from its own envelope to the stretched one.
pub fn shift(waveform: &mut Waveform, factor: f64) {
    let rate = f64::from(waveform.rate_hz);
    let size = ((FRAME_S * rate) as usize).next_power_of_two().max(16);
    let hop = size / OVERLAP;
    let terms = ((ENVELOPE_S * rate) as usize).clamp(2, size / 2 - 1);
    let window: Vec<f32> = (0..size)
        .map(|place| 0.5 - 0.5 * (TAU * place as f32 / size as f32).cos())
        .collect();
    // Squared Hann windows at a quarter of their length sum to 3/2; the transforms multiply by `size`.
    let scale = 1.0 / (1.5 * size as f32) * (4.0 / OVERLAP as f32);

    let mut planner = RealFftPlanner::<f32>::new();
    let (forward, backward) = (planner.plan_fft_forward(size), planner.plan_fft_inverse(size));
    let (mut frame, mut spectrum) = (forward.make_input_vec(), forward.make_output_vec());
    let mut cepstrum = backward.make_output_vec();
    let bins = spectrum.len();
    let mut envelope = vec![0.0_f32; bins];

    let length = waveform.samples.len();
    let mut out = vec![0.0; length];
    let transforms = "buffers have the sizes that the transforms asked for";
    for number in 0..length.div_ceil(hop) + OVERLAP - 1 {
        // The first frames begin before the recording, so that each sample is covered equally often.
        let start = (number * hop) as isize - (size - hop) as isize;
        let sample = |place: usize| usize::try_from(start + place as isize).ok();
        for (place, value) in frame.iter_mut().enumerate() {
            let heard = sample(place).and_then(|index| waveform.samples.get(index));
            *value = heard.copied().unwrap_or(0.0) * window[place];
        }
        forward.process(&mut frame, &mut spectrum).expect(transforms);

        let most = spectrum.iter().map(Complex::norm_sqr).fold(1e-20, f32::max);
        let mut logs: Vec<Complex<f32>> = spectrum
            .iter()
            .map(|value| Complex::new(0.5 * value.norm_sqr().max(FLOOR * most).ln(), 0.0))
            .collect();
        backward.process(&mut logs, &mut cepstrum).expect(transforms);
        // A lifter that falls softly; the second half of the cepstrum mirrors the first.
        for place in 1..=size / 2 {
            let share = match place <= terms {
                true => 0.5 + 0.5 * (0.5 * TAU * place as f32 / (terms + 1) as f32).cos(),
                false => 0.0,
            };
            cepstrum[place] *= share;
            cepstrum[size - place] = cepstrum[place];
        }
        let mut smooth = forward.make_output_vec();
        forward.process(&mut cepstrum, &mut smooth).expect(transforms);
        for (to, from) in envelope.iter_mut().zip(&smooth) {
            *to = from.re / size as f32;
        }
        for (bin, value) in spectrum.iter_mut().enumerate() {
            let source = (bin as f64 / factor).min((bins - 1) as f64);
            let (below, share) = (source as usize, source.fract() as f32);
            let above = (below + 1).min(bins - 1);
            let wanted = envelope[below] + share * (envelope[above] - envelope[below]);
            *value *= (wanted - envelope[bin]).clamp(-MOST_NEPERS, MOST_NEPERS).exp();
        }
        (spectrum[0].im, spectrum[bins - 1].im) = (0.0, 0.0);
        backward.process(&mut spectrum, &mut frame).expect(transforms);
        for (place, value) in frame.iter().enumerate() {
            if let Some(out) = sample(place).and_then(|index| out.get_mut(index)) {
                *out += value * window[place] * scale;
            }
        }
    }
    waveform.samples = out;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synthetic::voice;
    use crate::waveform::pitch_shift::tests::{formant_hz, pitch_hz};

    #[test]
    fn nothing_changes_with_a_factor_of_one() {
        let original = Waveform::of(&voice(150.0, 2.0, 1.0, 1));
        let mut same = original.clone();
        shift(&mut same, 1.0);
        for (own, expected) in same.samples.iter().zip(&original.samples) {
            assert!((own - expected).abs() < 1e-4, "{own} is not {expected}");
        }
    }

    #[test]
    fn formants_move_and_the_pitch_stays() {
        let original = Waveform::of(&voice(120.0, 2.0, 2.0, 1));
        for (factor, least) in [(1.2, 30.0), (0.8, 30.0)] {
            let mut moved = original.clone();
            shift(&mut moved, factor);
            // The voice's vibrato reaches as far.
            let ratio = pitch_hz(&moved) / pitch_hz(&original);
            assert!((ratio - 1.0).abs() < 0.05, "{factor}: {ratio}");
            let by = (formant_hz(&moved) - formant_hz(&original)) * (factor - 1.0_f64).signum();
            assert!(by > least, "{factor}: {by}");
        }
    }

    #[test]
    fn short_and_silent_recordings_are_no_trouble() {
        for length in [0, 1, 700] {
            let mut silence = Waveform {
                rate_hz: 44_100,
                samples: vec![0.0; length],
            };
            shift(&mut silence, 1.3);
            assert!(silence.samples.len() == length && silence.samples.iter().all(|sample| *sample == 0.0));
        }
    }
}
