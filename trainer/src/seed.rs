//! Independent random streams for every purpose, from one seed: adding a draw in one place changes no other.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// What a random stream is for.
#[derive(Debug, Clone, Copy)]
pub enum Purpose {
    /// Dividing the speakers of a corpus.
    Split = 1,
    /// Initial weights.
    Weights = 2,
    /// Order of the clips in an epoch.
    Order = 3,
    /// A clip's window and session in an epoch.
    Sample = 4,
    /// Dropout in a step.
    Dropout = 5,
    /// Sessions of the evaluation.
    Evaluation = 6,
    /// Which clips an epoch takes, where it does not take each once.
    Balance = 7,
    /// A clip's variation in an epoch.
    Variation = 8,
    /// Mixing the samples of a step.
    Mixup = 9,
    /// Drawing speakers to see how much the figures depend on them.
    Bootstrap = 10,
    /// Values of a trial of a tuning.
    Tuning = 11,
    /// Sounds that are no voice.
    NonVoice = 12,
    /// How noise scatters.
    Texture = 13,
    /// What was sung before a clip, in its window.
    LeadIn = 14,
    /// Rooms and noise that a model is measured under.
    Condition = 20,
    /// What the altered copies of a session have in common.
    Situation = 21,
    /// An altered copy of a clip.
    Copy = 22,
    /// Whether an epoch takes a clip or one of its copies.
    Take = 23,
}

/// The stream of a purpose, told apart by two numbers.
pub fn stream(seed: u64, purpose: Purpose, first: u64, second: u64) -> ChaCha8Rng {
    let mut key = [0; 32];
    let parts = [seed, purpose as u64, first, second];
    for (bytes, part) in key.chunks_exact_mut(8).zip(parts) {
        bytes.copy_from_slice(&part.to_le_bytes());
    }
    ChaCha8Rng::from_seed(key)
}

/// A number for a text, the same on every machine and in every version (FNV-1a, 64 bits).
pub fn text_key(text: &str) -> u64 {
    bytes_key(text.as_bytes())
}

/// The same for bytes.
pub fn bytes_key(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::Rng;

    #[test]
    fn streams_are_repeatable_and_distinct() {
        let draw = |seed, first, second| stream(seed, Purpose::Sample, first, second).random::<u64>();
        assert_eq!(draw(1, 2, 3), draw(1, 2, 3));
        let all = [draw(1, 2, 3), draw(2, 2, 3), draw(1, 3, 3), draw(1, 2, 4)];
        let distinct: std::collections::BTreeSet<_> = all.into_iter().collect();
        assert_eq!(distinct.len(), all.len());
        // Published test vectors of FNV-1a.
        assert_eq!(text_key(""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(text_key("a"), 0xaf63_dc4c_8601_ec8c);
    }
}
