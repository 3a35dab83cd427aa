use std::{
    env::consts::{DLL_PREFIX, DLL_SUFFIX, EXE_SUFFIX},
    io::{BufRead, BufReader, IsTerminal},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use clap::Args;
use color_eyre::eyre::{OptionExt, WrapErr, bail};

use crate::{
    bundle,
    cargo::{EVERYTHING, cargo, describe, run},
    python, workspace,
};

/// Builds everything and runs all tests, those in plugin hosts included.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Arguments of `cargo test`, e.g. a name that the tests to be run contain.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENTS")]
    arguments: Vec<String>,
}

/// What `cargo test` has said about its tests.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    passed: usize,
    failed: usize,
    ignored: usize,
}

impl Arguments {
    /// Fetches, builds, tests and sums up.
    pub fn run(self) -> color_eyre::Result<()> {
        let mut steps = Steps::default();
        let library = steps.time("ONNX Runtime", python::onnxruntime)?;
        steps.time("release build", || build(&[]))?;
        steps.time("bundle", bundle::pack)?;
        steps.time("debug module", || {
            run(&mut cargo(["build", "--package", workspace::PLUGIN]))
        })?;

        let target = workspace::target()?;
        let mut command = cargo(["test", "--release", "--no-fail-fast"]);
        command
            .args(EVERYTHING)
            .args(&self.arguments)
            .env(python::LIBRARY_VARIABLE, library)
            .env("AFFEKT_BUNDLES", workspace::bundles()?)
            .env(
                "AFFEKT_CHECKED_MODULE",
                target.join("debug").join(format!("{DLL_PREFIX}affekt{DLL_SUFFIX}")),
            )
            .env(
                "AFFEKT_TRAINER",
                target.join("release").join(format!("affekt-trainer{EXE_SUFFIX}")),
            );
        let (tally, succeeded) = steps.time("tests", || watch(&mut command))?;

        println!("\nSummary");
        for (name, duration) in &steps.durations {
            println!("  {name:<18}{:>7.1} s", duration.as_secs_f64());
        }
        println!(
            "  {} tests passed, {} failed, {} ignored",
            tally.passed, tally.failed, tally.ignored
        );
        if !succeeded {
            bail!("not all tests have passed: see above");
        }
        Ok(())
    }
}

/// Builds the plugin, the programs and the tests in release, all in one call: packages that are built one by one, or
/// without the tests, get their dependencies with other features, and so build them again. `more`: further targets.
pub fn build(more: &[&str]) -> color_eyre::Result<()> {
    let mut command = cargo(["build", "--release", "--lib", "--bins", "--tests"]);
    run(command.args(EVERYTHING).args(more))
}

/// How long each step took.
#[derive(Debug, Default)]
struct Steps {
    durations: Vec<(&'static str, Duration)>,
}

impl Steps {
    fn time<T>(&mut self, name: &'static str, step: impl FnOnce() -> color_eyre::Result<T>) -> color_eyre::Result<T> {
        let start = Instant::now();
        let result = step();
        self.durations.push((name, start.elapsed()));
        result
    }
}

/// Runs `cargo test`, passes its output on and counts its results; whether it succeeded.
fn watch(command: &mut Command) -> color_eyre::Result<(Tally, bool)> {
    let line = describe(command);
    if std::io::stdout().is_terminal() {
        command.env("CARGO_TERM_COLOR", "always");
    }
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .wrap_err_with(|| format!("`{line}` cannot be started"))?;
    let output = child
        .stdout
        .take()
        .ok_or_eyre("the output of the tests cannot be read")?;
    let mut tally = Tally::default();
    for line in BufReader::new(output).lines() {
        let line = line.wrap_err("the output of the tests cannot be read")?;
        println!("{line}");
        tally.add(&line);
    }
    let status = child
        .wait()
        .wrap_err_with(|| format!("`{line}` cannot be waited for"))?;
    Ok((tally, status.success()))
}

impl Tally {
    /// Adds a line such as `test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; …`.
    fn add(&mut self, line: &str) {
        let Some((_, counts)) = line.split_once("test result: ") else {
            return;
        };
        let words: Vec<&str> = counts.split([' ', ';', '.']).filter(|word| !word.is_empty()).collect();
        for pair in words.windows(2) {
            let Ok(count) = pair[0].parse::<usize>() else {
                continue;
            };
            match pair[1] {
                "passed" => self.passed += count,
                "failed" => self.failed += count,
                "ignored" => self.ignored += count,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_added_up() {
        let mut tally = Tally::default();
        for line in [
            "running 12 tests",
            "test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; 3 filtered out; finished in 0.10s",
            "test result: \u{1b}[31mFAILED\u{1b}[0m. 3 passed; 2 failed; 1 ignored; 0 measured; 0 filtered out; finished in 1.00s",
        ] {
            tally.add(line);
        }
        assert_eq!(
            tally,
            Tally {
                passed: 15,
                failed: 2,
                ignored: 1
            }
        );
    }
}
