//! Draws every scene in a real window and takes a picture of it. Run by `cargo xtask screenshot`, which prepares a
//! screen of its own; nothing else runs it.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use egui::{Context, ViewportCommand};
use nice_plug::editor::dpi::{LogicalSize, Size};
use nice_plug_egui::{App as BaseviewApp, EguiWindow, EguiWindowSettings, Frame};

use super::scenes::SCENES;
use super::size::DEFAULT;
use super::{App, graphics};

/// Folder that the pictures go to.
const FOLDER_VARIABLE: &str = "AFFEKT_PICTURES";
/// How long a window is drawn before its picture is taken: what moves has come to rest by then.
const SETTLING: Duration = Duration::from_millis(700);

/// A window of which a picture is taken.
struct Sitter {
    app: App,
    picture: PathBuf,
    start: Instant,
}

impl BaseviewApp for Sitter {
    fn build(&mut self, _: Context, _: &mut Frame) -> Result<(), nice_plug_egui::baseview::HandlerError> {
        self.start = Instant::now();
        Ok(())
    }

    fn ui(&mut self, ui: &mut egui::Ui, frame: &mut Frame) {
        self.app.show(ui, frame);
        if self.start.elapsed() > SETTLING {
            let crop = format!("{}x{}+0+0", DEFAULT.0, DEFAULT.1);
            let taken = Command::new("import")
                .args(["-window", "root", "-crop", &crop, "+repage"])
                .args(["-depth", "8", "+dither", "-colors", "255"])
                .args([
                    "-define",
                    "png:compression-filter=0",
                    "-define",
                    "png:compression-level=9",
                ])
                .arg(&self.picture)
                .status();
            assert!(
                taken.is_ok_and(|status| status.success()),
                "no picture of the screen can be taken"
            );
            ui.ctx().send_viewport_cmd(ViewportCommand::Close);
        }
        ui.ctx().request_repaint_after(Duration::from_millis(33));
    }
}

#[test]
#[ignore = "needs a screen: run `cargo xtask screenshot`"]
fn pictures() {
    let Some(folder) = std::env::var_os(FOLDER_VARIABLE).map(PathBuf::from) else {
        panic!("{FOLDER_VARIABLE} names no folder");
    };
    for scene in &SCENES {
        let picture = folder.join(format!("{}.png", scene.name));
        let size = Size::Logical(LogicalSize::new(f64::from(DEFAULT.0), f64::from(DEFAULT.1)));
        let settings = EguiWindowSettings::new()
            .with_title("Affekt")
            .with_size(size)
            .with_graphics_config(graphics());
        let sitter = Sitter {
            app: scene.app(),
            picture: picture.clone(),
            start: Instant::now(),
        };
        EguiWindow::create(settings, sitter)
            .expect("a window can be opened")
            .run_until_closed()
            .expect("the window runs");
        assert!(picture.is_file(), "{}", scene.name);
    }
}
