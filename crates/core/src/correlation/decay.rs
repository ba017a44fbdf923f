//! How correlation falls with distance, in units of the range: value and two derivatives.

/// A function of the distance divided by the range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decay {
    /// exp(-u).
    Exponential,
    /// exp(-u^2).
    Gaussian,
    /// 1 / (1 + u^2).
    RationalQuadratic,
    /// 1 - 1.5 u + 0.5 u^3 up to the range, then 0.
    Spherical,
    /// 1 - u up to the range, then 0.
    Linear,
}

impl Decay {
    /// At u >= 0.
    pub fn at(self, u: f64) -> (f64, f64, f64) {
        match self {
            Decay::Exponential => {
                let e = (-u).exp();
                (e, -e, e)
            }
            Decay::Gaussian => {
                let e = (-u * u).exp();
                (e, -2.0 * u * e, (4.0 * u * u - 2.0) * e)
            }
            Decay::RationalQuadratic => {
                let r = 1.0 / (1.0 + u * u);
                (r, -2.0 * u * r * r, (6.0 * u * u - 2.0) * r * r * r)
            }
            Decay::Spherical if u < 1.0 => (1.0 - u * (1.5 - 0.5 * u * u), 1.5 * (u * u - 1.0), 3.0 * u),
            Decay::Linear if u < 1.0 => (1.0 - u, -1.0, 0.0),
            Decay::Spherical | Decay::Linear => (0.0, 0.0, 0.0),
        }
    }

    /// Whether the criterion has a kink wherever the range passes a distance, and several minima.
    pub fn has_kinks(self) -> bool {
        matches!(self, Decay::Spherical | Decay::Linear)
    }
}
