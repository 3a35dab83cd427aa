use crate::{EMOTIONS, Emotion};

/// Valence (first) and arousal (second) of an emotion as listeners rate them, -1 to 1 each.
///
/// Pleasure and arousal of the words Angry, Disgusted, Fearful, Happy and Sad as rated by listeners in J. A. Russell and
/// A. Mehrabian, "Evidence for a three-factor theory of emotions", Journal of Research in Personality 11 (1977),
/// 273–294. Neutral is the origin by definition.
const fn rated(emotion: Emotion) -> (f32, f32) {
    match emotion {
        Emotion::Angry => (-0.51, 0.59),
        Emotion::Disgust => (-0.60, 0.35),
        Emotion::Fear => (-0.64, 0.60),
        Emotion::Happy => (0.81, 0.51),
        Emotion::Neutral => (0.0, 0.0),
        Emotion::Sad => (-0.63, -0.27),
    }
}

/// Largest valence and arousal among the emotions, by which both are divided so that a pure emotion can reach the edge.
const LARGEST: (f32, f32) = (0.81, 0.60);

/// Where an emotion lies in the plane of valence (first) and arousal (second), -1 to 1 each: as listeners rated it, scaled
/// so that the most pleasant emotion has valence 1 and the most aroused arousal 1.
pub fn coordinates(emotion: Emotion) -> (f32, f32) {
    let (valence, arousal) = rated(emotion);
    (valence / LARGEST.0, arousal / LARGEST.1)
}

/// Arousal and valence, -1 to 1 each, of six weights in the order of [`EMOTIONS`]: the weighted sum of the emotions'
/// [`coordinates`].
pub fn arousal_valence(weights: &[f32; 6]) -> (f32, f32) {
    let (mut arousal, mut valence) = (0.0, 0.0);
    for (emotion, weight) in EMOTIONS.into_iter().zip(weights) {
        let (pleasure, activation) = rated(emotion);
        valence += weight * pleasure;
        arousal += weight * activation;
    }
    (
        (arousal / LARGEST.1).clamp(-1.0, 1.0),
        (valence / LARGEST.0).clamp(-1.0, 1.0),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pure(emotion: Emotion) -> (f32, f32) {
        let mut weights = [0.0; 6];
        weights[emotion.index()] = 1.0;
        arousal_valence(&weights)
    }

    #[test]
    fn emotions_lie_where_they_belong() {
        assert_eq!(pure(Emotion::Neutral), (0.0, 0.0));
        assert_eq!(pure(Emotion::Fear).0, 1.0);
        assert_eq!(pure(Emotion::Happy).1, 1.0);
        assert!(pure(Emotion::Angry).0 > 0.9 && pure(Emotion::Angry).1 < -0.5);
        assert!(pure(Emotion::Sad).0 < 0.0 && pure(Emotion::Sad).1 < -0.5);
        assert_eq!(arousal_valence(&[0.0; 6]), (0.0, 0.0));
    }

    #[test]
    fn a_pure_emotion_has_its_own_coordinates() {
        for emotion in EMOTIONS {
            let (valence, arousal) = coordinates(emotion);
            assert_eq!(pure(emotion), (arousal, valence), "{emotion:?}");
        }
    }
}
