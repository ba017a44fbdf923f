"""What is made of means and contrasts: some of them, two tables joined, simple contrasts,
means on another scale and standardised differences.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranef.errors import OptionError
from ranef.inference.fixed_effect_tests import FixedEffectTests
from ranef.inference.marginal_means.contrast import contrasts_of
from ranef.inference.marginal_means.estimands import Estimands, Estimated, GivenEstimates, covariance_with, estimated
from ranef.inference.marginal_means.scale import ResponseScale
from ranef.options import Ddf

Floats = NDArray[np.float64]

#: What stands for the level of a variable that a row is not about.
ABSENT = "."


def chosen(e: Estimands, which: NDArray[np.intp]) -> Estimands:
    """Some of the functions, as one group."""
    return replace(
        e,
        labels={n: tuple(values[i] for i in which.tolist()) for n, values in e.labels.items()},
        by=(),
        x=e.x[which],
        offset=e.offset[which],
        method=None,
        means=np.full(len(which), len(which), dtype=np.intp),
    )


def joined(first: Estimands, second: Estimands, by: tuple[str, ...] = ()) -> Estimands:
    """The functions of both below each other, of one kind."""
    if first.kind != second.kind:
        raise OptionError(f"{first.kind} and {second.kind} are not joined: they are different kinds of estimates.")
    if first.base is not second.base:
        raise OptionError("estimates made by regrid() or eff_size() are joined with others of the same call only.")
    scales = [None if e.scale is None else (e.scale.name, e.scale.quantity) for e in (first, second)]
    if scales[0] != scales[1]:
        raise OptionError("estimates on different scales are not joined.")
    count = len(first.x), len(second.x)
    names = dict.fromkeys((*first.labels, *second.labels))
    labels = {
        n: (*first.labels.get(n, (ABSENT,) * count[0]), *second.labels.get(n, (ABSENT,) * count[1])) for n in names
    }
    total = sum(count)
    return replace(
        first,
        labels=labels,
        by=by,
        x=np.concatenate([first.x, second.x]),
        offset=np.concatenate([first.offset, second.offset]),
        method=None,
        means=np.full(total, total, dtype=np.intp),
        averaged=tuple(dict.fromkeys((*first.averaged, *second.averaged))),
        adjust="bonferroni",
    )


def each_simple(e: Estimands, method: Any, ref: Any, reverse: object, exclude: Any) -> Estimands:
    """Contrasts of the levels of every variable within each combination of the others."""
    if e.kind == "contrasts":
        raise OptionError("simple contrasts are of means and trends, and these are contrasts.")
    variables = tuple(e.labels)
    compared = [n for n in variables if len(set(e.labels[n])) > 1]
    if not compared:
        raise OptionError("there is one mean only, so there is nothing to compare.")
    found = []
    for name in compared:
        others = tuple(n for n in variables if n != name)
        part = contrasts_of(e, method, others, ref, reverse, exclude)
        # All parts have all columns, so that they can be groups of one table.
        absent = (ABSENT,) * len(part.x)
        labels = {"contrast": part.labels["contrast"], **{n: part.labels.get(n, absent) for n in variables}}
        found.append(replace(part, labels=labels, by=variables))
    out = found[0]
    for part in found[1:]:
        sizes = np.concatenate([out.means, part.means])
        out = replace(joined(out, part, variables), means=sizes, method=part.method, adjust=part.adjust)
    return out


def regridded(e: Estimands, tests: FixedEffectTests, ddf: Ddf, transform: str, correction: float | None) -> Estimands:
    """Means as estimates on another scale, with their covariance by the delta method.

    Parameters
    ----------
    e : Estimands
        Means.
    tests : FixedEffectTests
    ddf : {"satterthwaite", "kenward-roger", "residual", "none"}
    transform : {"response", "log"}
        That of the response, or the logarithm of it.
    correction : float or None
        Standard deviation of the random effects for which means are corrected.
    """
    found = estimated(e, tests, ddf)
    scale = e.scale if correction is None or e.scale is None else e.scale.corrected(correction)
    values, slopes = found.estimate, np.ones(len(found.estimate))
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        if scale is not None:
            values, slopes = scale.inverse(found.estimate), scale.slope(found.estimate)
        if transform == "log":
            values, slopes = np.log(values), slopes / values
    covariance = slopes[:, np.newaxis] * _covariance(e, found, tests, ddf) * slopes
    back = ResponseScale("log", np.exp, np.exp) if transform == "log" else None
    return _given(e, GivenEstimates(values, covariance, found.df), back)


def effect_sizes(e: Estimands, tests: FixedEffectTests, ddf: Ddf, sigma: float, edf: float) -> Estimands:
    """Contrasts in units of a standard deviation that is itself estimated, with ``edf`` degrees of
    freedom.
    """
    found = estimated(e, tests, ddf)
    size = found.estimate / sigma
    covariance = _covariance(e, found, tests, ddf) / sigma**2 + np.outer(size, size) / (2.0 * edf)
    out = _given(e, GivenEstimates(size, covariance, np.minimum(found.df, edf)), None)
    return replace(out, adjust="none")


def _covariance(e: Estimands, found: Estimated, tests: FixedEffectTests, ddf: Ddf) -> Floats:
    every = np.arange(len(found.estimate))
    correlation = found.correlation(every, covariance_with(e, tests, ddf))
    out: Floats = found.std_error[:, np.newaxis] * correlation * found.std_error
    return out


def _given(e: Estimands, base: GivenEstimates, scale: ResponseScale | None) -> Estimands:
    k = len(base.estimate)
    x = np.eye(k)
    x[~np.isfinite(base.estimate)] = np.nan
    return replace(e, x=x, offset=np.zeros(k), scale=scale, base=base)
