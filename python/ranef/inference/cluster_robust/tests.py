"""Tests of the fixed effects with a cluster-robust covariance."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranef.errors import OptionError
from ranef.fit.ending.warned import warn_once
from ranef.fit.record import MixedFit
from ranef.inference.cluster_robust.clusters import (
    Clusters,
    Correction,
    checked_correction,
    find_clusters,
    no_more_clusters,
    shared_groups,
)
from ranef.inference.cluster_robust.least_squares import ClusterRobust
from ranef.inference.cluster_robust.likelihood import LikelihoodSandwich
from ranef.inference.cluster_robust.subjects import SubjectRobust, subject_clusters
from ranef.inference.distributions import f_tail
from ranef.inference.fixed_effect_tests import FixedEffectTests, JointTest
from ranef.options import Ddf

Floats = NDArray[np.float64]

#: Below so many degrees of freedom the approximation itself is doubtful (Pustejovsky and Tipton
#: 2018).
FEW = 4.0

#: The smallest eigenvalue of a covariance matrix that has an inverse, relative to the largest.
SINGULAR = 1e-12


class ClusterRobustTests(FixedEffectTests):
    """Tests with a sandwich estimator in the place of the model's covariance.

    Degrees of freedom by ``"satterthwaite"`` are those of the sandwich: they depend on how the
    clusters carry the contrast, not on the variance parameters.

    Parameters
    ----------
    robust : ClusterRobust
    """

    def __init__(self, robust: ClusterRobust):
        super().__init__(robust.fit)
        self.robust = robust

    def standard_errors(self, rows: Floats, ddf: Ddf) -> Floats:
        """Standard errors (k,) of contrasts (k, p)."""
        self._checked(ddf)
        out: Floats = self.fit.sigma * np.sqrt(self.robust.variance_of(rows))
        return out

    def covariance(self, ddf: Ddf) -> Floats:
        """Covariance matrix of the fixed effects."""
        self._checked(ddf)
        return self.robust.covariance

    def contrast_covariance(self, rows: Floats, ddf: Ddf) -> Floats:
        """Covariance matrix (k, k) of contrasts (k, p) in units of sigma²."""
        self._checked(ddf)
        return self.robust.covariance_of(rows)

    def joint(self, rows: Floats, values: Floats | None, ddf: Ddf) -> JointTest:
        """Test contrasts together:
        by the approximate Hotelling test, or by F with the degrees of freedom that ``ddf`` names.
        """
        self._checked(ddf)
        weights, variances, distances = self._uncorrelated(rows, values)
        scaled = weights / np.sqrt(variances)[:, np.newaxis]
        parts, distance = scaled @ rows, scaled @ distances
        q = len(parts)
        middle = self.robust.covariance_of(parts)
        eigen = np.linalg.eigvalsh(middle)
        if eigen[0] <= SINGULAR * eigen[-1]:
            # As many contrasts as clusters or more: the sandwich has no inverse.
            return JointTest(q, float("nan"), float("nan"), float("nan"), float("nan"))
        wald = float(distance @ np.linalg.solve(middle, distance)) / q
        if ddf == "none":
            den_df, factor = float("inf"), 1.0
        elif ddf == "residual":
            den_df, factor = float(self.fit.nobs - len(self.fit.beta)), 1.0
        elif not self.robust.clusters.independent:
            den_df, factor = float(self.robust.clusters.count - 1), 1.0
        else:
            # In contrasts whose estimated covariance has the identity as expectation: the Wishart
            # distribution with that total variance.
            expected, _ = self.robust.expected_and_spread(parts)
            root = np.linalg.inv(np.linalg.cholesky(expected))
            eta = q * (q + 1) / float(self.robust.expected_and_spread(root @ parts)[1].sum())
            den_df = eta - q + 1
            factor = den_df / eta
        f_value = factor * wald
        return JointTest(q, den_df, f_value, f_tail(f_value, q, den_df) if den_df > 0 else float("nan"), wald)

    def notes(self, ddf: Ddf) -> tuple[str, ...]:
        """What should be known of these tests."""
        c, p = self.robust.clusters, len(self.fit.beta)
        out = [f"standard errors: {self.robust.correction}, robust to clusters of {c.name!r} ({c.count} clusters)."]
        if not c.independent:
            out.append(
                f"random effects are shared by rows of different clusters of {c.name!r}, which the sandwich takes to "
                "be independent; it is too small where they are not."
                + (" Degrees of freedom are the number of clusters less one." if ddf == "satterthwaite" else "")
            )
        if c.count <= p:
            out.append(no_more_clusters(c.count, p))
        elif ddf == "satterthwaite" and c.independent:
            lowest = float(np.min(self.coefficients(ddf).df, initial=np.inf))
            if lowest < FEW:
                out.append(
                    f"some fixed effect has only {lowest:.1f} degrees of freedom, as few clusters carry it; below "
                    f"{FEW:.0f} the p-values are doubtful."
                )
        return tuple(out)

    def _single_df(self, rows: Floats, ddf: Ddf) -> Floats:
        self._checked(ddf)
        if ddf != "satterthwaite":
            return super()._single_df(rows, ddf)
        if not self.robust.clusters.independent:
            return np.full(len(rows), float(self.robust.clusters.count - 1))
        out = np.empty(len(rows))
        scales = np.sqrt(self.robust.basis.variance_of(rows))
        for i, row in enumerate(rows):
            expected, spread = self.robust.expected_and_spread(row[np.newaxis] / scales[i])
            out[i] = 2.0 * expected[0, 0] ** 2 / spread[0, 0]
        return out

    def _checked(self, ddf: Ddf) -> None:
        if ddf.startswith("kenward-roger"):
            raise OptionError(
                "Kenward-Roger adjusts the covariance of the model; with cov= take ddf='satterthwaite', which here "
                "are the degrees of freedom of the sandwich."
            )


class LikelihoodSandwichTests(FixedEffectTests):
    """Wald tests with the sandwich estimator in the place of the model's covariance.

    Degrees of freedom are the number of clusters less one, or infinite.

    Parameters
    ----------
    robust : LikelihoodSandwich
    """

    def __init__(self, robust: LikelihoodSandwich):
        super().__init__(robust.fit, cluster_df=float(robust.clusters.count - 1))
        self.robust = robust

    def covariance(self, ddf: Ddf) -> Floats:
        """Covariance matrix of the fixed effects."""
        return self.robust.covariance

    def coefficient_covariance(self) -> Floats:
        """Covariance (k, k) of all coefficients."""
        m = self.fit.whole_order.n_theta
        return self.robust.joint[m:, m:]

    def joint(self, rows: Floats, values: Floats | None, ddf: Ddf) -> JointTest:
        """Test contrasts together by F, or by a chi-square where degrees of freedom are infinite.

        NaN where there are as many contrasts as clusters or more.
        """
        weights, variances, distances = self._uncorrelated(rows, values)
        scaled = weights / np.sqrt(variances)[:, np.newaxis]
        parts, distance = scaled @ rows, scaled @ distances
        middle = parts @ self.robust.covariance @ parts.T
        q, eigen, den_df = len(parts), np.linalg.eigvalsh(middle), self._joint_df(rows, parts, ddf)
        if eigen[0] <= SINGULAR * eigen[-1]:
            return JointTest(q, den_df, float("nan"), float("nan"), float("nan"))
        wald = float(distance @ np.linalg.solve(middle, distance)) / q
        return JointTest(q, den_df, wald, f_tail(wald, q, den_df), wald)

    def notes(self, ddf: Ddf) -> tuple[str, ...]:
        """What should be known of these tests."""
        c, p = self.robust.clusters, len(self.fit.beta)
        out = [f"standard errors: {self.robust.correction}, robust to clusters of {c.name!r} ({c.count} clusters)."]
        boundary = ", ".join(self.fit.convergence.boundary)
        if boundary:
            out.append(f"variances that are zero ({boundary}) are held there.")
        if parts := [part.heading.lower() for part in self.fit.part_effects() if part.names]:
            out.append(f"standard errors of other parts ({', '.join(parts)}) are those of the model.")
        if c.count <= p:
            out.append(no_more_clusters(c.count, p))
        return tuple(out)


def robust_tests(fit: MixedFit, data: Any, cov: object, cluster: object) -> FixedEffectTests:
    """Tests with the covariance that a user names.

    Parameters
    ----------
    fit : MixedFit
    data : frame
        The data of the fit, for a cluster that is no grouping factor.
    cov : {"CR0", "CR1", "CR1p", "CR1S", "CR2"}
        ``"CR2"`` for linear models only.
    cluster : str or array
        A grouping factor, another column, or one label for each row; in a generalized model no
        random effect may be shared by two clusters.
    """
    if fit.design.sampling is not None:
        raise OptionError(
            "with sampling weights standard errors are robust already, to the outermost clusters: leave out cov= and "
            "cluster=."
        )
    correction = checked_correction(cov)
    if correlated_within(fit):
        own = subject_clusters(fit)
        clusters = own if cluster is None or cluster == own.name else find_clusters(fit, data, cluster)
        _check_blocks(clusters, own)
        p = len(fit.beta)
        if clusters.count <= p:
            warn_once((no_more_clusters(clusters.count, p),))
        return ClusterRobustTests(SubjectRobust(fit, correction, clusters))
    if correction == "CR3":
        raise OptionError(
            "CR3 is for models without random effects whose rows are correlated, as of mmrm(); take 'CR2'."
        )
    if not fit.fixed_effects_profiled:
        _check_scores(fit, correction)
    clusters = find_clusters(fit, data, cluster)
    if not fit.fixed_effects_profiled:
        _check_sum(fit, clusters)
    p = len(fit.beta)
    if clusters.count <= p:
        warn_once((no_more_clusters(clusters.count, p),))
    if fit.fixed_effects_profiled:
        return ClusterRobustTests(ClusterRobust(fit, correction, clusters))
    return LikelihoodSandwichTests(LikelihoodSandwich(fit, correction, clusters))


def correlated_within(fit: MixedFit) -> bool:
    """Whether rows are correlated within blocks and there are no random effects."""
    return fit.design.residual is not None and not fit.terms


def _check_blocks(clusters: Clusters, own: Clusters) -> None:
    """See that no block of correlated rows is in several clusters."""
    home = np.full(own.count, -1, dtype=np.intp)
    home[own.codes] = clusters.codes
    if (home[own.codes] != clusters.codes).any():
        raise OptionError(
            f"rows of {own.name!r} that are correlated in the model are in several clusters of {clusters.name!r}; "
            f"cluster by {own.name!r} or by what contains it."
        )


def _check_scores(fit: MixedFit, correction: Correction) -> None:
    """Refuse what a sandwich of the likelihood does not have."""
    if fit.why_no_sandwich is not None:
        raise OptionError(fit.why_no_sandwich)
    if correction == "CR2":
        raise OptionError(
            "CR2 is for linear models, whose residuals have a known covariance; for a generalized model take "
            "cov='CR0' or 'CR1'."
        )
    if fit.n_quad == 0:
        raise OptionError(
            "n_quad=0 does not maximise a likelihood in the fixed effects, so there are no scores; fit with n_quad=1 "
            "for a robust covariance."
        )


def _check_sum(fit: MixedFit, clusters: Clusters) -> None:
    """Refuse clusters over which the likelihood is no sum,
    and a likelihood whose second derivatives have no inverse.
    """
    if not clusters.independent:
        shared = ", ".join(shared_groups(fit, clusters))
        raise OptionError(
            f"levels of {shared} have rows in several clusters of {clusters.name!r}, so the likelihood is no sum over "
            "the clusters and has no scores of them. Cluster by a factor that contains all grouping factors."
        )
    if fit.joint_covariance() is None:
        raise OptionError(
            "the second derivatives of the likelihood at the estimates are not positive definite, and the robust "
            "covariance needs their inverse."
        )
