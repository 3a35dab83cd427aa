//! SAVEE: `DC_a01`, or `a01` in the folder `DC`, is speaker, emotion (one or two letters), sentence.

use affekt_models::Emotion;

use super::{Acted, Corpus, FileName, Layout, Other, Sex, SexOf, no_votes};

/// The four men.
const SPEAKERS: [&str; 4] = ["DC", "JE", "JK", "KL"];

pub static SAVEE: Corpus = Corpus {
    name: "savee",
    speakers: "savee",
    title: "SAVEE, Surrey Audio-Visual Expressed Emotion",
    language: "English",
    content: "acted sentences, four men",
    licence: "free for research, on registration with its publisher",
    attribution: "S. Haq, P. J. B. Jackson: Multimodal Emotion Recognition. In: Machine Audition, IGI Global, \
                  398–423, 2010",
    source: "http://kahlan.eps.surrey.ac.uk/savee/",
    files: "AudioData/DC/a01 or DC_a01: speaker, emotion, sentence",
    labels: "a angry, d disgust, f fear, h happy, n neutral, sa sad; su surprise by --map",
    layout: Layout::Names(read_name),
    read_votes: no_votes,
    sex: SexOf::Speaker(|_| Some(Sex::Male)),
};

fn read_name(stem: &str, folder: &str) -> FileName {
    let (speaker, rest) = stem.split_once('_').unwrap_or((folder, stem));
    let digits = rest.trim_start_matches(|letter: char| letter.is_ascii_lowercase());
    let is_number = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !SPEAKERS.contains(&speaker) || !is_number {
        return FileName::Foreign;
    }
    let acted = match &rest[..rest.len() - digits.len()] {
        "a" => Acted::Emotion(Emotion::Angry),
        "d" => Acted::Emotion(Emotion::Disgust),
        "f" => Acted::Emotion(Emotion::Fear),
        "h" => Acted::Emotion(Emotion::Happy),
        "n" => Acted::Emotion(Emotion::Neutral),
        "sa" => Acted::Emotion(Emotion::Sad),
        "su" => Acted::Other(Other::Surprise),
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
            ("a01", Acted::Emotion(Emotion::Angry)),
            ("d02", Acted::Emotion(Emotion::Disgust)),
            ("f03", Acted::Emotion(Emotion::Fear)),
            ("h04", Acted::Emotion(Emotion::Happy)),
            ("n30", Acted::Emotion(Emotion::Neutral)),
            ("sa05", Acted::Emotion(Emotion::Sad)),
            ("su15", Acted::Other(Other::Surprise)),
        ] {
            let speaker = || "JK".to_string();
            let clip = FileName::Clip {
                speaker: speaker(),
                acted,
            };
            assert_eq!(read_name(code, "JK"), clip);
            assert_eq!(read_name(&format!("JK_{code}"), "ALL"), clip);
        }
        for (name, folder) in [
            ("", "DC"),
            ("a1", "DC"),
            ("a01", "XY"),
            ("x01", "DC"),
            ("DC_sx01", "DC"),
            ("aä01", "DC"),
        ] {
            assert_eq!(read_name(name, folder), FileName::Foreign, "{name}");
        }
    }
}
