//! Trains a network epoch by epoch, keeps the best one, and stops when it gets no better.

use std::ops::ControlFlow;
use std::time::Instant;

use affekt_features::FeatureError;
use affekt_models::{EMOTIONS, Emotion};
use burn::module::Module;
use burn::tensor::Device;

use crate::average::{follow, warmed_up};
use crate::calibration::{Scored, cross_entropy, fit_temperature, softmax};
use crate::clips::ClipFrames;
use crate::dataset::Dataset;
use crate::metrics::Metrics;
use crate::network::Network;
use crate::optimize::{infer, learning_rate, mean_norm, optimizer, step};
use crate::recipe::{Keep, Recipe};
use crate::run_folder::{BestRecord, EpochRecord, Progress, RunError, RunFolder};
use crate::samples::{Batch, FrontEnd, Sample, Sampler, batches};
use crate::seed::{Purpose, stream};
use crate::targets::{Targets, label};

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
    let front_end = data.front_end(recipe)?;
    let mut optimizer = optimizer(&recipe.training);
    let mut network = match folder.load_origin(&device)? {
        Some(network) => network,
        None => Network::new(&recipe.network, front_end.width(), seed, &device),
    };
    let mut average = (recipe.training.average_decay > 0.0).then(|| network.valid());
    let mut progress = Progress {
        epochs: 0,
        best_epoch: 0,
        best_uar: -1.0,
    };
    if resume && let Some(checkpoint) = folder.load_checkpoint(optimizer.clone(), &device)? {
        (network, optimizer, progress) = (checkpoint.network, checkpoint.optimizer, checkpoint.progress);
        average = average.and(checkpoint.average);
    }
    folder.forget_after(progress.epochs)?;
    let training = Sampler::new(&data.train, &data.spec, recipe, seed);
    let targets = data.targets(recipe);
    let validation = Validation::new(data, recipe, seed, &front_end);

    for epoch in progress.epochs..recipe.training.epochs {
        let waited = epoch - progress.best_epoch.min(epoch);
        if recipe.training.keep == Keep::Best && waited >= recipe.training.patience {
            break;
        }
        let start = Instant::now();
        let order = batches(training.epoch(epoch), recipe.training.batch, seed, epoch);
        let mut input_s = start.elapsed().as_secs_f64();
        let steps = order.len();
        let (mut loss, mut rate) = (0.0, 0.0);
        let mut gradient_norms = Vec::with_capacity(steps);
        for (index, samples) in order.iter().enumerate() {
            let input_start = Instant::now();
            let mut batch = Batch::new(&front_end, &data.scaler, &data.train, &targets, samples);
            if recipe.training.mixup > 0.0 {
                let mut random = stream(seed, Purpose::Mixup, epoch as u64, index as u64);
                batch.mix(recipe.training.mixup, &mut random);
            }
            input_s += input_start.elapsed().as_secs_f64();
            let done = epoch as f64 + (index + 1) as f64 / steps as f64;
            rate = learning_rate(&recipe.training, done);
            let mut dropout = stream(seed, Purpose::Dropout, epoch as u64, index as u64);
            let result;
            (network, result) = step(
                network,
                &mut optimizer,
                &batch,
                rate,
                &recipe.training,
                &mut dropout,
                &device,
            );
            if let Some(before) = average.take() {
                let decay = warmed_up(recipe.training.average_decay, epoch * steps + index);
                average = Some(follow(before, &network.valid(), decay));
            }
            loss += result.loss;
            gradient_norms.push(result.gradient_norm);
            // Between epochs alone may training end: what is saved is always a whole epoch.
            let _ = on_event(Event::Step {
                epoch: epoch + 1,
                step: index + 1,
                steps,
                loss: loss / (index + 1) as f64,
            });
        }
        let steps_s = start.elapsed().as_secs_f64();
        if !loss.is_finite() {
            return Err(TrainingError::Diverged(epoch + 1));
        }

        let current = network.valid();
        let judged = average.as_ref().unwrap_or(&current);
        let scored = validation.score(judged);
        let best = assess(epoch + 1, &scored);
        let record = EpochRecord {
            epoch: epoch + 1,
            loss: loss / steps as f64,
            validation_loss: cross_entropy(&scored, 1.0),
            validation_uar: best.validation.uar,
            validation_accuracy: best.validation.accuracy,
            learning_rate: rate,
            gradient_norm: mean_norm(&gradient_norms),
            seconds: start.elapsed().as_secs_f64(),
            step_ms: 1000.0 * steps_s / steps as f64,
            input_share: input_s / steps_s,
        };
        progress.epochs = epoch + 1;
        let is_best = recipe.training.keep == Keep::Last || best.validation.uar > progress.best_uar;
        if is_best {
            progress.best_epoch = epoch + 1;
            progress.best_uar = best.validation.uar;
            folder.save_best(judged, &best)?;
        }
        // The log comes before the checkpoint: what a run that is stopped in between logged, it will log again.
        folder.log(&record)?;
        folder.save_checkpoint(&current, average.as_ref(), &optimizer, &progress)?;
        let flow = on_event(Event::Epoch {
            record: &record,
            is_best,
        });
        if flow.is_break() {
            break;
        }
    }
    Ok(folder.best()?)
}

/// The validation clips as they are judged by.
struct Validation {
    batches: Vec<Batch>,
    /// Places of the labels, in the order of the batches.
    labels: Vec<usize>,
}

impl Validation {
    fn new(data: &Dataset, recipe: &Recipe, seed: u64, front_end: &FrontEnd<'_>) -> Self {
        let clips: &[ClipFrames] = &data.validation;
        let sampler = Sampler::new(clips, &data.spec, recipe, seed);
        let targets = Targets::new(clips, &recipe.training);
        let mut samples: Vec<_> = (0..clips.len()).map(|clip| sampler.validation(clip)).collect();
        samples.sort_by_key(Sample::frames);
        let label = |sample: &Sample| {
            let clip = &clips[sample.clip].clip;
            let emotion = label(clip, recipe.training.labels).or(clip.emotion.map(Emotion::index));
            emotion.expect("clips that validate are voices")
        };
        Self {
            labels: samples.iter().map(label).collect(),
            batches: samples
                .chunks(recipe.training.batch)
                .map(|samples| Batch::new(front_end, &data.scaler, clips, &targets, samples))
                .collect(),
        }
    }

    /// Logits and labels of all clips.
    fn score(&self, network: &Network) -> Vec<Scored> {
        let device = network.device();
        let logits = self.batches.iter().flat_map(|batch| infer(network, batch, &device));
        logits.zip(self.labels.iter().copied()).collect()
    }
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
