//! Embedding models of other people: what they take in and give, and how they are run by themselves. Inside a model of
//! ours they are a part of its graph; see [`crate::graph::Graph::adopt`].

use tract_onnx::pb;

use crate::contract::{dims_of, in_words, inputs};
use crate::engine::{Engine, Layout, Port};
use crate::{ModelError, onnx_file};

/// What a front end takes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrontEndInput {
    /// Raw audio, f32 `[1, samples]` or `[samples]`.
    Waveform,
    /// Mel bands in dB, f32 `[1, frames, bands]`.
    LogMel {
        /// Bands of a frame.
        bands: usize,
    },
}

/// An embedding model: from audio to `[rows, width]`, with any number of rows per second.
pub struct FrontEndModel {
    engine: Engine,
    width: usize,
}

impl std::fmt::Debug for FrontEndModel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FrontEndModel")
            .field("width", &self.width)
            .finish_non_exhaustive()
    }
}

impl FrontEndModel {
    /// Loads an ONNX file with one input of this kind. `output` names the output with the embeddings, f32
    /// `[1, rows, width]` or `[rows, width]`; the first one if not given. Runs it once on silence of `shortest` and of
    /// `longest` values, the least and the most that it will get.
    pub fn from_bytes(
        onnx: &[u8],
        input: FrontEndInput,
        output: Option<&str>,
        shortest: usize,
        longest: usize,
    ) -> Result<Self, ModelError> {
        let proto = onnx_file::decode(onnx)?;
        let ends = Ends::of(&proto, input, output)?;
        let port = Port {
            name: ends.input,
            layout: ends.layout,
            longest,
        };
        let engine = Engine::load(onnx, &proto, port, &[&ends.output])?;
        drop(proto);
        let mut model = Self { engine, width: 0 };
        for length in [shortest, longest] {
            let width = model.embed(&vec![0.0; length])?.1;
            if model.width != 0 && model.width != width {
                return Err(ModelError::Outputs {
                    reason: format!("an embedding is {} values wide, or {width}", model.width),
                });
            }
            model.width = width;
        }
        Ok(model)
    }

    /// Values of an embedding.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Embeddings of samples, or of rows of bands: row-major `[rows, width]`, at least one row, finite.
    pub fn run(&mut self, values: &[f32]) -> Result<Vec<f32>, ModelError> {
        if !values.iter().all(|value| value.is_finite()) {
            return Err(ModelError::NotFinite);
        }
        let (embeddings, width) = self.embed(values)?;
        if width != self.width {
            return Err(ModelError::Outputs {
                reason: format!("an embedding is {width} values wide in place of {}", self.width),
            });
        }
        Ok(embeddings)
    }

    fn embed(&mut self, values: &[f32]) -> Result<(Vec<f32>, usize), ModelError> {
        let wrong = |reason: String| Err(ModelError::Outputs { reason });
        let output = self.engine.run(values)?.into_iter().next();
        let Some(output) = output else {
            return wrong("there are none".into());
        };
        let width = match output.shape[..] {
            [1, rows, width] | [rows, width] if rows > 0 && width > 0 => width,
            _ => {
                return wrong(format!(
                    "{:?} in place of [1, rows, width] or [rows, width] for {} values",
                    output.shape,
                    values.len()
                ));
            }
        };
        if !output.values.iter().all(|value| value.is_finite()) {
            return wrong("an embedding is not finite".into());
        }
        Ok((output.values, width))
    }
}

/// Where a front end begins and ends.
pub(crate) struct Ends {
    /// Name of its only input.
    pub input: String,
    /// How values lie in it.
    pub layout: Layout,
    /// Name of the output with the embeddings.
    pub output: String,
}

impl Ends {
    pub(crate) fn of(proto: &pb::ModelProto, input: FrontEndInput, output: Option<&str>) -> Result<Self, ModelError> {
        let graph = proto.graph.as_ref().ok_or_else(|| ModelError::NotOnnx {
            reason: "it has no graph".into(),
        })?;
        let (input, layout) = beginning(graph, input)?;
        let mut outputs = graph.output.iter().map(|output| output.name.as_str());
        let named = match output {
            Some(name) => outputs.find(|&own| own == name),
            None => outputs.next(),
        };
        match named {
            Some(name) => Ok(Self {
                input,
                layout,
                output: name.into(),
            }),
            None => Err(ModelError::Shape {
                value: "list of outputs".into(),
                found: format!(
                    "{:?}",
                    graph.output.iter().map(|output| &output.name).collect::<Vec<_>>()
                ),
                expected: format!("one with `{}`", output.unwrap_or("embeddings")),
            }),
        }
    }
}

/// Name and layout of the only input.
fn beginning(graph: &pb::GraphProto, input: FrontEndInput) -> Result<(String, Layout), ModelError> {
    let found: Vec<_> = inputs(graph).collect();
    let [only] = found[..] else {
        let names: Vec<_> = found.iter().map(|input| input.name.as_str()).collect();
        return Err(ModelError::Shape {
            value: "list of inputs".into(),
            found: format!("{names:?}"),
            expected: "one input alone".into(),
        });
    };
    let dims = dims_of(only);
    // Other people's exports have a batch of any size.
    match (input, dims.as_deref()) {
        (FrontEndInput::Waveform, Some([Some(1) | None, None])) => Ok((only.name.clone(), Layout::Row)),
        (FrontEndInput::Waveform, Some([None])) => Ok((only.name.clone(), Layout::Flat)),
        (FrontEndInput::LogMel { bands }, Some([Some(1) | None, None, last]))
            if last.is_none_or(|last| last == bands as i64) =>
        {
            Ok((only.name.clone(), Layout::Rows { width: bands }))
        }
        _ => Err(ModelError::Shape {
            value: format!("input `{}`", only.name),
            found: match dims {
                Some(dims) => format!("f32 {}", in_words(&dims)),
                None => "not a tensor of f32".into(),
            },
            expected: match input {
                FrontEndInput::Waveform => "f32 [1, dynamic] or [dynamic]".into(),
                FrontEndInput::LogMel { bands } => format!("f32 [1, dynamic, {bands}]"),
            },
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{Attribute, Dim, Graph};
    use crate::samples::{self, edited, with_graph};
    use crate::{Contract, Input, LOGITS, Model, PROBABILITIES, WAVEFORM};

    const SECOND: usize = 16_000;

    fn load(onnx: &[u8]) -> Result<FrontEndModel, ModelError> {
        FrontEndModel::from_bytes(onnx, FrontEndInput::Waveform, None, SECOND / 2, 3 * SECOND)
    }

    /// A head on a front end: the mean over the rows, and its first six values.
    fn joined(front_end: &[u8]) -> Result<Vec<u8>, ModelError> {
        let mut graph = Graph::new();
        graph.input(WAVEFORM, &[Dim::Fixed(1), Dim::Dynamic("samples")]);
        graph.adopt(
            front_end,
            FrontEndInput::Waveform,
            None,
            samples::EMBEDDING,
            WAVEFORM,
            "rows",
        )?;
        graph.reduce_mean("rows", 1, "mean");
        let weights: Vec<f32> = (0..samples::EMBEDDING * 6)
            .map(|place| (place % 7) as f32 - 3.0)
            .collect();
        // The same name as in the front end.
        graph.floats("conv.weight", &[samples::EMBEDDING, 6], &weights);
        graph.node("MatMul", &["mean", "conv.weight"], &[LOGITS], &[]);
        graph.node("Softmax", &[LOGITS], &[PROBABILITIES], &[("axis", Attribute::Int(1))]);
        graph.output(PROBABILITIES, &[Dim::Fixed(1), Dim::Fixed(6)]);
        graph.output(LOGITS, &[Dim::Fixed(1), Dim::Fixed(6)]);
        Ok(graph.finish(&Contract {
            input: Input::Waveform,
            ..samples::contract(samples::FULL)
        }))
    }

    #[test]
    fn embeddings_come_in_rows() {
        let mut model = load(&samples::front_end(1, 18)).unwrap();
        assert_eq!(model.width(), samples::EMBEDDING);
        let sound: Vec<f32> = (0..SECOND).map(|n| (n as f32 * 0.05).sin() * 0.3).collect();
        let embeddings = model.run(&sound).unwrap();
        // 400 taps every 320 samples.
        assert_eq!(embeddings.len(), samples::EMBEDDING * ((SECOND - 400) / 320 + 1));
        assert_eq!(model.run(&[f32::NAN; SECOND]), Err(ModelError::NotFinite));
        assert!(model.run(&sound[..100]).is_err(), "too short for a row");
    }

    #[test]
    fn a_front_end_and_a_head_in_one_file_equal_the_two_apart() {
        for opset in [13, 17, 18, 21] {
            let front_end = samples::front_end(1, opset);
            let mut apart = load(&front_end).unwrap();
            let mut one = Model::from_bytes(&joined(&front_end).unwrap()).unwrap();
            let sound: Vec<f32> = (0..2 * SECOND).map(|n| (n as f32 * 0.03).sin() * 0.4).collect();
            let rows = apart.run(&sound).unwrap();
            let count = (rows.len() / samples::EMBEDDING) as f32;
            let logits = one.run(&sound).unwrap().logits;
            for (place, logit) in logits.iter().enumerate() {
                let expected: f32 = rows
                    .chunks_exact(samples::EMBEDDING)
                    .flat_map(|row| row.iter().enumerate())
                    .map(|(value, x)| x / count * ((value * 6 + place) % 7) as f32 - 3.0 * x / count)
                    .sum();
                assert!(
                    (logit - expected).abs() < 1e-4,
                    "opset {opset}: {logit} is not {expected}"
                );
            }
        }
    }

    #[test]
    fn an_input_without_a_batch_is_fine() {
        let flat = with_graph(&samples::front_end(1, 17), |graph| {
            graph.input[0] = samples::value("audio", &[Dim::Dynamic("samples")]);
            // Axes 0 and 1 in place of 1.
            let axes = graph
                .initializer
                .iter_mut()
                .find(|tensor| tensor.name == "axis")
                .unwrap();
            axes.dims = vec![2];
            axes.raw_data = [0_i64, 1].iter().flat_map(|axis| axis.to_le_bytes()).collect();
            // And an output without one.
            graph.node.push(graph.node[0].clone());
            let squeeze = graph.node.last_mut().unwrap();
            (squeeze.name, squeeze.op_type) = ("squeeze".into(), "Squeeze".into());
            squeeze.input = vec!["logits".into(), "first".into()];
            squeeze.output = vec!["rows".into()];
            let mut first = graph.initializer[0].clone();
            (first.name, first.dims, first.raw_data) = ("first".into(), vec![1], 0_i64.to_le_bytes().to_vec());
            graph.initializer.push(first);
            graph.output[0] = samples::value("rows", &[Dim::Dynamic("rows"), Dim::Fixed(samples::EMBEDDING)]);
        });
        let sound: Vec<f32> = (0..SECOND).map(|n| (n as f32 * 0.05).sin() * 0.3).collect();
        let expected = load(&samples::front_end(1, 17)).unwrap().run(&sound).unwrap();
        assert_eq!(load(&flat).unwrap().run(&sound).unwrap(), expected);
        let mut one = Model::from_bytes(&joined(&flat).unwrap()).unwrap();
        let mut other = Model::from_bytes(&joined(&samples::front_end(1, 17)).unwrap()).unwrap();
        let (one, other) = (one.run(&sound).unwrap(), other.run(&sound).unwrap());
        for (a, b) in one.logits.iter().zip(other.logits) {
            assert!((a - b).abs() < 1e-5, "{a} is not {b}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let good = samples::front_end(1, 18);
        let fixed = with_graph(&good, |graph| {
            graph.input[0] = samples::value("audio", &[Dim::Fixed(1), Dim::Fixed(SECOND)]);
        });
        let masked = with_graph(&good, |graph| {
            let mask = samples::value("mask", &[Dim::Fixed(1), Dim::Dynamic("samples")]);
            graph.input.push(mask);
        });
        for onnx in [fixed, masked] {
            let error = load(&onnx).unwrap_err();
            assert!(matches!(error, ModelError::Shape { .. }), "{error}");
        }
        let unknown = FrontEndModel::from_bytes(&good, FrontEndInput::Waveform, Some("hidden"), SECOND, SECOND);
        assert!(matches!(unknown, Err(ModelError::Shape { .. })));
        let bands = FrontEndModel::from_bytes(&good, FrontEndInput::LogMel { bands: 64 }, None, 3_200, 6_400);
        assert!(matches!(bands, Err(ModelError::Shape { .. })));

        let old = joined(&samples::front_end(1, 11)).unwrap_err();
        assert!(matches!(old, ModelError::Opset { found: 11, .. }), "{old}");
        let foreign = edited(&good, |model| {
            model.graph.as_mut().unwrap().node[0].domain = "com.microsoft".into();
        });
        let error = joined(&foreign).unwrap_err();
        assert!(error.to_string().contains("com.microsoft"), "{error}");
    }
}
