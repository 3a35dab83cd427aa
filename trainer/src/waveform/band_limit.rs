//! Band limits, as of a telephone or a small microphone.

use biquad::{Biquad, Coefficients, DirectForm2Transposed, ToHertz, Type};

use super::Waveform;

/// Quality factors of the two sections of a Butterworth filter of fourth order: 1 / (2 cos(π/8)) and
/// 1 / (2 cos(3π/8)), from the angles of its poles (Butterworth, 1930).
const SECTION_QS: [f64; 2] = [0.541_196_100_146_197, 1.306_562_964_876_377];
/// Limits from this share of the sample rate on are left out: there is nothing above them.
const HIGHEST_SHARE: f64 = 0.49;

/// Lets `low_hz` to `high_hz` pass, −3 dB at either; Butterworth filters of fourth order, 24 dB per octave.
pub fn limit(waveform: &mut Waveform, low_hz: f64, high_hz: f64) {
    for (kind, hz) in [(Type::HighPass, low_hz), (Type::LowPass, high_hz)] {
        if hz > 0.0 && hz < HIGHEST_SHARE * f64::from(waveform.rate_hz) {
            for quality in SECTION_QS {
                filter(waveform, kind, hz, quality);
            }
        }
    }
}

/// One section of second order (Bristow-Johnson, "Audio EQ Cookbook"), computed in double precision: at a low limit
/// and a high rate its poles lie close to the unit circle. `hz` is below half the sample rate.
pub(super) fn filter(waveform: &mut Waveform, kind: Type<f64>, hz: f64, quality: f64) {
    let rate = f64::from(waveform.rate_hz).hz();
    let Ok(coefficients) = Coefficients::from_params(kind, rate, hz.hz(), quality) else {
        return;
    };
    let mut section = DirectForm2Transposed::<f64>::new(coefficients);
    for sample in &mut waveform.samples {
        *sample = section.run(f64::from(*sample)) as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::TAU;

    /// Level of a sine after the telephone's limits, in dB.
    fn response_db(hz: f64) -> f64 {
        const RATE_HZ: u32 = 16_000;
        let sine = |place: usize| (TAU * hz * place as f64 / f64::from(RATE_HZ)).sin() as f32;
        let mut waveform = Waveform {
            rate_hz: RATE_HZ,
            samples: (0..RATE_HZ as usize).map(sine).collect(),
        };
        limit(&mut waveform, 300.0, 3_400.0);
        // The second half: the filters have settled.
        let settled = &waveform.samples[RATE_HZ as usize / 2..];
        let power = settled.iter().map(|sample| f64::from(sample * sample)).sum::<f64>() / settled.len() as f64;
        10.0 * (2.0 * power).log10()
    }

    #[test]
    fn the_response_is_butterworths_of_fourth_order() {
        for hz in [300.0, 3_400.0] {
            assert!((response_db(hz) + 3.01).abs() < 0.1, "{hz}: {}", response_db(hz));
        }
        assert!(response_db(1_000.0).abs() < 0.1);
        // 1 / sqrt(1 + 2^8): an octave below.
        assert!((response_db(150.0) + 24.1).abs() < 0.4, "{}", response_db(150.0));
        assert!(response_db(6_800.0) < -24.0);
    }

    #[test]
    fn limits_beyond_the_recording_change_nothing() {
        let mut waveform = Waveform {
            rate_hz: 8_000,
            samples: vec![0.5, -0.5, 0.25],
        };
        limit(&mut waveform, 0.0, 7_000.0);
        assert_eq!(waveform.samples, [0.5, -0.5, 0.25]);
    }
}
