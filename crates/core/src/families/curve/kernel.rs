//! Normal responses around a curve, as a kernel of rows with several linear predictors.
//!
//! With e = y - f and s = w / sigma^2, the last predictor z = log sigma:
//!
//! | derivative | is |
//! | --- | --- |
//! | `l` | -s e^2 / 2 - z + log(w) / 2 - log(2 pi) / 2 |
//! | `r_j`, `r_z` | s e f_j, s e^2 - 1 |
//! | `W_jk`, `W_jz`, `W_zz` | s (f_j f_k - e f_jk), 2 s e f_j, 2 s e^2 |
//! | `T_jkc` | s (f_jc f_k + f_j f_kc + f_c f_jk - e f_jkc) |
//! | `T_jkz`, `T_jzz`, `T_zzz` | -2 W_jk, -4 s e f_j, -4 s e^2 |
//!
//! The curvature of Gauss and Newton leaves out what has e in it: s f_j f_k.

use crate::families::kernel::{pair, triple, Kernel, KernelOut, KernelRows};

/// log(2 pi) / 2.
pub(super) const HALF_LOG_TWO_PI: f64 = 0.918_938_533_204_672_7;

/// Rows at which a curve is wanted.
#[derive(Clone, Copy)]
pub struct MeanRows<'a> {
    /// Parameters: those of all rows for the first, then for the next.
    pub eta: &'a [f64],
    /// The caller's number of each row.
    pub order: &'a [u32],
}

/// A curve with P parameters.
pub trait Mean: Send + Sync {
    /// Number P of parameters.
    fn parameters(&self) -> usize;
    /// Values of the curve and its derivatives up to an order of at most three, in `out`: n values,
    /// n first derivatives for each parameter, second ones for each pair and third ones for each
    /// triple, in the order of [`pair`] and [`triple`].
    fn derivatives(&self, rows: MeanRows<'_>, order: usize, out: &mut [f64]);
    /// A message of a failure, if there was one.
    fn failure(&self) -> Option<String> {
        None
    }
}

/// See the module.
pub struct Curve {
    mean: Box<dyn Mean>,
    /// Whether the determinant has the curvature of Gauss and Newton.
    gauss_newton: bool,
    /// Predictors at the start, rows in the caller's order.
    start: Vec<f64>,
    /// Standard deviations of random effects at the start, by predictor.
    spread: Vec<f64>,
}

impl Curve {
    /// Responses around a curve; `start` holds the predictors of all rows (P + 1 times n).
    pub fn new(mean: Box<dyn Mean>, gauss_newton: bool, start: Vec<f64>, spread: Vec<f64>) -> Self {
        Curve { mean, gauss_newton, start, spread }
    }

    fn curve(&self, rows: &KernelRows<'_>, order: usize) -> Derivatives {
        let (n, p) = (rows.y.len(), self.mean.parameters());
        let mut values = vec![0.0; super::jets::parts(p, order) * n];
        self.mean.derivatives(MeanRows { eta: &rows.eta[..p * n], order: rows.order }, order, &mut values);
        Derivatives { values, n, p }
    }
}

/// Values of a curve with its derivatives.
struct Derivatives {
    values: Vec<f64>,
    n: usize,
    p: usize,
}

impl Derivatives {
    fn part(&self, at: usize) -> &[f64] {
        &self.values[at * self.n..(at + 1) * self.n]
    }

    fn f(&self) -> &[f64] {
        self.part(0)
    }

    fn g(&self, j: usize) -> &[f64] {
        self.part(1 + j)
    }

    fn h(&self, j: usize, k: usize) -> &[f64] {
        self.part(1 + self.p + pair(j, k))
    }

    fn t(&self, i: usize, j: usize, k: usize) -> &[f64] {
        self.part(1 + self.p + self.p * (self.p + 1) / 2 + triple(i, j, k))
    }
}

impl Kernel for Curve {
    fn predictors(&self) -> usize {
        self.mean.parameters() + 1
    }

    fn derivatives(&self, rows: KernelRows<'_>, out: KernelOut<'_>) {
        let (n, p) = (rows.y.len(), self.mean.parameters());
        let third = !out.t.is_empty();
        // third derivatives of the curve itself are those of the observed curvature alone
        let d = self.curve(&rows, if third && !self.gauss_newton { 3 } else { 2 });
        let z = p;
        let scale: Vec<f64> =
            rows.w.iter().zip(&rows.eta[p * n..(p + 1) * n]).map(|(w, z)| w * (-2.0 * z).exp()).collect();
        let e: Vec<f64> = rows.y.iter().zip(d.f()).map(|(y, f)| y - f).collect();
        for i in 0..n {
            let square = scale[i] * e[i] * e[i];
            out.l[i] = -0.5 * square - rows.eta[p * n + i] + 0.5 * rows.w[i].ln() - HALF_LOG_TWO_PI;
            out.r[z * n + i] = square - 1.0;
            out.w[pair(z, z) * n + i] = 2.0 * square;
        }
        for j in 0..p {
            let fj = d.g(j);
            for i in 0..n {
                let r = scale[i] * e[i] * fj[i];
                out.r[j * n + i] = r;
                out.w[pair(j, z) * n + i] = 2.0 * r;
            }
            for k in 0..=j {
                let (fk, fjk, w) = (d.g(k), d.h(j, k), &mut out.w[pair(j, k) * n..(pair(j, k) + 1) * n]);
                for i in 0..n {
                    w[i] = scale[i] * (fj[i] * fk[i] - e[i] * fjk[i]);
                }
            }
        }
        if !third {
            return;
        }
        for i in 0..n {
            out.t[triple(z, z, z) * n + i] = -2.0 * out.w[pair(z, z) * n + i];
        }
        for j in 0..p {
            for i in 0..n {
                out.t[triple(j, z, z) * n + i] = -2.0 * out.w[pair(j, z) * n + i];
            }
            for k in 0..=j {
                for i in 0..n {
                    out.t[triple(j, k, z) * n + i] = -2.0 * out.w[pair(j, k) * n + i];
                }
                for c in (0..=k).filter(|_| !self.gauss_newton) {
                    let t = &mut out.t[triple(j, k, c) * n..(triple(j, k, c) + 1) * n];
                    let (fj, fk, fc) = (d.g(j), d.g(k), d.g(c));
                    let (fjk, fjc, fkc, fjkc) = (d.h(j, k), d.h(j, c), d.h(k, c), d.t(j, k, c));
                    for i in 0..n {
                        let mixed = fjc[i] * fk[i] + fj[i] * fkc[i] + fc[i] * fjk[i];
                        t[i] = scale[i] * (mixed - e[i] * fjkc[i]);
                    }
                }
            }
        }
    }

    fn start(&self, _which: usize, rows: KernelRows<'_>, eta: &mut [f64]) {
        let n = rows.order.len();
        for (own, given) in eta.chunks_exact_mut(n).zip(self.start.chunks_exact(n)) {
            own.iter_mut().zip(rows.order).for_each(|(e, &i)| *e = given[i as usize]);
        }
    }

    fn spread(&self, predictor: usize, _: &[f64]) -> f64 {
        self.spread[predictor]
    }

    fn unit(&self, predictor: usize, _: &[f64]) -> f64 {
        self.spread[predictor]
    }

    fn has_units(&self) -> bool {
        true
    }

    fn has_own_curvature(&self) -> bool {
        self.gauss_newton
    }

    fn determinant(&self, rows: KernelRows<'_>, w: &mut [f64], t: &mut [f64]) {
        let (n, p) = (rows.y.len(), self.mean.parameters());
        let d = self.curve(&rows, 2);
        let m = p + 1;
        let scale: Vec<f64> =
            rows.w.iter().zip(&rows.eta[p * n..(p + 1) * n]).map(|(w, z)| w * (-2.0 * z).exp()).collect();
        for j in 0..p {
            for k in 0..=j {
                let (at, fj, fk) = (pair(j, k), d.g(j), d.g(k));
                let w = &mut w[at * n..(at + 1) * n];
                for i in 0..n {
                    w[i] = scale[i] * fj[i] * fk[i];
                }
                for c in 0..p {
                    let (fjc, fkc) = (d.h(j, c), d.h(k, c));
                    let t = &mut t[(at * m + c) * n..(at * m + c + 1) * n];
                    for i in 0..n {
                        t[i] = scale[i] * (fjc[i] * fk[i] + fj[i] * fkc[i]);
                    }
                }
                let t = &mut t[(at * m + p) * n..(at * m + p + 1) * n];
                t.iter_mut().zip(&*w).for_each(|(t, w)| *t = -2.0 * w);
            }
        }
    }

    fn failure(&self) -> Option<String> {
        self.mean.failure()
    }
}
