//! Builds Affekt's models: corpora → data set → training → evaluation → export.
//!
//! The command line `affekt-trainer` is a thin layer over this library.

pub mod audit;
pub mod augmentation;
mod average;
pub mod cache;
pub mod calibration;
pub mod card;
pub mod clips;
pub mod condition;
mod convolution;
pub mod copies;
pub mod corpora;
pub mod dataset;
pub mod date;
pub mod distillation;
pub mod evaluation;
pub mod export;
mod flex;
#[cfg(test)]
#[path = "../tests/common/front_end.rs"]
mod foreign;
pub mod front_end;
pub mod lead_in;
pub mod listening;
mod lstm;
pub mod memory;
pub mod metrics;
pub mod model_file;
pub mod network;
pub mod non_voice;
mod norm_pool;
pub mod optimize;
pub mod preview;
mod product;
pub mod recipe;
pub mod report;
pub mod run_folder;
pub mod samples;
pub mod scaler;
mod seed;
mod simd;
pub mod split;
#[cfg(test)]
mod synthetic;
pub mod targets;
pub mod training;
pub mod tuning;
pub mod waveform;
pub mod whole_file;
