//! One optimisation step, and the learning rate it takes.

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::{AdamW, AdamWConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, ElementConversion, Tensor, TensorData};
use rand_chacha::ChaCha8Rng;

use crate::network::{CLASSES, Network};
use crate::recipe::TrainingRecipe;
use crate::samples::Batch;

/// AdamW of the recipe; the other constants are those of Loshchilov and Hutter, 2019.
pub fn optimizer(recipe: &TrainingRecipe) -> ModuleOptimizer {
    let adam: AdamW = AdamWConfig::new()
        .with_epsilon(1e-8)
        .with_weight_decay(recipe.weight_decay as f32)
        .build();
    adam.into()
}

/// Learning rate at `epochs` passes (with fraction): linear up to the peak, then half a cosine down to zero.
pub fn learning_rate(recipe: &TrainingRecipe, epochs: f64) -> f64 {
    if epochs < recipe.warmup_epochs {
        return recipe.learning_rate * epochs / recipe.warmup_epochs;
    }
    let rest = (recipe.epochs as f64 - recipe.warmup_epochs).max(f64::MIN_POSITIVE);
    let done = ((epochs - recipe.warmup_epochs) / rest).min(1.0);
    recipe.learning_rate * 0.5 * (1.0 + (std::f64::consts::PI * done).cos())
}

/// What a step saw before it changed the weights.
#[derive(Debug, Clone, Copy)]
pub struct StepResult {
    /// Mean cross-entropy of the batch, in nats.
    pub loss: f64,
    /// Norm of the whole gradient before clipping.
    pub gradient_norm: f64,
}

/// Takes one step on a batch. `device` must be an autodiff device, and the network on it.
pub fn step(
    network: Network,
    optimizer: &mut ModuleOptimizer,
    batch: &Batch,
    learning_rate: f64,
    clip_norm: f64,
    dropout: &mut ChaCha8Rng,
    device: &Device,
) -> (Network, StepResult) {
    let logits = network.forward(features(batch, device), Some(dropout));
    let loss = cross_entropy(logits, one_hot(&batch.labels, device));
    let value = f64::from(loss.clone().into_scalar::<f32>());
    let gradients = GradientsParams::from_grads(loss.backward(), &network);
    let (gradients, gradient_norm) = clip(&network, gradients, clip_norm);
    // A step that went beyond the numbers must not spoil the weights.
    let network = if gradient_norm.is_finite() {
        optimizer.step(learning_rate, network, gradients)
    } else {
        network
    };
    let result = StepResult {
        loss: value,
        gradient_norm,
    };
    (network, result)
}

/// Logits of a batch without dropout or gradient.
pub fn infer(network: &Network, batch: &Batch, device: &Device) -> Vec<[f32; CLASSES]> {
    let logits = network.forward(features(batch, device), None);
    let values = logits.into_data().try_into_vec::<f32>().expect("logits are f32");
    let rows = values.chunks_exact(CLASSES);
    rows.map(|row| row.try_into().expect("rows of six")).collect()
}

fn features(batch: &Batch, device: &Device) -> Tensor<3> {
    let samples = batch.labels.len();
    let coefficients = batch.features.len() / (batch.frames * samples);
    let dims = [batch.frames, samples, coefficients];
    Tensor::from_data(TensorData::new(batch.features.clone(), dims), device)
}

fn one_hot(labels: &[usize], device: &Device) -> Tensor<2> {
    let mut values = vec![0.0_f32; labels.len() * CLASSES];
    for (row, label) in values.chunks_exact_mut(CLASSES).zip(labels) {
        row[*label] = 1.0;
    }
    Tensor::from_data(TensorData::new(values, [labels.len(), CLASSES]), device)
}

/// Mean over the rows of `−Σ target · log softmax(logits)`.
fn cross_entropy(logits: Tensor<2>, targets: Tensor<2>) -> Tensor<1> {
    let rows = logits.dims()[0] as f32;
    (log_softmax(logits, 1) * targets).sum() / -rows
}

/// Scales the gradient down to `most` if it is longer; returns its norm before.
fn clip(network: &Network, gradients: GradientsParams, most: f64) -> (GradientsParams, f64) {
    let mut sum = SquareSum {
        gradients: &gradients,
        sum: 0.0,
    };
    network.visit(&mut sum);
    let norm = sum.sum.sqrt();
    if norm <= most || !norm.is_finite() {
        return (gradients, norm);
    }
    let mut scale = Scale {
        gradients,
        factor: most / norm,
    };
    network.visit(&mut scale);
    (scale.gradients, norm)
}

struct SquareSum<'a> {
    gradients: &'a GradientsParams,
    sum: f64,
}

impl ModuleVisitor for SquareSum<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.get::<D>(param.id) {
            let sum: f32 = gradient.square().sum().into_scalar::<f32>().elem();
            self.sum += f64::from(sum);
        }
    }
}

struct Scale {
    gradients: GradientsParams,
    factor: f64,
}

impl ModuleVisitor for Scale {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.remove::<D>(param.id) {
            self.gradients.register(param.id, gradient * self.factor);
        }
    }
}
