//! Exponential moving average of a network's weights and running statistics: a better network than the one that the
//! last steps left (Polyak and Juditsky, 1992; as used by Tarvainen and Valpola, 2017).

use std::collections::VecDeque;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::Tensor;

use crate::network::Network;

/// Weight of the average before a step: `decay`, less in the first steps, of which nothing is worth remembering.
pub fn warmed_up(decay: f64, steps: usize) -> f64 {
    decay.min((1 + steps) as f64 / (10 + steps) as f64)
}

/// `decay · average + (1 − decay) · network`. Both are on a device without autodiff.
pub fn follow(average: Network, network: &Network, decay: f64) -> Network {
    let mut values = Values { flat: VecDeque::new() };
    network.visit(&mut values);
    average.map(&mut Blend {
        flat: values.flat,
        decay,
    })
}

/// All tensors of a module in the order of a visit.
struct Values {
    flat: VecDeque<Tensor<1>>,
}

impl ModuleVisitor for Values {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let value = param.val();
        let count = value.shape().num_elements();
        self.flat.push_back(value.reshape([count]));
    }
}

struct Blend {
    flat: VecDeque<Tensor<1>>,
    decay: f64,
}

impl ModuleMapper for Blend {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let new = self.flat.pop_front().expect("both networks are of one shape");
        let decay = self.decay;
        param.map(|value| {
            let dims = value.dims();
            value * decay + new.reshape(dims) * (1.0 - decay)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    use crate::recipe::{DEFAULT_RECIPE, NetworkRecipe, Recipe};

    #[test]
    fn the_average_moves_towards_the_network() {
        let recipe = Recipe::from_toml(DEFAULT_RECIPE).unwrap();
        let sizes = NetworkRecipe {
            conv_filters: 4,
            lstm_layers: 1,
            lstm_units: 4,
            ..recipe.network
        };
        let device = Device::flex();
        let (first, second) = (Network::new(&sizes, 3, 1, &device), Network::new(&sizes, 3, 2, &device));
        let weights = |network: &Network| {
            let values = network.output.weight.val().into_data().try_into_vec::<f32>();
            values.unwrap()
        };
        let (from, to) = (weights(&first), weights(&second));
        let blended = weights(&follow(first, &second, 0.75));
        for ((from, to), blended) in from.iter().zip(&to).zip(&blended) {
            assert!((0.75 * from + 0.25 * to - blended).abs() < 1e-6);
        }
        assert_eq!(warmed_up(0.999, 0), 0.1);
        assert_eq!(warmed_up(0.999, 100_000), 0.999);
    }
}
