//! How fast and how steadily the values follow a change of emotion: two recordings of one singer, spliced.

use std::path::{Path, PathBuf};

use affekt_features::recording::Recording;
use affekt_models::automation::{MOMENTARY_S, Pass, Response, SHORT_TERM_S, Settings, Values};
use affekt_models::timeline::Timeline;
use affekt_models::{EMOTIONS, Emotion, Model, SHIPPED_MODEL};
use clap::Args;
use color_eyre::Result;
use color_eyre::eyre::{bail, ensure};

/// How often each recording is played before and after the splice: long enough for the slowest response to settle.
const REPETITIONS: usize = 6;

/// The recordings.
#[derive(Debug, Clone, Args)]
pub struct Arguments {
    /// The singer before the change.
    before: PathBuf,
    /// The same singer after it.
    after: PathBuf,
    /// The emotion that comes with the change.
    #[arg(long, default_value = "angry", value_parser = emotion)]
    emotion: Emotion,
}

fn emotion(name: &str) -> Result<Emotion, String> {
    Emotion::from_name(name).ok_or_else(|| {
        let names = EMOTIONS.map(Emotion::name).join(", ");
        format!("give one of {names}")
    })
}

impl Arguments {
    /// Prints one line per response.
    pub fn run(&self) -> Result<()> {
        let (before, rate_hz) = mono(&self.before)?;
        let (after, other_hz) = mono(&self.after)?;
        ensure!(
            rate_hz == other_hz,
            "the recordings have different sample rates: convert one of them"
        );
        let splice = before.len() * REPETITIONS;
        let sound: Vec<f32> = [&before, &after]
            .into_iter()
            .flat_map(|part| part.repeat(REPETITIONS))
            .collect();
        let splice_s = splice as f64 / rate_hz;
        let duration_s = sound.len() as f64 / rate_hz;
        let mut model = Model::from_bytes(SHIPPED_MODEL)?;
        let timeline = Timeline::of(&mut model, &[&sound], rate_hz)?;

        println!(
            "\nResponse: {} × {REPETITIONS}, then {} × {REPETITIONS}, from the splice on, result delay included",
            self.before.display(),
            self.after.display()
        );
        let responses = [
            ("momentary", Response::Seconds(MOMENTARY_S)),
            ("short-term", Response::Seconds(SHORT_TERM_S)),
            ("integrated", Response::Integrated),
        ];
        for (name, response) in responses {
            let settings = Settings {
                response,
                ..Settings::default()
            };
            let curve = Pass::of_timeline(&timeline, rate_hz, duration_s, settings)
                .curve()
                .points;
            let rise = match rise_ms(&curve, splice_s, duration_s, self.emotion) {
                Some(ms) => format!("{ms:>6.0} ms to 90 %"),
                None => format!("{} does not rise", self.emotion.name()),
            };
            println!(
                "  {name:<12} {rise}   {:>5.1} label flips per minute",
                flips_per_minute(&curve, duration_s)
            );
        }
        Ok(())
    }
}

/// The mean of a recording's channels, and its sample rate in Hz.
fn mono(path: &Path) -> Result<(Vec<f32>, f64)> {
    let recording = Recording::read(path)?;
    let length = recording.channels.iter().map(Vec::len).min().unwrap_or(0);
    if length == 0 {
        bail!("{} is empty: give a recording with a voice", path.display());
    }
    let count = recording.channels.len() as f32;
    let sound = (0..length).map(|n| recording.channels.iter().map(|channel| channel[n]).sum::<f32>() / count);
    Ok((sound.collect(), f64::from(recording.sample_rate_hz)))
}

/// Time after the splice at which an emotion has covered 90 % of the way from its mean before to its mean at the end.
fn rise_ms(curve: &[(f64, Values)], splice_s: f64, duration_s: f64, emotion: Emotion) -> Option<f64> {
    let share = |values: &Values| f64::from(values.emotions[emotion.index()]);
    let mean = |from_s: f64, to_s: f64| {
        let part: Vec<f64> = curve
            .iter()
            .filter(|(time_s, _)| (from_s..to_s).contains(time_s))
            .map(|(_, values)| share(values))
            .collect();
        part.iter().sum::<f64>() / part.len().max(1) as f64
    };
    let start = mean(splice_s - 2.0, splice_s);
    let end = mean(duration_s - 3.0, duration_s);
    let aim = start + 0.9 * (end - start);
    let reached = curve
        .iter()
        .find(|(time_s, values)| *time_s >= splice_s && end > start && share(values) >= aim)?;
    Some((reached.0 - splice_s) * 1e3)
}

fn flips_per_minute(curve: &[(f64, Values)], duration_s: f64) -> f64 {
    let labels: Vec<Emotion> = curve.iter().filter_map(|(_, values)| values.dominant).collect();
    let flips = labels.windows(2).filter(|pair| pair[0] != pair[1]).count();
    flips as f64 / duration_s * 60.0
}
