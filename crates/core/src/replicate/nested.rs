//! The same drawn responses fitted by several models whose columns are all among those of one union.

use super::bootstrap::Truth;
use super::outcome::{outcome, Outcome, Replicates};
use super::workers::{replicate, Watched};
use crate::crossprod::transformed_w;
use crate::error::CoreError;
use crate::linear::{frames_of, Draft, Evaluator, FitOptions, ResponseLaw, Score, System};
use crate::rng::Rng;
use crate::rows::Rows;

/// One of the models fitted.
pub struct Member<'a> {
    /// Its system.
    pub sys: &'a System,
    /// Its rows.
    pub rows: &'a Rows<'a>,
    /// For each factor, the factor of the union with the same codes.
    pub factor: Vec<usize>,
    /// For each factor, the effect of that one which is each effect's column.
    pub effect: Vec<Vec<usize>>,
    /// Covariance parameters to start from; the method of moments without.
    pub start: Option<&'a [f64]>,
}

/// Results of each member, of the same replicates.
pub type NestedOutcomes = Vec<Replicates>;

/// X of a member in terms of that of the union: the p_union x p_member matrix T with X_m = X T, in the changed bases.
fn combination(union: &System, union_rows: &Rows<'_>, m: &Member<'_>) -> Result<Vec<f64>, CoreError> {
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
    if pu > 0 && !crate::blocks::kernels::cholesky::<0>(&mut l, pu) {
        return Err(outside());
    }
    crate::blocks::kernels::forward::<0>(&l, pu, &mut t, pm);
    for j in 0..pm {
        let reached: f64 = (0..pu).map(|i| t[i * pm + j] * t[i * pm + j]).sum();
        if own[j] - reached > 1e-9 * own[j] {
            return Err(outside());
        }
    }
    crate::blocks::kernels::backward::<0>(&l, pu, &mut t, pm);
    Ok(t)
}

/// Z of a member's factor in terms of the union's: for each effect, its multiples of the union's effects (k_union x k_member, row-major).
fn recoding(union: &System, m: &Member<'_>, f: usize) -> Vec<f64> {
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

/// Coefficients of the changed columns of X, in units of sigma, that give what `beta` gives of the columns as they were.
fn changed_coefficients(sys: &System, beta: &[f64], sigma: f64) -> Vec<f64> {
    let (b, p) = (&sys.basis, sys.p());
    let mut v: Vec<f64> = beta.iter().map(|b| b / sigma).collect();
    if let Some(i0) = b.intercept {
        let moved: f64 = (0..p).filter(|&r| r != i0).map(|r| b.x_shift[r] * v[r]).sum();
        v[i0] += moved / b.constant;
    }
    for i in (0..p).rev() {
        let rest: f64 = (i + 1..p).map(|c| b.x_transform[i * p + c] * v[c]).sum();
        v[i] = (v[i] - rest) / b.x_transform[i * p + i];
    }
    v
}

/// Adds X b to the response in the cross-products, b of the changed columns.
fn add_fixed_part(sys: &mut System, b: &[f64]) {
    let pw = sys.cp.pw;
    let p = pw - 1;
    for ztw in &mut sys.cp.ztw {
        for row in ztw.chunks_exact_mut(pw) {
            row[p] += row[..p].iter().zip(b).map(|(z, b)| z * b).sum::<f64>();
        }
    }
    let w = &mut sys.cp.wtw;
    for i in 0..p {
        let moved: f64 = (0..p).map(|j| w[i * pw + j] * b[j]).sum();
        // b'X'y before the change and after it, together 2 b'X'y + b'X'X b
        w[p * pw + p] += b[i] * (2.0 * w[i * pw + p] + moved);
        w[i * pw + p] += moved;
        w[p * pw + i] = w[i * pw + p];
    }
}

/// Draws `n` responses from the union's model and fits every member to each.
///
/// # Errors
/// [`CoreError::Shape`] where a member's fixed effects are not among the union's.
#[allow(clippy::too_many_arguments)]
pub fn nested(
    union: &System,
    union_rows: &Rows<'_>,
    truth: &Truth<'_>,
    members: &[Member<'_>],
    options: FitOptions,
    n: usize,
    seed: u64,
    n_threads: usize,
    watched: &Watched,
) -> Result<NestedOutcomes, CoreError> {
    let law = ResponseLaw::new(union);
    let lambda = union.lambda_from_theta(truth.theta);
    let fixed: Vec<Vec<f64>> =
        members.iter().map(|m| combination(union, union_rows, m)).collect::<Result<_, CoreError>>()?;
    let mean = changed_coefficients(union, truth.beta, truth.sigma);
    let random: Vec<Vec<Vec<f64>>> =
        members.iter().map(|m| (0..m.factor.len()).map(|f| recoding(union, m, f)).collect()).collect();
    let make = || {
        let own: Vec<_> = members
            .iter()
            .map(|m| {
                let mut s = m.sys.clone_for_refit();
                s.set_response_scale(0.0, truth.sigma);
                let (e, score) = (Evaluator::new(&s, 1), Score::new(&s));
                (s, e, score)
            })
            .collect();
        let union = union.clone_for_refit();
        let draft = Draft::new(&union);
        (union, draft, own)
    };
    let all = replicate(n, n_threads, watched, make, |(union, draft, own), i| {
        let mut stream = Rng::of(seed, i as u64);
        draft.draw_effects(union, &lambda, &mut stream);
        law.draw(union, draft, &mut stream);
        add_fixed_part(union, &mean);
        let mut out: Vec<Outcome> = Vec::with_capacity(members.len());
        for (((m, (sys, e, score)), fixed), random) in members.iter().zip(own).zip(&fixed).zip(&random) {
            carry(union, sys, m, fixed, random);
            let start = m.start.map(|t| frames_of(sys, &sys.lambda_from_theta(t)));
            out.push(outcome(sys, e, score, start.as_deref(), options, watched)?);
        }
        Some(out)
    });
    let mut by_member: Vec<Vec<(usize, Outcome)>> = members.iter().map(|_| Vec::with_capacity(all.len())).collect();
    for (i, outcomes) in all {
        outcomes.into_iter().zip(&mut by_member).for_each(|(o, list)| list.push((i, o)));
    }
    Ok(members.iter().zip(by_member).map(|(m, l)| Replicates::gather(l, m.sys.p(), m.sys.n_theta)).collect())
}

/// Hands the response of the union to a member.
fn carry(union: &System, sys: &mut System, m: &Member<'_>, fixed: &[f64], random: &[Vec<f64>]) {
    let (wu, wm) = (union.cp.pw, sys.cp.pw);
    let (pu, pm) = (wu - 1, wm - 1);
    for f in 0..sys.factors.len() {
        let (of_union, k) = (m.factor[f], sys.factors[f].k);
        let (ku, ztw) = (union.factors[of_union].k, &union.cp.ztw[of_union]);
        for l in 0..sys.factors[f].n_levels {
            for j in 0..k {
                let v: f64 = (0..ku).map(|i| random[f][i * k + j] * ztw[(l * ku + i) * wu + pu]).sum();
                sys.cp.ztw[f][(l * k + j) * wm + pm] = v;
            }
        }
    }
    for j in 0..pm {
        let v: f64 = (0..pu).map(|i| fixed[i * pm + j] * union.cp.wtw[i * wu + pu]).sum();
        sys.cp.wtw[j * wm + pm] = v;
        sys.cp.wtw[pm * wm + j] = v;
    }
    sys.cp.wtw[pm * wm + pm] = union.cp.wtw[pu * wu + pu];
}
