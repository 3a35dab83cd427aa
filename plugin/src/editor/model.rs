//! Who says so: the model's card, how it is doing, and the singer that it has learned.

use std::time::Duration;

use affekt_models::runtime::{self, Runtime};
use affekt_models::{Card, SHIPPED_MODELS};
use egui::{Align2, Rect};

use super::controls::{button, switch};
use super::hands::Hands;
use super::model_list::Wish;
use super::page::{Page, rect};
use super::theme::{numerals, space, type_size, words};
use crate::analysis::Reading;
use crate::model_choice::ModelSource;
use crate::params::AffektParams;
use crate::singer::Progress;
use crate::wording::{BEGIN, KEPT};
use crate::worker::link::{ModelInfo, ModelState};

/// Share of the width that the card takes.
const LEFT: f32 = 0.57;
/// Width of the entries' names.
const NAME: f32 = 92.0;

/// What there is to show.
pub struct Facts<'a> {
    /// How the model is doing.
    pub model: &'a ModelState,
    /// The chosen model; `None` for the standard one.
    pub source: Option<ModelSource>,
    /// Whether it is on its way.
    pub pending: bool,
    /// Why it does not run, if so.
    pub refusal: Option<String>,
    /// Late and dropped results.
    pub reading: &'a Reading,
    /// Time of one inference.
    pub inference: Option<Duration>,
    /// How far learning is.
    pub progress: Progress,
}

/// Draws it; what is wanted of the models.
pub fn show(page: &Page<'_>, area: Rect, facts: &Facts<'_>, params: &AffektParams, hands: &mut Hands) -> Option<Wish> {
    let left = (area.width() * LEFT).round();
    card(page, rect(area.min.x, area.min.y, left, area.height()), facts);
    let x = area.min.x + left + space::FAR;
    let side = rect(x, area.min.y, area.max.x - x, area.height());
    page.frame(side, 1.0, page.theme.track);
    singer(page, side.shrink(12.0), facts.progress, params, hands);
    let place = |row: f32| rect(side.min.x + 12.0, side.max.y - 40.0 - 34.0 * row, 180.0, 28.0);
    let tip = "Lists the models inside Affekt and those of yours, and opens files";
    if button(page, place(0.0), "Other models …", false, tip) {
        return Some(Wish::List);
    }
    let tip = "Runs the model that Affekt runs unless another one is chosen";
    if facts.source.is_some() && button(page, place(1.0), "Back to the built-in model", false, tip) {
        return Some(Wish::Choose(None));
    }
    None
}

/// Name and version.
pub fn running_title(info: &ModelInfo) -> String {
    format!("{} {}", info.card.name, info.card.version).trim().to_owned()
}

fn card(page: &Page<'_>, area: Rect, facts: &Facts<'_>) {
    let theme = page.theme;
    let title = match facts.model {
        ModelState::Running(info) => running_title(info),
        ModelState::Loading => "No model yet".into(),
        ModelState::Failed(_) => "No model".into(),
    };
    page.write(
        &title,
        area.min.x,
        area.min.y + 2.0,
        Align2::LEFT_TOP,
        words(type_size::FIGURE),
        theme.text,
    );
    let mut y = area.min.y + 32.0;
    for (name, value) in entries(facts) {
        page.write(
            name,
            area.min.x,
            y,
            Align2::LEFT_TOP,
            words(type_size::SMALL),
            theme.quiet,
        );
        let value = page.paragraph(
            &value,
            area.min.x + NAME,
            y,
            area.width() - NAME,
            6,
            words(type_size::SMALL),
            theme.text,
        );
        y = value.max.y + 7.0;
    }
}

/// Names and values of the card.
fn entries(facts: &Facts<'_>) -> Vec<(&'static str, String)> {
    let mut entries = Vec::new();
    match facts.model {
        ModelState::Running(info) => {
            entries.extend(of_card(&info.card));
            entries.push(("Runs in", info.runtime.clone()));
            if let Some(reason) = fallback() {
                entries.push(("ONNX Runtime", reason));
            }
        }
        ModelState::Loading => {
            entries.push(("State", format!("It is loaded with the first sound: {BEGIN}.")));
        }
        ModelState::Failed(reason) => entries.push(("Refused", reason.clone())),
    }
    match &facts.source {
        Some(ModelSource::File(file)) => entries.push(("Chosen file", file.display().to_string())),
        Some(ModelSource::Shipped { shipped }) => {
            let model = SHIPPED_MODELS.iter().find(|model| model.key == shipped);
            entries.push(("Chosen", model.map_or(shipped.clone(), |model| model.title.to_owned())));
        }
        None => {}
    }
    if facts.pending {
        entries.push(("State", "The chosen model is being loaded.".into()));
    }
    if let Some(reason) = &facts.refusal {
        entries.push(("Refused", reason.clone()));
    }
    entries.push(("Speed", speed(facts)));
    let trouble = format!("{} late, {} dropped", facts.reading.late, facts.reading.dropped);
    entries.push(("Results", trouble));
    entries
}

/// How long the model takes for a window, and how many windows there are.
fn speed(facts: &Facts<'_>) -> String {
    let Some(time) = facts.inference else {
        return "–".into();
    };
    let time = format!("{:.1} ms per window", time.as_secs_f64() * 1e3);
    match facts.model {
        ModelState::Running(info) => format!("{time}, {} a second", rate(info.hop_s)),
        _ => time,
    }
}

/// How many windows a second has, without decimals where the number is whole.
fn rate(hop_s: f64) -> String {
    let per_second = 1.0 / hop_s;
    let whole = (per_second - per_second.round()).abs() < 0.05;
    format!("{per_second:.*}", usize::from(!whole))
}

fn of_card(card: &Card) -> Vec<(&'static str, String)> {
    let corpora: Vec<&str> = card.corpora.iter().map(|corpus| short(corpus)).collect();
    let mut entries = Vec::new();
    let mut add = |name, value: String| {
        if !value.is_empty() {
            entries.push((name, value));
        }
    };
    add("Learned from", corpora.join("; "));
    let percent = |name: &str| card.metrics.get(name).map(|value| format!("{:.0} %", value * 100.0));
    if let Some(recall) = percent("uar") {
        let text = format!("{recall} on voices it has never heard (chance is 17 %)");
        add("Right in", text);
    }
    if let Some(error) = percent("ece") {
        add("Calibration", format!("the percentages are off by {error} on average"));
    }
    add("Licence", card.licence.clone());
    add("Made on", card.date.clone());
    entries
}

/// A corpus without its licence and reference.
fn short(corpus: &str) -> &str {
    corpus.split([',', '.', ';']).next().unwrap_or(corpus).trim()
}

/// Why ONNX Runtime does not run the model, if it should have.
fn fallback() -> Option<String> {
    // The model runs, so the choice has been made, and this only reads it.
    match runtime::choose(None) {
        Runtime::Tract { reason } => reason.clone(),
        Runtime::OnnxRuntime { .. } => None,
    }
}

fn singer(page: &Page<'_>, area: Rect, progress: Progress, params: &AffektParams, hands: &mut Hands) {
    let theme = page.theme;
    page.write(
        "The singer",
        area.min.x,
        area.min.y,
        Align2::LEFT_TOP,
        words(type_size::BODY),
        theme.text,
    );
    let learned = format!("The singer is learned, and {KEPT}. For another singer, forget this one and learn again.");
    let (label, text) = match progress {
        Progress::Off => (
            "Learn this singer",
            "Affekt gets to know a voice while it plays, and starts over with playback. Let it learn the singer, and \
             it knows the voice from the first note on, wherever playback starts. It takes 25 s of singing.",
        ),
        Progress::Learning(_) => (
            "Stop learning",
            "Learning: play the singer, soft and loud. Everything else goes on meanwhile.",
        ),
        Progress::Learned => ("Forget this singer", learned.as_str()),
    };
    let text = page.paragraph(
        text,
        area.min.x,
        area.min.y + 26.0,
        area.width(),
        8,
        words(type_size::SMALL),
        theme.text,
    );
    let y = text.max.y + 12.0;
    let bar = rect(area.min.x, y, area.width() - 46.0, 8.0);
    let share = match progress {
        Progress::Off => 0.0,
        Progress::Learning(share) => share,
        Progress::Learned => 1.0,
    };
    page.fill(bar, theme.track);
    if share > 0.0 {
        page.fill(rect(bar.min.x, bar.min.y, bar.width() * share, 8.0), theme.good);
    }
    page.write(
        &format!("{:.0} %", share * 100.0),
        area.max.x,
        bar.center().y,
        Align2::RIGHT_CENTER,
        numerals(type_size::SMALL),
        theme.text,
    );
    let place = rect(area.min.x, y + 22.0, area.width().min(180.0), 28.0);
    switch(
        page,
        hands,
        place,
        params.learn_dial(),
        label,
        &format!("On: learns the voice, which is then {KEPT}. Off: forgets it."),
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::engine::shipped_contract;

    #[test]
    fn corpora_are_named_shortly() {
        assert_eq!(short("CREMA-D, Crowd-sourced …. ODbL"), "CREMA-D");
        assert_eq!(short("Own recordings"), "Own recordings");
    }

    #[test]
    fn windows_a_second_are_counted_as_they_come() {
        assert_eq!([0.1, 1.0, 0.07, 3.0].map(rate), ["10", "1", "14.3", "0.3"]);
        assert_eq!(rate(shipped_contract().unwrap().hop_s()), "10");
    }

    #[test]
    fn the_shipped_cards_entries_are_all_there() {
        let entries = of_card(&shipped_contract().unwrap().card);
        let names: Vec<&str> = entries.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["Learned from", "Right in", "Calibration", "Licence", "Made on"]);
        assert!(entries.iter().all(|(_, value)| !value.is_empty()));
    }
}
