//! Nonlinear models: derivatives of formulas against differences, and the gradient of both
//! approximations against differences of their values.

use ranef_core::families::curve::{Curve, FittedScale, Function, Mean, MeanRows, Operation, Program, ScaledCurve};
use ranef_core::families::{Kernel, KernelOut, KernelRows, Several};
use ranef_core::generalized::{Approximation, Curvature, FixedBlock, GlmmSystem, Modes, Point, SeveralRows};
use ranef_core::rng::Rng;
use ranef_core::rows::{FactorRows, TermRows};
use ranef_core::structure::{Structure, Unstructured};
use std::sync::Arc;

const HOW: Approximation = Approximation { n_quad: 1, curvature: Curvature::Observed };

use Operation::{Add, Call, Column, Divide, Multiply, Negate, Number, Parameter, Power, Subtract};

/// a plogis((x - b) / c) + x^d 1.1^a, which has all kinds of steps.
fn formula() -> Vec<Operation> {
    let logistic = [Parameter(0), Column(0), Parameter(1), Subtract, Parameter(2), Divide, Call(Function::Logistic)];
    let powers = [Column(0), Parameter(3), Power, Number(1.1), Parameter(0), Power, Multiply, Add];
    let both = [Parameter(2), Parameter(3), Power, Negate, Add, Parameter(1), Number(2.0), Power, Add];
    logistic.into_iter().chain([Multiply]).chain(powers).chain(both).collect()
}

#[test]
fn derivatives_of_formulas_equal_differences() {
    let x: Vec<f64> = (0..70).map(|i| 0.3 + 0.1 * f64::from(i)).collect();
    let n = x.len();
    let program = Program::new(formula(), vec![x], 4).unwrap();
    let order: Vec<u32> = (0..n as u32).rev().collect();
    let at: Vec<f64> = (0..4 * n).map(|i| [1.3, 2.0, 1.4, 0.7][i / n] + 0.001 * (i % n) as f64).collect();
    let size = 1 + 4 + 10 + 20;
    let run = |eta: &[f64]| {
        let mut out = vec![0.0; size * n];
        program.derivatives(MeanRows { eta, order: &order }, 3, &mut out);
        out
    };
    let here = run(&at);
    let direct: Vec<f64> = (0..n)
        .map(|i| {
            let (x, a, b, c, d) = (0.3 + 0.1 * (n - 1 - i) as f64, at[i], at[n + i], at[2 * n + i], at[3 * n + i]);
            a / (1.0 + (-(x - b) / c).exp()) + x.powf(d) * 1.1_f64.powf(a) - c.powf(d) + b * b
        })
        .collect();
    let pair = ranef_core::families::pair;
    let triple = ranef_core::families::triple;
    let h = 1e-5;
    for i in 0..n {
        assert!((here[i] - direct[i]).abs() < 1e-13 * (1.0 + direct[i].abs()));
    }
    for c in 0..4 {
        let (mut up, mut down) = (at.clone(), at.clone());
        up[c * n..(c + 1) * n].iter_mut().for_each(|v| *v += h);
        down[c * n..(c + 1) * n].iter_mut().for_each(|v| *v -= h);
        let (up, down) = (run(&up), run(&down));
        let mut places = vec![(1 + c, 0)];
        for j in 0..4 {
            places.push((5 + pair(c, j), 1 + j));
            for k in 0..=j {
                places.push((15 + triple(c, j, k), 5 + pair(j, k)));
            }
        }
        for (to, from) in places {
            for i in 0..n {
                let want = (up[from * n + i] - down[from * n + i]) / (2.0 * h);
                let got = here[to * n + i];
                assert!((got - want).abs() < 1e-7 * (1.0 + want.abs()), "{c} {to}: {got} {want}");
            }
        }
    }
}

/// Growth curves of 11 plants on 4 plots: a and b vary by plant together, a by plot too.
struct Growth {
    y: Vec<f64>,
    t: Vec<f64>,
    plant: Vec<i32>,
    plot: Vec<i32>,
    weights: Vec<f64>,
}

impl Growth {
    fn new() -> Self {
        let (mut rng, n) = (Rng::of(5, 1), 88);
        let plant: Vec<i32> = (0..n).map(|i| i / 8).collect();
        let plot: Vec<i32> = plant.iter().map(|p| p % 4).collect();
        let t: Vec<f64> = (0..n).map(|i| 0.5 + f64::from(i % 8)).collect();
        let effects: Vec<(f64, f64)> = (0..11).map(|_| (2.0 * rng.normal(), 0.4 * rng.normal())).collect();
        let y = (0..n as usize)
            .map(|i| {
                let (a, b) = effects[plant[i] as usize];
                let f = (20.0 + a) / (1.0 + (-(t[i] - 3.5 - b) / 1.1).exp());
                f + 0.5 * rng.normal()
            })
            .collect();
        let weights = (0..n).map(|i| if i % 5 == 0 { 2.0 } else { 1.0 }).collect();
        Growth { y, t, plant, plot, weights }
    }

    fn curve(&self) -> Program {
        let logistic = vec![
            Parameter(0),
            Column(0),
            Parameter(1),
            Subtract,
            Parameter(2),
            Divide,
            Call(Function::Logistic),
            Multiply,
        ];
        Program::new(logistic, vec![self.t.clone()], 3).unwrap()
    }

    fn start(&self, exponents: usize) -> (Vec<f64>, Vec<f64>) {
        let at = [20.0, 3.5, 1.1, -0.7].into_iter().chain(vec![0.1; exponents]);
        let sizes = [1.0, 0.3, 0.1, 0.1].into_iter().chain(vec![0.1; exponents]);
        (at.flat_map(|v| vec![v; self.y.len()]).collect(), sizes.collect())
    }

    fn system(&self, gauss_newton: bool) -> GlmmSystem {
        let (start, spread) = self.start(0);
        self.system_of(Arc::new(Curve::new(Box::new(self.curve()), gauss_newton, start, spread)))
    }

    fn scaled(&self) -> ScaledCurve {
        let (start, spread) = self.start(2);
        let scales = vec![FittedScale::Power(2.0), FittedScale::Exponential(9.0)];
        ScaledCurve::new(Box::new(self.curve()), scales, start, spread)
    }

    fn system_of(&self, kernel: Arc<dyn Kernel>) -> GlmmSystem {
        let (n, m) = (self.y.len(), kernel.predictors());
        let ones = vec![1.0; n];
        let block = |c: usize| FixedBlock { parts: vec![(c, vec![&ones[..]])] };
        let free: Arc<dyn Structure> = Arc::new(Unstructured);
        let term = |k: usize| TermRows { z: vec![&ones[..]; k], structure: free.clone() };
        let factor = |codes, n_levels, k| FactorRows { codes, n_levels, terms: vec![term(k)], members: None };
        let rows = SeveralRows {
            y: &self.y,
            weights: Some(&self.weights),
            fixed: (0..m).map(block).collect(),
            thresholds: None,
            offsets: vec![None; m],
            factors: vec![factor(&self.plant[..], 11, 2), factor(&self.plot[..], 4, 1)],
            of: vec![vec![0, 1], vec![0]],
        };
        GlmmSystem::several(&rows, Arc::new(Several(kernel))).unwrap()
    }
}

#[test]
fn gradients_of_all_kernels_equal_differences() {
    let growth = Growth::new();
    let at = [19.0, 3.6, 1.2, -0.6, 0.2, 0.02];
    let kernels =
        [(growth.system(false), 4), (growth.system(true), 4), (growth.system_of(Arc::new(growth.scaled())), 6)];
    for (which, (g, p)) in kernels.iter().enumerate() {
        let mut m = Modes::new(g, 1);
        let beta = g.beta_from_given(&at[..*p]);
        let point = Point { theta: vec![1.7, 0.2, 0.5, 0.8], beta, extras: Vec::new() };
        let mut value = |p: &Point| {
            m.forget();
            m.beta.copy_from_slice(&p.beta);
            m.value(g, p, HOW, false).unwrap()
        };
        let here = value(&point);
        let theta = g.layout.pull_back(&point.theta, &here.gamma);
        let h = 1e-5;
        let mut moved = |k: usize, d: f64| {
            let mut p = point.clone();
            if k < 4 {
                p.theta[k] += d;
            } else {
                p.beta[k - 4] += d;
            }
            value(&p).objective
        };
        for k in 0..4 + p {
            let want = (moved(k, h) - moved(k, -h)) / (2.0 * h);
            let got = if k < 4 { theta[k] } else { here.beta[k - 4] };
            assert!((got - want).abs() < 2e-6 * (1.0 + want.abs()), "{which} {k}: {got} {want}");
        }
    }
}

#[test]
fn rows_whose_variance_follows_the_curve_have_the_normal_density() {
    let growth = Growth::new();
    let (n, kernel) = (growth.y.len(), growth.scaled());
    let m = kernel.predictors();
    let at = [19.0, 3.6, 1.2, -0.6, 0.2, 0.02];
    let eta: Vec<f64> = at.iter().flat_map(|v| vec![*v; n]).collect();
    let order: Vec<u32> = (0..n as u32).collect();
    let mut l = vec![0.0; n];
    let (mut r, mut w) = (vec![0.0; m * n], vec![0.0; m * (m + 1) / 2 * n]);
    let rows = KernelRows { y: &growth.y, w: &growth.weights, eta: &eta, order: &order, random: &[true; 6] };
    kernel.derivatives(rows, KernelOut { l: &mut l, r: &mut r, w: &mut w, t: &mut [] });
    for i in 0..n {
        let f = at[0] / (1.0 + (-(growth.t[i] - at[1]) / at[2]).exp());
        let log_sd = at[3] + at[4] * (f.ln() - 2.0) + at[5] * (f - 9.0) - 0.5 * growth.weights[i].ln();
        let e = (growth.y[i] - f) / log_sd.exp();
        let want = -0.5 * e * e - log_sd - 0.5 * (2.0 * std::f64::consts::PI).ln();
        assert!((l[i] - want).abs() < 1e-12 * (1.0 + want.abs()), "{i}: {} {want}", l[i]);
    }
}
