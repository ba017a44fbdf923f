//! The search for the optimum of the free coordinates while one parameter is held.

use super::subject::Held;
use crate::error::CoreError;
use crate::optimize::trust_region::{self, Eigen};
use crate::watch::Watch;

/// Newton decrement at which a search stops; the error of zeta is a fraction of it.
const TOLERANCE: f64 = 1e-9;
/// Decrement that is small enough where rounding allows no better.
const TOLERABLE: f64 = 1e-6;
/// Steps after which the Hessian is formed anew by differences.
const PATIENCE: usize = 20;
/// Displacement of the coordinates for those differences.
const DISPLACEMENT: f64 = 1e-4;

/// The end of a search; the work space is left there.
pub struct Minimum {
    /// -2 log-likelihood (changed basis).
    pub deviance: f64,
    /// Its derivative with respect to what is held.
    pub slope: f64,
    /// Whether the decrement is small.
    pub converged: bool,
}

/// Hessian by central differences of the gradient; none where a displaced point cannot be evaluated.
pub fn hessian<H: Held>(
    problem: &mut H,
    work: &mut H::Work,
    phi: &[f64],
    watch: &dyn Watch,
) -> Result<Option<Vec<f64>>, CoreError> {
    let n = phi.len();
    let mut h = vec![0.0; n * n];
    let mut g = Vec::new();
    for c in 0..n {
        for sign in [1.0, -1.0] {
            let mut x = phi.to_vec();
            x[c] += sign * DISPLACEMENT;
            if problem.deviance(work, &x, watch)?.is_infinite() {
                return Ok(None);
            }
            problem.gradient(work, &x, &mut g);
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
pub fn minimise<H: Held>(
    problem: &mut H,
    work: &mut H::Work,
    phi: &mut Vec<f64>,
    hessian: &mut Vec<f64>,
    watch: &dyn Watch,
) -> Result<Minimum, CoreError> {
    let first = descend(problem, work, phi, hessian, watch)?;
    let Some(mut other) = problem.nudged(phi) else {
        return Ok(first);
    };
    let mut curvature = hessian.clone();
    let second = descend(problem, work, &mut other, &mut curvature, watch)?;
    if second.deviance < first.deviance {
        *phi = other;
        *hessian = curvature;
        return Ok(second);
    }
    problem.deviance(work, phi, watch)?;
    problem.gradient(work, phi, &mut Vec::new());
    Ok(first)
}

/// Trust-region steps; the Hessian is updated by symmetric rank one (Conn, Gould and Toint 1991), which keeps negative curvature.
fn descend<H: Held>(
    problem: &mut H,
    work: &mut H::Work,
    phi: &mut Vec<f64>,
    hessian: &mut Vec<f64>,
    watch: &dyn Watch,
) -> Result<Minimum, CoreError> {
    let n = phi.len();
    let mut f = problem.deviance(work, phi, watch)?;
    if f.is_infinite() {
        return Ok(Minimum { deviance: f, slope: f64::NAN, converged: false });
    }
    let noise = problem.noise(f);
    let (mut g, mut trial_g) = (Vec::new(), Vec::new());
    let mut slope = problem.gradient(work, phi, &mut g);
    if n == 0 {
        return Ok(Minimum { deviance: f, slope, converged: true });
    }
    let mut radius = 1.0f64;
    let mut converged = false;
    let mut moved = false;
    let mut decrement = f64::INFINITY;
    for round in 0..5 * PATIENCE {
        if hessian.len() != n * n || (round > 0 && round % PATIENCE == 0) {
            if let Some(h) = self::hessian(problem, work, phi, watch)? {
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
        let v = problem.deviance(work, &trial, watch)?;
        moved = true;
        if v.is_infinite() {
            radius = 0.1 * length;
            if radius < 1e-12 {
                break;
            }
            continue;
        }
        let trial_slope = problem.gradient(work, &trial, &mut trial_g);
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
        f = problem.deviance(work, phi, watch)?;
        slope = problem.gradient(work, phi, &mut g);
    }
    Ok(Minimum { deviance: f, slope, converged: converged || decrement < TOLERABLE })
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
