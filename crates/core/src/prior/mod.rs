//! Priors: terms -2 log p of the objective, with exact derivatives.
//!
//! Everything is in the units of the columns as given. A density that is not proper (a Gamma
//! density with rate 0, a Wishart density without a scale) is used without its constant.

mod covariance;
mod effects;
mod number;

pub use covariance::{OfCovariance, TermPrior};
pub use effects::inverted;
pub use effects::{EffectsPrior, OfEffects};
pub use number::{NumberPrior, OfNumber, Scale};

use crate::layout::Layout;

/// log 2 pi.
pub(crate) const LOG_2PI: f64 = 1.837_877_066_409_345_3;

/// The priors of one model.
#[derive(Clone, Debug, Default)]
pub struct Prior {
    /// Of covariance matrices of random terms.
    pub terms: Vec<TermPrior>,
    /// Of fixed effects.
    pub effects: Vec<EffectsPrior>,
    /// Of the residual standard deviation, or the extra parameters of a family by their number.
    pub numbers: Vec<(usize, NumberPrior)>,
}

impl Prior {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty() && self.effects.is_empty() && self.numbers.is_empty()
    }

    /// -2 log density of the covariance parameters, and its derivative by theta (added to `slope`)
    /// and by log sigma. Sigma = sigma^2 lambda lambda', but where a prior is on the relative one.
    /// Infinite where a density is zero.
    pub fn of_theta(&self, layout: &Layout, theta: &[f64], sigma: f64, slope: &mut [f64]) -> (f64, f64) {
        let (mut value, mut by_log_sigma) = (0.0, 0.0);
        for p in &self.terms {
            let tl = &layout.terms[p.factor][p.term];
            let (k, own) = (tl.k, tl.own());
            let mut lambda = vec![0.0; k * k];
            tl.structure.lambda(&theta[own.clone()], k, &mut lambda);
            let scale = if p.relative { 1.0 } else { sigma * sigma };
            let entry = |i: usize, j: usize| -> f64 {
                scale * (0..k).map(|c| lambda[i * k + c] * lambda[j * k + c]).sum::<f64>()
            };
            let covariance: Vec<f64> = (0..k * k).map(|t| entry(t / k, t % k)).collect();
            let Some((v, d)) = p.law.penalty(&covariance, k) else { return (f64::INFINITY, 0.0) };
            value += v;
            if !p.relative {
                by_log_sigma += 2.0 * d.iter().zip(&covariance).map(|(d, s)| d * s).sum::<f64>();
            }
            let gamma: Vec<f64> = (0..k * k)
                .map(|t| 2.0 * scale * (0..k).map(|c| d[t / k * k + c] * lambda[c * k + t % k]).sum::<f64>())
                .collect();
            let mut own_slope = vec![0.0; own.len()];
            tl.structure.pull_back(&theta[own.clone()], &gamma, k, &mut own_slope);
            slope[own].iter_mut().zip(&own_slope).for_each(|(s, o)| *s += o);
        }
        (value, by_log_sigma)
    }

    /// Whether the density of a term is zero where a variance is.
    pub fn forbids_zero(&self, factor: usize, term: usize, k: usize) -> bool {
        self.terms.iter().any(|p| p.factor == factor && p.term == term && p.law.forbids_zero(k))
    }

    /// -2 log density of fixed effects as given, its derivative added to `slope`.
    pub fn of_beta(&self, beta: &[f64], slope: &mut [f64]) -> f64 {
        self.effects.iter().map(|p| p.penalty(beta, slope)).sum()
    }

    /// -2 log density of parameter number `i` at a value, and its derivative by the value.
    pub fn of_number(&self, i: usize, value: f64) -> (f64, f64) {
        let mine = self.numbers.iter().filter(|n| n.0 == i).map(|n| n.1.penalty(value));
        mine.fold((0.0, 0.0), |a, b| (a.0 + b.0, a.1 + b.1))
    }
}

#[cfg(test)]
mod tests;
