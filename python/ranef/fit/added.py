"""What columns would do that are added to the fixed effects of a fit, without fitting again."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ranef.fit.system import build_generalized_system, build_linear_system

if TYPE_CHECKING:
    from ranef.fit.components.several import SeveralPredictorsFit
    from ranef.fit.generalized import GlmmFit
    from ranef.fit.linear import LmmFit

Floats = NDArray[np.float64]

#: Least weight of a row in the last step, which every row must have.
LEAST_WEIGHT = 1e-12


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


def by_score(fit: "GlmmFit", x: Floats, columns: Floats) -> AddedColumns | None:
    """Of a generalized model, from the gradient of the approximated likelihood and the curvature of
    the last step of the fit; None where columns depend on each other.
    """
    wide_x = np.asfortranarray(np.column_stack([x, columns]))
    system = build_generalized_system(fit.design.with_rows(x=wide_x), fit.order, fit.family, fit.n_threads)
    eta = fit.fixed_part() - (0.0 if fit.design.offset is None else fit.design.offset)
    beta = np.concatenate([np.linalg.lstsq(x, eta, rcond=None)[0], np.zeros(columns.shape[1])])
    if len(system.kept) != len(beta):
        return None
    at = (fit.core_theta, beta, fit.core_dispersion)
    found = system.evaluate(*at, max(fit.n_quad, 1), fit.curvature, fit.n_threads)
    # A score varies by the expected curvature; the observed one is not positive everywhere.
    weights = np.maximum(fit.expected_weights(), LEAST_WEIGHT)
    step = build_linear_system(
        fit.design.with_rows(x=wide_x, y=weights, weights=weights, offset=None), fit.order, fit.n_threads
    )
    if len(step.kept) != len(beta):
        return None
    p = x.shape[1]
    first, covariance = len(fit.theta) + p, step.solution(fit.core_theta, False, fit.n_threads).vcov_unscaled
    return asymptotic(-0.5 * found.gradient[first : len(fit.theta) + len(beta)], covariance[p:, p:])


def by_joint_score(fit: "SeveralPredictorsFit", x: Floats, columns: Floats) -> AddedColumns | None:
    """Of the first predictor of a model of several, from the gradient of the approximated
    likelihood and its second derivatives in all parameters; None where columns depend on each other
    or these are not positive definite.
    """
    wide_x = np.asfortranarray(np.column_stack([x, columns]))
    system = fit.whole.with_first(wide_x).system()
    given, p, k = fit.design.offset, x.shape[1], wide_x.shape[1]
    eta = fit.fixed_part() - (0.0 if given is None else given)
    own = np.concatenate([np.linalg.lstsq(x, eta, rcond=None)[0], np.zeros(columns.shape[1])])
    beta = np.concatenate([own, fit.whole_beta[len(fit.beta) :]])
    if len(system.kept) != len(beta):
        return None
    how = fit.n_quad, fit.curvature, fit.n_threads
    found = system.solution(fit.whole_theta, beta, None, *how)
    if found.covariance is None:
        return None
    first = len(fit.whole_theta)
    gradient = system.evaluate(fit.whole_theta, beta, None, *how).gradient
    new = slice(first + p, first + k)
    return asymptotic(-0.5 * gradient[new], found.covariance[new, new])
