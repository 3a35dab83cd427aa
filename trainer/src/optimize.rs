//! One optimisation step, and the learning rate it takes.

use burn::module::{Module, ModuleVisitor, Param, ParamGroup};
use burn::optim::{AdamW, AdamWConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Tensor, TensorData};
use rand_chacha::ChaCha8Rng;

use crate::network::{CLASSES, Network};
use crate::recipe::{Schedule, TrainingRecipe};
use crate::samples::Batch;

/// Parameters that are no matrices: they are not decayed, because they do not make the network less smooth.
const NOT_DECAYED: [&str; 3] = ["bias", "gamma", "beta"];

/// AdamW of the recipe; the other constants are those of Loshchilov and Hutter, 2019.
pub fn optimizer(recipe: &TrainingRecipe) -> ModuleOptimizer {
    let adam = |weight_decay: f64| -> AdamW {
        AdamWConfig::new()
            .with_epsilon(1e-8)
            .with_weight_decay(weight_decay as f32)
            .build()
    };
    let optimizer: ModuleOptimizer = adam(recipe.weight_decay).into();
    optimizer.with_group(ParamGroup::from_any_predicates(NOT_DECAYED.to_vec()), adam(0.0), None)
}

/// Learning rate at `epochs` passes (with fraction): linear up to the peak, then the recipe's course.
pub fn learning_rate(recipe: &TrainingRecipe, epochs: f64) -> f64 {
    if epochs < recipe.warmup_epochs {
        return recipe.learning_rate * epochs / recipe.warmup_epochs;
    }
    let rest = (recipe.epochs as f64 - recipe.warmup_epochs).max(f64::MIN_POSITIVE);
    let done = ((epochs - recipe.warmup_epochs) / rest).min(1.0);
    let share = match recipe.schedule {
        Schedule::Cosine => 0.5 * (1.0 + (std::f64::consts::PI * done).cos()),
        Schedule::Linear => 1.0 - done,
        Schedule::Step if done < 0.5 => 1.0,
        Schedule::Step if done < 0.75 => 0.1,
        Schedule::Step => 0.01,
        Schedule::Constant => 1.0,
    };
    recipe.learning_rate * share
}

/// What a step saw before it changed the weights.
#[derive(Debug, Clone, Copy)]
pub struct StepResult {
    /// Loss of the batch, in nats.
    pub loss: f64,
    /// Norm of the whole gradient before clipping.
    pub gradient_norm: f64,
}

/// Mean of the norms that are numbers, 0 if none is: those that are not belong to steps that were not taken.
pub fn mean_norm(norms: &[f64]) -> f64 {
    let (mut sum, mut count) = (0.0, 0);
    for norm in norms.iter().filter(|norm| norm.is_finite()) {
        sum += norm;
        count += 1;
    }
    sum / f64::from(count.max(1))
}

/// Takes one step on a batch. `device` must be an autodiff device, and the network on it.
pub fn step(
    network: Network,
    optimizer: &mut ModuleOptimizer,
    batch: &Batch,
    learning_rate: f64,
    recipe: &TrainingRecipe,
    dropout: &mut ChaCha8Rng,
    device: &Device,
) -> (Network, StepResult) {
    let logits = network.forward(features(batch, device), Some(dropout));
    let loss = loss(logits, batch, recipe.focal_gamma, device);
    let value = f64::from(loss.clone().into_scalar::<f32>());
    let gradients = GradientsParams::from_grads(loss.backward(), &network);
    let (gradients, gradient_norm) = clip(&network, gradients, recipe.clip_norm);
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
    let samples = batch.targets.len();
    let width = batch.features.len() / (batch.frames * samples);
    let dims = [batch.frames, samples, width];
    Tensor::from_data(TensorData::new(batch.features.clone(), dims), device)
}

/// Weighted mean over the samples of `−Σ target · (1 − p)^γ · log p`, with p the softmax of the logits: the focal loss
/// (Lin, Goyal, Girshick, He and Dollár, 2017), for γ = 0 the cross-entropy.
fn loss(logits: Tensor<2>, batch: &Batch, gamma: f64, device: &Device) -> Tensor<1> {
    let samples = batch.targets.len();
    let all: f32 = batch.weights.iter().sum();
    let weighted = batch.targets.iter().zip(&batch.weights);
    let values: Vec<f32> = weighted
        .flat_map(|(target, weight)| target.map(|share| share * weight / all))
        .collect();
    let targets = Tensor::<2>::from_data(TensorData::new(values, [samples, CLASSES]), device);
    let logs = log_softmax(logits, 1);
    if gamma == 0.0 {
        return -(logs * targets).sum();
    }
    // Away from zero, where the slope of a power may have no bound.
    let missing = (logs.clone().exp() * -1.0 + 1.0).clamp_min(1e-6);
    -(logs * missing.powf_scalar(gamma as f32) * targets).sum()
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

    use crate::network::Front;
    use crate::recipe::{BlockRecipe, DEFAULT_RECIPE, NetworkRecipe, Pooling, Recipe};
    use crate::seed::{Purpose, stream};

    /// Loss over a few steps on one batch in which the label is written into the features.
    fn losses(device: &Device, sizes: &NetworkRecipe, gamma: f64) -> Vec<f64> {
        let (frames, samples, coefficients) = (24, 6, 4);
        let mut recipe = Recipe::from_toml(DEFAULT_RECIPE).unwrap();
        recipe.training.focal_gamma = gamma;
        let features = (0..frames * samples * coefficients).map(|place| {
            let (sample, coefficient) = (place / coefficients % samples, place % coefficients);
            (sample as f32 * 1.3 + coefficient as f32).sin()
        });
        let batch = Batch {
            features: features.collect(),
            frames,
            targets: (0..samples)
                .map(|sample| std::array::from_fn(|class| f32::from(class == sample)))
                .collect(),
            weights: vec![1.0; samples],
        };
        let device = device.clone().autodiff();
        let mut network = Network::new(sizes, coefficients, 1, &device);
        let mut optimizer = optimizer(&recipe.training);
        let mut losses = Vec::new();
        for index in 0..60 {
            let mut dropout = stream(1, Purpose::Dropout, 0, index);
            let taken = step(
                network,
                &mut optimizer,
                &batch,
                2e-2,
                &recipe.training,
                &mut dropout,
                &device,
            );
            network = taken.0;
            losses.push(taken.1.loss);
        }
        let plain = network.valid();
        let logits = infer(&plain, &batch, &plain.device());
        assert_eq!(logits.len(), samples);
        losses
    }

    fn small() -> NetworkRecipe {
        NetworkRecipe {
            conv_filters: 8,
            lstm_layers: 2,
            lstm_units: 8,
            dense_units: 8,
            dropout: 0.1,
            ..Recipe::from_toml(DEFAULT_RECIPE).unwrap().network
        }
    }

    /// The variants of the layers, each in one network. The mel bands of the test are four.
    fn variants() -> Vec<(&'static str, NetworkRecipe)> {
        let blocks = vec![
            BlockRecipe {
                filters: 6,
                kernel: 5,
                stride: [2, 1],
                pool: [1, 2],
                residual: false,
            },
            BlockRecipe {
                filters: 8,
                kernel: 3,
                stride: [1, 1],
                pool: [2, 1],
                residual: false,
            },
            BlockRecipe {
                filters: 8,
                kernel: 3,
                stride: [1, 1],
                pool: [1, 1],
                residual: true,
            },
        ];
        let crnn = NetworkRecipe {
            architecture: crate::recipe::Architecture::Crnn,
            blocks,
            projection: 8,
            front_dropout: 0.1,
            pooling: Pooling::Attention,
            heads: 2,
            lstm_layers: 0,
            dense_units: 0,
            ..small()
        };
        let deviation = NetworkRecipe {
            pooling: Pooling::AttentionDeviation,
            lstm_layers: 1,
            bidirectional: true,
            ..crnn.clone()
        };
        let both_ways = NetworkRecipe {
            bidirectional: true,
            lstm_dropout: 0.1,
            pooling: Pooling::Mean,
            ..small()
        };
        vec![
            ("cnn-lstm", small()),
            ("both ways", both_ways),
            ("crnn", crnn),
            ("deviation", deviation),
        ]
    }

    #[test]
    fn the_loss_falls_and_repeats_bit_for_bit() {
        for (name, sizes) in variants() {
            let first = losses(&Device::flex(), &sizes, 0.0);
            // Before anything is learned, every class is as likely as another.
            assert!((first[0] - 6.0_f64.ln()).abs() < 0.5, "{name}: {first:?}");
            assert!(first[59] < 0.5 * first[0], "{name}: {first:?}");
            assert_eq!(first, losses(&Device::flex(), &sizes, 0.0), "{name}");
        }
    }

    #[test]
    fn the_focal_loss_is_below_the_cross_entropy_and_falls() {
        let (plain, focal) = (
            losses(&Device::flex(), &small(), 0.0),
            losses(&Device::flex(), &small(), 2.0),
        );
        // At first the probabilities are all about 1/6.
        assert!(
            (focal[0] / plain[0] - (5.0_f64 / 6.0).powi(2)).abs() < 0.1,
            "{} {}",
            focal[0],
            plain[0]
        );
        assert!(focal[59] < 0.5 * focal[0], "{focal:?}");
    }

    #[cfg(feature = "ndarray")]
    #[test]
    #[allow(deprecated)] // Kept for comparison as long as burn has it.
    fn ndarray_trains_like_flex() {
        for (name, sizes) in variants() {
            let flex = losses(&Device::flex(), &sizes, 0.0);
            let ndarray = losses(&Device::ndarray(), &sizes, 0.0);
            // Rounding grows with every step.
            for (place, (flex, ndarray)) in flex.iter().zip(&ndarray).take(10).enumerate() {
                assert!(
                    (flex - ndarray).abs() < 2e-3,
                    "{name}, step {place}: {flex} and {ndarray}"
                );
            }
        }
    }

    #[test]
    fn weights_and_soft_targets_enter_the_loss() {
        let device = Device::flex();
        let logits = Tensor::<2>::from_data([[1.0_f32, 0.0, 0.0, 0.0, 0.0, 0.0], [0.0; 6]], &device);
        let batch = Batch {
            features: Vec::new(),
            frames: 0,
            targets: vec![[0.5, 0.5, 0.0, 0.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0, 0.0, 0.0]],
            weights: vec![3.0, 1.0],
        };
        let sum = (1.0_f64.exp() + 5.0).ln();
        let expected = (3.0 * (sum - 0.5) + 6.0_f64.ln()) / 4.0;
        let value = f64::from(loss(logits, &batch, 0.0, &device).into_scalar::<f32>());
        assert!((value - expected).abs() < 1e-5, "{value} is not {expected}");
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
        for (schedule, halfway, late) in [
            (Schedule::Linear, 0.5, 0.1),
            (Schedule::Step, 0.1, 0.01),
            (Schedule::Constant, 1.0, 1.0),
        ] {
            recipe.schedule = schedule;
            let rate = |epochs| learning_rate(&recipe, epochs);
            assert!(
                (rate(6.0) - halfway).abs() < 1e-12 && (rate(10.0) - late).abs() < 1e-12,
                "{schedule:?}"
            );
            assert_eq!(rate(0.5), 0.5);
        }
    }

    #[test]
    fn steps_that_were_not_taken_leave_the_mean_norm_a_number() {
        assert_eq!(mean_norm(&[1.0, f64::INFINITY, 4.0, f64::NAN]), 2.5);
        assert_eq!(mean_norm(&[f64::INFINITY]), 0.0);
    }

    #[test]
    fn matrices_alone_decay() {
        let device = Device::flex().autodiff();
        let mut recipe = Recipe::from_toml(DEFAULT_RECIPE).unwrap().training;
        recipe.weight_decay = 0.5;
        let network = Network::new(&small(), 4, 1, &device);
        let values = |network: &Network| {
            let Front::Time(front) = &network.front else {
                panic!("the front of a cnn-lstm");
            };
            let floats = |tensor: Tensor<1>| tensor.into_data().try_into_vec::<f32>().unwrap();
            let matrices = [
                front.conv.val().flatten(0, 1),
                network.lstm[1].forward.recurrent.val().flatten(0, 1),
            ];
            let others = [
                network.output.bias.val(),
                network.lstm[0].forward.bias.val(),
                front.norm.gamma.val(),
            ];
            (matrices.map(floats), others.map(floats))
        };
        let (matrices, others) = values(&network);
        // Gradients of zero: what changes is decay.
        let Front::Time(front) = &network.front else {
            panic!("the front of a cnn-lstm");
        };
        let sum = front.conv.val().sum()
            + network.lstm[1].forward.recurrent.val().sum()
            + network.output.bias.val().sum()
            + network.lstm[0].forward.bias.val().sum()
            + front.norm.gamma.val().sum();
        let gradients = GradientsParams::from_grads((sum * 0.0).backward(), &network);
        let network = optimizer(&recipe).step(0.1, network, gradients);
        let (decayed, kept) = values(&network);
        assert_eq!(others, kept);
        for (before, after) in matrices.iter().flatten().zip(decayed.iter().flatten()) {
            assert!(
                (after - before * (1.0 - 0.1 * 0.5)).abs() < 1e-6,
                "{before} became {after}"
            );
        }
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
            let Front::Time(front) = &network.front else {
                panic!("the front of a cnn-lstm");
            };
            let loss = (front.conv.val() * 3.0).sum() + (network.output.bias.val() * 4.0).sum();
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
