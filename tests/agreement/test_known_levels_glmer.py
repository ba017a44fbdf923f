"""Known matrices and multiple membership in generalized models: against lme4 with a changed Z, and
against n x n algebra at the modes.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import ranef
from ranef import glmer

FOLDER = Path(__file__).parents[1] / "reference" / "known_levels"


def read(name: str) -> pd.DataFrame:
    return pd.read_parquet(FOLDER / f"{name}.parquet")


PEDIGREE = read("sim_pedigree_ped")
ANIMALS = read("sim_pedigree").assign(high=lambda d: (d["y"] > 51).astype(int))
PUPILS = read("sim_membership").assign(count=lambda d: np.round(np.exp((d["y"] - 20) / 8)))
MEMBERS = "count ~ x + (1 | mm(t1, t2, t3, weights=[w1, w2, w3]))"

# lme4 1.1-31, glFormula with another Zt, mkGlmerDevfun(tolPwrss = 1e-13): objective, then theta and
# the fixed effects, where its optimiser stops (reference/known_levels/glmer.R)
LOGIT = (220.08505403478682, [0.79100208650756798, -0.29505553229603854, 1.508899888359255])
PROBIT = (220.36475301828852, [0.45378192073993334, -0.17255401695378944, 0.90674418980780491])
COUNTS = (1141.0294721208636, [0.31875672344675043, 1.2697878568739018, 0.18708621612273199])


def of_animals(link: str, **options: Any) -> Any:
    formula = "high ~ sex + known(1 | animal, A)"
    return glmer(formula, ANIMALS, family=f"binomial({link})", known={"A": PEDIGREE}, **options)


@pytest.mark.parametrize("which", ["logit", "probit", "members"])
def test_fits_of_lme4(which: str) -> None:
    if which == "members":
        m, (objective, parameters) = glmer(MEMBERS, PUPILS, family="poisson"), COUNTS
    elif which == "logit":
        m, (objective, parameters) = of_animals("logit"), LOGIT
    else:  # lme4's curvature is the expected one, which the probit link has apart
        m, (objective, parameters) = of_animals("probit", curvature="expected"), PROBIT
    assert m.convergence.ok
    assert objective - 3e-7 < m.objective < objective + 1e-9
    np.testing.assert_allclose([*m.theta, *m.fixef], parameters, atol=5e-6)
    curvature = "expected" if which == "probit" else "observed"
    at = np.array(parameters)
    found = m._fit.system.get(1).evaluate(at[:1], at[1:], None, 1, curvature, 1)
    # at its estimates, where it finds the modes to this
    assert found.objective == pytest.approx(objective, abs=3e-7)


def random_data() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows with two levels of a factor of 12, whose matrix is also given."""
    rng = np.random.default_rng(5)
    b = rng.normal(size=(12, 12))
    names = [f"a{i}" for i in range(12)]
    k = pd.DataFrame(b @ b.T / 12 + 0.3 * np.eye(12), index=names, columns=names)
    g, h = rng.integers(0, 12, 150), rng.integers(0, 7, 150)
    x = rng.normal(size=150)
    effects = 0.7 * np.linalg.cholesky(k) @ rng.normal(size=12)
    y = rng.poisson(np.exp(0.3 + 0.4 * x + effects[g] + 0.3 * rng.normal(size=7)[h]))
    return pd.DataFrame({"y": y, "x": x, "g": np.array(names)[g], "h": h.astype(str)}), k


def laplace(x: Any, z: Any, y: Any, beta: Any, sigma: Any) -> tuple[float, Any, Any]:
    """-2 log-likelihood of counts by the covariance matrix of the effects, the modes and the
    inverse of the curvature.
    """
    from scipy.special import gammaln

    precision, u = np.linalg.inv(sigma), np.zeros(len(sigma))
    for _ in range(50):
        eta = x @ beta + z @ u
        curvature = (z.T * np.exp(eta)) @ z + precision
        u = u + np.linalg.solve(curvature, z.T @ (y - np.exp(eta)) - precision @ u)
    eta = x @ beta + z @ u
    curvature = (z.T * np.exp(eta)) @ z + precision
    log_l = float((y * eta - np.exp(eta) - gammaln(y + 1)).sum() - 0.5 * u @ precision @ u)
    dets = np.linalg.slogdet(curvature)[1] + np.linalg.slogdet(sigma)[1]
    return -2 * log_l + float(dets), u, np.linalg.inv(curvature)


def test_objective_modes_and_their_covariance_are_those_of_dense_algebra() -> None:
    from scipy.optimize import minimize

    d, k = random_data()
    x = np.column_stack([np.ones(150), d["x"]])
    own = (d["g"].to_numpy()[:, None] == np.array(k.index)).astype(float)
    other = (d["h"].to_numpy()[:, None] == np.array(sorted(set(d["h"])))).astype(float)
    z, y = np.hstack([own, other]), d["y"].to_numpy()
    m = glmer("y ~ x + known(1 | g, K) + (1 | h)", d, family="poisson", known={"K": k})

    def sigma(theta: Any) -> Any:
        out = np.eye(19) * theta[1] ** 2
        out[:12, :12] = theta[0] ** 2 * k.to_numpy()
        return out

    def objective(at: Any) -> float:
        return laplace(x, z, y, at[2:], sigma(at[:2]))[0]

    at = np.array([m.theta["g.(Intercept)"], m.theta["h.(Intercept)"], *m.fixef])
    value, u, covariance = laplace(x, z, y, at[2:], sigma(at[:2]))
    assert m.objective == pytest.approx(value, abs=1e-9)
    tight = {"xatol": 1e-9, "fatol": 1e-11, "maxiter": 4000}
    assert minimize(objective, at + 0.02, method="Nelder-Mead", options=tight).fun > m.objective - 1e-8
    modes, variances = m.ranef(condvar=True)["g"]
    np.testing.assert_allclose(modes.loc[list(k.index), "(Intercept)"], u[:12], atol=1e-7)
    places = [modes.index.get_loc(v) for v in k.index]
    np.testing.assert_allclose(variances[places, 0, 0], np.diag(covariance)[:12], rtol=1e-6)


def test_slopes_under_a_matrix_are_those_of_dense_algebra() -> None:
    d, k = random_data()
    m = glmer("y ~ x + known(x | g, K)", d, family="poisson", known={"K": k})
    own = (d["g"].to_numpy()[:, None] == np.array(k.index)).astype(float)
    z = np.hstack([own, own * d["x"].to_numpy()[:, None]])
    lower = np.array([[m.theta.iloc[0], 0.0], [m.theta.iloc[1], m.theta.iloc[2]]])
    x = np.column_stack([np.ones(150), d["x"]])
    sigma = np.kron(lower @ lower.T + 1e-12 * np.eye(2), k.to_numpy())
    value, *_ = laplace(x, z, d["y"].to_numpy(), m.fixef.to_numpy(), sigma)
    assert m.objective == pytest.approx(value, abs=1e-6)


def test_single_members_and_unrelated_levels_are_random_intercepts() -> None:
    d, k = random_data()
    plain = glmer("y ~ x + (1 | g)", d, family="poisson")
    unrelated = pd.DataFrame(np.eye(12), index=k.index, columns=k.index)
    for formula, known in [("y ~ x + (1 | mm(g))", None), ("y ~ x + known(1 | g, I)", {"I": unrelated})]:
        m = glmer(formula, d, family="poisson", known=known)
        assert m.objective == pytest.approx(plain.objective, abs=1e-9)
        np.testing.assert_allclose(m.bse, plain.bse, rtol=1e-6)
        new = d.head(5)
        np.testing.assert_allclose(m.predict(new, se=True), plain.predict(new, se=True), rtol=1e-5)
    inverse = pd.DataFrame(np.linalg.inv(k), index=k.index, columns=k.index)
    one = glmer("y ~ x + known(1 | g, K)", d, family="poisson", known={"K": k})
    two = glmer("y ~ x + known(1 | g, P, inverse=True)", d, family="poisson", known={"P": inverse})
    assert one.objective == pytest.approx(two.objective, abs=1e-9)


def test_the_heritability_of_a_liability() -> None:
    m = of_animals("probit")
    found = m.heritability().loc["animal"]
    theta = float(m.theta.iloc[0])
    assert found["estimate"] == pytest.approx(theta**2 / (theta**2 + 1))
    # by the delta method from the curvature of the objective, profiled over the fixed effects
    h = 1e-3
    at = [glmer_at(m, theta + d) for d in (-h, 0.0, h)]
    variance = 2 / ((at[0] - 2 * at[1] + at[2]) / h**2)
    assert found["std_error"] == pytest.approx(2 * theta / (theta**2 + 1) ** 2 * variance**0.5, rel=1e-3)
    d, k = random_data()
    counts = glmer("y ~ x + known(1 | g, K)", d, family="poisson", known={"K": k})
    with pytest.raises(ranef.DesignError, match="share of variance on one scale"):
        counts.heritability()


def glmer_at(m: Any, theta: float) -> float:
    """The objective at a theta, the fixed effects free: of a matrix scaled to it, with theta 1."""
    from scipy.optimize import minimize

    system = m._fit.system.get(1)

    def objective(beta: Any) -> float:
        return float(system.evaluate(np.array([theta]), beta, None, 1, "observed", 1).objective)

    found = minimize(objective, m.fixef.to_numpy(), method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-12})
    return float(found.fun)


def test_what_a_fitted_model_answers(tmp_path: Path) -> None:
    m = glmer(MEMBERS, PUPILS, family="poisson")
    ranef_file = tmp_path / "m.ranef"
    m.save(ranef_file)
    assert ranef.load(ranef_file).objective == m.objective
    assert m.refit(PUPILS["count"]).objective == pytest.approx(m.objective, abs=1e-9)
    assert 0 < m.icc().adjusted < 1
    assert m.conf_int("profile").loc["x"].between(0.1, 0.3).all()
    drawn = m.simulate(400, rng=1).to_numpy()
    members = np.zeros((len(PUPILS), 24))
    for t, w in (("t1", "w1"), ("t2", "w2"), ("t3", "w3")):
        there = PUPILS[t].notna()
        members[there, PUPILS.loc[there, t].str[1:].astype(int) - 1] += PUPILS.loc[there, w]
    size = (members**2).sum(axis=1) * float(m.theta.iloc[0]) ** 2
    mean = np.exp(m.predict(PUPILS, re="population", type="link") + size / 2)
    assert np.abs(drawn.mean(axis=1) / mean - 1).mean() < 0.05
    assert len(m.check()) > 3


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda d, k: glmer("y ~ x + known(1 | g, K)", d, family="poisson", known={"K": k}, n_quad=5),
            "n_quad=5 needs",
        ),
        (lambda d, k: glmer("y ~ x + known(1 | g, K)", d, family="poisson"), "is not given"),
        (
            lambda d, k: glmer("y ~ x + known(1 | g, K)", d, family="poisson", known={"K": k}, zi_formula="~ 1"),
            r"known\(1 \| g, K\) gives a row parts of several effects",
        ),
        (lambda d, k: ranef.clmm("y ~ x + (1 | mm(g, h))", d), r"lmer\(\) and glmer\(\) fit it"),
    ],
)
def test_what_cannot_be_fitted_is_said(call: Any, message: str) -> None:
    with pytest.raises(ranef.RanefError, match=message):
        call(*random_data())
