//! `affekt-trainer cross-validate`

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use affekt_trainer::card::{Identity, short};
use affekt_trainer::clips::load;
use affekt_trainer::corpora::Clip;
use affekt_trainer::evaluation::{Evaluation, Heard, Listening, SessionState, listen};
use affekt_trainer::export::of_run;
use affekt_trainer::recipe::{Labels, Protocol, Recipe};
use affekt_trainer::run_folder::RunFolder;
use affekt_trainer::split::{Side, SpeakerSplit};
use affekt_trainer::whole_file;
use burn::tensor::Device;
use clap::{Args, ValueEnum};
use color_eyre::eyre::{WrapErr, bail, ensure};

use super::corpus_arguments::{Corpora, report};
use super::evaluate::{By, Session, leave_out_heard, table};
use super::plan::Plan;
use super::progress;
use super::settings::Settings;
use super::shard::Shard;
use super::train::Origin;

/// Trains and tests once for each division of the recipe's `split.protocol` (folds, speakers, corpora) and measures
/// all tests together. Goes on where it was stopped.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    corpora: Corpora,
    #[command(flatten)]
    settings: Settings,
    /// Most epochs, in place of the recipe's.
    #[arg(long)]
    epochs: Option<usize>,
    /// Folder for the runs, one folder per division.
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// Takes every n-th division from the i-th on, so that several processes or machines share the work, e.g. 2/4.
    #[arg(long, value_name = "I/N")]
    shard: Option<Shard>,
    #[command(flatten)]
    origin: Origin,
    /// How to divide the speakers, in place of the recipe's `split.protocol`.
    #[arg(long, value_enum)]
    protocol: Option<Division>,
    /// What the session has heard before each clip that is tested.
    #[arg(long, value_enum, default_value = "warm")]
    session: Session,
    /// Adds a table by speaker or corpus.
    #[arg(long, value_enum)]
    by: Option<By>,
    /// Prints one JSON object in place of the table.
    #[arg(long)]
    json: bool,
}

/// Ways to divide speakers so that all of them test.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Division {
    /// As many folds as the recipe's `split.folds`.
    Folds,
    /// Each speaker alone.
    Speakers,
    /// Each corpus whole.
    Corpora,
}

impl From<Division> for Protocol {
    fn from(division: Division) -> Self {
        match division {
            Division::Folds => Self::Folds,
            Division::Speakers => Self::Speakers,
            Division::Corpora => Self::Corpora,
        }
    }
}

/// The model of a division, in the folder of its run.
const MODEL: &str = "model.onnx";

/// What it said of its test speakers.
fn heard_file(session: SessionState) -> &'static str {
    match session {
        SessionState::Warm => "heard.json",
        SessionState::Cold => "heard-cold.json",
    }
}

impl Arguments {
    /// Trains, tests, measures.
    pub fn run(self) -> color_eyre::Result<()> {
        self.settings.start_threads(None)?;
        let mut recipe = self.settings.recipe(self.epochs)?;
        if let Some(protocol) = self.protocol {
            recipe.split.protocol = protocol.into();
        }
        let origin = self.origin.open()?;
        let clips = self.corpora.list()?;
        let speakers = clips.iter().map(|clip| clip.speaker.as_str());
        let mut splits = SpeakerSplit::all(speakers, &recipe.split, self.settings.seed)?;
        if let Some(origin) = &origin {
            let before = origin.run()?.speakers;
            splits = splits.into_iter().map(|split| split.keeping(&before)).collect();
        }
        let session = SessionState::from(self.session);
        let count = splits.len();
        let folder = |place: usize| self.out.join(format!("fold-{:03}", place + 1));
        let file = |place: usize| folder(place).join(heard_file(session));
        for (place, split) in splits.iter().enumerate() {
            let is_ours = self.shard.is_none_or(|shard| shard.takes(place));
            if !is_ours || file(place).is_file() {
                continue;
            }
            eprintln!("division {} of {count}", place + 1);
            let folder = folder(place);
            if !folder.join(MODEL).is_file() {
                self.divide(&folder, &recipe, split, origin.as_ref(), &clips)?;
            }
            test(&folder, &recipe, split, &clips, session)?;
        }

        let done: Vec<PathBuf> = (0..count).map(file).collect();
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
        let evaluation = Evaluation::new(&heard, session, labels, self.settings.seed);
        if self.json {
            println!("{}", serde_json::to_string(&evaluation)?);
        } else {
            print!("{}", table(&evaluation, self.by));
        }
        Ok(())
    }

    /// Trains on one division and exports the model.
    fn divide(
        &self,
        folder: &Path,
        recipe: &Recipe,
        split: &SpeakerSplit,
        origin: Option<&RunFolder>,
        clips: &[Clip],
    ) -> color_eyre::Result<()> {
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
            origin,
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
        write(&folder.join(MODEL), onnx)
    }
}

/// Lets the model of a division hear its test speakers.
fn test(
    folder: &Path,
    recipe: &Recipe,
    split: &SpeakerSplit,
    clips: &[Clip],
    session: SessionState,
) -> color_eyre::Result<()> {
    let run = RunFolder::open(folder)?.run()?;
    let path = folder.join(MODEL);
    let onnx = std::fs::read(&path).wrap_err_with(|| format!("{} cannot be read", path.display()))?;
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
    let how = Listening {
        session,
        labels: judged_by(recipe),
        seed: run.seed,
        windows: false,
    };
    let heard = listen(&onnx, &loaded.clips, how, || bar.inc(1))?;
    bar.finish_and_clear();
    write(&folder.join(heard_file(session)), serde_json::to_string(&heard)?)
}

fn write(path: &Path, content: impl AsRef<[u8]>) -> color_eyre::Result<()> {
    whole_file::write(path, content).wrap_err_with(|| format!("{} cannot be written", path.display()))
}

/// The kind of label that a recipe's models are judged by.
fn judged_by(recipe: &Recipe) -> Labels {
    match recipe.training.labels {
        Labels::Voted => Labels::Voted,
        Labels::Acted | Labels::Blended => Labels::Acted,
    }
}
