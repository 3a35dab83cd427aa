//! The demo program, as `cargo xtask demo` runs it.

use std::{
    path::Path,
    process::{Command, Output},
};

use affekt_models::EMOTIONS;
use affekt_tests::signal::{noise, write_wav};

use crate::common::vocal;

fn demo(out: &Path, arguments: &[&Path]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_demo"))
        .arg("--out")
        .arg(out)
        .args(arguments)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn assert_png(path: &Path) {
    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";
    let picture = std::fs::read(path).unwrap();
    assert!(picture.starts_with(PNG) && picture.len() > 10_000, "{}", path.display());
}

#[test]
fn without_a_recording_it_plays_the_projects_own_vocal_in_both_formats() {
    for format in ["clap", "vst3"] {
        let folder = tempfile::tempdir().unwrap();
        let output = demo(folder.path(), &["--format".as_ref(), format.as_ref()]);
        let table = text(&output.stdout);
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert!(
            table.contains(&format!("through the {} bundle", format.to_uppercase())),
            "{table}"
        );
        assert!(EMOTIONS.iter().all(|emotion| table.contains(emotion.name())), "{table}");
        // The vocal lasts 15.8 s.
        assert!(
            table.contains("   0:00") && table.contains("   0:15") && !table.contains("   0:16"),
            "{table}"
        );
        assert_png(&folder.path().join("demo.png"));
        let csv = std::fs::read_to_string(folder.path().join("demo.csv")).unwrap();
        assert!(
            csv.starts_with("time_s,angry,disgust,fear,happy,neutral,sad,voiced\n"),
            "{csv}"
        );
        assert!(csv.lines().count() > 400, "{csv}");
        for place in ["demo.csv", "demo.png"] {
            assert!(
                table.contains(&folder.path().join(place).display().to_string()),
                "{table}"
            );
        }
    }
}

#[test]
fn several_recordings_and_wrong_ones_among_them() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    let voice = vocal(2.0);
    write_wav(&place("mono.wav"), std::slice::from_ref(&voice), 16_000).unwrap();
    write_wav(
        &place("stereo.wav"),
        &[voice.clone(), noise(1, voice.len(), 0.01)],
        44_100,
    )
    .unwrap();
    write_wav(&place("surround.wav"), &vec![voice; 6], 48_000).unwrap();
    std::fs::write(place("text.wav"), "no recording").unwrap();
    let names = ["mono.wav", "missing.wav", "text.wav", "surround.wav", "stereo.wav"].map(place);
    let out = place("out");
    let output = demo(&out, &names.each_ref().map(|path| path.as_path()));

    assert!(!output.status.success(), "it must fail where a recording fails");
    let complaints = text(&output.stderr);
    let lines: Vec<&str> = complaints.lines().collect();
    assert_eq!(lines.len(), 3, "one sentence each: {complaints}");
    for (line, (name, reason)) in lines.iter().zip([
        ("missing.wav", "does not exist"),
        ("text.wav", "is not a wav, flac, aiff, mp3 or ogg recording"),
        ("surround.wav", "has 6 channels: Affekt takes mono and stereo"),
    ]) {
        assert!(line.contains(name) && line.contains(reason), "{line}");
    }
    for name in ["mono", "stereo"] {
        assert_png(&out.join(format!("{name}.png")));
        assert!(
            text(&output.stdout).contains(&format!(", {name}, ")),
            "{}",
            text(&output.stdout)
        );
    }
}
