//! CREMA-D: `1001_DFA_ANG_XX` is actor, sentence, emotion, level.

use affekt_models::Emotion;

use super::{Corpus, FileName};

pub static CREMA_D: Corpus = Corpus {
    name: "crema-d",
    title: "CREMA-D, Crowd-sourced Emotional Multimodal Actors Dataset",
    language: "English",
    content: "acted sentences at several levels of intensity, adults",
    licence: "ODbL 1.0 (database), DbCL 1.0 (contents)",
    attribution: "H. Cao, D. G. Cooper, M. K. Keutmann, R. C. Gur, A. Nenkova, R. Verma: CREMA-D: Crowd-Sourced \
                  Emotional Multimodal Actors Dataset. IEEE Transactions on Affective Computing 5(4), 377–390, 2014",
    read_name,
};

fn read_name(stem: &str) -> FileName {
    let fields: Vec<_> = stem.split('_').collect();
    let [actor, sentence, emotion, level] = fields[..] else {
        return FileName::Foreign;
    };
    let emotion = match emotion {
        "ANG" => Emotion::Angry,
        "DIS" => Emotion::Disgust,
        "FEA" => Emotion::Fear,
        "HAP" => Emotion::Happy,
        "NEU" => Emotion::Neutral,
        "SAD" => Emotion::Sad,
        _ => return FileName::Foreign,
    };
    let is_actor = actor.len() == 4 && actor.bytes().all(|byte| byte.is_ascii_digit());
    let is_sentence = sentence.len() == 3 && sentence.bytes().all(|byte| byte.is_ascii_uppercase());
    // One published file, 1040_ITH_SAD_X, has a level of one letter.
    let is_level = ["LO", "MD", "HI", "XX", "X"].contains(&level);
    if !(is_actor && is_sentence && is_level) {
        return FileName::Foreign;
    }
    FileName::Clip {
        speaker: actor.into(),
        emotion,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_publishers_names() {
        for (code, emotion) in [
            ("ANG", Emotion::Angry),
            ("DIS", Emotion::Disgust),
            ("FEA", Emotion::Fear),
            ("HAP", Emotion::Happy),
            ("NEU", Emotion::Neutral),
            ("SAD", Emotion::Sad),
        ] {
            let clip = FileName::Clip {
                speaker: "1091".into(),
                emotion,
            };
            assert_eq!(read_name(&format!("1091_WSI_{code}_MD")), clip);
        }
        assert!(matches!(read_name("1040_ITH_SAD_X"), FileName::Clip { .. }));
        for name in [
            "",
            "1001",
            "1001_DFA_ANG",
            "1001_DFA_BOR_XX",
            "abcd_DFA_ANG_XX",
            "1001_DFA_ANG_XX_2",
        ] {
            assert_eq!(read_name(name), FileName::Foreign, "{name}");
        }
    }
}
