use pulp::{Arch, Simd, WithSimd};

use super::prototype::Prototype;

/// Outputs that are computed together: each input vector is loaded once for all of them, and each has its own sum,
/// so that as many multiplications are under way as a processor can take.
const TILE: usize = 8;
/// Outputs that are handed on at once.
const CHUNK: usize = 8 * TILE;
/// Input samples that fit behind the filter before the history moves.
const ROOM: usize = 1024;
/// A cache line, in bytes: vectors that lie across two of them are slow to load.
const LINE: usize = 64;
/// Longest table of filters, in samples (1.2 MB): longer ones would take long to make and would not stay in a cache.
const MAX_TABLE: usize = 300_000;

/// Converts by a fraction of two whole numbers with exactly the filters that this needs.
///
/// Every [`TILE`] outputs come from one stretch of input, the window, by a matrix of one row per output: its filter,
/// padded with zeros to the window's length. The rows come round again after a period; each period's tiles lie in one
/// table in the order in which they are used and in which their vectors are loaded, so that it is read straight
/// through.
pub(super) struct Polyphase {
    arch: Arch,
    /// The matrices of one period.
    table: Aligned,
    /// For each tile of the period, the input samples from its window to the next one's.
    advances: Vec<usize>,
    window_len: usize,
    /// The input, from the current window on.
    history: Aligned,
    filled: usize,
    /// Where the current window starts in the history.
    start: usize,
    /// Number of the current tile in the period.
    tile: usize,
    /// Silence in front of the first input sample, to which the first output is aligned.
    lead_in: usize,
    latency: usize,
}

impl Polyphase {
    /// `up` outputs for every `down` inputs. `None` if the table would be too long.
    pub(super) fn new(up: usize, down: usize, prototype: &Prototype) -> Option<Self> {
        Self::with_arch(Arch::new(), up, down, prototype)
    }

    fn with_arch(arch: Arch, up: usize, down: usize, prototype: &Prototype) -> Option<Self> {
        let divisor = greatest_common_divisor(up, down);
        let (up, down) = (up / divisor, down / divisor);
        let lanes = arch.dispatch(Lanes);
        let tiles = up / greatest_common_divisor(up, TILE);
        // The input samples at and before the output, and from there to the last that its filter reaches.
        let position = |output: usize| output * down / up;
        let reach = prototype.half_len();
        let last = |tile: usize| position(tile * TILE + TILE - 1) + reach;
        let window_len = (0..tiles)
            .map(|tile| last(tile) + reach - position(tile * TILE))
            .max()?
            .next_multiple_of(lanes);
        if tiles * TILE * window_len > MAX_TABLE {
            return None;
        }

        let mut table = Aligned::new(tiles * TILE * window_len);
        for (tile, matrix) in table.get_mut().chunks_exact_mut(TILE * window_len).enumerate() {
            for row in 0..TILE {
                let output = tile * TILE + row;
                for column in 0..window_len {
                    // Every window ends at the last sample that its tile needs.
                    let input = (last(tile) + 1 + column) as f64 - window_len as f64;
                    let value = prototype.at(input - (output * down) as f64 / up as f64);
                    let (vector, lane) = (column / lanes, column % lanes);
                    matrix[(vector * TILE + row) * lanes + lane] = value as f32;
                }
            }
        }
        let latency = (0..tiles)
            .map(|tile| (last(tile) * up - tile * TILE * down).div_ceil(up))
            .max()?;
        let lead_in = window_len - last(0) - 1;
        Some(Self {
            arch,
            table,
            advances: (0..tiles).map(|tile| last(tile + 1) - last(tile)).collect(),
            window_len,
            history: Aligned::new(window_len + ROOM),
            filled: lead_in,
            start: 0,
            tile: 0,
            lead_in,
            latency,
        })
    }

    pub(super) fn reset(&mut self) {
        self.history.get_mut()[..self.lead_in].fill(0.0);
        self.filled = self.lead_in;
        self.start = 0;
        self.tile = 0;
    }

    /// Most input samples from the next output to the newest input.
    pub(super) fn latency(&self) -> usize {
        self.latency
    }

    pub(super) fn push(&mut self, mut input: &[f32], mut on_samples: impl FnMut(&[f32])) {
        let mut output = [0.0; CHUNK];
        let mut made = 0;
        while !input.is_empty() {
            let history = self.history.get_mut();
            if self.filled == history.len() {
                // As a window is always left unfinished, less than one is kept.
                history.copy_within(self.start.., 0);
                self.filled -= self.start;
                self.start = 0;
            }
            let (taken, rest) = input.split_at((history.len() - self.filled).min(input.len()));
            history[self.filled..self.filled + taken.len()].copy_from_slice(taken);
            self.filled += taken.len();
            input = rest;
            while self.start + self.window_len <= self.filled {
                let matrix_len = TILE * self.window_len;
                self.arch.dispatch(Product {
                    matrix: &self.table.get()[self.tile * matrix_len..][..matrix_len],
                    window: &self.history.get()[self.start..][..self.window_len],
                    output: &mut output[made..made + TILE],
                });
                self.start += self.advances[self.tile];
                self.tile = (self.tile + 1) % self.advances.len();
                made += TILE;
                if made == CHUNK {
                    on_samples(&output);
                    made = 0;
                }
            }
        }
        if made > 0 {
            on_samples(&output[..made]);
        }
    }
}

/// Samples in a processor's vector.
struct Lanes;

impl WithSimd for Lanes {
    type Output = usize;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> usize {
        S::F32_LANES
    }
}

/// A tile's matrix times its window.
struct Product<'a> {
    matrix: &'a [f32],
    window: &'a [f32],
    output: &'a mut [f32],
}

impl WithSimd for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (matrix, _) = S::as_simd_f32s(self.matrix);
        let (window, _) = S::as_simd_f32s(self.window);
        let (columns, _) = matrix.as_chunks::<TILE>();
        let mut sums = [simd.splat_f32s(0.0); TILE];
        for (samples, column) in window.iter().zip(columns) {
            for (sum, values) in sums.iter_mut().zip(column) {
                *sum = simd.mul_add_e_f32s(*samples, *values, *sum);
            }
        }
        for (output, sum) in self.output.iter_mut().zip(sums) {
            *output = simd.reduce_sum_f32s(sum);
        }
    }
}

/// Zeroed samples that start on a cache line.
struct Aligned {
    samples: Vec<f32>,
    offset: usize,
}

impl Aligned {
    fn new(len: usize) -> Self {
        let spare = LINE / size_of::<f32>();
        let mut samples = vec![0.0; len + spare];
        let offset = samples.as_ptr().align_offset(LINE).min(spare);
        samples.truncate(offset + len);
        Self { samples, offset }
    }

    fn get(&self) -> &[f32] {
        &self.samples[self.offset..]
    }

    fn get_mut(&mut self) -> &mut [f32] {
        &mut self.samples[self.offset..]
    }
}

fn greatest_common_divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(len: usize) -> Vec<f32> {
        let mut state = 1_u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state as f32 / u32::MAX as f32 - 0.5
        };
        (0..len).map(|_| next()).collect()
    }

    fn convert(polyphase: &mut Polyphase, input: &[f32]) -> Vec<f32> {
        let mut output = Vec::new();
        polyphase.push(input, |samples| output.extend_from_slice(samples));
        output
    }

    /// The definition, without tiles or tables.
    fn convert_slowly(up: usize, down: usize, prototype: &Prototype, input: &[f32], outputs: usize) -> Vec<f64> {
        (0..outputs)
            .map(|n| n as f64 * down as f64 / up as f64)
            .map(|position| {
                let values = input.iter().enumerate();
                values
                    .map(|(n, x)| f64::from(*x) * prototype.at(n as f64 - position))
                    .sum()
            })
            .collect()
    }

    #[test]
    fn every_output_is_its_own_filter_over_the_input() {
        let input = noise(3000);
        for (up, down) in [(1, 3), (160, 441), (640, 441), (2, 1), (1, 12), (5, 8), (3, 1)] {
            let prototype = Prototype::blackman(96, 0.937, (down as f64 / up as f64).max(1.0));
            // The vectors of this machine, and none.
            for arch in [Arch::new(), Arch::Scalar] {
                let mut polyphase = Polyphase::with_arch(arch, up, down, &prototype).unwrap();
                let output = convert(&mut polyphase, &input);
                let expected = convert_slowly(up, down, &prototype, &input, output.len());
                assert!(output.len() > 100);
                for (n, (y, expected)) in output.iter().zip(expected).enumerate() {
                    let error = (f64::from(*y) - expected).abs();
                    assert!(error < 2e-6, "{up}/{down}, output {n}: off by {error}");
                }
            }
        }
    }

    #[test]
    fn it_does_not_vary_with_time() {
        let input = noise(6000);
        // One period's inputs and outputs: then the same sums are made over the same numbers.
        for (up, down, inputs, outputs) in [(1, 3, 24, 8), (160, 441, 441, 160), (2, 1, 4, 8)] {
            let prototype = Prototype::blackman(96, 0.937, (down as f64 / up as f64).max(1.0));
            let mut polyphase = Polyphase::new(up, down, &prototype).unwrap();
            let output = convert(&mut polyphase, &input);
            let mut late = vec![0.0; inputs];
            late.extend_from_slice(&input);
            polyphase.reset();
            let late = convert(&mut polyphase, &late);
            let same = output.len().min(late.len() - outputs);
            // The late one has an onset in its filters before its time.
            assert_eq!(late[outputs..][..same], output[..same], "{up}/{down}");
        }
    }

    #[test]
    fn what_cannot_be_computed_with_passes_by() {
        let prototype = Prototype::blackman(96, 0.937, 3.0);
        let mut polyphase = Polyphase::new(1, 3, &prototype).unwrap();
        let mut input = noise(6000);
        let clean = convert(&mut polyphase, &input);
        for (n, x) in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, 1e-42]
            .into_iter()
            .enumerate()
        {
            input[1500 + n] = x;
        }
        polyphase.reset();
        let output = convert(&mut polyphase, &input);
        assert_eq!(output[..430], clean[..430]);
        assert!(output[500].is_nan());
        assert_eq!(output[560..], clean[560..]);
    }

    #[test]
    fn tables_that_would_be_too_long_are_refused() {
        let prototype = Prototype::blackman(96, 0.937, 2.999_937_5);
        assert!(Polyphase::new(16_000, 47_999, &prototype).is_none());
    }
}
