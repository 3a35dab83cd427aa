use std::path::PathBuf;

use super::Format;

/// Why a plugin cannot be hosted.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The file cannot be loaded as a module of the format.
    #[error("{path} cannot be loaded as a {format} module: {reason}")]
    Load {
        /// The module's file.
        path: PathBuf,
        /// The format tried.
        format: Format,
        /// What went wrong.
        reason: String,
    },
    /// The module has no plugin with this identifier.
    #[error("the module has no plugin with the identifier {id}")]
    NoPlugin {
        /// The identifier asked for.
        id: String,
    },
    /// The plugin lacks an interface that every effect needs.
    #[error("the plugin lacks {0}")]
    Missing(&'static str),
    /// The plugin answered a call with a failure.
    #[error("the plugin refused to {0}")]
    Refused(String),
    /// The plugin has no layout with one main input and one main output of this width.
    #[error("the plugin takes no layout of {channels} channels in and out")]
    Layout {
        /// Channels asked for.
        channels: usize,
    },
    /// The plugin has no parameter with this identifier or name.
    #[error("the plugin has no parameter {0}")]
    NoParameter(String),
    /// A block is longer than the plugin was activated for.
    #[error("a block of {frames} frames exceeds the {max} frames that the plugin was activated for")]
    Block {
        /// Frames in the block.
        frames: usize,
        /// Frames agreed on at activation.
        max: usize,
    },
}
