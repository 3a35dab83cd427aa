//! Everything about a training run that is a choice: sizes, rates, shares. Read from TOML.

use serde::{Deserialize, Serialize};

/// The design card's recipe, `recipes/cnn-lstm.toml`.
pub const DEFAULT_RECIPE: &str = include_str!("../recipes/cnn-lstm.toml");

/// A training recipe.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// The model's input.
    pub window: WindowRecipe,
    /// Sizes of the layers.
    pub network: NetworkRecipe,
    /// How it is optimised.
    pub training: TrainingRecipe,
    /// How windows and sessions are drawn from the clips.
    pub sampling: SamplingRecipe,
    /// How speakers are divided.
    pub split: SplitRecipe,
}

/// The model's input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WindowRecipe {
    /// Most frames in one window.
    pub frames: usize,
    /// Frames between two windows.
    pub hop_frames: usize,
}

/// Sizes of the layers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkRecipe {
    /// Filters of the convolution.
    pub conv_filters: usize,
    /// Width of the convolution in frames; odd.
    pub conv_kernel: usize,
    /// Frames per max-pool.
    pub pool: usize,
    /// Number of LSTM layers.
    pub lstm_layers: usize,
    /// Width of each LSTM layer.
    pub lstm_units: usize,
    /// Width of the fully connected layer.
    pub dense_units: usize,
    /// Share of the fully connected layer's outputs that is silenced while training.
    pub dropout: f64,
}

/// How the network is optimised.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingRecipe {
    /// Most passes over the training clips.
    pub epochs: usize,
    /// Clips per step.
    pub batch: usize,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Epochs over which the learning rate rises to its peak.
    pub warmup_epochs: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// Largest norm of the whole gradient.
    pub clip_norm: f64,
    /// Epochs without a better validation UAR before training stops.
    pub patience: usize,
}

/// How windows and sessions are drawn from the clips.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SamplingRecipe {
    /// Share of a clip before which no training window ends.
    pub earliest_end: f64,
    /// Share of the windows whose session has heard nothing but the clip itself.
    pub cold_share: f64,
    /// Most other clips of the speaker in a session.
    pub most_session_clips: usize,
}

/// How speakers are divided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SplitRecipe {
    /// Share of each corpus's speakers that validate.
    pub validation: f64,
    /// Share of each corpus's speakers that test.
    pub test: f64,
}

/// Why a recipe cannot be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum RecipeError {
    /// Not TOML, or a key is missing, unknown or of the wrong type.
    #[error("the recipe cannot be read: {0}")]
    Toml(String),
    /// A value out of range.
    #[error("the recipe's `{key}` is {value}: {expected}")]
    Value {
        /// Table and key.
        key: &'static str,
        /// What it is.
        value: String,
        /// What it may be.
        expected: String,
    },
}

impl Recipe {
    /// Reads and checks a recipe. Errors name the key.
    pub fn from_toml(text: &str) -> Result<Self, RecipeError> {
        let recipe: Self = toml::from_str(text).map_err(|error| RecipeError::Toml(error.to_string()))?;
        recipe.check()?;
        Ok(recipe)
    }

    /// The recipe as TOML that [`Recipe::from_toml`] reads back.
    pub fn to_toml(&self) -> Result<String, RecipeError> {
        toml::to_string_pretty(self).map_err(|error| RecipeError::Toml(error.to_string()))
    }

    fn check(&self) -> Result<(), RecipeError> {
        let (window, network, training) = (&self.window, &self.network, &self.training);
        let (sampling, split) = (&self.sampling, &self.split);
        whole(
            "window.frames",
            window.frames,
            affekt_features::MIN_WINDOW_FRAMES,
            affekt_features::MAX_WINDOW_FRAMES,
        )?;
        whole("window.hop_frames", window.hop_frames, 1, window.frames)?;
        whole("network.conv_filters", network.conv_filters, 1, 4_096)?;
        whole("network.conv_kernel", network.conv_kernel, 1, 99)?;
        if network.conv_kernel.is_multiple_of(2) {
            return Err(RecipeError::Value {
                key: "network.conv_kernel",
                value: network.conv_kernel.to_string(),
                expected: "use an odd number, so that the filter has a middle".into(),
            });
        }
        whole("network.pool", network.pool, 1, affekt_features::MIN_WINDOW_FRAMES)?;
        whole("network.lstm_layers", network.lstm_layers, 1, 16)?;
        whole("network.lstm_units", network.lstm_units, 1, 4_096)?;
        whole("network.dense_units", network.dense_units, 1, 4_096)?;
        real("network.dropout", network.dropout, 0.0, 0.95)?;
        whole("training.epochs", training.epochs, 1, 10_000)?;
        whole("training.batch", training.batch, 2, 4_096)?;
        real("training.learning_rate", training.learning_rate, 1e-8, 10.0)?;
        real(
            "training.warmup_epochs",
            training.warmup_epochs,
            0.0,
            training.epochs as f64,
        )?;
        real("training.weight_decay", training.weight_decay, 0.0, 10.0)?;
        real("training.clip_norm", training.clip_norm, 1e-6, 1e6)?;
        whole("training.patience", training.patience, 1, 10_000)?;
        real("sampling.earliest_end", sampling.earliest_end, 0.0, 1.0)?;
        real("sampling.cold_share", sampling.cold_share, 0.0, 1.0)?;
        whole("sampling.most_session_clips", sampling.most_session_clips, 1, 10_000)?;
        real("split.validation", split.validation, 0.0, 0.5)?;
        real("split.test", split.test, 0.0, 0.5)
    }
}

fn whole(key: &'static str, value: usize, low: usize, high: usize) -> Result<(), RecipeError> {
    if (low..=high).contains(&value) {
        return Ok(());
    }
    Err(RecipeError::Value {
        key,
        value: value.to_string(),
        expected: format!("use {low} to {high}"),
    })
}

fn real(key: &'static str, value: f64, low: f64, high: f64) -> Result<(), RecipeError> {
    if value >= low && value <= high {
        return Ok(());
    }
    Err(RecipeError::Value {
        key,
        value: value.to_string(),
        expected: format!("use {low} to {high}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_recipe_is_the_design_cards() {
        let recipe = Recipe::from_toml(DEFAULT_RECIPE).unwrap();
        let network = &recipe.network;
        assert_eq!((network.conv_filters, network.conv_kernel), (256, 5));
        assert_eq!((network.lstm_layers, network.lstm_units), (4, 128));
        assert_eq!(Recipe::from_toml(&recipe.to_toml().unwrap()).unwrap(), recipe);
    }

    #[test]
    fn errors_name_the_key() {
        let unknown = DEFAULT_RECIPE.replace("pool = 4", "pool = 4\npooling = 4");
        assert!(Recipe::from_toml(&unknown).unwrap_err().to_string().contains("pooling"));
        let missing = DEFAULT_RECIPE.replace("lstm_units = 128", "");
        assert!(
            Recipe::from_toml(&missing)
                .unwrap_err()
                .to_string()
                .contains("lstm_units")
        );
        for (from, to, key) in [
            ("conv_kernel = 5", "conv_kernel = 4", "network.conv_kernel"),
            ("batch = 32", "batch = 0", "training.batch"),
            ("dropout = 0.3", "dropout = nan", "network.dropout"),
            ("earliest_end = 0.6", "earliest_end = 1.5", "sampling.earliest_end"),
        ] {
            let error = Recipe::from_toml(&DEFAULT_RECIPE.replace(from, to)).unwrap_err();
            assert!(
                matches!(&error, RecipeError::Value { key: found, .. } if *found == key),
                "{error}"
            );
        }
    }
}
