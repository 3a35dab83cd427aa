//! `affekt-trainer evaluate`

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use affekt_features::FeatureSpec;
use affekt_models::{Input, Model};
use affekt_trainer::card::{self, Figures, Sessions};
use affekt_trainer::clips::{ClipFrames, load};
use affekt_trainer::condition::{Condition, STANDARD_CONDITIONS};
use affekt_trainer::corpora::{Clip, Sex};
use affekt_trainer::evaluation::{
    ConditionFigures, Evaluation, Heard, Listening, SessionState, listen, listen_to_non_voice,
};
use affekt_trainer::listening;
use affekt_trainer::model_file;
use affekt_trainer::recipe::Labels;
use affekt_trainer::report::{html, pictures};
use affekt_trainer::run_folder::{RunFolder, RunRecord};
use affekt_trainer::split::{Side, SpeakerSplit};
use affekt_trainer::targets::label;
use clap::{Args, ValueEnum};
use color_eyre::eyre::{WrapErr, bail, ensure, eyre};

use super::corpus_arguments::{Corpora, report};
use super::{output, progress};

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
    /// noise below the speaker's voice (noise=DB) or below each clip's own (snr=DB), or in a room (room=SECONDS);
    /// repeatable.
    #[arg(long = "condition", value_name = "NAME=VALUE")]
    conditions: Vec<Condition>,
    /// Runs the model on every voiced window, not on the last of each clip alone, and adds figures over single windows.
    #[arg(long)]
    windows: bool,
    /// Adds a table by speaker, corpus or sex.
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
    /// Writes the pictures as SVG: confusion, recall, reliability, risk against coverage, speakers; with --windows also
    /// sixteen clips, window by window.
    #[arg(long, value_name = "FOLDER")]
    plots: Option<PathBuf>,
    /// Writes a model card (Markdown) and its figures beside it (JSON): warm and cold sessions, and the usual conditions
    /// unless others are given. Speakers of the run's corpora are in the main table; every other corpus has its own.
    #[arg(long, value_name = "FILE", requires = "run", conflicts_with = "allow_seen")]
    card: Option<PathBuf>,
}

/// What the session has heard before each clip.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Session {
    /// Half a minute of the speaker's other clips.
    Warm,
    /// Nothing.
    Cold,
    /// The speaker's other clips, right before, in random order: all are played one after another.
    Track,
    /// Likewise, but all clips of an emotion before the next emotion.
    Moods,
}

impl From<Session> for SessionState {
    fn from(session: Session) -> Self {
        match session {
            Session::Warm => Self::Warm,
            Session::Cold => Self::Cold,
            Session::Track => Self::Track,
            Session::Moods => Self::Moods,
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
    /// A line per sex, where the corpora say it.
    Sex,
}

impl Arguments {
    /// Evaluates.
    pub fn run(self) -> color_eyre::Result<()> {
        let onnx = model_file::read(&self.model)
            .map_err(|reason| eyre!("the model {} cannot be read: {reason}", self.model.display()))?;
        let contract = Model::from_bytes(&onnx)
            .wrap_err_with(|| self.model.display().to_string())?
            .contract()
            .clone();
        ensure!(
            contract.input == Input::Features || (self.conditions.is_empty() && self.card.is_none()),
            "{} hears raw audio from the files: conditions, and a card, which holds them, are for models of features",
            self.model.display()
        );
        let folder = self.run.as_deref().map(RunFolder::open).transpose()?;
        let mut clips = self.corpora.list()?;
        let sexes = self.corpora.sexes(&clips);
        if let Some(folder) = &folder {
            let run = folder.run()?;
            ensure!(
                run.features == contract.features,
                "{} was not exported from the run in {}: its features differ",
                self.model.display(),
                folder.path().display()
            );
            clips = unseen(clips, &run.all_speakers(), self.allow_seen)?;
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

        let non_voice = listen_to_non_voice(&onnx, self.seed)?;
        let judge = Judge {
            onnx: &onnx,
            sexes: &sexes,
            non_voice: &non_voice,
            labels,
            seed: self.seed,
            spec: &contract.features,
            conditions: &self.conditions,
        };
        if let (Some(path), Some(folder)) = (&self.card, &folder) {
            let conditions = match self.conditions.is_empty() {
                true => &STANDARD_CONDITIONS[..],
                false => &self.conditions,
            };
            let judge = Judge { conditions, ..judge };
            write_card(path, &judge, &mut loaded.clips, folder, &contract.card)?;
        }
        let (mut evaluation, heard) = judge.evaluate(&loaded.clips, self.session.into(), self.windows)?;
        judge.add_conditions([&mut evaluation], &loaded.clips)?;
        let name = self.model.file_stem().unwrap_or_default().to_string_lossy();
        if let Some(path) = &self.html {
            let page = html(&format!("{name} on {}", corpora_of(&evaluation)), &evaluation);
            output::write(path, page)?;
        }
        if let Some(folder) = &self.plots {
            output::create_folder(folder)?;
            let listening = self.windows.then(|| ("listening", listening::picture(&heard)));
            for (name, picture) in pictures(&evaluation).into_iter().chain(listening) {
                output::write(&folder.join(format!("{name}.svg")), picture)?;
            }
        }
        if self.json {
            println!("{}", serde_json::to_string(&evaluation)?);
        } else {
            print!("{}{}", table(&evaluation, self.by), conditions_table(&evaluation));
        }
        Ok(())
    }
}

/// What is judged, and by what.
#[derive(Clone, Copy)]
struct Judge<'a> {
    onnx: &'a [u8],
    sexes: &'a BTreeMap<String, Sex>,
    /// What the model says of sounds that are no voice, whatever the clips.
    non_voice: &'a BTreeMap<String, f64>,
    labels: Labels,
    seed: u64,
    spec: &'a FeatureSpec,
    conditions: &'a [Condition],
}

impl Judge<'_> {
    fn evaluate(
        &self,
        clips: &[ClipFrames],
        session: SessionState,
        windows: bool,
    ) -> color_eyre::Result<(Evaluation, Vec<Heard>)> {
        let heard = self.listen(clips, session, windows)?;
        let mut evaluation = Evaluation::new(&heard, session, self.labels, self.seed).with_sexes(&heard, self.sexes);
        evaluation.non_voice = self.non_voice.clone();
        Ok((evaluation, heard))
    }

    fn listen(&self, clips: &[ClipFrames], session: SessionState, windows: bool) -> color_eyre::Result<Vec<Heard>> {
        let how = Listening {
            session,
            labels: self.labels,
            seed: self.seed,
            windows,
        };
        let bar = progress::bar(clips.len(), "listening");
        let heard = listen(self.onnx, clips, how, || bar.inc(1));
        bar.finish_and_clear();
        Ok(heard?)
    }

    /// Adds to each evaluation the figures of these clips under each of the conditions, sessions as without them.
    fn add_conditions<const N: usize>(
        &self,
        mut evaluations: [&mut Evaluation; N],
        clips: &[ClipFrames],
    ) -> color_eyre::Result<()> {
        for condition in self.conditions {
            let bar = progress::bar(clips.len(), "altering");
            let altered = condition.apply(clips, self.spec, self.seed, || bar.inc(1));
            bar.finish_and_clear();
            let altered = altered?;
            for evaluation in &mut evaluations {
                let heard = self.listen(&altered, evaluation.session, false)?;
                let figures = Evaluation::new(&heard, evaluation.session, self.labels, self.seed).metrics;
                evaluation.conditions.push(ConditionFigures::new(*condition, &figures));
            }
        }
        Ok(())
    }
}

/// Measures everything that a card holds, and writes it with its figures beside it.
fn write_card(
    path: &Path,
    judge: &Judge<'_>,
    clips: &mut [ClipFrames],
    folder: &RunFolder,
    short: &affekt_models::Card,
) -> color_eyre::Result<()> {
    let run = folder.run()?;
    // The corpora that the weights have heard together, and each of the others by itself.
    let home = run.all_corpora();
    let group = |clip: &ClipFrames| {
        let corpus = clip.clip.corpus;
        (!home.contains(corpus)).then_some(corpus)
    };
    clips.sort_by_key(group);
    let mut groups: BTreeMap<Option<&str>, &[ClipFrames]> = clips
        .chunk_by(|one, next| group(one) == group(next))
        .map(|clips| (group(&clips[0]), clips))
        .collect();
    let both = |clips: &[ClipFrames]| -> color_eyre::Result<Sessions> {
        Ok(Sessions {
            warm: judge.evaluate(clips, SessionState::Warm, true)?.0,
            cold: judge.evaluate(clips, SessionState::Cold, false)?.0,
            track: None,
            moods: None,
        })
    };
    let home = groups.remove(&None).unwrap_or_default();
    ensure!(
        !home.is_empty(),
        "a card needs clips of the run's own corpora, of speakers that it has not seen: give them with --corpus"
    );
    let mut figures = Figures {
        home: both(home)?,
        elsewhere: BTreeMap::new(),
    };
    let Sessions {
        warm,
        cold,
        track,
        moods,
    } = &mut figures.home;
    judge.add_conditions([warm, cold], home)?;
    *track = Some(judge.evaluate(home, SessionState::Track, true)?.0);
    *moods = Some(judge.evaluate(home, SessionState::Moods, true)?.0);
    for (corpus, clips) in groups {
        figures
            .elsewhere
            .insert(corpus.unwrap_or_default().into(), both(clips)?);
    }
    let text = card::markdown(short, &run, &folder.recipe()?, &folder.best()?, &figures);
    let json = path.with_extension("json");
    for (path, text) in [(path, text), (&json, serde_json::to_string_pretty(&figures)?)] {
        output::write(path, text)?;
    }
    Ok(())
}

fn corpora_of(evaluation: &Evaluation) -> String {
    let names: Vec<&str> = evaluation.by_corpus.keys().map(String::as_str).collect();
    names.join(", ")
}

/// Leaves out recordings that the run has heard under whatever name.
pub fn leave_out_heard(clips: &mut Vec<ClipFrames>, run: &RunRecord) {
    let heard: BTreeSet<&str> = run.all_heard().collect();
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

/// All figures as text.
pub fn table(evaluation: &Evaluation, by: Option<By>) -> String {
    let figures = &evaluation.metrics;
    let session = evaluation.session.name();
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
    text += &format!("{:>18}  {:.3}\n", "mean confidence", evaluation.confidence);
    for (kind, confidence) in &evaluation.non_voice {
        text += &format!("{:>18}  {confidence:.3}\n", format!("on {kind}"));
    }
    if let Some(windows) = &evaluation.windows {
        text += &format!(
            "{:>18}  UAR {:.3}, accuracy {:.3} ({} windows)\n",
            "single windows", windows.uar, windows.accuracy, windows.clips
        );
    }
    let groups = match by {
        Some(By::Speaker) => &evaluation.by_speaker,
        Some(By::Corpus) => &evaluation.by_corpus,
        Some(By::Sex) => &evaluation.by_sex,
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
