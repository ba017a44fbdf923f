"""What is left without some rows of a model whose rows are correlated, against dense algebra of the
rows that stay.
"""

import numpy as np
import pandas as pd
import pytest

from ranef import gls, lmer, load_dataset, mmrm
from ranef.errors import OptionError

DATA = load_dataset("orthodont")
DATA = DATA.assign(
    Subject=DATA["Subject"].astype(str),
    step=((DATA["age"] - 8) / 2).astype(int),
    visit=DATA["age"].map(lambda a: f"v{int(a):02d}"),
)
DATA = DATA.sample(frac=0.9, random_state=3)


def covariance(m, data: pd.DataFrame) -> np.ndarray:
    """Of all rows, divided by sigma squared, from what users read."""
    same = data["Subject"].to_numpy()[:, None] == data["Subject"].to_numpy()
    if "rho" in m.structure.index:
        step = data["step"].to_numpy()
        v = np.where(same, m.structure["rho"] ** np.abs(step[:, None] - step), 0.0)
    else:
        visit = data["visit"].to_numpy()
        v = np.where(same, m.residual_cov.loc[visit, visit].to_numpy() / m.sigma**2, 0.0)
    return v + np.where(same, sum(t**2 for t in m.theta), 0.0)


def without(m, data: pd.DataFrame, rows: np.ndarray) -> tuple[np.ndarray, float, np.ndarray]:
    kept = np.setdiff1d(np.arange(len(data)), rows)
    x, y = m._fit.x[kept], data["distance"].to_numpy()[kept]
    w = np.linalg.inv(covariance(m, data)[np.ix_(kept, kept)])
    phi = np.linalg.inv(x.T @ w @ x)
    beta = phi @ x.T @ w @ y
    e = y - x @ beta
    variance = float(e @ w @ e) / (len(kept) - x.shape[1])
    return beta, variance**0.5, phi * variance


MODELS = {
    "gls": lambda: gls("distance ~ Sex * age", DATA, correlation="ar1(step | Subject)"),
    "mmrm": lambda: mmrm("distance ~ Sex * age + us(visit | Subject)", DATA),
    "lmer": lambda: lmer("distance ~ Sex * age + (1 | Subject)", DATA, correlation="ar1(step | Subject)"),
}


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("by", ["Subject", None])
def test_it_is_dense_algebra_of_the_rows_that_stay(kind: str, by: str | None) -> None:
    m = MODELS[kind]()
    found = m.influence(by)
    labels = DATA["Subject"].to_numpy()
    sets = (
        [np.array([i]) for i in range(len(DATA))]
        if by is None
        else [np.flatnonzero(labels == level) for level in found.index.astype(str)]
    )
    whole = m.cov_params().to_numpy()
    for i, rows in enumerate(sets):
        beta, sigma, cov = without(m, DATA, rows)
        change = beta - m.fixef.to_numpy()
        assert found.change[i] == pytest.approx(change, abs=1e-9)
        assert found.scaled_change[i] == pytest.approx(change / np.sqrt(np.diagonal(cov)), abs=1e-9)
        assert found.sigma[i] == pytest.approx(sigma, rel=1e-10)
        assert found.cov_ratio[i] == pytest.approx(np.linalg.det(cov) / np.linalg.det(whole), rel=1e-7)
        assert found.cooks[i] == pytest.approx(change @ np.linalg.solve(whole, change) / 4, rel=1e-6, abs=1e-12)
    assert found.n_deleted.tolist() == [len(rows) for rows in sets]


def test_levels_without_which_an_effect_has_no_estimate() -> None:
    data = DATA.assign(only=(DATA["Subject"] == "M01").astype(float))
    found = gls("distance ~ age + only", data, correlation="ar1(step | Subject)").influence("Subject")
    lost = found.index == "M01"
    assert np.isnan(found.change[lost]).all()
    assert np.isfinite(found.change[~lost]).all()


def test_a_factor_that_the_model_does_not_have() -> None:
    with pytest.raises(OptionError, match="must be one of the model's grouping factors, 'Subject', or None, not 'Sex'"):
        MODELS["gls"]().influence("Sex")
