//! What a response that is given is multiplied by: only the cross-products with y change.

use super::system::System;
use crate::crossprod::{transformed_w, transformed_z};
use crate::rows::Rows;

/// \[Z X\] of all rows in the changed basis, weights applied: what a response is multiplied by.
pub struct Columns<'a> {
    rows: &'a Rows<'a>,
    x: Vec<f64>,
    z: Vec<Vec<f64>>,
}

impl<'a> Columns<'a> {
    /// Of a system made from these rows.
    pub fn of(rows: &'a Rows<'a>, sys: &System) -> Self {
        let n = rows.n();
        let p = sys.p();
        let mut w = vec![0.0; n * (p + 1)];
        transformed_w(rows, &sys.basis, 0..n, &mut w);
        let x = w.chunks_exact(p + 1).flat_map(|r| r[..p].iter().copied()).collect();
        let z = (0..rows.factors.len())
            .map(|f| {
                let mut out = vec![0.0; n * sys.factors[f].k];
                transformed_z(rows, &sys.basis, f, 0..n, &mut out);
                out
            })
            .collect();
        Columns { rows, x, z }
    }

    /// Replaces y in the cross-products of `sys`.
    pub(super) fn set_response(&self, sys: &mut System, y: &[f64]) {
        let rows = self.rows;
        let n = y.len();
        let p = sys.p();
        let pw = p + 1;
        let centred = sys.basis.intercept.is_some();
        let mean = if centred { y.iter().sum::<f64>() / n as f64 } else { 0.0 };
        let ss: f64 = y.iter().map(|v| (v - mean).powi(2)).sum();
        let sd = (ss / n as f64).sqrt();
        let scale = if sd.is_finite() && sd > 0.0 { sd } else { 1.0 };
        sys.set_response_scale(mean, scale);
        for ztw in &mut sys.cp.ztw {
            ztw.chunks_exact_mut(pw).for_each(|r| r[p] = 0.0);
        }
        let mut wty = vec![0.0; pw];
        for (i, &v) in y.iter().enumerate() {
            let root = rows.weights.map_or(1.0, |w| w[i].sqrt());
            let v = root * (v - mean) / scale;
            for (t, &x) in wty.iter_mut().zip(&self.x[i * p..(i + 1) * p]) {
                *t += x * v;
            }
            wty[p] += v * v;
            for ((ztw, z), fr) in sys.cp.ztw.iter_mut().zip(&self.z).zip(&rows.factors) {
                let k = z.len() / n;
                fr.each(i, |l, weight| {
                    for j in 0..k {
                        ztw[(l * k + j) * pw + p] += weight * z[i * k + j] * v;
                    }
                });
            }
        }
        for j in 0..pw {
            sys.cp.wtw[j * pw + p] = wty[j];
            sys.cp.wtw[p * pw + j] = wty[j];
        }
    }
}
