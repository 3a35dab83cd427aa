//! µs per 10 ms frame of our features and of three others, over the same samples, in turns.

use std::hint::black_box;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use affekt_features::{Dct, Extractor, FeatureSpec, Resampler};
use affekt_tests::vocal;
use color_eyre::Result;
use color_eyre::eyre::{OptionExt, WrapErr, ensure};
use serde_json::Value;

use crate::median;

const ROUNDS: usize = 15;
const SECONDS: usize = 30;
/// Samples per push, as a host would.
const BLOCK: usize = 512;

/// Prints the table.
pub fn run(python: Option<&Path>) -> Result<()> {
    let spec = FeatureSpec::standard();
    let at_16k = sound(spec.sample_rate_hz)?;
    let mut at_48k = Vec::new();
    Resampler::new(f64::from(spec.sample_rate_hz), 48_000)?.push(&at_16k, |chunk| at_48k.extend_from_slice(chunk));

    let mut rows: Vec<(String, Vec<f64>)> = ["Affekt, 16 kHz", "Affekt, 48 kHz"]
        .map(|name| (name.to_owned(), Vec::new()))
        .into();
    let mut peers = python
        .map(|python| Peers::start(python, &at_16k, &at_48k))
        .transpose()?;
    for name in peers.iter().flat_map(|peers| &peers.names) {
        rows.push((name.clone(), Vec::new()));
    }
    for _ in 0..ROUNDS {
        rows[0].1.push(ours(&spec, &at_16k, f64::from(spec.sample_rate_hz))?);
        rows[1].1.push(ours(&spec, &at_48k, 48_000.0)?);
        if let Some(peers) = &mut peers {
            for (name, times) in &mut rows[2..] {
                times.push(peers.measure(name)?);
            }
        }
    }

    println!("\nFeatures: µs per 10 ms frame (64 MFCCs), one thread, median of {ROUNDS} rounds in turns");
    println!("48 kHz includes the resampler; ours is fed {BLOCK} samples at a time");
    let times: Vec<(String, f64)> = rows
        .into_iter()
        .map(|(name, mut times)| (name, median(&mut times)))
        .collect();
    for (name, time) in &times {
        let reference = if name.ends_with("48 kHz") {
            times[1].1
        } else {
            times[0].1
        };
        println!("  {name:<28} {:>8.2} µs   {:>6.2} × ours", time * 1e6, time / reference);
    }
    if python.is_none() {
        println!("  (no Python given: nobody to compare with)");
    }
    Ok(())
}

/// The demo vocal, again and again.
fn sound(rate_hz: u32) -> Result<Vec<f32>> {
    let vocal = vocal::read()?;
    ensure!(vocal.sample_rate_hz == rate_hz, "the demo vocal is not at {rate_hz} Hz");
    Ok(vocal.channels[0]
        .iter()
        .copied()
        .cycle()
        .take(SECONDS * rate_hz as usize)
        .collect())
}

/// Seconds per frame of the whole way from samples to MFCCs.
fn ours(spec: &FeatureSpec, samples: &[f32], rate_hz: f64) -> Result<f64> {
    let mut extractor = Extractor::new(spec, rate_hz)?;
    let dct = Dct::new(spec)?;
    let mut mfcc = vec![0.0; spec.coefficients];
    let mut frames = 0_u32;
    let start = Instant::now();
    for block in samples.chunks(BLOCK) {
        extractor.push(&[block], |frame| {
            dct.transform(frame.bands_db, &mut mfcc);
            black_box(&mfcc);
            frames += 1;
        });
    }
    Ok(start.elapsed().as_secs_f64() / f64::from(frames))
}

/// The Python process that runs the others.
struct Peers {
    process: Child,
    ask: ChildStdin,
    answer: BufReader<ChildStdout>,
    names: Vec<String>,
}

impl Peers {
    fn start(python: &Path, at_16k: &[f32], at_48k: &[f32]) -> Result<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        let scratch = folder.join("../target/bench");
        std::fs::create_dir_all(&scratch)?;
        let write = |name: &str, samples: &[f32]| -> Result<_> {
            let path = scratch.join(name);
            std::fs::write(
                &path,
                samples
                    .iter()
                    .flat_map(|sample| sample.to_le_bytes())
                    .collect::<Vec<u8>>(),
            )?;
            Ok(path)
        };
        let mut process = Command::new(python)
            .arg(folder.join("bench/peers.py"))
            .arg(write("16k.f32", at_16k)?)
            .arg(write("48k.f32", at_48k)?)
            .envs([
                ("OMP_NUM_THREADS", "1"),
                ("MKL_NUM_THREADS", "1"),
                ("OPENBLAS_NUM_THREADS", "1"),
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .wrap_err_with(|| format!("{} does not start", python.display()))?;
        let ask = process.stdin.take().ok_or_eyre("no standard input")?;
        let mut answer = BufReader::new(process.stdout.take().ok_or_eyre("no standard output")?);
        let mut line = String::new();
        answer.read_line(&mut line)?;
        let names =
            serde_json::from_str(&line).wrap_err("tests/bench/peers.py did not start: see its message above")?;
        Ok(Self {
            process,
            ask,
            answer,
            names,
        })
    }

    fn measure(&mut self, name: &str) -> Result<f64> {
        writeln!(self.ask, "{name}")?;
        let mut line = String::new();
        self.answer.read_line(&mut line)?;
        let answer: Value = serde_json::from_str(&line).wrap_err_with(|| format!("{name} failed"))?;
        let number = |key: &str| {
            answer[key]
                .as_f64()
                .ok_or_eyre("tests/bench/peers.py answered without a figure")
        };
        Ok(number("seconds")? / number("frames")?)
    }
}

impl Drop for Peers {
    fn drop(&mut self) {
        // It has nothing to lose, and an error here would hide the one that led here.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
