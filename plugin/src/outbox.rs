//! Messages on their way from an instance's `process` to the format's wrapper around it, which hands them to the host.
//!
//! nice-plug knows no changes of parameters that come from the plugin, and it would hand MIDI to the host on its own,
//! out of order with them. Both ends are on the audio thread, one after the other in the same call.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use affekt_models::automation::{Controller, Emission};
use crossbeam::queue::ArrayQueue;

/// Messages that find room: those of nine outputs and nine lanes over two seconds, longer than any block.
const CAPACITY: usize = 4_096;

/// Something for the host.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Message {
    /// An output's parameter, by its place in `OUTPUTS`, has a new value, 0 to 1.
    Parameter(usize, f32),
    /// A MIDI control change.
    Controller(Controller),
}

/// One instance's messages.
#[derive(Debug)]
pub struct Outbox {
    messages: ArrayQueue<(u32, Message)>,
    /// Samples of the host's block that are done: nice-plug may cut it in pieces.
    done: AtomicU32,
}

impl Default for Outbox {
    fn default() -> Self {
        Self {
            messages: ArrayQueue::new(CAPACITY),
            done: AtomicU32::new(0),
        }
    }
}

thread_local! {
    /// The outbox of the instance that this thread made last.
    static NEWBORN: RefCell<Option<Arc<Outbox>>> = const { RefCell::new(None) };
}

impl Outbox {
    /// An outbox for the instance that is being made, which its wrapper finds with [`Outbox::of_newborn`]:
    /// nice-plug's wrappers make the plugin, and give no access to it.
    pub fn for_newborn() -> Arc<Self> {
        let outbox = Arc::<Self>::default();
        NEWBORN.set(Some(outbox.clone()));
        outbox
    }

    /// The outbox of the instance that this thread made last, once.
    pub fn of_newborn() -> Option<Arc<Self>> {
        NEWBORN.take()
    }

    /// Wrapper: a block of the host's begins.
    pub fn begin(&self) {
        while self.messages.pop().is_some() {}
        self.done.store(0, Ordering::Relaxed);
    }

    /// Plugin: puts in what goes out at `offset` samples from the start of the present piece. What finds no room is left
    /// out.
    pub fn put(&self, offset: u64, emission: &Emission) {
        if emission.is_empty() {
            return;
        }
        let time = u32::try_from(offset)
            .unwrap_or(u32::MAX)
            .saturating_add(self.done.load(Ordering::Relaxed));
        for (place, value) in emission.parameters.into_iter().enumerate() {
            if let Some(value) = value {
                let _ = self.messages.push((time, Message::Parameter(place, value)));
            }
        }
        for controller in emission.controllers.into_iter().flatten() {
            let _ = self.messages.push((time, Message::Controller(controller)));
        }
    }

    /// Plugin: a piece of so many samples is done.
    pub fn end_piece(&self, samples: usize) {
        let samples = u32::try_from(samples).unwrap_or(u32::MAX);
        let done = self.done.load(Ordering::Relaxed).saturating_add(samples);
        self.done.store(done, Ordering::Relaxed);
    }

    /// Wrapper: the next message, in the order of time, and its place in the host's block, in samples.
    pub fn take(&self) -> Option<(u32, Message)> {
        self.messages.pop()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn emission(value: f32) -> Emission {
        let mut emission = Emission::default();
        emission.parameters[3] = Some(value);
        emission.controllers[1] = Some(Controller {
            channel: 1,
            number: 71,
            value: 9,
        });
        emission
    }

    #[test]
    fn pieces_of_a_block_are_put_together() {
        let outbox = Outbox::default();
        outbox.put(5, &emission(0.1));
        outbox.begin();
        outbox.put(64, &emission(0.25));
        outbox.end_piece(100);
        outbox.put(28, &Emission::default());
        outbox.put(28, &emission(0.5));
        outbox.end_piece(412);
        let messages: Vec<_> = std::iter::from_fn(|| outbox.take()).collect();
        let controller = Message::Controller(emission(0.0).controllers[1].unwrap());
        assert_eq!(
            messages,
            [
                (64, Message::Parameter(3, 0.25)),
                (64, controller),
                (128, Message::Parameter(3, 0.5)),
                (128, controller)
            ]
        );
        outbox.begin();
        assert_eq!(outbox.take(), None);
    }

    #[test]
    fn the_newborn_is_found_once() {
        let outbox = Outbox::for_newborn();
        assert!(Arc::ptr_eq(&outbox, &Outbox::of_newborn().unwrap()));
        assert!(Outbox::of_newborn().is_none());
    }

    #[test]
    fn too_many_messages_are_left_out() {
        let outbox = Outbox::default();
        for n in 0..CAPACITY as u64 {
            outbox.put(n, &emission(0.5));
        }
        assert_eq!(std::iter::from_fn(|| outbox.take()).count(), CAPACITY);
    }
}
