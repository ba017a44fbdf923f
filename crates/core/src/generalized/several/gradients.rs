//! The gradient against central differences for every density, what is made of zero, and layout of
//! random effects.

use super::tests::{kernels, HOW};
use super::{FixedBlock, SeveralRows};
use crate::families::{Kernel, Several};
use crate::generalized::{GlmmSystem, Modes, Point};
use crate::rng::Rng;
use crate::rows::{FactorRows, TermRows};
use crate::structure::{Structure, Unstructured};
use std::sync::Arc;

const ROWS: usize = 48;
/// Step of differences, and their largest relative distance from the gradient.
const STEP: f64 = 1e-3;
const CLOSE: f64 = 1e-6;

/// Where random effects are: in the mean, unless said otherwise.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Effects {
    One,
    Slopes,
    Nested,
    Crossed,
    /// In the last predictor too: the zero part where there is one.
    Last,
    /// In the dispersion too.
    Second,
    /// Correlated across the mean and the last predictor.
    Across,
}

const LAYOUTS: [Effects; 7] =
    [Effects::One, Effects::Slopes, Effects::Nested, Effects::Crossed, Effects::Last, Effects::Second, Effects::Across];

/// Codes of levels, columns and responses of a model.
struct Data {
    y: Vec<f64>,
    w: Vec<f64>,
    one: Vec<f64>,
    x: Vec<f64>,
    codes: [Vec<i32>; 3],
}

impl Data {
    fn new(y: &[f64], w: &[f64]) -> Self {
        let mut rng = Rng::of(5, 2);
        let pick: Vec<usize> = (0..ROWS).map(|_| (rng.uniform() * y.len() as f64) as usize % y.len()).collect();
        let a: Vec<i32> = (0..ROWS).map(|i| (i % 6) as i32).collect();
        let b: Vec<i32> = (0..ROWS).map(|i| ((i / 5) % 4) as i32).collect();
        let nested = a.iter().enumerate().map(|(i, a)| 2 * a + (i as i32 / 6) % 2).collect();
        Data {
            y: pick.iter().map(|&i| y[i].min(6.0)).collect(),
            w: pick.iter().map(|&i| w[i]).collect(),
            one: vec![1.0; ROWS],
            x: (0..ROWS).map(|_| 2.0 * rng.uniform() - 1.0).collect(),
            codes: [a, b, nested],
        }
    }

    fn factor<'a>(&'a self, f: usize, z: Vec<&'a [f64]>) -> FactorRows<'a> {
        let n_levels = self.codes[f].iter().max().map_or(0, |l| *l as usize + 1);
        let terms = vec![TermRows { z, structure: Arc::new(Unstructured) as Arc<dyn Structure> }];
        FactorRows { codes: &self.codes[f], members: None, n_levels, terms }
    }

    fn system<'a>(&'a self, kernel: Arc<dyn Kernel>, layout: Effects) -> GlmmSystem {
        let (m, one, x) = (kernel.predictors(), &self.one[..], &self.x[..]);
        let factor = |f: usize, z: Vec<&'a [f64]>| self.factor(f, z);
        let columns = |c: usize| if c < 2 || c + 1 == m { vec![one, x] } else { vec![one] };
        let (factors, of) = match layout {
            Effects::One => (vec![factor(0, vec![one])], vec![vec![0]]),
            Effects::Slopes => (vec![factor(0, vec![one, x])], vec![vec![0, 0]]),
            Effects::Nested => (vec![factor(0, vec![one]), factor(2, vec![one])], vec![vec![0], vec![0]]),
            Effects::Crossed => (vec![factor(0, vec![one]), factor(1, vec![one])], vec![vec![0], vec![0]]),
            Effects::Last => (vec![factor(0, vec![one]), factor(1, vec![one])], vec![vec![0], vec![m - 1]]),
            Effects::Second => (vec![factor(0, vec![one]), factor(1, vec![one])], vec![vec![0], vec![1.min(m - 1)]]),
            Effects::Across => (vec![factor(0, vec![one, one])], vec![vec![0, m - 1]]),
        };
        let rows = SeveralRows {
            y: &self.y,
            weights: Some(&self.w),
            fixed: (0..m).map(|c| FixedBlock { parts: vec![(c, columns(c))] }).collect(),
            offsets: vec![None; m],
            factors,
            of,
            thresholds: None,
        };
        GlmmSystem::several(&rows, Arc::new(Several(kernel))).expect("the model can be set up")
    }
}

/// The largest relative error of the gradient at one point.
fn error_of(g: &GlmmSystem) -> Result<f64, String> {
    let mut m = Modes::new(g, 1);
    let theta: Vec<f64> = (0..g.n_theta()).map(|i| [0.3, 0.1, 0.25][i % 3]).collect();
    let mut beta = Vec::new();
    let mut last = usize::MAX;
    for part in &g.parts {
        for j in 0..part.p {
            let first = if part.predictor == last { 0.0 } else { [0.7, 0.3, 0.2, -0.3, 0.1][part.predictor] };
            beta.push(if j == 0 { first } else { 0.15 });
        }
        last = part.predictor;
    }
    let point = Point { theta, beta, extras: Vec::new() };
    let value = m.value(g, &point, HOW, false).map_err(|e| format!("{e:?}"))?;
    let slope = [g.layout.pull_back(&point.theta, &value.gamma), value.beta.clone()].concat();
    let nt = g.n_theta();
    let mut worst = 0.0f64;
    for (i, got) in slope.iter().enumerate() {
        let mut at = [0.0; 4];
        for (at, d) in at.iter_mut().zip([STEP, -STEP, 2.0 * STEP, -2.0 * STEP]) {
            let mut moved = point.clone();
            let entry = if i < nt { &mut moved.theta[i] } else { &mut moved.beta[i - nt] };
            *entry += d;
            *at = m.value(g, &moved, HOW, false).map_err(|e| format!("{e:?}"))?.objective;
        }
        let want = (8.0 * (at[0] - at[1]) - (at[2] - at[3])) / (12.0 * STEP);
        worst = worst.max((got - want).abs() / (1.0 + want.abs()));
    }
    Ok(worst)
}

#[test]
fn the_gradient_of_every_density_and_layout_equals_differences() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for (name, kernel, y, w) in kernels() {
        let m = kernel.predictors();
        let data = Data::new(&y, &w);
        for layout in LAYOUTS {
            // with one predictor these are the others again
            if m == 1 && matches!(layout, Effects::Last | Effects::Second | Effects::Across) {
                continue;
            }
            count += 1;
            match error_of(&data.system(kernel.clone(), layout)) {
                Ok(error) if error <= CLOSE => {}
                other => wrong.push(format!("{name} {layout:?}: {other:?}")),
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(count > 250, "{count}");
}
