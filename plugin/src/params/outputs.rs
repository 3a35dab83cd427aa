use std::sync::Arc;

use affekt_models::automation::{OUTPUTS, Output, Values};
use nice_plug::formatters::{s2v_f32_percentage, v2s_f32_percentage};
use nice_plug::params::internals::ParamPtr;
use nice_plug::prelude::*;

/// The nine outputs as parameters: emotions and confidence in percent, arousal and valence from -1 to 1.
pub struct Outputs {
    parameters: [FloatParam; 9],
}

impl Default for Outputs {
    fn default() -> Self {
        Self {
            parameters: OUTPUTS.map(parameter),
        }
    }
}

fn parameter(output: Output) -> FloatParam {
    let range = FloatRange::Linear {
        min: output.minimum(),
        max: 1.0,
    };
    let parameter = FloatParam::new(output.title(), 0.0, range).non_automatable();
    match output {
        Output::Arousal | Output::Valence => parameter.with_value_to_string(Arc::new(|value| format!("{value:+.2}"))),
        Output::Emotion(_) | Output::Confidence => parameter
            .with_unit(" %")
            .with_value_to_string(v2s_f32_percentage(1))
            .with_string_to_value(s2v_f32_percentage()),
    }
}

impl Outputs {
    /// Publishes values. For the audio thread.
    pub fn publish(&self, values: &Values) {
        for (parameter, output) in self.parameters.iter().zip(OUTPUTS) {
            let normalised = output.normalised(values.output(output));
            // SAFETY: the pointer is to a parameter that `self` holds for the duration of the call. What the call does
            // is store atomics; that it is meant for nice-plug's own use is because it tells nobody, which is wanted.
            unsafe { parameter.as_ptr()._internal_set_normalized_value(normalised) };
        }
    }
}

// SAFETY: the pointers stay valid as long as `self`, whose parameters never move: nice-plug keeps it in an `Arc`.
unsafe impl Params for Outputs {
    fn param_map(&self) -> Vec<(String, ParamPtr, String)> {
        let named = OUTPUTS.iter().zip(&self.parameters);
        named
            .map(|(output, parameter)| (output.name().to_owned(), parameter.as_ptr(), String::new()))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_shown_in_their_units() {
        let outputs = Outputs::default();
        outputs.publish(&Values {
            emotions: [0.0, 0.25, 0.5, 0.125, 0.125, 1.0],
            arousal: -0.5,
            valence: 0.25,
            confidence: 0.75,
            ..Values::default()
        });
        let shown = outputs.param_map().into_iter().map(|(_, parameter, _)| {
            // SAFETY: `outputs` lives.
            unsafe { parameter.normalized_value_to_string(parameter.modulated_normalized_value(), true) }
        });
        assert_eq!(
            shown.collect::<Vec<_>>(),
            [
                "0.0 %", "25.0 %", "50.0 %", "12.5 %", "12.5 %", "100.0 %", "-0.50", "+0.25", "75.0 %"
            ]
        );
    }
}
