//! Follows the host's transport: where playback starts, jumps or loops, listening starts over.

/// How far the host's position may be from where it should be, in seconds. Positions that the host counts in beats are
/// rounded; a jump that is shorter cannot be heard.
const TOLERANCE_S: f64 = 0.010;
/// The most times faster than the sound that the position moves on without a jump: a song may be played at another pace
/// than it was made for, and a position in beats runs ahead or falls behind while the tempo changes.
const FASTEST: f64 = 4.0;

/// Where the host's playhead was.
#[derive(Debug, Default)]
pub struct Playhead {
    playing: bool,
    /// Whether it has ever been seen playing: some hosts do not tell.
    has_played: bool,
    /// Position and length of the last block, in samples.
    last: Option<(i64, usize)>,
}

impl Playhead {
    /// A block of `frames` samples begins; `position` in samples, if the host tells one. Whether listening has to start
    /// over: playback has started, or has gone back or far ahead.
    pub fn moved(&mut self, playing: bool, position: Option<i64>, frames: usize, rate_hz: f64) -> bool {
        let started = playing && !self.playing;
        self.playing = playing;
        self.has_played |= playing;
        if !playing {
            self.last = None;
            return false;
        }
        let Some(position) = position else { return started };
        let jumped = self.last.is_some_and(|(before, length)| {
            // Some hosts never move their position: then it says nothing.
            let (moved, tolerance) = (position as f64 - before as f64, TOLERANCE_S * rate_hz);
            moved < -tolerance || moved > FASTEST * length as f64 + tolerance
        });
        self.last = Some((position, frames));
        started || jumped
    }

    /// Whether the present block belongs to a pass: the transport plays, or the host does not tell of it.
    pub fn is_recording(&self) -> bool {
        self.playing || !self.has_played
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE_HZ: f64 = 48_000.0;

    fn moves(blocks: &[(bool, Option<i64>)]) -> Vec<bool> {
        let mut playhead = Playhead::default();
        blocks
            .iter()
            .map(|&(playing, position)| playhead.moved(playing, position, 512, RATE_HZ))
            .collect()
    }

    #[test]
    fn starting_jumping_and_looping_are_noticed() {
        let blocks = [
            (false, Some(0)),
            (true, Some(0)),
            (true, Some(512)),
            // Back to the loop's start, then on.
            (true, Some(0)),
            (true, Some(512)),
            // Stopped, and started again from there.
            (false, Some(1_024)),
            (false, Some(99_999)),
            (true, Some(1_024)),
            (true, Some(1_536)),
            // Forward.
            (true, Some(96_000)),
        ];
        let expected = [false, true, false, true, false, false, false, true, false, true];
        assert_eq!(moves(&blocks), expected);
    }

    #[test]
    fn rounded_positions_are_no_jumps() {
        let blocks: Vec<_> = (0..1_000).map(|n| (true, Some(512 * n + n % 7 - 3))).collect();
        assert_eq!(moves(&blocks).into_iter().filter(|&moved| moved).count(), 1);
    }

    /// Whether playback at so many times the usual speed, in blocks of `frames`, is ever taken for a jump.
    fn jumps_at(speed: f64, frames: usize) -> bool {
        let mut playhead = Playhead::default();
        let mut moved = |n: usize| {
            let position = (n as f64 * frames as f64 * speed) as i64;
            playhead.moved(true, Some(position), frames, RATE_HZ)
        };
        assert!(moved(0), "playback starts");
        (1..200).any(moved)
    }

    #[test]
    fn slower_and_faster_playback_is_no_jump() {
        for frames in [1, 64, 512, 8_192] {
            for speed in [0.1, 0.5, 0.99, 1.5, 2.0, 4.0] {
                assert!(!jumps_at(speed, frames), "{speed} times, blocks of {frames}");
            }
        }
        // Backwards, and faster than anybody listens.
        assert!(jumps_at(-1.0, 512));
        assert!(jumps_at(8.0, 512));
    }

    #[test]
    fn a_jump_is_measured_from_the_block_before() {
        let mut playhead = Playhead::default();
        playhead.moved(true, Some(0), 8_192, RATE_HZ);
        assert!(!playhead.moved(true, Some(8_192), 16, RATE_HZ));
        assert!(!playhead.moved(true, Some(8_208), 16, RATE_HZ));
        assert!(playhead.moved(true, Some(16_400), 16, RATE_HZ));
    }

    #[test]
    fn a_pass_ends_where_playback_stops() {
        let mut playhead = Playhead::default();
        playhead.moved(false, None, 512, RATE_HZ);
        assert!(playhead.is_recording(), "a host that tells nothing");
        playhead.moved(true, None, 512, RATE_HZ);
        assert!(playhead.is_recording());
        playhead.moved(false, None, 512, RATE_HZ);
        assert!(!playhead.is_recording());
    }

    #[test]
    fn hosts_without_a_position_only_start() {
        assert_eq!(moves(&[(true, None), (true, None), (true, None)]), [true, false, false]);
        assert_eq!(
            moves(&[(true, Some(0)), (true, Some(0)), (true, Some(0))]),
            [true, false, false]
        );
        assert_eq!(
            moves(&[(true, Some(i64::MAX)), (true, Some(i64::MIN)), (true, None)]),
            [true, true, false]
        );
    }
}
