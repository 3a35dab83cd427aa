use super::output::OUTPUTS;

/// Time to 90 % of a step at the fastest response, in seconds: the window of "momentary" loudness in EBU Tech 3341.
pub const MOMENTARY_S: f32 = 0.4;
/// Time to 90 % of a step in the middle of the response control, in seconds: "short-term" in EBU Tech 3341.
pub const SHORT_TERM_S: f32 = 3.0;
/// MIDI's first undivided controllers, the ten "sound controllers" 70 to 79, which every host passes on.
const FIRST_CONTROLLER: u8 = 70;

/// How fast the values follow the voice.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Response {
    /// Time to 90 % of a step, in seconds.
    Seconds(f32),
    /// The mean over everything since playback started.
    Integrated,
}

impl Response {
    /// The response at a place of its control, 0 to 1: [`MOMENTARY_S`] at 0, [`SHORT_TERM_S`] at 0.5, growing
    /// exponentially, and the mean over everything at 1.
    pub fn at(place: f32) -> Self {
        if place >= 1.0 {
            Self::Integrated
        } else {
            let ratio = SHORT_TERM_S / MOMENTARY_S;
            Self::Seconds(MOMENTARY_S * ratio.powf(2.0 * place.max(0.0)))
        }
    }

    /// The place of the control at which the response is.
    pub fn place(self) -> f32 {
        match self {
            Self::Integrated => 1.0,
            Self::Seconds(seconds) => {
                let place = (seconds / MOMENTARY_S).ln() / (SHORT_TERM_S / MOMENTARY_S).ln() / 2.0;
                // Just below the end: that is another response.
                place.clamp(0.0, 0.999)
            }
        }
    }
}

/// What the values do while there is no voice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Silence {
    /// They stay.
    Hold,
    /// They sink to rest.
    Fade,
}

/// How one output goes out as a MIDI controller.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lane {
    /// Whether it goes out.
    pub on: bool,
    /// Whether a test signal goes out in its place, whether it is on or not: for a host's MIDI learn.
    pub test: bool,
    /// MIDI channel, 0 to 15.
    pub channel: u8,
    /// Controller number, 0 to 127.
    pub number: u8,
    /// Controller value of the output's smallest value, 0 to 127. May be above `maximum`: the lane is then inverted.
    pub minimum: u8,
    /// Controller value of the output's largest value, 0 to 127.
    pub maximum: u8,
    /// -1 to 1: the output to the power of 4^-curve. 0 is linear, above it small values are lifted.
    pub curve: f32,
    /// Further time to 90 % of a step, in seconds, from 0.
    pub smoothing_s: f32,
}

impl Lane {
    /// The lane of the output at a place in [`OUTPUTS`] as it is before anybody has changed it: off, channel 1,
    /// controllers 70 to 78, whole range, linear.
    pub const fn standard(place: usize) -> Self {
        Self {
            on: false,
            test: false,
            channel: 0,
            number: FIRST_CONTROLLER + place as u8,
            minimum: 0,
            maximum: 127,
            curve: 0.0,
            smoothing_s: 0.0,
        }
    }
}

/// Number of lanes: one per output.
pub const LANES: usize = OUTPUTS.len();

/// Everything that a user can choose of the way from windows to messages.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// How fast the values follow.
    pub response: Response,
    /// Gain of each emotion's share before the shares are scaled to one again, in dB (20 dB is a factor of ten).
    pub sensitivity_db: [f32; 6],
    /// What happens without voice.
    pub silence: Silence,
    /// Whether changes of the output parameters are sent.
    pub parameter_changes: bool,
    /// The MIDI lanes.
    pub lanes: [Lane; LANES],
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            response: Response::Seconds(MOMENTARY_S),
            sensitivity_db: [0.0; 6],
            silence: Silence::Hold,
            parameter_changes: false,
            lanes: std::array::from_fn(Lane::standard),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_response_control_reaches_from_momentary_to_integrated() {
        let seconds = |place| match Response::at(place) {
            Response::Seconds(seconds) => seconds,
            Response::Integrated => f32::INFINITY,
        };
        assert_eq!(seconds(0.0), MOMENTARY_S);
        assert_eq!(seconds(-1.0), MOMENTARY_S);
        assert!((seconds(0.5) - SHORT_TERM_S).abs() < 1e-5);
        assert!((20.0..23.0).contains(&seconds(0.999)));
        assert_eq!(Response::at(1.0), Response::Integrated);
        for place in [0.0, 0.2, 0.5, 0.9, 1.0] {
            assert!((Response::at(place).place() - place).abs() < 1e-3, "{place}");
        }
    }

    #[test]
    fn every_lane_has_a_controller_of_its_own_that_midi_defines() {
        let numbers: Vec<u8> = Settings::default().lanes.iter().map(|lane| lane.number).collect();
        assert_eq!(numbers, (70..79).collect::<Vec<u8>>());
    }
}
