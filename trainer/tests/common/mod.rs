//! A tiny corpus in EMO-DB's layout, whose emotions differ in pitch and pace, and a recipe small enough for it.

// Each test binary uses a part of this.
#![allow(dead_code)]

pub mod front_end;

use std::f32::consts::TAU;
use std::path::Path;

/// Sample rate of the clips, in Hz.
const RATE_HZ: u32 = 16_000;
/// Length of the clips, in seconds.
const CLIP_S: f32 = 0.9;

/// EMO-DB's letters for the six emotions.
pub const LETTERS: [char; 6] = ['W', 'E', 'A', 'F', 'N', 'T'];

/// Writes `speakers` × six emotions × `versions` clips, named as in EMO-DB.
pub fn write_corpus(folder: &Path, speakers: usize, versions: usize) {
    for speaker in 0..speakers {
        for (place, letter) in LETTERS.into_iter().enumerate() {
            for version in 0..versions {
                let suffix = (b'a' + version as u8) as char;
                let path = folder.join(format!("{:02}a01{letter}{suffix}.wav", speaker + 3));
                let pitch_hz = 90.0 * 1.35_f32.powi(place as i32) * (1.0 + 0.02 * speaker as f32);
                let syllables_hz = 3.0 + 1.5 * ((place * 5) % 6) as f32 + 0.1 * version as f32;
                write_wav(&path, &voice(pitch_hz, syllables_hz, 1.0 + 0.2 * speaker as f32));
            }
        }
    }
}

/// A harmonic tone with two formants, in syllables.
fn voice(pitch_hz: f32, syllables_hz: f32, gain: f32) -> Vec<f32> {
    (0..(CLIP_S * RATE_HZ as f32) as usize)
        .map(|index| {
            let time = index as f32 / RATE_HZ as f32;
            let syllable = 0.55 - 0.45 * (TAU * syllables_hz * time).cos();
            let harmonics = (1..=20).map(|harmonic| {
                let frequency = pitch_hz * harmonic as f32;
                let formants = 1.0 / (1.0 + ((frequency - 600.0) / 300.0).powi(2))
                    + 0.5 / (1.0 + ((frequency - 1_700.0) / 400.0).powi(2));
                formants * (TAU * frequency * time).sin()
            });
            0.1 * gain * syllable * harmonics.sum::<f32>()
        })
        .collect()
}

/// Writes mono 16-bit PCM.
pub fn write_wav(path: &Path, samples: &[f32]) {
    let mut bytes = Vec::new();
    let data_length = 2 * samples.len() as u32;
    bytes.extend(b"RIFF");
    bytes.extend((36 + data_length).to_le_bytes());
    bytes.extend(b"WAVEfmt ");
    bytes.extend(16_u32.to_le_bytes());
    // PCM, one channel.
    bytes.extend([1_u16, 1].map(u16::to_le_bytes).concat());
    bytes.extend([RATE_HZ, 2 * RATE_HZ].map(u32::to_le_bytes).concat());
    // Bytes per frame, bits per sample.
    bytes.extend([2_u16, 16].map(u16::to_le_bytes).concat());
    bytes.extend(b"data");
    bytes.extend(data_length.to_le_bytes());
    for sample in samples {
        bytes.extend(((sample.clamp(-1.0, 1.0) * 32_767.0) as i16).to_le_bytes());
    }
    std::fs::write(path, bytes).unwrap();
}

/// A network that learns the tiny corpus in seconds.
pub const TINY_RECIPE: &str = "
[window]
frames = 100
hop_frames = 10

[network]
conv_filters = 16
conv_kernel = 5
pool = 4
lstm_layers = 2
lstm_units = 16
dense_units = 16
dropout = 0.1

[training]
epochs = 30
batch = 12
learning_rate = 2e-2
warmup_epochs = 1.0
weight_decay = 1e-3
clip_norm = 1.0
patience = 30

[sampling]
earliest_end = 0.8
cold_share = 0.2
most_session_clips = 8

[split]
validation = 0.2
test = 0.2
";
