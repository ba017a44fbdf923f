//! Where else the criterion might be lower: starts of the first fit, and other valleys seen from an
//! optimum.

use super::along::{is_valley, is_valley_of, sorted, with, Along, MARGIN, SPACING};
use super::{Candidate, Searcher, RESTART_EVALUATIONS};
use crate::error::CoreError;
use crate::fit::boundary::NEGLIGIBLE;
use crate::layout::Block;
use crate::layout::Frame;
use crate::linear::fit::{frames_of, Fit};
use crate::linear::ray::{stretch, Ladder, Look};

/// Standard deviations (per residual one, scaled columns) tried for all effects together before the
/// first fit.
const COMMON: [f64; 4] = [0.25, 1.0, 4.0, 16.0];
/// A start is left alone along a ray that falls by no more than this.
const ABOUT_RIGHT: f64 = 2.0;
/// Standard deviations outside these limits make a fit one of those where other valleys are.
const NEAR_ZERO: f64 = 0.02;
const FAR_OUT: f64 = 30.0;
/// An optimum is taken for the only one where leaving out any direction raises the criterion by
/// this.
const SURE: f64 = 8.0;
/// Standard deviations of one direction at which the other is looked along, where there are two;
/// the first of them where there are more.
const LEVELS: [f64; 4] = [0.0, 0.3, 3.0, 30.0];
/// Most fits made from exchanges.
const EXCHANGES: usize = 4;
/// Predicted seconds that restarts may take.
const RESTART_SECONDS: f64 = 1e-2;
/// From where restarts are stretched.
const STRETCHED: f64 = 10.0;
/// Standard deviations of restarts.
const RESTARTS: [f64; 3] = [0.1, 3.0, 30.0];

impl Searcher<'_> {
    /// Numbers of the blocks through which there are rays.
    fn free_blocks(&self) -> Vec<usize> {
        (0..self.sys.blocks.len()).filter(|&b| self.sys.blocks[b].is_free).collect()
    }

    /// The valleys of the scale of all effects together, the lowest of them (or the start by
    /// moments) apart.
    pub(super) fn starts(&mut self, moments: Vec<Frame>) -> Result<(Vec<Frame>, Vec<Candidate>), CoreError> {
        if !self.affordable(COMMON.len()) {
            return Ok((moments, Vec::new()));
        }
        let mut along = Vec::new();
        for t in COMMON {
            let sys = self.sys;
            let frames: Vec<Frame> = sys.blocks.iter().map(|b| Frame::independent(sys, *b, vec![t; b.k])).collect();
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

    /// Goes along one ray after the other to its lowest point; the place reached, and other valleys
    /// met on the way.
    pub(super) fn sweep(&mut self, start: Vec<Frame>) -> Result<Vec<Candidate>, CoreError> {
        let mut frames = start;
        let mut out = Vec::new();
        let mut criterion = f64::NEG_INFINITY;
        let one = self.n_directions == 1;
        for b in self.free_blocks() {
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
                // a start that is about right along a ray is better left alone: what is best
                // depends on the other rays
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
        for b in self.free_blocks() {
            frames[b] = sorted(&frames[b]);
        }
        out.push(Candidate { criterion, frames });
        Ok(out)
    }

    /// Other valleys along the rays through an optimum.
    pub(super) fn rays(&mut self, best: &Fit) -> Result<Vec<Candidate>, CoreError> {
        let mut out = Vec::new();
        self.weakest = f64::INFINITY;
        let is_ladder = self.sys.factors.len() == 1 && !self.sys.cp.gram.is_coupled(0);
        if !is_ladder && !self.affordable(8 * self.n_directions) {
            self.complete = false;
            return self.hints(best);
        }
        for b in self.free_blocks() {
            for j in 0..best.frames[b].k {
                let s0 = best.frames[b].s[j];
                if !self.ray(best, &best.frames, b, j, Some(s0), &mut out)? {
                    return Ok(out);
                }
            }
        }
        Ok(out)
    }

    /// Lower places that the models with one grouping factor each hint at, where evaluations of the
    /// whole model are dear: theirs cost next to nothing.
    fn hints(&mut self, best: &Fit) -> Result<Vec<Candidate>, CoreError> {
        let mut out = Vec::new();
        for b in self.free_blocks() {
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

    /// Other valleys along one ray from `frames`; through the optimum at `known`. False where there
    /// is no time left.
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

    /// Whether there may be other valleys: some direction has nearly no variance, or a very large
    /// one, or could be left out at little cost.
    fn is_doubtful(&self, best: &Fit) -> bool {
        (self.thorough && self.weakest < SURE)
            || best.frames.iter().flat_map(|f| &f.s).any(|&s| !(NEAR_ZERO..FAR_OUT).contains(&s))
    }

    /// Valleys where one direction takes the place of another, or of all others of its factor.
    pub(super) fn exchanges(&mut self, best: &Fit) -> Result<Vec<Candidate>, CoreError> {
        let mut out = Vec::new();
        if self.n_directions < 2 || !self.is_doubtful(best) {
            return Ok(out);
        }
        let all: Vec<(usize, usize)> =
            self.free_blocks().into_iter().flat_map(|b| (0..best.frames[b].k).map(move |j| (b, j))).collect();
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

    /// Starts with all directions of all blocks, small and large: what rays and exchanges do not
    /// show.
    pub(super) fn restarts(&mut self, best: &Fit) -> Vec<Candidate> {
        let mut out = Vec::new();
        if !self.thorough || self.n_directions < 2 || !self.is_doubtful(best) {
            return out;
        }
        let all = |scale: f64| -> Vec<Frame> {
            self.sys.blocks.iter().map(|b| Frame::independent(self.sys, *b, vec![scale; b.k])).collect()
        };
        // two numbers have been looked at on a grid
        let gridded = self.n_directions == 2 && best.frames.iter().all(|f| f.k == 1);
        let mut places: Vec<Vec<Frame>> = if gridded { Vec::new() } else { RESTARTS.map(all).into() };
        // columns far from zero beside an intercept that is independent of them: both must be large
        // together
        let stretched = |scale: f64| -> Vec<Frame> {
            let of_block = |b: &Block| {
                let f = Frame::identity(b.k);
                let s = (0..b.k).map(|j| scale * stretch(self.sys, *b, &f, j)).collect();
                let there = Frame::independent(self.sys, *b, s);
                if b.is_free {
                    sorted(&there)
                } else {
                    there
                }
            };
            self.sys.blocks.iter().map(of_block).collect()
        };
        if stretched(1.0).iter().flat_map(|f| &f.s).any(|&s| s > STRETCHED) {
            places.extend(RESTARTS.map(stretched));
            // other programs begin where Lambda is the identity for the columns as given, which is
            // far out in these units
            places.push(frames_of(self.sys, &self.sys.identity_as_given()));
        }
        for frames in places {
            if 3.0 * ((out.len() + 1) * RESTART_EVALUATIONS) as f64 * self.seconds > RESTART_SECONDS {
                self.complete = false;
                break;
            }
            out.push(Candidate { criterion: f64::INFINITY, frames });
        }
        out
    }
}
