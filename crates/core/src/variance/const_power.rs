//! A constant plus a power of the covariate: sd = c + |x|^delta with c > 0; z = (log c, delta).

use super::{LogSd, VarianceFunction};

/// Quantile of |x| whose value is the constant of the second start.
const SMALL: f64 = 0.1;

/// See the module.
#[derive(Debug)]
pub struct ConstPower;

impl VarianceFunction for ConstPower {
    fn n(&self) -> usize {
        2
    }

    fn names(&self) -> Vec<&'static str> {
        vec!["constant", "power"]
    }

    fn log_sd(&self, z: &[f64], x: f64) -> LogSd {
        if x == 0.0 {
            // a positive power leaves the constant, a negative one has no value
            let value = if z[1] > 0.0 { z[0] } else { f64::INFINITY };
            return LogSd { value, first: [1.0, 0.0], second: [0.0; 3] };
        }
        // with c = exp(a) and |x|^delta = exp(b) it is log(exp(a) + exp(b))
        let (a, log) = (z[0], x.abs().ln());
        let b = z[1] * log;
        let top = a.max(b);
        let value = top + ((a - top).exp() + (b - top).exp()).ln();
        let (p, q) = ((a - value).exp(), (b - value).exp());
        LogSd { value, first: [p, q * log], second: [p * q, -p * q * log, p * q * log * log] }
    }

    fn natural(&self, z: &[f64]) -> Vec<(f64, f64, f64)> {
        let c = z[0].exp();
        vec![(c, c, c), (z[1], 1.0, 0.0)]
    }

    fn z_of_natural(&self, natural: &[f64]) -> Option<Vec<f64>> {
        (natural[0] > 0.0).then(|| vec![natural[0].ln(), natural[1]])
    }

    fn starts(&self, x: &[f64]) -> Vec<Vec<f64>> {
        // the constant dominates in one minimum, the power in another
        let mut sizes: Vec<f64> = x.iter().map(|x| x.abs()).filter(|x| *x > 0.0).collect();
        sizes.sort_by(f64::total_cmp);
        let small = sizes.get((SMALL * sizes.len() as f64) as usize).copied().unwrap_or(1.0);
        vec![vec![0.0, 0.5], vec![small.max(1e-300).ln(), 1.0]]
    }

    fn refuses(&self, _x: f64) -> Option<&'static str> {
        None
    }
}
