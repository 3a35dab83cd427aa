//! Writes ONNX graphs: the trainer exports with it, tests build small models with it.
//!
//! Names of values are plain strings; nothing is checked here, [`crate::Model::from_bytes`] does that.

use prost::Message;
use tract_onnx::pb;

use crate::engine::Layout;
use crate::front_end::{Ends, FrontEndInput};
use crate::{Contract, ModelError, onnx_file};

/// ONNX operator set the graphs are written for, unless an adopted graph has another.
const OPSET: i64 = 18;
/// Operator sets of graphs that can be adopted: between them the operators that are written here mean the same, but for
/// [`Graph::reduce_mean`].
const ADOPTED_OPSETS: std::ops::RangeInclusive<i64> = 13..=22;
/// What the names of an adopted graph begin with.
const ADOPTED: &str = "front_end/";
/// ONNX file format version: 9 came with opset 20 and is read by everything that knows opset 18.
const IR_VERSION: i64 = 9;

/// An ONNX graph under construction (opset 18, IR version 9). Names of values are plain strings.
#[derive(Debug, Clone)]
pub struct Graph {
    graph: pb::GraphProto,
    opset: i64,
    ir_version: i64,
}

impl Default for Graph {
    fn default() -> Self {
        Self::new()
    }
}

/// Attribute of a node.
#[derive(Debug, Clone)]
pub enum Attribute {
    /// Integer.
    Int(i64),
    /// List of integers.
    Ints(Vec<i64>),
    /// Float.
    Float(f32),
    /// Text.
    Text(&'static str),
}

/// One dimension of an input or output.
#[derive(Debug, Clone, Copy)]
pub enum Dim {
    /// Fixed.
    Fixed(usize),
    /// Varies at run time, with a name.
    Dynamic(&'static str),
}

impl Graph {
    /// An empty graph.
    pub fn new() -> Self {
        Self {
            graph: pb::GraphProto {
                name: "affekt".into(),
                ..Default::default()
            },
            opset: OPSET,
            ir_version: IR_VERSION,
        }
    }

    /// Takes another model's graph in, under names of its own: from our value `from` to embeddings `to`, f32
    /// `[1, rows, width]`. `output` names the output with the embeddings, the first one if not given. The file is then
    /// written for the other's operator set, so this comes before all nodes.
    ///
    /// # Errors
    /// What is wrong with the file, its input or its output; [`ModelError::Opset`]; operators that are not ONNX's own.
    pub fn adopt(
        &mut self,
        onnx: &[u8],
        input: FrontEndInput,
        output: Option<&str>,
        width: usize,
        from: &str,
        to: &str,
    ) -> Result<(), ModelError> {
        let model = onnx_file::decode(onnx)?;
        let ends = Ends::of(&model, input, output)?;
        let own = model.opset_import.iter().find(|set| is_onnx(&set.domain));
        let opset = own.map_or(1, |set| set.version);
        if !ADOPTED_OPSETS.contains(&opset) {
            return Err(ModelError::Opset {
                found: opset,
                low: *ADOPTED_OPSETS.start(),
                high: *ADOPTED_OPSETS.end(),
            });
        }
        let mut graph = model.graph.unwrap_or_default();
        adopt_names(&mut graph)?;
        self.opset = opset;
        self.ir_version = model.ir_version.max(IR_VERSION);
        let first = format!("{ADOPTED}{}", ends.input);
        match ends.layout {
            Layout::Rows { .. } | Layout::Row => self.node("Identity", &[from], &[&first], &[]),
            Layout::Flat => {
                let shape = self.ints(&format!("{to}_flat"), &[1], &[-1]);
                self.node("Reshape", &[from, &shape], &[&first], &[]);
            }
        }
        self.graph.initializer.append(&mut graph.initializer);
        self.graph.node.append(&mut graph.node);
        let shape = self.ints(&format!("{to}_shape"), &[3], &[1, -1, width as i64]);
        self.node("Reshape", &[&format!("{ADOPTED}{}", ends.output), &shape], &[to], &[]);
        Ok(())
    }

    /// Mean over one axis, which falls away: the operator's axes were an attribute before opset 18.
    pub fn reduce_mean(&mut self, input: &str, axis: i64, output: &str) {
        let flat = ("keepdims", Attribute::Int(0));
        if self.opset < 18 {
            let axes = ("axes", Attribute::Ints(vec![axis]));
            self.node("ReduceMean", &[input], &[output], &[axes, flat]);
        } else {
            let axes = self.ints(&format!("{output}_axis"), &[1], &[axis]);
            self.node("ReduceMean", &[input, &axes], &[output], &[flat]);
        }
    }

    /// A constant f32 tensor, row-major; returns its name.
    ///
    /// # Panics
    /// If `data` has another number of elements than `dims` say.
    pub fn floats(&mut self, name: &str, dims: &[usize], data: &[f32]) -> String {
        let raw = data.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.tensor(name, pb::tensor_proto::DataType::Float, dims, data.len(), raw)
    }

    /// A constant i64 tensor, row-major; returns its name.
    ///
    /// # Panics
    /// If `data` has another number of elements than `dims` say.
    pub fn ints(&mut self, name: &str, dims: &[usize], data: &[i64]) -> String {
        let raw = data.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.tensor(name, pb::tensor_proto::DataType::Int64, dims, data.len(), raw)
    }

    fn tensor(
        &mut self,
        name: &str,
        data_type: pb::tensor_proto::DataType,
        dims: &[usize],
        elements: usize,
        raw_data: Vec<u8>,
    ) -> String {
        assert_eq!(
            dims.iter().product::<usize>(),
            elements,
            "shape and data of tensor `{name}`"
        );
        self.graph.initializer.push(pb::TensorProto {
            name: name.into(),
            data_type: data_type as i32,
            dims: dims.iter().map(|&dim| dim as i64).collect(),
            raw_data,
            ..Default::default()
        });
        name.into()
    }

    /// A node; optional inputs are empty strings. Nodes must be added in the order of the data flow.
    pub fn node(&mut self, op: &str, inputs: &[&str], outputs: &[&str], attributes: &[(&str, Attribute)]) {
        use pb::attribute_proto::AttributeType;
        let texts = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        let attribute = attributes
            .iter()
            .map(|(name, value)| {
                let mut proto = pb::AttributeProto {
                    name: (*name).into(),
                    ..Default::default()
                };
                let kind = match value {
                    Attribute::Int(int) => {
                        proto.i = *int;
                        AttributeType::Int
                    }
                    Attribute::Ints(ints) => {
                        proto.ints.clone_from(ints);
                        AttributeType::Ints
                    }
                    Attribute::Float(float) => {
                        proto.f = *float;
                        AttributeType::Float
                    }
                    Attribute::Text(text) => {
                        proto.s = text.as_bytes().to_vec();
                        AttributeType::String
                    }
                };
                proto.r#type = kind as i32;
                proto
            })
            .collect();
        self.graph.node.push(pb::NodeProto {
            name: format!("{op}_{}", self.graph.node.len()),
            op_type: op.into(),
            input: texts(inputs),
            output: texts(outputs),
            attribute,
            ..Default::default()
        });
    }

    /// Declares a graph input of f32.
    pub fn input(&mut self, name: &str, dims: &[Dim]) {
        self.graph.input.push(value_info(name, dims));
    }

    /// Declares a graph output of f32.
    pub fn output(&mut self, name: &str, dims: &[Dim]) {
        self.graph.output.push(value_info(name, dims));
    }

    /// The finished file, with the contract in its metadata.
    pub fn finish(self, contract: &Contract) -> Vec<u8> {
        let metadata_props = contract
            .to_metadata()
            .into_iter()
            .map(|(key, value)| pb::StringStringEntryProto { key, value })
            .collect();
        pb::ModelProto {
            ir_version: self.ir_version,
            opset_import: vec![pb::OperatorSetIdProto {
                domain: String::new(),
                version: self.opset,
            }],
            producer_name: "affekt".into(),
            producer_version: env!("CARGO_PKG_VERSION").into(),
            graph: Some(self.graph),
            metadata_props,
            ..Default::default()
        }
        .encode_to_vec()
    }
}

fn is_onnx(domain: &str) -> bool {
    domain.is_empty() || domain == "ai.onnx"
}

/// Puts [`ADOPTED`] before all names, those of subgraphs included, so that they meet none of ours.
fn adopt_names(graph: &mut pb::GraphProto) -> Result<(), ModelError> {
    let rename = |name: &mut String| {
        // An empty name stands for an input that is left out.
        if !name.is_empty() {
            name.insert_str(0, ADOPTED);
        }
    };
    let values = graph.input.iter_mut().chain(&mut graph.output);
    values.for_each(|value| rename(&mut value.name));
    graph.initializer.iter_mut().for_each(|tensor| rename(&mut tensor.name));
    // Shapes of values in between are not needed, and may speak of a batch.
    graph.value_info.clear();
    for node in &mut graph.node {
        if !is_onnx(&node.domain) {
            return Err(ModelError::Graph {
                reason: format!(
                    "its node `{}` is an operator of `{}`, not of ONNX",
                    node.name, node.domain
                ),
            });
        }
        rename(&mut node.name);
        node.input.iter_mut().chain(&mut node.output).for_each(rename);
        for attribute in &mut node.attribute {
            for inner in attribute.graphs.iter_mut().chain(&mut attribute.g) {
                adopt_names(inner)?;
            }
        }
    }
    Ok(())
}

fn value_info(name: &str, dims: &[Dim]) -> pb::ValueInfoProto {
    use pb::tensor_shape_proto::{Dimension, dimension};
    let dim = dims
        .iter()
        .map(|dim| {
            let value = match *dim {
                Dim::Fixed(size) => dimension::Value::DimValue(size as i64),
                Dim::Dynamic(name) => dimension::Value::DimParam(name.into()),
            };
            Dimension {
                value: Some(value),
                ..Default::default()
            }
        })
        .collect();
    let tensor = pb::type_proto::Tensor {
        elem_type: pb::tensor_proto::DataType::Float as i32,
        shape: Some(pb::TensorShapeProto { dim }),
    };
    pb::ValueInfoProto {
        name: name.into(),
        r#type: Some(pb::TypeProto {
            value: Some(pb::type_proto::Value::TensorType(tensor)),
            ..Default::default()
        }),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_subgraphs_are_adopted_too() {
        let node = |inputs: &[&str], output: &str| pb::NodeProto {
            name: "node".into(),
            op_type: "Add".into(),
            input: inputs.iter().map(|&name| name.into()).collect(),
            output: vec![output.into()],
            ..Default::default()
        };
        let inner = pb::GraphProto {
            node: vec![node(&["outer", "", "own"], "result")],
            ..Default::default()
        };
        let mut branch = node(&["condition"], "chosen");
        branch.attribute.push(pb::AttributeProto {
            name: "then_branch".into(),
            g: Some(inner),
            ..Default::default()
        });
        let mut graph = pb::GraphProto {
            node: vec![branch],
            ..Default::default()
        };
        adopt_names(&mut graph).unwrap();
        let inner = graph.node[0].attribute[0].g.as_ref().unwrap();
        assert_eq!(graph.node[0].input, ["front_end/condition"]);
        assert_eq!(inner.node[0].input, ["front_end/outer", "", "front_end/own"]);
        assert_eq!(inner.node[0].output, ["front_end/result"]);
        graph.node[0].attribute[0].g.as_mut().unwrap().node[0].domain = "com.example".into();
        let error = adopt_names(&mut graph).unwrap_err();
        assert!(error.to_string().contains("com.example"), "{error}");
    }
}
