//! Functions of one variable that formulas of curves may have, with three derivatives.

/// Functions by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// exp(x).
    Exp,
    /// The natural logarithm.
    Log,
    /// The natural logarithm of the size, which formulas do not have.
    LogAbs,
    /// The logarithm to base 2.
    Log2,
    /// The logarithm to base 10.
    Log10,
    /// log(1 + x).
    Log1p,
    /// exp(x) - 1.
    Expm1,
    /// The square root.
    Sqrt,
    /// The sine.
    Sin,
    /// The cosine.
    Cos,
    /// The tangent.
    Tan,
    /// The hyperbolic tangent.
    Tanh,
    /// The inverse of the tangent.
    Atan,
    /// 1 / (1 + exp(-x)).
    Logistic,
    /// (exp(x) - 1) / x.
    Exprel,
}

/// Below this size exprel is summed as a series: farther out the recurrence of its derivatives
/// loses nothing.
const SERIES: f64 = 2.0;
/// Terms of that series: the last is 2^24 / 24! / 27, below 1e-18.
const TERMS: usize = 24;
/// One divided by the numbers from zero on, the first of which is not used.
const INVERSE: [f64; TERMS + 4] = {
    let mut out = [f64::NAN; TERMS + 4];
    let mut n = 1;
    while n < TERMS + 4 {
        out[n] = 1.0 / n as f64;
        n += 1;
    }
    out
};

impl Function {
    /// All of them, with their names in formulas.
    pub const ALL: [(&'static str, Function); 14] = [
        ("exp", Function::Exp),
        ("log", Function::Log),
        ("log2", Function::Log2),
        ("log10", Function::Log10),
        ("log1p", Function::Log1p),
        ("expm1", Function::Expm1),
        ("sqrt", Function::Sqrt),
        ("sin", Function::Sin),
        ("cos", Function::Cos),
        ("tan", Function::Tan),
        ("tanh", Function::Tanh),
        ("atan", Function::Atan),
        ("plogis", Function::Logistic),
        ("exprel", Function::Exprel),
    ];

    /// The function of a name.
    pub fn named(name: &str) -> Option<Function> {
        Self::ALL.iter().find(|f| f.0 == name).map(|f| f.1)
    }

    /// Value and three derivatives.
    pub fn at(self, x: f64) -> [f64; 4] {
        let log = |x: f64, scale: f64| {
            let i = 1.0 / x;
            [x.ln() * scale, i * scale, -i * i * scale, 2.0 * i * i * i * scale]
        };
        match self {
            Function::Exp => [x.exp(); 4],
            Function::Log => log(x, 1.0),
            Function::LogAbs => {
                let [_, first, second, third] = log(x, 1.0);
                [x.abs().ln(), first, second, third]
            }
            Function::Log2 => log(x, std::f64::consts::LOG2_E),
            Function::Log10 => log(x, std::f64::consts::LOG10_E),
            Function::Log1p => {
                let i = 1.0 / (1.0 + x);
                [x.ln_1p(), i, -i * i, 2.0 * i * i * i]
            }
            Function::Expm1 => {
                let e = x.exp();
                [x.exp_m1(), e, e, e]
            }
            Function::Sqrt => {
                let s = x.sqrt();
                [s, 0.5 / s, -0.25 / (s * x), 0.375 / (s * x * x)]
            }
            Function::Sin => [x.sin(), x.cos(), -x.sin(), -x.cos()],
            Function::Cos => [x.cos(), -x.sin(), -x.cos(), x.sin()],
            Function::Tan => {
                let t = x.tan();
                let u = 1.0 + t * t;
                [t, u, 2.0 * t * u, 2.0 * u * (1.0 + 3.0 * t * t)]
            }
            Function::Tanh => {
                let t = x.tanh();
                let u = 1.0 - t * t;
                [t, u, -2.0 * t * u, -2.0 * u * (1.0 - 3.0 * t * t)]
            }
            Function::Atan => {
                let u = 1.0 / (1.0 + x * x);
                [x.atan(), u, -2.0 * x * u * u, (6.0 * x * x - 2.0) * u * u * u]
            }
            Function::Logistic => {
                // from the smaller tail, which loses nothing
                let small = (-x.abs()).exp();
                let (near, far) = (1.0 / (1.0 + small), small / (1.0 + small));
                let (p, q) = if x >= 0.0 { (near, far) } else { (far, near) };
                let v = p * q;
                [p, v, v * (q - p), v * (1.0 - 6.0 * v)]
            }
            Function::Exprel => exprel(x),
        }
    }
}

/// The integrals over s in (0, 1) of `s^k exp(s x)`, k = 0..3.
fn exprel(x: f64) -> [f64; 4] {
    let e = x.exp();
    if x.abs() < SERIES {
        // the last one as a series, by parts the others: errors are multiplied by x / k
        let mut d = 0.0;
        for n in (0..TERMS).rev() {
            d = INVERSE[n + 4] + x * INVERSE[n + 1] * d;
        }
        let c = (e - x * d) / 3.0;
        let b = (e - x * c) / 2.0;
        return [e - x * b, b, c, d];
    }
    let a = x.exp_m1() / x;
    let b = (e - a) / x;
    let c = (e - 2.0 * b) / x;
    [a, b, c, (e - 3.0 * c) / x]
}

/// Base^exponent for a constant exponent.
pub(super) fn power(x: f64, exponent: f64) -> [f64; 4] {
    let mut out = [0.0; 4];
    let mut factor = 1.0;
    for (k, o) in out.iter_mut().enumerate() {
        // the derivatives of a whole power end, also where x is zero
        if factor != 0.0 {
            *o = factor * x.powf(exponent - k as f64);
        }
        factor *= exponent - k as f64;
    }
    out
}

/// Base^exponent for a constant base.
pub(super) fn exponential(base: f64, x: f64) -> [f64; 4] {
    let v = base.powf(x);
    if base == 0.0 && x > 0.0 {
        return [0.0; 4];
    }
    let l = base.ln();
    [v, v * l, v * l * l, v * l * l * l]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derivatives_equal_differences() {
        let all = Function::ALL.iter().map(|f| f.1);
        for f in all {
            for x in [-3.1, -1.9, -0.3, 0.2, 0.9, 2.1, 7.5] {
                let here = f.at(x);
                if !here[0].is_finite() {
                    continue;
                }
                let h = 1e-5;
                let (a, b) = (f.at(x + h), f.at(x - h));
                for k in 0..3 {
                    let want = (a[k] - b[k]) / (2.0 * h);
                    let close = (here[k + 1] - want).abs() < 1e-8 * (1.0 + want.abs());
                    assert!(close || !want.is_finite(), "{f:?} at {x}, derivative {}: {} {want}", k + 1, here[k + 1]);
                }
            }
        }
        // both forms meet
        for side in [-1.0, 1.0] {
            let (a, b) = (exprel(side * SERIES * (1.0 - 1e-15)), exprel(side * SERIES));
            assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-13));
        }
        assert_eq!(power(0.0, 2.0), [0.0, 0.0, 2.0, 0.0]);
        assert_eq!(exponential(0.0, 1.5), [0.0; 4]);
    }
}
