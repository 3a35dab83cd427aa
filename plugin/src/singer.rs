//! "Learn this singer": what state, host, worker and editor share of the singer that an instance has learned.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use affekt_features::{FeatureSpec, Session, SessionTotals};
use nice_plug::params::persist::PersistentField;
use serde::{Deserialize, Serialize};

/// How much voice is heard until a singer counts as learned, in seconds.
const LEARNING_S: f64 = 25.0;

/// A learned singer: the voiced mean of every mel band, and the features of which it is the mean.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Singer {
    sample_rate_hz: u32,
    window: usize,
    mel_bands: usize,
    mel_range_hz: (f32, f32),
    /// Voiced frames that were heard.
    frames: u64,
    /// Their mean log power in dB, one per mel band. In single precision, which JSON gives back to the bit.
    mean_db: Vec<f32>,
}

impl Singer {
    /// A singer of whom `totals` was heard in features of `spec`.
    pub fn new(spec: &FeatureSpec, totals: &SessionTotals) -> Self {
        let (sample_rate_hz, window, mel_bands, mel_range_hz) = measure(spec);
        Self {
            sample_rate_hz,
            window,
            mel_bands,
            mel_range_hz,
            frames: totals.frames,
            mean_db: totals
                .sum_db
                .iter()
                .map(|sum| (sum / totals.frames.max(1) as f64) as f32)
                .collect(),
        }
    }

    /// The session to hear this singer with; `None` if it was learned in other features, or cannot be.
    pub fn session(&self, spec: &FeatureSpec) -> Option<Session> {
        let learned = (self.sample_rate_hz, self.window, self.mel_bands, self.mel_range_hz);
        let frames = self.frames as f64;
        let totals = SessionTotals {
            frames: self.frames,
            sum_db: self.mean_db.iter().map(|mean| f64::from(*mean) * frames).collect(),
        };
        (learned == measure(spec)).then(|| Session::with_totals(spec, totals))?
    }
}

/// What must agree for two means to be means of the same.
fn measure(spec: &FeatureSpec) -> (u32, usize, usize, (f32, f32)) {
    (
        spec.sample_rate_hz,
        spec.window,
        spec.mel_bands,
        (spec.mel_low_hz, spec.mel_high_hz),
    )
}

/// Frames of voice until a singer counts as learned.
pub fn learning_frames(spec: &FeatureSpec) -> u32 {
    (LEARNING_S * f64::from(spec.sample_rate_hz) / spec.hop as f64).round() as u32
}

/// How an instance hears.
#[derive(Debug, Clone, PartialEq)]
pub enum Hearing {
    /// By the session so far.
    Session,
    /// By the session so far, while this learning goes on.
    Learning(u64),
    /// By a learned singer.
    Learned(Singer),
}

/// How far learning is, for the editor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Progress {
    /// Nothing is learned.
    Off,
    /// The share that has been heard, 0 to 1.
    Learning(f32),
    /// The singer is learned.
    Learned,
}

/// One instance's singer. Clones are the same slot.
#[derive(Debug, Clone, Default)]
pub struct SingerSlot {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    wanted: AtomicBool,
    /// Number of the last learning that was begun.
    learning: AtomicU64,
    /// Raised at every change, so that the worker can see it without a lock.
    revision: AtomicU64,
    heard_frames: AtomicU32,
    needed_frames: AtomicU32,
    /// The singer, and the learning that it came from.
    learned: Mutex<Option<(u64, Singer)>>,
}

impl SingerSlot {
    /// Any thread, the audio thread included: the user wants the singer learned, or no longer. Wanting it anew starts
    /// over.
    pub fn want(&self, learn: bool) {
        if self.shared.wanted.swap(learn, Ordering::AcqRel) != learn {
            if learn {
                self.shared.learning.fetch_add(1, Ordering::AcqRel);
            }
            self.shared.heard_frames.store(0, Ordering::Relaxed);
            self.changed();
        }
    }

    /// Worker: changes whenever [`SingerSlot::hearing`] may have changed.
    pub fn revision(&self) -> u64 {
        self.shared.revision.load(Ordering::Acquire)
    }

    /// Worker: how to hear.
    pub fn hearing(&self) -> Hearing {
        if !self.shared.wanted.load(Ordering::Acquire) {
            return Hearing::Session;
        }
        let learning = self.shared.learning.load(Ordering::Acquire);
        match &*self.learned() {
            Some((from, singer)) if *from == learning => Hearing::Learned(singer.clone()),
            _ => Hearing::Learning(learning),
        }
    }

    /// Worker: so many voiced frames of those that are needed have been heard.
    pub fn note_progress(&self, heard: u32, needed: u32) {
        self.shared.needed_frames.store(needed, Ordering::Relaxed);
        self.shared.heard_frames.store(heard, Ordering::Relaxed);
    }

    /// Worker: a learning has ended with this singer.
    pub fn learn(&self, learning: u64, singer: Singer) {
        *self.learned() = Some((learning, singer));
        self.changed();
    }

    /// Editor: how far it is.
    pub fn progress(&self) -> Progress {
        match self.hearing() {
            Hearing::Session => Progress::Off,
            Hearing::Learned(_) => Progress::Learned,
            Hearing::Learning(_) => {
                let heard = self.shared.heard_frames.load(Ordering::Relaxed) as f32;
                let needed = self.shared.needed_frames.load(Ordering::Relaxed).max(1) as f32;
                Progress::Learning((heard / needed).min(1.0))
            }
        }
    }

    fn changed(&self) {
        self.shared.revision.fetch_add(1, Ordering::AcqRel);
    }

    fn learned(&self) -> MutexGuard<'_, Option<(u64, Singer)>> {
        self.shared.learned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PersistentField<'_, Option<Singer>> for SingerSlot {
    /// A state was loaded. Its parameters, and with them whether a singer is wanted, have been set before. Hosts load
    /// states at every undo, so one that says the same again changes nothing.
    fn set(&self, singer: Option<Singer>) {
        let learning = self.shared.learning.load(Ordering::Acquire);
        let loaded = singer.map(|singer| (learning, singer));
        let mut learned = self.learned();
        if *learned != loaded {
            *learned = loaded;
            drop(learned);
            self.changed();
        }
    }

    fn map<F: Fn(&Option<Singer>) -> R, R>(&self, f: F) -> R {
        match self.hearing() {
            Hearing::Learned(singer) => f(&Some(singer)),
            Hearing::Session | Hearing::Learning(_) => f(&None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn singer(frames: u64) -> Singer {
        let spec = FeatureSpec::standard();
        let totals = SessionTotals {
            frames,
            sum_db: vec![-30.0 * frames as f64; spec.mel_bands],
        };
        Singer::new(&spec, &totals)
    }

    fn saved(slot: &SingerSlot) -> Option<Singer> {
        slot.map(Clone::clone)
    }

    #[test]
    fn a_singer_is_learned_once_and_forgotten_when_no_longer_wanted() {
        let slot = SingerSlot::default();
        assert_eq!((slot.hearing(), slot.progress()), (Hearing::Session, Progress::Off));
        let before = slot.revision();
        slot.want(true);
        assert_ne!(slot.revision(), before);
        assert_eq!(slot.hearing(), Hearing::Learning(1));
        slot.note_progress(10, 40);
        assert_eq!(slot.progress(), Progress::Learning(0.25));
        assert_eq!(saved(&slot), None);
        slot.learn(1, singer(40));
        assert_eq!(
            (slot.hearing(), slot.progress()),
            (Hearing::Learned(singer(40)), Progress::Learned)
        );
        assert_eq!(saved(&slot), Some(singer(40)));
        slot.want(true);
        assert_eq!(slot.progress(), Progress::Learned, "saying it twice changes nothing");
        slot.want(false);
        assert_eq!((slot.hearing(), saved(&slot)), (Hearing::Session, None));
        slot.want(true);
        assert_eq!(slot.hearing(), Hearing::Learning(2));
        // The end of the learning before comes too late.
        slot.learn(1, singer(40));
        assert_eq!(slot.hearing(), Hearing::Learning(2));
    }

    #[test]
    fn a_loaded_singer_is_used_at_once() {
        let json = serde_json::to_string(&Some(singer(40))).unwrap();
        let slot = SingerSlot::default();
        slot.want(true);
        slot.set(serde_json::from_str(&json).unwrap());
        assert_eq!(slot.hearing(), Hearing::Learned(singer(40)));
        // A state without a singer, but with the wish for one.
        slot.set(None);
        assert_eq!(slot.hearing(), Hearing::Learning(1));
    }

    #[test]
    fn loading_what_is_there_already_changes_nothing() {
        let slot = SingerSlot::default();
        slot.want(true);
        let before = slot.revision();
        slot.set(None);
        assert_eq!(slot.revision(), before, "the learning goes on");
        slot.set(Some(singer(40)));
        let before = slot.revision();
        slot.want(true);
        slot.set(Some(singer(40)));
        assert_eq!(slot.revision(), before, "the singer is the same");
        slot.set(Some(singer(41)));
        assert_ne!(slot.revision(), before);
    }

    #[test]
    fn other_features_have_no_use_for_a_singer() {
        let spec = FeatureSpec::standard();
        assert!(singer(40).session(&spec).is_some());
        let other = FeatureSpec {
            mel_low_hz: 50.0,
            ..spec.clone()
        };
        assert!(singer(40).session(&other).is_none());
        let impossible = Singer::new(
            &spec,
            &SessionTotals {
                frames: 1,
                sum_db: vec![f64::NAN; spec.mel_bands],
            },
        );
        assert!(impossible.session(&spec).is_none());
    }
}
