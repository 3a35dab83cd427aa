//! A short vocal made for this project, so that demo and tests need no corpus.

use std::path::PathBuf;

use affekt_features::recording::{Recording, RecordingError};

/// The vocal's file: six spoken lines in six moods, 16 kHz mono, made by `tests/vocal/make_vocal.sh`.
pub fn path() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/vocal/demo.flac"))
}

/// The vocal, decoded.
pub fn read() -> Result<Recording, RecordingError> {
    Recording::read(&path())
}
