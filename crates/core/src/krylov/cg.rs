//! Conjugate gradients for a few right sides at once, each of which ends by itself, and the
//! tridiagonal matrices that they leave.

use super::block::Block;
use super::real::Real;
use crate::error::CoreError;
use crate::optimize::trust_region::Eigen;
use crate::watch::Watch;

/// Steps after which the method is given up.
const MOST: usize = 2000;

/// The tridiagonal matrix of Lanczos' method, from the steps of conjugate gradients.
#[derive(Clone, Debug, Default)]
pub struct Tridiagonal {
    /// Diagonal.
    pub diagonal: Vec<f64>,
    /// Beside it.
    pub beside: Vec<f64>,
}

impl Tridiagonal {
    /// First entry of the logarithm of its leading part of an order.
    pub fn log(&self, order: usize) -> f64 {
        self.log_and_square(order).0
    }

    /// The same, and the squared length of the first column of log T - T + I.
    pub fn log_and_square(&self, order: usize) -> (f64, f64) {
        let n = order.min(self.diagonal.len());
        if n == 0 {
            return (0.0, 0.0);
        }
        let mut t = vec![0.0; n * n];
        for i in 0..n {
            t[i * n + i] = self.diagonal[i];
            if i + 1 < n {
                t[i * n + i + 1] = self.beside[i];
                t[(i + 1) * n + i] = self.beside[i];
            }
        }
        let Some(e) = Eigen::of(&t, n) else { return (f64::NAN, f64::NAN) };
        let mut out = (0.0, 0.0);
        for (v, first) in e.values.iter().zip(&e.vectors) {
            let share = first * first;
            out.0 += share * v.ln();
            out.1 += share * (v.ln() - v + 1.0).powi(2);
        }
        out
    }
}

/// When to end.
#[derive(Clone, Copy, Debug)]
pub struct Precision {
    /// Length of what is left, relative to the right side.
    pub tolerance: f64,
    /// Least number of steps.
    pub least: usize,
    /// Square of a length that is enough in any case.
    pub enough: f64,
}

/// Solutions, and for each the tridiagonal matrix.
pub struct Solved<T> {
    /// Solutions.
    pub x: Block<T>,
    /// One for each.
    pub matrices: Vec<Tridiagonal>,
}

/// Solves A x = b. `floor` are squares of lengths below which a right side is zero but for
/// rounding, where it was the difference of larger vectors.
///
/// # Errors
/// An interruption, or no convergence.
pub fn solve<T: Real>(
    apply: &dyn Fn(&Block<T>) -> Block<T>,
    b: &Block<T>,
    floor: &[f64],
    precision: Precision,
    watch: &dyn Watch,
) -> Result<Solved<T>, CoreError> {
    let (k, used) = (b.k, b.used);
    let mut x = Block { k, used, data: vec![T::default(); b.data.len()] };
    let mut r = b.clone();
    let mut p = b.clone();
    let begin = r.dots(&r);
    let mut rr = begin.clone();
    let mut matrices = vec![Tridiagonal::default(); used];
    let mut live: Vec<bool> = (0..k).map(|c| c < used && begin[c] > T::ROUNDING * floor[c].max(1e-270)).collect();
    // last step's length and ratio
    let mut before = vec![(1.0, 0.0); k];
    let enough = precision.tolerance * precision.tolerance;
    for step in 1.. {
        if !live.contains(&true) {
            break;
        }
        if step > MOST {
            return Err(CoreError::Degenerate(
                "the conjugate gradients of the iterative solver do not converge: some random effects are nearly \
                 determined by others"
                    .into(),
            ));
        }
        watch.check()?;
        let ap = apply(&p);
        let curvature = p.dots(&ap);
        let mut alpha = vec![0.0; k];
        for c in (0..k).filter(|&c| live[c]) {
            if curvature[c].is_nan() || curvature[c] <= 0.0 {
                return Err(CoreError::Degenerate("the system is not positive definite".into()));
            }
            alpha[c] = rr[c] / curvature[c];
            let (last, ratio) = before[c];
            let t = &mut matrices[c];
            if step > 1 {
                t.beside.push(f64::sqrt(ratio) / last);
            }
            t.diagonal.push(1.0 / alpha[c] + if step > 1 { ratio / last } else { 0.0 });
        }
        let by: Vec<T> = alpha.iter().map(|a| T::of(*a)).collect();
        for (((x, r), p), ap) in x
            .data
            .chunks_exact_mut(k)
            .zip(r.data.chunks_exact_mut(k))
            .zip(p.data.chunks_exact(k))
            .zip(ap.data.chunks_exact(k))
        {
            for (((x, r), (p, ap)), a) in x.iter_mut().zip(r).zip(p.iter().zip(ap)).zip(&by) {
                *x += *a * *p;
                *r = *r - *a * *ap;
            }
        }
        let next = r.dots(&r);
        let mut beta = vec![0.0; k];
        for c in 0..k {
            if !live[c] {
                continue;
            }
            beta[c] = next[c] / rr[c];
            before[c] = (alpha[c], beta[c]);
            rr[c] = next[c];
            if next[c] <= (enough * begin[c]).max(precision.enough) && step >= precision.least
                || next[c] <= T::ROUNDING * begin[c]
            {
                live[c] = false;
                beta[c] = 0.0;
            }
        }
        // zero where a column has ended
        let keep: Vec<(T, T)> = (0..k).map(|c| (T::of(f64::from(u8::from(live[c]))), T::of(beta[c]))).collect();
        for (p, r) in p.data.chunks_exact_mut(k).zip(r.data.chunks_exact(k)) {
            for ((p, r), (keep, beta)) in p.iter_mut().zip(r).zip(&keep) {
                *p = *keep * *r + *beta * *p;
            }
        }
    }
    Ok(Solved { x, matrices })
}
