//! Saving and loading.

use affekt_tests::{
    host::{Format, Instance, Transport},
    pass::{output_parameters, play, values, with_tail},
    signal::{Random, noise},
};

use crate::common::{REST, VOCAL_RATE_HZ, bits, instance, offline, vocal};

/// Plays a moment of noise, and checks that the sound passes and the values are numbers.
fn assert_alive(instance: &mut dyn Instance, case: &str) {
    let sound = vec![noise(3, 4_096, 0.5), noise(4, 4_096, 0.5)];
    let pass = play(instance, &offline(48_000.0, 2, 512), &sound, || 512).unwrap();
    for (output, input) in pass.output.iter().zip(&sound) {
        assert!(bits(output) == bits(input), "{case}");
    }
    assert!(
        pass.last().unwrap().iter().all(|value| (0.0..=1.0).contains(value)),
        "{case}"
    );
}

#[test]
fn a_loaded_state_saves_as_the_same_bytes() {
    for format in Format::ALL {
        let saved = instance(format).save().unwrap();
        assert!(!saved.is_empty(), "{format}");
        let mut other = instance(format);
        other.restore(&saved).unwrap();
        assert_eq!(other.save().unwrap(), saved, "{format}");
        assert_alive(other.as_mut(), &format.to_string());
    }
}

#[test]
fn what_was_heard_is_no_part_of_the_state() {
    for format in Format::ALL {
        let mut instance = instance(format);
        let before = instance.save().unwrap();
        let sound = with_tail(&[vocal(3.0)], f64::from(VOCAL_RATE_HZ));
        let pass = play(
            instance.as_mut(),
            &offline(f64::from(VOCAL_RATE_HZ), 1, 512),
            &sound,
            || 512,
        )
        .unwrap();
        assert!(pass.readings.last().unwrap().heard_voice(), "{format}");
        assert_eq!(instance.save().unwrap(), before, "{format}");
    }
}

#[test]
fn saving_and_loading_while_playing_changes_nothing_that_is_heard() {
    for format in Format::ALL {
        let mut instance = instance(format);
        let ids = output_parameters(instance.as_mut()).unwrap();
        let sound = vocal(4.0);
        let setup = offline(f64::from(VOCAL_RATE_HZ), 1, 512);
        let reference = play(instance.as_mut(), &setup, &[&sound], || 512).unwrap();

        let saved = instance.save().unwrap();
        let mut processor = instance.activate(&setup).unwrap();
        let mut events = Vec::new();
        for (number, block) in sound.chunks(512).enumerate() {
            processor.buffers().input[0][..block.len()].copy_from_slice(block);
            processor
                .process(block.len(), Transport::playing(number as u64 * 512), &mut events)
                .unwrap();
            assert!(
                bits(&processor.buffers().output[0][..block.len()]) == bits(block),
                "{format}, block {number}"
            );
            if number % 20 == 19 {
                assert_eq!(instance.save().unwrap(), saved, "{format}, block {number}");
            }
        }
        assert_eq!(
            values(instance.as_mut(), &ids).unwrap(),
            reference.last().unwrap(),
            "{format}"
        );
        instance.deactivate(processor).unwrap();
    }
}

#[test]
fn a_state_that_claims_emotions_does_not_show_them() {
    for format in Format::ALL {
        let mut instance = instance(format);
        let saved = String::from_utf8_lossy(&instance.save().unwrap()).into_owned();
        // CLAP's state starts with its length in eight bytes.
        let start = saved.find('{').unwrap();
        let mut state: serde_json::Value = serde_json::from_str(&saved[start..]).unwrap();
        state["params"]["angry"] = serde_json::json!({ "f32": 0.75 });
        let json = state.to_string().into_bytes();
        let forged = match format {
            Format::Clap => [&(json.len() as u64).to_le_bytes(), json.as_slice()].concat(),
            Format::Vst3 => json,
        };
        instance.restore(&forged).unwrap();
        let ids = output_parameters(instance.as_mut()).unwrap();
        assert_eq!(values(instance.as_mut(), &ids).unwrap(), REST, "{format}");
    }
}

#[test]
fn truncated_states_leave_the_plugin_running() {
    for format in Format::ALL {
        let mut instance = instance(format);
        let saved = instance.save().unwrap();
        for length in 0..saved.len() {
            // Whether a plugin refuses is its affair; that it lives on is ours.
            let _ = instance.restore(&saved[..length]);
        }
        assert_eq!(instance.save().unwrap(), saved, "{format}");
        assert_alive(instance.as_mut(), &format.to_string());
    }
}

#[test]
fn random_states_leave_the_plugin_running() {
    for format in Format::ALL {
        let mut instance = instance(format);
        let saved = instance.save().unwrap();
        let mut random = Random::new(5);
        for _ in 0..200 {
            let noise: Vec<u8> = (0..random.below(2_000)).map(|_| random.next_bits() as u8).collect();
            let _ = instance.restore(&noise);
            let mut damaged = saved.clone();
            for _ in 0..=random.below(4) {
                let place = random.below(damaged.len());
                damaged[place] = random.next_bits() as u8;
            }
            let _ = instance.restore(&damaged);
        }
        for state in [&b""[..], b"{}", b"[]", b"null", &[0xFF; 8], &[0; 64]] {
            let _ = instance.restore(state);
        }
        assert_alive(instance.as_mut(), &format.to_string());
        instance.restore(&saved).unwrap();
        assert_eq!(instance.save().unwrap(), saved, "{format}");
    }
}
