//! Models without random terms: least squares and generalized linear models, from rows and from
//! cross-products alone.

use super::glmm_data::{self, Data, Draws};
use faer::{linalg::solvers::Solve, Mat, Side};
use ranef_core::basis::Basis;
use ranef_core::crossprod::Crossprod;
use ranef_core::families::{find, Batch, Derivatives, Link};
use ranef_core::generalized::{self, Approximation, Curvature, GlmmSystem, Modes};
use ranef_core::layout::FactorSpec;
use ranef_core::linear::{
    kenward_roger, satterthwaite, search, At, Begin, Deletion, Evaluator, FitOptions, Score, Solution, Status, System,
};
use ranef_core::rows::{Column, FactorRows, Rows, TermRows};
use ranef_core::structure::named;

const N: usize = 60;

fn close(a: f64, b: f64, tolerance: f64, what: &str) {
    assert!((a - b).abs() <= tolerance * (1.0 + b.abs()), "{what}: {a} {b}");
}

fn columns(d: &mut Draws) -> Vec<Vec<f64>> {
    let x: Vec<f64> = (0..N).map(|_| 40.0 + 3.0 * d.normal()).collect();
    vec![vec![1.0; N], x]
}

fn fitted(sys: &System, reml: bool) -> (Status, Solution) {
    let (mut e, mut score) = (Evaluator::new(sys, 1), Score::new(sys));
    let options = FitOptions { reml, max_evaluations: 100, tolerance: 1e-10 };
    let f = search(sys, &mut e, &mut score, Begin::Anywhere, options, &mut |_, _| true).unwrap().fit;
    (f.status, e.solution(sys, reml, &score))
}

/// X'WX, X'Wy of the columns as given.
fn normal_equations(x: &[Vec<f64>], w: &[f64], y: &[f64]) -> (Mat<f64>, Mat<f64>) {
    let p = x.len();
    let sum = |a: &[f64], b: &[f64]| (0..N).map(|i| w[i] * a[i] * b[i]).sum::<f64>();
    (Mat::from_fn(p, p, |i, j| sum(&x[i], &x[j])), Mat::from_fn(p, 1, |i, _| sum(&x[i], y)))
}

#[test]
fn linear_model_is_least_squares() {
    let mut d = Draws(7);
    let x = columns(&mut d);
    let weights: Vec<f64> = (0..N).map(|_| 0.5 + d.uniform()).collect();
    let y: Vec<f64> = (0..N).map(|i| 2.0 + 0.3 * x[1][i] + d.normal()).collect();
    let rows = Rows { x: x.iter().map(Column::from).collect(), y: &y, weights: Some(&weights), factors: Vec::new() };
    let sys = System::new(&rows, 1).unwrap();
    let basis = Basis::from_rows(&rows);
    let from_products = System::of_products(Crossprod::of(&rows, &basis, 1), basis, &[]).unwrap();
    let (a, b) = normal_equations(&x, &weights, &y);
    let llt = a.llt(Side::Lower).unwrap();
    let beta = llt.solve(&b);
    let rss: f64 = (0..N).map(|i| weights[i] * (y[i] - beta[(0, 0)] - beta[(1, 0)] * x[1][i]).powi(2)).sum();
    let inverse = llt.solve(Mat::<f64>::identity(2, 2));
    let log_det = (a[(0, 0)] * a[(1, 1)] - a[(0, 1)] * a[(1, 0)]).ln();
    let log_w: f64 = weights.iter().map(|w| w.ln()).sum();
    for (sys, reml) in [(&sys, true), (&sys, false), (&from_products, true), (&from_products, false)] {
        let (status, s) = fitted(sys, reml);
        assert_eq!(status, Status::Converged);
        assert!(s.theta.is_empty() && s.u.is_empty() && s.b.is_empty());
        (0..2).for_each(|i| close(s.beta[i], beta[(i, 0)], 1e-9, "a coefficient"));
        let nu = if reml { N as f64 - 2.0 } else { N as f64 };
        close(s.sigma2, rss / nu, 1e-10, "sigma2");
        (0..4).for_each(|t| close(s.vcov[t], inverse[(t / 2, t % 2)], 1e-8, "(X'WX)^-1"));
        let ml = N as f64 * (1.0 + (2.0 * std::f64::consts::PI * rss / N as f64).ln()) - log_w;
        close(s.ml_deviance, ml, 1e-10, "deviance");
        let m = N as f64 - 2.0;
        let of_reml = m * (1.0 + (2.0 * std::f64::consts::PI * rss / m).ln()) - log_w + log_det;
        close(s.reml_criterion, of_reml, 1e-10, "REML criterion");
    }
}

#[test]
fn cross_products_alone_give_the_same_fit() {
    let mut d = Draws(11);
    let x = columns(&mut d);
    let codes: Vec<i32> = (0..N).map(|i| (i % 9) as i32).collect();
    let shift: Vec<f64> = (0..9).map(|_| d.normal()).collect();
    let y: Vec<f64> = (0..N).map(|i| 1.0 + 0.1 * x[1][i] + shift[codes[i] as usize] + 0.5 * d.normal()).collect();
    let term = TermRows { z: vec![&x[0], &x[1]], structure: named("unstructured").unwrap() };
    let factors = vec![FactorRows { codes: &codes, members: None, n_levels: 9, terms: vec![term] }];
    let rows = Rows { x: x.iter().map(Column::from).collect(), y: &y, weights: None, factors };
    let whole = System::new(&rows, 1).unwrap();
    let basis = Basis::from_rows(&rows);
    // as chunks of a stream would be
    let cp = [0..13, 13..40, 40..N]
        .map(|r| Crossprod::of_chunk(&rows, &basis, (&rows.independent(), &[]), r))
        .into_iter()
        .reduce(Crossprod::merge)
        .unwrap()
        .finish();
    let specs: Vec<FactorSpec> = rows.factors.iter().map(FactorSpec::of).collect();
    let streamed = System::of_products(cp, basis, &specs).unwrap();
    let ((_, a), (_, b)) = (fitted(&whole, true), fitted(&streamed, true));
    close(a.reml_criterion, b.reml_criterion, 1e-11, "criterion");
    a.theta.iter().zip(&b.theta).for_each(|(a, b)| close(*a, *b, 1e-6, "theta"));
    a.beta.iter().zip(&b.beta).for_each(|(a, b)| close(*a, *b, 1e-8, "beta"));
}

#[test]
fn dependent_columns_are_left_out_without_rows() {
    let mut d = Draws(3);
    let mut x = columns(&mut d);
    x.push(x[1].iter().map(|v| 2.0 * v - 1.0).collect());
    let y: Vec<f64> = (0..N).map(|_| d.normal()).collect();
    let rows = Rows { x: x.iter().map(Column::from).collect(), y: &y, weights: None, factors: Vec::new() };
    assert_eq!(System::new(&rows, 1).unwrap().p(), 2);
    let basis = Basis::from_rows(&rows);
    let streamed = System::of_products(Crossprod::of(&rows, &basis, 1), basis, &[]).unwrap();
    assert_eq!(streamed.basis.kept, [0, 1]);
    let ((_, a), (_, b)) = (fitted(&System::new(&rows, 1).unwrap(), true), fitted(&streamed, true));
    a.beta.iter().zip(&b.beta).for_each(|(a, b)| close(*a, *b, 1e-8, "beta"));
    let mut nearly = x.clone();
    nearly[2].iter_mut().zip(0..).for_each(|(v, i)| *v += 1e-5 * f64::from(i % 3));
    let rows = Rows { x: nearly.iter().map(Column::from).collect(), y: &y, weights: None, factors: Vec::new() };
    let basis = Basis::from_rows(&rows);
    assert!(System::of_products(Crossprod::of(&rows, &basis, 1), basis, &[]).is_err());
}

/// -2 log-likelihood and coefficients of the columns as given by Newton's method, for a family
/// without extra parameters.
fn newton(family: &str, link: Link, x: &[Vec<f64>], w: &[f64], offset: &[f64], y: &[f64]) -> (f64, Vec<f64>) {
    let family = find(family).unwrap().with(link).unwrap();
    let p = x.len();
    let mut beta = vec![0.0; p];
    let (mut l, mut r, mut wo, mut dwo) = (vec![0.0; N], vec![0.0; N], vec![0.0; N], vec![0.0; N]);
    for _ in 0..60 {
        let eta: Vec<f64> = (0..N).map(|i| offset[i] + (0..p).map(|j| beta[j] * x[j][i]).sum::<f64>()).collect();
        let batch = Batch { y, w, eta: &eta, extras: &[] };
        family.derivatives(batch, Derivatives { l: &mut l, r: &mut r, wo: &mut wo, dwo: &mut dwo });
        let (hessian, _) = normal_equations(x, &wo, &[1.0; N]);
        let gradient = Mat::from_fn(p, 1, |j, _| (0..N).map(|i| x[j][i] * r[i]).sum::<f64>());
        let step = hessian.llt(Side::Lower).unwrap().solve(&gradient);
        (0..p).for_each(|j| beta[j] += step[(j, 0)]);
    }
    (-2.0 * (l.iter().sum::<f64>() + glmm_data::free(&*family, y, w, &[])), beta)
}

fn glm(g: &GlmmSystem, n_quad: usize) -> generalized::Fit {
    let options = generalized::FitOptions {
        how: Approximation { n_quad, curvature: Curvature::Observed },
        theta: None,
        beta: None,
        extras: None,
        held: Vec::new(),
        max_evaluations: 200,
        tolerance: 1e-10,
        hessian: true,
    };
    generalized::search(g, &mut Modes::new(g, 1), &options, &mut |_, _| true).unwrap().fit
}

#[test]
fn generalized_model_is_a_glm() {
    for (family, link) in [("poisson", Link::Log), ("binomial", Link::Logit), ("binomial", Link::Cloglog)] {
        let data = Data::new(Vec::new(), N, &mut Draws(19));
        let g = data.system(family, link, &mut Draws(41));
        let y = glmm_data::draws_of(family, &data.weights, &mut Draws(41));
        let (deviance, beta) = newton(family, link, &data.x, &data.weights, &data.offset, &y);
        for n_quad in [0, 1] {
            let f = glm(&g, n_quad);
            assert_eq!(f.status, generalized::Status::Converged, "{family}");
            assert!(f.point.theta.is_empty());
            close(f.objective, deviance, 1e-10, "deviance");
            let found = g.layout.basis.beta_to_given(&f.point.beta);
            found.iter().zip(&beta).for_each(|(a, b)| close(*a, *b, 1e-7, "a coefficient"));
        }
    }
}

#[test]
fn extra_parameters_are_estimated_without_random_terms() {
    let data = Data::new(Vec::new(), N, &mut Draws(23));
    for family in ["gamma", "nbinom2", "gaussian"] {
        let g = data.system(family, Link::Log, &mut Draws(29));
        let f = glm(&g, 1);
        assert_eq!(f.status, generalized::Status::Converged, "{family}");
        assert!(f.gradient.iter().all(|v| v.abs() < 1e-3), "{family} {:?}", f.gradient);
        assert!(f.point.extras[0] > 0.0);
    }
}

#[test]
fn degrees_of_freedom_and_deletion_need_no_random_terms() {
    let mut d = Draws(5);
    let x = columns(&mut d);
    let y: Vec<f64> = (0..N).map(|i| 0.2 * x[1][i] + d.normal()).collect();
    let rows = Rows { x: x.iter().map(Column::from).collect(), y: &y, weights: None, factors: Vec::new() };
    let sys = System::new(&rows, 1).unwrap();
    let (mut e, mut score) = (Evaluator::new(&sys, 1), Score::new(&sys));
    let at = At { theta: &[], null: &[], reml: true, n_threads: 1 };
    let s = satterthwaite(&sys, &mut e, &mut score, at, &|| true).unwrap();
    assert_eq!((s.m, s.flat), (0, 0));
    let k = kenward_roger(&sys, &mut e, &mut score, at, (f64::INFINITY, false), &|| true).unwrap();
    (0..4).for_each(|t| close(k.adjusted[t], f64::from(u8::from(t / 2 == t % 2)), 1e-12, "no adjustment"));
    let mut deletion = Deletion::at(&sys, &mut e, &[]).unwrap();
    assert!(deletion.coefficients(&mut score).is_empty());
    assert!(deletion.inverse_parts(&[0], &[]).is_empty());
}
