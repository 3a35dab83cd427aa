use std::{
    collections::VecDeque,
    fmt, fs,
    io::{BufRead, BufReader, Read},
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{self, RecvTimeoutError, Sender},
    thread,
    time::{Duration, Instant},
};

use clap::{Args, ValueEnum};
use color_eyre::eyre::{OptionExt, WrapErr, bail};

use crate::{
    bundle,
    cargo::{describe, run},
    install, packages, python, test, workspace,
};

/// Builds, and checks the VST3 bundle in real hosts: Ardour, pedalboard and DawDreamer. Fetches the hosts on the first
/// call.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Hosts to check in; all of them if none is given.
    hosts: Vec<Host>,
    /// Shows everything that the hosts say.
    #[arg(long)]
    verbose: bool,
}

/// A program that loads plugins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Host {
    Ardour,
    Pedalboard,
    Dawdreamer,
}

/// How long a host may take, fetching not included; each needs less than a minute, on two busy cores.
const TIMEOUT: Duration = Duration::from_secs(240);

/// How much of a host's output is shown when something went wrong.
const LAST_LINES: usize = 30;

/// The headless Ardour; the scripts are written for this version.
const ARDOUR: &str = "ardour7-lua";

/// The checks of `tests/validate/ardour.lua`, in its order.
const IN_ARDOUR: &[&str] = &[
    "scans the bundle",
    "lists the plugin",
    "loads it on stereo and mono busses",
    "shows nine read-only outputs",
    "loads presets of another host",
    "settings can be set",
    "plays",
    "passes audio unchanged, stereo",
    "passes audio unchanged, mono",
    "passes audio unchanged, changed settings",
    "moves its outputs while sound plays",
    "session round trip",
];

/// The checks of `tests/validate/{pedalboard,dawdreamer}_host.py`, in their order.
const IN_JUCE: &[&str] = &[
    "lists its parameters",
    "null test, noise, stereo",
    "null test, noise, mono",
    "null test, vocal, stereo",
    "null test, vocal, mono",
    "hears the vocal",
    "hears the same at any block size",
    "default state round trip",
    "settings can be set",
    "changed state round trip",
    "null test, changed settings, stereo",
    "null test, changed settings, mono",
];

/// The last check in every host: that its process ends well, which plugins can spoil.
const ENDS: &str = "ends without error";

/// What a check has brought.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    check: String,
    passed: bool,
    detail: String,
    duration: Duration,
}

impl Arguments {
    /// Fetches, builds, runs all hosts and sums up.
    pub fn run(self) -> color_eyre::Result<()> {
        let hosts = if self.hosts.is_empty() {
            Host::value_variants().to_vec()
        } else {
            self.hosts
        };
        // First what may be missing, so that nobody waits for a build in vain.
        if hosts.contains(&Host::Ardour) {
            provide_ardour()?;
        }
        let scripts = workspace::root().join("tests/validate");
        let python = python::with_requirements(
            "validate-python",
            &scripts.join("requirements.txt"),
            "check the plugin in Python's hosts",
        )?;
        // As the tests do it, so that nothing is built twice.
        test::build(&[])?;
        bundle::pack()?;

        let stage = Stage::set_up(scripts, python)?;
        let mut outcomes = Vec::new();
        for host in hosts {
            println!("\n{host}");
            let command = stage.command(host)?;
            outcomes.extend(
                attend(command, host.checks(), TIMEOUT, self.verbose)?
                    .into_iter()
                    .map(|outcome| (host, outcome)),
            );
        }

        print_table(&outcomes);
        let failed = outcomes.iter().filter(|(_, outcome)| !outcome.passed).count();
        if failed > 0 {
            bail!("{failed} of {} checks have failed: see above", outcomes.len());
        }
        Ok(())
    }
}

impl Host {
    fn checks(self) -> &'static [&'static str] {
        match self {
            Self::Ardour => IN_ARDOUR,
            Self::Pedalboard | Self::Dawdreamer => IN_JUCE,
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Ardour => "Ardour",
            Self::Pedalboard => "pedalboard",
            Self::Dawdreamer => "DawDreamer",
        })
    }
}

/// Makes sure that Ardour's headless program is there.
fn provide_ardour() -> color_eyre::Result<()> {
    let there = || packages::succeeds(ARDOUR, &["--version"]);
    if there() {
        return Ok(());
    }
    let start = Instant::now();
    packages::install(&["ardour"], "check the plugin in a DAW")?;
    println!("Ardour was installed in {:.0} s.", start.elapsed().as_secs_f64());
    if !there() {
        bail!("the package ardour of this system holds no {ARDOUR}: install Ardour 7, or name the other hosts only");
    }
    Ok(())
}

/// What the hosts find: a home of their own, with the bundle in it and without the user's settings.
struct Stage {
    scripts: PathBuf,
    python: PathBuf,
    folder: PathBuf,
    bundle: PathBuf,
}

impl Stage {
    fn set_up(scripts: PathBuf, python: PathBuf) -> color_eyre::Result<Self> {
        let folder = workspace::target()?.join("validate");
        if folder.exists() {
            fs::remove_dir_all(&folder).wrap_err_with(|| format!("{} cannot be emptied", folder.display()))?;
        }
        let home = folder.join("home");
        // Where Ardour looks for VST3 plugins.
        let bundle = home.join(".vst3").join("Affekt.vst3");
        let installed = install::replace(&workspace::bundles()?.join("Affekt.vst3"), &bundle);
        installed.wrap_err_with(|| format!("the bundle cannot be copied to {}", bundle.display()))?;
        // Where Ardour looks for scripts.
        let tape = home.join(".config/ardour7/scripts/ardour_tape.lua");
        install::replace(&scripts.join("ardour_tape.lua"), &tape)
            .wrap_err_with(|| format!("the script cannot be copied to {}", tape.display()))?;
        Ok(Self {
            scripts,
            python,
            folder,
            bundle,
        })
    }

    /// How a host is started.
    fn command(&self, host: Host) -> color_eyre::Result<Command> {
        let mut command = match host {
            Host::Ardour => {
                let sound = self.folder.join("vocal.f32");
                // Where Ardour looks for presets.
                let presets = self.folder.join("home/.vst3/presets/Affekt/Affekt");
                run(self
                    .script("prepare_ardour.py")
                    .arg(&self.bundle)
                    .arg(&sound)
                    .arg(presets))?;
                let mut command = Command::new(ARDOUR);
                command
                    .arg(self.scripts.join("ardour.lua"))
                    .env("AFFEKT_BUNDLE", &self.bundle)
                    .env("AFFEKT_SOUND", sound)
                    .env("AFFEKT_SESSION", self.folder.join("session"));
                command
            }
            Host::Pedalboard => self.script("pedalboard_host.py"),
            Host::Dawdreamer => self.script("dawdreamer_host.py"),
        };
        if host != Host::Ardour {
            command.arg(&self.bundle);
        }
        command
            .current_dir(&self.folder)
            .env("HOME", self.folder.join("home"))
            .env_remove("XDG_CACHE_HOME")
            .env_remove("XDG_CONFIG_HOME")
            .env_remove("XDG_DATA_HOME")
            // Without a screen no host opens a window.
            .env_remove("DISPLAY")
            .env_remove("WAYLAND_DISPLAY")
            // As most users have it.
            .env_remove("AFFEKT_ONNXRUNTIME");
        Ok(command)
    }

    fn script(&self, name: &str) -> Command {
        let mut command = Command::new(&self.python);
        // -B: no compiled files beside the scripts.
        command.args(["-B", "-u"]).arg(self.scripts.join(name));
        command
    }
}

/// Runs a host to its end, but not longer than the timeout, and judges it by what it reports. What is expected and not
/// reported has failed, and what is reported but not expected too.
fn attend(
    mut command: Command,
    expected: &[&str],
    timeout: Duration,
    verbose: bool,
) -> color_eyre::Result<Vec<Outcome>> {
    let line = describe(&command);
    let start = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .wrap_err_with(|| format!("`{line}` cannot be started"))?;

    let (sender, lines) = mpsc::channel();
    read(child.stdout.take(), sender.clone())?;
    read(child.stderr.take(), sender)?;

    let mut outcomes: Vec<Outcome> = Vec::new();
    let mut last_lines = VecDeque::new();
    let mut last_check = start;
    let open = loop {
        match lines.recv_timeout(timeout.saturating_sub(start.elapsed())) {
            Ok(line) => {
                if let Some(mut outcome) = Outcome::parse(&line) {
                    outcome.duration = last_check.elapsed();
                    last_check = Instant::now();
                    if !expected.contains(&outcome.check.as_str())
                        || outcomes.iter().any(|other| other.check == outcome.check)
                    {
                        outcome.passed = false;
                        outcome.detail = format!("the check is not in the list of this host ({})", outcome.detail);
                    }
                    println!("  {outcome}");
                    outcomes.push(outcome);
                } else if verbose {
                    println!("    | {line}");
                } else {
                    last_lines.push_back(line);
                    if last_lines.len() > LAST_LINES {
                        last_lines.pop_front();
                    }
                }
            }
            Err(RecvTimeoutError::Timeout) => break true,
            Err(RecvTimeoutError::Disconnected) => break false,
        }
    };

    let end = finish(&mut child, open, timeout.saturating_sub(start.elapsed()))
        .wrap_err_with(|| format!("`{line}` cannot be waited for"))?;
    let ended = match end {
        Some(status) if status.success() => Ok(()),
        Some(status) => Err(status.to_string()),
        None => Err(format!("it was stopped after {:.0} s", timeout.as_secs_f64())),
    };
    let complete = outcomes.len();
    for &check in expected {
        if !outcomes.iter().any(|outcome| outcome.check == check) {
            outcomes.push(Outcome {
                check: check.to_owned(),
                passed: false,
                detail: "not reached".to_owned(),
                duration: Duration::ZERO,
            });
        }
    }
    outcomes.push(Outcome {
        check: ENDS.to_owned(),
        passed: ended.is_ok(),
        detail: ended.err().unwrap_or_default(),
        duration: last_check.elapsed(),
    });
    for outcome in &outcomes[complete..] {
        println!("  {outcome}");
    }
    if outcomes.iter().any(|outcome| !outcome.passed) && !last_lines.is_empty() {
        println!("  The last that `{line}` said:");
        for line in last_lines {
            println!("    | {line}");
        }
    }
    Ok(outcomes)
}

/// Sends a stream's lines from a thread of its own, which ends with the stream.
fn read(stream: Option<impl Read + Send + 'static>, sender: Sender<String>) -> color_eyre::Result<()> {
    let stream = stream.ok_or_eyre("the output of a host cannot be read")?;
    thread::spawn(move || {
        // Hosts write what they like, not only UTF-8.
        for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
            // Tabs at the end belong to reports.
            let line = String::from_utf8_lossy(&line).trim_end_matches('\r').to_owned();
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    Ok(())
}

/// Waits for the end of a process, whose output may have ended before it, or ends it. `None` if it had to be ended.
fn finish(child: &mut Child, open: bool, rest: Duration) -> std::io::Result<Option<ExitStatus>> {
    let start = Instant::now();
    while !open && start.elapsed() < rest {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        thread::sleep(Duration::from_millis(20));
    }
    child.kill()?;
    child.wait()?;
    Ok(None)
}

impl Outcome {
    /// Reads a line as the scripts print it: `check<TAB>NAME<TAB>pass|fail<TAB>DETAIL`.
    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.strip_prefix("check\t")?.splitn(3, '\t');
        let (check, result, detail) = (fields.next()?, fields.next()?, fields.next()?);
        Some(Self {
            check: check.to_owned(),
            passed: result == "pass",
            detail: detail.to_owned(),
            duration: Duration::ZERO,
        })
    }

    fn verdict(&self) -> &'static str {
        if self.passed { "pass" } else { "FAIL" }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}  {}", self.verdict(), self.check)?;
        if !self.detail.is_empty() {
            write!(formatter, ": {}", self.detail)?;
        }
        Ok(())
    }
}

fn print_table(outcomes: &[(Host, Outcome)]) {
    let width = outcomes
        .iter()
        .map(|(_, outcome)| outcome.check.len())
        .max()
        .unwrap_or_default();
    println!("\n{:<12}{:<width$}  result  seconds", "host", "check");
    for (host, outcome) in outcomes {
        println!(
            "{host:<12}{:<width$}  {:<6}{:>9.1}",
            outcome.check,
            outcome.verdict(),
            outcome.duration.as_secs_f64()
        );
    }
    for &host in Host::value_variants() {
        let of_host: Vec<&Outcome> = outcomes
            .iter()
            .filter(|(other, _)| *other == host)
            .map(|(_, outcome)| outcome)
            .collect();
        if !of_host.is_empty() {
            let seconds: f64 = of_host.iter().map(|outcome| outcome.duration.as_secs_f64()).sum();
            let passed = of_host.iter().filter(|outcome| outcome.passed).count();
            println!("{host}: {passed} of {} checks passed, {seconds:.1} s", of_host.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    fn verdicts(script: &str, expected: &[&str], timeout_ms: u64) -> Vec<(String, bool)> {
        attend(shell(script), expected, Duration::from_millis(timeout_ms), false)
            .unwrap()
            .into_iter()
            .map(|outcome| (outcome.check, outcome.passed))
            .collect()
    }

    #[test]
    fn reports_are_told_from_chatter() {
        let outcome = Outcome::parse("check\tnull test, mono\tpass\tlatency 0\tsamples").unwrap();
        assert_eq!(outcome.to_string(), "pass  null test, mono: latency 0\tsamples");
        assert!(!Outcome::parse("check\tnull test\tfail\t").unwrap().passed);
        assert!(!Outcome::parse("check\tnull test\tperhaps\t").unwrap().passed);
        for line in ["", "check", "checks\ta\tpass\t", "check\tnull test\tpass"] {
            assert_eq!(Outcome::parse(line), None, "{line}");
        }
    }

    #[test]
    #[cfg(unix)]
    fn what_is_not_reported_has_failed() {
        let script = r"echo hello; printf 'check\ta\tpass\t\ncheck\tc\tpass\t\n'";
        let expected = [("a", true), ("c", false), ("b", false), (ENDS, true)];
        let expected = expected.map(|(check, passed)| (check.to_owned(), passed));
        assert_eq!(verdicts(script, &["a", "b"], 10_000), expected);
    }

    #[test]
    #[cfg(unix)]
    fn a_host_that_crashes_or_hangs_has_failed() {
        let crash = r"printf 'check\ta\tpass\t\n'; kill -SEGV $$";
        let expected = [("a".to_owned(), true), (ENDS.to_owned(), false)];
        assert_eq!(verdicts(crash, &["a"], 10_000), expected);
        let start = Instant::now();
        let hang = r"printf 'check\ta\tpass\t\n'; exec sleep 60";
        assert_eq!(verdicts(hang, &["a"], 500), expected);
        let quiet = r"printf 'check\ta\tpass\t\n'; exec sleep 60 >&- 2>&-";
        assert_eq!(verdicts(quiet, &["a"], 500), expected);
        assert!(start.elapsed() < Duration::from_secs(30));
    }
}
