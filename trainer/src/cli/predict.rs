//! `affekt-trainer predict`

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use affekt_features::recording::Recording;
use affekt_models::timeline::Timeline;
use affekt_models::{EMOTIONS, Model, SHIPPED_MODEL, plot};
use affekt_trainer::corpora::{collect_files, is_audio};
use clap::Args;
use color_eyre::eyre::{WrapErr, bail};
use serde::Serialize;

/// Says what a model hears in recordings, second by second.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Recordings, or folders with recordings at any depth.
    #[arg(required = true, value_name = "FILE_OR_FOLDER")]
    inputs: Vec<PathBuf>,
    /// The model file; the one that ships with Affekt if not given.
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// Folder for one CSV file per recording, a line per window.
    #[arg(long, value_name = "FOLDER")]
    csv: Option<PathBuf>,
    /// Folder for one picture per recording.
    #[arg(long, value_name = "FOLDER")]
    png: Option<PathBuf>,
    /// Prints one JSON object in place of the tables.
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    model: String,
    files: Vec<FileReport>,
}

#[derive(Serialize)]
struct FileReport {
    file: PathBuf,
    /// Probabilities of the last voiced window; null without voice.
    last: Option<BTreeMap<&'static str, f32>>,
    seconds: Vec<SecondReport>,
}

#[derive(Serialize)]
struct SecondReport {
    start_s: u64,
    dominant: Option<&'static str>,
    probabilities: Option<BTreeMap<&'static str, f32>>,
}

impl Arguments {
    /// Predicts.
    pub fn run(self) -> color_eyre::Result<()> {
        let mut model = match &self.model {
            Some(path) => Model::from_file(path).wrap_err_with(|| path.display().to_string())?,
            None => Model::from_bytes(SHIPPED_MODEL).wrap_err("the built-in model")?,
        };
        let files = recordings(&self.inputs)?;
        for folder in [&self.csv, &self.png].into_iter().flatten() {
            std::fs::create_dir_all(folder)
                .wrap_err_with(|| format!("the folder {} cannot be made", folder.display()))?;
        }
        let mut names = Names::default();
        let mut reports = Vec::new();
        for file in files {
            let recording = Recording::read(&file)?;
            let rate = f64::from(recording.sample_rate_hz);
            let timeline =
                Timeline::of(&mut model, &recording.channels, rate).wrap_err_with(|| file.display().to_string())?;
            let name = names.for_file(&file);
            if let Some(folder) = &self.csv {
                let path = folder.join(format!("{name}.csv"));
                std::fs::write(&path, timeline.to_csv())
                    .wrap_err_with(|| format!("{} cannot be written", path.display()))?;
            }
            if let Some(folder) = &self.png {
                let path = folder.join(format!("{name}.png"));
                plot::write_png(&timeline, &recording.channels, rate, &name, &path)?;
            }
            if self.json {
                reports.push(report(file, &timeline));
            } else {
                println!("{}\n{}", file.display(), table(&timeline));
            }
        }
        if self.json {
            let report = Report {
                model: model.contract().card.name.clone(),
                files: reports,
            };
            println!("{}", serde_json::to_string(&report)?);
        }
        Ok(())
    }
}

/// The files themselves, and all recordings in the folders.
fn recordings(inputs: &[PathBuf]) -> color_eyre::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for input in inputs {
        if input.is_dir() {
            let mut found = Vec::new();
            collect_files(input, &mut found)
                .wrap_err_with(|| format!("the folder {} cannot be read", input.display()))?;
            found.retain(|path| is_audio(path));
            if found.is_empty() {
                bail!("the folder {} holds no recording", input.display());
            }
            found.sort();
            files.append(&mut found);
        } else {
            files.push(input.clone());
        }
    }
    Ok(files)
}

/// Names of output files, each used once.
#[derive(Default)]
struct Names {
    used: BTreeSet<String>,
}

impl Names {
    /// The recording's name without extension, numbered if another recording has it too.
    fn for_file(&mut self, file: &Path) -> String {
        let stem = file.file_stem().unwrap_or_default().to_string_lossy();
        let mut name = stem.to_string();
        let mut number = 1;
        while !self.used.insert(name.clone()) {
            number += 1;
            name = format!("{stem}-{number}");
        }
        name
    }
}

fn by_name(probabilities: [f32; 6]) -> BTreeMap<&'static str, f32> {
    EMOTIONS
        .into_iter()
        .map(|emotion| emotion.name())
        .zip(probabilities)
        .collect()
}

fn report(file: PathBuf, timeline: &Timeline) -> FileReport {
    let seconds = timeline.seconds().into_iter().map(|second| SecondReport {
        start_s: second.start_s,
        dominant: second.dominant().map(|(emotion, _)| emotion.name()),
        probabilities: second.probabilities.map(by_name),
    });
    FileReport {
        file,
        last: timeline.last().map(by_name),
        seconds: seconds.collect(),
    }
}

fn table(timeline: &Timeline) -> String {
    let mut text = format!("{:>8}  {:<9}", "second", "dominant");
    for emotion in EMOTIONS {
        text += &format!("{:>9}", emotion.name());
    }
    text.push('\n');
    for second in timeline.seconds() {
        let dominant = second.dominant().map_or("no voice", |(emotion, _)| emotion.name());
        text += &format!(
            "{:>8}  {dominant:<9}{}\n",
            second.start_s,
            percentages(second.probabilities)
        );
    }
    let last = timeline.last();
    text += &format!("{:>8}  {:<9}{}\n", "at end", "", percentages(last));
    text
}

fn percentages(probabilities: Option<[f32; 6]>) -> String {
    match probabilities {
        Some(values) => values.iter().map(|value| format!("{:>8.1}%", 100.0 * value)).collect(),
        None => format!("{:>9}", "–").repeat(EMOTIONS.len()),
    }
}
