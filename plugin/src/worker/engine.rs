//! The model that the worker runs, and what it promises.

use std::any::Any;
use std::panic::{AssertUnwindSafe, UnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, OnceLock};

use affekt_features::FeatureSpec;
use affekt_models::{Contract, Model, ModelError, SHIPPED_MODEL, SHIPPED_MODELS, runtime};

use super::link::ModelInfo;
use crate::model_choice::ModelSource;
use crate::own_file;

/// Runs one window's features or samples.
type Run = Box<dyn FnMut(&[f32]) -> Result<[f32; 6], String> + Send>;

/// A loaded model. Runs on the worker's thread.
pub struct Engine {
    contract: Contract,
    info: ModelInfo,
    run: Run,
}

impl Engine {
    /// Something that runs windows as `contract` describes them.
    pub fn new(
        contract: Contract,
        runtime: String,
        run: impl FnMut(&[f32]) -> Result<[f32; 6], String> + Send + 'static,
    ) -> Self {
        let info = ModelInfo {
            card: Arc::new(contract.card.clone()),
            hop_s: contract.hop_s(),
            runtime,
        };
        Self {
            contract,
            info,
            run: Box::new(run),
        }
    }

    /// Loads the standard model, and on the process's first call the runtime. Takes 10 ms to some
    /// seconds. The error is one sentence for the user.
    pub fn shipped() -> Result<Self, String> {
        Self::load(|| Model::from_bytes(SHIPPED_MODEL))
    }

    /// Loads a chosen model; as [`Engine::shipped`].
    pub fn from_source(source: &ModelSource) -> Result<Self, String> {
        match source {
            ModelSource::File(file) => Self::from_file(file),
            ModelSource::Shipped { shipped } => {
                let model = SHIPPED_MODELS
                    .iter()
                    .find(|model| model.key == shipped)
                    .ok_or_else(|| format!("This version of Affekt has no model \"{shipped}\": choose another one."))?;
                Self::load(|| Model::from_bytes(model.onnx))
            }
        }
    }

    pub fn from_file(file: &Path) -> Result<Self, String> {
        Self::load(|| Model::from_file(file)).map_err(|error| format!("{}: {error}", file.display()))
    }

    fn load(model: impl FnOnce() -> Result<Model, ModelError> + UnwindSafe) -> Result<Self, String> {
        // A model or a runtime that fails must not take the host down.
        catch_unwind(|| {
            let runtime = runtime::choose(own_file::path().as_deref());
            let mut model = model().map_err(|error| format!("{error}."))?;
            let contract = model.contract().clone();
            check_frames(&contract.features)?;
            let run = move |window: &[f32]| {
                model
                    .run(window)
                    .map(|prediction| prediction.probabilities)
                    .map_err(|error| error.to_string())
            };
            Ok(Self::new(contract, runtime.to_string(), run))
        })
        .unwrap_or_else(|panic| Err(format!("The model could not be loaded: {}.", words(&*panic))))
    }

    /// What the model promises.
    pub fn contract(&self) -> &Contract {
        &self.contract
    }

    /// The model in the editor's words.
    pub fn info(&self) -> &ModelInfo {
        &self.info
    }

    /// The six probabilities of one window. The error is one sentence for the user.
    pub fn run(&mut self, window: &[f32]) -> Result<[f32; 6], String> {
        catch_unwind(AssertUnwindSafe(|| (self.run)(window)))
            .unwrap_or_else(|panic| Err(format!("The model failed: {}.", words(&*panic))))
    }
}

/// What the shipped model promises, or one sentence that says why it cannot be used. Read once per process; quick.
pub fn shipped_contract() -> Result<&'static Contract, &'static str> {
    static CONTRACT: OnceLock<Result<Contract, String>> = OnceLock::new();
    let contract = CONTRACT.get_or_init(|| {
        catch_unwind(|| Contract::read(SHIPPED_MODEL).map_err(|error| error.to_string()))
            .unwrap_or_else(|panic| Err(format!("The model could not be read: {}.", words(&*panic))))
    });
    contract.as_ref().map_err(String::as_str)
}

/// Whether a model of `spec` hears the frames that the audio thread makes: those of the shipped model, whatever the model
/// itself then makes of them. The error is one sentence for the user.
fn check_frames(spec: &FeatureSpec) -> Result<(), String> {
    let made = &shipped_contract()?.features;
    let same = FeatureSpec {
        coefficients: made.coefficients,
        session: made.session.clone(),
        ..spec.clone()
    };
    if same == *made {
        return Ok(());
    }
    let words = |spec: &FeatureSpec| {
        format!(
            "{} bands from {} to {} Hz in windows of {} samples every {} at {} Hz",
            spec.mel_bands, spec.mel_low_hz, spec.mel_high_hz, spec.window, spec.hop, spec.sample_rate_hz
        )
    };
    Err(format!(
        "The model hears {}, but Affekt makes {}: export it with this version's affekt-trainer.",
        words(spec),
        words(made)
    ))
}

/// What a panic said.
fn words(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("an internal error")
}

#[cfg(test)]
pub mod tests {
    use affekt_models::{Card, Input};

    use super::*;

    /// A contract for engines that are no networks: windows of half a second to two seconds, every 100 ms.
    pub fn contract() -> Contract {
        Contract {
            input: Input::Features,
            features: FeatureSpec::standard(),
            window_frames: 200,
            hop_frames: 10,
            card: Card {
                name: "Test".into(),
                version: "1.2".into(),
                ..Card::default()
            },
        }
    }

    #[test]
    fn panics_and_errors_become_sentences() {
        let mut calls = 0;
        let mut engine = Engine::new(contract(), "none".into(), move |_| {
            calls += 1;
            match calls {
                1 => panic!("tensor of {} values", 3),
                2 => Err("no such window".into()),
                _ => Ok([0.0, 0.0, 0.0, 0.0, 1.0, 0.0]),
            }
        });
        assert_eq!(engine.run(&[]), Err("The model failed: tensor of 3 values.".into()));
        assert_eq!(engine.run(&[]), Err("no such window".into()));
        assert_eq!(engine.run(&[]), Ok([0.0, 0.0, 0.0, 0.0, 1.0, 0.0]));
        assert_eq!(engine.info().card.name, "Test");
        assert_eq!(engine.info().card.version, "1.2");
    }

    #[test]
    fn a_model_of_other_frames_is_refused_in_a_sentence() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("choir.onnx");
        let load = |features: FeatureSpec| {
            std::fs::write(&path, crate::testing::waveform_model_of(features)).unwrap();
            Engine::from_file(&path).map(|_| ())
        };
        let made = FeatureSpec::standard();
        let other = |change: fn(&mut FeatureSpec)| {
            let mut spec = FeatureSpec::standard();
            change(&mut spec);
            spec
        };
        assert_eq!(load(made), Ok(()));
        let error = load(other(|spec| spec.hop = 320)).unwrap_err();
        assert!(error.contains("choir.onnx") && error.contains("every 320"), "{error}");
        assert!(error.contains("affekt-trainer") && error.ends_with('.'), "{error}");
        assert!(load(other(|spec| spec.mel_high_hz = 7_000.0)).is_err());
        // How its own features are made of the frames is the model's affair.
        assert_eq!(load(other(|spec| spec.coefficients = 20)), Ok(()));
        assert_eq!(load(other(|spec| spec.session.range_db = 60.0)), Ok(()));
    }

    #[test]
    fn the_shipped_model_can_be_used() {
        let contract = shipped_contract().unwrap();
        let mut engine = Engine::shipped().unwrap();
        assert_eq!(engine.contract(), contract);
        let window = vec![0.0; contract.window_frames * contract.features.coefficients];
        let probabilities = engine.run(&window).unwrap();
        assert!((probabilities.iter().sum::<f32>() - 1.0).abs() < 1e-3);
    }
}
