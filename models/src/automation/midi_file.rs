use midly::num::{u4, u7, u15, u24, u28};
use midly::{Format, Header, MetaMessage, MidiMessage, Smf, Timing, Track, TrackEvent, TrackEventKind};

use super::emitter::Controller;

/// MIDI ticks per quarter note.
const PER_QUARTER: u16 = 960;
/// Microseconds in a minute.
const MINUTE_US: f64 = 60e6;

/// One track of control changes.
pub struct Lane<'a> {
    /// Its name.
    pub name: &'a str,
    /// Messages with their positions in samples, in order.
    pub messages: &'a [(u64, Controller)],
}

/// A standard MIDI file of format 1. `tempo`: positions in samples and beats per minute, the first one at 0; `end`: its
/// length in samples. `None` if it is too long for the format.
pub fn write(tempo: &[(u64, f64)], lanes: &[Lane<'_>], end: u64, rate_hz: f64) -> Option<Vec<u8>> {
    let clock = Clock { tempo, rate_hz };
    let mut smf = Smf::new(Header::new(Format::Parallel, Timing::Metrical(u15::new(PER_QUARTER))));
    let conductor = tempo.iter().map(|(position, bpm)| {
        let quarter_us = (MINUTE_US / bpm)
            .round()
            .clamp(1.0, f64::from(u24::max_value().as_int())) as u32;
        (
            clock.tick(*position),
            TrackEventKind::Meta(MetaMessage::Tempo(u24::new(quarter_us))),
        )
    });
    smf.tracks.push(track("Affekt", conductor, clock.tick(end))?);
    for lane in lanes {
        let messages = lane.messages.iter().map(|(position, controller)| {
            let message = MidiMessage::Controller {
                controller: u7::new(controller.number),
                value: u7::new(controller.value),
            };
            let kind = TrackEventKind::Midi {
                channel: u4::new(controller.channel),
                message,
            };
            (clock.tick(*position), kind)
        });
        smf.tracks.push(track(lane.name, messages, clock.tick(end))?);
    }
    let mut bytes = Vec::new();
    // Writing to a vector does not fail.
    smf.write_std(&mut bytes).ok()?;
    Some(bytes)
}

fn track<'a>(name: &'a str, events: impl Iterator<Item = (u64, TrackEventKind<'a>)>, end: u64) -> Option<Track<'a>> {
    let name = (0, TrackEventKind::Meta(MetaMessage::TrackName(name.as_bytes())));
    let last = (end, TrackEventKind::Meta(MetaMessage::EndOfTrack));
    let mut now = 0;
    std::iter::once(name)
        .chain(events)
        .chain([last])
        .map(|(tick, kind)| {
            // The end is not before the last message, whatever the rounding.
            let delta = tick.max(now) - now;
            now += delta;
            let delta = u32::try_from(delta)
                .ok()
                .filter(|delta| *delta <= u28::max_value().as_int())?;
            Some(TrackEvent {
                delta: u28::new(delta),
                kind,
            })
        })
        .collect()
}

/// Turns positions in samples into MIDI ticks.
struct Clock<'a> {
    tempo: &'a [(u64, f64)],
    rate_hz: f64,
}

impl Clock<'_> {
    fn tick(&self, position: u64) -> u64 {
        let mut quarters = 0.0;
        let changes = self
            .tempo
            .iter()
            .zip(self.tempo.iter().skip(1).map(|(at, _)| *at).chain([u64::MAX]));
        for ((start, bpm), end) in changes {
            if position <= *start {
                break;
            }
            quarters += (position.min(end) - start) as f64 / self.rate_hz * bpm / 60.0;
        }
        (quarters * f64::from(PER_QUARTER)).round() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE_HZ: f64 = 48_000.0;

    fn controller(value: u8) -> Controller {
        Controller {
            channel: 2,
            number: 71,
            value,
        }
    }

    #[test]
    fn messages_lie_at_their_time_through_tempo_changes() {
        // Two seconds at 60, then at 120 beats per minute.
        let tempo = [(0, 60.0), (96_000, 120.0)];
        let messages = [
            (24_000, controller(10)),
            (96_000, controller(20)),
            (120_000, controller(30)),
        ];
        let lanes = [Lane {
            name: "Angry",
            messages: &messages,
        }];
        let bytes = write(&tempo, &lanes, 144_000, RATE_HZ).unwrap();
        let smf = Smf::parse(&bytes).unwrap();
        assert_eq!(
            smf.header,
            Header::new(Format::Parallel, Timing::Metrical(u15::new(960)))
        );
        assert_eq!(smf.tracks.len(), 2);
        let at = |track: &Track<'_>| {
            let mut now = 0;
            let ticks = track.iter().map(|event| {
                now += event.delta.as_int();
                now
            });
            ticks.collect::<Vec<_>>()
        };
        // Name, two tempi, end: half a second is half a beat, then a whole one.
        assert_eq!(at(&smf.tracks[0]), [0, 0, 1_920, 3_840]);
        assert_eq!(at(&smf.tracks[1]), [0, 480, 1_920, 2_880, 3_840]);
        assert_eq!(
            smf.tracks[0][1].kind,
            TrackEventKind::Meta(MetaMessage::Tempo(u24::new(1_000_000)))
        );
        let TrackEventKind::Midi { channel, message } = smf.tracks[1][2].kind else {
            panic!("no message")
        };
        assert_eq!(channel, u4::new(2));
        assert_eq!(
            message,
            MidiMessage::Controller {
                controller: u7::new(71),
                value: u7::new(20)
            }
        );
    }

    #[test]
    fn what_is_too_long_is_refused() {
        assert!(write(&[(0, 10_000.0)], &[], u64::MAX / 2, RATE_HZ).is_none());
        assert!(write(&[(0, 120.0)], &[], 48_000 * 3_600 * 6, RATE_HZ).is_some());
    }
}
