//! Recordings of every format, and files that are none.

use std::f64::consts::TAU;
use std::path::{Path, PathBuf};

use affekt_features::recording::{MAX_CHANNELS, Recording, RecordingError};
use proptest::prelude::*;

fn sines(extension: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/recordings")
        .join(format!("sines.{extension}"))
}

/// A RIFF WAVE file. `format`: 1 for integers, 3 for floats.
fn wav(format: u16, channels: u16, rate_hz: u32, bits: u16, data: &[u8]) -> Vec<u8> {
    let frame = channels * bits / 8;
    let mut file = Vec::new();
    file.extend_from_slice(b"RIFF");
    file.extend_from_slice(&(36 + data.len() as u32).to_le_bytes());
    file.extend_from_slice(b"WAVEfmt ");
    file.extend_from_slice(&16_u32.to_le_bytes());
    file.extend_from_slice(&format.to_le_bytes());
    file.extend_from_slice(&channels.to_le_bytes());
    file.extend_from_slice(&rate_hz.to_le_bytes());
    file.extend_from_slice(&(rate_hz * u32::from(frame)).to_le_bytes());
    file.extend_from_slice(&frame.to_le_bytes());
    file.extend_from_slice(&bits.to_le_bytes());
    file.extend_from_slice(b"data");
    file.extend_from_slice(&(data.len() as u32).to_le_bytes());
    file.extend_from_slice(data);
    file
}

fn read_bytes(bytes: &[u8]) -> Result<Recording, RecordingError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("recording");
    std::fs::write(&path, bytes).unwrap();
    Recording::read(&path)
}

/// Amplitude of one frequency in a signal.
fn amplitude(signal: &[f32], rate_hz: u32, hz: f64) -> f64 {
    let (mut re, mut im) = (0.0, 0.0);
    for (n, x) in signal.iter().enumerate() {
        let angle = TAU * hz * n as f64 / f64::from(rate_hz);
        re += f64::from(*x) * angle.cos();
        im += f64::from(*x) * angle.sin();
    }
    2.0 * re.hypot(im) / signal.len() as f64
}

#[test]
fn every_format_is_read() {
    for (extension, tolerance) in [("flac", 0.002), ("aiff", 0.002), ("ogg", 0.02), ("mp3", 0.05)] {
        let recording = Recording::read(&sines(extension)).unwrap();
        assert_eq!(recording.sample_rate_hz, 22_050, "{extension}");
        assert_eq!(recording.channels.len(), 2, "{extension}");
        for (channel, hz, expected) in [(0, 440.0, 0.5), (1, 1000.0, 0.25)] {
            let signal = &recording.channels[channel];
            assert_eq!(signal.len(), 5512, "{extension}");
            let middle = &signal[1000..4969];
            let found = amplitude(middle, 22_050, hz);
            assert!(
                (found - expected).abs() < tolerance,
                "{extension}, channel {channel}: {found}"
            );
        }
    }
}

#[test]
fn lossless_formats_agree_to_the_bit() {
    assert!(Recording::read(&sines("flac")).unwrap() == Recording::read(&sines("aiff")).unwrap());
}

#[test]
fn wav_samples_are_exact() {
    let integers: Vec<u8> = [0_i16, 16_384, -32_768, 32_767]
        .iter()
        .flat_map(|x| x.to_le_bytes())
        .collect();
    let recording = read_bytes(&wav(1, 2, 44_100, 16, &integers)).unwrap();
    assert_eq!(recording.sample_rate_hz, 44_100);
    assert_eq!(recording.channels, [vec![0.0, -1.0], vec![0.5, 32_767.0 / 32_768.0]]);
    assert!((recording.duration_s() - 2.0 / 44_100.0).abs() < 1e-12);
}

#[test]
fn floats_pass_whatever_they_are() {
    let values = [0.25_f32, f32::NAN, 7.5, f32::INFINITY, -1e-40];
    let bytes: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
    let recording = read_bytes(&wav(3, 1, 16_000, 32, &bytes)).unwrap();
    let same = recording.channels[0]
        .iter()
        .zip(values)
        .all(|(a, b)| *a == b || (a.is_nan() && b.is_nan()));
    assert!(same && recording.channels[0].len() == 5, "{:?}", recording.channels[0]);
}

#[test]
fn a_file_that_is_cut_off_keeps_its_beginning() {
    for extension in ["flac", "aiff"] {
        let bytes = std::fs::read(sines(extension)).unwrap();
        let whole = Recording::read(&sines(extension)).unwrap();
        let cut = read_bytes(&bytes[..bytes.len() * 9 / 10]).unwrap();
        let len = cut.channels[0].len();
        assert!(len > 2000 && len < 5512, "{extension}: {len} samples");
        assert!(cut.channels[0] == whole.channels[0][..len], "{extension}");
    }
    for extension in ["mp3", "ogg"] {
        let bytes = std::fs::read(sines(extension)).unwrap();
        // A cut in the only page of a short ogg leaves nothing.
        match read_bytes(&bytes[..bytes.len() * 9 / 10]) {
            Ok(cut) => assert!(!cut.channels[0].is_empty(), "{extension}"),
            Err(error) => assert!(
                matches!(error, RecordingError::Damaged { .. } | RecordingError::Empty { .. }),
                "{error}"
            ),
        }
    }
}

#[test]
fn what_is_no_recording_is_said_in_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let silence = [0_u8; 64];
    let cases = [
        (folder.path().join("missing.wav"), "does not exist: check the path"),
        (folder.path().to_path_buf(), "cannot be read: it is not a file"),
        (write("empty.wav", b""), "is empty"),
        (write("header.wav", &wav(1, 1, 16_000, 16, &[])), "is empty"),
        (
            write("text.flac", b"This is a text, not a recording.\n".repeat(50).as_slice()),
            "is not a wav, flac, aiff, mp3 or ogg recording",
        ),
        (
            write("zeros.ogg", &[0; 5000]),
            "is not a wav, flac, aiff, mp3 or ogg recording",
        ),
        (
            write("slow.wav", &wav(1, 1, 7_999, 16, &silence)),
            "has a sample rate of 7999 Hz: use 8 000 to 768 000 Hz",
        ),
        (
            write("fast.wav", &wav(1, 1, 1_000_000, 16, &silence)),
            "has a sample rate of 1000000 Hz",
        ),
    ];
    for (path, expected) in cases {
        let message = Recording::read(&path).expect_err(expected).to_string();
        assert!(message.contains(expected), "{message}");
        assert!(message.starts_with(&path.display().to_string()), "{message}");
    }
}

#[test]
fn too_many_channels_and_unknown_encodings_are_refused() {
    let channels = MAX_CHANNELS as u16 + 1;
    let data = vec![0; 2 * usize::from(channels) * 100];
    let error = read_bytes(&wav(1, channels, 16_000, 16, &data)).unwrap_err();
    assert!(error.to_string().contains("channel"), "{error}");
    // The number of channels of an AIFF, where symphonia's own arithmetic overflows.
    let mut bytes = std::fs::read(sines("aiff")).unwrap();
    bytes[20] = 0x80;
    read_bytes(&bytes).unwrap_err();
    // 0x161 is Windows Media Audio.
    let error = read_bytes(&wav(0x161, 1, 16_000, 16, &[0; 64])).unwrap_err();
    assert!(matches!(error, RecordingError::Unsupported { .. }), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn damage_never_panics(
        extension in prop::sample::select(vec!["flac", "aiff", "ogg", "mp3", "wav"]),
        cut in 0.0..1.0_f64,
        damage in prop::collection::vec((0.0..1.0_f64, any::<u8>()), 0..8),
    ) {
        let mut bytes = match extension {
            "wav" => wav(1, 2, 16_000, 16, &[7; 4000]),
            _ => std::fs::read(sines(extension)).unwrap(),
        };
        // Half of the cases cut, the others keep the whole length.
        if cut < 0.5 {
            bytes.truncate((2.0 * cut * bytes.len() as f64) as usize);
        }
        let len = bytes.len();
        for (place, value) in damage {
            // Headers are the most delicate: every second hit goes there.
            let place = if value % 2 == 0 { place * 100.0 } else { place * len as f64 } as usize;
            if let Some(byte) = bytes.get_mut(place) {
                *byte = value;
            }
        }
        match read_bytes(&bytes) {
            Ok(recording) => {
                prop_assert!(!recording.channels.is_empty());
                let len = recording.channels[0].len();
                prop_assert!(len > 0 && recording.channels.iter().all(|channel| channel.len() == len));
            }
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }
}
