use super::HostError;

/// A parameter as the host sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// Identifier, stable over the plugin's versions.
    pub id: u32,
    /// Name shown to the user.
    pub name: String,
    /// Lowest value (VST3: normalised, 0).
    pub min: f64,
    /// Highest value (VST3: normalised, 1).
    pub max: f64,
    /// Value at start.
    pub default: f64,
    /// The user cannot set it.
    pub read_only: bool,
    /// The host may record and play automation for it.
    pub automatable: bool,
    /// The host does not show it.
    pub hidden: bool,
}

impl Parameter {
    /// The identifier of the parameter with this name (upper or lower case alike).
    pub fn find(parameters: &[Self], name: &str) -> Result<u32, HostError> {
        parameters
            .iter()
            .find(|parameter| parameter.name.eq_ignore_ascii_case(name))
            .map(|parameter| parameter.id)
            .ok_or_else(|| HostError::NoParameter(name.to_owned()))
    }
}
