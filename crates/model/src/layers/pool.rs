//! Pools without padding. A window that would reach past the end is dropped.
//!
//! A maximum or mean over a box is that over its planes, then along its depth; a minimum is the
//! negated maximum of the negated. So pools of Burn in two dimensions carry all of them.

use burn::tensor::Tensor;
use burn::tensor::module::{adaptive_avg_pool2d, adaptive_avg_pool3d};
use burn::tensor::ops::{AvgPoolOptions, MaxPoolOptions};

use crate::cnn::PoolKind;

/// The largest value of each window. `[batch, channels, height, width]`.
pub fn max_2d(x: Tensor<4>, size: [usize; 2], stride: [usize; 2]) -> Tensor<4> {
    kernels::max_pool2d(x, MaxPoolOptions::new(size).with_stride(stride))
}

/// The mean of each window. `[batch, channels, height, width]`.
pub fn average_2d(x: Tensor<4>, size: [usize; 2], stride: [usize; 2]) -> Tensor<4> {
    kernels::avg_pool2d(x, AvgPoolOptions::new(size).with_stride(stride))
}

/// The smallest value of each window. `[batch, channels, height, width]`.
pub fn min_2d(x: Tensor<4>, size: [usize; 2], stride: [usize; 2]) -> Tensor<4> {
    max_2d(x.neg(), size, stride).neg()
}

/// The largest value of each window. `[batch, channels, depth, height, width]`.
pub fn max_3d(x: Tensor<5>, size: [usize; 3], stride: [usize; 3]) -> Tensor<5> {
    by_planes(x, size, stride, max_2d)
}

/// The mean of each window. `[batch, channels, depth, height, width]`.
pub fn average_3d(x: Tensor<5>, size: [usize; 3], stride: [usize; 3]) -> Tensor<5> {
    by_planes(x, size, stride, average_2d)
}

/// The smallest value of each window. `[batch, channels, depth, height, width]`.
pub fn min_3d(x: Tensor<5>, size: [usize; 3], stride: [usize; 3]) -> Tensor<5> {
    max_3d(x.neg(), size, stride).neg()
}

/// The largest value of each of `output` parts along every dimension after the channels.
///
/// Part `i` of `n` along a dimension of `length` holds the positions from `⌊i·length/n⌋` up to
/// `⌈(i+1)·length/n⌉`: parts overlap where `n` does not divide the length. `[batch, channels, …]`.
pub fn adaptive_max<const D: usize>(x: Tensor<D>, output: &[usize]) -> Tensor<D> {
    output.iter().enumerate().fold(x, |x, (index, &parts)| {
        let dim = index + 2;
        let length = x.dims()[dim];
        if parts == length {
            return x;
        }
        let maxima = (0..parts).map(|part| {
            let start = part * length / parts;
            let end = ((part + 1) * length).div_ceil(parts);
            x.clone().narrow(dim, start, end - start).max_dim(dim)
        });
        Tensor::cat(maxima.collect(), dim)
    })
}

/// Pools `[batch, channels, height, width]`; `size` is that of the output for an adaptive pool.
pub fn pool_2d(kind: PoolKind, x: Tensor<4>, size: [usize; 2], stride: [usize; 2]) -> Tensor<4> {
    match kind {
        PoolKind::Max => max_2d(x, size, stride),
        PoolKind::Average => average_2d(x, size, stride),
        PoolKind::Min => min_2d(x, size, stride),
        PoolKind::AdaptiveAverage => adaptive_avg_pool2d(x, size),
        PoolKind::AdaptiveMax => adaptive_max(x, &size),
    }
}

/// Pools `[batch, channels, depth, height, width]`; `size` is that of the output for an adaptive
/// pool.
pub fn pool_3d(kind: PoolKind, x: Tensor<5>, size: [usize; 3], stride: [usize; 3]) -> Tensor<5> {
    match kind {
        PoolKind::Max => max_3d(x, size, stride),
        PoolKind::Average => average_3d(x, size, stride),
        PoolKind::Min => min_3d(x, size, stride),
        PoolKind::AdaptiveAverage => adaptive_avg_pool3d(x, size),
        PoolKind::AdaptiveMax => adaptive_max(x, &size),
    }
}

/// The mean of each feature map: `[batch, channels, …]` to `[batch, channels]`.
pub fn global_average<const D: usize>(x: Tensor<D>) -> Tensor<2> {
    let [batch, channels] = [x.dims()[0], x.dims()[1]];
    x.flatten::<3>(2, D - 1).mean_dim(2).reshape([batch, channels])
}

/// The largest value of each feature map: `[batch, channels, …]` to `[batch, channels]`.
pub fn global_max<const D: usize>(x: Tensor<D>) -> Tensor<2> {
    let [batch, channels] = [x.dims()[0], x.dims()[1]];
    x.flatten::<3>(2, D - 1).max_dim(2).reshape([batch, channels])
}

type PlanePool = fn(Tensor<4>, [usize; 2], [usize; 2]) -> Tensor<4>;

fn by_planes(x: Tensor<5>, size: [usize; 3], stride: [usize; 3], pool: PlanePool) -> Tensor<5> {
    let [batch, channels, depth, height, width] = x.dims();
    let planes = x.reshape([batch, channels * depth, height, width]);
    let planes = pool(planes, [size[1], size[2]], [stride[1], stride[2]]);
    let [_, _, height, width] = planes.dims();
    let columns = planes.reshape([batch, channels, depth, height * width]);
    let columns = pool(columns, [size[0], 1], [stride[0], 1]);
    let depth = columns.dims()[2];
    columns.reshape([batch, channels, depth, height, width])
}
