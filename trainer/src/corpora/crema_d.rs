//! CREMA-D: `1001_DFA_ANG_XX` is actor, sentence, emotion, level.

use std::path::PathBuf;

use affekt_models::Emotion;

use super::{Acted, Corpus, CorpusError, FileName, Layout, SexOf, Votes};

pub static CREMA_D: Corpus = Corpus {
    name: "crema-d",
    speakers: "crema-d",
    title: "CREMA-D, Crowd-sourced Emotional Multimodal Actors Dataset",
    language: "English",
    content: "acted sentences at several levels of intensity, adults",
    licence: "ODbL 1.0 (database), DbCL 1.0 (contents)",
    attribution: "H. Cao, D. G. Cooper, M. K. Keutmann, R. C. Gur, A. Nenkova, R. Verma: CREMA-D: Crowd-Sourced \
                  Emotional Multimodal Actors Dataset. IEEE Transactions on Affective Computing 5(4), 377–390, 2014",
    source: "https://github.com/CheyneyComputerScience/CREMA-D",
    files: "AudioWAV/1001_DFA_ANG_XX: actor, sentence, emotion, level; votes of the listeners in processedResults/tabulatedVotes.csv",
    labels: "ANG angry, DIS disgust, FEA fear, HAP happy, NEU neutral, SAD sad",
    layout: Layout::Names(read_name),
    read_votes,
    sex: SexOf::Table {
        file: "VideoDemographics.csv",
        speaker: "ActorID",
        sex: "Sex",
    },
};

/// File with the counted votes of all raters.
const VOTES: &str = "tabulatedVotes.csv";
/// Its columns with the votes for each emotion, in output order.
const VOTE_COLUMNS: [&str; 6] = ["A", "D", "F", "H", "N", "S"];

/// Raters judged each clip by voice, by face and by both; a row's number begins with 1 where they only heard it.
fn read_votes(files: &[PathBuf]) -> Result<Votes, CorpusError> {
    let Some(file) = files
        .iter()
        .find(|file| file.file_name().is_some_and(|name| name == VOTES))
    else {
        return Ok(Votes::new());
    };
    let failed = |reason: String| CorpusError::Votes {
        file: file.clone(),
        reason,
    };
    let mut reader = csv::Reader::from_path(file).map_err(|error| failed(error.to_string()))?;
    let header = reader.headers().map_err(|error| failed(error.to_string()))?.clone();
    let column = |name: &str| {
        let place = header.iter().position(|title| title == name);
        place.ok_or_else(|| failed(format!("it has no column `{name}`")))
    };
    let name = column("fileName")?;
    let columns = VOTE_COLUMNS.map(column);
    let mut places = [0; 6];
    for (place, found) in places.iter_mut().zip(columns) {
        *place = found?;
    }
    let mut votes = Votes::new();
    for row in reader.records() {
        let row = row.map_err(|error| failed(error.to_string()))?;
        if !row
            .get(0)
            .is_some_and(|number| number.len() == 6 && number.starts_with('1'))
        {
            continue;
        }
        let counts = places.map(|place| row.get(place).and_then(|count| count.trim().parse::<f32>().ok()));
        let counts = counts.map(|count| count.unwrap_or(0.0).max(0.0));
        let all: f32 = counts.iter().sum();
        if let Some(name) = row.get(name).filter(|_| all > 0.0) {
            votes.insert(name.into(), counts.map(|count| count / all));
        }
    }
    Ok(votes)
}

fn read_name(stem: &str, _folder: &str) -> FileName {
    let fields: Vec<_> = stem.split('_').collect();
    let [actor, sentence, emotion, level] = fields[..] else {
        return FileName::Foreign;
    };
    let acted = match emotion {
        "ANG" => Acted::Emotion(Emotion::Angry),
        "DIS" => Acted::Emotion(Emotion::Disgust),
        "FEA" => Acted::Emotion(Emotion::Fear),
        "HAP" => Acted::Emotion(Emotion::Happy),
        "NEU" => Acted::Emotion(Emotion::Neutral),
        "SAD" => Acted::Emotion(Emotion::Sad),
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
        acted,
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
                acted: Acted::Emotion(emotion),
            };
            assert_eq!(read_name(&format!("1091_WSI_{code}_MD"), ""), clip);
        }
        assert!(matches!(read_name("1040_ITH_SAD_X", ""), FileName::Clip { .. }));
        for name in [
            "",
            "1001",
            "1001_DFA_ANG",
            "1001_DFA_BOR_XX",
            "abcd_DFA_ANG_XX",
            "1001_DFA_ANG_XX_2",
        ] {
            assert_eq!(read_name(name, ""), FileName::Foreign, "{name}");
        }
    }

    #[test]
    fn votes_by_voice_are_read_as_shares() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(VOTES);
        let table = "\"\",\"A\",\"D\",\"F\",\"H\",\"N\",\"S\",\"fileName\"\n\
                     \"100001\",1,0,0,0,3,0,\"1001_IEO_NEU_XX\"\n\
                     \"200001\",9,0,0,0,0,0,\"1001_IEO_NEU_XX\"\n\
                     \"100002\",0,0,0,0,0,0,\"1001_IEO_HAP_LO\"\n";
        std::fs::write(&file, table).unwrap();
        let votes = read_votes(&[folder.path().join("other.txt"), file.clone()]).unwrap();
        assert_eq!(votes.len(), 1);
        assert_eq!(votes["1001_IEO_NEU_XX"], [0.25, 0.0, 0.0, 0.0, 0.75, 0.0]);
        std::fs::write(&file, "a,b\n1,2\n").unwrap();
        let error = read_votes(&[file]).unwrap_err().to_string();
        assert!(error.contains("no column `fileName`"), "{error}");
        assert!(read_votes(&[]).unwrap().is_empty());
    }
}
