use affekt_models::automation::{LANES, Lane, OUTPUTS, Output};
use nice_plug::params::internals::ParamPtr;
use nice_plug::prelude::*;

use super::dial::Dial;

/// Longest smoothing of a lane, in seconds.
const LONGEST_SMOOTHING_S: f32 = 5.0;

/// The MIDI lanes, one per output.
pub struct Lanes {
    lanes: [LaneParams; LANES],
}

struct LaneParams {
    on: BoolParam,
    test: BoolParam,
    channel: IntParam,
    number: IntParam,
    minimum: IntParam,
    maximum: IntParam,
    curve: FloatParam,
    smoothing: FloatParam,
}

/// One lane's controls.
pub struct LaneDials<'a> {
    /// Whether it goes out.
    pub on: Dial<'a>,
    /// Whether a test signal goes out in its place.
    pub test: Dial<'a>,
    /// MIDI channel, 1 to 16.
    pub channel: Dial<'a>,
    /// Controller number.
    pub number: Dial<'a>,
    /// Controller value of the smallest value.
    pub minimum: Dial<'a>,
    /// Controller value of the largest value.
    pub maximum: Dial<'a>,
    /// Curve, -1 to 1.
    pub curve: Dial<'a>,
    /// Smoothing in seconds.
    pub smoothing: Dial<'a>,
}

impl Default for Lanes {
    fn default() -> Self {
        Self {
            lanes: std::array::from_fn(|place| LaneParams::new(OUTPUTS[place])),
        }
    }
}

impl LaneParams {
    fn new(output: Output) -> Self {
        let standard = Lane::standard(output.index());
        let name = |what: &str| format!("{} CC {what}", output.title());
        let seven_bits =
            |what: &str, value: u8| IntParam::new(name(what), i32::from(value), IntRange::Linear { min: 0, max: 127 });
        let one_to_sixteen = IntRange::Linear { min: 1, max: 16 };
        let curves = FloatRange::Linear { min: -1.0, max: 1.0 };
        let times = FloatRange::Skewed {
            min: 0.0,
            max: LONGEST_SMOOTHING_S,
            factor: FloatRange::skew_factor(-1.0),
        };
        Self {
            on: BoolParam::new(name("on"), standard.on),
            test: BoolParam::new(name("send test"), standard.test),
            channel: IntParam::new(name("channel"), i32::from(standard.channel) + 1, one_to_sixteen).non_automatable(),
            number: seven_bits("number", standard.number).non_automatable(),
            minimum: seven_bits("minimum", standard.minimum),
            maximum: seven_bits("maximum", standard.maximum),
            curve: FloatParam::new(name("curve"), standard.curve, curves).with_step_size(0.01),
            smoothing: FloatParam::new(name("smoothing"), standard.smoothing_s, times)
                .with_unit(" s")
                .with_step_size(0.01),
        }
    }

    fn lane(&self) -> Lane {
        let byte = |parameter: &IntParam| parameter.value().clamp(0, 127) as u8;
        Lane {
            on: self.on.value(),
            test: self.test.value(),
            channel: byte(&self.channel).saturating_sub(1),
            number: byte(&self.number),
            minimum: byte(&self.minimum),
            maximum: byte(&self.maximum),
            curve: self.curve.value(),
            smoothing_s: self.smoothing.value(),
        }
    }

    /// Names behind the output's, and the parameters.
    fn pointers(&self) -> [(&'static str, ParamPtr); 8] {
        [
            ("on", self.on.as_ptr()),
            ("test", self.test.as_ptr()),
            ("channel", self.channel.as_ptr()),
            ("number", self.number.as_ptr()),
            ("minimum", self.minimum.as_ptr()),
            ("maximum", self.maximum.as_ptr()),
            ("curve", self.curve.as_ptr()),
            ("smoothing", self.smoothing.as_ptr()),
        ]
    }
}

impl Lanes {
    /// What the user has chosen.
    pub fn settings(&self) -> [Lane; LANES] {
        std::array::from_fn(|place| self.lanes[place].lane())
    }

    /// The controls of the lane at a place in [`OUTPUTS`].
    pub fn dials(&self, place: usize) -> LaneDials<'_> {
        let lane = &self.lanes[place];
        LaneDials {
            on: Dial::of(&lane.on),
            test: Dial::of(&lane.test),
            channel: Dial::of(&lane.channel),
            number: Dial::of(&lane.number),
            minimum: Dial::of(&lane.minimum),
            maximum: Dial::of(&lane.maximum),
            curve: Dial::of(&lane.curve),
            smoothing: Dial::of(&lane.smoothing),
        }
    }
}

// SAFETY: the pointers stay valid as long as `self`, whose parameters never move: nice-plug keeps it in an `Arc`.
unsafe impl Params for Lanes {
    fn param_map(&self) -> Vec<(String, ParamPtr, String)> {
        let mut map = Vec::with_capacity(LANES * 8);
        for (output, lane) in OUTPUTS.into_iter().zip(&self.lanes) {
            for (what, pointer) in lane.pointers() {
                let id = format!("{}-cc-{what}", output.name());
                map.push((id, pointer, format!("MIDI/{}", output.title())));
            }
        }
        map
    }
}
