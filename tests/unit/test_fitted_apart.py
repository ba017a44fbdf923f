"""Hurdle models whose parts share nothing: each part by itself is the same fit."""

import warnings
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ranef import glmer
from ranef._core import NoModesError
from ranef.errors import MemoryLimitError
from ranef.fit.components import fit as component_fit


def frame(seed: int = 5, n: int = 300) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    g, h = rng.integers(0, 14, n), rng.integers(0, 6, n)
    x = rng.normal(size=n)
    effect = 0.5 * rng.normal(size=14)[g] + 0.3 * rng.normal(size=6)[h]
    counts = rng.poisson(np.exp(0.8 + 0.4 * x + effect))
    some = rng.random(n) > 1 / (1 + np.exp(0.6 - 0.5 * x - effect))
    return pd.DataFrame(
        {
            "g": [f"g{i}" for i in g],
            "h": [f"h{i}" for i in h],
            "x": x,
            "f": np.array(["a", "b", "c"])[rng.integers(0, 3, n)],
            "o": rng.uniform(-0.3, 0.3, n),
            "w": rng.integers(1, 3, n).astype(float),
            "count": np.where(some, np.maximum(counts, 1), 0),
            "amount": np.where(some, rng.gamma(2.0, np.exp(0.3 * x + effect)), 0.0),
        }
    )


MODELS: list[tuple[str, dict[str, Any]]] = [
    ("count ~ x + f + (1 | g)", {"family": "truncated_poisson", "zi_formula": "~ x + (1 | h)"}),
    ("count ~ x + (x | g)", {"family": "truncated_nbinom2", "zi_formula": "~ f + (1 | g)", "disp_formula": "~ x"}),
    ("count ~ x + offset(o) + (1 | g) + (1 | h)", {"family": "truncated_nbinom1", "zi_formula": "~ 1", "weights": "w"}),
    ("amount ~ x + (1 | g)", {"family": "Gamma(log)", "zi_formula": "~ x + offset(o) + (1 | g)"}),
    ("amount ~ 1 + (1 | g)", {"family": "lognormal", "zi_formula": "~ x", "disp_formula": "~ 1 + (1 | g)"}),
    ("count ~ x + (1 | g)", {"family": "truncated_poisson", "zi_formula": "~ x + (1 | g)", "n_quad": 7}),
]


@pytest.mark.parametrize(("formula", "arguments"), MODELS, ids=range(len(MODELS)))
def test_both_parts_are_the_joint_fit(formula: str, arguments: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    data = frame()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        apart = glmer(formula, data, **arguments)
        monkeypatch.setattr(component_fit, "fitted_apart", lambda *_: None)
        joint = glmer(formula, data, **arguments)
    assert apart.convergence.ok
    assert joint.convergence.ok
    assert apart.objective == pytest.approx(joint.objective, abs=1e-8)
    errors = np.sqrt(np.diag(joint.cov_params()))
    assert np.nanmax(np.abs(apart.params - joint.params) / errors) < 1e-3
    own, other = (np.asarray(m.cov_params()) / np.outer(errors, errors) for m in (apart, joint))
    # NaN where a variance is zero
    assert np.array_equal(np.isnan(own), np.isnan(other))
    assert np.allclose(np.nan_to_num(own), np.nan_to_num(other), atol=1e-4)
    assert np.allclose(apart.predict(type="zprob"), joint.predict(type="zprob"), atol=1e-5)
    assert np.allclose(apart.predict(type="response"), joint.predict(type="response"), rtol=1e-4)
    assert list(apart.varcorr) == list(joint.varcorr)
    assert apart.convergence.search.runs != joint.convergence.search.runs


def test_the_objective_is_the_sum_of_two_models() -> None:
    """One of zeros among all rows, one of the positive rows alone."""
    data = frame()
    m = glmer("count ~ x + (1 | g)", data, family="truncated_poisson", zi_formula="~ x + (1 | h)")
    zeros = glmer("z ~ x + (1 | h)", data.assign(z=(data["count"] == 0).astype(int)), family="binomial")
    some = glmer("count ~ x + (1 | g)", data[data["count"] > 0], family="truncated_poisson")
    assert m.objective == pytest.approx(zeros.objective + some.objective, abs=1e-9)
    assert np.allclose(m.component("zi").bse, zeros.bse, rtol=1e-5)
    assert np.allclose(m.bse, some.bse, rtol=1e-5)


def test_parts_that_share_random_effects_are_one_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[object] = []
    own = component_fit.fitted_apart

    def noted(*arguments: Any) -> Any:
        seen.append(own(*arguments))
        return seen[-1]

    monkeypatch.setattr(component_fit, "fitted_apart", noted)
    glmer("count ~ x + (1 |p| g)", frame(), family="truncated_poisson", zi_formula="~ 1 + (1 |p| g)")
    assert seen == [None]


def test_only_modes_that_are_not_found_lead_to_a_joint_search() -> None:
    class System:
        def __init__(self, problem: ValueError):
            self.problem = problem

        def solution(self, *_: Any, **__: Any) -> Any:
            raise self.problem

    apart: Any = SimpleNamespace(theta=np.ones(1), beta=np.ones(1))
    lost: Any = System(NoModesError("the modes of the random effects cannot be found at these parameters"))
    assert component_fit._at_estimates(lost, apart, (1, "observed"), 1) is None
    large: Any = System(MemoryLimitError("the model does not fit into memory"))
    with pytest.raises(MemoryLimitError):
        component_fit._at_estimates(large, apart, (1, "observed"), 1)
