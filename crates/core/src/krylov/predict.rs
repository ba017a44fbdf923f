//! Variances after a fit: of the random effects of all levels given the data, and of predictions.

use super::block::WIDEST;
use super::inverse::Inverse;
use super::linear::Crossed;
use super::logdet::Decomposition;
use super::probes::Signs;
use crate::dense::kernels;
use crate::error::CoreError;
use crate::layout::{Lambda, Layout};
use crate::rows::NewRows;
use crate::watch::Watch;
use std::collections::HashMap;

/// Relative standard error by sampling up to which probes are added, and how many times as many
/// there may be.
const ERROR: f64 = 0.005;
const MORE: usize = 8;
/// Different rows up to which each is solved for exactly.
const FEW: usize = 256;

/// Covariances of the effects of every level given the data, in units of the residual variance.
pub struct Levels {
    /// Of each factor: levels x k x k, columns as given.
    pub covariance: Vec<Vec<f64>>,
    /// Of each factor the root of the mean square of the standard errors of the variances by
    /// sampling, relative to them.
    pub error: Vec<f64>,
    /// Probes.
    pub probes: usize,
}

/// Leads from the effects of a level in the changed basis to those of the columns as given.
fn to_given(layout: &Layout, factor: usize) -> Vec<f64> {
    let k = layout.factors[factor].k;
    let mut one = layout.zero_lambda();
    (0..k).for_each(|i| one[factor][i * k + i] = 1.0);
    layout.given_lambda(&one, factor)
}

/// a b a' of k x k matrices.
fn between(a: &[f64], b: &[f64], k: usize) -> Vec<f64> {
    let mut t = vec![0.0; k * k];
    kernels::multiply(a, b, k, k, k, &mut t);
    (0..k * k).map(|i| (0..k).map(|c| t[i / k * k + c] * a[i % k * k + c]).sum()).collect()
}

/// Of all levels, with probes added until their error is small.
///
/// # Errors
/// An interruption, or no convergence.
pub(super) fn of_levels(
    layout: &Layout,
    d: &Decomposition<'_>,
    signs: Signs,
    probes: usize,
) -> Result<Levels, CoreError> {
    let mut inverse = Inverse::new(d, signs, probes)?;
    let g = d.graph();
    let turns: Vec<Vec<f64>> = (0..layout.factors.len()).map(|f| to_given(layout, f)).collect();
    let mut many = probes;
    loop {
        let found = inverse.of_levels();
        let (mut covariance, mut error) = (Vec::new(), Vec::new());
        for (half, part) in g.in_order() {
            let k = part.k();
            let (mut own, mut squares, mut count) = (Vec::with_capacity(part.n_levels * k * k), 0.0, 0.0);
            for (_, at) in part.levels() {
                let (value, se) = (&found.values[half][at..at + k * k], &found.errors[half][at..at + k * k]);
                for i in (0..k).map(|i| i * k + i).filter(|&i| value[i] > 0.0) {
                    squares += (se[i] / value[i]).powi(2);
                    count += 1.0;
                }
                own.extend(between(&turns[part.factor], value, k));
            }
            covariance.push(own);
            error.push(f64::sqrt(squares / f64::max(count, 1.0)));
        }
        let largest = error.iter().copied().fold(0.0, f64::max);
        if largest <= ERROR || many >= MORE * probes {
            return Ok(Levels { covariance, error, probes: many });
        }
        many = ((many as f64 * (largest / ERROR).powi(2)).ceil() as usize).clamp(many + 1, 2 * many).min(MORE * probes);
        inverse.add_probes(signs, many)?;
    }
}

/// A row's effects in the changed basis with their levels, by factor.
type Effects = Vec<(Option<usize>, Vec<f64>)>;

fn effects_of(layout: &Layout, turns: &[Vec<f64>], factors: &[NewRows<'_>], row: usize) -> Effects {
    let of = |(f, new): (usize, &NewRows<'_>)| {
        let k = layout.factors[f].k;
        let z: Vec<f64> = new.z.iter().map(|z| z[row]).collect();
        let mut v = vec![0.0; k];
        kernels::transposed_multiply(&turns[f], &z, k, k, 1, &mut v);
        (usize::try_from(new.codes[row]).ok(), v)
    };
    factors.iter().enumerate().map(of).collect()
}

/// z'Lambda M^-1 Lambda'z of new rows: exact where few of them differ, else by probes.
///
/// # Errors
/// An interruption, no convergence, or rows with parts of several levels.
pub(super) fn of_rows(
    layout: &Layout,
    d: &Decomposition<'_>,
    factors: &[NewRows<'_>],
    n_rows: usize,
    (signs, probes): (Signs, usize),
    mut visit: impl FnMut(usize, &[(Option<usize>, Vec<f64>)]),
) -> Result<Vec<f64>, CoreError> {
    if factors.iter().any(|f| f.members.is_some()) {
        return Err(CoreError::Shape("a row has one level of each factor here".into()));
    }
    let turns: Vec<Vec<f64>> = (0..layout.factors.len()).map(|f| to_given(layout, f)).collect();
    // different rows
    let mut known: HashMap<Vec<u64>, usize> = HashMap::new();
    let (mut all, mut of_row): (Vec<Effects>, Vec<usize>) = (Vec::new(), Vec::with_capacity(n_rows));
    for r in 0..n_rows {
        let e = effects_of(layout, &turns, factors, r);
        visit(r, &e);
        let key = e
            .iter()
            .flat_map(|(l, z)| std::iter::once(l.map_or(u64::MAX, |l| l as u64)).chain(z.iter().map(|v| v.to_bits())))
            .collect();
        let at = *known.entry(key).or_insert(all.len());
        if at == all.len() {
            all.push(e);
        }
        of_row.push(at);
    }
    let found: Vec<f64> = if all.len() <= FEW {
        let mut found = Vec::with_capacity(all.len());
        for some in all.chunks(WIDEST) {
            found.extend(solved(d, some)?);
        }
        found
    } else {
        let inverse = Inverse::new(d, signs, probes)?;
        let of = |e: &Effects| {
            let row: Vec<(Option<usize>, &[f64])> = e.iter().map(|(l, z)| (*l, &z[..])).collect();
            inverse.of_row(&row)
        };
        all.iter().map(of).collect()
    };
    Ok(of_row.into_iter().map(|at| found[at]).collect())
}

/// The same of a few rows by solutions.
fn solved(d: &Decomposition<'_>, rows: &[Effects]) -> Result<Vec<f64>, CoreError> {
    let g = d.graph();
    let cols = rows.len();
    let mut a = [vec![0.0; g.eliminated.range().len() * cols], vec![0.0; g.n_places() * cols]];
    let mut touched = vec![Vec::new(); cols];
    for (c, row) in rows.iter().enumerate() {
        for (f, (level, z)) in row.iter().enumerate() {
            let Some(level) = level else { continue };
            let (half, part) = g.part(f);
            let k = part.k();
            let first = part.first + level * k;
            let lam = &d.lambda()[f];
            for i in 0..k {
                a[half][(first + i) * cols + c] = (0..k).map(|j| lam[j * k + i] * z[j]).sum();
                touched[c].push((half, (first + i) * cols + c));
            }
        }
    }
    let (x1, x2) = d.solve(&a[0], &a[1], cols)?;
    let x = [x1, x2];
    Ok(touched.iter().map(|t| t.iter().map(|&(half, at)| a[half][at] * x[half][at]).sum()).collect())
}

impl Crossed {
    /// Covariance of the random effects of every level given y and the fixed effects.
    ///
    /// # Errors
    /// An interruption, or no convergence.
    pub fn conditional_covariance(
        &self,
        lambda: &Lambda,
        (signs, probes): (Signs, usize),
        watch: &dyn Watch,
    ) -> Result<Levels, CoreError> {
        let d = Decomposition::new(&self.g, lambda, self.n_threads, watch)?;
        of_levels(self.layout(), &d, signs, probes)
    }

    /// Variance of x'(b^ - b) + z'(u^ - u), divided by sigma^2, for new rows (columns `x` are the
    /// kept ones, as given).
    ///
    /// # Errors
    /// An interruption, or no convergence.
    pub fn prediction_variance(
        &self,
        lambda: &Lambda,
        x: &[&[f64]],
        factors: &[NewRows<'_>],
        (signs, probes): (Signs, usize),
        watch: &dyn Watch,
    ) -> Result<Vec<f64>, CoreError> {
        let layout = self.layout();
        let p = layout.p();
        let n_rows = factors.first().map_or_else(|| x.first().map_or(0, |x| x.len()), |f| f.codes.len());
        let at = self.evaluate(lambda, false, 0, signs, watch)?;
        let (pw, g) = (p + 1, layout.basis.g());
        let mut of_x = vec![0.0; n_rows * p];
        for (r, row) in of_x.chunks_exact_mut(p.max(1)).enumerate() {
            for (x, g) in x.iter().zip(g.chunks_exact(p)) {
                row.iter_mut().zip(g).for_each(|(t, g)| *t += x[r] * g);
            }
        }
        let d = at.decomposition();
        let of_z = of_rows(layout, d, factors, n_rows, (signs, probes), |r, effects| {
            for (f, (level, z)) in effects.iter().enumerate() {
                let Some(level) = level else { continue };
                let (k, row) = (z.len(), layout.first_row(f, *level));
                for i in 0..k {
                    let along: f64 = (0..k).map(|j| lambda[f][j * k + i] * z[j]).sum();
                    let own = &at.score.kw[(row + i) * pw..(row + i) * pw + p];
                    of_x[r * p..(r + 1) * p].iter_mut().zip(own).for_each(|(t, k)| *t -= along * k);
                }
            }
        })?;
        let fixed = |r: usize| -> f64 {
            let c = &of_x[r * p..(r + 1) * p];
            (0..p).map(|i| c[i] * (0..p).map(|j| at.score.s[i * p + j] * c[j]).sum::<f64>()).sum()
        };
        Ok(of_z.into_iter().enumerate().map(|(r, v)| (v + fixed(r)).max(0.0)).collect())
    }
}
