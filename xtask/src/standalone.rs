use clap::Args;

use crate::{
    cargo::{cargo, run},
    packages::{self, succeeds},
    workspace,
};

/// Headers that the audio backends are compiled against.
const PACKAGES: [&str; 3] = ["libasound2-dev", "libjack-jackd2-dev", "pkg-config"];
const FEATURES: [&str; 2] = ["--features", "standalone"];

/// Builds the standalone program, which hears a microphone without a host, and runs it.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Checks the program's code in place of running it.
    #[arg(long)]
    check: bool,
    /// Arguments of the program, e.g. --monitor.
    #[arg(last = true, value_name = "ARGUMENTS")]
    arguments: Vec<String>,
}

impl Arguments {
    /// Installs the headers where that is needed and allowed, then builds and runs, or checks.
    pub fn run(self) -> color_eyre::Result<()> {
        if cfg!(target_os = "linux") && !succeeds("pkg-config", &["--exists", "alsa", "jack"]) {
            packages::install(&PACKAGES, "build the standalone program")?;
        }
        let package = ["--package", workspace::PLUGIN];
        if self.check {
            let mut command = cargo(["clippy", "--all-targets", "--locked"]);
            return run(command.args(package).args(FEATURES).args(["--", "--deny", "warnings"]));
        }
        let mut command = cargo(["run", "--release"]);
        run(command.args(package).args(FEATURES).arg("--").args(&self.arguments))
    }
}
