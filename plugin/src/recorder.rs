//! Keeps what was heard since playback started, for the editor to save. The audio thread only puts notes into a queue;
//! the worker takes them out.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use affekt_models::automation::{Heard, Pass, Settings};
use crossbeam::queue::ArrayQueue;

/// Notes that can wait for the worker: ten windows come per second.
const CAPACITY: usize = 256;

/// Something that happened, at a tick since the start of the pass.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Note {
    /// Playback started over, after so many ticks.
    Begin {
        rate_hz: f64,
        settings: Settings,
        ended: u64,
    },
    /// Other settings apply.
    Settings { tick: u64, settings: Settings },
    /// The host's tempo, in beats per minute.
    Tempo { tick: u64, bpm: f64 },
    /// A window took effect.
    Heard { tick: u64, heard: Heard },
}

/// One instance's pass.
#[derive(Debug)]
pub struct Recorder {
    notes: ArrayQueue<Note>,
    lost: AtomicBool,
    /// Ticks that have passed since the start of the pass.
    ticks: AtomicU64,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    /// The last pass in which something was heard.
    pass: Option<Pass>,
    /// The one that has begun since. It takes the other's place with its first window, so that stopping the host does
    /// not throw away what was just played.
    next: Option<Pass>,
    /// Number of passes before `pass`.
    passes: u64,
}

impl Default for Recorder {
    fn default() -> Self {
        Self {
            notes: ArrayQueue::new(CAPACITY),
            lost: AtomicBool::new(false),
            ticks: AtomicU64::new(0),
            kept: Mutex::default(),
        }
    }
}

impl Recorder {
    /// Audio thread: something happened.
    pub fn note(&self, note: Note) {
        if self.notes.push(note).is_err() {
            self.lost.store(true, Ordering::Relaxed);
        }
    }

    /// Audio thread: playback starts over.
    pub fn begin(&self, rate_hz: f64, settings: Settings) {
        let ended = self.ticks.swap(0, Ordering::AcqRel);
        self.note(Note::Begin {
            rate_hz,
            settings,
            ended,
        });
    }

    /// Audio thread: so many ticks have passed since the start of the pass.
    pub fn pass(&self, ticks: u64) {
        self.ticks.store(ticks, Ordering::Release);
    }

    /// Worker: takes the notes in.
    pub fn drain(&self) {
        if !self.notes.is_empty() {
            self.take_in(&mut self.lock());
        }
    }

    /// Editor: the pass up to now, or the last one in which something was heard; `None` if nothing was.
    pub fn pass_so_far(&self) -> Option<Pass> {
        let mut kept = self.lock();
        self.take_in(&mut kept);
        let mut pass = kept.pass.clone()?;
        if kept.next.is_none() {
            pass.advance(self.ticks.load(Ordering::Acquire));
        }
        Some(pass)
    }

    /// Editor: shows the pass of [`Recorder::pass_so_far`] without copying it: its number, the pass, and how many of its
    /// ticks have passed. `None` if nothing was heard.
    pub fn see<R>(&self, show: impl FnOnce(u64, &Pass, u64) -> R) -> Option<R> {
        // Read before the notes, so that no tick is shown before what happened at it is known.
        let ticks = self.ticks();
        let mut kept = self.lock();
        self.take_in(&mut kept);
        let pass = kept.pass.as_ref()?;
        let ticks = if kept.next.is_none() {
            ticks.max(pass.ticks())
        } else {
            pass.ticks()
        };
        Some(show(kept.passes, pass, ticks))
    }

    /// Editor: ticks since playback started.
    pub fn ticks(&self) -> u64 {
        self.ticks.load(Ordering::Acquire)
    }

    fn take_in(&self, kept: &mut Kept) {
        while let Some(note) = self.notes.pop() {
            match note {
                Note::Begin {
                    rate_hz,
                    settings,
                    ended,
                } => {
                    if kept.next.replace(Pass::new(rate_hz, settings)).is_none()
                        && let Some(pass) = &mut kept.pass
                    {
                        pass.advance(ended);
                    }
                }
                Note::Heard { tick, heard } => {
                    if let Some(next) = kept.next.take() {
                        kept.pass = Some(next);
                        kept.passes += 1;
                    }
                    if let Some(pass) = &mut kept.pass {
                        pass.hear(tick, heard);
                    }
                }
                Note::Settings { tick, settings } => {
                    if let Some(pass) = kept.next.as_mut().or(kept.pass.as_mut()) {
                        pass.set(tick, settings);
                    }
                }
                Note::Tempo { tick, bpm } => {
                    if let Some(pass) = kept.next.as_mut().or(kept.pass.as_mut()) {
                        pass.set_tempo(tick, bpm);
                    }
                }
            }
        }
        if self.lost.swap(false, Ordering::Relaxed)
            && let Some(pass) = &mut kept.pass
        {
            pass.note_loss();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begin(recorder: &Recorder) {
        recorder.begin(48_000.0, Settings::default());
    }

    fn heard(tick: u64) -> Note {
        let heard = Heard {
            probabilities: Some([0.0, 0.0, 0.0, 0.0, 0.0, 1.0]),
        };
        Note::Heard { tick, heard }
    }

    #[test]
    fn a_start_begins_a_new_pass() {
        let recorder = Recorder::default();
        recorder.note(heard(0));
        assert_eq!(recorder.pass_so_far(), None);
        begin(&recorder);
        recorder.note(heard(3));
        recorder.pass(750);
        let first = recorder.pass_so_far().unwrap();
        assert_eq!(first.duration_s(), 1.0);
        assert!(first.last().emotions[5] > 0.9);
        // Stopping and starting leaves the pass, until something is heard in the new one.
        begin(&recorder);
        begin(&recorder);
        recorder.pass(75);
        assert_eq!(recorder.pass_so_far().unwrap(), first);
        recorder.note(heard(3));
        assert!((recorder.pass_so_far().unwrap().duration_s() - 0.1).abs() < 1e-9);
    }

    #[test]
    fn a_pass_is_seen_as_it_grows() {
        let recorder = Recorder::default();
        begin(&recorder);
        assert_eq!(recorder.see(|_, _, _| ()), None);
        recorder.note(heard(3));
        recorder.pass(100);
        let seen = |recorder: &Recorder| recorder.see(|number, _, ticks| (number, ticks));
        assert_eq!(seen(&recorder), Some((1, 100)));
        recorder.pass(200);
        assert_eq!(seen(&recorder), Some((1, 200)));
        begin(&recorder);
        recorder.pass(50);
        assert_eq!(
            seen(&recorder),
            Some((1, 200)),
            "the last pass stays until something is heard"
        );
        recorder.note(heard(60));
        recorder.pass(70);
        assert_eq!(seen(&recorder), Some((2, 70)));
    }

    #[test]
    fn what_found_no_room_is_said() {
        let recorder = Recorder::default();
        begin(&recorder);
        for tick in 0..CAPACITY as u64 {
            recorder.note(heard(tick));
        }
        assert!(!recorder.pass_so_far().unwrap().is_complete());
    }
}
