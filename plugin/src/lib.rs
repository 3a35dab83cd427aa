//! Affekt, the VST3 and CLAP plugin: passes a vocal on untouched, hears which of six emotions it carries, shows it, and
//! publishes it as read-only parameters.
//!
//! Data flows one way. Audio thread: samples → [`affekt_features::Extractor`] → frames, through a lock-free queue
//! (`worker::link`) to the one worker thread of the process: frames → windows → model → results, through another queue
//! back to the audio thread, where they take effect at fixed sample positions (`schedule`) and go out as parameters
//! (`params`; `outbox`, `publish`) and to the editor (`readout`, `editor`).

mod align;
mod analysis;
mod editor;
mod model_choice;
mod outbox;
mod own_file;
mod params;
mod playhead;
mod plugin;
mod publish;
mod readout;
mod recent_models;
mod recorder;
mod schedule;
mod singer;
#[cfg(feature = "standalone")]
pub mod standalone;
mod status;
#[cfg(test)]
mod testing;
mod wording;
mod worker;

pub use plugin::Affekt;
