//! Draws initial weights, uniform within ± one over the root of the number of inputs.

use burn::module::Param;
use burn::tensor::{Device, Tensor, TensorData};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::{Affine, Direction};
use crate::seed::{Purpose, stream};

/// Bias that the forget gates start with, so that the layers remember at first
/// (Jozefowicz, Zaremba and Sutskever, 2015).
const FORGET_BIAS: f32 = 1.0;

/// See above; draws in the order of the calls.
pub struct Initializer<'a> {
    random: ChaCha8Rng,
    device: &'a Device,
}

impl<'a> Initializer<'a> {
    /// From a seed.
    pub fn new(seed: u64, device: &'a Device) -> Self {
        Self {
            random: stream(seed, Purpose::Weights, 0, 0),
            device,
        }
    }

    /// Where the weights are made.
    pub fn device(&self) -> &Device {
        self.device
    }

    /// `[rows, columns]` for a sum of `inputs` values.
    pub fn matrix(&mut self, rows: usize, columns: usize, inputs: usize) -> Param<Tensor<2>> {
        let data = TensorData::new(self.values(rows * columns, inputs), [rows, columns]);
        Param::from_data(data, self.device)
    }

    /// Weights and bias.
    pub fn affine(&mut self, inputs: usize, outputs: usize) -> Affine {
        Affine {
            weight: self.matrix(inputs, outputs, inputs),
            bias: Param::from_data(TensorData::new(self.values(outputs, inputs), [outputs]), self.device),
        }
    }

    /// One direction of an LSTM layer.
    pub fn lstm(&mut self, inputs: usize, units: usize) -> Direction {
        let mut bias = vec![0.0; 4 * units];
        bias[units..2 * units].fill(FORGET_BIAS);
        Direction {
            input: self.matrix(inputs, 4 * units, units),
            recurrent: self.matrix(units, 4 * units, units),
            bias: Param::from_data(TensorData::new(bias, [4 * units]), self.device),
        }
    }

    fn values(&mut self, count: usize, inputs: usize) -> Vec<f32> {
        let bound = 1.0 / (inputs as f32).sqrt();
        (0..count).map(|_| self.random.random_range(-bound..bound)).collect()
    }
}
