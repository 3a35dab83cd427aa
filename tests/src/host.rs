//! In-process plugin hosts, CLAP and VST3, behind one interface.
//!
//! [`load`] opens a module, [`Module::scan`] lists its plugins, [`Module::instantiate`] makes an [`Instance`] (to be
//! used from the thread that made it, the host's main thread), and [`Instance::activate`] hands out the
//! [`Processor`], which may move to an audio thread. Every object keeps its module loaded; the last one unloads it.

mod buffers;
mod clap;
mod error;
mod event;
mod format;
mod module;
mod parameter;
mod setup;
mod vst3;

pub use buffers::Buffers;
pub use error::HostError;
pub use event::{Event, HostCalls};
pub use format::Format;
pub use module::{Descriptor, Instance, Module, Processor, load};
pub use parameter::Parameter;
pub use setup::{Mode, Port, Ports, Setup, Transport};

/// Name under which the hosts present themselves to plugins.
const HOST_NAME: &str = "Affekt test host";
