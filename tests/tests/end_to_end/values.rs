//! What the plugin says of a voice.

use std::{
    thread,
    time::{Duration, Instant},
};

use affekt_models::automation::{CONTROL_TICK, RESULT_DELAY_S};
use affekt_tests::{
    host::{Format, HostCalls, Parameter, Transport},
    pass::{Pass, Reading, output_parameters, play, values, with_tail},
    signal::{Random, at_rate, noise},
};

use crate::common::{REST, VOCAL_RATE_HZ, instance, offline, realtime, vocal};

/// Largest distance of the settled emotions' sum from one: what is left of six steps that have nearly arrived, and the
/// model's own rounding.
const SUM_TOLERANCE: f64 = 2e-3;

/// Plays a vocal of one channel on a fresh instance, offline, with the silence that its last values need.
fn listen(format: Format, sound: &[f32], rate_hz: u32, blocks: impl FnMut() -> usize) -> Pass {
    let rate_hz = f64::from(rate_hz);
    let played = with_tail(&[sound], rate_hz);
    play(instance(format).as_mut(), &offline(rate_hz, 1, 8_192), &played, blocks).unwrap()
}

fn assert_in_range(reading: &Reading) {
    assert!(
        reading.values.iter().all(|value| (0.0..=1.0).contains(value)),
        "{reading:?}"
    );
}

fn assert_distribution(reading: &Reading) {
    assert_in_range(reading);
    let sum: f64 = reading.emotions().iter().sum();
    assert!((sum - 1.0).abs() < SUM_TOLERANCE, "{reading:?} sums to {sum}");
}

#[test]
fn the_vocal_moves_probabilities_that_sum_to_one() {
    for format in Format::ALL {
        let pass = listen(format, &vocal(60.0), VOCAL_RATE_HZ, || 512);
        let heard: Vec<&Reading> = pass.readings.iter().filter(|reading| reading.heard_voice()).collect();
        heard.iter().for_each(|reading| assert_in_range(reading));
        assert_distribution(pass.readings.last().unwrap());
        assert!(
            heard.len() * 10 > pass.readings.len() * 9,
            "{format}: voice was heard in {} blocks",
            heard.len()
        );
        let changes = heard.windows(2).filter(|pair| pair[0].values != pair[1].values).count();
        assert!(changes > 50, "{format}: only {changes} changes");
        let spread = |place: usize| {
            let values = || heard.iter().map(|reading| reading.values[place]);
            values().fold(0.0, f64::max) - values().fold(1.0, f64::min)
        };
        let widest = (0..6).map(spread).fold(0.0, f64::max);
        assert!(widest > 0.1, "{format}: no probability moves by more than {widest}");
    }
}

#[test]
fn both_formats_say_the_same() {
    let sound = at_rate(&vocal(6.0), VOCAL_RATE_HZ, 48_000);
    let [clap, vst3] = Format::ALL.map(|format| listen(format, &sound, 48_000, || 480));
    assert_eq!(clap.readings, vst3.readings);
}

/// Block sizes from `sizes`, cut so that a block ends at every multiple of `mark` frames.
fn cut_at(mark: usize, mut sizes: impl FnMut() -> usize) -> impl FnMut() -> usize {
    let mut place = 0;
    move || {
        let frames = sizes().min(mark - place % mark);
        place += frames;
        frames
    }
}

#[test]
fn an_offline_render_is_the_same_bit_for_bit_at_any_block_size() {
    // No multiple of the control tick, so that ticks fall anywhere in the blocks.
    const MARK: usize = 4_500;
    for rate_hz in [44_100, 48_000] {
        let sound = at_rate(&vocal(5.0), VOCAL_RATE_HZ, rate_hz);
        let at_marks = |blocks: &mut dyn FnMut() -> usize| -> Vec<Reading> {
            let pass = listen(Format::Clap, &sound, rate_hz, blocks);
            pass.readings
                .into_iter()
                .filter(|reading| reading.position % MARK as u64 == 0)
                .collect()
        };
        let reference = at_marks(&mut cut_at(MARK, || MARK));
        assert!(reference.len() > 50 && reference.iter().any(Reading::heard_voice));
        for size in [1, 17, 64, 512, 4_096] {
            assert_eq!(
                at_marks(&mut cut_at(MARK, || size)),
                reference,
                "blocks of {size} at {rate_hz} Hz"
            );
        }
        let mut random = Random::new(u64::from(rate_hz));
        assert_eq!(
            at_marks(&mut cut_at(MARK, || 1 + random.below(2_000))),
            reference,
            "random blocks at {rate_hz} Hz"
        );
        // Longer than the result delay: values only show at the ends of the blocks, but are the same there.
        let large = listen(Format::Clap, &sound, rate_hz, || 8_192);
        let small = listen(Format::Clap, &sound, rate_hz, || CONTROL_TICK as usize);
        for reading in &large.readings[..large.readings.len() - 1] {
            assert_eq!(
                Some(reading.values),
                small.values_at(reading.position),
                "blocks of 8192 at {rate_hz} Hz"
            );
        }
    }
}

#[test]
fn two_equal_channels_count_as_one() {
    let sound = vocal(4.0);
    let mono = listen(Format::Clap, &sound, VOCAL_RATE_HZ, || 512);
    let rate_hz = f64::from(VOCAL_RATE_HZ);
    let played = with_tail(&[&sound, &sound], rate_hz);
    let stereo = play(
        instance(Format::Clap).as_mut(),
        &offline(rate_hz, 2, 8_192),
        &played,
        || 512,
    )
    .unwrap();
    assert_eq!(stereo.readings, mono.readings);
}

#[test]
fn silence_is_no_emotion() {
    for format in Format::ALL {
        let pass = listen(format, &vec![0.0; 5 * VOCAL_RATE_HZ as usize], VOCAL_RATE_HZ, || 512);
        assert!(!pass.readings.iter().any(Reading::heard_voice), "{format}");
    }
}

#[test]
fn values_hold_in_a_pause() {
    let mut sound = vocal(2.4);
    sound.resize(sound.len() + 4 * VOCAL_RATE_HZ as usize, 0.0);
    let pass = listen(Format::Clap, &sound, VOCAL_RATE_HZ, || 512);
    // The pause, less what is still on its way when it begins: a window, the delay, and the values' own time.
    let pause = f64::from(VOCAL_RATE_HZ) * (2.4 + RESULT_DELAY_S + 1.2);
    let held: Vec<&Reading> = pass
        .readings
        .iter()
        .filter(|reading| reading.position as f64 > pause)
        .collect();
    assert!(held.len() > 70 && held[0].heard_voice());
    assert!(held.iter().all(|reading| reading.values == held[0].values));
}

#[test]
fn a_reset_forgets_and_the_next_pass_is_the_same() {
    let sound = vocal(3.0);
    let setup = offline(f64::from(VOCAL_RATE_HZ), 1, 512);
    for format in Format::ALL {
        let mut instance = instance(format);
        let ids = output_parameters(instance.as_mut()).unwrap();
        let first = play(instance.as_mut(), &setup, &[&sound], || 512).unwrap();
        let mut processor = instance.activate(&setup).unwrap();
        let mut events = Vec::new();
        for _ in 0..2 {
            processor.reset();
            assert_eq!(values(instance.as_mut(), &ids).unwrap(), REST, "{format}");
            for (number, block) in sound.chunks(512).enumerate() {
                processor.buffers().input[0][..block.len()].copy_from_slice(block);
                processor
                    .process(block.len(), Transport::playing(number as u64 * 512), &mut events)
                    .unwrap();
                let seen = values(instance.as_mut(), &ids).unwrap();
                assert_eq!(seen, first.readings[number].values, "{format}, block {number}");
            }
        }
        instance.deactivate(processor).unwrap();
    }
}

#[test]
fn nothing_is_ever_sent_to_the_host() {
    let mut sound = vocal(6.0);
    sound.extend(noise(6, VOCAL_RATE_HZ as usize, 0.2));
    for format in Format::ALL {
        for setup in [
            offline(f64::from(VOCAL_RATE_HZ), 1, 512),
            realtime(f64::from(VOCAL_RATE_HZ), 1, 512),
        ] {
            let mut instance = instance(format);
            let pass = play(instance.as_mut(), &setup, &[&sound], || 512).unwrap();
            assert_eq!(pass.events, [], "{format}, {:?}", setup.mode);
            assert_eq!(
                instance.host_calls(),
                HostCalls::default(),
                "{format}, {:?}",
                setup.mode
            );
        }
    }
}

#[test]
fn a_host_that_sets_a_read_only_parameter_changes_nothing() {
    let sound = vocal(3.0);
    let setup = offline(f64::from(VOCAL_RATE_HZ), 1, 512);
    for format in Format::ALL {
        let mut instance = instance(format);
        let ids = output_parameters(instance.as_mut()).unwrap();
        let happy = Parameter::find(&instance.parameters().unwrap(), "happy").unwrap();
        let reference = play(instance.as_mut(), &setup, &[&sound], || 512).unwrap();
        let mut processor = instance.activate(&setup).unwrap();
        let mut events = Vec::new();
        for (number, block) in sound.chunks(512).enumerate() {
            processor.set_parameter(happy, 0.875);
            processor.buffers().input[0][..block.len()].copy_from_slice(block);
            processor
                .process(block.len(), Transport::playing(number as u64 * 512), &mut events)
                .unwrap();
            let seen = values(instance.as_mut(), &ids).unwrap();
            assert_eq!(seen, reference.readings[number].values, "{format}, block {number}");
        }
        // A block without frames only hands over parameters.
        processor.set_parameter(happy, 0.875);
        processor.process(0, Transport::stopped(0), &mut events).unwrap();
        assert_eq!(
            values(instance.as_mut(), &ids).unwrap(),
            reference.last().unwrap(),
            "{format}"
        );
        instance.deactivate(processor).unwrap();
    }
}

#[test]
fn a_voice_played_in_real_time_is_heard_as_it_plays() {
    const BLOCK: usize = 512;
    // Much longer than an idle machine needs, which is about 0.7 s of sound.
    const PATIENCE: Duration = Duration::from_secs(20);
    let sound = vocal(60.0);
    let rate_hz = f64::from(VOCAL_RATE_HZ);
    for format in Format::ALL {
        let mut instance = instance(format);
        let ids = output_parameters(instance.as_mut()).unwrap();
        let mut processor = instance.activate(&realtime(rate_hz, 1, BLOCK)).unwrap();
        let mut events = Vec::new();
        let start = Instant::now();
        let mut position = 0;
        let heard = loop {
            // At the pace of the sound, as a host's driver would.
            let due = Duration::from_secs_f64(position as f64 / rate_hz);
            thread::sleep(due.saturating_sub(start.elapsed()));
            let block: Vec<f32> = sound
                .iter()
                .copied()
                .cycle()
                .skip(position % sound.len())
                .take(BLOCK)
                .collect();
            processor.buffers().input[0].copy_from_slice(&block);
            processor
                .process(BLOCK, Transport::playing(position as u64), &mut events)
                .unwrap();
            position += BLOCK;
            let reading = Reading {
                position: position as u64,
                values: values(instance.as_mut(), &ids).unwrap(),
            };
            if reading.heard_voice() || start.elapsed() > PATIENCE {
                break reading;
            }
        };
        assert_in_range(&heard);
        instance.deactivate(processor).unwrap();
    }
}
