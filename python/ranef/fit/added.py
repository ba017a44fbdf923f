"""What columns would do that are added to the fixed effects of a fit, without fitting again."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ranef.fit.system import build_linear_system

if TYPE_CHECKING:
    from ranef.fit.linear import LmmFit

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class AddedColumns:
    """The score of k added columns at the estimates of a fit, their coefficients being zero.

    The covariance parameters are held at those estimates. A set of columns alone has the
    coefficients ``solve(information[set, set], score[set])`` with the inverse of that block as
    their covariance.

    Attributes
    ----------
    score : (k,) array
        Derivative of the log-likelihood in the coefficients, the other fixed effects following.
    information : (k, k) array
        Its covariance.
    slopes : (m, k, k) array
        Derivatives of the information along the coordinates of the covariance parameters; m is 0
        where tests are asymptotic.
    covariance : (m, m) array
        Of the estimates of these coordinates.
    residual_df : float
        Of sigma; infinite where tests are asymptotic.
    """

    score: Floats
    information: Floats
    slopes: Floats
    covariance: Floats
    residual_df: float

    def degrees_of_freedom(self, columns: NDArray[np.intp], contrasts: Floats) -> Floats:
        """Satterthwaite's degrees of freedom (r,) of linear combinations (r, columns) of the
        coefficients of some of the columns alone.
        """
        if np.isinf(self.residual_df):
            return np.full(len(contrasts), np.inf)
        at = np.ix_(columns, columns)
        coefficients = np.linalg.solve(self.information[at], contrasts.T).T
        variance = np.sum(coefficients * contrasts, axis=1)
        slopes = -np.einsum("rk,mkl,rl->rm", coefficients, self.slopes[:, at[0], at[1]], coefficients)
        with np.errstate(divide="ignore", invalid="ignore"):
            relative = np.where(variance[:, None] > 0, slopes / variance[:, None], 0.0)
        spread = np.einsum("rm,mn,rn->r", relative, self.covariance, relative) + 2.0 / self.residual_df
        return np.asarray(2.0 / spread)


def asymptotic(score: Floats, covariance: Floats) -> AddedColumns:
    """The record where tests are asymptotic; ``covariance`` is the inverse of the information."""
    k = len(score)
    information = np.asarray(np.linalg.inv(covariance), dtype=np.float64)
    return AddedColumns(score, information, np.zeros((0, k, k)), np.zeros((0, 0)), float("inf"))


def by_least_squares(fit: "LmmFit", x: Floats, columns: Floats) -> AddedColumns | None:
    """Of a linear model at its theta, from least squares with all columns; None where they depend
    on each other.
    """
    # What the fixed effects leave has the same score, also where x has a part of them only.
    rest = fit.design.y - fit.fixed_part()
    wide_x = np.asfortranarray(np.column_stack([x, columns]))
    system = build_linear_system(fit.design.with_rows(x=wide_x, y=rest, offset=None), fit.order, fit.n_threads)
    if len(system.kept) != wide_x.shape[1]:
        return None
    at, new = fit.core_point, slice(x.shape[1], None)
    solution = system.solution(at[0], fit.reml, fit.n_threads)
    variance = solution.sigma**2
    information = np.asarray(np.linalg.inv(variance * solution.vcov_unscaled[new, new]), dtype=np.float64)
    # Satterthwaite's slopes are those of a covariance in units of sigma².
    wide = system.satterthwaite(at, fit.n_threads)
    slopes = variance * np.einsum("ki,mij,lj->mkl", wide.root[new], wide.slopes, wide.root[new])
    return AddedColumns(
        score=information @ solution.beta[new],
        information=information,
        slopes=-information @ slopes @ information,
        covariance=fit.satterthwaite().covariance,
        residual_df=float(fit.nobs - len(fit.beta) - columns.shape[1]),
    )
