//! The model files that were opened last, kept in a small file among the user's settings: the same in all projects and
//! hosts.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Most files that are kept.
pub const MOST: usize = 8;
/// The file, below the user's folder for settings.
const FOLDER: &str = "Affekt";
const FILE: &str = "recent-models.json";
/// More than this was not written by us.
const MAX_BYTES: u64 = 1 << 20;

/// A model file that was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recent {
    /// Where it is, or was.
    pub path: PathBuf,
    /// Whether it is there no more.
    pub missing: bool,
}

/// The files that were opened last, the last one first. Clones share the list.
#[derive(Debug, Clone, Default)]
pub struct RecentModels {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// `None` if the system does not say where settings belong: the list then lasts as long as it is shared.
    settings: Option<PathBuf>,
    list: Mutex<Vec<Recent>>,
}

impl RecentModels {
    /// The user's, not read yet.
    pub fn of_user() -> Self {
        Self::kept_in(dirs::config_dir().map(|folder| folder.join(FOLDER).join(FILE)))
    }

    /// Those of a settings file, not read yet.
    pub fn kept_in(settings: Option<PathBuf>) -> Self {
        let shared = Shared {
            settings,
            list: Mutex::default(),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// As it was read last, at most [`MOST`].
    pub fn list(&self) -> Vec<Recent> {
        self.lock().clone()
    }

    /// Reads the list and looks which files are there. Takes as long as the user's disks take. A list that cannot be read
    /// is empty.
    pub fn read(&self) {
        let paths = match &self.shared.settings {
            Some(settings) => read(settings),
            None => self.paths(),
        };
        self.set(paths);
    }

    /// Puts a file first. Takes as long as the user's disks take.
    ///
    /// # Errors
    /// The list cannot be written; this list has the file nevertheless.
    pub fn add(&self, path: &Path) -> io::Result<()> {
        // Another window, or another host, may have added some.
        let mut paths = self.shared.settings.as_deref().map_or_else(|| self.paths(), read);
        paths.retain(|other| other != path);
        paths.insert(0, path.to_owned());
        paths.truncate(MOST);
        let written = self
            .shared
            .settings
            .as_deref()
            .map_or(Ok(()), |settings| write(settings, &paths));
        self.set(paths);
        written
    }

    fn paths(&self) -> Vec<PathBuf> {
        self.lock().iter().map(|recent| recent.path.clone()).collect()
    }

    fn set(&self, paths: Vec<PathBuf>) {
        let list = paths.into_iter().take(MOST).map(|path| Recent {
            missing: !path.is_file(),
            path,
        });
        let list = list.collect();
        *self.lock() = list;
    }

    /// Of a window that a test draws.
    #[cfg(test)]
    pub fn of(list: Vec<Recent>) -> Self {
        let recent = Self::default();
        *recent.lock() = list;
        recent
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Recent>> {
        self.shared.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(settings: &Path) -> Vec<PathBuf> {
    let mut json = String::new();
    let read = File::open(settings).and_then(|file| file.take(MAX_BYTES).read_to_string(&mut json));
    read.ok()
        .and_then(|_| serde_json::from_str(&json).ok())
        .unwrap_or_default()
}

/// Written beside and then put in its place, so that nobody ever reads half of it.
fn write(settings: &Path, paths: &[PathBuf]) -> io::Result<()> {
    if let Some(folder) = settings.parent() {
        fs::create_dir_all(folder)?;
    }
    let new = settings.with_extension(format!("{}.new", std::process::id()));
    fs::write(&new, serde_json::to_string_pretty(paths)?)?;
    fs::rename(&new, settings).inspect_err(|_| {
        // It is of no use to anybody.
        let _ = fs::remove_file(&new);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(recent: &RecentModels) -> Vec<String> {
        let name = |recent: Recent| recent.path.file_name().unwrap().to_string_lossy().into_owned();
        recent.list().into_iter().map(name).collect()
    }

    #[test]
    fn the_last_one_comes_first_and_windows_share_the_list() {
        let home = tempfile::tempdir().unwrap();
        let settings = Some(home.path().join("Affekt").join("recent.json"));
        let (one, other) = (RecentModels::kept_in(settings.clone()), RecentModels::kept_in(settings));
        one.read();
        assert!(one.list().is_empty(), "there is no file yet");
        for number in 0..MOST + 2 {
            one.add(&home.path().join(format!("{number}.onnx"))).unwrap();
        }
        other.add(&home.path().join("5.onnx")).unwrap();
        one.read();
        let expected = ["5", "9", "8", "7", "6", "4", "3", "2"].map(|name| format!("{name}.onnx"));
        assert_eq!(names(&one), expected);
        let left = fs::read_dir(home.path().join("Affekt")).unwrap().count();
        assert_eq!(left, 1, "nothing else is left there");
    }

    #[test]
    fn missing_files_are_known_as_such() {
        let home = tempfile::tempdir().unwrap();
        let recent = RecentModels::kept_in(Some(home.path().join("recent.json")));
        let (there, gone) = (home.path().join("there.onnx"), home.path().join("gone.onnx"));
        fs::write(&there, "").unwrap();
        recent.add(&gone).unwrap();
        recent.add(&there).unwrap();
        let missing: Vec<bool> = recent.list().into_iter().map(|recent| recent.missing).collect();
        assert_eq!(missing, [false, true]);
    }

    #[test]
    fn nonsense_is_an_empty_list_and_what_cannot_be_written_lasts_for_now() {
        let home = tempfile::tempdir().unwrap();
        let settings = home.path().join("recent.json");
        fs::write(&settings, "{\"models\": 3}").unwrap();
        let recent = RecentModels::kept_in(Some(settings.clone()));
        recent.read();
        assert!(recent.list().is_empty());

        let recent = RecentModels::kept_in(Some(settings.join("below a file").join("recent.json")));
        assert!(recent.add(Path::new("choir.onnx")).is_err());
        assert_eq!(names(&recent), ["choir.onnx"]);
    }
}
