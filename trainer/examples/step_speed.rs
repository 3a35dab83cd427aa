//! Time of a training step beside the same network in PyTorch, on one thread each, in turns:
//!
//! ```text
//! cargo run --release --example step_speed -- [--python PYTHON] [--frames 256] [--rounds 10] RECIPE.toml …
//! ```
//!
//! Each step takes in the recipe's batch of random features and goes forward, backward and through the optimizer.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use affekt_trainer::network::{CLASSES, Network};
use affekt_trainer::optimize::{optimizer, step};
use affekt_trainer::recipe::{MEL_BANDS, Recipe};
use affekt_trainer::samples::Batch;
use burn::tensor::Device;
use clap::Parser;
use color_eyre::eyre::{OptionExt, WrapErr, ensure};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

#[derive(Debug, Parser)]
struct Arguments {
    /// Python with PyTorch; without it there is nobody to compare with.
    #[arg(long)]
    python: Option<PathBuf>,
    /// Frames of each input.
    #[arg(long, default_value_t = 256)]
    frames: usize,
    /// Steps of each contestant that are measured.
    #[arg(long, default_value_t = 10)]
    rounds: usize,
    /// What is trained.
    #[arg(required = true)]
    recipes: Vec<PathBuf>,
}

fn main() -> color_eyre::Result<()> {
    let arguments = Arguments::parse();
    affekt_trainer::memory::keep_large_blocks();
    rayon::ThreadPoolBuilder::new().num_threads(1).build_global()?;
    println!(
        "milliseconds per training step of {} frames, one thread, median",
        arguments.frames
    );
    for path in &arguments.recipes {
        measure(path, &arguments)?;
    }
    Ok(())
}

fn measure(path: &PathBuf, arguments: &Arguments) -> color_eyre::Result<()> {
    let text = std::fs::read_to_string(path).wrap_err_with(|| format!("{} cannot be read", path.display()))?;
    let recipe = Recipe::from_toml(&text)?;
    let mut peer = match &arguments.python {
        Some(python) => Some(Peer::start(python, path, arguments.frames)?),
        None => None,
    };

    let device = Device::flex().autodiff();
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let samples = recipe.training.batch;
    let features = (0..arguments.frames * samples * MEL_BANDS).map(|_| random.random_range(-2.0..2.0));
    let batch = Batch {
        features: features.collect(),
        frames: arguments.frames,
        targets: (0..samples)
            .map(|sample| std::array::from_fn(|class| f32::from(class == sample % CLASSES)))
            .collect(),
        weights: vec![1.0; samples],
    };
    let mut optimizer = optimizer(&recipe.training);
    let mut network = Network::new(&recipe.network, MEL_BANDS, 1, &device);
    let mut own = Vec::new();
    let mut others = Vec::new();
    // The first round warms up caches and allocators.
    for round in 0..=arguments.rounds {
        let start = Instant::now();
        let taken = step(
            network,
            &mut optimizer,
            &batch,
            1e-4,
            &recipe.training,
            &mut random,
            &device,
        );
        network = taken.0;
        let seconds = start.elapsed().as_secs_f64();
        let other = match &mut peer {
            Some(peer) => Some(peer.step()?),
            None => None,
        };
        if round > 0 {
            own.push(seconds);
            others.extend(other);
        }
    }
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    let own = 1_000.0 * median(&mut own);
    print!("{name}: {own:.0} ms");
    if let Some(memory) = peak_memory() {
        print!(", {:.0} MB", memory / 1e6);
    }
    if let Some(peer) = &mut peer {
        let other = 1_000.0 * median(&mut others);
        print!(
            "; PyTorch {other:.0} ms, {:.0} MB; PyTorch / Affekt {:.2}",
            peer.memory / 1e6,
            other / own
        );
    }
    println!();
    Ok(())
}

/// The same network in PyTorch, in a process of its own.
struct Peer {
    process: Child,
    answers: BufReader<std::process::ChildStdout>,
    /// Largest memory so far, in bytes.
    memory: f64,
}

impl Peer {
    fn start(python: &PathBuf, recipe: &PathBuf, frames: usize) -> color_eyre::Result<Self> {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/bench/step_speed.py");
        let mut process = Command::new(python)
            .arg(script)
            .arg(recipe)
            .arg(frames.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .wrap_err_with(|| format!("{} cannot be started", python.display()))?;
        let answers = BufReader::new(process.stdout.take().ok_or_eyre("PyTorch has no output")?);
        Ok(Self {
            process,
            answers,
            memory: 0.0,
        })
    }

    /// Seconds of one step.
    fn step(&mut self) -> color_eyre::Result<f64> {
        let input = self.process.stdin.as_mut().ok_or_eyre("PyTorch has no input")?;
        writeln!(input, "step")?;
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        ensure!(!line.is_empty(), "PyTorch ended: see its message above");
        let answer: Value = serde_json::from_str(&line)?;
        self.memory = answer["memory"].as_f64().unwrap_or_default();
        answer["seconds"].as_f64().ok_or_eyre("PyTorch said no time")
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It ends with its input.
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Largest memory of this process so far, in bytes, where the system says.
fn peak_memory() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kibibytes: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kibibytes * 1_024.0)
}
