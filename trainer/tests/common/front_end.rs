//! Embedding models as other programs export them, with weights from a formula.

use affekt_features::FeatureSpec;
use affekt_models::graph::{Attribute, Dim, Graph};
use affekt_models::{Card, Contract, Input};

/// Values of an embedding.
pub const WIDTH: usize = 12;

/// Raw audio of any batch to a row every 20 ms: the loudness after filters of different pitch.
pub fn of_waveform() -> Vec<u8> {
    const TAPS: usize = 400;
    let mut graph = Graph::new();
    graph.input("audio", &[Dim::Dynamic("batch"), Dim::Dynamic("samples")]);
    graph.ints("axis", &[1], &[1]);
    graph.node("Unsqueeze", &["audio", "axis"], &["channel"], &[]);
    let weights: Vec<f32> = (0..WIDTH * TAPS)
        .map(|place| {
            let (filter, tap) = (place / TAPS, place % TAPS);
            let frequency_hz = 90.0 * 1.3_f32.powi(filter as i32);
            0.05 * (std::f32::consts::TAU * frequency_hz * tap as f32 / 16_000.0).sin()
        })
        .collect();
    graph.floats("conv_weight", &[WIDTH, 1, TAPS], &weights);
    let (kernel, strides) = (Attribute::Ints(vec![TAPS as i64]), Attribute::Ints(vec![320]));
    graph.node(
        "Conv",
        &["channel", "conv_weight"],
        &["convolved"],
        &[("kernel_shape", kernel), ("strides", strides)],
    );
    graph.node("Abs", &["convolved"], &["sequence"], &[]);
    transposed(graph)
}

/// Mel bands to a row every 20 ms: differences of neighbouring bands.
pub fn of_bands(bands: usize) -> Vec<u8> {
    const TAPS: usize = 4;
    let mut graph = Graph::new();
    graph.input("mel", &[Dim::Fixed(1), Dim::Dynamic("frames"), Dim::Fixed(bands)]);
    let order = Attribute::Ints(vec![0, 2, 1]);
    graph.node("Transpose", &["mel"], &["channels"], &[("perm", order)]);
    let weights: Vec<f32> = (0..WIDTH * bands * TAPS)
        .map(|place| {
            let (filter, band) = (place / (bands * TAPS), place / TAPS % bands);
            0.02 * (((filter + 1) * band) as f32 * 0.2).cos()
        })
        .collect();
    graph.floats("conv_weight", &[WIDTH, bands, TAPS], &weights);
    let (kernel, strides) = (Attribute::Ints(vec![TAPS as i64]), Attribute::Ints(vec![2]));
    graph.node(
        "Conv",
        &["channels", "conv_weight"],
        &["convolved"],
        &[("kernel_shape", kernel), ("strides", strides)],
    );
    graph.node("Tanh", &["convolved"], &["sequence"], &[]);
    transposed(graph)
}

/// The same names as in our networks, which must not meet.
fn transposed(mut graph: Graph) -> Vec<u8> {
    let order = Attribute::Ints(vec![0, 2, 1]);
    graph.node("Transpose", &["sequence"], &["logits"], &[("perm", order)]);
    let dims = [Dim::Dynamic("batch"), Dim::Dynamic("rows"), Dim::Fixed(WIDTH)];
    graph.output("logits", &dims);
    graph.finish(&Contract {
        input: Input::Waveform,
        features: FeatureSpec::standard(),
        window_frames: 100,
        hop_frames: 10,
        card: Card::default(),
    })
}
