//! Where a fit with several predictors starts: all coefficients by Newton steps without random
//! effects, from predictors near the data, and random effects of moderate size.

use super::clip::clip;
use crate::dense::kernels;
use crate::families::{Kernel, KernelRows};
use crate::generalized::parameters::Point;
use crate::generalized::pirls::Modes;
use crate::generalized::system::GlmmSystem;
use crate::optimize::trust_region::{self, Eigen};

/// Steps of the fit without random effects, and the drop of the log-likelihood at which it is good
/// enough for a start.
const STEPS: usize = 60;
const ENOUGH: f64 = 1e-4;
/// First radius of its steps, in units of the predictors.
const RADIUS: f64 = 2.0;

impl Modes {
    pub(in crate::generalized) fn start_several(&mut self, g: &GlmmSystem, kernel: &dyn Kernel, which: usize) -> Point {
        let (n, m) = (g.n, kernel.predictors());
        let mut eta = vec![0.0; m * n];
        let rows = KernelRows { y: &g.y, w: &g.weights, eta: &[], order: &g.order, random: &[] };
        kernel.start(which, rows, &mut eta);
        self.go_near(g, &mut eta);
        if !self.log_likelihood_alone(g, kernel, m).is_finite() && kernel.start_anywhere(rows, &mut eta) {
            self.go_near(g, &mut eta);
        }
        self.without_random_effects(g, kernel, m);
        self.forget();
        let mut lambda = g.layout.zero_lambda();
        for (of, lambda) in g.effects.iter().map(|e| &e.of).zip(&mut lambda) {
            let k = of.len();
            of.iter().enumerate().for_each(|(i, &c)| lambda[i * k + i] = kernel.spread(c, &g.y) / g.units[c]);
        }
        let theta = g.layout.theta_from_lambda(&lambda).0;
        Point { theta, beta: self.beta.clone(), extras: Vec::new() }
    }

    /// Takes coefficients near predictors from which no offset has been taken yet.
    fn go_near(&mut self, g: &GlmmSystem, eta: &mut [f64]) {
        eta.iter_mut().zip(&g.offset).for_each(|(e, o)| *e = if e.is_finite() { *e - o } else { 0.0 });
        self.beta = near(g, eta);
    }

    /// The log-likelihood without random effects, up to its sign.
    fn log_likelihood_alone(&mut self, g: &GlmmSystem, kernel: &dyn Kernel, m: usize) -> f64 {
        self.u.fill(0.0);
        self.set_fixed(g);
        self.rows_of(g, kernel, &vec![true; m], false)
    }

    /// Improves the coefficients as if there were no random effects.
    pub(super) fn without_random_effects(&mut self, g: &GlmmSystem, kernel: &dyn Kernel, m: usize) {
        let p = g.p();
        let random = vec![true; m];
        let all: Vec<usize> = (0..m).collect();
        let mut f = self.log_likelihood_alone(g, kernel, m);
        if !f.is_finite() {
            self.beta.fill(0.0);
            self.set_fixed(g);
            f = self.rows_of(g, kernel, &random, false);
        }
        if p == 0 || !f.is_finite() {
            return;
        }
        let mut xwx = vec![0.0; p * p];
        let mut radius = RADIUS;
        for _ in 0..STEPS {
            let mut gradient = vec![0.0; p];
            g.parts_transposed(&self.r, &mut gradient);
            gradient.iter_mut().for_each(|v| *v = -*v);
            let mut w = self.wo.clone();
            clip(&mut w, g.n, &all);
            g.products_of_parts(&w, p, &mut xwx);
            let Some(eigen) = Eigen::of(&xwx, p) else { return };
            let beta = self.beta.clone();
            let mut fallen = false;
            while radius > 1e-8 {
                let (step, predicted, edge) = trust_region::step(&gradient, &eigen, radius);
                if -predicted < ENOUGH {
                    return;
                }
                self.beta.iter_mut().zip(&beta).zip(&step).for_each(|((x, b), s)| *x = b + s);
                self.set_fixed(g);
                let trial = self.rows_of(g, kernel, &random, false);
                let share = (trial - f) / predicted;
                if trial < f && share > 1e-3 {
                    if share > 0.5 && edge {
                        radius *= 2.0;
                    }
                    (f, fallen) = (trial, true);
                    break;
                }
                radius = 0.3 * step.iter().map(|v| v * v).sum::<f64>().sqrt();
            }
            if !fallen {
                self.beta.copy_from_slice(&beta);
                self.set_fixed(g);
                self.rows_of(g, kernel, &random, false);
                return;
            }
        }
    }
}

/// Coefficients by least squares on given predictors.
pub(super) fn near(g: &GlmmSystem, eta: &[f64]) -> Vec<f64> {
    let (n, p) = (g.n, g.p());
    let mut xx = vec![0.0; p * p];
    let mut out = vec![0.0; p];
    for a in &g.parts {
        for b in g.parts.iter().filter(|b| b.predictor == a.predictor) {
            for (xa, xb) in a.x.chunks_exact(a.p).zip(b.x.chunks_exact(b.p)) {
                for (i, xa) in xa.iter().enumerate() {
                    let row = &mut xx[(a.first + i) * p + b.first..][..b.p];
                    row.iter_mut().zip(xb).for_each(|(t, xb)| *t += xa * xb);
                }
            }
        }
    }
    g.parts_transposed(&eta[..g.family.predictors() * n], &mut out);
    (0..p).for_each(|i| xx[i * p + i] *= 1.0 + 1e-10);
    if p == 0 || !kernels::cholesky::<0>(&mut xx, p) {
        return vec![0.0; p];
    }
    kernels::forward::<0>(&xx, p, &mut out, 1);
    kernels::backward::<0>(&xx, p, &mut out, 1);
    out
}
