//! Which model an instance is to run: what state, editor and worker share of it.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nice_plug::params::persist::PersistentField;

/// One instance's choice: a model file, or `None` for the built-in one. Clones are the same choice.
#[derive(Debug, Clone, Default)]
pub struct ModelChoice {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    file: Mutex<Option<PathBuf>>,
    /// Raised at every change, so that the worker can see it without a lock.
    revision: AtomicU64,
}

impl ModelChoice {
    /// Editor: another model from now on. Loading happens in the background; until it is done the model before runs on.
    pub fn choose(&self, file: Option<PathBuf>) {
        *self.lock() = file;
        self.shared.revision.fetch_add(1, Ordering::AcqRel);
    }

    /// The chosen file; `None` for the built-in model.
    pub fn file(&self) -> Option<PathBuf> {
        self.lock().clone()
    }

    /// Worker: changes whenever [`ModelChoice::file`] may have changed. 0: nobody has chosen anything yet.
    pub fn revision(&self) -> u64 {
        self.shared.revision.load(Ordering::Acquire)
    }

    fn lock(&self) -> MutexGuard<'_, Option<PathBuf>> {
        self.shared.file.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PersistentField<'_, Option<PathBuf>> for ModelChoice {
    fn set(&self, file: Option<PathBuf>) {
        self.choose(file);
    }

    fn map<F: Fn(&Option<PathBuf>) -> R, R>(&self, f: F) -> R {
        f(&self.lock())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_is_noticed_saved_and_loaded() {
        let choice = ModelChoice::default();
        assert_eq!((choice.file(), choice.revision()), (None, 0));
        choice.choose(Some("song.onnx".into()));
        assert_eq!(choice.revision(), 1);
        let saved = choice.map(|file| serde_json::to_string(file).unwrap());
        let other = ModelChoice::default();
        other.set(serde_json::from_str(&saved).unwrap());
        assert_eq!(other.file(), Some("song.onnx".into()));
    }
}
