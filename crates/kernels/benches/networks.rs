//! Training steps of two networks with Burn's own operations and with the kernels. The steps take turns, so that a
//! busy machine slows both alike.
//!
//! `cargo bench -p kernels --bench networks -- [rounds] [small|large]`

use std::time::Instant;

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::loss::CrossEntropyLossConfig;
use burn::nn::{Linear, LinearConfig};
use burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::module::{conv2d, max_pool2d};
use burn::tensor::ops::{ConvOptions, MaxPoolOptions};
use burn::tensor::{Device, Distribution, Int, Tensor, activation};
use kernels::optimizer::{Adam, AdamSettings};

/// Burn's defaults.
const ADAM: AdamSettings = AdamSettings { beta_1: 0.9, beta_2: 0.999, epsilon: 1e-5, weight_decay: 0.0 };
const BATCH: usize = 32;
const THREADS: usize = 2;

#[derive(Module, Debug)]
struct Net {
    convolutions: Vec<Conv2d>,
    dense: Vec<Linear>,
    #[module(skip)]
    spec: Spec,
    #[module(skip)]
    with_kernels: bool,
}

#[derive(Debug, Clone)]
struct Spec {
    name: &'static str,
    /// Filters, kernel size, whether tanh or relu, whether a pool of two follows.
    convolutions: Vec<(usize, usize, bool, bool)>,
    units: Vec<usize>,
}

fn specs() -> Vec<Spec> {
    vec![
        Spec { name: "small", convolutions: vec![(32, 3, false, true), (64, 3, false, true)], units: vec![128, 10] },
        Spec {
            name: "large",
            convolutions: vec![(256, 3, true, true), (224, 5, false, false), (256, 3, true, true)],
            units: vec![224, 224, 96, 32, 10],
        },
    ]
}

impl Net {
    fn new(spec: &Spec, with_kernels: bool, device: &Device) -> Self {
        let (mut channels, mut size) = (3, 32);
        let mut convolutions = Vec::new();
        for &(filters, kernel, _, pooled) in &spec.convolutions {
            convolutions.push(Conv2dConfig::new([channels, filters], [kernel; 2]).init(device));
            channels = filters;
            size = (size + 1 - kernel) / if pooled { 2 } else { 1 };
        }
        let mut inputs = channels * size * size;
        let mut dense = Vec::new();
        for &units in &spec.units {
            dense.push(LinearConfig::new(inputs, units).init(device));
            inputs = units;
        }
        Self { convolutions, dense, spec: spec.clone(), with_kernels }
    }

    fn forward(&self, mut x: Tensor<4>) -> Tensor<2> {
        let options = ConvOptions::new([1, 1], [0, 0], [1, 1], 1);
        let pool = MaxPoolOptions::new([2, 2]);
        for (conv, &(_, _, tanh, pooled)) in self.convolutions.iter().zip(&self.spec.convolutions) {
            let (weight, bias) = (conv.weight.val(), conv.bias.as_ref().map(burn::module::Param::val));
            x = match (self.with_kernels, tanh) {
                (true, true) => kernels::tanh(kernels::conv2d(x, weight, bias, options.clone())),
                (true, false) => kernels::relu(kernels::conv2d(x, weight, bias, options.clone())),
                (false, true) => activation::tanh(conv2d(x, weight, bias, options.clone())),
                (false, false) => activation::relu(conv2d(x, weight, bias, options.clone())),
            };
            if pooled {
                x = if self.with_kernels { kernels::max_pool2d(x, pool.clone()) } else { max_pool2d(x, pool.clone()) };
            }
        }
        let mut x: Tensor<2> = x.flatten(1, 3);
        for (index, linear) in self.dense.iter().enumerate() {
            x = linear.forward(x);
            if index + 1 < self.dense.len() {
                x = if self.with_kernels { kernels::relu(x) } else { activation::relu(x) };
            }
        }
        x
    }
}

struct Trainer {
    net: Option<Net>,
    optimizer: ModuleOptimizer,
    images: Tensor<4>,
    labels: Tensor<1, Int>,
}

impl Trainer {
    fn new(spec: &Spec, with_kernels: bool, device: &Device) -> Self {
        let labels = (0..BATCH as i64).map(|label| label % 10).collect::<Vec<_>>();
        Self {
            net: Some(Net::new(spec, with_kernels, device)),
            optimizer: if with_kernels { Adam::new(ADAM).into() } else { AdamConfig::new().init() },
            images: Tensor::random([BATCH, 3, 32, 32], Distribution::Default, device),
            labels: Tensor::from_data(labels.as_slice(), device),
        }
    }

    /// Seconds of one step.
    fn step(&mut self) -> f64 {
        let Some(net) = self.net.take() else { return f64::NAN };
        let start = Instant::now();
        let logits = net.forward(self.images.clone());
        let loss = CrossEntropyLossConfig::new().init(&logits.device()).forward(logits, self.labels.clone());
        let gradients = GradientsParams::from_grads(loss.backward(), &net);
        self.net = Some(self.optimizer.step(1e-3, net, gradients));
        start.elapsed().as_secs_f64()
    }
}

fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn main() {
    kernels::memory::keep_pages();
    let arguments: Vec<_> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let rounds = arguments.iter().find_map(|argument| argument.parse().ok()).unwrap_or(10_usize).max(1);
    let wanted = |name: &str| {
        let named = |argument: &&String| argument.parse::<usize>().is_err();
        let mut names = arguments.iter().filter(named).peekable();
        names.peek().is_none() || names.any(|argument| argument == name)
    };
    if rayon::ThreadPoolBuilder::new().num_threads(THREADS).build_global().is_err() {
        return;
    }
    let device = Device::flex().autodiff();
    for spec in specs().iter().filter(|spec| wanted(spec.name)) {
        let mut stock = Trainer::new(spec, false, &device);
        let mut kernels = Trainer::new(spec, true, &device);
        let mut times = [const { Vec::new() }; 2];
        for round in 0..rounds + 2 {
            let steps = [stock.step(), kernels.step()];
            if round >= 2 {
                for (times, step) in times.iter_mut().zip(steps) {
                    times.push(step);
                }
            }
        }
        println!("{}: batch {BATCH}, {THREADS} threads, {rounds} rounds", spec.name);
        let fastest: Vec<f64> = times.iter().map(|times| times.iter().copied().fold(f64::INFINITY, f64::min)).collect();
        let medians: Vec<f64> = times.iter_mut().map(|times| median(times)).collect();
        for (index, name) in ["Burn flex", "kernels"].iter().enumerate() {
            println!(
                "  {name:<10} {:>7.0} images/s; speed relative to Burn flex {:.2} (fastest steps {:.2})",
                BATCH as f64 / medians[index],
                medians[0] / medians[index],
                fastest[0] / fastest[index],
            );
        }
    }
}
