//! Selected inversion: T = M^-1 on the pattern of its factor, and what is asked of it.

use super::factor::Factor;
use super::parts::{Effect, InverseParts};
use super::storage::{Place, Storage};
use super::symbolic::{Symbolic, SCATTERED};
use crate::crossprod::{Cells, Gram};
use crate::dense::kernels::{self, size};
use crate::dense::stoppable;
use crate::watch::{is_stopped, Pace};
use crate::with_size;
use faer::dyn_stack::MemStack;
use faer::linalg::cholesky::llt;
use faer::reborrow::ReborrowMut;
use faer::{Accum, MatMut, MatRef, Par};

impl Factor {
    /// T = M^-1 on the pattern of R; with sampling weights the derivative of [`Factor::log_det`] by
    /// M, which the same recursion gives when what each level adds is weighted.
    pub fn invert(&mut self) {
        if std::mem::replace(&mut self.is_inverted, true) {
            return;
        }
        self.invert_with(self.sym.weights.is_some());
    }

    /// T = M^-1 on the pattern of R, whatever the sampling weights.
    pub fn invert_unweighted(&mut self) {
        self.is_inverted = self.sym.weights.is_none();
        self.invert_with(false);
    }

    fn invert_with(&mut self, weighted: bool) {
        let s = &*self.sym;
        if self.t.diag.len() != s.diag_len || self.t.tail.len() != s.dense * s.dense {
            self.t = Storage::zeros(s);
        }
        if s.dense > 0 {
            let l = MatRef::from_column_major_slice(&self.r.tail, s.dense, s.dense);
            let out = MatMut::from_column_major_slice_mut(&mut self.t.tail, s.dense, s.dense);
            if weighted {
                let weights: Vec<f64> =
                    (s.n_sparse..s.k.len()).flat_map(|pos| vec![s.weight(pos); s.k[pos] as usize]).collect();
                weighted_inverse(&self.r.tail, &weights, &mut self.t.tail);
            } else if s.dense >= stoppable::LARGE {
                stoppable::inverse(out, l, self.par);
            } else {
                llt::inverse::inverse(out, l, self.par, MemStack::new(&mut self.memory));
            }
            mirror(&mut self.t.tail, s.dense);
        }
        kernels::vectorised(
            #[inline(always)]
            || self.invert_sparse(weighted),
        );
        // what is there is then of no use
        self.is_inverted &= !is_stopped();
    }

    #[inline(always)]
    fn invert_sparse(&mut self, weighted: bool) {
        let s = &*self.sym;
        let (r, t) = (&self.r, &mut self.t);
        let tallest = (0..s.n_sparse).map(|j| s.height[j] as usize * s.k[j] as usize).max().unwrap_or(0);
        let mut kk = vec![0.0; tallest];
        let mut pace = Pace::default();
        for &(start, end) in s.runs.iter().rev() {
            let (start, end) = (start as usize, end as usize);
            if pace.is_stopped(2.0 * s.operations(start, end)) {
                return;
            }
            if end - start > 1 {
                invert_run(r, t, s, (start, end), weighted, self.par);
                continue;
            }
            let (k, h) = (s.k[start] as usize, s.height[start] as usize);
            let own = &r.diag[s.diag[start]..s.diag[start] + k * k];
            let out = &mut t.diag[s.diag[start]..s.diag[start] + k * k];
            with_size!(k, inverse_node(own, k, out));
            if weighted {
                out.iter_mut().for_each(|v| *v *= s.weight(start));
            }
            if h > 0 {
                let kk = &mut kk[..h * k];
                with_size!(k, invert_node(r, t, s, start, k, kk));
            }
        }
    }

    /// Adds sum over levels of (Z'WZ L T)_ll to `gamma`, for each factor: half the derivative of
    /// log|M| with respect to its Lambda.
    pub fn traces(&self, gram: &Gram, lambda: &[Vec<f64>], gamma: &mut [Vec<f64>]) {
        kernels::vectorised(
            #[inline(always)]
            || self.traces_impl(gram, lambda, gamma),
        );
    }

    #[inline(always)]
    fn traces_impl(&self, gram: &Gram, lambda: &[Vec<f64>], gamma: &mut [Vec<f64>]) {
        let s = &*self.sym;
        let kmax = s.k.iter().copied().max().unwrap_or(1) as usize;
        let mut t = vec![0.0; kmax * kmax];
        let mut lt = vec![0.0; kmax * kmax];
        let mut out = vec![0.0; kmax * kmax];
        for pos in 0..s.k.len() {
            let (f, l) = (s.factor[pos] as usize, s.level[pos] as usize);
            let k = s.k[pos] as usize;
            let ztz = &gram.levels[f][l * k * k..(l + 1) * k * k];
            let (lam, g) = (&lambda[f], &mut gamma[f]);
            let (lt, out) = (&mut lt[..k * k], &mut out[..k * k]);
            if pos < s.n_sparse {
                let tt = &self.t.diag[s.diag[pos]..s.diag[pos] + k * k];
                with_size!(k, add_trace(ztz, lam, tt, k, lt, out, g));
            } else {
                self.t.copy_diagonal(s, pos, &mut t[..k * k]);
                add_trace::<0>(ztz, lam, &t[..k * k], k, lt, out, g);
            }
        }
        for (c, rows) in gram.cells.iter().zip(&s.cell_row) {
            let (kf, kg) = (c.kf, c.kg);
            let m = kf * kg;
            // sums over cells of C T_gf and C'T_fg, with Lambda applied inside
            for l in 0..c.start.len() - 1 {
                let pf = s.position[c.f][l] as usize;
                for i in c.start[l]..c.start[l + 1] {
                    let pg = s.position[c.g][c.level[i] as usize] as usize;
                    let place = Place::of(s, rows, i, pf, pg);
                    let source = self.t.starting_at(place);
                    let b = c.block(i);
                    if m == 1 {
                        let v = b[0] * source[0];
                        gamma[c.f][0] += v * lambda[c.g][0];
                        gamma[c.g][0] += v * lambda[c.f][0];
                        continue;
                    }
                    // t = T_gf, kg x kf
                    for x in 0..kf {
                        for y in 0..kg {
                            t[y * kf + x] = source[place.at(x, y)];
                        }
                    }
                    kernels::multiply(&lambda[c.g], &t, kg, kg, kf, &mut lt);
                    kernels::multiply(b, &lt, kf, kg, kf, &mut out);
                    gamma[c.f].iter_mut().zip(&out[..kf * kf]).for_each(|(a, v)| *a += v);
                    // Lambda_f T_fg = Lambda_f t'
                    for x in 0..kf {
                        for y in 0..kg {
                            let mut v = 0.0;
                            for z in 0..kf {
                                v += lambda[c.f][x * kf + z] * t[y * kf + z];
                            }
                            lt[x * kg + y] = v;
                        }
                    }
                    kernels::transposed_multiply(b, &lt, kf, kg, kg, &mut out);
                    gamma[c.g].iter_mut().zip(&out[..kg * kg]).for_each(|(a, v)| *a += v);
                }
            }
        }
    }

    /// T_ll of every level of a factor, in the order of the levels (k x k each, row-major).
    pub fn inverse_blocks(&self, factor: usize) -> Vec<f64> {
        let s = &*self.sym;
        let position = &s.position[factor];
        let k = position.first().map_or(0, |&pos| s.k[pos as usize] as usize);
        let mut out = vec![0.0; position.len() * k * k];
        for (block, &pos) in out.chunks_exact_mut((k * k).max(1)).zip(position) {
            self.t.copy_diagonal(s, pos as usize, block);
        }
        out
    }

    /// The block of M^-1 that belongs to all levels of a factor with one effect (levels x levels).
    pub fn inverse_of_levels(&self, factor: usize) -> Vec<f64> {
        let s = &*self.sym;
        let position = &s.position[factor];
        let n = position.len();
        let mut out = vec![0.0; n * n];
        if position.iter().all(|&pos| pos as usize >= s.n_sparse) {
            let rows: Vec<usize> = position.iter().map(|&pos| s.dense_row(pos as usize)).collect();
            for (row, &r) in out.chunks_exact_mut(n.max(1)).zip(&rows) {
                let column = &self.t.tail[r * s.dense..(r + 1) * s.dense];
                row.iter_mut().zip(&rows).for_each(|(t, &c)| *t = column[c]);
            }
        } else {
            let effects: Vec<Effect> = (0..n).map(|l| (factor, l, 0)).collect();
            InverseParts::of(self).part(&effects, &mut out);
        }
        out
    }

    /// T of each pair of levels of two factors that occur together (`kf` x `kg` each, row-major),
    /// for the cells of pair number `pair`.
    pub fn inverse_cells(&self, cells: &Cells, pair: usize) -> Vec<f64> {
        let (kf, kg) = (cells.kf, cells.kg);
        let mut out = vec![0.0; cells.level.len() * kf * kg];
        let mut blocks = out.chunks_exact_mut(kf * kg);
        for place in places(&self.sym, cells, pair) {
            let source = self.t.starting_at(place);
            let block = blocks.next().unwrap_or_default();
            for x in 0..kf {
                for y in 0..kg {
                    block[x * kg + y] = source[place.at(x, y)];
                }
            }
        }
        out
    }

    /// Puts other blocks in the place of T_ll of every level of a factor.
    pub(crate) fn set_inverse_blocks(&mut self, factor: usize, blocks: &[f64]) {
        self.is_inverted = false;
        let s = &*self.sym;
        for (l, &pos) in s.position[factor].iter().enumerate() {
            let k = s.k[pos as usize] as usize;
            self.t.set_whole_diagonal(s, pos as usize, &blocks[l * k * k..(l + 1) * k * k]);
        }
    }

    /// Puts other numbers in the place of T of the pairs of levels of two factors with one effect
    /// each.
    pub(crate) fn set_inverse_cells(&mut self, cells: &Cells, pair: usize, values: &[f64]) {
        self.is_inverted = false;
        for (place, &v) in places(&self.sym, cells, pair).zip(values) {
            self.t.set_number(&self.sym, place, v);
        }
    }
}

/// Where the cells of a pair of factors stand, one after another.
#[inline(always)]
fn places<'a>(s: &'a Symbolic, cells: &'a Cells, pair: usize) -> impl Iterator<Item = Place> + 'a {
    let rows = &s.cell_row[pair];
    (0..cells.start.len() - 1).flat_map(move |l| {
        let pf = s.position[cells.f][l] as usize;
        (cells.start[l]..cells.start[l + 1]).map(move |i| {
            let pg = s.position[cells.g][cells.level[i] as usize] as usize;
            Place::of(s, rows, i, pf, pg)
        })
    })
}

/// Derivative of sum_i 2 w_i log R_ii by M = R R', column-major lower R; w the same within a level.
fn weighted_inverse(r: &[f64], w: &[f64], out: &mut [f64]) {
    let n = w.len();
    out.fill(0.0);
    for j in (0..n).rev() {
        let l: Vec<f64> = (j + 1..n).map(|i| r[j * n + i] / r[j * n + j]).collect();
        let mut own = w[j] / (r[j * n + j] * r[j * n + j]);
        for (a, i) in (j + 1..n).enumerate() {
            let v: f64 = l.iter().zip(j + 1..n).map(|(l, c)| l * out[i.min(c) * n + i.max(c)]).sum();
            out[j * n + i] = -v;
            own += l[a] * v;
        }
        out[j * n + j] = own;
    }
}

/// Copies the lower half of a column-major matrix to its upper half, tile by tile.
fn mirror(a: &mut [f64], n: usize) {
    const TILE: usize = 32;
    for jb in (0..n).step_by(TILE) {
        if is_stopped() {
            return;
        }
        for ib in (jb..n).step_by(TILE) {
            for j in jb..(jb + TILE).min(n) {
                for i in ib.max(j + 1)..(ib + TILE).min(n) {
                    a[i * n + j] = a[j * n + i];
                }
            }
        }
    }
}

#[inline(always)]
fn inverse_node<const K: usize>(r: &[f64], k: usize, out: &mut [f64]) {
    kernels::inverse_of_product::<K>(r, k, out);
}

#[inline(always)]
fn add_trace<const K: usize>(
    ztz: &[f64],
    lam: &[f64],
    t: &[f64],
    k: usize,
    lt: &mut [f64],
    out: &mut [f64],
    gamma: &mut [f64],
) {
    let k = size::<K>(k);
    kernels::multiply(lam, t, k, k, k, lt);
    kernels::multiply(ztz, lt, k, k, k, out);
    for i in 0..k * k {
        gamma[i] += out[i];
    }
}

/// t -= kk' tp for column-major `h` x k panels (tp is T_Sj = -T_SS K, so this adds K'T_SS K).
#[inline(always)]
fn add_inner_products<const K: usize>(kk: &[f64], tp: &[f64], k: usize, h: usize, t: &mut [f64]) {
    let k = size::<K>(k);
    for i in 0..k {
        for j in 0..k {
            let v: f64 = kk[i * h..(i + 1) * h].iter().zip(&tp[j * h..(j + 1) * h]).map(|(a, b)| a * b).sum();
            t[i * k + j] -= v;
        }
    }
}

/// T below and on the diagonal of all positions of a run at once.
fn invert_run(r: &Storage, t: &mut Storage, s: &Symbolic, (start, end): (usize, usize), weighted: bool, par: Par) {
    let h = s.height[start] as usize;
    let cols = s.row[end] - s.row[start];
    let at = s.panel[start]..s.panel[start] + h * cols;
    let mut kk = r.panel[at.clone()].to_vec();
    for j in start..end {
        let k = s.k[j] as usize;
        let from = (s.row[j] - s.row[start]) * h;
        kernels::panel_backward::<0>(&r.diag[s.diag[j]..s.diag[j] + k * k], k, &mut kk[from..from + h * k], h);
    }
    let first = s.dense_first[start] as usize;
    let tail = MatRef::from_column_major_slice(&t.tail, s.dense, s.dense);
    let mut target = MatMut::from_column_major_slice_mut(&mut t.panel[at.clone()], h, cols);
    let kk_all = MatRef::from_column_major_slice(&kk, h, cols);
    for part in stoppable::parts(cols, 2 * h * h) {
        if is_stopped() {
            return;
        }
        faer::linalg::matmul::matmul(
            target.rb_mut().subcols_mut(part.start, part.len()),
            Accum::Replace,
            tail.submatrix(first, first, h, h),
            kk_all.subcols(part.start, part.len()),
            -1.0,
            par,
        );
    }
    for j in start..end {
        let k = s.k[j] as usize;
        let from = (s.row[j] - s.row[start]) * h;
        let own = &mut t.diag[s.diag[j]..s.diag[j] + k * k];
        kernels::inverse_of_product::<0>(&r.diag[s.diag[j]..s.diag[j] + k * k], k, own);
        if weighted {
            own.iter_mut().for_each(|v| *v *= s.weight(j));
        }
        let tp = &t.panel[s.panel[j]..s.panel[j] + h * k];
        add_inner_products::<0>(&kk[from..from + h * k], tp, k, h, own);
    }
}

/// T below and on the diagonal of one sparse position, from T of the blocks below it.
#[inline(always)]
fn invert_node<const K: usize>(r: &Storage, t: &mut Storage, s: &Symbolic, j: usize, k: usize, kk: &mut [f64]) {
    let k = size::<K>(k);
    let h = s.height[j] as usize;
    let from = s.panel[j];
    kk.copy_from_slice(&r.panel[from..from + h * k]);
    kernels::panel_backward::<K>(&r.diag[s.diag[j]..s.diag[j] + k * k], k, kk, h);
    let end = from + h * k;
    let (before, after) = t.panel.split_at_mut(end);
    let y = &mut before[from..];
    y.fill(0.0);
    let below = s.below(j);
    let first_row = s.below_rows(j);
    let mut update = s.update_start[j];
    for (ib, (&b, &rb)) in below.iter().zip(first_row).enumerate() {
        let (b, rb) = (b as usize, rb as usize);
        let kb = s.k[b] as usize;
        if b < s.n_sparse {
            let tb = &t.diag[s.diag[b]..s.diag[b] + kb * kb];
            for m in 0..k {
                for x in 0..kb {
                    let mut v = 0.0;
                    for z in 0..kb {
                        v += tb[x * kb + z] * kk[m * h + rb + z];
                    }
                    y[m * h + rb + x] -= v;
                }
            }
            let hb = s.height[b] as usize;
            let tp = &after[s.panel[b] - end..s.panel[b] - end + hb * kb];
            for (&a, &ra) in below[ib + 1..].iter().zip(&first_row[ib + 1..]) {
                let (ka, ra) = (s.k[a as usize] as usize, ra as usize);
                let at = s.update_row[update] as usize;
                update += 1;
                for c in 0..kb {
                    for x in 0..ka {
                        let v = tp[c * hb + at + x];
                        for m in 0..k {
                            y[m * h + ra + x] -= v * kk[m * h + rb + c];
                            y[m * h + rb + c] -= v * kk[m * h + ra + x];
                        }
                    }
                }
            }
        } else if s.dense_first[j] != SCATTERED {
            let first = s.dense_first[j] as usize;
            for c in rb..h {
                let col = first + c - rb;
                let source = &t.tail[col * s.dense + first..col * s.dense + first + h - rb];
                for m in 0..k {
                    let f = kk[m * h + c];
                    for (t, &v) in y[m * h + rb..(m + 1) * h].iter_mut().zip(source) {
                        *t -= f * v;
                    }
                }
            }
            break;
        } else {
            // both halves of the dense part are filled: one pass over all its columns
            let (rows, r0) = s.dense_part(j);
            for (c, &col) in rows.iter().enumerate() {
                let source = &t.tail[col as usize * s.dense..(col as usize + 1) * s.dense];
                for (i, &r) in rows.iter().enumerate() {
                    let v = source[r as usize];
                    for m in 0..k {
                        y[m * h + r0 + i] -= v * kk[m * h + r0 + c];
                    }
                }
            }
            break;
        }
    }
    let (y, t) = (&before[from..], &mut t.diag[s.diag[j]..s.diag[j] + k * k]);
    add_inner_products::<K>(kk, y, k, h, t);
}
