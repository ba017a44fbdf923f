//! Which columns of X are linearly independent, by the sums alone, and the sums in a basis in which
//! these are well conditioned.
//!
//! Sums that keep what rounding took from them have the digits that would tell: the products of a
//! row are rounded once, and what is left of a column beside the others is compared with 1e-14 of
//! its square, as where the rows are at hand.

use super::exact::{Exact, Twofold};
use super::Statistic;
use crate::basis::Basis;
use crate::crossprod::{well_conditioned, Crossprod, DEPENDENT, DOUBT};
use crate::error::CoreError;

/// What factoring the products says of the columns.
struct Columns {
    /// Those that do not depend on earlier ones.
    kept: Vec<usize>,
    /// Their lower factor, row by row.
    factor: Vec<Vec<Twofold>>,
    /// Whether the products of these need no other basis.
    clear: bool,
}

impl Statistic {
    /// The sums that a fit is made of, and their basis; none where there are no rows. Columns of X
    /// that depend on earlier ones are left out, and others change the basis if they nearly do.
    ///
    /// # Errors
    /// [`CoreError::Degenerate`] where no column is left.
    pub fn settled(&self) -> Option<Result<(Crossprod, Basis), CoreError>> {
        let (mut cp, mut basis) = (self.finished()?, self.basis.clone());
        if self.is_well_conditioned() {
            return Some(Ok((cp, basis)));
        }
        let found = self.columns();
        if found.kept.is_empty() {
            let what = "every column of the fixed-effect model matrix is zero";
            return Some(Err(CoreError::Degenerate(what.into())));
        }
        if found.clear {
            cp.keep_columns(&found.kept);
            basis.keep_columns(&found.kept);
            return Some(Ok((cp, basis)));
        }
        let change = change_of(&found.factor, self.n as f64);
        let changed = |e: &Exact, rows: usize| self.changed(e, rows, &found.kept, &change);
        let m = found.kept.len() + 1;
        // of the products both rows and columns
        let half = self.whole_products();
        let once = self.twofold_changed(&half, &found.kept, &change);
        let turned: Vec<Twofold> = (0..m * self.pw()).map(|t| once[(t % self.pw()) * m + t / self.pw()]).collect();
        let both = self.twofold_changed(&turned, &found.kept, &change);
        cp.wtw = both.iter().map(|v| v.rounded()).collect();
        cp.wtw_low = vec![0.0; m * m];
        cp.ztw = self.factors.iter().map(|f| changed(&f.ztw, f.ztw.high.len() / self.pw())).collect();
        cp.pw = m;
        basis.change_columns(&found.kept, &change);
        Some(Ok((cp, basis)))
    }

    /// Whether no column of X depends on others, or nearly so.
    pub fn is_well_conditioned(&self) -> bool {
        well_conditioned(&self.products(), self.pw() - 1, self.pw())
    }

    /// \[X y\]'\[X y\] with all digits, row by row.
    fn whole_products(&self) -> Vec<Twofold> {
        let pw = self.pw();
        (0..pw * pw).map(|t| self.wtw.at((t / pw).max(t % pw) * pw + (t / pw).min(t % pw))).collect()
    }

    fn columns(&self) -> Columns {
        let (pw, mut out) = (self.pw(), Columns { kept: Vec::new(), factor: Vec::new(), clear: true });
        for i in 0..pw - 1 {
            let mut row: Vec<Twofold> = Vec::with_capacity(out.kept.len() + 1);
            for (r, &j) in out.factor.iter().zip(&out.kept) {
                let dot = row.iter().zip(r).fold(Twofold::default(), |s, (a, b)| s.plus(a.times(*b)));
                row.push(self.wtw.at(i * pw + j).plus(dot.negative()).over(r[row.len()]));
            }
            let whole = self.wtw.at(i * pw + i);
            let rest = row.iter().fold(whole, |s, a| s.plus(a.times(*a).negative()));
            let (rest_, whole) = (rest.rounded(), whole.rounded());
            if whole <= 0.0 || rest_ <= DEPENDENT * DEPENDENT * whole {
                continue;
            }
            out.clear &= rest_ > DOUBT * whole;
            row.push(rest.root());
            out.factor.push(row);
            out.kept.push(i);
        }
        out
    }

    /// Rows of \[X y\] or products with them in the changed basis, each rounded once.
    fn changed(&self, e: &Exact, rows: usize, kept: &[usize], change: &[f64]) -> Vec<f64> {
        let given: Vec<Twofold> = (0..rows * self.pw()).map(|i| e.at(i)).collect();
        self.twofold_changed(&given, kept, change).iter().map(|v| v.rounded()).collect()
    }

    fn twofold_changed(&self, given: &[Twofold], kept: &[usize], change: &[f64]) -> Vec<Twofold> {
        let (pw, m) = (self.pw(), kept.len());
        let mut out = Vec::with_capacity(given.len() / pw * (m + 1));
        for row in given.chunks_exact(pw) {
            for c in 0..m {
                let terms = kept[..=c].iter().enumerate().map(|(i, &j)| row[j].by(change[i * m + c]));
                out.push(terms.fold(Twofold::default(), Twofold::plus));
            }
            out.push(row[pw - 1]);
        }
        out
    }
}

/// Upper triangular: the columns times it have products of n times the identity.
fn change_of(factor: &[Vec<Twofold>], n: f64) -> Vec<f64> {
    let m = factor.len();
    let mut out = vec![0.0; m * m];
    for c in 0..m {
        let mut column = vec![Twofold::default(); m];
        for i in (0..=c).rev() {
            let mut s = Twofold::of(if i == c { n.sqrt() } else { 0.0 });
            for l in i + 1..=c {
                s = s.plus(factor[l][i].times(column[l]).negative());
            }
            column[i] = s.over(factor[i][i]);
            out[i * m + c] = column[i].rounded();
        }
    }
    out
}
