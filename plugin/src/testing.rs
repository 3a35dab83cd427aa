//! What several tests need.

use affekt_features::FeatureSpec;
use affekt_models::graph::{Attribute, Dim, Graph};
use affekt_models::{Contract, EMOTIONS, Input, LOGITS, PROBABILITIES, WAVEFORM};

use crate::worker::engine::tests::contract;

/// A model file that takes raw audio: how loud it is on average behind six short filters.
pub fn waveform_model() -> Vec<u8> {
    waveform_model_of(contract().features)
}

/// The same with frames of `features`.
pub fn waveform_model_of(features: FeatureSpec) -> Vec<u8> {
    const TAPS: usize = 64;
    let six = EMOTIONS.len();
    let mut graph = Graph::new();
    graph.input(WAVEFORM, &[Dim::Fixed(1), Dim::Dynamic("samples")]);
    graph.ints("axis", &[1], &[1]);
    graph.node("Unsqueeze", &[WAVEFORM, "axis"], &["channel"], &[]);
    let weights: Vec<f32> = (0..six * TAPS)
        .map(|place| 2.0 * (0.05 * ((place / TAPS + 1) * (place % TAPS)) as f32).sin())
        .collect();
    graph.floats("weights", &[six, 1, TAPS], &weights);
    let (kernel, strides) = (Attribute::Ints(vec![TAPS as i64]), Attribute::Ints(vec![16]));
    graph.node(
        "Conv",
        &["channel", "weights"],
        &["filtered"],
        &[("kernel_shape", kernel), ("strides", strides)],
    );
    graph.node("Abs", &["filtered"], &["loudness"], &[]);
    graph.reduce_mean("loudness", 2, LOGITS);
    graph.node("Softmax", &[LOGITS], &[PROBABILITIES], &[("axis", Attribute::Int(1))]);
    for output in [PROBABILITIES, LOGITS] {
        graph.output(output, &[Dim::Fixed(1), Dim::Fixed(six)]);
    }
    graph.finish(&Contract {
        input: Input::Waveform,
        features,
        ..contract()
    })
}

/// Something like a voice: a gliding buzz with formant-like noise, loud for a second, then quiet for half a second.
pub fn voice(rate_hz: f64, seconds: f64) -> Vec<f32> {
    let mut phase = 0.0_f64;
    let mut noise = 0x2545_f491_u32;
    (0..(rate_hz * seconds) as usize)
        .map(|n| {
            let time = n as f64 / rate_hz;
            let pitch_hz = 150.0 + 80.0 * (time * 1.7).sin() + 5.0 * (time * 33.0).sin();
            phase = (phase + pitch_hz / rate_hz).fract();
            noise ^= noise << 13;
            noise ^= noise >> 17;
            noise ^= noise << 5;
            let hiss = f64::from(noise) / f64::from(u32::MAX) - 0.5;
            let loudness = if time % 1.5 < 1.0 {
                0.3 * (1.0 + 0.5 * (time * 9.0).sin())
            } else {
                1e-4
            };
            (loudness * ((1.0 - 2.0 * phase) * (0.6 + 0.4 * (time * 4.0).sin()) + 0.1 * hiss)) as f32
        })
        .collect()
}

/// Samples that only a copy passes on as they are: NaN with a payload, infinities, denormals, both zeros.
pub fn awkward_samples() -> [f32; 8] {
    let bits = [
        0x7fc1_2345,
        0xffab_cdef,
        0x7f80_0000,
        0xff80_0000,
        0x0000_0001,
        0x807f_ffff,
        0x8000_0000,
        0x3f80_0000,
    ];
    bits.map(f32::from_bits)
}
