//! One graph loaded into one runtime.

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

use crate::{ModelError, runtime};

/// Most bytes of one value inside a running model. tract would find out by asking for them.
const MAX_VALUE_BYTES: usize = 1 << 30;

/// Most rewrites of tract's optimiser: some, and so many more for each node. Ordinary models take a third of them.
const MIN_REWRITES: usize = 200;
const REWRITES_PER_NODE: usize = 6;

/// What a graph takes in.
#[derive(Debug, Clone)]
pub(crate) struct Port {
    /// Name of its only input.
    pub name: String,
    /// How values lie in it.
    pub layout: Layout,
    /// Most values at once.
    pub longest: usize,
}

/// Shape of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// `[1, rows, width]`.
    Rows {
        /// Values of a row.
        width: usize,
    },
    /// `[1, values]`.
    Row,
    /// `[values]`.
    Flat,
}

impl Layout {
    fn shape(self, values: usize) -> Vec<usize> {
        match self {
            Self::Rows { width } => vec![1, values / width, width],
            Self::Row => vec![1, values],
            Self::Flat => vec![values],
        }
    }
}

/// One of the values that a graph gave.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Output {
    pub shape: Vec<usize>,
    /// Row-major.
    pub values: Vec<f32>,
}

/// A graph in a runtime.
pub(crate) struct Engine {
    input: Port,
    /// Names of the outputs that are read.
    outputs: Vec<String>,
    running: Running,
}

enum Running {
    OnnxRuntime(Session),
    Tract {
        /// For inputs of any length.
        any: Arc<TypedSimplePlan>,
        /// For windows of features of so many values, the longest, which are nearly all of a session: known sizes make
        /// convolutions faster. Not for raw audio, whose models are large and would be there twice.
        full: Option<(usize, Arc<TypedSimplePlan>)>,
        /// Places of the outputs among the graph's.
        places: Vec<usize>,
    },
}

impl Engine {
    /// Loads a checked graph, `onnx` decoded as `proto`, into the process's runtime.
    pub(crate) fn load(onnx: &[u8], proto: &pb::ModelProto, input: Port, outputs: &[&str]) -> Result<Self, ModelError> {
        let running = guard(|| match runtime::environment() {
            Some(environment) => onnx_runtime(environment, onnx)
                .map(Running::OnnxRuntime)
                .map_err(|error| error.to_string()),
            None => tract(proto, &input, outputs).map_err(|error| chain(&error)),
        })?;
        Ok(Self {
            input,
            outputs: outputs.iter().map(|&name| name.to_owned()).collect(),
            running,
        })
    }

    /// Runs one input, whole rows of it. The outputs are as the graph gave them, in the order that was asked for.
    pub(crate) fn run(&mut self, values: &[f32]) -> Result<Vec<Output>, ModelError> {
        let shape = self.input.layout.shape(values.len());
        guard(|| match &mut self.running {
            Running::OnnxRuntime(session) => {
                let input = TensorRef::from_array_view((shape, values)).map_err(|error| error.to_string())?;
                let outputs = session
                    .run(ort::inputs![self.input.name.as_str() => input])
                    .map_err(|error| error.to_string())?;
                let read = |name: &String| {
                    let value = outputs.get(name).ok_or_else(|| format!("no output `{name}`"))?;
                    let (shape, data) = value.try_extract_tensor::<f32>().map_err(|error| error.to_string())?;
                    Ok(Output {
                        shape: shape.iter().map(|&dim| usize::try_from(dim).unwrap_or(0)).collect(),
                        values: data.to_vec(),
                    })
                };
                self.outputs.iter().map(read).collect()
            }
            Running::Tract { any, full, places } => {
                let plan = match full {
                    Some((length, plan)) if *length == values.len() => plan,
                    _ => any,
                };
                let input = Tensor::from_shape(&shape, values).map_err(|error| chain(&error))?;
                let outputs = plan.run(tvec!(input.into())).map_err(|error| chain(&error))?;
                let read = |(name, place): (&String, &usize)| {
                    let output = outputs.get(*place).ok_or_else(|| format!("no output `{name}`"))?;
                    let data = output.try_as_plain_ram().and_then(|plain| plain.as_slice::<f32>());
                    Ok(Output {
                        shape: output.shape().to_vec(),
                        values: data.map_err(|error| chain(&error))?.to_vec(),
                    })
                };
                self.outputs.iter().zip(places.iter()).map(read).collect()
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
fn tract(proto: &pb::ModelProto, input: &Port, outputs: &[&str]) -> TractResult<Running> {
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
    let length = model.symbols.sym("length");
    let (shape, longest): (TVec<TDim>, usize) = match input.layout {
        Layout::Rows { width } => (
            tvec![1.to_dim(), length.to_dim(), width.to_dim()],
            input.longest / width,
        ),
        Layout::Row => (tvec![1.to_dim(), length.to_dim()], input.longest),
        Layout::Flat => (tvec![length.to_dim()], input.longest),
    };
    model.set_input_fact(0, f32::fact(&shape).into())?;
    let mut model = model.into_typed()?;
    // Graphs exist that the optimiser rewrites for ever.
    let rewrites = MIN_REWRITES + REWRITES_PER_NODE * model.nodes().len();
    Optimizer::declutter().stopping_at(rewrites).optimize(&mut model)?;
    let full = match input.layout {
        Layout::Rows { .. } => Some(model.set_symbols(&HashMap::from([(length.clone(), longest.to_dim())]))?),
        Layout::Row | Layout::Flat => None,
    };
    let longest = SymbolValues::default().with(&length, longest as i64);
    let codegen =
        |model: &mut TypedModel| model.optimize_with_session(&mut Optimizer::codegen().stopping_at(rewrites).session());
    codegen(&mut model)?;
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
    let full = match full {
        Some(mut full) => {
            Optimizer::declutter().stopping_at(rewrites).optimize(&mut full)?;
            codegen(&mut full)?;
            Some((input.longest, full.into_runnable()?))
        }
        None => None,
    };
    Ok(Running::Tract {
        any: model.into_runnable()?,
        full,
        places: outputs.iter().map(|name| place(name)).collect::<TractResult<_>>()?,
    })
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
