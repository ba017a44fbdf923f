//! The contract of the engine of several linear predictors: what a model delivers for each row.
//!
//! A row has m linear predictors eta_1..eta_m (mean, zero inflation, dispersion, shape; two
//! thresholds and a scale; the parameters of a curve). A [`Kernel`] gives the log-likelihood of
//! rows and its derivatives in them, the engine everything else: fixed effects and random effects
//! in any predictor ([`GlmmSystem::several`](crate::generalized::GlmmSystem::several)), modes,
//! Laplace's approximation with its exact gradient, the optimum and standard errors.
//!
//! | symbol | place in [`KernelOut`] |
//! | --- | --- |
//! | `l_i` | `l[i]` |
//! | `r_c` = dl/deta_c | `r[c n + i]` |
//! | `W_jk` = -d2l/deta_j deta_k | `w[pair(j, k) n + i]` |
//! | `T_jkc` = dW_jk/deta_c | `t[triple(j, k, c) n + i]` |
//!
//! All hold the row's prior weight. Constants belong to `l`: values are compared between families.
//! A row that has no density there has an `l` that is not finite; the engine then takes a shorter
//! step. Where third derivatives are not wanted, the first and second are wanted only in predictors
//! with random effects (`random` tells which have them); where they are, for pairs and triples of
//! which at most one index is another predictor. More may always be given.
//!
//! A parameter that is one number for all rows is a predictor with a column of ones; one that is
//! held is a predictor with an offset and no column. The two thresholds of ordered categories share
//! a vector of coefficients ([`ThresholdBlock`](crate::generalized::ThresholdBlock)).

use super::family::{Batch, Derivatives, Extra, Family, MoreDerivatives};
use std::sync::Arc;

/// Place of a pair of predictors among all pairs, in any order.
#[inline(always)]
pub const fn pair(j: usize, k: usize) -> usize {
    let (j, k) = if j <= k { (j, k) } else { (k, j) };
    k * (k + 1) / 2 + j
}

/// Place of three predictors among all triples, in any order.
#[inline(always)]
pub const fn triple(i: usize, j: usize, k: usize) -> usize {
    let (i, j) = if i <= j { (i, j) } else { (j, i) };
    let (j, k) = if j <= k { (j, k) } else { (k, j) };
    let (i, j) = if i <= j { (i, j) } else { (j, i) };
    k * (k + 1) * (k + 2) / 6 + j * (j + 1) / 2 + i
}

/// Rows handed to a kernel.
#[derive(Clone, Copy)]
pub struct KernelRows<'a> {
    /// Responses.
    pub y: &'a [f64],
    /// Prior weights (numbers of trials where responses are proportions of them).
    pub w: &'a [f64],
    /// Linear predictors: those of all rows for the first, then for the next.
    pub eta: &'a [f64],
    /// The caller's number of each row, for kernels that hold data of their own.
    pub order: &'a [u32],
    /// Which predictors have random effects.
    pub random: &'a [bool],
}

/// Results of a kernel, see the module. What is not wanted is empty.
pub struct KernelOut<'a> {
    /// Log-likelihoods.
    pub l: &'a mut [f64],
    /// First derivatives.
    pub r: &'a mut [f64],
    /// Minus the second derivatives.
    pub w: &'a mut [f64],
    /// Derivatives of `w`.
    pub t: &'a mut [f64],
}

/// The log-likelihood of rows given several linear predictors.
pub trait Kernel: Send + Sync {
    /// Number m of linear predictors.
    fn predictors(&self) -> usize;
    /// Fills `l`, `r` and `w`, and `t` where it is not empty.
    fn derivatives(&self, rows: KernelRows<'_>, out: KernelOut<'_>);
    /// How many starts there are: all are tried where the likelihood may have several optima.
    fn starts(&self) -> usize {
        1
    }
    /// Linear predictors near the data (m n), to which the fixed effects of a start are fitted.
    fn start(&self, which: usize, rows: KernelRows<'_>, eta: &mut [f64]);
    /// Linear predictors (m n) that are possible where coefficients near the data are not; false
    /// where there are none.
    fn start_anywhere(&self, _rows: KernelRows<'_>, _eta: &mut [f64]) -> bool {
        false
    }
    /// Standard deviation of random effects at the start in the unit of a predictor.
    fn spread(&self, _predictor: usize, _y: &[f64]) -> f64 {
        0.5
    }
    /// Whether random effects can have several modes, so that others are looked for.
    fn has_several_modes(&self) -> bool {
        false
    }
    /// Whether rows are mixtures, so that random effects may have a higher mode than that which is
    /// found from zero: others are looked for there.
    fn is_mixture(&self) -> bool {
        false
    }
    /// Whether a fit looks for lower valleys along rays of the covariance parameters, all
    /// coefficients adapted at each look.
    fn looks_along_rays(&self) -> bool {
        false
    }
    /// The quantile of the latent variable whose interval a row of ordered categories is.
    fn latent_quantile(&self, _p: f64) -> Option<f64> {
        None
    }
    /// Typical size of a predictor that has a unit of the response; 1 where a predictor of order
    /// one is moderate for every response.
    fn unit(&self, _predictor: usize, _y: &[f64]) -> f64 {
        1.0
    }
    /// Whether predictors have units of their own, so that no size of random effects is extreme but
    /// zero.
    fn has_units(&self) -> bool {
        false
    }
    /// Whether several optima are usual, so that a fit is always begun once more, without random
    /// effects.
    fn is_rough(&self) -> bool {
        false
    }
    /// Time that a row takes in that of a usual one.
    fn effort(&self) -> usize {
        1
    }
    /// A value of a predictor of dispersion or shape at which rows hardly vary but by their
    /// mean; none for other predictors.
    fn simple(&self, _predictor: usize, _y: &[f64]) -> Option<f64> {
        None
    }
    /// Whether the determinant has another curvature than the observed one
    /// ([`Kernel::determinant`]).
    fn has_own_curvature(&self) -> bool {
        false
    }
    /// That curvature in the places of `w`, and its derivatives: those of the pair (j, k) in
    /// predictor c at `t[(pair(j, k) m + c) n + i]`, as they need not be the same for all orders of
    /// three predictors.
    fn determinant(&self, _rows: KernelRows<'_>, _w: &mut [f64], _t: &mut [f64]) {}
    /// A message of a failure inside the kernel, if there was one.
    fn failure(&self) -> Option<String> {
        None
    }
}

/// A kernel in the place of a family: rows with several predictors.
pub struct Several(pub Arc<dyn Kernel>);

impl Family for Several {
    fn predictors(&self) -> usize {
        self.0.predictors()
    }

    fn kernel(&self) -> Option<&dyn Kernel> {
        Some(&*self.0)
    }

    fn extras(&self) -> &[Extra] {
        &[]
    }

    fn is_canonical(&self) -> bool {
        // there is no expected curvature to choose
        true
    }

    fn derivatives(&self, _: Batch<'_>, out: Derivatives<'_>) {
        out.l.fill(f64::NAN);
    }

    fn more_derivatives(&self, _: Batch<'_>, _: MoreDerivatives<'_>) {}

    fn free_part(&self, _: &[f64], _: &[f64], _: &[f64], _: &mut [f64]) -> f64 {
        0.0
    }

    fn means(&self, _: &[f64], mu: &mut [f64]) {
        mu.fill(f64::NAN);
    }

    fn start(&self, _: &[f64], _: &[f64], eta: &mut [f64]) {
        eta.fill(0.0);
    }

    fn start_extras(&self, _: &[f64], _: &[f64], _: &[f64], _: &mut [f64]) {}

    fn can_draw(&self) -> bool {
        self.0.latent_quantile(0.5).is_some()
    }

    fn failure(&self) -> Option<String> {
        self.0.failure()
    }
}

#[cfg(test)]
mod tests {
    use super::{pair, triple};

    #[test]
    fn places_are_each_taken_once() {
        let mut seen = [false; 20];
        for k in 0..4 {
            for j in 0..=k {
                for i in 0..=j {
                    assert!(!std::mem::replace(&mut seen[triple(j, k, i)], true));
                    assert_eq!(triple(i, j, k), triple(k, i, j));
                }
                assert_eq!(pair(j, k), pair(k, j));
            }
        }
        assert!(seen.iter().all(|&s| s));
    }
}
