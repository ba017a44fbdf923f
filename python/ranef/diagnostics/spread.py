"""Whether residuals have the same spread along the fitted values.

A row pulls its own fitted value towards itself, so that in small groups rows with large residuals
have extreme fitted values also in a correct model. So residuals are set against
``fitted - residual (h - g) / (1 - h)``, with h the hat value and g the part of it that belongs to
the fixed effects alone: at the covariance parameters of the fit this has no correlation with the
residual of the row.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ranef.diagnostics.leverage import remaining
from ranef.diagnostics.smooth_curve import Curve, band, spline_basis
from ranef.estimates.fixed_basis import fixed_basis
from ranef.estimates.random_columns import solved_columns
from ranef.fit.record import MixedFit

Floats = NDArray[np.float64]

#: Roots that differ by less than this share of their mean are equal, and by as much a variance is
#: enlarged: a spline with columns that depend on each other has no Cholesky factor.
ROUNDING = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class SpreadTrend:
    """The mean root of absolute standardised residuals along something.

    Attributes
    ----------
    x, y : (m,) array
        The curve.
    average : float
        Its mean over the rows.
    limit : (m,) array
        So far from the average it stays with the probability 0.99 if the spread is even.
    p_value : float
    """

    x: Floats
    y: Floats
    average: float
    limit: Floats
    p_value: float

    @property
    def relative(self) -> Floats:
        """Spread (m,) of the residuals along the curve over the average."""
        return np.asarray((np.maximum(self.y, 0.0) / self.average) ** 2)


def fitted_apart(fit: MixedFit, hat: Floats) -> Floats:
    """Fitted values (n,) without what each row's own residual has in them; NaN where the hat value
    is one.

    The residual is ``P y`` with the variance ``sigma² (1 - h)``, and its covariance with the
    response is ``sigma² (1 - g)``: so that with the fitted value is ``sigma² (h - g)``.
    """
    fitted = fit.means()
    fixed = np.zeros(fit.nobs)
    basis = fixed_basis(fit) if len(fit.beta) else None
    if basis is not None:
        fixed = np.einsum("ij,ij->i", basis.columns(fit.x), solved_columns(fit, basis))
    return np.asarray(fitted - (fit.design.y - fitted) * (hat - fixed) / remaining(hat))


def spread_trend(along: Floats, roots: Floats) -> SpreadTrend | None:
    """Fit a natural spline to roots of absolute standardised residuals.

    Parameters
    ----------
    along, roots : (n,) array

    Returns
    -------
    SpreadTrend or None
        None with fewer than ten different places, or residuals all of one size.
    """
    basis = spline_basis(along)
    n = len(along)
    average = float(roots.mean())
    if basis is None or float(np.ptp(roots)) <= ROUNDING * average:
        return None
    columns = np.column_stack([basis.line[:, 1], basis.curved])
    points = np.column_stack([basis.grid_line[:, 1], basis.grid_curved])
    centre = columns.mean(axis=0)
    columns, points = columns - centre, points - centre
    scale = np.sqrt(np.mean(columns**2, axis=0))
    columns, points = columns / scale, points / scale
    inverse = np.linalg.pinv(columns.T @ columns)
    coefficients = inverse @ (columns.T @ (roots - average))
    left = roots - average - columns @ coefficients
    df = max(n - 1 - columns.shape[1], 1)
    covariance = inverse * float(left @ left) / df
    covariance[np.diag_indices_from(covariance)] *= 1 + ROUNDING
    curve = Curve(np.arange(len(coefficients)), points, np.full(len(points), float(df)))
    out = band(coefficients, covariance, [curve])
    return SpreadTrend(basis.grid, average + out.y, average, out.limit, out.p_value)
