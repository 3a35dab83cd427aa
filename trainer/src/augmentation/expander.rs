//! Cleaner recordings than there are: what lies near a clip's own background is pushed further down, as by a noise
//! gate, a noise suppressor or a quieter room. A corpus with audible noise in every pause teaches a network that noise
//! belongs to a voice; it then misjudges a voice from a studio.

use rand::Rng;

use super::between;
use crate::clips::ClipFrames;

/// Share of a clip's frames whose level a band's background reaches.
const BACKGROUND_SHARE: f64 = 0.05;
/// How far above the background expansion begins, least and most, in dB. The frames of steady noise lie within about
/// 10 dB of its quietest.
const THRESHOLD_DB: (f64, f64) = (6.0, 14.0);

/// A downward expander in each band.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Expander {
    /// Distance of the threshold above the background, in dB.
    threshold_db: f32,
    /// dB out per dB in below the threshold, at least 1.
    ratio: f32,
}

impl Expander {
    /// Draws one with a ratio between 1 and `most`, uniform in its logarithm.
    pub fn draw(most: f64, random: &mut impl Rng) -> Self {
        Self {
            threshold_db: between(random, THRESHOLD_DB) as f32,
            ratio: between(random, (0.0, most.ln())).exp() as f32,
        }
    }

    /// The clip's first `end` frames behind it, row-major `[end, bands]`, in dB.
    pub fn expand(&self, clip: &ClipFrames, end: usize) -> Vec<f32> {
        let background = background_db(clip);
        let mut rows = clip.bands_db[..end * background.len()].to_vec();
        for row in rows.chunks_exact_mut(background.len()) {
            for (value, background) in row.iter_mut().zip(&background) {
                let below = background + self.threshold_db - *value;
                *value -= (self.ratio - 1.0) * below.max(0.0);
            }
        }
        rows
    }
}

/// What each band of the clip hardly ever falls below, in dB.
fn background_db(clip: &ClipFrames) -> Vec<f32> {
    let frames = clip.frames();
    let place = (frames as f64 * BACKGROUND_SHARE) as usize;
    let bands = clip.bands_db.len() / frames;
    (0..bands)
        .map(|band| {
            let mut values: Vec<f32> = clip.bands_db.iter().skip(band).step_by(bands).copied().collect();
            *values.select_nth_unstable_by(place, f32::total_cmp).1
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use affekt_features::FeatureSpec;
    use affekt_models::Emotion;

    use crate::clips::Extractors;
    use crate::corpora::Clip;
    use crate::seed::{Purpose, stream};
    use crate::synthetic::voice;
    use crate::waveform::{Waveform, noise};

    fn clip(noise_power: f64) -> ClipFrames {
        let spec = FeatureSpec::standard();
        let mut waveform = Waveform::of(&voice(150.0, 1.0, 4.0, 1));
        noise::add(&mut waveform, noise_power, 1.0, &mut stream(2, Purpose::Sample, 0, 0));
        let analysis = Extractors::default().frames(&spec, &waveform.into_recording());
        let (bands_db, voiced, totals) = analysis.unwrap();
        ClipFrames {
            clip: Clip {
                path: "clip".into(),
                emotion: Some(Emotion::Sad),
                speaker: "test/1".into(),
                corpus: "test",
                votes: None,
            },
            bands_db,
            voiced,
            totals,
            content: 0,
            clipped: 0.0,
            copy: 0,
        }
    }

    /// Mean over the frames between the syllables.
    fn pause_db(rows: &[f32]) -> f32 {
        let bands = FeatureSpec::standard().mel_bands;
        let rows = rows.chunks_exact(bands).enumerate();
        let pauses: Vec<f32> = rows
            .filter(|(frame, _)| (97..=100).contains(&(frame % 100)) || (0..3).contains(&(frame % 100)))
            .flat_map(|(_, row)| row.iter().copied())
            .collect();
        pauses.iter().sum::<f32>() / pauses.len() as f32
    }

    #[test]
    fn a_noisy_recording_comes_nearer_to_a_clean_one() {
        let (clean, noisy) = (clip(0.0), clip(1e-5));
        let gap = pause_db(&noisy.bands_db) - pause_db(&clean.bands_db);
        assert!(gap > 10.0, "{gap} dB of noise");
        let expander = Expander {
            threshold_db: 10.0,
            ratio: 3.0,
        };
        let left = pause_db(&expander.expand(&noisy, noisy.frames())) - pause_db(&clean.bands_db);
        assert!(left < gap - 8.0, "{left} of {gap} dB");
    }

    #[test]
    fn only_what_lies_near_the_background_is_changed() {
        let clip = clip(1e-5);
        let (bands, background) = (FeatureSpec::standard().mel_bands, background_db(&clip));
        let expander = Expander {
            threshold_db: 10.0,
            ratio: 2.0,
        };
        let rows = expander.expand(&clip, 200);
        assert_eq!(rows.len(), 200 * bands);
        let (mut kept, mut lowered) = (0, 0);
        for (place, (after, before)) in rows.iter().zip(&clip.bands_db).enumerate() {
            let below = background[place % bands] + 10.0 - before;
            let expected = before - below.max(0.0);
            assert!((after - expected).abs() < 1e-3, "{before} became {after}");
            match below > 0.0 {
                true => lowered += 1,
                false => kept += 1,
            }
        }
        assert!(kept > 1_000 && lowered > 1_000, "{kept} and {lowered}");
        let none = Expander { ratio: 1.0, ..expander };
        assert_eq!(none.expand(&clip, 200), clip.bands_db[..200 * bands]);
        for seed in 0..50 {
            let drawn = Expander::draw(4.0, &mut stream(seed, Purpose::Variation, 0, 0));
            assert!((1.0..=4.0).contains(&drawn.ratio) && (6.0..=14.0).contains(&drawn.threshold_db));
        }
    }
}
