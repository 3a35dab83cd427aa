//! Writes a trained network as ONNX: scaler, network, temperature and softmax in one graph, the contract in its
//! metadata. Batch normalisation is folded into the layer before it.

use affekt_features::{Dct, FeatureSpec};
use affekt_models::graph::{Attribute, Dim, Graph};
use affekt_models::{Card, Contract, FrontEndInput, INPUT, LOGITS, ModelError, PROBABILITIES, WAVEFORM};
use burn::nn::BatchNorm;
use burn::tensor::Tensor;

use crate::front_end::{FrontEndError, FrontEndFile};
use crate::network::{Affine, BlockFront, CLASSES, Direction, Front, LstmLayer, Network, TimeFront, VARIANCE_FLOOR};
use crate::recipe::{Pooling, Recipe};
use crate::run_folder::{BestRecord, RunRecord};
use crate::scaler::StandardScaler;

/// Places of ONNX's LSTM gates (input, output, forget, cell) among ours (see [`crate::network::Direction`]).
const ONNX_GATES: [usize; 4] = [0, 2, 1, 3];

/// The model file of a run's best network, with its front end if it has one; `card` gets the front end's licence.
///
/// # Errors
/// The front end is not what it was, or cannot be a part of the model.
pub fn of_run(
    network: &Network,
    run: &RunRecord,
    recipe: &Recipe,
    best: &BestRecord,
    mut card: Card,
) -> Result<Vec<u8>, FrontEndError> {
    let front_end = FrontEndFile::of_run(recipe, run)?;
    if let Some(front_end) = &front_end {
        card.licence = format!("{}; front end: {}", card.licence, front_end.recipe().licence);
    }
    let contract = Contract {
        input: front_end.as_ref().map(FrontEndFile::model_input).unwrap_or_default(),
        card,
        window_frames: recipe.window.frames,
        hop_frames: recipe.window.hop_frames,
        features: run.features.clone(),
    };
    match &front_end {
        None => Ok(to_onnx(network, &run.scaler, best.temperature, &contract)),
        Some(front_end) => {
            to_onnx_behind(front_end, network, &run.scaler, best.temperature, &contract).map_err(|error| {
                FrontEndError::Model {
                    path: front_end.recipe().model.clone(),
                    error,
                }
            })
        }
    }
}

/// The bytes of one file with a front end of other people and a network that was trained behind it.
///
/// # Errors
/// Those of [`Graph::adopt`].
///
/// # Panics
/// If the network is not a `cnn-lstm`, which is all that recipes allow there.
pub fn to_onnx_behind(
    front_end: &FrontEndFile,
    network: &Network,
    scaler: &StandardScaler,
    temperature: f64,
    contract: &Contract,
) -> Result<Vec<u8>, ModelError> {
    let Front::Time(front) = &network.front else {
        panic!("blocks of convolutions need bands");
    };
    let mut graph = Graph::new();
    let (output, width) = (front_end.recipe().output.as_deref(), front_end.width());
    let adopt = |graph: &mut Graph, from: &str| {
        graph.adopt(front_end.onnx(), front_end.takes(), output, width, from, "embeddings")
    };
    match front_end.takes() {
        FrontEndInput::Waveform => {
            graph.input(WAVEFORM, &[Dim::Fixed(1), Dim::Dynamic("samples")]);
            adopt(&mut graph, WAVEFORM)?;
        }
        FrontEndInput::LogMel { .. } => {
            let coefficients = contract.features.coefficients;
            graph.input(
                INPUT,
                &[Dim::Fixed(1), Dim::Dynamic("frames"), Dim::Fixed(coefficients)],
            );
            write_bands(&mut graph, &contract.features);
            adopt(&mut graph, "bands")?;
        }
    }
    write_scaler(&mut graph, scaler, "embeddings");
    write_convolution(&mut graph, front, width);
    write_rest(&mut graph, network, temperature);
    Ok(graph.finish(contract))
}

/// The model file's bytes. `network` is on a device without autodiff; `temperature` divides the logits.
pub fn to_onnx(network: &Network, scaler: &StandardScaler, temperature: f64, contract: &Contract) -> Vec<u8> {
    let coefficients = contract.features.coefficients;
    let mut graph = Graph::new();
    graph.input(
        INPUT,
        &[Dim::Fixed(1), Dim::Dynamic("frames"), Dim::Fixed(coefficients)],
    );
    match &network.front {
        Front::Time(front) => {
            write_scaler(&mut graph, scaler, INPUT);
            write_convolution(&mut graph, front, coefficients);
        }
        Front::Blocks(front) => {
            write_bands(&mut graph, &contract.features);
            write_scaler(&mut graph, scaler, "bands");
            write_blocks(&mut graph, front);
        }
    }
    write_rest(&mut graph, network, temperature);
    graph.finish(contract)
}

/// Everything behind the front, from `sequence`.
fn write_rest(graph: &mut Graph, network: &Network, temperature: f64) {
    let mut sequence = "sequence".to_string();
    let mut last = None;
    for (place, layer) in network.lstm.iter().enumerate() {
        let (states, newest) = write_lstm(graph, layer, place, &sequence);
        sequence = states;
        last = Some(newest);
    }
    write_pooling(graph, network, &sequence, last);
    let mut vector = "state";
    if let Some(dense) = &network.dense {
        write_affine(graph, dense, "dense", vector, "dense_sum");
        graph.node("Relu", &["dense_sum"], &["dense"], &[]);
        vector = "dense";
    }
    write_affine(graph, &network.output, "output", vector, LOGITS);
    let temperature = graph.floats("temperature", &[], &[temperature as f32]);
    graph.node("Div", &[LOGITS, &temperature], &["calibrated"], &[]);
    graph.node(
        "Softmax",
        &["calibrated"],
        &[PROBABILITIES],
        &[("axis", Attribute::Int(1))],
    );
    for output in [PROBABILITIES, LOGITS] {
        graph.output(output, &[Dim::Fixed(1), Dim::Fixed(CLASSES)]);
    }
}

/// The mel bands that the MFCCs were computed from; to `[1, frames, bands]`. The transform is orthonormal and of as
/// many coefficients as bands, so that its transpose is its inverse.
fn write_bands(graph: &mut Graph, spec: &FeatureSpec) {
    let dct = Dct::new(spec).expect("the contract's specification is valid");
    let (bands, coefficients) = (spec.mel_bands, spec.coefficients);
    let mut inverse = vec![0.0; coefficients * bands];
    let mut unit = vec![0.0; bands];
    let mut column = vec![0.0; coefficients];
    for band in 0..bands {
        unit.fill(0.0);
        unit[band] = 1.0;
        dct.transform(&unit, &mut column);
        for (coefficient, value) in column.iter().enumerate() {
            inverse[coefficient * bands + band] = *value;
        }
    }
    let inverse = graph.floats("inverse_dct", &[coefficients, bands], &inverse);
    graph.node("MatMul", &[INPUT, &inverse], &["bands"], &[]);
}

/// `(x − mean) / deviation` as one product and one sum; from and to `[1, frames, values]`.
fn write_scaler(graph: &mut Graph, scaler: &StandardScaler, input: &str) {
    let factors: Vec<f32> = scaler.deviation.iter().map(|deviation| 1.0 / deviation).collect();
    let pairs = scaler.mean.iter().zip(&factors);
    let offsets: Vec<f32> = pairs.map(|(mean, factor)| -mean * factor).collect();
    let dims = [factors.len()];
    let factors = graph.floats("scaler_factor", &dims, &factors);
    let offsets = graph.floats("scaler_offset", &dims, &offsets);
    graph.node("Mul", &[input, &factors], &["stretched"], &[]);
    graph.node("Add", &["stretched", &offsets], &["scaled"], &[]);
}

/// Batch normalisation at rest: `x · factor + offset` for each filter.
struct Folded {
    factor: Vec<f32>,
    offset: Vec<f32>,
}

impl Folded {
    fn new(norm: &BatchNorm) -> Self {
        let variance = floats(norm.running_var.value());
        let gamma = floats(norm.gamma.val());
        let factor: Vec<f32> = gamma
            .iter()
            .zip(&variance)
            .map(|(gamma, variance)| (f64::from(*gamma) / (f64::from(*variance) + norm.epsilon).sqrt()) as f32)
            .collect();
        let mean = floats(norm.running_mean.value());
        let beta = floats(norm.beta.val());
        let offset = beta.iter().zip(mean.iter().zip(&factor));
        Self {
            offset: offset.map(|(beta, (mean, factor))| beta - mean * factor).collect(),
            factor,
        }
    }
}

/// Convolution with the batch normalisation in its weights, max-pool, ReLU; from `[1, frames, coefficients]` to
/// `[pools, 1, filters]`.
fn write_convolution(graph: &mut Graph, front: &TimeFront, coefficients: usize) {
    let [taps, filters] = front.conv.dims();
    let kernel = front.kernel();
    let conv = floats(front.conv.val());
    let norm = Folded::new(&front.norm);
    let mut weights = vec![0.0; taps * filters];
    for filter in 0..filters {
        for channel in 0..coefficients {
            for tap in 0..kernel {
                let own = conv[(tap * coefficients + channel) * filters + filter];
                weights[(filter * coefficients + channel) * kernel + tap] = own * norm.factor[filter];
            }
        }
    }
    let weights = graph.floats("conv_weight", &[filters, coefficients, kernel], &weights);
    let bias = graph.floats("conv_bias", &[filters], &norm.offset);
    let margin = (kernel / 2) as i64;
    let pool = front.pool() as i64;
    transpose(graph, "scaled", "channels", &[0, 2, 1]);
    graph.node(
        "Conv",
        &["channels", &weights, &bias],
        &["convolved"],
        &[
            ("kernel_shape", Attribute::Ints(vec![kernel as i64])),
            ("pads", Attribute::Ints(vec![margin, margin])),
        ],
    );
    max_pool(graph, "convolved", "pooled", &[pool]);
    graph.node("Relu", &["pooled"], &["rectified"], &[]);
    transpose(graph, "rectified", "sequence", &[2, 0, 1]);
}

/// The blocks and the projection, with the batch normalisation in their weights; from `[1, frames, bands]` to
/// `[pools, 1, width]`.
fn write_blocks(graph: &mut Graph, front: &BlockFront) {
    let axis = graph.ints("image_axis", &[1], &[1]);
    graph.node("Unsqueeze", &["scaled", &axis], &["image"], &[]);
    let mut image = "image".to_string();
    for (place, block) in front.blocks.iter().enumerate() {
        let name = |part: &str| format!("block{place}_{part}");
        let [taps, filters] = block.conv.dims();
        let (kernel, stride) = (block.reach().kernel, block.reach().stride);
        let positions = kernel * kernel;
        let channels = taps / positions;
        let conv = floats(block.conv.val());
        let norm = Folded::new(&block.norm);
        let mut weights = vec![0.0; taps * filters];
        for filter in 0..filters {
            for channel in 0..channels {
                for tap in 0..positions {
                    let own = conv[(tap * channels + channel) * filters + filter];
                    weights[(filter * channels + channel) * positions + tap] = own * norm.factor[filter];
                }
            }
        }
        let weights = graph.floats(&name("weight"), &[filters, channels, kernel, kernel], &weights);
        let bias = graph.floats(&name("bias"), &[filters], &norm.offset);
        graph.node(
            "Conv",
            &[&image, &weights, &bias],
            &[&name("convolved")],
            &[
                ("kernel_shape", Attribute::Ints(vec![kernel as i64; 2])),
                ("pads", Attribute::Ints(vec![kernel as i64 / 2; 4])),
                ("strides", Attribute::Ints(stride.map(|step| step as i64).to_vec())),
            ],
        );
        let mut last = name("convolved");
        if block.is_residual() {
            graph.node("Add", &[&last, &image], &[&name("sum")], &[]);
            last = name("sum");
        }
        let pool = block.pool().map(|size| size as i64);
        if pool != [1, 1] {
            max_pool(graph, &last, &name("pooled"), &pool);
            last = name("pooled");
        }
        graph.node("Relu", &[&last], &[&name("rectified")], &[]);
        image = name("rectified");
    }
    // [1, filters, pools, bands] to [pools, 1, bands · filters], band major.
    transpose(graph, &image, "steps", &[2, 0, 3, 1]);
    let width = front.width();
    let flat = if front.projection.is_some() { "flat" } else { "sequence" };
    // A zero keeps the number of pools.
    let shape = graph.ints("flat_shape", &[3], &[0, 1, width as i64]);
    graph.node("Reshape", &["steps", &shape], &[flat], &[]);
    if let Some(projection) = &front.projection {
        let [inputs, outputs] = projection.weight.dims();
        let norm = Folded::new(&projection.norm);
        let mut weight = floats(projection.weight.val());
        for row in weight.chunks_exact_mut(outputs) {
            row.iter_mut()
                .zip(&norm.factor)
                .for_each(|(value, factor)| *value *= factor);
        }
        let weight = graph.floats("projection_weight", &[inputs, outputs], &weight);
        let bias = graph.floats("projection_bias", &[outputs], &norm.offset);
        graph.node("MatMul", &[flat, &weight], &["projected"], &[]);
        graph.node("Add", &["projected", &bias], &["shifted"], &[]);
        graph.node("Relu", &["shifted"], &["sequence"], &[]);
    }
}

fn transpose(graph: &mut Graph, input: &str, output: &str, order: &[i64]) {
    let order = Attribute::Ints(order.to_vec());
    graph.node("Transpose", &[input], &[output], &[("perm", order)]);
}

fn max_pool(graph: &mut Graph, input: &str, output: &str, size: &[i64]) {
    let size = || Attribute::Ints(size.to_vec());
    graph.node(
        "MaxPool",
        &[input],
        &[output],
        &[("kernel_shape", size()), ("strides", size())],
    );
}

/// One layer, from and to `[pools, 1, width]`; returns the names of all states and of the last, `[1, width]`.
fn write_lstm(graph: &mut Graph, layer: &LstmLayer, place: usize, input: &str) -> (String, String) {
    let directions: Vec<&Direction> = [Some(&layer.forward), layer.backward.as_ref()]
        .into_iter()
        .flatten()
        .collect();
    let count = directions.len();
    let [inputs, _] = layer.forward.input.dims();
    let [units, _] = layer.forward.recurrent.dims();
    let name = |part: &str| format!("lstm{place}_{part}");
    let by_gate = |rows: usize, matrix: fn(&Direction) -> Vec<f32>| -> Vec<f32> {
        let each = directions.iter();
        each.flat_map(|direction| gates_first(&matrix(direction), rows, units))
            .collect()
    };
    let weights = by_gate(inputs, |direction| floats(direction.input.val()));
    let weights = graph.floats(&name("weight"), &[count, 4 * units, inputs], &weights);
    let recurrent = by_gate(units, |direction| floats(direction.recurrent.val()));
    let recurrent = graph.floats(&name("recurrent"), &[count, 4 * units, units], &recurrent);
    // ONNX has a second bias, of the recurrent product.
    let bias: Vec<f32> = by_gate(1, |direction| floats(direction.bias.val()))
        .chunks_exact(4 * units)
        .flat_map(|own| own.iter().copied().chain(std::iter::repeat_n(0.0, 4 * units)))
        .collect();
    let bias = graph.floats(&name("bias"), &[count, 8 * units], &bias);
    let (by_direction, final_states) = (name("directions"), name("final"));
    let direction = if count == 2 { "bidirectional" } else { "forward" };
    graph.node(
        "LSTM",
        &[input, &weights, &recurrent, &bias],
        &[&by_direction, &final_states],
        &[
            ("hidden_size", Attribute::Int(units as i64)),
            ("direction", Attribute::Text(direction)),
        ],
    );
    // [pools, directions, 1, units] to [pools, 1, directions · units].
    let (turned, output) = (name("turned"), name("output"));
    transpose(graph, &by_direction, &turned, &[0, 2, 1, 3]);
    let width = (count * units) as i64;
    let shape = graph.ints(&name("shape"), &[3], &[0, 1, width]);
    graph.node("Reshape", &[&turned, &shape], &[&output], &[]);
    // [directions, 1, units] to [1, directions · units].
    let last = name("last");
    let shape = graph.ints(&name("last_shape"), &[2], &[1, width]);
    graph.node("Reshape", &[&final_states, &shape], &[&last], &[]);
    (output, last)
}

/// From `sequence` `[pools, 1, width]` to `state` `[1, width]`; `last`: the last state of the LSTM layers, if any.
fn write_pooling(graph: &mut Graph, network: &Network, sequence: &str, last: Option<String>) {
    match (network.pooling(), &network.attention) {
        (Pooling::Last, _) => match last {
            Some(last) => graph.node("Identity", &[&last], &["state"], &[]),
            None => {
                let newest = graph.ints("newest", &[], &[-1]);
                let axis = ("axis", Attribute::Int(0));
                graph.node("Gather", &[sequence, &newest], &["state"], &[axis]);
            }
        },
        (Pooling::Attention | Pooling::AttentionDeviation, Some(attention)) => {
            let deviation = network.pooling() == Pooling::AttentionDeviation;
            write_attention(graph, attention, sequence, deviation);
        }
        _ => graph.reduce_mean(sequence, 0, "state"),
    }
}

fn write_attention(graph: &mut Graph, attention: &Affine, sequence: &str, deviation: bool) {
    let [width, heads] = attention.weight.dims();
    let weight = graph.floats("attention_weight", &[width, heads], &floats(attention.weight.val()));
    let bias = graph.floats("attention_bias", &[heads], &floats(attention.bias.val()));
    graph.node("MatMul", &[sequence, &weight], &["attention_sum"], &[]);
    graph.node("Add", &["attention_sum", &bias], &["attention_scores"], &[]);
    let axis = ("axis", Attribute::Int(0));
    graph.node("Softmax", &["attention_scores"], &["attention_shares"], &[axis]);
    // Shares [pools, 1, heads, 1] times values [pools, 1, heads, width / heads].
    let last = graph.ints("attention_last", &[1], &[3]);
    graph.node("Unsqueeze", &["attention_shares", &last], &["attention_columns"], &[]);
    let part = (width / heads) as i64;
    let shape = graph.ints("attention_shape", &[4], &[0, 1, heads as i64, part]);
    graph.node("Reshape", &[sequence, &shape], &["attention_values"], &[]);
    let flat = graph.ints("attention_flat", &[2], &[1, width as i64]);
    let mean_of = |graph: &mut Graph, values: &str, name: &str| {
        let (weighted, sum) = (format!("{name}_weighted"), format!("{name}_sum"));
        graph.node("Mul", &["attention_columns", values], &[&weighted], &[]);
        sum_over_time(graph, &weighted, &sum);
        graph.node("Reshape", &[&sum, &flat], &[name], &[]);
    };
    if !deviation {
        mean_of(graph, "attention_values", "state");
        return;
    }
    mean_of(graph, "attention_values", "attention_mean");
    graph.node(
        "Mul",
        &["attention_values", "attention_values"],
        &["attention_squares"],
        &[],
    );
    mean_of(graph, "attention_squares", "attention_mean_square");
    graph.node(
        "Mul",
        &["attention_mean", "attention_mean"],
        &["attention_squared_mean"],
        &[],
    );
    graph.node(
        "Sub",
        &["attention_mean_square", "attention_squared_mean"],
        &["attention_difference"],
        &[],
    );
    // Rounding may leave less than nothing.
    graph.node("Relu", &["attention_difference"], &["attention_variance"], &[]);
    let floor = graph.floats("variance_floor", &[], &[VARIANCE_FLOOR]);
    graph.node("Add", &["attention_variance", &floor], &["attention_bounded"], &[]);
    graph.node("Sqrt", &["attention_bounded"], &["attention_deviation"], &[]);
    graph.node(
        "Concat",
        &["attention_mean", "attention_deviation"],
        &["state"],
        &[("axis", Attribute::Int(1))],
    );
}

/// Sum over the first axis, which falls away.
fn sum_over_time(graph: &mut Graph, input: &str, output: &str) {
    let axis = graph.ints(&format!("{output}_axis"), &[1], &[0]);
    graph.node(
        "ReduceSum",
        &[input, &axis],
        &[output],
        &[("keepdims", Attribute::Int(0))],
    );
}

/// From `[rows, 4·units]` in our order of gates to `[4·units, rows]` in ONNX's.
fn gates_first(matrix: &[f32], rows: usize, units: usize) -> Vec<f32> {
    let mut turned = Vec::with_capacity(matrix.len());
    for gate in ONNX_GATES {
        for unit in 0..units {
            let column = gate * units + unit;
            turned.extend((0..rows).map(|row| matrix[row * 4 * units + column]));
        }
    }
    turned
}

fn write_affine(graph: &mut Graph, affine: &Affine, name: &str, input: &str, output: &str) {
    let [inputs, outputs] = affine.weight.dims();
    let weight = floats(affine.weight.val());
    let weight = graph.floats(&format!("{name}_weight"), &[inputs, outputs], &weight);
    let bias = graph.floats(&format!("{name}_bias"), &[outputs], &floats(affine.bias.val()));
    graph.node("Gemm", &[input, &weight, &bias], &[output], &[]);
}

fn floats<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor
        .into_data()
        .try_into_vec::<f32>()
        .expect("the network is made of f32 tensors only")
}

#[cfg(test)]
mod tests {
    use super::*;
    use affekt_features::Extractor;
    use affekt_models::{Card, Emotion, FrontEndModel, Input, Model};
    use burn::module::Module;
    use burn::tensor::Device;

    use crate::clips::{ClipFrames, frames};
    use crate::corpora::Clip;
    use crate::foreign;
    use crate::front_end::FrontEndKind;
    use crate::optimize;
    use crate::recipe::{Architecture, BlockRecipe, DEFAULT_RECIPE, FrontEndRecipe, NetworkRecipe, Recipe};
    use crate::samples::{Batch, FrontEnd, Representation, Sample};
    use crate::seed::{Purpose, stream};
    use crate::synthetic;
    use crate::targets::Targets;

    /// Most that the runtimes' probabilities may differ from the network's.
    const TOLERANCE: f32 = 1e-4;

    fn clip(spec: &FeatureSpec) -> ClipFrames {
        let recording = synthetic::voice(140.0, 5.0, 3.6, 1);
        let mut extractor = Extractor::new(spec, f64::from(recording.sample_rate_hz)).unwrap();
        let (bands_db, voiced, totals) = frames(&mut extractor, spec, &recording);
        let clip = Clip {
            path: "voice".into(),
            emotion: Some(Emotion::Happy),
            speaker: "test/1".into(),
            corpus: "test",
            votes: None,
        };
        ClipFrames {
            clip,
            bands_db,
            voiced,
            totals,
            content: 0,
            clipped: 0.0,
            copy: 0,
        }
    }

    /// The recipe's layers, narrower, and every variant of them in one network or another.
    fn variants() -> Vec<(&'static str, NetworkRecipe)> {
        let original = NetworkRecipe {
            conv_filters: 24,
            lstm_units: 16,
            dense_units: 12,
            ..Recipe::from_toml(DEFAULT_RECIPE).unwrap().network
        };
        let crnn = NetworkRecipe {
            architecture: Architecture::Crnn,
            blocks: [
                (6, 5, [2, 2], [1, 1], false),
                (8, 3, [1, 1], [3, 4], false),
                (8, 3, [1, 1], [1, 1], true),
                (10, 3, [1, 2], [1, 1], false),
            ]
            .map(|(filters, kernel, stride, pool, residual)| BlockRecipe {
                filters,
                kernel,
                stride,
                pool,
                residual,
            })
            .to_vec(),
            projection: 12,
            lstm_layers: 0,
            pooling: Pooling::Attention,
            heads: 3,
            dense_units: 0,
            ..original.clone()
        };
        vec![
            (
                "both ways, mean",
                NetworkRecipe {
                    bidirectional: true,
                    lstm_layers: 2,
                    pooling: Pooling::Mean,
                    ..original.clone()
                },
            ),
            (
                "both ways, last",
                NetworkRecipe {
                    bidirectional: true,
                    lstm_layers: 1,
                    ..original.clone()
                },
            ),
            (
                "no layer, last",
                NetworkRecipe {
                    lstm_layers: 0,
                    ..original.clone()
                },
            ),
            ("original", original),
            (
                "crnn without projection, deviation",
                NetworkRecipe {
                    projection: 0,
                    lstm_layers: 1,
                    bidirectional: true,
                    pooling: Pooling::AttentionDeviation,
                    heads: 2,
                    dense_units: 7,
                    ..crnn.clone()
                },
            ),
            ("crnn", crnn),
        ]
    }

    #[test]
    fn a_front_end_and_the_network_in_one_file_equal_the_two_apart() {
        let folder = tempfile::tempdir().unwrap();
        for (kind, pooling, onnx) in [
            (FrontEndKind::Waveform, Pooling::Mean, foreign::of_waveform()),
            (FrontEndKind::LogMel, Pooling::Last, foreign::of_bands(64)),
        ] {
            let path = folder.path().join("front.onnx");
            std::fs::write(&path, &onnx).unwrap();
            let mut recipe = Recipe::from_toml(DEFAULT_RECIPE).unwrap();
            recipe.network = NetworkRecipe {
                conv_filters: 10,
                lstm_layers: 1,
                lstm_units: 8,
                dense_units: 6,
                pooling,
                ..recipe.network
            };
            recipe.front_end = Some(FrontEndRecipe {
                model: path,
                input: kind,
                output: None,
                licence: "CC0-1.0".into(),
            });
            let spec = FeatureSpec::standard();
            let front_end = FrontEndFile::of(&recipe, &spec).unwrap().unwrap();
            assert_eq!(front_end.width(), foreign::WIDTH);
            let scaler = StandardScaler {
                mean: (0..foreign::WIDTH).map(|place| 0.1 * place as f32).collect(),
                deviation: vec![0.4; foreign::WIDTH],
            };
            let network = Network::new(&recipe.network, foreign::WIDTH, 3, &Device::flex());
            let contract = Contract {
                input: front_end.model_input(),
                features: spec.clone(),
                window_frames: recipe.window.frames,
                hop_frames: recipe.window.hop_frames,
                card: Card::default(),
            };
            let temperature = 1.3;
            let bytes = to_onnx_behind(&front_end, &network, &scaler, temperature, &contract).unwrap();
            let mut model = Model::from_bytes(&bytes).unwrap();

            // The network's own words for the embeddings of the same windows.
            let clip = clip(&spec);
            let mfcc = FrontEnd::new(&spec, Representation::Mfcc).unwrap();
            let bands = FrontEnd::new(&spec, Representation::Bands).unwrap();
            let voice = synthetic::voice(140.0, 5.0, 3.6, 1).channels.remove(0);
            let width = match kind {
                FrontEndKind::Waveform => None,
                FrontEndKind::LogMel => Some(64),
            };
            let mut apart = FrontEndModel::from_bytes(
                &onnx,
                width.map_or(FrontEndInput::Waveform, |bands| FrontEndInput::LogMel { bands }),
                None,
                50 * width.unwrap_or(spec.hop),
                300 * width.unwrap_or(spec.hop),
            )
            .unwrap();
            let mut seen = Vec::new();
            for end in [50, 77, 200, 300] {
                let sample = Sample {
                    clip: 0,
                    lead_in: None,
                    start: 0,
                    end,
                    session: clip.totals.clone(),
                    variation: None,
                };
                let (input, heard) = match kind {
                    FrontEndKind::Waveform => (voice[..end * spec.hop].to_vec(), voice[..end * spec.hop].to_vec()),
                    FrontEndKind::LogMel => (mfcc.features(&clip, &sample), bands.features(&clip, &sample)),
                };
                let mut rows = apart.run(&heard).unwrap();
                scaler.apply(&mut rows);
                let batch = Batch {
                    frames: rows.len() / foreign::WIDTH,
                    features: rows,
                    targets: vec![[0.0; CLASSES]],
                    weights: vec![1.0],
                };
                let logits = optimize::infer(&network, &batch, &Device::flex())[0];
                let probabilities = crate::calibration::softmax(&logits, temperature);
                let said = model.run(&input).unwrap();
                for place in 0..CLASSES {
                    let error = (said.logits[place] - logits[place])
                        .abs()
                        .max((said.probabilities[place] - probabilities[place]).abs());
                    assert!(error < TOLERANCE, "{kind:?}, {end} frames: {error}");
                }
                seen.push(logits[0]);
            }
            assert!(
                seen.windows(2).all(|pair| (pair[0] - pair[1]).abs() > 1e-6),
                "{kind:?}: the input matters"
            );
        }
    }

    #[test]
    fn the_exported_model_equals_the_network() {
        for (name, network) in variants() {
            check(name, network);
        }
    }

    fn check(name: &str, network: NetworkRecipe) {
        let recipe = Recipe {
            network,
            ..Recipe::from_toml(DEFAULT_RECIPE).unwrap()
        };
        let mut spec = FeatureSpec::standard();
        let clip = clip(&spec);
        let frames = clip.totals.frames as f64;
        assert!(frames > 100.0, "the synthetic voice is voiced");
        spec.session.prior_db = clip.totals.sum_db.iter().map(|sum| (sum / frames) as f32).collect();
        let mfcc = FrontEnd::new(&spec, Representation::Mfcc).unwrap();
        let front_end = FrontEnd::new(&spec, Representation::of(&recipe.network)).unwrap();
        let sample = |end: usize| Sample {
            clip: 0,
            lead_in: None,
            start: end.saturating_sub(recipe.window.frames),
            end,
            session: clip.totals.clone(),
            variation: None,
        };
        let whole = front_end.features(&clip, &sample(clip.frames()));
        let mut moments = crate::scaler::Moments::new(front_end.width());
        moments.observe(&whole);
        let scaler = moments.scaler();

        // A few steps, so that no weight or statistic is at its start.
        let device = Device::flex().autodiff();
        let mut network = Network::new(&recipe.network, front_end.width(), 5, &device);
        let mut optimizer = optimize::optimizer(&recipe.training);
        let samples = [sample(60), sample(150), sample(300)];
        let clips = std::slice::from_ref(&clip);
        let targets = Targets::new(clips, &recipe.training);
        let batch = Batch::new(&front_end, &scaler, clips, &targets, &samples);
        let mut dropout = stream(5, Purpose::Dropout, 0, 0);
        for _ in 0..3 {
            let taken = optimize::step(
                network,
                &mut optimizer,
                &batch,
                1e-2,
                &recipe.training,
                &mut dropout,
                &device,
            );
            network = taken.0;
        }
        let network = network.valid();

        let contract = Contract {
            input: Input::Features,
            features: spec.clone(),
            window_frames: recipe.window.frames,
            hop_frames: recipe.window.hop_frames,
            card: Card::default(),
        };
        let temperature = 1.7;
        let onnx = to_onnx(&network, &scaler, temperature, &contract);
        let mut model = Model::from_bytes(&onnx).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut seen = Vec::new();
        for end in [50, 51, 75, 122, 203, 300, clip.frames()] {
            let sample = sample(end);
            let predicted = model.run(&mfcc.features(&clip, &sample)).unwrap();
            let batch = Batch::new(&front_end, &scaler, clips, &targets, &[sample]);
            let logits = optimize::infer(&network, &batch, &Device::flex())[0];
            let probabilities = crate::calibration::softmax(&logits, temperature);
            for place in 0..CLASSES {
                let logit_error = (predicted.logits[place] - logits[place]).abs();
                let error = (predicted.probabilities[place] - probabilities[place]).abs();
                assert!(
                    logit_error < TOLERANCE && error < TOLERANCE,
                    "{name}, {end} frames: {logit_error} {error}"
                );
            }
            seen.push(logits[0]);
        }
        assert!(
            seen.windows(2).any(|pair| (pair[0] - pair[1]).abs() > TOLERANCE),
            "{name}: the input matters"
        );
    }
}
