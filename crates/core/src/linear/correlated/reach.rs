//! How far the range of a correlation reaches beside the distances of the rows.
//!
//! Where the criterion goes on falling as the range grows, the search ends at a limit. What
//! compares rows of a block has settled long before; their common level has a variance that grows
//! with the range without end.

use super::clusters::Correlated;
use crate::correlation::Positions;
use crate::jet::Jet;

/// The largest range of a search, in units of the largest distance of two rows of a block: what
/// comparisons depend on differs from its limit by the inverse of it.
const FARTHEST: f64 = 1e5;
/// A range beyond so many times the largest distance is followed to the limit at once.
pub(super) const FAR: f64 = 20.0;

/// Distances of the rows of one block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Distances {
    /// Median distance of neighbours.
    pub gap: f64,
    /// The smallest above 0.
    pub least: f64,
    /// The largest.
    pub most: f64,
}

/// A range beside these distances.
#[derive(Clone, Copy, Debug)]
pub struct Reach {
    /// Its number among the parameters of R.
    pub parameter: usize,
    /// Correlation of rows at the smallest distance.
    pub near: f64,
    /// Correlation of rows at the largest distance.
    pub far: f64,
    /// Whether the range is as large as a search allows.
    pub limit: bool,
}

impl Correlated {
    /// Distances of the rows, where the correlation depends on them.
    pub(super) fn distances(&self) -> &Distances {
        self.distances.get_or_init(|| {
            let (mut least, mut most, mut gaps) = (f64::INFINITY, 0.0f64, Vec::new());
            for p in self.patterns.iter().filter(|_| self.r.correlation.range().is_some()) {
                let at = p.positions();
                let distance = |i: usize, j: usize| {
                    let d = at.d;
                    (0..d).map(|c| (at.values[i * d + c] - at.values[j * d + c]).powi(2)).sum::<f64>().sqrt()
                };
                for i in 0..p.m {
                    let mut nearest = f64::INFINITY;
                    for j in (0..p.m).filter(|&j| j != i) {
                        let d = distance(i, j);
                        if d > 0.0 {
                            nearest = nearest.min(d);
                            most = most.max(d);
                        }
                    }
                    if nearest.is_finite() {
                        gaps.push(nearest);
                        least = least.min(nearest);
                    }
                }
            }
            gaps.sort_by(f64::total_cmp);
            let gap = gaps.get(gaps.len() / 2).copied().unwrap_or(1.0);
            let (least, most) = if most > 0.0 { (least, most) } else { (1.0, 1.0) };
            Distances { gap, least, most }
        })
    }

    /// The largest value of each parameter of R that a search goes to.
    pub(super) fn upper(&self) -> Vec<f64> {
        let mut out = vec![f64::INFINITY; self.r.n()];
        for (k, _) in self.r.ranges() {
            out[k] = (FARTHEST * self.distances().most).ln();
        }
        out
    }

    /// Parameters with ranges beyond the distances moved to the limit, a nugget lowered alike, as
    /// the variation of neighbours then stays as it is; none where no range is.
    pub(super) fn at_the_limit(&self, z: &[f64]) -> Option<Vec<f64>> {
        let upper = self.upper();
        let far = (FAR * self.distances().most).ln();
        let mut out = z.to_vec();
        for (k, _) in self.r.ranges().into_iter().filter(|(k, _)| z[*k] > far) {
            let by = upper[k] - z[k];
            out[k] = upper[k];
            if self.r.correlation.parameters().iter().any(|p| p.name == "nugget") {
                out[k + 1] -= by;
            }
        }
        (out != z).then_some(out)
    }

    /// Which parameters of R are at the limit of a search.
    pub fn held_at_limit(&self, z: &[f64]) -> Vec<bool> {
        z.iter().zip(self.upper()).map(|(z, u)| *z >= u - 1e-9).collect()
    }

    /// All ranges beside the distances.
    pub fn reach(&self, z: &[f64]) -> Vec<Reach> {
        let held = self.held_at_limit(z);
        let at = |group: usize, distance: f64| {
            let d = self.patterns.first().map_or(1, |p| p.positions().d);
            let mut values = vec![0.0; 2 * d];
            values[d] = distance;
            let mut out = Jet::default();
            let part = self.r.correlation_part(z, group);
            self.r.correlation.matrix(part, Positions { values: &values, d }, 0, &mut out);
            out.value[1]
        };
        let Distances { least, most, .. } = *self.distances();
        let of = |(k, g): (usize, usize)| Reach { parameter: k, near: at(g, least), far: at(g, most), limit: held[k] };
        self.r.ranges().into_iter().map(of).collect()
    }
}
