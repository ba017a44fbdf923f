"""Random effects at positions in time and space (``exp``, ``gau``, ``mat``), against glmmTMB."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import ranef
from ranef.errors import DesignError, FormulaError, RanefError

FOLDER = Path(__file__).parents[1] / "reference"


def cases() -> dict[str, dict[str, Any]]:
    """The stored fits, by name."""
    content = (FOLDER / "positions.json").read_bytes()
    assert hashlib.md5(content).hexdigest() == (FOLDER / "positions.md5").read_text().strip()
    return {c["name"]: c for c in json.loads(content)["cases"]}


CASES = cases()


def rows(name: str) -> pd.DataFrame:
    return pd.read_parquet(FOLDER / "data" / f"{name}.parquet")


@pytest.mark.parametrize("name", ["stmb_fields_exp", "stmb_fields_gau_ml"])
@pytest.mark.filterwarnings("ignore::ranef.RanefWarning")
def test_fits_agree(name: str) -> None:
    case = CASES[name]
    m = ranef.lmer(case["formula"], rows(case["data"]), REML=case["reml"])
    assert m.objective <= case["objective"] + 1e-5  # their coordinates pass through text
    assert m.objective == pytest.approx(case["objective"], abs=1e-3)
    np.testing.assert_allclose(m.fixef, list(case["fixef"].values()), atol=2e-3 * min(case["se"].values()), rtol=2e-3)
    sd = next(iter(m.varcorr.values())).sd
    np.testing.assert_allclose(sd, case["sd"], rtol=3e-3)


def plots() -> pd.DataFrame:
    """Responses on a grid in several fields, with nearness that matters."""
    rng = np.random.default_rng(2)
    east, north = (v.ravel() for v in np.meshgrid(np.arange(5.0), np.arange(4.0)))
    distance = np.hypot(east[:, None] - east, north[:, None] - north)
    effects = rng.multivariate_normal(np.zeros(20), np.exp(-distance / 2), size=6)
    rows = {"field": np.repeat(np.arange(6), 20), "east": np.tile(east, 6), "north": np.tile(north, 6)}
    return pd.DataFrame({**rows, "y": effects.ravel() + 0.8 * rng.normal(size=120)})


def test_correlation_falls_with_distance() -> None:
    data = plots()
    m = ranef.lmer("y ~ exp(east + north + 0 | field)", data)
    assert m.convergence.status.ok
    block = m.varcorr["field"]
    at = np.array([[float(v) for v in name.strip("()").split(",")] for name in block.names])
    distance = np.sqrt(((at[:, None] - at[None]) ** 2).sum(axis=2))
    np.testing.assert_allclose(block.corr, np.exp(-distance / np.exp(m.theta["field.log_range"])), atol=1e-8)
    # a change of unit is one of the range
    far = ranef.lmer("y ~ exp(east + north + 0 | field)", data.assign(east=data.east * 10, north=data.north * 10))
    assert far.objective == pytest.approx(m.objective, abs=1e-6)
    assert far.theta["field.log_range"] - m.theta["field.log_range"] == pytest.approx(np.log(10), rel=1e-4)
    np.testing.assert_allclose(m.predict(data.iloc[:4]), m.fittedvalues[:4], rtol=1e-9)
    assert m.simulate(2, rng=1).shape == (len(data), 2)


def test_what_is_refused() -> None:
    data = plots().assign(kind=["a", "b"] * 60)
    with pytest.raises(FormulaError, match="coordinates without an intercept"):
        ranef.lmer("y ~ exp(east + north | field)", data)
    with pytest.raises(DesignError, match="must be numbers"):
        ranef.lmer("y ~ gau(kind + 0 | field)", data)
    m = ranef.lmer("y ~ exp(east + north + 0 | field)", data)
    with pytest.raises(RanefError, match="east"):
        m.predict(data.drop(columns="east"))
