"""Profile intervals of the fixed effects of mean and zeros against TMB's roots of the profile."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ranef import glmer
from ranef.errors import OptionError

FOLDER = Path(__file__).parents[1] / "reference"
CONTENT = (FOLDER / "component_profiles.json").read_bytes()
STORED: dict[str, Any] = json.loads(CONTENT)
DATA = pd.read_parquet(FOLDER / "components" / "Salamanders.parquet")

pytestmark = pytest.mark.filterwarnings("ignore::ranef.RanefWarning")


@pytest.fixture(scope="module")
def m() -> Any:
    return glmer("count ~ mined + cover + (1 | site)", DATA, family="poisson", zi_formula="~ mined")


def test_file() -> None:
    assert hashlib.md5(CONTENT).hexdigest() == (FOLDER / "component_profiles.md5").read_text().strip()


def test_limits(m: Any) -> None:
    assert m.llf == pytest.approx(STORED["loglik"], abs=1e-5)
    found = m.conf_int("profile", component="all")
    assert found.index.get_level_values("component").tolist() == ["cond"] * 3 + ["zi"] * 2
    errors = np.concatenate([m.bse, m.component("zi").bse])
    for side in ("lower", "upper"):
        assert (np.abs(found[side].to_numpy() - np.array(STORED[side])) < 2e-3 * errors).all()
    assert found.attrs["notes"] == ()
    zeros = m.conf_int("profile", component="zi", parm="mined[T.no]")
    np.testing.assert_allclose(zeros.to_numpy()[0], found.loc[("zi", "mined[T.no]")], atol=1e-6)


def test_the_conditional_part_is_meant_where_none_is_named(m: Any) -> None:
    steps: list[tuple[int, int]] = []
    found = m.conf_int("profile", parm="cover", progress=lambda done, total: steps.append((done, total)))
    assert found.index.tolist() == ["cover"]
    assert steps == [(1, 2), (2, 2)]


def test_what_is_not_profiled(m: Any) -> None:
    with pytest.raises(OptionError, match=r"conf_int\('profile'\)"):
        m.profile()
    with pytest.raises(OptionError, match="fixed effects"):
        m.conf_int("profile", parm="sd_(Intercept)|site")
    with pytest.raises(OptionError, match="no component"):
        m.conf_int("profile", component="disp")
