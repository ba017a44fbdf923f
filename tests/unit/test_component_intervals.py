"""Intervals of predictions of models with zeros and dispersion: within their range, and those of
new responses against what is drawn.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import special

from ranef import glmer
from ranef.errors import OptionError

FOLDER = Path(__file__).parents[1] / "reference" / "components"
SALAMANDERS = pd.read_parquet(FOLDER / "Salamanders.parquet")
FAMILIES = pd.read_parquet(FOLDER / "sim_families.parquet")
#: Draws, and how many rows of the same kind are drawn at once.
N, ROWS = 20_000, 2_000

pytestmark = pytest.mark.filterwarnings("ignore::ranef.RanefWarning")

MODELS: dict[str, tuple[str, dict[str, str]]] = {
    "zinb": ("zinb2 ~ x + trt + (1 | g)", {"family": "nbinom2", "zi_formula": "~ x + (1 | g)"}),
    "hurdle": ("hup ~ x + (1 | g)", {"family": "truncated_poisson", "zi_formula": "~ x"}),
    "shared": ("zip ~ x + (1 |p| g)", {"family": "poisson", "zi_formula": "~ 1 + (1 |p| g)"}),
    "tweedie": ("tw ~ x + (1 | g)", {"family": "tweedie"}),
    "ordbeta": ("ob ~ x + (1 | g)", {"family": "ordbeta"}),
    "zigamma": ("zig ~ x + (1 | g)", {"family": "Gamma(log)", "zi_formula": "~ x"}),
    "t": ("st ~ x + (1 | g)", {"family": "t"}),
}


@pytest.fixture(scope="module")
def inflated() -> Any:
    return glmer("count ~ spp + mined + (1 | site)", SALAMANDERS, family="nbinom2", zi_formula="~ mined")


def test_confidence_limits_are_those_of_the_link(inflated: Any) -> None:
    rows = SALAMANDERS.head(5)
    for type, link, back in (
        ("zprob", "zlink", special.expit), ("conditional", "link", np.exp), ("disp", "displink", np.exp)
    ):  # fmt: skip
        found = inflated.predict(rows, type=type, interval="confidence")
        other = inflated.predict(rows, type=link, interval="confidence")
        for side in ("lower", "upper"):
            np.testing.assert_allclose(found[side], back(other[side]), rtol=1e-5)
    whole = inflated.predict(rows, interval="confidence")
    assert (whole["lower"] > 0).all()
    ratio = np.exp(1.959964 * whole["se"] / whole["fit"])
    np.testing.assert_allclose(whole["upper"], whole["fit"] * ratio, rtol=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_limits_of_new_responses_of_new_groups(name: str) -> None:
    """At known parameters they are quantiles of draws; estimates make them a little wider."""
    formula, options = MODELS[name]
    m = glmer(formula, FAMILIES, **options)  # type: ignore[arg-type]
    rows = FAMILIES.iloc[[0, 100, 200]].assign(g=["new 1", "new 2", "new 3"])
    found = m.predict(rows, re="population", interval="prediction")
    many = FAMILIES.iloc[np.repeat([0, 100, 200], ROWS)].assign(g=[f"new {i}" for i in range(3 * ROWS)])
    draws = m.simulate(N // ROWS, newdata=many, rng=2).to_numpy().reshape(3, N)
    lower, upper = (found[side].to_numpy()[:, None] for side in ("lower", "upper"))
    # values that lie on a limit are within, up to rounding
    tiny = 1e-9 * np.maximum(1.0, np.abs(upper))
    below, above = (draws < lower - tiny).mean(axis=1), (draws > upper + tiny).mean(axis=1)
    assert (below <= 0.025 + 0.004).all()
    assert (above <= 0.025 + 0.004).all()
    if m._fit.family.support != "count":
        assert ((above > 0.01) | (upper[:, 0] >= 1)).all()  # one itself has some probability
    else:  # one less would be too few
        assert ((draws > upper - 1 + tiny).mean(axis=1) > 0.012).all()


def test_limits_at_the_modes_are_quantiles_of_the_distribution(inflated: Any) -> None:
    rows = SALAMANDERS.iloc[[3, 300]]
    found = inflated.predict(rows, interval="prediction", level=0.8)
    many = SALAMANDERS.iloc[np.repeat([3, 300], ROWS)]
    draws = inflated.simulate(N // ROWS, newdata=many, re="conditional", rng=2).to_numpy().reshape(2, N)
    np.testing.assert_allclose(found["upper"], np.quantile(draws, 0.9, axis=1, method="inverted_cdf"), atol=1.0)
    assert (found["lower"] == 0).all()


def test_unseen_levels_add_their_variance(inflated: Any) -> None:
    rows = SALAMANDERS.iloc[[3]].assign(site="new")
    unseen = inflated.predict(rows, new_levels="population", type="link", se=True)
    alone = inflated.predict(rows, re="population", type="link", se=True)
    variance = float(inflated.varcorr["site"].cov[0, 0])
    assert unseen["se"].iloc[0] ** 2 == pytest.approx(alone["se"].iloc[0] ** 2 + variance, rel=1e-6)


def test_a_prediction_interval_is_for_responses(inflated: Any) -> None:
    with pytest.raises(OptionError, match="type='response'"):
        inflated.predict(type="zprob", interval="prediction")
