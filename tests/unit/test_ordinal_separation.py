"""Ordered categories that effects separate: also beside a scale that varies, by nominal effects,
and where thresholds have a structure.
"""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from ranef import clmm
from ranef.status import FitStatus

pytestmark = pytest.mark.filterwarnings("ignore::ranef.RanefWarning")


def data() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    out = pd.DataFrame({"g": rng.integers(0, 15, 200), "b": np.where(rng.random(200) < 0.3, "yes", "no")})
    out["x"] = rng.normal(size=200)
    latent = 0.5 * out["x"] + rng.normal(size=15)[out["g"]] + rng.logistic(size=200)
    out["y"] = np.digitize(latent, [-1.0, 1.0])
    return out


def ordered(values: Any) -> pd.Categorical:
    return pd.Categorical(values, ordered=True)


def said(m: Any) -> str:
    return " ".join(m._fit.messages)


@pytest.mark.parametrize("link", ["logit", "cloglog"])
def test_the_scale_of_a_row_does_not_matter(link: Any) -> None:
    d = data()
    d["y"] = ordered(np.where(d["b"] == "yes", 2, d["y"]))
    m = clmm("y ~ x + b + (1 | g)", d, scale="~ x", link=link)
    assert m.convergence.status is FitStatus.SEPARATION
    assert "b[T.yes] has no finite estimate" in said(m)
    assert clmm("y ~ x + (1 | g)", d, scale="~ x", link=link).convergence.ok


def test_nominal_effects_have_no_finite_estimate() -> None:
    d = data()
    d["y"] = ordered(np.where(d["b"] == "yes", 2, d["y"]))
    m = clmm("y ~ x + (1 | g)", d, nominal="~ b")
    assert "0|1.b[T.yes], 1|2.b[T.yes] have no finite estimate" in said(m)
    # the others have those of the rows without b, but for their share in the random effects
    assert m.convergence.ok
    assert "finite" not in said(clmm("y ~ 1 + (1 | g)", d, nominal="~ x"))


def test_nominal_effects_of_categories_that_do_not_occur() -> None:
    """Of rows with b there is none in the middle, whose thresholds then pass each other."""
    d = data()
    d["y"] = ordered(np.where((d["b"] == "yes") & (d["y"] == 1), 0, d["y"]))
    m = clmm("y ~ x + (1 | g)", d, nominal="~ b")
    assert "0|1.b[T.yes]" in said(m)
    assert "thresholds 0|1 and 1|2 cross" in said(m)
    assert "finite" not in said(clmm("y ~ x + b + (1 | g)", d))


@pytest.mark.parametrize(("threshold", "apart"), [("flexible", True), ("equidistant", True), ("symmetric2", False)])
def test_thresholds_move_as_their_structure_lets_them(threshold: Any, apart: bool) -> None:
    """The lowest category is where b is, and symmetric thresholds cannot tell it from the others
    without loss: the middle one would be as far away.
    """
    d = data()
    d["b"] = (d["b"] == "no").astype(float)
    d["y"] = ordered(np.where(d["b"] == 0, 0, np.maximum(d["y"], 1)))
    m = clmm("y ~ b + (1 | g)", d, threshold=threshold)
    assert (m.convergence.status is FitStatus.SEPARATION) is apart
    assert m.convergence.ok is not apart
