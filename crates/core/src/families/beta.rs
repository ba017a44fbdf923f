//! Numbers between 0 and 1.

use super::distribution::{by_mean, moment, more_by_mean, Distribution, Inner, InnerSecond};
use super::family::{Batch, Derivatives, Extra, MoreDerivatives};
use super::gamma::draw_log;
use super::link::Link;
use super::special::{lgamma, polygamma};
use crate::rng::Rng;

/// The variance is mu (1 - mu) / (1 + d).
pub struct Beta;

/// Largest number below 1.
const BELOW_ONE: f64 = 1.0 - f64::EPSILON / 2.0;

impl Distribution<1> for Beta {
    const NAME: &'static str = "beta";
    const EXTRAS: &'static [Extra; 1] = &[Extra::positive("precision")];

    fn allows(link: Link) -> bool {
        link.is_for_probabilities()
    }

    fn derivatives(link: Link, b: Batch<'_>, out: Derivatives<'_>) {
        by_mean(link, b, out, inner);
    }

    fn more_derivatives(link: Link, b: Batch<'_>, out: MoreDerivatives<'_>) {
        more_by_mean(link, b, out, inner_second);
    }

    fn free(_: f64, _: [f64; 1]) -> (f64, [f64; 1]) {
        (0.0, [0.0])
    }

    fn near(y: f64, _: f64, _: f64, _: Link) -> f64 {
        y.clamp(1e-3, 1.0 - 1e-3)
    }

    fn start_extras(y: &[f64], w: &[f64], mu: &[f64]) -> [f64; 1] {
        [(1.0 / moment(y, w, mu, |y, m| (y - m).powi(2) / (m * (1.0 - m))) - 1.0).clamp(0.2, 1e4)]
    }

    fn draw(rng: &mut Rng, mu: f64, _: f64, [d]: [f64; 1]) -> Option<f64> {
        (0.0..=1.0).contains(&mu).then(|| {
            let (a, b) = (draw_log(rng, (mu * d).max(1e-300)), draw_log(rng, ((1.0 - mu) * d).max(1e-300)));
            (1.0 / (1.0 + (b - a).exp())).clamp(f64::MIN_POSITIVE, BELOW_ONE)
        })
    }
}

fn inner(y: f64, [mu, nu]: [f64; 2], [d]: [f64; 1]) -> Inner {
    let (a, b) = ((mu * d).max(1e-100), (nu * d).max(1e-100));
    let (pa, pb) = (polygamma(a), polygamma(b));
    let (ly, lz) = (y.ln(), (-y).ln_1p());
    [
        lgamma(d) - lgamma(a) - lgamma(b) + (a - 1.0) * ly + (b - 1.0) * lz,
        d * (ly - lz - pa.0 + pb.0),
        -d * d * (pa.1 + pb.1),
        -d * d * d * (pa.2 - pb.2),
    ]
}

fn inner_second(y: f64, [mu, nu]: [f64; 2], [d]: [f64; 1]) -> InnerSecond<1> {
    let (a, b) = ((mu * d).max(1e-100), (nu * d).max(1e-100));
    let (pa, pb) = (polygamma(a), polygamma(b));
    let (ly, lz) = (y.ln(), (-y).ln_1p());
    let i = d * d * (pa.1 + pb.1);
    let i_d = 2.0 * i + d * d * (a * pa.2 + b * pb.2);
    let l1 = d * (ly - lz - pa.0 + pb.0);
    InnerSecond {
        information: i,
        slope: d * d * d * (pa.2 - pb.2),
        by_extra: [[
            i_d,
            d * (polygamma(d).0 - mu * pa.0 - nu * pb.0 + mu * ly + nu * lz),
            l1 + d * (b * pb.1 - a * pa.1),
            -i_d,
        ]],
    }
}
