//! Points of a curve, and what can be told from them alone.

use super::subject::State;

/// Fall of zeta from one point to the next that counts.
const FALL: f64 = 1e-4;

/// A point of a curve with what is needed to go on from it.
#[derive(Clone)]
pub struct Node {
    /// Place of the walk.
    pub w: f64,
    /// Signed root of the rise of the deviance.
    pub zeta: f64,
    /// d zeta / d w.
    pub rate: f64,
    /// -2 log-likelihood (changed basis).
    pub deviance: f64,
    /// Coordinates; none at a standard deviation of zero.
    pub phi: Vec<f64>,
    /// Hessian with respect to them.
    pub hessian: Vec<f64>,
    /// The point (changed basis).
    pub state: State,
    /// All parameters, columns as given.
    pub parameters: Vec<f64>,
    /// Whether it is an optimum.
    pub converged: bool,
}

/// Whether |zeta| grows from point to point.
pub fn grows(start: &Node, nodes: &[Node]) -> bool {
    let mut last = start.zeta.abs();
    nodes.iter().all(|n| {
        let here = n.zeta.abs();
        let ok = here >= last - FALL;
        last = here;
        ok
    })
}

/// Where |zeta| should be `target` between two points: w as a cubic of zeta with the rates of both,
/// else linear.
pub fn between(a: &Node, b: &Node, target: f64) -> f64 {
    let (za, zb) = (a.zeta.abs(), b.zeta.abs());
    let h = zb - za;
    let t = (target - za) / h;
    let linear = a.w + t * (b.w - a.w);
    let (da, db) = ((b.w - a.w).signum() * h / a.rate.abs(), (b.w - a.w).signum() * h / b.rate.abs());
    let cubic = (2.0 * t.powi(3) - 3.0 * t * t + 1.0) * a.w
        + (t.powi(3) - 2.0 * t * t + t) * da
        + (3.0 * t * t - 2.0 * t.powi(3)) * b.w
        + (t.powi(3) - t * t) * db;
    let (lo, hi) = (a.w.min(b.w), a.w.max(b.w));
    if cubic.is_finite() && cubic > lo && cubic < hi {
        cubic
    } else {
        linear
    }
}
