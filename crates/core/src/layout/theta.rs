//! The way between theta, the parameters of the columns as given, and Lambda of the changed basis:
//! the only place that knows it.

use super::{Block, Frame, Lambda, Layout, TermLayout};
use crate::optimize::bounds::Bounds;
use crate::structure::{lower_form, rotation, Coordinates};
use std::ops::Range;

impl TermLayout {
    /// Its part of theta.
    pub fn own(&self) -> Range<usize> {
        self.theta..self.theta + self.n_theta
    }

    /// Its part of a matrix of its factor's effects.
    pub fn part(&self, of_factor: &[f64]) -> Vec<f64> {
        let (k, kf) = (self.k, of_factor.len().isqrt());
        (0..k * k).map(|t| of_factor[(self.offset + t / k) * kf + self.offset + t % k]).collect()
    }

    /// Writes its part of a matrix of its factor's effects.
    fn put(&self, part: &[f64], of_factor: &mut [f64]) {
        let (k, kf) = (self.k, of_factor.len().isqrt());
        for (i, row) in part.chunks_exact(k).enumerate() {
            let at = (self.offset + i) * kf + self.offset;
            of_factor[at..at + k].copy_from_slice(row);
        }
    }
}

impl Layout {
    /// Factor, place within it and layout of every term, in the order of theta.
    fn every_term(&self) -> impl Iterator<Item = (usize, usize, &TermLayout)> {
        self.terms.iter().enumerate().flat_map(|(f, of)| of.iter().enumerate().map(move |(t, tl)| (f, t, tl)))
    }

    /// Bounds of the parameters of a term whose blocks are not free, and how many units of the
    /// changed columns one of each is; none for a pure number.
    pub fn term_bounds(&self, f: usize, t: usize) -> Option<(Bounds, Vec<Option<f64>>)> {
        let tl = &self.terms[f][t];
        match tl.structure.coordinates(tl.k) {
            Coordinates::Free(_) => None,
            Coordinates::Bounded { lower, upper, unit_of } => {
                let scale = &self.basis.terms[f][t].scale;
                let units = unit_of.iter().map(|u| u.map(|i| scale[i])).collect();
                Some((Bounds::new(lower, upper), units))
            }
        }
    }

    /// The same of a block; nothing for a free one.
    pub fn bounds(&self, b: Block) -> (Bounds, Vec<f64>) {
        let of_term = if b.is_free { None } else { self.term_bounds(b.factor, b.term) };
        of_term.map_or_else(Default::default, |(bounds, units)| {
            (bounds, units.into_iter().map(|u| u.unwrap_or(1.0)).collect())
        })
    }

    /// For each parameter of a block that is not free its nearest bound, and the distance to it in
    /// units of the changed columns; infinite where there is none.
    pub fn to_bounds(&self, b: Block, theta: &[f64]) -> Vec<(f64, f64)> {
        let (bounds, scale) = self.bounds(b);
        let nearest = |i: usize| bounds.nearest(i, theta[i]).map(|(bound, d)| (bound, d * scale[i]));
        (0..theta.len()).map(|i| nearest(i).unwrap_or((f64::NAN, f64::INFINITY))).collect()
    }

    /// A Lambda whose terms are filled by `fill`, as given.
    fn filled(&self, fill: impl Fn(&TermLayout, &mut [f64])) -> Lambda {
        let mut out = self.zero_lambda();
        for (f, t, tl) in self.every_term() {
            let mut small = vec![0.0; tl.k * tl.k];
            fill(tl, &mut small);
            tl.put(&self.basis.terms[f][t].from_given(&small, tl.k), &mut out[f]);
        }
        out
    }

    /// Lambda of each factor in the changed basis, from theta of the columns as given.
    pub fn lambda_from_theta(&self, theta: &[f64]) -> Lambda {
        self.filled(|tl, out| tl.structure.lambda(&theta[tl.own()], tl.k, out))
    }

    /// Lambda where that of the columns as given is the identity.
    pub fn identity_as_given(&self) -> Lambda {
        self.filled(|tl, out| (0..tl.k).for_each(|i| out[i * tl.k + i] = 1.0))
    }

    /// A Lambda of a factor: the relative factor of its effects in given units (not triangular).
    pub(crate) fn given_lambda(&self, lambda: &Lambda, f: usize) -> Vec<f64> {
        let mut out = vec![0.0; lambda[f].len()];
        for (tl, basis) in self.terms[f].iter().zip(&self.basis.terms[f]) {
            tl.put(&basis.to_given(&tl.part(&lambda[f]), tl.k), &mut out);
        }
        out
    }

    /// The derivative of Lambda along a direction of theta.
    pub fn push(&self, theta: &[f64], along: &[f64]) -> Lambda {
        self.filled(|tl, out| tl.structure.push(&theta[tl.own()], &along[tl.own()], tl.k, out))
    }

    /// Derivative with respect to theta of what has the derivative `gamma` with respect to the
    /// entries of Lambda.
    pub fn pull_back(&self, theta: &[f64], gamma: &Lambda) -> Vec<f64> {
        let mut out = vec![0.0; self.n_theta];
        for (f, t, tl) in self.every_term() {
            let moved = self.basis.terms[f][t].score_to_given(&tl.part(&gamma[f]), tl.k);
            tl.structure.pull_back(&theta[tl.own()], &moved, tl.k, &mut out[tl.own()]);
        }
        out
    }

    /// Frames of all blocks at a theta.
    pub fn frames_at(&self, theta: &[f64]) -> Vec<Frame> {
        let lambda = self.lambda_from_theta(theta);
        let frame = |b: &Block| {
            let tl = &self.terms[b.factor][b.term];
            if b.is_free {
                Frame::of(&part_of(&lambda[b.factor], *b), b.k)
            } else {
                Frame::structured(self, *b, theta[tl.own()].to_vec())
            }
        };
        self.blocks.iter().map(frame).collect()
    }

    /// The Lambda of frames.
    pub fn lambda_of(&self, frames: &[Frame]) -> Lambda {
        let mut lambda = self.zero_lambda();
        self.blocks.iter().zip(frames).for_each(|(b, f)| f.write(*b, &mut lambda));
        lambda
    }

    /// theta of frames.
    pub fn theta_of(&self, frames: &[Frame]) -> Vec<f64> {
        let (mut theta, _) = self.theta_from_lambda(&self.lambda_of(frames));
        for (b, f) in self.blocks.iter().zip(frames).filter(|(b, _)| !b.is_free) {
            theta[self.terms[b.factor][b.term].own()].copy_from_slice(&f.theta);
        }
        theta
    }

    /// Gradient with respect to theta of what has the derivative 2 `gamma` with respect to Lambda.
    pub fn gradient(&self, lambda: &Lambda, gamma: &Lambda) -> Vec<f64> {
        let (theta, turns) = self.theta_from_lambda(lambda);
        let mut out = vec![0.0; self.n_theta];
        for (f, layouts) in self.terms.iter().enumerate() {
            let kf = self.factors[f].k;
            for (t, tl) in layouts.iter().enumerate() {
                let k = tl.k;
                let small: Vec<f64> =
                    (0..k * k).map(|i| gamma[f][(tl.offset + i / k) * kf + tl.offset + i % k]).collect();
                let moved = self.basis.terms[f][t].score_to_given(&small, k);
                // theta's lambda is this one times Q'
                let turned: Vec<f64> = (0..k * k)
                    .map(|i| (0..k).map(|c| 2.0 * moved[i / k * k + c] * turns[f][t][i % k * k + c]).sum())
                    .collect();
                let own = tl.theta..tl.theta + tl.n_theta;
                tl.structure.pull_back(&theta[own.clone()], &turned, k, &mut out[own]);
            }
        }
        out
    }

    /// For each term, in the order of factors and terms, the dimension of the null space of its
    /// covariance matrix.
    pub fn null_dimensions(&self, frames: &[Frame]) -> Vec<usize> {
        let mut null: Vec<Vec<usize>> = self.terms.iter().map(|t| vec![0; t.len()]).collect();
        for (b, frame) in self.blocks.iter().zip(frames) {
            null[b.factor][b.term] += frame.s.iter().filter(|&&s| s == 0.0).count();
        }
        null.into_iter().flatten().collect()
    }

    /// theta of the columns as given, and for each term the rotation Q that turns this Lambda's
    /// spherical effects into theirs.
    pub fn theta_from_lambda(&self, lambda: &Lambda) -> (Vec<f64>, Vec<Vec<Vec<f64>>>) {
        let mut theta = vec![0.0; self.n_theta];
        let mut turns: Vec<Vec<Vec<f64>>> = self.terms.iter().map(|t| Vec::with_capacity(t.len())).collect();
        for (f, t, tl) in self.every_term() {
            let k = tl.k;
            let given = self.basis.terms[f][t].to_given(&tl.part(&lambda[f]), k);
            let own = &mut theta[tl.own()];
            tl.structure.read(&given, k, own);
            turns[f].push(match tl.structure.coordinates(k) {
                Coordinates::Free(_) => lower_form(&given, k).1,
                Coordinates::Bounded { .. } => {
                    let mut root = vec![0.0; k * k];
                    tl.structure.lambda(own, k, &mut root);
                    rotation(&root, &given, k)
                }
            });
        }
        (theta, turns)
    }
}

/// A block's part of its factor's matrix.
pub fn part_of(of_factor: &[f64], b: Block) -> Vec<f64> {
    let kf = of_factor.len().isqrt();
    (0..b.k * b.k).map(|t| of_factor[(b.offset + t / b.k) * kf + b.offset + t % b.k]).collect()
}
