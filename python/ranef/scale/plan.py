"""What a fit would take of memory and time, found without fitting."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranef._core import predicted_factor
from ranef.data.batches import BATCH, Batches, sources_of
from ranef.design.evaluate import Evaluator
from ranef.design.level_columns import LevelColumns
from ranef.design.memory import available_memory, memory_limit
from ranef.design.record import Design
from ranef.fit.control import FitControl, parse_control
from ranef.fit.order import TermOrder, order_terms
from ranef.fit.request import LmmRequest, requested_design
from ranef.fit.sampled import why_not_iterative
from ranef.fit.threads import parse_n_threads
from ranef.scale.asked import Asked, used_rows
from ranef.scale.passes import surveyed
from ranef.scale.recipe import Recipe
from ranef.scale.survey import Survey, asked_of

#: Evaluations that a fit takes, as a rule.
EVALUATIONS = 8
#: Seconds of an evaluation: for each number of the random effects' products, for each pair of
#: levels, and for each operation with the fixed effects.
OF_PRODUCTS, OF_CELLS, OF_FIXED = 2e-9, 8e-9, 1e-9
#: Seconds for each row and number in it, of reading and coding, and of summing.
OF_READING, OF_SUMMING = 2e-8, 1.5e-9
#: Seconds for each row of one step of the iterative solver with its probes, and steps of a fit.
OF_STEP, STEPS = 1e-8, 100
#: Vectors of the random effects that solvers hold.
EXACT_VECTORS, ITERATIVE_VECTORS = 3, 64
#: Matrices of the order of the fixed effects that are held at once.
SQUARES = 6
#: Bytes of what is kept of a level beside numbers: its place in the factor, its label.
OF_LEVEL = 200
#: Bytes of what is made of a row beside the columns: fitted values, and for each factor its levels
#: while they are looked up.
OF_ROW, OF_CODE = 16, 8
#: Bytes of the values of one column of a batch while it is coded.
OF_VALUE = 40
#: Dense operations take so many seconds each.
OF_DENSE = 4e-11


@dataclass(frozen=True, slots=True, eq=False)
class Route:
    """What one solver would take.

    Attributes
    ----------
    solver : {"exact", "iterative"}
    items : dict
        Bytes by what they are for: ``"design"`` (columns in memory, or batches of a stream),
        ``"rows"`` (what is made of each beside), ``"sums"``, ``"factor"`` or ``"probes"``,
        ``"vectors"``.
    seconds : float
        Of a whole fit with one thread; its order of magnitude.
    why_not : str or None
        What of the model the solver does not take.
    at_most : bool
        Whether the bytes are a bound, as which levels occur together was not counted.
    """

    solver: str
    items: dict[str, float]
    seconds: float
    why_not: str | None = None
    at_most: bool = False

    @property
    def bytes(self) -> float:
        """Bytes in all."""
        return sum(self.items.values())

    @property
    def largest(self) -> str:
        """The item that takes most."""
        return max(self.items, key=lambda name: self.items[name])


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """What `plan` found; printed as a table.

    Attributes
    ----------
    formula : str
    rows : int
        Rows that are used.
    columns : int
        Columns of the fixed effects.
    levels : dict
        Levels by grouping factor.
    cells : int
        Pairs of levels of two grouping factors that occur together; a bound for streamed data.
    exact, iterative : Route
    available : float or None
        Bytes that can be taken now.
    solver : str or None
        Which solver ``control={"solver": "auto"}`` takes; None where neither fits into memory.
    streamed : bool
        Whether the data are read in batches.
    """

    formula: str
    rows: int
    columns: int
    levels: dict[str, int]
    cells: int
    exact: Route
    iterative: Route
    available: float | None
    solver: str | None
    streamed: bool

    def __str__(self) -> str:
        levels = ", ".join(f"{name} {n:,}" for name, n in self.levels.items())
        about = "at most " if self.exact.at_most and self.cells else ""
        lines = [
            self.formula,
            f"{self.rows:,} rows{', read in batches' if self.streamed else ''}; {self.columns:,} fixed effects; "
            f"levels: {levels}; {about}{self.cells:,} pairs of levels",
            "",
            f"{'solver':<10} {'memory':>12} {'time':>9}  of which",
        ]
        for route in (self.exact, self.iterative):
            if route.why_not is not None:
                lines.append(f"{route.solver:<10} not for a model that {route.why_not}")
                continue
            parts = ", ".join(f"{name} {in_bytes(size)}" for name, size in route.items.items())
            memory = ("<= " if route.at_most else "") + in_bytes(route.bytes)
            lines.append(f"{route.solver:<10} {memory:>12} {in_time(route.seconds):>9}  {parts}")
        free = "unknown" if self.available is None else in_bytes(self.available)
        taken = "neither fits" if self.solver is None else f"'auto' takes the {self.solver} solver"
        return "\n".join([*lines, "", f"memory that is free: {free}; {taken}"])

    def __repr__(self) -> str:
        return str(self)


def in_bytes(size: float) -> str:
    """Bytes with a unit."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 999.5:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:,.3g} TB"


def in_time(seconds: float) -> str:
    """Seconds with a unit."""
    if seconds < 1:
        return "< 1 s"
    return f"{seconds:.2g} s" if seconds < 99.5 else f"{seconds / 60:,.3g} min"


def plan(
    formula: str,
    data: Any,
    *,
    weights: Any = None,
    offset: Any = None,
    subset: Any = None,
    na_action: str = "omit",
    contrasts: Mapping[str, Any] | None = None,
    control: Mapping[str, Any] | None = None,
    n_threads: int | None = None,
) -> Plan:
    """Predict what the fit of a linear mixed model takes of memory and time, without fitting it.

    Parameters
    ----------
    formula : str
        As for `lmer`.
    data : frame, path, dataset, stream or list of these
        As for `scale.fit`. Data in memory are coded, and pairs of levels counted. Others are read
        once, as for `survey`, and bytes that depend on pairs of levels are bounds.
    weights, offset, subset, na_action, contrasts, control, n_threads
        As for `lmer`; of ``control`` the ``solver`` and ``memory``.

    Returns
    -------
    Plan
        A record that prints as a table.

    Raises
    ------
    RanefError
        One of its subclasses, for input that cannot be used.

    Notes
    -----
    Bytes are what is held at once at the peak of a fit beside the data, within a third or so.
    Seconds are an order of magnitude.

    Examples
    --------
    >>> from ranef import load_dataset, scale
    >>> p = scale.plan("diameter ~ 1 + (1 | plate) + (1 | sample)", load_dataset("penicillin"))
    >>> p.rows, p.levels, p.cells, p.solver
    (144, {'plate': 24, 'sample': 6}, 144, 'exact')
    """
    options = parse_control(control)
    threads = parse_n_threads(n_threads)
    sources = sources_of(data)
    arguments = {"weights": weights, "offset": offset, "subset": subset, "na_action": na_action, "contrasts": contrasts}
    with memory_limit(options.memory):
        if len(sources) == 1 and sources[0].held is not None:
            design = requested_design(LmmRequest(formula=formula, data=data, **arguments), "lmm")
            return _of_design(design, options, threads)
        asked = asked_of(formula, sources, **arguments)
        sources = [s.again(asked.column_names(s.names)) for s in sources]
        found = surveyed(asked, sources)
        return _of_survey(found, found.freeze(), sources, options)


@dataclass(frozen=True, slots=True)
class _Size:
    """Numbers that all predictions are made of; ``factors`` are levels and effects of each."""

    n: int
    p: int
    factors: list[tuple[int, int]]

    @property
    def q(self) -> int:
        return sum(levels * k for levels, k in self.factors)

    def sums(self, cells: float) -> float:
        pw = self.p + 1
        of_levels = sum(levels * k * (k + pw) for levels, k in self.factors)
        ks = [k for _, k in self.factors]
        widest = max((a * b for i, a in enumerate(ks) for b in ks[i + 1 :]), default=0)
        return 8.0 * (SQUARES * pw**2 + of_levels) + cells * (4.0 + 8.0 * widest)

    def vectors(self) -> float:
        return 8.0 * EXACT_VECTORS * self.q * (self.p + 1) + OF_LEVEL * sum(levels for levels, _ in self.factors)

    def exact_seconds(self, factor: float, cells: float, passes: float) -> float:
        pw = self.p + 1
        products = sum(levels * k * (8 + (k + pw) * pw) for levels, k in self.factors)
        one = factor + OF_PRODUCTS * products + OF_CELLS * cells + OF_FIXED * pw**3
        return EVALUATIONS * one + passes

    def passes(self, times: int) -> float:
        numbers = self.p + 1 + sum(k for _, k in self.factors)
        summing = self.n * ((self.p + 1) ** 2 + sum(k * (k + self.p + 1) for _, k in self.factors))
        return times * self.n * numbers * OF_READING + summing * OF_SUMMING

    def iterative(self, design: float, passes: float, why_not: str | None) -> Route:
        codes = 4.0 * (len(self.factors) - 1) * self.n
        items = {
            "design": design,
            "probes": codes + 8.0 * ITERATIVE_VECTORS * self.q,
            "vectors": 8.0 * 4 * self.q * (self.p + 1),
        }
        seconds = passes + OF_STEP * self.n * STEPS * max(1, len(self.factors) - 1)
        return Route("iterative", items, seconds, why_not)


def _sizes(n: int, p: int, design: Design, order: TermOrder) -> _Size:
    factors = []
    for members in order.factors:
        terms = [design.random[i] for i in members]
        factors.append((len(terms[0].levels), sum(len(t.names) for t in terms)))
    return _Size(n, p, factors)


def _of_design(design: Design, options: FitControl, n_threads: int) -> Plan:
    """Of rows in memory: what is held of them is counted, and the factor's pattern is formed."""
    order = order_terms(design.random)
    size = _sizes(design.n_used, len(design.x_names), design, order)
    codes = [np.ascontiguousarray(design.random[members[0]].codes) for members in order.factors]
    factors = [(c, levels, k) for c, (levels, k) in zip(codes, size.factors, strict=True)]
    available = available_memory()
    limit = float("inf") if available is None else 4 * available
    cells, found = predicted_factor(factors, limit, float("inf"), n_threads)
    held = _held(design)
    at_most = found is None
    _, of_factor, seconds = found or _bounds(size, list(range(len(factors))), cells)
    items = {
        "design": held,
        "rows": float(size.n * (OF_ROW + OF_CODE * len(size.factors))),
        "sums": size.sums(cells),
        "factor": of_factor + 4.0 * cells,
        "vectors": size.vectors(),
    }
    passes = size.passes(1)
    exact = Route("exact", items, size.exact_seconds(seconds, cells, passes), at_most=at_most)
    iterative = size.iterative(held, passes, why_not_iterative(design))
    return _plan(design, size, cells, exact, iterative, available, options, streamed=False)


def _held(design: Design) -> float:
    """Bytes of the arrays of a design, each counted once."""
    columns = design.columns
    x = columns.rest if isinstance(columns, LevelColumns) else columns
    arrays: list[NDArray[Any]] = [x, design.y]
    arrays += [a for t in design.random for a in (t.codes, t.z)]
    arrays += [a for a in (design.weights, design.offset) if a is not None]
    owners = {}
    for a in arrays:
        base = a if a.base is None or not isinstance(a.base, np.ndarray) else a.base
        owners[id(base)] = float(base.nbytes)
    return sum(owners.values())


def _of_survey(found: Survey, recipe: Recipe, sources: list[Batches], options: FitControl) -> Plan:
    """Of data that are read in batches: what a survey sees of them."""
    design = recipe.design
    order = order_terms(design.random)
    size = _sizes(found.n_used, len(design.x_names), design, order)
    crossed = _crossed(found, recipe, order)
    pairs = [(i, j) for i in range(len(size.factors)) for j in range(i + 1, len(size.factors))]
    cells = sum(min(found.n_used, size.factors[i][0] * size.factors[j][0]) for i, j in pairs)
    _, of_factor, seconds = _bounds(size, crossed, cells)
    names = found.asked.column_names(sources[0].names)
    numbers = size.p + 1 + sum(k for _, k in size.factors)
    batch = float(min(BATCH, found.n_input)) * (OF_VALUE * len(names) + 16.0 * numbers)
    # while runs of cells are joined, both are held
    items = {
        "design": batch,
        "sums": 2 * size.sums(cells),
        "factor": of_factor + 4.0 * cells,
        "vectors": size.vectors(),
    }
    passes = size.passes(2)
    exact = Route("exact", items, size.exact_seconds(seconds, cells, passes), at_most=bool(cells))
    iterative = size.iterative(batch, passes, why_not_iterative(design))
    return _plan(design, size, cells, exact, iterative, available_memory(), options, streamed=True)


def _bounds(size: _Size, crossed: list[int], cells: float) -> tuple[int, float, float]:
    """Order of the dense part, bytes and seconds of a factor, at most: of the factors that are
    crossed the largest is eliminated first, and all others fill in.
    """
    rest = sorted((size.factors[i] for i in crossed), key=lambda f: f[0] * f[1])
    dense = sum(levels * k for levels, k in rest[:-1])
    widest = max((k for _, k in size.factors), default=1)
    panels = cells * widest**2 + sum(levels * k**2 for levels, k in size.factors)
    return dense, 16.0 * (dense**2 + panels) + 8.0 * cells, OF_DENSE * float(dense) ** 3


def _crossed(found: Survey, recipe: Recipe, order: TermOrder) -> list[int]:
    """Factors that are not nested in all others, as far as the rows that the survey kept show."""
    table, _ = found.rows()
    asked: Asked = recipe.asked
    encoder = recipe.design.encoder
    ev = Evaluator(table, asked.formula.text, encoder.states)
    used = used_rows(asked, table, ev, dict(encoder.offset_states or {}), dict(encoder.weight_states or {}))
    codes = []
    for members in order.factors:
        bar = next(b for b in asked.formula.random if b.group_label == recipe.design.random[members[0]].group)
        columns = np.stack([used.groups[label].codes[used.kept] for label in bar.group])
        codes.append(np.unique(columns, axis=1, return_inverse=True)[1].ravel())
    left = sorted(range(len(codes)), key=lambda i: -int(codes[i].max(initial=0)))
    nested = True
    while nested and left:
        nested = False
        for i in left:
            if all(_is_nested(codes[i], codes[j]) for j in left if j != i):
                left.remove(i)
                nested = True
                break
    return left


def _is_nested(inner: NDArray[np.int64], outer: NDArray[np.int64]) -> bool:
    pairs = np.unique(np.stack([inner, outer]), axis=1).shape[1]
    return bool(pairs == len(np.unique(inner)))


def _plan(
    design: Design,
    size: _Size,
    cells: int,
    exact: Route,
    iterative: Route,
    available: float | None,
    options: FitControl,
    streamed: bool,
) -> Plan:
    free = float("inf") if available is None else available
    takes = [r for r in (exact, iterative) if r.why_not is None and options.solver in ("auto", r.solver)]
    solver = next((r.solver for r in takes if r.bytes <= free), None)
    levels = {t.group: len(t.levels) for t in design.random}
    return Plan(str(design.formula), size.n, size.p, levels, cells, exact, iterative, available, solver, streamed)
