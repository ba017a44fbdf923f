"""Sampling weights of rows and of the levels of nested grouping factors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ranef.data.table import Table
from ranef.design.record import Design, RandomTerm
from ranef.design.values import as_factor, from_column, missing_rows
from ranef.errors import ArgumentTypeError, DataError, DesignError, OptionError

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

Scaling = Literal["none", "size", "effective", "gk"]
WeightsAre = Literal["conditional", "unconditional"]

#: Relative differences of weights below this are none.
_EQUAL = 1e-8


@dataclass(frozen=True, slots=True, eq=False)
class SamplingWeights:
    """How often rows and levels count.

    Attributes
    ----------
    rows : (n,) array
        Weight of each row within its innermost level, scaled.
    levels : dict
        For every grouping factor the weight of each level, multiplied by those of the levels it
        lies in.
    total : (n,) array
        Weight of each row times that of its innermost level.
    top : str or None
        The outermost grouping factor, whose levels are independent; None where factors are crossed
        and there is none.
    strata : (n,) int array or None
        Stratum of each row, the same within the levels of ``top``.
    scaling : str
    """

    rows: Floats
    levels: dict[str, Floats]
    total: Floats
    top: str | None
    strata: Ints | None
    scaling: str

    @property
    def cluster_df(self) -> float | None:
        """Independent clusters less one, with strata less one in each; None without clusters."""
        if self.top is None:
            return None
        strata = 1 if self.strata is None else len(np.unique(self.strata))
        return float(len(self.levels[self.top]) - strata)

    @property
    def weighs_levels(self) -> bool:
        """Whether levels have weights other than one."""
        return any(bool(np.any(w != 1.0)) for w in self.levels.values())

    def take(self, rows: Ints, kept_levels: Mapping[str, Ints]) -> "SamplingWeights":
        """Of some rows, with the levels of each factor that are kept."""
        levels = {g: w[kept_levels[g]] if g in kept_levels else w for g, w in self.levels.items()}
        strata = None if self.strata is None else self.strata[rows]
        return SamplingWeights(self.rows[rows], levels, self.total[rows], self.top, strata, self.scaling)


@dataclass(frozen=True, slots=True, eq=False)
class SamplingRequest:
    """What a user asks for, checked as far as it goes without data.

    Attributes
    ----------
    weights : dict
        Names of columns or arrays: ``rows``, and grouping factors.
    scaling : {"none", "size", "effective", "gk"}
    are : {"conditional", "unconditional"}
    strata : str or array, optional
    """

    weights: dict[str, Any]
    scaling: Scaling
    are: WeightsAre
    strata: Any = None


def read_sampling(weights: object, scaling: object, are: object, strata: object) -> SamplingRequest | None:
    """Check the arguments that have to do with sampling weights."""
    if scaling not in get_args(Scaling):
        raise OptionError(f"weight_scaling must be one of {', '.join(map(repr, get_args(Scaling)))}, not {scaling!r}.")
    if are not in get_args(WeightsAre):
        raise OptionError(f"weights_are must be 'conditional' or 'unconditional', not {are!r}.")
    if weights is None:
        if strata is not None:
            raise OptionError("strata= goes with sampling_weights=, whose standard errors it changes.")
        return None
    if not isinstance(weights, Mapping):
        raise ArgumentTypeError(
            "sampling_weights must be a dict such as {'rows': 'w1', 'school': 'w2'}, with the columns of the weights "
            f"of rows and of levels of grouping factors; not {type(weights).__name__}."
        )
    if not weights:
        raise OptionError("sampling_weights is empty; give a column for 'rows', a grouping factor, or both.")
    return SamplingRequest({str(k): v for k, v in weights.items()}, scaling, are, strata)  # type: ignore[arg-type]


def weighed(design: Design, data: Any, asked: SamplingRequest) -> SamplingWeights:
    """The weights of the rows and levels of a design."""
    n = len(design.y)
    if any(t.has_members for t in design.random):
        raise DesignError("sampling weights are for rows with one level of every grouping factor, not for mm().")
    terms = {t.group: t for t in design.random}
    unknown = [k for k in asked.weights if k != "rows" and k not in terms]
    if unknown:
        raise OptionError(
            f"sampling_weights: {unknown[0]!r} is no grouping factor of the model; it has 'rows' and "
            f"{', '.join(map(repr, terms))}."
        )
    chain = _nested(list(terms.values()))
    if chain is None and set(asked.weights) != {"rows"}:
        raise DesignError(
            "sampling weights of levels are for nested grouping factors: with crossed ones a level lies in several "
            "others, and there is no likelihood of it alone. Give weights for 'rows' only."
        )
    values = {k: _values(design, data, v, k, n) for k, v in asked.weights.items()}
    row = values.get("rows", np.ones(n))
    by_level = {g: _constant(t, values[g], g) if g in values else np.ones(t.n_groups) for g, t in terms.items()}
    if chain is not None:
        row, by_level = _conditional(chain, terms, row, by_level, asked)
        row, by_level = _scaled(chain, terms, row, by_level, asked.scaling, "rows" in values)
    elif asked.scaling == "gk":
        raise OptionError("weight_scaling='gk' is for two levels, rows within clusters.")
    elif asked.scaling != "none":
        row = row * (n / row.sum() if asked.scaling == "size" else row.sum() / (row**2).sum())
    # weights of levels, each times those it lies in
    cumulative: dict[str, Floats] = {}
    outer: RandomTerm | None = None
    for group in reversed(chain or []):
        own = by_level[group].copy()
        if outer is not None:
            own *= cumulative[outer.group][_parents(terms[group], outer)]
        cumulative[group], outer = own, terms[group]
    total = row.copy()
    if chain:
        total *= cumulative[chain[0]][terms[chain[0]].codes]
    else:
        cumulative = {g: np.ones(t.n_groups) for g, t in terms.items()}
    top = chain[-1] if chain else None
    strata = None if asked.strata is None else _strata(design, data, asked.strata, None if top is None else terms[top])
    return SamplingWeights(row, cumulative, total, top, strata, asked.scaling)


def no_information(sampling: SamplingWeights, design: Design) -> str | None:
    """A note where weights of rows do not vary within clusters but are not one."""
    if sampling.top is None or sampling.scaling != "none":
        return None
    codes = next(t.codes for t in design.random if t.n_groups == max(u.n_groups for u in design.random))
    largest = np.zeros(int(codes.max()) + 1)
    np.maximum.at(largest, codes, sampling.rows)
    smallest = np.full(len(largest), np.inf)
    np.minimum.at(smallest, codes, sampling.rows)
    flat = bool(np.all(largest - smallest <= _EQUAL * largest))
    if not flat or bool(np.all(np.abs(sampling.rows - 1.0) <= _EQUAL)):
        return None
    return (
        "the sampling weights of the rows are the same within every cluster and tell nothing there, but unscaled they "
        "count as so many more rows and bias the variances: weight_scaling='size' makes them one."
    )


def _values(design: Design, data: Any, given: Any, what: str, n: int) -> Floats:
    """One weight for each row that is used."""
    where = f"sampling_weights[{what!r}]"
    if isinstance(given, str):
        column = from_column(Table.from_data(data).column(given))
        raw: Any = column.values if hasattr(column, "values") else column
        missing = missing_rows(column)
        where = f"the sampling weights {given!r}"
    elif hasattr(given, "__len__") and not isinstance(given, bytes | Mapping):
        raw, missing = given, None
    else:
        raise ArgumentTypeError(f"{where} must be the name of a column or an array, not {given!r}.")
    try:
        out = np.asarray(raw, dtype=np.float64)
    except (TypeError, ValueError):
        raise DataError(f"{where} must be numbers.") from None
    if out.ndim != 1 or len(out) not in (n, design.n_input):
        raise DataError(f"{where} have {len(out)} values for {design.n_input} rows.")
    if missing is not None and missing.any():
        out = np.where(missing, np.nan, out)
    if len(out) == design.n_input and design.kept is not None:
        out = out[design.kept]
    bad = ~(np.isfinite(out) & (out > 0))
    if bad.any():
        first = int(np.flatnonzero(bad)[0])
        row = first if design.kept is None else int(design.kept[first])
        raise DataError(
            f"{where} must be positive numbers; row {row} has {out[first]:g}. Leave such rows out with subset=."
        )
    return np.ascontiguousarray(out)


def _constant(term: RandomTerm, values: Floats, group: str) -> Floats:
    """The weight of every level, which its rows must agree on."""
    first = np.full(term.n_groups, np.nan)
    first[term.codes[::-1]] = values[::-1]
    differs = np.abs(values - first[term.codes]) > _EQUAL * np.abs(first[term.codes])
    if differs.any():
        i = int(np.flatnonzero(differs)[0])
        level = term.levels[int(term.codes[i])]
        raise DataError(
            f"the sampling weights of {group!r} must be the same in all rows of a level; {group} {level!r} has "
            f"{first[term.codes[i]]:g} and {values[i]:g}."
        )
    return np.where(np.isnan(first), 1.0, first)


def _parents(inner: RandomTerm, outer: RandomTerm) -> Ints:
    """The outer level of every inner one."""
    out = np.zeros(inner.n_groups, dtype=np.intp)
    out[inner.codes] = outer.codes
    return out


def _nested(terms: Sequence[RandomTerm]) -> list[str] | None:
    """Grouping factors from the innermost to the outermost; None where they are not nested."""
    chain = sorted({t.group: t for t in terms}.values(), key=lambda t: -t.n_groups)
    for inner, outer in pairwise(chain):
        if not np.array_equal(_parents(inner, outer)[inner.codes], outer.codes):
            return None
        if inner.n_groups == outer.n_groups:
            raise DesignError(
                f"every level of {outer.group!r} has one level of {inner.group!r} only, so that their variances "
                "cannot be told apart: leave one of the two out."
            )
    return [t.group for t in chain]


def _conditional(
    chain: list[str], terms: dict[str, RandomTerm], row: Floats, levels: dict[str, Floats], asked: SamplingRequest
) -> tuple[Floats, dict[str, Floats]]:
    """Weights given the level above."""
    if asked.are == "conditional":
        return row, levels
    out = {}
    if "rows" in asked.weights:
        row = row / levels[chain[0]][terms[chain[0]].codes]
    for inner, outer in pairwise(chain):
        given = inner in asked.weights
        above = levels[outer][_parents(terms[inner], terms[outer])]
        out[inner] = levels[inner] / above if given else levels[inner]
    return row, {**levels, **out}


def _rescaled(weights: Floats, parent: Ints, n_parents: int, scaling: str) -> Floats:
    """Weights scaled within each of what they lie in."""
    total = np.bincount(parent, weights, n_parents)
    if scaling == "size":
        factor = np.bincount(parent, minlength=n_parents) / total
    else:
        factor = total / np.bincount(parent, weights**2, n_parents)
    return weights * factor[parent]


def _scaled(
    chain: list[str],
    terms: dict[str, RandomTerm],
    row: Floats,
    levels: dict[str, Floats],
    scaling: str,
    rows_given: bool,
) -> tuple[Floats, dict[str, Floats]]:
    if scaling == "none":
        return row, levels
    inner = terms[chain[0]]
    codes = inner.codes.astype(np.intp)
    if scaling == "gk":
        if len(chain) != 1:
            raise OptionError("weight_scaling='gk' is for two levels, rows within clusters.")
        mean = np.bincount(codes, row, inner.n_groups) / np.bincount(codes, minlength=inner.n_groups)
        return np.ones_like(row), {chain[0]: levels[chain[0]] * mean}
    out = dict(levels)
    if rows_given:
        row = _rescaled(row, codes, inner.n_groups, scaling)
    for a, b in pairwise(chain):
        if bool(np.any(levels[a] != 1.0)):
            out[a] = _rescaled(levels[a], _parents(terms[a], terms[b]), terms[b].n_groups, scaling)
    return row, out


def _strata(design: Design, data: Any, given: Any, top: RandomTerm | None) -> Ints:
    if top is None:
        raise OptionError("strata= needs independent clusters, and the grouping factors are crossed.")
    if isinstance(given, str):
        value = from_column(Table.from_data(data).column(given))
        codes = np.asarray(as_factor(value, given).codes, dtype=np.intp)
    else:
        labels = np.asarray(given)
        codes = np.unique(labels, return_inverse=True)[1].reshape(-1).astype(np.intp)
    if len(codes) == design.n_input and design.kept is not None:
        codes = codes[design.kept]
    if len(codes) != len(design.y) or bool((codes < 0).any()):
        raise DataError("strata must have a value for every row that is used.")
    home = np.zeros(top.n_groups, dtype=np.intp)
    home[top.codes] = codes
    split = home[top.codes] != codes
    if split.any():
        level = top.levels[int(top.codes[int(np.flatnonzero(split)[0])])]
        raise DataError(f"strata must be the same in all rows of a cluster; {top.group} {level!r} has several.")
    counts = np.bincount(codes_of_used := home[np.unique(top.codes)])
    lonely = np.flatnonzero(counts == 1)
    if len(lonely):
        level = top.levels[int(np.unique(top.codes)[np.flatnonzero(codes_of_used == lonely[0])[0]])]
        raise DataError(
            f"a stratum has one cluster only ({top.group} {level!r}), from which nothing is known of its variance: "
            "merge strata."
        )
    return codes
