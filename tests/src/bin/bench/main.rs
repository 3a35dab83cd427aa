//! `cargo xtask bench`: how fast Affekt is, beside what one would use instead, in one run.
//!
//! Figures are medians over rounds in which the contestants take turns, and the ratio to ours is printed beside
//! them: on a noisy machine the ratio can be trusted more than the time.

mod features;
mod model;
mod plugin;
mod response;

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use color_eyre::Result;

/// Measures features, plugin and model.
#[derive(Debug, Parser)]
struct Arguments {
    /// Python with the packages of `tests/bench/requirements.txt`; without it there is nobody to compare with.
    #[arg(long)]
    python: Option<PathBuf>,
    /// ONNX Runtime's library; without it the model is measured under tract alone.
    #[arg(long)]
    onnxruntime: Option<PathBuf>,
    #[command(subcommand)]
    part: Option<Part>,
}

#[derive(Debug, Clone, Subcommand)]
enum Part {
    /// Features alone.
    Features,
    /// The plugin's audio thread alone.
    Plugin,
    /// The model alone.
    Model,
    /// How fast the values follow a change: two recordings of one singer, spliced.
    Response(response::Arguments),
    /// One runtime, in a process of its own.
    #[command(hide = true)]
    Runtime,
}

fn main() -> Result<()> {
    color_eyre::install()?;
    let arguments = Arguments::parse();
    match arguments.part {
        Some(Part::Features) => features::run(arguments.python.as_deref()),
        Some(Part::Plugin) => plugin::run(),
        Some(Part::Model) => model::run(arguments.onnxruntime.as_deref()),
        Some(Part::Response(arguments)) => arguments.run(),
        Some(Part::Runtime) => model::measure_here(),
        None => {
            features::run(arguments.python.as_deref())?;
            plugin::run()?;
            model::run(arguments.onnxruntime.as_deref())?;
            println!("\nResponse: needs two recordings of one singer: cargo xtask bench response BEFORE AFTER");
            Ok(())
        }
    }
}

/// The middle one of some measurements.
fn median(measurements: &mut [f64]) -> f64 {
    quantile(measurements, 0.5)
}

/// The measurement below which this share of them lies.
fn quantile(measurements: &mut [f64], share: f64) -> f64 {
    measurements.sort_by(f64::total_cmp);
    measurements[((measurements.len() - 1) as f64 * share).round() as usize]
}
