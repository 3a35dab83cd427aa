//! Batch normalisation, max-pool over time and bands, and ReLU as a single differentiable operation.
//!
//! The convolution's output is by far the network's largest tensor; burn's operations pass over it some thirty
//! times per training step. [`train`] does so five times on burn's Flex backend; elsewhere it is composed of
//! burn's operations. ReLU after the maximum equals ReLU before it, on fewer values.

mod kernel;

use std::sync::Arc;

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, AutodiffBackend, Backend, Dispatch, Flex, backend_extension};
use burn::nn::BatchNorm;
use burn::tensor::Tensor;
use burn::tensor::activation::relu;

use crate::flex::{from_floats, runs_on_flex, to_floats};
use kernel::{NormPool, Shape};

/// Sizes of the pools.
#[derive(Debug, Clone, Copy)]
pub struct Pools {
    /// Frames per pool.
    pub frames: usize,
    /// Neighbouring rows of a frame per pool.
    pub bands: usize,
    /// Rows per frame: members of the batch times bands.
    pub rows: usize,
    /// Whether the maximum is rectified.
    pub rectify: bool,
}

/// Normalises `[frames · rows, filters]` (time first) by `norm`, takes the maximum of each pool of neighbouring frames
/// and bands, and rectifies if asked to: `[frames / pool · rows / band pool, filters]`. On an autodiff device the batch's own
/// statistics are used, and `norm`'s running ones updated.
pub fn norm_pool(norm: &BatchNorm, input: Tensor<2>, pools: Pools) -> Tensor<2> {
    let device = input.device();
    if device.is_autodiff() && runs_on_flex(&device) {
        train(norm, input, pools)
    } else {
        composed(norm, input, pools)
    }
}

/// The same out of burn's tensor operations.
fn composed(norm: &BatchNorm, input: Tensor<2>, pools: Pools) -> Tensor<2> {
    let [rows, filters] = input.dims();
    let count = rows / (pools.frames * pools.rows);
    let normalised = norm.forward(input).reshape([count, pools.frames, pools.rows * filters]);
    let over_time: Tensor<3> = normalised.max_dim(1);
    let bands = over_time.reshape([count * pools.rows / pools.bands, pools.bands, filters]);
    let most: Tensor<3> = bands.max_dim(1);
    let most = if pools.rectify { relu(most) } else { most };
    most.reshape([count * pools.rows / pools.bands, filters])
}

fn train(norm: &BatchNorm, input: Tensor<2>, pools: Pools) -> Tensor<2> {
    let (output, mean, variance) = <Dispatch as NormPoolBackend>::norm_pool(
        input.into_dispatch(),
        norm.gamma.val().into_dispatch(),
        norm.beta.val().into_dispatch(),
        norm.epsilon,
        pools,
    );
    let statistics = [
        (&norm.running_mean, Tensor::<1>::from_dispatch(mean)),
        (&norm.running_var, Tensor::<1>::from_dispatch(variance)),
    ];
    for (running, new) in statistics {
        let kept = running.value_sync() * (1.0 - norm.momentum);
        running.update((kept + new * norm.momentum).detach());
    }
    Tensor::from_dispatch(output)
}

/// Backends with the native operation.
#[backend_extension(Flex, Autodiff)]
trait NormPoolBackend: Backend {
    /// Output, mean and (biased) variance of the batch; see [`norm_pool`].
    fn norm_pool(
        input: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f64,
        pools: Pools,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);
}

impl NormPoolBackend for Flex {
    fn norm_pool(
        input: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f64,
        pools: Pools,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let (_, outputs) = forward(input, gamma, beta, epsilon, pools);
        outputs
    }
}

impl<C: CheckpointStrategy> NormPoolBackend for Autodiff<Flex, C> {
    fn norm_pool(
        input: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f64,
        pools: Pools,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let (input, input_node) = input.into_parts();
        let (gamma, gamma_node) = gamma.into_parts();
        let (beta, beta_node) = beta.into_parts();
        let (state, (output, mean, variance)) = forward(input, gamma, beta, epsilon, pools);
        let output = match NormPoolBackward
            .prepare::<C>([input_node, gamma_node, beta_node])
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(prepared) => prepared.finish(Arc::new(state), output),
            OpsKind::UnTracked(prepared) => prepared.finish(output),
        };
        (output, Self::from_inner(mean), Self::from_inner(variance))
    }
}

#[derive(Debug)]
struct NormPoolBackward;

impl Backward<Flex, 3> for NormPoolBackward {
    type State = Arc<NormPool>;

    fn backward(self, ops: Ops<Self::State, 3>, gradients: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let [input_node, gamma_node, beta_node] = ops.parents;
        let (output_gradient, _) = to_floats(gradients.consume::<Flex>(&ops.node));
        let Shape { rows, filters, .. } = ops.state.shape();
        let (input, gamma, beta) = ops.state.backward(&output_gradient);
        if let Some(node) = input_node {
            gradients.register::<Flex>(node.id, from_floats(input, &[rows, filters]));
        }
        if let Some(node) = gamma_node {
            gradients.register::<Flex>(node.id, from_floats(gamma, &[filters]));
        }
        if let Some(node) = beta_node {
            gradients.register::<Flex>(node.id, from_floats(beta, &[filters]));
        }
    }
}

type Outputs = (FloatTensor<Flex>, FloatTensor<Flex>, FloatTensor<Flex>);

fn forward(
    input: FloatTensor<Flex>,
    gamma: FloatTensor<Flex>,
    beta: FloatTensor<Flex>,
    epsilon: f64,
    pools: Pools,
) -> (NormPool, Outputs) {
    let (input, dims) = to_floats(input);
    let shape = Shape {
        rows: dims[0],
        filters: dims[1],
        pool: pools.frames,
        band_pool: pools.bands,
        batch: pools.rows,
        rectify: pools.rectify,
    };
    let (gamma, beta) = (to_floats(gamma).0, to_floats(beta).0);
    let (state, output) = NormPool::forward(input, gamma, &beta, epsilon, shape);
    let mean = from_floats(state.mean(), &[shape.filters]);
    let variance = from_floats(state.variance(), &[shape.filters]);
    let output = from_floats(output, &[shape.pooled_rows(), shape.filters]);
    (state, (output, mean, variance))
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::nn::BatchNormConfig;
    use burn::tensor::{Device, TensorData};
    use rand::Rng;

    use crate::seed::{Purpose, stream};

    /// Pools, frames per pool, rows per frame, filters, bands per pool: more rows than one block, and filters beside
    /// the vector width. With 16 filters nothing is rectified. Those with 16 filters are not rectified.
    const SIZES: [[usize; 5]; 4] = [[3, 4, 2, 5, 1], [60, 4, 3, 37, 1], [7, 2, 1, 16, 1], [9, 2, 12, 6, 4]];

    fn random(count: usize, key: u64) -> Vec<f32> {
        let mut random = stream(4, Purpose::Weights, key, 0);
        (0..count).map(|_| random.random_range(-1.0..1.0)).collect()
    }

    /// Output, gradients of input, gamma and beta, running mean and variance after one pass.
    fn run(
        operation: impl Fn(&BatchNorm, Tensor<2>, Pools) -> Tensor<2>,
        [pools, pool, batch, filters, bands]: [usize; 5],
    ) -> [Vec<f32>; 6] {
        let device = Device::flex().autodiff();
        let tensor =
            |values: Vec<f32>, rows: usize| Tensor::<2>::from_data(TensorData::new(values, [rows, filters]), &device);
        let norm = BatchNormConfig::new(filters).init(&device);
        let rows = pools * pool * batch;
        let mut values = random(rows * filters, 1);
        // Off centre, so that the statistics are not trivial.
        values.iter_mut().for_each(|value| *value = 3.0 * *value + 5.0);
        let input = tensor(values, rows).require_grad();
        let gamma = Tensor::<1>::from_data(TensorData::new(random(filters, 2), [filters]), &device);
        let beta = Tensor::<1>::from_data(TensorData::new(random(filters, 3), [filters]), &device);
        let norm = BatchNorm {
            gamma: norm.gamma.map(|_| gamma.require_grad()),
            beta: norm.beta.map(|_| beta.require_grad()),
            ..norm
        };
        let output = operation(
            &norm,
            input.clone(),
            Pools {
                frames: pool,
                bands,
                rows: batch,
                rectify: filters != 16,
            },
        );
        let pooled = pools * batch / bands;
        let loss = (output.clone() * tensor(random(pooled * filters, 4), pooled)).sum();
        let gradients = loss.backward();
        let floats = |tensor: Tensor<1>| tensor.into_data().try_into_vec::<f32>().unwrap();
        [
            floats(output.without_autodiff().flatten(0, 1)),
            floats(input.grad(&gradients).unwrap().flatten(0, 1)),
            floats(norm.gamma.grad(&gradients).unwrap()),
            floats(norm.beta.grad(&gradients).unwrap()),
            floats(norm.running_mean.value_sync().without_autodiff()),
            floats(norm.running_var.value_sync().without_autodiff()),
        ]
    }

    #[test]
    fn the_native_operation_equals_the_composed_one() {
        for size in SIZES {
            let (native, composed) = (run(norm_pool, size), run(composed, size));
            for (native, composed) in native.iter().zip(&composed) {
                assert_eq!(native.len(), composed.len());
                for (native, composed) in native.iter().zip(composed) {
                    assert!((native - composed).abs() < 2e-4, "{size:?}: {native} is not {composed}");
                }
            }
        }
    }

    #[test]
    fn the_result_is_repeatable_bit_for_bit() {
        assert_eq!(run(norm_pool, SIZES[1]), run(norm_pool, SIZES[1]));
    }
}
