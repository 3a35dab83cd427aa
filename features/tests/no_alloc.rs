//! Nothing on the audio thread's way allocates. An allocation aborts the whole test program.

use affekt_features::{Extractor, FeatureSpec, LogMel, Session, VoiceGate, WindowStream};
use assert_no_alloc::assert_no_alloc;

#[global_allocator]
static ALLOCATOR: assert_no_alloc::AllocDisabler = assert_no_alloc::AllocDisabler;

#[test]
fn pushing_and_resetting_does_not_allocate() {
    let spec = FeatureSpec::standard();
    for rate_hz in [
        8_000.0, 11_025.0, 16_000.0, 44_100.0, 47_999.5, 48_000.0, 192_000.0, 768_000.0,
    ] {
        let mut extractor = Extractor::new(&spec, rate_hz).unwrap();
        let mut windows = WindowStream::new(&spec, 60, 10, Session::new(&spec).unwrap()).unwrap();
        let left: Vec<f32> = (0..rate_hz as usize).map(|n| (n as f32 * 0.03).sin()).collect();
        let mut right = left.clone();
        right[1000] = f32::NAN;
        let mut count = 0;
        assert_no_alloc(|| {
            for _ in 0..2 {
                let mut start = 0;
                for block in [1, 64, 441, 512, 8192].into_iter().cycle() {
                    let end = left.len().min(start + block);
                    extractor.push(&[&left[start..end], &right[start..end]], |frame| {
                        count += windows.push(frame).map_or(0, |window| window.frames);
                    });
                    start = end;
                    if start == left.len() {
                        break;
                    }
                }
                extractor.reset();
                windows.reset();
            }
        });
        assert!(count > 500, "{rate_hz} Hz: {count} frames in windows");
    }
}

#[test]
fn the_parts_do_not_allocate() {
    let spec = FeatureSpec::standard();
    let mut log_mel = LogMel::new(&spec).unwrap();
    let mut gate = VoiceGate::new(spec.hop_s());
    let samples = [0.25; 512];
    let mut bands = [0.0; 64];
    let voiced = assert_no_alloc(|| {
        let level = log_mel.process(&samples, &mut bands);
        (0..2000).filter(|_| gate.push(level)).count()
    });
    assert_eq!(voiced, 0, "a constant has no level above 80 Hz that a voice would have");
}
