use super::{HostError, Setup};

/// Fills the output before each block, so that a sample which the plugin did not write is seen: a quiet NaN
/// whose payload no test signal has.
const UNWRITTEN: u32 = 0x7FC0_AFFE;

/// Audio of one block, one vector of the activated length per channel. The host's caller writes `input`
/// and reads `output`.
#[derive(Debug, Clone)]
pub struct Buffers {
    /// What goes into the plugin.
    pub input: Vec<Vec<f32>>,
    /// What came out of the last block.
    pub output: Vec<Vec<f32>>,
    in_place: bool,
}

impl Buffers {
    pub(super) fn new(setup: &Setup) -> Self {
        let channels = vec![vec![0.0; setup.max_block]; setup.channels];
        Self {
            input: channels.clone(),
            output: channels,
            in_place: setup.in_place,
        }
    }

    /// The channel slices that a block of `frames` uses: those to read, and those to write.
    /// In place, both are the first; otherwise the written ones are marked beforehand.
    pub(super) fn begin(&mut self, frames: usize) -> Result<(), HostError> {
        let max = self.input.first().map_or(0, Vec::len);
        if frames > max {
            return Err(HostError::Block { frames, max });
        }
        for channel in &mut self.output {
            channel[..frames].fill(f32::from_bits(UNWRITTEN));
        }
        Ok(())
    }

    /// Whether the plugin reads and writes the same memory.
    pub(super) fn in_place(&self) -> bool {
        self.in_place
    }

    /// Takes the processed frames over into `output`.
    pub(super) fn end(&mut self, frames: usize) {
        if self.in_place {
            for (output, input) in self.output.iter_mut().zip(&self.input) {
                output[..frames].copy_from_slice(&input[..frames]);
            }
        }
    }
}
