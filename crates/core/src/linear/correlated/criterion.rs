//! The criterion at one covariance of the random effects and one R.

use super::clusters::{Cluster, Correlated};
use super::root::Root;
pub(super) use crate::dense::by_size::{
    cholesky, dot, inverse_of_product, multiply, solve_lower, transposed, transposed_multiply,
};
use crate::jet::Jet;
use crate::layout::Lambda;

/// What belongs to the last evaluation.
pub struct State {
    /// Parameters of R at the last whitening.
    z: Vec<f64>,
    /// Lambda of each factor.
    pub lambda: Lambda,
    /// L of each pattern.
    pub(super) roots: Vec<Root>,
    log_det_r: f64,
    /// Whitened rows, in the places of the rows of the model.
    pub(super) white: Vec<f64>,
    /// Products of the whitened columns of each cluster.
    pub(super) gram: Vec<Vec<f64>>,
    /// D of each cluster.
    pub(super) d: Vec<Vec<f64>>,
    /// N, with y as the last column.
    pub(super) n: Vec<f64>,
    /// Lower Cholesky factor of the border with y, its random effects spherical.
    pub(super) root: Vec<f64>,
    /// log|V| but for log|R|.
    log_det: f64,
    /// log|R_X|.
    log_det_rx: f64,
    /// Residual sum of squares.
    pub r2: f64,
}

impl State {
    /// Work space of a model.
    pub fn new(model: &Correlated) -> Self {
        State {
            z: vec![f64::NAN; model.r.n()],
            lambda: model.sys.zero_lambda(),
            roots: vec![Root::default(); model.patterns.len()],
            log_det_r: f64::NAN,
            white: vec![0.0; model.data.len()],
            gram: vec![Vec::new(); model.clusters.len()],
            d: vec![Vec::new(); model.clusters.len()],
            n: Vec::new(),
            root: Vec::new(),
            log_det: f64::NAN,
            log_det_rx: f64::NAN,
            r2: f64::NAN,
        }
    }

    /// The parameters of R.
    pub fn z(&self) -> &[f64] {
        &self.z
    }

    /// The criterion at `self.lambda` and parameters of R, in the changed basis: the constant of
    /// the system is left out. Infinite where it is not defined.
    pub fn criterion(&mut self, model: &Correlated, z: &[f64], reml: bool) -> f64 {
        self.evaluate(model, z).map_or(f64::INFINITY, |()| self.value(model, reml))
    }

    /// The criterion at the last evaluation.
    pub fn value(&self, model: &Correlated, reml: bool) -> f64 {
        let nu = model.sys.nu(reml);
        let x = if reml { 2.0 * self.log_det_rx } else { 0.0 };
        let d = self.log_det_r + self.log_det + x + nu * (1.0 + (2.0 * std::f64::consts::PI * self.r2 / nu).ln());
        if d.is_finite() {
            d
        } else {
            f64::INFINITY
        }
    }

    /// log|V| with R, and twice log|R_X|.
    pub fn log_dets(&self) -> (f64, f64) {
        (self.log_det_r + self.log_det, 2.0 * self.log_det_rx)
    }

    /// Rounding error to expect of the criterion.
    pub fn noise(&self, model: &Correlated, reml: bool, d: f64) -> f64 {
        let b = model.b();
        let lost = self.n[(b + 1) * (b + 1) - 1] / self.r2;
        4e-14 * (d.abs() + model.sys.nu(reml)) + 4.0 * f64::EPSILON * model.sys.nu(reml) * lost
    }

    fn evaluate(&mut self, model: &Correlated, z: &[f64]) -> Option<()> {
        // without parameters of R, as of a known variance, z never changes
        if self.z != z || self.log_det_r.is_nan() {
            self.whiten(model, z)?;
        }
        let (b, q, p) = (model.b(), model.q, model.p());
        let w = b + 1;
        self.n.clear();
        self.n.resize(w * w, 0.0);
        self.log_det = 0.0;
        for (i, c) in model.clusters.iter().enumerate() {
            self.log_det += eliminate(model, c, &self.lambda, &self.gram[i], &mut self.d[i], &mut self.n)?;
        }
        // the border, random effects spherical
        let lambda = border_lambda(model, &self.lambda);
        let mut a = self.n.clone();
        scale_border(model, &lambda, &mut a, w);
        for i in 0..q {
            a[i * w + i] += 1.0;
        }
        if !cholesky(&mut a, w) {
            return None;
        }
        self.log_det += (0..q).map(|i| 2.0 * a[i * w + i].ln()).sum::<f64>();
        self.log_det_rx = (q..q + p).map(|i| a[i * w + i].ln()).sum();
        self.r2 = a[w * w - 1].powi(2);
        self.root = a;
        Some(())
    }

    /// Whitens all rows.
    fn whiten(&mut self, model: &Correlated, z: &[f64]) -> Option<()> {
        self.z.fill(f64::NAN);
        let mut r = Jet::default();
        let mut log_dets = Vec::with_capacity(model.patterns.len());
        for (p, root) in model.patterns.iter().zip(&mut self.roots) {
            let (l, log_det) = p.with(|s| Root::of(&model.r, z, s, &mut r))?;
            *root = l;
            log_dets.push(log_det);
        }
        self.log_det_r = model.blocks.iter().map(|b| log_dets[b.pattern]).sum();
        self.white.copy_from_slice(&model.data);
        for (c, gram) in model.clusters.iter().zip(&mut self.gram) {
            let width = c.width();
            let rows = &mut self.white[c.start..c.start + c.n() * width];
            for b in &model.blocks[c.blocks.clone()] {
                let from = b.rows.start - c.rows.start;
                let own = &mut rows[from * width..(from + b.rows.len()) * width];
                self.roots[b.pattern].solve(b.rows.len(), own, width);
            }
            *gram = transposed_multiply(rows, rows, c.n(), width, width);
        }
        self.z.copy_from_slice(z);
        Some(())
    }
}

/// Eliminates the local effects of a cluster: D, and what is left of the products of its border is
/// added to N. Returns log|M|.
fn eliminate(
    model: &Correlated,
    c: &Cluster,
    lambda: &Lambda,
    gram: &[f64],
    d: &mut Vec<f64>,
    n: &mut [f64],
) -> Option<f64> {
    let (m, width, w) = (c.m, c.width(), model.b() + 1);
    let a = c.active.len();
    let mut log_det = 0.0;
    let mut left: Vec<f64> = Vec::new();
    if m > 0 {
        // M and Lambda'Z'B of the local levels
        let mut big = vec![0.0; m * m];
        let mut zz = vec![0.0; m * m];
        for i in 0..m {
            zz[i * m..(i + 1) * m].copy_from_slice(&gram[i * width..i * width + m]);
        }
        let l = local_lambda(model, c, lambda);
        let zl = multiply(&zz, &l, m, m, m);
        big.copy_from_slice(&transposed_multiply(&l, &zl, m, m, m));
        for i in 0..m {
            big[i * m + i] += 1.0;
        }
        if !cholesky(&mut big, m) {
            return None;
        }
        log_det = (0..m).map(|i| 2.0 * big[i * m + i].ln()).sum();
        // R_M^-1 Lambda'
        let mut k = transposed(&l, m, m);
        solve_lower(&big, m, &mut k, m);
        *d = transposed_multiply(&k, &k, m, m, m);
        let mut zb = vec![0.0; m * a];
        for i in 0..m {
            zb[i * a..(i + 1) * a].copy_from_slice(&gram[i * width + m..(i + 1) * width]);
        }
        left = multiply(&k, &zb, m, m, a);
    } else {
        d.clear();
    }
    let taken = if m > 0 { transposed_multiply(&left, &left, m, a, a) } else { vec![0.0; a * a] };
    for i in 0..a {
        let row = &gram[(m + i) * width + m..(m + i + 1) * width];
        let to = c.active[i] * w;
        for j in 0..a {
            n[to + c.active[j]] += row[j] - taken[i * a + j];
        }
    }
    Some(log_det)
}

/// Lambda of the local effects of a cluster: m x m.
pub(super) fn local_lambda(model: &Correlated, c: &Cluster, lambda: &Lambda) -> Vec<f64> {
    local_blocks(model, c, |f| Some(&lambda[f]))
}

/// A matrix of each factor's effects at each local level of a cluster: m x m.
pub(super) fn local_blocks<'a>(
    model: &Correlated,
    c: &Cluster,
    of: impl Fn(usize) -> Option<&'a Vec<f64>>,
) -> Vec<f64> {
    let m = c.m;
    let mut out = vec![0.0; m * m];
    for &(f, _, at) in &c.levels {
        let Some(part) = of(f) else { continue };
        let k = model.sys.factors[f].k;
        for i in 0..k {
            out[(at + i) * m + at..(at + i) * m + at + k].copy_from_slice(&part[i * k..(i + 1) * k]);
        }
    }
    out
}

/// The factors of the border: number, first column, effects, levels.
pub(super) fn border_factors(model: &Correlated) -> impl Iterator<Item = (usize, usize, usize, usize)> + '_ {
    let sizes = model.sys.factors.iter().enumerate();
    sizes.filter_map(|(f, s)| model.border_at[f].map(|at| (f, at, s.k, s.n_levels)))
}

/// Lambda of each factor of the border.
fn border_lambda(model: &Correlated, lambda: &Lambda) -> Vec<(usize, usize, usize, Vec<f64>)> {
    border_factors(model).map(|(f, at, k, levels)| (at, k, levels, lambda[f].clone())).collect()
}

/// a := J'aJ with J = Lambda on the random effects of the border; `w` columns.
fn scale_border(model: &Correlated, lambda: &[(usize, usize, usize, Vec<f64>)], a: &mut [f64], w: usize) {
    if model.q == 0 {
        return;
    }
    border_times(lambda, a, w, true);
    let mut t = transposed(a, w, w);
    border_times(lambda, &mut t, w, true);
    a.copy_from_slice(&t);
}

/// Rows of the border's random effects multiplied by Lambda, or its transpose.
fn border_times(lambda: &[(usize, usize, usize, Vec<f64>)], a: &mut [f64], cols: usize, transpose: bool) {
    for (at, k, levels, l) in lambda {
        let k = *k;
        for level in 0..*levels {
            let first = at + level * k;
            let old = a[first * cols..(first + k) * cols].to_vec();
            for i in 0..k {
                let row = &mut a[(first + i) * cols..(first + i + 1) * cols];
                row.fill(0.0);
                for j in 0..k {
                    let f = if transpose { l[j * k + i] } else { l[i * k + j] };
                    row.iter_mut().zip(&old[j * cols..(j + 1) * cols]).for_each(|(t, s)| *t += f * s);
                }
            }
        }
    }
}

impl State {
    /// The inverse of the border in its own units: J (J'NJ + I)^-1 J', b x b; of its random effects
    /// alone (zero elsewhere) where `fixed` is false.
    pub(super) fn border_inverse(&self, model: &Correlated, fixed: bool) -> Vec<f64> {
        let (b, w) = (model.b(), model.b() + 1);
        let size = if fixed { b } else { model.q };
        let mut root = vec![0.0; size * size];
        for i in 0..size {
            root[i * size..=i * size + i].copy_from_slice(&self.root[i * w..=i * w + i]);
        }
        let small = inverse_of_product(&root, size);
        let mut out = vec![0.0; b * b];
        for i in 0..size {
            out[i * b..i * b + size].copy_from_slice(&small[i * size..(i + 1) * size]);
        }
        let lambda = border_lambda(model, &self.lambda);
        if model.q > 0 {
            border_times(&lambda, &mut out, b, false);
            out = transposed(&out, b, b);
            border_times(&lambda, &mut out, b, false);
        }
        out
    }

    /// Random effects of the border and fixed effects, in the changed basis.
    pub(super) fn border_effects(&self, model: &Correlated) -> Vec<f64> {
        let (b, w) = (model.b(), model.b() + 1);
        let mut out: Vec<f64> = self.root[b * w..b * w + b].to_vec();
        for i in (0..b).rev() {
            let s: f64 = (i + 1..b).map(|j| self.root[j * w + i] * out[j]).sum();
            out[i] = (out[i] - s) / self.root[i * w + i];
        }
        if model.q > 0 {
            border_times(&border_lambda(model, &self.lambda), &mut out, 1, false);
        }
        out
    }
}
