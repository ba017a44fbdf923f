"""The bootstrap of fits by the iterative solver: the same responses fitted by the exact one."""

import numpy as np
import pytest

from ranef import errors, lmer, scale
from ranef.fit.control import FitControl
from ranef.inference.bootstrap.one_by_one import replicates

FORMULA = "y ~ x + (x | g) + (1 | h)"
ITERATIVE = {"solver": "iterative"}


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(4)
    n, g, h = 3000, rng.integers(0, 200, 3000), rng.integers(0, 100, 3000)
    x = rng.normal(size=n)
    y = 1 + 0.3 * x + 0.6 * rng.normal(size=200)[g] + 0.3 * rng.normal(size=200)[g] * x
    return {"y": y + 0.5 * rng.normal(size=100)[h] + rng.normal(size=n), "x": x, "g": g, "h": h}


@pytest.mark.parametrize(
    ("kind", "options"), [("parametric", {}), ("parametric", {"re": "conditional"}), ("residual", {}), ("cases", {})]
)
def test_replicates_are_those_of_the_exact_solver(data, kind, options):
    exact, iterative = (lmer(FORMULA, data, control={"solver": s}) for s in ("exact", "iterative"))
    by = {"by": "g"} if kind == "cases" else {}
    own = iterative.bootstrap(4, type=kind, rng=7, **options, **by)
    re, group = options.get("re", "new"), by.get("by", "")
    # responses of the exact fit differ by the shift of theta, and groups are the same
    other = replicates(exact._fit, 4, kind, re, group, 7, FitControl(solver="exact"), 1, None)
    assert own.status.tolist() == ["converged"] * 4
    np.testing.assert_allclose(own.thetas, other.theta[:, exact._fit.order.theta_of_core], atol=0.01)
    np.testing.assert_allclose(own.std_errors, other.se, rtol=5e-3)


def test_intervals_by_the_bootstrap(data):
    m = lmer(FORMULA, data, control=ITERATIVE)
    frame = m.conf_int(method="boot", n=40, rng=1)
    wald = m.conf_int()
    width = (wald.iloc[:, 1] - wald.iloc[:, 0])[["x"]].to_numpy()
    assert 0.5 < (frame.loc["x"].iloc[1] - frame.loc["x"].iloc[0]) / width[0] < 1.6


def test_rows_that_are_not_kept_are_given_again(data):
    streamed = scale.fit(FORMULA, [data], control=ITERATIVE)
    with pytest.raises(errors.DataError, match=r"with_data\(source\)"):
        streamed.bootstrap(2)
    memory = lmer(FORMULA, data, control=ITERATIVE)
    own, other = (m.bootstrap(2, rng=3).thetas for m in (streamed.with_data(data), memory))
    np.testing.assert_allclose(own, other, atol=0.01)
