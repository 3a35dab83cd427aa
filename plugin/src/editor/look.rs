//! What the user has chosen of the window's look, which is saved with the project.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nice_plug::params::persist::PersistentField;
use serde::{Deserialize, Serialize};

/// One of the window's views.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum View {
    /// What the voice carries now.
    #[default]
    Now,
    /// What it has carried.
    History,
    /// Where it goes.
    Outputs,
    /// Who says so.
    Model,
}

/// All of them, in the order of their tabs.
pub const VIEWS: [View; 4] = [View::Now, View::History, View::Outputs, View::Model];

impl View {
    /// What its tab says.
    pub fn title(self) -> &'static str {
        match self {
            Self::Now => "Now",
            Self::History => "History",
            Self::Outputs => "Outputs",
            Self::Model => "Model",
        }
    }
}

/// How much of the past is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Span {
    /// 10 s.
    Short,
    /// 30 s.
    #[default]
    Medium,
    /// 2 min.
    Long,
    /// 10 min.
    Longer,
    /// Since playback started.
    Whole,
}

/// All of them.
pub const SPANS: [Span; 5] = [Span::Short, Span::Medium, Span::Long, Span::Longer, Span::Whole];

impl Span {
    /// What its button says.
    pub fn title(self) -> &'static str {
        match self {
            Self::Short => "10 s",
            Self::Medium => "30 s",
            Self::Long => "2 min",
            Self::Longer => "10 min",
            Self::Whole => "All",
        }
    }

    /// Length in seconds; `None` is everything.
    pub fn seconds(self) -> Option<f64> {
        match self {
            Self::Short => Some(10.0),
            Self::Medium => Some(30.0),
            Self::Long => Some(120.0),
            Self::Longer => Some(600.0),
            Self::Whole => None,
        }
    }
}

/// What can be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Look {
    /// The view.
    pub view: View,
    /// Whether the window is light.
    pub light: bool,
    /// How much of the past the history shows.
    pub span: Span,
}

/// The choice. Clones share it: one is the window's, one the saved state's.
#[derive(Debug, Clone, Default)]
pub struct EditorLook {
    shared: Arc<Mutex<Look>>,
}

impl EditorLook {
    /// What is chosen.
    pub fn get(&self) -> Look {
        *self.lock()
    }

    /// Chooses.
    pub fn choose(&self, look: Look) {
        *self.lock() = look;
    }

    fn lock(&self) -> MutexGuard<'_, Look> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PersistentField<'_, Look> for EditorLook {
    fn set(&self, look: Look) {
        self.choose(look);
    }

    fn map<F: Fn(&Look) -> R, R>(&self, f: F) -> R {
        f(&self.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_is_saved_and_read_again() {
        let look = EditorLook::default();
        look.choose(Look {
            view: View::Outputs,
            light: true,
            span: Span::Whole,
        });
        let json = look.map(|look| serde_json::to_string(look).unwrap());
        assert_eq!(json, r#"{"view":"outputs","light":true,"span":"whole"}"#);
        let other = EditorLook::default();
        other.set(serde_json::from_str(&json).unwrap());
        assert_eq!(other.get(), look.get());
        // What a later version leaves out is as it was made.
        assert_eq!(serde_json::from_str::<Look>("{}").unwrap(), Look::default());
    }
}
