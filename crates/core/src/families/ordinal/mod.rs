//! Ordered categories: the interval of a latent variable that a row fell into.
//!
//! P(Y <= k) = F((theta_k + n'gamma_k - eta) e^-zeta), zeta = s'scale. The row's linear predictor
//! is the location eta; thresholds, nominal effects and effects on the log scale are extra
//! parameters, which the rows' own columns n and s multiply.

mod interval;

pub use interval::Interval;

use super::family::{Batch, Coordinate, Derivatives, Extra, Family, MoreDerivatives};
use super::Link;
use crate::dense::kernels;
use crate::rng::Rng;
use std::sync::Arc;

/// Columns of the rows that multiply extra parameters, row-major.
#[derive(Clone, Debug, Default)]
pub struct RowColumns {
    /// Number of columns.
    pub k: usize,
    /// n x k.
    pub values: Vec<f64>,
}

impl RowColumns {
    fn row(&self, i: usize) -> &[f64] {
        &self.values[i * self.k..(i + 1) * self.k]
    }

    fn arranged(&self, order: &[u32]) -> Self {
        RowColumns { k: self.k, values: order.iter().flat_map(|&i| self.row(i as usize).iter().copied()).collect() }
    }
}

/// The cumulative model of ordered categories 0, 1, ..
#[derive(Clone, Debug)]
pub struct Ordinal {
    link: Link,
    /// Thresholds from their parameters, (categories - 1) x parameters, row-major.
    map: Vec<f64>,
    n_alpha: usize,
    nominal: RowColumns,
    scale: RowColumns,
    extras: Vec<Extra>,
}

/// Thresholds at hand: those without nominal effects, and what each nominal column adds to them.
struct Thresholds {
    n: usize,
    values: Vec<f64>,
}

/// The ends of one row's interval on the scale of the location, and its category.
struct Ends {
    k: usize,
    upper: f64,
    lower: f64,
    zeta: f64,
}

impl Ordinal {
    /// With the map from threshold parameters to the (row-major) thresholds, and the columns of
    /// nominal and scale effects; these have the rows of the model, in its order, or no columns.
    pub fn new(link: Link, map: Vec<f64>, n_alpha: usize, nominal: RowColumns, scale: RowColumns) -> Self {
        let free = |name| Extra {
            name,
            coordinate: Coordinate::Identity,
            lower: f64::NEG_INFINITY,
            upper: f64::INFINITY,
            is_scale: false,
        };
        let mut extras = vec![free("threshold"); n_alpha];
        extras.extend(vec![free("nominal effect"); n_alpha * nominal.k]);
        extras.extend(vec![free("scale effect"); scale.k]);
        Ordinal { link, map, n_alpha, nominal, scale, extras }
    }

    /// Number of categories.
    pub fn n_categories(&self) -> usize {
        self.n_thresholds() + 1
    }

    fn n_thresholds(&self) -> usize {
        self.map.len() / self.n_alpha.max(1)
    }

    fn thresholds(&self, extras: &[f64]) -> Thresholds {
        let n = self.n_thresholds();
        let mut values = vec![0.0; n * (1 + self.nominal.k)];
        for (c, alpha) in extras[..self.n_alpha * (1 + self.nominal.k)].chunks_exact(self.n_alpha).enumerate() {
            kernels::multiply(&self.map, alpha, n, self.n_alpha, 1, &mut values[c * n..(c + 1) * n]);
        }
        Thresholds { n, values }
    }

    fn zeta(&self, row: usize, extras: &[f64]) -> f64 {
        if self.scale.k == 0 {
            return 0.0;
        }
        let of = &extras[extras.len() - self.scale.k..];
        self.scale.row(row).iter().zip(of).map(|(s, z)| s * z).sum()
    }

    fn threshold(&self, t: &Thresholds, row: usize, k: usize) -> f64 {
        let mut v = t.values[k];
        if self.nominal.k > 0 {
            for (c, x) in self.nominal.row(row).iter().enumerate() {
                v += x * t.values[(c + 1) * t.n + k];
            }
        }
        v
    }

    fn ends(&self, t: &Thresholds, row: usize, y: f64, extras: &[f64]) -> Ends {
        let k = y as usize;
        let upper = if k < t.n { self.threshold(t, row, k) } else { f64::INFINITY };
        let lower = if k > 0 { self.threshold(t, row, k - 1) } else { f64::NEG_INFINITY };
        Ends { k, upper, lower, zeta: self.zeta(row, extras) }
    }

    /// Whether log P is concave in the location, so that curvatures are never negative.
    fn is_concave(&self) -> bool {
        self.link != Link::Cauchit
    }

    /// Expected curvature in the location of one row: sum of the squared slopes of all categories.
    fn expected(&self, t: &Thresholds, row: usize, eta: f64, s: f64) -> f64 {
        let at = |k: usize| (self.threshold(t, row, k) - eta) * s;
        (0..=t.n)
            .map(|k| {
                let upper = if k < t.n { at(k) } else { f64::INFINITY };
                let lower = if k > 0 { at(k - 1) } else { f64::NEG_INFINITY };
                let i = Interval::of(self.link, upper, lower);
                let d = i.shift()[0] * s;
                if i.l.is_finite() {
                    i.l.exp() * d * d
                } else {
                    0.0
                }
            })
            .sum()
    }

    /// Derivatives of both ends, in units of the location, with respect to an extra parameter that
    /// is one of a threshold: its number among the thresholds' own, and its column.
    fn slopes(&self, k: usize, alpha: usize) -> [f64; 2] {
        let of = |k: usize| self.map[k * self.n_alpha + alpha];
        [if k < self.n_thresholds() { of(k) } else { 0.0 }, if k > 0 { of(k - 1) } else { 0.0 }]
    }

    /// Derivatives (U_e, V_e) of the standardised ends with respect to every extra parameter.
    fn movements(&self, row: usize, e: &Ends, eta: f64, out: &mut [[f64; 2]]) {
        let s = (-e.zeta).exp();
        for a in 0..self.n_alpha {
            let [u, v] = self.slopes(e.k, a);
            out[a] = [u * s, v * s];
            if self.nominal.k > 0 {
                for (c, x) in self.nominal.row(row).iter().enumerate() {
                    out[(c + 1) * self.n_alpha + a] = [u * s * x, v * s * x];
                }
            }
        }
        if self.scale.k > 0 {
            let first = out.len() - self.scale.k;
            let of = |end: f64| if end.is_finite() { -(end - eta) * s } else { 0.0 };
            let (u, v) = (of(e.upper), of(e.lower));
            for (o, x) in out[first..].iter_mut().zip(self.scale.row(row)) {
                *o = [u * x, v * x];
            }
        }
    }
}

impl Family for Ordinal {
    fn extras(&self) -> &[Extra] {
        &self.extras
    }

    fn is_canonical(&self) -> bool {
        // the determinant is of the observed curvature
        true
    }

    fn arranged(&self, order: &[u32]) -> Option<Arc<dyn Family>> {
        let whole = self.nominal.k == 0 && self.scale.k == 0;
        (!whole).then(|| -> Arc<dyn Family> {
            Arc::new(Ordinal {
                nominal: self.nominal.arranged(order),
                scale: self.scale.arranged(order),
                ..self.clone()
            })
        })
    }

    fn has_row_columns(&self) -> bool {
        self.nominal.k > 0 || self.scale.k > 0
    }

    fn extras_are_adapted(&self) -> bool {
        false
    }

    fn derivatives(&self, b: Batch<'_>, out: Derivatives<'_>) {
        let t = self.thresholds(b.extras);
        for (i, &eta) in b.eta.iter().enumerate() {
            let e = self.ends(&t, b.first + i, b.y[i], b.extras);
            let s = (-e.zeta).exp();
            let at = Interval::of(self.link, (e.upper - eta) * s, (e.lower - eta) * s);
            let [d1, d2, d3] = at.shift();
            let w = b.w[i];
            out.l[i] = w * at.l;
            out.r[i] = -w * s * d1;
            out.wo[i] = -w * s * s * d2;
            out.dwo[i] = w * s * s * s * d3;
        }
    }

    fn more_derivatives(&self, b: Batch<'_>, out: MoreDerivatives<'_>) {
        let (n, n_extras) = (b.eta.len(), self.extras.len());
        let t = self.thresholds(b.extras);
        let mut moves = vec![[0.0; 2]; n_extras];
        let first_scale = n_extras - self.scale.k;
        for (i, &eta) in b.eta.iter().enumerate() {
            let row = b.first + i;
            let e = self.ends(&t, row, b.y[i], b.extras);
            let s = (-e.zeta).exp();
            let w = b.w[i];
            let at = Interval::of(self.link, (e.upper - eta) * s, (e.lower - eta) * s);
            let ([d1, d2, _], ends) = (at.shift(), at.ends());
            out.w[i] = w * if self.is_concave() { (-s * s * d2).max(0.0) } else { self.expected(&t, row, eta, s) };
            out.dw[i] = 0.0;
            self.movements(row, &e, eta, &mut moves);
            for (x, [u, v]) in moves.iter().enumerate() {
                let along = |o: usize| ends[o][0] * u + ends[o][1] * v;
                let at = x * n + i;
                // the scale of the location moves with the log scale
                let k = if x < first_scale { 0.0 } else { self.scale.row(row)[x - first_scale] };
                out.l_d[at] = w * along(0);
                out.r_d[at] = -w * s * (along(1) - k * d1);
                out.wo_d[at] = -w * s * s * (along(2) - 2.0 * k * d2);
                out.w_d[at] = out.wo_d[at];
            }
        }
    }

    fn information_of_extras(&self, b: Batch<'_>, out: &mut [f64]) -> bool {
        let m = self.extras.len();
        let t = self.thresholds(b.extras);
        let mut moves = vec![[0.0; 2]; m];
        out.fill(0.0);
        for (i, &eta) in b.eta.iter().enumerate() {
            let e = self.ends(&t, b.first + i, b.y[i], b.extras);
            let s = (-e.zeta).exp();
            let at = Interval::of(self.link, (e.upper - eta) * s, (e.lower - eta) * s);
            let [uu, uv, vv] = at.second();
            self.movements(b.first + i, &e, eta, &mut moves);
            for x in 0..m {
                let [u, v] = moves[x];
                let (a, c) = (b.w[i] * (uu * u + uv * v), b.w[i] * (uv * u + vv * v));
                if a == 0.0 && c == 0.0 {
                    continue;
                }
                for (o, [u, v]) in out[x * m..(x + 1) * m].iter_mut().zip(&moves) {
                    *o -= a * u + c * v;
                }
            }
        }
        true
    }

    fn free_part(&self, _: &[f64], _: &[f64], _: &[f64], d: &mut [f64]) -> f64 {
        d.fill(0.0);
        0.0
    }

    fn means(&self, eta: &[f64], mu: &mut [f64]) {
        mu.copy_from_slice(eta);
    }

    fn start(&self, _: &[f64], _: &[f64], eta: &mut [f64]) {
        eta.fill(0.0);
    }

    /// Thresholds of the cumulated proportions, as near as their structure allows.
    fn start_extras(&self, y: &[f64], w: &[f64], _: &[f64], extras: &mut [f64]) {
        let (n, m) = (self.n_thresholds(), self.n_alpha);
        let mut counts = vec![0.5; n + 1];
        y.iter().zip(w).for_each(|(&y, &w)| counts[y as usize] += w);
        let total: f64 = counts.iter().sum();
        let mut below = 0.0;
        let target: Vec<f64> = counts[..n]
            .iter()
            .map(|c| {
                below += c;
                self.link.of_mean(below / total)
            })
            .collect();
        let mut gram = vec![0.0; m * m];
        let mut alpha = vec![0.0; m];
        for (row, t) in self.map.chunks_exact(m).zip(&target) {
            for i in 0..m {
                alpha[i] += row[i] * t;
                for j in 0..m {
                    gram[i * m + j] += row[i] * row[j];
                }
            }
        }
        if kernels::cholesky::<0>(&mut gram, m) {
            kernels::forward::<0>(&gram, m, &mut alpha, 1);
            kernels::backward::<0>(&gram, m, &mut alpha, 1);
        }
        extras.fill(0.0);
        extras[..m].copy_from_slice(&alpha);
    }

    fn can_draw(&self) -> bool {
        true
    }

    fn draw(&self, rng: &mut Rng, eta: &[f64], _: &[f64], extras: &[f64], y: &mut [f64]) -> bool {
        let t = self.thresholds(extras);
        for (row, (y, &eta)) in y.iter_mut().zip(eta).enumerate() {
            let latent = eta + self.zeta(row, extras).exp() * self.link.of_mean(rng.uniform());
            *y = (0..t.n).filter(|&k| latent > self.threshold(&t, row, k)).count() as f64;
        }
        true
    }
}
