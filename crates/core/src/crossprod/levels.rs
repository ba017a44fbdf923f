//! Cross-products where many columns of X are the levels of one factor: a row has one of them, so
//! that it adds a few numbers to the sums and not the square of the number of columns.
//!
//! Sums are formed of the columns as they are and then changed to the basis, in which they have a
//! centre: what is subtracted is small beside what is there.

use super::{add, add_levels, cells, unweighted_z, Crossprod, BLOCK};
use crate::basis::Basis;
use crate::crossprod::Gram;
use crate::residual::Residual;
use crate::rows::{Column, FactorRows, Rows};
use std::ops::Range;

/// Columns of levels from which on this is faster.
const MANY: usize = 32;

/// Whether many columns in use are levels, and the basis lets them be summed one by one.
pub(super) fn worth_it(rows: &Rows<'_>, basis: &Basis) -> bool {
    let is_level = |j: &&usize| matches!(rows.x[**j], Column::Level(..));
    basis.x_diagonal
        && rows.factors.iter().all(|f| f.members.is_none())
        && basis.kept.iter().filter(is_level).count() >= MANY
}

/// The columns of X in use by kind.
struct Kinds<'a> {
    /// Places and centres and scales of columns of numbers.
    numbers: Vec<(usize, &'a [f64], f64, f64)>,
    /// Place, centre and scale of each level's column.
    levels: Vec<Option<(usize, f64, f64)>>,
    codes: &'a [i32],
}

impl<'a> Kinds<'a> {
    fn of(rows: &Rows<'a>, basis: &Basis) -> Self {
        let p = basis.p();
        let mut out = Kinds { numbers: Vec::new(), levels: Vec::new(), codes: &[] };
        for (c, &j) in basis.kept.iter().enumerate() {
            let (shift, scale) = (basis.x_shift[c], basis.x_transform[c * p + c]);
            match rows.x[j] {
                Column::Numbers(v) => out.numbers.push((c, v, shift, scale)),
                Column::Level(codes, level) => {
                    if out.levels.is_empty() {
                        let n = codes.iter().max().map_or(0, |&m| m as usize + 1);
                        (out.codes, out.levels) = (codes, vec![None; n]);
                    }
                    out.levels[level as usize] = Some((c, shift, scale));
                }
            }
        }
        out
    }
}

/// See [`Crossprod::of_chunk`].
pub(super) fn of_chunk<R: Residual>(
    rows: &Rows<'_>,
    basis: &Basis,
    (residual, rho): (&R, &[f64]),
    range: Range<usize>,
) -> Crossprod {
    let pw = basis.p() + 1;
    let kinds = Kinds::of(rows, basis);
    // columns of numbers, y and ones: what a row has beside its level
    let d = kinds.numbers.len() + 2;
    let (y_at, one) = (d - 2, d - 1);
    let n_levels = kinds.levels.len();
    let ks: Vec<usize> = rows.factors.iter().map(FactorRows::k).collect();
    let mut gram = Gram::zeros(rows.factors.iter().map(|f| (f.k(), f.n_levels)), Vec::new());
    let mut few: Vec<Vec<f64>> = rows.factors.iter().map(|f| vec![0.0; f.n_levels * f.k() * d]).collect();
    let mut ztw: Vec<Vec<f64>> = rows.factors.iter().map(|f| vec![0.0; f.n_levels * f.k() * pw]).collect();
    let (mut sums, mut low, mut of_block) = (vec![0.0; d * d], vec![0.0; d * d], vec![0.0; d * d]);
    let mut by_level = vec![0.0; n_levels * d];
    let mut w = vec![0.0; BLOCK * d];
    let mut z: Vec<Vec<f64>> = ks.iter().map(|&k| vec![0.0; BLOCK * k]).collect();
    let mut log_det_r = 0.0;
    let inverse = 1.0 / basis.y_scale;
    for start in range.clone().step_by(BLOCK) {
        let stop = (start + BLOCK).min(range.end);
        let m = stop - start;
        for (c, &(_, v, shift, scale)) in kinds.numbers.iter().enumerate() {
            v[start..stop].iter().enumerate().for_each(|(r, v)| w[r * d + c] = (v - shift) * scale);
        }
        for (r, &v) in rows.y[start..stop].iter().enumerate() {
            w[r * d + y_at] = (v - basis.y_shift) * inverse;
            w[r * d + one] = 1.0;
        }
        residual.whiten(rho, start..stop, d, &mut w);
        log_det_r += residual.log_det(rho, start..stop);
        of_block.fill(0.0);
        for (row, &l) in w.chunks_exact(d).take(m).zip(&kinds.codes[start..stop]) {
            for i in 0..d {
                let a = row[i];
                of_block[i * d..i * d + i + 1].iter_mut().zip(row).for_each(|(t, b)| *t += a * b);
            }
            let root = row[one];
            by_level[l as usize * d..(l as usize + 1) * d].iter_mut().zip(row).for_each(|(t, b)| *t += root * b);
        }
        of_block.iter().enumerate().for_each(|(i, &v)| add(&mut sums[i], &mut low[i], v));
        for (fi, f) in rows.factors.iter().enumerate() {
            let (k, z) = (ks[fi], &mut z[fi]);
            unweighted_z(rows, basis, fi, start..stop, z);
            residual.whiten(rho, start..stop, k, z);
            add_levels::<0>(&f.codes[start..stop], z, &w, k, d, (&mut gram.levels[fi], &mut few[fi]));
            for r in 0..m {
                if let Some((c, _, scale)) = kinds.levels[kinds.codes[start + r] as usize] {
                    let at = f.codes[start + r] as usize * k;
                    for i in 0..k {
                        ztw[fi][(at + i) * pw + c] += z[r * k + i] * w[r * d + one] * scale;
                    }
                }
            }
        }
    }
    for i in 0..d * d {
        sums[i] += low[i];
    }
    let place = |c: usize| if c == y_at { pw - 1 } else { kinds.numbers[c].0 };
    for (few, ztw) in few.iter().zip(&mut ztw) {
        for (few, row) in few.chunks_exact(d).zip(ztw.chunks_exact_mut(pw)) {
            (0..=y_at).for_each(|c| row[place(c)] = few[c]);
            for &(c, shift, scale) in kinds.levels.iter().flatten() {
                row[c] -= few[one] * shift * scale;
            }
        }
    }
    // both halves are filled, of which the lower counts
    let mut wtw = vec![0.0; pw * pw];
    let mut put = |a: usize, b: usize, v: f64| {
        wtw[a * pw + b] = v;
        wtw[b * pw + a] = v;
    };
    for i in 0..=y_at {
        (0..=i).for_each(|j| put(place(i), place(j), sums[i * d + j]));
    }
    let total = sums[one * d + one];
    for (l, level) in kinds.levels.iter().enumerate() {
        let Some((c, shift, scale)) = *level else { continue };
        let own = &by_level[l * d..(l + 1) * d];
        for i in 0..=y_at {
            put(c, place(i), (own[i] - shift * sums[one * d + i]) * scale);
        }
        for (other, place) in kinds.levels[..=l].iter().enumerate() {
            let Some((b, its_shift, its_scale)) = *place else { continue };
            let met = if other == l { own[one] } else { 0.0 };
            let beside = shift * by_level[other * d + one] + its_shift * own[one];
            put(c, b, (met - beside + shift * its_shift * total) * scale * its_scale);
        }
    }
    gram.cells = cells::accumulate(rows, basis, (residual, rho), range.clone());
    let wtw_low = vec![0.0; pw * pw];
    Crossprod { n: range.len(), log_det_r, pw, wtw, wtw_low, gram, ztw }
}
