//! One instance at the worker: which model it runs, and its lane.

use std::sync::Weak;

use super::engines::Engines;
use super::lane::Lane;
use super::link::Link;
use crate::model_choice::ModelSource;

/// The worker's side of one instance and its choice of a model.
pub struct Seat {
    link: Weak<Link>,
    lane: Lane,
    /// The model that runs; `None` for the standard one.
    running: Option<ModelSource>,
    /// The model that is to run.
    wanted: Option<ModelSource>,
    /// The choice's revision at the last look.
    revision: u64,
}

impl Seat {
    /// With the standard model, until the instance's choice is loaded.
    pub fn new(link: Weak<Link>, engines: &mut Engines) -> Self {
        let standard = match engines.get(None) {
            Some(Ok(engine)) => Ok(&*engine),
            Some(Err(error)) => Err(error),
            None => Err("the built-in model is missing: install Affekt again"),
        };
        Self {
            lane: Lane::new(link.clone(), standard),
            link,
            running: None,
            wanted: None,
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

    /// Whether it runs or wants this model.
    pub fn uses(&self, source: &ModelSource) -> bool {
        [&self.running, &self.wanted]
            .into_iter()
            .flatten()
            .any(|used| used == source)
    }

    /// Does the next piece of work, as [`Lane::serve`].
    pub fn serve(&mut self, engines: &mut Engines) -> bool {
        let Some(link) = self.link.upgrade() else { return false };
        let revision = link.choice().revision();
        if self.revision != revision {
            self.revision = revision;
            self.wanted = link.choice().source();
            link.set_refusal(None);
        }
        if self.wanted != self.running {
            match engines.get(self.wanted.as_ref()) {
                // A bounce waits for the model it was made for; in real time the one before goes on.
                None if link.is_offline() => return false,
                None => (),
                Some(Ok(engine)) => {
                    let features = &engine.contract().features;
                    if link.hears_as(features) {
                        self.lane = Lane::new(self.link.clone(), Ok(engine));
                        self.running = self.wanted.clone();
                    } else {
                        // The audio thread has to make other frames, which takes a restart; until then the model
                        // before goes on.
                        link.want_features(features);
                    }
                }
                Some(Err(error)) => {
                    link.set_refusal(Some(format!("{error} The model before runs on.")));
                    self.wanted = self.running.clone();
                }
            }
        }
        link.set_model_pending(self.wanted != self.running, self.revision);
        let engine = engines.get(self.running.as_ref());
        self.lane.serve(engine.and_then(Result::ok))
    }
}
