use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::patches::{Patches, Places, RUN, Run, for_each_row, kernel_taps};
use super::{Geometry, depths, images_together};
use crate::produce::produce;
use crate::product::{DEPTH, Lanes, Row, STRIDE, WIDTH, accumulate};

/// Rows of one product; with a depth of [`DEPTH`] they take a quarter of a second cache of 1 MiB.
const ROWS: usize = 240;

/// The gradient of the input, from the gradient `[images, filters, …]` of the output.
///
/// The transposed weights times the gradient tell what each weight sends back from each place; these are
/// then added up where they belong.
pub fn input_gradient(weight: &[f32], gradient: &[f32], geometry: &Geometry) -> Vec<f32> {
    let gradients = Patches::of_output(gradient, geometry);
    let order = row_order(geometry);
    let weights = transpose(weight, geometry, &order);
    let taps = kernel_taps(geometry);
    let taps: Vec<usize> = order.iter().map(|&weight| taps[weight]).collect();
    let maps: usize = geometry.input.iter().product::<usize>() * geometry.channels;
    let together = images_together(geometry.images, geometry.positions());
    produce(geometry.images * maps, together * maps, Scratch::default, |scratch, index, input| {
        let images = input.len() / maps;
        let work = Work {
            gradients: &gradients,
            weights: &weights,
            taps: &taps,
            geometry,
            places: Places::of_kernel(geometry),
            first: index * together * geometry.positions(),
            count: images * geometry.positions(),
        };
        if geometry.padding == [(0, 0); 3] {
            work.run(scratch, input);
        } else {
            let padded: usize = geometry.padded().iter().product();
            let mut target = std::mem::take(&mut scratch.target);
            target.clear();
            target.resize(images * geometry.channels * padded, 0.0);
            work.run(scratch, &mut target);
            crop(&target, input, geometry);
            scratch.target = target;
        }
    })
}

/// The weights of a filter in the order of the rows: neighbouring rows are of different channels.
///
/// What they send back is then added to values far from each other. A load that overlaps a store just
/// made, as that of the next tap of the same channel would, waits until the store is through.
fn row_order(geometry: &Geometry) -> Vec<usize> {
    const CHANNELS: usize = 16;
    let taps = geometry.taps();
    let mut order = Vec::with_capacity(geometry.weights());
    for first in (0..geometry.channels).step_by(CHANNELS) {
        let channels = first..(first + CHANNELS).min(geometry.channels);
        order.extend((0..taps).flat_map(|tap| channels.clone().map(move |channel| channel * taps + tap)));
    }
    order
}

/// The weights with a row for each weight of a filter, in that `order`, cut along the filters.
fn transpose(weight: &[f32], geometry: &Geometry, order: &[usize]) -> Vec<Row> {
    const BLOCK: usize = 64;
    let weights = geometry.weights();
    let depths: Vec<_> = depths(geometry.filters).collect();
    let mut rows = vec![[0.0; STRIDE]; depths.len() * weights];
    for (rows, depth) in rows.chunks_exact_mut(weights).zip(depths) {
        rows.par_chunks_mut(BLOCK).enumerate().for_each(|(block, rows)| {
            let order = &order[block * BLOCK..][..rows.len()];
            for (step, filter) in depth.clone().enumerate() {
                let filter = &weight[filter * weights..][..weights];
                for (row, &weight) in rows.iter_mut().zip(order) {
                    row[step] = filter[weight];
                }
            }
        });
    }
    rows
}

fn crop(padded: &[f32], plain: &mut [f32], geometry: &Geometry) {
    let size: usize = geometry.input.iter().product();
    let padded_size: usize = geometry.padded().iter().product();
    for (plain, padded) in plain.chunks_exact_mut(size).zip(padded.chunks_exact(padded_size)) {
        for_each_row(geometry, |at, from| {
            plain[from..from + at.len()].copy_from_slice(&padded[at]);
        });
    }
}

#[derive(Default)]
struct Scratch {
    panels: Vec<Lanes>,
    sums: Vec<Lanes>,
    target: Vec<f32>,
}

/// The whole gradient for a few images.
struct Work<'a> {
    gradients: &'a Patches<'a>,
    weights: &'a [Row],
    taps: &'a [usize],
    geometry: &'a Geometry,
    places: Places,
    first: usize,
    count: usize,
}

impl Work<'_> {
    fn run(&self, scratch: &mut Scratch, target: &mut [f32]) {
        const PANELS: usize = 16;
        let Scratch { panels, sums, .. } = scratch;
        for start in (0..self.count).step_by(PANELS * WIDTH) {
            let end = (start + PANELS * WIDTH).min(self.count);
            let ranges = (start..end).step_by(WIDTH).map(|start| start..(start + WIDTH).min(end));
            let runs: Vec<Vec<Run>> = ranges.clone().map(|range| self.places.runs(range)).collect();
            self.gather(ranges, panels);
            for rows in (0..self.taps.len()).step_by(ROWS) {
                let rows = rows..(rows + ROWS).min(self.taps.len());
                for (panel, runs) in panels.chunks_exact(self.geometry.filters).zip(&runs) {
                    self.multiply(rows.clone(), panel, sums);
                    Arch::new().dispatch(Scatter {
                        sums,
                        taps: &self.taps[rows.clone()],
                        runs,
                        gap: self.places.gap(),
                        target,
                    });
                }
            }
        }
    }

    /// For each range of places a panel with a step for each filter.
    fn gather(&self, ranges: impl Iterator<Item = Range<usize>>, panels: &mut Vec<Lanes>) {
        let filters = self.geometry.filters;
        panels.clear();
        for (index, range) in ranges.enumerate() {
            panels.resize((index + 1) * filters + 1, [0.0; WIDTH]);
            let runs = self.gradients.runs(self.first + range.start..self.first + range.end);
            let panel = panels[index * filters..].as_flattened_mut();
            self.gradients.gather(0..filters, &runs, panel, WIDTH);
        }
    }

    fn multiply(&self, rows: Range<usize>, panel: &[Lanes], sums: &mut Vec<Lanes>) {
        sums.clear();
        sums.resize(rows.len(), [0.0; WIDTH]);
        for (part, depth) in depths(self.geometry.filters).enumerate() {
            debug_assert!(depth.len() <= DEPTH);
            let weights = &self.weights[part * self.taps.len()..][rows.clone()];
            accumulate(weights, &panel[depth], sums);
        }
    }
}

struct Scatter<'a> {
    sums: &'a [Lanes],
    taps: &'a [usize],
    runs: &'a [Run],
    gap: usize,
    target: &'a mut [f32],
}

impl WithSimd for Scatter<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        if self.gap == 1 {
            self.add_runs(simd);
        } else {
            self.add_each();
        }
    }
}

impl Scatter<'_> {
    /// Adds [`RUN`] values for each run: beyond its length they are zeros.
    #[inline(always)]
    fn add_runs<S: Simd>(self, simd: S) {
        for run in self.runs {
            let mask: [u32; RUN] = std::array::from_fn(|lane| if lane < run.length { u32::MAX } else { 0 });
            let (mask, _) = S::as_simd_u32s(&mask);
            for (sums, &tap) in self.sums.iter().zip(self.taps) {
                let target = &mut self.target[tap..];
                let whole = target.get_mut(run.from..run.from + RUN).zip(sums.get(run.to..run.to + RUN));
                if let Some((target, sums)) = whole {
                    let ((target, _), (sums, _)) = (S::as_mut_simd_f32s(target), S::as_simd_f32s(sums));
                    for ((target, sum), mask) in target.iter_mut().zip(sums).zip(mask) {
                        let sum = simd.and_u32s(simd.transmute_u32s_f32s(*sum), *mask);
                        *target = simd.add_f32s(*target, simd.transmute_f32s_u32s(sum));
                    }
                } else {
                    let target = &mut target[run.from..run.from + run.length];
                    for (target, sum) in target.iter_mut().zip(&sums[run.to..]) {
                        *target += *sum;
                    }
                }
            }
        }
    }

    #[inline(always)]
    fn add_each(self) {
        for (sums, &tap) in self.sums.iter().zip(self.taps) {
            for run in self.runs {
                let target = self.target[tap + run.from..].iter_mut().step_by(self.gap);
                for (target, sum) in target.zip(&sums[run.to..run.to + run.length]) {
                    *target += *sum;
                }
            }
        }
    }
}
