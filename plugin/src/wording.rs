//! Words that differ between the plugin and the standalone program, which has no playback and no project.

/// Whether this is the standalone program.
const STANDALONE: bool = cfg!(feature = "standalone");

/// What the user does so that there is something to hear.
pub const BEGIN: &str = if STANDALONE {
    "speak or sing into the microphone"
} else {
    "start playback in the host"
};

/// How long a learned singer is kept.
pub const KEPT: &str = if STANDALONE {
    "kept until the program ends"
} else {
    "saved with the project"
};
