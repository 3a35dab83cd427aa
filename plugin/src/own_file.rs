//! The plugin's own file: where it lies, and how it stays loaded.

use std::path::PathBuf;

/// The file this code was loaded from: the plugin's shared library inside its bundle. `None` if the system does not tell.
#[cfg(unix)]
pub fn path() -> Option<PathBuf> {
    use std::ffi::{CStr, OsStr};
    use std::mem::MaybeUninit;
    use std::os::unix::ffi::OsStrExt;

    let mut found = MaybeUninit::<libc::Dl_info>::uninit();
    let here = path as *const () as *const libc::c_void;
    // SAFETY: `here` is only looked up, `found` has room for the answer, which is complete if the result is not 0.
    let found = unsafe { (libc::dladdr(here, found.as_mut_ptr()) != 0).then(|| found.assume_init()) }?;
    if found.dli_fname.is_null() {
        return None;
    }
    // SAFETY: not null, null-terminated, and the loader keeps it as long as the library is loaded.
    let name = unsafe { CStr::from_ptr(found.dli_fname) };
    std::path::absolute(OsStr::from_bytes(name.to_bytes())).ok()
}

/// The file this code was loaded from: the plugin's shared library inside its bundle. `None` if the system does not tell.
#[cfg(windows)]
pub fn path() -> Option<PathBuf> {
    use std::ffi::OsString;
    use std::os::windows::ffi::OsStringExt;
    use std::ptr::null_mut;

    use windows_sys::Win32::System::LibraryLoader::{
        GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS, GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT, GetModuleFileNameW,
        GetModuleHandleExW,
    };

    /// Longest path that Windows has, in UTF-16 units.
    const MAX_UNITS: usize = 32_768;

    let flags = GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT;
    let mut module = null_mut();
    // SAFETY: with these flags the name is taken as an address inside the module that is looked for; it is only looked up.
    if unsafe { GetModuleHandleExW(flags, path as *const () as *const u16, &mut module) } == 0 {
        return None;
    }
    let mut units = vec![0_u16; MAX_UNITS];
    // SAFETY: the handle is of a loaded module, and the length is the buffer's.
    let length = unsafe { GetModuleFileNameW(module, units.as_mut_ptr(), units.len() as u32) } as usize;
    (1..units.len())
        .contains(&length)
        .then(|| PathBuf::from(OsString::from_wide(&units[..length])))
}

/// Keeps this code in memory until the process ends, for threads that cannot be ended before the plugin is unloaded.
#[cfg(unix)]
pub fn stay() {
    // It stays anyway: see build.rs.
}

/// Keeps this code in memory until the process ends, for threads that cannot be ended before the plugin is unloaded.
#[cfg(windows)]
pub fn stay() {
    use std::ptr::null_mut;

    use windows_sys::Win32::System::LibraryLoader::{
        GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS, GET_MODULE_HANDLE_EX_FLAG_PIN, GetModuleHandleExW,
    };

    let flags = GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_PIN;
    let mut module = null_mut();
    // SAFETY: with these flags the name is taken as an address inside the module that is looked for. It is the module
    // that runs, so it is found.
    unsafe { GetModuleHandleExW(flags, stay as *const () as *const u16, &mut module) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_is_this_program() {
        let found = path().unwrap().canonicalize().unwrap();
        assert_eq!(found, std::env::current_exe().unwrap().canonicalize().unwrap());
    }
}
