//! Pattern moments against n x n algebra and differences.

use super::glmm_data::Draws;
use faer::{linalg::solvers::Solve, Mat, Side};
use ranef_core::linear::FitOptions;
use ranef_core::model::Status;
use ranef_core::pattern::{
    fit, kenward_roger, satterthwaite, At, Covariance, Derivatives, Evaluated, Filled, Moments, Natural, Order, Places,
    Positions,
};
use ranef_core::rows::{Column, Rows};

pub(super) const T: usize = 4;
pub(super) const SUBJECTS: usize = 30;

/// Variances by visit and a first-order correlation: log sd ratios of visits 2.., atanh rho.
pub(super) struct Autoregressive;

impl Autoregressive {
    fn sds(z: &[f64]) -> Vec<f64> {
        (0..T).map(|a| if a == 0 { 0.0 } else { z[a - 1] }).collect()
    }
}

impl Covariance for Autoregressive {
    fn n(&self) -> usize {
        T
    }

    fn fill(&self, _universe: usize, z: &[f64], into: Filled<'_>) -> bool {
        let (s, rho) = (Self::sds(z), z[T - 1].tanh());
        let slope = 1.0 - rho * rho;
        for a in 0..T {
            for b in 0..T {
                let (at, lag) = (a * T + b, (a as f64 - b as f64).abs());
                let sd = (s[a] + s[b]).exp();
                let c = rho.powf(lag);
                into.r[at] = sd * c;
                let dc = if lag == 0.0 { 0.0 } else { lag * rho.powf(lag - 1.0) * slope };
                let d2c = if lag == 0.0 {
                    0.0
                } else {
                    let second = if lag == 1.0 { 0.0 } else { lag * (lag - 1.0) * rho.powf(lag - 2.0) };
                    second * slope * slope - lag * rho.powf(lag - 1.0) * 2.0 * rho * slope
                };
                let along = |k: usize| f64::from(u8::from(k + 1 == a)) + f64::from(u8::from(k + 1 == b));
                if into.first.is_empty() {
                    continue;
                }
                for k in 0..T {
                    into.first[k * T * T + at] = if k < T - 1 { along(k) * sd * c } else { sd * dc };
                }
                if into.second.is_empty() {
                    continue;
                }
                let mut pair = 0;
                for k in 0..T {
                    for l in 0..=k {
                        into.second[pair * T * T + at] = match (k < T - 1, l < T - 1) {
                            (true, _) => along(k) * along(l) * sd * c,
                            (false, true) => along(l) * sd * dc,
                            (false, false) => sd * d2c,
                        };
                        pair += 1;
                    }
                }
            }
        }
        true
    }

    fn add_curvature(&self, _universe: usize, z: &[f64], weight: &[f64], out: &mut [f64]) {
        let (n, t2) = (self.n(), T * T);
        let (mut r, mut first, mut second) = (vec![0.0; t2], vec![0.0; n * t2], vec![0.0; n * (n + 1) / 2 * t2]);
        self.fill(0, z, Filled { r: &mut r, first: &mut first, second: &mut second });
        for k in 0..n {
            for l in 0..n {
                let pair = k.max(l) * (k.max(l) + 1) / 2 + k.min(l);
                let block = &second[pair * t2..(pair + 1) * t2];
                out[k * n + l] += block.iter().zip(weight).map(|(a, b)| a * b).sum::<f64>();
            }
        }
    }
}

/// The entries of R but the first.
struct Entrywise;

impl Covariance for Entrywise {
    fn n(&self) -> usize {
        T * (T + 1) / 2 - 1
    }

    fn fill(&self, _universe: usize, z: &[f64], into: Filled<'_>) -> bool {
        let mut e = 0;
        for b in 0..T {
            for a in 0..=b {
                for at in [a * T + b, b * T + a] {
                    into.r[at] = if e == 0 { 1.0 } else { z[e - 1] };
                    if e > 0 && !into.first.is_empty() {
                        into.first[(e - 1) * T * T + at] = 1.0;
                    }
                }
                e += 1;
            }
        }
        true
    }

    fn add_curvature(&self, _universe: usize, _z: &[f64], _weight: &[f64], _out: &mut [f64]) {}
}

pub(super) struct Data {
    pub(super) x: Vec<Vec<f64>>,
    pub(super) y: Vec<f64>,
    weights: Option<Vec<f64>>,
    pub(super) subject: Vec<i32>,
    pub(super) visit: Vec<i32>,
}

impl Data {
    pub(super) fn new(weighted: bool) -> Self {
        let mut d = Draws(5);
        let mut out = Data { x: vec![Vec::new(); 5], y: Vec::new(), weights: None, subject: vec![], visit: vec![] };
        for s in 0..SUBJECTS {
            let base = 20.0 + d.normal();
            let mut error = 0.0;
            for v in 0..T {
                error = 0.6 * error + d.normal();
                if d.uniform() < 0.25 {
                    continue;
                }
                let arm = f64::from(u8::from(s % 2 == 1));
                let at = |k: usize| f64::from(u8::from(v == k));
                for (c, value) in out.x.iter_mut().zip([1.0, base, arm, at(2), at(3) * arm]) {
                    c.push(value);
                }
                out.y.push(50.0 + 0.4 * base + 2.0 * arm + (1.0 + 0.3 * v as f64) * error);
                // subjects in an order that is not that of the rows
                out.subject.push(((s * 7) % SUBJECTS) as i32);
                out.visit.push(v as i32);
            }
        }
        out.weights = weighted.then(|| out.y.iter().map(|_| 0.5 + d.uniform()).collect());
        out
    }

    pub(super) fn moments(&self) -> Moments {
        let rows = Rows {
            x: self.x.iter().map(Column::from).collect(),
            y: &self.y,
            weights: self.weights.as_deref(),
            factors: Vec::new(),
        };
        let group = vec![0; self.y.len()];
        let at = Positions::Visits(&self.visit, T);
        Moments::of(&rows, &Places { subject: &self.subject, group: &group, at }).unwrap()
    }

    /// A matrix of entries of R at the rows, zero between subjects.
    pub(super) fn spread(&self, r: &[f64]) -> Mat<f64> {
        let n = self.y.len();
        let w = |i: usize| self.weights.as_ref().map_or(1.0, |w| w[i].sqrt());
        Mat::from_fn(n, n, |i, j| {
            if self.subject[i] == self.subject[j] {
                r[self.visit[i] as usize * T + self.visit[j] as usize] / (w(i) * w(j))
            } else {
                0.0
            }
        })
    }

    fn dense(&self, v: &Mat<f64>) -> Dense {
        let (n, p) = (self.y.len(), self.x.len());
        let x = Mat::from_fn(n, p, |i, j| self.x[j][i]);
        let y = Mat::from_fn(n, 1, |i, _| self.y[i]);
        let llt = v.llt(Side::Lower).unwrap();
        let wx = llt.solve(&x);
        let xwx = x.transpose() * &wx;
        let of_x = xwx.llt(Side::Lower).unwrap();
        let beta = of_x.solve(wx.transpose() * &y);
        let e = &y - &x * &beta;
        let h = llt.solve(&e);
        let log = |l: &Mat<f64>| 2.0 * (0..l.nrows()).map(|i| l[(i, i)].ln()).sum::<f64>();
        Dense {
            r2: (e.transpose() * &h)[(0, 0)],
            log_det: log(&llt.L().to_owned()),
            log_det_x: log(&of_x.L().to_owned()),
            inverse: of_x.solve(Mat::<f64>::identity(p, p)),
            w: llt.solve(Mat::<f64>::identity(n, n)),
            x,
        }
    }

    fn criterion(&self, c: &dyn Covariance, z: &[f64], reml: bool) -> f64 {
        let d = self.dense(&self.spread(&filled(c, z).r[0]));
        let nu = (self.y.len() - if reml { self.x.len() } else { 0 }) as f64;
        let x = if reml { d.log_det_x } else { 0.0 };
        d.log_det + x + nu * (1.0 + (2.0 * std::f64::consts::PI * d.r2 / nu).ln())
    }
}

struct Dense {
    r2: f64,
    log_det: f64,
    log_det_x: f64,
    inverse: Mat<f64>,
    w: Mat<f64>,
    x: Mat<f64>,
}

pub(super) fn filled(c: &dyn Covariance, z: &[f64]) -> At {
    let data = Data::new(false);
    At::of(c, &data.moments(), z, Order::Second).unwrap()
}

fn close(a: f64, b: f64, tolerance: f64, what: &str) {
    assert!((a - b).abs() <= tolerance * (1.0 + b.abs()), "{what}: {a} {b}");
}

const Z: [f64; T] = [0.2, -0.1, 0.3, 0.7];

#[test]
fn criterion_is_that_of_dense_algebra() {
    for weighted in [false, true] {
        let data = Data::new(weighted);
        let m = data.moments();
        for reml in [true, false] {
            let at = At::of(&Autoregressive, &m, &Z, Order::Value).unwrap();
            let e = Evaluated::of(&m, &at.r, reml).unwrap();
            let dense = data.criterion(&Autoregressive, &Z, reml);
            close(e.criterion + m.constant(reml), dense, 1e-11, "criterion");
        }
    }
}

#[test]
fn gradient_and_hessian_are_differences() {
    for weighted in [false, true] {
        let data = Data::new(weighted);
        let m = data.moments();
        for reml in [true, false] {
            let at_z = |z: &[f64]| {
                let at = At::of(&Autoregressive, &m, z, Order::Value).unwrap();
                let e = Evaluated::of(&m, &at.r, reml).unwrap();
                Derivatives::of(&m, &Autoregressive, z, &e).unwrap()
            };
            let d = at_z(&Z);
            for k in 0..T {
                let moved = |h: f64| {
                    let mut z = Z.to_vec();
                    z[k] += h;
                    z
                };
                let by_value = |h: f64| data.criterion(&Autoregressive, &moved(h), reml);
                let h = 1e-3;
                let slope =
                    (8.0 * (by_value(h) - by_value(-h)) - (by_value(2.0 * h) - by_value(-2.0 * h))) / (12.0 * h);
                close(d.gradient[k], slope, 1e-8, "gradient");
                for l in 0..T {
                    let g = |h: f64| at_z(&moved(h)).gradient[l];
                    let slope = (8.0 * (g(h) - g(-h)) - (g(2.0 * h) - g(-2.0 * h))) / (12.0 * h);
                    close(d.hessian[k * T + l], slope, 1e-8, "Hessian");
                }
            }
        }
    }
}

#[test]
fn fit_ends_where_the_gradient_is_zero_and_two_parametrisations_agree() {
    let data = Data::new(false);
    let m = data.moments();
    let options = FitOptions { reml: true, max_evaluations: 50, tolerance: 1e-12 };
    let f = fit(&m, &Autoregressive, &[0.0, 0.0, 0.0, 0.1], options, &mut |_, _| true).unwrap();
    assert_eq!(f.status, Status::Converged);
    assert!(f.evaluations <= 12, "{}", f.evaluations);
    assert!(f.gradient.iter().all(|g| g.abs() < 1e-5));
    let start = filled(&Autoregressive, &f.z).r[0].clone();
    let mut z = Vec::new();
    for b in 0..T {
        for a in 0..=b {
            z.push(start[a * T + b]);
        }
    }
    let free = fit(&m, &Entrywise, &z[1..], options, &mut |_, _| true).unwrap();
    assert_eq!(free.status, Status::Converged);
    assert!(free.at.unwrap().criterion < f.at.unwrap().criterion);
}

/// Kenward and Roger's covariance by n x n algebra in parameters xi of Sigma = sigma^2 R(z).
#[test]
fn degrees_of_freedom_are_those_of_dense_algebra() {
    for weighted in [false, true] {
        let data = Data::new(weighted);
        let m = data.moments();
        let (n_rows, p) = (data.y.len(), data.x.len());
        // at the optimum: elsewhere the Hessian depends on the parameters by more than their slopes
        let options = FitOptions { reml: true, max_evaluations: 50, tolerance: 1e-16 };
        let z = fit(&m, &Autoregressive, &Z, options, &mut |_, _| true).unwrap().z;
        let at = At::of(&Autoregressive, &m, &z, Order::Second).unwrap();
        let e = Evaluated::of(&m, &at.r, true).unwrap();
        let nu = (n_rows - p) as f64;
        // parameters: variances and the correlation, relative to sigma^2
        let r = &at.r[0];
        let sd: Vec<f64> = (0..T).map(|a| r[a * T + a].sqrt()).collect();
        let rho = z[T - 1].tanh();
        let entries = |phi: &[f64]| -> Vec<f64> {
            let lag = |t: usize| (t / T).abs_diff(t % T) as i32;
            (0..T * T).map(|t| (phi[t / T] * phi[t % T]).sqrt() * phi[T].powi(lag(t))).collect()
        };
        let mut phi: Vec<f64> = sd.iter().map(|s| s * s).collect();
        phi.push(rho);
        let h = 1e-3;
        let moved = |k: usize, l: usize, a: f64, b: f64| {
            let mut phi = phi.clone();
            phi[k] += a * h;
            phi[l] += b * h;
            entries(&phi)
        };
        let combine = |terms: &[(f64, Vec<f64>)]| -> Mat<f64> {
            let sum: Vec<f64> = (0..T * T).map(|t| terms.iter().map(|(f, v)| f * v[t]).sum()).collect();
            data.spread(&sum)
        };
        let n = T + 1;
        let first: Vec<Mat<f64>> = (0..n)
            .map(|k| {
                let f = 1.0 / (12.0 * h);
                combine(&[
                    (8.0 * f, moved(k, k, 1.0, 0.0)),
                    (-8.0 * f, moved(k, k, -1.0, 0.0)),
                    (-f, moved(k, k, 2.0, 0.0)),
                    (f, moved(k, k, -2.0, 0.0)),
                ])
            })
            .collect();
        let second = |k: usize, l: usize| -> Mat<f64> {
            let weights = [(1.0, 8.0), (-1.0, -8.0), (2.0, -1.0), (-2.0, 1.0)];
            let mut terms = Vec::new();
            for (a, f) in weights {
                for (b, g) in weights {
                    terms.push((f * g / (144.0 * h * h), moved(k, l, a, b)));
                }
            }
            combine(&terms)
        };
        let d = data.dense(&data.spread(r));
        let scale = nu / d.r2;
        let y = Mat::from_fn(n_rows, 1, |i, _| data.y[i]);
        let proj = &d.w - &d.w * &d.x * &d.inverse * d.x.transpose() * &d.w;
        let py = &proj * &y;
        let trace = |m: &Mat<f64>| (0..n_rows).map(|i| m[(i, i)]).sum::<f64>();
        let form = |m: &Mat<f64>| (py.transpose() * m * &py)[(0, 0)];
        let mut hessian = Mat::<f64>::zeros(n, n);
        let mut seconds = vec![Vec::new(); n];
        for k in 0..n {
            for l in 0..n {
                let kl = second(k, l);
                let product = &proj * &first[k] * &proj * &first[l];
                let q = form(&(&first[k] * &proj * &first[l]));
                hessian[(k, l)] = -trace(&product) + trace(&(&proj * &kl)) + scale * (2.0 * q - form(&kl));
                seconds[k].push(kl);
            }
        }
        let weights = hessian.partial_piv_lu().solve(Mat::<f64>::identity(n, n)) * 2.0;
        let wx = &d.w * &d.x;
        let slope: Vec<Mat<f64>> = first.iter().map(|f| -(wx.transpose() * f * &wx)).collect();
        let mut natural = vec![Natural::Correlation(0, 0, 1)];
        (0..T).rev().for_each(|a| natural.push(Natural::Entry(0, a, a)));
        for full in [true, false] {
            let mut inner = Mat::<f64>::zeros(p, p);
            for k in 0..n {
                for l in 0..n {
                    let q = wx.transpose() * &first[k] * &d.w * &first[l] * &wx;
                    inner += (q - &slope[k] * &d.inverse * &slope[l]) * weights[(k, l)];
                    if full {
                        inner -= wx.transpose() * &seconds[k][l] * &wx * (weights[(k, l)] / 4.0);
                    }
                }
            }
            let adjusted = &d.inverse + &d.inverse * inner * &d.inverse * 2.0;
            let kr = kenward_roger(&m, &Autoregressive, &e, &z, full.then_some(&natural[..])).unwrap();
            let root = Mat::from_fn(p, p, |i, j| kr.root[i * p + j]);
            let of = Mat::from_fn(p, p, |i, j| kr.adjusted[i * p + j]);
            let mine = &root * of * root.transpose();
            for i in 0..p {
                for j in 0..p {
                    let unit = (adjusted[(i, i)] * adjusted[(j, j)]).sqrt();
                    close(mine[(i, j)] / unit, adjusted[(i, j)] / unit, 1e-7, "adjusted covariance");
                }
            }
        }
        // Satterthwaite: variance of the estimated variance of a contrast
        let s = satterthwaite(&m, &Autoregressive, &e, &z).unwrap();
        let l = Mat::from_fn(p, 1, |i, _| [0.3, 0.02, 1.0, -1.0, 0.5][i]);
        let gradient: Vec<f64> =
            slope.iter().map(|f| -(l.transpose() * &d.inverse * f * &d.inverse * &l)[(0, 0)]).collect();
        let v = (l.transpose() * &d.inverse * &l)[(0, 0)];
        let spread: f64 =
            (0..n).map(|i| gradient[i] * (0..n).map(|j| weights[(i, j)] * gradient[j]).sum::<f64>()).sum();
        let root = Mat::from_fn(p, p, |i, j| s.root[i * p + j]);
        let mut inner = root.transpose() * &l;
        let length = inner.norm_l2();
        inner = &inner * (1.0 / length);
        let along: Vec<f64> = (0..T)
            .map(|k| {
                let of = Mat::from_fn(p, p, |i, j| s.slopes[(k * p + i) * p + j]);
                (inner.transpose() * of * &inner)[(0, 0)]
            })
            .collect();
        let total: f64 =
            (0..T).map(|i| along[i] * (0..T).map(|j| s.covariance[i * T + j] * along[j]).sum::<f64>()).sum();
        close(2.0 / (total + 2.0 / nu), 2.0 * v * v / spread, 1e-6, "degrees of freedom");
    }
}
