//! tract and ONNX Runtime say the same, and both refuse what is wrong.
//!
//! The runtime is chosen once per process, so this test runs its own executable twice.

mod common;

use std::process::Command;

use affekt_models::runtime::{self, Runtime};
use affekt_models::{Model, SHIPPED_MODEL};
use common::{FULL, TINY};

/// Path of the ONNX Runtime library for this test; `cargo xtask test` installs one and sets it.
const TEST_LIBRARY: &str = "AFFEKT_TEST_ONNXRUNTIME";
/// How far any output may differ between the runtimes.
const TOLERANCE: f32 = 1e-4;
/// Begins the lines with outputs, and the line with the runtime's name.
const OUTPUT: &str = "output:";
const RUNTIME: &str = "runtime:";

/// What one process, one runtime, printed.
struct Printed {
    runtime: String,
    outputs: Vec<(String, Vec<f32>)>,
}

fn run_with(library: &str) -> Printed {
    let child = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "predictions_of_one_process",
            "--ignored",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(runtime::LIBRARY_VARIABLE, library)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&child.stdout);
    assert!(
        child.status.success(),
        "{text}\n{}",
        String::from_utf8_lossy(&child.stderr)
    );
    let after = |prefix: &'static str| {
        text.lines()
            .filter_map(move |line| Some(line.split_once(prefix)?.1.trim()))
    };
    let outputs = after(OUTPUT).map(|line| {
        let (name, values) = line.split_once('=').unwrap();
        (
            name.to_owned(),
            values.split_whitespace().map(|value| value.parse().unwrap()).collect(),
        )
    });
    Printed {
        runtime: after(RUNTIME).next().unwrap().to_owned(),
        outputs: outputs.collect(),
    }
}

#[test]
fn both_runtimes_say_the_same() {
    let library = std::env::var(TEST_LIBRARY).unwrap_or_else(|_| {
        panic!("{TEST_LIBRARY} must name an ONNX Runtime library: run `cargo xtask test`, which installs one")
    });
    let [tract, onnx_runtime] = ["", &library].map(run_with);
    assert_eq!(tract.runtime, "tract 0.23 (built in)");
    assert!(
        onnx_runtime.runtime.starts_with("ONNX Runtime 1."),
        "{} instead of {library}",
        onnx_runtime.runtime
    );

    assert_eq!(tract.outputs.len(), onnx_runtime.outputs.len());
    assert!(tract.outputs.len() > 20);
    for ((name, expected), (other, found)) in tract.outputs.iter().zip(&onnx_runtime.outputs) {
        assert_eq!((name, expected.len()), (other, found.len()));
        for (expected, found) in expected.iter().zip(found) {
            assert!(
                (expected - found).abs() <= TOLERANCE,
                "{name}: tract {expected}, ONNX Runtime {found}"
            );
        }
    }
}

/// What one process does.
#[test]
#[ignore = "both_runtimes_say_the_same runs it, once per runtime"]
fn predictions_of_one_process() {
    let chosen = runtime::choose(None);
    if let Runtime::OnnxRuntime { library, .. } = chosen {
        assert!(library.is_file());
    }
    println!("{RUNTIME} {chosen}");
    let (full, tiny) = (common::model(FULL, 1), common::model(TINY, 2));
    let raw = common::waveform_model(3);
    for (name, onnx) in [
        ("full", &full[..]),
        ("tiny", &tiny),
        ("shipped", SHIPPED_MODEL),
        ("raw", &raw),
    ] {
        let mut model = Model::from_bytes(onnx).unwrap();
        let width = model.contract().frame_width();
        // Samples stay within full scale.
        let gain = if name == "raw" { 0.05 } else { 1.0 };
        for frames in [50, 51, 60, 119, 250, 300] {
            for seed in 0..2 {
                let window: Vec<f32> = common::window(frames, width, seed).iter().map(|x| x * gain).collect();
                let prediction = model.run(&window).unwrap();
                let values = prediction.probabilities.iter().chain(&prediction.logits);
                let values: Vec<String> = values.map(f32::to_string).collect();
                println!("{OUTPUT} {name} {frames} {seed} = {}", values.join(" "));
            }
        }
    }
    // Neither runtime lets a wrong model through, nor falls over it.
    for change in [
        (|graph| graph.node[0].op_type = "Frobnicate".into()) as fn(&mut tract_onnx::pb::GraphProto),
        |graph| graph.node[0].input[0] = "nowhere".into(),
        |graph| graph.node.clear(),
        |graph| graph.initializer[2].dims.swap(0, 2),
    ] {
        let error = Model::from_bytes(&common::with_graph(&tiny, change)).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with(&format!("{chosen} cannot run this model")),
            "{error}"
        );
    }
}
