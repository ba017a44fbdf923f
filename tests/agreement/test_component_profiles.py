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
    assert found.index.get_level_values("component").tolist() == ["cond"] * 3 + ["zi"] * 2 + ["theta"]
    errors = np.concatenate([m.bse, m.component("zi").bse])
    for side in ("lower", "upper"):
        assert (np.abs(found[side].to_numpy()[:5] - np.array(STORED[side])) < 2e-3 * errors).all()
    assert found.attrs["notes"] == ()
    zeros = m.conf_int("profile", component="zi", parm="mined[T.no]")
    np.testing.assert_allclose(zeros.to_numpy()[0], found.loc[("zi", "mined[T.no]")], atol=1e-6)


def test_the_conditional_part_is_meant_where_none_is_named(m: Any) -> None:
    steps: list[tuple[int, int]] = []
    found = m.conf_int("profile", parm="cover", progress=lambda done, total: steps.append((done, total)))
    assert found.index.tolist() == ["cover"]
    assert steps == [(1, 1)]


def test_standard_deviations(m: Any) -> None:
    """glmmTMB 1.1.5, confint(method = "uniroot", parm = "theta_"), has this upper limit and no
    lower one.
    """
    found = m.conf_int("profile", parm="theta_")
    assert found.index.tolist() == ["sd_(Intercept)|site"]
    assert found["lower"].iloc[0] == 0.0
    assert found["upper"].iloc[0] == pytest.approx(0.3848831676, abs=2e-5)


def test_curves_of_every_part(m: Any) -> None:
    curves = m.profile(["zi:mined[T.no]", "cover"])
    assert curves.parameters == ("zi:mined[T.no]", "cover")
    limits = m.conf_int("profile", component="zi", parm="mined[T.no]").to_numpy()[0]
    np.testing.assert_allclose(curves.zeta("zi:mined[T.no]", limits), [-1.959964, 1.959964], atol=1e-3)


def test_what_is_not_profiled(m: Any) -> None:
    with pytest.raises(OptionError, match=r"They are sd_.*site, .Intercept., mined"):
        m.conf_int("profile", parm="zi:cover")
    with pytest.raises(OptionError, match="no component"):
        m.conf_int("profile", component="disp")
