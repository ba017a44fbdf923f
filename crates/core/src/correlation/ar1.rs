//! Autoregression of order one: rho to the power of the distance in whole numbers; z = atanh rho.

use super::{maps, Correlation, Parameter, PositionRule, Positions, StartData};
use crate::jet::Jet;

/// See the module.
#[derive(Debug)]
pub struct Ar1;

/// Lags for each row up to which powers are kept.
const MANY: usize = 4;

/// rho^h with two derivatives in rho.
fn power(rho: f64, h: usize) -> (f64, f64, f64) {
    let (h, hf) = (h as i32, h as f64);
    match h {
        0 => (1.0, 0.0, 0.0),
        1 => (rho, 1.0, 0.0),
        _ => (rho.powi(h), hf * rho.powi(h - 1), hf * (hf - 1.0) * rho.powi(h - 2)),
    }
}

impl Ar1 {
    /// Fills one entry at several places.
    fn put((v, d, d2): (f64, f64, f64), places: &[usize], out: &mut Jet) {
        for &t in places {
            out.value[t] = v;
            if out.order > 0 {
                out.first[t] = d;
            }
            if out.order > 1 {
                out.second[t] = d2;
            }
        }
    }
}

impl Correlation for Ar1 {
    fn n(&self) -> usize {
        1
    }

    fn parameters(&self) -> Vec<Parameter> {
        vec![Parameter { name: "rho", at: Vec::new() }]
    }

    fn natural(&self, z: &[f64], order: usize, out: &mut Jet) {
        let (rho, d, d2) = maps::tanh(z[0]);
        out.reset(1, 1, order);
        Ar1::put((rho, 1.0, 0.0), &[0], out);
        out.chain(&[(d, d2)]);
    }

    fn z_of_natural(&self, natural: &[f64]) -> Option<Vec<f64>> {
        (natural[0].abs() < 1.0).then(|| vec![natural[0].atanh()])
    }

    fn starts(&self, _data: &StartData<'_>) -> Vec<Vec<f64>> {
        // not 0: by symmetry of some designs the gradient is silent there
        vec![vec![0.1f64.atanh()]]
    }

    fn positions(&self) -> PositionRule {
        PositionRule { levels: false, whole: true, distinct: true, several: false }
    }

    fn matrix(&self, z: &[f64], at: Positions<'_>, order: usize, out: &mut Jet) {
        let m = at.m();
        let (rho, d, d2) = maps::tanh(z[0]);
        out.reset(1, m * m, order);
        let whole: Vec<i64> = (0..m).map(|i| at.first(i).round() as i64).collect();
        let (low, high) = whole.iter().fold((i64::MAX, i64::MIN), |(l, h), &v| (l.min(v), h.max(v)));
        // powers are taken once for each lag unless lags are many more than rows
        let lags = usize::try_from(high.saturating_sub(low)).unwrap_or(0);
        let known: Vec<_> = (0..=if lags <= MANY * m { lags } else { 0 }).map(|h| power(rho, h)).collect();
        for i in 0..m {
            for j in 0..=i {
                let lag = whole[i].abs_diff(whole[j]) as usize;
                let values = known.get(lag).copied().unwrap_or_else(|| power(rho, lag));
                Ar1::put(values, &[i * m + j, j * m + i], out);
            }
        }
        out.chain(&[(d, d2)]);
    }

    fn neighbours(&self, z: &[f64], at: Positions<'_>, order: usize, out: &mut Jet) -> bool {
        let m = at.m();
        let (rho, d, d2) = maps::tanh(z[0]);
        out.reset(1, m, order);
        for i in 1..m {
            Ar1::put(power(rho, at.lag(i, i - 1)), &[i], out);
        }
        out.chain(&[(d, d2)]);
        true
    }
}
