//! Numbers with their first and second derivatives with respect to a few parameters.

/// Number of pairs of `n` parameters, each with itself too.
pub fn pairs(n: usize) -> usize {
    n * (n + 1) / 2
}

/// Place of a pair of parameters.
pub fn pair(k: usize, l: usize) -> usize {
    let (k, l) = if k >= l { (k, l) } else { (l, k) };
    k * (k + 1) / 2 + l
}

/// An array of numbers, such as a matrix, with the derivatives of each up to `order`.
#[derive(Clone, Debug, Default)]
pub struct Jet {
    /// Number of parameters.
    pub n: usize,
    /// Length of the array.
    pub len: usize,
    /// Highest derivative that is kept: 0, 1 or 2.
    pub order: usize,
    /// The numbers.
    pub value: Vec<f64>,
    /// n arrays of first derivatives.
    pub first: Vec<f64>,
    /// n (n + 1) / 2 arrays of second derivatives, at the place of their [`pair`].
    pub second: Vec<f64>,
}

impl Jet {
    /// Zeros.
    pub fn reset(&mut self, n: usize, len: usize, order: usize) {
        (self.n, self.len, self.order) = (n, len, order);
        for (v, size) in [
            (&mut self.value, len),
            (&mut self.first, if order > 0 { n * len } else { 0 }),
            (&mut self.second, if order > 1 { pairs(n) * len } else { 0 }),
        ] {
            v.clear();
            v.resize(size, 0.0);
        }
    }

    /// Derivatives with respect to one parameter.
    pub fn d(&self, k: usize) -> &[f64] {
        &self.first[k * self.len..(k + 1) * self.len]
    }

    /// Second derivatives with respect to two parameters.
    pub fn d2(&self, k: usize, l: usize) -> &[f64] {
        let p = pair(k, l);
        &self.second[p * self.len..(p + 1) * self.len]
    }

    /// Puts one number with its derivatives at a place.
    pub fn put(&mut self, at: usize, number: &Number) {
        self.value[at] = number.value;
        if self.order > 0 {
            number.first.iter().enumerate().for_each(|(k, v)| self.first[k * self.len + at] = *v);
        }
        if self.order > 1 {
            number.second.iter().enumerate().for_each(|(p, v)| self.second[p * self.len + at] = *v);
        }
    }

    /// Goes over to parameters of which each one is a function of its own new one: `map` holds the
    /// first and second derivative of each.
    pub fn chain(&mut self, map: &[(f64, f64)]) {
        let len = self.len;
        if self.order > 1 {
            for k in 0..self.n {
                for l in 0..=k {
                    let p = pair(k, l);
                    let s = map[k].0 * map[l].0;
                    self.second[p * len..(p + 1) * len].iter_mut().for_each(|v| *v *= s);
                }
                let p = pair(k, k) * len;
                for t in 0..len {
                    self.second[p + t] += map[k].1 * self.first[k * len + t];
                }
            }
        }
        if self.order > 0 {
            for (k, m) in map.iter().enumerate() {
                self.first[k * len..(k + 1) * len].iter_mut().for_each(|v| *v *= m.0);
            }
        }
    }
}

/// One number with its derivatives up to an order, and arithmetic that carries them along.
#[derive(Clone, Debug)]
pub struct Number {
    /// Its value.
    pub value: f64,
    /// First derivatives; empty below order 1.
    pub first: Vec<f64>,
    /// Second derivatives of each [`pair`]; empty below order 2.
    pub second: Vec<f64>,
}

impl Number {
    /// A constant.
    pub fn constant(value: f64, n: usize, order: usize) -> Self {
        Number {
            value,
            first: vec![0.0; if order > 0 { n } else { 0 }],
            second: vec![0.0; if order > 1 { pairs(n) } else { 0 }],
        }
    }

    /// A function of parameter `k` of which value and two derivatives are given.
    pub fn of_parameter(f: (f64, f64, f64), k: usize, n: usize, order: usize) -> Self {
        let mut out = Number::constant(f.0, n, order);
        if order > 0 {
            out.first[k] = f.1;
        }
        if order > 1 {
            out.second[pair(k, k)] = f.2;
        }
        out
    }

    /// A number of an array.
    pub fn of(jet: &Jet, at: usize) -> Self {
        Number {
            value: jet.value[at],
            first: jet.first.iter().skip(at).step_by(jet.len).copied().collect(),
            second: jet.second.iter().skip(at).step_by(jet.len).copied().collect(),
        }
    }

    /// A function of this number of which value and two derivatives are given.
    pub fn map(&self, f: (f64, f64, f64)) -> Self {
        let mut second: Vec<f64> = self.second.iter().map(|v| f.1 * v).collect();
        if !second.is_empty() {
            for (k, a) in self.first.iter().enumerate() {
                for (l, b) in self.first[..=k].iter().enumerate() {
                    second[pair(k, l)] += f.2 * a * b;
                }
            }
        }
        Number { value: f.0, first: self.first.iter().map(|v| f.1 * v).collect(), second }
    }

    /// a self + b other.
    pub fn plus(&self, a: f64, other: &Number, b: f64) -> Self {
        let sum = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| a * x + b * y).collect();
        Number {
            value: a * self.value + b * other.value,
            first: sum(&self.first, &other.first),
            second: sum(&self.second, &other.second),
        }
    }

    /// The product.
    pub fn times(&self, other: &Number) -> Self {
        let mut out = self.plus(other.value, other, self.value);
        out.value = self.value * other.value;
        if !out.second.is_empty() {
            for k in 0..self.first.len() {
                for l in 0..=k {
                    out.second[pair(k, l)] += self.first[k] * other.first[l] + self.first[l] * other.first[k];
                }
            }
        }
        out
    }

    /// Multiplied by a constant.
    pub fn scaled(&self, a: f64) -> Self {
        let all = |v: &[f64]| v.iter().map(|x| a * x).collect();
        Number { value: a * self.value, first: all(&self.first), second: all(&self.second) }
    }

    /// The square root.
    pub fn sqrt(&self) -> Self {
        let r = self.value.sqrt();
        self.map((r, 0.5 / r, -0.25 / (r * self.value)))
    }

    /// The reciprocal.
    pub fn recip(&self) -> Self {
        let r = 1.0 / self.value;
        self.map((r, -r * r, 2.0 * r * r * r))
    }
}
