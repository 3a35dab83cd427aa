//! The plugin's entry points in both formats, and what nice-plug's wrappers cannot do: the outputs are read-only
//! parameters, which the host sees move, but neither automates, sends nor saves; and what an instance puts into its
//! outbox goes to the host in the order of time.
//!
//! By composition: the public wrappers do the work, and what is different stands here.

mod clap;
mod state;
mod vst3;

use affekt_models::automation::OUTPUTS;

/// Whether the parameter of this id is an output. Ids are the same in both formats.
fn is_output_id(id: u32) -> bool {
    OUTPUTS.iter().any(|output| parameter_id(output.name()) == id)
}

/// Ids of the outputs' parameters, in the order of [`OUTPUTS`].
fn output_ids() -> [u32; OUTPUTS.len()] {
    OUTPUTS.map(|output| parameter_id(output.name()))
}

/// The id that nice-plug gives to the parameter of this name: a polynomial hash with base 31 whose highest bit is
/// cleared, because VST3 keeps those ids for hosts.
fn parameter_id(name: &str) -> u32 {
    let hash = name
        .bytes()
        .fold(0_u32, |hash, byte| hash.wrapping_mul(31).wrapping_add(u32::from(byte)));
    hash & !(1 << 31)
}

#[cfg(test)]
mod tests {
    use nice_plug::prelude::Params;

    use super::*;

    #[test]
    fn no_two_parameters_share_an_id() {
        let mut ids = OUTPUTS.map(|output| parameter_id(output.name())).to_vec();
        assert!(ids.iter().all(|&id| is_output_id(id)));
        assert!(!is_output_id(parameter_id("response")));
        let params = crate::params::AffektParams::default();
        ids.extend(params.param_map().iter().map(|(name, ..)| parameter_id(name)));
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), params.param_map().len());
    }
}
