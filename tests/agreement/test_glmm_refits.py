"""Sandwich estimators, deletion of groups, tests of random effects and shares of variance
of generalized models against glmmTMB, and where it can be believed performance.
"""

import numpy as np
import pytest
from glmm_means_case import RESULTS, cluster_of, fitted

from ranef.diagnostics.variance_shares import observation_variance


def having(key: str) -> list[str]:
    return sorted(m for m, r in RESULTS.items() if key in r)


@pytest.mark.parametrize("model", having("sandwich"))
def test_sandwich(model: str) -> None:
    """The scores of clusters are the gradient of glmmTMB's objective
    with the weights of all other rows zero.
    """
    m, r = fitted(model), RESULTS[model]["sandwich"]
    assert r["total"] < 1e-8
    expected = np.array(r["cov"])
    size = np.sqrt(np.diagonal(expected))
    plain = m.cov_params(cov="CR0", cluster=cluster_of(model))
    np.testing.assert_array_less(np.abs(plain - expected) / np.outer(size, size), 1e-4)
    g, n, p = r["clusters"], m.nobs, len(m.fixef)
    for cov, factor in (("CR1", g / (g - 1)), ("CR1p", g / (g - p)), ("CR1S", g * (n - 1) / ((g - 1) * (n - p)))):
        np.testing.assert_allclose(m.cov_params(cov=cov, cluster=cluster_of(model)), factor * plain)


@pytest.mark.parametrize("model", having("deletion"))
def test_deletion_of_groups(model: str) -> None:
    found = fitted(model).influence(cluster_of(model))
    assert found.converged.all()
    fit = RESULTS[model]["fit"]
    for row in RESULTS[model]["deletion"]:
        i = list(found.index).index(row["level"])
        np.testing.assert_allclose(found.change[i], row["change"], atol=1e-4 * min(fit["se"]))
        np.testing.assert_allclose(found.scaled_change[i], np.array(row["change"]) / row["se"], atol=2e-4)
        assert found.cooks[i] == pytest.approx(row["cook"], rel=2e-4, abs=1e-8)
        assert found.cov_ratio[i] == pytest.approx(row["ratio"], rel=5e-4)
        if np.size(row["sd"]) == 1:
            assert found.theta[i, 0] == pytest.approx(row["sd"], rel=1e-4)
            assert found.theta_change[i, 0] == pytest.approx(row["sd"] - fit["sd"], abs=1e-4)
        if model == "gamma":
            assert found.sigma[i] == pytest.approx(row["sigma"], rel=1e-4)
    rows = fitted(model).nobs
    assert found.n_deleted.sum() == rows


@pytest.mark.parametrize("model", having("without"))
def test_random_effects_left_out(model: str) -> None:
    """Also down to the generalized linear model, with its dispersion estimated."""
    table = fitted(model).ranova()
    for label, deviance in RESULTS[model]["without"].items():
        assert -2 * table.loc[label, "llf"] == pytest.approx(deviance, abs=1e-6)
        assert table.loc[label, "chisq"] == pytest.approx(deviance - RESULTS[model]["fit"]["deviance"], abs=1e-6)
    only = [label for label in RESULTS[model]["without"] if label.startswith("(1")]
    np.testing.assert_allclose(table.loc[only, "p_value_boundary"], table.loc[only, "p_value"] / 2)


@pytest.mark.parametrize("model", having("predict"))
def test_standard_errors_of_predictions(model: str) -> None:
    """Of conditional linear predictors,
    with the estimation of the covariance parameters and of the dispersion accounted for.
    """
    ours, r = fitted(model).predict(type="link", se=True), RESULTS[model]["predict"]
    np.testing.assert_allclose(ours["fit"][:40], r["fit"], atol=1e-5)
    np.testing.assert_allclose(ours["se"][:40], r["se"], rtol=2e-4)


@pytest.mark.parametrize("model", ["cbpp", "cloglog", "probit", "logit", "sqrt"])
def test_shares_of_variance(model: str) -> None:
    m, r = fitted(model), RESULTS[model]["shares"]
    assert m.icc().adjusted == pytest.approx(r["icc"], rel=1e-6)
    assert m.icc().unadjusted == pytest.approx(r["icc_unadjusted"], rel=1e-6)
    assert (m.r2().marginal, m.r2().conditional) == pytest.approx((r["marginal"], r["conditional"]), rel=1e-6)


@pytest.mark.parametrize("model", having("by_paper"))
def test_variance_of_an_observation_by_the_paper(model: str) -> None:
    """At the mean of all groups, with the offset at its mean.

    Performance takes the typical group at offset zero, and of a beta response has a negative
    variance.
    """
    m, r = fitted(model), RESULTS[model]
    assert observation_variance(m._fit) == pytest.approx(r["by_paper"], rel=1e-6)
    assert abs(r["shares"]["distribution"] / r["by_paper"] - 1) > 0.005
    assert m.icc().adjusted == pytest.approx(r["shares"]["random"] / (r["shares"]["random"] + r["by_paper"]), rel=1e-6)
    if model == "beta":
        assert r["shares"]["distribution"] < 0
        assert r["shares"]["icc"] > 1
