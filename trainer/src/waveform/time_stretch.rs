//! Pace of a voice, without its pitch.

use std::num::{NonZeroU16, NonZeroU32};

use super::Waveform;

/// Makes the recording faster (`pace` above 1) or slower at the same pitch, by WSOLA (Verhelst and Roelands, 1993):
/// within the wave's own periods, so that a voice stays one. Recordings too short for it stay as they are.
pub fn stretch(waveform: &mut Waveform, pace: f64) {
    let Some(rate_hz) = NonZeroU32::new(waveform.rate_hz) else {
        return;
    };
    match wsola::stretch(&waveform.samples, rate_hz, NonZeroU16::MIN, pace as f32) {
        Ok(stretched) if !stretched.is_empty() => waveform.samples = stretched,
        _ => (),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synthetic::voice;
    use crate::waveform::pitch_shift::tests::{formant_hz, pitch_hz};

    #[test]
    fn the_length_changes_and_the_pitch_and_the_formants_stay() {
        let original = Waveform::of(&voice(150.0, 2.0, 2.0, 1));
        for pace in [0.8, 1.25] {
            let mut stretched = original.clone();
            stretch(&mut stretched, pace);
            let length = original.samples.len() as f64 / pace;
            assert!((stretched.samples.len() as f64 / length - 1.0).abs() < 0.03, "{pace}");
            assert!(
                (pitch_hz(&stretched) / pitch_hz(&original) - 1.0).abs() < 0.03,
                "{pace}"
            );
            assert!((formant_hz(&stretched) - formant_hz(&original)).abs() < 60.0, "{pace}");
        }
    }

    #[test]
    fn recordings_too_short_for_it_stay_as_they_are() {
        for length in [0, 1, 100] {
            let mut waveform = Waveform {
                rate_hz: 16_000,
                samples: vec![0.1; length],
            };
            stretch(&mut waveform, 1.5);
            assert_eq!(waveform.samples, vec![0.1; length]);
        }
    }
}
