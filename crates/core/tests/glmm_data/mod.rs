//! Layouts of random terms and responses of every family for the tests of generalized models.

use faer::Mat;
use ranef_core::families::{find, Family, Link, REGISTRY};
use ranef_core::generalized::GlmmSystem;
use ranef_core::rows::{Column, FactorRows, Rows, TermRows};
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
pub fn draws_of(family: &str, w: &[f64], d: &mut Draws) -> Vec<f64> {
    w.iter()
        .enumerate()
        .map(|(i, &w)| match family {
            "binomial" => (0..w as usize).map(|_| f64::from(d.uniform() < 0.5)).sum::<f64>() / w,
            "poisson" | "nbinom1" | "nbinom2" => {
                if i % 29 == 7 {
                    31.0
                } else {
                    f64::from(d.below(6))
                }
            }
            "gamma" | "inverse_gaussian" => 0.8 + 1.6 * d.uniform(),
            "gaussian" | "t" => 1.5 + 0.3 * d.normal(),
            "beta" => 0.1 + 0.8 * d.uniform(),
            new => panic!("the tests have no responses for {new}"),
        })
        .collect()
}

/// Every family with every link but those whose range the points of the tests leave.
pub fn families() -> Vec<(&'static str, Link)> {
    let all = |name: &'static str| Link::ALL.into_iter().map(move |link| (name, link));
    REGISTRY
        .iter()
        .flat_map(|e| all(e.name).filter(|(_, link)| (e.allows)(*link)))
        .filter(|(name, link)| *name != "binomial" || *link != Link::Log)
        .collect()
}

/// What is free of eta in a log-likelihood.
pub fn free(family: &dyn Family, y: &[f64], w: &[f64], extras: &[f64]) -> f64 {
    family.free_part(y, w, extras, &mut vec![0.0; extras.len()])
}

impl Data {
    pub fn new(factors: Vec<Factor>, n: usize, d: &mut Draws) -> Self {
        let x = columns(d, n, 2);
        let weights = (0..n).map(|_| f64::from(1 + d.below(3))).collect();
        let offset = (0..n).map(|_| 0.05 * d.normal()).collect();
        Data { x, weights, offset, factors }
    }

    pub fn system(&self, family: &str, link: Link, d: &mut Draws) -> GlmmSystem {
        let y = draws_of(family, &self.weights, d);
        self.with(find(family).unwrap().with(link).unwrap(), &y)
    }

    /// The model of a family and its responses.
    pub fn with(&self, family: Arc<dyn Family>, y: &[f64]) -> GlmmSystem {
        let rows = Rows {
            x: self.x.iter().map(Column::from).collect(),
            y,
            weights: Some(&self.weights),
            factors: self
                .factors
                .iter()
                .map(|(codes, n_levels, terms)| FactorRows {
                    codes,
                    members: None,
                    n_levels: *n_levels,
                    terms: terms
                        .iter()
                        .map(|(z, s)| TermRows { z: z.iter().map(Vec::as_slice).collect(), structure: s.clone() })
                        .collect(),
                })
                .collect(),
        };
        GlmmSystem::new(&rows, Some(&self.offset), family).unwrap()
    }

    /// Z Lambda of all terms, n x q, from the columns as given.
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
