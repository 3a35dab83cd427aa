use std::{env::consts::EXE_SUFFIX, path::Path, process::Command};

use clap::Args;

use crate::{
    bundle,
    cargo::{cargo, run},
    python, workspace,
};

/// Measures features, plugin, model and training beside what one would use instead. Fetches several GB of Python packages
/// on the first call.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Measures without the Python libraries.
    #[arg(long)]
    alone: bool,
    /// One part alone: features, plugin, model or trainer.
    part: Option<String>,
}

impl Arguments {
    /// Bundles and measures.
    pub fn run(self) -> color_eyre::Result<()> {
        let python = match self.alone {
            true => None,
            false => {
                let requirements = workspace::root().join("tests/bench/requirements.txt");
                Some(python::with_requirements("bench-python", &requirements)?)
            }
        };
        let part = self.part.as_deref();
        if part != Some("trainer") {
            bundle::release(&["affekt-tests"])?;
            let program = workspace::target()?.join("release").join(format!("bench{EXE_SUFFIX}"));
            let mut command = Command::new(program);
            command
                .arg("--onnxruntime")
                .arg(python::onnxruntime()?)
                .env("AFFEKT_BUNDLES", workspace::bundles()?);
            if let Some(python) = &python {
                command.arg("--python").arg(python);
            }
            run(command.args(part))?;
        }
        if part.is_none_or(|part| part == "trainer") {
            training_steps(python.as_deref())?;
        }
        Ok(())
    }
}

/// A step of each of the trainer's recipes, beside PyTorch.
fn training_steps(python: Option<&Path>) -> color_eyre::Result<()> {
    run(&mut cargo([
        "build",
        "--release",
        "--workspace",
        "--example",
        "step_speed",
    ]))?;
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
