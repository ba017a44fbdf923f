//! The block system against dense n x n algebra, for every layout of random terms.

use faer::{linalg::solvers::Solve, Mat, Side};
use ranef_core::basis::Basis;
use ranef_core::crossprod::Crossprod;
use ranef_core::layout::FactorSpec;
use ranef_core::linear::{search, Begin, Deletion, Evaluator, FitOptions, Score, Status, System};
use ranef_core::residual::Residual;
use ranef_core::rows::{Column, FactorRows, Rows, TermRows};
use ranef_core::structure::{named, Structure};
use std::sync::Arc;

/// A small linear congruential generator: the tests need variety, not quality.
struct Draws(u64);

impl Draws {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }
    fn below(&mut self, n: usize) -> i32 {
        (self.uniform() * n as f64) as i32
    }
}

/// One factor: codes, number of levels, and for each term its columns and structure.
type Factor = (Vec<i32>, usize, Vec<(Vec<Vec<f64>>, Arc<dyn Structure>)>);

struct Data {
    x: Vec<Vec<f64>>,
    y: Vec<f64>,
    weights: Option<Vec<f64>>,
    factors: Vec<Factor>,
}

impl Data {
    fn rows(&self) -> Rows<'_> {
        Rows {
            x: self.x.iter().map(Column::from).collect(),
            y: &self.y,
            weights: self.weights.as_deref(),
            factors: self
                .factors
                .iter()
                .map(|(codes, n_levels, terms)| FactorRows {
                    codes,
                    members: None,
                    n_levels: *n_levels,
                    terms: terms
                        .iter()
                        .map(|(z, s)| TermRows { z: z.iter().map(Vec::as_slice).collect(), structure: s.clone() })
                        .collect(),
                })
                .collect(),
        }
    }

    /// -2 log-likelihood or REML criterion at theta by n x n algebra.
    fn dense_criterion(&self, theta: &[f64], reml: bool) -> f64 {
        self.criterion_with_residual(theta, reml, |i, j| {
            if i == j {
                self.weights.as_ref().map_or(1.0, |w| 1.0 / w[i])
            } else {
                0.0
            }
        })
    }

    /// The same with the covariance `r` of the rows given the random effects.
    fn criterion_with_residual(&self, theta: &[f64], reml: bool, r: impl Fn(usize, usize) -> f64) -> f64 {
        let n = self.y.len();
        let p = self.x.len();
        let mut v = Mat::<f64>::zeros(n, n);
        let mut at = 0;
        for (codes, _, terms) in &self.factors {
            for (z, s) in terms {
                let k = z.len();
                let m = s.n_theta(k);
                let mut lambda = vec![0.0; k * k];
                s.lambda(&theta[at..at + m], k, &mut lambda);
                at += m;
                for a in 0..n {
                    for b in 0..n {
                        if codes[a] == codes[b] {
                            for c in 0..k {
                                let left: f64 = (0..k).map(|i| z[i][a] * lambda[i * k + c]).sum();
                                let right: f64 = (0..k).map(|i| z[i][b] * lambda[i * k + c]).sum();
                                v[(a, b)] += left * right;
                            }
                        }
                    }
                }
            }
        }
        for i in 0..n {
            for j in 0..n {
                v[(i, j)] += r(i, j);
            }
        }
        let l = v.llt(Side::Lower).unwrap();
        let x = Mat::from_fn(n, p, |i, j| self.x[j][i]);
        let y = Mat::from_fn(n, 1, |i, _| self.y[i]);
        let vx = l.solve(&x);
        let vy = l.solve(&y);
        let c = (x.transpose() * &vx).llt(Side::Lower).unwrap();
        let beta = c.solve(x.transpose() * &vy);
        let e = &y - &x * &beta;
        let r2 = (e.transpose() * l.solve(&e))[(0, 0)];
        let log_det: f64 = (0..n).map(|i| 2.0 * l.L()[(i, i)].ln()).sum();
        let log_det_x: f64 = (0..p).map(|i| 2.0 * c.L()[(i, i)].ln()).sum();
        let nu = (n - if reml { p } else { 0 }) as f64;
        log_det + if reml { log_det_x } else { 0.0 } + nu * (1.0 + (2.0 * std::f64::consts::PI * r2 / nu).ln())
    }
}

fn columns(d: &mut Draws, n: usize, k: usize) -> Vec<Vec<f64>> {
    (0..k).map(|j| (0..n).map(|_| if j == 0 { 1.0 } else { 3.0 + d.normal() }).collect()).collect()
}

/// The layouts: name and data.
fn layouts() -> Vec<(&'static str, Data)> {
    let mut d = Draws(7);
    let n = 90;
    let us = || named("unstructured").unwrap();
    let mut out: Vec<(&'static str, Data)> = Vec::new();
    let mut add = |d: &mut Draws, name, factors: Vec<Factor>, weighted: bool| {
        let x = columns(d, n, 3);
        let mut y: Vec<f64> = (0..n).map(|i| 5.0 + x[1][i] + d.normal()).collect();
        for (codes, m, _) in &factors {
            let b: Vec<f64> = (0..*m).map(|_| d.normal()).collect();
            (0..n).for_each(|i| y[i] += b[codes[i] as usize]);
        }
        let weights = weighted.then(|| (0..n).map(|_| 0.5 + d.uniform()).collect());
        out.push((name, Data { x, y, weights, factors }));
    };
    let code =
        |d: &mut Draws, m: usize| -> Vec<i32> { (0..n).map(|i| if i < m { i as i32 } else { d.below(m) }).collect() };
    for k in 1..=5 {
        let f = vec![(code(&mut d, 12), 12, vec![(columns(&mut d, n, k), us())])];
        add(&mut d, ["scalar", "two", "three", "four", "five"][k - 1], f, k % 2 == 0);
    }
    let leaf = code(&mut d, 20);
    let mid: Vec<i32> = leaf.iter().map(|l| l / 3).collect();
    let top: Vec<i32> = mid.iter().map(|l| l / 4).collect();
    let one = |d: &mut Draws| vec![(columns(d, n, 1), us())];
    let f = vec![
        (leaf.clone(), 20, vec![(columns(&mut d, n, 2), us())]),
        (mid.clone(), 7, one(&mut d)),
        (top.clone(), 2, one(&mut d)),
    ];
    add(&mut d, "nested", f, false);
    let f = vec![(code(&mut d, 14), 14, vec![(columns(&mut d, n, 2), us())]), (code(&mut d, 9), 9, one(&mut d))];
    add(&mut d, "crossed", f, true);
    let f =
        vec![(leaf, 20, one(&mut d)), (mid, 7, one(&mut d)), (code(&mut d, 6), 6, vec![(columns(&mut d, n, 3), us())])];
    add(&mut d, "nested within crossed", f, false);
    let f =
        vec![(code(&mut d, 30), 30, one(&mut d)), (code(&mut d, 8), 8, one(&mut d)), (code(&mut d, 5), 5, one(&mut d))];
    add(&mut d, "three crossed", f, false);
    let slope = columns(&mut d, n, 2).split_off(1);
    let f = vec![(code(&mut d, 10), 10, vec![(columns(&mut d, n, 1), us()), (slope, us())])];
    add(&mut d, "repeated factor", f, false);
    let f = vec![
        (code(&mut d, 10), 10, vec![(columns(&mut d, n, 3), named("diagonal").unwrap())]),
        (code(&mut d, 40), 40, one(&mut d)),
    ];
    add(&mut d, "diagonal", f, true);
    // levels seen once beside levels seen often
    let rare: Vec<i32> = (0..n).map(|i| if i < 40 { i as i32 } else { 40 + (i % 3) as i32 }).collect();
    let f = vec![
        (rare, 43, vec![(columns(&mut d, n, 2), us())]),
        (code(&mut d, 11), 11, vec![(columns(&mut d, n, 2), us())]),
    ];
    add(&mut d, "rare levels", f, false);
    out
}

fn thetas(sys: &System) -> Vec<Vec<f64>> {
    let mut d = Draws(3);
    let free: Vec<f64> = (0..sys.n_theta).map(|_| 0.2 + d.uniform()).collect();
    let mut singular = free.clone();
    let last = sys.n_theta - 1;
    singular[last] = 0.0;
    vec![free, singular, vec![0.0; sys.n_theta]]
}

#[test]
fn criterion_equals_dense_algebra() {
    for (name, data) in layouts() {
        let sys = System::new(&data.rows(), 1).unwrap();
        let mut e = Evaluator::new(&sys, 1);
        for theta in thetas(&sys) {
            for reml in [true, false] {
                e.lambda = sys.lambda_from_theta(&theta);
                let got = e.criterion(&sys, reml).unwrap() + sys.constant(reml);
                let want = data.dense_criterion(&theta, reml);
                assert!((got - want).abs() < 1e-9 * want.abs(), "{name} {reml}: {got} {want}");
            }
        }
    }
}

/// Rows of one subject are equally correlated; subjects are runs of `size` rows.
struct Exchangeable {
    n: usize,
    size: usize,
}

impl Exchangeable {
    /// Factor of the covariance of a subject with `m` rows.
    fn factor(&self, rho: f64, m: usize) -> Mat<f64> {
        let c = Mat::from_fn(m, m, |i, j| if i == j { 1.0 } else { rho });
        c.llt(Side::Lower).unwrap().L().to_owned()
    }
}

impl Residual for Exchangeable {
    fn n_rho(&self) -> usize {
        1
    }

    fn end(&self, start: usize, most: usize) -> usize {
        (start + (most / self.size).max(1) * self.size).min(self.n)
    }

    fn whiten(&self, rho: &[f64], range: std::ops::Range<usize>, width: usize, rows: &mut [f64]) {
        for (s, part) in rows[..range.len() * width].chunks_mut(self.size * width).enumerate() {
            let m = part.len() / width;
            assert_eq!((range.start + s * self.size) % self.size, 0);
            let l = self.factor(rho[0], m);
            for i in 0..m {
                for c in 0..width {
                    let before: f64 = (0..i).map(|j| l[(i, j)] * part[j * width + c]).sum();
                    part[i * width + c] = (part[i * width + c] - before) / l[(i, i)];
                }
            }
        }
    }

    fn colour(&self, _: &[f64], _: std::ops::Range<usize>, _: usize, _: &mut [f64]) {
        unimplemented!("nothing is drawn here")
    }

    fn log_det(&self, rho: &[f64], range: std::ops::Range<usize>) -> f64 {
        let l = |m: usize| {
            let l = self.factor(rho[0], m);
            (0..m).map(|i| 2.0 * l[(i, i)].ln()).sum::<f64>()
        };
        let (whole, rest) = (range.len() / self.size, range.len() % self.size);
        whole as f64 * l(self.size) + if rest > 0 { l(rest) } else { 0.0 }
    }
}

#[test]
fn correlated_rows_give_the_criterion_of_dense_algebra() {
    for (size, rho) in [(1, 0.5), (7, 0.4), (7, -0.1), (90, 0.3)] {
        for (name, mut data) in layouts() {
            data.weights = None;
            let n = data.y.len();
            // a subject lies within one level of each factor
            for (codes, ..) in &mut data.factors {
                *codes = (0..n).map(|i| codes[i / size * size]).collect();
            }
            let residual = Exchangeable { n, size };
            let rows = data.rows();
            let basis = Basis::from_rows(&rows);
            let cp = Crossprod::whitened(&rows, &basis, (&residual, &[rho]), 1);
            let specs: Vec<FactorSpec> = rows.factors.iter().map(FactorSpec::of).collect();
            let sys = System::of_products(cp, basis, &specs).unwrap();
            let mut e = Evaluator::new(&sys, 1);
            let covariance = |i: usize, j: usize| match (i == j, i / size == j / size) {
                (true, _) => 1.0,
                (_, true) => rho,
                _ => 0.0,
            };
            for theta in thetas(&sys) {
                for reml in [true, false] {
                    e.lambda = sys.lambda_from_theta(&theta);
                    let got = e.criterion(&sys, reml).unwrap() + sys.constant(reml);
                    let want = data.criterion_with_residual(&theta, reml, covariance);
                    assert!((got - want).abs() < 1e-9 * want.abs(), "{name} {size} {rho} {reml}: {got} {want}");
                }
            }
        }
    }
}

#[test]
fn gradient_equals_differences_of_dense_criterion() {
    for (name, data) in layouts() {
        let sys = System::new(&data.rows(), 1).unwrap();
        let mut e = Evaluator::new(&sys, 1);
        let mut score = Score::new(&sys);
        for theta in thetas(&sys).into_iter().take(2) {
            for reml in [true, false] {
                let got = e.evaluation(&sys, &theta, reml, &mut score).unwrap().gradient;
                for (j, g) in got.iter().enumerate() {
                    let at = |h: f64| {
                        let mut t = theta.clone();
                        t[j] += h;
                        data.dense_criterion(&t, reml)
                    };
                    let h = 1e-4;
                    let want = (8.0 * (at(h) - at(-h)) - (at(2.0 * h) - at(-2.0 * h))) / (12.0 * h);
                    assert!((g - want).abs() < 1e-6 * (1.0 + want.abs()), "{name} theta[{j}]: {g} {want}");
                }
            }
        }
    }
}

#[test]
fn fit_ends_at_a_point_that_no_small_change_improves() {
    for (name, data) in layouts() {
        for reml in [true, false] {
            let sys = System::new(&data.rows(), 1).unwrap();
            let mut e = Evaluator::new(&sys, 1);
            let mut score = Score::new(&sys);
            let options = FitOptions { reml, max_evaluations: 500, tolerance: 1e-10 };
            let f = search(&sys, &mut e, &mut score, Begin::Anywhere, options, &mut |_, _| true).unwrap().fit;
            assert_eq!(f.status, Status::Converged, "{name}");
            let s = e.solution(&sys, reml, &score);
            let best = data.dense_criterion(&s.theta, reml);
            let said = if reml { s.reml_criterion } else { s.ml_deviance };
            assert!((best - said).abs() < 1e-9 * best.abs(), "{name}: {best} {said}");
            for j in 0..sys.n_theta {
                for h in [1e-3, -1e-3, 1e-2, -1e-2] {
                    let mut t = s.theta.clone();
                    t[j] += h;
                    let near = data.dense_criterion(&t, reml);
                    assert!(near > best - 2e-8, "{name} theta[{j}] {h}: {near} < {best}");
                }
            }
        }
    }
}

#[test]
fn chunks_merge_to_the_sums_of_all_rows() {
    for (name, data) in layouts() {
        let rows = data.rows();
        let basis = Basis::from_rows(&rows);
        let whole = Crossprod::of_chunk(&rows, &basis, (&rows.independent(), &[]), 0..90).finish();
        let parts =
            [0..7, 7..8, 8..50, 50..90].map(|r| Crossprod::of_chunk(&rows, &basis, (&rows.independent(), &[]), r));
        let merged = parts.into_iter().reduce(Crossprod::merge).unwrap().finish();
        assert_eq!(whole.n, merged.n);
        let close = |a: &[f64], b: &[f64]| {
            assert_eq!(a.len(), b.len());
            let size = a.iter().fold(1.0f64, |m, v| m.max(v.abs()));
            a.iter().zip(b).for_each(|(x, y)| assert!((x - y).abs() < 1e-13 * size, "{name}: {x} {y}"));
        };
        close(&whole.wtw, &merged.wtw);
        whole.gram.levels.iter().zip(&merged.gram.levels).for_each(|(a, b)| close(a, b));
        whole.ztw.iter().zip(&merged.ztw).for_each(|(a, b)| close(a, b));
        for (a, b) in whole.gram.cells.iter().zip(&merged.gram.cells) {
            assert_eq!((&a.start, &a.level), (&b.start, &b.level));
            close(&a.value, &b.value);
        }
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    // crossed factors large enough for the dense part to be worked on in parallel
    let mut d = Draws(11);
    let n = 12_000;
    let (a, b) = (900, 400);
    let first: Vec<i32> = (0..n).map(|i| if i < a { i as i32 } else { d.below(a) }).collect();
    let second: Vec<i32> = (0..n).map(|i| if i < b { i as i32 } else { d.below(b) }).collect();
    let ones = vec![vec![1.0; n]];
    let x = columns(&mut d, n, 2);
    let y: Vec<f64> =
        (0..n).map(|i| x[1][i] + f64::from(first[i] % 7) + f64::from(second[i] % 5) + d.normal()).collect();
    let us = || named("unstructured").unwrap();
    let data = Data {
        x,
        y,
        weights: None,
        factors: vec![(first, a, vec![(ones.clone(), us())]), (second, b, vec![(ones, us())])],
    };
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let sys = System::new(&data.rows(), threads).unwrap();
            let mut e = Evaluator::new(&sys, threads);
            let mut score = Score::new(&sys);
            let options = FitOptions { reml: true, max_evaluations: 100, tolerance: 1e-10 };
            search(&sys, &mut e, &mut score, Begin::Anywhere, options, &mut |_, _| true).unwrap();
            e.solution(&sys, true, &score)
        })
    };
    let (one, two) = (run(1), run(2));
    assert_eq!(one.theta, two.theta);
    assert_eq!(one.beta, two.beta);
    assert_eq!(one.reml_criterion.to_bits(), two.reml_criterion.to_bits());
}

#[test]
fn parts_of_the_inverse_are_those_of_the_dense_inverse() {
    let mut d = Draws(77);
    for (name, data) in layouts() {
        let sys = System::new(&data.rows(), 1).unwrap();
        let (mut e, mut score) = (Evaluator::new(&sys, 1), Score::new(&sys));
        let theta: Vec<f64> = (0..sys.n_theta).map(|_| 0.3 + d.uniform()).collect();
        let (q, p) = (sys.q(), sys.p());
        let mut deletion = Deletion::at(&sys, &mut e, &theta).unwrap();
        let all: Vec<usize> = (0..q).collect();
        let whole = deletion.inverse_parts(&[0, q], &all);
        let some: Vec<usize> = (0..q).filter(|_| d.uniform() < 0.3).collect();
        let m = some.len();
        let parts = deletion.inverse_parts(&[0, m, m + 1], &[&some[..], &[q - 1]].concat());
        let coefficients = deletion.coefficients(&mut score);
        // M v for the columns of the inverse found, in the order of factors, levels and effects
        let mut order = vec![0; q];
        let mut next = 0;
        for (f, size) in sys.factors.iter().enumerate() {
            for l in 0..size.n_levels {
                (0..size.k).for_each(|i| order[next + i] = sys.first_row(f, l) + i);
                next += size.k;
            }
        }
        let mut v = vec![0.0; q * q];
        (0..q * q).for_each(|t| v[order[t / q] * q + t % q] = whole[t]);
        let (mut lv, mut zzlv, mut out) = (vec![0.0; q * q], vec![0.0; q * q], vec![0.0; q * q]);
        sys.lambda_times(&e.lambda, &v, q, &mut lv);
        sys.ztz_times(&lv, q, &mut zzlv);
        sys.lambda_transposed_times(&e.lambda, &zzlv, q, &mut out);
        for i in 0..q {
            for j in 0..q {
                let found = out[order[i] * q + j] + v[order[i] * q + j];
                assert!((found - f64::from(u8::from(i == j))).abs() < 1e-9, "{name} {i} {j}: {found}");
            }
        }
        for a in 0..m {
            for b in 0..m {
                assert!((parts[a * m + b] - whole[some[a] * q + some[b]]).abs() < 1e-10, "{name}");
            }
        }
        assert!((parts[m * m] - whole[q * q - 1]).abs() < 1e-10, "{name}");
        assert_eq!(coefficients.len(), q * p);
    }
}
