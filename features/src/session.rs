use serde::{Deserialize, Serialize};

use crate::{Dct, FeatureError, FeatureSpec, MAX_MEL_BANDS};

/// Largest mean a stored session may claim, in dB either way: bands of clamped samples lie well inside.
const MAX_MEAN_DB: f64 = 200.0;

/// What a session has heard: the sum over its voiced frames, band by band.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct SessionTotals {
    /// Number of voiced frames.
    pub frames: u64,
    /// Sum of their log powers, in dB, one per mel band.
    pub sum_db: Vec<f64>,
}

/// Session normalisation: each band is centred on its mean over the voiced frames so far, blended with the
/// training prior, `(N₀·prior + Σ)/(N₀ + n)`, and floored `range_db` below it.
#[derive(Debug, Clone)]
pub struct Session {
    prior_db: Vec<f32>,
    prior_frames: f64,
    range_db: f32,
    totals: SessionTotals,
    mean_db: Vec<f32>,
}

impl Session {
    /// A session that has heard nothing.
    ///
    /// # Errors
    /// Those of [`FeatureSpec::validate`].
    pub fn new(spec: &FeatureSpec) -> Result<Self, FeatureError> {
        spec.validate()?;
        let prior_db = spec.session.prior_db.clone();
        Ok(Self {
            prior_frames: f64::from(spec.session.prior_frames),
            range_db: spec.session.range_db,
            totals: SessionTotals {
                frames: 0,
                sum_db: vec![0.0; spec.mel_bands],
            },
            mean_db: prior_db.clone(),
            prior_db,
        })
    }

    /// A session that has heard `totals` already. `None` if they are of another number of bands or of levels
    /// that cannot be, or if the specification is not valid. Totals of no frames may have no bands.
    pub fn with_totals(spec: &FeatureSpec, totals: SessionTotals) -> Option<Self> {
        let mut session = Self::new(spec).ok()?;
        if totals.frames == 0 && totals.sum_db.iter().all(|sum| *sum == 0.0) {
            return Some(session);
        }
        let most = totals.frames as f64 * MAX_MEAN_DB;
        if totals.sum_db.len() != spec.mel_bands || !totals.sum_db.iter().all(|sum| sum.abs() <= most) {
            return None;
        }
        session.totals = totals;
        session.update_mean();
        Some(session)
    }

    /// Forgets everything.
    pub fn reset(&mut self) {
        self.totals.frames = 0;
        self.totals.sum_db.fill(0.0);
        self.mean_db.copy_from_slice(&self.prior_db);
    }

    /// Takes in one voiced frame: its log powers, one per mel band.
    pub fn observe(&mut self, bands_db: &[f32]) {
        self.totals.frames = self.totals.frames.saturating_add(1);
        for (sum, band) in self.totals.sum_db.iter_mut().zip(bands_db) {
            *sum += f64::from(*band);
        }
        self.update_mean();
    }

    /// What has been heard so far.
    pub fn totals(&self) -> &SessionTotals {
        &self.totals
    }

    /// The level each band is centred on, in dB, one per mel band.
    pub fn mean_db(&self) -> &[f32] {
        &self.mean_db
    }

    /// Writes the normalised bands, in dB relative to the session's mean, at least `-range_db`.
    pub fn normalise(&self, bands_db: &[f32], out: &mut [f32]) {
        for ((out, band), mean) in out.iter_mut().zip(bands_db).zip(&self.mean_db) {
            *out = (band - mean).max(-self.range_db);
        }
    }

    /// Writes the MFCCs of many frames, all normalised by the session as it stands: `bands_db` row-major
    /// `[frames, mel bands]`, `out` row-major `[frames, coefficients]`. `dct` is of the same specification.
    /// Does not allocate; the plugin's windows and the trainer's examples both come from here.
    pub fn mfcc(&self, dct: &Dct, bands_db: &[f32], out: &mut [f32]) {
        let mut normalised = [0.0; MAX_MEL_BANDS];
        let normalised = &mut normalised[..self.bands()];
        for (row, out) in bands_db
            .chunks_exact(self.bands())
            .zip(out.chunks_exact_mut(dct.coefficients()))
        {
            self.normalise(row, normalised);
            dct.transform(normalised, out);
        }
    }

    /// Takes over what `other`, of the same specification, has heard, without allocating.
    pub(crate) fn copy_from(&mut self, other: &Self) {
        self.totals.frames = other.totals.frames;
        self.totals.sum_db.copy_from_slice(&other.totals.sum_db);
        self.mean_db.copy_from_slice(&other.mean_db);
    }

    /// Number of mel bands.
    pub(crate) fn bands(&self) -> usize {
        self.mean_db.len()
    }

    fn update_mean(&mut self) {
        let scale = 1.0 / (self.prior_frames + self.totals.frames as f64);
        for ((mean, prior), sum) in self.mean_db.iter_mut().zip(&self.prior_db).zip(&self.totals.sum_db) {
            *mean = ((self.prior_frames * f64::from(*prior) + sum) * scale) as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> FeatureSpec {
        let mut spec = FeatureSpec::standard();
        spec.mel_bands = 3;
        spec.coefficients = 2;
        spec.session.prior_db = vec![-40.0, -50.0, -60.0];
        spec.session.prior_frames = 2.0;
        spec.session.range_db = 35.0;
        spec
    }

    #[test]
    fn the_mean_blends_prior_and_session() {
        let mut session = Session::new(&spec()).unwrap();
        assert_eq!(session.mean_db(), [-40.0, -50.0, -60.0]);
        session.observe(&[-10.0, -20.0, -30.0]);
        session.observe(&[-20.0, -20.0, -90.0]);
        // (2 * prior + sum) / (2 + 2)
        assert_eq!(session.mean_db(), [-27.5, -35.0, -60.0]);
        assert_eq!(
            session.totals(),
            &SessionTotals {
                frames: 2,
                sum_db: vec![-30.0, -40.0, -120.0]
            }
        );
        session.reset();
        assert_eq!(session.mean_db(), [-40.0, -50.0, -60.0]);
        assert_eq!(
            session.totals(),
            &SessionTotals {
                frames: 0,
                sum_db: vec![0.0; 3]
            }
        );
    }

    #[test]
    fn bands_are_centred_and_floored() {
        let session = Session::new(&spec()).unwrap();
        let mut out = [0.0; 3];
        session.normalise(&[-30.0, -85.0, -100.0], &mut out);
        assert_eq!(out, [10.0, -35.0, -35.0]);
    }

    #[test]
    fn a_long_session_forgets_the_prior() {
        let mut session = Session::new(&spec()).unwrap();
        for _ in 0..100_000 {
            session.observe(&[-10.0, -10.1, -99.9]);
        }
        for (mean, heard) in session.mean_db().iter().zip([-10.0, -10.1, -99.9]) {
            assert!((mean - heard).abs() < 1e-3, "{mean} is not {heard}");
        }
    }

    #[test]
    fn totals_restore_a_session() {
        let mut session = Session::new(&spec()).unwrap();
        session.observe(&[-10.0, -20.0, -30.0]);
        let json = serde_json::to_string(session.totals()).unwrap();
        let restored = Session::with_totals(&spec(), serde_json::from_str(&json).unwrap()).unwrap();
        assert_eq!(restored.totals(), session.totals());
        assert_eq!(restored.mean_db(), session.mean_db());
    }

    #[test]
    fn totals_that_cannot_be_are_refused() {
        let totals = |frames, sum_db: &[f64]| SessionTotals {
            frames,
            sum_db: sum_db.to_vec(),
        };
        for refused in [
            totals(1, &[]),
            totals(1, &[0.0; 2]),
            totals(1, &[0.0; 4]),
            totals(1, &[f64::NAN, 0.0, 0.0]),
            totals(1, &[f64::NEG_INFINITY, 0.0, 0.0]),
            totals(2, &[-401.0, 0.0, 0.0]),
            totals(0, &[-1.0, 0.0, 0.0]),
        ] {
            assert!(Session::with_totals(&spec(), refused.clone()).is_none(), "{refused:?}");
        }
        for accepted in [
            SessionTotals::default(),
            totals(0, &[0.0; 3]),
            totals(u64::MAX, &[-1e19; 3]),
        ] {
            let mut session = Session::with_totals(&spec(), accepted.clone()).expect("it is possible");
            session.observe(&[-10.0; 3]);
            assert!(session.mean_db().iter().all(|mean| mean.is_finite()), "{accepted:?}");
        }
        let invalid = FeatureSpec {
            coefficients: 0,
            ..spec()
        };
        assert!(Session::with_totals(&invalid, SessionTotals::default()).is_none());
    }

    #[test]
    fn mfcc_is_normalise_then_transform() {
        let spec = spec();
        let (session, dct) = (Session::new(&spec).unwrap(), Dct::new(&spec).unwrap());
        let rows = [-30.0, -85.0, -100.0, -45.0, -40.0, -61.0];
        let mut out = [0.0; 4];
        session.mfcc(&dct, &rows, &mut out);
        for (row, out) in rows.chunks(3).zip(out.chunks(2)) {
            let (mut normalised, mut expected) = ([0.0; 3], [0.0; 2]);
            session.normalise(row, &mut normalised);
            dct.transform(&normalised, &mut expected);
            assert_eq!(out, expected);
        }
    }
}
