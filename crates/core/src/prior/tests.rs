use super::*;

/// Derivatives of densities of covariance matrices against differences, and constants against
/// integrals.
#[test]
fn derivatives_of_covariance_densities() {
    let root = [1.3, 0.0, -0.4, 0.7];
    let covariance = |r: &[f64]| -> Vec<f64> {
        let mut out = vec![0.0; 4];
        for i in 0..2 {
            for j in 0..2 {
                out[i * 2 + j] = (0..2).map(|c| r[i * 2 + c] * r[j * 2 + c]).sum();
            }
        }
        out
    };
    let scale = vec![2.0, 0.3, 0.3, 1.5];
    let laws = [
        OfCovariance::Wishart { df: 4.5, scale: None },
        OfCovariance::Wishart { df: 4.5, scale: inverted(&scale, 2) },
        OfCovariance::InverseWishart { df: 5.0, scale: scale.clone(), log_det: inverted(&scale, 2).unwrap().1 },
        OfCovariance::Lkj { eta: 2.5 },
        OfCovariance::Each { law: OfNumber::Gamma { shape: 2.5, rate: 0.3 }, variance: false },
        OfCovariance::Each { law: OfNumber::InverseGamma { shape: 1.5, scale: 0.8 }, variance: true },
        OfCovariance::Each { law: OfNumber::HalfT { df: 3.0, scale: 2.0 }, variance: false },
        OfCovariance::Each { law: OfNumber::HalfT { df: f64::INFINITY, scale: 2.0 }, variance: false },
    ];
    let sigma = covariance(&root);
    for law in &laws {
        let (_, d) = law.penalty(&sigma, 2).unwrap();
        for i in 0..2 {
            for j in 0..=i {
                let step = 1e-5;
                let moved = |h: f64| {
                    let mut s = sigma.clone();
                    s[i * 2 + j] += h;
                    if i != j {
                        s[j * 2 + i] += h;
                    }
                    law.penalty(&s, 2).unwrap().0
                };
                let difference = (moved(step) - moved(-step)) / (2.0 * step);
                let exact = if i == j { d[i * 2 + i] } else { d[i * 2 + j] + d[j * 2 + i] };
                assert!((difference - exact).abs() < 1e-7 * exact.abs().max(1.0), "{law:?} {difference} {exact}");
            }
        }
    }
}

#[test]
fn densities_of_numbers_integrate_to_one() {
    let laws = [
        OfNumber::Gamma { shape: 2.5, rate: 0.7 },
        OfNumber::InverseGamma { shape: 3.0, scale: 2.0 },
        OfNumber::HalfT { df: 7.0, scale: 1.5 },
        OfNumber::HalfT { df: f64::INFINITY, scale: 1.5 },
    ];
    for law in laws {
        // over log t
        let (n, from, to) = (20_000, -25.0, 25.0f64);
        let h = (to - from) / n as f64;
        let sum: f64 = (0..n)
            .map(|i| {
                let t = (from + (i as f64 + 0.5) * h).exp();
                h * t * (-0.5 * law.penalty(t).0).exp()
            })
            .sum();
        assert!((sum - 1.0).abs() < 1e-6, "{law:?} {sum}");
        let t = 0.8;
        let difference = (law.penalty(t + 1e-6).0 - law.penalty(t - 1e-6).0) / 2e-6;
        assert!((difference - law.penalty(t).1).abs() < 1e-7);
    }
}

#[test]
fn correlation_densities_integrate_to_one() {
    for eta in [1.0, 2.0, 4.5] {
        let law = OfCovariance::Lkj { eta };
        let n = 20_000;
        let sum: f64 = (0..n)
            .map(|i| {
                let r = -1.0 + (i as f64 + 0.5) * 2.0 / n as f64;
                // the scale of the effects does not count
                let s = [4.0, 2.0 * 3.0 * r, 2.0 * 3.0 * r, 9.0];
                2.0 / n as f64 * (-0.5 * law.penalty(&s, 2).unwrap().0).exp()
            })
            .sum();
        assert!((sum - 1.0).abs() < 1e-6, "{eta} {sum}");
    }
}

#[test]
fn one_dimensional_wisharts_are_gamma_densities() {
    let scale = inverted(&[2.0], 1);
    let w = OfCovariance::Wishart { df: 5.0, scale };
    let g = OfCovariance::Each { law: OfNumber::Gamma { shape: 2.5, rate: 0.25 }, variance: true };
    let i = OfCovariance::InverseWishart { df: 5.0, scale: vec![2.0], log_det: 2f64.ln() };
    let h = OfCovariance::Each { law: OfNumber::InverseGamma { shape: 2.5, scale: 1.0 }, variance: true };
    for s in [0.3, 1.7] {
        for (a, b) in [(&w, &g), (&i, &h)] {
            let (x, y) = (a.penalty(&[s], 1).unwrap(), b.penalty(&[s], 1).unwrap());
            assert!((x.0 - y.0).abs() < 1e-12 && (x.1[0] - y.1[0]).abs() < 1e-12);
        }
    }
}

#[test]
fn derivatives_of_effect_densities() {
    let matrix = [4.0, 0.5, 0.5, 2.0];
    let (precision, log_det) = inverted(&matrix, 2).unwrap();
    let laws = [
        OfEffects::Normal { precision: precision.clone(), log_det, relative: false },
        OfEffects::Joint { df: 3.0, precision, log_det },
        OfEffects::Each(vec![
            NumberPrior { law: OfNumber::StudentT { df: 4.0, mean: 0.0, scale: 1.5 }, of: Scale::Itself },
            NumberPrior { law: OfNumber::Gamma { shape: 2.5, rate: 0.7 }, of: Scale::Exponential(2.0) },
        ]),
    ];
    for law in laws {
        let p = EffectsPrior { at: vec![2, 0], mean: vec![0.3, -1.0], law };
        let b = [0.4, 9.0, 1.1];
        let mut slope = vec![0.0; 3];
        p.penalty(&b, &mut slope);
        for j in 0..3 {
            let at = |h: f64| {
                let mut b = b;
                b[j] += h;
                p.penalty(&b, &mut [0.0; 3])
            };
            assert!(((at(1e-5) - at(-1e-5)) / 2e-5 - slope[j]).abs() < 1e-8);
        }
    }
}
