//! The plugin's window. Four views: what the voice carries now, what it has carried, where that goes, and who says so.
//!
//! The window is drawn when the host, the user or [`pulse`] has news, 30 times a second at most. Changes of parameters
//! go through the host ([`hands`]).

mod chrome;
mod clock;
mod controls;
#[cfg(all(test, target_os = "linux"))]
mod costs;
mod file_dialog;
mod handle;
mod hands;
#[cfg(test)]
mod hands_on_tests;
mod history;
#[cfg(test)]
mod layout_tests;
mod look;
mod model;
mod model_list;
mod now;
mod outputs;
mod page;
#[cfg(test)]
mod pictures;
mod pulse;
mod repaint;
mod saving;
#[cfg(test)]
mod scenes;
mod size;
mod theme;
mod trace;
mod trail;

pub use look::EditorLook;
pub use size::EditorSize;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use egui::Rgba;
use nice_plug::context::gui::GuiContext;
use nice_plug::editor::dpi::{LogicalSize, NativeSize, Size};
use nice_plug::editor::{HostMethods, SizeConstraints, SpawnedEditor};
use nice_plug::prelude::{Editor, ParentWindowHandle, ResizeHint};
use nice_plug_egui::baseview::WindowSize;
use nice_plug_egui::{
    EguiEditorState, EguiNiceSettings, Frame, GraphicsConfig, NiceEguiApp, RepaintNotifier, create_egui_editor,
};

use crate::params::AffektParams;
use crate::readout::Readout;
use crate::recent_models::RecentModels;
use crate::status::Status;
use crate::worker::link::{Link, ModelState};
use handle::Handle;
use hands::{Hands, Host};
use history::History;
use look::View;
use model_list::ModelList;
use page::Page;
use pulse::{FRAME_TIME, Pulse};
use repaint::Repaint;
use saving::Saver;
use theme::{DARK, LIGHT, Theme};
use trail::Trail;

/// How often nice-plug-egui's own notifier is looked at, whose first request comes too early (see [`repaint`]).
const NEVER: Duration = Duration::from_hours(24 * 365);

/// Opens windows for one instance.
pub struct AffektEditor {
    params: Arc<AffektParams>,
    readout: Arc<Readout>,
    link: Arc<Link>,
}

impl AffektEditor {
    /// An editor of `params` that shows `readout` and the model behind `link`.
    pub fn new(params: Arc<AffektParams>, readout: Arc<Readout>, link: Arc<Link>) -> Self {
        Self { params, readout, link }
    }

    fn logical_size(&self) -> LogicalSize<f32> {
        let (width, height) = self.params.editor_size.logical();
        LogicalSize::new(width as f32, height as f32)
    }
}

impl Editor for AffektEditor {
    type Handle = Handle;

    fn spawn(
        &self,
        parent: Option<ParentWindowHandle>,
        wait_for_parent: bool,
        fallback_scale_factor: Option<f64>,
        gui_context: GuiContext,
        host: Option<HostMethods>,
    ) -> Result<SpawnedEditor<Self::Handle>, Box<dyn Error>> {
        let repaint = Repaint::default();
        let look = self.params.editor_look.clone();
        let pulse = Pulse::start(self.readout.clone(), self.link.clone(), look, repaint.clone());
        let app = App::new(self, Box::new(gui_context.clone()), pulse, repaint.clone());
        let settings = EguiNiceSettings::new()
            .with_tile("Affekt")
            .with_resize_hint(self.resize_hint())
            .with_graphics_config(graphics())
            .with_repaint_poll_interval(NEVER);
        let state = EguiEditorState::from_size(self.logical_size(), 1.0);
        let SpawnedEditor { handle, window } = create_egui_editor(state, RepaintNotifier::new(), settings, app)
            .ok_or("the window cannot be created")?
            .spawn(parent, wait_for_parent, fallback_scale_factor, gui_context, host)?;
        // Hosts ask for the size again as soon as there is a window, before it is drawn.
        self.params.editor_size.set_scale_factor(window.size().scale_factor);
        Ok(SpawnedEditor {
            handle: Handle::new(handle, repaint),
            window,
        })
    }

    fn size(&self) -> NativeSize<u32> {
        NativeSize::from_size(Size::from(self.logical_size()), self.params.editor_size.scale_factor())
    }

    fn resize_hint(&self) -> ResizeHint {
        let logical = |(width, height): (u32, u32)| LogicalSize::new(width as f32, height as f32);
        ResizeHint {
            can_resize: true,
            can_resize_horizontally: true,
            can_resize_vertically: true,
            size_constraints: SizeConstraints::Logical {
                min_size: Some(logical(size::SMALLEST)),
                max_size: Some(logical(size::LARGEST)),
            },
            ..ResizeHint::default()
        }
    }
}

/// How windows are drawn. Without dithering: there are no gradients, and it is a good part of the work of a processor
/// without a graphics card.
fn graphics() -> GraphicsConfig {
    GraphicsConfig {
        dithering: false,
        ..GraphicsConfig::default()
    }
}

/// One open window.
struct App {
    params: Arc<AffektParams>,
    readout: Arc<Readout>,
    link: Arc<Link>,
    hands: Hands,
    pulse: Pulse,
    repaint: Repaint,
    trail: Trail,
    history: History,
    saver: Saver,
    models: ModelList,
    /// Whether egui's own parts have the light theme; `None` before the first drawing.
    light: Option<bool>,
}

impl App {
    fn new(editor: &AffektEditor, host: Box<dyn Host>, pulse: Pulse, repaint: Repaint) -> Self {
        Self {
            params: editor.params.clone(),
            readout: editor.readout.clone(),
            link: editor.link.clone(),
            hands: Hands::new(host),
            pulse,
            repaint,
            trail: Trail::default(),
            history: History::default(),
            saver: Saver::default(),
            models: ModelList::new(RecentModels::of_user()),
            light: None,
        }
    }

    /// Draws the window.
    fn show(&mut self, ui: &mut egui::Ui, frame: &mut Frame) {
        self.repaint.drawing(frame.baseview_window());
        self.draw(ui);
        // Clearing costs a processor without a graphics card much less than painting over. The colour is wanted as the
        // screen has it, not linear.
        let [red, green, blue, _] = self.theme().ground.to_normalized_gamma_f32();
        frame.set_clear_color(Rgba::from_rgb(red, green, blue));
    }

    fn theme(&self) -> &'static Theme {
        if self.params.editor_look.get().light {
            &LIGHT
        } else {
            &DARK
        }
    }

    /// Draws everything but the window's ground.
    fn draw(&mut self, ui: &mut egui::Ui) {
        let look = self.params.editor_look.get();
        let theme = self.theme();
        if self.light.replace(look.light) != Some(look.light) {
            ui.ctx().set_visuals(theme.visuals());
        }
        let reading = self.readout.reading();
        let model = self.link.model();
        let status = Status::of(self.link.complaint(), &model, self.pulse.playing(), &reading);
        let page = Page::new(ui, theme);
        let mut chosen = chrome::head(&page, look, reading.values.voiced && self.pulse.playing());
        let area = chrome::content(&page);
        match look.view {
            View::Now => now::show(
                &page,
                area,
                &reading.values,
                &status,
                &mut self.trail,
                &self.params,
                &mut self.hands,
            ),
            View::History => {
                if self.history.trace().follow(self.link.recorder()) {
                    ui.ctx().request_repaint_after(FRAME_TIME);
                }
                let wish = self.history.show(&page, area, look, &self.saver.state());
                chosen = wish.look.unwrap_or(chosen);
                if let Some(kind) = wish.save {
                    self.saver.save(kind, &self.link, self.repaint.clone());
                }
            }
            View::Outputs => outputs::show(&page, area, &reading.values, &self.params, &mut self.hands),
            View::Model => {
                let facts = model::Facts {
                    model: &model,
                    source: self.link.choice().source(),
                    pending: matches!(model, ModelState::Running(_)) && self.link.is_model_pending(),
                    refusal: self.link.refusal(),
                    reading: &reading,
                    inference: self.link.inference(),
                    progress: self.link.singer().progress(),
                };
                let wish = if self.models.is_shown() {
                    self.models.show(&page, area, &facts)
                } else {
                    model::show(&page, area, &facts, &self.params, &mut self.hands)
                };
                if let Some(wish) = wish {
                    self.models.grant(wish, self.link.choice(), &self.repaint);
                    ui.ctx().request_repaint();
                }
            }
        }
        chrome::foot(&page, &status);
        if chosen != look {
            self.params.editor_look.choose(chosen);
            ui.ctx().request_repaint();
        }
    }
}

impl NiceEguiApp for App {
    fn ui(&mut self, ui: &mut egui::Ui, frame: &mut Frame) {
        if let Some(scale_factor) = ui.ctx().native_pixels_per_point() {
            self.params.editor_size.set_scale_factor(f64::from(scale_factor));
        }
        self.show(ui, frame);
        self.models
            .open_wanted(frame.baseview_window(), self.link.choice(), &self.repaint);
    }

    fn resized(&mut self, size: WindowSize) {
        let shared = &self.params.editor_size;
        shared.set_logical(size.logical.width, size.logical.height);
        shared.set_scale_factor(size.scale_factor);
    }
}
