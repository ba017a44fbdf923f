"""Which solver fits a linear model: what each would take of memory and time, before anything large
is allocated.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ranef.design.level_columns import LevelColumns
from ranef.design.memory import available_memory
from ranef.design.record import Design
from ranef.design.shared_effects import shared_effects
from ranef.fit.control import FitControl
from ranef.fit.ending.unidentified import unidentified_effects
from ranef.fit.iterative.sampled import why_not_iterative
from ranef.fit.order import TermOrder

#: How a model is solved: by exact factors; by the iterative solver with an exact finish; by the
#: iterative solver alone.
Way = Literal["exact", "hybrid", "iterative"]

#: Share of the free memory that the exact solver may take where there is another.
SHARE = 0.5
#: Seconds that the evaluations of an exact fit may take where another way is quicker, and how many
#: there are; how many an exact finish takes, and seconds that each of these may take.
PATIENCE, EVALUATIONS = 5.0, 6
FINISH, LAST = 2, 120.0
#: The same where a dense block of all that is crossed would take longer: a sparser pattern is
#: looked for as far as that takes no longer than the iterative solver.
SPARSER = 2.0
#: Random effects beside those of the largest factor that are no matter in any case: with all of
#: them in one dense block an evaluation takes a second.
FEW_EFFECTS = 2500
#: Rows that show whether factors are crossed, as a rule.
SHOWN = 10_000

#: Vectors of the random effects that solvers hold.
EXACT_VECTORS, ITERATIVE_VECTORS = 3, 64
#: Matrices of the order of the fixed effects that are held at once.
SQUARES = 6
#: Bytes of what is kept of a level beside numbers: its place in the factor, its label; and where
#: that is put together from those of several columns.
OF_LEVEL, OF_JOINED = 60, 300
#: Dense operations take so many seconds each.
OF_DENSE = 4e-11
#: Seconds for each row of one step of the iterative solver with its probes, where there are two
#: factors with a constant each; otherwise for each effect of a row beside those of the largest
#: factor; and steps of a fit.
OF_PAIR, OF_STEP, STEPS = 1e-8, 4e-8, 100


@dataclass(frozen=True, slots=True)
class ModelSize:
    """Numbers that predictions are made of.

    Attributes
    ----------
    n, p : int
        Rows and fixed effects.
    factors : list of (int, int)
        Levels and effects of each grouping factor, in the core's order.
    joined : int
        Levels of factors that are made of several columns.
    """

    n: int
    p: int
    factors: list[tuple[int, int]]
    joined: int = 0

    @classmethod
    def of(cls, design: Design, order: TermOrder, n: int) -> "ModelSize":
        """Of a design with so many rows."""
        factors, joined = [], 0
        for members in order.factors:
            terms = [design.random[i] for i in members]
            levels = len(terms[0].levels)
            factors.append((levels, sum(len(t.names) for t in terms)))
            joined += levels if ":" in terms[0].group else 0
        return cls(n, len(design.x_names), factors, joined)

    @property
    def q(self) -> int:
        """Random effects."""
        return sum(levels * k for levels, k in self.factors)

    def besides_largest(self, crossed: Sequence[int]) -> int:
        """Random effects of some factors without those of the largest: the order of a dense block
        that has all of them.
        """
        sizes = [levels * k for levels, k in (self.factors[i] for i in crossed)]
        return sum(sizes) - max(sizes, default=0)

    def is_small(self, crossed: Sequence[int]) -> bool:
        """Whether a dense block of what is crossed is no matter in any case."""
        return self.besides_largest(crossed) <= FEW_EFFECTS

    def cells(self) -> int:
        """Pairs of levels that occur together, at most."""
        levels = [count for count, _ in self.factors]
        return sum(min(self.n, a * b) for i, a in enumerate(levels) for b in levels[i + 1 :])

    def sums(self, cells: float) -> float:
        """Bytes of the sums over rows."""
        pw = self.p + 1
        of_levels = sum(levels * k * (k + pw) for levels, k in self.factors)
        ks = [k for _, k in self.factors]
        widest = max((a * b for i, a in enumerate(ks) for b in ks[i + 1 :]), default=0)
        return 8.0 * (SQUARES * pw**2 + of_levels) + cells * (4.0 + 8.0 * widest)

    def vectors(self) -> float:
        """Bytes of the vectors of the exact solver, and of what is kept of levels."""
        labels = OF_LEVEL * sum(levels for levels, _ in self.factors) + (OF_JOINED - OF_LEVEL) * self.joined
        return 8.0 * EXACT_VECTORS * self.q * (self.p + 1) + labels

    def exact_cost(self, cells: float, of_factor: tuple[float, float], copies: int = 1) -> tuple[float, float]:
        """Bytes of the exact solver, and seconds of one of its evaluations, from those of its
        factor; so many copies of the sums are held at once.
        """
        return of_factor[0] + copies * self.sums(cells) + self.vectors(), of_factor[1]

    def bounds(self, crossed: Sequence[int], cells: float) -> tuple[float, float]:
        """Bytes of a factor and seconds of an evaluation, at most: of the factors that are crossed
        the largest is eliminated first, and all others fill in.
        """
        dense = float(self.besides_largest(crossed))
        widest = max((k for _, k in self.factors), default=1)
        panels = cells * widest**2 + sum(levels * k**2 for levels, k in self.factors)
        return 16.0 * (dense**2 + panels) + 8.0 * cells, OF_DENSE * dense**3

    def iterative_items(self) -> dict[str, float]:
        """Bytes of the iterative solver by what they are for."""
        codes = 4.0 * (len(self.factors) - 1) * self.n
        return {"probes": codes + 8.0 * ITERATIVE_VECTORS * self.q, "vectors": 8.0 * 4 * self.q * (self.p + 1)}

    def iterative_cost(self) -> tuple[float, float]:
        """Bytes of the iterative solver, and seconds of a fit."""
        ks = [k for _, k in sorted(self.factors)]
        one = OF_PAIR if ks == [1, 1] else OF_STEP * sum(ks[:-1])
        return sum(self.iterative_items().values()), one * self.n * STEPS


def best_way(exact: tuple[float, float] | None, iterative: tuple[float, float], available: float | None) -> Way | None:
    """The way to take where both solvers take the model.

    Parameters
    ----------
    exact : (bytes, seconds) or None
        Of the exact solver, and of one of its evaluations; None where it does not fit.
    iterative : (bytes, seconds)
        Of the iterative solver, and of a fit by it.
    available : float or None
        Bytes that are free; None where that is not known.

    Returns
    -------
    {"exact", "hybrid", "iterative"} or None
        None where neither fits.
    """
    free = float("inf") if available is None else available
    fits = exact is not None and exact[0] <= free
    if exact is not None and exact[0] <= SHARE * free:
        whole = EVALUATIONS * exact[1]
        if whole <= PATIENCE or whole <= iterative[1] + FINISH * exact[1]:
            return "exact"
    if iterative[0] > free:
        return "exact" if fits else None
    return "hybrid" if fits and exact is not None and exact[1] <= LAST else "iterative"


def way_of(design: Design, order: TermOrder, reml: bool, control: FitControl, n_threads: int) -> Way:
    """How a model of rows in memory is solved.

    Pairs of levels are counted only where the levels are so many that it may matter.
    """
    if control.solver == "iterative":
        return "iterative"
    every = range(len(order.factors))
    if control.solver == "exact" or design.sums is not None or len(every) < 2:
        return "exact"
    size = ModelSize.of(design, order, design.n_used)
    if size.is_small(every):
        return "exact"
    if isinstance(design.columns, LevelColumns) or why_not_iterative(design) or shared_effects(design.random):
        return "exact"
    codes = [np.ascontiguousarray(design.random[members[0]].codes) for members in order.factors]
    crossed = crossed_of(codes, [levels for levels, _ in size.factors])
    if size.is_small(crossed):
        return "exact"
    if reml and unidentified_effects(design, range(size.p)):
        return "exact"
    available = available_memory()
    seconds = LAST if size.bounds(crossed, 0.0)[1] <= LAST else SPARSER
    cells, found = exact_size(size, codes, float("inf") if available is None else available, seconds, n_threads)
    exact = None if found is None else size.exact_cost(cells, found)
    # where neither fits the exact solver says so
    return best_way(exact, size.iterative_cost(), available) or "exact"


def exact_size(
    size: ModelSize, codes: Sequence[NDArray[np.int32]], memory: float, seconds: float, n_threads: int
) -> tuple[int, tuple[float, float] | None]:
    """Pairs of levels that occur together, and the bytes of an exact factor with the seconds of one
    evaluation; None where it takes more than is given.
    """
    from ranef._core import predicted_factor

    factors = [(c, levels, k) for c, (levels, k) in zip(codes, size.factors, strict=True)]
    cells, found = predicted_factor(factors, memory, seconds, n_threads)
    return cells, None if found is None else (found[1] + 4.0 * cells, found[2])


def crossed_of(codes: Sequence[NDArray[np.int32]], n_levels: Sequence[int]) -> list[int]:
    """Factors that are not nested in all others; what is nested leads to no dense block."""
    left = sorted(range(len(codes)), key=lambda i: -n_levels[i])
    nested = True
    while nested and len(left) > 1:
        nested = False
        for i in left:
            if all(_is_nested(codes[i], n_levels[i], codes[j]) for j in left if j != i):
                left.remove(i)
                nested = True
                break
    return left


def _is_nested(inner: NDArray[np.int32], n_levels: int, outer: NDArray[np.int32]) -> bool:
    for rows in (slice(0, SHOWN), slice(None)):
        of_level = np.empty(n_levels, dtype=outer.dtype)
        of_level[inner[rows]] = outer[rows]
        if not np.array_equal(of_level[inner[rows]], outer[rows]):
            return False
    return True
