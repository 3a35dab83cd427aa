use nice_plug::params::persist::PersistentField;

/// Version of the saved state's fields. Raised when their meaning changes. 2: settings and singer; 1: outputs only.
const STATE_FORMAT: u32 = 2;

/// Always saved as [`STATE_FORMAT`].
pub struct StateFormat;

impl PersistentField<'_, u32> for StateFormat {
    /// What was loaded is of no interest: so far no version has changed the meaning of a field.
    fn set(&self, _: u32) {}

    fn map<F: Fn(&u32) -> R, R>(&self, f: F) -> R {
        f(&STATE_FORMAT)
    }
}
