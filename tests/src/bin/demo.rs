//! Plays vocals through the built plugin in a host, and shows what it hears: a table, a CSV file and a picture each.
//! Run by `cargo xtask demo`, which builds the bundle first.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use affekt_features::recording::Recording;
use affekt_models::{
    EMOTIONS, plot,
    timeline::{Second, Timeline},
};
use affekt_tests::{
    agreement::MAX_CHANNELS,
    bundle,
    host::{self, Format, Instance, Mode, Setup},
    pass, vocal,
};
use clap::Parser;
use color_eyre::eyre::{OptionExt, WrapErr, bail};

/// Frames per block, as hosts commonly bounce.
const BLOCK: usize = 512;

/// Plays vocals through the built plugin and shows what it hears.
#[derive(Debug, Parser)]
#[command(name = "demo")]
struct Arguments {
    /// Recordings (wav, flac, aiff, mp3, ogg); a short vocal made for this project if none is given.
    vocals: Vec<PathBuf>,
    /// Format of the bundle to load.
    #[arg(long, value_enum, default_value_t = Format::Clap)]
    format: Format,
    /// Folder for the CSV files and pictures; `demo` in cargo's target folder if not given.
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
}

fn main() -> color_eyre::Result<ExitCode> {
    color_eyre::config::HookBuilder::default()
        .display_env_section(false)
        .install()?;
    let arguments = Arguments::parse();
    let mut instance = instance(arguments.format)?;
    let out = arguments.out.unwrap_or_else(|| bundle::target().join("demo"));
    fs::create_dir_all(&out).wrap_err_with(|| format!("the folder {} cannot be made", out.display()))?;
    let vocals = if arguments.vocals.is_empty() {
        vec![vocal::path()]
    } else {
        arguments.vocals
    };

    let mut names = Names::default();
    let mut failures = 0;
    for path in &vocals {
        if let Err(error) = show(instance.as_mut(), arguments.format, path, &out.join(names.of(path))) {
            eprintln!("{error:#}");
            failures += 1;
        }
    }
    Ok(if failures == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn instance(format: Format) -> color_eyre::Result<Box<dyn Instance>> {
    let module = host::load(&bundle::module(format)?, format)?;
    let plugin = module
        .scan()?
        .into_iter()
        .next()
        .ok_or_eyre("the bundle holds no plugin")?;
    Ok(module.instantiate(&plugin.id)?)
}

/// Plays one recording; writes `stem`.csv and `stem`.png.
fn show(instance: &mut dyn Instance, format: Format, path: &Path, stem: &Path) -> color_eyre::Result<()> {
    let recording = Recording::read(path)?;
    let channels = recording.channels.len();
    if channels > MAX_CHANNELS {
        bail!(
            "{} has {channels} channels: Affekt takes mono and stereo",
            path.display()
        );
    }
    let sample_rate_hz = f64::from(recording.sample_rate_hz);
    let setup = Setup {
        sample_rate_hz,
        max_block: BLOCK,
        channels,
        mode: Mode::Offline,
        in_place: false,
    };
    let played = pass::with_tail(&recording.channels, sample_rate_hz);
    let pass = pass::play(instance, &setup, &played, || BLOCK)?;
    let length_s = recording.channels[0].len() as f64 / sample_rate_hz;
    let mut timeline = pass.timeline();
    timeline.points.retain(|point| point.time_s <= length_s);

    let width = if channels == 1 { "mono" } else { "stereo" };
    println!(
        "{}: {length_s:.1} s, {sample_rate_hz} Hz, {width}, through the {format} bundle",
        path.display()
    );
    print!("{}", table(&timeline));

    let (csv, png) = (stem.with_added_extension("csv"), stem.with_added_extension("png"));
    fs::write(&csv, timeline.to_csv()).wrap_err_with(|| format!("{} cannot be written", csv.display()))?;
    let title = path.file_name().unwrap_or_default().to_string_lossy();
    plot::write_png(&timeline, &recording.channels, sample_rate_hz, &title, &png)?;
    println!("Timeline: {}\nPicture:  {}\n", csv.display(), png.display());
    Ok(())
}

/// One line per second: the six mean probabilities in percent, and the likeliest emotion.
fn table(timeline: &Timeline) -> String {
    let mut text = String::from("   time");
    for emotion in EMOTIONS {
        text += &format!("{:>9}", emotion.name());
    }
    text += "   dominant\n";
    for second in timeline.seconds() {
        text += &line(&second);
    }
    text
}

fn line(second: &Second) -> String {
    let mut text = format!("{:>4}:{:02}", second.start_s / 60, second.start_s % 60);
    match second.probabilities {
        Some(probabilities) => {
            for probability in probabilities {
                text += &format!("{:>7.1} %", probability * 100.0);
            }
        }
        None => text += &format!("{:>9}", "–").repeat(EMOTIONS.len()),
    }
    let dominant = second.dominant().map_or("no voice yet", |(emotion, _)| emotion.name());
    text += &format!("   {dominant}\n");
    text
}

/// Names of output files, each used once.
#[derive(Default)]
struct Names {
    used: BTreeSet<String>,
}

impl Names {
    /// The recording's name without its extension, numbered if another recording has had it.
    fn of(&mut self, recording: &Path) -> String {
        let stem = recording.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let numbered = (2..).map(|number| format!("{stem}-{number}"));
        let name = std::iter::once(stem.clone())
            .chain(numbered)
            .find(|name| !self.used.contains(name));
        let name = name.unwrap_or(stem);
        self.used.insert(name.clone());
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recordings_of_one_name_do_not_overwrite_each_other() {
        let mut names = Names::default();
        let given = ["a/take.wav", "b/take.flac", "take", "other.wav"].map(|path| names.of(Path::new(path)));
        assert_eq!(given, ["take", "take-2", "take-3", "other"]);
    }

    #[test]
    fn a_second_is_one_line() {
        let probabilities = Some([0.5, 0.25, 0.125, 0.125, 0.0, 0.0]);
        assert_eq!(
            line(&Second {
                start_s: 75,
                probabilities
            }),
            "   1:15   50.0 %   25.0 %   12.5 %   12.5 %    0.0 %    0.0 %   angry\n"
        );
        assert!(
            line(&Second {
                start_s: 0,
                probabilities: None
            })
            .ends_with("–   no voice yet\n")
        );
    }
}
