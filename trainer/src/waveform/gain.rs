//! Level of a recording.

/// Amplifies by `gain_db`, and clips at full scale as a converter would.
pub fn amplify(samples: &mut [f32], gain_db: f64) {
    let factor = 10.0_f64.powf(gain_db / 20.0) as f32;
    for sample in samples {
        *sample = (*sample * factor).clamp(-1.0, 1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decibels_are_those_of_amplitudes_and_full_scale_is_the_end() {
        let mut samples = [0.1, -0.6, 0.0];
        amplify(&mut samples, 6.020_6);
        assert!((samples[0] - 0.2).abs() < 1e-5);
        assert_eq!(samples[1..], [-1.0, 0.0]);
    }
}
