//! Decodes ONNX files and refuses what no runtime should be given: everything here is checked before any runtime
//! sees the file.

use prost::Message;
use tract_onnx::pb;
use tract_onnx::pb::tensor_proto::DataType;

use crate::{MAX_MODEL_BYTES, ModelError, onnx_wire};

/// Most nodes of a graph, its subgraphs included; a wav2vec 2.0 export has about 2 000.
const MAX_NODES: usize = 10_000;
/// Most constant tensors.
const MAX_TENSORS: usize = 10_000;
/// Most bytes of all metadata texts.
const MAX_METADATA_BYTES: usize = 4 << 20;
/// Largest kernel, stride, pad, axis or number of units that a node may ask for.
const MAX_ATTRIBUTE: u64 = 1 << 16;
/// Largest size among constants.
const MAX_EXTENT: u64 = 1 << 20;
/// Most elements that a list of sizes among constants may make up together.
const MAX_ELEMENTS: u64 = 1 << 26;
/// Longest list of integers that may be the shape of a tensor.
const MAX_RANK: usize = 8;
/// Operators that run for as long as the model's data tell them to.
const ENDLESS: [&str; 2] = ["Loop", "SequenceMap"];

/// Decodes and checks the bytes of a model file.
pub(crate) fn decode(onnx: &[u8]) -> Result<pb::ModelProto, ModelError> {
    let bytes = onnx.len() as u64;
    if bytes > MAX_MODEL_BYTES {
        return Err(ModelError::TooLarge {
            bytes,
            limit: MAX_MODEL_BYTES,
        });
    }
    if !onnx_wire::is_bounded(onnx) {
        return Err(refused("it has too many entries".into()));
    }
    // prost refuses messages that are nested more than 100 deep, so the recursion below is bounded too.
    let model = pb::ModelProto::decode(onnx).map_err(|error| ModelError::NotOnnx {
        reason: error.to_string(),
    })?;
    let graph = model.graph.as_ref().ok_or_else(|| ModelError::NotOnnx {
        reason: "it has no graph".into(),
    })?;
    let texts: usize = model
        .metadata_props
        .iter()
        .map(|entry| entry.key.len() + entry.value.len())
        .sum();
    if texts > MAX_METADATA_BYTES {
        return Err(refused(format!(
            "its metadata are {texts} bytes long, at most {MAX_METADATA_BYTES} are accepted"
        )));
    }
    if !model.functions.is_empty() {
        return Err(refused("it defines functions of its own".into()));
    }
    Counts::default().graph(graph)?;
    Ok(model)
}

fn refused(reason: String) -> ModelError {
    ModelError::Graph { reason }
}

#[derive(Default)]
struct Counts {
    nodes: usize,
    tensors: usize,
}

impl Counts {
    fn graph(&mut self, graph: &pb::GraphProto) -> Result<(), ModelError> {
        self.nodes += graph.node.len();
        if self.nodes > MAX_NODES {
            return Err(refused(format!("it has more than {MAX_NODES} nodes")));
        }
        if !graph.sparse_initializer.is_empty() {
            return Err(refused("it contains sparse tensors".into()));
        }
        for tensor in &graph.initializer {
            self.tensor(tensor)?;
        }
        for node in &graph.node {
            if ENDLESS.contains(&node.op_type.as_str()) {
                return Err(refused(format!(
                    "its node `{}` is a {}, which need not end",
                    node.name, node.op_type
                )));
            }
            for attribute in &node.attribute {
                self.attribute(node, attribute)?;
                // tract searches for the swaps that make up the order, and never ends if there are none.
                if node.op_type == "Transpose" && attribute.name == "perm" && !is_permutation(&attribute.ints) {
                    return Err(refused(format!(
                        "its node `{}` transposes to an impossible order",
                        node.name
                    )));
                }
            }
        }
        Ok(())
    }

    fn attribute(&mut self, node: &pb::NodeProto, attribute: &pb::AttributeProto) -> Result<(), ModelError> {
        if attribute
            .ints
            .iter()
            .chain([&attribute.i])
            .any(|int| int.unsigned_abs() > MAX_ATTRIBUTE)
        {
            return Err(refused(format!(
                "its node `{}` asks for a `{}` that is too large",
                node.name, attribute.name
            )));
        }
        if attribute.sparse_tensor.is_some() || !attribute.sparse_tensors.is_empty() {
            return Err(refused("it contains sparse tensors".into()));
        }
        for tensor in attribute.tensors.iter().chain(&attribute.t) {
            self.tensor(tensor)?;
        }
        for graph in attribute.graphs.iter().chain(&attribute.g) {
            self.graph(graph)?;
        }
        Ok(())
    }

    fn tensor(&mut self, tensor: &pb::TensorProto) -> Result<(), ModelError> {
        self.tensors += 1;
        if self.tensors > MAX_TENSORS {
            return Err(refused(format!("it has more than {MAX_TENSORS} constant tensors")));
        }
        check_tensor(tensor)
    }
}

fn is_permutation(axes: &[i64]) -> bool {
    let mut sorted = axes.to_vec();
    sorted.sort_unstable();
    sorted.into_iter().eq(0..axes.len() as i64)
}

/// Whether constant integers, which may end up as sizes, ask for tensors that can be held.
fn are_modest(ints: &[i64]) -> bool {
    // ONNX's idioms for "to the end" in slices.
    let open_end = |int: i64| [i64::MIN, i64::MIN + 1, i64::MAX, i64::from(i32::MAX)].contains(&int);
    let mut sizes = ints.iter().filter(|&&int| !open_end(int)).map(|int| int.unsigned_abs());
    if ints.len() > MAX_RANK {
        return sizes.all(|size| size <= MAX_EXTENT);
    }
    sizes
        .try_fold(1_u64, |product, size| {
            (size <= MAX_EXTENT).then(|| product.saturating_mul(size.max(1)))
        })
        .is_some_and(|elements| elements <= MAX_ELEMENTS)
}

fn check_tensor(tensor: &pb::TensorProto) -> Result<(), ModelError> {
    let damaged = |reason: String| ModelError::Tensor {
        tensor: tensor.name.clone(),
        reason,
    };
    if !tensor.external_data.is_empty() || tensor.data_location.is_some_and(|location| location != 0) {
        return Err(ModelError::ExternalData {
            tensor: tensor.name.clone(),
        });
    }
    // Bytes of one element, and how many of them the field that belongs to the type holds.
    let kind = DataType::try_from(tensor.data_type).unwrap_or(DataType::Undefined);
    let (size, listed) = match kind {
        DataType::Float => (4, tensor.float_data.len()),
        DataType::Double => (8, tensor.double_data.len()),
        DataType::Int64 => (8, tensor.int64_data.len()),
        DataType::Uint64 => (8, tensor.uint64_data.len()),
        DataType::Uint32 => (4, tensor.uint64_data.len()),
        DataType::Int32 => (4, tensor.int32_data.len()),
        DataType::Uint16 | DataType::Int16 | DataType::Float16 => (2, tensor.int32_data.len()),
        DataType::Uint8 | DataType::Int8 | DataType::Bool => (1, tensor.int32_data.len()),
        _ => {
            return Err(damaged(format!(
                "its element type {} is not supported",
                tensor.data_type
            )));
        }
    };
    let elements = tensor
        .dims
        .iter()
        .try_fold(1_usize, |product, &dim| product.checked_mul(usize::try_from(dim).ok()?))
        .filter(|&elements| elements as u64 <= MAX_MODEL_BYTES)
        .ok_or_else(|| damaged(format!("its shape {:?} is impossible", tensor.dims)))?;
    let raw = tensor.raw_data.len();
    let complete = if raw > 0 {
        elements * size == raw
    } else {
        elements == listed
    };
    if !complete {
        return Err(damaged(format!(
            "its shape {:?} and its data do not fit each other",
            tensor.dims
        )));
    }
    // Infinities are common in masks; a weight that is not a number is a training that went wrong.
    if kind == DataType::Float {
        let raw = tensor
            .raw_data
            .chunks_exact(size)
            .map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap_or_default()));
        if raw.chain(tensor.float_data.iter().copied()).any(f32::is_nan) {
            return Err(damaged("it contains values that are not a number".into()));
        }
    }
    // Shapes of Reshape, Expand, Pad, Tile, ConstantOfShape and the like.
    if kind == DataType::Int64 {
        let raw = tensor
            .raw_data
            .chunks_exact(size)
            .map(|bytes| i64::from_le_bytes(bytes.try_into().unwrap_or_default()));
        let ints: Vec<i64> = raw.chain(tensor.int64_data.iter().copied()).collect();
        if !are_modest(&ints) {
            return Err(damaged("its sizes are too large".into()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Attribute;
    use crate::samples::{self, TINY, edited, with_graph};

    fn refusal(onnx: &[u8]) -> ModelError {
        decode(onnx).expect_err("this file must be refused")
    }

    fn with_tensor(change: impl FnOnce(&mut pb::TensorProto)) -> Vec<u8> {
        with_graph(&samples::model(TINY, 1), |graph| change(&mut graph.initializer[0]))
    }

    #[test]
    fn what_is_no_onnx_is_refused() {
        for bytes in [&b""[..], b"RIFF\x24\x00\x00\x00WAVE", b"\x7fELF", &[0xFF; 64]] {
            let error = refusal(bytes);
            assert!(matches!(error, ModelError::NotOnnx { .. }), "{error}");
        }
        let truncated = samples::model(TINY, 1);
        assert!(matches!(
            refusal(&truncated[..truncated.len() / 2]),
            ModelError::NotOnnx { .. }
        ));
    }

    #[test]
    fn tensors_must_hold_what_their_shapes_say() {
        for change in [
            (|tensor| tensor.raw_data.truncate(1)) as fn(&mut pb::TensorProto),
            |tensor| tensor.raw_data.clear(),
            |tensor| tensor.dims[0] += 1,
            |tensor| tensor.dims[0] = -3,
            |tensor| tensor.dims = vec![i64::MAX, i64::MAX],
            |tensor| tensor.dims = vec![1 << 40],
            |tensor| tensor.dims = vec![1 << 32, 1 << 32, 0],
            |tensor| tensor.data_type = 11,
            |tensor| tensor.data_type = 8,
            |tensor| tensor.data_type = 99,
        ] {
            let error = refusal(&with_tensor(change));
            assert!(
                matches!(error, ModelError::Tensor { ref tensor, .. } if tensor == "scaler.mean"),
                "{error}"
            );
        }
    }

    #[test]
    fn data_may_lie_in_the_field_of_their_type() {
        let onnx = with_tensor(|tensor| {
            tensor.float_data = vec![1.0; tensor.raw_data.len() / 4];
            tensor.raw_data.clear();
        });
        assert!(decode(&onnx).is_ok());
    }

    #[test]
    fn data_in_other_files_are_refused() {
        let elsewhere = |tensor: &mut pb::TensorProto| {
            let location = pb::StringStringEntryProto {
                key: "location".into(),
                value: "/etc/passwd".into(),
            };
            tensor.external_data.push(location);
        };
        assert!(matches!(
            refusal(&with_tensor(elsewhere)),
            ModelError::ExternalData { .. }
        ));
        let declared = |tensor: &mut pb::TensorProto| {
            tensor.data_location = Some(pb::tensor_proto::DataLocation::External as i32);
        };
        assert!(matches!(
            refusal(&with_tensor(declared)),
            ModelError::ExternalData { .. }
        ));
    }

    #[test]
    fn tensors_in_attributes_and_subgraphs_are_checked_too() {
        let damaged = pb::TensorProto {
            name: "hidden".into(),
            data_type: 1,
            dims: vec![9],
            ..Default::default()
        };
        let holding = |attribute: pb::AttributeProto| {
            let attribute = attribute.clone();
            with_graph(&samples::model(TINY, 1), |graph| {
                graph.node[0].attribute.push(attribute)
            })
        };
        let subgraph = pb::GraphProto {
            initializer: vec![damaged.clone()],
            ..Default::default()
        };
        for attribute in [
            pb::AttributeProto {
                t: Some(damaged.clone()),
                ..Default::default()
            },
            pb::AttributeProto {
                tensors: vec![damaged],
                ..Default::default()
            },
            pb::AttributeProto {
                g: Some(subgraph.clone()),
                ..Default::default()
            },
            pb::AttributeProto {
                graphs: vec![subgraph],
                ..Default::default()
            },
        ] {
            let error = refusal(&holding(attribute));
            assert!(
                matches!(error, ModelError::Tensor { ref tensor, .. } if tensor == "hidden"),
                "{error}"
            );
        }
    }

    #[test]
    fn sizes_are_bounded() {
        assert!(are_modest(&[1, -1, 64]));
        assert!(are_modest(&[0, i64::MAX]));
        assert!(are_modest(&[480_000]));
        assert!(!are_modest(&[1 << 21]));
        assert!(!are_modest(&[1 << 20, 1 << 20]));
        assert!(!are_modest(&[i64::MIN + 2]));
        let mut graph = samples::body(TINY, 1);
        graph.node(
            "MaxPool",
            &["rectified"],
            &["x"],
            &[("kernel_shape", Attribute::Ints(vec![1 << 40]))],
        );
        let error = refusal(&graph.finish(&samples::contract(TINY)));
        assert!(error.to_string().contains("kernel_shape"), "{error}");
        let mut graph = samples::body(TINY, 1);
        graph.ints("shape", &[3], &[1 << 20, 1 << 20, 1 << 20]);
        let error = refusal(&graph.finish(&samples::contract(TINY)));
        assert!(error.to_string().contains("`shape`"), "{error}");
    }

    #[test]
    fn graphs_are_bounded() {
        let onnx = samples::model(TINY, 1);
        let many = with_graph(&onnx, |graph| graph.node = vec![graph.node[0].clone(); MAX_NODES + 1]);
        let endless = with_graph(&onnx, |graph| graph.node[0].op_type = "Loop".into());
        let functions = edited(&onnx, |model| model.functions.push(pb::FunctionProto::default()));
        let chatty = edited(&onnx, |model| {
            let text = "x".repeat(MAX_METADATA_BYTES);
            model.metadata_props.push(pb::StringStringEntryProto {
                key: "notes".into(),
                value: text,
            });
        });
        let twisted = with_graph(&onnx, |graph| {
            let transpose = graph.node.iter_mut().find(|node| node.op_type == "Transpose").unwrap();
            transpose.attribute[0].ints = vec![1, 2, 1];
        });
        let sparse = with_graph(&onnx, |graph| {
            graph.sparse_initializer.push(pb::SparseTensorProto::default())
        });
        for (onnx, word) in [
            (many, "nodes"),
            (endless, "Loop"),
            (functions, "functions"),
            (chatty, "metadata"),
            (twisted, "order"),
            (sparse, "sparse"),
        ] {
            let error = refusal(&onnx);
            assert!(
                matches!(error, ModelError::Graph { .. }) && error.to_string().contains(word),
                "{error}"
            );
        }
    }
}
