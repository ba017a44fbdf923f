"""Equations of models with zeros and dispersion: the mixture, every predictor, and random effects
with the covariances of those that are shared.
"""

from pathlib import Path
from xml.etree import ElementTree

import pandas as pd
import pytest

from ranef import clmm, glmer, load_dataset

DATA = pd.read_parquet(Path(__file__).parents[1] / "reference" / "components" / "Salamanders.parquet")

pytestmark = pytest.mark.filterwarnings("ignore::ranef.RanefWarning")


def test_shared_effects_and_dispersion() -> None:
    m = glmer(
        "count ~ DOP + (1 |p| site)", DATA, family="nbinom2", zi_formula="~ mined + (1 |p| site)", disp_formula="~ DOY"
    )
    equations = m.equations()
    assert equations.to_text().splitlines() == [
        "Level 1 (rows)",
        "  count_ij ~ π_ij · zero + (1 − π_ij) · NegativeBinomial(μ_ij, φ_ij)",
        "  log(μ_ij) = β_0j + β_1 DOP_ij",
        "  logit(π_ij) = ζ_0 + ζ_1 mined[no]_ij + z_0j",
        "  log(φ_ij) = δ_0 + δ_1 DOY_ij",
        "Level 2 (site)",
        "  β_0j = γ_00 + u_0j",
        "  u_0j ~ N(0, σ²_u0)",
        "  z_0j ~ N(0, σ²_z0)",
        "  Cov(u_0j, z_0j) = σ_u0,z0",
    ]
    assert r"\zeta_{1} \text{mined[no]}_{ij}" in equations
    assert ElementTree.fromstring(equations.to_mathml()).tag.endswith("math")


def test_hurdles_and_slopes() -> None:
    m = glmer(
        "count ~ 1 + (1 + DOY | site)", DATA, family="truncated_poisson", zi_formula="~ 0 + DOP + (0 + DOP | site)"
    )
    text = m.equations().to_text()
    assert "count_ij ~ π_ij · zero + (1 − π_ij) · truncated Poisson(μ_ij)" in text
    assert "logit(π_ij) = ζ_1 DOP_ij + z_0j DOP_ij" in text
    assert "[u_0j; u_1j] ~ N([0; 0], [σ²_u0, σ_u01; σ_u01, σ²_u1])" in text


def test_parameters_of_one_number() -> None:
    cbpp = glmer("cbind(incidence, size - incidence) ~ 1 + (1 | herd)", load_dataset("cbpp"), family="betabinomial")
    assert "incidence_ij ~ BetaBinomial(size_ij, μ_ij, φ)" in cbpp.equations().to_text()
    tweedie = glmer("count ~ 1 + (1 | site)", DATA, family="tweedie")
    assert "count_ij ~ Tweedie(μ_ij, φ, power)" in tweedie.equations().to_text()


def test_random_effects_beside_the_mean_alone() -> None:
    m = glmer("count ~ mined", DATA, family="poisson", zi_formula="~ offset(log(DOY + 5)) + (1 | site)")
    text = m.equations().to_text()
    assert "logit(π_i) = ζ_0 + log(DOY + 5)_i + z_0site" in text
    assert text.endswith("Level 2 (site)\n  z_0site ~ N(0, σ²_z0)")
    scale = clmm("rating ~ temp", load_dataset("wine"), scale="~ (1 | judge)")
    assert "log(σ_i) = s_0judge" in scale.equations().to_text()


@pytest.mark.usefixtures("undrawn")
def test_the_report_shows_them(tmp_path: Path) -> None:
    m = glmer("count ~ mined + (1 | site)", DATA, family="poisson", zi_formula="~ mined")
    page = m.report(tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<mtext>zero</mtext>" in page
