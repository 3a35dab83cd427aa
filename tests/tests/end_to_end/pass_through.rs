//! The sound passes untouched, bit for bit, whatever it is and however it comes.

use affekt_tests::{
    host::{Format, Instance, Mode, Setup, Transport},
    signal::{Random, awkward, noise},
};

use crate::common::{bits, instance, offline, realtime};

/// Plays `channels` in blocks of the sizes that `blocks` gives, and checks every sample that comes out.
fn assert_untouched(
    instance: &mut dyn Instance,
    setup: &Setup,
    channels: &[Vec<f32>],
    mut blocks: impl FnMut() -> usize,
    case: &str,
) {
    let mut processor = instance.activate(setup).unwrap();
    let mut events = Vec::new();
    let mut start = 0;
    while start < channels[0].len() {
        let frames = blocks().min(channels[0].len() - start);
        for (into, from) in processor.buffers().input.iter_mut().zip(channels) {
            into[..frames].copy_from_slice(&from[start..start + frames]);
        }
        processor
            .process(frames, Transport::playing(start as u64), &mut events)
            .unwrap();
        for (number, (output, input)) in processor.buffers().output.iter().zip(channels).enumerate() {
            assert!(
                bits(&output[..frames]) == bits(&input[start..start + frames]),
                "{case}: channel {number} differs in the block of {frames} from sample {start} on"
            );
        }
        start += frames;
    }
    assert!(events.is_empty(), "{case}: {events:?}");
    instance.deactivate(processor).unwrap();
}

fn stereo_noise(frames: usize) -> Vec<Vec<f32>> {
    vec![noise(1, frames, 0.9), noise(2, frames, 0.3)]
}

#[test]
fn at_every_block_size() {
    for format in Format::ALL {
        let mut instance = instance(format);
        for max_block in [1, 17, 64, 512, 4_096, 8_192] {
            let sound = stereo_noise((max_block * 5).clamp(2_000, 40_960));
            for channels in [1, 2] {
                let setup = offline(48_000.0, channels, max_block);
                let case = format!("{format}, {channels} channels, blocks of {max_block}");
                assert_untouched(instance.as_mut(), &setup, &sound[..channels], || max_block, &case);
            }
        }
    }
}

#[test]
fn at_random_block_sizes_none_and_the_largest_included() {
    const MAX_BLOCK: usize = 8_192;
    for format in Format::ALL {
        let mut instance = instance(format);
        for seed in 0..3 {
            let mut random = Random::new(seed);
            let sizes = move || match random.below(8) {
                0 => 0,
                1 => 1,
                2 => MAX_BLOCK,
                // Small sizes as likely as large ones.
                _ => {
                    let magnitude = 1 + random.below(13);
                    random.below(1 << magnitude)
                }
            };
            let setup = offline(44_100.0, 2, MAX_BLOCK);
            assert_untouched(
                instance.as_mut(),
                &setup,
                &stereo_noise(44_100),
                sizes,
                &format!("{format}, seed {seed}"),
            );
        }
    }
}

#[test]
fn at_every_rate_offline_and_in_real_time() {
    for format in Format::ALL {
        let mut instance = instance(format);
        for rate_hz in [
            8_000.0, 16_000.0, 22_050.0, 44_100.0, 48_000.0, 88_200.0, 96_000.0, 192_000.0,
        ] {
            for setup in [offline(rate_hz, 2, 512), realtime(rate_hz, 2, 512)] {
                let sound = stereo_noise((rate_hz / 4.0) as usize);
                let case = format!("{format}, {rate_hz} Hz, {:?}", setup.mode);
                assert_untouched(instance.as_mut(), &setup, &sound, || 512, &case);
            }
        }
    }
}

#[test]
fn when_input_and_output_are_the_same_memory() {
    for format in Format::ALL {
        let mut instance = instance(format);
        for channels in [1, 2] {
            let setup = Setup {
                in_place: true,
                ..offline(48_000.0, channels, 512)
            };
            let case = format!("{format}, {channels} channels in place");
            assert_untouched(
                instance.as_mut(),
                &setup,
                &stereo_noise(20_000)[..channels],
                || 480,
                &case,
            );
        }
    }
}

#[test]
fn numbers_that_break_careless_code() {
    for format in Format::ALL {
        let mut instance = instance(format);
        for mode in [Mode::Offline, Mode::Realtime] {
            let setup = Setup {
                mode,
                ..offline(48_000.0, 2, 512)
            };
            let sound = vec![awkward(48_000), awkward(48_001)[1..].to_vec()];
            assert_untouched(
                instance.as_mut(),
                &setup,
                &sound,
                || 512,
                &format!("{format}, {mode:?}"),
            );
        }
    }
}
