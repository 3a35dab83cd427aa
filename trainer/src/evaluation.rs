//! Measures an exported model the way the plugin runs it: each clip streamed from its start, the last voiced
//! window's probabilities.

use std::collections::{BTreeMap, BTreeSet};

use affekt_features::{FeatureError, Frame, Session, SessionTotals, WindowStream};
use affekt_models::{Contract, EMOTIONS, Emotion, Model, ModelError};
use rand::seq::SliceRandom;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::clips::{ClipFrames, add_totals, no_totals};
use crate::metrics::Metrics;
use crate::seed::{Purpose, stream, text_key};

/// What a warm session has heard of the speaker's other clips at least, in seconds.
pub const WARM_SESSION_S: f64 = 30.0;

/// What the session has heard before each clip.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SessionState {
    /// At least [`WARM_SESSION_S`] of other clips of the speaker (all there are, if fewer).
    Warm,
    /// Nothing: the training prior alone.
    Cold,
}

/// Figures of a model over clips.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Sessions before the clips.
    pub session: SessionState,
    /// Figures over all clips.
    #[serde(flatten)]
    pub metrics: Metrics,
    /// Number of speakers.
    pub speakers: usize,
    /// Clips in which no window was voiced; they count as the first window's result.
    pub without_voiced_window: usize,
    /// UAR of each corpus.
    pub uar_by_corpus: BTreeMap<String, f64>,
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
}

/// Runs the model over clips that were analysed under its own specification; `on_clip` is called after each.
/// `onnx` is the model's file.
pub fn evaluate(
    onnx: &[u8],
    clips: &[ClipFrames],
    session: SessionState,
    seed: u64,
    on_clip: impl Fn() + Sync,
) -> Result<Evaluation, EvaluationError> {
    let contract = Model::from_bytes(onnx)?.contract().clone();
    let mut by_speaker: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (place, clip) in clips.iter().enumerate() {
        by_speaker.entry(&clip.clip.speaker).or_default().push(place);
    }
    let results: Vec<([f32; 6], bool)> = (0..clips.len())
        .into_par_iter()
        .map_init(
            || Model::from_bytes(onnx),
            |model, place| {
                let model = model.as_mut().map_err(|error| error.clone())?;
                let before = match session {
                    SessionState::Cold => no_totals(&contract.features),
                    SessionState::Warm => {
                        let own = &by_speaker[clips[place].clip.speaker.as_str()];
                        warm_session(clips, own, place, &contract, seed)
                    }
                };
                let result = hear(model, &contract, &clips[place], before);
                on_clip();
                result
            },
        )
        .collect::<Result<_, EvaluationError>>()?;

    let scored: Vec<([f32; 6], Emotion)> = results
        .iter()
        .zip(clips)
        .map(|((probabilities, _), clip)| (*probabilities, clip.clip.emotion))
        .collect();
    let corpora: BTreeSet<&str> = clips.iter().map(|clip| clip.clip.corpus).collect();
    let uar_by_corpus = corpora
        .into_iter()
        .map(|corpus| {
            let own = scored.iter().zip(clips).filter(|(_, clip)| clip.clip.corpus == corpus);
            let own: Vec<_> = own.map(|(result, _)| *result).collect();
            (corpus.to_string(), Metrics::new(&own).uar)
        })
        .collect();
    Ok(Evaluation {
        session,
        metrics: Metrics::new(&scored),
        speakers: by_speaker.len(),
        without_voiced_window: results.iter().filter(|(_, voiced)| !voiced).count(),
        uar_by_corpus,
    })
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

/// Probabilities of the clip's last voiced window, and whether there was one. The model runs once.
fn hear(
    model: &mut Model,
    contract: &Contract,
    clip: &ClipFrames,
    before: SessionTotals,
) -> Result<([f32; 6], bool), EvaluationError> {
    let spec = &contract.features;
    let session = Session::with_totals(spec, before).expect("sums of finite bands of this specification");
    let mut windows = WindowStream::new(spec, contract.window_frames, contract.hop_frames, session)?;
    let mut last: Option<(Vec<f32>, bool)> = None;
    for (index, &voiced) in clip.voiced.iter().enumerate() {
        let frame = Frame {
            index: index as u64,
            end_sample: 0,
            bands_db: clip.frame(index),
            level_db: 0.0,
            voiced,
        };
        if let Some(window) = windows.push(frame)
            && (window.voiced || last.is_none())
        {
            last = Some((window.features.to_vec(), window.voiced));
        }
    }
    match last {
        Some((features, voiced)) => Ok((model.run(&features)?.probabilities, voiced)),
        // Too short for a window: the model has said nothing.
        None => Ok(([1.0 / EMOTIONS.len() as f32; 6], false)),
    }
}
