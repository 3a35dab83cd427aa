/// The model that ships inside the plugin, `models/affekt.onnx`; its card is `models/affekt.md`.
pub const SHIPPED_MODEL: &[u8] = include_bytes!("../affekt.onnx");
