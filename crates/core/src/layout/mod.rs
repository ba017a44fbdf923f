//! What a model holds besides numbers: its factors and terms, the scaled columns, and the pattern
//! of its block system.

mod frame;
mod theta;

use crate::basis::Basis;
use crate::blocks::{Effect, Factor, InverseParts, Symbolic};
use crate::crossprod::{Cells, Gram};
use crate::dense::kernels::{self, block_times, transposed_block_times};
use crate::dense::large;
use crate::error::CoreError;
use crate::rows::FactorRows;
use crate::structure::{Coordinates, Structure};
use crate::with_sizes;
pub use frame::Frame;
use std::sync::Arc;
pub use theta::part_of;

/// One row-major block per factor.
pub type Lambda = Vec<Vec<f64>>;

/// A block of a factor's relative covariance: one that is free to be any matrix, or a whole term of
/// another structure.
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

/// Size of a grouping factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FactorSize {
    /// Number of effects of all its terms.
    pub k: usize,
    /// Number of levels.
    pub n_levels: usize,
}

/// A grouping factor and its terms, before they are laid out.
#[derive(Clone, Debug)]
pub struct FactorSpec {
    /// Number of levels.
    pub n_levels: usize,
    /// Number of effects and structure of each term; none where the effects of the levels are
    /// fixed.
    pub terms: Vec<(usize, Arc<dyn Structure>)>,
}

impl FactorSpec {
    /// Of the rows of a factor.
    pub fn of(f: &FactorRows<'_>) -> Self {
        FactorSpec { n_levels: f.n_levels, terms: f.terms.iter().map(|t| (t.z.len(), t.structure.clone())).collect() }
    }
}

/// See the module. There may be no factor at all. The last one may be fixed: an effect for each
/// level that no term has, whose Lambda is one and which is not shrunk.
#[derive(Clone)]
pub struct Layout {
    /// Size of each factor.
    pub factors: Vec<FactorSize>,
    /// Terms of each factor.
    pub terms: Vec<Vec<TermLayout>>,
    /// Which factor is fixed, if one is.
    pub fixed: Option<usize>,
    /// Blocks of all factors.
    pub blocks: Vec<Block>,
    /// Number of parameters.
    pub n_theta: usize,
    /// Change of basis.
    pub basis: Basis,
    /// Pattern of the block system.
    pub sym: Arc<Symbolic>,
}

impl Layout {
    /// Lays out the terms and the system of factors whose levels occur together as in `cells`.
    ///
    /// # Errors
    /// [`CoreError::TooLarge`] where the factor of the system does not fit into memory.
    pub fn new(specs: &[FactorSpec], cells: &[Cells], basis: Basis) -> Result<Self, CoreError> {
        let mut factors = Vec::new();
        let mut terms = Vec::new();
        let mut blocks = Vec::new();
        let mut n_theta = 0;
        let mut fixed = None;
        for (factor, spec) in specs.iter().enumerate() {
            let mut offset = 0;
            let mut layouts = Vec::new();
            for (term, (k, structure)) in spec.terms.iter().enumerate() {
                let k = *k;
                let m = structure.n_theta(k);
                layouts.push(TermLayout { offset, k, structure: structure.clone(), theta: n_theta, n_theta: m });
                let (parts, is_free) = match structure.coordinates(k) {
                    Coordinates::Free(parts) => (parts, true),
                    Coordinates::Bounded { .. } => (vec![(0, k)], false),
                };
                blocks.extend(parts.into_iter().map(|(o, k)| Block { factor, offset: offset + o, k, term, is_free }));
                offset += k;
                n_theta += m;
            }
            if spec.terms.is_empty() {
                fixed = Some(factor);
                offset = 1;
            }
            factors.push(FactorSize { k: offset, n_levels: spec.n_levels });
            terms.push(layouts);
        }
        let n_levels: Vec<usize> = factors.iter().map(|f| f.n_levels).collect();
        let ks: Vec<usize> = factors.iter().map(|f| f.k).collect();
        let sym = Arc::new(Symbolic::new(&n_levels, &ks, cells, fixed)?);
        Ok(Layout { factors, terms, fixed, blocks, n_theta, basis, sym })
    }

    /// Number of fixed effects, but for those of the levels of a fixed factor.
    pub fn p(&self) -> usize {
        self.basis.p()
    }

    /// Number of all fixed effects.
    pub fn n_fixed(&self) -> usize {
        self.p() + self.fixed.map_or(0, |f| self.factors[f].n_levels)
    }

    /// Number of random effects.
    pub fn q(&self) -> usize {
        self.sym.q
    }

    /// First row of a level's effects in elimination order.
    #[inline(always)]
    pub fn first_row(&self, factor: usize, level: usize) -> usize {
        self.sym.row[self.sym.position[factor][level] as usize]
    }

    /// Sampling weight of a level, with those of the levels it lies in; one without.
    #[inline(always)]
    pub fn weight(&self, factor: usize, level: usize) -> f64 {
        match &self.sym.weights {
            None => 1.0,
            Some(w) => w[self.sym.position[factor][level] as usize],
        }
    }

    /// Gives the levels of every factor sampling weights.
    ///
    /// # Errors
    /// Where there are not as many as levels, or the factors are not nested.
    pub fn weigh(&mut self, by_level: &[Vec<f64>]) -> Result<(), CoreError> {
        let fits = by_level.len() == self.factors.len()
            && by_level.iter().zip(&self.factors).all(|(w, f)| w.len() == f.n_levels);
        if !fits || self.fixed.is_some() {
            return Err(CoreError::Shape("there must be a sampling weight for every level".into()));
        }
        if by_level.iter().flatten().all(|&w| w == 1.0) {
            return Ok(());
        }
        if !Arc::make_mut(&mut self.sym).weigh(by_level) {
            return Err(CoreError::Shape("levels with sampling weights must be nested".into()));
        }
        Ok(())
    }

    /// Predicted seconds of one factorisation with `cols` right-hand sides; only their order of
    /// magnitude matters.
    pub fn predicted_seconds(&self, cells: &[Cells], cols: usize) -> f64 {
        let pw = cols as f64;
        let rows: f64 = self.factors.iter().map(|f| (f.n_levels * f.k) as f64 * (8.0 + (f.k as f64 + pw) * pw)).sum();
        let cells: f64 = cells.iter().map(|c| (c.level.len() * c.kf * c.kg) as f64).sum();
        self.sym.seconds + 2e-9 * rows + 8e-9 * cells + 1e-9 * pw.powi(3)
    }

    /// Numbers of a factor and of its inverse on the same pattern.
    pub fn numbers_of_factor(&self) -> f64 {
        let s = &self.sym;
        2.0 * ((s.diag_len + s.panel_len) as f64 + (s.dense as f64).powi(2))
    }

    /// A matrix of zeros for each factor, of the order of its effects; of a fixed one the identity.
    pub fn zero_lambda(&self) -> Lambda {
        let mut out: Lambda = self.factors.iter().map(|f| vec![0.0; f.k * f.k]).collect();
        self.fixed.iter().for_each(|&f| out[f][0] = 1.0);
        out
    }

    /// Random effects of each factor in given units from spherical ones in elimination order.
    pub(crate) fn effects(&self, lambda: &Lambda, u: &[f64]) -> Vec<Vec<f64>> {
        let scale = self.basis.y_scale;
        let mut out = Vec::new();
        for (f, size) in self.factors.iter().enumerate().filter(|(f, _)| self.fixed != Some(*f)) {
            let k = size.k;
            let mut b = vec![0.0; size.n_levels * k];
            let turned = self.given_lambda(lambda, f);
            for l in 0..size.n_levels {
                let row = self.sym.row[self.sym.position[f][l] as usize];
                kernels::multiply(&turned, &u[row..row + k], k, k, 1, &mut b[l * k..(l + 1) * k]);
            }
            b.iter_mut().for_each(|v| *v *= scale);
            out.push(b);
        }
        out
    }

    /// Spherical effects of each factor, of the Lambda that theta makes, in given units; `turns`
    /// are those of [`Layout::theta_from_lambda`], `u` is in elimination order.
    pub(crate) fn spherical(&self, turns: &[Vec<Vec<f64>>], u: &[f64]) -> Vec<Vec<f64>> {
        let scale = self.basis.y_scale;
        let mut out = Vec::new();
        for (f, layouts) in self.terms.iter().enumerate().filter(|(f, _)| self.fixed != Some(*f)) {
            let size = &self.factors[f];
            let mut of_factor = vec![0.0; size.n_levels * size.k];
            for l in 0..size.n_levels {
                let row = self.first_row(f, l);
                for (tl, turn) in layouts.iter().zip(&turns[f]) {
                    for (i, turn) in turn.chunks_exact(tl.k).enumerate() {
                        let v: f64 = turn.iter().zip(&u[row + tl.offset..]).map(|(t, u)| t * u).sum();
                        of_factor[l * size.k + tl.offset + i] = v * scale;
                    }
                }
            }
            out.push(of_factor);
        }
        out
    }

    /// Conditional covariance matrices of the random effects of one factor given y and beta,
    /// divided by sigma^2: levels x k x k. The factor must have been inverted.
    pub fn conditional_covariance(&self, lambda: &Lambda, inverse: &Factor, factor: usize) -> Vec<f64> {
        let k = self.factors[factor].k;
        let lam = self.given_lambda(lambda, factor);
        let mut t = inverse.inverse_blocks(factor);
        let mut tmp = vec![0.0; k * k];
        for block in t.chunks_exact_mut(k * k) {
            kernels::multiply(&lam, block, k, k, k, &mut tmp);
            for i in 0..k {
                for j in 0..k {
                    block[i * k + j] = (0..k).map(|c| tmp[i * k + c] * lam[j * k + c]).sum();
                }
            }
        }
        t
    }

    /// M^-1 for each of some sets of effects, row-major, one after another, from a factor that has
    /// been inverted. Set i holds `effects[starts[i]..starts[i + 1]]`, which are counted through
    /// factors, levels and the effects of a level.
    pub fn inverse_parts(&self, inverse: &Factor, starts: &[usize], effects: &[usize]) -> Vec<f64> {
        let ends: Vec<usize> = self
            .factors
            .iter()
            .scan(0, |at, f| {
                *at += f.n_levels * f.k;
                Some(*at)
            })
            .collect();
        let effect = |&i: &usize| -> Effect {
            let f = ends.partition_point(|&end| end <= i);
            let size = self.factors[f];
            let at = i - (ends[f] - size.n_levels * size.k);
            (f, at / size.k, at % size.k)
        };
        let sizes = starts.windows(2).map(|w| w[1] - w[0]);
        let mut out = vec![0.0; sizes.map(|n| n * n).sum()];
        let mut parts = InverseParts::of(inverse);
        let mut at = 0;
        for w in starts.windows(2) {
            let set: Vec<Effect> = effects[w[0]..w[1]].iter().map(effect).collect();
            let n = set.len();
            parts.part(&set, &mut out[at..at + n * n]);
            at += n * n;
        }
        out
    }

    /// (X'V^-1X)^-1 of the columns as given, from that of the changed basis.
    pub(crate) fn vcov(&self, s: &[f64]) -> Vec<f64> {
        let p = self.p();
        let g = self.basis.g();
        let mut t = vec![0.0; p * p];
        let mut out = vec![0.0; p * p];
        if p >= large::MANY {
            large::multiply(&g, s, p, p, p, &mut t);
            large::add_multiply_transposed(&t, &g, p, p, p, &mut out);
            return out;
        }
        kernels::multiply(&g, s, p, p, p, &mut t);
        for i in 0..p {
            for j in 0..p {
                out[i * p + j] = (0..p).map(|c| t[i * p + c] * g[j * p + c]).sum();
            }
        }
        out
    }

    /// out = L v for `cols` vectors (q x cols, row-major, elimination order): multiplies each
    /// level's rows by its factor's Lambda.
    pub fn lambda_times(&self, lambda: &[Vec<f64>], v: &[f64], cols: usize, out: &mut [f64]) {
        kernels::vectorised(
            #[inline(always)]
            || {
                for (pos, &f) in self.sym.factor.iter().enumerate() {
                    let k = self.sym.k[pos] as usize;
                    let at = self.sym.row[pos] * cols..(self.sym.row[pos] + k) * cols;
                    with_sizes!(k, cols, block_times(&lambda[f as usize], &v[at.clone()], k, cols, &mut out[at]));
                }
            },
        );
    }

    /// out = L'v.
    pub fn lambda_transposed_times(&self, lambda: &[Vec<f64>], v: &[f64], cols: usize, out: &mut [f64]) {
        kernels::vectorised(
            #[inline(always)]
            || {
                for (pos, &f) in self.sym.factor.iter().enumerate() {
                    let k = self.sym.k[pos] as usize;
                    let at = self.sym.row[pos] * cols..(self.sym.row[pos] + k) * cols;
                    let (lam, own) = (&lambda[f as usize], &v[at.clone()]);
                    with_sizes!(k, cols, transposed_block_times(lam, own, k, cols, &mut out[at]));
                }
            },
        );
    }

    /// out = Z'WZ v.
    pub fn gram_times(&self, gram: &Gram, v: &[f64], cols: usize, out: &mut [f64]) {
        kernels::vectorised(
            #[inline(always)]
            || gram_times(&self.sym, gram, v, cols, out),
        );
    }
}

#[inline(always)]
fn gram_times(s: &Symbolic, gram: &Gram, v: &[f64], cols: usize, out: &mut [f64]) {
    for pos in 0..s.k.len() {
        let (f, l) = (s.factor[pos] as usize, s.level[pos] as usize);
        let k = s.k[pos] as usize;
        let at = s.row[pos] * cols..(s.row[pos] + k) * cols;
        let ztz = &gram.levels[f][l * k * k..(l + 1) * k * k];
        with_sizes!(k, cols, block_times(ztz, &v[at.clone()], k, cols, &mut out[at]));
    }
    for c in &gram.cells {
        for l in 0..c.start.len() - 1 {
            let rf = s.row[s.position[c.f][l] as usize] * cols;
            for i in c.start[l]..c.start[l + 1] {
                let rg = s.row[s.position[c.g][c.level[i] as usize] as usize] * cols;
                let b = c.block(i);
                for x in 0..c.kf {
                    let fa = rf + x * cols;
                    for y in 0..c.kg {
                        let w = b[x * c.kg + y];
                        let ga = rg + y * cols;
                        for (t, &u) in out[fa..fa + cols].iter_mut().zip(&v[ga..ga + cols]) {
                            *t += w * u;
                        }
                        for (t, &u) in out[ga..ga + cols].iter_mut().zip(&v[fa..fa + cols]) {
                            *t += w * u;
                        }
                    }
                }
            }
        }
    }
}
