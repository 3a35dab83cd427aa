//! `affekt-trainer prepare`

use std::path::PathBuf;

use affekt_features::FeatureSpec;
use affekt_trainer::audit::{Audit, manifest};
use affekt_trainer::clips::load;
use clap::Args;

use super::corpus_arguments::{Corpora, report};
use super::{output, progress};

/// Looks through corpora: unreadable, silent, clipped and too short recordings, copies, contradicting labels, counts by
/// speaker. Writes what can be used as a table.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    corpora: Corpora,
    /// Folder for `manifest.csv`, which `--corpus csv=manifest.csv` reads, and `audit.json`.
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Adds a line per speaker.
    #[arg(long)]
    speakers: bool,
    /// Prints one JSON object in place of the text.
    #[arg(long)]
    json: bool,
}

impl Arguments {
    /// Looks, reports, writes.
    pub fn run(self) -> color_eyre::Result<()> {
        let clips = self.corpora.list()?;
        let spec = FeatureSpec::standard();
        let bar = progress::bar(clips.len(), "clips");
        let loaded = load(clips, &spec, || bar.inc(1))?;
        bar.finish_and_clear();
        let audit = Audit::new(&loaded, &spec);
        if let Some(folder) = &self.out {
            output::create_folder(folder)?;
            let mut table = csv::Writer::from_writer(Vec::new());
            for mut line in manifest(&loaded, &spec) {
                // Paths in a table are relative to it.
                if let Ok(path) = std::path::absolute(&line.path) {
                    line.path = path.display().to_string();
                }
                table.serialize(line)?;
            }
            let table = table.into_inner()?;
            let text = serde_json::to_string_pretty(&audit)? + "\n";
            for (name, content) in [("manifest.csv", table), ("audit.json", text.into_bytes())] {
                output::write(&folder.join(name), content)?;
            }
        }
        if self.json {
            println!("{}", serde_json::to_string(&audit)?);
            return Ok(());
        }
        report(&loaded.dropped);
        for clip in &audit.clipped {
            eprintln!("clipped {}: {}", clip.path, clip.reason);
        }
        println!(
            "{} usable clips, {:.2} h; {} dropped, {} clipped\n",
            audit.clips,
            audit.hours,
            audit.dropped.len(),
            audit.clipped.len()
        );
        print!("{}", Audit::table(&audit.by_corpus));
        if self.speakers {
            print!("\n{}", Audit::table(&audit.by_speaker));
        }
        Ok(())
    }
}
