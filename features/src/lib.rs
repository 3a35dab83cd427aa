//! Streaming, real-time-safe features of a voice for Affekt's models. The trainer and the plugin run this same code.
//!
//! Data flows one way:
//!
//! ```text
//! host samples, any rate, any block size
//!    │  Extractor     mean of the channels, unusable samples replaced, Resampler, frames of `fft` samples
//!    │                every `hop`, LogMel (Hann window, power spectrum, Slaney mel bands, dB), VoiceGate
//!    ▼
//! Frame               log power of each band, the newest samples, level, voiced or not
//!    │  WindowStream  Session (centred on the voiced mean so far, range floored), Dct
//!    ▼
//! Window              [frames, coefficients] MFCCs, or samples: the model's input
//! ```
//!
//! All of it is described by a [`FeatureSpec`], which travels inside the model file.
//!
//! ```
//! use affekt_features::{Extractor, FeatureSpec, Session, WindowStream};
//!
//! let spec = FeatureSpec::standard();
//! let mut extractor = Extractor::new(&spec, 48_000.0)?;
//! // Windows of at most 3 s, one every 100 ms.
//! let mut windows = WindowStream::new(&spec, 300, 10, Session::new(&spec)?)?;
//!
//! // Two seconds of a tone that swells twice a second, on two channels, in blocks of 512 samples.
//! let tone: Vec<f32> = (0..96_000)
//!     .map(|n| n as f32 / 48_000.0)
//!     .map(|t| 0.2 * (1.0 - (12.566 * t).cos()) * (1382.3 * t).sin())
//!     .collect();
//! let mut ends = Vec::new();
//! for block in tone.chunks(512) {
//!     extractor.push(&[block, block], |frame| {
//!         if let Some(window) = windows.push(frame) {
//!             assert_eq!(window.input.len(), window.frames * spec.coefficients);
//!             ends.push(window.end_sample);
//!         }
//!     });
//! }
//! // The first window has 50 frames: it ends 49 hops of 10 ms and one frame of 32 ms after the start.
//! assert_eq!(ends[..2], [25_056, 29_856]);
//! # Ok::<(), affekt_features::FeatureError>(())
//! ```
//!
//! What is promised, and tested:
//!
//! - **librosa's values.** Bands and MFCCs equal librosa 0.11 (`center=False`, `top_db=None`) within 1e-3 dB
//!   (measured: 2e-5 dB in the bands, 2e-4 dB in the coefficients), on signals that range over 125 dB.
//! - **Blocks do not matter.** Frames are the same, bit for bit, however the samples were cut.
//! - **Rates do not matter.** A signal below 7 kHz gives the same bands within 0.01 dB at every host rate
//!   (measured: 4e-4 dB); at the model's own rate samples pass unchanged. See [`Resampler`].
//! - **Any sample will do.** NaN, infinities, denormals and absurd levels give finite values.
//! - **Real time.** Once they are made, [`Extractor`], [`WindowStream`], [`Session`] and all parts neither allocate,
//!   lock nor panic, and the work per sample is bounded. Making one allocates and takes a few milliseconds.
//!
//! With the feature `recording`, `recording::Recording` reads wav, flac, aiff, mp3 and ogg files.

mod dct;
mod error;
mod extractor;
mod gate;
mod log_mel;
#[cfg(feature = "recording")]
pub mod recording;
mod resampler;
mod session;
mod spec;
mod window;

pub use dct::Dct;
pub use error::FeatureError;
pub use extractor::{Extractor, Frame, HOST_RATE_RANGE_HZ};
pub use gate::VoiceGate;
pub use log_mel::LogMel;
pub use resampler::Resampler;
pub use session::{Session, SessionTotals};
pub use spec::{FeatureSpec, MAX_MEL_BANDS, SessionSpec};
pub use window::{MAX_WINDOW_FRAMES, MIN_WINDOW_FRAMES, Window, WindowStream};
