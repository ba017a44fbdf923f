//! Descents from other starts: short ones first, of which those are finished that may end lower
//! than what is known.

use super::fit::{Fit, FitOptions};
use super::parameters::Point;
use super::pirls::Modes;
use super::search::{is_better, note, Searcher, Valley};
use super::several::is_sound;
use crate::error::CoreError;
use crate::fit::boundary::NEGLIGIBLE;
use crate::model::Status;

/// Evaluations of a short descent, and the decrement that ends it before: where the optimum ahead
/// is a higher one, or the one that is known, no more is to be learned.
const SHORT: usize = 20;
const LOOSE: f64 = 0.2;
/// A short descent is finished where so many decrements more would bring it below what is known:
/// the curvature is a guess still.
const HOPE: f64 = 3.0;
/// Decrement of a short descent beyond which its curvature is no guess at all.
const CREDIBLE: f64 = 40.0;
/// Where so many starts of different kinds, the first ones, all lead to the known optimum, the
/// others do as well: where any lower one was found at least two of them did not.
const ALIKE: usize = 8;
/// One that ended this little above what is known, and elsewhere, may be in a flat valley, as
/// towards a limit at infinity: so many go on for so many evaluations, to a smaller decrement.
const NEARBY: f64 = 2.0;
const GOES_ON: usize = 4;
const LONGER: usize = 40;
const TIGHTER: f64 = 1e-2;
/// Newton steps for the modes that a descent may take beside those of usual evaluations: five that
/// find none.
const STEPS: usize = 1000;
/// Evaluations of a descent that is finished.
const LONGEST: usize = 400;
/// How many of a round are finished at most.
const FINISHED: usize = 6;
/// Half the square of the distance to a known optimum, by the curvature there, within which a
/// descent leads to it, if the slope towards it has this share of what that curvature gives, or is
/// so much larger.
const SAME_BASIN: f64 = 0.5;
const AGREES: f64 = 0.5;
/// Second derivative in a coordinate, and size of that, from which an optimum is at infinity there:
/// it has no place then.
const FLAT: f64 = 1e-3;
const FAR: f64 = 8.0;
/// Distance between coordinates, each in units of a predictor, of descents to one optimum.
const SAME_WAY: f64 = 0.05;
/// Evaluations after which a first descent is compared with those from easier starts: most end
/// before, and one that has gone astray may take hundreds.
const PATIENCE: usize = 60;

impl Searcher<'_> {
    /// The first fit.
    pub(super) fn first(&mut self, m: &mut Modes) -> Result<Fit, CoreError> {
        let options = self.options;
        let kernel = self.g.family.kernel().filter(|k| !k.looks_along_rays() && k.is_rough());
        let (Some(kernel), None) = (kernel, &options.theta) else { return self.run(m, options, None) };
        let few = FitOptions { max_evaluations: PATIENCE.min(options.max_evaluations), ..options.clone() };
        let f = self.run(m, &few, None)?;
        if f.status != Status::MaxEvaluations || options.max_evaluations <= PATIENCE {
            return Ok(f);
        }
        let mut lowest = (f, m.u.clone());
        for p in m.easier_starts(self.g, kernel) {
            let from = FitOptions {
                theta: Some(p.theta),
                beta: options.beta.clone().or(Some(p.beta)),
                extras: Some(p.extras),
                hessian: false,
                tolerance: LOOSE.max(options.tolerance),
                ..few.clone()
            };
            let f = self.run(m, &from, None)?;
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
        self.run(m, &from, Some(&u))
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
    ) -> Result<Option<(Fit, Vec<f64>)>, CoreError> {
        let (options, g) = (self.options, self.g);
        let from = |p: Point| FitOptions {
            theta: Some(p.theta),
            beta: g.family.kernel().map(|_| p.beta),
            extras: Some(p.extras),
            hessian: false,
            ..options.clone()
        };
        let begun: Vec<(FitOptions, Option<Vec<f64>>)> = if by_starts && is_sound(best) {
            let short = self.short(m, starts, &from, best)?;
            short.into_iter().map(|(f, u)| (from(f.point), Some(u))).collect()
        } else {
            starts.into_iter().map(|p| (from(p), None)).collect()
        };
        let mut lower: Option<(Fit, Vec<f64>)> = None;
        for (from, u) in begun {
            let f = if by_starts {
                self.run_within(m, &with_limit(&from, LONGEST), u.as_deref())?
            } else {
                self.run(m, &from, u.as_deref())?
            };
            note(valleys, &f);
            if by_starts {
                self.note_unsound(&f);
            }
            if is_better(&f, lower.as_ref().map_or(best, |l| &l.0), by_starts) {
                lower = Some((f, m.u.clone()));
            }
        }
        Ok(lower)
    }

    /// A fit that is given up where modes of the random effects are not found time and again.
    pub(super) fn run_within(
        &mut self,
        m: &mut Modes,
        options: &FitOptions,
        u: Option<&[f64]>,
    ) -> Result<Fit, CoreError> {
        m.budget = m.steps + STEPS;
        let f = self.run(m, options, u);
        m.budget = usize::MAX;
        f
    }

    /// Remembers how low a fit ended that is no optimum.
    pub(super) fn note_unsound(&mut self, f: &Fit) {
        if f.objective.is_finite() && !is_sound(f) {
            self.beyond = self.beyond.min(f.objective);
        }
    }

    /// Short descents from all starts: those that may end below the best and elsewhere, with their
    /// modes, in the order of where they seem to end.
    fn short(
        &mut self,
        m: &mut Modes,
        starts: Vec<Point>,
        from: &dyn Fn(Point) -> FitOptions,
        best: &Fit,
    ) -> Result<Vec<Begun>, CoreError> {
        let least = self.options.tolerance;
        let (mut hopeful, mut near): (Vec<Begun>, Vec<Begun>) = (Vec::new(), Vec::new());
        let mut leading = 0;
        for (i, start) in starts.into_iter().enumerate() {
            let few = FitOptions { tolerance: LOOSE.max(least), ..with_limit(&from(start), SHORT) };
            let f = self.run_within(m, &few, None)?;
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
        ordered(&mut near, best, GOES_ON);
        for (f, u) in near {
            if hopeful.iter().any(|h| is_same_way(best, &h.0, &f)) {
                continue;
            }
            let on = FitOptions { tolerance: TIGHTER.max(least), ..with_limit(&from(f.point), LONGER) };
            let f = self.run_within(m, &on, Some(&u))?;
            if f.objective.is_finite() && !leads_to(best, &f) && is_hopeful(&f, best) {
                hopeful.push((f, m.u.clone()));
            }
        }
        ordered(&mut hopeful, best, FINISHED);
        Ok(hopeful)
    }
}

/// A descent with the modes where it stands.
type Begun = (Fit, Vec<f64>);

fn with_limit(options: &FitOptions, evaluations: usize) -> FitOptions {
    FitOptions { max_evaluations: evaluations.min(options.max_evaluations), ..options.clone() }
}

/// The decrement of a descent, as far as it can be believed.
fn promise(f: &Fit) -> f64 {
    f.decrement.clamp(0.0, CREDIBLE)
}

/// Whether a short descent may end below what is known.
fn is_hopeful(f: &Fit, best: &Fit) -> bool {
    f.objective - HOPE * promise(f) < best.objective - NEGLIGIBLE
}

/// Orders descents by where a Newton step would bring them, and keeps one of each way, so many at
/// most.
fn ordered(descents: &mut Vec<Begun>, best: &Fit, most: usize) {
    let ahead = |f: &Fit| f.objective - 0.5 * promise(f);
    descents.sort_by(|a, b| ahead(&a.0).total_cmp(&ahead(&b.0)));
    descents.dedup_by(|a, b| is_same_way(best, &a.0, &b.0));
    descents.truncate(most);
}

/// Whether a descent is in the basin of a known optimum: it is near, by the curvature there, no
/// lower, and falls towards it as the curvature has it.
fn leads_to(known: &Fit, f: &Fit) -> bool {
    if f.objective < known.objective - NEGLIGIBLE {
        return false;
    }
    let d = difference(known, known, f);
    let n = d.len();
    match &known.hessian {
        Some(h) if h.len() == n * n && f.gradient.len() == n => {
            let square: f64 = (0..n * n).map(|t| d[t / n] * h[t] * d[t % n]).sum::<f64>().abs();
            let slope: f64 = f.gradient.iter().zip(&d).map(|(g, d)| g * d).sum();
            let is_at = |size: f64| d.iter().all(|v| v.abs() < size);
            let falls = is_at(SAME_WAY) || (AGREES * square..square / AGREES).contains(&slope);
            0.5 * square < SAME_BASIN && falls && is_at(1.0)
        }
        _ => is_same_way(known, known, f),
    }
}

fn is_same_way(known: &Fit, a: &Fit, b: &Fit) -> bool {
    difference(known, a, b).iter().all(|v| v.abs() < SAME_WAY)
}

/// The difference of coordinates, without fixed effects of which a known optimum has no finite
/// estimate.
fn difference(known: &Fit, a: &Fit, b: &Fit) -> Vec<f64> {
    let of = |f: &Fit| f.coordinates.of(&f.point);
    let (xa, xb, at) = (of(a), of(b), of(known));
    let (n, first) = (at.len(), known.coordinates.first_beta());
    let bends = |i: usize| known.hessian.as_ref().is_none_or(|h| h.len() != n * n || h[i * n + i].abs() > FLAT);
    (0..n).map(|i| if i < first || at[i].abs() < FAR || bends(i) { xb[i] - xa[i] } else { 0.0 }).collect()
}
