//! The command line of Affekt's trainer.

mod cli;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    affekt_trainer::memory::keep_large_blocks();
    // Reports of panics; an ordinary error is one line, without a backtrace.
    let _ = color_eyre::install();
    match cli::Command::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
