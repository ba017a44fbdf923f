"""Sums over rows, from which a linear mixed model is fitted: updated, merged, sent as bytes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, Literal, Self

import numpy as np

from ranef.data.batches import Batches, sources_of
from ranef.data.table import Table
from ranef.design.evaluate import Evaluator
from ranef.design.record import Design, NewRows
from ranef.design.rows import check_finite, check_weights
from ranef.errors import ArgumentTypeError, DataError, NewLevelError, OptionError
from ranef.fit.order import TermOrder, order_terms
from ranef.fit.progress import Progress
from ranef.fit.reml import choose_reml
from ranef.fit.system import sums_of
from ranef.options import Ddf
from ranef.results.linear import LinearMixedModel
from ranef.scale.asked import used_rows
from ranef.scale.columns import table_of_rows
from ranef.scale.placed import placed
from ranef.scale.recipe import Recipe, difference
from ranef.scale.sealed import opened, sealed
from ranef.scale.summed_model import fit_summed, summed_design

KIND = "Statistic"
VERSION = 2


class Statistic:
    """The sums over rows that a linear mixed model needs.

    Parameters
    ----------
    recipe : Recipe
        How rows are coded; the same for all sums that are merged.

    Examples
    --------
    >>> from ranef import load_dataset, scale
    >>> data = load_dataset("sleepstudy")
    >>> recipe = scale.survey("Reaction ~ Days + (Days | Subject)", data).freeze()
    >>> parts = []
    >>> for i in range(2):
    ...     c = scale.Statistic(recipe)
    ...     c.update(data[i::2], part=f"half {i}")
    ...     parts.append(c.to_bytes())
    >>> c = scale.Statistic.from_bytes(parts[0])
    >>> c.merge(scale.Statistic.from_bytes(parts[1]))
    >>> c.n, round(c.fit().objective, 4)
    (180, 1743.6283)
    """

    def __init__(self, recipe: Recipe, by_level: str | None = None):
        if not isinstance(recipe, Recipe):
            raise ArgumentTypeError(f"recipe is a {type(recipe).__name__}; survey(...).freeze() gives one.")
        self.recipe = recipe
        self.by_level = by_level
        self._order = order_terms(recipe.design.random)
        groups = self._groups()
        if by_level is not None and by_level not in groups:
            raise OptionError(f"by_level is {by_level!r}; it is one of the grouping factors, {', '.join(groups)}.")
        own = None if by_level is None else groups.index(by_level)
        self._core = self._empty(own)
        #: Levels of every factor of the core that the recipe does not have, and their codes.
        self._added: list[dict[str, int]] = [{} for _ in self._order.factors]
        self._parts: dict[str, None] = {}
        self._n_input = self._n_missing = 0
        self._counts: dict[str, int] = {}

    def _groups(self) -> list[str]:
        """Names of the core's factors."""
        return [self.recipe.design.random[members[0]].group for members in self._order.factors]

    @property
    def n(self) -> int:
        """Number of rows in the sums."""
        count: int = self._core.n
        return count

    @property
    def n_input(self) -> int:
        """Number of rows that were read, with those that were not used."""
        return self._n_input

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the parts that were added."""
        return tuple(self._parts)

    @property
    def ngroups(self) -> dict[str, int]:
        """Number of levels of each grouping factor that have rows."""
        return {g: sum(c > 0 for c in self._core.counts(f)) for f, g in enumerate(self._groups())}

    def update(
        self,
        data: Any,
        part: str | None = None,
        new_levels: Literal["error", "add"] = "error",
        remove: bool = False,
    ) -> None:
        """Add rows, or take rows away that were added before.

        Parameters
        ----------
        data : frame, dict, path or dataset
            As for `survey`.
        part : str, optional
            A name for these rows, which can be added once only, so that a file that is listed twice
            or a task that is repeated does not count twice.
        new_levels : {"error", "add"}
            What becomes of levels of grouping factors that the survey did not see. Levels of fixed
            effects are never added.
        remove : bool
            Take the rows away. With ``part``, all rows of that part, which may then be added again.

        Raises
        ------
        NewLevelError
            If a level occurs that the survey did not see.
        DataError
            If the part was added before, columns are missing or hold other things, or rows that are
            to be taken away are not in the sums. The sums are then as they were.
        """
        if new_levels not in ("error", "add"):
            raise OptionError(f"new_levels is {new_levels!r}; it is 'error' or 'add'.")
        name = None if part is None else str(part)
        if name is not None and (name in self._parts) is not remove:
            raise DataError(
                f"the part {name!r} is not in the sums."
                if remove
                else f"the part {name!r} is in the sums already; each part counts once."
            )
        fresh = self._like()
        asked = self.recipe.asked
        sources = sources_of(data)
        for source in sources:
            for table in source.tables(asked.column_names(source.names)):
                with placed(_place(table, source, len(sources))):
                    fresh.add(table, new_levels == "add" and not remove)
        if name is not None:
            fresh._parts[name] = None
        if remove:
            self.remove(fresh)
        else:
            self._take(fresh)

    def _like(self) -> Self:
        """Sums of nothing, with the same levels."""
        out = type(self)(self.recipe, self.by_level)
        out._grow(self._added)
        return out

    def _grow(self, added: Iterable[Iterable[str]]) -> None:
        """Number on levels that are not known."""
        grown = False
        for members, known, labels in zip(self._order.factors, self._added, added, strict=True):
            held = len(self.recipe.design.random[members[0]].levels)
            for label in labels:
                grown |= label not in known
                known.setdefault(label, held + len(known))
        if grown:
            # what is new has no place in the old sums
            old = [len(self._core.counts(f)) for f in range(len(self._added))]
            sizes = self._sizes()
            levels = [[i if i < n else -1 for i in range(size)] for n, size in zip(old, sizes, strict=True)]
            self._core = self._core.renumbered(self._as_they_are(), levels)

    def _sizes(self) -> list[int]:
        terms = self.recipe.design.random
        pairs = zip(self._order.factors, self._added, strict=True)
        return [len(terms[members[0]].levels) + len(added) for members, added in pairs]

    def _as_they_are(self) -> list[tuple[int, list[int]]]:
        return [(f, list(range(len(members)))) for f, members in enumerate(self._order.factors)]

    def add(self, table: Table, new_levels: bool = False) -> None:
        """Add the rows of a table; the sums are of no use where this fails."""
        n = table.n_rows
        if not n:
            return
        asked, encoder = self.recipe.asked, self.recipe.design.encoder
        ev = Evaluator(table, asked.formula.text, encoder.states)
        used = used_rows(asked, table, ev)
        self._n_input += n
        self._n_missing += used.n_missing
        for name, count in used.counts.items():
            self._counts[name] = self._counts.get(name, 0) + count
        if not len(used.kept):
            return
        if len(used.kept) < n:
            table = table_of_rows(table, asked.names(table), used.kept)
        new = encoder.new_rows(table, need_response=True, need_weights=True)
        self._add_coded(new, table, new_levels)

    def _add_coded(self, new: NewRows, table: Table, new_levels: bool) -> None:
        design = self.recipe.design
        assert new.y is not None
        response = design.formula.response
        check_finite(new.y, "response" if response is None else response.name, table, None)
        if new.weights is not None:
            check_weights(new.weights, "weights", table, None)
        unseen = [new.random[members[0]].unseen for members in self._order.factors]
        if new_levels:
            self._grow(unseen)
        y = new.y if new.offset is None else new.y - new.offset
        factors: list[Any] = []
        for f, members in enumerate(self._order.factors):
            codes = np.ascontiguousarray(self._codes(f, new.random[members[0]].extended, unseen[f]), dtype=np.int32)
            terms = [(np.asfortranarray(new.random[i].z), design.random[i].structure) for i in members]
            factors.append((codes, self._sizes()[f], terms))
        weights = None if new.weights is None else np.ascontiguousarray(new.weights, dtype=np.float64)
        y = np.ascontiguousarray(y, dtype=np.float64)
        self._core.update(np.asfortranarray(new.x), y, weights, factors)

    def _codes(self, factor: int, extended: Any, unseen: Sequence[str]) -> Any:
        """Codes of rows, with those of levels that were added."""
        if not unseen:
            return extended
        term = self.recipe.design.random[self._order.factors[factor][0]]
        held, known = len(term.levels), self._added[factor]
        absent = [label for label in unseen if label not in known]
        if absent:
            raise NewLevelError(
                f"the grouping factor {term.group!r} has the level {absent[0]!r}, which the survey did not see; survey "
                "all parts, or add it by new_levels='add'."
            )
        if int(extended.max()) >= held + len(unseen):
            raise DataError(f"levels of {term.group!r} have colons in them and cannot be told apart; survey all parts.")
        moved = np.array([known[label] for label in unseen], dtype=np.int64)
        return np.where(extended < held, extended, moved[np.maximum(extended - held, 0)])

    def merge(self, other: Self) -> None:
        """Add other sums by the same recipe; levels that were added in either are in both.

        Raises
        ------
        DataError
            If the recipes differ, or a part is in both.
        """
        self._check(other)
        if both := [p for p in other._parts if p in self._parts]:
            raise DataError(f"the part {both[0]!r} is in both sums; each part counts once.")
        self._take(other)

    def _check(self, other: "Statistic") -> None:
        if not isinstance(other, Statistic):
            raise ArgumentTypeError(f"only sums can be merged or removed, not a {type(other).__name__}.")
        if other.recipe.fingerprint != self.recipe.fingerprint:
            raise DataError(f"these sums were made by another recipe: {difference(self.recipe, other.recipe)}.")
        if other.by_level != self.by_level:
            raise DataError(f"one of the sums has by_level={self.by_level!r}, the other by_level={other.by_level!r}.")

    def remove(self, other: Self) -> None:
        """Take other sums away, which were merged before, or whose rows were added: the opposite of
        `merge`. What remains are the sums of the other rows to the last bit but one.

        Raises
        ------
        DataError
            If the recipes differ, or rows or parts are not in these sums, which are then as they
            were.
        """
        self._check(other)
        absent = [p for p in other._parts if p not in self._parts]
        if absent:
            raise DataError(f"the part {absent[0]!r} is not in the sums.")
        counts = {name: self._counts.get(name, 0) - count for name, count in other._counts.items()}
        n_input, n_missing = self._n_input - other._n_input, self._n_missing - other._n_missing
        gone = DataError("some of the rows that are to be taken away are not in the sums.")
        if min(n_input, n_missing, *counts.values()) < 0:
            raise gone
        self._grow(other._added)
        try:
            self._core.remove(self._aligned(other))
        except ValueError:
            raise gone from None
        self._n_input, self._n_missing = n_input, n_missing
        self._counts.update(counts)
        for name in other._parts:
            del self._parts[name]

    def _aligned(self, other: "Statistic") -> Any:
        """The other's sums with the levels of these."""
        if [list(a) for a in self._added] == [list(a) for a in other._added]:
            return other._core
        levels = []
        for size, mine, theirs in zip(self._sizes(), self._added, other._added, strict=True):
            held = size - len(mine)
            levels.append([*range(held), *(theirs.get(label, -1) for label in mine)])
        return other._core.renumbered(self._as_they_are(), levels)

    def _take(self, other: "Statistic") -> None:
        self._grow(other._added)
        self._core.merge(self._aligned(other))
        self._parts.update(other._parts)
        self._n_input += other._n_input
        self._n_missing += other._n_missing
        for name, count in other._counts.items():
            self._counts[name] = self._counts.get(name, 0) + count

    def without(self, **levels: str | int | Sequence[str | int]) -> Self:
        """The sums without all rows of some levels, of which no rows are needed.

        Parameters
        ----------
        **levels
            A level, or several, of the factor that ``by_level`` named, as ``school="17"``. All
            other grouping factors are nested in it; otherwise the rows are taken away by
            ``update(rows, remove=True)``.

        Returns
        -------
        Statistic
            Names of parts are kept in it, and numbers of rows that were left out of the data.

        Raises
        ------
        OptionError
            If ``by_level`` named no factor, or another one.
        NewLevelError
            If there is no such level.
        DataError
            If another factor is crossed with it there.

        Examples
        --------
        >>> from ranef import load_dataset, scale
        >>> data = load_dataset("sleepstudy")
        >>> recipe = scale.survey("Reaction ~ Days + (Days | Subject)", data).freeze()
        >>> c = scale.Statistic(recipe, by_level="Subject")
        >>> c.update(data)
        >>> c.without(Subject="308").n
        170
        """
        if self.by_level is None:
            raise OptionError("levels are left out of Statistic(recipe, by_level=...), which names their factor.")
        if list(levels) != [self.by_level]:
            raise OptionError(f"the sums are by level of {self.by_level!r}: without({self.by_level}=...).")
        given = levels[self.by_level]
        wanted = [given] if isinstance(given, str | int) else list(given)
        out = self._like()
        out._take(self)
        factor = self._groups().index(self.by_level)
        place = {label: i for i, label in enumerate(self._labels(factor))}
        for level in dict.fromkeys(map(str, wanted)):
            if level not in place:
                raise NewLevelError(f"there is no level {level!r} of {self.by_level!r} in the sums.")
            crossed = out._core.without(place[level])
            if crossed is not None:
                raise DataError(
                    f"{self._groups()[crossed]!r} is crossed with {self.by_level!r} at the level {level!r}, so that "
                    "its rows are needed: update(rows, remove=True)."
                )
        return out

    def _labels(self, factor: int) -> list[str]:
        """Levels of a factor of the core, by code."""
        levels: list[str] = self.recipe.design.random[self._order.factors[factor][0]].levels.tolist()
        return [*levels, *self._added[factor]]

    def to_bytes(self, min_count: int | None = None) -> bytes:
        """The recipe and the sums, compressed, with a version and a checksum; without pickle.

        Parameters
        ----------
        min_count : int, optional
            Refuse to write sums in which a level of a grouping factor has fewer rows: those of a
            level with one row show its response.

        Raises
        ------
        DataError
            If there are such levels.
        """
        if min_count is not None:
            for f, group in enumerate(self._groups()):
                few = [i for i, n in enumerate(self._core.counts(f)) if 0 < n < min_count]
                if few:
                    raise DataError(
                        f"{len(few)} levels of {group!r} have fewer than {min_count} rows, such as "
                        f"{self._labels(f)[few[0]]!r}, and would show too much of them; leave these rows out, or put "
                        "such levels together."
                    )
        return sealed(
            KIND,
            VERSION,
            {
                "recipe": {f.name: getattr(self.recipe, f.name) for f in fields(self.recipe)},
                "by_level": self.by_level,
                "added": [list(a) for a in self._added],
                "sums": np.frombuffer(self._core.to_bytes(), dtype=np.uint8),
                "parts": list(self._parts),
                "counts": [self._n_input, self._n_missing, dict(self._counts)],
            },
        )

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """Read what `to_bytes` wrote.

        Raises
        ------
        DataError
            If the bytes are something else, damaged, cut, or of another version.
        """
        held = opened(KIND, VERSION, content)
        out = cls(Recipe(**held["recipe"]), held["by_level"])
        out._grow(held["added"])
        try:
            out._core.read(held["sums"].tobytes())
        except ValueError as problem:
            raise DataError(f"these bytes are not sums of their recipe: {problem}.") from None
        out._parts = dict.fromkeys(held["parts"])
        out._n_input, out._n_missing, out._counts = held["counts"]
        return out

    def __getstate__(self) -> bytes:
        return self.to_bytes()

    def __setstate__(self, state: bytes) -> None:
        self.__dict__.update(type(self).from_bytes(state).__dict__)

    def __repr__(self) -> str:
        return f"Statistic({str(self.recipe.design.formula)!r}, {self.n:,} rows, {len(self._parts)} named parts)"

    def fit(
        self,
        *,
        REML: bool | None = None,
        method: Literal["REML", "ML"] | None = None,
        start: Sequence[float] | Mapping[str, Any] | LinearMixedModel | None = None,
        control: Mapping[str, Any] | None = None,
        progress: Progress = False,
        n_threads: int | None = None,
        ddf: Ddf = "satterthwaite",
        data: Any = None,
    ) -> LinearMixedModel:
        """Fit the model.

        Parameters
        ----------
        REML, method, control, progress, n_threads, ddf
            As for `lmer`.
        start : array-like, dict or LinearMixedModel, optional
            As for `lmer`, or a model of earlier sums, from whose estimates the search starts.
        data : optional
            What the model refers to as its data, for `update`.

        Returns
        -------
        LinearMixedModel
            Without rows: what needs them (fitted values, residuals, plots of them, simulated
            responses) is an error that says so.
        """
        own = {"control": control, "progress": progress, "n_threads": n_threads, "ddf": ddf}
        return self._fit_kept(None, choose_reml(REML, method), start, data, **own)

    def _fit_kept(self, checkpoint: Any, reml: bool, start: Any, data: Any = None, **options: Any) -> LinearMixedModel:
        """The same, where the search of the iterative solver is kept in a file."""
        if not self.n:
            raise DataError("the sums have no rows yet; add them with update.")
        design, order = self._design()
        assert design.sums is not None
        sums = replace(
            design.sums,
            n_used=self.n,
            n_input=self._n_input,
            n_missing=self._n_missing,
            missing_counts=tuple((k, v) for k, v in self._counts.items() if v),
        )
        return self._model(
            self.recipe,
            replace(design, sums=sums),
            order,
            reml,
            start,
            data,
            checkpoint=checkpoint,
            **options,
        )

    def _empty(self, by_level: int | None) -> Any:
        """What the core adds rows to."""
        return sums_of(self.recipe.design, self._order, by_level)

    def _design(self) -> tuple[Design, TermOrder]:
        """The model with what the core has."""
        labels = [self._labels(f) if added else None for f, added in enumerate(self._added)]
        return summed_design(self.recipe, (self._order, self._core), labels)

    def _model(self, *arguments: Any, **options: Any) -> LinearMixedModel:
        return fit_summed(*arguments, **options)


def _place(table: Table, source: Batches, n_sources: int) -> str:
    return (table.place or source.what) if n_sources > 1 or source.parts else ""
