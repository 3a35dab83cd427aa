//! One instance at the worker: which model it runs, and its lane.

use std::sync::Weak;

use super::engines::{Engines, Version};
use super::lane::Lane;
use super::link::Link;
use crate::model_choice::ModelSource;

/// The worker's side of one instance and its choice of a model.
pub struct Seat {
    link: Weak<Link>,
    lane: Lane,
    /// The model that runs; `None` for the standard one.
    running: Option<Version>,
    /// The model that is to run.
    wanted: Option<ModelSource>,
    /// Whether that one runs, as far as that can be.
    settled: bool,
    /// The choice's revision at the last look.
    revision: u64,
}

impl Seat {
    /// With the standard model, until the instance's choice is loaded.
    pub fn new(link: Weak<Link>, engines: &mut Engines) -> Self {
        let standard = match engines.running(None) {
            Some(Ok(engine)) => Ok(&*engine),
            Some(Err(error)) => Err(error),
            None => Err("the built-in model is missing: install Affekt again"),
        };
        Self {
            lane: Lane::new(link.clone(), standard),
            link,
            running: None,
            wanted: None,
            settled: true,
            revision: 0,
        }
    }

    /// The instance alone, to start over with.
    pub fn into_link(self) -> Weak<Link> {
        self.link
    }

    /// Whether the instance no longer exists.
    pub fn is_gone(&self) -> bool {
        self.link.strong_count() == 0
    }

    /// Whether it runs this model, or waits for it.
    pub fn uses(&self, version: &Version) -> bool {
        self.running.as_ref() == Some(version) || !self.settled && self.wanted.as_ref() == Some(version.source())
    }

    /// Does the next piece of work, as [`Lane::serve`].
    pub fn serve(&mut self, engines: &mut Engines) -> bool {
        let Some(link) = self.link.upgrade() else { return false };
        let revision = link.choice().revision();
        if self.revision != revision {
            self.revision = revision;
            self.wanted = link.choice().source();
            self.settled = false;
            link.set_refusal(None);
            if let Some(source) = &self.wanted {
                // The file may be another one than when it was chosen last.
                engines.look_again(source);
            }
        }
        if !self.settled {
            match engines.newest(self.wanted.as_ref()) {
                // A bounce waits for the model it was made for; in real time the one before goes on.
                None if link.is_offline() => return false,
                None => (),
                Some(Ok((version, engine))) => {
                    if self.running.as_ref() != version {
                        self.running = version.cloned();
                        self.lane = Lane::new(self.link.clone(), Ok(engine));
                    }
                    self.settled = true;
                }
                Some(Err(error)) => {
                    link.set_refusal(Some(format!("{error} The model before runs on.")));
                    self.settled = true;
                }
            }
        }
        link.set_model_pending(!self.settled, self.revision);
        let engine = engines.running(self.running.as_ref());
        self.lane.serve(engine.and_then(Result::ok))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;
    use std::thread;
    use std::time::{Duration, Instant};

    use affekt_models::SHIPPED_MODEL;

    use super::*;
    use crate::model_choice::ModelChoice;
    use crate::singer::SingerSlot;
    use crate::testing::waveform_model;
    use crate::worker::engine::Engine;
    use crate::worker::engine::tests::contract;
    use crate::worker::link::{ModelInfo, ModelState};

    /// One instance, and the worker's side of it.
    struct Bench {
        link: Arc<Link>,
        engines: Engines,
        seat: Seat,
    }

    impl Bench {
        fn new() -> Self {
            let standard = Engine::new(contract(), "test".into(), |_| Err("never called".into()));
            let mut engines = Engines::new(Ok(standard));
            let link = Arc::new(Link::new(SingerSlot::default(), ModelChoice::default()));
            let seat = Seat::new(Arc::downgrade(&link), &mut engines);
            Self { link, engines, seat }
        }

        /// Chooses a model, waits until that is settled, and gives the name of the one that runs.
        fn choose(&mut self, source: Option<ModelSource>) -> String {
            self.link.choice().choose(source);
            let start = Instant::now();
            while self.link.is_model_pending() {
                assert!(start.elapsed() < Duration::from_secs(60));
                self.seat.serve(&mut self.engines);
                self.engines.retain(|version| self.seat.uses(version));
                thread::sleep(Duration::from_millis(1));
            }
            match self.link.model() {
                ModelState::Running(info) => info.card.name.clone(),
                other => panic!("{other:?}"),
            }
        }

        fn choose_file(&mut self, path: &Path) -> String {
            self.choose(Some(ModelSource::File(path.to_owned())))
        }
    }

    #[test]
    fn a_file_that_has_changed_is_read_anew_when_it_is_chosen_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.onnx");
        std::fs::write(&path, SHIPPED_MODEL).unwrap();
        let mut bench = Bench::new();
        let first = bench.choose_file(&path);
        assert_ne!(first, "Test");
        // The same again: the session of what was heard goes on.
        let ModelState::Running(info) = bench.link.model() else {
            panic!("{:?}", bench.link.model())
        };
        let untouched = ModelState::Running(ModelInfo {
            runtime: "a mark".into(),
            ..info
        });
        bench.link.set_model(untouched.clone());
        assert_eq!(bench.choose_file(&path), first);
        assert_eq!(
            bench.link.model(),
            untouched,
            "another lane would have said what it runs"
        );
        std::fs::write(&path, waveform_model()).unwrap();
        assert_eq!(bench.choose_file(&path), "Test");
        assert_eq!(bench.link.refusal(), None);
        // What it has become is no model.
        std::fs::write(&path, "no model").unwrap();
        assert_eq!(bench.choose_file(&path), "Test", "the model before runs on");
        assert!(bench.link.refusal().unwrap().contains("model.onnx"));
        // And back.
        std::fs::write(&path, SHIPPED_MODEL).unwrap();
        assert_eq!(bench.choose_file(&path), first);
        assert_eq!(bench.link.refusal(), None);
        assert_eq!(bench.choose(None), "Test");
    }
}
