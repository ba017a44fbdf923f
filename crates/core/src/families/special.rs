//! Gamma, digamma and normal-tail functions, and their differences where subtraction would cancel.

/// Argument from which the asymptotic series are used.
const LARGE: f64 = 12.0;

/// log Gamma(x) - \[(x - 1/2) log x - x + log(2 pi)/2\] for large x.
fn lgamma_tail(x: f64) -> f64 {
    let z = 1.0 / (x * x);
    let p = 1.0 / 12.0
        + z * (-1.0 / 360.0
            + z * (1.0 / 1260.0
                + z * (-1.0 / 1680.0 + z * (1.0 / 1188.0 + z * (-691.0 / 360_360.0 + z * (1.0 / 156.0))))));
    p / x
}

/// digamma(x) - log x for large x.
fn digamma_tail(x: f64) -> f64 {
    let z = 1.0 / (x * x);
    let p = 1.0 / 12.0
        - z * (1.0 / 120.0
            - z * (1.0 / 252.0 - z * (1.0 / 240.0 - z * (1.0 / 132.0 - z * (691.0 / 32_760.0 - z * (1.0 / 12.0))))));
    -0.5 / x - z * p
}

/// trigamma(x) - 1/x for large x.
fn trigamma_tail(x: f64) -> f64 {
    let z = 1.0 / (x * x);
    let p = 1.0 / 6.0
        - z * (1.0 / 30.0
            - z * (1.0 / 42.0 - z * (1.0 / 30.0 - z * (5.0 / 66.0 - z * (691.0 / 2730.0 - z * (7.0 / 6.0))))));
    0.5 * z + z / x * p
}

/// Second derivative of digamma, plus 1/x^2, for large x.
fn tetragamma_tail(x: f64) -> f64 {
    let z = 1.0 / (x * x);
    let p = 0.5
        - z * (1.0 / 6.0
            - z * (1.0 / 6.0 - z * (3.0 / 10.0 - z * (5.0 / 6.0 - z * (691.0 / 210.0 - z * (35.0 / 2.0))))));
    -z / x - z * z * p
}

/// log Gamma(x) for x > 0.
pub fn lgamma(x: f64) -> f64 {
    let (mut x, mut product) = (x, 1.0);
    while x < LARGE {
        product *= x;
        x += 1.0;
    }
    (x - 0.5) * x.ln() - x + 0.5 * (2.0 * std::f64::consts::PI).ln() + lgamma_tail(x) - product.ln()
}

/// x log x - x - log Gamma(x), without cancellation for large x.
pub fn gamma_normaliser(x: f64) -> f64 {
    if x >= LARGE {
        0.5 * (x / (2.0 * std::f64::consts::PI)).ln() - lgamma_tail(x)
    } else {
        x * x.ln() - x - lgamma(x)
    }
}

/// log x - digamma(x), without cancellation for large x.
pub fn log_minus_digamma(x: f64) -> f64 {
    if x >= LARGE {
        -digamma_tail(x)
    } else {
        x.ln() - polygamma(x).0
    }
}

/// digamma, trigamma and tetragamma of x > 0.
pub fn polygamma(x: f64) -> (f64, f64, f64) {
    let mut x = x.max(1e-100);
    let (mut a, mut b, mut c) = (0.0, 0.0, 0.0);
    while x < LARGE {
        let v = 1.0 / x;
        a -= v;
        b += v * v;
        c -= 2.0 * v * v * v;
        x += 1.0;
    }
    (a + x.ln() + digamma_tail(x), b + 1.0 / x + trigamma_tail(x), c - 1.0 / (x * x) + tetragamma_tail(x))
}

/// Differences between x + y and x (y >= 0, x > 0) of log Gamma, digamma, trigamma and tetragamma.
///
/// They keep their relative precision as x grows: the Poisson limit of the negative binomial
/// families.
pub fn polygamma_differences(y: f64, x: f64) -> (f64, f64, f64, f64) {
    let mut s = x.max(1e-100);
    let (mut g, mut a, mut b, mut c) = (1.0, 0.0, 0.0, 0.0);
    if y <= 24.0 && y.fract() == 0.0 {
        let mut log = 0.0;
        for j in 0..y as usize {
            let t = s + j as f64;
            let v = 1.0 / t;
            g *= t;
            if !(1e-250..=1e250).contains(&g) {
                log += g.ln();
                g = 1.0;
            }
            a += v;
            b -= v * v;
            c += 2.0 * v * v * v;
        }
        return (log + g.ln(), a, b, c);
    }
    let mut log = 0.0;
    while s < LARGE {
        let (u, v) = (1.0 / s, 1.0 / (s + y));
        log -= (y * u).ln_1p();
        a += y * u * v;
        b -= (u - v) * (u + v);
        c += 2.0 * (u - v) * (u * u + u * v + v * v);
        s += 1.0;
    }
    let t = s + y;
    let (u, v) = (1.0 / s, 1.0 / t);
    let ratio = (y * u).ln_1p();
    g = log + y * t.ln() + ((s - 0.5) * ratio - y) + (lgamma_tail(t) - lgamma_tail(s));
    a += ratio + (digamma_tail(t) - digamma_tail(s));
    b += -y * u * v + (trigamma_tail(t) - trigamma_tail(s));
    c += y * u * v * (u + v) + (tetragamma_tail(t) - tetragamma_tail(s));
    (g, a, b, c)
}

/// Chebyshev coefficients of (1 + 2 x) erfcx(x) in (x - 3.75) / (x + 3.75), x >= 0.
const ERFCX: [f64; 21] = [
    1.1775789345674017,
    -0.004590054580646408,
    -0.08424913336651801,
    0.05920993999819202,
    -0.026658668435305878,
    0.00907499767070531,
    -0.002413163540417753,
    0.0004907758365260807,
    -6.916973302513313e-05,
    4.139027986060917e-06,
    7.740383064440415e-07,
    -2.188640104483497e-07,
    1.0764999331530635e-08,
    4.521959762193717e-09,
    -7.754404882098776e-10,
    -6.318048306752645e-11,
    2.8688110220720378e-11,
    1.9475532297974497e-13,
    -9.663561617578865e-13,
    3.40172334745148e-14,
    3.232969447708456e-14,
];

/// exp(x^2) erfc(x) for x >= 0.
pub fn erfcx(x: f64) -> f64 {
    let t = (x - 3.75) / (x + 3.75);
    let (mut a, mut b) = (0.0, 0.0);
    for c in ERFCX[1..].iter().rev() {
        let next = 2.0 * t * a - b + c;
        b = a;
        a = next;
    }
    (t * a - b + ERFCX[0]) / (1.0 + 2.0 * x)
}

/// log Phi(x) and the ratio of density to distribution function of the normal distribution.
pub fn log_normal_cdf(x: f64) -> (f64, f64) {
    const ROOT_2_OVER_PI: f64 = 0.797_884_560_802_865_4;
    let e = erfcx(x.abs() * std::f64::consts::FRAC_1_SQRT_2);
    if x <= 0.0 {
        (-0.5 * x * x + (0.5 * e).ln(), ROOT_2_OVER_PI / e)
    } else {
        let density = (-0.5 * x * x).exp();
        let upper = 0.5 * e * density;
        ((-upper).ln_1p(), 0.5 * ROOT_2_OVER_PI * density / (1.0 - upper))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) {
        assert!((a - b).abs() <= 4e-14 * (1.0 + b.abs()), "{a} {b}");
    }

    #[test]
    fn known_values() {
        close(lgamma(0.5), 0.5 * std::f64::consts::PI.ln());
        close(lgamma(11.0), 3_628_800f64.ln());
        let euler = 0.577_215_664_901_532_9;
        let (a, b, c) = polygamma(1.0);
        close(a, -euler);
        close(b, std::f64::consts::PI.powi(2) / 6.0);
        close(c, -2.0 * 1.202_056_903_159_594_3);
        close(erfcx(0.0), 1.0);
        close(erfcx(1.0), 0.427_583_576_155_807);
        close(erfcx(1e6), 5.641_895_835_474_742e-7);
        let (l, m) = log_normal_cdf(-40.0);
        close(l, -804.608_442_013_753_9);
        close(m, 40.024_968_847_207_27);
        close(log_normal_cdf(1.0).0, -0.172_753_779_023_449_9);
    }

    #[test]
    fn differences_agree_with_subtraction_and_with_the_limit() {
        for &(y, x) in &[(3.0, 0.4), (3.5, 0.4), (60.0, 2.5), (1000.0, 30.0), (0.0, 3.0), (24.0, 7.0), (25.0, 7.0)] {
            let (g, a, b, c) = polygamma_differences(y, x);
            let (p, q) = (polygamma(x + y), polygamma(x));
            close(g, lgamma(x + y) - lgamma(x));
            close(a, p.0 - q.0);
            close(b, p.1 - q.1);
            close(c, p.2 - q.2);
        }
        let (_, a, ..) = polygamma_differences(200.0, 1e12);
        assert!((a / (200.0 / 1e12) - 1.0).abs() < 1e-9);
    }
}
