//! Files that are there as a whole or not at all.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// Writes `content` in one move: whoever reads meets the old file or the new one, also when the program or the machine
/// is stopped, when the disk is full and when several processes write the same.
pub fn write(path: &Path, content: impl AsRef<[u8]>) -> io::Result<()> {
    // What is no file, as a terminal is, cannot be replaced by one; a link stays, and its file is replaced.
    if fs::metadata(path).is_ok_and(|there| !there.is_file() && !there.is_dir()) {
        return fs::write(path, content);
    }
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.into());
    let mut name = OsString::from(path.as_os_str());
    name.push(format!(".{}.new", std::process::id()));
    let new = Path::new(&name);
    let done = write_through(new, content.as_ref()).and_then(|()| fs::rename(new, &path));
    if done.is_err() {
        // What went wrong before is what matters.
        let _ = fs::remove_file(new);
    }
    done
}

/// Returns when the content is on the disk: a file that has its name before its content would be there in part.
fn write_through(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(content)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_replaced_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.onnx");
        write(&path, "old").unwrap();
        write(&path, "new").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(names(folder.path()), ["model.onnx"]);
    }

    #[test]
    #[cfg(unix)]
    fn a_link_stays_whether_it_leads_to_a_file_or_to_a_device() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("file"), "old").unwrap();
        std::os::unix::fs::symlink(path("file"), path("to-file")).unwrap();
        std::os::unix::fs::symlink("/dev/null", path("to-device")).unwrap();
        for name in ["to-file", "to-device"] {
            write(&path(name), "new").unwrap();
            assert!(fs::symlink_metadata(path(name)).unwrap().is_symlink(), "{name}");
        }
        assert_eq!(fs::read_to_string(path("file")).unwrap(), "new");
        assert_eq!(names(folder.path()), ["file", "to-device", "to-file"]);
    }

    #[test]
    fn what_cannot_be_written_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("taken");
        // No file can take the place of a folder with something in it.
        fs::create_dir(&path).unwrap();
        fs::write(path.join("inside"), "").unwrap();
        assert!(write(&path, "new").is_err());
        assert_eq!(names(folder.path()), ["taken"]);
    }
}
