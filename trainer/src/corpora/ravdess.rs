//! RAVDESS: `03-01-06-01-02-01-12` is modality, channel (01 speech, 02 song), emotion, intensity, statement,
//! repetition, actor.

use affekt_models::Emotion;

use super::{Acted, Corpus, FileName, Layout, Other, Sex, SexOf, no_votes};

const ATTRIBUTION: &str = "S. R. Livingstone, F. A. Russo: The Ryerson Audio-Visual Database of Emotional Speech and \
                           Song (RAVDESS). PLoS ONE 13(5): e0196391, 2018";
const LICENCE: &str = "CC BY-NC-SA 4.0: no model that is sold or used commercially";
const SOURCE: &str = "https://zenodo.org/records/1188976";
const FILES: &str =
    "Actor_12/03-01-06-01-02-01-12: modality, channel, emotion, intensity, statement, repetition, actor";

pub static SPEECH: Corpus = Corpus {
    name: "ravdess-speech",
    speakers: "ravdess",
    title: "RAVDESS, Ryerson Audio-Visual Database of Emotional Speech and Song: speech",
    language: "English",
    content: "acted sentences at two levels of intensity, adults",
    licence: LICENCE,
    attribution: ATTRIBUTION,
    source: SOURCE,
    files: FILES,
    labels: "01 neutral, 03 happy, 04 sad, 05 angry, 06 fear, 07 disgust; 02 calm and 08 surprise by --map",
    layout: Layout::Names(|stem, _| read_name(stem, "01")),
    read_votes: no_votes,
    sex: SexOf::Speaker(sex),
};

pub static SONG: Corpus = Corpus {
    name: "ravdess-song",
    speakers: "ravdess",
    title: "RAVDESS, Ryerson Audio-Visual Database of Emotional Speech and Song: song",
    language: "English",
    content: "acted singing at two levels of intensity, adults",
    licence: LICENCE,
    attribution: ATTRIBUTION,
    source: SOURCE,
    files: FILES,
    labels: "01 neutral, 03 happy, 04 sad, 05 angry, 06 fear; 02 calm by --map",
    layout: Layout::Names(|stem, _| read_name(stem, "02")),
    read_votes: no_votes,
    sex: SexOf::Speaker(sex),
};

fn read_name(stem: &str, wanted: &str) -> FileName {
    let fields: Vec<_> = stem.split('-').collect();
    let [modality, channel, emotion, _, _, _, actor] = fields[..] else {
        return FileName::Foreign;
    };
    let are_numbers = fields
        .iter()
        .all(|field| field.len() == 2 && field.bytes().all(|byte| byte.is_ascii_digit()));
    if !are_numbers || !["01", "02"].contains(&channel) {
        return FileName::Foreign;
    }
    if channel != wanted {
        return FileName::Unused("of the other channel: speech and song are two corpora");
    }
    if modality != "03" {
        return FileName::Unused("the sound track of a video, which is there as a recording too");
    }
    let acted = match emotion {
        "01" => Acted::Emotion(Emotion::Neutral),
        "02" => Acted::Other(Other::Calm),
        "03" => Acted::Emotion(Emotion::Happy),
        "04" => Acted::Emotion(Emotion::Sad),
        "05" => Acted::Emotion(Emotion::Angry),
        "06" => Acted::Emotion(Emotion::Fear),
        "07" => Acted::Emotion(Emotion::Disgust),
        "08" => Acted::Other(Other::Surprise),
        _ => return FileName::Foreign,
    };
    FileName::Clip {
        speaker: actor.into(),
        acted,
    }
}

/// Actors with odd numbers are men.
fn sex(speaker: &str) -> Option<Sex> {
    let number: u32 = speaker.parse().ok()?;
    Some(if number % 2 == 1 { Sex::Male } else { Sex::Female })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_publishers_names() {
        for (code, acted) in [
            ("01", Acted::Emotion(Emotion::Neutral)),
            ("02", Acted::Other(Other::Calm)),
            ("03", Acted::Emotion(Emotion::Happy)),
            ("04", Acted::Emotion(Emotion::Sad)),
            ("05", Acted::Emotion(Emotion::Angry)),
            ("06", Acted::Emotion(Emotion::Fear)),
            ("07", Acted::Emotion(Emotion::Disgust)),
            ("08", Acted::Other(Other::Surprise)),
        ] {
            let clip = FileName::Clip {
                speaker: "12".into(),
                acted,
            };
            assert_eq!(read_name(&format!("03-01-{code}-01-02-01-12"), "01"), clip);
            assert_eq!(read_name(&format!("03-02-{code}-01-02-01-12"), "02"), clip);
        }
        assert!(matches!(read_name("03-02-05-01-02-01-12", "01"), FileName::Unused(_)));
        assert!(matches!(read_name("01-01-05-01-02-01-12", "01"), FileName::Unused(_)));
        for name in [
            "",
            "03-01-05-01-02-01",
            "03-01-09-01-02-01-12",
            "03-03-05-01-02-01-12",
            "3-1-5-1-2-1-12",
        ] {
            assert_eq!(read_name(name, "01"), FileName::Foreign, "{name}");
        }
    }
}
