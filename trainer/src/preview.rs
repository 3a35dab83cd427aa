//! What a recipe's variations do to one recording: to be heard and to be seen.

pub mod picture;

use std::sync::Arc;

use affekt_features::recording::Recording;
use affekt_features::{FeatureError, FeatureSpec};
use affekt_models::Emotion;
use rand::Rng;

use crate::augmentation::{AugmentationRecipe, Texture, Variation};
use crate::clips::{Analysis, ClipFrames, Extractors, mean_db};
use crate::corpora::Clip;
use crate::recipe::Recipe;
use crate::seed::{Purpose, stream};
use crate::waveform::Waveform;
use crate::waveform::level::Voiced;
use crate::waveform::recipe::WaveformRecipe;
use crate::waveform::situation::Situation;

/// A recording under one variation.
#[derive(Debug, Clone, PartialEq)]
pub struct Preview {
    /// Name for files, without extension.
    pub name: String,
    /// What was done, in words.
    pub title: String,
    /// What can be heard; nothing where only the mel bands are varied.
    pub waveform: Option<Waveform>,
    /// Log power of the mel bands in dB, row-major `[frames, mel_bands]`.
    pub bands_db: Vec<f32>,
}

/// Why there is nothing to show.
#[derive(Debug, thiserror::Error)]
pub enum PreviewError {
    /// The features cannot be computed.
    #[error(transparent)]
    Features(#[from] FeatureError),
    /// No frame fits into the recording.
    #[error("the recording is shorter than a frame of {0} ms: give a longer one")]
    Short(u32),
}

/// The recording as it is, under each alteration of `[waveform]` that the recipe turns on (least and most of it), as
/// each of the recipe's copies of it, and under each variation of `[augmentation]`. The same for the same `seed`.
pub fn previews(
    recording: &Recording,
    recipe: &Recipe,
    spec: &FeatureSpec,
    seed: u64,
) -> Result<Vec<Preview>, PreviewError> {
    let extractors = Extractors::default();
    let original = Waveform::of(recording);
    let analysis = extractors.frames(spec, recording)?;
    if analysis.1.is_empty() {
        let frame_ms = 1_000.0 * spec.fft as f32 / spec.sample_rate_hz as f32;
        return Err(PreviewError::Short(frame_ms as u32));
    }
    let power = Voiced::of(&original, &analysis.1, spec).power();
    let mut all = vec![Preview {
        name: "original".into(),
        title: "original".into(),
        waveform: Some(original.clone()),
        bands_db: analysis.0.clone(),
    }];
    for (number, (name, title, own)) in waveform_recipes(&recipe.waveform).into_iter().enumerate() {
        let situation = Situation::draw(&own, &mut stream(seed, Purpose::Situation, 0, number as u64));
        let mut waveform = original.clone();
        let mut random = stream(seed, Purpose::Copy, 0, number as u64);
        situation.apply(&own, &mut waveform, power, &mut random);
        let (bands_db, ..) = extractors.frames(spec, &waveform.clone().into_recording())?;
        all.push(Preview {
            name,
            title,
            waveform: Some(waveform),
            bands_db,
        });
    }
    let clip = frames_of(analysis);
    let texture = Arc::new(Texture::new(spec, &mut stream(seed, Purpose::Texture, 0, 0))?);
    for (number, (name, own)) in mel_recipes(&recipe.augmentation).into_iter().enumerate() {
        all.push(Preview {
            name: format!("mel-{}", name.replace(' ', "-")),
            title: format!("{name} (mel bands)"),
            waveform: None,
            bands_db: vary(
                &clip,
                &own,
                spec,
                &texture,
                &mut stream(seed, Purpose::Variation, u64::MAX, number as u64),
            ),
        });
    }
    Ok(all)
}

/// Name, description and recipe of each alteration alone, and of the recipe's copies.
fn waveform_recipes(recipe: &WaveformRecipe) -> Vec<(String, String, WaveformRecipe)> {
    let mut all = Vec::new();
    let mut add = |name: &str, is_on: f64, least: (String, WaveformRecipe), most: (String, WaveformRecipe)| {
        if is_on > 0.0 {
            all.push((format!("{name}-least"), least.0, least.1));
            all.push((format!("{name}-most"), most.0, most.1));
        }
    };
    let off = WaveformRecipe::default();
    let at = |value: f64| [value, value];
    let with = |change: &dyn Fn(&mut WaveformRecipe)| {
        let mut own = off.clone();
        change(&mut own);
        own
    };

    let pace = |pace: f64| {
        let own = with(&|own| (own.time_stretch, own.time_stretch_pace) = (1.0, at(pace)));
        (format!("pace × {pace}"), own)
    };
    let [least, most] = recipe.time_stretch_pace;
    add("time-stretch", recipe.time_stretch, pace(least), pace(most));

    let pitch = |semitones: f64| {
        let own = with(&|own| {
            (own.pitch_shift, own.pitch_shift_semitones) = (1.0, at(semitones));
            own.formants = recipe.formants;
        });
        let formants = format!("{:?}", recipe.formants).to_lowercase();
        (format!("pitch {semitones:+} semitones, formants {formants}"), own)
    };
    let [least, most] = recipe.pitch_shift_semitones;
    add("pitch-shift", recipe.pitch_shift, pitch(least), pitch(most));

    let room = |place: usize| {
        let (seconds, wet_db) = (recipe.room_s[place], recipe.room_wet_db[place]);
        let own = with(&|own| (own.room, own.room_s, own.room_wet_db) = (1.0, at(seconds), at(wet_db)));
        (format!("room of {seconds} s, {wet_db:+} dB"), own)
    };
    add("room", recipe.room, room(0), room(1));

    let noise = |snr_db: f64| {
        let own = with(&|own| (own.noise, own.noise_snr_db) = (1.0, at(snr_db)));
        (format!("noise, {snr_db} dB SNR"), own)
    };
    let [most, least] = recipe.noise_snr_db;
    add("noise", recipe.noise, noise(least), noise(most));

    let equaliser = |share: f64| {
        let gain_db = share * recipe.equaliser_db;
        let own = with(&|own| (own.equaliser, own.equaliser_db) = (1.0, gain_db));
        (format!("microphone, ± {gain_db} dB"), own)
    };
    add("equaliser", recipe.equaliser, equaliser(0.5), equaliser(1.0));

    let band = |low: f64, high: f64| {
        let own = with(&|own| (own.band_limit, own.low_cut_hz, own.high_cut_hz) = (1.0, at(low), at(high)));
        (format!("{low} to {high} Hz"), own)
    };
    let ([low, high_low], [low_high, high]) = (recipe.low_cut_hz, recipe.high_cut_hz);
    add(
        "band-limit",
        recipe.band_limit,
        band(low, high),
        band(high_low, low_high),
    );

    let gain = |gain_db: f64| {
        let own = with(&|own| (own.gain, own.gain_db) = (1.0, at(gain_db)));
        (format!("gain {gain_db:+} dB"), own)
    };
    let [least, most] = recipe.gain_db;
    add("gain", recipe.gain, gain(least), gain(most));

    let copy = |number: usize| (format!("copy-{number}"), format!("copy {number}"), recipe.clone());
    all.extend((1..=recipe.copies).map(copy));
    all
}

/// Name and recipe of each variation of the mel bands alone, and of all together.
fn mel_recipes(recipe: &AugmentationRecipe) -> Vec<(&'static str, AugmentationRecipe)> {
    let off = || AugmentationRecipe {
        expansion_ratio: recipe.expansion_ratio,
        noise_snr_db: recipe.noise_snr_db,
        room_s: recipe.room_s,
        room_wet_db: recipe.room_wet_db,
        time_mask_frames: recipe.time_mask_frames,
        band_mask_bands: recipe.band_mask_bands,
        ..AugmentationRecipe::default()
    };
    let certain = |probability: f64| if probability > 0.0 { 1.0 } else { 0.0 };
    let mut all = Vec::new();
    let mut add = |name, change: &dyn Fn(&mut AugmentationRecipe)| {
        let mut own = off();
        change(&mut own);
        if own != off() {
            all.push((name, own));
        }
    };
    add("time warp", &|own| own.time_warp = recipe.time_warp);
    add("frequency warp", &|own| own.frequency_warp = recipe.frequency_warp);
    add("gain", &|own| own.gain_db = recipe.gain_db);
    add("own gain", &|own| own.own_gain_db = recipe.own_gain_db);
    add("tilt", &|own| own.tilt_db = recipe.tilt_db);
    add("curve", &|own| own.curve_db = recipe.curve_db);
    add("band limit", &|own| own.band_limit = certain(recipe.band_limit));
    add("expander", &|own| own.expansion = certain(recipe.expansion));
    add("noise", &|own| own.noise = certain(recipe.noise));
    add("room", &|own| own.room = certain(recipe.room));
    add("time masks", &|own| own.time_masks = recipe.time_masks);
    add("band masks", &|own| own.band_masks = recipe.band_masks);
    if all.len() > 1 {
        all.push(("all together", recipe.clone()));
    }
    all
}

/// The recording as a clip, as the variation of mel bands takes it.
fn frames_of((bands_db, voiced, totals): Analysis) -> ClipFrames {
    ClipFrames {
        clip: Clip {
            path: "preview".into(),
            emotion: Some(Emotion::Neutral),
            speaker: "preview/1".into(),
            corpus: "preview",
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

fn vary(
    clip: &ClipFrames,
    recipe: &AugmentationRecipe,
    spec: &FeatureSpec,
    texture: &Arc<Texture>,
    random: &mut impl Rng,
) -> Vec<f32> {
    let variation = Variation::draw(recipe, spec, &mean_db(&clip.totals), 0.0, texture, random);
    let rows = variation.bands_db(clip, clip.frames());
    let frames = ((clip.frames() as f64 / variation.pace) as usize).max(1);
    let mut finished = vec![0.0; frames * spec.mel_bands];
    variation.finish(&rows, spec.mel_bands, &mut finished);
    finished
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    use crate::recipe::DEFAULT_RECIPE;
    use crate::synthetic::voice;

    fn recipe(tables: &str) -> Recipe {
        Recipe::from_toml(&DEFAULT_RECIPE.replace("[split]", &format!("{tables}\n[split]"))).unwrap()
    }

    #[test]
    fn every_variation_that_is_on_is_shown_and_changes_something() {
        let spec = FeatureSpec::standard();
        let recording = voice(150.0, 3.0, 1.0, 1);
        let recipe = recipe(
            "[waveform]\ncopies = 1\ntime_stretch = 0.1\npitch_shift = 0.1\nroom = 0.1\nnoise = 0.1\nequaliser = 0.1\n\
             band_limit = 0.1\ngain = 1.0\n[augmentation]\ntime_warp = 0.2\nexpansion = 0.1\nnoise = 0.1\ntime_masks = 4\nband_masks = 4",
        );
        let all = previews(&recording, &recipe, &spec, 1).unwrap();
        assert_eq!(all, previews(&recording, &recipe, &spec, 1).unwrap());
        let names: BTreeSet<&str> = all.iter().map(|preview| preview.name.as_str()).collect();
        assert_eq!((names.len(), all.len()), (1 + 2 * 7 + 1 + 6, 22));
        for name in [
            "pitch-shift-most",
            "gain-least",
            "copy-1",
            "mel-time-masks",
            "mel-all-together",
        ] {
            assert!(names.contains(name), "{names:?}");
        }
        for preview in &all {
            assert!(
                preview.bands_db.iter().all(|value| value.is_finite()),
                "{}",
                preview.name
            );
            assert_eq!(preview.waveform.is_none(), preview.name.starts_with("mel-"));
            let is_same = preview.bands_db == all[0].bands_db;
            assert_eq!(is_same, preview.name == "original", "{}", preview.name);
        }
    }

    #[test]
    fn without_variations_there_is_the_original_alone() {
        let spec = FeatureSpec::standard();
        let all = previews(&voice(150.0, 3.0, 1.0, 1), &recipe(""), &spec, 1).unwrap();
        assert_eq!(all.len(), 1);
        let short = previews(&voice(150.0, 3.0, 0.01, 1), &recipe(""), &spec, 1);
        assert!(short.unwrap_err().to_string().contains("shorter than a frame of 32 ms"));
    }
}
