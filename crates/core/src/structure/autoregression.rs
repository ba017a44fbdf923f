//! Effects in equal steps: standard deviations, one for each effect or one for all, and
//! correlations that depend on the distance alone, of an autoregression of order one (AR(1)) or of
//! the highest order there is (Toeplitz).
//!
//! The partial autocorrelations are sines of angles a_1, a_2, ... between -pi/2 and pi/2. The root
//! of the correlation matrix is that of the lattice filter: with f_t = e_t at its highest order,
//!
//! f_(m-1)(t) = cos a_m f_m(t) + sin a_m b_(m-1)(t-1),
//! b_m(t) = -sin a_m f_m(t) + cos a_m b_(m-1)(t-1),
//!
//! x_t = f_0(t) = b_0(t): lower triangular and smooth in the angles up to both ends, where a
//! correlation of 1 or -1 is reached. theta holds the standard deviations, then the angles.

use super::covariance::band;
use super::{row_lengths, Coordinates, Covariance, Kind, Natural, Structure};
use crate::correlation::partial;
use crate::jet::Jet;
use std::f64::consts::FRAC_PI_2;

/// See the module.
#[derive(Debug)]
pub struct Autoregression {
    /// Whether all effects have the same standard deviation.
    pub homogeneous: bool,
    /// Order of the autoregression; none for the highest.
    pub order: Option<usize>,
}

/// The lower root of the correlation matrix and its derivative along a direction of the angles.
fn lattice(angles: &[f64], along: &[f64], k: usize) -> (Vec<f64>, Vec<f64>) {
    let mut root = vec![0.0; k * k];
    let mut slope = vec![0.0; k * k];
    // b_m of the time before and of this one, each a row over the shocks, with derivatives
    let p = angles.len().min(k.saturating_sub(1));
    let mut before = vec![vec![(0.0, 0.0); k]; p + 1];
    for t in 0..k {
        let mut f = vec![(0.0, 0.0); k];
        f[t] = (1.0, 0.0);
        let mut now = vec![vec![(0.0, 0.0); k]; p + 1];
        for m in (1..=t.min(p)).rev() {
            let ((s, c), d) = (angles[m - 1].sin_cos(), along[m - 1]);
            for e in 0..=t {
                let ((x, dx), (y, dy)) = (f[e], before[m - 1][e]);
                f[e] = (c * x + s * y, c * dx + s * dy + d * (c * y - s * x));
                now[m][e] = (c * y - s * x, c * dy - s * dx - d * (s * y + c * x));
            }
        }
        for e in 0..=t {
            (root[t * k + e], slope[t * k + e]) = f[e];
        }
        now[0] = f;
        before = now;
    }
    (root, slope)
}

impl Autoregression {
    /// Number of standard deviations.
    fn sds(&self, k: usize) -> usize {
        if self.homogeneous {
            1
        } else {
            k
        }
    }

    /// Number of angles.
    fn angles(&self, k: usize) -> usize {
        let most = k.saturating_sub(1);
        self.order.map_or(most, |p| p.min(most))
    }

    fn sd(&self, theta: &[f64], i: usize) -> f64 {
        theta[if self.homogeneous { 0 } else { i }]
    }

    /// Correlations at distances 1 and more.
    fn correlations(&self, theta: &[f64], k: usize) -> Vec<f64> {
        let angles = &theta[self.sds(k)..];
        let (root, _) = lattice(angles, angles, k);
        // the first effect is the first shock
        (1..k).map(|t| root[t * k]).collect()
    }
}

impl Structure for Autoregression {
    fn n_theta(&self, k: usize) -> usize {
        self.sds(k) + self.angles(k)
    }

    fn lambda(&self, theta: &[f64], k: usize, out: &mut [f64]) {
        let angles = &theta[self.sds(k)..];
        let (root, _) = lattice(angles, angles, k);
        for (t, v) in out.iter_mut().enumerate() {
            *v = self.sd(theta, t / k) * root[t];
        }
    }

    fn push(&self, theta: &[f64], along: &[f64], k: usize, out: &mut [f64]) {
        let n = self.sds(k);
        let (root, slope) = lattice(&theta[n..], &along[n..], k);
        for (t, v) in out.iter_mut().enumerate() {
            *v = self.sd(along, t / k) * root[t] + self.sd(theta, t / k) * slope[t];
        }
    }

    fn pull_back(&self, theta: &[f64], gamma: &[f64], k: usize, out: &mut [f64]) {
        let (n, p) = (self.sds(k), self.angles(k));
        out.fill(0.0);
        for a in 0..p.max(1) {
            let along: Vec<f64> = (0..p).map(|b| f64::from(a == b)).collect();
            let (root, slope) = lattice(&theta[n..], &along, k);
            for (t, g) in gamma.iter().enumerate() {
                if a == 0 {
                    out[if self.homogeneous { 0 } else { t / k }] += g * root[t];
                }
                if a < p {
                    out[n + a] += g * self.sd(theta, t / k) * slope[t];
                }
            }
        }
    }

    fn coordinates(&self, k: usize) -> Coordinates {
        let (n, p) = (self.sds(k), self.angles(k));
        Coordinates::Bounded {
            lower: [vec![0.0; n], vec![-FRAC_PI_2; p]].concat(),
            upper: [vec![f64::INFINITY; n], vec![FRAC_PI_2; p]].concat(),
            unit_of: [(0..n).map(Some).collect(), vec![None; p]].concat(),
        }
    }

    fn covariance(&self, theta: &[f64], k: usize) -> Option<Covariance> {
        let rhos = self.correlations(theta, k);
        let (variance, n) = (theta[0] * theta[0], self.angles(k));
        if self.homogeneous && self.order.is_none() {
            let share = std::iter::once(variance).chain(rhos.iter().map(|r| variance * r)).collect();
            return Some(Covariance::linear(share, &(0..k).map(|h| band(h, k)).collect::<Vec<_>>()));
        }
        let mut c = Jet::default();
        c.reset(n, k * k, 2);
        for t in 0..k * k {
            let h = (t / k).abs_diff(t % k);
            c.value[t] = if h == 0 { 1.0 } else { rhos[h - 1] };
            if h == 0 {
                continue;
            }
            if self.order.is_none() {
                c.first[(h - 1) * k * k + t] = 1.0;
                continue;
            }
            let (rho, power) = (rhos[0], h as i32);
            c.first[t] = f64::from(power) * rho.powi(power - 1);
            c.second[t] = if h == 1 { 0.0 } else { f64::from(power * (power - 1)) * rho.powi(power - 2) };
        }
        if self.homogeneous {
            Some(Covariance::homogeneous(variance, &c))
        } else {
            Covariance::heterogeneous(&theta[..k], &c)
        }
    }

    fn natural(&self, theta: &[f64], k: usize) -> Vec<Natural> {
        let sd = |i: usize| Natural {
            kind: if self.homogeneous { Kind::Common("sd") } else { Kind::Sd(i) },
            value: theta[i].abs(),
        };
        let correlations = self.correlations(theta, k);
        let kind = |lag: usize| if self.order == Some(1) { Kind::Common("correlation") } else { Kind::Lag(lag) };
        let correlation = |h: usize| Natural { kind: kind(h + 1), value: correlations[h] };
        (0..self.sds(k)).map(sd).chain((0..self.angles(k)).map(correlation)).collect()
    }

    fn read(&self, lambda: &[f64], k: usize, theta: &mut [f64]) -> bool {
        let sds: Vec<f64> = row_lengths(lambda, k).collect();
        let common = (sds.iter().map(|s| s * s).sum::<f64>() / k as f64).sqrt();
        let n = self.sds(k);
        if self.homogeneous {
            theta[0] = common;
        } else {
            theta[..k].copy_from_slice(&sds);
        }
        // correlations of the effects that vary, averaged over pairs at one distance
        let dot = |i: usize, j: usize| (0..k).map(|c| lambda[i * k + c] * lambda[j * k + c]).sum::<f64>();
        let pairs = |h: usize| (h..k).map(move |i| (i, i - h));
        let varying = |(i, j): &(usize, usize)| sds[*i] > 0.0 && sds[*j] > 0.0;
        let mean = |h: usize| {
            let all: Vec<f64> = pairs(h).filter(varying).map(|(i, j)| dot(i, j) / (sds[i] * sds[j])).collect();
            (all.iter().sum::<f64>() / all.len().max(1) as f64).clamp(-1.0, 1.0)
        };
        let means: Vec<f64> = (1..=self.angles(k)).map(mean).collect();
        for (t, a) in theta[n..].iter_mut().zip(partial::nearest(&means)) {
            *t = a.asin();
        }
        let correlations = self.correlations(theta, k);
        let fits = |h: usize| {
            let one = |(i, j): (usize, usize)| (dot(i, j) / (sds[i] * sds[j]) - correlations[h - 1]).abs() < 1e-8;
            pairs(h).filter(varying).all(one)
        };
        (1..k).all(fits) && !(self.homogeneous && sds.iter().any(|s| (s - common).abs() > 1e-8 * common))
    }
}
