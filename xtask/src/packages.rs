//! Packages of the system that a command needs.

use std::process::{Command, Stdio};

use color_eyre::eyre::bail;

use crate::cargo::run;

/// Installs Debian packages where that is allowed; says in one sentence what to install where it is not.
/// `purpose` completes "… is needed to …".
pub fn install(packages: &[&str], purpose: &str) -> color_eyre::Result<()> {
    let names = packages.join(" ");
    if !cfg!(target_os = "linux") || !succeeds("apt-get", &["--version"]) {
        bail!("{names} (or what your system calls it) is needed to {purpose}: install it and try again");
    }
    let Some(mut prefix) = root_prefix() else {
        bail!("{names} is needed to {purpose}: run `sudo apt-get install {names}` and try again");
    };
    eprintln!("Installing {names}, which is needed to {purpose}.");
    prefix.push("apt-get");
    let apt = |arguments: &[&str]| {
        let mut command = Command::new(prefix[0]);
        command
            .args(&prefix[1..])
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive");
        command
    };
    // The lists may be missing altogether, and stale ones lead to packages that are gone.
    run(&mut apt(&["update", "--quiet"]))?;
    run(apt(&["install", "--quiet", "--yes", "--no-install-recommends"]).args(packages))
}

/// What to write before a command that needs root: nothing as root, sudo where it does not ask.
fn root_prefix() -> Option<Vec<&'static str>> {
    let id = Command::new("id").arg("-u").output().ok()?;
    if id.stdout.trim_ascii() == b"0" {
        return Some(Vec::new());
    }
    succeeds("sudo", &["--non-interactive", "true"]).then(|| vec!["sudo", "--non-interactive"])
}

/// Whether a program can be run and ends well.
pub fn succeeds(program: &str, arguments: &[&str]) -> bool {
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
