"""Where a nonlinear fit starts: values given by the user or found by a self-starting curve, then
nonlinear least squares without random effects.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranef.curves.expression import CONSTANTS, self_start_of, unknown_name
from ranef.design.curve_rows import CurveRows
from ranef.design.record import Design
from ranef.errors import ArgumentTypeError, DataError, OptionError
from ranef.fit.nonlinear.values import curve_derivatives, curve_of_design
from ranef.formula.deparse import deparse
from ranef.formula.nonlinear import NonlinearFormula
from ranef.formula.syntax import Expr, Name, Number, without_parens

Floats = NDArray[np.float64]

#: Relative size of the slope in a parameter below which nothing depends on it.
NOTHING = 1e-12

#: Relative difference of slopes from those by differences.
AGREEMENT = 1e-5

#: An eigenvalue of the scaled cross-products of slopes below this has no estimate along it.
UNDETERMINED = 1e-13


def start_names(start: object) -> tuple[str, ...]:
    """The names that a start has values for."""
    if start is None:
        return ()
    if isinstance(start, Mapping):
        return tuple(str(k) for k in start)
    if isinstance(start, str | bytes) or not hasattr(start, "__len__"):
        raise ArgumentTypeError(
            f"start must be a dict of parameters such as {{'Asym': 200, 'xmid': 700}}, not {start!r}."
        )
    return ()


def started(start: object, design: Design, formula: NonlinearFormula) -> Floats:
    """Starting values (p,) of all fixed effects.

    Parameters
    ----------
    start : dict, sequence or None
        For each parameter a number or a list of its coefficients; a number is that of the first
        coefficient, the others start at zero. A sequence has all of them in a row.
    design : Design
    formula : NonlinearFormula
    """
    rows = curve_of_design(design)
    names = rows.curve.parameters
    counts = [rows.parts.count(c) for c in range(len(names))]
    if start is not None and not isinstance(start, Mapping):
        values = np.asarray(start, dtype=np.float64).ravel()
        if len(values) == len(names) != sum(counts):
            start = dict(zip(names, values.tolist(), strict=True))
        elif len(values) == sum(counts):
            return _checked(values, names)
        else:
            raise OptionError(
                f"start has {len(values)} values; the curve has {len(names)} parameters ({', '.join(names)}) with "
                f"{sum(counts)} coefficients. A dict names them: start={{{names[0]!r}: ...}}."
            )
    given: Mapping[Any, Any] = start if isinstance(start, Mapping) else {}
    for name in given:
        if name not in names:
            raise OptionError(f"start has {name!r}, which is no parameter of the curve; it has {', '.join(names)}.")
    found: dict[str, float] = {}
    if any(n not in given for n in names):
        found = _self_started(formula, rows, design)
    out: list[float] = []
    for name, count in zip(names, counts, strict=True):
        if name in given:
            own = _numbers(given[name], name)
        elif name in found:
            own = [found[name]]
        else:
            raise unknown_name(name, formula.text)
        if len(own) == 1:
            own = _spread(own[0], rows, names.index(name), count)
        elif len(own) != count:
            raise OptionError(f"start[{name!r}] has {len(own)} values, and the formula of {name} has {count} columns.")
        out += own
    return _checked(np.array(out), names)


def self_started(design: Design, formula: NonlinearFormula) -> Floats | None:
    """The start that a self-starting curve finds alone; None for another curve, or without one."""
    rows = curve_of_design(design)
    try:
        found = _self_started(formula, rows, design)
    except DataError:
        return None
    if set(found) != set(rows.curve.parameters):
        return None
    counts = [rows.parts.count(c) for c in range(rows.n_parameters)]
    return np.array([
        v for c, name in enumerate(rows.curve.parameters) for v in _spread(found[name], rows, c, counts[c])
    ])  # fmt: skip


def _spread(value: float, rows: CurveRows, c: int, count: int) -> list[float]:
    """Coefficients with which a parameter is the same in all rows: those of an intercept, or of the
    levels of a factor.
    """
    if count < 2:  # none where the mean is held at zero, as by ~ 0 + (1 | g)
        return [value] * count
    columns = rows.x[:, [i for i, own in enumerate(rows.parts) if own == c]]
    if (columns[:, 0] == 1.0).all():
        return [value, *[0.0] * (count - 1)]
    coefficients = np.linalg.lstsq(columns, np.full(len(columns), value), rcond=None)[0]
    return [float(v) for v in coefficients]


def _numbers(value: object, name: str) -> list[float]:
    try:
        values = np.asarray(value, dtype=np.float64).ravel()
    except (TypeError, ValueError):
        raise ArgumentTypeError(f"start[{name!r}] must be a number or a list of numbers, not {value!r}.") from None
    return [float(v) for v in values]


def _checked(values: Floats, names: Sequence[str]) -> Floats:
    if not np.isfinite(values).all():
        raise OptionError(f"start has values that are not finite numbers; the parameters are {', '.join(names)}.")
    return values


def _self_started(formula: NonlinearFormula, rows: CurveRows, design: Design) -> dict[str, float]:
    """Values near the data, by name, where the curve is one of the self-starting ones."""
    found = self_start_of(formula.curve)
    if found is None:
        return {}
    known, call = found
    k = len(known.inputs)
    names = [without_parens(a.value) for a in call.arguments[k:]]
    inputs = np.column_stack([_input(without_parens(a.value), rows) for a in call.arguments[:k]])
    values = known.start(inputs, design.y)
    if values is None:
        raise DataError(
            f"{known.name} finds no starting values: the response does not follow such a curve. Give start="
            f"{{{', '.join(f'{p!r}: ...' for p in rows.curve.parameters)}}}."
        )
    return {n.name: v for n, v in zip(names, values, strict=True) if isinstance(n, Name)}


def _input(argument: Expr, rows: CurveRows) -> Floats:
    """What a self-starting curve is given beside its parameters: a covariate of the curve, since
    its formulas have each beside a parameter, or a number.
    """
    if isinstance(argument, Number):
        return np.full(len(rows.x), float(argument.value))
    if isinstance(argument, Name) and argument.name in CONSTANTS:
        return np.full(len(rows.x), CONSTANTS[argument.name])
    return rows.covariates[[deparse(c) for c in rows.curve.covariates].index(deparse(argument))]


def check_start(design: Design, beta: Floats) -> None:
    """See that the curve is finite at the start and that every parameter matters there.

    Raises
    ------
    DataError
        With the first row, or the name of the parameter.
    """
    rows = curve_of_design(design)
    names = rows.curve.parameters
    parameters = rows.fixed_parameters(beta)
    found = curve_derivatives(rows.curve, rows.covariates, parameters, 1)
    bad = np.flatnonzero(~np.isfinite(found[0]))
    stated = ", ".join(f"{n} = {v:.4g}" for n, v in zip(names, parameters[:, 0], strict=True))
    if len(bad):
        raise DataError(
            f"the curve is not finite at the start ({stated}) in {len(bad)} of {len(found[0])} rows, the first is row "
            f"{_row(design, int(bad[0]))}. Give other starting values."
        )
    agree = rows.curve.steps is None
    for c, name in enumerate(names):
        slope = found[1 + c]
        bad = np.flatnonzero(~np.isfinite(slope))
        if len(bad):
            raise DataError(
                f"the slope of the curve in {name} is not finite at the start ({stated}), first in row "
                f"{_row(design, int(bad[0]))}. Give other starting values."
            )
        if agree and not _agrees(rows, parameters, c, slope):
            raise DataError(
                f"the slope of the curve in {name} does not agree with differences of its values at the start "
                f"({stated}): a function of the curve must be smooth in its parameters, and made of NumPy's functions "
                "and operators throughout."
            )
        # in units of the curve and of the parameter, either of which may be small where it starts
        steepest, of_curve = float(np.abs(slope).max()), float(np.abs(found[0]).max())
        size = float(np.abs(parameters[c]).max())
        least = min(of_curve / size if size > 0 else np.inf, max(1.0, of_curve) / max(1.0, size))
        if not steepest > NOTHING * least:
            raise DataError(
                f"the curve does not depend on {name} at the start ({stated}): the slope is zero in every row. Give "
                f"another start, or leave {name} out."
            )


def _agrees(rows: CurveRows, parameters: Floats, c: int, slope: Floats) -> bool:
    """Whether slopes in a parameter are those of differences, but for their error."""
    step = 1e-5 * np.maximum(np.abs(parameters[c]), 1e-3)
    up, down = parameters.copy(), parameters.copy()
    up[c] += step
    down[c] -= step
    high, low = (curve_derivatives(rows.curve, rows.covariates, p, 0)[0] for p in (up, down))
    change = (high - low) / (2.0 * step)
    error = AGREEMENT * np.maximum(np.abs(slope), np.abs(slope).max()) + 1e-9 * np.abs(high) / step
    return bool(np.all(np.abs(change - slope) <= error))


def _row(design: Design, i: int) -> int:
    kept = design.own_rows.kept
    return i if kept is None else int(kept[i])


def undetermined(design: Design, slopes: Floats) -> str | None:
    """The combination of fixed effects along which the curve does not change, in words.

    Parameters
    ----------
    design : Design
    slopes : (n, p) array
        Of the curve in all fixed effects.
    """
    scale = np.sqrt(np.maximum(np.sum(slopes**2, axis=0), np.finfo(float).tiny))
    values, vectors = np.linalg.eigh((slopes / scale).T @ (slopes / scale))
    if values[0] > UNDETERMINED * values[-1]:
        return None
    direction = vectors[:, 0]
    large = np.flatnonzero(np.abs(direction) > 0.1 * np.abs(direction).max())
    names = [design.x_names[j] for j in large]
    return names[0] if len(names) == 1 else f"a combination of {', '.join(names)}"


def far_table(design: Design, beta: Floats) -> str:
    """Means of the response and of the curve at the start, a line."""
    rows = curve_of_design(design)
    with np.errstate(all="ignore"):
        f = curve_derivatives(rows.curve, rows.covariates, rows.fixed_parameters(beta), 0)[0]
    y = design.y
    return (
        f"the response has mean {y.mean():.4g} ({y.min():.4g} to {y.max():.4g}), the curve at the start mean "
        f"{f.mean():.4g} ({f.min():.4g} to {f.max():.4g})"
    )
