//! The plugin's window: six meters, what the voice sounds most like, the model and how it is doing.

mod heading;
mod meters;
mod size;
mod status;
mod theme;

pub use size::EditorSize;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use nice_plug::context::gui::GuiContext;
use nice_plug::editor::dpi::{LogicalSize, NativeSize, Size};
use nice_plug::editor::{HostMethods, SizeConstraints, SpawnedEditor};
use nice_plug::prelude::{Editor, ParentWindowHandle, ResizeHint};
use nice_plug_egui::baseview::WindowSize;
use nice_plug_egui::{
    EguiEditorHandle, EguiEditorState, EguiNiceSettings, Frame, NiceEguiApp, RepaintNotifier, create_egui_editor,
};

use crate::readout::Readout;
use crate::worker::link::Link;
use meters::Meters;
use status::StatusLine;
use theme::Page;

/// Time between two drawings: about 30 a second.
const FRAME_TIME: Duration = Duration::from_millis(33);

/// Opens windows for one instance.
pub struct AffektEditor {
    size: EditorSize,
    readout: Arc<Readout>,
    link: Arc<Link>,
}

impl AffektEditor {
    /// An editor that shows `readout` and the model behind `link`; `size` is kept up to date for the next window.
    pub fn new(size: EditorSize, readout: Arc<Readout>, link: Arc<Link>) -> Self {
        Self { size, readout, link }
    }

    fn logical_size(&self) -> LogicalSize<f32> {
        let (width, height) = self.size.logical();
        LogicalSize::new(width as f32, height as f32)
    }
}

impl Editor for AffektEditor {
    type Handle = EguiEditorHandle;

    fn spawn(
        &self,
        parent: Option<ParentWindowHandle>,
        wait_for_parent: bool,
        fallback_scale_factor: Option<f64>,
        gui_context: GuiContext,
        host: Option<HostMethods>,
    ) -> Result<SpawnedEditor<Self::Handle>, Box<dyn Error>> {
        let app = App {
            size: self.size.clone(),
            readout: self.readout.clone(),
            meters: Meters::default(),
            status: StatusLine::new(self.link.clone()),
        };
        let settings = EguiNiceSettings::new()
            .with_tile("Affekt")
            .with_resize_hint(self.resize_hint());
        let state = EguiEditorState::from_size(self.logical_size(), 1.0);
        create_egui_editor(state, RepaintNotifier::new(), settings, app)
            .ok_or("the window cannot be created")?
            .spawn(parent, wait_for_parent, fallback_scale_factor, gui_context, host)
    }

    fn size(&self) -> NativeSize<u32> {
        NativeSize::from_size(Size::from(self.logical_size()), self.size.scale_factor())
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

/// One open window.
struct App {
    size: EditorSize,
    readout: Arc<Readout>,
    meters: Meters,
    status: StatusLine,
}

impl NiceEguiApp for App {
    fn ui(&mut self, ui: &mut egui::Ui, _: &mut Frame) {
        if let Some(scale_factor) = ui.ctx().native_pixels_per_point() {
            self.size.set_scale_factor(f64::from(scale_factor));
        }
        let reading = self.readout.reading();
        let (status, model) = self.status.look(ui, &reading);
        let page = Page::new(ui);
        heading::show(&page, &reading, &model);
        self.meters.show(&page, &reading);
        status::show(&page, &status);
        ui.ctx().request_repaint_after(FRAME_TIME);
    }

    fn resized(&mut self, size: WindowSize) {
        self.size.set_logical(size.logical.width, size.logical.height);
        self.size.set_scale_factor(size.scale_factor);
    }
}
