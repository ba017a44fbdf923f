//! Zero inflation, truncation and hurdles of any density.
//!
//! | made | density of y > 0 | of y = 0 |
//! | --- | --- | --- |
//! | truncated | f(y) / (1 - f(0)) | none |
//! | inflated | (1 - p) f(y) | p + (1 - p) f(0) |
//! | hurdle | (1 - p) f(y), or of the truncated | p |

use super::{Density, Jet, Trials};
use crate::families::kernel::{pair, triple, Kernel, KernelOut, KernelRows};
use crate::families::link::Link;
use std::marker::PhantomData;

/// What becomes of zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zero {
    /// Nothing.
    Plain,
    /// There is none.
    Truncated,
    /// There are more than the density has.
    Inflated,
    /// It has a probability of its own; whether the rest is truncated.
    Hurdle(bool),
}

impl Zero {
    /// By its name in the bindings.
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "plain" => Zero::Plain,
            "truncated" => Zero::Truncated,
            "inflated" => Zero::Inflated,
            "hurdle" => Zero::Hurdle(false),
            "truncated_hurdle" => Zero::Hurdle(true),
            _ => return None,
        })
    }

    /// Whether its probability is a linear predictor.
    pub fn has_predictor(self) -> bool {
        matches!(self, Zero::Inflated | Zero::Hurdle(_))
    }
}

/// A density D of K predictors with M predictors in all: one more where zero has its own.
pub struct Component<D, const K: usize, const M: usize> {
    link: Link,
    zero: Zero,
    trials: Option<Trials>,
    density: PhantomData<fn() -> D>,
}

/// Limits of the probability of a zero at the start.
const ZEROS: [f64; 2] = [0.02, 0.98];

impl<D: Density<K>, const K: usize, const M: usize> Component<D, K, M> {
    pub(super) fn new(link: Link, zero: Zero, trials: Option<Trials>) -> Self {
        assert_eq!(M, K + usize::from(zero.has_predictor()), "one predictor more for zero");
        Component { link, zero, trials, density: PhantomData }
    }

    /// Number of trials (where there are some) and weight of the log-likelihood of a row.
    #[inline(always)]
    fn weights(&self, rows: &KernelRows<'_>, i: usize) -> (f64, f64) {
        match &self.trials {
            Some(trials) => (trials[rows.order[i] as usize], rows.w[i]),
            None => (rows.w[i], if D::TRIALS { 1.0 } else { rows.w[i] }),
        }
    }

    /// A density is long code, so it stands here twice and not once for each case.
    #[inline(always)]
    fn row<const O: usize>(&self, y: f64, w: f64, eta: [f64; M]) -> Jet<M, O> {
        let own: [f64; K] = eta[..K].try_into().expect("the first predictors are the density's");
        let of = |y: f64| D::log_density::<O>(self.link, y, w, own);
        let zeta = || Jet::variable(eta[K], K);
        match self.zero {
            Zero::Truncated if y <= 0.0 => return Jet::constant(f64::NEG_INFINITY),
            Zero::Hurdle(_) if y == 0.0 => return -(-zeta()).softplus(),
            _ => {}
        }
        let mut density = of(y);
        if matches!(self.zero, Zero::Truncated | Zero::Hurdle(true)) {
            density = density - of(0.0).log1mexp();
        }
        let l = density.widened();
        match self.zero {
            Zero::Plain | Zero::Truncated => l,
            Zero::Inflated if y == 0.0 => l + (zeta() - l).softplus() - zeta().softplus(),
            Zero::Inflated | Zero::Hurdle(_) => l - zeta().softplus(),
        }
    }

    /// What there is of the first predictor alone, where no other one has random effects and the
    /// density has that apart.
    fn fill_by_mean(&self, rows: KernelRows<'_>, out: &mut KernelOut<'_>) -> bool {
        let n = rows.y.len();
        let alone = self.zero == Zero::Plain && rows.random.iter().enumerate().all(|(c, &random)| random == (c == 0));
        if !alone || D::TRIALS {
            return false;
        }
        for i in 0..n {
            let eta: [f64; K] = std::array::from_fn(|c| rows.eta[c * n + i]);
            let Some([l, slope, bend]) = D::by_mean(self.link, rows.y[i], rows.w[i], eta) else { return false };
            (out.l[i], out.r[i], out.w[i]) = (rows.w[i] * l, rows.w[i] * slope, -rows.w[i] * bend);
        }
        true
    }

    fn fill<const O: usize>(&self, rows: KernelRows<'_>, out: KernelOut<'_>) {
        let n = rows.y.len();
        for i in 0..n {
            let eta: [f64; M] = std::array::from_fn(|c| rows.eta[c * n + i]);
            let (trials, weight) = self.weights(&rows, i);
            let jet = self.row::<O>(rows.y[i], trials, eta);
            out.l[i] = weight * jet.v;
            for a in 0..M {
                out.r[a * n + i] = weight * jet.g[a];
                for b in a..M {
                    out.w[pair(a, b) * n + i] = -weight * jet.h[a][b];
                    if O > 2 {
                        for c in b..M {
                            out.t[triple(a, b, c) * n + i] = -weight * jet.t[a][b][c];
                        }
                    }
                }
            }
        }
    }
}

impl<D: Density<K>, const K: usize, const M: usize> Kernel for Component<D, K, M> {
    fn predictors(&self) -> usize {
        M
    }

    fn derivatives(&self, rows: KernelRows<'_>, mut out: KernelOut<'_>) {
        if out.t.is_empty() && self.fill_by_mean(rows, &mut out) {
            return;
        }
        if out.t.is_empty() {
            self.fill::<2>(rows, out);
        } else {
            self.fill::<3>(rows, out);
        }
    }

    fn starts(&self) -> usize {
        let shaped = D::other_shapes(&[0.0, 1.0], 0.5).is_some();
        if self.zero == Zero::Inflated || shaped {
            2
        } else {
            1
        }
    }

    fn start(&self, which: usize, rows: KernelRows<'_>, eta: &mut [f64]) {
        let y = rows.y;
        let n = y.len();
        // where zero is another matter, the others tell of the mean
        let hurdle = matches!(self.zero, Zero::Hurdle(_));
        let used: Vec<f64> = y.iter().copied().filter(|&y| !hurdle || y > 0.0).collect();
        let average = used.iter().sum::<f64>() / used.len().max(1) as f64;
        for i in 0..n {
            let y = if hurdle && y[i] == 0.0 { average } else { y[i] };
            eta[i] = self.link.of_mean(D::near(y, self.weights(&rows, i).0, average));
        }
        let shapes = match D::other_shapes(&used, average) {
            Some(shapes) if which > 0 => shapes,
            _ => D::shapes(&used, average),
        };
        for c in 1..K {
            eta[c * n..(c + 1) * n].fill(shapes[c]);
        }
        if M > K {
            let zeros = y.iter().filter(|&&y| y == 0.0).count() as f64 / n.max(1) as f64;
            let extra = if hurdle { zeros } else { (zeros - D::zero(average)) / (1.0 - D::zero(average)) };
            // once more with nearly all zeros from the density itself
            let p = if which > 0 { ZEROS[0] } else { extra.clamp(ZEROS[0], ZEROS[1]) };
            eta[K * n..M * n].fill((p / (1.0 - p)).ln());
        }
    }

    fn is_mixture(&self) -> bool {
        self.zero == Zero::Inflated
    }

    fn is_rough(&self) -> bool {
        D::ROUGH || matches!(self.zero, Zero::Inflated | Zero::Truncated | Zero::Hurdle(true))
    }

    fn effort(&self) -> usize {
        D::EFFORT
    }

    fn unit(&self, predictor: usize, y: &[f64]) -> f64 {
        if predictor == 0 {
            D::unit(self.link, y)
        } else {
            1.0
        }
    }

    fn simple(&self, predictor: usize, y: &[f64]) -> Option<f64> {
        if (1..K).contains(&predictor) {
            D::simple(y)[predictor]
        } else {
            None
        }
    }

    fn spread(&self, predictor: usize, y: &[f64]) -> f64 {
        if predictor == 0 {
            D::spread(self.link, y)
        } else {
            0.25
        }
    }
}
