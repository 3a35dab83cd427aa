//! Measures what an open window costs, on whatever screen there is. Nothing runs it by itself:
//! `cargo test … --lib -- --ignored --exact --nocapture editor::costs::costs`, or `editor::costs::holdings_of_closed_windows`.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use egui::ViewportCommand;
use nice_plug::editor::dpi::{LogicalSize, Size};
use nice_plug_egui::{App as BaseviewApp, EguiWindow, EguiWindowSettings, Frame};

use super::look::VIEWS;
use super::pulse::Pulse;
use super::repaint::Repaint;
use super::scenes::{SCENES, Scene};
use super::size::DEFAULT;
use super::{App, graphics};
use crate::analysis::Reading;
use crate::readout::readout;

/// How long each window is measured.
const TIME: Duration = Duration::from_secs(5);
/// What building a window costs is not measured.
const WARM_UP: Duration = Duration::from_secs(1);
/// Time from the end of the measurement to the window's.
const ENDING: Duration = Duration::from_millis(300);
/// Windows that are opened and closed.
const WINDOWS: usize = 200;

struct Sitter {
    app: App,
    end: Instant,
    frames: Arc<AtomicU32>,
}

impl BaseviewApp for Sitter {
    fn ui(&mut self, ui: &mut egui::Ui, frame: &mut Frame) {
        self.app.show(ui, frame);
        self.frames.fetch_add(1, Ordering::Relaxed);
        if Instant::now() >= self.end {
            ui.ctx().send_viewport_cmd(ViewportCommand::Close);
        }
    }
}

/// A window in which nothing is, for comparison.
struct Empty;

impl BaseviewApp for Empty {
    fn ui(&mut self, ui: &mut egui::Ui, _: &mut Frame) {
        ui.ctx().send_viewport_cmd(ViewportCommand::Close);
    }
}

fn open(app: impl BaseviewApp) {
    let size = Size::Logical(LogicalSize::new(f64::from(DEFAULT.0), f64::from(DEFAULT.1)));
    let settings = EguiWindowSettings::new()
        .with_size(size)
        .with_graphics_config(graphics());
    EguiWindow::create(settings, app)
        .expect("a window can be opened")
        .run_until_closed()
        .expect("the window runs");
}

fn show(app: App, time: Duration, frames: Arc<AtomicU32>) {
    let end = Instant::now() + time;
    open(Sitter { app, end, frames });
}

/// Lets the app watch its instance, as in a host.
fn live_pulse(app: &mut App) -> Repaint {
    let repaint = Repaint::default();
    let look = app.params.editor_look.clone();
    app.pulse = Pulse::start(app.readout.clone(), app.link.clone(), look, repaint.clone());
    app.repaint = repaint.clone();
    repaint
}

/// Processor time of this process so far, in seconds.
fn spent_s() -> f64 {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: there is room for the answer, which is valid as it is if there is none.
    let usage = unsafe {
        libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr());
        usage.assume_init()
    };
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 * 1e-6;
    seconds(usage.ru_utime) + seconds(usage.ru_stime)
}

/// Share of one core and drawings per second of a scene's window; `live`: values come as they do while a voice is heard.
fn cost(scene: &Scene, live: bool) -> (f64, f64) {
    let mut app = scene.app();
    let reading = app.readout.reading();
    let (mut writer, shown) = readout();
    writer.show(reading);
    app.readout = Arc::new(shown);
    let repaint = live_pulse(&mut app);
    let (frames, stop) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicBool::new(false)));
    let feeder = {
        let (stop, link) = (stop.clone(), app.link.clone());
        thread::spawn(move || {
            let start_ticks = link.recorder().ticks();
            let start = Instant::now();
            while live && !stop.load(Ordering::Relaxed) {
                let time_s = start.elapsed().as_secs_f32();
                let mut now = Reading {
                    blocks: reading.blocks + (time_s * 100.0) as u64,
                    ..reading
                };
                for (place, value) in now.values.meters.momentary.iter_mut().enumerate() {
                    *value = 0.5 + 0.5 * (time_s * (1.0 + place as f32)).sin();
                }
                now.values.emotions = now.values.meters.momentary.map(|value| value / 3.0);
                now.values.arousal = (time_s * 2.0).sin();
                now.values.valence = (time_s * 1.3).cos();
                writer.show(now);
                link.recorder().pass(start_ticks + (time_s * 750.0) as u64);
                thread::sleep(Duration::from_millis(10));
            }
        })
    };
    let measured = {
        let (frames, repaint) = (frames.clone(), repaint.clone());
        thread::spawn(move || {
            thread::sleep(WARM_UP);
            let (start, before, first) = (Instant::now(), spent_s(), frames.load(Ordering::Relaxed));
            thread::sleep(TIME);
            let seconds = start.elapsed().as_secs_f64();
            let drawn = f64::from(frames.load(Ordering::Relaxed) - first);
            let cost = ((spent_s() - before) / seconds, drawn / seconds);
            // The window closes with its next drawing.
            thread::sleep(ENDING * 2);
            repaint.request();
            cost
        })
    };
    show(app, WARM_UP + TIME + ENDING, frames);
    stop.store(true, Ordering::Relaxed);
    feeder.join().expect("it only writes");
    measured.join().expect("it only measures")
}

/// Memory in MiB, open files and threads of this process.
fn holdings() -> (f64, usize, usize) {
    let count = |folder: &str| fs::read_dir(folder).map_or(0, Iterator::count);
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let memory = status
        .lines()
        .find(|line| line.starts_with("VmRSS"))
        .unwrap_or_default();
    let kib: f64 = memory
        .split_whitespace()
        .nth(1)
        .and_then(|number| number.parse().ok())
        .unwrap_or_default();
    (kib / 1_024.0, count("/proc/self/fd"), count("/proc/self/task"))
}

/// Memory in MiB that is allocated and not given back, without what the allocator keeps in store.
#[cfg(target_env = "gnu")]
fn allocated() -> f64 {
    // SAFETY: it only counts.
    let counted = unsafe { libc::mallinfo2() };
    (counted.uordblks + counted.hblkhd) as f64 / f64::from(1 << 20)
}

#[cfg(not(target_env = "gnu"))]
fn allocated() -> f64 {
    f64::NAN
}

#[test]
#[ignore = "needs a screen, and a machine with nothing else to do"]
fn costs() {
    for view in VIEWS {
        let scene = SCENES
            .iter()
            .find(|scene| scene.view == view)
            .expect("every view has a scene");
        for live in [false, true] {
            let (core, rate) = cost(scene, live);
            let state = if live { "voice" } else { "still" };
            println!(
                "{:<8} {state}: {:5.1} % of a core, {rate:4.1} drawings/s",
                view.title(),
                core * 100.0
            );
        }
    }
}

#[test]
#[ignore = "needs a screen"]
fn holdings_of_closed_windows() {
    // Allocated memory grows by about 70 KiB with every window, empty ones included: baseview 0.4.2 keeps the keymap that
    // it makes for each (`xkb_x11_keymap_new_from_device` without `xkb_keymap_unref`). More than that would be ours.
    let report = |what: &str, windows: usize| {
        let (memory, files, threads) = holdings();
        println!(
            "after {windows:3} {what}: {memory:.1} MiB, {:.1} of it allocated, {files} files, {threads} threads",
            allocated()
        );
    };
    report("windows", 0);
    for round in 1..=4 {
        for _ in 0..WINDOWS / 4 {
            open(Empty);
        }
        report("empty windows", round * WINDOWS / 4);
    }
    for round in 1..=4 {
        for _ in 0..WINDOWS / 4 {
            let mut app = SCENES[0].app();
            live_pulse(&mut app);
            show(app, Duration::ZERO, Arc::default());
        }
        report("windows of ours", round * WINDOWS / 4);
    }
}
