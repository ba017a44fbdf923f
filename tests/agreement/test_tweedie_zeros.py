"""More zeros than Tweedie's distribution has, against glmmTMB 1.1.5."""

import numpy as np
import pandas as pd
import pytest

from ranef import glmer


def test_zero_inflated_tweedie() -> None:
    rng = np.random.default_rng(12)
    g = np.repeat(np.arange(15), 20)
    x = np.round(rng.normal(size=300), 3)
    mu = np.exp(0.6 + 0.4 * x + 0.4 * rng.normal(size=15)[g])
    numbers = rng.poisson(mu**0.5 / (0.8 * 0.5))
    y = np.array([rng.gamma(1.0, 0.4 * m**0.5, size=k).sum() for k, m in zip(numbers, mu, strict=True)])
    y = np.round(np.where(rng.random(300) < 1 / (1 + np.exp(1.0 - 0.7 * x)), 0, y), 4)
    data = pd.DataFrame({"g": [f"g{i}" for i in g], "x": x, "y": y})
    assert data["y"].sum() == pytest.approx(475.8305, abs=1e-6)
    # glmmTMB(y ~ x + (1 | g), data, family = tweedie, ziformula = ~ x), BFGS with reltol = 1e-14
    m = glmer("y ~ x + (1 | g)", data, family="tweedie", zi_formula="~ x")
    assert m.objective == pytest.approx(1052.925573, abs=2e-6)
    zi = m.component("zi")
    assert m.fixef.tolist() == pytest.approx([0.7138787, 0.4618772], abs=2e-4)
    assert zi.fixef.tolist() == pytest.approx([-1.1044523, 0.8706059], abs=6e-4)
    assert m.bse.tolist() == pytest.approx([0.12566, 0.06809], rel=2e-3)
    assert zi.bse.tolist() == pytest.approx([0.29931, 0.28668], rel=2e-3)
    assert m.family_params["power"] == pytest.approx(1.48154, abs=5e-5)
    # the mean of a response has its extra zeros
    assert np.allclose(m.predict(type="response"), m.predict(type="conditional") * (1 - m.predict(type="zprob")))
