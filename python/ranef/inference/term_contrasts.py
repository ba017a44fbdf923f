"""Contrasts that test the terms of the fixed effects, of types I, II and III.

All three are sets of rows in the kept columns of X. Type III is defined on indicators of all levels
(the over-parameterised model), in which a hypothesis does not depend on how factors are coded.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ranef.design.coding import Coded
from ranef.fit.record import MixedFit

Floats = NDArray[np.float64]

#: Entries below this share of the largest are rounding error.
ROUNDING = 1e-8


@dataclass(frozen=True, slots=True, eq=False)
class FixedTerms:
    """The terms of the fixed effects of a fit.

    Attributes
    ----------
    labels : tuple of str
    columns : tuple of int arrays
        Of every term, its places among the kept columns; empty where all of them were dropped.
    containing : tuple of tuple of int
        Of every term, the terms that contain it: the same numeric variables, and further factors.
    """

    labels: tuple[str, ...]
    columns: tuple[NDArray[np.intp], ...]
    containing: tuple[tuple[int, ...], ...]


#: The types of tests as lmerTest and car write them.
_TYPES = {"1": 1, "I": 1, "2": 2, "II": 2, "3": 3, "III": 3}


def type_of_tests(kind: object) -> object:
    """The number of a type that is given in another way, which is not checked."""
    return _TYPES.get(kind, kind) if isinstance(kind, str) else kind


def fixed_terms(fit: MixedFit) -> FixedTerms:
    """Find the columns of every term, and which terms contain it."""
    design = fit.design
    assign = np.array([design.x_assign[j] for j in fit.kept], dtype=np.intp)
    columns = tuple(np.flatnonzero(assign == t + 1) for t in range(len(design.fixed_terms)))
    coded = design.encoder.fixed.terms
    numeric = [frozenset(c.label for c in term if c.basis is None) for term in coded]
    members = [frozenset(c.label for c in term) for term in coded]
    containing = tuple(
        tuple(b for b in range(len(coded)) if members[a] < members[b] and numeric[a] == numeric[b])
        for a in range(len(coded))
    )
    return FixedTerms(design.fixed_terms, columns, containing)


def term_contrasts(fit: MixedFit, kind: int) -> list[tuple[str, Floats]]:
    """Contrasts of every term.

    Parameters
    ----------
    fit : MixedFit
    kind : {1, 2, 3}
        1: each term after those before it. 2: each term after all that do not contain it. 3: each
        term averaged over the levels of the terms that contain it, whatever the coding.

    Returns
    -------
    list of (str, (rows, p) array)
        Without rows for a term whose columns were dropped.
    """
    own = fit.own_contrasts()
    if own is not None:
        return own
    terms = fixed_terms(fit)
    if kind == 1 or len(terms.labels) < 2:
        rows = _sequential(fit.x_root)
        return [(label, rows[at]) for label, at in zip(terms.labels, terms.columns, strict=True)]
    chosen = _type_2(fit, terms) if kind == 2 else _type_3(fit, terms)
    return list(zip(terms.labels, chosen, strict=True))


def _sequential(x: Floats) -> Floats:
    """Rows that adjust each column for those before it:
    the upper triangular factor of X'X with a unit diagonal.
    """
    scale = np.sqrt(np.einsum("ij,ij->j", x, x))
    upper = np.linalg.qr(x / scale, mode="r") * scale
    rows: Floats = upper / np.diagonal(upper)[:, np.newaxis]
    return rows


def _type_2(fit: MixedFit, terms: FixedTerms) -> list[Floats]:
    """Rows of a term after the columns of all terms that do not contain it."""
    p = len(fit.beta)
    out = []
    for own, containing in zip(terms.columns, terms.containing, strict=True):
        if not containing:
            out.append(np.eye(p)[own])
            continue
        last = np.sort(np.concatenate([own, *(terms.columns[c] for c in containing)]))
        order = np.concatenate([np.setdiff1d(np.arange(p), last), last]).astype(np.intp)
        rows = np.empty((p, p))
        rows[:, order] = _sequential(fit.x_root[:, order])
        out.append(rows[np.flatnonzero(np.isin(order, own))])
    return out


def _type_3(fit: MixedFit, terms: FixedTerms) -> list[Floats]:
    """Estimable functions of a term that are orthogonal,
    in the coefficients of the indicators, to those of the terms that contain it.

    The functions one starts from are the coefficients under treatment coding; each is carried along
    in the kept columns of X.
    """
    indicators, recoded = _recodings(fit)
    if fit.dropped:
        spread = np.linalg.lstsq(fit.x, fit.design.x, rcond=None)[0]
        spread[np.abs(spread) < ROUNDING * np.abs(spread).max()] = 0.0
        indicators, recoded = spread @ indicators, spread @ recoded
    assign = np.array(fit.design.x_assign)
    first = _independent(recoded)
    functions = np.linalg.inv(recoded[:, first])
    owner = assign[first]
    coefficients = functions @ indicators
    rows = {t: np.flatnonzero(owner == t + 1) for t in range(len(terms.labels))}
    degree = [len(term) for term in fit.design.encoder.fixed.terms]
    for t in sorted(rows, key=lambda t: -degree[t]):
        others = np.concatenate([np.empty(0, np.intp), *(rows[c] for c in terms.containing[t])]).astype(np.intp)
        if len(others) and len(rows[t]):
            part = np.linalg.lstsq(coefficients[others].T, coefficients[rows[t]].T, rcond=None)[0].T
            functions[rows[t]] -= part @ functions[others]
            coefficients[rows[t]] -= part @ coefficients[others]
    size = np.abs(functions).max(initial=0.0)
    functions[np.abs(functions) < ROUNDING * size] = 0.0
    return [
        functions[rows[t]][np.abs(coefficients[rows[t]]).max(axis=1, initial=0.0) > ROUNDING]
        for t in range(len(terms.labels))
    ]


def _independent(matrix: Floats) -> list[int]:
    """Columns that are not linear combinations of columns before them."""
    if matrix.shape[0] == matrix.shape[1] == np.count_nonzero(np.diagonal(matrix)) == np.count_nonzero(matrix):
        return list(range(len(matrix)))  # treatment coding as it stands
    found: list[int] = []
    basis = np.empty((len(matrix), 0))
    for j, column in enumerate(matrix.T):
        rest = column - basis @ (basis.T @ column)
        rest -= basis @ (basis.T @ rest)
        length = float(np.linalg.norm(rest))
        if length > ROUNDING * float(np.linalg.norm(column)):
            found.append(j)
            basis = np.column_stack([basis, rest / length])
    return found


def _recodings(fit: MixedFit) -> tuple[Floats, Floats]:
    """Write the indicators of all levels, and the columns under treatment coding,
    as combinations of the columns of X.

    These are identities between functions of the factors, so that they can be solved on chosen
    combinations of levels: all levels of the factors of one term, the other factors at their first.
    Numeric variables are symbols: terms with different ones have nothing in common.

    Returns
    -------
    indicators : (columns of X, indicators) array
    recoded : (columns of X, columns of X) array
    """
    layout = fit.design.encoder.fixed
    terms: list[tuple[Coded, ...]] = [*([()] if layout.intercept else []), *layout.terms]
    starts = np.concatenate([[0], np.cumsum([_width(t) for t in terms])]).astype(int)
    blocks: list[Floats] = []
    recoded = np.zeros((starts[-1], starts[-1]))
    families: dict[frozenset[str], list[int]] = {}
    for number, term in enumerate(terms):
        families.setdefault(frozenset(c.label for c in term if c.basis is None), []).append(number)
    for numeric, members in families.items():
        cells = _cells([terms[t] for t in members])
        choices = {c.label: len(c.suffixes) for t in members for c in terms[t] if c.label in numeric}
        for choice in itertools.product(*(range(k) for k in choices.values())):
            symbol = dict(zip(choices, choice, strict=True))
            places = np.concatenate([starts[t] + _matching(terms[t], symbol) for t in members]).astype(np.intp)
            ours = np.column_stack([_product(terms[t], cells, "coded") for t in members])
            plain = np.column_stack([_product(terms[t], cells, "treatment") for t in members])
            full = np.column_stack([_product(terms[t], cells, "indicators") for t in members])
            recoded[np.ix_(places, places)] = np.linalg.lstsq(ours, plain, rcond=None)[0]
            block = np.zeros((starts[-1], full.shape[1]))
            block[places] = np.linalg.lstsq(ours, full, rcond=None)[0]
            blocks.append(block)
    indicators = np.concatenate(blocks, axis=1)
    for matrix in (indicators, recoded):
        matrix[np.abs(matrix) < ROUNDING * np.abs(matrix).max()] = 0.0
    return indicators, recoded


def _width(term: Sequence[Coded]) -> int:
    """Number of columns of a term."""
    return int(np.prod([len(c.suffixes) for c in term], dtype=int))


def _cells(terms: Sequence[tuple[Coded, ...]]) -> dict[str, NDArray[np.intp]]:
    """Combinations of the levels of all factors:
    for every term those of its own factors, the others at their first level.
    """
    levels = {c.label: len(c.basis) for term in terms for c in term if c.basis is not None}
    rows: list[NDArray[np.intp]] = []
    for term in terms:
        own = [c.label for c in term if c.basis is not None]
        grid = np.array(list(itertools.product(*(range(levels[label]) for label in own))), dtype=np.intp)
        block = np.zeros((len(grid), len(levels)), dtype=np.intp)
        for position, label in enumerate(own):
            block[:, list(levels).index(label)] = grid[:, position]
        rows.append(block)
    table = np.unique(np.concatenate(rows), axis=0)
    return {label: table[:, position] for position, label in enumerate(levels)} | {"": np.arange(len(table))}


def _product(term: Sequence[Coded], cells: dict[str, NDArray[np.intp]], coding: str) -> Floats:
    """The columns of the factors of a term in given cells, the first variable varying fastest."""
    out = np.ones((len(cells[""]), 1))
    for c in term:
        if c.basis is None:
            continue
        basis = c.basis
        if coding == "indicators":
            basis = np.eye(len(basis))
        elif coding == "treatment":
            # As many columns as the coding at hand has: all levels, or all but the first.
            basis = np.eye(len(basis))[:, len(basis) - basis.shape[1] :]
        part = basis[cells[c.label]]
        out = (part[:, :, np.newaxis] * out[:, np.newaxis, :]).reshape(len(out), -1)
    return out


def _matching(term: Sequence[Coded], symbol: dict[str, int]) -> NDArray[np.intp]:
    """Columns of a term in which each numeric variable
    of several columns is represented by the chosen one.
    """
    index = np.zeros(1, dtype=np.intp)
    stride = 1
    for c in term:
        size = len(c.suffixes)
        chosen = np.arange(size) if c.basis is not None else np.array([symbol[c.label]])
        index = (index[np.newaxis, :] + stride * chosen[:, np.newaxis]).reshape(-1)
        stride *= size
    return index
