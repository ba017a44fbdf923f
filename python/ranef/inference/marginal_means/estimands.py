"""Linear functions of the fixed effects with labels, and their estimates:
what means, contrasts and trends have in common.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranef.estimates.estimable import departures
from ranef.inference.fixed_effect_tests import FixedEffectTests, JointTest
from ranef.inference.marginal_means.scale import ResponseScale
from ranef.options import Ddf

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

#: Singular values below the first share of the largest are zero, and entries below the second
#: share.
RANK, ENTRY = 1e-8, 1e-10

#: What is divided or multiplied by at least.
TINY = 1e-300


@dataclass(frozen=True, slots=True, eq=False)
class GivenEstimates:
    """Estimates that are no linear functions of the fixed effects, NaN where there is none.

    Attributes
    ----------
    estimate : (m,) array
    covariance : (m, m) array
    df : (m,) array
    """

    estimate: Floats
    covariance: Floats
    df: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Estimands:
    """Linear functions of the fixed effects, or of given estimates.

    Attributes
    ----------
    labels : dict
        Columns of labels in the order in which they are shown, one entry for each function.
    by : tuple of str
        Those of the columns that make groups. The functions of a group need not be adjacent.
    x : (k, columns of the design) array
        Coefficients of all columns of X, those dropped from the fit too.
    offset : (k,) array
    kind : {"means", "trends", "contrasts"}
    method : str or None
        What kind of contrasts.
    means : int array of shape (k,)
        How many means or trends are compared in the function's group.
    scale : ResponseScale or None
        How the functions relate to the response, where its transformation can be undone.
    averaged : tuple of str
        Factors over whose levels means were averaged.
    adjust : str
        The adjustment for multiplicity if none is asked for.
    base : GivenEstimates or None
        What the coefficients are of, where it is not the fixed effects.
    quantity : str or None
        What the means are, where it is not the linear predictor.
    """

    labels: dict[str, tuple[Any, ...]]
    by: tuple[str, ...]
    x: Floats
    offset: Floats
    kind: str
    method: str | None
    means: Ints
    scale: ResponseScale | None
    averaged: tuple[str, ...]
    adjust: str
    base: GivenEstimates | None = None
    quantity: str | None = None

    def groups(self, by: tuple[str, ...] | None = None) -> list[tuple[tuple[Any, ...], Ints]]:
        """The groups in the order in which they appear: their labels, and the functions in them."""
        columns = self.by if by is None else by
        keys = list(zip(*(self.labels[c] for c in columns), strict=True)) if columns else [()] * len(self.x)
        found: dict[tuple[Any, ...], list[int]] = {}
        for i, key in enumerate(keys):
            found.setdefault(key, []).append(i)
        return [(key, np.array(rows, dtype=np.intp)) for key, rows in found.items()]


@dataclass(frozen=True, slots=True, eq=False)
class Estimated:
    """Estimates of functions;
    all arrays have one entry for each, NaN where the data do not determine it.

    Attributes
    ----------
    estimate, std_error, df, statistic : (k,) arrays
    rows : (k, p) array
        Coefficients of the fixed effects that the fit kept.
    estimable : (k,) array of bool
    """

    estimate: Floats
    std_error: Floats
    df: Floats
    statistic: Floats
    rows: Floats
    estimable: NDArray[np.bool_]

    def correlation(self, which: Ints, covariance_of: Callable[[Floats], Floats]) -> Floats:
        """Correlation matrix of some estimates,
        from what gives the covariance matrix (k, k) of contrasts (k, p) up to a factor.
        """
        covariance = covariance_of(self.rows[which])
        sd = np.sqrt(np.maximum(np.diagonal(covariance), 0.0))
        sd[sd == 0.0] = 1.0
        out: Floats = covariance / np.outer(sd, sd)
        return out


def estimated(e: Estimands, tests: FixedEffectTests, ddf: Ddf, null: Floats | float = 0.0) -> Estimated:
    """Estimate functions, and compare them with values.

    Parameters
    ----------
    e : Estimands
    tests : FixedEffectTests
    ddf : {"satterthwaite", "kenward-roger", "residual", "none"}
    null : float or (k,) array
        Values under the hypotheses.
    """
    if e.base is not None:
        return _of_given(e, e.base if ddf != "none" else replace(e.base, df=np.full(len(e.base.df), np.inf)), null)
    fit = tests.fit
    # Means over no data at all have no coefficients.
    absent: NDArray[np.bool_] = np.asarray(np.isnan(e.x).any(axis=1))
    x = np.where(absent[:, np.newaxis], 0.0, e.x)
    rows = x[:, list(fit.kept)]
    determined: NDArray[np.bool_] = ~np.any(departures(fit, x) > 1.0, axis=1) & ~absent
    k = len(rows)
    out = {name: np.full(k, np.nan) for name in ("estimate", "std_error", "df", "statistic")}
    used = np.flatnonzero(determined & np.any(rows != 0.0, axis=1))
    # Of what is zero whatever the fixed effects are, there is nothing to test.
    nothing = determined & ~np.any(rows != 0.0, axis=1)
    out["estimate"][nothing], out["std_error"][nothing] = e.offset[nothing], 0.0
    values = np.broadcast_to(np.asarray(null, dtype=np.float64), (k,)) - e.offset
    if len(used):
        found = tests.single(rows[used], values[used], ddf)
        out["estimate"][used] = found.estimate + e.offset[used]
        out["std_error"][used] = found.std_error
        out["df"][used] = found.df
        out["statistic"][used] = found.statistic
    return Estimated(out["estimate"], out["std_error"], out["df"], out["statistic"], rows, determined)


def _of_given(e: Estimands, base: GivenEstimates, null: Floats | float) -> Estimated:
    """Estimate functions of given estimates;
    degrees of freedom are the smallest of those that take part.
    """
    known: NDArray[np.bool_] = np.asarray(~np.isnan(e.x).any(axis=1))
    there = np.isfinite(base.estimate)
    x = np.where(known[:, np.newaxis], e.x, 0.0)
    known = known & np.asarray(~np.any(x[:, ~there] != 0.0, axis=1))
    covariance = np.where(np.outer(there, there), base.covariance, 0.0)
    estimate = x @ np.where(there, base.estimate, 0.0) + e.offset
    std_error = np.sqrt(np.maximum(np.einsum("ij,jk,ik->i", x, covariance, x), 0.0))
    df = np.where(x != 0.0, base.df, np.inf).min(axis=1, initial=np.inf)
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = (estimate - null) / std_error
    columns = [np.where(known, v, np.nan) for v in (estimate, std_error, df, statistic)]
    return Estimated(columns[0], columns[1], columns[2], columns[3], x, known)


def covariance_with(e: Estimands, tests: FixedEffectTests, ddf: Ddf) -> Callable[[Floats], Floats]:
    """What gives the covariance matrix of functions by their coefficients, up to a factor."""
    base = e.base
    if base is None:
        return partial(tests.contrast_covariance, ddf=ddf)
    there = np.isfinite(base.estimate)
    covariance = np.where(np.outer(there, there), base.covariance, 0.0)
    return lambda rows: rows @ covariance @ rows.T


def joint_test(
    e: Estimands, rows: Ints, tests: FixedEffectTests, ddf: Ddf, null: float = 0.0
) -> tuple[JointTest | None, bool, bool]:
    """Test functions together by F.

    Returns
    -------
    test : JointTest or None
        None if nothing of them is estimable.
    reduced, partial : bool
        Whether some are combinations of others; whether only a part of them is estimable.
    """
    fit = tests.fit
    rows = rows[~np.isnan(e.x[rows]).any(axis=1)]
    x, values = e.x[rows], null - e.offset[rows]
    loose = departures(fit, x)
    partial = bool((loose > 1.0).any())
    if partial:
        # Combinations of the functions that break no relation among the columns of X.
        kept, dropped = list(fit.kept), [j for j in range(x.shape[1]) if j not in fit.kept]
        relation = np.linalg.lstsq(fit.design.x[:, kept], fit.design.x[:, dropped], rcond=None)[0]
        broken = x[:, dropped] - x[:, kept] @ relation
        u, s, _ = np.linalg.svd(broken)
        free = u[:, int((s > RANK * s[0]).sum()) :]
        x, values = free.T @ x, free.T @ values
    reduced_rows = x[:, list(fit.kept)]
    size = np.abs(reduced_rows).max(axis=1, initial=0.0)
    used = size > ENTRY * max(float(np.abs(e.x).max(initial=0.0)), TINY)
    if not used.any():
        return None, False, partial
    test = tests.joint(reduced_rows[used], values[used], ddf)
    return test, test.num_df < int(used.sum()), partial
