//! Colours, type sizes and spacing, for a dark and a light window.

use affekt_models::Emotion;
use egui::{Color32, FontFamily, FontId};

/// What everything is drawn with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Theme {
    /// The window's ground.
    pub ground: Color32,
    /// Ground of areas that show or take something.
    pub panel: Color32,
    /// Empty part of a meter, rules and frames.
    pub track: Color32,
    /// Ground of what is chosen or switched on.
    pub chosen: Color32,
    /// Text on [`Theme::chosen`].
    pub on_chosen: Color32,
    /// Text that matters.
    pub text: Color32,
    /// Text that accompanies.
    pub quiet: Color32,
    /// Around what has the keyboard, and the filled part of controls.
    pub accent: Color32,
    /// Around emotions' colours, so that light ones stand out from a light ground.
    pub outline: Color32,
    /// Everything is well.
    pub good: Color32,
    /// The user may want to do something.
    pub caution: Color32,
    /// The user has to do something.
    pub bad: Color32,
    /// Whether the ground is light.
    pub light: bool,
}

/// For dark rooms.
pub const DARK: Theme = Theme {
    ground: Color32::from_rgb(0x14, 0x16, 0x1A),
    panel: Color32::from_rgb(0x1D, 0x20, 0x26),
    track: Color32::from_rgb(0x31, 0x36, 0x3F),
    chosen: Color32::from_rgb(0x3A, 0x42, 0x4F),
    on_chosen: Color32::from_rgb(0xFF, 0xFF, 0xFF),
    text: Color32::from_rgb(0xEC, 0xEE, 0xF1),
    quiet: Color32::from_rgb(0xA9, 0xB0, 0xBA),
    accent: Color32::from_rgb(0x8F, 0xB8, 0xE8),
    outline: Color32::TRANSPARENT,
    good: Color32::from_rgb(0x4C, 0xC3, 0x8A),
    caution: Color32::from_rgb(0xF2, 0xB0, 0x3D),
    bad: Color32::from_rgb(0xF0, 0x6A, 0x63),
    light: false,
};

/// For bright ones.
pub const LIGHT: Theme = Theme {
    ground: Color32::from_rgb(0xF3, 0xF4, 0xF6),
    panel: Color32::from_rgb(0xE6, 0xE8, 0xEC),
    track: Color32::from_rgb(0xCD, 0xD2, 0xD9),
    chosen: Color32::from_rgb(0x3B, 0x46, 0x57),
    on_chosen: Color32::from_rgb(0xFF, 0xFF, 0xFF),
    text: Color32::from_rgb(0x17, 0x1B, 0x21),
    quiet: Color32::from_rgb(0x4B, 0x54, 0x60),
    accent: Color32::from_rgb(0x1F, 0x5F, 0xA8),
    outline: Color32::from_rgb(0x6A, 0x74, 0x80),
    good: Color32::from_rgb(0x1D, 0x8A, 0x57),
    caution: Color32::from_rgb(0xB9, 0x77, 0x00),
    bad: Color32::from_rgb(0xC4, 0x33, 0x2C),
    light: true,
};

impl Theme {
    /// An emotion's colour, which is the same everywhere.
    pub fn emotion(&self, emotion: Emotion) -> Color32 {
        let [red, green, blue] = emotion.color();
        Color32::from_rgb(red, green, blue)
    }

    /// egui's own parts, which are the tooltips.
    pub fn visuals(&self) -> egui::Visuals {
        let mut visuals = if self.light {
            egui::Visuals::light()
        } else {
            egui::Visuals::dark()
        };
        visuals.window_fill = self.panel;
        visuals.panel_fill = self.ground;
        visuals.override_text_color = Some(self.text);
        visuals
    }
}

/// Type sizes, in units. One scale: each step is about 1.3 times the one before.
pub mod type_size {
    /// The word for what the voice carries.
    pub const DISPLAY: f32 = 42.0;
    /// Values of the meters, to be read from afar.
    pub const FIGURE: f32 = 19.0;
    /// Names of the meters, headings, tabs.
    pub const BODY: f32 = 15.0;
    /// Everything else.
    pub const SMALL: f32 = 12.0;
}

/// Distances, in units.
pub mod space {
    /// Between the window's edge and what is drawn.
    pub const MARGIN: f32 = 16.0;
    /// Between things that belong together.
    pub const NEAR: f32 = 6.0;
    /// Between things that do not.
    pub const FAR: f32 = 16.0;
    /// Roundness of corners.
    pub const CORNER: f32 = 4.0;
}

/// The font for words.
pub fn words(size: f32) -> FontId {
    FontId::new(size, FontFamily::Proportional)
}

/// The font for numerals, which all have the same width.
pub fn numerals(size: f32) -> FontId {
    FontId::new(size, FontFamily::Monospace)
}
