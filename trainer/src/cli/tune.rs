//! `affekt-trainer tune`

use std::path::PathBuf;

use affekt_trainer::report::courses;
use affekt_trainer::run_folder::RunFolder;
use affekt_trainer::split::SpeakerSplit;
use affekt_trainer::tuning::{Search, Standing, Trial, ranked};
use clap::Args;
use color_eyre::eyre::{WrapErr, bail};

use super::corpus_arguments::Corpora;
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
                .map(|&number| self.standing(&trials[number - 1], *epochs))
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
            corpora: &self.corpora,
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
        plan.train(clips)?;
        if self.log(trial)?.len() < epochs {
            let path = folder.join(OVER);
            std::fs::write(&path, "").wrap_err_with(|| format!("{} cannot be written", path.display()))?;
        }
        Ok(())
    }

    /// Writes `leaderboard.csv` and `leaderboard.svg`, and prints the table.
    fn leaderboard(&self, trials: &[Trial]) -> color_eyre::Result<()> {
        let mut standings = Vec::new();
        let mut lines = Vec::new();
        for trial in trials {
            let log = self.log(trial)?;
            if !log.is_empty() {
                standings.push(self.standing(trial, log.len())?);
                lines.push(log);
            }
        }
        let path = self.out.join("leaderboard.csv");
        let cannot = || format!("{} cannot be written", path.display());
        let mut table = csv::Writer::from_path(&path).wrap_err_with(cannot)?;
        let fields: Vec<&String> = trials
            .first()
            .map(|trial| trial.values.keys().collect())
            .unwrap_or_default();
        let head = ["trial", "epochs", "validation_uar"].into_iter().map(String::from);
        table.write_record(head.chain(fields.iter().map(|field| field.to_string())))?;
        for (rank, own) in ranked(&standings).iter().enumerate() {
            let values: Vec<String> = trials[own.trial - 1]
                .values
                .values()
                .map(toml::Value::to_string)
                .collect();
            let figures = [own.trial.to_string(), own.epochs.to_string(), format!("{:.4}", own.uar)];
            table.write_record(figures.iter().chain(&values))?;
            let named: Vec<String> = fields
                .iter()
                .zip(&values)
                .map(|(field, value)| format!("{field} {value}"))
                .collect();
            println!(
                "{:>3}. trial {:>4}, {:>4} epochs, UAR {:.3}: {}",
                rank + 1,
                own.trial,
                own.epochs,
                own.uar,
                named.join(", ")
            );
        }
        table.flush().wrap_err_with(cannot)?;
        let path = self.out.join("leaderboard.svg");
        std::fs::write(&path, courses(&lines)).wrap_err_with(|| format!("{} cannot be written", path.display()))
    }
}

/// Marks a trial that ended before its time.
const OVER: &str = "over";
