//! Penalised iteratively reweighted least squares: the passes over the rows and the factors of a
//! step towards the modes of the random effects.
//!
//! h(u) = -sum l_i(eta_i) + u'u/2 with eta = offset + X b + Z L u; with `profiled`, b is part of
//! the unknowns.

use super::design::sum;
use super::quadrature::Rule;
use super::system::GlmmSystem;
use crate::blocks::Factor;
use crate::crossprod::Gram;
use crate::dense::kernels;
use crate::families::{ways_of_repeats, Batch, Derivatives, MoreDerivatives};
use crate::layout::Lambda;
use rayon::prelude::*;

/// Rows of one batch: the unit of work of a family and of its partial sums.
const BATCH: usize = 2048;
/// Newton decrement at which the modes are taken for exact: what is left of their error enters
/// gradients with its square root.
pub(super) const EXACT: f64 = 1e-20;

/// Why the modes could not be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The log-likelihood is not finite at any start.
    Undefined,
    /// The Hessian of h is not positive definite at the mode, no step lowers h, or the work was
    /// stopped.
    NotPositive,
    /// The family failed.
    Family,
}

/// What the work space holds of a Newton system, at the parameters and modes where it was last
/// formed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Held {
    Nothing,
    /// The factor of observed weights.
    Factor,
    /// That factor and its border.
    Border,
}

/// Second-order results of a family, by row.
#[derive(Default)]
pub struct More {
    /// Expected weights.
    pub w: Vec<f64>,
    /// Their derivatives with respect to eta.
    pub dw: Vec<f64>,
    /// Their derivatives with respect to the extra parameters: E n, as in [`MoreDerivatives`].
    pub w_d: Vec<f64>,
    /// Those of l.
    pub l_d: Vec<f64>,
    /// Those of r.
    pub r_d: Vec<f64>,
    /// Those of `wo`.
    pub wo_d: Vec<f64>,
}

/// The part of the log-likelihood that is free of eta at some extra parameters, and its derivatives
/// by their coordinates.
pub struct FreePart {
    extras: Vec<f64>,
    value: f64,
    slope: Vec<f64>,
}

/// Counts after which modes are looked for no more.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    /// Of Newton steps in a fit, which may make `STEPS_EACH` more for each of its evaluations.
    pub steps: usize,
    /// Of passes over the rows of several predictors.
    pub passes: usize,
}

impl Default for Budget {
    /// Without end.
    fn default() -> Self {
        Budget { steps: usize::MAX, passes: usize::MAX }
    }
}

/// Work space of one fit and the state of its last evaluation. Vectors over effects are in
/// elimination order.
pub struct Modes {
    /// Present Lambda.
    pub lambda: Lambda,
    /// Z'WZ for the weights last used.
    pub gram: Gram,
    /// The factor of M = L'Z'WZ L + I.
    pub factor: Factor,
    /// Fixed effects in the changed basis.
    pub beta: Vec<f64>,
    /// Extra parameters of the family.
    pub extras: Vec<f64>,
    /// Spherical random effects.
    pub u: Vec<f64>,
    /// offset + X b.
    pub eta_fixed: Vec<f64>,
    /// Linear predictors; of several those of the first, then of the next, and so in `r`, `wo` and
    /// `dwo` (see [`Kernel`](crate::families::Kernel)).
    pub eta: Vec<f64>,
    /// Log-likelihood of each row, without its free part.
    pub l: Vec<f64>,
    /// dl/deta.
    pub r: Vec<f64>,
    /// Observed weights.
    pub wo: Vec<f64>,
    /// Their derivatives.
    pub dwo: Vec<f64>,
    /// Second-order results, where asked for.
    pub more: More,
    /// Z'r.
    pub zr: Vec<f64>,
    /// X'WX and R^-1 L'Z'WX, and the Cholesky factor of the Schur complement, at the last bordered
    /// solve.
    pub xwx: Vec<f64>,
    /// See `xwx`.
    pub rzx: Vec<f64>,
    /// See `xwx`.
    pub rx: Vec<f64>,
    /// The part of the log-likelihood that is free of eta, where it was last computed.
    pub free: Option<FreePart>,
    /// Newton steps since the work space was made.
    pub steps: usize,
    /// Passes over rows of several predictors since then.
    pub(super) passes: usize,
    /// How many of both there may be.
    pub(super) budget: Budget,
    /// The quadrature rule last used.
    pub(super) rule: Option<Rule>,
    pub(super) held: Held,
    pub(super) n_threads: usize,
    pub(super) lu: Vec<f64>,
    pub(super) grad: Vec<f64>,
    pub(super) delta: Vec<f64>,
    pub(super) scratch: Vec<f64>,
    pub(super) rows: Vec<f64>,
    pub(super) grad_beta: Vec<f64>,
    delta_beta: Vec<f64>,
}

impl Modes {
    /// Work space for a model.
    pub fn new(g: &GlmmSystem, n_threads: usize) -> Self {
        let (n, q, p) = (g.n, g.layout.q(), g.p());
        let rows = || vec![0.0; n];
        let m = g.family.predictors();
        let by = |times: usize| vec![0.0; times * n];
        Modes {
            lambda: g.layout.zero_lambda(),
            gram: g.gram.clone(),
            factor: Factor::new(&g.layout.sym, n_threads),
            beta: vec![0.0; p],
            extras: vec![1.0; g.n_extras()],
            u: vec![0.0; q],
            eta_fixed: by(m),
            eta: by(m),
            l: rows(),
            r: by(m),
            wo: by(m * (m + 1) / 2),
            dwo: by(m * (m + 1) * (m + 2) / 6),
            more: More::default(),
            zr: vec![0.0; q],
            xwx: vec![0.0; p * p],
            rzx: Vec::new(),
            rx: vec![0.0; p * p],
            free: None,
            steps: 0,
            passes: 0,
            budget: Budget::default(),
            rule: None,
            held: Held::Nothing,
            n_threads,
            lu: vec![0.0; q],
            grad: vec![0.0; q],
            delta: vec![0.0; q],
            scratch: vec![0.0; q],
            rows: rows(),
            grad_beta: vec![0.0; p],
            delta_beta: vec![0.0; p],
        }
    }

    /// Forgets the modes and the factor, so that what follows does not depend on what was done
    /// before.
    pub fn forget(&mut self) {
        self.u.fill(0.0);
        self.held = Held::Nothing;
    }

    /// eta_fixed for the present fixed effects.
    pub fn set_fixed(&mut self, g: &GlmmSystem) {
        if g.family.kernel().is_some() {
            return self.set_fixed_parts(g);
        }
        self.eta_fixed.copy_from_slice(&g.offset);
        g.add_fixed(&self.beta, &mut self.eta_fixed);
    }

    /// eta and the family's results at the present u; returns h less the free part of the
    /// log-likelihood.
    pub fn rows_pass(&mut self, g: &GlmmSystem) -> f64 {
        g.layout.lambda_times(&self.lambda, &self.u, 1, &mut self.lu);
        let (lu, fixed, extras) = (&self.lu, &self.eta_fixed, &self.extras);
        let batch = if g.family.takes_all_rows() { g.n.max(1) } else { BATCH };
        let work = |(i, ((((eta, l), r), wo), dwo)): (usize, Slices<'_>)| -> f64 {
            let range = i * batch..i * batch + eta.len();
            eta.copy_from_slice(&fixed[range.clone()]);
            g.add_random(lu, range.clone(), eta);
            let b = Batch { y: &g.y[range.clone()], w: &g.weights[range], eta, extras };
            g.family.derivatives(b, Derivatives { l, r, wo, dwo });
            sum(l)
        };
        let total: f64 = if self.n_threads > 1 && g.n > 4 * batch {
            let parts: Vec<f64> = self
                .eta
                .par_chunks_mut(batch)
                .zip(self.l.par_chunks_mut(batch))
                .zip(self.r.par_chunks_mut(batch))
                .zip(self.wo.par_chunks_mut(batch))
                .zip(self.dwo.par_chunks_mut(batch))
                .enumerate()
                .map(work)
                .collect();
            parts.iter().sum()
        } else {
            self.eta
                .chunks_mut(batch)
                .zip(self.l.chunks_mut(batch))
                .zip(self.r.chunks_mut(batch))
                .zip(self.wo.chunks_mut(batch))
                .zip(self.dwo.chunks_mut(batch))
                .enumerate()
                .map(work)
                .sum()
        };
        0.5 * self.u.iter().map(|v| v * v).sum::<f64>() - total
    }

    /// The part of the log-likelihood that is free of eta and its derivatives with respect to the
    /// extra parameters, computed once for each.
    pub fn free_part(&mut self, g: &GlmmSystem) -> (f64, Vec<f64>) {
        match &self.free {
            Some(f) if f.extras == self.extras => (f.value, f.slope.clone()),
            _ => {
                let mut slope = vec![0.0; self.extras.len()];
                let value = match &g.repeats {
                    Some(repeats) => ways_of_repeats(&*g.family, &g.y, &g.weights, repeats),
                    None => g.family.free_part(&g.y, &g.weights, &self.extras, &mut slope),
                };
                self.free = Some(FreePart { extras: self.extras.clone(), value, slope: slope.clone() });
                (value, slope)
            }
        }
    }

    /// Expected weights and derivatives with respect to the extra parameters at the present eta.
    pub fn more_pass(&mut self, g: &GlmmSystem) {
        let (n, all) = (g.n, g.n * g.n_extras());
        let m = &mut self.more;
        if m.w.len() != n || m.w_d.len() != all {
            *m = More {
                w: vec![0.0; n],
                dw: vec![0.0; n],
                w_d: vec![0.0; all],
                l_d: vec![0.0; all],
                r_d: vec![0.0; all],
                wo_d: vec![0.0; all],
            };
        }
        let b = Batch { y: &g.y, w: &g.weights, eta: &self.eta, extras: &self.extras };
        let out = MoreDerivatives {
            w: &mut m.w,
            dw: &mut m.dw,
            w_d: &mut m.w_d,
            l_d: &mut m.l_d,
            r_d: &mut m.r_d,
            wo_d: &mut m.wo_d,
        };
        g.family.more_derivatives(b, out);
    }

    /// Factors L'Z'WoZL + I at the present rows.
    pub fn factorise_observed(&mut self, g: &GlmmSystem) -> Result<(), Failure> {
        self.held = Held::Nothing;
        g.weighted_gram(&self.wo, &mut self.gram);
        self.factor.factorise(&self.gram, &self.lambda, &mut [], 0).map_err(|_| Failure::NotPositive)?;
        self.held = Held::Factor;
        Ok(())
    }

    /// The same with expected weights, from the last [`Modes::more_pass`].
    pub fn factorise_expected(&mut self, g: &GlmmSystem) -> Result<(), Failure> {
        self.held = Held::Nothing;
        g.weighted_gram(&self.more.w, &mut self.gram);
        self.factor.factorise(&self.gram, &self.lambda, &mut [], 0).map_err(|_| Failure::NotPositive)
    }

    /// Borders the factor with X: R^-1 L'Z'WX, X'WX and the factor of the Schur complement.
    pub fn border(&mut self, g: &GlmmSystem, expected: bool) -> Result<(), Failure> {
        let (p, q) = (g.p(), g.layout.q());
        let mut zwx = std::mem::take(&mut self.rzx);
        zwx.resize(q * p, 0.0);
        let w = if expected { &self.more.w } else { &self.wo };
        if g.family.kernel().is_some() {
            g.weighted_parts(w, p, &mut self.xwx, &mut zwx);
        } else {
            g.weighted_fixed(w, p, &mut self.xwx, &mut zwx);
        }
        let mut out = vec![0.0; q * p];
        g.layout.lambda_transposed_times(&self.lambda, &zwx, p, &mut out);
        self.factor.forward(&mut out, p);
        self.rzx = out;
        self.rx.copy_from_slice(&self.xwx);
        for row in self.rzx.chunks_exact(p.max(1)) {
            for i in 0..p {
                for j in 0..=i {
                    self.rx[i * p + j] -= row[i] * row[j];
                }
            }
        }
        let plain = self.rx.clone();
        let mut ridge = 0.0;
        for _ in 0..8 {
            for i in 0..p {
                self.rx[i * p + i] += ridge * self.xwx[i * p + i].max(1e-12);
            }
            if kernels::cholesky::<0>(&mut self.rx, p) {
                if self.held == Held::Factor && !expected {
                    self.held = Held::Border;
                }
                return Ok(());
            }
            ridge = if ridge == 0.0 { 1e-12 } else { ridge * 100.0 };
            self.rx.copy_from_slice(&plain);
        }
        Err(Failure::NotPositive)
    }

    /// Solves the (bordered) Newton system in place: `a` over effects, `b` over fixed effects.
    pub fn solve_bordered(&self, a: &mut [f64], b: &mut [f64]) {
        let p = b.len();
        self.factor.forward(a, 1);
        for (row, v) in self.rzx.chunks_exact(p.max(1)).zip(a.iter()) {
            for (t, x) in b.iter_mut().zip(row) {
                *t -= x * v;
            }
        }
        kernels::forward::<0>(&self.rx, p, b, 1);
        kernels::backward::<0>(&self.rx, p, b, 1);
        for (row, v) in self.rzx.chunks_exact(p.max(1)).zip(a.iter_mut()) {
            *v -= row.iter().zip(b.iter()).map(|(x, b)| x * b).sum::<f64>();
        }
        self.factor.backward(a, 1);
    }

    /// Solves with the factor alone, in place.
    pub fn solve_plain(&self, a: &mut [f64]) {
        self.factor.solve(a, 1);
    }

    /// The step of the (bordered) system at hand from the present gradients, and its decrement.
    pub(super) fn direction(&mut self, profiled: bool) -> f64 {
        let mut delta = std::mem::take(&mut self.delta);
        let mut delta_beta = std::mem::take(&mut self.delta_beta);
        delta.copy_from_slice(&self.grad);
        let mut decrement = 0.0;
        if profiled {
            delta_beta.copy_from_slice(&self.grad_beta);
            self.solve_bordered(&mut delta, &mut delta_beta);
            decrement += self.grad_beta.iter().zip(&delta_beta).map(|(a, b)| a * b).sum::<f64>();
        } else {
            self.solve_plain(&mut delta);
        }
        decrement += self.grad.iter().zip(&delta).map(|(a, b)| a * b).sum::<f64>();
        self.delta = delta;
        self.delta_beta = delta_beta;
        decrement
    }

    /// Goes from `u` and `beta` along the direction.
    pub(super) fn move_by(&mut self, g: &GlmmSystem, u: &[f64], beta: &[f64], t: f64, profiled: bool) {
        self.u.iter_mut().zip(u).zip(&self.delta).for_each(|((x, u), d)| *x = u + t * d);
        if profiled {
            self.beta.iter_mut().zip(beta).zip(&self.delta_beta).for_each(|((x, b), d)| *x = b + t * d);
            self.set_fixed(g);
        }
    }
}

type Slices<'a> = ((((&'a mut [f64], &'a mut [f64]), &'a mut [f64]), &'a mut [f64]), &'a mut [f64]);
