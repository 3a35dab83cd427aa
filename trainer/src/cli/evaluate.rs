//! `affekt-trainer evaluate`

use std::path::PathBuf;

use affekt_models::{MAX_MODEL_BYTES, Model};
use affekt_trainer::card;
use affekt_trainer::clips::{ClipFrames, load};
use affekt_trainer::corpora::{Clip, CorpusFolder};
use affekt_trainer::evaluation::{Evaluation, SessionState, evaluate};
use affekt_trainer::run_folder::RunFolder;
use affekt_trainer::split::{Side, SpeakerSplit};
use clap::{Args, ValueEnum};
use color_eyre::eyre::{WrapErr, bail, ensure};

use super::{corpora, progress};

/// Measures a model on labelled recordings: UAR, confusion matrix, calibration.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The model file.
    #[arg(long, value_name = "FILE")]
    model: PathBuf,
    /// A corpus and the folder it lies in; repeatable. Known corpora: crema-d, emo-db.
    #[arg(long = "corpus", value_name = "NAME=FOLDER", required = true)]
    corpora: Vec<CorpusFolder>,
    /// The model's training run: only speakers that it has not seen are used.
    #[arg(long, value_name = "FOLDER")]
    run: Option<PathBuf>,
    /// Uses speakers the run has seen as well; the figures then say nothing about other voices.
    #[arg(long, requires = "run")]
    allow_seen: bool,
    /// What the session has heard before each clip.
    #[arg(long, value_enum, default_value_t = Session::Warm)]
    session: Session,
    /// Seed of the warm sessions.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Prints one JSON object in place of the table.
    #[arg(long)]
    json: bool,
    /// Writes a model card (Markdown) with the figures of warm and cold sessions.
    #[arg(long, value_name = "FILE", requires = "run", conflicts_with = "allow_seen")]
    card: Option<PathBuf>,
}

/// What the session has heard before each clip.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Session {
    /// Half a minute of the speaker's other clips.
    Warm,
    /// Nothing.
    Cold,
}

impl From<Session> for SessionState {
    fn from(session: Session) -> Self {
        match session {
            Session::Warm => Self::Warm,
            Session::Cold => Self::Cold,
        }
    }
}

impl Arguments {
    /// Evaluates.
    pub fn run(self) -> color_eyre::Result<()> {
        let onnx = read_model(&self.model)?;
        let contract = Model::from_bytes(&onnx)
            .wrap_err_with(|| self.model.display().to_string())?
            .contract()
            .clone();
        let folder = self.run.as_deref().map(RunFolder::open).transpose()?;
        let mut clips = corpora::list(&self.corpora)?;
        if let Some(folder) = &folder {
            let run = folder.run()?;
            ensure!(
                run.features == contract.features,
                "{} was not exported from the run in {}: its features differ",
                self.model.display(),
                folder.path().display()
            );
            clips = unseen(clips, &run.speakers, self.allow_seen)?;
        }
        let bar = progress::bar(clips.len(), "decoding");
        let loaded = load(clips, &contract.features, || bar.inc(1))?;
        bar.finish_and_clear();
        corpora::report(&loaded.dropped);
        ensure!(
            !loaded.clips.is_empty(),
            "no usable clip is left: see the reasons above"
        );

        let evaluation = measure(&onnx, &loaded.clips, self.session.into(), self.seed)?;
        if let (Some(path), Some(folder)) = (&self.card, &folder) {
            let other = match evaluation.session {
                SessionState::Warm => SessionState::Cold,
                SessionState::Cold => SessionState::Warm,
            };
            let other = measure(&onnx, &loaded.clips, other, self.seed)?;
            let (warm, cold) = match evaluation.session {
                SessionState::Warm => (&evaluation, &other),
                SessionState::Cold => (&other, &evaluation),
            };
            let (run, recipe, best) = (folder.run()?, folder.recipe()?, folder.best()?);
            let text = card::markdown(&contract.card, &run, &recipe, &best, warm, cold);
            std::fs::write(path, text).wrap_err_with(|| format!("{} cannot be written", path.display()))?;
        }
        if self.json {
            println!("{}", serde_json::to_string(&evaluation)?);
        } else {
            print!("{}", table(&evaluation));
        }
        Ok(())
    }
}

fn measure(onnx: &[u8], clips: &[ClipFrames], session: SessionState, seed: u64) -> color_eyre::Result<Evaluation> {
    let bar = progress::bar(clips.len(), "listening");
    let evaluation = evaluate(onnx, clips, session, seed, || bar.inc(1));
    bar.finish_and_clear();
    Ok(evaluation?)
}

/// Leaves out clips whose speakers the run has trained on or chosen by, unless they are allowed.
fn unseen(clips: Vec<Clip>, split: &SpeakerSplit, allow: bool) -> color_eyre::Result<Vec<Clip>> {
    let is_seen = |clip: &Clip| matches!(split.side(&clip.speaker), Some(Side::Train | Side::Validation));
    let seen = clips.iter().filter(|clip| is_seen(clip)).count();
    if allow {
        if seen > 0 {
            eprintln!(
                "WARNING: the model's run has seen the speakers of {seen} of the {} clips: these figures do not \
                 show how well it does on other voices",
                clips.len()
            );
        }
        return Ok(clips);
    }
    let unseen: Vec<_> = clips.into_iter().filter(|clip| !is_seen(clip)).collect();
    if unseen.is_empty() {
        bail!(
            "the model's run has seen all speakers of these {seen} clips: give recordings of others, or --allow-seen"
        );
    }
    if seen > 0 {
        eprintln!("{seen} clips left out: the model's run has seen their speakers");
    }
    Ok(unseen)
}

fn read_model(path: &PathBuf) -> color_eyre::Result<Vec<u8>> {
    let cannot = || format!("the model {} cannot be read", path.display());
    let length = std::fs::metadata(path).wrap_err_with(cannot)?.len();
    ensure!(
        length <= MAX_MODEL_BYTES,
        "the model {} is {length} bytes long, more than the {MAX_MODEL_BYTES} that are accepted",
        path.display()
    );
    std::fs::read(path).wrap_err_with(cannot)
}

fn table(evaluation: &Evaluation) -> String {
    let figures = &evaluation.metrics;
    let session = match evaluation.session {
        SessionState::Warm => "warm",
        SessionState::Cold => "cold",
    };
    let mut text = format!(
        "{} clips of {} speakers, {session} sessions\n\n{}\n",
        figures.clips,
        evaluation.speakers,
        figures.table()
    );
    for (name, figure) in [
        ("UAR", figures.uar),
        ("accuracy", figures.accuracy),
        ("macro F1", figures.macro_f1),
        ("calibration error", figures.ece),
    ] {
        text += &format!("{name:>18}  {figure:.3}\n");
    }
    for (corpus, uar) in &evaluation.uar_by_corpus {
        text += &format!("{:>18}  {uar:.3}\n", format!("UAR {corpus}"));
    }
    text
}
