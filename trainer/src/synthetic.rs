//! Synthetic voices for tests: a harmonic tone with formants, vibrato and syllables. Not for training.

use affekt_features::recording::Recording;
use rand::Rng;

use crate::seed::{Purpose, stream};

/// Sample rate of the synthetic voices, in Hz.
const RATE_HZ: u32 = 16_000;

/// A voice at `pitch_hz` with `syllables_hz` syllables per second, `seconds` long, over a little noise.
pub fn voice(pitch_hz: f32, syllables_hz: f32, seconds: f32, seed: u64) -> Recording {
    use std::f32::consts::TAU;

    let mut random = stream(seed, Purpose::Sample, 0, 0);
    let mut phase = 0.0;
    let samples = (0..(seconds * RATE_HZ as f32) as usize)
        .map(|index| {
            let time = index as f32 / RATE_HZ as f32;
            let pitch = pitch_hz * (1.0 + 0.03 * (TAU * 5.5 * time).sin());
            phase = (phase + pitch / RATE_HZ as f32) % 1.0;
            let harmonics = (1..=24).map(|harmonic| {
                let frequency = pitch * harmonic as f32;
                let formants = 1.0 / (1.0 + ((frequency - 600.0) / 300.0).powi(2))
                    + 0.5 / (1.0 + ((frequency - 1700.0) / 400.0).powi(2));
                formants * (TAU * phase * harmonic as f32).sin()
            });
            let syllable = 0.5 - 0.5 * (TAU * syllables_hz * time).cos();
            0.2 * syllable * harmonics.sum::<f32>() + random.random_range(-1e-4..1e-4)
        })
        .collect();
    Recording {
        sample_rate_hz: RATE_HZ,
        channels: vec![samples],
    }
}

/// Writes it as a wav file of floats.
pub fn write_wav(path: &std::path::Path, recording: &Recording) {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: recording.sample_rate_hz,
        bits_per_sample: 32,
        sample_format: hound::SampleFormat::Float,
    };
    let mut file = hound::WavWriter::create(path, spec).unwrap();
    recording.channels[0]
        .iter()
        .for_each(|sample| file.write_sample(*sample).unwrap());
    file.finalize().unwrap();
}
