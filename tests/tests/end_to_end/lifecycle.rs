//! Making, destroying and running several instances.

use std::thread;

use affekt_tests::{
    host::{Format, Transport},
    pass::{Pass, Reading, play, with_tail},
    signal::noise,
};

use crate::common::{VOCAL_RATE_HZ, bits, instance, module, offline, realtime, vocal};

fn listen(format: Format, sound: &[f32]) -> Pass {
    let rate_hz = f64::from(VOCAL_RATE_HZ);
    play(
        instance(format).as_mut(),
        &offline(rate_hz, 1, 512),
        &with_tail(&[sound], rate_hz),
        || 512,
    )
    .unwrap()
}

#[test]
fn two_instances_on_two_threads_do_not_hear_each_other() {
    let sound = vocal(5.0);
    let silence = vec![0.0; sound.len()];
    for format in Format::ALL {
        let alone = listen(format, &sound);
        let (together, quiet) = thread::scope(|scope| {
            let voice = scope.spawn(|| listen(format, &sound));
            let quiet = scope.spawn(|| listen(format, &silence));
            (voice.join().unwrap(), quiet.join().unwrap())
        });
        assert_eq!(together.readings, alone.readings, "{format}");
        assert!(!quiet.readings.iter().any(Reading::heard_voice), "{format}");
    }
}

#[test]
fn instances_of_both_formats_live_side_by_side() {
    let sound = vocal(3.0);
    let alone = listen(Format::Clap, &sound);
    let passes = thread::scope(|scope| {
        let threads = Format::ALL.map(|format| {
            scope.spawn({
                let sound = &sound;
                move || listen(format, sound)
            })
        });
        threads.map(|thread| thread.join().unwrap())
    });
    for pass in passes {
        assert_eq!(pass.readings, alone.readings);
    }
}

#[test]
fn many_instances_in_turn_keep_their_own_sound() {
    const INSTANCES: usize = 12;
    let sound = vocal(2.0);
    for format in Format::ALL {
        let module = module(format);
        let plugin = module.scan().unwrap().remove(0);
        let mut running: Vec<_> = (0..INSTANCES)
            .map(|_| {
                let mut instance = module.instantiate(&plugin.id).unwrap();
                let processor = instance.activate(&realtime(f64::from(VOCAL_RATE_HZ), 1, 256)).unwrap();
                (instance, processor)
            })
            .collect();
        let mut events = Vec::new();
        for start in (0..sound.len() - 256 * INSTANCES).step_by(256) {
            for (number, (_, processor)) in running.iter_mut().enumerate() {
                let block = &sound[start + number * 256..][..256];
                processor.buffers().input[0].copy_from_slice(block);
                processor
                    .process(256, Transport::playing(start as u64), &mut events)
                    .unwrap();
                assert!(
                    bits(&processor.buffers().output[0]) == bits(block),
                    "{format}, instance {number}"
                );
            }
        }
        // In another order than they were made in.
        for (mut instance, processor) in running.into_iter().rev() {
            instance.deactivate(processor).unwrap();
        }
    }
}

#[test]
fn destroying_while_the_worker_is_busy() {
    let sound = vocal(2.0);
    for format in Format::ALL {
        for round in 0..20 {
            let mut instance = instance(format);
            let mut processor = instance
                .activate(&realtime(f64::from(VOCAL_RATE_HZ), 1, 8_192))
                .unwrap();
            let mut events = Vec::new();
            // All at once: the worker has seconds of sound before it.
            for block in sound.chunks(8_192) {
                processor.buffers().input[0][..block.len()].copy_from_slice(block);
                processor
                    .process(block.len(), Transport::playing(0), &mut events)
                    .unwrap();
            }
            match round % 3 {
                0 => instance.deactivate(processor).unwrap(),
                // A host that crashes through its own shutdown order.
                1 => drop(processor),
                _ => {
                    processor.reset();
                    instance.deactivate(processor).unwrap();
                }
            }
            drop(instance);
        }
    }
}

#[test]
fn making_and_destroying_again_and_again() {
    for format in Format::ALL {
        for round in 0..40 {
            // The module is loaded and unloaded each time, too.
            let mut instance = instance(format);
            if round % 4 == 0 {
                let processor = instance.activate(&realtime(48_000.0, 2, 512)).unwrap();
                instance.deactivate(processor).unwrap();
            }
        }
        // And it still works.
        assert!(
            listen(format, &vocal(2.0)).readings.last().unwrap().heard_voice(),
            "{format}"
        );
    }
}

#[test]
fn one_instance_can_be_activated_for_other_rates_and_blocks() {
    for format in Format::ALL {
        let mut instance = instance(format);
        for (rate_hz, channels, max_block) in [
            (48_000.0, 2, 512),
            (8_000.0, 1, 8_192),
            (192_000.0, 2, 32),
            (44_100.0, 1, 1),
            (768_000.0, 2, 4_096),
        ] {
            let mut processor = instance.activate(&offline(rate_hz, channels, max_block)).unwrap();
            let mut events = Vec::new();
            let block = noise(7, max_block, 0.5);
            for _ in 0..20 {
                for input in &mut processor.buffers().input {
                    input.copy_from_slice(&block);
                }
                processor
                    .process(max_block, Transport::stopped(0), &mut events)
                    .unwrap();
                for output in &processor.buffers().output {
                    assert!(bits(output) == bits(&block), "{format} at {rate_hz} Hz");
                }
            }
            instance.deactivate(processor).unwrap();
        }
    }
}

#[test]
fn rates_that_cannot_be_analysed_still_pass_the_sound() {
    for format in Format::ALL {
        let mut instance = instance(format);
        for rate_hz in [1_000.0, 1_000_000.0] {
            let sound = vec![noise(8, 5_000, 0.5); 2];
            let pass = play(instance.as_mut(), &offline(rate_hz, 2, 512), &sound, || 512).unwrap();
            for (output, input) in pass.output.iter().zip(&sound) {
                assert!(bits(output) == bits(input), "{format} at {rate_hz} Hz");
            }
            assert!(
                !pass.readings.iter().any(Reading::heard_voice),
                "{format} at {rate_hz} Hz"
            );
        }
        // The next activation hears again.
        let pass = play(
            instance.as_mut(),
            &offline(f64::from(VOCAL_RATE_HZ), 1, 512),
            &[vocal(2.0)],
            || 512,
        )
        .unwrap();
        assert!(pass.readings.last().unwrap().heard_voice(), "{format}");
    }
}
