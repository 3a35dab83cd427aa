//! The size of the window, which is saved with the project.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use atomic_float::AtomicF64;
use nice_plug::params::persist::PersistentField;

/// Width and height of a new window, in logical pixels.
pub const DEFAULT: (u32, u32) = (900, 600);
/// Smallest window, in logical pixels.
pub const SMALLEST: (u32, u32) = (600, 400);
/// Largest window, in logical pixels: a 4K screen.
pub const LARGEST: (u32, u32) = (3_840, 2_160);

/// The scale of the screen that the last window was on, for instances that have had none yet: hosts ask for the size
/// before there is a window that knows.
static LAST_SCALE_FACTOR: AtomicF64 = AtomicF64::new(1.0);

/// Width and height of the window, and the screen's scale. Clones share them: one is the window's, one the saved state's.
#[derive(Clone)]
pub struct EditorSize {
    shared: Arc<Shared>,
}

struct Shared {
    /// Width in the upper, height in the lower half.
    logical: AtomicU64,
    scale_factor: AtomicF64,
}

impl Default for EditorSize {
    fn default() -> Self {
        let shared = Shared {
            logical: AtomicU64::new(packed(DEFAULT)),
            scale_factor: AtomicF64::new(LAST_SCALE_FACTOR.load(Ordering::Relaxed)),
        };
        Self {
            shared: Arc::new(shared),
        }
    }
}

impl EditorSize {
    /// Width and height in logical pixels, from [`SMALLEST`] to [`LARGEST`].
    pub fn logical(&self) -> (u32, u32) {
        let packed = self.shared.logical.load(Ordering::Relaxed);
        ((packed >> 32) as u32, packed as u32)
    }

    /// Takes a width and a height in logical pixels, brought within the bounds.
    pub fn set_logical(&self, width: f64, height: f64) {
        // What is no number becomes 0, and then the smallest.
        self.set((width.round() as u32, height.round() as u32));
    }

    /// Physical pixels per logical one.
    pub fn scale_factor(&self) -> f64 {
        self.shared.scale_factor.load(Ordering::Relaxed)
    }

    /// Takes the screen's scale; nonsense is ignored.
    pub fn set_scale_factor(&self, scale_factor: f64) {
        if scale_factor.is_finite() && scale_factor > 0.0 {
            self.shared.scale_factor.store(scale_factor, Ordering::Relaxed);
            LAST_SCALE_FACTOR.store(scale_factor, Ordering::Relaxed);
        }
    }
}

impl PersistentField<'_, (u32, u32)> for EditorSize {
    /// A loaded size may be anything, so it is brought within the bounds.
    fn set(&self, (width, height): (u32, u32)) {
        let size = (width.clamp(SMALLEST.0, LARGEST.0), height.clamp(SMALLEST.1, LARGEST.1));
        self.shared.logical.store(packed(size), Ordering::Relaxed);
    }

    fn map<F: Fn(&(u32, u32)) -> R, R>(&self, f: F) -> R {
        f(&self.logical())
    }
}

fn packed((width, height): (u32, u32)) -> u64 {
    u64::from(width) << 32 | u64::from(height)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_stay_within_bounds() {
        let size = EditorSize::default();
        assert_eq!(size.logical(), DEFAULT);
        size.set_logical(900.4, 600.6);
        assert_eq!(size.logical(), (900, 601));
        size.set_logical(f64::NAN, 1e30);
        assert_eq!(size.logical(), (SMALLEST.0, LARGEST.1));
        size.set((0, u32::MAX));
        assert_eq!(size.map(|size| *size), (SMALLEST.0, LARGEST.1));
        for nonsense in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            size.set_scale_factor(nonsense);
        }
        assert_eq!(size.scale_factor(), 1.0);
        size.set_scale_factor(1.5);
        assert_eq!(size.scale_factor(), 1.5);
        assert_eq!(
            EditorSize::default().scale_factor(),
            1.5,
            "another instance is on the same screen"
        );
    }
}
