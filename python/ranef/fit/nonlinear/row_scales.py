"""Variance functions beside Laplace's approximation: the logarithm of the standard deviation of a
row as a linear predictor of its own.

Powers and exponentials of columns, and ratios of groups, are linear there; a function without
parameters is a weight. The exponent of a function of the curve is a predictor beside it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ranef.design.record import Design
from ranef.design.residual import VarianceRows
from ranef.errors import OptionError
from ranef.fit.correlated.powers_of_fitted import see_that_powers_are_numbers
from ranef.fit.nonlinear.values import population_values

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class FittedFunction:
    """A function of the curve.

    Attributes
    ----------
    name : {"power", "exponential"}
    columns : (n, s) array
        Of its exponent: one for each stratum.
    centre : float
        What is taken from it, so that log sigma and the exponent hardly depend on each other.
    unit : float
        Typical size of an exponent.
    """

    name: str
    columns: Floats
    centre: float
    unit: float


@dataclass(frozen=True, slots=True, eq=False)
class RowScales:
    """See the module.

    Attributes
    ----------
    columns : (n, k) array
        Of log sigma, after its constant: a coefficient is a parameter of the structure.
    functions : tuple of FittedFunction
    order : (l,) array
        Places of the parameters of the structure among the coefficients of all columns.
    weights : (n,) array or None
    """

    columns: Floats
    functions: tuple[FittedFunction, ...]
    order: NDArray[np.intp]
    weights: Floats | None

    @property
    def n(self) -> int:
        """Number of parameters."""
        return len(self.order)

    def all_columns(self) -> Floats:
        """Columns (n, l) of log sigma, then of the functions."""
        return np.column_stack([self.columns, *(f.columns for f in self.functions)])

    def log_sigma(self, constant: float, coefficients: Floats) -> float:
        """log sigma, from the constant of its predictor and the coefficients (l,)."""
        at = self.columns.shape[1]
        for f in self.functions:
            constant -= f.centre * float(coefficients[at])
            at += f.columns.shape[1]
        return constant


def row_scales(design: Design, beta: Floats | None = None) -> RowScales:
    """The variance functions of a design; no columns where there are none.

    Parameters
    ----------
    design : Design
    beta : (p,) array, optional
        Fixed effects at which functions of the curve are centred.

    Raises
    ------
    OptionError
        For correlated rows, and for functions that there are not.
    """
    rows, n = design.residual, len(design.y)
    nothing = np.empty((n, 0))
    if rows is None:
        return RowScales(nothing, (), np.empty(0, np.intp), design.weights)
    if rows.expr.correlation is not None:
        raise OptionError(
            "correlation of the rows goes with method='linearized'; with Laplace's approximation rows are independent "
            "given the random effects, and variance= gives them standard deviations of their own."
        )
    columns: list[Floats] = []
    functions: list[FittedFunction] = []
    places: list[tuple[int, int]] = []
    weights = design.weights
    for v in rows.variances:
        if v.function == "const_power":
            raise OptionError(
                "variance='const_power(...)' goes with method='linearized'; with Laplace's approximation there are "
                "power, exponential, by_group and fixed, and their products."
            )
        if v.function == "fixed":
            weights = (1.0 if weights is None else weights) / v.x
        elif v.fitted:
            of_strata = np.column_stack([v.codes == s for s in range(len(v.strata))]).astype(float)
            values = None if beta is None else population_values(design, beta)
            if values is not None:
                see_that_powers_are_numbers(rows, values)
            functions.append(_fitted(v, of_strata, values if len(v.strata) == 1 else None))
            places += [(len(functions), s) for s in range(len(v.strata))]
        else:
            own = _columns(v)
            places += [(0, len(columns) + s) for s in range(len(own))]
            columns += own
    ordered = sorted(places)
    return RowScales(
        np.column_stack(columns) if columns else nothing,
        tuple(functions),
        np.array([ordered.index(at) for at in places], dtype=np.intp),
        None if weights is None else np.ascontiguousarray(weights),
    )


def _fitted(v: VarianceRows, columns: Floats, values: Floats | None) -> FittedFunction:
    """A function of the curve, centred at values of it."""
    centre, unit = 0.0, 1.0
    if values is not None and values.any():
        of_rows = np.log(np.abs(values[values != 0])) if v.function == "power" else values
        centre = float(np.mean(of_rows))
        if v.function == "exponential":
            unit = 1.0 / float(np.sqrt(np.mean(values**2)))
    return FittedFunction(v.function, columns, centre, unit)


def _columns(v: VarianceRows) -> list[Floats]:
    """Derivatives of log sd by the parameters of every stratum."""
    of_row = v.x
    if v.function == "power":
        of_row = np.log(np.abs(v.x))
    elif v.function == "by_group":
        of_row = np.ones(len(v.x))
    first = 1 if v.function == "by_group" else 0  # the others are relative to it
    return [np.where(v.codes == s, of_row, 0.0) for s in range(first, len(v.strata))]
