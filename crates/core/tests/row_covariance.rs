//! Correlation structures, variance functions and the covariance matrices made of them: derivatives
//! against differences, natural parameters there and back, and equalities between structures.

use ranef_core::correlation::{factor, named, Correlation, Metric, Options, Positions, StartData};
use ranef_core::jet::{pair, Jet};
use ranef_core::residual::{Covariate, RowCovariance, Subject, VarianceTerm};
use ranef_core::variance;
use std::sync::Arc;

const OPTIONS: Options = Options { levels: 5, most: 5, orders: (2, 1), nugget: false, metric: Metric::Euclidean };
/// Levels that are not sorted, with one missing.
const LEVELS: [f64; 3] = [2.0, 0.0, 3.0];
const TIMES: [f64; 4] = [0.0, 1.0, 3.0, 4.0];

/// Parameters that are nowhere special.
fn generic(n: usize) -> Vec<f64> {
    (0..n).map(|k| 0.4 * (1.7 * k as f64 + 0.6).sin() + 0.1).collect()
}

fn close(a: f64, b: f64, tolerance: f64, what: &str) {
    assert!((a - b).abs() <= tolerance * (1.0 + b.abs()), "{what}: {a} {b}");
}

/// First and second derivatives of what `f` evaluates against differences.
fn derivatives(what: &str, z: &[f64], f: &dyn Fn(&[f64], usize) -> Jet) {
    let h = 2e-5;
    let jet = f(z, 2);
    let at = |k: usize, h: f64| {
        let mut z = z.to_vec();
        z[k] += h;
        f(&z, 1)
    };
    for k in 0..jet.n {
        // Richardson's extrapolation: the error is of the order h^4
        let (a, b, c, d) = (at(k, h), at(k, -h), at(k, 2.0 * h), at(k, -2.0 * h));
        let slope = |a: f64, b: f64, c: f64, d: f64| (8.0 * (a - b) - (c - d)) / (12.0 * h);
        for t in 0..jet.len {
            let want = slope(a.value[t], b.value[t], c.value[t], d.value[t]);
            close(jet.d(k)[t], want, 1e-8, &format!("{what} d{k} at {t}"));
            for l in 0..jet.n {
                let want = slope(a.d(l)[t], b.d(l)[t], c.d(l)[t], d.d(l)[t]);
                close(jet.d2(k, l)[t], want, 1e-8, &format!("{what} d{k} d{l} at {t}"));
            }
        }
    }
}

fn positions(s: &dyn Correlation) -> Positions<'static> {
    Positions { values: if s.positions().levels { &LEVELS } else { &TIMES }, d: 1 }
}

fn structures() -> Vec<(&'static str, Arc<dyn Correlation>)> {
    let plain = [
        "independent",
        "ar1",
        "ad",
        "cs",
        "toep",
        "arma",
        "us",
        "us_hom",
        "car1",
        "exp",
        "gau",
        "rational_quadratic",
        "spherical",
        "linear",
        "mat",
    ];
    let mut all: Vec<_> = plain.into_iter().map(|name| (name, named(name, &OPTIONS).unwrap())).collect();
    let nugget = Options { nugget: true, metric: Metric::Manhattan, ..OPTIONS };
    all.extend(["exp", "rational_quadratic", "mat"].map(|name| (name, named(name, &nugget).unwrap())));
    all
}

fn matrix(s: &dyn Correlation, z: &[f64], at: Positions<'_>) -> Jet {
    let mut out = Jet::default();
    s.matrix(z, at, 2, &mut out);
    out
}

#[test]
fn derivatives_of_correlations_agree_with_differences() {
    for (name, s) in structures() {
        let z = generic(s.n());
        let at = positions(&*s);
        let evaluate = |z: &[f64], order: usize| {
            let mut out = Jet::default();
            s.matrix(z, at, order, &mut out);
            out
        };
        derivatives(name, &z, &evaluate);
        let natural = |z: &[f64], order: usize| {
            let mut out = Jet::default();
            s.natural(z, order, &mut out);
            out
        };
        derivatives(&format!("natural {name}"), &z, &natural);
        assert_eq!(s.parameters().len(), s.n());
        let values = natural(&z, 0).value;
        for (a, b) in s.z_of_natural(&values).unwrap().iter().zip(&z) {
            close(*a, *b, 1e-12, name);
        }
        for start in s.starts(&StartData::default()) {
            assert_eq!(start.len(), s.n());
            assert!(factor(&evaluate(&start, 0).value, at.m()).is_some(), "{name}");
        }
    }
}

#[test]
fn curvature_is_the_sum_of_second_derivatives() {
    for (name, s) in structures() {
        let (z, at) = (generic(s.n()), positions(&*s));
        let (m, n) = (at.m(), s.n());
        let w: Vec<f64> = (0..m * m).map(|t| ((t / m * (t % m)) as f64 + (t / m + t % m) as f64).cos()).collect();
        let jet = matrix(&*s, &z, at);
        let mut sums = vec![0.0; n * n];
        s.add_curvature(&z, at, &w, &mut sums);
        for k in 0..n {
            for l in 0..n {
                let want: f64 = jet.d2(k, l).iter().zip(&w).map(|(a, b)| a * b).sum();
                close(sums[k * n + l], want, 1e-13, name);
            }
        }
    }
}

#[test]
fn neighbours_whiten() {
    for (name, s) in structures() {
        // rows must be sorted
        let z = generic(s.n());
        let at = Positions { values: if s.positions().levels { &[0.0, 2.0, 3.0] } else { &TIMES }, d: 1 };
        let m = at.m();
        let mut r = Jet::default();
        if !s.neighbours(&z, at, 2, &mut r) {
            continue;
        }
        let whole = matrix(&*s, &z, at);
        let (root, log_det) = factor(&whole.value, m).unwrap();
        // the lower factor times the two diagonals is the identity
        for i in 0..m {
            let below = if i > 0 { r.value[i] } else { 0.0 };
            for j in 0..m {
                let before = if i > 0 { root[(i - 1) * m + j] } else { 0.0 };
                let e = (root[i * m + j] - below * before) / (1.0 - below * below).sqrt();
                close(e, f64::from(i == j), 1e-14, name);
            }
        }
        close((1..m).map(|i| (1.0 - r.value[i] * r.value[i]).ln()).sum(), log_det, 1e-13, name);
        let evaluate = |z: &[f64], order: usize| {
            let mut out = Jet::default();
            s.neighbours(z, at, order, &mut out);
            out
        };
        derivatives(name, &z, &evaluate);
    }
}

/// Rows of a subject with two variance functions, the second with strata.
fn composed(correlation: Arc<dyn Correlation>, levels: Option<usize>, groups: usize) -> RowCovariance {
    let term = |name, strata| VarianceTerm { function: variance::named(name).unwrap(), strata };
    let variances = vec![term("by_group", 3), term("power", 2), term("const_power", 1), term("fixed", 1)];
    RowCovariance { correlation, levels, groups, variances }
}

#[test]
fn covariances_of_rows_are_differentiated_in_all_parameters() {
    for (name, s) in structures() {
        let at = positions(&*s);
        let levels = (s.positions().levels && name != "us" || name == "cs").then_some(5);
        let m = at.m();
        for groups in 1..3 {
            let r = composed(s.clone(), levels, groups);
            let z = generic(r.n());
            assert_eq!(r.parameters().len(), r.n());
            let x = [1.5, 0.4, 2.5, 3.0];
            let (sex, diet) = ([2.0, 0.0, 2.0, 1.0], [1.0, 1.0, 0.0, 1.0]);
            let covariates =
                [Covariate { x: &x[..m], stratum: &sex[..m] }, Covariate { x: &x[..m], stratum: &diet[..m] }];
            let subject = Subject { at, group: groups - 1, covariates: &covariates };
            // derivatives with respect to all parameters, most of them zero
            let evaluate = |z: &[f64], order: usize| {
                let (mut local, mut out) = (Jet::default(), Jet::default());
                let active = r.matrix(z, &subject, order, &mut local);
                out.reset(r.n(), m * m, order);
                out.value.copy_from_slice(&local.value);
                for (k, &a) in active.iter().enumerate() {
                    if order > 0 {
                        out.first[a * m * m..(a + 1) * m * m].copy_from_slice(local.d(k));
                    }
                    for (l, &b) in active.iter().enumerate().take(if order > 1 { k + 1 } else { 0 }) {
                        let p = pair(a, b) * m * m;
                        out.second[p..p + m * m].copy_from_slice(local.d2(k, l));
                    }
                }
                out
            };
            derivatives(name, &z, &evaluate);
            derivatives(&format!("natural {name}"), &z, &|z, order| r.natural(z, order));
            let natural = r.natural(&z, 0).value;
            for (a, b) in r.z_of_natural(&natural).unwrap().iter().zip(&z) {
                close(*a, *b, 1e-12, name);
            }
            let w: Vec<f64> = (0..m * m).map(|t| ((t / m * (t % m)) as f64 + (t / m + t % m) as f64).cos()).collect();
            let mut sums = Vec::new();
            let active = r.curvature(&z, &subject, &w, &mut sums);
            let jet = evaluate(&z, 2);
            for (k, &a) in active.iter().enumerate() {
                for (l, &b) in active.iter().enumerate() {
                    let want: f64 = jet.d2(a, b).iter().zip(&w).map(|(a, b)| a * b).sum();
                    close(sums[k * active.len() + l], want, 1e-12, name);
                }
            }
            for start in r.starts(&StartData::default(), &[&x, &x, &x, &x]) {
                assert_eq!(start.len(), r.n());
                assert!(factor(&evaluate(&start, 0).value, m).is_some());
            }
        }
    }
}

#[test]
fn standard_deviations_multiply() {
    let mut r = composed(named("ar1", &OPTIONS).unwrap(), None, 1);
    r.variances.truncate(2);
    let z = r.z_of_natural(&[0.6, 2.0, 0.5, 1.5, -0.5]).unwrap();
    let covariates =
        [Covariate { x: &[0.0; 2], stratum: &[0.0, 2.0] }, Covariate { x: &[4.0, 9.0], stratum: &[0.0, 1.0] }];
    let subject = Subject { at: Positions { values: &[1.0, 3.0], d: 1 }, group: 0, covariates: &covariates };
    let mut out = Jet::default();
    let active = r.matrix(&z, &subject, 1, &mut out);
    assert_eq!(active, [0, 2, 3, 4]); // not the second sex, which has no row
    let (a, b) = (8.0, 0.5 / 3.0);
    for (got, want) in out.value.iter().zip([a * a, 0.36 * a * b, 0.36 * a * b, b * b]) {
        close(*got, want, 1e-14, "composed");
    }
    assert_eq!(variance::named("power").unwrap().refuses(0.0), Some("zero"));
}

/// Two structures that are one model at these natural parameters.
fn equal(a: (&str, Options, &[f64]), b: (&str, Options, &[f64]), values: &[f64]) {
    let at = Positions { values, d: 1 };
    let [x, y] = [a, b].map(|(name, options, natural)| {
        let s = named(name, &options).unwrap();
        matrix(&*s, &s.z_of_natural(natural).unwrap(), at).value
    });
    for (x, y) in x.iter().zip(&y) {
        close(*x, *y, 1e-13, &format!("{} {}", a.0, b.0));
    }
}

#[test]
fn structures_are_special_cases_of_others() {
    let rho = 0.6f64;
    let whole = [0.0, 1.0, 2.0, 4.0];
    let ar1: (&str, Options, &[f64]) = ("ar1", OPTIONS, &[rho]);
    let powers: Vec<f64> = (1..5).map(|h| rho.powi(h)).collect();
    equal(("arma", Options { orders: (1, 0), ..OPTIONS }, &[rho]), ar1, &whole);
    equal(("ad", OPTIONS, &[rho; 4]), ar1, &whole);
    equal(("toep", OPTIONS, &powers), ar1, &whole);
    let range = [-1.0 / rho.ln()];
    equal(("car1", OPTIONS, &range), ar1, &whole);
    equal(("exp", OPTIONS, &range), ("car1", OPTIONS, &range), &[0.3, 1.7, 0.1, 9.0]);
    equal(("mat", OPTIONS, &[1.5, 0.5]), ("exp", OPTIONS, &[1.5]), &[0.3, 1.7, 0.1, 9.0]);
    // toep of which the partial autocorrelations beyond the first vanish
    let s = named("toep", &OPTIONS).unwrap();
    for (z, want) in s.z_of_natural(&powers).unwrap().iter().zip([rho.atanh(), 0.0, 0.0, 0.0]) {
        close(*z, want, 1e-13, "partial autocorrelations");
    }
    // us of one variance, and of several
    let (cor, sds) = ([0.5, -0.2, 0.3], [2.0, 0.7]);
    let three = Options { levels: 3, ..OPTIONS };
    equal(("us", three, &[1.0, 1.0, 0.5, -0.2, 0.3]), ("us_hom", three, &cor), &[2.0, 0.0, 1.0]);
    let us = named("us", &three).unwrap();
    let z = us.z_of_natural(&[&sds[..], &cor[..]].concat()).unwrap();
    let r = matrix(&*us, &z, Positions { values: &[0.0, 1.0, 2.0], d: 1 }).value;
    for (got, want) in r.iter().zip([1.0, 1.0, -0.14, 1.0, 4.0, 0.42, -0.14, 0.42, 0.49]) {
        close(*got, want, 1e-14, "us");
    }
}

#[test]
fn autocorrelations_are_those_of_r() {
    // ARMAacf(c(0.5, -0.3), 0.4, 5) of R
    let s = named("arma", &OPTIONS).unwrap();
    let z = s.z_of_natural(&[0.5, -0.3, 0.4]).unwrap();
    let c = matrix(&*s, &z, Positions { values: &[0.0, 1.0, 2.0, 3.0, 4.0], d: 1 }).value;
    for (got, want) in c.iter().zip([
        1.0000000000000000,
        0.5471698113207548,
        -0.0264150943396227,
        -0.1773584905660378,
        -0.0807547169811321,
    ]) {
        close(*got, want, 1e-13, "arma");
    }
}

#[test]
fn moments_are_a_start() {
    let s = named("us", &Options { levels: 2, ..OPTIONS }).unwrap();
    let data = StartData { covariance: Some(&[4.0, 3.0, 3.0, 9.0]), ..StartData::default() };
    let r = matrix(&*s, &s.starts(&data)[0], Positions { values: &[0.0, 1.0], d: 1 }).value;
    for (got, want) in r.iter().zip([1.0, 0.75, 0.75, 2.25]) {
        close(*got, want, 1e-13, "moments");
    }
    // correlations that no matrix has are moved to one that is positive definite
    let three = named("us", &Options { levels: 3, ..OPTIONS }).unwrap();
    let wrong = [1.0, 0.9, 0.9, 0.9, 1.0, -0.9, 0.9, -0.9, 1.0];
    let data = StartData { covariance: Some(&wrong), ..StartData::default() };
    assert!(three.starts(&data)[0].iter().all(|z| z.is_finite() && z.abs() < 3.0));
}
