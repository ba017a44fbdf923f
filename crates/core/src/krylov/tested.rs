//! What Satterthwaite's degrees of freedom are made of, by the average information of a fit.

use super::linear::Crossed;
use super::linear::Evaluated;
use crate::dense::kernels;
use crate::layout::Frame;
use crate::linear::{Chart, Satterthwaite};
use crate::optimize::trust_region::Eigen;

/// Curvatures below this share of the largest carry no information.
const FLAT: f64 = 1e-9;

impl Crossed {
    /// About a fit with these coordinates, some of which are free, and the Hessian of those.
    ///
    /// With A_k the derivative of D = Lambda Lambda' and F = Z'V^-1X, the covariance of the fixed
    /// effects moves by S F'A_k F S, and sigma^2 by -g'A_k g / nu.
    pub(super) fn satterthwaite(
        &self,
        at: &Evaluated<'_>,
        frames: &[Frame],
        chart: &Chart<'_>,
        (free, h): (&[usize], &[f64]),
    ) -> Satterthwaite {
        let layout = self.layout();
        let (p, m) = (layout.p(), free.len());
        let pw = p + 1;
        let lambda = layout.lambda_of(frames);
        // R_X^-T, and the root of the columns as given
        let mut inverse = vec![0.0; p * p];
        (0..p).for_each(|i| inverse[i * p + i] = 1.0);
        kernels::backward::<0>(&at.root_of_fixed(p), p, &mut inverse, p);
        let mut root = vec![0.0; p * p];
        kernels::multiply(&layout.basis.g(), &inverse, p, p, p, &mut root);
        let tangents = chart.tangents(frames);
        let mut slopes = Vec::with_capacity(m * p * p);
        for &c in free {
            let (b, d) = &tangents[c];
            let (k, kf) = (b.k, layout.factors[b.factor].k);
            let own: Vec<f64> =
                (0..k * k).map(|t| lambda[b.factor][(b.offset + t / k) * kf + b.offset + t % k]).collect();
            let (mut df, mut lf) = (vec![0.0; k * pw], vec![0.0; k * pw]);
            let mut sum = vec![0.0; pw * pw];
            for &pos in &layout.sym.position[b.factor] {
                let row = layout.sym.row[pos as usize] + b.offset;
                let fg = &at.score.fg[row * pw..(row + k) * pw];
                kernels::transposed_multiply(d, fg, k, k, pw, &mut df);
                kernels::transposed_multiply(&own, fg, k, k, pw, &mut lf);
                for (d, l) in df.chunks_exact(pw).zip(lf.chunks_exact(pw)) {
                    for (to, a) in sum.chunks_exact_mut(pw).zip(d) {
                        to.iter_mut().zip(l).for_each(|(t, b)| *t += a * b);
                    }
                }
            }
            let moved: Vec<f64> = (0..p * p).map(|t| sum[t / p * pw + t % p] + sum[t % p * pw + t / p]).collect();
            let rate = -2.0 * sum[p * pw + p] / at.r2;
            let (mut half, mut whole) = (vec![0.0; p * p], vec![0.0; p * p]);
            kernels::multiply(&moved, &inverse, p, p, p, &mut half);
            kernels::transposed_multiply(&inverse, &half, p, p, p, &mut whole);
            (0..p).for_each(|i| whole[i * p + i] += rate);
            slopes.extend(whole);
        }
        let mut covariance = vec![0.0; m * m];
        let mut flat = 0;
        if let Some(e) = if m > 0 { Eigen::of(h, m) } else { None } {
            let floor = FLAT * e.values[m - 1].max(0.0);
            for (c, &value) in e.values.iter().enumerate() {
                if value <= floor {
                    flat += 1;
                    continue;
                }
                for t in 0..m * m {
                    covariance[t] += 2.0 * e.vectors[t / m * m + c] * e.vectors[t % m * m + c] / value;
                }
            }
        }
        Satterthwaite { root, covariance, slopes, m, flat }
    }
}
