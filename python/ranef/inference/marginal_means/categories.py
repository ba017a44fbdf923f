"""Marginal means of ordered categories: on the latent scale, of thresholds, probabilities and the
mean category, by the delta method over the location, thresholds, nominal and scale effects.
"""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranef.errors import ArgumentTypeError, OptionError
from ranef.fit.record import MixedFit
from ranef.inference.fixed_effect_tests import FixedEffectTests
from ranef.inference.marginal_means.estimands import Estimands
from ranef.inference.marginal_means.given import by_delta_method, check_grid, means_of_given
from ranef.inference.marginal_means.grid import ReferenceGrid
from ranef.inference.marginal_means.specs import Specs
from ranef.inference.marginal_means.variables import GridVariable

Floats = NDArray[np.float64]

MODES = ("latent", "linear.predictor", "cum_prob", "exc_prob", "prob", "mean_class", "scale")

#: emmeans' spellings of the same.
_SPELLINGS = {"cum.prob": "cum_prob", "exc.prob": "exc_prob", "mean.class": "mean_class"}

#: What the estimates of a mode are called.
QUANTITIES = {
    "prob": "probability",
    "cum_prob": "cumulative probability",
    "exc_prob": "exceedance probability",
    "mean_class": "mean class",
    "scale": "log scale",
}


def checked_mode(mode: object) -> str:
    """Check the mode; emmeans' spelling with a dot will do."""
    if not isinstance(mode, str):
        raise ArgumentTypeError(f"mode must be one of {', '.join(map(repr, MODES))}, not {mode!r}.")
    known = _SPELLINGS.get(mode, mode)
    if known not in MODES:
        raise OptionError(f"mode must be one of {', '.join(map(repr, MODES))}, not {mode!r}.")
    return known


def over_categories(fit: MixedFit, grid: ReferenceGrid, mode: str) -> tuple[ReferenceGrid, str | None]:
    """The grid with the categories, or the thresholds, as one more variable where the mode has a
    number for each; and that variable's name.
    """
    if mode in ("latent", "mean_class", "scale"):
        return grid, None
    labels = fit.categories
    response = fit.design.formula.response
    name = "cut"
    if mode == "prob":
        name = "category" if response is None else response.name
    else:
        labels = tuple(f"{a}|{b}" for a, b in pairwise(labels))
    if name in grid.names:
        raise OptionError(f"the model has a variable {name!r}, which is what mode={mode!r} calls its rows; rename it.")
    m, k = len(grid.index), len(labels)
    variable = GridVariable(name, "factor", labels, np.zeros(0, dtype=np.intp), None)
    index = np.column_stack([np.tile(grid.index, (k, 1)), np.repeat(np.arange(k), m)]).astype(np.intp)
    wide = replace(
        grid,
        variables=(*grid.variables, variable),
        values=(*grid.values, labels),
        index=index,
        x=np.tile(grid.x, (k, 1)),
        offset=np.tile(grid.offset, k),
        frequency=np.tile(grid.frequency, k),
        occurring=np.tile(grid.occurring, k),
        parts=tuple(np.tile(p, (k, 1)) for p in grid.parts),
        predictors=tuple((np.tile(x, (k, 1)), np.tile(offset, k)) for x, offset in grid.predictors),
    )
    return wide, name


def category_means(
    tests: FixedEffectTests, grid: ReferenceGrid, specs: Specs, weights: object, mode: str, per: str | None
) -> Estimands:
    """Average over a grid that `over_categories` has made.

    Parameters
    ----------
    tests : FixedEffectTests
        Of a fit of ordered categories.
    grid : ReferenceGrid
    specs : Specs
    weights : str
        As of `marginal_means`.
    mode : str
    per : str or None
        The variable of the categories or thresholds, which always has a row for each.
    """
    check_grid(grid, weights, f"mode={mode!r}")
    names = specs.names if per is None or per in (*specs.names, *specs.by) else (*specs.names, per)
    found = _estimates(tests, grid, mode, per)
    return means_of_given(grid, specs, weights, found, QUANTITIES.get(mode), names, tests.cluster_df)


def _estimates(tests: FixedEffectTests, grid: ReferenceGrid, mode: str, per: str | None) -> tuple[Floats, Floats]:
    """What the mode gives in every row of the grid, and its covariance."""
    fit: Any = tests.fit
    columns = [x[:, list(p.kept)] for p, (x, _) in zip(fit.predictors, grid.predictors, strict=True)]
    nominal = grid.parts[0] if grid.parts else None
    level = None if per is None else grid.column(per)
    numbers = np.arange(1.0, len(fit.categories) + 1.0)
    rows = np.arange(len(grid.index))

    def log_scale(x: Floats) -> Floats:
        return columns[1] @ fit.apart(x)[2] if len(columns) > 1 else np.zeros(len(rows))

    def arguments(x: Floats) -> tuple[Floats, Floats, Floats, Floats | None]:
        beta, extras, _ = fit.apart(x)
        return columns[0] @ beta + grid.offset, log_scale(x), extras, nominal

    def latent(x: Floats) -> Floats:
        found: Floats = fit.standardised_at(*arguments(x))
        return found

    def probabilities(x: Floats) -> Floats:
        out: Floats = fit.probabilities_at(*arguments(x))
        return out

    def below(x: Floats) -> Floats:
        assert level is not None
        return np.asarray(fit.family.link_function.mean(latent(x)[rows, level]))

    functions: dict[str, Callable[[Floats], Floats]] = {
        "latent": lambda x: -latent(x).mean(axis=1),
        "linear.predictor": lambda x: latent(x)[rows, level],
        "cum_prob": below,
        "exc_prob": lambda x: 1.0 - below(x),
        "prob": lambda x: probabilities(x)[rows, level],
        "mean_class": lambda x: probabilities(x) @ numbers,
        "scale": log_scale,
    }
    f = functions[mode]
    k, covariance = len(fit.whole_beta), tests.coefficient_covariance()
    known = np.full((k, k), np.nan) if covariance is None else np.nan_to_num(covariance)
    return by_delta_method(f, fit.whole_beta, known)
