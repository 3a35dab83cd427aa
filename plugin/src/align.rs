//! Delays the sound, so that automation, which can only follow what has been heard, leads it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use nice_plug::prelude::Enum;

/// How far the sound is delayed, so that automation leads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
pub enum Align {
    /// Not at all.
    #[id = "off"]
    Off,
    /// A quarter of a second.
    #[id = "quarter"]
    #[name = "0.25 s"]
    Quarter,
    /// Half a second.
    #[id = "half"]
    #[name = "0.5 s"]
    Half,
    /// A second.
    #[id = "one"]
    #[name = "1 s"]
    One,
}

impl Align {
    /// The one with the longest delay.
    pub const LONGEST: Self = Self::One;

    /// The delay in host samples.
    pub fn samples(self, rate_hz: f64) -> usize {
        let seconds = match self {
            Self::Off => 0.0,
            Self::Quarter => 0.25,
            Self::Half => 0.5,
            Self::One => 1.0,
        };
        (seconds * rate_hz).round() as usize
    }
}

/// Which alignment the user wants, and which is in force: the audio thread takes over the one that is wanted where the
/// format lets it, and the next activation in any case. Clones are the same slot; any thread may look.
#[derive(Debug, Clone, Default)]
pub struct AlignSlot {
    shared: Arc<Shared>,
}

/// Places in the list of alignments.
#[derive(Debug, Default)]
struct Shared {
    wanted: AtomicUsize,
    in_force: AtomicUsize,
}

impl AlignSlot {
    /// The user wants this.
    pub fn want(&self, align: Align) {
        self.shared.wanted.store(align.to_index(), Ordering::Release);
    }

    /// What the user wants.
    pub fn wanted(&self) -> Align {
        Align::from_index(self.shared.wanted.load(Ordering::Acquire))
    }

    /// What is wanted is in force from here on. Gives which it is.
    pub fn apply(&self) -> Align {
        let align = self.wanted();
        self.shared.in_force.store(align.to_index(), Ordering::Release);
        align
    }

    /// Whether another alignment is wanted than is in force.
    pub fn is_outdated(&self) -> bool {
        self.shared.wanted.load(Ordering::Acquire) != self.shared.in_force.load(Ordering::Acquire)
    }
}

/// A delay. What comes out is, bit for bit, what went in.
#[derive(Debug, Default)]
pub struct Delay {
    /// One ring per channel, a sample longer than the longest delay.
    rings: Vec<Vec<f32>>,
    /// Where the next sample is written.
    position: usize,
    samples: usize,
}

impl Delay {
    /// A delay of at most `longest` samples for `channels`, full of silence; of none to begin with. Allocates.
    pub fn new(channels: usize, longest: usize) -> Self {
        Self {
            rings: vec![vec![0.0; longest + 1]; channels],
            position: 0,
            samples: 0,
        }
    }

    /// Delays by `samples` from here on, by the longest delay if that is less: where the delay grows, the sound before is
    /// heard again, where it shrinks, some of it is left out. Does not allocate.
    pub fn set(&mut self, samples: usize) {
        self.samples = samples.min(self.rings.first().map_or(0, |ring| ring.len() - 1));
    }

    /// Its length in samples.
    pub fn samples(&self) -> usize {
        self.samples
    }

    /// Forgets what is on its way.
    pub fn clear(&mut self) {
        self.rings.iter_mut().for_each(|ring| ring.fill(0.0));
    }

    /// Delays one block in place, one slice per channel, all of the same length.
    pub fn process(&mut self, channels: &mut [&mut [f32]]) {
        let mut after = self.position;
        for (ring, channel) in self.rings.iter_mut().zip(channels) {
            let length = ring.len();
            let next = |position: usize| if position + 1 == length { 0 } else { position + 1 };
            let mut written = self.position;
            let mut read = (self.position + length - self.samples) % length;
            for sample in channel.iter_mut() {
                ring[written] = *sample;
                *sample = ring[read];
                (written, read) = (next(written), next(read));
            }
            after = written;
        }
        self.position = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::awkward_samples;

    #[test]
    fn sound_comes_later_and_otherwise_as_it_is() {
        let sound: Vec<f32> = awkward_samples().into_iter().cycle().take(1_000).collect();
        for (block, longest) in [(1, 33), (7, 34), (100, 33), (1_000, 500)] {
            let mut delay = Delay::new(2, longest);
            delay.set(33);
            let (mut left, mut right) = (sound.clone(), sound.clone());
            right.reverse();
            let reversed = right.clone();
            for (left, right) in left.chunks_mut(block).zip(right.chunks_mut(block)) {
                delay.process(&mut [left, right]);
            }
            for (out, original) in [(left, &sound), (right, &reversed)] {
                assert!(out[..33].iter().all(|sample| sample.to_bits() == 0));
                for (out, original) in out[33..].iter().zip(original) {
                    assert_eq!(out.to_bits(), original.to_bits(), "blocks of {block}");
                }
            }
        }
    }

    #[test]
    fn it_grows_and_shrinks_while_sound_runs() {
        let mut delay = Delay::new(1, 4);
        let mut heard = Vec::new();
        for (samples, mut block) in [
            (0, [1.0, 2.0, 3.0]),
            (2, [4.0, 5.0, 6.0]),
            (4, [7.0, 8.0, 9.0]),
            (1, [10.0, 11.0, 12.0]),
        ] {
            delay.set(samples);
            delay.process(&mut [&mut block]);
            heard.extend(block);
        }
        assert_eq!(heard, [1.0, 2.0, 3.0, 2.0, 3.0, 4.0, 3.0, 4.0, 5.0, 9.0, 10.0, 11.0]);
        delay.set(5);
        assert_eq!(delay.samples(), 4);
    }

    #[test]
    fn what_is_wanted_comes_into_force() {
        let slot = AlignSlot::default();
        assert!(!slot.is_outdated());
        slot.want(Align::Half);
        assert!(slot.is_outdated());
        assert_eq!(slot.apply().samples(48_000.0), 24_000);
        assert!(!slot.is_outdated());
    }

    #[test]
    fn no_delay_does_nothing_and_a_cleared_one_is_silent() {
        let mut sound = [1.0, 2.0, 3.0];
        Delay::new(1, 0).process(&mut [&mut sound]);
        assert_eq!(sound, [1.0, 2.0, 3.0]);
        let mut delay = Delay::new(1, 2);
        delay.set(2);
        delay.process(&mut [&mut sound]);
        assert_eq!(sound, [0.0, 0.0, 1.0]);
        delay.clear();
        delay.process(&mut [&mut sound]);
        assert_eq!(sound, [0.0, 0.0, 0.0]);
    }
}
