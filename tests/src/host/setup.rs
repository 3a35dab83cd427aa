/// Whether the host plays or bounces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Each block has a deadline.
    Realtime,
    /// Blocks come as fast as they are done.
    Offline,
}

/// What a plugin is activated for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Setup {
    /// Samples per second.
    pub sample_rate_hz: f64,
    /// Most frames in a block.
    pub max_block: usize,
    /// Channels of the main input and of the main output.
    pub channels: usize,
    /// Playing or bouncing.
    pub mode: Mode,
    /// The output buffers are the input buffers, as many hosts have it.
    pub in_place: bool,
}

/// One audio port or bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// Name shown to the user.
    pub name: String,
    /// Number of channels.
    pub channels: usize,
    /// Main port, not a side chain.
    pub main: bool,
}

/// The audio ports of the layout that is selected at present.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ports {
    /// Inputs, in order.
    pub inputs: Vec<Port>,
    /// Outputs, in order.
    pub outputs: Vec<Port>,
}

impl Ports {
    /// Whether there is one main input and one main output, both this wide.
    pub(super) fn are_effect(&self, channels: usize) -> bool {
        let main = |ports: &[Port]| ports.first().is_some_and(|port| port.main && port.channels == channels);
        main(&self.inputs) && main(&self.outputs)
    }
}

/// Tempo that the hosts report if nothing else is asked for, in beats per minute.
const TEMPO_BPM: f64 = 120.0;

/// Where the host's song stands at the start of a block.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Transport {
    /// The song runs.
    pub playing: bool,
    /// Song position, in frames.
    pub position: u64,
    /// Tempo, in beats per minute.
    pub tempo_bpm: f64,
}

impl Transport {
    /// A song that runs, `position` frames after its start.
    pub fn playing(position: u64) -> Self {
        Self {
            playing: true,
            position,
            tempo_bpm: TEMPO_BPM,
        }
    }

    /// A song that stands still.
    pub fn stopped(position: u64) -> Self {
        Self {
            playing: false,
            position,
            tempo_bpm: TEMPO_BPM,
        }
    }

    /// Song position in seconds.
    pub(super) fn seconds(&self, sample_rate_hz: f64) -> f64 {
        self.position as f64 / sample_rate_hz
    }

    /// Song position in quarter notes.
    pub(super) fn quarters(&self, sample_rate_hz: f64) -> f64 {
        self.seconds(sample_rate_hz) * self.tempo_bpm / 60.0
    }
}
