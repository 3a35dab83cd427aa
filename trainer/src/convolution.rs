//! Convolution over frames and bands as a single differentiable operation.
//!
//! burn's own 2-D convolution and its gradients are written for images with many channels. [`convolve`] runs on
//! burn's Flex backend as matrix products over gathered neighbourhoods; on any other backend it is composed of
//! burn's tensor operations.
//!
//! Values are stored time first, channels last, `[frames, batch, bands, channels]`, as everything else here.

mod kernel;

use std::sync::Arc;

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, backend_extension};
use burn::tensor::Tensor;

use crate::flex::{from_floats, runs_on_flex, to_floats};
use kernel::Shape;

/// Frames and bands that a filter sees, and how far its places are apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    /// Frames and bands that a filter sees; odd.
    pub kernel: usize,
    /// Frames and bands between its places.
    pub stride: [usize; 2],
}

impl Reach {
    /// Number of places over `length` frames (`axis` 0) or bands (1).
    pub fn places(&self, length: usize, axis: usize) -> usize {
        length.div_ceil(self.stride[axis])
    }
}

/// Convolves at the first `frames` places in time; outside the input everything is zero.
///
/// `input`: `[frames of the input, batch, bands, channels]`;
/// `weights`: `[kernel · kernel · channels, filters]`, frame offset major, then band offset.
/// Returns `[frames · batch · band places, filters]`.
pub fn convolve(input: Tensor<4>, weights: Tensor<2>, reach: Reach, frames: usize) -> Tensor<2> {
    if runs_on_flex(&input.device()) {
        Tensor::from_dispatch(<Dispatch as ConvolutionBackend>::convolve_bands(
            input.into_dispatch(),
            weights.into_dispatch(),
            reach.kernel,
            reach.stride[0],
            reach.stride[1],
            frames,
        ))
    } else {
        composed(input, weights, reach, frames)
    }
}

/// The same out of burn's tensor operations.
fn composed(input: Tensor<4>, weights: Tensor<2>, reach: Reach, frames: usize) -> Tensor<2> {
    let Reach { kernel, stride } = reach;
    let [all_frames, batch, all_bands, channels] = input.dims();
    let device = input.device();
    let bands = reach.places(all_bands, 1);
    // Enough at the far ends that every place can be cut out whole.
    let edge = |length: usize| Tensor::<4>::zeros([length, batch, all_bands, channels], &device);
    let padded = Tensor::cat(vec![edge(kernel / 2), input, edge(kernel + stride[0])], 0);
    let padded_frames = all_frames + kernel / 2 + kernel + stride[0];
    let edge = |length: usize| Tensor::<4>::zeros([padded_frames, batch, length, channels], &device);
    let padded = Tensor::cat(vec![edge(kernel / 2), padded, edge(kernel + stride[1])], 2);
    let mut taps = Vec::with_capacity(kernel * kernel);
    for frame in 0..kernel {
        for band in 0..kernel {
            let cut = padded
                .clone()
                .narrow(0, frame, frames * stride[0])
                .narrow(2, band, bands * stride[1]);
            let cut: Tensor<6> = cut.reshape([frames, stride[0], batch, bands, stride[1], channels]);
            let first = cut.narrow(1, 0, 1).narrow(4, 0, 1);
            taps.push(first.reshape([frames * batch * bands, channels]));
        }
    }
    Tensor::cat(taps, 1).matmul(weights)
}

/// Backends with the native operation.
#[backend_extension(Flex, Autodiff)]
trait ConvolutionBackend: Backend {
    /// See [`convolve`].
    fn convolve_bands(
        input: FloatTensor<Self>,
        weights: FloatTensor<Self>,
        kernel: usize,
        frame_stride: usize,
        band_stride: usize,
        frames: usize,
    ) -> FloatTensor<Self>;
}

impl ConvolutionBackend for Flex {
    fn convolve_bands(
        input: FloatTensor<Self>,
        weights: FloatTensor<Self>,
        kernel: usize,
        frame_stride: usize,
        band_stride: usize,
        frames: usize,
    ) -> FloatTensor<Self> {
        let stride = [frame_stride, band_stride];
        forward(input, weights, Reach { kernel, stride }, frames).1
    }
}

impl<C: CheckpointStrategy> ConvolutionBackend for Autodiff<Flex, C> {
    fn convolve_bands(
        input: FloatTensor<Self>,
        weights: FloatTensor<Self>,
        kernel: usize,
        frame_stride: usize,
        band_stride: usize,
        frames: usize,
    ) -> FloatTensor<Self> {
        let (input, input_node) = input.into_parts();
        let (weights, weights_node) = weights.into_parts();
        let stride = [frame_stride, band_stride];
        let (state, output) = forward(input, weights, Reach { kernel, stride }, frames);
        match ConvolutionBackward
            .prepare::<C>([input_node, weights_node])
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(prepared) => prepared.finish(Arc::new(state), output),
            OpsKind::UnTracked(prepared) => prepared.finish(output),
        }
    }
}

/// What the forward pass leaves for the backward pass.
#[derive(Debug)]
struct Operands {
    shape: Shape,
    input: Vec<f32>,
    weights: Vec<f32>,
}

#[derive(Debug)]
struct ConvolutionBackward;

impl Backward<Flex, 2> for ConvolutionBackward {
    type State = Arc<Operands>;

    fn backward(self, ops: Ops<Self::State, 2>, gradients: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let [input_node, weights_node] = ops.parents;
        let (gradient, _) = to_floats(gradients.consume::<Flex>(&ops.node));
        let Operands { shape, input, weights } = &*ops.state;
        if let Some(node) = input_node {
            let own = kernel::input_gradient(&gradient, weights, *shape);
            let dims = [shape.input_frames, shape.batch, shape.input_bands, shape.channels];
            gradients.register::<Flex>(node.id, from_floats(own, &dims));
        }
        if let Some(node) = weights_node {
            let own = kernel::weight_gradient(input, &gradient, *shape);
            let dims = [shape.taps(), shape.filters];
            gradients.register::<Flex>(node.id, from_floats(own, &dims));
        }
    }
}

fn forward(
    input: FloatTensor<Flex>,
    weights: FloatTensor<Flex>,
    reach: Reach,
    frames: usize,
) -> (Operands, FloatTensor<Flex>) {
    let (input, dims) = to_floats(input);
    let (weights, weight_dims) = to_floats(weights);
    let shape = Shape {
        input_frames: dims[0],
        input_bands: dims[2],
        frames,
        bands: reach.places(dims[2], 1),
        batch: dims[1],
        channels: dims[3],
        filters: weight_dims[1],
        kernel: reach.kernel,
        stride: reach.stride,
    };
    let output = kernel::convolve(&input, &weights, shape);
    let rows = shape.frames * shape.batch * shape.bands;
    let output = from_floats(output, &[rows, shape.filters]);
    (Operands { shape, input, weights }, output)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, TensorData};
    use rand::Rng;

    use crate::seed::{Purpose, stream};

    /// Frames of the input, frames of the output, batch, bands of the input, channels, filters, kernel, strides.
    const SIZES: [[usize; 9]; 10] = [
        [5, 4, 2, 4, 3, 2, 3, 1, 1],
        [6, 6, 3, 1, 1, 5, 3, 1, 1],
        [1, 1, 1, 8, 2, 16, 3, 1, 1],
        [7, 4, 2, 6, 2, 3, 5, 2, 2],
        [6, 3, 2, 5, 2, 3, 3, 2, 1],
        // Strides beyond the kernel's reach, with a rest.
        [3, 3, 2, 8, 2, 3, 3, 1, 4],
        [3, 3, 2, 8, 2, 3, 1, 1, 4],
        [8, 2, 2, 8, 1, 2, 3, 4, 4],
        [9, 3, 1, 11, 2, 2, 1, 4, 5],
        [40, 38, 5, 16, 4, 9, 3, 1, 1],
    ];

    fn reach(size: [usize; 9]) -> Reach {
        Reach {
            kernel: size[6],
            stride: [size[7], size[8]],
        }
    }

    fn random(count: usize, key: u64) -> Vec<f32> {
        let mut random = stream(8, Purpose::Weights, key, 0);
        (0..count).map(|_| random.random_range(-1.0..1.0)).collect()
    }

    fn tensor<const D: usize>(values: &[f32], dims: [usize; D], device: &Device) -> Tensor<D> {
        Tensor::from_data(TensorData::new(values.to_vec(), dims), device)
    }

    fn floats<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
        tensor.into_data().try_into_vec().unwrap()
    }

    /// Input, weights, and the weight of each output in a loss.
    fn example(size: [usize; 9]) -> [Vec<f32>; 3] {
        let [all, frames, batch, bands, channels, filters, kernel, ..] = size;
        let out_bands = reach(size).places(bands, 1);
        [
            random(all * batch * bands * channels, 1),
            random(kernel * kernel * channels * filters, 2),
            random(frames * batch * out_bands * filters, 3),
        ]
    }

    /// Output, gradient of the input, gradient of the weights.
    fn with_gradients(
        run: impl Fn(Tensor<4>, Tensor<2>, Reach, usize) -> Tensor<2>,
        size: [usize; 9],
        device: &Device,
    ) -> [Vec<f32>; 3] {
        let [all, frames, batch, bands, channels, filters, kernel, ..] = size;
        let rows = frames * batch * reach(size).places(bands, 1);
        let [input, weights, loss] = example(size);
        let device = device.clone().autodiff();
        let input = tensor(&input, [all, batch, bands, channels], &device).require_grad();
        let weights = tensor(&weights, [kernel * kernel * channels, filters], &device).require_grad();
        let output = run(input.clone(), weights.clone(), reach(size), frames);
        let loss = (output.clone() * tensor(&loss, [rows, filters], &device)).sum();
        let gradients = loss.backward();
        [
            floats(output.without_autodiff()),
            floats(input.grad(&gradients).unwrap()),
            floats(weights.grad(&gradients).unwrap()),
        ]
    }

    #[test]
    fn gradients_equal_finite_differences() {
        // Computed in f64 from the definition, independently of the operation.
        fn loss(size: [usize; 9], input: &[f64], weights: &[f64], outputs: &[f32]) -> f64 {
            let out_bands = reach(size).places(size[3], 1) as isize;
            let [
                all,
                frames,
                batch,
                bands,
                channels,
                filters,
                kernel,
                frame_stride,
                band_stride,
            ] = size.map(|size| size as isize);
            let mut loss = 0.0;
            for frame in 0..frames {
                for row in 0..batch {
                    for band in 0..out_bands {
                        for filter in 0..filters {
                            let mut sum = 0.0;
                            for tap in 0..kernel * kernel {
                                let from = frame * frame_stride + tap / kernel - kernel / 2;
                                let at = band * band_stride + tap % kernel - kernel / 2;
                                if !(0..all).contains(&from) || !(0..bands).contains(&at) {
                                    continue;
                                }
                                for channel in 0..channels {
                                    let place = ((from * batch + row) * bands + at) * channels + channel;
                                    let weight = (tap * channels + channel) * filters + filter;
                                    sum += input[place as usize] * weights[weight as usize];
                                }
                            }
                            let output = ((frame * batch + row) * out_bands + band) * filters + filter;
                            loss += sum * f64::from(outputs[output as usize]);
                        }
                    }
                }
            }
            loss
        }

        const STEP: f64 = 1e-3;
        for size in &SIZES[..9] {
            let [input, weights, outputs] = example(*size);
            let [_, input_gradients, weight_gradients] = with_gradients(convolve, *size, &Device::flex());
            let wide = |values: &[f32]| values.iter().copied().map(f64::from).collect::<Vec<_>>();
            let (mut input, mut weights) = (wide(&input), wide(&weights));
            for place in 0..input.len() {
                let at = input[place];
                input[place] = at + STEP;
                let above = loss(*size, &input, &weights, &outputs);
                input[place] = at - STEP;
                let below = loss(*size, &input, &weights, &outputs);
                input[place] = at;
                let slope = (above - below) / (2.0 * STEP);
                assert!(
                    (slope - f64::from(input_gradients[place])).abs() < 1e-4,
                    "{size:?} input {place}"
                );
            }
            for place in 0..weights.len() {
                let at = weights[place];
                weights[place] = at + STEP;
                let above = loss(*size, &input, &weights, &outputs);
                weights[place] = at - STEP;
                let below = loss(*size, &input, &weights, &outputs);
                weights[place] = at;
                let slope = (above - below) / (2.0 * STEP);
                assert!(
                    (slope - f64::from(weight_gradients[place])).abs() < 1e-4,
                    "{size:?} weight {place}"
                );
            }
        }
    }

    #[test]
    fn the_native_operation_equals_the_composed_one() {
        for size in SIZES {
            let native = with_gradients(convolve, size, &Device::flex());
            let composed = with_gradients(composed, size, &Device::flex());
            for (native, composed) in native.iter().zip(&composed) {
                assert_eq!(native.len(), composed.len());
                for (native, composed) in native.iter().zip(composed) {
                    assert!((native - composed).abs() < 1e-3, "{size:?}: {native} is not {composed}");
                }
            }
        }
    }

    #[test]
    fn the_result_is_repeatable_bit_for_bit() {
        let run = || with_gradients(convolve, SIZES[9], &Device::flex());
        assert_eq!(run(), run());
    }
}
