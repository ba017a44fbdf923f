"""How rows of any part are coded: frozen from a survey, the same everywhere."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ranef.data.table import Table
from ranef.design.build import DesignBuilder
from ranef.design.coding_rules import CodingRules
from ranef.design.evaluate import State
from ranef.design.model_sums import ColumnBasis, ModelSums
from ranef.design.record import Design, random_shape
from ranef.design.shared_effects import shared_effects
from ranef.errors import DesignError, OptionError
from ranef.fit.ending.unidentified import unidentified_effects
from ranef.fit.system import response_without_offset
from ranef.scale.asked import Asked
from ranef.scale.levels import is_column, with_levels
from ranef.scale.sealed import opened, sealed

Floats = NDArray[np.float64]

KIND = "Recipe"
VERSION = 1

#: Digits of numbers that a fingerprint looks at: sums that were merged in another order differ in
#: the last ones.
DIGITS = 10

#: Centres are multiples of this share of the scale, so that no order of merging shows in them.
STEP = 1 / 64


@dataclass(frozen=True, slots=True, eq=False)
class Recipe:
    """How rows become numbers: levels, contrasts, centres and scales. Made by `Survey.freeze`,
    small and picklable.

    Attributes
    ----------
    design : Design
        Without rows.
    weights, offset, subset : str or None
        The arguments of these names.
    contrasts : dict or None
    coding : CodingRules
    unidentified : tuple of str
        Random terms of whose variance REML says nothing.
    fingerprint : str
        Equal for recipes that code rows in the same way.
    """

    design: Design
    weights: str | None
    offset: str | None
    subset: str | None
    contrasts: Any
    coding: CodingRules
    unidentified: tuple[str, ...]
    fingerprint: str

    @property
    def asked(self) -> Asked:
        """The arguments."""
        return Asked(
            self.design.formula,
            self.weights,
            self.offset,
            self.subset,
            self.design.na_action,
            self.contrasts,
            self.coding,
        )

    def public(self, levels: Mapping[str, Sequence[str]] | None = None) -> Self:
        """The recipe as it may be given to others: without the levels of grouping factors that were
        seen, which may be names of people.

        Parameters
        ----------
        levels : dict, optional
            Levels that were agreed on, by grouping factor. Those of other factors are added where
            the rows are, by ``update(rows, new_levels="add")``; the same label is the same level
            everywhere.

        Returns
        -------
        Recipe
            With another fingerprint: only sums by this recipe go together. It still has the levels
            of fixed effects, means that functions such as ``scale(x)`` found, and centres of
            columns to a 64th of their spread.

        Raises
        ------
        OptionError
            If a name is not that of a grouping factor.
        DesignError
            If a grouping factor is an expression, which keeps the levels it had.

        Examples
        --------
        >>> from ranef import load_dataset, scale
        >>> data = load_dataset("sleepstudy")
        >>> recipe = scale.survey("Reaction ~ Days + (Days | Subject)", data).freeze()
        >>> recipe.public({"Subject": ["308", "309"]})
        Recipe('Reaction ~ Days + (Days | Subject)', 2 fixed effects; levels: Subject 2)
        """
        agreed = dict(levels or {})
        design = self.design
        groups: dict[str, list[int]] = {}
        for i, t in enumerate(design.random):
            groups.setdefault(t.group, []).append(i)
        for name, given in agreed.items():
            if name not in groups:
                raise OptionError(f"there is no grouping factor {name!r}; there are {', '.join(groups)}.")
            if isinstance(given, str) or len(set(map(str, given))) != len(given):
                raise OptionError(f"the levels of {name!r} must be a list of labels, each once.")
        for name, members in groups.items():
            variables = design.encoder.random[members[0]].grouping.variables
            if not all(map(is_column, variables)):
                raise DesignError(f"the grouping factor {name!r} keeps levels; compute it as a column beforehand.")
            design, _ = with_levels(design, members, [str(v) for v in agreed.get(name, ())])
        assert design.sums is not None
        design = replace(design, sums=replace(design.sums, shape=random_shape(design.random)))
        return replace(self, design=design, fingerprint=_fingerprint(replace(self, design=design)))

    def to_bytes(self) -> bytes:
        """The recipe compressed, with a version and a checksum; without pickle."""
        return sealed(KIND, VERSION, {f.name: getattr(self, f.name) for f in fields(self)})

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """Read what `to_bytes` wrote.

        Raises
        ------
        DataError
            If the bytes are something else, damaged, cut, or of another version.
        """
        return cls(**opened(KIND, VERSION, content))

    def __repr__(self) -> str:
        groups = ", ".join(f"{t.group} {len(t.levels):,}" for t in self.design.random)
        return f"Recipe({str(self.design.formula)!r}, {len(self.design.x_names)} fixed effects; levels: {groups})"


def recipe_of(asked: Asked, table: Table, sampled: int, n_used: int, states: dict[str, State]) -> Recipe:
    """Build the model on rows that have all levels; what it learns from them holds for all rows.

    Parameters
    ----------
    asked : Asked
    table : Table
        Rows that have all levels.
    sampled : int
        How many of them, from the first, centres and scales are found from.
    n_used : int
        Number of rows that are used.
    states : dict
        What functions of sums learned from all rows.
    """
    call = {
        "weights": asked.weights,
        "offset": asked.offset,
        "subset": None,
        "na_action": "omit",
        "contrasts": asked.contrasts,
    }
    coding = asked.coding or CodingRules.of_session()
    builder = DesignBuilder(asked.formula, table, call, "lmm", coding)
    builder.observations = n_used
    builder.ev.states.update(states)
    whole = replace(builder.build(asked.formula.response), na_action=asked.na_action)
    shared = shared_effects(whole.random)
    if shared:
        a, b = whole.random[shared[0].base], whole.random[shared[0].others[0]]
        raise DesignError(
            f"the random-effects terms ({a.text}) and ({b.text}) have the same effects of the same groups, so that "
            "their variances cannot be told apart; leave one of them out."
        )
    unidentified = unidentified_effects(whole, range(len(whole.x_names)))
    sums = _bases(whole, sampled)
    design = replace(whole, rows=None, random=tuple(replace(t, rows=None) for t in whole.random), sums=sums)
    recipe = Recipe(
        design=design,
        weights=asked.weights,
        offset=asked.offset,
        subset=asked.subset,
        contrasts=asked.contrasts,
        coding=coding,
        unidentified=tuple(whole.random[i].text for i in unidentified),
        fingerprint="",
    )
    return replace(recipe, fingerprint=_fingerprint(recipe))


def _fingerprint(recipe: Recipe) -> str:
    return hashlib.sha256(_canonical(recipe).encode("utf-8", "surrogatepass")).hexdigest()


def _bases(whole: Design, sampled: int) -> ModelSums:
    """Centres and scales, from the rows of the sample."""
    own = slice(0, sampled)
    weights = np.ones(sampled) if whole.weights is None else whole.weights[own]
    mean_weight = float(weights.mean())
    x = whole.x[own]
    y = response_without_offset(whole)[own]
    intercept = 0 if whole.x_assign[:1] == (0,) else None
    columns = _basis(x, weights, intercept, intercept is not None)
    moments = _centre(y, weights, intercept is not None)
    random = []
    for t in whole.random:
        constant = t.labels.index("(Intercept)") if "(Intercept)" in t.labels else None
        free = t.structure == "unstructured" and len(t.names) > 1
        at = constant if free else None
        random.append(_basis(t.z[own], weights, at, at is not None))
    assert mean_weight > 0
    return ModelSums(x=columns, y=moments, random=tuple(random), shape=random_shape(whole.random))


def _basis(columns: Floats, weights: Floats, intercept: int | None, centred: bool) -> ColumnBasis:
    found = [
        (0.0, _power(float(np.sqrt(weights.mean())))) if j == intercept else _centre(v, weights, centred)
        for j, v in enumerate(columns.T)
    ]
    return ColumnBasis(intercept, tuple(f[0] for f in found), tuple(f[1] for f in found))


def _centre(v: Floats, weights: Floats, centred: bool) -> tuple[float, float]:
    """Centre and scale of a column, rounded."""
    mean = float(np.average(v, weights=weights)) if centred else 0.0
    d = v - mean
    size = float(np.sqrt(np.mean(weights * d * d)))
    if not np.isfinite(size) or size <= 1e-14 * abs(mean):
        return (float(v[0]) if centred and len(v) else 0.0), 1.0
    scale = _power(size)
    step = scale * STEP
    return round(mean / step) * step, scale


def _power(size: float) -> float:
    """The next power of two."""
    return float(2.0 ** np.round(np.log2(size))) if size > 0 and np.isfinite(size) else 1.0


def _canonical(recipe: Recipe) -> str:
    """What decides how rows are coded, as text that does not depend on how it was found."""
    design = recipe.design
    encoder = design.encoder
    sums = design.sums
    assert sums is not None
    parts = {
        "formula": [str(design.formula), design.formula.dot],
        "arguments": [recipe.weights, recipe.offset, recipe.subset, design.na_action],
        "x": list(design.x_names),
        "fixed": encoder.fixed.terms,
        "random": [[t.group, t.levels, list(t.names), t.structure] for t in design.random],
        "layouts": [r.layout.terms for r in encoder.random],
        "levels": encoder.levels,
        "states": dict(encoder.states),
        "basis": [sums.x, list(sums.y), list(sums.random)],
    }
    return json.dumps(_plain(parts), sort_keys=True, ensure_ascii=False)


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return [_plain(getattr(value, f.name)) for f in fields(value)]
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(v) for v in value]
    if isinstance(value, float):
        return f"{value:.{DIGITS}g}"
    return value if isinstance(value, str | int | bool | None) else str(value)


def difference(a: Recipe, b: Recipe) -> str:
    """What differs between two recipes, in a few words."""
    if str(a.design.formula) != str(b.design.formula):
        return f"the formulas are {a.design.formula} and {b.design.formula}"
    for s, t in zip(a.design.random, b.design.random, strict=True):
        if not np.array_equal(s.levels, t.levels):
            return f"the levels of {s.group} differ ({len(s.levels)} and {len(t.levels)})"
    if a.design.x_names != b.design.x_names:
        return "the fixed effects differ"
    return "centres, codings or arguments differ"
