use std::sync::Arc;

use realfft::num_complex::Complex;
use realfft::{RealFftPlanner, RealToComplex};

use crate::{FeatureError, FeatureSpec};

/// Least power that is told from silence (librosa's `amin`): -100 dB.
const MIN_POWER: f32 = 1e-10;
/// Content below this counts for no level, in Hz: rumble, handling noise and most of mains hum.
const LEVEL_LOW_CUT_HZ: f64 = 80.0;
/// Least level that is told from silence, in dBFS.
const MIN_LEVEL_DB: f32 = -120.0;
/// Partial sums of the filters and the level: as many as the narrowest vector registers hold floats.
const LANES: usize = 4;

/// Log mel power of one frame at the spec's rate: periodic Hann window, power spectrum, Slaney mel bands, dB.
/// Equals librosa 0.11's `power_to_db(melspectrogram(center=False), top_db=None)` within 1e-3 dB.
///
/// As in librosa, a frame is `fft` samples long and the shorter window lies in its middle. The FFT is of doubles:
/// in a frame of a clear voice some bands lie 80 dB and more below others, where the rounding of floats shows.
pub struct LogMel {
    fft: Arc<dyn RealToComplex<f64>>,
    /// Offset of the window in the frame, in samples.
    window_start: usize,
    window: Vec<f64>,
    windowed: Vec<f64>,
    spectrum: Vec<Complex<f64>>,
    scratch: Vec<Complex<f64>>,
    /// One-sided power spectrum, then zeros for the filters' surplus weights.
    power: Vec<f32>,
    filters: Vec<Filter>,
    weights: Vec<[f32; LANES]>,
    /// First FFT bin that counts for the level.
    level_bin: usize,
    /// Mean square of the frame's samples per summed one-sided power.
    level_scale: f32,
}

/// Where one triangular mel filter is not zero.
struct Filter {
    /// First FFT bin.
    bin: usize,
    /// First entry in `LogMel::weights`.
    weight: usize,
    /// Number of entries. The last one is filled up with zeros.
    len: usize,
}

impl LogMel {
    /// Plans the FFT and tabulates window and filters.
    ///
    /// # Errors
    /// Those of [`FeatureSpec::validate`].
    pub fn new(spec: &FeatureSpec) -> Result<Self, FeatureError> {
        spec.validate()?;
        let fft = RealFftPlanner::<f64>::new().plan_fft_forward(spec.fft);
        let window: Vec<f64> = (0..spec.window)
            .map(|n| 0.5 - 0.5 * (std::f64::consts::TAU * n as f64 / spec.window as f64).cos())
            .collect();
        let (filters, weights) = mel_filters(spec);
        let energy: f64 = window.iter().map(|w| w * w).sum();
        let bin_hz = f64::from(spec.sample_rate_hz) / spec.fft as f64;
        Ok(Self {
            window_start: (spec.fft - spec.window) / 2,
            window,
            windowed: fft.make_input_vec(),
            spectrum: fft.make_output_vec(),
            scratch: fft.make_scratch_vec(),
            power: vec![0.0; spec.fft / 2 + 1 + LANES],
            filters,
            weights,
            level_bin: (LEVEL_LOW_CUT_HZ / bin_hz).ceil() as usize,
            // Parseval: the squares of the windowed samples sum to the two-sided power over the FFT length.
            level_scale: (2.0 / (spec.fft as f64 * energy)) as f32,
            fft,
        })
    }

    /// `samples`: the spec's `fft` samples; `bands_db`: one per mel band. Returns the frame's level in dBFS:
    /// the RMS under the window of what lies above about 80 Hz (an offset is 30 dB down), at least -120;
    /// a full-scale sine has -3.01.
    /// All values are finite, whatever the samples are.
    ///
    /// # Panics
    /// If `samples` is shorter than a frame.
    pub fn process(&mut self, samples: &[f32], bands_db: &mut [f32]) -> f32 {
        let window = self.window_start..self.window_start + self.window.len();
        self.windowed.fill(0.0);
        for ((windowed, sample), weight) in self.windowed[window.clone()]
            .iter_mut()
            .zip(&samples[window])
            .zip(&self.window)
        {
            *windowed = f64::from(*sample) * weight;
        }
        self.fft
            .process_with_scratch(&mut self.windowed, &mut self.spectrum, &mut self.scratch)
            .expect("the buffers were made for this plan");
        for (power, bin) in self.power.iter_mut().zip(&self.spectrum) {
            *power = bin.norm_sqr() as f32;
        }
        for (band, filter) in bands_db.iter_mut().zip(&self.filters) {
            let weights = &self.weights[filter.weight..filter.weight + filter.len];
            *band = weighted_sum(&self.power[filter.bin..], weights).max(MIN_POWER);
        }
        to_decibels(bands_db);
        let mut level = [sum(&self.power[self.level_bin..]) * self.level_scale];
        level[0] = level[0].max(f32::MIN_POSITIVE);
        to_decibels(&mut level);
        level[0].max(MIN_LEVEL_DB)
    }
}

fn weighted_sum(values: &[f32], weights: &[[f32; LANES]]) -> f32 {
    let mut sums = [0.0; LANES];
    for (values, weights) in values.chunks_exact(LANES).zip(weights) {
        for ((sum, value), weight) in sums.iter_mut().zip(values).zip(weights) {
            *sum += value * weight;
        }
    }
    sums.iter().sum()
}

fn sum(values: &[f32]) -> f32 {
    let mut sums = [0.0; 2 * LANES];
    for values in values.chunks(2 * LANES) {
        sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
    }
    sums.iter().sum()
}

/// Turns powers, positive normal numbers, into dB: within 6e-5 dB, within 3e-5 dB between -150 and 150.
///
/// `log10` of the C library would be a third of the whole frame's time. Here x = m·2^e with m within a factor of √2 of 1,
/// and ln m = 2·artanh((m - 1)/(m + 1)), of whose series four terms leave 3e-8.
fn to_decibels(values: &mut [f32]) {
    const SQRT_HALF_BITS: u32 = std::f32::consts::FRAC_1_SQRT_2.to_bits();
    const DB_PER_OCTAVE: f32 = 10.0 * std::f32::consts::LOG10_2;
    const DB_PER_NEPER: f32 = 10.0 * std::f32::consts::LOG10_E;
    for value in values {
        let exponent = (value.to_bits() as i32).wrapping_sub(SQRT_HALF_BITS as i32) >> (f32::MANTISSA_DIGITS - 1);
        let mantissa =
            f32::from_bits((value.to_bits() as i32).wrapping_sub(exponent << (f32::MANTISSA_DIGITS - 1)) as u32);
        let ratio = (mantissa - 1.0) / (mantissa + 1.0);
        let square = ratio * ratio;
        let series = 1.0 + square * (1.0 / 3.0 + square * (1.0 / 5.0 + square * (1.0 / 7.0)));
        *value = DB_PER_OCTAVE * exponent as f32 + DB_PER_NEPER * 2.0 * ratio * series;
    }
}

/// Triangular filters, equally wide in Slaney's mel, each of unit area over Hz, as librosa's
/// `filters.mel(htk=False, norm="slaney")`.
fn mel_filters(spec: &FeatureSpec) -> (Vec<Filter>, Vec<[f32; LANES]>) {
    let (low, high) = (
        hz_to_mel(f64::from(spec.mel_low_hz)),
        hz_to_mel(f64::from(spec.mel_high_hz)),
    );
    let corners: Vec<f64> = (0..spec.mel_bands + 2)
        .map(|n| mel_to_hz(low + (high - low) * n as f64 / (spec.mel_bands + 1) as f64))
        .collect();
    let bin_hz = f64::from(spec.sample_rate_hz) / spec.fft as f64;
    let mut filters = Vec::with_capacity(spec.mel_bands);
    let mut weights = Vec::new();
    for corner in corners.windows(3) {
        let weight = |bin: usize| {
            let hz = bin as f64 * bin_hz;
            let rising = (hz - corner[0]) / (corner[1] - corner[0]);
            let falling = (corner[2] - hz) / (corner[2] - corner[1]);
            rising.min(falling).max(0.0) * 2.0 / (corner[2] - corner[0])
        };
        let bins = 0..spec.fft / 2 + 1;
        let first = bins.clone().find(|bin| weight(*bin) > 0.0).unwrap_or(0);
        let end = first + bins.skip(first).take_while(|bin| weight(*bin) > 0.0).count();
        filters.push(Filter {
            bin: first,
            weight: weights.len(),
            len: (end - first).div_ceil(LANES),
        });
        weights.extend((first..end).step_by(LANES).map(|start| {
            std::array::from_fn(|lane| {
                if start + lane < end {
                    weight(start + lane) as f32
                } else {
                    0.0
                }
            })
        }));
    }
    (filters, weights)
}

/// Where Slaney's scale turns from linear to logarithmic, in Hz and in mel
/// (M. Slaney, Auditory Toolbox, Interval Research report 1998-010).
const MEL_KNEE_HZ: f64 = 1000.0;
const MEL_KNEE: f64 = 15.0;
/// Hz per mel below the knee.
const HZ_PER_MEL: f64 = 200.0 / 3.0;

/// Natural logarithm of the ratio of two frequencies a mel apart above the knee: 27 mel make a factor of 6.4.
fn log_step() -> f64 {
    6.4_f64.ln() / 27.0
}

fn hz_to_mel(hz: f64) -> f64 {
    if hz < MEL_KNEE_HZ {
        hz / HZ_PER_MEL
    } else {
        MEL_KNEE + (hz / MEL_KNEE_HZ).ln() / log_step()
    }
}

fn mel_to_hz(mel: f64) -> f64 {
    if mel < MEL_KNEE {
        mel * HZ_PER_MEL
    } else {
        MEL_KNEE_HZ * (log_step() * (mel - MEL_KNEE)).exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standard() -> LogMel {
        LogMel::new(&FeatureSpec::standard()).unwrap()
    }

    fn sine(hz: f64, amplitude: f64) -> Vec<f32> {
        (0..512)
            .map(|n| (amplitude * (std::f64::consts::TAU * hz * n as f64 / 16_000.0 + 0.3).sin()) as f32)
            .collect()
    }

    #[test]
    fn decibels_are_ten_log10() {
        let mut power = f32::MIN_POSITIVE;
        let (mut largest, mut largest_inside) = (0.0_f64, 0.0_f64);
        while power.is_finite() {
            let mut value = [power];
            to_decibels(&mut value);
            let error = (f64::from(value[0]) - 10.0 * f64::from(power).log10()).abs();
            largest = largest.max(error);
            if (1e-15..1e15).contains(&power) {
                largest_inside = largest_inside.max(error);
            }
            power *= 1.000_137;
        }
        assert!(largest < 6e-5, "{largest} dB");
        assert!(largest_inside < 3e-5, "{largest_inside} dB");
        let mut one = [1.0];
        to_decibels(&mut one);
        assert_eq!(one[0], 0.0);
    }

    #[test]
    fn a_full_scale_sine_has_minus_three_dbfs() {
        let mut bands = [0.0; 64];
        for hz in [150.0, 440.0, 1000.0, 3333.3, 7000.0] {
            let level = standard().process(&sine(hz, 1.0), &mut bands);
            assert!((level + 3.01).abs() < 0.1, "{hz} Hz: {level} dBFS");
            let level = standard().process(&sine(hz, 0.001), &mut bands);
            assert!((level + 63.01).abs() < 0.1, "{hz} Hz: {level} dBFS");
        }
    }

    #[test]
    fn rumble_and_offset_have_no_level() {
        let mut bands = [0.0; 64];
        let offset = standard().process(&[1.0; 512], &mut bands);
        assert!(offset < -30.0, "{offset} dBFS");
        let rumble = standard().process(&sine(20.0, 1.0), &mut bands);
        assert!(rumble < -25.0, "{rumble} dBFS");
    }

    #[test]
    fn silence_is_the_floor() {
        let mut bands = [0.0; 64];
        assert_eq!(standard().process(&[0.0; 512], &mut bands), MIN_LEVEL_DB);
        assert!(bands.iter().all(|band| (band + 100.0).abs() < 1e-4), "{bands:?}");
    }

    #[test]
    fn a_sine_is_loudest_in_its_band() {
        let spec = FeatureSpec::standard();
        let (low, high) = (hz_to_mel(20.0), hz_to_mel(8_000.0));
        let mut bands = [0.0; 64];
        for band in [3, 10, 25, 40, 62] {
            let hz = mel_to_hz(low + (high - low) * (band + 1) as f64 / 65.0);
            LogMel::new(&spec).unwrap().process(&sine(hz, 0.5), &mut bands);
            let loudest = (0..64).max_by(|a, b| bands[*a].total_cmp(&bands[*b])).unwrap();
            assert_eq!(loudest, band, "{hz} Hz");
        }
    }

    #[test]
    fn anything_gives_finite_values_at_the_limits_of_the_specification() {
        let (smallest, largest) = crate::spec::tests::limits();
        let odd = FeatureSpec {
            window: 401,
            fft: 403,
            ..FeatureSpec::standard()
        };
        for spec in [smallest, largest, odd, FeatureSpec::standard()] {
            let mut log_mel = LogMel::new(&spec).unwrap();
            let mut bands = vec![0.0; spec.mel_bands];
            for value in [0.0, 1e-45, 1.0, -1e4, f32::MAX, f32::INFINITY, f32::NAN] {
                let level = log_mel.process(&vec![value; spec.fft], &mut bands);
                assert!(
                    level.is_finite() && bands.iter().all(|band| band.is_finite()),
                    "{value}: {level} {bands:?}"
                );
            }
        }
    }

    #[test]
    fn the_mel_scale_inverts() {
        for hz in [0.0, 20.0, 999.0, 1000.0, 1001.0, 8000.0, 48_000.0] {
            assert!((mel_to_hz(hz_to_mel(hz)) - hz).abs() < 1e-9 * (hz + 1.0));
        }
        assert!(
            (hz_to_mel(6400.0) - 42.0).abs() < 1e-9,
            "27 mel over the knee are a factor of 6.4"
        );
    }
}
