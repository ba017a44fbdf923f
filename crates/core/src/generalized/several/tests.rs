//! The objective and gradient of models with several predictors.

use super::{FixedBlock, SeveralRows};
use crate::families::density::{kernel, Zero, NAMES};
use crate::families::{find, pair, triple, Kernel, KernelOut, KernelRows, Link, Several};
use crate::generalized::{fit, Approximation, Curvature, FitOptions, GlmmSystem, Modes, Point};
use crate::rng::Rng;
use crate::rows::{Column, FactorRows, Rows, TermRows};
use crate::structure::{Structure, Unstructured};
use std::sync::Arc;

pub(super) const HOW: Approximation = Approximation { n_quad: 1, curvature: Curvature::Observed };

/// Name, kernel, responses and weights.
pub(super) type Named = (String, Arc<dyn Kernel>, Vec<f64>, Vec<f64>);

/// Kernels of all densities and what can be made of them, with a response that they can have.
pub(super) fn kernels() -> Vec<Named> {
    let mut out = Vec::new();
    for named in NAMES {
        for link in [Link::Log, Link::Sqrt, Link::Identity, Link::Logit, Link::Probit] {
            for zero in [Zero::Plain, Zero::Truncated, Zero::Inflated, Zero::Hurdle(true), Zero::Hurdle(false)] {
                let Some((y, w, zeros)) = responses(named.name) else { continue };
                let usual = matches!(link, Link::Log | Link::Logit) || named.predictors == 1 || zero == Zero::Plain;
                let possible = zero == Zero::Plain || zero == Zero::Hurdle(false) && named.predictors < 3 || zeros;
                let real = matches!(named.name, "gaussian" | "t" | "skewnormal" | "lognormal");
                let own = match link {
                    Link::Sqrt => !real,
                    Link::Logit | Link::Probit => !real,
                    Link::Log => named.name != "lognormal",
                    _ => true,
                };
                let possible = possible && own && !(zero != Zero::Plain && real && named.name != "lognormal");
                let Some(k) = kernel(named.name, link, zero, None).filter(|_| usual && possible) else { continue };
                let keep: Vec<usize> = (0..y.len()).filter(|&i| zero != Zero::Truncated || y[i] > 0.0).collect();
                let of = |v: &[f64]| keep.iter().map(|&i| v[i]).collect::<Vec<f64>>();
                out.push((format!("{} {link:?} {zero:?}", named.name), k, of(&y), of(&w)));
            }
        }
    }
    out
}

/// Responses and weights of a density, and whether it has zeros.
fn responses(name: &str) -> Option<(Vec<f64>, Vec<f64>, bool)> {
    Some(match name {
        "beta" => (vec![0.1, 0.45, 0.93], vec![1.0, 2.0, 0.5], false),
        "ordbeta" | "zoib" => (vec![0.0, 0.3, 0.8, 1.0], vec![1.0; 4], false),
        "gamma" | "lognormal" | "lognormal_response" => (vec![0.2, 1.3, 5.0], vec![1.0, 2.0, 1.0], false),
        "gaussian" | "t" | "skewnormal" => (vec![-2.0, 0.4, 3.0], vec![1.0, 2.0, 1.0], false),
        "betabinomial" => (vec![0.0, 0.25, 0.5, 1.0], vec![4.0, 4.0, 2.0, 60.0], true),
        "binomial" => (vec![0.0, 0.25, 0.5, 1.0, 0.0], vec![4.0, 4.0, 2.0, 3.0, 1.0], true),
        _ => (vec![0.0, 1.0, 2.0, 7.0, 45.0], vec![1.0, 1.0, 2.0, 1.0, 0.5], true),
    })
}

struct Filled {
    l: Vec<f64>,
    r: Vec<f64>,
    w: Vec<f64>,
    t: Vec<f64>,
}

fn filled(k: &dyn Kernel, y: &[f64], w: &[f64], eta: &[f64]) -> Filled {
    let (n, m) = (y.len(), k.predictors());
    let by = |times: usize| vec![0.0; times * n];
    let mut out = Filled { l: by(1), r: by(m), w: by(m * (m + 1) / 2), t: by(m * (m + 1) * (m + 2) / 6) };
    let order: Vec<u32> = (0..n as u32).collect();
    let rows = KernelRows { y, w, eta, order: &order, random: &vec![true; m] };
    k.derivatives(rows, KernelOut { l: &mut out.l, r: &mut out.r, w: &mut out.w, t: &mut out.t });
    out
}

#[test]
fn derivatives_of_all_densities_equal_differences() {
    let h = 1e-3;
    for (name, k, y, w) in kernels() {
        let (n, m) = (y.len(), k.predictors());
        let at: Vec<f64> = (0..m * n).map(|i| [0.9, 0.3, 0.2, -0.4, 0.1][i / n] + 0.05 * (i % n) as f64).collect();
        let here = filled(&*k, &y, &w, &at);
        assert!(here.l.iter().all(|l| l.is_finite()), "{name} {:?}", here.l);
        for c in 0..m {
            for i in 0..n {
                let moved = |d: f64| {
                    let mut eta = at.clone();
                    eta[c * n + i] += d;
                    filled(&*k, &y, &w, &eta)
                };
                let at = [moved(h), moved(-h), moved(2.0 * h), moved(-2.0 * h)];
                let same = |got: f64, of: &dyn Fn(&Filled) -> f64, what: &str| {
                    let [up, down, further, back] = [0, 1, 2, 3].map(|p| of(&at[p]));
                    let want = (8.0 * (up - down) - (further - back)) / (12.0 * h);
                    assert!((got - want).abs() < 1e-7 * (1.0 + want.abs()), "{name} {what} {c} {i}: {got} {want}");
                };
                same(here.r[c * n + i], &|f| f.l[i], "r");
                for j in 0..m {
                    same(-here.w[pair(c, j) * n + i], &|f| f.r[j * n + i], "w");
                    for l in 0..=j {
                        let p = pair(j, l) * n + i;
                        same(here.t[triple(c, j, l) * n + i], &|f| f.w[p], "t");
                    }
                }
            }
        }
    }
}

/// A model with two crossed factors: an intercept and a slope in the first predictor, intercepts in
/// the others, and one block across the first and the last.
struct Example {
    y: Vec<f64>,
    x: Vec<Vec<f64>>,
    a: Vec<i32>,
    b: Vec<i32>,
}

impl Example {
    fn new(n: usize, draw: impl Fn(&mut Rng, f64) -> f64) -> Self {
        let mut rng = Rng::of(3, 1);
        let a: Vec<i32> = (0..n).map(|i| (i % 11) as i32).collect();
        let b: Vec<i32> = (0..n).map(|i| ((i / 3) % 7) as i32).collect();
        let x: Vec<Vec<f64>> = vec![vec![1.0; n], (0..n).map(|_| 2.0 * rng.uniform() - 1.0).collect()];
        let y = (0..n)
            .map(|i| {
                let eta = 0.7 + 0.5 * x[1][i] + 0.2 * f64::from(a[i] - 5) / 3.0 + 0.1 * f64::from(b[i] - 3);
                draw(&mut rng, eta)
            })
            .collect();
        Example { y, x, a, b }
    }

    fn system(&self, kernel: Arc<dyn Kernel>, joint: bool) -> GlmmSystem {
        let m = kernel.predictors();
        let one = &self.x[0][..];
        let both = vec![one, &self.x[1][..]];
        let free = || Arc::new(Unstructured) as Arc<dyn Structure>;
        let fixed = (0..m).map(|c| FixedBlock { parts: vec![(c, if c == 1 { vec![one] } else { both.clone() })] });
        let (mut terms, mut of) = (vec![TermRows { z: both.clone(), structure: free() }], vec![0, 0]);
        if joint && m > 1 {
            terms[0].z.push(one);
            of.push(m - 1);
        }
        let (mut others, mut of_others) = (vec![TermRows { z: vec![one], structure: free() }], vec![0]);
        for c in 1..m {
            others.push(TermRows { z: vec![one], structure: free() });
            of_others.push(c);
        }
        let factors = vec![
            FactorRows { codes: &self.a, members: None, n_levels: 11, terms },
            FactorRows { codes: &self.b, members: None, n_levels: 7, terms: others },
        ];
        let rows = SeveralRows {
            y: &self.y,
            weights: None,
            fixed: fixed.collect(),
            thresholds: None,
            offsets: vec![None; m],
            factors,
            of: vec![of, of_others],
        };
        GlmmSystem::several(&rows, Arc::new(Several(kernel))).unwrap()
    }
}

fn count(rng: &mut Rng, eta: f64) -> f64 {
    let (mut k, mut p) = (0.0, 1.0);
    let limit = (-eta.exp()).exp();
    loop {
        p *= rng.uniform();
        if p <= limit {
            break;
        }
        k += 1.0;
    }
    if rng.uniform() < 0.25 {
        0.0
    } else {
        k
    }
}

#[test]
fn the_gradient_equals_differences() {
    let example = Example::new(150, count);
    for (name, zero, joint) in [
        ("poisson", Zero::Inflated, false),
        ("poisson", Zero::Inflated, true),
        ("nbinom2", Zero::Plain, true),
        ("nbinom2", Zero::Inflated, true),
        ("nbinom1", Zero::Hurdle(false), false),
        ("genpois", Zero::Inflated, false),
        ("compois", Zero::Inflated, false),
    ] {
        let g = example.system(kernel(name, Link::Log, zero, None).unwrap(), joint);
        let mut m = Modes::new(&g, 1);
        let theta: Vec<f64> = (0..g.n_theta()).map(|i| 0.3 + 0.07 * i as f64).collect();
        let beta: Vec<f64> = (0..g.p()).map(|i| [0.6, 0.3, 0.4, -0.9, 0.2][i % 5]).collect();
        let point = Point { theta, beta, extras: Vec::new() };
        let value = m.value(&g, &point, HOW, false).unwrap();
        let theta_slope = g.layout.pull_back(&point.theta, &value.gamma);
        let h = 1e-3;
        let mut at = |p: &Point| m.value(&g, p, HOW, false).unwrap().objective;
        for i in 0..g.n_theta() + g.p() {
            let mut moved = |d: f64| {
                let mut p = point.clone();
                if i < g.n_theta() {
                    p.theta[i] += d;
                } else {
                    p.beta[i - g.n_theta()] += d;
                }
                at(&p)
            };
            let want = (8.0 * (moved(h) - moved(-h)) - (moved(2.0 * h) - moved(-2.0 * h))) / (12.0 * h);
            let got = if i < g.n_theta() { theta_slope[i] } else { value.beta[i - g.n_theta()] };
            assert!((got - want).abs() < 1e-7 * (1.0 + want.abs()), "{name} {zero:?} {joint} {i}: {got} {want}");
        }
    }
}

#[test]
fn quadrature_equals_differences_and_one_node_is_laplace() {
    let example = Example::new(150, count);
    let one = &example.x[0][..];
    let free = || Arc::new(Unstructured) as Arc<dyn Structure>;
    let kernel = kernel("nbinom2", Link::Log, Zero::Inflated, None).unwrap();
    let fixed = (0..3).map(|c| FixedBlock { parts: vec![(c, vec![one, &example.x[1][..]])] });
    let rows = SeveralRows {
        y: &example.y,
        weights: None,
        fixed: fixed.collect(),
        thresholds: None,
        offsets: vec![None; 3],
        factors: vec![FactorRows {
            codes: &example.a,
            members: None,
            n_levels: 11,
            terms: vec![TermRows { z: vec![one, one], structure: free() }],
        }],
        of: vec![vec![0, 2]],
    };
    let g = GlmmSystem::several(&rows, Arc::new(Several(kernel))).unwrap();
    let mut m = Modes::new(&g, 1);
    let point = Point { theta: vec![0.5, 0.2, 0.4], beta: vec![0.6, 0.3, 0.4, 0.1, -0.9, 0.2], extras: Vec::new() };
    let laplace = m.value(&g, &point, HOW, false).unwrap();
    let rule = crate::generalized::quadrature::Rule::new(1, 2);
    let single = m.quadrature(&g, Curvature::Observed, &rule).unwrap();
    assert!((laplace.objective - single.objective).abs() < 1e-10);
    let how = Approximation { n_quad: 7, ..HOW };
    let value = m.value(&g, &point, how, false).unwrap();
    let slope = g.layout.pull_back(&point.theta, &value.gamma);
    let h = 1e-3;
    for i in 0..9 {
        let mut moved = |d: f64| {
            let mut p = point.clone();
            if i < 3 {
                p.theta[i] += d;
            } else {
                p.beta[i - 3] += d;
            }
            m.value(&g, &p, how, false).unwrap().objective
        };
        let want = (8.0 * (moved(h) - moved(-h)) - (moved(2.0 * h) - moved(-2.0 * h))) / (12.0 * h);
        let got = if i < 3 { slope[i] } else { value.beta[i - 3] };
        assert!((got - want).abs() < 1e-6 * (1.0 + want.abs()), "{i}: {got} {want}");
    }
}

#[test]
fn one_predictor_equals_the_usual_engine() {
    let example = Example::new(150, count);
    let g = example.system(kernel("poisson", Link::Log, Zero::Plain, None).unwrap(), false);
    let free = || Arc::new(Unstructured) as Arc<dyn Structure>;
    let one = &example.x[0][..];
    let rows = Rows {
        x: vec![Column::Numbers(one), Column::Numbers(&example.x[1])],
        y: &example.y,
        weights: None,
        factors: vec![
            FactorRows {
                codes: &example.a,
                members: None,
                n_levels: 11,
                terms: vec![TermRows { z: vec![one, &example.x[1]], structure: free() }],
            },
            FactorRows {
                codes: &example.b,
                members: None,
                n_levels: 7,
                terms: vec![TermRows { z: vec![one], structure: free() }],
            },
        ],
    };
    let usual = GlmmSystem::new(&rows, None, find("poisson").unwrap().with(Link::Log).unwrap()).unwrap();
    let options = FitOptions {
        how: HOW,
        theta: None,
        beta: None,
        extras: None,
        held: Vec::new(),
        max_evaluations: 500,
        tolerance: 1e-10,
        hessian: true,
    };
    let of = |g: &GlmmSystem| {
        let f = fit(g, &mut Modes::new(g, 1), &options, &mut |_, _| true).unwrap();
        (f.objective, g.layout.basis.beta_to_given(&f.point.beta), f.point.theta.clone(), f.covariance(g).unwrap())
    };
    let (a, b) = (of(&g), of(&usual));
    assert!((a.0 - b.0).abs() < 1e-9, "{} {}", a.0, b.0);
    for (x, y) in a.1.iter().zip(&b.1).chain(a.2.iter().zip(&b.2)) {
        assert!((x - y).abs() < 1e-5 * (1.0 + y.abs()), "{a:?} {b:?}");
    }
    for (x, y) in a.3.iter().zip(&b.3) {
        assert!((x - y).abs() < 1e-4 * (1e-3 + y.abs()) || x.is_nan() && y.is_nan(), "{:?} {:?}", a.3, b.3);
    }
}
