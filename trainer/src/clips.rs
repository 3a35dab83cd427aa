//! Recordings as the network's front end hears them: decoded, streamed through the plugin's own extractor.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};

use affekt_features::recording::{Recording, RecordingError};
use affekt_features::{Extractor, FeatureError, FeatureSpec, MIN_WINDOW_FRAMES, SessionTotals};
use rayon::prelude::*;

use crate::corpora::Clip;

/// A clip's frames, as if it were played from its start.
#[derive(Debug, Clone)]
pub struct ClipFrames {
    /// Whose and what.
    pub clip: Clip,
    /// Log power of the mel bands in dB, row-major `[frames, mel_bands]`.
    pub bands_db: Vec<f32>,
    /// Whether each frame is voiced.
    pub voiced: Vec<bool>,
    /// Sum over the voiced frames.
    pub totals: SessionTotals,
    /// The same for equal samples, on every machine.
    pub content: u64,
    /// Share of the samples at full scale.
    pub clipped: f32,
    /// 0 for a recording as it is; the number of an altered copy of it (see [`crate::copies`]).
    pub copy: usize,
}

impl ClipFrames {
    /// Number of frames.
    pub fn frames(&self) -> usize {
        self.voiced.len()
    }

    /// One frame's bands.
    pub fn frame(&self, index: usize) -> &[f32] {
        let bands = self.totals.sum_db.len();
        &self.bands_db[index * bands..(index + 1) * bands]
    }
}

/// Adds the voiced frames of `other` to `totals`.
pub fn add_totals(totals: &mut SessionTotals, other: &SessionTotals) {
    totals.frames += other.frames;
    for (sum, value) in totals.sum_db.iter_mut().zip(&other.sum_db) {
        *sum += value;
    }
}

/// Adds one voiced frame's bands to `totals`.
pub fn add_frame(totals: &mut SessionTotals, bands_db: &[f32]) {
    totals.frames += 1;
    for (sum, band) in totals.sum_db.iter_mut().zip(bands_db) {
        *sum += f64::from(*band);
    }
}

/// Mean of each band over the frames of `totals`, in dB; 0 without frames.
pub fn mean_db(totals: &SessionTotals) -> Vec<f32> {
    let frames = totals.frames.max(1) as f64;
    totals.sum_db.iter().map(|sum| (sum / frames) as f32).collect()
}

/// Sum over no frames.
pub fn no_totals(spec: &FeatureSpec) -> SessionTotals {
    SessionTotals {
        frames: 0,
        sum_db: vec![0.0; spec.mel_bands],
    }
}

/// A clip that cannot be used.
#[derive(Debug, Clone, PartialEq)]
pub struct Dropped {
    /// Its file.
    pub path: PathBuf,
    /// One clause.
    pub reason: String,
}

/// The usable clips in the given order, and the others.
#[derive(Debug)]
pub struct LoadedClips {
    /// Usable.
    pub clips: Vec<ClipFrames>,
    /// Not usable.
    pub dropped: Vec<Dropped>,
}

/// Decodes and analyses clips on all threads; `on_clip` is called after each.
///
/// Dropped, with a reason: unreadable files, clips without voice, clips too short for one window, and
/// recordings that occur more than once (all of them when their labels or speakers disagree, else all but the first).
pub fn load(clips: Vec<Clip>, spec: &FeatureSpec, on_clip: impl Fn() + Sync) -> Result<LoadedClips, FeatureError> {
    spec.validate()?;
    let extractors = Extractors::default();
    let analysed: Vec<Result<ClipFrames, Dropped>> = clips
        .into_par_iter()
        .map(|clip| {
            let result = analyse(clip, spec, &extractors);
            on_clip();
            result
        })
        .collect();

    let mut dropped = Vec::new();
    let mut usable = Vec::new();
    for result in analysed {
        match result {
            Ok(found) => usable.push(found),
            Err(reason) => dropped.push(reason),
        }
    }
    let clips = without_copies(usable, &mut dropped);
    Ok(LoadedClips { clips, dropped })
}

/// Extractors to be used again, by sample rate: making one takes as long as analysing a short clip.
#[derive(Default)]
pub struct Extractors {
    idle: Mutex<HashMap<u32, Vec<Extractor>>>,
}

impl Extractors {
    /// Streams a recording through one of them, from its reset state; see [`frames`].
    pub fn frames(&self, spec: &FeatureSpec, recording: &Recording) -> Result<Analysis, FeatureError> {
        let rate = recording.sample_rate_hz;
        let idle = self.idle().get_mut(&rate).and_then(Vec::pop);
        let mut extractor = match idle {
            Some(extractor) => extractor,
            None => Extractor::new(spec, f64::from(rate))?,
        };
        extractor.reset();
        let analysis = frames(&mut extractor, spec, recording);
        self.idle().entry(rate).or_default().push(extractor);
        Ok(analysis)
    }

    fn idle(&self) -> MutexGuard<'_, HashMap<u32, Vec<Extractor>>> {
        self.idle.lock().expect("no holder panics")
    }
}

fn analyse(clip: Clip, spec: &FeatureSpec, extractors: &Extractors) -> Result<ClipFrames, Dropped> {
    let drop = |reason: String| Dropped {
        path: clip.path.clone(),
        reason,
    };
    let recording = Recording::read(&clip.path).map_err(|error| drop(error.to_string()))?;
    let content = content_key(&recording);
    let (bands_db, voiced, totals) = extractors
        .frames(spec, &recording)
        .map_err(|error| drop(error.to_string()))?;
    if totals.frames == 0 {
        return Err(drop("no voice in it".into()));
    }
    if voiced.len() < MIN_WINDOW_FRAMES {
        return Err(drop(format!(
            "{} frames, too short for a window of {MIN_WINDOW_FRAMES}",
            voiced.len()
        )));
    }
    Ok(ClipFrames {
        clip,
        bands_db,
        voiced,
        totals,
        content,
        clipped: clipped(&recording),
        copy: 0,
    })
}

/// Bands `[frames, mel_bands]` in dB, voice flags, sum of the voiced frames.
pub type Analysis = (Vec<f32>, Vec<bool>, SessionTotals);

/// Streams a recording through the extractor.
pub fn frames(extractor: &mut Extractor, spec: &FeatureSpec, recording: &Recording) -> Analysis {
    let mut bands_db = Vec::new();
    let mut voiced = Vec::new();
    let mut totals = no_totals(spec);
    extractor.push(&recording.channels, |frame| {
        bands_db.extend_from_slice(frame.bands_db);
        voiced.push(frame.voiced);
        if frame.voiced {
            add_frame(&mut totals, frame.bands_db);
        }
    });
    (bands_db, voiced, totals)
}

/// A clip that was read before and cannot be read any more.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// The file.
    #[error(transparent)]
    Recording(#[from] RecordingError),
    /// Its sample rate.
    #[error(transparent)]
    Features(#[from] FeatureError),
}

/// The samples of a clip's frames at the specification's rate, mono, `[frames, hop]`: what a model of raw audio hears.
pub fn samples(path: &Path, spec: &FeatureSpec) -> Result<Vec<f32>, Unreadable> {
    let recording = Recording::read(path)?;
    let mut extractor = Extractor::new(spec, f64::from(recording.sample_rate_hz))?;
    let mut samples = Vec::new();
    extractor.push(&recording.channels, |frame| samples.extend_from_slice(frame.samples));
    Ok(samples)
}

/// Share of the samples at full scale.
fn clipped(recording: &Recording) -> f32 {
    /// Below the largest value of every common format.
    const FULL_SCALE: f32 = 0.999;
    let samples = recording.channels.iter().flatten();
    let count = samples.clone().filter(|sample| sample.abs() >= FULL_SCALE).count();
    count as f32 / samples.count().max(1) as f32
}

/// A number for the samples: FNV-1a over words in place of bytes, for speed.
pub fn content_key(recording: &Recording) -> u64 {
    let mix = |hash: u64, word: u32| (hash ^ u64::from(word)).wrapping_mul(0x0100_0000_01b3).rotate_left(23);
    let start = mix(0xcbf2_9ce4_8422_2325, recording.sample_rate_hz);
    let samples = recording.channels.iter().flatten();
    samples.fold(start, |hash, sample| mix(hash, sample.to_bits()))
}

fn without_copies(clips: Vec<ClipFrames>, dropped: &mut Vec<Dropped>) -> Vec<ClipFrames> {
    let mut places: HashMap<u64, Vec<usize>> = HashMap::new();
    for (place, clip) in clips.iter().enumerate() {
        places.entry(clip.content).or_default().push(place);
    }
    let mut reasons: HashMap<usize, String> = HashMap::new();
    for same in places.values().filter(|same| same.len() > 1) {
        let clip = |place: usize| &clips[place].clip;
        let first = clip(same[0]);
        let agree = same
            .iter()
            .all(|&place| clip(place).emotion == first.emotion && clip(place).speaker == first.speaker);
        for &place in &same[usize::from(agree)..] {
            let other = if place == same[0] { same[1] } else { same[0] };
            let reason = if agree {
                format!("a copy of {}", clip(other).path.display())
            } else {
                format!(
                    "the same recording as {} under another label",
                    clip(other).path.display()
                )
            };
            reasons.insert(place, reason);
        }
    }
    let mut kept = Vec::with_capacity(clips.len() - reasons.len());
    for (place, frames) in clips.into_iter().enumerate() {
        match reasons.remove(&place) {
            Some(reason) => dropped.push(Dropped {
                path: frames.clip.path,
                reason,
            }),
            None => kept.push(frames),
        }
    }
    kept
}
