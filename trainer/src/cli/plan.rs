//! A run that is to be started or gone on with, from the recordings to its folder.

use std::ops::ControlFlow;
use std::path::Path;

use affekt_trainer::cache::Cache;
use affekt_trainer::clips::ClipFrames;
use affekt_trainer::corpora::Clip;
use affekt_trainer::dataset::Dataset;
use affekt_trainer::date;
use affekt_trainer::distillation::Teacher;
use affekt_trainer::front_end::FrontEndFile;
use affekt_trainer::recipe::Recipe;
use affekt_trainer::run_folder::{CorpusRecord, RunFolder, RunRecord};
use affekt_trainer::scaler::StandardScaler;
use affekt_trainer::split::{Side, SpeakerSplit};
use affekt_trainer::training::{Event, train};

use super::corpus_arguments::report;
use super::epoch_display::EpochDisplay;
use super::interrupt;
use super::progress;
use super::settings::Backend;

/// One run that is to be started or gone on with.
pub struct Plan<'a> {
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
        if !self.resume {
            RunFolder::claim(self.out)?;
        }
        let train_clips = clips
            .iter()
            .filter(|clip| self.split.side(&clip.speaker) == Some(Side::Train));
        let corpora = names(&clips);
        let copies = recipe.waveform.copies * train_clips.count();
        let bar = progress::bar(clips.len() + copies, "clips");
        let data = Dataset::load(clips, recipe, self.split.clone(), self.seed, || bar.inc(1));
        bar.finish_and_clear();
        let mut data = data?;
        if let Some(scaler) = self.scaler_before()? {
            data.scaler = scaler;
        }
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
            ..self.run_record(&data, &corpora)
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
        let mut display = EpochDisplay::new(recipe.training.epochs);
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
                 same --corpus and --map",
                recipe.training.epochs,
                folder.path().display()
            );
            std::process::exit(interrupt::EXIT_STATUS);
        }
        Ok(folder)
    }

    /// The scaler that the weights belong to, if the run does not begin with random ones.
    fn scaler_before(&self) -> color_eyre::Result<Option<StandardScaler>> {
        let begun = match self.origin {
            Some(origin) => Some(origin.run()?),
            None if self.resume => Some(RunFolder::open(self.out)?.run()?).filter(|run| run.origin.is_some()),
            None => None,
        };
        Ok(begun.map(|run| run.scaler).filter(|_| self.recipe.front_end.is_none()))
    }

    fn run_record(&self, data: &Dataset, corpora: &[&str]) -> RunRecord {
        let record = |name: &&str| {
            let name = *name;
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
            corpora: corpora.iter().map(record).collect(),
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

/// The corpora of these clips, each once, in their order: one corpus may lie in several folders, and a table may hold
/// several corpora.
fn names(clips: &[Clip]) -> Vec<&'static str> {
    let mut names = Vec::new();
    for clip in clips {
        if !names.contains(&clip.corpus) {
            names.push(clip.corpus);
        }
    }
    names
}
