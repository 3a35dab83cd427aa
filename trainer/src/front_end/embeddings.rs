//! What a front end says of clips, by windows, and which rows of it belong to which frames.

use std::collections::HashMap;

use affekt_features::MIN_WINDOW_FRAMES;

use crate::clips::ClipFrames;
use crate::recipe::WindowRecipe;
use crate::samples::last_voiced_end;

/// Windows `[start, end]` that a clip is cut into, in frames, rising: at most the recipe's length, at least
/// [`MIN_WINDOW_FRAMES`], backward and forward from the end of the last voiced window. What is left over is left out.
pub(super) fn windows(voiced: &[bool], window: &WindowRecipe) -> Vec<[usize; 2]> {
    let last = last_voiced_end(voiced, window.hop_frames);
    let mut windows = Vec::new();
    let mut end = last;
    while end >= MIN_WINDOW_FRAMES {
        let start = end.saturating_sub(window.frames);
        windows.push([start, end]);
        end = start;
    }
    windows.reverse();
    let mut start = last;
    while voiced.len() - start >= MIN_WINDOW_FRAMES {
        let end = voiced.len().min(start + window.frames);
        windows.push([start, end]);
        start = end;
    }
    windows
}

/// Embeddings of one window of a clip.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Piece {
    /// First frame.
    pub start: usize,
    /// One past its last frame.
    pub end: usize,
    /// Row-major `[rows, width]`.
    pub rows: Vec<f32>,
}

/// Embeddings of all clips.
#[derive(Debug, Clone)]
pub struct Embeddings {
    width: usize,
    least_rows: usize,
    /// By [`ClipFrames::content`].
    clips: HashMap<u64, Vec<Piece>>,
}

impl Embeddings {
    /// Of clips that are told apart by [`ClipFrames::content`].
    pub(super) fn new(width: usize, least_rows: usize, clips: impl IntoIterator<Item = (u64, Vec<Piece>)>) -> Self {
        Self {
            width,
            least_rows,
            clips: clips.into_iter().collect(),
        }
    }

    /// Values of a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Fewest rows that the network takes.
    pub fn least_rows(&self) -> usize {
        self.least_rows
    }

    /// The rows of the frames from `start` to `end` of a clip, row-major `[rows, width]`: those whose middle lies there.
    /// At least one row: if there is none, the window next to these frames.
    ///
    /// # Panics
    /// If the clip was not embedded.
    pub fn rows(&self, clip: &ClipFrames, start: usize, end: usize) -> Vec<f32> {
        let pieces = &self.clips[&clip.content];
        let mut found = Vec::new();
        for piece in pieces {
            let rows = piece.rows.chunks_exact(self.width);
            let frames = (piece.end - piece.start) as f64 / rows.len() as f64;
            for (place, row) in rows.enumerate() {
                let middle = piece.start as f64 + (place as f64 + 0.5) * frames;
                if middle >= start as f64 && middle < end as f64 {
                    found.extend_from_slice(row);
                }
            }
        }
        if found.is_empty() {
            let distance = |piece: &&Piece| piece.start.abs_diff(start);
            found.extend(
                pieces
                    .iter()
                    .min_by_key(distance)
                    .into_iter()
                    .flat_map(|piece| &piece.rows),
            );
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use affekt_features::SessionTotals;

    use super::*;
    use crate::corpora::Clip;

    const WINDOW: WindowRecipe = WindowRecipe {
        frames: 100,
        hop_frames: 10,
        range_db: 35.0,
    };

    #[test]
    fn windows_end_where_the_plugins_last_one_ends() {
        let mut voiced = vec![true; 275];
        assert_eq!(windows(&voiced, &WINDOW), [[0, 70], [70, 170], [170, 270]]);
        voiced[240..].fill(false);
        // The last window with voice ends at 240; what is before 40 and after 240 is too short.
        assert_eq!(windows(&voiced, &WINDOW), [[40, 140], [140, 240]]);
        voiced.resize(400, false);
        assert_eq!(
            windows(&voiced, &WINDOW),
            [[40, 140], [140, 240], [240, 340], [340, 400]]
        );
        assert_eq!(windows(&[true; 63], &WINDOW), [[0, 60]]);
    }

    #[test]
    fn rows_are_found_by_their_middle() {
        let clip = ClipFrames {
            clip: Clip {
                path: "clip".into(),
                emotion: None,
                speaker: "test/1".into(),
                corpus: "test",
                votes: None,
            },
            bands_db: Vec::new(),
            voiced: vec![true; 200],
            totals: SessionTotals::default(),
            content: 7,
            clipped: 0.0,
            copy: 0,
        };
        let piece = |start: usize, rows: [f32; 5]| Piece {
            start,
            end: start + 100,
            rows: rows.to_vec(),
        };
        let embeddings = Embeddings {
            width: 1,
            least_rows: 1,
            clips: [(
                7,
                vec![
                    piece(0, [0.0, 1.0, 2.0, 3.0, 4.0]),
                    piece(100, [5.0, 6.0, 7.0, 8.0, 9.0]),
                ],
            )]
            .into(),
        };
        // Middles at 10, 30, 50, …
        assert_eq!(embeddings.rows(&clip, 0, 100), [0.0, 1.0, 2.0, 3.0, 4.0]);
        assert_eq!(embeddings.rows(&clip, 50, 131), [2.0, 3.0, 4.0, 5.0, 6.0]);
        assert_eq!(embeddings.rows(&clip, 112, 118), [5.0, 6.0, 7.0, 8.0, 9.0]);
    }
}
