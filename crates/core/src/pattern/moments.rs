//! Sums over the subjects that were seen at the same visits.
//!
//! With no random effects, subjects whose rows are at the same positions have the same R. All that
//! a fit needs of them are their number and, for each pair of positions j <= k, the sum of the
//! products w_j w_k' of their rows w of \[X y\]. Columns of X that are zero in all rows of a
//! position, as the effects of other visits are, have no products there.

use super::covariance::entry;
use super::packed::{not_finite, Packed};
use crate::basis::Basis;
use crate::crossprod::{products_of_x, settle_rank, well_conditioned};
use crate::error::CoreError;
use crate::rows::Rows;
use std::collections::HashMap;

/// Where the rows are.
pub struct Places<'a> {
    /// Subject of each row, 0..n_subjects; negative codes are not allowed.
    pub subject: &'a [i32],
    /// Group of each row, the same within a subject.
    pub group: &'a [i32],
    /// Position of each row.
    pub at: Positions<'a>,
}

/// How positions are given.
pub enum Positions<'a> {
    /// By visit, 0..t: subjects of a group share one R at t visits.
    Visits(&'a [i32], usize),
    /// By d coordinates a row, row-major: subjects share R where all coordinates are equal.
    Coordinates(&'a [f64], usize),
}

/// Positions that share one R; patterns are parts of them.
#[derive(Clone, Debug)]
pub struct Universe {
    /// Number of positions.
    pub t: usize,
    /// Group of its subjects.
    pub group: usize,
    /// Coordinates, row-major; empty for visits.
    pub coordinates: Vec<f64>,
    /// Columns of \[X y\] that are not zero at each position, ascending; the last is y.
    pub columns: Vec<Vec<usize>>,
    /// Patterns.
    pub patterns: Vec<Pattern>,
}

/// The subjects seen at the same positions.
#[derive(Clone, Debug)]
pub struct Pattern {
    /// Positions, ascending.
    pub visits: Vec<usize>,
    /// Number of subjects.
    pub m: f64,
    /// Where the products of each pair j <= k begin, in the order of `entry`.
    pub starts: Vec<usize>,
    /// Products, columns of j by columns of k, row-major.
    pub products: Vec<f64>,
}

/// The pattern moments of some rows.
#[derive(Clone, Debug)]
pub struct Moments {
    /// Sets of positions with patterns.
    pub universes: Vec<Universe>,
    /// Change of basis of the columns.
    pub basis: Basis,
    /// Rows.
    pub n: usize,
    /// Subjects.
    pub n_subjects: usize,
    /// log|R| of the prior weights.
    pub log_det_weights: f64,
    /// The rows.
    packed: Packed,
}

/// Share of rows in which a column must be zero to be left where its zero is.
const SPARSE: f64 = 0.3;

impl Moments {
    /// Sums over the rows, whose factors are not looked at.
    ///
    /// # Errors
    /// Sizes that do not agree, no column left, or values that are not finite.
    pub fn of(rows: &Rows<'_>, places: &Places<'_>) -> Result<Self, CoreError> {
        rows.check()?;
        let mut basis = basis_of(rows);
        let (universes, packed) = lay_out(places, rows);
        let mut moments = Moments {
            universes,
            n: rows.n(),
            n_subjects: packed.n_subjects(),
            log_det_weights: rows.weights.map_or(0.0, |w| -w.iter().map(|v| v.ln()).sum::<f64>()),
            basis: basis.clone(),
            packed,
        };
        moments.packed.fill(&mut moments.universes, rows, &basis)?;
        let (p, products) = (moments.p(), moments.products_of_fixed());
        if !well_conditioned(&products, p, p) && settle(rows, &mut basis)? {
            moments.basis = basis;
            moments.packed.fill(&mut moments.universes, rows, &moments.basis)?;
        }
        Ok(moments)
    }

    /// Puts another response in the place of y.
    pub fn set_response(&mut self, y: &[f64]) {
        self.packed.set_response(&mut self.universes, y, &self.basis);
    }

    /// X'X in the changed basis, weights accounted for.
    fn products_of_fixed(&self) -> Vec<f64> {
        let p = self.p();
        let mut out = vec![0.0; p * p];
        for u in &self.universes {
            for pattern in &u.patterns {
                for (k, &v) in pattern.visits.iter().enumerate() {
                    let columns = &u.columns[v];
                    let fixed = &columns[..columns.len() - 1];
                    let products = &pattern.products[pattern.starts[entry(k, k)]..];
                    for (row, &a) in products.chunks_exact(columns.len()).zip(fixed) {
                        row.iter().zip(fixed).for_each(|(value, &b)| out[a * p + b] += value);
                    }
                }
            }
        }
        out
    }

    /// Number of fixed effects.
    pub fn p(&self) -> usize {
        self.basis.p()
    }

    /// Divisor of r2.
    pub fn nu(&self, reml: bool) -> f64 {
        (self.n - if reml { self.p() } else { 0 }) as f64
    }

    /// What the changed basis and the weights add to the criterion.
    pub fn constant(&self, reml: bool) -> f64 {
        let x = if reml { -2.0 * self.basis.log_det_g() } else { 0.0 };
        2.0 * self.nu(reml) * self.basis.y_scale.ln() + self.log_det_weights + x
    }
}

/// The universes and patterns of some rows, their columns not yet known, and which rows are whose.
fn lay_out(places: &Places<'_>, rows: &Rows<'_>) -> (Vec<Universe>, Packed) {
    let (order, starts) = sorted(places, rows.n());
    let mut universes: Vec<Universe> = Vec::new();
    let mut universe_of: HashMap<(i32, Vec<u64>), usize> = HashMap::new();
    let mut pattern_of: Vec<HashMap<Vec<usize>, usize>> = Vec::new();
    let mut of_subject = Vec::with_capacity(starts.len() - 1);
    let mut visits: Vec<usize> = Vec::new();
    // subjects of one group mostly follow each other
    let mut last: Option<(i32, usize)> = None;
    for subject in starts.windows(2) {
        let own = &order[subject[0]..subject[1]];
        let group = places.group[own[0]];
        visits.clear();
        let mut found = |key: Vec<u64>, t: usize, coordinates: &[f64]| {
            *universe_of.entry((group, key)).or_insert_with(|| {
                let (coordinates, columns) = (coordinates.to_vec(), vec![Vec::new(); t]);
                universes.push(Universe { t, group: group as usize, coordinates, columns, patterns: Vec::new() });
                pattern_of.push(HashMap::new());
                universes.len() - 1
            })
        };
        let u = match places.at {
            Positions::Visits(v, t) => {
                visits.extend(own.iter().map(|&r| v[r] as usize));
                match last {
                    Some((of, u)) if of == group => u,
                    _ => found(Vec::new(), t, &[]),
                }
            }
            Positions::Coordinates(c, d) => {
                visits.extend(0..own.len());
                let at: Vec<f64> = own.iter().flat_map(|&r| c[r * d..(r + 1) * d].iter().copied()).collect();
                found(at.iter().map(|v| v.to_bits()).collect(), own.len(), &at)
            }
        };
        last = matches!(places.at, Positions::Visits(..)).then_some((group, u));
        let patterns = &mut universes[u].patterns;
        let p = pattern_of[u].get(&visits[..]).copied().unwrap_or_else(|| {
            pattern_of[u].insert(visits.clone(), patterns.len());
            patterns.push(Pattern { visits: visits.clone(), m: 0.0, starts: Vec::new(), products: Vec::new() });
            patterns.len() - 1
        });
        patterns[p].m += 1.0;
        of_subject.push((u, p));
    }
    (universes, Packed::new(of_subject, order, starts, rows.weights))
}

/// The basis before columns that depend on others are left out: columns centred and scaled but for
/// those that are zero in many rows.
fn basis_of(rows: &Rows<'_>) -> Basis {
    let mut basis = Basis::from_rows(rows);
    leave_zeros(rows, &mut basis);
    basis
}

/// Leaves columns that are zero in many rows where their zero is.
fn leave_zeros(rows: &Rows<'_>, basis: &mut Basis) {
    let (n, p) = (rows.n(), basis.p());
    if !basis.x_diagonal {
        return;
    }
    for c in 0..p {
        let column = rows.x[basis.kept[c]];
        let (mut zeros, mut sum) = (0usize, 0.0);
        column.each(0..n, |r, v| {
            zeros += usize::from(v == 0.0);
            sum += v * v * rows.weights.map_or(1.0, |w| w[r]);
        });
        if Some(c) != basis.intercept && zeros < n && zeros as f64 >= SPARSE * n as f64 {
            basis.x_shift[c] = 0.0;
            basis.x_transform[c * p + c] = (n as f64 / sum).sqrt();
        }
    }
}

/// Leaves out columns that depend on others; the columns that are kept stay as they are where they
/// are far from dependent, or are changed to columns that are. Whether there was anything to do.
fn settle(rows: &Rows<'_>, basis: &mut Basis) -> Result<bool, CoreError> {
    let p = basis.p();
    let products = products_of_x(rows, basis);
    if products.iter().any(|v| !v.is_finite()) {
        return Err(not_finite());
    }
    let mut settled = basis.clone();
    if !settle_rank(rows, &mut settled, &products, p)? {
        return Ok(false);
    }
    basis.keep_columns(&settled.kept);
    let products = products_of_x(rows, basis);
    if !well_conditioned(&products, settled.kept.len(), settled.kept.len()) {
        *basis = settled;
    }
    Ok(true)
}

/// Rows by subject and position, and where each subject's begin; subjects without rows have none.
fn sorted(places: &Places<'_>, n: usize) -> (Vec<usize>, Vec<usize>) {
    let mut order: Vec<usize> = (0..n).collect();
    match places.at {
        Positions::Visits(v, _) => order.sort_by_key(|&r| (places.subject[r], v[r])),
        Positions::Coordinates(c, d) => order.sort_by(|&a, &b| {
            let of = |r: usize| &c[r * d..(r + 1) * d];
            let by_position = || {
                let pairs = of(a).iter().zip(of(b));
                pairs.map(|(x, y)| x.total_cmp(y)).find(|o| o.is_ne()).unwrap_or(std::cmp::Ordering::Equal)
            };
            places.subject[a].cmp(&places.subject[b]).then_with(by_position)
        }),
    }
    let mut starts = vec![0];
    for i in 1..n {
        if places.subject[order[i]] != places.subject[order[i - 1]] {
            starts.push(i);
        }
    }
    starts.push(n);
    (order, starts)
}
