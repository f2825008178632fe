//! Where the values of a convolution lie, and how runs of them are gathered into rows.
//!
//! A value is found at `tap + position`: the tap says which channel and which weight of the kernel, the position which
//! place of the kernel in which image.

use std::borrow::Cow;
use std::ops::Range;

use super::Geometry;
use crate::produce::produce;
use pulp::{Arch, Simd, WithSimd};

/// Longest run copied at once: one vector of the widest kind.
pub const RUN: usize = 16;

/// The places of the kernel in a batch of images.
#[derive(Debug, Clone)]
pub struct Places {
    shape: [usize; 3],
    /// Values from one place to the next along each dimension.
    step: [usize; 3],
    /// Values from one image to the next.
    image: usize,
}

/// Neighbouring places whose values also follow one another.
#[derive(Debug, Clone, Copy)]
pub struct Run {
    /// Where its first value lies, but for the tap.
    pub from: usize,
    /// Its place in the row.
    pub to: usize,
    /// Its length, at most [`RUN`].
    pub length: usize,
}

impl Places {
    /// The places of the kernel on padded input maps.
    pub fn of_kernel(geometry: &Geometry) -> Self {
        let [depth, height, width] = geometry.padded();
        let [z, y, x] = geometry.stride;
        Self {
            shape: geometry.output(),
            step: [z * height * width, y * width, x],
            image: geometry.channels * depth * height * width,
        }
    }

    /// The places on output maps: all values in their order.
    pub fn of_output(geometry: &Geometry) -> Self {
        let [_, height, width] = geometry.output();
        Self {
            shape: geometry.output(),
            step: [height * width, width, 1],
            image: geometry.filters * geometry.positions(),
        }
    }

    /// Values from one place to the next in a row.
    pub fn gap(&self) -> usize {
        self.step[2]
    }

    /// The runs that make up `places`, counted over all images.
    pub fn runs(&self, places: Range<usize>) -> Vec<Run> {
        let [_, height, width] = self.shape;
        let positions: usize = self.shape.iter().product();
        let mut runs: Vec<Run> = Vec::new();
        let mut place = places.start;
        while place < places.end {
            let (image, position) = (place / positions, place % positions);
            let (row, x) = (position / width, position % width);
            let length = (width - x).min(places.end - place);
            let from =
                image * self.image + row / height * self.step[0] + row % height * self.step[1] + x * self.step[2];
            push(&mut runs, from, place - places.start, length, self.gap());
            place += length;
        }
        runs
    }
}

/// Adds a run, joined to the last one where that has room and goes on seamlessly.
fn push(runs: &mut Vec<Run>, mut from: usize, mut to: usize, mut length: usize, gap: usize) {
    if let Some(last) = runs.last_mut()
        && last.from + last.length * gap == from
    {
        let joined = length.min(RUN - last.length);
        last.length += joined;
        from += joined * gap;
        to += joined;
        length -= joined;
    }
    while length > 0 {
        let part = length.min(RUN);
        runs.push(Run { from, to, length: part });
        from += part * gap;
        to += part;
        length -= part;
    }
}

/// Rows of values: one for each tap, a value for each place.
#[derive(Debug)]
pub struct Patches<'a> {
    values: Cow<'a, [f32]>,
    places: Places,
    taps: Vec<usize>,
}

impl<'a> Patches<'a> {
    /// A row for each weight of a filter: what that weight meets at each place.
    pub fn of_input(input: &'a [f32], geometry: &Geometry) -> Self {
        Self { values: pad(input, geometry), places: Places::of_kernel(geometry), taps: kernel_taps(geometry) }
    }

    /// A row for each filter.
    pub fn of_output(output: &'a [f32], geometry: &Geometry) -> Self {
        let positions = geometry.positions();
        Self {
            values: Cow::Borrowed(output),
            places: Places::of_output(geometry),
            taps: (0..geometry.filters).map(|filter| filter * positions).collect(),
        }
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.taps.len()
    }

    /// The runs that make up `places`.
    pub fn runs(&self, places: Range<usize>) -> Vec<Run> {
        self.places.runs(places)
    }

    /// Writes the values of `rows` at `runs` into `to`, a row every `stride` values.
    ///
    /// A row may be followed by rubbish, so `to` must be longer by [`RUN`] than its rows.
    pub fn gather(&self, rows: Range<usize>, runs: &[Run], to: &mut [f32], stride: usize) {
        Arch::new().dispatch(Gather {
            values: &self.values,
            taps: &self.taps[rows],
            runs,
            gap: self.places.gap(),
            to,
            stride,
        });
    }
}

/// Offsets of the weights of a filter, in their order, on padded maps.
pub fn kernel_taps(geometry: &Geometry) -> Vec<usize> {
    let [depth, height, width] = geometry.padded();
    let [kernel_depth, kernel_height, kernel_width] = geometry.kernel;
    let [z, y, x] = geometry.dilation;
    let mut taps = Vec::with_capacity(geometry.weights());
    for channel in 0..geometry.channels {
        for tap_z in 0..kernel_depth {
            for tap_y in 0..kernel_height {
                let row = ((channel * depth + tap_z * z) * height + tap_y * y) * width;
                taps.extend((0..kernel_width).map(|tap_x| row + tap_x * x));
            }
        }
    }
    taps
}

fn pad<'a>(input: &'a [f32], geometry: &Geometry) -> Cow<'a, [f32]> {
    if geometry.padding == [(0, 0); 3] {
        return Cow::Borrowed(input);
    }
    let padded: usize = geometry.padded().iter().product();
    let plain: usize = geometry.input.iter().product();
    let image = geometry.channels * padded;
    Cow::Owned(produce(
        geometry.images * image,
        image,
        || (),
        |(), index, maps| {
            let input = input[index * geometry.channels * plain..].chunks_exact(plain);
            for (padded, plain) in maps.chunks_exact_mut(padded).zip(input) {
                for_each_row(geometry, |at, from| {
                    padded[at.clone()].copy_from_slice(&plain[from..from + at.len()]);
                });
            }
        },
    ))
}

/// Calls `row` with where each row of a map lies with padding and where it starts without.
pub fn for_each_row(geometry: &Geometry, mut row: impl FnMut(Range<usize>, usize)) {
    let [_, padded_height, padded_width] = geometry.padded();
    let [depth, height, width] = geometry.input;
    let [(front, _), (top, _), (left, _)] = geometry.padding;
    for z in 0..depth {
        for y in 0..height {
            let at = ((z + front) * padded_height + y + top) * padded_width + left;
            row(at..at + width, (z * height + y) * width);
        }
    }
}

struct Gather<'a> {
    values: &'a [f32],
    taps: &'a [usize],
    runs: &'a [Run],
    gap: usize,
    to: &'a mut [f32],
    stride: usize,
}

impl WithSimd for Gather<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let longest = self.runs.iter().map(|run| run.length).max().unwrap_or(0);
        match (self.gap, longest) {
            (1, 0..=4) => self.copy::<4>(),
            (1, 5..=8) => self.copy::<8>(),
            (1, _) => self.copy::<RUN>(),
            _ => self.pick(),
        }
    }
}

impl Gather<'_> {
    /// Copies `LENGTH` values for each run, whatever its length: the next run covers what is too much.
    #[inline(always)]
    fn copy<const LENGTH: usize>(self) {
        for (row, &tap) in self.taps.iter().enumerate() {
            let values = &self.values[tap..];
            let to = &mut self.to[row * self.stride..];
            for run in self.runs {
                if let Some(from) = values.get(run.from..run.from + LENGTH) {
                    to[run.to..run.to + LENGTH].copy_from_slice(from);
                } else {
                    let from = &values[run.from..run.from + run.length];
                    to[run.to..run.to + run.length].copy_from_slice(from);
                }
            }
        }
    }

    #[inline(always)]
    fn pick(self) {
        for (row, &tap) in self.taps.iter().enumerate() {
            let to = &mut self.to[row * self.stride..];
            for run in self.runs {
                let values = self.values[tap + run.from..].iter().step_by(self.gap);
                for (to, value) in to[run.to..run.to + run.length].iter_mut().zip(values) {
                    *to = *value;
                }
            }
        }
    }
}
