//! `affekt-trainer train`

use std::path::PathBuf;

use affekt_trainer::recipe::Recipe;
use affekt_trainer::run_folder::RunFolder;
use affekt_trainer::split::SpeakerSplit;
use clap::Args;
use color_eyre::eyre::bail;

use super::corpus_arguments::Corpora;
use super::interrupt;
use super::plan::Plan;
use super::settings::Settings;

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
    /// Most epochs, in place of the recipe's.
    #[arg(long)]
    epochs: Option<usize>,
    /// Ends after this many epochs of this call; `--resume` goes on.
    #[arg(long, value_name = "EPOCHS")]
    stop_after: Option<usize>,
    #[command(flatten)]
    origin: Origin,
    /// Which of the divisions of the recipe's `split.protocol`, from 1.
    #[arg(long, default_value_t = 1, conflicts_with = "resume")]
    fold: usize,
    /// Goes on after the last finished epoch of the run in `--out`, with its own recipe, seed and number of threads.
    /// `--recipe`, `--epochs` and `--from` need not be given again; if they are, they must be those of the run.
    #[arg(long, conflicts_with = "seed")]
    resume: bool,
}

/// What to begin with.
#[derive(Debug, Args)]
pub struct Origin {
    /// Begins with the best weights of another run, e.g. to teach a model a new corpus. Its speakers, and those of the
    /// runs that it comes from itself, keep their sides.
    #[arg(long, value_name = "RUN")]
    from: Option<PathBuf>,
}

impl Origin {
    /// The run, if there is one.
    pub fn open(&self) -> color_eyre::Result<Option<RunFolder>> {
        Ok(self.from.as_deref().map(RunFolder::open).transpose()?)
    }
}

impl Arguments {
    /// Trains.
    pub fn run(self) -> color_eyre::Result<()> {
        interrupt::watch()?;
        let before = match self.resume {
            true => Some(RunFolder::open(&self.out)?),
            false => None,
        };
        let begun = before.as_ref().map(RunFolder::run).transpose()?;
        self.settings.start_threads(begun.as_ref().map(|run| run.threads))?;
        let recipe = match &before {
            Some(folder) => self.recipe_of(folder)?,
            None => self.settings.recipe(self.epochs)?,
        };
        let seed = begun.as_ref().map_or(self.settings.seed, |run| run.seed);
        let origin = self.origin.open()?;
        let clips = self.corpora.list()?;
        let split = if let Some(run) = begun {
            run.speakers
        } else {
            let speakers = clips.iter().map(|clip| clip.speaker.as_str());
            let split = SpeakerSplit::fold(speakers, &recipe.split, seed, self.fold)?;
            match &origin {
                Some(origin) => split.keeping(&origin.run()?.all_speakers()),
                None => split,
            }
        };
        let plan = Plan {
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

    /// The recipe of a run that goes on, checked against what is asked for.
    fn recipe_of(&self, folder: &RunFolder) -> color_eyre::Result<Recipe> {
        let recipe = folder.recipe()?;
        if self.settings.recipe.is_some() {
            folder.check_recipe(&self.settings.recipe(self.epochs)?)?;
        } else if let Some(epochs) = self.epochs
            && epochs != recipe.training.epochs
        {
            bail!(
                "the run in {} is one of {} epochs, not of {epochs}: leave --epochs out, or start a new run",
                folder.path().display(),
                recipe.training.epochs
            );
        }
        Ok(recipe)
    }
}
