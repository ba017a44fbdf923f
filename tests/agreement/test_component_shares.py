"""ICC and R² of models with zeros and dispersion against arithmetic on glmmTMB's estimates."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ranef import LogNormal, StudentT, glmer
from ranef.diagnostics.variance_shares import variance_parts
from ranef.errors import OptionError

FOLDER = Path(__file__).parents[1] / "reference"
CONTENT = (FOLDER / "component_shares.json").read_bytes()
STORED: dict[str, Any] = json.loads(CONTENT)
SALAMANDERS = pd.read_parquet(FOLDER / "components" / "Salamanders.parquet")
FAMILIES = pd.read_parquet(FOLDER / "components" / "sim_families.parquet")
CALLS: dict[str, tuple[str, dict[str, str]]] = {
    "inflated": ("count ~ spp + mined + (1 | site)", {"family": "nbinom2", "zi_formula": "~ mined"}),
    "dispersed": ("count ~ mined + cover + (1 | site)", {"family": "nbinom2", "disp_formula": "~ mined"}),
    "hurdle": (
        "count ~ spp + mined + (1 | site)",
        {"family": "truncated_poisson", "zi_formula": "~ mined + (1 | site)"},
    ),
    "nb1": ("count ~ spp + mined + (1 | site)", {"family": "nbinom1", "zi_formula": "~ mined"}),
}

pytestmark = pytest.mark.filterwarnings("ignore::ranef.RanefWarning")


def test_file() -> None:
    assert hashlib.md5(CONTENT).hexdigest() == (FOLDER / "component_shares.md5").read_text().strip()


@pytest.mark.parametrize("name", CALLS)
def test_shares(name: str) -> None:
    formula, options = CALLS[name]
    m, stored = glmer(formula, SALAMANDERS, **options), STORED[name]  # type: ignore[arg-type]
    parts = variance_parts(m._fit)
    assert parts.fixed == pytest.approx(stored["fixed"], rel=2e-3)
    assert parts.random["site"] == pytest.approx(stored["random"], rel=2e-3)
    assert parts.residual == pytest.approx(stored["residual"], rel=2e-3)
    assert m.icc().adjusted == pytest.approx(stored["icc"], rel=2e-3)
    assert m.r2().marginal == pytest.approx(stored["marginal"], rel=2e-3)
    assert m.r2().conditional == pytest.approx(stored["conditional"], rel=2e-3)


def test_logarithms_and_numbers_have_the_variance_of_their_scale() -> None:
    m = glmer("ln ~ x + trt + (1 | g)", FAMILIES, family=LogNormal())
    assert variance_parts(m._fit).residual == pytest.approx(np.exp(2 * m.component("disp").fixef.iloc[0]), rel=1e-9)
    m = glmer("ns ~ x + trt + (1 | g)", FAMILIES, family="gaussian", disp_formula="~ x")
    sd = m.predict(type="disp").to_numpy()
    assert variance_parts(m._fit).residual == pytest.approx((sd**2).mean(), rel=1e-9)


def test_a_binomial_response_has_its_latent_variable() -> None:
    formula = "cbind(zibb, nt - zibb) ~ x + trt + (1 | g) + (1 | h)"
    m = glmer(formula, FAMILIES, family="binomial", zi_formula="~ x")
    assert variance_parts(m._fit).residual == pytest.approx(np.pi**2 / 3)


def test_no_variance_is_said() -> None:
    m = glmer("st ~ x + trt + (1 | g)", FAMILIES, family=StudentT(df=1.5))
    with pytest.raises(OptionError, match="have no variance"):
        m.icc()
