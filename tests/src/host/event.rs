/// What a plugin sends to its host while it processes a block.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Event {
    /// A parameter changes by itself.
    Parameter {
        /// Frames from the start of the block.
        offset: u32,
        /// Its identifier.
        id: u32,
        /// Its new value.
        value: f64,
    },
    /// A short MIDI message.
    Midi {
        /// Frames from the start of the block.
        offset: u32,
        /// Status and data bytes.
        bytes: [u8; 3],
    },
    /// Anything else, by the format's own type number.
    Other {
        /// Frames from the start of the block.
        offset: u32,
        /// CLAP event type or VST3 event type.
        kind: u16,
    },
}

/// How often a plugin has called its host outside of processing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HostCalls {
    /// Parameter edits, gestures and requests to read parameters again.
    pub edits: usize,
    /// Reports that the project has unsaved changes.
    pub dirty: usize,
    /// Requests for a restart, new latency or new ports.
    pub restarts: usize,
}
