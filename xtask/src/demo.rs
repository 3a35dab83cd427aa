use std::{env::consts::EXE_SUFFIX, path::PathBuf, process::Command, time::Instant};

use clap::Args;
use color_eyre::eyre::WrapErr;

use crate::{bundle, cargo::run, workspace};

/// Bundles the plugin, plays a vocal through the bundle in a host, and shows what it hears.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Recordings (wav, flac, aiff, mp3, ogg); a short vocal made for this project if none is given.
    vocals: Vec<PathBuf>,
    /// Format of the bundle to load: clap or vst3.
    #[arg(long, default_value = "clap")]
    format: String,
}

impl Arguments {
    /// Bundles and plays.
    pub fn run(self) -> color_eyre::Result<()> {
        let start = Instant::now();
        // Bundling changes the current folder.
        let vocals = self
            .vocals
            .iter()
            .map(std::path::absolute)
            .collect::<Result<Vec<_>, _>>()
            .wrap_err("a recording's path cannot be resolved")?;
        bundle::release(&["affekt-tests"])?;
        let program = workspace::target()?.join("release").join(format!("demo{EXE_SUFFIX}"));
        run(Command::new(program)
            .arg("--format")
            .arg(&self.format)
            .arg("--out")
            .arg(workspace::target()?.join("demo"))
            .args(vocals)
            .env("AFFEKT_BUNDLES", workspace::bundles()?))?;
        eprintln!("Done in {:.1} s.", start.elapsed().as_secs_f64());
        Ok(())
    }
}
