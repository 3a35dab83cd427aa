//! Sounds that are no voice: noise, hum, breath-like bursts, chords, plucked notes, drums, and bands of these. A vocal
//! track holds them between the phrases; a network that heard them while it learned says that it does not know.

use std::f32::consts::TAU;

use affekt_features::recording::Recording;
use affekt_features::{FeatureError, FeatureSpec};
use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use crate::clips::{ClipFrames, Extractors, content_key};
use crate::corpora::Clip;
use crate::seed::{Purpose, stream};

/// Name that these sounds go under in place of a corpus's.
pub const NON_VOICE: &str = "non-voice";

/// Sample rate of the sounds, in Hz.
const RATE_HZ: u32 = 16_000;
/// Length of a sound, in seconds.
const SECONDS: f32 = 4.0;
/// Least and greatest peak, in dB below full scale.
const PEAK_DB: (f32, f32) = (-40.0, -1.0);

/// A kind of sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Stationary noise of a random spectrum.
    Noise,
    /// Mains hum over a little noise.
    Hum,
    /// Bursts of noise as of breaths, rustling and bumps.
    Bursts,
    /// Held chords.
    Chords,
    /// Plucked single notes.
    Plucks,
    /// A drum pattern.
    Drums,
    /// Chords, bass and drums together.
    Band,
    /// Nothing but the noise of a converter.
    Silence,
}

/// All kinds.
pub const KINDS: [Kind; 8] = [
    Kind::Noise,
    Kind::Hum,
    Kind::Bursts,
    Kind::Chords,
    Kind::Plucks,
    Kind::Drums,
    Kind::Band,
    Kind::Silence,
];

impl Kind {
    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Noise => "noise",
            Self::Hum => "hum",
            Self::Bursts => "bursts",
            Self::Chords => "chords",
            Self::Plucks => "plucks",
            Self::Drums => "drums",
            Self::Band => "band",
            Self::Silence => "silence",
        }
    }

    /// One sound of this kind, mono.
    pub fn recording(self, random: &mut ChaCha8Rng) -> Recording {
        let mut sound = Sound::silent();
        match self {
            Self::Noise => sound.add_noise(random, 1.0),
            Self::Hum => {
                sound.add_hum(random);
                sound.add_noise(random, 0.05);
            }
            Self::Bursts => {
                sound.add_bursts(random);
                sound.add_noise(random, 0.01);
            }
            Self::Chords => sound.add_chords(random, 1.0),
            Self::Plucks => sound.add_plucks(random, (110.0, 880.0), 1.0),
            Self::Drums => sound.add_drums(random),
            Self::Band => {
                sound.add_chords(random, 0.5);
                sound.add_plucks(random, (40.0, 110.0), 0.6);
                sound.add_drums(random);
            }
            Self::Silence => sound.add_noise(random, 1.0),
        }
        let peak_db = match self {
            Self::Silence => -96.0,
            _ => random.random_range(PEAK_DB.0..PEAK_DB.1),
        };
        sound.recording(10.0_f32.powf(peak_db / 20.0))
    }
}

/// `count` sounds, all kinds in turn, as the network's front end hears them. The same for the same seed.
pub fn sounds(count: usize, spec: &FeatureSpec, seed: u64) -> Result<Vec<ClipFrames>, FeatureError> {
    let extractors = Extractors::default();
    let one = |place: usize| {
        let kind = KINDS[place % KINDS.len()];
        let recording = kind.recording(&mut stream(seed, Purpose::NonVoice, place as u64, 0));
        let (bands_db, voiced, totals) = extractors.frames(spec, &recording)?;
        Ok(ClipFrames {
            clip: Clip {
                path: format!("{} {}", kind.name(), place / KINDS.len()).into(),
                emotion: None,
                speaker: format!("{NON_VOICE}/{place}"),
                corpus: NON_VOICE,
                votes: None,
            },
            bands_db,
            voiced,
            totals,
            content: content_key(&recording),
            clipped: 0.0,
            copy: 0,
        })
    };
    (0..count).into_par_iter().map(one).collect()
}

/// A sound being put together.
struct Sound {
    samples: Vec<f32>,
}

impl Sound {
    fn silent() -> Self {
        Self {
            samples: vec![0.0; (SECONDS * RATE_HZ as f32) as usize],
        }
    }

    fn recording(mut self, peak: f32) -> Recording {
        let highest = self
            .samples
            .iter()
            .fold(1e-9_f32, |peak, sample| peak.max(sample.abs()));
        self.samples.iter_mut().for_each(|sample| *sample *= peak / highest);
        Recording {
            sample_rate_hz: RATE_HZ,
            channels: vec![self.samples],
        }
    }

    /// White noise through a low-pass, a high-pass and a resonance, of any colour then; louder and softer by a random
    /// slow wave.
    fn add_noise(&mut self, random: &mut ChaCha8Rng, gain: f32) {
        let mut filter = Filter::random(random);
        let (depth, rate) = (random.random_range(0.0..0.6_f32), random.random_range(0.1..3.0_f32));
        for (index, sample) in self.samples.iter_mut().enumerate() {
            let wave = 1.0 + depth * (TAU * rate * index as f32 / RATE_HZ as f32).sin();
            *sample += gain * wave * filter.next(random.random_range(-1.0..1.0));
        }
    }

    fn add_hum(&mut self, random: &mut ChaCha8Rng) {
        let mains: f32 = *[50.0, 60.0].choose(random).expect("two of them");
        for harmonic in 1..=random.random_range(2..20) {
            let (level, phase) = (
                random.random_range(0.0..1.0) / harmonic as f32,
                random.random_range(0.0..TAU),
            );
            self.add_tone(0, self.samples.len(), mains * harmonic as f32, level, phase, 0.0);
        }
    }

    fn add_bursts(&mut self, random: &mut ChaCha8Rng) {
        let mut start = 0;
        while start < self.samples.len() {
            let mut filter = Filter::random(random);
            let length_s = 10.0_f32.powf(random.random_range(-2.0..0.0));
            let (rise_s, gain) = (
                length_s * random.random_range(0.02..0.5_f32),
                random.random_range(0.1..1.0_f32),
            );
            for (index, sample) in self.samples[start..].iter_mut().enumerate() {
                let time = index as f32 / RATE_HZ as f32;
                let shape = (time / rise_s).min(1.0) * (-3.0 * time / length_s).exp();
                *sample += gain * shape * filter.next(random.random_range(-1.0..1.0));
            }
            start += (RATE_HZ as f32 * random.random_range(0.1..1.2_f32)) as usize;
        }
    }

    fn add_chords(&mut self, random: &mut ChaCha8Rng, gain: f32) {
        let length = (RATE_HZ as f32 * random.random_range(0.5..3.0_f32)) as usize;
        let (slope, release) = (random.random_range(0.7..2.5_f32), random.random_range(0.0..1.5_f32));
        let harmonics = random.random_range(1..16);
        for start in (0..self.samples.len()).step_by(length) {
            let root = random.random_range(45..64);
            let third = root + random.random_range(3..=4);
            for note in [root, third, root + 7, root + 12] {
                // Two oscillators a little apart.
                for detune in [-0.04_f32, 0.04] {
                    let pitch = pitch_hz(note as f32 + detune);
                    for harmonic in 1..=harmonics {
                        let level = gain * 0.1 / (harmonic as f32).powf(slope);
                        let phase = random.random_range(0.0..TAU);
                        self.add_tone(start, length, pitch * harmonic as f32, level, phase, release);
                    }
                }
            }
        }
    }

    fn add_plucks(&mut self, random: &mut ChaCha8Rng, range_hz: (f32, f32), gain: f32) {
        let step = (RATE_HZ as f32 * random.random_range(0.12..0.6_f32)) as usize;
        let decay = random.random_range(1.5..8.0_f32);
        let harmonics = random.random_range(2..12);
        for start in (0..self.samples.len()).step_by(step) {
            let octaves = random.random_range(0.0..(range_hz.1 / range_hz.0).log2());
            let pitch = pitch_hz((69.0 + 12.0 * (range_hz.0 * octaves.exp2() / 440.0).log2()).round());
            for harmonic in 1..=harmonics {
                let number = harmonic as f32;
                let phase = random.random_range(0.0..TAU);
                // High harmonics die away sooner.
                let own_decay = decay * (0.7 + 0.3 * number);
                self.add_tone(start, 2 * step, pitch * number, gain * 0.4 / number, phase, own_decay);
            }
        }
    }

    fn add_drums(&mut self, random: &mut ChaCha8Rng) {
        let beat = (RATE_HZ as f32 * 60.0 / random.random_range(80.0..160.0_f32)) as usize;
        let (kick, snare) = (random.random_range(45.0..70.0_f32), random.random_range(0.2..0.8_f32));
        for (index, start) in (0..self.samples.len()).step_by(beat / 2).enumerate() {
            if index % 4 == 0 || random.random_bool(0.15) {
                let mut phase = 0.0;
                for (place, sample) in self.samples[start..].iter_mut().take(RATE_HZ as usize / 4).enumerate() {
                    let time = place as f32 / RATE_HZ as f32;
                    phase += TAU * kick * (1.0 + 4.0 * (-40.0 * time).exp()) / RATE_HZ as f32;
                    *sample += 0.9 * (-14.0 * time).exp() * phase.sin();
                }
            }
            let noise = |sound: &mut Self, gain: f32, decay: f32, mut filter: Filter, random: &mut ChaCha8Rng| {
                for (place, sample) in sound.samples[start..].iter_mut().take(RATE_HZ as usize / 3).enumerate() {
                    let time = place as f32 / RATE_HZ as f32;
                    *sample += gain * (-decay * time).exp() * filter.next(random.random_range(-1.0..1.0));
                }
            };
            if index % 4 == 2 {
                noise(self, snare, 18.0, Filter::new(200.0, 7_000.0, 900.0, 1.0), random);
            }
            noise(self, 0.2, 60.0, Filter::new(5_000.0, 7_900.0, 7_000.0, 0.3), random);
        }
    }

    /// Adds a sine from sample `start` on; nothing above 7.9 kHz. It rises in 5 ms and falls by `decay` nepers per second.
    fn add_tone(&mut self, start: usize, length: usize, frequency: f32, level: f32, phase: f32, decay: f32) {
        if frequency > 7_900.0 {
            return;
        }
        // A rotating phasor in place of a sine for each sample.
        let (turn_sin, turn_cos) = (TAU * frequency / RATE_HZ as f32).sin_cos();
        let (mut sin, mut cos) = phase.sin_cos();
        let rise = 0.005 * RATE_HZ as f32;
        let fall = (-decay / RATE_HZ as f32).exp();
        let mut level = level;
        for (index, sample) in self.samples.iter_mut().skip(start).take(length).enumerate() {
            let edge = (index as f32 / rise).min((length - index) as f32 / rise).min(1.0);
            *sample += level * edge * sin;
            (sin, cos) = (sin * turn_cos + cos * turn_sin, cos * turn_cos - sin * turn_sin);
            level *= fall;
        }
    }
}

/// Pitch of a MIDI note in equal temperament, A4 = 440 Hz.
fn pitch_hz(note: f32) -> f32 {
    440.0 * ((note - 69.0) / 12.0).exp2()
}

/// One-pole high-pass and low-pass, and a resonance beside them.
struct Filter {
    high: f32,
    low: f32,
    resonance: [f32; 2],
    share: f32,
    state: [f32; 4],
}

impl Filter {
    fn new(low_cut_hz: f32, high_cut_hz: f32, resonance_hz: f32, share: f32) -> Self {
        let pole = |hz: f32| 1.0 - (-TAU * hz / RATE_HZ as f32).exp();
        let radius = 0.97_f32;
        Self {
            high: pole(low_cut_hz),
            low: pole(high_cut_hz),
            resonance: [
                2.0 * radius * (TAU * resonance_hz / RATE_HZ as f32).cos(),
                -radius * radius,
            ],
            share: 0.05 * share,
            state: [0.0; 4],
        }
    }

    fn random(random: &mut ChaCha8Rng) -> Self {
        let mut hz = |low: f32, high: f32| low * (high / low).powf(random.random_range(0.0..1.0));
        let (low, high, resonance) = (hz(10.0, 1_000.0), hz(200.0, 7_900.0), hz(100.0, 6_000.0));
        let share = random.random_range(0.0..1.0);
        Self::new(low, high, resonance, share)
    }

    fn next(&mut self, input: f32) -> f32 {
        let [below, smooth, before, last] = self.state;
        let below = below + self.high * (input - below);
        let smooth = smooth + self.low * (input - below - smooth);
        let ringing = input + self.resonance[0] * last + self.resonance[1] * before;
        self.state = [below, smooth, last, ringing];
        smooth + self.share * ringing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_a_sound_of_its_own_that_repeats() {
        let spec = FeatureSpec::standard();
        let all = sounds(2 * KINDS.len(), &spec, 3).unwrap();
        let again = sounds(2 * KINDS.len(), &spec, 3).unwrap();
        let mut contents: Vec<u64> = all.iter().map(|sound| sound.content).collect();
        assert_eq!(contents, again.iter().map(|sound| sound.content).collect::<Vec<_>>());
        contents.sort_unstable();
        contents.dedup();
        assert_eq!(contents.len(), 2 * KINDS.len());
        for sound in &all {
            assert!(sound.bands_db.iter().all(|value| value.is_finite()));
            assert!(sound.clip.emotion.is_none());
            let is_silent = sound.clip.path.to_string_lossy().starts_with("silence");
            assert_eq!(is_silent, sound.totals.frames == 0, "{}", sound.clip.path.display());
        }
    }
}
