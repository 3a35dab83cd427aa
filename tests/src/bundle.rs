//! Where the built plugin lies.

use std::{
    env,
    path::{Path, PathBuf},
};

use crate::host::Format;

/// Environment variable with the folder that holds the bundles; by default the workspace's `target/bundled`.
pub const BUNDLES_VARIABLE: &str = "AFFEKT_BUNDLES";

/// Environment variable with the module that checks itself for allocations while it processes (a debug build);
/// by default the one in the workspace's `target/debug`.
pub const CHECKED_MODULE_VARIABLE: &str = "AFFEKT_CHECKED_MODULE";

/// Environment variable with the trainer's program; by default the one in the workspace's `target/release`, else
/// `target/debug`.
pub const TRAINER_VARIABLE: &str = "AFFEKT_TRAINER";

/// The plugin's name in file names.
const NAME: &str = "Affekt";

/// A part of the project that has not been built.
#[derive(Debug, thiserror::Error)]
#[error("{what} is missing at {path}: run `cargo xtask test`, which builds it")]
pub struct MissingBuild {
    what: &'static str,
    path: PathBuf,
}

/// The module's file inside the built bundle of a format.
pub fn module(format: Format) -> Result<PathBuf, MissingBuild> {
    let folder = env::var_os(BUNDLES_VARIABLE).map_or_else(|| target().join("bundled"), PathBuf::from);
    let (what, inside) = match format {
        Format::Clap => ("the CLAP bundle", clap_module()),
        Format::Vst3 => ("the VST3 bundle", vst3_module()),
    };
    existing(what, folder.join(inside))
}

/// The debug module; the same file serves both formats.
pub fn checked_module() -> Result<PathBuf, MissingBuild> {
    let file = format!("{}affekt{}", env::consts::DLL_PREFIX, env::consts::DLL_SUFFIX);
    let path = env::var_os(CHECKED_MODULE_VARIABLE).map_or_else(|| target().join("debug").join(file), PathBuf::from);
    existing("the debug build of the plugin", path)
}

/// The trainer's program.
pub fn trainer() -> Result<PathBuf, MissingBuild> {
    let file = format!("affekt-trainer{}", env::consts::EXE_SUFFIX);
    let path = env::var_os(TRAINER_VARIABLE).map_or_else(
        || {
            let release = target().join("release").join(&file);
            if release.is_file() {
                release
            } else {
                target().join("debug").join(&file)
            }
        },
        PathBuf::from,
    );
    existing("the trainer", path)
}

/// The workspace's folder for what is built.
pub fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"),
        PathBuf::from,
    )
}

fn existing(what: &'static str, path: PathBuf) -> Result<PathBuf, MissingBuild> {
    if path.is_file() {
        Ok(path)
    } else {
        Err(MissingBuild { what, path })
    }
}

/// As nice-plug's bundler lays it out.
fn clap_module() -> PathBuf {
    let bundle = PathBuf::from(format!("{NAME}.clap"));
    if cfg!(target_os = "macos") {
        bundle.join("Contents/MacOS").join(NAME)
    } else {
        bundle
    }
}

/// As nice-plug's bundler lays it out, after Steinberg's "Plug-in Format Structure".
fn vst3_module() -> PathBuf {
    let contents = PathBuf::from(format!("{NAME}.vst3/Contents"));
    if cfg!(target_os = "macos") {
        return contents.join("MacOS").join(NAME);
    }
    let arch = match env::consts::ARCH {
        "x86" if cfg!(target_os = "linux") => "i386",
        "aarch64" if cfg!(target_os = "windows") => "arm_64",
        arch => arch,
    };
    if cfg!(target_os = "windows") {
        contents.join(format!("{arch}-win")).join(format!("{NAME}.vst3"))
    } else {
        contents.join(format!("{arch}-linux")).join(format!("{NAME}.so"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_build_is_said_with_the_command_that_builds_it() {
        let error = existing("the trainer", PathBuf::from("/nowhere/affekt-trainer")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the trainer is missing at /nowhere/affekt-trainer: run `cargo xtask test`, which builds it"
        );
    }

    #[test]
    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    fn the_layout_is_the_one_hosts_look_for() {
        assert_eq!(clap_module(), Path::new("Affekt.clap"));
        assert_eq!(vst3_module(), Path::new("Affekt.vst3/Contents/x86_64-linux/Affekt.so"));
    }
}
