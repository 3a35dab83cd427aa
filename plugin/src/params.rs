//! The plugin's parameters: nine read-only outputs, which nothing that the host saves or sends sets, and what the user
//! can choose.

mod dial;
mod lanes;
mod outputs;
mod sensitivity;
mod state_format;

use std::sync::Arc;

use affekt_models::Emotion;
use affekt_models::automation::{Response, Settings, Silence};
use nice_plug::prelude::*;

use crate::align::{Align, AlignSlot};
use crate::editor::{EditorLook, EditorSize};
use crate::model_choice::ModelChoice;
use crate::singer::SingerSlot;
pub use dial::Dial;
pub use lanes::LaneDials;
use lanes::Lanes;
pub use outputs::Outputs;
use sensitivity::Sensitivity;
use state_format::StateFormat;

/// Everything that the host sees or saves.
#[derive(Params)]
pub struct AffektParams {
    /// What is heard. The wrappers of [`crate::publish`] make these read-only.
    #[nested]
    pub outputs: Arc<Outputs>,
    /// How fast the values follow, as [`Response::at`] takes it.
    #[id = "response"]
    response: FloatParam,
    #[nested]
    sensitivity: Sensitivity,
    #[id = "silence"]
    silence: EnumParam<SilenceChoice>,
    /// Delay of the sound behind the automation.
    #[id = "align"]
    align: EnumParam<Align>,
    /// What of it is wanted and what is in force.
    pub aligned: AlignSlot,
    /// Whether changes of the outputs are sent to the host.
    #[id = "parameter-events"]
    parameter_events: BoolParam,
    /// Whether the singer is learned and kept.
    #[id = "learn"]
    learn: BoolParam,
    #[nested]
    lanes: Lanes,
    /// The singer that was learned.
    #[persist = "singer"]
    pub singer: SingerSlot,
    /// The model that is to run.
    #[persist = "model"]
    pub model: ModelChoice,
    /// Size of the editor's window.
    #[persist = "editor-size"]
    pub editor_size: EditorSize,
    /// View and colours of the window.
    #[persist = "editor-look"]
    pub editor_look: EditorLook,
    /// Version of the saved fields, for later versions of the plugin.
    #[persist = "format"]
    format: StateFormat,
}

/// What the values do while there is no voice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
enum SilenceChoice {
    #[id = "hold"]
    Hold,
    #[id = "fade"]
    Fade,
}

impl Default for AffektParams {
    fn default() -> Self {
        let singer = SingerSlot::default();
        let align = AlignSlot::default();
        let learn = {
            let singer = singer.clone();
            BoolParam::new("Learn this singer", false)
                .with_callback(Arc::new(move |learn| singer.want(learn)))
                .non_automatable()
        };
        Self {
            outputs: Arc::default(),
            response: FloatParam::new("Response", 0.0, FloatRange::Linear { min: 0.0, max: 1.0 })
                .with_value_to_string(Arc::new(response_text))
                .with_string_to_value(Arc::new(response_place)),
            sensitivity: Sensitivity::default(),
            silence: EnumParam::new("In silence", SilenceChoice::Hold),
            align: {
                let align = align.clone();
                EnumParam::new("Align", Align::Off)
                    .with_callback(Arc::new(move |wanted| align.want(wanted)))
                    .non_automatable()
            },
            aligned: align,
            parameter_events: BoolParam::new("Send parameter changes", false),
            learn,
            lanes: Lanes::default(),
            singer,
            model: ModelChoice::default(),
            editor_size: EditorSize::default(),
            editor_look: EditorLook::default(),
            format: StateFormat,
        }
    }
}

impl AffektParams {
    /// What the user has chosen for the way from windows to messages. For the audio thread.
    pub fn settings(&self) -> Settings {
        Settings {
            response: Response::at(self.response.value()),
            sensitivity_db: self.sensitivity.decibels(),
            silence: match self.silence.value() {
                SilenceChoice::Hold => Silence::Hold,
                SilenceChoice::Fade => Silence::Fade,
            },
            parameter_changes: self.parameter_events.value(),
            lanes: self.lanes.settings(),
        }
    }

    /// Control of how fast the values follow.
    pub fn response_dial(&self) -> Dial<'_> {
        Dial::of(&self.response)
    }

    /// Control of how easily an emotion shows.
    pub fn sensitivity_dial(&self, emotion: Emotion) -> Dial<'_> {
        self.sensitivity.dial(emotion)
    }

    /// Control of what happens without voice.
    pub fn silence_dial(&self) -> Dial<'_> {
        Dial::of(&self.silence)
    }

    /// Control of how far the sound is delayed.
    pub fn align_dial(&self) -> Dial<'_> {
        Dial::of(&self.align)
    }

    /// Switch of parameter changes.
    pub fn parameter_events_dial(&self) -> Dial<'_> {
        Dial::of(&self.parameter_events)
    }

    /// Switch of learning.
    pub fn learn_dial(&self) -> Dial<'_> {
        Dial::of(&self.learn)
    }

    /// Controls of the MIDI lane at a place in [`affekt_models::automation::OUTPUTS`].
    pub fn lane_dials(&self, place: usize) -> LaneDials<'_> {
        self.lanes.dials(place)
    }
}

/// "0.40 s", or "integrated".
fn response_text(place: f32) -> String {
    match Response::at(place) {
        Response::Seconds(seconds) if seconds < 10.0 => format!("{seconds:.2} s"),
        Response::Seconds(seconds) => format!("{seconds:.1} s"),
        Response::Integrated => "integrated".into(),
    }
}

/// The control's place for such a text.
fn response_place(text: &str) -> Option<f32> {
    let text = text.trim().to_lowercase();
    match text.as_str() {
        "momentary" => Some(0.0),
        "short-term" => Some(0.5),
        "integrated" => Some(1.0),
        _ => {
            let seconds: f32 = text.trim_end_matches('s').trim().parse().ok()?;
            (seconds > 0.0).then(|| Response::Seconds(seconds).place())
        }
    }
}

/// Whether the parameter of this name is an output.
pub fn is_output(name: &str) -> bool {
    affekt_models::automation::Output::from_name(name).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_choice_settings_are_the_standard() {
        assert_eq!(AffektParams::default().settings(), Settings::default());
        assert_eq!(AffektParams::default().aligned.wanted(), Align::Off);
    }

    #[test]
    fn what_the_user_chooses_arrives() {
        let params = AffektParams::default();
        let map = params.param_map();
        let set = |id: &str, normalised: f32| {
            let (_, parameter, _) = map
                .iter()
                .find(|(name, ..)| name == id)
                .unwrap_or_else(|| panic!("{id}"));
            // SAFETY: `params` lives.
            unsafe { parameter._internal_set_normalized_value(normalised) };
        };
        set("response", 1.0);
        set("sad-sensitivity", 1.0);
        set("silence", 1.0);
        set("align", 1.0);
        set("parameter-events", 1.0);
        set("valence-cc-on", 1.0);
        set("valence-cc-channel", 1.0);
        set("valence-cc-number", 0.0);
        set("valence-cc-curve", 0.0);
        let settings = params.settings();
        assert_eq!(settings.response, Response::Integrated);
        assert_eq!(settings.sensitivity_db, [0.0, 0.0, 0.0, 0.0, 0.0, 12.0]);
        assert_eq!(settings.silence, Silence::Fade);
        assert!(settings.parameter_changes);
        let lane = settings.lanes[7];
        assert_eq!((lane.on, lane.channel, lane.number, lane.curve), (true, 15, 0, -1.0));
        assert_eq!(params.aligned.wanted().samples(48_000.0), 48_000);
    }

    #[test]
    fn the_response_is_said_in_seconds_and_read_again() {
        assert_eq!(response_text(0.0), "0.40 s");
        assert_eq!(response_text(0.5), "3.00 s");
        assert_eq!(response_text(1.0), "integrated");
        for place in [0.0, 0.2, 0.5, 0.8, 1.0] {
            let read = response_place(&response_text(place)).unwrap();
            assert!((read - place).abs() < 0.01, "{place}: {read}");
        }
        assert_eq!(response_place("Short-term"), Some(0.5));
        assert_eq!(response_place("fast"), None);
        assert_eq!(response_place("-1 s"), None);
    }

    #[test]
    fn names_are_unique_and_only_outputs_are_outputs() {
        let params = AffektParams::default();
        let mut names: Vec<String> = params.param_map().into_iter().map(|(id, ..)| id).collect();
        assert_eq!(names.iter().filter(|name| is_output(name)).count(), 9);
        assert!(names[..9].iter().all(|name| is_output(name)), "the outputs come first");
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn the_fields_are_read_back() {
        let params = AffektParams::default();
        let fields = params.serialize_fields();
        assert_eq!(
            fields.keys().collect::<Vec<_>>(),
            ["editor-look", "editor-size", "format", "model", "singer"]
        );
        assert_eq!(fields["format"], "2");
        assert_eq!((fields["singer"].as_str(), fields["model"].as_str()), ("null", "null"));
        let mut newer = fields.clone();
        newer.insert("format".into(), "7".into());
        newer.insert("editor-size".into(), "[900,600]".into());
        params.deserialize_fields(&newer);
        assert_eq!(params.serialize_fields()["format"], "2");
        assert_eq!(params.serialize_fields()["editor-size"], "[900,600]");
    }
}
