//! A number with its first three derivatives in M variables.
//!
//! Formulas of densities are written once in jets; third derivatives are left out where the order
//! O is 2. Of symmetric arrays only ascending indices are filled.

use std::ops::{Add, Mul, Neg, Sub};

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct Jet<const M: usize, const O: usize> {
    /// Its value.
    pub v: f64,
    /// First derivatives.
    pub g: [f64; M],
    /// Second derivatives, i <= j.
    pub h: [[f64; M]; M],
    /// Third derivatives, i <= j <= k.
    pub t: [[[f64; M]; M]; M],
}

impl<const M: usize, const O: usize> Jet<M, O> {
    /// A constant.
    #[inline(always)]
    pub fn constant(v: f64) -> Self {
        Jet { v, g: [0.0; M], h: [[0.0; M]; M], t: [[[0.0; M]; M]; M] }
    }

    /// Variable i.
    #[inline(always)]
    pub fn variable(v: f64, i: usize) -> Self {
        let mut out = Self::constant(v);
        out.g[i] = 1.0;
        out
    }

    /// A function of variable i with its three derivatives.
    #[inline(always)]
    pub fn of_variable(f: [f64; 4], i: usize) -> Self {
        let mut out = Self::constant(f[0]);
        (out.g[i], out.h[i][i], out.t[i][i][i]) = (f[1], f[2], f[3]);
        out
    }

    /// The same number as a function of more variables, the first of which are its own.
    #[inline(always)]
    pub fn widened<const N: usize>(&self) -> Jet<N, O> {
        let mut out = Jet::<N, O>::constant(self.v);
        for i in 0..M {
            out.g[i] = self.g[i];
            for j in i..M {
                out.h[i][j] = self.h[i][j];
                if O > 2 {
                    out.t[i][j][j..M].copy_from_slice(&self.t[i][j][j..M]);
                }
            }
        }
        out
    }

    /// A function of this number, with its value and three derivatives.
    #[inline(always)]
    pub fn map(&self, f: [f64; 4]) -> Self {
        let mut out = Self::constant(f[0]);
        for i in 0..M {
            out.g[i] = f[1] * self.g[i];
            for j in i..M {
                out.h[i][j] = f[1] * self.h[i][j] + f[2] * self.g[i] * self.g[j];
                if O > 2 {
                    for k in j..M {
                        out.t[i][j][k] = f[1] * self.t[i][j][k]
                            + f[2] * (self.h[i][j] * self.g[k] + self.h[i][k] * self.g[j] + self.h[j][k] * self.g[i])
                            + f[3] * self.g[i] * self.g[j] * self.g[k];
                    }
                }
            }
        }
        out
    }

    /// All entries times a number.
    #[inline(always)]
    pub fn scaled(&self, a: f64) -> Self {
        let mut out = Self::constant(a * self.v);
        for i in 0..M {
            out.g[i] = a * self.g[i];
            for j in i..M {
                out.h[i][j] = a * self.h[i][j];
                if O > 2 {
                    for k in j..M {
                        out.t[i][j][k] = a * self.t[i][j][k];
                    }
                }
            }
        }
        out
    }

    /// A number added.
    #[inline(always)]
    pub fn plus(&self, a: f64) -> Self {
        let mut out = *self;
        out.v += a;
        out
    }

    /// e to its power.
    #[inline(always)]
    pub fn exp(&self) -> Self {
        let e = self.v.exp();
        self.map([e, e, e, e])
    }

    /// e to its power, less 1.
    #[inline(always)]
    pub fn exp_m1(&self) -> Self {
        let e = self.v.exp();
        self.map([self.v.exp_m1(), e, e, e])
    }

    /// Its logarithm.
    #[inline(always)]
    pub fn ln(&self) -> Self {
        let u = 1.0 / self.v;
        self.map([self.v.ln(), u, -u * u, 2.0 * u * u * u])
    }

    /// log(1 + x).
    #[inline(always)]
    pub fn ln_1p(&self) -> Self {
        let u = 1.0 / (1.0 + self.v);
        self.map([self.v.ln_1p(), u, -u * u, 2.0 * u * u * u])
    }

    /// 1/x.
    #[inline(always)]
    pub fn recip(&self) -> Self {
        let u = 1.0 / self.v;
        self.map([u, -u * u, 2.0 * u * u * u, -6.0 * u * u * u * u])
    }

    /// The square root.
    #[inline(always)]
    pub fn sqrt(&self) -> Self {
        let (r, u) = (self.v.sqrt(), 1.0 / self.v);
        self.map([r, 0.5 * r * u, -0.25 * r * u * u, 0.375 * r * u * u * u])
    }

    /// log(1 + e^x).
    #[inline(always)]
    pub fn softplus(&self) -> Self {
        let e = (-self.v.abs()).exp();
        let value = self.v.max(0.0) + e.ln_1p();
        let (p, q) = if self.v >= 0.0 { (1.0 / (1.0 + e), e / (1.0 + e)) } else { (e / (1.0 + e), 1.0 / (1.0 + e)) };
        self.map([value, p, p * q, p * q * (q - p)])
    }

    /// 1 / (1 + e^-x).
    #[inline(always)]
    pub fn sigmoid(&self) -> Self {
        let e = (-self.v.abs()).exp();
        let (p, q) = if self.v >= 0.0 { (1.0 / (1.0 + e), e / (1.0 + e)) } else { (e / (1.0 + e), 1.0 / (1.0 + e)) };
        let d = p * q;
        self.map([p, d, d * (q - p), d * (1.0 - 6.0 * d)])
    }

    /// log(1 - e^x) of x < 0.
    #[inline(always)]
    pub fn log1mexp(&self) -> Self {
        let x = self.v;
        let value = if x > -std::f64::consts::LN_2 { (-x.exp_m1()).ln() } else { (-x.exp()).ln_1p() };
        let r = 1.0 / (-x).exp_m1();
        self.map([value, -r, -r * (1.0 + r), -r * (1.0 + r) * (1.0 + 2.0 * r)])
    }

    /// This function of as many numbers of other variables.
    #[inline(always)]
    pub fn of<const N: usize>(&self, inner: [Jet<N, O>; M]) -> Jet<N, O> {
        let mut out = Jet::<N, O>::constant(self.v);
        let second = |i: usize, j: usize| self.h[i.min(j)][i.max(j)];
        for (i, a) in inner.iter().enumerate() {
            for k in 0..N {
                out.g[k] += self.g[i] * a.g[k];
                for l in k..N {
                    out.h[k][l] += self.g[i] * a.h[k][l];
                    for m in (l..N).filter(|_| O > 2) {
                        out.t[k][l][m] += self.g[i] * a.t[k][l][m];
                    }
                }
            }
            for (j, b) in inner.iter().enumerate() {
                let h = second(i, j);
                for k in 0..N {
                    for l in k..N {
                        out.h[k][l] += h * a.g[k] * b.g[l];
                        for m in (l..N).filter(|_| O > 2) {
                            out.t[k][l][m] += h * (a.h[k][l] * b.g[m] + a.h[k][m] * b.g[l] + a.h[l][m] * b.g[k]);
                        }
                    }
                }
                for (n, c) in inner.iter().enumerate().filter(|_| O > 2) {
                    let mut at = [i, j, n];
                    at.sort_unstable();
                    let t = self.t[at[0]][at[1]][at[2]];
                    for k in 0..N {
                        for l in k..N {
                            for m in l..N {
                                out.t[k][l][m] += t * a.g[k] * b.g[l] * c.g[m];
                            }
                        }
                    }
                }
            }
        }
        out
    }

    /// log Gamma(x).
    #[inline(always)]
    pub fn lgamma(&self) -> Self {
        let x = self.v;
        let (a, b, c) = crate::families::special::polygamma(x);
        self.map([crate::families::special::lgamma(x), a, b, c])
    }
}

impl<const M: usize, const O: usize> Add for Jet<M, O> {
    type Output = Self;
    #[inline(always)]
    fn add(self, b: Self) -> Self {
        let mut out = self;
        out.v += b.v;
        for i in 0..M {
            out.g[i] += b.g[i];
            for j in i..M {
                out.h[i][j] += b.h[i][j];
                if O > 2 {
                    for k in j..M {
                        out.t[i][j][k] += b.t[i][j][k];
                    }
                }
            }
        }
        out
    }
}

impl<const M: usize, const O: usize> Neg for Jet<M, O> {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        self.scaled(-1.0)
    }
}

impl<const M: usize, const O: usize> Sub for Jet<M, O> {
    type Output = Self;
    #[inline(always)]
    fn sub(self, b: Self) -> Self {
        self + b.scaled(-1.0)
    }
}

impl<const M: usize, const O: usize> Mul for Jet<M, O> {
    type Output = Self;
    #[inline(always)]
    fn mul(self, b: Self) -> Self {
        let a = self;
        let mut out = Self::constant(a.v * b.v);
        for i in 0..M {
            out.g[i] = a.v * b.g[i] + b.v * a.g[i];
            for j in i..M {
                out.h[i][j] = a.v * b.h[i][j] + b.v * a.h[i][j] + a.g[i] * b.g[j] + a.g[j] * b.g[i];
                if O > 2 {
                    for k in j..M {
                        out.t[i][j][k] = a.v * b.t[i][j][k]
                            + b.v * a.t[i][j][k]
                            + a.g[i] * b.h[j][k]
                            + a.g[j] * b.h[i][k]
                            + a.g[k] * b.h[i][j]
                            + b.g[i] * a.h[j][k]
                            + b.g[j] * a.h[i][k]
                            + b.g[k] * a.h[i][j];
                    }
                }
            }
        }
        out
    }
}
