//! A library beside the plugin that is no ONNX Runtime: the built-in runtime takes over and says why.
//! (In a file of its own: the runtime is chosen once per process.)

mod common;

use affekt_models::Model;
use affekt_models::runtime::{self, Runtime};
use common::TINY;

#[test]
fn an_unusable_library_leaves_the_built_in_runtime() {
    let folder = tempfile::tempdir().unwrap();
    let name = if cfg!(windows) {
        "onnxruntime.dll"
    } else if cfg!(target_vendor = "apple") {
        "libonnxruntime.dylib"
    } else {
        "libonnxruntime.so"
    };
    std::fs::write(folder.path().join(name), "not a library").unwrap();
    let chosen = runtime::choose(Some(&folder.path().join("affekt.clap")));
    let Runtime::Tract { reason: Some(reason) } = chosen else {
        panic!("{chosen:?} without a reason")
    };
    assert!(reason.contains(name) && reason.contains("cannot be loaded"), "{reason}");
    assert_eq!(chosen.to_string(), "tract 0.23 (built in)");
    // Later calls change nothing.
    assert_eq!(runtime::choose(None), chosen);
    let mut model = Model::from_bytes(&common::model(TINY, 1)).unwrap();
    assert!(model.run(&common::window(60, TINY.coefficients, 1)).is_ok());
}
