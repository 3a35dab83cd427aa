//! The project's own commands, run as `cargo xtask …`.
//!
//! One file per command; `cargo`, `packages`, `python` and `workspace` serve them all.

mod bench;
mod bundle;
mod cargo;
mod demo;
mod install;
mod models;
mod packages;
mod python;
mod screenshot;
mod standalone;
mod test;
mod validate;
mod workspace;

use clap::{Parser, Subcommand};

/// Builds, tries and installs Affekt.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Commands {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Bench(bench::Arguments),
    Bundle(bundle::Arguments),
    Install(install::Arguments),
    Demo(demo::Arguments),
    Models(models::Arguments),
    Screenshot(screenshot::Arguments),
    Standalone(standalone::Arguments),
    Test(test::Arguments),
    Validate(validate::Arguments),
}

fn main() -> color_eyre::Result<()> {
    color_eyre::config::HookBuilder::default()
        .display_env_section(false)
        .install()?;
    match Commands::parse().command {
        Command::Bench(arguments) => arguments.run(),
        Command::Bundle(arguments) => arguments.run(),
        Command::Install(arguments) => arguments.run(),
        Command::Demo(arguments) => arguments.run(),
        Command::Models(arguments) => arguments.run(),
        Command::Screenshot(arguments) => arguments.run(),
        Command::Standalone(arguments) => arguments.run(),
        Command::Test(arguments) => arguments.run(),
        Command::Validate(arguments) => arguments.run(),
    }
}
