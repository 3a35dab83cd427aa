//! One optimisation step, and the learning rate it takes.

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::{AdamW, AdamWConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Tensor, TensorData};
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
            let sum = gradient.square().sum().into_scalar::<f32>();
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

#[cfg(test)]
mod tests {
    use super::*;
    use burn::module::Module;

    use crate::recipe::{DEFAULT_RECIPE, NetworkRecipe, Recipe};
    use crate::seed::{Purpose, stream};

    /// Loss over a few steps on one batch in which the label is written into the features.
    fn losses(device: &Device) -> Vec<f64> {
        let (frames, samples, coefficients) = (24, 6, 4);
        let recipe = Recipe::from_toml(DEFAULT_RECIPE).unwrap();
        let sizes = NetworkRecipe {
            conv_filters: 8,
            lstm_layers: 2,
            lstm_units: 8,
            dense_units: 8,
            dropout: 0.1,
            ..recipe.network
        };
        let features = (0..frames * samples * coefficients).map(|place| {
            let (sample, coefficient) = (place / coefficients % samples, place % coefficients);
            (sample as f32 * 1.3 + coefficient as f32).sin()
        });
        let batch = Batch {
            features: features.collect(),
            frames,
            labels: (0..samples).collect(),
        };
        let device = device.clone().autodiff();
        let mut network = Network::new(&sizes, coefficients, 1, &device);
        let mut optimizer = optimizer(&recipe.training);
        let mut losses = Vec::new();
        for index in 0..60 {
            let mut dropout = stream(1, Purpose::Dropout, 0, index);
            let taken = step(network, &mut optimizer, &batch, 2e-2, 1.0, &mut dropout, &device);
            network = taken.0;
            losses.push(taken.1.loss);
        }
        let plain = network.valid();
        let logits = infer(&plain, &batch, &plain.conv.val().device());
        assert_eq!(logits.len(), samples);
        losses
    }

    #[test]
    fn the_loss_falls_and_repeats_bit_for_bit() {
        let first = losses(&Device::flex());
        // Before anything is learned, every class is as likely as another.
        assert!((first[0] - 6.0_f64.ln()).abs() < 0.3, "{first:?}");
        assert!(first[59] < 0.5 * first[0], "{first:?}");
        assert_eq!(first, losses(&Device::flex()));
    }

    #[cfg(feature = "ndarray")]
    #[test]
    #[allow(deprecated)] // Kept for comparison as long as burn has it.
    fn ndarray_trains_like_flex() {
        let (flex, ndarray) = (losses(&Device::flex()), losses(&Device::ndarray()));
        // Rounding grows with every step.
        for (place, (flex, ndarray)) in flex.iter().zip(&ndarray).take(20).enumerate() {
            assert!((flex - ndarray).abs() < 1e-3, "step {place}: {flex} and {ndarray}");
        }
    }

    #[test]
    fn the_learning_rate_rises_and_falls() {
        let mut recipe = Recipe::from_toml(DEFAULT_RECIPE).unwrap().training;
        recipe.learning_rate = 1.0;
        recipe.epochs = 11;
        recipe.warmup_epochs = 1.0;
        let rate = |epochs| learning_rate(&recipe, epochs);
        assert_eq!((rate(0.5), rate(1.0)), (0.5, 1.0));
        assert!((rate(6.0) - 0.5).abs() < 1e-12);
        assert!(rate(11.0).abs() < 1e-12 && rate(20.0).abs() < 1e-12);
    }

    #[test]
    fn a_long_gradient_is_cut_to_length() {
        let device = Device::flex().autodiff();
        let recipe = Recipe::from_toml(DEFAULT_RECIPE).unwrap();
        let sizes = NetworkRecipe {
            conv_filters: 4,
            lstm_units: 4,
            dense_units: 4,
            ..recipe.network
        };
        let network = Network::new(&sizes, 2, 1, &device);
        let gradients = || {
            let loss = (network.conv.val() * 3.0).sum() + (network.output.bias.val() * 4.0).sum();
            GradientsParams::from_grads(loss.backward(), &network)
        };
        // 5 · 2 · 4 weights of slope 3 and 6 of slope 4.
        let expected = (40.0 * 9.0 + 6.0 * 16.0_f64).sqrt();
        let (kept, norm) = clip(&network, gradients(), 1_000.0);
        assert!((norm - expected).abs() < 1e-3);
        assert!((clip(&network, kept, 1.0).1 - expected).abs() < 1e-3);
        let (cut, _) = clip(&network, gradients(), 2.0);
        assert!((clip(&network, cut, 1_000.0).1 - 2.0).abs() < 1e-3);
    }
}
