//! Adam's step in one pass.
//!
//! Burn composes it of a dozen operations, each a pass over memory for the parameter and its two
//! moments. Here each value is read once and written once, by the same arithmetic in the same order.

use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, Flex, backend_extension};
use burn::optim::{AdamConfig, AdamState, AdamWConfig, AdamWState, AdaptiveMomentumState, LearningRate, Optimizer};
use burn::tensor::{Device, Tensor};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use crate::extension::has_kernels;
use crate::flex::{in_order, make_own, values};

/// The settings of [`Adam`] and [`AdamW`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamSettings {
    /// The share of the first moment that a step keeps, 0..1.
    pub beta_1: f32,
    /// The share of the second moment that a step keeps, 0..1.
    pub beta_2: f32,
    /// Added to the root of the second moment, against division by zero.
    pub epsilon: f32,
    /// What of itself a parameter adds to its gradient ([`Adam`]) or loses, times the learning rate, in a step ([`AdamW`]).
    pub weight_decay: f32,
}

/// Adam (arXiv 1412.6980): [`burn::optim::Adam`], on the `flex` backend in one pass.
#[derive(Clone)]
pub struct Adam {
    settings: AdamSettings,
    burns: burn::optim::Adam,
}

impl Adam {
    /// The optimizer with these settings.
    pub fn new(settings: AdamSettings) -> Self {
        let AdamSettings { beta_1, beta_2, epsilon, weight_decay } = settings;
        let decay = (weight_decay > 0.0).then(|| burn::optim::decay::WeightDecayConfig::new(weight_decay));
        let config =
            AdamConfig::new().with_beta_1(beta_1).with_beta_2(beta_2).with_epsilon(epsilon).with_weight_decay(decay);
        Self { settings, burns: config.build() }
    }
}

impl Optimizer for Adam {
    type State<const D: usize> = AdamState<D>;

    fn step<const D: usize>(
        &self,
        rate: LearningRate,
        parameter: Tensor<D>,
        gradient: Tensor<D>,
        state: Option<AdamState<D>>,
    ) -> (Tensor<D>, Option<AdamState<D>>) {
        if !has_kernels(&parameter) {
            return self.burns.step(rate, parameter, gradient, state);
        }
        let step = Step { gradient_decay: self.settings.weight_decay, ..Step::of(&self.settings, rate) };
        let (parameter, momentum) = take(step, parameter, gradient, state.map(|state| state.momentum));
        (parameter, Some(AdamState::new(momentum)))
    }

    fn to_device<const D: usize>(state: AdamState<D>, device: &Device) -> AdamState<D> {
        burn::optim::Adam::to_device(state, device)
    }
}

/// Adam with decay apart from the gradient (arXiv 1711.05101): [`burn::optim::AdamW`], on the `flex` backend in
/// one pass.
#[derive(Clone)]
pub struct AdamW {
    settings: AdamSettings,
    burns: burn::optim::AdamW,
}

impl AdamW {
    /// The optimizer with these settings.
    pub fn new(settings: AdamSettings) -> Self {
        let AdamSettings { beta_1, beta_2, epsilon, weight_decay } = settings;
        let config = AdamWConfig::new()
            .with_beta_1(beta_1)
            .with_beta_2(beta_2)
            .with_epsilon(epsilon)
            .with_weight_decay(weight_decay);
        Self { settings, burns: config.build() }
    }
}

impl Optimizer for AdamW {
    type State<const D: usize> = AdamWState<D>;

    fn step<const D: usize>(
        &self,
        rate: LearningRate,
        parameter: Tensor<D>,
        gradient: Tensor<D>,
        state: Option<AdamWState<D>>,
    ) -> (Tensor<D>, Option<AdamWState<D>>) {
        if !has_kernels(&parameter) {
            return self.burns.step(rate, parameter, gradient, state);
        }
        let kept = 1.0 - rate * f64::from(self.settings.weight_decay);
        let step = Step { kept: kept as f32, ..Step::of(&self.settings, rate) };
        let (parameter, momentum) = take(step, parameter, gradient, state.map(|state| state.momentum));
        (parameter, Some(AdamWState { momentum }))
    }

    fn to_device<const D: usize>(state: AdamWState<D>, device: &Device) -> AdamWState<D> {
        burn::optim::AdamW::to_device(state, device)
    }
}

fn take<const D: usize>(
    step: Step,
    parameter: Tensor<D>,
    gradient: Tensor<D>,
    state: Option<AdaptiveMomentumState<D>>,
) -> (Tensor<D>, AdaptiveMomentumState<D>) {
    let zeros = || Tensor::zeros(parameter.shape(), &parameter.device());
    let mut state = state.unwrap_or_else(|| AdaptiveMomentumState::new(0, zeros(), zeros()));
    state.time += 1;
    let step = step.at(state.time);
    let (parameter, moment_1, moment_2) = Dispatch::adam(
        parameter.into_dispatch(),
        gradient.into_dispatch(),
        state.moment_1.into_dispatch(),
        state.moment_2.into_dispatch(),
        step,
    );
    state.moment_1 = Tensor::from_dispatch(moment_1);
    state.moment_2 = Tensor::from_dispatch(moment_2);
    (Tensor::from_dispatch(parameter), state)
}

/// The numbers that one step has for all values.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    rate: f32,
    beta_1: f32,
    beta_2: f32,
    /// Makes up for moments that began at zero.
    correction: f32,
    epsilon: f32,
    gradient_decay: f32,
    /// The share of the parameter that decay leaves.
    kept: f32,
}

impl Step {
    fn of(settings: &AdamSettings, rate: LearningRate) -> Self {
        let AdamSettings { beta_1, beta_2, epsilon, .. } = *settings;
        Self { rate: rate as f32, beta_1, beta_2, epsilon, correction: 1.0, gradient_decay: 0.0, kept: 1.0 }
    }

    /// The step number `time`, from 1.
    fn at(mut self, time: usize) -> Self {
        let root = (1.0 - self.beta_2.powi(time as i32)).sqrt();
        self.correction = root / (1.0 - self.beta_1.powi(time as i32));
        self.epsilon *= root;
        self
    }
}

/// The steps on the backends that have them.
#[backend_extension(Flex)]
pub trait Steps: Backend {
    /// The parameter and its two moments after a step of Adam.
    fn adam(
        parameter: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        moment_1: FloatTensor<Self>,
        moment_2: FloatTensor<Self>,
        step: Step,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);
}

impl Steps for Flex {
    fn adam(
        parameter: FlexTensor,
        gradient: FlexTensor,
        moment_1: FlexTensor,
        moment_2: FlexTensor,
        step: Step,
    ) -> (FlexTensor, FlexTensor, FlexTensor) {
        const PIECE: usize = 16 * 1024;
        let gradient = in_order(gradient);
        let [mut parameter, mut moment_1, mut moment_2] = [parameter, moment_1, moment_2].map(in_order);
        make_own(&mut parameter)
            .par_chunks_mut(PIECE)
            .zip(values(&gradient).par_chunks(PIECE))
            .zip(make_own(&mut moment_1).par_chunks_mut(PIECE))
            .zip(make_own(&mut moment_2).par_chunks_mut(PIECE))
            .for_each(|(((parameter, gradient), moment_1), moment_2)| {
                Arch::new().dispatch(Piece { step, parameter, gradient, moment_1, moment_2 });
            });
        (parameter, moment_1, moment_2)
    }
}

struct Piece<'a> {
    step: Step,
    parameter: &'a mut [f32],
    gradient: &'a [f32],
    moment_1: &'a mut [f32],
    moment_2: &'a mut [f32],
}

impl WithSimd for Piece<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { step, parameter, gradient, moment_1, moment_2 } = self;
        let moments = moment_1.iter_mut().zip(moment_2);
        for ((p, g), (m, v)) in parameter.iter_mut().zip(gradient).zip(moments) {
            let g = if step.gradient_decay > 0.0 { *p * step.gradient_decay + *g } else { *g };
            *m = *m * step.beta_1 + g * (1.0 - step.beta_1);
            *v = *v * step.beta_2 + g * g * (1.0 - step.beta_2);
            let direction = *m * step.correction / (v.sqrt() + step.epsilon);
            *p = *p * step.kept - direction * step.rate;
        }
    }
}
