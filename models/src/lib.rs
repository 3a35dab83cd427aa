//! What an exported Affekt model is, and how it is run.
//!
//! A model is one ONNX file that carries its own contract ([`Contract`]: feature specification, labels, window,
//! card) in its metadata. [`Model`] loads and checks it and runs it through ONNX Runtime where that library is
//! found, else through tract, which is built in ([`runtime`]). [`timeline`] runs it over a whole recording exactly
//! as the plugin does over a track, and [`automation`] makes of its windows what other effects can follow.

#[cfg(test)]
extern crate self as affekt_models;

pub mod automation;
mod contract;
mod emotion;
mod engine;
mod error;
mod front_end;
pub mod graph;
mod model;
mod onnx_file;
mod onnx_wire;
#[cfg(feature = "plot")]
pub mod plot;
pub mod runtime;
#[cfg(test)]
#[path = "../tests/common/mod.rs"]
mod samples;
mod shipped;
pub mod timeline;

pub use contract::{
    CONTRACT_VERSION, Card, Contract, INPUT, Input, LOGITS, MAX_WAVEFORM_HOP, PROBABILITIES, WAVEFORM, WAVEFORM_RATE_HZ,
};
pub use emotion::{EMOTIONS, Emotion};
pub use error::ModelError;
pub use front_end::{FrontEndInput, FrontEndModel};
pub use model::{MAX_MODEL_BYTES, Model, Prediction};
pub use shipped::{SHIPPED_MODEL, SHIPPED_MODELS, ShippedModel};
