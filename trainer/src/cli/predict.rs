//! `affekt-trainer predict`

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use affekt_features::recording::Recording;
use affekt_models::automation::{OUTPUTS, Pass, Response, Settings, Silence};
use affekt_models::timeline::Timeline;
use affekt_models::{EMOTIONS, Model, SHIPPED_MODEL, plot};
use affekt_trainer::corpora::{collect_files, is_audio};
use clap::{Args, ValueEnum};
use color_eyre::eyre::{WrapErr, bail, ensure};
use serde::Serialize;

use super::output;

/// Silence played after a recording so that its last windows take effect, in seconds: a host's tail.
const TAIL_S: f64 = 0.5;

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
    /// Folder for one CSV file per recording with the plugin's nine outputs every 10 ms; another than that of --csv.
    #[arg(long, value_name = "FOLDER")]
    curve: Option<PathBuf>,
    /// Folder for one MIDI file per recording with the nine outputs as controllers 70 to 78.
    #[arg(long, value_name = "FOLDER")]
    midi: Option<PathBuf>,
    /// Tempo of the MIDI files, in beats per minute.
    #[arg(long, value_name = "BPM", default_value_t = 120.0, value_parser = tempo)]
    tempo: f64,
    /// How fast the outputs follow: momentary, short-term, integrated, or a time in seconds.
    #[arg(long, default_value = "momentary", value_parser = response)]
    response: Response,
    /// What the outputs do without voice.
    #[arg(long, value_enum, default_value_t = SilenceChoice::Hold)]
    silence: SilenceChoice,
    /// Folder for one picture per recording.
    #[arg(long, value_name = "FOLDER")]
    png: Option<PathBuf>,
    /// Prints one JSON object in place of the tables.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum SilenceChoice {
    /// They stay.
    Hold,
    /// They sink to rest.
    Fade,
}

fn response(text: &str) -> Result<Response, String> {
    match text {
        "momentary" => Ok(Response::at(0.0)),
        "short-term" => Ok(Response::at(0.5)),
        "integrated" => Ok(Response::Integrated),
        _ => match text.parse::<f32>() {
            Ok(seconds) if seconds.is_finite() && seconds > 0.0 => Ok(Response::Seconds(seconds)),
            _ => Err("give momentary, short-term, integrated or a number of seconds above 0".into()),
        },
    }
}

fn tempo(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(bpm) if (10.0..=1000.0).contains(&bpm) => Ok(bpm),
        _ => Err("give 10 to 1000 beats per minute".into()),
    }
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
    /// The emotions as the plugin shows them at the end; null without voice.
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
        let settings = Settings {
            response: self.response,
            silence: match self.silence {
                SilenceChoice::Hold => Silence::Hold,
                SilenceChoice::Fade => Silence::Fade,
            },
            ..Settings::default()
        };
        for folder in [&self.csv, &self.curve, &self.midi, &self.png].into_iter().flatten() {
            output::create_folder(folder)?;
        }
        if let (Some(csv), Some(curve)) = (&self.csv, &self.curve) {
            ensure!(
                csv.canonicalize()? != curve.canonicalize()?,
                "--csv and --curve write files of the same names, here both into {}: give two folders",
                csv.display()
            );
        }
        let (count, mut failed) = (files.len(), 0);
        let mut names = Names::default();
        let mut reports = Vec::new();
        for file in files {
            let heard = Recording::read(&file)
                .map_err(color_eyre::Report::from)
                .and_then(|recording| {
                    let heard = listen(&mut model, &recording, settings);
                    let (timeline, pass) = heard.wrap_err_with(|| file.display().to_string())?;
                    Ok((recording, timeline, pass))
                });
            let (recording, timeline, mut pass) = match heard {
                Ok(heard) => heard,
                Err(reason) => {
                    // The others are worth having.
                    eprintln!("left out: {reason:#}");
                    failed += 1;
                    continue;
                }
            };
            let rate = f64::from(recording.sample_rate_hz);
            pass.set_tempo(0, self.tempo);
            let name = names.for_file(&file);
            if let Some(folder) = &self.csv {
                output::write(&folder.join(format!("{name}.csv")), timeline.to_csv())?;
            }
            if let Some(folder) = &self.curve {
                let csv = pass.to_csv().wrap_err_with(|| file.display().to_string())?;
                output::write(&folder.join(format!("{name}.csv")), csv)?;
            }
            if let Some(folder) = &self.midi {
                let midi = pass.to_midi().wrap_err_with(|| file.display().to_string())?;
                output::write(&folder.join(format!("{name}.mid")), midi)?;
            }
            if let Some(folder) = &self.png {
                let path = folder.join(format!("{name}.png"));
                plot::write_png(&timeline, &recording.channels, rate, &name, &path)?;
            }
            if self.json {
                reports.push(report(file, &timeline, &pass));
            } else {
                println!("{}\n{}", file.display(), table(&timeline, &pass));
            }
        }
        if self.json {
            let report = Report {
                model: model.contract().card.name.clone(),
                files: reports,
            };
            println!("{}", serde_json::to_string(&report)?);
        }
        ensure!(
            failed == 0,
            "{failed} of {count} recordings could not be heard: see the reasons above"
        );
        Ok(())
    }
}

/// The windows of a recording, and what the plugin makes of them. Both come from one run of the model.
fn listen(model: &mut Model, recording: &Recording, settings: Settings) -> color_eyre::Result<(Timeline, Pass)> {
    let rate = f64::from(recording.sample_rate_hz);
    let samples = recording.channels.iter().map(Vec::len).min().unwrap_or(0);
    let played: Vec<Vec<f32>> = recording
        .channels
        .iter()
        .map(|channel| {
            let mut channel = channel[..samples].to_vec();
            channel.resize(samples + (TAIL_S * rate) as usize, 0.0);
            channel
        })
        .collect();
    let mut timeline = Timeline::of(model, &played, rate)?;
    let duration_s = samples as f64 / rate;
    let pass = Pass::of_timeline(&timeline, rate, duration_s, settings);
    timeline.points.retain(|point| point.time_s <= duration_s);
    Ok((timeline, pass))
}

/// The emotions at the end of a pass; `None` if there was no voice.
fn at_end(pass: &Pass) -> Option<[f32; 6]> {
    let emotions = pass.last().emotions;
    emotions.iter().any(|&value| value > 0.0).then_some(emotions)
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

fn report(file: PathBuf, timeline: &Timeline, pass: &Pass) -> FileReport {
    let seconds = timeline.seconds().into_iter().map(|second| SecondReport {
        start_s: second.start_s,
        dominant: second.dominant().map(|(emotion, _)| emotion.name()),
        probabilities: second.probabilities.map(by_name),
    });
    FileReport {
        file,
        last: at_end(pass).map(by_name),
        seconds: seconds.collect(),
    }
}

fn table(timeline: &Timeline, pass: &Pass) -> String {
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
    let last = pass.last();
    let dominant = last.dominant.map_or("", |emotion| emotion.name());
    text += &format!("{:>8}  {dominant:<9}{}\n", "at end", percentages(at_end(pass)));
    for output in &OUTPUTS[6..] {
        text += &format!("{:>8}  {:<9}{:>+8.2}\n", "", output.name(), last.output(*output));
    }
    text
}

fn percentages(probabilities: Option<[f32; 6]>) -> String {
    match probabilities {
        Some(values) => values.iter().map(|value| format!("{:>8.1}%", 100.0 * value)).collect(),
        None => format!("{:>9}", "–").repeat(EMOTIONS.len()),
    }
}
