//! `affekt-trainer cross-validate`

use std::collections::BTreeSet;
use std::path::PathBuf;

use affekt_trainer::card::{Identity, short};
use affekt_trainer::clips::load;
use affekt_trainer::corpora::Clip;
use affekt_trainer::evaluation::{Evaluation, Heard, Listening, SessionState, listen};
use affekt_trainer::export::of_run;
use affekt_trainer::recipe::{Labels, Protocol, Recipe};
use affekt_trainer::run_folder::{Asked, RunFolder};
use affekt_trainer::split::{Side, SpeakerSplit};
use burn::tensor::Device;
use clap::{Args, ValueEnum};
use color_eyre::eyre::{WrapErr, bail, ensure};

use super::corpus_arguments::{Corpora, report};
use super::evaluate::{By, Session, leave_out_heard, table};
use super::output::write;
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
fn heard_file(session: SessionState) -> String {
    match session {
        SessionState::Warm => "heard.json".into(),
        session => format!("heard-{}.json", session.name()),
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
        let session = SessionState::from(self.session);
        let folds = self.folds(&recipe, origin.as_ref(), &clips)?;
        self.check(&folds, &recipe, origin.as_ref(), &clips)?;
        let count = folds.len();
        let file = |fold: &Fold| fold.folder.join(heard_file(session));
        for (place, fold) in folds.iter().enumerate() {
            let is_ours = self.shard.is_none_or(|shard| shard.takes(place));
            if !is_ours || file(fold).is_file() {
                continue;
            }
            eprintln!("division {} of {count}", place + 1);
            if !fold.folder.join(MODEL).is_file() {
                self.divide(fold, &recipe, origin.as_ref(), &clips)?;
            }
            test(fold, &recipe, &clips, session)?;
        }

        let done: Vec<PathBuf> = folds.iter().map(file).collect();
        let missing = done.iter().filter(|path| !path.is_file()).count();
        if missing > 0 {
            eprintln!("{missing} of {count} divisions are still to be done: call again with their share, or with none");
            return Ok(());
        }
        let mut heard: Vec<Heard> = Vec::new();
        for (path, fold) in done.iter().zip(&folds) {
            let text = std::fs::read_to_string(path).wrap_err_with(|| format!("{} cannot be read", path.display()))?;
            let own: Vec<Heard> =
                serde_json::from_str(&text).wrap_err_with(|| format!("{} is damaged: remove it", path.display()))?;
            ensure!(
                own.iter().all(|heard| fold.tested.contains(&heard.speaker)),
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

    /// The divisions in which somebody is tested.
    fn folds(&self, recipe: &Recipe, origin: Option<&RunFolder>, clips: &[Clip]) -> color_eyre::Result<Vec<Fold>> {
        let speakers = clips.iter().map(|clip| clip.speaker.as_str());
        let splits = SpeakerSplit::all(speakers, &recipe.split, self.settings.seed)?;
        let before = origin.map(RunFolder::run).transpose()?;
        let before = before.map(|run| run.all_speakers());
        let folder = |place: usize| self.out.join(format!("fold-{:03}", place + 1));
        let folds = splits.into_iter().enumerate();
        let mut folds: Vec<Fold> = folds
            .map(|(place, split)| Fold::new(folder(place), split, before.as_ref()))
            .collect();
        let all = folds.len();
        folds.retain(|fold| !fold.tested.is_empty());
        ensure!(
            !folds.is_empty(),
            "the run of --from has heard all these speakers: give recordings of others"
        );
        if folds.len() < all {
            eprintln!(
                "{} of {all} divisions left out: the run of --from has heard all whom they would test",
                all - folds.len()
            );
        }
        Ok(folds)
    }

    /// What lies in the divisions' folders must come from these divisions, this recipe and these corpora.
    fn check(
        &self,
        folds: &[Fold],
        recipe: &Recipe,
        origin: Option<&RunFolder>,
        clips: &[Clip],
    ) -> color_eyre::Result<()> {
        let origin = origin.map(|origin| origin.as_origin(recipe)).transpose()?;
        let corpora: BTreeSet<&str> = clips.iter().map(|clip| clip.corpus).collect();
        for fold in folds {
            let Ok(run) = RunFolder::open(&fold.folder) else {
                ensure!(
                    !fold.folder.join(MODEL).exists(),
                    "{} holds a model without its run: remove it, or use another --out",
                    fold.folder.display()
                );
                continue;
            };
            let asked = Asked {
                recipe,
                seed: self.settings.seed,
                speakers: &fold.split,
                corpora: &corpora,
                origin: origin.as_ref(),
            };
            if let Some(what) = run.difference(&asked)? {
                bail!(
                    "{} holds another run than the one that is asked for ({what}): use another --out",
                    fold.folder.display()
                );
            }
        }
        Ok(())
    }

    /// Trains on one division and exports the model.
    fn divide(
        &self,
        fold: &Fold,
        recipe: &Recipe,
        origin: Option<&RunFolder>,
        clips: &[Clip],
    ) -> color_eyre::Result<()> {
        let folder = &fold.folder;
        let plan = Plan {
            recipe,
            origin,
            split: fold.split.clone(),
            seed: self.settings.seed,
            backend: self.settings.backend,
            out: folder,
            resume: RunFolder::open(folder).is_ok(),
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

/// One division.
struct Fold {
    /// Of its run.
    folder: PathBuf,
    /// Who is on which side.
    split: SpeakerSplit,
    /// Who is tested.
    tested: BTreeSet<String>,
}

impl Fold {
    /// `before`: whom the weights have heard that it begins with. They keep their sides, and who is on the side that tests
    /// in all divisions is tested in the one whose turn it is.
    fn new(folder: PathBuf, division: SpeakerSplit, before: Option<&SpeakerSplit>) -> Self {
        let turn = division.clone();
        let split = match before {
            Some(before) => division.keeping(before),
            None => division,
        };
        let tested = turn.speakers(Side::Test).into_iter();
        let tested = tested.filter(|speaker| split.side(speaker) == Some(Side::Test));
        Self {
            folder,
            tested: tested.map(String::from).collect(),
            split,
        }
    }
}

/// Lets the model of a division hear its test speakers.
fn test(fold: &Fold, recipe: &Recipe, clips: &[Clip], session: SessionState) -> color_eyre::Result<()> {
    let folder = &fold.folder;
    let run = RunFolder::open(folder)?.run()?;
    let path = folder.join(MODEL);
    let onnx = std::fs::read(&path).wrap_err_with(|| format!("{} cannot be read", path.display()))?;
    let test = clips.iter().filter(|clip| fold.tested.contains(&clip.speaker));
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

/// The kind of label that a recipe's models are judged by.
fn judged_by(recipe: &Recipe) -> Labels {
    match recipe.training.labels {
        Labels::Voted => Labels::Voted,
        Labels::Acted | Labels::Blended => Labels::Acted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use affekt_trainer::recipe::SplitRecipe;

    const RECIPE: SplitRecipe = SplitRecipe {
        protocol: Protocol::Folds,
        folds: 4,
        validation: 0.1,
        test: 0.2,
    };

    #[test]
    fn whom_the_origin_tests_is_tested_once_and_whom_it_has_heard_never() {
        let names: Vec<String> = (1..=24).map(|number| format!("a/{number:02}")).collect();
        let speakers = || names.iter().map(String::as_str);
        let held_out = SplitRecipe {
            protocol: Protocol::HoldOut,
            ..RECIPE
        };
        // The origin knows two thirds of them.
        let before = SpeakerSplit::fold(speakers().take(16), &held_out, 3, 1).unwrap();
        let divisions = SpeakerSplit::all(speakers(), &RECIPE, 1).unwrap();
        let folds: Vec<Fold> = divisions
            .into_iter()
            .map(|division| Fold::new(PathBuf::new(), division, Some(&before)))
            .collect();
        let mut tested: Vec<&String> = folds.iter().flat_map(|fold| &fold.tested).collect();
        tested.sort();
        let is_new = |name: &&String| before.side(name).is_none_or(|side| side == Side::Test);
        let expected: Vec<&String> = names.iter().filter(is_new).collect();
        assert_eq!(expected.len(), 8 + before.speakers(Side::Test).len());
        assert_eq!(tested, expected);
        for fold in &folds {
            for name in before.speakers(Side::Test) {
                assert_eq!(
                    fold.split.side(name),
                    Some(Side::Test),
                    "nobody that tests there trains"
                );
            }
        }
    }
}
