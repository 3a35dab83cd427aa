//! The saved state without the outputs. nice-plug saves every parameter, but what was heard is no setting: with it, a
//! project would differ at every save.

use nice_plug::prelude::PluginState;

use crate::params::is_output;

/// The state that nice-plug wrote, as it is to be saved. `None` if it is no state.
pub fn without_outputs(saved: &[u8]) -> Option<Vec<u8>> {
    let mut state: PluginState = serde_json::from_slice(saved).ok()?;
    state.params.retain(|name, _| !is_output(name));
    serde_json::to_vec(&state).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_outputs_are_left_out() {
        let saved =
            br#"{"version":"0.1.0","params":{"angry":{"f32":0.5},"response":{"f32":0.25}},"fields":{"format":"1"}}"#;
        let expected = br#"{"version":"0.1.0","params":{"response":{"f32":0.25}},"fields":{"format":"1"}}"#;
        assert_eq!(without_outputs(saved).unwrap(), expected);
        assert_eq!(without_outputs(expected).unwrap(), expected);
        assert!(without_outputs(b"not JSON").is_none());
        assert!(without_outputs(b"[]").is_none());
    }
}
