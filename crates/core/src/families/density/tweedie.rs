//! Tweedie's compound Poisson-gamma distribution: a mass at zero and positive numbers, the variance
//! phi mu^p with p between 1 and 2.
//!
//! log f = (y theta - kappa) / phi + c(y, phi, p): only c needs a sum, and c does not depend on the
//! mean, so that it is kept while the modes are found.

use super::blocks::{log1pmx, stirling_error};
use super::counts::log_mean;
use super::positive::LIMIT;
use super::series::{terms, Known, Shared};
use super::{Density, Jet};
use crate::families::link::Link;
use crate::families::special::{lgamma, log_minus_digamma, polygamma, polygamma_differences};
use std::cell::RefCell;

/// Standard deviations from which the sum has a stride, its width and reach, and how much further
/// it reaches to the right.
const WIDE: f64 = 2.5;
const STRIDE: f64 = 0.55;
const REACH: f64 = 9.0;
const RIGHT: f64 = 1.25;
/// Terms below this share of the largest end a sum of few.
const NEGLIGIBLE: f64 = 5e-19;
/// Shape of the gamma variables up to which neighbouring terms have ratios in tables; of larger
/// ones there are few terms.
const LARGEST_SHAPE: f64 = 20.0;
/// Limit of psi.
const FAR: f64 = 20.0;
/// Relative distance from which the logarithm of a ratio has no digits to lose.
const APART: f64 = 0.5;

/// Mean, log phi and psi with p = 1 + 1 / (1 + e^-psi).
pub struct Tweedie;

/// What rows of one power share: ratios of neighbouring terms, and digamma, trigamma and tetragamma
/// of j times the shape, from j = 1.
#[derive(Default)]
struct OfPower {
    ratios: Vec<f64>,
    gammas: Vec<[f64; 3]>,
}

struct Work {
    shared: Shared<OfPower>,
    nodes: Vec<Node>,
    w: Vec<f64>,
    /// Log densities at mu = y by y, log phi and psi.
    known: Known<3, Jet<2, 3>>,
}

thread_local! {
    static WORK: RefCell<Work> =
        const { RefCell::new(Work { shared: Shared::new(), nodes: Vec::new(), w: Vec::new(), known: Known::new() }) };
}

/// A term of the sum: its weight, and by what it depends on the shape A of the gamma variables, for
/// j of them.
#[derive(Clone, Copy)]
struct Node {
    w: f64,
    j: f64,
    /// j (log z - digamma(j A)), j^2 trigamma(j A), j^3 tetragamma(j A).
    by_shape: [f64; 3],
}

/// log m^x e^-m / Gamma(x + 1) without cancellation; `log` is that of m.
fn log_poisson(x: f64, m: f64, log: f64) -> f64 {
    let e = (m - x) / x;
    if e.abs() < APART {
        x * log1pmx(e) - stirling_error(x) - 0.5 * (2.0 * std::f64::consts::PI * x).ln()
    } else {
        x * log - m - lgamma(x + 1.0)
    }
}

/// Log of the density at mu = y as a function of log phi and psi: what the rest is added to.
///
/// The density is the sum over numbers j of gamma variables of the exponential of
/// `T_j = j L - e^L + j A Z - e^Z - log j! - log Gamma(j A) - log y`, with L the log of the mean of
/// j, Z that of y in the scale of the gamma variables, and A their shape; derivatives are moments
/// of those of `T_j`.
fn at_own_mean(work: &mut Work, y: f64, d: f64, psi: f64) -> Jet<2, 3> {
    let delta = Jet::<2, 3>::variable(d, 0);
    let s = Jet::<2, 3>::variable(psi, 1).sigmoid();
    let u = Jet::<2, 3>::variable(psi, 1).scaled(-1.0).sigmoid();
    let shape = (-Jet::<2, 3>::variable(psi, 1)).exp();
    let ly = y.ln();
    let power = u.scaled(ly) - delta;
    let (log_lam, log_z) = (power - u.ln(), power - s.ln());
    let (lam, z, a) = (log_lam.v.exp(), log_z.v.exp(), shape.v);
    let sd = (lam.max(1.0) / (1.0 + a)).sqrt();
    let wide = sd > WIDE && lam - REACH * sd > 1.0;
    let (first, h) = if wide { (lam, STRIDE * sd) } else { (lam.round().max(1.0), 1.0) };
    let value = |j: f64| {
        let x = j * a;
        log_poisson(j, lam, log_lam.v) + log_poisson(x, z, log_z.v) + x.ln() - ly
    };
    let top = value(first);
    let nodes = &mut work.nodes;
    nodes.clear();
    if !wide && a < LARGEST_SHAPE {
        let of = work.shared.of(psi);
        let log_a = a.ln();
        // from one to two and so on; those from zero are never used
        let ratio = |j: usize| {
            let x = j.max(1) as f64 * a;
            (a * log_a - polygamma_differences(a, x).0).exp() / (j as f64 + 1.0)
        };
        let theta = (log_lam.v + a * (log_z.v - log_a)).exp();
        let Some(least) = terms(theta, first as usize, 1, &mut of.ratios, ratio, &mut work.w) else {
            return Jet::constant(f64::NAN);
        };
        for j in of.gammas.len() + 1..least + work.w.len() {
            let (g, g1, g2) = polygamma(j as f64 * a);
            of.gammas.push([g, g1, g2]);
        }
        nodes.extend(work.w.iter().zip(&of.gammas[least - 1..]).enumerate().map(|(i, (&w, g))| {
            let j = (least + i) as f64;
            Node { w, j, by_shape: [j * (log_z.v - g[0]), j * j * g[1], j * j * j * g[2]] }
        }));
    } else {
        let node = |j: f64| {
            let x = j * a;
            let (_, g1, g2) = polygamma(x);
            let log = if z > APART * x { (z / x).ln() } else { log_z.v - x.ln() };
            let by_shape = [j * (log + log_minus_digamma(x)), j * j * g1, j * j * j * g2];
            Node { w: (value(j) - top).exp(), j, by_shape }
        };
        nodes.push(node(first));
        let reach = |times: f64| if wide { (times * REACH / STRIDE) as usize } else { usize::MAX };
        for (sign, count) in [(-1.0, reach(1.0).min((first - 1.0) as usize)), (1.0, reach(RIGHT))] {
            for k in 1..=count {
                let one = node(first + sign * h * k as f64);
                if !wide && (one.w < NEGLIGIBLE || one.w.is_nan()) {
                    break;
                }
                nodes.push(one);
            }
        }
    }
    let total: f64 = nodes.iter().map(|n| n.w).sum();
    let (mut e, mut by_a, mut b, mut c) = (0.0, 0.0, 0.0, 0.0);
    for n in &*nodes {
        e += n.w * (n.j - lam);
        by_a += n.w * n.by_shape[0];
        b += n.w * n.by_shape[1];
        c += n.w * n.by_shape[2];
    }
    (e, by_a, b, c) = (e / total, by_a / total, b / total, c / total);
    // central moments of j and of the derivative by A, and covariances with the second one
    let mut m = [[0.0; 4]; 4];
    let (mut b_e, mut b_a) = (0.0, 0.0);
    for n in &*nodes {
        let (p, q, w) = (n.j - lam - e, n.by_shape[0] - by_a, n.w / total);
        let (wp, wq) = (w * p, w * q);
        m[2][0] += wp * p;
        m[1][1] += wp * q;
        m[0][2] += wq * q;
        m[3][0] += wp * p * p;
        m[2][1] += wp * p * q;
        m[1][2] += wp * q * q;
        m[0][3] += wq * q * q;
        b_e += wp * n.by_shape[1];
        b_a += wq * n.by_shape[1];
    }
    let mut f = Jet::<3, 3>::constant(top + (total * h).ln());
    f.g = [e, a * e, by_a];
    f.h[0] = [m[2][0] - lam, a * m[2][0], m[1][1]];
    f.h[1][1] = a * a * m[2][0] - z;
    f.h[1][2] = lam + e + a * m[1][1];
    f.h[2][2] = m[0][2] - b;
    f.t[0][0] = [m[3][0] - lam, a * m[3][0], m[2][1]];
    f.t[0][1] = [0.0, a * a * m[3][0], m[2][0] + a * m[2][1]];
    f.t[0][2][2] = m[1][2] - b_e;
    f.t[1][1][1] = a * a * a * m[3][0] - z;
    f.t[1][1][2] = 2.0 * a * m[2][0] + a * a * m[2][1];
    f.t[1][2][2] = a * (m[1][2] - b_e) + 2.0 * m[1][1];
    f.t[2][2][2] = m[0][3] - 3.0 * b_a - c;
    f.of([log_lam, log_z, shape])
}

/// Log density at mu = y, which stays the same while the modes are found.
fn own(y: f64, d: f64, psi: f64) -> Jet<2, 3> {
    WORK.with(|work| {
        let mut work = work.borrow_mut();
        work.known.find([y, d, psi]).unwrap_or_else(|| {
            let made = at_own_mean(&mut work, y, d, psi);
            work.known.keep([y, d, psi], made);
            made
        })
    })
}

impl Density<3> for Tweedie {
    fn log_density<const O: usize>(link: Link, y: f64, _: f64, [eta, d, psi]: [f64; 3]) -> Jet<3, O> {
        let (d, psi) = (d.clamp(-LIMIT, LIMIT), psi.clamp(-FAR, FAR));
        let a = log_mean::<3, O>(link, eta);
        let delta = Jet::<3, O>::variable(d, 1);
        let s = Jet::<3, O>::variable(psi, 2).sigmoid();
        let u = Jet::<3, O>::variable(psi, 2).scaled(-1.0).sigmoid();
        if y <= 0.0 {
            return -((u * a - delta).exp() * u.recip());
        }
        // (y theta - kappa) / phi, less the same at mu = y
        let (ly, ratio) = (y.ln(), a.plus(-y.ln()));
        let rest = (u * ratio).exp_m1() * u.recip() + (-(s * ratio)).exp_m1() * s.recip();
        let change = -((u.scaled(ly) - delta).exp() * rest);
        let own = own(y, d, psi);
        let mut wide = Jet::<3, O>::constant(own.v);
        for i in 0..2 {
            wide.g[i + 1] = own.g[i];
            for j in i..2 {
                wide.h[i + 1][j + 1] = own.h[i][j];
                for k in j..2 {
                    wide.t[i + 1][j + 1][k + 1] = own.t[i][j][k];
                }
            }
        }
        wide + change
    }

    fn by_mean(link: Link, y: f64, _: f64, [eta, d, psi]: [f64; 3]) -> Option<[f64; 3]> {
        let (d, psi) = (d.clamp(-LIMIT, LIMIT), psi.clamp(-FAR, FAR));
        let [a, a1, a2, _] = link.log_mean(eta);
        let e = (-psi.abs()).exp();
        let (small, large) = (e / (1.0 + e), 1.0 / (1.0 + e));
        let (s, u) = if psi < 0.0 { (small, large) } else { (large, small) };
        let (value, slope, bend) = if y <= 0.0 {
            let mean = (u * a - d).exp();
            (-mean / u, -mean, -u * mean)
        } else {
            let ly = y.ln();
            let unit = (u * ly - d).exp();
            let (up, down) = ((u * (a - ly)).exp_m1(), (-s * (a - ly)).exp_m1());
            let value = own(y, d, psi).v - unit * (up / u + down / s);
            (value, -unit * (up - down), -unit * (u * (1.0 + up) + s * (1.0 + down)))
        };
        Some([value, slope * a1, bend * a1 * a1 + slope * a2])
    }

    fn simple(_: &[f64]) -> [Option<f64>; 3] {
        [None, Some(-1.0), None]
    }

    fn near(y: f64, _: f64, average: f64) -> f64 {
        y.max(0.2 * average)
    }

    fn shapes(y: &[f64], average: f64) -> [f64; 3] {
        let n = y.len().max(1) as f64;
        let variance = y.iter().map(|y| (y - average).powi(2)).sum::<f64>() / n;
        [0.0, (variance / average.powf(1.5)).max(1e-3).ln(), 0.0]
    }

    fn zero(average: f64) -> f64 {
        (-average).exp()
    }
}
