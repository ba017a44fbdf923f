//! Whether the moments determine the parameters, before the first step.
//!
//! With V_k the derivative of V by a parameter or by the logarithm of sigma^2, the matrix
//! tr(V^-1 V_k V^-1 V_l) is singular where a combination of parameters changes nothing. It is taken
//! at a few generic points, as some combinations vanish at special ones only.

use super::covariance::Covariance;
use super::criterion::{add_pairs, At, Evaluated, Order};
use super::derivatives::Jacobian;
use super::moments::Moments;
use crate::optimize::trust_region::Eigen;

/// Points that are tried, and how far they are from the start.
const POINTS: usize = 3;
const SPREAD: f64 = 0.3;
/// Where the smallest eigenvalue at one point is above this, others are not tried.
const CLEAR: f64 = 1e-6;

/// What was found at the point where the parameters are best determined.
pub struct Determined {
    /// Smallest eigenvalue of the matrix scaled to unit diagonal.
    pub smallest: f64,
    /// Its eigenvector: a share for each parameter, the last of sigma.
    pub direction: Vec<f64>,
}

/// Looks at a structure near a start; none where R is not defined there.
pub fn determined(m: &Moments, c: &dyn Covariance, start: &[f64]) -> Option<Determined> {
    let mut best: Option<Determined> = None;
    let mut seed = 0x9E37_79B9_7F4A_7C15_u64;
    for _ in 0..POINTS {
        let z: Vec<f64> = start
            .iter()
            .map(|v| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                v + SPREAD * ((seed >> 11) as f64 / (1u64 << 53) as f64 - 0.5)
            })
            .collect();
        let Some(found) = at_point(m, c, &z) else { continue };
        if best.as_ref().is_none_or(|b| found.smallest > b.smallest) {
            best = Some(found);
        }
        if best.as_ref().is_some_and(|b| b.smallest > CLEAR) {
            break;
        }
    }
    best
}

fn at_point(m: &Moments, c: &dyn Covariance, z: &[f64]) -> Option<Determined> {
    let at = At::of(c, m, z, Order::First)?;
    let e = Evaluated::of(m, &at.r, false)?;
    let j = Jacobian::of(m, &at, c.n()).with_scale(m, &at);
    let n = j.n;
    let mut starts = vec![0];
    let mut pairs = Vec::new();
    for (u, w) in m.universes.iter().zip(&e.w) {
        let size = u.t * (u.t + 1) / 2;
        starts.push(starts[starts.len() - 1] + size);
        let mut of = vec![0.0; size * size];
        for (p, w) in u.patterns.iter().zip(w) {
            let scaled: Vec<f64> = w.iter().map(|v| p.m * v).collect();
            add_pairs(&p.visits, w, &scaled, size, &mut of);
        }
        pairs.push(of);
    }
    let mut gram = j.pull_pairs(&starts, &pairs);
    let scale: Vec<f64> = (0..n).map(|i| gram[i * n + i].max(0.0).sqrt()).collect();
    if let Some(i) = scale.iter().position(|s| *s <= 0.0) {
        let direction = (0..n).map(|k| f64::from(u8::from(k == i))).collect();
        return Some(Determined { smallest: 0.0, direction });
    }
    (0..n * n).for_each(|t| gram[t] /= scale[t / n] * scale[t % n]);
    let eigen = Eigen::of(&gram, n)?;
    let direction = (0..n).map(|i| eigen.vectors[i * n] / scale[i]).collect();
    Some(Determined { smallest: eigen.values[0], direction })
}
