//! Signals for tests: noise, awkward numbers, and recordings as files.

use std::{fs::File, io::Write, path::Path};

/// A small generator of pseudo-random numbers (xorshift64*, Vigna 2016), so that tests repeat exactly.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// A generator of its own sequence for every seed.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// The next 64 bits.
    pub fn next_bits(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// Evenly distributed in 0 to 1, 1 excluded.
    pub fn unit(&mut self) -> f64 {
        (self.next_bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Evenly distributed in `0..bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.unit() * bound as f64) as usize
    }
}

/// White noise, full scale ±`level`.
pub fn noise(seed: u64, frames: usize, level: f32) -> Vec<f32> {
    let mut random = Random::new(seed);
    (0..frames)
        .map(|_| (random.unit() as f32 * 2.0 - 1.0) * level)
        .collect()
}

/// Numbers that break careless code, one after the other: NaNs, infinities, denormals, signed zeros, huge ones.
pub fn awkward(frames: usize) -> Vec<f32> {
    const NUMBERS: [f32; 12] = [
        f32::NAN,
        f32::from_bits(0xFFC0_1234),
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::from_bits(1),
        f32::from_bits(0x807F_FFFF),
        f32::MIN_POSITIVE,
        0.0,
        -0.0,
        f32::MAX,
        f32::MIN,
        1.0e-20,
    ];
    NUMBERS.into_iter().cycle().take(frames).collect()
}

/// The signal at another rate, by straight lines between the samples: good enough for a test signal.
pub fn at_rate(signal: &[f32], from_hz: u32, to_hz: u32) -> Vec<f32> {
    let frames = (signal.len() as u64 * u64::from(to_hz) / u64::from(from_hz)) as usize;
    (0..frames)
        .map(|frame| {
            let place = frame as f64 * f64::from(from_hz) / f64::from(to_hz);
            let before = signal[place as usize];
            let after = signal.get(place as usize + 1).copied().unwrap_or(before);
            before + (after - before) * place.fract() as f32
        })
        .collect()
}

/// Writes a wav file of 32-bit floats.
pub fn write_wav(path: &Path, channels: &[Vec<f32>], sample_rate_hz: u32) -> std::io::Result<()> {
    const FLOAT: u16 = 3;
    const SAMPLE_BYTES: u32 = 4;
    let frames = channels.iter().map(Vec::len).min().unwrap_or(0);
    let frame_bytes = channels.len() as u32 * SAMPLE_BYTES;
    let data_bytes = frames as u32 * frame_bytes;
    let mut bytes = Vec::with_capacity(44 + data_bytes as usize);
    bytes.extend_from_slice(b"RIFF");
    bytes.extend_from_slice(&(36 + data_bytes).to_le_bytes());
    bytes.extend_from_slice(b"WAVEfmt ");
    bytes.extend_from_slice(&16_u32.to_le_bytes());
    bytes.extend_from_slice(&FLOAT.to_le_bytes());
    bytes.extend_from_slice(&(channels.len() as u16).to_le_bytes());
    bytes.extend_from_slice(&sample_rate_hz.to_le_bytes());
    bytes.extend_from_slice(&(sample_rate_hz * frame_bytes).to_le_bytes());
    bytes.extend_from_slice(&(frame_bytes as u16).to_le_bytes());
    bytes.extend_from_slice(&(SAMPLE_BYTES as u16 * 8).to_le_bytes());
    bytes.extend_from_slice(b"data");
    bytes.extend_from_slice(&data_bytes.to_le_bytes());
    for frame in 0..frames {
        for channel in channels {
            bytes.extend_from_slice(&channel[frame].to_le_bytes());
        }
    }
    File::create(path)?.write_all(&bytes)
}

#[cfg(test)]
mod tests {
    use affekt_features::recording::Recording;

    use super::*;

    #[test]
    fn a_written_wav_reads_back_bit_for_bit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("noise.wav");
        let channels = vec![noise(1, 1_000, 0.9), noise(2, 1_000, 0.1)];
        write_wav(&path, &channels, 44_100).unwrap();
        let recording = Recording::read(&path).unwrap();
        assert_eq!(recording.sample_rate_hz, 44_100);
        assert_eq!(recording.channels, channels);
    }

    #[test]
    fn another_rate_keeps_the_signal_in_place() {
        let ramp: Vec<f32> = (0..1_000).map(|sample| sample as f32).collect();
        let doubled = at_rate(&ramp, 8_000, 16_000);
        assert_eq!(doubled.len(), 2_000);
        for (frame, value) in doubled.iter().take(1_998).enumerate() {
            assert!((value - frame as f32 / 2.0).abs() < 1e-3, "frame {frame}");
        }
    }
}
