//! The system's dialog for choosing a model file. It runs beside the window, which goes on meanwhile.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nice_plug_egui::baseview::WindowContext;
use rfd::AsyncFileDialog;

use super::repaint::Repaint;
use crate::own_file;

/// Nobody closes a dialog sooner than this: an answer that comes sooner says that there was none.
const SOONEST: Duration = Duration::from_millis(250);

/// How the dialog is doing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Dialog {
    /// There is none.
    #[default]
    Closed,
    /// The user has it before them.
    Open,
    /// There is none, or its answer is of no use: one sentence for the user.
    Failed(String),
}

/// One dialog at a time.
#[derive(Clone, Default)]
pub struct FileDialog {
    state: Arc<Mutex<Dialog>>,
}

impl FileDialog {
    /// Opens it before `window`, in `folder` if the system likes, unless it is open. On a thread of its own, `then` gets
    /// the file that the user chooses, and after that `repaint` is told. To be called on the window's thread.
    pub fn open(
        &self,
        window: &WindowContext,
        folder: Option<PathBuf>,
        then: impl FnOnce(PathBuf) + Send + 'static,
        repaint: Repaint,
    ) {
        let mut dialog = AsyncFileDialog::new()
            .set_title("Open a model")
            .add_filter("Models (ONNX)", &["onnx"])
            .set_parent(window);
        if let Some(folder) = folder {
            dialog = dialog.set_directory(folder);
        }
        if self.begin() {
            // macOS wants it to be opened here, on the main thread; the answer may be awaited elsewhere.
            let answer = dialog.pick_file();
            let path = async move { answer.await.map(|file| file.path().to_owned()) };
            self.wait(path, then, repaint);
        }
    }

    /// How it is doing.
    pub fn state(&self) -> Dialog {
        self.lock().clone()
    }

    /// Says how it is doing.
    pub fn set(&self, state: Dialog) {
        *self.lock() = state;
    }

    fn begin(&self) -> bool {
        std::mem::replace(&mut *self.lock(), Dialog::Open) != Dialog::Open
    }

    fn wait(
        &self,
        path: impl Future<Output = Option<PathBuf>> + Send + 'static,
        then: impl FnOnce(PathBuf) + Send + 'static,
        repaint: Repaint,
    ) {
        // Whoever unloads the plugin does not close the dialog.
        own_file::stay();
        let dialog = self.clone();
        let started = thread::Builder::new().name("affekt dialog".into()).spawn(move || {
            let start = Instant::now();
            let done = catch_unwind(AssertUnwindSafe(|| {
                let path = judge(pollster::block_on(path), start.elapsed())?;
                if let Some(path) = path {
                    then(path);
                }
                Ok(())
            }));
            dialog.set(match done {
                Ok(Ok(())) => Dialog::Closed,
                Ok(Err(reason)) => Dialog::Failed(reason),
                Err(_) => Dialog::Failed("The file dialog failed: an internal error.".into()),
            });
            repaint.request();
        });
        if let Err(error) = started {
            self.set(Dialog::Failed(format!(
                "The file dialog cannot be opened ({error}): close other programs and try again."
            )));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Dialog> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What an answer after so much time means: a file, or that the user has closed the dialog.
fn judge(path: Option<PathBuf>, after: Duration) -> Result<Option<PathBuf>, String> {
    match path {
        // Projects are saved as text.
        Some(path) if path.to_str().is_none() => Err(format!(
            "{} cannot be kept in a project, because its name is not Unicode: rename it.",
            path.display()
        )),
        Some(path) => Ok(Some(path)),
        None if cfg!(target_os = "linux") && after < SOONEST => {
            Err("The system has opened no file dialog: install xdg-desktop-portal or zenity, then try again.".into())
        }
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    /// Answers after a while, as a user does.
    async fn answer(path: Option<&str>) -> Option<PathBuf> {
        thread::sleep(SOONEST);
        path.map(PathBuf::from)
    }

    fn wait_until_closed(dialog: &FileDialog) -> Dialog {
        let start = Instant::now();
        while dialog.state() == Dialog::Open && start.elapsed() < PATIENCE {
            thread::sleep(Duration::from_millis(1));
        }
        dialog.state()
    }

    #[test]
    fn the_answer_arrives_and_there_is_one_dialog_at_a_time() {
        let (dialog, (sender, chosen)) = (FileDialog::default(), channel());
        assert!(dialog.begin());
        assert!(!dialog.begin(), "it is open");
        let then = move |path| sender.send(path).unwrap();
        dialog.wait(answer(Some("choir.onnx")), then, Repaint::default());
        assert_eq!(chosen.recv_timeout(PATIENCE).unwrap(), PathBuf::from("choir.onnx"));
        assert_eq!(wait_until_closed(&dialog), Dialog::Closed);
        assert!(dialog.begin(), "it can be opened again");
    }

    #[test]
    fn a_closed_dialog_chooses_nothing() {
        let dialog = FileDialog::default();
        assert!(dialog.begin());
        dialog.wait(answer(None), |path| panic!("{}", path.display()), Repaint::default());
        assert_eq!(wait_until_closed(&dialog), Dialog::Closed);
    }

    #[test]
    fn an_error_of_ours_is_said() {
        let dialog = FileDialog::default();
        assert!(dialog.begin());
        dialog.wait(answer(Some("choir.onnx")), |_| panic!(), Repaint::default());
        assert!(matches!(wait_until_closed(&dialog), Dialog::Failed(_)));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_system_without_dialogs_and_unreadable_names_are_said() {
        use std::os::unix::ffi::OsStringExt;

        let error = judge(None, Duration::ZERO).unwrap_err();
        assert!(error.contains("zenity"), "{error}");
        let name = std::ffi::OsString::from_vec(vec![0xff, b'.', b'o']);
        let error = judge(Some(name.into()), PATIENCE).unwrap_err();
        assert!(error.contains("rename"), "{error}");
    }
}
