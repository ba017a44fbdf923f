//! The coordinates in which a fit moves, about given frames.
//!
//! A free block is kept as lambda = U diag(s) (its right factor does not matter); its coordinates
//! are the entries of the lower triangular D in lambda = U (diag(s) + D), so that they follow the
//! iterate. The coordinates of any other block are its parameters, in units of the changed columns,
//! between their bounds.

use super::score::Score;
use crate::dense::by_size::{dot, multiply, transposed, transposed_multiply};
use crate::dense::kernels::{self, size};
use crate::layout::{part_of, Block, Frame, Lambda, Layout};
use crate::optimize::bounds::Bounds;
use crate::structure::rotation;
use crate::with_size;

/// Step of the differences by which the derivatives of lambda are differentiated, in units of a
/// parameter.
const STEP: f64 = 1e-5;

/// What the coordinates of one block are.
struct Part {
    block: Block,
    /// Its first coordinate, and how many it has.
    first: usize,
    n: usize,
    /// Of a block that is not free, the size of each parameter in its coordinate.
    scale: Vec<f64>,
}

/// See the module.
pub struct Chart<'a> {
    sys: &'a Layout,
    parts: Vec<Part>,
    /// Bounds of the coordinates.
    pub bounds: Bounds,
    n: usize,
}

impl<'a> Chart<'a> {
    /// The coordinates of a system.
    pub fn new(sys: &'a Layout) -> Self {
        let mut n = 0;
        let (mut lower, mut upper) = (Vec::new(), Vec::new());
        let mut parts = Vec::with_capacity(sys.blocks.len());
        for &block in &sys.blocks {
            let (bounds, scale) = sys.bounds(block);
            let m = if block.is_free { block.k * (block.k + 1) / 2 } else { scale.len() };
            parts.push(Part { block, first: n, n: m, scale });
            let scale = &parts[parts.len() - 1].scale;
            for i in 0..m {
                let (low, high) = bounds.of(i);
                lower.push(scale.get(i).map_or(f64::NEG_INFINITY, |s| s * low));
                upper.push(scale.get(i).map_or(f64::INFINITY, |s| s * high));
            }
            n += m;
        }
        Chart { sys, parts, bounds: Bounds::new(lower, upper), n }
    }

    /// Number of coordinates.
    pub fn n(&self) -> usize {
        self.n
    }

    /// The coordinates of frames: those of a free block are zero at its own frame.
    pub fn of(&self, frames: &[Frame]) -> Vec<f64> {
        let mut x = vec![0.0; self.n];
        for (p, f) in self.parts.iter().zip(frames) {
            for (i, (t, s)) in f.theta.iter().zip(&p.scale).enumerate() {
                x[p.first + i] = t * s;
            }
        }
        x
    }

    /// The frames after a step.
    pub fn moved(&self, frames: &[Frame], step: &[f64]) -> Vec<Frame> {
        self.parts.iter().zip(frames).map(|(p, f)| self.moved_part(p, f, &step[p.first..p.first + p.n])).collect()
    }

    fn moved_part(&self, p: &Part, f: &Frame, step: &[f64]) -> Frame {
        if !p.block.is_free {
            let (bounds, _) = self.sys.bounds(p.block);
            let mut theta: Vec<f64> = f.theta.iter().zip(step).zip(&p.scale).map(|((t, d), s)| t + d / s).collect();
            for (i, t) in theta.iter_mut().enumerate() {
                // a step that ends at a bound ends there exactly
                if let Some((bound, distance)) = bounds.nearest(i, *t) {
                    if distance.abs() <= 1e-14 * (1.0 + bound.abs()) {
                        *t = bound;
                    }
                }
            }
            return Frame::structured(self.sys, p.block, theta);
        }
        let k = f.k;
        let mut d = vec![0.0; k * k];
        let mut at = 0;
        for j in 0..k {
            for i in j..k {
                d[i * k + j] = step[at];
                at += 1;
            }
            d[j * k + j] += f.s[j];
        }
        let mut lambda = vec![0.0; k * k];
        kernels::multiply(&f.u, &d, k, k, k, &mut lambda);
        Frame::of(&lambda, k)
    }

    /// Frames, and what is to be added to their Lambda, at a distance along one coordinate.
    pub fn displace(&self, lambda: &mut Lambda, frames: &[Frame], coordinate: usize, distance: f64) -> Vec<Frame> {
        let index = self.parts.partition_point(|p| p.first <= coordinate) - 1;
        let (p, b) = (&self.parts[index], self.parts[index].block);
        let mut there = frames.to_vec();
        let along = coordinate - p.first;
        if !b.is_free {
            let mut theta = frames[index].theta.clone();
            theta[along] += distance / p.scale[along];
            there[index] = Frame::structured(self.sys, b, theta);
        }
        for (p, f) in self.parts.iter().zip(&there) {
            f.write(p.block, lambda);
        }
        if b.is_free {
            let (f, kf) = (&frames[index], self.sys.factors[b.factor].k);
            let (i, j) = place(f.k, along);
            for x in 0..f.k {
                lambda[b.factor][(b.offset + x) * kf + b.offset + j] += distance * f.u[x * f.k + i];
            }
        }
        there
    }

    /// The size of what a coordinate displaces, where differences are taken.
    pub fn size(&self, frames: &[Frame], coordinate: usize) -> f64 {
        let index = self.parts.partition_point(|p| p.first <= coordinate) - 1;
        let (p, f) = (&self.parts[index], &frames[index]);
        let along = coordinate - p.first;
        if p.block.is_free {
            f.s[place(f.k, along).0]
        } else {
            f.theta[along] * p.scale[along]
        }
    }

    /// The directions of the coordinates of a block that is not free, and the rotation: see
    /// [`directions`].
    fn directions(&self, p: &Part, f: &Frame) -> (Vec<Vec<f64>>, Vec<f64>) {
        let (mut all, q) = directions(self.sys, p.block, f);
        for (d, scale) in all.iter_mut().zip(&p.scale) {
            d.iter_mut().for_each(|v| *v /= scale);
        }
        (all, q)
    }

    /// Gradient of the criterion.
    pub fn gradient(&self, gamma: &Lambda, frames: &[Frame]) -> Vec<f64> {
        let mut g = Vec::with_capacity(self.n);
        for (p, f) in self.parts.iter().zip(frames) {
            if p.block.is_free {
                let ug = f.turned_gamma(p.block, gamma);
                for j in 0..f.k {
                    g.extend((j..f.k).map(|i| 2.0 * ug[i * f.k + j]));
                }
            } else {
                let gamma = part_of(&gamma[p.block.factor], p.block);
                let dot = |d: &Vec<f64>| 2.0 * d.iter().zip(&gamma).map(|(d, g)| d * g).sum::<f64>();
                g.extend(self.directions(p, f).0.iter().map(dot));
            }
        }
        g
    }

    /// Gradient and Hessian of the criterion: average information and the curvature of Sigma. `nu`
    /// and r2 are those of the criterion; `quadratic` gives w'Z'PZ w for all pairs of columns (q x
    /// n, in the order of the score).
    ///
    /// # Errors
    /// Those of `quadratic`.
    pub fn derivatives<E>(
        &self,
        (nu, r2): (f64, f64),
        quadratic: impl FnOnce(&[f64], usize) -> Result<Vec<f64>, E>,
        score: &Score,
        frames: &[Frame],
        psi: &[Vec<f64>],
    ) -> Result<(Vec<f64>, Vec<f64>), E> {
        let (sys, n) = (self.sys, self.n);
        let (q, pw) = (sys.sym.q, sys.p() + 1);
        let g = self.gradient(&score.gamma, frames);
        let mut w = vec![0.0; q * n];
        let mut rdot = vec![0.0; n];
        let mut h = vec![0.0; n * n];
        for ((p, f), psi) in self.parts.iter().zip(frames).zip(psi) {
            let (b, k) = (p.block, f.k);
            if !b.is_free {
                let directions = self.directions(p, f);
                self.structured(p, f, &directions.0, score, &mut w, &mut rdot);
                self.add_curvature_of((p, f), &directions, score, psi, &mut h);
                continue;
            }
            // w = u_i (u_l)_j + s_j u_j (u_i'g_l) on the rows of this block
            let (mut gl, own) = (vec![0.0; k], p.first..p.first + p.n);
            kernels::vectorised(
                #[inline(always)]
                || {
                    for &pos in &sys.sym.position[b.factor] {
                        let row = sys.sym.row[pos as usize] + b.offset;
                        let (fg, u) = (&score.fg[row * pw..(row + k) * pw], &score.u[row..row + k]);
                        let (w, rdot) = (&mut w[row * n..(row + k) * n], &mut rdot[own.clone()]);
                        with_size!(k, add_level(f, fg, u, k, n, p.first, &mut gl, w, rdot));
                    }
                },
            );
        }
        let quad = quadratic(&w, n)?;
        let (a, b) = (nu / r2, nu / (r2 * r2));
        h.iter_mut().enumerate().for_each(|(t, h)| *h += a * quad[t] - b * rdot[t / n] * rdot[t % n]);
        for ((p, f), psi) in self.parts.iter().zip(frames).zip(psi).filter(|((p, _), _)| p.block.is_free) {
            let k = f.k;
            let mut at = p.first;
            for j in 0..k {
                for i in j..k {
                    for i2 in j..k {
                        h[(at + i - j) * n + at + i2 - j] += 2.0 * psi[i * k + i2];
                    }
                }
                at += k - j;
            }
        }
        Ok((g, h))
    }

    /// w = D u + lambda D'g and the derivatives of r2 along the coordinates of a block that is not
    /// free.
    fn structured(&self, p: &Part, f: &Frame, directions: &[Vec<f64>], score: &Score, w: &mut [f64], rdot: &mut [f64]) {
        let (sys, b, k) = (self.sys, p.block, f.k);
        let pw = sys.p() + 1;
        let lambda = f.lambda();
        let mut dg = vec![0.0; k];
        for &pos in &sys.sym.position[b.factor] {
            let row = sys.sym.row[pos as usize] + b.offset;
            for (a, d) in directions.iter().enumerate() {
                let c = p.first + a;
                for (j, t) in dg.iter_mut().enumerate() {
                    *t = (0..k).map(|i| d[i * k + j] * score.fg[(row + i) * pw + pw - 1]).sum();
                    rdot[c] -= 2.0 * *t * score.u[row + j];
                }
                for i in 0..k {
                    w[(row + i) * self.n + c] =
                        (0..k).map(|j| d[i * k + j] * score.u[row + j] + lambda[i * k + j] * dg[j]).sum();
                }
            }
        }
    }

    /// 2 <Psi, D_a D_b'> + 2 <Gamma, d2 lambda> of a block that is not free.
    fn add_curvature_of(
        &self,
        (p, f): (&Part, &Frame),
        (directions, q): &(Vec<Vec<f64>>, Vec<f64>),
        score: &Score,
        psi: &[f64],
        h: &mut [f64],
    ) {
        let (b, k, n) = (p.block, f.k, self.n);
        // U'D of each direction
        let turned: Vec<Vec<f64>> = directions.iter().map(|d| transposed_multiply(&f.u, d, k, k, k)).collect();
        for c in 0..p.n {
            let weighed = multiply(psi, &turned[c], k, k, k);
            for a in 0..p.n {
                h[(p.first + a) * n + p.first + c] += 2.0 * dot(&weighed, &turned[a]);
            }
        }
        self.add_bend_of(p, f, &part_of(&score.gamma[b.factor], b), q, n, h);
    }

    /// 2 <Gamma, d2 lambda> of a block that is not free; `h` has `n` columns.
    fn add_bend_of(&self, p: &Part, f: &Frame, gamma: &[f64], q: &[f64], n: usize, h: &mut [f64]) {
        let (b, k) = (p.block, f.k);
        let (tl, basis) = (&self.sys.terms[b.factor][b.term], &self.sys.basis.terms[b.factor][b.term]);
        let gamma = basis.score_to_given(&multiply(gamma, q, k, k, k), k);
        let pulled = |c: usize, step: f64| {
            let mut theta = f.theta.clone();
            theta[c] += step / p.scale[c];
            let mut out = vec![0.0; p.n];
            tl.structure.pull_back(&theta, &gamma, k, &mut out);
            out
        };
        for c in 0..p.n {
            let (up, down) = (pulled(c, STEP), pulled(c, -STEP));
            for a in 0..p.n {
                let bend = (up[a] - down[a]) / (2.0 * STEP * p.scale[a]);
                h[(p.first + a) * n + p.first + c] += bend;
                h[(p.first + c) * n + p.first + a] += bend;
            }
        }
    }

    /// The same of all blocks, given Gamma of each factor.
    pub fn add_bends(&self, frames: &[Frame], gamma: &[Vec<f64>], n: usize, h: &mut [f64]) {
        for (p, f) in self.parts.iter().zip(frames).filter(|(p, _)| !p.block.is_free) {
            let q = self.directions(p, f).1;
            self.add_bend_of(p, f, &part_of(&gamma[p.block.factor], p.block), &q, n, h);
        }
    }

    /// Derivatives of lambda = U diag(s) along the coordinates, each in its block.
    pub fn tangents(&self, frames: &[Frame]) -> Vec<(Block, Vec<f64>)> {
        let mut out = Vec::with_capacity(self.n);
        for (p, f) in self.parts.iter().zip(frames) {
            if !p.block.is_free {
                out.extend(self.directions(p, f).0.into_iter().map(|d| (p.block, d)));
                continue;
            }
            let k = f.k;
            for j in 0..k {
                for i in j..k {
                    let d = (0..k * k).map(|t| if t % k == j { f.u[t / k * k + i] } else { 0.0 }).collect();
                    out.push((p.block, d));
                }
            }
        }
        out
    }
}

/// w and the derivatives of r2 along the coordinates of a free block, from the rows of one level;
/// `gl` holds k numbers.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn add_level<const K: usize>(
    f: &Frame,
    fg: &[f64],
    ul: &[f64],
    k: usize,
    n: usize,
    first: usize,
    gl: &mut [f64],
    w: &mut [f64],
    rdot: &mut [f64],
) {
    let k = size::<K>(k);
    let (u, s, ul, gl) = (&f.u[..k * k], &f.s[..k], &ul[..k], &mut gl[..k]);
    let pw = fg.len() / k;
    for (i, t) in gl.iter_mut().enumerate() {
        *t = (0..k).map(|x| u[x * k + i] * fg[x * pw + pw - 1]).sum();
    }
    let mut c = 0;
    for j in 0..k {
        for i in j..k {
            rdot[c] -= 2.0 * gl[i] * ul[j];
            for x in 0..k {
                w[x * n + first + c] += u[x * k + i] * ul[j] + s[j] * u[x * k + j] * gl[i];
            }
            c += 1;
        }
    }
}

/// Derivatives of lambda = U diag(s) of a block that is not free along its parameters, and the
/// rotation Q that makes lambda that of the parameters.
pub fn directions(sys: &Layout, b: Block, f: &Frame) -> (Vec<Vec<f64>>, Vec<f64>) {
    let k = f.k;
    let (tl, basis) = (&sys.terms[b.factor][b.term], &sys.basis.terms[b.factor][b.term]);
    let mut own = vec![0.0; k * k];
    tl.structure.lambda(&f.theta, k, &mut own);
    let q = rotation(&f.lambda(), &basis.from_given(&own, k), k);
    let (n, turned) = (f.theta.len(), transposed(&q, k, k));
    let direction = |a: usize| {
        let mut along = vec![0.0; n];
        along[a] = 1.0;
        let mut pushed = vec![0.0; k * k];
        tl.structure.push(&f.theta, &along, k, &mut pushed);
        multiply(&basis.from_given(&pushed, k), &turned, k, k, k)
    };
    ((0..n).map(direction).collect(), q)
}

/// Row and column of the coordinate of a free block.
fn place(k: usize, along: usize) -> (usize, usize) {
    let (mut j, mut at) = (0, along);
    while at >= k - j {
        at -= k - j;
        j += 1;
    }
    (j + at, j)
}
