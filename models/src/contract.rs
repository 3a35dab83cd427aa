use std::collections::BTreeMap;

use affekt_features::{FeatureError, FeatureSpec, MAX_WINDOW_FRAMES, MIN_WINDOW_FRAMES, Session, WindowStream};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tract_onnx::pb;

use crate::{EMOTIONS, ModelError, onnx_file};

/// Version of the contract between model file and program (`affekt.contract`).
pub const CONTRACT_VERSION: u32 = 1;

/// Name of the input of a model that takes features, f32 `[1, frames, coefficients]`.
pub const INPUT: &str = "features";
/// Name of the graph's output of calibrated probabilities, f32 `[1, 6]`.
pub const PROBABILITIES: &str = "probabilities";
/// Name of the graph's output of logits, f32 `[1, 6]`.
pub const LOGITS: &str = "logits";
/// Name of the input of a model that takes raw audio, f32 `[1, samples]`, mono at [`WAVEFORM_RATE_HZ`].
pub const WAVEFORM: &str = "waveform";
/// Sample rate of raw audio, in Hz.
pub const WAVEFORM_RATE_HZ: u32 = 16_000;
/// Longest hop of a model that takes raw audio, in samples, so that they can travel through fixed arrays.
pub const MAX_WAVEFORM_HOP: usize = 320;

const KEY_CONTRACT: &str = "affekt.contract";
const KEY_FEATURES: &str = "affekt.features";
const KEY_LABELS: &str = "affekt.labels";
const KEY_WINDOW_FRAMES: &str = "affekt.window_frames";
const KEY_HOP_FRAMES: &str = "affekt.hop_frames";
const KEY_CARD: &str = "affekt.card";

/// What a model promises: read from the ONNX file's `metadata_props`.
#[derive(Debug, Clone, PartialEq)]
pub struct Contract {
    /// What it takes in.
    pub input: Input,
    /// How features are computed; of a model that takes raw audio, how frames are taken and which of them are voiced.
    pub features: FeatureSpec,
    /// Most frames in one window, [`MIN_WINDOW_FRAMES`] to [`MAX_WINDOW_FRAMES`].
    pub window_frames: usize,
    /// Frames between windows, 1 to `window_frames`.
    pub hop_frames: usize,
    /// Where it comes from and how good it is.
    pub card: Card,
}

/// What a model takes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Input {
    /// [`INPUT`]: session-normalised MFCCs.
    #[default]
    Features,
    /// [`WAVEFORM`]: mono samples, as many hops of them as there are frames.
    Waveform,
}

impl Input {
    /// Name of the graph's input.
    pub fn name(self) -> &'static str {
        match self {
            Self::Features => INPUT,
            Self::Waveform => WAVEFORM,
        }
    }
}

/// The short form of a model card.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Card {
    /// Name shown to the user.
    pub name: String,
    /// The model's own version.
    pub version: String,
    /// Corpora it was trained on.
    pub corpora: Vec<String>,
    /// Licence of the model.
    pub licence: String,
    /// Figures by name, e.g. `uar`; finite.
    pub metrics: BTreeMap<String, f64>,
    /// Day it was made, ISO 8601.
    pub date: String,
}

impl Contract {
    /// Reads and checks the contract of an ONNX file's bytes without running it: structure of the file, metadata,
    /// names, types and shapes of inputs and outputs.
    pub fn read(onnx: &[u8]) -> Result<Self, ModelError> {
        Self::of(&onnx_file::decode(onnx)?)
    }

    pub(crate) fn of(model: &pb::ModelProto) -> Result<Self, ModelError> {
        let metadata = Metadata(model);
        let version: u64 = metadata.json(KEY_CONTRACT)?;
        if version != u64::from(CONTRACT_VERSION) {
            return Err(ModelError::ContractVersion { found: version });
        }
        let graph = model.graph.as_ref().ok_or_else(|| ModelError::NotOnnx {
            reason: "it has no graph".into(),
        })?;
        let labels: Vec<String> = metadata.json(KEY_LABELS)?;
        if labels != EMOTIONS.map(|emotion| emotion.name()) {
            return Err(ModelError::Labels { found: labels });
        }
        let features: FeatureSpec = metadata.json(KEY_FEATURES)?;
        features.validate().map_err(ModelError::Features)?;
        let window_frames = metadata.frames(KEY_WINDOW_FRAMES, MIN_WINDOW_FRAMES, MAX_WINDOW_FRAMES)?;
        let hop_frames = metadata.frames(KEY_HOP_FRAMES, 1, window_frames)?;
        let card = metadata.json(KEY_CARD)?;
        let input = check_inputs(graph, &features)?;
        check_outputs(graph)?;
        Ok(Self {
            input,
            features,
            window_frames,
            hop_frames,
            card,
        })
    }

    /// Values that the model takes in of each frame: coefficients, or the samples of a hop.
    pub fn frame_width(&self) -> usize {
        match self.input {
            Input::Features => self.features.coefficients,
            Input::Waveform => self.features.hop,
        }
    }

    /// Time between two windows, in seconds.
    pub fn hop_s(&self) -> f64 {
        let samples = self.hop_frames * self.features.hop;
        samples as f64 / f64::from(self.features.sample_rate_hz)
    }

    /// A stream of this model's windows; `session` is what has been heard before.
    ///
    /// # Errors
    /// Those of [`WindowStream::new`].
    pub fn windows(&self, session: Session) -> Result<WindowStream, FeatureError> {
        let stream = match self.input {
            Input::Features => WindowStream::new,
            Input::Waveform => WindowStream::of_samples,
        };
        stream(&self.features, self.window_frames, self.hop_frames, session)
    }

    /// The `metadata_props` to write into an ONNX file. Metrics that are not finite are left out: JSON has none.
    pub fn to_metadata(&self) -> Vec<(String, String)> {
        let mut card = self.card.clone();
        card.metrics.retain(|_, figure| figure.is_finite());
        [
            (KEY_CONTRACT, CONTRACT_VERSION.to_string()),
            (KEY_FEATURES, json(&self.features)),
            (KEY_LABELS, json(&EMOTIONS.map(|emotion| emotion.name()))),
            (KEY_WINDOW_FRAMES, self.window_frames.to_string()),
            (KEY_HOP_FRAMES, self.hop_frames.to_string()),
            (KEY_CARD, json(&card)),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .into()
    }
}

/// A text that [`Metadata::json`] reads back; what cannot be written (it never happens to these types) reads as damaged.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

struct Metadata<'a>(&'a pb::ModelProto);

impl Metadata<'_> {
    fn json<T: DeserializeOwned>(&self, key: &'static str) -> Result<T, ModelError> {
        let entry = self.0.metadata_props.iter().find(|entry| entry.key == key);
        let text = &entry.ok_or(ModelError::MissingMetadata { key })?.value;
        serde_json::from_str(text).map_err(|error| ModelError::Metadata {
            key,
            reason: error.to_string(),
        })
    }

    fn frames(&self, key: &'static str, low: usize, high: usize) -> Result<usize, ModelError> {
        let found: u64 = self.json(key)?;
        usize::try_from(found)
            .ok()
            .filter(|frames| (low..=high).contains(frames))
            .ok_or(ModelError::Frames { key, found, low, high })
    }
}

/// The inputs that have to be fed: older exporters list the constants among the inputs too.
pub(crate) fn inputs(graph: &pb::GraphProto) -> impl Iterator<Item = &pb::ValueInfoProto> {
    graph
        .input
        .iter()
        .filter(|input| graph.initializer.iter().all(|tensor| tensor.name != input.name))
}

fn check_inputs(graph: &pb::GraphProto, features: &FeatureSpec) -> Result<Input, ModelError> {
    let found: Vec<_> = inputs(graph).collect();
    let [input] = found[..] else {
        let names: Vec<_> = found.iter().map(|input| input.name.as_str()).collect();
        return Err(ModelError::Shape {
            value: "list of inputs".into(),
            found: format!("{names:?}"),
            expected: format!("`{INPUT}` or `{WAVEFORM}` alone"),
        });
    };
    let dims = dims_of(input);
    let coefficients = features.coefficients;
    match (input.name.as_str(), dims.as_deref()) {
        (INPUT, Some(&[Some(1), None, Some(last)])) if last == coefficients as i64 => Ok(Input::Features),
        (WAVEFORM, Some(&[Some(1), None])) => match (features.sample_rate_hz, features.hop) {
            (WAVEFORM_RATE_HZ, 1..=MAX_WAVEFORM_HOP) => Ok(Input::Waveform),
            (rate_hz, hop) => Err(ModelError::WaveformSpec { rate_hz, hop }),
        },
        (WAVEFORM, _) => Err(misfit("input", input, dims, &format!("`{WAVEFORM}` f32 [1, dynamic]"))),
        _ => Err(misfit(
            "input",
            input,
            dims,
            &format!("`{INPUT}` f32 [1, dynamic, {coefficients}]"),
        )),
    }
}

fn check_outputs(graph: &pb::GraphProto) -> Result<(), ModelError> {
    for name in [PROBABILITIES, LOGITS] {
        let mut found = graph.output.iter().filter(|output| output.name == name);
        let (Some(output), None) = (found.next(), found.next()) else {
            let names: Vec<_> = graph.output.iter().map(|output| output.name.as_str()).collect();
            return Err(ModelError::Shape {
                value: "list of outputs".into(),
                found: format!("{names:?}"),
                expected: format!("`{PROBABILITIES}` and `{LOGITS}`"),
            });
        };
        let dims = dims_of(output);
        if dims.as_deref() != Some(&[Some(1), Some(EMOTIONS.len() as i64)]) {
            return Err(misfit("output", output, dims, &format!("f32 [1, {}]", EMOTIONS.len())));
        }
    }
    Ok(())
}

/// Dimensions of an f32 tensor, `None` where they are dynamic.
pub(crate) fn dims_of(value: &pb::ValueInfoProto) -> Option<Vec<Option<i64>>> {
    use pb::tensor_shape_proto::dimension::Value;
    let pb::type_proto::Value::TensorType(tensor) = value.r#type.as_ref()?.value.as_ref()?;
    let shape = tensor.shape.as_ref()?;
    (tensor.elem_type == pb::tensor_proto::DataType::Float as i32).then(|| {
        shape
            .dim
            .iter()
            .map(|dim| match dim.value {
                Some(Value::DimValue(size)) => Some(size),
                Some(Value::DimParam(_)) | None => None,
            })
            .collect()
    })
}

fn dim_in_words(dim: Option<i64>) -> String {
    dim.map_or("dynamic".to_owned(), |size| size.to_string())
}

/// E.g. `[1, dynamic, 64]`.
pub(crate) fn in_words(dims: &[Option<i64>]) -> String {
    let words: Vec<_> = dims.iter().map(|dim| dim_in_words(*dim)).collect();
    format!("[{}]", words.join(", "))
}

fn misfit(kind: &str, value: &pb::ValueInfoProto, dims: Option<Vec<Option<i64>>>, expected: &str) -> ModelError {
    match dims {
        // A dynamic batch dimension can make runtimes fail in ways that cannot be caught.
        Some(dims) if dims.len() > 1 && dims[0] != Some(1) => ModelError::Batch {
            value: value.name.clone(),
            found: dim_in_words(dims[0]),
        },
        dims => ModelError::Shape {
            value: format!("{kind} `{}`", value.name),
            found: dims.map_or("not a tensor of f32".into(), |dims| format!("f32 {}", in_words(&dims))),
            expected: expected.into(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Dim;
    use crate::samples::{self, TINY, with_graph, with_metadata};

    fn refusal(onnx: &[u8]) -> ModelError {
        Contract::read(onnx).expect_err("this model must be refused")
    }

    #[test]
    fn what_is_written_is_read() {
        let mut contract = samples::contract(TINY);
        contract
            .features
            .session
            .prior_db
            .iter_mut()
            .enumerate()
            .for_each(|(i, db)| *db = -(i as f32).sqrt() * 7.3);
        contract.card.metrics.insert("ece".into(), 0.071_234);
        let mut graph = samples::body(TINY, 1);
        samples::declare(&mut graph, TINY.coefficients);
        assert_eq!(Contract::read(&graph.finish(&contract)), Ok(contract));
    }

    #[test]
    fn figures_that_json_cannot_hold_are_left_out() {
        let mut contract = samples::contract(TINY);
        contract.card.metrics.insert("uar".into(), f64::NAN);
        let metadata = contract.to_metadata();
        assert!(
            metadata
                .iter()
                .any(|(key, value)| key == KEY_CARD && value.contains(r#""metrics":{}"#))
        );
    }

    #[test]
    fn every_entry_must_be_there_and_be_understood() {
        let onnx = samples::model(TINY, 1);
        for key in [
            KEY_CONTRACT,
            KEY_FEATURES,
            KEY_LABELS,
            KEY_WINDOW_FRAMES,
            KEY_HOP_FRAMES,
            KEY_CARD,
        ] {
            assert_eq!(
                refusal(&with_metadata(&onnx, key, None)),
                ModelError::MissingMetadata { key }
            );
            for nonsense in ["", "{", "null", "-1", "[1, 2]", "\"six\"", "1e99"] {
                let error = refusal(&with_metadata(&onnx, key, Some(nonsense)));
                assert!(
                    matches!(error, ModelError::Metadata { key: found, .. } if found == key),
                    "{nonsense}: {error}"
                );
                assert!(error.to_string().contains(key), "{error}");
            }
        }
    }

    #[test]
    fn another_version_says_which_side_to_update() {
        let onnx = samples::model(TINY, 1);
        let newer = refusal(&with_metadata(&onnx, KEY_CONTRACT, Some("2")));
        assert_eq!(newer, ModelError::ContractVersion { found: 2 });
        assert!(newer.to_string().ends_with("update Affekt"), "{newer}");
        let older = refusal(&with_metadata(&onnx, KEY_CONTRACT, Some("0")));
        assert!(older.to_string().ends_with("export the model again"), "{older}");
    }

    #[test]
    fn labels_must_be_the_six_in_their_order() {
        let onnx = samples::model(TINY, 1);
        for labels in [
            r#"["disgust","angry","fear","happy","neutral","sad"]"#,
            r#"["angry","disgust","fear","happy","neutral"]"#,
            r#"["angry","disgust","fear","happy","neutral","sad","calm"]"#,
            r#"["Angry","disgust","fear","happy","neutral","sad"]"#,
            "[]",
        ] {
            let error = refusal(&with_metadata(&onnx, KEY_LABELS, Some(labels)));
            assert!(matches!(error, ModelError::Labels { .. }), "{labels}: {error}");
        }
    }

    #[test]
    fn features_must_be_computable() {
        let onnx = samples::model(TINY, 1);
        let mut features = FeatureSpec::standard();
        features.hop = 0;
        let text = serde_json::to_string(&features).unwrap();
        let error = refusal(&with_metadata(&onnx, KEY_FEATURES, Some(&text)));
        assert!(matches!(error, ModelError::Features(_)), "{error}");
    }

    #[test]
    fn windows_must_be_of_a_length_that_is_streamed() {
        let onnx = samples::model(TINY, 1);
        for (key, value) in [
            (KEY_WINDOW_FRAMES, MIN_WINDOW_FRAMES - 1),
            (KEY_WINDOW_FRAMES, MAX_WINDOW_FRAMES + 1),
            (KEY_HOP_FRAMES, 0),
            (KEY_HOP_FRAMES, 301),
        ] {
            let error = refusal(&with_metadata(&onnx, key, Some(&value.to_string())));
            assert!(
                matches!(error, ModelError::Frames { key: found, .. } if found == key),
                "{key} {value}: {error}"
            );
        }
    }

    #[test]
    fn the_input_must_be_frames_of_coefficients() {
        let onnx = samples::model(TINY, 1);
        let (one, frames, three) = (Dim::Fixed(1), Dim::Dynamic("frames"), Dim::Fixed(3));
        for (dims, batch) in [
            (vec![one, frames, Dim::Fixed(4)], false),
            (vec![one, Dim::Fixed(300), three], false),
            (vec![one, frames, Dim::Dynamic("coefficients")], false),
            (vec![one, frames], false),
            (vec![], false),
            (vec![one, frames, three, one], false),
            (vec![Dim::Dynamic("batch"), frames, three], true),
            (vec![Dim::Fixed(2), frames, three], true),
        ] {
            let error = refusal(&with_graph(&onnx, |graph| {
                graph.input[0] = samples::value(INPUT, &dims)
            }));
            let expected = if batch {
                matches!(error, ModelError::Batch { .. })
            } else {
                matches!(error, ModelError::Shape { .. })
            };
            assert!(expected, "{dims:?}: {error}");
        }
        for change in [
            (|graph| graph.input.clear()) as fn(&mut pb::GraphProto),
            |graph| graph.input[0].name = "mfcc".into(),
            |graph| graph.input[0].r#type = None,
            |graph| graph.input.push(samples::value("mask", &[Dim::Fixed(1)])),
        ] {
            let error = refusal(&with_graph(&onnx, change));
            assert!(matches!(error, ModelError::Shape { .. }), "{error}");
        }
    }

    #[test]
    fn outputs_must_be_six_values_each() {
        let onnx = samples::model(TINY, 1);
        let (one, six) = (Dim::Fixed(1), Dim::Fixed(6));
        for name in [PROBABILITIES, LOGITS] {
            let place = usize::from(name == LOGITS);
            for dims in [
                vec![one, Dim::Fixed(5)],
                vec![six],
                vec![one, Dim::Dynamic("classes")],
                vec![one, six, one],
            ] {
                let error = refusal(&with_graph(&onnx, |graph| {
                    graph.output[place] = samples::value(name, &dims)
                }));
                assert!(matches!(error, ModelError::Shape { .. }), "{name} {dims:?}: {error}");
            }
            let dims = [Dim::Dynamic("batch"), six];
            let error = refusal(&with_graph(&onnx, |graph| {
                graph.output[place] = samples::value(name, &dims)
            }));
            assert!(matches!(error, ModelError::Batch { .. }), "{name}: {error}");
            let error = refusal(&with_graph(&onnx, |graph| drop(graph.output.remove(place))));
            assert!(matches!(error, ModelError::Shape { .. }), "{name}: {error}");
        }
    }

    #[test]
    fn constants_among_the_inputs_are_no_inputs() {
        let onnx = samples::model(TINY, 1);
        let listed = with_graph(&onnx, |graph| {
            graph
                .input
                .push(samples::value("scaler.mean", &[Dim::Fixed(TINY.coefficients)]));
        });
        assert_eq!(Contract::read(&listed), Contract::read(&onnx));
    }

    #[test]
    fn raw_audio_is_mono_samples() {
        let onnx = samples::waveform_model(1);
        let contract = Contract::read(&onnx).unwrap();
        assert_eq!((contract.input, contract.frame_width()), (Input::Waveform, 160));
        let (one, samples) = (Dim::Fixed(1), Dim::Dynamic("samples"));
        for (dims, batch) in [
            (vec![one, Dim::Fixed(48_000)], false),
            (vec![samples], false),
            (vec![one, samples, one], false),
            (vec![Dim::Dynamic("batch"), samples], true),
        ] {
            let error = refusal(&with_graph(&onnx, |graph| {
                graph.input[0] = samples::value(WAVEFORM, &dims)
            }));
            let expected = if batch {
                matches!(error, ModelError::Batch { .. })
            } else {
                matches!(error, ModelError::Shape { .. })
            };
            assert!(expected, "{dims:?}: {error}");
        }
        for (rate_hz, hop) in [(22_050, 160), (16_000, 321)] {
            let mut features = FeatureSpec::standard();
            (features.sample_rate_hz, features.hop) = (rate_hz, hop);
            let text = serde_json::to_string(&features).unwrap();
            let error = refusal(&with_metadata(&onnx, KEY_FEATURES, Some(&text)));
            assert_eq!(error, ModelError::WaveformSpec { rate_hz, hop });
        }
    }
}
