//! Asks for drawings of a window that has been drawn before.
//!
//! baseview on X11 forgets the first request for a drawing if it comes before the window is on the screen, and then draws
//! nothing ever: a host that is still loading shows the window late. So nobody asks until the window, which draws itself
//! when it appears, has done so.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use nice_plug_egui::baseview::{WindowContext, WindowWaker};

/// Of one window; clones ask for the same.
#[derive(Clone, Default)]
pub struct Repaint {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    wanted: AtomicBool,
    waker: OnceLock<WindowWaker>,
}

impl Repaint {
    /// Wants a drawing; whoever serves the window asks for it. Callable from every thread.
    pub fn request(&self) {
        self.shared.wanted.store(true, Ordering::Release);
    }

    /// Whether a drawing was wanted since the last call.
    pub fn take_request(&self) -> bool {
        self.shared.wanted.swap(false, Ordering::AcqRel)
    }

    /// Asks the window for a drawing, if it has been drawn before. What was to be seen until then, the first one shows.
    pub fn draw(&self) {
        if let Some(waker) = self.shared.waker.get() {
            waker.request_redraw();
        }
    }

    /// To be called while the window is drawn, before what it shows is read.
    pub fn drawing(&self, window: &WindowContext) {
        self.shared.waker.get_or_init(|| window.waker());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wishes_are_kept_for_whoever_serves_the_window_and_a_window_that_was_never_drawn_is_left_alone() {
        let repaint = Repaint::default();
        repaint.clone().request();
        repaint.draw();
        assert!(repaint.take_request());
        assert!(!repaint.take_request());
    }
}
