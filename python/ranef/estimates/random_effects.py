"""Conditional modes of the random effects and their conditional covariance.

Coefficients of every level.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ranef.design.known_matrix import LevelRelation
from ranef.fit.record import MixedFit

Floats = NDArray[np.float64]

#: Entries of parts of an inverse that are held together.
ENTRIES = 1 << 22


@dataclass(frozen=True, slots=True, eq=False)
class GroupEffects:
    """Effects of one grouping factor, the terms on it side by side.

    Attributes
    ----------
    group : str
    levels : (levels,) array of str
    names : tuple of str
        The k effects; a name can occur twice when two terms have it.
    values : (levels, k) array
    """

    group: str
    levels: NDArray[np.object_]
    names: tuple[str, ...]
    values: Floats


def random_effects(fit: MixedFit) -> tuple[GroupEffects, ...]:
    """Conditional modes by grouping factor, factors by decreasing number of levels."""
    out = []
    for f, members in enumerate(fit.order.factors):
        first = fit.design.random[members[0]]
        at = [i for i, s in enumerate(fit.order.spans) if s.factor == f]
        names = tuple(n for i in at for n in fit.terms[i].names)
        values = fit.b[at[0]] if len(at) == 1 else np.hstack([fit.b[i] for i in at])
        out.append(GroupEffects(fit.term_keys[at[0]], first.levels, names, first.reported(values)))
    return tuple(out)


def conditional_covariances(fit: MixedFit) -> tuple[Floats, ...]:
    """Covariance of the random effects of every level given the data, theta and the fixed effects.

    One array (levels, k, k) for each grouping factor, in the order of :func:`random_effects`; k
    counts the effects of all terms on the factor, so the covariance between effects of different
    terms is there as well.
    """
    return covariances_and_error(fit)[0]


def covariances_and_error(fit: MixedFit) -> tuple[tuple[Floats, ...], list[float] | None]:
    """The same, with the relative standard error of the variances of each factor where they are
    sampled.
    """
    out, error = fit.conditional_covariance()
    for f, members in enumerate(fit.order.factors):
        relation = fit.design.random[members[0]].relation
        if relation is not None:
            out[f] = _related_covariances(fit, f, relation)
    return tuple(out), error


def _related_covariances(fit: MixedFit, factor: int, relation: LevelRelation) -> Floats:
    """The same of levels that are made of several independent effects."""
    spans = [s for s in fit.order.spans if s.factor == factor]
    k = sum(s.size for s in spans)
    scale = np.zeros((k, k))
    for span, own in zip(fit.order.spans, fit.relative_factors, strict=True):
        if span.factor == factor:
            scale[span.start : span.start + span.size, span.start : span.start + span.size] = own
    sizes = [fit.design.random[m[0]].n_columns * _width(fit, f) for f, m in enumerate(fit.order.factors)]
    first = sum(sizes[:factor])
    out = np.zeros((len(relation.levels), k, k))
    counts = np.diff(relation.start) * k
    ends = np.cumsum(counts**2)
    start = 0
    while start < len(out):
        before = int(ends[start] - counts[start] ** 2)
        stop = max(start + 1, int(np.searchsorted(ends, before + ENTRIES, side="right")))
        part = relation.column[relation.start[start] : relation.start[stop]].astype(np.intp)
        effects = (first + part[:, None] * k + np.arange(k)).ravel()
        bounds = np.concatenate([[0], np.cumsum(counts[start:stop])]).astype(np.intp)
        flat, at = fit.inverse_parts(bounds, effects), 0
        for level in range(start, stop):
            weight, m = relation.weight[relation.start[level] : relation.start[level + 1]], int(counts[level])
            block = flat[at : at + m * m].reshape(len(weight), k, len(weight), k)
            out[level] = scale @ np.einsum("a,aibj,b->ij", weight, block, weight) @ scale.T
            at += m * m
        start = stop
    return out * fit.random_scale**2


def _width(fit: MixedFit, factor: int) -> int:
    return sum(s.size for s in fit.order.spans if s.factor == factor)


def level_coefficients(fit: MixedFit) -> tuple[GroupEffects, ...]:
    """Fixed plus random effects of every level.

    All groups have the same columns: the fixed effects, and before them the random effects, of any
    group, that no fixed effect goes with; those are around zero. The effect of a level of a factor
    goes with the treatment contrast of that level (``f[b]`` with ``f[T.b]``).
    """
    groups = random_effects(fit)
    places = {_without_coding(n): n for n in fit.x_names}
    alone = tuple(dict.fromkeys(n for g in groups for n in g.names if _without_coding(n) not in places))
    places |= {_without_coding(n): n for n in alone}
    names = alone + fit.x_names
    start = np.concatenate([np.zeros(len(alone)), fit.beta])
    out = []
    for g in groups:
        values = np.tile(start, (len(g.levels), 1))
        for j, n in enumerate(g.names):
            values[:, names.index(places[_without_coding(n)])] += g.values[:, j]
        out.append(GroupEffects(g.group, g.levels, names, values))
    return tuple(out)


def _without_coding(name: str) -> str:
    return name.replace("[T.", "[")
