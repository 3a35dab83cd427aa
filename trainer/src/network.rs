//! The networks: a convolutional front, LSTM layers, pooling over time, a fully connected layer, six logits.
//!
//! All tensors are time-major, `[frames, batch, …]`, so that convolutions and the LSTM's input products are each one
//! large matrix product.

mod front;
mod initializer;
mod pooling;
mod recurrent;

use burn::module::{Module, Param};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor, TensorData};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

pub use front::{Block, BlockFront, Front, Projection, TimeFront};
pub use pooling::VARIANCE_FLOOR;
pub use recurrent::{Direction, LstmLayer};

use crate::recipe::{NetworkRecipe, Pooling};
use initializer::Initializer;

/// Number of emotions.
pub const CLASSES: usize = affekt_models::EMOTIONS.len();

/// The network.
#[derive(Module, Debug)]
pub struct Network {
    /// What comes first.
    pub front: Front,
    /// Recurrent layers.
    pub lstm: Vec<LstmLayer>,
    /// Scores each step for attention, one score per head.
    pub attention: Option<Affine>,
    /// Fully connected layer.
    pub dense: Option<Affine>,
    /// Logits.
    pub output: Affine,
    #[module(skip)]
    pooling: Pooling,
    lstm_dropout: f64,
    dropout: f64,
}

/// `x · weight + bias`.
#[derive(Module, Debug)]
pub struct Affine {
    /// `[inputs, outputs]`.
    pub weight: Param<Tensor<2>>,
    /// `[outputs]`.
    pub bias: Param<Tensor<1>>,
}

impl Network {
    /// A network for `inputs` values per frame, with weights drawn from `seed`, the same on every backend.
    pub fn new(recipe: &NetworkRecipe, inputs: usize, seed: u64, device: &Device) -> Self {
        let mut draw = Initializer::new(seed, device);
        let front = Front::new(recipe, inputs, &mut draw);
        let layer_width = recipe.lstm_units * if recipe.bidirectional { 2 } else { 1 };
        let lstm = (0..recipe.lstm_layers)
            .map(|layer| {
                let inputs = if layer == 0 { recipe.front_width() } else { layer_width };
                LstmLayer::new(inputs, recipe.lstm_units, recipe.bidirectional, &mut draw)
            })
            .collect();
        let width = recipe.sequence_width();
        let (attends, deviates) = match recipe.pooling {
            Pooling::Last | Pooling::Mean => (false, false),
            Pooling::Attention => (true, false),
            Pooling::AttentionDeviation => (true, true),
        };
        let pooled = if deviates { 2 * width } else { width };
        let attention = attends.then(|| draw.affine(width, recipe.heads));
        let dense = (recipe.dense_units > 0).then(|| draw.affine(pooled, recipe.dense_units));
        let last = if recipe.dense_units > 0 {
            recipe.dense_units
        } else {
            pooled
        };
        Self {
            front,
            lstm,
            attention,
            dense,
            output: draw.affine(last, CLASSES),
            pooling: recipe.pooling,
            lstm_dropout: recipe.lstm_dropout,
            dropout: recipe.dropout,
        }
    }

    /// How the sequence becomes one vector.
    pub fn pooling(&self) -> Pooling {
        self.pooling
    }

    /// The device that its weights are on.
    pub fn device(&self) -> Device {
        self.output.bias.val().device()
    }

    /// Logits `[batch, 6]` of scaled features `[frames, batch, inputs]`, at least one pool of frames.
    /// With `dropout`, what the recipe says is thinned by it.
    pub fn forward(&self, features: Tensor<3>, mut dropout: Option<&mut ChaCha8Rng>) -> Tensor<2> {
        let batch = features.dims()[1];
        let mut sequence = self.front.forward(features, dropout.as_deref_mut());
        let steps = sequence.dims()[0] / batch;
        let mut last = None;
        for (place, layer) in self.lstm.iter().enumerate() {
            if place > 0 {
                sequence = thin(sequence, self.lstm_dropout, dropout.as_deref_mut());
            }
            let (states, newest) = layer.forward(sequence, steps, batch);
            sequence = states;
            last = Some(newest);
        }
        let pooled = match self.pooling {
            Pooling::Last => last.unwrap_or_else(|| pooling::last(sequence, batch)),
            Pooling::Mean => pooling::mean(sequence, batch),
            Pooling::Attention | Pooling::AttentionDeviation => {
                let attention = self.attention.as_ref().expect("a network that attends has scores");
                let scores = attention.forward(sequence.clone());
                pooling::attention(sequence, scores, batch, self.pooling == Pooling::AttentionDeviation)
            }
        };
        let vector = match &self.dense {
            Some(dense) => relu(dense.forward(pooled)),
            None => pooled,
        };
        self.output.forward(thin(vector, self.dropout, dropout))
    }
}

impl Affine {
    fn forward(&self, input: Tensor<2>) -> Tensor<2> {
        input.matmul(self.weight.val()) + self.bias.val().unsqueeze()
    }
}

/// Silences a share of the values and makes up for it in the others; nothing without `random`.
fn thin(values: Tensor<2>, share: f64, random: Option<&mut ChaCha8Rng>) -> Tensor<2> {
    let Some(random) = random.filter(|_| share > 0.0) else {
        return values;
    };
    let dims = values.dims();
    let keep = (1.0 - share) as f32;
    let mask: Vec<f32> = (0..dims[0] * dims[1])
        .map(|_| if random.random_bool(share) { 0.0 } else { 1.0 / keep })
        .collect();
    let mask = Tensor::from_data(TensorData::new(mask, dims), &values.device());
    values * mask
}
