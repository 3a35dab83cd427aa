use std::env;

use clap::Args;
use color_eyre::eyre::{WrapErr, eyre};

use crate::workspace;

/// Builds the plugin and bundles it as VST3 and CLAP (in release, unless a profile is given).
#[derive(Debug, Args)]
pub struct Arguments {
    /// Options of `cargo build`, e.g. --target or --profile.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTIONS")]
    options: Vec<String>,
}

impl Arguments {
    /// Bundles, and leaves the bundles in [`workspace::bundles`].
    pub fn run(self) -> color_eyre::Result<()> {
        with(self.options)
    }
}

/// Builds the plugin with these options of `cargo build`, in release unless they name a profile, and bundles it.
pub fn with(mut options: Vec<String>) -> color_eyre::Result<()> {
    if !options
        .iter()
        .any(|option| option.starts_with("--profile") || option == "--release")
    {
        options.push("--release".to_owned());
    }
    build(&[], &options)?;
    pack_with(&options)
}

/// Builds the plugin and these packages beside it in release, and bundles the plugin.
pub fn release(beside: &[&str]) -> color_eyre::Result<()> {
    build(beside, &release_options())?;
    pack()
}

/// Bundles what has been built in release.
pub fn pack() -> color_eyre::Result<()> {
    pack_with(&release_options())
}

fn release_options() -> Vec<String> {
    vec!["--release".to_owned()]
}

fn build(beside: &[&str], options: &[String]) -> color_eyre::Result<()> {
    enter_workspace()?;
    let packages: Vec<String> = [&[workspace::PLUGIN], beside]
        .concat()
        .into_iter()
        .map(str::to_owned)
        .collect();
    // anyhow's error, as nice-plug's bundler returns it, is no std error: its text says it all.
    nice_plug_xtask::build(&packages, options).map_err(|error| eyre!("{error:#}"))
}

fn pack_with(options: &[String]) -> color_eyre::Result<()> {
    enter_workspace()?;
    nice_plug_xtask::bundle(&workspace::target()?, workspace::PLUGIN, options, false)
        .map_err(|error| eyre!("{error:#}"))
}

/// The bundler looks for bundler.toml, and cargo for the workspace, in the current folder.
fn enter_workspace() -> color_eyre::Result<()> {
    let root = workspace::root();
    env::set_current_dir(root).wrap_err_with(|| format!("the folder {} cannot be entered", root.display()))
}
