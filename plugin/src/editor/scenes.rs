//! Every view in every state that it can be in, for the tests of the layout and for the pictures.

use std::path::PathBuf;
use std::sync::Arc;

use affekt_features::{FeatureSpec, SessionTotals};
use affekt_models::automation::{Heard, Settings, Values};

use super::file_dialog::Dialog;
use super::hands::tests::Diary;
use super::look::{Look, Span, View};
use super::model_list::ModelList;
use super::pulse::Pulse;
use super::repaint::Repaint;
use super::saving::Saved;
use super::{AffektEditor, App};
use crate::analysis::Reading;
use crate::model_choice::ModelSource;
use crate::params::AffektParams;
use crate::readout::readout;
use crate::recent_models::{MOST, Recent, RecentModels};
use crate::recorder::{Note, Recorder};
use crate::singer::Singer;
use crate::worker::engine::shipped_contract;
use crate::worker::link::{Link, ModelInfo, ModelState};

/// Length of what is played, in seconds.
const PLAYED_S: f64 = 42.0;
const RATE_HZ: f64 = 48_000.0;
const TICKS_PER_S: f64 = 750.0;
/// A model of somebody's.
const CHOIR: &str = "/home/ada/Models/choir.onnx";

/// What goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// The host has not played yet.
    Waiting,
    /// The model is being loaded.
    Loading,
    /// A voice is heard.
    Listening,
    /// The voice has paused.
    Holding,
    /// Results come late.
    Overloaded,
    /// The model was refused.
    Refused,
    /// The chosen file was refused, so that the model before runs on.
    Kept,
    /// Another model is chosen from the list.
    Choosing,
    /// A model of the list was refused.
    Unfit,
    /// The file dialog is open, and no file was ever opened.
    Asking,
    /// A singer is being learned.
    Learning,
    /// A singer has been learned.
    Learned,
    /// The pass was saved.
    Saved,
    /// The pass could not be saved.
    Unsaved,
}

/// A view in a state.
#[derive(Debug, Clone, Copy)]
pub struct Scene {
    pub name: &'static str,
    pub view: View,
    pub state: State,
    pub light: bool,
}

const fn scene(name: &'static str, view: View, state: State, light: bool) -> Scene {
    Scene {
        name,
        view,
        state,
        light,
    }
}

/// All of them.
pub const SCENES: [Scene; 24] = [
    scene("now", View::Now, State::Listening, false),
    scene("now-light", View::Now, State::Listening, true),
    scene("now-waiting", View::Now, State::Waiting, false),
    scene("now-loading", View::Now, State::Loading, false),
    scene("now-holding", View::Now, State::Holding, false),
    scene("now-holding-light", View::Now, State::Holding, true),
    scene("now-overloaded", View::Now, State::Overloaded, false),
    scene("now-refused", View::Now, State::Refused, false),
    scene("history", View::History, State::Listening, false),
    scene("history-light", View::History, State::Listening, true),
    scene("history-empty", View::History, State::Waiting, false),
    scene("history-saved", View::History, State::Saved, false),
    scene("history-unsaved", View::History, State::Unsaved, false),
    scene("outputs", View::Outputs, State::Listening, false),
    scene("outputs-light", View::Outputs, State::Listening, true),
    scene("model", View::Model, State::Listening, false),
    scene("model-light", View::Model, State::Learned, true),
    scene("model-learning", View::Model, State::Learning, false),
    scene("model-kept", View::Model, State::Kept, false),
    scene("model-refused", View::Model, State::Refused, false),
    scene("model-waiting", View::Model, State::Waiting, false),
    scene("model-list", View::Model, State::Choosing, false),
    scene("model-list-refused", View::Model, State::Unfit, true),
    scene("model-list-asking", View::Model, State::Asking, false),
];

impl Scene {
    /// The window.
    pub fn app(&self) -> App {
        let params = Arc::<AffektParams>::default();
        params.editor_look.choose(Look {
            view: self.view,
            light: self.light,
            span: Span::Medium,
        });
        let link = Arc::new(Link::new(params.singer.clone(), params.model.clone()));
        let (mut shown, readout) = readout();
        let values = match self.state {
            State::Waiting | State::Loading | State::Refused => Values::default(),
            state => play(link.recorder(), state != State::Holding),
        };
        shown.show(Reading {
            values,
            late: if self.state == State::Overloaded { 17 } else { 0 },
            dropped: if self.state == State::Overloaded { 240 } else { 0 },
            overloaded: self.state == State::Overloaded,
            blocks: 1,
        });
        link.set_model(self.model());
        if !matches!(self.state, State::Waiting | State::Loading | State::Refused) {
            link.note_inference(std::time::Duration::from_micros(3_400));
        }
        match self.state {
            State::Learning => {
                params.singer.want(true);
                params.singer.note_progress(1_100, 2_500);
            }
            State::Kept => {
                params.model.choose(Some(ModelSource::File(CHOIR.into())));
                link.set_refusal(Some(
                    "choir.onnx is no Affekt model (its metadata lack affekt.contract): export it with affekt-trainer"
                        .into(),
                ));
            }
            State::Choosing => {
                params.model.choose(Some(ModelSource::Shipped {
                    shipped: "baseline".into(),
                }));
            }
            State::Unfit => {
                params.model.choose(Some(ModelSource::File(CHOIR.into())));
                link.set_refusal(Some(
                    "/home/ada/Models/choir.onnx: the file is no ONNX model: export it again. The model before runs on."
                        .into(),
                ));
            }
            State::Learned => {
                params.singer.want(true);
                params.singer.learn(1, singer());
            }
            _ => {}
        }
        if matches!(self.state, State::Kept | State::Unfit) {
            link.set_model_pending(false, params.model.revision());
        }
        set(&params, "angry-cc-on", 1.0);
        set(&params, "happy-cc-on", 1.0);
        set(&params, "happy-cc-curve", 0.8);
        set(&params, "sad-cc-curve", 0.2);
        set(&params, "arousal-cc-on", 1.0);
        set(&params, "arousal-cc-smoothing", 0.6);
        set(&params, "neutral-sensitivity", 0.0);
        let editor = AffektEditor::new(params, Arc::new(readout), link);
        let playing = self.state != State::Waiting;
        let mut app = App::new(
            &editor,
            Box::new(Diary::default()),
            Pulse::still(playing),
            Repaint::default(),
        );
        match self.state {
            State::Choosing | State::Unfit => app.models = ModelList::of(recent(), Dialog::Closed),
            State::Asking => app.models = ModelList::of(RecentModels::default(), Dialog::Open),
            _ => {}
        }
        app.saver.set(match self.state {
            State::Saved => Saved::Done(PathBuf::from(
                "/home/ada/Documents/Affekt/Affekt 2026-11-22 19.31.52.mid",
            )),
            State::Unsaved => Saved::Failed(
                "/home/ada/Documents/Affekt/Affekt 2026-11-22 19.31.52.mid cannot be written: No space left on device \
                 (os error 28)."
                    .into(),
            ),
            _ => Saved::Nothing,
        });
        app
    }

    fn model(&self) -> ModelState {
        match self.state {
            State::Waiting | State::Loading => ModelState::Loading,
            State::Refused => ModelState::Failed(
                "the model is damaged (graph output \"probabilities\" is missing): export it again with a trainer of \
                 this version, or put the plugin's own one back"
                    .into(),
            ),
            _ => {
                let contract = shipped_contract().expect("the shipped model can be read");
                ModelState::Running(ModelInfo {
                    card: Arc::new(contract.card.clone()),
                    hop_s: contract.hop_s(),
                    runtime: "tract 0.23 (built in)".into(),
                })
            }
        }
    }
}

fn set(params: &AffektParams, id: &str, place: f32) {
    use nice_plug::prelude::Params;

    let map = params.param_map();
    let (_, parameter, _) = map
        .iter()
        .find(|(name, ..)| name == id)
        .unwrap_or_else(|| panic!("{id}"));
    // SAFETY: `params` lives.
    unsafe { parameter._internal_set_normalized_value(place) };
}

/// As many files as there can be, one of them gone.
fn recent() -> RecentModels {
    let names = [
        "lead",
        "choir-2",
        "kammerchor-sopran",
        "studio",
        "rap",
        "duet",
        "old-takes",
    ];
    let paths = names.map(|name| format!("/home/ada/Models/{name}.onnx"));
    let list: Vec<Recent> = std::iter::once(CHOIR.to_owned())
        .chain(paths)
        .enumerate()
        .map(|(place, path)| Recent {
            path: path.into(),
            missing: place == 4,
        })
        .collect();
    assert_eq!(list.len(), MOST);
    RecentModels::of(list)
}

fn singer() -> Singer {
    let spec = FeatureSpec::standard();
    let totals = SessionTotals {
        frames: 2_500,
        sum_db: vec![-75_000.0; spec.mel_bands],
    };
    Singer::new(&spec, &totals)
}

/// Plays something that moves; what the values are at its end.
fn play(recorder: &Recorder, voiced: bool) -> Values {
    recorder.begin(RATE_HZ, Settings::default());
    for window in 0..(PLAYED_S * 10.0) as u64 {
        let time_s = window as f64 / 10.0;
        let tick = (time_s * TICKS_PER_S) as u64;
        let pause = (17.0..19.5).contains(&time_s) || (!voiced && time_s > PLAYED_S - 1.5);
        let heard = Heard {
            probabilities: (!pause).then(|| shares(time_s)),
        };
        recorder.note(Note::Heard { tick, heard });
        recorder.drain();
    }
    recorder.pass((PLAYED_S * TICKS_PER_S) as u64);
    recorder.pass_so_far().map(|pass| pass.last()).unwrap_or_default()
}

fn shares(time_s: f64) -> [f32; 6] {
    let wave = |period: f64, phase: f64, width: f64| ((time_s / period + phase).sin() * width).exp();
    let weights = [
        wave(5.0, 0.0, 1.4),
        0.5 * wave(2.3, 2.0, 0.8),
        0.8 * wave(3.7, 4.0, 1.2),
        1.6 * wave(6.0, 0.8, 1.8),
        1.2 * wave(4.1, 3.0, 0.9),
        wave(5.6, 2.5, 1.5),
    ];
    let sum: f64 = weights.iter().sum();
    weights.map(|weight| (weight / sum) as f32)
}
