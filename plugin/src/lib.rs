//! Affekt, the VST3 and CLAP plugin: passes a vocal on untouched, hears which of six emotions it carries, shows it, and
//! publishes it as read-only parameters.
//!
//! Data flows one way. Audio thread: samples → [`affekt_features::Extractor`] → frames, through a lock-free queue
//! (`worker::link`) to the one worker thread of the process: frames → windows → model → results, through another queue
//! back to the audio thread, where they take effect at fixed sample positions (`schedule`) and go out as parameters
//! (`params`, `publish`) and to the editor (`readout`, `editor`).

mod analysis;
mod editor;
mod library;
mod params;
mod plugin;
mod publish;
mod readout;
mod schedule;
mod status;
#[cfg(test)]
mod testing;
mod worker;

pub use plugin::Affekt;
