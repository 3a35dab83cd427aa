//! Whether a speaker is a woman or a man, where a corpus says so: a model may hear one better than the other.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A speaker's sex, as the corpora divide it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sex {
    /// Woman.
    Female,
    /// Man.
    Male,
}

impl Sex {
    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Female => "female",
            Self::Male => "male",
        }
    }

    /// From the words and initials that corpora use.
    pub fn from_word(word: &str) -> Option<Self> {
        match word.trim().to_ascii_lowercase().as_str() {
            "f" | "female" => Some(Self::Female),
            "m" | "male" => Some(Self::Male),
            _ => None,
        }
    }
}

/// Where a corpus says which sex its speakers are of.
#[derive(Debug, Clone, Copy)]
pub enum SexOf {
    /// Nowhere.
    Unknown,
    /// It follows from the speaker's name.
    Speaker(fn(&str) -> Option<Sex>),
    /// In one of its files.
    Table {
        /// The file's name.
        file: &'static str,
        /// Column with the speakers.
        speaker: &'static str,
        /// Column with their sex.
        sex: &'static str,
    },
}

impl SexOf {
    /// The sex of each of `speakers`, as far as it is known. `files`: all files below the corpus's folder. A table
    /// that is not there or cannot be read leaves it open.
    pub fn each<'a>(self, speakers: impl Iterator<Item = &'a str>, files: &[PathBuf]) -> BTreeMap<String, Sex> {
        let table = match self {
            Self::Unknown => return BTreeMap::new(),
            Self::Speaker(of) => return speakers.filter_map(|name| Some((name.into(), of(name)?))).collect(),
            Self::Table { file, speaker, sex } => {
                let path = files
                    .iter()
                    .find(|path| path.file_name().is_some_and(|name| name == file));
                path.and_then(|path| read(path, speaker, sex)).unwrap_or_default()
            }
        };
        speakers
            .filter_map(|name| Some((name.into(), *table.get(name)?)))
            .collect()
    }
}

fn read(path: &Path, speaker: &str, sex: &str) -> Option<BTreeMap<String, Sex>> {
    let mut reader = csv::Reader::from_path(path).ok()?;
    let header = reader.headers().ok()?.clone();
    let place = |name: &str| header.iter().position(|title| title.trim() == name);
    let (speaker, sex) = (place(speaker)?, place(sex)?);
    let rows = reader.records().filter_map(Result::ok);
    Some(
        rows.filter_map(|row| Some((row.get(speaker)?.trim().to_string(), Sex::from_word(row.get(sex)?)?)))
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_tables_tell_the_sex() {
        let by_name = SexOf::Speaker(|name| Sex::from_word(&name[..1]));
        let found = by_name.each(["f1", "m2", "x3"].into_iter(), &[]);
        assert_eq!(
            found,
            BTreeMap::from([("f1".into(), Sex::Female), ("m2".into(), Sex::Male)])
        );

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("people.csv");
        std::fs::write(
            &path,
            "\"ActorID\",\"Age\",\"Sex\"\n1001,51,\"Male\"\n1002,21,\"Female\"\n",
        )
        .unwrap();
        let table = SexOf::Table {
            file: "people.csv",
            speaker: "ActorID",
            sex: "Sex",
        };
        let found = table.each(["1002", "1099"].into_iter(), &[path]);
        assert_eq!(found, BTreeMap::from([("1002".into(), Sex::Female)]));
        assert!(table.each(["1002"].into_iter(), &[]).is_empty());
    }
}
