"""The table of means, trends or contrasts: estimates, tests and intervals,
adjusted within each group, on the scale of the model or of the response.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranef.errors import ArgumentTypeError, OptionError
from ranef.inference.distributions import one_sided
from ranef.inference.fixed_effect_tests import FixedEffectTests
from ranef.inference.marginal_means.adjustments import (
    Family,
    adjusted_p,
    interval_method,
    multipliers,
    settled,
)
from ranef.inference.marginal_means.estimands import Estimands, Estimated, covariance_with, estimated
from ranef.inference.satterthwaite import RANK_TOLERANCE
from ranef.options import Ddf

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class MeansTable:
    """Means, trends or contrasts with their tests.

    Attributes
    ----------
    labels : dict
        Columns of labels.
    by : tuple of str
    estimate, std_error, df, statistic, p_value, lower, upper : (k,) arrays
        NaN where the data do not determine the value.
    null : (k,) array
        Values under the hypotheses, on the scale of the estimates.
    quantity : str
        What the estimates are: ``"mean"``, ``"trend"``, ``"contrast"``, or on the scale of the
        response ``"response"``, ``"probability"``, ``"rate"``, ``"ratio"``, ``"odds ratio"``.
    test_notes, interval_notes : tuple of str
        How the tests and the intervals were made.
    notes : tuple of str
        What else is to be known.
    """

    labels: dict[str, tuple[Any, ...]]
    by: tuple[str, ...]
    estimate: Floats
    std_error: Floats
    df: Floats
    statistic: Floats
    p_value: Floats
    lower: Floats
    upper: Floats
    null: Floats
    quantity: str
    test_notes: tuple[str, ...]
    interval_notes: tuple[str, ...]
    notes: tuple[str, ...]

    def groups(self) -> list[tuple[tuple[Any, ...], list[int]]]:
        """The groups in order, and the rows in them."""
        found: dict[tuple[Any, ...], list[int]] = {}
        for i in range(len(self.estimate)):
            found.setdefault(tuple(self.labels[c][i] for c in self.by), []).append(i)
        return list(found.items())


_METHODS = {
    "satterthwaite": "satterthwaite",
    "kenward-roger": "kenward-roger",
    "kenward-roger-linear": "kenward-roger-linear",
    "between-within": "between-within",
    "residual": "residual",
    "clusters": "clusters",
    "none": "asymptotic",
}


def means_table(
    e: Estimands,
    tests: FixedEffectTests,
    ddf: Ddf,
    level: float,
    adjust: str,
    null: object,
    type: str,
    *,
    alternative: str = "two-sided",
    correction: float | None = None,
    delta: float | None = None,
) -> MeansTable:
    """Estimate and test.

    Parameters
    ----------
    e : Estimands
    tests : FixedEffectTests
    ddf : {"satterthwaite", "kenward-roger", "residual", "none"}
    level : float
        Of the intervals.
    adjust : str
        A method of ``adjust.METHODS``.
    null : float or array
        Values under the hypotheses, on the scale of the model.
    type : {"link", "response"}
    alternative : {"two-sided", "greater", "less"}
    correction : float, optional
        Standard deviation of the random effects for which means on the scale of the response are
        corrected. Ratios are not: what is added to means in proportion cancels in them.
    delta : float, optional
        Margin: tests are of differences inside of it, and of one-sided ones of no difference beyond
        it on the other side.

    Returns
    -------
    MeansTable
    """
    k = len(e.x)
    values = _null_values(null, k)
    found = estimated(e, tests, ddf, values)
    if delta is not None:
        found, alternative = _within(found, values, delta, alternative)
    p, half = np.full(k, np.nan), np.full(k, np.nan)
    notes = [f"Results are averaged over the levels of: {', '.join(e.averaged)}"] if e.averaged else []
    notes.append(f"Degrees-of-freedom method: {_METHODS[ddf]}")
    notes += _offset_notes(e)
    families = []
    covariance_of = covariance_with(e, tests, ddf) if adjust in ("mvt", "scheffe") else None
    for _, rows in e.groups():
        family = _family(e, found, rows, covariance_of, alternative)
        families.append(family)
        p[rows] = adjusted_p(family, adjust)
        half[rows] = multipliers(family, adjust, level)
    half[found.std_error == 0.0] = 0.0  # what is zero by definition, as the log scale of a first level
    lower, upper = one_sided(
        found.estimate - half * found.std_error, found.estimate + half * found.std_error, alternative
    )
    test_notes, interval_notes = _adjust_notes(adjust, families, level)
    if alternative != "two-sided":
        test_notes.append(f"P values are {'right' if alternative == 'greater' else 'left'}-tailed")
    quantity = {"means": e.quantity or "mean", "trends": "trend"}.get(e.kind, "contrast")
    estimate, std_error = found.estimate, found.std_error
    if type == "response" and e.scale is not None:
        scale = e.scale
        if correction is not None and e.kind == "means":
            scale = scale.corrected(correction)
            interval_notes.append(
                f"Means are corrected for random effects with a standard deviation of {correction:.4g}"
            )
        with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
            std_error = std_error * np.abs(scale.slope(estimate))
            ends = np.stack([scale.inverse(lower), scale.inverse(upper)])
            estimate, values = scale.inverse(estimate), scale.inverse(values)
        lower, upper = ends.min(axis=0), ends.max(axis=0)
        quantity = scale.quantity
        test_notes.append(f"Tests are performed on the {scale.name} scale")
        interval_notes.append(f"Intervals are back-transformed from the {scale.name} scale")
    elif e.scale is not None:
        notes.append(f"Results are given on the {e.scale.name} (not the response) scale.")
    elif type == "response":
        notes.append(
            "Note: contrasts are still on the scale of the model, as their differences have no counterpart on that of "
            "the response."
        )
    notes += [f"Note: {note}" for note in tests.notes(ddf)]
    labels = e.labels
    if quantity in ("ratio", "odds ratio"):
        own = [c for c in labels if c not in e.by]
        labels = {**labels, **{c: tuple(str(n).replace(" - ", " / ") for n in labels[c]) for c in own}}
    lost = int((~found.estimable).sum())
    if lost:
        notes.append(
            f"Note: {lost} of {k} {'are' if lost > 1 else 'is'} not estimable: the data do not determine "
            f"{'them' if lost > 1 else 'it'}, as some combinations of levels do not occur (NaN)."
        )
    return MeansTable(
        labels,
        e.by,
        estimate,
        std_error,
        found.df,
        found.statistic,
        p,
        lower,
        upper,
        values,
        quantity,
        tuple(test_notes),
        tuple(interval_notes),
        tuple(notes),
    )


def _within(found: Estimated, values: Floats, delta: float, alternative: str) -> tuple[Estimated, str]:
    """Statistics of tests with a margin, and their side: two-sided ones, of equivalence, are small
    where the distance is well within the margin.
    """
    distance = found.estimate - values
    moved = {
        "two-sided": np.abs(distance) - delta,
        "greater": distance + delta,
        "less": distance - delta,
    }[alternative]
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = moved / found.std_error
    return replace(found, statistic=statistic), "greater" if alternative == "greater" else "less"


def _offset_notes(e: Estimands) -> list[str]:
    """What offset the means have, where there is one."""
    known = e.offset[np.isfinite(e.offset)]
    if e.kind != "means" or not known.any():
        return []
    low, high = f"{known.min():.4g}", f"{known.max():.4g}"
    return [f"Means include an offset of {low}" + (f" to {high}" if high != low else "")]


def _null_values(null: object, k: int) -> Floats:
    try:
        values = np.broadcast_to(np.asarray(null, dtype=np.float64), (k,)).copy()
    except (TypeError, ValueError):
        raise ArgumentTypeError(
            f"null must be a number, or one number for each of the {k} rows, not {null!r}."
        ) from None
    if not np.isfinite(values).all():
        raise OptionError("null must be finite.")
    return values


def _family(
    e: Estimands,
    found: Estimated,
    rows: NDArray[np.intp],
    covariance_of: Callable[[Floats], Floats] | None,
    alternative: str,
) -> Family:
    """The tests of a group; their correlations only where the adjustment needs them."""
    rank, correlation = 0, np.empty((0, 0))
    if covariance_of is not None:
        correlation = found.correlation(rows, covariance_of)
        known = np.isfinite(found.statistic[rows])
        if known.any():
            eigen = np.linalg.eigvalsh(correlation[np.ix_(known, known)])
            rank = int((eigen > RANK_TOLERANCE * eigen[-1]).sum())
    return Family(
        found.statistic[rows],
        found.df[rows],
        correlation,
        int(e.means[rows[0]]),
        rank,
        e.method == "pairwise",
        alternative,
    )


#: Adjustments that are never a default, and what is said where a group leaves them nothing to do.
_OF_P_VALUES = ("holm", "hochberg", "hommel", "fdr", "BY", "sidak")
_ALONE = (
    "Note: each group has a single test, so that adjust={0!r} changes nothing; update(by=None, adjust={0!r}) adjusts "
    "all groups together"
)


def _adjust_notes(adjust: str, families: list[Family], level: float) -> tuple[list[str], list[str]]:
    """What is said of the adjustment of tests and of intervals."""
    intervals = [f"Confidence level used: {level:g}"]
    if adjust == "none" or all(len(f.statistic) < 2 for f in families):
        alone = adjust in _OF_P_VALUES and len(families) > 1
        return [_ALONE.format(adjust)] if alone else [], intervals
    used = settled(adjust, families[0])
    tests = [f"P value adjustment: {used} method {_family_words(used, families, 'tests')}"]
    if used != adjust:
        why = "two-sided tests of" if families[0].alternative != "two-sided" else ""
        what = "all contrasts" if adjust == "scheffe" else "all differences between means"
        tests.append(f"Note: {adjust} is for {why}{' ' if why else ''}{what}; {used} is used instead.")
    own = interval_method(used)
    intervals.append(f"Conf-level adjustment: {own} method {_family_words(own, families, 'estimates')}")
    return tests, intervals


def _family_words(method: str, families: list[Family], what: str) -> str:
    sizes = sorted({f.means if method == "tukey" else len(f.statistic) for f in families})
    how_many = " or ".join(map(str, sizes))
    return f"for comparing a family of {how_many} estimates" if method == "tukey" else f"for {how_many} {what}"
