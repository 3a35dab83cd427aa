//! The folder of a training run:
//!
//! ```text
//! recipe.toml   the recipe
//! run.json      corpora, speakers of each side, seed, front end, versions
//! log.jsonl     one line per epoch
//! origin.bpk    weights that the training began with, if they come from another run
//! best/         weights of the best epoch, best.json with its figures and the temperature
//! checkpoint/   weights, their average, optimizer and progress after the last epoch, to resume from
//! ```
//!
//! `best` and `checkpoint` are replaced as a whole, so that a run that is stopped at any time leaves usable ones.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use affekt_features::FeatureSpec;
use burn::module::Module;
use burn::optim::ModuleOptimizer;
use burn::tensor::Device;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::metrics::Metrics;
use crate::network::Network;
use crate::recipe::{Recipe, RecipeError};
use crate::scaler::StandardScaler;
use crate::seed::bytes_key;
use crate::split::SpeakerSplit;
use crate::whole_file;

const RECIPE: &str = "recipe.toml";
const RUN: &str = "run.json";
const LOG: &str = "log.jsonl";
const BEST: &str = "best";
const CHECKPOINT: &str = "checkpoint";
const ORIGIN: &str = "origin.bpk";
const FIGURES: &str = "best.json";
const PROGRESS: &str = "progress.json";
const WEIGHTS: &str = "weights.bpk";
const AVERAGE: &str = "average.bpk";
const OPTIMIZER: &str = "optimizer.bpk";

/// What a run was made of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunRecord {
    /// Version of the trainer.
    pub trainer_version: String,
    /// Day it was started, ISO 8601.
    pub date: String,
    /// Seed of every draw.
    pub seed: u64,
    /// Threads it was started with: sums are divided among them, so another number gives slightly other weights.
    pub threads: usize,
    /// burn backend.
    pub backend: String,
    /// Corpora and how many of their clips train and validate.
    pub corpora: Vec<CorpusRecord>,
    /// Speakers of each side.
    pub speakers: SpeakerSplit,
    /// Contents of the clips that train and validate, by [`crate::clips::ClipFrames::content`], in hexadecimal.
    #[serde(default)]
    pub heard: Vec<String>,
    /// Where the first weights come from, if they are not random.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<OriginRecord>,
    /// Tells the front end's file from others, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub front_end: Option<String>,
    /// Tells the teacher's file from others, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub teacher: Option<String>,
    /// The features, with the prior of the training speakers.
    pub features: FeatureSpec,
    /// The scaler of the training speakers.
    pub scaler: StandardScaler,
}

impl RunRecord {
    /// Contents of all clips that the weights were trained with or chosen by, here and in the run that they come from.
    pub fn all_heard(&self) -> impl Iterator<Item = &str> {
        let before = self.origin.iter().flat_map(|origin| &origin.heard);
        self.heard.iter().chain(before).map(String::as_str)
    }

    /// Everybody that this run or those it comes from know, each on the side that says most of what the weights have
    /// heard.
    pub fn all_speakers(&self) -> SpeakerSplit {
        let before = self.origin.as_ref().and_then(|origin| origin.speakers.as_ref());
        match before {
            Some(before) => self.speakers.clone().joined(before),
            None => self.speakers.clone(),
        }
    }

    /// Names of all corpora that the weights have heard, here and in the runs that they come from.
    pub fn all_corpora(&self) -> BTreeSet<&str> {
        let own = self.corpora.iter().map(|corpus| corpus.name.as_str());
        let before = self.origin.iter().flat_map(|origin| &origin.corpora);
        own.chain(before.map(String::as_str)).collect()
    }
}

/// The run whose best weights another one begins with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OriginRecord {
    /// Tells its weights from others.
    pub weights: String,
    /// Its corpora, and those of the run that it began with itself.
    pub corpora: Vec<String>,
    /// What it has heard, likewise.
    pub heard: Vec<String>,
    /// Its speakers, likewise, whether they are in this run or not. Runs of older trainers do not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speakers: Option<SpeakerSplit>,
}

/// What a run is to be, as far as it is known before its clips are read.
#[derive(Debug)]
pub struct Asked<'a> {
    /// How to train.
    pub recipe: &'a Recipe,
    /// Seed of every draw.
    pub seed: u64,
    /// Who is on which side.
    pub speakers: &'a SpeakerSplit,
    /// Names of its corpora.
    pub corpora: &'a BTreeSet<&'a str>,
    /// What it begins with.
    pub origin: Option<&'a OriginRecord>,
}

/// A corpus's part in a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CorpusRecord {
    /// Its name.
    pub name: String,
    /// Clips of training speakers.
    pub train_clips: usize,
    /// Clips of validation speakers.
    pub validation_clips: usize,
}

/// The best epoch so far.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BestRecord {
    /// Epoch, from 1.
    pub epoch: usize,
    /// Figures on the validation speakers, with calibrated probabilities.
    pub validation: Metrics,
    /// Divides the logits before the softmax.
    pub temperature: f64,
}

/// Where a run stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// Epochs that are done.
    pub epochs: usize,
    /// The best of them, from 1; 0 before the first.
    pub best_epoch: usize,
    /// Its validation UAR.
    pub best_uar: f64,
}

/// One line of the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EpochRecord {
    /// Epoch, from 1.
    pub epoch: usize,
    /// Mean cross-entropy over the epoch's batches, in nats.
    pub loss: f64,
    /// Cross-entropy on the validation speakers, in nats.
    pub validation_loss: f64,
    /// UAR on the validation speakers.
    pub validation_uar: f64,
    /// Accuracy on the validation speakers.
    pub validation_accuracy: f64,
    /// Learning rate of the last step.
    pub learning_rate: f64,
    /// Mean norm of the gradient before clipping, over the steps that were taken.
    pub gradient_norm: f64,
    /// Time of the epoch, validation included.
    pub seconds: f64,
    /// Mean time of a step, its input included.
    pub step_ms: f64,
    /// Share of that time in which inputs were drawn and computed: windows, sessions, variation, features.
    #[serde(default)]
    pub input_share: f64,
}

/// Everything that is needed to go on.
pub struct Checkpoint {
    /// The network, on the device that was asked for.
    pub network: Network,
    /// Its running average, if the recipe keeps one, without autodiff.
    pub average: Option<Network>,
    /// The optimizer.
    pub optimizer: ModuleOptimizer,
    /// Where the run stands.
    pub progress: Progress,
}

/// Why a run folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A file cannot be read or written.
    #[error("{path} cannot be {action}: {reason}")]
    File {
        /// The file.
        path: PathBuf,
        /// `read` or `written`.
        action: &'static str,
        /// What the system or the parser said.
        reason: String,
    },
    /// A new run would overwrite another.
    #[error("{0} holds a run already: continue it with --resume, or choose another folder")]
    Exists(PathBuf),
    /// Nothing to resume or export.
    #[error("{0} holds no finished epoch of a training run: give the folder that `train --out` wrote")]
    Nothing(PathBuf),
    /// The corpora do not give what the run started with.
    #[error(
        "{0} was started with other corpora, another trainer or other settings ({1}): resume it with the same, or start a new run"
    )]
    Different(PathBuf, String),
    /// Weights of another network.
    #[error("{0} holds another network: take the `[network]` and the `[front_end]` of its recipe.toml")]
    Network(PathBuf),
    /// The recipe in the folder is not valid.
    #[error(transparent)]
    Recipe(#[from] RecipeError),
}

/// A training run's folder.
#[derive(Debug, Clone)]
pub struct RunFolder {
    folder: PathBuf,
}

impl RunFolder {
    /// Starts a run in a folder that holds none; makes the folder. `origin`: the run whose best weights it begins with.
    pub fn create(folder: &Path, recipe: &Recipe, run: &RunRecord, origin: Option<&Self>) -> Result<Self, RunError> {
        Self::claim(folder)?;
        let this = Self { folder: folder.into() };
        let path = this.folder.join(RECIPE);
        write_text(&path, &recipe.to_toml()?)?;
        if let Some(origin) = origin {
            let path = this.folder.join(ORIGIN);
            fs::copy(origin.current(BEST)?.join(WEIGHTS), &path).map_err(|reason| written(&path, reason))?;
        }
        // Last: it makes the folder a run.
        write_json(&this.folder.join(RUN), run)?;
        Ok(this)
    }

    /// Makes the folder of a run that is to be started, and checks that it holds none: this is to be known before hours
    /// of clips are read.
    pub fn claim(folder: &Path) -> Result<(), RunError> {
        if folder.join(RUN).exists() {
            return Err(RunError::Exists(folder.into()));
        }
        fs::create_dir_all(folder).map_err(|reason| written(folder, reason))
    }

    /// Opens a run that was started before.
    pub fn open(folder: &Path) -> Result<Self, RunError> {
        if !folder.join(RUN).is_file() {
            return Err(RunError::Nothing(folder.into()));
        }
        Ok(Self { folder: folder.into() })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.folder
    }

    /// The recipe it was started with.
    pub fn recipe(&self) -> Result<Recipe, RunError> {
        let path = self.folder.join(RECIPE);
        let text = fs::read_to_string(&path).map_err(|reason| read(&path, reason))?;
        Ok(Recipe::from_toml(&text)?)
    }

    /// What it was started with.
    pub fn run(&self) -> Result<RunRecord, RunError> {
        read_json(&self.folder.join(RUN))
    }

    /// Checks that a run can go on with `run`.
    pub fn check_same(&self, run: &RunRecord) -> Result<(), RunError> {
        let before = self.run()?;
        let differs = |what: &str| Err(RunError::Different(self.folder.clone(), what.into()));
        if before.speakers != run.speakers {
            return differs("the speakers differ");
        }
        if before.corpora != run.corpora || before.heard != run.heard {
            return differs("the clips differ");
        }
        if before.front_end != run.front_end || before.teacher != run.teacher {
            return differs("the front end or the teacher differs");
        }
        if weights(before.origin.as_ref()) != weights(run.origin.as_ref()) {
            return differs("the run that it began with differs");
        }
        if before.features != run.features || before.scaler != run.scaler {
            return differs("the features differ");
        }
        Ok(())
    }

    /// Checks that a run can go on with `recipe`.
    pub fn check_recipe(&self, recipe: &Recipe) -> Result<(), RunError> {
        match recipe_difference(&self.recipe()?, recipe)? {
            Some(what) => Err(RunError::Different(self.folder.clone(), what)),
            None => Ok(()),
        }
    }

    /// What is other in this run than in the one that is asked for, as a clause; `None` if it is the same.
    pub fn difference(&self, asked: &Asked<'_>) -> Result<Option<String>, RunError> {
        if let Some(what) = recipe_difference(&self.recipe()?, asked.recipe)? {
            return Ok(Some(what));
        }
        let run = self.run()?;
        let corpora: BTreeSet<&str> = run.corpora.iter().map(|corpus| corpus.name.as_str()).collect();
        let what = if run.seed != asked.seed {
            "the seed differs"
        } else if corpora != *asked.corpora {
            "the corpora differ"
        } else if weights(run.origin.as_ref()) != weights(asked.origin) {
            "the run that it began with differs"
        } else if run.speakers != *asked.speakers {
            "the division of the speakers differs"
        } else {
            return Ok(None);
        };
        Ok(Some(what.into()))
    }

    /// Appends a line to the log.
    pub fn log(&self, epoch: &EpochRecord) -> Result<(), RunError> {
        let path = self.folder.join(LOG);
        let line = serde_json::to_string(epoch).map_err(|reason| written(&path, reason))?;
        let file = fs::OpenOptions::new().create(true).append(true).open(&path);
        file.and_then(|mut file| writeln!(file, "{line}"))
            .map_err(|reason| written(&path, reason))
    }

    /// The log: all epochs that are done.
    pub fn epochs(&self) -> Result<Vec<EpochRecord>, RunError> {
        let path = self.folder.join(LOG);
        if !path.exists() {
            return Ok(Vec::new());
        }
        let text = fs::read_to_string(&path).map_err(|reason| read(&path, reason))?;
        let done = match self.current(CHECKPOINT) {
            Ok(folder) => read_json::<Progress>(&folder.join(PROGRESS))?.epochs,
            Err(_) => 0,
        };
        let epochs = text
            .lines()
            .filter_map(|line| serde_json::from_str::<EpochRecord>(line).ok());
        Ok(epochs.filter(|epoch| epoch.epoch <= done).collect())
    }

    /// Drops what was logged after `epochs`, which a run that goes on from there logs again.
    pub fn forget_after(&self, epochs: usize) -> Result<(), RunError> {
        let path = self.folder.join(LOG);
        if !path.exists() {
            return Ok(());
        }
        let text = fs::read_to_string(&path).map_err(|reason| read(&path, reason))?;
        let is_kept = |line: &&str| serde_json::from_str::<EpochRecord>(line).is_ok_and(|epoch| epoch.epoch <= epochs);
        let kept: String = text.lines().filter(is_kept).map(|line| format!("{line}\n")).collect();
        write_text(&path, &kept)
    }

    /// Keeps a network (without autodiff) as the best so far.
    pub fn save_best(&self, network: &Network, best: &BestRecord) -> Result<(), RunError> {
        self.replace(BEST, |folder| {
            save_weights(network, &folder.join(WEIGHTS))?;
            write_json(&folder.join(FIGURES), best)
        })
    }

    /// The best network so far, on `device`.
    pub fn load_best(&self, device: &Device) -> Result<(Network, BestRecord), RunError> {
        let folder = self.current(BEST)?;
        let network = self.load_weights(&folder.join(WEIGHTS), device)?;
        Ok((network, read_json(&folder.join(FIGURES))?))
    }

    /// What a run that begins with the best weights of this one has to say of it.
    ///
    /// # Errors
    /// Also if `recipe` is that of another network.
    pub fn as_origin(&self, recipe: &Recipe) -> Result<OriginRecord, RunError> {
        let (run, own) = (self.run()?, self.recipe()?);
        if own.network != recipe.network || own.front_end != recipe.front_end {
            return Err(RunError::Network(self.folder.clone()));
        }
        let path = self.current(BEST)?.join(WEIGHTS);
        let weights = fs::read(&path).map_err(|reason| read(&path, reason))?;
        Ok(OriginRecord {
            weights: format!("{:016x}", bytes_key(&weights)),
            corpora: run.all_corpora().into_iter().map(String::from).collect(),
            heard: run.all_heard().map(String::from).collect(),
            speakers: Some(run.all_speakers()),
        })
    }

    /// The network to begin with, on `device`; `None` if its weights shall be random.
    pub fn load_origin(&self, device: &Device) -> Result<Option<Network>, RunError> {
        match self.run()?.origin {
            Some(_) => self.load_weights(&self.folder.join(ORIGIN), device).map(Some),
            None => Ok(None),
        }
    }

    /// Figures of the best network so far.
    pub fn best(&self) -> Result<BestRecord, RunError> {
        read_json(&self.current(BEST)?.join(FIGURES))
    }

    /// Keeps everything that is needed to go on; the networks are without autodiff.
    pub fn save_checkpoint(
        &self,
        network: &Network,
        average: Option<&Network>,
        optimizer: &ModuleOptimizer,
        progress: &Progress,
    ) -> Result<(), RunError> {
        self.replace(CHECKPOINT, |folder| {
            save_weights(network, &folder.join(WEIGHTS))?;
            if let Some(average) = average {
                save_weights(average, &folder.join(AVERAGE))?;
            }
            let path = folder.join(OPTIMIZER);
            optimizer.save(&path).map_err(|reason| written(&path, reason))?;
            write_json(&folder.join(PROGRESS), progress)
        })
    }

    /// Reads that back, the network to `device`; `None` before the first epoch was done.
    pub fn load_checkpoint(&self, optimizer: ModuleOptimizer, device: &Device) -> Result<Option<Checkpoint>, RunError> {
        let Ok(folder) = self.current(CHECKPOINT) else {
            return Ok(None);
        };
        let network = self.load_weights(&folder.join(WEIGHTS), device)?;
        let path = folder.join(AVERAGE);
        let average = match path.is_file() {
            true => Some(self.load_weights(&path, device)?.valid()),
            false => None,
        };
        let path = folder.join(OPTIMIZER);
        let optimizer = optimizer.load(&path).map_err(|reason| read(&path, reason))?;
        Ok(Some(Checkpoint {
            network,
            average,
            optimizer,
            progress: read_json(&folder.join(PROGRESS))?,
        }))
    }

    fn load_weights(&self, path: &Path, device: &Device) -> Result<Network, RunError> {
        let inputs = self.run()?.scaler.mean.len();
        Network::new(&self.recipe()?.network, inputs, 0, device)
            .try_load_file(path)
            .map_err(|reason| read(path, reason))
    }

    /// Writes a folder anew and puts it in the place of the one before.
    fn replace(&self, name: &str, write: impl FnOnce(&Path) -> Result<(), RunError>) -> Result<(), RunError> {
        let current = self.folder.join(name);
        let new = self.folder.join(format!("{name}.new"));
        let old = self.folder.join(format!("{name}.old"));
        remove(&new)?;
        fs::create_dir_all(&new).map_err(|reason| written(&new, reason))?;
        write(&new)?;
        if current.exists() {
            remove(&old)?;
            fs::rename(&current, &old).map_err(|reason| written(&old, reason))?;
        }
        fs::rename(&new, &current).map_err(|reason| written(&current, reason))?;
        remove(&old)
    }

    /// The folder that [`Self::replace`] left, also when it was stopped half-way.
    fn current(&self, name: &str) -> Result<PathBuf, RunError> {
        let candidates = [name.to_string(), format!("{name}.old")];
        let mut folders = candidates.iter().map(|name| self.folder.join(name));
        folders
            .find(|folder| folder.is_dir())
            .ok_or_else(|| RunError::Nothing(self.folder.clone()))
    }
}

/// Tells the weights that a run begins with; what else is known of them depends on the trainer's version.
fn weights(origin: Option<&OriginRecord>) -> Option<&str> {
    origin.map(|origin| origin.weights.as_str())
}

/// The first of the recipe's keys that differs, with both values, as a clause.
fn recipe_difference(here: &Recipe, asked: &Recipe) -> Result<Option<String>, RunError> {
    if here == asked {
        return Ok(None);
    }
    let (here, asked) = (values(here)?, values(asked)?);
    let keys: BTreeSet<&String> = here.keys().chain(asked.keys()).collect();
    let show = |value: Option<&toml::Value>| value.map_or("not there".to_string(), toml::Value::to_string);
    let differs = |key: &&String| here.get(*key) != asked.get(*key);
    Ok(keys.into_iter().find(differs).map(|key| {
        let (here, asked) = (show(here.get(key)), show(asked.get(key)));
        format!("`{key}` of the recipe is {here} there and {asked} now")
    }))
}

/// All values of a recipe, as `table.key`.
fn values(recipe: &Recipe) -> Result<BTreeMap<String, toml::Value>, RunError> {
    let tables: toml::Table =
        toml::from_str(&recipe.to_toml()?).map_err(|error| RecipeError::Toml(error.to_string()))?;
    let mut values = BTreeMap::new();
    for (name, value) in tables {
        match value {
            toml::Value::Table(table) => {
                values.extend(table.into_iter().map(|(key, value)| (format!("{name}.{key}"), value)));
            }
            value => {
                values.insert(name, value);
            }
        }
    }
    Ok(values)
}

fn save_weights(network: &Network, path: &Path) -> Result<(), RunError> {
    network.clone().save_file(path).map_err(|reason| written(path, reason))
}

fn remove(folder: &Path) -> Result<(), RunError> {
    match fs::remove_dir_all(folder) {
        Err(reason) if reason.kind() != std::io::ErrorKind::NotFound => Err(written(folder, reason)),
        _ => Ok(()),
    }
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<(), RunError> {
    let text = serde_json::to_string_pretty(value).map_err(|reason| written(path, reason))?;
    write_text(path, &(text + "\n"))
}

fn write_text(path: &Path, text: &str) -> Result<(), RunError> {
    whole_file::write(path, text).map_err(|reason| written(path, reason))
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, RunError> {
    let text = fs::read_to_string(path).map_err(|reason| read(path, reason))?;
    serde_json::from_str(&text).map_err(|reason| read(path, reason))
}

fn written(path: &Path, reason: impl ToString) -> RunError {
    RunError::File {
        path: path.into(),
        action: "written",
        reason: reason.to_string(),
    }
}

fn read(path: &Path, reason: impl ToString) -> RunError {
    RunError::File {
        path: path.into(),
        action: "read",
        reason: reason.to_string(),
    }
}
