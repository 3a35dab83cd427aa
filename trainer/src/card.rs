//! Where a model comes from and how good it is: the short form inside the model file, the long one as Markdown.

use std::collections::BTreeMap;

use affekt_models::{Card, EMOTIONS};
use serde::{Deserialize, Serialize};

use crate::corpora::Corpus;
use crate::evaluation::{Evaluation, SessionState, WARM_SESSION_S};
use crate::recipe::{Architecture, Keep, NetworkRecipe, Pooling, Recipe};
use crate::run_folder::{BestRecord, RunRecord};
use crate::split::Side;

/// What the exporter is told about a model.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Name shown to the user.
    pub name: String,
    /// The model's own version.
    pub version: String,
    /// Licence of the model.
    pub licence: String,
}

/// The short form, with the figures of the validation speakers and of any evaluation.
pub fn short(identity: &Identity, run: &RunRecord, best: &BestRecord, evaluations: &[Evaluation]) -> Card {
    let mut metrics = BTreeMap::from([("validation_uar".to_string(), best.validation.uar)]);
    for evaluation in evaluations {
        let suffix = match evaluation.session {
            SessionState::Warm => String::new(),
            session => format!("_{}", session.name()),
        };
        let figures = &evaluation.metrics;
        metrics.insert(format!("uar{suffix}"), figures.uar);
        metrics.insert(format!("accuracy{suffix}"), figures.accuracy);
        metrics.insert(format!("macro_f1{suffix}"), figures.macro_f1);
        metrics.insert(format!("ece{suffix}"), figures.ece);
    }
    Card {
        name: identity.name.clone(),
        version: identity.version.clone(),
        corpora: corpora(run).map(source).collect(),
        licence: identity.licence.clone(),
        metrics,
        date: run.date.clone(),
    }
}

/// Figures of warm and of cold sessions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sessions {
    /// After half a minute of the speaker's other clips.
    pub warm: Evaluation,
    /// After nothing.
    pub cold: Evaluation,
    /// Clips one after another in random order, and an emotion at a time; see [`SessionState`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub track: Option<Evaluation>,
    /// An emotion at a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moods: Option<Evaluation>,
}

/// All figures of a card.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Unseen speakers of the corpora that the model has learned from.
    pub home: Sessions,
    /// Corpora that it has never heard, by name.
    pub elsewhere: BTreeMap<String, Sessions>,
}

/// The long form: Markdown for people.
pub fn markdown(card: &Card, run: &RunRecord, recipe: &Recipe, best: &BestRecord, figures: &Figures) -> String {
    let (warm, cold) = (&figures.home.warm, &figures.home.cold);
    let count = |side| run.speakers.speakers(side).len();
    let clips = |of: fn(&crate::run_folder::CorpusRecord) -> usize| run.corpora.iter().map(of).sum::<usize>();
    let network = &recipe.network;
    let sources: String = corpora(run)
        .map(|corpus| {
            format!(
                "- **{}**: {}, {}.\n  Licence: {}.\n  {}.\n",
                corpus.title, corpus.language, corpus.content, corpus.licence, corpus.attribution
            )
        })
        .collect();
    let arguments: String = run
        .corpora
        .iter()
        .map(|corpus| format!(" --corpus {0}=FOLDER_OF_{0}", corpus.name))
        .collect();
    let from = match run.origin {
        Some(_) => " --from RUN_BEFORE",
        None => "",
    };
    let others: String = figures
        .elsewhere
        .keys()
        .map(|corpus| format!(" --corpus {corpus}=FOLDER_OF_{corpus}"))
        .collect();
    let file = card.name.to_lowercase().replace(' ', "-");
    let identity = format!(
        " --name \"{}\" --model-version {} --licence \"{}\"",
        card.name, card.version, card.licence
    );
    let test_speakers = run.speakers.speakers(Side::Test).join(", ");
    format!(
        "\
# {name} {version}

Hears six emotions in a voice: {emotions}.

Made on {date} with affekt-trainer {trainer}. Licence of the model: {licence}.

## How good it is

On {test_count} speakers ({test_clips} clips) that it has neither learned from nor been chosen by. Chance is 0.167.

{header}
{warm_row}
{cold_row}
{track_rows}
UAR is the unweighted average recall over the emotions, its interval (95 %) that of other speakers being drawn.

- Warm: the session has heard {session_s:.0} s of the speaker's other clips, as in the plugin after half a minute of singing.
- Cold: it has heard nothing, as when playback starts.
{on_track}{windows}

{groups}
{conditions}
{elsewhere}
Acted emotion in rows, heard emotion in columns, warm:

```
{table}```

### How far its confidence can be trusted

{reliability}
{risk}
{non_voice}
Test speakers: {test_speakers}.

## What it was made from

{sources}
{train_count} speakers ({train_clips} clips) train; {validation_count} speakers ({validation_clips} clips) {choose}
the temperature of the softmax ({temperature:.2}).

## What it is

{input}; {layers}; softmax over six.
Windows of up to {window:.1} s.

## Making it again

```
affekt-trainer train --recipe recipe.toml{from}{arguments} --seed {seed} --threads {threads} --out RUN
affekt-trainer export --run RUN{identity} --out {file}.onnx
affekt-trainer evaluate --model {file}.onnx --run RUN{arguments}{others} --card {file}.md
affekt-trainer export --run RUN{identity} --out {file}.onnx --evaluation {file}.json
```

The same seed, number of threads and processor family give the same weights{same_origin}. `recipe.toml` is:

```toml
{recipe}```

## Limits

- The emotions are acted, by adults speaking {languages}. {not_heard} were not heard in training.
- It hears how something is said, not what; actors were told what to express, and listeners often disagree with them.
- It must not be used to judge people: not for hiring, policing, medicine or teaching.
",
        name = card.name,
        version = card.version,
        emotions = EMOTIONS.map(|emotion| emotion.name()).join(", "),
        date = card.date,
        trainer = run.trainer_version,
        licence = card.licence,
        test_count = warm.speakers,
        test_clips = warm.metrics.clips,
        header = HEADER,
        warm_row = row("warm", warm),
        cold_row = row("cold", cold),
        track_rows = track_rows(&figures.home),
        session_s = WARM_SESSION_S,
        on_track = on_track(&figures.home),
        windows = windows(warm),
        groups = groups(warm),
        conditions = conditions(&figures.home),
        elsewhere = elsewhere(figures),
        table = warm.metrics.table(),
        reliability = reliability(warm),
        risk = risk(warm),
        non_voice = non_voice(warm),
        train_count = count(Side::Train),
        train_clips = clips(|corpus| corpus.train_clips),
        validation_count = count(Side::Validation),
        validation_clips = clips(|corpus| corpus.validation_clips),
        choose = match recipe.training.keep {
            Keep::Best => format!("choose the epoch ({} of {}) and", best.epoch, recipe.training.epochs),
            Keep::Last => format!("set, after {} epochs,", best.epoch),
        },
        temperature = best.temperature,
        input = match &recipe.front_end {
            Some(front_end) => format!("The embeddings of a front end that was not trained here ({}), scaled", front_end.licence),
            None => format!("{} MFCCs per 10 ms, normalised by the session and scaled", run.features.coefficients),
        },
        layers = layers(network),
        window = recipe.window.frames as f64 * run.features.hop as f64
            / f64::from(run.features.sample_rate_hz),
        same_origin = match &run.origin {
            Some(origin) => format!(
                ", from the same weights: RUN_BEFORE is the run of another model, whose weights ({}) it began with",
                origin.weights
            ),
            None => String::new(),
        },
        seed = run.seed,
        threads = run.threads,
        languages = languages(run),
        not_heard = if heard_singing(run) {
            "Spontaneous speech, children's voices and other languages"
        } else {
            "Spontaneous speech, children's voices, other languages and above all singing"
        },
        recipe = recipe.to_toml().unwrap_or_default(),
    )
}

const HEADER: &str = "\
| session before the clip | UAR | 95 % interval | accuracy | macro F1 | calibration error |
|---|---|---|---|---|---|";

/// Clips one after another.
fn track_rows(sessions: &Sessions) -> String {
    let tracks = [&sessions.track, &sessions.moods];
    let rows = tracks.into_iter().flatten();
    rows.map(|own| row(own.session.name(), own) + "\n").collect()
}

/// What these rows mean, with the figures over all windows.
fn on_track(sessions: &Sessions) -> String {
    let (Some(track), Some(moods)) = (&sessions.track, &sessions.moods) else {
        return String::new();
    };
    let windows = |own: &Evaluation| own.windows.as_ref().map_or(0.0, |windows| windows.uar);
    format!(
        "- Track: all clips of a speaker one after another in random order, without a pause, from a cold start on, so that \
         windows hold the end of the clip before (UAR of all single windows {:.3}).\n- Moods: likewise, an emotion at a \
         time ({:.3}).\n",
        windows(track),
        windows(moods)
    )
}

fn windows(evaluation: &Evaluation) -> String {
    match &evaluation.windows {
        Some(windows) => format!(
            "- Single windows, wherever in a clip they end, are right in {:.1} % (UAR {:.3}, {} windows, warm).",
            100.0 * windows.accuracy,
            windows.uar,
            windows.clips
        ),
        None => String::new(),
    }
}

/// Figures of the corpora and of women and men.
fn groups(evaluation: &Evaluation) -> String {
    let mut text = "| warm | clips | UAR | accuracy |\n|---|---|---|---|\n".to_string();
    for (name, own) in evaluation.by_corpus.iter().chain(&evaluation.by_sex) {
        text += &format!("| {name} | {} | {:.3} | {:.3} |\n", own.clips, own.uar, own.accuracy);
    }
    text
}

/// Figures of the same clips as other recordings would have given them.
fn conditions(sessions: &Sessions) -> String {
    let (warm, cold) = (&sessions.warm, &sessions.cold);
    if warm.conditions.is_empty() {
        return String::new();
    }
    let mut text =
        "The same clips as other recordings would have given them, the whole session alike (`noise`: dB below \
         the speaker's mean power, louder than the quiet clips; `snr`: dB below each clip's own):\n\n\
         | condition | warm UAR (difference) | cold UAR (difference) |\n|---|---|---|\n"
            .to_string();
    for (own, other) in warm.conditions.iter().zip(&cold.conditions) {
        text += &format!(
            "| `{}` | {:.3} ({:+.3}) | {:.3} ({:+.3}) |\n",
            own.condition,
            own.uar,
            own.uar - warm.metrics.uar,
            other.uar,
            other.uar - cold.metrics.uar
        );
    }
    text
}

/// Figures on corpora that the model has never heard.
fn elsewhere(figures: &Figures) -> String {
    if figures.elsewhere.is_empty() {
        return String::new();
    }
    let mut text = format!("On corpora that it has never heard:\n\n{HEADER}\n");
    for (corpus, sessions) in &figures.elsewhere {
        let (clips, speakers) = (sessions.warm.metrics.clips, sessions.warm.speakers);
        text += &row(
            &format!("{corpus}, warm, {clips} clips of {speakers} speakers"),
            &sessions.warm,
        );
        text += "\n";
        text += &row(&format!("{corpus}, cold"), &sessions.cold);
        text += "\n";
    }
    text
}

/// Stated confidence beside the share that is right.
fn reliability(evaluation: &Evaluation) -> String {
    let mut text = "| largest probability (mean of a bin) | right | clips |\n|---|---|---|\n".to_string();
    for bin in &evaluation.reliability {
        text += &format!("| {:.2} | {:.2} | {} |\n", bin.confidence, bin.accuracy, bin.clips);
    }
    text
}

/// How often it errs when the least sure clips are left out.
fn risk(evaluation: &Evaluation) -> String {
    let points = evaluation.risk_coverage.iter();
    let fifths = points.filter(|[coverage, _]| (coverage * 5.0 - (coverage * 5.0).round()).abs() < 0.02);
    let rows: Vec<String> = fifths
        .map(|[coverage, risk]| {
            format!(
                "{:.0} % of the clips answered: {:.1} % wrong",
                100.0 * coverage,
                100.0 * risk
            )
        })
        .collect();
    format!("The surest first: {}.\n", rows.join("; "))
}

/// What it says of sounds that are no voice.
fn non_voice(evaluation: &Evaluation) -> String {
    if evaluation.non_voice.is_empty() {
        return String::new();
    }
    let kinds: Vec<String> = evaluation
        .non_voice
        .iter()
        .map(|(kind, confidence)| format!("{kind} {confidence:.2}"))
        .collect();
    format!(
        "Mean of the confidence that the plugin shows: {:.2} on these voices; on generated sounds that are no voice: {}.\n",
        evaluation.confidence,
        kinds.join(", ")
    )
}

/// The layers in words.
fn layers(network: &NetworkRecipe) -> String {
    let mut parts = Vec::new();
    match network.architecture {
        Architecture::CnnLstm => parts.push(format!(
            "one convolution of {} frames and {} filters with batch normalisation, ReLU and max-pool of {}",
            network.conv_kernel, network.conv_filters, network.pool
        )),
        Architecture::Crnn => {
            let blocks: Vec<_> = network
                .blocks
                .iter()
                .map(|block| {
                    let ([frame_step, band_step], [frames, bands]) = (block.stride, block.pool);
                    let residual = if block.residual { ", residual" } else { "" };
                    format!(
                        "{} ({1} × {1}, stride {frame_step} × {band_step}, pool {frames} × {bands}{residual})",
                        block.filters, block.kernel
                    )
                })
                .collect();
            parts.push(format!(
                "computed back to mel bands; convolutions over frames × bands with batch normalisation, max-pool and ReLU, \
                 filters {}",
                blocks.join(", ")
            ));
            if network.projection > 0 {
                parts.push(format!(
                    "a projection to {} with batch normalisation and ReLU",
                    network.projection
                ));
            }
        }
    }
    if network.lstm_layers > 0 {
        let kind = if network.bidirectional {
            "bidirectional LSTM"
        } else {
            "LSTM"
        };
        parts.push(format!(
            "{} {kind} layers of {}",
            network.lstm_layers, network.lstm_units
        ));
    }
    parts.push(
        match network.pooling {
            Pooling::Last => "the last state",
            Pooling::Mean => "the mean over time",
            Pooling::Attention => "the mean over time weighted by attention",
            Pooling::AttentionDeviation => "mean and deviation over time weighted by attention",
        }
        .into(),
    );
    if network.dense_units > 0 {
        parts.push(format!("a fully connected layer of {} with ReLU", network.dense_units));
    }
    parts.join("; ")
}

fn row(name: &str, evaluation: &Evaluation) -> String {
    let figures = &evaluation.metrics;
    let interval = match evaluation.intervals.get("uar") {
        Some([low, high]) => format!("{low:.3} to {high:.3}"),
        None => "–".into(),
    };
    format!(
        "| {name} | {:.3} | {interval} | {:.3} | {:.3} | {:.3} |",
        figures.uar, figures.accuracy, figures.macro_f1, figures.ece
    )
}

fn corpora(run: &RunRecord) -> impl Iterator<Item = &'static Corpus> {
    let own = run.corpora.iter().map(|record| record.name.as_str());
    let is_own = |name: &&String| run.corpora.iter().all(|record| record.name != **name);
    let before = run.origin.iter().flat_map(|origin| &origin.corpora);
    own.chain(before.filter(is_own).map(String::as_str))
        .filter_map(Corpus::named)
}

fn source(corpus: &Corpus) -> String {
    format!("{}. {}. {}", corpus.title, corpus.licence, corpus.attribution)
}

fn languages(run: &RunRecord) -> String {
    let mut languages: Vec<_> = corpora(run).map(|corpus| corpus.language).collect();
    languages.sort_unstable();
    languages.dedup();
    languages.join(" or ")
}

fn heard_singing(run: &RunRecord) -> bool {
    corpora(run).any(|corpus| corpus.content.contains("singing"))
}
