//! Traces of the blocks of H, and sums of products of their entries.

use super::blocks::{MarginalBlocks, BATCH};
use super::dense::trace_of_product;
use crate::error::CoreError;
use faer::{Accum, MatMut, MatRef};

/// What traces of products with H are made of. Blocks of H are those of two effects, with a row for
/// each level of the one's factor and a column for each level of the other's.
pub struct Traces {
    /// For each factor the traces of the blocks of its effects i, j, at `i * k + j`.
    pub own: Vec<Vec<f64>>,
    /// For each pair of factors f, g (at `f * n_factors + g`) the sums of the products of the
    /// entries of blocks (j, m) and (i, n), for effects i, j of f and m, n of g, at
    /// `(j * kg + m) * kf * kg + i * kg + n`.
    pub products: Vec<Vec<f64>>,
}

impl Traces {
    /// Of the blocks of H.
    pub fn of(h: &MarginalBlocks<'_>) -> Result<Self, CoreError> {
        let n = h.start.len();
        let corner = Corner::of(h)?;
        let mut own = Vec::with_capacity(n);
        let mut products = vec![Vec::new(); n * n];
        for f in 0..n {
            own.push(if f == h.head { corner.own(h) } else { tail_own(h, f) });
            for g in 0..n {
                products[f * n + g] = match (f == h.head, g == h.head) {
                    (true, true) => corner.products(h),
                    (false, false) => tail_products(h, f, g),
                    (true, false) => head_tail_products(h, &corner, f, g),
                    // filled from the other order of the pair
                    (false, true) => continue,
                };
            }
        }
        for f in (0..n).filter(|&f| h.head < n && f != h.head) {
            products[f * n + h.head] = transposed(&products[h.head * n + f], h.effects(h.head), h.effects(f));
        }
        Ok(Traces { own, products })
    }

    /// The sum of products of blocks (j, m) and (i, n) of factors f, g with `kf`, `kg` effects.
    pub fn product(&self, (f, j, i): (usize, usize, usize), (g, m, n): (usize, usize, usize), k: &[usize]) -> f64 {
        self.products[f * k.len() + g][(j * k[g] + m) * k[f] * k[g] + i * k[g] + n]
    }
}

/// Products of a pair in the other order of its factors.
fn transposed(products: &[f64], kf: usize, kg: usize) -> Vec<f64> {
    let mut out = vec![0.0; products.len()];
    for j in 0..kf {
        for m in 0..kg {
            for i in 0..kf {
                for n in 0..kg {
                    out[(m * kf + j) * kf * kg + n * kf + i] = products[(j * kg + m) * kf * kg + i * kg + n];
                }
            }
        }
    }
    out
}

fn tail_own(h: &MarginalBlocks<'_>, f: usize) -> Vec<f64> {
    let (k, q2) = (h.effects(f), h.rows.1);
    let mut out = vec![0.0; k * k];
    for l in 0..h.levels(f) {
        let at = h.start[f] - h.rows.0 + l * k;
        for t in 0..k * k {
            out[t] += h.tail[(at + t % k) * q2 + at + t / k];
        }
    }
    out
}

/// Sums of products of entries of H22.
fn tail_products(h: &MarginalBlocks<'_>, f: usize, g: usize) -> Vec<f64> {
    let (kf, kg, q2) = (h.effects(f), h.effects(g), h.rows.1);
    let (row, column) = (h.start[f] - h.rows.0, h.start[g] - h.rows.0);
    strided_products(&h.tail, &h.tail, q2, (row, kf, h.levels(f)), (column, kg, h.levels(g)))
}

/// At `(j * kg + m) * kf * kg + i * kg + n`, the sum over levels a, b of left[(a, j), (b, m)]
/// right[(a, i), (b, n)], for column-major matrices with `height` rows whose parts begin at a row
/// and a column, with so many effects and levels.
fn strided_products(
    left: &[f64],
    right: &[f64],
    height: usize,
    (row, kf, nf): (usize, usize, usize),
    (column, kg, ng): (usize, usize, usize),
) -> Vec<f64> {
    let size = kf * kg;
    let mut out = vec![0.0; size * size];
    for b in 0..ng {
        for m in 0..kg {
            let x = &left[(column + b * kg + m) * height + row..][..nf * kf];
            for n in 0..kg {
                let y = &right[(column + b * kg + n) * height + row..][..nf * kf];
                for (x, y) in x.chunks_exact(kf).zip(y.chunks_exact(kf)) {
                    for j in 0..kf {
                        for i in 0..kf {
                            out[(j * kg + m) * size + i * kg + n] += x[j] * y[i];
                        }
                    }
                }
            }
        }
    }
    out
}

/// H11 = J Z1'Z1 - E K E': the second part, by traces only.
struct Corner {
    /// W_ij = E_i'E_j, at `i * k + j`.
    w: Vec<Vec<f64>>,
    /// K W_ij.
    kw: Vec<Vec<f64>>,
    /// The entries of E_i K E_j' on the diagonal: for each level k x k.
    diagonal: Vec<f64>,
}

impl Corner {
    fn of(h: &MarginalBlocks<'_>) -> Result<Self, CoreError> {
        let (k, q2) = (h.effects(h.head), h.rows.1);
        let mut out = Corner { w: Vec::new(), kw: Vec::new(), diagonal: vec![0.0; h.own.len()] };
        if q2 == 0 || h.rows.0 == 0 {
            return Ok(out);
        }
        for t in 0..k * k {
            let mut w = vec![0.0; q2 * q2];
            h.add_outer((&h.edges, t / k), (&h.edges, t % k), 1.0, &mut w)?;
            out.kw.push(h.runner.product(&h.k, &w, q2)?);
            out.w.push(w);
        }
        for m in 0..k {
            out.add_diagonals(h, m)?;
        }
        Ok(out)
    }

    /// Diagonals of E_i K E_m' for one m.
    fn add_diagonals(&mut self, h: &MarginalBlocks<'_>, m: usize) -> Result<(), CoreError> {
        let (k, q2, levels) = (h.effects(h.head), h.rows.1, h.levels(h.head));
        let is_dense = h.has_dense_rows();
        let mut wide = vec![0.0; if is_dense { BATCH * q2 } else { 0 }];
        let mut moved = vec![0.0; wide.len()];
        for first in (0..levels).step_by(BATCH) {
            h.runner.check()?;
            let last = (first + BATCH).min(levels);
            if is_dense {
                wide.fill(0.0);
                for l in first..last {
                    let (columns, e) = h.edges_of_level(l);
                    for (&c, &x) in columns.iter().zip(&e[m * columns.len()..]) {
                        wide[(l - first) * q2 + c as usize] = x;
                    }
                }
                faer::linalg::matmul::matmul(
                    MatMut::from_row_major_slice_mut(&mut moved[..(last - first) * q2], last - first, q2),
                    Accum::Replace,
                    MatRef::from_row_major_slice(&wide[..(last - first) * q2], last - first, q2),
                    MatRef::from_column_major_slice(&h.k, q2, q2),
                    1.0,
                    h.runner.par,
                );
            }
            for l in first..last {
                let (columns, e) = h.edges_of_level(l);
                let width = columns.len();
                for (t, &c) in columns.iter().enumerate() {
                    let v = if is_dense {
                        moved[(l - first) * q2 + c as usize]
                    } else {
                        let source = &h.k[c as usize * q2..(c as usize + 1) * q2];
                        columns.iter().zip(&e[m * width..]).map(|(&r, x)| source[r as usize] * x).sum()
                    };
                    for i in 0..k {
                        self.diagonal[l * k * k + i * k + m] += e[i * width + t] * v;
                    }
                }
            }
        }
        Ok(())
    }

    fn own(&self, h: &MarginalBlocks<'_>) -> Vec<f64> {
        let k = h.effects(h.head);
        let mut out = vec![0.0; k * k];
        for (a, b) in h.own.chunks_exact(k * k).zip(self.diagonal.chunks_exact(k * k)) {
            for t in 0..k * k {
                out[t] += a[t] - b[t];
            }
        }
        out
    }

    /// <H11_jm, H11_in> for all effects of the head.
    fn products(&self, h: &MarginalBlocks<'_>) -> Vec<f64> {
        let (k, q2) = (h.effects(h.head), h.rows.1);
        let size = k * k;
        let mut out = vec![0.0; size * size];
        for (a, b) in h.own.chunks_exact(size).zip(self.diagonal.chunks_exact(size)) {
            for s in 0..size {
                for t in 0..size {
                    out[s * size + t] += a[s] * a[t] - a[s] * b[t] - b[s] * a[t];
                }
            }
        }
        if q2 == 0 {
            return out;
        }
        // <E_j K E_m', E_i K E_n'> = tr(K W_mn K W_ij)
        let mut found = vec![0.0; size * size];
        for s in 0..size {
            for t in 0..=s {
                found[s * size + t] = trace_of_product(&self.kw[s], &self.kw[t], q2);
                found[t * size + s] = found[s * size + t];
            }
        }
        for j in 0..k {
            for m in 0..k {
                for i in 0..k {
                    for n in 0..k {
                        out[(j * k + m) * size + i * k + n] += found[(m * k + n) * size + i * k + j];
                    }
                }
            }
        }
        out
    }
}

/// <H12_jm, H12_in> = tr(Q_m' W_ji Q_n), Q the transposed inverse of the tail.
fn head_tail_products(h: &MarginalBlocks<'_>, corner: &Corner, f: usize, g: usize) -> Vec<f64> {
    let (kf, kg, q2) = (h.effects(f), h.effects(g), h.rows.1);
    let column = h.start[g] - h.rows.0;
    let (width, size) = (h.levels(g) * kg, kf * kg);
    // rows of the inverse are columns of Q
    let inverse = MatRef::from_column_major_slice(&h.inverse, q2, q2);
    let q = inverse.transpose().subcols(column, width);
    let mut own = vec![0.0; q2 * width];
    for c in 0..width {
        for r in 0..q2 {
            own[c * q2 + r] = q[(r, c)];
        }
    }
    let mut moved = vec![0.0; q2 * width];
    let mut out = vec![0.0; size * size];
    for j in 0..kf {
        for i in 0..kf {
            faer::linalg::matmul::matmul(
                MatMut::from_column_major_slice_mut(&mut moved, q2, width),
                Accum::Replace,
                MatRef::from_column_major_slice(&corner.w[j * kf + i], q2, q2),
                q,
                1.0,
                h.runner.par,
            );
            let found = strided_products(&own, &moved, q2, (0, 1, q2), (0, kg, h.levels(g)));
            for m in 0..kg {
                for n in 0..kg {
                    out[(j * kg + m) * size + i * kg + n] = found[m * kg + n];
                }
            }
        }
    }
    out
}
