"""What must be known of all rows before one can be coded: levels, means, centres."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ranef.data.batches import Batches, sources_of
from ranef.data.table import Table
from ranef.design.coding_rules import CodingRules
from ranef.design.evaluate import State
from ranef.design.rows import NA_ACTIONS
from ranef.design.summarised import RowSummary
from ranef.design.values import Factor, Logical
from ranef.errors import ArgumentTypeError, DataError, OptionError
from ranef.formula import expand_dot, parse_formula, require_random, require_response
from ranef.formula.syntax import names_in
from ranef.scale.asked import Asked, UsedRows, level_codes, used_rows
from ranef.scale.columns import Raw, RawColumn, joined, row_hashes, taken
from ranef.scale.learned import LearnedCall, Learner, SurveyEvaluator, add_batch, learned_calls
from ranef.scale.recipe import Recipe, recipe_of
from ranef.scale.survey_bytes import read_survey, survey_bytes

Floats = NDArray[np.float64]

#: Rows that centres and scales are found from: they need not be exact.
SAMPLE = 2048


def survey(
    formula: str,
    data: Any,
    *,
    weights: str | None = None,
    offset: str | None = None,
    subset: str | None = None,
    na_action: str = "omit",
    contrasts: Mapping[str, Any] | None = None,
    after: "Survey | None" = None,
) -> "Survey":
    """Look once at data, or a part of them, for what a linear mixed model must know of all rows.

    Parameters
    ----------
    formula : str
        As for `lmer`, without ``ave`` and ``length``. Means, ``poly``, knots, quantiles and cuts of
        all rows are those of data in memory.
    data : path, dataset, frame, stream or list of these
        Read in batches are Parquet, Arrow (Feather) and text files, folders and patterns of these,
        a pyarrow Dataset, a polars LazyFrame, a DuckDB relation, an iterator of frames, a function
        that returns one, and what has Arrow's stream protocol. Anything else that `lmer` takes is
        one batch.
    weights, offset, subset : str, optional
        Names of columns, or expressions in them.
    na_action : {"omit", "exclude", "error"}
    contrasts : dict, optional
        As for `lmer`.
    after : Survey, optional
        The merged survey of all parts, where that is not yet ``complete``: quantiles of more than a
        million values, and functions of others that depend on all rows, need another look.

    Returns
    -------
    Survey
        Surveys of parts are merged; ``freeze()`` gives the recipe for the sums.

    Raises
    ------
    RanefError
        For input that cannot be used.

    Examples
    --------
    >>> from ranef import load_dataset, scale
    >>> data = load_dataset("sleepstudy")
    >>> s = scale.survey("Reaction ~ Days + (Days | Subject)", data[:90])
    >>> s.merge(scale.survey("Reaction ~ Days + (Days | Subject)", data[90:]))
    >>> recipe = s.freeze()
    >>> c = scale.Statistic(recipe)
    >>> c.update(data)
    >>> c.fit().fixef.round(3)
    (Intercept)    251.405
    Days            10.467
    Name: fixef, dtype: float64

    A median decides which rows are alike, so that levels are found by a second look:

    >>> formula = "Reaction ~ I(Days > median(Days)) + (1 | Subject)"
    >>> s = scale.survey(formula, data)
    >>> while not s.complete:
    ...     s = scale.survey(formula, data, after=s)
    >>> s.freeze()
    Recipe('Reaction ~ I(Days > median(Days)) + (1 | Subject)', 2 fixed effects; levels: Subject 18)
    """
    sources = sources_of(data)
    asked = asked_of(
        formula,
        sources,
        weights=weights,
        offset=offset,
        subset=subset,
        na_action=na_action,
        contrasts=contrasts,
    )
    asked.check()
    if after is None:
        return look(Survey(asked), sources)
    if described(after.asked) != described(asked):
        raise DataError("the survey given as after is that of another model.")
    return look(after.following(), sources)


def asked_of(formula: str, sources: list[Batches], coding: CodingRules | None = None, **arguments: Any) -> Asked:
    """The arguments, with ``.`` in the formula written out."""
    parsed = parse_formula(formula)
    if arguments.get("na_action", "omit") not in NA_ACTIONS:
        raise OptionError(f"na_action is {arguments['na_action']!r}; it is one of {', '.join(map(repr, NA_ACTIONS))}.")
    if parsed.has_dot:
        parsed = expand_dot(parsed, list(sources[0].names))
    require_random(parsed)
    require_response(parsed)
    for bar in parsed.random:
        if bar.known is not None or bar.members is not None:
            what = f"({bar.text})" if bar.known is None else bar.known.call(bar.text)
            raise DataError(f"models with {what} are not fitted from sums over batches; read the data into memory.")
    return Asked(parsed, coding=coding or CodingRules.of_session(), **arguments)


def look(out: "Survey", sources: Sequence[Batches]) -> "Survey":
    """Look once at the sources."""
    for source in sources:
        for table in source.tables(out.columns(source.names)):
            out.update(table)
    return out


def survey_of(
    asked: Asked, sources: Sequence[Batches], look: "Callable[[Survey, Sequence[Batches]], Survey]" = look
) -> "Survey":
    """The survey of opened sources: as many looks at them as are needed."""
    asked.check()
    out = look(Survey(asked), sources)
    while out.n_input and not out.complete:
        out = look(out.following(), sources)
    return out


class Survey:
    """What was seen of the rows so far; made by `survey`, picklable.

    Parameters
    ----------
    asked : Asked
        The arguments.
    """

    def __init__(self, asked: Asked):
        self.asked = asked
        self.n_input = self.n_used = self.n_missing = 0
        self.counts: dict[str, int] = {}
        self.calls = learned_calls(asked.expressions())
        #: What functions have learned, and what is being added up for others.
        self.known: dict[str, State] = {}
        self.learners: dict[str, Learner] = {}
        #: What marginal means need of the rows.
        self.summary: RowSummary | None = None
        #: The look at which levels were found, once that is over.
        self.found: Survey | None = None
        #: Levels that occur, by variable, and by grouping factor.
        self.seen: dict[str, set[str]] = {}
        #: Rows that have all these levels together.
        self.cover: list[Raw] = []
        #: What columns hold, and where that was first seen.
        self.kinds: dict[str, tuple[str, str]] = {}
        #: Levels of columns that are factors; None where batches have them in different orders.
        self.levels: dict[str, tuple[str, ...] | None] = {}
        #: Rows with the smallest hashes, so that their choice depends on no order.
        self.sample: Raw | None = None
        self.hashes: NDArray[np.uint64] = np.empty(0, dtype=np.uint64)

    def update(self, data: Any) -> None:
        """Add rows.

        Parameters
        ----------
        data : frame, dict or path
            Anything in memory that `lmer` takes.
        """
        table = data if isinstance(data, Table) else Table.from_data(data)
        if not table.n_rows:
            return
        self._learn(table)
        if not self._finds_levels():
            return
        ev = SurveyEvaluator(table, self.asked.formula.text, self.known)
        names = self.asked.names(table)
        used = used_rows(self.asked, table, ev)
        self.n_missing += used.n_missing
        self.n_used += len(used.kept)
        for name, count in used.counts.items():
            self.counts[name] = self.counts.get(name, 0) + count
        if len(used.kept):
            self._look(table, names, used)

    def columns(self, present: Collection[str]) -> list[str]:
        """Columns that this look needs."""
        if self._finds_levels():
            return self.asked.column_names(present)
        wanted = {n for call in self._waiting() for n in names_in(call.node)}
        return [n for n in present if n in wanted]

    def _waiting(self) -> list[LearnedCall]:
        """Calls that learn in this look."""
        return [c for c in self.calls if c.key not in self.known and c.inner <= self.known.keys()]

    def _finds_levels(self) -> bool:
        return self.found is None and all(c.key in self.known for c in self.calls if c.decides)

    def _learn(self, table: Table) -> None:
        """Add up what functions need."""
        self.n_input += table.n_rows
        self._same_kinds(table, self.columns(table.names))
        ev = SurveyEvaluator(table, self.asked.formula.text, self.known)
        for call in self._waiting():
            self.learners[call.key] = add_batch(ev.beside(call.text), call, self.learners.get(call.key))

    @property
    def complete(self) -> bool:
        """Whether everything is known; if not, all parts are surveyed again with ``after=``."""
        if self.found is None and not self._finds_levels():
            return False
        return all(c.key in self.known or self._state(c.key) is not None for c in self.calls)

    def _state(self, key: str) -> State | None:
        learner = self.learners.get(key)
        return None if learner is None else learner.state()

    def following(self) -> "Survey":
        """What the next look adds to."""
        out = type(self)(self.asked)
        out.kinds, out.known = dict(self.kinds), dict(self.known)
        for key, learner in self.learners.items():
            state = learner.state()
            if state is None:
                out.learners[key] = learner.following()
            else:
                out.known[key] = state
        out.found = self if self._finds_levels() else self.found
        return out

    def _look(self, table: Table, names: list[str], used: UsedRows) -> None:
        """Keep rows with levels not seen before, and rows of the sample."""
        kept = used.kept
        found = RowSummary.of(table, *self.asked.summarised(table.names), kept, self.summary)
        self.summary = found if self.summary is None else self.summary.merged(found)
        new: list[NDArray[np.int64]] = []
        for label, value in used.values.items():
            if isinstance(value, Factor | Logical):
                codes, labels = level_codes(value)
                new.append(self._unseen(label, codes[kept], labels))
        for bar in self.asked.formula.random:
            factors = [used.groups[label] for label in bar.group]
            key = "group " + bar.group_label
            if len(factors) == 1:
                new.append(self._unseen(key, factors[0].codes[kept], factors[0].levels.tolist()))
            else:
                new.append(self._unseen_cells(key, factors, kept))
        places = np.unique(np.concatenate(new)) if new else np.empty(0, dtype=np.int64)
        if len(places):
            self.cover.append({n: taken(table.column(n), kept[places]) for n in names})
        hashes = row_hashes(table, names, table.n_rows)[kept]
        if len(self.hashes) == SAMPLE:
            low = np.flatnonzero(hashes < self.hashes[-1])
        else:
            low = np.arange(len(kept))
        if len(low):
            few = low[np.argpartition(hashes[low], SAMPLE)[:SAMPLE]] if len(low) > SAMPLE else low
            self._add_sample({n: taken(table.column(n), kept[few]) for n in names}, hashes[few])

    def _unseen(self, key: str, codes: NDArray[np.int32], labels: list[str]) -> NDArray[np.int64]:
        """Places of the first rows with levels that were not seen before."""
        first = np.full(len(labels), -1, dtype=np.int64)
        first[codes[::-1]] = np.arange(len(codes) - 1, -1, -1)
        seen = self.seen.setdefault(key, set())
        fresh = [i for i in np.flatnonzero(first >= 0).tolist() if labels[i] not in seen]
        seen.update(labels[i] for i in fresh)
        return first[fresh]

    def _unseen_cells(self, key: str, factors: list[Factor], kept: NDArray[np.int64]) -> NDArray[np.int64]:
        cell = np.zeros(len(kept), dtype=np.int64)
        for f in factors:
            cell = cell * len(f.levels) + f.codes[kept]
        _, first = np.unique(cell, return_index=True)
        rows = zip(*(f.levels[f.codes[kept[first]]].tolist() for f in factors), strict=True)
        seen = self.seen.setdefault(key, set())
        fresh = []
        for place, labels in zip(first.tolist(), rows, strict=True):
            mark = "\x1f".join(labels)
            if mark not in seen:
                seen.add(mark)
                fresh.append(place)
        return np.array(fresh, dtype=np.int64)

    def _add_sample(self, rows: Raw, hashes: NDArray[np.uint64]) -> None:
        if self.sample is not None:
            rows = {n: _stacked(self.sample[n], c) for n, c in rows.items()}
            hashes = np.concatenate([self.hashes, hashes])
        self.hashes, places = np.unique(hashes, return_index=True)
        self.hashes, places = self.hashes[:SAMPLE], places[:SAMPLE]
        self.sample = {
            n: RawColumn(c.kind, c.values[places], None if c.exact is None else c.exact[places], c.ordered)
            for n, c in rows.items()
        }

    def _same_kinds(self, table: Table, names: Iterable[str]) -> None:
        for name in names:
            column = table.column(name)
            if column.values is not None and column.kind == "numeric" and bool(np.isnan(column.values).all()):
                continue  # a batch without any value says nothing
            if column.codes is not None and not (column.codes >= 0).any():
                continue
            self._same_kind(name, column.kind, table.place)
            if column.kind == "factor":
                assert column.levels is not None
                self._same_levels(name, tuple(column.levels.tolist()))

    def _same_kind(self, name: str, kind: str, place: str) -> None:
        known, before = self.kinds.setdefault(name, (kind, place))
        if known != kind:
            where = ("one part of the data", "another") if place == before else (before, place)
            raise DataError(
                f"column {name!r} holds {_KINDS[known]} in {where[0]} and {_KINDS[kind]} in {where[1]}; make it the "
                "same in all."
            )

    def _same_levels(self, name: str, levels: tuple[str, ...] | None) -> None:
        known = self.levels.setdefault(name, levels)
        if known == levels or known is None:
            return
        if levels is None:
            self.levels[name] = None
            return
        short, long = sorted((known, levels), key=len)
        self.levels[name] = long if long[: len(short)] == short else None

    def merge(self, other: "Survey") -> None:
        """Add what was seen of another part, with the same arguments.

        Raises
        ------
        DataError
            If the arguments differ, or a column holds other things there.
        """
        if not isinstance(other, Survey):
            raise ArgumentTypeError(f"only surveys can be merged with a survey, not a {type(other).__name__}.")
        if described(self.asked) != described(other.asked):
            raise DataError("these are surveys of different models; make them with the same formula and arguments.")
        for name, (kind, place) in other.kinds.items():
            self._same_kind(name, kind, place)
        for name, levels in other.levels.items():
            self._same_levels(name, levels)
        if self.known.keys() != other.known.keys() or (self.found is None) != (other.found is None):
            raise DataError("these surveys are of different looks at the data; merge those that were made after= one.")
        for key, learner in other.learners.items():
            self.learners[key] = self.learners[key].merged(learner) if key in self.learners else learner
        self.n_input += other.n_input
        self.n_used += other.n_used
        self.n_missing += other.n_missing
        for name, count in other.counts.items():
            self.counts[name] = self.counts.get(name, 0) + count
        self.cover.extend(other.cover)
        for key, seen in other.seen.items():
            self.seen[key] = self.seen.get(key, set()) | seen
        if other.summary is not None:
            self.summary = other.summary if self.summary is None else self.summary.merged(other.summary)
        if other.sample is not None:
            self._add_sample(other.sample, other.hashes)

    def to_bytes(self) -> bytes:
        """What was seen, compressed, with a version and a checksum; without pickle. It has some
        rows of the data: those with levels that others do not have, and 2,048 more.
        """
        return survey_bytes(vars(self))

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """Read what `to_bytes` wrote.

        Raises
        ------
        DataError
            If the bytes are something else, damaged, cut, or of another version.
        """
        held = read_survey(content)
        found = held.pop("found")
        out = cls(held["asked"])
        vars(out).update(held)
        if found is not None:
            out.found = cls(held["asked"])
            vars(out.found).update(found)
        return out

    def copy(self) -> Self:
        """Another survey with what was seen so far."""
        out = copy(self)
        for name in ("counts", "seen", "kinds", "levels", "known", "learners"):
            setattr(out, name, {k: set(v) if name == "seen" else v for k, v in getattr(self, name).items()})
        out.cover = list(self.cover)
        return out

    def states(self) -> dict[str, State]:
        """What functions learned."""
        found = {key: self._state(key) for key in self.learners if key not in self.known}
        return {**self.known, **{key: state for key, state in found.items() if state is not None}}

    def rows(self) -> tuple[Table, int]:
        """Rows that have all levels, and how many of them, from the first, are the sample."""
        if self.sample is None:
            if not self.n_input:
                raise DataError("the data have no rows.")
            what = ", ".join(f"{name!r} ({count})" for name, count in self.counts.items() if count)
            why = f" Missing are: {what}." if what else ""
            raise DataError(f"no row of the data is left.{why}")
        levels = {name: found for name, found in self.levels.items() if found is not None}
        return joined([self.sample, *self.cover], levels), len(self.hashes)

    def freeze(self) -> Recipe:
        """The recipe by which rows of any part are coded.

        Returns
        -------
        Recipe

        Raises
        ------
        RanefError
            If the model cannot be fitted to such data.
        """
        found = self if self.found is None else self.found
        if not self.complete and self.n_input:
            raise DataError(
                "quantiles, or functions of others that depend on all rows, need another look at the data: "
                "s = scale.survey(formula, part, after=s) for each part, merged, until s.complete."
            )
        table, sampled = found.rows()
        recipe = recipe_of(self.asked, table, sampled, found.n_used, self.states())
        held, summary = recipe.design.sums, found.summary
        if held is None or summary is None:
            return recipe
        columns = tuple(replace(c, levels=found.levels.get(c.name) or ()) for c in summary.columns)
        held = replace(held, summary=replace(summary, columns=columns))
        return replace(recipe, design=replace(recipe.design, sums=held))


_KINDS = {"numeric": "numbers", "boolean": "truth values", "factor": "categories", "text": "text", "datetime": "times"}


def described(asked: Asked) -> str:
    """Arguments as text, equal for equal models."""
    coding = asked.coding
    parts = [str(asked.formula), asked.formula.dot, asked.weights, asked.offset, asked.subset, asked.na_action, coding]
    given = sorted((str(k), v if isinstance(v, str) else repr(v)) for k, v in (asked.contrasts or {}).items())
    return repr([*parts, given])


def _stacked(a: RawColumn, b: RawColumn) -> RawColumn:
    exact = None if a.exact is None or b.exact is None else np.concatenate([a.exact, b.exact])
    return RawColumn(a.kind, np.concatenate([a.values, b.values]), exact, a.ordered)
