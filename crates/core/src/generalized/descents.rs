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
/// How many of a round are finished at most.
const FINISHED: usize = 6;
/// Half the square of the distance to a known optimum, by the curvature there, within which a
/// descent leads to it.
const SAME_BASIN: f64 = 0.5;
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
        let options = self.options;
        let from = |p: Point| FitOptions {
            theta: Some(p.theta),
            beta: self.g.family.kernel().map(|_| p.beta),
            extras: Some(p.extras),
            hessian: false,
            ..options.clone()
        };
        let mut begun: Vec<(FitOptions, Option<Vec<f64>>)> = starts.into_iter().map(|p| (from(p), None)).collect();
        if by_starts && is_sound(best) {
            let mut short = Vec::new();
            for (from, _) in begun {
                let few = FitOptions {
                    max_evaluations: SHORT.min(options.max_evaluations),
                    tolerance: LOOSE.max(options.tolerance),
                    ..from
                };
                let f = self.run(m, &few, None)?;
                let hopeful = f.objective - HOPE * f.decrement.max(0.0) < best.objective - NEGLIGIBLE;
                if f.objective.is_finite() && hopeful && !leads_to(best, &f) {
                    short.push((f, m.u.clone()));
                }
            }
            // where a Newton step would bring them
            let ahead = |f: &Fit| f.objective - 0.5 * f.decrement.max(0.0);
            short.sort_by(|a, b| ahead(&a.0).total_cmp(&ahead(&b.0)));
            short.dedup_by(|a, b| is_same_way(&a.0, &b.0));
            short.truncate(FINISHED);
            begun = short.into_iter().map(|(f, u)| (from(f.point), Some(u))).collect();
        }
        let mut lower: Option<(Fit, Vec<f64>)> = None;
        for (from, u) in begun {
            let f = self.run(m, &from, u.as_deref())?;
            note(valleys, &f);
            if by_starts && f.objective.is_finite() && !is_sound(&f) {
                self.beyond = self.beyond.min(f.objective);
            }
            if is_better(&f, lower.as_ref().map_or(best, |l| &l.0), by_starts) {
                lower = Some((f, m.u.clone()));
            }
        }
        Ok(lower)
    }
}

/// Whether a descent is in the basin of a known optimum.
fn leads_to(known: &Fit, f: &Fit) -> bool {
    let d = difference(known, f);
    let n = d.len();
    match &known.hessian {
        Some(h) if h.len() == n * n => {
            let square: f64 = (0..n * n).map(|t| d[t / n] * h[t] * d[t % n]).sum();
            0.5 * square.abs() < SAME_BASIN && d.iter().all(|v| v.abs() < 1.0)
        }
        _ => is_same_way(known, f),
    }
}

fn is_same_way(a: &Fit, b: &Fit) -> bool {
    difference(a, b).iter().all(|v| v.abs() < SAME_WAY)
}

fn difference(a: &Fit, b: &Fit) -> Vec<f64> {
    let (xa, xb) = (a.coordinates.of(&a.point), a.coordinates.of(&b.point));
    xa.iter().zip(&xb).map(|(a, b)| b - a).collect()
}
