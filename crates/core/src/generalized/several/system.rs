//! A model whose rows have several linear predictors, from its columns.

use super::thresholds::{ThresholdBlock, ThresholdRows};
use crate::basis::{Basis, TermBasis};
use crate::crossprod::{observed, products_of_x, settle_rank, transformed_z, Gram};
use crate::error::CoreError;
use crate::families::Family;
use crate::generalized::system::{cells_of_rows, sorted, Effects, FixedPart, GlmmSystem};
use crate::layout::{FactorSpec, Layout};
use crate::rows::{Column, FactorRows, Rows};
use std::sync::Arc;

/// Columns that have one vector of coefficients: a matrix for each predictor they belong to, all
/// with the same number of columns.
#[derive(Clone)]
pub struct FixedBlock<'a> {
    /// Predictor and columns.
    pub parts: Vec<(usize, Vec<&'a [f64]>)>,
}

/// The data of a model with several linear predictors.
#[derive(Clone)]
pub struct SeveralRows<'a> {
    /// Responses.
    pub y: &'a [f64],
    /// Prior weights.
    pub weights: Option<&'a [f64]>,
    /// Fixed effects, in the order of their coefficients.
    pub fixed: Vec<FixedBlock<'a>>,
    /// Thresholds of ordered categories, and their place among the blocks.
    pub thresholds: Option<(usize, ThresholdBlock<'a>)>,
    /// A known part of each predictor.
    pub offsets: Vec<Option<&'a [f64]>>,
    /// Grouping factors with their random terms.
    pub factors: Vec<FactorRows<'a>>,
    /// Predictor of each effect of each factor. Effects of one term may belong to several
    /// predictors.
    pub of: Vec<Vec<usize>>,
}

impl GlmmSystem {
    /// Lays out a model with several linear predictors per row.
    ///
    /// # Errors
    /// Sizes that do not agree, values that are not finite, or a factor that does not fit into
    /// memory.
    pub fn several(rows: &SeveralRows<'_>, family: Arc<dyn Family>) -> Result<Self, CoreError> {
        Self::of_predictors(rows, family, false)
    }

    /// The same; if `all`, with the columns that depend on others, for evaluations alone.
    ///
    /// # Errors
    /// As [`GlmmSystem::several`].
    pub fn of_predictors(rows: &SeveralRows<'_>, family: Arc<dyn Family>, all: bool) -> Result<Self, CoreError> {
        let (n, m) = (rows.y.len(), family.predictors());
        let wrong = |what: &str| CoreError::Shape(format!("{what} do not fit {n} rows with {m} linear predictors"));
        let cuts = rows.thresholds.as_ref();
        let sound = cuts.is_none_or(|(at, t)| {
            let (given, of) = (rows.fixed.len(), t.predictors);
            *at <= given && of.iter().all(|c| *c < m) && t.columns.iter().all(|x| x.len() == n) && t.n_alpha > 0
        });
        if !sound {
            return Err(wrong("thresholds"));
        }
        let expanded = cuts.map(|(_, t)| t.columns_at(rows.y));
        let mut fixed = rows.fixed.clone();
        if let (Some((at, t)), Some(x)) = (cuts, &expanded) {
            let part = |i: usize| (t.predictors[i], x[i].iter().map(Vec::as_slice).collect());
            fixed.insert(*at, FixedBlock { parts: vec![part(0), part(1)] });
        }
        let sound = fixed.iter().flat_map(|b| &b.parts).all(|(c, x)| *c < m && x.iter().all(|x| x.len() == n))
            && fixed.iter().all(|b| b.parts.windows(2).all(|p| p[0].1.len() == p[1].1.len()))
            && rows.offsets.iter().flatten().all(|o| o.len() == n)
            && rows.offsets.len() == m
            && rows.of.len() == rows.factors.len()
            && rows.of.iter().zip(&rows.factors).all(|(of, f)| of.len() == f.k() && of.iter().all(|&c| c < m));
        if !sound {
            return Err(wrong("fixed effects, offsets or random effects"));
        }
        let weights = rows.weights.map_or_else(|| vec![1.0; n], <[f64]>::to_vec);
        let random = Rows { x: Vec::new(), y: rows.y, weights: None, factors: rows.factors.clone() };
        if weights.len() != n {
            return Err(wrong("weights"));
        }
        random.check()?;
        let order = sorted(&random);

        let blocks = fixed.iter().map(|block| changed(block, all)).collect::<Result<Vec<_>, _>>()?;
        let mut basis = Basis::of_columns(&random);
        for (f, fr) in rows.factors.iter().enumerate() {
            let mut first = 0;
            for (t, term) in fr.terms.iter().enumerate() {
                let of = &rows.of[f][first..first + term.z.len()];
                first += term.z.len();
                if of.iter().any(|c| *c != of[0]) {
                    basis.terms[f][t] = scaled(&term.z);
                }
            }
        }
        let units: Vec<f64> = (0..m).map(|c| unit(&*family, c, rows.y)).collect();
        for (f, fr) in rows.factors.iter().enumerate() {
            let mut first = 0;
            for (t, term) in fr.terms.iter().enumerate() {
                let scale = basis.terms[f][t].scale.iter_mut();
                scale.zip(&rows.of[f][first..]).for_each(|(s, &c)| *s /= units[c]);
                first += term.z.len();
            }
        }
        joined(&mut basis, &blocks, &fixed, &units);
        let mut parts = Vec::new();
        let mut first = 0;
        let mut thresholds = None;
        for (b, (given, block)) in fixed.iter().zip(&blocks).enumerate() {
            let p = block.p();
            if let Some((_, t)) = cuts.filter(|(at, _)| *at == b && p > 0) {
                let columns = order.iter().flat_map(|&i| t.columns.iter().map(move |x| x[i as usize])).collect();
                let before = fixed[..b].iter().map(|f| f.parts.first().map_or(0, |p| p.1.len())).sum();
                thresholds = Some(ThresholdRows {
                    map: t.map.to_vec(),
                    n_alpha: t.n_alpha,
                    columns,
                    basis: block.clone(),
                    coefficients: first..first + p,
                    first_given: before,
                    parts: [parts.len(), parts.len() + 1],
                });
            }
            let (mut from, mut to) = (vec![0.0; p], vec![0.0; p]);
            for (predictor, columns) in &given.parts {
                let mut x = vec![0.0; n * p];
                for (r, &i) in order.iter().enumerate() {
                    for (t, &j) in from.iter_mut().zip(&block.kept) {
                        *t = columns[j][i as usize];
                    }
                    block.x_row(&from, &mut to);
                    to.iter_mut().for_each(|x| *x *= units[*predictor]);
                    x[r * p..(r + 1) * p].copy_from_slice(&to);
                }
                if p > 0 {
                    parts.push(FixedPart { predictor: *predictor, first, p, x });
                }
            }
            first += p;
        }

        let specs: Vec<FactorSpec> = rows.factors.iter().map(FactorSpec::of).collect();
        let cells = observed(&random);
        let layout = Layout::new(&specs, &cells, basis)?;
        let gram = Gram::zeros(layout.factors.iter().map(|f| (f.k, f.n_levels)), cells);
        let mut effects = Vec::new();
        for (f, fr) in rows.factors.iter().enumerate() {
            let k = layout.factors[f].k;
            let mut z = vec![0.0; n * k];
            transformed_z(&random, &layout.basis, f, 0..n, &mut z);
            let z = order.iter().flat_map(|&i| z[i as usize * k..(i as usize + 1) * k].iter().copied()).collect();
            let level: Vec<u32> = order.iter().map(|&i| fr.codes[i as usize] as u32).collect();
            let at = level.iter().map(|&l| layout.first_row(f, l as usize) as u32).collect();
            effects.push(Effects { k, z, at, level, runs: Vec::new(), of: rows.of[f].clone(), members: None });
        }
        let cells = cells_of_rows(&gram, &effects, n);
        let pick = |v: &[f64]| -> Vec<f64> { order.iter().map(|&i| v[i as usize]).collect() };
        let offset = rows.offsets.iter().flat_map(|o| o.map_or_else(|| vec![0.0; n], &pick)).collect();
        Ok(GlmmSystem {
            n,
            x: Vec::new(),
            y: pick(rows.y),
            weights: pick(&weights),
            repeats: None,
            parts,
            thresholds,
            units,
            offset,
            effects,
            cells,
            family,
            order,
            layout,
            gram,
            prior: None,
        })
    }

    /// Which predictors have random effects.
    pub fn random_predictors(&self) -> Vec<bool> {
        let mut out = vec![false; self.family.predictors()];
        self.effects.iter().flat_map(|e| &e.of).for_each(|&c| out[c] = true);
        out
    }
}

/// Typical size of a predictor, as a power of two: scaling by it changes no digit.
fn unit(family: &dyn Family, predictor: usize, y: &[f64]) -> f64 {
    let size = family.kernel().map_or(1.0, |k| k.unit(predictor, y));
    if size > 0.0 && size.is_finite() {
        2f64.powi(size.log2().round().clamp(-500.0, 500.0) as i32)
    } else {
        1.0
    }
}

/// The change of basis of one block, its dependent columns left out. Parts are stacked: one change
/// serves all.
fn changed(block: &FixedBlock<'_>, all: bool) -> Result<Basis, CoreError> {
    let p = block.parts.first().map_or(0, |b| b.1.len());
    let stacked: Vec<Vec<f64>> = if block.parts.len() > 1 {
        (0..p).map(|j| block.parts.iter().flat_map(|b| b.1[j].iter().copied()).collect()).collect()
    } else {
        Vec::new()
    };
    let columns: Vec<Column<'_>> = match &block.parts[..] {
        [(_, x)] => x.iter().map(|&x| Column::Numbers(x)).collect(),
        _ => stacked.iter().map(Column::from).collect(),
    };
    let y = vec![0.0; columns.first().map_or(0, |c| c.len())];
    let rows = Rows { x: columns, y: &y, weights: None, factors: Vec::new() };
    rows.check()?;
    let mut basis = Basis::of_columns(&rows);
    if all {
        return Ok(basis);
    }
    let products = products_of_x(&rows, &basis);
    if products.iter().any(|v| !v.is_finite()) {
        return Err(CoreError::Degenerate("the cross-products of X are not finite: rescale the variables".into()));
    }
    let p = basis.p();
    settle_rank(&rows, &mut basis, &products, p)?;
    Ok(basis)
}

/// One change of basis of all coefficients, block by block: an upper triangular matrix, without an
/// origin. Coefficients are in units of their predictor.
fn joined(basis: &mut Basis, blocks: &[Basis], fixed: &[FixedBlock<'_>], units: &[f64]) {
    let p: usize = blocks.iter().map(Basis::p).sum();
    let (mut transform, mut kept) = (vec![0.0; p * p], Vec::with_capacity(p));
    let (mut first, mut given) = (0, 0);
    for (b, block) in blocks.iter().zip(fixed) {
        let (q, g) = (b.p(), b.g());
        let unit = block.parts.first().map_or(1.0, |part| units[part.0]);
        for i in 0..q {
            for j in 0..q {
                transform[(first + i) * p + first + j] = g[i * q + j] * unit;
            }
        }
        kept.extend(b.kept.iter().map(|j| given + j));
        first += q;
        given += block.parts.first().map_or(0, |b| b.1.len());
    }
    basis.kept = kept;
    basis.intercept = None;
    basis.constant = 1.0;
    basis.x_shift = vec![0.0; p];
    basis.x_transform = transform;
    basis.x_diagonal = false;
}

/// The basis of a term whose effects belong to several predictors: none is centred by the
/// intercept of another.
fn scaled(z: &[&[f64]]) -> TermBasis {
    let size = |z: &&[f64]| {
        let rms = (z.iter().map(|v| v * v).sum::<f64>() / z.len().max(1) as f64).sqrt();
        if rms > 0.0 && rms.is_finite() {
            rms
        } else {
            1.0
        }
    };
    TermBasis { intercept: None, constant: 1.0, shift: vec![0.0; z.len()], scale: z.iter().map(size).collect() }
}
