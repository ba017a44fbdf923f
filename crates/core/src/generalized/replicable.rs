//! Replicates of a generalized model.

use super::fit::{FitOptions, SEPARATED};
use super::parameters::Point;
use super::pirls::Modes;
use super::search::search;
use super::system::GlmmSystem;
use crate::dense::kernels;
use crate::error::CoreError;
use crate::layout::Lambda;
use crate::model::{Estimates, Outcome, Replicable, Status};
use crate::rng::Rng;
use crate::rows::Rows;
use crate::watch::Watch;

/// The distribution of responses of one model.
pub struct Law {
    /// The part of the linear predictor that all responses have.
    fixed: Vec<f64>,
    /// Lambda of the random effects that are drawn; none if `fixed` holds them.
    lambda: Option<Lambda>,
    beta: Vec<f64>,
    extras: Vec<f64>,
}

impl Law {
    /// `eta` holds linear predictors (the caller's order; the first, where there are several) that
    /// all responses have; by default random effects are drawn too.
    pub fn new(g: &GlmmSystem, truth: &Point, eta: Option<&[f64]>) -> Self {
        let mut fixed = g.offset.clone();
        if g.parts.is_empty() {
            g.add_fixed(&truth.beta, &mut fixed);
        } else {
            g.add_parts(&truth.beta, &mut fixed);
        }
        if let Some(eta) = eta {
            fixed[..g.n].copy_from_slice(&g.in_own_order(eta));
        }
        let lambda = eta.is_none().then(|| g.layout.lambda_from_theta(&truth.theta));
        Law { fixed, lambda, beta: truth.beta.clone(), extras: truth.extras.clone() }
    }
}

/// Room for one draw.
#[derive(Default)]
pub struct Draft {
    u: Vec<f64>,
    effects: Vec<f64>,
    eta: Vec<f64>,
}

impl Replicable for GlmmSystem {
    type How = FitOptions;
    type Law<'a> = Law;
    type Draft = Draft;
    type Work = Modes;
    type Columns<'a> = ();
    type Passage = ();

    fn n_beta(&self) -> usize {
        self.p()
    }

    fn n_theta(&self) -> usize {
        GlmmSystem::n_theta(self)
    }

    fn clone_for_refit(&self) -> Self {
        GlmmSystem::clone_for_refit(self)
    }

    fn work(&self) -> Modes {
        Modes::new(self, 1)
    }

    fn draft(&self, _: &Law) -> Draft {
        Draft::default()
    }

    fn draw(&mut self, law: &Law, draft: &mut Draft, rng: &mut Rng) -> bool {
        let q = self.layout.sym.q;
        draft.eta.clone_from(&law.fixed);
        if let Some(lambda) = &law.lambda {
            draft.u.resize(q, 0.0);
            draft.effects.resize(q, 0.0);
            draft.u.iter_mut().for_each(|u| *u = rng.normal());
            self.layout.lambda_times(lambda, &draft.u, 1, &mut draft.effects);
            if self.parts.is_empty() {
                self.add_random(&draft.effects, 0..self.n, &mut draft.eta);
            } else {
                self.add_effects(&draft.effects, &mut draft.eta);
            }
        }
        if self.thresholds.is_some() {
            return self.draw_categories(&draft.eta, &law.beta, rng);
        }
        let trials: Vec<f64>;
        let weights = match &self.repeats {
            Some(repeats) => {
                trials = self.weights.iter().zip(repeats).map(|(w, r)| w / r).collect();
                &trials
            }
            None => &self.weights,
        };
        self.family.draw(rng, &draft.eta, weights, &law.extras, &mut self.y)
    }

    fn left_out(_: &Law) -> &[f64] {
        &[]
    }

    fn set_response(&mut self, (): &(), y: &[f64]) {
        self.y = self.in_own_order(y);
        self.follow_response();
    }

    fn receive(&mut self, larger: &Self, (): &()) {
        self.y = self.in_own_order(&larger.in_given_order(&larger.y));
        self.follow_response();
    }

    /// A fit from given parameters that fails is tried once more as a first fit would be made.
    fn outcome(&self, m: &mut Modes, how: &FitOptions, watch: &dyn Watch) -> Option<Outcome> {
        let first = attempt(self, m, how, watch)?;
        if first.status == Status::Converged.name() || how.beta.is_none() {
            return Some(first);
        }
        let cold = FitOptions { theta: None, beta: None, extras: None, ..how.clone() };
        attempt(self, m, &cold, watch)
    }

    fn of_rows(&self, rows: &Rows<'_>, offset: Option<&[f64]>, how: &FitOptions) -> Option<(Self, FitOptions)> {
        if !self.parts.is_empty() {
            return None; // the columns of the predictors are not among these rows
        }
        let new = GlmmSystem::new(rows, offset, self.family.clone()).ok();
        let new = new.filter(|new| new.p() == self.p() && new.n > new.p())?;
        // fixed effects to start from are given in the basis of the whole data
        let beta = how.beta.as_ref().map(|b| new.beta_from_given(&self.layout.basis.beta_to_given(b)));
        Some((new, FitOptions { beta, ..how.clone() }))
    }
}

fn attempt(g: &GlmmSystem, m: &mut Modes, how: &FitOptions, watch: &dyn Watch) -> Option<Outcome> {
    let (f, moved_on) = match search(g, m, how, &mut |_, _| watch.go_on()) {
        Ok(s) if s.fit.objective.is_finite() => (s.fit, s.moved_on),
        Err(CoreError::Interrupted) => return None,
        _ => return Some(Outcome::failed(Status::NonFinite.name())),
    };
    let Ok(s) = m.solution(g) else {
        return Some(Outcome::failed(Status::NonFinite.name()));
    };
    let p = g.p();
    let estimates = Estimates {
        objective: f.objective,
        beta: s.beta,
        se: (0..p).map(|i| s.vcov_profiled[i * p + i].sqrt()).collect(),
        theta: f.point.theta,
        spread: f.point.extras.first().copied().unwrap_or(1.0),
    };
    let converged = f.status == Status::Converged;
    let status = if converged && runs_away(g, m) { Status::Separated } else { f.status };
    Some(Outcome { status: status.name(), null: f.null_dimensions, moved_on, estimates: Some(estimates) })
}

/// Whether a fixed effect looks as if it had no finite estimate, by the bordered system of the last
/// solution.
fn runs_away(g: &GlmmSystem, m: &Modes) -> bool {
    let p = g.p();
    if p == 0 || !g.family.is_scale_free() {
        return false;
    }
    let mut s = vec![0.0; p * p];
    kernels::inverse_of_product::<0>(&m.rx, p, &mut s);
    (0..p).any(|j| !g.is_of_thresholds(j) && m.beta[j].abs() > 3.0 && s[j * p + j].sqrt() > SEPARATED)
}
