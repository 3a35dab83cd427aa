//! The models that ship inside the plugin. A further one is one more entry of [`SHIPPED_MODELS`].

/// The model that runs unless another one is chosen, `models/affekt.onnx`; its card is `models/affekt.md`.
pub const SHIPPED_MODEL: &[u8] = include_bytes!("../affekt.onnx");

/// A model that ships inside the plugin.
#[derive(Debug, Clone, Copy)]
pub struct ShippedModel {
    /// Its key in saved projects, which therefore never changes.
    pub key: &'static str,
    /// Name shown to the user.
    pub title: &'static str,
    /// Licence of the model, as its card has it.
    pub licence: &'static str,
    /// The ONNX file.
    pub onnx: &'static [u8],
}

/// All of them. The first one is [`SHIPPED_MODEL`]; the others run only where a user has chosen them.
pub static SHIPPED_MODELS: &[ShippedModel] = &[
    ShippedModel {
        key: "affekt",
        title: "Affekt",
        licence: "MIT OR Apache-2.0",
        onnx: SHIPPED_MODEL,
    },
    ShippedModel {
        key: "baseline",
        title: "Affekt baseline",
        licence: "MIT OR Apache-2.0",
        onnx: include_bytes!("../baseline.onnx"),
    },
    #[cfg(feature = "song-model")]
    ShippedModel {
        key: "affekt-song",
        title: "Affekt song",
        licence: "CC BY-NC-SA 4.0: no commercial use",
        onnx: include_bytes!("../affekt-song.onnx"),
    },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::Contract;

    #[test]
    fn what_is_shipped_can_be_read_and_its_licence_is_the_cards() {
        for model in SHIPPED_MODELS {
            let contract = Contract::read(model.onnx).unwrap();
            assert_eq!(contract.card.licence, model.licence, "{}", model.key);
        }
    }

    #[test]
    fn the_standard_model_comes_first_and_keys_are_unique() {
        assert_eq!(SHIPPED_MODELS[0].onnx, SHIPPED_MODEL);
        let keys: BTreeSet<&str> = SHIPPED_MODELS.iter().map(|model| model.key).collect();
        assert_eq!(keys.len(), SHIPPED_MODELS.len());
    }
}
