//! The CLAP entry point. Each instance is nice-plug's plugin object with some of its functions replaced: outputs are
//! read-only, are not saved, and cannot be set by the host.

use std::cell::{Cell, RefCell};
use std::ffi::{CStr, c_char, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{null, null_mut};
use std::sync::{Arc, OnceLock};

use clap_sys::entry::clap_plugin_entry;
use clap_sys::events::{
    CLAP_CORE_EVENT_SPACE_ID, CLAP_EVENT_DONT_RECORD, CLAP_EVENT_MIDI, CLAP_EVENT_PARAM_MOD, CLAP_EVENT_PARAM_VALUE,
    clap_event_header, clap_event_midi, clap_event_param_mod, clap_event_param_value, clap_input_events,
    clap_output_events,
};
use clap_sys::ext::gui::CLAP_EXT_GUI;
use clap_sys::ext::params::{
    CLAP_EXT_PARAMS, CLAP_PARAM_IS_AUTOMATABLE, CLAP_PARAM_IS_MODULATABLE, CLAP_PARAM_IS_READONLY, clap_param_info,
    clap_plugin_params,
};
use clap_sys::ext::render::{CLAP_EXT_RENDER, CLAP_RENDER_OFFLINE, clap_plugin_render, clap_plugin_render_mode};
use clap_sys::ext::state::{CLAP_EXT_STATE, clap_plugin_state};
use clap_sys::factory::plugin_factory::{CLAP_PLUGIN_FACTORY_ID, clap_plugin_factory};
use clap_sys::host::clap_host;
use clap_sys::plugin::{clap_plugin, clap_plugin_descriptor};
use clap_sys::process::{CLAP_PROCESS_ERROR, clap_process, clap_process_status};
use clap_sys::stream::{clap_istream, clap_ostream};
use clap_sys::version::CLAP_VERSION;
use nice_plug::wrapper::clap::{PluginDescriptor, Wrapper};
use nice_plug::wrapper::setup_logger;

use super::state::{readable, without_outputs};
use super::{is_output_id, output_ids};
use crate::Affekt;
use crate::outbox::{Message, Outbox};

/// A space of events that nobody knows, so that nice-plug passes over them.
const NO_EVENT_SPACE: u16 = u16::MAX;

/// Length of the number that nice-plug writes before the state: the state's length.
const LENGTH_BYTES: usize = size_of::<u64>();

/// Most bytes that are read of a state: a thousand times what a state of ours has.
const MOST_STATE_BYTES: usize = 16 << 20;

/// One instance: what the host calls, and what of nice-plug's stands behind it.
#[repr(C)]
struct Instance {
    /// What the host sees. The first field, so that the host's pointer to it is one to the whole. Its `plugin_data` is
    /// nice-plug's own, so that nice-plug's functions can be called with it.
    plugin: clap_plugin,
    host: *const clap_host,
    nice_plugin: clap_plugin,
    nice_params: clap_plugin_params,
    params: clap_plugin_params,
    nice_state: clap_plugin_state,
    state: clap_plugin_state,
    render: clap_plugin_render,
    outbox: Arc<Outbox>,
    /// Ids of the outputs' parameters.
    output_ids: [u32; 9],
}

impl Instance {
    /// # Safety
    /// `host` is the host's, and lives until the instance is destroyed.
    unsafe fn create(host: *const clap_host) -> Option<*const clap_plugin> {
        // SAFETY: the caller's promise is the one that is asked for.
        let wrapper = Arc::into_raw(unsafe { Wrapper::<Affekt>::new(host) });
        // SAFETY: just made and kept alive by the reference that `destroy` gives back; nobody else knows it yet.
        let nice_plugin = unsafe { (*wrapper).clap_plugin.as_ptr() };
        // SAFETY: the pointer is to a live plugin object, and the extensions are those of the names.
        let (vtable, params, state, render) = unsafe {
            let get_extension = (*nice_plugin).get_extension?;
            let params = get_extension(nice_plugin, CLAP_EXT_PARAMS.as_ptr()).cast::<clap_plugin_params>();
            let state = get_extension(nice_plugin, CLAP_EXT_STATE.as_ptr()).cast::<clap_plugin_state>();
            let render = get_extension(nice_plugin, CLAP_EXT_RENDER.as_ptr()).cast::<clap_plugin_render>();
            (*nice_plugin, *params.as_ref()?, *state.as_ref()?, *render.as_ref()?)
        };
        let instance = Box::new(Self {
            plugin: clap_plugin {
                destroy: Some(destroy),
                process: Some(process),
                get_extension: Some(get_extension),
                ..vtable
            },
            host,
            nice_plugin: vtable,
            nice_params: params,
            params: clap_plugin_params {
                get_info: Some(get_info),
                flush: Some(flush),
                ..params
            },
            nice_state: state,
            state: clap_plugin_state {
                save: Some(save),
                load: Some(load),
            },
            render: clap_plugin_render {
                set: Some(set_render),
                ..render
            },
            outbox: Outbox::of_newborn().unwrap_or_default(),
            output_ids: output_ids(),
        });
        Some(Box::into_raw(instance).cast_const().cast())
    }

    /// # Safety
    /// `plugin` is null or came from [`Instance::create`] and is not destroyed.
    unsafe fn of<'a>(plugin: *const clap_plugin) -> Option<&'a Self> {
        // SAFETY: the caller's promise, and the plugin is the instance's first field.
        unsafe { plugin.cast::<Self>().as_ref() }
    }
}

unsafe extern "C" fn destroy(plugin: *const clap_plugin) {
    // SAFETY: the host passes what it got from `create`.
    let Some(instance) = (unsafe { Instance::of(plugin) }) else {
        return;
    };
    if let Some(destroy) = instance.nice_plugin.destroy {
        // SAFETY: `plugin_data` is nice-plug's, and the host destroys once.
        unsafe { destroy(plugin) };
    }
    // SAFETY: it was boxed in `create`, and this is the last use.
    drop(unsafe { Box::from_raw(plugin.cast_mut().cast::<Instance>()) });
}

unsafe extern "C" fn process(plugin: *const clap_plugin, process: *const clap_process) -> clap_process_status {
    // SAFETY: the host passes what it got from `create`, and a block that lives during the call.
    let (Some(instance), Some(block)) = (unsafe { (Instance::of(plugin), process.as_ref()) }) else {
        return CLAP_PROCESS_ERROR;
    };
    let Some(process) = instance.nice_plugin.process else {
        return CLAP_PROCESS_ERROR;
    };
    let filter = EventFilter::new(block.in_events);
    let events = filter.events();
    let block = clap_process {
        in_events: if block.in_events.is_null() { null() } else { &events },
        ..*block
    };
    instance.outbox.begin();
    // SAFETY: the block is the host's but for the events, which live until the end of this function.
    let status = unsafe { process(plugin, &block) };
    // SAFETY: null or the host's list, which lives during the call.
    if let Some(list) = unsafe { block.out_events.as_ref() } {
        instance.send_messages(list);
    }
    status
}

unsafe extern "C" fn get_extension(plugin: *const clap_plugin, id: *const c_char) -> *const c_void {
    // SAFETY: the host passes what it got from `create`.
    let Some(instance) = (unsafe { Instance::of(plugin) }) else {
        return null();
    };
    if id.is_null() {
        return null();
    }
    // SAFETY: not null, and a string by CLAP's rules.
    let name = unsafe { CStr::from_ptr(id) };
    if name == CLAP_EXT_PARAMS {
        return (&raw const instance.params).cast();
    }
    if name == CLAP_EXT_STATE {
        return (&raw const instance.state).cast();
    }
    if name == CLAP_EXT_RENDER {
        return (&raw const instance.render).cast();
    }
    // nice-plug takes it that who asks for the window has what a window needs.
    if name == CLAP_EXT_GUI && !instance.host_has(CLAP_EXT_GUI) {
        return null();
    }
    // SAFETY: `plugin_data` is nice-plug's.
    instance
        .nice_plugin
        .get_extension
        .map_or(null(), |get_extension| unsafe { get_extension(plugin, id) })
}

impl Instance {
    /// Hands what the plugin has put into its outbox to the host, in the order of time.
    fn send_messages(&self, list: &clap_output_events) {
        let Some(try_push) = list.try_push else { return };
        let header = |size: usize, type_: u16, time: u32, flags: u32| clap_event_header {
            size: size as u32,
            time,
            space_id: CLAP_CORE_EVENT_SPACE_ID,
            type_,
            flags,
        };
        while let Some((time, message)) = self.outbox.take() {
            let taken = match message {
                Message::Parameter(place, value) => {
                    let event = clap_event_param_value {
                        // What is heard is no automation that the user writes.
                        header: header(
                            size_of::<clap_event_param_value>(),
                            CLAP_EVENT_PARAM_VALUE,
                            time,
                            CLAP_EVENT_DONT_RECORD,
                        ),
                        param_id: self.output_ids[place],
                        cookie: null_mut(),
                        note_id: -1,
                        port_index: -1,
                        channel: -1,
                        key: -1,
                        value: f64::from(value),
                    };
                    // SAFETY: the list is the host's; it copies the event, which lives during the call.
                    unsafe { try_push(list, &event.header) }
                }
                Message::Controller(_, controller) => {
                    /// A control change on the first channel.
                    const CONTROL_CHANGE: u8 = 0xB0;
                    let event = clap_event_midi {
                        header: header(size_of::<clap_event_midi>(), CLAP_EVENT_MIDI, time, 0),
                        port_index: 0,
                        data: [CONTROL_CHANGE | controller.channel, controller.number, controller.value],
                    };
                    // SAFETY: as above.
                    unsafe { try_push(list, &event.header) }
                }
            };
            if !taken {
                self.outbox.refuse(message);
            }
        }
    }

    fn host_has(&self, extension: &CStr) -> bool {
        // SAFETY: the host outlives its plugins; asking for extensions is allowed from `init` on, which is before the
        // host asks for ours.
        unsafe {
            let get_extension = self.host.as_ref().and_then(|host| host.get_extension);
            get_extension.is_some_and(|get_extension| !get_extension(self.host, extension.as_ptr()).is_null())
        }
    }
}

unsafe extern "C" fn get_info(plugin: *const clap_plugin, index: u32, info: *mut clap_param_info) -> bool {
    // SAFETY: the host passes what it got from `create`.
    let Some(instance) = (unsafe { Instance::of(plugin) }) else {
        return false;
    };
    let (Some(count), Some(get_info)) = (instance.nice_params.count, instance.nice_params.get_info) else {
        return false;
    };
    // nice-plug 0.4.2 lets the index behind the last one through, and fails at it.
    // SAFETY: `plugin_data` is nice-plug's; it writes to `info`, and checks it for null.
    let filled = unsafe { index < count(plugin) && get_info(plugin, index, info) };
    if !filled {
        return false;
    }
    // SAFETY: it was just filled in, so it is not null.
    let info = unsafe { info.as_mut() };
    if let Some(info) = info.filter(|info| is_output_id(info.id)) {
        info.flags &= !(CLAP_PARAM_IS_AUTOMATABLE | CLAP_PARAM_IS_MODULATABLE);
        info.flags |= CLAP_PARAM_IS_READONLY;
    }
    true
}

unsafe extern "C" fn flush(
    plugin: *const clap_plugin,
    input: *const clap_input_events,
    output: *const clap_output_events,
) {
    // SAFETY: the host passes what it got from `create`.
    let Some(instance) = (unsafe { Instance::of(plugin) }) else {
        return;
    };
    let Some(flush) = instance.nice_params.flush else {
        return;
    };
    let filter = EventFilter::new(input);
    let events = filter.events();
    // SAFETY: `plugin_data` is nice-plug's, and the events live until the end of this function.
    unsafe { flush(plugin, if input.is_null() { null() } else { &events }, output) };
}

unsafe extern "C" fn save(plugin: *const clap_plugin, stream: *const clap_ostream) -> bool {
    // SAFETY: the host passes what it got from `create`, and a stream that lives during the call.
    let (Some(instance), Some(host_stream)) = (unsafe { (Instance::of(plugin), stream.as_ref()) }) else {
        return false;
    };
    let Some(save) = instance.nice_state.save else {
        return false;
    };
    let saved = RefCell::new(Vec::new());
    let collector = clap_ostream {
        ctx: (&raw const saved).cast_mut().cast(),
        write: Some(collect),
    };
    // SAFETY: `plugin_data` is nice-plug's, and the stream lives during the call.
    if !unsafe { save(plugin, &collector) } {
        return false;
    }
    let saved = saved.into_inner();
    let stripped = catch_unwind(|| without_outputs(saved.get(LENGTH_BYTES..)?));
    let Ok(Some(state)) = stripped else { return false };
    write(host_stream, &(state.len() as u64).to_le_bytes()) && write(host_stream, &state)
}

unsafe extern "C" fn load(plugin: *const clap_plugin, stream: *const clap_istream) -> bool {
    // SAFETY: the host passes what it got from `create`, and a stream that lives during the call.
    let (Some(instance), Some(host_stream)) = (unsafe { (Instance::of(plugin), stream.as_ref()) }) else {
        return false;
    };
    let Some(load) = instance.nice_state.load else {
        return false;
    };
    let readable = catch_unwind(|| {
        let saved = read_all(host_stream)?;
        // Any byte of the length may look like the state's beginning. A state that has lost it is read all the same.
        let state = saved.get(LENGTH_BYTES..).and_then(readable);
        state.or_else(|| readable(&saved))
    });
    let Ok(Some(state)) = readable else { return false };
    let saved = [&(state.len() as u64).to_le_bytes(), state.as_slice()].concat();
    let rest = Cell::new(saved.as_slice());
    let stream = clap_istream {
        ctx: (&raw const rest).cast_mut().cast(),
        read: Some(give),
    };
    // SAFETY: `plugin_data` is nice-plug's, and the stream lives during the call.
    unsafe { load(plugin, &stream) }
}

/// Holds from the next block on, so the plugin needs no restart, for which nice-plug would ask: a host in the middle of a
/// bounce may not do it.
unsafe extern "C" fn set_render(plugin: *const clap_plugin, mode: clap_plugin_render_mode) -> bool {
    // SAFETY: the host passes what it got from `create`.
    let Some(instance) = (unsafe { Instance::of(plugin) }) else {
        return false;
    };
    instance.outbox.set_offline(mode == CLAP_RENDER_OFFLINE);
    true
}

/// Everything that is in a stream; `None` if it fails or is larger than any state of ours.
fn read_all(stream: &clap_istream) -> Option<Vec<u8>> {
    let read = stream.read?;
    let mut bytes = Vec::new();
    let mut piece = [0_u8; 4_096];
    loop {
        // SAFETY: the stream is the host's, and the piece has room for so many bytes.
        let length = unsafe { read(stream, piece.as_mut_ptr().cast(), piece.len() as u64) };
        match usize::try_from(length) {
            Ok(0) => return Some(bytes),
            Ok(length) if length <= piece.len() => bytes.extend_from_slice(&piece[..length]),
            _ => return None,
        }
        if bytes.len() > MOST_STATE_BYTES {
            return None;
        }
    }
}

/// A stream's `read` that takes from the `Cell<&[u8]>` of its context.
unsafe extern "C" fn give(stream: *const clap_istream, buffer: *mut c_void, size: u64) -> i64 {
    // SAFETY: only `load` makes such a stream, and its context outlives it.
    let rest = unsafe { &*(*stream).ctx.cast::<Cell<&[u8]>>() };
    let bytes = rest.get();
    let length = bytes.len().min(usize::try_from(size).unwrap_or(usize::MAX));
    let (given, left) = bytes.split_at(length);
    // SAFETY: the buffer has room for `size` bytes, which is at least `length`.
    unsafe { buffer.cast::<u8>().copy_from_nonoverlapping(given.as_ptr(), length) };
    rest.set(left);
    length as i64
}

/// A stream's `write` that appends to the `RefCell<Vec<u8>>` of its context.
unsafe extern "C" fn collect(stream: *const clap_ostream, bytes: *const c_void, size: u64) -> i64 {
    // SAFETY: only `save` makes such a stream, and its context outlives it.
    let collected = unsafe { &*(*stream).ctx.cast::<RefCell<Vec<u8>>>() };
    if size > 0 {
        // SAFETY: by CLAP's rules there are so many bytes.
        collected
            .borrow_mut()
            .extend_from_slice(unsafe { std::slice::from_raw_parts(bytes.cast(), size as usize) });
    }
    size as i64
}

/// Writes everything, in as many pieces as the host wants; `false` if it wants no more.
fn write(stream: &clap_ostream, mut bytes: &[u8]) -> bool {
    let Some(write) = stream.write else { return false };
    while !bytes.is_empty() {
        // SAFETY: the stream is the host's, and the length is that of the bytes.
        let written = unsafe { write(stream, bytes.as_ptr().cast(), bytes.len() as u64) };
        match usize::try_from(written) {
            Ok(written) if (1..=bytes.len()).contains(&written) => bytes = &bytes[written..],
            _ => return false,
        }
    }
    true
}

/// The host's events without those that would set an output. Such an event becomes one that means nothing, so that the
/// others keep their numbers.
struct EventFilter {
    host: *const clap_input_events,
    silenced: Cell<clap_event_header>,
}

impl EventFilter {
    fn new(host: *const clap_input_events) -> Self {
        let header = clap_event_header {
            size: size_of::<clap_event_header>() as u32,
            time: 0,
            space_id: NO_EVENT_SPACE,
            type_: 0,
            flags: 0,
        };
        Self {
            host,
            silenced: Cell::new(header),
        }
    }

    /// The list to pass on. It points to `self`.
    fn events(&self) -> clap_input_events {
        clap_input_events {
            ctx: (&raw const *self).cast_mut().cast(),
            size: Some(filtered_size),
            get: Some(filtered_get),
        }
    }
}

unsafe extern "C" fn filtered_size(list: *const clap_input_events) -> u32 {
    // SAFETY: only `EventFilter::events` makes such a list, whose context outlives it, and only of a list that is not null.
    unsafe {
        let host = (*(*list).ctx.cast::<EventFilter>()).host;
        (*host).size.map_or(0, |size| size(host))
    }
}

unsafe extern "C" fn filtered_get(list: *const clap_input_events, index: u32) -> *const clap_event_header {
    // SAFETY: as above.
    let (filter, event) = unsafe {
        let filter = &*(*list).ctx.cast::<EventFilter>();
        (filter, (*filter.host).get.map_or(null(), |get| get(filter.host, index)))
    };
    // SAFETY: the host's events live during the call, and the type says which one it is.
    let output = unsafe {
        event
            .as_ref()
            .is_some_and(|header| match (header.space_id, header.type_) {
                (CLAP_CORE_EVENT_SPACE_ID, CLAP_EVENT_PARAM_VALUE) => {
                    is_output_id((*event.cast::<clap_event_param_value>()).param_id)
                }
                (CLAP_CORE_EVENT_SPACE_ID, CLAP_EVENT_PARAM_MOD) => {
                    is_output_id((*event.cast::<clap_event_param_mod>()).param_id)
                }
                _ => false,
            })
    };
    if !output {
        return event;
    }
    // SAFETY: not null, or it would be no output.
    let time = unsafe { (*event).time };
    filter.silenced.set(clap_event_header {
        time,
        ..filter.silenced.get()
    });
    filter.silenced.as_ptr()
}

fn descriptor() -> &'static PluginDescriptor {
    static DESCRIPTOR: OnceLock<PluginDescriptor> = OnceLock::new();
    DESCRIPTOR.get_or_init(PluginDescriptor::for_plugin::<Affekt>)
}

unsafe extern "C" fn plugin_count(_: *const clap_plugin_factory) -> u32 {
    1
}

unsafe extern "C" fn plugin_descriptor(_: *const clap_plugin_factory, index: u32) -> *const clap_plugin_descriptor {
    if index == 0 {
        descriptor().clap_plugin_descriptor()
    } else {
        null()
    }
}

unsafe extern "C" fn create_plugin(
    _: *const clap_plugin_factory,
    host: *const clap_host,
    id: *const c_char,
) -> *const clap_plugin {
    // SAFETY: not null, and a string by CLAP's rules.
    if host.is_null() || id.is_null() || unsafe { CStr::from_ptr(id) } != descriptor().clap_id() {
        return null();
    }
    // SAFETY: by CLAP's rules the host outlives its plugins.
    let created = catch_unwind(AssertUnwindSafe(|| unsafe { Instance::create(host) }));
    created.ok().flatten().unwrap_or(null())
}

static FACTORY: clap_plugin_factory = clap_plugin_factory {
    get_plugin_count: Some(plugin_count),
    get_plugin_descriptor: Some(plugin_descriptor),
    create_plugin: Some(create_plugin),
};

unsafe extern "C" fn init(_: *const c_char) -> bool {
    catch_unwind(setup_logger::<Affekt>).is_ok()
}

unsafe extern "C" fn deinit() {}

unsafe extern "C" fn get_factory(id: *const c_char) -> *const c_void {
    // SAFETY: not null, and a string by CLAP's rules.
    if !id.is_null() && unsafe { CStr::from_ptr(id) } == CLAP_PLUGIN_FACTORY_ID {
        (&raw const FACTORY).cast()
    } else {
        null()
    }
}

/// What a CLAP host looks for in the library.
#[allow(non_upper_case_globals)]
#[unsafe(no_mangle)]
pub static clap_entry: clap_plugin_entry = clap_plugin_entry {
    clap_version: CLAP_VERSION,
    init: Some(init),
    deinit: Some(deinit),
    get_factory: Some(get_factory),
};

#[cfg(test)]
mod tests {
    use clap_sys::audio_buffer::clap_audio_buffer;
    use clap_sys::ext::gui::CLAP_EXT_GUI;
    use clap_sys::process::CLAP_PROCESS_CONTINUE;

    use affekt_models::automation::OUTPUTS;

    use super::*;
    use crate::publish::parameter_id;
    use crate::testing::{awkward_samples, voice};

    const RATE_HZ: f64 = 48_000.0;
    const BLOCK: usize = 512;
    /// Arousal and valence rest in the middle.
    const REST: [f64; 9] = [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.5, 0.5, 0.0];

    unsafe extern "C" fn no_extension(_: *const clap_host, _: *const c_char) -> *const c_void {
        null()
    }

    unsafe extern "C" fn nothing(_: *const clap_host) {}

    static HOST: clap_host = clap_host {
        clap_version: CLAP_VERSION,
        host_data: null_mut(),
        name: c"test".as_ptr(),
        vendor: c"".as_ptr(),
        url: c"".as_ptr(),
        version: c"".as_ptr(),
        get_extension: Some(no_extension),
        request_restart: Some(nothing),
        request_process: Some(nothing),
        request_callback: Some(nothing),
    };

    /// An instance in a host without any extensions.
    struct Hosted {
        plugin: *const clap_plugin,
    }

    impl Hosted {
        fn new() -> Self {
            // SAFETY: the factory and what it gives are used as CLAP wants it.
            unsafe {
                assert!(clap_entry.init.unwrap()(c"/nowhere".as_ptr()));
                let factory: *const clap_plugin_factory =
                    clap_entry.get_factory.unwrap()(CLAP_PLUGIN_FACTORY_ID.as_ptr()).cast();
                let descriptor = (*factory).get_plugin_descriptor.unwrap()(factory, 0);
                let plugin = (*factory).create_plugin.unwrap()(factory, &HOST, (*descriptor).id);
                assert!((*plugin).init.unwrap()(plugin));
                Self { plugin }
            }
        }

        fn extension<T>(&self, id: &CStr) -> *const T {
            // SAFETY: the plugin lives as long as `self`.
            unsafe { (*self.plugin).get_extension.unwrap()(self.plugin, id.as_ptr()).cast() }
        }

        fn values(&self) -> [f64; 9] {
            let params: *const clap_plugin_params = self.extension(CLAP_EXT_PARAMS);
            OUTPUTS.map(|output| {
                let mut value = f64::NAN;
                // SAFETY: as above; the extension lives as long as the plugin.
                assert!(unsafe { (*params).get_value.unwrap()(self.plugin, parameter_id(output.name()), &mut value) });
                value
            })
        }

        fn render(&self, mode: clap_plugin_render_mode) {
            let render: *const clap_plugin_render = self.extension(CLAP_EXT_RENDER);
            // SAFETY: as above.
            assert!(unsafe { (*render).set.unwrap()(self.plugin, mode) });
        }

        fn start(&self, offline: bool) {
            if offline {
                self.render(CLAP_RENDER_OFFLINE);
            }
            // SAFETY: as above.
            unsafe {
                assert!((*self.plugin).activate.unwrap()(self.plugin, RATE_HZ, 1, BLOCK as u32));
                assert!((*self.plugin).start_processing.unwrap()(self.plugin));
            }
        }

        /// Plays one stereo block and gives what comes out.
        fn block(&self, sound: &mut [f32], events: *const clap_input_events) -> [Vec<f32>; 2] {
            self.block_to(sound, events, null())
        }

        /// The same; what the plugin sends goes to `list`.
        fn block_to(
            &self,
            sound: &mut [f32],
            events: *const clap_input_events,
            list: *const clap_output_events,
        ) -> [Vec<f32>; 2] {
            let mut output = [vec![9.0; sound.len()], vec![9.0; sound.len()]];
            let mut inputs = [sound.as_mut_ptr(), sound.as_mut_ptr()];
            let mut outputs = [output[0].as_mut_ptr(), output[1].as_mut_ptr()];
            let port = |channels: &mut [*mut f32; 2]| clap_audio_buffer {
                data32: channels.as_mut_ptr(),
                data64: null_mut(),
                channel_count: 2,
                latency: 0,
                constant_mask: 0,
            };
            let (input, mut outputs) = (port(&mut inputs), port(&mut outputs));
            let block = clap_process {
                steady_time: -1,
                frames_count: sound.len() as u32,
                transport: null(),
                audio_inputs: &input,
                audio_outputs: &mut outputs,
                audio_inputs_count: 1,
                audio_outputs_count: 1,
                in_events: events,
                out_events: list,
            };
            // SAFETY: buffers and events live during the call.
            let status = unsafe { (*self.plugin).process.unwrap()(self.plugin, &block) };
            assert_eq!(status, CLAP_PROCESS_CONTINUE, "values move on after the sound");
            output
        }

        fn saved(&self) -> Vec<u8> {
            let state: *const clap_plugin_state = self.extension(CLAP_EXT_STATE);
            let bytes = RefCell::new(Vec::new());
            let stream = clap_ostream {
                ctx: (&raw const bytes).cast_mut().cast(),
                write: Some(collect),
            };
            // SAFETY: the stream lives during the call.
            assert!(unsafe { (*state).save.unwrap()(self.plugin, &stream) });
            bytes.into_inner()
        }

        fn load(&self, mut bytes: Vec<u8>) -> bool {
            let stream = clap_istream {
                ctx: (&raw mut bytes).cast(),
                read: Some(read),
            };
            let state: *const clap_plugin_state = self.extension(CLAP_EXT_STATE);
            // SAFETY: the stream lives during the call.
            unsafe { (*state).load.unwrap()(self.plugin, &stream) }
        }
    }

    impl Drop for Hosted {
        fn drop(&mut self) {
            // SAFETY: nothing uses the plugin any more.
            unsafe { (*self.plugin).destroy.unwrap()(self.plugin) };
        }
    }

    unsafe extern "C" fn one(_: *const clap_input_events) -> u32 {
        1
    }

    unsafe extern "C" fn first(list: *const clap_input_events, _: u32) -> *const clap_event_header {
        // SAFETY: the context is the event.
        unsafe { (*list).ctx.cast_const().cast() }
    }

    fn set_value(id: u32, value: f64) -> clap_event_param_value {
        clap_event_param_value {
            header: clap_event_header {
                size: size_of::<clap_event_param_value>() as u32,
                time: 3,
                space_id: CLAP_CORE_EVENT_SPACE_ID,
                type_: CLAP_EVENT_PARAM_VALUE,
                flags: 0,
            },
            param_id: id,
            cookie: null_mut(),
            note_id: -1,
            port_index: -1,
            channel: -1,
            key: -1,
            value,
        }
    }

    /// A host's list for what the plugin sends.
    #[derive(Default)]
    struct Inbox {
        /// How many events find room.
        room: Cell<usize>,
        /// Times and types of the events that were taken.
        taken: RefCell<Vec<(u32, u16)>>,
    }

    unsafe extern "C" fn take_in(list: *const clap_output_events, event: *const clap_event_header) -> bool {
        // SAFETY: the context is the inbox, and the event the plugin's.
        let (inbox, event) = unsafe { (&*(*list).ctx.cast::<Inbox>(), &*event) };
        if inbox.room.get() == 0 {
            return false;
        }
        inbox.room.set(inbox.room.get() - 1);
        inbox.taken.borrow_mut().push((event.time, event.type_));
        true
    }

    #[test]
    fn what_the_host_has_no_room_for_comes_with_a_later_block() {
        let hosted = Hosted::new();
        hosted.start(false);
        let inbox = Inbox::default();
        let list = clap_output_events {
            ctx: (&raw const inbox).cast_mut().cast(),
            try_push: Some(take_in),
        };
        let block = |room: usize, switched_on: Option<&str>| {
            inbox.room.set(room);
            let mut event = set_value(parameter_id(switched_on.unwrap_or_default()), 1.0);
            let events = clap_input_events {
                ctx: (&raw mut event).cast(),
                size: Some(one),
                get: Some(first),
            };
            let events = if switched_on.is_some() {
                &raw const events
            } else {
                null()
            };
            // One control tick.
            hosted.block_to(&mut [0.0; 64], events, &list);
            inbox.taken.take()
        };
        let (point, controller) = ((0, CLAP_EVENT_PARAM_VALUE), (0, CLAP_EVENT_MIDI));
        assert_eq!(block(0, Some("parameter-events")), []);
        assert_eq!(block(4, Some("angry-cc-on")), [point; 4]);
        assert_eq!(block(99, None), [point, point, point, point, point, controller]);
        assert_eq!(block(99, None), []);
    }

    #[test]
    fn the_outputs_are_read_only_and_nothing_is_behind_the_last() {
        let hosted = Hosted::new();
        let params: *const clap_plugin_params = hosted.extension(CLAP_EXT_PARAMS);
        // SAFETY: the extension lives as long as the plugin, and zeros are a valid `clap_param_info`.
        unsafe {
            let count = (*params).count.unwrap()(hosted.plugin);
            for index in 0..9 {
                let mut info: clap_param_info = std::mem::zeroed();
                assert!((*params).get_info.unwrap()(hosted.plugin, index, &mut info));
                assert!(is_output_id(info.id), "{:?}", CStr::from_ptr(info.name.as_ptr()));
                assert_eq!(info.flags, CLAP_PARAM_IS_READONLY);
                assert_eq!((info.min_value, info.max_value), (0.0, 1.0));
                assert_eq!(info.default_value, REST[index as usize]);
            }
            for index in 9..count {
                let mut info: clap_param_info = std::mem::zeroed();
                assert!((*params).get_info.unwrap()(hosted.plugin, index, &mut info));
                assert_eq!(info.flags & CLAP_PARAM_IS_READONLY, 0);
            }
            let mut info: clap_param_info = std::mem::zeroed();
            for index in [count, count + 1, u32::MAX] {
                assert!(!(*params).get_info.unwrap()(hosted.plugin, index, &mut info));
            }
            assert!(!(*params).get_info.unwrap()(hosted.plugin, 0, null_mut()));
        }
    }

    #[test]
    fn the_host_cannot_set_an_output() {
        let hosted = Hosted::new();
        let mut event = set_value(parameter_id("angry"), 0.75);
        let events = clap_input_events {
            ctx: (&raw mut event).cast(),
            size: Some(one),
            get: Some(first),
        };
        let params: *const clap_plugin_params = hosted.extension(CLAP_EXT_PARAMS);
        // SAFETY: the events live during the call.
        unsafe { (*params).flush.unwrap()(hosted.plugin, &events, null()) };
        assert_eq!(hosted.values(), REST);
        hosted.start(false);
        hosted.block(&mut [0.0; 8], &events);
        assert_eq!(hosted.values(), REST);
    }

    #[test]
    fn only_events_of_outputs_are_silenced() {
        for (id, silenced) in [(parameter_id("sad"), true), (parameter_id("response"), false)] {
            let mut event = set_value(id, 0.5);
            let host = clap_input_events {
                ctx: (&raw mut event).cast(),
                size: Some(one),
                get: Some(first),
            };
            let filter = EventFilter::new(&host);
            let events = filter.events();
            // SAFETY: list, filter and event live.
            unsafe {
                assert_eq!(events.size.unwrap()(&events), 1);
                let header = *events.get.unwrap()(&events, 0);
                assert_eq!(header.time, 3);
                assert_eq!(header.space_id == NO_EVENT_SPACE, silenced);
            }
        }
    }

    #[test]
    fn sound_passes_untouched_and_an_offline_render_hears_it() {
        let hosted = Hosted::new();
        hosted.start(true);
        let output = hosted.block(&mut awkward_samples(), null());
        for channel in output {
            assert_eq!(channel.map_bits(), awkward_samples().to_vec().map_bits());
        }
        for block in voice(RATE_HZ, 2.0).chunks_mut(BLOCK) {
            hosted.block(block, null());
        }
        let values = hosted.values();
        assert!(values[..6].iter().sum::<f64>() > 0.9, "{values:?}");

        let before = hosted.saved();
        assert!(!String::from_utf8_lossy(&before).contains("\"angry\":"));
        hosted.block(&mut voice(RATE_HZ, 0.1), null());
        assert_eq!(hosted.saved(), before, "what is heard is not saved");
        // SAFETY: allowed at any time on the audio thread.
        unsafe { (*hosted.plugin).reset.unwrap()(hosted.plugin) };
        assert_eq!(hosted.values(), REST);
    }

    #[test]
    fn a_render_mode_that_is_set_while_active_holds_at_once() {
        let hosted = Hosted::new();
        hosted.start(false);
        hosted.block(&mut [0.0; BLOCK], null());
        hosted.render(CLAP_RENDER_OFFLINE);
        for block in voice(RATE_HZ, 2.0).chunks_mut(BLOCK) {
            hosted.block(block, null());
        }
        // In real time hardly any result would be there yet.
        let values = hosted.values();
        assert!(values[..6].iter().sum::<f64>() > 0.9, "{values:?}");
    }

    trait Bits {
        fn map_bits(&self) -> Vec<u32>;
    }

    impl Bits for Vec<f32> {
        fn map_bits(&self) -> Vec<u32> {
            self.iter().map(|sample| sample.to_bits()).collect()
        }
    }

    unsafe extern "C" fn read(stream: *const clap_istream, buffer: *mut c_void, size: u64) -> i64 {
        // SAFETY: the context is the vector, and the buffer has room for `size` bytes.
        unsafe {
            let bytes = &mut *(*stream).ctx.cast::<Vec<u8>>();
            let length = bytes.len().min(size as usize);
            buffer.cast::<u8>().copy_from(bytes.as_ptr(), length);
            bytes.drain(..length);
            length as i64
        }
    }

    /// A state's text behind its length.
    fn with_length(json: &str) -> Vec<u8> {
        [&(json.len() as u64).to_le_bytes(), json.as_bytes()].concat()
    }

    #[test]
    fn a_state_does_not_set_outputs() {
        let hosted = Hosted::new();
        let json = r#"{"version":"0.0.1","params":{"angry":{"f32":0.5}},"fields":{"editor-size":"[700,500]"}}"#;
        assert!(hosted.load(with_length(json)));
        assert_eq!(hosted.values(), REST);
        assert!(String::from_utf8_lossy(&hosted.saved()).contains("[700,500]"));
    }

    #[test]
    fn a_state_of_any_length_is_loaded() {
        // The byte 123 is "{": as the length's first, and as its second.
        for length in [123, 124, 123 + 256, 123 * 256, 123 * 257] {
            let rest = r#"","params":{},"fields":{"editor-size":"[700,500]"}}"#;
            let start = r#"{"version":""#;
            let padding = "9".repeat(length - start.len() - rest.len());
            let json = format!("{start}{padding}{rest}");
            assert_eq!(json.len(), length);
            let hosted = Hosted::new();
            assert!(hosted.load(with_length(&json)), "{length} bytes");
            assert!(String::from_utf8_lossy(&hosted.saved()).contains("[700,500]"));
        }
    }

    #[test]
    fn a_state_with_a_wrong_length_or_none_is_loaded_as_far_as_it_goes() {
        let json = r#"{"fields":{"editor-size":"[700,500]","format":"1"},"params":{}}"#;
        let cut_off = &with_length(json)[..60];
        for state in [cut_off, json.as_bytes(), &json.as_bytes()[..50]] {
            let hosted = Hosted::new();
            assert!(hosted.load(state.to_vec()));
            assert!(String::from_utf8_lossy(&hosted.saved()).contains("[700,500]"));
        }
        assert!(!Hosted::new().load(with_length("")));
        assert!(!Hosted::new().load(vec![1, 2, 3]));
        assert!(!Hosted::new().load(Vec::new()));
    }

    #[test]
    fn nonsense_is_refused() {
        let hosted = Hosted::new();
        assert!(
            hosted.extension::<c_void>(CLAP_EXT_GUI).is_null(),
            "this host has no windows"
        );
        assert!(hosted.extension::<c_void>(c"no.such.extension").is_null());
        // SAFETY: that null is refused is what is tested; the ids are strings.
        unsafe {
            assert!((*hosted.plugin).get_extension.unwrap()(hosted.plugin, null()).is_null());
            assert!((*hosted.plugin).get_extension.unwrap()(null(), CLAP_EXT_PARAMS.as_ptr()).is_null());
            assert_eq!(
                (*hosted.plugin).process.unwrap()(hosted.plugin, null()),
                CLAP_PROCESS_ERROR
            );
            assert!(create_plugin(&FACTORY, null(), descriptor().clap_id().as_ptr()).is_null());
            assert!(create_plugin(&FACTORY, &HOST, null()).is_null());
            assert!(create_plugin(&FACTORY, &HOST, c"audio.affekt.other".as_ptr()).is_null());
            assert!(plugin_descriptor(&FACTORY, 1).is_null());
            assert!(get_factory(null()).is_null());
            assert!(get_factory(c"clap.other-factory".as_ptr()).is_null());
        }
    }
}
