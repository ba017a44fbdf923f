//! The gradient of a generalized model against differences of its value, with the probes held
//! fixed.

use super::generalized::{Ask, CrossedGlmm};
use super::probes::Signs;
use crate::families::{find, Link};
use crate::rng::Rng;
use crate::rows::{FactorRows, Rows, TermRows};
use crate::structure;
use crate::watch::Nobody;

struct Data {
    ones: Vec<f64>,
    x: Vec<f64>,
    y: Vec<f64>,
    weights: Option<Vec<f64>>,
    offset: Option<Vec<f64>>,
    codes: Vec<Vec<i32>>,
    levels: Vec<usize>,
    /// Whether factors have slopes.
    slopes: Vec<bool>,
    family: &'static str,
    link: Link,
}

fn data(n: usize, levels: &[usize], slopes: &[bool], family: &'static str, link: Link, more: bool) -> Data {
    let mut rng = Rng::of(n as u64, levels.len() as u64);
    let x: Vec<f64> = (0..n).map(|_| rng.normal()).collect();
    let codes: Vec<Vec<i32>> =
        levels.iter().map(|&m| (0..n).map(|i| if i < m { i } else { rng.below(m) } as i32).collect()).collect();
    let effects: Vec<Vec<[f64; 2]>> =
        levels.iter().map(|&m| (0..m).map(|_| [0.7 * rng.normal(), 0.4 * rng.normal()]).collect()).collect();
    let offset: Vec<f64> = (0..n).map(|_| 0.3 * rng.normal()).collect();
    let weights: Vec<f64> = (0..n).map(|_| (1 + rng.below(4)) as f64).collect();
    let mut y = Vec::new();
    for i in 0..n {
        let mut eta = 0.2 + 0.4 * x[i] + if more { offset[i] } else { 0.0 };
        for f in 0..levels.len() {
            let [a, b] = effects[f][codes[f][i] as usize];
            eta += a + if slopes[f] { b * x[i] } else { 0.0 };
        }
        let u = rng.uniform();
        y.push(if family == "poisson" {
            // by inversion
            let (mut k, mut p) = (0.0, (-eta.exp()).exp());
            let mut sum = p;
            while u > sum && k < 500.0 {
                k += 1.0;
                p *= eta.exp() / k;
                sum += p;
            }
            k
        } else {
            f64::from(u < 1.0 / (1.0 + (-eta).exp()))
        });
    }
    Data {
        ones: vec![1.0; n],
        x,
        y,
        weights: more.then_some(weights),
        offset: more.then_some(offset),
        codes,
        levels: levels.to_vec(),
        slopes: slopes.to_vec(),
        family,
        link,
    }
}

impl Data {
    fn model(&self) -> CrossedGlmm {
        let factor = |f: usize| {
            let z: Vec<&[f64]> = if self.slopes[f] { vec![&self.ones, &self.x] } else { vec![&self.ones] };
            let term = TermRows { z, structure: structure::named("unstructured").unwrap() };
            FactorRows { codes: &self.codes[f], members: None, n_levels: self.levels[f], terms: vec![term] }
        };
        let rows = Rows {
            x: vec![(&self.ones).into(), (&self.x).into()],
            y: &self.y,
            weights: self.weights.as_deref(),
            factors: (0..self.levels.len()).map(factor).collect(),
        };
        let family = find(self.family).unwrap().with(self.link).unwrap();
        CrossedGlmm::new(&rows, self.offset.as_deref(), family, 1).unwrap()
    }
}

/// Groups of probes that show the error of the gradient.
const GROUPS: usize = 8;

/// Value, gradient by theta and the fixed effects, and what each probe adds to the value.
fn at(m: &mut CrossedGlmm, theta: &[f64], beta: &[f64], probes: usize) -> (f64, Vec<f64>, Vec<f64>, Vec<Vec<f64>>) {
    let frames = m.layout().frames_at(theta);
    let mut s = m.at(frames.clone(), beta.to_vec(), Vec::new());
    m.find_modes(&mut s, &Nobody).unwrap();
    let groups = if probes >= GROUPS { GROUPS } else { 1 };
    let ask = Ask { probes, signs: Signs { seed: 3 }, groups, information: false, watch: &Nobody };
    let found = m.examine(&s, ask).unwrap();
    let given = |(gamma, beta): &(crate::layout::Lambda, Vec<f64>)| -> Vec<f64> {
        m.layout().gradient(&m.layout().lambda_of(&frames), gamma).into_iter().chain(beta.iter().copied()).collect()
    };
    let values = found.probed.iter().map(|p| p.value).collect();
    (found.objective, given(&found.gradient), values, found.groups.iter().map(given).collect())
}

/// Differences of the value by each parameter, of fourth order, and those of each probe's part.
fn differences(m: &mut CrossedGlmm, theta: &[f64], beta: &[f64], probes: usize) -> Vec<(f64, Vec<f64>)> {
    let h = 0.008;
    (0..theta.len() + beta.len())
        .map(|i| {
            let mut value = |step: f64| {
                let (mut theta, mut beta) = (theta.to_vec(), beta.to_vec());
                match i.checked_sub(theta.len()) {
                    None => theta[i] += step,
                    Some(j) => beta[j] += step,
                }
                at(m, &theta, &beta, probes)
            };
            let at = [value(h), value(-h), value(2.0 * h), value(-2.0 * h)];
            let slope = |v: [f64; 4]| (8.0 * (v[0] - v[1]) - (v[2] - v[3])) / (12.0 * h);
            let each = (0..probes).map(|c| slope(std::array::from_fn(|j| at[j].2[c]))).collect();
            (slope(std::array::from_fn(|j| at[j].0)), each)
        })
        .collect()
}

fn cases() -> Vec<(Data, Vec<f64>)> {
    use Link::{Cloglog, Log, Logit};
    vec![
        (data(900, &[60, 40], &[false, false], "binomial", Logit, false), vec![0.6, 0.5]),
        (data(900, &[60, 40, 12], &[false; 3], "poisson", Log, true), vec![0.6, 0.5, 0.3]),
        (data(900, &[50, 30], &[true, true], "binomial", Logit, true), vec![0.6, 0.1, 0.3, 0.5, -0.1, 0.4]),
        (data(900, &[50, 30, 9], &[true, false, false], "binomial", Cloglog, false), vec![0.6, 0.1, 0.3, 0.5, 0.2]),
    ]
}

#[test]
fn gradient_is_that_of_the_value_where_nothing_is_sampled() {
    for (d, theta) in cases() {
        let mut m = d.model();
        let beta = [0.3, 0.2];
        let gradient = at(&mut m, &theta, &beta, 4).1;
        for (g, (f, _)) in gradient.iter().zip(differences(&mut m, &theta, &beta, 4)) {
            assert!((g - f).abs() < 2e-5 * (10.0 + f.abs()), "{} {:?}: {g} {f}", d.family, d.link);
        }
    }
}

/// The derivative of what a probe says of the value is another estimate of the mean derivative than
/// its pair of vectors: over many probes both agree.
#[test]
fn gradient_of_frozen_probes() {
    use Link::{Log, Logit};
    let cases = [
        (data(2500, &[300, 150], &[false, false], "binomial", Logit, false), vec![0.9, 0.7]),
        (data(2500, &[300, 150, 80], &[false; 3], "poisson", Log, true), vec![0.6, 0.5, 0.3]),
        (data(2500, &[200, 120], &[true, true], "binomial", Logit, true), vec![0.6, 0.1, 0.3, 0.5, -0.1, 0.4]),
    ];
    for (d, theta) in cases {
        let mut m = d.model();
        let beta = [0.3, 0.2];
        let probes = 32;
        let (_, gradient, _, groups) = at(&mut m, &theta, &beta, probes);
        let all = differences(&mut m, &theta, &beta, probes);
        let n = probes as f64;
        for (i, (g, (f, each))) in gradient.iter().zip(&all).enumerate() {
            let of_groups: Vec<f64> = groups.iter().map(|v| v[i]).collect();
            let spread = |v: &[f64]| {
                let mean = v.iter().sum::<f64>() / v.len() as f64;
                (v.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (v.len() - 1) as f64).sqrt()
            };
            let error = (spread(each) / n.sqrt()).hypot(spread(&of_groups) / (GROUPS as f64).sqrt());
            println!("{} {i}: {g:.4} {f:.4} error {error:.5}", d.family);
            assert!((g - f).abs() < 4.5 * error + 2e-5 * (10.0 + f.abs()), "{} {i}: {g} {f} {error}", d.family);
            assert!(error < 0.02 * (10.0 + f.abs()), "{error}");
        }
    }
}
