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
                assert_eq!(instance.latency(), 0, "{case}: before the restart");
                assert_eq!(instance.host_calls().restarts > restarts, seconds > 0.0, "{case}");
                instance.deactivate(processor).unwrap();

                // The restart that it asked for.
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
