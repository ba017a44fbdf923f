//! Quasi-Newton steps in a trust region, for an objective with an exact gradient that costs much
//! more than linear algebra in its few parameters. The Hessian may become indefinite: it is updated
//! by BFGS where the curvature along the step is positive, else by the symmetric rank-one formula.

use super::bounds::Bounds;
use super::trust_region::{self, Eigen, Policy, Trial, Verdict};
use crate::dense::kernels;
use crate::error::CoreError;

/// What becomes of steps.
const POLICY: Policy = Policy { hidden: 8.0, rejected: 0.3, undefined: 0.2, smallest: 1e-12 };
/// Rounding error of the objective by its own size.
const ROUNDING: f64 = 1e-13;

/// Objective and gradient; none where the objective is not defined.
pub type Evaluated = Result<Option<(f64, Vec<f64>)>, CoreError>;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The Newton decrement is below the tolerance.
    Converged,
    /// The limit on evaluations was reached.
    MaxEvaluations,
    /// No step lowers the objective.
    NoProgress,
}

/// The state of a minimisation.
pub struct QuasiNewton {
    /// Present point.
    pub x: Vec<f64>,
    /// Objective there.
    pub f: f64,
    /// Gradient there.
    pub g: Vec<f64>,
    /// Approximate Hessian, row-major.
    pub h: Vec<f64>,
    /// Radius of the trust region.
    pub radius: f64,
    /// Newton decrement at the last step.
    pub decrement: f64,
    /// Rounding error of the objective where it is larger than its own size tells, as in a
    /// difference of large numbers.
    pub noise: f64,
    /// Bounds of the parameters.
    pub bounds: Bounds,
    /// Whether the Hessian is exact, so that its curvature may send parameters away from their
    /// bounds.
    pub exact: bool,
}

impl QuasiNewton {
    /// From a point with its objective, gradient and a first Hessian.
    pub fn new(x: Vec<f64>, f: f64, g: Vec<f64>, h: Vec<f64>) -> Self {
        QuasiNewton {
            x,
            f,
            g,
            h,
            radius: 1.0,
            decrement: f64::INFINITY,
            noise: 0.0,
            bounds: Bounds::default(),
            exact: false,
        }
    }

    /// Steps until the decrement is below `tolerance` or `limit` evaluations have been made in this
    /// run.
    ///
    /// # Errors
    /// What `evaluate` returns.
    pub fn run(
        &mut self,
        tolerance: f64,
        limit: usize,
        evaluate: &mut dyn FnMut(&[f64]) -> Evaluated,
    ) -> Result<Outcome, CoreError> {
        let n = self.x.len();
        let mut used = 0;
        loop {
            let (mut s, mut predicted, mut edge) = (Vec::new(), 0.0, false);
            let mut length = f64::INFINITY;
            let (mut g, mut h, mut sent) = (Vec::new(), Vec::new(), false);
            if !self.bounds.is_empty() {
                (g, h) = (self.g.clone(), self.h.clone());
                sent = self.exact && self.bounds.promise(&self.x, &g, &h) > tolerance;
                self.bounds.hold(&self.x, &mut g, &mut h);
            }
            let (g, h) = if self.bounds.is_empty() { (&self.g, &self.h) } else { (&g, &h) };
            if let Some((newton, decrement)) = newton_step(g, h) {
                length = newton.iter().map(|v| v * v).sum::<f64>().sqrt();
                self.decrement = decrement;
                (s, predicted) = (newton, -0.5 * decrement);
            }
            if length > self.radius && (s.is_empty() || self.decrement >= tolerance || sent) {
                let Some(eigen) = Eigen::of(h, n) else {
                    return Ok(Outcome::NoProgress);
                };
                self.decrement = eigen.decrement(g);
                if (self.decrement >= tolerance || sent) && used < limit {
                    (s, predicted, edge) = trust_region::step(g, &eigen, self.radius);
                    length = s.iter().map(|v| v * v).sum::<f64>().sqrt();
                }
            }
            if self.decrement < tolerance && !sent {
                return Ok(Outcome::Converged);
            }
            if used >= limit {
                return Ok(Outcome::MaxEvaluations);
            }
            if self.bounds.clip(&self.x, &mut s) {
                predicted = trust_region::predicted(g, h, &s);
                let full = length;
                length = s.iter().map(|v| v * v).sum::<f64>().sqrt();
                if predicted >= 0.0 {
                    self.radius = POLICY.rejected * full;
                    if self.radius < POLICY.smallest {
                        return Ok(Outcome::NoProgress);
                    }
                    continue;
                }
            }
            let trial: Vec<f64> = self.x.iter().zip(&s).map(|(x, s)| x + s).collect();
            used += 1;
            let found = evaluate(&trial)?;
            let after = found.as_ref().map_or(f64::INFINITY, |(f, _)| *f);
            if let Some((_, g)) = &found {
                self.update(&s, g);
            }
            let noise = self.noise.max(ROUNDING * (1.0 + self.f.abs()));
            let tried = Trial { before: self.f, after, predicted, length, edge, noise };
            match (POLICY.judge(tried, &mut self.radius), found) {
                (Verdict::Taken { .. }, Some((f, g))) => (self.x, self.f, self.g) = (trial, f, g),
                (Verdict::Exhausted, _) => return Ok(Outcome::NoProgress),
                _ => {}
            }
        }
    }

    /// Corrects the Hessian so that it maps the step to the change of the gradient.
    fn update(&mut self, s: &[f64], g_new: &[f64]) {
        let n = s.len();
        let y: Vec<f64> = g_new.iter().zip(&self.g).map(|(a, b)| a - b).collect();
        let bs: Vec<f64> = (0..n).map(|i| (0..n).map(|j| self.h[i * n + j] * s[j]).sum()).collect();
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
        let (sy, sbs) = (dot(s, &y), dot(s, &bs));
        let (ss, yy) = (dot(s, s), dot(&y, &y));
        if !yy.is_finite() || ss == 0.0 {
            return;
        }
        if sy > 1e-6 * (ss * yy).sqrt() && sbs > 0.0 {
            for i in 0..n {
                for j in 0..n {
                    self.h[i * n + j] += y[i] * y[j] / sy - bs[i] * bs[j] / sbs;
                }
            }
            return;
        }
        let d: Vec<f64> = y.iter().zip(&bs).map(|(a, b)| a - b).collect();
        let sd = dot(s, &d);
        if sd.abs() > 1e-8 * (ss * dot(&d, &d)).sqrt() {
            for i in 0..n {
                for j in 0..n {
                    self.h[i * n + j] += d[i] * d[j] / sd;
                }
            }
        }
    }
}

/// The Newton step and its decrement, where the Hessian is safely positive definite.
fn newton_step(g: &[f64], h: &[f64]) -> Option<(Vec<f64>, f64)> {
    let n = g.len();
    let mut factor = h.to_vec();
    if n == 0 || !kernels::cholesky::<0>(&mut factor, n) {
        return None;
    }
    let pivots = (0..n).map(|i| factor[i * n + i].powi(2) / h[i * n + i]);
    if !pivots.fold(f64::INFINITY, f64::min).gt(&1e-10) {
        return None;
    }
    let mut s: Vec<f64> = g.iter().map(|g| -g).collect();
    kernels::forward::<0>(&factor, n, &mut s, 1);
    let decrement = s.iter().map(|v| v * v).sum::<f64>();
    kernels::backward::<0>(&factor, n, &mut s, 1);
    decrement.is_finite().then_some((s, decrement))
}

#[cfg(test)]
mod tests {
    use super::{Outcome, QuasiNewton};

    #[test]
    fn minimises_rosenbrock() {
        let f = |x: &[f64]| {
            let (a, b) = (1.0 - x[0], x[1] - x[0] * x[0]);
            (a * a + 100.0 * b * b, vec![-2.0 * a - 400.0 * x[0] * b, 200.0 * b])
        };
        let x = vec![-1.2, 1.0];
        let (v, g) = f(&x);
        let mut q = QuasiNewton::new(x, v, g, vec![1.0, 0.0, 0.0, 1.0]);
        let end = q.run(1e-14, 200, &mut |x| Ok(Some(f(x)))).unwrap();
        assert_eq!(end, Outcome::Converged);
        assert!((q.x[0] - 1.0).abs() < 1e-6 && (q.x[1] - 1.0).abs() < 1e-6);
    }
}
