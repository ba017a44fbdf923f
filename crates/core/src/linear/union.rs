//! Models whose columns are all among those of one union: how a response of the union becomes one
//! of theirs.

use super::system::System;
use crate::crossprod::transformed_w;
use crate::error::CoreError;
use crate::rows::Rows;

/// A model and its places in a union.
pub struct Within<'a> {
    /// Its system.
    pub sys: &'a System,
    /// Its rows.
    pub rows: &'a Rows<'a>,
    /// For each factor, the factor of the union with the same codes.
    pub factor: Vec<usize>,
    /// For each factor, the effect of that one which is each effect's column.
    pub effect: Vec<Vec<usize>>,
}

/// Takes Z'y, X'y and y'y of a union to those of one of its models.
pub struct Passage {
    factor: Vec<usize>,
    fixed: Vec<f64>,
    random: Vec<Vec<f64>>,
}

impl Passage {
    /// From a union to a model.
    ///
    /// # Errors
    /// [`CoreError::Shape`] where the model's fixed effects are not among the union's.
    pub fn new(union: &System, union_rows: &Rows<'_>, m: &Within<'_>) -> Result<Self, CoreError> {
        let fixed = combination(union, union_rows, m)?;
        let random = (0..m.factor.len()).map(|f| recoding(union, m, f)).collect();
        Ok(Passage { factor: m.factor.clone(), fixed, random })
    }

    /// Hands the response of the union to a model.
    pub(super) fn carry(&self, union: &System, sys: &mut System) {
        let (wu, wm) = (union.cp.pw, sys.cp.pw);
        let (pu, pm) = (wu - 1, wm - 1);
        for (f, random) in self.random.iter().enumerate() {
            let (of_union, k) = (self.factor[f], sys.factors[f].k);
            let (ku, ztw) = (union.factors[of_union].k, &union.cp.ztw[of_union]);
            for l in 0..sys.factors[f].n_levels {
                for j in 0..k {
                    let v: f64 = (0..ku).map(|i| random[i * k + j] * ztw[(l * ku + i) * wu + pu]).sum();
                    sys.cp.ztw[f][(l * k + j) * wm + pm] = v;
                }
            }
        }
        for j in 0..pm {
            let v: f64 = (0..pu).map(|i| self.fixed[i * pm + j] * union.cp.wtw[i * wu + pu]).sum();
            sys.cp.wtw[j * wm + pm] = v;
            sys.cp.wtw[pm * wm + j] = v;
        }
        sys.cp.wtw[pm * wm + pm] = union.cp.wtw[pu * wu + pu];
        sys.set_response_scale(union.basis.y_shift, union.basis.y_scale);
    }
}

/// X of a member in terms of that of the union: the p_union x p_member matrix T with X_m = X T, in
/// the changed bases.
fn combination(union: &System, union_rows: &Rows<'_>, m: &Within<'_>) -> Result<Vec<f64>, CoreError> {
    const BLOCK: usize = 256;
    let (pu, pm) = (union.p(), m.sys.p());
    let (wu, wm) = (pu + 1, pm + 1);
    let n = union_rows.n();
    let (mut a, mut b) = (vec![0.0; BLOCK * wu], vec![0.0; BLOCK * wm]);
    let mut t = vec![0.0; pu * pm];
    let mut own = vec![0.0; pm];
    let mut start = 0;
    while start < n {
        let stop = (start + BLOCK).min(n);
        transformed_w(union_rows, &union.basis, start..stop, &mut a);
        transformed_w(m.rows, &m.sys.basis, start..stop, &mut b);
        for r in 0..stop - start {
            for j in 0..pm {
                let v = b[r * wm + j];
                own[j] += v * v;
                (0..pu).for_each(|i| t[i * pm + j] += a[r * wu + i] * v);
            }
        }
        start = stop;
    }
    let mut l = vec![0.0; pu * pu];
    for i in 0..pu {
        l[i * pu..(i + 1) * pu].copy_from_slice(&union.cp.wtw[i * wu..i * wu + pu]);
    }
    let outside = || CoreError::Shape("the fixed effects of a model are not among those of the union".into());
    if pu > 0 && !crate::dense::kernels::cholesky::<0>(&mut l, pu) {
        return Err(outside());
    }
    crate::dense::kernels::forward::<0>(&l, pu, &mut t, pm);
    for j in 0..pm {
        let reached: f64 = (0..pu).map(|i| t[i * pm + j] * t[i * pm + j]).sum();
        if own[j] - reached > 1e-9 * own[j] {
            return Err(outside());
        }
    }
    crate::dense::kernels::backward::<0>(&l, pu, &mut t, pm);
    Ok(t)
}

/// Z of a member's factor in terms of the union's: for each effect, its multiples of the union's
/// effects (k_union x k_member, row-major).
fn recoding(union: &System, m: &Within<'_>, f: usize) -> Vec<f64> {
    let g = m.factor[f];
    let (ku, km) = (union.factors[g].k, m.sys.factors[f].k);
    // columns as given: z_m = z_u S; changed: z_u A_u^-1 ... so z_m~ = z_u~ (A_u^-1 S A_m)
    let mut a = vec![0.0; km * km];
    for (t, tl) in m.sys.terms[f].iter().enumerate() {
        let mut unit = vec![0.0; tl.k * tl.k];
        (0..tl.k).for_each(|i| unit[i * tl.k + i] = 1.0);
        let block = m.sys.basis.terms[f][t].to_given(&unit, tl.k);
        for i in 0..tl.k {
            for j in 0..tl.k {
                a[(tl.offset + i) * km + tl.offset + j] = block[i * tl.k + j];
            }
        }
    }
    let mut picked = vec![0.0; ku * km];
    for (i, &e) in m.effect[f].iter().enumerate() {
        picked[e * km..(e + 1) * km].copy_from_slice(&a[i * km..(i + 1) * km]);
    }
    let mut out = vec![0.0; ku * km];
    for (t, tl) in union.terms[g].iter().enumerate() {
        let rows = tl.offset * km..(tl.offset + tl.k) * km;
        out[rows.clone()].copy_from_slice(&union.basis.terms[g][t].from_given(&picked[rows], km));
    }
    out
}
