//! Sums over the subjects that were seen at the same visits.
//!
//! With no random effects, subjects whose rows are at the same positions have the same R. All that
//! a fit needs of them are their number and, for each pair of positions j <= k, the sum of the
//! products w_j w_k' of their rows w of \[X y\]. Columns of X that are zero in all rows of a
//! position, as the effects of other visits are, have no products there.

use crate::basis::Basis;
use crate::crossprod::{products_of_x, settle_rank, transformed_w};
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
    /// Universe and pattern of each subject that has rows, in the order of their codes; its rows by
    /// position are `order[starts[i]..starts[i + 1]]`.
    pub of_subject: Vec<(usize, usize)>,
    /// Rows by subject and position.
    pub order: Vec<usize>,
    /// See `of_subject`.
    pub starts: Vec<usize>,
    /// \[X y\] in the changed basis times the roots of the weights, row-major.
    rows: Vec<f64>,
    /// The roots of the weights.
    root_weights: Option<Vec<f64>>,
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
        let n = rows.n();
        let mut basis = basis_of(rows)?;
        let (order, starts) = sorted(places, n);
        let t_of_visits = match places.at {
            Positions::Visits(_, t) => t,
            Positions::Coordinates(..) => 0,
        };
        let mut moments = Moments {
            universes: Vec::new(),
            n,
            n_subjects: starts.len() - 1,
            log_det_weights: rows.weights.map_or(0.0, |w| -w.iter().map(|v| v.ln()).sum::<f64>()),
            of_subject: Vec::with_capacity(starts.len() - 1),
            order,
            starts,
            basis: basis.clone(),
            rows: Vec::new(),
            root_weights: rows.weights.map(|w| w.iter().map(|v| v.sqrt()).collect()),
        };
        moments.lay_out(places, t_of_visits);
        let pw = basis.p() + 1;
        let mut w = vec![0.0; n * pw];
        transformed_w(rows, &basis, 0..n, &mut w);
        if w.iter().any(|v| !v.is_finite()) {
            return Err(CoreError::Degenerate("a value is not finite".into()));
        }
        std::mem::swap(&mut moments.basis, &mut basis);
        moments.find_columns(&w, pw);
        moments.add(&w, pw);
        moments.rows = w;
        Ok(moments)
    }

    /// Puts another response in the place of y.
    pub fn set_response(&mut self, y: &[f64]) {
        let pw = self.p() + 1;
        let mut w = std::mem::take(&mut self.rows);
        let inv = 1.0 / self.basis.y_scale;
        for (r, (row, &y)) in w.chunks_exact_mut(pw).zip(y).enumerate() {
            let weight = self.root_weights.as_ref().map_or(1.0, |w| w[r]);
            row[pw - 1] = (y - self.basis.y_shift) * inv * weight;
        }
        for pattern in self.universes.iter_mut().flat_map(|u| &mut u.patterns) {
            pattern.products.fill(0.0);
        }
        self.add(&w, pw);
        self.rows = w;
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

    /// Finds universes and patterns.
    fn lay_out(&mut self, places: &Places<'_>, t: usize) {
        let mut universe_of: HashMap<(i32, Vec<u64>), usize> = HashMap::new();
        let mut pattern_of: HashMap<(usize, Vec<usize>), usize> = HashMap::new();
        for s in 0..self.n_subjects {
            let rows = &self.order[self.starts[s]..self.starts[s + 1]];
            let group = places.group[rows[0]];
            let (key, visits, size, coordinates) = match places.at {
                Positions::Visits(v, _) => {
                    let visits: Vec<usize> = rows.iter().map(|&r| v[r] as usize).collect();
                    (Vec::new(), visits, t, Vec::new())
                }
                Positions::Coordinates(c, d) => {
                    let own: Vec<f64> = rows.iter().flat_map(|&r| c[r * d..(r + 1) * d].iter().copied()).collect();
                    (own.iter().map(|v| v.to_bits()).collect(), (0..rows.len()).collect(), rows.len(), own)
                }
            };
            let universes = &mut self.universes;
            let u = *universe_of.entry((group, key)).or_insert_with(|| {
                universes.push(Universe {
                    t: size,
                    group: group as usize,
                    coordinates,
                    columns: vec![Vec::new(); size],
                    patterns: Vec::new(),
                });
                universes.len() - 1
            });
            let patterns = &mut self.universes[u].patterns;
            let p = *pattern_of.entry((u, visits)).or_insert_with_key(|(_, visits)| {
                patterns.push(Pattern { visits: visits.clone(), m: 0.0, starts: Vec::new(), products: Vec::new() });
                patterns.len() - 1
            });
            patterns[p].m += 1.0;
            self.of_subject.push((u, p));
        }
    }

    /// Finds the columns that are not zero, and makes room for their products.
    fn find_columns(&mut self, w: &[f64], pw: usize) {
        let mut used: Vec<Vec<bool>> = self.universes.iter().map(|u| vec![false; u.t * pw]).collect();
        for (s, &(u, p)) in self.of_subject.iter().enumerate() {
            let rows = &self.order[self.starts[s]..self.starts[s + 1]];
            for (&r, &v) in rows.iter().zip(&self.universes[u].patterns[p].visits) {
                let used = &mut used[u][v * pw..(v + 1) * pw];
                used.iter_mut().zip(&w[r * pw..(r + 1) * pw]).for_each(|(u, &x)| *u |= x != 0.0);
            }
        }
        for (u, used) in self.universes.iter_mut().zip(&mut used) {
            for v in 0..u.t {
                used[v * pw + pw - 1] = true;
                u.columns[v] = (0..pw).filter(|&c| used[v * pw + c]).collect();
            }
            for pattern in &mut u.patterns {
                let mut at = 0;
                for k in 0..pattern.visits.len() {
                    for j in 0..=k {
                        pattern.starts.push(at);
                        at += u.columns[pattern.visits[j]].len() * u.columns[pattern.visits[k]].len();
                    }
                }
                pattern.products = vec![0.0; at];
            }
        }
    }

    /// Adds the products of rows of \[X y\] in the changed basis, row-major.
    fn add(&mut self, w: &[f64], pw: usize) {
        let mut packed: Vec<f64> = Vec::new();
        let mut begins: Vec<usize> = Vec::new();
        for (s, &(u, p)) in self.of_subject.iter().enumerate() {
            let rows = &self.order[self.starts[s]..self.starts[s + 1]];
            let universe = &mut self.universes[u];
            let pattern = &mut universe.patterns[p];
            packed.clear();
            begins.clear();
            for (&r, &v) in rows.iter().zip(&pattern.visits) {
                begins.push(packed.len());
                packed.extend(universe.columns[v].iter().map(|&c| w[r * pw + c]));
            }
            begins.push(packed.len());
            let mut at = 0;
            for k in 0..rows.len() {
                let right = &packed[begins[k]..begins[k + 1]];
                for j in 0..=k {
                    for &a in &packed[begins[j]..begins[j + 1]] {
                        for (t, &b) in pattern.products[at..at + right.len()].iter_mut().zip(right) {
                            *t += a * b;
                        }
                        at += right.len();
                    }
                }
            }
        }
    }
}

/// The basis: columns centred and scaled but for those that are zero in many rows, and for the
/// columns that depend on others, which are left out.
fn basis_of(rows: &Rows<'_>) -> Result<Basis, CoreError> {
    let n = rows.n();
    let leave = |basis: &mut Basis| {
        let p = basis.p();
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
    };
    let mut basis = Basis::from_rows(rows);
    leave(&mut basis);
    let products = products_of_x(rows, &basis);
    if products.iter().any(|v| !v.is_finite()) {
        return Err(CoreError::Degenerate("a value is not finite".into()));
    }
    let p = basis.p();
    let mut settled = basis.clone();
    if settle_rank(rows, &mut settled, &products, p)? {
        let kept = settled.kept.clone();
        basis.keep_columns(&kept);
        let products = products_of_x(rows, &basis);
        if !crate::crossprod::well_conditioned(&products, kept.len(), kept.len()) {
            return Ok(settled);
        }
    }
    Ok(basis)
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
