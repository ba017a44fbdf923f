//! Models whose random effects can have several modes, as with the Cauchy link: the highest one is
//! looked for, level by level.
//!
//! The mode that happened to be nearest gives an objective that depends on the way of a search, and
//! that is without bound: where a mode is about to vanish its curvature is zero, and so is the
//! determinant. The highest mode is never such a one. The objective still jumps where another mode
//! becomes the highest.

use crate::families::Kernel;
use crate::generalized::pirls::{Failure, Modes};
use crate::generalized::system::GlmmSystem;

/// Spherical effects at which other modes are looked for.
const PLACES: [f64; 6] = [-4.0, -2.0, -0.7, 0.7, 2.0, 4.0];
/// Places nearer to the mode at hand than this belong to it.
const APART: f64 = 0.5;
/// How much worse a place may be, from which steps lead down to a mode.
const NEARLY: f64 = 1.0;
/// Differences of penalised log-likelihoods that are rounding.
const SAME: f64 = 1e-9;

/// Spherical effects with h, and the share of every level of every factor in it.
struct Found {
    h: f64,
    u: Vec<f64>,
    levels: Vec<Vec<f64>>,
}

impl Modes {
    /// The modes with the lowest h among those found, from the present u. Returns h, as
    /// [`Modes::solve`].
    pub(super) fn solve_among(&mut self, g: &GlmmSystem, kernel: &dyn Kernel) -> Result<f64, Failure> {
        let mut best = match self.found(g) {
            Ok(found) => found,
            Err(_) => {
                self.forget();
                self.found(g)?
            }
        };
        let random = g.random_predictors();
        for f in 0..g.effects.len() {
            for effect in 0..g.effects[f].k {
                let start = self.elsewhere(g, kernel, &random, f, effect, &best.u);
                let Some(start) = start else { continue };
                self.forget();
                self.u.copy_from_slice(&start);
                let Ok(other) = self.found(g) else { continue };
                // of every level the better one of both
                let mut mixed = best.u.clone();
                let mut taken = 0;
                let k = g.effects[f].k;
                for (l, (a, b)) in best.levels[f].iter().zip(&other.levels[f]).enumerate() {
                    let at = g.layout.first_row(f, l);
                    if b < &(a - SAME) {
                        mixed[at..at + k].copy_from_slice(&other.u[at..at + k]);
                        taken += 1;
                    }
                }
                let all = taken == best.levels[f].len();
                let mixture = if taken > 0 && !all {
                    self.forget();
                    self.u.copy_from_slice(&mixed);
                    self.found(g).ok()
                } else {
                    None
                };
                for found in [Some(other), mixture].into_iter().flatten() {
                    if found.h < best.h - SAME {
                        best = found;
                    }
                }
            }
        }
        self.forget();
        self.u.copy_from_slice(&best.u);
        self.solve(g, false)
    }

    fn found(&mut self, g: &GlmmSystem) -> Result<Found, Failure> {
        let h = self.solve(g, false)?;
        let levels = (0..g.effects.len()).map(|f| self.shares(g, f)).collect();
        Ok(Found { h, u: self.u.clone(), levels })
    }

    /// What every level of a factor has of h, as if it were the only factor.
    fn shares(&self, g: &GlmmSystem, f: usize) -> Vec<f64> {
        let k = g.effects[f].k;
        let own = |l: usize| {
            let at = g.layout.first_row(f, l);
            0.5 * self.u[at..at + k].iter().map(|u| u * u).sum::<f64>()
        };
        let mut out: Vec<f64> = (0..g.layout.factors[f].n_levels).map(own).collect();
        g.effects[f].level.iter().zip(&self.l).for_each(|(&l, v)| out[l as usize] -= v);
        out
    }

    /// A start near other modes: every level of a factor where another place of one of its
    /// effects is better than the mode at hand, or nearly.
    fn elsewhere(
        &mut self,
        g: &GlmmSystem,
        kernel: &dyn Kernel,
        random: &[bool],
        f: usize,
        effect: usize,
        u: &[f64],
    ) -> Option<Vec<f64>> {
        let n_levels = g.layout.factors[f].n_levels;
        let row = |l: usize| g.layout.first_row(f, l) + effect;
        let value = |m: &mut Modes, u: &[f64]| -> Vec<f64> {
            m.u.copy_from_slice(u);
            m.rows_of(g, kernel, random, false);
            let mut out: Vec<f64> = (0..n_levels).map(|l| 0.5 * u[row(l)] * u[row(l)]).collect();
            g.effects[f].level.iter().zip(&m.l).for_each(|(&l, v)| out[l as usize] -= v);
            out
        };
        let here = value(self, u);
        let mut least = vec![f64::INFINITY; n_levels];
        let mut place = vec![0.0; n_levels];
        let mut moved = u.to_vec();
        for c in PLACES {
            (0..n_levels).for_each(|l| moved[row(l)] = c);
            for (l, v) in value(self, &moved).into_iter().enumerate() {
                if v < least[l] && (c - u[row(l)]).abs() > APART {
                    (least[l], place[l]) = (v, c);
                }
            }
        }
        let mut out = u.to_vec();
        let mut any = false;
        for l in 0..n_levels {
            if least[l] < here[l] + NEARLY {
                out[row(l)] = place[l];
                any = true;
            }
        }
        any.then_some(out)
    }
}
