/// A plugin format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, clap::ValueEnum)]
pub enum Format {
    /// CLAP 1.
    Clap,
    /// VST 3.
    Vst3,
}

impl Format {
    /// Both formats.
    pub const ALL: [Self; 2] = [Self::Clap, Self::Vst3];
}

impl std::fmt::Display for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Clap => "CLAP",
            Self::Vst3 => "VST3",
        })
    }
}
