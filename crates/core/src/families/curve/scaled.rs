//! Normal responses around a curve whose standard deviations follow the curve.
//!
//! The predictors are the parameters of the curve, log sigma, and an exponent for each function of
//! the curve by which the standard deviations of the rows are multiplied. With z log sigma, d an
//! exponent and g the logarithm of the curve or the curve itself less a constant, a row has
//!
//! l = -w (y - f)^2 exp(-2 s) / 2 - s + log(w) / 2 - log(2 pi) / 2, s = z + d g(f),
//!
//! whose derivatives are those of the steps by which it is computed.

use super::functions::Function;
use super::jets::{parts, Stack, ROWS};
use super::kernel::{Mean, MeanRows, HALF_LOG_TWO_PI};
use crate::families::kernel::{Kernel, KernelOut, KernelRows};

/// Slots of the stack that a row takes: its curve, log standard deviation, and what they are made
/// of.
const DEPTH: usize = 5;

/// A function of the curve: the logarithm of a standard deviation less log sigma, for an exponent
/// of one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FittedScale {
    /// The logarithm of its size, less a constant.
    Power(f64),
    /// The curve itself, less a constant.
    Exponential(f64),
}

impl FittedScale {
    /// The function of a name, with the constant.
    pub fn named(name: &str, centre: f64) -> Option<Self> {
        match name {
            "power" => Some(FittedScale::Power(centre)),
            "exponential" => Some(FittedScale::Exponential(centre)),
            _ => None,
        }
    }
}

/// See the module.
pub struct ScaledCurve {
    mean: Box<dyn Mean>,
    scales: Vec<FittedScale>,
    /// Predictors at the start, rows in the caller's order.
    start: Vec<f64>,
    /// Sizes of the predictors, in which a search steps.
    spread: Vec<f64>,
}

impl ScaledCurve {
    /// Responses around a curve with these functions; `start` holds the predictors of all rows.
    pub fn new(mean: Box<dyn Mean>, scales: Vec<FittedScale>, start: Vec<f64>, spread: Vec<f64>) -> Self {
        ScaledCurve { mean, scales, start, spread }
    }
}

impl Kernel for ScaledCurve {
    fn predictors(&self) -> usize {
        self.mean.parameters() + 1 + self.scales.len()
    }

    fn derivatives(&self, rows: KernelRows<'_>, out: KernelOut<'_>) {
        let (n, p, m) = (rows.y.len(), self.mean.parameters(), self.predictors());
        let order = if out.t.is_empty() { 2 } else { 3 };
        let mut curve = vec![0.0; parts(p, order) * n];
        self.mean.derivatives(MeanRows { eta: &rows.eta[..p * n], order: rows.order }, order, &mut curve);
        let mut stack = Stack::new(m, order, DEPTH);
        for first in (0..n).step_by(ROWS) {
            let last = (first + ROWS).min(n);
            // a batch that is not full has its last row again
            let at = |r: usize| (first + r).min(last - 1);
            let batch = |of: &[f64]| -> [f64; ROWS] { std::array::from_fn(|r| of[at(r)]) };
            let predictor = |c: usize| batch(&rows.eta[c * n..(c + 1) * n]);
            stack.clear();
            stack.push_parameter(p, predictor(p));
            for (v, scale) in self.scales.iter().enumerate() {
                let place = p + 1 + v;
                stack.push_parameter(place, predictor(place));
                stack.push_jet(p, |c| batch(&curve[c * n..(c + 1) * n]));
                let centre = match *scale {
                    FittedScale::Power(centre) => {
                        stack.call(Function::LogAbs);
                        centre
                    }
                    FittedScale::Exponential(centre) => centre,
                };
                stack.push([centre; ROWS]);
                stack.add(-1.0);
                stack.multiply();
                stack.add(1.0);
            }
            // s lies below; above it w (y - f)^2 exp(-2 s) / 2
            stack.duplicate();
            stack.push([-2.0; ROWS]);
            stack.multiply();
            stack.call(Function::Exp);
            stack.push(batch(rows.y));
            stack.push_jet(p, |c| batch(&curve[c * n..(c + 1) * n]));
            stack.add(-1.0);
            stack.duplicate();
            stack.multiply();
            stack.multiply();
            let half: [f64; ROWS] = std::array::from_fn(|r| 0.5 * rows.w[at(r)]);
            stack.push(half);
            stack.multiply();
            stack.add(1.0);
            // what is there is minus l but for its constant
            let found = stack.result();
            let put = |to: &mut [f64], place: usize, part: usize, sign: f64| {
                for (r, to) in to[place * n + first..place * n + last].iter_mut().enumerate() {
                    *to = sign * found[part][r];
                }
            };
            put(out.l, 0, 0, -1.0);
            (0..m).for_each(|c| put(out.r, c, 1 + c, -1.0));
            let (second, third) = (1 + m, 1 + m + m * (m + 1) / 2);
            (0..m * (m + 1) / 2).for_each(|c| put(out.w, c, second + c, 1.0));
            if order == 3 {
                (0..m * (m + 1) * (m + 2) / 6).for_each(|c| put(out.t, c, third + c, 1.0));
            }
        }
        out.l.iter_mut().zip(rows.w).for_each(|(l, w)| *l += 0.5 * w.ln() - HALF_LOG_TWO_PI);
    }

    fn start(&self, _which: usize, rows: KernelRows<'_>, eta: &mut [f64]) {
        let n = rows.order.len();
        for (own, given) in eta.chunks_exact_mut(n).zip(self.start.chunks_exact(n)) {
            own.iter_mut().zip(rows.order).for_each(|(e, &i)| *e = given[i as usize]);
        }
    }

    fn spread(&self, predictor: usize, _: &[f64]) -> f64 {
        self.spread[predictor]
    }

    fn unit(&self, predictor: usize, _: &[f64]) -> f64 {
        self.spread[predictor]
    }

    fn has_units(&self) -> bool {
        true
    }

    fn failure(&self) -> Option<String> {
        self.mean.failure()
    }
}
