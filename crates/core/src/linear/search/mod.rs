//! The search for the lowest valley: local fits from the starts that the criterion itself suggests.
//!
//! A local fit ends in the valley it began in. The criterion can have several: where a covariate's
//! slope between groups differs from its slope within them, the profile over a standard deviation
//! has one at or near zero and one far out. So the criterion is looked at along *rays*, each a
//! direction of one block's Sigma from no variance to a very large one with all else held: before
//! the first fit, to choose its start, and from the optimum found. A local fit is made from every
//! other valley that a ray shows.
//!
//! Along a ray Sigma grows in Loewner's order. There log|V| (REML: log|K'VK|) grows and the
//! residual sum of squares r2 falls, so that between two points a < b the criterion is at least
//! L(a) + nu log r2(b), L being its part without r2. An interval whose bound is above what is
//! looked for is left out with certainty; the others are divided.

mod along;
mod elsewhere;
mod pairs;
mod sharpen;
#[cfg(test)]
mod tests;

use crate::error::CoreError;
use crate::fit::boundary::NEGLIGIBLE;
use crate::layout::Frame;
use crate::linear::criterion::Evaluator;
use crate::linear::fit::{fit, Fit, FitOptions};
use crate::linear::ray::Look;
use crate::linear::score::Score;
use crate::linear::start::moment_frames;
use crate::linear::system::System;
use crate::model::{Progress, Status};
pub use sharpen::sharpened;

/// How often local fits are made from what was found from the lowest optimum so far.
const ROUNDS: usize = 12;
/// Evaluations after which a fit from another start than the first ends if it is not below the
/// lowest so far.
const RESTART_EVALUATIONS: usize = 40;
/// A fit is lower where rounding accounts for at most this share of the difference.
const NOISE_SHARE: f64 = 0.3;
/// Predicted seconds that looks may take in any case, and share of the time of the fits that they
/// may take beyond.
const FREE_SECONDS: f64 = 4e-3;
const SHARE: f64 = 0.12;

/// An optimum that a local fit found.
#[derive(Clone, Debug)]
pub struct Valley {
    /// Criterion in the changed basis.
    pub criterion: f64,
    /// Lambda there.
    pub frames: Vec<Frame>,
}

impl Valley {
    /// Covariance parameters of the columns as given.
    pub fn theta(&self, sys: &System) -> Vec<f64> {
        sys.theta_of(&self.frames)
    }
}

/// The lowest optimum, and what else was seen.
pub type Search = crate::model::Search<Fit, Valley>;

/// Where a search begins.
pub enum Begin {
    /// Where the criterion suggests.
    Anywhere,
    /// At a Lambda that was asked for.
    At(Vec<Frame>),
    /// At the truth that the response was drawn from.
    Truth(Vec<Frame>),
}

/// Fits from where it is told to begin, and looks for lower valleys.
///
/// # Errors
/// [`CoreError::Interrupted`] when `progress` says so.
pub fn search(
    sys: &System,
    e: &mut Evaluator,
    score: &mut Score,
    begin: Begin,
    options: FitOptions,
    progress: Progress<'_>,
) -> Result<Search, CoreError> {
    let mut s = Searcher::new(sys, e, options, progress);
    let one = s.n_directions == 1;
    let mut waiting = Vec::new();
    let mut stage = Stage::Rays;
    // replicates are many, and begin where they should end
    s.thorough = !matches!(begin, Begin::Truth(_));
    match begin {
        Begin::Truth(frames) if !one => waiting.push(Candidate::first(frames)),
        Begin::At(frames) => waiting.push(Candidate::first(frames)),
        Begin::Truth(frames) => {
            waiting = s.sweep(frames)?;
            stage = if s.complete { Stage::Done } else { Stage::Rays };
        }
        Begin::Anywhere => {
            let mut first = moment_frames(sys);
            if !one && sys.factors.len() > 1 {
                (first, waiting) = s.starts(first)?;
            }
            waiting.extend(s.sweep(first)?);
            stage = if one && s.complete { Stage::Done } else { Stage::Rays };
        }
    }
    let mut best: Option<Fit> = None;
    for _ in 0..ROUNDS {
        let mut lower = s.run_all(score, &mut best, &mut waiting)?;
        if best.as_ref().is_none_or(|b| b.status == Status::NonFinite) {
            // the start was too far out
            for frames in
                [moment_frames(sys), sys.blocks.iter().map(|b| Frame::independent(sys, *b, vec![1.0; b.k])).collect()]
            {
                waiting.push(Candidate { criterion: f64::INFINITY, frames });
            }
            lower |= s.run_all(score, &mut best, &mut waiting)?;
        }
        let b = best.as_ref().expect("there is a first start");
        if !matches!(b.status, Status::Converged | Status::NoProgress) {
            s.complete = false;
            break;
        }
        stage = if lower && !(one && stage > Stage::Rays) { Stage::Rays } else { stage };
        while waiting.is_empty() && stage < Stage::Done {
            waiting = match stage {
                Stage::Rays => s.rays(b)?,
                Stage::Pairs => s.pairs(b)?,
                Stage::Exchanges => s.exchanges(b)?,
                Stage::Restarts => s.restarts(b),
                Stage::Done => Vec::new(),
            };
            stage = stage.next();
        }
        if waiting.is_empty() {
            break;
        }
    }
    let mut fit = best.expect("there is a first start");
    s.stand(score, &fit)?;
    fit.evaluations = s.evaluations;
    s.valleys.sort_by(|a, b| a.criterion.total_cmp(&b.criterion));
    Ok(Search {
        fit,
        valleys: s.valleys,
        runs: s.runs,
        looks: s.looks,
        complete: s.complete,
        moved_on: s.moved_on,
        beyond: 0.0,
    })
}

/// Where a local fit may begin.
struct Candidate {
    criterion: f64,
    frames: Vec<Frame>,
}

impl Candidate {
    fn first(frames: Vec<Frame>) -> Self {
        Candidate { criterion: f64::NEG_INFINITY, frames }
    }
}

/// What is tried from an optimum, in this order, and anew from a lower one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd)]
enum Stage {
    /// One direction at a time.
    Rays,
    /// Two directions that are nearly the same together.
    Pairs,
    /// One direction in the place of another.
    Exchanges,
    /// All directions anew.
    Restarts,
    Done,
}

impl Stage {
    fn next(self) -> Self {
        match self {
            Stage::Rays => Stage::Pairs,
            Stage::Pairs => Stage::Exchanges,
            Stage::Exchanges => Stage::Restarts,
            Stage::Restarts | Stage::Done => Stage::Done,
        }
    }
}

struct Searcher<'a> {
    sys: &'a System,
    e: &'a mut Evaluator,
    options: FitOptions,
    progress: Progress<'a>,
    n_directions: usize,
    evaluations: usize,
    looks: usize,
    runs: usize,
    /// Predicted seconds of one evaluation of the criterion alone.
    seconds: f64,
    /// Whether the evaluator has been elsewhere since the last local fit.
    moved: bool,
    valleys: Vec<Valley>,
    complete: bool,
    /// Whether a later local fit has ended lower than the first.
    moved_on: bool,
    /// Whether doubts are followed that only small rises of the criterion raise.
    thorough: bool,
    /// The least rise of the criterion when one direction of the optimum is left out.
    weakest: f64,
}

impl<'a> Searcher<'a> {
    fn new(sys: &'a System, e: &'a mut Evaluator, options: FitOptions, progress: Progress<'a>) -> Self {
        Searcher {
            sys,
            e,
            options,
            progress,
            n_directions: sys.blocks.iter().map(|b| b.k).sum(),
            evaluations: 0,
            looks: 0,
            runs: 0,
            seconds: sys.predicted_seconds(),
            moved: false,
            valleys: Vec::new(),
            complete: true,
            moved_on: false,
            thorough: true,
            weakest: f64::INFINITY,
        }
    }

    fn nu(&self) -> f64 {
        self.sys.nu(self.options.reml)
    }

    /// Whether so many more looks are within the time allowed.
    fn affordable(&self, more: usize) -> bool {
        let spent = 3.0 * self.evaluations as f64 * self.seconds;
        (self.looks + more) as f64 * self.seconds <= FREE_SECONDS + SHARE * spent
    }

    fn look(&mut self, frames: &[Frame], at: f64) -> Result<Look, CoreError> {
        for (b, f) in self.sys.blocks.iter().zip(frames) {
            f.write(*b, &mut self.e.lambda);
        }
        self.looks += 1;
        self.moved = true;
        let look = Look::of(self.e, self.sys, self.options.reml, at);
        if !(self.progress)(self.evaluations, look.criterion) {
            return Err(CoreError::Interrupted);
        }
        Ok(look)
    }

    /// A local fit, entered among the valleys.
    fn run(&mut self, score: &mut Score, start: Vec<Frame>, options: FitOptions) -> Result<Fit, CoreError> {
        let before = self.evaluations;
        let progress = &mut self.progress;
        let f = fit(self.sys, self.e, score, start, options, &mut |n, d| progress(before + n, d))?;
        self.evaluations += f.evaluations;
        self.runs += 1;
        self.moved = false;
        if f.status == Status::Converged && !self.valleys.iter().any(|v| is_same(v, &f)) {
            self.valleys.push(Valley { criterion: f.criterion, frames: f.frames.clone() });
        }
        Ok(f)
    }

    /// Local fits from all candidates, the lowest first; whether one ends lower than all before.
    fn run_all(
        &mut self,
        score: &mut Score,
        best: &mut Option<Fit>,
        waiting: &mut Vec<Candidate>,
    ) -> Result<bool, CoreError> {
        let mut lower = false;
        waiting.sort_by(|a, b| a.criterion.total_cmp(&b.criterion));
        for c in waiting.drain(..) {
            let f = match best {
                Some(b) if b.criterion.is_finite() => {
                    let short = FitOptions {
                        max_evaluations: self
                            .options
                            .max_evaluations
                            .min(RESTART_EVALUATIONS * self.n_directions.max(2) / 2),
                        ..self.options
                    };
                    let f = self.run(score, c.frames, short)?;
                    let promising = f.status == Status::MaxEvaluations && f.criterion < b.criterion - NEGLIGIBLE;
                    if promising {
                        self.run(score, f.frames, self.options)?
                    } else {
                        f
                    }
                }
                _ => self.run(score, c.frames, self.options)?,
            };
            let below = |b: &Fit| {
                !b.criterion.is_finite()
                    || (f.criterion < b.criterion - NEGLIGIBLE && f.noise < NOISE_SHARE * (b.criterion - f.criterion))
            };
            if best.as_ref().is_none_or(below) {
                self.moved_on |= best.as_ref().is_some_and(|b| b.criterion.is_finite());
                *best = Some(f);
                lower = true;
            }
        }
        Ok(lower)
    }

    /// Brings evaluator and score to the estimates of a fit.
    fn stand(&mut self, score: &mut Score, f: &Fit) -> Result<(), CoreError> {
        if f.criterion.is_finite() && (self.runs > 1 || self.moved) {
            self.look(&f.frames, f64::NAN)?;
            self.e.score(self.sys, self.options.reml, score);
        }
        Ok(())
    }
}

/// Whether a fit ended in a known valley: the same criterion at the same Sigma.
fn is_same(v: &Valley, f: &Fit) -> bool {
    (v.criterion - f.criterion).abs() <= 1e-5
        && v.frames.iter().zip(&f.frames).all(|(a, b)| {
            let (sa, sb) = (a.sigma(), b.sigma());
            let size = sa.iter().chain(&sb).fold(0.0f64, |m, v| m.max(v.abs()));
            sa.iter().zip(&sb).all(|(x, y)| (x - y).abs() <= 1e-2 * size + 1e-6)
        })
}
