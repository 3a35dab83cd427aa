//! Everything about a training run that is a choice: sizes, rates, shares. Read from TOML.

use std::collections::BTreeMap;

use affekt_features::FeatureSpec;
use serde::{Deserialize, Serialize};

pub use crate::augmentation::AugmentationRecipe;
pub use crate::distillation::DistillationRecipe;
pub use crate::front_end::FrontEndRecipe;
pub use crate::waveform::recipe::WaveformRecipe;

/// The recipe of the network this project began with, `recipes/cnn-lstm.toml`.
pub const DEFAULT_RECIPE: &str = include_str!("../recipes/cnn-lstm.toml");

/// Mel bands that the trainer computes, as many as MFCCs: nothing is lost between them.
pub const MEL_BANDS: usize = 64;

/// A training recipe.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// The model's input.
    pub window: WindowRecipe,
    /// The layers.
    pub network: NetworkRecipe,
    /// How it is optimised.
    pub training: TrainingRecipe,
    /// How windows and sessions are drawn from the clips.
    pub sampling: SamplingRecipe,
    /// How altered copies of the clips are made before training.
    #[serde(default)]
    pub waveform: WaveformRecipe,
    /// How clips are varied while training.
    #[serde(default)]
    pub augmentation: AugmentationRecipe,
    /// An embedding model of other people in front of the network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub front_end: Option<FrontEndRecipe>,
    /// A model that is learned from beside the labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distillation: Option<DistillationRecipe>,
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
    /// Floor of the bands below the session's mean, in dB.
    #[serde(default = "standard_range_db")]
    pub range_db: f32,
}

fn standard_range_db() -> f32 {
    FeatureSpec::standard().session.range_db
}

/// The layers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkRecipe {
    /// What comes before the recurrent layers.
    #[serde(default)]
    pub architecture: Architecture,
    /// `cnn-lstm`: filters of the convolution over time.
    #[serde(default = "conv_filters")]
    pub conv_filters: usize,
    /// `cnn-lstm`: its width in frames; odd.
    #[serde(default = "conv_kernel")]
    pub conv_kernel: usize,
    /// `cnn-lstm`: frames per max-pool.
    #[serde(default = "pool")]
    pub pool: usize,
    /// `crnn`: the blocks of convolution, batch normalisation, max-pool and ReLU.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blocks: Vec<BlockRecipe>,
    /// `crnn`: width that the bands and filters of the last block are projected to, with batch normalisation and ReLU;
    /// 0 for none.
    #[serde(default)]
    pub projection: usize,
    /// `crnn`: share of the last block's outputs that is silenced while training.
    #[serde(default)]
    pub front_dropout: f64,
    /// Number of LSTM layers; 0 for none.
    pub lstm_layers: usize,
    /// Width of each LSTM layer and direction.
    pub lstm_units: usize,
    /// Whether each LSTM layer also runs backward.
    #[serde(default)]
    pub bidirectional: bool,
    /// Share of the outputs between two LSTM layers that is silenced while training.
    #[serde(default)]
    pub lstm_dropout: f64,
    /// How the sequence becomes one vector.
    #[serde(default)]
    pub pooling: Pooling,
    /// Parts of the vector that attention weighs by themselves; divides its width.
    #[serde(default = "one")]
    pub heads: usize,
    /// Width of the fully connected layer; 0 for none.
    pub dense_units: usize,
    /// Share of the vector before the logits that is silenced while training.
    pub dropout: f64,
}

/// What comes before the recurrent layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Architecture {
    /// One convolution over time, which sees all MFCCs: the network this project began with.
    #[default]
    CnnLstm,
    /// Convolutions over time and mel bands, which the network computes back from the MFCCs.
    Crnn,
}

/// One block of a `crnn`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlockRecipe {
    /// Filters of its convolution.
    pub filters: usize,
    /// Frames and bands that a filter sees; odd.
    #[serde(default = "three")]
    pub kernel: usize,
    /// Frames and bands between the places of a filter.
    #[serde(default = "once")]
    pub stride: [usize; 2],
    /// Frames and bands per max-pool.
    #[serde(default = "once")]
    pub pool: [usize; 2],
    /// Whether the block's input is added before the ReLU; it must then have as many filters as the one before, and
    /// neither stride nor pool (He, Zhang, Ren and Sun, 2016).
    #[serde(default)]
    pub residual: bool,
}

fn three() -> usize {
    3
}

fn once() -> [usize; 2] {
    [1, 1]
}

/// How a sequence becomes one vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pooling {
    /// The last state; of a backward layer the first.
    #[default]
    Last,
    /// The mean over time.
    Mean,
    /// A weighted mean whose weights the network learns.
    Attention,
    /// That, and the weighted standard deviation beside it.
    AttentionDeviation,
}

fn conv_filters() -> usize {
    256
}

fn conv_kernel() -> usize {
    5
}

fn pool() -> usize {
    4
}

fn one() -> usize {
    1
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
    /// Course of the learning rate after it has risen.
    #[serde(default)]
    pub schedule: Schedule,
    /// Epochs over which the learning rate rises to its peak.
    pub warmup_epochs: f64,
    /// Decoupled weight decay, of matrices alone.
    pub weight_decay: f64,
    /// Largest norm of the whole gradient.
    pub clip_norm: f64,
    /// `keep = "best"`: epochs without a better validation UAR before training stops.
    pub patience: usize,
    /// Which epoch's network is kept.
    #[serde(default)]
    pub keep: Keep,
    /// How much an emotion counts in the loss.
    #[serde(default)]
    pub class_weights: ClassWeights,
    /// Exponent γ of the focal loss; 0 is plain cross-entropy.
    #[serde(default)]
    pub focal_gamma: f64,
    /// Share of each target that is spread over all emotions.
    #[serde(default)]
    pub label_smoothing: f64,
    /// Both parameters of the Beta distribution that mixes pairs of clips; 0 for no mixup.
    #[serde(default)]
    pub mixup: f64,
    /// Decay per step of the running average of the weights, which is what is validated and kept; 0 for none.
    #[serde(default)]
    pub average_decay: f64,
    /// Which labels are learned.
    #[serde(default)]
    pub labels: Labels,
    /// `labels = "blended"`: weight of the listeners' votes; the acted emotion has the rest.
    #[serde(default = "half")]
    pub vote_share: f64,
}

fn half() -> f64 {
    0.5
}

/// Which epoch's network is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Keep {
    /// The one with the best UAR on the validation speakers.
    #[default]
    Best,
    /// The last: all epochs are trained, and the validation speakers only set the temperature.
    Last,
}

/// Course of the learning rate after the warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Schedule {
    /// Half a cosine down to zero.
    #[default]
    Cosine,
    /// Straight down to zero.
    Linear,
    /// Down to a tenth at half and to a hundredth at three quarters of the way.
    Step,
    /// As it is.
    Constant,
}

/// How much an emotion counts in the loss. The weights average to one over the training clips.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClassWeights {
    /// Each clip the same.
    #[default]
    Equal,
    /// Each emotion the same: the inverse of its number of clips.
    Inverse,
    /// Half-way: the inverse square root of its number of clips.
    InverseRoot,
}

/// Which labels are learned from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Labels {
    /// What the speaker was asked to act.
    #[default]
    Acted,
    /// The shares of listeners who heard each emotion; clips without votes are left out.
    Voted,
    /// A weighted mean of both; clips without votes keep the acted emotion.
    Blended,
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
    /// Most frames of a window in training are drawn anew for each sample, between these two; 0 stands for
    /// `window.frames`. Shorter ones cost less time.
    #[serde(default)]
    pub window_frames: [usize; 2],
    /// Share of the samples whose window begins within another clip of the singer, as on a track: each emotion is heard
    /// as far as its voice fills the window, which is of full length. Half of these clips are of the same emotion.
    #[serde(default)]
    pub lead_in: f64,
    /// What an epoch holds equally often.
    #[serde(default)]
    pub balance: Balance,
    /// `balance = "clips"`: how often an epoch takes each clip of a corpus, by the corpus's name; once if it is not
    /// named.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub repeat: BTreeMap<String, usize>,
    /// Sounds that are no voice in an epoch, per voice: the network learns to say nothing of them.
    #[serde(default)]
    pub non_voice: f64,
}

/// What an epoch holds equally often. Without repeated corpora an epoch has as many samples as there are clips.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Balance {
    /// Each clip once.
    #[default]
    Clips,
    /// Each emotion as often as another.
    Emotions,
    /// Each emotion of each corpus as often as another.
    EmotionsAndCorpora,
}

/// How speakers are divided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SplitRecipe {
    /// How many times speakers are divided, and by what.
    #[serde(default)]
    pub protocol: Protocol,
    /// `protocol = "folds"`: number of folds.
    #[serde(default = "folds")]
    pub folds: usize,
    /// Share of each corpus's speakers that validate.
    pub validation: f64,
    /// Share of each corpus's speakers that test.
    pub test: f64,
}

fn folds() -> usize {
    5
}

/// How speakers are divided into those who train, validate and test. No speaker is ever on two sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// Once: shares of each corpus's speakers.
    #[default]
    HoldOut,
    /// `folds` times: everybody tests once.
    Folds,
    /// As often as there are speakers: each tests once, alone.
    Speakers,
    /// As often as there are corpora: each tests once, whole. Corpora that share their speakers count as one.
    Corpora,
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

    /// What the model hears, with a flat prior.
    pub fn features(&self) -> FeatureSpec {
        let mut spec = FeatureSpec::standard();
        spec.session.range_db = self.window.range_db;
        spec
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
        real("window.range_db", f64::from(window.range_db), 1.0, 100.0)?;
        network.check()?;
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
        real("training.focal_gamma", training.focal_gamma, 0.0, 10.0)?;
        real("training.label_smoothing", training.label_smoothing, 0.0, 0.9)?;
        real("training.mixup", training.mixup, 0.0, 10.0)?;
        real("training.average_decay", training.average_decay, 0.0, 0.99999)?;
        real("training.vote_share", training.vote_share, 0.0, 1.0)?;
        real("sampling.earliest_end", sampling.earliest_end, 0.0, 1.0)?;
        real("sampling.cold_share", sampling.cold_share, 0.0, 1.0)?;
        whole("sampling.most_session_clips", sampling.most_session_clips, 1, 10_000)?;
        let [shortest, longest] = sampling.window_frames;
        whole("sampling.window_frames", longest, 0, window.frames)?;
        let most = if longest == 0 { window.frames } else { longest };
        whole("sampling.window_frames", shortest, 0, most)?;
        for repeat in sampling.repeat.values() {
            whole("sampling.repeat", *repeat, 1, 100)?;
        }
        real("sampling.lead_in", sampling.lead_in, 0.0, 1.0)?;
        real("sampling.non_voice", sampling.non_voice, 0.0, 1.0)?;
        self.waveform.check()?;
        self.augmentation.check()?;
        if self.front_end.is_some() {
            self.check_front_end()?;
        }
        if let Some(distillation) = &self.distillation {
            real("distillation.share", distillation.share, 0.0, 1.0)?;
            real("distillation.temperature", distillation.temperature, 0.1, 100.0)?;
        }
        real("split.validation", split.validation, 0.0, 0.5)?;
        real("split.test", split.test, 0.0, 0.5)?;
        whole("split.folds", split.folds, 2, 1_000)
    }

    /// Embeddings are computed once per clip, and have no bands.
    fn check_front_end(&self) -> Result<(), RecipeError> {
        let refuse = |key, value: &str, expected: &str| {
            Err(RecipeError::Value {
                key,
                value: value.into(),
                expected: expected.into(),
            })
        };
        if self.network.architecture != Architecture::CnnLstm {
            return refuse("network.architecture", "crnn", "behind a front end use cnn-lstm");
        }
        if self.augmentation != AugmentationRecipe::default() {
            return refuse(
                "augmentation",
                "there",
                "a front end hears each clip once, leave the table out",
            );
        }
        if self.waveform.copies > 0 {
            let value = self.waveform.copies.to_string();
            return refuse("waveform.copies", &value, "behind a front end use 0");
        }
        if self.sampling.non_voice > 0.0 {
            let value = self.sampling.non_voice.to_string();
            return refuse("sampling.non_voice", &value, "behind a front end use 0");
        }
        if self.sampling.lead_in > 0.0 {
            let value = self.sampling.lead_in.to_string();
            return refuse("sampling.lead_in", &value, "behind a front end use 0");
        }
        Ok(())
    }
}

impl NetworkRecipe {
    fn check(&self) -> Result<(), RecipeError> {
        match self.architecture {
            Architecture::CnnLstm => {
                whole("network.conv_filters", self.conv_filters, 1, 4_096)?;
                whole("network.conv_kernel", self.conv_kernel, 1, 99)?;
                if self.conv_kernel.is_multiple_of(2) {
                    return Err(RecipeError::Value {
                        key: "network.conv_kernel",
                        value: self.conv_kernel.to_string(),
                        expected: "use an odd number, so that the filter has a middle".into(),
                    });
                }
                whole("network.pool", self.pool, 1, affekt_features::MIN_WINDOW_FRAMES)?;
                whole("network.blocks", self.blocks.len(), 0, 0)?;
                whole("network.projection", self.projection, 0, 0)?;
                real("network.front_dropout", self.front_dropout, 0.0, 0.0)?;
            }
            Architecture::Crnn => self.check_blocks()?,
        }
        whole("network.lstm_layers", self.lstm_layers, 0, 16)?;
        whole("network.lstm_units", self.lstm_units, 1, 4_096)?;
        real("network.lstm_dropout", self.lstm_dropout, 0.0, 0.95)?;
        whole("network.heads", self.heads, 1, 64)?;
        if !self.sequence_width().is_multiple_of(self.heads) {
            return Err(RecipeError::Value {
                key: "network.heads",
                value: self.heads.to_string(),
                expected: format!("use a divisor of the {} values per step", self.sequence_width()),
            });
        }
        whole("network.dense_units", self.dense_units, 0, 4_096)?;
        real("network.dropout", self.dropout, 0.0, 0.95)
    }

    fn check_blocks(&self) -> Result<(), RecipeError> {
        whole("network.blocks", self.blocks.len(), 1, 16)?;
        let (mut frames, mut bands) = (affekt_features::MIN_WINDOW_FRAMES, MEL_BANDS);
        for (place, block) in self.blocks.iter().enumerate() {
            whole("network.blocks.filters", block.filters, 1, 1_024)?;
            let before = place.checked_sub(1).map(|place| self.blocks[place].filters);
            if block.residual && (before != Some(block.filters) || block.stride != [1, 1] || block.pool != [1, 1]) {
                return Err(RecipeError::Value {
                    key: "network.blocks.residual",
                    value: "true".into(),
                    expected: "such a block needs as many filters as the one before, and neither stride nor pool"
                        .into(),
                });
            }
            whole("network.blocks.kernel", block.kernel, 1, 15)?;
            if block.kernel.is_multiple_of(2) {
                return Err(RecipeError::Value {
                    key: "network.blocks.kernel",
                    value: block.kernel.to_string(),
                    expected: "use an odd number, so that the filter has a middle".into(),
                });
            }
            for stride in block.stride {
                whole("network.blocks.stride", stride, 1, 8)?;
            }
            for pool in block.pool {
                whole("network.blocks.pool", pool, 1, 15)?;
            }
            frames = frames.div_ceil(block.stride[0]) / block.pool[0];
            bands = bands.div_ceil(block.stride[1]);
            if !bands.is_multiple_of(block.pool[1]) || frames == 0 {
                return Err(RecipeError::Value {
                    key: "network.blocks.pool",
                    value: format!("{:?}", block.pool),
                    expected: format!(
                        "it must divide the {bands} bands that are left there of {MEL_BANDS}, and leave a step of the \
                         shortest window of {} frames",
                        affekt_features::MIN_WINDOW_FRAMES
                    ),
                });
            }
            bands /= block.pool[1];
        }
        whole("network.projection", self.projection, 0, 4_096)?;
        real("network.front_dropout", self.front_dropout, 0.0, 0.95)
    }

    /// Values per step that the recurrent layers take in.
    pub fn front_width(&self) -> usize {
        let bands = self.blocks.iter().fold(MEL_BANDS, |bands, block| {
            bands.div_ceil(block.stride[1]) / block.pool[1]
        });
        match (self.architecture, self.blocks.last()) {
            (Architecture::Crnn, Some(last)) if self.projection == 0 => last.filters * bands,
            (Architecture::Crnn, _) => self.projection,
            (Architecture::CnnLstm, _) => self.conv_filters,
        }
    }

    /// Values per step that are pooled.
    pub fn sequence_width(&self) -> usize {
        if self.lstm_layers == 0 {
            self.front_width()
        } else {
            self.lstm_units * if self.bidirectional { 2 } else { 1 }
        }
    }
}

/// Checks that `value` is within bounds.
pub fn whole(key: &'static str, value: usize, low: usize, high: usize) -> Result<(), RecipeError> {
    if (low..=high).contains(&value) {
        return Ok(());
    }
    Err(RecipeError::Value {
        key,
        value: value.to_string(),
        expected: format!("use {low} to {high}"),
    })
}

/// Checks that `value` is within bounds, and a number.
pub fn real(key: &'static str, value: f64, low: f64, high: f64) -> Result<(), RecipeError> {
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
    fn the_default_recipe_is_that_of_the_first_network() {
        let recipe = Recipe::from_toml(DEFAULT_RECIPE).unwrap();
        let network = &recipe.network;
        assert_eq!((network.conv_filters, network.conv_kernel), (256, 5));
        assert_eq!((network.lstm_layers, network.lstm_units), (4, 128));
        assert_eq!(Recipe::from_toml(&recipe.to_toml().unwrap()).unwrap(), recipe);
    }

    #[test]
    fn the_recipes_beside_it_are_read() {
        let crnn = Recipe::from_toml(include_str!("../recipes/crnn.toml")).unwrap();
        assert_eq!(crnn.network.architecture, Architecture::Crnn);
        // They teach its network on.
        for text in [
            include_str!("../recipes/crnn-robust.toml"),
            include_str!("../recipes/song.toml"),
        ] {
            let taught = Recipe::from_toml(text).unwrap();
            assert_eq!(
                (taught.network, taught.window),
                (crnn.network.clone(), crnn.window.clone())
            );
        }
        let behind = Recipe::from_toml(include_str!("../recipes/front-end.toml")).unwrap();
        assert_eq!(behind.front_end.unwrap().model.to_str(), Some("wav2vec2.onnx"));
    }

    #[test]
    fn front_ends_and_teachers_are_read_and_written() {
        let tables = "[front_end]
model = \"wav2vec2.onnx\"
input = \"waveform\"
licence = \"wav2vec 2.0 base, Apache-2.0\"
[distillation]
teacher = \"teacher.onnx\"
share = 0.5
";
        let text = format!("{DEFAULT_RECIPE}\n{tables}");
        let recipe = Recipe::from_toml(&text).unwrap();
        assert_eq!(recipe.distillation.as_ref().unwrap().temperature, 1.0);
        assert_eq!(Recipe::from_toml(&recipe.to_toml().unwrap()).unwrap(), recipe);
        let without = text.replace("licence = \"wav2vec 2.0 base, Apache-2.0\"", "");
        assert!(Recipe::from_toml(&without).unwrap_err().to_string().contains("licence"));
        for (more, key) in [
            ("[augmentation]\nnoise = 0.5\n", "augmentation"),
            (
                "[distillation]\nteacher = \"t.onnx\"\nshare = 1.5\n",
                "distillation.share",
            ),
        ] {
            let front_end = tables.split("[distillation]").next().unwrap();
            let error = Recipe::from_toml(&format!("{DEFAULT_RECIPE}\n{front_end}{more}")).unwrap_err();
            assert!(
                matches!(&error, RecipeError::Value { key: found, .. } if *found == key),
                "{error}"
            );
        }
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
            ("lstm_units = 128", "lstm_units = 128\nheads = 3", "network.heads"),
            (
                "lstm_layers = 4",
                "lstm_layers = 4\nprojection = 8",
                "network.projection",
            ),
            (
                "lstm_layers = 4",
                "lstm_layers = 4\narchitecture = \"crnn\"",
                "network.blocks",
            ),
            ("batch = 32", "batch = 32\nmixup = -1.0", "training.mixup"),
            ("[split]", "[augmentation]\nnoise = 2.0\n[split]", "augmentation.noise"),
            ("earliest_end = 0.6", "earliest_end = 1.5", "sampling.earliest_end"),
            ("hop_frames = 10", "hop_frames = 10\nrange_db = 0.5", "window.range_db"),
        ] {
            let error = Recipe::from_toml(&DEFAULT_RECIPE.replace(from, to)).unwrap_err();
            assert!(
                matches!(&error, RecipeError::Value { key: found, .. } if *found == key),
                "{error}"
            );
        }
    }

    #[test]
    fn a_model_hears_down_to_the_recipes_range() {
        let standard = Recipe::from_toml(DEFAULT_RECIPE).unwrap();
        assert_eq!(standard.features(), FeatureSpec::standard());
        let text = DEFAULT_RECIPE.replace("hop_frames = 10", "hop_frames = 10\nrange_db = 20.0");
        let spec = Recipe::from_toml(&text).unwrap().features();
        assert_eq!(spec.session.range_db, 20.0);
        spec.validate().unwrap();
    }
}
