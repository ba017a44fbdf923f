//! Bootstraps of generalized models: responses drawn from the family, or whole groups drawn with replacement.

use super::cases::{Groups, Picked};
use super::outcome::{Outcome, Replicates, RANK_DEFICIENT};
use super::outcome_glmm::{outcome, NO_RESPONSE};
use super::workers::{replicate, Watched};
use crate::generalized::{FitOptions, GlmmSystem, Modes, Point};
use crate::layout::Lambda;
use crate::rng::Rng;
use crate::rows::Rows;

/// Draws responses of one model.
struct Law<'a> {
    g: &'a GlmmSystem,
    /// The part of the linear predictor that all responses have.
    fixed: Vec<f64>,
    /// Lambda of the random effects that are drawn; none if `fixed` holds them.
    lambda: Option<Lambda>,
    extras: Vec<f64>,
}

/// Work space of a [`Law`].
#[derive(Default)]
struct Draft {
    u: Vec<f64>,
    effects: Vec<f64>,
    eta: Vec<f64>,
    y: Vec<f64>,
}

impl<'a> Law<'a> {
    /// `eta` holds linear predictors (the caller's order) that all responses have; by default random effects are drawn too.
    fn new(g: &'a GlmmSystem, truth: &Point, eta: Option<&[f64]>) -> Self {
        let fixed = eta.map_or_else(
            || {
                let mut fixed = g.offset.clone();
                g.add_fixed(&truth.beta, &mut fixed);
                fixed
            },
            |eta| g.in_own_order(eta),
        );
        let lambda = eta.is_none().then(|| g.layout.lambda_from_theta(&truth.theta));
        Law { g, fixed, lambda, extras: truth.extras.clone() }
    }

    /// A response in `draft.y`, in the order of the rows of the model; false where the family has none of such a mean.
    fn draw(&self, draft: &mut Draft, stream: &mut Rng) -> bool {
        let (g, q) = (self.g, self.g.layout.sym.q);
        draft.eta.clone_from(&self.fixed);
        if let Some(lambda) = &self.lambda {
            draft.u.resize(q, 0.0);
            draft.effects.resize(q, 0.0);
            draft.u.iter_mut().for_each(|u| *u = stream.normal());
            g.layout.lambda_times(lambda, &draft.u, 1, &mut draft.effects);
            g.add_random(&draft.effects, 0..g.n, &mut draft.eta);
        }
        draft.y.resize(g.n, 0.0);
        g.family.draw(stream, &draft.eta, &g.weights, &self.extras, &mut draft.y)
    }
}

/// Fits `n` responses drawn from the model at `truth`. `eta` holds linear predictors that all responses have; by default random effects
/// are drawn too.
#[allow(clippy::too_many_arguments)]
pub fn parametric_glmm(
    g: &GlmmSystem,
    truth: &Point,
    eta: Option<&[f64]>,
    options: &FitOptions,
    n: usize,
    seed: u64,
    n_threads: usize,
    watched: &Watched,
) -> Replicates {
    let law = Law::new(g, truth, eta);
    let make = || {
        let own = g.clone_for_refit();
        let modes = Modes::new(&own, 1);
        (own, modes, Draft::default())
    };
    let all = replicate(n, n_threads, watched, make, |(own, modes, draft), i| {
        if !law.draw(draft, &mut Rng::of(seed, i as u64)) {
            return Some(Outcome::failed(NO_RESPONSE));
        }
        own.y.copy_from_slice(&draft.y);
        outcome(own, modes, options, watched)
    });
    Replicates::gather(all, g.p(), g.n_theta())
}

/// One of the models that are fitted to the same drawn responses, and how.
pub struct GlmmMember<'a> {
    /// The model.
    pub g: &'a GlmmSystem,
    /// How it is fitted.
    pub options: FitOptions,
}

/// Draws `n` responses from the model `from` and fits every member to each; all have the same rows in the caller's order.
pub fn nested_glmm(
    from: &GlmmSystem,
    truth: &Point,
    members: &[GlmmMember<'_>],
    n: usize,
    seed: u64,
    n_threads: usize,
    watched: &Watched,
) -> Vec<Replicates> {
    let law = Law::new(from, truth, None);
    let make = || {
        let own = |m: &GlmmMember<'_>| {
            let own = m.g.clone_for_refit();
            let modes = Modes::new(&own, 1);
            (own, modes)
        };
        (members.iter().map(own).collect::<Vec<_>>(), Draft::default())
    };
    let all = replicate(n, n_threads, watched, make, |(own, draft), i| {
        if !law.draw(draft, &mut Rng::of(seed, i as u64)) {
            return Some(members.iter().map(|_| Outcome::failed(NO_RESPONSE)).collect::<Vec<_>>());
        }
        let y = from.in_given_order(&draft.y);
        let mut out = Vec::with_capacity(members.len());
        for ((g, modes), m) in own.iter_mut().zip(members) {
            g.y = g.in_own_order(&y);
            out.push(outcome(g, modes, &m.options, watched)?);
        }
        Some(out)
    });
    let mut by_member: Vec<Vec<(usize, Outcome)>> = members.iter().map(|_| Vec::with_capacity(all.len())).collect();
    for (i, outcomes) in all {
        outcomes.into_iter().zip(&mut by_member).for_each(|(o, list)| list.push((i, o)));
    }
    members.iter().zip(by_member).map(|(m, l)| Replicates::gather(l, m.g.p(), m.g.n_theta())).collect()
}

/// The rows of a generalized model as they were given.
pub struct GlmmRows<'a> {
    /// Rows; `weights` are prior weights or numbers of trials.
    pub rows: Rows<'a>,
    /// Offset.
    pub offset: Option<&'a [f64]>,
}

fn fit_groups(
    data: &GlmmRows<'_>,
    g: &GlmmSystem,
    groups: &Groups,
    picks: &[usize],
    options: &FitOptions,
    watched: &Watched,
) -> Option<Outcome> {
    let picked = Picked::of(&data.rows, groups, &g.layout.basis.kept, picks);
    let offset = data.offset.map(|o| picked.index.iter().map(|&r| o[r as usize]).collect::<Vec<_>>());
    let new = match GlmmSystem::new(&picked.rows(&data.rows), offset.as_deref(), g.family.clone()) {
        Ok(new) if new.p() == g.p() && new.n > new.p() => new,
        _ => return Some(Outcome::failed(RANK_DEFICIENT)),
    };
    // fixed effects to start from are given in the basis of the whole data
    let beta = options.beta.as_ref().map(|b| new.beta_from_given(&g.layout.basis.beta_to_given(b)));
    let options = FitOptions { beta, ..options.clone() };
    outcome(&new, &mut Modes::new(&new, 1), &options, watched)
}

/// Fits `n` samples of as many groups of the factor `by` as there are, drawn with replacement.
#[allow(clippy::too_many_arguments)]
pub fn cases_glmm(
    data: &GlmmRows<'_>,
    g: &GlmmSystem,
    by: usize,
    options: &FitOptions,
    n: usize,
    seed: u64,
    n_threads: usize,
    watched: &Watched,
) -> Replicates {
    let groups = Groups::of(&data.rows, by);
    let make = || vec![0; groups.len()];
    let all = replicate(n, n_threads, watched, make, |picks, i| {
        let mut stream = Rng::of(seed, i as u64);
        picks.iter_mut().for_each(|p| *p = stream.below(groups.len()));
        fit_groups(data, g, &groups, picks, options, watched)
    });
    Replicates::gather(all, g.p(), g.n_theta())
}

/// Fits the model without each of `n` parts of the groups of the factor `by`; part i holds the groups i, i + n, i + 2n, ….
pub fn jackknife_glmm(
    data: &GlmmRows<'_>,
    g: &GlmmSystem,
    by: usize,
    options: &FitOptions,
    n: usize,
    n_threads: usize,
    watched: &Watched,
) -> Replicates {
    let groups = Groups::of(&data.rows, by);
    let all = replicate(n, n_threads, watched, Vec::new, |picks: &mut Vec<usize>, i| {
        picks.clear();
        picks.extend((0..groups.len()).filter(|g| g % n != i));
        fit_groups(data, g, &groups, picks, options, watched)
    });
    Replicates::gather(all, g.p(), g.n_theta())
}
