use serde::{Deserialize, Serialize};

use crate::FeatureError;

/// Most mel bands a specification may have, so that frames can travel through fixed arrays.
pub const MAX_MEL_BANDS: usize = 128;
/// Longest FFT, in samples.
const MAX_FFT: usize = 8192;
/// Model sample rates that are supported, in Hz.
const MODEL_RATES_HZ: std::ops::RangeInclusive<u32> = 4_000..=96_000;
/// Most frames per second: a hop is at least a millisecond, which bounds the work per second of sound.
const MAX_FRAMES_PER_SECOND: u32 = 1_000;
/// Largest magnitude of a prior mean, in dB. Samples are clamped, so bands lie well inside.
const MAX_PRIOR_DB: f32 = 200.0;
/// Largest weight of the prior, in frames (11 days at a hop of 10 ms).
const MAX_PRIOR_FRAMES: f32 = 1e8;
/// Widest range below the session mean, in dB.
const MAX_RANGE_DB: f32 = 200.0;

/// Level of every band in the prior of [`FeatureSpec::standard`], in dB: close-miked speech, roughly.
/// The trainer replaces it with what it measures.
const STANDARD_PRIOR_DB: f32 = -45.0;

/// How samples become model input: what the trainer used and the plugin must use.
/// Travels inside the model file as JSON (`affekt.features`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeatureSpec {
    /// Sample rate at which frames are taken, in Hz: 4 000 to 96 000.
    pub sample_rate_hz: u32,
    /// Length of the periodic Hann window, in samples: 2 to `fft`.
    pub window: usize,
    /// Distance between frame starts, in samples: at least a millisecond, at most `window`.
    pub hop: usize,
    /// FFT length in samples, `window` to 8192. A frame is this long; the window lies in its middle.
    pub fft: usize,
    /// Number of Slaney mel bands, 1 to [`MAX_MEL_BANDS`].
    pub mel_bands: usize,
    /// Lower edge of the lowest band, in Hz.
    pub mel_low_hz: f32,
    /// Upper edge of the highest band, in Hz, at most half the sample rate.
    pub mel_high_hz: f32,
    /// Number of cepstral coefficients kept, 1 to `mel_bands`.
    pub coefficients: usize,
    /// Session normalisation.
    pub session: SessionSpec,
}

/// Parameters of the session normalisation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionSpec {
    /// Mean log power of each mel band over the training corpora's voiced frames, in dB. One per band, within ±200.
    pub prior_db: Vec<f32>,
    /// Weight of the prior, in frames (N₀): above 0, at most 10⁸.
    pub prior_frames: f32,
    /// Floor of the normalised bands below the voiced mean, in dB: above 0, at most 200.
    pub range_db: f32,
}

impl FeatureSpec {
    /// What the shipped models hear: 16 kHz, 25 ms window, 10 ms hop, 512-point FFT, 64 bands from 20 to 8000 Hz,
    /// 64 coefficients; a flat prior that weighs as much as a second of voice.
    pub fn standard() -> Self {
        let mel_bands = 64;
        Self {
            sample_rate_hz: 16_000,
            window: 400,
            hop: 160,
            fft: 512,
            mel_bands,
            mel_low_hz: 20.0,
            mel_high_hz: 8_000.0,
            coefficients: 64,
            session: SessionSpec {
                prior_db: vec![STANDARD_PRIOR_DB; mel_bands],
                prior_frames: 100.0,
                range_db: 35.0,
            },
        }
    }

    /// Seconds between frames.
    pub fn hop_s(&self) -> f32 {
        self.hop as f32 / self.sample_rate_hz as f32
    }

    /// Checks that every field can be computed with, within bounded memory and time.
    ///
    /// # Errors
    /// [`FeatureError::Spec`] names the first field that cannot.
    pub fn validate(&self) -> Result<(), FeatureError> {
        let check = |fine: bool, field: &'static str, value: &dyn ToString, expected: &dyn Fn() -> String| {
            if fine {
                Ok(())
            } else {
                Err(FeatureError::Spec {
                    field,
                    value: value.to_string(),
                    expected: expected(),
                })
            }
        };
        let rate = self.sample_rate_hz;
        check(MODEL_RATES_HZ.contains(&rate), "sample_rate_hz", &rate, &|| {
            format!("it must be {} to {} Hz", MODEL_RATES_HZ.start(), MODEL_RATES_HZ.end())
        })?;
        check(self.fft <= MAX_FFT, "fft", &self.fft, &|| {
            format!("it must be at most {MAX_FFT} samples")
        })?;
        check((2..=self.fft).contains(&self.window), "window", &self.window, &|| {
            format!("it must be 2 to `fft` = {} samples", self.fft)
        })?;
        let min_hop = rate.div_ceil(MAX_FRAMES_PER_SECOND) as usize;
        check((min_hop..=self.window).contains(&self.hop), "hop", &self.hop, &|| {
            format!(
                "it must be {min_hop} (a millisecond) to `window` = {} samples",
                self.window
            )
        })?;
        check(
            (1..=MAX_MEL_BANDS).contains(&self.mel_bands),
            "mel_bands",
            &self.mel_bands,
            &|| format!("it must be 1 to {MAX_MEL_BANDS}"),
        )?;
        let nyquist = rate as f32 / 2.0;
        check(
            self.mel_high_hz > 0.0 && self.mel_high_hz <= nyquist,
            "mel_high_hz",
            &self.mel_high_hz,
            &|| format!("it must be above 0 and at most half the sample rate, {nyquist} Hz"),
        )?;
        check(
            self.mel_low_hz >= 0.0 && self.mel_low_hz < self.mel_high_hz,
            "mel_low_hz",
            &self.mel_low_hz,
            &|| {
                format!(
                    "it must be at least 0 and below `mel_high_hz` = {} Hz",
                    self.mel_high_hz
                )
            },
        )?;
        check(
            (1..=self.mel_bands).contains(&self.coefficients),
            "coefficients",
            &self.coefficients,
            &|| format!("it must be 1 to `mel_bands` = {}", self.mel_bands),
        )?;
        let session = &self.session;
        check(
            session.prior_db.len() == self.mel_bands,
            "session.prior_db",
            &format!("{} values long", session.prior_db.len()),
            &|| format!("it must have one value for each of the {} mel bands", self.mel_bands),
        )?;
        for value in &session.prior_db {
            check(
                value.abs() <= MAX_PRIOR_DB,
                "session.prior_db",
                &format!("{value} in one band"),
                &|| format!("each value must be within ±{MAX_PRIOR_DB} dB"),
            )?;
        }
        check(
            session.prior_frames > 0.0 && session.prior_frames <= MAX_PRIOR_FRAMES,
            "session.prior_frames",
            &session.prior_frames,
            &|| format!("it must be above 0 and at most {MAX_PRIOR_FRAMES}"),
        )?;
        check(
            session.range_db > 0.0 && session.range_db <= MAX_RANGE_DB,
            "session.range_db",
            &session.range_db,
            &|| format!("it must be above 0 and at most {MAX_RANGE_DB} dB"),
        )
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    #[test]
    fn the_standard_is_valid_and_survives_json() {
        let spec = FeatureSpec::standard();
        spec.validate().unwrap();
        let json = serde_json::to_string(&spec).unwrap();
        assert_eq!(serde_json::from_str::<FeatureSpec>(&json).unwrap(), spec);
        let surplus = json.replacen('{', "{\"window_kind\":\"hamming\",", 1);
        assert!(
            serde_json::from_str::<FeatureSpec>(&surplus).is_err(),
            "what is not known must not be ignored"
        );
    }

    #[test]
    fn the_limits_are_valid() {
        let (smallest, largest) = limits();
        smallest.validate().unwrap();
        largest.validate().unwrap();
    }

    /// The smallest and the largest specification.
    pub(crate) fn limits() -> (FeatureSpec, FeatureSpec) {
        let smallest = FeatureSpec {
            sample_rate_hz: 4_000,
            window: 4,
            hop: 4,
            fft: 4,
            mel_bands: 1,
            mel_low_hz: 0.0,
            mel_high_hz: 1.0,
            coefficients: 1,
            session: SessionSpec {
                prior_db: vec![-200.0],
                prior_frames: 1e-6,
                range_db: 1e-3,
            },
        };
        let largest = FeatureSpec {
            sample_rate_hz: 96_000,
            window: 8192,
            hop: 96,
            fft: 8192,
            mel_bands: 128,
            mel_low_hz: 0.0,
            mel_high_hz: 48_000.0,
            coefficients: 128,
            session: SessionSpec {
                prior_db: vec![200.0; 128],
                prior_frames: 1e8,
                range_db: 200.0,
            },
        };
        (smallest, largest)
    }

    #[test]
    fn each_field_is_checked_and_named() {
        type Change = fn(&mut FeatureSpec);
        let cases: [(&str, Change); 32] = [
            ("sample_rate_hz", |s| s.sample_rate_hz = 0),
            ("sample_rate_hz", |s| s.sample_rate_hz = 3_999),
            ("sample_rate_hz", |s| s.sample_rate_hz = u32::MAX),
            ("fft", |s| s.fft = 8_193),
            ("fft", |s| s.fft = usize::MAX),
            ("window", |s| s.window = 0),
            ("window", |s| s.window = 513),
            ("window", |s| s.fft = 399),
            ("hop", |s| s.hop = 0),
            ("hop", |s| s.hop = 15),
            ("hop", |s| s.hop = 401),
            ("mel_bands", |s| s.mel_bands = 0),
            ("mel_bands", |s| s.mel_bands = 129),
            ("mel_high_hz", |s| s.mel_high_hz = f32::NAN),
            ("mel_high_hz", |s| s.mel_high_hz = 8_001.0),
            ("mel_high_hz", |s| s.mel_high_hz = 0.0),
            ("mel_low_hz", |s| s.mel_low_hz = -1.0),
            ("mel_low_hz", |s| s.mel_low_hz = 8_000.0),
            ("mel_low_hz", |s| s.mel_low_hz = f32::NAN),
            ("coefficients", |s| s.coefficients = 0),
            ("coefficients", |s| s.coefficients = 65),
            ("session.prior_db", |s| s.session.prior_db.clear()),
            ("session.prior_db", |s| s.session.prior_db.push(0.0)),
            ("session.prior_db", |s| s.session.prior_db[63] = f32::NAN),
            ("session.prior_db", |s| s.session.prior_db[0] = f32::NEG_INFINITY),
            ("session.prior_db", |s| s.session.prior_db[0] = 201.0),
            ("session.prior_frames", |s| s.session.prior_frames = 0.0),
            ("session.prior_frames", |s| s.session.prior_frames = f32::INFINITY),
            ("session.prior_frames", |s| s.session.prior_frames = f32::NAN),
            ("session.range_db", |s| s.session.range_db = 0.0),
            ("session.range_db", |s| s.session.range_db = 201.0),
            ("session.range_db", |s| s.session.range_db = f32::NAN),
        ];
        for (number, (expected, change)) in cases.iter().enumerate() {
            let mut spec = FeatureSpec::standard();
            change(&mut spec);
            match spec.validate() {
                Err(error @ FeatureError::Spec { field, .. }) => {
                    assert_eq!(field, *expected, "case {number}: {error}");
                    assert!(error.to_string().contains(": "), "{error}");
                }
                other => panic!("case {number}, {expected}: {other:?}"),
            }
        }
    }
}
