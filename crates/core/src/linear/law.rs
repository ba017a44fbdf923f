//! The distribution of responses of a linear model.

use super::columns::Columns;
use super::response_law::{Draft, ResponseLaw};
use super::system::System;
use crate::layout::Lambda;
use crate::rng::Rng;
use crate::rows::Rows;

/// The parameters of a model that responses are drawn from, in the units of the columns as given.
pub struct Truth<'a> {
    /// Relative covariance parameters.
    pub theta: &'a [f64],
    /// Fixed effects of the kept columns.
    pub beta: &'a [f64],
    /// Residual standard deviation.
    pub sigma: f64,
}

/// Responses of one model.
pub enum Law<'a> {
    /// Normal ones, drawn as cross-products.
    Normal(Normal),
    /// Random effects and residuals drawn with replacement from pools.
    Pools(Pools<'a>),
}

/// Normal responses.
///
/// They are drawn with fixed effects of zero where only one model is fitted to them: that changes
/// neither the covariance parameters nor the criterion, y'y loses no digits, and the fixed effects
/// are added to the estimates.
pub struct Normal {
    law: ResponseLaw,
    /// Lambda of the random effects that are drawn.
    lambda: Lambda,
    /// Random effects that all responses have; none if they are drawn.
    kept: Option<Vec<f64>>,
    sigma: f64,
    /// Fixed effects (changed basis, units of sigma) of the responses.
    fixed: Option<Vec<f64>>,
    left_out: Vec<f64>,
}

/// What the residual bootstrap draws from.
pub struct Pools<'a> {
    rows: &'a Rows<'a>,
    columns: Columns<'a>,
    effects: Vec<&'a [f64]>,
    residuals: &'a [f64],
    left_out: Vec<f64>,
}

impl<'a> Law<'a> {
    /// Of a model. `kept` holds random effects of each factor (levels x effects, as given) that all
    /// responses have; by default they are drawn too.
    pub fn normal(sys: &System, truth: &Truth<'_>, kept: Option<&[&[f64]]>) -> Self {
        Law::Normal(Normal {
            law: ResponseLaw::new(sys),
            lambda: sys.lambda_from_theta(truth.theta),
            kept: kept.map(|b| effects_in_basis(sys, b, truth.sigma)),
            sigma: truth.sigma,
            fixed: None,
            left_out: truth.beta.to_vec(),
        })
    }

    /// Of a union of models: the fixed effects count, as not all models have the same.
    pub fn of_union(sys: &System, truth: &Truth<'_>) -> Self {
        Law::Normal(Normal {
            law: ResponseLaw::new(sys),
            lambda: sys.lambda_from_theta(truth.theta),
            kept: None,
            sigma: truth.sigma,
            fixed: Some(changed_coefficients(sys, truth.beta, truth.sigma)),
            left_out: Vec::new(),
        })
    }

    /// Made of random effects (for each factor levels x effects of all its terms) and residuals
    /// (times the square roots of the weights, one a row) drawn from pools; the effects of a level
    /// stay together.
    pub fn of_pools(
        rows: &'a Rows<'a>,
        sys: &System,
        effects: Vec<&'a [f64]>,
        residuals: &'a [f64],
        beta: &[f64],
    ) -> Self {
        Law::Pools(Pools { rows, columns: Columns::of(rows, sys), effects, residuals, left_out: beta.to_vec() })
    }

    pub(super) fn left_out(&self) -> &[f64] {
        match self {
            Law::Normal(law) => &law.left_out,
            Law::Pools(law) => &law.left_out,
        }
    }

    pub(super) fn draft(&self, sys: &System) -> DraftOf {
        match self {
            Law::Normal(law) => {
                let mut draft = Draft::new(sys);
                if let Some(b) = &law.kept {
                    draft.b.copy_from_slice(b);
                }
                DraftOf::Normal(draft)
            }
            Law::Pools(law) => {
                let most = sys.factors.iter().map(|f| f.n_levels).max().unwrap_or(0);
                DraftOf::Pools { y: vec![0.0; law.rows.n()], picks: vec![0; most] }
            }
        }
    }

    /// Draws a response into the cross-products of `sys`.
    pub(super) fn draw(&self, sys: &mut System, draft: &mut DraftOf, rng: &mut Rng) {
        match (self, draft) {
            (Law::Normal(law), DraftOf::Normal(draft)) => law.draw(sys, draft, rng),
            (Law::Pools(law), DraftOf::Pools { y, picks }) => law.draw(sys, y, picks, rng),
            _ => unreachable!("a draft is made by its law"),
        }
    }
}

/// Room for one draw.
pub enum DraftOf {
    /// Of normal responses.
    Normal(Draft),
    /// From pools.
    Pools {
        /// The response.
        y: Vec<f64>,
        /// Levels drawn.
        picks: Vec<usize>,
    },
}

impl Normal {
    fn draw(&self, sys: &mut System, draft: &mut Draft, rng: &mut Rng) {
        sys.set_response_scale(0.0, self.sigma);
        if self.kept.is_none() {
            draft.draw_effects(sys, &self.lambda, rng);
        }
        self.law.draw(sys, draft, rng);
        if let Some(b) = &self.fixed {
            add_fixed_part(sys, b);
        }
    }
}

impl Pools<'_> {
    fn draw(&self, sys: &mut System, y: &mut [f64], picks: &mut [usize], rng: &mut Rng) {
        let rows = self.rows;
        y.fill(0.0);
        for ((fr, fs), pool) in rows.factors.iter().zip(&sys.factors).zip(&self.effects) {
            let picks = &mut picks[..fs.n_levels];
            picks.iter_mut().for_each(|p| *p = rng.below(fs.n_levels));
            for (j, z) in fr.terms.iter().flat_map(|t| &t.z).enumerate() {
                for (row, (y, &z)) in y.iter_mut().zip(*z).enumerate() {
                    fr.each(row, |l, weight| *y += weight * z * pool[picks[l] * fs.k + j]);
                }
            }
        }
        for (i, y) in y.iter_mut().enumerate() {
            let e = self.residuals[rng.below(rows.n())];
            *y += rows.weights.map_or(e, |w| e / w[i].sqrt());
        }
        self.columns.set_response(sys, y);
    }
}

/// Random effects as given, in the changed basis, elimination order and units of sigma.
fn effects_in_basis(sys: &System, b: &[&[f64]], sigma: f64) -> Vec<f64> {
    let mut out = vec![0.0; sys.sym.q];
    for (f, layouts) in sys.terms.iter().enumerate() {
        let k = sys.factors[f].k;
        for l in 0..sys.factors[f].n_levels {
            let row = sys.sym.row[sys.sym.position[f][l] as usize];
            for (t, tl) in layouts.iter().enumerate() {
                let given = &b[f][l * k + tl.offset..l * k + tl.offset + tl.k];
                for (i, v) in sys.basis.terms[f][t].from_given(given, 1).into_iter().enumerate() {
                    out[row + tl.offset + i] = v / sigma;
                }
            }
        }
    }
    out
}

/// Coefficients of the changed columns of X, in units of sigma, that give what `beta` gives of the
/// columns as they were.
fn changed_coefficients(sys: &System, beta: &[f64], sigma: f64) -> Vec<f64> {
    let (b, p) = (&sys.basis, sys.p());
    let mut v: Vec<f64> = beta.iter().map(|b| b / sigma).collect();
    if let Some(i0) = b.intercept {
        let moved: f64 = (0..p).filter(|&r| r != i0).map(|r| b.x_shift[r] * v[r]).sum();
        v[i0] += moved / b.constant;
    }
    for i in (0..p).rev() {
        let rest: f64 = (i + 1..p).map(|c| b.x_transform[i * p + c] * v[c]).sum();
        v[i] = (v[i] - rest) / b.x_transform[i * p + i];
    }
    v
}

/// Adds X b to the response in the cross-products, b of the changed columns.
fn add_fixed_part(sys: &mut System, b: &[f64]) {
    let pw = sys.cp.pw;
    let p = pw - 1;
    for ztw in &mut sys.cp.ztw {
        for row in ztw.chunks_exact_mut(pw) {
            row[p] += row[..p].iter().zip(b).map(|(z, b)| z * b).sum::<f64>();
        }
    }
    let w = &mut sys.cp.wtw;
    for i in 0..p {
        let moved: f64 = (0..p).map(|j| w[i * pw + j] * b[j]).sum();
        // b'X'y before the change and after it, together 2 b'X'y + b'X'X b
        w[p * pw + p] += b[i] * (2.0 * w[i * pw + p] + moved);
        w[i * pw + p] += moved;
        w[p * pw + i] = w[i * pw + p];
    }
}
