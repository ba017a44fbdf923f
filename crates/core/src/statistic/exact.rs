//! Sums that keep what rounding took from them, so that what was added can be taken away again.

/// Numbers in two parts: sums, and the rounding errors of forming them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Exact {
    /// Sums.
    pub high: Vec<f64>,
    /// What is to be added to them.
    pub low: Vec<f64>,
}

/// Sum and its rounding error, after Knuth.
#[inline(always)]
fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let s = a + b;
    let t = s - a;
    (s, (a - (s - t)) + (b - t))
}

/// Adds to a sum in two parts.
#[inline(always)]
pub fn add(high: &mut f64, low: &mut f64, v: f64) {
    let (s, e) = two_sum(*high, v);
    *high = s;
    *low += e;
}

/// A number in two parts, of which the second is the rounding error of the first: twice the digits.
#[derive(Clone, Copy, Debug, Default)]
pub struct Twofold(f64, f64);

/// Product and its rounding error.
#[inline(always)]
fn two_product(a: f64, b: f64) -> (f64, f64) {
    let p = a * b;
    (p, a.mul_add(b, -p))
}

impl Twofold {
    /// A number.
    pub fn of(v: f64) -> Self {
        Twofold(v, 0.0)
    }

    /// To one number.
    pub fn rounded(self) -> f64 {
        self.0 + self.1
    }

    /// With the other sign.
    pub fn negative(self) -> Self {
        Twofold(-self.0, -self.1)
    }

    /// The sum.
    pub fn plus(self, other: Self) -> Self {
        let (s, e) = two_sum(self.0, other.0);
        let (h, l) = two_sum(s, e + self.1 + other.1);
        Twofold(h, l)
    }

    /// The product.
    pub fn times(self, other: Self) -> Self {
        let (p, e) = two_product(self.0, other.0);
        let (h, l) = two_sum(p, e + self.0 * other.1 + self.1 * other.0);
        Twofold(h, l)
    }

    /// The product with one number.
    pub fn by(self, other: f64) -> Self {
        self.times(Twofold::of(other))
    }

    /// The quotient.
    pub fn over(self, other: Self) -> Self {
        let first = self.0 / other.0;
        let rest = self.plus(other.by(first).negative());
        Twofold::of(first).plus(Twofold::of(rest.rounded() / other.0))
    }

    /// The square root of a positive number.
    pub fn root(self) -> Self {
        let first = self.0.sqrt();
        let rest = self.plus(Twofold::of(first).by(first).negative());
        Twofold::of(first).plus(Twofold::of(rest.rounded() / (2.0 * first)))
    }
}

impl Exact {
    /// One number with all its digits.
    pub fn at(&self, i: usize) -> Twofold {
        let (h, l) = two_sum(self.high[i], self.low[i]);
        Twofold(h, l)
    }

    /// Zeros.
    pub fn zeros(n: usize) -> Self {
        Exact { high: vec![0.0; n], low: vec![0.0; n] }
    }

    /// Adds to one number.
    #[inline(always)]
    pub fn add(&mut self, i: usize, v: f64) {
        add(&mut self.high[i], &mut self.low[i], v);
    }

    /// Adds `sign` times other numbers to those from `at`.
    pub fn merge_at(&mut self, at: usize, other: &Exact, range: std::ops::Range<usize>, sign: f64) {
        for (i, j) in range.enumerate() {
            self.add(at + i, sign * other.high[j]);
            self.low[at + i] += sign * other.low[j];
            let (s, e) = two_sum(self.high[at + i], self.low[at + i]);
            (self.high[at + i], self.low[at + i]) = (s, e);
        }
    }

    /// Adds `sign` times all other numbers.
    pub fn merge(&mut self, other: &Exact, sign: f64) {
        self.merge_at(0, other, 0..other.high.len(), sign);
    }

    /// Appends numbers of others.
    pub fn append(&mut self, other: &Exact, range: std::ops::Range<usize>) {
        self.high.extend_from_slice(&other.high[range.clone()]);
        self.low.extend_from_slice(&other.low[range]);
    }

    /// Sets a range to zero.
    pub fn clear(&mut self, range: std::ops::Range<usize>) {
        self.high[range.clone()].fill(0.0);
        self.low[range].fill(0.0);
    }

    /// The sums, each rounded once.
    pub fn rounded(&self) -> Vec<f64> {
        self.high.iter().zip(&self.low).map(|(h, l)| h + l).collect()
    }
}
