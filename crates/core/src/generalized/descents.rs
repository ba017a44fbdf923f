//! Descents from other starts: short ones first, of which those are finished that may end lower
//! than what is known. Where no optimum is known all are finished, as a short one does not tell
//! whether it leads to one, and share a number of passes over the rows.

use super::basins::{is_same_way, leads_to};
use super::fit::{Fit, FitOptions};
use super::parameters::Point;
use super::pirls::{Budget, Modes};
use super::search::{is_better, note, restore, Searcher, Valley};
use super::several::is_sound;
use crate::error::CoreError;
use crate::fit::boundary::NEGLIGIBLE;
use crate::model::Status;

/// How far descents go.
struct Leg {
    /// Evaluations.
    evaluations: usize,
    /// The decrement that ends one before.
    decrement: f64,
    /// How many of a round go so far.
    most: usize,
}

/// Where the optimum ahead is a higher one, or the one that is known, no more is to be learned.
const SHORT: Leg = Leg { evaluations: 20, decrement: 0.2, most: usize::MAX };
/// What ended a little above what is known, and elsewhere, may be in a flat valley, as towards a
/// limit at infinity.
const LONGER: Leg = Leg { evaluations: 40, decrement: 1e-2, most: 4 };
const TO_THE_END: Leg = Leg { evaluations: 400, decrement: 0.0, most: 6 };
/// A first descent: most end before, and one that has gone astray may take hundreds.
const FIRST: Leg = Leg { evaluations: 60, decrement: 0.0, most: 1 };

/// What a short descent promises: so many decrements more, as the curvature is a guess still, of
/// which so much is credible, since with a larger decrement it is no guess at all; and how far
/// above what is known one may be that goes on.
const HOPE: f64 = 3.0;
const CREDIBLE: f64 = 40.0;
const NEARBY: f64 = 2.0;
/// Where so many starts of different kinds, the first ones, all lead to the known optimum, the
/// others do as well: where any lower one was found at least two of them did not.
const ALIKE: usize = 8;
/// Newton steps for the modes that a descent may take beside those of usual evaluations: five that
/// find none.
const STEPS: usize = 1000;
/// Passes over the rows that all descents may make where no optimum is known, and the last of them.
const PASSES: usize = 20_000;
const LAST_PASSES: usize = 4000;

impl Leg {
    /// The options for this leg.
    fn of(&self, options: FitOptions) -> FitOptions {
        FitOptions {
            max_evaluations: self.evaluations.min(options.max_evaluations),
            tolerance: self.decrement.max(options.tolerance),
            ..options
        }
    }
}

impl Searcher<'_> {
    /// The first fit.
    pub(super) fn first(&mut self, m: &mut Modes) -> Result<Fit, CoreError> {
        let options = self.options;
        let kernel = self.g.family.kernel().filter(|k| !k.looks_along_rays() && k.is_rough());
        let (Some(kernel), None) = (kernel, &options.theta) else { return self.run(m, options, None) };
        let f = self.run_within(m, &FIRST.of(options.clone()), None)?;
        if f.status != Status::MaxEvaluations || options.max_evaluations <= FIRST.evaluations {
            return Ok(f);
        }
        let mut lowest = (f, m.u.clone());
        for p in m.easier_starts(self.g, kernel) {
            let from = FitOptions {
                theta: Some(p.theta),
                beta: options.beta.clone().or(Some(p.beta)),
                extras: Some(p.extras),
                hessian: false,
                tolerance: SHORT.decrement.max(options.tolerance),
                ..FIRST.of(options.clone())
            };
            let f = self.run_within(m, &from, None)?;
            if is_better(&f, &lowest.0, false) {
                lowest = (f, m.u.clone());
            }
        }
        let (f, u) = lowest;
        let from = FitOptions {
            theta: Some(f.point.theta),
            beta: Some(f.point.beta),
            extras: Some(f.point.extras),
            ..options.clone()
        };
        self.run_within(m, &from, Some(&u))
    }

    /// The lowest fit of those from other starts with its modes, where it is to be preferred to
    /// the best so far.
    pub(super) fn lower(
        &mut self,
        m: &mut Modes,
        starts: Vec<Point>,
        best: &Fit,
        by_starts: bool,
        valleys: &mut Vec<Valley>,
    ) -> Result<Option<Begun>, CoreError> {
        let (options, g) = (self.options, self.g);
        let from = |p: Point| FitOptions {
            theta: Some(p.theta),
            beta: g.family.kernel().map(|_| p.beta),
            extras: Some(p.extras),
            hessian: false,
            ..options.clone()
        };
        let mut lower: Option<Begun> = None;
        let mut enter = |(f, u): Begun| {
            note(valleys, &f);
            if is_better(&f, lower.as_ref().map_or(best, |l| &l.0), by_starts) {
                lower = Some((f, u));
            }
        };
        if by_starts && is_sound(best) {
            for (f, u) in self.below(m, starts, &from, best)? {
                let on = TO_THE_END.of(from(f.point.clone()));
                let end = self.further(m, &on, (f, u))?;
                self.note_unsound(&end.0);
                enter(end);
            }
        } else if by_starts {
            let n = starts.len();
            for (i, p) in starts.into_iter().enumerate() {
                let f = self.run_share(m, &TO_THE_END.of(from(p)), None, n - i)?;
                self.note_unsound(&f);
                enter((f, m.u.clone()));
            }
        } else {
            for p in starts {
                let f = self.run(m, &from(p), None)?;
                enter((f, m.u.clone()));
            }
        }
        Ok(lower)
    }

    /// The lowest fit with all that is asked for; where it is no optimum, and goes no further,
    /// itself.
    pub(super) fn ended(&mut self, m: &mut Modes, from: &FitOptions, lowest: Begun) -> Result<Fit, CoreError> {
        if is_sound(&lowest.0) {
            return self.run(m, from, Some(&lowest.1));
        }
        self.end = self.end.max(m.passes + LAST_PASSES);
        let (f, u) = self.further(m, from, lowest)?;
        if m.u != u {
            restore(self.g, m, &f, from, (u, f.point.beta.clone()));
        }
        Ok(f)
    }

    /// Goes on with a descent, which ends where it stands if that cannot be.
    fn further(&mut self, m: &mut Modes, options: &FitOptions, (begun, u): Begun) -> Result<Begun, CoreError> {
        let f = self.run_within(m, options, Some(&u))?;
        if f.objective.is_finite() {
            return Ok((f, m.u.clone()));
        }
        Ok((Fit { status: Status::NoProgress, ..begun }, u))
    }

    /// A fit that is given up where modes of the random effects are not found time and again.
    fn run_within(&mut self, m: &mut Modes, options: &FitOptions, u: Option<&[f64]>) -> Result<Fit, CoreError> {
        self.run_share(m, options, u, 1)
    }

    /// The same as one of so many that share what is left to all, where that has an end.
    fn run_share(
        &mut self,
        m: &mut Modes,
        options: &FitOptions,
        u: Option<&[f64]>,
        among: usize,
    ) -> Result<Fit, CoreError> {
        let left = self.end.saturating_sub(m.passes) / among;
        m.budget = Budget { steps: m.steps + STEPS, passes: m.passes.saturating_add(left) };
        let f = self.run(m, options, u);
        m.budget = Budget::default();
        f
    }

    /// Remembers how low a fit ended that is no optimum.
    pub(super) fn note_unsound(&mut self, f: &Fit) {
        if f.objective.is_finite() && !is_sound(f) {
            self.beyond = self.beyond.min(f.objective);
        }
    }

    /// Where no optimum is known all descents have an end together, as they may fall for ever.
    /// Whether it is reached.
    pub(super) fn is_at_end(&mut self, m: &Modes, best: &Fit) -> bool {
        if is_sound(best) {
            self.end = usize::MAX;
        } else if self.end == usize::MAX {
            self.end = m.passes + PASSES;
        }
        m.passes > self.end
    }

    /// Short descents from all starts: those that may end below the best and elsewhere, with their
    /// modes, in the order of where they seem to end.
    fn below(
        &mut self,
        m: &mut Modes,
        starts: Vec<Point>,
        from: &dyn Fn(Point) -> FitOptions,
        best: &Fit,
    ) -> Result<Vec<Begun>, CoreError> {
        let (mut hopeful, mut near): (Vec<Begun>, Vec<Begun>) = (Vec::new(), Vec::new());
        let mut leading = 0;
        for (i, start) in starts.into_iter().enumerate() {
            let f = self.run_within(m, &SHORT.of(from(start)), None)?;
            let leads = leads_to(best, &f);
            leading += usize::from(leads);
            if leading == ALIKE && i + 1 == ALIKE {
                break;
            }
            if !f.objective.is_finite() || leads {
                continue;
            }
            if is_hopeful(&f, best) {
                hopeful.push((f, m.u.clone()));
            } else if f.objective < best.objective + NEARBY {
                near.push((f, m.u.clone()));
            }
        }
        for (f, u) in ordered(near, best, LONGER.most) {
            if hopeful.iter().any(|h| is_same_way(best, &h.0, &f)) {
                continue;
            }
            let on = LONGER.of(from(f.point.clone()));
            let (f, u) = self.further(m, &on, (f, u))?;
            if !leads_to(best, &f) && is_hopeful(&f, best) {
                hopeful.push((f, u));
            }
        }
        Ok(ordered(hopeful, best, TO_THE_END.most))
    }
}

/// A descent with the modes where it stands.
type Begun = (Fit, Vec<f64>);

/// The decrement of a descent, as far as it can be believed.
fn promise(f: &Fit) -> f64 {
    f.decrement.clamp(0.0, CREDIBLE)
}

/// Whether a short descent may end below what is known.
fn is_hopeful(f: &Fit, best: &Fit) -> bool {
    f.objective - HOPE * promise(f) < best.objective - NEGLIGIBLE
}

/// Descents by where a Newton step would bring them, one of each way, so many at most.
fn ordered(mut descents: Vec<Begun>, best: &Fit, most: usize) -> Vec<Begun> {
    let ahead = |f: &Fit| f.objective - 0.5 * promise(f);
    descents.sort_by(|a, b| ahead(&a.0).total_cmp(&ahead(&b.0)));
    descents.dedup_by(|a, b| is_same_way(best, &a.0, &b.0));
    descents.truncate(most);
    descents
}
