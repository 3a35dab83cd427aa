use std::f64::consts::PI;

/// Windows as sums of cosines of 0, 1, 2… turns.
const BLACKMAN: &[f64] = &[0.42, 0.5, 0.08];
const BLACKMAN_HARRIS: &[f64] = &[0.35875, 0.48829, 0.14128, 0.01168];

/// A low-pass filter in continuous time: a sinc under a window. Resampling filters are samples of it.
pub(super) struct Prototype {
    window: &'static [f64],
    /// Input samples from its middle to where it ends.
    half_len: f64,
    /// The -6 dB point, as a share of half the input's rate.
    cutoff: f64,
}

impl Prototype {
    /// A filter that spans `taps` samples of a rate `stretch` times lower than the input's, and reaches -6 dB at
    /// `cutoff` of half that rate.
    pub(super) fn blackman(taps: usize, cutoff: f64, stretch: f64) -> Self {
        Self {
            window: BLACKMAN,
            half_len: taps as f64 * stretch / 2.0,
            cutoff: cutoff / stretch,
        }
    }

    /// Flatter and of more attenuation than [`Prototype::blackman`], but of a wider transition.
    pub(super) fn blackman_harris(taps: usize, cutoff: f64, stretch: f64) -> Self {
        Self {
            window: BLACKMAN_HARRIS,
            ..Self::blackman(taps, cutoff, stretch)
        }
    }

    /// Input samples from its middle to where it ends, in whole samples.
    pub(super) fn half_len(&self) -> usize {
        self.half_len.ceil() as usize
    }

    /// Its value so many input samples from its middle, scaled so that a constant passes as it is.
    pub(super) fn at(&self, samples: f64) -> f64 {
        if samples.abs() >= self.half_len {
            return 0.0;
        }
        let turn = PI * samples / self.half_len;
        let cosines = self.window.iter().enumerate();
        let window: f64 = cosines.map(|(turns, share)| share * (turns as f64 * turn).cos()).sum();
        let angle = PI * self.cutoff * samples;
        let sinc = if angle == 0.0 { 1.0 } else { angle.sin() / angle };
        self.cutoff * sinc * window
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_symmetric_and_passes_a_constant() {
        for (prototype, reach) in [
            (Prototype::blackman(96, 0.937, 2.75625), 133),
            (Prototype::blackman(96, 0.937, 1.0), 48),
            (Prototype::blackman_harris(12, 1.0, 2.0), 12),
            (Prototype::blackman_harris(12, 1.0, 16.0), 96),
        ] {
            assert_eq!(prototype.half_len(), reach);
            assert_eq!(prototype.at(7.25), prototype.at(-7.25));
            assert_eq!(prototype.at(reach as f64), 0.0);
            for shift in [0.0, 0.3, 0.5] {
                let reach = reach as i32;
                let sum: f64 = (-reach..=reach).map(|n| prototype.at(f64::from(n) + shift)).sum();
                assert!((sum - 1.0).abs() < 2e-5, "{reach}: {sum}");
            }
        }
    }
}
