//! `affekt-trainer corpora`

use affekt_trainer::corpora::CORPORA;
use clap::Args;

/// Lists the corpora that can be read: licence, how to get them, and how their labels map to the six emotions.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Prints one JSON array in place of the text.
    #[arg(long)]
    json: bool,
}

impl Arguments {
    /// Lists.
    pub fn run(self) -> color_eyre::Result<()> {
        if self.json {
            let list: Vec<_> = CORPORA
                .iter()
                .map(|corpus| {
                    serde_json::json!({
                        "name": corpus.name,
                        "title": corpus.title,
                        "language": corpus.language,
                        "content": corpus.content,
                        "licence": corpus.licence,
                        "source": corpus.source,
                        "files": corpus.files,
                        "labels": corpus.labels,
                        "attribution": corpus.attribution,
                    })
                })
                .collect();
            println!("{}", serde_json::to_string_pretty(&list)?);
            return Ok(());
        }
        for corpus in CORPORA {
            println!("{}  {}", corpus.name, corpus.title);
            for (what, text) in [
                ("holds", format!("{}, {}", corpus.language, corpus.content)),
                ("licence", corpus.licence.into()),
                ("from", corpus.source.into()),
                ("files", corpus.files.into()),
                ("labels", corpus.labels.into()),
            ] {
                println!("    {what:8} {text}");
            }
        }
        println!(
            "\nGive them as --corpus NAME=FOLDER, with the folder they were unpacked into. Labels beside the six are \
             left out unless --map, e.g. --map calm=neutral, says otherwise."
        );
        Ok(())
    }
}
