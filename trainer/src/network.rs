//! The design card's network: convolution, batch normalisation, ReLU, max-pool, LSTM layers, last state,
//! fully connected with ReLU and dropout, six logits.
//!
//! All tensors are time-major, `[frames, batch, …]`, so that the convolution and the LSTM's input products are
//! each one large matrix product.

use burn::module::{Module, Param};
use burn::nn::{BatchNorm, BatchNormConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor, TensorData};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::lstm;
use crate::norm_pool::norm_pool;
use crate::recipe::NetworkRecipe;
use crate::seed::{Purpose, stream};

/// Number of emotions.
pub const CLASSES: usize = affekt_models::EMOTIONS.len();

/// Bias that the forget gates start with, so that the layers remember at first
/// (Jozefowicz, Zaremba and Sutskever, 2015).
const FORGET_BIAS: f32 = 1.0;

/// The network.
#[derive(Module, Debug)]
pub struct Network {
    /// Convolution, `[kernel · coefficients, filters]`, kernel position major.
    pub conv: Param<Tensor<2>>,
    /// Normalisation of the filters.
    pub norm: BatchNorm,
    /// Recurrent layers.
    pub lstm: Vec<LstmLayer>,
    /// Fully connected layer.
    pub dense: Affine,
    /// Logits.
    pub output: Affine,
    kernel: usize,
    pool: usize,
    dropout: f64,
}

/// One LSTM layer; gates in the order of `lstm`.
#[derive(Module, Debug)]
pub struct LstmLayer {
    /// Weights of the input, `[inputs, 4·units]`.
    pub input: Param<Tensor<2>>,
    /// Weights of the state before, `[units, 4·units]`.
    pub recurrent: Param<Tensor<2>>,
    /// Bias, `[4·units]`.
    pub bias: Param<Tensor<1>>,
}

/// `x · weight + bias`.
#[derive(Module, Debug)]
pub struct Affine {
    /// `[inputs, outputs]`.
    pub weight: Param<Tensor<2>>,
    /// `[outputs]`.
    pub bias: Param<Tensor<1>>,
}

/// Draws initial weights, uniform within ± one over the root of the number of inputs.
struct Initializer<'a> {
    random: ChaCha8Rng,
    device: &'a Device,
}

impl Initializer<'_> {
    fn values(&mut self, count: usize, inputs: usize) -> Vec<f32> {
        let bound = 1.0 / (inputs as f32).sqrt();
        (0..count).map(|_| self.random.random_range(-bound..bound)).collect()
    }

    fn matrix(&mut self, rows: usize, columns: usize, inputs: usize) -> Param<Tensor<2>> {
        let data = TensorData::new(self.values(rows * columns, inputs), [rows, columns]);
        Param::from_data(data, self.device)
    }

    fn affine(&mut self, inputs: usize, outputs: usize) -> Affine {
        Affine {
            weight: self.matrix(inputs, outputs, inputs),
            bias: Param::from_data(TensorData::new(self.values(outputs, inputs), [outputs]), self.device),
        }
    }

    fn lstm(&mut self, inputs: usize, units: usize) -> LstmLayer {
        let mut bias = vec![0.0; 4 * units];
        bias[units..2 * units].fill(FORGET_BIAS);
        LstmLayer {
            input: self.matrix(inputs, 4 * units, units),
            recurrent: self.matrix(units, 4 * units, units),
            bias: Param::from_data(TensorData::new(bias, [4 * units]), self.device),
        }
    }
}

impl Network {
    /// A network with weights drawn from `seed`, the same on every backend.
    pub fn new(recipe: &NetworkRecipe, coefficients: usize, seed: u64, device: &Device) -> Self {
        let mut draw = Initializer {
            random: stream(seed, Purpose::Weights, 0, 0),
            device,
        };
        let taps = recipe.conv_kernel * coefficients;
        let conv = draw.matrix(taps, recipe.conv_filters, taps);
        let lstm = (0..recipe.lstm_layers)
            .map(|layer| {
                let inputs = if layer == 0 {
                    recipe.conv_filters
                } else {
                    recipe.lstm_units
                };
                draw.lstm(inputs, recipe.lstm_units)
            })
            .collect();
        Self {
            conv,
            norm: BatchNormConfig::new(recipe.conv_filters).init(device),
            lstm,
            dense: draw.affine(recipe.lstm_units, recipe.dense_units),
            output: draw.affine(recipe.dense_units, CLASSES),
            kernel: recipe.conv_kernel,
            pool: recipe.pool,
            dropout: recipe.dropout,
        }
    }

    /// Frames per max-pool.
    pub fn pool(&self) -> usize {
        self.pool
    }

    /// Logits `[batch, 6]` of scaled features `[frames, batch, coefficients]`, at least one pool of frames.
    /// With `dropout`, the dense layer's outputs are thinned by it.
    pub fn forward(&self, features: Tensor<3>, dropout: Option<&mut ChaCha8Rng>) -> Tensor<2> {
        let [frames, batch, _] = features.dims();
        let pools = frames / self.pool;

        let taps = self.taps(features, pools * self.pool);
        let mut sequence = norm_pool(&self.norm, taps.matmul(self.conv.val()), self.pool, batch);

        let mut last = None;
        for layer in &self.lstm {
            let units = layer.recurrent.dims()[0];
            let gates = sequence.matmul(layer.input.val()) + layer.bias.val().unsqueeze();
            let hidden = lstm::sequence(gates.reshape([pools, batch, 4 * units]), layer.recurrent.val());
            last = Some(hidden.clone().narrow(0, pools - 1, 1).reshape([batch, units]));
            sequence = hidden.reshape([pools * batch, units]);
        }
        let state = last.expect("a recipe has at least one LSTM layer");

        let mut dense = relu(self.dense.forward(state));
        if let Some(random) = dropout {
            dense = dense.clone() * self.dropout_mask(random, dense.dims(), &dense.device());
        }
        self.output.forward(dense)
    }

    /// The frames each filter sees, zero outside the input: `[frames · batch, kernel · coefficients]`, first `frames`.
    fn taps(&self, features: Tensor<3>, frames: usize) -> Tensor<2> {
        let [all_frames, batch, coefficients] = features.dims();
        let margin = self.kernel / 2;
        let edge = Tensor::<3>::zeros([margin, batch, coefficients], &features.device());
        let padded = Tensor::cat(vec![edge.clone(), features, edge], 0);
        debug_assert!(frames <= all_frames);
        let shifted = (0..self.kernel)
            .map(|tap| padded.clone().narrow(0, tap, frames))
            .collect();
        Tensor::cat(shifted, 2).reshape([frames * batch, self.kernel * coefficients])
    }

    /// Zero with the probability of dropout, else its inverse keep probability.
    fn dropout_mask(&self, random: &mut ChaCha8Rng, dims: [usize; 2], device: &Device) -> Tensor<2> {
        let keep = (1.0 - self.dropout) as f32;
        let mask: Vec<f32> = (0..dims[0] * dims[1])
            .map(|_| {
                if random.random_bool(self.dropout) {
                    0.0
                } else {
                    1.0 / keep
                }
            })
            .collect();
        Tensor::from_data(TensorData::new(mask, dims), device)
    }
}

impl Affine {
    fn forward(&self, input: Tensor<2>) -> Tensor<2> {
        input.matmul(self.weight.val()) + self.bias.val().unsqueeze()
    }
}
