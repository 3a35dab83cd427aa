//! Variation of clips in the domain of the features: what another microphone, room, background or speaker would have
//! made of the mel bands. Costs a fraction of variation in the waveform, and is drawn anew in every epoch.
//!
//! The same variation holds for the clip and for what its session heard before, because both come through the same
//! microphone: an equaliser alone falls out in a warm session, as it does in the plugin.
//!
//! Warps take the nearest frame and band. Between two frames of a log spectrum there is nothing to interpolate: it
//! would smooth the fine texture that a network then misses in what is not varied (measured: 0.06 UAR).

mod expander;
mod texture;
mod voicing;

pub use expander::Expander;
pub use texture::Texture;
pub use voicing::Voicing;

use std::sync::Arc;

use affekt_features::{FeatureSpec, SessionTotals};
use rand::Rng;
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};

use crate::clips::ClipFrames;
use crate::recipe::{RecipeError, real, whole};

/// How clips are varied. Everything is off unless a recipe turns it on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AugmentationRecipe {
    /// Share of the samples that are varied at all.
    pub share: f64,
    /// Largest change of pace: the logarithm of the factor is uniform within ± this.
    pub time_warp: f64,
    /// Largest shift of the spectrum, as by a longer or shorter vocal tract: likewise, of a factor on frequency.
    pub frequency_warp: f64,
    /// Least and greatest gain, in dB.
    pub gain_db: [f64; 2],
    /// Probability that a clip's level is drawn towards the speaker's mean, by a share that is uniform from 0 to 1: a
    /// compressor, or an engineer at the fader.
    pub levelling: f64,
    /// Standard deviation of a clip's own gain beside that of its session, in dB.
    pub own_gain_db: f64,
    /// Standard deviation of a slope over the mel scale, in dB from its middle to its ends.
    pub tilt_db: f64,
    /// Standard deviation of each of the smooth curves of an equaliser, in dB.
    pub curve_db: f64,
    /// Probability of band limits, as of a telephone or a cheap microphone.
    pub band_limit: f64,
    /// Probability of an expander that pushes the recording's own background down.
    pub expansion: f64,
    /// Its greatest ratio, in dB out per dB in.
    pub expansion_ratio: f64,
    /// Probability of background noise.
    pub noise: f64,
    /// Least distance of the noise below the speaker's mean voiced level, in dB; the most is [`MOST_SNR_DB`]. Both are
    /// means of decibels, some 10 dB below the mean power.
    pub noise_snr_db: f64,
    /// Probability of a room.
    pub room: f64,
    /// Shortest and longest reverberation time (60 dB), in seconds.
    pub room_s: [f64; 2],
    /// Least and greatest level of the reverberation beside the direct sound, in dB.
    pub room_wet_db: [f64; 2],
    /// Masks over time (SpecAugment).
    pub time_masks: usize,
    /// Most frames of each.
    pub time_mask_frames: usize,
    /// Masks over bands (SpecAugment).
    pub band_masks: usize,
    /// Most bands of each.
    pub band_mask_bands: usize,
}

impl Default for AugmentationRecipe {
    fn default() -> Self {
        Self {
            share: 1.0,
            time_warp: 0.0,
            frequency_warp: 0.0,
            gain_db: [0.0, 0.0],
            levelling: 0.0,
            own_gain_db: 0.0,
            tilt_db: 0.0,
            curve_db: 0.0,
            band_limit: 0.0,
            expansion: 0.0,
            expansion_ratio: 3.0,
            noise: 0.0,
            noise_snr_db: 5.0,
            room: 0.0,
            room_s: [0.15, 1.0],
            room_wet_db: [-15.0, 2.0],
            time_masks: 0,
            time_mask_frames: 20,
            band_masks: 0,
            band_mask_bands: 8,
        }
    }
}

/// Largest distance of background noise below the voice, in dB.
pub const MOST_SNR_DB: f64 = 30.0;
/// Slope of the noise's spectrum over the mel scale: least and most, in dB from its middle to its ends.
const NOISE_TILT_DB: (f64, f64) = (-16.0, 6.0);
/// Standard deviation of the smooth curves of the noise's spectrum, in dB.
const NOISE_CURVE_DB: f64 = 2.0;
/// Lowest and highest lower band limit, in Hz.
const LOW_CUT_HZ: (f64, f64) = (80.0, 400.0);
/// Lowest and highest upper band limit, in Hz.
const HIGH_CUT_HZ: (f64, f64) = (3_000.0, 7_500.0);
/// Least and greatest steepness of the band limits, in dB per octave.
const CUT_DB_PER_OCTAVE: (f64, f64) = (12.0, 36.0);
/// Reverberation time of the lowest and the highest band, relative to that of the room.
const ROOM_TILT: (f64, f64) = (1.2, 0.6);
/// Cosines that a smooth curve is made of.
const CURVE_TERMS: usize = 6;
/// Largest part of a window that one mask over time may take.
const MASK_SHARE: usize = 5;
/// Between decibels and the binary logarithm of a power.
const OCTAVES_PER_DB: f32 = 0.332_192_8;

impl AugmentationRecipe {
    /// Checks all values.
    pub fn check(&self) -> Result<(), RecipeError> {
        real("augmentation.share", self.share, 0.0, 1.0)?;
        real("augmentation.time_warp", self.time_warp, 0.0, 0.4)?;
        real("augmentation.frequency_warp", self.frequency_warp, 0.0, 0.4)?;
        real("augmentation.gain_db", self.gain_db[0], -60.0, self.gain_db[1])?;
        real("augmentation.gain_db", self.gain_db[1], -60.0, 40.0)?;
        real("augmentation.levelling", self.levelling, 0.0, 1.0)?;
        real("augmentation.own_gain_db", self.own_gain_db, 0.0, 20.0)?;
        real("augmentation.tilt_db", self.tilt_db, 0.0, 20.0)?;
        real("augmentation.curve_db", self.curve_db, 0.0, 20.0)?;
        real("augmentation.band_limit", self.band_limit, 0.0, 1.0)?;
        real("augmentation.expansion", self.expansion, 0.0, 1.0)?;
        real("augmentation.expansion_ratio", self.expansion_ratio, 1.0, 10.0)?;
        real("augmentation.noise", self.noise, 0.0, 1.0)?;
        real("augmentation.noise_snr_db", self.noise_snr_db, -30.0, MOST_SNR_DB)?;
        real("augmentation.room", self.room, 0.0, 1.0)?;
        real("augmentation.room_s", self.room_s[0], 0.01, self.room_s[1])?;
        real("augmentation.room_s", self.room_s[1], 0.01, 10.0)?;
        real(
            "augmentation.room_wet_db",
            self.room_wet_db[0],
            -60.0,
            self.room_wet_db[1],
        )?;
        real("augmentation.room_wet_db", self.room_wet_db[1], -60.0, 20.0)?;
        whole("augmentation.time_masks", self.time_masks, 0, 100)?;
        whole("augmentation.time_mask_frames", self.time_mask_frames, 1, 1_000)?;
        whole("augmentation.band_masks", self.band_masks, 0, 100)?;
        whole("augmentation.band_mask_bands", self.band_mask_bands, 1, 64)
    }
}

/// One draw: what is done to a clip and its session.
#[derive(Debug, Clone, PartialEq)]
pub struct Variation {
    /// Output frames per input frame are its inverse: above 1 the voice is faster.
    pub pace: f64,
    /// For each band the one of the original's bands that it is read from; `None`: its own.
    source_bands: Option<Vec<usize>>,
    /// Added to each band, in dB.
    curve_db: Vec<f32>,
    /// Added to all bands of the clip and not to its session, in dB.
    own_gain_db: f32,
    expander: Option<Expander>,
    /// Mean noise power of each band.
    noise: Option<Vec<f32>>,
    room: Option<Room>,
    /// Place of the first frame, as a share of what the window leaves, and number of frames at most.
    time_masks: Vec<(f64, usize)>,
    /// First band and number of bands.
    band_masks: Vec<(usize, usize)>,
    texture: Arc<Texture>,
    /// Frames of the texture that the room's tail and the noise begin at.
    places: [usize; 2],
}

/// Exponential decay of energy, band by band.
#[derive(Debug, Clone, PartialEq)]
struct Room {
    /// What is left of a band's energy after one frame.
    decay: Vec<f32>,
    /// Energy of the reverberation relative to the direct sound's.
    wet: f32,
}

impl Variation {
    /// Draws one. `voice_db`: the mean voiced level of the speaker's bands, which noise is measured against; `texture`:
    /// of noise and rooms; `own_level_db`: the clip's voiced level beside the speaker's.
    pub fn draw(
        recipe: &AugmentationRecipe,
        spec: &FeatureSpec,
        voice_db: &[f32],
        own_level_db: f32,
        texture: &Arc<Texture>,
        random: &mut impl Rng,
    ) -> Self {
        let bands = spec.mel_bands;
        let pace = symmetric(random, recipe.time_warp).exp();
        let stretch = symmetric(random, recipe.frequency_warp).exp();
        let centres = centres_hz(spec);
        let mut curve = smooth_curve(random, recipe.curve_db, bands);
        let tilt = recipe.tilt_db * normal(random);
        let gain = between(random, recipe.gain_db.into());
        for (value, slope) in curve.iter_mut().zip(slope(bands)) {
            *value += gain + tilt * slope;
        }
        if random.random_bool(recipe.band_limit) {
            let low = between(random, (LOW_CUT_HZ.0.ln(), LOW_CUT_HZ.1.ln())).exp();
            let high = between(random, (HIGH_CUT_HZ.0.ln(), HIGH_CUT_HZ.1.ln())).exp();
            let steepness = between(random, CUT_DB_PER_OCTAVE);
            for (value, centre) in curve.iter_mut().zip(&centres) {
                let outside = (low / centre).log2().max(0.0) + (centre / high).log2().max(0.0);
                *value -= steepness * outside;
            }
        }
        // Recipes without them draw as they did before there were any.
        let mut own_gain_db = 0.0;
        if recipe.levelling > 0.0 && random.random_bool(recipe.levelling) {
            own_gain_db -= random.random::<f64>() * f64::from(own_level_db);
        }
        if recipe.own_gain_db > 0.0 {
            own_gain_db += recipe.own_gain_db * normal(random);
        }
        let expander = (recipe.expansion > 0.0 && random.random_bool(recipe.expansion))
            .then(|| Expander::draw(recipe.expansion_ratio, random));
        let noise = random.random_bool(recipe.noise).then(|| {
            let levels = voice_db
                .iter()
                .zip(&curve)
                .map(|(voice, curve)| f64::from(*voice) + curve);
            let level = levels.sum::<f64>() / bands as f64 - between(random, (recipe.noise_snr_db, MOST_SNR_DB));
            let tilt = between(random, NOISE_TILT_DB);
            let shape = smooth_curve(random, NOISE_CURVE_DB, bands);
            let powers = shape.iter().zip(slope(bands));
            powers
                .map(|(shape, slope)| 10.0_f64.powf((level + tilt * slope + shape) / 10.0) as f32)
                .collect()
        });
        let room = random.random_bool(recipe.room).then(|| {
            let time_s = between(random, (recipe.room_s[0].ln(), recipe.room_s[1].ln())).exp();
            let wet = 10.0_f64.powf(between(random, recipe.room_wet_db.into()) / 10.0) as f32;
            let hop_s = f64::from(spec.hop_s());
            let decay = slope(bands).map(|slope| {
                let share = (slope + 1.0) / 2.0;
                let own_s = time_s * (ROOM_TILT.0 + (ROOM_TILT.1 - ROOM_TILT.0) * share);
                10.0_f64.powf(-6.0 * hop_s / own_s) as f32
            });
            Room {
                decay: decay.collect(),
                wet,
            }
        });
        let time_masks = (0..recipe.time_masks)
            .map(|_| (random.random(), random.random_range(0..=recipe.time_mask_frames)))
            .collect();
        let band_masks = (0..recipe.band_masks)
            .map(|_| {
                let width = random.random_range(0..=recipe.band_mask_bands.min(bands));
                (random.random_range(0..=bands - width), width)
            })
            .collect();
        Self {
            pace,
            source_bands: (stretch != 1.0).then(|| source_bands(spec, &centres, stretch)),
            own_gain_db: own_gain_db as f32,
            curve_db: curve.into_iter().map(|value| value as f32).collect(),
            expander,
            noise,
            room,
            time_masks,
            band_masks,
            places: std::array::from_fn(|_| random.random_range(0..texture.frames())),
            texture: Arc::clone(texture),
        }
    }

    /// The clip's first `end` frames as varied, row-major `[end, bands]`, without the change of pace.
    pub fn bands_db(&self, clip: &ClipFrames, end: usize) -> Vec<f32> {
        self.vary(clip, end, self.own_gain_db)
    }

    fn vary(&self, clip: &ClipFrames, end: usize, gain_db: f32) -> Vec<f32> {
        let bands = self.curve_db.len();
        let mut rows = vec![0.0; end * bands];
        let expanded = self.expander.map(|expander| expander.expand(clip, end));
        let recorded = expanded.as_deref().unwrap_or(&clip.bands_db);
        for (recorded, row) in recorded.chunks_exact(bands).zip(rows.chunks_exact_mut(bands)) {
            self.warp(recorded, row);
            for (value, curve) in row.iter_mut().zip(&self.curve_db) {
                *value += curve + gain_db;
            }
        }
        if self.has_background() {
            self.add_background(&mut rows);
        }
        rows
    }

    /// What a session that has heard `totals` would have heard under this variation. `examples` are some of the clips
    /// that it heard: expander, noise and room shift the mean of all as they shift the mean of these, and hide as much
    /// of all from the voice gate.
    pub fn session(&self, totals: &SessionTotals, examples: &[&ClipFrames], voicing: &Voicing) -> SessionTotals {
        let mut all = self.recoloured(totals);
        if self.is_equaliser() || examples.is_empty() {
            return all;
        }
        let bands = self.curve_db.len();
        let mut clean = 0;
        let mut shift = vec![0.0; bands];
        for example in examples {
            clean += example.totals.frames;
            for (shift, sum) in shift.iter_mut().zip(self.recoloured(&example.totals).sum_db) {
                *shift -= sum;
            }
        }
        let mut with = SessionTotals {
            frames: 0,
            sum_db: vec![0.0; bands],
        };
        for example in examples {
            voicing.observe(&self.vary(example, example.frames(), 0.0), &mut with);
        }
        if with.frames == 0 {
            return with;
        }
        // Mean shift of the examples' means, applied to the frames that the gate leaves.
        let heard = with.frames as f64;
        let frames = (all.frames as f64 * heard / clean as f64).round().max(1.0);
        for ((sum, shift), with) in all.sum_db.iter_mut().zip(&shift).zip(&with.sum_db) {
            let mean = *sum / all.frames.max(1) as f64 + shift / clean as f64 + with / heard;
            *sum = mean * frames;
        }
        all.frames = frames as u64;
        all
    }

    /// Resamples the last frames of `rows` (`[frames, bands]`, session-normalised) by the pace to `out` and hides what
    /// the masks cover: it becomes the window's mean. (The session's mean, 0 dB, would be as loud as the voice.)
    pub fn finish(&self, rows: &[f32], bands: usize, out: &mut [f32]) {
        let (frames, length) = (rows.len() / bands, out.len() / bands);
        for (time, row) in out.chunks_exact_mut(bands).enumerate() {
            let place = (frames - 1) as f64 - (length - 1 - time) as f64 * self.pace;
            let index = (place.round().max(0.0) as usize).min(frames - 1);
            row.copy_from_slice(&rows[index * bands..(index + 1) * bands]);
        }
        if self.time_masks.is_empty() && self.band_masks.is_empty() {
            return;
        }
        let sum: f64 = out.iter().map(|value| f64::from(*value)).sum();
        let mean = (sum / out.len() as f64) as f32;
        for &(place, width) in &self.time_masks {
            let width = width.min(length / MASK_SHARE);
            let start = (place * (length - width + 1) as f64) as usize;
            out[start * bands..(start + width) * bands].fill(mean);
        }
        for &(start, width) in &self.band_masks {
            for row in out.chunks_exact_mut(bands) {
                row[start..start + width].fill(mean);
            }
        }
    }

    /// Whether all frames are shifted alike, and with them their mean.
    fn is_equaliser(&self) -> bool {
        self.expander.is_none() && !self.has_background()
    }

    fn has_background(&self) -> bool {
        self.noise.is_some() || self.room.is_some()
    }

    /// The sums in other bands and through the equaliser.
    fn recoloured(&self, totals: &SessionTotals) -> SessionTotals {
        let frames = totals.frames as f64;
        let sums: Vec<f32> = totals.sum_db.iter().map(|sum| *sum as f32).collect();
        let mut warped = vec![0.0; sums.len()];
        self.warp(&sums, &mut warped);
        let sums = warped.iter().zip(&self.curve_db);
        SessionTotals {
            frames: totals.frames,
            sum_db: sums
                .map(|(sum, curve)| f64::from(*sum) + frames * f64::from(*curve))
                .collect(),
        }
    }

    /// Adds the room's tail, then noise.
    fn add_background(&self, rows: &mut [f32]) {
        let bands = self.curve_db.len();
        let mut energy = vec![0.0_f32; bands];
        for (frame, row) in rows.chunks_exact_mut(bands).enumerate() {
            row.iter_mut()
                .for_each(|value| *value = (*value * OCTAVES_PER_DB).exp2());
            let [tail, noise] = self.places.map(|place| place + frame);
            if let Some(room) = &self.room {
                for ((energy, power), decay) in energy.iter_mut().zip(&*row).zip(&room.decay) {
                    *energy = *energy * decay + power;
                }
                let energies = energy.iter().zip(&room.decay);
                let levels = energies.map(|(energy, decay)| room.wet * (1.0 - decay) * energy);
                self.texture.add(row, levels, tail);
            }
            if let Some(levels) = &self.noise {
                self.texture.add(row, levels.iter().copied(), noise);
            }
            row.iter_mut()
                .for_each(|power| *power = power.max(f32::MIN_POSITIVE).log2() / OCTAVES_PER_DB);
        }
    }

    fn warp(&self, bands: &[f32], out: &mut [f32]) {
        let Some(sources) = &self.source_bands else {
            out.copy_from_slice(bands);
            return;
        };
        for (out, source) in out.iter_mut().zip(sources) {
            *out = bands[*source];
        }
    }
}

fn symmetric(random: &mut impl Rng, most: f64) -> f64 {
    most * random.random_range(-1.0..=1.0)
}

fn between(random: &mut impl Rng, (low, high): (f64, f64)) -> f64 {
    low + (high - low) * random.random::<f64>()
}

fn normal(random: &mut impl Rng) -> f64 {
    StandardNormal.sample(random)
}

/// From −1 for the lowest band to 1 for the highest.
fn slope(bands: usize) -> impl Iterator<Item = f64> {
    let last = (bands - 1).max(1) as f64;
    (0..bands).map(move |band| 2.0 * band as f64 / last - 1.0)
}

/// A sum of cosines over the mel scale; the finer, the smaller.
fn smooth_curve(random: &mut impl Rng, deviation_db: f64, bands: usize) -> Vec<f64> {
    let mut curve = vec![0.0; bands];
    for term in 1..=CURVE_TERMS {
        let height = deviation_db * normal(random) / (term as f64).sqrt();
        for (band, value) in curve.iter_mut().enumerate() {
            let angle = std::f64::consts::PI * term as f64 * (band as f64 + 0.5) / bands as f64;
            *value += height * angle.cos();
        }
    }
    curve
}

/// Slaney's mel scale: linear below 1 kHz, logarithmic above.
fn mel(hz: f64) -> f64 {
    const LINEAR_HZ: f64 = 200.0 / 3.0;
    const LOG_STEP: f64 = 0.068_751_777_420_949_12; // ln(6.4) / 27
    if hz < 1_000.0 {
        hz / LINEAR_HZ
    } else {
        15.0 + (hz / 1_000.0).ln() / LOG_STEP
    }
}

/// Its inverse.
fn mel_to_hz(mel: f64) -> f64 {
    const LINEAR_HZ: f64 = 200.0 / 3.0;
    const LOG_STEP: f64 = 0.068_751_777_420_949_12;
    if mel < 15.0 {
        mel * LINEAR_HZ
    } else {
        1_000.0 * ((mel - 15.0) * LOG_STEP).exp()
    }
}

/// Mel of the lower edge and mel per band.
fn grid(spec: &FeatureSpec) -> (f64, f64) {
    let (low, high) = (mel(f64::from(spec.mel_low_hz)), mel(f64::from(spec.mel_high_hz)));
    (low, (high - low) / (spec.mel_bands + 1) as f64)
}

/// Centre of each mel band, in Hz.
pub(crate) fn centres_hz(spec: &FeatureSpec) -> Vec<f64> {
    band_edges_hz(spec)[1..=spec.mel_bands].to_vec()
}

/// Where each band lay before all frequencies were multiplied by `stretch`.
fn source_bands(spec: &FeatureSpec, centres: &[f64], stretch: f64) -> Vec<usize> {
    let (low, step) = grid(spec);
    let last = (spec.mel_bands - 1) as f64;
    centres
        .iter()
        .map(|centre| ((mel(centre / stretch) - low) / step - 1.0).round().clamp(0.0, last) as usize)
        .collect()
}

/// Lower edge, centre and upper edge of neighbouring bands in one row, in Hz: `mel_bands` + 2 values.
fn band_edges_hz(spec: &FeatureSpec) -> Vec<f64> {
    let (low, step) = grid(spec);
    (0..spec.mel_bands + 2)
        .map(|edge| mel_to_hz(low + step * edge as f64))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use affekt_models::Emotion;

    use crate::clips::no_totals;
    use crate::corpora::Clip;
    use crate::seed::{Purpose, stream};

    const BANDS: usize = 64;

    /// A clip in which band `peak` stands out by 30 dB in every other frame.
    fn clip(frames: usize, peak: usize) -> ClipFrames {
        let spec = FeatureSpec::standard();
        let mut bands_db = vec![-60.0; frames * BANDS];
        let mut totals = no_totals(&spec);
        for frame in (0..frames).step_by(2) {
            bands_db[frame * BANDS + peak] = -30.0;
        }
        totals.frames = frames as u64;
        for row in bands_db.chunks_exact(BANDS) {
            for (sum, band) in totals.sum_db.iter_mut().zip(row) {
                *sum += f64::from(*band);
            }
        }
        ClipFrames {
            clip: Clip {
                path: "clip".into(),
                emotion: Some(Emotion::Sad),
                speaker: "test/1".into(),
                corpus: "test",
                votes: None,
            },
            bands_db,
            voiced: vec![true; frames],
            totals,
            content: 0,
            clipped: 0.0,
            copy: 0,
        }
    }

    fn draw(recipe: &AugmentationRecipe, seed: u64) -> Variation {
        let mut random = stream(seed, Purpose::Sample, 0, 0);
        let spec = FeatureSpec::standard();
        let texture = Texture::new(&spec, &mut stream(7, Purpose::Texture, 0, 0)).unwrap();
        Variation::draw(recipe, &spec, &[-60.0; BANDS], 6.0, &Arc::new(texture), &mut random)
    }

    fn mean(values: &[f32]) -> f32 {
        values.iter().sum::<f32>() / values.len() as f32
    }

    #[test]
    fn nothing_changes_unless_it_is_asked_for() {
        let (clip, variation) = (clip(80, 20), draw(&AugmentationRecipe::default(), 1));
        assert_eq!(variation.bands_db(&clip, 70), clip.bands_db[..70 * BANDS]);
        let session = variation.session(&clip.totals, &[&clip], &Voicing::new(&FeatureSpec::standard()));
        assert_eq!(session.frames, clip.totals.frames);
        for (own, expected) in session.sum_db.iter().zip(&clip.totals.sum_db) {
            assert!((own - expected).abs() < 1e-2, "{own} is not {expected}");
        }
        let mut out = vec![0.0; 50 * BANDS];
        variation.finish(&clip.bands_db, BANDS, &mut out);
        assert_eq!(out, clip.bands_db[30 * BANDS..]);
    }

    #[test]
    fn the_session_is_what_the_varied_clip_sums_to() {
        let recipe = AugmentationRecipe {
            frequency_warp: 0.1,
            gain_db: [-6.0, 6.0],
            tilt_db: 3.0,
            curve_db: 3.0,
            band_limit: 0.5,
            expansion: 0.5,
            noise: 0.5,
            room: 0.5,
            ..AugmentationRecipe::default()
        };
        let (clip, voicing) = (clip(80, 20), Voicing::new(&FeatureSpec::standard()));
        let (mut drawn, mut hidden) = (Vec::new(), 0);
        for seed in 0..20 {
            let variation = draw(&recipe, seed);
            let rows = variation.bands_db(&clip, clip.frames());
            let session = variation.session(&clip.totals, &[&clip], &voicing);
            let heard = match variation.is_equaliser() {
                true => clip.voiced.clone(),
                false => voicing.of(&rows),
            };
            let frames = heard.iter().filter(|heard| **heard).count();
            hidden += usize::from(frames < clip.frames());
            assert_eq!(session.frames, frames as u64);
            for (band, sum) in session.sum_db.iter().enumerate() {
                let values = rows.iter().skip(band).step_by(BANDS).zip(&heard);
                let expected: f64 = values
                    .filter(|(_, heard)| **heard)
                    .map(|(value, _)| f64::from(*value))
                    .sum();
                assert!(
                    (sum - expected).abs() < 0.1,
                    "seed {seed} band {band}: {sum} is not {expected}"
                );
            }
            assert_eq!(variation, draw(&recipe, seed));
            drawn.push(mean(&rows));
        }
        drawn.sort_by(f32::total_cmp);
        assert!(drawn[19] - drawn[0] > 3.0, "{drawn:?}");
        assert!((1..20).contains(&hidden), "{hidden}");
    }

    #[test]
    fn a_levelled_clip_comes_nearer_to_the_speakers_mean_and_its_session_stays() {
        let clip = clip(80, 20);
        let recipe = AugmentationRecipe {
            levelling: 1.0,
            ..AugmentationRecipe::default()
        };
        let gains: Vec<f32> = (0..40)
            .map(|seed| {
                let variation = draw(&recipe, seed);
                let session = variation.session(&clip.totals, &[&clip], &Voicing::new(&FeatureSpec::standard()));
                assert!((session.sum_db[20] - clip.totals.sum_db[20]).abs() < 1e-2);
                mean(&variation.bands_db(&clip, 80)) - mean(&clip.bands_db)
            })
            .collect();
        // The clip is 6 dB above.
        assert!(gains.iter().all(|gain| (-6.01..0.01).contains(gain)), "{gains:?}");
        let spread = gains.iter().copied().fold(f32::MIN, f32::max) - gains.iter().copied().fold(f32::MAX, f32::min);
        assert!(spread > 4.0, "{gains:?}");
    }

    #[test]
    fn noise_fills_up_and_a_room_rings_on() {
        let clip = clip(40, 20);
        let always = AugmentationRecipe {
            noise: 1.0,
            noise_snr_db: MOST_SNR_DB,
            ..AugmentationRecipe::default()
        };
        let noisy = draw(&always, 3).bands_db(&clip, 40);
        for (noisy, clean) in noisy.iter().zip(&clip.bands_db) {
            // 30 dB below −60 dB, within the variation of the spectrum and with interference.
            assert!((-3.0..4.0).contains(&(noisy - clean)), "{noisy} {clean}");
        }
        assert!(mean(&noisy) > mean(&clip.bands_db));
        let ringing = AugmentationRecipe {
            room: 1.0,
            room_s: [2.0, 2.0],
            ..AugmentationRecipe::default()
        };
        let ringing = draw(&ringing, 3).bands_db(&clip, 40);
        // The frames between the tones, late and early.
        assert!(ringing[39 * BANDS + 20] > clip.bands_db[39 * BANDS + 20] + 3.0);
        assert!(ringing[39 * BANDS + 20] > ringing[BANDS + 20]);
    }

    #[test]
    fn warps_move_peaks_and_masks_hide() {
        let clip = clip(80, 30);
        let peak = |variation: &Variation| {
            let row = &variation.bands_db(&clip, 1)[..BANDS];
            (0..BANDS).max_by(|a, b| row[*a].total_cmp(&row[*b])).unwrap()
        };
        let recipe = AugmentationRecipe {
            frequency_warp: 0.3,
            ..AugmentationRecipe::default()
        };
        let peaks: Vec<_> = (0..20).map(|seed| peak(&draw(&recipe, seed))).collect();
        assert!(
            peaks.iter().any(|peak| *peak > 32) && peaks.iter().any(|peak| *peak < 28),
            "{peaks:?}"
        );

        let recipe = AugmentationRecipe {
            time_masks: 2,
            band_masks: 2,
            ..AugmentationRecipe::default()
        };
        let hidden: Vec<_> = (0..20)
            .map(|seed| {
                let mut out = vec![0.0; 80 * BANDS];
                draw(&recipe, seed).finish(&clip.bands_db, BANDS, &mut out);
                out.iter().filter(|value| ![-60.0, -30.0].contains(*value)).count()
            })
            .collect();
        assert!(hidden.iter().max().unwrap() > &(10 * BANDS), "{hidden:?}");
        assert!(hidden.iter().max().unwrap() < &(60 * BANDS), "{hidden:?}");
    }
}
