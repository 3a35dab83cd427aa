//! The command line of Affekt's trainer.

mod cli;

use std::process::ExitCode;

use clap::Parser;

/// Keeps glibc from giving large blocks back to the system and taking them anew, page by page, in every training step.
fn keep_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    for (parameter, bytes) in [
        // The most that glibc accepts.
        (libc::M_MMAP_THRESHOLD, 32 << 20),
        (libc::M_TRIM_THRESHOLD, i32::MAX),
        (libc::M_TOP_PAD, 256 << 20),
    ] {
        // SAFETY: no other thread runs yet, and glibc refuses what it cannot use.
        unsafe { libc::mallopt(parameter, bytes) };
    }
}

fn main() -> ExitCode {
    keep_memory();
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
