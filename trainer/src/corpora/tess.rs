//! TESS: `OAF_back_angry` is speaker, word, emotion.

use affekt_models::Emotion;

use super::{Acted, Corpus, FileName, Layout, Other, Sex, SexOf, no_votes};

pub static TESS: Corpus = Corpus {
    name: "tess",
    speakers: "tess",
    title: "TESS, Toronto Emotional Speech Set",
    language: "English",
    content: "acted single words in a carrier phrase, two women",
    licence: "CC BY-NC-ND 4.0: no model that is sold or used commercially",
    attribution: "M. K. Pichora-Fuller, K. Dupuis: Toronto emotional speech set (TESS). Borealis, 2020, \
                  https://doi.org/10.5683/SP2/E8H2MF",
    source: "https://doi.org/10.5683/SP2/E8H2MF",
    files: "OAF_back_angry: speaker, word, emotion",
    labels: "angry, disgust, fear, happy, neutral, sad; ps (pleasant surprise) by --map",
    layout: Layout::Names(read_name),
    read_votes: no_votes,
    sex: SexOf::Speaker(|_| Some(Sex::Female)),
};

fn read_name(stem: &str, _folder: &str) -> FileName {
    let fields: Vec<_> = stem.split('_').collect();
    let [speaker, _, emotion] = fields[..] else {
        return FileName::Foreign;
    };
    let speaker = match speaker {
        // One published file, OA_bite_neutral, lacks a letter.
        "OAF" | "OA" => "OAF",
        "YAF" => "YAF",
        _ => return FileName::Foreign,
    };
    let acted = match emotion.to_ascii_lowercase().as_str() {
        "angry" => Acted::Emotion(Emotion::Angry),
        "disgust" => Acted::Emotion(Emotion::Disgust),
        "fear" => Acted::Emotion(Emotion::Fear),
        "happy" => Acted::Emotion(Emotion::Happy),
        "neutral" => Acted::Emotion(Emotion::Neutral),
        "sad" => Acted::Emotion(Emotion::Sad),
        "ps" => Acted::Other(Other::Surprise),
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
        for (name, speaker, acted) in [
            ("OAF_back_angry", "OAF", Acted::Emotion(Emotion::Angry)),
            ("YAF_dog_disgust", "YAF", Acted::Emotion(Emotion::Disgust)),
            ("YAF_fit_fear", "YAF", Acted::Emotion(Emotion::Fear)),
            ("OAF_bath_happy", "OAF", Acted::Emotion(Emotion::Happy)),
            ("OA_bite_neutral", "OAF", Acted::Emotion(Emotion::Neutral)),
            ("YAF_youth_sad", "YAF", Acted::Emotion(Emotion::Sad)),
            ("OAF_young_ps", "OAF", Acted::Other(Other::Surprise)),
        ] {
            let speaker = speaker.into();
            assert_eq!(read_name(name, ""), FileName::Clip { speaker, acted });
        }
        for name in ["", "OAF_back", "XAF_back_angry", "OAF_back_glad", "OAF_back_angry_2"] {
            assert_eq!(read_name(name, ""), FileName::Foreign, "{name}");
        }
    }
}
