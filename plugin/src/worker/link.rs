//! What an instance's audio thread, the worker and the instance's editor share.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use affekt_features::{Frame, MAX_MEL_BANDS};
use affekt_models::{Card, MAX_WAVEFORM_HOP};
use crossbeam::queue::ArrayQueue;

use crate::model_choice::ModelChoice;
use crate::recorder::Recorder;
use crate::singer::SingerSlot;

/// Frames that can wait for the worker: five seconds at a hop of 10 ms.
pub const FRAME_CAPACITY: usize = 512;
/// Results that can wait for the audio thread.
pub const OUTCOME_CAPACITY: usize = 512;
/// Longest sleep of a waiting audio thread between two looks, so that a lost wake-up costs this much and no more.
const LONGEST_NAP: Duration = Duration::from_millis(50);

/// One analysis frame on its way to the worker.
#[derive(Clone, Copy)]
pub struct FrameMessage {
    epoch: u64,
    index: u64,
    end_sample: u64,
    level_db: f32,
    voiced: bool,
    bands: usize,
    bands_db: [f32; MAX_MEL_BANDS],
}

impl FrameMessage {
    /// A frame of the time since reset number `epoch`. Bands beyond [`MAX_MEL_BANDS`] are cut off.
    fn new(epoch: u64, frame: Frame<'_>) -> Self {
        let bands = frame.bands_db.len().min(MAX_MEL_BANDS);
        let mut bands_db = [0.0; MAX_MEL_BANDS];
        bands_db[..bands].copy_from_slice(&frame.bands_db[..bands]);
        Self {
            epoch,
            index: frame.index,
            end_sample: frame.end_sample,
            level_db: frame.level_db,
            voiced: frame.voiced,
            bands,
            bands_db,
        }
    }

    /// Number of the reset after which the frame was heard.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The frame, with the samples that came for it.
    pub fn frame<'a>(&'a self, samples: &'a [f32]) -> Frame<'a> {
        Frame {
            index: self.index,
            end_sample: self.end_sample,
            bands_db: &self.bands_db[..self.bands],
            samples,
            level_db: self.level_db,
            voiced: self.voiced,
        }
    }
}

/// The newest samples of one frame, for models of raw audio. They have a queue of their own, so that the others do not pay
/// for them: they are six times as large as a frame.
#[derive(Clone, Copy)]
pub struct SampleMessage {
    epoch: u64,
    index: u64,
    count: usize,
    samples: [f32; MAX_WAVEFORM_HOP],
}

impl SampleMessage {
    /// Samples beyond [`MAX_WAVEFORM_HOP`], which no model of raw audio has, are cut off.
    fn new(epoch: u64, frame: &Frame<'_>) -> Self {
        let count = frame.samples.len().min(MAX_WAVEFORM_HOP);
        let mut samples = [0.0; MAX_WAVEFORM_HOP];
        samples[..count].copy_from_slice(&frame.samples[..count]);
        Self {
            epoch,
            index: frame.index,
            count,
            samples,
        }
    }

    /// Whether they came before the frame, or after it.
    pub fn compare(&self, frame: &FrameMessage) -> std::cmp::Ordering {
        (self.epoch, self.index).cmp(&(frame.epoch, frame.index))
    }

    /// The samples.
    pub fn samples(&self) -> &[f32] {
        &self.samples[..self.count]
    }
}

/// What the worker found in one window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outcome {
    /// Number of the reset after which the window was heard.
    pub epoch: u64,
    /// Host samples since that reset up to the window's end.
    pub end_sample: u64,
    /// The six probabilities, `None` for a window without voice.
    pub probabilities: Option<[f32; 6]>,
}

/// The model that runs, in the editor's words.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelInfo {
    /// Its card.
    pub card: Arc<Card>,
    /// Time between two of its windows, in seconds.
    pub hop_s: f64,
    /// What runs it.
    pub runtime: String,
}

/// How the model is doing.
#[derive(Debug, Clone, PartialEq)]
pub enum ModelState {
    /// Not there yet.
    Loading,
    /// Loaded, and its last window was fine.
    Running(ModelInfo),
    /// Not loaded, or its last window failed: one sentence for the user.
    Failed(String),
}

/// One instance's connection with the worker. The audio thread only touches the queues and atomics;
/// the locks are for the other threads, and for the audio thread while it waits in an offline render.
pub struct Link {
    frames: ArrayQueue<FrameMessage>,
    samples: ArrayQueue<SampleMessage>,
    /// Whether the model takes raw audio; true also until one is known.
    wants_samples: AtomicBool,
    outcomes: ArrayQueue<Outcome>,
    epoch: AtomicU64,
    /// Frames that the worker has dealt with, ever.
    consumed: AtomicU64,
    /// Windows whose result the worker could not give, ever.
    lost_windows: AtomicU64,
    /// Time that the model takes for a window, smoothed, in microseconds; 0 before the first.
    inference_us: AtomicU64,
    offline: AtomicBool,
    progress: Mutex<()>,
    progressed: Condvar,
    model: Mutex<ModelState>,
    complaint: Mutex<Option<String>>,
    singer: SingerSlot,
    choice: ModelChoice,
    /// Why the chosen model does not run, if so.
    refusal: Mutex<Option<String>>,
    /// Whether the chosen model is on its way, of the choice that the worker has seen last.
    model_pending: AtomicBool,
    choice_seen: AtomicU64,
    recorder: Recorder,
}

impl Link {
    /// Empty queues; the model is loading. `singer`: whom the instance hears; `choice`: with which model.
    pub fn new(singer: SingerSlot, choice: ModelChoice) -> Self {
        let link = Self {
            frames: ArrayQueue::new(FRAME_CAPACITY),
            samples: ArrayQueue::new(FRAME_CAPACITY),
            wants_samples: AtomicBool::new(true),
            outcomes: ArrayQueue::new(OUTCOME_CAPACITY),
            epoch: AtomicU64::new(0),
            consumed: AtomicU64::new(0),
            lost_windows: AtomicU64::new(0),
            inference_us: AtomicU64::new(0),
            offline: AtomicBool::new(false),
            progress: Mutex::new(()),
            progressed: Condvar::new(),
            model: Mutex::new(ModelState::Loading),
            complaint: Mutex::new(None),
            singer,
            choice,
            refusal: Mutex::default(),
            model_pending: AtomicBool::new(false),
            choice_seen: AtomicU64::new(0),
            recorder: Recorder::default(),
        };
        // Some platforms allocate a lock or a condition at its first use, which must not be in `process`.
        drop(lock(&link.progress));
        link.progressed.notify_all();
        link
    }

    /// Whom the instance hears.
    pub fn singer(&self) -> &SingerSlot {
        &self.singer
    }

    /// Which model the instance is to run.
    pub fn choice(&self) -> &ModelChoice {
        &self.choice
    }

    /// Worker: why the chosen model does not run, if so; one sentence for the user.
    pub fn set_refusal(&self, refusal: Option<String>) {
        *lock(&self.refusal) = refusal;
    }

    /// Editor: why the chosen model does not run, if so.
    pub fn refusal(&self) -> Option<String> {
        lock(&self.refusal).clone()
    }

    /// Worker: whether the model of the choice with this revision is on its way, and another one runs until then.
    pub fn set_model_pending(&self, pending: bool, revision: u64) {
        self.model_pending.store(pending, Ordering::Release);
        self.choice_seen.store(revision, Ordering::Release);
    }

    /// Editor: whether the chosen model is on its way.
    pub fn is_model_pending(&self) -> bool {
        // A busy worker may not have seen the choice yet.
        self.choice_seen.load(Ordering::Acquire) != self.choice.revision() || self.model_pending.load(Ordering::Acquire)
    }

    /// What was heard since playback started.
    pub fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// Audio thread: hands a frame of the time since reset number `epoch` over; `false` if the queue is full.
    pub fn send(&self, epoch: u64, frame: Frame<'_>) -> bool {
        if self.wants_samples.load(Ordering::Acquire) {
            // Before the frame, so that they are there when the worker takes it. Without room they are silence.
            let _ = self.samples.push(SampleMessage::new(epoch, &frame));
        }
        self.frames.push(FrameMessage::new(epoch, frame)).is_ok()
    }

    /// Audio thread: the next result.
    pub fn receive(&self) -> Option<Outcome> {
        self.outcomes.pop()
    }

    /// Audio thread: from here on, what was sent before is stale.
    pub fn set_epoch(&self, epoch: u64) {
        self.epoch.store(epoch, Ordering::Release);
    }

    /// Whether the audio thread waits for results, so that none may be left out.
    pub fn set_offline(&self, offline: bool) {
        self.offline.store(offline, Ordering::Release);
    }

    /// Windows whose result the worker could not give, ever.
    pub fn lost_windows(&self) -> u64 {
        self.lost_windows.load(Ordering::Relaxed)
    }

    /// Frames that the worker has dealt with, ever.
    pub fn consumed(&self) -> u64 {
        self.consumed.load(Ordering::Acquire)
    }

    /// Audio thread, offline only: waits until the worker has dealt with `target` frames in all.
    /// `false` if it made no progress for as long as `patience`. Does not allocate.
    pub fn wait_until_consumed(&self, target: u64, patience: Duration) -> bool {
        let mut seen = self.consumed();
        let mut deadline = Instant::now() + patience;
        let mut guard = lock(&self.progress);
        loop {
            let consumed = self.consumed();
            if consumed >= target {
                return true;
            }
            let now = Instant::now();
            if consumed != seen {
                seen = consumed;
                deadline = now + patience;
            } else if now >= deadline {
                return false;
            }
            let nap = deadline.saturating_duration_since(now).min(LONGEST_NAP);
            guard = self
                .progressed
                .wait_timeout(guard, nap)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Worker: the number of the last reset.
    pub fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Worker: whether the audio thread waits.
    pub fn is_offline(&self) -> bool {
        self.offline.load(Ordering::Acquire)
    }

    /// Worker: the next frame.
    pub fn next_frame(&self) -> Option<FrameMessage> {
        self.frames.pop()
    }

    /// Worker: the next frame's samples, or those of a later frame.
    pub fn next_samples(&self) -> Option<SampleMessage> {
        self.samples.pop()
    }

    /// Worker: whether the model takes raw audio.
    pub fn want_samples(&self, wanted: bool) {
        self.wants_samples.store(wanted, Ordering::Release);
    }

    /// Worker: frames that wait.
    pub fn waiting_frames(&self) -> usize {
        self.frames.len()
    }

    /// Worker: hands a result over. What finds no room is counted as lost.
    pub fn deliver(&self, outcome: Outcome) {
        if self.outcomes.push(outcome).is_err() {
            self.lose_window();
        }
    }

    /// Worker: a window goes without a result.
    pub fn lose_window(&self) {
        self.lost_windows.fetch_add(1, Ordering::Relaxed);
    }

    /// Worker: the model took so long for a window.
    pub fn note_inference(&self, time: Duration) {
        let us = u64::try_from(time.as_micros()).unwrap_or(u64::MAX).clamp(1, 60_000_000);
        let before = self.inference_us.load(Ordering::Relaxed);
        let smoothed = if before == 0 {
            us
        } else {
            (before * 15 + us).div_ceil(16)
        };
        self.inference_us.store(smoothed, Ordering::Relaxed);
    }

    /// Editor: how long the model takes for a window, over the last ones; `None` before the first.
    pub fn inference(&self) -> Option<Duration> {
        let us = self.inference_us.load(Ordering::Relaxed);
        (us > 0).then(|| Duration::from_micros(us))
    }

    /// Worker: so many more frames are dealt with, their results delivered.
    pub fn note_consumed(&self, frames: u64) {
        self.consumed.fetch_add(frames, Ordering::Release);
        if self.is_offline() {
            // Taken so that the news cannot fall between a waiting thread's look and its sleep.
            drop(lock(&self.progress));
            self.progressed.notify_all();
        }
    }

    /// Worker: tells how the model is doing.
    pub fn set_model(&self, state: ModelState) {
        *lock(&self.model) = state;
    }

    /// Editor: how the model is doing.
    pub fn model(&self) -> ModelState {
        lock(&self.model).clone()
    }

    /// Main thread: why this instance cannot analyse at all, if so; one sentence for the user.
    pub fn set_complaint(&self, complaint: Option<String>) {
        *lock(&self.complaint) = complaint;
    }

    /// Editor: why this instance cannot analyse at all, if so.
    pub fn complaint(&self) -> Option<String> {
        lock(&self.complaint).clone()
    }
}

/// Nothing that these locks guard is ever left half written, so a panic elsewhere does not spoil it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    fn send(link: &Link, epoch: u64, bands: usize) -> bool {
        let bands_db: Vec<f32> = (0..bands).map(|band| band as f32).collect();
        let frame = Frame {
            index: 7,
            end_sample: 99,
            bands_db: &bands_db,
            samples: &[0.25; 400],
            level_db: -20.0,
            voiced: true,
        };
        link.send(epoch, frame)
    }

    #[test]
    fn a_frame_arrives_as_it_was_sent() {
        let link = Link::new(SingerSlot::default(), ModelChoice::default());
        assert!(send(&link, 3, 64));
        let arrived = link.next_frame().unwrap();
        assert_eq!(arrived.epoch(), 3);
        let samples = link.next_samples().unwrap();
        assert!(samples.compare(&arrived).is_eq());
        let frame = arrived.frame(samples.samples());
        assert_eq!(
            (frame.index, frame.end_sample, frame.level_db, frame.voiced),
            (7, 99, -20.0, true)
        );
        assert_eq!(frame.bands_db.len(), 64);
        assert_eq!(frame.bands_db[63], 63.0);
        assert_eq!(frame.samples, [0.25; MAX_WAVEFORM_HOP]);
        assert!(link.next_frame().is_none() && link.next_samples().is_none());
        link.want_samples(false);
        assert!(send(&link, 3, 64));
        assert!(link.next_frame().is_some() && link.next_samples().is_none());
    }

    #[test]
    fn a_choice_is_pending_until_the_worker_has_settled_it() {
        let choice = ModelChoice::default();
        let link = Link::new(SingerSlot::default(), choice.clone());
        assert!(!link.is_model_pending());
        choice.choose(None);
        assert!(link.is_model_pending(), "nobody has seen it");
        link.set_model_pending(true, choice.revision());
        assert!(link.is_model_pending(), "it is being loaded");
        link.set_model_pending(false, choice.revision());
        assert!(!link.is_model_pending());
    }

    #[test]
    fn more_bands_than_fit_are_cut_off() {
        let link = Link::new(SingerSlot::default(), ModelChoice::default());
        assert!(send(&link, 0, MAX_MEL_BANDS + 5));
        assert_eq!(link.next_frame().unwrap().frame(&[]).bands_db.len(), MAX_MEL_BANDS);
    }

    #[test]
    fn a_full_queue_refuses_frames_and_counts_lost_results() {
        let link = Link::new(SingerSlot::default(), ModelChoice::default());
        for _ in 0..FRAME_CAPACITY {
            assert!(send(&link, 0, 1));
        }
        assert!(!send(&link, 0, 1));
        for end_sample in 0..OUTCOME_CAPACITY as u64 + 3 {
            link.deliver(Outcome {
                epoch: 0,
                end_sample,
                probabilities: None,
            });
        }
        assert_eq!(link.lost_windows(), 3);
        assert_eq!(link.receive().unwrap().end_sample, 0);
    }

    #[test]
    fn the_time_of_the_last_windows_is_told() {
        let link = Link::new(SingerSlot::default(), ModelChoice::default());
        assert_eq!(link.inference(), None);
        link.note_inference(Duration::from_millis(4));
        assert_eq!(link.inference(), Some(Duration::from_millis(4)));
        for _ in 0..200 {
            link.note_inference(Duration::from_millis(8));
        }
        let told = link.inference().unwrap();
        assert!(
            told.abs_diff(Duration::from_millis(8)) < Duration::from_micros(50),
            "{told:?}"
        );
    }

    #[test]
    fn waiting_ends_when_everything_is_consumed() {
        let link = Arc::new(Link::new(SingerSlot::default(), ModelChoice::default()));
        link.set_offline(true);
        let worker = {
            let link = link.clone();
            thread::spawn(move || {
                for _ in 0..10 {
                    thread::sleep(Duration::from_millis(2));
                    link.note_consumed(1);
                }
            })
        };
        assert!(link.wait_until_consumed(10, Duration::from_secs(10)));
        assert_eq!(link.consumed(), 10);
        worker.join().unwrap();
    }

    #[test]
    fn waiting_gives_up_without_progress_only() {
        let link = Arc::new(Link::new(SingerSlot::default(), ModelChoice::default()));
        let patience = Duration::from_millis(400);
        let start = Instant::now();
        assert!(!link.wait_until_consumed(1, patience));
        assert!(start.elapsed() >= patience);

        // Slow, but never as slow as that.
        let worker = {
            let link = link.clone();
            thread::spawn(move || {
                for _ in 0..5 {
                    thread::sleep(patience / 3);
                    link.note_consumed(1);
                }
            })
        };
        assert!(link.wait_until_consumed(5, patience));
        worker.join().unwrap();
    }
}
