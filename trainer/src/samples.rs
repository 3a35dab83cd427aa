//! From clips to network inputs: which frames, after which session.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, OnceLock};

use affekt_features::{Dct, FeatureError, FeatureSpec, MIN_WINDOW_FRAMES, Session, SessionTotals};
use affekt_models::Emotion;
use rand::Rng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand_distr::{Beta, Distribution};
use rayon::prelude::*;

use crate::augmentation::{AugmentationRecipe, Texture, Variation, Voicing};
use crate::clips::{ClipFrames, add_frame, add_totals, mean_db, no_totals};
use crate::front_end::Embeddings;
use crate::lead_in::{LeadIn, joined, with_lead_in};
use crate::network::CLASSES;
use crate::recipe::{Architecture, Balance, NetworkRecipe, Recipe, SamplingRecipe, WindowRecipe};
use crate::scaler::StandardScaler;
use crate::seed::{Purpose, stream};
use crate::targets::Targets;

/// One window of a clip, and what its session had heard by then.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Place of the clip.
    pub clip: usize,
    /// What was sung just before the clip, within the same window.
    pub lead_in: Option<LeadIn>,
    /// First frame of the window, in the lead-in and the clip together.
    pub start: usize,
    /// One past its last frame, likewise.
    pub end: usize,
    /// Everything the session has heard at the window's end, the clip included; varied as the clip.
    pub session: SessionTotals,
    /// How the clip is varied.
    pub variation: Option<Box<Variation>>,
}

impl Sample {
    /// The frames that the window is taken from.
    pub fn source<'a>(&self, clips: &'a [ClipFrames]) -> Cow<'a, ClipFrames> {
        with_lead_in(clips, self.clip, self.lead_in.as_ref())
    }

    /// Number of frames that the network gets.
    pub fn frames(&self) -> usize {
        let frames = self.end - self.start;
        match &self.variation {
            Some(variation) => ((frames as f64 / variation.pace) as usize).max(1),
            None => frames,
        }
    }
}

/// Draws samples from clips.
pub struct Sampler<'a> {
    clips: &'a [ClipFrames],
    spec: &'a FeatureSpec,
    window: &'a WindowRecipe,
    recipe: &'a SamplingRecipe,
    augmentation: &'a AugmentationRecipe,
    /// Places of the clips that are voices, without altered copies, and of the sounds that are none.
    voices: Vec<usize>,
    others: Vec<usize>,
    /// Places of the altered copies of each voice, by its place.
    copies: BTreeMap<usize, Vec<usize>>,
    sessions: BTreeMap<SessionKey<'a>, Speaker>,
    /// Made when the first variation is drawn.
    texture: OnceLock<Arc<Texture>>,
    voicing: Voicing,
    seed: u64,
}

/// Most clips of a session that noise and rooms are worked out for.
const SESSION_EXAMPLES: usize = 2;

/// Share of a clip after which windows with a lead-in end.
const EARLIEST_LEAD_IN_END: f64 = 0.2;

/// How often a lead-in is looked for among the clips of the same emotion: phrases of one mood follow each other.
const SAME_EMOTION: f64 = 0.5;

/// A speaker's clips in one corpus: speech and song of the same people are different recordings.
struct Speaker {
    clips: Vec<usize>,
    /// Mean of each band over all voiced frames, in dB.
    voice_db: Vec<f32>,
}

impl<'a> Sampler<'a> {
    /// For `clips`, which were analysed with `spec`; their places in it name them.
    pub fn new(clips: &'a [ClipFrames], spec: &'a FeatureSpec, recipe: &'a Recipe, seed: u64) -> Self {
        let (voices, others): (Vec<usize>, Vec<usize>) =
            (0..clips.len()).partition(|&place| clips[place].clip.emotion.is_some());
        let mut places: BTreeMap<SessionKey<'_>, Vec<usize>> = BTreeMap::new();
        for &place in &voices {
            places.entry(session_of(&clips[place])).or_default().push(place);
        }
        let (voices, altered): (Vec<usize>, Vec<usize>) = voices.iter().partition(|&&place| clips[place].copy == 0);
        let mut copies: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        if !altered.is_empty() {
            let originals: HashMap<u64, usize> = voices.iter().map(|&place| (clips[place].content, place)).collect();
            for place in altered {
                let original = originals.get(&clips[place].content);
                copies
                    .entry(*original.expect("copies come with their originals"))
                    .or_default()
                    .push(place);
            }
        }
        let speaker = |own: Vec<usize>| {
            let mut totals = no_totals(spec);
            own.iter()
                .for_each(|&clip| add_totals(&mut totals, &clips[clip].totals));
            Speaker {
                clips: own,
                voice_db: mean_db(&totals),
            }
        };
        Self {
            clips,
            spec,
            texture: OnceLock::new(),
            voicing: Voicing::new(spec),
            window: &recipe.window,
            recipe: &recipe.sampling,
            augmentation: &recipe.augmentation,
            voices,
            others,
            copies,
            sessions: places.into_iter().map(|(name, own)| (name, speaker(own))).collect(),
            seed,
        }
    }

    /// The samples of an epoch: the voices, as often as the recipe takes them, and the recipe's share of sounds that are none.
    pub fn epoch(&self, epoch: usize) -> Vec<Sample> {
        let mut order = self.clips_of_epoch(epoch);
        order.extend(self.others_of_epoch(epoch));
        let draw = |(place, &clip): (usize, &usize)| self.training(self.take(clip, epoch, place), epoch, place);
        order.par_iter().enumerate().map(draw).collect()
    }

    /// The clip or one of its altered copies, all equally likely.
    fn take(&self, clip: usize, epoch: usize, place: usize) -> usize {
        let Some(copies) = self.copies.get(&clip) else {
            return clip;
        };
        let mut random = stream(self.seed, Purpose::Take, epoch as u64, place as u64);
        match random.random_range(0..=copies.len()) {
            0 => clip,
            copy => copies[copy - 1],
        }
    }

    /// Places of the sounds that are no voice that an epoch takes.
    fn others_of_epoch(&self, epoch: usize) -> Vec<usize> {
        let mut random = stream(self.seed, Purpose::NonVoice, u64::MAX, epoch as u64);
        let count = match self.others.is_empty() {
            true => 0,
            false => (self.recipe.non_voice * self.voices.len() as f64).round() as usize,
        };
        (0..count)
            .map(|_| self.others[random.random_range(0..self.others.len())])
            .collect()
    }

    /// Places of the voices that an epoch takes.
    fn clips_of_epoch(&self, epoch: usize) -> Vec<usize> {
        let corpora = match self.recipe.balance {
            Balance::Clips => {
                let repeat = |place: &usize| self.recipe.repeat.get(self.clips[*place].clip.corpus).copied();
                let repeated = |place: &usize| std::iter::repeat_n(*place, repeat(place).unwrap_or(1));
                return self.voices.iter().flat_map(repeated).collect();
            }
            Balance::Emotions => false,
            Balance::EmotionsAndCorpora => true,
        };
        let mut groups: BTreeMap<(Option<usize>, &str), Vec<usize>> = BTreeMap::new();
        for &place in &self.voices {
            let clip = &self.clips[place];
            let corpus = if corpora { clip.clip.corpus } else { "" };
            groups
                .entry((clip.clip.emotion.map(Emotion::index), corpus))
                .or_default()
                .push(place);
        }
        let mut random = stream(self.seed, Purpose::Balance, epoch as u64, 0);
        let (count, all) = (groups.len(), self.voices.len());
        let mut taken = Vec::with_capacity(all);
        for (place, mut group) in groups.into_values().enumerate() {
            // Whole rounds through the group, so that no clip comes twice before every other came once.
            let mut wanted = all * (place + 1) / count - all * place / count;
            while wanted > 0 {
                group.shuffle(&mut random);
                let round = wanted.min(group.len());
                taken.extend(&group[..round]);
                wanted -= round;
            }
        }
        taken
    }

    /// A training sample of the clip: window, session and variation are drawn anew at each place of each epoch.
    fn training(&self, clip: usize, epoch: usize, place: usize) -> Sample {
        let mut random = stream(self.seed, Purpose::Sample, epoch as u64, place as u64);
        // What is no voice sounds on somebody's track.
        let singer = match self.clips[clip].clip.emotion {
            Some(_) => clip,
            None => self.voices[random.random_range(0..self.voices.len())],
        };
        let (before, heard) = self.draw_session(singer, &mut random);
        let frames = self.clips[clip].frames();
        let earliest = (frames as f64 * self.recipe.earliest_end).ceil() as usize;
        let end = random.random_range(earliest.clamp(MIN_WINDOW_FRAMES, frames)..=frames);
        let [shortest, most] = self
            .recipe
            .window_frames
            .map(|frames| if frames == 0 { self.window.frames } else { frames });
        let longest = match shortest < most {
            true => random.random_range(shortest..=most),
            false => most,
        };
        // From a stream of its own, too.
        let mut random = stream(self.seed, Purpose::LeadIn, epoch as u64, place as u64);
        let lead_in = self.draw_lead_in(clip, singer, &heard, &mut random);
        let (source, border, end, longest) = match lead_in {
            None => (Cow::Borrowed(&self.clips[clip]), 0, end, longest),
            Some(before) => {
                let border = self.clips[before].frames();
                let end = random.random_range((frames as f64 * EARLIEST_LEAD_IN_END).ceil() as usize..=frames);
                let source = joined(&self.clips[before], &self.clips[clip]);
                (Cow::Owned(source), border, border + end, self.window.frames)
            }
        };
        let with_lead_in = |mut sample: Sample| {
            sample.lead_in = lead_in.map(|before| {
                let (first, second) = (&self.clips[before], &self.clips[clip]);
                LeadIn::new(before, first, second, sample.start.min(border), sample.end)
            });
            sample
        };
        // From a stream of its own: what is varied changes no other draw.
        let mut random = stream(self.seed, Purpose::Variation, epoch as u64, place as u64);
        if *self.augmentation == AugmentationRecipe::default() || !random.random_bool(self.augmentation.share) {
            return with_lead_in(sample_of(&source, clip, end, before, longest));
        }
        let own = &self.clips[clip];
        let voice_db = &self.sessions[&session_of(&self.clips[singer])].voice_db;
        let mean = |bands: &[f32]| bands.iter().sum::<f32>() / bands.len() as f32;
        let own_level_db = match own.clip.emotion {
            Some(_) => mean(&mean_db(&own.totals)) - mean(voice_db),
            None => 0.0,
        };
        let variation = Variation::draw(
            self.augmentation,
            self.spec,
            voice_db,
            own_level_db,
            self.texture(),
            &mut random,
        );
        let examples = heard.choose_multiple(&mut random, SESSION_EXAMPLES);
        let examples: Vec<&ClipFrames> = examples.map(|&place| &self.clips[place]).collect();
        let mut session = variation.session(&before, &examples, &self.voicing);
        self.voicing.observe(&variation.bands_db(&source, end), &mut session);
        let longest = ((longest as f64 * variation.pace) as usize).max(1);
        with_lead_in(Sample {
            clip,
            lead_in: None,
            start: end.saturating_sub(longest),
            end,
            session,
            variation: Some(Box::new(variation)),
        })
    }

    /// The clip that was sung just before, if there is to be one: another one of the singer, that the session has not
    /// heard yet.
    fn draw_lead_in(&self, clip: usize, singer: usize, heard: &[usize], random: &mut impl Rng) -> Option<usize> {
        if self.recipe.lead_in == 0.0 || !random.random_bool(self.recipe.lead_in) {
            return None;
        }
        let own = &self.sessions[&session_of(&self.clips[singer])].clips;
        let is_other = |place: &usize| *place != clip && !heard.contains(place);
        let emotion = self.clips[clip].clip.emotion;
        let is_alike = random.random_bool(SAME_EMOTION);
        let alike = |place: &usize| is_alike && self.clips[*place].clip.emotion == emotion;
        let choose = |wanted: &dyn Fn(&usize) -> bool, random: &mut _| {
            let candidates: Vec<usize> = own.iter().copied().filter(|place| wanted(place)).collect();
            candidates.choose(random).copied()
        };
        choose(&|place| is_other(place) && alike(place), random).or_else(|| choose(&is_other, random))
    }

    fn texture(&self) -> &Arc<Texture> {
        self.texture.get_or_init(|| {
            let mut random = stream(self.seed, Purpose::Texture, 0, 0);
            Arc::new(Texture::new(self.spec, &mut random).expect("the clips were analysed with it"))
        })
    }

    /// A validation sample of the clip, the same in each epoch: the last voiced window that the plugin would
    /// take, after a session drawn as in training.
    pub fn validation(&self, clip: usize) -> Sample {
        let mut random = stream(self.seed, Purpose::Sample, u64::MAX, clip as u64);
        let (before, _) = self.draw_session(clip, &mut random);
        let end = last_voiced_end(&self.clips[clip].voiced, self.window.hop_frames);
        sample_of(&self.clips[clip], clip, end, before, self.window.frames)
    }

    /// What was heard before the clip: nothing, or up to `most_session_clips` other clips of its speaker. Their places
    /// too.
    fn draw_session(&self, clip: usize, random: &mut impl Rng) -> (SessionTotals, Vec<usize>) {
        let own = &self.sessions[&session_of(&self.clips[clip])].clips;
        let mut totals = no_totals(self.spec);
        let most = self.recipe.most_session_clips.min(own.len() - 1);
        if most == 0 || random.random_bool(self.recipe.cold_share) {
            return (totals, Vec::new());
        }
        let count = ((most as f64 + 1.0).powf(random.random())).floor() as usize;
        // One more than needed, so that the clip itself can be passed over.
        let drawn = own.choose_multiple(random, count + 1).filter(|&&other| other != clip);
        let heard: Vec<usize> = drawn.take(count).copied().collect();
        for &other in &heard {
            add_totals(&mut totals, &self.clips[other].totals);
        }
        (totals, heard)
    }
}

/// The window of at most `longest` frames that ends at `end` of `source`, which is the clip, and what was sung before it.
fn sample_of(source: &ClipFrames, clip: usize, end: usize, mut session: SessionTotals, longest: usize) -> Sample {
    for index in (0..end).filter(|&index| source.voiced[index]) {
        add_frame(&mut session, source.frame(index));
    }
    Sample {
        clip,
        lead_in: None,
        start: end.saturating_sub(longest),
        end,
        session,
        variation: None,
    }
}

/// What each session has heard when all of its clips have been played.
pub fn session_totals<'a>(clips: &[&'a ClipFrames], spec: &FeatureSpec) -> BTreeMap<SessionKey<'a>, SessionTotals> {
    let mut sessions = BTreeMap::new();
    for clip in clips {
        let totals = sessions.entry(session_of(clip)).or_insert_with(|| no_totals(spec));
        add_totals(totals, &clip.totals);
    }
    sessions
}

/// Names a session: corpus, speaker, number of the altered copy.
pub type SessionKey<'a> = (&'a str, &'a str, usize);

/// What a clip shares its session with: clips of its speaker from its corpus, altered alike.
pub fn session_of(clip: &ClipFrames) -> SessionKey<'_> {
    (clip.clip.corpus, &clip.clip.speaker, clip.copy)
}

/// End of the last voiced window that [`affekt_features::WindowStream`] would hand out: a multiple of `hop` frames,
/// at least half of the frames since the window before are voiced. The first window, if none is voiced.
pub fn last_voiced_end(voiced: &[bool], hop: usize) -> usize {
    let first = MIN_WINDOW_FRAMES.next_multiple_of(hop);
    let mut before = 0;
    let mut last = first.min(voiced.len());
    for end in (first..=voiced.len()).step_by(hop) {
        let new = &voiced[before..end];
        if 2 * new.iter().filter(|voiced| **voiced).count() >= new.len() {
            last = end;
        }
        before = end;
    }
    last
}

/// What a network takes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Representation {
    /// MFCCs, as the model file does.
    Mfcc,
    /// The mel bands that the MFCCs are computed from; the exported graph computes them back.
    Bands,
}

impl Representation {
    /// What a recipe's network takes in.
    pub fn of(recipe: &NetworkRecipe) -> Self {
        match recipe.architecture {
            Architecture::CnnLstm => Self::Mfcc,
            Architecture::Crnn => Self::Bands,
        }
    }
}

/// Computes network inputs.
pub struct FrontEnd<'a> {
    spec: &'a FeatureSpec,
    dct: Dct,
    representation: Representation,
    /// Embeddings of the clips in place of both.
    embeddings: Option<&'a Embeddings>,
}

impl<'a> FrontEnd<'a> {
    /// For a specification whose prior is known.
    ///
    /// # Panics
    /// If bands are wanted of a specification that has fewer coefficients.
    pub fn new(spec: &'a FeatureSpec, representation: Representation) -> Result<Self, FeatureError> {
        assert!(
            representation == Representation::Mfcc || spec.coefficients == spec.mel_bands,
            "bands can only be computed back from as many coefficients"
        );
        Ok(Self {
            spec,
            dct: Dct::new(spec)?,
            representation,
            embeddings: None,
        })
    }

    /// The same clips through a front end of other people.
    #[must_use]
    pub fn behind(mut self, embeddings: Option<&'a Embeddings>) -> Self {
        self.embeddings = embeddings;
        self
    }

    /// Values per frame.
    pub fn width(&self) -> usize {
        match (self.embeddings, self.representation) {
            (Some(embeddings), _) => embeddings.width(),
            (None, Representation::Mfcc) => self.spec.coefficients,
            (None, Representation::Bands) => self.spec.mel_bands,
        }
    }

    /// Fewest frames, or rows, of a batch.
    fn least_frames(&self) -> usize {
        self.embeddings.map_or(MIN_WINDOW_FRAMES, Embeddings::least_rows)
    }

    /// The sample's features after session normalisation, row-major `[frames, width]`, or its embeddings `[rows, width]`.
    pub fn features(&self, clip: &ClipFrames, sample: &Sample) -> Vec<f32> {
        if let Some(embeddings) = self.embeddings {
            return embeddings.rows(clip, sample.start, sample.end);
        }
        let session = Session::with_totals(self.spec, sample.session.clone())
            .expect("sums of finite bands of this specification");
        let bands = self.spec.mel_bands;
        let mut normalised = vec![0.0; (sample.end - sample.start) * bands];
        let normalise = |rows: &[f32], normalised: &mut [f32]| {
            for (row, out) in rows.chunks_exact(bands).zip(normalised.chunks_exact_mut(bands)) {
                session.normalise(row, out);
            }
        };
        match &sample.variation {
            None => normalise(
                &clip.bands_db[sample.start * bands..sample.end * bands],
                &mut normalised,
            ),
            Some(variation) => {
                let rows = variation.bands_db(clip, sample.end);
                normalise(&rows[sample.start * bands..], &mut normalised);
                let mut finished = vec![0.0; sample.frames() * bands];
                variation.finish(&normalised, bands, &mut finished);
                normalised = finished;
            }
        }
        self.represent(normalised)
    }

    fn represent(&self, normalised: Vec<f32>) -> Vec<f32> {
        if self.representation == Representation::Bands {
            return normalised;
        }
        let rows = normalised.chunks_exact(self.spec.mel_bands);
        let mut features = vec![0.0; rows.len() * self.spec.coefficients];
        for (row, out) in rows.zip(features.chunks_exact_mut(self.spec.coefficients)) {
            self.dct.transform(row, out);
        }
        features
    }

    /// One frame of silence: every band at the floor. `None` behind a front end, whose silence nobody knows.
    pub fn silence(&self) -> Option<Vec<f32>> {
        self.embeddings
            .is_none()
            .then(|| self.represent(vec![-self.spec.session.range_db; self.spec.mel_bands]))
    }
}

/// Several samples of similar length as one network input.
#[derive(Debug, Clone)]
pub struct Batch {
    /// Scaled features, `[frames, samples, width]`: time first.
    pub features: Vec<f32>,
    /// Number of frames, that of the longest sample but at least [`MIN_WINDOW_FRAMES`]; the others begin with silence. Of
    /// embeddings the number of rows; the others begin with their first row, again and again.
    pub frames: usize,
    /// What the network shall say of each sample: shares of the emotions.
    pub targets: Vec<[f32; CLASSES]>,
    /// How much each sample counts in the loss.
    pub weights: Vec<f32>,
}

impl Batch {
    /// Puts samples together; computed on all threads.
    pub fn new(
        front_end: &FrontEnd<'_>,
        scaler: &StandardScaler,
        clips: &[ClipFrames],
        targets: &Targets,
        samples: &[Sample],
    ) -> Self {
        let width = front_end.width();
        let mut silence = front_end.silence();
        if let Some(silence) = &mut silence {
            scaler.apply(silence);
        }
        let rows: Vec<Vec<f32>> = samples
            .par_iter()
            .map(|sample| {
                let mut features = front_end.features(&sample.source(clips), sample);
                scaler.apply(&mut features);
                features
            })
            .collect();
        let longest = rows.iter().map(|own| own.len() / width).max().unwrap_or(0);
        let frames = longest.max(front_end.least_frames());
        let mut features = vec![0.0; frames * samples.len() * width];
        for (time, step) in features.chunks_exact_mut(samples.len() * width).enumerate() {
            for (own, row) in rows.iter().zip(step.chunks_exact_mut(width)) {
                let padding = frames - own.len() / width;
                row.copy_from_slice(match time.checked_sub(padding) {
                    Some(frame) => &own[frame * width..(frame + 1) * width],
                    None => silence.as_deref().unwrap_or(&own[..width]),
                });
            }
        }
        Self {
            features,
            frames,
            targets: samples.iter().map(|sample| targets.of(sample).0).collect(),
            weights: samples.iter().map(|sample| targets.of(sample).1).collect(),
        }
    }

    /// Mixes each sample with another one of the batch, features, targets and weights alike; its own share is drawn
    /// from Beta(`alpha`, `alpha`) and at least a half (Zhang, Cissé, Dauphin and Lopez-Paz, 2018).
    pub fn mix(&mut self, alpha: f64, random: &mut impl Rng) {
        let samples = self.targets.len();
        let Ok(beta) = Beta::new(alpha, alpha) else {
            return;
        };
        let mut partners: Vec<usize> = (0..samples).collect();
        partners.shuffle(random);
        let shares: Vec<f32> = (0..samples)
            .map(|_| {
                let share: f64 = beta.sample(random);
                share.max(1.0 - share) as f32
            })
            .collect();
        let width = self.features.len() / (self.frames * samples);
        let mut before = vec![0.0; samples * width];
        for step in self.features.chunks_exact_mut(samples * width) {
            before.copy_from_slice(step);
            for (place, row) in step.chunks_exact_mut(width).enumerate() {
                let other = &before[partners[place] * width..][..width];
                for (value, other) in row.iter_mut().zip(other) {
                    *value = shares[place] * *value + (1.0 - shares[place]) * other;
                }
            }
        }
        let (targets, weights) = (self.targets.clone(), self.weights.clone());
        for (place, (&partner, &share)) in partners.iter().zip(&shares).enumerate() {
            self.weights[place] = share * weights[place] + (1.0 - share) * weights[partner];
            self.targets[place] =
                std::array::from_fn(|class| share * targets[place][class] + (1.0 - share) * targets[partner][class]);
        }
    }
}

/// Batches whose samples are sorted together at once: enough that neighbours are nearly of one length, few enough
/// that the order of an epoch stays random.
const SORTED_BATCHES: usize = 24;

/// Divides an epoch's samples into batches of similar length, in random order.
pub fn batches(mut samples: Vec<Sample>, batch: usize, seed: u64, epoch: usize) -> Vec<Vec<Sample>> {
    let mut random = stream(seed, Purpose::Order, epoch as u64, 0);
    samples.shuffle(&mut random);
    let mut batches = Vec::with_capacity(samples.len().div_ceil(batch));
    for group in samples.chunks_mut(batch * SORTED_BATCHES) {
        group.sort_by_key(Sample::frames);
        batches.extend(group.chunks(batch).map(<[Sample]>::to_vec));
    }
    batches.shuffle(&mut random);
    batches
}

#[cfg(test)]
mod tests {
    use super::*;
    use affekt_features::{Extractor, Frame, WindowStream};
    use affekt_models::Emotion;

    use crate::clips::frames;
    use crate::corpora::Clip;
    use crate::scaler::Moments;
    use crate::synthetic;

    const WINDOW: WindowRecipe = WindowRecipe {
        frames: 120,
        hop_frames: 10,
        range_db: 35.0,
    };

    fn recipe() -> Recipe {
        let recipe = Recipe::from_toml(crate::recipe::DEFAULT_RECIPE).unwrap();
        Recipe {
            window: WINDOW,
            sampling: SamplingRecipe {
                earliest_end: 0.6,
                cold_share: 0.5,
                most_session_clips: 3,
                ..recipe.sampling
            },
            ..recipe
        }
    }

    fn varied() -> Recipe {
        Recipe {
            augmentation: AugmentationRecipe {
                time_warp: 0.2,
                frequency_warp: 0.1,
                curve_db: 3.0,
                noise: 0.5,
                time_masks: 1,
                ..AugmentationRecipe::default()
            },
            ..recipe()
        }
    }

    /// Six clips of two speakers, of different lengths.
    fn clips(spec: &FeatureSpec) -> Vec<ClipFrames> {
        let mut extractor = Extractor::new(spec, 16_000.0).unwrap();
        (0..6)
            .map(|place| {
                let recording = synthetic::voice(120.0 + 15.0 * place as f32, 4.0, 0.9 + 0.2 * place as f32, place);
                extractor.reset();
                let (bands_db, voiced, totals) = frames(&mut extractor, spec, &recording);
                let clip = Clip {
                    path: format!("{place}").into(),
                    emotion: Some(Emotion::Sad),
                    speaker: format!("test/{}", place % 2),
                    corpus: "test",
                    votes: None,
                };
                ClipFrames {
                    clip,
                    bands_db,
                    voiced,
                    totals,
                    content: 0,
                    clipped: 0.0,
                    copy: 0,
                }
            })
            .collect()
    }

    fn sampler<'a>(clips: &'a [ClipFrames], spec: &'a FeatureSpec, recipe: &'a Recipe) -> Sampler<'a> {
        Sampler::new(clips, spec, recipe, 9)
    }

    #[test]
    fn a_sample_is_the_window_that_the_plugin_computes() {
        let spec = FeatureSpec::standard();
        let clips = clips(&spec);
        let recipe = recipe();
        let front_end = FrontEnd::new(&spec, Representation::Mfcc).unwrap();
        for (place, clip) in clips.iter().enumerate() {
            let sample = sampler(&clips, &spec, &recipe).validation(place);
            // What the session had heard before the clip began.
            let mut before = sample.session.clone();
            for index in (0..sample.end).filter(|&index| clip.voiced[index]) {
                before.frames -= 1;
                for (sum, band) in before.sum_db.iter_mut().zip(clip.frame(index)) {
                    *sum -= f64::from(*band);
                }
            }
            if before.frames == 0 {
                before = no_totals(&spec);
            }
            let session = Session::with_totals(&spec, before).unwrap();
            let mut windows = WindowStream::new(&spec, WINDOW.frames, WINDOW.hop_frames, session).unwrap();
            let mut last = None;
            for (index, &voiced) in clip.voiced.iter().enumerate() {
                let frame = Frame {
                    index: index as u64,
                    end_sample: 0,
                    bands_db: clip.frame(index),
                    samples: &[],
                    level_db: 0.0,
                    voiced,
                };
                if let Some(window) = windows.push(frame)
                    && window.voiced
                {
                    last = Some((index + 1, window.input.to_vec()));
                }
            }
            let (end, expected) = last.expect("the synthetic voice is voiced");
            let features = front_end.features(clip, &sample);
            assert_eq!((sample.end, features.len()), (end, expected.len()));
            for (own, expected) in features.iter().zip(&expected) {
                assert!((own - expected).abs() < 1e-3, "{own} is not {expected}");
            }
        }
    }

    #[test]
    fn training_samples_vary_within_their_bounds_and_repeat_with_the_seed() {
        let spec = FeatureSpec::standard();
        let clips = clips(&spec);
        let recipe = recipe();
        let sampler = sampler(&clips, &spec, &recipe);
        let (mut ends, mut cold, mut warm) = (Vec::new(), 0, 0);
        for epoch in 0..200 {
            let sample = sampler.training(4, epoch, 4);
            assert_eq!(sample, sampler.training(4, epoch, 4));
            let frames = clips[4].frames();
            assert!((frames * 6 / 10..=frames).contains(&sample.end) && sample.frames() <= WINDOW.frames);
            let own = clips[4].voiced[..sample.end].iter().filter(|voiced| **voiced).count() as u64;
            // Speaker 0 has two other clips.
            match sample.session.frames - own {
                0 => cold += 1,
                others => {
                    assert!(others <= clips[0].totals.frames + clips[2].totals.frames);
                    warm += 1;
                }
            }
            ends.push(sample.end);
        }
        ends.sort_unstable();
        ends.dedup();
        assert!(
            ends.len() > 20 && cold > 60 && warm > 60,
            "{} {cold} {warm}",
            ends.len()
        );
    }

    #[test]
    fn short_samples_begin_with_silence() {
        let spec = FeatureSpec::standard();
        let clips = clips(&spec);
        let recipe = recipe();
        let front_end = FrontEnd::new(&spec, Representation::Mfcc).unwrap();
        let mut moments = Moments::new(spec.coefficients);
        moments.observe(&front_end.features(&clips[0], &sampler(&clips, &spec, &recipe).training(0, 0, 0)));
        let scaler = moments.scaler();
        let sample = |end| Sample {
            clip: 0,
            lead_in: None,
            start: 0,
            end,
            session: clips[0].totals.clone(),
            variation: None,
        };
        let targets = Targets::new(&clips, &recipe.training);
        let batch = Batch::new(&front_end, &scaler, &clips, &targets, &[sample(50), sample(53)]);
        assert_eq!(batch.frames, 53);
        assert_eq!(batch.targets, [[0.0, 0.0, 0.0, 0.0, 0.0, 1.0]; 2]);
        let row = |time: usize, place: usize| {
            let start = (time * 2 + place) * spec.coefficients;
            &batch.features[start..start + spec.coefficients]
        };
        let mut silence = front_end.silence().unwrap();
        scaler.apply(&mut silence);
        for time in 0..3 {
            assert_eq!(row(time, 0), silence);
        }
        let mut alone = front_end.features(&clips[0], &sample(50));
        scaler.apply(&mut alone);
        assert_eq!(row(3, 0), &alone[..spec.coefficients]);
        // Both end with the same frame of the clip only if they end at the same place.
        assert_eq!(row(52, 0), &alone[49 * spec.coefficients..]);
        assert_ne!(row(52, 0), row(52, 1));
    }

    #[test]
    fn a_session_stays_within_one_corpus() {
        let spec = FeatureSpec::standard();
        let mut clips = clips(&spec);
        // Speaker 0 has clips 0, 2 and 4; the last two are songs now.
        clips[2].clip.corpus = "songs";
        clips[4].clip.corpus = "songs";
        let mut recipe = recipe();
        recipe.sampling.cold_share = 0.0;
        let sampler = sampler(&clips, &spec, &recipe);
        for epoch in 0..20 {
            let sample = sampler.training(2, epoch, 2);
            let own = clips[2].voiced[..sample.end].iter().filter(|voiced| **voiced).count() as u64;
            assert_eq!(sample.session.frames - own, clips[4].totals.frames);
            let alone = sampler.training(0, epoch, 0);
            let own = clips[0].voiced[..alone.end].iter().filter(|voiced| **voiced).count() as u64;
            assert_eq!(alone.session.frames, own);
        }
    }

    #[test]
    fn varied_samples_differ_stay_finite_and_repeat_with_the_seed() {
        let spec = FeatureSpec::standard();
        let clips = clips(&spec);
        let recipe = varied();
        let sampler = sampler(&clips, &spec, &recipe);
        let front_end = FrontEnd::new(&spec, Representation::Bands).unwrap();
        let mut lengths = Vec::new();
        for epoch in 0..20 {
            let samples = sampler.epoch(epoch);
            assert_eq!(samples, sampler.epoch(epoch));
            for sample in &samples {
                assert!(sample.frames() <= WINDOW.frames && sample.variation.is_some());
                let features = front_end.features(&clips[sample.clip], sample);
                assert_eq!(features.len(), sample.frames() * spec.mel_bands);
                let range = spec.session.range_db;
                assert!(features.iter().all(|value| value.is_finite() && *value >= -range));
            }
            lengths.push(samples[5].frames());
        }
        lengths.dedup();
        assert!(lengths.len() > 5, "{lengths:?}");
        // Draws of the variation change no other draw.
        let plain_recipe = self::recipe();
        let plain = self::sampler(&clips, &spec, &plain_recipe).epoch(3);
        let ends = |samples: &[Sample]| samples.iter().map(|sample| sample.end).collect::<Vec<_>>();
        assert_eq!(ends(&plain), ends(&sampler.epoch(3)));
    }

    #[test]
    fn a_balanced_epoch_holds_each_emotion_equally_often() {
        let spec = FeatureSpec::standard();
        let mut clips = clips(&spec);
        clips[5].clip.emotion = Some(Emotion::Angry);
        let mut recipe = recipe();
        recipe.sampling.balance = Balance::Emotions;
        let sampler = sampler(&clips, &spec, &recipe);
        let mut sad = Vec::new();
        for epoch in 0..10 {
            let taken = sampler.clips_of_epoch(epoch);
            assert_eq!((taken.len(), taken.iter().filter(|&&clip| clip == 5).count()), (6, 3));
            let mut others: Vec<_> = taken.into_iter().filter(|&clip| clip != 5).collect();
            others.sort_unstable();
            others.dedup();
            assert_eq!(others.len(), 3, "no clip comes twice while others wait");
            sad.extend(others);
        }
        sad.sort_unstable();
        sad.dedup();
        assert_eq!(sad, [0, 1, 2, 3, 4]);
        // Samples of one clip in one epoch differ.
        let samples = sampler.epoch(0);
        let own: Vec<_> = samples.iter().filter(|sample| sample.clip == 5).collect();
        assert!(own[0].end != own[1].end || own[0].session != own[1].session);
    }

    #[test]
    fn a_window_with_a_lead_in_holds_what_was_sung_before() {
        let spec = FeatureSpec::standard();
        let mut clips = clips(&spec);
        // Speaker 0 has clips 0, 2 and 4.
        clips[2].clip.emotion = Some(Emotion::Angry);
        let mut recipe = recipe();
        recipe.sampling.lead_in = 1.0;
        recipe.sampling.cold_share = 1.0;
        let front_end = FrontEnd::new(&spec, Representation::Bands).unwrap();
        let targets = Targets::new(&clips, &recipe.training);
        let (mut alike, mut blended) = (0, 0);
        let led = sampler(&clips, &spec, &recipe);
        for epoch in 0..100 {
            let sample = led.training(4, epoch, 4);
            assert_eq!(sample, led.training(4, epoch, 4));
            let lead_in = sample.lead_in.expect("the speaker has other clips");
            assert!(lead_in.clip == 0 || lead_in.clip == 2);
            alike += usize::from(lead_in.clip == 0);
            let border = clips[lead_in.clip].frames();
            assert!(sample.end > border && sample.end - sample.start == WINDOW.frames);
            let source = sample.source(&clips);
            let heard = source.voiced[..sample.end].iter().filter(|voiced| **voiced).count();
            assert_eq!(sample.session.frames, heard as u64);
            // It ends as the window of a stream does in which one clip follows the other.
            let session = Session::with_totals(&spec, sample.session.clone()).unwrap();
            let mut row = vec![0.0; spec.mel_bands];
            session.normalise(clips[4].frame(sample.end - border - 1), &mut row);
            let features = front_end.features(&source, &sample);
            assert_eq!(features[features.len() - spec.mel_bands..], row);
            let (shares, _) = targets.of(&sample);
            assert!((shares.iter().sum::<f32>() - 1.0).abs() < 1e-5);
            let angry = |shares: &[f32; CLASSES]| shares[Emotion::Angry.index()];
            let (own, before) = (angry(&targets.shares[4]), angry(&targets.shares[lead_in.clip]));
            assert!((angry(&shares) - own - lead_in.share * (before - own)).abs() < 1e-5);
            blended += usize::from(lead_in.clip == 2 && lead_in.share > 0.1);
        }
        assert!((60..95).contains(&alike) && blended > 5, "{alike} {blended}");
        // Recipes without draw as they did before there were any.
        let plain = self::recipe();
        let samples = sampler(&clips, &spec, &plain).epoch(1);
        assert!(samples.iter().all(|sample| sample.lead_in.is_none()));
    }

    #[test]
    fn a_repeated_corpus_comes_more_often() {
        let spec = FeatureSpec::standard();
        let mut clips = clips(&spec);
        clips[2].clip.corpus = "other";
        let mut recipe = recipe();
        recipe.sampling.repeat.insert("other".into(), 3);
        let samples = sampler(&clips, &spec, &recipe).epoch(0);
        let own: Vec<&Sample> = samples.iter().filter(|sample| sample.clip == 2).collect();
        assert_eq!((samples.len(), own.len()), (8, 3));
        assert!(
            own[0].end != own[1].end || own[1].end != own[2].end,
            "drawn anew each time"
        );
    }

    #[test]
    fn sounds_that_are_no_voice_come_beside_the_voices_and_say_nothing() {
        let spec = FeatureSpec::standard();
        let mut clips = clips(&spec);
        clips.extend(crate::non_voice::sounds(8, &spec, 1).unwrap());
        let mut recipe = varied();
        recipe.sampling.non_voice = 0.5;
        recipe.sampling.cold_share = 0.0;
        let sampler = sampler(&clips, &spec, &recipe);
        let samples = sampler.epoch(2);
        assert_eq!(samples, sampler.epoch(2));
        let (voices, others): (Vec<&Sample>, Vec<&Sample>) = samples.iter().partition(|sample| sample.clip < 6);
        assert_eq!((voices.len(), others.len()), (6, 3));
        let targets = Targets::new(&clips, &recipe.training);
        for sample in others {
            assert_eq!(targets.shares[sample.clip], [1.0 / 6.0; 6]);
            assert!(sample.session.frames > 0, "somebody sang before");
        }
    }

    #[test]
    fn a_mixed_batch_stays_between_its_samples() {
        let mut batch = Batch {
            features: (0..50 * 4).map(|place| (place % 4) as f32).collect(),
            frames: 50,
            targets: (0..4)
                .map(|place| std::array::from_fn(|class| f32::from(class == place)))
                .collect(),
            weights: vec![1.0; 4],
        };
        batch.mix(0.4, &mut stream(1, Purpose::Mixup, 0, 0));
        for (place, target) in batch.targets.iter().enumerate() {
            assert!((target.iter().sum::<f32>() - 1.0).abs() < 1e-6 && target[place] >= 0.5);
            let expected: f32 = target
                .iter()
                .enumerate()
                .map(|(class, share)| class as f32 * share)
                .sum();
            assert!(
                (batch.features[place] - expected).abs() < 1e-5
                    && (batch.features[196 + place] - expected).abs() < 1e-5
            );
        }
        assert!(
            batch
                .targets
                .iter()
                .any(|target| target.iter().all(|share| *share < 0.999))
        );
    }

    #[test]
    fn batches_hold_every_sample_once_and_neighbours_in_length() {
        let sample = |clip: usize| Sample {
            clip,
            lead_in: None,
            start: 0,
            end: 50 + (clip * 37) % 250,
            session: SessionTotals::default(),
            variation: None,
        };
        let samples: Vec<_> = (0..500).map(sample).collect();
        let drawn = batches(samples.clone(), 16, 1, 0);
        let mut seen: Vec<_> = drawn.iter().flatten().map(|sample| sample.clip).collect();
        seen.sort_unstable();
        assert_eq!(seen, (0..500).collect::<Vec<_>>());
        let padding: usize = drawn
            .iter()
            .map(|batch| {
                let longest = batch.iter().map(Sample::frames).max().unwrap();
                batch.iter().map(|sample| longest - sample.frames()).sum::<usize>()
            })
            .sum();
        assert!(padding / 500 < 15, "{padding} frames of padding");
        assert_ne!(drawn, batches(samples, 16, 1, 1), "each epoch has its own order");
    }

    #[test]
    fn the_last_voiced_window_is_found() {
        let mut voiced = vec![false; 200];
        voiced[30..120].fill(true);
        // Windows end at 50, 60, …; the one that ends at 120 is the last with a voiced half since the one before.
        assert_eq!(last_voiced_end(&voiced, 10), 120);
        voiced[120..125].fill(true);
        assert_eq!(last_voiced_end(&voiced, 10), 130);
        assert_eq!(last_voiced_end(&[false; 80], 10), 50);
        assert_eq!(last_voiced_end(&[true; 55], 30), 55);
    }
}
