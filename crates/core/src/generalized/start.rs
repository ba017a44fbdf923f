//! Where a fit starts, and a first Hessian: the average information of the linearised model.

use super::parameters::{Coordinates, Point};
use super::pirls::Modes;
use super::system::GlmmSystem;
use crate::dense::kernels;

/// Fixed effects by least squares on linear predictors near the data, extra parameters by moments,
/// and random effects of moderate size.
pub fn start(g: &GlmmSystem, m: &mut Modes) -> Point {
    if let Some(kernel) = g.family.kernel() {
        return m.start_several(g, kernel, 0);
    }
    let (n, p) = (g.n, g.p());
    let mut eta = vec![0.0; n];
    g.family.start(&g.y, &g.weights, &mut eta);
    for (e, o) in eta.iter_mut().zip(&g.offset) {
        *e = if e.is_finite() { *e - o } else { 0.0 };
    }
    // weights at those predictors
    m.eta.iter_mut().zip(&eta).zip(&g.offset).for_each(|((t, e), o)| *t = e + o);
    m.more_pass(g);
    let w: Vec<f64> = m.more.w.iter().map(|&w| if w.is_finite() && w > 0.0 { w } else { 0.0 }).collect();
    let mut beta = vec![0.0; p];
    if p > 0 {
        let mut xwx = vec![0.0; p * p];
        let weighted: Vec<f64> = w.iter().zip(&eta).map(|(w, e)| w * e).collect();
        for (w, x) in w.iter().zip(g.x.chunks_exact(p)) {
            for i in 0..p {
                for j in 0..=i {
                    xwx[i * p + j] += w * x[i] * x[j];
                }
            }
        }
        g.fixed_transposed(&weighted, &mut beta);
        let plain = beta.clone();
        for i in 0..p {
            xwx[i * p + i] *= 1.0 + 1e-10;
        }
        let mut factor = xwx.clone();
        if kernels::cholesky::<0>(&mut factor, p) {
            kernels::forward::<0>(&factor, p, &mut beta, 1);
            kernels::backward::<0>(&factor, p, &mut beta, 1);
        } else {
            beta = (0..p).map(|i| if xwx[i * p + i] > 0.0 { plain[i] / xwx[i * p + i] } else { 0.0 }).collect();
        }
        if beta.iter().any(|b| !b.is_finite()) {
            beta.fill(0.0);
        }
    }
    m.beta.copy_from_slice(&beta);
    m.forget();
    m.set_fixed(g);
    let valid = |m: &mut Modes| -> bool {
        m.eta.copy_from_slice(&m.eta_fixed);
        let mut mu = vec![0.0; n];
        g.family.means(&m.eta, &mut mu);
        g.family.start_extras(&g.y, &g.weights, &mu, &mut m.extras);
        let sound = g.family.extras().iter().zip(&m.extras).all(|(e, &v)| e.allows(v));
        sound && m.rows_pass(g).is_finite()
    };
    if !valid(m) {
        // some rows are outside the range of the link: the mean alone
        m.beta.fill(0.0);
        let total: f64 = w.iter().sum();
        if p > 0 && g.layout.basis.intercept == Some(0) && total > 0.0 {
            m.beta[0] = w.iter().zip(&eta).map(|(w, e)| w * e).sum::<f64>() / total;
        }
        m.set_fixed(g);
        if !valid(m) {
            m.extras.fill(1.0);
        }
    }
    // spread of the predictors about the fit, by the precision with which a row tells its own
    let mut spread = 0.0;
    let mut total = 0.0;
    for i in 0..n {
        let d = eta[i] + g.offset[i] - m.eta_fixed[i];
        if w[i] > 0.0 && d.is_finite() {
            spread += w[i] * d * d;
            total += w[i];
        }
    }
    let sd = if total > 0.0 { (spread / total).sqrt() } else { 1.0 };
    let scale = if sd.is_finite() && sd > 0.0 { 0.5 * sd } else { 0.5 };
    let scale = if g.family.is_scale_free() { scale.clamp(0.3, 1.0) } else { scale };
    let mut theta = vec![0.0; g.n_theta()];
    let lambda: Vec<Vec<f64>> = g
        .layout
        .factors
        .iter()
        .map(|f| (0..f.k * f.k).map(|t| if t / f.k == t % f.k { scale } else { 0.0 }).collect())
        .collect();
    theta.copy_from_slice(&g.layout.theta_from_lambda(&lambda).0);
    Point { theta, beta: m.beta.clone(), extras: m.extras.clone() }
}

/// A first Hessian at the modes in `m`: average information for xi, 2 X'V^-1X for the fixed
/// effects, and a guess for the extra parameters.
pub fn first_hessian(g: &GlmmSystem, m: &mut Modes, c: &Coordinates, theta: &[f64]) -> Vec<f64> {
    let n = c.len();
    let mut h = vec![0.0; n * n];
    let nt = g.n_theta();
    let q = g.layout.q();
    let mut lg = vec![0.0; q];
    // w_k = dL_k u + L dL_k'g for each direction of xi
    let mut w = vec![0.0; q * nt];
    let mut unit = vec![0.0; nt];
    for k in 0..nt {
        unit.fill(0.0);
        unit[k] = 1.0;
        let dl = g.layout.push(theta, &c.theta(&unit));
        g.layout.lambda_transposed_times(&dl, &m.zr, 1, &mut lg);
        let mut a = vec![0.0; q];
        g.layout.lambda_times(&dl, &m.u, 1, &mut a);
        let mut b = vec![0.0; q];
        g.layout.lambda_times(&m.lambda, &lg, 1, &mut b);
        for i in 0..q {
            w[i * nt + k] = a[i] + b[i];
        }
    }
    let mut zzw = vec![0.0; q * nt];
    g.layout.gram_times(&m.gram, &w, nt, &mut zzw);
    let mut a = vec![0.0; q * nt];
    g.layout.lambda_transposed_times(&m.lambda, &zzw, nt, &mut a);
    m.factor.forward(&mut a, nt);
    for i in 0..nt {
        for j in 0..nt {
            h[i * n + j] = (0..q).map(|r| w[r * nt + i] * zzw[r * nt + j] - a[r * nt + i] * a[r * nt + j]).sum();
        }
    }
    for i in 0..nt {
        let d = h[i * n + i].abs();
        h[i * n + i] = if d.is_finite() { d.max(1e-3) * (1.0 + 1e-6) } else { 1.0 };
    }
    let mut at = nt;
    if c.with_beta {
        let p = g.p();
        if p > 0 && m.border(g, false).is_ok() {
            for i in 0..p {
                for j in 0..p {
                    h[(at + i) * n + at + j] =
                        c.unit().powi(2) * 2.0 * (0..=i.min(j)).map(|k| m.rx[i * p + k] * m.rx[j * p + k]).sum::<f64>();
                }
            }
        } else {
            (0..p).for_each(|i| h[(at + i) * n + at + i] = g.n as f64);
        }
        at += p;
    }
    (at..n).for_each(|i| h[i * n + i] = g.n as f64);
    h
}
