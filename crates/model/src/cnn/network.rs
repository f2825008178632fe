//! The network itself, as a Burn module.

mod convolution;

use burn::module::{Initializer, Module, ModuleVisitor, Param};
use burn::nn::{BatchNorm, BatchNormConfig, Dropout, DropoutConfig, Linear, LinearConfig};
use burn::tensor::{Device, Shape, Tensor};

use self::convolution::{Convolution2d, Convolution3d, Spatial};
use super::Head;
use super::plan::{BlockPlan, DensePlan, Infeasible, Plan};
use crate::layers::{activate, pool};

/// A convolutional network built from a [`Plan`].
///
/// Weights start Glorot uniform and biases at zero, as in Keras; Burn's own layers would start
/// both Kaiming uniform. Batch normalisation has ε = 1e-3 (Keras) and moves its running statistics
/// by a tenth each batch (`PyTorch`): the hundredth of Keras needs more batches than short
/// trainings have.
#[derive(Module, Debug)]
pub struct Cnn {
    features: Features,
    dense: Vec<DenseBlock>,
    #[module(skip)]
    head: Head,
    #[module(skip)]
    input: Vec<usize>,
}

/// The convolutions, over images or over volumes.
#[derive(Module, Debug)]
enum Features {
    Planes(Vec<Block<Convolution2d>>),
    Volumes(Vec<Block<Convolution3d>>),
}

#[derive(Module, Debug)]
struct Block<C: Module> {
    convolution: C,
    norm: Option<BatchNorm>,
    dropout: Dropout,
    #[module(skip)]
    plan: BlockPlan,
}

#[derive(Module, Debug)]
struct DenseBlock {
    linear: Linear,
    dropout: Dropout,
    #[module(skip)]
    plan: DensePlan,
}

impl Cnn {
    /// Builds the network on `device`; for training the device must have autodiff.
    ///
    /// All weights are drawn at once, in the order of the layers, from the device's random stream.
    ///
    /// # Errors
    ///
    /// When the plan is infeasible: such a network is never built.
    pub fn new(plan: &Plan, device: &Device) -> Result<Self, Infeasible> {
        if let Some(reason) = plan.infeasible() {
            return Err(reason.clone());
        }
        let features = if plan.input.dims.len() == 3 {
            Features::Volumes(blocks(plan, device, Convolution3d::new))
        } else {
            Features::Planes(blocks(plan, device, Convolution2d::new))
        };
        let cnn = Self {
            features,
            dense: plan.dense.iter().map(|plan| DenseBlock::new(plan, device)).collect(),
            head: plan.head,
            input: [&[plan.input.channels], plan.input.dims.as_slice()].concat(),
        };
        cnn.visit(&mut Draw);
        Ok(cnn)
    }

    /// Logits `[batch, classes]` of samples `[batch, values]`, each laid out
    /// `[channels, (depth,) height, width]`.
    pub fn forward(&self, samples: Tensor<2>) -> Tensor<2> {
        self.forward_observed(samples, &mut |_| ())
    }

    /// As [`forward`](Self::forward); `after_layer` sees the dimensions, batch first, that each layer of the
    /// [plan](Plan::layers) gives out, in its order.
    pub fn forward_observed(&self, samples: Tensor<2>, after_layer: &mut dyn FnMut(&[usize])) -> Tensor<2> {
        let shape = |batch| Shape::from([&[batch], self.input.as_slice()].concat());
        let [batch, _] = samples.dims();
        let row = match &self.features {
            Features::Planes(blocks) => through(blocks, self.head, samples.reshape::<4, _>(shape(batch)), after_layer),
            Features::Volumes(blocks) => through(blocks, self.head, samples.reshape::<5, _>(shape(batch)), after_layer),
        };
        self.dense.iter().fold(row, |x, block| block.forward(x, after_layer))
    }
}

fn blocks<C: Module>(
    plan: &Plan,
    device: &Device,
    convolution: fn(&BlockPlan, &[usize], &Device) -> C,
) -> Vec<Block<C>> {
    let mut input = &plan.input.dims;
    plan.blocks
        .iter()
        .map(|block| {
            let built = Block {
                convolution: convolution(block, input, device),
                norm: block
                    .batch_norm
                    .then(|| BatchNormConfig::new(block.filters).with_epsilon(1e-3).with_momentum(0.1).init(device)),
                dropout: DropoutConfig::new(block.dropout).init(),
                plan: block.clone(),
            };
            input = block.pool.as_ref().map_or(&block.output, |pool| &pool.output);
            built
        })
        .collect()
}

fn through<C: Spatial<D>, const D: usize>(
    blocks: &[Block<C>],
    head: Head,
    x: Tensor<D>,
    after_layer: &mut dyn FnMut(&[usize]),
) -> Tensor<2> {
    let maps = blocks.iter().fold(x, |x, block| block.forward(x, after_layer));
    let row = match head {
        Head::Flatten => maps.flatten(1, D - 1),
        Head::GlobalAverage => pool::global_average(maps),
        Head::GlobalMax => pool::global_max(maps),
    };
    after_layer(&row.dims());
    row
}

impl<C: Module> Block<C> {
    fn forward<const D: usize>(&self, x: Tensor<D>, after_layer: &mut dyn FnMut(&[usize])) -> Tensor<D>
    where
        C: Spatial<D>,
    {
        let mut y = self.convolution.forward(x.clone());
        after_layer(&y.dims());
        if let Some(norm) = &self.norm {
            y = norm.forward(y);
            after_layer(&y.dims());
        }
        if self.plan.pools_first() {
            y = activate(self.plan.activation, self.pool(y, after_layer));
        } else {
            y = activate(self.plan.activation, y);
            if self.plan.residual {
                y = y + x;
                after_layer(&y.dims());
            }
            y = self.pool(y, after_layer);
        }
        if self.plan.dropout > 0.0 {
            y = self.dropout.forward(y);
            after_layer(&y.dims());
        }
        y
    }

    fn pool<const D: usize>(&self, x: Tensor<D>, after_layer: &mut dyn FnMut(&[usize])) -> Tensor<D>
    where
        C: Spatial<D>,
    {
        let Some(plan) = &self.plan.pool else { return x };
        let y = C::pool(plan, x);
        after_layer(&y.dims());
        y
    }
}

impl DenseBlock {
    fn new(plan: &DensePlan, device: &Device) -> Self {
        let mut linear = LinearConfig::new(plan.inputs, plan.units)
            .with_initializer(Initializer::XavierUniform { gain: 1.0 })
            .init(device);
        linear.bias = Some(Initializer::Zeros.init([plan.units], device));
        Self { linear, dropout: DropoutConfig::new(plan.dropout).init(), plan: plan.clone() }
    }

    fn forward(&self, x: Tensor<2>, after_layer: &mut dyn FnMut(&[usize])) -> Tensor<2> {
        let mut y = activate(self.plan.activation, self.linear.forward(x));
        after_layer(&y.dims());
        if self.plan.dropout > 0.0 {
            y = self.dropout.forward(y);
            after_layer(&y.dims());
        }
        y
    }
}

/// Draws every parameter: Burn would wait for its first use, and the order of first uses would then
/// decide which random numbers it gets.
struct Draw;

impl ModuleVisitor for Draw {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let _ = param.val();
    }
}
