"""Variance functions with Laplace's approximation, against the exact likelihood: a logistic curve
is linear in its asymptote, so that with random effects on that alone the responses of a tree are
normal.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import optimize

import ranef
from ranef import DataError, DesignError, OptionError, load_dataset, nlmer, priors
from unit import orange_trees
from unit.orange_trees import FORMULA, UNITS, normal_deviance

ORANGE = orange_trees.ORANGE.assign(area=np.linspace(1.0, 4.0, 35))
AGE, TALL = ORANGE["age"].to_numpy(float) / 1000, (ORANGE["tall"] == "yes").to_numpy()
AREA = ORANGE["area"].to_numpy()

Sds = Callable[[np.ndarray], np.ndarray]

#: Text, number of parameters, and the standard deviations of the rows that they make.
FUNCTIONS: dict[str, tuple[str, int, Sds]] = {
    "power": ("power(age)", 1, lambda z: AGE ** z[0]),
    "exponential": ("exponential(age)", 1, lambda z: np.exp(z[0] * AGE)),
    "by_group": ("by_group(tall)", 1, lambda z: np.where(TALL, np.exp(z[0]), 1.0)),
    "fixed": ("fixed(area)", 0, lambda z: np.sqrt(AREA)),
    "product": (
        "power(age) * by_group(tall)",
        2,
        lambda z: AGE ** z[0] * np.where(TALL, np.exp(z[1]), 1.0),
    ),
}


def deviance(p: np.ndarray, sds: Sds) -> float:
    """-2 log-likelihood at (Asym, xmid, scal) in UNITS, log sd, log sigma, and z."""
    return normal_deviance(p, sds(p[5:]))


def lowest(sds: Sds, k: int) -> Any:
    start = np.array([1.0, 1.0, 1.0, math.log(30), math.log(8), *[0.0] * k])
    found = optimize.minimize(deviance, start, (sds,), method="BFGS", options={"gtol": 1e-7})
    options = {"xatol": 1e-9, "fatol": 1e-11, "maxiter": 20000, "maxfev": 20000}
    return optimize.minimize(deviance, found.x, (sds,), method="Nelder-Mead", options=options)


def hessian(f: Callable[[np.ndarray], float], x: np.ndarray, h: float = 1e-3) -> np.ndarray:
    n = len(x)
    out, e = np.empty((n, n)), h * np.eye(n)
    for i in range(n):
        for j in range(n):
            out[i, j] = f(x + e[i] + e[j]) - f(x + e[i] - e[j]) - f(x - e[i] + e[j]) + f(x - e[i] - e[j])
    return out / (4 * h * h)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_likelihood_is_that_of_the_normal_distribution(name: str) -> None:
    text, k, sds = FUNCTIONS[name]
    m = nlmer(FORMULA, ORANGE, variance=text)
    best = lowest(sds, k)
    assert m.convergence.ok
    assert m.objective == pytest.approx(best.fun, abs=1e-6)
    assert np.allclose(m.fixef, best.x[:3] * UNITS, rtol=1e-4)
    assert m.varcorr["Tree"].sd[0] == pytest.approx(math.exp(best.x[3]), rel=1e-3)
    covariance = np.linalg.inv(hessian(lambda p: 0.5 * deviance(p, sds), best.x))
    assert np.allclose(m.bse, np.sqrt(np.diagonal(covariance))[:3] * UNITS, rtol=2e-3)
    # an exponential of age in thousands, and a power of it that has the same exponent
    of_column = {"exponential": 1e-3}.get(name, 1.0)
    natural = np.exp(best.x[5:]) if name == "by_group" else best.x[5:] * of_column
    if name == "product":
        natural = np.array([best.x[5], math.exp(best.x[6])])
    assert np.allclose(m.structure, natural, rtol=1e-3)
    own = np.asarray(m._fit.observation_variance())
    assert np.allclose(own, (math.exp(best.x[4]) * sds(best.x[5:])) ** 2, rtol=2e-3)


def test_what_such_a_model_answers(tmp_path: Any) -> None:
    m = nlmer(FORMULA, ORANGE, variance="power(age)")
    plain = nlmer(FORMULA, ORANGE)
    compared = ranef.anova(plain, m)
    assert compared["chisq"].iloc[1] == pytest.approx(plain.objective - m.objective)
    assert compared["df"].iloc[1] == 1
    assert "power" in str(m.summary())
    z = nlmer(FORMULA, ORANGE, variance="power(age)", curvature="gauss_newton")
    # with random effects that enter linearly both curvatures are the same
    assert z.objective == pytest.approx(m.objective, abs=1e-6)
    again = m.refit(ORANGE["circumference"])
    assert again.objective == pytest.approx(m.objective, abs=1e-7)
    m.save(tmp_path / "model")
    read = ranef.load(tmp_path / "model")
    assert read.objective == m.objective
    assert np.allclose(read.bse, m.bse)
    boot = m.bootstrap(3, rng=1)
    assert boot.to_frame()["value"].notna().all()
    assert m.conf_int().notna().to_numpy().all()
    drawn = m.simulate(300, rng=1).to_numpy()
    early, late = drawn[0].std(), m._fit.observation_variance()[0] ** 0.5
    assert early == pytest.approx(math.hypot(late, m.varcorr["Tree"].sd[0] * 0.14), rel=0.2)


FOLLOWING: dict[str, Callable[[np.ndarray, float], np.ndarray]] = {
    "power(fitted)": lambda f, z: z * np.log(np.abs(f)),
    "exponential(fitted)": lambda f, z: z * f,
}


@pytest.mark.parametrize("text", FOLLOWING)
def test_a_variance_that_follows_the_curve(text: str) -> None:
    """The objective at the estimates by sums over a fine grid of the effect of each tree; at an
    optimum no parameter by itself lowers it.
    """
    nodes = np.linspace(-6.0, 6.0, 3001)
    weights = np.exp(-0.5 * nodes**2) * (nodes[1] - nodes[0])
    m = nlmer(FORMULA, ORANGE, variance=text, n_quad=25)
    y, age = ORANGE["circumference"].to_numpy(float), ORANGE["age"].to_numpy(float)

    def objective(p: np.ndarray) -> float:
        asym, xmid, scal, sd, sigma, z = p
        total = 0.0
        for tree in ORANGE["Tree"].unique():
            rows = (ORANGE["Tree"] == tree).to_numpy()
            effects = asym + sd * nodes
            f = effects / (1 + np.exp((xmid - age[rows]) / scal))[:, None]
            s = math.log(sigma) + FOLLOWING[text](f, z)
            each = np.sum(-0.5 * ((y[rows][:, None] - f) * np.exp(-s)) ** 2 - s - 0.5 * math.log(2 * math.pi), axis=0)
            top = each.max()
            total += -2 * (top + math.log(np.sum(weights * np.exp(each - top)) / math.sqrt(2 * math.pi)))
        return total

    at = np.array([*m.fixef, m.varcorr["Tree"].sd[0], m.sigma, m.structure.iloc[0]])
    assert m.objective == pytest.approx(objective(at), abs=1e-5)
    covariance = np.linalg.inv(hessian(lambda p: 0.5 * objective(at * p), np.ones(6)))
    step = np.sqrt(np.diagonal(covariance)) / 20
    for i in range(6):
        e = step[i] * np.eye(6)[i]
        slope = (objective(at * (1 + e)) - objective(at * (1 - e))) / 2
        # less than a fiftieth of a standard error from the lowest point along each parameter
        assert abs(slope) < 0.02 * (objective(at * (1 + e)) + objective(at * (1 - e)) - 2 * objective(at)) / 0.05
    assert np.allclose(m.bse, np.sqrt(np.diagonal(covariance))[:3] * at[:3], rtol=5e-3)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"variance": "power(fitted)", "curvature": "gauss_newton"}, "observed"),
        ({"variance": "const_power(age)"}, "method='linearized'"),
        ({"variance": "power(age)", "prior": {"resid": priors.Gamma(4.0, 0.5)}}, "leave out correlation=, variance="),
        ({"correlation": "ar1(age | Tree)"}, "independent"),
    ],
)
def test_refused(arguments: dict[str, Any], words: str) -> None:
    data = ORANGE.assign(age=ORANGE["age"].rank(method="dense") * 100)
    with pytest.raises(OptionError, match=words):
        nlmer(FORMULA, data, **arguments)


def test_a_covariate_that_does_not_vary() -> None:
    with pytest.raises(DesignError, match="variance function"):
        nlmer(FORMULA, ORANGE.assign(one=2.0), variance="power(one)")


def test_a_curve_that_is_zero() -> None:
    """At the time zero nothing is there: it has no power, and an exponential."""
    theoph = load_dataset("Theoph")
    formula = "conc ~ SSfol(Dose, Time, lKe, lKa, lCl) ~ (lKa + lCl | Subject)"
    for method in ("laplace", "linearized"):
        with pytest.raises(DataError, match="a fitted value is zero"):
            nlmer(formula, theoph, variance="power(fitted)", method=method)
        m = nlmer(formula, theoph, variance="exponential(fitted)", method=method)
        assert m.convergence.ok
        assert m.objective < nlmer(formula, theoph, method=method).objective
