//! Time of a training step on random data.
use affekt_trainer::{
    network::Network,
    optimize,
    recipe::{DEFAULT_RECIPE, Recipe},
    samples::Batch,
};
use burn::tensor::Device;
use rand::SeedableRng;
use std::time::Instant;
fn main() {
    let recipe = Recipe::from_toml(DEFAULT_RECIPE).unwrap();
    let device = Device::flex().autodiff();
    let mut network = Network::new(&recipe.network, 64, 1, &device);
    let mut optimizer = optimize::optimizer(&recipe.training);
    let frames = 220;
    let batch = Batch {
        features: (0..frames * 32 * 64)
            .map(|k| ((k * 7919) % 1000) as f32 / 500.0 - 1.0)
            .collect(),
        frames,
        labels: (0..32).map(|k| k % 6).collect(),
    };
    let mut dropout = rand_chacha::ChaCha8Rng::seed_from_u64(1);
    for round in 0..6 {
        let start = Instant::now();
        let mut loss = 0.0;
        for _ in 0..10 {
            let taken = optimize::step(network, &mut optimizer, &batch, 1e-3, 1.0, &mut dropout, &device);
            network = taken.0;
            loss = taken.1.loss;
        }
        println!(
            "{round}: {:.1} ms per step, loss {loss:.4}",
            start.elapsed().as_secs_f64() * 100.0
        );
    }
}
