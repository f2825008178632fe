//! The optimizers step as Burn's do.

use burn::module::{Module, Param};
use burn::nn::{Linear, LinearConfig};
use burn::optim::decay::WeightDecayConfig;
use burn::optim::{AdamConfig, AdamWConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor};
use kernels::optimizer::{Adam, AdamSettings, AdamW};

const SETTINGS: AdamSettings = AdamSettings { beta_1: 0.8, beta_2: 0.95, epsilon: 1e-6, weight_decay: 0.02 };

fn layer() -> Linear {
    let device = Device::flex().autodiff();
    let values = |count: usize| (0..count).map(|index| (index as f32 * 0.7).sin()).collect::<Vec<_>>();
    let mut layer = LinearConfig::new(40, 30).init(&device);
    layer.weight = Param::from_tensor(Tensor::<1>::from_floats(values(1200).as_slice(), &device).reshape([40, 30]));
    layer.bias = Some(Param::from_tensor(Tensor::<1>::from_floats(values(30).as_slice(), &device)));
    layer
}

/// The parameters after some steps, with the optimizer saved and loaded after the second.
fn trained(begin: impl Fn() -> ModuleOptimizer) -> Vec<f32> {
    let (mut layer, mut optimizer) = (layer(), begin());
    for step in 0..5 {
        let x = Tensor::<2>::ones([3, 40], &layer.weight.device()) * (step as f32 + 0.5);
        let y = layer.forward(x).powi_scalar(2).mean();
        let gradients = GradientsParams::from_grads(y.backward(), &layer);
        layer = optimizer.step(0.01, layer, gradients);
        if step == 1 {
            optimizer = begin().from_bytes(optimizer.into_bytes().unwrap()).unwrap();
        }
    }
    let bias = layer.bias.unwrap().val().into_data();
    layer.weight.val().into_data().iter::<f32>().chain(bias.iter::<f32>()).collect()
}

fn assert_same(ours: impl Fn() -> ModuleOptimizer, burns: impl Fn() -> ModuleOptimizer) {
    let (found, expected) = (trained(ours), trained(burns));
    for (found, expected) in found.iter().zip(&expected) {
        assert!((found - expected).abs() <= 1e-6 * expected.abs().max(0.1), "{found}, not {expected}");
    }
}

#[test]
fn adam_steps_as_burns() {
    let config = || {
        let AdamSettings { beta_1, beta_2, epsilon, .. } = SETTINGS;
        AdamConfig::new().with_beta_1(beta_1).with_beta_2(beta_2).with_epsilon(epsilon)
    };
    let decay = Some(WeightDecayConfig::new(SETTINGS.weight_decay));
    assert_same(|| Adam::new(SETTINGS).into(), || config().with_weight_decay(decay.clone()).init());
    let plain = AdamSettings { weight_decay: 0.0, ..SETTINGS };
    assert_same(|| Adam::new(plain).into(), || config().init());
}

#[test]
fn adamw_steps_as_burns() {
    let AdamSettings { beta_1, beta_2, epsilon, weight_decay } = SETTINGS;
    let config = AdamWConfig::new().with_beta_1(beta_1).with_beta_2(beta_2).with_epsilon(epsilon);
    assert_same(|| AdamW::new(SETTINGS).into(), || config.clone().with_weight_decay(weight_decay).init());
}

#[test]
fn what_another_holds_is_not_written_over() {
    let layer = layer();
    let before = layer.clone();
    let values = || before.weight.val().into_data();
    let expected = values();
    let x = Tensor::<2>::ones([3, 40], &layer.weight.device());
    let gradients = GradientsParams::from_grads(layer.forward(x).sum().backward(), &layer);
    let mut optimizer: ModuleOptimizer = Adam::new(SETTINGS).into();
    let after = optimizer.step(0.01, layer, gradients);
    assert_eq!(values(), expected);
    assert_ne!(after.valid().weight.val().into_data(), expected);
}
