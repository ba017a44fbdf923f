"""Influence by downdating against fits of the reduced data at the same theta,
in plain n × n algebra.
"""

import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ranef import OptionError, RanefError, glmer, lmer, load_dataset
from unit import dense_lmm


def sleep() -> pd.DataFrame:
    data = load_dataset("sleepstudy")
    return data.assign(w=1.0 + np.arange(len(data)) % 3, half=np.where(data["Days"] < 5, "a", "b"))


def crossed() -> pd.DataFrame:
    rng = np.random.default_rng(8)
    n = 120
    g, h, x = rng.integers(0, 9, n), rng.integers(0, 7, n), rng.normal(size=n)
    y = 1 + x + rng.normal(size=9)[g] + rng.normal(size=7)[h] * (1 + x) + rng.normal(size=n)
    return pd.DataFrame(
        {"y": y, "x": x, "g": [f"g{i}" for i in g], "h": [f"h{i}" for i in h], "off": rng.normal(size=n)}
    )


MODELS: dict[str, tuple[str, Any, dict[str, Any]]] = {
    "slope": ("Reaction ~ Days + (Days | Subject)", sleep, {}),
    "ml, weights": ("Reaction ~ Days + (Days | Subject)", sleep, {"REML": False, "weights": "w"}),
    "double bar": ("Reaction ~ Days + half + (Days || Subject)", sleep, {}),
    "boundary": ("Yield ~ 1 + (1 | Batch)", lambda: load_dataset("dyestuff2"), {}),
    "nested": ("strength ~ 1 + (1 | batch/cask)", lambda: load_dataset("pastes"), {}),
    "crossed": ("y ~ x + (1 | g) + (x | h)", crossed, {"offset": "off"}),
}


def model(name: str) -> Any:
    formula, data, arguments = MODELS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return lmer(formula, data(), **arguments)


def without(fit: Any, gone: np.ndarray) -> dict[str, Any]:
    """Estimates from the other rows, at the theta of the fit."""
    keep, d = ~gone, fit.design
    factors = []
    for members in fit.order.factors:
        terms = [(d.random[i].z[keep], d.random[i].structure) for i in members]
        factors.append((d.random[members[0]].codes[keep], len(d.random[members[0]].levels), terms))
    y = d.y if d.offset is None else d.y - d.offset
    system = dense_lmm.LmmSystem(fit.x[keep], y[keep], None if d.weights is None else d.weights[keep], factors)
    return system.solution(fit.theta[fit.order.core_of_theta], fit.reml)


@pytest.mark.parametrize("name", MODELS)
def test_deletion_is_exact(name: str) -> None:
    m = model(name)
    fit = m._fit
    covariance = fit.vcov_unscaled * fit.sigma**2
    for by in (None, *m.ngroups):
        found = m.influence(by)
        step = 7 if by is None else 1
        for i in range(0, len(found.index), step):
            gone = np.arange(fit.nobs) == i if by is None else next(t.codes for t in fit.terms if t.group == by) == i
            reduced = without(fit, gone)
            change = reduced["beta"] - fit.beta
            se = np.sqrt(np.diagonal(reduced["vcov_unscaled"])) * reduced["sigma"]
            np.testing.assert_allclose(found.change[i], change, atol=1e-8 * se.max())
            np.testing.assert_allclose(found.scaled_change[i], change / se, atol=1e-8)
            assert found.sigma[i] == pytest.approx(reduced["sigma"], rel=1e-8)
            assert found.cooks[i] == pytest.approx(
                change @ np.linalg.solve(covariance, change) / len(change), rel=1e-7, abs=1e-10
            )
            ratio = np.linalg.det(reduced["vcov_unscaled"] * reduced["sigma"] ** 2) / np.linalg.det(covariance)
            assert found.cov_ratio[i] == pytest.approx(ratio, rel=1e-7)
            assert found.n_deleted[i] == gone.sum()


@pytest.mark.parametrize("name", MODELS)
def test_external_residuals_have_the_sigma_of_a_fit_without_the_row(name: str) -> None:
    m = model(name)
    ratio = m.rstudent() / m.rstudent(external=True)
    np.testing.assert_allclose(ratio, m.influence().sigma / m.sigma, rtol=1e-9)


@pytest.mark.parametrize("name", MODELS)
def test_hat_values_are_the_response_of_the_fitted_values(name: str) -> None:
    """The diagonal of d fitted / d y at the same theta, by moving single responses."""
    m = model(name)
    fit = m._fit
    d = fit.design
    x, z = dense_parts(fit)
    w = np.ones(fit.nobs) if d.weights is None else d.weights
    v = z @ z.T + np.diag(1 / w)
    v_inverse = np.linalg.inv(v)
    p = v_inverse - v_inverse @ x @ np.linalg.solve(x.T @ v_inverse @ x, x.T @ v_inverse)
    np.testing.assert_allclose(m.hatvalues(), 1 - np.diagonal(p) / w, atol=1e-9)


def dense_parts(fit: Any) -> tuple[np.ndarray, np.ndarray]:
    z = []
    for term, factor in zip(fit.terms, fit.relative_factors, strict=True):
        wide = np.zeros((fit.nobs, len(term.levels), factor.shape[0]))
        wide[np.arange(fit.nobs), term.codes] = term.z @ factor
        z.append(wide.reshape(fit.nobs, -1))
    return fit.x, np.hstack(z)


def test_a_group_that_alone_carries_an_effect_has_no_answer() -> None:
    data = sleep()
    data["only"] = np.where(data["Subject"] == "308", np.arange(len(data)) % 2, 0)
    found = lmer("Reaction ~ Days + only + (1 | Subject)", data).influence("Subject")
    assert found.dfbeta.loc["308"].isna().all()
    assert np.isnan(found.cooks_distance["308"])
    assert found.dfbeta.drop(index="308").notna().all(axis=None)


def test_labels() -> None:
    data = sleep()
    data.loc[3, "Reaction"] = np.nan
    m = lmer("Reaction ~ Days + (Days | Subject)", data, na_action="exclude")
    for values in (m.hatvalues(), m.cooks_distance(), m.rstudent(), m.influence().cooks_distance):
        assert len(values) == 180
        assert np.flatnonzero(values.isna()).tolist() == [3]
    frame = m.influence("Subject").to_frame()
    assert frame.index.name == "Subject"
    assert list(frame.columns) == [
        "n_deleted", "cooks_distance", "cov_ratio", "sigma", "dfbeta:(Intercept)", "dfbeta:Days", "dfbetas:(Intercept)",
        "dfbetas:Days",
    ]  # fmt: skip
    assert frame.loc["308", "n_deleted"] == 9
    assert list(m.influence("Subject").dfbetas.columns) == ["(Intercept)", "Days"]


def test_bad_arguments() -> None:
    m = model("slope")
    with pytest.raises(OptionError, match="'Subject'"):
        m.influence("subject")
    with pytest.raises(RanefError, match="by must"):
        m.influence(["Subject"])
    with pytest.raises(RanefError, match="external"):
        m.rstudent(external="yes")
    with pytest.raises(RanefError, match="by_group"):
        m.icc(by_group="Subject")
    with pytest.raises(RanefError, match="none but the intercept"):
        model("boundary").vif()


@pytest.mark.parametrize("family", ["binomial", "binomial(probit)"])
def test_hat_values_of_a_generalized_model(family: str) -> None:
    """Those of the weighted linear model of the last step, from dense matrices."""
    m = glmer("cbind(incidence, size - incidence) ~ period + (1 | herd)", load_dataset("cbpp"), family=family)
    fit = m._fit
    z = (np.asarray(fit.terms[0].codes)[:, None] == np.arange(15)) * fit.theta[0]
    slope = fit.family.link_function.slope(fit.linear_predictor())
    root = np.sqrt(fit.weights * slope**2 / fit.family.variance(fit.means(), 1.0))
    both = root[:, None] * np.column_stack([z, fit.x])
    dense = both @ np.linalg.solve(both.T @ both + np.diag([1.0] * 15 + [0.0] * fit.x.shape[1]), both.T)
    # The core takes the observed curvature, which is the expected one for the canonical link.
    np.testing.assert_allclose(m.hatvalues(), dense.diagonal(), rtol=1e-6 if family == "binomial" else 0.15)
    expected = m.residuals("pearson") / np.sqrt(1 - m.hatvalues())
    np.testing.assert_allclose(m.rstudent(), expected)
