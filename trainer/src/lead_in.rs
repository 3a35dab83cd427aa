//! What was sung just before a clip, in the same window: on a track a phrase seldom follows upon silence.

use std::borrow::Cow;

use crate::clips::{ClipFrames, add_totals};

/// Another clip of the singer that ends where the clip begins.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LeadIn {
    /// Its place.
    pub clip: usize,
    /// Its share of the window's voice, 0 to 1: as much of its emotion is to be heard in the window.
    pub share: f32,
}

impl LeadIn {
    /// `before` ends where `clip` begins; of both together the window is frames `start..end`.
    pub fn new(place: usize, before: &ClipFrames, clip: &ClipFrames, start: usize, end: usize) -> Self {
        let border = before.frames();
        let count = |voiced: &[bool]| voiced.iter().filter(|voiced| **voiced).count();
        let (own, others) = (
            count(&clip.voiced[..end - border]),
            count(&before.voiced[start.min(border)..]),
        );
        let share = match own + others {
            0 => border.saturating_sub(start) as f32 / (end - start) as f32,
            all => others as f32 / all as f32,
        };
        Self { clip: place, share }
    }
}

/// The clip as it is, or behind what was sung before it.
pub fn with_lead_in<'a>(clips: &'a [ClipFrames], place: usize, lead_in: Option<&LeadIn>) -> Cow<'a, ClipFrames> {
    match lead_in {
        None => Cow::Borrowed(&clips[place]),
        Some(lead_in) => Cow::Owned(joined(&clips[lead_in.clip], &clips[place])),
    }
}

/// Both clips, one after the other, as one: the second one's, but with the frames of both.
pub fn joined(first: &ClipFrames, second: &ClipFrames) -> ClipFrames {
    let mut both = first.clone();
    both.clip = second.clip.clone();
    both.bands_db.extend_from_slice(&second.bands_db);
    both.voiced.extend_from_slice(&second.voiced);
    add_totals(&mut both.totals, &second.totals);
    both
}

#[cfg(test)]
mod tests {
    use super::*;
    use affekt_features::SessionTotals;
    use affekt_models::Emotion;

    use crate::corpora::Clip;

    fn clip(name: &str, voiced: &[bool]) -> ClipFrames {
        let frames = voiced.len();
        ClipFrames {
            clip: Clip {
                path: name.into(),
                emotion: Some(Emotion::Sad),
                speaker: "test/1".into(),
                corpus: "test",
                votes: None,
            },
            bands_db: (0..2 * frames).map(|value| value as f32).collect(),
            voiced: voiced.to_vec(),
            totals: SessionTotals {
                frames: frames as u64,
                sum_db: vec![1.0, 2.0],
            },
            content: 7,
            clipped: 0.0,
            copy: 0,
        }
    }

    #[test]
    fn the_second_clip_comes_behind_the_first() {
        let clips = [clip("first", &[true; 3]), clip("second", &[false; 2])];
        let lead_in = LeadIn { clip: 0, share: 0.5 };
        let both = with_lead_in(&clips, 1, Some(&lead_in));
        assert_eq!((both.frames(), both.clip.path.to_str()), (5, Some("second")));
        assert_eq!((both.frame(2), both.frame(3)), (clips[0].frame(2), clips[1].frame(0)));
        assert_eq!((both.totals.frames, &both.totals.sum_db), (5, &vec![2.0, 4.0]));
        assert_eq!(with_lead_in(&clips, 1, None).frames(), 2);
    }

    #[test]
    fn its_share_is_that_of_the_voice_in_the_window() {
        let (before, own) = (clip("a", &[true; 6]), clip("b", &[true, true, false, true]));
        // Frames 2 to 5 of the first, and 3 voiced ones of the second.
        assert_eq!(LeadIn::new(0, &before, &own, 2, 10).share, 4.0 / 7.0);
        // The window begins within the clip.
        assert_eq!(LeadIn::new(0, &before, &own, 7, 10).share, 0.0);
        // No voice at all: by length.
        let (before, own) = (clip("a", &[false; 6]), clip("b", &[false; 4]));
        assert_eq!(LeadIn::new(0, &before, &own, 2, 10).share, 0.5);
    }
}
