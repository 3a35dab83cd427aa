//! What the audio thread shows to the editor: plain atomics, so neither side ever waits. The editor may see the six
//! values of two successive moments mixed for one frame of its drawing.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use atomic_float::AtomicF32;

use crate::analysis::Reading;
use crate::schedule::Values;

/// The latest reading of one instance.
#[derive(Default)]
pub struct Readout {
    probabilities: [AtomicF32; 6],
    voiced: AtomicBool,
    late: AtomicU64,
    dropped: AtomicU64,
    overloaded: AtomicBool,
    blocks: AtomicU64,
}

impl Readout {
    /// Audio thread: shows a reading. `block`: whether sound was processed for it.
    pub fn show(&self, reading: &Reading, block: bool) {
        for (shown, probability) in self.probabilities.iter().zip(reading.values.probabilities) {
            shown.store(probability, Ordering::Relaxed);
        }
        self.voiced.store(reading.values.voiced, Ordering::Relaxed);
        self.late.store(reading.late, Ordering::Relaxed);
        self.dropped.store(reading.dropped, Ordering::Relaxed);
        self.overloaded.store(reading.overloaded, Ordering::Relaxed);
        self.blocks.fetch_add(u64::from(block), Ordering::Relaxed);
    }

    /// Editor: the latest reading.
    pub fn reading(&self) -> Reading {
        Reading {
            values: Values {
                probabilities: std::array::from_fn(|index| self.probabilities[index].load(Ordering::Relaxed)),
                voiced: self.voiced.load(Ordering::Relaxed),
            },
            late: self.late.load(Ordering::Relaxed),
            dropped: self.dropped.load(Ordering::Relaxed),
            overloaded: self.overloaded.load(Ordering::Relaxed),
        }
    }

    /// Editor: blocks of sound processed, ever. Stands still while the host does not play through the plugin.
    pub fn blocks(&self) -> u64 {
        self.blocks.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_read() {
        let readout = Readout::default();
        assert_eq!(readout.reading(), Reading::default());
        let reading = Reading {
            values: Values {
                probabilities: [0.1, 0.2, 0.3, 0.0, 0.15, 0.25],
                voiced: true,
            },
            late: 3,
            dropped: 4,
            overloaded: true,
        };
        readout.show(&reading, true);
        assert_eq!(readout.reading(), reading);
        readout.show(&Reading::default(), false);
        assert_eq!(readout.reading(), Reading::default());
        assert_eq!(readout.blocks(), 1);
    }
}
