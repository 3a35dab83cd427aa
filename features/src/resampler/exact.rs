use super::polyphase::Polyphase;
use super::prototype::Prototype;
use super::{CUTOFF, TAPS};

/// A host rate at least twice this many times the model's is first divided by a power of two, down to this or more.
/// 44.1 kHz is just over it at 16 kHz.
const MIN_BETWEEN: f64 = 2.75;
/// Length of the filter in front of that division, in samples of the rate in between. Its transition lies around half
/// that rate, so it need not be steep: the second filter removes what it leaves. Up to the model's half rate it is
/// flat within 1e-5; what would fall there is attenuated by 100 dB.
const FIRST_TAPS: usize = 12;

/// Converts between rates whose ratio is a fraction of small enough numbers.
pub(super) struct Exact {
    /// The division of high rates, and by how much.
    first: Option<(Polyphase, usize)>,
    second: Polyphase,
}

impl Exact {
    /// `None` if the rates' ratio is no such fraction.
    pub(super) fn new(host_rate_hz: f64, model_rate_hz: u32) -> Option<Self> {
        if host_rate_hz.fract() != 0.0 {
            return None;
        }
        let (host, model) = (host_rate_hz as usize, model_rate_hz as usize);
        let times = host as f64 / model as f64 / MIN_BETWEEN;
        let division = if times < 2.0 { 1 } else { 1 << times.log2() as u32 };
        let first = if division > 1 {
            let prototype = Prototype::blackman_harris(FIRST_TAPS, 1.0, division as f64);
            Some((Polyphase::new(1, division, &prototype)?, division))
        } else {
            None
        };
        // From the rate in between, whether that is a whole number or not.
        let (up, down) = (model * division, host);
        let prototype = Prototype::blackman(TAPS, CUTOFF, (down as f64 / up as f64).max(1.0));
        let second = Polyphase::new(up, down, &prototype)?;
        Some(Self { first, second })
    }

    pub(super) fn reset(&mut self) {
        if let Some((first, _)) = &mut self.first {
            first.reset();
        }
        self.second.reset();
    }

    pub(super) fn push(&mut self, input: &[f32], mut on_samples: impl FnMut(&[f32])) {
        match &mut self.first {
            Some((first, _)) => first.push(input, |between| self.second.push(between, &mut on_samples)),
            None => self.second.push(input, on_samples),
        }
    }

    /// Most host samples from the next output to the newest input.
    pub(super) fn latency(&self) -> usize {
        match &self.first {
            Some((first, division)) => first.latency() + self.second.latency() * division,
            None => self.second.latency(),
        }
    }
}
