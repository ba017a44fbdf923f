//! The trust-region step of Moré and Sorensen (1983), by an eigendecomposition of the (small)
//! Hessian, and what becomes of the region after it was tried.

use faer::{Mat, Side};

/// Eigendecomposition of a symmetric matrix.
pub struct Eigen {
    /// Eigenvalues, ascending.
    pub values: Vec<f64>,
    /// Eigenvectors as columns, row-major n x n.
    pub vectors: Vec<f64>,
}

impl Eigen {
    /// Decomposes the row-major symmetric `h`.
    pub fn of(h: &[f64], n: usize) -> Option<Eigen> {
        if n == 1 {
            return h[0].is_finite().then(|| Eigen { values: vec![h[0]], vectors: vec![1.0] });
        }
        if h.iter().any(|v| !v.is_finite()) {
            return None;
        }
        if n <= 8 {
            return Some(jacobi(h, n));
        }
        let m = Mat::from_fn(n, n, |i, j| 0.5 * (h[i * n + j] + h[j * n + i]));
        let e = m.self_adjoint_eigen(Side::Lower).ok()?;
        let values = (0..n).map(|i| e.S()[i]).collect();
        let mut vectors = vec![0.0; n * n];
        for i in 0..n {
            for j in 0..n {
                vectors[i * n + j] = e.U()[(i, j)];
            }
        }
        Some(Eigen { values, vectors })
    }

    /// Components of `g` along the eigenvectors.
    pub fn components(&self, g: &[f64]) -> Vec<f64> {
        let n = g.len();
        (0..n).map(|j| (0..n).map(|i| self.vectors[i * n + j] * g[i]).sum()).collect()
    }

    /// sum of g_i^2 / |e_i|: the drop that a Newton step promises, in units of the criterion
    /// (doubled).
    pub fn decrement(&self, g: &[f64]) -> f64 {
        let largest = self.values.iter().fold(0.0f64, |a, v| a.max(v.abs()));
        self.components(g)
            .iter()
            .zip(&self.values)
            .map(|(c, e)| if *c == 0.0 { 0.0 } else { c * c / e.abs().max(1e-14 * largest).max(f64::MIN_POSITIVE) })
            .sum()
    }
}

/// Cyclic Jacobi rotations for small matrices.
fn jacobi(h: &[f64], n: usize) -> Eigen {
    let mut a = vec![0.0; n * n];
    for i in 0..n {
        for j in 0..n {
            a[i * n + j] = 0.5 * (h[i * n + j] + h[j * n + i]);
        }
    }
    let mut v = vec![0.0; n * n];
    (0..n).for_each(|i| v[i * n + i] = 1.0);
    for _ in 0..50 {
        let mut turned = false;
        for p in 0..n {
            for q in p + 1..n {
                let apq = a[p * n + q];
                // what is small beside both diagonal entries changes neither eigenvalue in its last
                // digit
                if apq * apq <= 1e-34 * (a[p * n + p] * a[q * n + q]).abs() {
                    continue;
                }
                turned = true;
                let theta = (a[q * n + q] - a[p * n + p]) / (2.0 * apq);
                let t = if theta == 0.0 { 1.0 } else { theta.signum() / (theta.abs() + (1.0 + theta * theta).sqrt()) };
                let c = 1.0 / (1.0 + t * t).sqrt();
                let s = t * c;
                for i in 0..n {
                    let (x, y) = (a[i * n + p], a[i * n + q]);
                    (a[i * n + p], a[i * n + q]) = (c * x - s * y, s * x + c * y);
                }
                for i in 0..n {
                    let (x, y) = (a[p * n + i], a[q * n + i]);
                    (a[p * n + i], a[q * n + i]) = (c * x - s * y, s * x + c * y);
                }
                for i in 0..n {
                    let (x, y) = (v[i * n + p], v[i * n + q]);
                    v[i * n + p] = c * x - s * y;
                    v[i * n + q] = s * x + c * y;
                }
                a[p * n + q] = 0.0;
                a[q * n + p] = 0.0;
            }
        }
        if !turned {
            break;
        }
    }
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&i, &j| a[i * n + i].total_cmp(&a[j * n + j]));
    let values = order.iter().map(|&i| a[i * n + i]).collect();
    let mut vectors = vec![0.0; n * n];
    for (c, &j) in order.iter().enumerate() {
        for i in 0..n {
            vectors[i * n + c] = v[i * n + j];
        }
    }
    Eigen { values, vectors }
}

/// Share of the predicted drop that a step must reach, that lets the region shrink below, and that
/// lets it grow above.
const ENOUGH: f64 = 1e-4;
const POOR: f64 = 0.25;
const GOOD: f64 = 0.75;
/// How the radius grows, and what share of the step's length is left of it after a poor step.
const GROWTH: f64 = 2.5;
const SHRUNK: f64 = 0.5;

/// What differs between models.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// Rounding errors up to which a predicted drop cannot be seen.
    pub hidden: f64,
    /// Share of a step's length that is left as the radius where it failed.
    pub rejected: f64,
    /// The same where the objective is not defined at its end.
    pub undefined: f64,
    /// Radius at which the search gives up.
    pub smallest: f64,
}

/// A step that was tried.
#[derive(Clone, Copy, Debug)]
pub struct Trial {
    /// Objective before.
    pub before: f64,
    /// Objective at its end; infinite where it is not defined.
    pub after: f64,
    /// Change that was predicted.
    pub predicted: f64,
    /// Its length.
    pub length: f64,
    /// Whether it ends at the edge of the region.
    pub edge: bool,
    /// Rounding error of the objective.
    pub noise: f64,
}

/// What becomes of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is taken.
    Taken {
        /// Whether rounding hides what it gains.
        hidden: bool,
    },
    /// It is tried again, shorter.
    Rejected,
    /// The region is so small that no step helps.
    Exhausted,
}

impl Policy {
    /// Judges a step, and changes the radius for the next.
    pub fn judge(&self, t: Trial, radius: &mut f64) -> Verdict {
        let ratio = (t.after - t.before) / t.predicted;
        let hidden = t.predicted.abs() < self.hidden * t.noise && t.after <= t.before + self.hidden * t.noise;
        if t.after < t.before && ratio > ENOUGH || hidden {
            if ratio > GOOD && t.edge {
                *radius *= GROWTH;
            } else if ratio < POOR && !hidden {
                *radius = SHRUNK * t.length;
            }
            return Verdict::Taken { hidden };
        }
        *radius = if t.after.is_finite() { self.rejected } else { self.undefined } * t.length;
        if *radius < self.smallest {
            Verdict::Exhausted
        } else {
            Verdict::Rejected
        }
    }
}

/// The change that g's + s'Hs/2 predicts.
pub fn predicted(g: &[f64], h: &[f64], s: &[f64]) -> f64 {
    let n = s.len();
    (0..n).map(|i| s[i] * (g[i] + 0.5 * (0..n).map(|j| h[i * n + j] * s[j]).sum::<f64>())).sum()
}

/// Minimiser of g's + s'Hs/2 in the ball of the given radius; returns (step, predicted change,
/// whether it is on the boundary).
pub fn step(g: &[f64], e: &Eigen, radius: f64) -> (Vec<f64>, f64, bool) {
    let n = g.len();
    let c = e.components(g);
    let lowest = e.values[0];
    let scale = e.values.iter().fold(0.0f64, |a, v| a.max(v.abs())).max(1e-300);
    let along = |mu: f64| -> Vec<f64> {
        c.iter().zip(&e.values).map(|(c, e)| if *c == 0.0 { 0.0 } else { -c / (e + mu) }).collect()
    };
    let norm = |s: &[f64]| s.iter().map(|v| v * v).sum::<f64>().sqrt();
    let mut on_boundary = false;
    let mut s = vec![0.0; n];
    let mut solved = false;
    if lowest > 1e-14 * scale {
        s = along(0.0);
        solved = norm(&s) <= radius;
    }
    if !solved {
        on_boundary = true;
        let floor = (-lowest).max(0.0);
        let gn = norm(&c);
        // the hard case: no component along the lowest eigenvectors brings the step to the boundary
        let near = floor + 1e-12 * scale;
        let open: Vec<f64> = along(near);
        if norm(&open) < radius {
            s = open;
            let gap = (radius * radius - s.iter().map(|v| v * v).sum::<f64>()).max(0.0).sqrt();
            if lowest < 0.0 {
                s[0] += if c[0] > 0.0 { -gap } else { gap };
            } else {
                on_boundary = false;
            }
        } else {
            let (mut lo, mut hi) = (near, floor + gn / radius + 1e-12 * scale);
            let mut mu = lo;
            for _ in 0..100 {
                let t = along(mu);
                let m = norm(&t);
                if (m - radius).abs() <= 1e-10 * radius {
                    break;
                }
                if m > radius {
                    lo = mu;
                } else {
                    hi = mu;
                }
                // Newton on 1/radius - 1/|s(mu)|
                let d: f64 = t.iter().zip(&e.values).map(|(t, e)| t * t / (e + mu)).sum::<f64>();
                let next = mu + (m * m / d) * ((m - radius) / radius);
                mu = if next > lo && next < hi { next } else { 0.5 * (lo + hi) };
            }
            s = along(mu);
        }
    }
    let predicted: f64 = c.iter().zip(&s).zip(&e.values).map(|((c, s), e)| c * s + 0.5 * e * s * s).sum();
    let out = (0..n).map(|i| (0..n).map(|j| e.vectors[i * n + j] * s[j]).sum()).collect();
    (out, predicted, on_boundary)
}

#[cfg(test)]
mod tests {
    use super::{step, Eigen};

    #[test]
    fn interior_newton_step() {
        let h = [4.0, 1.0, 1.0, 3.0];
        let g = [1.0, 2.0];
        let e = Eigen::of(&h, 2).unwrap();
        let (s, predicted, edge) = step(&g, &e, 10.0);
        assert!(!edge);
        assert!((4.0 * s[0] + s[1] + 1.0).abs() < 1e-12 && (s[0] + 3.0 * s[1] + 2.0).abs() < 1e-12);
        assert!((predicted - 0.5 * (g[0] * s[0] + g[1] * s[1])).abs() < 1e-12);
    }

    #[test]
    fn hard_case_reaches_the_boundary() {
        let h = [-2.0, 0.0, 0.0, 1.0];
        let e = Eigen::of(&h, 2).unwrap();
        let (s, predicted, edge) = step(&[0.0, 0.3], &e, 1.0);
        assert!(edge && predicted < -0.5);
        assert!((s[0].hypot(s[1]) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn eigenvalues_of_a_larger_matrix_agree_with_jacobi() {
        let n = 12;
        let h: Vec<f64> = (0..n * n)
            .map(|t| {
                let (i, j) = (t / n, t % n);
                1.0 / (1.0 + (i + j) as f64) + f64::from(i == j) * i as f64
            })
            .collect();
        let a = Eigen::of(&h, n).unwrap();
        let b = super::jacobi(&h, n);
        for (x, y) in a.values.iter().zip(&b.values) {
            assert!((x - y).abs() < 1e-12, "{x} {y}");
        }
    }
}
