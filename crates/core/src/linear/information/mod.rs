//! What the data say of the covariance parameters, for degrees of freedom of the fixed effects.
//!
//! Everything is computed in the changed basis: columns centred and scaled, weights and response of
//! order one, variances as multiples of the residual variance. Coordinates of the fixed effects are
//! those in which their covariance matrix is the identity times that variance; a *root* K with K K'
//! = (X'V^-1X)^-1 of the columns as given leads to them: a contrast l'b has the coordinates K'l. So
//! nothing that is inverted or subtracted depends on the origin or the unit of a variable.
//!
//! Symbols: V = I + Z D Z', H = Z'V^-1Z, F = Z'V^-1X R_X^-T, g = Z'V^-1(y - Xb); J_r with D = sum
//! d_r J_r is the derivative of D by the r-th variance or covariance of a block of random effects.

mod blocks;
mod coordinates;
mod dense;
mod kenward_roger;
mod moments;
mod natural;
mod satterthwaite;
mod tested;
mod traces;

pub use kenward_roger::{kenward_roger, threads_worth, KenwardRoger};
pub use satterthwaite::{satterthwaite, Satterthwaite};
pub use tested::{Method, Tested};

use super::criterion::Evaluator;
use super::score::Score;
use super::system::System;
use crate::blocks::NotPositive;
use crate::dense::{kernels, large};
use crate::error::CoreError;
use crate::optimize::trust_region::Eigen;
use dense::Runner;

/// Told nothing; says whether to go on.
pub type GoOn<'a> = &'a (dyn Fn() -> bool + Sync);

/// Where a fit is, and how it was made.
#[derive(Clone, Copy, Debug)]
pub struct At<'a> {
    /// Relative covariance parameters of the columns as given.
    pub theta: &'a [f64],
    /// For each term, in the order of factors and terms, the number of directions held at zero.
    pub null: &'a [usize],
    /// Whether the criterion is that of REML.
    pub reml: bool,
    /// Threads of dense products.
    pub n_threads: usize,
}

/// The root of the covariance matrix of the fixed effects at a theta, divided by sigma: p x p,
/// row-major, columns as given.
///
/// # Errors
/// A theta at which the system is not positive definite.
pub fn fixed_root(sys: &System, e: &mut Evaluator, theta: &[f64], reml: bool) -> Result<Vec<f64>, CoreError> {
    e.lambda = sys.lambda_from_theta(theta);
    e.criterion(sys, reml).map_err(not_positive)?;
    Ok(root(sys, e))
}

fn not_positive(_: NotPositive) -> CoreError {
    CoreError::Degenerate("the system is not positive definite at this theta".into())
}

/// G R_X^-T at the Lambda last factored.
fn root(sys: &System, e: &Evaluator) -> Vec<f64> {
    let p = sys.p();
    let inverse = inverse_transposed(&e.rxx, p, sys.cp.pw);
    let mut out = vec![0.0; p * p];
    if p >= large::MANY {
        large::multiply(&sys.basis.g(), &inverse, p, p, p, &mut out);
    } else {
        kernels::multiply(&sys.basis.g(), &inverse, p, p, p, &mut out);
    }
    out
}

/// R^-T (upper triangular) of the leading p x p part of a lower triangular matrix with rows of
/// `width`.
fn inverse_transposed(r: &[f64], p: usize, width: usize) -> Vec<f64> {
    if p >= large::MANY {
        return large::inverse_transposed(&packed(r, p, width), p);
    }
    let mut out = vec![0.0; p * p];
    for c in 0..p {
        // row c of the result is column c of R^-1
        for i in c..p {
            let known: f64 = (c..i).map(|m| r[i * width + m] * out[c * p + m]).sum();
            out[c * p + i] = (f64::from(i == c) - known) / r[i * width + i];
        }
    }
    out
}

/// The leading p x p part of a lower triangular matrix with rows of `width`.
fn packed(r: &[f64], p: usize, width: usize) -> Vec<f64> {
    let mut out = vec![0.0; p * p];
    (0..p).for_each(|i| out[i * p..=i * p + i].copy_from_slice(&r[i * width..=i * width + i]));
    out
}

/// [X y] to the coordinates: columns R_X^-T, then the residual's (-b, 1); (p + 1) x (p + 1).
fn coordinates(sys: &System, e: &Evaluator, score: &Score) -> Vec<f64> {
    let (p, pw) = (sys.p(), sys.cp.pw);
    let inverse = inverse_transposed(&e.rxx, p, pw);
    let mut out = vec![0.0; pw * pw];
    for i in 0..p {
        out[i * pw..i * pw + p].copy_from_slice(&inverse[i * p..(i + 1) * p]);
        out[i * pw + p] = -score.beta[i];
    }
    out[p * pw + p] = 1.0;
    out
}

/// Inverse of a symmetric matrix on the eigenvectors whose eigenvalues are above `share` of the
/// largest, and the number of the others; None where an entry is not finite.
fn inverse_on_range(h: &[f64], n: usize, share: f64) -> Option<(Vec<f64>, usize)> {
    if n == 0 {
        return Some((Vec::new(), 0));
    }
    let eigen = Eigen::of(h, n)?;
    let floor = share * eigen.values[n - 1].max(0.0);
    let mut out = vec![0.0; n * n];
    let mut left_out = 0;
    for (c, &value) in eigen.values.iter().enumerate() {
        if value <= floor {
            left_out += 1;
            continue;
        }
        for i in 0..n {
            let f = eigen.vectors[i * n + c] / value;
            for j in 0..n {
                out[i * n + j] += f * eigen.vectors[j * n + c];
            }
        }
    }
    Some((out, left_out))
}

#[cfg(test)]
mod tests;
