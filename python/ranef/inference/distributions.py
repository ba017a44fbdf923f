"""Tail probabilities and quantiles of t and F,
with infinite degrees of freedom for the normal and the chi-square distribution.
"""

import numpy as np
from numpy.typing import NDArray

from ranef.errors import OptionError

Floats = NDArray[np.float64]

ALTERNATIVES = ("two-sided", "greater", "less")


def checked_alternative(alternative: object) -> str:
    """Check on which side of the hypothesis the alternative is."""
    if not isinstance(alternative, str) or alternative not in ALTERNATIVES:
        raise OptionError(f"alternative must be 'two-sided', 'greater' or 'less', not {alternative!r}.")
    return alternative


def t_tails(statistic: Floats, df: Floats) -> Floats:
    """Two-sided p-values."""
    from scipy.special import ndtr, stdtr

    lower = -np.abs(statistic)
    finite = np.isfinite(df)
    # In SciPy the t distribution with infinite degrees of freedom is NaN.
    out: Floats = 2.0 * np.where(finite, stdtr(np.where(finite, df, 1.0), lower), ndtr(lower))
    return out


def p_values(statistic: Floats, df: Floats, alternative: str) -> Floats:
    """Probabilities of statistics that speak as much for the alternative,
    one of ``ALTERNATIVES``.
    """
    if alternative == "two-sided":
        return t_tails(statistic, df)
    from scipy.special import ndtr, stdtr

    towards = -statistic if alternative == "greater" else statistic
    finite = np.isfinite(df)
    out: Floats = np.where(finite, stdtr(np.where(finite, df, 1.0), towards), ndtr(towards))
    return out


def interval_ends(
    estimate: Floats, std_error: Floats, df: Floats, level: float, alternative: str
) -> tuple[Floats, Floats]:
    """Limits of intervals; those of a one-sided test have one end, the other is infinite."""
    from scipy.special import ndtri, stdtrit

    if alternative == "two-sided":
        half = t_multiplier(level, df) * std_error
        return estimate - half, estimate + half
    finite = np.isfinite(df)
    half = np.where(finite, stdtrit(np.where(finite, df, 1.0), level), ndtri(level)) * std_error
    return one_sided(estimate - half, estimate + half, alternative)


def one_sided(lower: Floats, upper: Floats, alternative: str) -> tuple[Floats, Floats]:
    """Open intervals on the side of the alternative; both ends stay for a two-sided one."""
    if alternative == "greater":
        upper = np.where(np.isnan(upper), np.nan, np.inf)
    elif alternative == "less":
        lower = np.where(np.isnan(lower), np.nan, -np.inf)
    return lower, upper


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
