//! The files that commands leave, and what is said where one cannot be written.

use std::path::Path;

use affekt_trainer::whole_file;
use color_eyre::eyre::WrapErr;

/// Writes `content` as a whole or not at all.
pub fn write(path: &Path, content: impl AsRef<[u8]>) -> color_eyre::Result<()> {
    whole_file::write(path, content).wrap_err_with(|| format!("{} cannot be written", path.display()))
}

/// Makes a folder, and those that it lies in, unless it is there.
pub fn create_folder(path: &Path) -> color_eyre::Result<()> {
    std::fs::create_dir_all(path).wrap_err_with(|| format!("the folder {} cannot be made", path.display()))
}
