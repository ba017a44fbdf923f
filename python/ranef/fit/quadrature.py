"""Which models adaptive Gauss–Hermite quadrature can integrate: one grouping factor, or two nested
ones with one random effect each.
"""

import numpy as np

from ranef.design.record import Design, RandomTerm
from ranef.errors import OptionError
from ranef.fit.order import TermOrder

#: Most random effects of one level that quadrature takes.
LARGEST_QUADRATURE = 3

#: Most nested grouping factors, and random effects of each of them.
MOST_NESTED = 2

_LAPLACE = "Use n_quad=1, Laplace's approximation."


def check_quadrature(n_quad: int | str, order: TermOrder, design: Design) -> None:
    """Refuse quadrature where the integral has too many dimensions.

    Parameters
    ----------
    n_quad : int or "auto"
        Number of nodes for each random effect; up to 1 is no quadrature.
    order : TermOrder
    design : Design

    Raises
    ------
    OptionError
        Crossed factors, more than two nested ones, or too many random effects of a level.
    """
    if not isinstance(n_quad, str) and n_quad <= 1:
        return
    n_quad = repr(n_quad)
    spread = next((t for t in design.random if t.has_members), None)
    if spread is not None:
        raise OptionError(
            f"n_quad={n_quad} needs rows with one random effect of each factor, and {spread.written} gives them parts "
            f"of several, which are then not independent between rows. {_LAPLACE}"
        )
    first = [design.random[members[0]] for members in order.factors]
    effects = [sum(s.size for s in order.spans if s.factor == f) for f in range(len(first))]
    groups = [t.group for t in first]
    if len(first) == 1:
        if effects[0] > LARGEST_QUADRATURE:
            raise OptionError(
                f"n_quad={n_quad} takes at most {LARGEST_QUADRATURE} random effects for each level, and {groups[0]!r} "
                f"has {effects[0]}. {_LAPLACE}"
            )
        return
    by_size = sorted(first, key=lambda t: len(t.levels))
    crossed = next(
        ((outer, inner) for i, outer in enumerate(by_size) for inner in by_size[i + 1 :] if not _within(inner, outer)),
        None,
    )
    if crossed is not None:
        outer, inner = crossed
        raise OptionError(
            f"n_quad={n_quad} needs one grouping factor or two nested ones, and {outer.group!r} and {inner.group!r} "
            "are crossed: their random effects are not "
            "independent of each other in any grouping of the rows, so that the integral over all of them has too "
            f"many dimensions for quadrature. {_LAPLACE}"
        )
    if len(first) > MOST_NESTED:
        raise OptionError(
            f"n_quad={n_quad} takes at most {MOST_NESTED} nested grouping factors, and the model has {len(first)} "
            f"({', '.join(groups)}): every further one multiplies the "
            f"work by the number of nodes. {_LAPLACE}"
        )
    if max(effects) > 1:
        several = [f"{g!r} has {n}" for g, n in zip(groups, effects, strict=True) if n > 1]
        raise OptionError(
            f"n_quad={n_quad} takes one random effect for each of two nested grouping factors, and "
            f"{' and '.join(several)}: the nodes of an inner effect are counted for "
            f"every node of the outer ones, so that the work grows with the power of their number. {_LAPLACE}"
        )


def _within(inner: RandomTerm, outer: RandomTerm) -> bool:
    """Whether every level of one term occurs with one level of the other only."""
    parent = np.empty(len(inner.levels), np.int32)
    parent[inner.codes] = outer.codes
    return bool((parent[inner.codes] == outer.codes).all())
