//! EMOVO: `dis-f1-b1` is emotion (first letters of the Italian word), speaker, sentence.

use affekt_models::Emotion;

use super::{Acted, Corpus, FileName, Layout, Other, Sex, SexOf, no_votes};

/// Three women and three men.
const SPEAKERS: [&str; 6] = ["f1", "f2", "f3", "m1", "m2", "m3"];

pub static EMOVO: Corpus = Corpus {
    name: "emovo",
    speakers: "emovo",
    title: "EMOVO, Italian Emotional Speech Database",
    language: "Italian",
    content: "acted sentences, six actors",
    licence: "free for research, as its publisher states",
    attribution: "G. Costantini, I. Iadarola, A. Paoloni, M. Todisco: EMOVO Corpus: an Italian Emotional Speech \
                  Database. LREC 2014, 3501–3504",
    source: "http://voice.fub.it/activities/corpora/emovo/",
    files: "f1/dis-f1-b1: emotion, speaker, sentence",
    labels: "rab angry, dis disgust, pau fear, gio happy, neu neutral, tri sad; sor surprise by --map",
    layout: Layout::Names(read_name),
    read_votes: no_votes,
    sex: SexOf::Speaker(|speaker| Sex::from_word(&speaker[..1])),
};

fn read_name(stem: &str, _folder: &str) -> FileName {
    let fields: Vec<_> = stem.split('-').collect();
    let [emotion, speaker, sentence] = fields[..] else {
        return FileName::Foreign;
    };
    if !SPEAKERS.contains(&speaker) || sentence.is_empty() {
        return FileName::Foreign;
    }
    let acted = match emotion {
        "rab" => Acted::Emotion(Emotion::Angry),
        "dis" => Acted::Emotion(Emotion::Disgust),
        "pau" => Acted::Emotion(Emotion::Fear),
        "gio" => Acted::Emotion(Emotion::Happy),
        "neu" => Acted::Emotion(Emotion::Neutral),
        "tri" => Acted::Emotion(Emotion::Sad),
        "sor" => Acted::Other(Other::Surprise),
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
            ("rab", Acted::Emotion(Emotion::Angry)),
            ("dis", Acted::Emotion(Emotion::Disgust)),
            ("pau", Acted::Emotion(Emotion::Fear)),
            ("gio", Acted::Emotion(Emotion::Happy)),
            ("neu", Acted::Emotion(Emotion::Neutral)),
            ("tri", Acted::Emotion(Emotion::Sad)),
            ("sor", Acted::Other(Other::Surprise)),
        ] {
            let speaker = "m3".into();
            assert_eq!(
                read_name(&format!("{code}-m3-l4"), "m3"),
                FileName::Clip { speaker, acted }
            );
        }
        for name in ["", "dis-f1", "dis-f4-b1", "dix-f1-b1", "dis-f1-"] {
            assert_eq!(read_name(name, ""), FileName::Foreign, "{name}");
        }
    }
}
