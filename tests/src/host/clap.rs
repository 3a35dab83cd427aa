use std::{
    ffi::{CStr, CString},
    path::Path,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};

use clack_extensions::{
    audio_ports::{AudioPortFlags, AudioPortInfoBuffer, PluginAudioPorts},
    audio_ports_config::{AudioPortsConfigBuffer, PluginAudioPortsConfig},
    gui::{GuiApiType, GuiConfiguration, GuiSize, HostGui, HostGuiImpl, PluginGui, Window},
    latency::{HostLatency, HostLatencyImpl, PluginLatency},
    params::{
        HostParams, HostParamsImplMainThread, HostParamsImplShared, ParamClearFlags, ParamInfoBuffer, ParamInfoFlags,
        ParamRescanFlags, PluginParams,
    },
    render::{PluginRender, RenderMode},
    state::{HostState, HostStateImpl, PluginState},
};
use clack_host::{
    events::{
        EventFlags,
        event_types::{ParamValueEvent, TransportEvent, TransportFlags},
        spaces::CoreEventSpace,
    },
    extensions::Extension,
    plugin::PluginDescriptor,
    prelude::*,
    utils::{BeatTime, SecondsTime},
};

use super::{
    Buffers, Descriptor, Event, Format, HOST_NAME, HostCalls, HostError, Instance, Mode, Module, Parameter, Port,
    Ports, Processor, Setup, Transport,
};

/// Events that the host has room for in one block before it must allocate.
const EVENTS_PER_BLOCK: usize = 1024;

pub(super) struct ClapModule {
    entry: PluginEntry,
}

impl ClapModule {
    pub(super) fn load(path: &Path) -> Result<Self, HostError> {
        // SAFETY: The module was built from this workspace, its initialisation is sound by CLAP's contract.
        let entry = unsafe { PluginEntry::load(path) }.map_err(|error| HostError::Load {
            path: path.to_owned(),
            format: Format::Clap,
            reason: error.to_string(),
        })?;
        Ok(Self { entry })
    }
}

impl Module for ClapModule {
    fn scan(&self) -> Result<Vec<Descriptor>, HostError> {
        let factory = self
            .entry
            .get_plugin_factory()
            .ok_or(HostError::Missing("CLAP's plugin factory"))?;
        Ok(factory.plugin_descriptors().map(describe).collect())
    }

    fn instantiate(&self, id: &str) -> Result<Box<dyn Instance>, HostError> {
        let no_plugin = || HostError::NoPlugin { id: id.to_owned() };
        let plugin_id = CString::new(id).map_err(|_| no_plugin())?;
        let refused = || HostError::Refused("make an instance".to_owned());
        let info = HostInfo::new(HOST_NAME, "Affekt", "", env!("CARGO_PKG_VERSION")).map_err(|_| refused())?;
        if !self.scan()?.iter().any(|descriptor| descriptor.id == id) {
            return Err(no_plugin());
        }
        let plugin = PluginInstance::<ClapHost>::new(
            |_| Requests::default(),
            |shared| MainThread { shared },
            &self.entry,
            &plugin_id,
            &info,
        )
        .map_err(|_| refused())?;
        Ok(Box::new(ClapInstance {
            plugin,
            editor_open: false,
        }))
    }
}

fn describe(descriptor: &PluginDescriptor) -> Descriptor {
    let text = |text: Option<&CStr>| text.unwrap_or_default().to_string_lossy().into_owned();
    Descriptor {
        id: text(descriptor.id()),
        name: text(descriptor.name()),
        vendor: text(descriptor.vendor()),
        version: text(descriptor.version()),
        categories: descriptor.features().map(|feature| text(Some(feature))).collect(),
    }
}

/// What the plugin has asked of the host, from whatever thread.
#[derive(Default)]
struct Requests {
    edits: AtomicUsize,
    dirty: AtomicUsize,
    restarts: AtomicUsize,
    callback: AtomicBool,
}

fn count(counter: &AtomicUsize) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl<'a> SharedHandler<'a> for Requests {
    fn request_restart(&self) {
        count(&self.restarts);
    }

    fn request_process(&self) {}

    fn request_callback(&self) {
        self.callback.store(true, Ordering::Release);
    }
}

impl HostParamsImplShared for Requests {
    fn request_flush(&self) {
        count(&self.edits);
    }
}

impl HostGuiImpl for Requests {
    fn resize_hints_changed(&self) {}

    fn request_resize(&self, _: GuiSize) -> Result<(), clack_host::host::HostError> {
        Ok(())
    }

    fn request_show(&self) -> Result<(), clack_host::host::HostError> {
        Ok(())
    }

    fn request_hide(&self) -> Result<(), clack_host::host::HostError> {
        Ok(())
    }

    fn closed(&self, _: bool) {}
}

struct MainThread<'a> {
    shared: &'a Requests,
}

impl<'a> MainThreadHandler<'a> for MainThread<'a> {}

impl HostParamsImplMainThread for MainThread<'_> {
    fn rescan(&self, _: ParamRescanFlags) {
        count(&self.shared.edits);
    }

    fn clear(&self, _: clack_host::utils::ClapId, _: ParamClearFlags) {
        count(&self.shared.edits);
    }
}

impl HostStateImpl for MainThread<'_> {
    fn mark_dirty(&self) {
        count(&self.shared.dirty);
    }
}

impl HostLatencyImpl for MainThread<'_> {
    fn changed(&self) {
        count(&self.shared.restarts);
    }
}

struct ClapHost;

impl HostHandlers for ClapHost {
    type Shared<'a> = Requests;
    type MainThread<'a> = MainThread<'a>;
    type AudioProcessor<'a> = ();

    fn declare_extensions(builder: &mut HostExtensions<Self>, _: &Self::Shared<'_>) {
        builder
            .register::<HostParams>()
            .register::<HostState>()
            .register::<HostLatency>()
            .register::<HostGui>();
    }
}

struct ClapInstance {
    plugin: PluginInstance<ClapHost>,
    editor_open: bool,
}

impl ClapInstance {
    fn extension<E: Extension<ExtensionSide = clack_host::extensions::PluginExtensionSide>>(
        &self,
        name: &'static str,
    ) -> Result<E, HostError> {
        self.plugin
            .plugin_shared_handle()
            .get_extension()
            .ok_or(HostError::Missing(name))
    }

    fn params(&self) -> Result<PluginParams, HostError> {
        self.extension("CLAP's parameters")
    }

    fn parameter_id(id: u32) -> Result<ClapId, HostError> {
        ClapId::from_raw(id).ok_or_else(|| HostError::NoParameter(id.to_string()))
    }

    /// Selects the layout with one main input and output of this width, unless it is selected already.
    fn select_layout(&mut self, channels: usize) -> Result<(), HostError> {
        if self.ports()?.are_effect(channels) {
            return Ok(());
        }
        let no_layout = HostError::Layout { channels };
        let configs: PluginAudioPortsConfig = self.extension("CLAP's choice of port layouts")?;
        let handle = self.plugin.plugin_handle();
        let mut buffer = AudioPortsConfigBuffer::new();
        for index in 0..configs.count(&handle) {
            let Some(config) = configs.get(&handle, index, &mut buffer) else {
                continue;
            };
            let wide = |port: Option<u32>| port == Some(channels as u32);
            if wide(config.main_input.map(|port| port.channel_count))
                && wide(config.main_output.map(|port| port.channel_count))
            {
                let id = config.id;
                return configs.select(&handle, id).map_err(|_| no_layout);
            }
        }
        Err(no_layout)
    }

    fn create_editor(&mut self) -> Result<(PluginGui, GuiApiType<'static>), HostError> {
        let gui: PluginGui = self.extension("CLAP's editor")?;
        let api_type =
            GuiApiType::default_for_current_platform().ok_or(HostError::Missing("an editor for this system"))?;
        gui.create(
            &self.plugin.plugin_handle(),
            GuiConfiguration {
                api_type,
                is_floating: false,
            },
        )
        .map_err(|_| HostError::Refused("make its editor".to_owned()))?;
        Ok((gui, api_type))
    }
}

impl Instance for ClapInstance {
    fn parameters(&mut self) -> Result<Vec<Parameter>, HostError> {
        let params = self.params()?;
        let handle = self.plugin.plugin_handle();
        let mut buffer = ParamInfoBuffer::new();
        (0..params.count(&handle))
            .map(|index| {
                let info = params
                    .get_info(&handle, index, &mut buffer)
                    .ok_or_else(|| HostError::Refused(format!("describe parameter {index}")))?;
                Ok(Parameter {
                    id: info.id.get(),
                    name: String::from_utf8_lossy(info.name).into_owned(),
                    min: info.min_value,
                    max: info.max_value,
                    default: info.default_value,
                    read_only: info.flags.contains(ParamInfoFlags::IS_READONLY),
                    automatable: info.flags.contains(ParamInfoFlags::IS_AUTOMATABLE),
                    hidden: info.flags.contains(ParamInfoFlags::IS_HIDDEN),
                })
            })
            .collect()
    }

    fn value(&mut self, id: u32) -> Result<f64, HostError> {
        self.params()?
            .get_value(&self.plugin.plugin_handle(), Self::parameter_id(id)?)
            .ok_or_else(|| HostError::NoParameter(id.to_string()))
    }

    fn text(&mut self, id: u32, value: f64) -> Result<String, HostError> {
        let mut buffer = [0; 256];
        self.params()?
            .value_to_text(
                &self.plugin.plugin_handle(),
                Self::parameter_id(id)?,
                value,
                &mut buffer,
            )
            .map(|text| String::from_utf8_lossy(text).into_owned())
            .map_err(|_| HostError::Refused(format!("write {value} as text")))
    }

    fn ports(&mut self) -> Result<Ports, HostError> {
        let ports: PluginAudioPorts = self.extension("CLAP's audio ports")?;
        let handle = self.plugin.plugin_handle();
        let list = |is_input| -> Result<Vec<Port>, HostError> {
            let mut buffer = AudioPortInfoBuffer::new();
            (0..ports.count(&handle, is_input))
                .map(|index| {
                    let info = ports
                        .get(&handle, index, is_input, &mut buffer)
                        .ok_or_else(|| HostError::Refused(format!("describe audio port {index}")))?;
                    Ok(Port {
                        name: String::from_utf8_lossy(info.name).into_owned(),
                        channels: info.channel_count as usize,
                        main: info.flags.contains(AudioPortFlags::IS_MAIN),
                    })
                })
                .collect()
        };
        Ok(Ports {
            inputs: list(true)?,
            outputs: list(false)?,
        })
    }

    fn latency(&mut self) -> usize {
        let latency: Option<PluginLatency> = self.plugin.plugin_shared_handle().get_extension();
        latency.map_or(0, |latency| latency.get(&self.plugin.plugin_handle()) as usize)
    }

    fn save(&mut self) -> Result<Vec<u8>, HostError> {
        let state: PluginState = self.extension("CLAP's state")?;
        let mut bytes = Vec::new();
        state
            .save(&self.plugin.plugin_handle(), &mut bytes)
            .map_err(|_| HostError::Refused("save its state".to_owned()))?;
        Ok(bytes)
    }

    fn restore(&mut self, mut bytes: &[u8]) -> Result<(), HostError> {
        let state: PluginState = self.extension("CLAP's state")?;
        state
            .load(&self.plugin.plugin_handle(), &mut bytes)
            .map_err(|_| HostError::Refused("load the state".to_owned()))
    }

    fn activate(&mut self, setup: &Setup) -> Result<Box<dyn Processor>, HostError> {
        self.select_layout(setup.channels)?;
        let render: Option<PluginRender> = self.plugin.plugin_shared_handle().get_extension();
        let mode = match setup.mode {
            Mode::Realtime => RenderMode::Realtime,
            Mode::Offline => RenderMode::Offline,
        };
        if let Some(render) = render {
            render
                .set(&self.plugin.plugin_handle(), mode)
                .map_err(|_| HostError::Refused(format!("render in {mode:?} mode")))?;
        }
        let configuration = PluginAudioConfiguration {
            sample_rate: setup.sample_rate_hz,
            min_frames_count: 1,
            max_frames_count: setup.max_block as u32,
        };
        let stopped = self
            .plugin
            .activate(|_, _| (), configuration)
            .map_err(|error| HostError::Refused(format!("activate ({error})")))?;
        let started = stopped
            .start_processing()
            .map_err(|_| HostError::Refused("start processing".to_owned()))?;
        Ok(Box::new(ClapProcessor {
            plugin: started.into(),
            sample_rate_hz: setup.sample_rate_hz,
            steady_time: 0,
            buffers: Buffers::new(setup),
            input_ports: AudioPorts::with_capacity(setup.channels, 1),
            output_ports: AudioPorts::with_capacity(setup.channels, 1),
            input_events: EventBuffer::with_capacity(EVENTS_PER_BLOCK),
            output_events: EventBuffer::with_capacity(EVENTS_PER_BLOCK),
        }))
    }

    fn deactivate(&mut self, processor: Box<dyn Processor>) -> Result<(), HostError> {
        drop(processor);
        self.plugin
            .try_deactivate()
            .map_err(|error| HostError::Refused(format!("deactivate ({error})")))
    }

    fn idle(&mut self) {
        if self
            .plugin
            .access_shared_handler(|requests| requests.callback.swap(false, Ordering::Acquire))
        {
            self.plugin.call_on_main_thread_callback();
        }
    }

    fn host_calls(&self) -> HostCalls {
        self.plugin.access_shared_handler(|requests| HostCalls {
            edits: requests.edits.load(Ordering::Relaxed),
            dirty: requests.dirty.load(Ordering::Relaxed),
            restarts: requests.restarts.load(Ordering::Relaxed),
        })
    }

    fn editor_size(&mut self) -> Result<(u32, u32), HostError> {
        let (gui, _) = self.create_editor()?;
        let handle = self.plugin.plugin_handle();
        let size = gui.get_size(&handle);
        gui.destroy(&handle);
        size.map(|size| (size.width, size.height))
            .ok_or_else(|| HostError::Refused("tell its editor's size".to_owned()))
    }

    unsafe fn open_editor(&mut self, window: u64) -> Result<(), HostError> {
        let (gui, api) = self.create_editor()?;
        self.editor_open = true;
        let handle = self.plugin.plugin_handle();
        let window = if api == GuiApiType::X11 {
            Window::from_x11_handle(window as std::ffi::c_ulong)
        } else {
            Window::from_generic_ptr(api, window as *mut std::ffi::c_void)
        };
        // SAFETY: The caller keeps the window alive until the editor is closed.
        unsafe { gui.set_parent(&handle, window) }
            .map_err(|_| HostError::Refused("open its editor in a window".to_owned()))?;
        // Plugins that are shown as soon as they have a parent may refuse this.
        let _ = gui.show(&handle);
        Ok(())
    }

    fn close_editor(&mut self) {
        if std::mem::take(&mut self.editor_open)
            && let Ok(gui) = self.extension::<PluginGui>("CLAP's editor")
        {
            gui.destroy(&self.plugin.plugin_handle());
        }
    }
}

impl Drop for ClapInstance {
    fn drop(&mut self) {
        self.close_editor();
    }
}

struct ClapProcessor {
    plugin: PluginAudioProcessor<ClapHost>,
    sample_rate_hz: f64,
    steady_time: u64,
    buffers: Buffers,
    input_ports: AudioPorts,
    output_ports: AudioPorts,
    input_events: EventBuffer,
    output_events: EventBuffer,
}

impl Processor for ClapProcessor {
    fn buffers(&mut self) -> &mut Buffers {
        &mut self.buffers
    }

    fn set_parameter(&mut self, id: u32, value: f64) {
        if let Some(id) = ClapId::from_raw(id) {
            self.input_events
                .push(&ParamValueEvent::new(0, id, Pckn::match_all(), value));
        }
    }

    fn process(&mut self, frames: usize, transport: Transport, events: &mut Vec<Event>) -> Result<(), HostError> {
        self.buffers.begin(frames)?;
        let in_place = self.buffers.in_place();
        let input = self.input_ports.with_input_buffers([AudioPortBuffer {
            latency: 0,
            channels: AudioPortBufferType::f32_input_only(
                self.buffers
                    .input
                    .iter_mut()
                    .map(|channel| InputChannel::variable(&mut channel[..frames])),
            ),
        }]);
        let mut output = self.output_ports.with_output_buffers([AudioPortBuffer {
            latency: 0,
            channels: AudioPortBufferType::f32_output_only(
                self.buffers.output.iter_mut().map(|channel| &mut channel[..frames]),
            ),
        }]);
        if in_place {
            for (output, input) in output.as_raw_buffers().iter_mut().zip(input.as_raw_buffers()) {
                output.data32 = input.data32;
            }
        }
        self.output_events.clear();
        self.plugin
            .as_started_mut()
            .and_then(|plugin| {
                plugin.process(
                    &input,
                    &mut output,
                    &self.input_events.as_input(),
                    &mut self.output_events.as_output(),
                    Some(self.steady_time),
                    Some(&transport_event(transport, self.sample_rate_hz)),
                )
            })
            .map_err(|error| HostError::Refused(format!("process a block of {frames} frames ({error})")))?;
        self.input_events.clear();
        self.steady_time += frames as u64;
        self.buffers.end(frames);
        events.extend(self.output_events.iter().map(decode));
        Ok(())
    }

    fn reset(&mut self) {
        self.plugin.reset();
    }
}

impl Drop for ClapProcessor {
    fn drop(&mut self) {
        self.plugin.ensure_processing_stopped();
    }
}

fn transport_event(transport: Transport, sample_rate_hz: f64) -> TransportEvent {
    let mut flags = TransportFlags::HAS_TEMPO
        | TransportFlags::HAS_BEATS_TIMELINE
        | TransportFlags::HAS_SECONDS_TIMELINE
        | TransportFlags::HAS_TIME_SIGNATURE;
    flags.set(TransportFlags::IS_PLAYING, transport.playing);
    let quarters = transport.quarters(sample_rate_hz);
    let bar = (quarters / 4.0).floor();
    TransportEvent {
        header: clack_host::events::EventHeader::new_core(0, EventFlags::empty()),
        flags,
        song_pos_beats: BeatTime::from_float(quarters),
        song_pos_seconds: SecondsTime::from_float(transport.seconds(sample_rate_hz)),
        tempo: transport.tempo_bpm,
        tempo_inc: 0.0,
        loop_start_beats: BeatTime::default(),
        loop_end_beats: BeatTime::default(),
        loop_start_seconds: SecondsTime::default(),
        loop_end_seconds: SecondsTime::default(),
        bar_start: BeatTime::from_float(bar * 4.0),
        bar_number: bar as i32,
        time_signature_numerator: 4,
        time_signature_denominator: 4,
    }
}

fn decode(event: &UnknownEvent) -> Event {
    let offset = event.header().time();
    match event.as_core_event() {
        Some(CoreEventSpace::ParamValue(change)) => Event::Parameter {
            offset,
            id: ClapId::optional_to_raw(change.param_id()),
            value: change.value(),
        },
        Some(CoreEventSpace::Midi(midi)) => Event::Midi {
            offset,
            bytes: midi.data(),
        },
        _ => Event::Other {
            offset,
            kind: event.header().type_id(),
        },
    }
}
