/// Highest floor that is assumed, in dBFS, before there is evidence: a noisy home recording lies below it, a voice
/// that is there from the first frame on lies above it.
const ASSUMED_FLOOR_DB: f32 = -45.0;
/// The floor is never taken to be lower than this, in dBFS: dither and the noise of converters are no voice.
const MIN_FLOOR_DB: f32 = -85.0;
/// How far above the floor voice begins, in dB. Frames of steady noise stay within 3 dB of their mean, and the
/// minimum lies up to 3 dB below it.
const ENTER_DB: f32 = 8.0;
/// How far above the floor voice ends, in dB: less, so that a fading vowel is not chopped up.
const LEAVE_DB: f32 = 5.0;
/// How far below the recent peak voice can be, in dB. Weak syllables lie within it, breath and spill of loud takes do not.
const RANGE_DB: f32 = 30.0;
/// How fast the recent peak is forgotten, in dB per second: a soft verse is voice again some seconds after a shout.
const PEAK_DECAY_DB_PER_S: f32 = 1.0;
/// How long voice lasts after the level has fallen, in seconds: the closure of a plosive belongs to the word.
const HANGOVER_S: f32 = 0.05;
/// Time constant over which the level is smoothed before its minimum is taken, in seconds.
const SMOOTHING_S: f32 = 0.05;
/// Length of the blocks whose minima are kept, in seconds.
const BLOCK_S: f32 = 0.5;
/// Number of blocks the floor is the minimum of. 6 s: longer than a held note (4 to 5 s), which would become the floor.
const BLOCKS: usize = 12;
/// Distance between peak and floor, in dB, from which on a floor is believed before all blocks have been heard:
/// both voice and background must have been there.
const CONTRAST_DB: f32 = 12.0;

/// Tells voice from background by level: above a tracked noise floor and near the recent peak.
///
/// The floor is the minimum over the last 6 s of the smoothed level (after R. Martin, "Noise power spectral density
/// estimation based on optimal smoothing and minimum statistics", 2001, without its spectral part). Steady noise from the
/// first frame on passes for voice until then if it is louder than -37 dBFS.
#[derive(Debug, Clone)]
pub struct VoiceGate {
    block_frames: u32,
    hangover_frames: u32,
    smoothing: f32,
    decay_db: f32,
    state: State,
}

#[derive(Debug, Clone)]
struct State {
    /// Ring of the last blocks' minima; infinite where none has been heard.
    minima_db: [f32; BLOCKS],
    block: usize,
    frames_in_block: u32,
    block_min_db: f32,
    /// `None` before the first frame.
    smoothed_db: Option<f32>,
    floor_db: f32,
    peak_db: f32,
    open: bool,
    hangover: u32,
}

impl State {
    const START: Self = Self {
        minima_db: [f32::INFINITY; BLOCKS],
        block: 0,
        frames_in_block: 0,
        block_min_db: f32::INFINITY,
        smoothed_db: None,
        floor_db: ASSUMED_FLOOR_DB,
        peak_db: f32::NEG_INFINITY,
        open: false,
        hangover: 0,
    };
}

impl VoiceGate {
    /// A gate for frames `hop_s` seconds apart that has heard nothing.
    pub fn new(hop_s: f32) -> Self {
        let frames = |seconds: f32| (seconds / hop_s).round() as u32;
        Self {
            block_frames: frames(BLOCK_S).max(1),
            hangover_frames: frames(HANGOVER_S),
            smoothing: 1.0 - (-hop_s / SMOOTHING_S).exp(),
            decay_db: PEAK_DECAY_DB_PER_S * hop_s,
            state: State::START,
        }
    }

    /// Forgets floor and peak.
    pub fn reset(&mut self) {
        self.state = State::START;
    }

    /// Takes one frame's level in dBFS; whether it is voice.
    pub fn push(&mut self, level_db: f32) -> bool {
        self.state.peak_db = level_db.max(self.state.peak_db - self.decay_db);
        self.track_floor(level_db);
        let state = &mut self.state;
        let over_floor_db = if state.open { LEAVE_DB } else { ENTER_DB };
        state.open = level_db > state.floor_db + over_floor_db && level_db > state.peak_db - RANGE_DB;
        if state.open {
            state.hangover = self.hangover_frames;
            return true;
        }
        let held = state.hangover > 0;
        state.hangover = state.hangover.saturating_sub(1);
        held
    }

    /// The tracked noise floor, in dBFS.
    pub fn floor_db(&self) -> f32 {
        self.state.floor_db
    }

    fn track_floor(&mut self, level_db: f32) {
        let state = &mut self.state;
        let before = state.smoothed_db.unwrap_or(level_db);
        let smoothed = before + self.smoothing * (level_db - before);
        state.smoothed_db = Some(smoothed);
        state.block_min_db = state.block_min_db.min(smoothed);
        state.frames_in_block += 1;
        if state.frames_in_block == self.block_frames {
            state.minima_db[state.block] = state.block_min_db;
            state.block = (state.block + 1) % BLOCKS;
            state.block_min_db = f32::INFINITY;
            state.frames_in_block = 0;
        }
        let observed = state.minima_db.iter().copied().fold(state.block_min_db, f32::min);
        let heard_all = state.minima_db[BLOCKS - 1].is_finite();
        let believed = heard_all || state.peak_db - observed >= CONTRAST_DB;
        state.floor_db = if believed {
            observed
        } else {
            observed.min(ASSUMED_FLOOR_DB)
        }
        .max(MIN_FLOOR_DB);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOP_S: f32 = 0.01;

    /// Levels scattered around `mean_db` as those of frames of steady noise are, evenly within ±2 dB.
    fn noise(mean_db: f32, frames: usize) -> impl Iterator<Item = f32> {
        (0..frames).map(move |n| mean_db - 2.0 + 4.0 * ((n * 7919) % 101) as f32 / 100.0)
    }

    fn run(gate: &mut VoiceGate, levels: impl Iterator<Item = f32>) -> Vec<bool> {
        levels.map(|level| gate.push(level)).collect()
    }

    fn share(voiced: &[bool]) -> f32 {
        voiced.iter().filter(|voiced| **voiced).count() as f32 / voiced.len() as f32
    }

    #[test]
    fn silence_is_no_voice() {
        for level in [-120.0, -96.0, -78.0] {
            let voiced = run(&mut VoiceGate::new(HOP_S), std::iter::repeat_n(level, 2000));
            assert_eq!(share(&voiced), 0.0, "{level} dBFS");
        }
    }

    #[test]
    fn steady_noise_is_no_voice_after_six_seconds() {
        for level in [-70.0, -50.0, -40.0, -30.0, -15.0, -3.0] {
            let voiced = run(&mut VoiceGate::new(HOP_S), noise(level, 2000));
            assert_eq!(share(&voiced[610..]), 0.0, "{level} dBFS");
            if level <= -40.0 {
                assert_eq!(
                    share(&voiced),
                    0.0,
                    "{level} dBFS is below the assumed floor's threshold"
                );
            }
        }
    }

    #[test]
    fn voice_over_noise_is_voice_and_its_pauses_are_not() {
        for noise_db in [-80.0, -60.0, -45.0, -30.0] {
            let mut gate = VoiceGate::new(HOP_S);
            for phrase in 0..8 {
                let pause = run(&mut gate, noise(noise_db, 80));
                let voice = run(&mut gate, noise(noise_db + 20.0, 150));
                assert!(share(&voice) == 1.0, "phrase {phrase} over {noise_db} dBFS");
                if phrase > 0 {
                    assert!(pause[..5].iter().all(|voiced| *voiced), "the hangover lasts 50 ms");
                    assert_eq!(share(&pause[10..]), 0.0, "pause {phrase} at {noise_db} dBFS");
                }
            }
        }
    }

    #[test]
    fn a_held_note_stays_voice() {
        for before in [0, 100] {
            let mut gate = VoiceGate::new(HOP_S);
            run(&mut gate, noise(-60.0, before));
            let voiced = run(&mut gate, noise(-18.0, 500));
            assert_eq!(share(&voiced), 1.0, "after {before} frames of noise");
        }
    }

    #[test]
    fn what_lies_far_below_the_peak_is_no_voice_for_a_while() {
        let mut gate = VoiceGate::new(HOP_S);
        run(&mut gate, noise(-80.0, 100));
        run(&mut gate, noise(-5.0, 100));
        let spill = run(&mut gate, noise(-45.0, 300));
        assert_eq!(share(&spill[10..]), 0.0);
        // 45 dB below, less 30 dB of range, are forgotten after about 10 s; pauses keep the floor low.
        let mut later = Vec::new();
        for _ in 0..12 {
            run(&mut gate, noise(-80.0, 50));
            later = run(&mut gate, noise(-45.0, 100));
        }
        assert_eq!(share(&later), 1.0);
    }

    #[test]
    fn gain_does_not_matter() {
        let levels = |gain_db: f32| {
            noise(-55.0, 60)
                .chain(noise(-25.0, 120))
                .chain(noise(-55.0, 60))
                .chain(noise(-35.0, 90))
                .map(move |l| l + gain_db)
        };
        let reference = run(&mut VoiceGate::new(HOP_S), levels(0.0));
        for gain_db in [-24.0, -12.0, 12.0] {
            assert_eq!(
                run(&mut VoiceGate::new(HOP_S), levels(gain_db)),
                reference,
                "{gain_db} dB"
            );
        }
    }

    #[test]
    fn reset_forgets_everything() {
        let levels = || noise(-30.0, 300).chain(noise(-60.0, 300));
        let fresh = run(&mut VoiceGate::new(HOP_S), levels());
        let mut gate = VoiceGate::new(HOP_S);
        run(&mut gate, noise(-10.0, 1000));
        gate.reset();
        assert_eq!(gate.floor_db(), ASSUMED_FLOOR_DB);
        assert_eq!(run(&mut gate, levels()), fresh);
    }
}
