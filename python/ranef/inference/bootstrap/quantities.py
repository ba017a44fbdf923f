"""The named quantities of a fit that a bootstrap keeps: fixed effects, standard deviations, correlations and sigma."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ranef.fit.order import TermSpan
from ranef.fit.record import MixedFit

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Quantity:
    """What one column of replicates is.

    Attributes
    ----------
    name : str
        ``Days``, ``sd_Days|Subject``, ``cor_Days.(Intercept)|Subject``, ``sigma``: the names of lme4's ``confint(oldNames = FALSE)``.
    effect : {"fixed", "ran_pars", "statistic"}
    group : str or None
    term : str
        As in ``tidy()``: ``sd__Days``, ``cor__(Intercept).Days``, ``sd__Observation``.
    """

    name: str
    effect: str
    group: str | None
    term: str


def quantities(fit: MixedFit) -> tuple[Quantity, ...]:
    """Fixed effects, then for every random term its standard deviations and correlations in the order of theta, then sigma or a family's extra parameter."""
    out = [Quantity(n, "fixed", None, n) for n in fit.x_names]
    taken: set[str] = set()
    for key, term, span in zip(fit.term_keys, fit.terms, fit.order.spans, strict=True):
        names = term.names
        places = _places(span)
        texts = [f"sd_{names[i]}" if i == j else f"cor_{names[i]}.{names[j]}" for i, j in places]
        # two terms on one factor share its name unless they have an effect in common
        group = key if any(f"{t}|{term.group}" in taken for t in texts) else term.group
        for text, (i, j) in zip(texts, places, strict=True):
            short = f"sd__{names[i]}" if i == j else f"cor__{names[j]}.{names[i]}"
            taken.add(f"{text}|{group}")
            out.append(Quantity(f"{text}|{group}", "ran_pars", key, short))
    name = fit.spread_name
    if name is None:
        return tuple(out)
    return (*out, Quantity(name, "ran_pars", "Residual", "sd__Observation" if name == "sigma" else name))


def quantity_values(fit: MixedFit, beta: Floats, theta: Floats, sigma: Floats) -> Floats:
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

    Returns
    -------
    (m, K) array
        Correlations are NaN beside an effect without variance.
    """
    columns = [beta]
    # relative to sigma where all but theta is profiled out
    scale = sigma if fit.fixed_effects_profiled else np.ones(len(theta))
    for span in fit.order.spans:
        k, part = span.size, theta[:, span.theta_start : span.theta_stop]
        factor = np.zeros((len(theta), k, k))
        places = _places(span)
        for c, (i, j) in enumerate(places):
            factor[:, i, j] = part[:, c]
        sd = np.sqrt(np.einsum("mij,mij->mi", factor, factor))
        for i, j in places:
            if i == j:
                columns.append((sd[:, i] * scale)[:, None])
            else:
                with np.errstate(divide="ignore", invalid="ignore"):
                    r = np.einsum("mc,mc->m", factor[:, i], factor[:, j]) / (sd[:, i] * sd[:, j])
                columns.append(np.clip(r, -1.0, 1.0)[:, None])
    if fit.spread_name is not None:
        columns.append(sigma[:, None])
    return np.hstack(columns)


def observed_values(fit: MixedFit) -> Floats:
    """The values of :func:`quantities` of the fit itself."""
    out: Floats = quantity_values(fit, fit.beta[None], fit.theta[None], np.array([fit.spread]))[0]
    return out


def _places(span: TermSpan) -> list[tuple[int, int]]:
    """(row, column) of the entries of the covariance matrix, in the order of theta; the diagonal only where the effects are independent."""
    k = span.size
    return [(i, j) for j in range(k) for i in range(j, k) if not span.diagonal or i == j]
