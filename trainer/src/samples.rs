//! From clips to network inputs: which frames, after which session.

use std::collections::BTreeMap;

use affekt_features::{Dct, FeatureError, FeatureSpec, MIN_WINDOW_FRAMES, Session, SessionTotals};
use rand::Rng;
use rand::seq::{IndexedRandom, SliceRandom};
use rayon::prelude::*;

use crate::clips::{ClipFrames, add_totals, no_totals};
use crate::recipe::{SamplingRecipe, WindowRecipe};
use crate::scaler::StandardScaler;
use crate::seed::{Purpose, stream};

/// One window of a clip, and what its session had heard by then.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Place of the clip.
    pub clip: usize,
    /// First frame of the window.
    pub start: usize,
    /// One past its last frame.
    pub end: usize,
    /// Everything the session has heard at the window's end, the clip included.
    pub session: SessionTotals,
}

impl Sample {
    /// Number of frames.
    pub fn frames(&self) -> usize {
        self.end - self.start
    }
}

/// Draws samples from clips.
pub struct Sampler<'a> {
    clips: &'a [ClipFrames],
    spec: &'a FeatureSpec,
    window: &'a WindowRecipe,
    recipe: &'a SamplingRecipe,
    by_speaker: BTreeMap<&'a str, Vec<usize>>,
    seed: u64,
}

impl<'a> Sampler<'a> {
    /// For `clips`; their places in it name them.
    pub fn new(
        clips: &'a [ClipFrames],
        spec: &'a FeatureSpec,
        window: &'a WindowRecipe,
        recipe: &'a SamplingRecipe,
        seed: u64,
    ) -> Self {
        let mut by_speaker: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (place, clip) in clips.iter().enumerate() {
            by_speaker.entry(&clip.clip.speaker).or_default().push(place);
        }
        Self {
            clips,
            spec,
            window,
            recipe,
            by_speaker,
            seed,
        }
    }

    /// A training sample of the clip: window end and session are drawn anew in each epoch.
    pub fn training(&self, clip: usize, epoch: usize) -> Sample {
        let mut random = stream(self.seed, Purpose::Sample, epoch as u64, clip as u64);
        let session = self.draw_session(clip, &mut random);
        let frames = self.clips[clip].frames();
        let earliest = (frames as f64 * self.recipe.earliest_end).ceil() as usize;
        let end = random.random_range(earliest.clamp(MIN_WINDOW_FRAMES, frames)..=frames);
        self.sample(clip, end, session)
    }

    /// A validation sample of the clip, the same in each epoch: the last voiced window that the plugin would
    /// take, after a session drawn as in training.
    pub fn validation(&self, clip: usize) -> Sample {
        let mut random = stream(self.seed, Purpose::Sample, u64::MAX, clip as u64);
        let session = self.draw_session(clip, &mut random);
        let end = last_voiced_end(&self.clips[clip].voiced, self.window.hop_frames);
        self.sample(clip, end, session)
    }

    fn sample(&self, clip: usize, end: usize, mut session: SessionTotals) -> Sample {
        let frames = &self.clips[clip];
        for index in (0..end).filter(|&index| frames.voiced[index]) {
            session.frames += 1;
            for (sum, band) in session.sum_db.iter_mut().zip(frames.frame(index)) {
                *sum += f64::from(*band);
            }
        }
        Sample {
            clip,
            start: end.saturating_sub(self.window.frames),
            end,
            session,
        }
    }

    /// What was heard before the clip: nothing, or up to `most_session_clips` other clips of its speaker.
    fn draw_session(&self, clip: usize, random: &mut impl Rng) -> SessionTotals {
        let own = &self.by_speaker[self.clips[clip].clip.speaker.as_str()];
        let mut totals = no_totals(self.spec);
        let most = self.recipe.most_session_clips.min(own.len() - 1);
        if most == 0 || random.random_bool(self.recipe.cold_share) {
            return totals;
        }
        let count = ((most as f64 + 1.0).powf(random.random())).floor() as usize;
        // One more than needed, so that the clip itself can be passed over.
        let drawn = own.choose_multiple(random, count + 1).filter(|&&other| other != clip);
        for &other in drawn.take(count) {
            add_totals(&mut totals, &self.clips[other].totals);
        }
        totals
    }
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

/// Computes network inputs.
pub struct FrontEnd<'a> {
    spec: &'a FeatureSpec,
    dct: Dct,
}

impl<'a> FrontEnd<'a> {
    /// For a specification whose prior is known.
    pub fn new(spec: &'a FeatureSpec) -> Result<Self, FeatureError> {
        Ok(Self {
            spec,
            dct: Dct::new(spec)?,
        })
    }

    /// The sample's MFCCs after session normalisation, row-major `[frames, coefficients]`.
    pub fn features(&self, clip: &ClipFrames, sample: &Sample) -> Vec<f32> {
        let session = Session::with_totals(self.spec, sample.session.clone())
            .expect("sums of finite bands of this specification");
        let mut normalised = vec![0.0; self.spec.mel_bands];
        let mut features = vec![0.0; sample.frames() * self.spec.coefficients];
        let rows = features.chunks_exact_mut(self.spec.coefficients);
        for (index, row) in (sample.start..sample.end).zip(rows) {
            session.normalise(clip.frame(index), &mut normalised);
            self.dct.transform(&normalised, row);
        }
        features
    }

    /// One frame of silence: every band at the floor.
    pub fn silence(&self) -> Vec<f32> {
        let floor = vec![-self.spec.session.range_db; self.spec.mel_bands];
        let mut row = vec![0.0; self.spec.coefficients];
        self.dct.transform(&floor, &mut row);
        row
    }
}

/// Several samples of similar length as one network input.
#[derive(Debug, Clone)]
pub struct Batch {
    /// Scaled features, `[frames, samples, coefficients]`: time first.
    pub features: Vec<f32>,
    /// Number of frames, that of the longest sample; the others begin with silence.
    pub frames: usize,
    /// Place of each sample's emotion among the six.
    pub labels: Vec<usize>,
}

impl Batch {
    /// Puts samples together; computed on all threads.
    pub fn new(front_end: &FrontEnd<'_>, scaler: &StandardScaler, clips: &[ClipFrames], samples: &[Sample]) -> Self {
        let coefficients = scaler.mean.len();
        let frames = samples.iter().map(Sample::frames).max().unwrap_or(0);
        let mut silence = front_end.silence();
        scaler.apply(&mut silence);
        let rows: Vec<Vec<f32>> = samples
            .par_iter()
            .map(|sample| {
                let mut features = front_end.features(&clips[sample.clip], sample);
                scaler.apply(&mut features);
                features
            })
            .collect();
        let mut features = vec![0.0; frames * samples.len() * coefficients];
        for (time, step) in features.chunks_exact_mut(samples.len() * coefficients).enumerate() {
            for (own, row) in rows.iter().zip(step.chunks_exact_mut(coefficients)) {
                let padding = frames - own.len() / coefficients;
                row.copy_from_slice(match time.checked_sub(padding) {
                    Some(frame) => &own[frame * coefficients..(frame + 1) * coefficients],
                    None => &silence,
                });
            }
        }
        let label = |sample: &Sample| clips[sample.clip].clip.emotion.index();
        Self {
            features,
            frames,
            labels: samples.iter().map(label).collect(),
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
    };
    const SAMPLING: SamplingRecipe = SamplingRecipe {
        earliest_end: 0.6,
        cold_share: 0.5,
        most_session_clips: 3,
    };

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
                    emotion: Emotion::Sad,
                    speaker: format!("test/{}", place % 2),
                    corpus: "test",
                };
                ClipFrames {
                    clip,
                    bands_db,
                    voiced,
                    totals,
                }
            })
            .collect()
    }

    fn sampler<'a>(clips: &'a [ClipFrames], spec: &'a FeatureSpec) -> Sampler<'a> {
        Sampler::new(clips, spec, &WINDOW, &SAMPLING, 9)
    }

    #[test]
    fn a_sample_is_the_window_that_the_plugin_computes() {
        let spec = FeatureSpec::standard();
        let clips = clips(&spec);
        let front_end = FrontEnd::new(&spec).unwrap();
        for (place, clip) in clips.iter().enumerate() {
            let sample = sampler(&clips, &spec).validation(place);
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
                    level_db: 0.0,
                    voiced,
                };
                if let Some(window) = windows.push(frame)
                    && window.voiced
                {
                    last = Some((index + 1, window.features.to_vec()));
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
        let sampler = sampler(&clips, &spec);
        let (mut ends, mut cold, mut warm) = (Vec::new(), 0, 0);
        for epoch in 0..200 {
            let sample = sampler.training(4, epoch);
            assert_eq!(sample, sampler.training(4, epoch));
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
        let front_end = FrontEnd::new(&spec).unwrap();
        let mut moments = Moments::new(spec.coefficients);
        moments.observe(&front_end.features(&clips[0], &sampler(&clips, &spec).training(0, 0)));
        let scaler = moments.scaler();
        let sample = |end| Sample {
            clip: 0,
            start: 0,
            end,
            session: clips[0].totals.clone(),
        };
        let batch = Batch::new(&front_end, &scaler, &clips, &[sample(50), sample(53)]);
        assert_eq!((batch.frames, batch.labels.as_slice()), (53, &[5, 5][..]));
        let row = |time: usize, place: usize| {
            let start = (time * 2 + place) * spec.coefficients;
            &batch.features[start..start + spec.coefficients]
        };
        let mut silence = front_end.silence();
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
    fn batches_hold_every_sample_once_and_neighbours_in_length() {
        let sample = |clip: usize| Sample {
            clip,
            start: 0,
            end: 50 + (clip * 37) % 250,
            session: SessionTotals::default(),
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
