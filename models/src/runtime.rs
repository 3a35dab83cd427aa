//! Which runtime runs the models: chosen once per process.

use std::ffi::CStr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use ort::environment::Environment;
use ort::sys::{ORT_API_VERSION, OrtApiBase};

/// Environment variable with the path of an ONNX Runtime library to use, or of the folder it lies in.
pub const LIBRARY_VARIABLE: &str = "AFFEKT_ONNXRUNTIME";

/// The version of tract that is built in, as in the workspace's Cargo.toml.
const TRACT_VERSION: &str = "0.23";

/// The runtime in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Runtime {
    /// Microsoft's ONNX Runtime, from this library.
    OnnxRuntime {
        /// Its file.
        library: PathBuf,
        /// Its version, e.g. `1.31.1`.
        version: String,
    },
    /// tract, built in. `reason` says why ONNX Runtime is not used, if one was found or asked for.
    Tract {
        /// One sentence for the editor, if there is anything to say.
        reason: Option<String>,
    },
}

impl std::fmt::Display for Runtime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::OnnxRuntime { version, .. } => write!(f, "ONNX Runtime {version}"),
            Self::Tract { .. } => write!(f, "tract {TRACT_VERSION} (built in)"),
        }
    }
}

struct Choice {
    runtime: Runtime,
    /// ONNX Runtime's process-wide state; present exactly when ONNX Runtime runs.
    environment: Option<Environment>,
}

static CHOICE: OnceLock<Choice> = OnceLock::new();

/// Chooses the runtime on the first call, and says which one runs. Looks for the library next to `beside`
/// (the plugin's own file) first, then at [`LIBRARY_VARIABLE`]. Later calls return the first choice.
pub fn choose(beside: Option<&Path>) -> &'static Runtime {
    &choice(beside).runtime
}

/// ONNX Runtime's environment, if that is what runs.
pub(crate) fn environment() -> Option<&'static Environment> {
    choice(None).environment.as_ref()
}

fn choice(beside: Option<&Path>) -> &'static Choice {
    CHOICE.get_or_init(|| {
        let mut reasons = Vec::new();
        for library in candidates(beside, std::env::var_os(LIBRARY_VARIABLE).map(PathBuf::from).as_deref()) {
            match load(&library) {
                Ok((environment, version)) => {
                    return Choice {
                        runtime: Runtime::OnnxRuntime { library, version },
                        environment: Some(environment),
                    };
                }
                Err(reason) => reasons.push(format!("{} is not used: {reason}", library.display())),
            }
        }
        let reason = (!reasons.is_empty()).then(|| reasons.join(". "));
        Choice {
            runtime: Runtime::Tract { reason },
            environment: None,
        }
    })
}

/// Libraries to try, best first.
fn candidates(beside: Option<&Path>, asked_for: Option<&Path>) -> Vec<PathBuf> {
    let mut libraries = Vec::new();
    if let Some(folder) = beside.and_then(Path::parent) {
        libraries.extend(libraries_in(folder));
    }
    match asked_for {
        Some(path) if path.as_os_str().is_empty() => {}
        Some(folder) if folder.is_dir() => libraries.extend(libraries_in(folder)),
        // Absolute, because the loader would otherwise search the system's folders for a bare name.
        Some(path) => libraries.push(std::path::absolute(path).unwrap_or_else(|_| path.into())),
        None => {}
    }
    libraries
}

/// ONNX Runtime libraries of a folder, the plain name before the versioned ones, newer before older.
fn libraries_in(folder: &Path) -> Vec<PathBuf> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| is_library_name(name))
        .collect();
    let versioned = |name: &String| name.bytes().any(|byte| byte.is_ascii_digit());
    names.sort_by(|a, b| versioned(a).cmp(&versioned(b)).then_with(|| b.cmp(a)));
    names.into_iter().map(|name| folder.join(name)).collect()
}

fn is_library_name(name: &str) -> bool {
    if cfg!(windows) {
        name.eq_ignore_ascii_case("onnxruntime.dll")
    } else if cfg!(target_vendor = "apple") {
        // libonnxruntime.dylib, libonnxruntime.1.31.1.dylib
        name.strip_prefix("libonnxruntime.")
            .is_some_and(|rest| rest.ends_with("dylib"))
    } else {
        // libonnxruntime.so, libonnxruntime.so.1.31.1
        name.strip_prefix("libonnxruntime.so")
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    }
}

/// Starts ONNX Runtime from a library: its environment and version, or why not.
fn load(library: &Path) -> Result<(Environment, String), String> {
    // ort and the library's own start-up are not ours: a panic must not reach the host.
    catch_unwind(AssertUnwindSafe(|| {
        let version = version_of(library)?;
        let builder = ort::init_from(library).map_err(|error| error.to_string())?;
        let environment = builder
            .with_name("affekt")
            .with_telemetry(false)
            .build()
            .map_err(|error| error.to_string())?;
        Ok((environment, version))
    }))
    .unwrap_or_else(|_| Err("it fails while it starts".into()))
}

/// The version of an ONNX Runtime library that offers the API that `ort` needs. ort itself would panic on
/// libraries that export the right symbol but not the API.
fn version_of(library: &Path) -> Result<String, String> {
    if !library.is_file() {
        return Err("there is no such file".into());
    }
    // SAFETY: loading runs the library's initialisers. The file is named like ONNX Runtime and lies where the user
    // or the plugin's installer put it, which is the trust that every shared library gets.
    let loaded =
        unsafe { libloading::Library::new(library) }.map_err(|error| format!("it cannot be loaded ({error})"))?;
    // SAFETY: `OrtGetApiBase` has had this signature since ONNX Runtime 1.0.
    let symbol = unsafe { loaded.get::<unsafe extern "C" fn() -> *const OrtApiBase>(b"OrtGetApiBase\0") };
    let base = symbol.map_err(|_| "it is not ONNX Runtime".to_owned())?;
    // SAFETY: the function takes nothing and returns a pointer to a static of the library, or null.
    let base = unsafe { base().as_ref() }.ok_or("it is not ONNX Runtime")?;
    // SAFETY: returns a static, null-terminated text; checked for null before it is read.
    let version = unsafe {
        let text = (base.GetVersionString)();
        (!text.is_null()).then(|| CStr::from_ptr(text).to_string_lossy().into_owned())
    };
    let version = version.ok_or("it does not tell its version")?;
    let mut numbers = version.split('.').map_while(|part| part.parse::<u32>().ok());
    if (numbers.next(), numbers.next()) < (Some(1), Some(ORT_API_VERSION)) {
        return Err(format!(
            "it is version {version}, 1.{ORT_API_VERSION} or newer is needed"
        ));
    }
    // SAFETY: any version may be asked for; null means that it is not offered.
    if unsafe { (base.GetApi)(ORT_API_VERSION) }.is_null() {
        return Err(format!("its version {version} does not offer API {ORT_API_VERSION}"));
    }
    Ok(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str = if cfg!(windows) {
        "onnxruntime.dll"
    } else if cfg!(target_vendor = "apple") {
        "libonnxruntime.dylib"
    } else {
        "libonnxruntime.so"
    };

    /// Builds a shared library from Rust source, as anybody could put one beside the plugin.
    fn library(folder: &Path, source: &str) -> PathBuf {
        let file = folder.join("library.rs");
        let library = folder.join(PLAIN);
        std::fs::write(&file, source).unwrap();
        let rustc = std::env::var_os("RUSTC").unwrap_or("rustc".into());
        let built = std::process::Command::new(rustc)
            .args(["--edition=2024", "--crate-type=cdylib", "-Cpanic=abort", "-o"])
            .args([&library, &file])
            .output()
            .unwrap();
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        library
    }

    /// A library that looks like ONNX Runtime of a version, without any API.
    fn fake(folder: &Path, version: &str) -> PathBuf {
        library(
            folder,
            &format!(
                r#"
                #[repr(C)]
                pub struct Base {{ api: extern "C" fn(u32) -> usize, version: extern "C" fn() -> *const u8 }}
                extern "C" fn api(_version: u32) -> usize {{ 0 }}
                extern "C" fn version() -> *const u8 {{ {version} }}
                #[unsafe(no_mangle)]
                pub extern "C" fn OrtGetApiBase() -> &'static Base {{ &Base {{ api, version }} }}
                "#
            ),
        )
    }

    #[test]
    fn libraries_that_are_unusable_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        assert_eq!(version_of(&path.join(PLAIN)), Err("there is no such file".into()));
        std::fs::write(path.join(PLAIN), "not a library").unwrap();
        let reason = version_of(&path.join(PLAIN)).unwrap_err();
        assert!(reason.starts_with("it cannot be loaded"), "{reason}");

        // Each in a folder of its own: a library that is loaded must not be overwritten.
        type MakeFile = fn(&Path) -> PathBuf;
        let cases: [(&str, MakeFile, &str); 6] = [
            (
                "symbol",
                |path| library(path, "#[unsafe(no_mangle)] pub extern \"C\" fn other() {}"),
                "it is not ONNX Runtime",
            ),
            (
                "base",
                |path| {
                    library(
                        path,
                        "#[unsafe(no_mangle)] pub extern \"C\" fn OrtGetApiBase() -> usize { 0 }",
                    )
                },
                "it is not ONNX Runtime",
            ),
            (
                "version",
                |path| fake(path, "std::ptr::null()"),
                "it does not tell its version",
            ),
            (
                "words",
                |path| fake(path, "c\"new\".as_ptr().cast()"),
                "it is version new, 1.24 or newer is needed",
            ),
            (
                "old",
                |path| fake(path, "c\"1.17.3\".as_ptr().cast()"),
                "it is version 1.17.3, 1.24 or newer is needed",
            ),
            (
                "api",
                |path| fake(path, "c\"1.99.0\".as_ptr().cast()"),
                "its version 1.99.0 does not offer API 24",
            ),
        ];
        for (name, build, expected) in cases {
            let folder = path.join(name);
            std::fs::create_dir(&folder).unwrap();
            let library = build(&folder);
            assert_eq!(version_of(&library), Err(expected.into()), "{name}");
            assert!(load(&library).is_err(), "{name}");
        }
    }

    #[test]
    fn the_plugins_folder_comes_before_the_variable() {
        let [beside, asked_for] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let name = if cfg!(windows) {
            PLAIN.to_owned()
        } else {
            format!("{PLAIN}.1.31.1")
        };
        for file in [
            PLAIN,
            "plugin.vst3",
            "libonnxruntime_providers_shared.so",
            "onnxruntime.txt",
        ] {
            std::fs::write(beside.path().join(file), "").unwrap();
        }
        std::fs::write(asked_for.path().join(PLAIN), "").unwrap();
        let plugin = beside.path().join("plugin.vst3");
        let (first, second) = (beside.path().join(PLAIN), asked_for.path().join(PLAIN));
        assert_eq!(
            candidates(Some(&plugin), Some(asked_for.path())),
            [first.clone(), second.clone()]
        );
        assert_eq!(candidates(Some(&plugin), Some(&second)), [first.clone(), second]);
        assert_eq!(candidates(Some(&plugin), Some(Path::new(""))), [first]);
        assert!(candidates(None, None).is_empty());
        // A name is a file's, never one that the system's loader searches for.
        let bare = candidates(None, Some(Path::new(&name)));
        assert!(bare.len() == 1 && bare[0].is_absolute(), "{bare:?}");
    }

    #[test]
    #[cfg(all(unix, not(target_vendor = "apple")))]
    fn newer_libraries_come_before_older_ones() {
        let folder = tempfile::tempdir().unwrap();
        let names = ["libonnxruntime.so", "libonnxruntime.so.1.31.1", "libonnxruntime.so.1"];
        for name in ["libonnxruntime.so.1", "libonnxruntime.so.1.31.1", "libonnxruntime.so"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        assert_eq!(libraries_in(folder.path()), names.map(|name| folder.path().join(name)));
    }

    #[test]
    fn the_editor_gets_a_short_name() {
        let onnx_runtime = Runtime::OnnxRuntime {
            library: "/x".into(),
            version: "1.31.1".into(),
        };
        assert_eq!(onnx_runtime.to_string(), "ONNX Runtime 1.31.1");
        assert_eq!(Runtime::Tract { reason: None }.to_string(), "tract 0.23 (built in)");
    }
}
