//! Synthetic rooms: a direct sound and an exponentially decaying tail of noise (Moorer, 1979).

use rand::Rng;
use rand_distr::{Distribution, StandardNormal};
use realfft::RealFftPlanner;

/// The response of a room from one place to another, at a sample rate. It begins with the direct sound of amplitude 1;
/// the tail after it has decayed by 60 dB after `t60_s` seconds and has `wet` times the direct sound's energy.
pub fn response(rate_hz: u32, t60_s: f64, wet: f64, random: &mut impl Rng) -> Vec<f32> {
    let length = (t60_s * f64::from(rate_hz)).ceil() as usize;
    // 60 dB are a factor of 1000 in amplitude.
    let decay = (-(1000.0_f64.ln()) / (t60_s * f64::from(rate_hz))).exp();
    let mut level = 1.0;
    let mut response = Vec::with_capacity(length + 1);
    response.push(1.0);
    response.extend((0..length).map(|_| {
        level *= decay;
        let noise: f64 = StandardNormal.sample(random);
        (level * noise) as f32
    }));
    let energy: f64 = response[1..].iter().map(|sample| f64::from(*sample).powi(2)).sum();
    if energy > 0.0 {
        let scale = (wet / energy).sqrt() as f32;
        response[1..].iter_mut().for_each(|sample| *sample *= scale);
    }
    response
}

/// `samples` as heard through `response`; as long as before: what dies away after the end is cut off.
pub fn reverberate(samples: &mut [f32], response: &[f32]) {
    if samples.is_empty() || response.is_empty() {
        return;
    }
    let size = (samples.len() + response.len()).next_power_of_two();
    let mut planner = RealFftPlanner::<f32>::new();
    let (forward, backward) = (planner.plan_fft_forward(size), planner.plan_fft_inverse(size));
    let spectrum = |values: &[f32]| {
        let mut padded = forward.make_input_vec();
        padded[..values.len()].copy_from_slice(values);
        let mut spectrum = forward.make_output_vec();
        forward
            .process(&mut padded, &mut spectrum)
            .expect("both have the sizes that the transform asked for");
        spectrum
    };
    let mut product = spectrum(samples);
    for (value, factor) in product.iter_mut().zip(spectrum(response)) {
        *value = *value * factor / size as f32;
    }
    // Without an imaginary part by nature; rounding may have left one, which the transform would refuse.
    let last = product.len() - 1;
    (product[0].im, product[last].im) = (0.0, 0.0);
    let mut heard = backward.make_output_vec();
    backward
        .process(&mut product, &mut heard)
        .expect("both have the sizes that the transform asked for");
    samples.copy_from_slice(&heard[..samples.len()]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::{Purpose, stream};

    #[test]
    fn the_tail_has_its_energy_and_its_decay() {
        let mut random = stream(1, Purpose::Condition, 0, 0);
        let response = response(16_000, 0.6, 1.0, &mut random);
        let energy = |part: &[f32]| part.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>();
        assert_eq!((response[0], response.len()), (1.0, 9_601));
        assert!((energy(&response[1..]) - 1.0).abs() < 1e-4);
        // 10 dB per tenth of a second.
        let step = |tenth: usize| energy(&response[1 + tenth * 1_600..1 + (tenth + 1) * 1_600]);
        for tenth in 0..4 {
            let fall = 10.0 * (step(tenth) / step(tenth + 1)).log10();
            assert!((fall - 10.0).abs() < 0.8, "{fall}");
        }
    }

    #[test]
    fn convolution_equals_the_sum_that_defines_it() {
        let mut random = stream(2, Purpose::Condition, 0, 0);
        let dry: Vec<f32> = (0..300).map(|_| random.random_range(-1.0..1.0)).collect();
        let response: Vec<f32> = (0..77).map(|_| random.random_range(-1.0..1.0)).collect();
        let mut wet = dry.clone();
        reverberate(&mut wet, &response);
        for (place, wet) in wet.iter().enumerate() {
            let taps = (0..=place.min(response.len() - 1)).map(|tap| response[tap] * dry[place - tap]);
            assert!((wet - taps.sum::<f32>()).abs() < 1e-4);
        }
        reverberate(&mut [], &response);
    }
}
