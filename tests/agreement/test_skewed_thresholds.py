"""Symmetric thresholds of data that are far from symmetric, against ``clmm`` of ordinal 2022.11-16
in R 4.2: ``w$y <- ordered(findInterval(wine$response, cuts)); clmm(y ~ temp + (1 | judge), w, link
= , threshold = , control = clmm.control(useMatrix = TRUE, gradTol = 1e-8))``.
"""

import numpy as np
import pandas as pd
import pytest

from ranef import clmm, load_dataset

pytestmark = pytest.mark.filterwarnings("ignore::ranef.RanefWarning")

#: Cuts of the response, thresholds, link; log-likelihood, effect of temp, threshold parameters.
CASES = [
    ((70, 80), "symmetric2", "logit", -41.7052018297, 3.16105031761, [0.445352959325]),
    ((70, 80), "symmetric2", "cloglog", -40.5333469074, 1.73911513469, [0.247490972315]),
    ((25, 30, 35, 80), "symmetric", "logit", -86.6965432647, 2.09535, [-0.242795768, 0.436623373, 2.813203653]),
    ((25, 30, 35, 80), "symmetric", "probit", -87.2470316335, 1.28288629, [-0.03893788, 0.35056687, 1.58642161]),
    ((25, 30, 35, 80), "symmetric2", "logit", -86.7195803015, 2.043138939, [0.341686704, 3.152244836]),
    ((25, 30, 35, 80), "symmetric2", "cloglog", -84.2932570731, 1.577282908, [0.23828528, 2.246099181]),
    ((60, 65, 70, 75), "symmetric2", "probit", -64.9899606556, 1.52775816461, [0.114355073, 0.428635621]),
    ((60, 70, 80), "symmetric2", "logit", -61.1336861032, 2.69270753821, [0.881752987]),
]


@pytest.mark.parametrize(("cuts", "threshold", "link", "llf", "effect", "parameters"), CASES, ids=str)
def test_as_ordinal(
    cuts: tuple[int, ...], threshold: str, link: str, llf: float, effect: float, parameters: list[float]
) -> None:
    wine = load_dataset("wine")
    wine["y"] = pd.Categorical(np.digitize(wine["response"], cuts), ordered=True)
    m = clmm("y ~ temp + (1 | judge)", wine, threshold=threshold, link=link)
    assert m.llf == pytest.approx(llf, abs=1e-6)
    assert m.fixef.iloc[0] == pytest.approx(effect, abs=1e-3)
    np.testing.assert_allclose(m.component("thresholds").fixef, parameters, atol=1e-3)


def test_random_effects_in_the_scale_and_nominal_effects() -> None:
    """Whatever else there is in the model, it has a start; three categories have no more thresholds
    than two symmetric ones.
    """
    wine = load_dataset("wine")
    wine["y"] = pd.Categorical(np.digitize(wine["response"], (70, 80)), ordered=True)
    for more in ({}, {"scale": "~ contact"}, {"nominal": "~ contact"}):
        free = clmm("y ~ temp + (1 | judge)", wine, **more)
        same = clmm("y ~ temp + (1 | judge)", wine, threshold="symmetric", **more)
        assert same.llf == pytest.approx(free.llf, abs=1e-6)
        narrower = clmm("y ~ temp + (1 | judge)", wine, threshold="symmetric2", **more)
        assert np.isfinite(narrower.llf)
        assert narrower.llf < free.llf + 1e-6
