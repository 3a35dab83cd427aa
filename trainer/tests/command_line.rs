//! The whole way through the command line: train, resume, export, evaluate, predict; and its error messages.

mod common;

use std::ffi::OsStr;
use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use common::{LETTERS, TINY_RECIPE, write_corpus, write_wav};
use serde_json::Value;

fn trainer(arguments: &[impl AsRef<OsStr>]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_affekt-trainer"))
        .args(arguments)
        .output()
        .unwrap()
}

fn succeed(arguments: &[impl AsRef<OsStr> + Debug]) -> Output {
    let output = trainer(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    output
}

/// What a command that must fail says.
fn fail(arguments: &[impl AsRef<OsStr> + Debug]) -> String {
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

    /// The command that tries what `search` holds, into the folder `tuning`.
    fn tuning(&self, search: &str) -> Vec<String> {
        std::fs::write(self.path("search.toml"), search).unwrap();
        let (corpus, recipe, file, out) = (
            self.corpus(),
            self.text("recipe.toml"),
            self.text("search.toml"),
            self.text("tuning"),
        );
        [
            "tune",
            "--corpus",
            &corpus,
            "--recipe",
            &recipe,
            "--search",
            &file,
            "--out",
            &out,
            "--threads",
            "2",
        ]
        .map(String::from)
        .into()
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
    let (card, page, plots) = (place.text("card.md"), place.text("page.html"), place.text("plots"));
    let evaluate = [
        "evaluate", "--model", &model, "--corpus", &corpus, "--run", &run, "--json", "--card", &card, "--html", &page,
        "--plots", &plots,
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
    assert!(std::fs::read_to_string(page).unwrap().contains("model on emo-db"));
    assert_eq!(std::fs::read_dir(plots).unwrap().count(), 5);
    let card = std::fs::read_to_string(card).unwrap();
    for part in [
        "# Tiny",
        "Burkhardt",
        "CC0",
        "affekt-trainer train --recipe",
        "singing",
        "conv_kernel = 5",
    ] {
        assert!(card.contains(part), "{part}: {card}");
    }
    assert_eq!(figures["conditions"].as_array().map(Vec::len), Some(0));
    let table = succeed(&["evaluate", "--model", &model, "--corpus", &corpus, "--session", "cold"]);
    let table = text(&table.stdout);
    assert!(
        table.contains("108 clips of 6 speakers, cold") && table.contains("UAR") && !table.contains("condition"),
        "{table}"
    );
    let mut under = vec!["evaluate", "--model", &model, "--corpus", &corpus, "--run", &run];
    under.extend([
        "--condition",
        "gain=0",
        "--condition",
        "telephone",
        "--condition",
        "noise=10",
    ]);
    let table = text(&succeed(&under).stdout);
    assert!(table.contains("gain=0") && table.contains("+0.000"), "{table}");
    under.push("--json");
    let conditions = json(&succeed(&under))["conditions"].clone();
    assert_eq!(conditions[0]["uar"], figures["uar"], "nothing was changed");
    for (place, name) in ["gain=0", "telephone", "noise=10"].into_iter().enumerate() {
        let own = &conditions[place];
        assert_eq!(own["condition"], name);
        assert!(["uar", "accuracy", "ece"].iter().all(|key| own[key].is_f64()), "{own}");
    }
    let message = fail(&[
        "evaluate",
        "--model",
        &model,
        "--corpus",
        &corpus,
        "--condition",
        "echo=1",
    ]);
    assert!(message.contains("no condition echo=1"), "{message}");

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
#[cfg(unix)]
fn ctrl_c_saves_the_running_epoch_and_says_how_to_go_on() {
    let place = Place::new();
    let whole = TINY_RECIPE.replace("epochs = 30", "epochs = 400\nkeep = \"last\"");
    std::fs::write(place.path("recipe.toml"), whole).unwrap();
    let (corpus, recipe, run) = (place.corpus(), place.text("recipe.toml"), place.text("run"));
    let process = Command::new(env!("CARGO_BIN_EXE_affekt-trainer"))
        .args(["train", "--corpus", &corpus, "--out", &run, "--recipe", &recipe])
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let log = place.path("run/log.jsonl");
    while !log.exists() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    // SAFETY: a signal to a child that has not been waited for.
    assert_eq!(unsafe { libc::kill(process.id() as libc::pid_t, libc::SIGINT) }, 0);
    let output = process.wait_with_output().unwrap();
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{message}");
    let epochs = lines(&log).len();
    assert!(epochs < 400 && message.contains("finishing epoch"), "{message}");
    assert!(
        message.contains(&format!("stopped: epoch {epochs} of 400 is saved")),
        "{message}"
    );
    place.train("run", &["--resume", "--stop-after", "1"]);
    let resumed: Vec<_> = lines(&log)
        .iter()
        .map(|epoch| epoch["epoch"].as_u64().unwrap())
        .collect();
    assert_eq!(resumed, (1..=epochs as u64 + 1).collect::<Vec<_>>());
}

#[test]
fn variations_can_be_heard_and_seen() {
    let place = Place::new();
    let tables = "[waveform]\ncopies = 1\npitch_shift = 1.0\n[augmentation]\ntime_warp = 0.2\n[split]";
    std::fs::write(place.path("recipe.toml"), TINY_RECIPE.replace("[split]", tables)).unwrap();
    let (clip, recipe, out) = (
        place.text("emo-db/03a01Wa.wav"),
        place.text("recipe.toml"),
        place.text("preview"),
    );
    let listed = text(&succeed(&["preview", &clip, "--recipe", &recipe, "--out", &out]).stdout);
    assert!(
        listed.contains("4 variations") && listed.contains("+2 semitones, formants kept"),
        "{listed}"
    );
    let mut files: Vec<_> = std::fs::read_dir(place.path("preview"))
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    let expected = [
        "00-original.png",
        "00-original.wav",
        "01-pitch-shift-least.png",
        "01-pitch-shift-least.wav",
        "02-pitch-shift-most.png",
        "02-pitch-shift-most.wav",
        "03-copy-1.png",
        "03-copy-1.wav",
        "04-mel-time-warp.png",
        "all.png",
    ];
    assert_eq!(files, expected);
    let again = affekt_features::recording::Recording::read(&place.path("preview/02-pitch-shift-most.wav")).unwrap();
    assert_eq!((again.sample_rate_hz, again.channels.len()), (16_000, 1));
    let message = fail(&[
        "preview",
        &place.text("nothing.wav"),
        "--recipe",
        &recipe,
        "--out",
        &out,
    ]);
    assert!(message.contains("does not exist"), "{message}");
}

#[test]
fn a_run_that_is_killed_ten_times_equals_an_uninterrupted_one() {
    let place = Place::new();
    let recipe = crnn_recipe("hold-out").replace("epochs = 6", "epochs = 12\nkeep = \"last\"");
    std::fs::write(place.path("recipe.toml"), recipe).unwrap();
    place.train("whole", &[]);

    let (corpus, recipe, run) = (place.corpus(), place.text("recipe.toml"), place.text("killed"));
    let mut random = 0x2545_f491_u32;
    for _ in 0..10 {
        let mut command = Command::new(env!("CARGO_BIN_EXE_affekt-trainer"));
        command.args(["train", "--corpus", &corpus, "--out", &run, "--threads", "2"]);
        if place.path("killed/run.json").exists() {
            command.arg("--resume");
        } else {
            command.args(["--recipe", &recipe]);
        }
        let mut process = command.stderr(std::process::Stdio::null()).spawn().unwrap();
        // From before the first clip is decoded to several epochs on, at some moment or other (xorshift).
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        std::thread::sleep(std::time::Duration::from_millis(u64::from(random % 600)));
        process.kill().unwrap();
        process.wait().unwrap();
    }
    if place.path("killed/run.json").exists() {
        place.train("killed", &["--resume"]);
    } else {
        place.train("killed", &[]);
    }

    let figures = |run: &str| -> Vec<_> {
        let epochs = lines(&place.path(&format!("{run}/log.jsonl"))).into_iter();
        epochs
            .map(|epoch| {
                (
                    epoch["epoch"].clone(),
                    epoch["loss"].clone(),
                    epoch["validation_loss"].clone(),
                )
            })
            .collect()
    };
    assert_eq!(figures("whole").len(), 12);
    let kept = std::fs::read_to_string(place.path("killed/best/best.json")).unwrap();
    assert_eq!(
        serde_json::from_str::<Value>(&kept).unwrap()["epoch"].as_u64(),
        Some(12)
    );
    assert_eq!(figures("whole"), figures("killed"));
    let weights = |run: &str| {
        let model = place.text(&format!("{run}.onnx"));
        succeed(&["export", "--run", &place.text(run), "--out", &model]);
        std::fs::read(model).unwrap()
    };
    assert!(weights("whole") == weights("killed"), "the weights differ");
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
    let train = record["speakers"]["train"][0].as_str().unwrap();
    let train = train.trim_start_matches("emo-db/");
    std::fs::remove_file(place.path(&format!("emo-db/{train}a01Wa.wav"))).unwrap();
    let resumed = fail(&["train", "--corpus", &corpus, "--out", &run, "--resume"]);
    assert!(resumed.contains("differ"), "{resumed}");
}

#[test]
fn defective_clips_are_dropped_by_name() {
    let place = Place::new();
    let folder = place.path("emo-db");
    std::fs::copy(folder.join("03a01Wa.wav"), folder.join("03a02Ta.wav")).unwrap();
    std::fs::copy(folder.join("04a01Wa.wav"), folder.join("04a02Wa.wav")).unwrap();
    // One recording under two speakers' names could otherwise train and test.
    std::fs::copy(folder.join("07a01Na.wav"), folder.join("08a02Na.wav")).unwrap();
    write_wav(&folder.join("05a02Na.wav"), &[0.0; 16_000]);
    write_wav(&folder.join("05a03Na.wav"), &[0.5; 100]);
    std::fs::write(folder.join("06a02Na.wav"), "no recording").unwrap();
    let trained = place.train("run", &["--epochs", "1"]);
    let report = text(&trained.stderr);
    for (name, reason) in [
        ("03a02Ta.wav", "another label"),
        ("03a01Wa.wav", "another label"),
        ("04a02Wa.wav", "a copy of"),
        ("07a01Na.wav", "another label"),
        ("08a02Na.wav", "another label"),
        ("05a02Na.wav", "no voice"),
        ("05a03Na.wav", ""),
        ("06a02Na.wav", "not a wav"),
    ] {
        let line = report.lines().find(|line| line.contains(&format!("dropped {name}")));
        assert!(line.is_some_and(|line| line.contains(reason)), "{name}: {report}");
    }
    assert!(!report.contains("dropped 04a01Wa.wav"), "{report}");
}

/// A recipe with other protocols and a `crnn`, small enough for the tiny corpus.
fn crnn_recipe(protocol: &str) -> String {
    let network = "[network]
architecture = \"crnn\"
blocks = [
    { filters = 4, kernel = 5, stride = [2, 2] },
    { filters = 8, pool = [4, 4] },
]
projection = 16
lstm_layers = 0
lstm_units = 8
pooling = \"attention-deviation\"
heads = 2
dense_units = 0
dropout = 0.0
";
    let augmentation = "[augmentation]
share = 0.5
time_warp = 0.1
curve_db = 1.0
noise = 0.2
time_masks = 1
time_mask_frames = 5
";
    let start = TINY_RECIPE.find("[network]").unwrap();
    let end = TINY_RECIPE.find("[training]").unwrap();
    let head = format!(
        "{}{network}\n{augmentation}\n{}",
        &TINY_RECIPE[..start],
        &TINY_RECIPE[end..]
    );
    head.replace(
        "epochs = 30",
        "epochs = 6\naverage_decay = 0.9\nmixup = 0.2\nlabel_smoothing = 0.05",
    )
    .replace("[split]", &format!("[split]\nprotocol = \"{protocol}\"\nfolds = 3"))
}

#[test]
fn cross_validation_tests_everybody_once_and_goes_on_where_it_was_stopped() {
    let place = Place::new();
    std::fs::write(place.path("recipe.toml"), crnn_recipe("folds")).unwrap();
    let (corpus, recipe, out) = (place.corpus(), place.text("recipe.toml"), place.text("folds"));
    let all = [
        "cross-validate",
        "--corpus",
        &corpus,
        "--recipe",
        &recipe,
        "--out",
        &out,
        "--threads",
        "2",
        "--json",
    ];
    let part = succeed(&[&all[..], &["--shard", "2/2"]].concat());
    assert!(part.stdout.is_empty());
    assert!(
        text(&part.stderr).contains("2 of 3 divisions are still to be done"),
        "{}",
        text(&part.stderr)
    );
    let figures = json(&succeed(&all));
    assert_eq!(
        (figures["clips"].as_u64(), figures["speakers"].as_u64()),
        (Some(108), Some(6))
    );
    assert_eq!(figures["by_speaker"].as_object().unwrap().len(), 6);
    assert!(figures["uar"].as_f64().unwrap() > 0.5, "{figures}");
    let interval = figures["intervals"]["uar"].as_array().unwrap();
    assert!(interval[0].as_f64() <= figures["uar"].as_f64() && figures["uar"].as_f64() <= interval[1].as_f64());
    // What is done was done with this recipe, this seed and these corpora.
    let other = |more: &[&str]| fail(&[&all[..], more].concat());
    let epochs = other(&["--epochs", "3"]);
    assert!(
        epochs.contains("fold-001") && epochs.contains("`training.epochs`") && epochs.contains("another --out"),
        "{epochs}"
    );
    assert!(other(&["--seed", "2"]).contains("the seed differs"));
    let record = place.path("folds/fold-002/run.json");
    let before = std::fs::read_to_string(&record).unwrap();
    for (key, wrong, message) in [
        ("corpora", serde_json::json!([]), "the corpora differ"),
        (
            "speakers",
            serde_json::json!({"train": [], "validation": [], "test": []}),
            "the division of the speakers differs",
        ),
        (
            "origin",
            serde_json::json!({"weights": "0", "corpora": [], "heard": []}),
            "the run that it began with differs",
        ),
    ] {
        let mut run: Value = serde_json::from_str(&before).unwrap();
        run[key] = wrong;
        std::fs::write(&record, run.to_string()).unwrap();
        let refused = other(&[]);
        assert!(refused.contains("fold-002") && refused.contains(message), "{refused}");
    }
    std::fs::remove_file(&record).unwrap();
    let refused = other(&[]);
    assert!(refused.contains("holds a model without its run"), "{refused}");
    std::fs::write(&record, before).unwrap();

    // All is done: the same figures, at once, also if the recipe does not say how to divide.
    let again = json(&succeed(&all));
    assert_eq!(again, figures);
    let cold = json(&succeed(
        &[&all[..], &["--protocol", "folds", "--session", "cold"]].concat(),
    ));
    assert_eq!(
        (cold["session"].as_str(), cold["clips"].as_u64()),
        (Some("cold"), Some(108))
    );
    assert_ne!(cold["ece"], figures["ece"]);

    std::fs::write(place.path("recipe.toml"), crnn_recipe("corpora")).unwrap();
    let alone = fail(&[
        "train",
        "--corpus",
        &corpus,
        "--recipe",
        &recipe,
        "--out",
        &place.text("run"),
    ]);
    assert!(alone.contains("one corpus only"), "{alone}");
    std::fs::write(place.path("recipe.toml"), crnn_recipe("folds")).unwrap();
    let none = fail(&[
        "train",
        "--corpus",
        &corpus,
        "--recipe",
        &recipe,
        "--out",
        &place.text("run"),
        "--fold",
        "4",
    ]);
    assert!(none.contains("no fold 4") && none.contains("makes 3"), "{none}");
}

#[test]
fn a_run_begins_with_the_weights_of_another() {
    let place = Place::new();
    place.train("before", &[]);
    let before = place.text("before");
    let record = |run: &str| -> Value {
        serde_json::from_str(&std::fs::read_to_string(place.path(run).join("run.json")).unwrap()).unwrap()
    };
    // Another seed would divide the speakers otherwise.
    let further = ["--from", &before, "--seed", "9", "--epochs", "3"];
    place.train("run", &[&further[..], &["--stop-after", "1"]].concat());
    let first = lines(&place.path("run/log.jsonl"))[0]["validation_uar"]
        .as_f64()
        .unwrap();
    assert!(first > 0.9, "{first} after one epoch");
    assert_eq!(record("run")["speakers"], record("before")["speakers"]);
    // The weights belong to it; another seed would have fitted another one.
    assert_eq!(record("run")["scaler"], record("before")["scaler"]);
    let origin = &record("run")["origin"];
    assert_eq!(origin["corpora"], serde_json::json!(["emo-db"]));
    assert_eq!(origin["heard"], record("before")["heard"]);
    // It knows where it came from by itself.
    place.train("run", &["--resume"]);
    assert_eq!(lines(&place.path("run/log.jsonl")).len(), 3);
    place.train("again", &further);
    let losses = |run: &str| -> Vec<Value> {
        let log = lines(&place.path(&format!("{run}/log.jsonl")));
        log.iter().map(|epoch| epoch["validation_loss"].clone()).collect()
    };
    assert_eq!(losses("run"), losses("again"));

    // All but one speaker were heard: the one tests in its own division alone, and once.
    let (corpus, out) = (place.corpus(), place.text("other"));
    let tested = succeed(&[
        "cross-validate",
        "--corpus",
        &corpus,
        "--recipe",
        &place.text("recipe.toml"),
        "--protocol",
        "folds",
        "--epochs",
        "1",
        "--from",
        &before,
        "--out",
        &place.text("folds"),
        "--json",
    ]);
    let figures = json(&tested);
    assert_eq!(
        (figures["clips"].as_u64(), figures["speakers"].as_u64()),
        (Some(18), Some(1))
    );
    let report = text(&tested.stderr);
    assert!(report.contains("divisions left out"), "{report}");

    let recipe = place.path("recipe.toml");
    std::fs::write(&recipe, crnn_recipe("folds")).unwrap();
    let other = fail(&[
        "train",
        "--corpus",
        &corpus,
        "--recipe",
        &place.text("recipe.toml"),
        "--out",
        &out,
        "--from",
        &before,
    ]);
    assert!(other.contains("holds another network"), "{other}");
}

#[test]
fn what_the_runs_before_have_heard_stays_heard() {
    let place = Place::new();
    place.train("first", &["--epochs", "1"]);
    // Three new people, who are not in the corpus of the run before.
    let more = place.path("more");
    std::fs::create_dir(&more).unwrap();
    write_corpus(&more, 3, 6);
    let mut table = String::from("path,label,speaker\n");
    for (place, letter) in LETTERS.into_iter().enumerate() {
        let emotion = affekt_models::EMOTIONS[place].name();
        for speaker in 3..6 {
            for version in ['d', 'e', 'f'] {
                table += &format!("more/{speaker:02}a01{letter}{version}.wav,{emotion},{speaker}\n");
            }
        }
    }
    std::fs::write(place.path("more.csv"), table).unwrap();
    let (corpus, recipe) = (place.corpus(), place.text("recipe.toml"));
    let more = format!("csv={}", place.text("more.csv"));
    let train = |name: &str, from: &str, corpus: &str| {
        succeed(&[
            "train",
            "--corpus",
            corpus,
            "--recipe",
            &recipe,
            "--epochs",
            "1",
            "--seed",
            "9",
            "--from",
            &place.text(from),
            "--out",
            &place.text(name),
        ])
    };
    train("second", "first", &more);
    train("third", "second", &corpus);
    let record = |run: &str| -> Value {
        serde_json::from_str(&std::fs::read_to_string(place.path(run).join("run.json")).unwrap()).unwrap()
    };
    assert_eq!(record("third")["speakers"], record("first")["speakers"]);
    assert_eq!(
        record("third")["origin"]["corpora"],
        serde_json::json!(["csv", "emo-db"])
    );

    let (run, model) = (place.text("second"), place.text("second.onnx"));
    succeed(&["export", "--run", &run, "--out", &model]);
    let card = place.text("second.md");
    let evaluated = succeed(&[
        "evaluate",
        "--model",
        &model,
        "--run",
        &run,
        "--corpus",
        &corpus,
        "--corpus",
        &more,
        "--condition",
        "gain=6",
        "--card",
        &card,
        "--json",
    ]);
    // One speaker of each tests; of the others all are left out by name.
    assert_eq!(json(&evaluated)["speakers"].as_u64(), Some(2));
    let report = text(&evaluated.stderr);
    assert!(
        report.contains("126 clips left out: the model's run has seen their speakers")
            && !report.contains("under other names"),
        "{report}"
    );
    // Both corpora were heard.
    let figures: Value = serde_json::from_str(&std::fs::read_to_string(place.path("second.json")).unwrap()).unwrap();
    assert_eq!(figures["elsewhere"], serde_json::json!({}));
    assert_eq!(figures["home"]["warm"]["speakers"].as_u64(), Some(2));
}

#[test]
fn a_run_goes_on_with_its_own_recipe_alone() {
    let place = Place::new();
    place.train("trial", &["--epochs", "2", "--stop-after", "1"]);
    let (corpus, recipe, run) = (place.corpus(), place.text("recipe.toml"), place.text("trial"));
    let resume = ["train", "--corpus", &corpus, "--out", &run, "--resume"];
    let whole = fail(&[&resume[..], &["--recipe", &recipe]].concat());
    assert!(
        whole.contains("`training.epochs` of the recipe is 2 there and 30 now"),
        "{whole}"
    );
    let longer = fail(&[&resume[..], &["--epochs", "3"]].concat());
    assert!(longer.contains("of 2 epochs, not of 3"), "{longer}");
    let seed = fail(&[&resume[..], &["--seed", "1"]].concat());
    assert!(seed.contains("--seed"), "{seed}");
    succeed(&[&resume[..], &["--recipe", &recipe, "--epochs", "2"]].concat());
    assert_eq!(lines(&place.path("trial/log.jsonl")).len(), 2);
    // It began with no other run.
    let from = fail(&[&resume[..], &["--from", &run]].concat());
    assert!(from.contains("the run that it began with differs"), "{from}");
}

#[test]
fn folders_of_one_corpus_are_counted_together() {
    let place = Place::new();
    let other = place.path("other");
    std::fs::create_dir(&other).unwrap();
    // The last three of six speakers lie elsewhere.
    for entry in std::fs::read_dir(place.path("emo-db")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_owned();
        if name.to_str().unwrap() >= "06" {
            std::fs::rename(&path, other.join(name)).unwrap();
        }
    }
    let other = format!("emo-db={}", other.display());
    place.train("run", &["--epochs", "1", "--corpus", &other]);
    let run: Value = serde_json::from_str(&std::fs::read_to_string(place.path("run/run.json")).unwrap()).unwrap();
    assert_eq!(
        run["corpora"],
        serde_json::json!([{"name": "emo-db", "train_clips": 72, "validation_clips": 18}])
    );
}

#[test]
fn what_cannot_be_heard_is_named_and_the_rest_is_predicted() {
    let place = Place::new();
    let folder = place.path("recordings");
    std::fs::create_dir(&folder).unwrap();
    std::fs::copy(place.path("emo-db/03a01Wa.wav"), folder.join("a.wav")).unwrap();
    std::fs::write(folder.join("b.wav"), "no recording").unwrap();
    std::fs::write(folder.join("._a.wav"), "what macOS knows of a.wav").unwrap();
    std::fs::copy(place.path("emo-db/04a01Wa.wav"), folder.join("c.wav")).unwrap();
    let folder = folder.display().to_string();
    let output = trainer(&["predict", "--json", &folder]);
    assert!(!output.status.success());
    let message = text(&output.stderr);
    assert!(
        message.contains("b.wav") && message.contains("1 of 3 recordings could not be heard"),
        "{message}"
    );
    let files = json(&output)["files"].clone();
    let files: Vec<_> = files
        .as_array()
        .unwrap()
        .iter()
        .map(|file| file["file"].clone())
        .collect();
    assert!(
        files.len() == 2 && files[0].as_str().unwrap().ends_with("a.wav"),
        "{files:?}"
    );

    let both = place.text("tables");
    let again = format!("{both}/../tables");
    let clip = place.text("emo-db/03a01Wa.wav");
    let refused = fail(&["predict", &clip, "--csv", &both, "--curve", &again]);
    assert!(refused.contains("give two folders"), "{refused}");
    assert_eq!(std::fs::read_dir(&both).unwrap().count(), 0);
}

#[test]
fn a_run_is_refused_before_its_clips_are_read() {
    let place = Place::new();
    place.train("run", &["--epochs", "1"]);
    let (corpus, run) = (place.corpus(), place.text("run"));
    let refused = fail(&["train", "--corpus", &corpus, "--out", &run]);
    assert!(
        refused.contains("holds a run already") && !refused.contains("of audio analysed"),
        "{refused}"
    );
}

#[test]
fn a_trial_that_fails_is_noted_and_the_search_goes_on() {
    let place = Place::new();
    // With this rate a decay of 10 multiplies the weights by -99 in each step.
    let recipe = TINY_RECIPE
        .replace("learning_rate = 2e-2", "learning_rate = 10.0")
        .replace("batch = 12", "batch = 4");
    std::fs::write(place.path("recipe.toml"), recipe).unwrap();
    let search = "trials = 4
epochs = [2, 3]
keep = 0.5
[space]
\"training.weight_decay\" = [0.0, 10.0]
";
    let tune = place.tuning(search);
    let searched = succeed(&tune);
    let board = text(&searched.stdout);
    let failed = |line: &&str| line.contains("failed (the loss of epoch") && line.contains("weight_decay 10.0");
    let count = board.lines().filter(failed).count();
    assert!((1..4).contains(&count) && board.lines().count() == 4, "{board}");
    assert_eq!(
        board.lines().filter(|line| line.contains("weight_decay 0.0")).count(),
        4 - count
    );
    assert!(board.lines().next().unwrap().contains("weight_decay 0.0"), "{board}");
    let table = std::fs::read_to_string(place.path("tuning/leaderboard.csv")).unwrap();
    assert!(
        table.lines().next().unwrap().ends_with("training.weight_decay,failed"),
        "{table}"
    );
    assert_eq!(table.matches("is not finite").count(), count, "{table}");
    // It is not tried again.
    let again = succeed(&tune);
    assert_eq!(text(&again.stdout), board);
    assert!(!text(&again.stderr).contains("to epoch"), "{}", text(&again.stderr));
}

#[test]
fn what_was_heard_under_another_name_is_not_tested() {
    let place = Place::new();
    place.train("run", &["--epochs", "1"]);
    let (run, model) = (place.text("run"), place.text("model.onnx"));
    succeed(&["export", "--run", &run, "--out", &model]);
    // The same recordings, all of them by somebody new.
    let table: String = std::fs::read_dir(place.path("emo-db"))
        .unwrap()
        .map(|entry| {
            format!(
                "emo-db/{},sad,somebody else\n",
                entry.unwrap().file_name().to_string_lossy()
            )
        })
        .collect();
    std::fs::write(place.path("clips.csv"), format!("path,label,speaker\n{table}")).unwrap();
    let corpus = format!("csv={}", place.text("clips.csv"));
    let evaluated = succeed(&[
        "evaluate", "--model", &model, "--corpus", &corpus, "--run", &run, "--json", "--by", "speaker",
    ]);
    let report = text(&evaluated.stderr);
    assert!(
        report.contains("90 clips left out") && report.contains("under other names"),
        "{report}"
    );
    assert_eq!(json(&evaluated)["clips"].as_u64(), Some(18));
    // Nobody voted on these.
    let voted = fail(&[
        "evaluate", "--model", &model, "--corpus", &corpus, "--run", &run, "--labels", "voted",
    ]);
    assert!(
        voted.contains("no votes") && voted.contains("no usable clip"),
        "{voted}"
    );
}

#[test]
fn tuning_trains_the_best_trials_on_and_can_be_shared() {
    let place = Place::new();
    let search = "trials = 4
epochs = [1, 3]
keep = 0.5
[space]
\"training.learning_rate\" = { low = 1e-3, high = 3e-2, log = true }
\"network.pooling\" = [\"last\", \"attention\"]
";
    let tune = place.tuning(search);
    let part = succeed(&[&tune[..], &["--shard".into(), "1/2".into()]].concat());
    assert!(
        text(&part.stderr).contains("2 trials are still to be trained to epoch 1"),
        "{}",
        text(&part.stderr)
    );
    let board = text(&succeed(&tune).stdout);
    assert_eq!(board.lines().count(), 4, "{board}");
    let epochs: Vec<bool> = board.lines().map(|line| line.contains("3 epochs")).collect();
    assert_eq!(epochs, [true, true, false, false], "{board}");
    let table = std::fs::read_to_string(place.path("tuning/leaderboard.csv")).unwrap();
    assert!(
        table.starts_with("trial,epochs,validation_uar,network.pooling,training.learning_rate"),
        "{table}"
    );
    assert!(place.path("tuning/leaderboard.svg").is_file());
    assert_eq!(text(&succeed(&tune).stdout), board, "all is done");
    let wrong = place.tuning(&search.replace("keep = 0.5", "keep = 5"));
    assert!(fail(&wrong).contains("`keep`"));
}

#[test]
fn preparing_finds_defects_and_writes_a_table_that_can_be_read() {
    let place = Place::new();
    let folder = place.path("emo-db");
    std::fs::copy(folder.join("03a01Wa.wav"), folder.join("03a02Ta.wav")).unwrap();
    std::fs::write(folder.join("06a02Na.wav"), "no recording").unwrap();
    // Bursts of a square wave at full scale.
    let square: Vec<f32> = (0..16_000)
        .map(|index| match (index % 4_000 < 3_000, index / 40 % 2 == 0) {
            (false, _) => 0.0,
            (true, up) => {
                if up {
                    1.0
                } else {
                    -1.0
                }
            }
        })
        .collect();
    write_wav(&folder.join("05a02Na.wav"), &square);
    let (corpus, out) = (place.corpus(), place.text("prepared"));
    let prepared = succeed(&["prepare", "--corpus", &corpus, "--out", &out, "--json"]);
    let audit = json(&prepared);
    assert_eq!(audit["clips"].as_u64(), Some(108));
    assert_eq!(audit["dropped"].as_array().unwrap().len(), 3, "{audit}");
    let clipped = audit["clipped"].as_array().unwrap().iter();
    let mut clipped = clipped.filter(|clip| clip["path"].as_str().unwrap().ends_with("05a02Na.wav"));
    assert!(
        clipped.next().unwrap()["reason"].as_str().unwrap().contains("75.0 %"),
        "{audit}"
    );
    assert_eq!(audit["by_speaker"]["emo-db/05"][4].as_u64(), Some(4), "{audit}");
    let table = format!("csv={}", place.path("prepared/manifest.csv").display());
    let again = text(&succeed(&["prepare", "--corpus", &table]).stdout);
    assert!(
        again.contains("108 usable clips") && again.contains("0 dropped"),
        "{again}"
    );
    // They are still the clips of their corpus.
    assert!(again.contains("emo-db") && !again.contains("csv"), "{again}");
    let recipe = place.text("recipe.toml");
    let train = ["train", "--corpus", &table, "--epochs", "1", "--recipe", &recipe];
    succeed(&[&train[..], &["--out", &place.text("run")]].concat());
    let run: Value = serde_json::from_str(&std::fs::read_to_string(place.path("run/run.json")).unwrap()).unwrap();
    assert_eq!(run["corpora"][0]["name"], "emo-db");
    assert!(
        run["speakers"]["test"][0].as_str().unwrap().starts_with("emo-db/"),
        "{run}"
    );
}

#[test]
fn a_run_whose_speakers_are_on_two_sides_is_refused_by_every_command() {
    let place = Place::new();
    place.train("run", &["--epochs", "1"]);
    let (corpus, run, model) = (place.corpus(), place.text("run"), place.text("model.onnx"));
    succeed(&["export", "--run", &run, "--out", &model]);
    let path = place.path("run/run.json");
    let mut record: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    let speaker = record["speakers"]["train"][0].clone();
    record["speakers"]["test"].as_array_mut().unwrap().push(speaker.clone());
    std::fs::write(&path, record.to_string()).unwrap();
    let other = place.text("other.onnx");
    for command in [
        &["train", "--corpus", &corpus, "--out", &run, "--resume"][..],
        &["export", "--run", &run, "--out", &other],
        &["evaluate", "--model", &model, "--corpus", &corpus, "--run", &run],
    ] {
        let message = fail(command);
        assert!(
            message.contains(speaker.as_str().unwrap()) && message.contains("one side only"),
            "{command:?}: {message}"
        );
    }
}

/// Header and samples of a wav file of any kind.
fn wav(format: u16, channels: u16, rate_hz: u32, bits: u16, data: &[u8]) -> Vec<u8> {
    let frame = channels * bits / 8;
    let mut bytes = b"RIFF".to_vec();
    bytes.extend((36 + data.len() as u32).to_le_bytes());
    bytes.extend(b"WAVEfmt ");
    bytes.extend(16_u32.to_le_bytes());
    bytes.extend([format, channels].map(u16::to_le_bytes).concat());
    bytes.extend([rate_hz, rate_hz * u32::from(frame)].map(u32::to_le_bytes).concat());
    bytes.extend([frame, bits].map(u16::to_le_bytes).concat());
    bytes.extend(b"data");
    bytes.extend((data.len() as u32).to_le_bytes());
    bytes.extend(data);
    bytes
}

#[test]
fn odd_and_damaged_files_are_used_or_named_and_never_panic() {
    let place = Place::new();
    let folder = place.path("emo-db");
    let whole = std::fs::read(folder.join("03a01Wa.wav")).unwrap();
    let noise = |count: usize| (0..count).map(|place| (place * 7919 % 251) as u8).collect::<Vec<_>>();
    let floats = |value: f32| value.to_le_bytes().repeat(32_000);
    let mut files = vec![
        ("empty", wav(1, 1, 16_000, 16, &[])),
        ("nothing", Vec::new()),
        ("eight bits", wav(1, 1, 16_000, 8, &noise(32_000))),
        ("channels", wav(1, 32, 16_000, 16, &noise(2 * 32 * 16_000))),
        ("fast", wav(1, 1, 192_000, 16, &noise(2 * 192_000))),
        ("no rate", wav(1, 1, 0, 16, &noise(32_000))),
        ("no channels", wav(1, 0, 16_000, 16, &noise(32_000))),
        ("not a number", wav(3, 1, 16_000, 32, &floats(f32::NAN))),
        ("infinite", wav(3, 1, 16_000, 32, &floats(f32::INFINITY))),
    ];
    for length in [3, 11, 20, 43, 44, 45, 2_000] {
        files.push(("cut", whole[..length].to_vec()));
    }
    for place in (0..44).step_by(3) {
        let mut damaged = whole.clone();
        damaged[place] ^= 0xff;
        files.push(("damaged", damaged));
    }
    let count = files.len();
    for (number, (_, bytes)) in files.into_iter().enumerate() {
        std::fs::write(folder.join(format!("09c{:02}Na.wav", number)), bytes).unwrap();
    }
    let audit = json(&succeed(&["prepare", "--corpus", &place.corpus(), "--json"]));
    let dropped = audit["dropped"].as_array().unwrap().len() as u64;
    assert_eq!(
        audit["clips"].as_u64().unwrap() + dropped,
        108 + count as u64,
        "{audit}"
    );
    assert!(dropped >= 10, "{audit}");
    for clip in audit["dropped"].as_array().unwrap() {
        assert!(!clip["reason"].as_str().unwrap().is_empty());
    }
}

#[test]
fn corpora_are_listed_with_licence_and_source() {
    let listed = text(&succeed(&["corpora"]).stdout);
    for part in ["crema-d", "ravdess-song", "savee", "CC BY-NC-SA", "https://", "--map"] {
        assert!(listed.contains(part), "{part}: {listed}");
    }
    let list = json(&succeed(&["corpora", "--json"]));
    assert_eq!(list.as_array().unwrap().len(), 9);
}
