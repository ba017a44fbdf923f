//! Successes in a number of trials.

use super::{Density, Jet};
use crate::families::link::Link;
use crate::families::special::lgamma;

/// Proportions of successes.
pub struct Binomial;

/// log of the number of ways to choose.
pub(super) fn log_choose(n: f64, s: f64) -> f64 {
    if n <= 1.0 {
        return 0.0;
    }
    lgamma(n + 1.0) - lgamma(s + 1.0) - lgamma(n - s + 1.0)
}

impl Density<1> for Binomial {
    const TRIALS: bool = true;

    #[inline(always)]
    fn log_density<const O: usize>(link: Link, y: f64, w: f64, [eta]: [f64; 1]) -> Jet<1, O> {
        let (a, b) = link.log_probabilities(eta);
        let s = w * y;
        let rest = w - s;
        let sum = |i: usize| if s == 0.0 { 0.0 } else { s * a[i] } + if rest == 0.0 { 0.0 } else { rest * b[i] };
        Jet::of_variable([sum(0) + log_choose(w, s), sum(1), sum(2), sum(3)], 0)
    }

    fn simple(_: &[f64]) -> [Option<f64>; 1] {
        [None]
    }

    fn near(y: f64, w: f64, _: f64) -> f64 {
        (w * y + 0.5) / (w + 1.0)
    }

    fn zero(average: f64) -> f64 {
        1.0 - average.min(0.9)
    }
}
