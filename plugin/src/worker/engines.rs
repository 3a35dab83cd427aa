//! The loaded models: the built-in one, and the files that instances have chosen. Each is loaded once per process, on a
//! thread of its own, because it may take seconds in which nobody else must wait.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use super::engine::Engine;

/// A model file as it is loaded. The error is one sentence for the user.
type Loaded = Result<Engine, String>;

/// All models of the process. Lives on the worker's thread.
pub struct Engines {
    built_in: Loaded,
    /// `None` while a file is being loaded.
    files: HashMap<PathBuf, Option<Loaded>>,
    arrivals: Receiver<(PathBuf, Loaded)>,
    sender: Sender<(PathBuf, Loaded)>,
}

impl Engines {
    /// With the built-in model.
    pub fn new(built_in: Loaded) -> Self {
        let (sender, arrivals) = channel();
        Self {
            built_in,
            files: HashMap::new(),
            arrivals,
            sender,
        }
    }

    /// A model, by its file or `None` for the built-in one: `None` while it is loading, for which this is the start if
    /// nobody has asked before.
    pub fn get(&mut self, file: Option<&Path>) -> Option<Result<&mut Engine, &str>> {
        let Some(file) = file else {
            return Some(self.built_in.as_mut().map_err(|error| error.as_str()));
        };
        while let Ok((file, loaded)) = self.arrivals.try_recv() {
            self.files.insert(file, Some(loaded));
        }
        if !self.files.contains_key(file) {
            let loading = self.start_loading(file.to_owned());
            self.files.insert(file.to_owned(), loading);
        }
        let loaded = self.files.get_mut(file)?.as_mut()?;
        Some(loaded.as_mut().map_err(|error| error.as_str()))
    }

    /// Forgets the files that nobody uses any more, so that they are read anew when they are chosen again.
    pub fn retain(&mut self, used: impl Fn(&Path) -> bool) {
        self.files.retain(|file, loaded| loaded.is_none() || used(file));
    }

    fn start_loading(&self, file: PathBuf) -> Option<Loaded> {
        let sender = self.sender.clone();
        let load = move || {
            let loaded = Engine::from_file(&file);
            // Without a worker nobody waits for it.
            let _ = sender.send((file, loaded));
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
    use std::time::{Duration, Instant};

    use affekt_models::SHIPPED_MODEL;

    use super::*;

    /// The name of a loaded model, or why it is none.
    fn wait(engines: &mut Engines, file: &Path) -> Result<String, String> {
        let start = Instant::now();
        loop {
            assert!(start.elapsed() < Duration::from_secs(60));
            match engines.get(Some(file)) {
                None => thread::sleep(Duration::from_millis(5)),
                Some(Ok(engine)) => return Ok(engine.info().name.clone()),
                Some(Err(error)) => return Err(error.to_owned()),
            }
        }
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
        assert!(engines.get(Some(&good)).is_none(), "loading has just begun");
        let name = wait(&mut engines, &good).unwrap();
        assert!(!name.is_empty());
        assert!(wait(&mut engines, &bad).is_err());
        let missing = wait(&mut engines, &folder.path().join("missing.onnx")).unwrap_err();
        assert!(missing.contains("missing.onnx"), "{missing}");
        // What is in use is not read again; what was given up is.
        std::fs::remove_file(&good).unwrap();
        engines.retain(|file| file == good);
        assert_eq!(wait(&mut engines, &good), Ok(name));
        engines.retain(|_| false);
        assert!(wait(&mut engines, &good).is_err());
    }
}
