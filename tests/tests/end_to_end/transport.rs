//! Where playback starts, jumps or loops, listening starts over; everything else leaves it alone.

use affekt_tests::{
    host::{Format, Instance, Processor, Transport},
    pass::{output_parameters, values},
};

use crate::common::{REST, VOCAL_RATE_HZ, instance, offline, vocal};

const BLOCK: usize = 512;

/// An active instance, offline, and the sound it is played.
struct Player {
    instance: Box<dyn Instance>,
    processor: Option<Box<dyn Processor>>,
    ids: [u32; 9],
    sound: Vec<f32>,
}

impl Player {
    fn new(format: Format) -> Self {
        let mut instance = instance(format);
        let ids = output_parameters(instance.as_mut()).unwrap();
        let processor = instance.activate(&offline(f64::from(VOCAL_RATE_HZ), 1, BLOCK)).unwrap();
        Self {
            instance,
            processor: Some(processor),
            ids,
            sound: vocal(60.0),
        }
    }

    /// Plays the song's block of this number, wherever the transport says it is, and gives the values after it.
    fn block(&mut self, number: usize, transport: impl Fn(u64) -> Transport) -> [f64; 9] {
        let start = number * BLOCK;
        let processor = self.processor.as_mut().unwrap();
        processor.buffers().input[0].copy_from_slice(&self.sound[start..start + BLOCK]);
        let mut events = Vec::new();
        processor.process(BLOCK, transport(start as u64), &mut events).unwrap();
        values(self.instance.as_mut(), &self.ids).unwrap()
    }

    fn play(&mut self, numbers: std::ops::Range<usize>) -> Vec<[f64; 9]> {
        numbers.map(|number| self.block(number, Transport::playing)).collect()
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        if let Some(processor) = self.processor.take() {
            self.instance.deactivate(processor).unwrap();
        }
    }
}

/// Two seconds and a bit in blocks, and where the voice has been heard by then.
const PART: usize = 70;

#[test]
fn a_jump_is_a_new_start() {
    for format in Format::ALL {
        let expected = Player::new(format).play(100..100 + PART);
        assert_ne!(expected[PART - 1], REST, "{format}");
        let mut player = Player::new(format);
        player.play(0..PART);
        assert_eq!(player.play(100..100 + PART), expected, "{format}: forward");
        player.play(200..230);
        assert_eq!(player.play(100..100 + PART), expected, "{format}: back");
    }
}

#[test]
fn every_round_of_a_loop_is_the_same() {
    for format in Format::ALL {
        let mut player = Player::new(format);
        let first = player.play(20..20 + PART);
        for _ in 0..3 {
            assert_eq!(player.play(20..20 + PART), first, "{format}");
        }
    }
}

#[test]
fn stopping_holds_and_starting_starts_over() {
    for format in Format::ALL {
        let mut player = Player::new(format);
        let first = player.play(0..PART);
        // The host stands still and sends silence, as most do.
        player.sound[PART * BLOCK..].fill(0.0);
        let mut held = [0.0; 9];
        for number in PART..PART + 60 {
            held = player.block(number, |_| Transport::stopped((PART * BLOCK) as u64));
        }
        assert_ne!(held, REST, "{format}");
        assert_eq!(player.play(0..PART), first, "{format}");
    }
}

#[test]
fn another_tempo_changes_nothing() {
    for format in Format::ALL {
        let expected = Player::new(format).play(0..PART);
        let mut player = Player::new(format);
        let played: Vec<_> = (0..PART)
            .map(|number| {
                player.block(number, |position| Transport {
                    tempo_bpm: 60.0 + number as f64,
                    ..Transport::playing(position)
                })
            })
            .collect();
        assert_eq!(played, expected, "{format}");
    }
}

#[test]
fn a_host_that_never_moves_its_position_is_heard_all_the_same() {
    for format in Format::ALL {
        let expected = Player::new(format).play(0..PART);
        let mut player = Player::new(format);
        for transport in [Transport::playing(0), Transport::stopped(0)] {
            let played: Vec<_> = (0..PART).map(|number| player.block(number, |_| transport)).collect();
            if transport.playing {
                assert_eq!(played, expected, "{format}");
            } else {
                assert_ne!(played[PART - 1], REST, "{format}");
            }
        }
    }
}
