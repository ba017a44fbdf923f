//! Partial autocorrelations: any numbers between -1 and 1 are those of a stationary series, and of
//! one only, so that no step leaves the positive definite Toeplitz matrices.

use crate::jet::Number;

/// Autocorrelations at lags 0 to m and coefficients of the autoregression of order m that has these
/// m partial autocorrelations, by the recursion of Durbin and Levinson.
pub fn series(partial: &[Number], n: usize, order: usize) -> (Vec<Number>, Vec<Number>) {
    let one = Number::constant(1.0, n, order);
    let mut rho = vec![one.clone()];
    let mut phi: Vec<Number> = Vec::new();
    let mut rest = one.clone();
    for a in partial {
        let h = phi.len() + 1;
        let mut r = a.times(&rest);
        for j in 1..h {
            r = r.plus(1.0, &phi[j - 1].times(&rho[h - j]), 1.0);
        }
        rho.push(r);
        let turned: Vec<Number> = (0..h - 1).map(|j| phi[j].plus(1.0, &a.times(&phi[h - 2 - j]), -1.0)).collect();
        phi = turned;
        phi.push(a.clone());
        rest = rest.times(&one.plus(1.0, &a.times(a), -1.0));
    }
    (rho, phi)
}

/// Partial autocorrelations of autocorrelations at lags 1 to m; none where these are of no series.
pub fn of_autocorrelations(rho: &[f64]) -> Option<Vec<f64>> {
    let (mut phi, mut rest, mut out) = (Vec::<f64>::new(), 1.0, Vec::new());
    for h in 1..=rho.len() {
        let fitted: f64 = (1..h).map(|j| phi[j - 1] * rho[h - j - 1]).sum();
        let a = (rho[h - 1] - fitted) / rest;
        if a.is_nan() || a.abs() >= 1.0 {
            return None;
        }
        phi = (0..h - 1).map(|j| phi[j] - a * phi[h - 2 - j]).collect();
        phi.push(a);
        rest *= 1.0 - a * a;
        out.push(a);
    }
    Some(out)
}

/// Partial autocorrelations of the coefficients of an autoregression; none where it is not
/// stationary.
pub fn of_coefficients(phi: &[f64]) -> Option<Vec<f64>> {
    let mut phi = phi.to_vec();
    let mut out = Vec::new();
    while let Some(a) = phi.pop() {
        if a.is_nan() || a.abs() >= 1.0 {
            return None;
        }
        let h = phi.len();
        phi = (0..h).map(|j| (phi[j] + a * phi[h - 1 - j]) / (1.0 - a * a)).collect();
        out.push(a);
    }
    out.reverse();
    Some(out)
}

/// Partial autocorrelations of autocorrelations at lags 1 to m, held between -1 and 1 where these
/// are of no series; zero after one of -1 or 1, which leaves nothing to explain.
pub fn nearest(rho: &[f64]) -> Vec<f64> {
    /// Share of the variance that is nothing but rounding.
    const NOTHING: f64 = 1e-12;
    let (mut phi, mut rest, mut out) = (Vec::<f64>::new(), 1.0, Vec::new());
    for h in 1..=rho.len() {
        let fitted: f64 = (1..h).map(|j| phi[j - 1] * rho[h - j - 1]).sum();
        let a = if rest > NOTHING { ((rho[h - 1] - fitted) / rest).clamp(-1.0, 1.0) } else { 0.0 };
        phi = (0..h - 1).map(|j| phi[j] - a * phi[h - 2 - j]).collect();
        phi.push(a);
        rest *= 1.0 - a * a;
        out.push(a);
    }
    out
}
