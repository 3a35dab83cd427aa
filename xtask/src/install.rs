use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

use clap::Args;
use color_eyre::eyre::{OptionExt, WrapErr};

use crate::{bundle, workspace};

/// Bundles the plugin and copies it to where the user's hosts look for plugins.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Options of `cargo build`, e.g. --no-default-features.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTIONS")]
    options: Vec<String>,
}

impl Arguments {
    /// Bundles and installs; replaces what an earlier call has installed.
    pub fn run(self) -> color_eyre::Result<()> {
        bundle::with(self.options)?;
        let bundles = workspace::bundles()?;
        for (bundle, folder) in [("Affekt.vst3", vst3_folder()?), ("Affekt.clap", clap_folder()?)] {
            let installed = folder.join(bundle);
            replace(&bundles.join(bundle), &installed)
                .wrap_err_with(|| format!("{bundle} cannot be installed into {}", folder.display()))?;
            println!("Installed {}", installed.display());
        }
        println!("Let your host scan for new plugins, and insert Affekt on a vocal track.");
        Ok(())
    }
}

/// The user's VST3 folder, after Steinberg's "Plug-in Locations".
fn vst3_folder() -> color_eyre::Result<PathBuf> {
    if cfg!(target_os = "windows") {
        Ok(common_program_files()?.join("VST3"))
    } else if cfg!(target_os = "macos") {
        Ok(home()?.join("Library/Audio/Plug-Ins/VST3"))
    } else {
        Ok(home()?.join(".vst3"))
    }
}

/// The user's CLAP folder, as `clap/entry.h` of the CLAP SDK has it.
fn clap_folder() -> color_eyre::Result<PathBuf> {
    if cfg!(target_os = "windows") {
        Ok(common_program_files()?.join("CLAP"))
    } else if cfg!(target_os = "macos") {
        Ok(home()?.join("Library/Audio/Plug-Ins/CLAP"))
    } else {
        Ok(home()?.join(".clap"))
    }
}

fn home() -> color_eyre::Result<PathBuf> {
    env::home_dir().ok_or_eyre("your home folder is unknown: set HOME")
}

fn common_program_files() -> color_eyre::Result<PathBuf> {
    env::var_os("COMMONPROGRAMFILES")
        .map(PathBuf::from)
        .ok_or_eyre("the variable COMMONPROGRAMFILES is not set")
}

/// Copies a file or folder to a place where something else may lie. The old module is removed rather than overwritten:
/// a host that has it loaded keeps its own copy that way.
pub fn replace(from: &Path, to: &Path) -> io::Result<()> {
    if to.is_dir() {
        fs::remove_dir_all(to)?;
    } else if to.exists() {
        fs::remove_file(to)?;
    }
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder)?;
    }
    copy(from, to)
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    if !from.is_dir() {
        return fs::copy(from, to).map(|_| ());
    }
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        copy(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        arguments: Arguments,
    }

    #[test]
    fn options_are_cargos() {
        let options = |words: &[&str]| {
            let line = Line::try_parse_from([&["install"], words].concat()).unwrap();
            line.arguments.options
        };
        assert!(options(&[]).is_empty());
        let given = ["--no-default-features", "--target", "x86_64-unknown-linux-gnu"];
        assert_eq!(options(&given), given);
    }
}
