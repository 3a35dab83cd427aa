//! Measures an exported model the way the plugin runs it: each clip streamed from its start, the last voiced
//! window's probabilities.

use std::collections::BTreeMap;

use affekt_features::{FeatureError, Frame, Session, SessionTotals, WindowStream};
use affekt_models::automation::confidence;
use affekt_models::{Contract, EMOTIONS, Emotion, Input, Model, ModelError};
use rand::Rng;
use rand::seq::SliceRandom;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::clips::{ClipFrames, Unreadable, add_totals, no_totals, samples};
use crate::condition::Condition;
use crate::corpora::Sex;
use crate::metrics::{Bin, Metrics, most_probable, reliability};
use crate::non_voice::{self, KINDS};
use crate::recipe::Labels;
use crate::samples::{SessionKey, session_of};
use crate::seed::{Purpose, stream, text_key};
use crate::targets::label;

/// What a warm session has heard of the speaker's other clips at least, in seconds.
pub const WARM_SESSION_S: f64 = 30.0;

/// Draws of the bootstrap.
pub const BOOTSTRAP_DRAWS: u64 = 1_000;

/// Sounds that are no voice in an evaluation, of each kind.
const NON_VOICE_SOUNDS: usize = 16;

/// Other sounds than any training with the same seed hears.
const NON_VOICE_SEED: u64 = 0x6e6f_6973_6500_0000;

/// Points of the risk–coverage curve.
const COVERAGE_POINTS: usize = 20;

/// What the session has heard before each clip.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SessionState {
    /// At least [`WARM_SESSION_S`] of other clips of the speaker (all there are, if fewer).
    Warm,
    /// Nothing: the training prior alone.
    Cold,
    /// All clips of the speaker are played one after another in random order, without a pause, and nothing is reset: as
    /// on a track whose singer changes her mind with every phrase. Windows hold the end of the clip before.
    Track,
    /// Likewise, but all clips of an emotion before the next emotion.
    Moods,
}

impl SessionState {
    /// Its name: warm, cold, track or moods.
    pub fn name(self) -> &'static str {
        match self {
            Self::Warm => "warm",
            Self::Cold => "cold",
            Self::Track => "track",
            Self::Moods => "moods",
        }
    }
}

/// What a model said of one clip.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Heard {
    /// The clip's file name.
    pub file: String,
    /// Who speaks.
    pub speaker: String,
    /// From which corpus.
    pub corpus: String,
    /// What it counts as, by name.
    pub emotion: String,
    /// Calibrated probabilities in output order.
    pub probabilities: [f32; 6],
    /// Whether there was a voiced window.
    pub voiced: bool,
    /// Every voiced window, where they were asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<HeardWindow>,
}

/// What a model said of one window.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeardWindow {
    /// Its end, in seconds from the clip's start.
    pub end_s: f32,
    /// Calibrated probabilities in output order.
    pub probabilities: [f32; 6],
}

/// Figures of a model over clips.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Sessions before the clips.
    pub session: SessionState,
    /// What the clips count as: what was acted, or what most listeners heard.
    #[serde(default)]
    pub labels: Labels,
    /// Figures over all clips.
    #[serde(flatten)]
    pub metrics: Metrics,
    /// Number of speakers.
    pub speakers: usize,
    /// Clips in which no window was voiced; they count as the first window's result.
    pub without_voiced_window: usize,
    /// UAR of each corpus.
    pub uar_by_corpus: BTreeMap<String, f64>,
    /// 95 % intervals of `uar`, `accuracy`, `macro_f1` and `ece`, over draws of speakers with replacement; that of `ece`
    /// less the bias of the draws.
    #[serde(default)]
    pub intervals: BTreeMap<String, [f64; 2]>,
    /// What always naming the most frequent emotion of these clips gives.
    #[serde(default)]
    pub majority: Option<Summary>,
    /// Figures of each speaker.
    #[serde(default)]
    pub by_speaker: BTreeMap<String, Summary>,
    /// Figures of each corpus.
    #[serde(default)]
    pub by_corpus: BTreeMap<String, Summary>,
    /// Figures of each sex, where the corpora say it.
    #[serde(default)]
    pub by_sex: BTreeMap<String, Summary>,
    /// Mean of the confidence that the plugin shows, over all clips.
    #[serde(default)]
    pub confidence: f64,
    /// Figures over single windows of the clips, where they were asked for; `clips` counts windows.
    #[serde(default)]
    pub windows: Option<Summary>,
    /// Mean confidence over generated sounds of each kind that are no voice.
    #[serde(default)]
    pub non_voice: BTreeMap<String, f64>,
    /// Bins of equal width over the confidence, empty ones left out.
    #[serde(default)]
    pub reliability: Vec<Bin>,
    /// Share of the clips that are answered when the least sure are left out, and the share of these answers that is
    /// wrong.
    #[serde(default)]
    pub risk_coverage: Vec<[f64; 2]>,
    /// Mean risk over all coverages.
    #[serde(default)]
    pub mean_risk: f64,
    /// Figures of the same clips as other rooms, microphones and levels would have given them, where asked for.
    #[serde(default)]
    pub conditions: Vec<ConditionFigures>,
}

/// Few figures under a [`Condition`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConditionFigures {
    /// The condition, as it was asked for: `noise=10`.
    pub condition: String,
    /// Unweighted average recall over the emotions that occur.
    pub uar: f64,
    /// Share of the clips that are right.
    pub accuracy: f64,
    /// Expected calibration error.
    pub ece: f64,
}

impl ConditionFigures {
    /// Those of `metrics`.
    pub fn new(condition: Condition, metrics: &Metrics) -> Self {
        Self {
            condition: condition.to_string(),
            uar: metrics.uar,
            accuracy: metrics.accuracy,
            ece: metrics.ece,
        }
    }
}

/// Few figures over some of the clips.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Summary {
    /// Number of clips.
    pub clips: usize,
    /// Unweighted average recall over the emotions that occur.
    pub uar: f64,
    /// Share of the clips that are right.
    pub accuracy: f64,
}

/// Why a model cannot be evaluated.
#[derive(Debug, thiserror::Error)]
pub enum EvaluationError {
    /// The model fails.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The features cannot be computed.
    #[error(transparent)]
    Features(#[from] FeatureError),
    /// A clip cannot be read any more, by a model of raw audio.
    #[error(transparent)]
    Clip(#[from] Unreadable),
}

/// How a model is made to listen.
#[derive(Debug, Clone, Copy)]
pub struct Listening {
    /// What the session has heard before each clip.
    pub session: SessionState,
    /// What the clips count as; those it says nothing of are passed over.
    pub labels: Labels,
    /// Seed of the warm sessions, and of the order on a track.
    pub seed: u64,
    /// Whether to run the model on every voiced window in place of the last alone.
    pub windows: bool,
}

/// Runs the model over clips that were analysed under its own specification; `on_clip` is called after each.
/// `onnx` is the model's file.
pub fn listen(
    onnx: &[u8],
    clips: &[ClipFrames],
    how: Listening,
    on_clip: impl Fn() + Sync,
) -> Result<Vec<Heard>, EvaluationError> {
    let Listening {
        session, labels, seed, ..
    } = how;
    let contract = Model::from_bytes(onnx)?.contract().clone();
    let mut sessions: BTreeMap<SessionKey<'_>, Vec<usize>> = BTreeMap::new();
    for (place, clip) in clips.iter().enumerate() {
        sessions.entry(session_of(clip)).or_default().push(place);
    }
    if matches!(session, SessionState::Track | SessionState::Moods) {
        let tracks: Vec<Vec<usize>> = sessions.into_values().map(|own| on_track(clips, own, how)).collect();
        let heard: Result<Vec<Vec<Heard>>, EvaluationError> = tracks
            .into_par_iter()
            .map(|track| listen_to_track(onnx, clips, &track, how, &on_clip))
            .collect();
        return Ok(heard?.into_iter().flatten().collect());
    }
    let labelled = (0..clips.len()).filter_map(|place| Some((place, label(&clips[place].clip, labels)?)));
    let labelled: Vec<(usize, usize)> = labelled.collect();
    labelled
        .into_par_iter()
        .map_init(
            || Model::from_bytes(onnx),
            |model, (place, label)| {
                let model = model.as_mut().map_err(|error| error.clone())?;
                let clip = &clips[place];
                let before = match session {
                    SessionState::Warm => {
                        let own = &sessions[&session_of(clip)];
                        warm_session(clips, own, place, &contract, seed)
                    }
                    _ => no_totals(&contract.features),
                };
                let said = hear(model, &contract, clip, before, how.windows)?;
                on_clip();
                Ok(Heard::new(clip, label, said))
            },
        )
        .collect()
}

impl Heard {
    fn new(clip: &ClipFrames, label: usize, said: Said) -> Self {
        let file = clip.clip.path.file_name().unwrap_or_default();
        Self {
            file: file.to_string_lossy().into_owned(),
            speaker: clip.clip.speaker.clone(),
            corpus: clip.clip.corpus.into(),
            emotion: EMOTIONS[label].name().into(),
            probabilities: said.probabilities,
            voiced: said.voiced,
            windows: said.windows,
        }
    }
}

/// A speaker's clips in the order in which they are played.
fn on_track(clips: &[ClipFrames], mut own: Vec<usize>, how: Listening) -> Vec<usize> {
    let singer = text_key(&clips[own[0]].clip.speaker);
    let mut random = stream(how.seed, Purpose::Evaluation, singer, 1);
    own.shuffle(&mut random);
    if how.session == SessionState::Moods {
        let mut moods: Vec<usize> = (0..EMOTIONS.len()).collect();
        moods.shuffle(&mut random);
        let mood = |place: &usize| label(&clips[*place].clip, how.labels);
        own.sort_by_key(|place| mood(place).and_then(|mood| moods.iter().position(|own| *own == mood)));
    }
    own
}

/// Plays clips one after another to the model, which begins with nothing; what it said of those with a label.
fn listen_to_track(
    onnx: &[u8],
    clips: &[ClipFrames],
    track: &[usize],
    how: Listening,
    on_clip: &(impl Fn() + Sync),
) -> Result<Vec<Heard>, EvaluationError> {
    let mut model = Model::from_bytes(onnx)?;
    let contract = model.contract().clone();
    let mut stream = contract.windows(Session::new(&contract.features)?)?;
    let mut heard = Vec::new();
    for &place in track {
        let clip = &clips[place];
        let said = play(&mut model, &contract, &mut stream, clip, how.windows)?;
        if let Some(label) = label(&clip.clip, how.labels) {
            heard.push(Heard::new(clip, label, said));
            on_clip();
        }
    }
    Ok(heard)
}

/// Mean confidence of the model over sounds of each kind that are no voice, each in a session of its own. Empty for models
/// of raw audio, which hear files alone.
pub fn listen_to_non_voice(onnx: &[u8], seed: u64) -> Result<BTreeMap<String, f64>, EvaluationError> {
    let mut model = Model::from_bytes(onnx)?;
    let contract = model.contract().clone();
    if contract.input == Input::Waveform {
        return Ok(BTreeMap::new());
    }
    let sounds = non_voice::sounds(
        NON_VOICE_SOUNDS * KINDS.len(),
        &contract.features,
        seed ^ NON_VOICE_SEED,
    )?;
    let mut sums: BTreeMap<String, f64> = BTreeMap::new();
    for (place, sound) in sounds.iter().enumerate() {
        let before = no_totals(&contract.features);
        let said = hear(&mut model, &contract, sound, before, false)?;
        let kind = KINDS[place % KINDS.len()].name();
        *sums.entry(kind.into()).or_default() += f64::from(confidence(&said.probabilities)) / NON_VOICE_SOUNDS as f64;
    }
    Ok(sums)
}

impl Evaluation {
    /// All figures of what a model said. `seed` is that of the bootstrap.
    pub fn new(heard: &[Heard], session: SessionState, labels: Labels, seed: u64) -> Self {
        let all: Vec<Scored> = heard.iter().filter_map(scored).collect();
        let metrics = Metrics::new(&all);
        let by = |name: fn(&Heard) -> &str| {
            let mut groups: BTreeMap<String, Vec<Scored>> = BTreeMap::new();
            for heard in heard {
                groups.entry(name(heard).into()).or_default().extend(scored(heard));
            }
            groups
        };
        let by_speaker = by(|heard| &heard.speaker);
        let by_corpus = summaries(&by(|heard| &heard.corpus));
        let (risk_coverage, mean_risk) = risk_coverage(&all);
        Self {
            session,
            labels,
            speakers: by_speaker.len(),
            without_voiced_window: heard.iter().filter(|heard| !heard.voiced).count(),
            uar_by_corpus: by_corpus
                .iter()
                .map(|(corpus, summary)| (corpus.clone(), summary.uar))
                .collect(),
            intervals: intervals(&by_speaker, metrics.ece, seed),
            majority: majority(&metrics),
            by_speaker: summaries(&by_speaker),
            by_corpus,
            reliability: reliability(&all),
            risk_coverage,
            mean_risk,
            conditions: Vec::new(),
            metrics,
            by_sex: BTreeMap::new(),
            confidence: mean(
                all.iter()
                    .map(|(probabilities, _)| f64::from(confidence(probabilities))),
            ),
            windows: windows(heard),
            non_voice: BTreeMap::new(),
        }
    }

    /// Adds the figures of each sex; `sexes` by speaker.
    pub fn with_sexes(mut self, heard: &[Heard], sexes: &BTreeMap<String, Sex>) -> Self {
        let mut groups: BTreeMap<String, Vec<Scored>> = BTreeMap::new();
        for heard in heard {
            if let Some(sex) = sexes.get(&heard.speaker) {
                groups.entry(sex.name().into()).or_default().extend(scored(heard));
            }
        }
        self.by_sex = summaries(&groups);
        self
    }
}

type Scored = ([f32; 6], Emotion);

fn scored(heard: &Heard) -> Option<Scored> {
    Some((heard.probabilities, Emotion::from_name(&heard.emotion)?))
}

/// Figures over all windows that were run, each judged by its clip's emotion.
fn windows(heard: &[Heard]) -> Option<Summary> {
    let all: Vec<Scored> = heard
        .iter()
        .filter_map(|heard| Some((heard, Emotion::from_name(&heard.emotion)?)))
        .flat_map(|(heard, emotion)| heard.windows.iter().map(move |window| (window.probabilities, emotion)))
        .collect();
    (!all.is_empty()).then(|| summary(&all))
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len().max(1) as f64;
    values.sum::<f64>() / count
}

fn summary(own: &[Scored]) -> Summary {
    let metrics = Metrics::new(own);
    Summary {
        clips: metrics.clips,
        uar: metrics.uar,
        accuracy: metrics.accuracy,
    }
}

fn summaries(groups: &BTreeMap<String, Vec<Scored>>) -> BTreeMap<String, Summary> {
    groups.iter().map(|(name, own)| (name.clone(), summary(own))).collect()
}

fn majority(metrics: &Metrics) -> Option<Summary> {
    let counts: Vec<usize> = metrics.confusion.iter().map(|row| row.iter().sum()).collect();
    let (most, classes) = (*counts.iter().max()?, counts.iter().filter(|count| **count > 0).count());
    (classes > 0).then(|| Summary {
        clips: metrics.clips,
        uar: 1.0 / classes as f64,
        accuracy: most as f64 / metrics.clips as f64,
    })
}

/// Percentile bootstrap over speakers, whose clips belong together (Efron and Tibshirani, 1993).
///
/// A calibration error is a sum of magnitudes: chance alone makes it larger, in the figure, `ece`, and once more in each
/// draw from the same speakers. Its interval is shifted down by the bootstrap's estimate of that bias, the mean of the
/// draws less the figure (ibid., chapter 10), and ends at 0.
fn intervals(by_speaker: &BTreeMap<String, Vec<Scored>>, ece: f64, seed: u64) -> BTreeMap<String, [f64; 2]> {
    const LEVELS: [f64; 2] = [0.025, 0.975];
    let speakers: Vec<&Vec<Scored>> = by_speaker.values().collect();
    if speakers.len() < 2 {
        return BTreeMap::new();
    }
    let draws: Vec<Metrics> = (0..BOOTSTRAP_DRAWS)
        .into_par_iter()
        .map(|draw| {
            let mut random = stream(seed, Purpose::Bootstrap, draw, 0);
            let drawn = (0..speakers.len()).map(|_| speakers[random.random_range(0..speakers.len())]);
            Metrics::new(&drawn.flatten().copied().collect::<Vec<_>>())
        })
        .collect();
    let column = |figure: fn(&Metrics) -> f64| draws.iter().map(figure).collect::<Vec<f64>>();
    let ece_draws = column(|metrics| metrics.ece);
    let bias = mean(ece_draws.iter().copied()) - ece;
    let ece_draws = ece_draws.iter().map(|draw| (draw - bias).max(0.0)).collect();
    [
        ("uar", column(|metrics| metrics.uar)),
        ("accuracy", column(|metrics| metrics.accuracy)),
        ("macro_f1", column(|metrics| metrics.macro_f1)),
        ("ece", ece_draws),
    ]
    .into_iter()
    .map(|(name, mut values)| {
        values.sort_by(f64::total_cmp);
        let place = |level: f64| (level * (values.len() - 1) as f64).round() as usize;
        (name.to_string(), LEVELS.map(|level| values[place(level)]))
    })
    .collect()
}

/// The curve at equally spaced coverages, and its mean over all clips.
fn risk_coverage(scored: &[Scored]) -> (Vec<[f64; 2]>, f64) {
    let mut answers: Vec<(f32, bool)> = scored
        .iter()
        .map(|(probabilities, emotion)| {
            let best = most_probable(probabilities);
            (probabilities[best], best == emotion.index())
        })
        .collect();
    answers.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut wrong = 0;
    let risks: Vec<f64> = answers
        .iter()
        .enumerate()
        .map(|(place, (_, right))| {
            wrong += usize::from(!right);
            wrong as f64 / (place + 1) as f64
        })
        .collect();
    let clips = risks.len();
    let points = (1..=COVERAGE_POINTS)
        .map(|point| (clips * point).div_ceil(COVERAGE_POINTS))
        .filter(|count| *count > 0)
        .map(|count| [count as f64 / clips as f64, risks[count - 1]]);
    (points.collect(), risks.iter().sum::<f64>() / clips.max(1) as f64)
}

/// Other clips of the speaker, drawn once per clip, until they make up [`WARM_SESSION_S`].
fn warm_session(clips: &[ClipFrames], own: &[usize], clip: usize, contract: &Contract, seed: u64) -> SessionTotals {
    let name = clips[clip].clip.path.file_name().unwrap_or_default();
    let key = text_key(&name.to_string_lossy());
    let mut order: Vec<usize> = own.iter().copied().filter(|&other| other != clip).collect();
    order.shuffle(&mut stream(seed, Purpose::Evaluation, key, 0));
    let spec = &contract.features;
    let frame_s = spec.hop as f64 / f64::from(spec.sample_rate_hz);
    let mut totals = no_totals(spec);
    let mut heard_s = 0.0;
    for other in order {
        if heard_s >= WARM_SESSION_S {
            break;
        }
        add_totals(&mut totals, &clips[other].totals);
        heard_s += clips[other].frames() as f64 * frame_s;
    }
    totals
}

/// What a model said of one clip.
pub(crate) struct Said {
    /// Probabilities of the last voiced window.
    pub probabilities: [f32; 6],
    /// Whether there was one.
    pub voiced: bool,
    /// All voiced windows, where they were asked for.
    pub windows: Vec<HeardWindow>,
}

/// Streams one clip through the model, which runs on `every` voiced window, or once. For a model of
/// raw audio the clip is read again.
pub(crate) fn hear(
    model: &mut Model,
    contract: &Contract,
    clip: &ClipFrames,
    before: SessionTotals,
    every: bool,
) -> Result<Said, EvaluationError> {
    let session = Session::with_totals(&contract.features, before).expect("sums of finite bands of this specification");
    play(model, contract, &mut contract.windows(session)?, clip, every)
}

/// Streams one clip through the model after whatever the stream holds.
fn play(
    model: &mut Model,
    contract: &Contract,
    stream: &mut WindowStream,
    clip: &ClipFrames,
    every: bool,
) -> Result<Said, EvaluationError> {
    let spec = &contract.features;
    let samples = match contract.input {
        Input::Features => Vec::new(),
        Input::Waveform => samples(&clip.clip.path, spec)?,
    };
    let mut last: Option<(Vec<f32>, bool)> = None;
    let mut windows = Vec::new();
    for (index, &voiced) in clip.voiced.iter().enumerate() {
        let frame = Frame {
            index: index as u64,
            end_sample: 0,
            bands_db: clip.frame(index),
            samples: samples
                .get(index * spec.hop..(index + 1) * spec.hop)
                .unwrap_or_default(),
            level_db: 0.0,
            voiced,
        };
        if let Some(window) = stream.push(frame)
            && (window.voiced || last.is_none())
        {
            if every && window.voiced {
                windows.push(HeardWindow {
                    end_s: (index + 1) as f32 * spec.hop_s(),
                    probabilities: model.run(window.input)?.probabilities,
                });
            }
            last = Some((window.input.to_vec(), window.voiced));
        }
    }
    match last {
        Some((input, voiced)) => {
            let probabilities = match windows.last() {
                Some(window) => window.probabilities,
                None => model.run(&input)?.probabilities,
            };
            Ok(Said {
                probabilities,
                voiced,
                windows,
            })
        }
        // Too short for a window: the model has said nothing.
        None => Ok(Said {
            probabilities: [1.0 / EMOTIONS.len() as f32; 6],
            voiced: false,
            windows,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::corpora::Clip;

    fn heard(speaker: &str, emotion: Emotion, said: Emotion, confidence: f32) -> Heard {
        let mut probabilities = [(1.0 - confidence) / 5.0; 6];
        probabilities[said.index()] = confidence;
        Heard {
            file: "clip.wav".into(),
            speaker: speaker.into(),
            corpus: speaker.split('/').next().unwrap().into(),
            emotion: emotion.name().into(),
            probabilities,
            voiced: true,
            windows: Vec::new(),
        }
    }

    fn example() -> Evaluation {
        use Emotion::{Angry, Sad};
        let heard = [
            heard("a/1", Angry, Angry, 0.9),
            heard("a/1", Angry, Angry, 0.8),
            heard("a/1", Sad, Angry, 0.5),
            heard("a/2", Sad, Sad, 0.7),
            heard("b/1", Sad, Sad, 0.6),
            heard("b/1", Angry, Sad, 0.4),
        ];
        Evaluation::new(&heard, SessionState::Warm, Labels::Acted, 1)
    }

    #[test]
    fn groups_and_baseline_equal_those_counted_by_hand() {
        let evaluation = example();
        assert_eq!((evaluation.metrics.clips, evaluation.speakers), (6, 3));
        let first = &evaluation.by_speaker["a/1"];
        assert_eq!((first.clips, first.uar), (3, 0.5));
        assert!((first.accuracy - 2.0 / 3.0).abs() < 1e-12);
        assert_eq!(evaluation.by_corpus["b"].accuracy, 0.5);
        assert_eq!(evaluation.uar_by_corpus["a"], evaluation.by_corpus["a"].uar);
        let majority = evaluation.majority.as_ref().unwrap();
        assert_eq!((majority.uar, majority.accuracy), (0.5, 0.5));
    }

    #[test]
    fn the_surest_answers_carry_the_least_risk() {
        let evaluation = example();
        let curve = &evaluation.risk_coverage;
        assert_eq!(curve[0], [1.0 / 6.0, 0.0]);
        assert_eq!(curve.last(), Some(&[1.0, 2.0 / 6.0]));
        // Right, right, right, right, wrong, wrong, by confidence.
        let expected = (0.0 + 0.0 + 0.0 + 0.0 + 1.0 / 5.0 + 2.0 / 6.0) / 6.0;
        assert!((evaluation.mean_risk - expected).abs() < 1e-12);
    }

    #[test]
    fn intervals_hold_the_figure_and_repeat() {
        let evaluation = example();
        for (name, figure) in [
            ("uar", evaluation.metrics.uar),
            ("accuracy", evaluation.metrics.accuracy),
        ] {
            let [low, high] = evaluation.intervals[name];
            assert!(
                low <= figure && figure <= high && low < high,
                "{name}: {low} {figure} {high}"
            );
        }
        assert_eq!(evaluation, example());
        let json = serde_json::to_string(&evaluation).unwrap();
        assert_eq!(serde_json::from_str::<Evaluation>(&json).unwrap(), evaluation);
    }

    #[test]
    fn the_interval_of_the_calibration_error_does_not_count_its_bias_twice() {
        use Emotion::{Angry, Sad};
        // Each half as sure as it should be, together exactly: the error is 0. One draw in two holds one speaker alone,
        // with an error of a half, so that the mean of the draws is a quarter too large.
        let heard = [heard("a/1", Angry, Angry, 0.5), heard("a/2", Angry, Sad, 0.5)];
        let evaluation = Evaluation::new(&heard, SessionState::Warm, Labels::Acted, 1);
        assert_eq!(evaluation.metrics.ece, 0.0);
        let [low, high] = evaluation.intervals["ece"];
        assert_eq!(low, 0.0);
        assert!((0.2..0.3).contains(&high), "{high}");
    }

    #[test]
    fn on_a_track_each_clip_comes_once_and_moods_stay_together() {
        let clip = |place: usize| ClipFrames {
            clip: Clip {
                path: format!("{place}").into(),
                emotion: Some(EMOTIONS[place % 3]),
                speaker: "a/1".into(),
                corpus: "a",
                votes: None,
            },
            bands_db: Vec::new(),
            voiced: Vec::new(),
            totals: SessionTotals::default(),
            content: place as u64,
            clipped: 0.0,
            copy: 0,
        };
        let clips: Vec<ClipFrames> = (0..30).map(clip).collect();
        let order = |session, seed| {
            let how = Listening {
                session,
                labels: Labels::Acted,
                seed,
                windows: false,
            };
            on_track(&clips, (0..30).collect(), how)
        };
        for session in [SessionState::Track, SessionState::Moods] {
            let track = order(session, 1);
            assert_eq!(track, order(session, 1));
            assert_ne!(track, order(session, 2));
            let changes = track.windows(2).filter(|pair| pair[0] % 3 != pair[1] % 3).count();
            assert_eq!(changes == 2, session == SessionState::Moods, "{changes} changes");
            let mut places = track;
            places.sort_unstable();
            assert_eq!(places, (0..30).collect::<Vec<_>>());
        }
    }

    #[test]
    fn nothing_heard_gives_no_figures() {
        let evaluation = Evaluation::new(&[], SessionState::Cold, Labels::Acted, 1);
        assert!(evaluation.majority.is_none() && evaluation.risk_coverage.is_empty());
        assert_eq!((evaluation.metrics.clips, evaluation.mean_risk), (0, 0.0));
    }
}
