//! Subcommands: each reads its arguments, calls the library and shows what comes out.

mod corpora;
mod corpus_arguments;
mod cross_validate;
mod epoch_display;
mod evaluate;
mod export;
mod interrupt;
mod output;
mod plan;
mod predict;
mod prepare;
mod preview;
mod progress;
mod settings;
mod shard;
mod train;
mod tune;

use clap::Parser;

/// Builds Affekt's models from labelled recordings.
#[derive(Debug, Parser)]
#[command(name = "affekt-trainer", version)]
pub struct Command {
    #[command(subcommand)]
    subcommand: Subcommand,
}

#[derive(Debug, clap::Subcommand)]
enum Subcommand {
    Corpora(corpora::Arguments),
    Prepare(prepare::Arguments),
    Preview(preview::Arguments),
    Train(train::Arguments),
    CrossValidate(cross_validate::Arguments),
    Tune(tune::Arguments),
    Evaluate(evaluate::Arguments),
    Export(export::Arguments),
    Predict(predict::Arguments),
}

impl Command {
    /// Does what was asked for.
    pub fn run(self) -> color_eyre::Result<()> {
        match self.subcommand {
            Subcommand::Corpora(arguments) => arguments.run(),
            Subcommand::Prepare(arguments) => arguments.run(),
            Subcommand::Preview(arguments) => arguments.run(),
            Subcommand::Train(arguments) => arguments.run(),
            Subcommand::CrossValidate(arguments) => arguments.run(),
            Subcommand::Tune(arguments) => arguments.run(),
            Subcommand::Evaluate(arguments) => arguments.run(),
            Subcommand::Export(arguments) => arguments.run(),
            Subcommand::Predict(arguments) => arguments.run(),
        }
    }
}
