//! The boundary: directions without variance are left where the objective falls, and small ones are
//! set to zero where it does not mind.
//!
//! The gradient is silent about a direction of Sigma that has no variance. A point with such
//! directions is accepted only where Psi, the derivative in Sigma, is negative along none of them:
//! the certificate. Psi is exact for a linear model, and by a tiny displacement for a generalized
//! one; what is done with it is the same.

use crate::error::CoreError;
use crate::layout::{Frame, Layout};

/// Drop of the objective below which a direction out of the boundary, or a return to it, does not
/// count.
pub const NEGLIGIBLE: f64 = 1e-7;
/// Standard deviations below this, and distances of other parameters from their bounds, are tried
/// at zero.
pub const SNAP: f64 = 0.02;
/// How often a step out of the boundary is shortened, by which factor, and after how many steps
/// only the best direction is left.
const SHORTER: usize = 8;
const FACTOR: f64 = 0.25;
const TOGETHER: usize = 2;

/// A direction of a block's Sigma in which the objective falls.
pub struct Escape {
    /// Number of the block.
    pub block: usize,
    /// Unit vector of the block's effects.
    pub direction: Vec<f64>,
    /// The variance that a Newton step adds.
    pub amount: f64,
    /// The drop that it promises.
    pub gain: f64,
}

/// A model that can be evaluated at frames.
pub trait AtFrames {
    /// The objective there; infinite where it is not defined.
    ///
    /// # Errors
    /// An interruption, or a failure that ends the fit.
    fn at_frames(&mut self, frames: &[Frame]) -> Result<f64, CoreError>;
}

/// A place that was moved to, and the objective there.
pub type Place = (Vec<Frame>, f64);

/// The largest drop that a direction promises.
pub fn certificate(escapes: &[Escape]) -> f64 {
    escapes.iter().fold(0.0, |m, e| m.max(e.gain))
}

/// Adds the directions to their Sigma; tries smaller amounts until the objective falls below
/// `objective`.
///
/// # Errors
/// As [`AtFrames::at_frames`].
pub fn leave(
    model: &mut impl AtFrames,
    frames: &[Frame],
    escapes: &[Escape],
    objective: f64,
) -> Result<Option<Place>, CoreError> {
    let best = certificate(escapes);
    let mut factor = 1.0;
    for attempt in 0..SHORTER {
        let counts = |e: &&Escape| e.gain > NEGLIGIBLE && (attempt < TOGETHER || e.gain >= best);
        let mut trial = frames.to_vec();
        for (i, f) in trial.iter_mut().enumerate() {
            let k = f.k;
            let mut sigma = None;
            for e in escapes.iter().filter(|e| e.block == i).filter(counts) {
                let sigma = sigma.get_or_insert_with(|| f.sigma());
                for x in 0..k {
                    for y in 0..k {
                        sigma[x * k + y] += factor * e.amount * e.direction[x] * e.direction[y];
                    }
                }
            }
            if let Some(sigma) = sigma {
                *f = Frame::of_covariance(&sigma, k);
            }
        }
        let v = model.at_frames(&trial)?;
        if v < objective {
            return Ok(Some((trial, v)));
        }
        factor *= FACTOR;
    }
    Ok(None)
}

/// Sets small standard deviations to zero, and parameters near a bound to it, where that does not
/// raise the objective: all of them together, then the smaller half. `unit` is the size of a
/// standard deviation of one.
///
/// # Errors
/// As [`AtFrames::at_frames`].
pub fn snap(
    model: &mut impl AtFrames,
    layout: &Layout,
    frames: &[Frame],
    unit: f64,
    objective: f64,
) -> Result<Option<Place>, CoreError> {
    let mut small: Vec<(f64, usize, usize)> = Vec::new();
    for (b, f) in frames.iter().enumerate() {
        let distances: Vec<f64> = if layout.blocks[b].is_free {
            f.s.clone()
        } else {
            layout.to_bounds(layout.blocks[b], &f.theta).into_iter().map(|(_, distance)| distance).collect()
        };
        small
            .extend(distances.iter().enumerate().filter(|(_, &s)| s > 0.0 && s < SNAP * unit).map(|(j, &s)| (s, b, j)));
    }
    small.sort_by(|a, b| a.0.total_cmp(&b.0));
    while !small.is_empty() {
        let mut trial = frames.to_vec();
        for &(_, b, j) in &small {
            let block = layout.blocks[b];
            if block.is_free {
                trial[b].s[j] = 0.0;
            } else {
                let mut theta = trial[b].theta.clone();
                theta[j] = layout.to_bounds(block, &theta)[j].0;
                trial[b] = Frame::structured(layout, block, theta);
            }
        }
        let v = model.at_frames(&trial)?;
        if v < objective + NEGLIGIBLE {
            return Ok(Some((trial, v)));
        }
        small.truncate(small.len() / 2);
    }
    Ok(None)
}
