//! `affekt-trainer export`

use std::path::{Path, PathBuf};

use affekt_models::Model;
use affekt_trainer::card::{Figures, Identity, short};
use affekt_trainer::evaluation::Evaluation;
use affekt_trainer::export::of_run;
use affekt_trainer::run_folder::RunFolder;
use burn::tensor::Device;
use clap::Args;
use color_eyre::eyre::WrapErr;

use super::output;

/// Writes the best network of a run as an ONNX file that Affekt runs.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Folder of the training run.
    #[arg(long, value_name = "FOLDER")]
    run: PathBuf,
    /// The model file to write.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Name shown to the user.
    #[arg(long, default_value = "Affekt")]
    name: String,
    /// The model's own version.
    #[arg(long, default_value = "0.1")]
    model_version: String,
    /// Licence of the model.
    #[arg(long, default_value = "MIT OR Apache-2.0")]
    licence: String,
    /// Figures to carry along: what `evaluate --card` wrote beside the card, or `evaluate --json` printed; repeatable.
    #[arg(long = "evaluation", value_name = "FILE")]
    evaluations: Vec<PathBuf>,
}

impl Arguments {
    /// Exports.
    pub fn run(self) -> color_eyre::Result<()> {
        let folder = RunFolder::open(&self.run)?;
        let (run, recipe) = (folder.run()?, folder.recipe()?);
        let (network, best) = folder.load_best(&Device::flex())?;
        let mut evaluations = Vec::new();
        for path in &self.evaluations {
            evaluations.extend(read_figures(path)?);
        }
        let identity = Identity {
            name: self.name,
            version: self.model_version,
            licence: self.licence,
        };
        let card = short(&identity, &run, &best, &evaluations);
        let onnx = of_run(&network, &run, &recipe, &best, card)?;
        Model::from_bytes(&onnx).wrap_err("the exported model does not load, so it was not written")?;
        output::write(&self.out, &onnx)?;
        eprintln!(
            "{}: {} kB, epoch {}, UAR {:.3} on validation speakers",
            self.out.display(),
            onnx.len() / 1000,
            best.epoch,
            best.validation.uar
        );
        Ok(())
    }
}

/// The figures of one file, in either form.
fn read_figures(path: &Path) -> color_eyre::Result<Vec<Evaluation>> {
    let text = std::fs::read_to_string(path).wrap_err_with(|| format!("{} cannot be read", path.display()))?;
    if let Ok(figures) = serde_json::from_str::<Figures>(&text) {
        return Ok(vec![figures.home.warm, figures.home.cold]);
    }
    let evaluation = serde_json::from_str(&text);
    Ok(vec![evaluation.wrap_err_with(|| {
        format!(
            "{} holds no figures: give what `evaluate --card` or `--json` made",
            path.display()
        )
    })?])
}
