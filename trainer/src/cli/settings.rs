//! How to train: what `train`, `cross-validate` and `tune` have in common.

use std::path::{Path, PathBuf};

use affekt_trainer::cache::Cache;
use affekt_trainer::front_end::absolute;
use affekt_trainer::recipe::{DEFAULT_RECIPE, Recipe};
use burn::tensor::Device;
use clap::{Args, ValueEnum};
use color_eyre::eyre::WrapErr;

/// How to train.
#[derive(Debug, Args)]
pub struct Settings {
    /// Recipe (TOML) in place of the built-in one.
    #[arg(long, value_name = "FILE")]
    pub recipe: Option<PathBuf>,
    /// Seed of every random draw.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Threads; all processors if not given. The same seed and number of threads give the same weights.
    #[arg(long)]
    pub threads: Option<usize>,
    /// What computes.
    #[arg(long, value_enum, default_value_t = Backend::Flex)]
    pub backend: Backend,
    /// Folder for what a front end or a teacher says of each clip; `cache` in `--out` if not given.
    #[arg(long, value_name = "FOLDER")]
    pub cache: Option<PathBuf>,
}

/// burn's backends.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Backend {
    /// burn's Flex, with the LSTM as one native operation.
    Flex,
    /// burn's ndarray, slower, for comparison.
    #[cfg(feature = "ndarray")]
    Ndarray,
}

impl Backend {
    /// Where it computes.
    pub fn device(self) -> Device {
        match self {
            Self::Flex => Device::flex(),
            #[cfg(feature = "ndarray")]
            #[allow(deprecated)] // Kept for comparison as long as burn has it.
            Self::Ndarray => Device::ndarray(),
        }
    }
}

impl Settings {
    /// Starts as many threads as were asked for; `before`: how many the run began with, if it goes on.
    pub fn start_threads(&self, before: Option<usize>) -> color_eyre::Result<()> {
        if let (Some(threads), Some(before)) = (self.threads, before)
            && threads != before
        {
            eprintln!("the run began with {before} threads: with {threads} it ends with slightly other weights");
        }
        if let Some(threads) = self.threads.or(before) {
            rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build_global()
                .wrap_err("the threads cannot be started")?;
        }
        Ok(())
    }

    /// Where what other models say is kept, for work in `out`.
    pub fn cache(&self, out: &Path) -> Cache {
        Cache::new(&self.cache.clone().unwrap_or_else(|| out.join("cache")))
    }

    /// The recipe, with `epochs` in place of its own if given.
    pub fn recipe(&self, epochs: Option<usize>) -> color_eyre::Result<Recipe> {
        let mut recipe = match &self.recipe {
            Some(path) => read_recipe(path)?,
            None => Recipe::from_toml(DEFAULT_RECIPE)?,
        };
        // A run is resumed and exported from wherever.
        if let Some(front_end) = &mut recipe.front_end {
            front_end.model = absolute(&front_end.model);
        }
        if let Some(distillation) = &mut recipe.distillation {
            distillation.teacher = absolute(&distillation.teacher);
        }
        if let Some(epochs) = epochs {
            recipe.training.epochs = epochs;
            recipe.training.warmup_epochs = recipe.training.warmup_epochs.min(epochs as f64);
            recipe = Recipe::from_toml(&recipe.to_toml()?)?;
        }
        Ok(recipe)
    }
}

/// Reads a recipe's file; errors name it.
pub fn read_recipe(path: &Path) -> color_eyre::Result<Recipe> {
    let text =
        std::fs::read_to_string(path).wrap_err_with(|| format!("the recipe {} cannot be read", path.display()))?;
    Recipe::from_toml(&text).wrap_err_with(|| path.display().to_string())
}
