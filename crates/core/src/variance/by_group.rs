//! A standard deviation for each stratum, relative to the first: z is the logarithm of the ratio.

use super::{LogSd, VarianceFunction};

/// See the module.
#[derive(Debug)]
pub struct ByGroup;

impl VarianceFunction for ByGroup {
    fn n(&self) -> usize {
        1
    }

    fn names(&self) -> Vec<&'static str> {
        vec!["sd_ratio"]
    }

    fn first_is_reference(&self) -> bool {
        true
    }

    fn log_sd(&self, z: &[f64], _x: f64) -> LogSd {
        LogSd { value: z[0], first: [1.0, 0.0], second: [0.0; 3] }
    }

    fn natural(&self, z: &[f64]) -> Vec<(f64, f64, f64)> {
        let e = z[0].exp();
        vec![(e, e, e)]
    }

    fn z_of_natural(&self, natural: &[f64]) -> Option<Vec<f64>> {
        (natural[0] > 0.0).then(|| vec![natural[0].ln()])
    }

    fn starts(&self, _x: &[f64]) -> Vec<Vec<f64>> {
        vec![vec![0.0]]
    }

    fn refuses(&self, _x: f64) -> Option<&'static str> {
        None
    }
}
