use burn::grad_clipping::GradientClippingConfig;
use burn::optim::decay::WeightDecayConfig;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{ModuleOptimizer, RmsPropConfig, SgdConfig};
use kernels::optimizer::{Adam, AdamSettings, AdamW};

use super::config::{OptimizerKind, TrainConfig};

/// Of Keras, for adam, adamw and rmsprop. Burn's own is 1e-5.
const EPSILON: f32 = 1e-7;
/// Of Keras, for rmsprop. Burn's own is 0.99.
const RHO: f32 = 0.9;

/// The optimizer a configuration asks for, at the beginning of a training.
pub(super) fn optimizer(config: &TrainConfig) -> ModuleOptimizer {
    let decay = (config.weight_decay > 0.0).then(|| WeightDecayConfig::new(config.weight_decay as f32));
    let clipping =
        (config.gradient_clipping > 0.0).then_some(GradientClippingConfig::Norm(config.gradient_clipping as f32));
    let adam = AdamSettings { beta_1: 0.9, beta_2: 0.999, epsilon: EPSILON, weight_decay: config.weight_decay as f32 };
    match config.optimizer {
        OptimizerKind::Adam => clipped(Adam::new(adam).into(), clipping),
        OptimizerKind::AdamW => clipped(AdamW::new(adam).into(), clipping),
        OptimizerKind::Sgd => {
            let momentum = (config.momentum > 0.0).then(|| {
                MomentumConfig::new().with_momentum(config.momentum).with_dampening(0.0).with_nesterov(config.nesterov)
            });
            SgdConfig::new().with_weight_decay(decay).with_momentum(momentum).with_gradient_clipping(clipping).init()
        }
        OptimizerKind::RmsProp => RmsPropConfig::new()
            .with_alpha(RHO)
            .with_momentum(config.momentum as f32)
            .with_epsilon(EPSILON)
            .with_weight_decay(decay)
            .with_grad_clipping(clipping)
            .init(),
    }
}

fn clipped(optimizer: ModuleOptimizer, clipping: Option<GradientClippingConfig>) -> ModuleOptimizer {
    match clipping {
        Some(clipping) => optimizer.with_grad_clipping(clipping.init()),
        None => optimizer,
    }
}
