//! What is in corpora, and what is wrong with it.

use std::collections::BTreeMap;

use affekt_features::FeatureSpec;
use affekt_models::{EMOTIONS, Emotion};
use serde::Serialize;

use crate::clips::LoadedClips;

/// Share of samples at full scale from which a recording counts as clipped.
const CLIPPED_SHARE: f32 = 1e-3;

/// Findings over corpora.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Audit {
    /// Usable clips.
    pub clips: usize,
    /// Their length, in hours.
    pub hours: f64,
    /// Their number by corpus and emotion, in output order.
    pub by_corpus: BTreeMap<String, [usize; 6]>,
    /// Their number by speaker and emotion, in output order.
    pub by_speaker: BTreeMap<String, [usize; 6]>,
    /// Clips that cannot be used, with the reason: unreadable, silent, too short, copies, copies with another label.
    pub dropped: Vec<Finding>,
    /// Clips that can be used, but were recorded too loud.
    pub clipped: Vec<Finding>,
}

/// A clip and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    /// Its file.
    pub path: String,
    /// One clause.
    pub reason: String,
}

/// One line of the manifest: a table that `csv=manifest.csv` reads.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ManifestLine {
    /// The file.
    pub path: String,
    /// The emotion.
    pub label: String,
    /// Who speaks.
    pub speaker: String,
    /// From which corpus.
    pub corpus: String,
    /// Length, in seconds.
    pub seconds: f64,
    /// Part of it that is voiced, in seconds.
    pub voiced_seconds: f64,
    /// The same for equal samples.
    pub content: String,
    /// Shares of the listeners who heard each emotion, in output order, separated by blanks; empty without votes.
    pub vote_shares: String,
}

impl Audit {
    /// Of clips that were loaded under `spec`.
    pub fn new(loaded: &LoadedClips, spec: &FeatureSpec) -> Self {
        let mut by_corpus: BTreeMap<String, [usize; 6]> = BTreeMap::new();
        let mut by_speaker: BTreeMap<String, [usize; 6]> = BTreeMap::new();
        let mut frames = 0;
        for clip in &loaded.clips {
            if let Some(emotion) = clip.clip.emotion {
                by_corpus.entry(clip.clip.corpus.into()).or_default()[emotion.index()] += 1;
                by_speaker.entry(clip.clip.speaker.clone()).or_default()[emotion.index()] += 1;
            }
            frames += clip.frames();
        }
        let clipped = loaded.clips.iter().filter(|clip| clip.clipped >= CLIPPED_SHARE);
        Self {
            clips: loaded.clips.len(),
            hours: frames as f64 * f64::from(spec.hop_s()) / 3_600.0,
            by_corpus,
            by_speaker,
            dropped: loaded
                .dropped
                .iter()
                .map(|clip| Finding {
                    path: clip.path.display().to_string(),
                    reason: clip.reason.clone(),
                })
                .collect(),
            clipped: clipped
                .map(|clip| Finding {
                    path: clip.clip.path.display().to_string(),
                    reason: format!("{:.1} % of its samples are at full scale", 100.0 * clip.clipped),
                })
                .collect(),
        }
    }

    /// Counts as text, a line per corpus or speaker.
    pub fn table(counts: &BTreeMap<String, [usize; 6]>) -> String {
        let mut text = format!("{:>24}", "");
        for emotion in EMOTIONS {
            text += &format!("{:>9}", emotion.name());
        }
        text += "      all\n";
        for (name, counts) in counts {
            text += &format!("{name:>24}");
            for count in counts {
                text += &format!("{count:>9}");
            }
            text += &format!("{:>9}\n", counts.iter().sum::<usize>());
        }
        text
    }
}

/// The usable clips, in their order.
pub fn manifest(loaded: &LoadedClips, spec: &FeatureSpec) -> Vec<ManifestLine> {
    let hop_s = f64::from(spec.hop_s());
    loaded
        .clips
        .iter()
        .map(|clip| ManifestLine {
            path: clip.clip.path.display().to_string(),
            label: clip.clip.emotion.map_or("", Emotion::name).into(),
            speaker: clip.clip.speaker.clone(),
            corpus: clip.clip.corpus.into(),
            seconds: clip.frames() as f64 * hop_s,
            voiced_seconds: clip.totals.frames as f64 * hop_s,
            content: format!("{:016x}", clip.content),
            vote_shares: clip
                .clip
                .votes
                .map_or(String::new(), |votes| votes.map(|share| share.to_string()).join(" ")),
        })
        .collect()
}
