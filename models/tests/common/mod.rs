//! Small models for tests, of the trainer's shape, with weights from a fixed random generator.

// Each test binary uses a part of this.
#![allow(dead_code)]

use affekt_features::FeatureSpec;
use affekt_models::graph::{Attribute, Dim, Graph};
use affekt_models::{Card, Contract, INPUT, Input, LOGITS, PROBABILITIES, WAVEFORM};
use prost::Message;
use tract_onnx::pb;

/// Numbers of units of a sample model.
#[derive(Debug, Clone, Copy)]
pub struct Sizes {
    /// Values per frame.
    pub coefficients: usize,
    /// Conv1d filters.
    pub filters: usize,
    /// LSTM layers.
    pub layers: usize,
    /// Units of each LSTM layer.
    pub hidden: usize,
    /// Units of the fully connected layer.
    pub dense: usize,
}

/// The network that this project began with.
pub const FULL: Sizes = Sizes {
    coefficients: 64,
    filters: 256,
    layers: 4,
    hidden: 128,
    dense: 64,
};
/// A network of a few kilobytes that loads in milliseconds.
pub const TINY: Sizes = Sizes {
    coefficients: 3,
    filters: 4,
    layers: 1,
    hidden: 2,
    dense: 3,
};

/// Width of the Conv1d kernel, in frames.
const KERNEL: usize = 5;
/// Frames that MaxPool makes one of.
const POOL: i64 = 4;

/// A contract that fits `sizes`: the standard features, windows of 3 s every 100 ms.
pub fn contract(sizes: Sizes) -> Contract {
    let mut features = FeatureSpec::standard();
    features.coefficients = sizes.coefficients;
    let card = Card {
        name: "Random weights".into(),
        version: "0.0.0".into(),
        corpora: vec!["none".into()],
        licence: "CC0-1.0".into(),
        metrics: [("uar".to_owned(), 1.0 / 6.0)].into(),
        date: "2026-01-01".into(),
    };
    Contract {
        input: Input::Features,
        features,
        window_frames: 300,
        hop_frames: 10,
        card,
    }
}

/// A complete model file.
pub fn model(sizes: Sizes, seed: u64) -> Vec<u8> {
    let mut graph = body(sizes, seed);
    graph.node("Div", &["logits", "temperature"], &["tempered"], &[]);
    graph.node(
        "Softmax",
        &["tempered"],
        &[PROBABILITIES],
        &[("axis", Attribute::Int(-1))],
    );
    declare(&mut graph, sizes.coefficients);
    graph.finish(&contract(sizes))
}

/// A complete model file that takes raw audio: a convolution with a step of 20 ms, the mean over time, six logits.
pub fn waveform_model(seed: u64) -> Vec<u8> {
    const FILTERS: usize = 8;
    const TAPS: usize = 400;
    let mut random = Random(seed);
    let mut graph = Graph::new();
    graph.input(WAVEFORM, &[Dim::Fixed(1), Dim::Dynamic("samples")]);
    graph.ints("axis.1", &[1], &[1]);
    graph.node("Unsqueeze", &[WAVEFORM, "axis.1"], &["channel"], &[]);
    graph.floats("conv.weight", &[FILTERS, 1, TAPS], &random.layer(FILTERS * TAPS, TAPS));
    graph.floats("conv.bias", &[FILTERS], &random.uniform(FILTERS, 0.1));
    graph.node(
        "Conv",
        &["channel", "conv.weight", "conv.bias"],
        &["convolved"],
        &[
            ("kernel_shape", Attribute::Ints(vec![TAPS as i64])),
            ("strides", Attribute::Ints(vec![320])),
        ],
    );
    graph.node("Relu", &["convolved"], &["rectified"], &[]);
    graph.ints("axis.2", &[1], &[2]);
    let flat = [("keepdims", Attribute::Int(0))];
    graph.node("ReduceMean", &["rectified", "axis.2"], &["summary"], &flat);
    graph.floats("logits.weight", &[FILTERS, 6], &random.uniform(FILTERS * 6, 8.0));
    graph.floats("logits.bias", &[6], &random.uniform(6, 0.5));
    graph.node("Gemm", &["summary", "logits.weight", "logits.bias"], &[LOGITS], &[]);
    graph.node("Softmax", &[LOGITS], &[PROBABILITIES], &[("axis", Attribute::Int(1))]);
    declare_outputs(&mut graph);
    graph.finish(&Contract {
        input: Input::Waveform,
        ..contract(FULL)
    })
}

/// Values of [`front_end`]'s embeddings.
pub const EMBEDDING: usize = 8;

/// Another program's embedding model, of any batch: raw audio to a row of [`EMBEDDING`] values every 20 ms.
pub fn front_end(seed: u64, opset: i64) -> Vec<u8> {
    const TAPS: usize = 400;
    let mut random = Random(seed);
    let mut graph = Graph::new();
    graph.input("audio", &[Dim::Dynamic("batch"), Dim::Dynamic("samples")]);
    graph.ints("axis", &[1], &[1]);
    graph.node("Unsqueeze", &["audio", "axis"], &["channel"], &[]);
    graph.floats(
        "conv.weight",
        &[EMBEDDING, 1, TAPS],
        &random.layer(EMBEDDING * TAPS, TAPS),
    );
    graph.floats("conv.bias", &[EMBEDDING], &random.uniform(EMBEDDING, 0.1));
    let (kernel, strides) = (Attribute::Ints(vec![TAPS as i64]), Attribute::Ints(vec![320]));
    graph.node(
        "Conv",
        &["channel", "conv.weight", "conv.bias"],
        &["convolved"],
        &[("kernel_shape", kernel), ("strides", strides)],
    );
    graph.node("Tanh", &["convolved"], &["bounded"], &[]);
    let order = Attribute::Ints(vec![0, 2, 1]);
    graph.node("Transpose", &["bounded"], &["logits"], &[("perm", order)]);
    let dims = [Dim::Dynamic("batch"), Dim::Dynamic("rows"), Dim::Fixed(EMBEDDING)];
    graph.output("logits", &dims);
    edited(&graph.finish(&contract(FULL)), |model| {
        model.opset_import[0].version = opset;
        model.metadata_props.clear();
    })
}

/// Declares the input and outputs that the contract asks for.
pub fn declare(graph: &mut Graph, coefficients: usize) {
    graph.input(
        INPUT,
        &[Dim::Fixed(1), Dim::Dynamic("frames"), Dim::Fixed(coefficients)],
    );
    declare_outputs(graph);
}

fn declare_outputs(graph: &mut Graph) {
    graph.output(PROBABILITIES, &[Dim::Fixed(1), Dim::Fixed(6)]);
    graph.output(LOGITS, &[Dim::Fixed(1), Dim::Fixed(6)]);
}

/// The file after a change.
pub fn edited(onnx: &[u8], change: impl FnOnce(&mut pb::ModelProto)) -> Vec<u8> {
    let mut proto = pb::ModelProto::decode(onnx).expect("a model");
    change(&mut proto);
    proto.encode_to_vec()
}

/// The file with another value of a metadata entry, or without the entry.
pub fn with_metadata(onnx: &[u8], key: &str, value: Option<&str>) -> Vec<u8> {
    edited(onnx, |proto| {
        proto.metadata_props.retain(|entry| entry.key != key);
        let entry = value.map(|value| pb::StringStringEntryProto {
            key: key.into(),
            value: value.into(),
        });
        proto.metadata_props.extend(entry);
    })
}

/// The file with a change to the graph.
pub fn with_graph(onnx: &[u8], change: impl FnOnce(&mut pb::GraphProto)) -> Vec<u8> {
    edited(onnx, |proto| change(proto.graph.as_mut().expect("a graph")))
}

/// Another declaration of a value: the shape of `dims`, f32.
pub fn value(name: &str, dims: &[Dim]) -> pb::ValueInfoProto {
    let mut graph = Graph::new();
    graph.input(name, dims);
    let proto = pb::ModelProto::decode(&*graph.finish(&contract(TINY))).expect("a model");
    proto.graph.expect("a graph").input.remove(0)
}

/// Everything up to the logits; a constant `temperature` is there too.
pub fn body(sizes: Sizes, seed: u64) -> Graph {
    let Sizes {
        coefficients,
        filters,
        layers,
        hidden,
        dense,
    } = sizes;
    let mut random = Random(seed);
    let mut graph = Graph::new();
    graph.floats("scaler.mean", &[coefficients], &random.uniform(coefficients, 5.0));
    graph.floats("scaler.scale", &[coefficients], &vec![8.0; coefficients]);
    graph.node("Sub", &[INPUT, "scaler.mean"], &["centred"], &[]);
    graph.node("Div", &["centred", "scaler.scale"], &["scaled"], &[]);

    let weights = random.layer(filters * coefficients * KERNEL, coefficients * KERNEL);
    graph.floats("conv.weight", &[filters, coefficients, KERNEL], &weights);
    graph.floats("conv.bias", &[filters], &random.uniform(filters, 0.1));
    graph.node(
        "Transpose",
        &["scaled"],
        &["channels"],
        &[("perm", Attribute::Ints(vec![0, 2, 1]))],
    );
    let half = (KERNEL / 2) as i64;
    graph.node(
        "Conv",
        &["channels", "conv.weight", "conv.bias"],
        &["convolved"],
        &[
            ("kernel_shape", Attribute::Ints(vec![KERNEL as i64])),
            ("pads", Attribute::Ints(vec![half, half])),
        ],
    );
    graph.node("Relu", &["convolved"], &["rectified"], &[]);
    graph.node(
        "MaxPool",
        &["rectified"],
        &["pooled"],
        &[
            ("kernel_shape", Attribute::Ints(vec![POOL])),
            ("strides", Attribute::Ints(vec![POOL])),
        ],
    );

    // ONNX's LSTM takes [time, batch, values] and gives [time, directions, batch, units].
    graph.node(
        "Transpose",
        &["pooled"],
        &["steps.0"],
        &[("perm", Attribute::Ints(vec![2, 0, 1]))],
    );
    graph.ints("axis.0", &[1], &[0]);
    graph.ints("axis.1", &[1], &[1]);
    let mut width = filters;
    for layer in 0..layers {
        let name = |part: &str| format!("lstm.{layer}.{part}");
        let input = graph.floats(
            &name("w"),
            &[1, 4 * hidden, width],
            &random.layer(4 * hidden * width, width),
        );
        let state = graph.floats(
            &name("r"),
            &[1, 4 * hidden, hidden],
            &random.layer(4 * hidden * hidden, hidden),
        );
        let bias = graph.floats(&name("b"), &[1, 8 * hidden], &random.uniform(8 * hidden, 0.1));
        graph.node(
            "LSTM",
            &[&format!("steps.{layer}"), &input, &state, &bias],
            &[&name("y"), &name("last")],
            &[("hidden_size", Attribute::Int(hidden as i64))],
        );
        graph.node(
            "Squeeze",
            &[&name("y"), "axis.1"],
            &[&format!("steps.{}", layer + 1)],
            &[],
        );
        width = hidden;
    }
    graph.node(
        "Squeeze",
        &[&format!("lstm.{}.last", layers - 1), "axis.0"],
        &["summary"],
        &[],
    );

    let transposed = [("transB", Attribute::Int(1))];
    graph.floats("dense.weight", &[dense, hidden], &random.layer(dense * hidden, hidden));
    graph.floats("dense.bias", &[dense], &random.uniform(dense, 0.1));
    graph.node(
        "Gemm",
        &["summary", "dense.weight", "dense.bias"],
        &["dense"],
        &transposed,
    );
    graph.node("Relu", &["dense"], &["hidden"], &[]);
    // Larger than a trained layer's start, so that the emotions differ visibly.
    let weights: Vec<f32> = random
        .layer(6 * dense, dense)
        .iter()
        .map(|weight| weight * 8.0)
        .collect();
    graph.floats("logits.weight", &[6, dense], &weights);
    graph.floats("logits.bias", &[6], &random.uniform(6, 0.5));
    graph.node(
        "Gemm",
        &["hidden", "logits.weight", "logits.bias"],
        &[LOGITS],
        &transposed,
    );
    graph.floats("temperature", &[1], &[1.3]);
    graph
}

/// Feature-like values: `frames` × `coefficients`, within ±20.
pub fn window(frames: usize, coefficients: usize, seed: u64) -> Vec<f32> {
    Random(seed).uniform(frames * coefficients, 20.0)
}

/// Knuth's linear congruential generator (MMIX).
pub struct Random(pub u64);

impl Random {
    /// The next value, uniform within ±`range`.
    pub fn next(&mut self, range: f32) -> f32 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 40) as f32 / (1 << 23) as f32 - 1.0) * range
    }

    /// As many values, uniform within ±`range`.
    pub fn uniform(&mut self, count: usize, range: f32) -> Vec<f32> {
        (0..count).map(|_| self.next(range)).collect()
    }

    /// Weights of a layer with `inputs` inputs, of variance `1 / inputs`.
    fn layer(&mut self, count: usize, inputs: usize) -> Vec<f32> {
        self.uniform(count, (3.0 / inputs as f32).sqrt())
    }
}
