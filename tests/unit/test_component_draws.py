"""Responses drawn from models with zeros and dispersion: of the rows of the fit, with effects that
predictors share, and of new rows.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import ranef
from ranef import glmer

FOLDER = Path(__file__).parents[1] / "reference" / "components"
SALAMANDERS = pd.read_parquet(FOLDER / "Salamanders.parquet")
FAMILIES = pd.read_parquet(FOLDER / "sim_families.parquet")
N = 4000

pytestmark = pytest.mark.filterwarnings("ignore::ranef.RanefWarning")


@pytest.fixture(scope="module")
def inflated() -> Any:
    return glmer("count ~ spp + mined + (1 | site)", SALAMANDERS, family="nbinom2", zi_formula="~ mined")


def close(draws: np.ndarray, mean: np.ndarray) -> None:
    """Means of draws within five standard errors."""
    error = draws.std(axis=1) / np.sqrt(draws.shape[1])
    assert (np.abs(draws.mean(axis=1) - mean) < 5 * error + 1e-9).all()


def test_new_rows_at_the_modes_have_the_predicted_means(inflated: Any) -> None:
    rows = SALAMANDERS.iloc[[0, 50, 200, 400, 600]]
    draws = inflated.simulate(N, newdata=rows, re="conditional", rng=1).to_numpy()
    close(draws, inflated.predict(rows).to_numpy())
    zeros = (draws == 0).mean(axis=1)
    mu, size = inflated.predict(rows, type="conditional"), inflated.predict(rows, type="disp")
    p = inflated.predict(rows, type="zprob")
    expected = (p + (1 - p) * (size / (size + mu)) ** size).to_numpy()
    assert np.abs(zeros - expected).max() < 5 * np.sqrt(0.25 / N)


def test_rows_of_the_fit_and_the_same_new_rows_are_alike(inflated: Any) -> None:
    own = inflated.simulate(300, rng=1).to_numpy()
    new = inflated.simulate(300, newdata=SALAMANDERS, rng=2).to_numpy()
    assert new.mean() == pytest.approx(own.mean(), rel=0.1)
    assert (new == 0).mean() == pytest.approx((own == 0).mean(), abs=0.02)


def test_new_levels_and_missing_values(inflated: Any) -> None:
    rows = SALAMANDERS.head(4).assign(site=["new", "new", "other", "R-1"])
    rows.loc[rows.index[2], "mined"] = None
    draws = inflated.simulate(500, newdata=rows, rng=3)
    assert draws.iloc[2].isna().all()
    assert draws.iloc[[0, 1, 3]].notna().all().all()


def test_effects_that_predictors_share_are_drawn_together() -> None:
    """Levels with large means have few zeros where the correlation is negative."""
    m = glmer("zip ~ x + (1 |p| g)", FAMILIES, family="poisson", zi_formula="~ 1 + (1 |p| g)")
    block = next(iter(m.varcorr.values()))
    factor = np.linalg.cholesky(block.cov + 1e-12 * np.eye(2))
    fit = m._fit
    rng = np.random.default_rng(1)
    drawn = [fit.drawn_effects(rng) for _ in range(400)]
    cond, zi = (np.concatenate([d[k][0][:, 0] for d in drawn]) for k in (0, 1))
    found = np.cov(cond, zi)
    np.testing.assert_allclose(found, factor @ factor.T, atol=0.06 * np.abs(block.cov).max())


def test_hurdles_and_held_shapes() -> None:
    m = glmer("hup ~ x + (1 | g)", FAMILIES, family="truncated_poisson", zi_formula="~ x + (1 | g)")
    rows = FAMILIES.head(6)
    draws = m.simulate(N, newdata=rows, re="conditional", rng=4).to_numpy()
    close(draws, m.predict(rows).to_numpy())
    assert np.abs((draws == 0).mean(axis=1) - m.predict(rows, type="zprob")).max() < 5 * np.sqrt(0.25 / N)
    m = glmer("st ~ x + (1 | g)", FAMILIES, family=ranef.StudentT(df=5.0))
    close(m.simulate(N, newdata=rows, re="conditional", rng=4).to_numpy(), m.predict(rows).to_numpy())


def test_trials_of_new_rows() -> None:
    data = FAMILIES.assign(share=FAMILIES["bb"] / FAMILIES["nt"])
    m = glmer("share ~ x + (1 | g)", data, family="betabinomial", weights="nt")
    rows = data.head(5)
    draws = m.simulate(N, newdata=rows, re="conditional", rng=4).to_numpy()
    close(draws, m.predict(rows).to_numpy())
    counts = draws * rows["nt"].to_numpy()[:, None]
    np.testing.assert_allclose(counts, np.rint(counts), atol=1e-9)


def test_many_responses_at_once() -> None:
    """Refits of a matrix are those of its columns."""
    m = glmer("count ~ mined + (1 | site)", SALAMANDERS, family="nbinom2", zi_formula="~ mined")
    draws = m.simulate(2, rng=1)
    found = m.refit(draws)
    for i, name in enumerate(draws):
        alone = m.refit(draws[name])
        assert found.objective[i] == pytest.approx(alone.objective, abs=1e-6)
        np.testing.assert_allclose(found.fixef[i], alone.fixef, atol=1e-3)
        np.testing.assert_allclose(found.theta[i], alone.theta, atol=1e-3)
