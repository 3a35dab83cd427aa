//! Hosts that load the built plugin as a digital audio workstation would, and what is played through them.
//!
//! [`bundle`] says where the built bundles lie, [`host`] loads one (CLAP or VST3) behind a common interface,
//! [`pass`] plays a recording through an instance and writes down what it says, [`vocal`] is a short vocal
//! made for this project.

pub mod agreement;
pub mod bundle;
pub mod host;
pub mod pass;
pub mod signal;
pub mod vocal;
