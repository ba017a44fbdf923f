//! A limit: the place between two points of a curve where zeta has a given size.

use super::line::Line;
use super::node::{between, Node};
use super::walk::{Stop, Walk};

/// Error of zeta at a limit.
pub(super) const CLOSE: f64 = 1e-7;
/// Points with an optimum in the search for one limit, and without, at most.
const MAX_FOUND: usize = 60;
const MAX_FAILURES: usize = 30;
/// Steps by the rate, after which the range is halved.
const BY_RATE: usize = 8;

impl Walk<'_> {
    /// How many nodes come before the first place where |zeta| is `target`, and that place; none
    /// where points near it have no optimum that is found.
    pub(super) fn crossing(
        &self,
        line: &mut dyn Line,
        start: &Node,
        nodes: &[Node],
        target: f64,
        sign: f64,
    ) -> Result<Option<(usize, Option<Node>)>, Stop> {
        let Some(i) = nodes.iter().position(|n| n.zeta.abs() >= target - CLOSE) else {
            return Ok(None);
        };
        if (nodes[i].zeta.abs() - target).abs() <= CLOSE {
            return Ok(Some((i, Some(nodes[i].clone()))));
        }
        let mut inner = if i == 0 { start.clone() } else { nodes[i - 1].clone() };
        let mut outer = nodes[i].clone();
        let mut best = outer.clone();
        let mut wanted = between(&inner, &outer, target);
        let mut w = wanted;
        let (mut failures, mut in_a_row, mut by_rate) = (0, 0, 0);
        // how far from a point that was found the next one may be
        let mut stride = f64::INFINITY;
        for _ in 0..MAX_FOUND + MAX_FAILURES {
            let Some(node) = self.solve_between(line, w, &inner, &outer)? else {
                (failures, in_a_row) = (failures + 1, in_a_row + 1);
                if failures > MAX_FAILURES {
                    break;
                }
                // from both sides in turn and ever nearer: coordinates of a point that was found
                // are a better start beside it
                let from = if in_a_row % 2 == 1 { inner.w } else { outer.w };
                w = from + 0.5f64.powi((in_a_row + 1) / 2) * (wanted - from);
                continue;
            };
            let step = (w - inner.w).abs().min((w - outer.w).abs());
            stride = 2.0 * if in_a_row > 0 { step } else { stride };
            in_a_row = 0;
            let miss = node.zeta.abs() - target;
            if miss.abs() < (best.zeta.abs() - target).abs() {
                best = node.clone();
            }
            if miss.abs() <= CLOSE || (outer.w - inner.w).abs() <= 1e-13 * outer.w.abs() {
                return Ok(Some((i, Some(best))));
            }
            wanted = node.w - sign * miss / node.rate.abs();
            let here = node.w;
            if miss > 0.0 {
                outer = node;
            } else {
                inner = node;
            }
            let inside = (wanted - inner.w) * sign > 0.0 && (outer.w - wanted) * sign > 0.0;
            if !inside || by_rate > BY_RATE {
                wanted = 0.5 * (inner.w + outer.w);
            }
            if (wanted - here).abs() > stride {
                wanted = here + stride.copysign(wanted - here);
            } else {
                by_rate += 1;
            }
            w = wanted;
        }
        Ok(Some((i, None)))
    }

    /// The optimum at a value between two points, from the coordinates of the nearer one or from
    /// those between both.
    fn solve_between(&self, line: &mut dyn Line, w: f64, inner: &Node, outer: &Node) -> Result<Option<Node>, Stop> {
        let (near, other) = if (w - inner.w).abs() < (w - outer.w).abs() { (inner, outer) } else { (outer, inner) };
        let near = if near.phi.is_empty() { other } else { near };
        let mut guesses = vec![self.coordinates(line, w, near)];
        if inner.phi.len() == outer.phi.len() && !inner.phi.is_empty() {
            let t = (w - inner.w) / (outer.w - inner.w);
            guesses.push(inner.phi.iter().zip(&outer.phi).map(|(a, b)| a + t * (b - a)).collect());
        }
        self.solve(line, w, &guesses, &near.hessian)
    }
}

#[cfg(test)]
mod tests {
    use super::super::hold::Walked;
    use super::super::parameter::{Kind, Origin, Target};
    use super::super::subject::State;
    use super::super::ProfileOptions;
    use super::*;
    use crate::error::CoreError;
    use crate::linear::System;
    use crate::rows::Rows;
    use crate::watch::{Nobody, Watch};

    type Curve = fn(f64) -> f64;

    /// The deviance zeta(w)^2 + (x - path(w))^2, which is computed where w is in no hole and x near
    /// the path.
    struct Bent {
        w: f64,
        x: f64,
        zeta: Curve,
        slope: Curve,
        path: Curve,
        hole: (f64, f64),
        reach: f64,
    }

    fn state() -> State {
        State { lambda: Vec::new(), sigma: 1.0, beta: Vec::new(), u: Vec::new(), x: Vec::new() }
    }

    impl Line for Bent {
        fn set(&mut self, value: f64) {
            self.w = value;
        }

        fn coordinates(&self, _: &State) -> Vec<f64> {
            vec![self.x]
        }

        fn deviance(&mut self, phi: &[f64], _: &dyn Watch) -> Result<f64, CoreError> {
            self.x = phi[0];
            let off = self.x - (self.path)(self.w);
            let lost = self.w > self.hole.0 && self.w < self.hole.1 || off.abs() > self.reach;
            Ok(if lost { f64::INFINITY } else { (self.zeta)(self.w).powi(2) + off * off })
        }

        fn gradient(&mut self, phi: &[f64], out: &mut Vec<f64>) -> f64 {
            *out = vec![2.0 * (phi[0] - (self.path)(self.w))];
            2.0 * (self.zeta)(self.w) * (self.slope)(self.w)
        }

        fn nudged(&self, _: &[f64]) -> Option<Vec<f64>> {
            None
        }

        fn noise(&self, _: f64) -> f64 {
            1e-13
        }

        fn state(&self) -> State {
            state()
        }

        fn parameters(&self) -> Vec<f64> {
            vec![self.w]
        }

        fn width(&self, _: f64) -> f64 {
            1.0
        }

        fn absent(&mut self) -> Option<Box<dyn Line + '_>> {
            None
        }
    }

    /// The place where zeta is `target` between an estimate at 0 and a point at 10.
    fn place(mut line: Bent, target: f64) -> Option<Node> {
        let rows = Rows { x: Vec::new(), y: &[0.0, 1.0], weights: None, factors: Vec::new() };
        let sys = System::new(&rows, 1).unwrap();
        let origin = Origin { state: state(), deviance: 0.0, parameters: vec![0.0] };
        let options = ProfileOptions { step: 1.0, reach: target, targets: vec![target] };
        let of = Target { index: 0, kind: Kind::Natural(Walked::Number) };
        let walk = Walk {
            sys: &sys,
            origin: &origin,
            target: &of,
            w0: 0.0,
            scale: 1.0,
            options: &options,
            watch: &Nobody,
            strict: true,
        };
        let node = |w: f64| Node {
            w,
            zeta: (line.zeta)(w),
            rate: (line.slope)(w),
            deviance: (line.zeta)(w).powi(2),
            phi: vec![(line.path)(w)],
            hessian: vec![2.0],
            state: state(),
            parameters: vec![w],
            converged: true,
        };
        let (start, nodes) = (node(0.0), [node(10.0)]);
        let found = walk.crossing(&mut line, &start, &nodes, target, 1.0);
        let Ok(Some((0, node))) = found else { panic!("there is a place before the only point") };
        node
    }

    fn zero(_: f64) -> f64 {
        0.0
    }

    fn close(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-6, "{a} {b}");
    }

    const SQUARE: (Curve, Curve) = (|w| 0.1 * w * w, |w| 0.2 * w);
    const ROOT: (Curve, Curve) = (|w| (10.0 * w).sqrt(), |w| 5.0 / (10.0 * w).sqrt());

    #[test]
    fn a_limit_beyond_points_that_are_lost_is_found() {
        let line = Bent { w: 0.0, x: 0.0, zeta: SQUARE.0, slope: SQUARE.1, path: zero, hole: (0.5, 6.0), reach: 1.0 };
        close(place(line, 4.0).unwrap().w, 40f64.sqrt());
    }

    #[test]
    fn a_limit_before_points_that_are_lost_is_found() {
        for end in [1.7, 3.0] {
            let hole = (end, 9.8);
            let line = Bent { w: 0.0, x: 0.0, zeta: ROOT.0, slope: ROOT.1, path: zero, hole, reach: 1.0 };
            close(place(line, 4.0).unwrap().w, 1.6);
        }
    }

    #[test]
    fn a_limit_among_points_that_are_lost_is_none() {
        for hole in [(6.0, 6.5), (2.0, 9.0), (0.0, 10.0)] {
            let line = Bent { w: 0.0, x: 0.0, zeta: SQUARE.0, slope: SQUARE.1, path: zero, hole, reach: 1.0 };
            assert!(place(line, 4.0).is_none(), "{hole:?}");
        }
    }

    #[test]
    fn coordinates_are_followed_from_the_nearer_point() {
        let path: Curve = |w| 0.3 * w * w;
        for (zeta, slope) in [SQUARE, ROOT] {
            let line = Bent { w: 0.0, x: 0.0, zeta, slope, path, hole: (0.0, 0.0), reach: 1.0 };
            let node = place(line, 4.0).unwrap();
            close(node.zeta, 4.0);
            close(zeta(node.w), 4.0);
            assert!((node.phi[0] - path(node.w)).abs() < 1e-4);
        }
    }
}
