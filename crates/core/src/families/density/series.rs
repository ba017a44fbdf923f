//! Sums over whole numbers, and what is kept of them from row to row.
//!
//! Each term comes from its neighbour: the ratio of two is theta times a number that rows with the
//! same parameters of the shape share, so that no term needs an exponential.

/// Terms below this share of that of the middle end a sum.
const NEGLIGIBLE: f64 = 5e-19;
/// Whole number up to which there may be terms.
pub const LAST_TERM: usize = 1 << 13;
/// How many sets of one kind are kept.
const SETS: usize = 8;
/// Places of results.
const PLACES: usize = 1 << 13;

/// What rows with one value of a parameter share, for the last few values.
pub struct Shared<T> {
    sets: Vec<(u64, T)>,
    /// The set that is replaced next.
    next: usize,
}

impl<T: Default> Shared<T> {
    pub const fn new() -> Self {
        Shared { sets: Vec::new(), next: 0 }
    }

    /// That of a parameter; it is empty at first.
    pub fn of(&mut self, parameter: f64) -> &mut T {
        let key = parameter.to_bits();
        let at = self.sets.iter().position(|s| s.0 == key).unwrap_or_else(|| {
            if self.sets.len() < SETS {
                self.sets.push((key, T::default()));
                return self.sets.len() - 1;
            }
            let at = self.next;
            self.next = (at + 1) % SETS;
            self.sets[at] = (key, T::default());
            at
        });
        &mut self.sets[at].1
    }
}

/// Results by parameters, each in a place that the parameters give: of two that fall on one place
/// the last stays.
pub struct Known<const N: usize, V> {
    places: Vec<Option<([u64; N], V)>>,
}

impl<const N: usize, V: Copy> Known<N, V> {
    pub const fn new() -> Self {
        Known { places: Vec::new() }
    }

    fn place(parameters: [f64; N]) -> ([u64; N], usize) {
        let key = parameters.map(f64::to_bits);
        let mixed = key.iter().fold(0u64, |m, k| (m.rotate_left(29) ^ k).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        (key, (mixed >> 32) as usize % PLACES)
    }

    pub fn find(&self, parameters: [f64; N]) -> Option<V> {
        let (key, place) = Self::place(parameters);
        self.places.get(place)?.as_ref().filter(|k| k.0 == key).map(|k| k.1)
    }

    pub fn keep(&mut self, parameters: [f64; N], value: V) {
        if self.places.is_empty() {
            self.places.resize(PLACES, None);
        }
        let (key, place) = Self::place(parameters);
        self.places[place] = Some((key, value));
    }
}

/// Fills `out` with the terms about a middle one, whose own is 1, until they are negligible, and
/// returns the number of the first; none where they do not end. Terms must be log-concave, and
/// begin at `least`.
///
/// `ratios` are those of every number to the next, without theta; `ratio` makes those that are
/// not there yet.
#[inline(always)]
pub fn terms(
    theta: f64,
    middle: usize,
    least: usize,
    ratios: &mut Vec<f64>,
    ratio: impl Fn(usize) -> f64,
    out: &mut Vec<f64>,
) -> Option<usize> {
    out.clear();
    let upto = |ratios: &mut Vec<f64>, j: usize| {
        while ratios.len() <= j {
            ratios.push(ratio(ratios.len()));
        }
    };
    upto(ratios, middle);
    let mut term = 1.0;
    for r in ratios[least..middle].iter().rev() {
        term *= (theta * r).recip();
        if term < NEGLIGIBLE {
            break;
        }
        out.push(term);
    }
    out.reverse();
    let first = middle - out.len();
    out.push(1.0);
    term = 1.0;
    let mut j = middle;
    while j < LAST_TERM {
        if j >= ratios.len() {
            upto(ratios, j + j / 4);
        }
        term *= theta * ratios[j];
        if term < NEGLIGIBLE {
            return Some(first);
        }
        out.push(term);
        j += 1;
    }
    None
}

/// Sums over the terms of `w` times the powers 0 to 3 of `first + i * stride`.
pub fn power_sums(w: &[f64], first: f64, stride: f64) -> [f64; 4] {
    let mut lanes = [[0.0f64; LANES]; 4];
    let mut at: [f64; LANES] = std::array::from_fn(|i| first + i as f64 * stride);
    let mut chunks = w.chunks_exact(LANES);
    for w in chunks.by_ref() {
        for i in 0..LANES {
            let (w1, d) = (w[i], at[i]);
            let (w2, w3) = (w1 * d, w1 * d * d);
            lanes[0][i] += w1;
            lanes[1][i] += w2;
            lanes[2][i] += w3;
            lanes[3][i] += w3 * d;
            at[i] += LANES as f64 * stride;
        }
    }
    for (i, w) in chunks.remainder().iter().enumerate() {
        let d = at[i];
        lanes[0][i] += w;
        lanes[1][i] += w * d;
        lanes[2][i] += w * d * d;
        lanes[3][i] += w * d * d * d;
    }
    lanes.map(|l| l.iter().sum())
}

/// Sums over the terms of `w` times the powers 0 to 3 of their numbers less a centre.
pub fn power_sums_at(w: &[f64], at: &[f64], centre: f64) -> [f64; 4] {
    let mut out = [0.0f64; 4];
    for (w, j) in w.iter().zip(at) {
        let d = j - centre;
        let (w1, w2) = (w * d, w * d * d);
        out[0] += w;
        out[1] += w1;
        out[2] += w2;
        out[3] += w2 * d;
    }
    out
}

/// Numbers that are added in step.
pub const LANES: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::families::special::lgamma;

    #[test]
    fn terms_are_those_of_the_poisson_distribution() {
        let (mean, mut sets, mut out) = (37.3f64, Shared::<Vec<f64>>::new(), Vec::new());
        let first = terms(mean, 37, 0, sets.of(1.0), |j| 1.0 / (j as f64 + 1.0), &mut out).unwrap();
        let top = 37.0 * mean.ln() - lgamma(38.0);
        for (i, w) in out.iter().enumerate() {
            let j = (first + i) as f64;
            let want = (j * mean.ln() - lgamma(j + 1.0) - top).exp();
            assert!((w - want).abs() < 1e-12 * want, "{j} {w} {want}");
        }
        let [s0, s1, s2, s3] = power_sums(&out, first as f64 - mean, 1.0);
        assert!((s0.ln() + top - mean).abs() < 1e-12);
        assert!((s1 / s0).abs() < 1e-12);
        assert!((s2 / s0 - mean).abs() < 1e-11);
        assert!((s3 / s0 - mean).abs() < 1e-10);
    }

    #[test]
    fn sets_are_kept_and_replaced() {
        let mut sets = Shared::<Vec<f64>>::new();
        for i in 0..SETS {
            sets.of(i as f64).push(i as f64);
        }
        assert_eq!(sets.of(3.0), &vec![3.0]);
        assert!(sets.of(99.0).is_empty());
        assert!(sets.of(0.0).is_empty());
        let mut known = Known::<2, f64>::new();
        assert_eq!(known.find([1.0, 2.0]), None);
        known.keep([1.0, 2.0], 3.0);
        assert_eq!(known.find([1.0, 2.0]), Some(3.0));
        assert_eq!(known.find([2.0, 1.0]), None);
    }
}
