//! The operation on plain memory: the neighbourhoods of some rows are gathered into one matrix, which is multiplied
//! by the weights. The division into blocks depends on the sizes alone, so that a run can be repeated bit for bit.

use rayon::prelude::*;

use crate::product::{Matrix, add_product, set_product};

/// Most values of a matrix of neighbourhoods: it stays in the processor's second cache.
const TILE_VALUES: usize = 48 << 10;

/// Frames whose gradients of the weights are summed before they are joined with the others.
const BLOCK_FRAMES: usize = 16;

/// Sizes: from `[input_frames, batch, input_bands, channels]` to `[frames, batch, bands, filters]`.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    pub input_frames: usize,
    pub input_bands: usize,
    pub frames: usize,
    pub bands: usize,
    pub batch: usize,
    pub channels: usize,
    pub filters: usize,
    /// Frames and bands that a filter sees; odd.
    pub kernel: usize,
    /// Frames and bands between the places of a filter.
    pub stride: [usize; 2],
}

impl Shape {
    /// Values that one filter sees.
    pub fn taps(&self) -> usize {
        self.kernel * self.kernel * self.channels
    }

    /// Neighbouring members of the batch whose neighbourhoods are gathered at once.
    fn tile(&self) -> usize {
        (TILE_VALUES / (self.bands * self.taps())).clamp(1, self.batch)
    }

    /// Writes the neighbourhoods of a frame's members `first..first + members`: `[members · bands, taps]`.
    fn gather(&self, input: &[f32], frame: usize, first: usize, members: usize, tile: &mut [f32]) {
        let Self { bands, channels, .. } = *self;
        let (taps, width, half) = (self.taps(), self.kernel * channels, self.kernel / 2);
        for offset in 0..self.kernel {
            let source = (frame * self.stride[0] + offset)
                .checked_sub(half)
                .filter(|frame| *frame < self.input_frames);
            for member in 0..members {
                let rows = &mut tile[member * bands * taps..][..bands * taps];
                let rows = rows
                    .chunks_exact_mut(taps)
                    .map(|row| &mut row[offset * width..][..width]);
                let Some(source) = source else {
                    rows.for_each(|row| row.fill(0.0));
                    continue;
                };
                let start = (source * self.batch + first + member) * self.input_bands * channels;
                let values = &input[start..start + self.input_bands * channels];
                for (band, row) in rows.enumerate() {
                    // The first band that is seen, counted from `half` bands below the lowest.
                    let low = band * self.stride[1];
                    if low >= half && low + half < self.input_bands {
                        row.copy_from_slice(&values[(low - half) * channels..][..width]);
                    } else {
                        row.fill(0.0);
                        let from = low.saturating_sub(half);
                        let to = (low + half + 1).min(self.input_bands);
                        // With strides beyond the kernel's reach, places at the end of a gradient see nothing.
                        if from >= to {
                            continue;
                        }
                        let place = (from + half - low) * channels;
                        row[place..place + (to - from) * channels]
                            .copy_from_slice(&values[from * channels..to * channels]);
                    }
                }
            }
        }
    }
}

/// Convolves; `input` and `weights` as for [`super::convolve`].
pub fn convolve(input: &[f32], weights: &[f32], shape: Shape) -> Vec<f32> {
    let Shape {
        batch, bands, filters, ..
    } = shape;
    let taps = shape.taps();
    assert_eq!(
        input.len(),
        shape.input_frames * batch * shape.input_bands * shape.channels,
        "input's shape"
    );
    assert_eq!(weights.len(), taps * filters, "weights' shape");
    let members = shape.tile();
    let mut output = vec![0.0; shape.frames * batch * bands * filters];
    output
        .par_chunks_mut(batch * bands * filters)
        .enumerate()
        .for_each_init(
            || vec![0.0; members * bands * taps],
            |tile, (frame, output)| {
                for (place, output) in output.chunks_mut(members * bands * filters).enumerate() {
                    let own = output.len() / (bands * filters);
                    let tile = &mut tile[..own * bands * taps];
                    shape.gather(input, frame, place * members, own, tile);
                    set_product(output, Matrix::rows(tile, taps), Matrix::rows(weights, filters));
                }
            },
        );
    output
}

/// Gradient of the weights, `[taps, filters]`, from that of the output.
pub fn weight_gradient(input: &[f32], gradient: &[f32], shape: Shape) -> Vec<f32> {
    let Shape {
        batch, bands, filters, ..
    } = shape;
    let taps = shape.taps();
    let members = shape.tile();
    let frame_values = batch * bands * filters;
    assert_eq!(gradient.len(), shape.frames * frame_values, "gradient's shape");
    let parts: Vec<Vec<f32>> = gradient
        .par_chunks(BLOCK_FRAMES * frame_values)
        .enumerate()
        .map(|(block, gradient)| {
            let mut sum = vec![0.0; taps * filters];
            let mut tile = vec![0.0; members * bands * taps];
            for (frame, gradient) in gradient.chunks_exact(frame_values).enumerate() {
                for (place, gradient) in gradient.chunks(members * bands * filters).enumerate() {
                    let own = gradient.len() / (bands * filters);
                    let tile = &mut tile[..own * bands * taps];
                    shape.gather(input, block * BLOCK_FRAMES + frame, place * members, own, tile);
                    let neighbourhoods = Matrix::rows(tile, taps).transposed();
                    add_product(&mut sum, neighbourhoods, Matrix::rows(gradient, filters));
                }
            }
            sum
        })
        .collect();
    let mut all = vec![0.0; taps * filters];
    for part in &parts {
        for (sum, value) in all.iter_mut().zip(part) {
            *sum += value;
        }
    }
    all
}

/// Gradient of the input, `[input_frames, batch, input_bands, channels]`, from that of the output: its convolution, with
/// zeros between the places of the filter, with the weights turned by half a circle, channels for filters.
pub fn input_gradient(gradient: &[f32], weights: &[f32], shape: Shape) -> Vec<f32> {
    let Shape {
        channels,
        filters,
        kernel,
        ..
    } = shape;
    let mut turned = vec![0.0; weights.len()];
    for tap in 0..kernel * kernel {
        let opposite = kernel * kernel - 1 - tap;
        for channel in 0..channels {
            for filter in 0..filters {
                turned[(opposite * filters + filter) * channels + channel] =
                    weights[(tap * channels + channel) * filters + filter];
            }
        }
    }
    let back = Shape {
        input_frames: (shape.frames - 1) * shape.stride[0] + 1,
        input_bands: (shape.bands - 1) * shape.stride[1] + 1,
        frames: shape.input_frames,
        bands: shape.input_bands,
        channels: filters,
        filters: channels,
        stride: [1, 1],
        ..shape
    };
    if shape.stride == [1, 1] {
        return convolve(gradient, &turned, back);
    }
    let mut spread = vec![0.0; back.input_frames * back.batch * back.input_bands * filters];
    for (row, values) in gradient.chunks_exact(filters).enumerate() {
        let (band, row) = (row % shape.bands, row / shape.bands);
        let (member, frame) = (row % shape.batch, row / shape.batch);
        let place = (frame * shape.stride[0] * shape.batch + member) * back.input_bands + band * shape.stride[1];
        spread[place * filters..(place + 1) * filters].copy_from_slice(values);
    }
    convolve(&spread, &turned, back)
}
