use audioadapter_buffers::direct::SequentialSlice;
use rubato::Resampler as _;
use rubato::{Async, FixedAsync, SincInterpolationParameters, SincInterpolationType, WindowFunction, calculate_cutoff};

use crate::{FeatureError, HOST_RATE_RANGE_HZ};

/// Length of the anti-alias filter, in samples of the lower of the two rates.
const TAPS: usize = 96;
/// Samples that are made at once: 2 ms at 16 kHz.
const CHUNK: usize = 32;
/// Rates whose ratio is a fraction of two numbers up to this are converted by exactly the filters they need.
const MAX_EXACT: u64 = 1024;
/// Filters per sample of the lower rate between which all other ratios interpolate.
const OVERSAMPLING: f64 = 512.0;

/// Mono resampler from any host rate to the model's, in blocks of any size; output is aligned with the input
/// (the filter's delay is removed), so sample k of the output lies at `k / model_rate` seconds of the input.
/// What comes out does not depend on the blocks.
///
/// A sinc of 96 samples of the lower rate under a Blackman window (rubato's asynchronous converter). Measured at
/// 16 kHz: flat within 3e-4 dB up to 6.4 kHz and within 3e-3 dB up to 7 kHz, -6 dB at 7.5 kHz; what lies above
/// 8.16 kHz is attenuated by 75 dB and more, above 8.8 kHz by 89 dB and more. Rates whose ratio to the model's is a
/// fraction of numbers up to 1024 (all usual ones) use exactly the filters they need; others interpolate between
/// neighbouring filters and are off by a constant of at most 1/300 of a sample in time.
/// Equal rates pass unchanged.
pub struct Resampler {
    /// `None` where the rates are equal.
    converter: Option<Converter>,
}

struct Converter {
    sinc: Async<f32>,
    input: Vec<f32>,
    filled: usize,
    output: [f32; CHUNK],
    /// Silence before the first sample, and outputs to drop, so that the next output lies on the first sample.
    lead_in: usize,
    lead_out: usize,
    /// Outputs that are still to be dropped.
    skip: usize,
    latency: usize,
}

impl Resampler {
    /// `host_rate_hz` within [`HOST_RATE_RANGE_HZ`].
    ///
    /// # Errors
    /// [`FeatureError::HostRate`] if it is not.
    pub fn new(host_rate_hz: f64, model_rate_hz: u32) -> Result<Self, FeatureError> {
        if !HOST_RATE_RANGE_HZ.contains(&host_rate_hz) {
            return Err(FeatureError::HostRate(host_rate_hz));
        }
        if host_rate_hz == f64::from(model_rate_hz) {
            return Ok(Self { converter: None });
        }
        Converter::new(host_rate_hz, model_rate_hz).map(|converter| Self {
            converter: Some(converter),
        })
    }

    /// Forgets all samples.
    pub fn reset(&mut self) {
        if let Some(converter) = &mut self.converter {
            converter.reset();
        }
    }

    /// Takes one block and hands finished samples to `on_samples`, in chunks of a few milliseconds at most
    /// (of the block's own length where the rates are equal).
    pub fn push(&mut self, input: &[f32], mut on_samples: impl FnMut(&[f32])) {
        match &mut self.converter {
            Some(converter) => converter.push(input, on_samples),
            None => on_samples(input),
        }
    }

    /// Most host samples that are held back.
    pub fn latency_samples(&self) -> usize {
        self.converter.as_ref().map_or(0, |converter| converter.latency)
    }
}

impl Converter {
    fn new(host_rate_hz: f64, model_rate_hz: u32) -> Result<Self, FeatureError> {
        let step = host_rate_hz / f64::from(model_rate_hz);
        let stretch = step.max(1.0);
        let filter_len = ((TAPS as f64 * stretch).ceil() as usize).next_multiple_of(8);
        let (interpolation, filters) = match exact_filters(host_rate_hz, model_rate_hz) {
            Some(filters) => (SincInterpolationType::Nearest, filters),
            None => (SincInterpolationType::Linear, (OVERSAMPLING / stretch).ceil() as usize),
        };
        let parameters = SincInterpolationParameters::new(filter_len, WindowFunction::Blackman)
            .f_cutoff(calculate_cutoff(TAPS, WindowFunction::Blackman))
            .oversampling_factor(filters)
            .interpolation(interpolation);
        let sinc = Async::new_sinc(1.0 / step, 1.0, &parameters, CHUNK, 1, FixedAsync::Output)
            .map_err(|_| FeatureError::HostRate(host_rate_hz))?;
        // rubato's n-th output (from 0) lies at `(n + 1) * step + 1 / filters - filter_len / 2` of its input. Of the
        // outputs around the start, take the one that lies closest to a whole sample, and put silence in front of the
        // input so that it lies on the first. With exact filters one lies there exactly.
        let position = |n: usize| (n + 1) as f64 * step + 1.0 / filters as f64 - filter_len as f64 / 2.0;
        let first = (0..).find(|n| position(*n) >= -1e-9).unwrap_or(0);
        let offset = |n: &usize| (position(*n) - position(*n).round()).abs();
        let lead_out = (first..first + filters.max(64))
            .min_by(|a, b| offset(a).total_cmp(&offset(b)))
            .unwrap_or(first);
        let lead_in = position(lead_out).round() as usize;
        let mut converter = Self {
            input: vec![0.0; sinc.input_frames_max()],
            filled: 0,
            output: [0.0; CHUNK],
            lead_in,
            lead_out,
            skip: lead_out,
            latency: (CHUNK as f64 * step).ceil() as usize + filter_len / 2 + 2,
            sinc,
        };
        converter.reset();
        Ok(converter)
    }

    fn reset(&mut self) {
        self.sinc.reset();
        self.filled = 0;
        self.skip = self.lead_out;
        let silence = [0.0; CHUNK];
        let mut left = self.lead_in;
        while left > 0 {
            let len = left.min(CHUNK);
            self.push(&silence[..len], |_| {});
            left -= len;
        }
    }

    fn push(&mut self, mut input: &[f32], mut on_samples: impl FnMut(&[f32])) {
        while !input.is_empty() {
            let needed = self.sinc.input_frames_next();
            let (taken, rest) = input.split_at((needed - self.filled).min(input.len()));
            self.input[self.filled..self.filled + taken.len()].copy_from_slice(taken);
            self.filled += taken.len();
            input = rest;
            if self.filled == needed {
                self.convert();
                let skipped = self.skip.min(CHUNK);
                self.skip -= skipped;
                if skipped < CHUNK {
                    on_samples(&self.output[skipped..]);
                }
            }
        }
    }

    /// Turns the full input into one chunk of output.
    fn convert(&mut self) {
        let input = SequentialSlice::new(&self.input[..self.filled], 1, self.filled).expect("as long as said");
        let mut output = SequentialSlice::new_mut(&mut self.output[..], 1, CHUNK).expect("as long as said");
        self.sinc
            .process_into_buffer(&input, &mut output, None)
            .expect("the buffers are of the size it asked for");
        self.filled = 0;
    }
}

/// Number of filters with which every output falls on one of them, if that is not too many.
fn exact_filters(host_rate_hz: f64, model_rate_hz: u32) -> Option<usize> {
    if host_rate_hz.fract() != 0.0 {
        return None;
    }
    let (host, model) = (host_rate_hz as u64, u64::from(model_rate_hz));
    let divisor = greatest_common_divisor(host, model);
    (host.max(model) / divisor <= MAX_EXACT).then_some((model / divisor) as usize)
}

fn greatest_common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use super::*;

    const MODEL_RATE_HZ: u32 = 16_000;
    /// Every usual rate, the limits, and rates whose ratio is no small fraction.
    const RATES_HZ: [f64; 20] = [
        8_000.0, 11_025.0, 12_000.0, 15_999.0, 22_050.0, 24_000.0, 32_000.0, 44_056.25, 44_100.0, 47_999.0, 48_000.0,
        50_000.0, 88_200.0, 96_000.0, 176_400.0, 192_000.0, 352_800.0, 384_000.0, 767_999.5, 768_000.0,
    ];

    fn resample(rate_hz: f64, input: &[f32]) -> Vec<f32> {
        let mut resampler = Resampler::new(rate_hz, MODEL_RATE_HZ).unwrap();
        let mut output = Vec::new();
        resampler.push(input, |samples| output.extend_from_slice(samples));
        output
    }

    fn sine(rate_hz: f64, hz: f64, seconds: f64) -> Vec<f32> {
        (0..(rate_hz * seconds) as usize)
            .map(|n| (TAU * hz * n as f64 / rate_hz).sin() as f32)
            .collect()
    }

    /// Largest difference between the resampled sine and the sine itself, after the filter has filled.
    fn error(rate_hz: f64, hz: f64) -> f64 {
        let output = resample(rate_hz, &sine(rate_hz, hz, 0.1));
        assert!(output.len() > 1_000, "{rate_hz} Hz: {} samples", output.len());
        let expected = |n: usize| (TAU * hz * n as f64 / f64::from(MODEL_RATE_HZ)).sin();
        output
            .iter()
            .enumerate()
            .skip(200)
            .map(|(n, y)| (f64::from(*y) - expected(n)).abs())
            .fold(0.0, f64::max)
    }

    #[test]
    fn sines_come_out_as_they_went_in_at_every_rate() {
        for rate_hz in RATES_HZ {
            let lower = rate_hz.min(f64::from(MODEL_RATE_HZ));
            // Rates without exact filters are off by up to a thousandth of a sample in time.
            let exact = exact_filters(rate_hz, MODEL_RATE_HZ).is_some();
            for (share, most) in [(0.01, 3e-5), (0.2, 3e-5), (0.4, 3e-5), (0.44, 3e-4)] {
                let error = error(rate_hz, share * lower);
                let most = if exact { most } else { most + 5e-3 };
                assert!(
                    error < most,
                    "{rate_hz} Hz, sine at {} Hz: off by {error}",
                    share * lower
                );
            }
        }
    }

    #[test]
    fn what_the_model_rate_cannot_hold_is_gone() {
        for rate_hz in RATES_HZ {
            for hz in [
                8_160.0, 8_800.0, 11_000.0, 15_900.0, 16_100.0, 23_900.0, 47_000.0, 100_000.0, 383_000.0,
            ] {
                if hz < rate_hz / 2.0 {
                    let output = resample(rate_hz, &sine(rate_hz, hz, 0.1));
                    let peak = output[200..].iter().fold(0.0_f32, |peak, y| peak.max(y.abs()));
                    assert!(20.0 * peak.log10() < -75.0, "{rate_hz} Hz, sine at {hz} Hz: {peak}");
                }
            }
        }
    }

    #[test]
    fn the_model_rate_passes_unchanged() {
        let input = sine(16_000.0, 1234.5, 0.3);
        assert_eq!(resample(16_000.0, &input), input);
        assert_eq!(Resampler::new(16_000.0, MODEL_RATE_HZ).unwrap().latency_samples(), 0);
    }

    #[test]
    fn no_more_than_the_latency_is_held_back() {
        for rate_hz in RATES_HZ {
            let mut resampler = Resampler::new(rate_hz, MODEL_RATE_HZ).unwrap();
            let step = rate_hz / f64::from(MODEL_RATE_HZ);
            let latency = resampler.latency_samples();
            let (mut given, mut largest) = (0_u64, 0.0_f64);
            for pushed in 1..=(0.05 * rate_hz) as u64 {
                // The last sample that is not out yet lies here.
                largest = largest.max((pushed - 1) as f64 - given as f64 * step);
                resampler.push(&[0.0], |samples| given += samples.len() as u64);
            }
            assert!(largest <= latency as f64, "{rate_hz} Hz: {largest} over {latency}");
            assert!(
                largest >= 0.9 * latency as f64 - 4.0,
                "{rate_hz} Hz: {largest} is far under {latency}"
            );
        }
    }

    #[test]
    fn reset_starts_afresh() {
        for rate_hz in [11_025.0, 44_100.0, 47_999.0] {
            let mut resampler = Resampler::new(rate_hz, MODEL_RATE_HZ).unwrap();
            let input = sine(rate_hz, 700.0, 0.1);
            let run = |resampler: &mut Resampler| {
                let mut output = Vec::new();
                resampler.push(&input, |samples| output.extend_from_slice(samples));
                output
            };
            let first = run(&mut resampler);
            resampler.reset();
            assert_eq!(run(&mut resampler), first, "{rate_hz} Hz");
        }
    }

    #[test]
    fn other_model_rates_work_at_the_limits() {
        for (host, model) in [
            (8_000.0, 96_000),
            (768_000.0, 4_000),
            (44_100.0, 22_050),
            (8_000.5, 95_999),
        ] {
            let mut resampler = Resampler::new(host, model).unwrap();
            let input = sine(host, 440.0, 0.2);
            let mut output = Vec::new();
            resampler.push(&input, |samples| output.extend_from_slice(samples));
            let expected = |n: usize| (TAU * 440.0 * n as f64 / f64::from(model)).sin();
            let from = model as usize / 20;
            assert!(output.len() > 3 * from, "{host} to {model} Hz");
            let error = output
                .iter()
                .enumerate()
                .skip(from)
                .map(|(n, y)| (f64::from(*y) - expected(n)).abs())
                .fold(0.0, f64::max);
            assert!(error < 5e-3, "{host} to {model} Hz: off by {error}");
        }
    }

    #[test]
    fn rates_outside_the_range_are_refused() {
        for rate_hz in [0.0, -48_000.0, 7_999.9, 768_000.1, f64::NAN, f64::INFINITY] {
            let error = Resampler::new(rate_hz, MODEL_RATE_HZ).err().expect("it is outside");
            assert!(error.to_string().contains("use 8 000 to 768 000 Hz"), "{error}");
        }
    }
}
