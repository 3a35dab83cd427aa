//! The loaded models: the standard one, and those that instances have chosen. Each is loaded once per process, on a
//! thread of its own, because it may take seconds in which nobody else must wait.

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use super::engine::Engine;
use crate::model_choice::ModelSource;

/// A model as it is loaded. The error is one sentence for the user.
type Loaded = Result<Engine, String>;

/// All models of the process. Lives on the worker's thread.
pub struct Engines {
    standard: Loaded,
    /// `None` while a model is being loaded.
    chosen: HashMap<ModelSource, Option<Loaded>>,
    arrivals: Receiver<(ModelSource, Loaded)>,
    sender: Sender<(ModelSource, Loaded)>,
}

impl Engines {
    /// With the standard model.
    pub fn new(standard: Loaded) -> Self {
        let (sender, arrivals) = channel();
        Self {
            standard,
            chosen: HashMap::new(),
            arrivals,
            sender,
        }
    }

    /// A model, `None` for the standard one: `None` while it is loading, for which this is the start if nobody has asked
    /// before.
    pub fn get(&mut self, source: Option<&ModelSource>) -> Option<Result<&mut Engine, &str>> {
        let Some(source) = source else {
            return Some(self.standard.as_mut().map_err(|error| error.as_str()));
        };
        while let Ok((source, loaded)) = self.arrivals.try_recv() {
            self.chosen.insert(source, Some(loaded));
        }
        if !self.chosen.contains_key(source) {
            let loading = self.start_loading(source.clone());
            self.chosen.insert(source.clone(), loading);
        }
        let loaded = self.chosen.get_mut(source)?.as_mut()?;
        Some(loaded.as_mut().map_err(|error| error.as_str()))
    }

    /// Forgets the models that nobody uses any more, so that files are read anew when they are chosen again.
    pub fn retain(&mut self, used: impl Fn(&ModelSource) -> bool) {
        self.chosen.retain(|source, loaded| loaded.is_none() || used(source));
    }

    fn start_loading(&self, source: ModelSource) -> Option<Loaded> {
        let sender = self.sender.clone();
        let load = move || {
            let loaded = Engine::from_source(&source);
            // Without a worker nobody waits for it.
            let _ = sender.send((source, loaded));
        };
        let started = thread::Builder::new().name("affekt loader".into()).spawn(load);
        let error = started.err()?;
        Some(Err(format!(
            "The model cannot be loaded ({error}): close other programs and choose it again."
        )))
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
            match engines.get(Some(source)) {
                None => thread::sleep(Duration::from_millis(5)),
                Some(Ok(engine)) => return Ok(engine.info().card.name.clone()),
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
        assert_eq!(engines.get(None).unwrap().map(|_| ()), Err("no built-in model"));
        assert!(engines.get(Some(&file(&good))).is_none(), "loading has just begun");
        let name = wait(&mut engines, &file(&good)).unwrap();
        assert!(!name.is_empty());
        assert!(wait(&mut engines, &file(&bad)).is_err());
        let missing = wait(&mut engines, &file(&folder.path().join("missing.onnx"))).unwrap_err();
        assert!(missing.contains("missing.onnx"), "{missing}");
        // What is in use is not read again; what was given up is.
        std::fs::remove_file(&good).unwrap();
        engines.retain(|source| *source == file(&good));
        assert_eq!(wait(&mut engines, &file(&good)), Ok(name));
        engines.retain(|_| false);
        assert!(wait(&mut engines, &file(&good)).is_err());
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
