//! Who trains, who validates, who tests.

use std::collections::{BTreeMap, BTreeSet};

use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

use crate::recipe::{Protocol, SplitRecipe};
use crate::seed::{Purpose, stream, text_key};

/// The part a speaker plays, who was heard most first.
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
        "no corpus has 3 usable speakers or more ({0}): at least 3 are needed, one each to train, validate and test"
    )]
    TooFewSpeakers(String),
    /// One corpus cannot be left out of one.
    #[error("there is one corpus only: give at least two with --corpus, or choose another `split.protocol`")]
    OneCorpus,
    /// There is no such fold.
    #[error("there is no fold {fold}: the recipe's `split.protocol` makes {folds}")]
    Fold {
        /// What was asked for, from 1.
        fold: usize,
        /// How many there are.
        folds: usize,
    },
    /// A file lists a speaker twice.
    #[error("speaker {0} is listed twice: a speaker belongs to one side only")]
    Twice(String),
}

impl SpeakerSplit {
    /// All divisions of the recipe's protocol; `speakers` are named `corpus/speaker`.
    pub fn all<'a>(
        speakers: impl IntoIterator<Item = &'a str>,
        recipe: &SplitRecipe,
        seed: u64,
    ) -> Result<Vec<Self>, SplitError> {
        let corpora = shuffled(speakers, seed);
        check_enough(&corpora)?;
        let everybody = || corpora.values().flatten().copied();
        match recipe.protocol {
            Protocol::HoldOut => Ok(vec![Self::hold_out(&corpora, recipe)]),
            Protocol::Folds => Ok((0..recipe.folds)
                .map(|fold| {
                    let own = corpora
                        .values()
                        .flat_map(|order| order.iter().skip(fold).step_by(recipe.folds));
                    Self::around(&corpora, &own.copied().collect(), recipe, fold)
                })
                .filter(|split| !split.speakers(Side::Test).is_empty())
                .collect()),
            Protocol::Speakers => Ok(everybody()
                .enumerate()
                .map(|(fold, speaker)| Self::around(&corpora, &BTreeSet::from([speaker]), recipe, fold))
                .collect()),
            Protocol::Corpora if corpora.len() < 2 => Err(SplitError::OneCorpus),
            Protocol::Corpora => Ok(corpora
                .values()
                .map(|own| Self::around(&corpora, &own.iter().copied().collect(), recipe, 0))
                .collect()),
        }
    }

    /// One of them, `fold` from 1.
    pub fn fold<'a>(
        speakers: impl IntoIterator<Item = &'a str>,
        recipe: &SplitRecipe,
        seed: u64,
        fold: usize,
    ) -> Result<Self, SplitError> {
        let mut all = Self::all(speakers, recipe, seed)?;
        let folds = all.len();
        match fold.checked_sub(1).filter(|place| *place < folds) {
            Some(place) => Ok(all.swap_remove(place)),
            None => Err(SplitError::Fold { fold, folds }),
        }
    }

    /// Shares of each corpus validate and test; corpora of fewer than three speakers only train.
    fn hold_out(corpora: &BTreeMap<&str, Vec<&str>>, recipe: &SplitRecipe) -> Self {
        let mut sides = BTreeMap::new();
        for order in corpora.values() {
            let most = order.len().saturating_sub(1) / 2;
            let count = |share: f64| ((order.len() as f64 * share).round() as usize).max(1).min(most);
            let (validation, test) = (count(recipe.validation), count(recipe.test));
            for (place, speaker) in order.iter().enumerate() {
                let side = if place < validation {
                    Side::Validation
                } else if place < validation + test {
                    Side::Test
                } else {
                    Side::Train
                };
                sides.insert((*speaker).to_string(), side);
            }
        }
        Self { sides }
    }

    /// `test` tests; of the others in each corpus a share validates, in each fold others.
    fn around(corpora: &BTreeMap<&str, Vec<&str>>, test: &BTreeSet<&str>, recipe: &SplitRecipe, fold: usize) -> Self {
        let mut sides: BTreeMap<String, Side> = BTreeMap::new();
        for order in corpora.values() {
            let mut rest: Vec<&str> = order
                .iter()
                .copied()
                .filter(|speaker| !test.contains(speaker))
                .collect();
            let most = rest.len() / 2;
            let validation = ((order.len() as f64 * recipe.validation).round() as usize)
                .max(1)
                .min(most);
            let turn = (fold * validation) % rest.len().max(1);
            rest.rotate_left(turn);
            for (place, speaker) in rest.into_iter().enumerate() {
                let side = if place < validation {
                    Side::Validation
                } else {
                    Side::Train
                };
                sides.insert(speaker.to_string(), side);
            }
        }
        for speaker in test {
            sides.insert((*speaker).to_string(), Side::Test);
        }
        Self { sides }
    }

    /// The same, but whoever `before` knows keeps the side of there: weights that come from there have heard them.
    #[must_use]
    pub fn keeping(mut self, before: &Self) -> Self {
        for (speaker, side) in &mut self.sides {
            if let Some(kept) = before.side(speaker) {
                *side = kept;
            }
        }
        self
    }

    /// Everybody that either knows. Whom both know is on the side that says more of what was heard: who trained in one of
    /// them trained.
    #[must_use]
    pub fn joined(mut self, other: &Self) -> Self {
        for (speaker, side) in &other.sides {
            let own = self.sides.entry(speaker.clone()).or_insert(*side);
            *own = (*side).min(*own);
        }
        self
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

/// The speakers of each corpus in a seeded order that does not depend on the other corpora.
fn shuffled<'a>(speakers: impl IntoIterator<Item = &'a str>, seed: u64) -> BTreeMap<&'a str, Vec<&'a str>> {
    let mut corpora: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for speaker in speakers {
        let corpus = speaker.split_once('/').map_or(speaker, |(corpus, _)| corpus);
        corpora.entry(corpus).or_default().insert(speaker);
    }
    let shuffle = |(corpus, speakers): (&'a str, BTreeSet<&'a str>)| {
        let mut order: Vec<_> = speakers.into_iter().collect();
        order.shuffle(&mut stream(seed, Purpose::Split, text_key(corpus), 0));
        (corpus, order)
    };
    corpora.into_iter().map(shuffle).collect()
}

fn check_enough(corpora: &BTreeMap<&str, Vec<&str>>) -> Result<(), SplitError> {
    if corpora.values().any(|speakers| speakers.len() >= 3) {
        return Ok(());
    }
    let counts: Vec<_> = corpora
        .iter()
        .map(|(corpus, speakers)| format!("{corpus} has {}", speakers.len()))
        .collect();
    Err(SplitError::TooFewSpeakers(counts.join(", ")))
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
        protocol: Protocol::HoldOut,
        folds: 5,
        validation: 0.1667,
        test: 0.1667,
    };

    fn speakers() -> Vec<String> {
        let crema = (1001..=1072).map(|actor| format!("crema-d/{actor}"));
        crema
            .chain((3..=10).map(|speaker| format!("emo-db/{speaker:02}")))
            .collect()
    }

    #[test]
    fn who_was_heard_before_keeps_the_side() {
        let (before, other) = (draw(7), draw(8));
        assert_ne!(before, other);
        assert_eq!(other.clone().keeping(&before), before);
        let names = speakers();
        let some = names
            .iter()
            .map(String::as_str)
            .filter(|name| name.starts_with("emo-db"));
        let some = SpeakerSplit::fold(some, &RECIPE, 7, 1).unwrap();
        let mixed = other.clone().keeping(&some);
        for name in &names {
            assert_eq!(mixed.side(name), some.side(name).or(other.side(name)), "{name}");
        }
    }

    #[test]
    fn who_was_heard_in_one_of_two_runs_was_heard() {
        let split = |train: &[&str], validation: &[&str], test: &[&str]| {
            let list = |names: &[&str]| names.iter().map(|name| (*name).to_string()).collect();
            SpeakerSplit::try_from(Sides {
                train: list(train),
                validation: list(validation),
                test: list(test),
            })
            .unwrap()
        };
        let (one, other) = (
            split(&["a/1"], &["a/2", "a/3"], &["a/4", "a/5"]),
            split(&["a/2", "a/5", "a/6"], &["a/1", "a/4"], &["a/3", "a/7"]),
        );
        let all = split(&["a/1", "a/2", "a/5", "a/6"], &["a/3", "a/4"], &["a/7"]);
        assert_eq!(one.clone().joined(&other), all);
        assert_eq!(other.joined(&one), all);
    }

    fn draw(seed: u64) -> SpeakerSplit {
        SpeakerSplit::fold(speakers().iter().map(String::as_str), &RECIPE, seed, 1).unwrap()
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
        let alone = SpeakerSplit::fold(alone.iter().map(String::as_str), &RECIPE, 7, 1).unwrap();
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
    fn two_speakers_are_too_few_but_may_train_beside_others() {
        let error = SpeakerSplit::all(["a/1", "a/2", "b/1"], &RECIPE, 0).unwrap_err();
        assert_eq!(error, SplitError::TooFewSpeakers("a has 2, b has 1".into()));
        let split = SpeakerSplit::fold(["a/1", "a/2", "b/1", "b/2", "b/3"], &RECIPE, 0, 1).unwrap();
        assert_eq!(
            (split.side("a/1"), split.side("a/2")),
            (Some(Side::Train), Some(Side::Train))
        );
    }

    #[test]
    fn under_every_protocol_everybody_has_one_side_and_tests_once() {
        for (protocol, folds) in [(Protocol::Folds, 5), (Protocol::Speakers, 80), (Protocol::Corpora, 2)] {
            let recipe = SplitRecipe { protocol, ..RECIPE };
            let all = SpeakerSplit::all(speakers().iter().map(String::as_str), &recipe, 7).unwrap();
            assert_eq!(all.len(), folds, "{protocol:?}");
            let mut tested = Vec::new();
            for split in &all {
                let side = |side| split.speakers(side);
                assert!(
                    !side(Side::Train).is_empty() && !side(Side::Validation).is_empty(),
                    "{protocol:?}"
                );
                // The map holds one side per speaker, and everybody.
                let count: usize = [Side::Train, Side::Validation, Side::Test]
                    .map(|own| side(own).len())
                    .iter()
                    .sum();
                assert_eq!(count, 80);
                tested.extend(side(Side::Test).into_iter().map(String::from));
            }
            tested.sort();
            let mut expected = speakers();
            expected.sort();
            assert_eq!(tested, expected, "{protocol:?}");
        }
        let one = ["a/1", "a/2", "a/3"];
        let recipe = SplitRecipe {
            protocol: Protocol::Corpora,
            ..RECIPE
        };
        assert_eq!(SpeakerSplit::all(one, &recipe, 0), Err(SplitError::OneCorpus));
        assert_eq!(
            SpeakerSplit::fold(one, &RECIPE, 0, 2),
            Err(SplitError::Fold { fold: 2, folds: 1 })
        );
    }
}
