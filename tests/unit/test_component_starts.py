"""Starting values of models with several linear predictors."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from ranef import RanefError, Tweedie, glmer

pytestmark = pytest.mark.filterwarnings("ignore::ranef.RanefWarning")

ZI = "~ x + (1 | g)"


def frame(seed: int = 3, n: int = 240) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    g = rng.integers(0, 12, n)
    x = rng.normal(size=n)
    mean = np.exp(1.5 + 0.4 * x + 0.5 * rng.normal(size=12)[g])
    y = rng.poisson(rng.gamma(4.0, mean / 4.0))
    zero = 1 / (1 + np.exp(1.0 - 1.2 * rng.normal(size=12)[g]))
    return pd.DataFrame({"g": [f"g{i}" for i in g], "x": x, "y": np.where(rng.random(n) < zero, 0, y)})


def fitted(**arguments: Any) -> Any:
    return glmer("y ~ x + (1 | g)", frame(), family="nbinom2", zi_formula=ZI, **arguments)


def test_a_start_is_where_the_search_begins() -> None:
    """With no evaluations to spend, the estimates are the start."""
    start = {
        "theta": [0.4, 0.3],
        "fixef": {"(Intercept)": 1.1, "x": 0.2},
        "zi": [-1.5, 0.1],
        "disp": {"(Intercept)": 0.5},
    }
    m = fitted(start=start, control={"max_evaluations": 1})
    assert m.convergence.status.value == "max_evaluations"
    found = {(key, name): value for (key, name), value in m.params.items()}
    assert found[("cond", "(Intercept)")] == pytest.approx(1.1, abs=1e-12)
    assert found[("cond", "x")] == pytest.approx(0.2, abs=1e-12)
    assert found[("zi", "x")] == pytest.approx(0.1, abs=1e-12)
    assert found[("disp", "(Intercept)")] == pytest.approx(0.5, abs=1e-12)
    assert m.theta.tolist() == pytest.approx([0.4])
    assert m.varcorr["zi:g"].sd[0] == pytest.approx(0.3)


def test_the_optimum_does_not_depend_on_the_start() -> None:
    plain = fitted()
    for start in (
        [0.2, 1.0],
        {"zi": [-3.0, 0.0]},
        {"dispersion": 4.0},
        {"fixef": [0.0, 0.0], "theta": [1.0, 0.1]},
        {"g.(Intercept)": 0.3},
    ):
        m = fitted(start=start)
        assert m.convergence.ok
        assert m.objective == pytest.approx(plain.objective, abs=1e-6), start


@pytest.mark.parametrize(
    ("start", "sentence"),
    [
        ([0.2], "start must have 2 values"),
        ({"zi": [1.0]}, "start['zi'] must have 2 finite values, for (Intercept), x"),
        ({"zi": {"z": 1.0}}, "start['zi'] names no fixed effect: 'z'. They are (Intercept), x"),
        ({"theta": [0.1, 0.1], "shape": 2}, "start has no part 'shape'; its parts are theta, fixef, disp, zi"),
        ({"dispersion": -1.0}, "start['dispersion'] must be a positive number, not -1.0"),
        ({"fixef": "abc"}, "start['fixef'] must hold numbers"),
    ],
)
def test_bad_starts(start: Any, sentence: str) -> None:
    with pytest.raises(RanefError) as caught:
        fitted(start=start)
    assert sentence in str(caught.value)


def test_a_predictor_that_is_held_has_no_start() -> None:
    data = frame().assign(y=lambda d: d["y"] * 0.7)
    with pytest.raises(RanefError, match="is of a predictor that is held"):
        glmer("y ~ x + (1 | g)", data, family=Tweedie(power=1.5), start={"psi": 0.0})
    with pytest.raises(RanefError, match="is for a dispersion that is one number"):
        glmer("y ~ x + (1 | g)", data, family="tweedie", disp_formula="~ x", start={"dispersion": 2.0})
