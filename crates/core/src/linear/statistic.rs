//! Cross-products of rows that come in parts: updated, merged, and written to bytes.

use crate::basis::Basis;
use crate::crossprod::{Cells, Crossprod, Gram, CHUNK};
use crate::error::CoreError;
use crate::layout::FactorSpec;
use crate::rows::Rows;

/// Sums over rows in a basis that is fixed beforehand.
///
/// Cells are kept as runs of similar numbers of parts, which are merged like the digits of a binary
/// counter: otherwise every part would copy all cells so far.
#[derive(Clone)]
pub struct Statistic {
    basis: Basis,
    specs: Vec<FactorSpec>,
    /// All sums but the cells; none before the first rows.
    sums: Option<Crossprod>,
    /// Cells, each with the binary logarithm of the number of parts in it.
    runs: Vec<(u32, Vec<Cells>)>,
}

impl Statistic {
    /// Without rows.
    pub fn new(basis: Basis, specs: Vec<FactorSpec>) -> Self {
        Statistic { basis, specs, sums: None, runs: Vec::new() }
    }

    /// Number of rows.
    pub fn n(&self) -> usize {
        self.sums.as_ref().map_or(0, |s| s.n)
    }

    /// Change of basis of the columns.
    pub fn basis(&self) -> &Basis {
        &self.basis
    }

    /// Grouping factors.
    pub fn specs(&self) -> &[FactorSpec] {
        &self.specs
    }

    /// Adds rows, whose factors have the levels and effects of the statistic.
    ///
    /// # Errors
    /// Rows of another shape.
    pub fn update(&mut self, rows: &Rows<'_>) -> Result<(), CoreError> {
        rows.check()?;
        let same = rows.x.len() == self.basis.p()
            && rows.factors.len() == self.specs.len()
            && rows.factors.iter().zip(&self.specs).all(|(f, s)| {
                f.n_levels == s.n_levels
                    && f.terms.len() == s.terms.len()
                    && f.terms.iter().zip(&s.terms).all(|(t, (k, _))| t.z.len() == *k)
            });
        if !same {
            return Err(CoreError::Shape("the rows do not have the columns and factors of the sums".into()));
        }
        for start in (0..rows.n()).step_by(CHUNK) {
            let end = (start + CHUNK).min(rows.n());
            self.add(Crossprod::of_chunk(rows, &self.basis, (&rows.independent(), &[]), start..end));
        }
        Ok(())
    }

    /// Adds the sums of other rows with the same columns and factors.
    pub fn merge(&mut self, other: &Statistic) {
        if let Some(sums) = other.whole() {
            self.add(sums);
        }
    }

    fn add(&mut self, mut part: Crossprod) {
        let mut run = (0, std::mem::take(&mut part.gram.cells));
        self.sums = Some(match self.sums.take() {
            Some(sums) => sums.merge(part),
            None => part,
        });
        while let Some((rank, _)) = self.runs.last() {
            if *rank != run.0 {
                break;
            }
            let (rank, earlier) = self.runs.pop().expect("there is one");
            run = (rank + 1, joined(earlier, run.1));
        }
        self.runs.push(run);
    }

    /// All sums, not finished.
    fn whole(&self) -> Option<Crossprod> {
        let mut sums = self.sums.clone()?;
        sums.gram.cells = self.runs.iter().map(|r| r.1.clone()).reduce(joined).unwrap_or_default();
        Some(sums)
    }

    /// The sums that a fit is made of; none where there are no rows.
    pub fn finished(&self) -> Option<Crossprod> {
        self.whole().map(Crossprod::finish)
    }

    /// The sums as bytes, little-endian; without basis and factors.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let Some(s) = self.whole() else { return out };
        let numbers = |v: &[f64], out: &mut Vec<u8>| v.iter().for_each(|x| out.extend(x.to_le_bytes()));
        out.extend((s.n as u64).to_le_bytes());
        numbers(&[s.log_det_r], &mut out);
        numbers(&s.wtw, &mut out);
        numbers(&s.wtw_low, &mut out);
        s.gram.levels.iter().chain(&s.ztw).for_each(|v| numbers(v, &mut out));
        for c in &s.gram.cells {
            c.start.iter().for_each(|&i| out.extend((i as u64).to_le_bytes()));
            c.level.iter().for_each(|i| out.extend(i.to_le_bytes()));
            numbers(&c.value, &mut out);
        }
        out
    }

    /// Puts sums in place that [`Statistic::to_bytes`] wrote for the same basis and factors.
    ///
    /// # Errors
    /// Bytes that are not those of such sums.
    pub fn read(&mut self, bytes: &[u8]) -> Result<(), CoreError> {
        (self.sums, self.runs) = (None, Vec::new());
        if bytes.is_empty() {
            return Ok(());
        }
        let sums = self.parsed(bytes).ok_or_else(|| CoreError::Shape("these are not sums of this model".into()))?;
        self.add(sums);
        Ok(())
    }

    fn parsed(&self, bytes: &[u8]) -> Option<Crossprod> {
        let mut from = Reader(bytes);
        let pw = self.basis.p() + 1;
        let ks: Vec<usize> = self.specs.iter().map(|s| s.terms.iter().map(|t| t.0).sum()).collect();
        let sizes = || self.specs.iter().zip(&ks).map(|(s, &k)| (s.n_levels, k));
        let n = usize::try_from(from.whole()?).ok()?;
        let log_det_r = from.numbers(1)?[0];
        let (wtw, wtw_low) = (from.numbers(pw * pw)?, from.numbers(pw * pw)?);
        let levels = sizes().map(|(q, k)| from.numbers(q * k * k)).collect::<Option<Vec<_>>>()?;
        let ztw = sizes().map(|(q, k)| from.numbers(q * k * pw)).collect::<Option<Vec<_>>>()?;
        let mut cells = Vec::new();
        for f in 0..ks.len() {
            for g in f + 1..ks.len() {
                let start = (0..=self.specs[f].n_levels)
                    .map(|_| from.whole().and_then(|i| usize::try_from(i).ok()))
                    .collect::<Option<Vec<usize>>>()?;
                let count = *start.last()?;
                let level = from.taken(count.checked_mul(4)?)?.chunks_exact(4);
                let level: Vec<u32> = level.map(|b| u32::from_le_bytes(b.try_into().expect("four"))).collect();
                let value = from.numbers(count.checked_mul(ks[f] * ks[g])?)?;
                let in_range = level.iter().all(|&l| (l as usize) < self.specs[g].n_levels);
                if start[0] != 0 || !start.is_sorted() || !in_range {
                    return None;
                }
                cells.push(Cells { f, g, kf: ks[f], kg: ks[g], start, level, value });
            }
        }
        let gram = Gram { k: ks, levels, cells };
        from.0.is_empty().then_some(Crossprod { n, log_det_r, pw, wtw, wtw_low, gram, ztw })
    }
}

fn joined(a: Vec<Cells>, b: Vec<Cells>) -> Vec<Cells> {
    a.into_iter().zip(b).map(|(a, b)| a.merge(b)).collect()
}

/// Bytes that are left to read.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn taken(&mut self, n: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(head)
    }

    fn whole(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.taken(8)?.try_into().ok()?))
    }

    fn numbers(&mut self, n: usize) -> Option<Vec<f64>> {
        let bytes = self.taken(n.checked_mul(8)?)?;
        Some(bytes.chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().expect("eight"))).collect())
    }
}
