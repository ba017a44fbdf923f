//! The search for the lowest valley: local fits from the starts that the criterion itself suggests.
//!
//! A local fit ends in the valley it began in. The criterion can have several: where a covariate's slope between groups differs
//! from its slope within them, the profile over a standard deviation has one at or near zero and one far out. So the criterion is
//! looked at along *rays*, each a direction of one block's Sigma from no variance to a very large one with all else held: before
//! the first fit, to choose its start, and from the optimum found. A local fit is made from every other valley that a ray shows.
//!
//! Along a ray Sigma grows in Loewner's order. There log|V| (REML: log|K'VK|) grows and the residual sum of squares r2 falls, so
//! that between two points a < b the criterion is at least L(a) + nu log r2(b), L being its part without r2. An interval whose
//! bound is above what is looked for is left out with certainty; the others are divided.

use super::evaluator::{Evaluator, Lambda};
use super::fit::{fit, Fit, FitOptions, Progress, Status, NEGLIGIBLE};
use super::frame::Frame;
use super::ray::{Ladder, Look, Reach, FARTHEST};
use super::rebase::Rebase;
use super::score::Score;
use super::start::moment_frames;
use super::system::System;
use crate::error::CoreError;
use crate::rows::Rows;

/// Standard deviations (per residual one, scaled columns) tried for all effects together before the first fit.
const COMMON: [f64; 4] = [0.25, 1.0, 4.0, 16.0];
/// Neighbouring points of a ray are at most this factor apart where the bound excludes nothing.
const SPACING: f64 = 4.0;
/// Intervals of a ray whose bound is this much above the lowest value seen on it are not looked into: by no more is the criterion
/// expected to fall when the other parameters adapt.
const MARGIN: f64 = 20.0;
/// How often local fits are made from what was found from the lowest optimum so far.
const ROUNDS: usize = 12;
/// Standard deviations outside these limits make a fit one of those where other valleys are.
const NEAR_ZERO: f64 = 0.02;
const FAR_OUT: f64 = 30.0;
/// An optimum is taken for the only one where leaving out any direction raises the criterion by this.
const SURE: f64 = 4.0;
/// Standard deviations of one direction at which the other is looked along, where there are two; the first of them where there are more.
const LEVELS: [f64; 4] = [0.0, 0.3, 3.0, 30.0];
/// Most fits made from exchanges.
const EXCHANGES: usize = 4;
/// Standard deviations of restarts.
const RESTARTS: [f64; 3] = [0.1, 3.0, 30.0];
/// Evaluations after which a fit from another start than the first ends if it is not below the lowest so far.
const RESTART_EVALUATIONS: usize = 40;
/// A fit is lower where rounding accounts for at most this share of the difference.
const NOISE_SHARE: f64 = 0.3;
/// Predicted seconds that looks may take in any case, and share of the time of the fits that they may take beyond.
const FREE_SECONDS: f64 = 4e-3;
const SHARE: f64 = 0.12;
/// Rounding error of the criterion from which other cross-products are used, share of it that must be left, and how often that is tried.
const BLURRED: f64 = 1e-8;
const SHARPER: f64 = 0.1;
const SHARPENINGS: usize = 4;
/// A start is left alone along a ray that falls by no more than this.
const ABOUT_RIGHT: f64 = 2.0;
/// Steps by which the lowest point of a ray is refined for a start.
const REFINEMENTS: usize = 3;

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
        let mut lambda: Lambda = sys.cp.factors.iter().map(|f| vec![0.0; f.k * f.k]).collect();
        for (b, f) in sys.blocks.iter().zip(&self.frames) {
            f.write(*b, &mut lambda);
        }
        sys.theta_from_lambda(&lambda).0
    }
}

/// The lowest optimum, and what else was seen.
pub struct Search {
    /// The local fit that ended lowest; evaluator and score are left at its estimates.
    pub fit: Fit,
    /// All distinct optima, the lowest first.
    pub valleys: Vec<Valley>,
    /// Local fits made.
    pub runs: usize,
    /// Evaluations of the criterion alone, along rays and for the choice of starts.
    pub looks: usize,
    /// Whether every ray was looked along to its end.
    pub complete: bool,
}

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
            if !one && sys.cp.factors.len() > 1 && s.affordable(COMMON.len()) {
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
            for frames in [moment_frames(sys), sys.blocks.iter().map(|b| Frame::identity(b.k)).collect()] {
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
    Ok(Search { fit, valleys: s.valleys, runs: s.runs, looks: s.looks, complete: s.complete })
}

/// The fit made again with cross-products that lose nothing to cancellation, where rounding hides more of the criterion than is
/// wanted: the system with them, and the lowest optimum there. Evaluator and score must stand at the estimates of `found`.
///
/// # Errors
/// As [`search`].
pub fn sharpened(
    rows: &Rows<'_>,
    sys: &System,
    e: &mut Evaluator,
    score: &mut Score,
    found: &Search,
    options: FitOptions,
    progress: Progress<'_>,
) -> Result<Option<(System, Search)>, CoreError> {
    let f = &found.fit;
    if !f.criterion.is_finite() || e.noise(sys, options.reml, f.criterion) < BLURRED {
        return Ok(None);
    }
    let mut sharp = sys.clone_for_refit();
    let (mut frames, mut evaluations) = (f.frames.clone(), f.evaluations);
    let mut progress = progress;
    // the effects that can be taken out are others where a direction has come to zero on the way
    for _ in 0..SHARPENINGS {
        sharp.rebase = Some(Rebase::of(rows, sys, e, score));
        let mut s = Searcher::new(&sharp, e, options, &mut progress);
        s.evaluations = evaluations;
        let fit = s.run(score, frames, options)?;
        evaluations = s.evaluations;
        if !fit.criterion.is_finite() {
            break;
        }
        if fit.noise < BLURRED || fit.noise < SHARPER * f.noise {
            let own = std::mem::take(&mut s.valleys);
            let first = usize::from(!own.is_empty());
            let valleys = own.into_iter().chain(found.valleys.iter().skip(first).cloned()).collect();
            let runs = found.runs + 1;
            let fit = Fit { evaluations, ..fit };
            return Ok(Some((sharp, Search { fit, valleys, runs, looks: found.looks, complete: found.complete })));
        }
        frames = fit.frames;
    }
    let mut s = Searcher::new(sys, e, options, progress);
    s.moved = true;
    s.stand(score, f)?;
    Ok(None)
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
    /// One direction in the place of another.
    Exchanges,
    /// All directions anew.
    Restarts,
    Done,
}

impl Stage {
    fn next(self) -> Self {
        match self {
            Stage::Rays => Stage::Exchanges,
            Stage::Exchanges => Stage::Restarts,
            Stage::Restarts | Stage::Done => Stage::Done,
        }
    }
}

/// How the criterion is had along a ray.
enum Along {
    Ladder(Ladder),
    Frames { frames: Vec<Frame>, block: usize, column: usize },
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

    fn along(&self, frames: &[Frame], block: usize, column: usize) -> Along {
        match Ladder::of(self.sys, frames, block, column) {
            Some(l) => Along::Ladder(l),
            None => Along::Frames { frames: frames.to_vec(), block, column },
        }
    }

    fn reach(&self, along: &Along, frames: &[Frame], block: usize, column: usize) -> Reach {
        match along {
            Along::Ladder(l) => l.reach(),
            Along::Frames { .. } => Reach::of(self.sys, self.sys.blocks[block], &frames[block], column),
        }
    }

    fn look_along(&mut self, along: &mut Along, t: f64) -> Result<Look, CoreError> {
        match along {
            Along::Ladder(l) => {
                self.looks += 1;
                Ok(l.look(t, self.nu(), self.options.reml))
            }
            Along::Frames { frames, block, column } => {
                frames[*block].s[*column] = t;
                self.look(frames, t)
            }
        }
    }

    /// The valleys of the scale of all effects together, the lowest of them (or the start by moments) apart.
    fn starts(&mut self, moments: Vec<Frame>) -> Result<(Vec<Frame>, Vec<Candidate>), CoreError> {
        let mut along = Vec::new();
        for t in COMMON {
            let mut frames: Vec<Frame> = self.sys.blocks.iter().map(|b| Frame::identity(b.k)).collect();
            frames.iter_mut().for_each(|f| f.s.fill(t));
            let criterion = self.look(&frames, t)?.criterion;
            along.push(Candidate { criterion, frames });
        }
        let values: Vec<f64> = along.iter().map(|c| c.criterion).collect();
        let criterion = self.look(&moments, f64::NAN)?.criterion;
        let mut out: Vec<Candidate> =
            along.into_iter().enumerate().filter(|(i, _)| is_valley(&values, *i)).map(|(_, c)| c).collect();
        out.sort_by(|a, b| a.criterion.total_cmp(&b.criterion));
        if out.first().is_none_or(|lowest| lowest.criterion >= criterion) {
            out.drain(..out.len().min(1));
            return Ok((moments, out));
        }
        let lowest = out.remove(0).frames;
        Ok((lowest, out))
    }

    /// Goes along one ray after the other to its lowest point; the place reached, and other valleys met on the way.
    fn sweep(&mut self, start: Vec<Frame>) -> Result<Vec<Candidate>, CoreError> {
        let mut frames = start;
        let mut out = Vec::new();
        let mut criterion = f64::NEG_INFINITY;
        let one = self.n_directions == 1;
        for b in 0..frames.len() {
            for j in 0..frames[b].k {
                if !self.affordable(8) {
                    self.complete = false;
                    continue;
                }
                let mut along = self.along(&frames, b, j);
                let reach = self.reach(&along, &frames, b, j);
                let s0 = frames[b].s[j];
                let mut points = self.profile(&mut along, &reach, (!one).then_some((s0, f64::INFINITY)))?;
                let Some(lowest) = (0..points.len())
                    .filter(|&i| points[i].criterion.is_finite())
                    .min_by(|&a, &b| points[a].criterion.total_cmp(&points[b].criterion))
                else {
                    continue;
                };
                for (i, p) in points.iter().enumerate() {
                    if i != lowest && is_valley_of(&points, i) {
                        out.push(Candidate { criterion: p.criterion, frames: with(&frames, b, j, p.at) });
                    }
                }
                // a start that is about right along a ray is better left alone: what is best depends on the other rays
                let here = points.iter().find(|p| p.at == s0).map_or(f64::INFINITY, |p| p.criterion);
                if !one && here < points[lowest].criterion + ABOUT_RIGHT {
                    criterion = here;
                    continue;
                }
                let found = self.refined(&mut along, &mut points, lowest)?;
                criterion = found.criterion;
                frames[b].s[j] = found.at;
            }
        }
        frames = frames.iter().map(sorted).collect();
        out.push(Candidate { criterion, frames });
        Ok(out)
    }

    /// A lower point between the neighbours of the lowest, by parabolas in the logarithm.
    fn refined(&mut self, along: &mut Along, points: &mut Vec<Look>, lowest: usize) -> Result<Look, CoreError> {
        let mut i = lowest;
        for _ in 0..REFINEMENTS {
            if i == 0 || i + 1 == points.len() || points[i - 1].at == 0.0 {
                break;
            }
            let (a, b, c) = (points[i - 1], points[i], points[i + 1]);
            let (u, v) = ((a.at / b.at).ln(), (c.at / b.at).ln());
            let (fa, fc) = (a.criterion - b.criterion, c.criterion - b.criterion);
            let x = 0.5 * (fa * v * v - fc * u * u) / (fa * v - fc * u);
            if !(x > 0.9 * u && x < 0.9 * v && x.abs() > 0.02) {
                break;
            }
            let look = self.look_along(along, b.at * x.exp())?;
            let at = if x < 0.0 { i } else { i + 1 };
            points.insert(at, look);
            i = if look.criterion < b.criterion { at } else { i + usize::from(x < 0.0) };
        }
        Ok(points[i])
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

    /// Other valleys along the rays through an optimum.
    fn rays(&mut self, best: &Fit) -> Result<Vec<Candidate>, CoreError> {
        let mut out = Vec::new();
        self.weakest = f64::INFINITY;
        if self.sys.cp.factors.len() > 1 && !self.affordable(8 * self.n_directions) {
            self.complete = false;
            return self.hints(best);
        }
        for b in 0..best.frames.len() {
            for j in 0..best.frames[b].k {
                let s0 = best.frames[b].s[j];
                if !self.ray(best, &best.frames, b, j, Some(s0), &mut out)? {
                    return Ok(out);
                }
            }
        }
        Ok(out)
    }

    /// Lower places that the models with one grouping factor each hint at, where evaluations of the whole model are dear: theirs cost
    /// next to nothing.
    fn hints(&mut self, best: &Fit) -> Result<Vec<Candidate>, CoreError> {
        let mut out = Vec::new();
        for b in 0..best.frames.len() {
            for j in 0..best.frames[b].k {
                let Some(ladder) = Ladder::alone(self.sys, &best.frames, b, j) else { continue };
                let (reach, s0) = (ladder.reach(), best.frames[b].s[j]);
                let looks = self.looks;
                let points = self.profile(&mut Along::Ladder(ladder), &reach, Some((s0, f64::INFINITY)))?;
                self.looks = looks;
                let away = |p: &Look| p.at > SPACING * s0.max(reach.lowest) || p.at < s0 / SPACING;
                for (i, p) in points.iter().enumerate() {
                    if is_valley_of(&points, i) && away(p) && self.affordable(1) {
                        let frames = with(&best.frames, b, j, p.at);
                        let criterion = self.look(&frames, p.at)?.criterion;
                        if criterion < best.criterion - NEGLIGIBLE {
                            out.push(Candidate { criterion, frames });
                        }
                    }
                }
            }
        }
        Ok(out)
    }

    /// Other valleys along one ray from `frames`; through the optimum at `known`. False where there is no time left.
    fn ray(
        &mut self,
        best: &Fit,
        frames: &[Frame],
        block: usize,
        column: usize,
        known: Option<f64>,
        out: &mut Vec<Candidate>,
    ) -> Result<bool, CoreError> {
        if !self.affordable(4) {
            self.complete = false;
            return Ok(false);
        }
        let mut along = self.along(frames, block, column);
        let reach = self.reach(&along, frames, block, column);
        let points = self.profile(&mut along, &reach, Some((known.unwrap_or(0.0), best.criterion)))?;
        if known.is_some_and(|s| s > 0.0) {
            self.weakest = self.weakest.min(points[0].criterion - best.criterion);
        }
        for (i, p) in points.iter().enumerate() {
            let stationary = known == Some(p.at) && p.criterion <= best.criterion + NEGLIGIBLE;
            let near = p.criterion < best.criterion + MARGIN;
            if !stationary && near && is_valley_of(&points, i) {
                out.push(Candidate { criterion: p.criterion, frames: with(frames, block, column, p.at) });
            }
        }
        Ok(true)
    }

    /// Whether there may be other valleys: some direction has nearly no variance, or a very large one, or could be left out at little
    /// cost.
    fn is_doubtful(&self, best: &Fit) -> bool {
        (self.thorough && self.weakest < SURE)
            || best.frames.iter().flat_map(|f| &f.s).any(|&s| !(NEAR_ZERO..FAR_OUT).contains(&s))
    }

    /// Valleys where one direction takes the place of another, or of all others of its factor.
    fn exchanges(&mut self, best: &Fit) -> Result<Vec<Candidate>, CoreError> {
        let mut out = Vec::new();
        if self.n_directions < 2 || !self.is_doubtful(best) {
            return Ok(out);
        }
        let all: Vec<(usize, usize)> =
            best.frames.iter().enumerate().flat_map(|(b, f)| (0..f.k).map(move |j| (b, j))).collect();
        for &(b, j) in &all {
            // alone within its factor
            let mut frames = best.frames.clone();
            let mut gone = 0;
            for &(c, i) in all.iter().filter(|&&d| d != (b, j)) {
                if self.sys.blocks[c].factor == self.sys.blocks[b].factor {
                    gone += usize::from(frames[c].s[i] > 0.0);
                    frames[c].s[i] = 0.0;
                }
            }
            if gone > 0 && !self.ray(best, &frames, b, j, None, &mut out)? {
                return Ok(out);
            }
            for &(c, i) in all.iter().filter(|&&d| d != (b, j)) {
                let own = self.sys.blocks[c].factor == self.sys.blocks[b].factor;
                let levels = if self.n_directions == 2 { &LEVELS[..] } else { &LEVELS[..1] };
                for &level in levels {
                    let s0 = best.frames[c].s[i];
                    let as_it_is = if level == 0.0 { s0 == 0.0 } else { s0 > 0.5 * level && s0 < 2.0 * level };
                    if as_it_is || (level == 0.0 && own && gone == 1) {
                        continue;
                    }
                    let mut frames = best.frames.clone();
                    frames[c].s[i] = level;
                    if !self.ray(best, &frames, b, j, None, &mut out)? {
                        return Ok(out);
                    }
                }
            }
        }
        out.sort_by(|a, b| a.criterion.total_cmp(&b.criterion));
        out.truncate(EXCHANGES);
        Ok(out)
    }

    /// Starts with all directions of all blocks, small and large: what rays and exchanges do not show.
    fn restarts(&mut self, best: &Fit) -> Vec<Candidate> {
        let mut out = Vec::new();
        // two numbers have been looked at on a grid
        let scalars = best.frames.iter().all(|f| f.k == 1);
        if !self.thorough || self.n_directions < if scalars { 3 } else { 2 } || !self.is_doubtful(best) {
            return out;
        }
        for scale in RESTARTS {
            let cost = 3 * (out.len() + 1) * RESTART_EVALUATIONS;
            if !self.affordable(cost) {
                self.complete = false;
                break;
            }
            let frames =
                self.sys.blocks.iter().map(|b| Frame { s: vec![scale; b.k], ..Frame::identity(b.k) }).collect();
            out.push(Candidate { criterion: f64::INFINITY, frames });
        }
        out
    }

    /// Points of a ray, as close as the bound asks for. `known` is a place that shall be among them, and the criterion there.
    fn profile(&mut self, along: &mut Along, reach: &Reach, known: Option<(f64, f64)>) -> Result<Vec<Look>, CoreError> {
        let nu = self.nu();
        let s0 = known.map_or(0.0, |k| k.0);
        let mut end = reach.highest.max(SPACING * SPACING * s0);
        let mut points = vec![self.look_along(along, 0.0)?, self.look_along(along, end)?];
        let mut least = known.map_or(f64::INFINITY, |k| k.1);
        let mut put = |this: &mut Self, points: &mut Vec<Look>, least: &mut f64, t: f64| -> Result<(), CoreError> {
            let look = this.look_along(along, t)?;
            *least = least.min(look.criterion);
            points.insert(points.partition_point(|p| p.at < t), look);
            Ok(())
        };
        least = points.iter().fold(least, |m, p| m.min(p.criterion));
        if s0 > 0.0 {
            put(self, &mut points, &mut least, s0)?;
        } else {
            put(self, &mut points, &mut least, 1f64.clamp(2.0 * reach.lowest, 0.5 * end))?;
        }
        let mut i = 0;
        while i + 1 < points.len() {
            let (p, q) = (points[i], points[i + 1]);
            let near = if p.at == 0.0 { q.at <= 1.01 * reach.lowest } else { q.at <= 1.01 * SPACING * p.at };
            if near || p.bound(&q, nu) > least + MARGIN {
                i += 1;
                if i + 1 == points.len() && q.criterion < p.criterion && end < FARTHEST {
                    // it still falls at the end
                    end *= SPACING * SPACING;
                    put(self, &mut points, &mut least, end)?;
                }
                continue;
            }
            if !self.affordable(1) {
                self.complete = false;
                break;
            }
            let middle = if p.at == 0.0 && q.at <= SPACING * reach.lowest {
                reach.lowest
            } else if p.at == 0.0 {
                (reach.lowest * q.at).sqrt()
            } else {
                (p.at * q.at).sqrt()
            };
            put(self, &mut points, &mut least, middle)?;
        }
        Ok(points)
    }
}

/// The frames with one standard deviation replaced.
fn with(frames: &[Frame], block: usize, column: usize, at: f64) -> Vec<Frame> {
    let mut out = frames.to_vec();
    out[block].s[column] = at;
    out[block] = sorted(&out[block]);
    out
}

/// The frame with its columns in descending order.
fn sorted(f: &Frame) -> Frame {
    let lambda: Vec<f64> = (0..f.k * f.k).map(|t| f.u[t] * f.s[t % f.k]).collect();
    Frame::of(&lambda, f.k)
}

/// Whether value `i` is below its neighbours by more than rounding.
fn is_valley(values: &[f64], i: usize) -> bool {
    let v = values[i];
    let tolerance = 1e-12 * (1.0 + v.abs());
    let above = |j: usize| values[j] > v + tolerance;
    v.is_finite() && (i == 0 || above(i - 1)) && (i + 1 == values.len() || above(i + 1))
}

fn is_valley_of(points: &[Look], i: usize) -> bool {
    let near: Vec<f64> = points[i.saturating_sub(1)..(i + 2).min(points.len())].iter().map(|p| p.criterion).collect();
    is_valley(&near, usize::from(i > 0))
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
