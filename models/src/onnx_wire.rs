//! Counts the entries of an ONNX file on the wire, before it is decoded: two bytes of an empty message become some
//! hundred bytes in memory, so that a file of the accepted size could fill any memory.
//!
//! Format: <https://protobuf.dev/programming-guides/encoding/>; field numbers: onnx.proto of ONNX 1.15.

/// Most entries (messages, texts, lists) of a model file; a wav2vec 2.0 export has about 40 000.
const MAX_ENTRIES: usize = 400_000;

/// The messages whose entries are counted. Those of other kinds count as one.
#[derive(Clone, Copy)]
enum Message {
    Model,
    Graph,
    Node,
    Attribute,
    Tensor,
}

impl Message {
    /// What a field of this message holds, if that is a message with entries of its own.
    fn child(self, field: u64) -> Option<Self> {
        match (self, field) {
            (Self::Model, 7) => Some(Self::Graph),
            (Self::Graph, 1) => Some(Self::Node),
            (Self::Graph, 5) => Some(Self::Tensor),
            (Self::Node, 5) => Some(Self::Attribute),
            (Self::Attribute, 5 | 10) => Some(Self::Tensor),
            (Self::Attribute, 6 | 11) => Some(Self::Graph),
            _ => None,
        }
    }
}

/// Whether the file has no more entries than are accepted. What is damaged counts as far as it can be read: the
/// decoder says what is wrong with it.
pub(crate) fn is_bounded(onnx: &[u8]) -> bool {
    let mut entries = 0_usize;
    // A stack of its own rather than recursion: nothing bounds the depth yet.
    let mut open = vec![(Message::Model, onnx)];
    while let Some((message, mut bytes)) = open.pop() {
        while let Some((field, content)) = next_field(&mut bytes) {
            entries += 1;
            if entries > MAX_ENTRIES {
                return false;
            }
            if let Some(child) = message.child(field) {
                open.push((child, content));
            }
        }
    }
    true
}

/// Takes one field off the front: its number, and its content if that has a length of its own.
fn next_field<'a>(bytes: &mut &'a [u8]) -> Option<(u64, &'a [u8])> {
    let key = varint(bytes)?;
    let length = match key & 7 {
        0 => {
            varint(bytes)?;
            0
        }
        1 => 8,
        2 => usize::try_from(varint(bytes)?).ok()?,
        5 => 4,
        _ => return None,
    };
    let (content, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some((key >> 3, content))
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let length = 1 + bytes.iter().take(10).position(|byte| byte & 0x80 == 0)?;
    let (digits, rest) = bytes.split_at(length);
    *bytes = rest;
    Some(
        digits
            .iter()
            .rev()
            .fold(0, |value, byte| value << 7 | u64::from(byte & 0x7F)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;

    #[test]
    fn a_model_of_full_size_is_bounded() {
        assert!(is_bounded(&samples::model(samples::FULL, 1)));
    }

    #[test]
    fn more_nodes_than_accepted_are_seen_before_decoding() {
        // A graph of empty nodes: two bytes each.
        let nodes = [0x0A, 0x00].repeat(MAX_ENTRIES);
        let mut file = vec![0x3A];
        let mut length = nodes.len();
        while length >= 0x80 {
            file.push(length as u8 | 0x80);
            length >>= 7;
        }
        file.push(length as u8);
        file.extend(&nodes);
        assert!(!is_bounded(&file));
    }

    #[test]
    fn the_depth_does_not_matter() {
        // Length 1 << 35 in every message: nothing can be read, nothing is allocated.
        assert!(is_bounded(&[0x3A, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01]));
        // Graph in attribute in node in graph …, each of them the rest of the file.
        let mut file: Vec<u8> = Vec::new();
        for _ in 0..2_000 {
            for field in [6_u8, 5, 1] {
                let mut wrapped = vec![field << 3 | 2];
                let mut length = file.len();
                while length >= 0x80 {
                    wrapped.push(length as u8 | 0x80);
                    length >>= 7;
                }
                wrapped.push(length as u8);
                wrapped.extend(&file);
                file = wrapped;
            }
        }
        assert!(is_bounded(&file));
    }
}
