//! The decomposition of log|M| at one Lambda, its derivatives, and solutions.
//!
//! Derivatives are sums of x~'(dM)z~ over pairs of vectors x, z of the reduced system, each lifted
//! to all effects: x~ = (-D^-1 M12 U'^-1 x; U'^-1 x), UU' = B. With A = Z'WZ, A L x~ of the reduced
//! part is what a pass over the rows gives anyway, and for the eliminated factor only the sums of
//! its levels are needed.

use super::block::{Block, WIDEST};
use super::blocks::Blocks;
use super::cg::{self, Precision};
use super::deflate::Deflation;
use super::graph::Graph;
use super::inverse::Lifted;
use super::operator::{self, Own, Sums};
use super::probes::Signs;
use super::real::Real;
use crate::dense::kernels;
use crate::error::CoreError;
use crate::layout::Lambda;
use crate::watch::Watch;

/// Precision of what must be exact.
const EXACT: Precision = Precision { tolerance: 1e-10, least: 1, enough: 0.0 };
/// Precision of probes; at least four steps, so that two fewer tell the error.
const SAMPLED: Precision = Precision { tolerance: 1e-5, least: 4, enough: 0.0 };

/// What one probe says.
#[derive(Clone, Debug)]
pub struct Probed {
    /// Its estimate of log|P Shat P|.
    pub value: f64,
    /// What two steps fewer would have changed.
    pub truncation: f64,
    /// Its estimate of the squared Frobenius norm of what is sampled.
    pub square: f64,
    /// Its estimate of the derivative with respect to each factor's Lambda; none where it was not
    /// asked.
    pub derivative: Lambda,
}

/// What some probes say, their solutions less themselves, and the probes.
type Run = (Vec<Probed>, Block<f32>, Block<f32>);

/// See the module.
pub struct Decomposition<'a> {
    pub(super) g: &'a Graph,
    pub(super) n_threads: usize,
    pub(super) watch: &'a dyn Watch,
    pub(super) lambda: Lambda,
    pub(super) blocks: Blocks,
    pub(super) deflation: Deflation,
    /// Shat V, and the solutions of P Shat P Z = P Shat V.
    pub(super) sv: Vec<Block<f64>>,
    pub(super) z: Vec<Block<f64>>,
    /// Inverse of V'Shat V - (Shat V)'Z.
    pub(super) inverse: Vec<f64>,
    /// tr V'Shat V.
    pub(super) trace: f64,
    /// Of a system that is only solved, roughly: the Cholesky factor of V'Shat V.
    pub(super) rough: Option<Vec<f64>>,
    /// What is known of log|M|, and its derivatives.
    pub(super) known: f64,
    pub(super) derivative: Lambda,
}

fn add_to(to: &mut Lambda, by: f64, what: &Lambda) {
    for (to, v) in to.iter_mut().flatten().zip(what.iter().flatten()) {
        *to += by * v;
    }
}

impl<'a> Decomposition<'a> {
    /// At the Lambda of all factors.
    ///
    /// # Errors
    /// An interruption, or no convergence.
    pub fn new(g: &'a Graph, lambda: &Lambda, n_threads: usize, watch: &'a dyn Watch) -> Result<Self, CoreError> {
        let mut blocks = Blocks::new(g, lambda, true, None, n_threads)?;
        let deflation = Deflation::new(g, &blocks.root);
        let derivative = std::mem::take(&mut blocks.derivative);
        let mut out = Decomposition {
            g,
            n_threads,
            watch,
            lambda: lambda.clone(),
            known: blocks.log_det,
            blocks,
            deflation,
            sv: Vec::new(),
            z: Vec::new(),
            inverse: Vec::new(),
            trace: 0.0,
            rough: None,
            derivative,
        };
        out.take_out()?;
        Ok(out)
    }

    /// Log-determinant, trace and derivatives of what V takes out.
    fn take_out(&mut self) -> Result<(), CoreError> {
        let r = self.deflation.r;
        let mut gram = vec![0.0; r * r];
        for from in (0..r).step_by(WIDEST) {
            let used = WIDEST.min(r - from);
            let v = self.deflation.columns(from, used);
            let (sv, h) = self.apply(&v);
            let inner = self.deflation.coefficients(&sv);
            for i in 0..r {
                gram[i * r + from..i * r + from + used].copy_from_slice(&inner[i * used..(i + 1) * used]);
            }
            // the control variate, exact part
            for derivative in self.pair_derivatives(&v, &h, &v, &h) {
                add_to(&mut self.derivative, -1.0, &derivative);
            }
            let mut rhs = sv.clone();
            self.deflation.project(&mut rhs);
            let z = self.solve_restricted(&rhs, &sv.dots(&sv), EXACT)?.x;
            self.sv.push(sv);
            self.z.push(z);
        }
        self.trace = (0..r).map(|i| gram[i * r + i]).sum();
        for (a, sv) in self.sv.iter().enumerate() {
            for (b, z) in self.z.iter().enumerate() {
                for (t, v) in sv.products(z).into_iter().enumerate() {
                    gram[(a * WIDEST + t / z.used) * r + b * WIDEST + t % z.used] -= v;
                }
            }
        }
        if !kernels::cholesky::<0>(&mut gram, r) {
            return Err(CoreError::Degenerate("the system is not positive definite".into()));
        }
        self.known += (0..r).map(|i| 2.0 * gram[i * r + i].ln()).sum::<f64>();
        let mut inverse = vec![0.0; r * r];
        kernels::inverse_of_product::<0>(&gram, r, &mut inverse);
        self.inverse = inverse;
        for (first, second) in self.directions() {
            for derivative in self.pairs(&first, &second) {
                add_to(&mut self.derivative, 1.0, &derivative);
            }
        }
        Ok(())
    }

    /// (W inverse, W), W = V - Z: the inverse of Shat on the directions that are taken out.
    fn directions(&self) -> Vec<(Block<f64>, Block<f64>)> {
        let r = self.deflation.r;
        let w: Vec<Block<f64>> = (0..self.z.len())
            .map(|a| {
                let mut w = self.deflation.columns(a * WIDEST, self.z[a].used);
                w.data.iter_mut().zip(&self.z[a].data).for_each(|(w, z)| *w -= z);
                w
            })
            .collect();
        let firsts: Vec<Block<f64>> = w
            .iter()
            .enumerate()
            .map(|(b, second)| {
                let mut first = Block::zeros(self.g.n_places(), second.used);
                for (a, w) in w.iter().enumerate() {
                    let part: Vec<f64> = (0..w.used * second.used)
                        .map(|t| self.inverse[(a * WIDEST + t / second.used) * r + b * WIDEST + t % second.used])
                        .collect();
                    first.add_combined(w, &part, 1.0);
                }
                first
            })
            .collect();
        firsts.into_iter().zip(w).collect()
    }

    /// Pairs whose products, summed, are what the directions taken out add to the identity in the
    /// inverse of Shat.
    pub(super) fn taken_out(&self) -> Vec<(Block<f64>, Block<f64>)> {
        let mut out = Vec::new();
        for (i, (first, second)) in self.directions().into_iter().enumerate() {
            let v = self.deflation.columns(i * WIDEST, second.used);
            let mut minus = v.clone();
            minus.data.iter_mut().for_each(|x| *x = -*x);
            if 2 * v.used <= WIDEST {
                out.push((first.beside(&minus), second.beside(&v)));
            } else {
                out.extend([(first, second), (minus, v)]);
            }
        }
        out
    }

    /// What some probes say of the value, and their pairs.
    fn run(&self, signs: Signs, from: usize, used: usize) -> Result<Run, CoreError> {
        let mut z: Block<f32> = signs.block(self.g, from, used);
        let floor = z.dots(&z);
        self.deflation.project(&mut z);
        let length = z.dots(&z);
        let solved = self.solve_restricted(&z, &floor, SAMPLED)?;
        let excess = self.trace - self.deflation.r as f64;
        let each = solved.matrices.iter().zip(&length);
        let probed = each
            .map(|(t, length)| {
                let steps = t.diagonal.len();
                let first = t.diagonal.first().map_or(0.0, |t| t - 1.0);
                let (log, square) = t.log_and_square(steps);
                let truncation = if steps > 2 { length * (log - t.log(steps - 2)) } else { 0.0 };
                let value = length * log - (length * first + excess);
                Probed { value, truncation, square: length * square, derivative: Vec::new() }
            })
            .collect();
        let mut x = solved.x;
        x.data.iter_mut().zip(&z.data).for_each(|(x, z)| *x -= *z);
        Ok((probed, x, z))
    }

    /// What some probes say of the value and of its derivatives, and their pairs in units of the
    /// effects, whose products have as mean what is not known of the inverse.
    ///
    /// # Errors
    /// An interruption, or no convergence.
    pub(super) fn probe_and_pair(
        &self,
        signs: Signs,
        from: usize,
        used: usize,
    ) -> Result<(Vec<Probed>, (Lifted, Lifted)), CoreError> {
        let (mut probed, x, z) = self.run(signs, from, used)?;
        let ((sx, hx), (sz, hz)) = (self.scaled_and_sums(&x), self.scaled_and_sums(&z));
        let lifted = (self.lifted(&sx, &hx), self.lifted(&sz, &hz));
        for (p, derivative) in probed.iter_mut().zip(self.pair_derivatives(&x, &hx, &z, &hz)) {
            p.derivative = derivative;
        }
        Ok((probed, lifted))
    }

    /// The rows.
    pub(super) fn graph(&self) -> &Graph {
        self.g
    }

    /// The exact diagonal blocks.
    pub(super) fn blocks(&self) -> &Blocks {
        &self.blocks
    }

    /// The Lambda of all factors.
    pub(super) fn lambda(&self) -> &Lambda {
        &self.lambda
    }

    /// g'M^-1 g of a vector of effects, by the diagonal blocks alone.
    pub(super) fn decrement_by_blocks(&self, g: &[Vec<f64>; 2]) -> f64 {
        let k1 = self.g.eliminated.k();
        let of_level = |(g, d): (&[f64], &[f64])| -> f64 { (0..k1 * k1).map(|t| g[t / k1] * d[t] * g[t % k1]).sum() };
        let own = g[0].chunks_exact(k1).zip(self.blocks.d_inverse.chunks_exact(k1 * k1)).map(of_level).sum::<f64>();
        let places = Block { k: 1, used: 1, data: g[1].clone() };
        let scaled = self.by_levels(&self.blocks.inverse, false, &places);
        own + scaled.data.iter().map(|v| v * v).sum::<f64>()
    }

    /// Lambda U'^-1 x, and the sums of a pass with it.
    pub(super) fn scaled_and_sums<T: Real>(&self, x: &Block<T>) -> (Block<T>, Sums<T>) {
        let scaled = self.by_levels(&self.blocks.factor, false, x);
        let sums = operator::pass(self.g, Own::Reduced(&self.blocks.reduced), &scaled.data, x.k, self.n_threads);
        (scaled, sums)
    }

    /// Multiplies the rows of each level by a matrix of the level, or its transpose.
    fn by_levels<T: Real>(&self, matrices: &[f64], transposed: bool, x: &Block<T>) -> Block<T> {
        let k = x.k;
        let mut out = Block { k, used: x.used, data: vec![T::default(); x.data.len()] };
        for p in &self.g.others {
            let m = p.k();
            for (first, at) in p.levels() {
                let matrix = &matrices[at..at + m * m];
                let rows = &x.data[first * k..(first + m) * k];
                for (i, to) in out.data[first * k..(first + m) * k].chunks_exact_mut(k).enumerate() {
                    for (j, row) in rows.chunks_exact(k).enumerate() {
                        let f = T::of(if transposed { matrix[j * m + i] } else { matrix[i * m + j] });
                        to.iter_mut().zip(row).for_each(|(t, x)| *t += f * *x);
                    }
                }
            }
        }
        out
    }

    /// Shat x, and the sums of the pass.
    pub(super) fn apply<T: Real>(&self, x: &Block<T>) -> (Block<T>, Sums<T>) {
        let k = x.k;
        let (mut out, sums) = self.scaled_and_sums(x);
        for p in &self.g.others {
            let m = p.k();
            for (first, at) in p.levels() {
                let (inner, f) = (&self.blocks.inner[at..at + m * m], &self.blocks.factor[at..at + m * m]);
                let (x, h) = (&x.data[first * k..(first + m) * k], &sums.places[first * k..(first + m) * k]);
                for (i, to) in out.data[first * k..(first + m) * k].chunks_exact_mut(k).enumerate() {
                    to.fill(T::default());
                    for (j, (x, h)) in x.chunks_exact(k).zip(h.chunks_exact(k)).enumerate() {
                        let (of_x, of_h) = (T::of(inner[i * m + j]), T::of(f[j * m + i]));
                        for (t, (x, h)) in to.iter_mut().zip(x.iter().zip(h)) {
                            *t += of_x * *x + of_h * *h;
                        }
                    }
                }
            }
        }
        (out, sums)
    }

    fn solve_restricted<T: Real>(
        &self,
        b: &Block<T>,
        floor: &[f64],
        precision: Precision,
    ) -> Result<cg::Solved<T>, CoreError> {
        let apply = |x: &Block<T>| {
            let mut out = self.apply(x).0;
            self.deflation.project(&mut out);
            out
        };
        cg::solve(&apply, b, floor, precision, self.watch)
    }

    /// Derivatives of x~'M z~ with respect to each factor's Lambda, for each vector.
    fn pairs<T: Real>(&self, x: &Block<T>, z: &Block<T>) -> Vec<Lambda> {
        let (hx, hz) = (self.scaled_and_sums(x).1, self.scaled_and_sums(z).1);
        self.pair_derivatives(x, &hx, z, &hz)
    }

    /// (A L x~) z~' + (A L z~) x~', summed over the levels of each factor.
    fn pair_derivatives<T: Real>(&self, x: &Block<T>, hx: &Sums<T>, z: &Block<T>, hz: &Sums<T>) -> Vec<Lambda> {
        let (g, k, used) = (self.g, x.k, x.used);
        let zero: Lambda = self.lambda.iter().map(|l| vec![0.0; l.len()]).collect();
        let mut out = vec![zero; used];
        // U'^-1 of both
        let (xt, zt) = (self.by_levels(&self.blocks.inverse, true, x), self.by_levels(&self.blocks.inverse, true, z));
        for p in &g.others {
            let m = p.k();
            for (first, _) in p.levels() {
                let of = |v: &[T], i: usize, c: usize| v[(first + i) * k + c].double();
                for (c, out) in out.iter_mut().enumerate() {
                    let to = &mut out[p.factor];
                    for i in 0..m {
                        let (ax, az) = (of(&hx.places, i, c), of(&hz.places, i, c));
                        for j in 0..m {
                            to[i * m + j] += ax * of(&zt.data, j, c) + az * of(&xt.data, j, c);
                        }
                    }
                }
            }
        }
        // -(I - AP) (m_x m_z' + m_z m_x') Lambda D^-1, m the sums of a level
        let k1 = g.eliminated.k();
        let (mut mm, mut t, mut d) = (vec![0.0; k1 * k1], vec![0.0; k1 * k1], vec![0.0; k1 * k1]);
        for j in 0..g.n_levels() {
            let at = j * k1 * k1..(j + 1) * k1 * k1;
            let (left, ld) = (&self.blocks.left[at.clone()], &self.blocks.lambda_d[at]);
            let of = |v: &[T], i: usize, c: usize| v[(j * k1 + i) * k + c].double();
            for (c, out) in out.iter_mut().enumerate() {
                for a in 0..k1 {
                    for b in 0..k1 {
                        mm[a * k1 + b] =
                            of(&hx.levels, a, c) * of(&hz.levels, b, c) + of(&hz.levels, a, c) * of(&hx.levels, b, c);
                    }
                }
                let to = &mut out[g.eliminated.factor];
                if k1 == 1 {
                    to[0] -= left[0] * mm[0] * ld[0];
                } else {
                    kernels::multiply(left, &mm, k1, k1, k1, &mut t);
                    kernels::multiply(&t, ld, k1, k1, k1, &mut d);
                    to.iter_mut().zip(&d).for_each(|(t, d)| *t -= d);
                }
            }
        }
        out
    }

    /// log|M| but for what probes estimate.
    pub fn known(&self) -> f64 {
        self.known
    }

    /// Its derivatives with respect to each factor's Lambda.
    pub fn known_derivative(&self) -> &Lambda {
        &self.derivative
    }

    /// What some probes say of the rest; derivatives where `with_derivative`.
    ///
    /// # Errors
    /// An interruption, or no convergence.
    pub fn probe(
        &self,
        signs: Signs,
        from: usize,
        used: usize,
        with_derivative: bool,
    ) -> Result<Vec<Probed>, CoreError> {
        let (mut probed, x, z) = self.run(signs, from, used)?;
        if with_derivative {
            probed.iter_mut().zip(self.pairs(&x, &z)).for_each(|(p, derivative)| p.derivative = derivative);
        }
        Ok(probed)
    }

    /// Shat^-1 b.
    fn solve_reduced(&self, b: &Block<f64>, precision: Precision) -> Result<Block<f64>, CoreError> {
        let n = b.used;
        if let Some(r) = &self.rough {
            let apply = |x: &Block<f64>| self.coarse(r, true, &self.apply(&self.coarse(r, false, x)).0);
            let rhs = self.coarse(r, true, b);
            let x = cg::solve(&apply, &rhs, &rhs.dots(&rhs), precision, self.watch)?.x;
            return Ok(self.coarse(r, false, &x));
        }
        let mut rest = b.clone();
        self.deflation.project(&mut rest);
        let mut x = self.solve_restricted(&rest, &b.dots(b), precision)?.x;
        let mut along = self.deflation.coefficients(b);
        for (a, sv) in self.sv.iter().enumerate() {
            for (t, v) in sv.products(&x).into_iter().enumerate() {
                along[(a * WIDEST + t / n) * n + t % n] -= v;
            }
        }
        let r = self.deflation.r;
        let mut c = vec![0.0; r * n];
        kernels::multiply(&self.inverse, &along, r, r, n, &mut c);
        for (a, z) in self.z.iter().enumerate() {
            x.add_combined(z, &c[a * WIDEST * n..(a * WIDEST + z.used) * n], -1.0);
        }
        self.deflation.add(&c, &mut x);
        Ok(x)
    }

    /// M^-1 of vectors of effects, row by row: of the eliminated factor, and of all others.
    ///
    /// # Errors
    /// An interruption, or no convergence.
    pub fn solve(&self, levels: &[f64], places: &[f64], cols: usize) -> Result<(Vec<f64>, Vec<f64>), CoreError> {
        self.solve_to(EXACT, levels, places, cols)
    }

    /// The same to another precision.
    pub(super) fn solve_to(
        &self,
        precision: Precision,
        levels: &[f64],
        places: &[f64],
        cols: usize,
    ) -> Result<(Vec<f64>, Vec<f64>), CoreError> {
        let (mut x1, mut x2) = (vec![0.0; levels.len()], vec![0.0; places.len()]);
        let k1 = self.g.eliminated.k();
        let own = &self.lambda[self.g.eliminated.factor];
        for from in (0..cols).step_by(WIDEST) {
            let used = WIDEST.min(cols - from);
            let (a1, a2) =
                (Block::<f64>::columns(levels, cols, from, used), Block::<f64>::columns(places, cols, from, used));
            let k = a1.k;
            // right side less that of the eliminated factor
            let mut given = Block::<f64> { k, used, data: vec![0.0; a1.data.len()] };
            let each = given.data.chunks_exact_mut(k1 * k).zip(a1.data.chunks_exact(k1 * k));
            for ((to, a), ld) in each.zip(self.blocks.lambda_d.chunks_exact(k1 * k1)) {
                kernels::multiply(ld, a, k1, k1, k, to);
            }
            let zeros = vec![0.0; a2.data.len()];
            let sums = operator::pass(self.g, Own::Given(&given.data), &zeros, k, self.n_threads);
            let taken = self.by_levels(&self.blocks.factor, true, &Block { k, used, data: sums.places });
            let mut rhs = self.by_levels(&self.blocks.inverse, false, &a2);
            rhs.data.iter_mut().zip(&taken.data).for_each(|(t, s)| *t -= s);
            let solution = self.solve_reduced(&rhs, precision)?;
            let (_, sums) = self.apply(&solution);
            self.by_levels(&self.blocks.inverse, true, &solution).write(&mut x2, cols, from);
            let (mut t, mut d) = (vec![0.0; k1 * k], vec![0.0; k1 * k]);
            let mut first = given;
            let each = first.data.chunks_exact_mut(k1 * k).zip(a1.data.chunks_exact(k1 * k));
            let each = each.zip(sums.levels.chunks_exact(k1 * k));
            for (((to, a), m), inverse) in each.zip(self.blocks.d_inverse.chunks_exact(k1 * k1)) {
                kernels::transposed_multiply(own, m, k1, k1, k, &mut t);
                d.iter_mut().zip(a).zip(&t).for_each(|((d, a), t)| *d = a - t);
                kernels::multiply(inverse, &d, k1, k1, k, to);
            }
            first.write(&mut x1, cols, from);
        }
        Ok((x1, x2))
    }
}
