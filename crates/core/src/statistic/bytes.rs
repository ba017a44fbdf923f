//! The sums as bytes, little-endian; without basis and factors.

use super::cells::CellSums;
use super::exact::Exact;
use super::Statistic;
use crate::error::CoreError;

/// What is written beside the sums.
const ROUNDING: u8 = 1;
const OWN: u8 = 2;

impl Statistic {
    /// The sums as bytes. Rounded ones are enough for a fit, unless columns nearly depend on each
    /// other: what was taken from them by rounding is left out, and the sums of every level.
    pub fn to_bytes(&self, rounded: bool) -> Vec<u8> {
        let own = self.own.as_ref().filter(|_| !rounded);
        let rounded = rounded && self.is_well_conditioned();
        let mut out = Writer { bytes: Vec::new(), rounded };
        out.bytes.push(if rounded { 0 } else { ROUNDING } | if own.is_some() { OWN } else { 0 });
        out.bytes.extend(self.n.to_le_bytes());
        out.exact(&self.log_det_r);
        out.exact(&self.wtw);
        for f in &self.factors {
            f.count.iter().for_each(|c| out.bytes.extend(c.to_le_bytes()));
            out.exact(&f.ztz);
            out.exact(&f.ztw);
        }
        if let Some(own) = own {
            out.exact(&own.wtw);
            out.exact(&own.log_det_r);
        }
        for c in self.cells() {
            c.start.iter().for_each(|&i| out.bytes.extend((i as u64).to_le_bytes()));
            c.level.iter().for_each(|i| out.bytes.extend(i.to_le_bytes()));
            c.count.iter().for_each(|i| out.bytes.extend(i.to_le_bytes()));
            out.exact(&c.value);
        }
        out.bytes
    }

    /// Puts sums in place that [`Statistic::to_bytes`] wrote for the same basis and factors.
    ///
    /// # Errors
    /// Bytes that are not those of such sums.
    pub fn read(&mut self, bytes: &[u8]) -> Result<(), CoreError> {
        let bad = || CoreError::Shape("these are not sums of this model".into());
        *self = self.parsed(bytes).ok_or_else(bad)?;
        Ok(())
    }

    fn parsed(&self, bytes: &[u8]) -> Option<Statistic> {
        let flags = *bytes.first()?;
        let with_own = flags & OWN != 0;
        if flags > (ROUNDING | OWN) || with_own != self.own.is_some() {
            return None;
        }
        let mut from = Reader { bytes: &bytes[1..], rounded: flags & ROUNDING == 0 };
        let by_level = self.own.as_ref().map(|o| o.factor);
        let mut out = Statistic::new(self.basis.clone(), self.specs.clone(), by_level);
        out.n = i64::from_le_bytes(from.array()?);
        from.exact(&mut out.log_det_r)?;
        from.exact(&mut out.wtw)?;
        for f in &mut out.factors {
            for c in &mut f.count {
                *c = i64::from_le_bytes(from.array()?);
            }
            from.exact(&mut f.ztz)?;
            from.exact(&mut f.ztw)?;
        }
        if let Some(own) = &mut out.own {
            from.exact(&mut own.wtw)?;
            from.exact(&mut own.log_det_r)?;
        }
        let mut cells = self.no_cells();
        for c in &mut cells {
            from.cells(c, self.specs[c.g].n_levels)?;
        }
        let counted = out.n >= 0 && out.factors.iter().all(|f| f.count.iter().all(|&c| c >= 0));
        if !cells.is_empty() {
            out.runs = vec![(0, cells)];
        }
        (from.bytes.is_empty() && counted).then_some(out)
    }
}

struct Writer {
    bytes: Vec<u8>,
    rounded: bool,
}

impl Writer {
    fn numbers(&mut self, v: &[f64]) {
        self.bytes.extend(v.iter().flat_map(|x| x.to_le_bytes()));
    }

    fn exact(&mut self, e: &Exact) {
        if self.rounded {
            self.numbers(&e.rounded());
        } else {
            self.numbers(&e.high);
            self.numbers(&e.low);
        }
    }
}

/// Bytes that are left to read.
struct Reader<'a> {
    bytes: &'a [u8],
    rounded: bool,
}

impl<'a> Reader<'a> {
    fn taken(&mut self, n: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.bytes.split_at_checked(n)?;
        self.bytes = rest;
        Some(head)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.taken(N)?.try_into().ok()
    }

    fn numbers(&mut self, into: &mut [f64]) -> Option<()> {
        let bytes = self.taken(into.len().checked_mul(8)?)?;
        for (x, b) in into.iter_mut().zip(bytes.chunks_exact(8)) {
            *x = f64::from_le_bytes(b.try_into().expect("eight"));
        }
        Some(())
    }

    fn exact(&mut self, into: &mut Exact) -> Option<()> {
        self.numbers(&mut into.high)?;
        if self.rounded {
            return Some(());
        }
        self.numbers(&mut into.low)
    }

    fn cells(&mut self, c: &mut CellSums, n_second: usize) -> Option<()> {
        for s in &mut c.start {
            *s = usize::try_from(u64::from_le_bytes(self.array()?)).ok()?;
        }
        let count = *c.start.last()?;
        let words = |bytes: &'a [u8]| bytes.chunks_exact(4).map(|b| <[u8; 4]>::try_from(b).expect("four"));
        c.level = words(self.taken(count.checked_mul(4)?)?).map(u32::from_le_bytes).collect();
        c.count = words(self.taken(count.checked_mul(4)?)?).map(i32::from_le_bytes).collect();
        let in_range = c.level.iter().all(|&l| (l as usize) < n_second);
        if c.start[0] != 0 || !c.start.is_sorted() || !in_range {
            return None;
        }
        // not more than what is there to be read
        let numbers = count.checked_mul(c.kf * c.kg)?;
        if numbers.checked_mul(8)? > self.bytes.len() {
            return None;
        }
        c.value = Exact::zeros(numbers);
        self.exact(&mut c.value)
    }
}
