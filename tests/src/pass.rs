//! Plays a recording through an instance, and writes down what comes out and what the plugin says.

use affekt_models::{
    Prediction,
    automation::{OUTPUTS, RESULT_DELAY_S},
    timeline::{Point, Timeline},
};

use crate::host::{Event, HostError, Instance, Parameter, Processor, Setup, Transport};

/// Silence played after a recording so that its last windows' values show, in seconds: more than the delay, the
/// resampler's latency and the rest of a block, and what the values need to settle.
pub const TAIL_S: f64 = 1.0;

/// What the nine outputs said after a block.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reading {
    /// Frames played up to the end of the block.
    pub position: u64,
    /// The parameters' values, 0 to 1, in the order of [`OUTPUTS`].
    pub values: [f64; 9],
}

impl Reading {
    /// Whether any voice has been heard: before that all values are zero.
    pub fn heard_voice(&self) -> bool {
        self.emotions().iter().any(|&value| value > 0.0)
    }

    /// The six emotions.
    pub fn emotions(&self) -> &[f64] {
        &self.values[..6]
    }
}

/// What one pass has brought.
#[derive(Debug, Clone, PartialEq)]
pub struct Pass {
    /// Frames played.
    pub frames: u64,
    /// Samples per second.
    pub sample_rate_hz: f64,
    /// The plugin's output, one vector per channel.
    pub output: Vec<Vec<f32>>,
    /// One reading per block.
    pub readings: Vec<Reading>,
    /// Everything the plugin sent to the host while processing, each with the position of the block it came in.
    pub events: Vec<(u64, Event)>,
}

impl Pass {
    /// The values at a position, in frames: those of the last block that ended there or before.
    pub fn values_at(&self, position: u64) -> Option<[f64; 9]> {
        let next = self.readings.partition_point(|reading| reading.position <= position);
        self.readings[..next].last().map(|reading| reading.values)
    }

    /// The values after the last block.
    pub fn last(&self) -> Option<[f64; 9]> {
        self.readings.last().map(|reading| reading.values)
    }

    /// The readings set back by the result delay, so that each lies with the sound it speaks of.
    /// A point counts as voiced once any voice has been heard, because the plugin holds its values.
    pub fn timeline(&self) -> Timeline {
        let points = self.readings.iter().filter_map(|reading| {
            let time_s = reading.position as f64 / self.sample_rate_hz - RESULT_DELAY_S;
            (time_s >= 0.0).then(|| Point {
                time_s,
                prediction: Prediction {
                    probabilities: std::array::from_fn(|place| reading.values[place] as f32),
                    logits: [0.0; 6],
                },
                voiced: reading.heard_voice(),
            })
        });
        Timeline {
            points: points.collect(),
        }
    }
}

/// A choice of the user's: the name of a parameter, and its value from 0 (lowest) to 1 (highest).
pub type Choice<'a> = (&'a str, f64);

/// Identifiers of the outputs' parameters, in the order of [`OUTPUTS`].
pub fn output_parameters(instance: &mut dyn Instance) -> Result<[u32; 9], HostError> {
    let parameters = instance.parameters()?;
    let mut ids = [0; 9];
    for (id, output) in ids.iter_mut().zip(OUTPUTS) {
        *id = Parameter::find(&parameters, output.name())?;
    }
    Ok(ids)
}

/// Present values of parameters.
pub fn values(instance: &mut dyn Instance, ids: &[u32; 9]) -> Result<[f64; 9], HostError> {
    let mut values = [0.0; 9];
    for (value, &id) in values.iter_mut().zip(ids) {
        *value = instance.value(id)?;
    }
    Ok(values)
}

/// Makes the user's choices, from the next block on.
pub fn choose(
    instance: &mut dyn Instance,
    processor: &mut dyn Processor,
    choices: &[Choice<'_>],
) -> Result<(), HostError> {
    let parameters = instance.parameters()?;
    for &(name, value) in choices {
        let id = Parameter::find(&parameters, name)?;
        let parameter = parameters.iter().find(|parameter| parameter.id == id);
        let (min, max) = parameter.map_or((0.0, 1.0), |parameter| (parameter.min, parameter.max));
        processor.set_parameter(id, min + value * (max - min));
    }
    Ok(())
}

/// Plays `channels` from the start of the song, cut into blocks of the sizes that `blocks` yields (each at most the
/// setup's), from activation to deactivation. The shortest channel counts; missing channels are silent.
pub fn play<C: AsRef<[f32]>>(
    instance: &mut dyn Instance,
    setup: &Setup,
    channels: &[C],
    blocks: impl FnMut() -> usize,
) -> Result<Pass, HostError> {
    play_with(instance, setup, &[], channels, blocks)
}

/// The same after the user has made choices.
pub fn play_with<C: AsRef<[f32]>>(
    instance: &mut dyn Instance,
    setup: &Setup,
    choices: &[Choice<'_>],
    channels: &[C],
    mut blocks: impl FnMut() -> usize,
) -> Result<Pass, HostError> {
    let ids = output_parameters(instance)?;
    let length = channels.iter().map(|channel| channel.as_ref().len()).min().unwrap_or(0);
    let mut pass = Pass {
        frames: length as u64,
        sample_rate_hz: setup.sample_rate_hz,
        output: vec![Vec::with_capacity(length); setup.channels],
        readings: Vec::new(),
        events: Vec::new(),
    };
    let mut processor = instance.activate(setup)?;
    choose(instance, processor.as_mut(), choices)?;
    let mut events = Vec::new();
    let mut start = 0;
    while start < length {
        let frames = blocks().min(length - start);
        for (into, from) in processor.buffers().input.iter_mut().zip(channels) {
            into[..frames].copy_from_slice(&from.as_ref()[start..start + frames]);
        }
        processor.process(frames, Transport::playing(start as u64), &mut events)?;
        pass.events.extend(events.drain(..).map(|event| (start as u64, event)));
        for (into, from) in pass.output.iter_mut().zip(&processor.buffers().output) {
            into.extend_from_slice(&from[..frames]);
        }
        start += frames;
        instance.idle();
        pass.readings.push(Reading {
            position: start as u64,
            values: values(instance, &ids)?,
        });
    }
    instance.deactivate(processor)?;
    Ok(pass)
}

/// A recording's channels with the silence after them that the last windows' values need to show.
pub fn with_tail<C: AsRef<[f32]>>(channels: &[C], sample_rate_hz: f64) -> Vec<Vec<f32>> {
    let tail = (TAIL_S * sample_rate_hz).ceil() as usize;
    channels
        .iter()
        .map(|channel| {
            let mut channel = channel.as_ref().to_vec();
            channel.resize(channel.len() + tail, 0.0);
            channel
        })
        .collect()
}
