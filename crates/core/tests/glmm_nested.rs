//! Quadrature for two nested factors against a fixed grid and numerical differentiation.

use super::glmm_data::{free, Data, Draws, Factor};
use ranef_core::families::{Batch, Derivatives, Family, Link};
use ranef_core::generalized::{search, Approximation, Curvature, FitOptions, GlmmSystem, Modes, Point, Status};
use ranef_core::structure::named;

const ROWS: usize = 60;
const INNER: usize = 14;

/// Inner levels of 5 outer ones, labels of either in no order; with `slopes` the effects are of
/// columns that vary.
fn data(inner_first: bool, slopes: bool) -> Data {
    let mut d = Draws(17);
    let leaf: Vec<i32> = (0..ROWS).map(|i| if i < INNER { i as i32 } else { d.below(INNER) }).collect();
    let top: Vec<i32> = leaf.iter().map(|l| (l * 3 + 2) % 5).collect();
    let mut column = || (0..ROWS).map(|_| if slopes { 0.6 + 0.4 * d.uniform() } else { 1.0 }).collect::<Vec<f64>>();
    let term = |z: Vec<f64>| vec![(vec![z], named("unstructured").unwrap())];
    let (zi, zo) = (column(), column());
    let mut factors: Vec<Factor> = vec![(leaf, INNER, term(zi)), (top, 5, term(zo))];
    if !inner_first {
        factors.reverse();
    }
    Data::new(factors, ROWS, &mut d)
}

fn point(g: &GlmmSystem, link: Link, inner_first: bool, scale: f64) -> Point {
    let mean = if link == Link::Logit || link == Link::Cloglog { 0.2 } else { 0.5 };
    let (inner, outer) = (0.8 * scale, 0.5 * scale);
    let theta = if inner_first { vec![inner, outer] } else { vec![outer, inner] };
    Point { theta, beta: vec![mean, 0.03], extras: vec![0.6; g.n_extras()] }
}

fn objective(g: &GlmmSystem, m: &mut Modes, p: &Point, how: Approximation) -> f64 {
    m.forget();
    m.value(g, p, how, false).unwrap().objective
}

/// -2 log-likelihood by the trapezoidal rule over both effects.
fn on_a_grid(data: &Data, g: &GlmmSystem, family: &dyn Family, p: &Point, inner_first: bool) -> f64 {
    let y = g.in_given_order(&g.y);
    let beta = g.layout.basis.beta_to_given(&p.beta);
    let (i, o) = if inner_first { (0, 1) } else { (1, 0) };
    let ((leaf, n_leaf, zi), (top, n_top, zo)) = (&data.factors[i], &data.factors[o]);
    let h = 0.05;
    let grid: Vec<f64> = (-160..=160).map(|s| f64::from(s) * h).collect();
    let normal = |v: f64| -0.5 * v * v - 0.5 * (2.0 * std::f64::consts::PI).ln() + h.ln();
    let log_sum = |v: &[f64]| {
        let top = v.iter().fold(f64::NEG_INFINITY, |a, &v| a.max(v));
        top + v.iter().map(|v| (v - top).exp()).sum::<f64>().ln()
    };
    let mut want = -2.0 * free(family, &y, &data.weights, &p.extras);
    for outer in 0..*n_top as i32 {
        let mut total: Vec<f64> = grid.iter().map(|&u| normal(u)).collect();
        for inner in 0..*n_leaf as i32 {
            let rows: Vec<usize> = (0..ROWS).filter(|&r| leaf[r] == inner && top[r] == outer).collect();
            if rows.is_empty() {
                continue;
            }
            let pick = |v: &[f64]| rows.iter().map(|&i| v[i]).collect::<Vec<f64>>();
            let (yy, ww) = (pick(&y), pick(&data.weights));
            let k = rows.len();
            let (mut l, mut a, mut b, mut c) = (vec![0.0; k], vec![0.0; k], vec![0.0; k], vec![0.0; k]);
            for (t, u) in total.iter_mut().zip(&grid) {
                let logs: Vec<f64> = grid
                    .iter()
                    .map(|&v| {
                        let eta: Vec<f64> = rows
                            .iter()
                            .map(|&r| {
                                let fixed: f64 = data.x.iter().zip(&beta).map(|(x, b)| x[r] * b).sum();
                                let random = p.theta[i] * zi[0].0[0][r] * v + p.theta[o] * zo[0].0[0][r] * u;
                                data.offset[r] + fixed + random
                            })
                            .collect();
                        let batch = Batch { y: &yy, w: &ww, eta: &eta, extras: &p.extras };
                        family.derivatives(batch, Derivatives { l: &mut l, r: &mut a, wo: &mut b, dwo: &mut c });
                        l.iter().sum::<f64>() + normal(v)
                    })
                    .collect();
                *t += log_sum(&logs);
            }
        }
        want -= 2.0 * log_sum(&total);
    }
    want
}

#[test]
fn many_nodes_are_the_integral() {
    for inner_first in [true, false] {
        for (family, link) in [("binomial", Link::Logit), ("poisson", Link::Log), ("nbinom2", Link::Log)] {
            for slopes in [false, true] {
                let data = data(inner_first, slopes);
                let g = data.system(family, link, &mut Draws(9));
                let p = point(&g, link, inner_first, 1.0);
                let mut m = Modes::new(&g, 1);
                let at = |n_quad| Approximation { n_quad, curvature: Curvature::Observed };
                let got = objective(&g, &mut m, &p, at(35));
                let want = on_a_grid(&data, &g, &*g.family, &p, inner_first);
                assert!((got - want).abs() < 1e-8 * want.abs(), "{family:?} {inner_first} {slopes}: {got} {want}");
                let few = objective(&g, &mut m, &p, at(7));
                let laplace = objective(&g, &mut m, &p, at(1));
                assert!((few - want).abs() < 0.05 * (laplace - want).abs(), "{family:?}: {few} {laplace} {want}");
            }
        }
    }
}

#[test]
fn gradient_equals_differences() {
    for (family, link) in [
        ("binomial", Link::Logit),
        ("binomial", Link::Cloglog),
        ("poisson", Link::Log),
        ("nbinom2", Link::Log),
        ("gamma", Link::Log),
    ] {
        for curvature in [Curvature::Observed, Curvature::Expected] {
            for (n_quad, scale, slopes) in [(2, 1.0, true), (5, 1.0, true), (5, 0.0, false)] {
                let data = data(true, slopes);
                let g = data.system(family, link, &mut Draws(9));
                let how = Approximation { n_quad, curvature };
                let p = point(&g, link, true, scale);
                let mut m = Modes::new(&g, 1);
                let v = m.value(&g, &p, how, false).unwrap();
                let mut got = g.layout.pull_back(&p.theta, &v.gamma);
                got.extend(&v.beta);
                got.extend(v.extras);
                for (i, a) in got.iter().enumerate() {
                    let h = 2e-4;
                    let mut at = |d: f64| {
                        let mut p = p.clone();
                        match i {
                            0 | 1 => p.theta[i] += d,
                            2 | 3 => p.beta[i - 2] += d,
                            _ => p.extras[0] *= d.exp(),
                        }
                        objective(&g, &mut m, &p, how)
                    };
                    let want = (8.0 * (at(h) - at(-h)) - (at(2.0 * h) - at(-2.0 * h))) / (12.0 * h);
                    let close = (a - want).abs() < 1e-6 * (1.0 + want.abs());
                    assert!(close, "{family:?} {link:?} {how:?} {scale} [{i}]: {a} {want}");
                }
            }
        }
    }
}

#[test]
fn fits_and_does_not_depend_on_threads_or_on_the_order_of_the_factors() {
    let fitted = |inner_first: bool, threads: usize| {
        let data = data(inner_first, false);
        let g = data.system("binomial", Link::Logit, &mut Draws(3));
        let options = FitOptions {
            how: Approximation { n_quad: 9, curvature: Curvature::Observed },
            theta: None,
            beta: None,
            extras: None,
            held: Vec::new(),
            max_evaluations: 500,
            tolerance: 1e-10,
            hessian: true,
        };
        let mut m = Modes::new(&g, threads);
        let f = search(&g, &mut m, &options, &mut |_, _| true).unwrap().fit;
        assert_eq!(f.status, Status::Converged, "{} {}", f.decrement, f.certificate);
        f.objective
    };
    let one = fitted(true, 1);
    assert_eq!(one, fitted(true, 3));
    assert!((one - fitted(false, 1)).abs() < 1e-8, "{one} {}", fitted(false, 1));
}
