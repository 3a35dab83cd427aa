use std::{
    ffi::c_void,
    sync::atomic::{AtomicUsize, Ordering},
};

use vst3::{
    Class,
    Steinberg::{
        FIDString, TBool, TUID,
        Vst::{
            IComponentHandler, IComponentHandler2, IComponentHandler2Trait, IComponentHandlerTrait, IHostApplication,
            IHostApplicationTrait, ParamID, ParamValue, String128,
        },
        kNotImplemented, kResultOk, tresult,
    },
};

use crate::host::{HOST_NAME, HostCalls};

/// The host as a plugin sees it: its name, and an ear for what the plugin asks.
#[derive(Default)]
pub(super) struct HostContext {
    edits: AtomicUsize,
    dirty: AtomicUsize,
    restarts: AtomicUsize,
}

impl HostContext {
    pub(super) fn calls(&self) -> HostCalls {
        HostCalls {
            edits: self.edits.load(Ordering::Relaxed),
            dirty: self.dirty.load(Ordering::Relaxed),
            restarts: self.restarts.load(Ordering::Relaxed),
        }
    }
}

fn count(counter: &AtomicUsize) -> tresult {
    counter.fetch_add(1, Ordering::Relaxed);
    kResultOk
}

impl Class for HostContext {
    type Interfaces = (IHostApplication, IComponentHandler, IComponentHandler2);
}

impl IHostApplicationTrait for HostContext {
    unsafe fn getName(&self, name: *mut String128) -> tresult {
        // SAFETY: VST3 prescribes a pointer to a string of 128 units.
        let name = unsafe { &mut *name };
        name.fill(0);
        for (unit, char) in name.iter_mut().zip(HOST_NAME.encode_utf16()) {
            *unit = char as _;
        }
        kResultOk
    }

    unsafe fn createInstance(&self, _: *mut TUID, _: *mut TUID, object: *mut *mut c_void) -> tresult {
        // SAFETY: VST3 prescribes a place for a pointer.
        unsafe { *object = std::ptr::null_mut() };
        kNotImplemented
    }
}

impl IComponentHandlerTrait for HostContext {
    unsafe fn beginEdit(&self, _: ParamID) -> tresult {
        count(&self.edits)
    }

    unsafe fn performEdit(&self, _: ParamID, _: ParamValue) -> tresult {
        count(&self.edits)
    }

    unsafe fn endEdit(&self, _: ParamID) -> tresult {
        count(&self.edits)
    }

    unsafe fn restartComponent(&self, _: i32) -> tresult {
        count(&self.restarts)
    }
}

impl IComponentHandler2Trait for HostContext {
    unsafe fn setDirty(&self, _: TBool) -> tresult {
        count(&self.dirty)
    }

    unsafe fn requestOpenEditor(&self, _: FIDString) -> tresult {
        kNotImplemented
    }

    unsafe fn startGroupEdit(&self) -> tresult {
        kResultOk
    }

    unsafe fn finishGroupEdit(&self) -> tresult {
        kResultOk
    }
}
