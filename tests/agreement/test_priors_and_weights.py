"""Priors against blme and glmmTMB, sampling weights against WeMix, and both against n x n
algebra.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import gamma, invgamma, multivariate_normal, norm, t

import ranef
from ranef import glmer, lmer, priors
from reference.store import load_data

FOLDER = Path(__file__).parents[1] / "reference"


def _cases() -> dict[str, dict[str, Any]]:
    content = (FOLDER / "priors_and_weights.json").read_bytes()
    assert hashlib.md5(content).hexdigest() == (FOLDER / "priors_and_weights.md5").read_text().strip()
    return {c["id"]: c for c in json.loads(content)["cases"]}


CASES = _cases()
SURVEY = load_data("sim_survey")
CBPP = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
CULCITA = "predation ~ ttt + (1 | block)"
WISHART, BOTH = priors.Wishart(), {"rows": "w1", "g": "w2"}

LINEAR = {
    "bl_sleep_wishart": (
        "Reaction ~ Days + (Days | Subject)",
        "sleepstudy",
        {"prior": {"cov": priors.Wishart(relative=True)}},
    ),
    "bl_dyestuff2_gamma": ("Yield ~ 1 + (1 | Batch)", "Dyestuff2", {"prior": {"cov": priors.Gamma(relative=True)}}),
    "bl_dyestuff2_gamma_sd": (
        "Yield ~ 1 + (1 | Batch)",
        "Dyestuff2",
        {"REML": False, "prior": {"cov": priors.Gamma(shape=2, rate=0.5)}},
    ),
}
GENERALIZED = {
    "bl_cbpp_wishart": (CBPP, "cbpp", {"cov": WISHART}),
    "bl_culcita_normal": (CULCITA, "culcita", {"cov": WISHART, "fixef": priors.Normal(cov=[9] * 4)}),
    "bl_culcita_t": (
        CULCITA,
        "culcita",
        {"cov": priors.InverseGamma(shape=1, scale=1), "fixef": priors.StudentT(df=3, scale=2.5, joint=True)},
    ),
}


@pytest.mark.parametrize("case", LINEAR)
def test_blmer(case: str) -> None:
    formula, data, call = LINEAR[case]
    best = CASES[case]["best"]
    m = lmer(formula, load_data(data), **call)
    # at blme's estimates: the criterion with the penalty
    theta = np.array(list(best["theta"].values()))[m._fit.order.core_of_theta]
    there = m._fit.system.get(1).evaluate_penalised(theta, best["sigma"], m._fit.reml)
    assert there.objective == pytest.approx(best["objective"], abs=1e-9)
    # the optimum is not above blme's
    assert m.objective <= best["objective"] + 1e-9
    e = abs(best["objective"] - m.objective)
    close = max(1e-5, 3 * e**0.5)
    np.testing.assert_allclose(m.bse, list(best["se"].values()), rtol=close)
    assert m.sigma == pytest.approx(best["sigma"], rel=close)
    assert m.objective == pytest.approx(-2 * (m.llf + m.log_prior), abs=1e-9)
    assert -2 * m.log_prior == pytest.approx(best["penalty"], abs=max(1e-4, 5 * e**0.5))


@pytest.mark.parametrize("case", GENERALIZED)
def test_bglmer(case: str) -> None:
    formula, data, prior = GENERALIZED[case]
    best = CASES[case]["best"]
    m = glmer(formula, load_data(data), family="binomial", prior=prior)
    theta, beta = (np.array(list(best[name].values())) for name in ("theta", "beta"))
    there = m._fit.system.get(1).evaluate(theta, beta, None, 1, "observed", 1)
    # as far as its inner iterations go
    assert there.objective == pytest.approx(best["objective"], abs=1e-6)
    bare = m.update(prior={"cov": priors.HalfT(df=np.inf, scale=1e6)})._fit.system.get(1)
    flat = bare.evaluate(theta, beta, None, 1, "observed", 1).objective
    half_normal = -2 * (np.log(2) + norm.logpdf(theta[0], scale=1e6))
    assert flat - half_normal == pytest.approx(best["criterion"], abs=1e-6)
    assert m.objective <= best["objective"] + 1e-6
    assert m.objective == pytest.approx(-2 * (m.llf + m.log_prior), abs=1e-9)
    np.testing.assert_allclose(m.fixef, beta, atol=3e-3)


def test_glmmtmb() -> None:
    case = CASES["fam_culcita_prior"]
    culcita = load_data("culcita")
    names = ["ttt[T.crabs]", "ttt[T.shrimp]", "ttt[T.both]"]
    prior = {**{f"fixef:{n}": priors.Normal(sd=3) for n in names}, "cov": PRIOR_OF_SD}
    m = glmer(CULCITA, culcita, family="binomial", prior=prior)
    held = case["at_fixed"]
    *beta, log_sd = held["par"]
    sd = float(np.exp(log_sd))
    there = m._fit.system.get(1).evaluate(np.array([sd]), np.array(beta), None, 1, "observed", 1)
    assert there.objective == pytest.approx(held["objective"], abs=1e-8)
    np.testing.assert_allclose(there.gradient[1:], held["gradient"][:-1], atol=2e-6)
    assert there.gradient[0] * sd == pytest.approx(held["gradient"][-1], abs=2e-6)
    best = case["best"]
    assert m.objective == pytest.approx(best["objective"], abs=1e-7)
    np.testing.assert_allclose(m.fixef, list(best["beta_cond"].values()), atol=1e-4)
    np.testing.assert_allclose(m.bse, list(best["se_cond"].values()), rtol=1e-4)


#: glmmTMB's gamma has a mean and a shape.
PRIOR_OF_SD = priors.Gamma(shape=2.5, rate=2.5)


@pytest.mark.parametrize("case", ["wx_linear", "wx_linear_slope", "wx_linear_level2", "wx_logit"])
def test_wemix(case: str) -> None:
    best = CASES[case]["best"]
    weights = {"g": "w2"} if "level2" in case else BOTH
    formula = "~ x + (1 + x | g)" if "slope" in case else "~ x + (1 | g)"
    if case == "wx_logit":
        m: Any = glmer(f"yb {formula}", SURVEY, family="binomial", n_quad=21, sampling_weights=weights)
    else:
        m = lmer(f"y {formula}", SURVEY, sampling_weights=weights)
        assert m.sigma == pytest.approx(best["sigma"], rel=1e-5)
    assert m.objective == pytest.approx(best["objective"], abs=2e-6)
    np.testing.assert_allclose(m.fixef, list(best["beta"].values()), atol=1e-5)
    np.testing.assert_allclose(m.bse, list(best["se_robust"].values()), rtol=2e-3 if case == "wx_logit" else 5e-3)
    theirs = [v for name, v in best["variances"].items() if name != "Residual"]
    np.testing.assert_allclose(m.varcorr["g"].sd ** 2, theirs, rtol=1e-4)
    assert "robust (60 clusters of g)" in str(m.summary())


def dense_criterion(d: pd.DataFrame, m: Any, theta: np.ndarray, sigma: float, beta: Any) -> float:
    """-2 log density of the response (restricted where beta is None) of y ~ x + (x | g)."""
    x = np.column_stack([np.ones(len(d)), d["x"]])
    lam = np.array([[theta[0], 0.0], [theta[1], theta[2]]])
    same = d["g"].to_numpy()[:, None] == d["g"].to_numpy()[None, :]
    v = sigma**2 * (np.eye(len(d)) + same * (x @ lam @ lam.T @ x.T))
    y = d["y"].to_numpy()
    if beta is not None:
        return float(-2 * multivariate_normal.logpdf(y, x @ beta, v))
    w = np.linalg.inv(v)
    a = x.T @ w @ x
    b = np.linalg.solve(a, x.T @ w @ y)
    r = y - x @ b
    n, p = x.shape
    return float(np.linalg.slogdet(v)[1] + np.linalg.slogdet(a)[1] + r @ w @ r + (n - p) * np.log(2 * np.pi))


def rows(seed: int = 1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(12), 6)
    x = rng.normal(3.0, 2.0, len(g))
    u = rng.normal(size=(12, 2)) @ np.array([[1.0, 0.3], [0.0, 0.4]])
    y = 5.0 + 0.7 * x + u[g, 0] + u[g, 1] * x + rng.normal(0, 1.5, len(g))
    return pd.DataFrame({"y": y, "x": x, "g": [f"g{i}" for i in g]})


@pytest.mark.parametrize("reml", [True, False])
def test_linear_priors_by_dense_algebra(reml: bool) -> None:
    d = rows()
    prior = {
        "cov": [priors.Gamma(shape=2, rate=0.4, on="sd"), priors.LKJ(eta=2)],
        "resid": priors.InverseGamma(shape=3, scale=4, on="var"),
    }
    m = lmer("y ~ x + (x | g)", d, REML=reml, prior=prior)
    theta, sigma = np.array([0.7, -0.2, 0.5]), 1.3
    found = m._fit.system.get(1).evaluate_penalised(theta, sigma, reml)
    lam = np.array([[0.7, 0.0], [-0.2, 0.5]])
    cov = sigma**2 * lam @ lam.T
    sd = np.sqrt(np.diag(cov))
    r = cov[0, 1] / sd.prod()
    log_p = gamma.logpdf(sd, 2, scale=1 / 0.4).sum() + np.log(0.75 * (1 - r * r))
    log_p += invgamma.logpdf(sigma**2, 3, scale=4)
    if reml:
        expected = dense_criterion(d, m, theta, sigma, None)
    else:
        x = np.column_stack([np.ones(len(d)), d["x"]])
        v = np.eye(len(d)) + (d["g"].to_numpy()[:, None] == d["g"].to_numpy()) * (x @ lam @ lam.T @ x.T)
        w = np.linalg.inv(v)
        beta = np.linalg.solve(x.T @ w @ x, x.T @ w @ d["y"])
        expected = dense_criterion(d, m, theta, sigma, beta)
    assert found.objective == pytest.approx(expected - 2 * log_p, abs=1e-9)
    check_gradient(m, theta, sigma, reml)


@pytest.mark.parametrize("relative", [False, True])
@pytest.mark.parametrize("reml", [True, False])
def test_normal_prior_of_fixed_effects(reml: bool, relative: bool) -> None:
    d = rows(2)
    c = np.array([[4.0, 0.3], [0.3, 0.5]])
    mean = [4.0, 0.2]
    m = lmer("y ~ x + (x | g)", d, REML=reml, prior={"fixef": priors.Normal(mean=mean, cov=c, relative=relative)})
    theta, sigma = np.array([0.7, -0.2, 0.5]), 1.3
    found = m._fit.system.get(1).evaluate_penalised(theta, sigma, reml)
    lam = np.array([[0.7, 0.0], [-0.2, 0.5]])
    x = np.column_stack([np.ones(len(d)), d["x"]])
    v = np.eye(len(d)) + (d["g"].to_numpy()[:, None] == d["g"].to_numpy()) * (x @ lam @ lam.T @ x.T)
    own = c * sigma**2 if relative else c
    if reml:
        # the fixed effects integrated out with their prior
        expected = -2 * multivariate_normal.logpdf(d["y"], x @ mean, sigma**2 * v + x @ own @ x.T)
    else:
        w, k = np.linalg.inv(sigma**2 * v), np.linalg.inv(own)
        beta = np.linalg.solve(x.T @ w @ x + k, x.T @ w @ d["y"] + k @ mean)
        expected = dense_criterion(d, m, theta, sigma, beta) - 2 * multivariate_normal.logpdf(beta, mean, own)
    assert found.objective == pytest.approx(expected, abs=1e-8)
    check_gradient(m, theta, sigma, reml)
    # estimates and standard errors: those of the penalised Hessian
    f = m._fit
    lam = np.zeros((2, 2))
    lam[np.tril_indices(2)] = f.theta[[0, 1, 2]]
    v = np.eye(len(d)) + (d["g"].to_numpy()[:, None] == d["g"].to_numpy()) * (x @ lam @ lam.T @ x.T)
    own = c * m.sigma**2 if relative else c
    w, k = np.linalg.inv(m.sigma**2 * v), np.linalg.inv(own)
    information = x.T @ w @ x + k
    np.testing.assert_allclose(m.fixef, np.linalg.solve(information, x.T @ w @ d["y"] + k @ mean), rtol=1e-7)
    np.testing.assert_allclose(m.cov_params(), np.linalg.inv(information), rtol=1e-6)
    assert found.objective >= m.objective


def check_gradient(m: Any, theta: np.ndarray, sigma: float, reml: bool) -> None:
    system = m._fit.system.get(1)
    at = np.append(theta, np.log(sigma))
    gradient = system.evaluate_penalised(theta, sigma, reml).gradient
    for i in range(4):
        values = []
        for h in (1e-5, -1e-5):
            there = at.copy()
            there[i] += h
            values.append(system.evaluate_penalised(there[:3].copy(), float(np.exp(there[3])), reml).objective)
        assert gradient[i] == pytest.approx((values[0] - values[1]) / 2e-5, abs=2e-6 * max(1, abs(gradient[i])))


def test_gradient_of_a_generalized_model_with_every_prior() -> None:
    d = rows(4)
    d["count"] = np.random.default_rng(1).poisson(np.exp(0.1 * d["y"]))
    prior = {
        "fixef:x": priors.StudentT(df=4, mean=0.1, scale=0.5),
        "fixef": priors.Normal(sd=2, mean=1),
        "cov": [priors.InverseWishart(df=5, scale=[1, 0.5]), priors.HalfT(3, 1), priors.LKJ(2)],
        "disp": priors.Gamma(shape=2, rate=0.3),
    }
    m = glmer("count ~ x + (x | g)", d, family="nbinom2", prior=prior)
    system = m._fit.system.get(1)
    theta, beta, size = np.array([0.5, 0.1, 0.3]), np.array([0.4, 0.05]), 3.0
    found = system.evaluate(theta, beta, size, 1, "observed", 1)
    bare = m.update(prior=None)._fit.system.get(1).evaluate(theta, beta, size, 1, "observed", 1)
    log_p = (
        t.logpdf((0.05 - 0.1) / 0.5, 4) - np.log(0.5) + norm.logpdf(0.4, 1, 2) + gamma.logpdf(size, 2, scale=1 / 0.3)
    )
    lam = np.array([[0.5, 0.0], [0.1, 0.3]])
    cov = lam @ lam.T
    from scipy.stats import invwishart

    log_p += invwishart.logpdf(cov, 5, np.diag([1, 0.5]))
    sd = np.sqrt(np.diag(cov))
    log_p += (np.log(2) + t.logpdf(sd, 3)).sum() + np.log(0.75 * (1 - (cov[0, 1] / sd.prod()) ** 2))
    assert found.objective - bare.objective == pytest.approx(-2 * log_p, abs=1e-9)
    at = np.concatenate([theta, beta, [np.log(size)]])
    for i in range(6):
        values = []
        for h in (1e-5, -1e-5):
            p = at.copy()
            p[i] += h
            values.append(system.evaluate(p[:3], p[3:5], float(np.exp(p[5])), 1, "observed", 1).objective)
        assert found.gradient[i] == pytest.approx((values[0] - values[1]) / 2e-5, abs=1e-5)


def test_separated_data_have_finite_estimates() -> None:
    culcita = load_data("culcita")
    d = culcita.assign(predation=(culcita["ttt"] == "none").astype(int))
    with pytest.warns(ranef.RanefWarning, match=r"prior=\{'fixef': priors.Normal\(sd=2.5\)\}"):
        glmer(CULCITA, d, family="binomial")
    m = glmer(CULCITA, d, family="binomial", prior={"fixef": priors.Normal(sd=2.5), "cov": priors.Gamma()})
    assert m.convergence.ok
    assert np.all(m.bse < 3)


def test_variances_are_kept_off_zero() -> None:
    d = load_data("Dyestuff2")
    with pytest.warns(ranef.RanefWarning, match="priors.Wishart"):
        assert lmer("Yield ~ 1 + (1 | Batch)", d).is_singular
    for prior in (priors.Wishart(), priors.Gamma(), priors.InverseGamma(shape=0.5, scale=0.1)):
        m = lmer("Yield ~ 1 + (1 | Batch)", d, prior={"cov": prior})
        assert m.convergence.ok
        assert m.varcorr["Batch"].sd[0] > 0.05
    # an exponential density pulls to zero
    with pytest.warns(ranef.RanefWarning, match="singular"):
        assert lmer("Yield ~ 1 + (1 | Batch)", d, prior={"cov": priors.Gamma(shape=1, rate=1)}).is_singular


def test_standardised_columns() -> None:
    d = load_data("cbpp")
    d["far"] = np.arange(len(d)) * 100.0
    formula = CBPP.replace("period", "far")
    a = glmer(formula, d, family="binomial", prior={"fixef": priors.Normal(sd=0.5, autoscale=True)})
    sd = 0.5 / float(np.std(d["far"], ddof=1))
    b = glmer(formula, d, family="binomial", prior={"fixef": priors.Normal(sd=[0.5, sd])})
    assert a.objective == pytest.approx(b.objective, abs=1e-9)


def test_what_is_refused_and_said() -> None:
    d = load_data("cbpp")
    fit = {"data": d, "family": "binomial"}
    for prior, words in (
        ({"fixeff": priors.Normal(sd=1)}, "prior has no key 'fixeff'"),
        ({"fixef:perod2": priors.Normal(sd=1)}, "no fixed effect 'perod2'"),
        ({"cov:heard": priors.Gamma()}, "no grouping factor 'heard'; it has herd. Did you mean 'herd'?"),
        ({"cov": priors.Normal(sd=1)}, "Normal is no density of that"),
        ({"fixef": priors.Normal(sd=[1, 2])}, "sd has 2 values for 4 fixed effects"),
        ({"disp": priors.Gamma()}, "the binomial model has no extra parameter"),
        ({"cov": priors.Gamma(relative=True)}, "relative=True is for lmer"),
    ):
        with pytest.raises(ranef.OptionError, match=words.replace("(", r"\(").replace("?", r"\?")):
            glmer(CBPP, prior=prior, **fit)
    with pytest.raises(ranef.ArgumentTypeError, match="prior must be a dict"):
        glmer(CBPP, prior=priors.Normal(sd=1), **fit)
    with pytest.raises(ranef.OptionError, match="needs sd="):
        priors.Normal()
    with pytest.raises(ranef.OptionError, match="shape must be a number of at least 1"):
        priors.Gamma(shape=0.5)
    m = glmer(CBPP, prior={"cov": WISHART}, **fit)
    for refused in (lambda: m.aic, lambda: m.bic, lambda: ranef.anova(m, m), m.ranova, lambda: m.profile()):
        with pytest.raises(ranef.OptionError, match="with priors, which is not maximised"):
            refused()
    table = ranef.anova(m.update(". ~ . - period"), m, penalized=True)
    assert table["chisq"].iloc[1] > 0
    assert "priors: cov ~ Wishart(); their log density -0.495" in str(m.summary())


def test_priors_are_kept() -> None:
    d = load_data("sleepstudy")
    m = lmer(
        "Reaction ~ Days + (Days | Subject)", d, prior={"cov": priors.Wishart(), "fixef:Days": priors.Normal(sd=5)}
    )
    again = m.update(REML=False)
    assert again.log_prior != 0
    assert m.update(prior=None).log_prior == 0
    b = m.bootstrap(6, rng=1)
    assert b.n_failed == 0
    refit = m.refit(d["Reaction"] + 1.0)
    assert refit.log_prior == pytest.approx(m.log_prior, abs=1e-5)


def test_priors_are_saved(tmp_path: Path) -> None:
    d = load_data("sleepstudy")
    m = lmer("Reaction ~ Days + (Days | Subject)", d, prior={"cov": priors.Wishart(scale=[1e4, 1e2])})
    m.save(tmp_path / "m.zip")
    loaded = ranef.load(tmp_path / "m.zip")
    assert loaded.log_prior == m.log_prior
    assert "Wishart(scale=" in str(loaded.summary())
    w = lmer("y ~ x + (1 | g)", SURVEY, sampling_weights=BOTH)
    w.save(tmp_path / "w.zip")
    loaded = ranef.load(tmp_path / "w.zip")
    np.testing.assert_array_equal(loaded.bse, w.bse)
    np.testing.assert_allclose(loaded.ranef(condvar=True)["g"][1], w.ranef(condvar=True)["g"][1])
