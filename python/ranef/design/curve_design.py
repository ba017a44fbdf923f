"""Formula and data of a nonlinear model to a `Design`.

The design is that of the linearised model: its columns are made from those of the parameters and
the slopes of the curve, wherever it stands.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranef.curves.expression import Curve, curve_of, parameters_of
from ranef.data.table import Table
from ranef.design.build import build_design
from ranef.design.checks import refuse_members
from ranef.design.coding_rules import CodingRules
from ranef.design.curve_rows import CurveEncoder, CurveRows
from ranef.design.evaluate import Evaluator
from ranef.design.record import Design, RandomTerm, TermRows
from ranef.design.rows import NA_ACTIONS, argument_names, argument_vector, subset_mask
from ranef.design.values import Floats, from_column, missing_rows
from ranef.errors import ColumnNotFoundError, DataError, OptionError
from ranef.formula.formula import parse_formula
from ranef.formula.nonlinear import (
    NamedFormula,
    NonlinearFormula,
    is_intercept_only,
    parameter_formulas,
)
from ranef.formula.residual import ResidualExpr
from ranef.formula.syntax import names_in
from ranef.formula.terms import Term

Functions = Mapping[str, Any]

INTERCEPT = "(Intercept)"


@dataclass(frozen=True, slots=True, eq=False)
class CurveRequest:
    """What the curve of a model is made of.

    Attributes
    ----------
    formula : NonlinearFormula
    params : dict or None
        Formulas of parameters.
    started : tuple of str
        Names that have starting values.
    functions : dict
        Functions of the user's.
    """

    formula: NonlinearFormula
    params: Mapping[str, str] | None
    started: tuple[str, ...]
    functions: Functions


def build_curve_design(
    request: CurveRequest,
    table: Any,
    *,
    weights: Any = None,
    subset: Any = None,
    na_action: str = "omit",
    contrasts: Mapping[str, Any] | None = None,
    coding: CodingRules | None = None,
    residual: ResidualExpr | None = None,
) -> Design:
    """Turn the formulas of a nonlinear model and data into arrays.

    Parameters
    ----------
    request : CurveRequest
    table : Table
        Or anything that `Table.from_data` takes.
    weights, subset, na_action, contrasts, coding, residual
        As in `build_design`.

    Returns
    -------
    Design
        With ``curve``; columns and offset are those of the linearised model only after
        `linearised`.
    """
    if not isinstance(table, Table):
        table = Table.from_data(table)
    if na_action not in NA_ACTIONS:
        raise OptionError(f"na_action is {na_action!r}; it is one of {', '.join(map(repr, NA_ACTIONS))}.")
    formula = request.formula
    stated = (*request.started, *(request.params or ()))
    parameters = parameters_of(formula.curve, formula.text, table.names, stated, request.functions)
    curve = curve_of(formula.curve, formula.text, parameters, request.functions)
    named = parameter_formulas(formula, parameters, request.params)
    for name, own in named.items():
        if own.formula.offsets:
            raise OptionError(f"the formula of the parameter {name} has an offset; write it into the curve.")
    covariate_names = [n for c in curve.covariates for n in names_in(c)]
    names = dict.fromkeys(
        [
            *names_in(formula.response.expr),
            *covariate_names,
            *(n for own in named.values() for n in own.formula.names),
            *(() if residual is None else residual.names),
            *argument_names(table, weights, None, None),
        ]
    )
    for name in names:
        if name not in table and name != "pi":
            raise ColumnNotFoundError(name, table.names, f"the data; in a curve, names with a starting value are "
                                      f"parameters ({', '.join(parameters)})")  # fmt: skip
    rows = _complete_rows(table, [n for n in names if n in table], weights, subset, na_action)
    mask = None if rows.used is None else rows.used
    designs: list[Design] = []
    for i, own in enumerate(named.values()):
        text = own.formula.text
        first = i == 0
        parsed = parse_formula(f"{formula.response.label} {text}") if first else own.formula
        mine = {k: v for k, v in (contrasts or {}).items() if k in own.formula.names}
        made = build_design(
            parsed,
            table,
            weights=weights if first else None,
            subset=mask,
            na_action="error",
            contrasts=mine,
            coding=coding,
            response=first,
            bars=False,
            residual=residual if first else None,
        )
        refuse_members(made.random, "nonlinear models")
        designs.append(made)
    n = designs[0].n_used
    ev = Evaluator(table, formula.text)
    covariates = []
    for expr in curve.covariates:
        values = ev.numbers(expr).values
        values = values if rows.kept is None else values[rows.kept]
        if not np.isfinite(values).all():
            raise DataError("a covariate of the curve is not finite in some of the rows that are used.")
        covariates.append(np.ascontiguousarray(values, dtype=np.float64))
    return _joined(request, curve, named, designs, tuple(covariates), rows, ev, na_action, n)


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    used: NDArray[np.bool_] | None
    kept: NDArray[np.int64] | None
    missing: NDArray[np.bool_] | None
    counts: tuple[tuple[str, int], ...]


def _complete_rows(table: Table, names: list[str], weights: Any, subset: Any, na_action: str) -> _Rows:
    """The rows without a missing value in any column of the model."""
    table.load([*names, *argument_names(table, weights, None, subset)])
    chosen = None if subset is None else subset_mask(subset, table)
    missing: NDArray[np.bool_] | None = None
    counts: list[tuple[str, int]] = []
    values = [(n, from_column(table.column(n))) for n in names]
    if weights is not None and not isinstance(weights, str):
        values.append(("weights", argument_vector(weights, "weights", table, None)[0]))
    for name, value in values:
        mask = missing_rows(value)
        if mask is not None and chosen is not None:
            mask = mask & chosen
        if mask is not None and mask.any():
            counts.append((name, int(mask.sum())))
            missing = mask if missing is None else missing | mask
    if missing is not None and na_action == "error":
        what = ", ".join(f"{n} ({c})" for n, c in counts)
        raise DataError(f"there are missing values, and na_action is 'error': {what}.")
    used = chosen
    if missing is not None:
        used = ~missing if chosen is None else chosen & ~missing
    if used is not None and used.all():
        used = None
    if used is not None and not used.any():
        raise DataError("no row is left: every row has a missing value, or subset selects none.")
    kept = None if used is None else np.flatnonzero(used).astype(np.int64)
    return _Rows(used, kept, missing, tuple(counts))


def _joined(
    request: CurveRequest,
    curve: Curve,
    named: Mapping[str, NamedFormula],
    designs: list[Design],
    covariates: tuple[Floats, ...],
    rows: _Rows,
    ev: Evaluator,
    na_action: str,
    n: int,
) -> Design:
    names: list[str] = []
    parts: list[int] = []
    assign: list[int] = []
    labels: list[str] = []
    surrogate: list[str] = []
    plain = [is_intercept_only(own.formula) for own in named.values()]
    for c, (name, design) in enumerate(zip(named, designs, strict=True)):
        terms = ([INTERCEPT] if 0 in design.x_assign else []) + list(design.fixed_terms)
        before = len(labels)
        for column, own in zip(design.x_names, design.x_assign, strict=True):
            names.append(name if plain[c] else f"{name}.{column}")
            parts.append(c)
            # a label for the intercept stands before those of the terms
            assign.append(before + own + (1 if 0 in design.x_assign else 0))
        labels += [name if plain[c] else f"{name}.{t}" for t in terms]
        surrogate += [name if t == INTERCEPT else f"{name}:{t}" for t in terms]
    random, of, places, bars = _random_terms(named, designs, plain)
    text = f"{request.formula.response.label} ~ 0 + {' + '.join([*surrogate, *bars])}"
    formula = parse_formula(text)
    place = {_variables(t): i for i, t in enumerate(formula.fixed)}  # in R's order, as are variables within a term
    moved = [place[_variables(parse_formula(f"~ 0 + {label}").fixed[0])] for label in surrogate]
    x = np.asfortranarray(np.hstack([d.x for d in designs])) if designs else np.zeros((n, 0))
    first = designs[0]
    notes = tuple(dict.fromkeys(note for d in designs for note in d.notes))
    encoder = CurveEncoder(tuple(d.encoder for d in designs), ev.states, places)
    held = CurveRows(curve, covariates, x, tuple(parts), tuple(t.z for t in random), of, _code(request, named), encoder)
    return replace(
        first,
        formula=formula,
        x_names=tuple(names),
        x_assign=tuple(moved[a - 1] + 1 for a in assign),
        fixed_terms=tuple(labels[moved.index(i)] for i in range(len(labels))),
        random=random,
        notes=notes,
        na_action=na_action,
        rows=replace(
            first.own_rows, x=x, kept=rows.kept, missing=rows.missing, missing_counts=rows.counts, offset=None
        ),
        curve=held,
    )


def _variables(term: Term) -> frozenset[str]:
    return frozenset(v.label for v in term.variables)


def _code(request: CurveRequest, named: Mapping[str, NamedFormula]) -> str:
    """The model as text."""
    if request.params is None:
        return request.formula.code
    parts = [f"{p} {request.params[p]}" for p in named if p in request.params]
    return ", ".join([request.formula.code, *parts])


def _random_terms(
    named: Mapping[str, NamedFormula], designs: list[Design], plain: list[bool]
) -> tuple[tuple[RandomTerm, ...], tuple[tuple[int, ...], ...], tuple[tuple[tuple[int, int], ...], ...], list[str]]:
    """The random terms of all parameters: bars that share a name and a grouping factor are one."""
    blocks: dict[tuple[object, ...], list[tuple[int, int]]] = {}
    for c, (own, design) in enumerate(zip(named.values(), designs, strict=True)):
        for i, (term, bar_name) in enumerate(zip(design.random, own.names, strict=True)):
            key: tuple[object, ...] = (c, i) if bar_name is None else (bar_name, term.group)
            blocks.setdefault(key, []).append((c, i))
    parameters = tuple(named)
    random, of, places, bars = [], [], [], []
    for block in blocks.values():
        names: list[str] = []
        labels: list[str] = []
        predictors: list[int] = []
        columns: list[Floats] = []
        effects: list[str] = []
        for c, i in block:
            term, parameter = designs[c].random[i], parameters[c]
            alone = plain[c] and term.names == (INTERCEPT,)
            names += [parameter if alone else f"{parameter}.{n}" for n in term.names]
            mine = [parameter if label == INTERCEPT else f"{parameter}:{label}" for label in term.labels]
            labels += mine
            effects += mine
            predictors += [c] * len(term.names)
            columns.append(term.z)
        first = designs[block[0][0]].random[block[0][1]]
        bar = named[parameters[block[0][0]]].formula.random[block[0][1]]
        text = f"{' + '.join(dict.fromkeys(effects))} | {bar.group_label}"
        z = np.asfortranarray(np.hstack(columns))
        random.append(
            replace(
                first,
                names=tuple(names),
                labels=tuple(labels),
                text=text,
                split=False,
                structure=first.structure if len(block) == 1 else "unstructured",
                rows=TermRows(first.codes, z),
            )
        )
        of.append(tuple(predictors))
        places.append(tuple(block))
        bars.append(f"(0 + {text})")
    return tuple(random), tuple(of), tuple(places), bars
