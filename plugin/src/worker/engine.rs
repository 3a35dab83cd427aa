//! The model that the worker runs, and what it promises.

use std::any::Any;
use std::panic::{AssertUnwindSafe, UnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, OnceLock};

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
    use affekt_features::FeatureSpec;
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
    fn the_shipped_model_can_be_used() {
        let contract = shipped_contract().unwrap();
        let mut engine = Engine::shipped().unwrap();
        assert_eq!(engine.contract(), contract);
        let window = vec![0.0; contract.window_frames * contract.features.coefficients];
        let probabilities = engine.run(&window).unwrap();
        assert!((probabilities.iter().sum::<f32>() - 1.0).abs() < 1e-3);
    }
}
