//! The exact diagonal blocks at one Lambda: D of the levels of the eliminated factor, and B of what
//! is left of the others when it is eliminated.

use super::cells;
use super::graph::Graph;
use crate::dense::kernels;
use crate::error::CoreError;
use crate::layout::Lambda;

/// See the module. Matrices of the levels stand one after another, k x k, as the squares of the
/// graph do.
pub struct Blocks {
    /// D^-1.
    pub d_inverse: Vec<f64>,
    /// Lambda D^-1.
    pub lambda_d: Vec<f64>,
    /// P = Lambda D^-1 Lambda'.
    pub reduced: Vec<f64>,
    /// I - A P, A = Z'WZ.
    pub left: Vec<f64>,
    /// Cholesky factor U of B, its inverse, and Lambda U'^-1.
    pub root: Vec<f64>,
    pub inverse: Vec<f64>,
    pub factor: Vec<f64>,
    /// (U'U)^-1: what a vector of the reduced system has of itself.
    pub inner: Vec<f64>,
    /// log|D| + log|B|, and its derivative with respect to every factor's Lambda.
    pub log_det: f64,
    pub derivative: Lambda,
    /// What B - I is of each level without its Lambda.
    pub rest: Vec<f64>,
    /// T = sum C'QC, Q = Lambda B^-1 Lambda' of the levels of the other factors and C their
    /// products with the level.
    pub through: Vec<f64>,
}

fn not_positive() -> CoreError {
    CoreError::Degenerate("the system is not positive definite".into())
}

/// Inverse of a lower triangular matrix.
fn inverted(l: &[f64], k: usize, out: &mut [f64]) {
    out.fill(0.0);
    (0..k).for_each(|i| out[i * k + i] = 1.0);
    kernels::forward::<0>(l, k, out, k);
}

impl Blocks {
    /// At one Lambda, with derivatives if asked for. Where `rest` is given it is that of other
    /// weights or another Lambda, and B with all that comes of it is near the true one.
    ///
    /// # Errors
    /// A block that is not positive definite.
    pub fn new(
        g: &Graph,
        lambda: &Lambda,
        with_derivative: bool,
        rest: Option<&[f64]>,
        n_threads: usize,
    ) -> Result<Self, CoreError> {
        let mut derivative: Lambda = lambda.iter().map(|l| vec![0.0; l.len()]).collect();
        let mut log_det = 0.0;
        let k1 = g.eliminated.k();
        let (s1, s2) = (g.squares[0].len(), g.squares[1].len());
        let own = &lambda[g.eliminated.factor];
        let mut out = Blocks {
            d_inverse: vec![0.0; s1],
            lambda_d: vec![0.0; s1],
            reduced: vec![0.0; s1],
            left: vec![0.0; s1],
            root: vec![0.0; s2],
            inverse: vec![0.0; s2],
            factor: vec![0.0; s2],
            inner: vec![0.0; s2],
            log_det: 0.0,
            derivative: Vec::new(),
            rest: Vec::new(),
            through: Vec::new(),
        };
        let (mut t, mut d, mut c) = (vec![0.0; k1 * k1], vec![0.0; k1 * k1], vec![0.0; k1 * k1]);
        for (j, a) in g.squares[0].chunks_exact(k1 * k1).enumerate() {
            let at = j * k1 * k1..(j + 1) * k1 * k1;
            kernels::multiply(a, own, k1, k1, k1, &mut t);
            d.fill(0.0);
            kernels::transposed_multiply(own, &t, k1, k1, k1, &mut d);
            (0..k1).for_each(|i| d[i * k1 + i] += 1.0);
            if !kernels::cholesky::<0>(&mut d, k1) {
                return Err(not_positive());
            }
            log_det += (0..k1).map(|i| 2.0 * d[i * k1 + i].ln()).sum::<f64>();
            let inverse = &mut out.d_inverse[at.clone()];
            kernels::inverse_of_product::<0>(&d, k1, inverse);
            let ld = &mut out.lambda_d[at.clone()];
            kernels::multiply(own, inverse, k1, k1, k1, ld);
            let p = &mut out.reduced[at.clone()];
            for x in 0..k1 {
                for y in 0..k1 {
                    p[x * k1 + y] = (0..k1).map(|c| ld[x * k1 + c] * own[y * k1 + c]).sum();
                }
            }
            let left = &mut out.left[at];
            kernels::multiply(a, p, k1, k1, k1, left);
            left.iter_mut().for_each(|v| *v = -*v);
            (0..k1).for_each(|i| left[i * k1 + i] += 1.0);
            // d log|D| = 2 tr(dLambda' A Lambda D^-1)
            kernels::multiply(a, ld, k1, k1, k1, &mut c);
            derivative[g.eliminated.factor].iter_mut().zip(&c).for_each(|(t, v)| *t += 2.0 * v);
        }
        out.rest = rest.map_or_else(|| cells::sums_of_others(g, &out.reduced, n_threads), <[f64]>::to_vec);
        if rest.is_none() {
            out.rest.iter_mut().zip(&g.squares[1]).for_each(|(r, a)| *r = a - *r);
        }
        for p in &g.others {
            let (k, lam) = (p.k(), &lambda[p.factor]);
            let kk = k * k;
            let (mut t, mut b) = (vec![0.0; kk], vec![0.0; kk]);
            let mut own = vec![0.0; kk];
            for (_, at) in p.levels() {
                let rest = &out.rest[at..at + kk];
                kernels::multiply(rest, lam, k, k, k, &mut t);
                b.fill(0.0);
                kernels::transposed_multiply(lam, &t, k, k, k, &mut b);
                (0..k).for_each(|i| b[i * k + i] = (1.0 + b[i * k + i]).max(1.0));
                if !kernels::cholesky::<0>(&mut b, k) {
                    return Err(not_positive());
                }
                for x in 0..k {
                    (x + 1..k).for_each(|y| b[x * k + y] = 0.0);
                }
                log_det += (0..k).map(|i| 2.0 * b[i * k + i].ln()).sum::<f64>();
                out.root[at..at + kk].copy_from_slice(&b);
                let inverse = &mut out.inverse[at..at + kk];
                inverted(&b, k, inverse);
                for x in 0..k {
                    for y in 0..k {
                        out.factor[at + x * k + y] = (0..k).map(|c| lam[x * k + c] * inverse[y * k + c]).sum();
                        out.inner[at + x * k + y] = (0..k).map(|c| inverse[x * k + c] * inverse[y * k + c]).sum();
                    }
                }
                // 2 (A - R) Lambda B^-1
                let f = &out.factor[at..at + kk];
                for x in 0..k {
                    for y in 0..k {
                        own[x * k + y] = (0..k).map(|c| f[x * k + c] * inverse[c * k + y]).sum();
                    }
                }
                kernels::multiply(rest, &own, k, k, k, &mut t);
                derivative[p.factor].iter_mut().zip(&t).for_each(|(to, v)| *to += 2.0 * v);
            }
        }
        if with_derivative {
            // - tr(Q dR), R = sum C P C', with dP = (I - PA) dLambda D^-1 Lambda' and its transpose
            out.through = cells::sums_of_eliminated(g, &out.factor, n_threads);
            let each = out.through.chunks_exact(k1 * k1).zip(out.left.chunks_exact(k1 * k1));
            for ((through, left), ld) in each.zip(out.lambda_d.chunks_exact(k1 * k1)) {
                kernels::multiply(left, through, k1, k1, k1, &mut t);
                kernels::multiply(&t, ld, k1, k1, k1, &mut c);
                derivative[g.eliminated.factor].iter_mut().zip(&c).for_each(|(to, v)| *to -= 2.0 * v);
            }
        }
        out.log_det = log_det;
        out.derivative = derivative;
        Ok(out)
    }
}
