//! `affekt-trainer train`

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use affekt_trainer::cache::Cache;
use affekt_trainer::clips::ClipFrames;
use affekt_trainer::corpora::{Clip, CorpusFolder};
use affekt_trainer::dataset::Dataset;
use affekt_trainer::date;
use affekt_trainer::distillation::Teacher;
use affekt_trainer::front_end::{FrontEndFile, absolute};
use affekt_trainer::recipe::{DEFAULT_RECIPE, Recipe};
use affekt_trainer::run_folder::{CorpusRecord, RunFolder, RunRecord};
use affekt_trainer::split::{Side, SpeakerSplit};
use affekt_trainer::training::{Event, train};
use burn::tensor::Device;
use clap::{Args, ValueEnum};
use color_eyre::eyre::WrapErr;

use super::corpora::{Corpora, report};
use super::interrupt;
use super::progress;

/// Trains a model on corpora of labelled recordings.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    corpora: Corpora,
    /// Folder for weights, log and everything else about the run.
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    #[command(flatten)]
    settings: Settings,
    /// Ends after this many epochs of this call; `--resume` goes on.
    #[arg(long, value_name = "EPOCHS")]
    stop_after: Option<usize>,
    #[command(flatten)]
    origin: Origin,
    /// Which of the divisions of the recipe's `split.protocol`, from 1.
    #[arg(long, default_value_t = 1, conflicts_with = "resume")]
    fold: usize,
    /// Goes on after the last finished epoch of the run in `--out`, with its own recipe and seed.
    #[arg(long, conflicts_with_all = ["recipe", "epochs", "from"])]
    resume: bool,
}

/// What to begin with.
#[derive(Debug, Args)]
pub struct Origin {
    /// Begins with the best weights of another run, e.g. to teach a model a new corpus. Its speakers keep their sides.
    #[arg(long, value_name = "RUN")]
    from: Option<PathBuf>,
}

impl Origin {
    /// The run, if there is one.
    pub fn open(&self) -> color_eyre::Result<Option<RunFolder>> {
        Ok(self.from.as_deref().map(RunFolder::open).transpose()?)
    }
}

/// How to train.
#[derive(Debug, Args)]
pub struct Settings {
    /// Recipe (TOML) in place of the built-in one.
    #[arg(long, value_name = "FILE")]
    pub recipe: Option<PathBuf>,
    /// Seed of every random draw.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Most epochs, in place of the recipe's.
    #[arg(long)]
    pub epochs: Option<usize>,
    /// Threads; all processors if not given. The same seed and number of threads give the same weights.
    #[arg(long)]
    pub threads: Option<usize>,
    /// What computes.
    #[arg(long, value_enum, default_value_t = Backend::Flex)]
    pub backend: Backend,
    /// Folder for what a front end or a teacher says of each clip; `cache` in `--out` if not given.
    #[arg(long, value_name = "FOLDER")]
    pub cache: Option<PathBuf>,
}

/// burn's backends.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Backend {
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
        interrupt::watch()?;
        self.settings.start_threads()?;
        let (recipe, seed) = if self.resume {
            let folder = RunFolder::open(&self.out)?;
            (folder.recipe()?, folder.run()?.seed)
        } else {
            (self.settings.recipe()?, self.settings.seed)
        };
        let origin = self.origin.open()?;
        let clips = self.corpora.list()?;
        let split = if self.resume {
            RunFolder::open(&self.out)?.run()?.speakers
        } else {
            let speakers = clips.iter().map(|clip| clip.speaker.as_str());
            let split = SpeakerSplit::fold(speakers, &recipe.split, seed, self.fold)?;
            match &origin {
                Some(origin) => split.keeping(&origin.run()?.speakers),
                None => split,
            }
        };
        let plan = Plan {
            corpora: &self.corpora,
            recipe: &recipe,
            origin: origin.as_ref(),
            split,
            seed,
            backend: self.settings.backend,
            out: &self.out,
            resume: self.resume,
            stop_after: self.stop_after,
            cache: self.settings.cache(&self.out),
        };
        plan.train(clips)?;
        Ok(())
    }
}

impl Settings {
    /// Starts as many threads as were asked for.
    pub fn start_threads(&self) -> color_eyre::Result<()> {
        if let Some(threads) = self.threads {
            rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build_global()
                .wrap_err("the threads cannot be started")?;
        }
        Ok(())
    }

    /// Where what other models say is kept, for work in `out`.
    pub fn cache(&self, out: &Path) -> Cache {
        Cache::new(&self.cache.clone().unwrap_or_else(|| out.join("cache")))
    }

    /// The recipe with what the command line changes in it.
    pub fn recipe(&self) -> color_eyre::Result<Recipe> {
        let mut recipe = match &self.recipe {
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .wrap_err_with(|| format!("the recipe {} cannot be read", path.display()))?;
                Recipe::from_toml(&text).wrap_err_with(|| path.display().to_string())?
            }
            None => Recipe::from_toml(DEFAULT_RECIPE)?,
        };
        // A run is resumed and exported from wherever.
        if let Some(front_end) = &mut recipe.front_end {
            front_end.model = absolute(&front_end.model);
        }
        if let Some(distillation) = &mut recipe.distillation {
            distillation.teacher = absolute(&distillation.teacher);
        }
        if let Some(epochs) = self.epochs {
            recipe.training.epochs = epochs;
            recipe.training.warmup_epochs = recipe.training.warmup_epochs.min(epochs as f64);
            recipe = Recipe::from_toml(&recipe.to_toml()?)?;
        }
        Ok(recipe)
    }
}

/// One run that is to be started or gone on with.
pub struct Plan<'a> {
    /// Where the clips come from.
    pub corpora: &'a Corpora,
    /// How to train.
    pub recipe: &'a Recipe,
    /// The run whose weights to begin with; a run that is in its folder already knows by itself.
    pub origin: Option<&'a RunFolder>,
    /// Who is on which side.
    pub split: SpeakerSplit,
    /// Seed of every draw.
    pub seed: u64,
    /// What computes.
    pub backend: Backend,
    /// The run's folder.
    pub out: &'a Path,
    /// Whether the run is in it already.
    pub resume: bool,
    /// Epochs after which to stop.
    pub stop_after: Option<usize>,
    /// Where what other models say of the clips is kept.
    pub cache: Cache,
}

impl Plan<'_> {
    /// Trains, and says on stderr what happens.
    pub fn train(self, clips: Vec<Clip>) -> color_eyre::Result<RunFolder> {
        let recipe = self.recipe;
        let origin = match self.origin {
            Some(origin) => Some(origin.as_origin(recipe)?),
            None if self.resume => RunFolder::open(self.out)?.run()?.origin,
            None => None,
        };
        // What is wrong with them is to be known before hours of clips are read.
        let front_end = FrontEndFile::of(recipe, &recipe.features())?;
        let teacher = recipe
            .distillation
            .as_ref()
            .map(|distillation| Teacher::of(distillation, &recipe.features()))
            .transpose()?;
        let train_clips = clips
            .iter()
            .filter(|clip| self.split.side(&clip.speaker) == Some(Side::Train));
        let copies = recipe.waveform.copies * train_clips.count();
        let bar = progress::bar(clips.len() + copies, "clips");
        let data = Dataset::load(clips, recipe, self.split.clone(), self.seed, || bar.inc(1));
        bar.finish_and_clear();
        let mut data = data?;
        let hours = |clips: &mut dyn Iterator<Item = &ClipFrames>| {
            let frames: usize = clips.map(ClipFrames::frames).sum();
            frames as f64 * f64::from(data.spec.hop_s()) / 3_600.0
        };
        let (analysed, altered) = (
            hours(&mut data.training_voices().chain(&data.validation)),
            hours(&mut data.copies()),
        );
        let took = data.took;
        eprintln!(
            "{analysed:.2} h of audio analysed, {:.1} h per minute",
            60.0 * analysed / took.features_s
        );
        if altered > 0.0 {
            eprintln!(
                "{altered:.2} h of altered copies made, {:.1} h per minute",
                60.0 * altered / took.copies_s
            );
        }
        report(&data.dropped);

        // Its session has the prior of these clips.
        let front_end = front_end.map(|front_end| front_end.hearing_by(&data.spec));
        if let Some(front_end) = &front_end {
            let bar = progress::bar(data.train.len() + data.validation.len(), "embedding");
            let embedded = data.embed(front_end, recipe, self.seed, &self.cache, || bar.inc(1));
            bar.finish_and_clear();
            embedded?;
        }
        if let Some(teacher) = &teacher {
            let bar = progress::bar(
                data.training_voices().count() + data.copies().count(),
                "asking the teacher",
            );
            let asked = data.ask(teacher, &self.cache, || bar.inc(1));
            bar.finish_and_clear();
            asked?;
        }

        let run = RunRecord {
            origin,
            front_end: front_end.as_ref().map(FrontEndFile::content),
            teacher: teacher.as_ref().map(Teacher::content),
            ..self.run_record(&data)
        };
        let folder = if self.resume {
            let folder = RunFolder::open(self.out)?;
            folder.check_same(&run)?;
            folder
        } else {
            RunFolder::create(self.out, recipe, &run, self.origin)?
        };
        for (side, name) in [
            (Side::Train, "train"),
            (Side::Validation, "validate"),
            (Side::Test, "test"),
        ] {
            eprintln!("{} speakers {name}", data.split.speakers(side).len());
        }
        eprintln!(
            "{} clips train, {} validate",
            data.training_voices().count(),
            data.validation.len()
        );
        let others = data.train.iter().filter(|clip| clip.clip.emotion.is_none()).count();
        for (count, what) in [
            (data.copies().count(), "altered copies of the clips that train"),
            (others, "sounds that are no voice"),
        ] {
            if count > 0 {
                eprintln!("{count} {what} beside them");
            }
        }
        let device = self.backend.device();
        let mut display = Display::new(recipe.training.epochs);
        let mut epochs_left = self.stop_after;
        let mut is_first = true;
        let mut stopped_after = None;
        let best = train(&data, recipe, self.seed, &folder, self.resume, &device, |event| {
            display.show(&event);
            match event {
                Event::Step { epoch, step: 1, .. } => interrupt::epoch_runs(epoch),
                Event::Step { .. } => (),
                Event::Epoch { record, .. } => interrupt::epoch_runs(record.epoch + 1),
            }
            if let Event::Epoch { record, .. } = event
                && interrupt::is_wanted()
                && record.epoch < recipe.training.epochs
            {
                stopped_after = Some(record.epoch);
                return ControlFlow::Break(());
            }
            if let Event::Epoch { record, .. } = &event
                && std::mem::take(&mut is_first)
            {
                eprintln!(
                    "analysing the recordings took as long as {:.0} % of an epoch, altering them {:.0} %",
                    100.0 * took.features_s / record.seconds,
                    100.0 * took.copies_s / record.seconds
                );
            }
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
        if let Some(epoch) = stopped_after {
            eprintln!(
                "stopped: epoch {epoch} of {} is saved; go on with `affekt-trainer train --resume --out {}` and the \
                 same --corpus",
                recipe.training.epochs,
                folder.path().display()
            );
            std::process::exit(interrupt::EXIT_STATUS);
        }
        Ok(folder)
    }

    fn run_record(&self, data: &Dataset) -> RunRecord {
        let record = |corpus: &CorpusFolder| {
            let name = corpus.corpus.name;
            let count = |clips: &[ClipFrames]| {
                let own = clips.iter().filter(|clip| clip.clip.corpus == name && clip.copy == 0);
                own.count()
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
            seed: self.seed,
            threads: rayon::current_num_threads(),
            backend: format!("{:?}", self.backend).to_lowercase(),
            corpora: self.corpora.folders.iter().map(record).collect(),
            speakers: data.split.clone(),
            heard: data
                .contents()
                .iter()
                .map(|content| format!("{content:016x}"))
                .collect(),
            origin: None,
            front_end: None,
            teacher: None,
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
                    "epoch {:>3}/{}: loss {:.3}, validation loss {:.3}, UAR {:.3}{mark}, {:.0} s, {:.0} ms per step ({:.0} % inputs), {left:.0} min left",
                    record.epoch,
                    self.epochs,
                    record.loss,
                    record.validation_loss,
                    record.validation_uar,
                    record.seconds,
                    record.step_ms,
                    100.0 * record.input_share,
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
