"""Effect sizes of the fixed effects: standardised coefficients, differences in standard deviations,
semi-partial R².
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ranef.design.record import RandomTerm, TermRows
from ranef.errors import OptionError
from ranef.fit.order import order_terms
from ranef.fit.record import MixedFit
from ranef.fit.refits.again import fit_again
from ranef.inference.anova.term_tests import term_tests
from ranef.inference.distributions import t_multiplier
from ranef.inference.fixed_effect_tests import FixedEffectTests
from ranef.options import Ddf

Floats = NDArray[np.float64]

STANDARDS = ("basic", "pseudo")

#: Relative accuracy of the limits of R², and how often the bracket of one is doubled at most.
_ACCURACY, _DOUBLINGS = 1e-10, 60


@dataclass(frozen=True, slots=True, eq=False)
class Sizes:
    """One kind of effect size.

    Attributes
    ----------
    names : tuple of str
        Of k coefficients or terms.
    estimate, lower, upper : (k,) arrays
        NaN where there is none.
    """

    names: tuple[str, ...]
    estimate: Floats
    lower: Floats
    upper: Floats


def standardized(tests: FixedEffectTests, ddf: Ddf, level: float, standard: str) -> Sizes:
    """Coefficients times the standard deviation of their column, divided by that of the response.

    Parameters
    ----------
    tests : FixedEffectTests
    ddf : {"satterthwaite", "kenward-roger", "residual", "none"}
    level : float
    standard : {"basic", "pseudo"}
        ``"basic"``: standard deviations over the rows. ``"pseudo"``: those of the level on which a
        column varies. A column that is constant in every group has the standard deviation of its
        groups' values, and of the response that between groups; any other has that over the rows,
        and of the response that within groups, both of the model with nothing but an intercept and
        a random intercept (Hoffman 2015, page 342).

    Returns
    -------
    Sizes
        Of all coefficients but the intercept. Where a link stands between them and the response,
        that is not standardised.
    """
    fit, which = tests.fit, _shown(tests.fit)
    linear = is_linear(fit)
    summed = fit.column_spread if standard == "basic" else None
    if summed is not None:
        spread, response = summed.sd[which], np.full(len(which), summed.response)
    elif standard == "basic":
        x = np.asarray(fit.x)[:, which]
        spread = np.std(x, axis=0, ddof=1)
        response = np.full(len(which), float(np.std(fit.design.y, ddof=1)) if linear else 1.0)
    else:
        x = np.asarray(fit.x)[:, which]
        codes = _only_group(fit).codes
        between, within = _level_sds(fit) if linear else (1.0, 1.0)
        constant = [_constant_in_groups(column, codes) for column in x.T]
        first = np.unique(codes, return_index=True)[1]
        spread = np.array(
            [np.std(c[first] if same else c, ddof=1) for c, same in zip(x.T, constant, strict=True)], dtype=np.float64
        )
        response = np.where(constant, between, within)
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = np.where(response > 0, spread / response, np.nan)
    found = tests.coefficients(ddf)
    half = t_multiplier(level, found.df[which]) * found.std_error[which]
    b = fit.beta[which]
    return Sizes(_names(fit, which), scale * b, scale * (b - half), scale * (b + half))


def differences(tests: FixedEffectTests, ddf: Ddf, level: float, total_sd: float) -> Sizes:
    """Differences between the two values of a column in units of the total standard deviation.

    Standard errors account for the uncertainty of that unit as ``eff_size`` of marginal means does:
    by the degrees of freedom of the rows.

    Returns
    -------
    Sizes
        Of all coefficients but the intercept; NaN for columns with more than two values.
    """
    fit, which = tests.fit, _shown(tests.fit)
    summed = fit.column_spread
    width = (
        np.array([_width(column) for column in np.asarray(fit.x)[:, which].T], dtype=np.float64)
        if summed is None
        else summed.width[which]
    )
    found = tests.coefficients(ddf)
    edf = float(fit.nobs - len(fit.kept)) if is_linear(fit) else math.inf
    d = fit.beta[which] * width / total_sd
    error = np.sqrt((found.std_error[which] * width / total_sd) ** 2 + d**2 / (2.0 * edf))
    half = t_multiplier(level, np.minimum(found.df[which], edf)) * error
    return Sizes(_names(fit, which), d, d - half, d + half)


def semi_partial(tests: FixedEffectTests, ddf: Ddf, level: float) -> tuple[Sizes, Sizes]:
    """Semi-partial R² of every coefficient, and of terms with several (Edwards et al. 2008).

    It is ``q F / (q F + v)`` of an F test with q and v degrees of freedom. Limits are those of the
    noncentrality with which F has the tail probabilities, ``lambda / (lambda + q + v + 1)``
    (Smithson 2003).

    Returns
    -------
    coefficients, terms : Sizes
        All coefficients but the intercept; terms of more than one.
    """
    fit, which = tests.fit, _shown(tests.fit)
    found = tests.coefficients(ddf)
    single = [
        r_squared_limits(t * t, 1, v, level) for t, v in zip(found.statistic[which], found.df[which], strict=True)
    ]
    joint = term_tests(tests, 3, ddf) if len(which) else None
    several = [] if joint is None else [p for p in zip(joint.labels, joint.tests, strict=True) if p[1].num_df > 1]
    whole = [r_squared_limits(t.f_value, t.num_df, t.den_df, level) for _, t in several]
    return _sizes(_names(fit, which), single), _sizes(tuple(label for label, _ in several), whole)


def r_squared_limits(f: float, num_df: float, den_df: float, level: float) -> tuple[float, float, float]:
    """R² of an F test with its limits; NaN where the test has no degrees of freedom."""
    from scipy.special import ncfdtr

    if not (math.isfinite(f) and math.isfinite(den_df) and den_df > 0):
        return math.nan, math.nan, math.nan
    tail = (1.0 - level) / 2.0

    def above(noncentrality: float, p: float) -> bool:
        return bool(ncfdtr(num_df, den_df, noncentrality, f) > p)

    limits = []
    for p in (1.0 - tail, tail):
        low, high = 0.0, 1.0 + num_df * f
        if not above(0.0, p):
            limits.append(0.0)
            continue
        for _ in range(_DOUBLINGS):
            if not above(high, p):
                break
            high *= 2.0
        while high - low > _ACCURACY * (1.0 + high):
            middle = (low + high) / 2.0
            low, high = (middle, high) if above(middle, p) else (low, middle)
        limits.append(high / (high + num_df + den_df + 1.0))
    return num_df * f / (num_df * f + den_df), limits[0], limits[1]


def checked_standard(standard: object, fit: MixedFit) -> str:
    """Check how coefficients are standardised."""
    if not isinstance(standard, str) or standard not in STANDARDS:
        raise OptionError(f"standardize must be one of {', '.join(map(repr, STANDARDS))}, not {standard!r}.")
    if standard == "pseudo":
        _only_group(fit)
    return standard


def is_linear(fit: MixedFit) -> bool:
    """Whether coefficients are in units of the response."""
    return fit.normal_responses and fit.identity_scale


def _only_group(fit: MixedFit) -> RandomTerm:
    if len({t.group for t in fit.terms}) > 1:
        groups = ", ".join(dict.fromkeys(t.group for t in fit.terms))
        raise OptionError(
            f"standardize='pseudo' is for models with one grouping factor, and this one has {groups}; leave it out."
        )
    return fit.terms[0]


def _level_sds(fit: MixedFit) -> tuple[float, float]:
    """Standard deviations of the response between and within groups."""
    n = fit.nobs
    ones = np.ones((n, 1), order="F")
    term = replace(
        _only_group(fit),
        names=("(Intercept)",),
        labels=("(Intercept)",),
        text=f"1 | {fit.terms[0].group}",
        structure="unstructured",
        rows=TermRows(fit.terms[0].codes, ones),
    )
    design = replace(fit.design.with_rows(x=ones), x_names=("(Intercept)",), x_assign=(0,), random=(term,))
    found = fit_again(fit, design, reml=True, order=order_terms((term,)))
    return found.sigma * float(found.theta[0]), found.sigma


def _constant_in_groups(column: Floats, codes: NDArray[np.int32]) -> bool:
    first = np.empty(int(codes.max()) + 1)
    first[codes[::-1]] = column[::-1]
    return bool(np.all(column == first[codes]))


def _width(column: Floats) -> float:
    """How far the two values of a column are apart; NaN if it has more."""
    low, high = float(column.min()), float(column.max())
    return high - low if bool(np.all((column == low) | (column == high))) else math.nan


def _shown(fit: MixedFit) -> list[int]:
    return [j for j, name in enumerate(fit.x_names) if name != "(Intercept)"]


def _names(fit: MixedFit, which: list[int]) -> tuple[str, ...]:
    return tuple(fit.x_names[j] for j in which)


def _sizes(names: tuple[str, ...], triples: list[tuple[float, float, float]]) -> Sizes:
    values = np.array(triples, dtype=np.float64).reshape(len(triples), 3)
    return Sizes(names, values[:, 0], values[:, 1], values[:, 2])
