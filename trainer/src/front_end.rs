//! Embedding models of other people in front of our network: never trained here, run once per clip, and part of the
//! exported model.

mod embeddings;

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use affekt_features::{FeatureError, FeatureSpec, MIN_WINDOW_FRAMES, Session, SessionTotals};
use affekt_models::{FrontEndInput, FrontEndModel, Input, ModelError};
pub use embeddings::Embeddings;
use embeddings::{Piece, windows};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::cache::{Cache, CacheError};
use crate::clips::{ClipFrames, Unreadable, samples};
use crate::model_file;
use crate::recipe::{Recipe, WindowRecipe};
use crate::run_folder::RunRecord;
use crate::samples::{session_of, session_totals};
use crate::seed::{bytes_key, text_key};

/// Most bytes of model files that are loaded at once, one per thread; a loaded model takes several times its file.
const MOST_LOADED_BYTES: usize = 1 << 30;

/// The recipe's front end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FrontEndRecipe {
    /// Its ONNX file.
    pub model: PathBuf,
    /// What it takes in.
    pub input: FrontEndKind,
    /// Name of its output with the embeddings, `[1, rows, width]` or `[rows, width]`; the first one if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    /// Its name and licence, for the card of the exported model.
    pub licence: String,
}

/// What a front end takes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FrontEndKind {
    /// Mono samples at 16 kHz, `[1, samples]`.
    Waveform,
    /// Session-normalised mel bands in dB, `[1, frames, bands]`.
    LogMel,
}

/// Why a front end cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FrontEndError {
    /// Its file cannot be read.
    #[error("the front end {path} cannot be read: {reason}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// It is no model that can be run, or fails.
    #[error("the front end {path}: {error}")]
    Model {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: ModelError,
    },
    /// The network leaves nothing of its embeddings.
    #[error(
        "the recipe's `network.pool` is {pool}: of half a second the front end makes {rows} rows, use at most that"
    )]
    Pool {
        /// The recipe's.
        pool: usize,
        /// Rows of the shortest window.
        rows: usize,
    },
    /// It is not the one that the run was trained behind.
    #[error("the front end {0} is not the one that the run was trained behind: put that one back")]
    Different(PathBuf),
    /// The features cannot be computed.
    #[error(transparent)]
    Features(#[from] FeatureError),
    /// A clip cannot be read any more.
    #[error(transparent)]
    Clip(#[from] Unreadable),
    /// Embeddings cannot be kept.
    #[error(transparent)]
    Cache(#[from] CacheError),
}

/// A front end's file, checked.
#[derive(Debug, Clone)]
pub struct FrontEndFile {
    recipe: FrontEndRecipe,
    onnx: Vec<u8>,
    key: u64,
    width: usize,
    least_rows: usize,
    window: WindowRecipe,
    spec: FeatureSpec,
}

impl FrontEndFile {
    /// Reads and tries the recipe's front end, `None` if it has none. `spec`: how the clips are analysed.
    pub fn of(recipe: &Recipe, spec: &FeatureSpec) -> Result<Option<Self>, FrontEndError> {
        let Some(own) = &recipe.front_end else {
            return Ok(None);
        };
        let path = &own.model;
        let onnx = model_file::read(path).map_err(|reason| FrontEndError::Unreadable {
            path: path.clone(),
            reason,
        })?;
        let mut this = Self {
            recipe: own.clone(),
            key: bytes_key(&onnx),
            onnx,
            width: 0,
            least_rows: recipe.network.pool,
            window: recipe.window.clone(),
            spec: spec.clone(),
        };
        let mut model = this.load()?;
        this.width = model.width();
        let shortest = vec![0.0; MIN_WINDOW_FRAMES * this.frame_width()];
        let rows = model.run(&shortest).map_err(|error| this.failed(error))?.len() / this.width;
        if rows < recipe.network.pool {
            let pool = recipe.network.pool;
            return Err(FrontEndError::Pool { pool, rows });
        }
        Ok(Some(this))
    }

    /// The same for clips that are analysed by this specification.
    #[must_use]
    pub fn hearing_by(mut self, spec: &FeatureSpec) -> Self {
        self.spec = spec.clone();
        self
    }

    /// The front end that a run was trained behind.
    pub fn of_run(recipe: &Recipe, run: &RunRecord) -> Result<Option<Self>, FrontEndError> {
        let Some(this) = Self::of(recipe, &run.features)? else {
            return Ok(None);
        };
        match &run.front_end {
            Some(content) if *content == this.content() => Ok(Some(this)),
            _ => Err(FrontEndError::Different(this.recipe.model)),
        }
    }

    /// Tells its file from others, in hexadecimal.
    pub fn content(&self) -> String {
        format!("{:016x}", self.key)
    }

    /// Its file.
    pub fn onnx(&self) -> &[u8] {
        &self.onnx
    }

    /// What the recipe says of it.
    pub fn recipe(&self) -> &FrontEndRecipe {
        &self.recipe
    }

    /// Values of an embedding.
    pub fn width(&self) -> usize {
        self.width
    }

    /// What it takes in.
    pub fn takes(&self) -> FrontEndInput {
        match self.recipe.input {
            FrontEndKind::Waveform => FrontEndInput::Waveform,
            FrontEndKind::LogMel => FrontEndInput::LogMel {
                bands: self.spec.mel_bands,
            },
        }
    }

    /// What a model with it takes in.
    pub fn model_input(&self) -> Input {
        match self.recipe.input {
            FrontEndKind::Waveform => Input::Waveform,
            FrontEndKind::LogMel => Input::Features,
        }
    }

    /// Values that it takes in of each frame.
    fn frame_width(&self) -> usize {
        match self.recipe.input {
            FrontEndKind::Waveform => self.spec.hop,
            FrontEndKind::LogMel => self.spec.mel_bands,
        }
    }

    fn load(&self) -> Result<FrontEndModel, FrontEndError> {
        let [shortest, longest] = [MIN_WINDOW_FRAMES, self.window.frames].map(|frames| frames * self.frame_width());
        FrontEndModel::from_bytes(
            &self.onnx,
            self.takes(),
            self.recipe.output.as_deref(),
            shortest,
            longest,
        )
        .map_err(|error| self.failed(error))
    }

    fn failed(&self, error: ModelError) -> FrontEndError {
        FrontEndError::Model {
            path: self.recipe.model.clone(),
            error,
        }
    }

    /// Embeddings of clips, computed on several threads where `cache` does not hold them; `on_clip` is called after each.
    ///
    /// A clip is cut into windows of at most the recipe's length, one of which ends where the last window of the plugin
    /// would. Mel bands are normalised by a session that has heard all clips of the speaker.
    pub fn embed(
        &self,
        clips: &[&ClipFrames],
        cache: &Cache,
        on_clip: impl Fn() + Sync,
    ) -> Result<Embeddings, FrontEndError> {
        let clips = originals(clips.iter().copied());
        let sessions = session_totals(&clips, &self.spec);
        let parts: Vec<Vec<(u64, Vec<Piece>)>> = clips
            .par_chunks(part(clips.len(), self.onnx.len()))
            .map(|part| {
                let mut model = None;
                part.iter()
                    .map(|clip| {
                        let pieces = self.pieces(clip, &sessions[&session_of(clip)], &mut model, cache)?;
                        on_clip();
                        Ok((clip.content, pieces))
                    })
                    .collect()
            })
            .collect::<Result<_, FrontEndError>>()?;
        Ok(Embeddings::new(
            self.width,
            self.least_rows,
            parts.into_iter().flatten(),
        ))
    }

    /// One clip's embeddings. `model` is loaded when it is first needed.
    fn pieces(
        &self,
        clip: &ClipFrames,
        session: &SessionTotals,
        model: &mut Option<FrontEndModel>,
        cache: &Cache,
    ) -> Result<Vec<Piece>, FrontEndError> {
        let folder = self.folder();
        // What the values of a frame depend on beside the clip.
        let by = match self.recipe.input {
            FrontEndKind::Waveform => String::new(),
            FrontEndKind::LogMel => {
                let text = format!("{session:?} {:?}", self.spec.session);
                format!("-{:016x}", text_key(&text))
            }
        };
        let mut heard: Option<Vec<f32>> = None;
        windows(&clip.voiced, &self.window)
            .into_iter()
            .map(|[start, end]| {
                let name = format!("{folder}/{:016x}-{start}-{end}{by}", clip.content);
                let rows = cache.values(&name, || {
                    let values = match heard.take() {
                        Some(values) => values,
                        None => self.values(clip, session)?,
                    };
                    let model = match model {
                        Some(model) => model,
                        None => model.insert(self.load()?),
                    };
                    let width = self.frame_width();
                    let rows = model.run(&values[start * width..end * width]);
                    heard = Some(values);
                    rows.map_err(|error| self.failed(error))
                })?;
                Ok(Piece { start, end, rows })
            })
            .collect()
    }

    /// Name of the cache's folder for everything that is the same for all clips.
    fn folder(&self) -> String {
        let spec = &self.spec;
        let frames = (spec.sample_rate_hz, spec.window, spec.hop, spec.fft, spec.mel_bands);
        let text = format!(
            "{:?} {:?} {frames:?} {} {}",
            self.recipe.input, self.recipe.output, spec.mel_low_hz, spec.mel_high_hz
        );
        format!("front-end-{:016x}-{:016x}", self.key, text_key(&text))
    }

    /// What the front end takes in of a whole clip: `[frames, frame_width]`.
    fn values(&self, clip: &ClipFrames, totals: &SessionTotals) -> Result<Vec<f32>, FrontEndError> {
        match self.recipe.input {
            FrontEndKind::Waveform => {
                let mut samples = samples(&clip.clip.path, &self.spec)?;
                samples.resize(clip.frames() * self.spec.hop, 0.0);
                Ok(samples)
            }
            FrontEndKind::LogMel => {
                let session = Session::with_totals(&self.spec, totals.clone())
                    .expect("sums of finite bands of this specification");
                let bands = self.spec.mel_bands;
                let mut values = vec![0.0; clip.bands_db.len()];
                for (row, out) in clip.bands_db.chunks_exact(bands).zip(values.chunks_exact_mut(bands)) {
                    session.normalise(row, out);
                }
                Ok(values)
            }
        }
    }
}

/// The first clip of each content: what comes under the same content after it are altered copies.
pub(crate) fn originals<'a>(clips: impl IntoIterator<Item = &'a ClipFrames>) -> Vec<&'a ClipFrames> {
    let mut seen = HashSet::new();
    clips.into_iter().filter(|clip| seen.insert(clip.content)).collect()
}

/// How many of so many clips one loaded model hears, so that the models that are loaded for all threads fit the memory.
pub(crate) fn part(clips: usize, model_bytes: usize) -> usize {
    let models = (MOST_LOADED_BYTES / model_bytes.max(1)).clamp(1, rayon::current_num_threads());
    clips.div_ceil(models).max(1)
}

/// Model files are named relative to the working folder: the same from wherever a run is resumed.
pub fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.into())
}
