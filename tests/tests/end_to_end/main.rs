//! End-to-end tests: the built bundles in hosts, the demo, and the trainer's command line. `cargo xtask test` builds
//! what they need.

mod agreement;
mod align;
mod automation;
mod common;
mod demo;
mod learn;
mod lifecycle;
mod pass_through;
mod scan;
mod state;
mod trainer;
mod transport;
mod values;
