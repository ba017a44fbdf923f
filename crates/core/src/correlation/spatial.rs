//! Correlation that depends on the distance of two rows, in time or in space: z is the logarithm of
//! the range and, with a nugget g, logit g; rows at distance d > 0 have (1 - g) f(d / range).

use super::{maps, Correlation, Decay, Metric, Parameter, PositionRule, Positions, StartData};
use crate::jet::{pair, Jet};

/// Ranges and nuggets of the grid of starts.
const RANGES: usize = 12;
pub const NUGGETS: [f64; 3] = [0.2, 0.05, 0.5];

/// See the module.
#[derive(Debug)]
pub struct Spatial {
    /// How correlation falls with distance.
    pub decay: Decay,
    /// How distance is measured.
    pub metric: Metric,
    /// Whether there is a nugget.
    pub nugget: bool,
    /// Whether positions are times, whose range begins at the gap between rows.
    pub continuous_time: bool,
}

/// z of the ranges between the smallest and the largest distance, from the middle outwards.
pub fn grid(data: &StartData<'_>) -> Vec<f64> {
    let (low, high) = data.distances;
    let low = if low > 0.0 { low.ln() } else { high.max(1e-300).ln() - 3.0 };
    let high = high.max(1e-300).ln();
    let mut all: Vec<f64> = (0..RANGES).map(|k| low + (high - low) * k as f64 / (RANGES - 1) as f64).collect();
    let middle = 0.5 * (low + high);
    all.sort_by(|a, b| (a - middle).abs().total_cmp(&(b - middle).abs()));
    all.dedup();
    all
}

impl Spatial {
    /// Correlation of two rows at a distance, put at some places.
    fn put(&self, z: &[f64], nugget: (f64, f64, f64), distance: f64, places: &[usize], out: &mut Jet) {
        let u = distance * (-z[0]).exp();
        let (f, d, d2) = self.decay.at(u);
        // in the logarithm of the range
        let (d, d2) = (-u * d, u * u * d2 + u * d);
        let keep = 1.0 - nugget.0;
        for &t in places {
            out.value[t] = keep * f;
            if out.order > 0 {
                out.first[t] = keep * d;
            }
            if out.order > 1 {
                out.second[t] = keep * d2;
            }
            if self.nugget && out.order > 0 {
                out.first[out.len + t] = -nugget.1 * f;
            }
            if self.nugget && out.order > 1 {
                out.second[pair(0, 1) * out.len + t] = -nugget.1 * d;
                out.second[pair(1, 1) * out.len + t] = -nugget.2 * f;
            }
        }
    }

    fn share(&self, z: &[f64]) -> (f64, f64, f64) {
        if self.nugget {
            maps::logistic(z[1], 0.0)
        } else {
            (0.0, 0.0, 0.0)
        }
    }
}

impl Correlation for Spatial {
    fn n(&self) -> usize {
        1 + usize::from(self.nugget)
    }

    fn parameters(&self) -> Vec<Parameter> {
        let one = |name| Parameter { name, at: vec![] };
        std::iter::once(one("range")).chain(self.nugget.then(|| one("nugget"))).collect()
    }

    fn natural(&self, z: &[f64], order: usize, out: &mut Jet) {
        out.reset(self.n(), self.n(), order);
        let values = std::iter::once(maps::exp(z[0])).chain(self.nugget.then(|| self.share(z)));
        for (k, (v, d, d2)) in values.enumerate() {
            out.value[k] = v;
            if order > 0 {
                out.first[k * out.len + k] = d;
            }
            if order > 1 {
                out.second[pair(k, k) * out.len + k] = d2;
            }
        }
    }

    fn z_of_natural(&self, natural: &[f64]) -> Option<Vec<f64>> {
        let share = |g: f64| (g > 0.0 && g < 1.0).then(|| (g / (1.0 - g)).ln());
        let range = (natural[0] > 0.0 && natural[0].is_finite()).then(|| natural[0].ln());
        std::iter::once(range).chain(self.nugget.then(|| share(natural[1]))).collect()
    }

    fn starts(&self, data: &StartData<'_>) -> Vec<Vec<f64>> {
        let mut ranges = grid(data);
        if self.continuous_time {
            ranges.insert(0, data.gap.max(1e-300).ln());
        }
        if !self.nugget {
            return ranges.into_iter().map(|r| vec![r]).collect();
        }
        let logit = |g: f64| (g / (1.0 - g)).ln();
        ranges.iter().flat_map(|r| NUGGETS.map(|g| vec![*r, logit(g)])).collect()
    }

    fn positions(&self) -> PositionRule {
        PositionRule { levels: false, whole: false, distinct: !self.nugget, several: !self.continuous_time }
    }

    fn range(&self) -> Option<usize> {
        Some(0)
    }

    fn matrix(&self, z: &[f64], at: Positions<'_>, order: usize, out: &mut Jet) {
        let m = at.m();
        let share = self.share(z);
        out.reset(self.n(), m * m, order);
        for i in 0..m {
            for j in 0..i {
                self.put(z, share, self.metric.distance(at, i, j), &[i * m + j, j * m + i], out);
            }
            out.value[i * m + i] = 1.0;
        }
    }

    fn neighbours(&self, z: &[f64], at: Positions<'_>, order: usize, out: &mut Jet) -> bool {
        if self.nugget || at.d > 1 || self.decay != Decay::Exponential {
            return false;
        }
        out.reset(1, at.m(), order);
        for i in 1..at.m() {
            self.put(z, (0.0, 0.0, 0.0), self.metric.distance(at, i, i - 1), &[i], out);
        }
        true
    }
}
