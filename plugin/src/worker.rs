//! The one worker thread of the process. It turns the frames of all instances into results.
//!
//! Instances hold the worker in an `Arc`; the last one that lets go stops the thread and waits for its end, because the
//! host may unload the library right after that. In real time nobody wakes the worker, which would cost the audio thread
//! a system call: it looks for frames every [`BUSY_POLL`]. A waiting offline render wakes it.

pub mod engine;
mod engines;
mod lane;
pub mod link;
mod seat;

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use engine::Engine;
use engines::Engines;
use link::Link;
use seat::Seat;

/// How often the worker looks for frames while they come: a small part of
/// [`RESULT_DELAY_S`](affekt_models::automation::RESULT_DELAY_S).
const BUSY_POLL: Duration = Duration::from_millis(4);
/// How often it looks while none come.
const IDLE_POLL: Duration = Duration::from_millis(20);
/// How long after the last frame it takes it that none come.
const IDLE_AFTER: Duration = Duration::from_secs(1);

/// The process's worker, while there are instances.
static WORKER: Mutex<Weak<Worker>> = Mutex::new(Weak::new());

/// A running worker thread.
pub struct Worker {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    /// Instances that the thread does not serve yet.
    newcomers: Mutex<Vec<Weak<Link>>>,
    stop: AtomicBool,
}

impl Worker {
    /// The worker of this process with the shipped model, started if this is the first instance.
    ///
    /// # Errors
    /// The system gives no further thread.
    pub fn of_process() -> io::Result<Arc<Self>> {
        Self::in_slot(&WORKER, Engine::shipped)
    }

    /// The worker in `slot`, started with what `load` loads if there is none.
    fn in_slot(
        slot: &Mutex<Weak<Self>>,
        load: impl FnOnce() -> Result<Engine, String> + Send + 'static,
    ) -> io::Result<Arc<Self>> {
        let mut slot = lock(slot);
        if let Some(worker) = slot.upgrade() {
            return Ok(worker);
        }
        let worker = Arc::new(Self::start(load)?);
        *slot = Arc::downgrade(&worker);
        Ok(worker)
    }

    /// Starts a thread that loads its model with `load`, then serves.
    pub fn start(load: impl FnOnce() -> Result<Engine, String> + Send + 'static) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let thread = {
            let shared = shared.clone();
            thread::Builder::new()
                .name("affekt worker".into())
                .spawn(move || shared.run(load))?
        };
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// Serves one more instance, until it is dropped. Not for the audio thread.
    pub fn adopt(&self, link: &Arc<Link>) {
        lock(&self.shared.newcomers).push(Arc::downgrade(link));
        self.wake();
    }

    /// Lets the worker look for frames now. A system call: in real time not for the audio thread. Does not allocate.
    pub fn wake(&self) {
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        self.wake();
        if let Some(thread) = self.thread.take() {
            // The thread catches its panics, so there is no error to pass on.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn run(&self, load: impl FnOnce() -> Result<Engine, String>) {
        let mut engines = Engines::new(load());
        let mut seats = Vec::new();
        let mut last_frame = Instant::now();
        while !self.stop.load(Ordering::Acquire) {
            let served = catch_unwind(AssertUnwindSafe(|| self.turn(&mut seats, &mut engines)));
            match served {
                Ok(true) => last_frame = Instant::now(),
                Ok(false) => {
                    let idle = last_frame.elapsed() > IDLE_AFTER;
                    thread::park_timeout(if idle { IDLE_POLL } else { BUSY_POLL });
                }
                // Only an error of ours could get here; whoever was being served starts over.
                Err(_) => {
                    lock(&self.newcomers).extend(seats.drain(..).map(Seat::into_link));
                    thread::park_timeout(IDLE_POLL);
                }
            }
        }
    }

    /// Serves everybody once; whether there was anything to do.
    fn turn(&self, seats: &mut Vec<Seat>, engines: &mut Engines) -> bool {
        for newcomer in lock(&self.newcomers).drain(..) {
            seats.push(Seat::new(newcomer, engines));
        }
        seats.retain(|seat| !seat.is_gone());
        engines.retain(|source| seats.iter().any(|seat| seat.uses(source)));
        let mut busy = false;
        for seat in seats {
            busy |= seat.serve(engines);
        }
        busy
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
pub mod tests {
    use affekt_features::Frame;

    use super::engine::tests::contract;
    use super::link::ModelState;
    use super::*;
    use crate::model_choice::ModelChoice;
    use crate::singer::SingerSlot;

    const PATIENCE: Duration = Duration::from_secs(20);

    /// An engine whose probabilities tell which window it was given, bit for bit.
    pub fn fingerprint_engine() -> Result<Engine, String> {
        Ok(Engine::new(contract(), "test".into(), |features| {
            let sum: f32 = features
                .iter()
                .enumerate()
                .map(|(i, x)| x * ((i % 13) as f32 + 1.0))
                .sum();
            let part = (sum / 1000.0).sin().abs();
            Ok([part, 1.0 - part, 0.0, 0.0, 0.0, 0.0])
        }))
    }

    fn send(link: &Link, frames: std::ops::Range<u64>) {
        for index in frames {
            let end_sample = index * 160 + 512;
            let frame = Frame {
                index,
                end_sample,
                bands_db: &[-30.0; 64],
                samples: &[0.1; 160],
                level_db: -20.0,
                voiced: true,
            };
            assert!(link.send(0, frame));
        }
    }

    #[test]
    fn instances_share_one_worker_and_the_last_one_ends_it() {
        static SLOT: Mutex<Weak<Worker>> = Mutex::new(Weak::new());
        // The engine, and with it the thread, holds a token.
        let token = Arc::new(());
        let loader = || {
            let token = token.clone();
            move || {
                Ok(Engine::new(contract(), "test".into(), move |_| {
                    let _held = &token;
                    Err("never called".into())
                }))
            }
        };
        for _ in 0..100 {
            let first = Worker::in_slot(&SLOT, loader()).unwrap();
            let second = Worker::in_slot(&SLOT, loader()).unwrap();
            assert!(Arc::ptr_eq(&first, &second));
            let link = Arc::new(Link::new(SingerSlot::default(), ModelChoice::default()));
            first.adopt(&link);
            drop(first);
            assert_eq!(Arc::strong_count(&token), 2, "one thread lives");
            drop(second);
            assert_eq!(Arc::strong_count(&token), 1, "and has ended");
            assert!(SLOT.lock().unwrap().upgrade().is_none());
        }
    }

    #[test]
    fn every_instance_gets_its_own_results() {
        let worker = Worker::start(fingerprint_engine).unwrap();
        let links: Vec<_> = (0..5)
            .map(|_| Arc::new(Link::new(SingerSlot::default(), ModelChoice::default())))
            .collect();
        for link in &links {
            link.set_offline(true);
            worker.adopt(link);
        }
        for (number, link) in links.iter().enumerate() {
            send(link, 0..50 + 10 * number as u64);
        }
        worker.wake();
        for (number, link) in links.iter().enumerate() {
            assert!(link.wait_until_consumed(50 + 10 * number as u64, PATIENCE));
            assert_eq!(std::iter::from_fn(|| link.receive()).count(), number + 1);
            assert!(matches!(link.model(), ModelState::Running(info) if info.card.name == "Test"));
        }
    }

    #[test]
    fn nobody_has_to_wake_it() {
        let worker = Worker::start(fingerprint_engine).unwrap();
        let link = Arc::new(Link::new(SingerSlot::default(), ModelChoice::default()));
        worker.adopt(&link);
        send(&link, 0..50);
        let start = Instant::now();
        while link.consumed() < 50 && start.elapsed() < PATIENCE {
            thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(link.consumed(), 50);
    }

    #[test]
    fn a_model_that_does_not_load_is_reported_and_holds_nobody_up() {
        let worker = Worker::start(|| Err("there is no model".into())).unwrap();
        let link = Arc::new(Link::new(SingerSlot::default(), ModelChoice::default()));
        link.set_offline(true);
        worker.adopt(&link);
        send(&link, 0..60);
        worker.wake();
        assert!(link.wait_until_consumed(60, PATIENCE));
        assert_eq!(link.model(), ModelState::Failed("there is no model".into()));
        assert!(link.receive().is_none());
    }

    #[test]
    fn instances_may_vanish_while_it_works() {
        let worker = Worker::start(fingerprint_engine).unwrap();
        for _ in 0..50 {
            let link = Arc::new(Link::new(SingerSlot::default(), ModelChoice::default()));
            worker.adopt(&link);
            send(&link, 0..100);
        }
        let last = Arc::new(Link::new(SingerSlot::default(), ModelChoice::default()));
        last.set_offline(true);
        worker.adopt(&last);
        send(&last, 0..50);
        worker.wake();
        assert!(last.wait_until_consumed(50, PATIENCE));
    }
}
