use std::path::PathBuf;

use affekt_features::FeatureError;

/// Why a model cannot be loaded or run. Each message says what is wrong and what to do.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ModelError {
    /// The file cannot be read.
    #[error("{path} cannot be read ({reason}): choose another model file")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// The file is larger than [`crate::MAX_MODEL_BYTES`].
    #[error("the model is {bytes} bytes long, more than the {limit} that are accepted: choose a smaller model")]
    TooLarge {
        /// Its size.
        bytes: u64,
        /// The largest that is accepted.
        limit: u64,
    },
    /// The bytes are no ONNX file, or one that is cut off or damaged.
    #[error(
        "this is not a complete ONNX file ({reason}): choose a model that affekt-trainer exported, or fetch it again"
    )]
    NotOnnx {
        /// What the parser said.
        reason: String,
    },
    /// The graph is too big or refers to something that is never accepted from a model file.
    #[error("the model's graph is not acceptable: {reason}. Choose another model")]
    Graph {
        /// What is wrong, as a clause.
        reason: String,
    },
    /// A front end is written for operators that our part of the graph cannot be written for.
    #[error("the front end is written for ONNX opset {found}: export it for opset {low} to {high}")]
    Opset {
        /// Its opset.
        found: i64,
        /// Oldest that is accepted.
        low: i64,
        /// Newest that is accepted.
        high: i64,
    },
    /// A constant tensor's data do not fit its shape.
    #[error("the model's tensor `{tensor}` is damaged: {reason}. Fetch or export the model again")]
    Tensor {
        /// Name of the tensor.
        tensor: String,
        /// What is wrong, as a clause.
        reason: String,
    },
    /// A tensor's data lie in another file.
    #[error("the model keeps its tensor `{tensor}` in another file: export it again as one single ONNX file")]
    ExternalData {
        /// Name of the tensor.
        tensor: String,
    },
    /// An entry of the metadata is missing.
    #[error(
        "the ONNX file has no `{key}` in its metadata, so it is no Affekt model: choose a model that affekt-trainer exported"
    )]
    MissingMetadata {
        /// The entry.
        key: &'static str,
    },
    /// An entry of the metadata cannot be understood.
    #[error("the model's metadata entry `{key}` cannot be understood ({reason}): export the model again")]
    Metadata {
        /// The entry.
        key: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The model was made for another version of the contract.
    #[error(
        "the model follows version {found} of the model contract, this program version {}: {}",
        crate::CONTRACT_VERSION,
        if *found > u64::from(crate::CONTRACT_VERSION) { "update Affekt" } else { "export the model again" }
    )]
    ContractVersion {
        /// The model's version.
        found: u64,
    },
    /// The labels are not the six emotions in their order.
    #[error(
        "the model's labels are {found:?}, not angry, disgust, fear, happy, neutral, sad in this order: export it with these labels"
    )]
    Labels {
        /// The labels found.
        found: Vec<String>,
    },
    /// The feature specification cannot be computed.
    #[error("the model's features cannot be computed: {0}. Export the model again")]
    Features(FeatureError),
    /// A number of frames is out of range.
    #[error("the model's `{key}` is {found}, it must be {low} to {high}: export the model again")]
    Frames {
        /// The entry.
        key: &'static str,
        /// The value found.
        found: u64,
        /// Smallest that is accepted.
        low: usize,
        /// Largest that is accepted.
        high: usize,
    },
    /// The raw audio that the model takes is of another rate, or in steps that are too long.
    #[error(
        "the model takes raw audio at {rate_hz} Hz in steps of {hop} samples, it must be {} Hz and at most {} samples: export the model again",
        crate::WAVEFORM_RATE_HZ,
        crate::MAX_WAVEFORM_HOP
    )]
    WaveformSpec {
        /// Its sample rate, in Hz.
        rate_hz: u32,
        /// Its hop, in samples.
        hop: usize,
    },
    /// The batch dimension is not fixed at one.
    #[error("the model's `{value}` has a batch size of {found}: export it with a batch size fixed at 1")]
    Batch {
        /// Name of the input or output.
        value: String,
        /// The dimension found.
        found: String,
    },
    /// An input or output is missing, or of another shape or type.
    #[error("the model's {value} is {found}, it must be {expected}: export the model again")]
    Shape {
        /// Which input or output.
        value: String,
        /// What was found.
        found: String,
        /// What it must be.
        expected: String,
    },
    /// The runtime refuses the model.
    #[error("{runtime} cannot run this model ({reason}): choose another model")]
    Runtime {
        /// Which runtime.
        runtime: String,
        /// What it said.
        reason: String,
    },
    /// The outputs are no calibrated probabilities.
    #[error("the model's outputs are wrong ({reason}): choose another model")]
    Outputs {
        /// What is wrong, as a clause.
        reason: String,
    },
    /// The window is not what the model takes.
    #[error("a window of {found} values was given to a model that takes 1 to {frames} frames of {width}")]
    Window {
        /// Number of values given.
        found: usize,
        /// Most frames.
        frames: usize,
        /// Values per frame.
        width: usize,
    },
    /// The window contains NaN or infinities.
    #[error("a window contains values that are not finite")]
    NotFinite,
    /// The recording's sample rate is not supported.
    #[error(transparent)]
    Recording(FeatureError),
}
