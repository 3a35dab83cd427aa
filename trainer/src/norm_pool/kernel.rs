//! The operation on plain memory. Work is divided into blocks of a fixed number of rows and their sums are added in
//! order, so that the result does not depend on the number of threads.

use rayon::prelude::*;

use crate::simd::vectorised;

/// Rows per block of the statistics.
const BLOCK_ROWS: usize = 128;

/// Marks an output that was rectified to zero: no input row belongs to it.
const NO_FRAME: u8 = u8::MAX;

/// Sizes: `rows` input rows of `filters`, `batch` rows (of all members of the batch and all bands) per frame,
/// `rows / (pool · batch)` pools over time, each over `band_pool` neighbouring rows of a frame.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    pub rows: usize,
    pub filters: usize,
    pub pool: usize,
    pub band_pool: usize,
    pub batch: usize,
    pub rectify: bool,
}

impl Shape {
    /// Number of rows of the output.
    pub fn pooled_rows(&self) -> usize {
        self.rows / (self.pool * self.band_pool)
    }
}

/// What the forward pass leaves for the backward pass.
#[derive(Debug)]
pub struct NormPool {
    shape: Shape,
    input: Vec<f32>,
    gamma: Vec<f32>,
    /// Mean and variance of each filter over the batch.
    mean: Vec<f64>,
    variance: Vec<f64>,
    epsilon: f64,
    /// Which row of its pool each output came from, frame major, in the shape of the output.
    chosen: Vec<u8>,
}

impl NormPool {
    /// Runs forward; returns the output `[pooled rows, filters]` too.
    pub fn forward(input: Vec<f32>, gamma: Vec<f32>, beta: &[f32], epsilon: f64, shape: Shape) -> (Self, Vec<f32>) {
        let Shape {
            rows,
            filters,
            pool,
            band_pool,
            batch,
            rectify,
        } = shape;
        assert!(pool * band_pool < usize::from(NO_FRAME), "rows per pool");
        assert_eq!(rows % (pool * batch), 0, "rows make whole pools");
        assert_eq!(batch % band_pool, 0, "bands make whole pools");
        assert_eq!(input.len(), rows * filters, "input's shape");
        let (mean, variance) = statistics(&input, filters);
        let factor: Vec<f32> = gamma
            .iter()
            .zip(&variance)
            .map(|(gamma, variance)| (f64::from(*gamma) / (variance + epsilon).sqrt()) as f32)
            .collect();
        let offset: Vec<f32> = beta
            .iter()
            .zip(mean.iter().zip(&factor))
            .map(|(beta, (mean, factor))| (f64::from(*beta) - mean * f64::from(*factor)) as f32)
            .collect();

        let least = if rectify { 0.0 } else { f32::NEG_INFINITY };
        let mut output = vec![least; shape.pooled_rows() * filters];
        let mut chosen = vec![NO_FRAME; shape.pooled_rows() * filters];
        let width = batch * filters;
        let pooled_width = width / band_pool;
        output
            .par_chunks_mut(pooled_width)
            .zip(chosen.par_chunks_mut(pooled_width))
            .zip(input.par_chunks(pool * width))
            .for_each(|((output, chosen), frames)| {
                pool_frames(frames, output, chosen, &factor, &offset, width, band_pool);
            });
        let state = Self {
            shape,
            input,
            gamma,
            mean,
            variance,
            epsilon,
            chosen,
        };
        (state, output)
    }

    /// Sizes.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Mean of each filter.
    pub fn mean(&self) -> Vec<f32> {
        self.mean.iter().map(|mean| *mean as f32).collect()
    }

    /// Variance (biased) of each filter.
    pub fn variance(&self) -> Vec<f32> {
        self.variance.iter().map(|variance| *variance as f32).collect()
    }

    /// From the output's gradient `[pooled rows, filters]` to those of input, gamma and beta.
    ///
    /// With x̂ the normalised input, ĝ its gradient, n the rows: `dβ = Σ ĝ`, `dγ = Σ ĝ·x̂`,
    /// `dx = γ/σ · (ĝ − dβ/n − x̂·dγ/n)` (Ioffe and Szegedy, 2015).
    pub fn backward(&self, gradient: &[f32]) -> (Vec<f32>, Vec<f32>, Vec<f32>) {
        let Shape {
            rows,
            filters,
            pool,
            band_pool,
            batch,
            ..
        } = self.shape;
        let width = batch * filters;
        let pooled_width = width / band_pool;
        let inverse_deviation: Vec<f64> = self
            .variance
            .iter()
            .map(|variance| 1.0 / (variance + self.epsilon).sqrt())
            .collect();
        let mean = self.mean();
        let parts: Vec<(Vec<f32>, Vec<f32>)> = gradient
            .par_chunks(pooled_width)
            .zip(self.chosen.par_chunks(pooled_width))
            .zip(self.input.par_chunks(pool * width))
            .map(|((gradient, chosen), frames)| {
                let (mut beta, mut centred) = (vec![0.0_f32; filters], vec![0.0_f32; filters]);
                sum_frames(
                    frames,
                    gradient,
                    chosen,
                    &mean,
                    &mut beta,
                    &mut centred,
                    width,
                    band_pool,
                );
                (beta, centred)
            })
            .collect();
        let (mut beta, mut gamma) = (vec![0.0_f64; filters], vec![0.0_f64; filters]);
        for (beta_part, centred_part) in &parts {
            for filter in 0..filters {
                beta[filter] += f64::from(beta_part[filter]);
                gamma[filter] += f64::from(centred_part[filter]) * inverse_deviation[filter];
            }
        }

        // dx = slope · ĝ + tilt · x + level, with the constants of each filter.
        let rows_f64 = rows as f64;
        let mut constants = vec![[0.0_f32; 3]; filters];
        for (filter, constants) in constants.iter_mut().enumerate() {
            let slope = f64::from(self.gamma[filter]) * inverse_deviation[filter];
            let tilt = -slope * inverse_deviation[filter] * gamma[filter] / rows_f64;
            let level = -slope * beta[filter] / rows_f64 - tilt * self.mean[filter];
            *constants = [slope as f32, tilt as f32, level as f32];
        }
        let column = |place: usize| constants.iter().map(|row| row[place]).collect::<Vec<_>>();
        let (slope, tilt, level) = (column(0), column(1), column(2));
        let mut input = vec![0.0; rows * filters];
        input
            .par_chunks_mut(pool * width)
            .zip(self.input.par_chunks(pool * width))
            .zip(
                gradient
                    .par_chunks(pooled_width)
                    .zip(self.chosen.par_chunks(pooled_width)),
            )
            .for_each(|((input, frames), (gradient, chosen))| {
                let constants = [&slope[..], &tilt[..], &level[..]];
                spread_frames(frames, gradient, chosen, constants, input, width, band_pool);
            });
        let narrow = |values: Vec<f64>| values.into_iter().map(|value| value as f32).collect();
        (input, narrow(gamma), narrow(beta))
    }
}

vectorised! {
    /// Normalises the frames of one pool, `[frames, width]`, and writes maximum and its place for each of its rows.
    fn pool_frames(
        frames: &[f32],
        output: &mut [f32],
        chosen: &mut [u8],
        factor: &[f32],
        offset: &[f32],
        width: usize,
        band_pool: usize,
    ) {
        let filters = factor.len();
        let offset = &offset[..filters];
        for (frame, values) in frames.chunks_exact(width).enumerate() {
            let rows = output.chunks_exact_mut(filters).zip(chosen.chunks_exact_mut(filters));
            for ((output, chosen), bands) in rows.zip(values.chunks_exact(band_pool * filters)) {
                for (band, values) in bands.chunks_exact(filters).enumerate() {
                    let place = (frame * band_pool + band) as u8;
                    let constants = factor.iter().zip(offset);
                    let outputs = output.iter_mut().zip(chosen.iter_mut());
                    for ((value, (factor, offset)), (output, chosen)) in values.iter().zip(constants).zip(outputs) {
                        let value = value * factor + offset;
                        let is_larger = value > *output;
                        *output = if is_larger { value } else { *output };
                        *chosen = if is_larger { place } else { *chosen };
                    }
                }
            }
        }
    }
}

vectorised! {
    /// Adds the gradient of one pool's frames, and its product with the centred input, to the sums of each filter.
    fn sum_frames(
        frames: &[f32],
        gradient: &[f32],
        chosen: &[u8],
        mean: &[f32],
        beta: &mut [f32],
        centred: &mut [f32],
        width: usize,
        band_pool: usize,
    ) {
        let filters = mean.len();
        let (beta, centred) = (&mut beta[..filters], &mut centred[..filters]);
        for (frame, values) in frames.chunks_exact(width).enumerate() {
            let rows = gradient.chunks_exact(filters).zip(chosen.chunks_exact(filters));
            for ((gradient, chosen), bands) in rows.zip(values.chunks_exact(band_pool * filters)) {
                for (band, values) in bands.chunks_exact(filters).enumerate() {
                    let place = (frame * band_pool + band) as u8;
                    let inputs = values.iter().zip(mean).zip(gradient.iter().zip(chosen));
                    let sums = beta.iter_mut().zip(centred.iter_mut());
                    for (((value, mean), (gradient, chosen)), (beta, centred)) in inputs.zip(sums) {
                        let own = if *chosen == place { *gradient } else { 0.0 };
                        *beta += own;
                        *centred += own * (value - mean);
                    }
                }
            }
        }
    }
}

vectorised! {
    /// Writes `slope · gradient + tilt · value + level` for one pool's frames; the gradient is that of the row that was
    /// chosen, for the others zero.
    fn spread_frames(
        frames: &[f32],
        gradient: &[f32],
        chosen: &[u8],
        constants: [&[f32]; 3],
        input: &mut [f32],
        width: usize,
        band_pool: usize,
    ) {
        let filters = constants[0].len();
        let [slope, tilt, level] = constants.map(|column| &column[..filters]);
        let frames = input.chunks_exact_mut(width).zip(frames.chunks_exact(width));
        for (frame, (input, values)) in frames.enumerate() {
            let inputs = input.chunks_exact_mut(band_pool * filters);
            let rows = inputs.zip(values.chunks_exact(band_pool * filters));
            let own = gradient.chunks_exact(filters).zip(chosen.chunks_exact(filters));
            for ((inputs, bands), (gradient, chosen)) in rows.zip(own) {
                let bands = inputs.chunks_exact_mut(filters).zip(bands.chunks_exact(filters));
                for (band, (input, values)) in bands.enumerate() {
                    let place = (frame * band_pool + band) as u8;
                    for filter in 0..filters {
                        let own = if chosen[filter] == place { gradient[filter] } else { 0.0 };
                        input[filter] = slope[filter] * own + tilt[filter] * values[filter] + level[filter];
                    }
                }
            }
        }
    }
}

vectorised! {
    /// Adds the distances from `first`, and their squares, of all rows of a block.
    fn sum_rows(block: &[f32], first: &[f32], sum: &mut [f32], squares: &mut [f32]) {
        let filters = first.len();
        let (sum, squares) = (&mut sum[..filters], &mut squares[..filters]);
        for row in block.chunks_exact(filters) {
            for filter in 0..filters {
                let distance = row[filter] - first[filter];
                sum[filter] += distance;
                squares[filter] += distance * distance;
            }
        }
    }
}

/// Mean and biased variance of each column. Each block is summed in f32 around its first row, which keeps
/// the sums small; the blocks are joined in f64 (Chan, Golub and LeVeque, 1983).
fn statistics(input: &[f32], filters: usize) -> (Vec<f64>, Vec<f64>) {
    let blocks: Vec<(usize, Vec<f64>, Vec<f64>)> = input
        .par_chunks(BLOCK_ROWS * filters)
        .map(|block| {
            let first = &block[..filters];
            let (mut sum, mut squares) = (vec![0.0_f32; filters], vec![0.0_f32; filters]);
            sum_rows(block, first, &mut sum, &mut squares);
            let rows = block.len() / filters;
            let mut mean = vec![0.0; filters];
            let mut deviations = vec![0.0; filters];
            for filter in 0..filters {
                let distance = f64::from(sum[filter]) / rows as f64;
                mean[filter] = f64::from(first[filter]) + distance;
                deviations[filter] = (f64::from(squares[filter]) - rows as f64 * distance * distance).max(0.0);
            }
            (rows, mean, deviations)
        })
        .collect();
    let mut rows = 0.0;
    let (mut mean, mut deviations) = (vec![0.0; filters], vec![0.0; filters]);
    for (block_rows, block_mean, block_deviations) in blocks {
        let block_rows = block_rows as f64;
        let all = rows + block_rows;
        for filter in 0..filters {
            let distance = block_mean[filter] - mean[filter];
            mean[filter] += distance * block_rows / all;
            deviations[filter] += block_deviations[filter] + distance * distance * rows * block_rows / all;
        }
        rows = all;
    }
    deviations.iter_mut().for_each(|sum| *sum /= rows);
    (mean, deviations)
}
