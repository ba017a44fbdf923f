//! A structure of rows at the positions of universes.

use super::covariance::{Covariance, Filled, Natural};
use super::moments::{Moments, Universe};
use crate::correlation::{Positions, StartData};
use crate::jet::{pair, Jet};
use crate::residual::{RowCovariance, Subject};

/// A structure, and the positions of each universe.
pub struct Structured<'a> {
    rows: &'a RowCovariance,
    /// Positions, number of coordinates, group.
    places: Vec<(Vec<f64>, usize, usize)>,
}

impl<'a> Structured<'a> {
    /// Of the universes of some rows.
    pub fn new(rows: &'a RowCovariance, m: &Moments) -> Self {
        let of = |u: &Universe| {
            if u.coordinates.is_empty() {
                ((0..u.t).map(|i| i as f64).collect(), 1, u.group)
            } else {
                (u.coordinates.clone(), u.coordinates.len() / u.t, u.group)
            }
        };
        Structured { rows, places: m.universes.iter().map(of).collect() }
    }

    fn subject(&self, universe: usize) -> Subject<'_> {
        let (values, d, group) = &self.places[universe];
        Subject { at: Positions { values, d: *d }, group: *group, covariates: &[] }
    }

    /// Where a fit begins: of the points of the structure the one with the lowest criterion.
    pub fn start(&self, m: &Moments, reml: bool) -> Vec<f64> {
        let moments = self.visits().map(|t| m.residual_moments(t));
        let gaps = self.distances(false);
        let all = self.distances(true);
        let gap = gaps.get(gaps.len() / 2).copied().unwrap_or(1.0);
        let ends = (all.first().copied().unwrap_or(1.0), all.last().copied().unwrap_or(1.0));
        let data = StartData { gap, distances: ends, covariance: moments.as_deref() };
        let starts = self.rows.starts(&data, &[]);
        if starts.len() == 1 {
            return starts.into_iter().next().unwrap_or_default();
        }
        let value = |z: &Vec<f64>| {
            let at = super::At::of(self, m, z, super::Order::Value);
            at.and_then(|at| super::Evaluated::of(m, &at.r, reml)).map_or(f64::INFINITY, |e| e.criterion)
        };
        let best = starts.iter().map(value).enumerate().min_by(|a, b| a.1.total_cmp(&b.1)).map_or(0, |b| b.0);
        starts[best].clone()
    }

    /// Number of visits, where positions are these.
    fn visits(&self) -> Option<usize> {
        let rule = self.rows.correlation.positions();
        let (values, d, _) = self.places.first()?;
        (rule.levels && *d == 1).then_some(values.len())
    }

    /// Distances within subjects, between neighbours or between all, ascending.
    fn distances(&self, all: bool) -> Vec<f64> {
        let mut out = Vec::new();
        for (values, d, _) in &self.places {
            let rows: Vec<&[f64]> = values.chunks_exact(*d).collect();
            for i in 1..rows.len() {
                for j in if all { 0 } else { i - 1 }..i {
                    let squares: f64 = rows[i].iter().zip(rows[j]).map(|(x, y)| (x - y) * (x - y)).sum();
                    out.push(squares.sqrt());
                }
            }
        }
        out.retain(|v| *v > 0.0);
        out.sort_by(f64::total_cmp);
        out
    }
}

impl Covariance for Structured<'_> {
    fn n(&self) -> usize {
        self.rows.n()
    }

    fn fill(&self, universe: usize, z: &[f64], into: Filled<'_>) -> bool {
        let order = usize::from(!into.first.is_empty()) + usize::from(!into.second.is_empty());
        let mut jet = Jet::default();
        let active = self.rows.matrix(z, &self.subject(universe), order, &mut jet);
        let len = jet.len;
        into.r.copy_from_slice(&jet.value);
        for (k, &own) in active.iter().enumerate().filter(|_| order > 0) {
            into.first[own * len..(own + 1) * len].copy_from_slice(jet.d(k));
            for (l, &other) in active.iter().enumerate().take(k + 1).filter(|_| order > 1) {
                let p = pair(own, other);
                into.second[p * len..(p + 1) * len].copy_from_slice(jet.d2(k, l));
            }
        }
        into.r.iter().all(|v| v.is_finite())
    }

    fn add_curvature(&self, universe: usize, z: &[f64], weight: &[f64], out: &mut [f64]) {
        let n = self.n();
        let mut own = Vec::new();
        let active = self.rows.curvature(z, &self.subject(universe), weight, &mut own);
        for (k, &a) in active.iter().enumerate() {
            for (l, &b) in active.iter().enumerate() {
                out[a * n + b] += own[k * active.len() + l];
            }
        }
    }
}

impl Moments {
    /// Mean products of least-squares residuals at each pair of visits, t x t; zero where no
    /// subject was seen at both.
    fn residual_moments(&self, t: usize) -> Vec<f64> {
        let unit = |u: &Universe| {
            let mut r = vec![0.0; u.t * u.t];
            (0..u.t).for_each(|i| r[i * u.t + i] = 1.0);
            r
        };
        let r: Vec<Vec<f64>> = self.universes.iter().map(unit).collect();
        let (mut sums, mut counts) = (vec![0.0; t * t], vec![0.0; t * t]);
        if let Some(e) = super::Evaluated::of(self, &r, false) {
            for u in self.universes.iter().filter(|u| u.t == t) {
                for p in &u.patterns {
                    let products = e.residual_products(u, p);
                    let s = p.visits.len();
                    for (j, &a) in p.visits.iter().enumerate() {
                        for (k, &b) in p.visits.iter().enumerate() {
                            sums[a * t + b] += products[j * s + k];
                            counts[a * t + b] += p.m;
                        }
                    }
                }
            }
        }
        sums.iter().zip(&counts).map(|(s, c)| if *c > 0.0 { s / c } else { 0.0 }).collect()
    }
}

impl Structured<'_> {
    /// The parameters in which SAS writes a structure of that name, as many as there are parameters
    /// and sigma: covariances where Sigma is linear in them, else variances, correlations and
    /// ranges. None for structures without such a list.
    pub fn natural(&self, name: &str, own_variances: bool) -> Option<Vec<Natural>> {
        let mut out = Vec::new();
        let mut seen = Vec::new();
        for (u, (values, d, group)) in self.places.iter().enumerate() {
            if seen.contains(group) {
                continue;
            }
            seen.push(*group);
            let t = values.len() / d;
            match (name, own_variances) {
                ("us", _) => (0..t).for_each(|b| (0..=b).for_each(|a| out.push(Natural::Entry(u, a, b)))),
                (_, true) => (0..t).for_each(|a| out.push(Natural::Entry(u, a, a))),
                ("toep", false) => (0..t).for_each(|h| out.push(Natural::Entry(u, 0, h))),
                ("cs", false) => (0..t.min(2)).for_each(|h| out.push(Natural::Entry(u, 0, h))),
                _ => out.push(Natural::Entry(u, 0, 0)),
            }
            match (name, own_variances) {
                ("us", _) | ("toep" | "cs", false) => {}
                ("cs" | "ar1", _) => out.push(Natural::Correlation(u, 0, 1)),
                ("toep", true) => (1..t).for_each(|h| out.push(Natural::Correlation(u, 0, h))),
                ("ad", _) => (1..t).for_each(|a| out.push(Natural::Correlation(u, a - 1, a))),
                ("exp" | "gau" | "car1", _) => {
                    let parameters = self.rows.parameters();
                    let own = |p: &crate::residual::RowParameter| {
                        p.part == crate::residual::Part::Correlation && p.stratum == *group
                    };
                    out.push(Natural::Exponential(parameters.iter().position(own)?));
                }
                _ => return None,
            }
        }
        (out.len() == self.n() + 1).then_some(out)
    }
}
