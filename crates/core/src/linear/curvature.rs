//! Second-order quantities: quadratic forms w'Z'PZ w for the average-information matrix, and Psi on
//! the null space of a lambda.

use super::criterion::Evaluator;
use super::score::Score;
use super::system::System;
use crate::blocks::PathSolver;
use crate::crossprod::Gram;
use crate::dense::kernels::{self, size};
use crate::layout::Block;
use crate::with_sizes;

/// Directions handled together.
const BATCH: usize = 64;
/// How much faster an entry of the factor is used for many full vectors at once than along one
/// path.
const GAIN_OF_WIDTH: f64 = 6.0;

impl Evaluator {
    /// w_k'Z'PZ w_l for all pairs of columns of w (q x cols, row-major, elimination order).
    ///
    /// These are the y'P V_k P V_l P y of the average-information matrix; the middle factor is P
    /// under either criterion because the fixed effects are profiled out.
    pub fn quadratic_forms(&self, sys: &System, w: &[f64], cols: usize) -> Vec<f64> {
        let (q, pw) = (sys.sym.q, sys.cp.pw);
        let p = pw - 1;
        if cols == 0 {
            return Vec::new();
        }
        let mut zzw = vec![0.0; q * cols];
        sys.ztz_times(w, cols, &mut zzw);
        let mut out = vec![0.0; cols * cols];
        add_products(w, &zzw, q, cols, 1.0, &mut out);
        let mut a = vec![0.0; q * cols];
        sys.lambda_transposed_times(&self.lambda, &zzw, cols, &mut a);
        self.factor.forward(&mut a, cols);
        add_products(&a, &a, q, cols, -1.0, &mut out);
        if p > 0 {
            // X'Z w - R_ZX'a
            let mut c = vec![0.0; p * cols];
            kernels::vectorised(
                #[inline(always)]
                || {
                    for pos in 0..sys.sym.k.len() {
                        let (f, l) = (sys.sym.factor[pos] as usize, sys.sym.level[pos] as usize);
                        let fs = &sys.factors[f];
                        for i in 0..fs.k {
                            let row = sys.sym.row[pos] + i;
                            let ztw = &self.ztw(sys, f)[(l * fs.k + i) * pw..(l * fs.k + i + 1) * pw];
                            let rzw = &self.rzw[row * pw..(row + 1) * pw];
                            let (wr, ar) = (&w[row * cols..(row + 1) * cols], &a[row * cols..(row + 1) * cols]);
                            with_sizes!(p, cols, add_differences(ztw, rzw, wr, ar, p, cols, &mut c));
                        }
                    }
                },
            );
            let rx = self.root_of_fixed();
            kernels::forward::<0>(&rx, p, &mut c, cols);
            add_products(&c, &c, p, cols, -1.0, &mut out);
        }
        out
    }

    /// The matrix of sums over levels v_a'(Z'PZ)_ll v_b (V^-1 in place of P under ML) - (nu/r2)
    /// v_a'g_l g_l'v_b for the columns v of a block's `directions` (k x m, row-major): Psi seen
    /// from those directions, exact.
    pub fn psi_along(&self, sys: &System, reml: bool, score: &Score, block: Block, directions: &[f64]) -> Vec<f64> {
        // under ML the fixed effects have no part in it
        let (s, gram, factor) = match (&self.alone, &sys.alone) {
            (Some(factor), Some(own)) if !reml => (&own.sym, &own.gram, factor),
            _ => (&sys.sym, &sys.cp.gram, &self.factor),
        };
        let k = block.k;
        let m = directions.len() / k;
        let pw = sys.cp.pw;
        let p = pw - 1;
        let fs = &sys.factors[block.factor];
        let kf = fs.k;
        let ztw = self.ztw(sys, block.factor);
        let nu_r2 = sys.nu(reml) / self.r2;
        let mut out = vec![0.0; m * m];
        let rx = self.root_of_fixed();
        // cells seen from the levels of this factor
        let partners = Partners::of(gram, block.factor, fs.n_levels);
        let mut paths = PathSolver::new(factor, m);
        let group = (BATCH / m).max(1);
        let mut wide: Vec<f64> = Vec::new();
        let mut block_c = vec![0.0; p * m * group];
        let mut level = 0;
        while level < fs.n_levels {
            let stop = (level + group).min(fs.n_levels);
            let width = (stop - level) * m;
            paths.begin(stop - level);
            block_c[..p * width].fill(0.0);
            // right-hand sides that touch most of the factor are solved together as full vectors
            let cells: usize = (level..stop).map(|l| partners.count(gram, l)).sum();
            let along_paths = cells as f64 * m as f64 / s.n_sparse.max(1) as f64;
            let is_wide = GAIN_OF_WIDTH * along_paths > width as f64;
            if is_wide {
                wide.resize(s.q * width, 0.0);
                wide.fill(0.0);
            }
            for l in level..stop {
                let column = (l - level) * m;
                let first = sys.first_row(block.factor, l) + block.offset;
                let ztz = &gram.levels[block.factor][l * kf * kf..(l + 1) * kf * kf];
                // own part: Z'Z w, its product with w, X'Z w and g'w
                let mut zzw = vec![0.0; kf * m];
                for i in 0..kf {
                    for c in 0..m {
                        zzw[i * m + c] = (0..k).map(|x| ztz[i * kf + block.offset + x] * directions[x * m + c]).sum();
                    }
                }
                let gl: Vec<f64> =
                    (0..m).map(|c| (0..k).map(|x| score.g(first + x, pw) * directions[x * m + c]).sum()).collect();
                for x in 0..m {
                    for y in 0..m {
                        let v: f64 = (0..k).map(|i| directions[i * m + x] * zzw[(block.offset + i) * m + y]).sum();
                        out[x * m + y] += v - nu_r2 * gl[x] * gl[y];
                    }
                }
                if reml {
                    for j in 0..p {
                        for c in 0..m {
                            block_c[j * width + column + c] += (0..k)
                                .map(|x| ztw[(l * kf + block.offset + x) * pw + j] * directions[x * m + c])
                                .sum::<f64>();
                        }
                    }
                }
                // L'Z'Z w, nonzero for the level itself and the levels it meets
                let mut place = |f: usize, l_of_f: usize, v: &[f64]| {
                    let kk = sys.factors[f].k;
                    let mut r = vec![0.0; kk * m];
                    kernels::transposed_multiply(&self.lambda[f], v, kk, kk, m, &mut r);
                    if is_wide {
                        for (i, row) in r.chunks_exact(m).enumerate() {
                            let at = (s.row[s.position[f][l_of_f] as usize] + i) * width + column;
                            wide[at..at + m].iter_mut().zip(row).for_each(|(t, v)| *t += v);
                        }
                    } else {
                        paths.place(l - level, f, l_of_f, &r);
                    }
                };
                place(block.factor, l, &zzw);
                partners.each(gram, l, |g, other, cell, own_first| {
                    let kg = sys.factors[g].k;
                    let mut v = vec![0.0; kg * m];
                    for y in 0..kg {
                        for c in 0..m {
                            v[y * m + c] = (0..k)
                                .map(|x| {
                                    let at = block.offset + x;
                                    let b = if own_first { cell[at * kg + y] } else { cell[y * kf + at] };
                                    b * directions[x * m + c]
                                })
                                .sum();
                        }
                    }
                    place(g, other, &v);
                });
                paths.run(l - level, |row, values| {
                    subtract_outer(values, &mut out);
                    if reml {
                        for (x, &r) in self.rzw[row * pw..row * pw + p].iter().enumerate() {
                            let to = &mut block_c[x * width + column..x * width + column + m];
                            to.iter_mut().zip(values).for_each(|(t, v)| *t -= r * v);
                        }
                    }
                });
            }
            let (first, solved) = if is_wide {
                factor.forward(&mut wide, width);
                (0, &wide[..])
            } else {
                paths.finish()
            };
            for (r, row) in solved.chunks_exact(width).enumerate() {
                row.chunks_exact(m).for_each(|group| subtract_outer(group, &mut out));
                if reml {
                    let rzx = &self.rzw[(first + r) * pw..(first + r) * pw + p];
                    for (x, &f) in rzx.iter().enumerate() {
                        for (t, &v) in block_c[x * width..(x + 1) * width].iter_mut().zip(row) {
                            *t -= f * v;
                        }
                    }
                }
            }
            if reml && p > 0 {
                let c = &mut block_c[..p * width];
                kernels::forward::<0>(&rx, p, c, width);
                for row in c.chunks_exact(width) {
                    row.chunks_exact(m).for_each(|group| subtract_outer(group, &mut out));
                }
            }
            level = stop;
        }
        out
    }
}

/// out -= v v'.
fn subtract_outer(v: &[f64], out: &mut [f64]) {
    let m = v.len();
    for (x, a) in v.iter().enumerate() {
        out[x * m..(x + 1) * m].iter_mut().zip(v).for_each(|(t, b)| *t -= a * b);
    }
}

/// Start of each level, and (cell, level of the other factor) of its cells.
type CellsOfLevels = (Vec<usize>, Vec<(u32, u32)>);

/// The cells of each level of one factor, whichever side of the pair it is on.
struct Partners {
    factor: usize,
    /// By pair, where the factor is the second one.
    reverse: Vec<Option<CellsOfLevels>>,
}

impl Partners {
    fn of(gram: &Gram, factor: usize, n: usize) -> Self {
        let reverse = gram
            .cells
            .iter()
            .map(|c| {
                (c.g == factor).then(|| {
                    let mut start = vec![0usize; n + 1];
                    for &m in &c.level {
                        start[m as usize + 1] += 1;
                    }
                    for i in 0..n {
                        start[i + 1] += start[i];
                    }
                    let mut next = start.clone();
                    let mut list = vec![(0u32, 0u32); c.level.len()];
                    for l in 0..c.start.len() - 1 {
                        for i in c.start[l]..c.start[l + 1] {
                            let m = c.level[i] as usize;
                            list[next[m]] = (i as u32, l as u32);
                            next[m] += 1;
                        }
                    }
                    (start, list)
                })
            })
            .collect();
        Partners { factor, reverse }
    }

    /// Number of cells of a level.
    fn count(&self, gram: &Gram, level: usize) -> usize {
        let length = |start: &[usize]| start[level + 1] - start[level];
        gram.cells
            .iter()
            .zip(&self.reverse)
            .map(|(c, reverse)| {
                let own = if c.f == self.factor { length(&c.start) } else { 0 };
                own + reverse.as_ref().map_or(0, |(start, _)| length(start))
            })
            .sum()
    }

    /// Visits (other factor, its level, the cell's block, whether this factor is the block's
    /// first). Pairs of levels of the factor itself are seen from both sides.
    fn each(&self, gram: &Gram, level: usize, mut visit: impl FnMut(usize, usize, &[f64], bool)) {
        for (c, reverse) in gram.cells.iter().zip(&self.reverse) {
            if c.f == self.factor {
                for i in c.start[level]..c.start[level + 1] {
                    visit(c.g, c.level[i] as usize, c.block(i), true);
                }
            }
            if let Some((start, list)) = reverse {
                for &(i, l) in &list[start[level]..start[level + 1]] {
                    visit(c.f, l as usize, c.block(i as usize), false);
                }
            }
        }
    }
}

/// out (p x cols) += x w' - r a' of the rows of one random effect.
#[inline(always)]
fn add_differences<const P: usize, const C: usize>(
    x: &[f64],
    r: &[f64],
    w: &[f64],
    a: &[f64],
    p: usize,
    cols: usize,
    out: &mut [f64],
) {
    let (p, cols) = (size::<P>(p), size::<C>(cols));
    let (x, r, w, a) = (&x[..p], &r[..p], &w[..cols], &a[..cols]);
    for (row, (x, r)) in out[..p * cols].chunks_exact_mut(cols).zip(x.iter().zip(r)) {
        for (t, (u, v)) in row.iter_mut().zip(w.iter().zip(a)) {
            *t += x * u - r * v;
        }
    }
}

/// out (cols x cols) += sign * a'b for row-major a, b (rows x cols).
fn add_products(a: &[f64], b: &[f64], rows: usize, cols: usize, sign: f64, out: &mut [f64]) {
    if cols >= 16 {
        faer::linalg::matmul::matmul(
            faer::MatMut::from_row_major_slice_mut(out, cols, cols),
            faer::Accum::Add,
            faer::MatRef::from_row_major_slice(a, rows, cols).transpose(),
            faer::MatRef::from_row_major_slice(b, rows, cols),
            sign,
            faer::Par::Seq,
        );
        return;
    }
    kernels::vectorised(
        #[inline(always)]
        || match cols {
            1 => add_few_products::<1>(a, b, cols, sign, out),
            2 => add_few_products::<2>(a, b, cols, sign, out),
            3 => add_few_products::<3>(a, b, cols, sign, out),
            4 => add_few_products::<4>(a, b, cols, sign, out),
            6 => add_few_products::<6>(a, b, cols, sign, out),
            _ => add_few_products::<0>(a, b, cols, sign, out),
        },
    );
}

#[inline(always)]
fn add_few_products<const C: usize>(a: &[f64], b: &[f64], cols: usize, sign: f64, out: &mut [f64]) {
    let cols = size::<C>(cols);
    let out = &mut out[..cols * cols];
    for (x, y) in a.chunks_exact(cols).zip(b.chunks_exact(cols)) {
        for i in 0..cols {
            let f = sign * x[i];
            for (t, &v) in out[i * cols..(i + 1) * cols].iter_mut().zip(y) {
                *t += f * v;
            }
        }
    }
}
