//! Elimination of one position, or a run of them, from what is below it: the inner loops of the
//! factorisation.

use super::storage::Storage;
use super::symbolic::{Symbolic, SCATTERED};
use crate::dense::kernels::{self, size};
use crate::dense::stoppable;
use crate::watch::is_stopped;
use faer::linalg::matmul::triangular::{matmul as triangular_matmul, BlockStructure};
use faer::reborrow::ReborrowMut;
use faer::{Accum, MatMut, MatRef, Par};

/// Factors a diagonal block, applies it to its panel and right-hand side; returns the determinant
/// of the factor.
#[inline(always)]
pub(super) fn factor_node<const K: usize, const C: usize>(
    block: &mut [f64],
    panel: &mut [f64],
    rhs: &mut [f64],
    k: usize,
    h: usize,
    cols: usize,
) -> f64 {
    let (k, cols) = (size::<K>(k), size::<C>(cols));
    let block = &mut block[..k * k];
    if !kernels::cholesky::<K>(block, k) {
        return f64::NAN;
    }
    kernels::forward::<K>(block, k, &mut rhs[..k * cols], cols);
    if h > 0 {
        kernels::panel_forward::<K>(block, k, panel, h);
    }
    (0..k).map(|i| block[i * k + i]).product()
}

/// Subtracts the products of the panels of a run, as one matrix, from the dense block and the
/// right-hand sides there.
pub(super) fn eliminate_run(
    r: &mut Storage,
    s: &Symbolic,
    (start, end): (usize, usize),
    rhs: &mut [f64],
    cols: usize,
    par: Par,
) {
    let h = s.height[start] as usize;
    let width = s.row[end] - s.row[start];
    let p = MatRef::from_column_major_slice(&r.panel[s.panel[start]..s.panel[start] + h * width], h, width);
    let at = s.dense_first[start] as usize;
    let tail = MatMut::from_column_major_slice_mut(&mut r.tail, s.dense, s.dense);
    let mut block = tail.submatrix_mut(at, at, h, h);
    for part in stoppable::parts(width, h * h) {
        if is_stopped() {
            return;
        }
        let p = p.subcols(part.start, part.len());
        triangular_matmul(
            block.rb_mut(),
            BlockStructure::TriangularLower,
            Accum::Add,
            p,
            BlockStructure::Rectangular,
            p.transpose(),
            BlockStructure::Rectangular,
            -1.0,
            par,
        );
    }
    let split = s.row[s.n_sparse] * cols;
    let (head, rest) = rhs.split_at_mut(split);
    let c = MatRef::from_row_major_slice(&head[s.row[start] * cols..s.row[end] * cols], width, cols);
    let target = MatMut::from_row_major_slice_mut(&mut rest[at * cols..(at + h) * cols], h, cols);
    faer::linalg::matmul::matmul(target, Accum::Add, p, c, -1.0, Par::Seq);
}

/// Subtracts the products of one panel from the blocks and right-hand sides below it.
#[inline(always)]
pub(super) fn eliminate_node<const K: usize>(
    r: &mut Storage,
    s: &Symbolic,
    j: usize,
    k: usize,
    rhs: &mut [f64],
    cols: usize,
) {
    let k = size::<K>(k);
    let h = s.height[j] as usize;
    let end = s.panel[j] + h * k;
    let (before, after) = r.panel.split_at_mut(end);
    let p = &before[s.panel[j]..];
    let below = s.below(j);
    let first_row = s.below_rows(j);

    let (head, rest) = rhs.split_at_mut(s.row[j + 1] * cols);
    let mine = &head[s.row[j] * cols..];
    let base = s.row[j + 1];
    for (&a, &r0) in below.iter().zip(first_row) {
        let a = a as usize;
        for i in 0..s.k[a] as usize {
            let at = (s.row[a] - base + i) * cols;
            let target = &mut rest[at..at + cols];
            for m in 0..k {
                let f = p[m * h + r0 as usize + i];
                for (t, &v) in target.iter_mut().zip(&mine[m * cols..(m + 1) * cols]) {
                    *t -= f * v;
                }
            }
        }
    }

    let mut update = s.update_start[j];
    for (ib, (&b, &rb)) in below.iter().zip(first_row).enumerate() {
        let (b, rb) = (b as usize, rb as usize);
        let kb = s.k[b] as usize;
        if b < s.n_sparse {
            let block = &mut r.diag[s.diag[b]..s.diag[b] + kb * kb];
            for x in 0..kb {
                for y in 0..=x {
                    let mut v = 0.0;
                    for m in 0..k {
                        v += p[m * h + rb + x] * p[m * h + rb + y];
                    }
                    block[x * kb + y] -= v;
                }
            }
            let hb = s.height[b] as usize;
            let target = &mut after[s.panel[b] - end..s.panel[b] - end + hb * kb];
            for (&a, &ra) in below[ib + 1..].iter().zip(&first_row[ib + 1..]) {
                let (ka, ra) = (s.k[a as usize] as usize, ra as usize);
                let at = s.update_row[update] as usize;
                update += 1;
                for y in 0..kb {
                    for x in 0..ka {
                        let mut v = 0.0;
                        for m in 0..k {
                            v += p[m * h + ra + x] * p[m * h + rb + y];
                        }
                        target[y * hb + at + x] -= v;
                    }
                }
            }
        } else if s.dense_first[j] != SCATTERED {
            let first = s.dense_first[j] as usize;
            for c in rb..h {
                let col = first + c - rb;
                let target = &mut r.tail[col * s.dense + col..col * s.dense + col + h - c];
                for m in 0..k {
                    let f = p[m * h + c];
                    for (t, &v) in target.iter_mut().zip(&p[m * h + c..(m + 1) * h]) {
                        *t -= f * v;
                    }
                }
            }
            break;
        } else {
            let (rows, r0) = s.dense_part(j);
            for (c, &col) in rows.iter().enumerate() {
                let target = &mut r.tail[col as usize * s.dense..(col as usize + 1) * s.dense];
                if k == 1 {
                    let f = p[r0 + c];
                    for (&r, &v) in rows[c..].iter().zip(&p[r0 + c..h]) {
                        target[r as usize] -= f * v;
                    }
                } else {
                    for (i, &r) in rows.iter().enumerate().skip(c) {
                        let mut v = 0.0;
                        for m in 0..k {
                            v += p[m * h + r0 + c] * p[m * h + r0 + i];
                        }
                        target[r as usize] -= v;
                    }
                }
            }
            break;
        }
    }
}
