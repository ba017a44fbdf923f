"""Responses of new rows of models whose rows are correlated have the moments of the model."""

import numpy as np
import pandas as pd
import pytest

from ranef import gls, lmer, load_dataset, mmrm
from ranef.errors import DataError

DATA = load_dataset("orthodont")
DATA = DATA.assign(
    Subject=DATA["Subject"].astype(str),
    step=((DATA["age"] - 8) / 2).astype(int),
    visit=DATA["age"].map(lambda a: f"v{int(a):02d}"),
)
#: All rows of a subject of the fit, and three of a new one in an order of their own.
NEW = pd.concat([DATA[DATA["Subject"] == "M01"], DATA[DATA["Subject"] == "F01"].iloc[[3, 0, 2]].assign(Subject="new")])
DRAWS = 8_000


def expected(m, correlations) -> np.ndarray:
    same = NEW["Subject"].to_numpy()[:, None] == NEW["Subject"].to_numpy()
    random = m.sigma**2 * sum(t**2 for t in m.theta)
    return np.where(same, correlations + random, 0.0)


def drawn(m) -> np.ndarray:
    values = m.simulate(DRAWS, newdata=NEW, rng=1)
    assert list(values.index) == list(NEW.index)
    means = m.predict(NEW, re="population", new_levels="population").to_numpy()
    spread = values.std(axis=1).to_numpy() / DRAWS**0.5
    assert np.all(np.abs(values.mean(axis=1).to_numpy() - means) < 4.5 * spread)
    return np.cov(values.to_numpy())


def close(found: np.ndarray, want: np.ndarray) -> None:
    sd = np.sqrt(np.diagonal(want))
    error = np.sqrt((np.outer(sd, sd) ** 2 + want**2) / DRAWS)
    assert np.all(np.abs(found - want) < 4.5 * error)


def test_visits() -> None:
    m = mmrm("distance ~ Sex * factor(age) + us(visit | Subject)", DATA)
    close(drawn(m), expected(m, m.residual_cov.loc[NEW["visit"], NEW["visit"]].to_numpy()))


@pytest.mark.parametrize("random", [False, True])
def test_steps(random: bool) -> None:
    if random:
        m = lmer("distance ~ Sex * age + (1 | Subject)", DATA, correlation="ar1(step | Subject)")
    else:
        m = gls("distance ~ Sex * age", DATA, correlation="ar1(step | Subject)")
    step = NEW["step"].to_numpy()
    close(drawn(m), expected(m, m.sigma**2 * m.structure["rho"] ** np.abs(step[:, None] - step)))


def test_order_of_the_rows_and_variance_by_group() -> None:
    m = gls("distance ~ Sex * age", DATA, correlation="ar1(1 | Subject)", variance="by_group(Sex)")
    order = NEW.groupby("Subject").cumcount().to_numpy()
    female = NEW["Sex"].astype(str).to_numpy() == "Female"
    ratio = np.where(female, m.structure[next(n for n in m.structure.index if "Female" in n)], 1.0)
    close(
        drawn(m),
        expected(m, m.sigma**2 * np.outer(ratio, ratio) * m.structure["rho"] ** np.abs(order[:, None] - order)),
    )


def test_variance_alone_and_weights() -> None:
    m = gls("distance ~ Sex * age", DATA, variance="power(age)")
    sd = m.sigma * NEW["age"].to_numpy() ** m.structure.iloc[0]
    close(drawn(m), np.diag(sd**2))


def test_the_rows_of_the_fit_and_seeds() -> None:
    m = mmrm("distance ~ Sex * factor(age) + us(visit | Subject)", DATA)
    assert m.simulate(2, newdata=NEW, rng=3).equals(m.simulate(2, newdata=NEW, rng=3))
    gaps = NEW.assign(visit=["v99", *NEW["visit"].tolist()[1:]])
    assert m.simulate(1, newdata=gaps, rng=3).isna().to_numpy()[:, 0].tolist() == [True] + [False] * 6


def test_two_rows_at_one_place() -> None:
    m = mmrm("distance ~ Sex * factor(age) + us(visit | Subject)", DATA)
    with pytest.raises(DataError, match="of one block and two of them at one place"):
        m.simulate(1, newdata=pd.concat([NEW, NEW]))
