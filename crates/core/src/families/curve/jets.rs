//! Numbers with their first derivatives, of a batch of rows at once, on a stack.
//!
//! A slot holds value, first, second and third derivatives in P parameters, each for [`ROWS`] rows;
//! symmetric ones once, at the places of [`pair`] and [`triple`].

use super::functions::{exponential, power, Function};
use crate::families::kernel::{pair, triple};

/// Rows of a batch.
pub(super) const ROWS: usize = 32;

type Row = [f64; ROWS];

/// See the module.
pub(super) struct Stack {
    p: usize,
    order: usize,
    /// Numbers of a slot by row.
    size: usize,
    slots: Vec<Row>,
    /// The parameters that each slot depends on; what belongs to others is zero.
    support: Vec<Vec<usize>>,
    top: usize,
}

/// How many numbers a slot has up to an order of derivatives.
pub fn parts(p: usize, order: usize) -> usize {
    [1, 1 + p, 1 + p + p * (p + 1) / 2, 1 + p + p * (p + 1) / 2 + p * (p + 1) * (p + 2) / 6][order]
}

/// Where first, second and third derivatives stand.
#[derive(Clone, Copy)]
struct Places {
    second: usize,
    third: usize,
}

impl Places {
    #[inline(always)]
    fn g(self, i: usize) -> usize {
        1 + i
    }

    #[inline(always)]
    fn h(self, i: usize, j: usize) -> usize {
        self.second + pair(i, j)
    }

    #[inline(always)]
    fn t(self, i: usize, j: usize, k: usize) -> usize {
        self.third + triple(i, j, k)
    }
}

impl Stack {
    pub(super) fn new(p: usize, order: usize, depth: usize) -> Self {
        let size = parts(p, order);
        Stack { p, order, size, slots: vec![[0.0; ROWS]; size * depth], support: vec![Vec::new(); depth], top: 0 }
    }

    fn places(&self) -> Places {
        Places { second: 1 + self.p, third: 1 + self.p + self.p * (self.p + 1) / 2 }
    }

    pub(super) fn clear(&mut self) {
        self.top = 0;
    }

    /// The only slot that is left, and what it depends on.
    pub(super) fn result(&self) -> &[Row] {
        &self.slots[..self.size]
    }

    /// Puts a value without derivatives on the stack.
    pub(super) fn push(&mut self, value: Row) {
        let at = self.top * self.size;
        self.slots[at..at + self.size].fill([0.0; ROWS]);
        self.slots[at] = value;
        self.support[self.top].clear();
        self.top += 1;
    }

    /// Puts a parameter on the stack.
    pub(super) fn push_parameter(&mut self, i: usize, value: Row) {
        self.push(value);
        if self.order > 0 {
            let at = (self.top - 1) * self.size;
            self.slots[at + 1 + i] = [1.0; ROWS];
        }
        self.support[self.top - 1].push(i);
    }

    /// Puts a number on the stack whose derivatives in the first `p` parameters are known: `part`
    /// gives its values, those of each parameter, pair and triple.
    pub(super) fn push_jet(&mut self, p: usize, part: impl Fn(usize) -> Row) {
        self.push(part(0));
        let (pairs, triples) = (p * (p + 1) / 2, p * (p + 1) * (p + 2) / 6);
        // pairs and triples of the first parameters come first among those of all
        let places = self.places();
        let spans = [(1, 1, p), (1 + p, places.second, pairs), (1 + p + pairs, places.third, triples)];
        let own = &mut self.slots[(self.top - 1) * self.size..];
        for (from, to, count) in spans.into_iter().take(self.order) {
            (0..count).for_each(|c| own[to + c] = part(from + c));
        }
        self.support[self.top - 1].extend(0..p);
    }

    /// Puts the uppermost number on the stack once more.
    pub(super) fn duplicate(&mut self) {
        let at = (self.top - 1) * self.size;
        self.slots.copy_within(at..at + self.size, at + self.size);
        self.support[self.top] = self.support[self.top - 1].clone();
        self.top += 1;
    }

    /// The two uppermost slots with what they depend on; the upper one is taken off.
    fn two(&mut self) -> (&mut [Row], &[Row], &mut Vec<usize>, &Vec<usize>) {
        self.top -= 1;
        let (below, above) = self.slots.split_at_mut(self.top * self.size);
        let (first, second) = self.support.split_at_mut(self.top);
        (&mut below[(self.top - 1) * self.size..], &above[..self.size], &mut first[self.top - 1], &second[0])
    }

    pub(super) fn add(&mut self, sign: f64) {
        let (a, b, sa, sb) = self.two();
        for (a, b) in a.iter_mut().zip(b) {
            each(a, |r, a| *a += sign * b[r]);
        }
        unite(sa, sb);
    }

    pub(super) fn negate(&mut self) {
        let at = (self.top - 1) * self.size;
        self.slots[at..at + self.size].iter_mut().for_each(|a| each(a, |_, a| *a = -*a));
    }

    pub(super) fn multiply(&mut self) {
        let (places, order) = (self.places(), self.order);
        let (a, b, sa, sb) = self.two();
        if sb.is_empty() {
            a.iter_mut().for_each(|a| each(a, |r, a| *a *= b[0][r]));
            return;
        }
        if sa.is_empty() {
            for c in (0..a.len()).rev() {
                let plain = a[0];
                each(&mut a[c], |r, a| *a = plain[r] * b[c][r]);
            }
            unite(sa, sb);
            return;
        }
        unite(sa, sb);
        // the highest derivatives first: they need the lower ones of both factors
        for (x, &i) in sa.iter().enumerate() {
            for (y, &j) in sa[x..].iter().enumerate() {
                if order > 2 {
                    for &k in &sa[x + y..] {
                        let t = places.t(i, j, k);
                        let (ij, ik, jk) = (places.h(i, j), places.h(i, k), places.h(j, k));
                        let (gi, gj, gk) = (places.g(i), places.g(j), places.g(k));
                        let mut out = [0.0; ROWS];
                        each(&mut out, |r, o| {
                            *o = a[t][r] * b[0][r]
                                + a[ij][r] * b[gk][r]
                                + a[ik][r] * b[gj][r]
                                + a[jk][r] * b[gi][r]
                                + a[gi][r] * b[jk][r]
                                + a[gj][r] * b[ik][r]
                                + a[gk][r] * b[ij][r]
                                + a[0][r] * b[t][r];
                        });
                        a[t] = out;
                    }
                }
            }
        }
        for (x, &i) in sa.iter().enumerate().filter(|_| order > 1) {
            for &j in &sa[x..] {
                let (h, gi, gj) = (places.h(i, j), places.g(i), places.g(j));
                let mut out = [0.0; ROWS];
                each(&mut out, |r, o| {
                    *o = a[h][r] * b[0][r] + a[gi][r] * b[gj][r] + a[gj][r] * b[gi][r] + a[0][r] * b[h][r];
                });
                a[h] = out;
            }
        }
        for &i in sa.iter().filter(|_| order > 0) {
            let g = places.g(i);
            let mut out = [0.0; ROWS];
            each(&mut out, |r, o| *o = a[g][r] * b[0][r] + a[0][r] * b[g][r]);
            a[g] = out;
        }
        each(&mut a[0], |r, a| *a *= b[0][r]);
    }

    pub(super) fn divide(&mut self) {
        self.map(|x, _| {
            let i = 1.0 / x;
            [i, -i * i, 2.0 * i * i * i, -6.0 * i * i * i * i]
        });
        self.multiply();
    }

    pub(super) fn raise(&mut self) {
        let (below, above) = (self.top - 2, self.top - 1);
        if self.support[above].is_empty() {
            let exponent = self.slots[above * self.size];
            self.top -= 1;
            self.map(|x, r| power(x, exponent[r]));
        } else if self.support[below].is_empty() {
            let base = self.slots[below * self.size];
            self.map(|x, r| exponential(base[r], x));
            // what was raised takes the place of its base
            let (first, second) = self.slots.split_at_mut(above * self.size);
            first[below * self.size..].copy_from_slice(&second[..self.size]);
            self.support.swap(below, above);
            self.top -= 1;
        } else {
            self.top -= 1;
            self.map(|x, _| Function::Log.at(x));
            self.top += 1;
            self.multiply();
            self.map(|x, _| Function::Exp.at(x));
        }
    }

    pub(super) fn call(&mut self, f: Function) {
        self.map(|x, _| f.at(x));
    }

    /// A function of the uppermost slot, from its value and three derivatives at a value and row.
    fn map(&mut self, f: impl Fn(f64, usize) -> [f64; 4]) {
        let (places, order) = (self.places(), self.order);
        let at = (self.top - 1) * self.size;
        let a = &mut self.slots[at..at + self.size];
        let s = &self.support[self.top - 1];
        let mut d = [[0.0; ROWS]; 4];
        for r in 0..ROWS {
            let of = f(a[0][r], r);
            (0..4).for_each(|k| d[k][r] = of[k]);
        }
        for (x, &i) in s.iter().enumerate().filter(|_| order > 2) {
            for (y, &j) in s[x..].iter().enumerate() {
                for &k in &s[x + y..] {
                    let t = places.t(i, j, k);
                    let (ij, ik, jk) = (places.h(i, j), places.h(i, k), places.h(j, k));
                    let (gi, gj, gk) = (places.g(i), places.g(j), places.g(k));
                    let mut out = [0.0; ROWS];
                    each(&mut out, |r, o| {
                        let mixed = a[ij][r] * a[gk][r] + a[ik][r] * a[gj][r] + a[jk][r] * a[gi][r];
                        *o = d[1][r] * a[t][r] + d[2][r] * mixed + d[3][r] * a[gi][r] * a[gj][r] * a[gk][r];
                    });
                    a[t] = out;
                }
            }
        }
        for (x, &i) in s.iter().enumerate().filter(|_| order > 1) {
            for &j in &s[x..] {
                let (h, gi, gj) = (places.h(i, j), places.g(i), places.g(j));
                let mut out = [0.0; ROWS];
                each(&mut out, |r, o| *o = d[1][r] * a[h][r] + d[2][r] * a[gi][r] * a[gj][r]);
                a[h] = out;
            }
        }
        for &i in s.iter().filter(|_| order > 0) {
            each(&mut a[places.g(i)], |r, a| *a *= d[1][r]);
        }
        a[0] = d[0];
    }
}

#[inline(always)]
fn each(row: &mut Row, mut f: impl FnMut(usize, &mut f64)) {
    row.iter_mut().enumerate().for_each(|(r, v)| f(r, v));
}

/// Adds what is not there yet, in ascending order.
fn unite(a: &mut Vec<usize>, b: &[usize]) {
    for i in b {
        if let Err(at) = a.binary_search(i) {
            a.insert(at, *i);
        }
    }
}
