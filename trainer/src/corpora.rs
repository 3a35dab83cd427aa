//! Corpora of labelled recordings, as their publishers lay them out: which files are clips, who speaks, what is acted.

mod crema_d;
mod emo_db;
mod emovo;
mod mapping;
mod nemo;
mod ravdess;
mod savee;
mod sex;
mod table;
mod tess;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use affekt_models::Emotion;

pub use mapping::{Mapping, Other, Rule};
pub use sex::{Sex, SexOf};

/// Extensions of files that are read, in lower case.
pub const AUDIO_EXTENSIONS: [&str; 8] = ["aif", "aiff", "flac", "mp3", "oga", "ogg", "wav", "wave"];

/// The same, in the order in which one is taken of a clip that is there in several formats: nothing lost first.
const BEST_FIRST: [&str; 8] = ["wav", "wave", "aif", "aiff", "flac", "ogg", "oga", "mp3"];

/// macOS writes what it knows of a file beside it, under the file's own name behind this.
const SIDECAR: &str = "._";

/// Folders nested deeper than this are not searched: a link that leads back up ends here.
const DEEPEST_FOLDER: usize = 32;

/// What a file's name says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileName {
    /// A clip.
    Clip {
        /// Speaker, unique within the corpus.
        speaker: String,
        /// What is acted.
        acted: Acted,
    },
    /// A file of the corpus that is of no use here, with the reason.
    Unused(&'static str),
    /// Not named as this corpus names its clips.
    Foreign,
}

/// What a clip's speaker was asked to express.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acted {
    /// One of the six.
    Emotion(Emotion),
    /// Something else that some corpora have.
    Other(Other),
}

/// How a corpus names its files.
#[derive(Debug)]
pub enum Layout {
    /// From the file's name without extension and the name of the folder it lies in.
    Names(fn(&str, &str) -> FileName),
    /// A table lists them.
    Table,
}

/// A corpus that can be read.
#[derive(Debug)]
pub struct Corpus {
    /// Name on the command line.
    pub name: &'static str,
    /// Name in front of its speakers: the same for corpora that share their speakers.
    pub speakers: &'static str,
    /// Full name.
    pub title: &'static str,
    /// Language that is spoken in it.
    pub language: &'static str,
    /// Kind of its speech.
    pub content: &'static str,
    /// Licence of the recordings.
    pub licence: &'static str,
    /// Whom to name when something was made from it.
    pub attribution: &'static str,
    /// How to get it.
    pub source: &'static str,
    /// How its files are named, for people.
    pub files: &'static str,
    /// Its labels and what they become, for people.
    pub labels: &'static str,
    /// Reads them.
    pub layout: Layout,
    /// Finds the listeners' votes among all files below the corpus's folder.
    pub read_votes: fn(&[PathBuf]) -> Result<Votes, CorpusError>,
    /// Says which sex its speakers are of.
    pub sex: SexOf,
}

/// Shares of the listeners who heard each emotion, by file name without extension.
pub type Votes = BTreeMap<String, [f32; 6]>;

/// For corpora that nobody voted on.
fn no_votes(_: &[PathBuf]) -> Result<Votes, CorpusError> {
    Ok(Votes::new())
}

/// All corpora that can be read.
pub static CORPORA: [&Corpus; 9] = [
    &crema_d::CREMA_D,
    &ravdess::SPEECH,
    &ravdess::SONG,
    &emo_db::EMO_DB,
    &tess::TESS,
    &savee::SAVEE,
    &emovo::EMOVO,
    &nemo::NEMO,
    &table::TABLE,
];

impl Corpus {
    /// The corpus of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        CORPORA.into_iter().find(|corpus| corpus.name == name)
    }
}

/// Why a corpus cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum CorpusError {
    /// Not `NAME=FOLDER`.
    #[error("`{0}` is not a corpus: write NAME=FOLDER, e.g. crema-d=recordings/crema-d")]
    Syntax(String),
    /// No corpus has this name.
    #[error("there is no corpus named `{name}`: use one of {known}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// Not `LABEL=EMOTION`.
    #[error("`{text}` maps no label: write LABEL=EMOTION, LABEL one of {labels}, EMOTION one of the six or drop")]
    Mapping {
        /// What was written.
        text: String,
        /// What can be mapped.
        labels: String,
    },
    /// The folder is not there or cannot be listed.
    #[error("the folder of corpus {name}, {folder}, cannot be read ({reason}): give the folder it was unpacked into")]
    Folder {
        /// The corpus.
        name: &'static str,
        /// The folder.
        folder: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// The listeners' votes cannot be read.
    #[error("the votes in {file} cannot be read ({reason}): take the file as it was published")]
    Votes {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A table of clips cannot be read.
    #[error("the table {file} cannot be read ({reason}): it needs the columns path, label and speaker")]
    Table {
        /// The file.
        file: PathBuf,
        /// What is wrong, with the line.
        reason: String,
    },
    /// The folder holds no clip.
    #[error("{folder} holds no clip of corpus {name} ({files} other files): give the folder it was unpacked into")]
    Empty {
        /// The corpus.
        name: &'static str,
        /// The folder.
        folder: PathBuf,
        /// Number of files found.
        files: usize,
    },
}

/// A corpus and where it lies, written `NAME=FOLDER`.
#[derive(Debug, Clone)]
pub struct CorpusFolder {
    /// Which corpus.
    pub corpus: &'static Corpus,
    /// The folder its files lie in, at any depth; of `csv` the table.
    pub folder: PathBuf,
}

impl FromStr for CorpusFolder {
    type Err = CorpusError;

    fn from_str(text: &str) -> Result<Self, CorpusError> {
        let (name, folder) = text
            .split_once('=')
            .filter(|(name, folder)| !name.is_empty() && !folder.is_empty())
            .ok_or_else(|| CorpusError::Syntax(text.into()))?;
        let corpus = Corpus::named(name).ok_or_else(|| CorpusError::Unknown {
            name: name.into(),
            known: CORPORA.map(|corpus| corpus.name).join(", "),
        })?;
        Ok(Self {
            corpus,
            folder: folder.into(),
        })
    }
}

/// One labelled recording.
#[derive(Debug, Clone, PartialEq)]
pub struct Clip {
    /// Its file.
    pub path: PathBuf,
    /// The acted emotion; `None` for a sound that is no voice ([`crate::non_voice`]).
    pub emotion: Option<Emotion>,
    /// Who speaks, with [`Corpus::speakers`] in front: `crema-d/1001`.
    pub speaker: String,
    /// Name of the corpus.
    pub corpus: &'static str,
    /// Shares of the listeners who heard each emotion, in output order, where the corpus has them; they sum to one.
    pub votes: Option<[f32; 6]>,
}

/// What lies in a corpus's folder.
#[derive(Debug)]
pub struct Listing {
    /// Its clips, in the order of their paths.
    pub clips: Vec<Clip>,
    /// Clips that are of no use, counted by reason.
    pub unused: BTreeMap<String, usize>,
    /// Files that are not the corpus's clips.
    pub foreign: Vec<PathBuf>,
}

impl Listing {
    /// Takes in a clip, if what is acted in it is one of the six or mapped to one.
    fn push(&mut self, corpus: &'static Corpus, clip: NamedClip, votes: Option<[f32; 6]>, mapping: &Mapping) {
        let acted = clip.acted;
        let emotion = match acted {
            Acted::Emotion(emotion) => Some(emotion),
            Acted::Other(other) => mapping.emotion(other),
        };
        match (emotion, acted) {
            (Some(emotion), _) => self.clips.push(Clip {
                emotion: Some(emotion),
                speaker: format!("{}/{}", corpus.speakers, clip.speaker),
                corpus: corpus.name,
                votes,
                path: clip.path,
            }),
            (None, Acted::Other(other)) => {
                let reason = format!("{}, which is none of the six emotions", other.name());
                *self.unused.entry(reason).or_default() += 1;
            }
            (None, Acted::Emotion(_)) => {}
        }
    }
}

impl CorpusFolder {
    /// Lists the clips in the folder, at any depth. `mapping` says what becomes of labels beside the six.
    pub fn list(&self, mapping: &Mapping) -> Result<Listing, CorpusError> {
        let Self { corpus, folder } = self;
        let mut listing = Listing {
            clips: Vec::new(),
            unused: BTreeMap::new(),
            foreign: Vec::new(),
        };
        match corpus.layout {
            Layout::Names(read_name) => self.list_names(read_name, mapping, &mut listing)?,
            Layout::Table => table::list(corpus, folder, mapping, &mut listing)?,
        }
        if listing.clips.is_empty() {
            return Err(CorpusError::Empty {
                name: corpus.name,
                folder: folder.clone(),
                files: listing.foreign.len(),
            });
        }
        Ok(listing)
    }

    /// The sex of these clips' speakers, by [`Clip::speaker`], where the corpus says it. Of the corpora in a table it is
    /// known where the speakers' names say it.
    pub fn sexes(&self, clips: &[Clip]) -> BTreeMap<String, Sex> {
        let (mut files, mut corpora) = (Vec::new(), CORPORA.to_vec());
        if matches!(self.corpus.layout, Layout::Names(_)) {
            corpora = vec![self.corpus];
            // Without the folder's list nothing more is known; reading the clips has said why.
            let _ = collect_files(&self.folder, &mut files);
        }
        let mut sexes = BTreeMap::new();
        for corpus in corpora {
            let prefix = format!("{}/", corpus.speakers);
            let own = clips.iter().filter(|clip| clip.corpus == corpus.name);
            let names: BTreeSet<&str> = own.filter_map(|clip| clip.speaker.strip_prefix(&prefix)).collect();
            let found = corpus.sex.each(names.into_iter(), &files);
            sexes.extend(found.into_iter().map(|(name, sex)| (format!("{prefix}{name}"), sex)));
        }
        sexes
    }

    fn list_names(
        &self,
        read_name: fn(&str, &str) -> FileName,
        mapping: &Mapping,
        listing: &mut Listing,
    ) -> Result<(), CorpusError> {
        let Self { corpus, folder } = self;
        let mut files = Vec::new();
        collect_files(folder, &mut files).map_err(|reason| CorpusError::Folder {
            name: corpus.name,
            folder: folder.clone(),
            reason: reason.to_string(),
        })?;
        files.sort();
        let votes = (corpus.read_votes)(&files)?;
        let mut named = Vec::new();
        for path in files {
            let text = |part: Option<&std::ffi::OsStr>| part.and_then(|part| part.to_str()).unwrap_or("").to_string();
            let stem = text(path.file_stem());
            let parent = text(path.parent().and_then(Path::file_name));
            if !is_audio(&path) {
                listing.foreign.push(path);
                continue;
            }
            match read_name(&stem, &parent) {
                FileName::Clip { speaker, acted } => named.push(NamedClip { path, speaker, acted }),
                FileName::Unused(reason) => *listing.unused.entry(reason.into()).or_default() += 1,
                FileName::Foreign => listing.foreign.push(path),
            }
        }
        for clip in one_of_each(named, &mut listing.unused) {
            let own = votes.get(&*clip.stem()).copied();
            listing.push(corpus, clip, own, mapping);
        }
        Ok(())
    }
}

/// A file that is named as a clip.
struct NamedClip {
    path: PathBuf,
    /// Unique within the corpus.
    speaker: String,
    acted: Acted,
}

impl NamedClip {
    /// The file's name without extension.
    fn stem(&self) -> Cow<'_, str> {
        self.path.file_stem().unwrap_or_default().to_string_lossy()
    }
}

/// One file of each clip, in the order of `clips`: corpora are published in several formats side by side, and a clip that
/// is there twice would count twice. Speaker and name tell clips apart in every corpus; the name alone does not where
/// the speaker is a folder (SAVEE).
fn one_of_each(clips: Vec<NamedClip>, unused: &mut BTreeMap<String, usize>) -> Vec<NamedClip> {
    let mut best: BTreeMap<(&str, Cow<'_, str>), usize> = BTreeMap::new();
    for (place, clip) in clips.iter().enumerate() {
        let chosen = best.entry((&clip.speaker, clip.stem())).or_insert(place);
        if rank(&clip.path) < rank(&clips[*chosen].path) {
            *chosen = place;
        }
    }
    let mut is_chosen = vec![false; clips.len()];
    let mut others: BTreeMap<&'static str, usize> = BTreeMap::new();
    for (place, clip) in clips.iter().enumerate() {
        let chosen = best[&(clip.speaker.as_str(), clip.stem())];
        if chosen == place {
            is_chosen[place] = true;
        } else if rank(&clip.path) == rank(&clips[chosen].path) {
            *others.entry("the same clip in another folder").or_default() += 1;
        } else {
            *others.entry("the same clip in another format").or_default() += 1;
        }
    }
    for (reason, count) in others {
        *unused.entry(reason.into()).or_default() += count;
    }
    let chosen = clips.into_iter().zip(is_chosen);
    chosen
        .filter(|(_, is_chosen)| *is_chosen)
        .map(|(clip, _)| clip)
        .collect()
}

/// Place of the file's format in [`BEST_FIRST`].
fn rank(path: &Path) -> usize {
    let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
    let place = BEST_FIRST.iter().position(|known| extension == *known);
    place.unwrap_or(BEST_FIRST.len())
}

/// Whether the file's extension is one of [`AUDIO_EXTENSIONS`].
pub fn is_audio(path: &Path) -> bool {
    path.extension()
        .and_then(|extension| extension.to_str())
        .is_some_and(|extension| AUDIO_EXTENSIONS.contains(&extension.to_ascii_lowercase().as_str()))
}

/// Adds every file below `folder`, at any depth, but for those that macOS writes beside others.
pub fn collect_files(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    collect_below(folder, 0, files)
}

fn collect_below(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            if depth < DEEPEST_FOLDER {
                collect_below(&path, depth + 1, files)?;
            }
        } else if !is_sidecar(&path) {
            files.push(path);
        }
    }
    Ok(())
}

fn is_sidecar(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| name.as_encoded_bytes().starts_with(SIDECAR.as_bytes()))
}

/// Foreign files named in the summary at most.
const NAMED_FOREIGN_FILES: usize = 3;

impl fmt::Display for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} clips", self.clips.len())?;
        for (reason, count) in &self.unused {
            write!(f, "; {count} left out ({reason})")?;
        }
        if !self.foreign.is_empty() {
            let names: Vec<_> = self
                .foreign
                .iter()
                .take(NAMED_FOREIGN_FILES)
                .filter_map(|path| path.file_name())
                .map(|name| name.to_string_lossy())
                .collect();
            let more = if self.foreign.len() > NAMED_FOREIGN_FILES {
                ", …"
            } else {
                ""
            };
            write!(
                f,
                "; {} other files skipped: {}{more}",
                self.foreign.len(),
                names.join(", ")
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn corpus(name: &str, folder: &Path) -> CorpusFolder {
        format!("{name}={}", folder.display()).parse().unwrap()
    }

    #[test]
    fn lists_clips_at_any_depth_and_names_the_rest() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("data/AudioWAV");
        std::fs::create_dir_all(&deep).unwrap();
        for name in ["1002_IEO_SAD_LO.flac", "1001_DFA_ANG_XX.WAV"] {
            std::fs::write(deep.join(name), "").unwrap();
        }
        for name in ["notes.txt", "1001_DFA_ANG_XX.txt", "song.wav"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let listing = corpus("crema-d", folder.path()).list(&Mapping::default()).unwrap();
        let found: Vec<_> = listing
            .clips
            .iter()
            .filter_map(|clip| Some((clip.speaker.as_str(), clip.emotion?, clip.corpus)))
            .collect();
        assert_eq!(
            found,
            [
                ("crema-d/1001", Emotion::Angry, "crema-d"),
                ("crema-d/1002", Emotion::Sad, "crema-d")
            ]
        );
        let text = listing.to_string();
        assert!(text.contains("2 clips") && text.contains("3 other files"), "{text}");
        assert!(text.contains("song.wav"), "{text}");
    }

    fn write(folder: &Path, name: &str) {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "").unwrap();
    }

    #[test]
    fn a_clip_in_two_formats_is_one_and_the_lossless_one() {
        let folder = tempfile::tempdir().unwrap();
        for name in [
            "AudioMP3/1001_DFA_ANG_XX.mp3",
            "AudioMP3/1001_IEO_SAD_LO.mp3",
            "AudioWAV/1001_DFA_ANG_XX.wav",
            "AudioWAV/._1001_DFA_ANG_XX.wav",
            "again/1001_DFA_ANG_XX.wav",
        ] {
            write(folder.path(), name);
        }
        let listing = corpus("crema-d", folder.path()).list(&Mapping::default()).unwrap();
        let found: Vec<_> = listing
            .clips
            .iter()
            .map(|clip| clip.path.strip_prefix(folder.path()).unwrap().to_path_buf())
            .collect();
        assert_eq!(
            found,
            [
                Path::new("AudioMP3/1001_IEO_SAD_LO.mp3"),
                Path::new("AudioWAV/1001_DFA_ANG_XX.wav")
            ]
        );
        let text = listing.to_string();
        assert!(
            text.contains("1 left out (the same clip in another format)")
                && text.contains("1 left out (the same clip in another folder)"),
            "{text}"
        );
        assert!(listing.foreign.is_empty(), "{text}");
    }

    #[test]
    fn the_same_name_in_two_speakers_folders_is_two_clips() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["DC/a01.wav", "JE/a01.wav", "JE/a01.flac"] {
            write(folder.path(), name);
        }
        let listing = corpus("savee", folder.path()).list(&Mapping::default()).unwrap();
        let speakers: Vec<_> = listing.clips.iter().map(|clip| clip.speaker.as_str()).collect();
        assert_eq!(speakers, ["savee/DC", "savee/JE"]);
        assert!(listing.clips[1].path.ends_with("JE/a01.wav"));
    }

    #[test]
    fn every_format_that_is_read_has_its_place() {
        let (mut all, mut best) = (AUDIO_EXTENSIONS, BEST_FIRST);
        all.sort_unstable();
        best.sort_unstable();
        assert_eq!(all, best);
    }

    #[test]
    fn boredom_is_left_out_and_said_so() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["03a01Fa.wav", "03a01La.wav", "08b02Lb.wav"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let listing = corpus("emo-db", folder.path()).list(&Mapping::default()).unwrap();
        assert_eq!(listing.clips.len(), 1);
        assert!(listing.to_string().contains("2 left out (boredom"), "{listing}");
    }

    #[test]
    fn wrong_names_and_folders_are_explained() {
        let message = |text: &str| text.parse::<CorpusFolder>().unwrap_err().to_string();
        assert!(message("crema-d").contains("NAME=FOLDER"));
        assert!(message("=x").contains("NAME=FOLDER"));
        let unknown = message("creme=x");
        assert!(
            unknown.contains("`creme`") && unknown.contains("crema-d, ravdess-speech"),
            "{unknown}"
        );

        let folder = tempfile::tempdir().unwrap();
        let empty = corpus("emo-db", folder.path()).list(&Mapping::default()).unwrap_err();
        assert!(matches!(empty, CorpusError::Empty { files: 0, .. }), "{empty}");
        let missing = corpus("emo-db", &folder.path().join("none"))
            .list(&Mapping::default())
            .unwrap_err();
        assert!(matches!(missing, CorpusError::Folder { .. }), "{missing}");
    }

    #[test]
    fn mapped_labels_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["03a01Fa.wav", "03a01La.wav"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let mapping: Mapping = ["boredom=neutral".parse().unwrap()].into_iter().collect();
        let listing = corpus("emo-db", folder.path()).list(&mapping).unwrap();
        let found: Vec<_> = listing.clips.iter().filter_map(|clip| clip.emotion).collect();
        assert_eq!(found, [Emotion::Happy, Emotion::Neutral]);
        assert!(listing.unused.is_empty());
    }

    #[test]
    fn everybody_has_one_name_in_speech_and_song() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["03-01-05-01-02-01-12.wav", "03-02-05-01-02-01-12.wav"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let speaker = |name: &str| {
            let listing = corpus(name, folder.path()).list(&Mapping::default()).unwrap();
            assert_eq!(listing.clips.len(), 1, "{name}");
            listing.clips[0].speaker.clone()
        };
        assert_eq!(speaker("ravdess-speech"), speaker("ravdess-song"));
    }

    #[test]
    fn names_are_distinct_and_described() {
        let names: std::collections::BTreeSet<_> = CORPORA.iter().map(|corpus| corpus.name).collect();
        assert_eq!(names.len(), CORPORA.len());
        for corpus in CORPORA {
            for text in [corpus.title, corpus.licence, corpus.source, corpus.files, corpus.labels] {
                assert!(!text.is_empty(), "{}", corpus.name);
            }
        }
    }
}
