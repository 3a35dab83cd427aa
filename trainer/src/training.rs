//! Trains a network epoch by epoch, keeps the best one, and stops when it gets no better.

use std::ops::ControlFlow;
use std::time::Instant;

use affekt_features::FeatureError;
use affekt_models::EMOTIONS;
use burn::module::Module;
use burn::tensor::Device;
use rayon::prelude::*;

use crate::calibration::{Scored, cross_entropy, fit_temperature, softmax};
use crate::dataset::Dataset;
use crate::metrics::Metrics;
use crate::network::Network;
use crate::optimize::{infer, learning_rate, optimizer, step};
use crate::recipe::Recipe;
use crate::run_folder::{BestRecord, EpochRecord, Progress, RunError, RunFolder};
use crate::samples::{Batch, FrontEnd, Sample, Sampler, batches};
use crate::seed::{Purpose, stream};

/// What happens during training, for whoever shows it.
#[derive(Debug)]
pub enum Event<'a> {
    /// A step is done.
    Step {
        /// Epoch, from 1.
        epoch: usize,
        /// Step of the epoch, from 1.
        step: usize,
        /// Steps of the epoch.
        steps: usize,
        /// Mean loss of the epoch so far.
        loss: f64,
    },
    /// An epoch is done and saved.
    Epoch {
        /// Its figures.
        record: &'a EpochRecord,
        /// Whether it is the best so far.
        is_best: bool,
    },
}

/// Why training stopped without a result.
#[derive(Debug, thiserror::Error)]
pub enum TrainingError {
    /// The features cannot be computed.
    #[error(transparent)]
    Features(#[from] FeatureError),
    /// The run folder cannot be used.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The weights are not finite any more.
    #[error("the loss of epoch {0} is not finite: lower `training.learning_rate` or `training.clip_norm`")]
    Diverged(usize),
}

/// Runs the epochs that are left and returns the best. `device` is the plain device, without autodiff.
/// `on_event` may end the training after any epoch.
pub fn train(
    data: &Dataset,
    recipe: &Recipe,
    seed: u64,
    folder: &RunFolder,
    resume: bool,
    device: &Device,
    mut on_event: impl FnMut(Event<'_>) -> ControlFlow<()>,
) -> Result<BestRecord, TrainingError> {
    let device = device.clone().autodiff();
    let coefficients = data.spec.coefficients;
    let mut optimizer = optimizer(&recipe.training);
    let mut network = Network::new(&recipe.network, coefficients, seed, &device);
    let mut progress = Progress {
        epochs: 0,
        best_epoch: 0,
        best_uar: -1.0,
    };
    if resume {
        (network, optimizer, progress) = folder.load_checkpoint(optimizer, &device)?;
    }
    let front_end = FrontEnd::new(&data.spec)?;
    let sampler = |clips| Sampler::new(clips, &data.spec, &recipe.window, &recipe.sampling, seed);
    let training = sampler(&data.train);
    let validation = validation_batches(data, &sampler(&data.validation), &front_end, recipe.training.batch);

    for epoch in progress.epochs..recipe.training.epochs {
        if epoch - progress.best_epoch.min(epoch) >= recipe.training.patience {
            break;
        }
        let start = Instant::now();
        let samples: Vec<Sample> = (0..data.train.len())
            .into_par_iter()
            .map(|clip| training.training(clip, epoch))
            .collect();
        let order = batches(samples, recipe.training.batch, seed, epoch);
        let steps = order.len();
        let (mut loss, mut gradient_norm, mut rate) = (0.0, 0.0, 0.0);
        for (index, samples) in order.iter().enumerate() {
            let batch = Batch::new(&front_end, &data.scaler, &data.train, samples);
            let done = epoch as f64 + (index + 1) as f64 / steps as f64;
            rate = learning_rate(&recipe.training, done);
            let mut dropout = stream(seed, Purpose::Dropout, epoch as u64, index as u64);
            let clip_norm = recipe.training.clip_norm;
            let result;
            (network, result) = step(network, &mut optimizer, &batch, rate, clip_norm, &mut dropout, &device);
            loss += result.loss;
            gradient_norm += result.gradient_norm;
            // Between epochs alone may training end: what is saved is always a whole epoch.
            let _ = on_event(Event::Step {
                epoch: epoch + 1,
                step: index + 1,
                steps,
                loss: loss / (index + 1) as f64,
            });
        }
        let step_ms = 1000.0 * start.elapsed().as_secs_f64() / steps as f64;
        if !loss.is_finite() {
            return Err(TrainingError::Diverged(epoch + 1));
        }

        let scored = score(&network, &validation);
        let best = assess(epoch + 1, &scored);
        let record = EpochRecord {
            epoch: epoch + 1,
            loss: loss / steps as f64,
            validation_loss: cross_entropy(&scored, 1.0),
            validation_uar: best.validation.uar,
            validation_accuracy: best.validation.accuracy,
            learning_rate: rate,
            gradient_norm: gradient_norm / steps as f64,
            seconds: start.elapsed().as_secs_f64(),
            step_ms,
        };
        progress.epochs = epoch + 1;
        let is_best = best.validation.uar > progress.best_uar;
        if is_best {
            progress.best_epoch = epoch + 1;
            progress.best_uar = best.validation.uar;
            folder.save_best(&network, &best)?;
        }
        folder.save_checkpoint(&network, &optimizer, &progress)?;
        folder.log(&record)?;
        let flow = on_event(Event::Epoch {
            record: &record,
            is_best,
        });
        if flow.is_break() {
            break;
        }
    }
    Ok(folder.load_best(&device)?.1)
}

fn validation_batches(data: &Dataset, sampler: &Sampler<'_>, front_end: &FrontEnd<'_>, batch: usize) -> Vec<Batch> {
    let mut samples: Vec<_> = (0..data.validation.len())
        .map(|clip| sampler.validation(clip))
        .collect();
    samples.sort_by_key(Sample::frames);
    samples
        .chunks(batch)
        .map(|samples| Batch::new(front_end, &data.scaler, &data.validation, samples))
        .collect()
}

/// Logits and labels of all validation clips.
fn score(network: &Network, batches: &[Batch]) -> Vec<Scored> {
    let network = network.valid();
    let device = network.conv.val().device();
    let mut scored = Vec::new();
    for batch in batches {
        let logits = infer(&network, batch, &device);
        scored.extend(logits.into_iter().zip(batch.labels.iter().copied()));
    }
    scored
}

/// Temperature and figures of a network's scores.
fn assess(epoch: usize, scored: &[Scored]) -> BestRecord {
    let temperature = fit_temperature(scored);
    let results: Vec<_> = scored
        .iter()
        .map(|(logits, label)| (softmax(logits, temperature), EMOTIONS[*label]))
        .collect();
    BestRecord {
        epoch,
        validation: Metrics::new(&results),
        temperature,
    }
}
