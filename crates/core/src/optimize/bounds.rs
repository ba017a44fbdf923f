//! Bounds of parameters: which of them hold a parameter, and where a step ends that would cross
//! one.

/// How far a parameter at a bound where the gradient is silent is pushed off it, as a share of its
/// curvature: only the sign counts.
const PUSH: f64 = 1e-9;

/// Lower and upper bounds; without any where nothing is bounded.
#[derive(Clone, Debug, Default)]
pub struct Bounds {
    lower: Vec<f64>,
    upper: Vec<f64>,
}

impl Bounds {
    /// From their values; none is kept where all are infinite.
    pub fn new(lower: Vec<f64>, upper: Vec<f64>) -> Self {
        if lower.iter().chain(&upper).all(|b| b.is_infinite()) {
            return Bounds::default();
        }
        Bounds { lower, upper }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.lower.is_empty()
    }

    /// Both bounds of parameter `i`.
    pub fn of(&self, i: usize) -> (f64, f64) {
        if self.is_empty() {
            (f64::NEG_INFINITY, f64::INFINITY)
        } else {
            (self.lower[i], self.upper[i])
        }
    }

    /// The direction away from the bound at which parameter `i` is, if it is at one.
    pub fn inward(&self, i: usize, x: f64) -> Option<f64> {
        if self.is_empty() {
            None
        } else if x <= self.lower[i] {
            Some(1.0)
        } else if x >= self.upper[i] {
            Some(-1.0)
        } else {
            None
        }
    }

    /// The nearest finite bound of parameter `i` and the distance to it.
    pub fn nearest(&self, i: usize, x: f64) -> Option<(f64, f64)> {
        if self.is_empty() {
            return None;
        }
        let (below, above) = (x - self.lower[i], self.upper[i] - x);
        let (bound, distance) = if below <= above { (self.lower[i], below) } else { (self.upper[i], above) };
        distance.is_finite().then_some((bound, distance))
    }

    /// Takes parameters that stay at their bounds out of a quadratic model: those that the gradient
    /// holds there, or the curvature where the gradient is silent. Those that the curvature sends
    /// away are given a direction. Which stay.
    pub fn hold(&self, x: &[f64], g: &mut [f64], h: &mut [f64]) -> Vec<bool> {
        let n = x.len();
        let mut held = vec![false; n];
        if self.is_empty() {
            return held;
        }
        let size = (0..n).map(|i| h[i * n + i].abs()).fold(0.0, f64::max);
        for i in 0..n {
            let Some(inward) = self.inward(i, x[i]) else { continue };
            let silent = g[i].abs() <= PUSH * size;
            if silent && h[i * n + i] < 0.0 {
                g[i] = inward * PUSH * h[i * n + i];
            } else if silent || g[i] * inward > 0.0 {
                held[i] = true;
                g[i] = 0.0;
                for j in 0..n {
                    (h[i * n + j], h[j * n + i]) = (0.0, 0.0);
                }
                h[i * n + i] = if size > 0.0 { size } else { 1.0 };
            }
        }
        held
    }

    /// The largest drop that unit steps away from bounds promise, of parameters that the curvature
    /// sends away.
    pub fn promise(&self, x: &[f64], g: &[f64], h: &[f64]) -> f64 {
        let n = x.len();
        let size = (0..n).map(|i| h[i * n + i].abs()).fold(0.0, f64::max);
        (0..n)
            .filter(|&i| self.inward(i, x[i]).is_some() && g[i].abs() <= PUSH * size)
            .map(|i| -0.5 * h[i * n + i])
            .fold(0.0, f64::max)
    }

    /// Ends a step at the bounds; whether it had crossed one.
    pub fn clip(&self, x: &[f64], step: &mut [f64]) -> bool {
        let mut crossed = false;
        for i in 0..if self.is_empty() { 0 } else { x.len() } {
            let to = x[i] + step[i];
            if to < self.lower[i] || to > self.upper[i] {
                step[i] = to.clamp(self.lower[i], self.upper[i]) - x[i];
                crossed = true;
            }
        }
        crossed
    }
}
