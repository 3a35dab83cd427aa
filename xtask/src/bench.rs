use std::{env::consts::EXE_SUFFIX, path::Path, process::Command};

use clap::Args;

use crate::{bundle, cargo::run, python, test, workspace};

/// Measures features, plugin, model and training beside what one would use instead. Fetches several GB of Python packages
/// on the first call.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Measures without the Python libraries.
    #[arg(long)]
    alone: bool,
    /// One part alone: features, plugin, model, trainer, or response with two recordings of one singer.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    part: Vec<String>,
}

impl Arguments {
    /// Bundles and measures.
    pub fn run(self) -> color_eyre::Result<()> {
        // As the tests do it, so that nothing is built twice.
        test::build(&["--example", "step_speed"])?;
        bundle::pack()?;
        let python = match self.alone {
            true => None,
            false => {
                let requirements = workspace::root().join("tests/bench/requirements.txt");
                let purpose = "compare with Python's libraries";
                Some(python::with_requirements("bench-python", &requirements, purpose)?)
            }
        };
        let part = self.part.first().map(String::as_str);
        if part != Some("trainer") {
            let program = workspace::target()?.join("release").join(format!("bench{EXE_SUFFIX}"));
            let mut command = Command::new(program);
            command
                .arg("--onnxruntime")
                .arg(python::onnxruntime()?)
                .env("AFFEKT_BUNDLES", workspace::bundles()?);
            if let Some(python) = &python {
                command.arg("--python").arg(python);
            }
            run(command.args(&self.part))?;
        }
        if part.is_none_or(|part| part == "trainer") {
            training_steps(python.as_deref())?;
        }
        Ok(())
    }
}

/// A training step of each of the trainer's architectures, beside PyTorch.
fn training_steps(python: Option<&Path>) -> color_eyre::Result<()> {
    let program = workspace::target()?
        .join("release/examples")
        .join(format!("step_speed{EXE_SUFFIX}"));
    let mut command = Command::new(program);
    if let Some(python) = python {
        command.arg("--python").arg(python);
    }
    let recipes = workspace::root().join("trainer/recipes");
    run(command.args(["cnn-lstm.toml", "crnn.toml"].map(|name| recipes.join(name))))
}
