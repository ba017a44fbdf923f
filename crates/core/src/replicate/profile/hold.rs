//! How the covariance parameters of a model with structures follow from free coordinates while one
//! natural parameter is held.
//!
//! Coordinates are the parameters themselves but for one, which the held value determines: by the
//! length of a row of a triangle, by the angle between two rows, or by the parameter that has the
//! same place as the natural one.

/// The last entry of a row of a triangle: as it is, as its logarithm, or always one, where rows are
/// scaled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Last {
    /// As it is.
    Plain(usize),
    /// Its logarithm.
    Log(usize),
    /// One.
    One,
}

/// Places of a row of a lower triangle among the parameters.
#[derive(Clone, Debug)]
pub struct Row {
    /// Entries below the diagonal.
    pub below: Vec<usize>,
    /// The diagonal.
    pub last: Last,
}

impl Row {
    /// Its entries.
    fn get(&self, x: &[f64]) -> Vec<f64> {
        let last = match self.last {
            Last::Plain(i) => x[i],
            Last::Log(i) => x[i].exp(),
            Last::One => 1.0,
        };
        self.below.iter().map(|&i| x[i]).chain([last]).collect()
    }

    /// Writes them; false where they cannot be those of such a row.
    fn put(&self, entries: &[f64], x: &mut [f64]) -> bool {
        let end = entries[entries.len() - 1];
        let scale = if self.last == Last::One { 1.0 / end } else { 1.0 };
        self.below.iter().zip(entries).for_each(|(&i, v)| x[i] = v * scale);
        match self.last {
            Last::Plain(i) => x[i] = end,
            Last::Log(i) => x[i] = end.ln(),
            Last::One => {}
        }
        entries.iter().all(|v| v.is_finite()) && (matches!(self.last, Last::Plain(_)) || end > 0.0)
    }
}

/// What is held, as a function of the place of the walk.
#[derive(Clone, Debug)]
pub enum Hold {
    /// No covariance parameter.
    Nothing,
    /// The logarithm of sigma; parameters in units of sigma are then coordinates in units of the
    /// estimate.
    Sigma {
        /// The logarithm of the estimate.
        estimate: f64,
        /// These parameters.
        relative: Vec<usize>,
    },
    /// The length of a row, times sigma where it is a coordinate; one of one entry keeps its sign.
    Length {
        /// The row.
        row: Row,
        /// Its sign.
        sign: f64,
    },
    /// The sine of the angle of two rows less a quarter turn, which is their correlation.
    Angle {
        /// The shorter one.
        first: Row,
        /// The longer one.
        second: Row,
    },
    /// A parameter that is the place of the walk itself.
    Itself(usize),
    /// A natural parameter, by a parameter.
    Pivot {
        /// Its number.
        natural: usize,
        /// The parameter.
        at: usize,
    },
}

/// Value of a natural parameter at a place of the walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Walked {
    /// A standard deviation: itself.
    Sd,
    /// A correlation: its arcsine.
    Correlation,
    /// What is positive: its logarithm.
    Positive,
    /// Any number: itself.
    Number,
}

impl Walked {
    /// The value.
    pub fn value(self, w: f64) -> f64 {
        match self {
            Walked::Correlation => w.sin(),
            Walked::Positive => w.exp(),
            _ => w,
        }
    }

    /// The place.
    pub fn place(self, value: f64) -> f64 {
        match self {
            Walked::Correlation => value.clamp(-1.0, 1.0).asin(),
            Walked::Positive => value.ln(),
            _ => value,
        }
    }
}

/// Largest step of a search for a parameter.
const STEP: f64 = 2.0;
/// Steps of it, at most.
const STEPS: usize = 200;
/// Error of the natural parameter that it finds.
const CLOSE: f64 = 1e-13;
/// Displacement for differences.
const DISPLACEMENT: f64 = 1e-6;

/// Coordinates while something is held.
pub struct Coordinates {
    /// What.
    pub hold: Hold,
    /// How it is walked.
    pub walked: Walked,
    /// The parameters that are coordinates, in order.
    pub free: Vec<usize>,
    /// Values of the others where nothing determines them.
    pub template: Vec<f64>,
    /// Whether the logarithm of sigma is a coordinate, the last.
    pub with_sigma: bool,
}

impl Coordinates {
    /// With everything free that `hold` does not determine, and `left_out` at the template.
    pub fn new(hold: Hold, walked: Walked, template: Vec<f64>, left_out: &[usize], with_sigma: bool) -> Self {
        let determined = match &hold {
            Hold::Nothing | Hold::Sigma { .. } => None,
            Hold::Length { row, .. } => match row.last {
                Last::Plain(i) | Last::Log(i) => Some(i),
                Last::One => None,
            },
            Hold::Angle { first, second } => Some(second.below[first.below.len()]),
            Hold::Itself(at) | Hold::Pivot { at, .. } => Some(*at),
        };
        let free = (0..template.len()).filter(|i| Some(*i) != determined && !left_out.contains(i)).collect();
        Coordinates { hold, walked, free, template, with_sigma }
    }

    /// The logarithm of sigma where it is a coordinate.
    pub fn log_sigma(&self, phi: &[f64]) -> Option<f64> {
        self.with_sigma.then(|| phi[self.free.len()])
    }

    /// All parameters; none where no parameters have what is held.
    pub fn full(&self, phi: &[f64], w: f64, natural: &dyn Fn(&[f64]) -> Vec<f64>) -> Option<Vec<f64>> {
        let mut x = self.template.clone();
        self.free.iter().zip(phi).for_each(|(&i, v)| x[i] = *v);
        match &self.hold {
            Hold::Nothing => {}
            Hold::Sigma { estimate, relative } => relative.iter().for_each(|&i| x[i] *= (estimate - w).exp()),
            Hold::Itself(at) => x[*at] = w,
            Hold::Length { row, sign } => {
                let length = self.walked.value(w) / self.log_sigma(phi).map_or(1.0, f64::exp);
                let mut v: Vec<f64> = row.below.iter().map(|&i| x[i]).collect();
                v.push(*sign);
                let norm = v.iter().map(|v| v * v).sum::<f64>().sqrt();
                v.iter_mut().for_each(|v| *v *= length / norm);
                if !row.put(&v, &mut x) {
                    return None;
                }
            }
            Hold::Angle { first, second } => {
                let j = first.below.len();
                let mut low = first.get(&x);
                let mut high = second.get(&x);
                low.resize(high.len(), 0.0);
                high[j] = 0.0;
                let norm = |v: &[f64]| v.iter().map(|v| v * v).sum::<f64>().sqrt();
                let (length, of_low) = (norm(&high), norm(&low));
                let along = high.iter().zip(&low).map(|(h, l)| h * l).sum::<f64>() / (of_low * of_low);
                let across: Vec<f64> = high.iter().zip(&low).map(|(h, l)| h - along * l).collect();
                let of_across = norm(&across);
                let (sin, cos) = w.sin_cos();
                let turned: Vec<f64> =
                    low.iter().zip(&across).map(|(l, a)| length * (sin * l / of_low + cos * a / of_across)).collect();
                if !second.put(&turned, &mut x) {
                    return None;
                }
            }
            Hold::Pivot { natural: number, at } => {
                let goal = self.walked.value(w);
                let own = |x: &[f64]| natural(x)[*number];
                let mut found = false;
                for _ in 0..STEPS {
                    let here = own(&x);
                    if (here - goal).abs() <= CLOSE * (1.0 + goal.abs()) {
                        found = true;
                        break;
                    }
                    let middle = x[*at];
                    let beside = |h: f64, x: &mut Vec<f64>| {
                        x[*at] = middle + h;
                        own(x)
                    };
                    let slope = (beside(1e-5, &mut x) - beside(-1e-5, &mut x)) / 2e-5;
                    let step = (goal - here) / slope;
                    if !step.is_finite() {
                        return None;
                    }
                    x[*at] = middle + step.clamp(-STEP, STEP);
                }
                if !found {
                    return None;
                }
            }
        }
        x.iter().all(|v| v.is_finite()).then_some(x)
    }

    /// The coordinates nearest to parameters.
    pub fn read(&self, x: &[f64], sigma: f64) -> Vec<f64> {
        let mut own = x.to_vec();
        let norm = |v: &[f64]| v.iter().map(|v| v * v).sum::<f64>().sqrt();
        match &self.hold {
            Hold::Length { row, .. } => {
                let entries = row.get(x);
                let r = entries.len() - 1;
                let least = 1e-8 * norm(&entries);
                let end = if entries[r].abs() > least { entries[r].abs() } else { least };
                row.below.iter().zip(&entries).for_each(|(&i, v)| own[i] = if end > 0.0 { v / end } else { 0.0 });
            }
            Hold::Angle { first, second } => {
                let j = first.below.len();
                let (low, high) = (first.get(x), second.get(x));
                let along = if low[j] == 0.0 { 0.0 } else { high[j] / low[j] };
                let mut h: Vec<f64> =
                    high.iter().enumerate().map(|(i, v)| v - along * low.get(i).unwrap_or(&0.0)).collect();
                h[j] = 0.0;
                let scale = norm(&high) / norm(&h);
                if scale.is_finite() {
                    h.iter_mut().for_each(|v| *v *= scale);
                    second.put(&h, &mut own);
                }
            }
            Hold::Sigma { estimate, relative } => relative.iter().for_each(|&i| own[i] *= sigma / estimate.exp()),
            _ => {}
        }
        let mut out: Vec<f64> = self.free.iter().map(|&i| own[i]).collect();
        if self.with_sigma {
            out.push(sigma.ln());
        }
        out
    }

    /// From derivatives by all parameters to those by the coordinates (but for what sigma does
    /// itself), and by the place of the walk.
    pub fn pull(&self, phi: &[f64], w: f64, natural: &dyn Fn(&[f64]) -> Vec<f64>, by_x: &[f64]) -> (Vec<f64>, f64) {
        let plain = matches!(self.hold, Hold::Nothing | Hold::Itself(_));
        if plain {
            let mut out: Vec<f64> = self.free.iter().map(|&i| by_x[i]).collect();
            out.resize(phi.len(), 0.0);
            return (out, if let Hold::Itself(at) = self.hold { by_x[at] } else { 0.0 });
        }
        let along = |moved: &dyn Fn(f64) -> Option<Vec<f64>>, h: f64| -> f64 {
            let (Some(up), Some(down)) = (moved(h), moved(-h)) else { return f64::NAN };
            by_x.iter().zip(up.iter().zip(&down)).map(|(g, (u, d))| g * (u - d)).sum::<f64>() / (2.0 * h)
        };
        let out = (0..phi.len())
            .map(|i| {
                let moved = |h: f64| {
                    let mut phi = phi.to_vec();
                    phi[i] += h;
                    self.full(&phi, w, natural)
                };
                along(&moved, DISPLACEMENT * phi[i].abs().max(1.0))
            })
            .collect();
        let h = DISPLACEMENT * if self.walked == Walked::Sd { w.abs().max(1e-300) } else { w.abs().max(1.0) };
        (out, along(&|h| self.full(phi, w + h, natural), h))
    }
}
