"""Each group fitted on its own by least squares, beside what the model makes of it."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ranef.errors import ArgumentTypeError, OptionError
from ranef.estimates.random_effects import random_effects
from ranef.fit.random_part import random_part
from ranef.fit.record import MixedFit
from ranef.fit.refits.separate import separate_coefficients

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

#: Directions of a group's columns whose singular value is smaller than this, relative to the
#: largest, are not estimated.
_RANK = 1e-10


def separate_fits(fit: MixedFit, group: object = None) -> "pd.DataFrame":
    """Compare coefficients of no pooling, of partial pooling, and of the population.

    No pooling is, of a generalized model, maximum likelihood in every level on its own, with the
    dispersion held at its estimate; of a linear model it is weighted least squares, in every level
    on its own, on the columns that vary randomly over the levels. What else is in the model (other
    fixed effects, other grouping factors, the offset) is held at its estimate. In a model whose
    fixed effects all vary randomly over one factor these are the coefficients of a separate
    regression in each level.

    Parameters
    ----------
    fit : MixedFit
    group : str, optional
        Grouping factor; by default the one with most levels.

    Returns
    -------
    DataFrame
        Columns ``group, level, effect, n, separate, pooled, population``: n is the number of rows
        of the level; ``separate`` is NaN for all effects of a level whose rows do not determine
        them, or have no finite estimate.
    """
    import pandas as pd

    groups = [g.group for g in random_effects(fit)]
    chosen = groups[0] if group is None else group
    if not isinstance(chosen, str):
        raise ArgumentTypeError(f"group must be the name of a grouping factor, not {group!r}.")
    if chosen not in groups:
        raise OptionError(
            f"group must be one of the model's grouping factors, {', '.join(map(repr, groups))}, not {group!r}."
        )
    f = groups.index(chosen)
    effects = random_effects(fit)[f]
    members = [i for i, s in enumerate(fit.order.spans) if s.factor == f]
    rest = fit.fixed_part()
    for i, (term, b) in enumerate(zip(fit.terms, fit.b, strict=True)):
        if i not in members:
            rest = rest + random_part(term.places, term.z, b)
    if fit.terms[members[0]].has_members:
        raise OptionError(f"rows have parts of several effects of {chosen!r}, so that its levels have no own fits.")
    z = np.hstack([fit.terms[i].z for i in members])
    codes = fit.terms[members[0]].codes
    count = len(effects.levels)
    if fit.normal_responses:
        own, counts = _by_level(z, fit.design.y - rest, codes, count, fit.design.weights)
    else:
        own = separate_coefficients(fit, z, rest, codes.astype(np.intp), count)
        counts = np.bincount(codes, minlength=count)
    rows = []
    for j, name in enumerate(effects.names):
        centre = _population(fit, name)
        rows.append(
            pd.DataFrame(
                {
                    "group": chosen,
                    "level": effects.levels.astype(str),
                    "effect": name,
                    "n": counts,
                    "separate": centre + own[:, j],
                    "pooled": centre + effects.values[:, j],
                    "population": centre,
                }
            )
        )
    return pd.concat(rows, ignore_index=True)


def _population(fit: MixedFit, effect: str) -> float:
    """The fixed effect that an effect varies around, zero without one."""
    names = [n.replace("[T.", "[") for n in fit.x_names]
    plain = effect.replace("[T.", "[")
    return float(fit.beta[names.index(plain)]) if plain in names else 0.0


def _by_level(
    z: Floats, y: Floats, codes: NDArray[np.int32], n_levels: int, weights: Floats | None
) -> tuple[Floats, NDArray[np.int64]]:
    """Least-squares coefficients (levels, k) and numbers of rows."""
    if weights is not None:
        root = np.sqrt(weights)
        z, y = z * root[:, None], y * root
    order = np.argsort(codes, kind="stable")
    counts = np.bincount(codes[codes >= 0], minlength=n_levels)
    start = int(np.count_nonzero(codes < 0))
    out = np.full((n_levels, z.shape[1]), np.nan)
    for level, count in enumerate(counts.tolist()):
        rows = order[start : start + count]
        start += count
        solution, _, rank, _ = np.linalg.lstsq(z[rows], y[rows], rcond=_RANK)
        if rank == z.shape[1]:
            out[level] = solution
    return out, counts
