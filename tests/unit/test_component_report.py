"""Reports and R code of models with zeros and dispersion: nothing of the model is left out."""

import re
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import ranef
from ranef import glmer
from ranef.errors import OptionError, TranslationError
from ranef.families.names import parse_family

FOLDER = Path(__file__).parents[1] / "reference" / "components"
DATA = pd.read_parquet(FOLDER / "Salamanders.parquet")
FAMILIES = pd.read_parquet(FOLDER / "sim_families.parquet")

pytestmark = pytest.mark.filterwarnings("ignore::ranef.RanefWarning")


@pytest.fixture(scope="module")
def inflated() -> Any:
    return glmer(
        "zinb2 ~ x + trt + offset(log(expo)) + (1 | g)", FAMILIES, family="nbinom2", zi_formula="~ x + (1 | g)",
        disp_formula="~ trt",
    )  # fmt: skip


def text_of(m: Any, path: Path) -> str:
    page = m.report(path).read_text(encoding="utf-8")
    page = re.sub(r"<(style|svg|math).*?</\1>", "", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", page)))


@pytest.fixture(scope="module")
def page(inflated: Any, tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the page with its pictures says."""
    return text_of(inflated, tmp_path_factory.mktemp("report") / "page.html")


def test_the_zero_part_in_words(inflated: Any, page: str) -> None:
    text = page
    zi = inflated.component("zi").fixef
    assert "A row has an extra zero with a probability of its own" in text
    effect = np.exp(zi.iloc[1])
    assert f"the odds of an extra zero are multiplied by {effect:.3g}" in text
    assert f"the probability of an extra zero is {1 / (1 + np.exp(-zi.iloc[0])):.3g}" in text
    size = np.exp(inflated.component("disp").fixef.iloc[1])
    assert f"the size is multiplied by {size:.3g}" in text
    assert "g (zeros)" in text
    assert 'zi_formula="~ x + (1 | g)", disp_formula="~ trt"' in text
    assert "ziformula = ~ x + (1 | g), dispformula = ~ trt)" in text
    assert "lme4)" not in text.split("The same model in other programs")[1].split("How to cite")[0]
    assert "not available" not in text


@pytest.mark.usefixtures("undrawn")
def test_a_hurdle_in_words(tmp_path: Path) -> None:
    m = glmer("count ~ mined + (1 | site)", DATA, family="truncated_poisson", zi_formula="~ mined")
    text = text_of(m, tmp_path / "page.html")
    assert "the distribution (truncated Poisson) of what is not zero" in text
    effect = np.exp(m.component("zi").fixef.iloc[1])
    assert f"the odds of count being zero are multiplied by {effect:.3g}" in text
    assert "has no dispersion to estimate" in text


@pytest.mark.usefixtures("undrawn")
def test_families_have_names_that_are_read(tmp_path: Path) -> None:
    """The call on the page makes the same model."""
    for name in ("nbinom2", "nbinom1", "truncated_nbinom2", "genpois", "compois", "tweedie", "betabinomial"):
        family = parse_family(name)
        assert parse_family(family.argument) == family
    m = glmer("count ~ mined + (1 | site)", DATA, family="nbinom2")
    assert 'family="nbinom2"' in text_of(m, tmp_path / "page.html")


@pytest.mark.parametrize(
    ("formula", "options", "call"),
    [
        (
            "zip ~ x + trt + (1 | g)",
            {"family": "poisson", "zi_formula": "~ x + (1 | g)", "weights": "w"},
            "family = poisson, ziformula = ~x + (1 | g), weights = w",
        ),
        ("hunb ~ x + (1 | g)", {"family": "truncated_nbinom2", "zi_formula": "~ x"}, "family = truncated_nbinom2"),
        ("zig ~ x + (1 | g)", {"family": "Gamma(log)", "zi_formula": "~ x"}, 'ziGamma(link = "log")'),
        ("be ~ x + (1 | g)", {"family": "beta", "disp_formula": "~ x"}, "family = beta_family(), dispformula = ~x"),
        ("tw ~ x + (1 | g)", {"family": "tweedie"}, "family = tweedie)"),
    ],
)
def test_calls_of_glmmtmb(formula: str, options: dict[str, str], call: str) -> None:
    code = glmer(formula, FAMILIES, **options).to_syntax("r", notes=False)  # type: ignore[arg-type]
    assert code.startswith("glmmTMB(")
    assert call.replace(" ", "") in code.replace(" ", "")


@pytest.mark.parametrize("language", ["stata", "sas", "spss", "julia", "nlme"])
def test_other_languages_do_not_lose_the_zero_part(inflated: Any, language: Any) -> None:
    with pytest.raises(TranslationError, match="zi_formula"):
        inflated.to_syntax(language)


def test_what_glmmtmb_does_not_have() -> None:
    shared = glmer("zip ~ x + (1 |p| g)", FAMILIES, family="poisson", zi_formula="~ 1 + (1 |p| g)")
    with pytest.raises(TranslationError, match="across its linear predictors"):
        shared.to_syntax("r")
    logs = glmer("ln ~ x + (1 | g)", FAMILIES, family=ranef.LogNormal())
    with pytest.raises(TranslationError, match="lognormal family"):
        logs.to_syntax("r")


def test_effects_of_a_fit_without_a_covariance_are_not_tested_together(inflated: Any) -> None:
    fit = replace(inflated._fit, vcov_beta=np.full_like(inflated._fit.vcov_beta, np.nan))
    with pytest.raises(OptionError, match="covariance is not known"):
        inflated.__class__(fit, inflated._request).anova()


@pytest.mark.usefixtures("undrawn")
def test_the_model_is_there_with_all_that_belongs_to_it(page: str, tmp_path: Path) -> None:
    text = page.split("As equations")[0]
    assert "Zero part ~ x + (1 | g)" in text
    assert "Dispersion ~ trt" in text
    data = DATA.assign(w=np.linspace(1, 2, len(DATA)))
    weighted = glmer(
        "count ~ mined + (1 | site)", data, family="nbinom2", sampling_weights={"rows": "w"},
        prior={"fixef": ranef.priors.Normal(sd=2)},
    )  # fmt: skip
    text = text_of(weighted, tmp_path / "page.html")
    assert "Sampling weights of rows: a pseudo-likelihood; standard errors are robust (23 clusters of site)" in text
    assert "Priors: fixef ~ Normal(sd=2)" in text
    assert " nan" not in text.lower()
    assert "the likelihood is that of no sample" in text


@pytest.mark.usefixtures("undrawn")
def test_a_curve_in_words(tmp_path: Path) -> None:
    orange = ranef.load_dataset("Orange").assign(tall=lambda d: np.where(d["Tree"].astype(int) > 3, "yes", "no"))
    curve = "circumference ~ SSlogis(age, Asym, xmid, scal)"
    m = ranef.nlmer(curve, orange, params={"Asym": "~ tall + (1 |p| Tree)", "xmid": "~ 1 + (1 |p| Tree)"})
    text = text_of(m, tmp_path / "page.html")
    assert (
        "The model describes circumference by the curve SSlogis(age, Asym, xmid, scal), in which Asym depends on tall. "
        "Rows of the same Tree may be alike." in text
    )
    assert "has its own deviation in Asym and xmid" in text
    assert "normally distributed around the curve" in text
