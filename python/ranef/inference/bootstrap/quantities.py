"""The named quantities of a fit that a bootstrap keeps:
fixed effects, standard deviations, correlations, sigma and parameters of the rows' covariance.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ranef.design.record import RandomTerm
from ranef.fit.order import TermOrder, natural_parameters, term_keys
from ranef.fit.record import MixedFit

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Quantity:
    """What one column of replicates is.

    Attributes
    ----------
    name : str
        ``Days``, ``sd_Days|Subject``, ``cor_Days.(Intercept)|Subject``, ``sigma``: the names of
        lme4's ``confint(oldNames = FALSE)``.
    effect : {"fixed", "ran_pars", "structure", "statistic"}
    group : str or None
    term : str
        As in ``tidy()``: ``sd__Days``, ``cor__(Intercept).Days``, ``sd__Observation``.
    """

    name: str
    effect: str
    group: str | None
    term: str


def quantities(fit: MixedFit) -> tuple[Quantity, ...]:
    """Fixed effects, then for every random term its standard deviations
    and correlations in the order of theta, then sigma or a family's extra parameter, then natural
    parameters of the covariance structure of the rows.
    """
    out = [Quantity(n, "fixed", None, n) for n in fit.x_names]
    out += random_quantities(fit.terms, fit.order)
    name = fit.spread_name
    if name is not None:
        out.append(Quantity(name, "ran_pars", "Residual", "sd__Observation" if name == "sigma" else name))
    return (*out, *(Quantity(n, "structure", "Residual", n) for n in fit.structure_parameters))


def random_quantities(terms: Sequence[RandomTerm], order: TermOrder) -> list[Quantity]:
    """Those of the random terms, which are in lme4's order."""
    out = []
    taken: set[str] = set()
    keys = term_keys(tuple(t.group for t in terms))
    for key, term, span in zip(keys, terms, order.spans, strict=True):
        names = term.names
        texts, shorts = [], []
        for kind, places in span.core.parameters:
            own = [names[i] for i in places]
            texts.append(f"{kind}_{'.'.join(own)}" if own else kind)
            shorts.append(f"{kind}__{'.'.join(reversed(own))}" if own else f"{kind}__common")
        # two terms on one factor share its name unless they have an effect in common
        group = key if any(f"{t}|{term.group}" in taken for t in texts) else term.group
        for text, short in zip(texts, shorts, strict=True):
            taken.add(f"{text}|{group}")
            out.append(Quantity(f"{text}|{group}", "ran_pars", key, short))
    return out


def quantity_values(
    fit: MixedFit, beta: Floats, theta: Floats, sigma: Floats, structure: Floats | None = None
) -> Floats:
    """Values of :func:`quantities` for m sets of parameters.

    Parameters
    ----------
    fit : MixedFit
        Says how theta is to be read.
    beta : (m, p) array
    theta : (m, q) array
        In lme4's order.
    sigma : (m,) array
        Or the extra parameter of a family.
    structure : (m, k) array, optional
        Natural parameters of the covariance structure of the rows.

    Returns
    -------
    (m, K) array
        Correlations are NaN beside an effect without variance.
    """
    columns = [beta]
    scale = sigma if fit.theta_is_relative else np.ones(len(theta))
    columns += random_values(fit.order, theta, scale)
    if fit.spread_name is not None:
        columns.append(sigma[:, None])
    return np.hstack(columns if structure is None else [*columns, structure])


def random_values(order: TermOrder, theta: Floats, scale: Floats) -> list[Floats]:
    """Values (m, n) of the quantities of each random term, for m sets of theta and the unit (m,) of
    their standard deviations.
    """
    out = []
    for span in order.spans:
        values = natural_parameters(span, theta)
        spreads = [kind == "sd" for kind, _ in span.core.parameters]
        out.append(np.where(spreads, values * scale[:, None], values))
    return out


def observed_values(fit: MixedFit) -> Floats:
    """The values of :func:`quantities` of the fit itself."""
    structure = np.array([list(fit.structure_parameters.values())], dtype=np.float64)
    out: Floats = quantity_values(fit, fit.beta[None], fit.theta[None], np.array([fit.spread]), structure)[0]
    return out
