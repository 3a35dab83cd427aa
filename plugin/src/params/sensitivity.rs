use affekt_models::automation::Output;
use affekt_models::{EMOTIONS, Emotion};
use nice_plug::params::internals::ParamPtr;
use nice_plug::prelude::*;

use super::dial::Dial;

/// Most that an emotion is favoured or held back, in dB.
const RANGE_DB: f32 = 12.0;

/// How easily each emotion shows.
pub struct Sensitivity {
    parameters: [FloatParam; 6],
}

impl Default for Sensitivity {
    fn default() -> Self {
        Self {
            parameters: EMOTIONS.map(parameter),
        }
    }
}

fn parameter(emotion: Emotion) -> FloatParam {
    let name = format!("{} sensitivity", Output::Emotion(emotion).title());
    let range = FloatRange::Linear {
        min: -RANGE_DB,
        max: RANGE_DB,
    };
    FloatParam::new(name, 0.0, range).with_unit(" dB").with_step_size(0.1)
}

impl Sensitivity {
    /// In dB, in the order of [`EMOTIONS`].
    pub fn decibels(&self) -> [f32; 6] {
        std::array::from_fn(|place| self.parameters[place].value())
    }

    /// The control of an emotion.
    pub fn dial(&self, emotion: Emotion) -> Dial<'_> {
        Dial::of(&self.parameters[emotion.index()])
    }
}

// SAFETY: the pointers stay valid as long as `self`, whose parameters never move: nice-plug keeps it in an `Arc`.
unsafe impl Params for Sensitivity {
    fn param_map(&self) -> Vec<(String, ParamPtr, String)> {
        let named = EMOTIONS.iter().zip(&self.parameters);
        named
            .map(|(emotion, parameter)| {
                let id = format!("{}-sensitivity", emotion.name());
                (id, parameter.as_ptr(), "Sensitivity".to_owned())
            })
            .collect()
    }
}
