//! How the distance of two positions is measured.

use super::Positions;

/// A distance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Metric {
    /// Root of the sum of squares.
    #[default]
    Euclidean,
    /// Sum of absolute differences.
    Manhattan,
    /// Largest absolute difference.
    Maximum,
}

impl Metric {
    /// The distance of that name.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "euclidean" => Metric::Euclidean,
            "manhattan" => Metric::Manhattan,
            "maximum" => Metric::Maximum,
            _ => return None,
        })
    }

    /// Between two rows.
    pub fn distance(self, at: Positions<'_>, i: usize, j: usize) -> f64 {
        let d = at.d;
        let (a, b) = (&at.values[i * d..(i + 1) * d], &at.values[j * d..(j + 1) * d]);
        let differences = a.iter().zip(b).map(|(a, b)| (a - b).abs());
        match self {
            Metric::Euclidean if d == 1 => (a[0] - b[0]).abs(),
            Metric::Euclidean => differences.map(|v| v * v).sum::<f64>().sqrt(),
            Metric::Manhattan => differences.sum(),
            Metric::Maximum => differences.fold(0.0, f64::max),
        }
    }
}
