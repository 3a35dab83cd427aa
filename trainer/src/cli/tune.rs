//! `affekt-trainer tune`

use std::path::PathBuf;

use affekt_trainer::report::courses;
use affekt_trainer::run_folder::RunFolder;
use affekt_trainer::split::SpeakerSplit;
use affekt_trainer::training::TrainingError;
use affekt_trainer::tuning::{Search, Standing, Trial, ranked};
use clap::Args;
use color_eyre::eyre::{WrapErr, bail};

use super::corpus_arguments::Corpora;
use super::output::write;
use super::plan::Plan;
use super::settings::Settings;
use super::shard::Shard;

/// Searches for a better recipe: random values of any of its fields, the best trials trained on. Goes on where it was
/// stopped.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    corpora: Corpora,
    #[command(flatten)]
    settings: Settings,
    /// What is searched (TOML): trials, epochs, keep, space.
    #[arg(long, value_name = "FILE")]
    search: PathBuf,
    /// Folder for the trials and the leaderboard.
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// Takes every n-th trial from the i-th on, so that several processes or machines share the work, e.g. 2/4.
    #[arg(long, value_name = "I/N")]
    shard: Option<Shard>,
}

impl Arguments {
    /// Searches.
    pub fn run(self) -> color_eyre::Result<()> {
        self.settings.start_threads(None)?;
        let base = self.settings.recipe(None)?.to_toml()?;
        let text = std::fs::read_to_string(&self.search)
            .wrap_err_with(|| format!("{} cannot be read", self.search.display()))?;
        let search = Search::from_toml(&text).wrap_err_with(|| self.search.display().to_string())?;
        let trials = search.draw(&base, self.settings.seed)?;
        let mut going: Vec<usize> = trials.iter().map(|trial| trial.number).collect();
        for epochs in &search.epochs {
            let mut missing = 0;
            for &number in &going {
                let trial = &trials[number - 1];
                if self.epochs_done(trial)? >= *epochs {
                    continue;
                }
                if self.shard.is_none_or(|shard| shard.takes(number - 1)) {
                    eprintln!("trial {number} of {}, to epoch {epochs}", trials.len());
                    self.train(trial, *epochs)?;
                } else {
                    missing += 1;
                }
            }
            if missing > 0 {
                eprintln!(
                    "{missing} trials are still to be trained to epoch {epochs} by other shares: call again when they \
                     are done"
                );
                break;
            }
            let standings = going
                .iter()
                .map(|&number| &trials[number - 1])
                .filter(|trial| self.failure(trial).is_none())
                .map(|trial| self.standing(trial, *epochs))
                .collect::<color_eyre::Result<Vec<Standing>>>()?;
            going = search.survivors(&standings);
        }
        self.leaderboard(&trials)
    }

    fn folder(&self, trial: &Trial) -> PathBuf {
        self.out.join(format!("trial-{:04}", trial.number))
    }

    fn log(&self, trial: &Trial) -> color_eyre::Result<Vec<f64>> {
        let folder = self.folder(trial);
        match RunFolder::open(&folder) {
            Ok(run) if run.recipe()? != trial.recipe => bail!(
                "{} was started with another search, recipe or seed: use another --out",
                folder.display()
            ),
            Ok(run) => Ok(run.epochs()?.into_iter().map(|epoch| epoch.validation_uar).collect()),
            Err(_) => Ok(Vec::new()),
        }
    }

    fn epochs_done(&self, trial: &Trial) -> color_eyre::Result<usize> {
        let done = self.log(trial)?.len();
        // One that ran out of patience is done.
        let is_over = self.folder(trial).join(OVER).is_file();
        Ok(if is_over { usize::MAX } else { done })
    }

    /// Why the trial cannot be trained any further, if it cannot.
    fn failure(&self, trial: &Trial) -> Option<String> {
        let reason = std::fs::read_to_string(self.folder(trial).join(OVER)).ok()?;
        Some(reason.trim().to_string()).filter(|reason| !reason.is_empty())
    }

    /// Marks a trial as over.
    fn end(&self, trial: &Trial, reason: &str) -> color_eyre::Result<()> {
        write(&self.folder(trial).join(OVER), reason)
    }

    fn standing(&self, trial: &Trial, epochs: usize) -> color_eyre::Result<Standing> {
        let log = self.log(trial)?;
        let seen = &log[..log.len().min(epochs)];
        Ok(Standing {
            trial: trial.number,
            epochs,
            uar: seen.iter().copied().fold(0.0, f64::max),
        })
    }

    fn train(&self, trial: &Trial, epochs: usize) -> color_eyre::Result<()> {
        let clips = self.corpora.list()?;
        let speakers = clips.iter().map(|clip| clip.speaker.as_str());
        let split = SpeakerSplit::fold(speakers, &trial.recipe.split, self.settings.seed, 1)?;
        let done = self.log(trial)?.len();
        let folder = self.folder(trial);
        let plan = Plan {
            recipe: &trial.recipe,
            origin: None,
            split,
            seed: self.settings.seed,
            backend: self.settings.backend,
            out: &folder,
            resume: RunFolder::open(&folder).is_ok(),
            stop_after: Some(epochs - done),
            cache: self.settings.cache(&self.out),
        };
        match plan.train(clips) {
            Ok(_) if self.log(trial)?.len() < epochs => self.end(trial, ""),
            Ok(_) => Ok(()),
            // It would again; the other trials are worth going on.
            Err(reason)
                if reason
                    .downcast_ref()
                    .is_some_and(|error| matches!(error, TrainingError::Diverged(_))) =>
            {
                eprintln!("trial {} failed: {reason}", trial.number);
                self.end(trial, &reason.to_string())
            }
            Err(reason) => Err(reason),
        }
    }

    /// Writes `leaderboard.csv` and `leaderboard.svg`, and prints the table.
    fn leaderboard(&self, trials: &[Trial]) -> color_eyre::Result<()> {
        let mut standings = Vec::new();
        let mut lines = Vec::new();
        let mut failed = Vec::new();
        for trial in trials {
            let log = self.log(trial)?;
            if let Some(reason) = self.failure(trial) {
                failed.push((trial, log.len(), reason));
            } else if !log.is_empty() {
                standings.push(self.standing(trial, log.len())?);
                lines.push(log);
            }
        }
        let mut table = csv::Writer::from_writer(Vec::new());
        let fields: Vec<&String> = trials
            .first()
            .map(|trial| trial.values.keys().collect())
            .unwrap_or_default();
        let head = ["trial", "epochs", "validation_uar"].into_iter().map(String::from);
        let head = head.chain(fields.iter().map(|field| field.to_string()));
        table.write_record(head.chain(["failed".to_string()]))?;
        let values = |trial: &Trial| -> Vec<String> { trial.values.values().map(toml::Value::to_string).collect() };
        let named = |values: &[String]| {
            let named = fields.iter().zip(values);
            let named: Vec<String> = named.map(|(field, value)| format!("{field} {value}")).collect();
            named.join(", ")
        };
        for (rank, own) in ranked(&standings).iter().enumerate() {
            let values = values(&trials[own.trial - 1]);
            let figures = [own.trial.to_string(), own.epochs.to_string(), format!("{:.4}", own.uar)];
            table.write_record(figures.iter().chain(&values).chain([&String::new()]))?;
            println!(
                "{:>3}. trial {:>4}, {:>4} epochs, UAR {:.3}: {}",
                rank + 1,
                own.trial,
                own.epochs,
                own.uar,
                named(&values)
            );
        }
        for (trial, epochs, reason) in failed {
            let values = values(trial);
            let figures = [trial.number.to_string(), epochs.to_string(), String::new()];
            table.write_record(figures.iter().chain(&values).chain([&reason]))?;
            println!(
                "  – trial {:>4}, {epochs:>4} epochs, failed ({reason}): {}",
                trial.number,
                named(&values)
            );
        }
        write(&self.out.join("leaderboard.csv"), table.into_inner()?)?;
        write(&self.out.join("leaderboard.svg"), courses(&lines))
    }
}

/// Marks a trial that ended before its time. What it says is why it failed; it is empty where the trial got no better.
const OVER: &str = "over";
