//! VST3 hosting over the `vst3` crate's bindings.
//!
//! The plugin must be a single component, processor and controller in one object, as nice-plug makes them.

mod changes;
mod context;
mod events;
mod library;
mod stream;

use std::{
    ffi::c_void,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use vst3::{
    ComPtr, ComWrapper, Interface,
    Steinberg::Vst::{
        AudioBusBuffers, AudioBusBuffers__type0, BusDirections_, BusInfo, BusTypes_, IAudioProcessor,
        IAudioProcessorTrait, IComponent, IComponentHandler, IComponentTrait, IEditController, IEditControllerTrait,
        IEventList, IParameterChanges, MediaTypes_, ParameterInfo, ParameterInfo_::ParameterFlags_, ProcessContext,
        ProcessContext_::StatesAndFlags_, ProcessData, ProcessModes_, ProcessSetup, SpeakerArr, SpeakerArrangement,
        String128, SymbolicSampleSizes_, ViewType,
    },
    Steinberg::{
        IBStream, IPlugView, IPlugViewTrait, IPluginBaseTrait, IPluginFactory2, IPluginFactory2Trait,
        IPluginFactoryTrait, PClassInfo2, TUID, ViewRect, kPlatformTypeHWND, kPlatformTypeNSView,
        kPlatformTypeX11EmbedWindowID, kResultOk, tresult,
    },
};

use self::{
    changes::ParameterChanges, context::HostContext, events::EventList, library::Library, stream::MemoryStream,
};
use super::{
    Buffers, Descriptor, Event, Format, HostCalls, HostError, Instance, Mode, Module, Parameter, Port, Ports,
    Processor, Setup, Transport,
};

/// Category of the classes that process audio (`kVstAudioEffectClass` of the VST3 SDK).
const AUDIO_EFFECT_CLASS: &str = "Audio Module Class";

pub(super) struct Vst3Module {
    // Before the library, so that it is released before the code behind it goes.
    factory: ComPtr<IPluginFactory2>,
    library: Arc<Library>,
}

impl Vst3Module {
    pub(super) fn load(path: &Path) -> Result<Self, HostError> {
        let failed = |reason: String| HostError::Load {
            path: path.to_owned(),
            format: Format::Vst3,
            reason,
        };
        let library = Library::load(path).map_err(failed)?;
        let factory = library
            .factory()
            .and_then(|factory| factory.cast())
            .ok_or_else(|| failed("it has no plugin factory of version 2".to_owned()))?;
        Ok(Self {
            factory,
            library: Arc::new(library),
        })
    }

    fn effect_classes(&self) -> Vec<PClassInfo2> {
        // SAFETY: The factory is alive; `getClassInfo2` fills the structure it is given.
        let classes = unsafe {
            (0..self.factory.countClasses()).map(|index| {
                let mut info: PClassInfo2 = std::mem::zeroed();
                (self.factory.getClassInfo2(index, &mut info) == kResultOk).then_some(info)
            })
        };
        classes
            .flatten()
            .filter(|info| latin_text(&info.category) == AUDIO_EFFECT_CLASS)
            .collect()
    }
}

impl Module for Vst3Module {
    fn scan(&self) -> Result<Vec<Descriptor>, HostError> {
        Ok(self
            .effect_classes()
            .iter()
            .map(|info| Descriptor {
                id: class_id_text(&info.cid),
                name: latin_text(&info.name),
                vendor: latin_text(&info.vendor),
                version: latin_text(&info.version),
                categories: latin_text(&info.subCategories).split('|').map(str::to_owned).collect(),
            })
            .collect())
    }

    fn instantiate(&self, id: &str) -> Result<Box<dyn Instance>, HostError> {
        let class = self
            .effect_classes()
            .into_iter()
            .find(|info| class_id_text(&info.cid) == id)
            .ok_or_else(|| HostError::NoPlugin { id: id.to_owned() })?;
        let mut object: *mut c_void = std::ptr::null_mut();
        // SAFETY: Both identifiers are 16 bytes long and `object` takes a pointer.
        let result = unsafe {
            self.factory
                .createInstance(class.cid.as_ptr(), IComponent::IID.as_ptr().cast(), &mut object)
        };
        check(result, "make an instance")?;
        // SAFETY: The factory has handed out one reference to an `IComponent`, which we own now.
        let component = unsafe { ComPtr::from_raw(object.cast::<IComponent>()) }
            .ok_or_else(|| HostError::Refused("make an instance".to_owned()))?;
        Ok(Box::new(Vst3Instance::new(component, Arc::clone(&self.library))?))
    }
}

/// The plugin object; terminates it and releases it before the library that it lives in.
struct Plugin {
    component: ComPtr<IComponent>,
    processor: ComPtr<IAudioProcessor>,
    controller: ComPtr<IEditController>,
    context: ComWrapper<HostContext>,
    active: AtomicBool,
    _library: Arc<Library>,
}

impl Drop for Plugin {
    fn drop(&mut self) {
        // SAFETY: The component is initialised, and nobody else uses it any more.
        unsafe {
            if *self.active.get_mut() {
                self.component.setActive(0);
            }
            self.controller.setComponentHandler(std::ptr::null_mut());
            self.component.terminate();
        }
    }
}

struct Vst3Instance {
    plugin: Arc<Plugin>,
    /// What the controller says of its parameters, which stay the same.
    parameters: Vec<ParameterInfo>,
    view: Option<ComPtr<IPlugView>>,
}

impl Vst3Instance {
    fn new(component: ComPtr<IComponent>, library: Arc<Library>) -> Result<Self, HostError> {
        let context = ComWrapper::new(HostContext::default());
        let unknown = context
            .to_com_ptr::<vst3::Steinberg::FUnknown>()
            .ok_or(HostError::Missing("a host context"))?;
        let handler = context
            .to_com_ptr::<IComponentHandler>()
            .ok_or(HostError::Missing("a host context"))?;
        // SAFETY: The component is fresh, the context outlives it (`Plugin` holds both).
        check(unsafe { component.initialize(unknown.as_ptr()) }, "be initialised")?;
        let (Some(processor), Some(controller)) = (component.cast(), component.cast::<IEditController>()) else {
            // SAFETY: The component has been initialised just now.
            unsafe { component.terminate() };
            return Err(HostError::Missing(
                "an audio processor and an edit controller in one VST3 object",
            ));
        };
        // SAFETY: Controller and handler are alive.
        unsafe { controller.setComponentHandler(handler.as_ptr()) };
        let plugin = Arc::new(Plugin {
            component,
            processor,
            controller,
            context,
            active: AtomicBool::new(false),
            _library: library,
        });
        let parameters = describe_parameters(&plugin.controller)?;
        Ok(Self {
            plugin,
            parameters,
            view: None,
        })
    }

    /// The description of the parameter with this identifier.
    fn known_parameter(&self, id: u32) -> Result<&ParameterInfo, HostError> {
        self.parameters
            .iter()
            .find(|info| info.id == id)
            .ok_or_else(|| HostError::NoParameter(id.to_string()))
    }

    fn busses(&self, direction: BusDirection) -> Result<Vec<Port>, HostError> {
        let media = MediaTypes_::kAudio as i32;
        // SAFETY: The component is alive; `getBusInfo` fills the structure it is given.
        unsafe {
            (0..self.plugin.component.getBusCount(media, direction))
                .map(|index| {
                    let mut info: BusInfo = std::mem::zeroed();
                    check(
                        self.plugin.component.getBusInfo(media, direction, index, &mut info),
                        "describe an audio bus",
                    )?;
                    Ok(Port {
                        name: wide_text(&info.name),
                        channels: info.channelCount as usize,
                        main: info.busType == BusTypes_::kMain as i32,
                    })
                })
                .collect()
        }
    }

    fn select_layout(&mut self, channels: usize) -> Result<(), HostError> {
        let no_layout = HostError::Layout { channels };
        let mut input = arrangement(channels);
        let mut output = input;
        // SAFETY: Both point to one arrangement each, as the counts say.
        let result = unsafe { self.plugin.processor.setBusArrangements(&mut input, 1, &mut output, 1) };
        if result != kResultOk || !self.ports()?.are_effect(channels) {
            return Err(no_layout);
        }
        Ok(())
    }

    /// Switches all busses of the component on or off.
    fn activate_busses(&self, on: bool) {
        for media in [MediaTypes_::kAudio as i32, MediaTypes_::kEvent as i32] {
            for direction in [INPUT, OUTPUT] {
                // SAFETY: The component is alive and inactive.
                unsafe {
                    for index in 0..self.plugin.component.getBusCount(media, direction) {
                        self.plugin.component.activateBus(media, direction, index, u8::from(on));
                    }
                }
            }
        }
    }

    fn create_view(&self) -> Result<ComPtr<IPlugView>, HostError> {
        // SAFETY: The controller is alive; `createView` hands out one reference, which we own.
        unsafe { ComPtr::from_raw(self.plugin.controller.createView(ViewType::kEditor)) }
            .ok_or_else(|| HostError::Refused("make its editor".to_owned()))
    }
}

/// What the controller says of each of its parameters.
fn describe_parameters(controller: &ComPtr<IEditController>) -> Result<Vec<ParameterInfo>, HostError> {
    // SAFETY: The controller is alive; `getParameterInfo` fills the structure it is given.
    unsafe {
        (0..controller.getParameterCount())
            .map(|index| {
                let mut info: ParameterInfo = std::mem::zeroed();
                let result = controller.getParameterInfo(index, &mut info);
                check(result, "describe a parameter").map(|()| info)
            })
            .collect()
    }
}

type BusDirection = vst3::Steinberg::Vst::BusDirection;
const INPUT: BusDirection = BusDirections_::kInput as BusDirection;
const OUTPUT: BusDirection = BusDirections_::kOutput as BusDirection;

/// The arrangement for a number of channels; for more than two, that many speakers.
fn arrangement(channels: usize) -> SpeakerArrangement {
    match channels {
        1 => SpeakerArr::kMono,
        2 => SpeakerArr::kStereo,
        _ => (1 << channels.min(63)) - 1,
    }
}

fn check(result: tresult, step: &str) -> Result<(), HostError> {
    if result == kResultOk {
        Ok(())
    } else {
        Err(HostError::Refused(format!("{step} (result {result:#x})")))
    }
}

impl Instance for Vst3Instance {
    fn parameters(&mut self) -> Result<Vec<Parameter>, HostError> {
        let describe = |info: &ParameterInfo| {
            let has = |flag: i32| info.flags & flag != 0;
            Parameter {
                id: info.id,
                name: wide_text(&info.title),
                min: 0.0,
                max: 1.0,
                default: info.defaultNormalizedValue,
                read_only: has(ParameterFlags_::kIsReadOnly),
                automatable: has(ParameterFlags_::kCanAutomate),
                hidden: has(ParameterFlags_::kIsHidden),
            }
        };
        Ok(self.parameters.iter().map(describe).collect())
    }

    fn value(&mut self, id: u32) -> Result<f64, HostError> {
        self.known_parameter(id)?;
        // SAFETY: The controller is alive.
        Ok(unsafe { self.plugin.controller.getParamNormalized(id) })
    }

    fn text(&mut self, id: u32, value: f64) -> Result<String, HostError> {
        let mut text: String128 = [0; 128];
        // SAFETY: `getParamStringByValue` fills the string it is given.
        let result = unsafe { self.plugin.controller.getParamStringByValue(id, value, &mut text) };
        check(result, "write a value as text")?;
        // Hosts write the unit behind the value.
        let unit = wide_text(&self.known_parameter(id)?.units);
        Ok(format!("{} {}", wide_text(&text), unit.trim()).trim_end().to_owned())
    }

    fn ports(&mut self) -> Result<Ports, HostError> {
        Ok(Ports {
            inputs: self.busses(INPUT)?,
            outputs: self.busses(OUTPUT)?,
        })
    }

    fn latency(&mut self) -> usize {
        // SAFETY: The processor is alive.
        unsafe { self.plugin.processor.getLatencySamples() as usize }
    }

    fn save(&mut self) -> Result<Vec<u8>, HostError> {
        let stream = ComWrapper::new(MemoryStream::default());
        let pointer = stream.to_com_ptr::<IBStream>().ok_or(HostError::Missing("a stream"))?;
        // SAFETY: The component and the stream are alive.
        let result = unsafe { self.plugin.component.getState(pointer.as_ptr()) };
        check(result, "save its state")?;
        Ok(stream.bytes())
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), HostError> {
        let stream = ComWrapper::new(MemoryStream::new(state));
        let pointer = stream.to_com_ptr::<IBStream>().ok_or(HostError::Missing("a stream"))?;
        // SAFETY: The component, the controller and the stream are alive.
        unsafe {
            check(self.plugin.component.setState(pointer.as_ptr()), "load the state")?;
            stream.rewind();
            // Controllers that need no telling answer "not implemented".
            self.plugin.controller.setComponentState(pointer.as_ptr());
        }
        Ok(())
    }

    fn activate(&mut self, setup: &Setup) -> Result<Box<dyn Processor>, HostError> {
        if self.plugin.active.load(Ordering::Relaxed) {
            return Err(HostError::Refused("activate (it is active already)".to_owned()));
        }
        self.select_layout(setup.channels)?;
        let mut process_setup = ProcessSetup {
            processMode: process_mode(setup.mode),
            symbolicSampleSize: SymbolicSampleSizes_::kSample32 as i32,
            maxSamplesPerBlock: setup.max_block as i32,
            sampleRate: setup.sample_rate_hz,
        };
        // SAFETY: The plugin is alive and inactive, as these calls want it.
        unsafe {
            check(
                self.plugin.processor.setupProcessing(&mut process_setup),
                "take the rate and block size",
            )?;
            self.activate_busses(true);
            check(self.plugin.component.setActive(1), "activate")?;
            self.plugin.processor.setProcessing(1);
        }
        self.plugin.active.store(true, Ordering::Relaxed);
        Ok(Box::new(Vst3Processor::new(Arc::clone(&self.plugin), setup)?))
    }

    fn deactivate(&mut self, processor: Box<dyn Processor>) -> Result<(), HostError> {
        drop(processor);
        self.plugin.active.store(false, Ordering::Relaxed);
        // SAFETY: The processor, which stood for the active state, is gone.
        check(unsafe { self.plugin.component.setActive(0) }, "deactivate")?;
        self.activate_busses(false);
        Ok(())
    }

    fn idle(&mut self) {}

    fn host_calls(&self) -> HostCalls {
        self.plugin.context.calls()
    }

    fn editor_size(&mut self) -> Result<(u32, u32), HostError> {
        let view = self.create_view()?;
        let mut size = ViewRect {
            left: 0,
            top: 0,
            right: 0,
            bottom: 0,
        };
        // SAFETY: The view is alive and fills the rectangle it is given.
        check(unsafe { view.getSize(&mut size) }, "tell its editor's size")?;
        Ok(((size.right - size.left) as u32, (size.bottom - size.top) as u32))
    }

    unsafe fn open_editor(&mut self, window: u64) -> Result<(), HostError> {
        self.close_editor();
        let view = self.create_view()?;
        let platform = if cfg!(target_os = "windows") {
            kPlatformTypeHWND
        } else if cfg!(target_os = "macos") {
            kPlatformTypeNSView
        } else {
            kPlatformTypeX11EmbedWindowID
        };
        // SAFETY: The view is alive, and by this function's contract the window is too.
        let result = unsafe { view.attached(window as *mut c_void, platform) };
        check(result, "open its editor in a window")?;
        self.view = Some(view);
        Ok(())
    }

    fn close_editor(&mut self) {
        if let Some(view) = self.view.take() {
            // SAFETY: The view is attached.
            unsafe { view.removed() };
        }
    }
}

impl Drop for Vst3Instance {
    fn drop(&mut self) {
        self.close_editor();
    }
}

fn process_mode(mode: Mode) -> i32 {
    match mode {
        Mode::Realtime => ProcessModes_::kRealtime as i32,
        Mode::Offline => ProcessModes_::kOffline as i32,
    }
}

struct Vst3Processor {
    plugin: Arc<Plugin>,
    mode: Mode,
    sample_rate_hz: f64,
    continuous: u64,
    buffers: Buffers,
    input_changes: ComWrapper<ParameterChanges>,
    output_changes: ComWrapper<ParameterChanges>,
    input_events: ComWrapper<EventList>,
    output_events: ComWrapper<EventList>,
    input_pointers: Vec<*mut f32>,
    output_pointers: Vec<*mut f32>,
}

// SAFETY: VST3 wants `process` called from one thread at a time, which `&mut self` gives; the pointers are only used
// inside `process`, where they are written anew.
unsafe impl Send for Vst3Processor {}

impl Vst3Processor {
    fn new(plugin: Arc<Plugin>, setup: &Setup) -> Result<Self, HostError> {
        // SAFETY: The controller is alive.
        let parameters = unsafe { plugin.controller.getParameterCount() } as usize;
        Ok(Self {
            plugin,
            mode: setup.mode,
            sample_rate_hz: setup.sample_rate_hz,
            continuous: 0,
            buffers: Buffers::new(setup),
            input_changes: ParameterChanges::with_room_for(parameters),
            output_changes: ParameterChanges::with_room_for(parameters),
            input_events: ComWrapper::new(EventList::default()),
            output_events: ComWrapper::new(EventList::default()),
            input_pointers: vec![std::ptr::null_mut(); setup.channels],
            output_pointers: vec![std::ptr::null_mut(); setup.channels],
        })
    }

    fn point_to_buffers(&mut self) {
        for (pointer, channel) in self.input_pointers.iter_mut().zip(&mut self.buffers.input) {
            *pointer = channel.as_mut_ptr();
        }
        if self.buffers.in_place() {
            self.output_pointers.copy_from_slice(&self.input_pointers);
        } else {
            for (pointer, channel) in self.output_pointers.iter_mut().zip(&mut self.buffers.output) {
                *pointer = channel.as_mut_ptr();
            }
        }
    }
}

/// One bus over channel pointers.
fn bus(pointers: &mut [*mut f32]) -> AudioBusBuffers {
    AudioBusBuffers {
        numChannels: pointers.len() as i32,
        silenceFlags: 0,
        __field0: AudioBusBuffers__type0 {
            channelBuffers32: pointers.as_mut_ptr(),
        },
    }
}

impl Processor for Vst3Processor {
    fn buffers(&mut self) -> &mut Buffers {
        &mut self.buffers
    }

    fn set_parameter(&mut self, id: u32, value: f64) {
        self.input_changes.add(id, 0, value);
    }

    fn process(&mut self, frames: usize, transport: Transport, events: &mut Vec<Event>) -> Result<(), HostError> {
        self.buffers.begin(frames)?;
        self.point_to_buffers();
        self.output_changes.clear();
        self.output_events.clear();
        let mut context = process_context(transport, self.continuous, self.sample_rate_hz);
        let mut input = bus(&mut self.input_pointers);
        let mut output = bus(&mut self.output_pointers);
        let (Some(input_changes), Some(output_changes), Some(input_events), Some(output_events)) = (
            self.input_changes.as_com_ref::<IParameterChanges>(),
            self.output_changes.as_com_ref::<IParameterChanges>(),
            self.input_events.as_com_ref::<IEventList>(),
            self.output_events.as_com_ref::<IEventList>(),
        ) else {
            return Err(HostError::Missing("the host's own parameter and event lists"));
        };
        let mut data = ProcessData {
            processMode: process_mode(self.mode),
            symbolicSampleSize: SymbolicSampleSizes_::kSample32 as i32,
            numSamples: frames as i32,
            numInputs: 1,
            numOutputs: 1,
            inputs: &mut input,
            outputs: &mut output,
            inputParameterChanges: input_changes.as_ptr(),
            outputParameterChanges: output_changes.as_ptr(),
            inputEvents: input_events.as_ptr(),
            outputEvents: output_events.as_ptr(),
            processContext: &mut context,
        };
        // SAFETY: Every pointer in `data` lives until the end of this function; the channels hold `frames` samples.
        let result = unsafe { self.plugin.processor.process(&mut data) };
        check(result, "process a block")?;
        self.input_changes.clear();
        self.continuous += frames as u64;
        self.buffers.end(frames);
        self.output_changes.drain_into(events);
        self.output_events.drain_into(events);
        Ok(())
    }

    fn reset(&mut self) {
        // SAFETY: The component is active. This pair is how VST3 tells a plugin to forget what it has heard.
        unsafe {
            self.plugin.processor.setProcessing(0);
            self.plugin.processor.setProcessing(1);
        }
    }
}

impl Drop for Vst3Processor {
    fn drop(&mut self) {
        // SAFETY: The component is active and nobody is processing.
        unsafe { self.plugin.processor.setProcessing(0) };
    }
}

fn process_context(transport: Transport, continuous: u64, sample_rate_hz: f64) -> ProcessContext {
    let mut state = StatesAndFlags_::kTempoValid
        | StatesAndFlags_::kTimeSigValid
        | StatesAndFlags_::kProjectTimeMusicValid
        | StatesAndFlags_::kBarPositionValid
        | StatesAndFlags_::kContTimeValid;
    if transport.playing {
        state |= StatesAndFlags_::kPlaying;
    }
    let quarters = transport.quarters(sample_rate_hz);
    // SAFETY: The structure is plain numbers, for which zero is valid.
    let empty: ProcessContext = unsafe { std::mem::zeroed() };
    // The flags are signed on Windows.
    #[allow(clippy::unnecessary_cast)]
    ProcessContext {
        state: state as u32,
        sampleRate: sample_rate_hz,
        projectTimeSamples: transport.position as i64,
        continousTimeSamples: continuous as i64,
        projectTimeMusic: quarters,
        barPositionMusic: (quarters / 4.0).floor() * 4.0,
        tempo: transport.tempo_bpm,
        timeSigNumerator: 4,
        timeSigDenominator: 4,
        ..empty
    }
}

/// Text of a null-terminated 8-bit field.
fn latin_text(field: &[std::ffi::c_char]) -> String {
    let bytes: Vec<u8> = field
        .iter()
        .map(|&char| char as u8)
        .take_while(|&byte| byte != 0)
        .collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Text of a null-terminated UTF-16 field.
fn wide_text(field: &String128) -> String {
    let units: Vec<u16> = field.iter().copied().take_while(|&unit| unit != 0).collect();
    String::from_utf16_lossy(&units)
}

fn class_id_text(id: &TUID) -> String {
    id.iter().map(|&byte| format!("{:02X}", byte as u8)).collect()
}
