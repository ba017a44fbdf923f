//! The Hessian by differences of an exact gradient.

/// Displacements of one coordinate: one to each side, or zero on the side that is left out.
#[derive(Clone, Copy, Debug)]
pub struct Width {
    /// Added first; zero where the gradient at the centre stands for it.
    pub before: f64,
    /// Added second.
    pub after: f64,
}

impl Width {
    /// Equal displacements to both sides.
    pub fn central(width: f64) -> Self {
        Width { before: -width, after: width }
    }
}

/// The symmetric n x n Hessian, row-major; none where a displaced point cannot be evaluated.
/// `gradient` is called with a coordinate and its displacement; `here` is the gradient at the
/// centre, for one-sided differences.
///
/// # Errors
/// What `gradient` returns.
pub fn hessian<E>(
    widths: &[Width],
    here: &[f64],
    gradient: &mut dyn FnMut(usize, f64) -> Result<Option<Vec<f64>>, E>,
) -> Result<Option<Vec<f64>>, E> {
    let n = widths.len();
    let mut h = vec![0.0; n * n];
    for (c, w) in widths.iter().enumerate() {
        let before = if w.before == 0.0 { None } else { Some(gradient(c, w.before)?) };
        let before = match &before {
            Some(None) => return Ok(None),
            Some(Some(g)) => g,
            None => here,
        };
        let Some(after) = gradient(c, w.after)? else { return Ok(None) };
        let width = w.after - w.before;
        for r in 0..n {
            h[r * n + c] = after[r] / width - before[r] / width;
        }
    }
    for r in 0..n {
        for c in 0..r {
            let mean = 0.5 * (h[r * n + c] + h[c * n + r]);
            (h[r * n + c], h[c * n + r]) = (mean, mean);
        }
    }
    Ok(Some(h))
}

#[cfg(test)]
mod tests {
    use super::{hessian, Width};

    #[test]
    fn of_a_cubic() {
        let x = [0.3, -0.7];
        let g = |x: [f64; 2]| vec![3.0 * x[0] * x[0] + x[1], x[0] + 4.0 * x[1]];
        for widths in [[Width::central(1e-4); 2], [Width { before: 0.0, after: 1e-7 }; 2]] {
            let h = hessian::<()>(&widths, &g(x), &mut |c, d| {
                let mut at = x;
                at[c] += d;
                Ok(Some(g(at)))
            });
            let h = h.unwrap().unwrap();
            for (a, b) in h.iter().zip([1.8, 1.0, 1.0, 4.0]) {
                assert!((a - b).abs() < 1e-6, "{h:?}");
            }
        }
    }
}
