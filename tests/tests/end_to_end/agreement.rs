//! The plugin says what the trainer says, at every moment.

use affekt_features::FeatureSpec;
use affekt_models::graph::{Attribute, Dim, Graph};
use affekt_models::{Card, Contract, EMOTIONS, Input, LOGITS, PROBABILITIES, WAVEFORM};
use affekt_tests::{
    agreement::{Predicted, TOLERANCE, compare, predict, predict_with},
    bundle,
    host::Format,
    signal::{at_rate, noise, write_wav},
    vocal,
};

use crate::common::{VOCAL_RATE_HZ, instance, vocal, with_model};

/// Writes the channels, asks trainer and plugin, and gives the prediction back.
fn assert_agreement(name: &str, channels: &[Vec<f32>], rate_hz: u32) -> Predicted {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(format!("{name}.wav"));
    write_wav(&path, channels, rate_hz).unwrap();
    let predicted = predict(&bundle::trainer().unwrap(), &path).unwrap();
    for format in Format::ALL {
        let agreement = compare(instance(format).as_mut(), &path, &predicted).unwrap();
        assert!(
            agreement.holds(),
            "{name}, {format}: {agreement:?} is not within {TOLERANCE}"
        );
    }
    predicted
}

#[test]
fn on_the_demo_vocal() {
    let predicted = predict(&bundle::trainer().unwrap(), &vocal::path()).unwrap();
    assert!(predicted.curve.len() > 1_000 && predicted.last.is_some());
    for format in Format::ALL {
        let agreement = compare(instance(format).as_mut(), &vocal::path(), &predicted).unwrap();
        assert!(agreement.holds(), "{format}: {agreement:?} is not within {TOLERANCE}");
        assert!(agreement.moments > 1_000, "{format}: {agreement:?}");
    }
}

#[test]
fn on_quiet_and_loud_takes() {
    for (name, gain) in [("quiet", 0.03), ("loud", 6.0)] {
        let take: Vec<f32> = vocal(5.0).iter().map(|sample| sample * gain).collect();
        assert!(assert_agreement(name, &[take], VOCAL_RATE_HZ).last.is_some());
    }
}

#[test]
fn at_other_rates() {
    for rate_hz in [8_000, 22_050, 44_100, 48_000, 96_000] {
        let take = at_rate(&vocal(4.0), VOCAL_RATE_HZ, rate_hz);
        assert!(
            assert_agreement(&format!("at-{rate_hz}"), &[take], rate_hz)
                .last
                .is_some()
        );
    }
}

#[test]
fn on_two_channels_that_differ() {
    let voice = at_rate(&vocal(4.0), VOCAL_RATE_HZ, 44_100);
    let room = noise(9, voice.len(), 0.02);
    let right = voice
        .iter()
        .zip(&room)
        .map(|(voice, room)| 0.4 * voice + room)
        .collect();
    assert!(assert_agreement("stereo", &[voice, right], 44_100).last.is_some());
}

#[test]
fn on_a_take_that_ends_in_the_middle_of_a_word() {
    for frames in [20_000, 20_001, 20_777, 21_599] {
        let take = vocal(2.0)[..frames].to_vec();
        assert!(
            assert_agreement(&format!("cut-{frames}"), &[take], VOCAL_RATE_HZ)
                .last
                .is_some()
        );
    }
}

/// A model file that hears raw audio: how loud it is on average behind six filters of different pitch.
fn raw_audio_model() -> Vec<u8> {
    const TAPS: usize = 256;
    let six = EMOTIONS.len();
    let mut graph = Graph::new();
    graph.input(WAVEFORM, &[Dim::Fixed(1), Dim::Dynamic("samples")]);
    let axis = graph.ints("axis", &[1], &[1]);
    graph.node("Unsqueeze", &[WAVEFORM, &axis], &["channel"], &[]);
    let weights: Vec<f32> = (0..six * TAPS)
        .map(|place| (0.03 * ((place / TAPS + 1) * (place % TAPS)) as f32).sin())
        .collect();
    let weights = graph.floats("weights", &[six, 1, TAPS], &weights);
    let (kernel, strides) = (Attribute::Ints(vec![TAPS as i64]), Attribute::Ints(vec![80]));
    graph.node(
        "Conv",
        &["channel", &weights],
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
        features: FeatureSpec::standard(),
        window_frames: 150,
        hop_frames: 10,
        card: Card {
            name: "Raw audio".into(),
            ..Card::default()
        },
    })
}

#[test]
fn with_a_model_of_raw_audio() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("raw.onnx");
    std::fs::write(&model, raw_audio_model()).unwrap();
    let path = folder.path().join("take.wav");
    let take = at_rate(&vocal(4.0), VOCAL_RATE_HZ, 44_100);
    write_wav(&path, &[take], 44_100).unwrap();
    let trainer = bundle::trainer().unwrap();
    let predicted = predict_with(&trainer, Some(&model), &path).unwrap();
    let built_in = predict(&trainer, &path).unwrap();
    assert_ne!(predicted.last.unwrap(), built_in.last.unwrap());
    for format in Format::ALL {
        let mut instance = instance(format);
        let state = with_model(format, &instance.save().unwrap(), &model);
        instance.restore(&state).unwrap();
        let agreement = compare(instance.as_mut(), &path, &predicted).unwrap();
        assert!(agreement.holds(), "{format}: {agreement:?} is not within {TOLERANCE}");
        assert!(agreement.moments > 300, "{format}: {agreement:?}");
    }
}

#[test]
fn on_what_is_no_voice() {
    let silence = vec![0.0; 2 * VOCAL_RATE_HZ as usize];
    assert_eq!(assert_agreement("silence", &[silence], VOCAL_RATE_HZ).last, None);
    // Shorter than the shortest window: what is heard comes with the silence behind it.
    assert_agreement("short", &[vocal(0.4)], VOCAL_RATE_HZ);
}
