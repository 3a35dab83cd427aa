//! The audio thread does not allocate: the debug build of the plugin aborts the process if it does. A program of its
//! own, so that such an abort is seen for what it is.

use std::fs;

use affekt_tests::{
    bundle,
    host::{self, Format, Mode, Setup, Transport},
    signal::{Random, awkward, noise},
    vocal,
};

/// What nice-assert-no-alloc says when it finds an allocation: its presence tells that the module has the guard.
const GUARD: &[u8] = b"Memory allocation of ";

#[test]
fn processing_does_not_allocate() {
    let path = bundle::checked_module().unwrap_or_else(|error| panic!("{error}"));
    let bytes = fs::read(&path).unwrap();
    assert!(
        bytes.windows(GUARD.len()).any(|window| window == GUARD),
        "{} has no allocation guard: it must be a debug build with nice-plug's `assert_process_allocs`",
        path.display()
    );
    drop(bytes);

    let mut sound = vocal::read().unwrap().channels.remove(0);
    sound.extend(noise(1, 8_000, 0.8));
    sound.extend(awkward(8_000));
    sound.extend(vec![0.0; 8_000]);
    let mut messages = 0;
    for format in Format::ALL {
        let module = host::load(&path, format).unwrap();
        let plugin = module.scan().unwrap().remove(0);
        let mut instance = module.instantiate(&plugin.id).unwrap();
        for sample_rate_hz in [8_000.0, 16_000.0, 44_100.0, 48_000.0, 192_000.0] {
            for (max_block, channels) in [(64, 2), (512, 1), (8_192, 2)] {
                let setup = Setup {
                    sample_rate_hz,
                    max_block,
                    channels,
                    mode: Mode::Realtime,
                    in_place: false,
                };
                let mut random = Random::new(max_block as u64);
                let mut processor = instance.activate(&setup).unwrap();
                // Everything that can go out does, and the singer is being learned.
                let parameters = instance.parameters().unwrap();
                for parameter in parameters.iter().filter(|parameter| !parameter.read_only) {
                    let on = parameter.name.ends_with("CC on") || parameter.name.starts_with("Send");
                    if on || ["Learn this singer", "Align"].contains(&parameter.name.as_str()) {
                        processor.set_parameter(parameter.id, parameter.max);
                    }
                }
                let mut events = Vec::with_capacity(1 << 16);
                let mut position = 0;
                while position < sound.len() {
                    let frames = (1 + random.below(max_block)).min(sound.len() - position);
                    for input in &mut processor.buffers().input {
                        input[..frames].copy_from_slice(&sound[position..position + frames]);
                    }
                    processor
                        .process(frames, Transport::playing(position as u64), &mut events)
                        .unwrap();
                    messages += events.len();
                    events.clear();
                    position += frames;
                    if random.below(500) == 0 {
                        processor.reset();
                    }
                }
                instance.deactivate(processor).unwrap();
            }
        }
    }
    assert!(messages > 1_000, "only {messages} messages");
}
