/// One of the six emotions, in the order of every model's outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Emotion {
    /// Anger.
    Angry,
    /// Disgust.
    Disgust,
    /// Fear.
    Fear,
    /// Happiness.
    Happy,
    /// None of the others.
    Neutral,
    /// Sadness.
    Sad,
}

/// All six, in output order.
pub const EMOTIONS: [Emotion; 6] = [
    Emotion::Angry,
    Emotion::Disgust,
    Emotion::Fear,
    Emotion::Happy,
    Emotion::Neutral,
    Emotion::Sad,
];

impl Emotion {
    /// Lower-case name, as in the model file's labels.
    pub fn name(self) -> &'static str {
        match self {
            Self::Angry => "angry",
            Self::Disgust => "disgust",
            Self::Fear => "fear",
            Self::Happy => "happy",
            Self::Neutral => "neutral",
            Self::Sad => "sad",
        }
    }

    /// Place in [`EMOTIONS`] and in every model's outputs.
    pub fn index(self) -> usize {
        self as usize
    }

    /// The one with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        EMOTIONS.into_iter().find(|emotion| emotion.name() == name)
    }

    /// The emotion's colour wherever it is drawn, as sRGB. After Okabe and Ito's palette
    /// ("Color Universal Design", 2008), which stays distinguishable under the common colour-blindnesses.
    pub fn color(self) -> [u8; 3] {
        match self {
            Self::Angry => [0xD5, 0x5E, 0x00],
            Self::Disgust => [0x00, 0x9E, 0x73],
            Self::Fear => [0xCC, 0x79, 0xA7],
            Self::Happy => [0xF0, 0xE4, 0x42],
            Self::Neutral => [0xA8, 0xB0, 0xB8],
            Self::Sad => [0x56, 0xB4, 0xE9],
        }
    }
}
