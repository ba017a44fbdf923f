//! The criterion against n x n algebra, and derivatives against differences of it.

use super::{BlockRows, Correlated, Direction, State, Want};
use crate::correlation::{self, Options};
use crate::jet::Jet;
use crate::layout::Frame;
use crate::linear::chart::Chart;
use crate::residual::{Covariate, RowCovariance, Subject, VarianceTerm};
use crate::rows::{Column, FactorRows, Rows, TermRows};
use crate::structure::named;
use crate::variance;

const SUBJECTS: usize = 7;
const ITEMS: usize = 5;

/// Numbers between -1 and 1 that look random.
fn numbers(n: usize, seed: u64) -> Vec<f64> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    };
    (0..n).map(|_| next()).collect()
}

struct Data {
    one: Vec<f64>,
    x: Vec<f64>,
    y: Vec<f64>,
    subject: Vec<i32>,
    item: Vec<i32>,
    of: BlockRows,
}

/// Subjects that met all items but a few, in an order of their own; rows are shuffled.
fn data() -> Data {
    let all: Vec<(usize, usize)> = (0..SUBJECTS * ITEMS)
        .map(|t| t * 11 % (SUBJECTS * ITEMS))
        .map(|t| (t / ITEMS, t % ITEMS))
        .filter(|(s, i)| (s * 3 + i) % 8 != 2)
        .collect();
    let n = all.len();
    let subject: Vec<i32> = all.iter().map(|r| r.0 as i32).collect();
    let item: Vec<i32> = all.iter().map(|r| r.1 as i32).collect();
    let position: Vec<f64> = all.iter().map(|(s, i)| ((i + 2 * s) % ITEMS) as f64).collect();
    let x: Vec<f64> = numbers(n, 1).iter().map(|v| v + 0.5).collect();
    let (e, a, b) = (numbers(n, 2), numbers(SUBJECTS, 3), numbers(ITEMS, 4));
    let y = (0..n).map(|i| 3.0 + x[i] + e[i] + a[subject[i] as usize] + b[item[i] as usize]).collect();
    let of = BlockRows {
        subject: subject.clone(),
        position,
        d: 1,
        group: subject.iter().map(|s| s % 2).collect(),
        covariates: vec![
            (vec![0.0; n], item.iter().map(|i| f64::from(i % 2)).collect()),
            (x.iter().map(|x| x + 2.0).collect(), vec![0.0; n]),
        ],
    };
    Data { one: vec![1.0; n], x, y, subject, item, of }
}

/// All correlations; with a nugget, and with standard deviations of the levels.
const CORRELATIONS: [&str; 19] = [
    "independent",
    "ar1",
    "ar1 hom=False",
    "ad",
    "ad hom=False",
    "cs",
    "cs hom=False",
    "toep",
    "toep hom=False",
    "arma",
    "us",
    "us_hom",
    "car1",
    "exp",
    "exp nugget",
    "gau nugget",
    "rational_quadratic",
    "spherical",
    "linear nugget",
];

/// The two variance functions of a structure, with the number of strata.
type Variances = [(&'static str, usize); 2];

const BY_GROUP: Variances = [("by_group", 2), ("power", 1)];

/// All variance functions.
const VARIANCES: [Variances; 3] =
    [[("exponential", 2), ("const_power", 1)], [("const_power", 2), ("fixed", 1)], [("power", 2), ("exponential", 1)]];

fn structure_with(name: &str, groups: usize, variances: Variances) -> RowCovariance {
    let variances = variances
        .into_iter()
        .map(|(name, strata)| VarianceTerm { function: variance::named(name).unwrap(), strata })
        .collect();
    let (name, option) = name.split_once(' ').unwrap_or((name, ""));
    let orders = if name == "arma" { (1, 1) } else { (0, 0) };
    let options = Options { levels: ITEMS, most: ITEMS, nugget: option == "nugget", orders, ..Options::default() };
    let levels = (option == "hom=False").then_some(ITEMS);
    RowCovariance { correlation: correlation::named(name, &options).unwrap(), levels, groups, variances }
}

fn structure(name: &str, groups: usize) -> RowCovariance {
    structure_with(name, groups, BY_GROUP)
}

impl Data {
    /// Random lines of subjects and intercepts of items, as far as asked for.
    fn rows(&self, of_subjects: bool, of_items: bool) -> Rows<'_> {
        let mut factors = Vec::new();
        if of_subjects {
            let terms = vec![TermRows { z: vec![&self.one, &self.x], structure: named("unstructured").unwrap() }];
            factors.push(FactorRows { codes: &self.subject, members: None, n_levels: SUBJECTS, terms });
        }
        if of_items {
            let terms = vec![TermRows { z: vec![&self.one], structure: named("unstructured").unwrap() }];
            factors.push(FactorRows { codes: &self.item, members: None, n_levels: ITEMS, terms });
        }
        let x = vec![Column::from(&self.one), Column::from(&self.x)];
        Rows { x, y: &self.y, weights: None, factors }
    }
}

/// -2 log-likelihood or REML criterion by n x n algebra, from rows as they are.
fn dense(data: &Data, rows: &Rows<'_>, r: &RowCovariance, z: &[f64], theta: &[f64], reml: bool) -> f64 {
    let n = rows.n();
    let mut v = vec![0.0; n * n];
    for s in 0..SUBJECTS as i32 {
        let own: Vec<usize> = (0..n).filter(|&i| data.of.subject[i] == s).collect();
        let position: Vec<f64> = own.iter().map(|&i| data.of.position[i]).collect();
        let picked: Vec<(Vec<f64>, Vec<f64>)> = data
            .of
            .covariates
            .iter()
            .map(|(x, c)| (own.iter().map(|&i| x[i]).collect(), own.iter().map(|&i| c[i]).collect()))
            .collect();
        let covariates: Vec<Covariate<'_>> = picked.iter().map(|(x, c)| Covariate { x, stratum: c }).collect();
        let group = if r.groups > 1 { data.of.group[own[0]] as usize } else { 0 };
        let at = correlation::Positions { values: &position, d: 1 };
        let mut jet = Jet::default();
        r.matrix(z, &Subject { at, group, covariates: &covariates }, 0, &mut jet);
        for (a, &i) in own.iter().enumerate() {
            for (b, &j) in own.iter().enumerate() {
                v[i * n + j] = jet.value[a * own.len() + b];
            }
        }
    }
    let mut at = 0;
    for f in &rows.factors {
        let k = f.k();
        let mut lambda = vec![0.0; k * k];
        let n_theta = k * (k + 1) / 2;
        f.terms[0].structure.lambda(&theta[at..at + n_theta], k, &mut lambda);
        at += n_theta;
        for i in 0..n {
            for j in (0..n).filter(|&j| f.codes[i] == f.codes[j]) {
                for c in 0..k {
                    let of = |i: usize| (0..k).map(|a| f.terms[0].z[a][i] * lambda[a * k + c]).sum::<f64>();
                    v[i * n + j] += of(i) * of(j);
                }
            }
        }
    }
    assert!(crate::dense::kernels::cholesky::<0>(&mut v, n));
    let p = rows.x.len();
    let mut w = vec![0.0; n * (p + 1)];
    for i in 0..n {
        (0..p).for_each(|j| w[i * (p + 1) + j] = rows.x[j].at(i));
        w[i * (p + 1) + p] = rows.y[i];
    }
    crate::dense::kernels::forward::<0>(&v, n, &mut w, p + 1);
    let mut a = super::criterion::transposed_multiply(&w, &w, n, p + 1, p + 1);
    assert!(crate::dense::kernels::cholesky::<0>(&mut a, p + 1));
    let r2 = a[(p + 1) * (p + 1) - 1].powi(2);
    let log_det: f64 = (0..n).map(|i| 2.0 * v[i * n + i].ln()).sum();
    let log_det_x: f64 = (0..p).map(|i| 2.0 * a[i * (p + 1) + i].ln()).sum();
    let nu = (n - if reml { p } else { 0 }) as f64;
    let x = if reml { log_det_x } else { 0.0 };
    log_det + x + nu * (1.0 + (2.0 * std::f64::consts::PI * r2 / nu).ln())
}

const THETA: [f64; 4] = [0.9, 0.3, 0.6, 0.7];

fn theta(of_subjects: bool, of_items: bool) -> Vec<f64> {
    THETA[if of_subjects { 0 } else { 3 }..if of_items { 4 } else { 3 }].to_vec()
}

fn generic(n: usize) -> Vec<f64> {
    (0..n).map(|k| 0.4 * (1.7 * k as f64 + 0.6).sin() + 0.1).collect()
}

/// Calls `f` with every structure of R, for all subjects and by group, and with every variance
/// function: for gls, with local effects, with crossed ones and with both.
fn each(mut f: impl FnMut(&str, &Data, &Rows<'_>, &Correlated, &[f64], &[f64])) {
    let mut data = data();
    let n = data.y.len();
    let full = data.of.group.clone();
    let plain = CORRELATIONS.into_iter().flat_map(|name| [(name, 1, BY_GROUP), (name, 2, BY_GROUP)]);
    let others = VARIANCES.into_iter().map(|v| ("ar1", 1, v));
    for (name, groups, variances) in plain.chain(others).chain([("mat", 1, BY_GROUP)]) {
        data.of.group = if groups == 1 { vec![0; n] } else { full.clone() };
        // a covariate in every stratum, for the functions that have one
        let x = data.x.iter().map(|x| if variances == BY_GROUP { 0.0 } else { 1.5 - 0.5 * x });
        data.of.covariates[0].0 = x.collect();
        for (of_subjects, of_items) in [(false, false), (true, false), (false, true), (true, true)] {
            let rows = data.rows(of_subjects, of_items);
            let r = structure_with(name, groups, variances);
            let z = generic(r.n());
            let model = Correlated::new(&rows, r, &data.of, 1).unwrap();
            let what = format!("{name} by {groups} {variances:?} {of_subjects} {of_items}");
            f(&what, &data, &rows, &model, &theta(of_subjects, of_items), &z);
        }
    }
}

#[test]
fn the_criterion_is_that_of_dense_algebra() {
    each(|what, data, rows, model, theta, z| {
        let mut state = State::new(model);
        state.lambda = model.sys.lambda_from_theta(theta);
        for reml in [true, false] {
            let found = state.criterion(model, z, reml) + model.sys.constant(reml);
            let want = dense(data, rows, &model.r, z, theta, reml);
            assert!((found - want).abs() < 1e-10 * want.abs(), "{what} {reml}: {found} {want}");
        }
    });
}

/// The criterion, and the derivatives along the coordinates of a chart about `frames` and z, with
/// the bends of structured blocks left to the chart (there are none here).
fn gradient(
    model: &Correlated,
    state: &mut State,
    chart: &Chart<'_>,
    frames: &[Frame],
    x: &[f64],
    z: &[f64],
    reml: bool,
) -> (f64, Vec<f64>) {
    // lambda = U (S + D) has no frame of its own along the way: what is displaced is D itself
    let tangents = chart.tangents(frames);
    let mut lambda = model.sys.lambda_of(frames);
    let n = tangents.len();
    for ((block, d), x) in tangents.iter().zip(x) {
        let kf = model.sys.factors[block.factor].k;
        for i in 0..block.k {
            for j in 0..block.k {
                lambda[block.factor][(block.offset + i) * kf + block.offset + j] += x * d[i * block.k + j];
            }
        }
    }
    state.lambda = lambda;
    let moved: Vec<f64> = z.iter().zip(&x[n..]).map(|(z, x)| z + x).collect();
    let d = state.criterion(model, &moved, reml);
    let directions: Vec<Direction> =
        tangents.iter().map(|(block, small)| Direction::of_lambda(&model.sys, &state.lambda, *block, small)).collect();
    (d, state.derivatives(model, reml, &directions, Want::Gradient).gradient)
}

#[test]
fn derivatives_are_those_of_the_criterion() {
    each(|what, _, _, model, theta, z| {
        let chart = Chart::new(&model.sys);
        let frames = model.sys.frames_at(theta);
        let mut state = State::new(model);
        let n = chart.n() + z.len();
        for reml in [true, false] {
            let at = |state: &mut State, k: usize, h: f64| {
                let mut x = vec![0.0; n];
                x[k] = h;
                gradient(model, state, &chart, &frames, &x, z, reml)
            };
            let (_, g) = at(&mut state, 0, 0.0);
            let directions = Direction::of_chart(&model.sys, &chart, &frames);
            let exact = state.derivatives(model, reml, &directions, Want::Exact);
            let average = state.derivatives(model, reml, &directions, Want::Average);
            for k in 0..n {
                assert!((exact.gradient[k] - g[k]).abs() < 1e-11 * (1.0 + g[k].abs()));
                assert!((average.gradient[k] - g[k]).abs() < 1e-11 * (1.0 + g[k].abs()));
                let h = 1e-4;
                let [a, b, c, d] = [h, -h, 2.0 * h, -2.0 * h].map(|h| at(&mut state, k, h));
                let slope = |a: f64, b: f64, c: f64, d: f64| (8.0 * (a - b) - (c - d)) / (12.0 * h);
                let want = slope(a.0, b.0, c.0, d.0);
                // Matern's smoothness is differenced
                let most = if what.starts_with("mat") { 1e-5 } else { 1e-8 };
                assert!((g[k] - want).abs() < most * (1.0 + want.abs()), "{what} {reml} {k}: {} {want}", g[k]);
                for l in 0..n {
                    let want = slope(a.1[l], b.1[l], c.1[l], d.1[l]);
                    let found = exact.hessian[l * n + k];
                    assert!((found - want).abs() < most * (1.0 + want.abs()), "{what} {reml} {k} {l}: {found} {want}");
                }
            }
        }
    });
}

/// Structures of random effects that are not free.
const STRUCTURES: [&str; 11] = [
    "diagonal",
    "homogeneous_diagonal",
    "compound_symmetry",
    "homogeneous_compound_symmetry",
    "ar1",
    "heterogeneous_ar1",
    "toeplitz",
    "homogeneous_toeplitz",
    "exp:1:0,1",
    "gau:1:0,1",
    "mat:1:0,1",
];

/// Random effects with a structure of their own beside a structure of R: derivatives in the
/// parameters of both, along which the criterion is differenced.
#[test]
fn derivatives_of_structured_effects_beside_rows() {
    let mut data = data();
    data.of.group.fill(0);
    for name in STRUCTURES {
        for (of_subjects, of_items) in [(true, false), (true, true)] {
            let mut rows = data.rows(of_subjects, of_items);
            rows.factors[0].terms[0].structure = named(name).unwrap();
            let r = structure("ar1", 1);
            let z = generic(r.n());
            let model = Correlated::new(&rows, r, &data.of, 1).unwrap();
            let chart = Chart::new(&model.sys);
            let theta: Vec<f64> = (0..model.sys.n_theta).map(|k| 0.8 - 0.15 * k as f64).collect();
            let frames = model.sys.frames_at(&theta);
            let n = chart.n() + z.len();
            let mut state = State::new(&model);
            for reml in [true, false] {
                let mut at = |x: &[f64], want: Want| {
                    let there = chart.moved(&frames, &x[..chart.n()]);
                    state.lambda = model.sys.lambda_of(&there);
                    let moved: Vec<f64> = z.iter().zip(&x[chart.n()..]).map(|(z, x)| z + x).collect();
                    let criterion = state.criterion(&model, &moved, reml);
                    let directions = Direction::of_chart(&model.sys, &chart, &there);
                    let mut d = state.derivatives(&model, reml, &directions, want);
                    if want == Want::Exact {
                        let gamma: Vec<Vec<f64>> = d
                            .psi
                            .iter()
                            .zip(&state.lambda)
                            .map(|(psi, l)| {
                                let k = psi.len().isqrt();
                                super::criterion::multiply(psi, l, k, k, k)
                            })
                            .collect();
                        chart.add_bends(&there, &gamma, n, &mut d.hessian);
                    }
                    (criterion, d)
                };
                let exact = at(&vec![0.0; n], Want::Exact).1;
                // coordinates of a free block are those of its own frame
                let free = if of_items { 1 } else { 0 };
                let first_free = chart.n() - free;
                for k in (0..n).filter(|k| !(first_free..chart.n()).contains(k)) {
                    let h = 1e-4;
                    let found = [h, -h, 2.0 * h, -2.0 * h].map(|h| {
                        let mut x = vec![0.0; n];
                        x[k] = h;
                        at(&x, Want::Gradient)
                    });
                    let slope = |f: &dyn Fn(usize) -> f64| (8.0 * (f(0) - f(1)) - (f(2) - f(3))) / (12.0 * h);
                    let want = slope(&|i| found[i].0);
                    let g = exact.gradient[k];
                    assert!((g - want).abs() < 1e-8 * (1.0 + want.abs()), "{name} {of_items} {reml} {k}: {g} {want}");
                    for l in (0..n).filter(|l| !(first_free..chart.n()).contains(l)) {
                        let want = slope(&|i| found[i].1.gradient[l]);
                        let h = exact.hessian[l * n + k];
                        // second derivatives of Lambda are differences
                        assert!((h - want).abs() < 1e-6 * (1.0 + want.abs()), "{name} {of_items} {k} {l}: {h} {want}");
                    }
                }
            }
        }
    }
}

#[test]
fn what_is_not_identified_is_named() {
    let mut data = data();
    data.of.group.fill(0);
    data.of.covariates.clear();
    let with = |name: &str| RowCovariance { variances: Vec::new(), ..structure(name, 1) };
    let constants = |rows: &mut Rows<'_>| rows.factors[0].terms[0].z.truncate(1);
    // a random intercept and compound symmetry of the same subject
    let mut rows = data.rows(true, false);
    constants(&mut rows);
    let found = Correlated::new(&rows, with("cs"), &data.of, 1).unwrap().not_identified(&[0.1]);
    assert_eq!(found, [0, 1, 2]);
    let found = Correlated::new(&rows, with("ar1"), &data.of, 1).unwrap().not_identified(&[0.1]);
    assert!(found.is_empty(), "{found:?}");
    let rows = data.rows(true, true);
    let found = Correlated::new(&rows, with("ar1"), &data.of, 1).unwrap().not_identified(&[0.1]);
    assert!(found.is_empty(), "{found:?}");
}
