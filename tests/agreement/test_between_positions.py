"""Predictions of terms at positions at places that the fit has not seen: kriging, by dense algebra
and by the same model as a correlation of the rows.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ranef import NewLevelError, glmer, gls, lmer

FIELDS = pd.read_parquet(Path(__file__).parents[1] / "reference" / "data" / "sim_fields.parquet")
NEW = FIELDS.iloc[[3, 40, 77, 120]].assign(east=lambda d: d["east"] + [0.37, 0.0, -1.2, 0.01])


def test_they_are_those_of_the_joint_normal() -> None:
    m = lmer("yield ~ trt + exp(0 + east + north | field)", FIELDS)
    sd, reach = m.theta.iloc[0] * m.sigma, np.exp(m.theta.iloc[1])
    both = pd.concat([FIELDS, NEW])
    place, field = both[["east", "north"]].to_numpy(), both["field"].astype(str).to_numpy()
    distance = np.sqrt(((place[:, None] - place) ** 2).sum(axis=-1))
    c = np.where(field[:, None] == field, sd**2 * np.exp(-distance / reach), 0.0)
    n = len(FIELDS)
    v = c[:n, :n] + m.sigma**2 * np.eye(n)
    x = np.column_stack(
        [np.ones(len(both)), *(both["trt"] == t for t in FIELDS["trt"].astype("category").cat.categories[1:])]
    )
    x = x.astype(float)
    w = np.linalg.inv(v)
    phi = np.linalg.inv(x[:n].T @ w @ x[:n])
    beta = phi @ x[:n].T @ w @ FIELDS["yield"].to_numpy()
    across = c[n:, :n] @ w
    mean = x[n:] @ beta + across @ (FIELDS["yield"].to_numpy() - x[:n] @ beta)
    rest = x[n:] - across @ x[:n]
    variance = np.diagonal(c[n:, n:] - across @ c[:n, n:] + rest @ phi @ rest.T)
    found = m.predict(NEW, se=True, interval="prediction")
    assert found["fit"].to_numpy() == pytest.approx(mean, abs=1e-6)
    assert found["se"].to_numpy() == pytest.approx(np.sqrt(variance), rel=1e-5)
    half = (found["upper"] - found["lower"]).to_numpy() / 2
    assert half == pytest.approx(1.959964 * np.sqrt(variance + m.sigma**2), rel=1e-5)
    # without the effects the whole of their variance is that of a new response
    alone = m.predict(NEW, re="population", interval="prediction")
    fixed = np.einsum("ij,jk,ik->i", x[n:], phi, x[n:])
    half = (alone["upper"] - alone["lower"]).to_numpy() / 2
    assert half == pytest.approx(1.959964 * np.sqrt(fixed + sd**2 + m.sigma**2), rel=1e-5)


@pytest.mark.parametrize("name", ["exp", "gau"])
def test_they_are_those_of_a_correlation_of_the_rows(name: str) -> None:
    effects = lmer(f"yield ~ trt + {name}(0 + east + north | field)", FIELDS)
    rows = gls("yield ~ trt", FIELDS, correlation=f"{name}(east + north | field, nugget=True)")
    one, other = (m.predict(NEW.iloc[[0, 2, 3]], se=True, interval="prediction") for m in (effects, rows))
    assert one["fit"].to_numpy() == pytest.approx(other["fit"].to_numpy(), abs=1e-4)
    assert one["lower"].to_numpy() == pytest.approx(other["lower"].to_numpy(), rel=1e-4)


def test_near_a_position_and_far_from_all() -> None:
    m = lmer("yield ~ trt + gau(0 + east + north | field)", FIELDS)
    own = FIELDS.iloc[[5]]
    near = m.predict(own.assign(east=own["east"] + 1e-7))
    assert near.iloc[0] == pytest.approx(m.predict(own).iloc[0], abs=1e-3)
    far = m.predict(own.assign(east=1e6), se=True)
    assert far["fit"].iloc[0] == pytest.approx(m.predict(own, re="population").iloc[0], abs=1e-6)
    assert far["se"].iloc[0] > m.theta.iloc[0] * m.sigma
    missing = m.predict(own.assign(east=np.nan))
    assert np.isnan(missing.iloc[0])


def test_generalized_models_and_new_groups() -> None:
    draw = np.random.default_rng(5)
    data = FIELDS.assign(count=draw.poisson(np.exp(0.5 * (FIELDS["yield"] - FIELDS["yield"].mean()) + 1)))
    m = glmer("count ~ trt + exp(0 + east + north | field)", data, family="poisson")
    assert np.isfinite(m.predict(NEW.assign(count=0))).all()
    unseen = NEW.assign(field="another", count=0)
    with pytest.raises(NewLevelError):
        m.predict(unseen)
    population = m.predict(unseen, new_levels="population", type="link", se=True)
    assert population["fit"].to_numpy() == pytest.approx(m.predict(NEW, re="population", type="link").to_numpy())
    whole = m.predict(NEW.iloc[[1]].assign(field="another"), new_levels="population", type="link", se=True)
    assert population["se"].iloc[1] == pytest.approx(whole["se"].iloc[0])
    assert population["se"].iloc[0] > m.theta.iloc[0]
