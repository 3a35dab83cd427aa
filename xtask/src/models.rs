use std::{
    env::consts::EXE_SUFFIX,
    path::{Path, PathBuf},
    process::Command,
};

use clap::Args;
use color_eyre::eyre::WrapErr;

use crate::{
    cargo::{EVERYTHING, cargo, run},
    workspace,
};

/// Makes the shipped models again: trains, exports, measures and writes their cards. Goes on where it was stopped.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Folder of CREMA-D.
    #[arg(long, value_name = "FOLDER")]
    crema_d: PathBuf,
    /// Folder of EMO-DB.
    #[arg(long, value_name = "FOLDER")]
    emo_db: PathBuf,
    /// Folder of RAVDESS, speech and song: the model is also measured on it, and the song model is made.
    #[arg(long, value_name = "FOLDER")]
    ravdess: Option<PathBuf>,
    /// Folder for runs and models; `models` in cargo's target folder if not given.
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Most epochs of each training, for a trial.
    #[arg(long)]
    epochs: Option<usize>,
}

/// One training, and the model that is made of it.
struct Stage {
    /// Name of the run, and of the model's file.
    name: &'static str,
    /// Below `trainer/recipes`.
    recipe: &'static str,
    /// The run whose weights it begins with.
    from: Option<&'static str>,
    /// Whether it hears RAVDESS, too.
    sings: bool,
    model: Option<Identity>,
}

/// What the card says.
struct Identity {
    name: &'static str,
    version: &'static str,
    licence: &'static str,
}

const STAGES: [Stage; 3] = [
    Stage {
        name: "affekt-base",
        recipe: "crnn.toml",
        from: None,
        sings: false,
        model: None,
    },
    Stage {
        name: "affekt",
        recipe: "crnn-robust.toml",
        from: Some("affekt-base"),
        sings: false,
        model: Some(Identity {
            name: "Affekt",
            version: "0.6",
            licence: "MIT OR Apache-2.0",
        }),
    },
    Stage {
        name: "affekt-song",
        recipe: "song.toml",
        from: Some("affekt"),
        sings: true,
        model: Some(Identity {
            name: "Affekt song",
            version: "0.4",
            licence: "CC BY-NC-SA 4.0: no commercial use",
        }),
    },
];

impl Arguments {
    /// Makes one after the other.
    pub fn run(self) -> color_eyre::Result<()> {
        run(cargo(["build", "--release", "--bin", "affekt-trainer"]).args(EVERYTHING))?;
        let out = match &self.out {
            Some(folder) => folder.clone(),
            None => workspace::target()?.join("models"),
        };
        std::fs::create_dir_all(&out).wrap_err_with(|| format!("{} cannot be made", out.display()))?;
        for stage in STAGES.iter().filter(|stage| !stage.sings || self.ravdess.is_some()) {
            eprintln!("== {}", stage.name);
            self.train(stage, &out)?;
            if let Some(identity) = &stage.model {
                self.export(stage, identity, &out)?;
            }
        }
        eprintln!("The models and their cards lie in {}.", out.display());
        Ok(())
    }

    fn train(&self, stage: &Stage, out: &Path) -> color_eyre::Result<()> {
        let folder = out.join("runs").join(stage.name);
        let mut command = trainer("train")?;
        command.args(self.corpora(stage.sings)).arg("--out").arg(&folder);
        // The weights depend on the number of threads.
        command.args(["--threads", "1"]);
        // A run that goes on is checked against the rest: a trial must not become a model.
        if folder.join("run.json").exists() {
            command.arg("--resume");
        } else {
            command.args(["--seed", "1"]);
        }
        let recipe = workspace::root().join("trainer").join("recipes").join(stage.recipe);
        command.arg("--recipe").arg(recipe);
        if let Some(from) = stage.from {
            command.arg("--from").arg(out.join("runs").join(from));
        }
        if let Some(epochs) = self.epochs {
            command.args(["--epochs", &epochs.to_string()]);
        }
        run(&mut command)
    }

    /// Twice: the card is measured on the model, and goes into it.
    fn export(&self, stage: &Stage, identity: &Identity, out: &Path) -> color_eyre::Result<()> {
        let folder = out.join("runs").join(stage.name);
        let file = |extension| out.join(stage.name).with_extension(extension);
        let export = || -> color_eyre::Result<Command> {
            let mut command = trainer("export")?;
            command.arg("--run").arg(&folder).arg("--out").arg(file("onnx"));
            command.args(["--name", identity.name, "--model-version", identity.version]);
            command.args(["--licence", identity.licence]);
            Ok(command)
        };
        run(&mut export()?)?;
        let mut evaluate = trainer("evaluate")?;
        evaluate.arg("--model").arg(file("onnx")).arg("--run").arg(&folder);
        run(evaluate.args(self.corpora(true)).arg("--card").arg(file("md")))?;
        run(export()?.arg("--evaluation").arg(file("json")))
    }

    /// The corpora as the trainer's command line takes them.
    fn corpora(&self, sings: bool) -> Vec<String> {
        let ravdess = self.ravdess.as_ref().filter(|_| sings);
        let corpora = [
            ("crema-d", Some(&self.crema_d)),
            ("emo-db", Some(&self.emo_db)),
            ("ravdess-speech", ravdess),
            ("ravdess-song", ravdess),
        ];
        let given = corpora.into_iter().filter_map(|(name, folder)| Some((name, folder?)));
        given
            .flat_map(|(name, folder)| ["--corpus".into(), format!("{name}={}", folder.display())])
            .collect()
    }
}

fn trainer(command: &str) -> color_eyre::Result<Command> {
    let program = format!("affekt-trainer{EXE_SUFFIX}");
    let mut call = Command::new(workspace::target()?.join("release").join(program));
    call.arg(command);
    Ok(call)
}
