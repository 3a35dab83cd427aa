//! End-to-end tests: the built bundles in hosts, the demo, and the trainer's command line. `cargo xtask test` builds
//! what they need.

mod agreement;
mod common;
mod demo;
mod lifecycle;
mod pass_through;
mod scan;
mod state;
mod trainer;
mod values;
