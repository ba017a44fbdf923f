"""Where the search of a model begins whose scale varies with a covariate far from zero.

The log scale has no constant: with a covariate x its slope b multiplies all thresholds, locations
and standard deviations by exp(b m) where x has the mean m. The search then follows a bent valley,
along which it takes thousands of steps. With x less m the model is the same, and those factors are
put in at the end.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ranef.fit.components.design import Predictor
from ranef.fit.components.predictor_records import blocks_of
from ranef.fit.ordinal.system import OrdinalModel

if TYPE_CHECKING:
    from ranef import _core

Floats = NDArray[np.float64]

#: Means of columns, in their standard deviations, from which they are centred.
FAR = 3.0
#: Structures whose parameters all grow with the standard deviations.
SCALED = ("unstructured", "diagonal")


def centred_start(
    predictors: tuple[Predictor, ...],
    model: OrdinalModel,
    kept: list[int],
    fitted: "Callable[[_core.GlmmSystem], _core.GeneralizedFit]",
) -> tuple[Floats, Floats, int, str] | None:
    """Theta and coefficients as the core has them, the evaluations that they took, and what to do
    where the search does not end there; None where nothing is far from zero, or the model would not
    be the same: with an offset, priors, random effects in the scale, or other structures.

    Parameters
    ----------
    predictors : tuple of Predictor
    model : OrdinalModel
    kept : list of int
        Columns of all coefficients in use.
    fitted : callable
        Makes the fit of a system.
    """
    design = model.design
    if model.scale is None or design.offset is not None or design.priors or predictors[1].design.random:
        return None
    if any(t.structure not in SCALED for t in design.random):
        return None
    centre = model.scale.mean(axis=0)
    spread = model.scale.std(axis=0)
    centre[~((np.abs(centre) > FAR * spread) & (spread > 0.0))] = 0.0
    if not centre.any():
        return None
    system = replace(model, scale=np.asfortranarray(model.scale - centre)).system()
    if list(system.kept) != list(kept):
        return None
    found = fitted(system)
    if found.solution is None or not np.isfinite(found.ending.objective):
        return None
    *_, scale = blocks_of(kept, model.widths)
    beta = found.solution.beta.copy()
    with np.errstate(over="ignore"):
        factor = float(np.exp(beta[scale.place] @ centre[list(scale.kept)]))
    beta[: scale.place.start] *= factor
    theta = found.solution.theta * factor
    if not (np.isfinite(beta).all() and np.isfinite(theta).all()):
        return None
    names = ", ".join(n for n, c in zip(model.scale_names, centre, strict=True) if c != 0.0)
    said = (
        f"the scale varies with {names} far from zero, so that thresholds and effects are multiplied by {factor:.3g}, "
        f"the scale where that is zero: centre {names} in scale=, which is the same model."
    )
    return theta, beta, found.ending.evaluations, said
