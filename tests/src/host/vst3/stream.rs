use std::{
    ffi::c_void,
    io::{Cursor, Read, Seek, SeekFrom, Write},
    sync::{Mutex, MutexGuard, PoisonError},
};

use vst3::{
    Class,
    Steinberg::{
        IBStream, IBStream_::IStreamSeekMode_, IBStreamTrait, kInvalidArgument, kResultFalse, kResultOk, tresult,
    },
};

/// A stream in memory, for a plugin's state.
#[derive(Default)]
pub(super) struct MemoryStream {
    content: Mutex<Cursor<Vec<u8>>>,
}

impl MemoryStream {
    pub(super) fn new(bytes: &[u8]) -> Self {
        Self {
            content: Mutex::new(Cursor::new(bytes.to_vec())),
        }
    }

    /// Everything that was written.
    pub(super) fn bytes(&self) -> Vec<u8> {
        self.lock().get_ref().clone()
    }

    pub(super) fn rewind(&self) {
        self.lock().set_position(0);
    }

    fn lock(&self) -> MutexGuard<'_, Cursor<Vec<u8>>> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Class for MemoryStream {
    type Interfaces = (IBStream,);
}

impl IBStreamTrait for MemoryStream {
    unsafe fn read(&self, buffer: *mut c_void, count: i32, read: *mut i32) -> tresult {
        let Ok(length) = usize::try_from(count) else {
            return kInvalidArgument;
        };
        if buffer.is_null() {
            return kInvalidArgument;
        }
        // SAFETY: VST3 prescribes a buffer of `count` bytes.
        let buffer = unsafe { std::slice::from_raw_parts_mut(buffer.cast::<u8>(), length) };
        let done = self.lock().read(buffer);
        report(done, read)
    }

    unsafe fn write(&self, buffer: *mut c_void, count: i32, written: *mut i32) -> tresult {
        let Ok(length) = usize::try_from(count) else {
            return kInvalidArgument;
        };
        if buffer.is_null() {
            return kInvalidArgument;
        }
        // SAFETY: VST3 prescribes a buffer of `count` bytes.
        let buffer = unsafe { std::slice::from_raw_parts(buffer.cast::<u8>(), length) };
        let done = self.lock().write(buffer);
        report(done, written)
    }

    unsafe fn seek(&self, position: i64, mode: i32, result: *mut i64) -> tresult {
        let target = match mode as IStreamSeekMode {
            IStreamSeekMode_::kIBSeekSet => SeekFrom::Start(position.max(0) as u64),
            IStreamSeekMode_::kIBSeekCur => SeekFrom::Current(position),
            IStreamSeekMode_::kIBSeekEnd => SeekFrom::End(position),
            _ => return kInvalidArgument,
        };
        let Ok(reached) = self.lock().seek(target) else {
            return kResultFalse;
        };
        if !result.is_null() {
            // SAFETY: VST3 prescribes a place for the position, or null.
            unsafe { *result = reached as i64 };
        }
        kResultOk
    }

    unsafe fn tell(&self, position: *mut i64) -> tresult {
        if position.is_null() {
            return kInvalidArgument;
        }
        // SAFETY: VST3 prescribes a place for the position.
        unsafe { *position = self.lock().position() as i64 };
        kResultOk
    }
}

type IStreamSeekMode = vst3::Steinberg::IBStream_::IStreamSeekMode;

/// Writes the number of bytes done where the plugin wants it.
fn report(done: std::io::Result<usize>, place: *mut i32) -> tresult {
    let Ok(done) = done else { return kResultFalse };
    if !place.is_null() {
        // SAFETY: VST3 prescribes a place for the count, or null.
        unsafe { *place = done as i32 };
    }
    kResultOk
}
