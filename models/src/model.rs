use std::fs::File;
use std::io::Read;
use std::path::Path;

use affekt_features::MIN_WINDOW_FRAMES;

use crate::engine::{Engine, Layout, Port};
use crate::{Contract, EMOTIONS, Input, LOGITS, ModelError, PROBABILITIES, onnx_file};

/// Largest model file that is loaded, in bytes.
pub const MAX_MODEL_BYTES: u64 = 512 << 20;

/// How far the sum of the probabilities may be from one.
const SUM_TOLERANCE: f32 = 1e-3;

/// What a model says of one window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prediction {
    /// Calibrated probabilities in the order of [`EMOTIONS`]; finite, they sum to one.
    pub probabilities: [f32; 6],
    /// The logits before calibration and softmax; finite.
    pub logits: [f32; 6],
}

/// A loaded, checked, ready model.
pub struct Model {
    contract: Contract,
    engine: Engine,
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Model")
            .field("contract", &self.contract)
            .finish_non_exhaustive()
    }
}

impl Model {
    /// Loads from bytes: contract, shapes, labels, specification, a probe run on the shortest and the longest window.
    /// Chooses the runtime if that has not happened yet.
    ///
    /// Takes 10 ms to some seconds, and several times the file's size of memory: not for the audio thread.
    pub fn from_bytes(onnx: &[u8]) -> Result<Self, ModelError> {
        let proto = onnx_file::decode(onnx)?;
        let contract = Contract::of(&proto)?;
        let input = Port {
            name: contract.input.name().into(),
            layout: match contract.input {
                Input::Features => Layout::Rows {
                    width: contract.features.coefficients,
                },
                Input::Waveform => Layout::Row,
            },
            longest: contract.window_frames * contract.frame_width(),
        };
        let engine = Engine::load(onnx, &proto, input, &[PROBABILITIES, LOGITS])?;
        drop(proto);
        let mut model = Self { contract, engine };
        for frames in [MIN_WINDOW_FRAMES, model.contract.window_frames] {
            model.run(&vec![0.0; frames * model.contract.frame_width()])?;
        }
        Ok(model)
    }

    /// Loads from a file of at most [`MAX_MODEL_BYTES`].
    pub fn from_file(path: &Path) -> Result<Self, ModelError> {
        let unreadable = |error: std::io::Error| ModelError::Unreadable {
            path: path.into(),
            reason: error.to_string(),
        };
        let file = File::open(path).map_err(unreadable)?;
        let bytes = file.metadata().map_err(unreadable)?.len();
        if bytes > MAX_MODEL_BYTES {
            return Err(ModelError::TooLarge {
                bytes,
                limit: MAX_MODEL_BYTES,
            });
        }
        let mut onnx = Vec::new();
        // What is not a plain file may deliver more than its metadata say.
        file.take(MAX_MODEL_BYTES + 1)
            .read_to_end(&mut onnx)
            .map_err(unreadable)?;
        Self::from_bytes(&onnx)
    }

    /// What it promises.
    pub fn contract(&self) -> &Contract {
        &self.contract
    }

    /// Runs one window, [`affekt_features::Window::input`]: row-major `[frames, coefficients]`, or as many hops of
    /// samples, of 1 to `window_frames` frames. A prediction that is returned is finite and a probability distribution.
    pub fn run(&mut self, window: &[f32]) -> Result<Prediction, ModelError> {
        let width = self.contract.frame_width();
        let frames = self.contract.window_frames;
        if window.is_empty() || !window.len().is_multiple_of(width) || window.len() > frames * width {
            return Err(ModelError::Window {
                found: window.len(),
                frames,
                width,
            });
        }
        if !window.iter().all(|value| value.is_finite()) {
            return Err(ModelError::NotFinite);
        }
        let outputs = self.engine.run(window)?;
        let six = |place: usize| {
            outputs
                .get(place)
                .and_then(|output| output.values.as_slice().try_into().ok())
        };
        let (Some(probabilities), Some(logits)) = (six(0), six(1)) else {
            let found: Vec<usize> = outputs.iter().map(|output| output.values.len()).collect();
            return Err(ModelError::Outputs {
                reason: format!("they are {found:?} values"),
            });
        };
        let prediction = Prediction { probabilities, logits };
        check(&prediction)?;
        Ok(prediction)
    }
}

fn check(prediction: &Prediction) -> Result<(), ModelError> {
    let wrong = |reason: String| Err(ModelError::Outputs { reason });
    for (emotion, logit) in EMOTIONS.iter().zip(prediction.logits) {
        if !logit.is_finite() {
            return wrong(format!("the logit of {} is {logit}", emotion.name()));
        }
    }
    for (emotion, probability) in EMOTIONS.iter().zip(prediction.probabilities) {
        if !(0.0..=1.0 + SUM_TOLERANCE).contains(&probability) {
            return wrong(format!("the probability of {} is {probability}", emotion.name()));
        }
    }
    let sum: f32 = prediction.probabilities.iter().sum();
    if (sum - 1.0).abs() > SUM_TOLERANCE {
        return wrong(format!("the probabilities sum to {sum}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{Attribute, Graph};
    use crate::runtime::{self, Runtime};
    use crate::samples::{self, TINY};
    use crate::{INPUT, MAX_WAVEFORM_HOP, WAVEFORM};

    fn refusal(onnx: &[u8]) -> ModelError {
        Model::from_bytes(onnx).expect_err("this model must be refused")
    }

    /// A model whose outputs are made from the sample model's logits.
    fn with_outputs(build: impl FnOnce(&mut Graph)) -> Vec<u8> {
        let mut graph = samples::body(TINY, 1);
        build(&mut graph);
        samples::declare(&mut graph, TINY.coefficients);
        graph.finish(&samples::contract(TINY))
    }

    #[test]
    fn models_can_move_between_threads() {
        fn is_send<T: Send>() {}
        is_send::<Model>();
    }

    #[test]
    fn the_shipped_model_runs() {
        let mut model = Model::from_bytes(crate::SHIPPED_MODEL).unwrap();
        let coefficients = model.contract().features.coefficients;
        let prediction = model.run(&samples::window(120, coefficients, 1)).unwrap();
        assert!((prediction.probabilities.iter().sum::<f32>() - 1.0).abs() < 1e-4);
    }

    #[test]
    fn windows_of_every_length_run() {
        let mut model = Model::from_bytes(&samples::model(TINY, 1)).unwrap();
        assert_eq!(*model.contract(), samples::contract(TINY));
        let mut before = None;
        for frames in (MIN_WINDOW_FRAMES..=300).step_by(25) {
            let prediction = model
                .run(&samples::window(frames, TINY.coefficients, frames as u64))
                .unwrap();
            assert_ne!(before.replace(prediction), Some(prediction));
        }
    }

    #[test]
    fn windows_that_do_not_fit_are_refused() {
        let mut model = Model::from_bytes(&samples::model(TINY, 1)).unwrap();
        let good = samples::window(300, TINY.coefficients, 1);
        for length in [0, 1, TINY.coefficients + 1, good.len() - 1] {
            let error = model.run(&good[..length]).unwrap_err();
            assert!(
                matches!(error, ModelError::Window { found, .. } if found == length),
                "{error}"
            );
        }
        let long = samples::window(301, TINY.coefficients, 1);
        assert!(matches!(model.run(&long), Err(ModelError::Window { .. })));
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut window = good.clone();
            window[77] = value;
            assert_eq!(model.run(&window), Err(ModelError::NotFinite));
        }
        let huge = vec![f32::MAX; good.len()];
        if let Ok(prediction) = model.run(&huge) {
            assert!(prediction.probabilities.iter().all(|value| value.is_finite()));
        }
        assert!(model.run(&good).is_ok());
    }

    #[test]
    fn outputs_must_be_probabilities() {
        let sigmoid = with_outputs(|graph| graph.node("Sigmoid", &[LOGITS], &[PROBABILITIES], &[]));
        let error = refusal(&sigmoid);
        assert!(
            matches!(error, ModelError::Outputs { .. }) && error.to_string().contains("sum to"),
            "{error}"
        );
        let raw = with_outputs(|graph| graph.node("Identity", &[LOGITS], &[PROBABILITIES], &[]));
        assert!(matches!(refusal(&raw), ModelError::Outputs { .. }));
        let infinite = with_outputs(|graph| {
            graph.floats("infinity", &[1], &[f32::INFINITY]);
            graph.node("Mul", &[LOGITS, "infinity"], &["product"], &[]);
            graph.node("Softmax", &["product"], &[PROBABILITIES], &[]);
        });
        assert!(matches!(refusal(&infinite), ModelError::Outputs { .. }));
        let mut graph = samples::body(TINY, 1);
        graph.node("Softmax", &[LOGITS], &["six"], &[]);
        graph.node(
            "Concat",
            &["six", "six"],
            &[PROBABILITIES],
            &[("axis", Attribute::Int(1))],
        );
        samples::declare(&mut graph, TINY.coefficients);
        let error = refusal(&graph.finish(&samples::contract(TINY)));
        assert!(
            matches!(error, ModelError::Outputs { .. } | ModelError::Runtime { .. }),
            "{error}"
        );
    }

    #[test]
    fn windows_of_samples_run() {
        let mut model = Model::from_bytes(&samples::waveform_model(1)).unwrap();
        let quiet = model.run(&vec![0.01; 50 * 160]).unwrap();
        let loud = model.run(&vec![0.9; 300 * 160]).unwrap();
        assert_ne!(quiet, loud);
        for length in [0, 100, 161, 301 * 160] {
            let error = model.run(&vec![0.1; length]).unwrap_err();
            assert!(
                matches!(error, ModelError::Window { found, width: 160, .. } if found == length),
                "{error}"
            );
        }
        let mut broken = vec![0.0; 8_000];
        broken[7] = f32::NAN;
        assert_eq!(model.run(&broken), Err(ModelError::NotFinite));
    }

    #[test]
    fn waveform_models_that_fail_on_the_shortest_window_are_refused() {
        // A convolution that is longer than half a second.
        let taps = 4 * MIN_WINDOW_FRAMES * MAX_WAVEFORM_HOP;
        let onnx = samples::with_graph(&samples::waveform_model(1), |graph| {
            let kernel = graph
                .initializer
                .iter_mut()
                .find(|tensor| tensor.name == "conv.weight")
                .unwrap();
            let filters = kernel.dims[0];
            kernel.dims = vec![filters, 1, taps as i64];
            kernel.raw_data = vec![0; 4 * filters as usize * taps];
            let conv = graph.node.iter_mut().find(|node| node.op_type == "Conv").unwrap();
            conv.attribute[0].ints = vec![taps as i64];
        });
        let error = refusal(&onnx);
        assert!(
            matches!(error, ModelError::Runtime { .. } | ModelError::Outputs { .. }),
            "{error}"
        );
        let unknown = samples::with_graph(&samples::waveform_model(1), |graph| {
            graph.node[0].input[0] = format!("{WAVEFORM}2");
        });
        assert!(matches!(refusal(&unknown), ModelError::Runtime { .. }));
    }

    #[test]
    fn weights_that_are_not_numbers_are_refused() {
        let onnx = samples::model(TINY, 1);
        for name in ["conv.weight", "lstm.0.w", "dense.bias", "logits.weight", "temperature"] {
            let broken = samples::with_graph(&onnx, |graph| {
                let tensor = graph.initializer.iter_mut().find(|tensor| tensor.name == name).unwrap();
                tensor.raw_data = f32::NAN.to_le_bytes().repeat(tensor.raw_data.len() / 4);
            });
            let error = refusal(&broken);
            assert!(
                matches!(error, ModelError::Tensor { ref tensor, .. } if tensor == name),
                "{error}"
            );
        }
    }

    #[test]
    fn graphs_that_do_not_work_are_refused() {
        let onnx = samples::model(TINY, 1);
        for change in [
            (|graph| graph.node[0].op_type = "Frobnicate".into()) as fn(&mut tract_onnx::pb::GraphProto),
            |graph| graph.node[0].input[0] = "nowhere".into(),
            |graph| graph.node.clear(),
            |graph| drop(graph.initializer.pop()),
            |graph| graph.initializer[2].dims.swap(0, 2),
        ] {
            let error = refusal(&samples::with_graph(&onnx, change));
            assert!(matches!(error, ModelError::Runtime { .. }), "{error}");
        }
    }

    #[test]
    fn values_too_large_to_hold_are_refused_before_they_are_made() {
        let onnx = with_outputs(|graph| {
            // A million by a million: each of the sizes is acceptable.
            graph.ints("tall", &[2], &[1 << 20, 1]);
            graph.ints("wide", &[2], &[1, 1 << 20]);
            graph.node("ReduceMean", &[LOGITS], &["mean"], &[("keepdims", Attribute::Int(0))]);
            graph.node("Expand", &["mean", "tall"], &["column"], &[]);
            graph.node("Expand", &["mean", "wide"], &["row"], &[]);
            graph.node("Add", &["column", "row"], &["square"], &[]);
            graph.node(
                "ReduceMax",
                &["square"],
                &["greatest"],
                &[("keepdims", Attribute::Int(0))],
            );
            graph.node("Add", &[LOGITS, "greatest"], &["sum"], &[]);
            graph.node("Softmax", &["sum"], &[PROBABILITIES], &[]);
        });
        let error = refusal(&onnx);
        assert!(error.to_string().contains("1048576, 1048576]"), "{error}");
    }

    #[test]
    fn a_model_that_fails_on_some_inputs_only_fails_there() {
        // The row that is gathered depends on the features: the probe's zeros find the only one there is. tract
        // panics at other rows.
        let onnx = with_outputs(|graph| {
            graph.node("ReduceMax", &[INPUT], &["loudest"], &[("keepdims", Attribute::Int(0))]);
            graph.node("Cast", &["loudest"], &["row"], &[("to", Attribute::Int(7))]);
            graph.floats("table", &[1, 6], &[0.0; 6]);
            graph.node("Gather", &["table", "row"], &["offset"], &[]);
            graph.node("Add", &[LOGITS, "offset"], &["sum"], &[]);
            graph.node("Softmax", &["sum"], &[PROBABILITIES], &[]);
        });
        let mut model = Model::from_bytes(&onnx).unwrap();
        let mut window = vec![0.0; 60 * TINY.coefficients];
        assert!(model.run(&window).is_ok());
        window[5] = 1e6;
        let error = model.run(&window).unwrap_err();
        assert!(matches!(error, ModelError::Runtime { .. }), "{error}");
        window[5] = 0.0;
        assert!(model.run(&window).is_ok());
    }

    #[test]
    fn files_are_read_within_bounds() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.onnx");
        let error = Model::from_file(&path).unwrap_err();
        assert!(
            matches!(error, ModelError::Unreadable { .. }) && error.to_string().contains("model.onnx"),
            "{error}"
        );
        assert!(matches!(
            Model::from_file(folder.path()),
            Err(ModelError::Unreadable { .. })
        ));
        std::fs::write(&path, samples::model(TINY, 1)).unwrap();
        assert!(Model::from_file(&path).is_ok());
        // Sparse: it has this length without taking this much of the disk.
        File::create(&path).unwrap().set_len(MAX_MODEL_BYTES + 1).unwrap();
        let error = Model::from_file(&path).unwrap_err();
        assert_eq!(
            error,
            ModelError::TooLarge {
                bytes: MAX_MODEL_BYTES + 1,
                limit: MAX_MODEL_BYTES
            }
        );
    }

    #[test]
    fn tests_of_this_crate_run_on_tract() {
        assert!(
            matches!(runtime::choose(None), Runtime::Tract { .. }),
            "unset {} to run these tests: they are about the runtime that is built in",
            runtime::LIBRARY_VARIABLE
        );
    }
}
