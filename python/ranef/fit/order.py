"""The three orders of random terms and of theta, and the ways between them; nothing else in the
package permutes them.

* formula order: as the terms are written (``Design.random``);
* lme4's order, in which everything is reported: formula order where the numbers of levels never
  increase along it, otherwise terms by decreasing number of levels with ties in reverse; theta runs
  through the terms, within a term column by column through the lower triangle of its relative
  Cholesky factor (a diagonal term has its diagonal only; of other structures see the core);
* the core's order: one factor for each grouping, holding all terms on it side by side; factors and
  their terms in the order in which they come in lme4's.

What theta means within a term is for the core to say: here it is only asked.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ranef._core import Structure
from ranef.design.record import RandomTerm
from ranef.errors import DesignError

Floats = NDArray[np.float64]


@lru_cache(maxsize=256)
def structure_of(name: str, size: int) -> Structure:
    """The core's structure of a term with ``size`` effects."""
    try:
        return Structure(name, size)
    except ValueError:
        raise DesignError(f"the covariance structure {name!r} is not available.") from None


@dataclass(frozen=True, slots=True)
class TermSpan:
    """Where one random term (in lme4's order) is found elsewhere.

    Attributes
    ----------
    formula : int
        Its position in the formula.
    factor, start, size : int
        Its core factor, and the columns ``start : start + size`` of that factor's block.
    core_term : int
        Its position among all terms in the core's order.
    theta_start, theta_stop : int
        Its part of theta in lme4's order.
    structure : str
        Its covariance structure.
    """

    formula: int
    factor: int
    start: int
    size: int
    core_term: int
    theta_start: int
    theta_stop: int
    structure: str

    @property
    def diagonal(self) -> bool:
        """Whether its effects are several and independent."""
        return self.structure == "diagonal" and self.size > 1

    @property
    def core(self) -> Structure:
        """What the core knows of its structure."""
        return structure_of(self.structure, self.size)


@dataclass(frozen=True, slots=True)
class TermOrder:
    """Order of the random terms of one design.

    Attributes
    ----------
    spans : tuple of TermSpan
        One for each term, in lme4's order.
    factors : tuple of tuple of int
        For each core factor the formula positions of its terms.
    theta_of_core : int array
        ``theta_lme4 = theta_core[theta_of_core]``.
    core_of_theta : int array
        ``theta_core = theta_lme4[core_of_theta]``.
    """

    spans: tuple[TermSpan, ...]
    factors: tuple[tuple[int, ...], ...]
    theta_of_core: NDArray[np.intp]
    core_of_theta: NDArray[np.intp]

    @property
    def n_theta(self) -> int:
        """Number of covariance parameters without sigma."""
        return len(self.theta_of_core)


def theta_count(size: int, structure: str) -> int:
    """Number of covariance parameters of a term with ``size`` effects."""
    return structure_of(structure, size).n_theta


def order_terms(terms: Sequence[RandomTerm]) -> TermOrder:
    """Find the orders of the random terms of a design.

    Parameters
    ----------
    terms : sequence of RandomTerm
        In formula order.
    """
    return _order(tuple((t.factor_key, t.n_groups, len(t.names), t.structure) for t in terms))


@lru_cache(maxsize=256)
def _order(keys: tuple[tuple[str, int, int, str], ...]) -> TermOrder:
    """The orders depend on (group, levels, effects, structure) of every term only, so that refits
    find them ready.
    """
    reported = _reported(tuple(k[1] for k in keys))
    groups: dict[str, list[int]] = {}
    for i in reported:
        groups.setdefault(keys[i][0], []).append(i)
    core_start: dict[int, int] = {}
    place: dict[int, tuple[int, int, int]] = {}
    theta_position = term_position = 0
    for f, members in enumerate(groups.values()):
        column = 0
        for i in members:
            _, _, size, structure = keys[i]
            core_start[i] = theta_position
            place[i] = (f, column, term_position)
            theta_position += theta_count(size, structure)
            column += size
            term_position += 1
    spans: list[TermSpan] = []
    of_core: list[int] = []
    position = 0
    for i in reported:
        _, _, size, structure = keys[i]
        count = theta_count(size, structure)
        factor, start, core_term = place[i]
        spans.append(TermSpan(i, factor, start, size, core_term, position, position + count, structure))
        of_core.extend(range(core_start[i], core_start[i] + count))
        position += count
    theta_of_core = np.array(of_core, dtype=np.intp)
    core_of_theta = np.empty_like(theta_of_core)
    core_of_theta[theta_of_core] = np.arange(len(of_core))
    theta_of_core.flags.writeable = core_of_theta.flags.writeable = False
    return TermOrder(tuple(spans), tuple(tuple(m) for m in groups.values()), theta_of_core, core_of_theta)


def _reported(levels: tuple[int, ...]) -> list[int]:
    """Formula positions in lme4's order. lme4 sorts terms by decreasing number of levels only if
    they are not sorted already; sorting reverses ties.
    """
    if all(a >= b for a, b in pairwise(levels)):
        return list(range(len(levels)))
    return sorted(range(len(levels)), key=levels.__getitem__)[::-1]


def relative_factor(span: TermSpan, theta: Floats) -> Floats:
    """Relative factor (size × size) of one term from theta in lme4's order.

    It is lower triangular where theta is its free entries.
    """
    factor: Floats = relative_factors(span, theta[None])[0]
    return factor


def relative_factors(span: TermSpan, theta: Floats) -> Floats:
    """The same (m, size, size) for the rows of theta (m, q)."""
    own: Floats = span.core.factors(np.ascontiguousarray(theta[:, span.theta_start : span.theta_stop]))
    return own


def natural_parameters(span: TermSpan, theta: Floats) -> Floats:
    """Standard deviations (relative to sigma), correlations or what else theta stands for.

    (m, n) for the rows of theta (m, q).
    """
    own: Floats = span.core.natural(np.ascontiguousarray(theta[:, span.theta_start : span.theta_stop]))
    return own


def slope_of_factor(span: TermSpan, theta: Floats, along: Floats) -> Floats:
    """Derivative (size × size) of the relative factor along a direction of theta."""
    own = slice(span.theta_start, span.theta_stop)
    out: Floats = span.core.push(np.ascontiguousarray(theta[own]), np.ascontiguousarray(along[own]))
    return out


def theta_of_factors(order: TermOrder, factors: Mapping[int, Floats]) -> Floats:
    """Theta in lme4's order from the relative factors,
    by the position of the term in the formula.
    """
    out = np.zeros(order.n_theta)
    for span in order.spans:
        out[span.theta_start : span.theta_stop] = span.core.read(np.asarray(factors[span.formula], dtype=np.float64))
    return out


#: Parameters that theta holds as logarithms.
LOGARITHMS = ("range", "smoothness")


def theta_names(order: TermOrder, terms: Sequence[RandomTerm]) -> tuple[str, ...]:
    """Names of theta: ``group.effect`` for standard deviations, else ``group.effect.earlier``.

    A parameter of all effects of a term is ``group.name``, of which a range is ``group.log_range``.
    """
    out = []
    for span in order.spans:
        t = terms[span.formula]
        for kind, places in span.core.parameters:
            common = f"log_{kind}" if kind in LOGARITHMS else kind
            out.append(".".join([t.group, *([t.names[i] for i in places] or [common])]))
    return tuple(out)


def term_keys(groups: tuple[str, ...]) -> tuple[str, ...]:
    """Make names of grouping factors unique by suffixes, as ``g``, ``g.1``, ``g.2``."""
    taken: set[str] = set(groups)
    seen: dict[str, int] = {}
    out = []
    for g in groups:
        if g not in seen:
            seen[g] = 0
            out.append(g)
            continue
        name = g
        while name in taken:  # a factor may itself be called g.1
            seen[g] += 1
            name = f"{g}.{seen[g]}"
        taken.add(name)
        out.append(name)
    return tuple(out)


def by_term(order: TermOrder, blocks: Sequence[Floats]) -> tuple[Floats, ...]:
    """The columns of every term, in lme4's order, of one array (levels, k) for each core factor."""
    return tuple(blocks[s.factor][:, s.start : s.start + s.size] for s in order.spans)
