//! Front ends of other people and teachers, through the command line: train, go on, export, evaluate, predict.

mod common;

use std::path::PathBuf;
use std::process::{Command, Output};

use common::{TINY_RECIPE, front_end, write_corpus};
use serde_json::Value;

/// A folder with the tiny corpus and a recipe with further tables.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new(tables: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("emo-db")).unwrap();
        write_corpus(&folder.path().join("emo-db"), 4, 2);
        let place = Self { folder };
        place.write_recipe(tables);
        place
    }

    fn write_recipe(&self, tables: &str) {
        let recipe = TINY_RECIPE.replace("epochs = 30", "epochs = 12");
        let recipe = recipe
            .replace("validation = 0.2", "validation = 0.25")
            .replace("test = 0.2", "test = 0.25");
        std::fs::write(self.path("recipe.toml"), format!("{recipe}\n{tables}")).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs a command in the folder.
    fn trainer(&self, line: &str) -> Output {
        Command::new(env!("CARGO_BIN_EXE_affekt-trainer"))
            .args(line.split_whitespace())
            .current_dir(self.folder.path())
            .output()
            .unwrap()
    }

    fn succeed(&self, line: &str) -> Output {
        let output = self.trainer(line);
        let message = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{line}: {message}");
        output
    }

    fn fail(&self, line: &str) -> String {
        let output = self.trainer(line);
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            !output.status.success() && !message.contains("panicked"),
            "{line}: {message}"
        );
        message
    }

    /// Files below a folder, with their contents' lengths.
    fn cached(&self) -> usize {
        let folders = std::fs::read_dir(self.path("run/cache")).unwrap();
        folders
            .map(|folder| std::fs::read_dir(folder.unwrap().path()).unwrap().count())
            .sum()
    }
}

const TRAIN: &str = "train --corpus emo-db=emo-db --recipe recipe.toml --out run --threads 2";

fn trained_and_run(place: &Place) -> f64 {
    place.succeed(&format!("{TRAIN} --stop-after 6"));
    let kept = place.cached();
    place.succeed("train --corpus emo-db=emo-db --out run --threads 2 --resume");
    assert_eq!(place.cached(), kept, "what was kept is used");
    place.succeed("export --run run --out model.onnx --name Behind");
    let output = place.succeed("evaluate --model model.onnx --run run --corpus emo-db=emo-db --json");
    let evaluation: Value = serde_json::from_slice(&output.stdout).unwrap();
    let output = place.succeed("predict --model model.onnx --json emo-db/03a01Wa.wav");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["model"], "Behind");
    assert!(report["files"][0]["last"]["angry"].is_number(), "{report}");
    evaluation["uar"].as_f64().unwrap()
}

#[test]
fn a_network_is_trained_behind_a_front_end_of_raw_audio() {
    let place =
        Place::new("[front_end]\nmodel = \"front.onnx\"\ninput = \"waveform\"\nlicence = \"a formula, CC0-1.0\"\n");
    let missing = place.fail(TRAIN);
    assert!(missing.contains("front.onnx"), "{missing}");
    std::fs::write(place.path("front.onnx"), front_end::of_waveform()).unwrap();
    let uar = trained_and_run(&place);
    assert!(uar > 0.4, "{uar} where a guess gives 0.167");
    let onnx = std::fs::read(place.path("model.onnx")).unwrap();
    let card = affekt_models::Contract::read(&onnx).unwrap().card;
    assert!(
        card.licence.ends_with("front end: a formula, CC0-1.0"),
        "{}",
        card.licence
    );
    // Another file in its place.
    std::fs::write(place.path("front.onnx"), front_end::of_bands(64)).unwrap();
    let other = place.fail("export --run run --out other.onnx");
    assert!(other.contains("front.onnx"), "{other}");
}

#[test]
fn a_network_is_trained_behind_a_front_end_of_mel_bands_and_teaches_another() {
    let place =
        Place::new("[front_end]\nmodel = \"front.onnx\"\ninput = \"log-mel\"\nlicence = \"a formula, CC0-1.0\"\n");
    std::fs::write(place.path("front.onnx"), front_end::of_bands(64)).unwrap();
    let uar = trained_and_run(&place);
    assert!(uar > 0.4, "{uar} where a guess gives 0.167");

    let distillation = "[distillation]\nteacher = \"model.onnx\"\nshare = 1.0\ntemperature = 2.0\n";
    place.write_recipe(distillation);
    place.succeed("train --corpus emo-db=emo-db --recipe recipe.toml --out pupil --threads 2 --epochs 3");
    let run: Value = serde_json::from_slice(&std::fs::read(place.path("pupil/run.json")).unwrap()).unwrap();
    assert!(run["teacher"].is_string() && run["front_end"].is_null(), "{run}");
    place.succeed("export --run pupil --out pupil.onnx");
    std::fs::write(place.path("model.onnx"), "no model").unwrap();
    let refused = place.fail("train --corpus emo-db=emo-db --recipe recipe.toml --out next --threads 2");
    assert!(refused.contains("model.onnx") && refused.contains("ONNX"), "{refused}");
}
