//! From what a model says of single windows to what the rest of the session can follow.
//!
//! ```text
//! windows ─▶ Readout ─▶ Values ─▶ Emitter ─▶ parameter changes, MIDI controllers
//!            response, sensitivity,  rate limits, lanes
//!            hold or fade, hysteresis
//! ```
//! [`Control`] is both together. It advances on a grid of [`CONTROL_TICK`] host samples, allocates nothing after it is
//! made, and depends on nothing but the windows, the settings and the tick at which they came: the plugin runs it live,
//! and [`Pass`] runs it again over what was recorded.

mod circumplex;
mod control;
mod emitter;
mod midi_file;
mod output;
mod pass;
mod readout;
mod settings;
mod smoothing;

pub use circumplex::{arousal_valence, coordinates};
pub use control::Control;
pub use emitter::{Controller, Emission};
pub use output::{OUTPUTS, Output};
pub use pass::{Curve, Pass, PassError, Replay};
pub use readout::{Heard, Meters, Values, confidence};
pub use settings::{LANES, Lane, MOMENTARY_S, Response, SHORT_TERM_S, Settings, Silence};

/// Values change only at multiples of so many host samples.
pub const CONTROL_TICK: u64 = 64;

/// A window's result takes effect this long after the window's end, in seconds. It covers what passes until the result
/// is there: the rest of the host's block (93 ms at 4096 samples and 44.1 kHz), the resampler's latency (a few ms, at
/// 8 kHz some more), the worker's poll (4 ms) and the inference (3–5 ms), with about 30 ms to spare.
pub const RESULT_DELAY_S: f64 = 0.150;

/// Shortest time between two messages of one output, in seconds: at most 100 of them per second.
pub const MESSAGE_INTERVAL_S: f64 = 0.010;

/// The first control tick at or after the moment at which the result of a window that ends at `end_sample` is due.
/// Counted in ticks from the start.
pub fn due_tick(end_sample: u64, rate_hz: f64) -> u64 {
    (end_sample + (RESULT_DELAY_S * rate_hz).round() as u64).div_ceil(CONTROL_TICK)
}
