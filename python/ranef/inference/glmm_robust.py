"""Covariance of the estimates of a generalized model that stays right where the model is wrong within clusters: the sandwich of the marginal likelihood.

Where no random effect is shared by two clusters, the log-likelihood is a sum over them, and with s_c the gradient of the part of cluster c in all parameters
(covariance parameters, fixed effects, logarithm of the dispersion) and H the second derivatives of the whole, both at the estimates, the sandwich is
``H⁻¹ (Σ s_c s_c') H⁻¹`` (White 1982; Liang and Zeger 1986). The gradients are exact, from the likelihood that was maximised: Laplace's approximation or
quadrature of the rows of one cluster.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranef.errors import OptionError
from ranef.fit.generalized import GlmmFit
from ranef.fit.request import warn_once
from ranef.fit.row_subset import design_of_rows
from ranef.fit.system import build_generalized_system
from ranef.inference.cluster_robust import Clusters, Correction, checked_correction, sample_factor, shared_groups
from ranef.inference.distributions import f_tail
from ranef.inference.fixed_effect_tests import FixedEffectTests, JointTest
from ranef.inference.robust_tests import find_clusters, no_more_clusters
from ranef.inference.satterthwaite import contradict, parts_of_gram
from ranef.options import Ddf

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LikelihoodSandwich:
    """The sandwich estimator of one generalized fit.

    Attributes
    ----------
    fit : GlmmFit
    correction : {"CR0", "CR1", "CR1p", "CR1S"}
    clusters : Clusters
        Independent of each other in the model.
    """

    fit: GlmmFit
    correction: Correction
    clusters: Clusters

    @cached_property
    def scores(self) -> Floats:
        """Gradient of the log-likelihood of every cluster, (clusters, k), in theta (lme4's order), the fixed effects and the logarithm of an estimated dispersion."""
        order = np.argsort(self.clusters.codes, kind="stable")
        parts = np.split(order, np.cumsum(np.bincount(self.clusters.codes))[:-1])
        return np.array([_score(self.fit, rows) for rows in parts])

    @cached_property
    def joint(self) -> Floats:
        """Covariance of all parameters, (k, k); NaN for thetas at the boundary, which are held there."""
        bread = self.fit.joint_vcov
        assert bread is not None
        free = ~np.isnan(np.diagonal(bread))
        inside = bread[np.ix_(free, free)]
        scores = self.scores[:, free]
        factor = sample_factor(self.correction, self.clusters.count, self.fit.nobs, len(self.fit.beta))
        middle = scores.T @ scores
        out = np.full_like(bread, np.nan)
        found = factor * inside @ middle @ inside
        out[np.ix_(free, free)] = 0.5 * (found + found.T)
        return out

    @cached_property
    def covariance(self) -> Floats:
        """Covariance matrix of the fixed effects, (p, p)."""
        m, p = len(self.fit.theta), len(self.fit.beta)
        return self.joint[m : m + p, m : m + p]


def _score(fit: GlmmFit, rows: NDArray[np.intp]) -> Floats:
    """Gradient of the log-likelihood of some rows at the estimates."""
    design = design_of_rows(fit.design, rows)
    system = build_generalized_system(design, fit.order, fit.family, 1)
    # Within a cluster columns of X may be combinations of others, and the core keeps a part of them: what the linear predictor is stays the same, and the
    # derivative in a column left out is that combination of the derivatives in those kept.
    x, own = fit.x[rows], design.x[:, list(system.kept)]
    combine = np.eye(x.shape[1]) if tuple(system.kept) == fit.kept else np.linalg.lstsq(own, x, rcond=None)[0]
    found = system.evaluate(fit.core_theta, combine @ fit.beta, fit.core_dispersion, fit.n_quad, fit.curvature, 1)
    gradient, m, q = found.gradient, len(fit.theta), own.shape[1]
    parts = [gradient[:m][fit.order.theta_of_core], combine.T @ gradient[m : m + q]]
    if fit.dispersion_estimated:
        parts.append(gradient[m + q :])
    return -0.5 * np.concatenate(parts)


class LikelihoodSandwichTests(FixedEffectTests):
    """Normal tests with the sandwich estimator in the place of the model's covariance.

    Parameters
    ----------
    robust : LikelihoodSandwich
    """

    def __init__(self, robust: LikelihoodSandwich):
        super().__init__(robust.fit)
        self.robust = robust

    def covariance(self, ddf: Ddf) -> Floats:
        """Covariance matrix of the fixed effects."""
        return self.robust.covariance

    def joint(self, rows: Floats, values: Floats | None, ddf: Ddf) -> JointTest:
        """Test contrasts together by a chi-square; NaN where there are as many contrasts as clusters or more."""
        weights, variances, rest = parts_of_gram(self.model_covariance(rows))
        target = np.zeros(len(rows)) if values is None else values
        if contradict(rest, target):
            raise OptionError(
                "the hypotheses contradict each other: some contrasts are combinations of others, and their values are not."
            )
        scaled = weights / np.sqrt(variances)[:, np.newaxis]
        parts, distance = scaled @ rows, scaled @ (rows @ self.fit.beta - target)
        middle = parts @ self.robust.covariance @ parts.T
        q, eigen = len(parts), np.linalg.eigvalsh(middle)
        if eigen[0] <= 1e-12 * eigen[-1]:
            return JointTest(q, float("inf"), float("nan"), float("nan"), float("nan"))
        wald = float(distance @ np.linalg.solve(middle, distance)) / q
        return JointTest(q, float("inf"), wald, f_tail(wald, q, float("inf")), wald)

    def notes(self, ddf: Ddf) -> tuple[str, ...]:
        """What should be known of these tests."""
        c, p = self.robust.clusters, len(self.fit.beta)
        out = [f"standard errors: {self.robust.correction}, robust to clusters of {c.name!r} ({c.count} clusters)."]
        boundary = ", ".join(self.fit.convergence.boundary)
        if boundary:
            out.append(f"variances that are zero ({boundary}) are held there.")
        if c.count <= p:
            out.append(no_more_clusters(c.count, p))
        return tuple(out)


def robust_glmm_tests(fit: GlmmFit, data: Any, cov: object, cluster: object) -> LikelihoodSandwichTests:
    """Tests with the covariance that a user names.

    Parameters
    ----------
    fit : GlmmFit
    data : frame
        The data of the fit, for a cluster that is no grouping factor.
    cov : {"CR0", "CR1", "CR1p", "CR1S"}
    cluster : str or array
        A grouping factor, another column, or one label for each row; no random effect may be shared by two clusters.
    """
    correction = checked_correction(cov)
    if correction == "CR2":
        raise OptionError(
            "CR2 is for linear models, whose residuals have a known covariance; for a generalized model take cov='CR0' or 'CR1'."
        )
    if fit.n_quad == 0:
        raise OptionError(
            "n_quad=0 does not maximise a likelihood in the fixed effects, so there are no scores; fit with n_quad=1 for a robust covariance."
        )
    clusters = find_clusters(fit, data, cluster)
    if not clusters.independent:
        shared = ", ".join(shared_groups(fit, clusters))
        raise OptionError(
            f"levels of {shared} have rows in several clusters of {clusters.name!r}, so the likelihood is no sum over the clusters and has no scores of them. "
            "Cluster by a factor that contains all grouping factors."
        )
    if fit.joint_vcov is None:
        raise OptionError(
            "the second derivatives of the likelihood at the estimates are not positive definite, and the robust covariance needs their inverse."
        )
    p = len(fit.beta)
    if clusters.count <= p:
        warn_once((no_more_clusters(clusters.count, p),))
    return LikelihoodSandwichTests(LikelihoodSandwich(fit, correction, clusters))
