//! Reading corpora, with a line for everything that is left out.

use affekt_trainer::clips::Dropped;
use affekt_trainer::corpora::{Clip, CorpusFolder};

/// Lists all clips of the corpora and says on stderr what was found.
pub fn list(corpora: &[CorpusFolder]) -> color_eyre::Result<Vec<Clip>> {
    let mut clips = Vec::new();
    for corpus in corpora {
        let listing = corpus.list()?;
        eprintln!("{}: {listing}", corpus.corpus.name);
        clips.extend(listing.clips);
    }
    Ok(clips)
}

/// Names the clips that could not be used.
pub fn report(dropped: &[Dropped]) {
    for clip in dropped {
        let name = clip.path.file_name().unwrap_or(clip.path.as_os_str());
        eprintln!("dropped {}: {}", name.to_string_lossy(), clip.reason);
    }
}
