//! EMO-DB: `03a01Fa` is speaker (2 places), text (3), emotion (1, German initial), version (1).

use affekt_models::Emotion;

use super::{Corpus, FileName};

pub static EMO_DB: Corpus = Corpus {
    name: "emo-db",
    title: "EMO-DB, Berlin Database of Emotional Speech",
    language: "German",
    content: "acted sentences, adults",
    licence: "CC0 1.0 (as its present publisher states)",
    attribution: "F. Burkhardt, A. Paeschke, M. Rolfes, W. F. Sendlmeier, B. Weiss: A Database of German Emotional \
                  Speech. Interspeech 2005, 1517–1520",
    read_name,
};

fn read_name(stem: &str) -> FileName {
    let &[tens, ones, text, number_tens, number_ones, emotion, version] = stem.as_bytes() else {
        return FileName::Foreign;
    };
    let digits = [tens, ones, number_tens, number_ones];
    if !(digits.iter().all(u8::is_ascii_digit) && text.is_ascii_lowercase() && version.is_ascii_lowercase()) {
        return FileName::Foreign;
    }
    let emotion = match emotion {
        b'W' => Emotion::Angry,
        b'E' => Emotion::Disgust,
        b'A' => Emotion::Fear,
        b'F' => Emotion::Happy,
        b'N' => Emotion::Neutral,
        b'T' => Emotion::Sad,
        b'L' => return FileName::Unused("boredom, which is none of the six emotions"),
        _ => return FileName::Foreign,
    };
    FileName::Clip {
        speaker: stem[..2].into(),
        emotion,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_publishers_names() {
        for (letter, emotion) in [
            ('W', Emotion::Angry),
            ('E', Emotion::Disgust),
            ('A', Emotion::Fear),
            ('F', Emotion::Happy),
            ('N', Emotion::Neutral),
            ('T', Emotion::Sad),
        ] {
            let clip = FileName::Clip {
                speaker: "16".into(),
                emotion,
            };
            assert_eq!(read_name(&format!("16b10{letter}d")), clip);
        }
        assert!(matches!(read_name("03a01La"), FileName::Unused(_)));
        for name in ["", "03a01F", "03a01Fab", "x3a01Fa", "03a01Xa", "03a0äFa"] {
            assert_eq!(read_name(name), FileName::Foreign, "{name}");
        }
    }
}
