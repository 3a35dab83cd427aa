//! Which frames of a varied clip pass for voice: noise hides the quiet ones from the plugin's gate, and then the session
//! does not hear them.

use affekt_features::{FeatureSpec, SessionTotals, VoiceGate};

use super::{OCTAVES_PER_DB, band_edges_hz};
use crate::clips::add_frame;

/// The plugin's gate on mel bands in place of samples.
#[derive(Debug, Clone)]
pub struct Voicing {
    hop_s: f32,
    /// Share of each band's power in the mean square of the samples.
    weights: Vec<f32>,
}

impl Voicing {
    /// For the bands of a specification.
    ///
    /// The filters are triangles of area 1 (Slaney) that sum to 1 everywhere when each is multiplied by half the width
    /// of its base; so does the power. By Parseval the mean square follows from the window's energy, 3/8 of its length.
    pub fn new(spec: &FeatureSpec) -> Self {
        let bins_to_mean_square = 2.0 / (spec.fft as f64 * 0.375 * spec.window as f64);
        let edges = band_edges_hz(spec);
        let weights = edges
            .windows(3)
            .map(|edges| ((edges[2] - edges[0]) / 2.0 * bins_to_mean_square) as f32);
        Self {
            hop_s: spec.hop_s(),
            weights: weights.collect(),
        }
    }

    /// Whether each frame of `rows` (`[frames, bands]`, in dB) is voiced, as if they came first.
    pub fn of(&self, rows: &[f32]) -> Vec<bool> {
        let mut gate = VoiceGate::new(self.hop_s);
        rows.chunks_exact(self.weights.len())
            .map(|row| gate.push(self.level_db(row)))
            .collect()
    }

    /// Adds the voiced frames of `rows` (`[frames, bands]`, in dB) to `totals`.
    pub fn observe(&self, rows: &[f32], totals: &mut SessionTotals) {
        let frames = rows.chunks_exact(self.weights.len());
        for (row, _) in frames.zip(self.of(rows)).filter(|(_, voiced)| *voiced) {
            add_frame(totals, row);
        }
    }

    /// Level of a frame, in dBFS.
    fn level_db(&self, row: &[f32]) -> f32 {
        let power: f32 = row
            .iter()
            .zip(&self.weights)
            .map(|(db, weight)| (db * OCTAVES_PER_DB).exp2() * weight)
            .sum();
        power.max(f32::MIN_POSITIVE).log2() / OCTAVES_PER_DB
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use affekt_features::Extractor;

    use crate::seed::{Purpose, stream};
    use crate::synthetic::voice;
    use crate::waveform::{Waveform, noise};

    #[test]
    fn levels_and_voicing_are_those_of_the_samples() {
        let spec = FeatureSpec::standard();
        let voicing = Voicing::new(&spec);
        let mut extractor = Extractor::new(&spec, 16_000.0).unwrap();
        for noise_power in [0.0, 1e-4] {
            let mut waveform = Waveform::of(&voice(150.0, 4.0, 8.0, 1));
            waveform.samples[48_000..72_000].fill(0.0);
            noise::add(&mut waveform, noise_power, 1.0, &mut stream(1, Purpose::Texture, 0, 0));
            let (mut rows, mut voiced, mut differences) = (Vec::new(), Vec::new(), Vec::new());
            extractor.reset();
            extractor.push(&[&waveform.samples[..]], |frame| {
                rows.extend_from_slice(frame.bands_db);
                voiced.push(frame.voiced);
                if frame.level_db > -60.0 {
                    differences.push((frame.level_db - voicing.level_db(frame.bands_db)).abs());
                }
            });
            // Narrow bands weigh the few bins of a partial unevenly.
            let mean = differences.iter().sum::<f32>() / differences.len() as f32;
            let largest = differences.iter().copied().fold(0.0, f32::max);
            assert!(mean < 1.0 && largest < 3.0, "{mean} and {largest} dB");
            let ours = voicing.of(&rows);
            let same = ours.iter().zip(&voiced).filter(|(ours, theirs)| ours == theirs).count();
            assert!(same * 50 >= 49 * voiced.len(), "{same} of {}", voiced.len());
            assert!(voiced.iter().any(|voiced| *voiced) && voiced.iter().any(|voiced| !*voiced));
        }
    }
}
