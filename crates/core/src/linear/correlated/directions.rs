//! Directions of the covariance of the random effects along which derivatives are taken.

use crate::layout::{Block, Frame, Lambda, Layout};
use crate::linear::chart::Chart;

/// A direction of Sigma of one factor's effects, in the changed basis: k x k, symmetric.
#[derive(Clone, Debug)]
pub struct Direction {
    /// Grouping factor.
    pub factor: usize,
    /// The derivative of its Sigma (relative to sigma^2).
    pub sigma: Vec<f64>,
    /// The derivative of its Lambda, where the direction is one of Lambda.
    pub lambda: Option<Vec<f64>>,
}

impl Direction {
    /// Those of the coordinates of a chart, at frames.
    pub(super) fn of_chart(layout: &Layout, chart: &Chart<'_>, frames: &[Frame]) -> Vec<Direction> {
        let lambda = layout.lambda_of(frames);
        let tangents = chart.tangents(frames);
        tangents.into_iter().map(|(block, small)| Direction::of_lambda(layout, &lambda, block, &small)).collect()
    }

    /// Along a direction of the Lambda of a block.
    pub(super) fn of_lambda(layout: &Layout, lambda: &Lambda, block: Block, small: &[f64]) -> Direction {
        let k = layout.factors[block.factor].k;
        let mut along = vec![0.0; k * k];
        for i in 0..block.k {
            for j in 0..block.k {
                along[(block.offset + i) * k + block.offset + j] = small[i * block.k + j];
            }
        }
        let own = &lambda[block.factor];
        let half = |i: usize, j: usize| (0..k).map(|c| along[i * k + c] * own[j * k + c]).sum::<f64>();
        let sigma = (0..k * k).map(|t| half(t / k, t % k) + half(t % k, t / k)).collect();
        Direction { factor: block.factor, sigma, lambda: Some(along) }
    }

    /// Second derivative of the factor's Sigma along two directions of Lambda, but for what bends
    /// Lambda itself; none where they are of different factors.
    pub(super) fn with(&self, other: &Direction, k: usize) -> Option<Vec<f64>> {
        let (Some(a), Some(b)) = (&self.lambda, &other.lambda) else { return None };
        if self.factor != other.factor {
            return None;
        }
        let half = |i: usize, j: usize| (0..k).map(|c| a[i * k + c] * b[j * k + c]).sum::<f64>();
        Some((0..k * k).map(|t| half(t / k, t % k) + half(t % k, t / k)).collect())
    }
}
