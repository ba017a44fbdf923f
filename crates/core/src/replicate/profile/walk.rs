//! One curve: steps away from the estimate on both sides, each point an optimum of everything else,
//! and the values where zeta is asked for.

use super::crossing::CLOSE;
use super::line::Line;
use super::node::{grows, Node};
use super::parameter::{Origin, Target};
use super::search::{hessian, minimise};
use super::subject::State;
use super::{Curve, CurvePoint, Ending, ProfileOptions, Side};
use crate::error::CoreError;
use crate::layout::Layout;
use crate::optimize::trust_region::Eigen;
use crate::watch::Watch;

/// Points of one side, at most.
const MAX_POINTS: usize = 40;
/// Largest growth of a step.
const GROWTH: f64 = 2.5;
/// Points added to one side where the curve bends.
const MAX_ADDED: usize = 12;
/// Difference of the rate at a point from the mean rate to the next that counts as a bend.
const BEND: f64 = 0.4;

/// Why a curve was not finished.
pub enum Stop {
    /// An error.
    Core(CoreError),
    /// A lower deviance than that of the fit was met at this point.
    Lower(State),
}

impl From<CoreError> for Stop {
    fn from(e: CoreError) -> Self {
        Stop::Core(e)
    }
}

/// Work on one curve.
pub struct Walk<'a> {
    /// The layout of the model.
    pub sys: &'a Layout,
    /// The estimate.
    pub origin: &'a Origin,
    /// What is held.
    pub target: &'a Target,
    /// Its value at the estimate.
    pub w0: f64,
    /// What relative standard deviations are multiplied by (changed basis).
    pub scale: f64,
    /// How far to go.
    pub options: &'a ProfileOptions,
    /// Who may stop it.
    pub watch: &'a dyn Watch,
    /// Whether a lower deviance ends the walk.
    pub strict: bool,
}

impl Walk<'_> {
    /// Both sides of the curve.
    pub fn curve(&self, line: &mut dyn Line) -> Result<Curve, Stop> {
        let (start, tangent) = self.start(line)?;
        let (lo, hi) = self.target.bounds();
        let (below, lower, left) = self.side(line, &start, &tangent, -1.0, lo)?;
        let (above, upper, right) = self.side(line, &start, &tangent, 1.0, hi)?;
        let nodes: Vec<&Node> = below.iter().rev().chain([&start]).chain(&above).collect();
        Ok(Curve {
            index: self.target.index,
            converged: nodes.iter().all(|n| n.converged),
            points: nodes.iter().map(|n| self.shown(n)).collect(),
            lower,
            upper,
            monotone: left && right,
        })
    }

    fn shown(&self, n: &Node) -> CurvePoint {
        CurvePoint {
            zeta: n.zeta,
            rate: n.rate / self.target.unit(self.sys),
            value: n.parameters[self.target.index],
            parameters: n.parameters.clone(),
            x: n.state.x.clone(),
        }
    }

    /// The estimate as a node, with the direction in which the coordinates leave it.
    fn start(&self, line: &mut dyn Line) -> Result<(Node, Vec<f64>), Stop> {
        let (o, w0) = (self.origin, self.w0);
        let mut node = Node {
            w: w0,
            zeta: 0.0,
            rate: f64::NAN,
            deviance: o.deviance,
            phi: Vec::new(),
            hessian: Vec::new(),
            state: o.state.clone(),
            parameters: o.parameters.clone(),
            converged: true,
        };
        if self.target.is_lost(w0) {
            return Ok((node, Vec::new()));
        }
        line.set(w0);
        let mut phi = line.coordinates(&o.state);
        let n = phi.len();
        // at the estimate the search has nothing to do but form its Hessian
        let Some(hessian) = hessian(line, &phi, self.watch)? else {
            node.phi = phi;
            return Ok((node, vec![0.0; n]));
        };
        let mut h = hessian.clone();
        let m = minimise(line, &mut phi, &mut h, self.watch)?;
        if m.deviance < o.deviance - self.tolerance() && self.strict {
            return Err(Stop::Lower(line.state()));
        }
        let step = 1e-3 * line.width(w0);
        let mut slopes = [0.0; 2];
        let mut gradients = [Vec::new(), Vec::new()];
        for (side, sign) in [1.0, -1.0].into_iter().enumerate() {
            line.set(w0 + sign * step);
            if line.deviance(&phi, self.watch)?.is_infinite() {
                slopes[side] = f64::NAN;
                gradients[side] = vec![f64::NAN; n];
                continue;
            }
            slopes[side] = line.gradient(&phi, &mut gradients[side]);
        }
        let own = (slopes[0] - slopes[1]) / (2.0 * step);
        let cross: Vec<f64> = gradients[0].iter().zip(&gradients[1]).map(|(a, b)| (a - b) / (2.0 * step)).collect();
        let mut tangent = vec![0.0; n];
        let mut curvature = own;
        if n > 0 {
            if let Some(eigen) = Eigen::of(&hessian, n) {
                let largest = eigen.values.iter().fold(0.0f64, |a, v| a.max(v.abs()));
                for (j, (c, &v)) in eigen.components(&cross).iter().zip(&eigen.values).enumerate() {
                    if v > 1e-10 * largest {
                        curvature -= c * c / v;
                        (0..n).for_each(|i| tangent[i] -= eigen.vectors[i * n + j] * c / v);
                    }
                }
            }
        }
        if curvature > 1e-10 * own.abs() {
            node.rate = (0.5 * curvature).sqrt();
        }
        if tangent.iter().any(|v| !v.is_finite()) {
            tangent.fill(0.0);
        }
        node.phi = phi;
        node.hessian = hessian;
        node.converged = m.converged;
        Ok((node, tangent))
    }

    /// Deviance below that of the fit by which the fit is no optimum.
    fn tolerance(&self) -> f64 {
        1e-6 + 1e-12 * self.origin.deviance.abs()
    }

    /// The optimum at a value, from guesses of the coordinates (the best is taken).
    pub(super) fn solve(
        &self,
        line: &mut dyn Line,
        w: f64,
        guesses: &[Vec<f64>],
        hessian: &[f64],
    ) -> Result<Option<Node>, Stop> {
        line.set(w);
        let mut best: Option<(f64, &Vec<f64>)> = None;
        if guesses.len() > 1 {
            for guess in guesses {
                let d = line.deviance(guess, self.watch)?;
                if d.is_finite() && best.is_none_or(|b| d < b.0) {
                    best = Some((d, guess));
                }
            }
        }
        let mut phi = best.map_or_else(|| guesses[0].clone(), |b| b.1.clone());
        let mut hessian = hessian.to_vec();
        let m = minimise(line, &mut phi, &mut hessian, self.watch)?;
        if m.deviance.is_infinite() {
            return Ok(None);
        }
        let rise = m.deviance - self.origin.deviance;
        if rise < -self.tolerance() && self.strict {
            return Err(Stop::Lower(line.state()));
        }
        let zeta = (w - self.w0).signum() * rise.max(0.0).sqrt();
        let mut node = Node {
            w,
            zeta,
            rate: m.slope / (2.0 * zeta),
            deviance: m.deviance,
            phi,
            hessian,
            state: line.state(),
            parameters: line.parameters(),
            converged: m.converged,
        };
        node.parameters[self.target.index] = self.target.value(self.sys, w);
        Ok(Some(node))
    }

    /// The optimum at the end of what is possible: a standard deviation of zero, or a correlation
    /// of one.
    fn solve_bound(&self, line: &mut dyn Line, bound: f64, from: &Node) -> Result<Option<Node>, Stop> {
        if let Some(mut without) = line.absent() {
            let phi = without.coordinates(&from.state);
            let node = self.solve(&mut *without, bound, &[phi], &[])?;
            return Ok(node.map(|n| Node { phi: Vec::new(), hessian: Vec::new(), rate: f64::NAN, ..n }));
        }
        self.solve(line, bound, std::slice::from_ref(&from.phi), &from.hessian)
    }

    /// The coordinates of a node, or those nearest to its Lambda.
    pub(super) fn coordinates(&self, line: &mut dyn Line, w: f64, n: &Node) -> Vec<f64> {
        if n.phi.is_empty() {
            line.set(w);
            line.coordinates(&n.state)
        } else {
            n.phi.clone()
        }
    }

    /// Nodes from the estimate outwards, the limits, and whether zeta only grows.
    fn side(
        &self,
        line: &mut dyn Line,
        start: &Node,
        tangent: &[f64],
        sign: f64,
        bound: f64,
    ) -> Result<(Vec<Node>, Side, bool), Stop> {
        let mut nodes: Vec<Node> = Vec::new();
        let ending = if (bound - start.w).abs() < 1e-9 {
            Ending::Bound
        } else {
            self.step_out(line, start, tangent, sign, bound, &mut nodes)?
        };
        let mut monotone = grows(start, &nodes);
        if !monotone {
            // an optimum that was missed on the way out is looked for on the way back
            for i in (0..nodes.len() - 1).rev() {
                let from = nodes[i + 1].clone();
                let w = nodes[i].w;
                let guess = self.coordinates(line, w, &from);
                if let Some(found) = self.solve(line, w, &[guess], &from.hessian)? {
                    if found.deviance < nodes[i].deviance - 1e-7 {
                        nodes[i] = found;
                    }
                }
            }
            monotone = grows(start, &nodes);
        }
        let reach = self.options.reach;
        if let (Ending::Reached, Some(last)) = (ending, nodes.last()) {
            if last.zeta.abs() > reach + CLOSE {
                if let Some((i, Some(node))) = self.crossing(line, start, &nodes, reach, sign)? {
                    nodes.truncate(i);
                    nodes.push(node);
                }
            }
        }
        if self.options.targets.is_empty() {
            self.refine(line, start, &mut nodes)?;
        }
        let mut limits = Vec::new();
        for t in 0..self.options.targets.len() {
            let at = self.options.targets[t];
            let limit = match self.crossing(line, start, &nodes, at, sign)? {
                Some((_, node)) => node.map_or(f64::NAN, |n| n.parameters[self.target.index]),
                None if ending == Ending::Bound => self.target.value(self.sys, bound),
                None => f64::NAN,
            };
            limits.push(limit);
        }
        Ok((nodes, Side { limits, ending }, monotone))
    }

    fn step_out(
        &self,
        line: &mut dyn Line,
        start: &Node,
        tangent: &[f64],
        sign: f64,
        bound: f64,
        nodes: &mut Vec<Node>,
    ) -> Result<Ending, Stop> {
        let (step, reach) = (self.options.step, self.options.reach);
        let mut before = f64::NAN;
        let mut bound_is_out = false;
        for _ in 0..MAX_POINTS {
            let last = nodes.last().unwrap_or(start).clone();
            let mut dw = step / last.rate.abs();
            if nodes.is_empty() {
                if !dw.is_finite() {
                    dw = self.target.guess(self.scale, self.options.step);
                }
                if before.is_finite() {
                    dw = dw.min(before);
                }
            } else {
                dw = if dw.is_finite() && dw > 0.0 { dw.min(GROWTH * before) } else { 1.5 * before };
                // where the deviance is flat the rate is rounding
                if last.zeta.abs() < 0.01 * step {
                    dw = dw.max(1.5 * before);
                }
            }
            let mut w = last.w + sign * dw;
            if (w - bound) * sign >= 0.0 {
                if bound_is_out {
                    w = 0.5 * (last.w + bound);
                } else {
                    match self.solve_bound(line, bound, &last)? {
                        Some(end) if end.zeta.abs() < reach => {
                            self.fill(line, start, nodes, end, 1.5 * step)?;
                            return Ok(Ending::Bound);
                        }
                        _ => {
                            bound_is_out = true;
                            w = 0.5 * (last.w + bound);
                        }
                    }
                }
                if (w - bound).abs() < 1e-8 * (start.w - bound).abs() {
                    return Ok(Ending::Unreached);
                }
            }
            let dw = (w - last.w).abs();
            let here = self.coordinates(line, w, &last);
            let mut guesses = vec![here.clone()];
            let ahead: Vec<f64> = match nodes.len() {
                0 if tangent.len() == here.len() => {
                    here.iter().zip(tangent).map(|(x, t)| x + (w - last.w) * t).collect()
                }
                0 => Vec::new(),
                n => {
                    let old = if n > 1 { &nodes[n - 2] } else { start };
                    if old.phi.len() == here.len() {
                        let f = (w - last.w) / (last.w - old.w);
                        here.iter().zip(&old.phi).map(|(x, o)| x + f * (x - o)).collect()
                    } else {
                        Vec::new()
                    }
                }
            };
            if !ahead.is_empty() {
                guesses.push(ahead);
            }
            let Some(node) = self.solve(line, w, &guesses, &last.hessian)? else {
                before = 0.3 * dw;
                if before < 1e-10 * w.abs().max(1e-300) {
                    return Ok(Ending::Unreached);
                }
                continue;
            };
            before = dw;
            let zeta = node.zeta.abs();
            if nodes.is_empty() && !start.rate.is_finite() && zeta > 1.5 * step {
                // the first step was a guess: a shorter one, with this point kept for its
                // coordinates only
                let shorter = start.w + sign * dw * (step / zeta).max(0.05);
                if let Some(node) = self.solve(line, shorter, std::slice::from_ref(&node.phi), &node.hessian)? {
                    before = (shorter - start.w).abs();
                    nodes.push(node);
                    continue;
                }
            }
            nodes.push(node);
            if zeta >= reach {
                return Ok(Ending::Reached);
            }
        }
        Ok(Ending::Unreached)
    }

    /// Adds the end of what is possible, and points before it where zeta jumps by more than `gap`.
    fn fill(&self, line: &mut dyn Line, start: &Node, nodes: &mut Vec<Node>, end: Node, gap: f64) -> Result<(), Stop> {
        for _ in 0..8 {
            let last = nodes.last().unwrap_or(start).clone();
            if (end.zeta - last.zeta).abs() <= gap && !nodes.is_empty() {
                break;
            }
            let w = 0.5 * (last.w + end.w);
            let guess = self.coordinates(line, w, &last);
            match self.solve(line, w, &[guess], &last.hessian)? {
                Some(node) => nodes.push(node),
                None => break,
            }
        }
        nodes.push(end);
        Ok(())
    }

    /// Adds points where the curve bends so much that a cubic through its points would miss it.
    fn refine(&self, line: &mut dyn Line, start: &Node, nodes: &mut Vec<Node>) -> Result<(), Stop> {
        let mut added = 0;
        let mut i = 0;
        while i < nodes.len() {
            let (a, b) = (if i == 0 { start } else { &nodes[i - 1] }, &nodes[i]);
            let secant = (b.zeta - a.zeta) / (b.w - a.w);
            let off = |rate: f64| if rate.is_finite() { (rate - secant).abs() } else { 0.0 };
            let bend = off(a.rate).max(off(b.rate));
            let visible = (b.zeta - a.zeta).abs() > 0.02 * self.options.step;
            if !(bend > BEND * secant.abs() && visible) || added == MAX_ADDED {
                i += 1;
                continue;
            }
            let (w, from) = (0.5 * (a.w + b.w), if b.phi.is_empty() { a.clone() } else { b.clone() });
            let guess = self.coordinates(line, w, &from);
            added += 1;
            match self.solve(line, w, &[guess], &from.hessian)? {
                Some(node) => nodes.insert(i, node),
                None => i += 1,
            }
        }
        Ok(())
    }
}
