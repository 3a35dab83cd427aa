//! One model loaded into one runtime.

use std::any::Any;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use ort::logging::LogLevel;
use ort::session::Session;
use ort::session::builder::GraphOptimizationLevel;
use ort::value::TensorRef;
use tract_onnx::pb;
use tract_onnx::prelude::*;
use tract_onnx::tract_core::optim::Optimizer;

use crate::contract::{INPUT, LOGITS, PROBABILITIES};
use crate::{Contract, EMOTIONS, ModelError, Prediction, runtime};

/// Most bytes of one value inside a running model. tract would find out by asking for them.
const MAX_VALUE_BYTES: usize = 1 << 30;

/// Most rewrites of tract's optimiser: some, and so many more for each node. Ordinary models take a third of them.
const MIN_REWRITES: usize = 200;
const REWRITES_PER_NODE: usize = 6;

pub(crate) enum Engine {
    OnnxRuntime(Session),
    Tract {
        /// For windows of any length.
        any: Arc<TypedSimplePlan>,
        /// For those of full length, which are nearly all of a session: known sizes make the convolutions faster.
        full: Arc<TypedSimplePlan>,
        full_frames: usize,
        /// Places of the outputs among the graph's.
        probabilities: usize,
        logits: usize,
    },
}

impl Engine {
    /// Loads a checked model, `onnx` decoded as `proto`, into the process's runtime.
    pub(crate) fn load(onnx: &[u8], proto: &pb::ModelProto, contract: &Contract) -> Result<Self, ModelError> {
        guard(|| match runtime::environment() {
            Some(environment) => onnx_runtime(environment, onnx)
                .map(Self::OnnxRuntime)
                .map_err(|error| error.to_string()),
            None => tract(proto, contract).map_err(|error| chain(&error)),
        })
    }

    /// Runs one window of `frames` × `coefficients` values. The outputs are as the model gave them.
    pub(crate) fn run(&mut self, features: &[f32], coefficients: usize) -> Result<Prediction, ModelError> {
        let shape = [1, features.len() / coefficients, coefficients];
        guard(|| match self {
            Self::OnnxRuntime(session) => {
                let window = TensorRef::from_array_view((shape, features)).map_err(|error| error.to_string())?;
                let outputs = session
                    .run(ort::inputs![INPUT => window])
                    .map_err(|error| error.to_string())?;
                let six = |name: &str| {
                    let value = outputs.get(name).ok_or_else(|| format!("no output `{name}`"))?;
                    let (_, data) = value.try_extract_tensor::<f32>().map_err(|error| error.to_string())?;
                    exactly_six(name, data)
                };
                Ok(Prediction {
                    probabilities: six(PROBABILITIES)?,
                    logits: six(LOGITS)?,
                })
            }
            Self::Tract {
                any,
                full,
                full_frames,
                probabilities,
                logits,
            } => {
                let plan = if shape[1] == *full_frames { full } else { any };
                let window = Tensor::from_shape(&shape, features).map_err(|error| chain(&error))?;
                let outputs = plan.run(tvec!(window.into())).map_err(|error| chain(&error))?;
                let six = |name: &str, index: usize| {
                    let output = outputs.get(index).ok_or_else(|| format!("no output `{name}`"))?;
                    let data = output.try_as_plain_ram().and_then(|plain| plain.as_slice::<f32>());
                    exactly_six(name, data.map_err(|error| chain(&error))?)
                };
                Ok(Prediction {
                    probabilities: six(PROBABILITIES, *probabilities)?,
                    logits: six(LOGITS, *logits)?,
                })
            }
        })
    }
}

fn onnx_runtime(environment: &ort::environment::Environment, onnx: &[u8]) -> ort::Result<Session> {
    // One thread: the caller decides which one, and fifty instances must not start fifty pools.
    Session::builder(environment)?
        .with_intra_threads(1)?
        .with_inter_threads(1)?
        .with_optimization_level(GraphOptimizationLevel::All)?
        // Its errors come back as values: nothing is to be printed inside a host.
        .with_log_level(LogLevel::Fatal)?
        .commit_from_memory(onnx)
}

/// tract is used directly, not behind ort's interface (ort-tract): a panic inside functions with C's calling
/// convention would end the host, and models can make tract panic on some windows only.
fn tract(proto: &pb::ModelProto, contract: &Contract) -> TractResult<Engine> {
    let place = |name: &str| {
        let outputs = proto.graph.iter().flat_map(|graph| &graph.output);
        outputs
            .into_iter()
            .position(|output| output.name == name)
            .ok_or_else(|| TractError::msg("an output is missing"))
    };
    let parsed = tract_onnx::onnx().parse(proto, None)?;
    if let Some(name) = parsed.unresolved_inputs.first() {
        return Err(TractError::msg(format!("its value `{name}` is computed nowhere")));
    }
    let mut model = parsed.model;
    let frames = model.symbols.sym("frames");
    let shape = [1.to_dim(), frames.to_dim(), contract.features.coefficients.to_dim()];
    model.set_input_fact(0, f32::fact(&shape).into())?;
    let mut model = model.into_typed()?;
    // Graphs exist that the optimiser rewrites for ever.
    let rewrites = MIN_REWRITES + REWRITES_PER_NODE * model.nodes().len();
    Optimizer::declutter().stopping_at(rewrites).optimize(&mut model)?;
    let longest = SymbolValues::default().with(&frames, contract.window_frames as i64);
    let full_length = HashMap::from([(frames.clone(), contract.window_frames.to_dim())]);
    let mut full = model.set_symbols(&full_length)?;
    Optimizer::declutter().stopping_at(rewrites).optimize(&mut full)?;
    for model in [&mut model, &mut full] {
        model.optimize_with_session(&mut Optimizer::codegen().stopping_at(rewrites).session())?;
    }
    for node in model.nodes() {
        for output in &node.outputs {
            let dims = output.fact.shape.eval_to_usize(&longest)?;
            let bytes = dims
                .iter()
                .try_fold(output.fact.datum_type.size_of(), |size, &dim| size.checked_mul(dim));
            if bytes.is_none_or(|bytes| bytes > MAX_VALUE_BYTES) {
                return Err(TractError::msg(format!(
                    "its node `{}` makes a value of shape {dims:?}",
                    node.name
                )));
            }
        }
    }
    Ok(Engine::Tract {
        any: model.into_runnable()?,
        full: full.into_runnable()?,
        full_frames: contract.window_frames,
        probabilities: place(PROBABILITIES)?,
        logits: place(LOGITS)?,
    })
}

fn exactly_six(name: &str, data: &[f32]) -> Result<[f32; EMOTIONS.len()], String> {
    data.try_into()
        .map_err(|_| format!("its `{name}` are {} values", data.len()))
}

/// Whatever a model makes the runtime do, it ends as a value.
fn guard<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, ModelError> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|panic| Err(format!("it panicked: {}", message(&*panic))))
        .map_err(|reason| ModelError::Runtime {
            runtime: runtime::choose(None).to_string(),
            reason,
        })
}

fn message(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no reason given")
}

/// An error with its causes, in one line.
fn chain(error: &TractError) -> String {
    format!("{error:#}")
        .lines()
        .map(str::trim)
        .collect::<Vec<_>>()
        .join(" ")
}
