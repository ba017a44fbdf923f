"""Tail probabilities and quantiles of t and F, with infinite degrees of freedom for the normal and the chi-square distribution."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def t_tails(statistic: Floats, df: Floats) -> Floats:
    """Two-sided p-values."""
    from scipy.special import ndtr, stdtr

    lower = -np.abs(statistic)
    finite = np.isfinite(df)
    # In SciPy the t distribution with infinite degrees of freedom is NaN.
    out: Floats = 2.0 * np.where(finite, stdtr(np.where(finite, df, 1.0), lower), ndtr(lower))
    return out


def t_multiplier(level: float, df: Floats) -> Floats:
    """Half-widths, in standard errors, of two-sided intervals."""
    from scipy.special import ndtri, stdtrit

    probability = 0.5 + level / 2
    finite = np.isfinite(df)
    out: Floats = np.where(finite, stdtrit(np.where(finite, df, 1.0), probability), ndtri(probability))
    return out


def f_tail(f_value: float, num_df: float, den_df: float) -> float:
    """Probability of a larger F; NaN where the denominator has no degrees of freedom."""
    from scipy.special import chdtrc, fdtrc

    if np.isposinf(den_df):
        return float(chdtrc(num_df, num_df * f_value))
    return float(fdtrc(num_df, den_df, f_value)) if den_df > 0 else float("nan")
