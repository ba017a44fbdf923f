//! The decomposition of log|M| at one set of standard deviations, its derivatives, and solutions.
//!
//! Derivatives are sums of x~'(dM)z~ over pairs of vectors x, z of the reduced system, each lifted
//! to all effects: x~ = (-D^-1 M12 B^-1/2 x; B^-1/2 x). With A = Z'WZ, A L x~ of the reduced part
//! is what a pass over the rows gives anyway, and for the eliminated factor only the sums of its
//! levels are needed.

use super::block::{Block, WIDEST};
use super::cg::{self, Precision};
use super::deflate::Deflation;
use super::graph::Graph;
use super::operator::{self, Own, Sums};
use super::probes::Signs;
use crate::dense::kernels;
use crate::error::CoreError;
use crate::watch::Watch;

/// Precision of what must be exact.
const EXACT: Precision = Precision { tolerance: 1e-10, least: 1 };
/// Precision of probes; at least four steps, so that two fewer tell the error.
const SAMPLED: Precision = Precision { tolerance: 1e-5, least: 4 };

/// What one probe says.
#[derive(Clone, Debug)]
pub struct Probed {
    /// Its estimate of log|P Shat P|.
    pub value: f64,
    /// What two steps fewer would have changed.
    pub truncation: f64,
    /// Its estimate of the derivative with respect to each factor's standard deviation.
    pub gradient: Vec<f64>,
}

/// See the module.
pub struct Decomposition<'a> {
    g: &'a Graph,
    n_threads: usize,
    watch: &'a dyn Watch,
    /// Standard deviation of each factor.
    lambda: Vec<f64>,
    /// D of each level of the eliminated factor.
    d: Vec<f64>,
    /// lambda^2 / D of each.
    reduced: Vec<f64>,
    /// Exact diagonal B, its square root, and lambda over that, of each place.
    b: Vec<f64>,
    root: Vec<f64>,
    factor: Vec<f64>,
    deflation: Deflation,
    /// Shat V, and the solutions of P Shat P Z = P Shat V.
    sv: Vec<Block>,
    z: Vec<Block>,
    /// Inverse of V'Shat V - (Shat V)'Z.
    inverse: Vec<f64>,
    /// tr V'Shat V.
    trace: f64,
    /// What is known of log|M|, and its derivatives.
    known: f64,
    known_gradient: Vec<f64>,
}

impl<'a> Decomposition<'a> {
    /// At the standard deviations `lambda` of all factors.
    ///
    /// # Errors
    /// An interruption, or no convergence.
    pub fn new(g: &'a Graph, lambda: &[f64], n_threads: usize, watch: &'a dyn Watch) -> Result<Self, CoreError> {
        let own = lambda[g.eliminated];
        let (n1, n2) = (g.n_levels(), g.n_places());
        let d: Vec<f64> = g.total[0].iter().map(|w| 1.0 + own * own * w).collect();
        let reduced: Vec<f64> = d.iter().map(|d| own * own / d).collect();
        let by: Vec<[f64; 2]> = d.iter().map(|d| [own * own / d, 2.0 * own / (d * d)]).collect();
        let squares = operator::square_sums(g, &by, n_threads);
        let (mut b, mut factor) = (vec![1.0; n2], vec![0.0; n2]);
        let mut gradient = vec![0.0; lambda.len()];
        gradient[g.eliminated] = (0..n1).map(|j| 2.0 * own * g.total[0][j] / d[j]).sum();
        for (i, &f) in g.others.iter().enumerate() {
            let l2 = lambda[f] * lambda[f];
            for l in g.first[i]..g.first[i + 1] {
                let left = g.total[1][l] - squares[l][0];
                b[l] = 1.0 + l2 * left.max(0.0);
                factor[l] = lambda[f] / b[l].sqrt();
                gradient[f] += 2.0 * lambda[f] * left / b[l];
                gradient[g.eliminated] -= l2 * squares[l][1] / b[l];
            }
        }
        let root: Vec<f64> = b.iter().map(|b| b.sqrt()).collect();
        let known = d.iter().map(|d| d.ln()).sum::<f64>() + b.iter().map(|b| b.ln()).sum::<f64>();
        let deflation = Deflation::new(g, &root);
        let mut out = Decomposition {
            g,
            n_threads,
            watch,
            lambda: lambda.to_vec(),
            d,
            reduced,
            b,
            root,
            factor,
            deflation,
            sv: Vec::new(),
            z: Vec::new(),
            inverse: Vec::new(),
            trace: 0.0,
            known,
            known_gradient: gradient,
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
            for gradient in self.pair_derivatives(&v, &h, &v, &h) {
                self.known_gradient.iter_mut().zip(gradient).for_each(|(t, v)| *t -= v);
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
        // pairs (W inverse, W), W = V - Z
        let w: Vec<Block> = (0..self.z.len())
            .map(|a| {
                let mut w = self.deflation.columns(a * WIDEST, self.z[a].used);
                w.data.iter_mut().zip(&self.z[a].data).for_each(|(w, z)| *w -= z);
                w
            })
            .collect();
        for (b, second) in w.iter().enumerate() {
            let mut first = Block::zeros(self.g.n_places(), second.used);
            for (a, w) in w.iter().enumerate() {
                let part: Vec<f64> = (0..w.used * second.used)
                    .map(|t| self.inverse[(a * WIDEST + t / second.used) * r + b * WIDEST + t % second.used])
                    .collect();
                first.add_combined(w, &part, 1.0);
            }
            for gradient in self.pairs(&first, second) {
                self.known_gradient.iter_mut().zip(gradient).for_each(|(t, v)| *t += v);
            }
        }
        Ok(())
    }

    /// Shat x, and the sums of the pass.
    fn apply(&self, x: &Block) -> (Block, Sums) {
        let k = x.k;
        let scaled: Vec<f64> = x
            .rows()
            .zip(&self.factor)
            .flat_map(|(x, f)| {
                let row: [f64; WIDEST] = std::array::from_fn(|c| if c < k { f * x[c] } else { 0.0 });
                row.into_iter().take(k)
            })
            .collect();
        let sums = operator::pass(self.g, Own::Reduced(&self.reduced), &scaled, k, self.n_threads);
        let mut out = Block { k, used: x.used, data: scaled };
        for (l, (to, x)) in out.data.chunks_exact_mut(k).zip(x.rows()).enumerate() {
            let h = &sums.places[l * k..(l + 1) * k];
            for c in 0..k {
                to[c] = x[c] / self.b[l] + self.factor[l] * h[c];
            }
        }
        (out, sums)
    }

    fn solve_restricted(&self, b: &Block, floor: &[f64], precision: Precision) -> Result<cg::Solved, CoreError> {
        let apply = |x: &Block| {
            let mut out = self.apply(x).0;
            self.deflation.project(&mut out);
            out
        };
        cg::solve(&apply, b, floor, precision, self.watch)
    }

    /// Derivatives of x~'M z~ with respect to each factor's standard deviation, for each vector.
    fn pairs(&self, x: &Block, z: &Block) -> Vec<Vec<f64>> {
        let (hx, hz) = (self.apply(x).1, self.apply(z).1);
        self.pair_derivatives(x, &hx, z, &hz)
    }

    fn pair_derivatives(&self, x: &Block, hx: &Sums, z: &Block, hz: &Sums) -> Vec<Vec<f64>> {
        let (g, k, used) = (self.g, x.k, x.used);
        let mut out = vec![vec![0.0; self.lambda.len()]; used];
        for (i, &f) in g.others.iter().enumerate() {
            for l in g.first[i]..g.first[i + 1] {
                let inverse = 1.0 / self.root[l];
                for (c, out) in out.iter_mut().enumerate() {
                    let at = l * k + c;
                    out[f] += inverse * (x.data[at] * hz.places[at] + z.data[at] * hx.places[at]);
                }
            }
        }
        let own = self.lambda[g.eliminated];
        for (j, d) in self.d.iter().enumerate() {
            let by = 2.0 * own / (d * d);
            for (c, out) in out.iter_mut().enumerate() {
                out[g.eliminated] -= by * hx.levels[j * k + c] * hz.levels[j * k + c];
            }
        }
        out
    }

    /// log|M| but for what probes estimate.
    pub fn known(&self) -> f64 {
        self.known
    }

    /// Its derivatives with respect to the standard deviations.
    pub fn known_gradient(&self) -> &[f64] {
        &self.known_gradient
    }

    /// What some probes say of the rest; derivatives where `with_gradient`.
    ///
    /// # Errors
    /// An interruption, or no convergence.
    pub fn probe(&self, signs: Signs, from: usize, used: usize, with_gradient: bool) -> Result<Vec<Probed>, CoreError> {
        let mut z = signs.block(self.g, from, used);
        let floor = z.dots(&z);
        self.deflation.project(&mut z);
        let length = z.dots(&z);
        let solved = self.solve_restricted(&z, &floor, SAMPLED)?;
        let excess = self.trace - self.deflation.r as f64;
        let gradients = if with_gradient {
            let mut x = solved.x;
            x.data.iter_mut().zip(&z.data).for_each(|(x, z)| *x -= z);
            self.pairs(&x, &z)
        } else {
            vec![Vec::new(); used]
        };
        let each = solved.matrices.iter().zip(gradients).enumerate();
        Ok(each
            .map(|(c, (t, gradient))| {
                let steps = t.diagonal.len();
                let first = t.diagonal.first().map_or(0.0, |t| t - 1.0);
                let log = t.log(steps);
                let truncation = if steps > 2 { length[c] * (log - t.log(steps - 2)) } else { 0.0 };
                Probed { value: length[c] * log - (length[c] * first + excess), truncation, gradient }
            })
            .collect())
    }

    /// Shat^-1 b.
    fn solve_reduced(&self, b: &Block) -> Result<Block, CoreError> {
        let n = b.used;
        let mut rest = b.clone();
        self.deflation.project(&mut rest);
        let mut x = self.solve_restricted(&rest, &b.dots(b), EXACT)?.x;
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

    /// M^-1 of vectors of effects, row by row: of the eliminated factor, and of all places.
    ///
    /// # Errors
    /// An interruption, or no convergence.
    pub fn solve(&self, levels: &[f64], places: &[f64], cols: usize) -> Result<(Vec<f64>, Vec<f64>), CoreError> {
        let (mut x1, mut x2) = (vec![0.0; levels.len()], vec![0.0; places.len()]);
        let own = self.lambda[self.g.eliminated];
        for from in (0..cols).step_by(WIDEST) {
            let used = WIDEST.min(cols - from);
            let (mut a1, mut a2) = (Block::columns(levels, cols, from, used), Block::columns(places, cols, from, used));
            let k = a1.k;
            // right side less that of the eliminated factor
            let mut given = a1.clone();
            given.data.chunks_exact_mut(k).zip(&self.d).for_each(|(t, d)| t.iter_mut().for_each(|t| *t *= own / d));
            let zeros = vec![0.0; a2.data.len()];
            let sums = operator::pass(self.g, Own::Given(&given.data), &zeros, k, self.n_threads);
            for (l, to) in a2.data.chunks_exact_mut(k).enumerate() {
                // lambda / root, and 1 / root
                let (f, inverse) = (self.factor[l], 1.0 / self.root[l]);
                for (t, s) in to.iter_mut().zip(&sums.places[l * k..]) {
                    *t = inverse * *t - f * s;
                }
            }
            let mut solution = self.solve_reduced(&a2)?;
            let (_, sums) = self.apply(&solution);
            for (l, row) in solution.data.chunks_exact_mut(k).enumerate() {
                row.iter_mut().for_each(|x| *x /= self.root[l]);
            }
            for (j, row) in a1.data.chunks_exact_mut(k).enumerate() {
                for (t, m) in row.iter_mut().zip(&sums.levels[j * k..]) {
                    *t = (*t - own * m) / self.d[j];
                }
            }
            a1.write(&mut x1, cols, from);
            solution.write(&mut x2, cols, from);
        }
        Ok((x1, x2))
    }
}
