//! How a training goes on, for whoever waits.

use affekt_trainer::training::Event;

use super::progress;

/// Shows the training: a bar per epoch on a terminal, and a line per epoch everywhere.
pub struct EpochDisplay {
    bar: indicatif::ProgressBar,
    epochs: usize,
    best_uar: f64,
}

impl EpochDisplay {
    /// Of a training of so many epochs.
    pub fn new(epochs: usize) -> Self {
        Self {
            bar: progress::bar(0, ""),
            epochs,
            best_uar: 0.0,
        }
    }

    /// Shows a step or an epoch.
    pub fn show(&mut self, event: &Event<'_>) {
        match *event {
            Event::Step {
                epoch,
                step,
                steps,
                loss,
            } => {
                if step == 1 {
                    self.bar.reset();
                    self.bar.set_length(steps as u64);
                }
                self.bar.set_position(step as u64);
                self.bar.set_message(format!(
                    "epoch {epoch}/{} loss {loss:.3} best UAR {:.3}",
                    self.epochs, self.best_uar
                ));
            }
            Event::Epoch { record, is_best } => {
                if is_best {
                    self.best_uar = record.validation_uar;
                }
                let mark = if is_best { " *" } else { "" };
                let left = (self.epochs - record.epoch) as f64 * record.seconds / 60.0;
                let line = format!(
                    "epoch {:>3}/{}: loss {:.3}, validation loss {:.3}, UAR {:.3}{mark}, {:.0} s, {:.0} ms per step ({:.0} % inputs), {left:.0} min left",
                    record.epoch,
                    self.epochs,
                    record.loss,
                    record.validation_loss,
                    record.validation_uar,
                    record.seconds,
                    record.step_ms,
                    100.0 * record.input_share,
                );
                if self.bar.is_hidden() {
                    eprintln!("{line}");
                } else {
                    self.bar.println(line);
                }
            }
        }
    }
}
