//! Reading corpora, with a line for everything that is left out.

use std::collections::BTreeMap;

use affekt_trainer::clips::Dropped;
use affekt_trainer::corpora::{Clip, CorpusFolder, Rule, Sex};
use clap::Args;

/// Which recordings.
#[derive(Debug, Args)]
pub struct Corpora {
    /// A corpus and the folder it lies in; repeatable. `affekt-trainer corpora` lists them.
    #[arg(long = "corpus", value_name = "NAME=FOLDER", required = true)]
    pub folders: Vec<CorpusFolder>,
    /// What becomes of a label beside the six emotions, e.g. calm=neutral; repeatable. By default it is left out.
    #[arg(long = "map", value_name = "LABEL=EMOTION")]
    pub map: Vec<Rule>,
}

impl Corpora {
    /// The sex of the speakers of these clips, where their corpora say it.
    pub fn sexes(&self, clips: &[Clip]) -> BTreeMap<String, Sex> {
        self.folders.iter().flat_map(|corpus| corpus.sexes(clips)).collect()
    }

    /// Lists all clips and says on stderr what was found.
    pub fn list(&self) -> color_eyre::Result<Vec<Clip>> {
        let mapping = self.map.iter().copied().collect();
        let mut clips = Vec::new();
        for corpus in &self.folders {
            let listing = corpus.list(&mapping)?;
            eprintln!("{}: {listing}", corpus.corpus.name);
            clips.extend(listing.clips);
        }
        Ok(clips)
    }
}

/// Names the clips that could not be used.
pub fn report(dropped: &[Dropped]) {
    for clip in dropped {
        let name = clip.path.file_name().unwrap_or(clip.path.as_os_str());
        eprintln!("dropped {}: {}", name.to_string_lossy(), clip.reason);
    }
}
