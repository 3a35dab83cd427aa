//! Compares the built plugin with `affekt-trainer predict` over recordings. Build both first: `cargo xtask test`.

use std::{fs, path::PathBuf, process::ExitCode};

use affekt_tests::{
    agreement::{TOLERANCE, compare, predict},
    bundle,
    host::{self, Format},
};
use clap::Parser;
use color_eyre::eyre::{OptionExt, WrapErr, bail};

/// Files with these extensions are taken from folders.
const EXTENSIONS: [&str; 8] = ["aif", "aiff", "flac", "mp3", "oga", "ogg", "wav", "wave"];

/// Compares the built plugin's values with the trainer's predictions, window by window.
#[derive(Debug, Parser)]
#[command(name = "agree")]
struct Arguments {
    /// Recordings, or folders with recordings.
    #[arg(required = true)]
    recordings: Vec<PathBuf>,
    /// Most recordings compared, picked evenly from all.
    #[arg(long, default_value_t = 60)]
    limit: usize,
    /// Format of the bundle to load.
    #[arg(long, value_enum, default_value_t = Format::Clap)]
    format: Format,
}

fn main() -> color_eyre::Result<ExitCode> {
    color_eyre::config::HookBuilder::default()
        .display_env_section(false)
        .install()?;
    let arguments = Arguments::parse();
    let module = host::load(&bundle::module(arguments.format)?, arguments.format)?;
    let plugin = module
        .scan()?
        .into_iter()
        .next()
        .ok_or_eyre("the bundle holds no plugin")?;
    let trainer = bundle::trainer()?;

    let found = recordings(&arguments.recordings)?;
    let picked = evenly(&found, arguments.limit);
    let mut worst: f64 = 0.0;
    let mut apart = 0;
    println!("{:>8}{:>11}{:>11}  recording", "moments", "largest", "at end");
    for path in &picked {
        // A fresh instance each, as a fresh insert in a project.
        let mut instance = module.instantiate(&plugin.id)?;
        let agreement = compare(instance.as_mut(), path, &predict(&trainer, path)?)?;
        println!(
            "{:>8}{:>11.1e}{:>11.1e}  {}",
            agreement.moments,
            agreement.largest,
            agreement.at_end,
            path.display()
        );
        worst = worst.max(agreement.largest).max(agreement.at_end);
        apart += usize::from(!agreement.holds());
    }
    println!(
        "{} of {} recordings agree within {TOLERANCE:.0e}; the largest difference is {worst:.1e}",
        picked.len() - apart,
        picked.len()
    );
    Ok(if apart == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The files themselves, and the recordings directly in the folders, in the order of their names.
fn recordings(inputs: &[PathBuf]) -> color_eyre::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for input in inputs {
        if !input.is_dir() {
            found.push(input.clone());
            continue;
        }
        let entries = fs::read_dir(input).wrap_err_with(|| format!("the folder {} cannot be read", input.display()))?;
        let is_recording = |path: &PathBuf| {
            let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
            EXTENSIONS.iter().any(|&known| extension == known)
        };
        let mut files: Vec<PathBuf> = entries
            .flatten()
            .map(|entry| entry.path())
            .filter(is_recording)
            .collect();
        files.sort();
        found.append(&mut files);
    }
    if found.is_empty() {
        bail!("there is no recording among the files: give wav, flac, aiff, mp3 or ogg files");
    }
    Ok(found)
}

/// At most `limit` of them, evenly spread.
fn evenly(paths: &[PathBuf], limit: usize) -> Vec<&PathBuf> {
    let count = limit.min(paths.len());
    (0..count).map(|index| &paths[index * paths.len() / count]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn picks_are_spread_over_all() {
        let paths: Vec<PathBuf> = (0..10).map(|number| PathBuf::from(number.to_string())).collect();
        let picked: Vec<_> = evenly(&paths, 4).into_iter().cloned().collect();
        assert_eq!(picked, ["0", "2", "5", "7"].map(PathBuf::from));
        assert_eq!(evenly(&paths, 99).len(), 10);
        assert!(evenly(&paths, 0).is_empty());
    }
}
