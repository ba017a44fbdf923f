//! Coordinates about a fit in whose interior it lies: directions without variance are held there
//! and have no coordinate.
//!
//! A block's lambda is U diag(s), with as many singular values as it has directions with variance.
//! Its coordinates are the entries (i, j), i >= j, of U'lambda: with the rotations of the spherical
//! effects left out they run through all matrices of that rank. A block of another structure has
//! its parameters for coordinates, but for those that are at a bound.

use super::moments::{parameters, Parameter};
use super::At;
use crate::layout::Block;
use crate::layout::Frame;
use crate::layout::Lambda;
use crate::linear::system::System;

/// Step of central differences, in units of the size of a random term. The gradient is exact, so
/// that the error is of the order of its square.
const STEP: f64 = 3e-4;
/// Relative standard deviation below which a random term counts as small when steps are chosen.
const SMALL: f64 = 0.01;

/// One coordinate.
#[derive(Clone, Copy, Debug)]
pub struct Coordinate {
    /// Index of its block among the system's.
    pub block: usize,
    /// Row of U'lambda, or the parameter of a block that is not free.
    pub i: usize,
    /// Column.
    pub j: usize,
    /// A small step along it.
    pub step: f64,
}

/// All coordinates of a fit.
pub struct Interior {
    /// Of each block; the singular values of directions held at zero are zero.
    pub frames: Vec<Frame>,
    /// See [`Coordinate`].
    pub all: Vec<Coordinate>,
}

impl Interior {
    /// About a theta.
    pub fn of(sys: &System, at: At<'_>) -> Self {
        let lambda = sys.lambda_from_theta(at.theta);
        let first_term: Vec<usize> =
            sys.terms.iter().scan(0, |n, t| Some(std::mem::replace(n, *n + t.len()))).collect();
        let mut frames = Vec::new();
        for &b in &sys.blocks {
            if !b.is_free {
                frames.push(Frame::structured(sys, b, at.theta[sys.terms[b.factor][b.term].own()].to_vec()));
                continue;
            }
            let kf = sys.factors[b.factor].k;
            let mut frame = Frame::of(&part(&lambda[b.factor], kf, b), b.k);
            // a term of one block knows how many directions it lacks; independent effects have
            // exact zeros
            if b.k == sys.terms[b.factor][b.term].k {
                let rank = b.k - at.null[first_term[b.factor] + b.term].min(b.k);
                frame.s[rank..].fill(0.0);
            }
            frames.push(frame);
        }
        let sizes: Vec<Vec<f64>> = (0..frames.len()).map(|b| sizes(sys, b, &frames)).collect();
        let mut all = Vec::new();
        for (b, frame) in frames.iter().enumerate() {
            if !sys.blocks[b].is_free {
                let (bounds, scale) = sys.bounds(sys.blocks[b]);
                let open = |i: &usize| bounds.inward(*i, frame.theta[*i]).is_none();
                all.extend((0..frame.theta.len()).filter(open).map(|i| {
                    let step = STEP * (frame.theta[i] * scale[i]).abs().max(0.1) / scale[i];
                    Coordinate { block: b, i, j: 0, step }
                }));
                continue;
            }
            for j in (0..frame.k).filter(|&j| frame.s[j] > 0.0) {
                all.extend((j..frame.k).map(|i| Coordinate { block: b, i, j, step: STEP * sizes[b][i] }));
            }
        }
        Interior { frames, all }
    }

    /// Writes the fit's Lambda.
    pub fn write(&self, sys: &System, lambda: &mut Lambda) {
        for (frame, &b) in self.frames.iter().zip(&sys.blocks) {
            frame.write(b, lambda);
        }
    }

    /// Writes the Lambda at some distance along a coordinate.
    pub fn write_moved(&self, sys: &System, c: &Coordinate, distance: f64, lambda: &mut Lambda) {
        self.write(sys, lambda);
        let (b, frame) = (sys.blocks[c.block], &self.frames[c.block]);
        if !b.is_free {
            self.frames_moved(sys, c, distance)[c.block].write(b, lambda);
            return;
        }
        let kf = sys.factors[b.factor].k;
        for r in 0..b.k {
            lambda[b.factor][(b.offset + r) * kf + b.offset + c.j] += distance * frame.u[r * b.k + c.i];
        }
    }

    /// The frames at some distance along a coordinate of a block that is not free; those of the fit
    /// for any other.
    pub fn frames_moved(&self, sys: &System, c: &Coordinate, distance: f64) -> Vec<Frame> {
        let mut frames = self.frames.clone();
        if !sys.blocks[c.block].is_free {
            let mut theta = frames[c.block].theta.clone();
            theta[c.i] += distance;
            frames[c.block] = Frame::structured(sys, sys.blocks[c.block], theta);
        }
        frames
    }

    /// The derivative of D along each coordinate, in terms of the variances and covariances:
    /// coordinates x parameters, row-major.
    pub fn derivatives(&self, sys: &System) -> Vec<f64> {
        let all = parameters(sys);
        let mut out = Vec::with_capacity(self.all.len() * all.len());
        for c in &self.all {
            let (b, frame) = (sys.blocks[c.block], &self.frames[c.block]);
            out.extend(
                all.iter().map(|r| if joins(r, b) { along(c, frame, r.x - b.offset, r.y - b.offset) } else { 0.0 }),
            );
        }
        out
    }
}

/// Whether a parameter is one of a block.
fn joins(r: &Parameter, b: Block) -> bool {
    let within = |e: usize| (b.offset..b.offset + b.k).contains(&e);
    r.factor == b.factor && within(r.x) && within(r.y)
}

/// Entry (x, y) of s_j (u_i u_j' + u_j u_i').
fn along(c: &Coordinate, frame: &Frame, x: usize, y: usize) -> f64 {
    let u = |r: usize, col: usize| frame.u[r * frame.k + col];
    frame.s[c.j] * (u(x, c.i) * u(y, c.j) + u(x, c.j) * u(y, c.i))
}

/// The part of a factor's k x k matrix that belongs to a block.
pub fn part(m: &[f64], k: usize, b: Block) -> Vec<f64> {
    (0..b.k * b.k).map(|t| m[(b.offset + t / b.k) * k + b.offset + t % b.k]).collect()
}

/// For every direction of a block, the relative standard deviation that would contribute as much as
/// its whole term does.
fn sizes(sys: &System, block: usize, frames: &[Frame]) -> Vec<f64> {
    let b = sys.blocks[block];
    let of_term = |o: &Block| o.factor == b.factor && o.term == b.term;
    let whole: f64 = sys
        .blocks
        .iter()
        .zip(frames)
        .filter(|(o, _)| of_term(o))
        .map(|(&o, f)| lengths(sys, o, f).iter().zip(&f.s).map(|(g, s)| g * s * s).sum::<f64>())
        .sum();
    let whole = whole.max(0.0).sqrt().max(SMALL);
    lengths(sys, b, &frames[block]).iter().map(|&g| if g > 0.0 { whole / g.sqrt() } else { whole }).collect()
}

/// Mean squares of the columns of Z U of a block.
fn lengths(sys: &System, b: Block, frame: &Frame) -> Vec<f64> {
    let fs = &sys.factors[b.factor];
    let mut gram = vec![0.0; fs.k * fs.k];
    for ztz in sys.cp.gram.levels[b.factor].chunks_exact(fs.k * fs.k) {
        gram.iter_mut().zip(ztz).for_each(|(t, v)| *t += v);
    }
    let own = part(&gram, fs.k, b);
    let n = sys.cp.n as f64;
    let k = b.k;
    let u = |r: usize, c: usize| frame.u[r * k + c];
    (0..k).map(|c| (0..k * k).map(|t| u(t / k, c) * own[t] * u(t % k, c)).sum::<f64>() / n).collect()
}
