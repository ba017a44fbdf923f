//! Cross-products drawn without the n values of a response have the moments that a response has.

use ranef_core::linear::{Draft, ResponseLaw, System};
use ranef_core::rng::Rng;
use ranef_core::rows::{Column, FactorRows, Rows, TermRows};
use ranef_core::structure::named;

struct Design {
    x: Vec<Vec<f64>>,
    weights: Option<Vec<f64>>,
    factors: Vec<(Vec<i32>, usize, Vec<Vec<f64>>)>,
}

impl Design {
    fn system(&self) -> System {
        let n = self.x[0].len();
        let y: Vec<f64> = (0..n).map(|i| (i % 7) as f64).collect();
        let factors = self.factors.iter().map(|(codes, n_levels, z)| FactorRows {
            codes,
            members: None,
            n_levels: *n_levels,
            terms: vec![TermRows {
                z: z.iter().map(Vec::as_slice).collect(),
                structure: named("unstructured").unwrap(),
            }],
        });
        let rows = Rows {
            x: self.x.iter().map(Column::from).collect(),
            y: &y,
            weights: self.weights.as_deref(),
            factors: factors.collect(),
        };
        System::new(&rows, 1).unwrap()
    }
}

fn column(n: usize, seed: u64) -> Vec<f64> {
    let mut s = Rng::of(seed, 1000);
    (0..n).map(|_| s.normal()).collect()
}

/// Groups of one and two rows with two effects each: Z has 16 columns and 12 rows' worth of rank at
/// most.
fn tiny_groups() -> Design {
    let codes: Vec<i32> = vec![0, 1, 1, 2, 3, 3, 4, 5, 5, 6, 7, 7, 0, 2, 4, 6, 7, 7, 7, 7];
    let n = codes.len();
    let x = column(n, 1);
    Design { x: vec![vec![1.0; n], x.clone()], weights: None, factors: vec![(codes, 8, vec![vec![1.0; n], x])] }
}

/// Two crossed factors, each of whose columns sum to the constant column; a column of X twice;
/// prior weights.
fn crossed() -> Design {
    let n = 40;
    let x = column(n, 2);
    let a: Vec<i32> = (0..n).map(|i| (i % 5) as i32).collect();
    let b: Vec<i32> = (0..n).map(|i| ((i * i + i / 5) % 7) as i32).collect();
    Design {
        x: vec![vec![1.0; n], x.clone(), x.iter().map(|v| 2.0 * v - 1.0).collect()],
        weights: Some((0..n).map(|i| 0.5 + (i % 3) as f64).collect()),
        factors: vec![(a, 5, vec![vec![1.0; n], x]), (b, 7, vec![vec![1.0; n]])],
    }
}

/// More columns than rows.
fn more_columns_than_rows() -> Design {
    let n = 9;
    let x = column(n, 3);
    let codes: Vec<i32> = (0..n).map(|i| (i % 6) as i32).collect();
    Design { x: vec![vec![1.0; n], x.clone()], weights: None, factors: vec![(codes, 6, vec![vec![1.0; n], x])] }
}

/// Factors large enough for a dense block of several blocks of columns.
fn wide_crossed() -> Design {
    let n = 900;
    let x = column(n, 4);
    let mut s = Rng::of(5, 0);
    let a: Vec<i32> = (0..n).map(|i| (i % 130) as i32).collect();
    let b: Vec<i32> = (0..n).map(|i| if i < 110 { i as i32 } else { s.below(110) as i32 }).collect();
    Design {
        x: vec![vec![1.0; n], x.clone()],
        weights: None,
        factors: vec![(a, 130, vec![vec![1.0; n], x]), (b, 110, vec![vec![1.0; n]])],
    }
}

/// G = [Z X]'[Z X], rows in elimination order, then X; row-major.
fn gram(sys: &System) -> (Vec<f64>, usize) {
    let (q, p, pw) = (sys.sym.q, sys.p(), sys.cp.pw);
    let m = q + p;
    let mut g = vec![0.0; m * m];
    let row = |f: usize, l: usize| sys.sym.row[sys.sym.position[f][l] as usize];
    for (f, fs) in sys.factors.iter().enumerate() {
        for l in 0..fs.n_levels {
            for i in 0..fs.k {
                let r = row(f, l) + i;
                for j in 0..fs.k {
                    g[r * m + row(f, l) + j] = sys.cp.gram.levels[f][(l * fs.k + i) * fs.k + j];
                }
                for j in 0..p {
                    g[r * m + q + j] = sys.cp.ztw[f][(l * fs.k + i) * pw + j];
                    g[(q + j) * m + r] = sys.cp.ztw[f][(l * fs.k + i) * pw + j];
                }
            }
        }
    }
    for c in &sys.cp.gram.cells {
        for l in 0..c.start.len() - 1 {
            for i in c.start[l]..c.start[l + 1] {
                for a in 0..c.kf {
                    for b in 0..c.kg {
                        let (r, s) = (row(c.f, l) + a, row(c.g, c.level[i] as usize) + b);
                        g[r * m + s] = c.block(i)[a * c.kg + b];
                        g[s * m + r] = c.block(i)[a * c.kg + b];
                    }
                }
            }
        }
    }
    for i in 0..p {
        for j in 0..p {
            g[(q + i) * m + q + j] = sys.cp.wtw[i * pw + j];
        }
    }
    (g, m)
}

/// (Z'y, X'y, y'y) that stand in the system.
fn products(sys: &System) -> Vec<f64> {
    let (q, p, pw) = (sys.sym.q, sys.p(), sys.cp.pw);
    let mut out = vec![0.0; q + p + 1];
    for (f, fs) in sys.factors.iter().enumerate() {
        for l in 0..fs.n_levels {
            for i in 0..fs.k {
                out[sys.sym.row[sys.sym.position[f][l] as usize] + i] = sys.cp.ztw[f][(l * fs.k + i) * pw + p];
            }
        }
    }
    (0..=p).for_each(|j| out[q + j] = sys.cp.wtw[j * pw + p]);
    out
}

fn multiply(a: &[f64], b: &[f64], m: usize) -> Vec<f64> {
    let mut out = vec![0.0; m * m];
    for i in 0..m {
        for l in 0..m {
            let f = a[i * m + l];
            (0..m).for_each(|j| out[i * m + j] += f * b[l * m + j]);
        }
    }
    out
}

/// Means and covariances of many draws against E t = G c, cov t = G + G D G and the moments of a
/// quadratic form, with random effects drawn (c = 0) or kept (D = 0); all within five standard
/// errors.
fn check_moments(design: &Design, kept: bool, seed: u64) {
    let mut sys = design.system();
    let (g, m) = gram(&sys);
    let (q, n) = (sys.sym.q, sys.cp.n as f64);
    let lambda: Vec<Vec<f64>> = sys
        .factors
        .iter()
        .map(|f| (0..f.k * f.k).map(|i| if i / f.k >= i % f.k { 0.9 - 0.4 * (i % f.k) as f64 } else { 0.0 }).collect())
        .collect();
    let law = ResponseLaw::new(&sys);
    assert!(law.rank() <= sys.cp.n);
    let mut draft = Draft::new(&sys);
    let mut c = vec![0.0; m];
    let mut d = vec![0.0; m * m];
    if kept {
        (0..q).for_each(|i| c[i] = ((i * 7) % 5) as f64 / 3.0 - 0.6);
        draft.b.copy_from_slice(&c[..q]);
    } else {
        for pos in 0..sys.sym.k.len() {
            let (l, k) = (&lambda[sys.sym.factor[pos] as usize], sys.sym.k[pos] as usize);
            for i in 0..k {
                for j in 0..k {
                    let v = (0..k).map(|x| l[i * k + x] * l[j * k + x]).sum();
                    d[(sys.sym.row[pos] + i) * m + sys.sym.row[pos] + j] = v;
                }
            }
        }
    }
    let gd = multiply(&g, &d, m);
    let gdg = multiply(&gd, &g, m);
    let cov: Vec<f64> = g.iter().zip(&gdg).map(|(a, b)| a + b).collect();
    let mean: Vec<f64> = (0..m).map(|i| (0..m).map(|j| g[i * m + j] * c[j]).sum()).collect();
    let trace = |a: &[f64]| (0..m).map(|i| a[i * m + i]).sum::<f64>();
    let quadratic: f64 = (0..m).map(|i| c[i] * mean[i]).sum();
    let covc: Vec<f64> = (0..m).map(|i| (0..m).map(|j| cov[i * m + j] * c[j]).sum()).collect();
    let mean_yy = quadratic + n + trace(&gd);
    let var_yy = 2.0 * (n + 2.0 * trace(&gd) + trace(&multiply(&gd, &gd, m)))
        + 4.0 * (0..m).map(|i| c[i] * covc[i]).sum::<f64>();

    let draws = 60_000;
    let mut sum = vec![0.0; m + 1];
    let mut square = vec![0.0; (m + 1) * (m + 1)];
    for r in 0..draws {
        let mut stream = Rng::of(seed, r);
        if !kept {
            draft.draw_effects(&sys, &lambda, &mut stream);
        }
        law.draw(&mut sys, &mut draft, &mut stream);
        let mut v = products(&sys);
        (0..m).for_each(|i| v[i] -= mean[i]);
        v[m] -= mean_yy;
        for i in 0..=m {
            sum[i] += v[i];
            (0..=i).for_each(|j| square[i * (m + 1) + j] += v[i] * v[j]);
        }
    }
    let draws = draws as f64;
    let variance = |i: usize| if i < m { cov[i * m + i] } else { var_yy };
    for i in 0..=m {
        let error = sum[i] / draws;
        assert!(error.abs() <= 5.0 * (variance(i) / draws).sqrt() + 1e-9, "mean {i}: {error}");
        for j in 0..=i {
            let want = match (i == m, j == m) {
                (true, true) => var_yy,
                (true, false) => 2.0 * covc[j],
                _ => cov[i * m + j],
            };
            // y'y is heavier in its tails than a normal variable
            let heavy = if i == m { 3.0 } else { 1.0 };
            let spread = (heavy * (variance(i) * variance(j) + want * want) / draws).sqrt();
            let found = square[i * (m + 1) + j] / draws;
            assert!((found - want).abs() <= 5.0 * spread + 1e-9, "covariance {i} {j}: {found} {want}");
        }
    }
}

#[test]
fn moments_with_groups_of_one_and_two_rows() {
    check_moments(&tiny_groups(), false, 11);
    check_moments(&tiny_groups(), true, 12);
}

#[test]
fn moments_with_crossed_factors_weights_and_a_repeated_column() {
    check_moments(&crossed(), false, 13);
    check_moments(&crossed(), true, 14);
}

#[test]
fn moments_with_more_columns_than_rows() {
    check_moments(&more_columns_than_rows(), false, 15);
}

/// The rank that the factor finds is that of [Z X], found here by elimination with complete
/// pivoting.
#[test]
fn rank_is_counted() {
    for design in [tiny_groups(), crossed(), more_columns_than_rows(), wide_crossed()] {
        let sys = design.system();
        let (mut g, m) = gram(&sys);
        let mut rank = 0;
        let largest = (0..m).map(|i| g[i * m + i]).fold(0.0, f64::max);
        loop {
            let j = (0..m).max_by(|&a, &b| g[a * m + a].total_cmp(&g[b * m + b])).unwrap();
            let d = g[j * m + j];
            if d < 1e-10 * largest {
                break;
            }
            rank += 1;
            let row: Vec<f64> = g[j * m..(j + 1) * m].to_vec();
            for a in 0..m {
                let f = row[a] / d;
                (0..m).for_each(|b| g[a * m + b] -= f * row[b]);
            }
        }
        assert_eq!(ResponseLaw::new(&sys).rank(), rank);
    }
}

/// Kept effects and no noise: the law of large numbers is not needed to see that Z'y = Z'Z b, X'y =
/// X'Z b up to what the noise adds, and the noise of two draws with the same stream cancels
/// exactly.
#[test]
fn effects_enter_linearly() {
    for design in [tiny_groups(), crossed(), wide_crossed()] {
        let mut sys = design.system();
        let (g, m) = gram(&sys);
        let q = sys.sym.q;
        let law = ResponseLaw::new(&sys);
        let mut draft = Draft::new(&sys);
        draft.b.fill(0.0);
        law.draw(&mut sys, &mut draft, &mut Rng::of(1, 1));
        let without = products(&sys);
        let b: Vec<f64> = (0..q).map(|i| ((i * 13) % 11) as f64 / 5.0 - 1.0).collect();
        draft.b.copy_from_slice(&b);
        law.draw(&mut sys, &mut draft, &mut Rng::of(1, 1));
        let with = products(&sys);
        for i in 0..m {
            let want: f64 = (0..q).map(|j| g[i * m + j] * b[j]).sum();
            let found = with[i] - without[i];
            assert!((found - want).abs() < 1e-9 * (1.0 + want.abs()), "{i}: {found} {want}");
        }
    }
}
