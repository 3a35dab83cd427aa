//! Ctrl-C while training: the epoch that runs is finished and saved, and a second Ctrl-C ends at once.

use std::process::exit;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use color_eyre::eyre::WrapErr;

/// Exit status of a process that Ctrl-C has ended: 128 and the number of the signal, as shells have it.
pub const EXIT_STATUS: i32 = 130;

/// Whether Ctrl-C was pressed.
static PRESSED: AtomicBool = AtomicBool::new(false);
/// The epoch that runs, from 1; 0 before the first.
static EPOCH: AtomicUsize = AtomicUsize::new(0);

/// Watches for Ctrl-C from now on.
pub fn watch() -> color_eyre::Result<()> {
    // Called on a thread of its own, not within the signal.
    ctrlc::set_handler(|| {
        let epoch = EPOCH.load(Ordering::Relaxed);
        if epoch == 0 || PRESSED.swap(true, Ordering::Relaxed) {
            // Safe at any moment: whatever is being saved replaces what was saved before only when it is whole.
            exit(EXIT_STATUS);
        }
        let saved = match epoch {
            1 => "nothing is saved".to_owned(),
            _ => format!("epoch {} is the last that is saved", epoch - 1),
        };
        eprintln!("\nfinishing epoch {epoch}, which is then saved; Ctrl-C again ends at once, and {saved}");
    })
    .wrap_err("Ctrl-C cannot be watched")
}

/// Says which epoch runs, from 1.
pub fn epoch_runs(epoch: usize) {
    EPOCH.store(epoch, Ordering::Relaxed);
}

/// Whether training shall end after the epoch that runs. Never without [`watch`].
pub fn is_wanted() -> bool {
    PRESSED.load(Ordering::Relaxed)
}
