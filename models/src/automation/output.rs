use crate::{EMOTIONS, Emotion};

/// What the plugin hands out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Output {
    /// How much of an emotion is heard, 0 to 1.
    Emotion(Emotion),
    /// How activated the voice is, -1 (calm) to 1 (excited).
    Arousal,
    /// How pleasant what it expresses is, -1 to 1.
    Valence,
    /// How sure the model is: 0 (a guess among six) to 1 (certain).
    Confidence,
}

/// All of them: the emotions in the order of [`EMOTIONS`], then the three that are derived.
pub const OUTPUTS: [Output; 9] = [
    Output::Emotion(EMOTIONS[0]),
    Output::Emotion(EMOTIONS[1]),
    Output::Emotion(EMOTIONS[2]),
    Output::Emotion(EMOTIONS[3]),
    Output::Emotion(EMOTIONS[4]),
    Output::Emotion(EMOTIONS[5]),
    Output::Arousal,
    Output::Valence,
    Output::Confidence,
];

impl Output {
    /// Place in [`OUTPUTS`].
    pub fn index(self) -> usize {
        match self {
            Self::Emotion(emotion) => emotion.index(),
            Self::Arousal => 6,
            Self::Valence => 7,
            Self::Confidence => 8,
        }
    }

    /// Name in files and identifiers: "angry", "arousal".
    pub fn name(self) -> &'static str {
        match self {
            Self::Emotion(emotion) => emotion.name(),
            Self::Arousal => "arousal",
            Self::Valence => "valence",
            Self::Confidence => "confidence",
        }
    }

    /// Name as a heading: "Angry", "Arousal".
    pub fn title(self) -> &'static str {
        match self {
            Self::Emotion(Emotion::Angry) => "Angry",
            Self::Emotion(Emotion::Disgust) => "Disgust",
            Self::Emotion(Emotion::Fear) => "Fear",
            Self::Emotion(Emotion::Happy) => "Happy",
            Self::Emotion(Emotion::Neutral) => "Neutral",
            Self::Emotion(Emotion::Sad) => "Sad",
            Self::Arousal => "Arousal",
            Self::Valence => "Valence",
            Self::Confidence => "Confidence",
        }
    }

    /// The output of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        OUTPUTS.into_iter().find(|output| output.name() == name)
    }

    /// Smallest value; the largest is 1.
    pub fn minimum(self) -> f32 {
        match self {
            Self::Arousal | Self::Valence => -1.0,
            Self::Emotion(_) | Self::Confidence => 0.0,
        }
    }

    /// The value scaled to 0 to 1, as parameters and controllers take it. Rest (0) of the two-sided outputs is 0.5.
    pub fn normalised(self, value: f32) -> f32 {
        ((value - self.minimum()) / (1.0 - self.minimum())).clamp(0.0, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_and_names_belong_together() {
        for (place, output) in OUTPUTS.into_iter().enumerate() {
            assert_eq!(output.index(), place);
            assert_eq!(Output::from_name(output.name()), Some(output));
            assert_eq!(output.title().to_lowercase(), output.name());
        }
        assert_eq!(Output::from_name("dominance"), None);
    }

    #[test]
    fn values_are_scaled_to_the_whole_range() {
        assert_eq!(Output::Arousal.normalised(0.0), 0.5);
        assert_eq!(Output::Valence.normalised(-1.0), 0.0);
        assert_eq!(Output::Confidence.normalised(0.25), 0.25);
        assert_eq!(OUTPUTS[0].normalised(1.5), 1.0);
    }
}
