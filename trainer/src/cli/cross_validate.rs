//! `affekt-trainer cross-validate`

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use affekt_trainer::card::{Identity, short};
use affekt_trainer::clips::load;
use affekt_trainer::corpora::Clip;
use affekt_trainer::evaluation::{Evaluation, Heard, Listening, SessionState, listen};
use affekt_trainer::export::of_run;
use affekt_trainer::recipe::{Labels, Recipe};
use affekt_trainer::run_folder::RunFolder;
use affekt_trainer::split::{Side, SpeakerSplit};
use burn::tensor::Device;
use clap::Args;
use color_eyre::eyre::{WrapErr, bail, ensure};

use super::corpora::{Corpora, report};
use super::evaluate::{By, leave_out_heard, table};
use super::progress;
use super::shard::Shard;
use super::train::{Plan, Settings};

/// Trains and tests once for each division of the recipe's `split.protocol` (folds, speakers, corpora) and measures
/// all tests together. Goes on where it was stopped.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    corpora: Corpora,
    #[command(flatten)]
    settings: Settings,
    /// Folder for the runs, one folder per division.
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// Takes every n-th division from the i-th on, so that several processes or machines share the work, e.g. 2/4.
    #[arg(long, value_name = "I/N")]
    shard: Option<Shard>,
    /// Adds a table by speaker or corpus.
    #[arg(long, value_enum)]
    by: Option<By>,
    /// Prints one JSON object in place of the table.
    #[arg(long)]
    json: bool,
}

/// What a model said of its test speakers, in the folder of its run.
const HEARD: &str = "heard.json";
/// The model.
const MODEL: &str = "model.onnx";

impl Arguments {
    /// Trains, tests, measures.
    pub fn run(self) -> color_eyre::Result<()> {
        self.settings.start_threads()?;
        let recipe = self.settings.recipe()?;
        let clips = self.corpora.list()?;
        let speakers = clips.iter().map(|clip| clip.speaker.as_str());
        let splits = SpeakerSplit::all(speakers, &recipe.split, self.settings.seed)?;
        let count = splits.len();
        let folder = |place: usize| self.out.join(format!("fold-{:03}", place + 1));
        for (place, split) in splits.iter().enumerate() {
            let is_ours = self.shard.is_none_or(|shard| shard.takes(place));
            if !is_ours || folder(place).join(HEARD).is_file() {
                continue;
            }
            eprintln!("division {} of {count}", place + 1);
            self.divide(&folder(place), &recipe, split, &clips)?;
        }

        let done: Vec<PathBuf> = (0..count).map(|place| folder(place).join(HEARD)).collect();
        let missing = done.iter().filter(|path| !path.is_file()).count();
        if missing > 0 {
            eprintln!("{missing} of {count} divisions are still to be done: call again with their share, or with none");
            return Ok(());
        }
        let mut heard: Vec<Heard> = Vec::new();
        for (path, split) in done.iter().zip(&splits) {
            let text = std::fs::read_to_string(path).wrap_err_with(|| format!("{} cannot be read", path.display()))?;
            let own: Vec<Heard> =
                serde_json::from_str(&text).wrap_err_with(|| format!("{} is damaged: remove it", path.display()))?;
            let tested: BTreeSet<&str> = split.speakers(Side::Test).into_iter().collect();
            ensure!(
                own.iter().all(|heard| tested.contains(heard.speaker.as_str())),
                "{} comes from another division of the speakers: use another --out",
                path.display()
            );
            heard.extend(own);
        }
        let labels = judged_by(&recipe);
        let evaluation = Evaluation::new(&heard, SessionState::Warm, labels, self.settings.seed);
        if self.json {
            println!("{}", serde_json::to_string(&evaluation)?);
        } else {
            print!("{}", table(&evaluation, self.by));
        }
        Ok(())
    }

    /// Trains on one division and lets the model hear its test speakers.
    fn divide(&self, folder: &Path, recipe: &Recipe, split: &SpeakerSplit, clips: &[Clip]) -> color_eyre::Result<()> {
        let resume = match RunFolder::open(folder) {
            Ok(run) => {
                if run.recipe()? != *recipe || run.run()?.seed != self.settings.seed {
                    bail!(
                        "{} was started with another recipe or seed: use another --out",
                        folder.display()
                    );
                }
                true
            }
            Err(_) => false,
        };
        let plan = Plan {
            corpora: &self.corpora,
            recipe,
            split: split.clone(),
            seed: self.settings.seed,
            backend: self.settings.backend,
            out: folder,
            resume,
            stop_after: None,
            cache: self.settings.cache(&self.out),
        };
        let run_folder = plan.train(clips.to_vec())?;
        let run = run_folder.run()?;
        let (network, best) = run_folder.load_best(&Device::flex())?;
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        let identity = Identity {
            name: name.into_owned(),
            version: "0".into(),
            licence: "none: made to be measured".into(),
        };
        let card = short(&identity, &run, &best, &[]);
        let onnx = of_run(&network, &run, recipe, &best, card)?;
        let path = folder.join(MODEL);
        std::fs::write(&path, &onnx).wrap_err_with(|| format!("{} cannot be written", path.display()))?;

        let test = clips
            .iter()
            .filter(|clip| split.side(&clip.speaker) == Some(Side::Test));
        let test: Vec<Clip> = test.cloned().collect();
        let bar = progress::bar(test.len(), "decoding");
        let mut loaded = load(test, &run.features, || bar.inc(1))?;
        bar.finish_and_clear();
        report(&loaded.dropped);
        leave_out_heard(&mut loaded.clips, &run);
        let bar = progress::bar(loaded.clips.len(), "listening");
        let labels = judged_by(recipe);
        let how = Listening {
            session: SessionState::Warm,
            labels,
            seed: run.seed,
            windows: false,
        };
        let heard = listen(&onnx, &loaded.clips, how, || bar.inc(1))?;
        bar.finish_and_clear();
        // In one move, so that the division is done or not.
        let (new, path) = (folder.join("heard.new"), folder.join(HEARD));
        std::fs::write(&new, serde_json::to_string(&heard)?)
            .and_then(|()| std::fs::rename(&new, &path))
            .wrap_err_with(|| format!("{} cannot be written", path.display()))
    }
}

/// The kind of label that a recipe's models are judged by.
fn judged_by(recipe: &Recipe) -> Labels {
    match recipe.training.labels {
        Labels::Voted => Labels::Voted,
        Labels::Acted | Labels::Blended => Labels::Acted,
    }
}
