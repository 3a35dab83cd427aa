//! Temperature scaling: one number that makes probabilities as sure as they are right
//! (Guo, Pleiss, Sun and Weinberger: On Calibration of Modern Neural Networks, ICML 2017).

use affekt_models::EMOTIONS;

/// Number of emotions.
const CLASSES: usize = EMOTIONS.len();

/// Lowest and highest temperature that is considered.
const RANGE: (f64, f64) = (0.05, 20.0);
/// Steps of the golden-section search over the logarithm: the interval shrinks below one part in a million.
const SEARCH_STEPS: usize = 40;

/// Logits of one clip and the place of its acted emotion.
pub type Scored = ([f32; CLASSES], usize);

/// The temperature with the least cross-entropy over `scored`; 1 for no clips.
pub fn fit_temperature(scored: &[Scored]) -> f64 {
    if scored.is_empty() {
        return 1.0;
    }
    let loss = |log_temperature: f64| cross_entropy(scored, log_temperature.exp());
    let golden = (5.0_f64.sqrt() - 1.0) / 2.0;
    let (mut low, mut high) = (RANGE.0.ln(), RANGE.1.ln());
    for _ in 0..SEARCH_STEPS {
        let third = golden * (high - low);
        if loss(high - third) < loss(low + third) {
            high = low + third;
        } else {
            low = high - third;
        }
    }
    ((low + high) / 2.0).exp()
}

/// Mean cross-entropy of `softmax(logits / temperature)`, in nats.
pub fn cross_entropy(scored: &[Scored], temperature: f64) -> f64 {
    let losses = scored.iter().map(|(logits, label)| {
        let probability = softmax(logits, temperature)[*label];
        -f64::from(probability.max(f32::MIN_POSITIVE)).ln()
    });
    losses.sum::<f64>() / scored.len().max(1) as f64
}

/// `softmax(logits / temperature)`.
pub fn softmax(logits: &[f32; CLASSES], temperature: f64) -> [f32; CLASSES] {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers = logits.map(|logit| (f64::from(logit - most) / temperature).exp());
    let sum: f64 = powers.iter().sum();
    powers.map(|power| (power / sum) as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn softmax_equals_its_definition() {
        let probabilities = softmax(&[2.0, 0.0, 0.0, 0.0, 0.0, 0.0], 2.0);
        let e = std::f32::consts::E;
        assert!((probabilities[0] - e / (e + 5.0)).abs() < 1e-6);
        assert!((probabilities.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        assert!(softmax(&[1e30, 0.0, 0.0, 0.0, 0.0, 0.0], 1.0)[0] == 1.0);
    }

    #[test]
    fn the_fit_finds_a_known_temperature() {
        // 10 clips with logits (a, 0, …): at the optimum the probability equals the share that is right, 7/10.
        let scored: Vec<_> = (0..10)
            .map(|clip| ([6.0, 0.0, 0.0, 0.0, 0.0, 0.0], usize::from(clip >= 7)))
            .collect();
        let temperature = fit_temperature(&scored);
        let probability = softmax(&scored[0].0, temperature)[0];
        assert!((probability - 0.7).abs() < 1e-3, "{temperature} {probability}");
        assert!(cross_entropy(&scored, temperature) < cross_entropy(&scored, 1.0));
        assert_eq!(fit_temperature(&[]), 1.0);
    }
}
