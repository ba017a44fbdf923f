//! Variance proportional to the covariate: sd = sqrt(x), without parameters.

use super::{LogSd, VarianceFunction};

/// See the module.
#[derive(Debug)]
pub struct Fixed;

impl VarianceFunction for Fixed {
    fn n(&self) -> usize {
        0
    }

    fn names(&self) -> Vec<&'static str> {
        Vec::new()
    }

    fn log_sd(&self, _z: &[f64], x: f64) -> LogSd {
        LogSd { value: 0.5 * x.ln(), ..LogSd::default() }
    }

    fn natural(&self, _z: &[f64]) -> Vec<(f64, f64, f64)> {
        Vec::new()
    }

    fn z_of_natural(&self, _natural: &[f64]) -> Option<Vec<f64>> {
        Some(Vec::new())
    }

    fn starts(&self, _x: &[f64]) -> Vec<Vec<f64>> {
        vec![Vec::new()]
    }

    fn refuses(&self, x: f64) -> Option<&'static str> {
        if x == 0.0 {
            Some("zero")
        } else {
            (x < 0.0).then_some("negative")
        }
    }
}
