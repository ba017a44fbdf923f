//! Families by themselves: derivatives against differences, moments of their random responses, and
//! a family with two extra parameters that the core does not know.

use super::glmm_data::{draws_of, families, layouts, Data, Draws};
use ranef_core::families::{
    by_mean, find, lgamma, linked, more_by_mean, polygamma, Batch, Derivatives, Distribution, Extra, Family, Inner,
    InnerSecond, Link, MoreDerivatives,
};
use ranef_core::generalized::{search, Approximation, Coordinates, Curvature, FitOptions, Modes, Point, Status};
use ranef_core::rng::Rng;

/// Student's t with a scale and degrees of freedom.
struct StudentT;

impl Distribution<2> for StudentT {
    const NAME: &'static str = "t";
    const EXTRAS: &'static [Extra; 2] = &[Extra::SIGMA, Extra::positive("df")];

    fn allows(link: Link) -> bool {
        link == Link::Identity
    }

    fn derivatives(link: Link, b: Batch<'_>, out: Derivatives<'_>) {
        by_mean(link, b, out, |y, [mu, _], [s, nu]: [f64; 2]| -> Inner {
            let e = y - mu;
            let d = nu * s * s + e * e;
            [
                -0.5 * (nu + 1.0) * (e * e / (nu * s * s)).ln_1p(),
                (nu + 1.0) * e / d,
                (nu + 1.0) * (e * e - nu * s * s) / (d * d),
                2.0 * (nu + 1.0) * e * (e * e - 3.0 * nu * s * s) / (d * d * d),
            ]
        });
    }

    fn more_derivatives(link: Link, b: Batch<'_>, out: MoreDerivatives<'_>) {
        more_by_mean(link, b, out, |y, [mu, _], [s, nu]: [f64; 2]| {
            let e = y - mu;
            let (q, e2) = (nu * s * s, e * e);
            let d = q + e2;
            let m = nu + 1.0;
            let information = m / ((nu + 3.0) * s * s);
            // in log s: q has the derivative 2 q; in log nu: nu, and q has the derivative q
            let by_q =
                [m * 0.5 * (1.0 / q - 1.0 / d), -m * e / (d * d), m * (-1.0 / (d * d) - 2.0 * (e2 - q) / d.powi(3))];
            let by_m = [-0.5 * (e2 / q).ln_1p(), e / d, (e2 - q) / (d * d)];
            // d/dq of -m/2 (log(q + e^2) - log q)
            InnerSecond {
                information,
                slope: 0.0,
                by_extra: [
                    [-2.0 * information, 2.0 * q * by_q[0], 2.0 * q * by_q[1], 2.0 * q * by_q[2]],
                    [
                        information * (nu / m - nu / (nu + 3.0)),
                        q * by_q[0] + nu * by_m[0],
                        q * by_q[1] + nu * by_m[1],
                        q * by_q[2] + nu * by_m[2],
                    ],
                ],
            }
        });
    }

    fn free(_: f64, [s, nu]: [f64; 2]) -> (f64, [f64; 2]) {
        let half = 0.5 * nu;
        let l = lgamma(half + 0.5) - lgamma(half) - 0.5 * (nu * std::f64::consts::PI).ln() - s.ln();
        (l, [-1.0, half * (polygamma(half + 0.5).0 - polygamma(half).0) - 0.5])
    }

    fn near(y: f64, _: f64, _: f64, _: Link) -> f64 {
        y
    }

    fn start_extras(y: &[f64], w: &[f64], mu: &[f64]) -> [f64; 2] {
        let total: f64 = w.iter().sum();
        let v = y.iter().zip(mu).zip(w).map(|((y, m), w)| w * (y - m).powi(2)).sum::<f64>() / total;
        [v.sqrt().max(1e-150), 5.0]
    }

    fn draw(rng: &mut Rng, mu: f64, _: f64, [s, nu]: [f64; 2]) -> Option<f64> {
        mu.is_finite().then(|| mu + s * rng.normal() / (rng.gamma(0.5 * nu) / (0.5 * nu)).sqrt())
    }
}

/// All results of a family by row: l, r, wo, dwo, then expected weights with their slopes and, by
/// extra parameter, derivatives.
fn results(family: &dyn Family, y: &[f64], w: &[f64], eta: &[f64], extras: &[f64]) -> Vec<Vec<f64>> {
    let (n, all) = (y.len(), y.len() * extras.len());
    let b = Batch { y, w, eta, extras };
    let mut o: Vec<Vec<f64>> = [n, n, n, n, n, n, all, all, all, all].iter().map(|&n| vec![0.0; n]).collect();
    let [l, r, wo, dwo, ew, dw, w_d, l_d, r_d, wo_d] = &mut o[..] else { unreachable!() };
    family.derivatives(b, Derivatives { l, r, wo, dwo });
    family.more_derivatives(b, MoreDerivatives { w: ew, dw, w_d, l_d, r_d, wo_d });
    o
}

fn slope(f: &dyn Fn(f64) -> f64) -> f64 {
    let h = 1e-3;
    (8.0 * (f(h) - f(-h)) - (f(2.0 * h) - f(-2.0 * h))) / (12.0 * h)
}

/// Derivatives in eta and in the logarithms of the extra parameters.
fn check_derivatives(name: &str, family: &dyn Family, y: &[f64], w: &[f64], eta: &[f64], extras: &[f64]) {
    let n = y.len();
    let run = |shift: f64, in_extra: Option<(usize, f64)>| {
        let eta: Vec<f64> = eta.iter().map(|e| e + shift).collect();
        let mut x = extras.to_vec();
        if let Some((e, t)) = in_extra {
            x[e] *= f64::exp(t);
        }
        results(family, y, w, &eta, &x)
    };
    let here = run(0.0, None);
    let close = |what: &str, got: f64, want: f64| {
        assert!((got - want).abs() < 1e-7 * (1.0 + want.abs()), "{name} {what}: {got} {want}");
    };
    for i in 0..n {
        for (of, from, sign) in [(1, 0, 1.0), (2, 1, -1.0), (3, 2, 1.0), (5, 4, 1.0)] {
            close(&format!("row {i} item {of}"), here[of][i], sign * slope(&|t| run(t, None)[from][i]));
        }
        for e in 0..extras.len() {
            for (of, from) in [(6, 4), (7, 0), (8, 1), (9, 2)] {
                let want = slope(&|t| run(0.0, Some((e, t)))[from][i]);
                close(&format!("row {i} item {of} extra {e}"), here[of][e * n + i], want);
            }
        }
    }
    let mut d = vec![0.0; extras.len()];
    family.free_part(y, w, extras, &mut d);
    for e in 0..extras.len() {
        let at = |t: f64| {
            let mut x = extras.to_vec();
            x[e] *= t.exp();
            family.free_part(y, w, &x, &mut vec![0.0; x.len()])
        };
        close(&format!("free part, extra {e}"), d[e], slope(&at));
    }
}

/// Twelve responses of a family with weights, and linear predictors near them.
fn rows(name: &str, link: Link) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
    let mut d = Draws(77);
    let w: Vec<f64> = (0..12).map(|i| 1.0 + (i % 4) as f64).collect();
    let y = draws_of(name, &w, &mut d);
    let centre = if link.is_for_probabilities() || link == Link::Log { 0.1 } else { 1.2 };
    let centre = if name == "binomial" && link == Link::Log { -1.0 } else { centre };
    let eta = (0..12).map(|_| centre + 0.4 * (d.uniform() - 0.5)).collect();
    (y, w, eta)
}

#[test]
fn log_likelihoods_have_the_derivatives_that_are_said() {
    for (name, link) in families().into_iter().chain([("binomial", Link::Log)]) {
        let family = find(name).unwrap().with(link).unwrap();
        let (y, w, eta) = rows(name, link);
        let extras = vec![f64::exp(0.3); family.extras().len()];
        check_derivatives(&format!("{name} {link:?}"), &*family, &y, &w, &eta, &extras);
        for at in [-700.0, -40.0, 40.0, 700.0] {
            if link.is_for_probabilities() && name == "binomial" || link == Link::Log && name != "binomial" {
                let o = results(&*family, &y, &w, &vec![at; y.len()], &vec![1.3; extras.len()]);
                // a log-likelihood of minus infinity rejects a step: nothing else is looked at
                for i in 0..y.len() {
                    let fine = o[0][i] == f64::NEG_INFINITY || o[..4].iter().all(|v| v[i].is_finite());
                    assert!(fine, "{name} {link:?} {at}: {o:?}");
                }
            }
        }
    }
}

/// Mean and variance of the draws; their fourth central moment gives the error of the latter.
#[track_caller]
fn check_draws(name: &str, mu: f64, w: f64, d: f64, variance: f64) {
    let link = if mu < 1.0 && matches!(name, "binomial" | "beta") { Link::Logit } else { Link::Log };
    let family = find(name).unwrap().with(link).unwrap();
    let n = 200_000;
    let mut y = vec![0.0; n];
    let extras = vec![d; family.extras().len()];
    assert!(family.draw(&mut Rng::of(11, 3), &vec![link.of_mean(mu); n], &vec![w; n], &extras, &mut y));
    let m = y.iter().sum::<f64>() / n as f64;
    let v = y.iter().map(|x| (x - m).powi(2)).sum::<f64>() / n as f64;
    let fourth = y.iter().map(|x| (x - m).powi(4)).sum::<f64>() / n as f64;
    assert!((m - mu).abs() < 5.0 * (v / n as f64).sqrt(), "{name} {mu}: mean {m}");
    let error = ((fourth - v * v) / n as f64).sqrt();
    assert!((v - variance).abs() < 5.0 * error, "{name} {mu}: variance {v}, not {variance}");
}

#[test]
fn moments_are_those_of_the_families() {
    for mu in [0.3, 4.0, 9.9, 10.0, 60.0, 3000.0] {
        check_draws("poisson", mu, 1.0, 1.0, mu);
        check_draws("nbinom2", mu, 1.0, 0.7, mu + mu * mu / 0.7);
        check_draws("nbinom1", mu, 1.0, 1.5, 2.5 * mu);
        check_draws("gamma", mu, 1.0, 0.4, 0.16 * mu * mu);
        check_draws("inverse_gaussian", mu, 1.0, 0.3, 0.09 * mu.powi(3));
        check_draws("gaussian", mu, 1.0, 2.0, 4.0);
    }
    for mu in [0.02, 0.5, 0.8] {
        for w in [1.0, 7.0, 19.0, 60.0, 2000.0] {
            check_draws("binomial", mu, w, 1.0, mu * (1.0 - mu) / w);
        }
        check_draws("beta", mu, 1.0, 3.0, mu * (1.0 - mu) / 4.0);
    }
}

#[test]
fn impossible_means_have_no_response() {
    let drawn = |name: &str, link: Link, eta: f64| {
        let family = find(name).unwrap().with(link).unwrap();
        family.draw(&mut Rng::of(1, 1), &[eta], &[3.0], &vec![1.0; family.extras().len()], &mut [0.0])
    };
    assert!(!drawn("gamma", Link::Identity, -1.0));
    assert!(!drawn("poisson", Link::Identity, f64::NAN));
    assert!(!drawn("binomial", Link::Log, 0.2));
}

const LAPLACE: Approximation = Approximation { n_quad: 1, curvature: Curvature::Observed };

/// A t model of one factor with responses drawn from it.
fn t_model(data: &Data) -> (ranef_core::generalized::GlmmSystem, Point) {
    let family = linked::<StudentT, 2>(Link::Identity);
    let mut rng = Rng::of(4, 4);
    let (codes, levels, _) = &data.factors[0];
    let u: Vec<f64> = (0..*levels).map(|_| 0.8 * rng.normal()).collect();
    let eta: Vec<f64> = codes.iter().map(|&c| 1.5 + u[c as usize]).collect();
    let mut y = vec![0.0; eta.len()];
    assert!(family.draw(&mut rng, &eta, &data.weights, &[0.5, 4.0], &mut y));
    let g = data.with(family, &y);
    let p = Point { theta: vec![0.7; g.n_theta()], beta: vec![1.4, 0.1], extras: vec![0.6, 6.0] };
    (g, p)
}

#[test]
fn two_extra_parameters_have_exact_derivatives() {
    let (y, w, eta) = rows("t", Link::Identity);
    check_derivatives("t", &*linked::<StudentT, 2>(Link::Identity), &y, &w, &eta, &[0.6, 3.0]);
    for (name, data) in layouts() {
        let (g, p) = t_model(&data);
        let mut m = Modes::new(&g, 1);
        let expected = Approximation { curvature: Curvature::Expected, ..LAPLACE };
        let nodes = Approximation { n_quad: 4, ..LAPLACE };
        let several = g.allows_quadrature().then_some(nodes);
        for how in [LAPLACE, expected].into_iter().chain(several) {
            m.forget();
            let v = m.value(&g, &p, how, false).unwrap();
            for e in 0..2 {
                let mut at = |t: f64| {
                    let mut p = p.clone();
                    p.extras[e] *= t.exp();
                    m.forget();
                    m.value(&g, &p, how, false).unwrap().objective
                };
                let h = 2e-4;
                let want = (8.0 * (at(h) - at(-h)) - (at(2.0 * h) - at(-2.0 * h))) / (12.0 * h);
                let got = v.extras[e];
                assert!((got - want).abs() < 1e-6 * (1.0 + want.abs()), "{name} {how:?} [{e}]: {got} {want}");
            }
        }
    }
}

#[test]
fn two_extra_parameters_are_fitted_or_held() {
    let (_, data) = layouts().swap_remove(0);
    let (g, p) = t_model(&data);
    let mut m = Modes::new(&g, 1);
    let free = FitOptions {
        how: LAPLACE,
        theta: None,
        beta: None,
        extras: None,
        held: Vec::new(),
        max_evaluations: 500,
        tolerance: 1e-9,
        hessian: true,
    };
    let mut go_on = |_: usize, _: f64| true;
    let f = search(&g, &mut m, &free, &mut go_on).unwrap().fit;
    assert_eq!(f.status, Status::Converged);
    assert_eq!(f.coordinates.len(), g.n_theta() + g.p() + 2);
    // the gradient is zero, and the Hessian in both extra parameters is that of differences of the
    // gradient
    let at = |extras: Vec<f64>, m: &mut Modes| {
        m.forget();
        m.value(&g, &Point { extras, ..f.point.clone() }, LAPLACE, false).unwrap()
    };
    let n = f.coordinates.len();
    let hessian = f.given_hessian(&g).unwrap();
    for e in 0..2 {
        assert!(at(f.point.extras.clone(), &mut m).extras[e].abs() < 1e-3);
        let h: f64 = 1e-4;
        let moved = |t: f64| {
            let mut x = f.point.extras.clone();
            x[e] *= t.exp();
            x
        };
        let (up, down) = (at(moved(h), &mut m), at(moved(-h), &mut m));
        for other in 0..2 {
            let want = (up.extras[other] - down.extras[other]) / (2.0 * h);
            let got = hessian[(n - 2 + e) * n + n - 2 + other];
            assert!((got - want).abs() < 1e-3 * (1.0 + want.abs()), "[{e}, {other}]: {got} {want}");
        }
    }
    let mut m = Modes::new(&g, 1);
    let held = FitOptions { held: vec![None, Some(p.extras[1])], ..free };
    let h = search(&g, &mut m, &held, &mut go_on).unwrap().fit;
    assert_eq!((h.status, h.point.extras[1]), (Status::Converged, p.extras[1]));
    assert_eq!(h.coordinates.len(), n - 1);
    assert!(h.objective >= f.objective);
    assert_eq!(Coordinates::new(&g, true, &[]).len(), n);
}
