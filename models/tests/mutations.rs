//! Damaged model files end as error values or as models that run: nothing panics through, nothing aborts.
//!
//! These run on tract, which is in the process itself.

mod common;

use affekt_models::graph::Graph;
use affekt_models::{Contract, FrontEndInput, FrontEndModel, Model, ModelError, WAVEFORM};
use common::{Random, TINY};
use proptest::prelude::*;
use tract_onnx::pb;

/// Loads, and runs what loads: whatever comes is fine as long as it comes back.
fn try_out(onnx: &[u8]) -> Result<(), ModelError> {
    let mut model = Model::from_bytes(onnx)?;
    let width = model.contract().frame_width();
    for frames in [1, 57, model.contract().window_frames] {
        if let Ok(prediction) = model.run(&common::window(frames, width, 3)) {
            assert!(
                prediction
                    .probabilities
                    .iter()
                    .chain(&prediction.logits)
                    .all(|value| value.is_finite())
            );
            assert!((prediction.probabilities.iter().sum::<f32>() - 1.0).abs() < 2e-3);
        }
    }
    Ok(())
}

/// Panics that are caught on the way are expected here, in hundreds: keep them out of the output.
fn quietly<T>(work: impl FnOnce() -> T) -> T {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if panic
                .location()
                .is_some_and(|location| location.file().contains("affekt") || location.file().starts_with("models"))
            {
                before(panic);
            }
        }));
    });
    work()
}

/// Every integer that steers a graph: attributes, dimensions, and constant sizes.
fn integers(graph: &mut pb::GraphProto) -> Vec<&mut i64> {
    let attributes = graph.node.iter_mut().flat_map(|node| &mut node.attribute);
    let mut all: Vec<&mut i64> = attributes
        .flat_map(|attribute| attribute.ints.iter_mut().chain([&mut attribute.i]))
        .collect();
    all.extend(graph.initializer.iter_mut().flat_map(|tensor| &mut tensor.dims));
    all
}

#[test]
fn every_truncation_is_refused() {
    let onnx = common::model(TINY, 1);
    for length in 0..onnx.len() {
        assert!(
            Contract::read(&onnx[..length]).is_err(),
            "{length} of {} bytes",
            onnx.len()
        );
    }
    quietly(|| {
        for length in (0..onnx.len()).step_by(97) {
            assert!(try_out(&onnx[..length]).is_err(), "{length} of {} bytes", onnx.len());
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn bytes_may_be_changed(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let mut onnx = common::model(TINY, 1);
        for (place, byte) in changes {
            let place = place.index(onnx.len());
            onnx[place] = byte;
        }
        let _ = quietly(|| try_out(&onnx));
    }

    #[test]
    fn bytes_of_a_waveform_model_may_be_changed(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let mut onnx = common::waveform_model(1);
        for (place, byte) in changes {
            let place = place.index(onnx.len());
            onnx[place] = byte;
        }
        let _ = quietly(|| try_out(&onnx));
    }

    #[test]
    fn bytes_of_a_front_end_may_be_changed(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let mut onnx = common::front_end(1, 17);
        for (place, byte) in changes {
            let place = place.index(onnx.len());
            onnx[place] = byte;
        }
        let _ = quietly(|| FrontEndModel::from_bytes(&onnx, FrontEndInput::Waveform, None, 8_000, 16_000));
        let mut graph = Graph::new();
        let _ = quietly(|| graph.adopt(&onnx, FrontEndInput::Waveform, None, common::EMBEDDING, WAVEFORM, "rows"));
    }

    #[test]
    fn bits_may_flip(place in any::<prop::sample::Index>(), bit in 0..8_u32) {
        let mut onnx = common::model(TINY, 1);
        let place = place.index(onnx.len());
        onnx[place] ^= 1_u8 << bit;
        let _ = quietly(|| try_out(&onnx));
    }

    #[test]
    fn bytes_may_be_lost_doubled_or_moved(from in any::<prop::sample::Index>(), length in 1..40_usize, to in any::<prop::sample::Index>()) {
        let mut onnx = common::model(TINY, 1);
        let from = from.index(onnx.len());
        let cut: Vec<u8> = onnx.splice(from..(from + length).min(onnx.len()), []).collect();
        let _ = quietly(|| try_out(&onnx));
        let to = to.index(onnx.len());
        onnx.splice(to..to, cut);
        let _ = quietly(|| try_out(&onnx));
    }

    #[test]
    fn sizes_may_be_nonsense(seed in any::<u64>(), value in prop::sample::select(vec![
        0, 1, 2, 3, 7, -1, -2, -7, 1 << 10, 1 << 16, 1 << 20, -(1 << 20), 1 << 31, 1 << 62, i64::MAX, i64::MIN,
    ])) {
        let onnx = common::with_graph(&common::model(TINY, 1), |graph| {
            let mut integers = integers(graph);
            let place = seed as usize % integers.len();
            *integers[place] = value;
        });
        let _ = quietly(|| try_out(&onnx));
    }

    #[test]
    fn graphs_may_be_wired_wrongly(seed in any::<u64>()) {
        let mut random = Random(seed);
        let mut pick = |count: usize| (random.next(0.499) * count as f32 + count as f32 / 2.0) as usize % count;
        let onnx = common::with_graph(&common::model(TINY, 1), |graph| {
            let names: Vec<String> = graph.node.iter().flat_map(|node| node.input.iter().chain(&node.output)).cloned().collect();
            let kinds: Vec<String> = graph.node.iter().map(|node| node.op_type.clone()).collect();
            let node = pick(graph.node.len());
            match pick(4) {
                0 => {
                    let inputs = &mut graph.node[node].input;
                    let place = pick(inputs.len());
                    inputs[place].clone_from(&names[pick(names.len())]);
                }
                1 => graph.node[node].op_type.clone_from(&kinds[pick(kinds.len())]),
                2 => graph.node[node].output[0].clone_from(&names[pick(names.len())]),
                _ => drop(graph.node[node].input.pop()),
            }
        });
        let _ = quietly(|| try_out(&onnx));
    }

    #[test]
    fn anything_may_be_handed_in(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(try_out(&bytes).is_err());
    }
}
