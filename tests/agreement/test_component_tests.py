"""Likelihood-ratio tests of zeros, their random effects, dispersion and its limit against glmmTMB's
log-likelihoods and mixtures of chi-squares.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from scipy import stats

from ranef import NegativeBinomial, anova, clmm, glmer, load_dataset

FOLDER = Path(__file__).parents[1] / "reference"
CONTENT = (FOLDER / "component_tests.json").read_bytes()
STORED: dict[str, Any] = json.loads(CONTENT)
SALAMANDERS = pd.read_parquet(FOLDER / "components" / "Salamanders.parquet")
OWLS = pd.read_parquet(FOLDER / "components" / "Owls.parquet")
ONE = ("count ~ spp + mined + (1 | site)", SALAMANDERS)
NESTS = ("SiblingNegotiation ~ FoodTreatment + offset(logBroodSize) + (1 | Nest)", OWLS)
PAIRS: dict[str, tuple[tuple[str, pd.DataFrame], dict[str, str], dict[str, str], str]] = {
    "zi": (
        ONE, {"family": "nbinom1"}, {"family": "nbinom1", "zi_formula": "~ 1"},
        "the probability of an extra zero is tested at the edge",
    ),
    "zi_random": (
        NESTS, {"family": "nbinom1", "zi_formula": "~ 1"}, {"family": "nbinom1", "zi_formula": "~ 1 + (1 | Nest)"},
        "variances are tested at their lower bound",
    ),
    "disp": (ONE, {"family": "nbinom2"}, {"family": "nbinom2", "disp_formula": "~ mined"}, ""),
    "limit": (
        NESTS, {"family": "poisson", "zi_formula": "~ 1"}, {"family": "nbinom2", "zi_formula": "~ 1"},
        "the dispersion is tested at the edge",
    ),
}  # fmt: skip

#: Log-likelihoods by glmmTMB 1.1.5.
LLF = {
    "poisson": -972.4037328,
    "nbinom1": -815.1015471,
    "nbinom2": -826.2022046,
    "binomial": -92.02628186,
    "betabinomial": -88.04164683,
}

pytestmark = pytest.mark.filterwarnings("ignore::ranef.RanefWarning")


def test_file() -> None:
    assert hashlib.md5(CONTENT).hexdigest() == (FOLDER / "component_tests.md5").read_text().strip()


@pytest.mark.parametrize("name", PAIRS)
def test_pair(name: str) -> None:
    (formula, data), small, large, words = PAIRS[name]
    stored = STORED[name]
    smaller = glmer(formula, data, **small)  # type: ignore[arg-type]
    larger = glmer(formula, data, **large)  # type: ignore[arg-type]
    assert [smaller.llf, larger.llf] == pytest.approx(stored["loglik"], abs=2e-3)
    table = anova(smaller, larger)
    row = table.iloc[1]
    assert row["chisq"] == pytest.approx(stored["statistic"], abs=5e-3)
    assert row["df"] == 1
    assert row["p_value"] == pytest.approx(stored["p"], rel=1e-2, abs=1e-12)
    notes = " ".join(table.attrs["notes"])
    if words:
        assert row["p_value_boundary"] == pytest.approx(stored["boundary"], rel=1e-2, abs=1e-12)
        assert words in notes
    else:
        assert "p_value_boundary" not in table or pd.isna(row["p_value_boundary"])
        assert "nested" not in notes


def test_effects_on_zeros_have_no_meaning_without_zeros() -> None:
    formula, data = ONE
    smaller = glmer(formula, data, family="nbinom1")
    larger = glmer(formula, data, family="nbinom1", zi_formula="~ mined")
    table = anova(smaller, larger)
    assert "have no meaning" in " ".join(table.attrs["notes"])
    assert "p_value_boundary" not in table or table["p_value_boundary"].isna().all()


def test_terms_of_the_zero_part_alone() -> None:
    """Within a zero part that both models have, a fixed effect is an ordinary one."""
    formula, data = ONE
    smaller = glmer(formula, data, family="nbinom1", zi_formula="~ 1")
    larger = glmer(formula, data, family="nbinom1", zi_formula="~ mined")
    notes = " ".join(anova(smaller, larger).attrs.get("notes", ()))
    assert "do not show" not in notes
    other = glmer(formula, data, family="nbinom1", zi_formula="~ cover")
    notes = " ".join(anova(other, larger).attrs.get("notes", ()))
    assert "same number of parameters" in notes


def test_overdispersion_is_tested_at_its_edge() -> None:
    """glmmTMB 1.1.5 has these log-likelihoods; half of a chi-square with one degree of freedom."""
    formula, data = ONE
    simple = glmer(formula, data, family="poisson")
    for family, llf in (("nbinom1", LLF["nbinom1"]), ("nbinom2", LLF["nbinom2"])):
        row = anova(simple, glmer(formula, data, family=family)).iloc[1]
        statistic = 2 * (llf - LLF["poisson"])
        assert row["chisq"] == pytest.approx(statistic, abs=1e-3)
        assert row["p_value_boundary"] == pytest.approx(stats.chi2.sf(statistic, 1) / 2, rel=1e-3)
    herds = load_dataset("cbpp")
    formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
    table = anova(*(glmer(formula, herds, family=f) for f in ("binomial", "betabinomial")))
    statistic = 2 * (LLF["betabinomial"] - LLF["binomial"])
    assert table["chisq"].iloc[1] == pytest.approx(statistic, abs=1e-3)
    assert table["p_value_boundary"].iloc[1] == pytest.approx(stats.chi2.sf(statistic, 1) / 2, rel=1e-3)


def test_no_test_of_distributions_that_do_not_contain_each_other() -> None:
    formula, data = ONE
    one = glmer(formula, data, family="nbinom1")
    table = anova(one, glmer(formula, data, family="nbinom2", zi_formula="~ 1"))
    assert table[["chisq", "p_value"]].iloc[1].isna().all()
    assert "different distributions (nbinom1, nbinom2), of which neither contains the other" in str(table)
    given = glmer(formula, data, family=NegativeBinomial(size=2.0))
    table = anova(given, one)
    assert table["p_value"].isna().all()
    herds = load_dataset("cbpp")
    formula = "cbind(incidence, size - incidence) ~ {} + (1 | herd)"
    logit = glmer(formula.format("1"), herds, family="binomial")
    table = anova(logit, glmer(formula.format("period"), herds, family="binomial(probit)"))
    assert table["p_value"].isna().all()
    assert "different links (logit, probit)" in str(table)


def test_each_random_effect_of_a_zero_part() -> None:
    (formula, data), _, large, _ = PAIRS["zi_random"]
    stored = STORED["zi_random"]
    row = glmer(formula, data, **large).ranova().loc["zi: (1 | Nest)"]  # type: ignore[arg-type]
    assert row["chisq"] == pytest.approx(stored["statistic"], abs=5e-3)
    assert row["p_value_boundary"] == pytest.approx(stored["boundary"], rel=1e-2, abs=1e-12)


def test_steps_leave_the_zero_part_as_it_is() -> None:
    (formula, data), _, large, _ = PAIRS["zi_random"]
    m = glmer(f"{formula} + (1 | BroodSize)", data, **large)  # type: ignore[arg-type]
    taken = m.step()
    assert "zi:Nest" in taken.model.varcorr
    assert "FoodTreatment" in str(taken)


def test_each_random_effect_of_a_scale() -> None:
    """The smaller models are those that one would write."""
    verbal = load_dataset("VerbAgg")
    verbal = verbal[verbal["id"].isin(verbal["id"].cat.categories[:100])]
    m = clmm("resp ~ btype + (1 |p| id)", verbal, scale="~ (1 |p| id)")
    table = m.ranova()
    without = clmm("resp ~ btype + (1 | id)", verbal)
    assert table.loc["scale: (1 |p| id)", "llf"] == pytest.approx(without.llf, abs=1e-6)
    assert table.loc["scale: (1 |p| id)", "df"] == 2
    separate = clmm("resp ~ btype + (1 | id)", verbal, scale="~ btype + (1 | id)").ranova()
    fixed = clmm("resp ~ btype + (1 | id)", verbal, scale="~ btype")
    assert separate.loc["scale: (1 | id)", "llf"] == pytest.approx(fixed.llf, abs=1e-6)
