use audioadapter_buffers::direct::SequentialSlice;
use rubato::Resampler as _;
use rubato::{Async, FixedAsync, SincInterpolationParameters, SincInterpolationType, WindowFunction};

use super::{CUTOFF, TAPS};
use crate::FeatureError;

/// Samples that are made at once: 2 ms at 16 kHz.
const CHUNK: usize = 32;
/// Filters per sample of the lower rate between which it interpolates.
const OVERSAMPLING: f64 = 512.0;

/// Converts between any two rates, with filters that it interpolates between neighbouring ones (rubato's asynchronous
/// converter).
pub(super) struct Interpolated {
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

impl Interpolated {
    pub(super) fn new(host_rate_hz: f64, model_rate_hz: u32) -> Result<Self, FeatureError> {
        let step = host_rate_hz / f64::from(model_rate_hz);
        let stretch = step.max(1.0);
        let filter_len = ((TAPS as f64 * stretch).ceil() as usize).next_multiple_of(8);
        let filters = (OVERSAMPLING / stretch).ceil() as usize;
        let parameters = SincInterpolationParameters::new(filter_len, WindowFunction::Blackman)
            .f_cutoff(CUTOFF as f32)
            .oversampling_factor(filters)
            .interpolation(SincInterpolationType::Linear);
        let sinc = Async::new_sinc(1.0 / step, 1.0, &parameters, CHUNK, 1, FixedAsync::Output)
            .map_err(|_| FeatureError::HostRate(host_rate_hz))?;
        // rubato's n-th output (from 0) lies at `(n + 1) * step + 1 / filters - filter_len / 2` of its input. Of the
        // outputs around the start, take the one that lies closest to a whole sample, and put silence in front of the
        // input so that it lies on the first.
        let position = |n: usize| (n + 1) as f64 * step + 1.0 / filters as f64 - filter_len as f64 / 2.0;
        let first = (0..).find(|n| position(*n) >= -1e-9).unwrap_or(0);
        let offset = |n: &usize| (position(*n) - position(*n).round()).abs();
        let lead_out = (first..first + 64)
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

    pub(super) fn reset(&mut self) {
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

    pub(super) fn push(&mut self, mut input: &[f32], mut on_samples: impl FnMut(&[f32])) {
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

    /// Most host samples that are held back.
    pub(super) fn latency(&self) -> usize {
        self.latency
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
