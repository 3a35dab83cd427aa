//! What several tests need.

use std::path::Path;

use affekt_tests::{
    bundle,
    host::{self, Format, Instance, Mode, Module, Setup},
    vocal,
};

/// The outputs, 0 to 1, when nothing has been heard: arousal and valence rest in the middle.
pub const REST: [f64; 9] = [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.5, 0.5, 0.0];

/// The built bundle's module.
pub fn module(format: Format) -> Box<dyn Module> {
    let path = bundle::module(format).unwrap_or_else(|error| panic!("{error}"));
    host::load(&path, format).unwrap()
}

/// A fresh instance of the built plugin.
pub fn instance(format: Format) -> Box<dyn Instance> {
    let module = module(format);
    let plugin = module.scan().unwrap().remove(0);
    module.instantiate(&plugin.id).unwrap()
}

/// An offline setup.
pub fn offline(sample_rate_hz: f64, channels: usize, max_block: usize) -> Setup {
    Setup {
        sample_rate_hz,
        max_block,
        channels,
        mode: Mode::Offline,
        in_place: false,
    }
}

/// A realtime setup.
pub fn realtime(sample_rate_hz: f64, channels: usize, max_block: usize) -> Setup {
    Setup {
        mode: Mode::Realtime,
        ..offline(sample_rate_hz, channels, max_block)
    }
}

/// Sample rate of [`vocal()`], in Hz.
pub const VOCAL_RATE_HZ: u32 = 16_000;

/// The first `seconds` of the demo vocal, one channel.
pub fn vocal(seconds: f64) -> Vec<f32> {
    let mut recording = vocal::read().unwrap();
    assert_eq!(recording.sample_rate_hz, VOCAL_RATE_HZ);
    let mut channel = recording.channels.remove(0);
    channel.truncate((seconds * f64::from(VOCAL_RATE_HZ)) as usize);
    channel
}

/// The samples' bits, so that NaNs compare too.
pub fn bits(samples: &[f32]) -> Vec<u32> {
    samples.iter().map(|sample| sample.to_bits()).collect()
}

/// The state with another model file chosen.
pub fn with_model(format: Format, saved: &[u8], file: &Path) -> Vec<u8> {
    // CLAP's state starts with its length in eight bytes.
    let start = saved.iter().position(|&byte| byte == b'{').unwrap();
    let mut state: serde_json::Value = serde_json::from_slice(&saved[start..]).unwrap();
    state["fields"]["model"] = serde_json::to_string(file).unwrap().into();
    let json = state.to_string().into_bytes();
    match format {
        Format::Clap => [&(json.len() as u64).to_le_bytes(), json.as_slice()].concat(),
        Format::Vst3 => json,
    }
}
