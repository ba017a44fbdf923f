"""The record of a fit with other rows and parameters, taken for the truth: what simulations draw
from.
"""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ranef.design.record import Design
from ranef.fit.generalized import GlmmFit
from ranef.fit.linear import LmmFit
from ranef.fit.order import order_terms
from ranef.fit.record import MixedFit
from ranef.fit.system import LazySystem

if TYPE_CHECKING:
    from ranef._core import LmmSystem

Floats = NDArray[np.float64]


def assumed(fit: MixedFit, design: Design, beta: Floats, spread: float) -> MixedFit:
    """The record with other rows, fixed effects and spread; random effects keep their covariances.

    What depends on the response (modes, criterion, covariances) stays that of the fit.

    Parameters
    ----------
    fit : MixedFit
    design : Design
        Of the same model; its columns of X are those that the fit kept.
    beta : (p,) array
    spread : float
        Sigma, or the extra parameter of the family.
    """
    order = order_terms(design.random)
    kept = tuple(range(len(beta)))
    # Relative factors are in units of sigma, which may have another value now.
    unit = 1.0 if isinstance(fit, GlmmFit) else fit.sigma / spread
    parts = {s.formula: fit.theta[s.theta_start : s.theta_stop] * unit for s in fit.order.spans}
    theta = np.concatenate([parts[s.formula] for s in order.spans])
    if isinstance(fit, GlmmFit):
        return replace(
            fit,
            design=design,
            order=order,
            system=LazySystem(design, order, fit.family),
            theta=theta,
            beta=beta,
            dispersion=spread,
            sigma=fit.family.sigma(spread),
            kept=kept,
            dropped=(),
        )
    assert isinstance(fit, LmmFit)
    system: LazySystem[LmmSystem] = LazySystem(design, order)
    return replace(
        fit, design=design, order=order, system=system, theta=theta, beta=beta, sigma=spread, kept=kept, dropped=()
    )


def assumed_without(fit: MixedFit, columns: list[int]) -> MixedFit:
    """The record without some of its fixed effects, which were nothing but zero.

    Parameters
    ----------
    fit : MixedFit
        Without dropped columns.
    columns : list of int
    """
    rest = [j for j in range(len(fit.beta)) if j not in columns]
    return assumed(fit, design_of_columns(fit.design, rest), fit.beta[rest], fit.spread)


def design_of_columns(design: Design, keep: list[int]) -> Design:
    """The design with some of the columns of X."""
    return replace(
        design.with_rows(x=np.asfortranarray(design.x[:, keep])),
        x_names=tuple(design.x_names[j] for j in keep),
        x_assign=tuple(design.x_assign[j] for j in keep),
    )
