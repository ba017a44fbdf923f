"""Quadrature for two nested grouping factors:
against numerical integration in R at given parameters, and what follows for fits.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ranef import OptionError, glmer, load_dataset
from reference.store import load_data

FOLDER = Path(__file__).parents[1] / "reference"


def stored() -> dict[str, Any]:
    content = (FOLDER / "nested_quadrature.json").read_bytes()
    assert hashlib.md5(content).hexdigest() == (FOLDER / "nested_quadrature.md5").read_text().strip()
    loaded: dict[str, Any] = json.loads(content)
    return loaded


STORED = stored()
#: Fixed effects of the model of immunization in Guatemala (Rodríguez and Goldman 2001) as their own
#: program gives them with 12 quadrature points, log-likelihood -1323.9618:
#: https://data.princeton.edu/pop510/maxlik.html
IMMUNIZATION = [
    *(-1.233400, 1.716657, -0.215995, -0.260719, 0.179374, 0.431083, -0.172474, -0.083649),
    *(0.433026, 0.420005, 0.539349, 0.505110, -0.007241, 0.390044, -0.888257, -1.149777),
]

CASES = ["counts", "outcomes", "large"]


@pytest.fixture(scope="module")
def ticks() -> pd.DataFrame:
    frame = load_dataset("grouseticks")
    frame = frame[frame["YEAR"].astype(str) == "96"].copy()
    assert len(frame) == STORED["rows"]
    frame["height"] = (frame["HEIGHT"] - 460) / 50
    return frame


def family_of(case: dict[str, Any]) -> str:
    return "poisson" if case["response"] == "TICKS" else "binomial"


def objective_at(frame: pd.DataFrame, case: dict[str, Any], n_quad: int) -> float:
    """-2 log-likelihood at the parameters of a stored case."""
    fit = glmer(f"{case['response']} ~ height + (1 | LOCATION / BROOD)", frame, family=family_of(case))._fit
    inner_first = len(fit.design.random[fit.order.factors[0][0]].levels) > len(
        fit.design.random[fit.order.factors[1][0]].levels
    )
    sds = [case["sd_inner"], case["sd_outer"]]
    theta = np.array(sds if inner_first else sds[::-1])
    out = fit.system.get(1).evaluate(theta, np.array(case["beta"]), None, n_quad, "observed", 1)
    return float(out.objective)


@pytest.mark.filterwarnings("ignore::ranef.RanefWarning")
@pytest.mark.parametrize("name", CASES)
def test_many_nodes_are_the_integral(ticks: pd.DataFrame, name: str) -> None:
    case = STORED[name]
    assert case["finer"] == pytest.approx(case["objective"], rel=1e-12)
    assert objective_at(ticks, case, 61) == pytest.approx(case["objective"], rel=1e-8)
    laplace, few = objective_at(ticks, case, 1), objective_at(ticks, case, 7)
    assert abs(few - case["objective"]) < 0.05 * abs(laplace - case["objective"])


def test_a_fit_where_laplace_is_far_off() -> None:
    frame = load_data("guImmun")
    fixed = "immun ~ kid2p + mom25p + ord + ethn + momEd + husEd + momWork + rural + pcInd81"
    m = glmer(f"{fixed} + (1 | comm / mom)", frame, family="binomial")
    assert m.laplace_error() < -30
    q = m.update(n_quad=11)
    assert q.convergence.ok
    assert q.objective < m.objective + m.laplace_error(11) - 20
    # twelve nodes that do not adapt have errors of this size
    np.testing.assert_allclose(q.theta, np.exp([0.839785, 0.024317]), atol=0.004)
    np.testing.assert_allclose(q.fixef, IMMUNIZATION, atol=0.006)
    assert q.llf == pytest.approx(-1323.9618, abs=0.02)
    assert m.theta.iloc[0] < 1.2
    more = objective_of(q, 21)
    assert q.objective == pytest.approx(more, abs=0.02)
    # the layout of the formula does not matter, nor the order of the terms
    other = glmer(f"{fixed} + (1 | comm) + (1 | mom)", frame, family="binomial", n_quad=11)
    assert other.objective == pytest.approx(q.objective, abs=1e-6)
    np.testing.assert_allclose(other.bse, q.bse, rtol=1e-4)


def objective_of(m: Any, n_quad: int) -> float:
    """-2 log-likelihood at the estimates with another number of nodes."""
    return float(m._fit.objective_at(n_quad))


@pytest.mark.parametrize(
    ("random", "said"),
    [
        ("(1 | BROOD) + (1 | week)", "'week' and 'BROOD' are crossed"),
        ("(1 | LOCATION / BROOD / INDEX)", "at most 2 nested"),
        ("(height | LOCATION) + (1 | BROOD)", "'LOCATION' has 2"),
        ("(1 + height + I(height ^ 2) + HEIGHT | LOCATION)", "at most 3 random effects"),
    ],
)
def test_what_quadrature_is_not_for(ticks: pd.DataFrame, random: str, said: str) -> None:
    frame = ticks.assign(week=np.arange(len(ticks)) % 5)
    with pytest.raises(OptionError, match=said):
        glmer(f"TICKS ~ height + {random}", frame, family="poisson", n_quad=7)
