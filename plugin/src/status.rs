//! How the instance is doing, in one word for its colour and one sentence for the user.

use crate::analysis::Reading;
use crate::wording::BEGIN;
use crate::worker::link::ModelState;

/// How the instance is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// There is no model that could listen, or it failed: why, and what to do.
    ModelError(String),
    /// The model is not there yet.
    LoadingModel,
    /// The host does not send any sound.
    NoSound,
    /// Results were late or left out in the last seconds.
    Overloaded,
    /// There is sound, but no voice in it.
    NoVoice,
    /// There is a voice.
    Listening,
}

impl Status {
    /// `complaint`: why the instance cannot analyse, if so. `playing`: whether the host sends sound.
    pub fn of(complaint: Option<String>, model: &ModelState, playing: bool, reading: &Reading) -> Self {
        if let Some(complaint) = complaint {
            return Self::ModelError(complaint);
        }
        match model {
            ModelState::Failed(message) => Self::ModelError(message.clone()),
            // The worker starts with the first sound, so without any nothing is being loaded.
            ModelState::Loading if playing => Self::LoadingModel,
            _ if !playing => Self::NoSound,
            _ if reading.overloaded => Self::Overloaded,
            _ if reading.values.voiced => Self::Listening,
            _ => Self::NoVoice,
        }
    }

    /// One sentence for the user.
    pub fn sentence(&self) -> String {
        match self {
            Self::ModelError(message) => capitalised(message),
            Self::LoadingModel => "Loading the model.".into(),
            Self::NoSound => format!("No sound arrives: {BEGIN}."),
            Self::Overloaded => {
                "Overloaded: results come late. Use fewer instances, or buffers of at most 4096 samples.".into()
            }
            Self::NoVoice => "No voice: the values hold, or fade if so chosen.".into(),
            Self::Listening => "Listening to a voice.".into(),
        }
    }
}

/// With a capital at the start and a full stop at the end.
fn capitalised(message: &str) -> String {
    let mut letters = message.trim().chars();
    let mut sentence: String = letters
        .next()
        .map(|first| first.to_uppercase().chain(letters).collect())
        .unwrap_or_default();
    if !sentence.ends_with(['.', '!', '?']) {
        sentence.push('.');
    }
    sentence
}

#[cfg(test)]
mod tests {
    use super::*;
    use affekt_models::automation::Values;

    use crate::worker::link::ModelInfo;

    fn running() -> ModelState {
        ModelState::Running(ModelInfo {
            card: std::sync::Arc::default(),
            hop_s: 0.1,
            runtime: "tract".into(),
        })
    }

    fn reading(voiced: bool, overloaded: bool) -> Reading {
        Reading {
            values: Values {
                voiced,
                ..Values::default()
            },
            overloaded,
            ..Reading::default()
        }
    }

    #[test]
    fn the_gravest_comes_first() {
        let all_bad = reading(true, true);
        let failed = ModelState::Failed("the model is damaged: export it again".into());
        let status = Status::of(Some("48 Hz is not supported".into()), &failed, true, &all_bad);
        assert_eq!(status.sentence(), "48 Hz is not supported.");
        let status = Status::of(None, &failed, false, &all_bad);
        assert_eq!(status.sentence(), "The model is damaged: export it again.");
        assert_eq!(
            Status::of(None, &ModelState::Loading, true, &all_bad),
            Status::LoadingModel
        );
        assert_eq!(Status::of(None, &ModelState::Loading, false, &all_bad), Status::NoSound);
        assert_eq!(Status::of(None, &running(), false, &all_bad), Status::NoSound);
        assert_eq!(Status::of(None, &running(), true, &all_bad), Status::Overloaded);
        assert_eq!(
            Status::of(None, &running(), true, &reading(true, false)),
            Status::Listening
        );
        assert_eq!(
            Status::of(None, &running(), true, &reading(false, false)),
            Status::NoVoice
        );
    }
}
