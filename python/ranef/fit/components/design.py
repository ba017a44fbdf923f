"""The designs of the linear predictors of one model, on the same rows, and their random terms put
together.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranef.data.table import Table
from ranef.design.build import build_design
from ranef.design.checks import refuse_members
from ranef.design.record import Design, RandomTerm
from ranef.errors import DesignError
from ranef.formula.formula import Formula
from ranef.formula.random import shared_name

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Predictor:
    """One linear predictor of a model.

    Attributes
    ----------
    key : str
        ``cond``, ``zi``, ``disp``, or the name of a shape parameter.
    design : Design
        Its columns; the response is that of the model.
    formula : str or None
        As the user gave it; None where there is only an intercept that nobody wrote.
    """

    key: str
    design: Design
    formula: str | None


@dataclass(frozen=True, slots=True)
class Piece:
    """The part that one predictor has in a random term of the whole model.

    Attributes
    ----------
    predictor : int
    term : int
        Its term, in the order of its formula.
    start, size : int
        Its effects among those of the whole term.
    """

    predictor: int
    term: int
    start: int
    size: int


def designs_of(
    formulas: Mapping[str, tuple[Formula, str | None]], table: Table, arguments: Mapping[str, Any]
) -> tuple[Predictor, ...]:
    """Build the designs of all predictors on the rows in which none of them has a missing value.

    Parameters
    ----------
    formulas : dict
        For every predictor its formula and how it was given; the first is the conditional one.
    table : Table
    arguments : dict
        Of `build_design`, for the conditional one; of the others offset and weights are left out.
    """

    def build(subset: Any) -> list[Design]:
        out = []
        for i, (formula, _) in enumerate(formulas.values()):
            given = dict(arguments, subset=subset)
            if i:
                given |= {"weights": None, "offset": None, "response": False, "contrasts": _own(formula, given)}
            out.append(build_design(formula, table, model="glmm", bars=False, **given))
        return out

    made = build(arguments.get("subset"))
    counts: dict[str, int] = {}
    for name, count in (pair for design in made for pair in design.missing_counts):
        # a variable of several formulas is missing in the same rows
        counts[name] = max(count, counts.get(name, 0))
    for design in made:
        refuse_members(design.random, "models with several linear predictors")
    n = made[0].own_rows.n_input
    kept = [set(range(n)) if d.kept is None else set(d.kept.tolist()) for d in made]
    common = set.intersection(*kept)
    if any(len(k) != len(common) for k in kept):
        mask = np.zeros(n, bool)
        mask[sorted(common)] = True
        missing = [d.missing for d in made if d.missing is not None]
        made = build(mask)
        made[0] = made[0].with_rows(missing=np.logical_or.reduce(missing) if missing else None)
    if counts:
        made[0] = made[0].with_rows(missing_counts=tuple(counts.items()))
    return tuple(
        Predictor(key, design, given) for (key, (_, given)), design in zip(formulas.items(), made, strict=True)
    )


def _own(formula: Formula, arguments: Mapping[str, Any]) -> Any:
    """The contrasts of variables that a formula has."""
    given = arguments.get("contrasts")
    if not given:
        return None
    labels = {v.label for t in formula.fixed for v in t.variables} | {
        v.name for t in formula.fixed for v in t.variables
    }
    own = {k: v for k, v in given.items() if k in labels}
    return own or None


def together(predictors: Sequence[Predictor]) -> tuple[tuple[RandomTerm, ...], tuple[tuple[Piece, ...], ...]]:
    """The random terms of all predictors: those that share a name are one term.

    Returns
    -------
    terms : tuple of RandomTerm
    pieces : tuple of tuple of Piece
        For every term, what the predictors have in it.
    """
    terms: list[RandomTerm] = []
    pieces: list[list[Piece]] = []
    shared: dict[tuple[str, str], int] = {}
    for p, predictor in enumerate(predictors):
        for i, term in enumerate(predictor.design.random):
            size, name = len(term.names), shared_name(term.text)
            key = (name or "", term.factor_key)
            if name is None or key not in shared:
                if name is not None:
                    shared[key] = len(terms)
                terms.append(term)
                pieces.append([Piece(p, i, 0, size)])
                continue
            at = shared[key]
            first = terms[at]
            if term.structure != "unstructured" or first.structure != "unstructured":
                raise DesignError(f"terms that share the name {name!r} form one free covariance block.")
            before = tuple(f"{predictors[q.predictor].key}.{n}" for q in pieces[at] for n in _names(predictors, q))
            pieces[at].append(Piece(p, i, len(first.names), size))
            terms[at] = replace(
                first,
                names=(*before, *(f"{predictor.key}.{n}" for n in term.names)),
                labels=(*first.labels, *term.labels),
                rows=first.with_z(np.asfortranarray(np.hstack([first.z, term.z]))),
            )
    return tuple(terms), tuple(tuple(p) for p in pieces)


def _names(predictors: Sequence[Predictor], piece: Piece) -> tuple[str, ...]:
    return predictors[piece.predictor].design.random[piece.term].names
