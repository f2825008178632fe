//! Cholesky factors of matrices of a few hundred rows.
//!
//! General libraries choose their instructions by the processor they find, and so their rounding; at these sizes the
//! loops below, which every compiler vectorises, cost about as much and round alike everywhere.

/// A square matrix, row by row. Of a symmetric or lower triangular one, only the lower triangle is used.
#[derive(Debug, Clone)]
pub struct Square {
    n: usize,
    data: Vec<f64>,
}

impl Square {
    /// A matrix of zeros with `n` rows.
    pub fn zeros(n: usize) -> Self {
        Self { n, data: vec![0.0; n * n] }
    }

    /// Row `i`.
    pub fn row(&self, i: usize) -> &[f64] {
        &self.data[i * self.n..(i + 1) * self.n]
    }

    /// Row `i`, to write to.
    pub fn row_mut(&mut self, i: usize) -> &mut [f64] {
        &mut self.data[i * self.n..(i + 1) * self.n]
    }

    /// The lower triangular L with L Lᵀ = this matrix, in its place; `None` if it is not positive definite.
    pub fn cholesky(mut self) -> Option<Lower> {
        let n = self.n;
        for first in (0..n).step_by(4) {
            let last = (first + 4).min(n);
            let (above, block) = self.data.split_at_mut(first * n);
            if last - first == 4 {
                solve_four_rows(above, block, n, first);
            } else {
                for row in block.chunks_exact_mut(n) {
                    for j in 0..first {
                        let l = &above[j * n..=j * n + j];
                        row[j] = (row[j] - dot(&l[..j], &row[..j])) / l[j];
                    }
                }
            }
            for i in 0..last - first {
                for j in 0..=i {
                    let (head, tail) = block.split_at_mut(i * n);
                    let row = &mut tail[..n];
                    let at = first + j;
                    if j < i {
                        let l = &head[j * n..(j + 1) * n];
                        row[at] = (row[at] - dot(&l[..at], &row[..at])) / l[at];
                    } else {
                        let pivot = row[at] - dot(&row[..at], &row[..at]);
                        // Also refuses NaN.
                        if !(pivot > 0.0 && pivot.is_finite()) {
                            return None;
                        }
                        row[at] = pivot.sqrt();
                    }
                }
            }
        }
        for i in 0..n {
            self.row_mut(i)[i + 1..].fill(0.0);
        }
        Some(Lower(self))
    }
}

/// Four rows of the factor, as far as they depend on finished rows alone.
fn solve_four_rows(above: &[f64], block: &mut [f64], width: usize, columns: usize) {
    let (first, rest) = block.split_at_mut(width);
    let (second, rest) = rest.split_at_mut(width);
    let (third, fourth) = rest.split_at_mut(width);
    for j in 0..columns {
        let done = &above[j * width..=j * width + j];
        let sums = dot4(&done[..j], [&first[..j], &second[..j], &third[..j], &fourth[..j]]);
        for (row, sum) in [&mut *first, &mut *second, &mut *third, &mut *fourth].into_iter().zip(sums) {
            row[j] = (row[j] - sum) / done[j];
        }
    }
}

/// A lower triangular matrix with a positive diagonal.
#[derive(Debug, Clone)]
pub struct Lower(Square);

impl Lower {
    /// log det(L Lᵀ).
    pub fn log_determinant(&self) -> f64 {
        2.0 * (0..self.0.n).map(|i| libm::log(self.0.row(i)[i])).sum::<f64>()
    }

    /// The inverse of this factor, lower triangular too.
    pub fn inverse(&self) -> Lower {
        let n = self.0.n;
        let mut out = Square::zeros(n);
        for i in 0..n {
            let l = self.0.row(i);
            let (above, row) = out.data.split_at_mut(i * n);
            let row = &mut row[..=i];
            let mut k = 0;
            while k + 4 <= i {
                let rows = [0, 1, 2, 3].map(|o| &above[(k + o) * n..(k + o) * n + k + 4]);
                add_scaled4(&mut row[..k + 4], [l[k], l[k + 1], l[k + 2], l[k + 3]], rows);
                k += 4;
            }
            for k in k..i {
                add_scaled(&mut row[..=k], l[k], &above[k * n..=k * n + k]);
            }
            let scale = -1.0 / l[i];
            for x in row.iter_mut() {
                *x *= scale;
            }
            row[i] = 1.0 / l[i];
        }
        Lower(out)
    }

    /// Lᵀ L, its lower triangle: of an inverse factor, the inverse of the matrix that was factored.
    pub fn gram(&self) -> Square {
        let n = self.0.n;
        let mut out = Square::zeros(n);
        let mut k = 0;
        while k + 4 <= n {
            let rows = [0, 1, 2, 3].map(|o| self.0.row(k + o));
            for i in 0..k + 4 {
                let weights = [rows[0][i], rows[1][i], rows[2][i], rows[3][i]];
                add_scaled4(&mut out.row_mut(i)[..=i], weights, rows.map(|r| &r[..=i]));
            }
            k += 4;
        }
        for k in k..n {
            for i in 0..=k {
                let row = self.0.row(k);
                add_scaled(&mut out.row_mut(i)[..=i], row[i], &row[..=i]);
            }
        }
        out
    }

    /// L x.
    pub fn times(&self, x: &[f64]) -> Vec<f64> {
        (0..self.0.n).map(|i| dot(&self.0.row(i)[..=i], &x[..=i])).collect()
    }

    /// Lᵀ x.
    pub fn transposed_times(&self, x: &[f64]) -> Vec<f64> {
        let mut out = vec![0.0; self.0.n];
        for (i, &x) in x.iter().enumerate() {
            add_scaled(&mut out[..=i], x, &self.0.row(i)[..=i]);
        }
        out
    }

    /// |L x|² of four vectors at once.
    pub fn squared_norms(&self, x: [&[f64]; 4]) -> [f64; 4] {
        let mut sums = [0.0; 4];
        for i in 0..self.0.n {
            let products = dot4(&self.0.row(i)[..=i], x.map(|x| &x[..=i]));
            for (sum, p) in sums.iter_mut().zip(products) {
                *sum += p * p;
            }
        }
        sums
    }
}

const LANES: usize = 8;

/// The inner product, in a fixed order of additions.
pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut lanes = [0.0; LANES];
    let (a, b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let tail: f64 = a.remainder().iter().zip(b.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a.zip(b) {
        for k in 0..LANES {
            lanes[k] += a[k] * b[k];
        }
    }
    lanes.iter().sum::<f64>() + tail
}

/// The inner products of `a` with four vectors.
fn dot4(a: &[f64], b: [&[f64]; 4]) -> [f64; 4] {
    const WIDE: usize = 4;
    let mut lanes = [[0.0; WIDE]; 4];
    let whole = a.len() / WIDE * WIDE;
    let b = b.map(|b| &b[..a.len()]);
    for at in (0..whole).step_by(WIDE) {
        let x = &a[at..at + WIDE];
        for (lanes, b) in lanes.iter_mut().zip(b) {
            let b = &b[at..at + WIDE];
            for k in 0..WIDE {
                lanes[k] += x[k] * b[k];
            }
        }
    }
    let mut sums = lanes.map(|l| (l[0] + l[1]) + (l[2] + l[3]));
    for at in whole..a.len() {
        for (sum, b) in sums.iter_mut().zip(b) {
            *sum += a[at] * b[at];
        }
    }
    sums
}

fn add_scaled(y: &mut [f64], scale: f64, x: &[f64]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y += scale * x;
    }
}

fn add_scaled4(y: &mut [f64], scale: [f64; 4], x: [&[f64]; 4]) {
    let x = x.map(|x| &x[..y.len()]);
    for (i, y) in y.iter_mut().enumerate() {
        *y += (scale[0] * x[0][i] + scale[1] * x[1][i]) + (scale[2] * x[2][i] + scale[3] * x[3][i]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spd(n: usize) -> Square {
        let mut a = Square::zeros(n);
        for i in 0..n {
            for j in 0..=i {
                let d = (i as f64 - j as f64) / 3.0;
                a.row_mut(i)[j] = (-d * d).exp() + if i == j { 0.1 } else { 0.0 };
            }
        }
        a
    }

    #[test]
    fn factor_inverse_and_gram_fit_together_at_every_size() {
        for n in 1..30 {
            let a = spd(n);
            let factor = a.clone().cholesky().unwrap();
            let inverse = factor.inverse();
            let a_inverse = inverse.gram();
            let full = |m: &Square, i: usize, j: usize| m.row(i.max(j))[i.min(j)];
            for i in 0..n {
                for j in 0..n {
                    let product: f64 = (0..n).map(|k| full(&a, i, k) * full(&a_inverse, k, j)).sum();
                    assert!((product - f64::from(u8::from(i == j))).abs() < 1e-9, "{n} {i} {j} {product}");
                }
            }
            let x: Vec<f64> = (0..n).map(|i| (i as f64).sin()).collect();
            let there_and_back = inverse.times(&factor.times(&x));
            assert!(x.iter().zip(&there_and_back).all(|(a, b)| (a - b).abs() < 1e-9));
            let norm: f64 = factor.times(&x).iter().map(|v| v * v).sum();
            assert!((factor.squared_norms([&x; 4])[3] - norm).abs() < 1e-9 * norm.max(1.0));
        }
    }

    #[test]
    fn refuses_what_is_not_positive_definite() {
        let mut a = spd(5);
        a.row_mut(3)[3] = -1.0;
        assert!(a.cholesky().is_none());
        let mut a = spd(5);
        a.row_mut(2)[1] = f64::NAN;
        assert!(a.cholesky().is_none());
    }
}
