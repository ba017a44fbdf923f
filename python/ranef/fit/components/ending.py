"""How the search for a model with several linear predictors ended, and what is at a limit."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ranef.fit.components.design import Predictor
from ranef.fit.components.messages import Part
from ranef.fit.components.system import WholeModel
from ranef.fit.ending.conclusion import OPTIMIZER
from ranef.fit.ending.convergence import Convergence, Ending, convergence_of
from ranef.fit.ending.valleys import Valley

if TYPE_CHECKING:
    from ranef import _core

Floats = NDArray[np.float64]


def parts_of(predictors: Sequence[Predictor], eta: Floats, beta: Floats, kept: NDArray[np.intp]) -> dict[str, Part]:
    """The predictors as they were estimated.

    Parameters
    ----------
    predictors : sequence of Predictor
    eta : (m, n) array
    beta : (p,) array
        Fixed effects of all predictors.
    kept : (p,) int array
        Their columns among those of all predictors.
    """
    out: dict[str, Part] = {}
    first = 0
    for p, values in zip(predictors, eta, strict=True):
        own = (first <= kept) & (kept < first + p.design.x.shape[1])
        columns = kept[own] - first
        names = tuple(p.design.x_names[j] for j in columns)
        out[p.key] = Part(values, p.design.x[:, columns], beta[own], names)
        first += p.design.x.shape[1]
    return out


def component_convergence(
    found: "_core.GeneralizedFit",
    ending: Ending,
    model: WholeModel,
    keys: Sequence[str],
    theta: Floats,
    limits: tuple[str, ...],
) -> Convergence:
    """How the search ended, random terms named by their predictors too.

    Parameters
    ----------
    found : GeneralizedFit
    ending : Ending
    model : WholeModel
    keys : sequence of str
        The predictors.
    theta : (m,) array
        In lme4's order.
    limits : tuple of str
        What is at a limit, in sentences.
    """
    order, named = model.order, model.named(keys)
    beta = np.empty(0) if found.solution is None else found.solution.beta
    own = Valley(found.ending.objective, theta, beta)
    others = [
        Valley(v.objective, v.theta[order.theta_of_core], np.empty(0) if v.beta is None else v.beta)
        for v in found.search.valleys[1:]
    ]
    made = convergence_of(ending, OPTIMIZER, named, order, (own,), lambda v: np.empty(0), ())
    # other optima are counted; that a fixed effect differs between them has many reasons here
    return replace(made, valleys=(own, *others), limits=limits)
