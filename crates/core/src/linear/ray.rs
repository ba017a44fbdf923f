//! The criterion along a ray: one direction of one block's Sigma from no variance to a very large
//! one, all else held.
//!
//! With one grouping factor the levels do not meet, and a ray is a sum over levels of functions of
//! one number: after the other directions are eliminated from a level, what is left of M is 1 + t^2
//! c, and of its products with [X y] a row w. An evaluation then costs a few operations a level.

use super::criterion::{elimination_lost, Evaluator, TRUSTED};
use super::system::System;
use crate::dense::kernels::{self, size};
use crate::layout::Block;
use crate::layout::Frame;
use crate::with_size;

/// The criterion at one place of a ray.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    /// Standard deviation per residual one.
    pub at: f64,
    /// Criterion; infinite where it is not defined.
    pub criterion: f64,
    /// The part of it that grows along a ray: log|V|, under REML log|K'VK|.
    pub rising: f64,
    /// Residual sum of squares, which falls.
    pub r2: f64,
}

impl Look {
    /// Where there is no criterion, or only rounding.
    fn undefined(at: f64) -> Self {
        Look { at, criterion: f64::INFINITY, rising: f64::NAN, r2: f64::NAN }
    }

    /// From the two parts.
    pub fn new(at: f64, rising: f64, r2: f64, nu: f64) -> Self {
        let criterion = rising + falling(r2, nu);
        let criterion = if criterion.is_finite() { criterion } else { f64::INFINITY };
        Look { at, criterion, rising, r2 }
    }

    /// At an evaluator's Lambda.
    pub fn of(e: &mut Evaluator, sys: &System, reml: bool, at: f64) -> Self {
        let criterion = e.trusted_criterion(sys, reml);
        if criterion.is_infinite() {
            return Look::undefined(at);
        }
        Look { at, criterion, rising: criterion - falling(e.r2, sys.nu(reml)), r2: e.r2 }
    }

    /// What the criterion is at least between here and a place further out.
    pub fn bound(&self, farther: &Look, nu: f64) -> f64 {
        let b = self.rising + falling(farther.r2, nu);
        if b.is_nan() {
            f64::NEG_INFINITY
        } else {
            b
        }
    }
}

/// The part of the criterion that falls along a ray.
fn falling(r2: f64, nu: f64) -> f64 {
    nu * (1.0 + (2.0 * std::f64::consts::PI * r2 / nu).ln())
}

/// A ray of a model with one grouping factor.
pub(super) struct Ladder {
    /// For each level, what is left of M's diagonal per t^2.
    c: Vec<f64>,
    /// For each pair of columns of \[X y\], the products of their rows of all levels, one after
    /// another.
    products: Vec<f64>,
    /// \[X y\]'\[X y\] with the other directions eliminated, lower triangle by rows.
    base: Vec<f64>,
    /// log|M| without the direction.
    log_det: f64,
    pw: usize,
    /// Sums of squares of the columns of \[X y\].
    size: Vec<f64>,
    tau: Vec<f64>,
}

impl Ladder {
    /// The ray of column `j` of block `b`, all else as in `frames`. None with several grouping
    /// factors, with very many fixed effects, or where the other directions cannot be eliminated.
    pub fn of(sys: &System, frames: &[Frame], b: usize, j: usize) -> Option<Ladder> {
        match sys.factors[..] {
            [_] => Self::alone(sys, frames, b, j),
            _ => None,
        }
    }

    /// The ray of column `j` of block `b` in the model without the other grouping factors; none
    /// where levels of its own occur together.
    pub fn alone(sys: &System, frames: &[Frame], b: usize, j: usize) -> Option<Ladder> {
        let factor = sys.blocks[b].factor;
        let coupled = sys.cp.gram.is_coupled(factor);
        if coupled || sys.fixed.is_some() || sys.factors[factor].n_levels * sys.cp.pw * sys.cp.pw > MOST {
            return None;
        }
        let (kf, n) = (sys.factors[factor].k, sys.factors[factor].n_levels);
        let pw = sys.cp.pw;
        let (ztz, ztw) = (&sys.cp.gram.levels[factor][..], &sys.cp.ztw[factor][..]);
        // directions as columns, the ray's last, with their standard deviations
        let mut d = vec![0.0; kf * kf];
        let mut s = vec![1.0; kf];
        let mut at = 0;
        for (i, (block, f)) in sys.blocks.iter().zip(frames).enumerate().filter(|(_, (b, _))| b.factor == factor) {
            for c in 0..f.k {
                let ray = i == b && c == j;
                let column = if ray { kf - 1 } else { at };
                at += usize::from(!ray);
                s[column] = if ray { 1.0 } else { f.s[c] };
                (0..f.k).for_each(|x| d[(block.offset + x) * kf + column] = f.u[x * f.k + c]);
            }
        }
        for x in 0..kf {
            (0..kf).for_each(|c| d[x * kf + c] *= s[c]);
        }
        let pairs = pw * (pw + 1) / 2;
        let mut out = Ladder {
            c: vec![0.0; n],
            products: vec![0.0; n * pairs],
            base: Vec::with_capacity(pairs),
            log_det: 0.0,
            pw,
            size: (0..pw).map(|i| sys.cp.wtw[i * pw + i]).collect(),
            tau: vec![0.0; n],
        };
        for x in 0..pw {
            out.base.extend_from_slice(&sys.cp.wtw[x * pw..x * pw + x + 1]);
        }
        let done = kernels::vectorised(
            #[inline(always)]
            || with_size!(kf, eliminate(&mut out, ztz, ztw, &d, kf)),
        );
        done.then_some(out)
    }

    /// How far the ray goes.
    pub fn reach(&self) -> Reach {
        let most = self.c.iter().fold(0.0f64, |m, &c| m.max(c));
        let least = self.c.iter().filter(|&&c| c > OWN * most).fold(f64::INFINITY, |m, &c| m.min(c));
        Reach::between(most, least)
    }

    /// The criterion at a standard deviation.
    pub fn look(&mut self, at: f64, nu: f64, reml: bool) -> Look {
        kernels::vectorised(
            #[inline(always)]
            || self.look_impl(at, nu, reml),
        )
    }

    #[inline(always)]
    fn look_impl(&mut self, at: f64, nu: f64, reml: bool) -> Look {
        let (pw, n, s2) = (self.pw, self.c.len(), at * at);
        let mut log_det = self.log_det;
        for (t, c) in self.tau.chunks_mut(8).zip(self.c.chunks(8)) {
            let mut product = 1.0;
            for (t, &c) in t.iter_mut().zip(c) {
                let m = 1.0 + s2 * c;
                product *= m;
                *t = s2 / m;
            }
            log_det += product.ln();
        }
        let mut r = vec![0.0; pw * pw];
        let mut at_pair = 0;
        for x in 0..pw {
            for y in 0..=x {
                let products = &self.products[at_pair * n..(at_pair + 1) * n];
                let mut sums = [0.0; 4];
                let (mut a, mut b) = (self.tau.chunks_exact(4), products.chunks_exact(4));
                for (t, p) in (&mut a).zip(&mut b) {
                    for i in 0..4 {
                        sums[i] += t[i] * p[i];
                    }
                }
                let rest: f64 = a.remainder().iter().zip(b.remainder()).map(|(t, p)| t * p).sum();
                r[x * pw + y] = self.base[at_pair] - (sums[0] + sums[1] + sums[2] + sums[3] + rest);
                at_pair += 1;
            }
        }
        if !kernels::cholesky::<0>(&mut r, pw) {
            return Look::undefined(at);
        }
        let p = pw - 1;
        let lost = elimination_lost(&r, pw, |i| self.size[i], nu, reml);
        if 2.0 * f64::EPSILON * lost > TRUSTED {
            return Look::undefined(at);
        }
        let mut rising = log_det;
        if reml {
            rising += 2.0 * (0..p).map(|i| r[i * pw + i].ln()).sum::<f64>();
        }
        Look::new(at, rising, r[p * pw + p].powi(2), nu)
    }
}

/// Eliminates the directions before the last from every level; false where they cannot be.
#[inline(always)]
fn eliminate<const K: usize>(out: &mut Ladder, all_ztz: &[f64], all_ztw: &[f64], d: &[f64], k: usize) -> bool {
    let (k, pw, n) = (size::<K>(k), out.pw, out.c.len());
    let o = k - 1;
    let (mut t, mut m, mut w) = (vec![0.0; k * k], vec![0.0; k * k], vec![0.0; k * pw]);
    for l in 0..n {
        let (ztz, ztw) = (&all_ztz[l * k * k..(l + 1) * k * k], &all_ztw[l * k * pw..(l + 1) * k * pw]);
        if k == 1 {
            m[0] = ztz[0];
            w.copy_from_slice(ztw);
        } else {
            kernels::multiply(ztz, d, k, k, k, &mut t);
            kernels::transposed_multiply(d, &t, k, k, k, &mut m);
            kernels::transposed_multiply(d, ztw, k, k, pw, &mut w);
        }
        let own = m[o * k + o];
        for i in 0..o {
            let pivot = 1.0 + m[i * k + i];
            if pivot.is_nan() || pivot <= 0.0 {
                return false;
            }
            out.log_det += pivot.ln();
            let inverse = 1.0 / pivot;
            let (before, after) = w.split_at_mut((i + 1) * pw);
            let row = &before[i * pw..];
            for x in i + 1..k {
                let f = m[x * k + i] * inverse;
                for y in i + 1..k {
                    m[x * k + y] -= f * m[i * k + y];
                }
                let target = &mut after[(x - i - 1) * pw..(x - i) * pw];
                target.iter_mut().zip(row).for_each(|(t, r)| *t -= f * r);
            }
            let mut at = 0;
            for x in 0..pw {
                let f = row[x] * inverse;
                for (t, r) in out.base[at..=at + x].iter_mut().zip(row) {
                    *t -= f * r;
                }
                at += x + 1;
            }
        }
        // what is left of it is rounding where the other directions take up all of a level
        let left = m[o * k + o];
        let spanned = k > 1 && left <= ROUNDING * own;
        out.c[l] = if spanned { 0.0 } else { left.max(0.0) };
        if spanned {
            w[o * pw..].fill(0.0);
        }
        let last = &w[o * pw..];
        let mut at = 0;
        for x in 0..pw {
            for y in 0..=x {
                out.products[at * n + l] = last[x] * last[y];
                at += 1;
            }
        }
    }
    true
}

/// Products of columns of all levels, twice those that are kept, above which a ray is not kept.
const MOST: usize = 1 << 25;
/// A Schur complement this small beside what it is left of is rounding.
const ROUNDING: f64 = 1e-13;

/// How far a ray goes: the standard deviation below which it is as good as nothing, and where all
/// information is used up.
pub(super) struct Reach {
    /// See above.
    pub lowest: f64,
    /// See above.
    pub highest: f64,
}

/// A standard deviation counts from where it adds this much, squared, to a diagonal entry of M.
const FAINT: f64 = 0.1;
/// A ray ends where it adds at least this much, squared, to every entry that it can change.
const AMPLE: f64 = 1e5;
/// What an effect's column has of its own, beside those of the same level, counts from this share.
const OWN: f64 = 1e-13;
/// No ray goes farther.
pub(super) const FARTHEST: f64 = 1e9;

impl Reach {
    /// Of column `j` of a block's frame.
    pub fn of(sys: &System, block: Block, f: &Frame, j: usize) -> Reach {
        let (mut most, mut least) = (0.0f64, f64::INFINITY);
        each_level(sys, block, f, j, |own, left| {
            most = most.max(own);
            if left > OWN * own {
                least = least.min(left);
            }
        });
        Reach::between(most, least)
    }

    /// From the largest and the least of the information that a level has of a direction.
    fn between(most: f64, least: f64) -> Reach {
        if most <= 0.0 {
            return Reach { lowest: 1.0, highest: 16.0 };
        }
        let lowest = FAINT / most.sqrt();
        let highest = (AMPLE / least.sqrt()).clamp(AMPLE, FARTHEST);
        Reach { lowest, highest: highest.max(16.0 * lowest) }
    }
}

/// Calls `visit` for each level with the information that it has of a direction: what there is, and
/// what is left of it where the other effects of the level are free.
pub(super) fn each_level(sys: &System, block: Block, f: &Frame, j: usize, mut visit: impl FnMut(f64, f64)) {
    let (k, kf) = (block.k, sys.factors[block.factor].k);
    let mut d = vec![0.0; kf];
    (0..k).for_each(|x| d[block.offset + x] = f.u[x * k + j]);
    let mut others = vec![0.0; kf * kf];
    for ztz in sys.cp.gram.levels[block.factor].chunks_exact(kf * kf) {
        let along = |x: usize| (0..kf).map(|y| ztz[x * kf + y] * d[y]).sum::<f64>();
        let own: f64 = (0..kf).map(|x| d[x] * along(x)).sum();
        if own <= 0.0 {
            continue;
        }
        let mut left = own;
        if kf > 1 {
            others.copy_from_slice(ztz);
            (0..kf).for_each(|x| others[x * kf + x] *= 1.0 + OWN);
            if kernels::cholesky::<0>(&mut others, kf) {
                // 1 / (d'(Z'Z)^-1 d) is the Schur complement of a unit direction
                let mut t = d.clone();
                kernels::forward::<0>(&others, kf, &mut t, 1);
                left = (1.0 / t.iter().map(|v| v * v).sum::<f64>()).min(own);
            }
        }
        visit(own, left);
    }
}

/// How much larger than it looks the scale of a direction is, where the other effects of its levels
/// take up nearly all of it, as an intercept does of a covariate far from zero.
pub(super) fn stretch(sys: &System, block: Block, f: &Frame, j: usize) -> f64 {
    let (mut all, mut apart) = (0.0, 0.0);
    each_level(sys, block, f, j, |own, left| {
        all += own;
        apart += left;
    });
    (all / apart.max(OWN * all)).sqrt().max(1.0)
}
