"""What models of sums and iterative fits have without rows, against the rows in memory."""

import numpy as np
import pandas as pd
import pytest

from ranef import DataError, OptionError, lmer, scale

FORMULA = "y ~ x + f + (1 | g) + (1 | h)"


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    rng = np.random.default_rng(8)
    n = 2_500
    d = pd.DataFrame({"x": 40 + 3 * rng.normal(size=n), "g": rng.integers(60, size=n), "h": rng.integers(30, size=n)})
    d["f"] = np.array(["a", "b", "c"])[rng.integers(3, size=n)]
    effects = rng.normal(size=60)[d.g] + 0.5 * rng.normal(size=30)[d.h]
    d["y"] = 1e3 + 0.2 * d.x + 0.4 * (d.f == "b") + effects + rng.normal(size=n)
    return d


@pytest.mark.parametrize("solver", ["exact", "iterative"])
def test_effect_sizes_need_no_rows(data: pd.DataFrame, solver: str) -> None:
    rows = lmer(FORMULA, data).effect_sizes(ddf="residual").to_frame().set_index("term")
    m = scale.fit(FORMULA, [data[:900], data[900:]], control={"solver": solver})
    sums = m.effect_sizes(ddf="residual").to_frame().set_index("term")
    # coefficients of the iterative solver are those of its own theta
    within = 1e-7 if solver == "exact" else 3e-3
    pd.testing.assert_frame_equal(sums, rows, rtol=within, atol=within)
    assert np.isnan(sums.d["x"])
    # the definition, by hand
    by_hand = m.fixef["x"] * data.x.std() / data.y.std()
    assert sums.std_coef["x"] == pytest.approx(by_hand, rel=1e-9)


def test_weighted_sums_say_what_they_need(data: pd.DataFrame) -> None:
    m = scale.fit(FORMULA, data.assign(w=1.5), weights="w")
    with pytest.raises(DataError, match="with_data"):
        m.effect_sizes()


def test_kenward_roger_of_iterative_fits_names_what_there_is(data: pd.DataFrame) -> None:
    m = lmer(FORMULA, data, control={"solver": "iterative"})
    for ask in (m.anova, m.summary):
        with pytest.raises(OptionError, match=r"fitted by the iterative solver, which has 'satterthwaite'"):
            ask(ddf="kenward-roger")
