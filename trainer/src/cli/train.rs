//! `affekt-trainer train`

use std::ops::ControlFlow;
use std::path::PathBuf;

use affekt_trainer::corpora::CorpusFolder;
use affekt_trainer::dataset::Dataset;
use affekt_trainer::date;
use affekt_trainer::recipe::{DEFAULT_RECIPE, Recipe};
use affekt_trainer::run_folder::{CorpusRecord, RunFolder, RunRecord};
use affekt_trainer::split::Side;
use affekt_trainer::training::{Event, train};
use burn::tensor::Device;
use clap::{Args, ValueEnum};
use color_eyre::eyre::WrapErr;

use super::{corpora, progress};

/// Trains a model on corpora of labelled recordings.
#[derive(Debug, Args)]
pub struct Arguments {
    /// A corpus and the folder it lies in; repeatable. Known corpora: crema-d, emo-db.
    #[arg(long = "corpus", value_name = "NAME=FOLDER", required = true)]
    corpora: Vec<CorpusFolder>,
    /// Folder for weights, log and everything else about the run.
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// Recipe (TOML) in place of the built-in one.
    #[arg(long, value_name = "FILE", conflicts_with = "resume")]
    recipe: Option<PathBuf>,
    /// Seed of every random draw.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Most epochs, in place of the recipe's.
    #[arg(long, conflicts_with = "resume")]
    epochs: Option<usize>,
    /// Ends after this many epochs of this call; `--resume` goes on.
    #[arg(long, value_name = "EPOCHS")]
    stop_after: Option<usize>,
    /// Goes on after the last finished epoch of the run in `--out`.
    #[arg(long)]
    resume: bool,
    /// Threads; all processors if not given. The same seed and number of threads give the same weights.
    #[arg(long)]
    threads: Option<usize>,
    /// What computes.
    #[arg(long, value_enum, default_value_t = Backend::Flex)]
    backend: Backend,
}

/// burn's backends.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Backend {
    /// burn's Flex, with the LSTM as one native operation.
    Flex,
    /// burn's ndarray, slower, for comparison.
    #[cfg(feature = "ndarray")]
    Ndarray,
}

impl Backend {
    fn device(self) -> Device {
        match self {
            Self::Flex => Device::flex(),
            #[cfg(feature = "ndarray")]
            #[allow(deprecated)] // Kept for comparison as long as burn has it.
            Self::Ndarray => Device::ndarray(),
        }
    }
}

impl Arguments {
    /// Trains.
    pub fn run(self) -> color_eyre::Result<()> {
        if let Some(threads) = self.threads {
            rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build_global()
                .wrap_err("the threads cannot be started")?;
        }
        let (recipe, seed) = self.recipe_and_seed()?;
        let clips = corpora::list(&self.corpora)?;
        let bar = progress::bar(Dataset::clips_to_decode(&clips, &recipe, seed)?, "clips");
        let data = Dataset::load(clips, &recipe, seed, || bar.inc(1));
        bar.finish_and_clear();
        let data = data?;
        corpora::report(&data.dropped);

        let run = self.run_record(&data, seed);
        let folder = if self.resume {
            let folder = RunFolder::open(&self.out)?;
            folder.check_same(&run)?;
            folder
        } else {
            RunFolder::create(&self.out, &recipe, &run)?
        };
        for (side, name) in [
            (Side::Train, "train"),
            (Side::Validation, "validate"),
            (Side::Test, "test"),
        ] {
            eprintln!("{} speakers {name}", data.split.speakers(side).len());
        }
        eprintln!("{} clips train, {} validate", data.train.len(), data.validation.len());
        let device = self.backend.device();
        let mut display = Display::new(recipe.training.epochs);
        let mut epochs_left = self.stop_after;
        let best = train(&data, &recipe, seed, &folder, self.resume, &device, |event| {
            display.show(&event);
            if let (Event::Epoch { .. }, Some(left)) = (event, &mut epochs_left) {
                *left = left.saturating_sub(1);
                if *left == 0 {
                    return ControlFlow::Break(());
                }
            }
            ControlFlow::Continue(())
        })?;
        eprintln!(
            "best epoch {}: UAR {:.3} on validation speakers, temperature {:.2}; the run is in {}",
            best.epoch,
            best.validation.uar,
            best.temperature,
            folder.path().display()
        );
        Ok(())
    }

    fn recipe_and_seed(&self) -> color_eyre::Result<(Recipe, u64)> {
        if self.resume {
            let folder = RunFolder::open(&self.out)?;
            return Ok((folder.recipe()?, folder.run()?.seed));
        }
        let mut recipe = match &self.recipe {
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .wrap_err_with(|| format!("the recipe {} cannot be read", path.display()))?;
                Recipe::from_toml(&text).wrap_err_with(|| path.display().to_string())?
            }
            None => Recipe::from_toml(DEFAULT_RECIPE)?,
        };
        if let Some(epochs) = self.epochs {
            recipe.training.epochs = epochs;
            recipe.training.warmup_epochs = recipe.training.warmup_epochs.min(epochs as f64);
            recipe = Recipe::from_toml(&recipe.to_toml()?)?;
        }
        Ok((recipe, self.seed))
    }

    fn run_record(&self, data: &Dataset, seed: u64) -> RunRecord {
        let record = |corpus: &CorpusFolder| {
            let name = corpus.corpus.name;
            let count = |clips: &[affekt_trainer::clips::ClipFrames]| {
                clips.iter().filter(|clip| clip.clip.corpus == name).count()
            };
            CorpusRecord {
                name: name.into(),
                train_clips: count(&data.train),
                validation_clips: count(&data.validation),
            }
        };
        RunRecord {
            trainer_version: env!("CARGO_PKG_VERSION").into(),
            date: date::today(),
            seed,
            threads: rayon::current_num_threads(),
            backend: format!("{:?}", self.backend).to_lowercase(),
            corpora: self.corpora.iter().map(record).collect(),
            speakers: data.split.clone(),
            features: data.spec.clone(),
            scaler: data.scaler.clone(),
        }
    }
}

/// Shows the training: a bar per epoch on a terminal, and a line per epoch everywhere.
struct Display {
    bar: indicatif::ProgressBar,
    epochs: usize,
    best_uar: f64,
}

impl Display {
    fn new(epochs: usize) -> Self {
        Self {
            bar: progress::bar(0, ""),
            epochs,
            best_uar: 0.0,
        }
    }

    fn show(&mut self, event: &Event<'_>) {
        match *event {
            Event::Step {
                epoch,
                step,
                steps,
                loss,
            } => {
                if step == 1 {
                    self.bar.reset();
                    self.bar.set_length(steps as u64);
                }
                self.bar.set_position(step as u64);
                self.bar.set_message(format!(
                    "epoch {epoch}/{} loss {loss:.3} best UAR {:.3}",
                    self.epochs, self.best_uar
                ));
            }
            Event::Epoch { record, is_best } => {
                if is_best {
                    self.best_uar = record.validation_uar;
                }
                let mark = if is_best { " *" } else { "" };
                let left = (self.epochs - record.epoch) as f64 * record.seconds / 60.0;
                let line = format!(
                    "epoch {:>3}/{}: loss {:.3}, validation loss {:.3}, UAR {:.3}{mark}, {:.0} s, {:.0} ms per step, {left:.0} min left",
                    record.epoch,
                    self.epochs,
                    record.loss,
                    record.validation_loss,
                    record.validation_uar,
                    record.seconds,
                    record.step_ms,
                );
                if self.bar.is_hidden() {
                    eprintln!("{line}");
                } else {
                    self.bar.println(line);
                }
            }
        }
    }
}
