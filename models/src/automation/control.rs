use super::emitter::{Emission, Emitter};
use super::readout::{Heard, Readout, Values};
use super::settings::Settings;

/// Windows in, values and messages out, tick by tick. Allocates nothing after it is made.
#[derive(Debug, Clone)]
pub struct Control {
    settings: Settings,
    readout: Readout,
    emitter: Emitter,
}

impl Control {
    /// At rest. `rate_hz`: the host's sample rate.
    pub fn new(rate_hz: f64, settings: Settings) -> Self {
        Self {
            settings,
            readout: Readout::new(rate_hz, &settings),
            emitter: Emitter::new(rate_hz, &settings),
        }
    }

    /// Takes over settings, from the next tick on; whether they are others than before.
    pub fn set(&mut self, settings: &Settings) -> bool {
        if self.settings == *settings {
            return false;
        }
        self.settings = *settings;
        self.readout.set(settings);
        self.emitter.set(settings);
        true
    }

    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Back to rest. The settings stay.
    pub fn reset(&mut self) {
        self.readout.reset();
        self.emitter.reset();
    }

    /// A window takes effect, from the next tick on.
    pub fn hear(&mut self, heard: Heard) {
        self.readout.hear(heard);
    }

    /// One control tick passes; what goes out at it.
    pub fn tick(&mut self) -> Emission {
        self.readout.tick();
        self.emitter.tick(self.readout.values())
    }

    /// The values at the last tick.
    pub fn values(&self) -> &Values {
        self.readout.values()
    }
}
