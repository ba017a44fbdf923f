//! Errors of what is a mean over few probes.

use super::logdet::Probed;

/// Share of the bound on the standard error of the criterion below which it is not believed to be.
///
/// The bound is that of sums z'Az of random signs, whose variance is 2 (|A|^2 - sum a_ii^2),
/// without the diagonal. |A|, the Frobenius norm, is known from few probes to some per cent, the
/// spread of their values is not: that of eight is too small by half in one case of fifty. The
/// diagonal takes some 0.29 off the error where levels meet at random, and less where they meet in
/// clusters.
const OF_BOUND: f64 = 0.75;

/// 0.975-quantile of the normal distribution.
const NORMAL: f64 = 1.959_963_984_540_054;

/// Standard error of a mean.
pub(super) fn error_of_mean(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    if n < 2.0 {
        return f64::INFINITY;
    }
    let mean = values.iter().sum::<f64>() / n;
    (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n * (n - 1.0))).sqrt()
}

/// Covariance of the mean of vectors.
pub(super) fn covariance_of_mean(own: &[Vec<f64>]) -> Vec<f64> {
    let (m, n) = (own.first().map_or(0, Vec::len), own.len());
    let mean: Vec<f64> = (0..m).map(|f| own.iter().map(|g| g[f]).sum::<f64>() / n as f64).collect();
    (0..m * m)
        .map(|t| {
            let (a, b) = (t / m, t % m);
            own.iter().map(|g| (g[a] - mean[a]) * (g[b] - mean[b])).sum::<f64>() / (n * (n - 1).max(1)) as f64
        })
        .collect()
}

/// Standard error of the criterion: of the mean of the probes, and what longer runs would change.
pub(super) fn error_of_value(probed: &[Probed]) -> f64 {
    let n = probed.len().max(1) as f64;
    let mean = |of: fn(&Probed) -> f64| probed.iter().map(of).sum::<f64>() / n;
    let values: Vec<f64> = probed.iter().map(|p| p.value).collect();
    let bound = (2.0 * mean(|p| p.square) / n).sqrt();
    error_of_mean(&values).max(OF_BOUND * bound).hypot(mean(|p| p.truncation))
}

/// A standard error that was estimated from so many values, widened so that two of it hold 95 of
/// 100 cases; infinite where one value shows none.
pub(super) fn widened(error: f64, values: usize) -> f64 {
    if values < 2 {
        f64::INFINITY
    } else {
        error * for_so_few(values)
    }
}

/// The 0.975-quantile of Student's distribution over that of the normal one (expansion of Cornish
/// and Fisher).
fn for_so_few(values: usize) -> f64 {
    let (z, df) = (NORMAL, (values - 1) as f64);
    let z2 = z * z;
    let first = (z2 + 1.0) / 4.0;
    let second = (5.0 * z2 * z2 + 16.0 * z2 + 3.0) / 96.0;
    let third = (3.0 * z2 * z2 * z2 + 19.0 * z2 * z2 + 17.0 * z2 - 15.0) / 384.0;
    let fourth = (79.0 * z2.powi(4) + 776.0 * z2.powi(3) + 1482.0 * z2 * z2 - 1920.0 * z2 - 945.0) / 92160.0;
    1.0 + first / df + second / df.powi(2) + third / df.powi(3) + fourth / df.powi(4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_values_have_the_quantiles_of_student() {
        // qt(0.975, df) of R 4.3
        for (df, quantile) in [(3, 3.182446), (7, 2.364624), (15, 2.131450), (63, 1.998341)] {
            assert!((for_so_few(df + 1) * NORMAL / quantile - 1.0).abs() < 2e-3, "{df}");
        }
    }

    #[test]
    fn a_small_spread_is_not_believed() {
        let probe = |value: f64| Probed { value, truncation: 0.0, square: 2.0, derivative: Vec::new() };
        let same: Vec<Probed> = (0..4).map(|_| probe(1.0)).collect();
        assert!((error_of_value(&same) - 0.75).abs() < 1e-12);
        let wide = [probe(0.0), probe(10.0)];
        assert!((error_of_value(&wide) - 5.0).abs() < 1e-12);
    }
}
