//! What stays the same during a fit: the layout and the cross-products of the rows.

use super::rebase::Rebase;
use crate::basis::Basis;
use crate::blocks::Symbolic;
use crate::crossprod::{apart_from_levels, independent_columns, settle_rank, well_conditioned, Cells, Crossprod, Gram};
use crate::error::CoreError;
use crate::layout::{FactorSpec, Layout};
use crate::memory::room_for;
use crate::rows::Rows;
use std::ops::Deref;
use std::sync::Arc;

/// A linear mixed model reduced to its cross-products: a layout with numbers.
pub struct System {
    layout: Layout,
    /// Cross-products in the changed basis.
    pub cp: Crossprod,
    /// The random effects alone, where there is a fixed factor: what log|V| is of.
    pub alone: Option<Alone>,
    /// Other cross-products for very large standard deviations, where they are needed.
    pub rebase: Option<Rebase>,
    /// Sum of the sampling weights of the rows, where there are some: it takes the place of their
    /// number.
    pub total: Option<f64>,
}

/// The block system of the random effects without a fixed factor.
#[derive(Clone)]
pub struct Alone {
    /// Its pattern.
    pub sym: Arc<Symbolic>,
    /// Z'WZ.
    pub gram: Gram,
}

impl Alone {
    /// Of a layout with a fixed factor, and all products.
    fn of(layout: &Layout, gram: &Gram) -> Result<Option<Self>, CoreError> {
        let Some(fixed) = layout.fixed else { return Ok(None) };
        let cells: Vec<Cells> = gram.cells.iter().filter(|c| c.f != fixed && c.g != fixed).cloned().collect();
        let sizes = &layout.factors[..fixed];
        let (n_levels, ks): (Vec<usize>, Vec<usize>) = sizes.iter().map(|f| (f.n_levels, f.k)).unzip();
        let sym = Arc::new(Symbolic::new(&n_levels, &ks, &cells, None)?);
        Ok(Some(Alone { sym, gram: Gram { k: ks, levels: gram.levels[..fixed].to_vec(), cells } }))
    }
}

impl Deref for System {
    type Target = Layout;

    fn deref(&self) -> &Layout {
        &self.layout
    }
}

impl System {
    /// Forms the cross-products of the rows and lays out their system.
    ///
    /// # Errors
    /// Sizes that do not agree, values that are not finite, or a factor that does not fit into
    /// memory.
    pub fn new(rows: &Rows<'_>, n_threads: usize) -> Result<Self, CoreError> {
        rows.check()?;
        if rows.fixed().is_some() {
            return Err(CoreError::Shape("a factor has no effects".into()));
        }
        room_for_products(rows)?;
        let mut basis = Basis::from_rows(rows);
        let mut cp = Crossprod::of(rows, &basis, n_threads);
        cp.check()?;
        if settle_rank(rows, &mut basis, &cp.wtw, cp.pw)? {
            cp = Crossprod::of(rows, &basis, n_threads);
            cp.check()?;
        }
        let specs: Vec<FactorSpec> = rows.factors.iter().map(FactorSpec::of).collect();
        let layout = Layout::new(&specs, &cp.gram.cells, basis)?;
        Ok(System { layout, cp, alone: None, rebase: None, total: None })
    }

    /// Of rows whose last factor is fixed. None where its levels and the columns of X depend on
    /// each other, or nearly so.
    ///
    /// # Errors
    /// As [`System::new`].
    pub fn beside_levels(rows: &Rows<'_>, n_threads: usize) -> Result<Option<Self>, CoreError> {
        rows.check()?;
        room_for_products(rows)?;
        let basis = Basis::from_rows(rows);
        let cp = Crossprod::of(rows, &basis, n_threads);
        cp.check()?;
        if !apart_from_levels(&cp, basis.p()) {
            return Ok(None);
        }
        let specs: Vec<FactorSpec> = rows.factors.iter().map(FactorSpec::of).collect();
        let layout = Layout::new(&specs, &cp.gram.cells, basis)?;
        let alone = Alone::of(&layout, &cp.gram)?;
        Ok(Some(System { layout, cp, alone, rebase: None, total: None }))
    }

    /// From cross-products formed elsewhere, in the basis given; no rows are needed. Columns of X
    /// that depend on earlier ones are left out. What needs the rows is not available: other
    /// cross-products for very large standard deviations, and a choice among columns of X that
    /// nearly depend on each other.
    ///
    /// # Errors
    /// Values that are not finite, columns of X that nearly depend on each other, or a factor that
    /// does not fit into memory.
    pub fn of_products(mut cp: Crossprod, mut basis: Basis, specs: &[FactorSpec]) -> Result<Self, CoreError> {
        cp.check()?;
        if !well_conditioned(&cp.wtw, basis.p(), cp.pw) {
            let kept = independent_columns(&cp.wtw, basis.p(), cp.pw).filter(|_| basis.x_diagonal);
            let Some(kept) = kept else {
                let what = "the columns of the fixed effects nearly depend on each other, and sums over the rows do \
                            not tell whether they do";
                return Err(CoreError::Degenerate(what.into()));
            };
            cp.keep_columns(&kept);
            basis.keep_columns(&kept);
        }
        let layout = Layout::new(specs, &cp.gram.cells, basis)?;
        Ok(System { layout, cp, alone: None, rebase: None, total: None })
    }

    /// Gives the levels of every factor sampling weights, each with those of the levels it lies in
    /// multiplied; the weights of the rows are these times their own.
    ///
    /// # Errors
    /// As [`Layout::weigh`].
    pub fn weigh(&mut self, by_level: &[Vec<f64>], of_rows: &[f64]) -> Result<(), CoreError> {
        self.layout.weigh(by_level)?;
        // rows count so often, and do not vary less
        self.cp.log_det_r = 0.0;
        self.total = Some(of_rows.iter().sum());
        Ok(())
    }

    /// What it holds besides numbers.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// A copy whose response may be replaced.
    pub fn clone_for_refit(&self) -> Self {
        System {
            layout: self.layout.clone(),
            cp: self.cp.clone(),
            alone: self.alone.clone(),
            rebase: None,
            total: self.total,
        }
    }

    /// Puts other cross-products with y in place: Z'y in elimination order, X'y and y'y.
    pub fn set_products(&mut self, zty: &[f64], xty: &[f64], yty: f64) {
        let pw = self.cp.pw;
        let p = pw - 1;
        let s = &self.layout.sym;
        for (pos, (&f, &l)) in s.factor.iter().zip(&s.level).enumerate() {
            let (row, k) = (s.row[pos], s.k[pos] as usize);
            for i in 0..k {
                self.cp.ztw[f as usize][(l as usize * k + i) * pw + p] = zty[row + i];
            }
        }
        for (j, &v) in xty.iter().enumerate() {
            self.cp.wtw[j * pw + p] = v;
            self.cp.wtw[p * pw + j] = v;
        }
        self.cp.wtw[p * pw + p] = yty;
    }

    /// The response in the cross-products is (y - `shift`) / `scale`.
    pub fn set_response_scale(&mut self, shift: f64, scale: f64) {
        self.layout.basis.y_shift = shift;
        self.layout.basis.y_scale = scale;
    }

    /// Predicted seconds of one evaluation of the criterion; only their order of magnitude matters.
    pub fn predicted_seconds(&self) -> f64 {
        self.layout.predicted_seconds(&self.cp.gram.cells, self.cp.pw)
    }

    /// Divisor of r2: rows, less fixed effects under REML.
    pub fn nu(&self, reml: bool) -> f64 {
        let rows = self.total.unwrap_or(self.cp.n as f64);
        if reml {
            rows - self.n_fixed() as f64
        } else {
            rows
        }
    }

    /// What the changed basis and the covariance of the rows add to the criterion.
    pub fn constant(&self, reml: bool) -> f64 {
        let x = if reml { -2.0 * self.basis.log_det_g() } else { 0.0 };
        2.0 * self.nu(reml) * self.basis.y_scale.ln() + self.cp.log_det_r + x
    }

    /// out = Z'Z v for `cols` vectors (row-major, elimination order).
    pub fn ztz_times(&self, v: &[f64], cols: usize, out: &mut [f64]) {
        self.gram_times(&self.cp.gram, v, cols, out);
    }
}

/// Matrices of each size that a fit holds at once: the products themselves, what an evaluation
/// makes of them, and the results.
const PRODUCTS: f64 = 5.0;
const SQUARES: f64 = 6.0;

fn room_for_products(rows: &Rows<'_>) -> Result<(), CoreError> {
    let q: usize = rows.factors.iter().map(|f| f.n_levels * f.k()).sum();
    let pw = rows.x.len() + 1;
    let levels = rows.fixed().map_or(0, |f| f.n_levels);
    let products = PRODUCTS * q as f64 * pw as f64;
    let squares = SQUARES * ((pw + levels) as f64).powi(2);
    room_for(products + squares, || {
        if products > squares {
            format!("the products of {q} random effects with {} fixed effects", pw - 1)
        } else {
            format!("the covariance of {} fixed effects and what it is made of", pw - 1 + levels)
        }
    })
}
