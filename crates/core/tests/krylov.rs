//! The iterative solver against the exact one, and against dense matrices.

use ranef_core::krylov::{fit, Crossed, CrossedOptions, Signs};
use ranef_core::linear::{search, Begin, Evaluator, FitOptions, Score, Status, System};
use ranef_core::rng::Rng;
use ranef_core::rows::{FactorRows, Rows, TermRows};
use ranef_core::structure;
use ranef_core::watch::Nobody;

struct Data {
    x: Vec<f64>,
    y: Vec<f64>,
    weights: Option<Vec<f64>>,
    /// Effects of the rows: ones, one of integers, one of any numbers.
    effects: [Vec<f64>; 3],
    codes: Vec<Vec<i32>>,
    levels: Vec<usize>,
    /// Effects of the terms of each factor, and their structures.
    terms: Vec<Vec<(Vec<usize>, &'static str)>>,
}

/// Rows of random pairs of levels, with these standard deviations; `clusters` makes pairs of the
/// same cluster of levels more likely.
fn data(n: usize, levels: &[usize], sd: &[f64], seed: u64, weighted: bool, clusters: usize) -> Data {
    let mut rng = Rng::of(seed, 0);
    let effects: Vec<Vec<f64>> =
        levels.iter().zip(sd).map(|(&m, s)| (0..m).map(|_| s * rng.normal()).collect()).collect();
    let mut codes = vec![Vec::new(); levels.len()];
    let (mut x, mut y) = (Vec::new(), Vec::new());
    let mut weights = Vec::new();
    for i in 0..n {
        let cluster = rng.below(clusters);
        let within = clusters > 1 && rng.uniform() < 0.7;
        let mut v = 3.0;
        for (f, &m) in levels.iter().enumerate() {
            let c = if i < m {
                i
            } else if within {
                let size = m / clusters;
                cluster * size + rng.below(size)
            } else {
                rng.below(m)
            };
            codes[f].push(c as i32);
            v += effects[f][c];
        }
        let w = if weighted { 0.5 + rng.uniform() } else { 1.0 };
        x.push(rng.normal() + 10.0);
        y.push(v + 0.5 * x[i] + rng.normal() / w.sqrt());
        weights.push(w);
    }
    let years = (0..n).map(|_| rng.below(20) as f64 - 5.0).collect();
    let effects = [vec![1.0; n], years, x.iter().map(|x| x - 10.0).collect()];
    let terms = vec![vec![(vec![0], "unstructured")]; levels.len()];
    Data { x, y, effects, weights: weighted.then_some(weights), codes, levels: levels.to_vec(), terms }
}

/// The same with other terms: adds effects of standard deviation 0.4 of each slope.
fn with_slopes(mut d: Data, terms: Vec<Vec<(Vec<usize>, &'static str)>>, seed: u64) -> Data {
    let mut rng = Rng::of(seed, 1);
    let scales = [1.0, 6.0, 1.0];
    for (f, terms) in terms.iter().enumerate() {
        for (columns, _) in terms {
            for &c in columns.iter().filter(|&&c| c > 0) {
                let slopes: Vec<f64> = (0..d.levels[f]).map(|_| 0.4 * rng.normal()).collect();
                let mean = d.effects[c].iter().sum::<f64>() / d.y.len() as f64;
                for (i, y) in d.y.iter_mut().enumerate() {
                    *y += slopes[d.codes[f][i] as usize] * (d.effects[c][i] - mean) / scales[c];
                }
            }
        }
    }
    Data { terms, ..d }
}

impl Data {
    fn rows(&self) -> Rows<'_> {
        let mut factors = Vec::new();
        for ((codes, &n_levels), terms) in self.codes.iter().zip(&self.levels).zip(&self.terms) {
            let term = |(columns, name): &(Vec<usize>, &str)| TermRows {
                z: columns.iter().map(|&c| &self.effects[c][..]).collect(),
                structure: structure::named(name).unwrap(),
            };
            factors.push(FactorRows { codes, members: None, n_levels, terms: terms.iter().map(term).collect() });
        }
        let x = vec![(&self.effects[0]).into(), (&self.x).into()];
        Rows { x, y: &self.y, weights: self.weights.as_deref(), factors }
    }
}

fn exact(rows: &Rows<'_>, theta: &[f64], reml: bool) -> (f64, Vec<f64>) {
    let sys = System::new(rows, 1).unwrap();
    let (mut e, mut score) = (Evaluator::new(&sys, 1), Score::new(&sys));
    let v = e.evaluation(&sys, theta, reml, &mut score).unwrap();
    (v.objective, v.gradient)
}

fn sampled(model: &Crossed, theta: &[f64], reml: bool, probes: usize, seed: u64) -> (f64, f64, Vec<f64>, Vec<f64>) {
    let lambda = model.layout().lambda_from_theta(theta);
    let at = model.evaluate(&lambda, reml, probes, Signs { seed }, &Nobody).unwrap();
    let of_theta = |gamma: &Vec<Vec<f64>>| -> Vec<f64> {
        model.layout().pull_back(theta, gamma).into_iter().map(|g| 2.0 * g).collect()
    };
    let error = at.covariance(of_theta);
    let m = theta.len();
    let errors = (0..m).map(|f| error[f * m + f].sqrt()).collect();
    (at.criterion + model.constant(reml), at.error(), of_theta(&at.score.gamma), errors)
}

/// Slopes on both factors, two terms on one, a third factor with few levels.
fn terms_with_slopes() -> Vec<Vec<(Vec<usize>, &'static str)>> {
    vec![
        vec![(vec![0, 1], "unstructured"), (vec![2], "unstructured")],
        vec![(vec![0, 1, 2], "unstructured")],
        vec![(vec![0, 2], "diagonal")],
    ]
}

#[test]
fn few_levels_leave_nothing_to_sample() {
    for weighted in [false, true] {
        let d = data(900, &[40, 30, 12], &[0.7, 0.5, 0.3], 1, weighted, 1);
        let rows = d.rows();
        let model = Crossed::new(&rows, 1).unwrap();
        for theta in [[0.6, 0.5, 0.2], [0.05, 3.0, 0.0], [0.0, 0.4, 0.3]] {
            for reml in [true, false] {
                let (value, gradient) = exact(&rows, &theta, reml);
                let (v, error, g, _) = sampled(&model, &theta, reml, 4, 1);
                assert!((v - value).abs() < 1e-8 * value.abs(), "{v} {value}");
                assert!(error < 1e-8);
                for (a, b) in g.iter().zip(&gradient) {
                    assert!((a - b).abs() < 1e-5 * (1.0 + b.abs()), "{theta:?} {g:?} {gradient:?}");
                }
            }
        }
    }
}

#[test]
fn slopes_and_several_terms() {
    for weighted in [false, true] {
        let d = with_slopes(data(1500, &[60, 40, 12], &[0.7, 0.5, 0.3], 1, weighted, 1), terms_with_slopes(), 7);
        let rows = d.rows();
        let model = Crossed::new(&rows, 1).unwrap();
        let n = model.layout().n_theta;
        assert_eq!(n, 3 + 1 + 6 + 2);
        let whole: Vec<f64> = (0..n).map(|i| 0.5 - 0.06 * i as f64).collect();
        // singular: a correlation of one, and a term without variance
        let mut singular = whole.clone();
        (singular[2], singular[3], singular[9]) = (0.0, 0.0, 0.0);
        for theta in [whole, singular] {
            for reml in [true, false] {
                let (value, gradient) = exact(&rows, &theta, reml);
                let (v, _, g, _) = sampled(&model, &theta, reml, 4, 1);
                assert!((v - value).abs() < 1e-8 * value.abs(), "{v} {value}");
                for (a, b) in g.iter().zip(&gradient) {
                    assert!((a - b).abs() < 1e-6 * (1.0 + b.abs()), "{theta:?}\n{g:?}\n{gradient:?}");
                }
            }
        }
    }
}

/// Mean of the errors over many seeds, and the spread of errors in units of what is stated.
#[test]
fn errors_are_what_is_stated() {
    let cases = [
        (data(6000, &[300, 150], &[0.7, 0.5], 2, false, 1), vec![0.6, 0.5]),
        (data(4000, &[400, 200], &[0.7, 0.5], 3, true, 8), vec![0.9, 0.3]),
        (data(5000, &[250, 120, 80], &[0.7, 0.5, 0.4], 4, false, 1), vec![0.5, 0.8, 0.4]),
        (data(3000, &[500, 300, 14], &[0.7, 0.5, 0.4], 5, true, 5), vec![0.7, 0.6, 0.3]),
        (
            with_slopes(data(4000, &[200, 100, 80], &[0.7, 0.5, 0.3], 6, true, 1), terms_with_slopes(), 6),
            vec![0.6, 0.02, 0.4, 0.5, 0.5, -0.01, 0.1, 0.4, 0.2, 0.5, 0.3, 0.3],
        ),
    ];
    for (d, theta) in &cases {
        let rows = d.rows();
        let (value, gradient) = exact(&rows, theta, true);
        let model = Crossed::new(&rows, 1).unwrap();
        let (mut errors, mut ratios, mut inside) = (Vec::new(), Vec::new(), 0);
        let mut off = vec![Vec::new(); theta.len()];
        let mut ratio = vec![0.0; theta.len()];
        let seeds = 30;
        for seed in 0..seeds {
            let (v, error, g, stated) = sampled(&model, theta, true, 16, seed);
            errors.push(v - value);
            ratios.push((v - value) / error);
            inside += usize::from((v - value).abs() < 2.13 * error);
            for f in 0..theta.len() {
                off[f].push(g[f] - gradient[f]);
                ratio[f] += ((g[f] - gradient[f]) / stated[f]).powi(2) / seeds as f64;
            }
        }
        let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
        let sd = |v: &[f64]| (v.iter().map(|x| (x - mean(v)).powi(2)).sum::<f64>() / (v.len() - 1) as f64).sqrt();
        let z = mean(&errors) / (sd(&errors) / (seeds as f64).sqrt());
        let spread = mean(&ratios.iter().map(|r| r * r).collect::<Vec<_>>()).sqrt();
        println!("{theta:?}: sd {:.4} bias {z:.2} rms ratio {spread:.2} inside {inside}/{seeds}", sd(&errors));
        assert!(z.abs() < 3.5, "bias");
        assert!((0.75..1.45).contains(&spread), "spread {spread}");
        assert!(inside >= 25, "{inside}");
        for f in 0..theta.len() {
            if sd(&off[f]) < 1e-6 {
                // a factor with few levels is not sampled
                assert!(d.levels[f] <= 64 && mean(&off[f]).abs() < 1e-4);
                continue;
            }
            let z = mean(&off[f]) / (sd(&off[f]) / (seeds as f64).sqrt());
            println!(
                "   gradient {f}: {:.3} sd {:.4} bias {z:.2} rms ratio {:.2}",
                gradient[f],
                sd(&off[f]),
                ratio[f].sqrt()
            );
            assert!(z.abs() < 3.5, "bias of gradient {f}");
            assert!((0.75..1.45).contains(&ratio[f].sqrt()));
        }
    }
}

#[test]
fn the_same_bits_for_any_number_of_threads() {
    let d = data(30000, &[400, 200, 100], &[0.7, 0.5, 0.4], 4, true, 4);
    let rows = d.rows();
    let of = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| sampled(&Crossed::new(&rows, threads).unwrap(), &[0.5, 0.8, 0.4], true, 8, 3))
    };
    let one = of(1);
    assert!(one == of(2) && one == of(3));
}

fn options(reml: bool, probes: usize, seed: u64) -> CrossedOptions {
    CrossedOptions { fit: FitOptions { reml, max_evaluations: 200, tolerance: 1e-12 }, probes, signs: Signs { seed } }
}

#[test]
fn estimates_are_those_of_the_exact_solver() {
    let cases = [
        (data(6000, &[300, 150], &[0.7, 0.5], 2, false, 1), true),
        (data(5000, &[400, 200], &[0.7, 0.3], 3, true, 8), true),
        (data(5000, &[250, 120, 80], &[0.7, 0.5, 0.4], 4, false, 1), false),
        (data(3000, &[500, 300, 14], &[0.7, 0.5, 0.4], 5, true, 5), true),
        (data(4000, &[300, 200, 80], &[0.7, 0.5, 0.0], 8, false, 1), true),
        (data(4000, &[300, 200], &[0.0, 0.5], 9, false, 1), true),
        (with_slopes(data(5000, &[150, 80, 40], &[0.7, 0.5, 0.3], 6, true, 1), terms_with_slopes(), 6), true),
        (with_slopes(data(3000, &[100, 70, 10], &[0.7, 0.0, 0.3], 11, false, 1), terms_with_slopes(), 8), false),
    ];
    for (d, reml) in &cases {
        let rows = d.rows();
        let sys = System::new(&rows, 1).unwrap();
        let (mut e, mut score) = (Evaluator::new(&sys, 1), Score::new(&sys));
        let o = options(*reml, if d.terms[0].len() > 1 { 32 } else { 8 }, 1);
        let found = search(&sys, &mut e, &mut score, Begin::Anywhere, o.fit, &mut |_, _| true).unwrap();
        assert_eq!(found.fit.status, Status::Converged);
        let want = e.solution(&sys, *reml, &score);
        let model = Crossed::new(&rows, 1).unwrap();
        let got = fit(&model, None, None, o, &Nobody).unwrap();
        let objective = if *reml { want.reml_criterion } else { want.ml_deviance };
        let own = if *reml { got.solution.reml_criterion } else { got.solution.ml_deviance };
        println!(
            "{:?} {:?}: {:?} {:?} {} evaluations, sampling {:.4}, criterion {:.4} ({:.4}), probes {}, decrement {:.1e}",
            d.levels,
            got.status,
            want.theta,
            got.solution.theta,
            got.evaluations,
            got.sampling,
            own - objective,
            got.error,
            got.probes.len(),
            got.decrement
        );
        assert_eq!(got.status, Status::Converged);
        assert!(got.sampling <= 0.02);
        assert!((own - objective).abs() < 4.0 * got.error + 1e-6);
        // a direction of nearly no variance may be without any within the error of the probes, and
        // its effects then differ by what they vary
        let mut near = 2e-3;
        for (own, exact) in got.frames.iter().zip(&found.fit.frames) {
            let zero = |f: &ranef_core::linear::Frame, below: f64| f.s.iter().filter(|s| **s <= below).count();
            assert!((zero(exact, 0.0)..=zero(exact, 0.02)).contains(&zero(own, 0.0)), "{:?} {:?}", own.s, exact.s);
            near = if zero(own, 0.0) == zero(exact, 0.0) { near } else { 2e-2 };
        }
        // standard errors by differences of the exact gradient
        let intercepts = got.solution.theta.len() == d.levels.len();
        let m = d.levels.len();
        for f in (0..m).filter(|_| intercepts).filter(|&f| want.theta[f] > 0.0) {
            let mut there = want.theta.clone();
            there[f] += 1e-3;
            let curvature = exact(&rows, &there, *reml).1[f] / 1e-3;
            let se = (2.0 / curvature).sqrt();
            assert!(
                (want.theta[f] - got.solution.theta[f]).abs() < 0.05 * se,
                "{} of {se}",
                want.theta[f] - got.solution.theta[f]
            );
        }
        for i in 0..2 {
            let se = (want.vcov[i * 3] * want.sigma2).sqrt();
            assert!((want.beta[i] - got.solution.beta[i]).abs() < 0.02 * se);
            let own = (got.solution.vcov[i * 3] * got.solution.sigma2).sqrt();
            assert!((own / se - 1.0).abs() < 2e-3);
        }
        for (a, b) in want.b.iter().flatten().zip(got.solution.b.iter().flatten()) {
            assert!((a - b).abs() < near, "{a} {b}");
        }
    }
}
