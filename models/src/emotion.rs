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
    /// ("Color Universal Design", 2008), which stays distinguishable under the common colour-blindnesses; neutral is so
    /// light because a middle grey and the palette's purple look alike to the green-blind.
    pub fn color(self) -> [u8; 3] {
        match self {
            Self::Angry => [0xD5, 0x5E, 0x00],
            Self::Disgust => [0x00, 0x9E, 0x73],
            Self::Fear => [0xCC, 0x79, 0xA7],
            Self::Happy => [0xF0, 0xE4, 0x42],
            Self::Neutral => [0xD9, 0xDD, 0xE2],
            Self::Sad => [0x56, 0xB4, 0xE9],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What reaches the eye of a dichromat, in linear RGB: G. M. Machado, M. M. Oliveira, L. A. F. Fernandes, "A
    /// physiologically-based model for simulation of color vision deficiency", IEEE Transactions on Visualization and
    /// Computer Graphics 15(6), 2009, severity 1.
    const EYES: [(&str, [[f64; 3]; 3]); 4] = [
        ("all cones", [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]),
        (
            "protanopia",
            [
                [0.152286, 1.052583, -0.204868],
                [0.114503, 0.786281, 0.099216],
                [-0.003882, -0.048116, 1.051998],
            ],
        ),
        (
            "deuteranopia",
            [
                [0.367322, 0.860646, -0.227968],
                [0.280085, 0.672501, 0.047413],
                [-0.011820, 0.042940, 0.968881],
            ],
        ),
        (
            "tritanopia",
            [
                [1.255528, -0.076749, -0.178779],
                [-0.078411, 0.930809, 0.147602],
                [0.004733, 0.691367, 0.303900],
            ],
        ),
    ];
    /// Smallest distance of two colours in CIE L*a*b* (1976). Side by side, 2 can be seen; this is well beyond.
    const APART: f64 = 15.0;

    /// A colour in L*a*b* (D65) as an eye sees it.
    fn seen(color: [u8; 3], eye: &[[f64; 3]; 3]) -> [f64; 3] {
        let linear = color.map(|byte| {
            let value = f64::from(byte) / 255.0;
            if value <= 0.04045 {
                value / 12.92
            } else {
                ((value + 0.055) / 1.055).powf(2.4)
            }
        });
        let [r, g, b] = eye.map(|row| row.iter().zip(linear).map(|(a, b)| a * b).sum::<f64>().clamp(0.0, 1.0));
        let [x, y, z] = [
            (0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.9505,
            0.2126 * r + 0.7152 * g + 0.0722 * b,
            (0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.089,
        ]
        .map(|t: f64| {
            if t > 0.008856 {
                t.cbrt()
            } else {
                7.787 * t + 16.0 / 116.0
            }
        });
        [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
    }

    #[test]
    fn colours_stay_apart_for_every_eye() {
        for (name, eye) in EYES {
            for a in EMOTIONS {
                for b in EMOTIONS.into_iter().filter(|b| *b > a) {
                    let [p, q] = [a, b].map(|emotion| seen(emotion.color(), &eye));
                    let distance = p.iter().zip(q).map(|(p, q)| (p - q).powi(2)).sum::<f64>().sqrt();
                    assert!(distance > APART, "{a:?} and {b:?}, {name}: {distance:.1}");
                }
            }
        }
    }
}
