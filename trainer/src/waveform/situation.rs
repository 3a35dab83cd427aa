//! Who sings into which microphone in which room: what all altered copies of a session have in common.

use rand::Rng;

use super::equaliser::Equaliser;
use super::pitch_shift::{self, Formants};
use super::recipe::WaveformRecipe;
use super::{Waveform, band_limit, gain, noise, room, time_stretch};
use crate::seed::{Purpose, stream};

/// Slopes of the background noise: from white to brown.
const NOISE_SLOPES: [f64; 2] = [0.0, 2.0];

/// One draw of everything that stays the same through a session.
#[derive(Debug, Clone, PartialEq)]
pub struct Situation {
    pitch_shift: Option<(f64, Formants)>,
    room: Option<Room>,
    noise: Option<Noise>,
    equaliser: Option<Equaliser>,
    band_hz: Option<[f64; 2]>,
    gain_db: Option<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Room {
    t60_s: f64,
    wet: f64,
    seed: u64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Noise {
    snr_db: f64,
    slope: f64,
}

impl Situation {
    /// Draws one.
    pub fn draw(recipe: &WaveformRecipe, random: &mut impl Rng) -> Self {
        Self {
            pitch_shift: random
                .random_bool(recipe.pitch_shift)
                .then(|| (between(random, recipe.pitch_shift_semitones), recipe.formants)),
            room: random.random_bool(recipe.room).then(|| Room {
                t60_s: between_logarithms(random, recipe.room_s),
                wet: 10.0_f64.powf(between(random, recipe.room_wet_db) / 10.0),
                seed: random.random(),
            }),
            noise: random.random_bool(recipe.noise).then(|| Noise {
                snr_db: between(random, recipe.noise_snr_db),
                slope: between(random, NOISE_SLOPES),
            }),
            equaliser: random
                .random_bool(recipe.equaliser)
                .then(|| Equaliser::draw(recipe.equaliser_db, random)),
            band_hz: random
                .random_bool(recipe.band_limit)
                .then(|| [recipe.low_cut_hz, recipe.high_cut_hz].map(|range| between_logarithms(random, range))),
            gain_db: random.random_bool(recipe.gain).then(|| between(random, recipe.gain_db)),
        }
    }

    /// Alters one recording: the voice, the room around it, the noise in the room, the microphone, its amplifier.
    /// `voice_power` is the mean power of the session's voice; `random` is the recording's own.
    pub fn apply(&self, recipe: &WaveformRecipe, waveform: &mut Waveform, voice_power: f64, random: &mut impl Rng) {
        if random.random_bool(recipe.time_stretch) {
            time_stretch::stretch(waveform, between_logarithms(random, recipe.time_stretch_pace));
        }
        if let Some((semitones, formants)) = self.pitch_shift {
            pitch_shift::shift(waveform, semitones, formants);
        }
        if let Some(Room { t60_s, wet, seed }) = self.room {
            let response = room::response(waveform.rate_hz, t60_s, wet, &mut stream(seed, Purpose::Copy, 0, 0));
            room::reverberate(&mut waveform.samples, &response);
        }
        if let Some(Noise { snr_db, slope }) = self.noise {
            noise::add(waveform, voice_power / 10.0_f64.powf(snr_db / 10.0), slope, random);
        }
        if let Some(equaliser) = &self.equaliser {
            equaliser.apply(waveform);
        }
        if let Some([low, high]) = self.band_hz {
            band_limit::limit(waveform, low, high);
        }
        if let Some(gain_db) = self.gain_db {
            gain::amplify(&mut waveform.samples, gain_db);
        }
    }
}

fn between(random: &mut impl Rng, [low, high]: [f64; 2]) -> f64 {
    low + (high - low) * random.random::<f64>()
}

fn between_logarithms(random: &mut impl Rng, range: [f64; 2]) -> f64 {
    between(random, range.map(f64::ln)).exp()
}
