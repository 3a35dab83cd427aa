//! What a network is trained on: the clips of two sides, and the front end fitted to the training side alone.

use affekt_features::{FeatureError, FeatureSpec};
use rayon::prelude::*;

use crate::clips::{ClipFrames, Dropped, add_totals, load, no_totals};
use crate::corpora::Clip;
use crate::recipe::Recipe;
use crate::samples::{FrontEnd, Sampler};
use crate::scaler::{Moments, StandardScaler};
use crate::split::{Side, SpeakerSplit, SplitError};

/// Training and validation clips with their front end. Test speakers are not even decoded.
#[derive(Debug)]
pub struct Dataset {
    /// Clips of training speakers.
    pub train: Vec<ClipFrames>,
    /// Clips of validation speakers.
    pub validation: Vec<ClipFrames>,
    /// Clips that could not be used.
    pub dropped: Vec<Dropped>,
    /// Everybody's side.
    pub split: SpeakerSplit,
    /// Features with the prior of the training side.
    pub spec: FeatureSpec,
    /// Scaler of the training side.
    pub scaler: StandardScaler,
}

/// Why there is nothing to train on.
#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    /// The speakers cannot be divided.
    #[error(transparent)]
    Split(#[from] SplitError),
    /// The features cannot be computed.
    #[error(transparent)]
    Features(#[from] FeatureError),
    /// No clip is left.
    #[error("no usable clip is left to {0}: see the reasons above")]
    Nothing(&'static str),
}

impl Dataset {
    /// Divides the speakers, loads the clips and fits the front end; `on_clip` is called after each decoded clip.
    pub fn load(clips: Vec<Clip>, recipe: &Recipe, seed: u64, on_clip: impl Fn() + Sync) -> Result<Self, DatasetError> {
        let speakers = clips.iter().map(|clip| clip.speaker.as_str());
        let split = SpeakerSplit::draw(speakers, &recipe.split, seed)?;
        let used = clips
            .into_iter()
            .filter(|clip| split.side(&clip.speaker) != Some(Side::Test))
            .collect();
        let mut spec = FeatureSpec::standard();
        let loaded = load(used, &spec, on_clip)?;
        let (train, validation): (Vec<_>, Vec<_>) = loaded
            .clips
            .into_iter()
            .partition(|clip| split.side(&clip.clip.speaker) == Some(Side::Train));
        if train.is_empty() {
            return Err(DatasetError::Nothing("train on"));
        }
        if validation.is_empty() {
            return Err(DatasetError::Nothing("validate on"));
        }
        spec.session.prior_db = prior_db(&train, &spec);
        spec.validate()?;
        let scaler = fit_scaler(&train, &spec, recipe, seed)?;
        Ok(Self {
            train,
            validation,
            dropped: loaded.dropped,
            split,
            spec,
            scaler,
        })
    }

    /// Number of decoded clips there will be for these clips under the recipe's split.
    pub fn clips_to_decode(clips: &[Clip], recipe: &Recipe, seed: u64) -> Result<usize, SplitError> {
        let speakers = clips.iter().map(|clip| clip.speaker.as_str());
        let split = SpeakerSplit::draw(speakers, &recipe.split, seed)?;
        let used = clips
            .iter()
            .filter(|clip| split.side(&clip.speaker) != Some(Side::Test));
        Ok(used.count())
    }
}

/// Mean of each band over the voiced frames, in dB.
fn prior_db(clips: &[ClipFrames], spec: &FeatureSpec) -> Vec<f32> {
    let mut totals = no_totals(spec);
    for clip in clips {
        add_totals(&mut totals, &clip.totals);
    }
    let frames = totals.frames.max(1) as f64;
    totals.sum_db.iter().map(|sum| (sum / frames) as f32).collect()
}

/// The scaler of the windows that the first epoch draws.
fn fit_scaler(
    clips: &[ClipFrames],
    spec: &FeatureSpec,
    recipe: &Recipe,
    seed: u64,
) -> Result<StandardScaler, FeatureError> {
    let sampler = Sampler::new(clips, spec, &recipe.window, &recipe.sampling, seed);
    let front_end = FrontEnd::new(spec)?;
    let parts: Vec<Moments> = (0..clips.len())
        .into_par_iter()
        .map(|clip| {
            let mut moments = Moments::new(spec.coefficients);
            moments.observe(&front_end.features(&clips[clip], &sampler.training(clip, 0)));
            moments
        })
        .collect();
    // Added in the order of the clips, so that the result does not depend on the threads.
    let mut all = Moments::new(spec.coefficients);
    for part in &parts {
        all.merge(part);
    }
    Ok(all.scaler())
}
