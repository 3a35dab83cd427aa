//! The plugin's parameters: six read-only outputs. Nothing that the host saves or sends sets them.

use std::sync::Arc;

use affekt_models::{EMOTIONS, Emotion};
use nice_plug::formatters::{s2v_f32_percentage, v2s_f32_percentage};
use nice_plug::params::internals::ParamPtr;
use nice_plug::params::persist::PersistentField;
use nice_plug::prelude::*;

use crate::editor::EditorSize;

/// Version of the saved state's fields. Raised when their meaning changes.
const STATE_FORMAT: u32 = 1;

/// Everything that the host sees or saves.
#[derive(Params, Default)]
pub struct AffektParams {
    /// The six probabilities.
    #[nested]
    pub outputs: Arc<Outputs>,
    /// Size of the editor's window.
    #[persist = "editor-size"]
    pub editor_size: EditorSize,
    /// Version of the saved fields, for later versions of the plugin.
    #[persist = "format"]
    format: StateFormat,
}

/// The six probabilities as parameters, 0 to 1, shown in percent. The wrappers of [`crate::publish`] make them read-only.
pub struct Outputs {
    parameters: [FloatParam; 6],
}

impl Default for Outputs {
    fn default() -> Self {
        let parameters = EMOTIONS.map(|emotion| {
            FloatParam::new(title(emotion), 0.0, FloatRange::Linear { min: 0.0, max: 1.0 })
                .with_unit(" %")
                .with_value_to_string(v2s_f32_percentage(1))
                .with_string_to_value(s2v_f32_percentage())
                .non_automatable()
        });
        Self { parameters }
    }
}

impl Outputs {
    /// Publishes values, 0 to 1 each. For the audio thread.
    pub fn publish(&self, values: [f32; 6]) {
        for (parameter, value) in self.parameters.iter().zip(values) {
            // SAFETY: the pointer is to a parameter that `self` holds for the duration of the call. What the call does
            // is store atomics; that it is meant for nice-plug's own use is because it tells nobody, which is wanted.
            unsafe { parameter.as_ptr()._internal_set_normalized_value(value) };
        }
    }
}

// SAFETY: the pointers stay valid as long as `self`, whose parameters never move: nice-plug keeps it in an `Arc`.
unsafe impl Params for Outputs {
    fn param_map(&self) -> Vec<(String, ParamPtr, String)> {
        let named = EMOTIONS.iter().zip(&self.parameters);
        named
            .map(|(emotion, parameter)| (emotion.name().to_owned(), parameter.as_ptr(), String::new()))
            .collect()
    }
}

/// The emotion's name as a heading: "Angry".
pub fn title(emotion: Emotion) -> &'static str {
    match emotion {
        Emotion::Angry => "Angry",
        Emotion::Disgust => "Disgust",
        Emotion::Fear => "Fear",
        Emotion::Happy => "Happy",
        Emotion::Neutral => "Neutral",
        Emotion::Sad => "Sad",
    }
}

/// Whether the parameter of this name is an output.
pub fn is_output(name: &str) -> bool {
    Emotion::from_name(name).is_some()
}

/// Always saved as [`STATE_FORMAT`].
#[derive(Default)]
struct StateFormat;

impl PersistentField<'_, u32> for StateFormat {
    /// What was loaded is no longer of interest: [`Plugin::filter_state`] sees it first.
    fn set(&self, _: u32) {}

    fn map<F: Fn(&u32) -> R, R>(&self, f: F) -> R {
        f(&STATE_FORMAT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outputs_are_the_six_emotions() {
        let params = AffektParams::default();
        let map = params.param_map();
        let names: Vec<&str> = map.iter().map(|(id, ..)| id.as_str()).collect();
        assert_eq!(names, EMOTIONS.map(Emotion::name));
        assert!(names.iter().all(|name| is_output(name)));
        assert!(!is_output("response"));
        params.outputs.publish([0.0, 0.25, 0.5, 0.125, 0.125, 1.0]);
        let shown: Vec<String> = map
            .iter()
            .map(|(_, parameter, _)| {
                // SAFETY: `params` lives.
                unsafe { parameter.normalized_value_to_string(parameter.modulated_normalized_value(), true) }
            })
            .collect();
        assert_eq!(shown, ["0.0 %", "25.0 %", "50.0 %", "12.5 %", "12.5 %", "100.0 %"]);
    }

    #[test]
    fn only_the_window_and_the_format_are_saved() {
        let params = AffektParams::default();
        let fields = params.serialize_fields();
        assert_eq!(fields.keys().collect::<Vec<_>>(), ["editor-size", "format"]);
        assert_eq!(fields["format"], "1");
        let mut newer = fields.clone();
        newer.insert("format".into(), "7".into());
        newer.insert("editor-size".into(), "[900,600]".into());
        params.deserialize_fields(&newer);
        assert_eq!(params.serialize_fields()["format"], "1");
        assert_eq!(params.serialize_fields()["editor-size"], "[900,600]");
    }
}
