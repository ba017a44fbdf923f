//! The affine change of basis in which cross-products are formed: columns centred and scaled, so
//! that nothing depends on the units or the origin of a variable, and its inverse for results.
//!
//! X becomes `(X - 1 m') T` with T upper triangular; an effect column z_j of a term with an
//! intercept column c becomes `(z_j - m_j) / s_j`, which for an unstructured covariance is only a
//! recoding; y becomes `(y - m) / s` where X has an intercept.

use crate::rows::{Column, Rows};

/// Change of basis of the columns of one random term: `z~ = z A`.
#[derive(Clone, Debug)]
pub struct TermBasis {
    /// Index of the constant column, where the others are centred on it.
    pub intercept: Option<usize>,
    /// Value of the constant column.
    pub constant: f64,
    /// Amount subtracted from each column (0 for the constant column itself).
    pub shift: Vec<f64>,
    /// Divisor of each column.
    pub scale: Vec<f64>,
}

impl TermBasis {
    /// Multiplies a k x m row-major matrix by A: the coefficients of the columns as given, from
    /// those of the changed columns.
    pub fn to_given(&self, m: &[f64], cols: usize) -> Vec<f64> {
        let k = self.scale.len();
        let mut out = vec![0.0; k * cols];
        for i in 0..k {
            for c in 0..cols {
                out[i * cols + c] = m[i * cols + c] / self.scale[i];
            }
        }
        if let Some(j0) = self.intercept {
            for i in (0..k).filter(|&i| i != j0) {
                for c in 0..cols {
                    out[j0 * cols + c] -= self.shift[i] / self.constant * m[i * cols + c] / self.scale[i];
                }
            }
        }
        out
    }

    /// Multiplies a k x m row-major matrix by the inverse of A.
    pub fn from_given(&self, m: &[f64], cols: usize) -> Vec<f64> {
        let k = self.scale.len();
        let mut out = vec![0.0; k * cols];
        for i in 0..k {
            for c in 0..cols {
                out[i * cols + c] = m[i * cols + c] * self.scale[i];
            }
        }
        if let Some(j0) = self.intercept {
            for i in (0..k).filter(|&i| i != j0) {
                for c in 0..cols {
                    out[j0 * cols + c] += self.scale[j0] * self.shift[i] / self.constant * m[i * cols + c];
                }
            }
        }
        out
    }

    /// Multiplies a k x m row-major matrix by the transposed inverse of A (how a score moves to the
    /// columns as given).
    pub fn score_to_given(&self, m: &[f64], cols: usize) -> Vec<f64> {
        let k = self.scale.len();
        let mut out = vec![0.0; k * cols];
        for i in 0..k {
            for c in 0..cols {
                let mut v = m[i * cols + c] * self.scale[i];
                if let Some(j0) = self.intercept {
                    if i != j0 {
                        v += self.scale[j0] * self.shift[i] / self.constant * m[j0 * cols + c];
                    }
                }
                out[i * cols + c] = v;
            }
        }
        out
    }
}

/// Change of basis of all columns.
#[derive(Clone, Debug)]
pub struct Basis {
    /// Columns of X in use.
    pub kept: Vec<usize>,
    /// Position of the constant column among the kept ones.
    pub intercept: Option<usize>,
    /// Value of the constant column.
    pub constant: f64,
    /// Amount subtracted from each kept column.
    pub x_shift: Vec<f64>,
    /// Upper triangular T, row-major, p x p.
    pub x_transform: Vec<f64>,
    /// Whether T is diagonal.
    pub x_diagonal: bool,
    /// Amount subtracted from y.
    pub y_shift: f64,
    /// Divisor of y.
    pub y_scale: f64,
    /// One entry per factor, per term.
    pub terms: Vec<Vec<TermBasis>>,
}

/// Rows looked at for the centres and scales: all up to this number, evenly spread ones beyond.
const SAMPLE: usize = 1 << 17;

/// Weighted mean and root mean square about it.
fn moments(v: &[f64], w: Option<&[f64]>, step: usize) -> (f64, f64) {
    let pick = |i: usize| w.map_or(1.0, |w| w[i]);
    let (mut sw, mut s) = (0.0, 0.0);
    for i in (0..v.len()).step_by(step) {
        sw += pick(i);
        s += pick(i) * v[i];
    }
    let mean = s / sw;
    let (mut e, mut q) = (0.0, 0.0);
    for i in (0..v.len()).step_by(step) {
        let d = v[i] - mean;
        e += pick(i) * d;
        q += pick(i) * d * d;
    }
    // the second pass also corrects the mean's own rounding error
    let fix = e / sw;
    let m = (v.len().div_ceil(step)) as f64;
    (mean + fix, ((q - sw * fix * fix).max(0.0) / m).sqrt())
}

fn mean_weight(w: Option<&[f64]>, n: usize, step: usize) -> f64 {
    w.map_or(1.0, |w| w.iter().step_by(step).sum::<f64>() / n.div_ceil(step) as f64)
}

/// Moments of the indicators of all levels, as of other columns.
fn shares(codes: &[i32], w: Option<&[f64]>) -> Vec<(f64, f64)> {
    let n_levels = codes.iter().max().map_or(0, |&c| c as usize + 1);
    let mut sums = vec![0.0; n_levels];
    codes.iter().enumerate().for_each(|(i, &c)| sums[c as usize] += w.map_or(1.0, |w| w[i]));
    let (total, n) = (sums.iter().sum::<f64>(), codes.len() as f64);
    sums.into_iter().map(|s| (s / total, (s * (1.0 - s / total).max(0.0) / n).sqrt())).collect()
}

fn constant_value(v: &[f64]) -> Option<f64> {
    let first = *v.first()?;
    (first != 0.0 && v.iter().all(|&x| x == first)).then_some(first)
}

fn usable(scale: f64) -> f64 {
    if scale.is_finite() && scale > 0.0 {
        scale
    } else {
        1.0
    }
}

impl Basis {
    /// Centres and scales for these rows, all columns of X kept.
    pub fn from_rows(rows: &Rows<'_>) -> Self {
        let mut out = Self::of_columns(rows);
        let n = rows.n();
        let step = n.div_ceil(SAMPLE).max(1);
        let (mean, sd) = moments(rows.y, rows.weights, step);
        (out.y_shift, out.y_scale) = if out.intercept.is_some() || rows.fixed().is_some() {
            (mean, usable(sd))
        } else {
            (0.0, usable((sd * sd + mean * mean * mean_weight(rows.weights, n, step)).sqrt()))
        };
        out
    }

    /// The same with the response left as it is.
    pub fn of_columns(rows: &Rows<'_>) -> Self {
        let n = rows.n();
        let step = n.div_ceil(SAMPLE).max(1);
        let w = rows.weights;
        let p = rows.x.len();
        let mean_weight = mean_weight(w, n, step);
        // only a leading column: one that comes later might itself be a combination of those before
        // it
        let leading = match rows.x.first() {
            Some(Column::Numbers(v)) => constant_value(v),
            _ => None,
        };
        let intercept = leading.map(|_| 0);
        let constant = leading.unwrap_or(1.0);
        let centred = intercept.is_some() || rows.fixed().is_some();
        let mut x_shift = vec![0.0; p];
        let mut x_transform = vec![0.0; p * p];
        // moments of columns that X and Z share are computed once
        let mut seen: Vec<(*const f64, (f64, f64))> = Vec::new();
        let mut of_levels: Option<Vec<(f64, f64)>> = None;
        let mut column = |v: &[f64]| -> (f64, f64) {
            if let Some(hit) = seen.iter().find(|s| s.0 == v.as_ptr()) {
                return hit.1;
            }
            let m = moments(v, w, step);
            seen.push((v.as_ptr(), m));
            m
        };
        for j in 0..p {
            if Some(j) == intercept {
                x_transform[j * p + j] = 1.0 / (constant * mean_weight.sqrt());
                continue;
            }
            let (mean, sd) = match rows.x[j] {
                Column::Numbers(v) => column(v),
                Column::Level(codes, level) => of_levels.get_or_insert_with(|| shares(codes, w))[level as usize],
            };
            if centred {
                // a column that is constant but for rounding is left at zero, and dropped
                let noise = 1e-14 * mean.abs();
                x_shift[j] = mean;
                x_transform[j * p + j] = if sd * mean_weight.sqrt().recip() <= noise { 0.0 } else { 1.0 / usable(sd) };
            } else {
                let rms = (sd * sd + mean * mean * mean_weight).sqrt();
                x_transform[j * p + j] = 1.0 / usable(rms);
            }
        }
        let terms = rows
            .factors
            .iter()
            .map(|f| {
                f.terms
                    .iter()
                    .map(|t| {
                        let k = t.z.len();
                        let recode = t.structure.is_invariant_to_recoding() && k > 1;
                        let int = if recode { t.z.iter().position(|z| constant_value(z).is_some()) } else { None };
                        let c = int.map_or(1.0, |j| t.z[j][0]);
                        let mut shift = vec![0.0; k];
                        let mut scale = vec![1.0; k];
                        for j in 0..k {
                            let (mean, sd) = column(t.z[j]);
                            let rms = (sd * sd + mean * mean * mean_weight).sqrt();
                            let noise = 1e-14 * mean.abs() * mean_weight.sqrt();
                            if int.is_some() && int != Some(j) && sd > noise {
                                shift[j] = mean;
                                scale[j] = usable(sd);
                            } else {
                                scale[j] = usable(rms);
                            }
                        }
                        TermBasis { intercept: int, constant: c, shift, scale }
                    })
                    .collect()
            })
            .collect();
        Basis {
            kept: (0..p).collect(),
            intercept,
            constant,
            x_shift,
            x_transform,
            x_diagonal: true,
            y_shift: 0.0,
            y_scale: 1.0,
            terms,
        }
    }

    /// Leaves out columns of X, whose transform is diagonal.
    pub fn keep_columns(&mut self, kept: &[usize]) {
        let (p, m) = (self.p(), kept.len());
        let mut transform = vec![0.0; m * m];
        kept.iter().enumerate().for_each(|(c, &j)| transform[c * m + c] = self.x_transform[j * p + j]);
        self.x_transform = transform;
        self.x_shift = kept.iter().map(|&j| self.x_shift[j]).collect();
        self.intercept = self.intercept.and_then(|i| kept.iter().position(|&j| j == i));
        self.kept = kept.iter().map(|&j| self.kept[j]).collect();
    }

    /// Number of columns of X in use.
    pub fn p(&self) -> usize {
        self.kept.len()
    }

    /// The matrix G with `b = y_scale G b~ (+ the shift of y)`, row-major.
    pub fn g(&self) -> Vec<f64> {
        let p = self.p();
        let mut g = self.x_transform.clone();
        if let Some(i0) = self.intercept {
            for c in 0..p {
                let mut s = 0.0;
                for r in (0..p).filter(|&r| r != i0) {
                    s += self.x_shift[r] * self.x_transform[r * p + c];
                }
                g[i0 * p + c] -= s / self.constant;
            }
        }
        g
    }

    /// Fixed effects of the columns as given.
    pub fn beta_to_given(&self, beta: &[f64]) -> Vec<f64> {
        let p = self.p();
        let g = self.g();
        let mut out: Vec<f64> =
            (0..p).map(|i| self.y_scale * (0..p).map(|c| g[i * p + c] * beta[c]).sum::<f64>()).collect();
        if let Some(i0) = self.intercept {
            out[i0] += self.y_shift / self.constant;
        }
        out
    }

    /// Keeps some columns, changed from their present basis, which is diagonal, by an upper
    /// triangular matrix.
    pub fn change_columns(&mut self, kept: &[usize], change: &[f64]) {
        let (p, m) = (self.p(), kept.len());
        let mut transform = vec![0.0; m * m];
        for i in 0..m {
            let t = self.x_transform[kept[i] * p + kept[i]];
            for c in i..m {
                transform[i * m + c] = t * change[i * m + c];
            }
        }
        self.intercept = self.intercept.and_then(|i0| kept.iter().position(|&j| j == i0));
        self.x_shift = kept.iter().map(|&j| self.x_shift[j]).collect();
        self.kept = kept.iter().map(|&j| self.kept[j]).collect();
        self.x_transform = transform;
        self.x_diagonal = m == 1;
    }

    /// Fixed effects of the changed basis from those of the columns as given.
    pub fn beta_from_given(&self, beta: &[f64]) -> Vec<f64> {
        let p = self.p();
        let mut out = beta.to_vec();
        if let Some(i0) = self.intercept {
            let s: f64 = (0..p).filter(|&r| r != i0).map(|r| self.x_shift[r] * beta[r]).sum();
            out[i0] += s / self.constant;
        }
        for i in (0..p).rev() {
            let s: f64 = (i + 1..p).map(|c| self.x_transform[i * p + c] * out[c]).sum();
            out[i] = (out[i] - s) / self.x_transform[i * p + i];
        }
        out
    }

    /// log |det G|.
    pub fn log_det_g(&self) -> f64 {
        let p = self.p();
        (0..p).map(|i| self.x_transform[i * p + i].abs().ln()).sum()
    }

    /// Rewrites the kept columns of row i (relative to `x`) in the changed basis, without weights.
    pub fn x_row(&self, x: &[f64], out: &mut [f64]) {
        let p = self.p();
        for c in 0..p {
            let mut s = 0.0;
            for r in 0..=c {
                s += (x[r] - self.x_shift[r]) * self.x_transform[r * p + c];
            }
            out[c] = s;
        }
    }
}
