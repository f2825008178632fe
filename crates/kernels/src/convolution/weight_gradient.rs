use std::ops::Range;

use rayon::prelude::*;

use super::patches::{Patches, Run};
use super::{Geometry, depths};
use crate::product::{Lanes, Row, STRIDE, WIDTH, accumulate};

/// Rows of one piece of work: whole tiles of twelve.
const ROWS: usize = 96;

/// Pieces of work to make at least, so that many threads find some; a number of its own, so that the
/// result does not depend on how many there are.
const PIECES: usize = 32;

/// The gradient of the weight `[filters, channels, …]`, from the input and the gradient
/// `[images, filters, …]` of the output.
///
/// Both are rows over all places of the batch, and the gradient holds their dot products. The smaller of the
/// two is transposed into panels once; the other is gathered piece by piece.
pub fn weight_gradient(input: &[f32], gradient: &[f32], geometry: &Geometry) -> Vec<f32> {
    let patches = Patches::of_input(input, geometry);
    let gradients = Patches::of_output(gradient, geometry);
    let places = geometry.images * geometry.positions();
    if patches.rows() <= gradients.rows() {
        let products = Products::new(&gradients, &patches, places);
        products.collect(|[filter, weight]| [filter, weight])
    } else {
        let products = Products::new(&patches, &gradients, places);
        products.collect(|[filter, weight]| [weight, filter])
    }
}

/// The gradient of the bias: the sum of each filter's maps.
pub fn bias_gradient(gradient: &[f32], geometry: &Geometry) -> Vec<f32> {
    let positions = geometry.positions();
    let of_filter = |filter| {
        (0..geometry.images)
            .map(|image| sum(&gradient[(image * geometry.filters + filter) * positions..][..positions]))
            .sum()
    };
    (0..geometry.filters).into_par_iter().map(of_filter).collect()
}

fn sum(values: &[f32]) -> f32 {
    let (chunks, rest) = values.as_chunks::<16>();
    let mut lanes = [0.0; 16];
    for chunk in chunks {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane += *value;
        }
    }
    lanes.iter().sum::<f32>() + rest.iter().sum::<f32>()
}

/// Sums of `left · rightᵀ` for some rows of `left` and some places.
struct Piece {
    rows: Range<usize>,
    /// For each panel of `right`, the sums of each row.
    sums: Vec<Lanes>,
}

struct Products {
    left: usize,
    right: usize,
    /// By rows, and for the same rows by places.
    pieces: Vec<Vec<Piece>>,
}

impl Products {
    fn new(left: &Patches, right: &Patches, places: usize) -> Self {
        let blocks: Vec<_> = depths(places).collect();
        let panels = right.rows().div_ceil(WIDTH);
        let right_panels: Vec<Vec<Lanes>> =
            blocks.par_iter().map_init(Vec::new, |rows, block| transpose(right, block.clone(), rows)).collect();

        let row_parts = left.rows().div_ceil(ROWS);
        let place_parts = PIECES.div_ceil(row_parts).min(blocks.len());
        let piece = |scratch: &mut Vec<Row>, index: usize| {
            let (part, places) = (index / place_parts, index % place_parts);
            let rows = left.rows() * part / row_parts..left.rows() * (part + 1) / row_parts;
            let mut sums = vec![[0.0; WIDTH]; panels * rows.len()];
            scratch.resize(rows.len() + 1, [0.0; STRIDE]);
            let part = blocks.len() * places / place_parts..blocks.len() * (places + 1) / place_parts;
            for block in part {
                let runs = left.runs(blocks[block].clone());
                gather_rows(left, rows.clone(), &runs, scratch);
                let right = right_panels[block].chunks_exact(blocks[block].len());
                for (right, sums) in right.zip(sums.chunks_exact_mut(rows.len())) {
                    accumulate(&scratch[..rows.len()], right, sums);
                }
            }
            Piece { rows, sums }
        };
        let mut pieces =
            (0..row_parts * place_parts).into_par_iter().map_init(Vec::new, piece).collect::<Vec<_>>().into_iter();
        Self {
            left: left.rows(),
            right: right.rows(),
            pieces: (0..row_parts).map(|_| pieces.by_ref().take(place_parts).collect()).collect(),
        }
    }

    /// Adds the pieces up, always in the same order, into `[filters, weights]`; `index` says which row of the
    /// left and which of the right a filter and a weight are.
    fn collect(&self, index: impl Fn([usize; 2]) -> [usize; 2] + Sync) -> Vec<f32> {
        const FILTERS: usize = 16;
        let transposed = index([0, 1]) == [1, 0];
        let weights = if transposed { self.left } else { self.right };
        let mut gradient = vec![0.0; self.left * self.right];
        gradient.par_chunks_mut(FILTERS * weights).enumerate().for_each(|(chunk, gradient)| {
            for (row, gradient) in gradient.chunks_exact_mut(weights).enumerate() {
                let filter = chunk * FILTERS + row;
                for piece in self.pieces.iter().flatten() {
                    if transposed {
                        piece.add_column(filter, &mut gradient[piece.rows.clone()]);
                    } else if piece.rows.contains(&filter) {
                        piece.add_row(filter, gradient);
                    }
                }
            }
        });
        gradient
    }
}

impl Piece {
    /// Adds the sums of row `row` of the left with all rows of the right.
    fn add_row(&self, row: usize, to: &mut [f32]) {
        let panels = self.sums.chunks_exact(self.rows.len());
        for (to, panel) in to.chunks_mut(WIDTH).zip(panels) {
            for (to, sum) in to.iter_mut().zip(&panel[row - self.rows.start]) {
                *to += *sum;
            }
        }
    }

    /// Adds the sums of row `row` of the right with the rows of the left that this piece has.
    fn add_column(&self, row: usize, to: &mut [f32]) {
        let panel = &self.sums[row / WIDTH * self.rows.len()..][..self.rows.len()];
        for (to, sums) in to.iter_mut().zip(panel) {
            *to += sums[row % WIDTH];
        }
    }
}

/// All rows at `places` as panels: a step for each place, a lane for each row.
fn transpose(patches: &Patches, places: Range<usize>, rows: &mut Vec<Row>) -> Vec<Lanes> {
    let depth = places.len();
    let panels = patches.rows().div_ceil(WIDTH);
    let runs = patches.runs(places);
    let mut transposed = vec![[0.0; WIDTH]; panels * depth];
    rows.resize(WIDTH + 1, [0.0; STRIDE]);
    for (panel, steps) in transposed.chunks_exact_mut(depth).enumerate() {
        let first = panel * WIDTH;
        let count = WIDTH.min(patches.rows() - first);
        gather_rows(patches, first..first + count, &runs, rows);
        for (step, lanes) in steps.iter_mut().enumerate() {
            for (lane, row) in lanes.iter_mut().zip(&rows[..count]) {
                *lane = row[step];
            }
        }
    }
    transposed
}

fn gather_rows(patches: &Patches, rows: Range<usize>, runs: &[Run], to: &mut [Row]) {
    patches.gather(rows, runs, to.as_flattened_mut(), STRIDE);
}
