//! What tests of the fixed effects need of the fit of a replicate.

use super::{fixed_root, kenward_roger, satterthwaite, At, KenwardRoger, Satterthwaite};
use crate::error::CoreError;
use crate::linear::criterion::Evaluator;
use crate::linear::score::Score;
use crate::linear::system::System;
use crate::model::Outcome;
use crate::watch::Watch;

/// How tests find their degrees of freedom.
#[derive(Clone, Copy, Debug)]
pub enum Method {
    /// Not from the fit: the root of the covariance of the fixed effects is all.
    Known,
    /// By Satterthwaite.
    Satterthwaite,
    /// By Kenward and Roger, within so many bytes for each worker.
    KenwardRoger(f64),
}

/// What tests by a method need.
#[derive(Clone, Debug)]
pub enum Tested {
    /// Root of the covariance of the fixed effects divided by sigma: p x p, row-major.
    Root(Vec<f64>),
    /// See there.
    Satterthwaite(Satterthwaite),
    /// See there.
    KenwardRoger(KenwardRoger),
}

impl Method {
    /// Of the fit of one replicate; none if stopped.
    pub fn of_fit(
        self,
        sys: &System,
        (e, score): &mut (Evaluator, Score),
        outcome: &Outcome,
        reml: bool,
        watch: &dyn Watch,
    ) -> Option<Result<Tested, CoreError>> {
        let at = At { theta: &outcome.estimates.as_ref()?.theta, null: &outcome.null, reml, n_threads: 1 };
        let go_on = || watch.go_on();
        let found = match self {
            Method::Known => fixed_root(sys, e, at.theta, reml).map(Tested::Root),
            Method::Satterthwaite => satterthwaite(sys, e, score, at, &go_on).map(Tested::Satterthwaite),
            Method::KenwardRoger(memory) => {
                kenward_roger(sys, e, score, at, (memory, false), &go_on).map(Tested::KenwardRoger)
            }
        };
        (!matches!(found, Err(CoreError::Interrupted))).then_some(found)
    }
}
