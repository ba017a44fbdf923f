//! Borrowed views of the data, one entry per row.

use crate::error::CoreError;
use crate::residual::Independent;
use crate::structure::Structure;
use std::sync::Arc;

/// One random term: its effect columns and the structure of their covariance.
#[derive(Clone)]
pub struct TermRows<'a> {
    /// Columns of Z for this term, each of length n.
    pub z: Vec<&'a [f64]>,
    /// Covariance structure of the term's effects.
    pub structure: Arc<dyn Structure>,
}

/// One grouping factor with all the random terms that share it.
#[derive(Clone)]
pub struct FactorRows<'a> {
    /// Level of each row, `0..n_levels`.
    pub codes: &'a [i32],
    /// Number of levels.
    pub n_levels: usize,
    /// Terms that share this factor.
    pub terms: Vec<TermRows<'a>>,
}

impl FactorRows<'_> {
    /// Number of effects of all its terms.
    pub fn k(&self) -> usize {
        self.terms.iter().map(|t| t.z.len()).sum()
    }
}

/// The data of a mixed model.
#[derive(Clone)]
pub struct Rows<'a> {
    /// Columns of X, each of length n.
    pub x: Vec<&'a [f64]>,
    /// Response (offset already subtracted).
    pub y: &'a [f64],
    /// Prior weights: the residual variance of row i is s2 / w_i.
    pub weights: Option<&'a [f64]>,
    /// Grouping factors; none where there are no random terms.
    pub factors: Vec<FactorRows<'a>>,
}

impl<'a> Rows<'a> {
    /// Number of rows.
    pub fn n(&self) -> usize {
        self.y.len()
    }

    /// The covariance of rows that are independent given the random effects.
    pub fn independent(&self) -> Independent<'a> {
        Independent { n: self.n(), weights: self.weights }
    }

    /// Checks that all lengths agree and all codes are in range.
    pub fn check(&self) -> Result<(), CoreError> {
        let n = self.n();
        let bad = |what: &str, m: usize| Err(CoreError::Shape(format!("{what} has {m} rows where y has {n}")));
        for x in &self.x {
            if x.len() != n {
                return bad("x", x.len());
            }
        }
        if let Some(w) = self.weights {
            if w.len() != n {
                return bad("weights", w.len());
            }
        }
        for f in &self.factors {
            if f.codes.len() != n {
                return bad("codes", f.codes.len());
            }
            let limit = f.n_levels as u32;
            if f.codes.iter().any(|&c| c as u32 >= limit) {
                return Err(CoreError::Shape(format!("a level code lies outside 0..{limit}")));
            }
            for t in &f.terms {
                if t.z.is_empty() {
                    return Err(CoreError::Shape("a random term has no effect".into()));
                }
                for z in &t.z {
                    if z.len() != n {
                        return bad("z", z.len());
                    }
                }
            }
        }
        Ok(())
    }
}
