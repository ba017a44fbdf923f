"""Tests of the fixed effects with a cluster-robust covariance."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ranef.data.table import Table
from ranef.design.values import as_factor, from_column, missing_rows
from ranef.errors import ArgumentTypeError, DataError, OptionError
from ranef.fit.linear import LmmFit
from ranef.fit.record import MixedFit
from ranef.fit.request import AbsentData, warn_once
from ranef.inference.cluster_robust import ClusterRobust, Clusters, checked_correction, clusters_of
from ranef.inference.distributions import f_tail
from ranef.inference.fixed_effect_tests import FixedEffectTests, JointTest
from ranef.inference.satterthwaite import contradict, parts_of_gram
from ranef.options import Ddf

Floats = NDArray[np.float64]

#: Below so many degrees of freedom the approximation itself is doubtful (Pustejovsky and Tipton 2018).
FEW = 4.0


class ClusterRobustTests(FixedEffectTests):
    """Tests with a sandwich estimator in the place of the model's covariance.

    Degrees of freedom by ``"satterthwaite"`` are those of the sandwich: they depend on how the clusters carry the contrast, not on the variance parameters.

    Parameters
    ----------
    robust : ClusterRobust
    """

    def __init__(self, robust: ClusterRobust):
        super().__init__(robust.fit)
        self.fit: LmmFit = robust.fit
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
        """Test contrasts together: by the approximate Hotelling test, or by F with the degrees of freedom that ``ddf`` names."""
        self._checked(ddf)
        # all variances in units of sigma²
        weights, variances, rest = parts_of_gram(self.model_covariance(rows))
        target = np.zeros(len(rows)) if values is None else values
        if contradict(rest, target):
            raise OptionError(
                "the hypotheses contradict each other: some contrasts are combinations of others, and their values are not."
            )
        scaled = weights / np.sqrt(variances)[:, np.newaxis]
        parts, distance = scaled @ rows, scaled @ ((rows @ self.fit.beta - target) / self.fit.sigma)
        q = len(parts)
        middle = self.robust.covariance_of(parts)
        eigen = np.linalg.eigvalsh(middle)
        if eigen[0] <= 1e-12 * eigen[-1]:
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
            # In contrasts whose estimated covariance has the identity as expectation: the Wishart distribution with that total variance.
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
                f"random effects are shared by rows of different clusters of {c.name!r}, which the sandwich takes to be independent; it is too small where they "
                "are not."
                + (" Degrees of freedom are the number of clusters less one." if ddf == "satterthwaite" else "")
            )
        if c.count <= p:
            out.append(no_more_clusters(c.count, p))
        elif ddf == "satterthwaite" and c.independent:
            lowest = float(np.min(self.coefficients(ddf).df, initial=np.inf))
            if lowest < FEW:
                out.append(
                    f"some fixed effect has only {lowest:.1f} degrees of freedom, as few clusters carry it; below {FEW:.0f} the p-values are doubtful."
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
        if ddf == "kenward-roger":
            raise OptionError(
                "Kenward-Roger adjusts the covariance of the model; with cov= take ddf='satterthwaite', which here are the degrees of freedom of the sandwich."
            )


def robust_tests(fit: LmmFit, data: Any, cov: object, cluster: object) -> ClusterRobustTests:
    """Tests with the covariance that a user names.

    Parameters
    ----------
    fit : LmmFit
    data : frame
        The data of the fit, for a cluster that is no grouping factor.
    cov : {"CR0", "CR1", "CR1p", "CR1S", "CR2"}
    cluster : str or array
        A grouping factor, another column, or one label for each row.
    """
    correction = checked_correction(cov)
    clusters = find_clusters(fit, data, cluster)
    p = len(fit.beta)
    if clusters.count <= p:
        warn_once((no_more_clusters(clusters.count, p),))
    return ClusterRobustTests(ClusterRobust(fit, correction, clusters))


def no_more_clusters(count: int, p: int) -> str:
    """What is said where a robust covariance is singular."""
    return f"there are no more clusters ({count}) than fixed effects ({p}): the robust covariance is singular, and joint tests of many contrasts are not possible."


def find_clusters(fit: MixedFit, data: Any, cluster: object) -> Clusters:
    """Read the clusters of the rows of a fit."""
    if cluster is None:
        groups = list(dict.fromkeys(t.group for t in fit.terms))
        raise OptionError(
            f"cov= needs cluster=: one of the grouping factors {', '.join(map(repr, groups))}, another column of the data, or an array with one label a row."
        )
    if isinstance(cluster, str):
        for term in fit.terms:
            if term.group == cluster:
                return clusters_of(fit, cluster, term.codes)
        if isinstance(data, AbsentData):
            raise DataError(
                f"{cluster!r} is no grouping factor of the model, and the data are not kept in a saved or pickled one; give cluster as an array."
            )
        value = from_column(Table.from_data(data).column(cluster))
        return clusters_of(fit, cluster, _used(fit, as_factor(value, cluster).codes, missing_rows(value), cluster))
    if isinstance(cluster, bytes | bool | int | float) or not hasattr(cluster, "__len__"):
        raise ArgumentTypeError(f"cluster must be the name of a column or an array, not {cluster!r}.")
    labels = np.asarray(cluster)
    if labels.ndim != 1 or len(labels) not in (fit.design.n_input, fit.nobs):
        raise OptionError(
            f"cluster has the shape {labels.shape}; it needs one label for each of the {fit.design.n_input} rows of the data."
        )
    name = getattr(cluster, "name", None)
    import pandas as pd

    codes = pd.factorize(labels)[0]
    return clusters_of(fit, name if isinstance(name, str) else "cluster", _used(fit, codes, codes < 0, "cluster"))


def _used(fit: MixedFit, codes: NDArray[Any], missing: Any, name: str) -> NDArray[Any]:
    """Codes in the rows that the fit used."""
    kept = fit.design.kept
    if kept is not None and len(codes) == fit.design.n_input:
        codes = codes[kept]
        missing = None if missing is None else missing[kept]
    if missing is not None and np.any(missing):
        raise DataError(f"cluster {name!r} is missing in {int(np.sum(missing))} of the rows that the fit uses.")
    return codes
