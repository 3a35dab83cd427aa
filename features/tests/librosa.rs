//! Mel bands and MFCCs against librosa's, on the signals and values that `golden/make_golden.py` wrote.

use std::path::PathBuf;

use affekt_features::{Dct, Extractor, FeatureSpec};

/// Largest difference to librosa that is allowed, in dB.
const TOLERANCE_DB: f32 = 1e-3;

#[derive(serde::Deserialize)]
struct Golden {
    librosa: String,
    signals: Vec<Signal>,
}

#[derive(serde::Deserialize)]
struct Signal {
    name: String,
    samples: usize,
    frames: usize,
}

#[test]
fn mel_bands_and_mfcc_equal_librosa() {
    let golden: Golden = serde_json::from_slice(&read("golden.json")).unwrap();
    assert_eq!(golden.librosa, "0.11.0");
    assert_eq!(golden.signals.len(), 4);
    let spec = FeatureSpec::standard();
    for signal in &golden.signals {
        let name = &signal.name;
        let samples: Vec<f32> = read(&format!("{name}.i16"))
            .chunks_exact(2)
            .map(|bytes| f32::from(i16::from_le_bytes([bytes[0], bytes[1]])) / 32768.0)
            .collect();
        assert_eq!(samples.len(), signal.samples, "{name}");
        let mel = floats(&format!("{name}.mel.f32"));
        let mfcc = floats(&format!("{name}.mfcc.f32"));

        let dct = Dct::new(&spec).unwrap();
        let mut extractor = Extractor::new(&spec, 16_000.0).unwrap();
        let mut bands = Vec::new();
        let mut coefficients = Vec::new();
        extractor.push(&[&samples], |frame| {
            let mut row = [0.0; 64];
            dct.transform(frame.bands_db, &mut row);
            bands.extend_from_slice(frame.bands_db);
            coefficients.extend_from_slice(&row);
        });
        assert_eq!(bands.len(), signal.frames * 64, "{name}");
        let (bands, coefficients) = (
            largest_difference(&bands, &mel),
            largest_difference(&coefficients, &mfcc),
        );
        println!("{name}: {bands:.2e} dB in the bands, {coefficients:.2e} in the coefficients");
        assert!(bands < TOLERANCE_DB, "{name}: the bands differ by {bands} dB");
        assert!(
            coefficients < TOLERANCE_DB,
            "{name}: the coefficients differ by {coefficients} dB"
        );
    }
}

fn read(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn floats(name: &str) -> Vec<f32> {
    read(name)
        .chunks_exact(4)
        .map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()))
        .collect()
}

fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}
