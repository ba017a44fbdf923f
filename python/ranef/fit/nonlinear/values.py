"""The curve of a nonlinear model at some parameters: values, derivatives, the linearised model."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ranef.curves.evaluate import derivatives_of, differences_of, real_values
from ranef.curves.expression import Curve
from ranef.curves.jets import n_parts
from ranef.design.curve_rows import CurveRows, no_python
from ranef.design.record import Design
from ranef.errors import DataError, RanefError
from ranef.fit.random_part import random_part

Floats = NDArray[np.float64]


def curve_derivatives(curve: Curve, covariates: Sequence[Floats], parameters: Floats, order: int) -> Floats:
    """Values and derivatives (parts, n) of a curve at parameters (P, n)."""
    if curve.steps is not None:
        from ranef._core import curve_derivatives as computed

        found: Floats = computed(list(curve.steps), list(covariates), np.ascontiguousarray(parameters), order)
        return found
    if no_python(curve):
        raise DataError(
            "the curve calls a Python function, which a file does not hold; fit again with functions= to go on."
        )
    if order == 0:
        return real_values(curve, covariates, parameters)[None]
    try:
        return derivatives_of(curve, covariates, parameters, order)
    except (TypeError, AttributeError):  # a function that takes numbers alone
        return differences_of(curve, covariates, parameters, min(order, 2))


def core_mean(rows: CurveRows) -> list[tuple[str, float]] | Callable[[Floats, int], Floats]:
    """The curve as the core takes it."""
    if rows.curve.steps is not None:
        return list(rows.curve.steps)

    def computed(parameters: Floats, order: int) -> Floats:
        try:
            return np.ascontiguousarray(curve_derivatives(rows.curve, rows.covariates, parameters, order))
        except RanefError:
            raise
        except (ArithmeticError, ValueError):
            # as math.sqrt of what is negative: a shorter step is taken
            return np.full((n_parts(rows.n_parameters, order), parameters.shape[1]), np.nan)

    return computed


@dataclass(frozen=True, slots=True, eq=False)
class Linearised:
    """A nonlinear model near some parameters.

    Attributes
    ----------
    values : (n,) array
        The curve.
    design : Design
        Columns, and as offset what they leave of the curve there.
    """

    values: Floats
    design: Design

    @property
    def finite(self) -> bool:
        """Whether the curve and its slopes are numbers."""
        return bool(np.isfinite(self.values).all() and np.isfinite(self.design.x).all())


def shares_of(design: Design, b: Sequence[Floats]) -> list[Callable[[Floats], Floats]]:
    """What rows have of random effects ``b``, in the order of the formula, through columns."""
    return [
        lambda z, term=term, own=own: random_part(term.places, z, own)  # type: ignore[misc]
        for term, own in zip(design.random, b, strict=True)
    ]


def parameters_at(design: Design, beta: Floats, b: Sequence[Floats]) -> Floats:
    """Parameters (P, n) of the curve at fixed effects of all columns and random effects in the
    order of the formula.
    """
    rows = curve_of_design(design)
    return rows.parameters_with(beta, shares_of(design, b))


def curve_of_design(design: Design) -> CurveRows:
    """The curve of a nonlinear design."""
    assert design.curve is not None
    return design.curve


def values_at(design: Design, beta: Floats, b: Sequence[Floats]) -> Floats:
    """The curve (n,) there."""
    rows = curve_of_design(design)
    found = curve_derivatives(rows.curve, rows.covariates, parameters_at(design, beta, b), 0)
    out: Floats = found[0]
    return out


def population_values(design: Design, beta: Floats) -> Floats:
    """The curve (n,) without random effects."""
    rows = curve_of_design(design)
    out: Floats = curve_derivatives(rows.curve, rows.covariates, rows.fixed_parameters(beta), 0)[0]
    return out


def linearised(design: Design, beta: Floats, b: Sequence[Floats]) -> Linearised:
    """The linear model that has the curve and its slopes at some parameters.

    Parameters
    ----------
    design : Design
    beta : (p,) array
        Of all columns.
    b : sequence of (levels, k) arrays
        In the order of the formula.
    """
    rows = curve_of_design(design)
    found = curve_derivatives(rows.curve, rows.covariates, parameters_at(design, beta, b), 1)
    f, slopes = found[0], found[1 : 1 + rows.n_parameters]
    x, z = rows.linear_columns(slopes)
    random = tuple(replace(t, rows=t.with_z(own)) for t, own in zip(design.random, z, strict=True))
    rest = f - x @ beta
    for term, own in zip(random, b, strict=True):
        rest = rest - random_part(term.places, term.z, own)
    made = replace(design, random=random).with_rows(x=x, offset=np.ascontiguousarray(rest))
    return Linearised(f, made)
