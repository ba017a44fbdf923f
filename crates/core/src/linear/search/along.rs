//! A ray and the places looked at on it.

use super::Searcher;
use crate::error::CoreError;
use crate::layout::Frame;
use crate::linear::ray::{Ladder, Look, Reach, FARTHEST};

/// Neighbouring points of a ray are at most this factor apart where the bound excludes nothing.
pub(super) const SPACING: f64 = 4.0;
/// Intervals of a ray whose bound is this much above the lowest value seen on it are not looked
/// into: by no more is the criterion expected to fall when the other parameters adapt.
pub(super) const MARGIN: f64 = 20.0;
/// Steps by which the lowest point of a ray is refined for a start.
const REFINEMENTS: usize = 3;

/// How the criterion is had along a ray.
pub(super) enum Along {
    /// A few operations a level.
    Ladder(Ladder),
    /// By evaluations of the whole model, one standard deviation replaced.
    Frames {
        /// All others.
        frames: Vec<Frame>,
        /// Its block.
        block: usize,
        /// Its column there.
        column: usize,
    },
}

impl Searcher<'_> {
    pub(super) fn along(&self, frames: &[Frame], block: usize, column: usize) -> Along {
        match Ladder::of(self.sys, frames, block, column) {
            Some(l) => Along::Ladder(l),
            None => Along::Frames { frames: frames.to_vec(), block, column },
        }
    }

    pub(super) fn reach(&self, along: &Along, frames: &[Frame], block: usize, column: usize) -> Reach {
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

    /// A lower point between the neighbours of the lowest, by parabolas in the logarithm.
    pub(super) fn refined(
        &mut self,
        along: &mut Along,
        points: &mut Vec<Look>,
        lowest: usize,
    ) -> Result<Look, CoreError> {
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

    /// Points of a ray, as close as the bound asks for. `known` is a place that shall be among
    /// them, and the criterion there.
    pub(super) fn profile(
        &mut self,
        along: &mut Along,
        reach: &Reach,
        known: Option<(f64, f64)>,
    ) -> Result<Vec<Look>, CoreError> {
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
pub(super) fn with(frames: &[Frame], block: usize, column: usize, at: f64) -> Vec<Frame> {
    let mut out = frames.to_vec();
    out[block].s[column] = at;
    out[block] = sorted(&out[block]);
    out
}

/// The frame with its columns in descending order.
pub(super) fn sorted(f: &Frame) -> Frame {
    let lambda: Vec<f64> = (0..f.k * f.k).map(|t| f.u[t] * f.s[t % f.k]).collect();
    Frame::of(&lambda, f.k)
}

/// Whether value `i` is below its neighbours by more than rounding.
pub(super) fn is_valley(values: &[f64], i: usize) -> bool {
    let v = values[i];
    let tolerance = 1e-12 * (1.0 + v.abs());
    let above = |j: usize| values[j] > v + tolerance;
    v.is_finite() && (i == 0 || above(i - 1)) && (i + 1 == values.len() || above(i + 1))
}

/// The same of a place on a ray.
pub(super) fn is_valley_of(points: &[Look], i: usize) -> bool {
    let near: Vec<f64> = points[i.saturating_sub(1)..(i + 2).min(points.len())].iter().map(|p| p.criterion).collect();
    is_valley(&near, usize::from(i > 0))
}
