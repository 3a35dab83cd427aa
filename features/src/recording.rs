//! Recordings from files (wav, flac, aiff, mp3, ogg), for the trainer and the demo.

use std::fs::File;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use symphonia::core::codecs::audio::{AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, FormatReader, TrackType};
use symphonia::core::io::{MediaSource, MediaSourceStream, ReadOnlySource};
use symphonia::core::meta::MetadataOptions;

use crate::HOST_RATE_RANGE_HZ;

/// Most channels a recording may have.
pub const MAX_CHANNELS: usize = 64;
/// Most samples a recording may have, all channels together: 1 GiB of them, or 93 minutes of stereo at 48 kHz.
pub const MAX_SAMPLES: usize = 1 << 28;

/// How symphonia's message begins when it knows no format with such content.
const NO_FORMAT: &str = "core (probe)";

/// A decoded recording.
#[derive(Debug, Clone, PartialEq)]
pub struct Recording {
    /// Samples per second, within [`HOST_RATE_RANGE_HZ`].
    pub sample_rate_hz: u32,
    /// One vector per channel, all of the same length, none empty; full scale is ±1.
    /// Recordings of floats may hold anything, NaN included.
    pub channels: Vec<Vec<f32>>,
}

/// Why a recording cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// No such file.
    #[error("{path} does not exist: check the path")]
    NotFound {
        /// The file.
        path: PathBuf,
    },
    /// The system does not let it be read, or it is no file.
    #[error("{path} cannot be read: {reason}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// One clause.
        reason: String,
    },
    /// The content is of none of the formats.
    #[error("{path} is not a wav, flac, aiff, mp3 or ogg recording: convert it to one of these")]
    NotARecording {
        /// The file.
        path: PathBuf,
    },
    /// The content is of one of the formats but uses a part of it that cannot be decoded.
    #[error("{path} is in an encoding that is not supported ({reason}): convert it to wav or flac")]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// One clause.
        reason: String,
    },
    /// Nothing of it can be decoded.
    #[error("{path} is damaged ({reason}): nothing of it could be decoded")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// One clause.
        reason: String,
    },
    /// It holds no samples, or ends before the first.
    #[error("{path} is empty: it holds no samples")]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// Its sample rate is outside [`HOST_RATE_RANGE_HZ`].
    #[error("{path} has a sample rate of {rate_hz} Hz: use 8 000 to 768 000 Hz")]
    SampleRate {
        /// The file.
        path: PathBuf,
        /// What it says.
        rate_hz: u32,
    },
    /// It has more than [`MAX_CHANNELS`] channels.
    #[error("{path} has {channels} channels: use at most {MAX_CHANNELS}")]
    TooManyChannels {
        /// The file.
        path: PathBuf,
        /// How many it has.
        channels: usize,
    },
    /// It has more than [`MAX_SAMPLES`] samples.
    #[error("{path} is too long: cut it into parts of at most an hour")]
    TooLong {
        /// The file.
        path: PathBuf,
    },
}

impl Recording {
    /// Decodes a file. What kind it is, its content says, not its name. Of a file that is cut off or damaged,
    /// everything up to there (and what can be found behind it) is kept.
    ///
    /// # Errors
    /// A [`RecordingError`], each of which says what is wrong in one sentence. Never panics.
    pub fn read(path: &Path) -> Result<Self, RecordingError> {
        // symphonia 0.6 returns errors for most damage, but some headers make its arithmetic overflow.
        catch_unwind(AssertUnwindSafe(|| decode(path))).unwrap_or_else(|_| {
            Err(RecordingError::Damaged {
                path: path.into(),
                reason: "the decoder failed".into(),
            })
        })
    }

    /// Length in seconds.
    pub fn duration_s(&self) -> f64 {
        self.channels.first().map_or(0, Vec::len) as f64 / f64::from(self.sample_rate_hz)
    }
}

fn decode(path: &Path) -> Result<Recording, RecordingError> {
    let mut format = open(path)?;
    let track = format
        .default_track(TrackType::Audio)
        .ok_or_else(|| RecordingError::Unsupported {
            path: path.into(),
            reason: "it has no track of sound".into(),
        })?;
    let track_id = track.id;
    let parameters = track
        .codec_params
        .as_ref()
        .and_then(|parameters| parameters.audio())
        .ok_or_else(|| RecordingError::Unsupported {
            path: path.into(),
            reason: "its codec is not known".into(),
        })?;
    if let Some(channels) = parameters.channels.as_ref().map(|channels| channels.count())
        && channels > MAX_CHANNELS
    {
        return Err(RecordingError::TooManyChannels {
            path: path.into(),
            channels,
        });
    }
    let mut decoder = symphonia::default::get_codecs()
        .make_audio_decoder(parameters, &AudioDecoderOptions::default())
        .map_err(|error| RecordingError::Unsupported {
            path: path.into(),
            reason: error.to_string(),
        })?;
    decode_track(path, format.as_mut(), track_id, decoder.as_mut())
}

/// Opens the file and finds out its format.
fn open(path: &Path) -> Result<Box<dyn FormatReader>, RecordingError> {
    let unreadable = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => RecordingError::NotFound { path: path.into() },
        _ => RecordingError::Unreadable {
            path: path.into(),
            reason: error.to_string(),
        },
    };
    // Looked at before it is opened: opening a pipe would wait for whoever writes to it.
    let metadata = std::fs::metadata(path).map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(RecordingError::Unreadable {
            path: path.into(),
            reason: "it is not a file".into(),
        });
    }
    if metadata.len() == 0 {
        return Err(RecordingError::Empty { path: path.into() });
    }
    let failed = |error| match error {
        Error::IoError(error) if error.kind() == io::ErrorKind::UnexpectedEof => RecordingError::Damaged {
            path: path.into(),
            reason: "it ends within its header".into(),
        },
        Error::IoError(error) => unreadable(error),
        Error::DecodeError(reason) => RecordingError::Damaged {
            path: path.into(),
            reason: reason.into(),
        },
        Error::Unsupported(reason) if !reason.starts_with(NO_FORMAT) => RecordingError::Unsupported {
            path: path.into(),
            reason: reason.into(),
        },
        _ => RecordingError::NotARecording { path: path.into() },
    };
    // Some readers first look at the end of a file that lets them. Of a file that is cut off, that end is missing:
    // it is read again from front to back.
    probe(File::open(path).map_err(unreadable)?)
        .or_else(|error| probe(ReadOnlySource::new(File::open(path).map_err(unreadable)?)).map_err(|_| failed(error)))
}

fn probe(source: impl MediaSource + 'static) -> Result<Box<dyn FormatReader>, Error> {
    let stream = MediaSourceStream::new(Box::new(source), Default::default());
    symphonia::default::get_probe().probe(
        &Hint::new(),
        stream,
        FormatOptions::default(),
        MetadataOptions::default(),
    )
}

fn decode_track(
    path: &Path,
    format: &mut dyn FormatReader,
    track_id: u32,
    decoder: &mut dyn AudioDecoder,
) -> Result<Recording, RecordingError> {
    let mut recording: Option<Recording> = None;
    let mut samples = 0;
    let mut first_error = None;
    let mut planes: Vec<Vec<f32>> = Vec::new();
    loop {
        let packet = match format.next_packet() {
            Ok(Some(packet)) if packet.track_id == track_id => packet,
            Ok(Some(_)) => continue,
            Ok(None) => break,
            // Cut off or damaged: what came before counts.
            Err(error) => {
                first_error.get_or_insert(error);
                break;
            }
        };
        let buffer = match decoder.decode(&packet) {
            Ok(buffer) => buffer,
            Err(error @ (Error::DecodeError(_) | Error::IoError(_))) => {
                first_error.get_or_insert(error);
                continue;
            }
            Err(error) => {
                first_error.get_or_insert(error);
                break;
            }
        };
        if buffer.frames() == 0 {
            continue;
        }
        let (rate_hz, channels) = (buffer.spec().rate(), buffer.spec().channels().count());
        if channels > MAX_CHANNELS {
            return Err(RecordingError::TooManyChannels {
                path: path.into(),
                channels,
            });
        }
        if !HOST_RATE_RANGE_HZ.contains(&f64::from(rate_hz)) {
            return Err(RecordingError::SampleRate {
                path: path.into(),
                rate_hz,
            });
        }
        samples += buffer.frames() * channels;
        if samples > MAX_SAMPLES {
            return Err(RecordingError::TooLong { path: path.into() });
        }
        let recording = recording.get_or_insert_with(|| Recording {
            sample_rate_hz: rate_hz,
            channels: vec![Vec::new(); channels],
        });
        if (recording.sample_rate_hz, recording.channels.len()) != (rate_hz, channels) {
            // Another stream begins: one recording has one rate.
            break;
        }
        buffer.copy_to_vecs_planar(&mut planes);
        for (channel, plane) in recording.channels.iter_mut().zip(&planes) {
            channel.extend_from_slice(plane);
        }
    }
    match (recording, first_error) {
        (Some(recording), _) => Ok(recording),
        (None, Some(error)) => Err(RecordingError::Damaged {
            path: path.into(),
            reason: error.to_string(),
        }),
        (None, None) => Err(RecordingError::Empty { path: path.into() }),
    }
}
