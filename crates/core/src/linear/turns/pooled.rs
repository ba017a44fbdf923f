//! Nonlinear least squares without random effects, by Levenberg and Marquardt.

use super::curve_rows::CurveRows;
use crate::dense::kernels;
use crate::error::CoreError;
use crate::watch::Watch;

/// Steps at most, and the relative fall of the sum of squares that ends them.
const STEPS: usize = 200;
const SETTLED: f64 = 1e-10;
/// Damping at the start, when a step helps and when it does not, and its limits.
const DAMPING: f64 = 1e-3;
const EASED: f64 = 0.2;
const RAISED: f64 = 8.0;
const LEAST: f64 = 1e-15;
const MOST: f64 = 1e12;

/// Where it ended.
#[derive(Clone, Debug)]
pub struct Pooled {
    /// Fixed effects.
    pub beta: Vec<f64>,
    /// Root mean square of the weighted residuals; infinite where the curve is no number.
    pub sigma: f64,
}

struct Squares {
    total: f64,
    gram: Vec<f64>,
    right: Vec<f64>,
}

impl CurveRows<'_> {
    /// From fixed effects on; these themselves where the sum of squares cannot be lowered.
    ///
    /// # Errors
    /// [`CoreError::Interrupted`] when `watch` says so.
    pub fn pooled(&self, beta: &[f64], watch: &dyn Watch) -> Result<Pooled, CoreError> {
        let p = beta.len();
        let zeros = self.zeros();
        let mut beta = beta.to_vec();
        let mut here = self.squares(&beta, &zeros);
        let mut damping = DAMPING;
        for _ in 0..STEPS {
            let mut next = None;
            while damping < MOST {
                watch.check()?;
                let trial =
                    step(&here, p, damping).map(|s| beta.iter().zip(&s).map(|(b, s)| b + s).collect::<Vec<_>>());
                if let Some(trial) = trial {
                    let there = self.squares(&trial, &zeros);
                    if there.total < here.total && there.gram.iter().all(|v| v.is_finite()) {
                        next = Some((trial, there));
                        break;
                    }
                }
                damping *= RAISED;
            }
            let Some((trial, there)) = next else { break };
            let fall = here.total - there.total;
            (beta, here) = (trial, there);
            damping = (damping * EASED).max(LEAST);
            if fall <= SETTLED * here.total {
                break;
            }
        }
        Ok(Pooled { beta, sigma: (here.total / self.n().max(1) as f64).sqrt() })
    }

    /// The sum of squares with the cross-products of the slopes in the fixed effects.
    fn squares(&self, beta: &[f64], zeros: &[Vec<f64>]) -> Squares {
        let (n, p) = (self.n(), beta.len());
        let near = self.linearised(beta, zeros);
        let total = self.residual_squares(&near.values);
        let weight = |i: usize| self.rows.weights.map_or(1.0, |w| w[i]);
        let x = near.x();
        let (mut gram, mut right) = (vec![0.0; p * p], vec![0.0; p]);
        for i in 0..n {
            let (w, e) = (weight(i), self.rows.y[i] - near.values[i]);
            for a in 0..p {
                let xa = w * x[a][i];
                right[a] += xa * e;
                (0..=a).for_each(|b| gram[a * p + b] += xa * x[b][i]);
            }
        }
        for a in 0..p {
            (0..a).for_each(|b| gram[b * p + a] = gram[a * p + b]);
        }
        Squares { total, gram, right }
    }
}

/// The damped step in units of the slopes; none where it cannot be solved.
fn step(of: &Squares, p: usize, damping: f64) -> Option<Vec<f64>> {
    let size: Vec<f64> = (0..p).map(|i| of.gram[i * p + i].max(f64::MIN_POSITIVE).sqrt()).collect();
    let mut a: Vec<f64> = (0..p * p).map(|t| of.gram[t] / (size[t / p] * size[t % p])).collect();
    let mut s: Vec<f64> = (0..p).map(|i| of.right[i] / size[i]).collect();
    (0..p).for_each(|i| a[i * p + i] += damping);
    if !kernels::cholesky::<0>(&mut a, p) {
        return None;
    }
    kernels::forward::<0>(&a, p, &mut s, 1);
    kernels::backward::<0>(&a, p, &mut s, 1);
    Some((0..p).map(|i| s[i] / size[i]).collect())
}
