//! The VST3 entry point. The component owns nice-plug's and hands every call on to it; what it does itself is what the
//! outputs need and what nice-plug 0.4.2 gets wrong.

use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nice_plug::wrapper::setup_logger;
use nice_plug::wrapper::vst3::{PluginInfo, Wrapper, vst3};
use vst3::Steinberg::IBStream_::IStreamSeekMode_::{kIBSeekCur, kIBSeekEnd, kIBSeekSet};
use vst3::Steinberg::Vst::ChannelContext::IInfoListenerTrait;
use vst3::Steinberg::Vst::Event_::EventTypes_::kLegacyMIDICCOutEvent;
use vst3::Steinberg::Vst::ParameterInfo_::ParameterFlags_::{kCanAutomate, kIsReadOnly};
use vst3::Steinberg::Vst::ProcessModes_::kOffline;
use vst3::Steinberg::Vst::*;
use vst3::Steinberg::*;
use vst3::{Class, ComRef, ComWrapper};

use super::state::{readable, without_outputs};
use super::{is_output_id, output_ids};
use crate::Affekt;
use crate::outbox::{Message, Outbox};

/// Runs what must not unwind into the host.
fn guarded<T>(fallback: T, call: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or(fallback)
}

/// nice-plug's component with read-only outputs.
struct Component {
    nice: Wrapper<Affekt>,
    /// Stands between the host's parameter changes and nice-plug.
    changes: ComWrapper<ChangeFilter>,
    /// Whether the host has told rate and block size; nice-plug takes it for granted.
    set_up: AtomicBool,
    /// [`TAIL_S`] in samples; 0 before the rate is known.
    tail: AtomicU32,
    outbox: Arc<Outbox>,
    /// Ids of the outputs' parameters.
    output_ids: [ParamID; 9],
}

// nice-plug's own list: an interface or a method that a later version adds does not compile here.
impl Class for Component {
    type Interfaces = <Wrapper<Affekt> as Class>::Interfaces;
}

/// Implements an interface by handing the listed methods on; what follows `or` is returned if they panic. Further
/// methods stand as they are.
macro_rules! forward {
    (
        $trait:ident {
            $($method:ident($($argument:ident: $type:ty),*) -> $result:ty, or $fallback:expr;)*
        }
        $($own:item)*
    ) => {
        impl $trait for Component {
            $(
                unsafe fn $method(&self, $($argument: $type),*) -> $result {
                    // SAFETY: the host's arguments, as they came.
                    guarded($fallback, || unsafe { <Wrapper<Affekt> as $trait>::$method(&self.nice, $($argument),*) })
                }
            )*
            $($own)*
        }
    };
}

forward! {
    IPluginBaseTrait {
        initialize(context: *mut FUnknown) -> tresult, or kInternalError;
        terminate() -> tresult, or kInternalError;
    }
}

forward! {
    IComponentTrait {
        getControllerClassId(id: *mut TUID) -> tresult, or kInternalError;
        setIoMode(mode: IoMode) -> tresult, or kInternalError;
        getBusCount(media: MediaType, direction: BusDirection) -> int32, or 0;
        getBusInfo(media: MediaType, direction: BusDirection, index: int32, info: *mut BusInfo) -> tresult, or kInternalError;
        getRoutingInfo(input: *mut RoutingInfo, output: *mut RoutingInfo) -> tresult, or kInternalError;
        activateBus(media: MediaType, direction: BusDirection, index: int32, state: TBool) -> tresult, or kInternalError;
        setActive(state: TBool) -> tresult, or kInternalError;
    }

    /// Loads what can be read.
    unsafe fn setState(&self, state: *mut IBStream) -> tresult {
        // SAFETY: null or the host's stream, which lives during the call.
        let Some(host_stream) = (unsafe { ComRef::from_raw(state) }) else { return kInvalidArgument };
        guarded(kInternalError, || {
            let Some(state) = read(host_stream).and_then(|saved| readable(&saved)) else { return kResultFalse };
            let stream = ComWrapper::new(Memory::of(state));
            let Some(stream) = stream.as_com_ref::<IBStream>() else { return kInternalError };
            // SAFETY: the stream lives until the end of this function.
            unsafe { IComponentTrait::setState(&self.nice, stream.as_ptr()) }
        })
    }

    /// Saves everything but the outputs.
    unsafe fn getState(&self, state: *mut IBStream) -> tresult {
        // SAFETY: null or the host's stream, which lives during the call.
        let Some(host_stream) = (unsafe { ComRef::from_raw(state) }) else { return kInvalidArgument };
        guarded(kInternalError, || {
            let memory = ComWrapper::new(Memory::default());
            let Some(stream) = memory.as_com_ref::<IBStream>() else { return kInternalError };
            // SAFETY: the stream lives until the end of this function.
            let saved = unsafe { IComponentTrait::getState(&self.nice, stream.as_ptr()) };
            if saved != kResultOk {
                return saved;
            }
            match without_outputs(&memory.take()) {
                Some(state) => write(host_stream, &state),
                None => kInternalError,
            }
        })
    }
}

forward! {
    IEditControllerTrait {
        setComponentState(state: *mut IBStream) -> tresult, or kInternalError;
        setState(state: *mut IBStream) -> tresult, or kInternalError;
        getState(state: *mut IBStream) -> tresult, or kInternalError;
        getParameterCount() -> int32, or 0;
        getParamStringByValue(id: ParamID, value: ParamValue, string: *mut String128) -> tresult, or kInternalError;
        getParamValueByString(id: ParamID, string: *mut TChar, value: *mut ParamValue) -> tresult, or kInternalError;
        normalizedParamToPlain(id: ParamID, value: ParamValue) -> ParamValue, or value;
        plainParamToNormalized(id: ParamID, value: ParamValue) -> ParamValue, or value;
        getParamNormalized(id: ParamID) -> ParamValue, or 0.0;
        setComponentHandler(handler: *mut IComponentHandler) -> tresult, or kInternalError;
        createView(name: FIDString) -> *mut IPlugView, or null_mut();
    }

    unsafe fn getParameterInfo(&self, index: int32, info: *mut ParameterInfo) -> tresult {
        guarded(kInternalError, || {
            // nice-plug 0.4.2 lets the index behind the last one through, and panics at it.
            // SAFETY: takes nothing.
            if info.is_null() || !(0..unsafe { self.nice.getParameterCount() }).contains(&index) {
                return kInvalidArgument;
            }
            // SAFETY: not null, and the host's to be written to.
            let (result, info) = unsafe { (self.nice.getParameterInfo(index, info), &mut *info) };
            if result == kResultOk && is_output_id(info.id) {
                info.flags = info.flags & !kCanAutomate | kIsReadOnly;
            }
            result
        })
    }

    /// Hosts tell the controller what the outputs are; it knows already.
    unsafe fn setParamNormalized(&self, id: ParamID, value: ParamValue) -> tresult {
        if is_output_id(id) {
            return kResultOk;
        }
        // SAFETY: plain values.
        guarded(kInternalError, || unsafe { self.nice.setParamNormalized(id, value) })
    }
}

forward! {
    IAudioProcessorTrait {
        setBusArrangements(
            inputs: *mut SpeakerArrangement, input_count: int32, outputs: *mut SpeakerArrangement, output_count: int32
        ) -> tresult, or kInternalError;
        getBusArrangement(direction: BusDirection, index: int32, arrangement: *mut SpeakerArrangement) -> tresult, or kInternalError;
        canProcessSampleSize(size: int32) -> tresult, or kInternalError;
        getLatencySamples() -> uint32, or 0;
        setProcessing(state: TBool) -> tresult, or kInternalError;
    }

    /// Not nice-plug's, which would be endless: JUCE's hosts take it for a length, and pedalboard plays all of it.
    unsafe fn getTailSamples(&self) -> uint32 {
        self.tail.load(Ordering::Acquire)
    }

    unsafe fn setupProcessing(&self, setup: *mut ProcessSetup) -> tresult {
        guarded(kInternalError, || {
            // nice-plug 0.4.2 stores the process mode of the call before, so it is called twice.
            // SAFETY: the host's pointer, which nice-plug checks for null.
            let result = unsafe {
                self.nice.setupProcessing(setup);
                self.nice.setupProcessing(setup)
            };
            // SAFETY: null or the host's.
            if let Some(setup) = unsafe { setup.as_ref() } {
                self.tail.store((TAIL_S * setup.sampleRate) as u32, Ordering::Release);
            }
            self.set_up.store(result == kResultOk, Ordering::Release);
            result
        })
    }

    unsafe fn process(&self, data: *mut ProcessData) -> tresult {
        // SAFETY: null or the host's, which lives during the call.
        let Some(data) = (unsafe { data.as_ref() }) else { return kInvalidArgument };
        if !self.set_up.load(Ordering::Acquire) {
            return kNotInitialized;
        }
        let mut data = *data;
        if !data.inputParameterChanges.is_null()
            && let Some(changes) = self.changes.as_com_ref::<IParameterChanges>()
        {
            self.changes.host.store(data.inputParameterChanges, Ordering::Relaxed);
            data.inputParameterChanges = changes.as_ptr();
        }
        self.outbox.begin();
        // JUCE's hosts say it here and nowhere else when a bounce begins.
        self.outbox.set_offline(data.processMode == kOffline as int32);
        // SAFETY: the host's data, and in them one list of ours that lives as long as this component.
        let result = guarded(kInternalError, || unsafe { self.nice.process(&mut data) });
        self.changes.host.store(null_mut(), Ordering::Relaxed);
        guarded((), || self.send_messages(&data));
        result
    }
}

impl Component {
    /// Hands what the plugin has put into its outbox to the host, in the order of time.
    fn send_messages(&self, data: &ProcessData) {
        // SAFETY: null or the host's, which lives during the call of `process`.
        let changes = unsafe { ComRef::from_raw(data.outputParameterChanges) };
        // SAFETY: as above.
        let events = unsafe { ComRef::from_raw(data.outputEvents) };
        let mut queues = [null_mut::<IParamValueQueue>(); 9];
        while let Some((time, message)) = self.outbox.take() {
            let offset = int32::try_from(time).unwrap_or(int32::MAX);
            let taken = match message {
                Message::Parameter(place, value) => {
                    let Some(changes) = &changes else { continue };
                    if queues[place].is_null() {
                        let mut index = 0;
                        // SAFETY: the host reads the id and writes the index, both of which live.
                        queues[place] = unsafe { changes.addParameterData(&self.output_ids[place], &mut index) };
                    }
                    // SAFETY: null, if the host has no room, or its queue, which lives as long as its list.
                    unsafe { ComRef::from_raw(queues[place]) }.is_some_and(|queue| {
                        let mut index = 0;
                        // SAFETY: the host writes the index.
                        unsafe { queue.addPoint(offset, f64::from(value), &mut index) == kResultOk }
                    })
                }
                Message::Controller(_, controller) => {
                    let Some(events) = &events else { continue };
                    let mut event = Event {
                        busIndex: 0,
                        sampleOffset: offset,
                        ppqPosition: 0.0,
                        flags: 0,
                        r#type: kLegacyMIDICCOutEvent as u16,
                        __field0: Event__type0 {
                            midiCCOut: LegacyMIDICCOutEvent {
                                controlNumber: controller.number,
                                channel: controller.channel as int8,
                                value: controller.value as int8,
                                value2: 0,
                            },
                        },
                    };
                    // SAFETY: the host copies the event.
                    unsafe { events.addEvent(&mut event) == kResultOk }
                }
            };
            if !taken {
                self.outbox.refuse(message);
            }
        }
    }
}

forward! {
    IMidiMappingTrait {
        getMidiControllerAssignment(bus: int32, channel: int16, controller: CtrlNumber, id: *mut ParamID) -> tresult, or kInternalError;
    }
}

forward! {
    INoteExpressionControllerTrait {
        getNoteExpressionCount(bus: int32, channel: int16) -> int32, or 0;
        getNoteExpressionInfo(bus: int32, channel: int16, index: int32, info: *mut NoteExpressionTypeInfo) -> tresult, or kInternalError;
        getNoteExpressionStringByValue(
            bus: int32, channel: int16, id: NoteExpressionTypeID, value: NoteExpressionValue, string: *mut String128
        ) -> tresult, or kInternalError;
        getNoteExpressionValueByString(
            bus: int32, channel: int16, id: NoteExpressionTypeID, string: *const TChar, value: *mut NoteExpressionValue
        ) -> tresult, or kInternalError;
    }
}

forward! {
    IProcessContextRequirementsTrait {
        getProcessContextRequirements() -> uint32, or 0;
    }
}

forward! {
    IUnitInfoTrait {
        getUnitCount() -> int32, or 0;
        getUnitInfo(index: int32, info: *mut UnitInfo) -> tresult, or kInternalError;
        getProgramListCount() -> int32, or 0;
        getProgramListInfo(index: int32, info: *mut ProgramListInfo) -> tresult, or kInternalError;
        getProgramName(list: ProgramListID, index: int32, name: *mut String128) -> tresult, or kInternalError;
        getProgramInfo(list: ProgramListID, index: int32, attribute: Vst::CString, value: *mut String128) -> tresult, or kInternalError;
        hasProgramPitchNames(list: ProgramListID, index: int32) -> tresult, or kInternalError;
        getProgramPitchName(list: ProgramListID, index: int32, pitch: int16, name: *mut String128) -> tresult, or kInternalError;
        getSelectedUnit() -> UnitID, or kRootUnitId;
        selectUnit(id: UnitID) -> tresult, or kInternalError;
        getUnitByBus(media: MediaType, direction: BusDirection, bus: int32, channel: int32, id: *mut UnitID) -> tresult, or kInternalError;
        setUnitProgramData(list: int32, index: int32, data: *mut IBStream) -> tresult, or kInternalError;
    }
}

forward! {
    IInfoListenerTrait {
        setChannelContextInfos(list: *mut IAttributeList) -> tresult, or kInternalError;
    }
}

/// The host's parameter changes without those of outputs, which appear as empty places.
#[derive(Default)]
struct ChangeFilter {
    /// The host's list during a call of `process`, else null.
    host: AtomicPtr<IParameterChanges>,
}

impl ChangeFilter {
    fn host(&self) -> Option<ComRef<'_, IParameterChanges>> {
        // SAFETY: null or the list of the call of `process` in which this is asked.
        unsafe { ComRef::from_raw(self.host.load(Ordering::Relaxed)) }
    }
}

impl Class for ChangeFilter {
    type Interfaces = (IParameterChanges,);
}

impl IParameterChangesTrait for ChangeFilter {
    unsafe fn getParameterCount(&self) -> int32 {
        // SAFETY: takes nothing.
        self.host().map_or(0, |host| unsafe { host.getParameterCount() })
    }

    unsafe fn getParameterData(&self, index: int32) -> *mut IParamValueQueue {
        let Some(host) = self.host() else { return null_mut() };
        // SAFETY: the index is one of those that the host counted.
        let queue = unsafe { host.getParameterData(index) };
        // SAFETY: null or the host's queue, which lives as long as its list.
        let output = unsafe { ComRef::from_raw(queue).is_some_and(|queue| is_output_id(queue.getParameterId())) };
        if output { null_mut() } else { queue }
    }

    unsafe fn addParameterData(&self, _: *const ParamID, _: *mut int32) -> *mut IParamValueQueue {
        null_mut()
    }
}

/// How long values go on changing after the sound: they fade, and lanes are smoothed by up to 5 s.
const TAIL_S: f64 = 10.0;

/// A stream in memory.
#[derive(Default)]
struct Memory {
    inner: Mutex<MemoryInner>,
}

#[derive(Default)]
struct MemoryInner {
    bytes: Vec<u8>,
    position: usize,
}

impl Memory {
    /// With these bytes, at their start.
    fn of(bytes: Vec<u8>) -> Self {
        let inner = Mutex::new(MemoryInner { bytes, position: 0 });
        Self { inner }
    }

    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.lock().bytes)
    }

    fn lock(&self) -> MutexGuard<'_, MemoryInner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Class for Memory {
    type Interfaces = (IBStream,);
}

impl IBStreamTrait for Memory {
    unsafe fn read(&self, buffer: *mut c_void, size: int32, read: *mut int32) -> tresult {
        let Ok(size) = usize::try_from(size) else {
            return kInvalidArgument;
        };
        let mut inner = self.lock();
        let rest = inner.bytes.get(inner.position..).unwrap_or_default();
        let length = rest.len().min(size);
        if length > 0 {
            if buffer.is_null() {
                return kInvalidArgument;
            }
            // SAFETY: not null, and by VST3's rules there is room for `size` bytes.
            unsafe { buffer.cast::<u8>().copy_from_nonoverlapping(rest.as_ptr(), length) };
        }
        inner.position += length;
        // SAFETY: null or to be written to.
        if let Some(read) = unsafe { read.as_mut() } {
            *read = length as int32;
        }
        kResultOk
    }

    unsafe fn write(&self, buffer: *mut c_void, size: int32, written: *mut int32) -> tresult {
        let Ok(length) = usize::try_from(size) else {
            return kInvalidArgument;
        };
        if length > 0 {
            if buffer.is_null() {
                return kInvalidArgument;
            }
            // SAFETY: not null, and by VST3's rules there are so many bytes.
            let bytes = unsafe { std::slice::from_raw_parts(buffer.cast::<u8>(), length) };
            self.lock().bytes.extend_from_slice(bytes);
        }
        // SAFETY: null or to be written to.
        if let Some(written) = unsafe { written.as_mut() } {
            *written = size;
        }
        kResultOk
    }

    #[allow(non_upper_case_globals)]
    unsafe fn seek(&self, offset: int64, mode: int32, result: *mut int64) -> tresult {
        let mut inner = self.lock();
        let from = match mode as u32 {
            kIBSeekSet => 0,
            kIBSeekCur => inner.position,
            kIBSeekEnd => inner.bytes.len(),
            _ => return kInvalidArgument,
        };
        let position = (from as int64)
            .saturating_add(offset)
            .clamp(0, inner.bytes.len() as int64);
        inner.position = position as usize;
        // SAFETY: null or to be written to.
        if let Some(result) = unsafe { result.as_mut() } {
            *result = position;
        }
        kResultOk
    }

    unsafe fn tell(&self, position: *mut int64) -> tresult {
        // SAFETY: null or to be written to.
        let Some(position) = (unsafe { position.as_mut() }) else {
            return kInvalidArgument;
        };
        *position = self.lock().position as int64;
        kResultOk
    }
}

/// Everything from the stream's position on; `None` if it is larger than any state of ours.
fn read(stream: ComRef<'_, IBStream>) -> Option<Vec<u8>> {
    /// A thousand times what a state of ours has.
    const MOST_BYTES: usize = 16 << 20;
    let mut bytes = Vec::new();
    let mut piece = [0_u8; 4_096];
    loop {
        let mut length = 0;
        // What it returns says little: at the end some hosts fail, others do not. What was read counts.
        // SAFETY: the piece has room for so many bytes.
        unsafe { stream.read(piece.as_mut_ptr().cast(), piece.len() as int32, &mut length) };
        match usize::try_from(length) {
            Ok(length) if (1..=piece.len()).contains(&length) => bytes.extend_from_slice(&piece[..length]),
            _ => return Some(bytes),
        }
        if bytes.len() > MOST_BYTES {
            return None;
        }
    }
}

/// Writes everything, or fails.
fn write(stream: ComRef<'_, IBStream>, bytes: &[u8]) -> tresult {
    let Ok(length) = int32::try_from(bytes.len()) else {
        return kOutOfMemory;
    };
    let mut written = 0;
    // SAFETY: the length is that of the bytes, which the stream only reads, whatever its signature says.
    let result = unsafe { stream.write(bytes.as_ptr().cast_mut().cast(), length, &mut written) };
    if result == kResultOk && written != length {
        kInternalError
    } else {
        result
    }
}

/// Makes components.
struct Factory {
    info: PluginInfo,
}

impl Class for Factory {
    type Interfaces = (IPluginFactory, IPluginFactory2, IPluginFactory3);
}

impl Factory {
    /// Fills in what describes the only class.
    fn describe<T>(&self, index: int32, info: *mut T, make: impl Fn(&PluginInfo) -> T) -> tresult {
        // SAFETY: null or the host's to be written to.
        let Some(info) = (unsafe { info.as_mut() }) else {
            return kInvalidArgument;
        };
        if index != 0 {
            return kInvalidArgument;
        }
        *info = make(&self.info);
        kResultOk
    }
}

impl IPluginFactoryTrait for Factory {
    unsafe fn getFactoryInfo(&self, info: *mut PFactoryInfo) -> tresult {
        self.describe(0, info, PluginInfo::create_factory_info)
    }

    unsafe fn countClasses(&self) -> int32 {
        1
    }

    unsafe fn getClassInfo(&self, index: int32, info: *mut PClassInfo) -> tresult {
        self.describe(index, info, PluginInfo::create_class_info)
    }

    unsafe fn createInstance(&self, class: FIDString, interface: FIDString, object: *mut *mut c_void) -> tresult {
        if class.is_null() || interface.is_null() || object.is_null() {
            return kInvalidArgument;
        }
        // SAFETY: not null, and by VST3's rules an id of 16 bytes.
        if unsafe { *class.cast::<[u8; 16]>() } != *self.info.cid {
            return kInvalidArgument;
        }
        guarded(kInternalError, || {
            let nice = Wrapper::new();
            let component = ComWrapper::new(Component {
                nice,
                changes: ComWrapper::new(ChangeFilter::default()),
                set_up: AtomicBool::new(false),
                tail: AtomicU32::new(0),
                outbox: Outbox::of_newborn().unwrap_or_default(),
                output_ids: output_ids(),
            });
            let Some(unknown) = component.as_com_ref::<FUnknown>() else {
                return kInternalError;
            };
            let unknown = unknown.as_ptr();
            // SAFETY: the component lives; the host gets a reference of its own, if it has the interface.
            unsafe { ((*(*unknown).vtbl).queryInterface)(unknown, interface.cast(), object) }
        })
    }
}

impl IPluginFactory2Trait for Factory {
    unsafe fn getClassInfo2(&self, index: int32, info: *mut PClassInfo2) -> tresult {
        self.describe(index, info, PluginInfo::create_class_info_2)
    }
}

impl IPluginFactory3Trait for Factory {
    unsafe fn getClassInfoUnicode(&self, index: int32, info: *mut PClassInfoW) -> tresult {
        self.describe(index, info, PluginInfo::create_class_info_unicode)
    }

    unsafe fn setHostContext(&self, _: *mut FUnknown) -> tresult {
        kResultOk
    }
}

/// What a VST3 host looks for in the library.
#[unsafe(no_mangle)]
pub extern "system" fn GetPluginFactory() -> *mut c_void {
    guarded(null_mut(), || {
        let factory = ComWrapper::new(Factory {
            info: PluginInfo::for_plugin::<Affekt>(),
        });
        factory
            .to_com_ptr::<IPluginFactory>()
            .map_or(null_mut(), |factory| factory.into_raw().cast())
    })
}

/// The library was loaded.
fn entered() -> bool {
    guarded(false, || {
        setup_logger::<Affekt>();
        true
    })
}

/// The host loads the library.
#[cfg(all(unix, not(target_os = "macos")))]
#[unsafe(no_mangle)]
pub extern "system" fn ModuleEntry(_: *mut c_void) -> bool {
    entered()
}

/// The host unloads the library.
#[cfg(all(unix, not(target_os = "macos")))]
#[unsafe(no_mangle)]
pub extern "system" fn ModuleExit() -> bool {
    true
}

/// The host loads the bundle.
#[cfg(target_os = "macos")]
#[unsafe(no_mangle)]
pub extern "system" fn bundleEntry(_: *mut c_void) -> bool {
    entered()
}

/// The host unloads the bundle.
#[cfg(target_os = "macos")]
#[unsafe(no_mangle)]
pub extern "system" fn bundleExit() -> bool {
    true
}

/// The host loads the library.
#[cfg(windows)]
#[unsafe(no_mangle)]
pub extern "system" fn InitDll() -> bool {
    entered()
}

/// The host unloads the library.
#[cfg(windows)]
#[unsafe(no_mangle)]
pub extern "system" fn ExitDll() -> bool {
    true
}

#[cfg(test)]
mod tests {
    use affekt_models::automation::{OUTPUTS, Pass, Settings};
    use affekt_models::timeline::Timeline;
    use affekt_models::{Model, SHIPPED_MODEL};
    use vst3::{ComPtr, Interface};

    use super::*;
    use crate::publish::parameter_id;
    use crate::testing::{awkward_samples, voice};

    const RATE_HZ: f64 = 44_100.0;
    const BLOCK: usize = 441;
    const REALTIME: int32 = 0;
    const OFFLINE: int32 = kOffline as int32;
    const AUDIO: int32 = 0;
    const STEREO: u64 = 3;
    const MONO: u64 = 1;
    /// Arousal and valence rest in the middle.
    const REST: [f32; 9] = [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.5, 0.5, 0.0];

    struct Hosted {
        component: ComPtr<IComponent>,
        processor: ComPtr<IAudioProcessor>,
        controller: ComPtr<IEditController>,
        /// What the blocks say of how they are processed, whatever the setup said.
        block_mode: int32,
        /// Where the plugin's messages go.
        inbox: Option<ComWrapper<Inbox>>,
    }

    impl Hosted {
        fn new() -> Self {
            // SAFETY: the factory and what it gives are used as VST3 wants it.
            unsafe {
                let factory = ComPtr::from_raw(GetPluginFactory().cast::<IPluginFactory>()).unwrap();
                let mut info: PClassInfo = std::mem::zeroed();
                assert_eq!(factory.getClassInfo(0, &mut info), kResultOk);
                let mut object = null_mut();
                let interface = IComponent::IID.as_ptr().cast();
                assert_eq!(
                    factory.createInstance(info.cid.as_ptr(), interface, &mut object),
                    kResultOk
                );
                let component = ComPtr::from_raw(object.cast::<IComponent>()).unwrap();
                assert_eq!(component.initialize(null_mut()), kResultOk);
                Self {
                    processor: component.cast().unwrap(),
                    controller: component.cast().unwrap(),
                    component,
                    block_mode: REALTIME,
                    inbox: None,
                }
            }
        }

        fn start(&self, mode: int32, arrangement: SpeakerArrangement) {
            let (mut input, mut output) = (arrangement, arrangement);
            let mut setup = ProcessSetup {
                processMode: mode,
                symbolicSampleSize: 0,
                maxSamplesPerBlock: BLOCK as int32,
                sampleRate: RATE_HZ,
            };
            // SAFETY: everything passed lives during the calls.
            unsafe {
                assert_eq!(
                    self.processor.setBusArrangements(&mut input, 1, &mut output, 1),
                    kResultOk
                );
                assert_eq!(self.processor.setupProcessing(&mut setup), kResultOk);
                for direction in [0, 1] {
                    assert_eq!(self.component.activateBus(AUDIO, direction, 0, 1), kResultOk);
                }
                assert_eq!(self.component.setActive(1), kResultOk);
                self.processor.setProcessing(1);
            }
        }

        /// Plays one block on `channels` channels and gives what comes out.
        fn block(&self, sound: &mut [f32], channels: usize, changes: *mut IParameterChanges) -> Vec<Vec<f32>> {
            let mut output = vec![vec![9.0; sound.len()]; channels];
            let mut inputs = vec![sound.as_mut_ptr(); channels];
            let mut outputs: Vec<*mut f32> = output.iter_mut().map(Vec::as_mut_ptr).collect();
            // SAFETY: zeros are valid for these structures, and all buffers live during the call.
            unsafe {
                let (mut input_bus, mut output_bus): (AudioBusBuffers, AudioBusBuffers) =
                    (std::mem::zeroed(), std::mem::zeroed());
                input_bus.numChannels = channels as int32;
                input_bus.__field0.channelBuffers32 = inputs.as_mut_ptr();
                output_bus.numChannels = channels as int32;
                output_bus.__field0.channelBuffers32 = outputs.as_mut_ptr();
                let mut data: ProcessData = std::mem::zeroed();
                data.processMode = self.block_mode;
                data.numSamples = sound.len() as int32;
                data.numInputs = 1;
                data.numOutputs = 1;
                data.inputs = &mut input_bus;
                data.outputs = &mut output_bus;
                data.inputParameterChanges = changes;
                if let Some(inbox) = &self.inbox {
                    data.outputParameterChanges = inbox.as_com_ref::<IParameterChanges>().unwrap().as_ptr();
                    data.outputEvents = inbox.as_com_ref::<IEventList>().unwrap().as_ptr();
                }
                assert_eq!(self.processor.process(&mut data), kResultOk);
            }
            output
        }

        fn values(&self) -> [f32; 9] {
            // SAFETY: a plain number.
            OUTPUTS.map(|output| unsafe { self.controller.getParamNormalized(parameter_id(output.name())) } as f32)
        }

        fn saved(&self) -> Vec<u8> {
            let memory = ComWrapper::new(Memory::default());
            let stream = memory.as_com_ref::<IBStream>().unwrap();
            // SAFETY: the stream lives during the call.
            let result = unsafe { IComponentTrait::getState(&self.component, stream.as_ptr()) };
            assert_eq!(result, kResultOk);
            memory.take()
        }
    }

    /// A host's changes: one parameter is set.
    struct OneChange {
        queue: ComWrapper<OneQueue>,
    }

    struct OneQueue {
        id: ParamID,
    }

    impl OneChange {
        fn of(id: ParamID) -> ComWrapper<Self> {
            ComWrapper::new(Self {
                queue: ComWrapper::new(OneQueue { id }),
            })
        }
    }

    impl Class for OneChange {
        type Interfaces = (IParameterChanges,);
    }

    impl IParameterChangesTrait for OneChange {
        unsafe fn getParameterCount(&self) -> int32 {
            1
        }

        unsafe fn getParameterData(&self, _: int32) -> *mut IParamValueQueue {
            self.queue.as_com_ref::<IParamValueQueue>().unwrap().as_ptr()
        }

        unsafe fn addParameterData(&self, _: *const ParamID, _: *mut int32) -> *mut IParamValueQueue {
            null_mut()
        }
    }

    impl Class for OneQueue {
        type Interfaces = (IParamValueQueue,);
    }

    impl IParamValueQueueTrait for OneQueue {
        unsafe fn getParameterId(&self) -> ParamID {
            self.id
        }

        unsafe fn getPointCount(&self) -> int32 {
            1
        }

        unsafe fn getPoint(&self, _: int32, offset: *mut int32, value: *mut ParamValue) -> tresult {
            // SAFETY: the plugin's to be written to.
            unsafe {
                *offset = 0;
                *value = 0.75;
            }
            kResultOk
        }

        unsafe fn addPoint(&self, _: int32, _: ParamValue, _: *mut int32) -> tresult {
            kResultFalse
        }
    }

    /// A host's lists for what the plugin sends.
    struct Inbox {
        shelf: Arc<Shelf>,
        queue: ComWrapper<ShelfQueue>,
    }

    struct ShelfQueue {
        shelf: Arc<Shelf>,
    }

    #[derive(Default)]
    struct Shelf {
        /// How many messages find room.
        room: Mutex<usize>,
        /// Offsets of the messages that were taken.
        points: Mutex<Vec<int32>>,
        events: Mutex<Vec<int32>>,
    }

    impl Shelf {
        fn take(&self, list: &Mutex<Vec<int32>>, offset: int32) -> tresult {
            let mut room = self.room.lock().unwrap();
            if *room == 0 {
                return kResultFalse;
            }
            *room -= 1;
            list.lock().unwrap().push(offset);
            kResultOk
        }
    }

    impl Inbox {
        fn of(shelf: &Arc<Shelf>) -> ComWrapper<Self> {
            let queue = ComWrapper::new(ShelfQueue { shelf: shelf.clone() });
            ComWrapper::new(Self {
                shelf: shelf.clone(),
                queue,
            })
        }
    }

    impl Class for Inbox {
        type Interfaces = (IParameterChanges, IEventList);
    }

    impl IParameterChangesTrait for Inbox {
        unsafe fn getParameterCount(&self) -> int32 {
            0
        }

        unsafe fn getParameterData(&self, _: int32) -> *mut IParamValueQueue {
            null_mut()
        }

        unsafe fn addParameterData(&self, _: *const ParamID, _: *mut int32) -> *mut IParamValueQueue {
            self.queue.as_com_ref::<IParamValueQueue>().unwrap().as_ptr()
        }
    }

    impl IEventListTrait for Inbox {
        unsafe fn getEventCount(&self) -> int32 {
            0
        }

        unsafe fn getEvent(&self, _: int32, _: *mut Event) -> tresult {
            kResultFalse
        }

        unsafe fn addEvent(&self, event: *mut Event) -> tresult {
            // SAFETY: the plugin's event.
            self.shelf.take(&self.shelf.events, unsafe { (*event).sampleOffset })
        }
    }

    impl Class for ShelfQueue {
        type Interfaces = (IParamValueQueue,);
    }

    impl IParamValueQueueTrait for ShelfQueue {
        unsafe fn getParameterId(&self) -> ParamID {
            0
        }

        unsafe fn getPointCount(&self) -> int32 {
            0
        }

        unsafe fn getPoint(&self, _: int32, _: *mut int32, _: *mut ParamValue) -> tresult {
            kResultFalse
        }

        unsafe fn addPoint(&self, offset: int32, _: ParamValue, _: *mut int32) -> tresult {
            self.shelf.take(&self.shelf.points, offset)
        }
    }

    #[test]
    fn what_the_host_has_no_room_for_comes_with_a_later_block() {
        let mut hosted = Hosted::new();
        let shelf = Arc::<Shelf>::default();
        hosted.inbox = Some(Inbox::of(&shelf));
        hosted.start(REALTIME, STEREO);
        let block = |room: usize, switched_on: Option<&str>| {
            *shelf.room.lock().unwrap() = room;
            let changes = switched_on.map(|name| OneChange::of(parameter_id(name)));
            let changes = changes
                .as_ref()
                .map(|changes| changes.as_com_ref::<IParameterChanges>().unwrap().as_ptr());
            // One control tick.
            hosted.block(&mut [0.0; 64], 2, changes.unwrap_or(null_mut()));
            let taken = |list: &Mutex<Vec<int32>>| std::mem::take(&mut *list.lock().unwrap());
            (taken(&shelf.points), taken(&shelf.events))
        };
        assert_eq!(block(0, Some("parameter-events")), (vec![], vec![]));
        assert_eq!(block(4, Some("angry-cc-on")), (vec![0; 4], vec![]));
        assert_eq!(block(99, None), (vec![0; 5], vec![0]));
        assert_eq!(block(99, None), (vec![], vec![]));
    }

    #[test]
    fn the_outputs_are_read_only_and_nothing_is_behind_the_last() {
        let hosted = Hosted::new();
        // SAFETY: zeros are a valid `ParameterInfo`, and that null is refused is what is tested.
        unsafe {
            let count = hosted.controller.getParameterCount();
            let mut info: ParameterInfo = std::mem::zeroed();
            for index in 0..9 {
                assert_eq!(hosted.controller.getParameterInfo(index, &mut info), kResultOk);
                assert!(is_output_id(info.id));
                assert_eq!(info.flags, kIsReadOnly);
                assert_eq!(info.stepCount, 0);
                assert_eq!(info.defaultNormalizedValue as f32, REST[index as usize]);
            }
            for index in 9..count {
                assert_eq!(hosted.controller.getParameterInfo(index, &mut info), kResultOk);
                assert_eq!(info.flags & kIsReadOnly, 0);
            }
            for index in [count, count + 1, -1, int32::MAX, int32::MIN] {
                assert_eq!(hosted.controller.getParameterInfo(index, &mut info), kInvalidArgument);
            }
            assert_eq!(hosted.controller.getParameterInfo(0, null_mut()), kInvalidArgument);
        }
    }

    #[test]
    fn the_host_cannot_set_an_output() {
        let hosted = Hosted::new();
        let angry = parameter_id("angry");
        // SAFETY: plain values.
        assert_eq!(unsafe { hosted.controller.setParamNormalized(angry, 0.75) }, kResultOk);
        assert_eq!(hosted.values(), REST);
        hosted.start(REALTIME, STEREO);
        let changes = OneChange::of(angry);
        let changes = changes.as_com_ref::<IParameterChanges>().unwrap();
        hosted.block(&mut [0.0; 8], 2, changes.as_ptr());
        assert_eq!(hosted.values(), REST);
        // A flush: no samples, so the plugin itself is not asked.
        hosted.block(&mut [], 2, changes.as_ptr());
        assert_eq!(hosted.values(), REST);
    }

    #[test]
    fn only_changes_of_outputs_are_filtered() {
        let filter = ComWrapper::new(ChangeFilter::default());
        let filtered = filter.as_com_ref::<IParameterChanges>().unwrap();
        // SAFETY: the host's changes live while the filter has them.
        unsafe {
            assert_eq!(filtered.getParameterCount(), 0);
            assert!(filtered.getParameterData(0).is_null());
            for (id, passes) in [(parameter_id("sad"), false), (parameter_id("response"), true)] {
                let changes = OneChange::of(id);
                filter.host.store(
                    changes.as_com_ref::<IParameterChanges>().unwrap().as_ptr(),
                    Ordering::Relaxed,
                );
                assert_eq!(filtered.getParameterCount(), 1);
                assert_eq!(!filtered.getParameterData(0).is_null(), passes);
            }
        }
    }

    #[test]
    fn an_offline_render_is_known_from_the_setup_and_from_its_blocks() {
        let mut sound = voice(RATE_HZ, 3.0);
        sound.extend(vec![0.0; 22_050]);
        let mut model = Model::from_bytes(SHIPPED_MODEL).unwrap();
        let timeline = Timeline::of(&mut model, &[&sound], RATE_HZ).unwrap();
        let expected = Pass::of_timeline(&timeline, RATE_HZ, 3.5, Settings::default()).last();
        for (setup, block_mode, arrangement, channels) in [
            (OFFLINE, REALTIME, MONO, 1),
            (OFFLINE, OFFLINE, STEREO, 2),
            (REALTIME, OFFLINE, MONO, 1),
        ] {
            let mut hosted = Hosted::new();
            hosted.start(setup, arrangement);
            hosted.block_mode = block_mode;
            for block in sound.chunks_mut(BLOCK) {
                let output = hosted.block(block, channels, null_mut());
                assert!(output.iter().all(|channel| channel == block));
            }
            // In real time, which nice-plug alone would take this for, hardly any result would be there yet.
            for (value, output) in hosted.values().into_iter().zip(OUTPUTS) {
                let expected = output.normalised(expected.output(output));
                assert!(
                    (value - expected).abs() < 1e-3,
                    "{output:?}: {value}, expected {expected}"
                );
            }
        }
    }

    #[test]
    fn sound_passes_bit_for_bit() {
        let bits = |samples: &[f32]| samples.iter().map(|sample| sample.to_bits()).collect::<Vec<_>>();
        for (arrangement, channels) in [(MONO, 1), (STEREO, 2)] {
            let hosted = Hosted::new();
            hosted.start(REALTIME, arrangement);
            for channel in hosted.block(&mut awkward_samples(), channels, null_mut()) {
                assert_eq!(bits(&channel), bits(&awkward_samples()));
            }
        }
    }

    #[test]
    fn the_host_calls_until_the_values_rest() {
        // Values go on changing after the sound: they fade, and are smoothed.
        let hosted = Hosted::new();
        // SAFETY: takes nothing.
        let tail = || unsafe { hosted.processor.getTailSamples() };
        assert_eq!(tail(), 0);
        hosted.start(REALTIME, STEREO);
        let samples = (TAIL_S * RATE_HZ) as u32;
        assert_eq!(tail(), samples);
        hosted.block(&mut [0.0; 8], 2, null_mut());
        assert_eq!(tail(), samples);
    }

    #[test]
    fn the_state_has_no_outputs() {
        let hosted = Hosted::new();
        let before = hosted.saved();
        assert!(!String::from_utf8_lossy(&before).contains("\"angry\":"));
        hosted.start(OFFLINE, STEREO);
        for block in voice(RATE_HZ, 2.0).chunks_mut(BLOCK) {
            hosted.block(block, 2, null_mut());
        }
        assert_ne!(hosted.values(), REST);
        assert_eq!(hosted.saved(), before);
    }

    #[test]
    fn nonsense_is_refused() {
        let hosted = Hosted::new();
        // SAFETY: that null and calls out of order are refused is what is tested.
        unsafe {
            let mut data: ProcessData = std::mem::zeroed();
            assert_eq!(hosted.processor.process(&mut data), kNotInitialized);
            assert_eq!(hosted.processor.process(null_mut()), kInvalidArgument);
            assert_eq!(hosted.processor.setupProcessing(null_mut()), kInvalidArgument);
            assert_eq!(
                IComponentTrait::getState(&hosted.component, null_mut()),
                kInvalidArgument
            );
            let factory = ComPtr::from_raw(GetPluginFactory().cast::<IPluginFactory>()).unwrap();
            let mut object = null_mut();
            let mut info: PClassInfo = std::mem::zeroed();
            assert_eq!(factory.getClassInfo(1, &mut info), kInvalidArgument);
            assert_eq!(factory.getClassInfo(-1, &mut info), kInvalidArgument);
            assert_eq!(factory.getClassInfo(0, null_mut()), kInvalidArgument);
            let interface = IComponent::IID.as_ptr().cast();
            assert_eq!(
                factory.createInstance([0; 16].as_ptr(), interface, &mut object),
                kInvalidArgument
            );
            assert_eq!(
                factory.createInstance(std::ptr::null(), interface, &mut object),
                kInvalidArgument
            );
        }
    }
}
