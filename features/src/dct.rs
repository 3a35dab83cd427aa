use crate::{FeatureError, FeatureSpec};

/// Outputs that are summed at once: few enough for the vector registers, enough to hide the latency of an addition.
const LANES: usize = 16;

/// Orthonormal DCT-II of the mel bands (scipy's `dct(type=2, norm="ortho")`), truncated to the spec's coefficients.
#[derive(Debug, Clone)]
pub struct Dct {
    bands: usize,
    coefficients: usize,
    /// `[blocks of LANES coefficients, bands, LANES]`, padded with zeros.
    cosines: Vec<[f32; LANES]>,
}

impl Dct {
    /// Tabulates the cosines.
    ///
    /// # Errors
    /// Those of [`FeatureSpec::validate`].
    pub fn new(spec: &FeatureSpec) -> Result<Self, FeatureError> {
        spec.validate()?;
        let (bands, coefficients) = (spec.mel_bands, spec.coefficients);
        let cosine = |coefficient: usize, band: usize| {
            let scale = if coefficient == 0 { 1.0 } else { 2.0 };
            let angle = std::f64::consts::PI * coefficient as f64 * (2 * band + 1) as f64 / (2 * bands) as f64;
            ((scale / bands as f64).sqrt() * angle.cos()) as f32
        };
        let cosines = (0..coefficients.div_ceil(LANES))
            .flat_map(|block| (0..bands).map(move |band| (block, band)))
            .map(|(block, band)| {
                std::array::from_fn(|lane| {
                    let coefficient = block * LANES + lane;
                    if coefficient < coefficients {
                        cosine(coefficient, band)
                    } else {
                        0.0
                    }
                })
            })
            .collect();
        Ok(Self {
            bands,
            coefficients,
            cosines,
        })
    }

    /// Number of coefficients.
    pub(crate) fn coefficients(&self) -> usize {
        self.coefficients
    }

    /// `bands`: one per mel band; `out`: one per coefficient. Surplus values are ignored.
    pub fn transform(&self, bands: &[f32], out: &mut [f32]) {
        let bands = &bands[..self.bands.min(bands.len())];
        let out_len = self.coefficients.min(out.len());
        for (out, table) in out[..out_len]
            .chunks_mut(LANES)
            .zip(self.cosines.chunks_exact(self.bands))
        {
            let mut sums = [0.0_f32; LANES];
            for (band, cosines) in bands.iter().zip(table) {
                for (sum, cosine) in sums.iter_mut().zip(cosines) {
                    *sum += band * cosine;
                }
            }
            out.copy_from_slice(&sums[..out.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dct(bands: usize, coefficients: usize) -> Dct {
        let mut spec = FeatureSpec::standard();
        spec.mel_bands = bands;
        spec.coefficients = coefficients;
        spec.session.prior_db = vec![0.0; bands];
        Dct::new(&spec).unwrap()
    }

    /// scipy.fft.dct([1, -2, 3, -4, 5], type=2, norm="ortho")
    const INPUT: [f32; 5] = [1.0, -2.0, 3.0, -4.0, 5.0];
    const EXPECTED: [f32; 5] = [1.341_640_8, -1.662_507_5, 2.345_274_1, -2.689_994, 6.140_007];

    #[test]
    fn equals_scipy() {
        for coefficients in 1..=5 {
            let mut out = vec![0.0; coefficients];
            dct(5, coefficients).transform(&INPUT, &mut out);
            for (value, expected) in out.iter().zip(EXPECTED) {
                assert!((value - expected).abs() < 1e-5, "{out:?}");
            }
        }
    }

    #[test]
    fn keeps_the_energy_at_any_size() {
        for bands in [1, 2, 15, 16, 17, 40, 64, 128] {
            let input: Vec<f32> = (0..bands).map(|n| ((n * 37) % 19) as f32 - 9.5).collect();
            let mut out = vec![0.0; bands];
            dct(bands, bands).transform(&input, &mut out);
            let energy = |values: &[f32]| values.iter().map(|value| f64::from(value * value)).sum::<f64>();
            assert!((energy(&out) / energy(&input) - 1.0).abs() < 1e-5, "{bands} bands");
        }
    }
}
