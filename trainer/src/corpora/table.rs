//! Recordings of one's own: a table in CSV with the columns `path`, `label` and `speaker`. Paths are relative to the
//! table; labels are the six emotions, and calm, surprise and boredom, which `--map` may turn into one of them.
//!
//! Two more columns say what `prepare` knows of recordings from published corpora: `corpus`, whose licence and speakers
//! they then have, and `vote_shares`, six numbers, the shares of the listeners who heard each emotion.

use std::path::Path;

use affekt_models::{EMOTIONS, Emotion};

use super::{Acted, Corpus, CorpusError, Layout, Listing, Mapping, NamedClip, Other, SexOf, is_audio, no_votes};

pub static TABLE: Corpus = Corpus {
    name: "csv",
    speakers: "csv",
    title: "Recordings listed in a table",
    language: "languages of their own",
    content: "recordings of the user's",
    licence: "as their owner says",
    attribution: "Recordings listed in a table",
    source: "write the table: a header line path,label,speaker, then one line per recording",
    files: "csv=TABLE.csv; paths in it are relative to it; corpus and vote_shares, as prepare writes them, may follow",
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
    let (from, votes) = (column("corpus").ok(), column("vote_shares").ok());
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
        let optional = |place: Option<usize>| place.and_then(|place| row.get(place)).filter(|text| !text.is_empty());
        let votes = match optional(votes) {
            Some(text) => Some(vote_shares(text).ok_or_else(|| {
                failed(format!(
                    "line {line} has the vote_shares `{text}`, which are no six shares that make up 1"
                ))
            })?),
            None => None,
        };
        let path = folder.join(path);
        if !is_audio(&path) {
            listing.foreign.push(path);
            continue;
        }
        // Tables of one's own may name in such a column what they like.
        let known = optional(from).and_then(Corpus::named);
        let prefix = known.map_or(String::new(), |known| format!("{}/", known.speakers));
        let clip = NamedClip {
            path,
            speaker: speaker.strip_prefix(&prefix).unwrap_or(speaker).into(),
            acted,
        };
        listing.push(known.unwrap_or(corpus), clip, votes, mapping);
    }
    Ok(())
}

/// Six shares in output order, separated by blanks.
fn vote_shares(text: &str) -> Option<[f32; 6]> {
    let shares: Result<Vec<f32>, _> = text.split_whitespace().map(str::parse).collect();
    let shares: [f32; 6] = shares.ok()?.try_into().ok()?;
    let is_whole = (shares.iter().sum::<f32>() - 1.0).abs() < 1e-3;
    (is_whole && shares.iter().all(|share| *share >= 0.0)).then_some(shares)
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
    fn clips_of_published_corpora_keep_speaker_corpus_and_votes() {
        let listing = read(
            "path,label,speaker,corpus,vote_shares\n\
             1.wav,sad,crema-d/1001,crema-d,0.25 0 0 0 0 0.75\n\
             2.wav,sad,ravdess/07,ravdess-song,\n\
             3.wav,sad,csv/Anna,csv,\n\
             4.wav,sad,Ben,my own,\n",
        );
        let listing = listing.unwrap();
        let found: Vec<_> = listing
            .clips
            .iter()
            .map(|clip| (clip.speaker.as_str(), clip.corpus, clip.votes))
            .collect();
        assert_eq!(
            found,
            [
                ("crema-d/1001", "crema-d", Some([0.25, 0.0, 0.0, 0.0, 0.0, 0.75])),
                ("ravdess/07", "ravdess-song", None),
                ("csv/Anna", "csv", None),
                ("csv/Ben", "csv", None),
            ]
        );
    }

    #[test]
    fn mistakes_are_named_with_their_line() {
        let message = |text: &str| read(text).unwrap_err().to_string();
        assert!(message("path,label\n1.wav,sad\n").contains("no column `speaker`"));
        let glad = message("path,label,speaker\n1.wav,sad,A\n2.wav,glad,A\n");
        assert!(glad.contains("line 3") && glad.contains("`glad`"), "{glad}");
        assert!(message("path,label,speaker\n1.wav,sad,\n").contains("line 2 has no speaker"));
        for shares in ["0.5 0.5", "1 0 0 0 0 x", "2 0 0 0 0 -1", "1 1 0 0 0 0"] {
            let votes = message(&format!("path,label,speaker,vote_shares\n1.wav,sad,A,{shares}\n"));
            assert!(votes.contains("line 2") && votes.contains(shares), "{votes}");
        }
        assert!(message("path,label,speaker\n1.wav\n").contains("cannot be read"));
        assert!(message("path,label,speaker\n").contains("holds no clip"));
        let missing: CorpusFolder = "csv=/nowhere/clips.csv".parse().unwrap();
        let missing = missing.list(&Mapping::default()).unwrap_err().to_string();
        assert!(missing.contains("/nowhere/clips.csv"), "{missing}");
    }
}
