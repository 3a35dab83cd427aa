//! The time of day where the user is, as file names say it.

/// "2026-11-22 19.31.52"; year, month, day and time, so that names sort by it.
pub fn now() -> String {
    let [year, month, day, hour, minute, second] = local();
    format!("{year:04}-{month:02}-{day:02} {hour:02}.{minute:02}.{second:02}")
}

#[cfg(unix)]
fn local() -> [i32; 6] {
    use std::mem::MaybeUninit;

    let mut broken = MaybeUninit::<libc::tm>::zeroed();
    // SAFETY: the time may be told nowhere but in the result; `broken` has room for what is filled in, and is valid as it
    // is, all zeros, if nothing is.
    let tm = unsafe {
        let seconds = libc::time(std::ptr::null_mut());
        libc::localtime_r(&seconds, broken.as_mut_ptr());
        broken.assume_init()
    };
    [
        tm.tm_year + 1900,
        tm.tm_mon + 1,
        tm.tm_mday,
        tm.tm_hour,
        tm.tm_min,
        tm.tm_sec,
    ]
}

#[cfg(windows)]
fn local() -> [i32; 6] {
    use std::mem::MaybeUninit;

    use windows_sys::Win32::System::SystemInformation::GetLocalTime;

    let mut told = MaybeUninit::zeroed();
    // SAFETY: the structure has room for what is filled in.
    let time = unsafe {
        GetLocalTime(told.as_mut_ptr());
        told.assume_init()
    };
    [
        time.wYear,
        time.wMonth,
        time.wDay,
        time.wHour,
        time.wMinute,
        time.wSecond,
    ]
    .map(i32::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_of_this_century_and_sorts() {
        let now = now();
        assert_eq!(now.len(), "2026-11-22 19.31.52".len(), "{now}");
        assert!(now.as_str() > "2026-01-01 00.00.00" && now.as_str() < "2100", "{now}");
    }
}
