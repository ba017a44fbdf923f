//! The way to values that a map gives back: plain rounds, then Anderson's mixing of the last.

use crate::dense::kernels;

/// Rounds without mixing, which stay in the basin of the start, and changes that are mixed.
const PLAIN: usize = 2;
const DEPTH: usize = 5;
/// Growth of the residual after which what was learned from earlier rounds is forgotten.
const WORSE: f64 = 1.5;
/// A share of the changes' squares that is added to the diagonal, so that dependent ones have a
/// combination.
const RIDGE: f64 = 1e-12;

/// Where to evaluate a map x -> F(x) next, of which F(x) = x is wanted.
///
/// Plain rounds approach by the same factor each. The next x is the combination of the last ones
/// whose residuals F(x) - x cancel best (Anderson 1965; Walker and Ni 2011, algorithm AA); it ends
/// at the same place.
#[derive(Default)]
pub struct Mixing {
    x: Vec<Vec<f64>>,
    residual: Vec<Vec<f64>>,
    rounds: usize,
}

impl Mixing {
    /// The place after the map was `value` at `x`; none where it is `value` itself.
    pub fn next(&mut self, x: &[f64], value: &[f64]) -> Option<Vec<f64>> {
        let residual: Vec<f64> = value.iter().zip(x).map(|(v, x)| v - x).collect();
        self.rounds += 1;
        if self.residual.last().is_some_and(|last| squares(&residual) > WORSE * WORSE * squares(last)) {
            self.forget();
        }
        if self.x.len() > DEPTH {
            self.x.remove(0);
            self.residual.remove(0);
        }
        self.x.push(x.to_vec());
        self.residual.push(residual);
        let m = self.x.len() - 1;
        if self.rounds <= PLAIN || m == 0 {
            return None;
        }
        let here = &self.residual[m];
        let changes: Vec<Vec<f64>> = self.residual.windows(2).map(|w| difference(&w[1], &w[0])).collect();
        let size: Vec<f64> = changes.iter().map(|c| squares(c).sqrt().max(f64::MIN_POSITIVE)).collect();
        let mut gram = vec![0.0; m * m];
        let mut share: Vec<f64> = (0..m).map(|i| product(&changes[i], here) / size[i]).collect();
        for i in 0..m {
            (0..m).for_each(|j| gram[i * m + j] = product(&changes[i], &changes[j]) / (size[i] * size[j]));
            gram[i * m + i] += RIDGE;
        }
        if !kernels::cholesky::<0>(&mut gram, m) {
            return None;
        }
        kernels::forward::<0>(&gram, m, &mut share, 1);
        kernels::backward::<0>(&gram, m, &mut share, 1);
        let mut out = value.to_vec();
        for i in 0..m {
            let by = share[i] / size[i];
            let step = difference(&self.x[i + 1], &self.x[i]);
            out.iter_mut().zip(step.iter().zip(&changes[i])).for_each(|(o, (s, c))| *o -= by * (s + c));
        }
        Some(out)
    }

    /// Forgets all rounds, as where the last place was of no use.
    pub fn forget(&mut self) {
        self.x.clear();
        self.residual.clear();
    }
}

fn difference(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a - b).collect()
}

fn product(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn squares(a: &[f64]) -> f64 {
    product(a, a)
}

#[cfg(test)]
mod tests {
    use super::Mixing;

    #[test]
    fn a_slow_map_ends_at_its_fixed_point() {
        // x -> A x + c with factors 0.97, 0.6 and -0.4 turned into each other; the fixed point is
        // that of the linear equations
        let a = [[0.7, 0.3, 0.1], [0.2, 0.5, 0.2], [0.1, -0.2, 0.4]];
        let map = |x: &[f64]| -> Vec<f64> {
            let c = [1.0, -2.0, 0.5];
            (0..3).map(|i| (0..3).map(|j| a[i][j] * x[j]).sum::<f64>() + c[i] + 0.01 * x[i].sin()).collect()
        };
        let (mut mixing, mut x) = (Mixing::default(), vec![0.0; 3]);
        let mut rounds = 0;
        loop {
            let value = map(&x);
            let moved = value.iter().zip(&x).map(|(v, x)| (v - x).abs()).fold(0.0, f64::max);
            if moved < 1e-12 {
                break;
            }
            x = mixing.next(&x, &value).unwrap_or(value);
            rounds += 1;
            assert!(rounds < 25, "{moved}");
        }
        let mut plain = vec![0.0; 3];
        (0..4000).for_each(|_| plain = map(&plain));
        assert!(plain.iter().zip(&x).all(|(p, x)| (p - x).abs() < 1e-10), "{plain:?} {x:?}");
    }
}
