use std::ops::RangeInclusive;

use crate::log_mel::LogMel;
use crate::{FeatureError, FeatureSpec, Resampler, VoiceGate};

/// Host sample rates that are supported, in Hz.
pub const HOST_RATE_RANGE_HZ: RangeInclusive<f64> = 8_000.0..=768_000.0;

/// Loudest sample, 80 dB over full scale: louder ones are clamped, so that every power stays finite.
const MAX_SAMPLE: f32 = 1e4;
/// Quietest sample: quieter ones, denormals among them, become 0. Far below what any band can show.
const MIN_SAMPLE: f32 = 1e-15;
/// Host samples that are mixed down at once.
const BLOCK: usize = 512;

/// One analysis frame.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    /// Number of the frame since the last reset, from 0.
    pub index: u64,
    /// Host samples since the last reset up to the end of the frame (rounded up): all of the spec's `fft` samples,
    /// in whose middle the window lies.
    pub end_sample: u64,
    /// Log power of each mel band, in dB (`10·log10(max(power, 1e-10))`); always finite.
    pub bands_db: &'a [f32],
    /// The newest `hop` samples of the frame at the model's rate, mono: what the frame before did not hold.
    pub samples: &'a [f32],
    /// Level of the frame, in dBFS (RMS of the content above the gate's low cut).
    pub level_db: f32,
    /// Whether the voice gate takes it for voice.
    pub voiced: bool,
}

/// Host samples in, frames out: downmix, non-finite replacement, resampling, framing, mel bands, voice gate.
/// Nothing after [`Extractor::new`] allocates, locks or panics; the frames do not depend on how the
/// samples were cut into blocks.
pub struct Extractor {
    resampler: Resampler,
    framer: Framer,
    mono: [f32; BLOCK],
}

/// Samples at the model's rate in, frames out.
struct Framer {
    log_mel: LogMel,
    gate: VoiceGate,
    hop: usize,
    /// The last samples, up to one frame of them.
    samples: Vec<f32>,
    filled: usize,
    bands_db: Vec<f32>,
    index: u64,
    host_rate_hz: f64,
    model_rate_hz: f64,
}

impl Extractor {
    /// Allocates everything that is needed.
    ///
    /// # Errors
    /// Those of [`FeatureSpec::validate`], and [`FeatureError::HostRate`].
    pub fn new(spec: &FeatureSpec, host_rate_hz: f64) -> Result<Self, FeatureError> {
        spec.validate()?;
        Ok(Self {
            resampler: Resampler::new(host_rate_hz, spec.sample_rate_hz)?,
            framer: Framer {
                log_mel: LogMel::new(spec)?,
                gate: VoiceGate::new(spec.hop_s()),
                hop: spec.hop,
                samples: vec![0.0; spec.fft],
                filled: 0,
                bands_db: vec![0.0; spec.mel_bands],
                index: 0,
                host_rate_hz,
                model_rate_hz: f64::from(spec.sample_rate_hz),
            },
            mono: [0.0; BLOCK],
        })
    }

    /// Forgets all samples, as after `new`.
    pub fn reset(&mut self) {
        self.resampler.reset();
        self.framer.gate.reset();
        self.framer.filled = 0;
        self.framer.index = 0;
    }

    /// Takes one block, one slice per channel (averaged; the shortest counts), and hands each finished frame to `on_frame`.
    pub fn push<C: AsRef<[f32]>>(&mut self, channels: &[C], mut on_frame: impl FnMut(Frame<'_>)) {
        let len = channels.iter().map(|channel| channel.as_ref().len()).min().unwrap_or(0);
        let mut start = 0;
        while start < len {
            let end = len.min(start + BLOCK);
            let mono = &mut self.mono[..end - start];
            mix_down(channels, start, mono);
            let framer = &mut self.framer;
            self.resampler.push(mono, |samples| framer.push(samples, &mut on_frame));
            start = end;
        }
    }

    /// Most host samples that can lie between a frame's `end_sample` and the sample whose push delivers it.
    pub fn latency_samples(&self) -> usize {
        self.resampler.latency_samples()
    }
}

impl Framer {
    fn push(&mut self, mut samples: &[f32], on_frame: &mut impl FnMut(Frame<'_>)) {
        let frame_len = self.samples.len();
        while !samples.is_empty() {
            let (taken, rest) = samples.split_at((frame_len - self.filled).min(samples.len()));
            self.samples[self.filled..self.filled + taken.len()].copy_from_slice(taken);
            self.filled += taken.len();
            samples = rest;
            if self.filled == frame_len {
                let level_db = self.log_mel.process(&self.samples, &mut self.bands_db);
                on_frame(Frame {
                    index: self.index,
                    end_sample: self.end_sample(),
                    bands_db: &self.bands_db,
                    samples: &self.samples[frame_len - self.hop..],
                    level_db,
                    voiced: self.gate.push(level_db),
                });
                self.index += 1;
                self.samples.copy_within(self.hop.., 0);
                self.filled = frame_len - self.hop;
            }
        }
    }

    /// Host samples up to the end of the current frame.
    fn end_sample(&self) -> u64 {
        let samples = self.index * self.hop as u64 + self.samples.len() as u64;
        (samples as f64 * self.host_rate_hz / self.model_rate_hz).ceil() as u64
    }
}

/// Mean of the channels from `start` on.
fn mix_down<C: AsRef<[f32]>>(channels: &[C], start: usize, mono: &mut [f32]) {
    for (number, channel) in channels.iter().enumerate() {
        let channel = &channel.as_ref()[start..start + mono.len()];
        if number == 0 {
            mono.iter_mut()
                .zip(channel)
                .for_each(|(mono, sample)| *mono = usable(*sample));
        } else {
            mono.iter_mut()
                .zip(channel)
                .for_each(|(mono, sample)| *mono += usable(*sample));
        }
    }
    if channels.len() > 1 {
        let scale = 1.0 / channels.len() as f32;
        mono.iter_mut().for_each(|mono| *mono *= scale);
    }
}

/// The sample, if it can be computed with: 0 for NaN, infinities and denormals, clamped if absurdly loud.
#[inline]
fn usable(sample: f32) -> f32 {
    let magnitude = sample.abs();
    if (MIN_SAMPLE..f32::INFINITY).contains(&magnitude) {
        sample.clamp(-MAX_SAMPLE, MAX_SAMPLE)
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every frame of a signal, as numbers that can be compared.
    fn frames(rate_hz: f64, channels: &[Vec<f32>]) -> Vec<(u64, u64, Vec<f32>, f32, bool)> {
        let mut extractor = Extractor::new(&FeatureSpec::standard(), rate_hz).unwrap();
        let mut frames = Vec::new();
        extractor.push(channels, |f| {
            frames.push((f.index, f.end_sample, f.bands_db.to_vec(), f.level_db, f.voiced))
        });
        frames
    }

    fn tone(len: usize) -> Vec<f32> {
        (0..len).map(|n| (n as f32 * 0.1).sin() * 0.3).collect()
    }

    #[test]
    fn frames_are_counted_in_host_samples() {
        let ends = |rate_hz: f64| {
            frames(rate_hz, &[tone(rate_hz as usize)])
                .iter()
                .map(|f| f.1)
                .take(3)
                .collect::<Vec<_>>()
        };
        assert_eq!(ends(16_000.0), [512, 672, 832]);
        assert_eq!(ends(48_000.0), [1536, 2016, 2496]);
        // 512 * 2.75625 = 1411.2, 672 * 2.75625 = 1852.2, 832 * 2.75625 = 2293.2
        assert_eq!(ends(44_100.0), [1412, 1853, 2294]);
        assert_eq!(frames(16_000.0, &[tone(16_000)]).len(), 97);
        assert!(frames(16_000.0, &[tone(511)]).is_empty());
    }

    #[test]
    fn frames_hand_on_each_sample_once() {
        let sound = tone(4_000);
        let mut heard = Vec::new();
        let mut extractor = Extractor::new(&FeatureSpec::standard(), 16_000.0).unwrap();
        sound
            .chunks(333)
            .for_each(|block| extractor.push(&[block], |frame| heard.extend_from_slice(frame.samples)));
        let start = 512 - 160;
        assert_eq!(heard, sound[start..start + heard.len()]);
        assert_eq!(heard.len(), 22 * 160);
    }

    #[test]
    fn channels_are_averaged_up_to_the_shortest() {
        let mono = tone(4000);
        let silence = vec![0.0; 3000];
        let halved: Vec<f32> = mono[..3000].iter().map(|x| x * 0.5).collect();
        assert_eq!(frames(16_000.0, &[mono.clone(), silence]), frames(16_000.0, &[halved]));
        assert_eq!(
            frames(16_000.0, &[mono.clone(), mono.clone()]),
            frames(16_000.0, &[mono])
        );
        assert!(frames(16_000.0, &[]).is_empty());
    }

    #[test]
    fn samples_that_cannot_be_computed_with_are_replaced() {
        for (sample, expected) in [
            (0.5, 0.5),
            (-0.5, -0.5),
            (f32::NAN, 0.0),
            (f32::INFINITY, 0.0),
            (f32::NEG_INFINITY, 0.0),
            (1e-40, 0.0),
            (-1e-16, 0.0),
            (1e-14, 1e-14),
            (f32::MAX, MAX_SAMPLE),
            (-2e4, -MAX_SAMPLE),
        ] {
            assert_eq!(usable(sample), expected, "{sample}");
        }
    }

    #[test]
    fn reset_starts_afresh() {
        for rate_hz in [16_000.0, 44_100.0] {
            let mut extractor = Extractor::new(&FeatureSpec::standard(), rate_hz).unwrap();
            extractor.push(&[tone(12_345)], |_| {});
            extractor.reset();
            let mut again = Vec::new();
            extractor.push(&[tone(30_000)], |f| {
                again.push((f.index, f.end_sample, f.bands_db.to_vec(), f.level_db, f.voiced))
            });
            assert_eq!(again, frames(rate_hz, &[tone(30_000)]));
        }
    }
}
