//! The kernels compute what Burn computes.

use burn::tensor::ops::{AvgPoolOptions, ConvOptions, MaxPoolOptions};
use burn::tensor::{Device, Distribution, Tensor, activation, module};
use proptest::prelude::*;

fn device() -> Device {
    Device::flex().autodiff()
}

/// Values that are the same for the same name, whatever runs beside.
fn random<const D: usize>(shape: [usize; D], name: u64) -> Tensor<D> {
    let count = shape.iter().product::<usize>() as u64;
    let value = |index: u64| {
        let mut bits = (index + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ name.wrapping_mul(0xd1b5_4a32_d192_ed03);
        bits ^= bits >> 31;
        bits = bits.wrapping_mul(0x94d0_49bb_1331_11eb);
        ((bits >> 40) as f32 / 2.0_f32.powi(23)) - 1.0
    };
    let values: Vec<f32> = (0..count).map(value).collect();
    Tensor::<1>::from_floats(values.as_slice(), &device()).reshape(shape)
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_to_vec().unwrap()
}

fn assert_close<const D: usize>(found: Tensor<D>, expected: Tensor<D>, what: &str) {
    assert_eq!(found.dims(), expected.dims(), "{what}");
    let (found, expected) = (values(found), values(expected));
    let scale = expected.iter().fold(1e-3_f32, |scale, value| scale.max(value.abs()));
    for (index, (found, expected)) in found.iter().zip(&expected).enumerate() {
        let error = (found - expected).abs();
        assert!(error <= 2e-5 * scale, "{what}, at {index}: {found}, not {expected} (of up to {scale})");
    }
}

/// Output and gradients of a function of an input, a weight and a bias, the output weighed at random.
fn outcome<const D: usize>(
    function: impl Fn(Tensor<D>, Tensor<D>, Option<Tensor<1>>) -> Tensor<D>,
    input: [usize; D],
    weight: [usize; D],
    biased: bool,
) -> (Tensor<D>, Vec<(&'static str, Tensor<1>)>) {
    let (x, w, b) =
        (random(input, 1).require_grad(), random(weight, 2).require_grad(), random([weight[0]], 3).require_grad());
    let y = function(x.clone(), w.clone(), biased.then(|| b.clone()));
    let gradients = (y.clone() * random(y.dims(), 4)).sum().backward();
    let mut all = vec![
        ("input gradient", x.grad(&gradients).unwrap().flatten(0, D - 1)),
        ("weight gradient", w.grad(&gradients).unwrap().flatten(0, D - 1)),
    ];
    if biased {
        all.push(("bias gradient", b.grad(&gradients).unwrap()));
    }
    (y, all)
}

fn assert_convolutions_agree<const D: usize>(
    ours: impl Fn(Tensor<D>, Tensor<D>, Option<Tensor<1>>) -> Tensor<D>,
    burns: impl Fn(Tensor<D>, Tensor<D>, Option<Tensor<1>>) -> Tensor<D>,
    input: [usize; D],
    weight: [usize; D],
    biased: bool,
) {
    let (found, found_gradients) = outcome(ours, input, weight, biased);
    let (expected, expected_gradients) = outcome(burns, input, weight, biased);
    assert_close(found, expected, "output");
    for ((what, found), (_, expected)) in found_gradients.into_iter().zip(expected_gradients) {
        assert_close(found, expected, what);
    }
}

fn assert_2d(input: [usize; 4], weight: [usize; 4], options: &ConvOptions<2>, biased: bool) {
    assert_convolutions_agree(
        |x, w, b| kernels::conv2d(x, w, b, options.clone()),
        |x, w, b| module::conv2d(x, w, b, options.clone()),
        input,
        weight,
        biased,
    );
}

#[test]
fn common_convolutions_agree_with_burn() {
    for kernel in [[1, 1], [3, 3], [5, 5], [7, 7], [2, 5], [1, 4]] {
        for batch in [1, 3, 8] {
            for (channels, filters) in [(3, 32), (20, 7), (40, 70)] {
                let valid = ConvOptions::new([1, 1], [0, 0], [1, 1], 1);
                assert_2d([batch, channels, 13, 11], [filters, channels, kernel[0], kernel[1]], &valid, true);
                let same = ConvOptions::new([1, 1], [kernel[0] / 2, kernel[1] / 2], [1, 1], 1);
                assert_2d([batch, channels, 9, 12], [filters, channels, kernel[0], kernel[1]], &same, false);
            }
        }
    }
}

#[test]
fn long_reductions_agree_with_burn() {
    let valid = ConvOptions::new([1, 1], [0, 0], [1, 1], 1);
    assert_2d([2, 70, 8, 8], [300, 70, 3, 3], &valid, true);
    assert_2d([40, 4, 12, 12], [5, 4, 3, 3], &valid, true);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_convolution_agrees_with_burn(
        (batch, channels, filters) in (1_usize..5, 1_usize..6, 1_usize..40),
        size in prop::array::uniform2(1_usize..14),
        kernel in prop::array::uniform2(1_usize..5),
        stride in prop::array::uniform2(1_usize..4),
        padding in prop::array::uniform2((0_usize..3, 0_usize..3)),
        dilation in prop::array::uniform2(1_usize..3),
        biased: bool,
    ) {
        let fits = (0..2).all(|d| size[d] + padding[d].0 + padding[d].1 > dilation[d] * (kernel[d] - 1));
        prop_assume!(fits);
        let options = ConvOptions::new_with_padding(stride, padding, dilation, 1);
        assert_2d([batch, channels, size[0], size[1]], [filters, channels, kernel[0], kernel[1]], &options, biased);
    }

    #[test]
    fn any_pool_agrees_with_burn(
        (batch, channels) in (1_usize..4, 1_usize..6),
        input in prop::array::uniform2(1_usize..14),
        size in prop::array::uniform2(1_usize..4),
        stride in prop::array::uniform2(1_usize..4),
        dilation in prop::array::uniform2(1_usize..3),
    ) {
        let fits = (0..2).all(|d| input[d] > dilation[d] * (size[d] - 1));
        prop_assume!(fits);
        let shape = [batch, channels, input[0], input[1]];
        let options = MaxPoolOptions::new(size).with_stride(stride).with_dilation(dilation);
        assert_functions_agree(
            |x| kernels::max_pool2d(x, options.clone()), |x| module::max_pool2d(x, options.clone()), shape);
        prop_assume!((0..2).all(|d| input[d] >= size[d]));
        let options = AvgPoolOptions::new(size).with_stride(stride);
        assert_functions_agree(
            |x| kernels::avg_pool2d(x, options.clone()), |x| module::avg_pool2d(x, options.clone()), shape);
    }
}

#[test]
fn convolutions_of_other_ranks_and_groups_agree_with_burn() {
    let options = ConvOptions::new([2, 1, 1], [1, 0, 2], [1, 2, 1], 1);
    assert_convolutions_agree(
        |x, w, b| kernels::conv3d(x, w, b, options.clone()),
        |x, w, b| module::conv3d(x, w, b, options.clone()),
        [3, 4, 6, 7, 5],
        [6, 4, 3, 2, 3],
        true,
    );
    let options = ConvOptions::new([2], [1], [1], 1);
    assert_convolutions_agree(
        |x, w, b| kernels::conv1d(x, w, b, options.clone()),
        |x, w, b| module::conv1d(x, w, b, options.clone()),
        [3, 4, 17],
        [6, 4, 3],
        true,
    );
    assert_2d([2, 6, 8, 8], [6, 1, 3, 3], &ConvOptions::new([1, 1], [1, 1], [1, 1], 6), true);
}

fn assert_functions_agree(
    ours: impl Fn(Tensor<4>) -> Tensor<4>,
    burns: impl Fn(Tensor<4>) -> Tensor<4>,
    shape: [usize; 4],
) {
    let outcome = |function: &dyn Fn(Tensor<4>) -> Tensor<4>| {
        let x = (random(shape, 5) * 4.0).detach().require_grad();
        let y = function(x.clone());
        let gradients = (y.clone() * random(y.dims(), 6)).sum().backward();
        (y, x.grad(&gradients).unwrap())
    };
    let ((found, found_gradient), (expected, expected_gradient)) = (outcome(&ours), outcome(&burns));
    assert_close(found, expected, "output");
    assert_close(found_gradient, expected_gradient, "gradient");
}

#[test]
fn activations_agree_with_burn() {
    let shape = [3, 5, 17, 23];
    assert_functions_agree(kernels::relu, activation::relu, shape);
    assert_functions_agree(|x| kernels::leaky_relu(x, 0.01), |x| activation::leaky_relu(x, 0.01), shape);
    assert_functions_agree(kernels::tanh, activation::tanh, shape);
    assert_functions_agree(kernels::sigmoid, activation::sigmoid, shape);
    assert_functions_agree(kernels::silu, activation::silu, shape);
    assert_functions_agree(kernels::gelu, activation::gelu, shape);
    let elu = |x: Tensor<4>| activation::relu(x.clone()) + x.clamp_max(0.0).exp() - 1.0;
    assert_functions_agree(kernels::elu, elu, shape);
}

#[test]
fn inputs_out_of_order_are_put_in_order() {
    let options = ConvOptions::new([1, 1], [0, 0], [1, 1], 1);
    assert_convolutions_agree(
        |x, w, b| kernels::conv2d(x.swap_dims(2, 3), w.swap_dims(0, 1), b, options.clone()),
        |x, w, b| module::conv2d(x.swap_dims(2, 3), w.swap_dims(0, 1), b, options.clone()),
        [2, 4, 9, 7],
        [4, 4, 3, 2],
        true,
    );
}

#[test]
fn gradients_agree_with_finite_differences() {
    let options = ConvOptions::new([2, 1], [1, 0], [1, 2], 1);
    let loss = |x: Tensor<4>, w: Tensor<4>| {
        let y = kernels::tanh(kernels::conv2d(x, w, None, options.clone()));
        (y.clone() * random(y.dims(), 7)).sum()
    };
    let (x, w) = (random([2, 2, 6, 7], 8).require_grad(), random([3, 2, 3, 2], 9).require_grad());
    let gradients = loss(x.clone(), w.clone()).backward();
    let nudge = 1e-2;
    let (direction, gradient) = (random(x.dims(), 10), x.grad(&gradients).unwrap());
    let step = direction.clone() * nudge;
    let ahead: f32 = loss(x.clone() + step.clone(), w.clone()).into_scalar();
    let behind: f32 = loss(x.clone() - step, w.clone()).into_scalar();
    let slope: f32 = (gradient * direction.inner()).sum().into_scalar();
    let expected = (ahead - behind) / (2.0 * nudge as f32);
    assert!((slope - expected).abs() < 1e-2 * expected.abs().max(1.0), "{slope}, not {expected}");
    let direction = random(w.dims(), 11);
    let step = direction.clone() * nudge;
    let ahead: f32 = loss(x.clone(), w.clone() + step.clone()).into_scalar();
    let behind: f32 = loss(x, w.clone() - step).into_scalar();
    let slope: f32 = (w.grad(&gradients).unwrap() * direction.inner()).sum().into_scalar();
    let expected = (ahead - behind) / (2.0 * nudge as f32);
    assert!((slope - expected).abs() < 1e-2 * expected.abs().max(1.0), "{slope}, not {expected}");
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let all = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let options = ConvOptions::new([1, 1], [1, 1], [1, 1], 1);
            let network = |x, w, b| {
                let maps = kernels::tanh(kernels::conv2d(x, w, b, options.clone()));
                kernels::max_pool2d(maps, MaxPoolOptions::new([2, 2]))
            };
            let (y, gradients) = outcome(network, [7, 5, 12, 10], [33, 5, 3, 3], true);
            let gradients = gradients.into_iter().flat_map(|(_, gradient)| values(gradient));
            values(y).into_iter().chain(gradients).map(f32::to_bits).collect::<Vec<_>>()
        })
    };
    let one = all(1);
    assert_eq!(one, all(2));
    assert_eq!(one, all(5));
}

#[test]
fn training_follows_burns_losses() {
    let losses = |with_kernels: bool| {
        let images = random([8, 3, 12, 12], 12);
        let mut weight = (random([16, 3, 3, 3], 13) * 0.3).detach();
        let mut output = (random([16 * 25, 1], 14) * 0.1).detach();
        (0..50)
            .map(|_| {
                let (w, o) = (weight.clone().require_grad(), output.clone().require_grad());
                let options = ConvOptions::new([1, 1], [0, 0], [1, 1], 1);
                let pool = MaxPoolOptions::new([2, 2]);
                let maps = if with_kernels {
                    kernels::max_pool2d(kernels::tanh(kernels::conv2d(images.clone(), w.clone(), None, options)), pool)
                } else {
                    module::max_pool2d(activation::tanh(module::conv2d(images.clone(), w.clone(), None, options)), pool)
                };
                let error = maps.flatten::<2>(1, 3).matmul(o.clone()) - random([8, 1], 15);
                let loss = (error.clone() * error).mean();
                let gradients = loss.backward();
                weight = Tensor::from_inner(weight.clone().inner() - w.grad(&gradients).unwrap() * 0.005);
                output = Tensor::from_inner(output.clone().inner() - o.grad(&gradients).unwrap() * 0.005);
                loss.into_scalar::<f32>()
            })
            .collect::<Vec<f32>>()
    };
    let (found, expected) = (losses(true), losses(false));
    assert!(expected[49] < 0.9 * expected[0], "the network learns: {expected:?}");
    for (step, (found, expected)) in found.iter().zip(&expected).enumerate() {
        assert!((found - expected).abs() <= 1e-4 * expected, "step {step}: {found}, not {expected}");
    }
}

#[test]
fn other_precisions_are_left_to_burn() {
    let x = Tensor::<4>::random([1, 1, 4, 4], Distribution::Default, &device()).cast(burn::tensor::FloatDType::F64);
    let y = kernels::tanh(x.clone());
    assert_eq!(y.dtype(), burn::tensor::DType::F64);
}
