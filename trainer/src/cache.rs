//! Values that take long to compute, kept on disk: what other people's models say of each clip.

use std::fs;
use std::path::{Path, PathBuf};

use crate::seed::bytes_key;
use crate::whole_file;

/// A file with values could not be written.
#[derive(Debug, thiserror::Error)]
#[error("{path} cannot be written ({reason}): free the disk, or choose another folder with --cache")]
pub struct CacheError {
    /// The file.
    pub path: PathBuf,
    /// What the system said.
    pub reason: String,
}

/// A folder of values. Files are little-endian f32 after a checksum; a damaged one is computed anew.
#[derive(Debug, Clone)]
pub struct Cache {
    folder: PathBuf,
}

impl Cache {
    /// In this folder, which is made when there is something to keep.
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.into() }
    }

    /// The values kept as `name` (folders divided by `/`), computed and kept if they are not there. Whatever the values
    /// depend on must be in the name.
    pub fn values<E: From<CacheError>>(
        &self,
        name: &str,
        compute: impl FnOnce() -> Result<Vec<f32>, E>,
    ) -> Result<Vec<f32>, E> {
        let path = self.folder.join(name);
        if let Some(values) = fs::read(&path).ok().and_then(|bytes| decode(&bytes)) {
            return Ok(values);
        }
        let values = compute()?;
        write(&path, &values).map_err(|reason| CacheError {
            path,
            reason: reason.to_string(),
        })?;
        Ok(values)
    }
}

fn write(path: &Path, values: &[f32]) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let data: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let mut bytes = bytes_key(&data).to_le_bytes().to_vec();
    bytes.extend(data);
    // Several processes may work on the same clips.
    whole_file::write(path, bytes)
}

fn decode(bytes: &[u8]) -> Option<Vec<f32>> {
    let (key, data) = bytes.split_first_chunk::<8>()?;
    let (values, rest) = data.as_chunks::<4>();
    let is_whole = rest.is_empty() && u64::from_le_bytes(*key) == bytes_key(data);
    is_whole.then(|| values.iter().map(|value| f32::from_le_bytes(*value)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_computed_once_and_again_when_damaged() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path());
        let mut computed = 0;
        let mut values = |name: &str| {
            cache.values(name, || {
                computed += 1;
                Ok::<_, CacheError>(vec![1.5, f32::MIN_POSITIVE, -3.0])
            })
        };
        let first = values("a/1").unwrap();
        assert_eq!(values("a/1").unwrap(), first);
        assert_eq!(values("a/2").unwrap(), first);
        let path = folder.path().join("a/1");
        let mut bytes = fs::read(&path).unwrap();
        bytes[11] ^= 1;
        fs::write(&path, &bytes).unwrap();
        assert_eq!(values("a/1").unwrap(), first);
        fs::write(&path, &bytes[..13]).unwrap();
        assert_eq!(values("a/1").unwrap(), first);
        assert_eq!(computed, 4);
        assert_eq!(
            fs::read_dir(folder.path().join("a")).unwrap().count(),
            2,
            "nothing is left behind"
        );
    }

    #[test]
    fn what_cannot_be_kept_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let error = Cache::new(&file)
            .values("a", || Ok::<_, CacheError>(vec![1.0]))
            .unwrap_err();
        assert!(error.to_string().contains("--cache"), "{error}");
    }
}
