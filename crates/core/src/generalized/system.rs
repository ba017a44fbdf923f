//! What stays the same during the fits of a model: rows in the changed basis, sorted by the largest
//! factor, and where each of them goes in the block system.

use super::members::{each_pair, RowMembers};
use super::several::ThresholdRows;
use crate::basis::Basis;
use crate::crossprod::{observed, products_of_x, settle_rank, Gram};
use crate::error::CoreError;
use crate::families::Family;
use crate::layout::{FactorSpec, Layout};
use crate::memory::room_for;
use crate::prior::Prior;
use crate::rows::Rows;
use std::sync::Arc;

/// The effects of one factor, by row.
#[derive(Clone)]
pub struct Effects {
    /// Number of effects.
    pub k: usize,
    /// Effects in the changed basis, n x k, row-major; empty where there is one and it is 1
    /// throughout.
    pub z: Vec<f64>,
    /// First scalar row (elimination order) of each row's level.
    pub at: Vec<u32>,
    /// Level of each row.
    pub level: Vec<u32>,
    /// Where the level changes from one row to the next, both ends included; empty where that is
    /// often.
    pub runs: Vec<u32>,
    /// Linear predictor of each effect; empty where there is one predictor.
    pub of: Vec<usize>,
    /// Members of the rows, where these do not have one level each; `at` and `level` are then
    /// empty.
    pub members: Option<RowMembers>,
}

/// Fixed effects of one linear predictor, where there are several.
#[derive(Clone)]
pub struct FixedPart {
    /// The predictor.
    pub predictor: usize,
    /// The first of its coefficients among all.
    pub first: usize,
    /// Number of columns.
    pub p: usize,
    /// Columns in the changed basis, n x p, row-major.
    pub x: Vec<f64>,
}

/// A generalized linear mixed model: the arrays of its rows.
pub struct GlmmSystem {
    /// Factors, terms, scaled columns and the pattern of the block system.
    pub layout: Layout,
    /// Zeros in the shape of Z'WZ.
    pub gram: Gram,
    /// Number of rows.
    pub n: usize,
    /// Row of the caller's arrays that stands at each place here.
    pub order: Vec<u32>,
    /// X in the changed basis, n x p, row-major.
    pub x: Vec<f64>,
    /// Response.
    pub y: Vec<f64>,
    /// Prior weights.
    pub weights: Vec<f64>,
    /// How often each row counts, where weights are numbers of trials times that.
    pub repeats: Option<Vec<f64>>,
    /// Fixed effects of several predictors, in the place of `x`; empty where there is one.
    pub parts: Vec<FixedPart>,
    /// Thresholds of ordered categories, whose columns follow the response.
    pub thresholds: Option<ThresholdRows>,
    /// Typical sizes of several predictors: what one is in the changed bases.
    pub units: Vec<f64>,
    /// Offset; of several predictors those of the first, then of the next.
    pub offset: Vec<f64>,
    /// Effects of each factor.
    pub effects: Vec<Effects>,
    /// For each pair of factors, the cell of each row, or of each pair of its levels.
    pub cells: Vec<Vec<u32>>,
    /// Family and link.
    pub family: Arc<dyn Family>,
    /// Terms of the objective beside the likelihood.
    pub prior: Option<Prior>,
}

/// Matrices of products with the fixed effects that a fit holds at once.
const PRODUCTS: f64 = 5.0;

impl GlmmSystem {
    /// Sorts the rows, changes their basis and lays out the system. `rows.y` and `rows.weights` are
    /// the response and the prior weights of the model.
    ///
    /// # Errors
    /// Sizes that do not agree, values that are not finite, a factor that does not fit into memory,
    /// or a family with several linear predictors.
    pub fn new(rows: &Rows<'_>, offset: Option<&[f64]>, family: Arc<dyn Family>) -> Result<Self, CoreError> {
        let predictors = family.predictors();
        if predictors != 1 {
            return Err(CoreError::Shape(format!(
                "the family has {predictors} linear predictors per row, each with columns of its own"
            )));
        }
        let n = rows.n();
        let weights = rows.weights.map_or_else(|| vec![1.0; n], <[f64]>::to_vec);
        if weights.len() != n || offset.is_some_and(|o| o.len() != n) {
            return Err(CoreError::Shape(format!("weights and offset must have {n} rows")));
        }
        rows.check()?;
        let (q, p) = (rows.factors.iter().map(|f| f.n_levels * f.k()).sum::<usize>() as f64, rows.x.len() as f64);
        room_for(n as f64 * p + PRODUCTS * (q + p) * p, || {
            format!("the {p} columns of the fixed effects and their products with {q} random effects")
        })?;
        // the weights change with the parameters: columns are scaled as they are
        let plain = Rows { weights: None, ..rows.clone() };
        let mut basis = Basis::of_columns(&plain);
        let products = products_of_x(&plain, &basis);
        if products.iter().any(|v| !v.is_finite()) {
            return Err(CoreError::Degenerate("the cross-products of X are not finite: rescale the variables".into()));
        }
        let p = basis.p();
        settle_rank(&plain, &mut basis, &products, p)?;
        let specs: Vec<FactorSpec> = rows.factors.iter().map(FactorSpec::of).collect();
        let cells = observed(&plain);
        let layout = Layout::new(&specs, &cells, basis)?;
        let gram = Gram::zeros(layout.factors.iter().map(|f| (f.k, f.n_levels)), cells);
        let p = layout.p();
        let order = sorted(rows);
        let pick = |v: &[f64]| -> Vec<f64> { order.iter().map(|&i| v[i as usize]).collect() };

        let basis = &layout.basis;
        let mut x = vec![0.0; n * p];
        let (mut given, mut changed) = (vec![0.0; p], vec![0.0; p]);
        for (r, &i) in order.iter().enumerate() {
            for (t, &j) in given.iter_mut().zip(&basis.kept) {
                *t = rows.x[j].at(i as usize);
            }
            basis.x_row(&given, &mut changed);
            x[r * p..(r + 1) * p].copy_from_slice(&changed);
        }
        let mut effects = Vec::new();
        for (f, fr) in rows.factors.iter().enumerate() {
            let k = layout.factors[f].k;
            let mut z = vec![0.0; n * k];
            crate::crossprod::transformed_z(&plain, basis, f, 0..n, &mut z);
            let one = k == 1 && z.iter().all(|&v| v == 1.0);
            let z = if one {
                Vec::new()
            } else {
                order.iter().flat_map(|&i| z[i as usize * k..(i as usize + 1) * k].iter().copied()).collect()
            };
            let members = RowMembers::of(fr, &order, |l| layout.first_row(f, l));
            let level: Vec<u32> = if members.is_some() {
                Vec::new()
            } else {
                order.iter().map(|&i| fr.codes[i as usize] as u32).collect()
            };
            let at = level.iter().map(|&l| layout.first_row(f, l as usize) as u32).collect();
            let mut runs: Vec<u32> = (1..level.len()).filter(|&r| level[r] != level[r - 1]).map(|r| r as u32).collect();
            if z.is_empty() && !level.is_empty() && 4 * runs.len() <= n {
                runs.insert(0, 0);
                runs.push(n as u32);
            } else {
                runs.clear();
            }
            effects.push(Effects { k, z, at, level, runs, of: Vec::new(), members });
        }
        let cells = cells_of_rows(&gram, &effects, n);
        let offset = offset.map_or_else(|| vec![0.0; n], &pick);
        Ok(GlmmSystem {
            n,
            x,
            y: pick(rows.y),
            weights: pick(&weights),
            repeats: None,
            parts: Vec::new(),
            thresholds: None,
            units: Vec::new(),
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

    /// Takes how often the trials of each row count, in the caller's order.
    pub fn repeat(&mut self, repeats: &[f64]) {
        self.repeats = Some(self.order.iter().map(|&i| repeats[i as usize]).collect());
    }

    /// A copy whose response may be replaced.
    pub fn clone_for_refit(&self) -> Self {
        GlmmSystem {
            layout: self.layout.clone(),
            gram: self.gram.clone(),
            n: self.n,
            order: self.order.clone(),
            x: self.x.clone(),
            y: self.y.clone(),
            weights: self.weights.clone(),
            repeats: self.repeats.clone(),
            parts: self.parts.clone(),
            thresholds: self.thresholds.clone(),
            units: self.units.clone(),
            offset: self.offset.clone(),
            effects: self.effects.clone(),
            cells: self.cells.clone(),
            family: self.family.clone(),
            prior: self.prior.clone(),
        }
    }

    /// Number of fixed effects in use.
    pub fn p(&self) -> usize {
        self.layout.p()
    }

    /// Number of covariance parameters.
    pub fn n_theta(&self) -> usize {
        self.layout.n_theta
    }

    /// Number of extra parameters of the family.
    pub fn n_extras(&self) -> usize {
        self.family.extras().len()
    }

    /// A vector by row, in the caller's order.
    pub fn in_given_order(&self, v: &[f64]) -> Vec<f64> {
        let mut out = vec![0.0; v.len()];
        for (&i, &v) in self.order.iter().zip(v) {
            out[i as usize] = v;
        }
        out
    }

    /// A vector of the caller, in the order of the rows here.
    pub fn in_own_order(&self, v: &[f64]) -> Vec<f64> {
        self.order.iter().map(|&i| v[i as usize]).collect()
    }

    /// Fixed effects of the changed basis from those of the columns as given.
    pub fn beta_from_given(&self, beta: &[f64]) -> Vec<f64> {
        self.layout.basis.beta_from_given(beta)
    }
}

/// For each pair of factors, the cell of each row, or of each pair of its levels.
pub(super) fn cells_of_rows(gram: &Gram, effects: &[Effects], n: usize) -> Vec<Vec<u32>> {
    gram.cells
        .iter()
        .map(|c| {
            let mut out = Vec::with_capacity(n);
            for r in 0..n {
                each_pair(&effects[c.f], &effects[c.g], c.f == c.g, r, |l, m, _| {
                    let list = &c.level[c.start[l]..c.start[l + 1]];
                    let i = list.binary_search(&(m as u32)).expect("every row is in a cell");
                    out.push((c.start[l] + i) as u32);
                });
            }
            out
        })
        .collect()
}

/// Rows in the order of the levels of the largest factor, and of the next within it, of those with
/// one level a row.
pub(super) fn sorted(rows: &Rows<'_>) -> Vec<u32> {
    let mut factors: Vec<usize> = (0..rows.factors.len()).filter(|&f| rows.factors[f].members.is_none()).collect();
    factors.sort_by_key(|&f| rows.factors[f].n_levels);
    let mut order: Vec<u32> = (0..rows.n() as u32).collect();
    let mut next = order.clone();
    for &f in factors.iter().rev().take(2).collect::<Vec<_>>().into_iter().rev() {
        let fr = &rows.factors[f];
        let mut start = vec![0usize; fr.n_levels + 1];
        for &c in fr.codes {
            start[c as usize + 1] += 1;
        }
        for l in 0..fr.n_levels {
            start[l + 1] += start[l];
        }
        for &i in &order {
            let s = &mut start[fr.codes[i as usize] as usize];
            next[*s] = i;
            *s += 1;
        }
        std::mem::swap(&mut order, &mut next);
    }
    order
}
