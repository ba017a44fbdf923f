"""The record of a fit with other rows and parameters, taken for the truth: what simulations draw
from.
"""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ranef.design.record import Design
from ranef.fit.equal_parts import null_directions
from ranef.fit.generalized import GlmmFit
from ranef.fit.linear import LmmFit
from ranef.fit.order import order_terms, relative_factor, term_keys
from ranef.fit.record import MixedFit
from ranef.fit.stated.parameters import Parameters, Stated, parameters
from ranef.fit.system import LazySystem

if TYPE_CHECKING:
    from ranef._core import LmmSystem

Floats = NDArray[np.float64]


def assumed(fit: MixedFit, design: Design, truth: Parameters) -> MixedFit:
    """The record with other rows and parameters.

    What else depends on the response (modes, criterion, covariances) stays that of the fit.

    Parameters
    ----------
    fit : MixedFit
    design : Design
        That of the fit, or one of other rows, whose columns of X are those that the fit kept.
    truth : Parameters
        Theta in the order of the fit: other rows may have another one.
    """
    order = order_terms(design.random)
    own = design is fit.design
    kept, dropped = (fit.kept, fit.dropped) if own else (tuple(range(len(truth.beta))), ())
    parts = {s.formula: truth.theta[s.theta_start : s.theta_stop] for s in fit.order.spans}
    theta = np.concatenate([parts[s.formula] for s in order.spans])
    keys = term_keys(tuple(design.random[s.formula].group for s in order.spans))
    null = {k: null_directions(relative_factor(s, theta)) for k, s in zip(keys, order.spans, strict=True)}
    convergence = replace(fit.convergence, boundary={k: n for k, n in null.items() if n})
    if isinstance(fit, GlmmFit):
        new = replace(
            fit,
            design=design,
            order=order,
            system=LazySystem(design, order, fit.family),
            theta=theta,
            beta=truth.beta,
            dispersion=truth.spread,
            sigma=fit.family.sigma(truth.spread),
            kept=kept,
            dropped=dropped,
            convergence=convergence,
        )
        return _with_means(new) if own else new
    assert isinstance(fit, LmmFit)
    system: LazySystem[LmmSystem] = LazySystem(design, order)
    return replace(
        fit,
        design=design,
        order=order,
        system=system,
        theta=theta,
        beta=truth.beta,
        sigma=truth.spread,
        kept=kept,
        dropped=dropped,
        convergence=convergence,
    )


def _with_means(fit: GlmmFit) -> GlmmFit:
    """The record with the means that its fixed effects and its modes make."""
    eta = MixedFit.linear_predictor(fit)
    return replace(fit, eta=eta, mu=fit.family.mean(eta))


def restated(fit: MixedFit, stated: Stated) -> MixedFit:
    """The record with the same rows and modes, and some parameters that are stated."""
    return assumed(fit, fit.design, parameters(fit, stated))


def assumed_without(fit: MixedFit, columns: list[int]) -> MixedFit:
    """The record without some of its fixed effects, which were nothing but zero.

    Parameters
    ----------
    fit : MixedFit
        Without dropped columns.
    columns : list of int
    """
    rest = [j for j in range(len(fit.beta)) if j not in columns]
    truth = Parameters(fit.beta[rest], fit.spread, fit.theta)
    return assumed(fit, design_of_columns(fit.design, rest), truth)


def design_of_columns(design: Design, keep: list[int]) -> Design:
    """The design with some of the columns of X."""
    return replace(
        design.with_rows(x=np.asfortranarray(design.x[:, keep])),
        x_names=tuple(design.x_names[j] for j in keep),
        x_assign=tuple(design.x_assign[j] for j in keep),
    )
