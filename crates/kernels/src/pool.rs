//! Pools over height and width, without padding.

use rayon::prelude::*;

use crate::produce::produce;

/// The sizes of a pool over `[…, height, width]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Height and width of the input.
    pub input: [usize; 2],
    /// Height and width of the window.
    pub size: [usize; 2],
    /// Steps between windows.
    pub stride: [usize; 2],
    /// Steps between the values of a window.
    pub dilation: [usize; 2],
}

/// The largest values, and where in its window each was.
pub struct Maxima {
    pub values: Vec<f32>,
    pub taps: Vec<u8>,
}

impl Window {
    /// Whether a place in the window fits a byte and the window fits the input.
    pub fn is_small(&self) -> bool {
        let fits = (0..2).all(|d| self.input[d] > self.dilation[d] * (self.size[d] - 1));
        self.size[0] * self.size[1] <= 1 << u8::BITS && fits
    }

    /// Height and width of the output.
    pub fn output(&self) -> [usize; 2] {
        std::array::from_fn(|d| (self.input[d] - self.dilation[d] * (self.size[d] - 1) - 1) / self.stride[d] + 1)
    }

    /// Values of an input map.
    fn plane(&self) -> usize {
        self.input[0] * self.input[1]
    }

    /// Values of an output map.
    fn places(&self) -> usize {
        let [height, width] = self.output();
        height * width
    }

    /// How far each value of the window is from its first.
    fn taps(&self) -> Vec<usize> {
        let [height, width] = self.size;
        let [down, across] = self.dilation;
        (0..height * width).map(|tap| tap / width * down * self.input[1] + tap % width * across).collect()
    }

    /// Maps of one piece of parallel work.
    fn maps_together(&self) -> usize {
        (16 * 1024_usize).div_ceil(self.plane())
    }

    /// The largest value of each window of maps `[…, height, width]`, the first where several are.
    pub fn maxima(&self, input: &[f32]) -> Maxima {
        let [height, width] = self.output();
        let length = input.len() / self.plane() * self.places();
        let (mut values, mut taps) = (vec![0.0; length], vec![0; length]);
        let offsets = self.taps();
        let together = self.maps_together() * height * width;
        values
            .par_chunks_mut(together)
            .zip(taps.par_chunks_mut(together))
            .zip(input.par_chunks(self.maps_together() * self.plane()))
            .for_each(|((values, taps), input)| {
                let rows = values.chunks_exact_mut(width).zip(taps.chunks_exact_mut(width));
                for (index, (values, taps)) in rows.enumerate() {
                    let start = index / height * self.plane() + index % height * self.stride[0] * self.input[1];
                    match self.stride[1] {
                        1 => row_maxima::<1>(&input[start..], &offsets, 1, values, taps),
                        2 => row_maxima::<2>(&input[start..], &offsets, 2, values, taps),
                        other => row_maxima::<0>(&input[start..], &offsets, other, values, taps),
                    }
                }
            });
        Maxima { values, taps }
    }

    /// Adds each gradient to the place its window's maximum came from.
    pub fn maxima_gradient(&self, gradient: &[f32], taps: &[u8]) -> Vec<f32> {
        let offsets = self.taps();
        self.spread(gradient, |start, index, gradient, input| {
            input[start + offsets[usize::from(taps[index])]] += gradient;
        })
    }

    /// The mean of each window of maps `[…, height, width]`.
    pub fn means(&self, input: &[f32]) -> Vec<f32> {
        let [height, width] = self.output();
        let mut values = vec![0.0; input.len() / self.plane() * height * width];
        let offsets = self.taps();
        let count = offsets.len() as f32;
        values
            .par_chunks_mut(self.maps_together() * height * width)
            .zip(input.par_chunks(self.maps_together() * self.plane()))
            .for_each(|(values, input)| {
                for (index, row) in values.chunks_exact_mut(width).enumerate() {
                    let start = index / height * self.plane() + index % height * self.stride[0] * self.input[1];
                    for &offset in &offsets {
                        let input = input[start + offset..].iter().step_by(self.stride[1]);
                        for (value, input) in row.iter_mut().zip(input) {
                            *value += *input;
                        }
                    }
                    for value in row {
                        *value /= count;
                    }
                }
            });
        values
    }

    /// Adds an equal share of each gradient to all places of its window.
    pub fn means_gradient(&self, gradient: &[f32]) -> Vec<f32> {
        let offsets = self.taps();
        let count = offsets.len() as f32;
        self.spread(gradient, |start, _, gradient, input| {
            let share = gradient / count;
            for &offset in &offsets {
                input[start + offset] += share;
            }
        })
    }

    /// Calls `add` with the start of each window, its index, its gradient and the maps to add to.
    fn spread(&self, gradient: &[f32], add: impl Fn(usize, usize, f32, &mut [f32]) + Sync) -> Vec<f32> {
        let [height, width] = self.output();
        let together = self.maps_together();
        produce(
            gradient.len() / self.places() * self.plane(),
            together * self.plane(),
            || (),
            |(), chunk, input| {
                let first = chunk * together * self.places();
                let gradient = &gradient[first..first + input.len() / self.plane() * self.places()];
                for (row, gradients) in gradient.chunks_exact(width).enumerate() {
                    let start = row / height * self.plane() + row % height * self.stride[0] * self.input[1];
                    for (x, gradient) in gradients.iter().enumerate() {
                        let index = first + row * width + x;
                        add(start + x * self.stride[1], index, *gradient, input);
                    }
                }
            },
        )
    }
}

/// The largest value of each window of one row; a `STRIDE` of 0 stands for one known only now.
fn row_maxima<const STRIDE: usize>(
    input: &[f32],
    offsets: &[usize],
    stride: usize,
    values: &mut [f32],
    taps: &mut [u8],
) {
    let stride = if STRIDE == 0 { stride } else { STRIDE };
    for (value, input) in values.iter_mut().zip(input.iter().step_by(stride)) {
        *value = *input;
    }
    for (tap, &offset) in (1_u8..).zip(&offsets[1..]) {
        let input = input[offset..].iter().step_by(stride);
        for ((value, at), input) in values.iter_mut().zip(taps.iter_mut()).zip(input) {
            let larger = *input > *value || input.is_nan();
            *value = if larger { *input } else { *value };
            *at = if larger { tap } else { *at };
        }
    }
}
