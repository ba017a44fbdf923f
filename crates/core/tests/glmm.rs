//! Generalized linear mixed models against dense n x n algebra, numerical differentiation and
//! numerical integration.

use super::glmm_data::{families, free, layouts, Data, Draws};
use faer::{linalg::solvers::Solve, Mat, Side};
use ranef_core::families::{Batch, Derivatives, Family, Link};
use ranef_core::generalized::{search, Approximation, Curvature, FitOptions, GlmmSystem, Modes, Point, Status};

const LAPLACE: Approximation = Approximation { n_quad: 1, curvature: Curvature::Observed };

fn objective(g: &GlmmSystem, m: &mut Modes, p: &Point, how: Approximation) -> f64 {
    m.forget();
    m.value(g, p, how, how.n_quad == 0).unwrap().objective
}

/// Derivatives with respect to theta, beta of the changed basis and log extra parameters.
fn analytic(g: &GlmmSystem, m: &mut Modes, p: &Point, how: Approximation) -> Vec<f64> {
    m.forget();
    let v = m.value(g, p, how, false).unwrap();
    let mut out = g.layout.pull_back(&p.theta, &v.gamma);
    out.extend(v.beta);
    out.extend(v.extras);
    out
}

fn moved(p: &Point, i: usize, h: f64) -> Point {
    let mut p = p.clone();
    let nt = p.theta.len();
    if i < nt {
        p.theta[i] += h;
    } else if i < nt + p.beta.len() {
        p.beta[i - nt] += h;
    } else {
        p.extras[i - nt - p.beta.len()] *= h.exp();
    }
    p
}

fn check_gradient(name: &str, g: &GlmmSystem, p: &Point, how: Approximation) {
    let mut m = Modes::new(g, 1);
    let got = analytic(g, &mut m, p, how);
    for (i, &a) in got.iter().enumerate() {
        let h = 2e-4;
        let mut at = |d: f64| objective(g, &mut m, &moved(p, i, d), how);
        let want = (8.0 * (at(h) - at(-h)) - (at(2.0 * h) - at(-2.0 * h))) / (12.0 * h);
        assert!((a - want).abs() < 1e-6 * (1.0 + want.abs()), "{name} {how:?} [{i}]: {a} {want}");
    }
}

/// A point of moderate effects for a link.
fn point(g: &GlmmSystem, link: Link, d: &mut Draws, singular: bool) -> Point {
    let scale = if link.is_for_probabilities() || link == Link::Log { 0.5 } else { 0.12 };
    let mut theta: Vec<f64> = (0..g.n_theta()).map(|_| scale * (0.3 + 0.5 * d.uniform())).collect();
    if singular {
        *theta.last_mut().unwrap() = 0.0;
    }
    let mean = match link {
        l if l.is_for_probabilities() => 0.2,
        Link::Log => 0.5,
        Link::Sqrt | Link::Identity => 1.8,
        _ => 0.6,
    };
    Point { theta, beta: vec![mean, 0.03], extras: vec![0.6; g.n_extras()] }
}

#[test]
fn gradient_equals_differences_for_every_family_link_and_layout() {
    for (name, data) in layouts() {
        for (family, link) in families() {
            let mut d = Draws(31);
            let g = data.system(family, link, &mut d);
            for (curvature, singular) in
                [(Curvature::Observed, false), (Curvature::Observed, true), (Curvature::Expected, false)]
            {
                let p = point(&g, link, &mut d, singular);
                let how = Approximation { n_quad: 1, curvature };
                check_gradient(&format!("{name} {family:?} {link:?}"), &g, &p, how);
            }
        }
    }
}

#[test]
fn gradient_of_quadrature_equals_differences() {
    for (name, data) in layouts().into_iter().take(3) {
        for (family, link) in [
            ("binomial", Link::Logit),
            ("binomial", Link::Cloglog),
            ("poisson", Link::Log),
            ("nbinom2", Link::Log),
            ("gamma", Link::Log),
        ] {
            let mut d = Draws(5);
            let g = data.system(family, link, &mut d);
            for n_quad in [2, 5] {
                for curvature in [Curvature::Observed, Curvature::Expected] {
                    let p = point(&g, link, &mut d, n_quad == 5);
                    check_gradient(&format!("{name} {family:?}"), &g, &p, Approximation { n_quad, curvature });
                }
            }
        }
    }
}

/// -2 log-likelihood by Laplace with dense algebra: Newton steps on b = L u in n x n terms.
fn dense_laplace(data: &Data, g: &GlmmSystem, family: &dyn Family, p: &Point, y: &[f64]) -> f64 {
    let n = y.len();
    let zl = data.dense_zl(&p.theta);
    let q = zl.ncols();
    let beta = g.layout.basis.beta_to_given(&p.beta);
    let fixed: Vec<f64> =
        (0..n).map(|i| data.offset[i] + data.x.iter().zip(&beta).map(|(x, b)| x[i] * b).sum::<f64>()).collect();
    let mut u = Mat::<f64>::zeros(q, 1);
    let (mut l, mut r, mut wo, mut dwo) = (vec![0.0; n], vec![0.0; n], vec![0.0; n], vec![0.0; n]);
    let mut log_det = 0.0;
    for _ in 0..60 {
        let zu = &zl * &u;
        let eta: Vec<f64> = (0..n).map(|i| fixed[i] + zu[(i, 0)]).collect();
        let b = Batch { y, w: &data.weights, eta: &eta, extras: &p.extras };
        family.derivatives(b, Derivatives { l: &mut l, r: &mut r, wo: &mut wo, dwo: &mut dwo });
        let mut m = Mat::<f64>::identity(q, q);
        m += zl.transpose() * Mat::from_fn(n, q, |i, j| wo[i] * zl[(i, j)]);
        let c = m.llt(Side::Lower).unwrap();
        log_det = (0..q).map(|i| 2.0 * c.L()[(i, i)].ln()).sum();
        let gradient = zl.transpose() * Mat::from_fn(n, 1, |i, _| r[i]) - &u;
        u += c.solve(&gradient);
    }
    let free = free(family, y, &data.weights, &p.extras);
    let uu: f64 = (0..q).map(|i| u[(i, 0)].powi(2)).sum();
    -2.0 * (l.iter().sum::<f64>() + free) + uu + log_det
}

#[test]
fn laplace_equals_dense_algebra() {
    for (name, data) in layouts() {
        for (family, link) in [("binomial", Link::Logit), ("binomial", Link::Probit), ("nbinom2", Link::Log)] {
            let mut d = Draws(31);
            let g = data.system(family, link, &mut d);
            let mut m = Modes::new(&g, 1);
            for singular in [false, true] {
                let p = point(&g, link, &mut d, singular);
                let got = objective(&g, &mut m, &p, LAPLACE);
                let y = g.in_given_order(&g.y);
                let want = dense_laplace(&data, &g, &*g.family, &p, &y);
                assert!((got - want).abs() < 1e-9 * want.abs(), "{name} {family:?}: {got} {want}");
            }
        }
    }
}

#[test]
fn one_node_is_laplace_and_many_nodes_are_the_integral() {
    let (_, data) = layouts().swap_remove(0);
    for (family, link) in [("binomial", Link::Logit), ("poisson", Link::Log), ("gamma", Link::Log)] {
        let mut d = Draws(9);
        let g = data.system(family, link, &mut d);
        let family = &*g.family;
        let p = point(&g, link, &mut d, false);
        let mut m = Modes::new(&g, 1);
        let got = objective(&g, &mut m, &p, Approximation { n_quad: 41, curvature: Curvature::Observed });
        // trapezoidal rule over u, group by group
        let y = g.in_given_order(&g.y);
        let beta = g.layout.basis.beta_to_given(&p.beta);
        let (codes, levels, _) = &data.factors[0];
        let mut want = -2.0 * free(family, &y, &data.weights, &p.extras);
        for level in 0..*levels {
            let rows: Vec<usize> = (0..y.len()).filter(|&i| codes[i] as usize == level).collect();
            let pick = |v: &[f64]| rows.iter().map(|&i| v[i]).collect::<Vec<f64>>();
            let (yy, ww) = (pick(&y), pick(&data.weights));
            let k = rows.len();
            let (mut l, mut a, mut b, mut c) = (vec![0.0; k], vec![0.0; k], vec![0.0; k], vec![0.0; k]);
            let h = 0.01;
            let logs: Vec<f64> = (-900..=900)
                .map(|s| {
                    let u = f64::from(s) * h;
                    let eta: Vec<f64> = rows
                        .iter()
                        .map(|&i| {
                            let fixed: f64 = data.x.iter().zip(&beta).map(|(x, b)| x[i] * b).sum();
                            data.offset[i] + fixed + p.theta[0] * u
                        })
                        .collect();
                    let batch = Batch { y: &yy, w: &ww, eta: &eta, extras: &p.extras };
                    family.derivatives(batch, Derivatives { l: &mut l, r: &mut a, wo: &mut b, dwo: &mut c });
                    l.iter().sum::<f64>() - 0.5 * u * u - 0.5 * (2.0 * std::f64::consts::PI).ln()
                })
                .collect();
            let top = logs.iter().fold(f64::NEG_INFINITY, |a, &v| a.max(v));
            want -= 2.0 * (top + (h * logs.iter().map(|v| (v - top).exp()).sum::<f64>()).ln());
        }
        assert!((got - want).abs() < 1e-8 * want.abs(), "{link:?}: {got} {want}");
    }
}

fn options(n_quad: usize) -> FitOptions {
    FitOptions {
        how: Approximation { n_quad, curvature: Curvature::Observed },
        theta: None,
        beta: None,
        extras: None,
        held: Vec::new(),
        max_evaluations: 500,
        tolerance: 1e-10,
        hessian: true,
    }
}

#[test]
fn fit_ends_at_a_point_that_no_small_change_improves() {
    for (name, data) in layouts() {
        for (family, link) in [("binomial", Link::Logit), ("poisson", Link::Log), ("nbinom2", Link::Log)] {
            let mut d = Draws(31);
            let g = data.system(family, link, &mut d);
            let mut m = Modes::new(&g, 1);
            let f = search(&g, &mut m, &options(1), &mut |_, _| true).unwrap().fit;
            assert_eq!(f.status, Status::Converged, "{name} {family:?} {} {}", f.decrement, f.certificate);
            let n = f.coordinates.len();
            let best = objective(&g, &mut m, &f.point, LAPLACE);
            assert!((best - f.objective).abs() < 1e-9 * best.abs());
            for i in 0..n {
                for h in [1e-3, -1e-3, 1e-2, -1e-2] {
                    let near = objective(&g, &mut m, &moved(&f.point, i, h), LAPLACE);
                    assert!(near > best - 2e-8, "{name} {family:?} [{i}] {h}: {near} < {best}");
                }
            }
        }
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let mut d = Draws(11);
    let n = 12_000;
    let (a, b) = (900, 400);
    let first: Vec<i32> = (0..n).map(|i| if i < a { i as i32 } else { d.below(a) }).collect();
    let second: Vec<i32> = (0..n).map(|i| if i < b { i as i32 } else { d.below(b) }).collect();
    let one = |codes: Vec<i32>, m: usize| {
        (codes, m, vec![(vec![vec![1.0; n]], ranef_core::structure::named("unstructured").unwrap())])
    };
    let crossed = Data::new(vec![one(first.clone(), a), one(second, b)], n, &mut d);
    let single = Data::new(vec![one(first, a)], n, &mut d);
    for (data, n_quad) in [(&crossed, 1), (&single, 1), (&single, 5)] {
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let mut d = Draws(2);
                let g = data.system("binomial", Link::Logit, &mut d);
                let mut m = Modes::new(&g, threads);
                let mut o = options(n_quad);
                o.hessian = false;
                let f = search(&g, &mut m, &o, &mut |_, _| true).unwrap().fit;
                (f.objective.to_bits(), f.point.theta, f.point.beta)
            })
        };
        assert_eq!(run(1), run(2));
    }
}
