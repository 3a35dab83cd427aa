//! Calls to cargo.

use std::{env, ffi::OsStr, process::Command};

use color_eyre::eyre::{WrapErr, bail};

use crate::workspace;

/// All packages, with the trainer's second backend.
pub const EVERYTHING: [&str; 3] = ["--workspace", "--features", "affekt-trainer/ndarray"];

/// A call to the cargo that runs this program, in the workspace's root.
pub fn cargo<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(workspace::root());
    command
}

/// Runs a command to its end; fails where it fails.
pub fn run(command: &mut Command) -> color_eyre::Result<()> {
    let line = describe(command);
    let status = command
        .status()
        .wrap_err_with(|| format!("`{line}` cannot be started"))?;
    if !status.success() {
        bail!("`{line}` has failed ({status})");
    }
    Ok(())
}

/// The command as one would type it.
pub fn describe(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program());
    let name = program.file_stem().unwrap_or(command.get_program());
    let words = std::iter::once(name).chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}
