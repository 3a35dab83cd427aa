//! Messages on their way from an instance's `process` to the format's wrapper around it, which hands them to the host;
//! and what else the two tell each other past nice-plug.
//!
//! nice-plug knows no changes of parameters that come from the plugin, and it would hand MIDI to the host on its own,
//! out of order with them. Both ends are on the audio thread, one after the other in the same call.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use affekt_models::automation::{Controller, Emission, LANES};
use crossbeam::queue::ArrayQueue;

/// Messages that find room: those of nine outputs and nine lanes over two seconds, longer than any block.
const CAPACITY: usize = 4_096;

/// Something for the host.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Message {
    /// An output's parameter, by its place in `OUTPUTS`, has a new value, 0 to 1.
    Parameter(usize, f32),
    /// An output's lane, by its place in `OUTPUTS`, sends a MIDI control change.
    Controller(usize, Controller),
}

impl Message {
    /// What it says something new of: a number for each parameter and each lane.
    fn topic(&self) -> usize {
        match *self {
            Self::Parameter(place, _) => place,
            Self::Controller(place, _) => LANES + place,
        }
    }
}

/// One instance's messages.
#[derive(Debug)]
pub struct Outbox {
    messages: ArrayQueue<(u32, Message)>,
    /// Samples of the host's block that are done: nice-plug may cut it in pieces.
    done: AtomicU32,
    /// The last message of each topic that the host has refused; at most one of each.
    refused: ArrayQueue<Message>,
    /// How many of them, the first ones, are from earlier blocks.
    again: AtomicU32,
    /// The topics of the block's messages, one bit each.
    news: AtomicU32,
    offline: AtomicBool,
}

impl Default for Outbox {
    fn default() -> Self {
        Self {
            messages: ArrayQueue::new(CAPACITY),
            done: AtomicU32::new(0),
            refused: ArrayQueue::new(2 * LANES),
            again: AtomicU32::new(0),
            news: AtomicU32::new(0),
            offline: AtomicBool::new(false),
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
        self.again.store(self.refused.len() as u32, Ordering::Relaxed);
        self.news.store(0, Ordering::Relaxed);
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
        let put = |message: Message| {
            self.news.fetch_or(1 << message.topic(), Ordering::Relaxed);
            let _ = self.messages.push((time, message));
        };
        for (place, value) in emission.parameters.into_iter().enumerate() {
            if let Some(value) = value {
                put(Message::Parameter(place, value));
            }
        }
        for (place, controller) in emission.controllers.into_iter().enumerate() {
            if let Some(controller) = controller {
                put(Message::Controller(place, controller));
            }
        }
    }

    /// Plugin: a piece of so many samples is done.
    pub fn end_piece(&self, samples: usize) {
        let samples = u32::try_from(samples).unwrap_or(u32::MAX);
        let done = self.done.load(Ordering::Relaxed).saturating_add(samples);
        self.done.store(done, Ordering::Relaxed);
    }

    /// Wrapper: the next message, in the order of time, and its place in the host's block, in samples. First come those
    /// that the host has refused in earlier blocks, unless there are newer ones of the same.
    pub fn take(&self) -> Option<(u32, Message)> {
        while let again @ 1.. = self.again.load(Ordering::Relaxed) {
            self.again.store(again - 1, Ordering::Relaxed);
            if let Some(message) = self.refused.pop()
                && self.news.load(Ordering::Relaxed) & 1 << message.topic() == 0
            {
                return Some((0, message));
            }
        }
        self.messages.pop()
    }

    /// Wrapper: the host has no room for a message that was taken. It comes again with the next block, so that the last
    /// value arrives even if no other follows.
    pub fn refuse(&self, message: Message) {
        // Each once around, so that the others keep their order.
        for _ in 0..self.refused.len() {
            if let Some(other) = self.refused.pop()
                && other.topic() != message.topic()
            {
                let _ = self.refused.push(other);
            }
        }
        // There is room: it is the only one of its topic.
        let _ = self.refused.push(message);
    }

    /// Wrapper: whether the host waits for the results of the blocks from here on, as it does in a bounce.
    pub fn set_offline(&self, offline: bool) {
        self.offline.store(offline, Ordering::Relaxed);
    }

    /// Plugin: whether the host waits for the block's results.
    pub fn is_offline(&self) -> bool {
        self.offline.load(Ordering::Relaxed)
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
        let controller = Message::Controller(1, emission(0.0).controllers[1].unwrap());
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

    /// Takes all messages of a block into which `put` puts some; the host refuses those that `refuses` says.
    fn block(outbox: &Outbox, put: impl Fn(), refuses: impl Fn(&Message) -> bool) -> Vec<(u32, Message)> {
        outbox.begin();
        put();
        let mut taken = Vec::new();
        while let Some((time, message)) = outbox.take() {
            if refuses(&message) {
                outbox.refuse(message);
            } else {
                taken.push((time, message));
            }
        }
        taken
    }

    #[test]
    fn what_the_host_refuses_comes_again() {
        let outbox = Outbox::default();
        let parameter = |place: usize, value: f32| Message::Parameter(place, value);
        let put = |time: u64, place: usize, value: f32| {
            let mut emission = Emission::default();
            emission.parameters[place] = Some(value);
            outbox.put(time, &emission);
        };
        let (all, none) = (|_: &Message| true, |_: &Message| false);
        let several = || {
            put(1, 4, 0.1);
            put(2, 7, 0.2);
            put(3, 4, 0.3);
            outbox.put(5, &emission(0.4));
        };
        assert_eq!(block(&outbox, several, all), []);
        // A host that has no room for long.
        assert_eq!(block(&outbox, || (), all), []);
        // The last of each; what is new goes before what was refused.
        let taken = block(&outbox, || put(9, 7, 0.5), |message| message.topic() == 4);
        let controller = Message::Controller(1, emission(0.0).controllers[1].unwrap());
        assert_eq!(taken, [(0, parameter(3, 0.4)), (0, controller), (9, parameter(7, 0.5))]);
        assert_eq!(block(&outbox, || (), none), [(0, parameter(4, 0.3))]);
        assert_eq!(block(&outbox, || (), none), [], "once it was taken it is done");
    }

    #[test]
    fn every_parameter_and_every_lane_may_be_refused() {
        let outbox = Outbox::default();
        let everything = Emission {
            parameters: [Some(0.5); LANES],
            controllers: [emission(0.0).controllers[1]; LANES],
        };
        for _ in 0..3 {
            block(&outbox, || outbox.put(3, &everything), |_| true);
        }
        assert_eq!(block(&outbox, || (), |_| false).len(), 2 * LANES);
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
