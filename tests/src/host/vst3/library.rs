use std::{ffi::c_void, path::Path};

use vst3::{ComPtr, Steinberg::IPluginFactory};

/// Names of the functions that a module wants called after loading and before unloading, and whether it must have them.
#[cfg(target_os = "windows")]
const ENTRY: (&[u8], &[u8], bool) = (b"InitDll\0", b"ExitDll\0", false);
#[cfg(target_os = "macos")]
const ENTRY: (&[u8], &[u8], bool) = (b"bundleEntry\0", b"bundleExit\0", true);
#[cfg(not(any(target_os = "windows", target_os = "macos")))]
const ENTRY: (&[u8], &[u8], bool) = (b"ModuleEntry\0", b"ModuleExit\0", true);

type Enter = unsafe extern "system" fn(*mut c_void) -> bool;
type Exit = unsafe extern "system" fn() -> bool;
type GetFactory = unsafe extern "system" fn() -> *mut IPluginFactory;

/// A loaded and entered VST3 module; left and unloaded when dropped.
pub(super) struct Library {
    library: libloading::Library,
}

impl Library {
    pub(super) fn load(path: &Path) -> Result<Self, String> {
        let (enter, _, required) = ENTRY;
        // SAFETY: The module was built from this workspace, its initialisation is sound by VST3's contract. The entry
        // function has the signature that VST3 prescribes; on Windows it takes no argument, which is harmless there.
        unsafe {
            let library = libloading::Library::new(path).map_err(|error| error.to_string())?;
            match library.get::<Enter>(enter) {
                Ok(enter) if !enter(std::ptr::null_mut()) => {
                    return Err("its entry function failed".to_owned());
                }
                Err(error) if required => return Err(error.to_string()),
                _ => {}
            }
            Ok(Self { library })
        }
    }

    pub(super) fn factory(&self) -> Option<ComPtr<IPluginFactory>> {
        // SAFETY: `GetPluginFactory` has this signature by VST3's contract and hands out one reference.
        unsafe {
            let get = self.library.get::<GetFactory>(b"GetPluginFactory\0").ok()?;
            ComPtr::from_raw(get())
        }
    }
}

impl Drop for Library {
    fn drop(&mut self) {
        // SAFETY: The module has been entered once, and every object of it is gone.
        unsafe {
            if let Ok(exit) = self.library.get::<Exit>(ENTRY.1) {
                exit();
            }
        }
    }
}
