/// What can be wrong with a feature specification or a rate.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum FeatureError {
    /// A field of the specification lies outside what can be computed.
    #[error("the feature specification's `{field}` is {value}: {expected}")]
    Spec {
        /// Name of the field in the JSON.
        field: &'static str,
        /// The value found.
        value: String,
        /// What would be right.
        expected: String,
    },
    /// The host's sample rate is outside [`crate::HOST_RATE_RANGE_HZ`] or not a number.
    #[error("a sample rate of {0} Hz is not supported: use 8 000 to 768 000 Hz")]
    HostRate(f64),
}
