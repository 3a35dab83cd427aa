//! All models that can be chosen: those that ship inside the plugin, and the files that were opened last.

use std::path::{Path, PathBuf};
use std::thread;

use affekt_models::{SHIPPED_MODELS, ShippedModel};
use egui::{Align2, Rect};
use nice_plug_egui::baseview::WindowContext;

use super::controls::{button, entry};
use super::file_dialog::{Dialog, FileDialog};
use super::model::{Facts, running_title};
use super::page::{Page, rect};
use super::repaint::Repaint;
use super::theme::{space, type_size, words};
use crate::model_choice::{ModelChoice, ModelSource};
use crate::own_file;
use crate::recent_models::{Recent, RecentModels};
use crate::wording::BEGIN;
use crate::worker::link::ModelState;

/// Height of the headings.
const HEADING: f32 = 26.0;
/// Height of a shipped model's entry, which has a line for the licence, and of a file's; distance of entries.
const SHIPPED: f32 = 38.0;
const FILE: f32 = 20.0;
const GAP: f32 = 3.0;
/// Height of what stands below the lists.
const BELOW: f32 = 84.0;

/// What the user wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// To run a model, `None` is the standard one.
    Choose(Option<ModelSource>),
    /// To see the list.
    List,
    /// To see the card.
    Card,
    /// To open a file.
    Open,
}

/// What the list remembers while the window is open.
pub struct ModelList {
    recent: RecentModels,
    dialog: FileDialog,
    shown: bool,
    /// Whether a dialog is to be opened.
    wanted: bool,
}

impl ModelList {
    /// Not shown, with files that are yet to be read.
    pub fn new(recent: RecentModels) -> Self {
        Self {
            recent,
            dialog: FileDialog::default(),
            shown: false,
            wanted: false,
        }
    }

    /// Whether it is shown, in place of the card.
    pub fn is_shown(&self) -> bool {
        self.shown
    }

    /// Shown, of a window that a test draws.
    #[cfg(test)]
    pub fn of(recent: RecentModels, dialog: Dialog) -> Self {
        let list = Self::new(recent);
        list.dialog.set(dialog);
        Self { shown: true, ..list }
    }

    /// Does what the user wants.
    pub fn grant(&mut self, wish: Wish, choice: &ModelChoice, repaint: &Repaint) {
        match wish {
            Wish::Choose(source) => choice.choose(source),
            Wish::Card => self.shown = false,
            // The window is not at hand here.
            Wish::Open => self.wanted = true,
            Wish::List => {
                self.shown = true;
                let (recent, repaint) = (self.recent.clone(), repaint.clone());
                // Whoever unloads the plugin does not wait for it.
                own_file::stay();
                // Disks can be slow. Without a thread the list is what it was.
                let _ = thread::Builder::new().name("affekt list".into()).spawn(move || {
                    recent.read();
                    repaint.request();
                });
            }
        }
    }

    /// Opens the dialog before `window` if the user has wanted it. What is chosen there runs from then on.
    pub fn open_wanted(&mut self, window: &WindowContext, choice: &ModelChoice, repaint: &Repaint) {
        if !std::mem::take(&mut self.wanted) {
            return;
        }
        let (recent, chosen) = (self.recent.clone(), choice.clone());
        let then = move |path: PathBuf| {
            chosen.choose(Some(ModelSource::File(path.clone())));
            // A list that cannot be kept lasts as long as the window.
            let _ = recent.add(&path);
        };
        self.dialog.open(window, self.folder(choice), then, repaint.clone());
    }

    /// Where models lie that the user has used.
    fn folder(&self, choice: &ModelChoice) -> Option<PathBuf> {
        let file = match choice.source() {
            Some(ModelSource::File(file)) => Some(file),
            _ => self
                .recent
                .list()
                .into_iter()
                .find(|recent| !recent.missing)
                .map(|recent| recent.path),
        };
        file.as_deref().and_then(Path::parent).map(Path::to_owned)
    }

    /// Draws it.
    pub fn show(&self, page: &Page<'_>, area: Rect, facts: &Facts<'_>) -> Option<Wish> {
        let mut wish = None;
        let width = ((area.width() - space::FAR) / 2.0).floor();
        let heading = |text: &str, x: f32| {
            let font = words(type_size::BODY);
            page.write(text, x, area.min.y, Align2::LEFT_TOP, font, page.theme.text);
        };
        heading("Inside Affekt", area.min.x);
        let mut y = area.min.y + HEADING;
        for (place, model) in SHIPPED_MODELS.iter().enumerate() {
            let source = (place > 0).then(|| ModelSource::Shipped {
                shipped: model.key.to_owned(),
            });
            if shipped(page, rect(area.min.x, y, width, SHIPPED), model, facts.source == source) {
                wish = Some(Wish::Choose(source));
            }
            y += SHIPPED + GAP;
        }
        let x = area.max.x - width;
        heading("Opened lately", x);
        let mut y = area.min.y + HEADING;
        let list = self.recent.list();
        if list.is_empty() {
            let text = "Nothing yet. Models are made with affekt-trainer, as ONNX files.";
            page.paragraph(text, x, y + 2.0, width, 3, words(type_size::SMALL), page.theme.quiet);
        }
        for recent in &list {
            let source = Some(ModelSource::File(recent.path.clone()));
            if file(page, rect(x, y, width, FILE), recent, facts.source == source) {
                wish = Some(Wish::Choose(source));
            }
            y += FILE + GAP;
        }
        let below = rect(area.min.x, area.max.y - BELOW, area.width(), BELOW);
        note(page, below, &self.dialog.state(), facts);
        let buttons = below.max.y - 42.0;
        if button(
            page,
            rect(area.min.x, buttons, 170.0, 28.0),
            "Open another model …",
            false,
            "Chooses an ONNX file",
        ) {
            wish = Some(Wish::Open);
        }
        if button(
            page,
            rect(area.max.x - 130.0, buttons, 130.0, 28.0),
            "Show its card",
            false,
            "What the model has learned from, and how often it is right",
        ) {
            wish = Some(Wish::Card);
        }
        wish
    }
}

fn shipped(page: &Page<'_>, place: Rect, model: &ShippedModel, chosen: bool) -> bool {
    let name = format!("model {}", model.key);
    let (pressed, color) = entry(page, place, &name, chosen, "Ships inside the plugin");
    let x = place.min.x + 10.0;
    let (title, licence) = (words(type_size::SMALL), words(type_size::SMALL));
    page.write(model.title, x, place.min.y + 11.0, Align2::LEFT_CENTER, title, color);
    let text = format!("Licence: {}", model.licence);
    page.write(&text, x, place.max.y - 11.0, Align2::LEFT_CENTER, licence, color);
    pressed
}

fn file(page: &Page<'_>, place: Rect, recent: &Recent, chosen: bool) -> bool {
    let path = recent.path.display().to_string();
    let (pressed, color) = entry(page, place, &format!("model file {path}"), chosen, &path);
    let x = place.min.x + 10.0;
    let font = || words(type_size::SMALL);
    let right = place.max.x - 10.0;
    let right = if recent.missing {
        let y = place.center().y;
        page.write("missing", right, y, Align2::RIGHT_CENTER, font(), color)
            .min
            .x
            - space::NEAR
    } else {
        right
    };
    let name = recent.path.file_name().unwrap_or(recent.path.as_os_str());
    page.line_of(&name.to_string_lossy(), x, place.center().y, right - x, font(), color);
    pressed && !recent.missing
}

/// How the choice goes.
fn note(page: &Page<'_>, area: Rect, dialog: &Dialog, facts: &Facts<'_>) {
    let theme = page.theme;
    let (text, color) = match (dialog, &facts.refusal, facts.model) {
        (Dialog::Open, ..) => (
            "The file dialog is open. It may lie behind another window.".into(),
            theme.quiet,
        ),
        (_, Some(reason), _) => (reason.clone(), theme.bad),
        (Dialog::Failed(reason), ..) => (reason.clone(), theme.bad),
        _ if facts.pending => (
            "The chosen model is being loaded; the one before runs on meanwhile.".into(),
            theme.caution,
        ),
        (.., ModelState::Running(info)) => (format!("{} runs.", running_title(info)), theme.good),
        (.., ModelState::Loading) => (
            format!("The chosen model is loaded with the first sound: {BEGIN}."),
            theme.quiet,
        ),
        (.., ModelState::Failed(reason)) => (reason.clone(), theme.bad),
    };
    page.notice(&text, area, color);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wishes_are_granted() {
        let (choice, repaint) = (ModelChoice::default(), Repaint::default());
        let mut list = ModelList::new(RecentModels::default());
        list.grant(Wish::List, &choice, &repaint);
        assert!(list.is_shown());
        let source = ModelSource::File("choir.onnx".into());
        list.grant(Wish::Choose(Some(source.clone())), &choice, &repaint);
        assert_eq!(choice.source(), Some(source));
        list.grant(Wish::Choose(None), &choice, &repaint);
        assert_eq!(choice.source(), None);
        list.grant(Wish::Card, &choice, &repaint);
        assert!(!list.is_shown() && !list.wanted);
        list.grant(Wish::Open, &choice, &repaint);
        assert!(list.wanted);
    }

    #[test]
    fn the_dialog_begins_where_the_users_models_lie() {
        let choice = ModelChoice::default();
        let recent = |path: &str, missing| Recent {
            path: path.into(),
            missing,
        };
        let list = ModelList::new(RecentModels::of(vec![
            recent("/gone/choir.onnx", true),
            recent("/models/choir.onnx", false),
        ]));
        assert_eq!(list.folder(&choice), Some("/models".into()));
        choice.choose(Some(ModelSource::File("/other/choir.onnx".into())));
        assert_eq!(list.folder(&choice), Some("/other".into()));
    }
}
