//! The trainer's command line, from recordings to a model that the plugin's own runtime loads.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use affekt_models::{EMOTIONS, Model};
use affekt_tests::{
    bundle,
    signal::{Random, write_wav},
};

use crate::common::{VOCAL_RATE_HZ, vocal};

/// A recipe small enough for a test.
const RECIPE: &str = r"
[window]
frames = 100
hop_frames = 10
[network]
conv_filters = 8
conv_kernel = 5
pool = 4
lstm_layers = 1
lstm_units = 8
dense_units = 8
dropout = 0.1
[training]
epochs = 2
batch = 8
learning_rate = 1e-3
warmup_epochs = 1.0
weight_decay = 1e-2
clip_norm = 1.0
patience = 10
[sampling]
earliest_end = 0.6
cold_share = 0.2
most_session_clips = 4
[split]
validation = 0.25
test = 0.25
";

/// CREMA-D's codes of the six emotions, in the order of [`EMOTIONS`].
const CODES: [&str; 6] = ["ANG", "DIS", "FEA", "HAP", "NEU", "SAD"];

fn trainer(arguments: &[&str]) -> Output {
    Command::new(bundle::trainer().unwrap())
        .args(arguments)
        .output()
        .unwrap()
}

/// Runs the trainer and gives its standard output.
fn succeed(arguments: &[&str]) -> String {
    let output = trainer(arguments);
    assert!(
        output.status.success(),
        "affekt-trainer {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// Pieces of the demo vocal under CREMA-D's names: eight speakers, who differ in pitch (the rate they are written at)
/// and loudness, two clips of each emotion.
fn write_corpus(folder: &Path) {
    const CLIP: usize = VOCAL_RATE_HZ as usize * 3 / 2;
    let vocal = vocal(60.0);
    let mut random = Random::new(11);
    for speaker in 1001..1009 {
        let rate_hz = VOCAL_RATE_HZ - 2_000 + 500 * (speaker - 1001);
        for sentence in ["IEO", "TIE"] {
            for (place, code) in CODES.iter().enumerate() {
                // Each emotion has its own part of the vocal, so that there is something to learn.
                let part = place * (vocal.len() - CLIP) / CODES.len();
                let start = part + random.below(4_000);
                let piece = &vocal[start..start + CLIP];
                let peak = piece.iter().fold(0.0, |peak: f32, sample| peak.max(sample.abs()));
                let gain = (0.3 + 0.6 * random.unit() as f32) / peak;
                let clip: Vec<f32> = piece.iter().map(|sample| sample * gain).collect();
                write_wav(
                    &folder.join(format!("{speaker}_{sentence}_{code}_XX.wav")),
                    &[clip],
                    rate_hz,
                )
                .unwrap();
            }
        }
    }
}

#[test]
fn train_export_evaluate_predict() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let recordings = folder.path().join("recordings");
    std::fs::create_dir(&recordings).unwrap();
    write_corpus(&recordings);
    std::fs::write(place("recipe.toml"), RECIPE).unwrap();
    let corpus = format!("crema-d={}", recordings.display());
    let (run, model) = (place("run"), place("model.onnx"));

    succeed(&[
        "train",
        "--corpus",
        &corpus,
        "--out",
        &run,
        "--recipe",
        &place("recipe.toml"),
        "--epochs",
        "2",
    ]);
    succeed(&["export", "--run", &run, "--out", &model, "--name", "Tiny"]);
    let evaluation = succeed(&[
        "evaluate", "--model", &model, "--corpus", &corpus, "--run", &run, "--json",
    ]);
    let prediction = succeed(&["predict", "--model", &model, "--json", recordings.to_str().unwrap()]);

    let contract = Model::from_file(&PathBuf::from(&model)).unwrap().contract().clone();
    assert_eq!((contract.window_frames, contract.hop_frames), (100, 10));
    assert_eq!(contract.card.name, "Tiny");

    let evaluation: serde_json::Value = serde_json::from_str(&evaluation).unwrap();
    let uar = evaluation["uar"].as_f64().unwrap();
    assert!((0.0..=1.0).contains(&uar), "{evaluation}");
    // A quarter of the eight speakers test, with twelve clips each.
    assert_eq!(evaluation["clips"], 24, "{evaluation}");

    let prediction: serde_json::Value = serde_json::from_str(&prediction).unwrap();
    let files = prediction["files"].as_array().unwrap();
    assert_eq!(files.len(), 96);
    for file in files {
        let probability = |name: &str| file["last"][name].as_f64().unwrap_or_else(|| panic!("{file}"));
        let last = EMOTIONS.map(|emotion| probability(emotion.name()));
        let sum: f64 = last.iter().sum();
        assert!((sum - 1.0).abs() < 1e-4, "{file}");
    }
}

#[test]
fn what_cannot_be_done_is_said_in_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere = folder.path().join("nowhere").to_str().unwrap().to_owned();
    let empty = folder.path().to_str().unwrap();
    let cases: [(&[&str], &str); 5] = [
        (
            &["train", "--corpus", &format!("crema-d={nowhere}"), "--out", &nowhere],
            "cannot be read",
        ),
        (
            &["train", "--corpus", &format!("crema-d={empty}"), "--out", &nowhere],
            "holds no clip",
        ),
        (
            &["train", "--corpus", "no-such=corpus", "--out", &nowhere],
            "there is no corpus named `no-such`",
        ),
        (&["predict", &nowhere], "does not exist"),
        (&["predict", "--model", &nowhere, &nowhere], "cannot be read"),
    ];
    for (arguments, reason) in cases {
        let output = trainer(arguments);
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{arguments:?}");
        assert!(complaint.contains(reason), "{arguments:?}: {complaint}");
        assert!(
            !complaint.contains("panicked") && output.stdout.is_empty(),
            "{arguments:?}: {complaint}"
        );
    }
}
