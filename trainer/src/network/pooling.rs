//! From a sequence to one vector. Sequences are `[steps · batch, width]`, time first.

use burn::tensor::Tensor;
use burn::tensor::activation::softmax;

/// Added to the variance, so that the slope of its root is bounded.
pub const VARIANCE_FLOOR: f32 = 1e-4;

/// The last step, `[batch, width]`.
pub fn last(sequence: Tensor<2>, batch: usize) -> Tensor<2> {
    let [rows, _] = sequence.dims();
    sequence.narrow(0, rows - batch, batch)
}

/// The mean over time, `[batch, width]`.
pub fn mean(sequence: Tensor<2>, batch: usize) -> Tensor<2> {
    let [rows, width] = sequence.dims();
    let steps: Tensor<3> = sequence.reshape([rows / batch, batch, width]);
    steps.mean_dim(0).reshape([batch, width])
}

/// The mean over time weighted by the softmax over time of `scores` `[steps · batch, heads]`: each head weighs its part
/// of the width. With `deviation` the weighted standard deviation stands beside it.
/// Returns `[batch, width]`, with deviation `[batch, 2 · width]`.
pub fn attention(sequence: Tensor<2>, scores: Tensor<2>, batch: usize, deviation: bool) -> Tensor<2> {
    let ([rows, width], [_, heads]) = (sequence.dims(), scores.dims());
    let steps = rows / batch;
    let weights: Tensor<3> = softmax(scores.reshape([steps, batch, heads]), 0);
    let weights: Tensor<4> = weights.reshape([steps, batch, heads, 1]);
    let values: Tensor<4> = sequence.reshape([steps, batch, heads, width / heads]);
    let sum = |values: Tensor<4>| -> Tensor<2> { (values * weights.clone()).sum_dim(0).reshape([batch, width]) };
    let mean = sum(values.clone());
    if !deviation {
        return mean;
    }
    let variance = sum(values.clone() * values) - mean.clone() * mean.clone();
    let deviation = (variance.clamp_min(0.0) + VARIANCE_FLOOR).sqrt();
    Tensor::cat(vec![mean, deviation], 1)
}
