//! Which model an instance is to run: what state, editor and worker share of it.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nice_plug::params::persist::PersistentField;
use serde::{Deserialize, Serialize};

/// Where a model comes from that is not the standard one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ModelSource {
    /// A file of the user's.
    File(PathBuf),
    /// Another one that ships inside the plugin.
    Shipped {
        /// Its key, see [`affekt_models::ShippedModel::key`].
        shipped: String,
    },
}

/// One instance's choice: a model, or `None` for the standard one. Clones are the same choice.
#[derive(Debug, Clone, Default)]
pub struct ModelChoice {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    source: Mutex<Option<ModelSource>>,
    /// Raised at every change, so that the worker can see it without a lock.
    revision: AtomicU64,
}

impl ModelChoice {
    /// Editor: another model from now on. Loading happens in the background; until it is done the model before runs on.
    pub fn choose(&self, source: Option<ModelSource>) {
        *self.lock() = source;
        self.shared.revision.fetch_add(1, Ordering::AcqRel);
    }

    /// The chosen model; `None` for the standard one.
    pub fn source(&self) -> Option<ModelSource> {
        self.lock().clone()
    }

    /// Worker: changes whenever [`ModelChoice::source`] may have changed. 0: nobody has chosen anything yet.
    pub fn revision(&self) -> u64 {
        self.shared.revision.load(Ordering::Acquire)
    }

    fn lock(&self) -> MutexGuard<'_, Option<ModelSource>> {
        self.shared.source.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PersistentField<'_, Option<ModelSource>> for ModelChoice {
    fn set(&self, source: Option<ModelSource>) {
        self.choose(source);
    }

    fn map<F: Fn(&Option<ModelSource>) -> R, R>(&self, f: F) -> R {
        f(&self.lock())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_is_noticed_saved_and_loaded() {
        let choice = ModelChoice::default();
        assert_eq!((choice.source(), choice.revision()), (None, 0));
        let (file, shipped) = (
            ModelSource::File("song.onnx".into()),
            ModelSource::Shipped {
                shipped: "baseline".into(),
            },
        );
        for (revision, source, json) in [
            (1, Some(file), r#""song.onnx""#),
            (2, Some(shipped), r#"{"shipped":"baseline"}"#),
            (3, None, "null"),
        ] {
            choice.choose(source.clone());
            assert_eq!(choice.revision(), revision);
            let saved = choice.map(|source| serde_json::to_string(source).unwrap());
            assert_eq!(saved, json);
            let other = ModelChoice::default();
            other.set(serde_json::from_str(&saved).unwrap());
            assert_eq!(other.source(), source);
        }
    }
}
