//! Writes a trained network as ONNX: scaler, network, temperature and softmax in one graph, the contract in its
//! metadata. Batch normalisation is folded into the convolution.

use affekt_models::graph::{Attribute, Dim, Graph};
use affekt_models::{Contract, INPUT, LOGITS, PROBABILITIES};
use burn::tensor::Tensor;

use crate::network::{Affine, CLASSES, LstmLayer, Network};
use crate::scaler::StandardScaler;

/// Places of ONNX's LSTM gates (input, output, forget, cell) among ours (see [`crate::network::LstmLayer`]).
const ONNX_GATES: [usize; 4] = [0, 2, 1, 3];

/// The model file's bytes. `network` is on a device without autodiff; `temperature` divides the logits.
pub fn to_onnx(network: &Network, scaler: &StandardScaler, temperature: f64, contract: &Contract) -> Vec<u8> {
    let coefficients = scaler.mean.len();
    let mut graph = Graph::new();
    graph.input(
        INPUT,
        &[Dim::Fixed(1), Dim::Dynamic("frames"), Dim::Fixed(coefficients)],
    );
    write_scaler(&mut graph, scaler);
    write_convolution(&mut graph, network, coefficients);
    let mut sequence = "sequence".to_string();
    for (place, layer) in network.lstm.iter().enumerate() {
        sequence = write_lstm(&mut graph, layer, place, &sequence);
    }
    let newest = graph.ints("newest", &[], &[-1]);
    graph.node(
        "Gather",
        &[&sequence, &newest],
        &["state"],
        &[("axis", Attribute::Int(0))],
    );
    write_affine(&mut graph, &network.dense, "dense", "state", "dense_sum");
    graph.node("Relu", &["dense_sum"], &["dense"], &[]);
    write_affine(&mut graph, &network.output, "output", "dense", LOGITS);
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
    graph.finish(contract)
}

/// `(x − mean) / deviation` as one product and one sum; from `[1, frames, coefficients]` to `[1, coefficients, frames]`.
fn write_scaler(graph: &mut Graph, scaler: &StandardScaler) {
    let factors: Vec<f32> = scaler.deviation.iter().map(|deviation| 1.0 / deviation).collect();
    let pairs = scaler.mean.iter().zip(&factors);
    let offsets: Vec<f32> = pairs.map(|(mean, factor)| -mean * factor).collect();
    let dims = [factors.len()];
    let factors = graph.floats("scaler_factor", &dims, &factors);
    let offsets = graph.floats("scaler_offset", &dims, &offsets);
    graph.node("Mul", &[INPUT, &factors], &["stretched"], &[]);
    graph.node("Add", &["stretched", &offsets], &["scaled"], &[]);
    graph.node(
        "Transpose",
        &["scaled"],
        &["channels"],
        &[("perm", Attribute::Ints(vec![0, 2, 1]))],
    );
}

/// Convolution with the batch normalisation in its weights, max-pool, ReLU; to `[pools, 1, filters]`.
fn write_convolution(graph: &mut Graph, network: &Network, coefficients: usize) {
    let [taps, filters] = network.conv.dims();
    let kernel = taps / coefficients;
    let conv = floats(network.conv.val());
    let norm = &network.norm;
    let (gamma, beta) = (floats(norm.gamma.val()), floats(norm.beta.val()));
    let mean = floats(norm.running_mean.value());
    let variance = floats(norm.running_var.value());
    let factor: Vec<f32> = gamma
        .iter()
        .zip(&variance)
        .map(|(gamma, variance)| (f64::from(*gamma) / (f64::from(*variance) + norm.epsilon).sqrt()) as f32)
        .collect();

    let mut weights = vec![0.0; taps * filters];
    for filter in 0..filters {
        for channel in 0..coefficients {
            for tap in 0..kernel {
                let own = conv[(tap * coefficients + channel) * filters + filter];
                weights[(filter * coefficients + channel) * kernel + tap] = own * factor[filter];
            }
        }
    }
    let bias: Vec<f32> = (0..filters)
        .map(|filter| beta[filter] - mean[filter] * factor[filter])
        .collect();
    let weights = graph.floats("conv_weight", &[filters, coefficients, kernel], &weights);
    let bias = graph.floats("conv_bias", &[filters], &bias);
    let margin = (kernel / 2) as i64;
    let pool = network.pool() as i64;
    graph.node(
        "Conv",
        &["channels", &weights, &bias],
        &["convolved"],
        &[
            ("kernel_shape", Attribute::Ints(vec![kernel as i64])),
            ("pads", Attribute::Ints(vec![margin, margin])),
        ],
    );
    graph.node(
        "MaxPool",
        &["convolved"],
        &["pooled"],
        &[
            ("kernel_shape", Attribute::Ints(vec![pool])),
            ("strides", Attribute::Ints(vec![pool])),
        ],
    );
    graph.node("Relu", &["pooled"], &["rectified"], &[]);
    graph.node(
        "Transpose",
        &["rectified"],
        &["sequence"],
        &[("perm", Attribute::Ints(vec![2, 0, 1]))],
    );
}

/// One layer, from and to `[pools, 1, units]`; returns the output's name.
fn write_lstm(graph: &mut Graph, layer: &LstmLayer, place: usize, input: &str) -> String {
    let [inputs, _] = layer.input.dims();
    let [units, _] = layer.recurrent.dims();
    let name = |part: &str| format!("lstm{place}_{part}");
    let by_gate = |rows: usize, matrix: Vec<f32>| gates_first(&matrix, rows, units);
    let weights = by_gate(inputs, floats(layer.input.val()));
    let weights = graph.floats(&name("weight"), &[1, 4 * units, inputs], &weights);
    let recurrent = by_gate(units, floats(layer.recurrent.val()));
    let recurrent = graph.floats(&name("recurrent"), &[1, 4 * units, units], &recurrent);
    // ONNX has a second bias, of the recurrent product.
    let mut bias = by_gate(1, floats(layer.bias.val()));
    bias.resize(8 * units, 0.0);
    let bias = graph.floats(&name("bias"), &[1, 8 * units], &bias);
    let (directions, output) = (name("directions"), name("output"));
    graph.node(
        "LSTM",
        &[input, &weights, &recurrent, &bias],
        &[&directions],
        &[("hidden_size", Attribute::Int(units as i64))],
    );
    let axis = graph.ints(&name("axis"), &[1], &[1]);
    graph.node("Squeeze", &[&directions, &axis], &[&output], &[]);
    output
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
    use affekt_features::{Extractor, FeatureSpec};
    use affekt_models::{Card, Emotion, Model};
    use burn::module::Module;
    use burn::tensor::Device;

    use crate::clips::{ClipFrames, frames};
    use crate::corpora::Clip;
    use crate::optimize;
    use crate::recipe::{DEFAULT_RECIPE, NetworkRecipe, Recipe};
    use crate::samples::{Batch, FrontEnd, Sample};
    use crate::seed::{Purpose, stream};
    use crate::synthetic;

    /// Agreement that the design asks for.
    const TOLERANCE: f32 = 1e-4;

    fn clip(spec: &FeatureSpec) -> ClipFrames {
        let recording = synthetic::voice(140.0, 5.0, 3.6, 1);
        let mut extractor = Extractor::new(spec, f64::from(recording.sample_rate_hz)).unwrap();
        let (bands_db, voiced, totals) = frames(&mut extractor, spec, &recording);
        let clip = Clip {
            path: "voice".into(),
            emotion: Emotion::Happy,
            speaker: "test/1".into(),
            corpus: "test",
        };
        ClipFrames {
            clip,
            bands_db,
            voiced,
            totals,
        }
    }

    #[test]
    fn the_exported_model_equals_the_network() {
        let mut recipe = Recipe::from_toml(DEFAULT_RECIPE).unwrap();
        // The recipe's layers, narrower: the test also runs without optimisation.
        recipe.network = NetworkRecipe {
            conv_filters: 24,
            lstm_units: 16,
            dense_units: 12,
            ..recipe.network
        };
        let mut spec = FeatureSpec::standard();
        let clip = clip(&spec);
        let frames = clip.totals.frames as f64;
        assert!(frames > 100.0, "the synthetic voice is voiced");
        spec.session.prior_db = clip.totals.sum_db.iter().map(|sum| (sum / frames) as f32).collect();
        let front_end = FrontEnd::new(&spec).unwrap();
        let sample = |end: usize| Sample {
            clip: 0,
            start: end.saturating_sub(recipe.window.frames),
            end,
            session: clip.totals.clone(),
        };
        let whole = front_end.features(&clip, &sample(clip.frames()));
        let mut moments = crate::scaler::Moments::new(spec.coefficients);
        moments.observe(&whole);
        let scaler = moments.scaler();

        // A few steps, so that no weight or statistic is at its start.
        let device = Device::flex().autodiff();
        let mut network = Network::new(&recipe.network, spec.coefficients, 5, &device);
        let mut optimizer = optimize::optimizer(&recipe.training);
        let samples = [sample(60), sample(150), sample(300)];
        let clips = std::slice::from_ref(&clip);
        let batch = Batch::new(&front_end, &scaler, clips, &samples);
        let mut dropout = stream(5, Purpose::Dropout, 0, 0);
        for _ in 0..3 {
            let taken = optimize::step(network, &mut optimizer, &batch, 1e-2, 10.0, &mut dropout, &device);
            network = taken.0;
        }
        let network = network.valid();

        let contract = Contract {
            features: spec.clone(),
            window_frames: recipe.window.frames,
            hop_frames: recipe.window.hop_frames,
            card: Card::default(),
        };
        let temperature = 1.7;
        let onnx = to_onnx(&network, &scaler, temperature, &contract);
        let mut model = Model::from_bytes(&onnx).unwrap();
        let mut seen = Vec::new();
        for end in [50, 51, 75, 122, 203, 300, clip.frames()] {
            let sample = sample(end);
            let predicted = model.run(&front_end.features(&clip, &sample)).unwrap();
            let batch = Batch::new(&front_end, &scaler, clips, &[sample]);
            let logits = optimize::infer(&network, &batch, &Device::flex())[0];
            let probabilities = crate::calibration::softmax(&logits, temperature);
            for place in 0..CLASSES {
                let logit_error = (predicted.logits[place] - logits[place]).abs();
                let error = (predicted.probabilities[place] - probabilities[place]).abs();
                assert!(
                    logit_error < TOLERANCE && error < TOLERANCE,
                    "{end} frames: {logit_error} {error}"
                );
            }
            seen.push(logits[0]);
        }
        assert!(
            seen.windows(2).any(|pair| (pair[0] - pair[1]).abs() > TOLERANCE),
            "the input matters"
        );
    }
}
