//! Results in the units of the columns as given.

use super::fit::Fit;
use super::pirls::{Failure, Modes};
use super::system::GlmmSystem;
use crate::blocks::PathSolver;
use crate::dense::kernels;
use crate::layout::FactorSize;
use crate::optimize::trust_region::Eigen;
use crate::rows::NewRows;
use crate::watch::is_stopped;

/// Estimates at one point; the work space must stand at its modes.
#[derive(Clone, Debug)]
pub struct Solution {
    /// Fixed effects of the kept columns.
    pub beta: Vec<f64>,
    /// Linear predictors, offset included; of several those of the first, then of the next.
    pub eta: Vec<f64>,
    /// Means; NaN where rows have several predictors.
    pub mu: Vec<f64>,
    /// Log-likelihood given the modes, all constants included.
    pub conditional_loglik: f64,
    /// u'u.
    pub penalty: f64,
    /// log det M.
    pub log_det: f64,
    /// Spherical random effects: for each factor, levels x effects.
    pub u: Vec<Vec<f64>>,
    /// Random effects: for each factor, levels x effects.
    pub b: Vec<Vec<f64>>,
    /// Covariance of the fixed effects at known theta (from the bordered system of working
    /// weights).
    pub vcov_profiled: Vec<f64>,
}

impl Modes {
    /// Spherical random effects: for each factor, levels x effects.
    pub fn spherical_effects(&self, g: &GlmmSystem) -> Vec<Vec<f64>> {
        let of_factor = |(f, size): (usize, &FactorSize)| {
            (0..size.n_levels).flat_map(|l| self.u[g.layout.first_row(f, l)..][..size.k].iter().copied()).collect()
        };
        g.layout.factors.iter().enumerate().map(of_factor).collect()
    }

    /// Results at the present modes.
    ///
    /// # Errors
    /// Where the system cannot be factored.
    pub fn solution(&mut self, g: &GlmmSystem) -> Result<Solution, Failure> {
        let p = g.p();
        let free = self.free_part(g).0;
        let mut mu = vec![f64::NAN; g.n];
        if g.family.kernel().is_none() {
            g.family.means(&self.eta, &mut mu);
        }
        let log_det = self.factor.log_det();
        let mut s = vec![0.0; p * p];
        if p > 0 {
            let bordered = self.border(g, false);
            if bordered.is_err() && g.family.kernel().is_some() {
                self.rx.fill(f64::NAN);
            } else if bordered.is_err() {
                // away from the estimates the observed weights may not do
                self.more_pass(g);
                self.factorise_expected(g)?;
                self.border(g, true)?;
            }
            kernels::inverse_of_product::<0>(&self.rx, p, &mut s);
        }
        Ok(Solution {
            beta: g.layout.basis.beta_to_given(&self.beta),
            eta: self.eta.chunks_exact(g.n.max(1)).flat_map(|e| g.in_given_order(e)).collect(),
            mu: g.in_given_order(&mu),
            conditional_loglik: self.l.iter().sum::<f64>() + free,
            penalty: self.u.iter().map(|v| v * v).sum(),
            log_det,
            u: self.spherical_effects(g),
            b: g.layout.effects(&self.lambda, &self.u),
            vcov_profiled: g.layout.vcov(&s),
        })
    }
}

impl Fit {
    /// Hessian of the objective in (theta, beta as given, coordinates of the extra parameters).
    pub fn given_hessian(&self, g: &GlmmSystem) -> Option<Vec<f64>> {
        let h = self.hessian.as_ref()?;
        let n = self.coordinates.len();
        let inverse = inverted(&self.coordinates.jacobian(g), n)?;
        let mut t = vec![0.0; n * n];
        kernels::multiply(h, &inverse, n, n, n, &mut t);
        let mut out = vec![0.0; n * n];
        kernels::transposed_multiply(&inverse, &t, n, n, n, &mut out);
        Some(out)
    }

    /// Gradient of the objective in the same parameters.
    pub fn given_gradient(&self, g: &GlmmSystem) -> Option<Vec<f64>> {
        let n = self.coordinates.len();
        if self.gradient.len() != n {
            return None;
        }
        let inverse = inverted(&self.coordinates.jacobian(g), n)?;
        let mut out = vec![0.0; n];
        kernels::transposed_multiply(&inverse, &self.gradient, n, n, 1, &mut out);
        Some(out)
    }

    /// Covariance matrix of the same parameters: twice the inverse Hessian. Parameters at zero that
    /// have no first-order effect have rows of NaN. None where the Hessian is not positive definite
    /// in the rest.
    pub fn covariance(&self, g: &GlmmSystem) -> Option<Vec<f64>> {
        let h = self.hessian.as_ref()?;
        let n = self.coordinates.len();
        let null = null_parameters(g, &self.point.theta);
        let used: Vec<usize> = (0..n).filter(|&i| !null.get(i).copied().unwrap_or(false)).collect();
        let m = used.len();
        let part: Vec<f64> = (0..m * m).map(|t| h[used[t / m] * n + used[t % m]]).collect();
        let e = Eigen::of(&part, m)?;
        if m > 0 && e.values[0] <= 0.0 {
            return None;
        }
        let mut cov = vec![0.0; n * n];
        for a in 0..m {
            for b in 0..m {
                cov[used[a] * n + used[b]] =
                    (0..m).map(|c| 2.0 * e.vectors[a * m + c] * e.vectors[b * m + c] / e.values[c]).sum();
            }
        }
        let j = self.coordinates.jacobian(g);
        let mut t = vec![0.0; n * n];
        kernels::multiply(&j, &cov, n, n, n, &mut t);
        let mut out = vec![0.0; n * n];
        for a in 0..n {
            for b in 0..n {
                let unknown = |i: usize| null.get(i).copied().unwrap_or(false);
                out[a * n + b] =
                    if unknown(a) || unknown(b) { f64::NAN } else { (0..n).map(|c| t[a * n + c] * j[b * n + c]).sum() };
            }
        }
        Some(out)
    }
}

/// Which entries of theta have no first-order effect: those that belong to columns of lambda that
/// are zero, or do nothing at all, and those that are at a bound.
pub(super) fn null_parameters(g: &GlmmSystem, theta: &[f64]) -> Vec<bool> {
    let mut out = vec![false; theta.len()];
    for (f, layouts) in g.layout.terms.iter().enumerate() {
        for (t, tl) in layouts.iter().enumerate() {
            let (k, m, own) = (tl.k, tl.n_theta, &theta[tl.own()]);
            let bounds = g.layout.term_bounds(f, t).map(|b| b.0);
            let mut lambda = vec![0.0; k * k];
            tl.structure.lambda(own, k, &mut lambda);
            for a in 0..m {
                let mut unit = vec![0.0; m];
                unit[a] = 1.0;
                let mut dl = vec![0.0; k * k];
                tl.structure.push(own, &unit, k, &mut dl);
                let touches = |j: usize, l: &[f64]| (0..k).any(|i| l[i * k + j] != 0.0);
                let at_bound = bounds.as_ref().is_some_and(|b| b.inward(a, own[a]).is_some());
                out[tl.theta + a] = at_bound || (0..k).filter(|&j| touches(j, &dl)).all(|j| !touches(j, &lambda));
            }
        }
    }
    out
}

/// Inverse of a small matrix by Gauss-Jordan elimination with row pivoting.
fn inverted(a: &[f64], n: usize) -> Option<Vec<f64>> {
    let mut a = a.to_vec();
    let mut out = vec![0.0; n * n];
    (0..n).for_each(|i| out[i * n + i] = 1.0);
    for c in 0..n {
        let pivot = (c..n).max_by(|&i, &j| a[i * n + c].abs().total_cmp(&a[j * n + c].abs()))?;
        if a[pivot * n + c] == 0.0 {
            return None;
        }
        for j in 0..n {
            a.swap(c * n + j, pivot * n + j);
            out.swap(c * n + j, pivot * n + j);
        }
        let d = 1.0 / a[c * n + c];
        for j in 0..n {
            a[c * n + j] *= d;
            out[c * n + j] *= d;
        }
        for i in (0..n).filter(|&i| i != c) {
            let f = a[i * n + c];
            if f != 0.0 {
                for j in 0..n {
                    a[i * n + j] -= f * a[c * n + j];
                    out[i * n + j] -= f * out[c * n + j];
                }
            }
        }
    }
    Some(out)
}

/// New rows whose variances are found together.
const GROUP: usize = 128;

/// Variance of x'(beta^ - beta) + z'(b^ - b) for new rows, at the modes in `m`: the conditional
/// variance of b, and the effect of the errors of the parameters on x'beta^ + z'b^. Of rows with
/// several predictors x and z hold zeros for the others. `covariance` is
/// of (theta, beta, coordinates of all extra parameters or of none), or of beta alone; NaN counts
/// as zero (a parameter at the boundary, or one that is held).
///
/// # Errors
/// Where the system cannot be factored.
pub fn predict_variance(
    g: &GlmmSystem,
    m: &mut Modes,
    covariance: &[f64],
    x: &[&[f64]],
    factors: &[NewRows<'_>],
    n_rows: usize,
) -> Result<Vec<f64>, Failure> {
    let (p, nt, q) = (g.p(), g.n_theta(), g.layout.q());
    let order = covariance.len().isqrt();
    let only_beta = order == p;
    let first = if only_beta { 0 } else { nt };
    if !only_beta && order > nt + p {
        m.more_pass(g);
    }
    // change to the basis of x here: rows and columns of beta
    let mut cov: Vec<f64> = covariance.iter().map(|v| if v.is_nan() { 0.0 } else { *v }).collect();
    for _ in 0..2 {
        for r in 0..order {
            let row = &mut cov[r * order + first..r * order + first + p];
            let changed = g.beta_from_given(row);
            row.copy_from_slice(&changed);
        }
        for i in 0..order {
            for j in 0..i {
                cov.swap(i * order + j, j * order + i);
            }
        }
    }
    // effects of the parameters on u and b, by scalar row
    let mut du = vec![0.0; q * order];
    let mut explicit = vec![0.0; q * order];
    let several = !g.parts.is_empty();
    let m_rows = g.n * if several { g.family.predictors() } else { 1 };
    let mut row_scratch = vec![0.0; m_rows];
    // Z'WX of the fixed effects of several predictors
    let mut zwx = vec![0.0; if several { q * p } else { 0 }];
    if several && first < order {
        g.weighted_parts(&m.wo, p, &mut vec![0.0; p * p], &mut zwx);
    }
    let (mut a, mut b) = (vec![0.0; q], vec![0.0; q]);
    let given: Vec<Vec<f64>> = (0..g.layout.terms.len()).map(|f| g.layout.given_lambda(&m.lambda, f)).collect();
    let lambda = m.lambda.clone();
    let (theta, _) = g.layout.theta_from_lambda(&lambda);
    for c in 0..order {
        a.fill(0.0);
        if several && c >= first && c < first + p {
            (0..q).for_each(|i| b[i] = -zwx[i * p + c - first]);
            g.layout.lambda_transposed_times(&lambda, &b, 1, &mut a);
        } else if c >= first && c < first + p {
            for (t, (w, x)) in row_scratch.iter_mut().zip(m.wo.iter().zip(g.x.chunks_exact(p))) {
                *t = -w * x[c - first];
            }
            g.random_transposed(&row_scratch, &mut b);
            g.layout.lambda_transposed_times(&lambda, &b, 1, &mut a);
        } else if c < first {
            let mut unit = vec![0.0; nt];
            unit[c] = 1.0;
            let dl = g.layout.push(&theta, &unit);
            let dg: Vec<Vec<f64>> = (0..g.layout.terms.len()).map(|f| g.layout.given_lambda(&dl, f)).collect();
            g.layout.lambda_times(&dg, &m.u, 1, &mut b);
            (0..q).for_each(|i| explicit[i * order + c] = b[i]);
            g.layout.lambda_times(&dl, &m.u, 1, &mut b);
            row_scratch.fill(0.0);
            if several {
                g.add_effects(&b, &mut row_scratch);
                let moved = g.times_pairs(&m.wo, &row_scratch);
                g.effects_transposed(&moved, &mut b);
            } else {
                g.add_random(&b, 0..g.n, &mut row_scratch);
                row_scratch.iter_mut().zip(&m.wo).for_each(|(t, w)| *t *= -w);
                g.random_transposed(&row_scratch, &mut b);
            }
            g.layout.lambda_transposed_times(&lambda, &b, 1, &mut a);
            g.layout.lambda_transposed_times(&dl, &m.zr, 1, &mut b);
            a.iter_mut().zip(&b).for_each(|(a, b)| *a += b);
        } else {
            let e = c - first - p;
            g.random_transposed(&m.more.r_d[e * g.n..(e + 1) * g.n], &mut b);
            g.layout.lambda_transposed_times(&lambda, &b, 1, &mut a);
        }
        m.solve_plain(&mut a);
        (0..q).for_each(|i| du[i * order + c] = a[i]);
    }
    let mut db = vec![0.0; q * order];
    g.layout.lambda_times(&given, &du, order, &mut db);
    db.iter_mut().zip(&explicit).for_each(|(a, b)| *a += b);

    let mut out = vec![0.0; n_rows];
    let mut paths = PathSolver::new(&m.factor, 1);
    let (mut given_x, mut changed_x, mut effect) = (vec![0.0; p], vec![0.0; p], vec![0.0; order]);
    for start in (0..n_rows).step_by(GROUP) {
        if is_stopped() {
            break;
        }
        let stop = (start + GROUP).min(n_rows);
        paths.begin(stop - start);
        for r in start..stop {
            for (t, x) in given_x.iter_mut().zip(x) {
                *t = x[r];
            }
            // only the linear part of the change of basis: x'beta is the same in both
            g.layout.basis.x_row(&given_x, &mut changed_x);
            effect.fill(0.0);
            effect[first..first + p].copy_from_slice(&changed_x);
            for (f, new) in factors.iter().enumerate() {
                let k = g.effects[f].k;
                let places = new.members.map_or(r..r + 1, |m| m.of_row(r));
                for at in places.filter(|&at| new.codes[at] >= 0) {
                    let (level, weight) = (new.codes[at] as usize, new.members.map_or(1.0, |m| m.weight[at]));
                    let z: Vec<f64> = new.z.iter().map(|z| weight * z[r]).collect();
                    for (i, z) in z.iter().enumerate() {
                        let row = g.layout.first_row(f, level) + i;
                        effect.iter_mut().zip(&db[row * order..(row + 1) * order]).for_each(|(e, d)| *e += z * d);
                    }
                    let mut v = vec![0.0; k];
                    kernels::transposed_multiply(&given[f], &z, k, k, 1, &mut v);
                    paths.place(r - start, f, level, &v);
                }
            }
            paths.run(r - start, |_, v| out[r] += v[0] * v[0]);
            for i in 0..order {
                for j in 0..order {
                    out[r] += effect[i] * cov[i * order + j] * effect[j];
                }
            }
        }
        for row in paths.finish().1.chunks_exact(stop - start) {
            out[start..stop].iter_mut().zip(row).for_each(|(o, v)| *o += v * v);
        }
    }
    Ok(out)
}
