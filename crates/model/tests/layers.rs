//! Layers against slow, obvious references, and their gradients against finite differences.

#![expect(clippy::many_single_char_names, reason = "indices, as in the formulas")]

use burn::tensor::{Device, Tensor, TensorData};
use model::cnn::Activation;
use model::layers::pool::{adaptive_max, average_3d, global_average, global_max, max_2d, max_3d, min_2d, min_3d};
use model::layers::{LocallyConnected2dConfig, activate};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Values far enough apart that no small step changes which one is the largest.
fn distinct(count: usize, seed: u64) -> Vec<f32> {
    let mut values: Vec<f32> = (0..count).map(|index| index as f32 / count as f32 * 4.0 - 2.03).collect();
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    for index in (1..count).rev() {
        values.swap(index, rng.random_range(0..=index));
    }
    values
}

fn tensor<const D: usize>(values: &[f32], shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values.to_vec(), shape), device)
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

/// Holds the gradient of a weighted sum of `layer`'s outputs against central differences.
fn check_gradient<const D: usize, const E: usize>(shape: [usize; D], layer: impl Fn(Tensor<D>) -> Tensor<E>) {
    let device = Device::flex();
    let input = distinct(shape.iter().product(), 3);
    let weighted = |x: Tensor<D>| {
        let y = layer(x);
        let count = y.shape().num_elements();
        let weights = distinct(count, 4);
        let weights = tensor(&weights, [count], &y.device());
        (y.reshape([count]) * weights).sum()
    };
    let x = tensor(&input, shape, &device.clone().autodiff()).require_grad();
    let gradients = weighted(x.clone()).backward();
    let gradient = values(x.grad(&gradients).unwrap());
    let step = 2e-3;
    for index in 0..input.len() {
        let at = |delta: f32| {
            let mut moved = input.clone();
            moved[index] += delta;
            f64::from(weighted(tensor(&moved, shape, &device)).into_scalar::<f32>())
        };
        let difference = (at(step) - at(-step)) / (2.0 * f64::from(step));
        assert!((difference - f64::from(gradient[index])).abs() < 2e-2, "{index}: {difference} {}", gradient[index]);
    }
}

/// Reduces every window of every dimension after the channels, one value at a time.
fn reference_3d(
    x: &[f32],
    [b, c, d, h, w]: [usize; 5],
    size: [usize; 3],
    stride: [usize; 3],
    reduce: fn(&[f32]) -> f32,
) -> Vec<f32> {
    let places = |length: usize, axis: usize| (length - size[axis]) / stride[axis] + 1;
    let mut output = Vec::new();
    for map in 0..b * c {
        for z in 0..places(d, 0) {
            for y in 0..places(h, 1) {
                for column in 0..places(w, 2) {
                    let mut window = Vec::new();
                    for dz in 0..size[0] {
                        for dy in 0..size[1] {
                            for dx in 0..size[2] {
                                let (z, y, column) = (z * stride[0] + dz, y * stride[1] + dy, column * stride[2] + dx);
                                window.push(x[((map * d + z) * h + y) * w + column]);
                            }
                        }
                    }
                    output.push(reduce(&window));
                }
            }
        }
    }
    output
}

fn largest(window: &[f32]) -> f32 {
    window.iter().copied().fold(f32::NEG_INFINITY, f32::max)
}

fn smallest(window: &[f32]) -> f32 {
    window.iter().copied().fold(f32::INFINITY, f32::min)
}

fn mean(window: &[f32]) -> f32 {
    window.iter().sum::<f32>() / window.len() as f32
}

fn assert_near(found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() < 1e-4, "{found} {expected}");
    }
}

#[test]
fn pools_over_volumes_agree_with_the_reference() {
    let shape = [2, 2, 5, 4, 6];
    let input = distinct(480, 1);
    let device = Device::flex();
    for (size, stride) in
        [([2, 2, 2], [2, 2, 2]), ([3, 1, 2], [1, 1, 2]), ([1, 4, 3], [1, 1, 3]), ([5, 4, 6], [1, 1, 1])]
    {
        let x = || tensor(&input, shape, &device);
        assert_near(&values(max_3d(x(), size, stride)), &reference_3d(&input, shape, size, stride, largest));
        assert_near(&values(min_3d(x(), size, stride)), &reference_3d(&input, shape, size, stride, smallest));
        assert_near(&values(average_3d(x(), size, stride)), &reference_3d(&input, shape, size, stride, mean));
    }
    let flat = reference_3d(&input, [2, 2, 1, 20, 6], [1, 3, 2], [1, 2, 2], smallest);
    assert_near(&values(min_2d(tensor(&input, [2, 2, 20, 6], &device), [3, 2], [2, 2])), &flat);
}

#[test]
fn adaptive_and_global_pools_agree_with_the_reference() {
    let device = Device::flex();
    let input = distinct(140, 1);
    let x = || tensor(&input, [2, 2, 5, 7], &device);
    // Parts of 5 in 3: 0..2, 1..4, 3..5; of 7 in 2: 0..4, 3..7.
    let mut expected = Vec::new();
    for map in 0..4 {
        for rows in [0..2, 1..4, 3..5] {
            for columns in [0..4, 3..7] {
                let part: Vec<f32> = rows
                    .clone()
                    .flat_map(|row| columns.clone().map(move |column| (row, column)))
                    .map(|(row, column)| input[(map * 5 + row) * 7 + column])
                    .collect();
                expected.push(largest(&part));
            }
        }
    }
    assert_near(&values(adaptive_max(x(), &[3, 2])), &expected);
    let maps: Vec<&[f32]> = input.chunks(35).collect();
    assert_near(&values(global_max(x())), &maps.iter().map(|map| largest(map)).collect::<Vec<_>>());
    assert_near(&values(global_average(x())), &maps.iter().map(|map| mean(map)).collect::<Vec<_>>());
}

#[test]
fn gradients_of_pools_agree_with_finite_differences() {
    check_gradient([1, 2, 4, 5], |x: Tensor<4>| max_2d(x, [2, 2], [1, 2]));
    check_gradient([1, 2, 4, 5], |x: Tensor<4>| min_2d(x, [2, 3], [2, 1]));
    check_gradient([1, 2, 3, 4, 4], |x: Tensor<5>| max_3d(x, [2, 2, 2], [1, 2, 2]));
    check_gradient([1, 2, 3, 4, 4], |x: Tensor<5>| min_3d(x, [2, 2, 2], [1, 2, 2]));
    check_gradient([1, 2, 3, 4, 4], |x: Tensor<5>| average_3d(x, [2, 3, 2], [1, 1, 2]));
    check_gradient([1, 2, 5, 4], |x: Tensor<4>| adaptive_max(x, &[3, 2]));
    check_gradient([1, 1, 3, 5, 4], |x: Tensor<5>| adaptive_max(x, &[2, 3, 2]));
    check_gradient([2, 2, 3, 3], |x: Tensor<4>| global_max(x));
    check_gradient([2, 2, 3, 3], |x: Tensor<4>| global_average(x));
}

#[test]
fn gradients_of_activations_agree_with_finite_differences_and_stay_finite() {
    for name in Activation::NAMES {
        let activation = Activation::from_name(name).unwrap();
        check_gradient([1, 12], |x: Tensor<2>| activate(activation, x));
        let device = Device::flex().autodiff();
        let x = tensor(&[-500.0, 500.0], [2], &device).require_grad();
        let gradients = activate(activation, x.clone()).sum().backward();
        assert!(values(x.grad(&gradients).unwrap()).iter().all(|value| value.is_finite()), "{name}");
    }
}

fn locally_connected(
    stride: [usize; 2],
    dilation: [usize; 2],
    padding: [(usize, usize); 2],
) -> LocallyConnected2dConfig {
    LocallyConnected2dConfig { channels: 2, filters: 3, input: [6, 5], kernel: [3, 2], stride, dilation, padding }
}

#[test]
fn a_locally_connected_layer_agrees_with_the_reference() {
    let device = Device::flex();
    for config in [
        locally_connected([1, 1], [1, 1], [(0, 0), (0, 0)]),
        locally_connected([2, 1], [1, 2], [(0, 0), (0, 0)]),
        locally_connected([1, 2], [2, 1], [(2, 2), (0, 1)]),
    ] {
        let mut layer = config.init(&device);
        let [rows, columns] = config.output();
        let biases = distinct(rows * columns * 3, 9);
        layer.bias = burn::module::Param::from_tensor(tensor(&biases, [rows * columns, 3], &device));
        let weights = values(layer.weight.val());
        let input = distinct(120, 2);
        let at = |b: usize, c: usize, y: isize, x: isize| {
            let inside = (0..6).contains(&y) && (0..5).contains(&x);
            if inside { input[((b * 2 + c) * 6 + y as usize) * 5 + x as usize] } else { 0.0 }
        };
        let mut expected = Vec::new();
        for b in 0..2 {
            for f in 0..3 {
                for y in 0..rows {
                    for x in 0..columns {
                        let position = y * columns + x;
                        let mut sum = biases[position * 3 + f];
                        for c in 0..2 {
                            for ky in 0..3 {
                                for kx in 0..2 {
                                    let weight = weights[(position * 12 + c * 6 + ky * 2 + kx) * 3 + f];
                                    let row = (y * config.stride[0] + ky * config.dilation[0]) as isize
                                        - config.padding[0].0 as isize;
                                    let column = (x * config.stride[1] + kx * config.dilation[1]) as isize
                                        - config.padding[1].0 as isize;
                                    sum += weight * at(b, c, row, column);
                                }
                            }
                        }
                        expected.push(sum);
                    }
                }
            }
        }
        let output = layer.forward(tensor(&input, [2, 2, 6, 5], &device));
        assert_eq!(output.dims(), [2, 3, rows, columns]);
        assert_near(&values(output), &expected);
    }
}

#[test]
fn gradients_of_a_locally_connected_layer_agree_with_finite_differences() {
    let layer = locally_connected([2, 1], [1, 2], [(1, 0), (1, 1)]).init(&Device::flex());
    check_gradient([1, 2, 6, 5], |x: Tensor<4>| {
        let here = if x.device().is_autodiff() { burn::module::Module::train(layer.clone()) } else { layer.clone() };
        here.forward(x)
    });

    // And by its weights: the input stays, one weight moves.
    let device = Device::flex();
    let input = distinct(60, 2);
    let trained = burn::module::Module::train(layer.clone());
    let output = trained.forward(tensor(&input, [1, 2, 6, 5], &device.clone().autodiff()));
    let gradients = output.powi_scalar(2).sum().backward();
    let gradient = values(trained.weight.val().grad(&gradients).unwrap());
    let weights = values(layer.weight.val());
    for index in (0..weights.len()).step_by(17) {
        let at = |delta: f32| {
            let mut moved = weights.clone();
            moved[index] += delta;
            let mut layer = layer.clone();
            layer.weight = burn::module::Param::from_tensor(tensor(&moved, layer.weight.dims(), &device));
            f64::from(layer.forward(tensor(&input, [1, 2, 6, 5], &device)).powi_scalar(2).sum().into_scalar::<f32>())
        };
        let difference = (at(1e-2) - at(-1e-2)) / 2e-2;
        assert!((difference - f64::from(gradient[index])).abs() < 2e-2, "{index}: {difference} {}", gradient[index]);
    }
}
