//! Watches an instance for what there is to see, so that the window is drawn only when something has changed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::look::{EditorLook, Look, View};
use super::repaint::Repaint;
use crate::analysis::Reading;
use crate::model_choice::ModelSource;
use crate::readout::Readout;
use crate::singer::Progress;
use crate::worker::link::{Link, ModelState};

/// Time between two looks: about 30 a second, which is also the most that is drawn.
pub const FRAME_TIME: Duration = Duration::from_millis(33);
/// The host is taken to have stopped when no block came for this long.
const STOPPED_AFTER: Duration = Duration::from_millis(500);
/// Steps of a value that are told apart: fewer than a large window has pixels, more than an eye sees.
const STEPS: f32 = 512.0;
/// Ticks after which the history is drawn again: 15 times a second at 48 kHz.
const HISTORY_TICKS: u64 = 50;

/// Watches from a thread of its own as long as the window is open.
pub struct Pulse {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    playing: AtomicBool,
}

impl Pulse {
    /// Watches, and asks for a drawing whenever something has changed or `repaint` wants one. If the system gives no
    /// thread, nothing moves by itself.
    pub fn start(readout: Arc<Readout>, link: Arc<Link>, look: EditorLook, repaint: Repaint) -> Self {
        let shared = Arc::new(Shared::default());
        let thread = {
            let shared = shared.clone();
            thread::Builder::new().name("affekt editor".into()).spawn(move || {
                let mut playing = Playing::default();
                let mut seen = None;
                while !shared.stop.load(Ordering::Acquire) {
                    let reading = readout.reading();
                    let plays = playing.look(reading.blocks, Instant::now());
                    shared.playing.store(plays, Ordering::Release);
                    let now = Some(Seen::of(&reading, plays, &link, look.get()));
                    let wanted = repaint.take_request();
                    if wanted || now != seen {
                        seen = now;
                        repaint.draw();
                    }
                    thread::park_timeout(FRAME_TIME);
                }
            })
        };
        Self {
            shared,
            thread: thread.ok(),
        }
    }

    /// Whether the host sends sound.
    pub fn playing(&self) -> bool {
        self.shared.playing.load(Ordering::Acquire)
    }

    /// Of a window that a test draws.
    #[cfg(test)]
    pub fn still(playing: bool) -> Self {
        let shared = Shared::default();
        shared.playing.store(playing, Ordering::Release);
        Self {
            shared: Arc::new(shared),
            thread: None,
        }
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // It ends at once, and has nothing to say.
            let _ = thread.join();
        }
    }
}

/// Finds out whether blocks still come.
#[derive(Debug, Default)]
struct Playing {
    blocks: Option<u64>,
    last: Option<Instant>,
}

impl Playing {
    fn look(&mut self, blocks: u64, now: Instant) -> bool {
        if self.blocks.replace(blocks).is_some_and(|before| before != blocks) {
            self.last = Some(now);
        }
        self.last
            .is_some_and(|last| now.saturating_duration_since(last) < STOPPED_AFTER)
    }
}

/// What there is to see, as coarse as it is seen.
#[derive(PartialEq)]
struct Seen {
    values: [u16; 21],
    words: (bool, bool, bool, Option<affekt_models::Emotion>),
    counts: (u64, u64),
    model: ModelState,
    complaint: Option<String>,
    refusal: Option<String>,
    source: Option<ModelSource>,
    pending: bool,
    /// Learning in hundredths, 255 when it is over.
    learning: u8,
    /// Redraws of the history.
    history: u64,
    /// Time of an inference in tenths of a millisecond.
    inference: u128,
    look: Look,
}

impl Seen {
    fn of(reading: &Reading, playing: bool, link: &Link, look: Look) -> Self {
        let values = &reading.values;
        let meters = &values.meters;
        let mut steps = [0; 21];
        let all = meters
            .momentary
            .iter()
            .chain(&meters.short_term)
            .chain(&meters.integrated)
            .copied()
            .chain([
                values.confidence,
                values.arousal * 0.5 + 0.5,
                values.valence * 0.5 + 0.5,
            ]);
        // The other views show none of them, or their own past.
        if matches!(look.view, View::Now | View::Outputs) {
            for (step, value) in steps.iter_mut().zip(all) {
                *step = (value.clamp(0.0, 1.0) * STEPS).round() as u16;
            }
        }
        let history = if look.view == View::History {
            link.recorder().ticks() / HISTORY_TICKS
        } else {
            0
        };
        let inference = match look.view {
            View::Model => link.inference().unwrap_or_default().as_micros() / 100,
            _ => 0,
        };
        Self {
            values: steps,
            words: (playing, values.voiced, reading.overloaded, values.dominant),
            counts: (reading.late, reading.dropped),
            model: link.model(),
            complaint: link.complaint(),
            refusal: link.refusal(),
            source: link.choice().source(),
            pending: link.is_model_pending(),
            learning: match link.singer().progress() {
                Progress::Off => 0,
                Progress::Learning(share) => 1 + (share * 100.0) as u8,
                Progress::Learned => 255,
            },
            history,
            inference,
            look,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model_choice::ModelChoice;
    use crate::readout::readout;
    use crate::singer::SingerSlot;

    #[test]
    fn blocks_that_stay_away_mean_that_it_has_stopped() {
        let start = Instant::now();
        let mut playing = Playing::default();
        assert!(!playing.look(7, start), "blocks of the past");
        assert!(playing.look(8, start));
        assert!(playing.look(8, start + STOPPED_AFTER / 2));
        assert!(!playing.look(8, start + STOPPED_AFTER));
        assert!(playing.look(9, start + STOPPED_AFTER * 2));
    }

    #[test]
    fn only_what_can_be_seen_is_a_change() {
        let link = Link::new(SingerSlot::default(), ModelChoice::default());
        let seen = |momentary: f32, blocks: u64, view: View| {
            let mut reading = Reading {
                blocks,
                ..Reading::default()
            };
            reading.values.meters.momentary[0] = momentary;
            let look = Look {
                view,
                ..Look::default()
            };
            Seen::of(&reading, true, &link, look)
        };
        assert!(seen(0.5, 1, View::Now) == seen(0.5001, 9, View::Now));
        assert!(seen(0.5, 1, View::Now) != seen(0.51, 1, View::Now));
        assert!(
            seen(0.5, 1, View::Model) == seen(0.9, 1, View::Model),
            "no meter is in sight"
        );
        let before = (seen(0.5, 1, View::Now), seen(0.5, 1, View::History));
        link.recorder().pass(75);
        assert!(seen(0.5, 1, View::Now) == before.0, "the history is not in sight");
        assert!(seen(0.5, 1, View::History) != before.1);
    }

    #[test]
    fn a_closed_window_leaves_no_thread() {
        let (_writer, readout) = readout();
        let readout = Arc::new(readout);
        let link = Arc::new(Link::new(SingerSlot::default(), ModelChoice::default()));
        for _ in 0..50 {
            let repaint = Repaint::default();
            drop(Pulse::start(
                readout.clone(),
                link.clone(),
                EditorLook::default(),
                repaint,
            ));
        }
        assert_eq!((Arc::strong_count(&readout), Arc::strong_count(&link)), (1, 1));
    }
}
