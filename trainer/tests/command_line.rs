//! The whole way through the command line: train, resume, export, evaluate, predict; and its error messages.

mod common;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use affekt_trainer::recipe::Recipe;
use affekt_trainer::split::{Side, SpeakerSplit};
use common::{LETTERS, TINY_RECIPE, write_corpus, write_wav};
use serde_json::Value;

fn trainer(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_affekt-trainer"))
        .args(arguments)
        .output()
        .unwrap()
}

fn succeed(arguments: &[&str]) -> Output {
    let output = trainer(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    output
}

/// What a command that must fail says.
fn fail(arguments: &[&str]) -> String {
    let output = trainer(arguments);
    assert!(
        !output.status.success(),
        "{arguments:?} succeeded: {}",
        text(&output.stdout)
    );
    let message = text(&output.stderr);
    assert!(!message.contains("panicked"), "{message}");
    message
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A folder with the tiny corpus (`emo-db`) and its recipe (`recipe.toml`).
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("emo-db")).unwrap();
        write_corpus(&folder.path().join("emo-db"), 6, 3);
        std::fs::write(folder.path().join("recipe.toml"), TINY_RECIPE).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    fn corpus(&self) -> String {
        format!("emo-db={}", self.text("emo-db"))
    }

    /// Trains with further arguments into a run folder.
    fn train(&self, run: &str, more: &[&str]) -> Output {
        let (corpus, recipe, run) = (self.corpus(), self.text("recipe.toml"), self.text(run));
        let mut arguments = vec!["train", "--corpus", &corpus, "--out", &run, "--threads", "2"];
        if !more.contains(&"--resume") {
            arguments.extend(["--recipe", &recipe]);
        }
        arguments.extend(more);
        succeed(&arguments)
    }
}

#[test]
fn from_recordings_to_predictions() {
    let place = Place::new();
    let trained = place.train("run", &[]);
    let report = text(&trained.stderr);
    assert!(
        report.contains("emo-db: 108 clips") && report.contains("best epoch"),
        "{report}"
    );

    // The six tones are easy to tell apart.
    let log = lines(&place.path("run/log.jsonl"));
    let best = log
        .iter()
        .map(|epoch| epoch["validation_uar"].as_f64().unwrap())
        .fold(0.0, f64::max);
    assert!(best > 0.9, "validation UAR {best}: {report}");
    assert!(log.last().unwrap()["loss"].as_f64() < log[0]["loss"].as_f64());

    let run: Value = serde_json::from_str(&std::fs::read_to_string(place.path("run/run.json")).unwrap()).unwrap();
    let side = |name: &str| run["speakers"][name].as_array().unwrap().len();
    assert_eq!((side("train"), side("validation"), side("test")), (4, 1, 1));

    let (run, model) = (place.text("run"), place.text("model.onnx"));
    succeed(&["export", "--run", &run, "--out", &model, "--name", "Tiny"]);

    let corpus = place.corpus();
    let card = place.text("card.md");
    let evaluate = [
        "evaluate", "--model", &model, "--corpus", &corpus, "--run", &run, "--json", "--card", &card,
    ];
    let evaluated = succeed(&evaluate);
    let figures = json(&evaluated);
    assert_eq!(
        (figures["clips"].as_u64(), figures["speakers"].as_u64()),
        (Some(18), Some(1))
    );
    assert!(figures["uar"].as_f64().unwrap() > 0.8, "{figures}");
    for key in ["accuracy", "macro_f1", "per_class_recall", "confusion", "ece"] {
        assert!(!figures[key].is_null(), "{key}: {figures}");
    }
    let card = std::fs::read_to_string(card).unwrap();
    for part in ["# Tiny", "Burkhardt", "CC0", "affekt-trainer train", "first model"] {
        assert!(card.contains(part), "{part}: {card}");
    }
    let table = succeed(&["evaluate", "--model", &model, "--corpus", &corpus, "--session", "cold"]);
    let table = text(&table.stdout);
    assert!(
        table.contains("108 clips of 6 speakers, cold") && table.contains("UAR"),
        "{table}"
    );

    // The figures travel inside the model.
    let evaluation = place.path("evaluation.json");
    std::fs::write(&evaluation, &evaluated.stdout).unwrap();
    let evaluation = evaluation.display().to_string();
    succeed(&["export", "--run", &run, "--out", &model, "--evaluation", &evaluation]);
    let bytes = std::fs::read(&model).unwrap();
    let contract = affekt_models::Contract::read(&bytes).unwrap();
    assert_eq!(contract.card.metrics.get("uar").copied(), figures["uar"].as_f64());

    let file = place.text("emo-db/03a01Wa.wav");
    let (csv, png) = (place.text("csv"), place.text("png"));
    let predicted = json(&succeed(&[
        "predict", "--model", &model, &file, "--json", "--csv", &csv, "--png", &png,
    ]));
    let last = predicted["files"][0]["last"].as_object().unwrap();
    let sum: f64 = last.values().map(|value| value.as_f64().unwrap()).sum();
    assert!((sum - 1.0).abs() < 1e-4 && last.len() == 6, "{predicted}");
    assert!(place.path("csv/03a01Wa.csv").is_file() && place.path("png/03a01Wa.png").is_file());
    let table = text(&succeed(&["predict", "--model", &model, &file]).stdout);
    assert!(table.contains("dominant") && table.contains("at end"), "{table}");
}

#[test]
fn a_resumed_run_equals_an_uninterrupted_one() {
    let place = Place::new();
    let whole = TINY_RECIPE.replace("epochs = 30", "epochs = 4");
    std::fs::write(place.path("recipe.toml"), whole).unwrap();
    place.train("whole", &[]);

    // Stop after two of four epochs.
    place.train("again", &["--stop-after", "2"]);
    assert_eq!(lines(&place.path("again/log.jsonl")).len(), 2);
    place.train("again", &["--resume"]);
    let strip = |run: &str| -> Vec<_> {
        let epochs = lines(&place.path(&format!("{run}/log.jsonl"))).into_iter();
        epochs
            .map(|epoch| (epoch["loss"].clone(), epoch["validation_loss"].clone()))
            .collect()
    };
    assert_eq!(strip("whole"), strip("again"));
}

#[test]
fn bad_input_is_explained() {
    let place = Place::new();
    let (corpus, out) = (place.corpus(), place.text("out"));
    let unknown = fail(&["train", "--corpus", "iemocap=somewhere", "--out", &out]);
    assert!(
        unknown.contains("no corpus named `iemocap`") && unknown.contains("emo-db"),
        "{unknown}"
    );
    let missing = fail(&["train", "--corpus", "emo-db=/nowhere/at/all", "--out", &out]);
    assert!(
        missing.contains("/nowhere/at/all") && missing.contains("cannot be read"),
        "{missing}"
    );
    let empty = format!("crema-d={}", place.text("emo-db"));
    let empty = fail(&["train", "--corpus", &empty, "--out", &out]);
    assert!(
        empty.contains("no clip of corpus crema-d") && empty.contains("108 other files"),
        "{empty}"
    );

    std::fs::write(place.path("bad.toml"), TINY_RECIPE.replace("pool = 4", "pools = 4")).unwrap();
    let bad = place.text("bad.toml");
    let bad = fail(&["train", "--corpus", &corpus, "--out", &out, "--recipe", &bad]);
    assert!(bad.contains("pool"), "{bad}");

    let nothing = fail(&["export", "--run", &out, "--out", &place.text("x.onnx")]);
    assert!(nothing.contains("no finished epoch"), "{nothing}");
    std::fs::write(place.path("noise.onnx"), [7; 100]).unwrap();
    let noise = fail(&["evaluate", "--model", &place.text("noise.onnx"), "--corpus", &corpus]);
    assert!(noise.contains("ONNX"), "{noise}");
    let absent = fail(&["predict", "--model", &place.text("none.onnx"), &out]);
    assert!(
        absent.contains("none.onnx") && absent.contains("cannot be read"),
        "{absent}"
    );
}

#[test]
fn a_run_is_not_overwritten_and_seen_speakers_are_refused() {
    let place = Place::new();
    place.train("run", &["--epochs", "1"]);
    let (corpus, run, model) = (place.corpus(), place.text("run"), place.text("model.onnx"));
    let again = fail(&["train", "--corpus", &corpus, "--out", &run]);
    assert!(
        again.contains("holds a run already") && again.contains("--resume"),
        "{again}"
    );
    succeed(&["export", "--run", &run, "--out", &model]);

    // Only the speakers that were seen.
    let record: Value = serde_json::from_str(&std::fs::read_to_string(place.path("run/run.json")).unwrap()).unwrap();
    let test = record["speakers"]["test"][0]
        .as_str()
        .unwrap()
        .trim_start_matches("emo-db/")
        .to_string();
    for letter in LETTERS {
        for version in ['a', 'b', 'c'] {
            std::fs::remove_file(place.path(&format!("emo-db/{test}a01{letter}{version}.wav"))).unwrap();
        }
    }
    let evaluate = ["evaluate", "--model", &model, "--corpus", &corpus, "--run", &run];
    let refused = fail(&evaluate);
    assert!(refused.contains("seen all speakers"), "{refused}");
    let allowed = trainer(&[&evaluate[..], &["--allow-seen"]].concat());
    assert!(allowed.status.success());
    assert!(text(&allowed.stderr).contains("WARNING"), "{}", text(&allowed.stderr));

    // Other clips than the run started with.
    let resumed = fail(&["train", "--corpus", &corpus, "--out", &run, "--resume"]);
    assert!(resumed.contains("differ"), "{resumed}");
}

/// The corpus's speakers, without the one that tests: that one's clips are not even decoded.
fn decoded_speakers(seed: u64) -> Vec<String> {
    let names: Vec<String> = (3..=8).map(|speaker| format!("emo-db/{speaker:02}")).collect();
    let recipe = Recipe::from_toml(TINY_RECIPE).unwrap();
    let split = SpeakerSplit::draw(names.iter().map(String::as_str), &recipe.split, seed).unwrap();
    let decoded = names.iter().filter(|name| split.side(name) != Some(Side::Test));
    decoded.map(|name| name["emo-db/".len()..].to_string()).collect()
}

#[test]
fn defective_clips_are_dropped_by_name() {
    const SEED: u64 = 1;
    let place = Place::new();
    let folder = place.path("emo-db");
    let speakers = decoded_speakers(SEED);
    let name = |speaker: usize, clip: &str| format!("{}{clip}.wav", speakers[speaker]);
    let copy = |speaker: usize, from: &str, to: &str| {
        std::fs::copy(folder.join(name(speaker, from)), folder.join(name(speaker, to))).unwrap();
    };
    copy(0, "a01Wa", "a02Ta");
    copy(1, "a01Wa", "a02Wa");
    write_wav(&folder.join(name(2, "a02Na")), &[0.0; 16_000]);
    write_wav(&folder.join(name(2, "a03Na")), &[0.5; 100]);
    std::fs::write(folder.join(name(3, "a02Na")), "no recording").unwrap();
    let trained = place.train("run", &["--epochs", "1", "--seed", &SEED.to_string()]);
    let report = text(&trained.stderr);
    for (speaker, clip, reason) in [
        (0, "a02Ta", "another label"),
        (0, "a01Wa", "another label"),
        (1, "a02Wa", "a copy of"),
        (2, "a02Na", "no voice"),
        (2, "a03Na", ""),
        (3, "a02Na", "not a wav"),
    ] {
        let name = name(speaker, clip);
        let line = report.lines().find(|line| line.contains(&format!("dropped {name}")));
        assert!(line.is_some_and(|line| line.contains(reason)), "{name}: {report}");
    }
    assert!(!report.contains(&format!("dropped {}", name(1, "a01Wa"))), "{report}");
}
