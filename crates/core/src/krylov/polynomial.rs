//! Part of a criterion, as a polynomial in theta.

/// A polynomial in coordinates about a centre.
#[derive(Clone, Debug, Default)]
pub struct Polynomial {
    /// The centre, of as many entries as theta.
    pub centre: Vec<f64>,
    /// Coordinates from the distance to the centre, coordinate by coordinate.
    pub turn: Vec<f64>,
    /// Powers of the coordinates in each term.
    pub powers: Vec<Vec<i32>>,
    /// Factors of the terms.
    pub by: Vec<f64>,
}

impl Polynomial {
    fn coordinates(&self, theta: &[f64]) -> Vec<f64> {
        let m = self.centre.len();
        let away: Vec<f64> = theta.iter().zip(&self.centre).map(|(t, c)| t - c).collect();
        (0..m).map(|i| self.turn[i * m..(i + 1) * m].iter().zip(&away).map(|(a, d)| a * d).sum()).collect()
    }

    /// Value at a theta.
    pub fn value(&self, theta: &[f64]) -> f64 {
        let t = self.coordinates(theta);
        let term = |powers: &Vec<i32>| t.iter().zip(powers).map(|(t, n)| t.powi(*n)).product::<f64>();
        self.by.iter().zip(&self.powers).map(|(by, powers)| by * term(powers)).sum()
    }

    /// Derivatives by theta.
    pub fn gradient(&self, theta: &[f64]) -> Vec<f64> {
        let (t, m) = (self.coordinates(theta), self.centre.len());
        let mut out = vec![0.0; m];
        for (by, powers) in self.by.iter().zip(&self.powers) {
            for i in (0..m).filter(|&i| powers[i] > 0) {
                let each = t.iter().zip(powers).enumerate();
                let own: f64 =
                    each.map(|(j, (t, &n))| if i == j { f64::from(n) * t.powi(n - 1) } else { t.powi(n) }).product();
                let row = &self.turn[i * m..(i + 1) * m];
                out.iter_mut().zip(row).for_each(|(o, r)| *o += by * own * r);
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gradient_is_that_of_the_value() {
        let of = Polynomial {
            centre: vec![0.3, -0.2],
            turn: vec![2.0, 0.5, -1.0, 3.0],
            powers: vec![vec![0, 0], vec![1, 0], vec![1, 2], vec![0, 3]],
            by: vec![1.5, -0.7, 2.0, 0.4],
        };
        let at = [0.5, 0.1];
        let h = 1e-6;
        for (i, found) in of.gradient(&at).into_iter().enumerate() {
            let beside = |d: f64| {
                let mut x = at;
                x[i] += d;
                of.value(&x)
            };
            assert!((found - (beside(h) - beside(-h)) / (2.0 * h)).abs() < 1e-8);
        }
    }
}
