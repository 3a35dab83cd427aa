use std::{env::consts::EXE_SUFFIX, process::Command};

use clap::Args;

use crate::{bundle, cargo::run, python, test, workspace};

/// Measures features, plugin and model beside what one would use instead. Fetches several GB of Python packages
/// on the first call.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Measures without the Python libraries.
    #[arg(long)]
    alone: bool,
    /// One part alone: features, plugin, model, or response with two recordings of one singer.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    part: Vec<String>,
}

impl Arguments {
    /// Bundles and measures.
    pub fn run(self) -> color_eyre::Result<()> {
        // As the tests do it, so that nothing is built twice.
        test::build()?;
        bundle::pack()?;
        let program = workspace::target()?.join("release").join(format!("bench{EXE_SUFFIX}"));
        let mut command = Command::new(program);
        command
            .arg("--onnxruntime")
            .arg(python::onnxruntime()?)
            .env("AFFEKT_BUNDLES", workspace::bundles()?);
        if !self.alone {
            let requirements = workspace::root().join("tests/bench/requirements.txt");
            let environment =
                python::with_requirements("bench-python", &requirements, "compare with Python's libraries")?;
            command.arg("--python").arg(environment);
        }
        run(command.args(self.part))
    }
}
