//! nEMO: `WR0_anger_a01` is speaker, emotion, sentence.

use affekt_models::Emotion;

use super::{Acted, Corpus, FileName, Layout, Other, SexOf, no_votes};

pub static NEMO: Corpus = Corpus {
    name: "nemo",
    speakers: "nemo",
    title: "nEMO, Dataset of Emotional Speech in Polish",
    language: "Polish",
    content: "acted sentences, nine actors",
    licence: "CC BY-NC-SA 4.0: no model that is sold or used commercially",
    attribution: "I. Christop: nEMO: Dataset of Emotional Speech in Polish. LREC-COLING 2024, 12111–12116",
    source: "https://github.com/amu-cai/nEMO",
    files: "samples/SPEAKER_EMOTION_SENTENCE, e.g. WR0_anger_a01",
    labels: "anger, fear, happiness, neutral, sadness; surprised by --map; it has no disgust",
    layout: Layout::Names(read_name),
    read_votes: no_votes,
    sex: SexOf::Unknown,
};

fn read_name(stem: &str, _folder: &str) -> FileName {
    let fields: Vec<_> = stem.split('_').collect();
    let [speaker, emotion, sentence] = fields[..] else {
        return FileName::Foreign;
    };
    let is_speaker = speaker.len() == 3
        && speaker
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    if !is_speaker || sentence.is_empty() {
        return FileName::Foreign;
    }
    let acted = match emotion {
        "anger" => Acted::Emotion(Emotion::Angry),
        "fear" => Acted::Emotion(Emotion::Fear),
        "happiness" => Acted::Emotion(Emotion::Happy),
        "neutral" => Acted::Emotion(Emotion::Neutral),
        "sadness" => Acted::Emotion(Emotion::Sad),
        "surprised" => Acted::Other(Other::Surprise),
        _ => return FileName::Foreign,
    };
    FileName::Clip {
        speaker: speaker.into(),
        acted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_publishers_names() {
        for (code, acted) in [
            ("anger", Acted::Emotion(Emotion::Angry)),
            ("fear", Acted::Emotion(Emotion::Fear)),
            ("happiness", Acted::Emotion(Emotion::Happy)),
            ("neutral", Acted::Emotion(Emotion::Neutral)),
            ("sadness", Acted::Emotion(Emotion::Sad)),
            ("surprised", Acted::Other(Other::Surprise)),
        ] {
            let speaker = "WR0".into();
            assert_eq!(
                read_name(&format!("WR0_{code}_14"), "samples"),
                FileName::Clip { speaker, acted }
            );
        }
        for name in ["", "WR0_anger", "WR_anger_1", "wr0_anger_1", "WR0_joy_1", "WR0_anger_"] {
            assert_eq!(read_name(name, ""), FileName::Foreign, "{name}");
        }
    }
}
