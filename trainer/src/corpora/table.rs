//! Recordings of one's own: a table in CSV with the columns `path`, `label` and `speaker`. Paths are relative to the
//! table; labels are the six emotions, and calm, surprise and boredom, which `--map` may turn into one of them.

use std::path::Path;

use affekt_models::{EMOTIONS, Emotion};

use super::{Acted, Corpus, CorpusError, Layout, Listing, Mapping, Other, SexOf, is_audio, no_votes};

pub static TABLE: Corpus = Corpus {
    name: "csv",
    speakers: "csv",
    title: "Recordings listed in a table",
    language: "languages of their own",
    content: "recordings of the user's",
    licence: "as their owner says",
    attribution: "Recordings listed in a table",
    source: "write the table: a header line path,label,speaker, then one line per recording",
    files: "csv=TABLE.csv; paths in it are relative to it",
    labels: "angry, disgust, fear, happy, neutral, sad; calm, surprise and boredom by --map",
    layout: Layout::Table,
    read_votes: no_votes,
    sex: SexOf::Unknown,
};

/// Reads the table into `listing`.
pub fn list(corpus: &'static Corpus, file: &Path, mapping: &Mapping, listing: &mut Listing) -> Result<(), CorpusError> {
    let failed = |reason: String| CorpusError::Table {
        file: file.into(),
        reason,
    };
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .from_path(file)
        .map_err(|error| failed(error.to_string()))?;
    let header = reader.headers().map_err(|error| failed(error.to_string()))?.clone();
    let column = |name: &str| {
        let place = header.iter().position(|title| title.eq_ignore_ascii_case(name));
        place.ok_or_else(|| failed(format!("it has no column `{name}`")))
    };
    let (path, label, speaker) = (column("path")?, column("label")?, column("speaker")?);
    let folder = file.parent().unwrap_or(Path::new(""));
    for row in reader.records() {
        let row = row.map_err(|error| failed(error.to_string()))?;
        let line = row.position().map_or(0, csv::Position::line);
        let field = |place: usize, name: &str| {
            let text = row.get(place).filter(|text| !text.is_empty());
            text.ok_or_else(|| failed(format!("line {line} has no {name}")))
        };
        let (path, label, speaker) = (field(path, "path")?, field(label, "label")?, field(speaker, "speaker")?);
        let acted = acted(label).ok_or_else(|| {
            let known = EMOTIONS.map(Emotion::name).join(", ");
            failed(format!(
                "line {line} has the label `{label}`, which is none of {known}, calm, surprise, boredom"
            ))
        })?;
        let path = folder.join(path);
        if is_audio(&path) {
            listing.push(corpus, path, speaker, acted, mapping);
        } else {
            listing.foreign.push(path);
        }
    }
    Ok(())
}

fn acted(label: &str) -> Option<Acted> {
    let label = label.to_ascii_lowercase();
    let emotion = EMOTIONS.into_iter().find(|emotion| emotion.name() == label);
    emotion
        .map(Acted::Emotion)
        .or_else(|| Other::from_name(&label).map(Acted::Other))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpora::CorpusFolder;

    fn read(text: &str) -> Result<Listing, CorpusError> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("clips.csv");
        std::fs::write(&file, text).unwrap();
        let corpus: CorpusFolder = format!("csv={}", file.display()).parse().unwrap();
        corpus.list(&Mapping::default())
    }

    #[test]
    fn tables_are_read_by_their_header() {
        let listing = read("speaker,path,label\nAnna, a/1.wav ,Angry\nBen,2.flac,calm\nBen,3.txt,sad\n").unwrap();
        assert_eq!(listing.clips.len(), 1);
        let clip = &listing.clips[0];
        assert!(clip.path.ends_with("a/1.wav"));
        assert_eq!(
            (clip.speaker.as_str(), clip.emotion),
            ("csv/Anna", Some(Emotion::Angry))
        );
        assert_eq!((listing.unused.len(), listing.foreign.len()), (1, 1));
    }

    #[test]
    fn mistakes_are_named_with_their_line() {
        let message = |text: &str| read(text).unwrap_err().to_string();
        assert!(message("path,label\n1.wav,sad\n").contains("no column `speaker`"));
        let glad = message("path,label,speaker\n1.wav,sad,A\n2.wav,glad,A\n");
        assert!(glad.contains("line 3") && glad.contains("`glad`"), "{glad}");
        assert!(message("path,label,speaker\n1.wav,sad,\n").contains("line 2 has no speaker"));
        assert!(message("path,label,speaker\n1.wav\n").contains("cannot be read"));
        assert!(message("path,label,speaker\n").contains("holds no clip"));
        let missing: CorpusFolder = "csv=/nowhere/clips.csv".parse().unwrap();
        let missing = missing.list(&Mapping::default()).unwrap_err().to_string();
        assert!(missing.contains("/nowhere/clips.csv"), "{missing}");
    }
}
