//! Model files of others, read within bounds.

use std::path::Path;

use affekt_models::MAX_MODEL_BYTES;

/// A model file's bytes, or one clause that says why it cannot be read.
pub fn read(path: &Path) -> Result<Vec<u8>, String> {
    let bytes = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
    if bytes > MAX_MODEL_BYTES {
        return Err(format!(
            "it is {bytes} bytes long, more than the {MAX_MODEL_BYTES} that are accepted"
        ));
    }
    std::fs::read(path).map_err(|error| error.to_string())
}
