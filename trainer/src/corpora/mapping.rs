//! What becomes of labels beside the six emotions. By default such clips are left out.

use std::collections::BTreeMap;
use std::str::FromStr;

use affekt_models::{EMOTIONS, Emotion};

use super::CorpusError;

/// What some corpora have beside the six emotions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Other {
    /// Calm: RAVDESS.
    Calm,
    /// Surprise, in TESS pleasant: RAVDESS, TESS, SAVEE, EMOVO, nEMO.
    Surprise,
    /// Boredom: EMO-DB.
    Boredom,
}

/// All of them.
const OTHERS: [Other; 3] = [Other::Calm, Other::Surprise, Other::Boredom];

impl Other {
    /// Name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Calm => "calm",
            Self::Surprise => "surprise",
            Self::Boredom => "boredom",
        }
    }

    /// The one with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        OTHERS.into_iter().find(|other| other.name() == name)
    }
}

/// A rule `LABEL=EMOTION`; `LABEL=drop` is what holds without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule(Other, Option<Emotion>);

impl FromStr for Rule {
    type Err = CorpusError;

    fn from_str(text: &str) -> Result<Self, CorpusError> {
        let rule = text.split_once('=').and_then(|(label, emotion)| {
            let emotion = match emotion {
                "drop" => None,
                name => Some(EMOTIONS.into_iter().find(|emotion| emotion.name() == name)?),
            };
            Some(Self(Other::from_name(label)?, emotion))
        });
        rule.ok_or_else(|| CorpusError::Mapping {
            text: text.into(),
            labels: OTHERS.map(Other::name).join(", "),
        })
    }
}

/// What becomes of labels beside the six.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mapping {
    emotions: BTreeMap<Other, Emotion>,
}

impl Mapping {
    /// The emotion it counts as; `None`: left out.
    pub fn emotion(&self, other: Other) -> Option<Emotion> {
        self.emotions.get(&other).copied()
    }
}

impl FromIterator<Rule> for Mapping {
    fn from_iter<T: IntoIterator<Item = Rule>>(rules: T) -> Self {
        let mut emotions = BTreeMap::new();
        for Rule(other, emotion) in rules {
            match emotion {
                Some(emotion) => emotions.insert(other, emotion),
                None => emotions.remove(&other),
            };
        }
        Self { emotions }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read_and_the_last_one_holds() {
        let rules = ["calm=neutral", "surprise=happy", "surprise=drop"].map(|rule| rule.parse().unwrap());
        let mapping: Mapping = rules.into_iter().collect();
        assert_eq!(mapping.emotion(Other::Calm), Some(Emotion::Neutral));
        assert_eq!(
            (mapping.emotion(Other::Surprise), mapping.emotion(Other::Boredom)),
            (None, None)
        );
        for wrong in ["calm", "calm=glad", "glad=calm", ""] {
            let message = wrong.parse::<Rule>().unwrap_err().to_string();
            assert!(
                message.contains("LABEL=EMOTION") && message.contains("boredom"),
                "{message}"
            );
        }
    }
}
