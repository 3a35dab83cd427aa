//! One LSTM layer over a whole sequence as a single differentiable operation.
//!
//! burn's own `Lstm` records some twenty tensor operations per time step. Here the input's share of the
//! gates is one large product outside, and [`sequence`] runs the recurrence natively on burn's Flex backend,
//! forward and backward. On any other backend the same recurrence is composed of burn's tensor operations.
//!
//! Gates stand in the order input, forget, output, candidate (i, f, o, g):
//! `c_t = f·c_{t-1} + i·g`, `h_t = o·tanh(c_t)` (Gers, Schmidhuber and Cummins, 2000, without peepholes),
//! from a state of zero.

mod cell;
mod recurrence;

use std::sync::Arc;

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, backend_extension};
use burn::tensor::Tensor;
use burn::tensor::activation::{sigmoid, tanh};

use crate::flex::{from_floats, runs_on_flex, to_floats};
use recurrence::Recurrence;

/// Runs one layer's recurrence.
///
/// `gates`: the input's share of the gates, bias included, `[steps, batch, 4·units]`;
/// `recurrent`: the weights from the previous hidden state, `[units, 4·units]`.
/// Returns every step's hidden state, `[steps, batch, units]`.
pub fn sequence(gates: Tensor<3>, recurrent: Tensor<2>) -> Tensor<3> {
    if runs_on_flex(&gates.device()) {
        Tensor::from_dispatch(<Dispatch as SequenceBackend>::lstm_sequence(
            gates.into_dispatch(),
            recurrent.into_dispatch(),
        ))
    } else {
        composed(gates, recurrent)
    }
}

/// The same recurrence out of burn's tensor operations.
fn composed(gates: Tensor<3>, recurrent: Tensor<2>) -> Tensor<3> {
    let [steps, batch, width] = gates.dims();
    let units = width / 4;
    let device = gates.device();
    let mut hidden = Tensor::<2>::zeros([batch, units], &device);
    let mut cell = Tensor::<2>::zeros([batch, units], &device);
    let mut states = Vec::with_capacity(steps);
    for step in 0..steps {
        let own = gates.clone().narrow(0, step, 1).reshape([batch, width]);
        let sum = own + hidden.matmul(recurrent.clone());
        let gate = |place: usize| sum.clone().narrow(1, place * units, units);
        let (input, forget, output) = (sigmoid(gate(0)), sigmoid(gate(1)), sigmoid(gate(2)));
        cell = forget * cell + input * tanh(gate(3));
        hidden = output * tanh(cell.clone());
        states.push(hidden.clone());
    }
    Tensor::stack(states, 0)
}

/// Backends with the native operation.
#[backend_extension(Flex, Autodiff)]
trait SequenceBackend: Backend {
    /// See [`sequence`].
    fn lstm_sequence(gates: FloatTensor<Self>, recurrent: FloatTensor<Self>) -> FloatTensor<Self>;
}

impl SequenceBackend for Flex {
    fn lstm_sequence(gates: FloatTensor<Self>, recurrent: FloatTensor<Self>) -> FloatTensor<Self> {
        forward(gates, recurrent).1
    }
}

impl<C: CheckpointStrategy> SequenceBackend for Autodiff<Flex, C> {
    fn lstm_sequence(gates: FloatTensor<Self>, recurrent: FloatTensor<Self>) -> FloatTensor<Self> {
        let (gates, gates_node) = gates.into_parts();
        let (recurrent, recurrent_node) = recurrent.into_parts();
        let (recurrence, output) = forward(gates, recurrent);
        match SequenceBackward
            .prepare::<C>([gates_node, recurrent_node])
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(prepared) => prepared.finish(Arc::new(recurrence), output),
            OpsKind::UnTracked(prepared) => prepared.finish(output),
        }
    }
}

#[derive(Debug)]
struct SequenceBackward;

impl Backward<Flex, 2> for SequenceBackward {
    type State = Arc<Recurrence>;

    fn backward(self, ops: Ops<Self::State, 2>, gradients: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let [gates_node, recurrent_node] = ops.parents;
        let (output_gradient, _) = to_floats(gradients.consume::<Flex>(&ops.node));
        let recurrence = ops.state;
        let [steps, batch, units] = recurrence.dims();
        let (gates, recurrent) = recurrence.backward(&output_gradient);
        if let Some(node) = gates_node {
            gradients.register::<Flex>(node.id, from_floats(gates, &[steps, batch, 4 * units]));
        }
        if let Some(node) = recurrent_node {
            gradients.register::<Flex>(node.id, from_floats(recurrent, &[units, 4 * units]));
        }
    }
}

fn forward(gates: FloatTensor<Flex>, recurrent: FloatTensor<Flex>) -> (Recurrence, FloatTensor<Flex>) {
    let (gates, shape) = to_floats(gates);
    let (recurrent, _) = to_floats(recurrent);
    let (steps, batch, units) = (shape[0], shape[1], shape[2] / 4);
    let (recurrence, hidden) = Recurrence::forward(&gates, recurrent, [steps, batch, units]);
    (recurrence, from_floats(hidden, &[steps, batch, units]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::module::Param;
    use burn::nn::{GateController, Linear, Lstm, LstmConfig};
    use burn::tensor::{Device, TensorData};
    use rand::Rng;

    use crate::seed::{Purpose, stream};

    /// Steps, batch, units: a batch that does not divide evenly, widths beside the vector width.
    const SIZES: [[usize; 3]; 3] = [[7, 5, 3], [4, 1, 16], [9, 3, 24]];

    fn random(count: usize, key: u64) -> Vec<f32> {
        let mut random = stream(3, Purpose::Weights, key, 0);
        (0..count).map(|_| random.random_range(-1.0..1.0)).collect()
    }

    /// Gates, recurrent weights and the weight of each output in a loss.
    fn example([steps, batch, units]: [usize; 3]) -> [Vec<f32>; 3] {
        [
            random(steps * batch * 4 * units, 1),
            random(units * 4 * units, 2),
            random(steps * batch * units, 3),
        ]
    }

    fn tensor<const D: usize>(values: &[f32], dims: [usize; D], device: &Device) -> Tensor<D> {
        Tensor::from_data(TensorData::new(values.to_vec(), dims), device)
    }

    fn floats<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
        tensor.into_data().try_into_vec().unwrap()
    }

    fn assert_close(left: &[f32], right: &[f32], tolerance: f32) {
        assert_eq!(left.len(), right.len());
        for (place, (left, right)) in left.iter().zip(right).enumerate() {
            assert!((left - right).abs() <= tolerance, "{place}: {left} is not {right}");
        }
    }

    /// Output, gradient of the gates, gradient of the recurrent weights.
    fn with_gradients(
        run: impl Fn(Tensor<3>, Tensor<2>) -> Tensor<3>,
        size: [usize; 3],
        device: &Device,
    ) -> [Vec<f32>; 3] {
        let [steps, batch, units] = size;
        let [gates, recurrent, weights] = example(size);
        let device = device.clone().autodiff();
        let gates = tensor(&gates, [steps, batch, 4 * units], &device).require_grad();
        let recurrent = tensor(&recurrent, [units, 4 * units], &device).require_grad();
        let output = run(gates.clone(), recurrent.clone());
        let loss = (output.clone() * tensor(&weights, [steps, batch, units], &device)).sum();
        let gradients = loss.backward();
        [
            floats(output.without_autodiff()),
            floats(gates.grad(&gradients).unwrap()),
            floats(recurrent.grad(&gradients).unwrap()),
        ]
    }

    #[test]
    fn gradients_equal_finite_differences() {
        // Computed in f64 from the definition, independently of the operation.
        fn loss(size: [usize; 3], gates: &[f64], recurrent: &[f64], weights: &[f32]) -> f64 {
            let [steps, batch, units] = size;
            let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
            let (mut hidden, mut cell) = (vec![0.0; batch * units], vec![0.0; batch * units]);
            let mut loss = 0.0;
            for step in 0..steps {
                let before = hidden.clone();
                for row in 0..batch {
                    for unit in 0..units {
                        let sum = |gate: usize| {
                            let column = gate * units + unit;
                            let own = gates[(step * batch + row) * 4 * units + column];
                            let past = (0..units)
                                .map(|other| before[row * units + other] * recurrent[other * 4 * units + column]);
                            own + past.sum::<f64>()
                        };
                        let place = row * units + unit;
                        cell[place] = sigmoid(sum(1)) * cell[place] + sigmoid(sum(0)) * sum(3).tanh();
                        hidden[place] = sigmoid(sum(2)) * cell[place].tanh();
                        loss += hidden[place] * f64::from(weights[(step * batch + row) * units + unit]);
                    }
                }
            }
            loss
        }

        const STEP: f64 = 1e-5;
        let size = SIZES[0];
        let [gates, recurrent, weights] = example(size);
        let [_, gate_gradients, recurrent_gradients] = with_gradients(sequence, size, &Device::flex());
        let wide = |values: &[f32]| values.iter().copied().map(f64::from).collect::<Vec<_>>();
        let (mut gates, mut recurrent) = (wide(&gates), wide(&recurrent));
        for place in 0..gates.len() {
            let at = gates[place];
            gates[place] = at + STEP;
            let above = loss(size, &gates, &recurrent, &weights);
            gates[place] = at - STEP;
            let below = loss(size, &gates, &recurrent, &weights);
            gates[place] = at;
            let slope = (above - below) / (2.0 * STEP);
            assert!((slope - f64::from(gate_gradients[place])).abs() < 1e-5, "gate {place}");
        }
        for place in 0..recurrent.len() {
            let at = recurrent[place];
            recurrent[place] = at + STEP;
            let above = loss(size, &gates, &recurrent, &weights);
            recurrent[place] = at - STEP;
            let below = loss(size, &gates, &recurrent, &weights);
            recurrent[place] = at;
            let slope = (above - below) / (2.0 * STEP);
            assert!(
                (slope - f64::from(recurrent_gradients[place])).abs() < 1e-5,
                "weight {place}"
            );
        }
    }

    #[test]
    fn the_native_operation_equals_the_composed_one() {
        for size in SIZES {
            let native = with_gradients(sequence, size, &Device::flex());
            let composed = with_gradients(composed, size, &Device::flex());
            for (native, composed) in native.iter().zip(&composed) {
                assert_close(native, composed, 2e-5);
            }
        }
    }

    #[cfg(feature = "ndarray")]
    #[test]
    #[allow(deprecated)] // Kept for comparison as long as burn has it.
    fn ndarray_equals_flex() {
        for size in SIZES {
            let flex = with_gradients(sequence, size, &Device::flex());
            let ndarray = with_gradients(sequence, size, &Device::ndarray());
            for (flex, ndarray) in flex.iter().zip(&ndarray) {
                assert_close(flex, ndarray, 2e-5);
            }
        }
    }

    #[test]
    fn it_equals_burns_own_lstm() {
        let [steps, batch, units] = SIZES[2];
        let inputs = 5;
        let device = Device::flex();
        let input = tensor(&random(steps * batch * inputs, 4), [steps, batch, inputs], &device);
        let weight = tensor(&random(inputs * 4 * units, 5), [inputs, 4 * units], &device);
        let recurrent = tensor(&random(units * 4 * units, 6), [units, 4 * units], &device);
        let bias = tensor(&random(4 * units, 7), [4 * units], &device);

        let gate = |place: usize| {
            let columns = |matrix: &Tensor<2>| Param::from_tensor(matrix.clone().narrow(1, place * units, units));
            GateController {
                input_transform: Linear {
                    weight: columns(&weight),
                    bias: Some(Param::from_tensor(bias.clone().narrow(0, place * units, units))),
                },
                hidden_transform: Linear {
                    weight: columns(&recurrent),
                    bias: None,
                },
            }
        };
        let reference = Lstm {
            input_gate: gate(0),
            forget_gate: Some(gate(1)),
            output_gate: gate(2),
            cell_gate: gate(3),
            ..LstmConfig::new(inputs, units, true)
                .with_batch_first(false)
                .init(&device)
        };
        let (expected, _) = reference.forward(input.clone(), None);

        let gates = input.reshape([steps * batch, inputs]).matmul(weight) + bias.unsqueeze();
        let output = sequence(gates.reshape([steps, batch, 4 * units]), recurrent);
        assert_close(&floats(output), &floats(expected), 1e-5);
    }

    #[test]
    fn the_result_is_repeatable_bit_for_bit() {
        let run = || with_gradients(sequence, SIZES[2], &Device::flex());
        assert_eq!(run(), run());
    }
}
