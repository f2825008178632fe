//! The product that every convolution here comes down to.
//!
//! A matrix of [`Row`]s, held row after row, times a panel of [`WIDTH`] columns, held step after step, is added to a
//! panel of sums. A tile of the sums stays in registers over the whole depth, as in Goto and van
//! de Geijn, "Anatomy of High-Performance Matrix Multiplication" (2008): 12×32 with AVX-512, 6×16 with AVX2 and NEON.
//! The panel is small enough for the first cache; the rows stream from the second.

use pulp::{Arch, Simd, WithSimd};

/// The longest reduction in one call.
pub const DEPTH: usize = 256;

/// The columns of a panel.
pub const WIDTH: usize = 32;

/// Values from one row to the next: more than [`DEPTH`] by a cache line, so that the same step of
/// neighbouring rows falls into different cache sets.
pub const STRIDE: usize = DEPTH + 16;

/// Up to [`DEPTH`] values of one row.
pub type Row = [f32; STRIDE];

/// One step of a panel, or one row of sums.
pub type Lanes = [f32; WIDTH];

/// Adds `left · right` to `sums`: `[rows, depth]` times `[depth, WIDTH]`.
///
/// Each sum is taken step by step in the order of `right`, whatever the number of rows or threads.
pub fn accumulate(left: &[Row], right: &[Lanes], sums: &mut [Lanes]) {
    assert!(left.len() == sums.len() && right.len() <= DEPTH);
    Arch::new().dispatch(Accumulate { left, right, sums });
}

struct Accumulate<'a> {
    left: &'a [Row],
    right: &'a [Lanes],
    sums: &'a mut [Lanes],
}

impl WithSimd for Accumulate<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match (S::F32_LANES, S::REGISTER_COUNT) {
            (16, _) => self.by_tiles::<S, 12, 2>(simd),
            (4, 32) => self.by_tiles::<S, 6, 4>(simd),
            (8 | 4, _) => self.by_tiles::<S, 6, 2>(simd),
            _ => self.by_tiles::<S, 4, 8>(simd),
        }
    }
}

impl Accumulate<'_> {
    /// Cuts the rows into tiles of nearly the same height, at most `TALLEST`.
    #[inline(always)]
    fn by_tiles<S: Simd, const TALLEST: usize, const VECTORS: usize>(self, simd: S) {
        let rows = self.left.len();
        let tiles = rows.div_ceil(TALLEST);
        for index in 0..tiles {
            let (start, end) = (rows * index / tiles, rows * (index + 1) / tiles);
            let left = &self.left[start..end];
            let sums = &mut self.sums[start..end];
            match end - start {
                1 => tile::<S, 1, VECTORS>(simd, left, self.right, sums),
                2 => tile::<S, 2, VECTORS>(simd, left, self.right, sums),
                3 => tile::<S, 3, VECTORS>(simd, left, self.right, sums),
                4 => tile::<S, 4, VECTORS>(simd, left, self.right, sums),
                5 => tile::<S, 5, VECTORS>(simd, left, self.right, sums),
                6 => tile::<S, 6, VECTORS>(simd, left, self.right, sums),
                7 => tile::<S, 7, VECTORS>(simd, left, self.right, sums),
                8 => tile::<S, 8, VECTORS>(simd, left, self.right, sums),
                9 => tile::<S, 9, VECTORS>(simd, left, self.right, sums),
                10 => tile::<S, 10, VECTORS>(simd, left, self.right, sums),
                11 => tile::<S, 11, VECTORS>(simd, left, self.right, sums),
                _ => tile::<S, 12, VECTORS>(simd, left, self.right, sums),
            }
        }
    }
}

#[inline(always)]
fn tile<S: Simd, const ROWS: usize, const VECTORS: usize>(simd: S, left: &[Row], right: &[Lanes], sums: &mut [Lanes]) {
    let (Some(left), Some(sums)) = (left.first_chunk::<ROWS>(), sums.first_chunk_mut::<ROWS>()) else {
        return;
    };
    for column in (0..WIDTH / S::F32_LANES).step_by(VECTORS) {
        let mut held = [[simd.splat_f32s(0.0); VECTORS]; ROWS];
        for step in 0..right.len().min(DEPTH) {
            let (lanes, _) = S::as_simd_f32s(&right[step]);
            for row in 0..ROWS {
                let value = simd.splat_f32s(left[row][step]);
                for vector in 0..VECTORS {
                    held[row][vector] = simd.mul_add_e_f32s(value, lanes[column + vector], held[row][vector]);
                }
            }
        }
        for row in 0..ROWS {
            let (lanes, _) = S::as_mut_simd_f32s(&mut sums[row]);
            for vector in 0..VECTORS {
                let lane = &mut lanes[column + vector];
                *lane = simd.add_f32s(*lane, held[row][vector]);
            }
        }
    }
}
