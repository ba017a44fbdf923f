//! The search for the optimum of the free coordinates while one parameter is held.

use super::line::Line;
use crate::error::CoreError;
use crate::optimize::differences::{self, Width};
use crate::optimize::trust_region::{self, Eigen, Policy, Trial, Verdict};
use crate::watch::Watch;

/// Newton decrement at which a search stops; the error of zeta is a fraction of it.
const TOLERANCE: f64 = 1e-9;
/// Decrement that is small enough where rounding allows no better.
const TOLERABLE: f64 = 1e-6;
/// Steps after which the Hessian is formed anew by differences.
const PATIENCE: usize = 20;
/// Displacement of the coordinates for those differences.
const DISPLACEMENT: f64 = 1e-4;
/// What becomes of steps.
const POLICY: Policy = Policy { hidden: 4.0, rejected: 0.25, undefined: 0.1, smallest: 1e-12 };

/// The end of a search; the work space is left there.
pub struct Minimum {
    /// -2 log-likelihood (changed basis).
    pub deviance: f64,
    /// Its derivative with respect to what is held.
    pub slope: f64,
    /// Whether the decrement is small.
    pub converged: bool,
}

/// Hessian by central differences of the gradient; none where a displaced point cannot be
/// evaluated.
pub fn hessian(line: &mut dyn Line, phi: &[f64], watch: &dyn Watch) -> Result<Option<Vec<f64>>, CoreError> {
    differences::hessian(&vec![Width::central(DISPLACEMENT); phi.len()], &[], &mut |c, displacement| {
        let mut x = phi.to_vec();
        x[c] += displacement;
        if line.deviance(&x, watch)?.is_infinite() {
            return Ok(None);
        }
        let mut g = Vec::new();
        line.gradient(&x, &mut g);
        Ok(Some(g))
    })
}

/// Minimises from `phi`; where directions are lost, also from a point that has them.
pub fn minimise(
    line: &mut dyn Line,
    phi: &mut Vec<f64>,
    hessian: &mut Vec<f64>,
    watch: &dyn Watch,
) -> Result<Minimum, CoreError> {
    let first = descend(line, phi, hessian, watch)?;
    let Some(mut other) = line.nudged(phi) else {
        return Ok(first);
    };
    let mut curvature = hessian.clone();
    let second = descend(line, &mut other, &mut curvature, watch)?;
    if second.deviance < first.deviance {
        *phi = other;
        *hessian = curvature;
        return Ok(second);
    }
    line.deviance(phi, watch)?;
    line.gradient(phi, &mut Vec::new());
    Ok(first)
}

/// Trust-region steps; the Hessian is updated by symmetric rank one (Conn, Gould and Toint 1991),
/// which keeps negative curvature.
fn descend(
    line: &mut dyn Line,
    phi: &mut Vec<f64>,
    hessian: &mut Vec<f64>,
    watch: &dyn Watch,
) -> Result<Minimum, CoreError> {
    let n = phi.len();
    let mut f = line.deviance(phi, watch)?;
    if f.is_infinite() {
        return Ok(Minimum { deviance: f, slope: f64::NAN, converged: false });
    }
    let noise = line.noise(f);
    let (mut g, mut trial_g) = (Vec::new(), Vec::new());
    let mut slope = line.gradient(phi, &mut g);
    if n == 0 {
        return Ok(Minimum { deviance: f, slope, converged: true });
    }
    let mut radius = 1.0f64;
    let mut converged = false;
    let mut moved = false;
    let mut decrement = f64::INFINITY;
    for round in 0..5 * PATIENCE {
        if hessian.len() != n * n || (round > 0 && round % PATIENCE == 0) {
            if let Some(h) = self::hessian(line, phi, watch)? {
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
        let v = line.deviance(&trial, watch)?;
        moved = true;
        let tried = Trial { before: f, after: v, predicted, length, edge, noise };
        let mut trial_slope = f64::NAN;
        if v.is_finite() {
            trial_slope = line.gradient(&trial, &mut trial_g);
            update(hessian, &s, &g, &trial_g);
        }
        match POLICY.judge(tried, &mut radius) {
            Verdict::Taken { hidden } => {
                *phi = trial;
                f = v;
                slope = trial_slope;
                std::mem::swap(&mut g, &mut trial_g);
                moved = false;
                if hidden {
                    converged = true;
                    break;
                }
            }
            Verdict::Rejected => {}
            Verdict::Exhausted => break,
        }
    }
    if moved {
        f = line.deviance(phi, watch)?;
        slope = line.gradient(phi, &mut g);
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
