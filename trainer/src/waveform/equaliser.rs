//! Frequency responses as microphones have them.

use biquad::Type;
use rand::Rng;

use super::{Waveform, band_limit};

/// Where the low shelf, the bells and the high shelf may lie, in Hz.
const LOW_SHELF_HZ: (f64, f64) = (80.0, 300.0);
const BELLS_HZ: (f64, f64) = (200.0, 6_000.0);
const HIGH_SHELF_HZ: (f64, f64) = (2_000.0, 6_000.0);
/// Number of bells: the resonances of a capsule and what stands around it.
const BELLS: usize = 3;
/// Quality of the bells, least and greatest; of the shelves.
const BELL_QUALITY: (f64, f64) = (0.5, 2.0);
const SHELF_QUALITY: f64 = std::f64::consts::FRAC_1_SQRT_2;
/// Sections from this share of the sample rate on are left out.
const HIGHEST_SHARE: f64 = 0.45;

/// One frequency response: shelves at both ends and bells between them.
#[derive(Debug, Clone, PartialEq)]
pub struct Equaliser {
    /// Frequency in Hz, quality, gain in dB.
    low: [f64; 3],
    bells: [[f64; 3]; BELLS],
    high: [f64; 3],
}

impl Equaliser {
    /// Draws one whose shelves and bells reach ± `most_db`.
    pub fn draw(most_db: f64, random: &mut impl Rng) -> Self {
        let mut section = |(low, high): (f64, f64), (least, most): (f64, f64)| {
            let hz = low * (high / low).powf(random.random::<f64>());
            let quality = least * (most / least).powf(random.random::<f64>());
            [hz, quality, most_db * (2.0 * random.random::<f64>() - 1.0)]
        };
        Self {
            low: section(LOW_SHELF_HZ, (SHELF_QUALITY, SHELF_QUALITY)),
            bells: std::array::from_fn(|_| section(BELLS_HZ, BELL_QUALITY)),
            high: section(HIGH_SHELF_HZ, (SHELF_QUALITY, SHELF_QUALITY)),
        }
    }

    /// Filters a recording.
    pub fn apply(&self, waveform: &mut Waveform) {
        let shelves = [
            (Type::LowShelf(self.low[2]), self.low),
            (Type::HighShelf(self.high[2]), self.high),
        ];
        let bells = self.bells.iter().map(|bell| (Type::PeakingEQ(bell[2]), *bell));
        for (kind, [hz, quality, _]) in shelves.into_iter().chain(bells) {
            if hz < HIGHEST_SHARE * f64::from(waveform.rate_hz) {
                band_limit::filter(waveform, kind, hz, quality);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::{Purpose, stream};
    use crate::waveform::noise;

    #[test]
    fn the_response_stays_within_what_the_sections_can_add_up_to() {
        for seed in 0..8 {
            let mut random = stream(seed, Purpose::Condition, 0, 0);
            let equaliser = Equaliser::draw(6.0, &mut random);
            assert_eq!(
                equaliser,
                Equaliser::draw(6.0, &mut stream(seed, Purpose::Condition, 0, 0))
            );
            for rate_hz in [8_000, 16_000, 48_000] {
                let mut waveform = Waveform {
                    rate_hz,
                    samples: noise::coloured(rate_hz, 20_000, 1.0, &mut random),
                };
                equaliser.apply(&mut waveform);
                let energy: f64 = waveform.samples.iter().map(|sample| f64::from(*sample).powi(2)).sum();
                let level_db = 10.0 * (energy / 20_000.0).log10();
                assert!(level_db.abs() < 15.0 && level_db != 0.0, "{level_db}");
            }
        }
    }
}
