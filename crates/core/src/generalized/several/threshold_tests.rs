//! Ordered categories: derivatives of their kernel, the gradient with random effects in location
//! and scale, and columns that follow the response.

use super::{FixedBlock, SeveralRows, ThresholdBlock};
use crate::families::{pair, triple, Kernel, KernelOut, KernelRows, Link, Ordinal, Several};
use crate::families::{ABOVE, BELOW, LOCATION, SCALE};
use crate::generalized::{Approximation, Curvature, GlmmSystem, Modes, Point};
use crate::model::Replicable;
use crate::rng::Rng;
use crate::rows::{FactorRows, TermRows};
use crate::structure::{Structure, Unstructured};
use std::sync::Arc;

const HOW: Approximation = Approximation { n_quad: 1, curvature: Curvature::Observed };
const LINKS: [Link; 5] = [Link::Logit, Link::Probit, Link::Cloglog, Link::Loglog, Link::Cauchit];

/// l, r, w and t of rows.
fn filled(k: &Ordinal, y: &[f64], eta: &[f64]) -> [Vec<f64>; 4] {
    let (n, m) = (y.len(), k.predictors());
    let mut out = [1, m, m * (m + 1) / 2, m * (m + 1) * (m + 2) / 6].map(|times| vec![0.0; times * n]);
    let order: Vec<u32> = (0..n as u32).collect();
    let weights = vec![1.5; n];
    let rows = KernelRows { y, w: &weights, eta, order: &order, random: &vec![true; m] };
    let [l, r, w, t] = &mut out;
    k.derivatives(rows, KernelOut { l, r, w, t });
    out
}

#[test]
fn derivatives_equal_differences() {
    let (y, h) = ([0.0, 1.0, 2.0, 1.0], 1e-3);
    let n = y.len();
    for link in LINKS {
        for has_scale in [false, true] {
            let k = Ordinal::new(link, 2, has_scale);
            let m = k.predictors();
            let at: Vec<f64> = (0..m * n).map(|i| [0.3, 0.9, -0.4, 0.2][i / n] + 0.1 * (i % n) as f64).collect();
            let here = filled(&k, &y, &at);
            for c in 0..m {
                for i in 0..n {
                    let around = [h, -h, 2.0 * h, -2.0 * h].map(|d| {
                        let mut eta = at.clone();
                        eta[c * n + i] += d;
                        filled(&k, &y, &eta)
                    });
                    let same = |got: f64, which: usize, place: usize, what: &str| {
                        let [up, down, further, back] = [0, 1, 2, 3].map(|p: usize| around[p][which][place]);
                        let want = (8.0 * (up - down) - (further - back)) / (12.0 * h);
                        assert!(
                            (got - want).abs() < 1e-7 * (1.0 + want.abs()),
                            "{link:?} {what} {c} {i}: {got} {want}"
                        );
                    };
                    same(here[1][c * n + i], 0, i, "r");
                    for j in 0..m {
                        same(-here[2][pair(c, j) * n + i], 1, j * n + i, "w");
                        for l in 0..=j {
                            // not wanted: two of three without random effects
                            let cuts = [c, j, l].iter().filter(|&&c| c == ABOVE || c == BELOW).count();
                            if cuts < 2 {
                                same(here[3][triple(c, j, l) * n + i], 2, pair(j, l) * n + i, "t");
                            }
                        }
                    }
                }
            }
        }
    }
}

struct Example {
    y: Vec<f64>,
    x: Vec<f64>,
    one: Vec<f64>,
    a: Vec<i32>,
    b: Vec<i32>,
}

impl Example {
    fn new() -> Self {
        let (n, mut rng) = (120, Rng::of(5, 1));
        let x: Vec<f64> = (0..n).map(|_| 2.0 * rng.uniform() - 1.0).collect();
        let y = x.iter().map(|x| ((x + 3.0 * rng.uniform()) * 1.3).floor().clamp(0.0, 3.0)).collect();
        let level = |by: usize, m: usize| (0..n).map(|i| ((i / by) % m) as i32).collect();
        Example { y, x, one: vec![1.0; n], a: level(1, 11), b: level(3, 5) }
    }

    /// Location x with intercept and slope by a, and intercept by b; nominal x; scale x with an
    /// intercept by a, in one block with those of the location.
    fn system(&self, link: Link) -> GlmmSystem {
        let free = || Arc::new(Unstructured) as Arc<dyn Structure>;
        let map = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0];
        let cuts = ThresholdBlock { predictors: [ABOVE, BELOW], map: &map, n_alpha: 3, columns: vec![&self.x] };
        let of_a = TermRows { z: vec![&self.one, &self.x, &self.one], structure: free() };
        let rows = SeveralRows {
            y: &self.y,
            weights: None,
            fixed: vec![
                FixedBlock { parts: vec![(LOCATION, vec![&self.x])] },
                FixedBlock { parts: vec![(SCALE, vec![&self.x])] },
            ],
            thresholds: Some((1, cuts)),
            offsets: vec![None; 4],
            factors: vec![
                FactorRows { codes: &self.a, members: None, n_levels: 11, terms: vec![of_a] },
                FactorRows {
                    codes: &self.b,
                    members: None,
                    n_levels: 5,
                    terms: vec![TermRows { z: vec![&self.one], structure: free() }],
                },
            ],
            of: vec![vec![LOCATION, LOCATION, SCALE], vec![LOCATION]],
        };
        GlmmSystem::several(&rows, Arc::new(Several(Arc::new(Ordinal::new(link, 3, true))))).unwrap()
    }
}

#[test]
fn the_gradient_with_random_effects_in_the_scale_equals_differences() {
    let example = Example::new();
    for link in LINKS {
        let g = example.system(link);
        let mut m = Modes::new(&g, 1);
        let theta: Vec<f64> = (0..g.n_theta()).map(|i| [0.5, 0.2, 0.3, -0.1, 0.4, 0.3, 0.6][i]).collect();
        let given = [0.7, -0.8, 0.5, 1.7, 0.1, -0.1, 0.2, 0.3];
        let point = Point { theta, beta: g.beta_from_given(&given), extras: Vec::new() };
        let value = m.value(&g, &point, HOW, false).unwrap();
        let slope = g.layout.pull_back(&point.theta, &value.gamma);
        let h = 1e-3;
        for i in 0..g.n_theta() + g.p() {
            let mut moved = |d: f64| {
                let mut p = point.clone();
                if i < g.n_theta() {
                    p.theta[i] += d;
                } else {
                    p.beta[i - g.n_theta()] += d;
                }
                m.value(&g, &p, HOW, false).unwrap().objective
            };
            let want = (8.0 * (moved(h) - moved(-h)) - (moved(2.0 * h) - moved(-2.0 * h))) / (12.0 * h);
            let got = if i < g.n_theta() { slope[i] } else { value.beta[i - g.n_theta()] };
            assert!((got - want).abs() < 1e-7 * (1.0 + want.abs()), "{link:?} {i}: {got} {want}");
        }
    }
}

#[test]
fn columns_follow_the_response() {
    let (example, other) =
        (Example::new(), Example { y: Example::new().y.iter().rev().copied().collect(), ..Example::new() });
    let mut g = example.system(Link::Probit);
    g.set_response(&(), &other.y);
    let want = other.system(Link::Probit);
    let given = [0.7, -0.8, 0.5, 1.7, 0.1, -0.1, 0.2, 0.3];
    let at = |g: &GlmmSystem| {
        let point = Point { theta: vec![0.4; 7], beta: g.beta_from_given(&given), extras: Vec::new() };
        Modes::new(g, 1).value(g, &point, HOW, false).unwrap().objective
    };
    assert!((at(&g) - at(&want)).abs() < 1e-10);
}
