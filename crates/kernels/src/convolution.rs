//! Convolutions over one to three dimensions, and their gradients, as a few large products whose
//! operands are gathered on the fly.

mod forward;
mod geometry;
mod input_gradient;
mod patches;
mod weight_gradient;

pub use forward::forward;
pub use geometry::Geometry;
pub use input_gradient::input_gradient;
pub use weight_gradient::{bias_gradient, weight_gradient};

use std::ops::Range;

use crate::product::DEPTH;

/// Cuts `length` into ranges of nearly the same size, at most [`DEPTH`].
fn depths(length: usize) -> impl ExactSizeIterator<Item = Range<usize>> + Clone {
    let parts = length.div_ceil(DEPTH);
    (0..parts).map(move |part| length * part / parts..length * (part + 1) / parts)
}

/// How many images one piece of parallel work takes: enough to fill panels, few enough to keep all
/// threads busy to the end.
fn images_together(images: usize, positions: usize) -> usize {
    const ENOUGH_POSITIONS: usize = 256;
    let share = images / (4 * rayon::current_num_threads());
    ENOUGH_POSITIONS.div_ceil(positions.max(1)).min(share).max(1)
}
