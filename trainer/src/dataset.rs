//! What a network is trained on: the clips of two sides, and the front end fitted to the training side alone.

use std::time::Instant;

use affekt_features::{FeatureError, FeatureSpec};
use rayon::prelude::*;

use crate::cache::Cache;
use crate::clips::{ClipFrames, Dropped, add_totals, load, mean_db, no_totals};
use crate::copies::copies;
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
use crate::waveform::WaveformError;

/// Different sounds that are no voice: more than anybody remembers, few enough to be made in a moment.
const NON_VOICE_SOUNDS: usize = 480;

/// Training and validation clips with their front end. Test speakers' clips are only compared with the others: a
/// recording that occurs under two speakers' names is nobody's.
#[derive(Debug)]
pub struct Dataset {
    /// Clips of training speakers, after them their altered copies, and then the sounds that are no voice.
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
    /// How long the features and the altered copies took, in seconds.
    pub took: LoadTime,
    /// Embeddings of all clips, behind a front end.
    pub embeddings: Option<Embeddings>,
    /// What the teacher said of the clips in `train`, in their order; empty without one.
    pub taught: Vec<Option<[f32; CLASSES]>>,
}

/// How long a data set took to load, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct LoadTime {
    /// Decoding and analysing the recordings.
    pub features_s: f64,
    /// Making altered copies and analysing them.
    pub copies_s: f64,
}

/// Why there is nothing to train on.
#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    /// The features cannot be computed.
    #[error(transparent)]
    Features(#[from] FeatureError),
    /// No altered copies can be made.
    #[error(transparent)]
    Copies(#[from] WaveformError),
    /// A speaker that the split does not know.
    #[error("speaker {0} was not there when the speakers were divided: give the same recordings, or start a new run")]
    Unknown(String),
    /// No clip is left.
    #[error("no usable clip is left to {0}: see the reasons above")]
    Nothing(&'static str),
}

impl Dataset {
    /// Loads the clips and fits the front end; `split` says who is on which side. `on_clip` is called after each clip
    /// and each altered copy.
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
        let mut spec = recipe.features();
        let start = Instant::now();
        let mut loaded = load(clips, &spec, &on_clip)?;
        let features_s = start.elapsed().as_secs_f64();
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
        // Of recordings as they are: what a session is taken for before anything was heard.
        spec.session.prior_db = prior_db(&train, &spec);
        spec.validate()?;
        let start = Instant::now();
        let altered = copies(&train, &recipe.waveform, &spec, seed, on_clip)?;
        let copies_s = start.elapsed().as_secs_f64();
        train.extend(altered);
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
            took: LoadTime { features_s, copies_s },
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

    /// Clips of training speakers as they were recorded.
    pub fn training_voices(&self) -> impl Iterator<Item = &ClipFrames> {
        let is_original = |clip: &&ClipFrames| clip.clip.emotion.is_some() && clip.copy == 0;
        self.train.iter().filter(is_original)
    }

    /// Altered copies of them.
    pub fn copies(&self) -> impl Iterator<Item = &ClipFrames> {
        self.train.iter().filter(|clip| clip.copy > 0)
    }

    /// Contents of all clips, sorted: what the network has heard.
    pub fn contents(&self) -> Vec<u64> {
        let all = self.train.iter().filter(|clip| clip.copy == 0).chain(&self.validation);
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
    mean_db(&totals)
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
            moments.observe(&front_end.features(&sample.source(clips), sample));
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    use affekt_models::Emotion;

    use crate::recipe::DEFAULT_RECIPE;
    use crate::synthetic::{voice, write_wav};

    /// Six speakers with two clips each.
    fn clips(folder: &std::path::Path) -> Vec<Clip> {
        let clip = |place: usize| {
            let path = folder.join(format!("{place}.wav"));
            write_wav(&path, &voice(110.0 + 8.0 * place as f32, 3.0, 1.2, place as u64));
            Clip {
                path,
                emotion: Some([Emotion::Sad, Emotion::Angry][place % 2]),
                speaker: format!("test/{}", place / 2),
                corpus: "test",
                votes: None,
            }
        };
        (0..12).map(clip).collect()
    }

    fn recipe(table: &str) -> Recipe {
        let table = format!("{table}\n[split]");
        Recipe::from_toml(&DEFAULT_RECIPE.replace("[split]", &table)).unwrap()
    }

    fn dataset(clips: &[Clip], recipe: &Recipe, seed: u64) -> Dataset {
        let speakers = clips.iter().map(|clip| clip.speaker.as_str());
        let split = SpeakerSplit::fold(speakers, &recipe.split, 1, 1).unwrap();
        Dataset::load(clips.to_vec(), recipe, split, seed, || {}).unwrap()
    }

    const ALTERED: &str = "[waveform]
copies = 2
time_stretch = 0.5
pitch_shift = 0.7
room = 0.5
noise = 0.5
equaliser = 1.0
band_limit = 0.5
gain = 0.7";

    #[test]
    fn copies_stay_on_the_side_of_their_clips_and_carry_what_these_are() {
        let folder = tempfile::tempdir().unwrap();
        let clips = clips(folder.path());
        let data = dataset(&clips, &recipe(ALTERED), 1);
        let plain = dataset(&clips, &recipe(""), 1);
        assert_eq!(data.copies().count(), 2 * data.training_voices().count());
        assert!(data.validation.iter().all(|clip| clip.copy == 0) && plain.copies().count() == 0);

        let speakers = |clips: &mut dyn Iterator<Item = &ClipFrames>| -> BTreeSet<String> {
            clips.map(|clip| clip.clip.speaker.clone()).collect()
        };
        let heard = speakers(&mut data.copies());
        assert_eq!(heard, speakers(&mut data.training_voices()));
        assert!(
            heard
                .iter()
                .all(|speaker| data.split.side(speaker) == Some(Side::Train))
        );
        assert!(heard.is_disjoint(&speakers(&mut data.validation.iter())));
        for copy in data.copies() {
            let original = data
                .training_voices()
                .find(|clip| clip.content == copy.content)
                .unwrap();
            assert_eq!(original.clip, copy.clip);
            assert_ne!(original.bands_db, copy.bands_db);
        }
        // Nothing that is measured on, or remembered of the run, depends on the copies.
        assert_eq!(data.contents(), plain.contents());
        assert_eq!(data.spec, plain.spec);
        for (own, without) in data.validation.iter().zip(&plain.validation) {
            assert_eq!(own.bands_db, without.bands_db);
        }
    }

    #[test]
    fn copies_repeat_with_the_seed_and_differ_from_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let clips = clips(folder.path());
        let recipe = recipe(ALTERED);
        let bands = |seed: u64| -> Vec<Vec<f32>> {
            let data = dataset(&clips, &recipe, seed);
            data.copies().map(|copy| copy.bands_db.clone()).collect()
        };
        let first = bands(1);
        assert_eq!(first, bands(1));
        assert_ne!(first, bands(2));
        let (one, two) = first.split_at(first.len() / 2);
        assert!(one.iter().zip(two).all(|(one, two)| one != two));
    }

    #[test]
    fn epochs_stay_as_long_and_draw_from_originals_and_copies_of_one_session() {
        let folder = tempfile::tempdir().unwrap();
        let clips = clips(folder.path());
        let mut recipe = recipe(ALTERED);
        recipe.sampling.cold_share = 0.0;
        let data = dataset(&clips, &recipe, 1);
        let sampler = Sampler::new(&data.train, &data.spec, &recipe, 1);
        let mut taken = [0; 3];
        for epoch in 0..30 {
            let samples = sampler.epoch(epoch);
            assert_eq!(samples.len(), data.training_voices().count());
            for sample in &samples {
                let clip = &data.train[sample.clip];
                taken[clip.copy] += 1;
                // Each speaker has one other clip: that of the same copy is what the session has heard.
                let before = data.train.iter().find(|other| {
                    let same = other.clip.speaker == clip.clip.speaker && other.copy == clip.copy;
                    same && other.content != clip.content
                });
                let own = clip.voiced[..sample.end].iter().filter(|voiced| **voiced).count() as u64;
                assert_eq!(sample.session.frames - own, before.unwrap().totals.frames);
            }
        }
        let mean = taken.iter().sum::<usize>() / 3;
        assert!(taken.iter().all(|count| count.abs_diff(mean) < mean / 3), "{taken:?}");
    }
}
