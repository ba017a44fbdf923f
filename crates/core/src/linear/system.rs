//! What stays the same during a fit: cross-products, block layout, and how theta fills Lambda.

use super::rebase::Rebase;
use crate::basis::Basis;
use crate::blocks::Symbolic;
use crate::crossprod::{settle_rank, Crossprod, FactorSums};
use crate::error::CoreError;
use crate::rows::Rows;
use crate::structure::{Coordinates, Structure};
use std::sync::Arc;

/// A block of a factor's relative covariance: one that is free to be any matrix, or a whole term of another structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Grouping factor.
    pub factor: usize,
    /// First effect of the block among the factor's effects.
    pub offset: usize,
    /// Number of effects.
    pub k: usize,
    /// Index of the term within the factor.
    pub term: usize,
    /// Whether it may be any matrix.
    pub is_free: bool,
}

/// One random term within its factor.
#[derive(Clone, Debug)]
pub struct TermLayout {
    /// First effect among the factor's effects.
    pub offset: usize,
    /// Number of effects.
    pub k: usize,
    /// Covariance structure.
    pub structure: Arc<dyn Structure>,
    /// First parameter in theta.
    pub theta: usize,
    /// Number of parameters.
    pub n_theta: usize,
}

/// A linear mixed model reduced to its cross-products.
pub struct System {
    /// Cross-products in the changed basis.
    pub cp: Crossprod,
    /// Block layout.
    pub sym: Symbolic,
    /// Change of basis.
    pub basis: Basis,
    /// Terms of each factor.
    pub terms: Vec<Vec<TermLayout>>,
    /// Blocks of all factors.
    pub blocks: Vec<Block>,
    /// Number of parameters.
    pub n_theta: usize,
    /// Other cross-products for very large standard deviations, where they are needed.
    pub rebase: Option<Rebase>,
}

impl System {
    /// Forms the cross-products of the rows and lays out their system.
    ///
    /// # Errors
    /// Sizes that do not agree, values that are not finite, or a factor that does not fit into memory.
    pub fn new(rows: &Rows<'_>, n_threads: usize) -> Result<Self, CoreError> {
        rows.check()?;
        let basis = Basis::from_rows(rows);
        let cp = Crossprod::of(rows, &basis, n_threads);
        let (basis, cp) = settle_rank(rows, basis, cp, n_threads)?;
        let n_levels: Vec<usize> = cp.factors.iter().map(|f| f.n_levels).collect();
        let ks: Vec<usize> = cp.factors.iter().map(|f| f.k).collect();
        let sym = Symbolic::new(&n_levels, &ks, &cp.cells)?;
        let mut terms = Vec::new();
        let mut blocks = Vec::new();
        let mut n_theta = 0;
        for (factor, f) in rows.factors.iter().enumerate() {
            let mut offset = 0;
            let mut layouts = Vec::new();
            for (term, t) in f.terms.iter().enumerate() {
                let k = t.z.len();
                let m = t.structure.n_theta(k);
                let structure = t.structure.clone();
                layouts.push(TermLayout { offset, k, structure, theta: n_theta, n_theta: m });
                let (parts, is_free) = match t.structure.coordinates(k) {
                    Coordinates::Free(parts) => (parts, true),
                    Coordinates::Bounded { .. } => (vec![(0, k)], false),
                };
                blocks.extend(parts.into_iter().map(|(o, k)| Block { factor, offset: offset + o, k, term, is_free }));
                offset += k;
                n_theta += m;
            }
            terms.push(layouts);
        }
        Ok(System { cp, sym, basis, terms, blocks, n_theta, rebase: None })
    }

    /// A copy whose response may be replaced.
    pub fn clone_for_refit(&self) -> Self {
        System {
            cp: self.cp.clone(),
            sym: self.sym.clone(),
            basis: self.basis.clone(),
            terms: self.terms.clone(),
            blocks: self.blocks.clone(),
            n_theta: self.n_theta,
            rebase: None,
        }
    }

    /// Puts other cross-products with y in place: Z'y in elimination order, X'y and y'y.
    pub fn set_products(&mut self, zty: &[f64], xty: &[f64], yty: f64) {
        let pw = self.cp.pw;
        let p = pw - 1;
        for (pos, (&f, &l)) in self.sym.factor.iter().zip(&self.sym.level).enumerate() {
            let fs = &mut self.cp.factors[f as usize];
            let (row, first) = (self.sym.row[pos], l as usize * fs.k);
            for i in 0..fs.k {
                fs.ztw[(first + i) * pw + p] = zty[row + i];
            }
        }
        for (j, &v) in xty.iter().enumerate() {
            self.cp.wtw[j * pw + p] = v;
            self.cp.wtw[p * pw + j] = v;
        }
        self.cp.wtw[p * pw + p] = yty;
    }

    /// Predicted seconds of one evaluation of the criterion; only their order of magnitude matters.
    pub fn predicted_seconds(&self) -> f64 {
        let pw = self.cp.pw as f64;
        let of_factor = |f: &FactorSums| (f.n_levels * f.k) as f64 * (8.0 + (f.k as f64 + pw) * pw);
        let rows: f64 = self.cp.factors.iter().map(of_factor).sum();
        let cells: f64 = self.cp.cells.iter().map(|c| (c.level.len() * c.kf * c.kg) as f64).sum();
        self.sym.seconds + 2e-9 * rows + 8e-9 * cells + 1e-9 * pw.powi(3)
    }

    /// Number of fixed effects.
    pub fn p(&self) -> usize {
        self.cp.pw - 1
    }

    /// Divisor of r2: rows, less fixed effects under REML.
    pub fn nu(&self, reml: bool) -> f64 {
        (self.cp.n - if reml { self.p() } else { 0 }) as f64
    }

    /// What the changed basis and the weights add to the criterion.
    pub fn constant(&self, reml: bool) -> f64 {
        let x = if reml { -2.0 * self.basis.log_det_g() } else { 0.0 };
        2.0 * self.nu(reml) * self.basis.y_scale.ln() - self.cp.sum_log_w + x
    }

    /// Lambda of each factor in the changed basis where that of the columns as given is the identity.
    pub fn identity_as_given(&self) -> Vec<Vec<f64>> {
        let mut out: Vec<Vec<f64>> = self.cp.factors.iter().map(|f| vec![0.0; f.k * f.k]).collect();
        for (f, layouts) in self.terms.iter().enumerate() {
            let kf = self.cp.factors[f].k;
            for (tl, basis) in layouts.iter().zip(&self.basis.terms[f]) {
                let mut unit = vec![0.0; tl.k * tl.k];
                (0..tl.k).for_each(|i| unit[i * tl.k + i] = 1.0);
                let moved = basis.from_given(&unit, tl.k);
                for i in 0..tl.k {
                    for j in 0..tl.k {
                        out[f][(tl.offset + i) * kf + tl.offset + j] = moved[i * tl.k + j];
                    }
                }
            }
        }
        out
    }
}
