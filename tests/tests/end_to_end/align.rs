//! The sound waits for the automation: exactly as long as the plugin says.

use affekt_tests::{
    host::{Format, Transport},
    pass::{choose, play},
    signal::{awkward, noise},
};

use crate::common::{bits, instance, offline};

#[test]
fn the_sound_comes_as_much_later_as_reported_and_otherwise_as_it_was() {
    for format in Format::ALL {
        for rate_hz in [44_100.0, 96_000.0] {
            for (place, seconds) in [(1.0, 0.25), (2.0, 0.5), (3.0, 1.0), (0.0, 0.0)] {
                let case = format!("{format}, {seconds} s at {rate_hz} Hz");
                let setup = offline(rate_hz, 2, 512);
                let mut instance = instance(format);
                let mut processor = instance.activate(&setup).unwrap();
                choose(instance.as_mut(), processor.as_mut(), &[("Align", place / 3.0)]).unwrap();
                let restarts = instance.host_calls().restarts;
                processor.process(512, Transport::stopped(0), &mut Vec::new()).unwrap();
                instance.idle();
                let at_once = match format {
                    Format::Vst3 => (seconds * rate_hz) as usize,
                    Format::Clap => 0,
                };
                assert_eq!(instance.latency(), at_once, "{case}: before the restart");
                assert_eq!(instance.host_calls().restarts > restarts, seconds > 0.0, "{case}");
                instance.deactivate(processor).unwrap();

                // After a restart, for which it asked in CLAP.
                let frames = (1.5 * rate_hz) as usize;
                let sound = vec![noise(1, frames, 0.9), awkward(frames)];
                let latency = (seconds * rate_hz) as usize;
                let played: Vec<Vec<f32>> = sound
                    .iter()
                    .map(|channel| [channel.as_slice(), &vec![0.0; latency]].concat())
                    .collect();
                let pass = play(instance.as_mut(), &setup, &played, || 500).unwrap();
                assert_eq!(instance.latency(), latency, "{case}");
                for (output, input) in pass.output.iter().zip(&sound) {
                    assert!(output[..latency].iter().all(|sample| sample.to_bits() == 0), "{case}");
                    assert!(bits(&output[latency..]) == bits(input), "{case}");
                }
            }
        }
    }
}

#[test]
fn vst3_takes_over_another_delay_while_sound_runs() {
    let (block, changed, later) = (512, 40 * 512, 12_000);
    let mut instance = instance(Format::Vst3);
    let mut processor = instance.activate(&offline(48_000.0, 2, block)).unwrap();
    let sound = noise(1, 3 * changed, 0.9);
    let mut heard = Vec::new();
    for start in (0..sound.len()).step_by(block) {
        if start == changed {
            choose(instance.as_mut(), processor.as_mut(), &[("Align", 1.0 / 3.0)]).unwrap();
        }
        for input in &mut processor.buffers().input {
            input.copy_from_slice(&sound[start..start + block]);
        }
        processor
            .process(block, Transport::playing(start as u64), &mut Vec::new())
            .unwrap();
        heard.extend_from_slice(&processor.buffers().output[0]);
    }
    instance.idle();
    assert_eq!(instance.latency(), later);
    assert!(bits(&heard[..changed]) == bits(&sound[..changed]));
    assert!(bits(&heard[changed..]) == bits(&sound[changed - later..sound.len() - later]));
    instance.deactivate(processor).unwrap();
}
