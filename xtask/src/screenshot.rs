use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use clap::Args;
use color_eyre::eyre::{OptionExt, WrapErr};

use crate::{
    cargo::{EVERYTHING, cargo, run},
    packages::{self, succeeds},
    workspace,
};

/// Folder of the pictures, below the plugin's.
const PICTURES: &str = "pictures";
/// The test that draws them, and where it is told to put them.
const TEST: &str = "editor::pictures::pictures";
const FOLDER_VARIABLE: &str = "AFFEKT_PICTURES";
/// Debian's packages of the programs below, and of OpenGL in software.
const PACKAGES: [&str; 4] = ["xvfb", "imagemagick", "libgl1-mesa-dri", "libgl1"];

/// Draws every view of the editor in every state in a real window, on a screen that nobody sees, into plugin/pictures.
#[derive(Debug, Args)]
pub struct Arguments {}

impl Arguments {
    /// Builds, opens the windows and takes their pictures.
    pub fn run(self) -> color_eyre::Result<()> {
        if !succeeds("Xvfb", &["-help"]) || !succeeds("import", &["-version"]) {
            packages::install(&PACKAGES, "draw the editor without a screen")?;
        }
        let folder = workspace::root().join("plugin").join(PICTURES);
        // Like the tests, so that nothing is built twice.
        run(cargo(["test", "--release", "--lib", "--no-run"]).args(EVERYTHING))?;
        let screen = Screen::open()?;
        run(cargo(["test", "--release", "--lib"])
            .args(EVERYTHING)
            .args(["--", "--ignored", "--exact", TEST])
            .env("DISPLAY", screen.name())
            .env("LIBGL_ALWAYS_SOFTWARE", "1")
            .env(FOLDER_VARIABLE, &folder))?;
        report(&folder)
    }
}

fn report(folder: &Path) -> color_eyre::Result<()> {
    let entries = folder
        .read_dir()
        .wrap_err_with(|| format!("the folder {} cannot be read", folder.display()))?;
    let pictures = entries
        .filter_map(Result::ok)
        .filter(|entry| entry.path().extension().is_some_and(|extension| extension == "png"))
        .count();
    println!("{pictures} pictures lie in {}.", folder.display());
    Ok(())
}

/// An X server without a screen.
struct Screen {
    server: Child,
    number: String,
}

impl Screen {
    fn open() -> color_eyre::Result<Self> {
        // Large enough that the pointer, which stands in its middle, is not on a window.
        // It chooses a free number and writes it to its standard output when it is ready.
        let mut server = Command::new("Xvfb")
            .args([
                "-displayfd",
                "1",
                "-screen",
                "0",
                "2048x1400x24",
                "+extension",
                "GLX",
                "-noreset",
            ])
            .env_remove("DISPLAY")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .wrap_err("`Xvfb` cannot be started")?;
        let output = server.stdout.take().ok_or_eyre("Xvfb does not say its number")?;
        let mut number = String::new();
        BufReader::new(output)
            .read_line(&mut number)
            .wrap_err("Xvfb does not say its number")?;
        Ok(Self {
            server,
            number: number.trim().to_owned(),
        })
    }

    /// As `DISPLAY` takes it.
    fn name(&self) -> String {
        format!(":{}", self.number)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // It is of no further use, whatever it says.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
