//! `affekt-trainer evaluate`

use std::collections::BTreeSet;
use std::path::PathBuf;

use affekt_features::FeatureSpec;
use affekt_models::{MAX_MODEL_BYTES, Model};
use affekt_trainer::card;
use affekt_trainer::clips::{ClipFrames, load};
use affekt_trainer::condition::Condition;
use affekt_trainer::corpora::Clip;
use affekt_trainer::evaluation::{ConditionFigures, Evaluation, SessionState, listen};
use affekt_trainer::recipe::Labels;
use affekt_trainer::report::{html, pictures};
use affekt_trainer::run_folder::{RunFolder, RunRecord};
use affekt_trainer::split::{Side, SpeakerSplit};
use affekt_trainer::targets::label;
use clap::{Args, ValueEnum};
use color_eyre::eyre::{WrapErr, bail, ensure};

use super::corpora::{Corpora, report};
use super::progress;

/// Measures a model on labelled recordings: UAR, confusion matrix, calibration.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The model file.
    #[arg(long, value_name = "FILE")]
    model: PathBuf,
    #[command(flatten)]
    corpora: Corpora,
    /// The model's training run: only speakers that it has not seen are used.
    #[arg(long, value_name = "FOLDER")]
    run: Option<PathBuf>,
    /// Uses speakers the run has seen as well; the figures then say nothing about other voices.
    #[arg(long, requires = "run")]
    allow_seen: bool,
    /// What the session has heard before each clip.
    #[arg(long, value_enum, default_value_t = Session::Warm)]
    session: Session,
    /// What a clip counts as: what was acted, or what most listeners heard. Figures of the two are not comparable.
    #[arg(long, value_enum, default_value_t = LabelKind::Acted)]
    labels: LabelKind,
    /// Measures the clips also as they would be with another level (gain=DB), over a telephone (telephone), with pink
    /// noise below the speaker's voice (noise=DB) or in a room (room=SECONDS); repeatable.
    #[arg(long = "condition", value_name = "NAME=VALUE")]
    conditions: Vec<Condition>,
    /// Adds a table by speaker or corpus.
    #[arg(long, value_enum)]
    by: Option<By>,
    /// Seed of the warm sessions and of the intervals.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Prints one JSON object in place of the table.
    #[arg(long)]
    json: bool,
    /// Writes figures, tables and pictures as one HTML page.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Writes the pictures as SVG: confusion, recall, reliability, risk against coverage, speakers.
    #[arg(long, value_name = "FOLDER")]
    plots: Option<PathBuf>,
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

/// What a clip counts as.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum LabelKind {
    /// What the speaker was asked to act.
    Acted,
    /// What most listeners heard; clips without votes, and with a tie, are left out.
    Voted,
}

impl From<LabelKind> for Labels {
    fn from(kind: LabelKind) -> Self {
        match kind {
            LabelKind::Acted => Self::Acted,
            LabelKind::Voted => Self::Voted,
        }
    }
}

/// Lines of a table.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum By {
    /// A line per speaker.
    Speaker,
    /// A line per corpus.
    Corpus,
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
        let mut clips = self.corpora.list()?;
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
        let mut loaded = load(clips, &contract.features, || bar.inc(1))?;
        bar.finish_and_clear();
        report(&loaded.dropped);
        if let Some(folder) = folder.as_ref().filter(|_| !self.allow_seen) {
            leave_out_heard(&mut loaded.clips, &folder.run()?);
        }
        let labels = Labels::from(self.labels);
        let unlabelled = loaded
            .clips
            .iter()
            .filter(|clip| label(&clip.clip, labels).is_none())
            .count();
        if unlabelled > 0 {
            eprintln!("{unlabelled} clips left out: listeners gave them no votes, or no emotion has the most");
        }
        ensure!(
            loaded.clips.len() > unlabelled,
            "no usable clip is left: see the reasons above"
        );

        let measure = |session| measure(&onnx, &loaded.clips, session, labels, self.seed);
        let mut evaluation = measure(self.session.into())?;
        evaluation.conditions = self.under_conditions(&onnx, &loaded.clips, &contract.features)?;
        if let (Some(path), Some(folder)) = (&self.card, &folder) {
            let other = match evaluation.session {
                SessionState::Warm => SessionState::Cold,
                SessionState::Cold => SessionState::Warm,
            };
            let other = measure(other)?;
            let (warm, cold) = match evaluation.session {
                SessionState::Warm => (&evaluation, &other),
                SessionState::Cold => (&other, &evaluation),
            };
            let (run, recipe, best) = (folder.run()?, folder.recipe()?, folder.best()?);
            let text = card::markdown(&contract.card, &run, &recipe, &best, warm, cold);
            std::fs::write(path, text).wrap_err_with(|| format!("{} cannot be written", path.display()))?;
        }
        let name = self.model.file_stem().unwrap_or_default().to_string_lossy();
        if let Some(path) = &self.html {
            let page = html(&format!("{name} on {}", corpora_of(&evaluation)), &evaluation);
            std::fs::write(path, page).wrap_err_with(|| format!("{} cannot be written", path.display()))?;
        }
        if let Some(folder) = &self.plots {
            let cannot = || format!("{} cannot be written", folder.display());
            std::fs::create_dir_all(folder).wrap_err_with(cannot)?;
            for (name, picture) in pictures(&evaluation) {
                std::fs::write(folder.join(format!("{name}.svg")), picture).wrap_err_with(cannot)?;
            }
        }
        if self.json {
            println!("{}", serde_json::to_string(&evaluation)?);
        } else {
            print!("{}{}", table(&evaluation, self.by), conditions_table(&evaluation));
        }
        Ok(())
    }

    /// Figures under each of the conditions, sessions as without them.
    fn under_conditions(
        &self,
        onnx: &[u8],
        clips: &[ClipFrames],
        spec: &FeatureSpec,
    ) -> color_eyre::Result<Vec<ConditionFigures>> {
        let under = |condition: &Condition| {
            let bar = progress::bar(clips.len(), "altering");
            let altered = condition.apply(clips, spec, self.seed, || bar.inc(1));
            bar.finish_and_clear();
            let evaluation = measure(onnx, &altered?, self.session.into(), self.labels.into(), self.seed)?;
            Ok(ConditionFigures::new(*condition, &evaluation.metrics))
        };
        self.conditions.iter().map(under).collect()
    }
}

fn measure(
    onnx: &[u8],
    clips: &[ClipFrames],
    session: SessionState,
    labels: Labels,
    seed: u64,
) -> color_eyre::Result<Evaluation> {
    let bar = progress::bar(clips.len(), "listening");
    let heard = listen(onnx, clips, session, labels, seed, || bar.inc(1));
    bar.finish_and_clear();
    Ok(Evaluation::new(&heard?, session, labels, seed))
}

fn corpora_of(evaluation: &Evaluation) -> String {
    let names: Vec<&str> = evaluation.by_corpus.keys().map(String::as_str).collect();
    names.join(", ")
}

/// Leaves out recordings that the run has heard under whatever name.
pub fn leave_out_heard(clips: &mut Vec<ClipFrames>, run: &RunRecord) {
    let heard: BTreeSet<&str> = run.heard.iter().map(String::as_str).collect();
    let before = clips.len();
    clips.retain(|clip| !heard.contains(format!("{:016x}", clip.content).as_str()));
    if clips.len() < before {
        eprintln!(
            "{} clips left out: the model's run has heard these recordings under other names",
            before - clips.len()
        );
    }
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

/// All figures as text.
pub fn table(evaluation: &Evaluation, by: Option<By>) -> String {
    let figures = &evaluation.metrics;
    let session = match evaluation.session {
        SessionState::Warm => "warm",
        SessionState::Cold => "cold",
    };
    let voted = match evaluation.labels {
        Labels::Voted => ", judged by what most listeners heard",
        _ => "",
    };
    let mut text = format!(
        "{} clips of {} speakers, {session} sessions{voted}\n\n{}\n",
        figures.clips,
        evaluation.speakers,
        figures.table()
    );
    for (name, key, figure) in [
        ("UAR", "uar", figures.uar),
        ("accuracy", "accuracy", figures.accuracy),
        ("macro F1", "macro_f1", figures.macro_f1),
        ("calibration error", "ece", figures.ece),
    ] {
        text += &format!("{name:>18}  {figure:.3}");
        if let Some([low, high]) = evaluation.intervals.get(key) {
            text += &format!("  ({low:.3} to {high:.3})");
        }
        text += "\n";
    }
    text += &format!("{:>18}  {:.3}\n", "mean risk", evaluation.mean_risk);
    if let Some(majority) = &evaluation.majority {
        text += &format!(
            "{:>18}  UAR {:.3}, accuracy {:.3}\n",
            "majority baseline", majority.uar, majority.accuracy
        );
    }
    for (corpus, uar) in &evaluation.uar_by_corpus {
        text += &format!("{:>18}  {uar:.3}\n", format!("UAR {corpus}"));
    }
    let groups = match by {
        Some(By::Speaker) => &evaluation.by_speaker,
        Some(By::Corpus) => &evaluation.by_corpus,
        None => return text,
    };
    text += &format!("\n{:>24}  {:>6}  {:>6}  {:>8}\n", "", "clips", "UAR", "accuracy");
    for (name, summary) in groups {
        text += &format!(
            "{name:>24}  {:>6}  {:>6.3}  {:>8.3}\n",
            summary.clips, summary.uar, summary.accuracy
        );
    }
    text
}

/// The figures under conditions as text, beside those without; empty without conditions.
fn conditions_table(evaluation: &Evaluation) -> String {
    if evaluation.conditions.is_empty() {
        return String::new();
    }
    let clean = &evaluation.metrics;
    let mut text = format!(
        "\n{:>18}  {:>6}  {:>10}  {:>8}  {:>17}\n{:>18}  {:>6.3}  {:>10}  {:>8.3}  {:>17.3}\n",
        "condition",
        "UAR",
        "difference",
        "accuracy",
        "calibration error",
        "none",
        clean.uar,
        "",
        clean.accuracy,
        clean.ece
    );
    for figures in &evaluation.conditions {
        text += &format!(
            "{:>18}  {:>6.3}  {:>+10.3}  {:>8.3}  {:>17.3}\n",
            figures.condition,
            figures.uar,
            figures.uar - clean.uar,
            figures.accuracy,
            figures.ece
        );
    }
    text
}
