//! Toeplitz: a correlation for each distance in whole numbers; z = atanh of the partial
//! autocorrelations.

use super::{maps, partial, Correlation, Parameter, PositionRule, Positions, StartData};
use crate::jet::{Jet, Number};

/// See the module.
#[derive(Debug)]
pub struct Toeplitz {
    /// Largest distance plus one.
    pub levels: usize,
}

impl Toeplitz {
    fn autocorrelations(&self, z: &[f64], order: usize) -> Vec<Number> {
        let n = self.n();
        let partial: Vec<_> = (0..n).map(|k| Number::of_parameter(maps::tanh(z[k]), k, n, order)).collect();
        partial::series(&partial, n, order).0
    }
}

impl Correlation for Toeplitz {
    fn n(&self) -> usize {
        self.levels.saturating_sub(1)
    }

    fn parameters(&self) -> Vec<Parameter> {
        (1..self.levels).map(|h| Parameter { name: "rho", at: vec![h] }).collect()
    }

    fn natural(&self, z: &[f64], order: usize, out: &mut Jet) {
        out.reset(self.n(), self.n(), order);
        self.autocorrelations(z, order)[1..].iter().enumerate().for_each(|(k, r)| out.put(k, r));
    }

    fn z_of_natural(&self, natural: &[f64]) -> Option<Vec<f64>> {
        Some(partial::of_autocorrelations(natural)?.iter().map(|a| a.atanh()).collect())
    }

    fn starts(&self, _data: &StartData<'_>) -> Vec<Vec<f64>> {
        let mut z = vec![0.0; self.n()];
        z.iter_mut().take(1).for_each(|z| *z = 0.3f64.atanh());
        vec![z]
    }

    fn positions(&self) -> PositionRule {
        PositionRule { levels: false, whole: true, distinct: true, several: false }
    }

    fn matrix(&self, z: &[f64], at: Positions<'_>, order: usize, out: &mut Jet) {
        out.by_lag(&self.autocorrelations(z, order), at, self.n(), order);
    }
}
