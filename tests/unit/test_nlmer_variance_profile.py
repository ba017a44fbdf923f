"""Profiles of nonlinear models with variance functions: the deviance at their limits with all
other parameters estimated again, by the exact likelihood of curves that are linear in their random
effects, and points of the curves by sums over a grid of the effect of each tree.
"""

import math
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import optimize, stats

from ranef import OptionError, nlmer
from unit.orange_trees import FORMULA, ORANGE, UNITS, normal_deviance

AGE, Y = ORANGE["age"].to_numpy(float), ORANGE["circumference"].to_numpy(float)
LOG_AGE, TALL = np.log(AGE), (ORANGE["tall"] == "yes").to_numpy()
TREES = [(ORANGE["Tree"] == tree).to_numpy() for tree in ORANGE["Tree"].unique()]

#: Text, and logarithms of the standard deviations of the rows in units of sigma by the parameters.
COLUMNS: dict[str, tuple[str, Callable[[np.ndarray], np.ndarray]]] = {
    "power": ("power(age)", lambda z: z[0] * LOG_AGE),
    "by_group": ("by_group(tall)", lambda z: z[0] * TALL),
    "product": (
        "power(age) * by_group(tall)",
        lambda z: z[0] * LOG_AGE + z[1] * TALL,
    ),
}

FOLLOWING: dict[str, Callable[[np.ndarray, float], np.ndarray]] = {
    "power(fitted)": lambda f, z: z * np.log(np.abs(f)),
    "exponential(fitted)": lambda f, z: z * f,
}


def deviance(p: np.ndarray, log_sds: Callable[[np.ndarray], np.ndarray]) -> float:
    """-2 log-likelihood at (Asym, xmid, scal) in UNITS, log sd, log sigma, and z."""
    return normal_deviance(p, np.exp(log_sds(p[5:])))


@pytest.mark.parametrize("name", COLUMNS)
def test_limits_are_where_the_deviance_rises_by_the_quantile(name: str) -> None:
    text, log_sds = COLUMNS[name]
    m = nlmer(FORMULA, ORANGE, variance=text)
    limits = m.conf_int("profile")
    natural = m.structure.to_numpy()
    ratio = np.array([n.startswith("sd_ratio") for n in m.structure.index])
    z = np.where(ratio, np.log(np.where(ratio, natural, 1.0)), natural)
    best = np.array([*(m.fixef / UNITS), math.log(m.varcorr["Tree"].sd[0]), math.log(m.sigma), *z])
    lowest = deviance(best, log_sds)
    assert m.objective == pytest.approx(lowest, abs=1e-6)
    places = {"Asym": 0, "xmid": 1, "scal": 2, "sd_Asym|Tree": 3, "sigma": 4}
    places |= {parameter: 5 + j for j, parameter in enumerate(m.structure.index)}
    assert set(limits.index) == set(places)
    for parameter, i in places.items():
        for limit in limits.loc[parameter]:
            there = limit / UNITS[i] if i < 3 else math.log(limit) if i < 5 or ratio[i - 5] else limit
            others = [j for j in range(len(best)) if j != i]

            def held(x: np.ndarray, i: int = i, there: float = there, others: list[int] = others) -> float:
                p = np.empty(len(best))
                p[i], p[others] = there, x
                return deviance(p, log_sds)

            start = best[others]
            if i == 4 and "power" in text:  # at the mean age standard deviations stay what they are
                start = start.copy()
                start[4] += (best[4] - there) / np.log(AGE).mean()
            found = optimize.minimize(held, start, method="BFGS", options={"gtol": 1e-6})
            polish = {"xatol": 1e-8, "fatol": 1e-9, "maxiter": 4000, "maxfev": 4000}
            found = optimize.minimize(held, found.x, method="Nelder-Mead", options=polish)
            assert found.fun - lowest == pytest.approx(stats.chi2.ppf(0.95, 1), abs=2e-4), (parameter, limit)


def grid_deviance(text: str, p: np.ndarray) -> float:
    """The same where the variance follows the curve, at (Asym, xmid, scal, sd, sigma, z)."""
    nodes = np.linspace(-7.0, 7.0, 2001)
    weights = np.exp(-0.5 * nodes**2) * (nodes[1] - nodes[0])
    asym, xmid, scal, sd, sigma, z = p
    total = 0.0
    for rows in TREES:
        f = (asym + sd * nodes) / (1 + np.exp((xmid - AGE[rows]) / scal))[:, None]
        s = math.log(sigma) + FOLLOWING[text](f, z)
        each = np.sum(-0.5 * ((Y[rows][:, None] - f) * np.exp(-s)) ** 2 - s - 0.5 * math.log(2 * math.pi), axis=0)
        top = each.max()
        total += -2 * (top + math.log(np.sum(weights * np.exp(each - top)) / math.sqrt(2 * math.pi)))
    return total


@pytest.mark.parametrize("text", FOLLOWING)
@pytest.mark.parametrize("parameter", ["sd_Asym|Tree", "sigma", "STRUCTURE"])
def test_points_of_a_curve_whose_variance_follows_the_fit(text: str, parameter: str) -> None:
    """Zeta is the root of the rise of the deviance, and no other parameter lowers it there."""
    m = nlmer(FORMULA, ORANGE, variance=text, n_quad=25)
    name = m.structure.index[0]
    parameter = name if parameter == "STRUCTURE" else parameter
    frame = m.profile(parameter, level=0.5).to_frame()
    columns = ["Asym", "xmid", "scal", "sd_Asym|Tree", "sigma", name]
    free = [j for j, column in enumerate(columns) if column != parameter]
    for row in (frame.iloc[0], frame.iloc[-1]):
        at = row[columns].to_numpy(float)
        here = grid_deviance(text, at)
        assert here - m.objective == pytest.approx(row["zeta"] ** 2, abs=2e-3)
        for j in free:
            e = 0.002 * np.eye(6)[j]
            up, down = grid_deviance(text, at * (1 + e)), grid_deviance(text, at * (1 - e))
            # what a step to the lowest point along the parameter would gain
            assert (up - down) ** 2 / (8 * (up + down - 2 * here)) < 1e-4


@pytest.mark.parametrize("text", FOLLOWING)
def test_limits_of_a_variance_that_follows_the_curve(text: str) -> None:
    """Those of the interval lie on the curve, whatever the steps to them; the interval of a
    standard deviation once ended too early.
    """
    m = nlmer(FORMULA, ORANGE, variance=text)
    limits, curves = m.conf_int("profile"), m.profile()
    assert np.isfinite(limits.to_numpy()).all()
    for parameter, (lower, upper) in limits.iterrows():
        found = curves.zeta(parameter, [lower, upper])
        np.testing.assert_allclose(found, [-1.959964, 1.959964], atol=5e-3)


def test_curvatures_agree_where_effects_are_linear() -> None:
    one, two = (
        nlmer(FORMULA, ORANGE, variance="power(age)", curvature=c).conf_int("profile")
        for c in ("observed", "gauss_newton")
    )
    np.testing.assert_allclose(one, two, rtol=1e-4)


def test_a_model_that_was_pickled_and_what_is_refused() -> None:
    m: Any = nlmer(FORMULA, ORANGE, variance="by_group(tall)")
    again = pickle.loads(pickle.dumps(m)).profile("sd_ratio(yes)").conf_int()
    np.testing.assert_allclose(again, m.conf_int("profile", parm="sd_ratio(yes)"), rtol=1e-3)
    turns = nlmer(FORMULA, ORANGE, variance="power(age)", method="linearized")
    with pytest.raises(OptionError, match="none to profile"):
        turns.profile()
