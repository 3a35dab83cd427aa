//! Saving and loading.

use std::path::Path;

use affekt_models::Model;
use affekt_models::automation::{Pass as ModelPass, Settings};
use affekt_models::timeline::Timeline;
use affekt_tests::{
    host::{Format, Instance, Transport},
    pass::{output_parameters, play, values, with_tail},
    signal::{Random, noise},
};

use crate::common::{REST, VOCAL_RATE_HZ, bits, instance, offline, vocal, with_model};

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
fn a_chosen_model_is_loaded_runs_and_is_saved_again() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/baseline.onnx");
    let rate_hz = f64::from(VOCAL_RATE_HZ);
    let sound = with_tail(&[vocal(5.0)], rate_hz);
    let mut model = Model::from_file(&file).unwrap();
    let timeline = Timeline::of(&mut model, &sound, rate_hz).unwrap();
    let expected = ModelPass::of_timeline(&timeline, rate_hz, 5.0, Settings::default()).last();
    for format in Format::ALL {
        let mut instance = instance(format);
        let built_in = play(instance.as_mut(), &offline(rate_hz, 1, 512), &sound, || 512).unwrap();
        let state = with_model(format, &instance.save().unwrap(), &file);
        instance.restore(&state).unwrap();
        // A bounce right after loading waits for the model.
        let chosen = play(instance.as_mut(), &offline(rate_hz, 1, 512), &sound, || 512).unwrap();
        for (played, expected) in chosen.last().unwrap().iter().zip(expected.emotions) {
            assert!(
                (played - f64::from(expected)).abs() < 1e-3,
                "{format}: {chosen:?}",
                chosen = chosen.last()
            );
        }
        assert_ne!(chosen.last(), built_in.last(), "{format}");
        let saved = String::from_utf8_lossy(&instance.save().unwrap()).into_owned();
        assert!(saved.contains("baseline.onnx"), "{format}");
    }
}

#[test]
fn a_chosen_model_that_is_gone_leaves_the_one_before_running_and_stays_chosen() {
    let rate_hz = f64::from(VOCAL_RATE_HZ);
    let sound = with_tail(&[vocal(3.0)], rate_hz);
    for format in Format::ALL {
        let mut instance = instance(format);
        let before = play(instance.as_mut(), &offline(rate_hz, 1, 512), &sound, || 512).unwrap();
        let state = with_model(format, &instance.save().unwrap(), Path::new("gone/with/the/disk.onnx"));
        instance.restore(&state).unwrap();
        let after = play(instance.as_mut(), &offline(rate_hz, 1, 512), &sound, || 512).unwrap();
        assert_eq!(after.readings, before.readings, "{format}");
        let saved = String::from_utf8_lossy(&instance.save().unwrap()).into_owned();
        assert!(saved.contains("gone/with/the/disk.onnx"), "{format}");
    }
}

/// Gives every setting a value of its own that is not its default, and tells them.
fn choose_everything(instance: &mut dyn Instance) -> Vec<(u32, f64)> {
    let parameters = instance.parameters().unwrap();
    let mut processor = instance.activate(&offline(48_000.0, 1, 64)).unwrap();
    for (number, parameter) in parameters.iter().filter(|parameter| !parameter.read_only).enumerate() {
        let other = if parameter.default > (parameter.min + parameter.max) / 2.0 {
            0.1
        } else {
            0.9
        };
        let value = other - 0.001 * (number % 50) as f64;
        processor.set_parameter(parameter.id, parameter.min + value * (parameter.max - parameter.min));
    }
    processor.process(64, Transport::stopped(0), &mut Vec::new()).unwrap();
    instance.deactivate(processor).unwrap();
    settings(instance)
}

/// All settings with their values.
fn settings(instance: &mut dyn Instance) -> Vec<(u32, f64)> {
    let parameters = instance.parameters().unwrap();
    let settings = parameters.iter().filter(|parameter| !parameter.read_only);
    settings
        .map(|parameter| (parameter.id, instance.value(parameter.id).unwrap()))
        .collect()
}

#[test]
fn every_setting_is_saved_and_loaded() {
    for format in Format::ALL {
        let mut first = instance(format);
        let defaults = settings(first.as_mut());
        let chosen = choose_everything(first.as_mut());
        assert!(chosen.len() > 80, "{format}");
        for (chosen, default) in chosen.iter().zip(&defaults) {
            assert_ne!(chosen, default, "{format}");
        }
        let saved = first.save().unwrap();
        assert_eq!(first.save().unwrap(), saved, "{format}");
        let mut second = instance(format);
        second.restore(&saved).unwrap();
        assert_eq!(settings(second.as_mut()), chosen, "{format}");
        assert_eq!(second.save().unwrap(), saved, "{format}");
    }
}

#[test]
fn what_is_left_of_a_truncated_state_is_loaded() {
    for format in Format::ALL {
        let mut first = instance(format);
        let defaults = settings(first.as_mut());
        let chosen = choose_everything(first.as_mut());
        let saved = first.save().unwrap();
        let mut most = 0;
        for length in (0..saved.len()).step_by(199) {
            let mut other = instance(format);
            // Without anything readable it is refused, which hosts show.
            let _ = other.restore(&saved[..length]);
            let loaded = settings(other.as_mut());
            let kept = loaded
                .iter()
                .zip(&chosen)
                .filter(|(loaded, chosen)| loaded == chosen)
                .count();
            let untouched = loaded
                .iter()
                .zip(&defaults)
                .filter(|(loaded, default)| loaded == default)
                .count();
            assert_eq!(kept + untouched, chosen.len(), "{format}, {length} bytes");
            assert!(kept >= most, "{format}, {length} bytes");
            most = kept;
        }
        assert!(most > chosen.len() / 2, "{format}: {most}");
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
        instance.restore(&saved).unwrap();
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
