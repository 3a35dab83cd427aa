//! Files that are there as a whole or not at all.

use std::fs;
use std::io;
use std::path::Path;

/// Writes `content` in one move: whoever reads meets the old file or the new one, also when the program is stopped and
/// when several processes write the same.
pub fn write(path: &Path, content: impl AsRef<[u8]>) -> io::Result<()> {
    let new = path.with_extension(format!("{}.new", std::process::id()));
    fs::write(&new, content)?;
    fs::rename(&new, path)
}
