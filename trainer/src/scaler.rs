//! StandardScaler: each coefficient to zero mean and unit variance over the training data.

use serde::{Deserialize, Serialize};

/// Spread below which a coefficient counts as constant and is only centred, in dB.
const LEAST_SPREAD_DB: f64 = 1e-4;

/// `(x − mean) / deviation` per coefficient.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StandardScaler {
    /// Mean of each coefficient, in dB.
    pub mean: Vec<f32>,
    /// Standard deviation (population) of each coefficient, in dB; positive.
    pub deviation: Vec<f32>,
}

/// Sums from which a scaler is made; sums of parts can be added.
#[derive(Debug, Clone)]
pub struct Moments {
    frames: u64,
    sum: Vec<f64>,
    sum_of_squares: Vec<f64>,
}

impl Moments {
    /// Of nothing.
    pub fn new(coefficients: usize) -> Self {
        Self {
            frames: 0,
            sum: vec![0.0; coefficients],
            sum_of_squares: vec![0.0; coefficients],
        }
    }

    /// Takes in frames, row-major `[frames, coefficients]`.
    pub fn observe(&mut self, features: &[f32]) {
        for frame in features.chunks_exact(self.sum.len()) {
            self.frames += 1;
            for (k, value) in frame.iter().enumerate() {
                let value = f64::from(*value);
                self.sum[k] += value;
                self.sum_of_squares[k] += value * value;
            }
        }
    }

    /// Takes in everything `other` has.
    pub fn merge(&mut self, other: &Self) {
        self.frames += other.frames;
        let sums = self.sum.iter_mut().zip(&other.sum);
        let squares = self.sum_of_squares.iter_mut().zip(&other.sum_of_squares);
        for (own, value) in sums.chain(squares) {
            *own += value;
        }
    }

    /// The scaler of what was taken in.
    pub fn scaler(&self) -> StandardScaler {
        let frames = (self.frames as f64).max(1.0);
        let mut mean = Vec::with_capacity(self.sum.len());
        let mut deviation = Vec::with_capacity(self.sum.len());
        for (sum, squares) in self.sum.iter().zip(&self.sum_of_squares) {
            let centre = sum / frames;
            let spread = (squares / frames - centre * centre).max(0.0).sqrt();
            mean.push(centre as f32);
            deviation.push(if spread > LEAST_SPREAD_DB { spread as f32 } else { 1.0 });
        }
        StandardScaler { mean, deviation }
    }
}

impl StandardScaler {
    /// Scales frames in place, row-major `[frames, coefficients]`.
    pub fn apply(&self, features: &mut [f32]) {
        for frame in features.chunks_exact_mut(self.mean.len()) {
            for ((value, mean), deviation) in frame.iter_mut().zip(&self.mean).zip(&self.deviation) {
                *value = (*value - mean) / deviation;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_to_zero_mean_and_unit_variance_whatever_the_parts() {
        let features = [1.0, 5.0, 3.0, 5.0, 5.0, 5.0, 7.0, 5.0];
        let (head, tail) = features.split_at(2);
        let mut moments = Moments::new(2);
        moments.observe(head);
        let mut rest = Moments::new(2);
        rest.observe(tail);
        moments.merge(&rest);
        let scaler = moments.scaler();
        assert_eq!(scaler.mean, [4.0, 5.0]);
        // Population variance of 1, 3, 5, 7 is 5; the second coefficient is constant.
        assert!((scaler.deviation[0] - 5.0_f32.sqrt()).abs() < 1e-6);
        assert_eq!(scaler.deviation[1], 1.0);
        let mut scaled = features;
        scaler.apply(&mut scaled);
        assert!((scaled[0] + 3.0 / 5.0_f32.sqrt()).abs() < 1e-6);
        assert_eq!(scaled[1], 0.0);
    }
}
