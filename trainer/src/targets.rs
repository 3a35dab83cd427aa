//! What the network shall say of each clip, and how much the clip counts.

use affekt_models::{EMOTIONS, Emotion};

use crate::clips::ClipFrames;
use crate::corpora::Clip;
use crate::lead_in::LeadIn;
use crate::recipe::{ClassWeights, DistillationRecipe, Labels, TrainingRecipe};
use crate::samples::Sample;

/// Number of emotions.
const CLASSES: usize = EMOTIONS.len();

/// Distribution over the emotions and weight of each clip.
#[derive(Debug, Clone, PartialEq)]
pub struct Targets {
    /// One row per clip; sums to one.
    pub shares: Vec<[f32; CLASSES]>,
    /// Weight of each clip in the loss; one on average.
    pub weights: Vec<f32>,
}

/// Share of each emotion in what is to be learned of a clip; `None` where the recipe wants votes and there are none.
/// Of a sound that is no voice: equal shares.
pub fn shares(clip: &Clip, labels: Labels, vote_share: f64) -> Option<[f32; CLASSES]> {
    let Some(emotion) = clip.emotion else {
        return Some([1.0 / CLASSES as f32; CLASSES]);
    };
    let mut acted = [0.0; CLASSES];
    acted[emotion.index()] = 1.0;
    match (labels, clip.votes) {
        (Labels::Acted, _) | (Labels::Blended, None) => Some(acted),
        (Labels::Voted, votes) => votes,
        (Labels::Blended, Some(votes)) => {
            let own = vote_share as f32;
            Some(std::array::from_fn(|place| {
                own * votes[place] + (1.0 - own) * acted[place]
            }))
        }
    }
}

/// The emotion that a clip counts as when a model is judged: the acted one, or the one that most listeners heard.
/// `None` for a sound that is no voice, without votes, or when the most votes are shared. Blended labels are judged by the acted emotion.
pub fn label(clip: &Clip, labels: Labels) -> Option<usize> {
    if labels != Labels::Voted {
        return clip.emotion.map(Emotion::index);
    }
    let votes = clip.votes?;
    let most = votes.iter().copied().fold(0.0, f32::max);
    let mut places = (0..CLASSES).filter(|place| votes[*place] == most);
    match (places.next(), places.next()) {
        (Some(place), None) => Some(place),
        _ => None,
    }
}

impl Targets {
    /// For the clips that are trained on.
    pub fn new(clips: &[ClipFrames], recipe: &TrainingRecipe) -> Self {
        let shares: Vec<_> = clips
            .iter()
            .map(|clip| shares(&clip.clip, recipe.labels, recipe.vote_share).unwrap_or([1.0 / CLASSES as f32; CLASSES]))
            .collect();
        let mut counts = [0.0_f64; CLASSES];
        let of_voices = shares.iter().zip(clips).filter(|(_, clip)| clip.clip.emotion.is_some());
        for (row, _) in of_voices {
            for (count, share) in counts.iter_mut().zip(row) {
                *count += f64::from(*share);
            }
        }
        let factor = counts.map(|count| match recipe.class_weights {
            _ if count == 0.0 => 0.0,
            ClassWeights::Equal => 1.0,
            ClassWeights::Inverse => 1.0 / count,
            ClassWeights::InverseRoot => 1.0 / count.sqrt(),
        });
        let weight = |row: &[f32; CLASSES]| -> f64 {
            let parts = row.iter().zip(&factor);
            parts.map(|(share, factor)| f64::from(*share) * factor).sum()
        };
        let weights: Vec<f64> = shares.iter().map(weight).collect();
        let mean = weights.iter().sum::<f64>() / weights.len().max(1) as f64;
        let smoothing = recipe.label_smoothing as f32;
        Self {
            weights: weights.iter().map(|weight| (weight / mean) as f32).collect(),
            shares: shares
                .iter()
                .map(|row| row.map(|share| (1.0 - smoothing) * share + smoothing / CLASSES as f32))
                .collect(),
        }
    }

    /// What the network shall say of a sample, and how much it counts; with a lead-in as far as each of both fills the
    /// window.
    pub fn of(&self, sample: &Sample) -> ([f32; CLASSES], f32) {
        let (own, weight) = (self.shares[sample.clip], self.weights[sample.clip]);
        let Some(LeadIn { clip, share }) = sample.lead_in else {
            return (own, weight);
        };
        let mix = |own: f32, before: f32| (1.0 - share) * own + share * before;
        let before = self.shares[clip];
        (
            std::array::from_fn(|class| mix(own[class], before[class])),
            mix(weight, self.weights[clip]),
        )
    }

    /// Blends in what a teacher said of the clips, in their order; where it said nothing, the labels stay alone.
    pub fn blend(&mut self, taught: &[Option<[f32; CLASSES]>], recipe: &DistillationRecipe) {
        let share = recipe.share as f32;
        for (row, said) in self.shares.iter_mut().zip(taught) {
            let Some(said) = said else { continue };
            for (own, taught) in row.iter_mut().zip(recipe.soften(said)) {
                *own = (1.0 - share) * *own + share * taught;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use affekt_features::SessionTotals;

    use crate::recipe::{DEFAULT_RECIPE, Recipe};

    fn clip(emotion: Emotion, votes: Option<[f32; CLASSES]>) -> ClipFrames {
        ClipFrames {
            clip: Clip {
                path: "clip".into(),
                emotion: Some(emotion),
                speaker: "test/1".into(),
                corpus: "test",
                votes,
            },
            bands_db: Vec::new(),
            voiced: Vec::new(),
            totals: SessionTotals::default(),
            content: 0,
            clipped: 0.0,
            copy: 0,
        }
    }

    fn recipe() -> TrainingRecipe {
        Recipe::from_toml(DEFAULT_RECIPE).unwrap().training
    }

    #[test]
    fn rare_emotions_count_more() {
        let clips = [Emotion::Sad, Emotion::Sad, Emotion::Sad, Emotion::Sad, Emotion::Happy].map(|e| clip(e, None));
        let weights = |class_weights| {
            let recipe = TrainingRecipe {
                class_weights,
                ..recipe()
            };
            Targets::new(&clips, &recipe).weights
        };
        assert_eq!(weights(ClassWeights::Equal), [1.0; 5]);
        // 1/4 to 1, and half of all clips' weight each.
        assert_eq!(weights(ClassWeights::Inverse), [0.625, 0.625, 0.625, 0.625, 2.5]);
        let root = weights(ClassWeights::InverseRoot);
        assert!((root[4] / root[0] - 2.0).abs() < 1e-6);
    }

    #[test]
    fn votes_blend_with_the_acted_emotion() {
        let votes = [0.5, 0.25, 0.25, 0.0, 0.0, 0.0];
        let sad = clip(Emotion::Sad, Some(votes)).clip;
        assert_eq!(shares(&sad, Labels::Acted, 0.5), Some([0.0, 0.0, 0.0, 0.0, 0.0, 1.0]));
        assert_eq!(shares(&sad, Labels::Voted, 0.5), Some(votes));
        let blended = shares(&sad, Labels::Blended, 0.5).unwrap();
        assert_eq!(blended, [0.25, 0.125, 0.125, 0.0, 0.0, 0.5]);
        assert_eq!(
            (label(&sad, Labels::Acted), label(&sad, Labels::Voted)),
            (Some(5), Some(0))
        );
        let without = clip(Emotion::Sad, None).clip;
        assert_eq!(
            (shares(&without, Labels::Voted, 0.5), label(&without, Labels::Voted)),
            (None, None)
        );
        let torn = clip(Emotion::Sad, Some([0.5, 0.5, 0.0, 0.0, 0.0, 0.0])).clip;
        assert_eq!(label(&torn, Labels::Voted), None);
    }

    #[test]
    fn a_teacher_is_blended_in_where_it_said_something() {
        let clips = [clip(Emotion::Angry, None), clip(Emotion::Sad, None)];
        let mut targets = Targets::new(&clips, &recipe());
        let distillation = DistillationRecipe {
            teacher: "teacher.onnx".into(),
            share: 0.25,
            temperature: 1.0,
        };
        let said = [0.0, 0.5, 0.5, 0.0, 0.0, 0.0];
        targets.blend(&[Some(said), None], &distillation);
        assert_eq!(targets.shares[0], [0.75, 0.125, 0.125, 0.0, 0.0, 0.0]);
        assert_eq!(targets.shares[1], [0.0, 0.0, 0.0, 0.0, 0.0, 1.0]);
    }

    #[test]
    fn smoothing_leaves_a_distribution() {
        let recipe = TrainingRecipe {
            label_smoothing: 0.12,
            ..recipe()
        };
        let row = Targets::new(&[clip(Emotion::Fear, None)], &recipe).shares[0];
        assert!((row[2] - 0.9).abs() < 1e-6 && (row[0] - 0.02).abs() < 1e-6);
        assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-6);
    }
}
