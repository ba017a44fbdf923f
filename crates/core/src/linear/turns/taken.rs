//! Turns of penalised least squares and the linear mixed model, as nlme takes them.
//!
//! Where the turns end is a fixed point and not the minimum of a criterion: effects that least
//! squares leave where they are, with the theta of the linear model there.

use super::curve_rows::{CurveRows, Effects};
use super::least_squares::{Halt, Place};
use crate::error::CoreError;
use crate::linear::fit::fit;
use crate::linear::{frames_of, search, Begin, Evaluator, FitOptions, Score, Solution, System};
use crate::model::{Progress, Status};
use crate::optimize::mixing::Mixing;
use crate::rows::FactorRows;
use crate::structure::Coordinates;

/// Newton decrement at which a linear model is fitted: turns are to settle far below the standard
/// errors.
const TOLERANCE: f64 = 1e-15;
/// Standard deviations of a fixed effect below this are of no use as its unit.
const LEAST_ERROR: f64 = 1e-300;

/// When turns end.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Turns at most.
    pub rounds: usize,
    /// Change of the effects in their standard deviations, and of theta relative to its size, that
    /// ends them.
    pub settled: f64,
    /// Relative fall of the sum of squares that ends least squares.
    pub fall: f64,
    /// Evaluations of the criterion of a linear model.
    pub max_evaluations: usize,
}

/// How turns ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// They settled.
    Settled,
    /// There were too many.
    Unsettled,
    /// The curve or its slopes are no numbers, or the linear model has no criterion.
    NotFinite,
    /// The data do not determine a fixed effect.
    NotDetermined,
}

/// Where turns ended.
#[derive(Clone, Debug)]
pub struct Turns {
    /// How.
    pub end: End,
    /// Fixed effects.
    pub beta: Vec<f64>,
    /// Relative covariance parameters; those of the last linear model.
    pub theta: Vec<f64>,
    /// Its residual standard deviation.
    pub sigma: f64,
    /// Random effects of each factor: levels x effects.
    pub b: Vec<Vec<f64>>,
    /// Turns taken.
    pub rounds: usize,
}

struct Taking<'c, 'a> {
    curve: &'c CurveRows<'a>,
    limits: Limits,
    n_threads: usize,
    place: Place,
    theta: Vec<f64>,
    sigma: f64,
    /// Units of the effects and of theta.
    units: Vec<f64>,
    mixing: Mixing,
}

/// Takes turns from fixed effects on, and from relative covariance parameters where there are some.
///
/// # Errors
/// Those of [`System::new`]; [`CoreError::Interrupted`] when `progress` says so.
pub fn take(
    curve: &CurveRows<'_>,
    beta: &[f64],
    theta: Option<&[f64]>,
    limits: Limits,
    n_threads: usize,
    progress: Progress<'_>,
) -> Result<Turns, CoreError> {
    let effects = Effects { beta: beta.to_vec(), random: curve.zeros() };
    let n_theta = curve.rows.factors.iter().flat_map(|f| &f.terms).map(|t| t.structure.n_theta(t.z.len())).sum();
    let known = theta.map_or_else(|| vec![0.0; n_theta], <[f64]>::to_vec);
    let place = curve.place(&known, effects);
    let (units, mixing) = (Vec::new(), Mixing::default());
    let mut t = Taking { curve, limits, n_threads, place, theta: known, sigma: f64::NAN, units, mixing };
    let mut rounds = 0;
    let end = loop {
        if rounds == limits.rounds {
            break End::Unsettled;
        }
        rounds += 1;
        if !t.place.near.is_finite() {
            break End::NotFinite;
        }
        match t.turn(rounds > 1 || theta.is_some(), rounds, progress) {
            Ok(Some(moved)) if rounds > 1 && moved <= limits.settled => break End::Settled,
            Ok(Some(_)) => {}
            Ok(None) => break End::NotFinite,
            Err(Halt::NotDetermined) => break End::NotDetermined,
            Err(Halt::Error(e)) => return Err(e),
        }
    };
    let Taking { place, theta, sigma, .. } = t;
    let b = curve.effects_of(&theta, &place.effects.random);
    Ok(Turns { end, beta: place.effects.beta, theta, sigma, b, rounds })
}

impl Taking<'_, '_> {
    /// One turn, with theta found anew or from where it stands; by how much it moved, none where
    /// the linear model has no criterion.
    fn turn(&mut self, known: bool, rounds: usize, progress: Progress<'_>) -> Result<Option<f64>, Halt> {
        let sys = self.curve.system(&self.place.near, self.n_threads)?;
        let Some(found) = self.linear(&sys, known, progress, rounds)? else { return Ok(None) };
        let first = Effects { beta: found.beta, random: found.u };
        let fall = self.limits.fall;
        let from = self.place.effects.clone();
        let before = self.packed(&from, &self.theta);
        let place = self.curve.descend(&found.theta, from, first, fall, self.n_threads)?;
        let after = self.packed(&place.effects, &found.theta);
        self.sigma = found.sigma2.sqrt();
        if rounds < 2 || self.units.is_empty() {
            let p = place.effects.beta.len();
            let error = |i: usize| (self.sigma * found.vcov[i * p + i].max(0.0).sqrt()).max(LEAST_ERROR);
            let effects = place.effects.random.iter().flatten().map(|_| self.sigma.max(LEAST_ERROR));
            let theta = found.theta.iter().map(|t| 1.0 + t.abs());
            self.units = (0..p).map(error).chain(effects).chain(theta).collect();
        }
        let moved =
            before.iter().zip(&after).zip(&self.units).fold(0.0, |m: f64, ((a, b), u)| m.max((b - a).abs() / u));
        self.theta = found.theta;
        self.place = place;
        if rounds > 1 && moved > self.limits.settled && rounds < self.limits.rounds {
            self.mix(&before, &after);
        }
        Ok(Some(moved))
    }

    /// The fit of the linear model, and what follows from it.
    fn linear(
        &self,
        sys: &System,
        known: bool,
        progress: Progress<'_>,
        rounds: usize,
    ) -> Result<Option<Solution>, CoreError> {
        let options = FitOptions { reml: false, max_evaluations: self.limits.max_evaluations, tolerance: TOLERANCE };
        let (mut e, mut score) = (Evaluator::new(sys, self.n_threads), Score::new(sys));
        // what is told of is the criterion of a turn; the evaluations only ask whether to go on
        let mut go_on = |_: usize, d: f64| progress(rounds - 1, d);
        let ended = if known {
            let frames = frames_of(sys, &sys.lambda_from_theta(&self.theta));
            fit(sys, &mut e, &mut score, frames, options, &mut go_on)?
        } else {
            search(sys, &mut e, &mut score, Begin::Anywhere, options, &mut go_on)?.fit
        };
        if ended.status == Status::NonFinite || !ended.criterion.is_finite() {
            return Ok(None);
        }
        let found = e.solution(sys, false, &score);
        if progress(rounds, found.ml_deviance) {
            Ok(Some(found))
        } else {
            Err(CoreError::Interrupted)
        }
    }

    fn packed(&self, effects: &Effects, theta: &[f64]) -> Vec<f64> {
        effects.beta.iter().chain(effects.random.iter().flatten()).chain(theta).copied().collect()
    }

    /// Goes on from a combination of the last turns, where there is one that can be.
    fn mix(&mut self, before: &[f64], after: &[f64]) {
        let scaled = |v: &[f64]| -> Vec<f64> { v.iter().zip(&self.units).map(|(v, u)| v / u).collect() };
        let Some(next) = self.mixing.next(&scaled(before), &scaled(after)) else { return };
        let next: Vec<f64> = next.iter().zip(&self.units).map(|(v, u)| v * u).collect();
        let (beta, rest) = next.split_at(self.place.effects.beta.len());
        let (u, theta) = rest.split_at(rest.len() - self.theta.len());
        if !self.allowed(theta) {
            return;
        }
        let mut at = 0;
        let of_factor = |u_of: &Vec<f64>| {
            at += u_of.len();
            u[at - u_of.len()..at].to_vec()
        };
        let random = self.place.effects.random.iter().map(of_factor).collect();
        let place = self.curve.place(theta, Effects { beta: beta.to_vec(), random });
        if place.near.is_finite() {
            self.theta = theta.to_vec();
            self.place = place;
        } else {
            self.mixing.forget();
        }
    }

    /// Whether parameters are within their bounds.
    fn allowed(&self, theta: &[f64]) -> bool {
        let mut at = 0;
        let terms = self.curve.rows.factors.iter().flat_map(|f: &FactorRows<'_>| &f.terms);
        terms.into_iter().all(|t| {
            let k = t.z.len();
            let own = &theta[at..at + t.structure.n_theta(k)];
            at += own.len();
            match t.structure.coordinates(k) {
                Coordinates::Free(_) => own.iter().all(|v| v.is_finite()),
                Coordinates::Bounded { lower, upper, .. } => {
                    own.iter().zip(lower.iter().zip(&upper)).all(|(v, (l, u))| v >= l && v <= u)
                }
            }
        })
    }
}
