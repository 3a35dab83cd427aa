//! Learning from another model: what it says of each clip, beside the labels.

use std::collections::HashMap;
use std::path::PathBuf;

use affekt_features::{FeatureSpec, SessionSpec, SessionTotals};
use affekt_models::{Model, ModelError};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::cache::{Cache, CacheError};
use crate::clips::{ClipFrames, no_totals};
use crate::evaluation::{EvaluationError, hear};
use crate::front_end::{originals, part};
use crate::model_file;
use crate::network::CLASSES;
use crate::samples::{session_of, session_totals};
use crate::seed::{bytes_key, text_key};

/// The recipe's teacher (Hinton, Vinyals and Dean, 2015).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DistillationRecipe {
    /// Its model file: any that the plugin runs.
    pub teacher: PathBuf,
    /// Weight of what it says; the labels have the rest.
    pub share: f64,
    /// Divides the logarithms of its probabilities: above 1 it sounds less sure.
    #[serde(default = "one")]
    pub temperature: f64,
}

fn one() -> f64 {
    1.0
}

impl DistillationRecipe {
    /// The teacher's probabilities at the recipe's temperature.
    pub fn soften(&self, probabilities: &[f32; CLASSES]) -> [f32; CLASSES] {
        let softened = probabilities.map(|probability| f64::from(probability.max(0.0)).powf(1.0 / self.temperature));
        let sum: f64 = softened.iter().sum();
        softened.map(|probability| (probability / sum) as f32)
    }
}

/// Why a teacher cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum TeacherError {
    /// Its file cannot be read.
    #[error("the teacher {path} cannot be read: {reason}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// It does not load.
    #[error("the teacher {path}: {error}")]
    Model {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: ModelError,
    },
    /// Its frames are not those of the clips.
    #[error("the teacher {0} takes other frames than this trainer computes: choose one that this trainer exported")]
    Frames(PathBuf),
    /// It fails on a clip.
    #[error(transparent)]
    Evaluation(#[from] EvaluationError),
    /// What it says cannot be kept.
    #[error(transparent)]
    Cache(#[from] CacheError),
}

/// A model whose opinion is learned.
#[derive(Debug, Clone)]
pub struct Teacher {
    path: PathBuf,
    onnx: Vec<u8>,
    key: u64,
    spec: FeatureSpec,
}

impl Teacher {
    /// Reads and tries the recipe's teacher. `spec`: how the clips are analysed.
    pub fn of(recipe: &DistillationRecipe, spec: &FeatureSpec) -> Result<Self, TeacherError> {
        let path = &recipe.teacher;
        let onnx = model_file::read(path).map_err(|reason| TeacherError::Unreadable {
            path: path.clone(),
            reason,
        })?;
        let model = Model::from_bytes(&onnx).map_err(|error| TeacherError::Model {
            path: path.clone(),
            error,
        })?;
        let own = model.contract().features.clone();
        // How they are normalised is the teacher's own affair.
        let frames = |spec: &FeatureSpec| FeatureSpec {
            coefficients: 0,
            session: SessionSpec {
                prior_db: Vec::new(),
                prior_frames: 0.0,
                range_db: 0.0,
            },
            ..spec.clone()
        };
        if frames(&own) != frames(spec) {
            return Err(TeacherError::Frames(path.clone()));
        }
        Ok(Self {
            path: path.clone(),
            key: bytes_key(&onnx),
            onnx,
            spec: own,
        })
    }

    /// Tells its file from others, in hexadecimal.
    pub fn content(&self) -> String {
        format!("{:016x}", self.key)
    }

    /// Calibrated probabilities of each clip's last voiced window, in the order of the clips, after a session that has
    /// heard all other clips of the speaker; `None` for sounds that are no voice. Altered copies of a clip get what was said
    /// of it. Computed on all threads where `cache`
    /// does not hold them; `on_clip` is called after each.
    pub fn ask(
        &self,
        clips: &[ClipFrames],
        cache: &Cache,
        on_clip: impl Fn() + Sync,
    ) -> Result<Vec<Option<[f32; CLASSES]>>, TeacherError> {
        let originals = originals(clips);
        let sessions = session_totals(&originals, &self.spec);
        let said: Vec<Vec<(u64, _)>> = originals
            .par_chunks(part(originals.len(), self.onnx.len()))
            .map(|part| {
                let mut model = None;
                let ask = |clip: &&ClipFrames| {
                    if clip.clip.emotion.is_none() {
                        return Ok((clip.content, None));
                    }
                    let before = without(&sessions[&session_of(clip)], &clip.totals, &self.spec);
                    let name = format!(
                        "teacher-{:016x}/{:016x}-{:016x}",
                        self.key,
                        clip.content,
                        text_key(&format!("{before:?}"))
                    );
                    let said = cache.values(&name, || self.hear(&mut model, clip, before))?;
                    on_clip();
                    Ok((clip.content, said.try_into().ok()))
                };
                part.iter().map(ask).collect::<Result<_, TeacherError>>()
            })
            .collect::<Result<_, TeacherError>>()?;
        let said: HashMap<u64, Option<[f32; CLASSES]>> = said.into_iter().flatten().collect();
        Ok(clips.iter().map(|clip| said[&clip.content]).collect())
    }

    fn hear(
        &self,
        model: &mut Option<Model>,
        clip: &ClipFrames,
        before: SessionTotals,
    ) -> Result<Vec<f32>, TeacherError> {
        let model = match model {
            Some(model) => model,
            None => model.insert(Model::from_bytes(&self.onnx).map_err(|error| TeacherError::Model {
                path: self.path.clone(),
                error,
            })?),
        };
        let contract = model.contract().clone();
        Ok(hear(model, &contract, clip, before, false)?.probabilities.to_vec())
    }
}

/// What the others have said.
fn without(all: &SessionTotals, own: &SessionTotals, spec: &FeatureSpec) -> SessionTotals {
    let frames = all.frames - own.frames;
    if frames == 0 {
        // Rounding must not leave a sum of nothing.
        return no_totals(spec);
    }
    SessionTotals {
        frames,
        sum_db: all.sum_db.iter().zip(&own.sum_db).map(|(all, own)| all - own).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_higher_temperature_makes_a_teacher_less_sure() {
        let recipe = |temperature| DistillationRecipe {
            teacher: "teacher.onnx".into(),
            share: 0.5,
            temperature,
        };
        let sure = [0.8, 0.1, 0.1, 0.0, 0.0, 0.0];
        for (place, (own, soft)) in sure.iter().zip(recipe(1.0).soften(&sure)).enumerate() {
            assert!((own - soft).abs() < 1e-6, "{place}");
        }
        let soft = recipe(2.0).soften(&sure);
        // The ratio 8 becomes its root.
        assert!((soft[0] / soft[1] - 8.0_f32.sqrt()).abs() < 1e-4);
        assert!((soft.iter().sum::<f32>() - 1.0).abs() < 1e-6 && soft[3] == 0.0);
    }
}
