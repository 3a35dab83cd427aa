//! The plugin says what the trainer says, at every moment.

use affekt_tests::{
    agreement::{Predicted, TOLERANCE, compare, predict},
    bundle,
    host::Format,
    signal::{at_rate, noise, write_wav},
    vocal,
};

use crate::common::{VOCAL_RATE_HZ, instance, vocal};

/// Writes the channels, asks trainer and plugin, and gives the prediction back.
fn assert_agreement(name: &str, channels: &[Vec<f32>], rate_hz: u32) -> Predicted {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(format!("{name}.wav"));
    write_wav(&path, channels, rate_hz).unwrap();
    let predicted = predict(&bundle::trainer().unwrap(), &path).unwrap();
    for format in Format::ALL {
        let agreement = compare(instance(format).as_mut(), &path, &predicted).unwrap();
        assert!(
            agreement.holds(),
            "{name}, {format}: {agreement:?} is not within {TOLERANCE}"
        );
    }
    predicted
}

#[test]
fn on_the_demo_vocal() {
    let predicted = predict(&bundle::trainer().unwrap(), &vocal::path()).unwrap();
    assert!(predicted.curve.len() > 1_000 && predicted.last.is_some());
    for format in Format::ALL {
        let agreement = compare(instance(format).as_mut(), &vocal::path(), &predicted).unwrap();
        assert!(agreement.holds(), "{format}: {agreement:?} is not within {TOLERANCE}");
        assert!(agreement.moments > 1_000, "{format}: {agreement:?}");
    }
}

#[test]
fn on_quiet_and_loud_takes() {
    for (name, gain) in [("quiet", 0.03), ("loud", 6.0)] {
        let take: Vec<f32> = vocal(5.0).iter().map(|sample| sample * gain).collect();
        assert!(assert_agreement(name, &[take], VOCAL_RATE_HZ).last.is_some());
    }
}

#[test]
fn at_other_rates() {
    for rate_hz in [8_000, 22_050, 44_100, 48_000, 96_000] {
        let take = at_rate(&vocal(4.0), VOCAL_RATE_HZ, rate_hz);
        assert!(
            assert_agreement(&format!("at-{rate_hz}"), &[take], rate_hz)
                .last
                .is_some()
        );
    }
}

#[test]
fn on_two_channels_that_differ() {
    let voice = at_rate(&vocal(4.0), VOCAL_RATE_HZ, 44_100);
    let room = noise(9, voice.len(), 0.02);
    let right = voice
        .iter()
        .zip(&room)
        .map(|(voice, room)| 0.4 * voice + room)
        .collect();
    assert!(assert_agreement("stereo", &[voice, right], 44_100).last.is_some());
}

#[test]
fn on_a_take_that_ends_in_the_middle_of_a_word() {
    for frames in [20_000, 20_001, 20_777, 21_599] {
        let take = vocal(2.0)[..frames].to_vec();
        assert!(
            assert_agreement(&format!("cut-{frames}"), &[take], VOCAL_RATE_HZ)
                .last
                .is_some()
        );
    }
}

#[test]
fn on_what_is_no_voice() {
    let silence = vec![0.0; 2 * VOCAL_RATE_HZ as usize];
    assert_eq!(assert_agreement("silence", &[silence], VOCAL_RATE_HZ).last, None);
    // Shorter than the shortest window: what is heard comes with the silence behind it.
    assert_agreement("short", &[vocal(0.4)], VOCAL_RATE_HZ);
}
