"""Cumulative link mixed models against R's ordinal, and where ordinal is wrong, against the right
value: an independent minimisation of the same objective (``crosscheck`` of the stored cases).
"""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ranef import clmm, load_dataset
from reference.store import load_data

CASES: dict[str, Any] = json.loads((Path(__file__).parents[1] / "reference" / "ordinal.json").read_text())

pytestmark = pytest.mark.filterwarnings("ignore:singular fit")

WINE = "rating ~ temp + contact + (1 | judge)"

#: Case, formula and arguments: R's calls in our words.
CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "ord_soup": ("SURENESS ~ PROD + (1 | RESP)", {}),
    "ord_wine_agq": (WINE, {"n_quad": 15}),
    "ord_wine_cauchit": (WINE, {"link": "cauchit"}),
    "ord_wine_cloglog": (WINE, {"link": "cloglog"}),
    "ord_wine_crossed": (WINE + " + (1 | bottle)", {}),
    "ord_wine_equidistant": (WINE, {"threshold": "equidistant"}),
    "ord_wine_logit": (WINE, {}),
    "ord_wine_nominal": ("rating ~ temp + (1 | judge)", {"nominal": "~ contact"}),
    "ord_wine_probit": ("rating ~ temp * contact + (1 | judge)", {"link": "probit"}),
    "ord_wine_scale": (WINE, {"scale": "~ contact"}),
    "ord_wine_scale_agq": (WINE, {"scale": "~ contact", "n_quad": 25}),
    "ord_wine_symmetric": (WINE, {"threshold": "symmetric"}),
}


def test_every_case_is_here() -> None:
    assert set(CALLS) == set(CASES)


def fitted(name: str) -> Any:
    formula, arguments = CALLS[name]
    data = load_dataset("wine") if CASES[name]["data"] == "wine" else load_data(CASES[name]["data"])
    return clmm(formula, data, **arguments)


@pytest.mark.parametrize("name", CALLS)
def test_case(name: str) -> None:
    case, m = CASES[name], fitted(name)
    right = case["crosscheck"] or case["best"]
    best = right["objective"]
    assert m.objective <= best + 1e-6
    assert m.objective == pytest.approx(best, abs=1e-4)
    error = max(1e-3, 2 * math.sqrt(abs(m.objective - best)))
    beta = list((case["crosscheck"] or case["best"])["beta"].values())
    assert np.allclose(m.fixef, beta, atol=error * m.bse.max(), rtol=0)
    part = m.component("thresholds")
    # the standard errors of clmm, thresholds first; those of clmm2 begin with the random effect's
    if isinstance(right.get("se"), dict):
        names = [*part.fixef.index, *CASES[name]["best"]["beta"]]
        errors = dict(zip(names, [*part.bse, *m.bse], strict=True))
        for key, se in right["se"].items():
            assert errors[key] == pytest.approx(se, rel=2e-3)
    elif right.get("se"):
        own = [*m.bse, *(v for p in m._fit.part_effects() for v in np.sqrt(np.diagonal(p.covariance)))]
        assert np.allclose(own, right["se"][1:], rtol=2e-3)
    if case["crosscheck"] and "threshold_parameters" in case["crosscheck"]:
        assert np.allclose(part.fixef, list(case["crosscheck"]["threshold_parameters"].values()), atol=1e-3)
    if case["crosscheck"] and "thresholds" in case["crosscheck"]:
        rows = case["crosscheck"]["thresholds"]
        assert np.allclose(m.thresholds, rows[0], atol=1e-3)
        if len(rows) > 1:
            assert np.allclose(m.component("nominal").fixef, rows[1], atol=1e-3)
        zeta = list(case["crosscheck"]["zeta"].values())
        if zeta:
            assert np.allclose(m.component("scale").fixef, zeta, atol=1e-3)


#: Where the parameters stored are not the thresholds themselves, or ordinal's path is not exact.
LOOSE = {"ord_wine_cauchit": 1e-3, "ord_wine_logit": 1e-7}


@pytest.mark.parametrize("name", [n for n, c in CASES.items() if c["at_fixed"]])
def test_objective_at_fixed_parameters(name: str) -> None:
    """Before the optimum: the objective far from it, of R's exact path."""
    m, points = fitted(name), CASES[name]["at_fixed"]
    fit = m._fit
    for point in points if isinstance(points, list) else [points]:
        par = np.array(point["par"])
        a, p = len(fit.extras) + sum(len(own.beta) for own in fit.others), len(fit.beta)
        sds = par[a + p :]
        # the compiled path has the logarithm of the standard deviation, the others have it itself
        theta = np.exp(sds) if "sd" in CASES[name]["best"] else sds
        e = len(fit.extras)
        beta = fit.joined(par[a : a + p], par[:e], par[e:a])
        at = fit.system.get(1).evaluate(theta[fit.order.core_of_theta], beta, None, fit.n_quad, "observed")
        assert at.objective == pytest.approx(point["objective"], abs=LOOSE.get(name, 1e-8))


# ---- where ordinal is wrong


def test_cloglog_is_not_loglog() -> None:
    """clmm of ordinal 2022.11-16 with one scalar random effect exchanges the two links."""
    case = CASES["ord_wine_cloglog"]
    assert case["default_objective"] == pytest.approx(165.4584, abs=5e-4)
    cloglog, loglog = (clmm(WINE, load_dataset("wine"), link=link) for link in ("cloglog", "loglog"))
    assert cloglog.objective == pytest.approx(163.0825001633, abs=1e-6)
    assert loglog.objective == pytest.approx(165.4584, abs=1e-4)


def test_scale_effects_have_the_whole_determinant() -> None:
    """clmm2 leaves a factor out of the Hessian: its -2 log-likelihood is no Laplace value."""
    m = fitted("ord_wine_scale")
    assert CASES["ord_wine_scale"]["best"]["objective"] == pytest.approx(162.926, abs=1e-3)
    assert m.objective == pytest.approx(163.1290602335, abs=1e-6)


def test_nominal_and_scale_effects_with_crossed_factors() -> None:
    """No other program fits these; gradient and optimum are checked against differences."""
    m = clmm("rating ~ temp + (1 | judge) + (1 | bottle)", load_dataset("wine"), nominal="~ contact", scale="~ temp")
    fit = m._fit
    x = np.concatenate([fit.theta, fit.whole_beta]) + 0.05
    t = len(fit.theta)
    system = fit.system.get(1)

    def at(x: np.ndarray) -> Any:
        return system.evaluate(x[:t][fit.order.core_of_theta], x[t:], None, 1, "observed")

    step = 1e-5 * np.eye(len(x))
    slopes = [(at(x + s).objective - at(x - s).objective) / 2e-5 for s in step]
    gradient = at(x).gradient
    gradient[:t] = gradient[:t][fit.order.theta_of_core]
    assert np.allclose(gradient, slopes, atol=1e-6)
    assert m.convergence.ok
