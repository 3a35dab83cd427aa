//! "Learn this singer": what is learned is kept, saved, and makes the result depend less on the microphone.

use std::f64::consts::TAU;

use affekt_tests::{
    host::{Format, Instance},
    pass::{Choice, Pass, play_with},
};

use crate::common::{VOCAL_RATE_HZ, instance, offline, vocal};

const LEARN: [Choice<'static>; 1] = [("Learn this singer", 1.0)];

/// A dull microphone far from the mouth: first-order shelves, 12 dB less above 1 kHz. Unlike a telephone it takes nothing
/// away for good, which nothing that is learned could bring back.
fn dull(sound: &[f32]) -> Vec<f32> {
    const SHELF: f32 = 0.25;
    let share = 1.0 - (-TAU as f32 * 1_000.0 / VOCAL_RATE_HZ as f32).exp();
    let mut low = 0.0;
    let shelve = |sample: &f32| {
        low += share * (sample - low);
        low + SHELF * (sample - low)
    };
    sound.iter().map(shelve).collect()
}

fn listen(instance: &mut dyn Instance, choices: &[Choice<'_>], sound: &[f32]) -> Pass {
    let setup = offline(f64::from(VOCAL_RATE_HZ), 1, 512);
    play_with(instance, &setup, choices, &[sound], || 512).unwrap()
}

/// Enough voice to learn from: the take over and over, 60 s with its pauses.
fn lesson(take: &[f32]) -> Vec<f32> {
    take.iter().copied().cycle().take(60 * VOCAL_RATE_HZ as usize).collect()
}

/// Mean distance of two passes' emotions.
fn distance(a: &Pass, b: &Pass) -> f64 {
    let pairs = a.readings.iter().zip(&b.readings);
    let sum: f64 = pairs
        .flat_map(|(a, b)| a.emotions().iter().zip(b.emotions()))
        .map(|(a, b)| (a - b).abs())
        .sum();
    sum / a.readings.len() as f64
}

#[test]
fn a_learned_singer_is_heard_alike_through_other_microphones() {
    let take = vocal(60.0);
    let clip = &take[..4 * VOCAL_RATE_HZ as usize];
    let quiet = |sound: &[f32]| -> Vec<f32> { sound.iter().map(|sample| sample * 0.126).collect() };
    let plain = listen(instance(Format::Clap).as_mut(), &[], clip);
    let learned = |sound: &[f32], clip: &[f32]| {
        let mut instance = instance(Format::Clap);
        listen(instance.as_mut(), &LEARN, &lesson(sound));
        listen(instance.as_mut(), &[], clip)
    };
    let clean = learned(&take, clip);
    for (name, changed) in [("18 dB quieter", quiet(&take)), ("by a dull microphone", dull(&take))] {
        let changed_clip = &changed[..clip.len()];
        let without = distance(&listen(instance(Format::Clap).as_mut(), &[], changed_clip), &plain);
        let with = distance(&learned(&changed, changed_clip), &clean);
        println!("{name}: {with:.4} with learning, {without:.4} without");
        assert!(with < without, "{name}: {with} with learning, {without} without");
    }
}

#[test]
fn a_learned_singer_no_longer_depends_on_where_playback_began() {
    let take = vocal(60.0);
    let mut instance = instance(Format::Clap);
    listen(instance.as_mut(), &LEARN, &lesson(&take));
    // Windows of three seconds that begin after the same second of silence: the longer pass has heard more before.
    let rate = VOCAL_RATE_HZ as usize;
    let part = |from: usize| [take[from * rate..12 * rate].to_vec(), vec![0.0; rate]].concat();
    let (long, short) = (
        listen(instance.as_mut(), &[], &part(2)),
        listen(instance.as_mut(), &[], &part(6)),
    );
    let (long, short) = (long.last().unwrap(), short.last().unwrap());
    for (long, short) in long.iter().zip(short) {
        assert!((long - short).abs() < 0.02, "{long} and {short}");
    }
}

#[test]
fn a_learned_singer_is_saved_loaded_and_forgotten() {
    let take = vocal(60.0);
    for format in Format::ALL {
        let mut first = instance(format);
        let fresh = first.save().unwrap();
        listen(first.as_mut(), &LEARN, &lesson(&take));
        let saved = first.save().unwrap();
        assert!(saved.len() > fresh.len() + 500, "{format}: the singer is in the state");
        let reference = listen(first.as_mut(), &[], &take[..64_000]);

        let mut second = instance(format);
        second.restore(&saved).unwrap();
        assert_eq!(second.save().unwrap(), saved, "{format}");
        let restored = listen(second.as_mut(), &[], &take[..64_000]);
        assert_eq!(restored.readings, reference.readings, "{format}");
        assert_eq!(second.save().unwrap(), saved, "{format}: playing changes nothing");

        // Turned off, it is as if it had never been.
        let forgotten = listen(second.as_mut(), &[("Learn this singer", 0.0)], &take[..64_000]);
        let plain = listen(instance(format).as_mut(), &[], &take[..64_000]);
        assert_eq!(forgotten.readings, plain.readings, "{format}");
        assert_eq!(second.save().unwrap(), fresh, "{format}");
    }
}
