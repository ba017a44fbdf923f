"""Marginal means of every part of a model with zeros and dispersion against glmmTMB with emmeans,
and of the whole response against glmmTMB's parameters and covariance by the delta method.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ranef import OptionError, glmer

FOLDER = Path(__file__).parents[1] / "reference"
CONTENT = (FOLDER / "component_means.json").read_bytes()
STORED: dict[str, Any] = json.loads(CONTENT)
DATA = pd.read_parquet(FOLDER / "components" / "Salamanders.parquet")
CALLS: dict[str, tuple[str, dict[str, str]]] = {
    "inflated": ("count ~ spp + mined * cover + (1 | site)", {"family": "nbinom2", "zi_formula": "~ mined + DOY"}),
    "dispersed": (
        "count ~ mined + cover + (1 | site)",
        {"family": "nbinom2", "zi_formula": "~ mined", "disp_formula": "~ mined + cover"},
    ),
    "hurdle": (
        "count ~ spp + mined + (1 | site)",
        {"family": "truncated_poisson", "zi_formula": "~ mined + spp"},
    ),
}
#: glmmTMB stops this far from the optimum, in standard errors.
CLOSE = 2e-3
PARTS = [(name, part) for name in CALLS for part in STORED[name]["means"]]

pytestmark = pytest.mark.filterwarnings("ignore::ranef.RanefWarning")


@pytest.fixture(scope="module")
def models() -> dict[str, Any]:
    calls: dict[str, tuple[str, dict[str, Any]]] = CALLS
    return {name: glmer(formula, DATA, **options) for name, (formula, options) in calls.items()}


def close(frame: pd.DataFrame, stored: dict[str, Any]) -> None:
    estimate, se = (np.atleast_1d(np.array(stored[k], dtype=float)) for k in ("estimate", "se"))
    assert np.abs(frame["estimate"].to_numpy() - estimate).max() < CLOSE * se.max()
    np.testing.assert_allclose(frame["std_error"].to_numpy(), se, rtol=CLOSE)


def test_file() -> None:
    assert hashlib.md5(CONTENT).hexdigest() == (FOLDER / "component_means.md5").read_text().strip()


@pytest.mark.parametrize("name", CALLS)
def test_likelihood(models: dict[str, Any], name: str) -> None:
    assert models[name].llf == pytest.approx(STORED[name]["loglik"], abs=1e-4)


@pytest.mark.parametrize(("name", "part"), PARTS)
def test_means_of_a_part(models: dict[str, Any], name: str, part: str) -> None:
    m, stored = models[name], STORED[name]["means"][part]
    close(m.emmeans("mined", component=part).to_frame(), stored["link"])
    close(m.emmeans("mined", component=part, type="response").to_frame(), stored["response"])
    close(m.emmeans("mined", component=part).contrast("pairwise").to_frame(), stored["contrast"])


@pytest.mark.parametrize("name", CALLS)
def test_means_of_the_whole_response(models: dict[str, Any], name: str) -> None:
    m, stored = models[name], STORED[name]["whole"]
    found = m.emmeans("mined", component="response")
    frame = found.to_frame()
    assert frame["mined"].tolist() == stored["levels"]
    close(frame, stored)
    assert found.contrast("pairwise").to_frame()["estimate"].iloc[0] == pytest.approx(
        frame["estimate"].iloc[0] - frame["estimate"].iloc[1]
    )


def test_slopes_of_the_zero_part(models: dict[str, Any]) -> None:
    close(models["inflated"].emtrends("mined", "DOY", component="zi").to_frame(), STORED["trend"])


def test_the_whole_response_is_the_mean_of_predictions(models: dict[str, Any]) -> None:
    """A grid of all factors, with covariates at given values, is a set of new rows."""
    m = models["inflated"]
    at = {"cover": [0.3], "DOY": [-0.5]}
    frame = m.emmeans(["spp", "mined"], component="response", at=at).to_frame()
    rows = frame[["spp", "mined"]].assign(cover=0.3, DOY=-0.5)
    predicted = m.predict(rows, type="response", re="population", se=True)
    np.testing.assert_allclose(frame["estimate"], predicted["fit"], rtol=1e-9)
    np.testing.assert_allclose(frame["std_error"], predicted["se"], rtol=1e-5)


@pytest.mark.parametrize(
    ("component", "words"),
    [("disp ", "no component 'disp '"), ("shape", "'cond', 'disp', 'zi'"), ("zero", "no component 'zero'")],
)
def test_what_is_not_there(models: dict[str, Any], component: str, words: str) -> None:
    with pytest.raises(OptionError, match=words):
        models["inflated"].emmeans("mined", component=component)


def test_models_of_one_predictor() -> None:
    m = glmer("count ~ mined + (1 | site)", DATA, family="poisson")
    with pytest.raises(OptionError, match="several linear predictors"):
        m.emmeans("mined", component="zi")
    with pytest.raises(OptionError, match="several linear predictors"):
        m.emmeans("mined", component="response")
    assert m.emmeans("mined", component="cond").to_frame().equals(m.emmeans("mined").to_frame())
