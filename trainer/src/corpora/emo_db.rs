//! EMO-DB: `03a01Fa` is speaker (2 places), text (3), emotion (1, German initial), version (1).

use affekt_models::Emotion;

use super::{Acted, Corpus, FileName, Layout, Other, Sex, SexOf, no_votes};

pub static EMO_DB: Corpus = Corpus {
    name: "emo-db",
    speakers: "emo-db",
    title: "EMO-DB, Berlin Database of Emotional Speech",
    language: "German",
    content: "acted sentences, adults",
    licence: "CC0 1.0 (as its present publisher states)",
    attribution: "F. Burkhardt, A. Paeschke, M. Rolfes, W. F. Sendlmeier, B. Weiss: A Database of German Emotional \
                  Speech. Interspeech 2005, 1517–1520",
    source: "http://emodb.bilderbar.info",
    files: "wav/03a01Fa: speaker, text, emotion, version",
    labels: "W angry, E disgust, A fear, F happy, N neutral, T sad; L boredom by --map",
    layout: Layout::Names(read_name),
    read_votes: no_votes,
    sex: SexOf::Speaker(sex),
};

fn read_name(stem: &str, _folder: &str) -> FileName {
    let &[tens, ones, text, number_tens, number_ones, emotion, version] = stem.as_bytes() else {
        return FileName::Foreign;
    };
    let digits = [tens, ones, number_tens, number_ones];
    if !(digits.iter().all(u8::is_ascii_digit) && text.is_ascii_lowercase() && version.is_ascii_lowercase()) {
        return FileName::Foreign;
    }
    let acted = match emotion {
        b'W' => Acted::Emotion(Emotion::Angry),
        b'E' => Acted::Emotion(Emotion::Disgust),
        b'A' => Acted::Emotion(Emotion::Fear),
        b'F' => Acted::Emotion(Emotion::Happy),
        b'N' => Acted::Emotion(Emotion::Neutral),
        b'T' => Acted::Emotion(Emotion::Sad),
        b'L' => Acted::Other(Other::Boredom),
        _ => return FileName::Foreign,
    };
    FileName::Clip {
        speaker: stem[..2].into(),
        acted,
    }
}

/// As the corpus's own page lists its speakers.
fn sex(speaker: &str) -> Option<Sex> {
    match speaker {
        "03" | "10" | "11" | "12" | "15" => Some(Sex::Male),
        "08" | "09" | "13" | "14" | "16" => Some(Sex::Female),
        _ => None,
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
                acted: Acted::Emotion(emotion),
            };
            assert_eq!(read_name(&format!("16b10{letter}d"), ""), clip);
        }
        let bored = read_name("03a01La", "");
        assert!(matches!(
            bored,
            FileName::Clip {
                acted: Acted::Other(Other::Boredom),
                ..
            }
        ));
        for name in ["", "03a01F", "03a01Fab", "x3a01Fa", "03a01Xa", "03a0äFa"] {
            assert_eq!(read_name(name, ""), FileName::Foreign, "{name}");
        }
    }
}
