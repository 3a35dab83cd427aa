//! ms per inference of the shipped model, under each runtime in a process of its own: the runtime is chosen once
//! per process.

use std::hint::black_box;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use affekt_models::{Model, SHIPPED_MODEL, runtime};
use color_eyre::Result;
use color_eyre::eyre::ensure;

use crate::{median, quantile};

const RUNS: usize = 200;

/// Prints one line per runtime.
pub fn run(onnxruntime: Option<&Path>) -> Result<()> {
    println!("\nModel: one full window, one thread, {RUNS} runs");
    measure_in_child(None)?;
    match onnxruntime {
        Some(library) => measure_in_child(Some(library))?,
        None => println!("  (no ONNX Runtime given)"),
    }
    Ok(())
}

fn measure_in_child(library: Option<&Path>) -> Result<()> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("runtime").env_remove(runtime::LIBRARY_VARIABLE);
    if let Some(library) = library {
        command.env(runtime::LIBRARY_VARIABLE, library);
    }
    ensure!(command.status()?.success(), "the model could not be measured");
    Ok(())
}

/// Measures in this process, under the runtime that its environment leads to.
pub fn measure_here() -> Result<()> {
    let start = Instant::now();
    let mut model = Model::from_bytes(SHIPPED_MODEL)?;
    let load_ms = start.elapsed().as_secs_f64() * 1e3;
    let contract = model.contract();
    let window = vec![0.5; contract.window_frames * contract.features.coefficients];
    let mut times = Vec::with_capacity(RUNS);
    for _ in 0..RUNS {
        let start = Instant::now();
        black_box(model.run(&window)?);
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    println!(
        "  {:<28} {:>6.2} ms median, {:.2} ms in the best tenth, {load_ms:.0} ms to load",
        runtime::choose(None).to_string(),
        median(&mut times),
        quantile(&mut times, 0.1),
    );
    Ok(())
}
