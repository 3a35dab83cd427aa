//! Saves what was heard as a file, on a thread of its own: making an hour again takes a while.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use affekt_models::automation::Pass;
use affekt_models::plot;

use super::clock;
use super::repaint::Repaint;
use crate::own_file;
use crate::wording::BEGIN;
use crate::worker::link::Link;

/// Folder for the files, below the user's documents.
const FOLDER: &str = "Affekt";
/// Files of one second that are told apart.
const MOST_OF_A_SECOND: usize = 100;

/// What to save as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The lanes as controllers.
    Midi,
    /// The values as a table.
    Csv,
    /// The curves as a picture.
    Png,
}

impl Kind {
    /// What its button says.
    pub fn title(self) -> &'static str {
        match self {
            Self::Midi => "MIDI",
            Self::Csv => "CSV",
            Self::Png => "PNG",
        }
    }

    fn extension(self) -> &'static str {
        match self {
            Self::Midi => "mid",
            Self::Csv => "csv",
            Self::Png => "png",
        }
    }
}

/// How the last saving went.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Saved {
    /// There was none.
    #[default]
    Nothing,
    /// It goes on.
    Saving(Kind),
    /// The file is here.
    Done(PathBuf),
    /// There is no file: one sentence for the user.
    Failed(String),
}

/// Saves one file at a time.
#[derive(Clone, Default)]
pub struct Saver {
    state: Arc<Mutex<Saved>>,
}

impl Saver {
    /// Begins to save the pass so far, unless a saving goes on. `repaint` is told when it has ended.
    pub fn save(&self, kind: Kind, link: &Arc<Link>, repaint: Repaint) {
        {
            let mut state = self.lock();
            if matches!(*state, Saved::Saving(_)) {
                return;
            }
            *state = Saved::Saving(kind);
        }
        let (saver, link) = (self.clone(), link.clone());
        // Whoever unloads the plugin does not wait for it.
        own_file::stay();
        let started = thread::Builder::new().name("affekt save".into()).spawn(move || {
            let saved = catch_unwind(AssertUnwindSafe(|| save_pass(kind, &link)))
                .unwrap_or_else(|_| Err("The pass could not be saved: an internal error".into()));
            saver.set(match saved {
                Ok(path) => Saved::Done(path),
                Err(reason) => Saved::Failed(reason),
            });
            repaint.request();
        });
        if let Err(error) = started {
            self.set(Saved::Failed(format!("The pass could not be saved: {error}")));
        }
    }

    /// How it went.
    pub fn state(&self) -> Saved {
        self.lock().clone()
    }

    /// Says how it went.
    pub fn set(&self, state: Saved) {
        *self.lock() = state;
    }

    fn lock(&self) -> MutexGuard<'_, Saved> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn save_pass(kind: Kind, link: &Link) -> Result<PathBuf, String> {
    let pass = link
        .recorder()
        .pass_so_far()
        .ok_or_else(|| format!("Nothing has been heard yet: {BEGIN}, then save."))?;
    let documents = dirs::document_dir()
        .filter(|folder| folder.is_dir())
        .or_else(dirs::home_dir)
        .ok_or("The system does not say where your documents are, so nothing was saved.")?;
    write(
        kind,
        &pass,
        &documents.join(FOLDER),
        &format!("Affekt {}", clock::now()),
    )
}

/// Writes a pass into a folder, which is made if it is missing, under a name that no file has.
fn write(kind: Kind, pass: &Pass, folder: &Path, name: &str) -> Result<PathBuf, String> {
    let cannot = |path: &Path, reason: String| format!("{} cannot be written: {reason}.", path.display());
    fs::create_dir_all(folder).map_err(|error| cannot(folder, error.to_string()))?;
    let path = (1..=MOST_OF_A_SECOND)
        .map(|number| match number {
            1 => folder.join(format!("{name}.{}", kind.extension())),
            _ => folder.join(format!("{name} ({number}).{}", kind.extension())),
        })
        .find(|path| !path.exists())
        .ok_or_else(|| cannot(folder, "there are too many files of this second".into()))?;
    let refused = |error: &dyn std::fmt::Display| format!("Nothing was saved: {error}.");
    let put = |bytes: &[u8]| fs::write(&path, bytes).map_err(|error| cannot(&path, error.to_string()));
    match kind {
        Kind::Midi => put(&pass.to_midi().map_err(|error| refused(&error))?)?,
        Kind::Csv => put(pass.to_csv().map_err(|error| refused(&error))?.as_bytes())?,
        Kind::Png => plot::write_curve_png(&pass.curve(), name, &path).map_err(|error| refused(&error))?,
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use affekt_models::automation::{Heard, Settings};

    use super::*;
    use crate::model_choice::ModelChoice;
    use crate::singer::SingerSlot;

    fn pass() -> Pass {
        let mut pass = Pass::new(48_000.0, Settings::default());
        let heard = Heard {
            probabilities: Some([0.1, 0.1, 0.1, 0.5, 0.1, 0.1]),
        };
        pass.hear(10, heard);
        pass.advance(1_500);
        pass
    }

    #[test]
    fn files_of_every_kind_are_written_and_none_is_overwritten() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("Affekt");
        let first = |kind| fs::read(write(kind, &pass(), &folder, "take").unwrap()).unwrap();
        assert!(first(Kind::Midi).starts_with(b"MThd"));
        assert!(first(Kind::Csv).starts_with(b"time_s,angry"));
        assert!(first(Kind::Png).starts_with(b"\x89PNG"));
        let second = write(Kind::Csv, &pass(), &folder, "take").unwrap();
        assert_eq!(second, folder.join("take (2).csv"));
    }

    #[test]
    fn what_cannot_be_written_is_said_in_a_sentence() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("file");
        fs::write(&file, "").unwrap();
        let error = write(Kind::Csv, &pass(), &file, "take").unwrap_err();
        assert!(error.contains("cannot be written") && error.ends_with('.'), "{error}");
        let empty = Pass::new(48_000.0, Settings::default());
        let error = write(Kind::Midi, &empty, home.path(), "take").unwrap_err();
        assert!(error.contains("nothing has been heard"), "{error}");
    }

    #[test]
    fn without_a_pass_nothing_is_written() {
        let saver = Saver::default();
        let link = Arc::new(Link::new(SingerSlot::default(), ModelChoice::default()));
        saver.save(Kind::Png, &link, Repaint::default());
        let start = Instant::now();
        while matches!(saver.state(), Saved::Saving(_)) && start.elapsed() < Duration::from_secs(20) {
            thread::sleep(Duration::from_millis(1));
        }
        assert!(matches!(saver.state(), Saved::Failed(reason) if reason.contains(BEGIN)));
    }
}
