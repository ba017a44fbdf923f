//! Compound symmetry: standard deviations, one for each effect or one for all, and one correlation
//! common to all pairs.
//!
//! The correlation matrix C has the eigenvalues 1 + (k-1) rho and 1 - rho. With
//! rho = 1 - k/(k-1) sin^2 a they are k cos^2 a and k/(k-1) sin^2 a, so that every angle between 0
//! and pi/2 is a correlation between 1 and -1/(k-1), and the symmetric root of C,
//! sqrt(k) cos a J/k + sqrt(k/(k-1)) sin a (I - J/k), is smooth in it up to both ends. theta holds
//! the standard deviations, then the angle; of a single effect its standard deviation alone.

use super::covariance::band;
use super::{row_lengths, Coordinates, Covariance, Kind, Natural, Structure};
use crate::jet::Jet;
use std::f64::consts::FRAC_PI_2;

/// See the module.
#[derive(Debug)]
pub struct CompoundSymmetry {
    /// Whether all effects have the same standard deviation.
    pub homogeneous: bool,
}

/// Entry on the diagonal and beside it of the root of C, of its derivative where `order` is 1.
fn root(angle: f64, k: usize, order: usize) -> (f64, f64) {
    let (sin, cos) = angle.sin_cos();
    let (c, s) = if order == 0 { (cos, sin) } else { (-sin, cos) };
    let kf = k as f64;
    let (mean, rest) = (kf.sqrt() * c / kf, (kf / (kf - 1.0)).sqrt() * s);
    (mean + rest * (1.0 - 1.0 / kf), mean - rest / kf)
}

impl CompoundSymmetry {
    /// Number of standard deviations.
    fn sds(&self, k: usize) -> usize {
        if self.homogeneous {
            1
        } else {
            k
        }
    }

    fn sd(&self, theta: &[f64], i: usize) -> f64 {
        theta[if self.homogeneous { 0 } else { i }]
    }

    /// The angle; of a single effect one at which the root is 1.
    fn angle(&self, theta: &[f64], k: usize) -> Option<f64> {
        (k > 1).then(|| theta[self.sds(k)])
    }

    /// The correlation; none of a single effect.
    fn correlation(&self, theta: &[f64], k: usize) -> Option<f64> {
        self.angle(theta, k).map(|a| 1.0 - k as f64 / (k as f64 - 1.0) * a.sin().powi(2))
    }

    /// The symmetric root of C, or its derivative in the angle.
    fn entry(&self, theta: &[f64], k: usize, order: usize) -> impl Fn(usize, usize) -> f64 {
        let (own, other) = self.angle(theta, k).map_or((1.0, 0.0), |a| root(a, k, order));
        move |i, j| if i == j { own } else { other }
    }
}

impl Structure for CompoundSymmetry {
    fn n_theta(&self, k: usize) -> usize {
        self.sds(k) + usize::from(k > 1)
    }

    fn lambda(&self, theta: &[f64], k: usize, out: &mut [f64]) {
        let c = self.entry(theta, k, 0);
        for (t, v) in out.iter_mut().enumerate() {
            *v = self.sd(theta, t / k) * c(t / k, t % k);
        }
    }

    fn push(&self, theta: &[f64], along: &[f64], k: usize, out: &mut [f64]) {
        let (c, d) = (self.entry(theta, k, 0), self.entry(theta, k, 1));
        let turn = self.angle(along, k).unwrap_or(0.0);
        for (t, v) in out.iter_mut().enumerate() {
            let (i, j) = (t / k, t % k);
            *v = self.sd(along, i) * c(i, j) + self.sd(theta, i) * turn * d(i, j);
        }
    }

    fn pull_back(&self, theta: &[f64], gamma: &[f64], k: usize, out: &mut [f64]) {
        let (c, d) = (self.entry(theta, k, 0), self.entry(theta, k, 1));
        out.fill(0.0);
        for (t, g) in gamma.iter().enumerate() {
            let (i, j) = (t / k, t % k);
            out[if self.homogeneous { 0 } else { i }] += g * c(i, j);
            if k > 1 {
                out[self.sds(k)] += g * self.sd(theta, i) * d(i, j);
            }
        }
    }

    fn coordinates(&self, k: usize) -> Coordinates {
        let n = self.sds(k);
        let angle = usize::from(k > 1);
        Coordinates::Bounded {
            lower: vec![0.0; n + angle],
            upper: [vec![f64::INFINITY; n], vec![FRAC_PI_2; angle]].concat(),
            unit_of: [(0..n).map(Some).collect(), vec![None; angle]].concat(),
        }
    }

    fn covariance(&self, theta: &[f64], k: usize) -> Option<Covariance> {
        let beside: Vec<f64> = band(0, k).iter().map(|v| 1.0 - v).collect();
        let rho = self.correlation(theta, k).unwrap_or(0.0);
        let n = usize::from(k > 1);
        if self.homogeneous {
            let variance = theta[0] * theta[0];
            return Some(Covariance::linear([variance, variance * rho][..=n].to_vec(), &[band(0, k), beside][..=n]));
        }
        let mut c = Jet::default();
        c.reset(n, k * k, 2);
        c.value = (0..k * k).map(|t| 1.0 + (rho - 1.0) * beside[t]).collect();
        c.first = beside[..n * k * k].to_vec();
        Covariance::heterogeneous(&theta[..k], &c)
    }

    fn natural(&self, theta: &[f64], k: usize) -> Vec<Natural> {
        let sd = |i: usize| Natural {
            kind: if self.homogeneous { Kind::Common("sd") } else { Kind::Sd(i) },
            value: theta[i].abs(),
        };
        let correlation = self.correlation(theta, k).map(|value| Natural { kind: Kind::Common("correlation"), value });
        (0..self.sds(k)).map(sd).chain(correlation).collect()
    }

    fn read(&self, lambda: &[f64], k: usize, theta: &mut [f64]) -> bool {
        let sds: Vec<f64> = row_lengths(lambda, k).collect();
        let common = (sds.iter().map(|s| s * s).sum::<f64>() / k as f64).sqrt();
        if self.homogeneous {
            theta[0] = common;
        } else {
            theta[..k].copy_from_slice(&sds);
        }
        // correlations of the effects that vary
        let correlations: Vec<f64> = (0..k)
            .flat_map(|i| (0..i).map(move |j| (i, j)))
            .filter(|&(i, j)| sds[i] > 0.0 && sds[j] > 0.0)
            .map(|(i, j)| (0..k).map(|c| lambda[i * k + c] * lambda[j * k + c]).sum::<f64>() / (sds[i] * sds[j]))
            .collect();
        let n = correlations.len().max(1) as f64;
        let rho = correlations.iter().sum::<f64>() / n;
        if k > 1 {
            let kf = k as f64;
            theta[self.sds(k)] = ((1.0 - rho) * (kf - 1.0) / kf).clamp(0.0, 1.0).sqrt().asin();
        }
        correlations.iter().all(|r| (r - rho).abs() < 1e-8)
            && !(self.homogeneous && sds.iter().any(|s| (s - common).abs() > 1e-8 * common))
    }
}
