//! What the plugin hands out to the rest of the session: parameter changes and MIDI controllers.

use affekt_models::automation::{CONTROL_TICK, OUTPUTS, Pass as ModelPass, Settings};
use affekt_models::timeline::Timeline;
use affekt_models::{Model, SHIPPED_MODEL};
use affekt_tests::{
    host::{Event, Format, Mode, Setup, Transport},
    pass::{Choice, Pass, choose, output_parameters, play_with, with_tail},
    signal::{Random, at_rate},
};

use crate::common::{VOCAL_RATE_HZ, instance, offline, vocal};

/// Parameter changes and all nine lanes.
const EVERYTHING: [Choice<'static>; 10] = [
    ("Send parameter changes", 1.0),
    ("Angry CC on", 1.0),
    ("Disgust CC on", 1.0),
    ("Fear CC on", 1.0),
    ("Happy CC on", 1.0),
    ("Neutral CC on", 1.0),
    ("Sad CC on", 1.0),
    ("Arousal CC on", 1.0),
    ("Valence CC on", 1.0),
    ("Confidence CC on", 1.0),
];

/// Plays a mono sound with everything on, and the silence in which the values settle.
fn render(format: Format, setup: &Setup, sound: &[f32], blocks: impl FnMut() -> usize) -> Pass {
    let played = with_tail(&[sound], setup.sample_rate_hz);
    play_with(instance(format).as_mut(), setup, &EVERYTHING, &played, blocks).unwrap()
}

fn offset(event: &Event) -> u32 {
    match event {
        Event::Parameter { offset, .. } | Event::Midi { offset, .. } | Event::Other { offset, .. } => *offset,
    }
}

/// Positions in the whole pass, places of outputs, and the bits of their values.
type Changes = Vec<(u64, usize, u64)>;
/// Positions in the whole pass, and MIDI's bytes.
type Controllers = Vec<(u64, [u8; 3])>;

/// Everything that was sent.
fn placed(pass: &Pass, ids: &[u32; 9]) -> (Changes, Controllers) {
    let (mut changes, mut controllers) = (Vec::new(), Vec::new());
    for (block, event) in &pass.events {
        let position = block + u64::from(offset(event));
        match event {
            Event::Parameter { id, value, .. } => {
                let place = ids.iter().position(|known| known == id).expect("only outputs are sent");
                changes.push((position, place, value.to_bits()));
            }
            Event::Midi { bytes, .. } => controllers.push((position, *bytes)),
            Event::Other { kind, .. } => panic!("an event of kind {kind}"),
        }
    }
    // Formats sort events of different kinds and parameters differently; what matters is what happens when.
    changes.sort_unstable();
    controllers.sort_unstable();
    (changes, controllers)
}

#[test]
fn nothing_is_sent_in_ten_minutes_unless_asked_for() {
    let take = vocal(60.0);
    let sound: Vec<f32> = take
        .iter()
        .copied()
        .cycle()
        .take(600 * VOCAL_RATE_HZ as usize)
        .collect();
    for format in Format::ALL {
        let setup = offline(f64::from(VOCAL_RATE_HZ), 1, 4_096);
        let pass = play_with(instance(format).as_mut(), &setup, &[], &[&sound], || 4_096).unwrap();
        assert!(pass.readings.last().unwrap().heard_voice(), "{format}");
        assert_eq!(pass.events, [], "{format}");
    }
}

#[test]
fn events_lie_in_their_blocks_in_order_not_too_often_and_end_at_the_values() {
    let sound = at_rate(&vocal(8.0), VOCAL_RATE_HZ, 48_000);
    for format in Format::ALL {
        for block in [64, 480, 8_192] {
            let setup = offline(48_000.0, 1, block);
            let mut instance = instance(format);
            let ids = output_parameters(instance.as_mut()).unwrap();
            let played = with_tail(&[&sound], 48_000.0);
            let pass = play_with(instance.as_mut(), &setup, &EVERYTHING, &played, || block).unwrap();
            let case = format!("{format}, blocks of {block}");
            // CLAP wants one order for everything; in VST3 every parameter has a list of its own.
            let mut last = std::collections::HashMap::new();
            for (start, event) in &pass.events {
                let frames = (block as u64).min(pass.frames - start);
                assert!(
                    u64::from(offset(event)) < frames,
                    "{case}: {event:?} in {frames} frames"
                );
                let list = match (format, event) {
                    (Format::Vst3, Event::Parameter { id, .. }) => Some(*id),
                    _ => None,
                };
                let position = start + u64::from(offset(event));
                let before = last.insert(list, position).unwrap_or(0);
                assert!(before <= position, "{case}: {event:?} after one at {before}");
            }
            let (changes, controllers) = placed(&pass, &ids);
            for (place, output) in OUTPUTS.into_iter().enumerate() {
                let times = changes.iter().filter(|change| change.1 == place).map(|change| change.0);
                assert_spaced(times.collect(), &format!("{case}, {output:?}"));
                let number = 70 + place as u8;
                let times = controllers
                    .iter()
                    .filter(|(_, bytes)| bytes[1] == number)
                    .map(|(time, _)| *time);
                assert_spaced(times.collect(), &format!("{case}, controller {number}"));
                let sent = changes.iter().rfind(|change| change.1 == place).unwrap().2;
                assert_eq!(
                    f64::from_bits(sent),
                    pass.last().unwrap()[place],
                    "{case}, {:?}",
                    OUTPUTS[place]
                );
            }
            assert!(changes.len() > 1_000, "{case}: only {} changes", changes.len());
            assert!(
                controllers.len() > 200,
                "{case}: only {} controllers",
                controllers.len()
            );
            assert!(
                controllers.iter().all(|(_, bytes)| bytes[0] == 0xB0 && bytes[2] < 128),
                "{case}"
            );
        }
    }
}

/// At 48 kHz no two messages within 10 ms.
fn assert_spaced(times: Vec<u64>, case: &str) {
    assert!(!times.is_empty(), "{case}");
    for pair in times.windows(2) {
        assert!(pair[1] - pair[0] >= 480, "{case}: {pair:?}");
    }
}

#[test]
fn a_bounce_is_the_same_bit_for_bit_at_any_block_size() {
    let mut ids = instance(Format::Clap);
    let ids = output_parameters(ids.as_mut()).unwrap();
    for rate_hz in [44_100, 48_000, 96_000] {
        let sound = at_rate(&vocal(3.0), VOCAL_RATE_HZ, rate_hz);
        let setup = offline(f64::from(rate_hz), 1, 4_096);
        let reference = render(Format::Clap, &setup, &sound, || CONTROL_TICK as usize);
        let messages = placed(&reference, &ids);
        assert!(messages.0.len() > 300 && messages.1.len() > 100);
        let mut random = Random::new(u64::from(rate_hz));
        let mut sizes = move || 1 + random.below(4_096);
        let renders = [1, 17, 512, 4_096]
            .map(|size| (format!("{size}"), render(Format::Clap, &setup, &sound, || size)))
            .into_iter()
            .chain([
                ("random".into(), render(Format::Clap, &setup, &sound, &mut sizes)),
                ("512, VST3".into(), render(Format::Vst3, &setup, &sound, || 512)),
            ]);
        for (name, pass) in renders {
            let case = format!("blocks of {name} at {rate_hz} Hz");
            assert!(placed(&pass, &ids) == messages, "{case}: other messages");
            for reading in &pass.readings {
                // Readings of blocks that end on a tick can be compared.
                if reading.position % CONTROL_TICK == 0 {
                    assert_eq!(Some(reading.values), reference.values_at(reading.position), "{case}");
                }
            }
            assert_eq!(pass.last(), reference.last(), "{case}");
        }
    }
}

#[test]
fn played_in_real_time_it_is_what_is_bounced() {
    let sound = at_rate(&vocal(3.0), VOCAL_RATE_HZ, 48_000);
    let bounce = render(Format::Clap, &offline(48_000.0, 1, 480), &sound, || 480);
    let played = with_tail(&[&sound], 48_000.0);
    let setup = Setup {
        mode: Mode::Realtime,
        ..offline(48_000.0, 1, 480)
    };
    // The machine may be busy; what is late is not the same, so such a run is tried again.
    for _ in 0..5 {
        let mut instance = instance(Format::Clap);
        let mut warm_up = instance.activate(&setup).unwrap();
        // The model loads with the first activation.
        for _ in 0..100 {
            warm_up.process(480, Transport::stopped(0), &mut Vec::new()).unwrap();
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        instance.deactivate(warm_up).unwrap();
        let start = std::time::Instant::now();
        let mut blocks = 0_u32;
        let pass = play_with(instance.as_mut(), &setup, &EVERYTHING, &played, || {
            let due = std::time::Duration::from_millis(10) * blocks;
            std::thread::sleep(due.saturating_sub(start.elapsed()));
            blocks += 1;
            480
        })
        .unwrap();
        if pass.events == bounce.events && pass.readings == bounce.readings {
            return;
        }
    }
    panic!("five passes in real time differ from the bounce");
}

#[test]
fn a_test_signal_goes_out_on_one_lane_for_midi_learn() {
    for format in Format::ALL {
        let setup = offline(48_000.0, 1, 512);
        let choices = [("Valence CC send test", 1.0), ("Valence CC channel", 1.0)];
        let silence = vec![0.0; 96_000];
        let pass = play_with(instance(format).as_mut(), &setup, &choices, &[&silence], || 512).unwrap();
        let values: Vec<u8> = pass
            .events
            .iter()
            .map(|(_, event)| match event {
                Event::Midi {
                    bytes: [0xBF, 77, value],
                    ..
                } => *value,
                other => panic!("{format}: {other:?}"),
            })
            .collect();
        assert!(values.len() > 100, "{format}: {} messages", values.len());
        assert!(
            values.contains(&0) && values.iter().any(|&value| value > 120),
            "{format}"
        );
    }
}

#[test]
fn lanes_go_out_as_they_are_set_up() {
    let setup = offline(f64::from(VOCAL_RATE_HZ), 1, 512);
    let choices = [
        ("Angry CC on", 1.0),
        ("Angry CC channel", 2.0 / 15.0),
        ("Angry CC number", 11.0 / 127.0),
        ("Angry CC minimum", 100.0 / 127.0),
        ("Angry CC maximum", 20.0 / 127.0),
    ];
    let sound = with_tail(&[vocal(4.0)], f64::from(VOCAL_RATE_HZ));
    for format in Format::ALL {
        let pass = play_with(instance(format).as_mut(), &setup, &choices, &sound, || 512).unwrap();
        let mut last = None;
        for (_, event) in &pass.events {
            let Event::Midi {
                bytes: [0xB2, 11, value],
                ..
            } = event
            else {
                panic!("{format}: {event:?}")
            };
            assert!((20..=100).contains(value), "{format}: {value}");
            last = Some(*value);
        }
        let angry = pass.last().unwrap()[0];
        assert_eq!(last, Some((100.0 - 80.0 * angry).round() as u8), "{format}");
    }
}

/// The gain that a host's fader has when messages set it, one value every 10 ms.
fn fader(messages: &[(u64, f64)], frames: u64, rate_hz: f64) -> Vec<f64> {
    let hundredth = rate_hz / 100.0;
    let mut messages = messages.iter().peekable();
    let mut gain = 0.0;
    (0..(frames as f64 / hundredth) as u64)
        .map(|n| {
            while let Some((_, value)) = messages.next_if(|(position, _)| *position as f64 <= n as f64 * hundredth) {
                gain = *value;
            }
            gain
        })
        .collect()
}

fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let mean = |x: &[f64]| x.iter().sum::<f64>() / x.len() as f64;
    let (mean_a, mean_b) = (mean(a), mean(b));
    let (mut both, mut only_a, mut only_b) = (0.0, 0.0, 0.0);
    for (a, b) in a.iter().zip(b) {
        both += (a - mean_a) * (b - mean_b);
        only_a += (a - mean_a).powi(2);
        only_b += (b - mean_b).powi(2);
    }
    both / (only_a * only_b).sqrt()
}

#[test]
fn an_effect_follows_the_voice() {
    let sound = vocal(15.0);
    let rate_hz = f64::from(VOCAL_RATE_HZ);
    // The curve that is captured: windows and readout, made here from the same recording.
    let mut model = Model::from_bytes(SHIPPED_MODEL).unwrap();
    let played = with_tail(&[&sound], rate_hz);
    let timeline = Timeline::of(&mut model, &played, rate_hz).unwrap();
    let captured = ModelPass::of_timeline(&timeline, rate_hz, 15.0, Settings::default()).curve();
    for format in Format::ALL {
        let pass = render(format, &offline(rate_hz, 1, 512), &sound, || 512);
        let angry = output_parameters(instance(format).as_mut()).unwrap()[0];
        let (mut by_parameter, mut by_controller) = (Vec::new(), Vec::new());
        for (block, event) in &pass.events {
            let position = block + u64::from(offset(event));
            match event {
                Event::Parameter { id, value, .. } if *id == angry => by_parameter.push((position, *value)),
                Event::Midi {
                    bytes: [_, 70, value], ..
                } => by_controller.push((position, f64::from(*value) / 127.0)),
                _ => (),
            }
        }
        for (way, messages) in [("parameter", by_parameter), ("controller", by_controller)] {
            // A second plugin: a fader on a steady sound of 1, whose output is its envelope.
            let envelope = fader(&messages, pass.frames, rate_hz);
            let curve: Vec<f64> = (0..envelope.len())
                .map(|n| {
                    let time_s = n as f64 / 100.0;
                    let next = captured.points.partition_point(|(at, _)| *at <= time_s);
                    captured.points[..next]
                        .last()
                        .map_or(0.0, |(_, values)| f64::from(values.emotions[0]))
                })
                .collect();
            let correlation = correlation(&envelope, &curve);
            assert!(correlation > 0.99, "{format}, by {way}: {correlation}");
        }
    }
}

#[test]
fn turning_it_off_again_ends_it() {
    for format in Format::ALL {
        let mut instance = instance(format);
        let setup = offline(f64::from(VOCAL_RATE_HZ), 1, 512);
        let mut processor = instance.activate(&setup).unwrap();
        choose(instance.as_mut(), processor.as_mut(), &EVERYTHING).unwrap();
        let sound = vocal(4.0);
        let mut counts = [0; 2];
        for (number, block) in sound.chunks_exact(512).enumerate() {
            let late = number >= 60;
            if number == 60 {
                let off = EVERYTHING.map(|(name, _)| (name, 0.0));
                choose(instance.as_mut(), processor.as_mut(), &off).unwrap();
            }
            processor.buffers().input[0].copy_from_slice(block);
            let mut events = Vec::new();
            processor
                .process(512, Transport::playing(number as u64 * 512), &mut events)
                .unwrap();
            counts[usize::from(late)] += events.len();
        }
        instance.deactivate(processor).unwrap();
        assert!(counts[0] > 50 && counts[1] == 0, "{format}: {counts:?}");
    }
}
