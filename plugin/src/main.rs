//! Affekt without a DAW: see `affekt-standalone --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    affekt::standalone::run(std::env::args())
}
