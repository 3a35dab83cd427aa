//! LSTM layers, one way or both ways through time.

use burn::module::{Module, Param};
use burn::tensor::Tensor;

use super::initializer::Initializer;
use crate::lstm;

/// One LSTM layer.
#[derive(Module, Debug)]
pub struct LstmLayer {
    /// From the oldest step to the newest.
    pub forward: Direction,
    /// From the newest step to the oldest, in a bidirectional layer.
    pub backward: Option<Direction>,
}

/// One way through time; gates in the order of `lstm`.
#[derive(Module, Debug)]
pub struct Direction {
    /// Weights of the input, `[inputs, 4·units]`.
    pub input: Param<Tensor<2>>,
    /// Weights of the state before, `[units, 4·units]`.
    pub recurrent: Param<Tensor<2>>,
    /// Bias, `[4·units]`.
    pub bias: Param<Tensor<1>>,
}

impl LstmLayer {
    /// With weights drawn by `draw`.
    pub fn new(inputs: usize, units: usize, bidirectional: bool, draw: &mut Initializer<'_>) -> Self {
        Self {
            forward: draw.lstm(inputs, units),
            backward: bidirectional.then(|| draw.lstm(inputs, units)),
        }
    }

    /// From `[steps · batch, inputs]` to all states `[steps · batch, width]` and the last of each direction
    /// `[batch, width]`; width is that of both directions together.
    pub fn forward(&self, input: Tensor<2>, steps: usize, batch: usize) -> (Tensor<2>, Tensor<2>) {
        let (mut states, mut last) = self.forward.run(input.clone(), steps, batch, false);
        if let Some(backward) = &self.backward {
            let (back, first) = backward.run(input, steps, batch, true);
            states = Tensor::cat(vec![states, back], 2);
            last = Tensor::cat(vec![last, first], 1);
        }
        let width = states.dims()[2];
        (states.reshape([steps * batch, width]), last)
    }
}

impl Direction {
    /// States `[steps, batch, units]` in the order of time, and the one that was reached last.
    fn run(&self, input: Tensor<2>, steps: usize, batch: usize, turned: bool) -> (Tensor<3>, Tensor<2>) {
        let units = self.recurrent.dims()[0];
        let gates = input.matmul(self.input.val()) + self.bias.val().unsqueeze();
        let gates = gates.reshape([steps, batch, 4 * units]);
        let gates = if turned { gates.flip([0]) } else { gates };
        let states = lstm::sequence(gates, self.recurrent.val());
        let last = states.clone().narrow(0, steps - 1, 1).reshape([batch, units]);
        (if turned { states.flip([0]) } else { states }, last)
    }
}
