"""Sums over rows, from which a linear mixed model is fitted: updated, merged, sent as bytes."""

import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, Literal, Self

import numpy as np

from ranef.data.batches import sources_of
from ranef.data.table import Table
from ranef.design.evaluate import Evaluator, State
from ranef.design.memory import memory_limit
from ranef.design.record import Design, NewRows
from ranef.design.rows import check_finite, check_weights
from ranef.errors import ArgumentTypeError, DataError, DesignError, NewLevelError
from ranef.fit.absent_data import AbsentData
from ranef.fit.archive import read_archive, write_archive
from ranef.fit.control import parse_control
from ranef.fit.linear import fit_lmm
from ranef.fit.order import order_terms
from ranef.fit.progress import Progress, reported
from ranef.fit.request import LmmRequest, choose_reml, warn_once
from ranef.fit.start import parse_start
from ranef.fit.system import sums_of
from ranef.fit.threads import parse_n_threads
from ranef.options import Ddf
from ranef.results.linear import LinearMixedModel
from ranef.scale.asked import used_rows
from ranef.scale.columns import table_of_rows
from ranef.scale.recipe import Recipe

#: First bytes of sums that are written; the last one is the version.
MAGIC = b"ranef sums\x01"

KIND = "Statistic"


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

    def __init__(self, recipe: Recipe):
        if not isinstance(recipe, Recipe):
            raise ArgumentTypeError(f"recipe is a {type(recipe).__name__}; survey(...).freeze() gives one.")
        self.recipe = recipe
        self._order = order_terms(recipe.design.random)
        self._core = sums_of(recipe.design, self._order)
        self._parts: dict[str, None] = {}
        self._n_input = self._n_missing = 0
        self._counts: dict[str, int] = {}

    @property
    def n(self) -> int:
        """Number of rows in the sums."""
        return self._core.n

    @property
    def n_input(self) -> int:
        """Number of rows that were read, with those that were not used."""
        return self._n_input

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the parts that were added."""
        return tuple(self._parts)

    def update(self, data: Any, part: str | None = None) -> None:
        """Add rows.

        Parameters
        ----------
        data : frame, dict, path or dataset
            As for `survey`.
        part : str, optional
            A name for these rows, which can be added once only, so that a file that is listed twice
            or a task that is repeated does not count twice.

        Raises
        ------
        NewLevelError
            If a level occurs that the survey did not see.
        DataError
            If the part was added before, or columns are missing or hold other things. The sums are
            then as they were.
        """
        name = None if part is None else str(part)
        if name is not None and name in self._parts:
            raise DataError(f"the part {name!r} is in the sums already; each part counts once.")
        fresh = type(self)(self.recipe)
        asked = self.recipe.asked
        for source in sources_of(data):
            for table in source.tables(asked.column_names(source.names)):
                fresh.add(table)
        if name is not None:
            fresh._parts[name] = None
        self._take(fresh)

    def add(self, table: Table) -> None:
        """Add the rows of a table; the sums are of no use where this fails."""
        n = table.n_rows
        if not n:
            return
        asked, encoder = self.recipe.asked, self.recipe.design.encoder
        ev = Evaluator(table, asked.formula.text, encoder.states)
        of_offset: dict[str, State] = encoder.offset_states or {}
        used = used_rows(asked, table, ev, of_offset, encoder.weight_states or {})
        self._n_input += n
        self._n_missing += used.n_missing
        for name, count in used.counts.items():
            self._counts[name] = self._counts.get(name, 0) + count
        if not len(used.kept):
            return
        if len(used.kept) < n:
            table = table_of_rows(table, asked.names(table), used.kept)
        new = encoder.new_rows(table, need_response=True, need_weights=True)
        self._add_coded(new, table)

    def _add_coded(self, new: NewRows, table: Table) -> None:
        design = self.recipe.design
        for r in new.random:
            if r.unseen:
                group = design.random[r.term].group
                raise NewLevelError(
                    f"the grouping factor {group!r} has the level {r.unseen[0]!r}, which the survey did not "
                    "see; survey all parts."
                )
        assert new.y is not None
        response = design.formula.response
        check_finite(new.y, "response" if response is None else response.name, table, None)
        if new.weights is not None:
            check_weights(new.weights, "weights", table, None)
        y = new.y if new.offset is None else new.y - new.offset
        factors = []
        for members in self._order.factors:
            codes = np.ascontiguousarray(new.random[members[0]].codes, dtype=np.int32)
            terms = [(np.asfortranarray(new.random[i].z), design.random[i].structure) for i in members]
            factors.append((codes, len(design.random[members[0]].levels), terms))
        weights = None if new.weights is None else np.ascontiguousarray(new.weights, dtype=np.float64)
        y = np.ascontiguousarray(y, dtype=np.float64)
        self._core.update(np.asfortranarray(new.x), y, weights, factors)

    def merge(self, other: Self) -> None:
        """Add other sums by the same recipe.

        Raises
        ------
        DataError
            If the recipes differ, or a part is in both.
        """
        if other.recipe.fingerprint != self.recipe.fingerprint:
            raise DataError(f"these sums were made by another recipe: {_difference(self.recipe, other.recipe)}.")
        both = [p for p in other._parts if p in self._parts]
        if both:
            raise DataError(f"the part {both[0]!r} is in both sums; each part counts once.")
        self._take(other)

    def _take(self, other: "Statistic") -> None:
        self._core.merge(other._core)
        self._parts.update(other._parts)
        self._n_input += other._n_input
        self._n_missing += other._n_missing
        for name, count in other._counts.items():
            self._counts[name] = self._counts.get(name, 0) + count

    def to_bytes(self) -> bytes:
        """The recipe and the sums, compressed, with a version and a checksum; without pickle."""
        out = io.BytesIO()
        write_archive(
            out,
            KIND,
            {
                "recipe": {f.name: getattr(self.recipe, f.name) for f in fields(self.recipe)},
                "sums": np.frombuffer(self._core.to_bytes(), dtype=np.uint8),
                "parts": list(self._parts),
                "counts": [self._n_input, self._n_missing, dict(self._counts)],
            },
        )
        content = out.getvalue()
        return MAGIC + hashlib.sha256(content).digest() + content

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """Read what `to_bytes` wrote.

        Raises
        ------
        DataError
            If the bytes are something else, damaged, cut, or of another version.
        """
        if not isinstance(content, bytes | bytearray | memoryview):
            raise ArgumentTypeError(f"sums are read from bytes, not {type(content).__name__}.")
        content = bytes(content)
        head, digest = content[: len(MAGIC)], content[len(MAGIC) : len(MAGIC) + 32]
        if head[:-1] != MAGIC[:-1]:
            raise DataError("these bytes are not sums that Statistic.to_bytes wrote.")
        if head != MAGIC:
            raise DataError(f"these sums have version {head[-1]}; this ranef reads version {MAGIC[-1]}.")
        rest = content[len(MAGIC) + 32 :]
        if hashlib.sha256(rest).digest() != digest:
            raise DataError("these sums are damaged or cut: their checksum is another one.")
        kind, held = read_archive(io.BytesIO(rest))
        if kind != KIND:
            raise DataError("these bytes are not sums that Statistic.to_bytes wrote.")
        out = cls(Recipe(**held["recipe"]))
        out._core.read(held["sums"].tobytes())
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
        start: Sequence[float] | Mapping[str, Any] | None = None,
        control: Mapping[str, Any] | None = None,
        progress: Progress = False,
        n_threads: int | None = None,
        ddf: Ddf = "satterthwaite",
        data: Any = None,
    ) -> LinearMixedModel:
        """Fit the model.

        Parameters
        ----------
        REML, method, start, control, progress, n_threads, ddf
            As for `lmer`.
        data : optional
            What the model refers to as its data, for `update`.

        Returns
        -------
        LinearMixedModel
            Without rows: what needs them (fitted values, residuals, plots of them, simulated
            responses) is an error that says so.
        """
        reml = choose_reml(REML, method)
        recipe = self.recipe
        if not self.n:
            raise DataError("the sums have no rows yet; add them with update.")
        if reml and recipe.unidentified:
            raise DesignError(
                f"the fixed effects explain the random effects of ({recipe.unidentified[0]}), so that REML says "
                "nothing of their variance; leave one of the two out, or fit by ML."
            )
        request = LmmRequest(
            formula=str(recipe.design.formula),
            data=AbsentData({}, "summed") if data is None else data,
            reml=reml,
            weights=recipe.weights,
            offset=recipe.offset,
            subset=recipe.subset,
            na_action=recipe.design.na_action,
            contrasts=recipe.contrasts,
            start=start,
            control=control,
            progress=progress,
            n_threads=n_threads,
            ddf=ddf,
            coding=recipe.coding,
        )
        design = self._design()
        order = self._order
        first = parse_start(start, order, design.random)
        options = parse_control(control)
        with memory_limit(options.memory), reported(progress, "evaluations") as show:
            fit = fit_lmm(design, reml, first, options, show, parse_n_threads(n_threads), order)
        warn_once(fit.messages)
        return LinearMixedModel(fit, request)

    def _design(self) -> Design:
        design = self.recipe.design
        assert design.sums is not None
        sums = replace(
            design.sums,
            values=np.frombuffer(self._core.to_bytes(), dtype=np.uint8),
            n_used=self.n,
            n_input=self._n_input,
            n_missing=self._n_missing,
            missing_counts=tuple((k, v) for k, v in self._counts.items() if v),
        )
        return replace(design, sums=sums)


def _difference(a: Recipe, b: Recipe) -> str:
    """What differs between two recipes, in a few words."""
    if str(a.design.formula) != str(b.design.formula):
        return f"the formulas are {a.design.formula} and {b.design.formula}"
    for s, t in zip(a.design.random, b.design.random, strict=True):
        if not np.array_equal(s.levels, t.levels):
            return f"the levels of {s.group} differ ({len(s.levels)} and {len(t.levels)})"
    if a.design.x_names != b.design.x_names:
        return "the fixed effects differ"
    return "centres, codings or arguments differ"
