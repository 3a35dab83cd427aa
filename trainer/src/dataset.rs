//! What a network is trained on: the clips of two sides, and the front end fitted to the training side alone.

use affekt_features::{FeatureError, FeatureSpec};
use rayon::prelude::*;

use crate::cache::Cache;
use crate::clips::{ClipFrames, Dropped, add_totals, load, no_totals};
use crate::corpora::Clip;
use crate::distillation::{Teacher, TeacherError};
use crate::front_end::{Embeddings, FrontEndError, FrontEndFile};
use crate::network::CLASSES;
use crate::non_voice;
use crate::recipe::Recipe;
use crate::samples::{FrontEnd, Representation, Sampler};
use crate::scaler::{Moments, StandardScaler};
use crate::split::{Side, SpeakerSplit};
use crate::targets::{Targets, label, shares};

/// Different sounds that are no voice: more than anybody remembers, few enough to be made in a moment.
const NON_VOICE_SOUNDS: usize = 480;

/// Training and validation clips with their front end. Test speakers' clips are only compared with the others: a
/// recording that occurs under two speakers' names is nobody's.
#[derive(Debug)]
pub struct Dataset {
    /// Clips of training speakers, and after them the sounds that are no voice.
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
    /// Embeddings of all clips, behind a front end.
    pub embeddings: Option<Embeddings>,
    /// What the teacher said of the clips in `train`, in their order; empty without one.
    pub taught: Vec<Option<[f32; CLASSES]>>,
}

/// Why there is nothing to train on.
#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    /// The features cannot be computed.
    #[error(transparent)]
    Features(#[from] FeatureError),
    /// A speaker that the split does not know.
    #[error("speaker {0} was not there when the speakers were divided: give the same recordings, or start a new run")]
    Unknown(String),
    /// No clip is left.
    #[error("no usable clip is left to {0}: see the reasons above")]
    Nothing(&'static str),
}

impl Dataset {
    /// Loads the clips and fits the front end; `split` says who is on which side. `on_clip` is called after each clip.
    pub fn load(
        clips: Vec<Clip>,
        recipe: &Recipe,
        split: SpeakerSplit,
        seed: u64,
        on_clip: impl Fn() + Sync,
    ) -> Result<Self, DatasetError> {
        if let Some(clip) = clips.iter().find(|clip| split.side(&clip.speaker).is_none()) {
            return Err(DatasetError::Unknown(clip.speaker.clone()));
        }
        let mut spec = FeatureSpec::standard();
        let mut loaded = load(clips, &spec, on_clip)?;
        loaded
            .clips
            .retain(|clip| split.side(&clip.clip.speaker) != Some(Side::Test));
        let without = loaded.clips.extract_if(.., |clip| {
            !is_labelled(&clip.clip, split.side(&clip.clip.speaker), recipe)
        });
        let without = without.map(|clip| Dropped {
            path: clip.clip.path,
            reason: "listeners gave it no votes, or no emotion has the most".into(),
        });
        loaded.dropped.extend(without);
        let (mut train, validation): (Vec<_>, Vec<_>) = loaded
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
        let scaler = fit_scaler(&train, &spec, recipe, seed, None)?;
        if recipe.sampling.non_voice > 0.0 {
            train.extend(non_voice::sounds(NON_VOICE_SOUNDS, &spec, seed)?);
        }
        Ok(Self {
            train,
            validation,
            dropped: loaded.dropped,
            split,
            spec,
            scaler,
            embeddings: None,
            taught: Vec::new(),
        })
    }

    /// Puts a front end of other people before the network: embeds all clips and fits the scaler to the embeddings.
    pub fn embed(
        &mut self,
        front_end: &FrontEndFile,
        recipe: &Recipe,
        seed: u64,
        cache: &Cache,
        on_clip: impl Fn() + Sync,
    ) -> Result<(), FrontEndError> {
        let clips: Vec<&ClipFrames> = self.train.iter().chain(&self.validation).collect();
        let embeddings = front_end.embed(&clips, cache, on_clip)?;
        self.scaler = fit_scaler(&self.train, &self.spec, recipe, seed, Some(&embeddings))?;
        self.embeddings = Some(embeddings);
        Ok(())
    }

    /// Asks a teacher about the training clips.
    pub fn ask(&mut self, teacher: &Teacher, cache: &Cache, on_clip: impl Fn() + Sync) -> Result<(), TeacherError> {
        self.taught = teacher.ask(&self.train, cache, on_clip)?;
        Ok(())
    }

    /// What computes the network's inputs.
    pub fn front_end(&self, recipe: &Recipe) -> Result<FrontEnd<'_>, FeatureError> {
        let front_end = FrontEnd::new(&self.spec, Representation::of(&recipe.network))?;
        Ok(front_end.behind(self.embeddings.as_ref()))
    }

    /// What is learned of the training clips.
    pub fn targets(&self, recipe: &Recipe) -> Targets {
        let mut targets = Targets::new(&self.train, &recipe.training);
        if let Some(distillation) = &recipe.distillation {
            targets.blend(&self.taught, distillation);
        }
        targets
    }

    /// Number of clips of training speakers.
    pub fn training_voices(&self) -> usize {
        let is_voice = |clip: &&ClipFrames| clip.clip.emotion.is_some();
        self.train.iter().filter(is_voice).count()
    }

    /// Contents of all clips, sorted: what the network has heard.
    pub fn contents(&self) -> Vec<u64> {
        let all = self.train.iter().chain(&self.validation);
        let mut contents: Vec<_> = all.map(|clip| clip.content).collect();
        contents.sort_unstable();
        contents
    }
}

/// Whether the recipe's kind of label exists for the clip: to learn from, or to be judged by.
fn is_labelled(clip: &Clip, side: Option<Side>, recipe: &Recipe) -> bool {
    let training = &recipe.training;
    match side {
        Some(Side::Train) => shares(clip, training.labels, training.vote_share).is_some(),
        _ => label(clip, training.labels).is_some(),
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
    embeddings: Option<&Embeddings>,
) -> Result<StandardScaler, FeatureError> {
    let sampler = Sampler::new(clips, spec, recipe, seed);
    let front_end = FrontEnd::new(spec, Representation::of(&recipe.network))?.behind(embeddings);
    let parts: Vec<Moments> = sampler
        .epoch(0)
        .par_iter()
        .map(|sample| {
            let mut moments = Moments::new(front_end.width());
            moments.observe(&front_end.features(&clips[sample.clip], sample));
            moments
        })
        .collect();
    // Added in the order of the samples, so that the result does not depend on the threads.
    let mut all = Moments::new(front_end.width());
    for part in &parts {
        all.merge(part);
    }
    Ok(all.scaler())
}
