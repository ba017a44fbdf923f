//! A power of the covariate: sd = |x|^delta; z = delta.

use super::{LogSd, VarianceFunction};

/// See the module.
#[derive(Debug)]
pub struct Power;

impl VarianceFunction for Power {
    fn n(&self) -> usize {
        1
    }

    fn names(&self) -> Vec<&'static str> {
        vec!["power"]
    }

    fn log_sd(&self, z: &[f64], x: f64) -> LogSd {
        let log = x.abs().ln();
        LogSd { value: z[0] * log, first: [log, 0.0], second: [0.0; 3] }
    }

    fn natural(&self, z: &[f64]) -> Vec<(f64, f64, f64)> {
        vec![(z[0], 1.0, 0.0)]
    }

    fn z_of_natural(&self, natural: &[f64]) -> Option<Vec<f64>> {
        natural[0].is_finite().then(|| natural.to_vec())
    }

    fn starts(&self, _x: &[f64]) -> Vec<Vec<f64>> {
        vec![vec![0.0]]
    }

    fn refuses(&self, x: f64) -> Option<&'static str> {
        (x == 0.0).then_some("zero")
    }
}
