//! What the audio thread shows to the editor, through a triple buffer: neither side ever waits, and the editor always sees
//! one whole moment.

use std::sync::{Mutex, PoisonError};

use triple_buffer::{Input, Output, triple_buffer};

use crate::analysis::Reading;

/// The audio thread's end.
pub struct ReadoutWriter {
    input: Input<Reading>,
}

/// The editor's end. Several windows may look, one after the other.
pub struct Readout {
    output: Mutex<Output<Reading>>,
}

/// Both ends of a new readout.
pub fn readout() -> (ReadoutWriter, Readout) {
    let (input, output) = triple_buffer(&Reading::default());
    let output = Mutex::new(output);
    (ReadoutWriter { input }, Readout { output })
}

impl ReadoutWriter {
    /// Shows a reading.
    pub fn show(&mut self, reading: Reading) {
        self.input.write(reading);
    }
}

impl Readout {
    /// The latest reading.
    pub fn reading(&self) -> Reading {
        *self.output.lock().unwrap_or_else(PoisonError::into_inner).read()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_read() {
        let (mut writer, readout) = readout();
        assert_eq!(readout.reading(), Reading::default());
        for late in 1..5 {
            writer.show(Reading {
                late,
                overloaded: true,
                ..Reading::default()
            });
        }
        assert_eq!(readout.reading().late, 4);
        assert_eq!(readout.reading().late, 4);
    }
}
