use std::ops::Range;

use rayon::prelude::*;

use super::patches::{Patches, Run};
use super::{Geometry, depths, images_together};
use crate::produce::produce;
use crate::product::{DEPTH, Lanes, Row, STRIDE, WIDTH, accumulate};

/// Bytes of sums held at once, so that they, a slice of the weights and a panel share the second cache.
const SUMS_BYTES: usize = 256 * 1024;

/// Convolves `input` `[images, channels, …]` with `weight` `[filters, channels, …]`: the output is
/// `[images, filters, …]`.
pub fn forward(input: &[f32], weight: &[f32], bias: Option<&[f32]>, geometry: &Geometry) -> Vec<f32> {
    let patches = Patches::of_input(input, geometry);
    let weights = lay_out(weight, geometry);
    let positions = geometry.positions();
    let together = images_together(geometry.images, positions);
    let filters = filters_together(geometry, together);
    produce(
        geometry.images * geometry.filters * positions,
        together * filters * positions,
        Scratch::default,
        |scratch, index, output| {
            let first_filter = index * filters * together % geometry.filters;
            let first_image = index * filters * together / geometry.filters;
            let images = output.len() / (filters * positions);
            Work {
                patches: &patches,
                weights: &weights,
                bias,
                geometry,
                filters: first_filter..first_filter + filters,
                places: first_image * positions..(first_image + images) * positions,
            }
            .run(scratch, output);
        },
    )
}

/// Filters of one piece of work: all of them, unless there are too few images for all threads.
fn filters_together(geometry: &Geometry, images: usize) -> usize {
    const FEWEST: usize = 16;
    let pieces = geometry.images.div_ceil(images);
    let parts = rayon::current_num_threads().div_ceil(pieces);
    let most = (geometry.filters / parts).max(FEWEST.min(geometry.filters));
    if images > 1 || parts == 1 {
        return geometry.filters;
    }
    (1..=most).rev().find(|part| geometry.filters.is_multiple_of(*part)).unwrap_or(geometry.filters)
}

/// The weights, cut along their depth: all filters for the first part, then for the next.
fn lay_out(weight: &[f32], geometry: &Geometry) -> Vec<Row> {
    let weights = geometry.weights();
    let depths: Vec<_> = depths(weights).collect();
    let mut rows = vec![[0.0; STRIDE]; depths.len() * geometry.filters];
    rows.par_iter_mut().with_min_len(64).enumerate().for_each(|(index, row)| {
        let depth = &depths[index / geometry.filters];
        let filter = &weight[index % geometry.filters * weights..][..weights];
        row[..depth.len()].copy_from_slice(&filter[depth.clone()]);
    });
    rows
}

#[derive(Default)]
struct Scratch {
    panel: Vec<Lanes>,
    sums: Vec<Lanes>,
}

/// Some filters at some places: a contiguous part of the output.
struct Work<'a> {
    patches: &'a Patches<'a>,
    weights: &'a [Row],
    bias: Option<&'a [f32]>,
    geometry: &'a Geometry,
    filters: Range<usize>,
    places: Range<usize>,
}

impl Work<'_> {
    fn run(&self, scratch: &mut Scratch, output: &mut [f32]) {
        let filters = self.filters.len();
        let panels = (SUMS_BYTES / (filters * size_of::<Lanes>())).clamp(1, 8);
        scratch.panel.resize(DEPTH + 1, [0.0; WIDTH]);
        for start in self.places.clone().step_by(panels * WIDTH) {
            let end = (start + panels * WIDTH).min(self.places.end);
            let panels: Vec<_> = (start..end).step_by(WIDTH).map(|start| start..(start + WIDTH).min(end)).collect();
            let runs: Vec<Vec<Run>> = panels.iter().map(|panel| self.patches.runs(panel.clone())).collect();
            self.start_sums(&mut scratch.sums, panels.len());
            for (part, depth) in depths(self.geometry.weights()).enumerate() {
                let weights = &self.weights[part * self.geometry.filters..][self.filters.clone()];
                for (runs, sums) in runs.iter().zip(scratch.sums.chunks_exact_mut(filters)) {
                    let panel = scratch.panel.as_flattened_mut();
                    self.patches.gather(depth.clone(), runs, panel, WIDTH);
                    accumulate(weights, &scratch.panel[..depth.len()], sums);
                }
            }
            for (panel, sums) in panels.into_iter().zip(scratch.sums.chunks_exact(filters)) {
                self.write(panel, sums, output);
            }
        }
    }

    fn start_sums(&self, sums: &mut Vec<Lanes>, panels: usize) {
        sums.clear();
        for _ in 0..panels {
            match self.bias {
                Some(bias) => sums.extend(bias[self.filters.clone()].iter().map(|&b| [b; WIDTH])),
                None => sums.resize(sums.len() + self.filters.len(), [0.0; WIDTH]),
            }
        }
    }

    fn write(&self, panel: Range<usize>, sums: &[Lanes], output: &mut [f32]) {
        let positions = self.geometry.positions();
        let mut place = panel.start;
        while place < panel.end {
            let local = place - self.places.start;
            let (image, position) = (local / positions, local % positions);
            let length = (positions - position).min(panel.end - place);
            let lane = place - panel.start;
            let maps = &mut output[image * sums.len() * positions..];
            for (map, sums) in maps.chunks_exact_mut(positions).zip(sums) {
                map[position..position + length].copy_from_slice(&sums[lane..lane + length]);
            }
            place += length;
        }
    }
}
