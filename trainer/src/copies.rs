//! Altered copies of clips, made of their samples once before training.
//!
//! The copies of a session, that is those with the same number, are altered alike: in a project too one microphone in
//! one room hears one singer from start to end, and session normalisation takes out what all of it has in common.
//! Copies drawn each by itself would teach that level and colour change from phrase to phrase for no reason, and would
//! hide what is "loud for this singer". So a copy belongs to a session of its own kind, never to the originals'. Pace
//! alone is drawn for each clip, since people change it.

use std::collections::BTreeMap;

use affekt_features::recording::Recording;
use affekt_features::{FeatureSpec, MIN_WINDOW_FRAMES};
use rayon::prelude::*;

use crate::clips::{ClipFrames, Extractors};
use crate::samples::session_of;
use crate::seed::{Purpose, stream, text_key};
use crate::waveform::level::session_powers;
use crate::waveform::recipe::WaveformRecipe;
use crate::waveform::situation::Situation;
use crate::waveform::{Waveform, WaveformError};

/// The recipe's copies of `clips`, which are originals: number 1 of all of them, number 2 and so on. They carry the
/// clip's label, speaker and content. Left out are copies in which no voice is found any more or that became too short.
/// Computed on all threads, the same for the same `seed`; `on_copy` is called after each.
pub fn copies(
    clips: &[ClipFrames],
    recipe: &WaveformRecipe,
    spec: &FeatureSpec,
    seed: u64,
    on_copy: impl Fn() + Sync,
) -> Result<Vec<ClipFrames>, WaveformError> {
    if recipe.copies == 0 {
        return Ok(Vec::new());
    }
    let powers = session_powers(clips, spec)?;
    let situations: BTreeMap<_, Vec<Situation>> = powers
        .keys()
        .map(|&session| {
            let name = text_key(&format!("{} {}", session.0, session.1));
            let draw = |copy| Situation::draw(recipe, &mut stream(seed, Purpose::Situation, name, copy));
            (session, (1..=recipe.copies as u64).map(draw).collect())
        })
        .collect();
    let extractors = Extractors::default();
    let one = |place: usize| {
        let (clip, copy) = (&clips[place % clips.len()], place / clips.len());
        let session = session_of(clip);
        let mut waveform = Waveform::of(&Recording::read(&clip.clip.path)?);
        let mut random = stream(seed, Purpose::Copy, clip.content, copy as u64 + 1);
        situations[&session][copy].apply(recipe, &mut waveform, powers[&session], &mut random);
        let (bands_db, voiced, totals) = extractors.frames(spec, &waveform.into_recording())?;
        on_copy();
        let is_usable = totals.frames > 0 && voiced.len() >= MIN_WINDOW_FRAMES;
        Ok(is_usable.then(|| ClipFrames {
            clip: clip.clip.clone(),
            bands_db,
            voiced,
            totals,
            copy: copy + 1,
            ..*clip
        }))
    };
    let all: Result<Vec<Option<ClipFrames>>, WaveformError> =
        (0..recipe.copies * clips.len()).into_par_iter().map(one).collect();
    Ok(all?.into_iter().flatten().collect())
}
