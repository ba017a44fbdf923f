//! Parametric and residual bootstrap: the design stays, responses are drawn.

use super::outcome::{outcome, Replicates};
use super::refit::Design;
use super::workers::{replicate, Watched};
use crate::linear::{frames_of, Draft, Evaluator, FitOptions, Frame, ResponseLaw, Score, System};
use crate::rng::Rng;
use crate::rows::Rows;

/// The model that responses are drawn from, in the units of the columns as given.
pub struct Truth<'a> {
    /// Relative covariance parameters.
    pub theta: &'a [f64],
    /// Fixed effects of the kept columns.
    pub beta: &'a [f64],
    /// Residual standard deviation.
    pub sigma: f64,
}

impl Truth<'_> {
    /// Start of the replicates: the true parameters; none (the default start) if they lie on the boundary, which a fit would first
    /// have to leave.
    pub(super) fn start(&self, sys: &System) -> Option<Vec<Frame>> {
        let frames = frames_of(sys, &sys.lambda_from_theta(self.theta));
        (!frames.iter().any(|f| f.s.iter().any(|&s| s < 1e-6))).then_some(frames)
    }
}

/// Fits `n` responses drawn from the model. They are drawn with fixed effects of zero, which are added to the estimates: that changes
/// neither the covariance parameters nor the criterion, and y'y loses no digits.
///
/// `kept` holds random effects of each factor (levels x effects, as given) that all responses have; by default they are drawn too.
#[allow(clippy::too_many_arguments)]
pub fn parametric(
    sys: &System,
    truth: &Truth<'_>,
    kept: Option<&[Vec<f64>]>,
    options: FitOptions,
    n: usize,
    seed: u64,
    n_threads: usize,
    watched: &Watched,
) -> Replicates {
    let law = ResponseLaw::new(sys);
    let lambda = sys.lambda_from_theta(truth.theta);
    let fixed = kept.map(|b| effects_in_basis(sys, b, truth.sigma));
    let start = truth.start(sys);
    let make = || {
        let mut s = sys.clone_for_refit();
        s.set_response_scale(0.0, truth.sigma);
        let mut draft = Draft::new(&s);
        if let Some(b) = &fixed {
            draft.b.copy_from_slice(b);
        }
        let (e, score) = (Evaluator::new(&s, 1), Score::new(&s));
        (s, e, score, draft)
    };
    let all = replicate(n, n_threads, watched, make, |(sys, e, score, draft), i| {
        let mut stream = Rng::of(seed, i as u64);
        if fixed.is_none() {
            draft.draw_effects(sys, &lambda, &mut stream);
        }
        law.draw(sys, draft, &mut stream);
        let mut r = outcome(sys, e, score, start.as_deref(), options, watched)?;
        if let Some(e) = &mut r.estimates {
            e.beta.iter_mut().zip(truth.beta).for_each(|(b, t)| *b += t);
        }
        Some(r)
    });
    Replicates::gather(all, sys.p(), sys.n_theta)
}

/// Random effects as given, in the changed basis, elimination order and units of sigma.
fn effects_in_basis(sys: &System, b: &[Vec<f64>], sigma: f64) -> Vec<f64> {
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

/// What the residual bootstrap draws from.
pub struct Pools<'a> {
    /// Random effects of each factor: levels x effects of all its terms.
    pub effects: Vec<&'a [f64]>,
    /// Residuals times the square roots of the weights, one a row.
    pub residuals: &'a [f64],
}

/// Fits `n` responses made of random effects and residuals drawn with replacement from pools; the effects of a level stay together.
#[allow(clippy::too_many_arguments)]
pub fn residual(
    rows: &Rows<'_>,
    sys: &System,
    truth: &Truth<'_>,
    pools: &Pools<'_>,
    options: FitOptions,
    n: usize,
    seed: u64,
    n_threads: usize,
    watched: &Watched,
) -> Replicates {
    let design = Design::of(rows, sys);
    let start = truth.start(sys);
    let n_rows = rows.n();
    let make = || {
        let s = sys.clone_for_refit();
        let (e, score) = (Evaluator::new(&s, 1), Score::new(&s));
        let most = sys.factors.iter().map(|f| f.n_levels).max().unwrap_or(0);
        (s, e, score, vec![0.0; n_rows], vec![0usize; most])
    };
    let all = replicate(n, n_threads, watched, make, |(sys, e, score, y, picks), i| {
        let mut stream = Rng::of(seed, i as u64);
        y.fill(0.0);
        for ((fr, fs), pool) in rows.factors.iter().zip(&sys.factors).zip(&pools.effects) {
            let picks = &mut picks[..fs.n_levels];
            picks.iter_mut().for_each(|p| *p = stream.below(fs.n_levels));
            for (j, z) in fr.terms.iter().flat_map(|t| &t.z).enumerate() {
                for ((y, &z), &l) in y.iter_mut().zip(*z).zip(fr.codes) {
                    *y += z * pool[picks[l as usize] * fs.k + j];
                }
            }
        }
        for (i, y) in y.iter_mut().enumerate() {
            let e = pools.residuals[stream.below(n_rows)];
            *y += rows.weights.map_or(e, |w| e / w[i].sqrt());
        }
        design.set_response(rows, sys, y);
        let mut r = outcome(sys, e, score, start.as_deref(), options, watched)?;
        if let Some(e) = &mut r.estimates {
            e.beta.iter_mut().zip(truth.beta).for_each(|(b, t)| *b += t);
        }
        Some(r)
    });
    Replicates::gather(all, sys.p(), sys.n_theta)
}
