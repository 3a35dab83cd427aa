//! The saved state: without the outputs, and read as far as it can be.
//!
//! nice-plug saves every parameter, but what was heard is no setting: with it, a project would differ at every save. And
//! it takes a state whole or not at all, while a user whose project file was cut off wants what is left of it.

use std::fmt;

use nice_plug::plugin::{ParamValue, PluginState};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};

use crate::params::is_output;

/// The state that nice-plug wrote, as it is to be saved. `None` if it is no state.
pub fn without_outputs(saved: &[u8]) -> Option<Vec<u8>> {
    let mut state: PluginState = serde_json::from_slice(saved).ok()?;
    state.params.retain(|name, _| !is_output(name));
    serde_json::to_vec(&state).ok()
}

/// What can be read of a state that may be cut off, damaged or of another version, as a state that nice-plug takes.
/// `None` if nothing can.
pub fn readable(saved: &[u8]) -> Option<Vec<u8>> {
    let start = saved.iter().position(|&byte| byte == b'{')?;
    let mut state = PluginState {
        version: String::new(),
        params: Default::default(),
        fields: Default::default(),
    };
    // Where it ends in an error, what was read before stays.
    let _ = Whole(&mut state).deserialize(&mut serde_json::Deserializer::from_slice(&saved[start..]));
    state.params.retain(|name, _| !is_output(name));
    if state.params.is_empty() && state.fields.is_empty() {
        return None;
    }
    serde_json::to_vec(&state).ok()
}

/// Takes a state's entries one by one.
struct Whole<'a>(&'a mut PluginState);

impl<'de> DeserializeSeed<'de> for Whole<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Whole<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a state")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "version" => self.0.version = map.next_value()?,
                "params" => map.next_value_seed(Entries(|name, value: serde_json::Value| {
                    if let Ok(value) = serde_json::from_value::<ParamValue>(value) {
                        self.0.params.insert(name, value);
                    }
                }))?,
                "fields" => map.next_value_seed(Entries(|name, value: serde_json::Value| {
                    if let serde_json::Value::String(value) = value {
                        self.0.fields.insert(name, value);
                    }
                }))?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

/// Hands a map's entries on, one by one.
struct Entries<F>(F);

impl<'de, F: FnMut(String, serde_json::Value)> DeserializeSeed<'de> for Entries<F> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, F: FnMut(String, serde_json::Value)> Visitor<'de> for Entries<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some((name, value)) = map.next_entry()? {
            (self.0)(name, value);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAVED: &[u8] =
        br#"{"version":"0.1.0","params":{"angry":{"f32":0.5},"align":{"string":"half"},"response":{"f32":0.25}},"fields":{"format":"1"}}"#;

    fn text(state: Option<Vec<u8>>) -> String {
        String::from_utf8(state.unwrap()).unwrap()
    }

    #[test]
    fn only_the_outputs_are_left_out() {
        let expected = r#"{"version":"0.1.0","params":{"align":{"string":"half"},"response":{"f32":0.25}},"fields":{"format":"1"}}"#;
        assert_eq!(text(without_outputs(SAVED)), expected);
        assert_eq!(text(without_outputs(expected.as_bytes())), expected);
        assert_eq!(text(readable(SAVED)), expected);
        for nonsense in [&b"not JSON"[..], b"[]", b"", b"{}", b"{\"params\":3}", b"null"] {
            assert!(without_outputs(nonsense).is_none());
            assert!(readable(nonsense).is_none());
        }
    }

    #[test]
    fn what_is_left_of_a_state_is_read() {
        let mut most = 0;
        for length in 0..SAVED.len() {
            let Some(state) = readable(&SAVED[..length]) else {
                assert_eq!(most, 0, "cut off at {length}");
                continue;
            };
            let state: PluginState = serde_json::from_slice(&state).unwrap();
            let entries = state.params.len() + state.fields.len();
            assert!(entries >= most, "cut off at {length}");
            most = entries;
        }
        assert_eq!(most, 3);
    }

    #[test]
    fn what_a_later_version_says_besides_is_passed_over() {
        let newer = br#"{"version":"9.0.0","new":[1,{"a":2}],"params":{"response":{"f32":0.25},"align":{"f64":1.0},"silence":7},"fields":{"format":"9","other":{}}}"#;
        let expected = r#"{"version":"9.0.0","params":{"response":{"f32":0.25}},"fields":{"format":"9"}}"#;
        assert_eq!(text(readable(newer)), expected);
    }
}
