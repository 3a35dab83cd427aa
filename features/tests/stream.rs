//! What must hold of the whole stream, for any signal and any way of cutting it into blocks.

use std::f64::consts::TAU;

use affekt_features::{Extractor, FeatureSpec, Session, WindowStream};
use proptest::prelude::*;

/// Largest difference between the bands of one band-limited signal at two sample rates, in dB, for bands within
/// [`PASS_BAND_HZ`] that are less than [`COMPARED_RANGE_DB`] below the frame's loudest.
const RATE_TOLERANCE_DB: f32 = 0.01;
/// The resampler's filter leaves this range alone, in Hz.
const PASS_BAND_HZ: f64 = 7_000.0;
/// What the resampler's 75 dB of attenuation and the windows' side lobes leave comparable, in dB.
const COMPARED_RANGE_DB: f32 = 60.0;

#[derive(Debug, Clone, PartialEq)]
struct OwnedFrame {
    index: u64,
    end_sample: u64,
    bands_db: Vec<u32>,
    level_db: u32,
    voiced: bool,
}

/// All frames, bit for bit, of a signal that is pushed in blocks of these sizes, over and over.
fn frames(rate_hz: f64, channels: &[Vec<f32>], blocks: &[usize]) -> Vec<OwnedFrame> {
    let mut extractor = Extractor::new(&FeatureSpec::standard(), rate_hz).unwrap();
    let mut frames = Vec::new();
    let mut start = 0;
    for block in blocks.iter().cycle() {
        let end = channels[0].len().min(start + block);
        let block: Vec<&[f32]> = channels.iter().map(|channel| &channel[start..end]).collect();
        extractor.push(&block, |frame| {
            frames.push(OwnedFrame {
                index: frame.index,
                end_sample: frame.end_sample,
                bands_db: frame.bands_db.iter().map(|band| band.to_bits()).collect(),
                level_db: frame.level_db.to_bits(),
                voiced: frame.voiced,
            });
        });
        start = end;
        if start == channels[0].len() {
            break;
        }
    }
    frames
}

/// A sample as a host might send it: mostly sound, sometimes anything.
fn sample() -> impl Strategy<Value = f32> {
    prop_oneof![
        60 => -1.0_f32..1.0,
        2 => any::<f32>(),
        1 => Just(f32::NAN),
        1 => Just(f32::INFINITY),
        1 => Just(f32::MIN_POSITIVE / 8.0),
        4 => Just(0.0),
    ]
}

fn rate() -> impl Strategy<Value = f64> {
    prop_oneof![
        Just(8_000.0),
        Just(11_025.0),
        Just(16_000.0),
        Just(44_100.0),
        Just(48_000.0),
        Just(96_000.0),
        Just(192_000.0),
        Just(768_000.0),
        8_000.0..768_000.0_f64,
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn frames_do_not_depend_on_the_blocks(
        rate_hz in rate(),
        seed in prop::collection::vec(sample(), 500..1500),
        channels in 1_usize..4,
        blocks in prop::collection::vec(1_usize..5000, 1..8),
    ) {
        let len = (rate_hz * 0.1) as usize;
        let channels: Vec<Vec<f32>> =
            (0..channels).map(|shift| seed.iter().copied().cycle().skip(7 * shift).take(len).collect()).collect();
        let whole = frames(rate_hz, &channels, &[len]);
        prop_assert!(whole.len() >= 5);
        prop_assert_eq!(&frames(rate_hz, &channels, &blocks), &whole);
    }

    #[test]
    fn whatever_comes_in_finite_values_come_out(
        rate_hz in rate(),
        seed in prop::collection::vec(prop_oneof![any::<f32>(), sample()], 1..300),
    ) {
        let spec = FeatureSpec::standard();
        let mut extractor = Extractor::new(&spec, rate_hz).unwrap();
        let mut windows = WindowStream::new(&spec, 60, 5, Session::new(&spec).unwrap()).unwrap();
        let block: Vec<f32> = seed.iter().copied().cycle().take((rate_hz * 0.6) as usize).collect();
        let mut all_finite = true;
        let mut count = 0;
        extractor.push(&[&block], |frame| {
            all_finite &= frame.level_db.is_finite() && frame.bands_db.iter().all(|band| band.is_finite());
            if let Some(window) = windows.push(frame) {
                all_finite &= window.input.iter().all(|value| value.is_finite());
                count += 1;
            }
        });
        prop_assert!(all_finite);
        prop_assert!(count > 0);
    }
}

/// Sines of random phase all over the pass band, swelling four times a second, sampled at any rate.
fn band_limited(rate_hz: f64, seconds: f64, phases: &[f64]) -> Vec<f32> {
    let sines: Vec<(f64, f64)> = phases
        .iter()
        .enumerate()
        .map(|(n, phase)| (60.0 + n as f64 * (PASS_BAND_HZ - 80.0) / phases.len() as f64, *phase))
        .collect();
    (0..(rate_hz * seconds) as usize)
        .map(|n| {
            let t = n as f64 / rate_hz;
            let sum: f64 = sines.iter().map(|(hz, phase)| (TAU * (hz * t + phase)).sin()).sum();
            (0.3 * (1.0 + 0.8 * (TAU * 4.0 * t).sin()) * sum / (phases.len() as f64).sqrt()) as f32
        })
        .collect()
}

fn bands(rate_hz: f64, signal: &[f32]) -> Vec<Vec<f32>> {
    let mut extractor = Extractor::new(&FeatureSpec::standard(), rate_hz).unwrap();
    let mut bands = Vec::new();
    extractor.push(&[signal], |frame| bands.push(frame.bands_db.to_vec()));
    bands
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4))]

    #[test]
    fn one_signal_has_the_same_frames_at_every_rate(phases in prop::collection::vec(0.0..1.0_f64, 60..200)) {
        const SECONDS: f64 = 0.4;
        // Bands 0 to 59 end below 7 kHz.
        const BANDS: usize = 60;
        let reference = bands(16_000.0, &band_limited(16_000.0, SECONDS, &phases));
        for rate_hz in [32_000.0, 44_100.0, 47_999.0, 48_000.0, 88_200.0, 96_000.0, 192_000.0] {
            let resampled = bands(rate_hz, &band_limited(rate_hz, SECONDS, &phases));
            prop_assert!(resampled.len() + 2 >= reference.len());
            let (mut largest, mut compared) = (0.0_f32, 0);
            // The first frame holds the filter's response to the sudden start.
            for (number, (a, b)) in resampled.iter().zip(&reference).enumerate().skip(1) {
                let loudest = b.iter().copied().fold(f32::MIN, f32::max);
                for (a, b) in a.iter().zip(b).take(BANDS).filter(|(_, b)| **b > loudest - COMPARED_RANGE_DB) {
                    largest = largest.max((a - b).abs());
                    compared += 1;
                    prop_assert!((a - b).abs() < RATE_TOLERANCE_DB, "{rate_hz} Hz, frame {number}: {a} dB is not {b} dB");
                }
            }
            prop_assert!(compared > (reference.len() - 3) * BANDS / 2, "only {compared} values were compared");
            println!("{rate_hz} Hz: {largest:.5} dB");
        }
    }
}

#[test]
fn frames_come_within_the_stated_latency() {
    for rate_hz in [
        8_000.0, 11_025.0, 15_999.0, 16_000.0, 44_100.0, 47_999.5, 48_000.0, 96_000.0, 192_000.0, 768_000.0,
    ] {
        let mut extractor = Extractor::new(&FeatureSpec::standard(), rate_hz).unwrap();
        let latency = extractor.latency_samples() as u64;
        let mut count = 0;
        let mut largest = 0;
        for pushed in 1..=(0.15 * rate_hz) as u64 {
            extractor.push(&[[0.1]], |frame| {
                assert!(
                    frame.end_sample <= pushed,
                    "{rate_hz} Hz: frame {} came before its end",
                    frame.index
                );
                largest = largest.max(pushed - frame.end_sample);
                count += 1;
            });
        }
        assert!(count >= 10, "{rate_hz} Hz: {count} frames");
        assert!(
            largest <= latency,
            "{rate_hz} Hz: {largest} samples late, {latency} stated"
        );
    }
}
