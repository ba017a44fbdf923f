"""The number of quadrature nodes that is enough: it is raised until two successive values of the
criterion agree.
"""

from collections.abc import Callable
from dataclasses import replace

from ranef.fit.quadrature import check_quadrature
from ranef.fit.record import MixedFit

#: Numbers of nodes by the number of random effects of a level; those of nested factors are theirs
#: together.
NODES = {1: (7, 11, 15, 25, 41, 61, 91), 2: (7, 11, 15, 25, 35, 51), 3: (5, 7, 9, 13, 17, 23)}

#: Values of -2 log-likelihood that agree.
CLOSE = 1e-3


def fit_with_enough_nodes(fit_with: Callable[[int], MixedFit]) -> MixedFit:
    """Fit with as few nodes as are enough.

    Parameters
    ----------
    fit_with : callable
        Fits with a number of nodes.

    Returns
    -------
    MixedFit
        Its ``convergence.quadrature`` says what was reached; where the most nodes are too few it is
        also a message.

    Raises
    ------
    OptionError
        Where the model has no quadrature.
    """
    fit = fit_with(1)
    order, design = fit.integrated
    check_quadrature("auto", order, design)
    nodes = NODES[min(sum(s.size for s in order.spans), max(NODES))]
    last, at, gap = len(nodes) - 1, 0, CLOSE
    while gap >= CLOSE:
        at = next((place for place in range(at, last) if _gap(fit, nodes, place) < CLOSE), last)
        fit = fit_with(nodes[at])
        # at the estimates with so many
        gap = _gap(fit, nodes, at)
        if at == last:
            break
        at += 1
    if gap < CLOSE:
        said = f"{fit.n_quad} quadrature nodes were chosen: more of them change -2 log-likelihood by {gap:.1g}."
        return replace(fit, convergence=replace(fit.convergence, quadrature=said))
    said = f"with {fit.n_quad} quadrature nodes, the most that are tried, -2 log-likelihood still changes by {gap:.2g}."
    convergence = replace(fit.convergence, quadrature=said[0].upper() + said[1:])
    return replace(fit, convergence=convergence, messages=(*fit.messages, said))


def _gap(fit: MixedFit, nodes: tuple[int, ...], place: int) -> float:
    """By how much a number of nodes differs from the next, or the most from the next fewer, at the
    estimates.
    """
    place = min(place, len(nodes) - 2)
    return abs(fit.objective_at(nodes[place + 1]) - fit.objective_at(nodes[place]))
