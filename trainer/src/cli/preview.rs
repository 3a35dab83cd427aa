//! `affekt-trainer preview`

use std::path::{Path, PathBuf};

use affekt_features::recording::Recording;
use affekt_trainer::preview::picture::write_png;
use affekt_trainer::preview::previews;
use affekt_trainer::waveform::Waveform;
use clap::Args;
use color_eyre::eyre::WrapErr;

use super::output;
use super::settings::read_recipe;

/// Bits of a sample in the files that are written, and the highest sample.
const BITS: u16 = 24;
const HIGHEST: f32 = ((1 << (BITS - 1)) - 1) as f32;

/// Lets you hear and see what a recipe's variations do to one recording.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The recording.
    #[arg(value_name = "CLIP")]
    clip: PathBuf,
    /// Recipe (TOML): the variations of its `[waveform]` and `[augmentation]` are shown.
    #[arg(long, value_name = "FILE")]
    recipe: PathBuf,
    /// Folder for a wav file and a picture per variation, and all.png with all of them.
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// Seed of every random draw.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

impl Arguments {
    /// Writes the files.
    pub fn run(self) -> color_eyre::Result<()> {
        let recipe = read_recipe(&self.recipe)?;
        let recording = Recording::read(&self.clip)?;
        let spec = recipe.features();
        let all = previews(&recording, &recipe, &spec, self.seed)?;
        output::create_folder(&self.out)?;
        for (number, preview) in all.iter().enumerate() {
            let path = |extension: &str| self.out.join(format!("{number:02}-{}.{extension}", preview.name));
            if let Some(waveform) = &preview.waveform {
                let path = path("wav");
                write_wav(waveform, &path).wrap_err_with(|| format!("{} cannot be written", path.display()))?;
            }
            write_png(std::slice::from_ref(preview), &all[0], &spec, &path("png"))?;
            println!("{number:02}-{:24} {}", preview.name, preview.title);
        }
        write_png(&all, &all[0], &spec, &self.out.join("all.png"))?;
        if all.len() == 1 {
            eprintln!("the recipe varies nothing: give probabilities in its [waveform] or [augmentation]");
        }
        println!(
            "{} variations are in {}, side by side in all.png",
            all.len() - 1,
            self.out.display()
        );
        Ok(())
    }
}

/// Writes whole numbers, which every player reads; what is beyond full scale is clipped.
fn write_wav(waveform: &Waveform, path: &Path) -> hound::Result<()> {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: waveform.rate_hz,
        bits_per_sample: BITS,
        sample_format: hound::SampleFormat::Int,
    };
    let mut file = hound::WavWriter::create(path, spec)?;
    for sample in &waveform.samples {
        file.write_sample((sample.clamp(-1.0, 1.0) * HIGHEST) as i32)?;
    }
    file.finalize()
}
