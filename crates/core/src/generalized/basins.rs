//! Where a descent that has not ended leads: to an optimum that is known, or the way of another.

use super::fit::Fit;
use crate::fit::boundary::NEGLIGIBLE;

/// Half the square of the distance to a known optimum, by the curvature there, within which a
/// descent leads to it, if the slope towards it has this share of what that curvature gives, or is
/// so much larger.
const SAME_BASIN: f64 = 0.5;
const AGREES: f64 = 0.5;
/// Second derivative in a coordinate, and size of that, from which an optimum is at infinity there:
/// it has no place then.
const FLAT: f64 = 1e-3;
const FAR: f64 = 8.0;
/// Distance between coordinates, each in units of a predictor, of descents to one optimum.
const SAME_WAY: f64 = 0.05;

/// Whether a descent is in the basin of a known optimum: it is near, by the curvature there, no
/// lower, and falls towards it as the curvature has it.
pub(super) fn leads_to(known: &Fit, f: &Fit) -> bool {
    if f.objective < known.objective - NEGLIGIBLE {
        return false;
    }
    let d = difference(known, known, f);
    let n = d.len();
    match &known.hessian {
        Some(h) if h.len() == n * n && f.gradient.len() == n => {
            let square: f64 = (0..n * n).map(|t| d[t / n] * h[t] * d[t % n]).sum::<f64>().abs();
            let slope: f64 = f.gradient.iter().zip(&d).map(|(g, d)| g * d).sum();
            let is_at = |size: f64| d.iter().all(|v| v.abs() < size);
            let falls = is_at(SAME_WAY) || (AGREES * square..square / AGREES).contains(&slope);
            0.5 * square < SAME_BASIN && falls && is_at(1.0)
        }
        _ => is_same_way(known, known, f),
    }
}

/// Whether two descents stand at one place.
pub(super) fn is_same_way(known: &Fit, a: &Fit, b: &Fit) -> bool {
    difference(known, a, b).iter().all(|v| v.abs() < SAME_WAY)
}

/// The difference of coordinates, without fixed effects of which a known optimum has no finite
/// estimate.
fn difference(known: &Fit, a: &Fit, b: &Fit) -> Vec<f64> {
    let of = |f: &Fit| f.coordinates.of(&f.point);
    let (xa, xb, at) = (of(a), of(b), of(known));
    let (n, first) = (at.len(), known.coordinates.first_beta());
    let bends = |i: usize| known.hessian.as_ref().is_none_or(|h| h.len() != n * n || h[i * n + i].abs() > FLAT);
    (0..n).map(|i| if i < first || at[i].abs() < FAR || bends(i) { xb[i] - xa[i] } else { 0.0 }).collect()
}
