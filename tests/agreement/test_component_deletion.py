"""Models with extra zeros without one group at a time, against glmmTMB's fits of the other rows."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ranef import glmer

FOLDER = Path(__file__).parents[1] / "reference"
CONTENT = (FOLDER / "component_deletion.json").read_bytes()
STORED: dict[str, Any] = json.loads(CONTENT)
DATA = pd.read_parquet(FOLDER / "components" / "Salamanders.parquet")

pytestmark = pytest.mark.filterwarnings("ignore::ranef.RanefWarning")


def effects(stored: dict[str, Any]) -> np.ndarray:
    return np.concatenate([np.atleast_1d(stored[k]) for k in ("cond", "zi")])


def test_file() -> None:
    assert hashlib.md5(CONTENT).hexdigest() == (FOLDER / "component_deletion.md5").read_text().strip()


def test_influence_of_groups() -> None:
    m = glmer("count ~ mined + spp + (1 | site)", DATA, family="poisson", zi_formula="~ mined")
    found = m.influence("site")
    assert found.names[-2:] == ("zi:(Intercept)", "zi:mined[T.no]")
    error = m.bse.max()
    frame = found.to_frame()
    for site, stored in STORED["without"].items():
        change = effects(stored) - effects(STORED["whole"])
        own = frame.loc[site, [f"dfbeta:{n}" for n in found.names]].to_numpy(dtype=float)
        assert np.abs(own - change).max() < 0.02 * error
    assert found.converged.all()
    assert (found.n_deleted == 28).all()


def test_it_is_the_fit_of_the_other_rows() -> None:
    """Random effects in both parts, and a group left out of both."""
    data = DATA[DATA["spp"].isin(["GP", "DM", "EC-L", "DES-L"])]
    formula, options = "count ~ spp + (1 | site)", {"family": "poisson", "zi_formula": "~ 1 + (1 | site)"}
    m = glmer(formula, data, **options)  # type: ignore[arg-type]
    frame = m.influence("site").to_frame()
    for site in ("R-1", "VF-3"):
        rest = data[data["site"] != site].assign(site=lambda d: d["site"].astype(str))
        other = glmer(formula, rest, **options)  # type: ignore[arg-type]
        own = frame.loc[site, [f"dfbeta:{n}" for n in m.fixef.index]].to_numpy(dtype=float)
        np.testing.assert_allclose(own, other.fixef - m.fixef, atol=2e-3)
