"""What a fit would take of memory and time, found without fitting."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranef.data.batches import BATCH, Batches, sources_of
from ranef.design.level_columns import LevelColumns
from ranef.design.memory import available_memory, memory_limit
from ranef.design.record import Design
from ranef.fit.control import FitControl, parse_control
from ranef.fit.iterative.choice import ModelSize, Way, exact_size, way_of
from ranef.fit.iterative.sampled import why_not_iterative
from ranef.fit.order import order_terms
from ranef.fit.request import LmmRequest, requested_design
from ranef.fit.threads import parse_n_threads
from ranef.scale.passes import surveyed
from ranef.scale.recipe import Recipe
from ranef.scale.survey import Survey, asked_of
from ranef.scale.way import surveyed_size, surveyed_way

#: Evaluations that a fit takes, as a rule.
EVALUATIONS = 8
#: Seconds of an evaluation: for each number of the random effects' products, for each pair of
#: levels, and for each operation with the fixed effects.
OF_PRODUCTS, OF_CELLS, OF_FIXED = 2e-9, 8e-9, 1e-9
#: Seconds for each row and number in it, of reading and coding, and of summing.
OF_READING, OF_SUMMING = 2e-8, 1.5e-9
#: Bytes of what is made of a row beside the columns: fitted values, and for each factor its levels
#: while they are looked up.
OF_ROW, OF_CODE = 16, 8
#: Bytes of the values of one column of a batch while it is coded.
OF_VALUE = 40


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
    solver : {"exact", "hybrid", "iterative"} or None
        What the fit takes: with ``"hybrid"`` the iterative solver finds the estimates and an exact
        evaluation ends the search. None where neither solver fits into memory.
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
    solver: Way | None
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
        taken = "neither fits" if self.solver is None else f"'auto' takes {_WORDS[self.solver]}"
        return "\n".join([*lines, "", f"memory that is free: {free}; {taken}"])

    def __repr__(self) -> str:
        return str(self)


#: What is taken, in words.
_WORDS = {
    "exact": "the exact solver",
    "hybrid": "the iterative solver, with an exact evaluation at the end",
    "iterative": "the iterative solver",
}


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


def _exact_seconds(size: ModelSize, factor: float, cells: float, passes: float) -> float:
    pw = size.p + 1
    products = sum(levels * k * (8 + (k + pw) * pw) for levels, k in size.factors)
    one = factor + OF_PRODUCTS * products + OF_CELLS * cells + OF_FIXED * pw**3
    return EVALUATIONS * one + passes


def _passes(size: ModelSize, times: int) -> float:
    numbers = size.p + 1 + sum(k for _, k in size.factors)
    summing = size.n * ((size.p + 1) ** 2 + sum(k * (k + size.p + 1) for _, k in size.factors))
    return times * size.n * numbers * OF_READING + summing * OF_SUMMING


def _iterative(size: ModelSize, design: float, passes: float, why_not: str | None) -> Route:
    seconds = passes + size.iterative_cost()[1]
    return Route("iterative", {"design": design, **size.iterative_items()}, seconds, why_not)


def _of_design(design: Design, options: FitControl, n_threads: int) -> Plan:
    """Of rows in memory: what is held of them is counted, and the factor's pattern is formed."""
    order = order_terms(design.random)
    size = ModelSize.of(design, order, design.n_used)
    codes = [np.ascontiguousarray(design.random[members[0]].codes) for members in order.factors]
    available = available_memory()
    limit = float("inf") if available is None else 4 * available
    cells, found = exact_size(size, codes, limit, float("inf"), n_threads)
    held = _held(design)
    at_most = found is None
    of_factor, seconds = found or size.bounds(range(len(codes)), cells)
    items = {
        "design": held,
        "rows": float(size.n * (OF_ROW + OF_CODE * len(size.factors))),
        "sums": size.sums(cells),
        "factor": of_factor,
        "vectors": size.vectors(),
    }
    passes = _passes(size, 1)
    exact = Route("exact", items, _exact_seconds(size, seconds, cells, passes), at_most=at_most)
    iterative = _iterative(size, held, passes, why_not_iterative(design))
    way = _that_fits(way_of(design, order, True, options, n_threads), exact, iterative, available, options)
    return _plan(design, size, cells, (exact, iterative), available, way, streamed=False)


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
    size, crossed = surveyed_size(found, recipe)
    cells = size.cells()
    of_factor, seconds = size.bounds(crossed, cells)
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
    passes = _passes(size, 2)
    exact = Route("exact", items, _exact_seconds(size, seconds, cells, passes), at_most=bool(cells))
    iterative = _iterative(size, batch, passes, why_not_iterative(recipe.design))
    available = available_memory()
    way = _that_fits(surveyed_way(found, recipe, options), exact, iterative, available, options)
    return _plan(recipe.design, size, cells, (exact, iterative), available, way, streamed=True)


def _plan(
    design: Design,
    size: ModelSize,
    cells: int,
    routes: tuple[Route, Route],
    available: float | None,
    way: Way | None,
    streamed: bool,
) -> Plan:
    levels = {t.group: len(t.levels) for t in design.random}
    return Plan(str(design.formula), size.n, size.p, levels, cells, *routes, available, way, streamed)


def _that_fits(way: Way, exact: Route, iterative: Route, available: float | None, options: FitControl) -> Way | None:
    """What a fit takes that is to go this way: the iterative solver where the exact one is refused
    memory, and there is a choice.
    """
    free = float("inf") if available is None else available

    def fits(route: Route) -> bool:
        return route.why_not is None and route.bytes <= free

    if way == "exact" and not fits(exact) and options.solver == "auto":
        way = "iterative"
    return way if fits(exact if way == "exact" else iterative) else None
