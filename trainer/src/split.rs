//! Who trains, who validates, who tests.

use std::collections::{BTreeMap, BTreeSet};

use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

use crate::recipe::SplitRecipe;
use crate::seed::{Purpose, stream, text_key};

/// The part a speaker plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// The network learns from this speaker.
    Train,
    /// Decides which epoch is kept, and the calibration.
    Validation,
    /// Only measured on.
    Test,
}

/// One side for each speaker: a speaker cannot be on two, because each is the key of one entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Sides", into = "Sides")]
pub struct SpeakerSplit {
    sides: BTreeMap<String, Side>,
}

/// The split as it is written to files.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sides {
    train: Vec<String>,
    validation: Vec<String>,
    test: Vec<String>,
}

/// Why speakers cannot be divided.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SplitError {
    /// Too few speakers for three sides.
    #[error(
        "corpus {corpus} has {speakers} usable speakers: at least 3 are needed, one each to train, validate and test"
    )]
    TooFewSpeakers {
        /// The corpus.
        corpus: String,
        /// How many speakers it has.
        speakers: usize,
    },
    /// A file lists a speaker twice.
    #[error("speaker {0} is listed twice: a speaker belongs to one side only")]
    Twice(String),
}

impl SpeakerSplit {
    /// Divides the speakers of each corpus by a seeded draw; `speakers` are named `corpus/speaker`.
    pub fn draw<'a>(
        speakers: impl IntoIterator<Item = &'a str>,
        recipe: &SplitRecipe,
        seed: u64,
    ) -> Result<Self, SplitError> {
        let mut corpora: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for speaker in speakers {
            let corpus = speaker.split_once('/').map_or(speaker, |(corpus, _)| corpus);
            corpora.entry(corpus).or_default().insert(speaker);
        }
        let mut sides = BTreeMap::new();
        for (corpus, speakers) in corpora {
            if speakers.len() < 3 {
                return Err(SplitError::TooFewSpeakers {
                    corpus: corpus.into(),
                    speakers: speakers.len(),
                });
            }
            let mut order: Vec<_> = speakers.into_iter().collect();
            order.shuffle(&mut stream(seed, Purpose::Split, text_key(corpus), 0));
            let most = (order.len() - 1) / 2;
            let count = |share: f64| ((order.len() as f64 * share).round() as usize).clamp(1, most);
            let (validation, test) = (count(recipe.validation), count(recipe.test));
            for (place, speaker) in order.into_iter().enumerate() {
                let side = if place < validation {
                    Side::Validation
                } else if place < validation + test {
                    Side::Test
                } else {
                    Side::Train
                };
                sides.insert(speaker.to_string(), side);
            }
        }
        Ok(Self { sides })
    }

    /// The speaker's side, if the split knows the speaker.
    pub fn side(&self, speaker: &str) -> Option<Side> {
        self.sides.get(speaker).copied()
    }

    /// The speakers of one side, sorted.
    pub fn speakers(&self, side: Side) -> Vec<&str> {
        let own = self.sides.iter().filter(|(_, found)| **found == side);
        own.map(|(speaker, _)| speaker.as_str()).collect()
    }
}

impl From<SpeakerSplit> for Sides {
    fn from(split: SpeakerSplit) -> Self {
        let list = |side| split.speakers(side).into_iter().map(String::from).collect();
        Self {
            train: list(Side::Train),
            validation: list(Side::Validation),
            test: list(Side::Test),
        }
    }
}

impl TryFrom<Sides> for SpeakerSplit {
    type Error = SplitError;

    fn try_from(lists: Sides) -> Result<Self, SplitError> {
        let mut sides = BTreeMap::new();
        let lists = [
            (Side::Train, lists.train),
            (Side::Validation, lists.validation),
            (Side::Test, lists.test),
        ];
        for (side, speakers) in lists {
            for speaker in speakers {
                if sides.insert(speaker.clone(), side).is_some() {
                    return Err(SplitError::Twice(speaker));
                }
            }
        }
        Ok(Self { sides })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECIPE: SplitRecipe = SplitRecipe {
        validation: 0.1667,
        test: 0.1667,
    };

    fn speakers() -> Vec<String> {
        let crema = (1001..=1072).map(|actor| format!("crema-d/{actor}"));
        crema
            .chain((3..=10).map(|speaker| format!("emo-db/{speaker:02}")))
            .collect()
    }

    fn draw(seed: u64) -> SpeakerSplit {
        SpeakerSplit::draw(speakers().iter().map(String::as_str), &RECIPE, seed).unwrap()
    }

    #[test]
    fn each_corpus_gives_its_share_and_everybody_has_one_side() {
        let split = draw(7);
        let count = |side, corpus: &str| {
            let own = split.speakers(side).into_iter();
            own.filter(|speaker| speaker.starts_with(corpus)).count()
        };
        for (side, crema, emo) in [(Side::Train, 48, 6), (Side::Validation, 12, 1), (Side::Test, 12, 1)] {
            assert_eq!((count(side, "crema-d"), count(side, "emo-db")), (crema, emo));
        }
        assert!(speakers().iter().all(|speaker| split.side(speaker).is_some()));
        assert_eq!(split.side("crema-d/9999"), None);
    }

    #[test]
    fn the_draw_depends_on_seed_and_corpus_only() {
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
        let alone: Vec<_> = speakers().into_iter().filter(|name| name.starts_with("emo")).collect();
        let alone = SpeakerSplit::draw(alone.iter().map(String::as_str), &RECIPE, 7).unwrap();
        for speaker in alone.speakers(Side::Test) {
            assert_eq!(draw(7).side(speaker), Some(Side::Test));
        }
    }

    #[test]
    fn a_speaker_cannot_be_read_back_onto_two_sides() {
        let split = draw(7);
        let json = serde_json::to_string(&split).unwrap();
        assert_eq!(serde_json::from_str::<SpeakerSplit>(&json).unwrap(), split);
        let twice = r#"{"train":["a/1"],"validation":[],"test":["a/1"]}"#;
        let error = serde_json::from_str::<SpeakerSplit>(twice).unwrap_err().to_string();
        assert!(error.contains("a/1"), "{error}");
    }

    #[test]
    fn two_speakers_are_too_few() {
        let error = SpeakerSplit::draw(["a/1", "a/2"], &RECIPE, 0).unwrap_err();
        assert_eq!(
            error,
            SplitError::TooFewSpeakers {
                corpus: "a".into(),
                speakers: 2
            }
        );
    }
}
