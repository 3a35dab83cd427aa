use std::path::Path;

use super::{Buffers, Event, Format, HostCalls, HostError, Parameter, Ports, Setup, Transport, clap, vst3};

/// What a module says of one of its plugins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Descriptor {
    /// Identifier: CLAP's plugin id, VST3's class id in hexadecimal.
    pub id: String,
    /// Name shown to the user.
    pub name: String,
    /// Who made it.
    pub vendor: String,
    /// Its version.
    pub version: String,
    /// CLAP's features or VST3's sub-categories.
    pub categories: Vec<String>,
}

/// Loads a module: the file itself, not the bundle folder around it.
///
/// Runs the module's initialisation code, so load only what was built here.
pub fn load(path: &Path, format: Format) -> Result<Box<dyn Module>, HostError> {
    Ok(match format {
        Format::Clap => Box::new(clap::ClapModule::load(path)?),
        Format::Vst3 => Box::new(vst3::Vst3Module::load(path)?),
    })
}

/// A loaded module.
pub trait Module {
    /// Its effects and instruments.
    fn scan(&self) -> Result<Vec<Descriptor>, HostError>;

    /// Makes an instance of the plugin with this identifier.
    fn instantiate(&self, id: &str) -> Result<Box<dyn Instance>, HostError>;
}

/// An instance of a plugin, on the host's main thread. Dropping it destroys the plugin.
pub trait Instance {
    /// Its parameters, in order.
    fn parameters(&mut self) -> Result<Vec<Parameter>, HostError>;

    /// The present value of a parameter.
    fn value(&mut self, id: u32) -> Result<f64, HostError>;

    /// How the plugin writes a value of a parameter.
    fn text(&mut self, id: u32, value: f64) -> Result<String, HostError>;

    /// The audio ports of the selected layout.
    fn ports(&mut self) -> Result<Ports, HostError>;

    /// Reported latency, in frames.
    fn latency(&mut self) -> usize;

    /// Everything the plugin wants to find again.
    fn save(&mut self) -> Result<Vec<u8>, HostError>;

    /// Hands a saved state back.
    fn restore(&mut self, state: &[u8]) -> Result<(), HostError>;

    /// Selects the layout, sets rate, block size and mode, and starts processing.
    fn activate(&mut self, setup: &Setup) -> Result<Box<dyn Processor>, HostError>;

    /// Stops processing, takes the processor back and deactivates.
    fn deactivate(&mut self, processor: Box<dyn Processor>) -> Result<(), HostError>;

    /// Does what the plugin has asked the main thread for; to be called now and then.
    fn idle(&mut self);

    /// How often the plugin has called its host.
    fn host_calls(&self) -> HostCalls;

    /// Size that the editor asks for, in pixels (width, height). No window is opened.
    fn editor_size(&mut self) -> Result<(u32, u32), HostError>;

    /// Opens the editor inside a native window (X11 window id, `HWND` or `NSView` pointer).
    ///
    /// # Safety
    /// The window must exist until [`Instance::close_editor`] has been called or the instance is dropped.
    unsafe fn open_editor(&mut self, window: u64) -> Result<(), HostError>;

    /// Closes the editor, if one is open.
    fn close_editor(&mut self);
}

/// The processing side of an active instance; may live on another thread than its [`Instance`].
/// Nothing in it allocates while it runs.
pub trait Processor: Send {
    /// The audio of the next and of the last block.
    fn buffers(&mut self) -> &mut Buffers;

    /// Sets a parameter at the start of the next block.
    fn set_parameter(&mut self, id: u32, value: f64);

    /// Processes the first `frames` of the buffers, and appends what the plugin sends to `events`.
    fn process(&mut self, frames: usize, transport: Transport, events: &mut Vec<Event>) -> Result<(), HostError>;

    /// Tells the plugin to forget what it has heard.
    fn reset(&mut self);
}
