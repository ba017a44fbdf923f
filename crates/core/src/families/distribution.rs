//! What the file of one family holds, and the chain rules that turn its formulas into derivatives
//! for batches of rows.
//!
//! Most families give their log-likelihood and three derivatives in an inner variable (log mu for
//! positive means, mu otherwise); the derivatives of that variable with respect to eta turn them
//! into those of l. Every loop over rows is compiled for its family: nothing is looked up per row
//! but the link.

use super::family::{Batch, Derivatives, Extra, Family, MoreDerivatives};
use super::link::Link;
use crate::dense::kernels::vectorised;
use crate::rng::Rng;
use std::marker::PhantomData;

/// A family of one linear predictor and E extra parameters, which any of its links leads to.
pub trait Distribution<const E: usize>: Send + Sync + 'static {
    /// Its name in the bindings.
    const NAME: &'static str;
    /// Its extra parameters.
    const EXTRAS: &'static [Extra; E];

    /// Whether the link makes sense.
    fn allows(link: Link) -> bool;
    /// Whether expected and observed weights agree for every y.
    fn is_canonical(_link: Link) -> bool {
        false
    }
    /// See [`Family::derivatives`]: one call of [`each`], [`by_mean`] or [`by_log_mean`].
    fn derivatives(link: Link, b: Batch<'_>, out: Derivatives<'_>);
    /// See [`Family::more_derivatives`].
    fn more_derivatives(link: Link, b: Batch<'_>, out: MoreDerivatives<'_>);
    /// What is free of eta in the log-likelihood of one response of weight 1, and its derivatives
    /// with respect to the coordinates of the extra parameters.
    fn free(y: f64, extras: [f64; E]) -> (f64, [f64; E]);
    /// Sum of the same over rows.
    fn free_part(y: &[f64], w: &[f64], extras: [f64; E]) -> (f64, [f64; E]) {
        sum_of_free(y, w, |y| Self::free(y, extras))
    }
    /// A mean near a response, inside the range of the link. `average` is the mean of all
    /// responses.
    fn near(y: f64, w: f64, average: f64, link: Link) -> f64;
    /// Extra parameters by moments, given means.
    fn start_extras(y: &[f64], w: &[f64], mu: &[f64]) -> [f64; E];
    /// A response of mean `mu` and prior weight `w` (numbers of trials of the binomial family, else
    /// without effect); none where there is no response of that mean.
    fn draw(rng: &mut Rng, mu: f64, w: f64, extras: [f64; E]) -> Option<f64>;
}

/// A distribution with a link: a [`Family`].
pub(super) struct Linked<D, const E: usize> {
    link: Link,
    distribution: PhantomData<fn() -> D>,
}

impl<D: Distribution<E>, const E: usize> Linked<D, E> {
    pub(super) fn new(link: Link) -> Self {
        Linked { link, distribution: PhantomData }
    }
}

impl<D: Distribution<E>, const E: usize> Family for Linked<D, E> {
    fn extras(&self) -> &[Extra] {
        D::EXTRAS
    }

    fn is_canonical(&self) -> bool {
        D::is_canonical(self.link)
    }

    fn is_scale_free(&self) -> bool {
        self.link.is_scale_free()
    }

    fn has_unit(&self) -> bool {
        self.link.has_unit()
    }

    fn derivatives(&self, b: Batch<'_>, out: Derivatives<'_>) {
        D::derivatives(self.link, b, out);
    }

    fn more_derivatives(&self, b: Batch<'_>, out: MoreDerivatives<'_>) {
        D::more_derivatives(self.link, b, out);
    }

    fn free_part(&self, y: &[f64], w: &[f64], extras: &[f64], d: &mut [f64]) -> f64 {
        let (total, slope) = D::free_part(y, w, array(extras));
        d.copy_from_slice(&slope);
        total
    }

    fn means(&self, eta: &[f64], mu: &mut [f64]) {
        mu.iter_mut().zip(eta).for_each(|(m, &e)| *m = self.link.mean(e));
    }

    fn start(&self, y: &[f64], w: &[f64], eta: &mut [f64]) {
        let average = y.iter().sum::<f64>() / y.len().max(1) as f64;
        for ((e, &y), &w) in eta.iter_mut().zip(y).zip(w) {
            *e = self.link.of_mean(D::near(y, w, average, self.link));
        }
    }

    fn start_extras(&self, y: &[f64], w: &[f64], mu: &[f64], extras: &mut [f64]) {
        extras.copy_from_slice(&D::start_extras(y, w, mu));
    }

    fn can_draw(&self) -> bool {
        true
    }

    fn draw(&self, rng: &mut Rng, eta: &[f64], w: &[f64], extras: &[f64], y: &mut [f64]) -> bool {
        let extras = array(extras);
        y.iter_mut().zip(eta).zip(w).all(|((y, &e), &w)| match D::draw(rng, self.link.mean(e), w, extras) {
            Some(v) => {
                *y = v;
                true
            }
            None => false,
        })
    }
}

/// Extra parameters of a family that has E of them.
pub fn array<const E: usize>(extras: &[f64]) -> [f64; E] {
    extras.try_into().expect("as many extra parameters as the family has")
}

/// l and its derivatives with respect to eta, of one row.
pub struct Observed {
    /// See [`Derivatives`].
    pub l: f64,
    /// See [`Derivatives`].
    pub r: f64,
    /// See [`Derivatives`].
    pub wo: f64,
    /// See [`Derivatives`].
    pub dwo: f64,
}

/// Expected weight of one row and its derivative with respect to eta, and derivatives with respect
/// to the extra parameters.
pub struct Second<const E: usize> {
    /// See [`MoreDerivatives`].
    pub w: f64,
    /// See [`MoreDerivatives`].
    pub dw: f64,
    /// Those of w, l, r and wo by each extra parameter.
    pub by_extra: [[f64; 4]; E],
}

/// l and three derivatives in the inner variable.
pub type Inner = [f64; 4];

/// Expected information in the inner variable and its derivative in that, and by each extra
/// parameter the derivatives of the information and of l, l' and l''.
pub struct InnerSecond<const E: usize> {
    /// Expected information.
    pub information: f64,
    /// Its derivative in the inner variable.
    pub slope: f64,
    /// By each extra parameter: derivatives of the information, l, l', l''.
    pub by_extra: [[f64; 4]; E],
}

/// Fills the results of a batch row by row: `f` has the response, the weight and eta.
#[inline(always)]
pub fn each(b: Batch<'_>, out: Derivatives<'_>, f: impl Fn(f64, f64, f64) -> Observed) {
    vectorised(
        #[inline(always)]
        || {
            let n = b.eta.len();
            let (y, w, eta) = (&b.y[..n], &b.w[..n], &b.eta[..n]);
            let (l, r, wo, dwo) = (&mut out.l[..n], &mut out.r[..n], &mut out.wo[..n], &mut out.dwo[..n]);
            for i in 0..n {
                let o = f(y[i], w[i], eta[i]);
                l[i] = o.l;
                r[i] = o.r;
                wo[i] = o.wo;
                dwo[i] = o.dwo;
            }
        },
    );
}

/// The same for second-order results.
#[inline(always)]
pub fn each_more<const E: usize>(b: Batch<'_>, out: MoreDerivatives<'_>, f: impl Fn(f64, f64, f64) -> Second<E>) {
    let n = b.eta.len();
    for i in 0..n {
        let o = f(b.y[i], b.w[i], b.eta[i]);
        out.w[i] = o.w;
        out.dw[i] = o.dw;
        for (e, [w, l, r, wo]) in o.by_extra.into_iter().enumerate() {
            let at = e * n + i;
            (out.w_d[at], out.l_d[at], out.r_d[at], out.wo_d[at]) = (w, l, r, wo);
        }
    }
}

/// Chain rule: `t` holds the derivatives of the inner variable with respect to eta.
#[inline(always)]
fn observed(w: f64, f: Inner, t: [f64; 3]) -> Observed {
    let t11 = t[0] * t[0];
    Observed {
        l: w * f[0],
        r: w * f[1] * t[0],
        wo: -w * (f[2] * t11 + f[1] * t[1]),
        dwo: -w * (f[3] * t11 * t[0] + 3.0 * f[2] * t[0] * t[1] + f[1] * t[2]),
    }
}

#[inline(always)]
fn second<const E: usize>(w: f64, f: InnerSecond<E>, t: [f64; 3]) -> Second<E> {
    let t11 = t[0] * t[0];
    Second {
        w: w * f.information * t11,
        dw: w * (f.slope * t11 * t[0] + 2.0 * f.information * t[0] * t[1]),
        by_extra: f.by_extra.map(|[i, l, l1, l2]| [w * i * t11, w * l, w * l1 * t[0], -w * (l2 * t11 + l1 * t[1])]),
    }
}

/// Derivatives of a family in log mu: `f` has the response, log mu and the extra parameters.
#[inline(always)]
pub fn by_log_mean<const E: usize>(
    link: Link,
    b: Batch<'_>,
    out: Derivatives<'_>,
    f: impl Fn(f64, f64, [f64; E]) -> Inner,
) {
    let x = array(b.extras);
    if link == Link::Log {
        return each(b, out, |y, w, eta| observed(w, f(y, eta, x), [1.0, 0.0, 0.0]));
    }
    each(b, out, |y, w, eta| {
        let [tau, t1, t2, t3] = link.log_mean(eta);
        observed(w, f(y, tau, x), [t1, t2, t3])
    });
}

/// Second-order results of the same.
#[inline(always)]
pub fn more_by_log_mean<const E: usize>(
    link: Link,
    b: Batch<'_>,
    out: MoreDerivatives<'_>,
    f: impl Fn(f64, f64, [f64; E]) -> InnerSecond<E>,
) {
    let x = array(b.extras);
    if link == Link::Log {
        return each_more(b, out, |y, w, eta| second(w, f(y, eta, x), [1.0, 0.0, 0.0]));
    }
    each_more(b, out, |y, w, eta| {
        let [tau, t1, t2, t3] = link.log_mean(eta);
        second(w, f(y, tau, x), [t1, t2, t3])
    });
}

/// Derivatives of a family in mu: `f` has the response, mu and, where means are probabilities, 1 -
/// mu, and the extra parameters.
#[inline(always)]
pub fn by_mean<const E: usize>(
    link: Link,
    b: Batch<'_>,
    out: Derivatives<'_>,
    f: impl Fn(f64, [f64; 2], [f64; E]) -> Inner,
) {
    let x = array(b.extras);
    each(b, out, |y, w, eta| {
        let (mu, rest, t) = link.derivatives(eta);
        observed(w, f(y, [mu, rest], x), t)
    });
}

/// Second-order results of the same.
#[inline(always)]
pub fn more_by_mean<const E: usize>(
    link: Link,
    b: Batch<'_>,
    out: MoreDerivatives<'_>,
    f: impl Fn(f64, [f64; 2], [f64; E]) -> InnerSecond<E>,
) {
    let x = array(b.extras);
    each_more(b, out, |y, w, eta| {
        let (mu, rest, t) = link.derivatives(eta);
        second(w, f(y, [mu, rest], x), t)
    });
}

/// Second-order results where the log-likelihood is p times a function of y and mu, with p = 1 /
/// d^2.
#[inline(always)]
pub fn scaled(information: f64, slope: f64, f: Inner) -> InnerSecond<1> {
    InnerSecond { information, slope, by_extra: [[-2.0 * information, -2.0 * f[0], -2.0 * f[1], -2.0 * f[2]]] }
}

/// Counts up to this are looked up: they repeat.
const REPEATED: usize = 256;

/// Sum over rows of the weight times what is free of eta.
pub fn sum_of_free<const E: usize>(y: &[f64], w: &[f64], f: impl Fn(f64) -> (f64, [f64; E])) -> (f64, [f64; E]) {
    let mut total = (0.0, [0.0; E]);
    let mut known: Vec<Option<(f64, [f64; E])>> = vec![None; REPEATED];
    for (&y, &w) in y.iter().zip(w) {
        let count = (0.0..REPEATED as f64).contains(&y) && y.fract() == 0.0;
        let (l, l_d) = match (count, known.get(y as usize)) {
            (true, Some(Some(v))) => *v,
            _ => {
                let v = f(y);
                if count {
                    known[y as usize] = Some(v);
                }
                v
            }
        };
        total.0 += w * l;
        for (t, l_d) in total.1.iter_mut().zip(l_d) {
            *t += w * l_d;
        }
    }
    total
}

/// Weighted mean over rows of a function of the response and its mean.
pub fn moment(y: &[f64], w: &[f64], mu: &[f64], f: impl Fn(f64, f64) -> f64) -> f64 {
    let total: f64 = w.iter().sum();
    y.iter().zip(mu).zip(w).map(|((&y, &m), &w)| w * f(y, m)).sum::<f64>() / total
}
