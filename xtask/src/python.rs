//! Python environments below `target`: ONNX Runtime's library for the tests, out of its wheel (nowhere else is it
//! published as a plain package for every system), the libraries that the benchmark compares with, and hosts.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use color_eyre::eyre::{OptionExt, WrapErr};

use crate::{cargo::run, packages, workspace};

/// Environment variable with the library's path; where it is set, nothing is downloaded.
pub const LIBRARY_VARIABLE: &str = "AFFEKT_TEST_ONNXRUNTIME";

/// The wheel, at the version that the models were measured with.
const WHEEL: &str = "onnxruntime==1.31.1";

/// Where the wheel keeps the library, below the environment's package folder.
const LIBRARY_FOLDER: &str = "onnxruntime/capi";

/// The library's path; fetches the wheel into an environment below `target` on the first call.
pub fn onnxruntime() -> color_eyre::Result<PathBuf> {
    if let Some(library) = env::var_os(LIBRARY_VARIABLE) {
        return Ok(library.into());
    }
    let environment = workspace::target()?.join("python");
    if let Some(library) = find_library(&environment) {
        return Ok(library);
    }
    create(&environment, "fetch ONNX Runtime for the tests")?;
    install(&environment, &["--no-deps", WHEEL]).wrap_err_with(|| {
        format!("{WHEEL} could not be fetched: go online, or set {LIBRARY_VARIABLE} to an ONNX Runtime library")
    })?;
    find_library(&environment).ok_or_eyre("the onnxruntime wheel holds no library, remove target/python and try again")
}

/// A Python with the packages of a requirements file, in an environment `name` below `target`; made on the first call,
/// and again when the file has changed. `purpose` completes "… is needed to …".
pub fn with_requirements(name: &str, requirements: &Path, purpose: &str) -> color_eyre::Result<PathBuf> {
    let environment = workspace::target()?.join(name);
    let complete = environment.join("complete");
    let file = requirements.to_string_lossy();
    let wanted = fs::read(requirements).wrap_err_with(|| format!("{file} cannot be read"))?;
    if fs::read(&complete).ok().as_ref() != Some(&wanted) {
        create(&environment, purpose)?;
        install(&environment, &["--requirement", &file])
            .wrap_err_with(|| format!("the packages of {file} could not be fetched: go online and try again"))?;
        fs::write(complete, wanted)?;
    }
    Ok(interpreter(&environment))
}

fn interpreter(environment: &Path) -> PathBuf {
    environment.join(if cfg!(windows) {
        "Scripts/python.exe"
    } else {
        "bin/python"
    })
}

fn install(environment: &Path, packages: &[&str]) -> color_eyre::Result<()> {
    run(Command::new(interpreter(environment))
        .args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--only-binary=:all:",
        ])
        .args(packages))
}

/// Makes a fresh Python environment.
fn create(environment: &Path, purpose: &str) -> color_eyre::Result<()> {
    let program = if cfg!(windows) { "python" } else { "python3" };
    // Debian splits Python's own venv module off.
    if !packages::succeeds(program, &["-c", "import ensurepip, venv"]) {
        packages::install(&["python3", "python3-venv"], purpose)?;
    }
    run(Command::new(program).args(["-m", "venv", "--clear"]).arg(environment))
}

fn find_library(environment: &Path) -> Option<PathBuf> {
    let packages = if cfg!(windows) {
        vec![environment.join("Lib/site-packages")]
    } else {
        // One folder, named after Python's version.
        entries(&environment.join("lib"))
            .into_iter()
            .map(|python| python.join("site-packages"))
            .collect()
    };
    packages
        .iter()
        .flat_map(|folder| entries(&folder.join(LIBRARY_FOLDER)))
        .find(|file| is_library(file))
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder)
        .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default()
}

/// `libonnxruntime.so.1.2.3`, `libonnxruntime.1.2.3.dylib` or `onnxruntime.dll`, but none of the providers beside it.
fn is_library(file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with("libonnxruntime.") || name == "onnxruntime.dll"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_is_told_from_its_neighbours() {
        for name in [
            "libonnxruntime.so.1.31.1",
            "libonnxruntime.1.31.1.dylib",
            "onnxruntime.dll",
        ] {
            assert!(is_library(Path::new(name)), "{name}");
        }
        for name in [
            "libonnxruntime_providers_shared.so",
            "onnxruntime_pybind11_state.so",
            "__init__.py",
        ] {
            assert!(!is_library(Path::new(name)), "{name}");
        }
    }
}
