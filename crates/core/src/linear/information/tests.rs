//! The blocks of H against the dense matrix, and exact second derivatives against differences of
//! the exact gradient.

use super::blocks::{head_of, size_of, MarginalBlocks};
use super::coordinates::Interior;
use super::dense::Runner;
use super::moments::Moments;
use super::satterthwaite::{differences, exact_curvature, exact_slopes};
use super::traces::Traces;
use super::{kenward_roger, At};
use crate::error::CoreError;
use crate::linear::{Evaluator, Score, System};
use crate::rows::{Column, FactorRows, Rows, TermRows};
use crate::structure::named;
use faer::linalg::solvers::DenseSolveCore;
use faer::{Mat, Par};

fn go_on() -> bool {
    true
}

const RUNNER: Runner<'static> = Runner { par: Par::Seq, go_on: &go_on };

/// Numbers that look random.
struct Draws(u64);

impl Draws {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }

    fn column(&mut self, n: usize) -> Vec<f64> {
        (0..n).map(|_| (0..12).map(|_| self.next()).sum::<f64>() - 6.0).collect()
    }

    fn codes(&mut self, n: usize, levels: usize) -> Vec<i32> {
        (0..n).map(|i| if i < levels { i as i32 } else { (self.next() * levels as f64) as i32 }).collect()
    }
}

/// For each factor its levels and, for each of its terms, the number of effects (1, x, z) and the
/// structure.
type Layout = Vec<(usize, Vec<(usize, &'static str)>)>;

const ROWS: usize = 150;

fn layouts() -> Vec<Layout> {
    vec![
        vec![(12, vec![(2, "unstructured")])],
        vec![(7, vec![(1, "unstructured"), (2, "diagonal")])],
        vec![(12, vec![(2, "unstructured")]), (9, vec![(1, "unstructured")])],
        // the largest factor is the second; it meets few levels, or all, of the others
        vec![(5, vec![(2, "unstructured")]), (40, vec![(2, "unstructured")]), (8, vec![(3, "diagonal")])],
        vec![(40, vec![(1, "unstructured")]), (30, vec![(2, "unstructured")])],
    ]
}

/// A system of such a layout, and a theta.
fn system(layout: &[(usize, Vec<(usize, &'static str)>)], seed: u64) -> (System, Vec<f64>) {
    let mut draws = Draws(seed);
    let (one, x, z) = (vec![1.0; ROWS], draws.column(ROWS), draws.column(ROWS));
    let columns: [&[f64]; 3] = [&one, &x, &z];
    let codes: Vec<Vec<i32>> = layout.iter().map(|(levels, _)| draws.codes(ROWS, *levels)).collect();
    let mut y = draws.column(ROWS);
    for c in &codes {
        let shift = draws.column(100);
        let slope = draws.column(100);
        (0..ROWS).for_each(|i| y[i] += shift[c[i] as usize] + slope[c[i] as usize] * x[i]);
    }
    let weights: Vec<f64> = draws.column(ROWS).iter().map(|w| 1.0 + 0.1 * w.abs()).collect();
    let factors = layout
        .iter()
        .zip(&codes)
        .map(|((n_levels, terms), codes)| FactorRows {
            codes,
            members: None,
            n_levels: *n_levels,
            terms: terms
                .iter()
                .map(|&(k, structure)| TermRows {
                    z: columns[..k].to_vec(),
                    structure: named(structure).expect("it is there"),
                })
                .collect(),
        })
        .collect();
    let rows = Rows { x: vec![Column::from(&one), Column::from(&x)], y: &y, weights: Some(&weights), factors };
    let sys = System::new(&rows, 1).expect("the system can be set up");
    let theta = (0..sys.n_theta).map(|_| 0.4 + draws.next()).collect();
    (sys, theta)
}

/// H in the order of the blocks, by (I + Z'Z D)^-1 Z'Z.
fn dense(sys: &System, h: &MarginalBlocks<'_>) -> Mat<f64> {
    let q = h.q();
    let mut zz = Mat::<f64>::zeros(q, q);
    let mut d = Mat::<f64>::zeros(q, q);
    for (f, fs) in sys.factors.iter().enumerate() {
        let k = fs.k;
        for (l, block) in sys.cp.gram.levels[f].chunks_exact(k * k).enumerate() {
            for t in 0..k * k {
                let (i, j) = (h.start(f) + l * k + t / k, h.start(f) + l * k + t % k);
                zz[(i, j)] = block[t];
                d[(i, j)] = h.relative(f)[t];
            }
        }
    }
    for c in &sys.cp.gram.cells {
        for l in 0..c.start.len() - 1 {
            for cell in c.start[l]..c.start[l + 1] {
                for (t, &v) in c.block(cell).iter().enumerate() {
                    let i = h.start(c.f) + l * c.kf + t / c.kg;
                    let j = h.start(c.g) + c.level[cell] as usize * c.kg + t % c.kg;
                    zz[(i, j)] = v;
                    zz[(j, i)] = v;
                }
            }
        }
    }
    let inner = Mat::<f64>::identity(q, q) + &zz * &d;
    inner.partial_piv_lu().inverse() * &zz
}

fn close(a: f64, b: f64, tolerance: f64, what: &str) {
    assert!((a - b).abs() <= tolerance * (1.0 + b.abs()), "{what}: {a} where {b} is expected");
}

#[test]
fn blocks_are_those_of_the_dense_matrix() {
    for (seed, layout) in layouts().iter().enumerate() {
        let (sys, theta) = system(layout, seed as u64 + 1);
        let h = MarginalBlocks::new(&sys, &sys.lambda_from_theta(&theta), RUNNER).expect("nothing stops it");
        let expected = dense(&sys, &h);
        let mut v = vec![0.0; h.q() * 2];
        v.iter_mut().enumerate().for_each(|(i, x)| *x = (i as f64 * 0.7).sin());
        let found = h.times(&v, 2);
        for i in 0..h.q() {
            for c in 0..2 {
                let sum: f64 = (0..h.q()).map(|j| expected[(i, j)] * v[j * 2 + c]).sum();
                close(found[i * 2 + c], sum, 1e-10, "a product");
            }
        }
        let traces = Traces::of(&h).expect("nothing stops it");
        let ks: Vec<usize> = sys.factors.iter().map(|f| f.k).collect();
        let at = |f: usize, l: usize, e: usize| h.start(f) + l * ks[f] + e;
        for f in 0..ks.len() {
            let levels = sys.factors[f].n_levels;
            for t in 0..ks[f] * ks[f] {
                let sum = (0..levels).map(|l| expected[(at(f, l, t / ks[f]), at(f, l, t % ks[f]))]).sum();
                close(traces.own[f][t], sum, 1e-10, "a trace");
            }
            for g in 0..ks.len() {
                for t in 0..(ks[f] * ks[g]).pow(2) {
                    let (n, i) = (t % ks[g], t / ks[g] % ks[f]);
                    let (m, j) = (t / (ks[g] * ks[f]) % ks[g], t / (ks[g] * ks[f] * ks[g]));
                    let mut sum = 0.0;
                    for a in 0..levels {
                        for b in 0..sys.factors[g].n_levels {
                            sum += expected[(at(f, a, j), at(g, b, m))] * expected[(at(f, a, i), at(g, b, n))];
                        }
                    }
                    close(traces.product((f, j, i), (g, m, n), &ks), sum, 1e-9, "a sum of products");
                }
            }
        }
    }
}

#[test]
fn exact_derivatives_are_those_of_the_gradient() {
    for (seed, layout) in layouts().iter().enumerate() {
        for reml in [true, false] {
            let (sys, theta) = system(layout, seed as u64 + 1);
            let mut null: Vec<usize> = sys.terms.iter().flatten().map(|_| 0).collect();
            // the second time a direction of the first term is held at zero; its theta says so
            let mut theta = theta;
            if !reml && layout[0].1[0].0 == 2 {
                null[0] = 1;
                theta[2] = 0.0;
            }
            let at = At { theta: &theta, null: &null, reml, n_threads: 1 };
            let interior = Interior::of(&sys, at);
            let (mut e, mut score) = (Evaluator::new(&sys, 1), Score::new(&sys));
            interior.write(&sys, &mut e.lambda);
            e.criterion(&sys, reml).expect("positive definite");
            e.solve_effects(&sys, &mut score);
            let moments = Moments::of(&sys, &e, &score, RUNNER).expect("nothing stops it");
            let exact = exact_curvature(&sys, &e, &interior, &moments, reml);
            let slopes = exact_slopes(&sys, &e, &interior, &moments);
            let (curvature, differenced) =
                differences(&sys, &mut e, &mut score, &interior, reml, &go_on).expect("nothing stops it");
            let largest = exact.iter().fold(0.0f64, |a, v| a.max(v.abs()));
            for (a, b) in exact.iter().zip(&curvature) {
                close(a / largest, b / largest, 1e-6, "a second derivative");
            }
            for (a, b) in slopes.iter().zip(&differenced) {
                close(*a, *b, 1e-6, "a slope");
            }
        }
    }
}

#[test]
fn too_large_is_refused_and_a_stop_is_heard() {
    let (sys, theta) = system(&layouts()[4], 3);
    assert_eq!(head_of(&sys), 1);
    let (order, bytes) = size_of(&sys);
    assert_eq!(order, 40);
    let null = [0, 0];
    let at = At { theta: &theta, null: &null, reml: true, n_threads: 1 };
    let (mut e, mut score) = (Evaluator::new(&sys, 1), Score::new(&sys));
    let refused = kenward_roger(&sys, &mut e, &mut score, at, (0.5 * bytes, false), &go_on);
    assert!(matches!(refused, Err(CoreError::Refused { order: 40, .. })));
    let stopped = kenward_roger(&sys, &mut e, &mut score, at, (2.0 * bytes, false), &|| false);
    assert!(matches!(stopped, Err(CoreError::Interrupted)));
}
