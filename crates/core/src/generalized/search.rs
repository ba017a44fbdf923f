//! The search for the lowest valley of a generalized model: local fits from the starts that the
//! objective itself suggests.
//!
//! As for linear models the objective is looked at along rays, each a direction of one block's
//! Sigma from no variance to a large one, with the other covariance parameters held. The fixed
//! effects adapt within the inner problem, a dispersion by moments of the rows about their modes.
//! There is no bound here that would exclude an interval: what lies between two looks is not seen.

use super::fit::{fit_from, Fit, FitOptions};
use super::laplace::Curvature;
use super::parameters::Point;
use super::pirls::{Failure, Modes};
use super::several::is_sound;
use super::system::GlmmSystem;
use crate::error::CoreError;
use crate::fit::boundary::NEGLIGIBLE;
use crate::layout::{Block, Frame};
use crate::model::{Progress, Status};

/// Ratio of neighbouring standard deviations of a ray.
const SPACING: f64 = 4.0;
/// Rays out of zero begin at this standard deviation, in units of the linear predictor, or at a
/// smaller one that tells.
const NEAREST: f64 = 0.5;
/// Rays end at this standard deviation, in units of the linear predictor.
const FARTHEST: f64 = 32.0;
/// Newton decrement at which the modes are good enough for a look.
const ROUGH: f64 = 1e-2;
/// A look is a valley only where it is below its neighbours by more than this.
const NOTABLE: f64 = 1e-2;
/// How often rays are looked along again from a lower optimum.
const ROUNDS: usize = 4;
/// Predicted seconds that looks may take in any case, and share of the fits' Newton steps that they
/// may take beyond.
const FREE_SECONDS: f64 = 2e-3;
const SHARE: f64 = 0.06;
/// Seconds that a row of several predictors takes in such a step.
const KERNEL_ROW: f64 = 2e-7;
/// Newton steps that an evaluation of the gradient costs beside those that it makes.
const STEPS_OF_GRADIENT: usize = 3;
/// Standard deviations outside these limits, in units of the linear predictor, make a fit one of
/// those where other valleys are.
const NEAR_ZERO: f64 = 0.02;
const FAR_OUT: f64 = 8.0;
/// An optimum is taken for the only one where leaving out any direction raises the objective by
/// this.
const SURE: f64 = 4.0;
/// The same where all coefficients adapt at a look.
const FAR_OF_ALL: f64 = 3.0;
/// Standard deviations of restarts, the last where all coefficients adapt; the Newton steps one
/// takes, and the seconds it may take.
const RESTARTS: [f64; 4] = [0.3, 3.0, 15.0, 60.0];
/// Of a fit that is far out itself there may be many optima. Multiples of its standard deviations,
/// and of those of independent effects as large, with which it is begun again where all
/// coefficients adapt.
const SCALED: [f64; 2] = [2.0, 16.0];
const SCALED_ALONE: [f64; 3] = [0.5, 1.0, 4.0];
const RESTART_STEPS: f64 = 80.0;
const RESTART_SECONDS: f64 = 5e-3;
/// How often extra parameters are adapted at a look, and changes of their coordinates that end
/// that.
const ADAPTATIONS: usize = 3;
const ADAPTED: f64 = 0.05;
/// Multiples of the dispersion (the first extra parameter) of the optimum with which that begins.
const DISPERSIONS: [f64; 3] = [1.0, 1.0 / 16.0, 16.0];

/// An optimum that a local fit found.
#[derive(Clone, Debug)]
pub struct Valley {
    /// -2 log-likelihood.
    pub objective: f64,
    /// Estimates, fixed effects in the changed basis.
    pub point: Point,
}

/// The lowest optimum, and what else was seen.
pub type Search = crate::model::Search<Fit, Valley>;

/// Fits, and looks for lower valleys.
///
/// # Errors
/// As [`fit`](super::fit()).
pub fn search(
    g: &GlmmSystem,
    m: &mut Modes,
    options: &FitOptions,
    progress: Progress<'_>,
) -> Result<Search, CoreError> {
    let mut s = Searcher {
        g,
        options,
        progress,
        evaluations: 0,
        spent: 0,
        looks: 0,
        look_steps: 0,
        runs: 0,
        weakest: f64::INFINITY,
        beyond: f64::INFINITY,
        end: usize::MAX,
    };
    let mut best = s.first(m)?;
    let mut valleys = Vec::new();
    note(&mut valleys, &best);
    let (mut complete, mut moved_on) = (true, false);
    for round in 0..ROUNDS {
        let kernel = g.family.kernel();
        let by_starts = kernel.is_some_and(|k| !k.looks_along_rays());
        if by_starts && s.is_at_end(m, &best) {
            complete = false;
            break;
        }
        let ended = matches!(best.status, Status::Converged | Status::Separated | Status::NoProgress);
        if !ended && (kernel.is_none() || best.status == Status::MaxEvaluations) {
            complete = false;
            break;
        }
        let kept = (m.u.clone(), m.beta.clone());
        let mut starts = Vec::new();
        if kernel.is_none_or(|k| k.looks_along_rays()) {
            if let Some(kernel) = kernel.filter(|_| round == 0) {
                starts.extend((1..kernel.starts()).map(|which| m.start_several(g, kernel, which)));
            }
            let (along, all) = s.rays(m, &best)?;
            complete = all;
            starts.extend(along);
            if kernel.is_some() || starts.is_empty() {
                starts.extend(s.restarts(m, &best, &mut complete)?);
            }
        } else if let Some(kernel) = kernel {
            // no rays: other starts alone
            complete = false;
            s.note_unsound(&best);
            starts = m.other_starts(g, kernel, &best, round == 0, s.beyond < best.objective - NEGLIGIBLE);
        }
        let lower = s.lower(m, starts, &best, by_starts, &mut valleys)?;
        let Some((l, u)) = lower else {
            restore(g, m, &best, options, kept);
            break;
        };
        let from = FitOptions {
            theta: Some(l.point.theta.clone()),
            beta: Some(l.point.beta.clone()),
            extras: Some(l.point.extras.clone()),
            ..options.clone()
        };
        let f = if by_starts { s.ended(m, &from, (l, u))? } else { s.run(m, &from, Some(&u))? };
        if !f.objective.is_finite() {
            complete = false;
            restore(g, m, &best, options, kept);
            break;
        }
        note(&mut valleys, &f);
        if by_starts && !is_better(&f, &best, true) {
            restore(g, m, &best, options, kept);
            break;
        }
        best = f;
        moved_on = true;
    }
    best.evaluations = s.evaluations;
    valleys.sort_by(|a, b| a.objective.total_cmp(&b.objective));
    let drop = best.objective - s.beyond;
    let beyond = if is_sound(&best) && drop > NEGLIGIBLE { drop } else { 0.0 };
    Ok(Search { fit: best, valleys, runs: s.runs, looks: s.looks, complete, moved_on, beyond })
}

/// Whether a fit is to be preferred to another: it is lower; where other starts are all that is
/// looked at, first of all, it is an optimum.
pub(super) fn is_better(f: &Fit, other: &Fit, by_starts: bool) -> bool {
    if !f.objective.is_finite() || !other.objective.is_finite() {
        return f.objective.is_finite();
    }
    if by_starts && is_sound(f) != is_sound(other) {
        return is_sound(f);
    }
    f.objective < other.objective - NEGLIGIBLE
}

/// Brings the work space back to the estimates of a fit.
pub(super) fn restore(g: &GlmmSystem, m: &mut Modes, f: &Fit, options: &FitOptions, kept: (Vec<f64>, Vec<f64>)) {
    (m.u, m.beta) = kept;
    m.lambda = g.layout.lambda_from_theta(&f.point.theta);
    // a failure leaves the modes as they were; the caller's own solution then says so
    let _ = m.value(g, &f.point, options.how, !f.coordinates.with_beta);
}

/// Enters a converged fit among the valleys, if it is a new one.
pub(super) fn note(valleys: &mut Vec<Valley>, f: &Fit) {
    let same = |v: &Valley| {
        let size = v.point.theta.iter().chain(&f.point.theta).fold(0.0f64, |m, t| m.max(t.abs()));
        (v.objective - f.objective).abs() <= 1e-4
            && v.point.theta.iter().zip(&f.point.theta).all(|(a, b)| (a.abs() - b.abs()).abs() <= 1e-2 * size)
    };
    if matches!(f.status, Status::Converged) && !valleys.iter().any(same) {
        valleys.push(Valley { objective: f.objective, point: f.point.clone() });
    }
}

pub(super) struct Searcher<'a> {
    pub(super) g: &'a GlmmSystem,
    pub(super) options: &'a FitOptions,
    progress: Progress<'a>,
    evaluations: usize,
    /// Newton steps of the fits, and what their gradients cost.
    spent: usize,
    looks: usize,
    look_steps: usize,
    runs: usize,
    /// The least rise of the objective when one direction of the optimum is left out, of those
    /// looked at.
    weakest: f64,
    /// The lowest objective at which a descent ended without an optimum.
    pub(super) beyond: f64,
    /// The count of passes over the rows at which descents end.
    pub(super) end: usize,
}

/// What a look saw: the objective, and where extra parameters and fixed effects were.
struct Look {
    objective: f64,
    extras: Vec<f64>,
    beta: Vec<f64>,
}

/// One look to be made.
struct Place {
    block: usize,
    column: usize,
    at: f64,
}

impl Searcher<'_> {
    pub(super) fn run(&mut self, m: &mut Modes, options: &FitOptions, u: Option<&[f64]>) -> Result<Fit, CoreError> {
        let (before, steps) = (self.evaluations, m.steps);
        let progress = &mut self.progress;
        let f = fit_from(self.g, m, options, u, &mut |n, d| progress(before + n, d))?;
        self.evaluations += f.evaluations;
        self.spent += m.steps - steps + STEPS_OF_GRADIENT * f.evaluations;
        self.runs += 1;
        Ok(f)
    }

    /// Predicted seconds of a Newton step for the modes.
    fn seconds_of_step(&self) -> f64 {
        let g = self.g;
        let row = if g.family.kernel().is_some() { KERNEL_ROW } else { 1e-8 * (4 + g.p()) as f64 };
        row * g.n as f64 + g.layout.predicted_seconds(&g.gram.cells, g.p() + 1)
    }

    /// Whether one more look is within the time allowed.
    fn affordable(&self) -> bool {
        let step = self.seconds_of_step();
        let each = if self.looks == 0 { 6.0 } else { self.look_steps as f64 / self.looks as f64 };
        let allowed = FREE_SECONDS / step + SHARE * self.spent as f64;
        self.look_steps as f64 + each <= allowed
    }

    /// The objective at frames with the fixed effects profiled and the extra parameters adapted;
    /// infinite where it is not defined.
    fn look(&mut self, m: &mut Modes, frames: &[Frame], extras: &[f64]) -> Result<Look, CoreError> {
        let g = self.g;
        let before = m.steps;
        m.lambda = g.layout.lambda_of(frames);
        let free = |e: usize| self.options.held.get(e).copied().flatten().is_none();
        let adapts = (0..extras.len()).any(free);
        let mut found = Look { objective: f64::INFINITY, extras: extras.to_vec(), beta: m.beta.clone() };
        let mut mu = vec![0.0; if adapts { g.n } else { 0 }];
        // what groups differ by counts as dispersion where it is large, and stays there: so it is
        // also begun with small and large ones
        for factor in if adapts { &DISPERSIONS[..] } else { &DISPERSIONS[..1] } {
            m.extras.copy_from_slice(extras);
            if adapts && free(0) {
                m.extras[0] *= factor;
            }
            for _ in 0..if adapts { ADAPTATIONS } else { 1 } {
                let Ok(v) = objective(g, m, self.options.how.curvature) else { break };
                if v < found.objective {
                    found = Look { objective: v, extras: m.extras.clone(), beta: m.beta.clone() };
                }
                if adapts {
                    g.family.means(&m.eta, &mut mu);
                    let mut next = extras.to_vec();
                    g.family.start_extras(&g.y, &g.weights, &mu, &mut next);
                    let about = g.family.extras();
                    let moved = |e: usize| about[e].coordinate.of(next[e]) - about[e].coordinate.of(m.extras[e]);
                    let sound = (0..next.len()).filter(|&e| free(e)).all(|e| about[e].allows(next[e]));
                    if !sound || (0..next.len()).filter(|&e| free(e)).all(|e| moved(e).abs() < ADAPTED) {
                        break;
                    }
                    (0..next.len()).filter(|&e| free(e)).for_each(|e| m.extras[e] = next[e]);
                }
            }
        }
        self.looks += 1;
        self.look_steps += m.steps - before;
        if let Some(message) = g.family.failure() {
            return Err(CoreError::Degenerate(message));
        }
        if !(self.progress)(self.evaluations, found.objective) {
            return Err(CoreError::Interrupted);
        }
        Ok(found)
    }

    /// Starts in other valleys along the rays through an optimum, and whether all rays were looked
    /// along.
    fn rays(&mut self, m: &mut Modes, best: &Fit) -> Result<(Vec<Point>, bool), CoreError> {
        let g = self.g;
        let frames = g.layout.frames_at(&best.point.theta);
        let (beta, u) = (m.beta.clone(), m.u.clone());
        let places = self.places(m, best, &frames);
        let mut complete = true;
        if !self.affordable() {
            return Ok((Vec::new(), places.is_empty()));
        }
        let here = self.look(m, &frames, &best.point.extras)?;
        self.weakest = f64::INFINITY;
        let mut seen: Vec<(Place, Look)> = Vec::with_capacity(places.len());
        for p in places {
            if !self.affordable() {
                complete = false;
                break;
            }
            let mut there = frames.clone();
            there[p.block].s[p.column] = p.at;
            m.beta.copy_from_slice(&beta);
            m.forget();
            if frames.iter().all(|f| f.k == 1) {
                // the random effects stay what they are
                m.u.copy_from_slice(&u);
                let b = g.layout.blocks[p.block];
                let share = if p.at > 0.0 { frames[p.block].s[0] / p.at } else { 0.0 };
                for &pos in &g.layout.sym.position[b.factor] {
                    m.u[g.layout.sym.row[pos as usize] + b.offset] *= share;
                }
            }
            let look = self.look(m, &there, &best.point.extras)?;
            if p.at == 0.0 {
                self.weakest = self.weakest.min(look.objective - here.objective);
            }
            seen.push((p, look));
        }
        let mut starts: Vec<(f64, Point)> = Vec::new();
        for (b, f) in frames.iter().enumerate() {
            for j in 0..f.k {
                let own = seen.iter().filter(|(p, _)| p.block == b && p.column == j);
                let mut along: Vec<(f64, &Look)> = own.map(|(p, look)| (p.at, look)).collect();
                along.push((f.s[j], &here));
                along.sort_by(|a, b| a.0.total_cmp(&b.0));
                for (i, &(at, look)) in along.iter().enumerate() {
                    let v = look.objective;
                    let above = |k: usize| along[k].1.objective > v + NOTABLE;
                    let valley = v.is_finite() && (i == 0 || above(i - 1)) && (i + 1 == along.len() || above(i + 1));
                    if valley && at != f.s[j] {
                        let mut there = frames.clone();
                        there[b].s[j] = at;
                        let theta = g.layout.theta_of(&there);
                        starts.push((v, Point { theta, beta: look.beta.clone(), extras: look.extras.clone() }));
                    }
                }
            }
        }
        starts.sort_by(|a, b| a.0.total_cmp(&b.0));
        Ok((starts.into_iter().map(|s| s.1).collect(), complete))
    }

    /// Starts with all directions of all blocks, where one is near zero or far out: what rays do
    /// not show. With several linear predictors also where a block has several directions: all of
    /// them may go out together, and the coefficients with them.
    fn restarts(&mut self, m: &mut Modes, best: &Fit, complete: &mut bool) -> Result<Vec<Point>, CoreError> {
        let g = self.g;
        let unit = best.coordinates.unit();
        let frames = g.layout.frames_at(&best.point.theta);
        let adapts = g.family.kernel().is_some();
        let far = if adapts { FAR_OF_ALL } else { FAR_OUT };
        let extreme = |s: &f64| !(NEAR_ZERO * unit..far * unit).contains(s);
        let alone = frames.iter().map(|f| f.k).sum::<usize>() < 2 && !adapts;
        let extreme = frames.iter().flat_map(|f| &f.s).any(extreme);
        let together = adapts && frames.iter().any(|f| f.k > 1);
        if alone || !(self.weakest < SURE || extreme || together) {
            return Ok(Vec::new());
        }
        if self.seconds_of_step() * RESTART_STEPS > RESTART_SECONDS {
            *complete = false;
            return Ok(Vec::new());
        }
        let (beta, u) = (m.beta.clone(), m.u.clone());
        let mut out = Vec::new();
        let independent = |s: &dyn Fn(&Frame, usize) -> f64| -> Vec<Frame> {
            let of = |(b, f): (&Block, &Frame)| Frame::independent(&g.layout, *b, (0..b.k).map(|i| s(f, i)).collect());
            g.layout.blocks.iter().zip(&frames).map(of).collect()
        };
        let usual = &RESTARTS[..if adapts { RESTARTS.len() } else { 3 }];
        let mut places: Vec<Vec<Frame>> = usual.iter().map(|scale| independent(&|_, _| scale * unit)).collect();
        if adapts && frames.iter().flat_map(|f| &f.s).any(|&s| s > FAR_OUT * unit) {
            for scale in SCALED {
                let scaled = |(b, f): (&Block, &Frame)| {
                    let lambda: Vec<f64> = f.lambda().iter().map(|v| scale * v).collect();
                    Frame::near(&g.layout, *b, &lambda)
                };
                places.push(g.layout.blocks.iter().zip(&frames).map(scaled).collect());
            }
            let own = |f: &Frame, i: usize| f.sigma()[i * f.k + i].sqrt();
            places.extend(SCALED_ALONE.iter().map(|scale| independent(&|f, i| scale * own(f, i))));
        }
        for (i, there) in places.into_iter().enumerate() {
            let theta = g.layout.theta_of(&there);
            let mut start = Point { theta, beta: best.point.beta.clone(), extras: best.point.extras.clone() };
            if let Some(kernel) = g.family.kernel().filter(|_| i >= usual.len()) {
                // the coefficients of the fit would bring the search back
                start.beta = m.start_several(g, kernel, 0).beta;
            } else if adapts {
                // all coefficients go with the spread: held, they would bring the search back
                m.beta.copy_from_slice(&beta);
                m.forget();
                let look = self.look(m, &there, &best.point.extras)?;
                if look.objective.is_finite() {
                    start.beta = look.beta;
                }
            }
            out.push(start);
        }
        (m.beta, m.u) = (beta, u);
        Ok(out)
    }

    /// Places of all rays, the most telling first: far out, none at all, then what is between the
    /// optimum and far out.
    fn places(&self, m: &Modes, best: &Fit, frames: &[Frame]) -> Vec<Place> {
        let unit = best.coordinates.unit();
        let mut ranked: Vec<(usize, Place)> = Vec::new();
        for (block, (b, f)) in self.g.layout.blocks.iter().zip(frames).enumerate().filter(|(_, (b, _))| b.is_free) {
            let fs = &self.g.layout.factors[b.factor];
            for column in 0..f.k {
                let mut total = 0.0;
                for ztz in m.gram.levels[b.factor].chunks_exact(fs.k * fs.k) {
                    for x in 0..f.k {
                        for y in 0..f.k {
                            let z = ztz[(b.offset + x) * fs.k + b.offset + y];
                            total += f.u[x * f.k + column] * f.u[y * f.k + column] * z;
                        }
                    }
                }
                // where a level's own information about a random effect equals that of its
                // distribution
                let even = (fs.n_levels as f64 / total).sqrt();
                let even = if even.is_finite() && even > 0.0 { even } else { NEAREST * unit };
                let s = f.s[column];
                let first = if s > 0.0 { SPACING * s } else { even.min(NEAREST * unit) };
                let mut up = Vec::new();
                let mut t = first;
                while t <= FARTHEST * unit || up.is_empty() {
                    up.push(t);
                    t *= SPACING;
                }
                // far out first, then what is nearer
                for (i, &at) in up.iter().rev().enumerate() {
                    ranked.push((if i == 0 { 0 } else { i + 1 }, Place { block, column, at }));
                }
                if s > 0.0 {
                    ranked.push((1, Place { block, column, at: 0.0 }));
                }
            }
        }
        ranked.sort_by_key(|r| r.0);
        ranked.into_iter().map(|r| r.1).collect()
    }
}

/// -2 log-likelihood by Laplace's approximation at the present Lambda and extra parameters, fixed
/// effects at the mode.
fn objective(g: &GlmmSystem, m: &mut Modes, curvature: Curvature) -> Result<f64, Failure> {
    let h = m.solve_to(g, true, ROUGH)?;
    let free = m.free_part(g).0;
    if curvature == Curvature::Expected && !g.family.is_canonical() {
        m.more_pass(g);
        m.factorise_expected(g)?;
    }
    let v = 2.0 * (h - free) + m.factor.log_det();
    if v.is_finite() {
        Ok(v)
    } else {
        Err(Failure::Undefined)
    }
}
