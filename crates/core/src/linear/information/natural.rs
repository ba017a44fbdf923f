//! The covariance parameters in which Kenward and Roger's adjustment is made: variances and
//! covariances of free blocks, those of [`crate::structure::Covariance`] of other blocks.

use super::moments::{parameters, Direction};
use crate::layout::Block;
use crate::linear::system::System;

/// A second derivative of D that is not zero.
pub struct Bend {
    /// Two parameters.
    pub pair: (usize, usize),
    /// The matrix.
    pub second: Direction,
}

/// See the module.
pub struct Parameters {
    /// Derivatives of D.
    pub directions: Vec<Direction>,
    /// D as a sum of them.
    pub share: Vec<f64>,
    /// Second derivatives, each pair once.
    pub bends: Vec<Bend>,
}

impl Parameters {
    /// At a theta; none where a structure has no derivatives.
    pub fn at(sys: &System, theta: &[f64]) -> Option<Self> {
        let lambda = sys.lambda_from_theta(theta);
        let all = parameters(sys);
        let mut out = Parameters { directions: Vec::new(), share: Vec::new(), bends: Vec::new() };
        for &b in &sys.blocks {
            if b.is_free {
                let k = sys.factors[b.factor].k;
                let within = |e: usize| (b.offset..b.offset + b.k).contains(&e);
                for r in all.iter().filter(|r| r.factor == b.factor && within(r.x)) {
                    let l = &lambda[b.factor];
                    out.share.push((0..k).map(|c| l[r.x * k + c] * l[r.y * k + c]).sum());
                    out.directions.push(r.direction());
                }
                continue;
            }
            let term = &sys.terms[b.factor][b.term];
            let c = term.structure.covariance(&theta[term.own()], b.k)?;
            let first = out.directions.len();
            out.directions.extend((0..c.jet.n).map(|a| moved(sys, b, c.jet.d(a))));
            out.share.extend(&c.share);
            for a in 0..c.jet.n {
                for d in 0..=a {
                    let second = moved(sys, b, c.jet.d2(a, d));
                    if !second.pairs.is_empty() {
                        out.bends.push(Bend { pair: (first + a, first + d), second });
                    }
                }
            }
        }
        Some(out)
    }
}

/// A symmetric matrix of a block in the changed basis, among the effects of its factor.
fn moved(sys: &System, b: Block, given: &[f64]) -> Direction {
    let (basis, k) = (&sys.basis.terms[b.factor][b.term], b.k);
    let half = basis.from_given(given, k);
    let turned: Vec<f64> = (0..k * k).map(|t| half[t % k * k + t / k]).collect();
    let out = basis.from_given(&turned, k);
    let pairs = (0..k * k).filter(|&t| out[t] != 0.0).map(|t| (b.offset + t / k, b.offset + t % k, out[t]));
    Direction { factor: b.factor, pairs: pairs.collect() }
}
