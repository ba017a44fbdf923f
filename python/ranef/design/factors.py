"""Functions in formulas that make or change factors."""

import itertools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ranef.data.labels import as_objects
from ranef.design.contrasts import KINDS, Contrast, contrast_kind
from ranef.design.evaluate import Evaluator, State, level_label
from ranef.design.functions import Function, Named, Rest, constants, flag, numbers_given, whole
from ranef.design.values import Factor, Logical, Numeric, Scalar, Value, as_factor, as_numbers
from ranef.errors import DesignError
from ranef.formula.deparse import deparse
from ranef.formula.syntax import Call, Expr, Name, String
from ranef.formula.vocabulary import match_arguments

# Presence of combinations is counted in a table if it has at most this many cells for each row, and
# sorted otherwise.
_CELLS_PER_ROW = 4


def combine_codes(
    codes: Sequence[NDArray[np.int32]], sizes: Sequence[int]
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Number the combinations of codes that occur, the last factor varying fastest.

    Parameters
    ----------
    codes : sequence of int32 ndarray of shape (n,)
        -1 where missing.
    sizes : sequence of int
        Numbers of levels.

    Returns
    -------
    combined : int32 ndarray of shape (n,)
        -1 where any code is missing.
    present : int64 ndarray
        Of every combination that occurs, its number among all possible ones, increasing.
    """
    cell = codes[0].astype(np.int64)
    missing = codes[0] < 0
    total = sizes[0]
    for part, size in zip(codes[1:], sizes[1:], strict=True):
        if total * size >= 2**62:
            raise DesignError(
                "the interaction of these factors has more possible levels than can be numbered; combine them in a "
                "column of the data first."
            )
        cell *= size
        cell += part
        missing |= part < 0
        total *= size
    any_missing = bool(missing.any())
    n = len(cell)
    if total <= max(1000, _CELLS_PER_ROW * n):
        if any_missing:
            cell[missing] = total
        position = np.zeros(total + 1, dtype=np.int32)
        position[cell] = 1
        position[total] = 0
        present = np.flatnonzero(position)
        position[present] = np.arange(len(present), dtype=np.int32)
        position[total] = -1
        return position[cell], present
    if any_missing:
        cell[missing] = -1
    present, inverse = np.unique(cell, return_inverse=True)
    combined = inverse.astype(np.int32).reshape(n)
    if any_missing:
        return combined - np.int32(1), present[1:]
    return combined, present


def crossed(factors: Sequence[Factor], separator: str, first_fastest: bool = False) -> Factor:
    """The interaction of factors, with the combinations that occur as its levels."""
    ordered = list(factors)[::-1] if first_fastest else list(factors)
    sizes = [len(f.levels) for f in ordered]
    codes, present = combine_codes([f.codes for f in ordered], sizes)
    labels: list[list[str]] = []
    rest = present
    for factor, size in zip(ordered[::-1], sizes[::-1], strict=True):
        labels.append(factor.levels[rest % max(size, 1)].tolist())
        rest = rest // max(size, 1)
    if not first_fastest:
        labels.reverse()
    return Factor(codes, as_objects([separator.join(parts) for parts in zip(*labels, strict=True)]))


def drop_unused(factor: Factor) -> tuple[Factor, NDArray[np.bool_] | None]:
    """The factor with only the levels that occur,
    and which of the former ones those are (None if all).
    """
    counts = np.bincount(
        factor.codes + 1 if len(factor.codes) and factor.codes.min() < 0 else factor.codes, minlength=0
    )
    if len(factor.codes) and factor.codes.min() < 0:
        counts = counts[1:]
    used = np.zeros(len(factor.levels), dtype=bool)
    used[: len(counts)] = counts[: len(used)] > 0
    if used.all():
        return factor, None
    position = np.full(len(used) + 1, -1, dtype=np.int32)
    position[:-1][used] = np.arange(used.sum(), dtype=np.int32)
    return replace(factor, codes=position[factor.codes], levels=factor.levels[used]), used


def labels_by_row(ev: Evaluator, node: Call, test: Logical, yes: Value, no: Value) -> Factor:
    """The text that ``ifelse()`` gives when one of its values is text."""
    parts: list[NDArray[np.object_]] = []
    for value in (yes, no):
        if isinstance(value, Numeric | Logical | Factor):
            factor = as_factor(value, "")
            labels = np.empty(len(factor.levels) + 1, dtype=object)
            labels[:-1] = factor.levels
            parts.append(labels[factor.codes])
        else:
            assert not isinstance(value, list)
            parts.append(np.full(ev.table.n_rows, level_label(value), dtype=object))
    rows = np.where(test.values, parts[0], parts[1])
    if test.absent is not None:
        rows[test.absent] = None
    return ev.known_levels(_from_labels(rows), node)


def _from_labels(rows: NDArray[np.object_]) -> Factor:
    found = sorted({label for label in rows.tolist() if label is not None})
    place: dict[str | None, int] = {label: i for i, label in enumerate(found)}
    place[None] = -1
    return Factor(
        np.fromiter((place[r] for r in rows.tolist()), dtype=np.int32, count=len(rows)), as_objects(found), text=True
    )


def _sorted_text(factor: Factor) -> Factor:
    """The factor as text: levels that occur, sorted, equal ones merged."""
    factor = drop_unused(factor)[0]
    found = sorted(set(factor.levels.tolist()))
    place = {label: i for i, label in enumerate(found)}
    position = np.array([*(place[label] for label in factor.levels.tolist()), -1], dtype=np.int32)
    return Factor(position[factor.codes], as_objects(found), text=True)


def _factor(ev: Evaluator, node: Call, named: Named, rest: Rest) -> Value:
    factor = drop_unused(as_factor(ev.vector(named["x"]), deparse(named["x"])))[0]
    ordered = flag(ev, named.get("ordered"), "'ordered'", factor.ordered) if node.function == "factor" else True
    if named.get("exclude") is not None and ev.value(named["exclude"]) is not None:
        excluded = {level_label(v) for v in constants(ev, named["exclude"], "the excluded levels")}
        present = np.array([*(level not in excluded for level in factor.levels.tolist()), False])
        factor = drop_unused(replace(factor, codes=np.where(present[factor.codes], factor.codes, np.int32(-1))))[0]
    if "levels" in named:
        wanted = [level_label(v) for v in constants(ev, named["levels"], "the levels")]
        if len(set(wanted)) < len(wanted):
            ev.fail("a level is given twice.", named["levels"])
        place = {label: i for i, label in enumerate(wanted)}
        position = np.array([*(place.get(label, -1) for label in factor.levels.tolist()), -1], dtype=np.int32)
        factor = Factor(position[factor.codes], as_objects(wanted))
    elif not ev.learning:
        # The labels below go with the levels of the fit.
        state = ev.states.get(f"bare {deparse(node)}")
        if state is not None:
            place = {label: i for i, label in enumerate(state["levels"].tolist())}
            extra = [label for label in factor.levels.tolist() if label not in place]
            place.update({label: len(place) + i for i, label in enumerate(extra)})
            position = np.array([*(place[label] for label in factor.levels.tolist()), -1], dtype=np.int32)
            factor = Factor(position[factor.codes], as_objects(list(place)))
    if "labels" in named:
        labels = [level_label(v) for v in constants(ev, named["labels"], "the labels")]
        if ev.learning:
            ev.states[f"bare {deparse(node)}"] = {"levels": factor.levels}
            if len(labels) == 1 and len(factor.levels) > 1:
                labels = [f"{labels[0]}{i + 1}" for i in range(len(factor.levels))]
            if len(labels) != len(factor.levels):
                ev.fail(
                    f"there are {len(labels)} labels for {len(factor.levels)} levels: {', '.join(factor.levels[:20])}.",
                    named["labels"],
                )
            ev.states[f"labels {deparse(node)}"] = {"labels": labels}
        labels = ev.states[f"labels {deparse(node)}"]["labels"]
        renamed = [*labels, *factor.levels.tolist()[len(labels) :]]
        merged = list(dict.fromkeys(renamed))
        place = {label: i for i, label in enumerate(merged)}
        position = np.array([*(place[label] for label in renamed), -1], dtype=np.int32)
        factor = Factor(position[factor.codes], as_objects(merged))
    return ev.known_levels(Factor(factor.codes, factor.levels, ordered), node)


def _as_factor(ev: Evaluator, node: Call, named: Named, rest: Rest) -> Value:
    factor = as_factor(ev.vector(named["x"]), deparse(named["x"]))
    if node.function == "droplevels":
        factor = drop_unused(factor)[0]
    return ev.known_levels(replace(factor, ordered=factor.ordered or node.function == "as.ordered", text=False), node)


def _relevel(ev: Evaluator, node: Call, named: Named, rest: Rest) -> Value:
    factor = as_factor(ev.vector(named["x"]), deparse(named["x"]))
    label = level_label(constants(ev, named["ref"], "the reference level")[0])
    places = np.flatnonzero(factor.levels == label)
    if (
        isinstance(ev.value(named["ref"]), float)
        and not len(places)
        and float(label).is_integer()
        and 1 <= int(label) <= len(factor.levels)
    ):
        places = np.array([int(label) - 1])
    if not len(places):
        ev.fail(f"{label!r} is not a level; the levels are {', '.join(factor.levels[:20])}.", named["ref"])
    order = np.concatenate([places[:1], np.delete(np.arange(len(factor.levels)), places[0])])
    position = np.empty(len(order) + 1, dtype=np.int32)
    position[order] = np.arange(len(order), dtype=np.int32)
    position[-1] = -1
    return ev.known_levels(Factor(position[factor.codes], factor.levels[order]), node)


def _interaction(ev: Evaluator, node: Call, named: Named, rest: Rest) -> Value:
    factors = [as_factor(ev.vector(a.value), deparse(a.value)) for a in rest]
    separator = str(ev.value(named["sep"])) if "sep" in named else "."
    lexical = flag(ev, named.get("lex.order"), "'lex.order'", False)
    return ev.known_levels(crossed(factors, separator, first_fastest=not lexical), node)


def _paste(ev: Evaluator, node: Call, named: Named, rest: Rest) -> Value:
    separator = "" if node.function == "paste0" else str(ev.value(named["sep"])) if "sep" in named else " "
    factors = []
    for argument in rest:
        value = ev.value(argument.value)
        if isinstance(value, Numeric | Logical | Factor):
            factors.append(as_factor(value, deparse(argument.value)))
        elif isinstance(value, list):
            ev.fail(f"{node.function}() takes columns and single constants.", argument.value)
        else:
            factors.append(Factor(np.zeros(ev.table.n_rows, dtype=np.int32), as_objects([level_label(value)])))
    return ev.known_levels(_sorted_text(crossed(factors, separator)), node)


def _cut(ev: Evaluator, node: Call, named: Named, rest: Rest) -> Value:
    x = ev.numbers(named["x"]).values
    right = flag(ev, named.get("right"), "'right'", True)
    lowest = flag(ev, named.get("include.lowest"), "'include.lowest'", False)
    given = numbers_given(ev, named["breaks"], "the breaks")

    def learn() -> State:
        if len(given) > 1:
            return {"breaks": np.sort(given)}
        n = whole(ev, named["breaks"], "the number of intervals", 2)
        return {"breaks": even_breaks(np.nanmin(x), np.nanmax(x), n)}

    breaks = ev.state(node, learn)["breaks"]
    if len(np.unique(breaks)) < len(breaks):
        ev.fail("the breaks must differ from each other.", named["breaks"])
    codes = np.searchsorted(breaks, x, side="left" if right else "right").astype(np.int32) - np.int32(1)
    if lowest:
        codes[x == (breaks[0] if right else breaks[-1])] = 0 if right else len(breaks) - 2
    codes[(codes < 0) | (codes > len(breaks) - 2) | np.isnan(x)] = -1
    labels = ev.value(named["labels"]) if "labels" in named else None
    if labels is False:
        return Numeric(np.where(codes < 0, np.nan, codes + 1.0))
    if isinstance(labels, list):
        if len(labels) != len(breaks) - 1:
            ev.fail(f"there are {len(labels)} labels for {len(breaks) - 1} intervals.", named["labels"])
        texts = [level_label(v) for v in labels]
    else:
        digits = whole(ev, named["dig.lab"], "'dig.lab'", 1) if "dig.lab" in named else 3
        texts = _interval_labels(breaks, digits, right, lowest)
    ordered = flag(ev, named.get("ordered_result"), "'ordered_result'", False)
    return ev.known_levels(Factor(codes, as_objects(texts), ordered), node)


def even_breaks(low: float, high: float, n: int) -> NDArray[np.float64]:
    """Ends of n intervals of one length, a little wider than the range of the values."""
    breaks = np.linspace(low, high, n + 1)
    breaks[[0, -1]] += np.array([-1, 1]) * (high - low) / 1000
    return breaks


def _interval_labels(breaks: NDArray[np.float64], digits: int, right: bool, lowest: bool) -> list[str]:
    ends = [f"{b:.{digits}g}" for b in breaks]
    for more in range(digits + 1, 17):
        if len(set(ends)) == len(ends):
            break
        ends = [f"{b:.{more}g}" for b in breaks]
    ends = [{"inf": " Inf", "-inf": "-Inf"}.get(end, end) for end in ends]  # as R writes them
    opening, closing = ("(", "]") if right else ("[", ")")
    out = [f"{opening}{a},{b}{closing}" for a, b in itertools.pairwise(ends)]
    if lowest and right:
        out[0] = "[" + out[0][1:]
    elif lowest:
        out[-1] = out[-1][:-1] + "]"
    return out


def _coded(ev: Evaluator, node: Call, named: Named, rest: Rest) -> Value:
    """``C(f, contrast)``: the factor, with how it is to be coded."""
    factor = as_factor(ev.vector(named["object"]), deparse(named["object"]))
    if "contr" not in named and len(named) > 1:
        ev.fail("C() needs the contrasts to which how.many and base belong: C(f, contr.treatment, base = 2).", node)
    how_many = whole(ev, named["how.many"], "'how.many'", 1) if "how.many" in named else None
    contrast = _contrast(ev, named["contr"], named.get("base")) if "contr" in named else None
    if contrast is not None and how_many is not None:
        contrast = replace(contrast, how_many=how_many)
    return ev.known_levels(replace(factor, contrast=contrast, text=False), node)


def _contrast(ev: Evaluator, node: Expr, base: Expr | None) -> Contrast:
    if isinstance(node, Call) and (kind := contrast_kind(node.function)) is not None:
        return _with_base(ev, kind, match_arguments(node, ev.text)[0].get("base", base))
    if isinstance(node, Name | String):
        word = node.name if isinstance(node, Name) else node.value
        kind = contrast_kind(word)
        if kind is None:
            ev.fail(f"there are no contrasts {word!r}; available are {', '.join(f'contr.{k}' for k in KINDS)}.", node)
        return _with_base(ev, kind, base)
    if isinstance(node, Call) and node.function == "cbind":
        columns = [numbers_given(ev, a.value, "a column of contrasts") for a in node.arguments]
        if len({len(c) for c in columns}) > 1:
            ev.fail("these columns differ in length.", node)
        return Contrast("matrix", matrix=np.column_stack(columns))
    return Contrast("matrix", matrix=numbers_given(ev, node, "contrasts")[:, None])


def _with_base(ev: Evaluator, kind: str, base: Expr | None) -> Contrast:
    if base is None:
        return Contrast(kind)
    value: Scalar = constants(ev, base, "the reference level")[0]
    if isinstance(value, float) and value % 1 != 0:
        ev.fail("the reference level is a level, or its number.", base)
    return Contrast(kind, int(value) if isinstance(value, float) else str(value))


def _dummy(ev: Evaluator, node: Call, named: Named, rest: Rest) -> Value:
    """lme4's indicator columns of some levels: of all but the first, unless they are named."""
    factor = as_factor(ev.vector(named["f"]), deparse(named["f"]))
    if "levelsToKeep" in named:
        wanted = [level_label(v) for v in constants(ev, named["levelsToKeep"], "the levels")]
        unknown = [w for w in wanted if w not in factor.levels]
        if unknown:
            ev.fail(
                f"{unknown[0]!r} is not a level; the levels are {', '.join(factor.levels[:20])}.", named["levelsToKeep"]
            )
        places = [i for i, level in enumerate(factor.levels.tolist()) if level in wanted]
    else:
        places = ev.state(node, lambda: {"places": list(range(1, len(factor.levels)))})["places"]
    missing = factor.codes < 0
    out = np.empty((len(factor.codes), len(places)), order="F")
    for j, place in enumerate(places):
        np.equal(factor.codes, place, out=out[:, j])
    if missing.any():
        out[missing] = np.nan
    if len(places) == 1:
        return Numeric(out[:, 0])
    return Numeric(out, tuple(str(factor.levels[p]) for p in places))


def _as_numeric(ev: Evaluator, node: Call, named: Named, rest: Rest) -> Value:
    value = ev.value(named["x"])
    if isinstance(value, bool | float):
        return float(value)
    if not isinstance(value, Numeric | Logical | Factor):
        ev.fail(f"{node.function}() takes a column.", named["x"])
    if isinstance(value, Factor):
        if value.text:
            numbers = np.array([*(_parsed(level) for level in value.levels.tolist()), np.nan])
            out = numbers[value.codes]
        else:
            # As in R: the number of the level, not its label.
            out = np.where(value.codes < 0, np.nan, value.codes + 1.0)
    else:
        out = as_numbers(value)
    suffixes = value.suffixes if isinstance(value, Numeric) else None
    return Numeric(np.trunc(out) if node.function == "as.integer" else out, suffixes)


def _parsed(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def _as_character(ev: Evaluator, node: Call, named: Named, rest: Rest) -> Value:
    return ev.known_levels(_sorted_text(as_factor(ev.vector(named["x"]), deparse(named["x"]))), node)


def _as_logical(ev: Evaluator, node: Call, named: Named, rest: Rest) -> Value:
    value = ev.vector(named["x"])
    if isinstance(value, Logical):
        return value
    if isinstance(value, Numeric):
        absent = np.isnan(value.values)
        return Logical((value.values != 0) & ~absent, absent if absent.any() else None)
    truth = {"true": 1, "t": 1, "false": 0, "f": 0}
    numbers = np.array([*(truth.get(level.lower(), -1) for level in value.levels.tolist()), -1])[value.codes]
    return Logical(numbers == 1, numbers < 0 if (numbers < 0).any() else None)


def _levels(ev: Evaluator, node: Call, named: Named, rest: Rest) -> Value:
    factor = as_factor(ev.vector(named["x"]), deparse(named["x"]))
    return list(ev.state(node, lambda: {"levels": factor.levels.tolist()})["levels"])


def _ave(ev: Evaluator, node: Call, named: Named, rest: Rest) -> Value:
    """Means by group, given to each row of the group; new rows take those of the fit."""
    x = ev.numbers(rest[0].value).values
    factors = [as_factor(ev.vector(a.value), deparse(a.value)) for a in rest[1:]]
    if not factors:
        factors = [Factor(np.zeros(len(x), dtype=np.int32), as_objects(["all"]))]
    group = ev.known_levels(crossed(factors, ":"), node)

    def learn() -> State:
        present = ~np.isnan(x) & (group.codes >= 0)
        codes = group.codes[present]
        counts = np.bincount(codes, minlength=len(group.levels))
        with np.errstate(all="ignore"):
            return {"means": np.bincount(codes, x[present], minlength=len(group.levels)) / counts}

    means = ev.state(node, learn)["means"]
    padded = np.concatenate([means, np.full(len(group.levels) - len(means) + 1, np.nan)])
    return Numeric(padded[group.codes])


FACTOR_FUNCTIONS: dict[str, Function] = {
    "factor": _factor,
    "ordered": _factor,
    "as.factor": _as_factor,
    "as.ordered": _as_factor,
    "droplevels": _as_factor,
    "relevel": _relevel,
    "interaction": _interaction,
    "paste": _paste,
    "paste0": _paste,
    "cut": _cut,
    "C": _coded,
    "dummy": _dummy,
    "as.numeric": _as_numeric,
    "as.double": _as_numeric,
    "as.integer": _as_numeric,
    "as.character": _as_character,
    "as.logical": _as_logical,
    "levels": _levels,
    "ave": _ave,
}
