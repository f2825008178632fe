//! Forward and backward passes of single operations, with Burn's own and with the kernels, taking turns.
//!
//! `cargo bench -p kernels --bench cases -- [rounds] [part of a name]`

use std::time::Instant;

use burn::module::Param;
use burn::nn::{Linear, LinearConfig};
use burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::ops::{AvgPoolOptions, ConvOptions, MaxPoolOptions};
use burn::tensor::{Device, Distribution, Tensor, activation, module};
use kernels::optimizer::{Adam, AdamSettings};

struct Case {
    name: String,
    burns: Box<dyn FnMut()>,
    ours: Box<dyn FnMut()>,
}

fn random<const D: usize>(shape: [usize; D]) -> Tensor<D> {
    Tensor::random(shape, Distribution::Uniform(-1.0, 1.0), &Device::flex().autodiff())
}

/// A pass forward and back through a function of one tensor.
fn function<const D: usize, const E: usize>(
    name: impl Into<String>,
    shape: [usize; D],
    burns: impl Fn(Tensor<D>) -> Tensor<E> + 'static,
    ours: impl Fn(Tensor<D>) -> Tensor<E> + 'static,
) -> Case {
    /// The output is weighed: the gradient of a mere sum is one value, seen everywhere.
    fn pass<const D: usize, const E: usize>(x: &Tensor<D>, function: &impl Fn(Tensor<D>) -> Tensor<E>) {
        let y = function(x.clone().require_grad());
        let weights = y.clone().detach();
        let _ = (y * weights).sum().backward();
    }
    let x = random(shape);
    let y = x.clone();
    Case { name: name.into(), burns: Box::new(move || pass(&x, &burns)), ours: Box::new(move || pass(&y, &ours)) }
}

fn convolution(
    batch: usize,
    [channels, filters]: [usize; 2],
    size: usize,
    kernel: [usize; 2],
    stride: usize,
    padded: bool,
) -> Case {
    let [height, width] = kernel;
    let padding = if padded { [height / 2, width / 2] } else { [0; 2] };
    let name = format!(
        "convolution {height}×{width}, {channels} to {filters}, {size}×{size}, batch {batch}{}{}",
        if stride > 1 { format!(", stride {stride}") } else { String::new() },
        if padded { ", padded" } else { "" },
    );
    let options = ConvOptions::new([stride; 2], padding, [1; 2], 1);
    let weight = random([filters, channels, height, width]).require_grad();
    let bias = random([filters]).require_grad();
    let (w, b, o) = (weight.clone(), bias.clone(), options.clone());
    function(
        name,
        [batch, channels, size, size],
        move |x| module::conv2d(x, weight.clone(), Some(bias.clone()), options.clone()),
        move |x| kernels::conv2d(x, w.clone(), Some(b.clone()), o.clone()),
    )
}

fn volume(batch: usize, [channels, filters]: [usize; 2], size: usize) -> Case {
    let options = ConvOptions::new([1; 3], [1; 3], [1; 3], 1);
    let weight = random([filters, channels, 3, 3, 3]).require_grad();
    let (w, o) = (weight.clone(), options.clone());
    function(
        format!("convolution 3×3×3, {channels} to {filters}, {size}×{size}×{size}, batch {batch}, padded"),
        [batch, channels, size, size, size],
        move |x| module::conv3d(x, weight.clone(), None, options.clone()),
        move |x| kernels::conv3d(x, w.clone(), None, o.clone()),
    )
}

fn max_pool(size: usize, stride: usize) -> Case {
    let options = MaxPoolOptions::new([size; 2]).with_stride([stride; 2]);
    let o = options.clone();
    function(
        format!("max pool {size}, stride {stride}"),
        [32, 64, 30, 30],
        move |x| module::max_pool2d(x, options.clone()),
        move |x| kernels::max_pool2d(x, o.clone()),
    )
}

fn average_pool(size: usize, stride: usize) -> Case {
    let options = AvgPoolOptions::new([size; 2]).with_stride([stride; 2]);
    let o = options.clone();
    function(
        format!("average pool {size}, stride {stride}"),
        [32, 64, 30, 30],
        move |x| module::avg_pool2d(x, options.clone()),
        move |x| kernels::avg_pool2d(x, o.clone()),
    )
}

fn adam() -> Case {
    fn stepper(optimizer: ModuleOptimizer) -> Box<dyn FnMut()> {
        let device = Device::flex().autodiff();
        let mut layer: Linear = LinearConfig::new(1024, 1024).with_bias(false).init(&device);
        let gradient = random([1024, 1024]).inner();
        let mut optimizer = optimizer;
        Box::new(move || {
            let mut gradients = GradientsParams::new();
            gradients.register(layer.weight.id, gradient.clone());
            let held = Linear { weight: Param::initialized(layer.weight.id, random([1, 1])), bias: None };
            layer = optimizer.step(1e-3, std::mem::replace(&mut layer, held), gradients);
        })
    }
    let settings = AdamSettings { beta_1: 0.9, beta_2: 0.999, epsilon: 1e-5, weight_decay: 0.0 };
    Case {
        name: "Adam, 1,048,576 parameters".into(),
        burns: stepper(AdamConfig::new().init()),
        ours: stepper(Adam::new(settings).into()),
    }
}

fn cases() -> Vec<Case> {
    let activations = [32, 64, 30, 30];
    let elu = |x: Tensor<4>| activation::relu(x.clone()) + x.clamp_max(0.0).exp() - 1.0;
    let mut cases = vec![
        function("relu", activations, activation::relu, kernels::relu),
        function("leaky relu", activations, |x| activation::leaky_relu(x, 0.01), |x| kernels::leaky_relu(x, 0.01)),
        function("tanh", activations, activation::tanh, kernels::tanh),
        function("elu", activations, elu, kernels::elu),
        function("silu", activations, activation::silu, kernels::silu),
        function("gelu", activations, activation::gelu, kernels::gelu),
        max_pool(2, 2),
        max_pool(3, 2),
        max_pool(3, 1),
        average_pool(2, 2),
        average_pool(3, 2),
        adam(),
        volume(8, [1, 16], 16),
        volume(8, [16, 32], 12),
    ];
    for kernel in [[1, 1], [3, 3], [5, 5], [7, 7], [3, 5], [1, 7]] {
        cases.push(convolution(32, [3, 32], 32, kernel, 1, true));
        cases.push(convolution(32, [64, 64], 16, kernel, 1, true));
        cases.push(convolution(32, [64, 64], 16, kernel, 1, false));
        cases.push(convolution(32, [32, 64], 32, kernel, 2, true));
    }
    for batch in [8, 64, 256] {
        cases.push(convolution(batch, [3, 32], 32, [3, 3], 1, true));
        cases.push(convolution(batch, [1, 16], 8, [3, 3], 1, true));
        cases.push(convolution(batch, [64, 128], 8, [3, 3], 1, true));
    }
    cases
}

fn seconds(pass: &mut dyn FnMut()) -> f64 {
    let start = Instant::now();
    pass();
    start.elapsed().as_secs_f64()
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn main() {
    kernels::memory::keep_pages();
    let arguments: Vec<_> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let rounds = arguments.iter().find_map(|argument| argument.parse().ok()).unwrap_or(11_usize).max(1);
    let part = arguments.iter().find(|argument| argument.parse::<usize>().is_err());
    let mut slower = Vec::new();
    println!("{:>9} {:>9} {:>6}", "Burn, ms", "ours, ms", "ratio");
    for mut case in cases() {
        if part.is_some_and(|part| !case.name.contains(part.as_str())) {
            continue;
        }
        let (mut burns, mut ours) = (Vec::new(), Vec::new());
        for round in 0..=rounds {
            let times = (seconds(&mut case.burns), seconds(&mut case.ours));
            if round > 0 {
                burns.push(times.0);
                ours.push(times.1);
            }
        }
        let (burns, ours) = (median(burns), median(ours));
        println!("{:>9.2} {:>9.2} {:>6.2}  {}", burns * 1e3, ours * 1e3, burns / ours, case.name);
        if burns < ours {
            slower.push(case.name);
        }
    }
    let slower = if slower.is_empty() { "none".to_owned() } else { slower.join("; ") };
    println!("slower than Burn: {slower}");
}
