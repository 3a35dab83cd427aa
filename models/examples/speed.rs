//! Measures how long a model takes to load and to run one window of full length, under the runtime that is found.
//!
//! `cargo run --release -p affekt-models --example speed [MODEL.onnx …]`; `AFFEKT_ONNXRUNTIME` chooses ONNX Runtime.

use std::time::Instant;

use affekt_models::{Model, SHIPPED_MODEL, runtime};

/// Runs before the clock starts, and runs that are timed.
const WARM_UP: usize = 10;
const RUNS: usize = 200;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let start = Instant::now();
    let runtime = runtime::choose(None);
    println!("{runtime}, started in {:.1} ms", milliseconds(start));
    if let runtime::Runtime::Tract { reason: Some(reason) } = runtime {
        println!("{reason}");
    }
    let mut models = vec![("shipped model".to_owned(), SHIPPED_MODEL.to_vec())];
    for path in std::env::args().skip(1) {
        let onnx = std::fs::read(&path)?;
        models.push((path, onnx));
    }
    for (name, onnx) in models {
        let start = Instant::now();
        let mut model = Model::from_bytes(&onnx)?;
        let load_ms = milliseconds(start);
        let contract = model.contract();
        let (frames, width) = (contract.window_frames, contract.frame_width());
        let window: Vec<f32> = (0..frames * width).map(|n| (n as f32 * 0.7).sin()).collect();
        for _ in 0..WARM_UP {
            model.run(&window)?;
        }
        let mut times_ms = Vec::with_capacity(RUNS);
        for _ in 0..RUNS {
            let start = Instant::now();
            model.run(&window)?;
            times_ms.push(milliseconds(start));
        }
        times_ms.sort_by(f64::total_cmp);
        println!(
            "{name}: load {load_ms:.0} ms; window of {frames} frames: min {:.2} ms, median {:.2} ms, 99th percentile {:.2} ms",
            times_ms[0],
            times_ms[RUNS / 2],
            times_ms[RUNS * 99 / 100]
        );
    }
    Ok(())
}

fn milliseconds(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1e3
}
