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

/// Which alignment the user wants, and which is in force: latency changes only between deactivation and activation.
/// Clones are the same slot; any thread may look.
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

    /// At an activation: what is wanted is in force from here on. Gives which it is.
    pub fn apply(&self) -> Align {
        let align = self.wanted();
        self.shared.in_force.store(align.to_index(), Ordering::Release);
        align
    }

    /// Whether another alignment is wanted than is in force, for which the host has to restart the plugin.
    pub fn is_outdated(&self) -> bool {
        self.shared.wanted.load(Ordering::Acquire) != self.shared.in_force.load(Ordering::Acquire)
    }
}

/// A delay of a fixed number of samples. What comes out is, bit for bit, what went in.
#[derive(Debug, Default)]
pub struct Delay {
    /// One ring per channel.
    rings: Vec<Vec<f32>>,
    position: usize,
}

impl Delay {
    /// A delay of `samples` for `channels`, full of silence. Allocates.
    pub fn new(channels: usize, samples: usize) -> Self {
        Self {
            rings: vec![vec![0.0; samples]; channels],
            position: 0,
        }
    }

    /// Its length in samples.
    pub fn samples(&self) -> usize {
        self.rings.first().map_or(0, Vec::len)
    }

    /// Forgets what is on its way.
    pub fn clear(&mut self) {
        self.rings.iter_mut().for_each(|ring| ring.fill(0.0));
    }

    /// Delays one block in place, one slice per channel, all of the same length.
    pub fn process(&mut self, channels: &mut [&mut [f32]]) {
        let length = self.samples();
        if length == 0 {
            return;
        }
        let mut after = self.position;
        for (ring, channel) in self.rings.iter_mut().zip(channels) {
            let mut position = self.position;
            for sample in channel.iter_mut() {
                std::mem::swap(sample, &mut ring[position]);
                position += 1;
                if position == length {
                    position = 0;
                }
            }
            after = position;
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
        for block in [1, 7, 100, 1_000] {
            let mut delay = Delay::new(2, 33);
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
    fn what_is_wanted_comes_into_force_at_an_activation() {
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
        delay.process(&mut [&mut sound]);
        assert_eq!(sound, [0.0, 0.0, 1.0]);
        delay.clear();
        delay.process(&mut [&mut sound]);
        assert_eq!(sound, [0.0, 0.0, 0.0]);
    }
}
