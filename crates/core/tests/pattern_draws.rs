//! Pattern moments that are drawn, against those of rows that are drawn.

use super::pattern::{filled, Autoregressive, Data, SUBJECTS};
use faer::Side;
use ranef_core::pattern::{Drawn, Evaluated, Moments};
use ranef_core::rng::Rng;

/// Means and covariances of numbers that are drawn, and how many there are.
struct Sample {
    sum: Vec<f64>,
    products: Vec<f64>,
    n: f64,
}

impl Sample {
    fn of(draws: usize, mut draw: impl FnMut(usize) -> Vec<f64>) -> Sample {
        let (mut sum, mut products) = (Vec::new(), Vec::new());
        for i in 0..draws {
            let v = draw(i);
            sum.resize(v.len(), 0.0);
            products.resize(v.len() * v.len(), 0.0);
            sum.iter_mut().zip(&v).for_each(|(s, x)| *s += x);
            for (a, row) in products.chunks_exact_mut(v.len()).enumerate() {
                row.iter_mut().zip(&v).for_each(|(s, x)| *s += v[a] * x);
            }
        }
        Sample { sum, products, n: draws as f64 }
    }

    fn mean(&self, a: usize) -> f64 {
        self.sum[a] / self.n
    }

    fn covariance(&self, a: usize, b: usize) -> f64 {
        self.products[a * self.sum.len() + b] / self.n - self.mean(a) * self.mean(b)
    }
}

/// Products with the response of all patterns.
fn of_response(m: &Moments) -> Vec<f64> {
    let mut out = Vec::new();
    for u in &m.universes {
        for p in &u.patterns {
            let mut at = 0;
            for k in 0..p.visits.len() {
                for j in 0..=k {
                    let (left, right) = (u.columns[p.visits[j]].len(), u.columns[p.visits[k]].len());
                    let block = &p.products[at..at + left * right];
                    out.extend(block.chunks_exact(right).map(|row| row[right - 1]));
                    at += left * right;
                }
            }
        }
    }
    out
}

/// Products that are drawn have the moments of those of rows that are drawn, whether patterns have
/// more subjects than columns or fewer.
#[test]
fn products_are_drawn_as_those_of_rows() {
    const DRAWS: usize = 500;
    for (weighted, copies) in [(true, 1), (false, 6)] {
        let mut data = Data::new(weighted);
        let first = Data::new(weighted);
        for copy in 1..copies {
            for (c, own) in data.x.iter_mut().zip(&first.x) {
                c.extend_from_slice(own);
            }
            data.y.extend(first.y.iter().map(|y| y + 0.1 * copy as f64));
            data.subject.extend(first.subject.iter().map(|s| s + (copy * SUBJECTS) as i32));
            data.visit.extend_from_slice(&first.visit);
        }
        let m = data.moments();
        let z = [0.2, -0.1, 0.3, 0.5];
        let r = filled(&Autoregressive, &z).r;
        let solution = Evaluated::of(&m, &r, true).unwrap().solution(&m);
        let law = Drawn::of(&m, &Autoregressive, &z, true).unwrap();
        let mut own = m.clone();
        let drawn = Sample::of(DRAWS, |i| {
            law.draw(&mut own, &mut Rng::of(1, i as u64));
            of_response(&own)
        });
        let root = data.spread(&r[0]).llt(Side::Lower).unwrap().L().to_owned();
        let n = data.y.len();
        let means: Vec<f64> = (0..n).map(|i| data.x.iter().zip(&solution.beta).map(|(x, b)| x[i] * b).sum()).collect();
        let mut by_rows = m.clone();
        let rows = Sample::of(DRAWS, |i| {
            let mut rng = Rng::of(2, i as u64);
            let e: Vec<f64> = (0..n).map(|_| solution.sigma2.sqrt() * rng.normal()).collect();
            let y: Vec<f64> = (0..n)
                .map(|a| {
                    let own = (0..=a).filter(|&b| root[(a, b)] != 0.0);
                    means[a] + own.map(|b| root[(a, b)] * e[b]).sum::<f64>()
                })
                .collect();
            by_rows.set_response(&y);
            of_response(&by_rows)
        });
        let k = drawn.sum.len();
        let mut worst = 0.0f64;
        for a in 0..k {
            let sd = rows.covariance(a, a).max(0.0).sqrt();
            let error = sd * (2.0 / DRAWS as f64).sqrt();
            assert!(
                (drawn.mean(a) - rows.mean(a)).abs() <= 5.0 * error + 1e-9,
                "{a}: {} {}",
                drawn.mean(a),
                rows.mean(a)
            );
            for b in 0..=a {
                let other = rows.covariance(b, b).max(0.0).sqrt();
                let error = 2.0 * sd * other * (2.0 / DRAWS as f64).sqrt() + 1e-9;
                worst = worst.max((drawn.covariance(a, b) - rows.covariance(a, b)).abs() / error);
            }
        }
        assert!(worst < 4.0, "{worst}");
    }
}
