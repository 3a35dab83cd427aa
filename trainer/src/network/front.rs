//! What comes before the recurrent layers: convolutions, from frames to fewer steps.

use burn::module::{Module, Param};
use burn::nn::{BatchNorm, BatchNormConfig};
use burn::tensor::Tensor;
use burn::tensor::activation::relu;
use rand_chacha::ChaCha8Rng;

use super::initializer::Initializer;
use super::thin;
use crate::convolution::{Reach, convolve};
use crate::norm_pool::{Pools, norm_pool};
use crate::recipe::{Architecture, NetworkRecipe};

/// The front of the recipe's architecture.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant)] // There is one per network.
pub enum Front {
    /// `cnn-lstm`.
    Time(TimeFront),
    /// `crnn`.
    Blocks(BlockFront),
}

/// One convolution over time that sees all values of a frame, batch normalisation, max-pool, ReLU.
#[derive(Module, Debug)]
pub struct TimeFront {
    /// Convolution, `[kernel · inputs, filters]`, kernel position major.
    pub conv: Param<Tensor<2>>,
    /// Normalisation of the filters.
    pub norm: BatchNorm,
    kernel: usize,
    pool: usize,
}

/// Blocks of convolutions over time and bands, then a projection of all that is left of a frame.
#[derive(Module, Debug)]
pub struct BlockFront {
    /// The blocks.
    pub blocks: Vec<Block>,
    /// The projection.
    pub projection: Option<Projection>,
    /// Bands times filters that the last block leaves of a frame.
    width: usize,
    dropout: f64,
}

/// Convolution over frames and bands, batch normalisation, max-pool, ReLU. A residual block adds its input before the
/// ReLU and does not pool.
#[derive(Module, Debug)]
pub struct Block {
    /// Convolution, `[kernel · kernel · channels, filters]`, frame offset major, then band offset.
    pub conv: Param<Tensor<2>>,
    /// Normalisation of the filters.
    pub norm: BatchNorm,
    #[module(skip)]
    reach: Reach,
    pool_frames: usize,
    pool_bands: usize,
    residual: bool,
}

/// Fully connected at each step, batch normalisation, ReLU.
#[derive(Module, Debug)]
pub struct Projection {
    /// `[bands · filters, outputs]`, band major.
    pub weight: Param<Tensor<2>>,
    /// Normalisation of the outputs.
    pub norm: BatchNorm,
}

impl Front {
    /// For `inputs` values per frame, with weights drawn by `draw`.
    pub fn new(recipe: &NetworkRecipe, inputs: usize, draw: &mut Initializer<'_>) -> Self {
        match recipe.architecture {
            Architecture::CnnLstm => {
                let taps = recipe.conv_kernel * inputs;
                Self::Time(TimeFront {
                    conv: draw.matrix(taps, recipe.conv_filters, taps),
                    norm: BatchNormConfig::new(recipe.conv_filters).init(draw.device()),
                    kernel: recipe.conv_kernel,
                    pool: recipe.pool,
                })
            }
            Architecture::Crnn => {
                let (mut channels, mut bands) = (1, inputs);
                let blocks = recipe.blocks.iter().map(|block| {
                    let reach = Reach {
                        kernel: block.kernel,
                        stride: block.stride,
                    };
                    let taps = block.kernel * block.kernel * channels;
                    channels = block.filters;
                    bands = reach.places(bands, 1) / block.pool[1];
                    Block {
                        conv: draw.matrix(taps, block.filters, taps),
                        norm: BatchNormConfig::new(block.filters).init(draw.device()),
                        reach,
                        pool_frames: block.pool[0],
                        pool_bands: block.pool[1],
                        residual: block.residual,
                    }
                });
                let blocks = blocks.collect();
                let width = channels * bands;
                let projection = (recipe.projection > 0).then(|| Projection {
                    weight: draw.matrix(width, recipe.projection, width),
                    norm: BatchNormConfig::new(recipe.projection).init(draw.device()),
                });
                Self::Blocks(BlockFront {
                    blocks,
                    projection,
                    width,
                    dropout: recipe.front_dropout,
                })
            }
        }
    }

    /// From `[frames, batch, inputs]` to `[steps · batch, width]`.
    pub fn forward(&self, features: Tensor<3>, dropout: Option<&mut ChaCha8Rng>) -> Tensor<2> {
        match self {
            Self::Time(front) => front.forward(features),
            Self::Blocks(front) => front.forward(features, dropout),
        }
    }
}

impl TimeFront {
    /// Width of the convolution in frames.
    pub fn kernel(&self) -> usize {
        self.kernel
    }

    /// Frames per max-pool.
    pub fn pool(&self) -> usize {
        self.pool
    }

    fn forward(&self, features: Tensor<3>) -> Tensor<2> {
        let [frames, batch, _] = features.dims();
        let taps = self.taps(features, frames / self.pool * self.pool);
        let pools = Pools {
            frames: self.pool,
            bands: 1,
            rows: batch,
            rectify: true,
        };
        norm_pool(&self.norm, taps.matmul(self.conv.val()), pools)
    }

    /// The frames each filter sees, zero outside the input: `[frames · batch, kernel · inputs]`, first `frames`.
    fn taps(&self, features: Tensor<3>, frames: usize) -> Tensor<2> {
        let [all_frames, batch, inputs] = features.dims();
        let margin = self.kernel / 2;
        let edge = Tensor::<3>::zeros([margin, batch, inputs], &features.device());
        let padded = Tensor::cat(vec![edge.clone(), features, edge], 0);
        debug_assert!(frames <= all_frames);
        let shifted = (0..self.kernel)
            .map(|tap| padded.clone().narrow(0, tap, frames))
            .collect();
        Tensor::cat(shifted, 2).reshape([frames * batch, self.kernel * inputs])
    }
}

impl BlockFront {
    /// Bands times filters that the last block leaves of a frame.
    pub fn width(&self) -> usize {
        self.width
    }

    fn forward(&self, features: Tensor<3>, dropout: Option<&mut ChaCha8Rng>) -> Tensor<2> {
        let [mut frames, batch, mut bands] = features.dims();
        let mut image: Tensor<4> = features.reshape([frames, batch, bands, 1]);
        for block in &self.blocks {
            let filters = block.conv.dims()[1];
            // Places that do not fill a pool are left out, but what they would see is still seen by others.
            let whole = block.reach.places(frames, 0) / block.pool_frames * block.pool_frames;
            let convolved = convolve(image.clone(), block.conv.val(), block.reach, whole);
            bands = block.reach.places(bands, 1);
            let pools = Pools {
                frames: block.pool_frames,
                bands: block.pool_bands,
                rows: batch * bands,
                rectify: !block.residual,
            };
            let mut pooled = norm_pool(&block.norm, convolved, pools);
            if block.residual {
                pooled = relu(pooled + image.reshape([frames * batch * bands, filters]));
            }
            frames = whole / block.pool_frames;
            bands /= block.pool_bands;
            image = pooled.reshape([frames, batch, bands, filters]);
        }
        let sequence = thin(image.reshape([frames * batch, self.width]), self.dropout, dropout);
        match &self.projection {
            Some(projection) => {
                let pools = Pools {
                    frames: 1,
                    bands: 1,
                    rows: batch,
                    rectify: true,
                };
                norm_pool(&projection.norm, sequence.matmul(projection.weight.val()), pools)
            }
            None => sequence,
        }
    }
}

impl Block {
    /// Frames and bands that a filter sees, and between its places.
    pub fn reach(&self) -> Reach {
        self.reach
    }

    /// Whether its input is added before the ReLU.
    pub fn is_residual(&self) -> bool {
        self.residual
    }

    /// Frames and bands per max-pool.
    pub fn pool(&self) -> [usize; 2] {
        [self.pool_frames, self.pool_bands]
    }
}
