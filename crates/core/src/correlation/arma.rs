//! Autoregressive moving averages of order (p, q) over whole numbers:
//! x_t = sum phi_i x_(t-i) + e_t + sum theta_j e_(t-j).
//!
//! z = atanh of partial autocorrelations, first those of phi, then those of minus theta: stationary
//! and invertible.

use super::{maps, partial, Correlation, Parameter, PositionRule, Positions, StartData};
use crate::jet::{Jet, Number};

/// See the module.
#[derive(Debug)]
pub struct Arma {
    /// Order of the autoregression.
    pub p: usize,
    /// Order of the moving average.
    pub q: usize,
    /// Largest distance plus one.
    pub levels: usize,
}

/// Solves a x = b by elimination with pivots.
fn solve(mut a: Vec<Vec<Number>>, mut b: Vec<Number>) -> Vec<Number> {
    let m = b.len();
    for c in 0..m {
        let pivot = (c..m).max_by(|i, j| a[*i][c].value.abs().total_cmp(&a[*j][c].value.abs())).unwrap_or(c);
        a.swap(c, pivot);
        b.swap(c, pivot);
        let inverse = a[c][c].recip();
        for i in (0..m).filter(|i| *i != c) {
            let f = a[i][c].times(&inverse);
            for j in c..m {
                a[i][j] = a[i][j].plus(1.0, &f.times(&a[c][j]), -1.0);
            }
            b[i] = b[i].plus(1.0, &f.times(&b[c]), -1.0);
        }
    }
    (0..m).map(|i| b[i].times(&a[i][i].recip())).collect()
}

impl Arma {
    /// phi and theta.
    fn coefficients(&self, z: &[f64], order: usize) -> (Vec<Number>, Vec<Number>) {
        let n = self.n();
        let partial: Vec<_> = (0..n).map(|k| Number::of_parameter(maps::tanh(z[k]), k, n, order)).collect();
        let (ar, ma) = partial.split_at(self.p);
        let theta = partial::series(ma, n, order).1.iter().map(|t| t.scaled(-1.0)).collect();
        (partial::series(ar, n, order).1, theta)
    }

    /// At lags 0 to `levels` - 1.
    fn autocorrelations(&self, z: &[f64], order: usize) -> Vec<Number> {
        let (n, p, q) = (self.n(), self.p, self.q);
        let (phi, theta) = self.coefficients(z, order);
        let zero = Number::constant(0.0, n, order);
        let one = Number::constant(1.0, n, order);
        let moving = |j: usize| if j == 0 { &one } else { &theta[j - 1] };
        // weights of past shocks
        let mut psi = vec![one.clone()];
        for j in 1..=q {
            let mut v = moving(j).clone();
            for i in 1..=j.min(p) {
                v = v.plus(1.0, &phi[i - 1].times(&psi[j - i]), 1.0);
            }
            psi.push(v);
        }
        // covariance with past shocks, for a lag
        let shocks = |k: usize| (k..=q).fold(zero.clone(), |sum, j| sum.plus(1.0, &moving(j).times(&psi[j - k]), 1.0));
        let mut a = vec![vec![zero.clone(); p + 1]; p + 1];
        for (k, row) in a.iter_mut().enumerate() {
            row[k] = row[k].plus(1.0, &one, 1.0);
            for i in 1..=p {
                let at = k.abs_diff(i);
                row[at] = row[at].plus(1.0, &phi[i - 1], -1.0);
            }
        }
        let mut gamma = solve(a, (0..=p).map(shocks).collect());
        for k in p + 1..self.levels {
            let next = (1..=p).fold(shocks(k), |sum, i| sum.plus(1.0, &phi[i - 1].times(&gamma[k - i]), 1.0));
            gamma.push(next);
        }
        let scale = gamma[0].recip();
        let mut rho: Vec<Number> = gamma.iter().map(|g| g.times(&scale)).collect();
        rho[0] = one.clone();
        rho
    }
}

impl Correlation for Arma {
    fn n(&self) -> usize {
        self.p + self.q
    }

    fn parameters(&self) -> Vec<Parameter> {
        let named = |name, m: usize| (1..=m).map(move |k| Parameter { name, at: vec![k] });
        named("phi", self.p).chain(named("theta", self.q)).collect()
    }

    fn natural(&self, z: &[f64], order: usize, out: &mut Jet) {
        out.reset(self.n(), self.n(), order);
        let (phi, theta) = self.coefficients(z, order);
        phi.iter().chain(&theta).enumerate().for_each(|(k, v)| out.put(k, v));
    }

    fn z_of_natural(&self, natural: &[f64]) -> Option<Vec<f64>> {
        let (phi, theta) = natural.split_at(self.p);
        let minus: Vec<f64> = theta.iter().map(|t| -t).collect();
        let both = [partial::of_coefficients(phi)?, partial::of_coefficients(&minus)?].concat();
        Some(both.iter().map(|a| a.atanh()).collect())
    }

    fn starts(&self, _data: &StartData<'_>) -> Vec<Vec<f64>> {
        // not of equal and opposite size, where the two sides cancel
        vec![[vec![0.1f64.atanh(); self.p], vec![(-0.1f64).atanh(); self.q]].concat()]
    }

    fn positions(&self) -> PositionRule {
        PositionRule { levels: false, whole: true, distinct: true, several: false }
    }

    fn matrix(&self, z: &[f64], at: Positions<'_>, order: usize, out: &mut Jet) {
        out.by_lag(&self.autocorrelations(z, order), at, self.n(), order);
    }
}
