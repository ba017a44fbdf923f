//! -2 log-likelihood while one parameter is held, with everything else estimated.
//!
//! sigma^2 is either profiled out, given, or follows from Lambda (a standard deviation is sigma times the length of a row of Lambda),
//! so the search is over the free coordinates of Lambda alone and has no constraint.

use super::chart::Chart;
use super::Watcher;
use crate::error::CoreError;
use crate::lmm::{Evaluator, Plane, Score, System};
use crate::optimize::trust_region::{self, Eigen};

/// Newton decrement at which a search stops; the error of zeta is a fraction of it.
const TOLERANCE: f64 = 1e-9;
/// Decrement that is small enough where rounding allows no better.
const TOLERABLE: f64 = 1e-6;
/// Steps after which the Hessian is formed anew by differences.
const PATIENCE: usize = 20;
/// Displacement of the coordinates for those differences.
const DISPLACEMENT: f64 = 1e-4;
/// What is held.
pub enum Held {
    /// ln sigma.
    LogSigma(f64),
    /// A standard deviation, by the length of a row that the chart ties to sigma.
    Row,
    /// A correlation by its angle, or a standard deviation of zero: the chart holds it.
    Chart,
    /// A fixed effect.
    Fixed(Plane),
}

/// See the module.
pub struct Constrained<'a> {
    /// The model.
    pub sys: &'a System,
    /// Coordinates of Lambda.
    pub chart: Chart,
    /// What is held.
    pub held: Held,
    /// Residual variance at the last evaluation.
    pub sigma2: f64,
    /// Residual sum of squares, with what the plane adds.
    r2: f64,
}

/// The end of a search; evaluator and score are left there.
pub struct Minimum {
    /// -2 log-likelihood (changed basis).
    pub deviance: f64,
    /// Its derivative with respect to what is held.
    pub slope: f64,
    /// Whether the decrement is small.
    pub converged: bool,
}

impl<'a> Constrained<'a> {
    /// Not yet evaluated.
    pub fn new(sys: &'a System, chart: Chart, held: Held) -> Self {
        Constrained { sys, chart, held, sigma2: f64::NAN, r2: f64::NAN }
    }

    /// Changes the value that is held.
    pub fn set(&mut self, value: f64) {
        match &mut self.held {
            Held::LogSigma(v) => *v = value,
            Held::Row => self.chart.tie(value),
            Held::Chart => self.chart.turn(self.sys, value),
            Held::Fixed(plane) => plane.value = value,
        }
    }

    /// -2 log-likelihood at coordinates; infinite where it cannot be computed.
    pub fn deviance(&mut self, e: &mut Evaluator, phi: &[f64], watch: &Watcher<'_>) -> Result<f64, CoreError> {
        watch.check()?;
        let sys = self.sys;
        self.chart.write(phi, &mut e.lambda);
        if e.criterion(sys, false).is_err() {
            return Ok(f64::INFINITY);
        }
        let n = sys.nu(false);
        self.r2 = e.r2;
        self.sigma2 = match &self.held {
            Held::LogSigma(v) => (2.0 * v).exp(),
            Held::Row => (2.0 * self.chart.log_sigma(phi).unwrap_or(f64::NAN)).exp(),
            Held::Chart => self.r2 / n,
            Held::Fixed(plane) => {
                let (variance, gap) = e.off_plane(sys, plane);
                self.r2 += gap * gap / variance;
                self.r2 / n
            }
        };
        let d = 2.0 * e.log_det_r + n * (2.0 * std::f64::consts::PI * self.sigma2).ln() + self.r2 / self.sigma2;
        let d = d + self.chart.penalty(phi);
        Ok(if d.is_finite() { d } else { f64::INFINITY })
    }

    /// Gradient at the coordinates last evaluated; returns the derivative with respect to what is held.
    pub fn gradient(&self, e: &mut Evaluator, score: &mut Score, phi: &[f64], out: &mut Vec<f64>) -> f64 {
        let sys = self.sys;
        let plane = if let Held::Fixed(plane) = &self.held { Some(plane) } else { None };
        e.held_score(sys, 1.0 / self.sigma2, plane, score);
        let by_log_sigma = 2.0 * (sys.nu(false) - self.r2 / self.sigma2);
        let by_sd = self.chart.gradient(phi, score, by_log_sigma, out);
        match &self.held {
            Held::Row => by_sd,
            Held::LogSigma(_) => by_log_sigma,
            Held::Fixed(plane) => {
                let (variance, gap) = e.off_plane(sys, plane);
                2.0 * gap / (variance * self.sigma2)
            }
            Held::Chart => self.chart.angle_derivative(phi, score),
        }
    }

    /// Hessian by central differences of the gradient; none where a displaced point cannot be evaluated.
    pub fn hessian(
        &mut self,
        e: &mut Evaluator,
        score: &mut Score,
        phi: &[f64],
        watch: &Watcher<'_>,
    ) -> Result<Option<Vec<f64>>, CoreError> {
        let n = phi.len();
        let mut h = vec![0.0; n * n];
        let mut g = Vec::new();
        for c in 0..n {
            for sign in [1.0, -1.0] {
                let mut x = phi.to_vec();
                x[c] += sign * DISPLACEMENT;
                if self.deviance(e, &x, watch)?.is_infinite() {
                    return Ok(None);
                }
                self.gradient(e, score, &x, &mut g);
                for r in 0..n {
                    h[r * n + c] += 0.5 * sign * g[r] / DISPLACEMENT;
                }
            }
        }
        for r in 0..n {
            for c in 0..r {
                let mean = 0.5 * (h[r * n + c] + h[c * n + r]);
                (h[r * n + c], h[c * n + r]) = (mean, mean);
            }
        }
        Ok(Some(h))
    }

    /// Minimises from `phi`; where directions are lost, also from a point that has them.
    pub fn minimise(
        &mut self,
        e: &mut Evaluator,
        score: &mut Score,
        phi: &mut Vec<f64>,
        hessian: &mut Vec<f64>,
        watch: &Watcher<'_>,
    ) -> Result<Minimum, CoreError> {
        let first = self.descend(e, score, phi, hessian, watch)?;
        let Some(mut other) = self.chart.nudged(phi) else {
            return Ok(first);
        };
        let mut curvature = hessian.clone();
        let second = self.descend(e, score, &mut other, &mut curvature, watch)?;
        if second.deviance < first.deviance {
            *phi = other;
            *hessian = curvature;
            return Ok(second);
        }
        self.deviance(e, phi, watch)?;
        self.gradient(e, score, phi, &mut Vec::new());
        Ok(first)
    }

    /// Trust-region steps; the Hessian is updated by symmetric rank one (Conn, Gould and Toint 1991), which keeps negative curvature.
    fn descend(
        &mut self,
        e: &mut Evaluator,
        score: &mut Score,
        phi: &mut Vec<f64>,
        hessian: &mut Vec<f64>,
        watch: &Watcher<'_>,
    ) -> Result<Minimum, CoreError> {
        let n = phi.len();
        let mut f = self.deviance(e, phi, watch)?;
        if f.is_infinite() {
            return Ok(Minimum { deviance: f, slope: f64::NAN, converged: false });
        }
        let noise = 2e-14 * (f.abs() + self.sys.nu(false));
        let (mut g, mut trial_g) = (Vec::new(), Vec::new());
        let mut slope = self.gradient(e, score, phi, &mut g);
        if n == 0 {
            return Ok(Minimum { deviance: f, slope, converged: true });
        }
        let mut radius = 1.0f64;
        let mut converged = false;
        let mut moved = false;
        let mut decrement = f64::INFINITY;
        for round in 0..5 * PATIENCE {
            if hessian.len() != n * n || (round > 0 && round % PATIENCE == 0) {
                if let Some(h) = self.hessian(e, score, phi, watch)? {
                    *hessian = h;
                } else if hessian.len() != n * n {
                    *hessian = (0..n * n).map(|t| f64::from(t / n == t % n)).collect();
                }
                moved = true;
            }
            let Some(eigen) = Eigen::of(hessian, n) else {
                break;
            };
            decrement = eigen.decrement(&g);
            if decrement < TOLERANCE {
                converged = true;
                break;
            }
            let (s, predicted, edge) = trust_region::step(&g, &eigen, radius);
            let length = s.iter().map(|v| v * v).sum::<f64>().sqrt();
            let trial: Vec<f64> = phi.iter().zip(&s).map(|(x, s)| x + s).collect();
            let v = self.deviance(e, &trial, watch)?;
            moved = true;
            if v.is_infinite() {
                radius = 0.1 * length;
                if radius < 1e-12 {
                    break;
                }
                continue;
            }
            let trial_slope = self.gradient(e, score, &trial, &mut trial_g);
            update(hessian, &s, &g, &trial_g);
            let ratio = (v - f) / predicted;
            let invisible = predicted.abs() < 4.0 * noise && v <= f + 4.0 * noise;
            if v < f && ratio > 1e-4 || invisible {
                if ratio > 0.75 && edge {
                    radius *= 2.5;
                } else if ratio < 0.25 && !invisible {
                    radius = 0.5 * length;
                }
                *phi = trial;
                f = v;
                slope = trial_slope;
                std::mem::swap(&mut g, &mut trial_g);
                moved = false;
                if invisible {
                    converged = true;
                    break;
                }
            } else {
                radius = 0.25 * length;
                if radius < 1e-12 {
                    break;
                }
            }
        }
        if moved {
            f = self.deviance(e, phi, watch)?;
            slope = self.gradient(e, score, phi, &mut g);
        }
        Ok(Minimum { deviance: f, slope, converged: converged || decrement < TOLERABLE })
    }
}

/// Adds what makes the Hessian map a step to the change of the gradient along it.
fn update(hessian: &mut [f64], s: &[f64], before: &[f64], after: &[f64]) {
    let n = s.len();
    let v: Vec<f64> = (0..n)
        .map(|i| after[i] - before[i] - hessian[i * n..(i + 1) * n].iter().zip(s).map(|(h, s)| h * s).sum::<f64>())
        .collect();
    let vs: f64 = v.iter().zip(s).map(|(v, s)| v * s).sum();
    let norm = |a: &[f64]| a.iter().map(|x| x * x).sum::<f64>().sqrt();
    if vs.abs() > 1e-8 * norm(&v) * norm(s) {
        for i in 0..n {
            for j in 0..n {
                hessian[i * n + j] += v[i] * v[j] / vs;
            }
        }
    }
}
