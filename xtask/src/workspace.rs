//! Where the workspace and what it builds lie.

use std::path::{Path, PathBuf};

use color_eyre::eyre::{OptionExt, WrapErr};

/// The plugin's package.
pub const PLUGIN: &str = "affekt";

/// The workspace's root folder.
pub fn root() -> &'static Path {
    // This package lies directly below it.
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap_or_else(|| Path::new("."))
}

/// The folder that cargo builds into: this program lies in it, wherever the user has put it.
pub fn target() -> color_eyre::Result<PathBuf> {
    let program = std::env::current_exe().wrap_err("the system does not tell where this program lies")?;
    let target = program
        .ancestors()
        .nth(2)
        .ok_or_eyre("this program does not lie in cargo's target folder")?;
    Ok(target.to_owned())
}

/// The folder that the bundler puts bundles into.
pub fn bundles() -> color_eyre::Result<PathBuf> {
    Ok(target()?.join("bundled"))
}
