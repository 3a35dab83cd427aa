//! The loaded models: the standard one, and those that instances have chosen. Each is loaded once per process, on a
//! thread of its own, because it may take seconds in which nobody else must wait. A file that has changed since then is
//! another model.

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::SystemTime;

use super::engine::Engine;
use crate::model_choice::ModelSource;
use crate::own_file;

/// A model as it is loaded. The error is one sentence for the user.
type Loaded = Result<Engine, String>;

/// Which model it is: where it comes from, and how its file was when it was read.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Version {
    source: ModelSource,
    stamp: Option<Stamp>,
}

/// When a file was written, if the system tells, and its length in bytes.
type Stamp = (Option<SystemTime>, u64);

impl Version {
    /// As it is now. Asks the disk, which may take its time.
    fn now(source: ModelSource) -> Self {
        let stamp = match &source {
            ModelSource::File(path) => std::fs::metadata(path)
                .ok()
                .map(|file| (file.modified().ok(), file.len())),
            ModelSource::Shipped { .. } => None,
        };
        Self { source, stamp }
    }

    /// Where it comes from.
    pub fn source(&self) -> &ModelSource {
        &self.source
    }
}

/// A model that was found, and the model itself unless it was there already.
type Arrival = (Version, Option<Loaded>);

/// All models of the process. Lives on the worker's thread.
pub struct Engines {
    standard: Loaded,
    chosen: HashMap<Version, Loaded>,
    /// What each source was at the last look; `None` while it is looked at, and loaded.
    found: HashMap<ModelSource, Option<Version>>,
    arrivals: Receiver<Arrival>,
    sender: Sender<Arrival>,
}

impl Engines {
    /// With the standard model.
    pub fn new(standard: Loaded) -> Self {
        let (sender, arrivals) = channel();
        Self {
            standard,
            chosen: HashMap::new(),
            found: HashMap::new(),
            arrivals,
            sender,
        }
    }

    /// Looks whether a model is still what it was, for the next [`Engines::newest`].
    pub fn look_again(&mut self, source: &ModelSource) {
        self.receive();
        // Whoever is looking at it already will do.
        if !matches!(self.found.get(source), Some(None)) {
            self.look(source);
        }
    }

    /// A model as it was at the last look, `None` for the standard one, and which one it is: `None` while it is loading,
    /// for which this is the start if nobody has asked before.
    #[allow(clippy::type_complexity)]
    pub fn newest(&mut self, source: Option<&ModelSource>) -> Option<Result<(Option<&Version>, &mut Engine), &str>> {
        let Some(source) = source else {
            let standard = self.standard.as_mut();
            return Some(standard.map(|engine| (None, engine)).map_err(|error| error.as_str()));
        };
        self.receive();
        let known = match self.found.get(source) {
            Some(None) => return None,
            Some(Some(version)) => self.chosen.contains_key(version),
            None => false,
        };
        if !known {
            self.look(source);
        }
        let version = self.found.get(source)?.as_ref()?;
        let loaded = self.chosen.get_mut(version)?.as_mut();
        Some(
            loaded
                .map(|engine| (Some(version), engine))
                .map_err(|error| error.as_str()),
        )
    }

    /// A model that was found before, `None` for the standard one.
    pub fn running(&mut self, version: Option<&Version>) -> Option<Result<&mut Engine, &str>> {
        let loaded = match version {
            Some(version) => self.chosen.get_mut(version)?,
            None => &mut self.standard,
        };
        Some(loaded.as_mut().map_err(|error| error.as_str()))
    }

    /// Forgets the models that nobody uses any more, so that files are read anew when they are chosen again.
    pub fn retain(&mut self, used: impl Fn(&Version) -> bool) {
        self.chosen.retain(|version, _| used(version));
        let chosen = &self.chosen;
        self.found
            .retain(|_, version| version.as_ref().is_none_or(|version| chosen.contains_key(version)));
    }

    fn receive(&mut self) {
        while let Ok((version, loaded)) = self.arrivals.try_recv() {
            self.arrive(version, loaded);
        }
    }

    fn arrive(&mut self, version: Version, loaded: Option<Loaded>) {
        self.found.insert(version.source.clone(), Some(version.clone()));
        if let Some(loaded) = loaded {
            self.chosen.insert(version, loaded);
        }
    }

    /// Begins to look at a model, and to load it if it is none of those that are.
    fn look(&mut self, source: &ModelSource) {
        self.found.insert(source.clone(), None);
        let loaded: Vec<Version> = self.chosen.keys().cloned().collect();
        let (sender, wanted) = (self.sender.clone(), source.clone());
        let load = move || {
            let version = Version::now(wanted);
            let engine = (!loaded.contains(&version)).then(|| Engine::from_source(&version.source));
            // Without a worker nobody waits for it.
            let _ = sender.send((version, engine));
        };
        // Whoever unloads the plugin does not wait for it.
        own_file::stay();
        if let Err(error) = thread::Builder::new().name("affekt loader".into()).spawn(load) {
            let version = Version {
                source: source.clone(),
                stamp: None,
            };
            let reason = format!("The model cannot be loaded ({error}): close other programs and choose it again.");
            self.arrive(version, Some(Err(reason)));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::{Duration, Instant};

    use affekt_models::SHIPPED_MODEL;

    use super::*;

    /// The name of a loaded model, or why it is none.
    fn wait(engines: &mut Engines, source: &ModelSource) -> Result<String, String> {
        let start = Instant::now();
        loop {
            assert!(start.elapsed() < Duration::from_secs(60));
            match engines.newest(Some(source)) {
                None => thread::sleep(Duration::from_millis(5)),
                Some(Ok((version, engine))) => {
                    assert_eq!(version.unwrap().source(), source);
                    return Ok(engine.info().card.name.clone());
                }
                Some(Err(error)) => return Err(error.to_owned()),
            }
        }
    }

    fn file(path: &Path) -> ModelSource {
        ModelSource::File(path.to_owned())
    }

    #[test]
    fn files_are_loaded_in_the_background_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let good = folder.path().join("good.onnx");
        let bad = folder.path().join("bad.onnx");
        std::fs::write(&good, SHIPPED_MODEL).unwrap();
        std::fs::write(&bad, "no model").unwrap();
        let mut engines = Engines::new(Err("no built-in model".into()));
        assert_eq!(engines.newest(None).unwrap().map(|_| ()), Err("no built-in model"));
        assert_eq!(engines.running(None).unwrap().map(|_| ()), Err("no built-in model"));
        assert!(engines.newest(Some(&file(&good))).is_none(), "loading has just begun");
        let name = wait(&mut engines, &file(&good)).unwrap();
        assert!(!name.is_empty());
        assert!(wait(&mut engines, &file(&bad)).is_err());
        let missing = wait(&mut engines, &file(&folder.path().join("missing.onnx"))).unwrap_err();
        assert!(missing.contains("missing.onnx"), "{missing}");
        // What is in use is not read again; what was given up is.
        std::fs::remove_file(&good).unwrap();
        engines.retain(|version| *version.source() == file(&good));
        assert_eq!(wait(&mut engines, &file(&good)), Ok(name));
        engines.retain(|_| false);
        assert!(wait(&mut engines, &file(&good)).is_err());
    }

    #[test]
    fn a_look_at_a_file_that_is_the_same_loads_nothing_and_at_another_does() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.onnx");
        std::fs::write(&path, SHIPPED_MODEL).unwrap();
        let mut engines = Engines::new(Err("no built-in model".into()));
        let source = file(&path);
        let name = wait(&mut engines, &source).unwrap();
        let first = Version::now(source.clone());
        engines.look_again(&source);
        assert!(engines.newest(Some(&source)).is_none(), "it is being looked at");
        assert_eq!(wait(&mut engines, &source), Ok(name.clone()));
        assert_eq!(engines.chosen.len(), 1);
        // Another one of the same length.
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        engines.look_again(&source);
        assert_eq!(wait(&mut engines, &source), Ok(name));
        assert_eq!(engines.chosen.len(), 2, "whoever runs the first one goes on with it");
        assert!(engines.running(Some(&first)).is_some());
        engines.retain(|version| *version != first);
        assert!(engines.running(Some(&first)).is_none());
        assert!(engines.newest(Some(&source)).is_some());
    }

    #[test]
    fn another_shipped_model_is_loaded_by_its_key() {
        let mut engines = Engines::new(Err("no standard model".into()));
        let shipped = |key: &str| ModelSource::Shipped { shipped: key.into() };
        assert!(!wait(&mut engines, &shipped("baseline")).unwrap().is_empty());
        let unknown = wait(&mut engines, &shipped("opera")).unwrap_err();
        assert!(unknown.contains("opera"), "{unknown}");
    }
}
