//! Maps of the whole line to the range of a parameter: value, first and second derivative.

/// Between -1 and 1.
pub fn tanh(z: f64) -> (f64, f64, f64) {
    let r = z.tanh();
    // 1 - r^2 without cancellation
    let d = 1.0 / z.cosh().powi(2);
    (r, d, -2.0 * r * d)
}

/// Above 0.
pub fn exp(z: f64) -> (f64, f64, f64) {
    let e = z.exp();
    (e, e, e)
}

/// Between `low` and 1.
pub fn logistic(z: f64, low: f64) -> (f64, f64, f64) {
    let p = 1.0 / (1.0 + (-z).exp());
    let q = 1.0 / (1.0 + z.exp());
    let span = 1.0 - low;
    (low + span * p, span * p * q, span * p * q * (q - p))
}
