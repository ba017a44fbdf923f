//! Layouts of random terms and responses of every family for the tests of generalized models.

use faer::Mat;
use ranef_core::generalized::{Family, FamilyLink, GlmmSystem, Link};
use ranef_core::rows::{FactorRows, Rows, TermRows};
use ranef_core::structure::{named, Structure};
use std::sync::Arc;

/// A small linear congruential generator: the tests need variety, not quality.
pub struct Draws(pub u64);

impl Draws {
    pub fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
    pub fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }
    pub fn below(&mut self, n: usize) -> i32 {
        (self.uniform() * n as f64) as i32
    }
}

/// One factor: codes, number of levels, and for each term its columns and structure.
pub type Factor = (Vec<i32>, usize, Vec<(Vec<Vec<f64>>, Arc<dyn Structure>)>);

pub struct Data {
    pub x: Vec<Vec<f64>>,
    pub weights: Vec<f64>,
    pub offset: Vec<f64>,
    pub factors: Vec<Factor>,
}

/// Responses that each family could give, near the means of the tests.
pub fn draws_of(family: Family, w: &[f64], d: &mut Draws) -> Vec<f64> {
    w.iter()
        .enumerate()
        .map(|(i, &w)| match family {
            Family::Binomial => (0..w as usize).map(|_| f64::from(d.uniform() < 0.5)).sum::<f64>() / w,
            Family::Poisson | Family::NegativeBinomial1 | Family::NegativeBinomial2 => {
                if i % 29 == 7 {
                    31.0
                } else {
                    f64::from(d.below(6))
                }
            }
            Family::Gamma | Family::InverseGaussian => 0.8 + 1.6 * d.uniform(),
            Family::Gaussian => 1.5 + 0.3 * d.normal(),
            Family::Beta => 0.1 + 0.8 * d.uniform(),
        })
        .collect()
}

#[allow(dead_code)]
/// Every family with every link but those whose range the points of the tests leave.
pub fn families() -> Vec<(Family, Link)> {
    let mut out = Vec::new();
    for link in [Link::Logit, Link::Probit, Link::Cloglog, Link::Loglog, Link::Cauchit] {
        out.push((Family::Binomial, link));
        out.push((Family::Beta, link));
    }
    for link in [Link::Log, Link::Sqrt, Link::Identity] {
        out.push((Family::Poisson, link));
        out.push((Family::NegativeBinomial1, link));
        out.push((Family::NegativeBinomial2, link));
    }
    for link in [Link::Log, Link::Identity, Link::Inverse, Link::InverseSquare] {
        out.push((Family::Gamma, link));
        out.push((Family::InverseGaussian, link));
    }
    for link in [Link::Log, Link::Identity, Link::Inverse] {
        out.push((Family::Gaussian, link));
    }
    out
}

impl Data {
    pub fn new(factors: Vec<Factor>, n: usize, d: &mut Draws) -> Self {
        let x = columns(d, n, 2);
        let weights = (0..n).map(|_| f64::from(1 + d.below(3))).collect();
        let offset = (0..n).map(|_| 0.05 * d.normal()).collect();
        Data { x, weights, offset, factors }
    }

    pub fn system(&self, family: Family, link: Link, d: &mut Draws) -> GlmmSystem {
        let y = draws_of(family, &self.weights, d);
        let rows = Rows {
            x: self.x.iter().map(Vec::as_slice).collect(),
            y: &y,
            weights: Some(&self.weights),
            factors: self
                .factors
                .iter()
                .map(|(codes, n_levels, terms)| FactorRows {
                    codes,
                    n_levels: *n_levels,
                    terms: terms
                        .iter()
                        .map(|(z, s)| TermRows { z: z.iter().map(Vec::as_slice).collect(), structure: s.clone() })
                        .collect(),
                })
                .collect(),
        };
        GlmmSystem::new(&rows, Some(&self.offset), Arc::new(FamilyLink { family, link }), 1).unwrap()
    }

    /// Z Lambda of all terms, n x q, from the columns as given.
    #[allow(dead_code)]
    pub fn dense_zl(&self, theta: &[f64]) -> Mat<f64> {
        let n = self.weights.len();
        let q: usize = self.factors.iter().map(|(_, m, t)| m * t.iter().map(|t| t.0.len()).sum::<usize>()).sum();
        let mut out = Mat::<f64>::zeros(n, q);
        let (mut at, mut col) = (0, 0);
        for (codes, m, terms) in &self.factors {
            for (z, s) in terms {
                let k = z.len();
                let nt = s.n_theta(k);
                let mut lambda = vec![0.0; k * k];
                s.lambda(&theta[at..at + nt], k, &mut lambda);
                at += nt;
                for i in 0..n {
                    for c in 0..k {
                        out[(i, col + codes[i] as usize * k + c)] = (0..k).map(|r| z[r][i] * lambda[r * k + c]).sum();
                    }
                }
                col += m * k;
            }
        }
        out
    }
}

fn columns(d: &mut Draws, n: usize, k: usize) -> Vec<Vec<f64>> {
    (0..k).map(|j| (0..n).map(|_| if j == 0 { 1.0 } else { 1.0 + 0.5 * d.normal() }).collect()).collect()
}

#[allow(dead_code)]
/// The layouts: name and data. The first three have one factor.
pub fn layouts() -> Vec<(&'static str, Data)> {
    let mut d = Draws(7);
    let n = 90;
    let us = || named("unstructured").unwrap();
    let mut out: Vec<(&'static str, Data)> = Vec::new();
    let code =
        |d: &mut Draws, m: usize| -> Vec<i32> { (0..n).map(|i| if i < m { i as i32 } else { d.below(m) }).collect() };
    for (k, name) in [(1, "scalar"), (2, "two"), (3, "three")] {
        let f = vec![(code(&mut d, 12), 12, vec![(columns(&mut d, n, k), us())])];
        out.push((name, Data::new(f, n, &mut d)));
    }
    let leaf = code(&mut d, 20);
    let mid: Vec<i32> = leaf.iter().map(|l| l / 3).collect();
    let one = |d: &mut Draws| vec![(columns(d, n, 1), us())];
    let f = vec![(leaf.clone(), 20, one(&mut d)), (mid.clone(), 7, vec![(columns(&mut d, n, 2), us())])];
    out.push(("nested", Data::new(f, n, &mut d)));
    let f = vec![(code(&mut d, 14), 14, vec![(columns(&mut d, n, 2), us())]), (code(&mut d, 9), 9, one(&mut d))];
    out.push(("crossed", Data::new(f, n, &mut d)));
    let f = vec![(leaf, 20, one(&mut d)), (mid, 7, one(&mut d)), (code(&mut d, 6), 6, one(&mut d))];
    out.push(("nested within crossed", Data::new(f, n, &mut d)));
    let slope = columns(&mut d, n, 2).split_off(1);
    let f = vec![(code(&mut d, 10), 10, vec![(columns(&mut d, n, 1), us()), (slope, us())])];
    out.push(("repeated factor", Data::new(f, n, &mut d)));
    out
}
