//! A generalized model with crossed factors: its rows, the modes of its random effects by deflated
//! conjugate gradients, and Laplace's approximation with its gradient.
//!
//! With h(u) = -sum l_i + u'u/2 at the modes and M = L'Z'WZL + I, d = 2 h + log|M|. The leverages
//! a_i = d log|M| / dW_i are those of the same decomposition as the value: s = a dW/deta, v = M^-1
//! L'Z's, rho = s - 2 r - W Z L v, and the gradient is X'rho by the fixed effects and sum (Z'rho)_l
//! u_l' + (Z'r)_l v_l' + d log|M| / dL by Lambda. All of it is linear in the leverages, so that
//! groups of the probes, which show its error, are columns of the same passes.

use super::block::WIDEST;
use super::cg::Precision;
use super::gathered::Gathered;
use super::graph::{Graph, Numbers};
use super::inverse::Inverse;
use super::logdet::{Decomposition, Probed};
use super::probes::Signs;
use super::row_passes::{GlmmRows, Pass, PassSums};
use super::sides::{outer, Sides};
use crate::basis::Basis;
use crate::crossprod::{products_of_x, settle_rank};
use crate::error::CoreError;
use crate::families::{ways_of_repeats, Family};
use crate::layout::{FactorSpec, Frame, Lambda, Layout};
use crate::linear::{Chart, Score};
use crate::memory::room_for;
use crate::rows::Rows;
use crate::watch::Watch;
use std::ops::Range;
use std::sync::Arc;

/// Precision of what the gradient is linear in, and of the average information.
const LINEAR: Precision = Precision { tolerance: 1e-6, least: 1, enough: 0.0 };
const INFORMATION: Precision = Precision { tolerance: 1e-4, least: 1, enough: 0.0 };
/// Groups of probes whose gradients show its error.
pub(super) const GROUPS: usize = 4;

/// See the module.
pub struct CrossedGlmm {
    pub(super) g: Graph,
    pub(super) layout: Layout,
    pub(super) rows: GlmmRows,
    /// Row of the caller that stands at each place here.
    pub(super) order: Vec<u32>,
    pub(super) family: Arc<dyn Family>,
    pub(super) n_threads: usize,
    /// What the preconditioner of Newton steps is made of; empty before the first.
    pub(super) rest: Vec<f64>,
}

/// Parameters, and the modes there once they are found.
#[derive(Clone)]
pub struct Estimates {
    /// Of each block.
    pub frames: Vec<Frame>,
    /// Fixed effects in the changed basis.
    pub beta: Vec<f64>,
    /// Extra parameters of the family, which are held.
    pub extras: Vec<f64>,
    /// Spherical random effects of both halves.
    pub(super) u: [Vec<f64>; 2],
    pub(super) lambda: Lambda,
    /// Part of the log-likelihood that is free of the linear predictors.
    pub(super) free: f64,
    /// X'r and Z'r at the last pass.
    pub(super) xr: Vec<f64>,
    pub(super) zr: [Vec<f64>; 2],
    pub(super) h: f64,
}

/// Value and derivatives at the modes of some parameters.
pub(super) struct Found {
    pub(super) objective: f64,
    pub(super) log_det: f64,
    pub(super) probed: Vec<Probed>,
    /// Half the derivatives by Lambda, then those by the fixed effects.
    pub(super) gradient: (Lambda, Vec<f64>),
    /// The same by some of the probes.
    pub(super) groups: Vec<(Lambda, Vec<f64>)>,
    /// Average information: of the chart's coordinates, and X'V^-1X.
    pub(super) information: (Vec<f64>, Vec<f64>),
    /// What the preconditioner of Newton steps near here is made of.
    pub(super) rest: Vec<f64>,
}

/// What is asked for beside value and gradient.
#[derive(Clone, Copy)]
pub(super) struct Ask<'w> {
    pub(super) probes: usize,
    pub(super) signs: Signs,
    /// Groups of probes that there are gradients of.
    pub(super) groups: usize,
    pub(super) information: bool,
    pub(super) watch: &'w dyn Watch,
}

pub(super) fn undefined() -> CoreError {
    CoreError::Degenerate("the modes of the random effects cannot be found at these parameters".into())
}

impl CrossedGlmm {
    /// Of rows in memory; `rows.y` and `rows.weights` are the response and the prior weights.
    ///
    /// # Errors
    /// Fewer than two factors, sizes that do not agree, or what does not fit into memory.
    pub fn new(
        rows: &Rows<'_>,
        offset: Option<&[f64]>,
        family: Arc<dyn Family>,
        n_threads: usize,
    ) -> Result<Self, CoreError> {
        rows.check()?;
        let n = rows.n();
        if family.predictors() != 1 || offset.is_some_and(|o| o.len() != n) {
            return Err(CoreError::Shape("rows have one linear predictor and one offset each".into()));
        }
        // the weights of the last step change: columns are scaled as they are
        let plain = Rows { weights: None, ..rows.clone() };
        let mut basis = Basis::of_columns(&plain);
        let products = products_of_x(&plain, &basis);
        let p = basis.p();
        settle_rank(&plain, &mut basis, &products, p)?;
        let p = basis.p();
        room_for((p as f64 + 8.0) * n as f64, || format!("the {p} columns of the fixed effects of {n} rows"))?;
        let specs: Vec<FactorSpec> = rows.factors.iter().map(FactorSpec::of).collect();
        let mut gathered = Gathered::new(basis.clone(), specs.clone())?;
        gathered.update(&plain)?;
        let mut g = gathered.sorted()?;
        drop(gathered);
        g.weights = Some(Numbers::Single(vec![0.0; n]));
        let layout = Layout::new(&specs, &[], basis)?;
        // the place of each row, as they were sorted
        let codes = rows.factors[g.eliminated.factor].codes;
        let mut next = g.start.clone();
        let mut order = vec![0u32; n];
        for (i, &c) in codes.iter().enumerate() {
            order[next[c as usize]] = i as u32;
            next[c as usize] += 1;
        }
        let pick = |v: &[f64]| -> Vec<f64> { order.iter().map(|&i| v[i as usize]).collect() };
        let numbers = |v: &[f64]| {
            if v.iter().all(|&v| f64::from(v as f32) == v) {
                Numbers::Single(order.iter().map(|&i| v[i as usize] as f32).collect())
            } else {
                Numbers::Double(pick(v))
            }
        };
        let mut x = vec![0.0; n * p];
        let mut given = vec![0.0; p];
        for (row, &i) in x.chunks_exact_mut(p.max(1)).zip(&order) {
            given.iter_mut().zip(&layout.basis.kept).for_each(|(t, &j)| *t = rows.x[j].at(i as usize));
            layout.basis.x_row(&given, row);
        }
        let prior = rows.weights.filter(|w| w.iter().any(|&w| w != 1.0)).map(numbers);
        let mut kept = GlmmRows::new((n, p), x, numbers(rows.y), prior);
        kept.offset = offset.map(pick).unwrap_or_default();
        Ok(CrossedGlmm { g, layout, rows: kept, order, family, n_threads, rest: Vec::new() })
    }

    /// Takes how often the trials of each row count, in the caller's order.
    pub fn repeat(&mut self, repeats: &[f64]) {
        self.rows.repeats = Some(self.order.iter().map(|&i| repeats[i as usize]).collect());
    }

    /// Factors, terms and change of basis.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Family.
    pub fn family(&self) -> &dyn Family {
        &*self.family
    }

    /// Bytes that an exact factor takes at most.
    pub fn exact_bytes(&self) -> f64 {
        16.0 * (self.g.n_places() as f64).powi(2)
    }

    pub(super) fn sides(&self) -> Sides<'_> {
        Sides { g: &self.g, layout: &self.layout, n_threads: self.n_threads }
    }

    /// Parameters, the random effects at zero.
    pub fn at(&self, frames: Vec<Frame>, beta: Vec<f64>, extras: Vec<f64>) -> Estimates {
        Estimates {
            lambda: self.layout.lambda_of(&frames),
            free: self.free_part(&extras),
            frames,
            beta,
            extras,
            u: self.sides().zeros(1),
            xr: Vec::new(),
            zr: [Vec::new(), Vec::new()],
            h: f64::INFINITY,
        }
    }

    /// Other parameters, from the same random effects.
    pub(super) fn moved(&self, s: &Estimates, frames: Vec<Frame>, beta: Vec<f64>) -> Estimates {
        Estimates { lambda: self.layout.lambda_of(&frames), frames, beta, h: f64::INFINITY, ..s.clone() }
    }

    /// Random effects in the changed basis.
    pub(super) fn effects(&self, lambda: &Lambda, u: &[Vec<f64>; 2]) -> [Vec<f64>; 2] {
        let mut b = u.clone();
        self.sides().scale(lambda, false, &mut b, 1);
        b
    }

    pub(super) fn pass<'a>(&'a self, s: &'a Estimates, b: &'a [Vec<f64>; 2]) -> Pass<'a> {
        Pass {
            g: &self.g,
            rows: &self.rows,
            family: &*self.family,
            extras: &s.extras,
            beta: &s.beta,
            b,
            threads: self.n_threads,
        }
    }

    /// Derivatives and weights at the present u; h less the free part of the log-likelihood.
    ///
    /// # Errors
    /// An interruption.
    pub(super) fn rows_pass(&mut self, s: &mut Estimates, expected: bool, watch: &dyn Watch) -> Result<f64, CoreError> {
        let Some(Numbers::Single(mut weights)) = self.g.weights.take() else {
            unreachable!("the weights of a generalized model are in single precision")
        };
        let b = self.effects(&s.lambda, &s.u);
        let sums = self.pass(s, &b).derivatives(&mut weights, expected, watch);
        self.g.weights = Some(Numbers::Single(weights));
        let PassSums { value, x, z, squares } = sums?;
        self.g.squares = squares;
        (s.xr, s.zr) = (x, z);
        s.h = 0.5 * s.u.iter().flatten().map(|v| v * v).sum::<f64>() - value;
        Ok(s.h)
    }

    /// Value, gradient and information at parameters whose modes were found last.
    ///
    /// # Errors
    /// An interruption, or no convergence.
    pub(super) fn examine(&self, s: &Estimates, ask: Ask<'_>) -> Result<Found, CoreError> {
        let d = Decomposition::new(&self.g, &s.lambda, self.n_threads, ask.watch)?;
        let mut inverse = Inverse::new(&d, ask.signs, 0)?;
        let mut probed = Vec::with_capacity(ask.probes);
        for from in (0..ask.probes).step_by(WIDEST) {
            let (some, pair) = d.probe_and_pair(ask.signs, from, WIDEST.min(ask.probes - from))?;
            inverse.add_pair(pair);
            probed.extend(some);
        }
        let of_x = self.products_of_x(s, ask.watch)?;
        let groups = self.gradients(s, &inverse, (&probed, ask.groups), &of_x.z, ask.watch)?;
        let share = |i: usize| group(i, ask.groups, ask.probes).len() as f64 / ask.probes.max(1) as f64;
        let mut gradient = (self.layout.zero_lambda(), vec![0.0; s.beta.len()]);
        for (i, (gamma, beta)) in groups.iter().enumerate() {
            let by = if ask.probes == 0 { 1.0 / groups.len() as f64 } else { share(i) };
            gradient.0.iter_mut().flatten().zip(gamma.iter().flatten()).for_each(|(t, v)| *t += by * v);
            gradient.1.iter_mut().zip(beta).for_each(|(t, v)| *t += by * v);
        }
        let information =
            if ask.information { self.information(s, &d, &gradient.0, of_x)? } else { (Vec::new(), Vec::new()) };
        let log_det = d.known() + probed.iter().map(|p| p.value).sum::<f64>() / probed.len().max(1) as f64;
        let objective = 2.0 * (s.h - s.free) + log_det;
        let rest = d.blocks().rest.clone();
        Ok(Found { objective, log_det, probed, gradient, groups, information, rest })
    }

    /// The part of the log-likelihood that is free of eta.
    fn free_part(&self, extras: &[f64]) -> f64 {
        let n = self.rows.n;
        let (mut slope, mut y, mut w) = (vec![0.0; extras.len()], Vec::new(), Vec::new());
        (0..n)
            .step_by(1 << 16)
            .map(|from| {
                let rows = from..(from + (1 << 16)).min(n);
                self.rows.y_of(rows.clone(), &mut y);
                self.rows.prior_of(rows.clone(), &mut w);
                match &self.rows.repeats {
                    Some(repeats) => ways_of_repeats(&*self.family, &y, &w, &repeats[rows]),
                    None => self.family.free_part(&y, &w, extras, &mut slope),
                }
            })
            .sum()
    }

    /// More probes for the value alone.
    pub(super) fn more_probes(
        &self,
        s: &Estimates,
        range: Range<usize>,
        ask: Ask<'_>,
    ) -> Result<Vec<Probed>, CoreError> {
        let d = Decomposition::new(&self.g, &s.lambda, self.n_threads, ask.watch)?;
        let mut out = Vec::new();
        for from in range.clone().step_by(WIDEST) {
            out.extend(d.probe(ask.signs, from, WIDEST.min(range.end - from), false)?);
        }
        Ok(out)
    }

    /// Half the derivatives by Lambda and those by the fixed effects, by each of some groups of the
    /// probes; `wx` is Z'WX.
    fn gradients(
        &self,
        s: &Estimates,
        inverse: &Inverse<'_>,
        (probed, groups): (&[Probed], usize),
        wx: &[Vec<f64>; 2],
        watch: &dyn Watch,
    ) -> Result<Vec<(Lambda, Vec<f64>)>, CoreError> {
        let groups: Vec<Range<usize>> = (0..groups).map(|i| group(i, groups, probed.len())).collect();
        let (m, p, sides, d) = (groups.len(), s.beta.len(), self.sides(), inverse.decomposition());
        let b = self.effects(&s.lambda, &s.u);
        let fill = |part: Range<usize>, out: &mut [f64]| inverse.of_part(part, &groups, out);
        let PassSums { x: xs, z: zs, .. } = self.pass(s, &b).third_derivatives(m, &fill, watch)?;
        let mut right = zs.clone();
        sides.scale(&s.lambda, true, &mut right, m);
        let (v1, v2) = d.solve_to(LINEAR, &right[0], &right[1], m)?;
        let v = [v1, v2];
        // what v moves in the changed basis, and the weighted linear predictors with it
        let mut moved = v.clone();
        sides.scale(&s.lambda, false, &mut moved, m);
        let along = sides.gram(&moved, m);
        let mut xwv = vec![0.0; p * m];
        for (wx, moved) in wx.iter().zip(&moved) {
            for (wx, moved) in wx.chunks_exact(p.max(1)).zip(moved.chunks_exact(m)) {
                for (to, x) in xwv.chunks_exact_mut(m).zip(wx) {
                    to.iter_mut().zip(moved).for_each(|(t, v)| *t += x * v);
                }
            }
        }
        let of_group = |(c, group): (usize, &Range<usize>)| {
            let mut gamma = d.known_derivative().clone();
            for probe in &probed[group.clone()] {
                for (to, v) in gamma.iter_mut().flatten().zip(probe.derivative.iter().flatten()) {
                    *to += v / group.len() as f64;
                }
            }
            for (half, part) in self.g.in_order() {
                let (k, to) = (part.k(), &mut gamma[part.factor]);
                for (first, _) in part.levels() {
                    for i in first..first + k {
                        let zr = s.zr[half][i];
                        let rho = zs[half][i * m + c] - 2.0 * zr - along[half][i * m + c];
                        for (j, to) in to[(i - first) * k..(i - first + 1) * k].iter_mut().enumerate() {
                            *to += rho * s.u[half][first + j] + zr * v[half][(first + j) * m + c];
                        }
                    }
                }
            }
            gamma.iter_mut().flatten().for_each(|v| *v *= 0.5);
            (gamma, (0..p).map(|j| xs[j * m + c] - 2.0 * s.xr[j] - xwv[j * m + c]).collect())
        };
        Ok(groups.iter().enumerate().map(of_group).collect())
    }

    /// Average information of the linearised model: of the chart's coordinates, and X'V^-1X.
    fn information(
        &self,
        s: &Estimates,
        d: &Decomposition<'_>,
        gamma: &Lambda,
        of_x: PassSums,
    ) -> Result<(Vec<f64>, Vec<f64>), CoreError> {
        let (sides, p) = (self.sides(), self.rows.p);
        let forms = |w: &[f64], n: usize| -> Result<Vec<f64>, CoreError> {
            let mut out = vec![0.0; n * n];
            if n == 0 {
                return Ok(out);
            }
            let w = sides.halves(w, n);
            let mut c = sides.gram(&w, n);
            (0..2).for_each(|half| outer(&w[half], &c[half], n, 1.0, &mut out));
            sides.scale(&s.lambda, true, &mut c, n);
            let (m1, m2) = d.solve_to(INFORMATION, &c[0], &c[1], n)?;
            outer(&c[0], &m1, n, -1.0, &mut out);
            outer(&c[1], &m2, n, -1.0, &mut out);
            Ok((0..n * n).map(|t| 0.5 * (out[t] + out[t % n * n + t / n])).collect())
        };
        let mut score = Score::new(&self.layout);
        score.u = sides.laid_out(&s.u, 1);
        let zr = sides.laid_out(&s.zr, 1);
        score.fg.chunks_exact_mut(p + 1).zip(&zr).for_each(|(row, g)| row[p] = *g);
        score.gamma.clone_from(gamma);
        let psi: Vec<Vec<f64>> = self
            .layout
            .blocks
            .iter()
            .zip(&s.frames)
            .map(|(b, f)| {
                let null = f.k - f.rank(f64::MIN_POSITIVE);
                f.psi(gamma, *b, f64::MIN_POSITIVE, &vec![0.0; null * null])
            })
            .collect();
        // a residual variance that is known: nothing is taken off for its estimation
        const KNOWN: f64 = 1e30;
        let (_, h) = Chart::new(&self.layout).derivatives((KNOWN, KNOWN), forms, &score, &s.frames, &psi)?;
        let PassSums { x: mut xwx, z: mut a, .. } = of_x;
        sides.scale(&s.lambda, true, &mut a, p);
        let (m1, m2) = d.solve_to(INFORMATION, &a[0], &a[1], p)?;
        outer(&a[0], &m1, p.max(1), -1.0, &mut xwx);
        outer(&a[1], &m2, p.max(1), -1.0, &mut xwx);
        Ok((h, xwx))
    }

    /// X'WX and Z'WX with the weights of the last pass.
    ///
    /// # Errors
    /// An interruption.
    pub(super) fn products_of_x(&self, s: &Estimates, watch: &dyn Watch) -> Result<PassSums, CoreError> {
        if self.rows.p == 0 {
            return Ok(PassSums { z: self.sides().zeros(0), ..PassSums::default() });
        }
        self.pass(s, &s.u).products_of_x(watch)
    }
}

/// One of so many groups of probes.
fn group(i: usize, groups: usize, probes: usize) -> Range<usize> {
    i * probes / groups..(i + 1) * probes / groups
}
