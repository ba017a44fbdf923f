//! Effects of one factor that are independent of each other though their columns are nearly
//! parallel, as an intercept and the slope of a covariate far from zero are.
//!
//! Where slopes differ and the lines of the groups cross near the middle of the data, the model
//! needs an intercept far out, as large as the slope times the distance, before it can have the
//! slope: both standard deviations are large together, or neither is. No ray of one of them alone
//! leads from the one valley to the other, so the criterion is looked at where both grow.

use super::{Candidate, Searcher};
use crate::error::CoreError;
use crate::fit::boundary::NEGLIGIBLE;
use crate::layout::Frame;
use crate::linear::fit::Fit;
use crate::linear::ray::each_level;
use crate::linear::system::System;

use super::along::{is_valley, MARGIN, SPACING};

/// Columns of a factor whose cosine is at least this are nearly parallel: a covariate whose mean is
/// twice its standard deviation, beside an intercept.
const PARALLEL: f64 = 0.89;
/// The standard deviations looked at begin where a level has this information, squared, of what
/// sets the columns apart, and end where that part is this large beside a residual.
const FAINT: f64 = 0.3;
const LARGE: f64 = 10.0;

/// Two effects, each by its block and its coordinate there, and standard deviations to look at.
pub(super) struct Pair {
    effects: [(usize, usize); 2],
    places: Vec<f64>,
}

impl Pair {
    /// The pairs of a model: for each effect the one most parallel to it, in another free block.
    pub fn of(sys: &System) -> Vec<Pair> {
        let mut out: Vec<Pair> = Vec::new();
        for (factor, fs) in sys.factors.iter().enumerate() {
            let effects: Vec<(usize, usize)> = (0..sys.blocks.len())
                .filter(|&b| sys.blocks[b].factor == factor && sys.blocks[b].is_free)
                .flat_map(|b| (0..sys.blocks[b].k).map(move |j| (b, j)))
                .collect();
            if effects.iter().all(|e| e.0 == effects[0].0) {
                continue;
            }
            let (k, mut gram) = (fs.k, vec![0.0; fs.k * fs.k]);
            for level in sys.cp.gram.levels[factor].chunks_exact(k * k) {
                gram.iter_mut().zip(level).for_each(|(g, v)| *g += v);
            }
            let cosine = |a: (usize, usize), b: (usize, usize)| {
                let (x, y) = (sys.blocks[a.0].offset + a.1, sys.blocks[b.0].offset + b.1);
                (gram[x * k + y] / (gram[x * k + x] * gram[y * k + y]).sqrt()).abs()
            };
            for &a in &effects {
                let others = effects.iter().filter(|b| b.0 != a.0);
                let Some(&b) = others.max_by(|b, c| cosine(a, **b).total_cmp(&cosine(a, **c))) else { continue };
                let known = out.iter().any(|p| p.effects.contains(&a) && p.effects.contains(&b));
                if cosine(a, b) >= PARALLEL && !known {
                    out.extend(places(sys, a).map(|places| Pair { effects: [a, b], places }));
                }
            }
        }
        out
    }

    /// The frames with this variance more along each of the two.
    fn grown(&self, frames: &[Frame], at: f64) -> Vec<Frame> {
        let mut out = frames.to_vec();
        for (block, j) in self.effects {
            let k = out[block].k;
            let mut sigma = out[block].sigma();
            sigma[j * k + j] += at * at;
            out[block] = Frame::of_covariance(&sigma, k);
        }
        out
    }
}

/// Standard deviations to look at for an effect: what sets its column apart from the others of the
/// levels goes from hardly visible to large.
fn places(sys: &System, (block, j): (usize, usize)) -> Option<Vec<f64>> {
    let b = sys.blocks[block];
    let (mut all, mut apart, mut levels) = (0.0, 0.0, 0.0);
    each_level(sys, b, &Frame::identity(b.k), j, |own, left| {
        all += own;
        apart += left;
        levels += 1.0;
    });
    if apart <= 0.0 {
        return None;
    }
    let lowest = FAINT * f64::sqrt(levels / apart);
    let highest = LARGE * f64::sqrt(all / apart);
    let next = |at: &f64| (at * SPACING <= highest).then_some(at * SPACING);
    Some(std::iter::successors(Some(lowest), next).collect())
}

impl Searcher<'_> {
    /// Valleys where both effects of a pair are larger than at these frames: one candidate with
    /// all pairs that lower the criterion, and those that are not far above it.
    pub(super) fn pairs(&mut self, best: &Fit) -> Result<Vec<Candidate>, CoreError> {
        let mut out = Vec::new();
        let (mut frames, mut criterion) = (best.frames.clone(), best.criterion);
        for pair in Pair::of(self.sys) {
            let mut values = vec![criterion];
            for &at in &pair.places {
                values.push(self.look(&pair.grown(&frames, at), at)?.criterion);
            }
            let valleys = (1..values.len()).filter(|&i| is_valley(&values[i - 1..values.len().min(i + 2)], 1));
            let Some(lowest) = valleys.min_by(|&a, &b| values[a].total_cmp(&values[b])) else { continue };
            let there = pair.grown(&frames, pair.places[lowest - 1]);
            if values[lowest] < criterion - NEGLIGIBLE {
                (frames, criterion) = (there, values[lowest]);
            } else if values[lowest] < criterion + MARGIN {
                out.push(Candidate { criterion: values[lowest], frames: there });
            }
        }
        if criterion < best.criterion {
            out.push(Candidate { criterion, frames });
        }
        Ok(out)
    }
}
