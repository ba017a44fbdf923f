//! Models with very many fixed effects, most of which are the levels of one factor.
//!
//! The levels are a grouping factor of the block system that is not shrunk, so that they are
//! eliminated as sparsely as random effects, and the rest of X has few columns. With D their
//! indicators, log|M| is then log|V| + log|D'V^-1 D|, the rows of M^-1 L'Z'y that belong to them
//! their effects, and the block of M^-1 the covariance of these but for that of the other columns.

use super::criterion::Evaluator;
use super::score::Score;
use super::solution::Solution;
use super::system::System;
use crate::blocks::NotPositive;
use crate::dense::{kernels, large};

/// How columns of X as given are made of the levels of a fixed factor and of others.
#[derive(Clone, Debug)]
pub struct Coding {
    /// Place of each level's column among those of X. Where there is a reference level, the others
    /// have differences from it, and it has the intercept.
    pub levels: Vec<usize>,
    /// The reference level.
    pub reference: Option<usize>,
    /// Places of the other columns.
    pub others: Vec<usize>,
}

impl Coding {
    /// Number of columns.
    pub fn p(&self) -> usize {
        self.levels.len() + self.others.len()
    }
}

impl Evaluator {
    /// Results at the Lambda last factored, the fixed effects those of all columns; the score's
    /// effects must belong to it.
    ///
    /// # Errors
    /// As [`Evaluator::criterion`].
    pub fn solution_with_levels(
        &mut self,
        sys: &System,
        coding: &Coding,
        reml: bool,
        score: &Score,
    ) -> Result<Solution, NotPositive> {
        self.factorise_alone(sys)?;
        let mut out = self.solution(sys, reml, score);
        let (m, p, pw, b) = (coding.levels.len(), sys.p(), sys.cp.pw, &sys.basis);
        let Some(fixed) = sys.fixed else { return Ok(out) };
        let rows: Vec<usize> = (0..m).map(|l| sys.first_row(fixed, l)).collect();
        out.ldrx2 += self.factor.log_det() - out.ldl2;

        // effects of levels as given: the other columns have lost their centres
        let moved: f64 = b.y_shift - b.x_shift.iter().zip(&out.beta).map(|(s, b)| s * b).sum::<f64>();
        let effect: Vec<f64> = rows.iter().map(|&r| b.y_scale * score.u[r] + moved).collect();
        let mut beta = vec![0.0; coding.p()];
        let from = coding.reference.map_or(0.0, |r| effect[r]);
        for (l, (&place, v)) in coding.levels.iter().zip(&effect).enumerate() {
            beta[place] = if coding.reference == Some(l) { *v } else { v - from };
        }
        coding.others.iter().zip(&out.beta).for_each(|(&place, v)| beta[place] = *v);

        // K: how they move with the other fixed effects, changed basis
        let mut k = vec![0.0; m * p];
        for (row, &r) in k.chunks_exact_mut(p.max(1)).zip(&rows) {
            for (j, t) in row.iter_mut().enumerate() {
                *t = score.kw[r * pw + j] + b.x_shift[j] * b.x_transform[j * p + j];
            }
        }
        let mut ks = vec![0.0; m * p];
        kernels::multiply(&k, &score.s, m, p, p, &mut ks);
        self.factor.invert();
        let mut own = self.factor.inverse_of_levels(fixed);
        if p > 0 {
            large::add_multiply_transposed(&ks, &k, m, p, m, &mut own);
        }
        // the covariance with the other columns
        let mut beside = vec![0.0; m * p];
        for (row, ks) in beside.chunks_exact_mut(p.max(1)).zip(ks.chunks_exact(p.max(1))) {
            row.iter_mut().zip(ks).enumerate().for_each(|(j, (t, v))| *t = -v * b.x_transform[j * p + j]);
        }
        out.vcov = coded_covariance(coding, &own, &beside, &out.vcov);
        out.beta = beta;
        Ok(out)
    }
}

/// The covariance of the coefficients of all columns from that of the levels' effects (m x m), of
/// these with the others (m x p), and of the others.
fn coded_covariance(coding: &Coding, own: &[f64], beside: &[f64], others: &[f64]) -> Vec<f64> {
    let (n, m, p) = (coding.p(), coding.levels.len(), coding.others.len());
    let mut out = vec![0.0; n * n];
    let is_difference = |l: usize| coding.reference.is_some_and(|r| r != l);
    let at = coding.reference.unwrap_or(0);
    for l in 0..m {
        let (row, d) = (coding.levels[l] * n, is_difference(l));
        for h in 0..m {
            let mut v = own[l * m + h];
            if d {
                v -= own[at * m + h];
            }
            if is_difference(h) {
                v -= own[l * m + at];
                if d {
                    v += own[at * m + at];
                }
            }
            out[row + coding.levels[h]] = v;
        }
        for (j, &place) in coding.others.iter().enumerate() {
            let v = beside[l * p + j] - if d { beside[at * p + j] } else { 0.0 };
            out[row + place] = v;
            out[place * n + coding.levels[l]] = v;
        }
    }
    for (i, &a) in coding.others.iter().enumerate() {
        for (j, &b) in coding.others.iter().enumerate() {
            out[a * n + b] = others[i * p + j];
        }
    }
    out
}
